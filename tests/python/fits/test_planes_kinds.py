"""Masks and planes of errors of every kind, images of every type: what is read of them, and what is said about it."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from wcs_kinds import TABLE_KINDS, write_kind

import evensky._bands
from evensky.errors import FitsError, InvalidParameterError
from evensky.fits.contents import describe_file
from evensky.fits.descriptions import ImageDescription, MaskDescription, VarianceDescription
from evensky.fits.planes import FitsPlanes, read_described, read_planes
from evensky.io import read_exposure

SHAPE = (4, 5)
ANY_BIT = 2**32 - 1


@pytest.fixture(params=["whole", "bands"])
def _bands(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read files in one band, and row by row."""
    if request.param == "bands":
        monkeypatch.setattr(evensky._bands, "MOST_PIXELS", SHAPE[1])


pytestmark = pytest.mark.usefixtures("_bands")


def image() -> np.ndarray:
    return np.arange(20, dtype=np.float32).reshape(SHAPE)


def write(path: Path, *hdus: Any) -> Path:
    fits.HDUList([fits.PrimaryHDU(image()), *hdus]).writeto(path)
    return path


def read(
    path: Path,
    *,
    planes: dict[str, int] | None = None,
    bad: int = ANY_BIT,
    sense: Any = None,
    masked: bool = False,
) -> FitsPlanes:
    """Read a file by a description of its first HDU, with the mask or the errors in the second."""
    mask = MaskDescription(path, 1, "DQ", planes, bad, ("any",)) if masked else None
    errors = VarianceDescription(path, 2 if masked else 1, "E", sense) if sense else None
    described = ImageDescription(path, 0, "0", "", SHAPE, "plain", mask, errors)
    planes = read_described(described)
    check_good_pixels(read_described(described, header=False, only_good=True), planes)
    return planes


def check_good_pixels(good: FitsPlanes, planes: FitsPlanes) -> None:
    """Check that an image of the good pixels alone is that of all pixels without those that its mask rejects."""
    bad = np.array((planes.bad or 0) | planes.reject, np.uint32).view(np.int32)
    expected = np.where(planes.mask & bad, np.array(np.nan, planes.image.dtype), planes.image)
    assert good.image.dtype == planes.image.dtype
    assert np.array_equal(good.image, expected, equal_nan=True)
    assert not good.mask.any()
    assert (good.bad, good.reject, good.mask.shape) == (0, 0, planes.mask.shape)
    assert good.assumptions == planes.assumptions


def notes(planes: FitsPlanes) -> str:
    return "; ".join(planes.assumptions)


# ---- masks ----


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "i1"])
def test_bits_are_kept(tmp_path: Path, dtype: str) -> None:
    data = np.zeros(SHAPE, dtype)
    data[0, 1], data[1, 2], data[3, 4] = 1, 64, 65
    planes = read(write(tmp_path / "a.fits", fits.ImageHDU(data)), masked=True)
    np.testing.assert_array_equal(planes.mask, data.astype(np.int32))
    assert planes.mask_planes is None
    assert (planes.bad, planes.reject, planes.assumptions) == (ANY_BIT, 0, [])


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8"])
def test_negative_numbers_are_patterns_of_their_size(tmp_path: Path, dtype: str) -> None:
    data = np.zeros(SHAPE, dtype)
    data[0, 0], data[0, 1] = -1, np.iinfo(dtype).min
    planes = read(write(tmp_path / "a.fits", fits.ImageHDU(data)), masked=True, bad=1)
    bits = min(8 * data.dtype.itemsize, 32)
    assert planes.mask.view(np.uint32)[0, 0] == 2**bits - 1
    assert planes.mask.view(np.uint32)[0, 1] == (0 if dtype == "i8" else 2 ** (bits - 1))
    assert not planes.mask[1:].any()
    assert planes.bad == 1


