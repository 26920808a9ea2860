"""Bands of exposures in files are those of the exposures that are read whole, to the bit."""

from __future__ import annotations

import bz2
import gc
import gzip
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from layout_files import LAYOUT_FILES, make_layout

import evensky.fits.bands
import evensky.fits.stored_rows
from evensky.errors import FitsError, InvalidParameterError
from evensky.fits.bands import FitsBands
from evensky.fits.descriptions import ImageDescription, MaskDescription, Selection, VarianceDescription
from evensky.io.bands import Band, BandsChangedError, ExposureBands
from evensky.io.formats import describe, read_image

SHAPE = (37, 11)
ANY_BIT = 2**32 - 1
RNG = np.random.default_rng(7)


def noise(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return RNG.normal(100, 5, shape or SHAPE).astype(dtype)


def flags(*, high: int = 8, dtype: Any = np.int16) -> np.ndarray:
    return np.where(RNG.random(SHAPE) < 0.1, RNG.integers(0, high, SHAPE), 0).astype(dtype)


def write(path: Path, *hdus: Any) -> Path:
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path, overwrite=True)
    return path


def described(
    path: Path, *, mask: bool = False, planes: Any = None, bad: int = ANY_BIT, sense: Any = None
) -> ImageDescription:
    """Describe a file with the image in the first extension, then perhaps a mask, then perhaps errors."""
    dq = MaskDescription(path, 2, "DQ", planes, bad, ("any",)) if mask else None
    errors = VarianceDescription(path, 2 + mask, "E", sense) if sense else None
    return ImageDescription(path, 1, "SCI", "", SHAPE, "plain", dq, errors)


def bands_of(height: int, step: int) -> Iterable[slice]:
    return (slice(start, min(start + step, height)) for start in range(0, height, step))


def read_all(bands: ExposureBands, step: int) -> list[Band]:
    return [bands.read(rows) for rows in bands_of(bands.shape[0], step)]


def all_bands(bands: ExposureBands, step: int) -> Band:
    """Read all bands; begin again if they change."""
    for _ in range(2):
        try:
            read = read_all(bands, step)
        except BandsChangedError:
            continue
        variance = None
        if read[0].variance is not None:
            variance = np.concatenate([one.variance for one in read])  # type: ignore[misc]
        return Band(np.concatenate([one.image for one in read]), np.concatenate([one.mask for one in read]), variance)
    raise AssertionError("the bands have changed twice")


def assert_as_read_whole(image: ImageDescription, steps: Iterable[int] = (7, 64)) -> ExposureBands:
    exposure = read_image(image)
    names = exposure.mask.getMaskPlaneDict()
    for step in steps:
        with ExposureBands(image) as bands:
            band = all_bands(bands, step)
            assert (band.variance is not None) == bands.has_variance == exposure.info.has_variance
            assert band.image.dtype == bands.dtype == exposure.image.array.dtype
            np.testing.assert_array_equal(band.image, exposure.image.array)
            np.testing.assert_array_equal(band.mask, exposure.mask.array)
            if band.variance is not None:
                np.testing.assert_array_equal(band.variance, exposure.variance.array)
            assert bands.known.bad == exposure.info.bad
            assert exposure.info.reject in (0, bands.reject)
            # Bits of pixels without a variance are named before it is known whether there are any.
            assert names.items() <= bands.plane_names.items()
            assert {1 << bit for bit in set(bands.plane_names.values()) - set(names.values())} <= {bands.reject}
    return ExposureBands(image)


# ---- files of every layout ----


