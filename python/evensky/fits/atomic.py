"""Writing of files whole or not at all, which evensky uses for all its files."""

from __future__ import annotations

__all__ = ["atomic_path", "write_ecsv"]

import errno
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import FitsError

_umask_lock = threading.Lock()


@contextmanager
def atomic_path(path: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Provide a temporary path beside `path`, which is renamed to `path` when the block ends without an exception.

    After an exception, even an interrupt, no file remains and an earlier file is unchanged.

    Parameters
    ----------
    path : str or Path
        The file to write.
    overwrite : bool, optional
        Whether to replace an existing file.

    Yields
    ------
    Path
        The temporary path.

    Raises
    ------
    evensky.errors.FitsError
        If the folder cannot be written to, or the file exists and `overwrite` is false.
    """
    path = Path(path)
    if not overwrite and os.path.lexists(path):
        raise FitsError(f"{path}: exists already; allow overwriting (overwrite=True) or choose another name")
    if os.path.isdir(path):  # Unlike Path.is_dir, this accepts any name.
        raise FitsError(f"{path}: is a folder; the name of a file is needed")
    if os.path.exists(path) and not os.path.isfile(path):
        raise FitsError(f"{path}: is not a regular file and is not replaced; choose another name")
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    except OSError as error:
        raise FitsError(f"{path}: cannot be written: {error.strerror}") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        # The file of mkstemp is private; the result must have the permissions of any new file. The umask belongs to the
        # process and can only be read by setting it, so without the lock, two threads could leave it at 0.
        with _umask_lock:
            umask = os.umask(0)
            os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        if overwrite:
            temporary.replace(path)
        else:
            _rename_without_clobbering(temporary, path)
    except OSError as error:
        if isinstance(error, FitsError):
            raise
        raise FitsError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


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


def write_ecsv(table: Any, path: str | Path) -> Path:
    """Write an `astropy.table.Table` in ECSV format, and return its path; an existing file is replaced.

    Raises
    ------
    evensky.errors.FitsError
        If the file cannot be written.
    """
    path = Path(path)
    with atomic_path(path, overwrite=True) as temporary:
        table.write(temporary, format="ascii.ecsv", overwrite=True)
    return path