@pytest.mark.parametrize(("bad", "flagged"), [(ANY_BIT, True), (2**40, True), (1, False)])
def test_bits_beyond_the_32nd(tmp_path: Path, bad: int, flagged: bool) -> None:
    data = np.zeros(SHAPE, np.int64)
    data[1, 1], data[2, 2] = 2**40, 4
    planes = read(write(tmp_path / "a.fits", fits.ImageHDU(data)), masked=True, bad=bad)
    assert planes.mask[2, 2] == 4
    assert planes.bad is not None
    assert bool(int(planes.mask[1, 1]) & planes.bad) == flagged
    assert np.count_nonzero(planes.mask) == 1 + flagged
    assert "bits beyond the 32nd" in notes(planes)


def test_a_mask_with_blank_is_whole(tmp_path: Path) -> None:
    data = np.zeros(SHAPE, np.int16)
    data[0, 0], data[0, 1] = -1, 4
    path = write(tmp_path / "a.fits", fits.ImageHDU(data))
    fits.setval(path, "BLANK", value=0, ext=1)
    planes = read(path, masked=True)
    assert list(planes.mask[0, :3]) == [0xFFFF, 4, 0]


def test_pixels_of_a_mask_that_are_no_numbers(tmp_path: Path) -> None:
    data = np.zeros(SHAPE, np.float32)
    data[0, 0], data[0, 1] = np.nan, 4
    planes = read(write(tmp_path / "a.fits", fits.ImageHDU(data)), masked=True, bad=0)
    assert planes.reject != 0
    assert list(planes.mask[0, :3]) == [planes.reject, 4, 0]
    assert "1 pixels of the mask are not numbers" in notes(planes)


def test_masks_of_another_size_or_of_fractions(tmp_path: Path) -> None:
    small = write(tmp_path / "a.fits", fits.ImageHDU(np.zeros((4, 4), np.int16)))
    with pytest.raises(FitsError, match=r"mask has shape \(4, 4\) but the image has \(4, 5\).*--mask none"):
        read(small, masked=True)
    parts = write(tmp_path / "b.fits", fits.ImageHDU(np.full(SHAPE, 0.25, np.float32)))
    with pytest.raises(FitsError, match=r"such as 0\.25; whole numbers are needed.*--mask none"):
        read(parts, masked=True)


def test_bits_without_names_are_chosen_by_value(tmp_path: Path) -> None:
    data = np.zeros(SHAPE, np.int16)
    data[0, 0], data[0, 1] = 64, 4
    write(tmp_path / "a.fits", fits.ImageHDU(data, name="DQ"))
    exposure = read_exposure(tmp_path / "a.fits", good_bits="64")
    assert set(exposure.mask.getMaskPlaneDict()) == {"4", "64", "BAD"}
    bad = exposure.mask.getPlaneBitMask("BAD")
    assert list(exposure.mask.array[0, :3]) == [64, 4 | bad, 0]
    assert exposure.info.bad == ANY_BIT & ~64


# ---- errors ----


@pytest.mark.parametrize(
    ("sense", "value", "variance"),
    [("variance", 4.0, 4.0), ("sigma", 3.0, 9.0), ("inverse variance", 4.0, 0.25), ("weight", 4.0, 0.0)],
)
def test_senses_of_errors(tmp_path: Path, sense: str, value: float, variance: float) -> None:
    data = np.full(SHAPE, value, np.float32)
    data[0] = [0, -1, np.nan, np.inf, value]
    planes = read(write(tmp_path / "a.fits", fits.ImageHDU(data)), sense=sense)
    assert planes.has_variance == (sense != "weight")
    np.testing.assert_array_equal(planes.variance[1:], np.full((3, 5), variance))
    # Pixels without a positive finite value are no pixels: NO_DATA of a file without a mask.
    assert planes.reject == 256
    np.testing.assert_array_equal(planes.mask[0], [256, 256, 256, 256, 0])
    assert not planes.mask[1:].any()
    np.testing.assert_array_equal(planes.image, image())


@pytest.mark.parametrize("sense", ["variance", "sigma", "inverse variance", "weight"])
@pytest.mark.parametrize("value", [0.0, np.nan, -1.0])
def test_errors_without_any_are_ignored(tmp_path: Path, sense: str, value: float) -> None:
    planes = read(write(tmp_path / "a.fits", fits.ImageHDU(np.full(SHAPE, value, np.float32))), sense=sense)
    assert not planes.has_variance
    assert not planes.variance.any()
    assert not planes.mask.any()
    assert planes.reject == 0
    assert "E has no pixel with a positive, finite" in notes(planes)


