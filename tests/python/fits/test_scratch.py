"""Pixels in scratch space."""

from __future__ import annotations

import errno
import gc
import os
import pickle
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exposures_in_files import assert_same_pixels, make_exposure

import evensky._bands
from evensky.errors import FitsError
from evensky.fits import scratch as scratch_planes
from evensky.fits.scratch import PlanePart, Scratch, ScratchPlane, stored
from evensky.image import ExposureF
from evensky.io import read_exposure, write_exposure

exposure = pytest.fixture(make_exposure)
PIXELS = np.arange(35, dtype=np.float32).reshape(7, 5)


@pytest.fixture
def plane(tmp_path: Path) -> ScratchPlane:
    made = Scratch(tmp_path).zeros((7, 5), np.float32)
    assert isinstance(made, ScratchPlane)
    made[...] = PIXELS
    return made


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("rows", [1, 2, 1000])
def test_bands_and_scratch_give_the_same(
    exposure: ExposureF, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compress: bool, rows: int
) -> None:
    write_exposure(exposure, tmp_path / "a.fits", compress=compress)
    whole = read_exposure(tmp_path / "a.fits")
    monkeypatch.setattr(evensky._bands, "MOST_PIXELS", rows * exposure.getWidth())
    for scratch in (None, tmp_path):
        again = read_exposure(tmp_path / "a.fits", scratch=scratch)
        assert_same_pixels(whole, again)
        assert all(isinstance(a.base, np.memmap) or not scratch for a in map(np.asarray, again.maskedImage.getArrays()))
    assert [path.name for path in tmp_path.iterdir()] == ["a.fits"]


def test_scratch_folders_that_cannot_be_used(exposure: ExposureF, tmp_path: Path) -> None:
    write_exposure(exposure, tmp_path / "a.fits")
    with pytest.raises(FitsError, match=r"nowhere: cannot be used as scratch space for \d+ bytes: No such file"):
        read_exposure(tmp_path / "a.fits", scratch=tmp_path / "nowhere")


# Planes.


def test_without_a_folder_planes_are_arrays() -> None:
    assert isinstance(Scratch().zeros((2, 3), np.int32), np.ndarray)
    assert isinstance(Scratch(Scratch()).zeros((2, 3), np.int32), np.ndarray)


def test_rows_are_read_and_written(plane: ScratchPlane) -> None:
    assert (plane.shape, plane.ndim, plane.size, plane.nbytes, plane.dtype) == ((7, 5), 2, 35, 140, np.float32)
    for rows in (slice(None), slice(2, 4), slice(-3, None), slice(5, 2), slice(1, 7, 3), slice(6, 0, -2)):
        np.testing.assert_array_equal(plane[rows], PIXELS[rows])
    band = plane[2:4]
    band += 1
    np.testing.assert_array_equal(plane[2:4], PIXELS[2:4])  # rows that were read are copies
    stored(plane, slice(2, 4), band)
    np.testing.assert_array_equal(plane[...], PIXELS + np.array([0, 0, 1, 1, 0, 0, 0])[:, None])
    plane[1:3] += np.float64(0.5)
    np.testing.assert_array_equal(plane[1:3], PIXELS[1:3] + np.array([0.5, 1.5])[:, None])
    plane[3:5] = 7
    plane[5:7] = [1, 2, 3, 4, 5]
    assert plane[3:].tolist() == [[7] * 5] * 2 + [[1, 2, 3, 4, 5]] * 2
    with pytest.raises(ValueError, match="step of 2"):
        plane[::2] = 0


def test_rows_of_arrays_are_views() -> None:
    array = PIXELS.copy()
    band = array[2:4]
    band += 1
    stored(array, slice(2, 4), band)
    np.testing.assert_array_equal(array[2:4], PIXELS[2:4] + 1)


def test_long_writes_are_made_in_bands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evensky._bands, "MOST_PIXELS", 10)
    plane = Scratch(tmp_path).zeros((7, 5), np.float64)
    plane[...] = PIXELS
    plane[1:] = PIXELS[0]
    np.testing.assert_array_equal(plane[...], np.broadcast_to(PIXELS[0], (7, 5)))