@pytest.mark.filterwarnings("ignore:Keyword name")
@pytest.mark.parametrize("name", list(LAYOUT_FILES))
def test_bands_of_every_layout(tmp_path: Path, name: str) -> None:
    made = make_layout(name, tmp_path)
    for image in describe(made.path).images:
        assert_as_read_whole(image, steps=(9, 64))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_files_that_are_compressed_as_a_whole(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = write(tmp_path / "a.fits", fits.ImageHDU(noise(), name="SCI"), fits.ImageHDU(flags(), name="DQ"))
    packed = tmp_path / "a.fits.packed"
    packed.write_bytes(pack(path.read_bytes()))
    assert_as_read_whole(describe(packed).images[0])


# ---- images ----


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize("cards", [{}, {"BLANK": 100}, {"BSCALE": 2.5}, {"BZERO": 7}, {"BSCALE": 0.1, "BZERO": 9}])
def test_images_of_every_type(tmp_path: Path, dtype: str, cards: dict[str, float]) -> None:
    if dtype == "i1" and "BLANK" in cards:
        pytest.skip("astropy cannot read such an image")
    path = write(tmp_path / "a.fits", fits.ImageHDU(noise(dtype=dtype), name="SCI"))
    for keyword, value in cards.items():
        put_card(path, keyword, value)
    assert_as_read_whole(described(path))


def put_card(path: Path, keyword: str, value: float) -> None:
    """Put a card into the header of the first extension without any change of the pixels."""
    content = bytearray(path.read_bytes())
    at = content.find(f"{keyword:8}=".encode(), 2880)
    if at < 0:
        at = content.find(b"END".ljust(80), 2880)
        content[at + 80 : at + 160] = b"END".ljust(80)
    content[at : at + 80] = f"{keyword:8}= {value!r:>20}".ljust(80).encode()
    path.write_bytes(content)


@pytest.mark.parametrize("row", [0, 20])
@pytest.mark.parametrize("dtype", ["i4", "u4", "i8"])
def test_a_large_whole_number_makes_all_bands_float64(tmp_path: Path, dtype: str, row: int) -> None:
    pixels = noise(dtype=dtype)
    pixels[row, 3] = 2**24 + 1
    image = described(write(tmp_path / "a.fits", fits.ImageHDU(pixels)))
    assert_as_read_whole(image)
    bands = ExposureBands(image)
    assert bands.dtype == np.float32
    with pytest.raises(BandsChangedError, match=r"a\.fits: the image 'SCI' has whole numbers that float32 does not"):
        read_all(bands, 10)
    assert bands.read(slice(row, row + 1)).image[0, 3] == 2**24 + 1
    assert ExposureBands(image, whole=True).dtype == np.float64


def test_four_axes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", fits.ImageHDU(noise(1, 37, 1, 11)))
    assert_as_read_whole(described(path))
    path = write(tmp_path / "b.fits", fits.CompImageHDU(noise(1, 37, 11), quantize_level=0, compression_type="GZIP_2"))
    assert_as_read_whole(described(path))


@pytest.mark.parametrize(
    ("algorithm", "tiles", "dither", "many"),
    [
        ("RICE_1", (1, 11), 1, 1),
        ("RICE_1", (1, 11), 2, 1000),
        ("RICE_1", (5, 11), 2, 1),
        ("RICE_1", (5, 4), 1, 1),
        ("RICE_1", (5, 4), 1, 1000),
        ("GZIP_1", (1, 11), 1, 1),
        ("GZIP_1", (16, 3), 1, 1000),
        ("GZIP_2", (37, 11), 2, 1),
        ("GZIP_2", (5, 11), 2, 1000),
        ("HCOMPRESS_1", (37, 11), 2, 1000),
        ("HCOMPRESS_1", (16, 11), 1, 1000),
    ],
)
def test_tiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, algorithm: str, tiles: tuple[int, int], dither: int, many: int
) -> None:
    monkeypatch.setattr(evensky.fits.stored_rows, "_MANY_TILES", many)
    hdus = [
        fits.CompImageHDU(
            noise(), compression_type=algorithm, tile_shape=tiles, quantize_method=dither, dither_seed=9999
        ),
        fits.CompImageHDU(flags(), compression_type=algorithm, tile_shape=tiles),
        fits.CompImageHDU(noise(), compression_type=algorithm, tile_shape=tiles, quantize_level=0)
        if algorithm.startswith("GZIP")
        else fits.ImageHDU(noise()),
    ]
    path = write(tmp_path / "a.fits", *hdus)
    image = described(path, mask=True, planes={"A": 0, "B": 1}, bad=1, sense="variance")
    bands = assert_as_read_whole(image, steps=(3, 64) if algorithm != "HCOMPRESS_1" else (9,))
    assert bands.band_height_hint == tiles[0]


def test_high_tiles_are_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evensky.fits.bands, "_HIGHEST_TILES", 4)
    path = write(tmp_path / "a.fits", fits.CompImageHDU(noise(), tile_shape=(5, 11)))
    assert assert_as_read_whole(described(path)).band_height_hint == 1


