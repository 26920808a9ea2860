"""Masked vectors."""

from __future__ import annotations

import numpy as np
import pytest

from evensky.errors import LengthError
from evensky.image import MaskedVectorF


def test_vector() -> None:
    vector = MaskedVectorF([1, 2, 3], mask=[0, 1, 0])
    assert len(vector) == 3
    assert vector.variance.dtype == np.float32
    with pytest.raises(LengthError, match=r"\(2,\).*\(3,\)"):
        MaskedVectorF([1, 2, 3], mask=[0, 1])
