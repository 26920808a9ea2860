"""Names of files: labels that tell them apart, patterns, and search for a file by its name."""

from __future__ import annotations

__all__ = [
    "ending_of",
    "fill_pattern",
    "fill_selection",
    "find_file",
    "refuse_one_name",
    "refuse_twice",
    "unique_labels",
]

import os
import re
import stat
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from .._text import printable, reason_of
from ..errors import InvalidParameterError
from ..fits.descriptions import Selection

# Endings of names: the format, then the compression of the whole file or of its images.
_ENDING = re.compile(r"(\.fits|\.fit|\.fts|\.asdf)?(\.gz|\.bz2|\.xz|\.zip|\.fz)?$", re.IGNORECASE)


def refuse_one_name(paths: object) -> None:
    """Raise an error if a sequence of exposures or files is a single name, whose letters would be taken for names.

    Raises
    ------
    evensky.errors.InvalidParameterError
    """
    if isinstance(paths, str | bytes | os.PathLike):
        name = os.fsdecode(paths)
        raise InvalidParameterError(
            f"{printable(repr(name))} is one name, and a sequence of exposures is needed; put it into a list: "
            f"[{printable(repr(name))}]"
        )


def refuse_twice(paths: Sequence[str | Path]) -> None:
    """Raise an error if a file is given more than once, under one name or as a link, as it cannot be matched to itself.

    Raises
    ------
    evensky.errors.InvalidParameterError
    """
    for name, times in Counter(map(os.path.abspath, paths)).items():
        if times > 1:
            raise InvalidParameterError(f"{printable(name)} is given more than once")
    first: dict[tuple[int, int], str | Path] = {}
    for path in paths:
        try:
            state = os.stat(path)
        except (OSError, ValueError):  # told when the file is opened
            continue
        if stat.S_ISREG(state.st_mode) and (state.st_dev, state.st_ino) in first:
            other = printable(str(first[state.st_dev, state.st_ino]))
            raise InvalidParameterError(f"{printable(str(path))} is the same file as {other}; give it once")
        first[state.st_dev, state.st_ino] = path


def unique_labels(paths: Sequence[Path]) -> list[str]:
    """Return short names that differ: stems of files, with the folder in front if stems repeat, then a number."""

    def stem(path: Path) -> str:
        name = printable(path.name)
        return _ENDING.sub("", name, count=1).strip() or name

    labels = [stem(path) for path in paths]
    times = Counter(labels)
    folders = [os.path.dirname(os.path.abspath(path)) for path in paths]  # realpath would not accept every name
    if len(set(folders)) > 1:
        labels = [
            f"{printable(os.path.basename(folder))}_{label}" if times[label] > 1 else label
            for folder, label in zip(folders, labels, strict=True)
        ]
    repeated = {label for label, count in Counter(labels).items() if count > 1}
    taken = set(labels)
    counts = dict.fromkeys(repeated, 0)
    for index, label in enumerate(labels):
        while label in repeated and labels[index] in taken:  # a numbered label must not be the name of another file
            counts[label] += 1
            labels[index] = f"{label}_{counts[label]}"
        taken.add(labels[index])
    return labels


def ending_of(path: Path) -> str:
    """Return the ending of the output of a file: ".fits", or that of another format or of a compressed file."""
    found = _ENDING.search(path.name.lower())
    assert found is not None  # it may be empty
    kind = ".asdf" if found[1] == ".asdf" else ".fits"
    return kind if found[2] in (None, ".zip") else kind + found[2]


def find_file(path: Path, files: Sequence[Path]) -> int | None:
    """Return the index of a file among others, by path, or by name or stem if that is unique."""
    for matches in (
        [i for i, file in enumerate(files) if os.path.abspath(file) == os.path.abspath(path)],
        [i for i, file in enumerate(files) if path.parent == Path() and path.name in (file.name, file.stem)],
    ):
        if len(matches) == 1:
            return matches[0]
    return None


# What a pattern may name.
_NAMES = ("stem", "name", "dir", "extname", "extver")


class _Replaceable:
    """Text with a format ``s/OLD/NEW/``, which replaces a part of it, and no attributes or items."""

    def __init__(self, text: str | Path) -> None:
        self._text = str(text)

    def __format__(self, how: str) -> str:
        parts = how.split(how[1]) if len(how) > 1 and how[0] == "s" else []
        if len(parts) == 4 and parts[1] and not parts[3]:
            return self._text.replace(parts[1], parts[2])
        if re.search(r"\d{4}", how):  # a width takes memory of its size
            raise ValueError(f"a width of {how[-20:]}; it must be less than 1000")
        return format(self._text, how)


def fill_pattern(pattern: str, path: Path, stem: str) -> str:
    """Fill ``{stem}``, ``{name}`` and ``{dir}`` of an exposure into a pattern.

    ``{stem:s/OLD/NEW/}`` is the stem with OLD replaced by NEW, and likewise for the others. ``{extname}`` and
    ``{extver}`` are kept, as they differ from image to image of one file.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the pattern has anything else in braces.
    """
    try:
        for _, name, how, _ in string.Formatter().parse(pattern):
            if name is not None and (name not in _NAMES or "{" in (how or "")):
                raise ValueError(f"{{{name}}} is unknown")
        return pattern.format(
            stem=_Replaceable(stem),
            name=_Replaceable(path.name),
            dir=_Replaceable(path.parent),
            extname="{extname}",
            extver="{extver}",
        )
    except (KeyError, IndexError, ValueError, AttributeError, TypeError, MemoryError) as error:
        raise InvalidParameterError(
            f"Pattern {pattern!r} cannot be filled in ({reason_of(error)}); {{stem}}, {{name}}, {{dir}}, {{extname}} "
            "and {extver} are known, and {stem:s/OLD/NEW/} replaces a part"
        ) from None


def _beside(spec: str, path: Path) -> str:
    """Return a location that a pattern gave, completed by the folder and the ending of the exposure if need be."""
    found = re.fullmatch(r"([^\[\]]+)(\[[^\[\]]+\])?", spec)
    if found is None or os.path.exists(found[1]):
        return spec
    for folder in ("", str(path.parent)):
        for ending in ("", ending_of(path), ".fits", ".fits.fz", ".fits.gz"):
            file = os.path.join(folder, found[1] + ending)
            if os.path.isfile(file):
                return file + (found[2] or "")
    return spec


def fill_selection(selection: Selection, path: Path, stem: str) -> Selection:
    """Fill the name of a file into the patterns of a selection.

    Parameters
    ----------
    selection : Selection
    path : Path
    stem : str
        Short name of the file.

    Raises
    ------
    evensky.errors.InvalidParameterError
        For a pattern that cannot be filled in.
    """

    def filled(spec: str | int | None) -> str | int | None:
        if not isinstance(spec, str) or "{" not in spec:
            return spec
        return _beside(fill_pattern(spec, path, stem), path)

    return replace(
        selection,
        mask=filled(selection.mask),
        variance=filled(selection.variance),
        weight=filled(selection.weight),
    )