@pytest.mark.parametrize(
    ("planes", "bad", "name"),
    [
        ({"A": 0, "B": 1}, 1, "NO_DATA"),
        ({"A": 0, "NO_DATA": 1}, 3, "NO_DATA"),
        ({"A": 0, "NO_DATA": 1}, 1, "NO_WEIGHT"),
    ],
)
def test_rejected_pixels_of_masks_with_names(tmp_path: Path, planes: dict[str, int], bad: int, name: str) -> None:
    mask, weight = np.zeros(SHAPE, np.uint8), np.ones(SHAPE, np.float32)
    mask[1, 1], mask[2, 2], weight[3, 3] = 1, 128, 0
    path = write(tmp_path / "a.fits", fits.ImageHDU(mask), fits.ImageHDU(weight))
    found = read(path, masked=True, planes=planes, bad=bad, sense="weight")
    assert found.mask_planes is not None
    assert found.reject == 1 << found.mask_planes[name]
    assert (found.mask[1, 1], found.mask[2, 2], found.mask[3, 3]) == (1, 128, found.reject)
    assert found.bad == bad


def test_rejected_pixels_where_no_bit_is_free(tmp_path: Path) -> None:
    mask, weight = np.zeros(SHAPE, np.int32), np.ones(SHAPE, np.float32)
    mask[1, 1], weight[3, 3] = -1, 0
    path = write(tmp_path / "a.fits", fits.ImageHDU(mask), fits.ImageHDU(weight))
    found = read(path, masked=True, bad=6, sense="weight")
    assert (found.reject, found.mask[3, 3], np.count_nonzero(found.mask)) == (6, 6, 2)
    # All bits have names, but no pixel has the bit of one of them.
    names = {f"P{bit}": bit for bit in range(32)}
    mask[1, 1] = ~4
    path = write(tmp_path / "b.fits", fits.ImageHDU(mask), fits.ImageHDU(weight))
    found = read(path, masked=True, planes=names, bad=2, sense="weight")
    assert (found.reject, found.mask[3, 3], found.mask_planes) == (4, 4, names)


@pytest.mark.parametrize(
    ("sense", "value"),
    [("sigma", 5e-29), ("sigma", 5e20), ("variance", 1e-50), ("inverse variance", 1e45), ("sigma", 1e200)],
)
def test_variances_that_float32_cannot_hold(tmp_path: Path, sense: str, value: float) -> None:
    data = np.full(SHAPE, value)
    data[0, 0] = 0
    planes = read(write(tmp_path / "a.fits", fits.ImageHDU(data)), sense=sense)
    assert not planes.has_variance
    assert not planes.variance.any()
    assert "cannot be held in single precision: not used; errors come from the scatter of the pixels" in notes(planes)
    assert planes.mask[0, 0] == planes.reject == 256
    assert np.count_nonzero(planes.mask) == 1


def test_few_huge_errors_are_no_pixels(tmp_path: Path) -> None:
    data = np.full(SHAPE, 2.0)
    data[0, 0] = 1e30
    planes = read(write(tmp_path / "a.fits", fits.ImageHDU(data)), sense="sigma")
    assert planes.has_variance
    assert planes.variance[1, 1] == 4
    assert np.count_nonzero(planes.mask) == 1
    assert planes.mask[0, 0] == planes.reject
    assert "1 pixels of E have a variance above 3.4e+38" in notes(planes)


def test_most_pixels_without_weight_are_told(tmp_path: Path) -> None:
    data = np.zeros(SHAPE, np.float32)
    data[0] = 1
    planes = read(write(tmp_path / "a.fits", fits.ImageHDU(data)), sense="weight")
    assert "15 of 20 pixels have no positive, finite weight in E: they do not count" in notes(planes)


