"""The lock of an output folder: one run at a time is at work in it, on all hosts that see the folder.

The lock is a file that names its owner. It appears whole, by a hard link, so that of two runs that begin together one
is refused. A daemon thread touches the file, and the file's time, on the clock of its file system, tells whether the
owner on another host is alive; on the same host, the process itself tells it. A lock whose owner is dead is taken over.

An owner may be taken for dead while it is merely stopped. Therefore a run renames its files into place, and changes
its journal, under `Permit.renaming` alone, which sees that the lock is still that of the run. It holds a shared lock
of the system (flock) on the file, and a take-over needs an exclusive one, so that no take-over can come between. On a
file system without such locks, only the time between the look and the rename is open.

Packages for locks have parts of this. Neither filelock nor flufl.lock keeps an owner whose lock was taken from writing;
soft leases of the former are judged only after they have been watched for their whole length, and the latter lets a
lock end at a time that its owner has to foresee.
"""

from __future__ import annotations

__all__ = ["LOCK", "FolderLock", "Permit"]

import errno
import fcntl
import glob
import json
import logging
import os
import re
import secrets
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from .._processes import is_mark_of_dead, mark
from .._text import reason_of
from ..errors import FitsError, LogicError, LostLockError
from .owners import Owner, held, is_alive, myself

log = logging.getLogger("evensky")

LOCK = "matched.lock"
"""Name of the file in the folder."""

HEARTBEAT = 4.0
"""Seconds between two touches of the file of a lock."""

DEAD_AFTER = 60.0
"""Seconds after which the owner on another host is dead if it has not touched the file."""

# Seconds for which an old lock of another host is watched before it is taken over. The clock of a file system may have
# been set, or all hosts suspended; an owner that is alive touches its file within this time.
_WATCH = 1.5 * HEARTBEAT

# Seconds to wait for another process that is in the middle of a rename, of a take-over, or of the writing of its lock
# where there are no hard links. Each takes milliseconds unless the process is stopped or the file server is away.
_PATIENCE = 5.0
_PAUSE = 0.005

# Times that a folder is made, if other runs remove it or its parents.
_TRIES = 100

# A lock has 300 bytes; what is longer is another file.
_LONGEST = 4096
_LONGEST_TEXT = 300

# Errors of `os.link` on a file system without hard links.
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


@dataclass(frozen=True)
class _Found:
    """The file of a lock as it was found: what identifies the file, its time, and its owner."""

    file: tuple[int, int]
    touched: float
    owner: Owner


class _TornError(Exception):
    """File that is not a lock, or not yet."""


def _open(path: Path) -> int:
    """Open a lock for `flock`, which shared file systems allow only on files that are open for writing, too."""
    flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    try:
        return os.open(path, os.O_RDWR | flags)
    except PermissionError:  # the lock of another user
        return os.open(path, os.O_RDONLY | flags)


def _content(file: int) -> tuple[os.stat_result, bytes]:
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode):
        raise _TornError("it is not a regular file")
    if found.st_size > _LONGEST:
        raise _TornError(f"it has {found.st_size} bytes")
    return found, os.pread(file, _LONGEST, 0)


def _read(path: Path) -> _Found:
    """Read a lock.

    Raises
    ------
    OSError
    _TornError
        If the file is no lock, or a torn one.
    """
    if not stat.S_ISREG(os.lstat(path).st_mode):  # opening a pipe or a device may do something
        raise _TornError("it is a link, a folder or a device")
    try:
        # Opened anew each time: only then does the client of a file server ask for the present state.
        file = _open(path)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _TornError("it is a link") from error
        raise
    try:
        found, content = _content(file)
    finally:
        os.close(file)
    return _Found((found.st_dev, found.st_ino), found.st_mtime, _owner_in(content))