# ---- masks ----


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u4", "i8", "u8", "f4"])
@pytest.mark.parametrize("planes", [None, {"A": 0, "B": 2}, {"NO_DATA": 1, "B": 0}])
@pytest.mark.parametrize("sense", [None, "variance"])
def test_masks_of_every_type(tmp_path: Path, dtype: str, planes: dict[str, int] | None, sense: Any) -> None:
    data = flags(dtype=dtype)
    if data.dtype.kind == "f":
        data[5, 5] = np.nan
    errors = noise()
    errors[30] = 0
    path = write(tmp_path / "a.fits", fits.ImageHDU(noise()), fits.ImageHDU(data), fits.ImageHDU(errors))
    for bad in (ANY_BIT, 2):
        assert_as_read_whole(described(path, mask=True, planes=planes, bad=bad, sense=sense), steps=(7,))


def test_negative_numbers_are_patterns_of_their_size(tmp_path: Path) -> None:
    for dtype in ("i1", "i2", "i4"):
        data = flags(dtype=dtype)
        data[20, 0], data[20, 1] = -1, np.iinfo(dtype).min
        path = write(tmp_path / "a.fits", fits.ImageHDU(noise()), fits.ImageHDU(data))
        assert_as_read_whole(described(path, mask=True, planes={"A": 0}, bad=1))


@pytest.mark.parametrize("bad", [ANY_BIT, 2**40, 1])
@pytest.mark.parametrize("row", [0, 20])
def test_bits_beyond_the_32nd(tmp_path: Path, bad: int, row: int) -> None:
    data = flags(dtype="i8")
    data[row, 1] = 2**40
    path = write(tmp_path / "a.fits", fits.ImageHDU(noise()), fits.ImageHDU(data))
    for planes in (None, {"A": 0, "B": 1, "C": 2}):
        assert_as_read_whole(described(path, mask=True, planes=planes, bad=bad))


@pytest.mark.parametrize("axis", [0, 2])
def test_bytes_of_planes(tmp_path: Path, axis: int) -> None:
    data = np.stack([flags(dtype="u1"), flags(dtype="u1")], axis)
    path = write(tmp_path / "a.fits", fits.ImageHDU(noise()), fits.ImageHDU(data))
    assert_as_read_whole(described(path, mask=True, planes={"A": 0, "B": 9}, bad=512))


@pytest.mark.parametrize("row", [3, 20])
def test_a_bit_without_a_name_takes_the_place_of_that_for_no_variance(tmp_path: Path, row: int) -> None:
    data, errors = flags(dtype="i4"), noise()
    data[row, 2], errors[1, 1], errors[30, 1] = 2**30, np.nan, -1
    path = write(tmp_path / "a.fits", fits.ImageHDU(noise()), fits.ImageHDU(data), fits.ImageHDU(errors))
    image = described(path, mask=True, planes={"A": 0, "B": 1, "C": 2}, bad=1, sense="variance")
    bands = assert_as_read_whole(image)
    assert bands.reject == 2**30
    with pytest.raises(BandsChangedError, match="pixels of the mask DQ have the bit of value 1073741824, which has no"):
        read_all(bands, 2)
    assert bands.reject == 2**29


def test_a_band_that_is_read_meanwhile_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, errors = flags(dtype="i4"), noise()
    data[0, 2], errors[1, 1], errors[30, 1] = 2**30, np.nan, -1
    path = write(tmp_path / "a.fits", fits.ImageHDU(noise()), fits.ImageHDU(data), fits.ImageHDU(errors))
    bands = ExposureBands(described(path, mask=True, planes={"A": 0, "B": 1, "C": 2}, bad=1, sense="variance"))
    fill, begun, changed = FitsBands._fill, threading.Event(), threading.Event()

    def slow(self: FitsBands, rows: slice, *arguments: Any) -> str:
        if rows.start:  # the other band, which has nothing unusual
            begun.set()
            assert changed.wait(20)
        else:
            assert begun.wait(20)
        return fill(self, rows, *arguments)

    monkeypatch.setattr(FitsBands, "_fill", slow)
    with ThreadPoolExecutor(2) as pool:
        other = pool.submit(bands.read, slice(28, 32))
        with pytest.raises(BandsChangedError):
            bands.read(slice(0, 4))
        changed.set()
        other.result()


@pytest.mark.parametrize("used", [30, 31, 32])
def test_masks_with_nearly_all_bits(tmp_path: Path, used: int) -> None:
    data, errors = flags(dtype="i4"), noise()
    data.view(np.uint32)[25, 5] = 2**used - 1
    errors[3, 3] = 0
    path = write(tmp_path / "a.fits", fits.ImageHDU(noise()), fits.ImageHDU(data), fits.ImageHDU(errors))
    for planes in (None, {str(bit): bit for bit in range(used)}):
        assert_as_read_whole(described(path, mask=True, planes=planes, bad=1, sense="variance"))


