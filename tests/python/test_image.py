from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from evensky.errors import InvalidParameterError, LengthError, OutOfRangeError
from evensky.geom import Box2I, Extent2I, Point2I
from evensky.image import (
    LOCAL,
    PARENT,
    ExposureD,
    ExposureF,
    Image,
    ImageD,
    ImageF,
    ImageI,
    ImageL,
    ImageScaler,
    ImageU,
    Mask,
    MaskedImage,
    MaskedImageD,
    MaskedImageF,
    MaskedVectorF,
    SpatialScaler,
    as_planes,
)

KINDS = [ImageF, ImageD, ImageI, ImageU, ImageL]
BOX = Box2I(Point2I(100, 50), Extent2I(6, 4))


@pytest.mark.parametrize("kind", KINDS)
def test_constructors(kind: type[Image]) -> None:
    assert kind(6, 4).getDimensions() == Extent2I(6, 4)
    assert kind(Extent2I(6, 4)).array.shape == (4, 6)
    assert kind(BOX).getBBox() == BOX
    assert kind(BOX).getBBox(LOCAL) == Box2I(Point2I(0, 0), Extent2I(6, 4))
    assert np.all(kind(6, 4, 3).array == 3)
    assert kind(6, 4).array.dtype == kind.dtype
    assert type(Image(6, 4, dtype=kind.dtype)) is kind
    assert type(Image(np.zeros((4, 6), kind.dtype))) is kind


def test_arrays_are_shared_unless_deep() -> None:
    array = np.zeros((4, 6), np.float32)
    image = ImageF(array)
    image.array[1, 2] = 7
    assert array[1, 2] == 7
    assert image.getArray() is array
    assert ImageF(array, True).array is not array
    assert ImageF(image).array is array
    assert ImageF(image, True).array is not array
    assert image.clone().array is not array
    # A foreign type, byte order or a read-only array costs a copy.
    assert ImageD(array).array[1, 2] == 7
    assert ImageF(array.astype(">f4")).array.dtype.isnative
    array.flags.writeable = False
    ImageF(array).array[0, 0] = 1
    assert array[0, 0] == 0


def test_pixels_count_from_the_parents_origin() -> None:
    image = ImageF(BOX)
    image[101, 52] = 5
    assert image.array[2, 1] == 5
    assert image[1, 2, LOCAL] == 5
    assert image[Point2I(101, 52)] == 5
    assert image.get(1, 2) == 5
    image.set(0, 0, 9)
    assert image[100, 50, PARENT] == 9
    image.set(2)
    assert np.all(image.array == 2)
    with pytest.raises(OutOfRangeError, match=r"\(106, 50\)"):
        image[106, 50]
    image[-1, -2, LOCAL] = 6
    assert image.array[2, 5] == 6
    image.setXY0(Point2I(-3, -3))
    assert image[-3, -3] == image.array[0, 0]
    image.setXY0(Point2I(100, 50))
    with pytest.raises(IndexError, match=r"\(-7, 0\)"):
        image[-7, 0, LOCAL]
    assert (image.getX0(), image.getY0(), image.getXY0()) == (100, 50, Point2I(100, 50))
    image.setXY0(Point2I(1, 2))
    assert image.getBBox().getMin() == Point2I(1, 2)


def test_parts_share_pixels() -> None:
    image = ImageF(BOX)
    part_box = Box2I(Point2I(102, 51), Extent2I(3, 2))
    for part in (
        image[part_box],
        image.subset(part_box),
        ImageF(image, part_box),
        image.Factory(image, part_box, PARENT),
    ):
        part.array[...] += 1
        assert part.getBBox() == part_box
    assert image.array.sum() == 4 * 6
    assert np.all(image.array[1:3, 2:5] == 4)
    local = Box2I(Point2I(2, 1), Extent2I(3, 2))
    assert np.shares_memory(image[local, LOCAL].array, image.array)
    assert not np.shares_memory(ImageF(image, local, LOCAL, True).array, image.array)
    assert image[102:105, 51:53].getBBox() == part_box
    image[part_box] = 8
    assert image[103, 52] == 8
    other = ImageF(3, 2, 1.0)
    image.assign(other, part_box)
    assert image[103, 52] == 1
    with pytest.raises(LengthError, match=r"\(102, 51\).*\(100, 50\)"):
        image[Box2I(Point2I(102, 51), Extent2I(30, 2))]
    with pytest.raises(InvalidParameterError, match=r"index|Index"):
        image["a"]


