"""Scalers of exposures."""

from __future__ import annotations

import numpy as np
import pytest

from evensky.errors import InvalidParameterError
from evensky.image import ImageScaler, MaskedImageF, SpatialScaler


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
