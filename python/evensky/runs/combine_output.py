"""The file that a combination writes: its name, its planes, and what it must not replace."""

from __future__ import annotations

__all__ = [
    "ENDINGS",
    "PLANES",
    "check_output",
    "checked_output",
    "checked_planes",
    "checked_resampling",
    "journal_path",
]

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .._checks import shown
from ..combining.resampling import METHODS
from ..errors import FitsError, InvalidParameterError
from ..fits.opening import real_path
from ..io.folder_lock import FolderLock

PLANES = ("variance", "mask", "number", "rejected", "weight", "exposure_time")
"""Planes that can be written beside the image."""

ENDINGS = (".fits", ".fit", ".fts", ".fits.fz")
"""Endings of the name of the result."""

# Ending of the name of the journal.
_ENDING = ".journal"


def checked_output(out: str | Path) -> Path:
    """Return the name of a combination.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If it is not that of a FITS file.
    """
    path = Path(out)
    if not path.name.lower().endswith(ENDINGS):
        raise InvalidParameterError(
            f"out is {shown(str(path))}; the result is a FITS file, whose name ends with one of {', '.join(ENDINGS)}"
        )
    return path


def checked_planes(planes: str | Iterable[str]) -> tuple[str, ...]:
    """Return names of planes that can be written beside the image, each once.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If there is no such plane.
    """
    names = tuple(planes.split(",") if isinstance(planes, str) else planes)
    for name in names:
        if name not in PLANES:
            raise InvalidParameterError(f"planes holds {shown(name)}; what can be written is {', '.join(PLANES)}")
    return tuple(dict.fromkeys(names))


def checked_resampling(resampling: Any) -> str:
    """Return the name of a method of resampling.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If there is no such method.
    """
    if resampling not in METHODS:
        raise InvalidParameterError(f"resampling is {shown(resampling)}; it must be one of {', '.join(METHODS)}")
    return str(resampling)


def journal_path(out: Path) -> Path:
    """Return the path of the journal of a combination."""
    return out.with_name(f"{out.name}{_ENDING}")


def check_output(out: Path, paths: Iterable[Path], lock: FolderLock, *, overwrite: bool, resume: bool) -> None:
    """Check that nothing would be lost by the file.

    Parameters
    ----------
    out : Path
    paths : iterable of Path
        All files that are read.
    lock : FolderLock
        Lock of the run.
    overwrite, resume : bool
        Whether an earlier file may be replaced, and a stopped run continued.

    Raises
    ------
    evensky.errors.FitsError
        If it is read itself, or exists, or a run that writes it did not end.
    """
    inputs = {real_path(path) for path in paths}
    journal = journal_path(out)
    for path in (out, journal, lock.path):
        if real_path(path) in inputs:
            raise FitsError(f"{path}: is an input too, and inputs are never written to; choose another name")
    if overwrite:
        return
    if os.path.lexists(out):
        raise FitsError(
            f"{out}: exists already; choose another name or allow overwriting (overwrite=True, --overwrite)"
        )
    if os.path.lexists(journal) and not resume:
        raise FitsError(
            f"{out}: a run that writes it did not end ({journal.name}); resume it (resume=True, "
            "--resume), choose another name or allow overwriting (overwrite=True, --overwrite)"
        )