def test_arithmetic_in_place() -> None:
    image, other = ImageF(3, 2, 6.0), ImageF(3, 2, 2.0)
    image += other
    image -= 1
    image *= other
    image /= 7
    np.testing.assert_allclose(image.array, 2.0)
    image.scaledPlus(0.5, other)
    np.testing.assert_allclose(image.array, 3.0)
    with pytest.raises(LengthError, match=r"2 x 3.*3 x 2"):
        image += ImageF(2, 3)


@pytest.mark.parametrize("bad", [(-1, 3), ("a", 2), (1.5, 2)])
def test_bad_sizes(bad: tuple[Any, Any]) -> None:
    with pytest.raises(ValueError, match="ImageF"):
        ImageF(*bad)
    with pytest.raises(InvalidParameterError, match=r"\(2, 3, 4\)"):
        ImageF(np.zeros((2, 3, 4), np.float32))


def test_masked_image_arithmetic() -> None:
    one, two = MaskedImageF(3, 2), MaskedImageF(3, 2)
    one.set(10.0, 1, 4.0)
    two.set(2.0, 2, 1.0)
    one -= two
    assert one[0, 0] == (8.0, 3, 5.0)
    one += two
    assert one[0, 0] == (10.0, 3, 6.0)
    one *= 3
    assert one[0, 0] == (30.0, 3, 54.0)
    one -= ImageF(3, 2, 1.0)
    one += 1
    assert one[0, 0] == (30.0, 3, 54.0)


def test_masked_image_parts_and_planes() -> None:
    masked = MaskedImageF(BOX)
    part = masked[Box2I(Point2I(101, 51), Extent2I(2, 2))]
    part.set(5.0, 4, 2.0)
    assert masked[102, 52] == (5.0, 4, 2.0)
    assert masked.image[101, 51] == 5
    assert masked.mask.array.sum() == 16
    assert masked.getVariance()[102, 51] == 2
    assert MaskedImageF(masked, True).image.array is not masked.image.array
    assert MaskedImage(ImageD(2, 2)).__class__ is MaskedImageD
    built = MaskedImageF(image=ImageF(3, 2), variance=ImageF(3, 2, 4.0))
    assert built.variance.array.sum() == 24
    with pytest.raises(LengthError, match=r"2 x 3.*3 x 2"):
        MaskedImageF(ImageF(3, 2), Mask(2, 3))
    clone = masked.clone()
    clone.assign(MaskedImageF(6, 4))
    assert clone.image.array.sum() == 0
    assert masked.image.array.sum() == 20


def test_exposure() -> None:
    exposure = ExposureF(MaskedImageF(BOX), dataId={"visit": 3})
    exposure.image.array[...] = 2
    deep = ExposureF(exposure, True)
    deep.image.array[...] = 3
    deep.metadata["A"] = 1
    assert exposure.image.array.max() == 2
    assert "A" not in exposure.metadata
    assert exposure.getMaskedImage() is exposure.maskedImage
    assert exposure.getDimensions() == Extent2I(6, 4)
    part = exposure[Box2I(Point2I(101, 51), Extent2I(2, 2))]
    part.image.array[...] = 7
    assert exposure.image[101, 51] == 7
    assert exposure.getInfo().hasWcs() is False
    assert type(ExposureD(4, 3).image) is ImageD


