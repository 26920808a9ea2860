"""The command evensky demo."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from demo_files import run

from evensky.io import read_exposure
from evensky.runs.run_file import load_run


@pytest.mark.smoke
def test_demo(tmp_path: Path) -> None:
    result = run("demo", tmp_path / "demo", "--number", 3, "--size", 512)
    assert result.exit_code == 0, result.output
    # Each exposure has at least the pictures before, after and of the model.
    page = (tmp_path / "demo" / "matched" / "report.html").read_text()
    assert page.count('alt="demo_') >= 3 * 3
    assert page.count('<div class="chart') == 3  # the levels, the footprints and the costs
    assert "cannot be drawn" not in page
    found = [line for line in result.output.splitlines() if line.startswith("Pixel RMS")]
    assert len(found) == 2
    assert all(float(line.rsplit(" ", 1)[1]) < 0.5 for line in found)
    for name in ("matched", "one-reference"):
        coadd = tmp_path / "demo" / name / "coadd.fits"
        assert f"3 exposures combined (meanclip), 0 failed, 512 x 512 px. Coadd: {coadd}" in result.output
        image = read_exposure(coadd).image.array
        one = read_exposure(tmp_path / "demo" / name / "demo_01_matched.fits").image.array
        assert np.nanmedian(np.abs(image - one)) < 15
    # The report that is made again has the comparison with the truth.
    assert load_run(tmp_path / "demo" / "matched").truth["after"] < 0.5
    result = run("demo", tmp_path / "demo")
    assert result.exit_code == 2
    assert "--overwrite" in result.output


@pytest.mark.smoke
def test_dithered_demo(tmp_path: Path) -> None:
    result = run("demo", tmp_path / "demo", "--dithered", "--number", 4, "--size", 256)
    assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "demo" / "exposures").glob("dithered_*.fits"))) == 4
    assert "RMS deviation from the simulated truth" in (tmp_path / "demo" / "matched" / "report.html").read_text()
    lines = result.output.splitlines()
    start = next(n for n, line in enumerate(lines) if "pixel [arcsec]" in line)
    rows = [line.split() for line in lines[start + 1 : start + 5]]
    assert [row[0] for row in rows] == [f"dithered_{n:02d}" for n in range(1, 5)]
    assert all(0.36 < float(row[2]) < 0.44 for row in rows)
    (found,) = [line for line in lines if line.startswith("RMS difference")]
    with_reproject = importlib.util.find_spec("reproject") is not None
    assert (tmp_path / "demo" / "matched" / "coadd.fits").exists() == with_reproject
    assert ("there will be no coadd" in result.output) != with_reproject
    before, after = (float(part.split()[-1]) for part in found.split(": ", 1)[1].split(", "))
    assert before > 10
    assert after < 0.5


def test_default_folders_of_the_demos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder, options in (("evensky-demo", []), ("evensky-demo-dithered", ["--dithered"])):
        (tmp_path / folder / "exposures").mkdir(parents=True)
        result = run("demo", *options)
        assert result.exit_code == 2
        assert f"{folder}: holds an earlier demo" in result.output
