"""Labels: the names of the exposures of a run."""

from __future__ import annotations

__all__ = ["refuse_twice", "unique_labels"]

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from .._text import printable
from ..errors import InvalidParameterError


def refuse_twice(paths: Sequence[str | Path]) -> None:
    """Raise an error if a path is given more than once; the difference of a file to itself says nothing.

    Raises
    ------
    evensky.errors.InvalidParameterError
    """
    for path, times in Counter(map(os.path.abspath, paths)).items():
        if times > 1:
            raise InvalidParameterError(f"{printable(path)} is given more than once")


def unique_labels(paths: Sequence[Path]) -> list[str]:
    """Return short names that differ: stems of files, with the folder in front if stems repeat, then a number."""

    def stem(path: Path) -> str:
        name = printable(path.name)
        for ending in (".gz", ".bz2", ".xz", ".zip", ".fz", ".fits", ".fit", ".fts"):
            if name.lower().endswith(ending):
                name = name[: -len(ending)]
        return name or printable(path.name)

    labels = [stem(path) for path in paths]
    folders = [os.path.dirname(os.path.abspath(path)) for path in paths]  # abspath takes any name, realpath does not
    if len(set(folders)) > 1:
        labels = [
            f"{printable(os.path.basename(folder))}_{label}" if labels.count(label) > 1 else label
            for folder, label in zip(folders, labels, strict=True)
        ]
    repeated = {label for label in labels if labels.count(label) > 1}
    taken = set(labels)
    counts = dict.fromkeys(repeated, 0)
    for index, label in enumerate(labels):
        while label in repeated and labels[index] in taken:  # the number must not make another file's name
            counts[label] += 1
            labels[index] = f"{label}_{counts[label]}"
        taken.add(labels[index])
    return labels