def test_a_part_keeps_the_sky_position_of_its_pixels() -> None:
    from astropy.wcs import WCS

    wcs = WCS(naxis=2)
    wcs.wcs.crpix, wcs.wcs.cdelt, wcs.wcs.crval = [3, 2], [0.01, 0.01], [10, 20]
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    exposure = ExposureF(MaskedImageF(BOX), wcs)
    part = exposure[Box2I(Point2I(102, 51), Extent2I(2, 2))]
    assert part.wcs.pixel_to_world(0, 0).separation(wcs.pixel_to_world(2, 1)).arcsec == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    "make", [lambda: ImageF(BOX), lambda: Mask(BOX), lambda: MaskedImageF(BOX), lambda: ExposureF(BOX)]
)
def test_copies(make: Any) -> None:
    original = make()
    for other in (pickle.loads(pickle.dumps(original)), copy.deepcopy(original)):
        assert type(other) is type(original)
        assert other.getBBox() == BOX


def test_scalers() -> None:
    masked = MaskedImageF(3, 2)
    masked.set(2.0, 0, 1.0)
    ImageScaler(3.0).scaleMaskedImage(masked)
    assert masked[0, 0] == (6.0, 0, 9.0)
    SpatialScaler([0, 2], [0, 1], [[1, 3], [1, 3]]).scaleMaskedImage(masked)
    np.testing.assert_allclose(masked.image.array[0], [6, 12, 18])
    np.testing.assert_allclose(masked.variance.array[1], [9, 36, 81])
    with pytest.raises(InvalidParameterError, match="nan"):
        ImageScaler(float("nan"))
    with pytest.raises(InvalidParameterError, match="shape"):
        SpatialScaler([0, 2], [0, 1], [[1, 3]])


def test_vector() -> None:
    vector = MaskedVectorF([1, 2, 3], mask=[0, 1, 0])
    assert len(vector) == 3
    assert vector.variance.dtype == np.float32
    with pytest.raises(LengthError, match=r"\(2,\).*\(3,\)"):
        MaskedVectorF([1, 2, 3], mask=[0, 1])


@pytest.mark.parametrize(
    ("dtype", "becomes"),
    [
        ("f4", "f4"),
        (">f4", "f4"),
        ("f8", "f8"),
        ("i2", "i4"),
        (">u2", "u2"),
        ("u1", "i4"),
        ("i8", "f8"),
        ("u4", "u8"),
        ("?", "i4"),
        ("f2", "f4"),
    ],
)
def test_any_real_type_goes_in(dtype: str, becomes: str) -> None:
    array = np.ones((3, 4), dtype)
    planes = as_planes(array)
    assert planes.image.dtype == np.dtype(becomes)
    if np.dtype(dtype) == np.dtype(becomes):
        assert planes.image is array


def test_what_is_no_image() -> None:
    for bad, match in (
        ("abc", "dtype|shape"),
        (np.zeros((2, 2), complex), "complex"),
        (np.zeros(3), r"\(3,\)"),
        (np.array([[None]]), "object"),
    ):
        with pytest.raises(InvalidParameterError, match=match):
            as_planes(bad)


def test_astropy_data_go_in() -> None:
    from astropy.nddata import CCDData, InverseVariance, StdDevUncertainty

    data = np.ones((3, 4), np.float32)
    ccd = CCDData(data, unit="adu", mask=data > 2, uncertainty=StdDevUncertainty(data * 3))
    planes = as_planes(ccd)
    assert planes.variance is not None
    assert planes.variance[0, 0] == 9
    assert (planes.unit, planes.reject) == ("adu", 1)
    planes = as_planes(CCDData(data, unit="adu", uncertainty=InverseVariance(data * 4)))
    assert planes.variance is not None
    assert planes.variance[0, 0] == 0.25
    masked = as_planes(np.ma.MaskedArray(data, data > 0))
    assert masked.mask is not None
    assert masked.mask.sum() == 12
