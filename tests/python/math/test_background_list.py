"""Lists of backgrounds, and their files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import evensky.errors as errors
import evensky.image as afwImage
import evensky.math as afwMath
from evensky.geom import Point2I

CHEBYSHEV = afwMath.ApproximateControl.CHEBYSHEV


def test_background_list(image: afwImage.MaskedImageF, tmp_path: Path) -> None:
    image.setXY0(Point2I(5, 7))
    one = afwMath.makeBackground(image, afwMath.BackgroundControl("AKIMA_SPLINE", 6, 6))
    two = afwMath.makeBackground(image, afwMath.BackgroundControl(5, 5, actrl=afwMath.ApproximateControl(CHEBYSHEV, 2)))
    both = afwMath.BackgroundList(one, two)
    both.append((one, "LINEAR", "THROW_EXCEPTION", afwMath.ApproximateControl.UNKNOWN, 0, 0, True))
    want = one.getImageF().array + two.getImageF().array + one.getImageF("LINEAR").array
    np.testing.assert_allclose(both.getImage().array, want, rtol=1e-6)
    both.writeFits(tmp_path / "list.fits")
    again = afwMath.BackgroundList.readFits(tmp_path / "list.fits")
    assert len(again) == 3
    np.testing.assert_array_equal(again.getImage().array, both.getImage().array)
    assert again.getImage().getXY0() == Point2I(5, 7)
    with pytest.raises(errors.InvalidParameterError, match="empty"):
        afwMath.BackgroundList().getImage()
    with pytest.raises(errors.InvalidParameterError, match="int"):
        both.append(3)
    with pytest.raises(errors.FitsError, match="no such file"):
        afwMath.BackgroundList.readFits(tmp_path / "none.fits")
