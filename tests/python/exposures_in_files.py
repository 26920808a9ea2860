"""An exposure with all that a file can hold, for tests of reading and writing."""

from __future__ import annotations

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from evensky.geom import Point2I
from evensky.image import ExposureF, ImageF, Mask, MaskedImageF

PLANES = {"BAD": 0, "SAT": 1, "CROSSTALK": 8, "NO_DATA": 9, "A_LONG_PLANE_NAME": 31}


def make_exposure() -> ExposureF:
    """Make an exposure with a mask, a variance, an origin, cards of many kinds and a distorted WCS."""
    rng = np.random.default_rng(3)
    mask = Mask(rng.integers(0, 3, (30, 40)).astype(np.int32), mask_planes=PLANES)
    mask.array[0, 0] = mask.getPlaneBitMask(["NO_DATA", "A_LONG_PLANE_NAME"])
    image = ImageF(rng.normal(100, 5, (30, 40)).astype(np.float32))
    image.array[3, 4] = np.nan
    exposure = ExposureF(MaskedImageF(image, mask, ImageF(np.full((30, 40), 25, np.float32))))
    exposure.setXY0(Point2I(100, -20))
    exposure.metadata = fits.Header(
        [
            ("OBJECT", "M13", "what it shows"),
            ("EXPTIME", 30.5),
            ("HIERARCH LONG KEYWORD", 3),
            ("OBSERVER", "A. Nonymous"),
            ("CTYPE1", "RA---TAN-SIP"),
            ("CTYPE2", "DEC--TAN-SIP"),
            ("CRPIX1", 20.0),
            ("CRPIX2", 15.0),
            ("CRVAL1", 250.0),
            ("CRVAL2", 36.0),
            ("CD1_1", -1.59205392797133e-05),
            ("CD1_2", 0.0),
            ("CD2_1", 0.0),
            ("CD2_2", 1e-5),
            ("A_ORDER", 2),
            ("A_2_0", 5.21309707635475e-07),
            ("B_ORDER", 2),
            ("B_0_2", 1.1142784351701e-06),
        ]
    )
    exposure.metadata.add_history("bias subtracted")
    exposure.wcs = WCS(exposure.metadata)
    return exposure


def assert_same_pixels(one: ExposureF, other: ExposureF) -> None:
    for a, b in zip(one.maskedImage.getArrays(), other.maskedImage.getArrays(), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
