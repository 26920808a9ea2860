"""The command line, and the run over files below it."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner, Result

from evensky import estimate_background
from evensky.cli import main
from evensky.geom import Point2I
from evensky.image import Exposure
from evensky.io import read_exposure, write_exposure
from evensky.matching.joint.config import MatchAllConfig
from evensky.simulate import make_bare_exposures, make_exposures, residual_background, write_exposures
from evensky.tasks import MatchBackgroundsConfig
from evensky.tasks.file_access import FileAccess, Item
from evensky.tasks.labels import unique_labels
from evensky.tasks.match_files import match_files

SIMULATED = make_exposures(3, (256, 256), seed=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exposures")
    write_exposures(SIMULATED, folder)
    return folder


def run(*args: Any) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args], catch_exceptions=False)


def inputs(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.fits"))


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
        "report.html",
    ]
    table = Table.read(tmp_path / "out" / "matched.ecsv")
    reference = table.meta["reference"]
    truth = {one.name: one for one in SIMULATED}
    for row in table:
        matched = read_exposure(row["output"])
        left = residual_background(matched.image.array, truth[row["label"]], truth[reference])
        assert np.sqrt(np.nanmean(left**2)) < 0.9
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
        left = residual_background(matched.image.array, truth[row["label"]], truth[table.meta["reference"]])
        assert np.sqrt(np.nanmean(left**2)) < 0.2
        assert matched.metadata["EVS_STAT"] == row["status"]
        assert matched.metadata["EVS_CHI"] == pytest.approx(1, abs=0.3)
        assert row["seconds"] > 0
        if row["status"] == "matched":
            assert row["model"] == "Chebyshev 2" == matched.metadata["EVS_MODL"]
            assert 0 < matched.metadata["EVS_MSIG"] < 0.3
            assert "matched to all other exposures" in " ".join(map(str, matched.metadata["HISTORY"]))
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("how the kinds of correction did") == 2
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


def test_each_exposure_is_read_a_few_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    number = 24
    for one in make_bare_exposures(number, (64, 64), seed=5, curved=False):
        write_exposure(one.exposure, tmp_path / f"{one.name}.fits")
    read: Counter[str] = Counter()
    load = FileAccess.load

    def counted(self: FileAccess, item: Item) -> Exposure:
        read[item.label] += 1
        return load(self, item)

    monkeypatch.setattr(FileAccess, "load", counted)
    match_files(inputs(tmp_path), tmp_path / "out", report=False)
    # Looked at, compared, corrected; the first one for its size, too, and the reference to be shared.
    assert len(read) == number
    assert sum(read.values()) <= 3 * number + 2
    assert max(read.values()) <= 5


def test_fields_of_the_other_method(folder: Path, tmp_path: Path) -> None:
    result = run("match", *inputs(folder), "-o", tmp_path / "out", "-c", "usePolynomial=true")
    assert result.exit_code == 2
    assert "usePolynomial is a field of --method reference" in result.output
    result = run("match", *inputs(folder), "-o", tmp_path / "out", "--method", "reference", "-c", "level=mean")
    assert result.exit_code == 2
    assert "level is a field of --method all" in result.output


def test_workers_do_not_change_bits(folder: Path, tmp_path: Path) -> None:
    config = MatchBackgroundsConfig()
    config.binSize = 32
    match_files(inputs(folder), tmp_path / "alone", config=config, report=False)
    for turn in range(4):
        out = tmp_path / str(turn)
        match_files(inputs(folder), out, config=config, workers=3, report=False)
        for name in ("demo_01_matched.fits", "demo_02_matched.fits", "demo_03_matched.fits"):
            want, got = read_exposure(tmp_path / "alone" / name), read_exposure(out / name)
            np.testing.assert_array_equal(want.image.array, got.image.array)


def test_named_reference_and_configuration_files(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("usePolynomial: true\norder: 2\nbinSize: 64\nbadMaskPlanes: [NO_DATA, BAD]\n")
    (tmp_path / "config.toml").write_text("binSize = 64\n")
    (tmp_path / "config.py").write_text("config.binSize = 64\n")
    for number, options in enumerate(
        (["--config", "config.yaml"], ["--config", "config.toml"], ["--python-config", "config.py"])
    ):
        out = tmp_path / f"out{number}"
        given = ["--method", "reference", "-r", "demo_02.fits", options[0], tmp_path / options[1]]
        result = run("match", *inputs(folder), "-o", out, *given, "-q")
        assert result.exit_code == 0, result.output
        table = Table.read(out / "matched.ecsv")
        assert table.meta["reference"] == "demo_02"
        assert table.meta["config"]["binSize"] == 64
        assert ("Chebyshev order 2" in table["model"][0]) == (number == 0)
    # A reference from elsewhere is used but not written.
    out = tmp_path / "others"
    assert run("match", *inputs(folder)[1:], "-o", out, "-r", inputs(folder)[0], "--no-report", "-q").exit_code == 0
    assert sorted(path.name for path in out.glob("*.fits")) == ["demo_02_matched.fits", "demo_03_matched.fits"]


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
            ("small.fits", "different dimensions. sci:(256, 128) vs. ref:(256, 256)"),
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
        (["-o", tmp_path / "x", "-c", "order=x"], "order = 'x'; it must be of type int", 2),
        (["-o", tmp_path / "x", "-c", "usePolynomial=maybe"], "true or false", 2),
        (["-o", tmp_path / "x", "-c", "binSize"], "name=value", 2),
        (["-o", tmp_path / "x", "-c", "gridStatistic=FOO"], "FOO is not allowed", 2),
        (["-o", tmp_path / "x", "--config", tmp_path / "c.py"], "--python-config", 2),
        (["-o", tmp_path / "x", "-r", tmp_path / "blank.fits"], "no good pixel, so it cannot be the reference", 1),
        (["-o", tmp_path / "x", "--mask", "{foo}"], "{stem}, {name} and {dir} are known", 2),
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


def test_labels() -> None:
    assert unique_labels([Path("a/x.fits"), Path("a/y.fits.fz")]) == ["x", "y"]
    assert unique_labels([Path("a/x.fits"), Path("b/x.fits")]) == ["a_x", "b_x"]
    assert unique_labels([Path("x.fits"), Path("x.fits")]) == ["x_1", "x_2"]
    # A number that another file has by name is left to it.
    assert unique_labels([Path("x.fits"), Path("x.fits.gz"), Path("x_1.fits")]) == ["x_2", "x_3", "x_1"]
    config = MatchBackgroundsConfig()
    with pytest.raises(ValueError, match="0 files"):
        match_files([], "out", config=config)
    with pytest.raises(ValueError, match="workers = 0"):
        match_files(["a.fits"], "out", workers=0)


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


@pytest.mark.smoke
def test_demo(tmp_path: Path) -> None:
    result = run("demo", tmp_path / "demo", "--number", 3, "--size", 512)
    assert result.exit_code == 0, result.output
    # A picture of each exposure, the levels and the costs.
    page = (tmp_path / "demo" / "matched" / "report.html").read_text()
    assert page.count("data:image/png") == 3 + 2
    found = [line for line in result.output.splitlines() if line.startswith("Pixel RMS")]
    assert len(found) == 2
    assert all(float(line.rsplit(" ", 1)[1]) < 0.5 for line in found)
    result = run("demo", tmp_path / "demo")
    assert result.exit_code == 2
    assert "--overwrite" in result.output


@pytest.mark.parametrize("command", ["match", "background", "stats", "demo"])
def test_help(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "evensky" in result.output or command == "demo"
    if command == "match":
        for field in (*MatchBackgroundsConfig().toDict(), *MatchAllConfig().toDict()):
            assert f"{field}=" in result.output


def test_pictures_are_kept_for_a_report_only(folder: Path, tmp_path: Path) -> None:
    config = MatchBackgroundsConfig()
    config.update(binSize=32)
    for report, pictures, kept in ((False, None, False), (True, None, True), (False, True, True)):
        out = tmp_path / f"{report} {pictures}"
        records = match_files(inputs(folder), out, config=config, report=report, pictures=pictures).records
        assert [record.pixels is not None for record in records] == [kept] * 3
        assert (out / "report.html").exists() == report


@pytest.mark.parametrize(
    "setting", ["binSize=99999999999999999999", "numIter=2147483648", "order=2147483647", "usePolynomial=maybe"]
)
def test_numbers_that_are_too_large(folder: Path, tmp_path: Path, setting: str) -> None:
    result = run("match", *inputs(folder), "--out", tmp_path / "out", "--method", "reference", "-c", setting)
    assert result.exit_code == 2
    assert setting.split("=")[1] in result.output
    assert result.output.count("\n") == 1


def test_deviation_and_what_was_done(folder: Path, tmp_path: Path) -> None:
    image, model, rms = inputs(folder)[0], tmp_path / "model.fits", tmp_path / "rms.fits"
    result = run("background", image, "--bin-size", 64, "--order", 1, "--out", model, "--rms", rms)
    assert result.exit_code == 0, result.output
    low, high = fits.getdata(model).min(), fits.getdata(model).max()
    assert f"model                  {low:.6g} to {high:.6g}" in result.output
    expected = estimate_background(image, bin_size=64, order=1)
    np.testing.assert_array_equal(fits.getdata(model), expected.image.array)
    np.testing.assert_array_equal(fits.getdata(rms), expected.rms_image.array)
    history = [str(fits.getheader(path)["HISTORY"]).replace("\n", "") for path in (model, rms)]
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


def test_files_in_other_units_fail(folder: Path, tmp_path: Path) -> None:
    files = []
    for path, unit in zip(inputs(folder), ("Jy", "mJy", "Jy"), strict=True):
        files.append(tmp_path / path.name)
        files[-1].write_bytes(path.read_bytes())
        fits.setval(files[-1], "BUNIT", value=unit)
    for method in ("all", "reference"):
        result = run("match", *files, "--out", tmp_path / method, "--no-report", "--method", method)
        assert result.exit_code == 1
        assert "is in mJy, and the reference in Jy" in result.output
        assert len(list((tmp_path / method).glob("*_matched.fits"))) == 2


def test_background_of_an_order_beyond_all_numbers(folder: Path, tmp_path: Path) -> None:
    result = run("background", inputs(folder)[0], "--out", tmp_path / "m.fits", "--order", 99999999999)
    assert result.exit_code == 2
    assert "99999999999" in result.output
    result = run("background", inputs(folder)[0], "--out", tmp_path / "m.fits", "--subtracted", tmp_path / "m.fits")
    assert result.exit_code == 2
    assert "cannot be two results" in result.output


@pytest.mark.parametrize("pattern", ["{stem.foo}", "{dir[0]}", "{nope}", "{0}", "{stem"])
def test_patterns_that_cannot_be_filled_in(folder: Path, tmp_path: Path, pattern: str) -> None:
    result = run("match", *inputs(folder), "--out", tmp_path / "out", "--mask", pattern)
    assert result.exit_code == 2
    assert result.output.startswith(f"evensky: Pattern {pattern!r} cannot be filled in")


@pytest.mark.parametrize(
    "args",
    [
        ("stats", "{long}.fits"),
        ("background", "{file}", "--out", "{long}.fits"),
        ("match", "{file}", "--out", "{long}"),
        ("demo", "{long}"),
    ],
)
def test_names_that_are_too_long(folder: Path, tmp_path: Path, args: tuple[str, ...]) -> None:
    words = [word.format(long=tmp_path / ("x" * 300), file=inputs(folder)[0]) for word in args]
    result = run(*words)
    assert result.exit_code == 2
    assert result.output.startswith("evensky: ")
    assert result.output.count("\n") == 1
    assert "too long" in result.output


@pytest.mark.parametrize("command", ["match", "background", "stats", "demo"])
def test_exit_codes_are_said(command: str) -> None:
    assert "130, 143" in run(command, "--help").output


@pytest.mark.parametrize(
    "arguments", [("match", "a.fits", "--out", ""), ("background", "a.fits", "-o", ""), ("stats", "")]
)
def test_a_path_has_a_name(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "'' is no name" in result.output


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
