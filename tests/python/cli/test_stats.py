"""The command evensky stats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from demo_files import inputs, run, write_demo

import evensky
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


def write_images(folder: Path) -> tuple[Path, Path, Path]:
    """Write a file of whole numbers, and two in adu, of which one has no good pixel."""
    counts = np.random.default_rng(2).poisson(100, (40, 50)).astype(np.int16)
    fits.writeto(folder / "counts.fits", counts)
    header = fits.Header({"BUNIT": "adu"})
    for name, value in (("seven", 7), ("empty", np.nan)):
        fits.writeto(folder / f"{name}.fits", np.full((4, 5), value, np.float32), header)
    return folder / "counts.fits", folder / "seven.fits", folder / "empty.fits"


def test_several_files_have_a_row_for_each_image(tmp_path: Path) -> None:
    counts, seven, empty = write_images(tmp_path)
    result = run("stats", counts, seven, empty, "-p", "median", "-p", "NPOINT")
    rows = [line.split() for line in result.stdout.splitlines() if line.startswith(str(tmp_path))]
    assert [row[-2:] for row in rows] == [["100", "2000"], ["7", "20"], ["nan", "0"]], result.output
    assert [row[1:4] for row in rows] == [["50", "x", "40"], ["5", "x", "4"], ["5", "x", "4"]]
    assert result.exit_code == 3
    assert f"{empty} has no good pixel" in result.stderr
    assert "--bad-planes" in result.stderr
    assert run("stats", counts, seven).exit_code == 0
    assert run("stats", empty).exit_code == 3


def test_json_has_units(tmp_path: Path) -> None:
    counts, seven, no_pixel = write_images(tmp_path)
    missing = tmp_path / "missing.fits"
    result = run("stats", counts, missing, seven, no_pixel, "--json", "-p", "MEDIAN", "-p", "VARIANCE", "-p", "NPOINT")
    assert result.exit_code == 1
    assert "missing.fits" in result.stderr
    first, good, empty, failed = json.loads(result.stdout)
    assert failed["file"] == str(missing)
    assert failed["error"]
    assert (first["file"], first["image"], first["unit"]) == (str(counts), None, "")
    pixels = fits.getdata(counts)
    assert first["statistics"]["MEDIAN"]["value"] == np.median(pixels)
    assert first["statistics"]["VARIANCE"]["value"] == pytest.approx(pixels.var(ddof=1))
    assert (good["width"], good["height"], good["good"]) == (5, 4, 20)
    units = {name: entry["unit"] for name, entry in good["statistics"].items()}
    assert units == {"MEDIAN": "adu", "VARIANCE": "(adu)**2", "NPOINT": ""}
    assert empty["statistics"]["MEDIAN"] == {"value": None, "error": None, "unit": "adu"}
    assert "no good pixel" in empty["notes"][-1]


def test_a_width_that_is_not_positive_names_its_option(tmp_path: Path) -> None:
    path, *_ = write_images(tmp_path)
    for width in ("-1", "0", "nan"):
        result = run("stats", path, "--sigma", width)
        assert result.exit_code == 2
        assert "--sigma" in result.output
        assert "must be positive" in result.output
    assert "--rounds" in run("stats", path, "--rounds", "0").output
    assert run("stats").exit_code == 2


def test_a_file_and_its_array_have_the_same_statistics(tmp_path: Path) -> None:
    path, *_ = write_images(tmp_path)
    pixels = fits.getdata(path)
    stats = evensky.image_statistics(path)
    names = {"MEDIAN": stats.median, "IQRANGE": stats.iqr, "MEANCLIP": stats.mean, "STDEVCLIP": stats.std}
    options = [option for name in names for option in ("-p", name)]
    (printed,) = json.loads(run("stats", path, "--json", *options).stdout)
    assert {name: entry["value"] for name, entry in printed["statistics"].items()} == names
    for dtype in (np.int16, np.uint16, np.int32, np.int64, np.uint64, np.float32, ">i2"):
        assert evensky.image_statistics(pixels.astype(dtype)) == stats, dtype
        assert (
            evensky.image_statistics(pixels.astype(dtype)).iqr
            == stats.iqr
            == np.subtract(*np.percentile(pixels, [75, 25]))
        )