# ---- errors ----


@pytest.mark.parametrize("dtype", ["i2", "u2", "i4", "f4", "f8"])
@pytest.mark.parametrize("sense", ["variance", "sigma", "inverse variance", "weight"])
@pytest.mark.parametrize("columns", [slice(None), slice(2, 9)])
def test_errors_of_every_type(tmp_path: Path, dtype: str, sense: Any, columns: slice) -> None:
    errors = noise(dtype=dtype)
    errors[:3], errors[15, 2], errors[16, 3:5], errors[36, 10] = 0, 1, 0, 2
    if errors.dtype.kind == "f":
        errors[15, 5:10] = np.nan, -1, np.inf, -np.inf, 1e-3
    if np.dtype(dtype).kind != "u":
        errors[20, 2] = -1
    path = write(tmp_path / "a.fits", fits.ImageHDU(noise()), fits.ImageHDU(errors))
    image = described(path, sense=sense)
    assert_as_read_whole(image)
    exposure = read_image(image)
    with ExposureBands(image) as bands:
        band = bands.read(slice(10, 30), columns)
    np.testing.assert_array_equal(band.image, exposure.image.array[10:30, columns])
    np.testing.assert_array_equal(band.mask, exposure.mask.array[10:30, columns])
    if band.variance is not None:
        np.testing.assert_array_equal(band.variance, exposure.variance.array[10:30, columns])


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("sense", ["variance", "sigma", "inverse variance"])
@pytest.mark.parametrize("value", [1e-300, 3e-39, 1e-20, 2e19, 1e38, 1e39])
def test_errors_at_the_limits_of_float32(tmp_path: Path, dtype: str, sense: Any, value: float) -> None:
    for number in (1, 300):
        errors = noise(dtype=dtype)
        with np.errstate(over="ignore", under="ignore"):
            errors.flat[400 - number : 400] = np.array(value).astype(dtype)
        errors[4, 4] = 0
        path = write(tmp_path / "a.fits", fits.ImageHDU(noise()), fits.ImageHDU(errors))
        assert_as_read_whole(described(path, sense=sense), steps=(10,))


@pytest.mark.parametrize("value", [0, np.nan, -1])
@pytest.mark.parametrize("sense", ["variance", "weight"])
def test_errors_of_which_none_is_positive_are_ignored(tmp_path: Path, value: float, sense: Any) -> None:
    path = write(tmp_path / "a.fits", fits.ImageHDU(noise()), fits.ImageHDU(np.full(SHAPE, value, np.float32)))
    bands = assert_as_read_whole(described(path, sense=sense))
    assert not bands.has_variance
    assert not bands.read(slice(0, 1)).mask.any()


# ---- the rest ----


def open_handles() -> int:
    return len(os.listdir("/proc/self/fd"))


def simple(folder: Path, name: str = "a.fits", **cards: Any) -> Path:
    hdus = [fits.ImageHDU(noise(), name="SCI"), fits.ImageHDU(flags(), name="DQ"), fits.ImageHDU(noise(), name="ERR")]
    for keyword, value in cards.items():
        hdus[0].header[keyword] = value
    return write(folder / name, *hdus)


