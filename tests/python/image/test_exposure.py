"""Exposures: parts, copies, and information apart from pixels."""

from __future__ import annotations

import pytest

from evensky.geom import Box2I, Extent2I, Point2I
from evensky.image import ExposureD, ExposureF, ImageD, MaskedImageF

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


def test_a_part_keeps_the_sky_position_of_its_pixels() -> None:
    from astropy.wcs import WCS

    wcs = WCS(naxis=2)
    wcs.wcs.crpix, wcs.wcs.cdelt, wcs.wcs.crval = [3, 2], [0.01, 0.01], [10, 20]
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    exposure = ExposureF(MaskedImageF(BOX), wcs)
    part = exposure[Box2I(Point2I(102, 51), Extent2I(2, 2))]
    assert part.wcs.pixel_to_world(0, 0).separation(wcs.pixel_to_world(2, 1)).arcsec == pytest.approx(0, abs=1e-6)
