"""Readers of single parts of files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evensky.image as afwImage
from evensky.errors import FitsError, InvalidParameterError
from evensky.geom import Box2I, Extent2I, Point2I

BOX = Box2I(Point2I(100, 50), Extent2I(6, 5))
PART = Box2I(Point2I(102, 51), Extent2I(3, 2))
LOCAL_PART = Box2I(Point2I(2, 1), Extent2I(3, 2))


@pytest.fixture
def exposure() -> afwImage.ExposureF:
    exposure = afwImage.ExposureF(BOX)
    exposure.image.array[...] = np.arange(30).reshape(5, 6) + 0.5
    exposure.mask.array[1, 2] = exposure.mask.getPlaneBitMask("CR")
    exposure.variance.array[...] = np.arange(30).reshape(5, 6) + 2
    exposure.getMetadata()["EXPTIME"] = 30.0
    return exposure


@pytest.fixture
def path(exposure: afwImage.ExposureF, tmp_path: Path) -> Path:
    exposure.writeFits(tmp_path / "exposure.fits")
    return tmp_path / "exposure.fits"


@pytest.mark.parametrize("kind", [afwImage.MaskedImageFitsReader, afwImage.ExposureFitsReader])
@pytest.mark.parametrize(("part", "origin"), [(PART, afwImage.PARENT), (LOCAL_PART, afwImage.LOCAL)])
def test_planes_and_their_parts(
    kind: Any, part: Box2I, origin: afwImage.ImageOrigin, exposure: afwImage.ExposureF, path: Path
) -> None:
    reader = kind(str(path))
    assert reader.fileName == str(path)
    assert reader.readBBox() == BOX
    assert reader.readBBox(afwImage.LOCAL) == Box2I(Point2I(0, 0), BOX.getDimensions())
    assert (reader.readXY0(), reader.readDimensions()) == (BOX.getMin(), Extent2I(6, 5))
    assert reader.readXY0(part, origin) == PART.getMin()
    assert reader.readMetadata().getScalar("EXPTIME") == 30.0
    assert reader.readImageDType() == np.float32
    whole, some = reader.read(), reader.read(part, origin)
    assert type(whole) is (afwImage.ExposureF if kind is afwImage.ExposureFitsReader else afwImage.MaskedImageF)
    for name, method in (("image", reader.readImage), ("mask", reader.readMask), ("variance", reader.readVariance)):
        plane, cut, expected = method(), method(bbox=part, origin=origin), getattr(exposure, name)
        assert type(plane) is type(expected)
        for read, box in ((plane, BOX), (getattr(whole, name), BOX), (cut, PART), (getattr(some, name), PART)):
            assert read.getBBox() == box
            np.testing.assert_array_equal(read.array, expected[box].array)
    assert reader.readMask().getMaskPlaneDict() == exposure.mask.getMaskPlaneDict()
    assert type(reader.read(dtype=np.float64).image) is afwImage.ImageD


def test_an_exposure(path: Path) -> None:
    reader = afwImage.ExposureFitsReader(path)
    assert type(reader.readMaskedImage(PART)) is afwImage.MaskedImageF
    assert reader.readExposureInfo().metadata["EXPTIME"] == 30.0
    assert reader.readWcs() is None


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (afwImage.ImageF, afwImage.ImageF),
        (afwImage.ImageD, afwImage.ImageD),
        (afwImage.ImageI, afwImage.ImageI),
        (afwImage.ImageU, afwImage.ImageU),
    ],
)
def test_an_image_has_the_type_of_the_file(image: Any, kind: Any, tmp_path: Path) -> None:
    written = image(np.arange(30).reshape(5, 6).astype(image.dtype), xy0=BOX.getMin())
    written.writeFits(tmp_path / "image.fits", {"OBSERVER": "Leavitt"})
    reader = afwImage.ImageFitsReader(tmp_path / "image.fits", 0)
    read = reader.read()
    assert type(read) is kind
    assert (read.getBBox(), reader.readDType()) == (BOX, np.dtype(image.dtype))
    assert reader.readMetadata().getScalar("OBSERVER") == "Leavitt"
    np.testing.assert_array_equal(reader.readArray(PART), written[PART].array)
    assert type(reader.read(dtype="D")) is afwImage.ImageD


def test_fractions_are_truncated_on_request(path: Path) -> None:
    reader = afwImage.ImageFitsReader(path, 1)
    with pytest.raises(FitsError, match="no whole numbers"):
        reader.read(dtype=np.int32)
    assert reader.read(dtype=np.int32, allowUnsafe=True).array[0, 1] == 1


def test_a_mask(exposure: afwImage.ExposureF, path: Path, tmp_path: Path) -> None:
    exposure.mask.writeFits(tmp_path / "mask.fits", {"OBSERVER": "Leavitt"})
    reader = afwImage.MaskFitsReader(tmp_path / "mask.fits")
    for one in (reader, afwImage.MaskFitsReader(path, "MASK")):
        assert (one.readBBox(), one.readDimensions()) == (BOX, BOX.getDimensions())
        assert one.readBBox(afwImage.LOCAL).getMin() == Point2I(0, 0)
        assert one.readXY0(LOCAL_PART, afwImage.LOCAL) == PART.getMin()
        assert one.readDType() == np.int32
        np.testing.assert_array_equal(one.read().array, exposure.mask.array)
        np.testing.assert_array_equal(one.readArray(PART), exposure.mask[PART].array)
    assert reader.readMetadata().getScalar("OBSERVER") == "Leavitt"


def test_files_that_cannot_be_read(tmp_path: Path, path: Path) -> None:
    for kind in (
        afwImage.ImageFitsReader,
        afwImage.MaskFitsReader,
        afwImage.MaskedImageFitsReader,
        afwImage.ExposureFitsReader,
    ):
        with pytest.raises(FitsError, match=r"nothing\.fits"):
            kind(tmp_path / "nothing.fits")
    with pytest.raises(InvalidParameterError, match="fileName is 5"):
        afwImage.ImageFitsReader(5)  # type: ignore[arg-type]
    with pytest.raises(InvalidParameterError, match="names an HDU"):
        afwImage.ImageFitsReader(f"{path}[1]", 2)
