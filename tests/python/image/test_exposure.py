"""Exposures: parts, copies, and information apart from pixels."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evensky.errors import LengthError
from evensky.geom import Box2I, Extent2I, Point2I
from evensky.image import (
    LOCAL,
    Exposure,
    ExposureD,
    ExposureF,
    Image,
    ImageD,
    ImageF,
    Mask,
    MaskedImage,
    MaskedImageF,
)

BOX = Box2I(Point2I(100, 50), Extent2I(6, 4))


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


class SkyWcs:
    """Stands for a WCS."""


def tangent_plane() -> Any:
    from astropy.wcs import WCS

    wcs = WCS(naxis=2)
    wcs.wcs.crpix, wcs.wcs.cdelt, wcs.wcs.crval = [3, 2], [0.01, 0.01], [10, 20]
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    return wcs


def test_a_part_keeps_the_sky_position_of_its_pixels() -> None:
    wcs = tangent_plane()
    exposure = ExposureF(MaskedImageF(BOX), wcs)
    part = exposure[Box2I(Point2I(102, 51), Extent2I(2, 2))]
    assert part.wcs.pixel_to_world(0, 0).separation(wcs.pixel_to_world(2, 1)).arcsec == pytest.approx(0, abs=1e-6)


def test_planes_are_replaced() -> None:
    exposure = ExposureF(2, 1)
    image, mask, variance = ImageF(2, 1, 3.0), Mask(2, 1, {"FOO": 4}), ImageF(2, 1, 5.0)
    exposure.setImage(image)
    exposure.setMask(mask)
    exposure.setVariance(variance)
    mask.array[0, 0] = 16
    assert exposure[0, 0] == (3.0, 16, 5.0)
    assert exposure.mask.getAsString(0, 0) == "FOO"
    with pytest.raises(LengthError, match="3 x 1"):
        exposure.setMask(Mask(3, 1))
    exposure[1, 0] = [7.0, 1, 2.0]
    exposure[0:1, 0:1] = ExposureF(1, 1)
    assert [exposure[x, 0] for x in (0, 1)] == [(0, 0, 0), (7, 1, 2)]
    assert str(exposure) == str(exposure.maskedImage)
    for call in (exposure.setMaskedImage, exposure.setMask):
        with pytest.raises(TypeError, match="'a file'"):
            call("a file")


def test_what_scripts_attach_is_kept() -> None:
    exposure = ExposureF(4, 3)
    assert (exposure.getDetector(), exposure.psf, exposure.getInfo().hasPhotoCalib()) == (None, None, False)
    exposure.setDetector("detector")
    exposure.getInfo().setPhotoCalib([1.0])
    exposure.psf = "psf"
    assert (exposure.detector, exposure.getPhotoCalib(), exposure.info.getPsf()) == ("detector", [1.0], "psf")
    assert exposure.hasPhotoCalib()
    for same in (exposure[0:2, 0:2], ExposureF(exposure), ExposureF(exposure, True), exposure.convertD()):
        assert same.getDetector() == "detector"
    deep, shallow = exposure.clone(), ExposureF(exposure)
    assert deep.photoCalib is not exposure.photoCalib
    assert shallow.photoCalib is exposure.photoCalib
    shallow.setDetector(None)
    assert exposure.getDetector() == "detector"
    assert ExposureF(exposure.getMaskedImage(), exposure.getInfo()).getDetector() == "detector"
    assert pickle.loads(pickle.dumps(exposure)).getDetector() == "detector"


def test_names_of_arguments_and_kinds() -> None:
    exposure = ExposureF(BOX)
    part = ExposureF(other=exposure, bbox=Box2I(Point2I(1, 1), Extent2I(2, 2)), origin=LOCAL, deep=True)
    assert part.getXY0() == Point2I(101, 51)
    assert ExposureF(width=3, height=2).getDimensions() == Extent2I(3, 2)
    assert ExposureF(dimensions=Extent2I(3, 2)).getDimensions() == Extent2I(3, 2)
    # A WCS of a class that is unknown is kept as it is.
    for made in (
        ExposureF(maskedImage=exposure.maskedImage, wcs=SkyWcs),
        ExposureF(exposure.maskedImage, SkyWcs),
        ExposureF(6, 4, SkyWcs),
        ExposureF(Extent2I(6, 4), SkyWcs),
        ExposureF(BOX, SkyWcs),
    ):
        assert (made.getWcs(), made[0:2, 0:2, LOCAL].getWcs()) == (SkyWcs, SkyWcs)
        assert (made.getDimensions(), made.image.array.sum()) == (Extent2I(6, 4), 0)
    assert ExposureF(6, 4, None).getWcs() is None
    assert (Exposure[np.float32], Exposure["D"], type(Exposure(3, 2, dtype="f8"))) == (ExposureF, ExposureD, ExposureD)
    assert type(exposure.convertD().convertF()) is ExposureF


def test_exposures_in_files(tmp_path: Path) -> None:
    path = tmp_path / "exposure.fits"
    exposure = ExposureF(BOX)
    exposure.maskedImage.set(1.5, 2, 3.0)
    exposure.metadata["NIGHT"] = 3
    exposure.wcs = tangent_plane()
    exposure.writeFits(path)
    whole = ExposureF.readFits(path)
    for read in (ExposureF(path), ExposureF(str(path)), ExposureF(fileName=path), Exposure(path), ExposureD(path)):
        assert (read.getBBox(), read[100, 50], read.metadata.getScalar("NIGHT")) == (BOX, (1.5, 2, 3.0), 3)
        assert (read.dataId, read.info.bad, read.info.has_variance) == (whole.dataId, whole.info.bad, True)
    box = Box2I(Point2I(102, 51), Extent2I(2, 2))
    parts = ExposureF(path, box), ExposureF(path, bbox=Box2I(Point2I(2, 1), Extent2I(2, 2)), origin=LOCAL)
    for part in parts:
        assert (part.getBBox(), part.metadata.getScalar("NIGHT")) == (box, 3)
        assert part.wcs.pixel_to_world(0, 0).separation(exposure.wcs.pixel_to_world(2, 1)).arcsec < 1e-6
        assert part.image.array.base is None  # the rest of the file is not kept in memory
    assert ExposureF(path, Box2I()).getBBox() == BOX
    with pytest.raises(LengthError, match="not inside"):
        ExposureF(path, Box2I(Point2I(0, 0), Extent2I(2, 2)))


def test_the_numbers_of_planes_in_files(tmp_path: Path) -> None:
    planes = {"CROSSTALK": 8, "NO_DATA": 9, "GHOST": 0}
    exposure = ExposureF(
        MaskedImageF(ImageF(3, 1), Mask(np.array([[1 << 8, 1 << 9, 1]], np.int32), mask_planes=planes))
    )
    exposure.variance.set(1.0)
    exposure.writeFits(tmp_path / "a.fits")
    kept = ExposureF(tmp_path / "a.fits")
    assert kept.mask.getMaskPlaneDict() == planes
    assert kept.info.bad == 1 << 9
    # As the original reads masks: with the planes of all masks, which gain those of the file.
    conformed = ExposureF(tmp_path / "a.fits", conformMasks=False)
    assert conformed.mask.getMaskPlaneDict() == Mask.getMaskPlaneDict()
    assert [conformed.mask.getAsString(x, 0) for x in range(3)] == ["CROSSTALK", "NO_DATA", "GHOST"]
    assert conformed.mask.array[0, 1] == Mask.getPlaneBitMask("NO_DATA") == conformed.info.bad == 1 << 8
    assert MaskedImageF(tmp_path / "a.fits", conformMasks=False).mask.array.tolist() == conformed.mask.array.tolist()


def test_bad_bits_follow_the_mask(tmp_path: Path) -> None:
    planes = {"NO_DATA": 9, "BAD": 0, "GHOST": 4}
    exposure = ExposureF(MaskedImageF(ImageF(2, 1), Mask(np.array([[1 << 9, 1]], np.int32), mask_planes=planes)))
    exposure.variance.set(1.0)
    exposure.writeFits(tmp_path / "a.fits")
    read = ExposureF(tmp_path / "a.fits")
    assert (read.info.bad, read.info.reject) == (1 << 9 | 1, 0)
    for same in (read.clone(), ExposureF(read), pickle.loads(pickle.dumps(read))):
        same.mask.renumber_planes({"NO_DATA": 0, "BAD": 5})
        assert same.info.bad == 1 << 5 | 1
        same.setMask(Mask(2, 1))  # with the default planes
        assert same.getInfo().bad == 1 << 8 | 1
    everything = ExposureF(2, 1)
    everything.info.bad, everything.info.reject = 0xFFFFFFFF, 1 << 8 | 1 << 30
    everything.setMask(Mask(2, 1, {"NO_DATA": 3}))
    assert (everything.info.bad, everything.info.reject) == (0xFFFFFFFF, 1 << 3 | 1 << 30)


def test_classes_of_users_replace_none() -> None:
    class MyImage(ImageF):
        pass

    class MyMasked(MaskedImageF):
        pass

    class MyExposure(ExposureF):
        pass

    assert (type(Image(2, 2)), type(MaskedImage(2, 2)), type(Exposure(2, 2))) == (ImageF, MaskedImageF, ExposureF)
    assert (Image["F"], MaskedImage["F"], Exposure["F"]) == (ImageF, MaskedImageF, ExposureF)
    mine = MyExposure(MyMasked(MyImage(2, 2, 3.0)))
    for made in (Image(mine.image), MaskedImage(mine.image).image, MaskedImage(mine.maskedImage).image):
        assert made.array.sum() == 12
    for part in (Exposure(mine.maskedImage), Exposure(mine), Exposure(MyMasked(2, 2)), mine[0:1, 0:1], mine.clone()):
        assert isinstance(part, ExposureF)
