"""The page that shows calls of other packages beside ours: both run, if the packages are installed, and agree."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.nddata import CCDData
from astropy.wcs import WCS

PAGE = Path(__file__).parents[2] / "docs" / "coming_from.md"
RNG = np.random.default_rng(7)
Y, X = np.mgrid[0:256, 0:320]
TRUTH = 100 + 0.02 * X + 1e-4 * (Y - 100) ** 2
DATA = (TRUTH + RNG.normal(0, 5, TRUTH.shape)).astype(np.float32)
MASK = RNG.random(TRUTH.shape) < 0.05
DATA[MASK] += 5000


def blocks(section: str) -> dict[str, str]:
    """Return the scripts of a section by the package that their first line names."""
    text = PAGE.read_text().split(f"## {section}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"```python\n# (\w+)\n(.*?)```", text, flags=re.DOTALL))


def execute(script: str, **names: Any) -> dict[str, Any]:
    exec(compile(script, PAGE.name, "exec"), names)
    return names


def results(section: str, **names: Any) -> dict[str, dict[str, Any]]:
    scripts = blocks(section)
    assert "evensky" in scripts
    installed = [name for name in scripts if importlib.util.find_spec(name) is not None]
    return {name: execute(scripts[name], **names) for name in installed}


def test_clipped_statistics() -> None:
    got = results("Clipped statistics", data=DATA, mask=MASK)
    assert set(got) == {"astropy", "evensky"}
    ours, theirs = got["evensky"], got["astropy"]
    for name in ("mean", "median", "std"):
        assert ours[name] == pytest.approx(theirs[name], abs=0.02)


@pytest.mark.filterwarnings("ignore")  # warnings of other packages
def test_backgrounds() -> None:
    got = results("Background of one image", data=DATA, mask=MASK)
    for name, one in got.items():
        assert np.abs(one["image"] - TRUTH).max() < 4, name
        assert one["level"] == pytest.approx(np.median(TRUTH), abs=0.7), name
        assert np.median(one["rms_image"]) == pytest.approx(5, abs=0.3), name
        assert abs(np.median(one["subtracted"][~MASK])) < 0.2, name


@pytest.mark.filterwarnings("ignore")
def test_matching() -> None:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.cdelt, wcs.wcs.crpix, wcs.wcs.crval = [-1e-4, 1e-4], [160, 128], [250, 36]
    exposures = [CCDData(DATA + 20 * index, unit="adu", wcs=wcs, mask=MASK) for index in range(3)]
    got = results("Matching exposures", exposures=exposures, wcs=wcs, shape=DATA.shape)
    first, *others = got["evensky"]["matched"]
    for other in others:
        np.testing.assert_allclose(other.data, first.data, atol=1e-3)
