"""Files are replaced as a whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from exposures_in_files import make_exposure

from evensky.errors import FitsError
from evensky.image import ExposureF
from evensky.io import atomic_path, write_exposure, write_image

exposure = pytest.fixture(make_exposure)


def test_only_regular_files_are_replaced(exposure: ExposureF, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FitsError, match="not a regular file"):
        write_image(exposure.image, tmp_path / "pipe", overwrite=True)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_nothing_is_overwritten_or_left_behind(exposure: ExposureF, tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    write_exposure(exposure, path)
    before = path.read_bytes()
    with pytest.raises(FitsError, match="exists already"):
        write_exposure(exposure, path)
    assert path.read_bytes() == before
    write_exposure(exposure, path, overwrite=True)
    with pytest.raises(FitsError, match="cannot be written"):
        write_image(exposure.image, tmp_path / "no" / "folder.fits")

    def interrupted() -> None:
        with atomic_path(path, overwrite=True) as temporary:
            temporary.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [p.name for p in tmp_path.iterdir()] == ["a.fits"]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_threads_that_write_leave_the_umask_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(index: int) -> None:
        for again in range(5):
            with atomic_path(tmp_path / f"{index}-{again}") as temporary:
                temporary.write_text("x")

    set_umask = os.umask

    def set_and_wait(mask: int) -> int:
        earlier = set_umask(mask)
        time.sleep(0.001)  # lets other threads run between reading and restoring it
        return earlier

    before = set_umask(0o027)
    monkeypatch.setattr(os, "umask", set_and_wait)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(write, range(8)))
    finally:
        left = set_umask(before)
    assert left == 0o027
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o640}


def test_what_a_killed_process_has_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    def write(name: str, *, kill: bool) -> int:
        """Write a file in a child, which perhaps dies in the middle of it."""
        pid = os.fork()
        if pid == 0:
            with atomic_path(tmp_path / name, overwrite=True) as temporary:
                temporary.write_bytes(b"half")
                if kill:
                    os._exit(9)
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    assert write("a.fits", kill=True) == 9
    assert len(list(tmp_path.iterdir())) == 1
    assert write("b" * 250, kill=True) == 9  # its temporary file has a shorter name
    assert len(list(tmp_path.iterdir())) == 1
    (tmp_path / ".c.fits.evensky-01234567-1-x.tmp").touch()  # of another host
    with atomic_path(tmp_path / "d.fits") as temporary:
        assert write("a.fits", kill=False) == 0
        assert temporary.exists()  # as this process is alive
    assert sorted(path.name for path in tmp_path.iterdir()) == [".c.fits.evensky-01234567-1-x.tmp", "a.fits", "d.fits"]


def test_what_cannot_be_removed_does_not_hide_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unlink(path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "unlink", unlink)
    with atomic_path(tmp_path / "a.fits", overwrite=True) as temporary:
        temporary.write_text("new")
    assert (tmp_path / "a.fits").read_text() == "new"
    with pytest.raises(ValueError, match="of the block"), atomic_path(tmp_path / "b.fits"):
        raise ValueError("of the block")


def test_an_error_that_a_file_server_tells_when_a_file_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_close = os.close

    def close(file: int) -> None:
        really_close(file)
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    with monkeypatch.context() as patch:
        patch.setattr(os, "close", close)
        with pytest.raises(FitsError, match=rf"a\.fits: cannot be written: {os.strerror(errno.EDQUOT)}"):
            atomic_path(tmp_path / "a.fits").__enter__()
    assert list(tmp_path.iterdir()) == []