def test_a_part_of_a_plane(plane: ScratchPlane) -> None:
    part = PlanePart(plane, slice(2, 6), slice(1, 4))
    assert (part.shape, part.dtype) == ((4, 3), np.float32)
    np.testing.assert_array_equal(part[1:3], PIXELS[3:5, 1:4])
    np.testing.assert_array_equal(part[1:9], PIXELS[3:6, 1:4])


def test_a_map_shares_its_pixels_and_lasts_as_long_as_it_is_used(plane: ScratchPlane) -> None:
    array = plane.mapped()
    np.testing.assert_array_equal(array, PIXELS)
    array[3] = -1
    assert (plane[3:4] == -1).all()
    plane[0:1] = 9
    assert (array[0] == 9).all()
    assert plane.mapped().base is array.base
    mapped = Path("/proc/self/maps")
    if mapped.exists():
        before = mapped.read_text().count("(deleted)")
        del array
        gc.collect()
        assert mapped.read_text().count("(deleted)") == before - 1


def test_zeros_take_no_space_on_disk(tmp_path: Path) -> None:
    plane = Scratch(tmp_path).zeros((3000, 1000), np.float64)
    assert os.fstat(plane._file).st_blocks == 0
    assert not plane[100:102].any()
    assert not plane.mapped(to_change=False).any()
    assert os.fstat(plane._file).st_blocks == 0
    plane.mapped()  # a full disk must not be noticed when pixels are written into the map
    if hasattr(os, "posix_fallocate"):  # macOS has no such call
        assert os.fstat(plane._file).st_blocks * 512 >= plane.nbytes