def test_errors_of_another_size(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", fits.ImageHDU(np.ones((4, 4), np.float32)))
    with pytest.raises(FitsError, match=r"variance has shape \(4, 4\) but the image has \(4, 5\).*--variance none"):
        read(path, sense="sigma")


# ---- images ----


@pytest.mark.parametrize(
    ("value", "dtype", "kind"),
    [
        (2**24, "i4", "f4"),
        (2**24 + 1, "i4", "f8"),
        (-(2**24) - 1, "i4", "f8"),
        (2**24, "u4", "f4"),
        (2**32 - 1, "u4", "f8"),
        (2**24, "i8", "f4"),
        (2**40 + 1, "i8", "f8"),
        (32767, "i2", "f4"),
        (65535, "u2", "f4"),
        (0.5, "f4", "f4"),
        (0.5, "f8", "f8"),
        (1e300, "f8", "f8"),
    ],
)
def test_float32_if_it_holds_every_pixel(tmp_path: Path, value: float, dtype: str, kind: str) -> None:
    data = image().astype(dtype)
    data[2, 3] = value
    fits.PrimaryHDU(data).writeto(tmp_path / "a.fits")
    planes = read_planes(tmp_path / "a.fits")
    assert planes.image.dtype == kind
    np.testing.assert_array_equal(planes.image, data.astype(np.float64))


def test_blank_in_wide_integers(tmp_path: Path) -> None:
    for number, dtype in enumerate(("i4", "u4", "i8")):
        hdu = fits.PrimaryHDU(image().astype(dtype))
        hdu.header["BLANK"] = 7 - int(hdu.header.get("BZERO", 0))
        hdu.writeto(path := tmp_path / f"{number}.fits")
        planes = read_planes(path)
        assert planes.image.dtype == np.float32
        np.testing.assert_array_equal(np.isnan(planes.image), image() == 7)


def test_pixels_that_float32_was_asked_to_hold(tmp_path: Path) -> None:
    data = image().astype(np.float64)
    data[0, 0], data[0, 1] = 1e300, 1e-300
    fits.PrimaryHDU(data).writeto(tmp_path / "a.fits")
    planes = read_planes(tmp_path / "a.fits", dtype=np.float32)
    assert planes.image.dtype == np.float32
    assert "2 pixels are beyond the range of float32" in notes(planes)


@pytest.mark.parametrize("shape", [(1, *SHAPE), (1, 1, *SHAPE), (4, 1, 5), (4, 5, 1)])
def test_axes_of_length_1_are_left_out(tmp_path: Path, shape: tuple[int, ...]) -> None:
    hdus = [fits.PrimaryHDU(image().reshape(shape)), fits.ImageHDU(np.ones(SHAPE, np.int16).reshape(1, *SHAPE))]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    planes = read(tmp_path / "a.fits", masked=True)
    np.testing.assert_array_equal(planes.image, image())
    assert (planes.mask == 1).all()
    np.testing.assert_array_equal(read_planes(tmp_path / "a.fits").image, image())


# ---- files ----


def test_the_first_of_several_images(tmp_path: Path) -> None:
    hdus = [fits.ImageHDU(image() + chip, name="SCI", ver=chip) for chip in (1, 2)]
    path = tmp_path / "a.fits"
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    first = read_planes(path)
    assert first.image[0, 0] == 1
    assert 'SCI,1 was read, the first of 2 science images: hdu="SCI,2"' in notes(first)
    for second in (read_planes(path, hdu="SCI,2"), read_planes(f"{path}[SCI,2]"), read_planes(f"{path}[2]")):
        assert second.image[0, 0] == 2
        assert "was read" not in notes(second)
        assert second.description is not None
        assert second.description.name == "SCI,2"
    with pytest.raises(InvalidParameterError, match="only one can be given"):
        read_planes(f"{path}[SCI,2]", hdu=1)
    with pytest.raises(FitsError, match=r"a\.fits: has no HDU 'NO'"):
        read_planes(f"{path}[NO]")
    path.rename(odd := tmp_path / "a.fits[SCI,2]")
    assert read_planes(odd).image[0, 0] == 1


def test_runs_need_no_header(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits")
    fits.setval(path, "BUNIT", value="adu")
    (description,) = describe_file(path).images
    planes = read_described(description, header=False)
    assert planes.header is None
    assert planes.wcs is None
    assert planes.unit == "adu"
    assert planes.description is description
    assert read_described(description).header["BUNIT"] == "adu"


def test_a_file_that_changed_since_it_was_described(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", fits.ImageHDU(np.ones(SHAPE, np.int16), name="DQ"))
    (description,) = describe_file(path).images
    fits.PrimaryHDU(image()).writeto(path, overwrite=True)
    with pytest.raises(FitsError, match="HDU 1 is needed; was the file changed"):
        read_described(description)
    fits.PrimaryHDU(image()[:3]).writeto(path, overwrite=True)
    with pytest.raises(FitsError, match=r"an image of shape \(4, 5\) is needed"):
        read_described(description)


def test_companions_that_are_broken(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits")
    fits.PrimaryHDU(np.ones(SHAPE, np.float32)).writeto(tmp_path / "a.weight.fits")
    whole = (tmp_path / "a.weight.fits").read_bytes()
    (tmp_path / "a.weight.fits").write_bytes(whole[:2900])
    with pytest.raises(FitsError, match=r"a\.weight\.fits: is not complete"):
        read_planes(path)
    with pytest.raises(FitsError, match=r"nope\.fits: there is no such file"):
        read_planes(path, mask=str(tmp_path / "nope.fits"))


@pytest.mark.parametrize("kind", TABLE_KINDS)
def test_wcs_of_lookup_tables(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.fits"
    write_kind(kind, path)
    assert read_planes(path).wcs is not None


ERRORS = {
    "all good": np.linspace(1, 4, 600),
    "some bad": np.where(np.arange(600) % 7 == 0, [np.nan, 0, -1, np.inf, 1e-42, 3e38] * 100, 2.0),
    "first rows bad": np.where(np.arange(600) < 200, np.nan, 2.0),
    "all bad": np.zeros(600),
}


@pytest.mark.parametrize("sense", ["variance", "sigma", "inverse variance", "weight"])
@pytest.mark.parametrize("errors", ERRORS)
@pytest.mark.parametrize("kinds", ["f4 i4 f4", "i2 u1 f8", "u2 i2 f4", "i4 u2 f8"])
def test_pieces_give_what_astropy_reads_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kinds: str, errors: str, sense: str
) -> None:
    image, mask, error = (np.dtype(kind) for kind in kinds.split())
    random = np.random.default_rng(7)
    with np.errstate(over="ignore"):
        hdus = [
            fits.PrimaryHDU(random.normal(100, 50, (30, 20)).astype(image)),
            fits.ImageHDU(random.integers(0, 8, (30, 20)).astype(mask), name="DQ"),
            fits.ImageHDU(ERRORS[errors].astype(error).reshape(30, 20), name="E"),
        ]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    (tmp_path / "a.fits.gz").write_bytes(gzip.compress((tmp_path / "a.fits").read_bytes()))
    monkeypatch.setattr("evensky.fits.stored_rows._PIECE", 7 * 20 * 4)

    def read_as_described(path: Path, **options: Any) -> FitsPlanes:
        flags = MaskDescription(path, 1, "DQ", {"BAD": 0}, 1, ("BAD",))
        plane = VarianceDescription(path, 2, "E", sense)  # type: ignore[arg-type]
        return read_described(
            ImageDescription(path, 0, "0", "", (30, 20), "plain", flags, plane), header=False, **options
        )

    pieces, whole = read_as_described(tmp_path / "a.fits"), read_as_described(tmp_path / "a.fits.gz")
    for name in ("image", "mask", "variance"):
        one, other = getattr(pieces, name), getattr(whole, name)
        assert one.dtype == other.dtype
        assert one.tobytes() == other.tobytes()
    facts = ("has_variance", "mask_planes", "bad", "reject", "assumptions")
    assert [getattr(pieces, name) for name in facts] == [getattr(whole, name) for name in facts]

    check_good_pixels(read_as_described(tmp_path / "a.fits", only_good=True), pieces)
    bare = read_as_described(tmp_path / "a.fits", variances=False)
    assert not bare.has_variance
    assert not bare.variance.any()
    assert bare.image.tobytes() == pieces.image.tobytes()
    assert bare.mask.tobytes() == pieces.mask.tobytes()
    assert [getattr(bare, name) for name in facts[1:]] == [getattr(whole, name) for name in facts[1:]]
