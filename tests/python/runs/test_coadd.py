"""The coadd that a run over files makes of its outputs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from demo_files import SIMULATED, inputs, run, write_demo

import evensky
from evensky.errors import FitsError, InvalidParameterError, TaskError
from evensky.io import read_exposure
from evensky.io.bands import ExposureBands
from evensky.matching.joint.config import MatchAllConfig
from evensky.runs import coadd
from evensky.runs.coadd import planes_to_combine
from evensky.simulate import make_dithered_exposures, write_exposures
from evensky.tasks import MatchBackgroundsConfig

folder = pytest.fixture(scope="module")(write_demo)


def outputs(matched: Any) -> list[str]:
    """Return the names of the outputs of a run."""
    return [record.output for record in matched.records if record.output is not None]


def same_pixels(path: Path, coadd: Any) -> None:
    """Assert that a file holds the pixels of a result of `evensky.combine`."""
    written = read_exposure(path)
    np.testing.assert_array_equal(written.image.array, coadd.exposure.image.array)
    np.testing.assert_array_equal(written.mask.array, coadd.exposure.mask.array)


@pytest.mark.smoke
def test_the_coadd_is_that_of_the_outputs(folder: Path, tmp_path: Path) -> None:
    matched = evensky.match_files(inputs(folder), tmp_path / "out", coadd=True, report=False, workers=2)
    assert matched.coadd is not None
    assert matched.coadd.output == tmp_path / "out" / "coadd.fits"
    assert [record.label for record in matched.coadd.records] == [record.label for record in matched.records]
    in_memory = evensky.match_all([one.exposure for one in SIMULATED]).coadd()
    same_pixels(matched.coadd.output, in_memory)
    same_pixels(matched.coadd.output, evensky.combine(outputs(matched)))
    variance = read_exposure(matched.coadd.output).variance.array
    np.testing.assert_allclose(variance, in_memory.exposure.variance.array, rtol=1e-5)


def read_of(patch: pytest.MonkeyPatch) -> list[str]:
    """Note the files whose rows are read."""
    names: list[str] = []
    read = ExposureBands.read

    def noted(self: ExposureBands, *args: Any, **more: Any) -> Any:
        names.append(self.image.path.name)
        return read(self, *args, **more)

    patch.setattr(ExposureBands, "read", noted)
    return names


@pytest.mark.parametrize("workers", [1, 3])
def test_pixels_that_are_still_in_memory_are_not_read_again(folder: Path, tmp_path: Path, workers: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        names = read_of(patch)
        matched = evensky.match_files(inputs(folder), tmp_path / "a", coadd=True, report=False, workers=workers)
        assert names == []
        digest = matched.coadd.digest  # before the file is replaced
        again = evensky.match_files(inputs(folder), tmp_path / "a", coadd=True, report=False, resume=True)
        assert set(names) == {f"demo_0{n}_matched.fits" for n in (1, 2, 3)}
    for one in (matched, again):
        same_pixels(one.coadd.output, evensky.combine(outputs(matched)))
    assert digest == again.coadd.digest


@pytest.mark.usefixtures("warm_workers")
@pytest.mark.parametrize(
    "more",
    [
        {"coadd_options": {"max_memory": "1MB"}},
        {"max_memory": "2GB"},
        {"executor": "processes"},
        {"compress": True},
        {"config": MatchAllConfig(add_variance=True)},
    ],
)
def test_the_coadd_is_the_same_whether_pixels_are_held_or_read(folder: Path, tmp_path: Path, more: Any) -> None:
    matched = evensky.match_files(inputs(folder), tmp_path / "out", coadd=True, report=False, **more)
    same_pixels(matched.coadd.output, evensky.combine(outputs(matched)))


def test_the_coadd_of_a_match_to_one_reference(folder: Path, tmp_path: Path) -> None:
    config = MatchBackgroundsConfig()
    config.binSize = 64
    path = tmp_path / "elsewhere.fits"
    options = {"statistic": "median", "planes": ["number"]}
    matched = evensky.match_files(
        inputs(folder), tmp_path / "out", config=config, coadd=path, coadd_options=options, report=False
    )
    expected = evensky.combine(outputs(matched), statistic="median")
    with fits.open(path) as hdus:
        np.testing.assert_array_equal(hdus["NUMBER"].data, expected.number)
    np.testing.assert_array_equal(read_exposure(path).image.array, expected.exposure.image.array)
    assert not (tmp_path / "out" / "coadd.fits").exists()


def test_masks_in_other_files(folder: Path, tmp_path: Path) -> None:
    masks, images = tmp_path / "masks", tmp_path / "images"
    masks.mkdir()
    images.mkdir()
    for one in SIMULATED:
        holes = np.zeros(one.exposure.image.array.shape, np.uint8)
        holes[40:60] = one is SIMULATED[0]
        fits.PrimaryHDU(one.exposure.image.array).writeto(images / f"{one.name}.fits")
        fits.PrimaryHDU(holes).writeto(masks / f"{one.name}_bad.fits")
    pattern = f"{masks}/{{stem}}_bad.fits"
    matched = evensky.match_files(
        inputs(images), tmp_path / "out", mask=pattern, coadd=True, coadd_options={"planes": ["number"]}, report=False
    )
    with fits.open(matched.coadd.output) as hdus:
        number = hdus["NUMBER"].data
    assert np.median(number[50]) == 2
    assert np.median(number[100]) == 3


def test_chips_of_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    paths = []
    for number in range(3):
        hdus = [fits.PrimaryHDU()]
        for chip in (1, 2):
            scene = np.random.default_rng(chip).normal(50, 3, (120, 100))
            hdus.append(fits.ImageHDU((scene + 10 * number + rng.normal(0, 1, scene.shape)).astype(np.float32)))
            hdus[-1].name, hdus[-1].ver = "SCI", chip
            hdus[-1].header.update(
                {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 20.0, "CRPIX1": 150 - 110 * chip}
            )
            hdus[-1].header.update({"CRPIX2": 60.0, "CDELT1": -1e-4, "CDELT2": 1e-4})
        paths.append(tmp_path / f"f{number}.fits")
        fits.HDUList(hdus).writeto(paths[-1])
    matched = evensky.match_files(paths, tmp_path / "out", coadd=True, report=False)
    assert [record.label for record in matched.coadd.records] == [f"f{n}[SCI,{c}]" for n in range(3) for c in (1, 2)]
    coadd = read_exposure(matched.coadd.output).image.array
    assert coadd.shape == (120, 210)  # both chips, side by side
    assert np.isnan(coadd[:, 101:109]).all()
    level = np.nanmedian(coadd)
    for chip, columns in ((1, slice(0, 100)), (2, slice(110, 210))):
        scene = np.random.default_rng(chip).normal(50, 3, (120, 100))
        assert np.std(coadd[:, columns] - scene) < 1.0
        assert abs(np.median(coadd[:, columns]) - level) < 1


def test_an_exposure_that_failed_is_left_out(folder: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn.fits"
    torn.write_bytes(inputs(folder)[0].read_bytes()[:50_000])
    files = [inputs(folder)[0], torn, *inputs(folder)[1:]]
    options = {"weighting": [1, 7, 1, 2], "planes": ["weight", "mask"]}
    matched = evensky.match_files(files, tmp_path / "out", coadd=True, coadd_options=options, report=False)
    assert [record.status for record in matched.records].count("failed") == 1
    assert [record.label for record in matched.coadd.records] == ["demo_01", "demo_02", "demo_03"]
    assert [record.weight for record in matched.coadd.records] == [1, 1, 2]
    same_pixels(matched.coadd.output, evensky.combine(outputs(matched), weighting=[1, 1, 2]))


def test_an_earlier_coadd(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "coadd.fits").write_text("of another program")
    with pytest.raises(FitsError, match=r"coadd\.fits: exists already"):
        evensky.match_files(inputs(folder), out, coadd=True, report=False)
    assert (out / "coadd.fits").read_text() == "of another program"
    assert list(out.glob("*_matched.fits")) == []
    # A run that makes no coadd leaves it alone.
    evensky.match_files(inputs(folder), out, report=False)
    assert (out / "coadd.fits").read_text() == "of another program"
    matched = evensky.match_files(inputs(folder), out, coadd=True, report=False, overwrite=True)
    same_pixels(out / "coadd.fits", evensky.combine(outputs(matched)))


@pytest.mark.parametrize("name", ["demo_01_matched.fits", "matched.ecsv", "matched.journal"])
def test_a_coadd_does_not_take_the_name_of_another_result(folder: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(FitsError, match="name of another result"):
        evensky.match_files(inputs(folder), tmp_path / "out", coadd=tmp_path / "out" / name)
    first = inputs(folder)[0]
    before = first.read_bytes()
    with pytest.raises(FitsError, match="is an input too"):
        evensky.match_files(inputs(folder), tmp_path / "out", coadd=first, overwrite=True)
    assert first.read_bytes() == before
    with pytest.raises(FitsError, match="is a folder; name a file"):
        evensky.match_files(inputs(folder), tmp_path / "out", coadd=tmp_path)
    with pytest.raises(InvalidParameterError, match=r"coadd\.jpg'; the result is a FITS file"):
        evensky.match_files(inputs(folder), tmp_path / "out", coadd=tmp_path / "coadd.jpg")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"statistics": "mean"}, "coadd_options has no option 'statistics'; the options are statistic, sigma"),
        ({"statistic": "mode"}, "it must be one of mean, median, meanclip"),
        ({"weighting": [1, 2]}, "2 numbers for 3 exposures"),
        ({"planes": ["flux"]}, "'flux'"),
        ({"resampling": "cubic"}, "'cubic'"),
        ({"max_memory": "lots"}, "max_memory is 'lots'"),
    ],
)
def test_options_are_checked_before_the_match(folder: Path, tmp_path: Path, options: Any, words: str) -> None:
    with pytest.raises(InvalidParameterError, match=words):
        evensky.match_files(inputs(folder), tmp_path / "out", coadd=True, coadd_options=options)
    assert list((tmp_path).glob("out/*_matched.fits")) == []


def test_the_memory_of_the_match_is_that_of_the_coadd(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="a row of all 3 exposures needs"):
        evensky.match_files(
            inputs(folder), tmp_path / "a", coadd=True, coadd_options={"max_memory": 1000}, max_memory="2GB"
        )
    seen: list[Any] = []
    combine_files = coadd.combine_files

    def combine(*args: Any, **more: Any) -> Any:
        seen.append(more["max_memory"])
        return combine_files(*args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coadd, "combine_files", combine)
        evensky.match_files(inputs(folder), tmp_path / "b", coadd=True, max_memory="2GB", report=False)
    assert seen == ["2GB"]


@pytest.mark.parametrize("again", [{"coadd": True, "resume": True}, {"coadd": True, "overwrite": True}])
def test_a_coadd_that_was_stopped_leaves_nothing_behind(folder: Path, tmp_path: Path, again: Any) -> None:
    options = {"max_memory": 200_000}  # several bands

    def stop(label: str, done: int, steps: int) -> None:
        if label.startswith("rows ") and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evensky.match_files(
            inputs(folder), tmp_path / "out", coadd=True, coadd_options=options, report=False, progress=stop
        )
    assert not (tmp_path / "out" / "coadd.fits").exists()
    assert (tmp_path / "out" / "coadd.fits.journal").exists()
    matched = evensky.match_files(inputs(folder), tmp_path / "out", report=False, coadd_options=options, **again)
    same_pixels(tmp_path / "out" / "coadd.fits", evensky.combine(outputs(matched)))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "coadd.fits",
        "matched.covariance.fits",
        "matched.ecsv",
        "matched.journal",
        "overlaps.ecsv",
        *(f"demo_0{n}_matched.fits" for n in (1, 2, 3)),
    }


def test_options_without_a_coadd(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError, match="coadd_options is given and coadd is None; set coadd=True"):
        evensky.match_files(inputs(folder), tmp_path / "out", coadd_options={"statistic": "mean"})


def test_a_coadd_that_is_impossible_costs_no_other_result(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(TaskError, match=r"coadd\.fits: is not written: .*; the match itself is complete"):
        evensky.match_files(inputs(folder), out, coadd=True, coadd_options={"wcs": tmp_path / "missing.fits"})
    assert {path.name for path in out.iterdir()} == {
        "demo_01_matched.fits",
        "demo_02_matched.fits",
        "demo_03_matched.fits",
        "matched.ecsv",
        "matched.journal",
        "matched.run",
        "overlaps.ecsv",
        "report.html",
    } | {path.name for path in out.glob("matched.covariance*")}
    assert "There is no coadd" in (out / "report.html").read_text()
    # It can be made later, from the run as it is.
    matched = evensky.match_files(inputs(folder), out, coadd=True, resume=True)
    same_pixels(out / "coadd.fits", evensky.combine(outputs(matched)))


def test_the_grid_of_a_coadd_is_not_overwritten(folder: Path, tmp_path: Path) -> None:
    grid = tmp_path / "grid.fits"
    grid.write_bytes(inputs(folder)[0].read_bytes())
    with pytest.raises(FitsError, match=r"grid\.fits: is an input too"):
        evensky.match_files(
            inputs(folder), tmp_path / "out", coadd=grid, coadd_options={"wcs": str(grid)}, overwrite=True
        )
    assert grid.read_bytes() == inputs(folder)[0].read_bytes()


def test_a_missing_package_is_told_before_the_match(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write_exposures(make_dithered_exposures(2, (256, 256), seed=1, dither=40), tmp_path / "in")
    monkeypatch.setitem(sys.modules, "reproject", None)
    with pytest.raises(InvalidParameterError, match=r"pip install 'evensky\[reproject\]'"):
        evensky.match_files(paths, tmp_path / "out", coadd=True)
    assert list(tmp_path.glob("out/*_matched.fits")) == []


def test_exposures_on_the_sky(tmp_path: Path) -> None:
    pytest.importorskip("reproject")
    simulated = make_dithered_exposures(3, (256, 256), seed=1, dither=40)
    paths = write_exposures(simulated, tmp_path / "in")
    matched = evensky.match_files(paths, tmp_path / "out", coadd=True, report=False)
    assert all(record.placed.startswith("resampled") for record in matched.coadd.records)
    same_pixels(matched.coadd.output, evensky.combine(outputs(matched)))
    in_memory = evensky.match_all([one.exposure for one in simulated]).coadd().exposure.image.array
    # In files, a WCS has fewer digits.
    np.testing.assert_allclose(read_exposure(matched.coadd.output).image.array, in_memory, rtol=1e-6)
    assert {path.name for path in (tmp_path / "out").iterdir() if "resampled" in path.name} == set()


def test_planes_of_sources_count_in_a_coadd() -> None:
    assert planes_to_combine(MatchAllConfig().bad_planes) is None
    assert planes_to_combine(["BAD", "DETECTED", "CR", "DETECTED_NEGATIVE"]) == ("BAD", "CR")


def test_the_command(folder: Path, tmp_path: Path) -> None:
    result = run("match", *inputs(folder), "-o", tmp_path / "out", "--no-report", "--coadd")
    assert result.exit_code == 0, result.output
    coadd = tmp_path / "out" / "coadd.fits"
    assert f"Coadd: {coadd}" in result.output
    assert result.output.count("combined") >= 3
    options = ["--coadd-option", "statistic=mean", "--coadd-option", "planes=number,mask"]
    result = run("match", *inputs(folder), "-o", tmp_path / "two", "--no-report", "-q", *options)
    assert (result.exit_code, result.output) == (0, "")
    matched = sorted((tmp_path / "two").glob("*_matched.fits"))
    same_pixels(tmp_path / "two" / "coadd.fits", evensky.combine(matched, statistic="mean"))
    for option, words in (
        ("statistic", "NAME=VALUE is needed"),
        ("median=statistic", "no option 'median'"),
        ("rounds=many", "rounds is 'many'; a whole number is needed"),
        ("sigma=x", "--sigma 'x'"),
    ):
        result = run("match", *inputs(folder), "-o", tmp_path / "three", "-q", "--coadd-option", option)
        assert result.exit_code == 2
        assert words in result.output
        assert result.output.count("\n") == 1
    twice = ["--coadd-option", "rounds=1", "--coadd-option", "rounds=2"]
    assert "names rounds twice" in run("match", *inputs(folder), "-o", tmp_path / "three", *twice).output
