"""The lock of an output folder: who may write there, whose lock it is, and when it is taken over."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pickle
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evensky._processes import mark
from evensky.errors import FitsError, LogicError, LostLockError
from evensky.fits.atomic import atomic_path
from evensky.io import folder_lock, owners
from evensky.io.folder_lock import LOCK, FolderLock, Permit

# Python warns of forks while there are threads; these children need nothing of theirs.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")


def in_child(do: Callable[[], Any]) -> int:
    """Fork a process that does something and ends at once, without cleaning up; return its number."""
    pid = os.fork()
    if pid == 0:
        try:
            do()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return pid


def code_of(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def dead_lock(folder: Path) -> Permit:
    """Leave the lock of a process that was killed; return its permit, which its workers may still have."""
    assert code_of(in_child(lambda: FolderLock(folder).acquire())) == 0
    return Permit(folder / LOCK, json.loads((folder / LOCK).read_text())["token"])


def alter(folder: Path, **fields: Any) -> None:
    """Change what a lock says of its owner."""
    lock = folder / LOCK
    lock.write_text(json.dumps({**json.loads(lock.read_text()), **fields}) + "\n")


def age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test wait for long."""
    monkeypatch.setattr(folder_lock, "_WATCH", 0.1)
    monkeypatch.setattr(folder_lock, "_PATIENCE", 0.2)


def without_flock(monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(file: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)


def without_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def link(source: Any, target: Any) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)


@pytest.fixture(params=["all", "no flock", "no links", "neither"])
def file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """File systems with and without locks and hard links."""
    if request.param in ("no flock", "neither"):
        without_flock(monkeypatch)
    if request.param in ("no links", "neither"):
        without_links(monkeypatch)


def refusal(folder: Path) -> str:
    with pytest.raises(FitsError) as caught:
        FolderLock(folder).acquire()
    assert "\n" not in str(caught.value)
    return str(caught.value)


# One at a time.


def test_one_run_at_a_time(tmp_path: Path, file_system: None) -> None:
    with FolderLock(tmp_path) as lock:
        told = refusal(tmp_path)
        assert re.fullmatch(
            rf"{tmp_path}: another run is at work in it: process {os.getpid()} on {os.uname().nodename}, since "
            r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC; wait until it ends, stop it, or choose another folder",
            told,
        )
        with lock.permit.renaming(), lock.permit.renaming():  # of two jobs
            pass
        assert [path.name for path in tmp_path.iterdir()] == [LOCK]
    assert list(tmp_path.iterdir()) == []
    with FolderLock(tmp_path):
        pass


def test_another_process_is_refused(tmp_path: Path) -> None:
    with FolderLock(tmp_path):
        assert code_of(in_child(lambda: refusal(tmp_path))) == 0
        # A child that was forked does not end the run of its parent.
        lock = FolderLock(tmp_path / "b")
        lock.acquire()
        assert code_of(in_child(lock.release)) == 0
        assert (tmp_path / "b" / LOCK).exists()
        lock.release()


