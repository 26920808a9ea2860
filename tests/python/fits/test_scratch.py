"""Pixels in scratch space."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from exposures_in_files import assert_same_pixels, make_exposure

import evensky._bands
from evensky.errors import FitsError
from evensky.image import ExposureF
from evensky.io import read_exposure, write_exposure

exposure = pytest.fixture(make_exposure)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("rows", [1, 2, 1000])
def test_bands_and_scratch_give_the_same(
    exposure: ExposureF, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compress: bool, rows: int
) -> None:
    write_exposure(exposure, tmp_path / "a.fits", compress=compress)
    whole = read_exposure(tmp_path / "a.fits")
    monkeypatch.setattr(evensky._bands, "MOST_PIXELS", rows * exposure.getWidth())
    for scratch in (None, tmp_path):
        again = read_exposure(tmp_path / "a.fits", scratch=scratch)
        assert_same_pixels(whole, again)
        assert all(isinstance(a.base, np.memmap) or not scratch for a in map(np.asarray, again.maskedImage.getArrays()))
    assert [path.name for path in tmp_path.iterdir()] == ["a.fits"]


def test_scratch_folders_that_cannot_be_used(exposure: ExposureF, tmp_path: Path) -> None:
    write_exposure(exposure, tmp_path / "a.fits")
    with pytest.raises(FitsError, match=r"nowhere: cannot be used as scratch space for \d+ bytes: No such file"):
        read_exposure(tmp_path / "a.fits", scratch=tmp_path / "nowhere")
