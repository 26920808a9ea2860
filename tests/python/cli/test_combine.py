"""The command evensky combine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from demo_files import SIMULATED, inputs, run, write_demo

import evensky
from evensky.cli.options import number_or_pair
from evensky.errors import InvalidParameterError
from evensky.io import read_exposure, write_exposure
from evensky.simulate import make_exposures

folder = pytest.fixture(scope="module")(write_demo)


def one_line(result: Any, code: int) -> str:
    """Return the line that a call prints which fails."""
    assert result.exit_code == code, result.output
    (line,) = result.output.splitlines()
    assert line.startswith("evensky: ")
    return line


@pytest.mark.smoke
def test_combine(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "coadd.fits"
    result = run("combine", *inputs(folder), "--out", out)
    assert result.exit_code == 0, result.output
    assert str(out) in result.output
    for path in inputs(folder):
        (row,) = [line.split() for line in result.output.splitlines() if line.startswith(path.stem)]
        assert row[1] == "combined"
        exposure = read_exposure(path)
        bad = exposure.mask.array & exposure.mask.getPlaneBitMask(["NO_DATA", "BAD", "SAT", "CR"]) != 0
        assert float(row[2]) == pytest.approx(100 * bad.mean(), abs=0.01)
        assert 0 <= float(row[4]) < 5
    coadd = read_exposure(out)
    same = evensky.combine([one.exposure for one in SIMULATED]).exposure
    np.testing.assert_array_equal(coadd.image.array, same.image.array)
    np.testing.assert_array_equal(coadd.variance.array, same.variance.array)
    assert coadd.wcs is not None


def test_options_are_those_of_the_function(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "coadd.fits"
    options = ["--sigma", "4,2.5", "--rounds", 2, "--centre", "median", "--scatter", "mad", "--weighting", "1,2,0.5"]
    planes = ["--planes", "number,rejected,weight"]
    result = run("combine", *inputs(folder), "-o", out, *options, *planes, "--bad-planes", "BAD,NO_DATA", "-q")
    assert (result.exit_code, result.output) == (0, "")
    expected = evensky.combine(
        [one.exposure for one in SIMULATED],
        sigma=(4, 2.5),
        rounds=2,
        centre="median",
        scatter="mad",
        weighting=[1, 2, 0.5],
        bad_planes="BAD,NO_DATA",
    )
    with fits.open(out) as hdus:
        assert [hdu.name for hdu in hdus if hdu.name in ("NUMBER", "REJECTED", "WEIGHT", "MASK", "VARIANCE")] == [
            "NUMBER",
            "REJECTED",
            "WEIGHT",
        ]
        np.testing.assert_array_equal(hdus["NUMBER"].data, expected.number)
        np.testing.assert_array_equal(hdus["REJECTED"].data, expected.rejected)
        np.testing.assert_array_equal(hdus["WEIGHT"].data, expected.weight)
    np.testing.assert_array_equal(read_exposure(out).image.array, expected.exposure.image.array)


def test_an_earlier_coadd_is_kept(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "coadd.fits"
    assert run("combine", *inputs(folder), "-o", out, "-q").exit_code == 0
    before = out.read_bytes()
    line = one_line(run("combine", *inputs(folder), "-o", out, "--statistic", "median"), 2)
    assert "--overwrite" in line
    assert out.read_bytes() == before
    assert run("combine", *inputs(folder), "-o", out, "--statistic", "median", "--overwrite", "-q").exit_code == 0
    assert out.read_bytes() != before
    # An input is never written to.
    first = inputs(folder)[0]
    assert "input" in one_line(run("combine", *inputs(folder), "-o", first, "--overwrite"), 2)


def test_a_file_that_cannot_be_read_does_not_stop_the_others(folder: Path, tmp_path: Path) -> None:
    bad = tmp_path / "torn.fits"
    bad.write_bytes(inputs(folder)[0].read_bytes()[:50_000])
    out = tmp_path / "coadd.fits"
    result = run("combine", *inputs(folder)[1:], bad, "-o", out)
    assert result.exit_code == 1
    (row,) = [line for line in result.output.splitlines() if line.startswith("torn")]
    assert row.split()[1] == "failed"
    assert "not complete" in row
    two = evensky.combine([one.exposure for one in SIMULATED[1:]])
    np.testing.assert_array_equal(read_exposure(out).image.array, two.exposure.image.array)
    quiet = run("combine", *inputs(folder)[1:], bad, "-o", out, "--overwrite", "-q")
    assert "torn" in one_line(quiet, 1)


def test_json_has_all_details(folder: Path, tmp_path: Path) -> None:
    result = run("combine", *inputs(folder), "-o", tmp_path / "coadd.fits", "--json")
    assert result.exit_code == 0
    found = json.loads(result.output)
    assert found["output"] == str(tmp_path / "coadd.fits")
    assert [one["label"] for one in found["records"]] == [path.stem for path in inputs(folder)]
    assert all(0 < one["masked_fraction"] < 0.2 for one in found["records"])


def test_dry_run_writes_nothing(folder: Path, tmp_path: Path) -> None:
    result = run("combine", *inputs(folder), "-o", tmp_path / "coadd.fits", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "demo_01" in result.output
    assert "SAT" in result.output
    assert "DETECTED" not in result.output  # sources are combined, and not in a background
    for row in [line for line in result.output.splitlines() if line.startswith("demo_0")]:
        assert row.split()[-2:] == ["0,", "0"]  # the place on the grid
    named = run("combine", *inputs(folder), "-o", tmp_path / "a.fits", "--dry-run", "--bad-planes", "DETECTED,SAT")
    assert "DETECTED" in named.output
    for options in (["-o", tmp_path / "a.txt"], ["-o", tmp_path / "a.fits", "--planes", "variance,nope"]):
        refused = run("combine", *inputs(folder), *options, "--dry-run")
        assert refused.exit_code == 2, refused.output
        assert "a.txt" in refused.output or "planes holds 'nope'" in refused.output
    assert list(tmp_path.iterdir()) == []


def test_exposures_that_do_not_belong_together_are_refused(folder: Path, tmp_path: Path) -> None:
    other = make_exposures(1, (256, 256))[0].exposure
    other.metadata["BUNIT"] = "Jy"
    write_exposure(other, tmp_path / "other.fits")
    result = run("combine", *inputs(folder), tmp_path / "other.fits", "-o", tmp_path / "coadd.fits")
    assert result.exit_code == 3, result.output
    assert result.output.startswith("evensky: the exposures are refused:")
    assert not (tmp_path / "coadd.fits").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--sigma", "three"], "--sigma 'three': one number, or low,high"),
        (["--sigma", "1,2,3"], "--sigma '1,2,3'"),
        (["--sigma", "0"], "must be greater than 0"),
        (["--weighting", "1,2"], "3 exposures"),
        (["--weighting", "errors"], "--weighting 'errors': variance, or one number"),
        (["--shape", "100"], "--shape '100': two positive whole numbers"),
        (["--shape", "100,-2"], "--shape '100,-2'"),
        (["--planes", "variance,flux"], "'flux'"),
        (["--max-memory", "lots"], "number of bytes"),
        (["--pixel-scale", "-1"], "pixel_scale"),
        (["--pixel-scale", "0.2", "--wcs", "demo_01.fits"], "pixel_scale"),
        (["--covariance", "missing.fits"], "missing.fits"),
        (["--overwrite", "--resume"], "overwrite and resume"),
        (["--bad-planes", "CR,FOO"], "demo_01.fits: There is no mask plane 'FOO'"),
        (["--out", "coadd.jpg"], "out is 'coadd.jpg'; the result is a FITS file"),
    ],
)
def test_wrong_options_are_one_line(folder: Path, tmp_path: Path, options: list[str], words: str) -> None:
    line = one_line(run("combine", *inputs(folder), "-o", tmp_path / "coadd.fits", *options), 2)
    assert words in line
    assert not (tmp_path / "coadd.fits").exists()


def test_rounds_are_those_of_the_function(folder: Path, tmp_path: Path) -> None:
    result = run("combine", *inputs(folder), "-o", tmp_path / "coadd.fits", "--rounds", 0)
    assert result.exit_code == 2
    assert "0 is not in the range 1<=x<=1000" in result.output


def test_too_little_memory_is_told_in_its_unit(folder: Path, tmp_path: Path) -> None:
    line = one_line(run("combine", *inputs(folder), "-o", tmp_path / "coadd.fits", "--max-memory", "2kB"), 1)
    assert "max_memory is 2 kB" in line


def test_the_covariance_of_a_match(folder: Path, tmp_path: Path) -> None:
    assert run("match", *inputs(folder), "-o", tmp_path / "out", "--no-report", "--coadd", "-q").exit_code == 0
    outputs = sorted((tmp_path / "out").glob("*_matched.fits"))
    for name, options in (("with", []), ("without", ["--covariance", "none"])):
        assert run("combine", *outputs, "-o", tmp_path / f"{name}.fits", "-q", *options).exit_code == 0
    coadd, found, without = (
        read_exposure(path).variance.array
        for path in (tmp_path / "out" / "coadd.fits", tmp_path / "with.fits", tmp_path / "without.fits")
    )
    np.testing.assert_array_equal(coadd, found)
    assert np.nanmin(np.abs(found - without)) > 0
    other = [*outputs[1:], tmp_path / "other.fits"]
    other[-1].write_bytes(outputs[0].read_bytes())
    line = one_line(
        run("combine", *other, "-o", tmp_path / "c.fits", "--covariance", tmp_path / "out" / "matched.covariance.fits"),
        2,
    )
    assert "covariance" in line


def test_number_or_pair() -> None:
    assert number_or_pair("--sigma", "3") == 3.0
    assert number_or_pair("--sigma", "4,2.5") == (4.0, 2.5)
    with pytest.raises(InvalidParameterError, match="'x'"):
        number_or_pair("--sigma", "x")


def test_a_pattern_that_also_names_the_covariance(folder: Path, tmp_path: Path) -> None:
    assert run("match", *inputs(folder), "-o", tmp_path / "out", "--no-report", "-q").exit_code == 0
    files = sorted((tmp_path / "out").glob("*.fits"))
    for options in ([], ["--dry-run"]):
        result = run("combine", *files, "-o", tmp_path / "coadd.fits", *options)
        assert result.exit_code == 0, result.output
        assert "matched.covariance.fits is no exposure, and is left out" in result.output
    assert fits.getval(tmp_path / "coadd.fits", "EVS_COVA")
