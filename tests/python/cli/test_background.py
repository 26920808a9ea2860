"""The command evensky background."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from demo_files import inputs, run, write_demo

from evensky import estimate_background

folder = pytest.fixture(scope="module")(write_demo)


def test_deviation_and_what_was_done(folder: Path, tmp_path: Path) -> None:
    image, model, rms = inputs(folder)[0], tmp_path / "model.fits", tmp_path / "rms.fits"
    result = run("background", image, "--bin-size", 64, "--order", 1, "--out", model, "--rms", rms)
    assert result.exit_code == 0, result.output
    low, high = fits.getdata(model).min(), fits.getdata(model).max()
    assert f"model                  {low:.3f} to {high:.3f}" in result.output
    expected = estimate_background(image, bin_size=64, order=1)
    np.testing.assert_array_equal(fits.getdata(model), expected.image.array)
    np.testing.assert_array_equal(fits.getdata(rms), expected.rms_image.array)
    history = [str(fits.getheader(path, "IMAGE")["HISTORY"]).replace("\n", "") for path in (model, rms)]
    assert "background, 4 x 4 bins, MEANCLIP, Chebyshev order 1" in history[0]
    assert "standard deviation, 4 x 4 bins, STDEVCLIP, Chebyshev order 1" in history[1]
    result = run("background", image, "--bin-size", 1, "--rms", tmp_path / "none.fits")
    assert result.exit_code == 1
    assert "two good pixels" in result.output.splitlines()[-1]
    assert not (tmp_path / "none.fits").exists()
    for clash in (image, model):
        result = run("background", image, "--out", model, "--rms", clash, "--overwrite")
        assert result.exit_code == 2
        assert f"{clash}: " in result.output


def test_background_of_an_order_beyond_all_numbers(folder: Path, tmp_path: Path) -> None:
    result = run("background", inputs(folder)[0], "--out", tmp_path / "m.fits", "--order", 99999999999)
    assert result.exit_code == 2
    assert "99999999999" in result.output
    result = run("background", inputs(folder)[0], "--out", tmp_path / "m.fits", "--subtracted", tmp_path / "m.fits")
    assert result.exit_code == 2
    assert "given for two results" in result.output
