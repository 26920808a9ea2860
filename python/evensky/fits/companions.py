"""Files that lie beside an image and hold its mask or its errors, found by the table of layouts."""

from __future__ import annotations

__all__ = [
    "Beside",
    "beside",
    "extension_of",
    "named_layout",
    "plane_file",
    "role_by_name",
    "sense_by_name",
    "split_extension",
]

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .descriptions import Role, Sense
from .layouts import LAYOUTS, Layout

_ENDING = re.compile(r"\.(fits?|fts)(\.(gz|fz|bz2|xz|zip))?$", re.IGNORECASE)
_ENDINGS = (".fits", ".fits.gz", ".fits.fz", ".fit", ".fts")


@dataclass(frozen=True)
class Beside:
    """Files found beside an image.

    Attributes
    ----------
    layout : Layout
        The layout whose names they have.
    mask : Path or None
    errors : Path or None
    sense : Sense
        Sense of the plane of errors.
    """

    layout: Layout
    mask: Path | None
    errors: Path | None
    sense: Sense


def plane_file(spec: str | Path | int) -> Path | None:
    """Return the file that holds a plane; None for an HDU of the image's own file.

    Parameters
    ----------
    spec : str, Path or int
        Location of a plane: an HDU by number or name, or a file, ``file.fits`` or ``file.fits[EXT]``.
    """
    if isinstance(spec, int):
        return None
    file, extension = extension_of(str(spec))
    if isinstance(spec, Path) or extension is not None or "/" in file or _ENDING.search(file) or Path(file).exists():
        return Path(file)
    return None


def extension_of(spec: str) -> tuple[str, str | None]:
    """Split ``file.fits[EXT]`` into ``file.fits`` and ``EXT``; the latter is None if there are no brackets."""
    match = re.fullmatch(r"(.+)\[([^\[\]]+)\]", spec)
    return (match[1], match[2]) if match else (spec, None)


def split_extension(path: Path) -> tuple[Path, str | None]:
    """Split the name of an image of a file, as in ``file.fits[SCI,2]``, unless a file has this name."""
    file, extension = extension_of(str(path))
    # Unlike Path.exists, os.path.exists accepts names that are too long.
    return (path, None) if extension is None or os.path.exists(path) else (Path(file), extension)


def _split(name: str) -> tuple[str, str]:
    """Return the name of a file without its ending, with a "$" behind it, and the ending."""
    found = _ENDING.search(name)
    return (f"{name[: found.start()]}$", found[0]) if found else (f"{name}$", "")


def _replaced(name: str, old: str, new: str) -> Iterator[str]:
    """Iterate over the names of files in which a part is another one; nothing if the name lacks the part."""
    stem, ending = _split(name)
    before, found, after = stem.rpartition(old)
    if found:
        start = f"{before}{new}{after}".removesuffix("$")
        for one in dict.fromkeys((ending, *_ENDINGS)):
            yield f"{start}{one}"


def _existing(path: Path, old: str, new: str) -> Path | None:
    files = (path.with_name(name) for name in _replaced(path.name, old, new))
    return next((file for file in files if file != path and file.is_file()), None)


def beside(path: Path) -> Beside | None:
    """Find the files of the mask and of the errors beside an image.

    Parameters
    ----------
    path : Path
        File of the image.

    Returns
    -------
    Beside or None
        Files of the first layout that has any; None if there are none.
    """
    for layout in LAYOUTS:
        for names in layout.files:
            mask = next((file for new in names.mask if (file := _existing(path, names.image, new))), None)
            for new, sense in names.errors:
                if file := _existing(path, names.image, new):
                    return Beside(layout, mask, file, sense)
            if mask is not None:
                return Beside(layout, mask, None, "variance")
    return None


def named_layout(path: Path) -> Layout | None:
    """Return the layout of which the name of a file alone is typical; None if there is none."""
    stem, _ = _split(path.name)
    for layout in LAYOUTS:
        if any(names.certain and names.image != "$" and names.image in stem for names in layout.files):
            return layout
    return None


def role_by_name(path: Path) -> Role | None:
    """Return the role of a file whose name says that it is a plane of another file; None if it does not say so."""
    stem, _ = _split(path.name)
    for layout in LAYOUTS:
        for names in layout.files:
            parts: list[tuple[str, Role]] = [(part, "mask") for part in names.mask]
            parts += [(part, "weight map") for part in (*(part for part, _ in names.errors), *names.other)]
            for part, role in parts:
                if part in stem and (names.certain or _existing(path, part, names.image)):
                    return role
    return None


def sense_by_name(path: Path) -> Sense | None:
    """Return the sense that the layouts give to a plane of errors with the name of a file; None if they give none."""
    stem, _ = _split(path.name)
    for layout in LAYOUTS:
        for names in layout.files:
            for part, sense in names.errors:
                if part in stem:
                    return sense
    return None
