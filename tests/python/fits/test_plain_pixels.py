"""Pixels of plain images, read without astropy, are those that astropy reads."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from evensky.errors import FitsError
from evensky.fits.opening import opened_headers
from evensky.fits.plain_pixels import PlainHDUs
from evensky.fits.planes import read_described, read_planes

TYPES = ("u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")


def pixels_of(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return pixels of all magnitudes, with the extremes of the type."""
    rng = np.random.default_rng(1)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        values = rng.normal(0, 1e20, shape).astype(kind)
        values.flat[:3] = np.nan, np.inf, -0.0
        return values
    limits = np.iinfo(kind)
    values = rng.integers(limits.min, limits.max, shape, dtype=kind, endpoint=True)
    values.flat[:2] = limits.min, limits.max
    return values


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether arrays have the same type, apart from the byte order, and the same bits."""
    one, other = (array.astype(array.dtype.newbyteorder("="), copy=False) for array in (one, other))
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(7, 5), (1, 7, 5), (3, 7, 5), (1, 6)])
def test_pixels_are_those_of_astropy(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(pixels_of(dtype, shape))]).writeto(tmp_path / "a.fits")
    parts = [
        (slice(1, 3),),
        (slice(None), slice(1, 4)),
        (0, slice(1, 3), slice(None)),
        (0, slice(1, 3), slice(2, None)),
        (slice(0, 2), slice(1, 3), slice(None)),
        (slice(None), slice(0, 1)),
        (-1,),
        (slice(None, None, 2),),
    ]
    with opened_headers(tmp_path / "a.fits", plain=True) as plain, fits.open(tmp_path / "a.fits") as hdus:
        assert isinstance(plain, PlainHDUs)
        for part in parts:
            if len(part) <= len(shape):
                assert same(plain[1].section[part], hdus[1].section[part]), part
        assert same(plain[1].data, hdus[1].data)
        assert plain[-1] is plain[1]
        assert plain[0:2] == [plain[0], plain[1]]
        with pytest.raises(IndexError, match="no HDU 2"):
            _ = plain[2]


@pytest.mark.parametrize(
    ("dtype", "cards"),
    [
        ("i2", {"BSCALE": 2.0, "BZERO": 5.0}),
        ("i2", {"BLANK": -7}),
        ("u1", {"BLANK": 3}),
        ("f4", {"BZERO": 1.5}),
    ],
)
def test_scaled_pixels_are_those_of_astropy(tmp_path: Path, dtype: str, cards: dict[str, float]) -> None:
    hdu = fits.PrimaryHDU(np.arange(24, dtype=dtype).reshape(4, 6) - (10 if dtype != "u1" else 0))
    hdu.writeto(tmp_path / "raw.fits")
    with fits.open(tmp_path / "raw.fits", do_not_scale_image_data=True) as hdus:
        hdus[0].header.update(cards)
        hdus[0].writeto(tmp_path / "a.fits")
    with opened_headers(tmp_path / "a.fits", plain=True) as plain, fits.open(tmp_path / "a.fits") as hdus:
        assert isinstance(plain, PlainHDUs)
        assert same(plain[0].section[1:3], hdus[0].section[1:3])
        assert same(plain[0].data, hdus[0].data)


def test_planes_without_a_header_are_the_same_planes(tmp_path: Path) -> None:
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(pixels_of("f4", (7, 5)), name="SCI")]
    hdus += [fits.ImageHDU(pixels_of("i2", (7, 5)), name="DQ"), fits.ImageHDU(pixels_of("f4", (7, 5)), name="ERR")]
    hdus[1].add_datasum()
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    whole = read_planes(tmp_path / "a.fits")
    assert whole.description is not None
    bare = read_described(whole.description, header=False)
    for name in ("image", "mask", "variance"):
        assert np.array_equal(getattr(whole, name), getattr(bare, name), equal_nan=True)
    assert whole.assumptions == bare.assumptions
    with fits.open(tmp_path / "a.fits") as opened:
        content = bytearray((tmp_path / "a.fits").read_bytes())
        content[opened[1].fileinfo()["datLoc"] + 30] ^= 1
    (tmp_path / "a.fits").write_bytes(content)
    damaged = read_described(whole.description, header=False).assumptions
    assert [note for note in damaged if "DATASUM" in note]
    assert damaged == read_planes(tmp_path / "a.fits").assumptions


def test_file_that_was_cut_while_it_is_open_is_refused(tmp_path: Path) -> None:
    fits.writeto(tmp_path / "a.fits", np.ones((90, 90), np.float32))
    with opened_headers(tmp_path / "a.fits", plain=True) as hdus:
        with (tmp_path / "a.fits").open("r+b") as file:
            file.truncate(5000)
        with pytest.raises(FitsError, match="HDU 0 is not complete: 30280 bytes of its pixels are missing"):
            _ = hdus[0].data


def test_threads_read_at_the_same_time(tmp_path: Path) -> None:
    """A thread reads while another one is in the middle of reading, which a lock of all HDUs would prevent."""
    for name in "ab":
        fits.writeto(tmp_path / f"{name}.fits", np.ones((9, 9), np.float32))
    begun, ended = threading.Event(), threading.Event()

    def read(path: Path) -> None:
        with opened_headers(path, plain=True) as hdus:
            assert np.array_equal(hdus[0].data, np.ones((9, 9)))
        ended.set()

    with opened_headers(tmp_path / "a.fits", plain=True) as hdus:
        readinto = hdus.pixels.raw.readinto

        class Slow:
            seek = staticmethod(hdus.pixels.raw.seek)

            def readinto(self, into: memoryview) -> int:
                begun.set()
                assert ended.wait(10)
                return int(readinto(into))

        hdus.pixels.raw = Slow()
        slow = threading.Thread(target=lambda: hdus[0].data)
        slow.start()
        assert begun.wait(10)
        read(tmp_path / "b.fits")
        slow.join(10)
        assert not slow.is_alive()


def test_astropy_is_not_imported_to_read_plain_images(tmp_path: Path) -> None:
    header = fits.Header([("CTYPE1", "RA---TAN"), ("HIERARCH MP_DETECTED_NEGATIVE", 6), ("MP_BAD", 0)])
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(np.ones((9, 9), np.float32), header[:1], name="IMAGE")]
    hdus += [fits.ImageHDU(np.ones((9, 9), np.int32), header[1:], name="MASK")]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    program = (
        "import sys\n"
        "from evensky.io.formats import describe, read_image\n"
        f"image = describe(__import__('pathlib').Path({str(tmp_path / 'a.fits')!r}), with_wcs=False).images[0]\n"
        "planes = read_image(image).mask.getMaskPlaneDict()\n"
        "print('astropy' in sys.modules, planes['DETECTED_NEGATIVE'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "6"]


def test_an_hdu_without_pixels_has_no_data(tmp_path: Path) -> None:
    """The first byte of the next header was taken for a pixel."""
    empty = fits.ImageHDU(name="EMPTY")
    fits.HDUList([fits.PrimaryHDU(), empty, fits.ImageHDU(np.ones((3, 4)))]).writeto(tmp_path / "a.fits")
    with opened_headers(tmp_path / "a.fits", plain=True) as hdus:
        assert [hdu.data is None for hdu in hdus] == [True, True, False]
