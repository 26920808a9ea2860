"""The command evensky stats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from demo_files import inputs, run, write_demo

from evensky.fits.scratch import ScratchPlane
from evensky.io import read_exposure

folder = pytest.fixture(scope="module")(write_demo)


def test_stats_and_background(folder: Path, tmp_path: Path) -> None:
    path = inputs(folder)[0]
    result = run("stats", path, "-p", "NPOINT", "-p", "meanclip")
    assert result.exit_code == 0, result.output
    assert "MEANCLIP" in result.output
    assert "STDEV" not in result.output
    assert run("stats", path).output.count("\n") >= 11
    result = run("background", path, "-b", 64, "-o", tmp_path / "model.fits", "--subtracted", tmp_path / "flat.fits")
    assert result.exit_code == 0, result.output
    exposure, model = read_exposure(path), read_exposure(tmp_path / "model.fits")
    flat = read_exposure(tmp_path / "flat.fits")
    np.testing.assert_allclose(flat.image.array, exposure.image.array - model.image.array, rtol=1e-5)
    assert run("background", path, "-b", 32, "--order", 2).exit_code == 0
    result = run("background", path, "-o", tmp_path / "model.fits")
    assert (result.exit_code, result.output.count("\n")) == (2, 1)
    assert run("stats", tmp_path / "missing.fits").exit_code == 2
    assert run("stats", path, "-p", "NOPE").exit_code == 2
    assert run("stats", path, "--bad-planes", "NOPE").exit_code == 2


def test_the_mask_of_one_file_has_a_pattern_too(folder: Path, tmp_path: Path) -> None:
    image = inputs(folder)[0]
    bits = np.zeros((256, 256), np.uint8)
    bits[:10] = 1
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(bits, name="DQ")]).writeto(tmp_path / f"{image.stem}_mask.fits")
    pattern = f"{tmp_path}/{{stem}}_mask.fits[DQ]"
    for command in ("stats", "background"):
        result = run(command, image, "--mask", pattern)
        assert result.exit_code == 0, result.output
        assert run(command, image, "--mask", "{hem}").exit_code == 2
    bad = (bits > 0) | ~np.isfinite(read_exposure(image).image.array)
    assert ["NMASKED", str(bad.sum())] in [
        line.split() for line in run("stats", image, "--mask", pattern).output.splitlines()
    ]


@pytest.mark.parametrize("command", ["stats", "background"])
def test_pixels_on_disk_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    pixels = np.random.default_rng(1).normal(100, 3, (90, 70)).astype(np.float32)
    pixels[3, 4:9] = np.nan
    path = tmp_path / "a.fits"
    fits.writeto(path, pixels)
    made = []
    kept = ScratchPlane.__init__

    def counted(self: ScratchPlane, *arguments: Any) -> None:
        made.append(arguments)
        kept(self, *arguments)

    monkeypatch.setattr(ScratchPlane, "__init__", counted)
    monkeypatch.setattr("evensky.runs.memory_plan._LIBRARIES", 0)
    monkeypatch.setattr("evensky.runs.memory_plan._LEAST_RESIDENT", 1)
    outputs = []
    for number, more in enumerate(([], ["--scratch", tmp_path], ["--max-memory", "180kB"])):
        options = ["-b", "16"] if command == "background" else []
        for name in ("out", "rms", "subtracted") if command == "background" else ():
            options += [f"--{name}", f"{tmp_path}/{name}{number}.fits"]
        result = run(command, path, *options, *more)
        assert result.exit_code == 0, result.output
        assert bool(made) == (number > 0)
        files = [file.read_bytes() for file in sorted(tmp_path.glob(f"*{number}.fits"))]
        lines = [line for line in result.output.splitlines() if "written" not in line and "bytes" not in line]
        told = [line for line in lines if "on disk" in line]
        assert len(told) == (number == 2), result.output
        outputs.append(([line for line in lines if line not in told], files))
        monkeypatch.setattr("evensky._bands.MOST_PIXELS", 700)
    assert outputs[0][1] == outputs[1][1] == outputs[2][1]
    assert outputs[0][0] == outputs[1][0]
    assert outputs[0][0][-5:] == outputs[2][0][-5:]
