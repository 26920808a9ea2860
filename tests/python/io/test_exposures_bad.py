"""Exposures with broken headers are read, and can be written."""

from __future__ import annotations

from pathlib import Path

import hanging
import numpy as np
import pytest
from broken_fits import BLOCK, lsst, more_cards, pixels, plain, with_card

from evensky.io import read_exposure, write_exposure

# Warnings of astropy are ignored, as they are for users; pytest would turn them into errors.
pytestmark = pytest.mark.filterwarnings("ignore")
_nothing_hangs = pytest.fixture(autouse=True)(hanging.alarm)


@pytest.mark.parametrize(
    "card", [b"OBJECT  = '\0\0'", b"OBJECT  = 'a\tb'", b"COMMENT a\nb"], ids=["nul", "tab", "line"]
)
def test_control_characters(tmp_path: Path, card: bytes) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(more_cards(plain(), card))
    exposure = read_exposure(path)
    np.testing.assert_array_equal(exposure.image.array, pixels())
    write_exposure(exposure, tmp_path / "b.fits")


@pytest.mark.parametrize("value", ["NaN", "'nonsense'"])
@pytest.mark.parametrize("keyword", ["CRPIX1", "CRVAL1"])
def test_a_broken_wcs_can_be_written(tmp_path: Path, keyword: str, value: str) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(with_card(lsst(), f"{keyword:8}= {value}", behind=BLOCK))
    exposure = read_exposure(path)
    write_exposure(exposure, tmp_path / "b.fits")
    np.testing.assert_array_equal(read_exposure(tmp_path / "b.fits").image.array, exposure.image.array)