def _owner_in(content: bytes) -> Owner:
    if not content.endswith(b"}\n"):
        raise _TornError("it is empty" if not content else "it is something else")
    try:
        fields = json.loads(content)
        owner = Owner(**fields)
    except (ValueError, TypeError, RecursionError) as error:
        raise _TornError("it is something else") from error
    texts = (owner.host, owner.since, owner.token, owner.system or "", owner.start or "")
    if not all(isinstance(text, str) and len(text) <= _LONGEST_TEXT for text in texts):
        raise _TornError("it is something else")
    if type(owner.pid) is not int or not 0 < owner.pid < 1 << 31 or not re.fullmatch("[0-9a-f]{32}", owner.token):
        raise _TornError("it is something else")
    return owner


def _flock(file: int, operation: int) -> bool:
    """Lock a file; return whether the file system has such locks.

    Raises
    ------
    TimeoutError
        If another process keeps the lock.
    """
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(file, operation | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise TimeoutError from None
            time.sleep(_PAUSE)
        except OSError as error:
            log.debug("A file cannot be locked: %s", error)
            return False
        else:
            return True


def _open_locked(path: Path, operation: int) -> tuple[int, bool]:
    """Open a lock and `flock` it; return the file, and whether the file system has such locks."""
    file = _open(path)
    try:
        return file, _flock(file, operation)
    except BaseException:
        os.close(file)
        raise


def _close_locked(file: int, locked: bool) -> None:
    # Nothing was written to the file, so that nothing is lost if this fails.
    with suppress(OSError):
        if locked:
            # Closing alone would not do: a child that another thread has forked meanwhile has the file, too.
            fcntl.flock(file, fcntl.LOCK_UN)
    with suppress(OSError):
        os.close(file)


def _identity(file: int | Path) -> tuple[int, int]:
    found = os.stat(file)
    return found.st_dev, found.st_ino


def _link(source: Path, target: Path) -> bool:
    """Give a file a second name; return False if that is taken."""
    try:
        os.link(source, target)
    except FileExistsError:
        # The answer of a file server may be lost, and the repeated request finds the link that it has made.
        with suppress(OSError):
            return os.path.samestat(os.lstat(source), os.lstat(target))
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        try:
            file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except FileExistsError:
            return False
        with os.fdopen(file, "wb") as out:
            out.write(source.read_bytes())
    return True


@dataclass(frozen=True)
class Permit:
    """The right of a run to change files in the folder that it has locked; workers on other hosts may have it, too.

    Parameters
    ----------
    path : Path
        The file of the lock.
    token : str
        The token in it.
    """

    path: Path
    token: str

    @contextmanager
    def renaming(self) -> Iterator[None]:
        """Make sure that the lock is that of the run, for the length of a block in which a file gets its name.

        Raises
        ------
        evensky.errors.LostLockError
            If the lock is not, or no longer, that of the run.
        evensky.errors.FitsError
            If the lock cannot be read.
        """
        file, locked = self._begin()
        try:
            yield
        finally:
            _close_locked(file, locked)

    def _begin(self) -> tuple[int, bool]:
        try:
            file, locked = _open_locked(self.path, fcntl.LOCK_SH)
            try:
                # Whoever takes the lock over puts another file in the place of this one.
                found = _read(self.path)
                if found.owner.token != self.token:
                    raise self._lost(f"it is that of {found.owner} now")
                if found.file != _identity(file):
                    raise self._lost("it was replaced")
                self._check_alive(found)
            except BaseException:
                _close_locked(file, locked)
                raise
        except (FileNotFoundError, NotADirectoryError) as error:
            if not os.path.isdir(self.path.parent):
                raise LostLockError(
                    f"{self.path.parent}: was removed or renamed while a run was at work in it; if it was renamed, "
                    "resume the run there (resume=True, --resume)"
                ) from error
            raise self._lost("it is gone") from error
        except TimeoutError as error:
            raise self._lost("another run is taking it over") from error
        except _TornError as error:
            raise self._lost(str(error)) from error
        except OSError as error:
            if isinstance(error, FitsError):
                raise
            raise FitsError(f"{self.path}: cannot be read: {error.strerror or error}") from error
        return file, locked

    def _check_alive(self, found: _Found) -> None:
        """Raise an error if the run has ended, of which this process is a worker that does not know it yet."""
        alive = is_alive(found.owner)
        if alive is None:
            with tempfile.TemporaryFile(dir=self.path.parent) as new:
                alive = abs(os.fstat(new.fileno()).st_mtime - found.touched) <= DEAD_AFTER
        if not alive:
            raise self._lost(f"it is that of {found.owner}, which has ended")

    def _lost(self, reason: str) -> LostLockError:
        return LostLockError(
            f"{self.path.parent}: this run has lost its lock {self.path.name}: {reason}; it writes nothing more. See "
            "that one run at a time is at work in the folder, and go on with resume=True (--resume)"
        )


class FolderLock:
    """The lock of an output folder; a context manager that takes it and removes it.

    Parameters
    ----------
    folder : Path
        The folder. It is made if it does not exist, and removed at the end if it is still empty.
    name : str, optional
        Name of the file of the lock. Runs whose results are single files lock these alone, by names of their own.

    Raises
    ------
    evensky.errors.FitsError
        When it is taken: if another run is at work in the folder, if the folder cannot be made or written to, or if a
        file of another kind has the name of the lock.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from evensky.io.folder_lock import FolderLock
    >>> with tempfile.TemporaryDirectory() as name, FolderLock(Path(name)) as lock:
    ...     with lock.permit.renaming():
    ...         print([path.name for path in Path(name).iterdir()])
    ['matched.lock']
    """

    def __init__(self, folder: Path, name: str = LOCK) -> None:
        self.folder = folder
        self.path = folder / name
        self._permit: Permit | None = None
        # Folders that were made for this run, with their identities.
        self._made: list[tuple[Path, tuple[int, int]]] = []
        self._pid = 0
        self._end = threading.Event()

    @property
    def permit(self) -> Permit:
        """The right to change files in the folder, to be handed to all who write there.

        Raises
        ------
        evensky.errors.LogicError
            If the lock is not held.
        """
        if self._permit is None:
            raise LogicError(f"{self.folder}: its lock is not held; acquire it first")
        return self._permit

    def __enter__(self) -> FolderLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lock.

        Raises
        ------
        evensky.errors.FitsError
            If another run is at work in the folder, if the folder cannot be made or written to, or if a file of another
            kind has the name of the lock.
        evensky.errors.LogicError
            If the lock is held already.
        """
        if self._permit is not None:
            raise LogicError(f"{self.folder}: its lock is held already; release it first")
        self._pid = os.getpid()
        self._end.clear()
        permit = Permit(self.path, secrets.token_hex(16))
        held.add(permit.token)
        self._permit = permit
        try:
            try:
                heart = self._take(permit)
            except OSError as error:
                if isinstance(error, FitsError):
                    raise
                raise FitsError(f"{self.path}: cannot be written: {error.strerror or error}") from error
            self._beat(heart)
            self._remove_litter()
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Remove the lock, if it is held; also the folder, if it was made for this run and is empty.

        Nothing is raised: all results are in place by now, and a lock that stays is that of a dead run.
        """
        permit = self._permit
        if permit is None or self._pid != os.getpid():  # a forked child does not end the run of its parent
            return
        self._end.set()
        try:
            self._remove(permit)
        except _TornError as error:  # it is another file
            log.debug("%s is not removed: %s", self.path, error)
        except OSError as error:
            log.warning("%s is not removed: %s", self.path, reason_of(error))
        finally:
            self._permit = None
            held.discard(permit.token)
        for folder, made in self._made:
            try:
                if _identity(folder) != made:  # another one has its name by now
                    break
                folder.rmdir()
            except OSError:  # it has results
                break
        self._made = []

    def _make_folder(self) -> None:
        """Make the folder, and note what is to be removed if it stays empty."""
        for number in range(_TRIES):
            mode = None
            with suppress(OSError, ValueError):  # whatever is wrong with the name, mkdir tells
                mode = os.stat(self.folder).st_mode  # one look, as another run may make the folder between two
            if mode is not None and stat.S_ISDIR(mode):
                return
            if mode is not None:
                raise FitsError(f"{self.folder}: is a file; choose a folder for the output")
            missing = [self.folder, *self.folder.parents]
            while missing and os.path.lexists(missing[-1]):
                missing.pop()
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                made = [(folder, _identity(folder)) for folder in missing]
                break
            except OSError as error:
                # Other runs may make and remove it, or a parent, meanwhile.
                if not isinstance(error, FileExistsError | FileNotFoundError) or number + 1 == _TRIES:
                    raise FitsError(f"{self.folder}: cannot be made: {error.strerror or error}") from error
        self._made = [*made, *(one for one in self._made if one[0] not in missing)]

    def _proposal_of(self, token: str) -> Path:
        # The name tells whose it is, as a process may be killed before there is any content.
        return self.folder / f".{self.path.name}.evensky-{mark()}-{token}.tmp"

    def _guard_of(self, token: str) -> Path:
        return self.folder / f".{self.path.name}.evensky-take-{token}.tmp"

    def _take(self, permit: Permit) -> int:
        """Take the lock; return the file, open, to be touched."""
        content = json.dumps(asdict(myself(permit.token))).encode() + b"\n"
        proposal = self._proposal_of(permit.token)
        until = time.monotonic() + 2 * _PATIENCE
        while True:
            self._make_folder()
            try:
                file = os.open(proposal, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            except FileNotFoundError:
                # Another run that has ended has removed the folder, which was empty.
                if os.path.isdir(self.folder) or time.monotonic() > until:
                    raise
                continue
            try:
                _write(file, content)
                self._put(proposal, file)
                if (lock := self._open_if_mine(permit)) is not None:
                    return lock
            except FileNotFoundError:  # the folder has gone, or a proposal that was too old
                if time.monotonic() > until:
                    raise
            finally:
                _close_locked(file, locked=False)
                with suppress(OSError):
                    proposal.unlink(missing_ok=True)

    def _open_if_mine(self, permit: Permit) -> int | None:
        """Open the lock, which is another file than the proposal where there are no hard links."""
        file = _open(self.path)
        with suppress(_TornError):
            if _owner_in(_content(file)[1]).token == permit.token:
                return file
        os.close(file)
        return None

    def _put(self, proposal: Path, file: int) -> None:
        """Put a proposal in the place of the lock, if that is free or its owner is dead."""
        until = time.monotonic() + _PATIENCE
        while not _link(proposal, self.path):
            try:
                found = _read(self.path)
            except FileNotFoundError:  # it was removed, or is not yet seen on this host
                if time.monotonic() > until:
                    raise
                time.sleep(_PAUSE)
                continue
            except PermissionError as error:
                raise FitsError(
                    f"{self.folder}: another run is at work in it, whose lock {self.path.name} cannot be read "
                    f"({error.strerror}); wait until it ends, or choose another folder"
                ) from error
            except _TornError as error:
                # Where there are no hard links, a lock is empty for a moment.
                if "empty" in str(error) and time.monotonic() < until:
                    time.sleep(_PAUSE)
                    continue
                raise FitsError(
                    f"{self.path}: is not a lock of a run ({error}); remove it, or choose another folder"
                ) from error
            self._refuse_if_alive(found, file)
            log.info("The lock of %s is that of a dead run: %s", self.folder, found.owner)
            if self._take_over(found, proposal, file):
                return
            if time.monotonic() > until:
                raise self._taken(found.owner)

    def _refuse_if_alive(self, found: _Found, file: int) -> None:
        """Raise an error if the owner of a lock is alive, or may be."""
        alive = is_alive(found.owner)
        if alive is None:
            age = abs(_now(file) - found.touched)
            if age <= DEAD_AFTER:
                raise self._taken(found.owner, f"{DEAD_AFTER - age + HEARTBEAT:.0f}")
            # A clock may have been set, or all hosts may have slept.
            log.warning("%s: its lock is that of %s, which seems to be dead; watching it", self.folder, found.owner)
            until = time.monotonic() + _WATCH
            while time.monotonic() < until:
                time.sleep(_WATCH / 20)
                with suppress(OSError, _TornError):
                    alive = _read(self.path) != found
                    if alive:
                        break
        if alive:
            raise self._taken(found.owner)

    def _taken(self, owner: Owner, seconds: str = "") -> FitsError:
        killed = f" (if it was killed, its lock ends in {seconds} s)" if seconds else ""
        return FitsError(
            f"{self.folder}: another run is at work in it: {owner}{killed}; wait until it ends, stop it, or choose "
            "another folder"
        )

    def _take_over(self, dead: _Found, proposal: Path, file: int) -> bool:
        """Replace the lock of a dead owner; return False if another run was faster."""
        try:
            old, locked = _open_locked(self.path, fcntl.LOCK_EX)
        except FileNotFoundError:
            return False
        except TimeoutError:
            raise self._taken(dead.owner) from None
        try:
            # The lock of the system may not reach other hosts, but a name can be given once.
            guard = self._guard_of(dead.owner.token)
            if not _link(proposal, guard):
                if self._is_litter(guard, file):
                    guard.unlink(missing_ok=True)
                time.sleep(_PAUSE)
                return False
            try:
                if _read(self.path) != dead or dead.file != _identity(old):
                    return False
                proposal.replace(self.path)
                return True
            finally:
                guard.unlink(missing_ok=True)
        except (_TornError, FileNotFoundError):
            return False
        finally:
            _close_locked(old, locked)

    def _is_litter(self, path: Path, file: int) -> bool:
        """Return whether a proposal or a guard is that of a dead process."""
        made_by = re.search(r"\.evensky-([0-9a-f]+-\d+)-[0-9a-f]{32}\.tmp$", path.name)
        try:
            if made_by and (dead := is_mark_of_dead(made_by[1])) is not None:
                return dead
            age = abs(_now(file) - path.lstat().st_mtime)
            return age > DEAD_AFTER or (not made_by and is_alive(_read(path).owner) is False)
        except (OSError, _TornError):
            return False

    def _remove_litter(self) -> None:
        """Remove what runs have left that were killed when they took the lock."""
        file = _open(self.path)
        try:
            for path in self.folder.glob(f".{glob.escape(self.path.name)}.evensky-*.tmp"):
                if self._is_litter(path, file):
                    path.unlink(missing_ok=True)
        except OSError as error:  # it takes only room
            log.debug("%s may hold temporary files: %s", self.folder, error)
        finally:
            os.close(file)

    def _beat(self, file: int) -> None:
        """Touch the file of the lock from now on."""

        def beat() -> None:
            try:
                while not self._end.wait(HEARTBEAT):
                    try:
                        os.utime(file)  # without a time, it is that of the file server
                    except OSError as error:
                        log.debug("%s cannot be touched: %s", self.path, error)
            finally:
                try:
                    os.close(file)
                except OSError as error:  # nothing was written to it
                    log.debug("%s cannot be closed: %s", self.path, error)

        try:
            threading.Thread(target=beat, name="evensky-lock", daemon=True).start()
        except RuntimeError as error:
            os.close(file)
            raise FitsError(f"{self.path}: its thread cannot be started ({error}); free memory or processes") from error

    def _remove(self, permit: Permit) -> None:
        try:
            file, locked = _open_locked(self.path, fcntl.LOCK_EX)
        except FileNotFoundError:
            return
        try:
            found = _read(self.path)
            if found.owner.token == permit.token and found.file == _identity(file):
                self.path.unlink()
        finally:
            _close_locked(file, locked)


def _write(file: int, content: bytes) -> None:
    while content:
        content = content[os.write(file, content) :]
    os.fsync(file)


def _now(file: int) -> float:
    """Return the present time on the clock of the file system, by touching a file."""
    os.utime(file)
    return os.fstat(file).st_mtime
