"""The command evensky match."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from demo_files import SIMULATED, inputs, run, write_demo

from evensky.geom import Point2I
from evensky.io import read_exposure, write_exposure
from evensky.runs.joint import JointMethod
from evensky.runs.record import ExposureRecord
from evensky.simulate import make_bare_exposures, make_exposures, residual_background

folder = pytest.fixture(scope="module")(write_demo)


@pytest.mark.smoke
def test_match(folder: Path, tmp_path: Path) -> None:
    before = [hashlib.sha256(path.read_bytes()).hexdigest() for path in inputs(folder)]
    options = ["--method", "reference", "-c", "binSize=32", "--workers", 2]
    result = run("match", *inputs(folder), "--out", tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    assert "2 matched, 0 failed" in result.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "demo_01_matched.fits",
        "demo_02_matched.fits",
        "demo_03_matched.fits",
        "matched.ecsv",
        "matched.journal",
        "matched.run",
        "report.html",
    ]
    table = Table.read(tmp_path / "out" / "matched.ecsv")
    reference = table.meta["reference"]
    truth = {one.name: one for one in SIMULATED}
    for row in table:
        matched = read_exposure(row["output"])
        residual = residual_background(matched.image.array, truth[row["label"]], truth[reference])
        assert np.sqrt(np.nanmean(residual**2)) < 0.9
        assert matched.metadata["EVS_STAT"] == row["status"]
        assert matched.metadata["OBJECT"] == "evensky demo field"
        assert matched.wcs is not None
    assert table.meta["config"]["binSize"] == 32
    assert np.ptp(table["level_after"]) < 1 < np.ptp(table["level_before"])
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in inputs(folder)] == before


@pytest.mark.smoke
def test_match_to_each_other(folder: Path, tmp_path: Path) -> None:
    before = [hashlib.sha256(path.read_bytes()).hexdigest() for path in inputs(folder)]
    result = run("match", *inputs(folder), "--out", tmp_path / "out", "--workers", 2)
    assert result.exit_code == 0, result.output
    assert "2 matched, 0 failed" in result.output
    table = Table.read(tmp_path / "out" / "matched.ecsv")
    assert table.meta["method"] == "all"
    truth = {one.name: one for one in SIMULATED}
    for row in table:
        matched = read_exposure(row["output"])
        residual = residual_background(matched.image.array, truth[row["label"]], truth[table.meta["reference"]])
        assert np.sqrt(np.nanmean(residual**2)) < 0.2
        assert matched.metadata["EVS_STAT"] == row["status"]
        assert matched.metadata["EVS_CHI"] == pytest.approx(1, abs=0.3)
        assert row["seconds"] > 0
        if row["status"] == "matched":
            assert row["model"] == "Chebyshev 2" == matched.metadata["EVS_MODL"]
            assert 0 < matched.metadata["EVS_MSIG"] < 0.3
            assert "matched to all other exposures" in " ".join(map(str, matched.metadata["HISTORY"]))
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("the scores of the candidate models") == 2
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in inputs(folder)] == before


def test_files_that_cover_different_parts(tmp_path: Path) -> None:
    for one in make_bare_exposures(4, (200, 300), seed=3, curved=False, step=200):
        write_exposure(one.exposure, tmp_path / f"{one.name}.fits")
    far = make_bare_exposures(2, (200, 300), seed=4, curved=False)
    for index, one in enumerate(far):
        one.exposure.setXY0(Point2I(5000, 0))
        write_exposure(one.exposure, tmp_path / f"far_{index}.fits")
    (tmp_path / "short.fits").write_bytes((tmp_path / "far_0.fits").read_bytes()[:50_000])
    result = run("match", *inputs(tmp_path), "-o", tmp_path / "out", "-c", "level=mean", "-j", 2)
    assert result.exit_code == 1
    words = " ".join(result.output.split())
    assert "not complete" in words
    assert "2 groups of exposures have no good pixel in common" in words
    table = Table.read(tmp_path / "out" / "matched.ecsv")
    assert list(table["group"].filled(-1)) == [0, 0, 0, 0, 1, 1, -1]
    assert list(table["partners"])[:2] == ["bare_02", "bare_01; bare_03"]
    assert set(table["model"][:6]) == {"constant"}
    assert list(table["status"]) == ["matched"] * 6 + ["failed"]
    assert "groups of exposures" in (tmp_path / "out" / "report.html").read_text()


def test_fields_of_the_other_method(folder: Path, tmp_path: Path) -> None:
    result = run("match", *inputs(folder), "-o", tmp_path / "out", "-c", "usePolynomial=true")
    assert result.exit_code == 2
    assert "usePolynomial is a field of --method reference" in result.output
    result = run("match", *inputs(folder), "-o", tmp_path / "out", "--method", "reference", "-c", "level=mean")
    assert result.exit_code == 2
    assert "level is a field of --method all" in result.output


def test_masks_from_files(folder: Path, tmp_path: Path) -> None:
    for path in inputs(folder):
        exposure = read_exposure(path)
        fits.PrimaryHDU(exposure.image.array).writeto(tmp_path / path.name)
        fits.PrimaryHDU((exposure.mask.array != 0).astype(np.uint8)).writeto(tmp_path / f"{path.stem}_mask.fit")
    pattern = f"{tmp_path}/{{stem}}_mask.fit"
    result = run("match", *inputs(tmp_path), "--out", tmp_path / "out", "-c", "bin_size=32", "--mask", pattern)
    assert result.exit_code == 0, result.output
    assert "there is no variance" in result.output
    table = Table.read(tmp_path / "out" / "matched.ecsv")
    assert np.ptp(table["level_after"]) < 1
    assert table["diff_im_var"].mask.all()


def test_bad_input_is_one_line(folder: Path, tmp_path: Path) -> None:
    good = inputs(folder)
    exposure = SIMULATED[0].exposure.clone()
    exposure.image.array[...] = np.nan
    write_exposure(exposure, tmp_path / "blank.fits")
    write_exposure(make_exposures(1, (128, 256))[0].exposure, tmp_path / "small.fits")
    (tmp_path / "short.fits").write_bytes(good[0].read_bytes()[:100_000])
    fits.HDUList([fits.PrimaryHDU()]).writeto(tmp_path / "none.fits")
    for number, (name, words) in enumerate(
        (
            ("missing.fits", "no such file"),
            ("short.fits", "not complete"),
            ("none.fits", "no image in it"),
            ("blank.fits", "no good pixel"),
        )
    ):
        options = ["--method", "reference", "-c", "binSize=32"]
        result = run("match", *good, tmp_path / name, "-o", tmp_path / f"out{number}", *options)
        assert result.exit_code == 1
        assert words in " ".join(result.output.split())
        assert "2 matched, 1 failed" in result.output
        assert len(list((tmp_path / f"out{number}").glob("*_matched.fits"))) == 3
        assert words.split(".")[0] in (tmp_path / f"out{number}" / "report.html").read_text()
    for args, words, code in (
        (["-o", tmp_path / "x", "-c", "badMaskPlanes=BAD,NOPE"], "no mask plane 'NOPE'", 2),
        (
            ["-o", tmp_path / "x", "-c", "bogus=1"],
            "no configuration field 'bogus'; the known ones are usePolynomial",
            2,
        ),
        (["-o", tmp_path / "x", "-c", "order=x"], "order = 'x': it is of type str; it must be a whole number (int)", 2),
        (["-o", tmp_path / "x", "-c", "usePolynomial=maybe"], "true or false", 2),
        (["-o", tmp_path / "x", "-c", "binSize"], "name=value", 2),
        (["-o", tmp_path / "x", "-c", "gridStatistic=FOO"], "FOO is not allowed", 2),
        (["-o", tmp_path / "x", "--config", tmp_path / "c.py"], "--python-config", 2),
        (["-o", tmp_path / "x", "-r", tmp_path / "blank.fits"], "no good pixel, so it cannot be the reference", 1),
        (["-o", tmp_path / "x", "--mask", "{foo}"], "{stem}, {name}, {dir}, {extname} and {extver} are known", 2),
        (["-o", tmp_path / "blank.fits"], "is a file", 2),
        (["-o", tmp_path / "out0"], "holds earlier results", 2),
    ):
        result = run("match", "--method", "reference", *good, *args)
        assert result.exit_code == code, result.output
        assert words in result.output
        assert len(result.output.strip().splitlines()) == 1
    result = run("match", *good, "-o", tmp_path / "out0", "--overwrite", "-q")
    assert (result.exit_code, result.output) == (0, "")
    assert run("match", *good).exit_code == 2


def test_inputs_are_never_written_to(folder: Path, tmp_path: Path) -> None:
    write_exposure(SIMULATED[0].exposure, tmp_path / "a.fits")
    write_exposure(SIMULATED[1].exposure, tmp_path / "a_matched.fits")
    result = run("match", tmp_path / "a.fits", tmp_path / "a_matched.fits", "-o", tmp_path, "--overwrite")
    assert result.exit_code == 2
    assert "inputs are never written to" in result.output


def test_no_exposure_is_matched_to_itself(folder: Path, tmp_path: Path) -> None:
    result = run("match", *inputs(folder), inputs(folder)[0], "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert f"{inputs(folder)[0]} is given more than once" in result.output
    assert not (tmp_path / "out").exists()


def test_names_that_look_like_markup(folder: Path, tmp_path: Path) -> None:
    files = []
    for path, name in zip(inputs(folder), ("night[red]x", "b[bold]", "c"), strict=True):
        files.append(tmp_path / f"{name}.fits")
        files[-1].write_bytes(path.read_bytes())
    result = run("match", *files, "--out", tmp_path / "o[/x]", "--reference", files[0])
    assert result.exit_code == 0, result.output
    assert "reference 'night[red]x', 2 matched" in result.output
    assert f"Report: {tmp_path}/o[/x]/report.html" in result.output


def test_the_reference_may_be_named_by_another_path(folder: Path, tmp_path: Path) -> None:
    odd = folder / ".." / folder.name / inputs(folder)[1].name
    result = run("match", *inputs(folder), "--out", tmp_path / "out", "--no-report", "--reference", odd)
    assert result.exit_code == 0, result.output
    assert "reference 'demo_02', 2 matched" in result.output


def test_a_resumed_run_says_so(folder: Path, tmp_path: Path) -> None:
    command = ["match", *inputs(folder), "--out", tmp_path, "--no-report", "--resume"]
    assert "Resumed" not in run(*command).output
    assert "Resumed: 3 of 3 exposures were finished before." in run(*command).output


def test_outputs_are_checked_unless_they_are_trusted(folder: Path, tmp_path: Path) -> None:
    command = ["match", *inputs(folder), "--out", tmp_path, "--no-report", "--resume"]
    run(*command)
    output = tmp_path / "demo_02_matched.fits"
    content = bytearray(output.read_bytes())
    content[-3000] ^= 1
    output.write_bytes(content)
    result = run(*command, "--trust-outputs")
    assert "Resumed: 3 of 3 exposures were finished before." in result.output
    assert output.read_bytes() == content
    result = run(*command)
    assert "Resumed: 2 of 3 exposures were finished before." in result.output
    assert "because their outputs were missing or not as they had been written: demo_02." in " ".join(
        result.output.split()
    )
    assert output.read_bytes() != content
    result = run(*command[:-1], "--overwrite", "--trust-outputs")
    assert result.exit_code == 2
    assert result.output == (
        "evensky: trust_outputs is True and resume is False; it is about the outputs of a run that is resumed\n"
    )


def test_files_in_other_units_are_refused(folder: Path, tmp_path: Path) -> None:
    files = []
    for path, unit in zip(inputs(folder), ("Jy", "mJy", "Jy"), strict=True):
        files.append(tmp_path / path.name)
        files[-1].write_bytes(path.read_bytes())
        fits.setval(files[-1], "BUNIT", value=unit)
    for method in ("all", "reference"):
        result = run("match", *files, "--out", tmp_path / method, "--no-report", "--method", method)
        assert result.exit_code == 3
        assert "mJy" in result.output
        assert "--allow units" in result.output
        assert not (tmp_path / method).exists()
    result = run("match", *files, "--out", tmp_path / "out", "--no-report", "--allow", "units")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("polynomial", [False, True, None])
def test_scratch_gives_the_same_bytes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, polynomial: bool | None
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    options = ["--method", "reference", "-c", "binSize=40"]
    options += ["-c", "usePolynomial=true", "-c", "order=2"] if polynomial else []
    if polynomial is None:
        options = ["-c", "add_variance=true"]
        monkeypatch.setattr("evensky._bands.MOST_PIXELS", 256 * 40)
    for out, extra in (("memory", []), ("disk", ["--scratch", scratch, "-j", "2"])):
        assert run("match", *inputs(folder), "-o", tmp_path / out, *options, *extra).exit_code == 0
    for one in sorted((tmp_path / "memory").glob("*.fits")):
        assert one.read_bytes() == (tmp_path / "disk" / one.name).read_bytes()
    for name, extra in (("m", []), ("d", ["--scratch", scratch])):
        files = ["-o", tmp_path / f"{name}.fits", "--subtracted", tmp_path / f"{name}_less.fits"]
        order = ["--order", "2"] if polynomial else []
        assert run("background", inputs(folder)[0], "-b", "40", *files, *order, *extra).exit_code == 0
    for name in ("", "_less"):
        assert (tmp_path / f"m{name}.fits").read_bytes() == (tmp_path / f"d{name}.fits").read_bytes()
    assert list(scratch.iterdir()) == []


def test_scratch_that_cannot_be_used(folder: Path, tmp_path: Path) -> None:
    result = run("match", *inputs(folder), "-o", tmp_path / "x", "--scratch", tmp_path / "nowhere")
    assert result.exit_code == 1
    assert "cannot be used as scratch space" in result.output


def test_terms_and_known_values(tmp_path: Path) -> None:
    """The commands of the joint model: terms, known skies, and what they cannot be."""
    wisp = np.exp(-((np.indices((160, 200))[0] - 80.0) ** 2) / 500)
    random = np.random.default_rng(1)
    (tmp_path / "night").mkdir()
    for name, change in (("a", 0), ("b", 20 + 9 * wisp), ("c", -6 - 5 * wisp)):
        pixels = 100 + change + random.normal(0, 1, wisp.shape)
        fits.writeto(tmp_path / "night" / f"{name}.fits", pixels.astype(np.float32))
    fits.writeto(tmp_path / "wisp.fits", wisp.astype(np.float32))
    files = inputs(tmp_path / "night")
    template = f"template={tmp_path / 'wisp.fits'}"
    options = ["--terms", "smooth", "--terms", template, "--sky", "a.fits=100+-0.01"]
    result = run("match", *files, "-o", tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    table = Table.read(tmp_path / "out" / "matched.ecsv")
    assert table.meta["config"]["terms"] == ["smooth", template]
    assert [text.split()[0] if text else "" for text in table["terms"]][1:] == ["wisp", "wisp"]
    assert abs(np.array(table["level_after"])).max() < 0.2
    assert "they follow from the known models or skies" in " ".join(result.output.split())

    result = run("match", *files, "-o", tmp_path / "fixed", "--fixed", "b", "--scale", "--terms", "smooth,gain")
    assert result.exit_code == 0, result.output
    table = Table.read(tmp_path / "fixed" / "matched.ecsv")
    assert list(table["status"]) == ["matched", "fixed", "matched"]
    assert table.meta["config"]["scale"]
    for wrong, says in (
        (["--anchor", "a.fits"], "--anchor 'a.fits': FILE=VALUE+-ERROR is needed"),
        (["--anchor", "a.fits=5"], "'5' is no number with an error; write e.g. a.fits=120.5+-0.3"),
        (["--sky", "a=1+-1", "--sky", "a=2+-1"], "--sky names a twice"),
        (["--sky", "a=1+-1", "-c", "level=mean"], "level is 'mean', but skies sets the level"),
        (["--sky", "d=1+-1"], "skies names d; the exposures are a, b, c"),
        (["--terms", "wave"], "There is no term 'wave'"),
        (["-c", "terms=wave"], "There is no term 'wave'"),
        (["--terms", "template=none.fits"], "none.fits: is not there"),
        (["--terms", "gain", "--method", "reference"], "terms, fixed, anchors and skies belong to the joint match"),
    ):
        result = run("match", *files, "-o", tmp_path / "wrong", *wrong)
        assert result.exit_code == 2, result.output
        assert says in result.output, result.output
        assert not (tmp_path / "wrong").exists()


def test_strict_fails_if_results_are_in_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, level in enumerate((100, 120)):
        pixels = np.random.default_rng(number).normal(level, 2, (96, 128)).astype(np.float32)
        fits.writeto(tmp_path / f"{number}.fits", pixels)
    options = ["match", *inputs(tmp_path), "-c", "terms=smooth", "-c", "order=0", "-c", "spline=false", "-o"]
    assert run(*options, tmp_path / "clean", "--strict").exit_code == 0
    describe = JointMethod._describe

    def flagged(record: ExposureRecord, plan: Any) -> None:
        describe(record, plan)
        record.flags.append("POOR_FIT")
        record.warnings.append("POOR_FIT: residuals are 7 times their errors; add a term")

    monkeypatch.setattr(JointMethod, "_describe", staticmethod(flagged))
    result = run(*options, tmp_path / "lenient")
    assert result.exit_code == 0
    assert "2 flagged" in result.output
    assert "add a term" in " ".join(result.output.split())
    result = run(*options, tmp_path / "strict", "--strict")
    assert result.exit_code == 1
    assert "evensky: --strict: the results of 2 exposures are in doubt (POOR_FIT)" in result.output
    assert (tmp_path / "strict" / "report.html").exists()
    assert len(list((tmp_path / "strict").glob("*_matched.fits"))) == 2