def test_large_planes_are_read_in_pieces(plane: ScratchPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    # macOS refuses to read 2 GB at once.
    monkeypatch.setattr(scratch_planes, "_MOST_AT_ONCE", 11)
    np.testing.assert_array_equal(plane[...], PIXELS)
    monkeypatch.delattr(os, "preadv", raising=False)
    np.testing.assert_array_equal(plane[...], PIXELS)


def test_files_are_closed_with_their_planes(tmp_path: Path) -> None:
    plane = Scratch(tmp_path).zeros((7, 5), np.float64)
    number = plane._file
    os.fstat(number)
    del plane
    gc.collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


@pytest.mark.parametrize("name", ["pwrite", "preadv", "posix_fallocate"])
def test_a_disk_that_fails(plane: ScratchPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def fail(*args: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if not hasattr(os, name):
        pytest.skip(f"there is no os.{name}")
    monkeypatch.setattr(os, name, fail)
    expected = f"{tmp_path}: cannot be used as scratch space for 140 bytes: No space left on device; free some"
    with pytest.raises(FitsError, match=expected):  # noqa: PT012 - the name says which of them fails
        plane[2:4] = 1
        plane[2:4]
        plane.mapped()


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="there is no such call")
def test_a_file_system_that_cannot_allocate(plane: ScratchPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    plane.mapped(to_change=True)[3, 2] = 5
    assert plane[3:4][0, 2] == 5


def test_short_reads_and_writes_are_continued(plane: ScratchPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pread, os.pwrite
    monkeypatch.delattr(os, "preadv", raising=False)
    monkeypatch.setattr(os, "pread", lambda file, size, at: read(file, min(size, 7), at))
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: write(file, bytes(data)[:9], at))
    plane[1:6] = PIXELS[:5]
    np.testing.assert_array_equal(plane[...], np.concatenate([PIXELS[:1], PIXELS[:5], PIXELS[6:]]))


# Images on disk.


def test_images_on_disk(exposure: ExposureF, tmp_path: Path) -> None:
    write_exposure(exposure, tmp_path / "a.fits")
    on_disk = read_exposure(tmp_path / "a.fits", scratch=tmp_path)
    image = on_disk.image
    assert isinstance(image.bands, ScratchPlane)
    assert on_disk.getDimensions() == exposure.getDimensions()
    image.array[0, 0] = 123
    image += 1
    assert image.array[0, 0] == 124
    assert isinstance(type(image)(image, False).bands, ScratchPlane)
    copy = image.clone()
    assert isinstance(copy.bands, np.ndarray)
    image.array[0, 0] = 0
    assert copy.array[0, 0] == 124
    for plane in (image, on_disk.mask):
        again = pickle.loads(pickle.dumps(plane))
        np.testing.assert_array_equal(again.array, plane.array)
    with pytest.raises(AttributeError, match="no attribute 'arrray'"):
        image.arrray  # noqa: B018


def test_maps_are_dropped_from_memory(tmp_path: Path) -> None:
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("the memory of mapped files is known on Linux alone")
    page = os.sysconf("SC_PAGE_SIZE")

    def resident() -> int:
        return int(statm.read_text().split()[2]) * page

    before = resident()
    limit = before + 2**22
    planes = [Scratch(tmp_path, limit).zeros((4096, 1024), np.float32) for _ in range(4)]
    for number, plane in enumerate(planes):
        plane[...] = number + 1
    arrays = [plane.mapped() for plane in planes]
    sums = [float(array.sum(dtype=np.float64)) for array in arrays]
    assert sums == [(number + 1) * 2.0**22 for number in range(4)]
    end = time.monotonic() + 10
    while resident() > limit and time.monotonic() < end:
        time.sleep(0.01)
    assert resident() <= limit  # of 64 MB that were read
    arrays[0][5] = 11
    assert [float(array[5, 0]) for array in arrays] == [11, 2, 3, 4]
    assert (planes[0][5:6] == 11).all()


# Planes that share a file.


def handles() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system does not list open files")
def test_planes_that_share_a_file(tmp_path: Path) -> None:
    before, space = handles(), Scratch(tmp_path, one_file=True)
    planes = [Scratch(space).zeros((7, 5), dtype) for dtype in (np.float32, bool, np.int32) for _ in range(20)]
    for number, plane in enumerate(planes):
        plane[...] = (PIXELS + number).astype(plane.dtype)
    for number, plane in enumerate(planes):
        wanted = (PIXELS + number).astype(plane.dtype)
        np.testing.assert_array_equal(plane[...], wanted)
        np.testing.assert_array_equal(plane[2:4], wanted[2:4])
        np.testing.assert_array_equal(plane.mapped(), wanted)
    planes[3].mapped()[...] = 5
    assert (planes[3][...] == 5).all()
    np.testing.assert_array_equal(planes[4][...], PIXELS + 4)
    assert handles() == before + 1
    del space, plane, planes, wanted
    gc.collect()
    assert handles() == before
    with pytest.raises(FitsError, match="nowhere: cannot be used as scratch space: No such file"):
        Scratch(tmp_path / "nowhere", one_file=True)


def test_a_fork_does_not_write_to_the_file_of_its_parent(tmp_path: Path) -> None:
    space = Scratch(tmp_path, one_file=True)
    space.zeros((7, 5), np.float32)[...] = PIXELS
    if (child := os.fork()) == 0:
        try:
            space.zeros((7, 5), np.float32)[...] = -PIXELS
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    plane = space.zeros((7, 5), np.float32)
    np.testing.assert_array_equal(plane[...], np.zeros((7, 5)))


def test_memory_of_arrays_that_are_gone_is_used_again() -> None:
    scratch = Scratch(reuse=True)
    first = scratch.empty((100, 200), np.float32)
    first[...] = 1
    place, view = first.ctypes.data, first[3:5]
    del first
    other = scratch.empty((100, 200), np.float32)
    assert other.ctypes.data != place  # as a view is left
    assert (view == 1).all()
    del view
    again = Scratch(scratch).empty((200, 100), np.int32)  # of as many bytes
    assert again.ctypes.data == place
    assert again.dtype == np.int32
    assert again.flags.writeable
    assert not scratch.zeros((200, 100), np.int32).any()
    copied = pickle.loads(pickle.dumps(scratch))
    del again
    assert copied.empty((100, 200), np.float32).ctypes.data != place


def test_little_memory_is_kept_of_arrays_that_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evensky.fits.scratch._MOST_IDLE", 4000)
    scratch = Scratch(reuse=True)
    assert scratch.blocks is not None
    arrays = [scratch.empty((10, 10), np.float32) for _ in range(20)]
    arrays.clear()
    assert len(scratch.blocks._idle) == 10
    scratch.empty((11, 10), np.float32)  # of another size: nothing is kept beside it
    assert len(scratch.blocks._idle) == 1