def test_planes_in_other_files(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", fits.ImageHDU(noise(), name="SCI"))
    fits.PrimaryHDU(noise()).writeto(tmp_path / "v.fits")
    fits.PrimaryHDU(flags()).writeto(tmp_path / "m.fits.gz")
    fits.PrimaryHDU(flags()).writeto(tmp_path / "m.fits")
    for mask in ("m.fits", "m.fits.gz"):
        chosen = Selection(mask=str(tmp_path / mask), variance=str(tmp_path / "v.fits"))
        assert_as_read_whole(describe(path, chosen).images[0])


def test_reading_into_arrays_and_parts_of_arrays(tmp_path: Path) -> None:
    image = describe(simple(tmp_path)).images[0]
    exposure = read_image(image)
    with ExposureBands(image) as bands:
        band = bands.new_band(5)
        assert bands.read(slice(3, 8), into=band) is band
        np.testing.assert_array_equal(band.image, exposure.image.array[3:8])
        wide = [np.full((9, 30), 77, dtype) for dtype in (np.float32, np.int32, np.float32)]
        bands.read(slice(3, 8), slice(2, 9), into=Band(*(one[1:6, 4:18:2] for one in wide)))
        for plane, array in zip(wide, exposure.maskedImage.getArrays(), strict=True):
            np.testing.assert_array_equal(plane[1:6, 4:18:2], array[3:8, 2:9])
            assert np.count_nonzero(plane == 77) >= plane.size - 35
        with pytest.raises(InvalidParameterError, match=r"into.image has shape \(5, 11\).*shape \(4, 11\)"):
            bands.read(slice(0, 4), into=band)
        with pytest.raises(InvalidParameterError, match=r"into.variance is None, but the exposure has a variance"):
            bands.read(slice(0, 5), into=Band(band.image, band.mask, None))
        for rows in (slice(0, 38), slice(5, 5), slice(-3, 2), slice(0, 9, 2)):
            with pytest.raises(InvalidParameterError, match="they must be in 0 to 37, with a step of 1"):
                bands.read(rows)
    with pytest.raises(FitsError, match=r"a\.fits: was closed"):
        bands.read(slice(0, 1))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system does not list open files")
def test_no_file_stays_open(tmp_path: Path) -> None:
    pack = tmp_path / "c.fits.gz"
    pack.write_bytes(gzip.compress(simple(tmp_path).read_bytes()))
    tiles = write(tmp_path / "b.fits", fits.CompImageHDU(noise(), name="SCI"))
    gc.collect()  # scratch space of earlier tests
    before = open_handles()
    many = []
    for _ in range(20):
        for path in (tmp_path / "a.fits", tiles, pack):
            many.append(ExposureBands(describe(path).images[0], scratch=tmp_path))
            many[-1].read(slice(0, 9))
    assert open_handles() - before <= 1  # scratch space
    del many
    assert open_handles() == before


def test_threads_read_at_the_same_time(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", fits.CompImageHDU(noise(), name="SCI"), fits.ImageHDU(flags(), name="DQ"))
    image = describe(path).images[0]
    exposure, bands = read_image(image), ExposureBands(image)
    found: list[Band | None] = [None] * 37
    threads = [
        threading.Thread(target=lambda row=row: found.__setitem__(row, bands.read(slice(row, row + 1))))
        for row in range(37)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for row, band in enumerate(found):
        assert band is not None
        np.testing.assert_array_equal(band.image[0], exposure.image.array[row])
        np.testing.assert_array_equal(band.mask[0], exposure.mask.array[row])


@pytest.mark.parametrize("change", ["touched", "cut", "replaced", "gone"])
@pytest.mark.parametrize("tiles", [False, True])
def test_a_file_that_is_changed_meanwhile(tmp_path: Path, change: str, tiles: bool) -> None:
    made = fits.CompImageHDU(noise(), name="SCI") if tiles else fits.ImageHDU(noise(), name="SCI")
    path = write(tmp_path / "a.fits", made)
    bands = ExposureBands(describe(path).images[0])
    bands.read(slice(0, 3))
    match change:
        case "touched":
            os.utime(path, ns=(1, 1))
        case "cut":
            os.truncate(path, 3000)
        case "replaced":
            path.rename(tmp_path / "old.fits")
            write(path, made)
        case "gone":
            path.unlink()
    with pytest.raises(FitsError, match=r"a\.fits: (was changed while it was read|cannot be read: No such file)"):
        bands.read(slice(3, 6))


def test_what_the_header_says(tmp_path: Path) -> None:
    path = simple(tmp_path, EXPTIME=30.5, BUNIT="adu", OBJECT="M13", CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CRVAL1=250.0)
    fits.setval(path, "INSTRUME", value="WFC", ext=0)
    bands = ExposureBands(describe(path).images[0])
    assert (bands.exposure_time, bands.unit, bands.shape) == (30.5, "adu", SHAPE)
    assert {name: bands.cards[name] for name in ("OBJECT", "INSTRUME")} == {"OBJECT": "M13", "INSTRUME": "WFC"}
    header, wcs = bands.read_header()
    assert header["OBJECT"] == "M13"
    assert wcs.wcs.crval[0] == 250.0
    for value in ("none", -1.0, 0.0):
        fits.setval(path, "EXPTIME", value=value, ext=1)
        assert ExposureBands(describe(path).images[0]).exposure_time is None
