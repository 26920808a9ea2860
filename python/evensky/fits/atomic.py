"""Writing of files whole or not at all, which evensky uses for all its files."""

from __future__ import annotations

__all__ = ["RUN", "Permit", "atomic_path", "check_target", "part_name", "shortened", "write_ecsv"]

import errno
import logging
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Protocol

from .._locks import process_lock
from .._processes import is_mark_of_dead, mark
from ..errors import FitsError

log = logging.getLogger("evensky")

RUN = "evensky-run-"
"""Part of the names of temporary files that are written with a permission: .NAME.evensky-run-*.tmp. Who holds the lock
of a folder may remove those that a killed run has left."""

# Folders that this process has looked through for what killed processes have left there.
_looked_through: set[tuple[int, str]] = set()

# Bytes of a name that are kept in the name of its temporary file; file systems allow names of 255 bytes.
_KEPT = 200

_umask_lock = process_lock()


class Permit(Protocol):
    """Right to give files their names, which may be lost."""

    def renaming(self) -> AbstractContextManager[None]:
        """Return a context in which a file may be renamed; entering it raises a `FitsError` if the right is lost."""


def check_target(path: Path, *, overwrite: bool) -> None:
    """Raise FitsError if a path cannot be the name of a new file."""
    if not overwrite and os.path.lexists(path):
        raise FitsError(f"{path}: exists already; allow overwriting (overwrite=True) or choose another name")
    if os.path.isdir(path):  # Unlike Path.is_dir, this accepts any name.
        raise FitsError(
            f"{path}: is a folder, and no file can have its name; remove or rename it, or choose another name"
        )
    if os.path.exists(path) and not os.path.isfile(path):
        raise FitsError(f"{path}: is not a regular file and is not replaced; choose another name")


@contextmanager
def atomic_path(path: str | Path, *, overwrite: bool = False, permit: Permit | None = None) -> Iterator[Path]:
    """Provide a temporary path beside `path`, which is renamed to `path` when the block ends without an exception.

    After an exception, even an interrupt, no file remains and an earlier file is unchanged. What a process of this host
    has left that was killed is removed by the next one that writes to the folder.

    Parameters
    ----------
    path : str or Path
        The file to write.
    overwrite : bool, optional
        Whether to replace an existing file.
    permit : Permit, optional
        Right to write to the folder; the file gets its name within ``permit.renaming()``.

    Yields
    ------
    Path
        The temporary path.

    Raises
    ------
    evensky.errors.FitsError
        If the folder cannot be written to, the file exists and `overwrite` is false, or the permission is lost.
    """
    path = Path(path)
    check_target(path, overwrite=overwrite)
    _remove_litter(path.parent)
    try:
        handle, name = tempfile.mkstemp(prefix=part_name(path, permit), suffix=".tmp", dir=path.parent)
    except OSError as error:
        raise FitsError(f"{path}: cannot be written: {error.strerror}") from error
    temporary = Path(name)
    try:
        os.close(handle)
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        # The file of mkstemp is private; the result must have the permissions of any new file. The umask belongs to the
        # process and can only be read by setting it, so without the lock, two threads could leave it at 0.
        with _umask_lock:
            umask = os.umask(0)
            os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        with nullcontext() if permit is None else permit.renaming():
            if overwrite:
                temporary.replace(path)
            else:
                _rename_without_clobbering(temporary, path)
    except OSError as error:
        if isinstance(error, FitsError):
            raise
        if permit is not None and error.errno == errno.ENOENT and os.path.isdir(path.parent):
            # Who has taken the lock of the folder over has removed the temporary file; this raises the error of that.
            with permit.renaming():
                pass
        raise FitsError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        # A file that cannot be removed takes only room, and must not hide that the other was written, or why not.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _remove_litter(folder: Path) -> None:
    """Remove temporary files of dead processes; once for each folder, as it may have many files."""
    if (key := (os.getpid(), str(folder))) in _looked_through:
        return
    _looked_through.add(key)
    try:
        names = os.listdir(folder)
    except OSError as error:  # told when the file is written
        log.debug("%s cannot be listed: %s", folder, error)
        return
    for name in names:
        found = re.fullmatch(r"\..*\.evensky-([0-9a-f]+-\d+)-\w+\.tmp", name, re.DOTALL)
        if found and is_mark_of_dead(found[1]):
            with suppress(OSError):
                os.unlink(folder / name)


def part_name(path: Path, permit: Permit | None) -> str:
    """Return how the name of a temporary file for a path begins, so that it is removed if this process is killed."""
    return f".{shortened(path.name)}.{RUN if permit is not None else f'evensky-{mark()}-'}"


def shortened(name: str) -> str:
    """Shorten the name of a file so that more can be added to it."""
    while len(os.fsencode(name)) > _KEPT:
        name = name[:-1]
    return name


def _rename_without_clobbering(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise FitsError(
            f"{path}: was created meanwhile by another process; use another name, or allow overwriting (overwrite=True)"
        ) from None
    except OSError as error:
        # On a file system without hard links, the check and the rename must be two steps.
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        temporary.rename(path)


def write_ecsv(table: Any, path: str | Path, permit: Permit | None = None) -> Path:
    """Write a table in ECSV format; an existing file is replaced.

    Parameters
    ----------
    table : astropy.table.Table
    path : str or Path
    permit : Permit, optional
        That of `atomic_path`.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    evensky.errors.FitsError
        If the file cannot be written.
    """
    path = Path(path)
    with atomic_path(path, overwrite=True, permit=permit) as temporary:
        table.write(temporary, format="ascii.ecsv", overwrite=True)
    return path