def test_of_many_that_begin_together_one_is_admitted(tmp_path: Path, file_system: None) -> None:
    for turn in range(3):
        start, admitted, refused = threading.Barrier(8), [], []
        (tmp_path / f"{turn}").mkdir()

        def begin(
            folder: Path = tmp_path / f"{turn}", start: Any = start, admitted: Any = admitted, refused: Any = refused
        ) -> None:
            lock = FolderLock(folder)
            start.wait()
            try:
                lock.acquire()
            except FitsError as error:
                refused.append(str(error))
            else:
                admitted.append(lock)

        threads = [threading.Thread(target=begin) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(admitted) == 1
        assert len(refused) == 7
        assert all("another run is at work" in told for told in refused)
        admitted[0].release()
        assert list((tmp_path / f"{turn}").iterdir()) == []


def test_use_of_a_lock(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    with pytest.raises(LogicError, match="its lock is not held"):
        _ = lock.permit
    lock.release()
    with lock:
        assert pickle.loads(pickle.dumps(lock.permit)) == lock.permit
        with pytest.raises(LogicError, match="is held already"):
            lock.acquire()
        lock.release()
        lock.release()
    with lock:
        pass


# Owners that are dead.


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path: Path, file_system: None) -> None:
    dead_lock(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]
    with FolderLock(tmp_path):
        assert "another run is at work" in refusal(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == [LOCK]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="this Python cannot wait for a process and leave it")
def test_a_process_that_was_killed_but_not_waited_for_is_dead(tmp_path: Path) -> None:
    def hold() -> None:
        FolderLock(tmp_path).acquire()
        signal.pause()

    pid = in_child(hold)
    while not (tmp_path / LOCK).exists():
        time.sleep(0.01)
    os.kill(pid, signal.SIGSTOP)
    assert f"process {pid} on" in refusal(tmp_path)  # a process that is stopped is alive
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    with FolderLock(tmp_path):
        assert code_of(pid) == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, starts are known to a second")
def test_another_process_of_the_same_number_is_not_the_owner(tmp_path: Path) -> None:
    with FolderLock(tmp_path):
        alter(tmp_path, start="1", pid=1)
        with FolderLock(tmp_path):
            pass


def test_a_lock_that_this_process_could_not_remove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = FolderLock(tmp_path)
    lock.acquire()
    with monkeypatch.context() as patch:

        def unlink(self: Path) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        patch.setattr(Path, "unlink", unlink)
        lock.release()
    assert (tmp_path / LOCK).exists()
    with FolderLock(tmp_path):
        pass
    assert not (tmp_path / LOCK).exists()


def test_of_many_that_take_over_one_wins(tmp_path: Path, file_system: None) -> None:
    dead_lock(tmp_path)
    gate_read, gate_write = os.pipe()

    def begin() -> None:
        os.close(gate_write)
        os.read(gate_read, 1)  # until the gate is closed
        lock = FolderLock(tmp_path)
        try:
            lock.acquire()
        except FitsError as error:
            os._exit(3 if "another run is at work" in str(error) else 4)
        time.sleep(1.5)
        with lock.permit.renaming():
            os._exit(0)  # and leaves a lock of a dead process again

    children = [in_child(begin) for _ in range(8)]
    os.close(gate_read)
    os.close(gate_write)
    assert sorted(map(code_of, children)) == [0, *[3] * 7]
    with FolderLock(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [LOCK]


@pytest.mark.parametrize("call", ["open", "write", "link", "replace", "unlink", "fsync"])
def test_a_kill_at_any_step_of_taking_the_lock(tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes next is admitted at once, and no file is left."""
    really, points = getattr(os, call), 0
    dead_lock(tmp_path)
    of_the_dead = (tmp_path / LOCK).read_bytes()

    def killed_at(number: int, *, after: bool) -> int:
        """Kill a child at its n-th call, with the lock of a dead process in its way."""

        def begin() -> None:
            count = 0

            def counted(*args: Any, **kwargs: Any) -> Any:
                nonlocal count
                count += 1
                if count != number:
                    return really(*args, **kwargs)
                if after:
                    really(*args, **kwargs)
                os._exit(9)

            monkeypatch.setattr(os, call, counted)
            with FolderLock(tmp_path):
                pass

        return code_of(in_child(begin))

    for after in (False, True):
        for number in range(1, 99):
            (tmp_path / LOCK).write_bytes(of_the_dead)
            if killed_at(number, after=after) == 0:
                break
            points += 1
            with FolderLock(tmp_path):
                assert [path.name for path in tmp_path.iterdir()] == [LOCK]
            assert list(tmp_path.iterdir()) == []
    assert points >= 2


# Owners on other hosts.


def test_an_owner_on_another_host_is_alive_while_it_touches_its_lock(tmp_path: Path, quick: None) -> None:
    dead_lock(tmp_path)
    for seconds in (0, 40, -40):
        alter(tmp_path, system="another", host="far\x1b[31m", pid=77)
        age(tmp_path / LOCK, seconds)
        found = re.search(r"process 77 on far\\x1b\[31m, since .* UTC \((if .*) in (\d+) s\); wait", refusal(tmp_path))
        assert found
        assert found[1] == "if it was killed, its lock ends"
        assert abs(int(found[2]) - (folder_lock.DEAD_AFTER - abs(seconds) + folder_lock.HEARTBEAT)) <= 2
    for seconds in (70, 1e6, -70):  # or the clock of the file server was set back
        age(tmp_path / LOCK, seconds)
        with FolderLock(tmp_path):
            pass
        dead_lock(tmp_path)
        alter(tmp_path, system="another")


def test_an_old_lock_that_is_touched_while_it_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_lock, "_WATCH", 20.0)
    with FolderLock(tmp_path):
        alter(tmp_path, system="another")
        age(tmp_path / LOCK, 1000)
        touch = threading.Timer(0.3, os.utime, [tmp_path / LOCK])
        touch.start()
        assert "another run is at work" in refusal(tmp_path)
        touch.join()


def test_ages_are_not_those_of_the_clock_of_this_host(
    tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FolderLock(tmp_path):
        alter(tmp_path, system="another")
        monkeypatch.setattr(time, "time", lambda: 0.0)
        assert "its lock ends in 64 s" in refusal(tmp_path)


def test_the_lock_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_lock, "HEARTBEAT", 0.02)
    with FolderLock(tmp_path):
        before = (tmp_path / LOCK).stat().st_mtime_ns
        until = time.monotonic() + 10
        while (tmp_path / LOCK).stat().st_mtime_ns == before:
            assert time.monotonic() < until
            time.sleep(0.01)
    assert not any(thread.name == "evensky-lock" and thread.is_alive() for thread in threading.enumerate()) or (
        time.sleep(0.2) is None and not any(thread.name == "evensky-lock" for thread in threading.enumerate())
    )


def test_a_machine_that_cannot_be_identified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owners, "system_of", lambda pid: None)
    with FolderLock(tmp_path):
        assert "its lock ends in" in refusal(tmp_path)


# Owners whose lock was taken.


def test_who_has_lost_the_lock_writes_nothing(tmp_path: Path, quick: None, file_system: None) -> None:
    result = tmp_path / "a.fits"
    old = dead_lock(tmp_path)
    with pytest.raises(LostLockError, match=r"it is that of process \d+ on .*, which has ended"), old.renaming():
        pytest.fail("a worker that has outlived its run has written")
    alter(tmp_path, system="another")
    with atomic_path(result, permit=old) as temporary:  # a worker on another host
        temporary.write_text("old")
    age(tmp_path / LOCK, 100)
    with pytest.raises(LostLockError, match="which has ended"), old.renaming():
        pytest.fail("a worker that has outlived its run has written")
    with FolderLock(tmp_path) as lock:
        with atomic_path(result, permit=lock.permit, overwrite=True) as temporary:
            temporary.write_text("new")
        late = atomic_path(result, permit=old, overwrite=True)
        temporary = late.__enter__()
        assert re.fullmatch(r"\.a\.fits\.evensky-run-\w+\.tmp", temporary.name)
        temporary.write_text("late")
        with pytest.raises(LostLockError, match=rf"it is that of process {os.getpid()} on .*; it writes nothing more"):
            late.__exit__(None, None, None)
        assert result.read_text() == "new"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.fits", LOCK]
        # The new owner has removed the temporary file of the old one.
        with (
            pytest.raises(LostLockError, match="it is that of process"),
            atomic_path(result, permit=old, overwrite=True) as temporary,
        ):
            temporary.unlink()
    with pytest.raises(LostLockError, match="it is gone"), atomic_path(result, permit=old, overwrite=True):
        pass
    (tmp_path / LOCK).write_text("something else")
    with pytest.raises(LostLockError, match="it is something else"), old.renaming():
        pass
    assert result.read_text() == "new"


def test_an_owner_that_was_stopped_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: None) -> None:
    """The owner is on another host, which is taken for dead, as the time of its lock stands still."""
    result, folder = tmp_path / "a.fits", tmp_path / "out"

    def run() -> None:
        monkeypatch.setattr(owners, "system_of", lambda pid: "another")
        lock = FolderLock(folder)
        lock.acquire()
        os.kill(os.getpid(), signal.SIGSTOP)
        try:
            with atomic_path(folder / result.name, permit=lock.permit, overwrite=True) as temporary:
                temporary.write_text("stopped")
        except LostLockError as error:
            (tmp_path / "told").write_text(str(error))
        lock.release()

    pid = in_child(run)
    os.waitpid(pid, os.WUNTRACED)
    age(folder / LOCK, 100)
    with FolderLock(folder) as lock:
        with atomic_path(folder / result.name, permit=lock.permit) as temporary:
            temporary.write_text("new")
        os.kill(pid, signal.SIGCONT)
        assert code_of(pid) == 0
        assert f"{folder}: this run has lost its lock {LOCK}: it is that of" in (tmp_path / "told").read_text()
        assert "--resume" in (tmp_path / "told").read_text()
        with lock.permit.renaming():  # the other has not removed it
            pass
    assert [path.name for path in folder.iterdir()] == ["a.fits"]
    assert (folder / result.name).read_text() == "new"


def test_no_lock_is_taken_over_in_the_middle_of_a_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_lock, "_WATCH", 0.05)
    old = dead_lock(tmp_path)
    alter(tmp_path, system="another")
    order: list[str] = []
    renaming, go_on = threading.Event(), threading.Event()

    def rename() -> None:
        with old.renaming():
            renaming.set()
            go_on.wait()
            order.append("renamed")

    thread = threading.Thread(target=rename)
    thread.start()
    renaming.wait()
    age(tmp_path / LOCK, 100)
    threading.Timer(0.3, go_on.set).start()
    with FolderLock(tmp_path):
        order.append("taken over")
    thread.join()
    assert order == ["renamed", "taken over"]

    # A worker that is stopped there keeps the folder.
    monkeypatch.setattr(folder_lock, "_PATIENCE", 0.1)
    old = dead_lock(tmp_path)
    alter(tmp_path, system="another")
    with old.renaming():
        age(tmp_path / LOCK, 100)
        assert "another run is at work in it" in refusal(tmp_path)
    with FolderLock(tmp_path):
        pass


def test_a_child_that_is_forked_during_a_rename_does_not_keep_the_folder(tmp_path: Path, quick: None) -> None:
    old = dead_lock(tmp_path)
    alter(tmp_path, system="another")
    with old.renaming():
        pid = in_child(signal.pause)
    age(tmp_path / LOCK, 100)
    with FolderLock(tmp_path):
        os.kill(pid, signal.SIGKILL)
        code_of(pid)


# Files and folders of other kinds.


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("folder", "a link, a folder or a device"),
        ("link", "a link, a folder or a device"),
        ("link to a lock", "a link, a folder or a device"),
        ("pipe", "a link, a folder or a device"),
        ("empty", "empty"),
        ("text", "something else"),
        ("huge", "4294967296 bytes"),
        ("list", "something else"),
        ("nested", "something else"),
        ("fields", "something else"),
        ("numbers", "something else"),
        ("process 0", "something else"),
        ("token", "something else"),
        ("image", "2880 bytes|something else"),
    ],
)
def test_a_file_that_is_no_lock_is_kept(tmp_path: Path, kind: str, says: str, quick: None) -> None:
    folder, lock = tmp_path / "out", tmp_path / "out" / LOCK
    folder.mkdir()
    real = {"host": "a", "system": "b", "pid": 7, "start": "1", "since": "now", "token": "0" * 32}
    texts: dict[str, Any] = {
        "list": [1],
        "fields": {"host": "a", "pid": 1},
        "numbers": {**real, "host": 5},
        "process 0": {**real, "pid": 0},
        "token": {**real, "token": "../../a"},
    }
    if kind == "folder":
        lock.mkdir()
    elif kind.startswith("link"):
        lock.symlink_to(tmp_path / "elsewhere")
        if kind == "link to a lock":
            (tmp_path / "elsewhere").write_text(json.dumps(real) + "\n")
    elif kind == "pipe":
        os.mkfifo(lock)
    elif kind == "huge":
        lock.touch()
        os.truncate(lock, 1 << 32)
    elif kind == "nested":
        lock.write_text('{"a":' * 700 + "}\n")
    elif kind == "image":
        lock.write_bytes(b"SIMPLE  =                    T".ljust(2880))
    else:
        lock.write_text(
            {"empty": "", "text": "mine"}.get(kind) if kind not in texts else json.dumps(texts[kind]) + "\n"
        )
    before = lock.lstat()[:7], lock.lstat().st_mtime_ns  # not the time of access
    told = refusal(folder)
    assert re.fullmatch(
        rf"{lock}: is not a lock of a run \(it (is|has) ({says})\); remove it, or choose another folder", told
    )
    assert (lock.lstat()[:7], lock.lstat().st_mtime_ns) == before
    assert [path.name for path in folder.iterdir()] == [LOCK]


def test_folders_are_made_and_removed(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with pytest.raises(ValueError, match="refused"), FolderLock(folder):
        raise ValueError("refused")
    assert list(tmp_path.iterdir()) == []
    with FolderLock(folder):
        (folder / "result").touch()
    assert [path.name for path in folder.iterdir()] == ["result"]
    (folder / "result").unlink()
    with FolderLock(folder):
        pass
    assert folder.exists()  # it was there before
    (tmp_path / "file").touch()
    assert refusal(tmp_path / "file") == f"{tmp_path / 'file'}: is a file; choose a folder for the output"
    assert refusal(tmp_path / "file" / "b") == f"{tmp_path / 'file' / 'b'}: cannot be made: Not a directory"
    with FolderLock(folder) as lock:
        (folder / LOCK).unlink()
        folder.rmdir()
        with (
            pytest.raises(LostLockError, match="b: was removed or renamed while a run was at work in it"),
            lock.permit.renaming(),
        ):
            pass


def test_a_folder_that_took_the_place_of_the_run_s_own_stays(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with FolderLock(folder):
        folder.rename(tmp_path / "moved")
        folder.mkdir()
    assert folder.is_dir()


def test_runs_that_make_and_remove_one_folder(tmp_path: Path) -> None:
    """A folder may be removed by a run that has written nothing, when the next one is about to use it."""

    def begin() -> None:
        for _ in range(60):
            try:
                with FolderLock(tmp_path / "a" / "b"):
                    pass
            except FitsError as error:
                if "another run is at work" not in str(error):
                    raise

    assert [code_of(pid) for pid in [in_child(begin) for _ in range(3)]] == [0, 0, 0]
    assert not [path for path in tmp_path.rglob("*") if not path.is_dir()]


def test_a_folder_that_goes_while_it_is_made_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, mkdir, errors = (
        tmp_path / "a" / "b",
        Path.mkdir,
        [FileNotFoundError(2, "gone"), FileExistsError(17, "there")],
    )

    def disturbed(path: Path, *args: Any, **kwargs: Any) -> None:
        if path == folder and errors:
            raise errors.pop()
        mkdir(path, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", disturbed)
    with FolderLock(folder):
        assert errors == []
    assert not folder.parent.exists()
    folder.parent.mkdir()
    folder.symlink_to(tmp_path / "nothing")
    assert refusal(folder) == f"{folder}: cannot be made: File exists"


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="there are no users")
@pytest.mark.parametrize(("call", "number"), [("open", errno.EACCES), ("write", errno.ENOSPC), ("fsync", errno.EIO)])
def test_a_folder_that_cannot_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    def fail(*args: Any) -> Any:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        told = refusal(tmp_path / "out")
    assert told == f"{tmp_path / 'out' / LOCK}: cannot be written: {os.strerror(number)}"
    assert list(tmp_path.iterdir()) == []


def test_litter(tmp_path: Path) -> None:
    """Files of dead runs go; those of others, which may be about to take the lock, stay."""
    system, token = mark().partition("-")[0], "0" * 32
    dead = in_child(lambda: None)
    code_of(dead)
    gone = [f".{LOCK}.evensky-{system}-{dead}-{token}.tmp", f".{LOCK}.evensky-00000000-{dead}-{token}.tmp"]
    kept = [f".{LOCK}.evensky-{system}-{os.getpid()}-{token}.tmp", f".{LOCK}.evensky-11111111-{dead}-{token}.tmp"]
    for name in gone + kept:
        (tmp_path / name).touch()
    age(tmp_path / gone[1], 100)
    age(tmp_path / kept[0], 100)
    with FolderLock(tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)
