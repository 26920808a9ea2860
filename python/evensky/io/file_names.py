"""Names of files: labels that tell them apart, patterns, and search for a file by its name."""

from __future__ import annotations

__all__ = ["fill_pattern", "find_file", "refuse_twice", "unique_labels"]

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from .._text import printable, reason_of
from ..errors import InvalidParameterError


def refuse_twice(paths: Sequence[str | Path]) -> None:
    """Raise an error if a path is given more than once, as a file cannot be matched to itself.

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
    folders = [os.path.dirname(os.path.abspath(path)) for path in paths]  # realpath would not accept every name
    if len(set(folders)) > 1:
        labels = [
            f"{printable(os.path.basename(folder))}_{label}" if labels.count(label) > 1 else label
            for folder, label in zip(folders, labels, strict=True)
        ]
    repeated = {label for label in labels if labels.count(label) > 1}
    taken = set(labels)
    counts = dict.fromkeys(repeated, 0)
    for index, label in enumerate(labels):
        while label in repeated and labels[index] in taken:  # a numbered label must not be the name of another file
            counts[label] += 1
            labels[index] = f"{label}_{counts[label]}"
        taken.add(labels[index])
    return labels


def find_file(path: Path, files: Sequence[Path]) -> int | None:
    """Return the index of a file among others, by path, or by name or stem if that is unique."""
    for matches in (
        [i for i, file in enumerate(files) if os.path.abspath(file) == os.path.abspath(path)],
        [i for i, file in enumerate(files) if path.parent == Path() and path.name in (file.name, file.stem)],
    ):
        if len(matches) == 1:
            return matches[0]
    return None


def fill_pattern(pattern: str, path: Path, stem: str) -> str:
    """Fill ``{stem}``, ``{name}`` and ``{dir}`` of an exposure into a pattern.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the pattern has anything else in braces.
    """
    try:
        return pattern.format(stem=stem, name=path.name, dir=path.parent)
    except (KeyError, IndexError, ValueError, AttributeError, TypeError, MemoryError) as error:
        raise InvalidParameterError(
            f"Pattern {pattern!r} cannot be filled in ({reason_of(error)}); {{stem}}, {{name}} and {{dir}} are known"
        ) from None
