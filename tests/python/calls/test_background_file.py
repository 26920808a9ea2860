"""The background of a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import evensky
from evensky.calls.background_file import BinOptions, model_file
from evensky.calls.inspect import inspect_files
from evensky.calls.source_options import SourceOptions
from evensky.errors import FitsError, InvalidParameterError, NotFoundError, TaskError
from evensky.fits.descriptions import Selection
from evensky.image import ExposureF, ImageF, MaskedImageF
from evensky.io import read_exposure, write_exposure


@pytest.fixture
def file(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(1).normal(0, 2, (60, 90)) + np.linspace(50, 53, 90)
    write_exposure(ExposureF(MaskedImageF(ImageF(pixels.astype(np.float32), xy0=(7, 5)))), tmp_path / "a.fits")
    return tmp_path / "a.fits"


def test_the_model_and_the_lines_that_describe_it(file: Path, tmp_path: Path) -> None:
    said: list[str] = []
    out, less, rms = (tmp_path / f"{name}.fits" for name in ("model", "less", "rms"))
    model_file(file, out=out, subtracted=less, rms=rms, bin_size=30, order=1, say=said.append)
    assert (
        said[0]
        == f"{file}: 90 x 60 px, 3 x 2 bins of 30 px, estimator mode (pixels have no coarse steps), Chebyshev order 1"
    )
    assert "bins measured          6 of 6" in said
    assert said[-1] == f"difference written to  {less}"
    model = read_exposure(out)
    assert np.abs(model.image.array - np.linspace(50, 53, 90)).max() < 1
    assert read_exposure(rms).image.array.mean() == pytest.approx(2, abs=0.2)
    difference = read_exposure(less)
    np.testing.assert_array_equal(difference.image.array, read_exposure(file).image.array - model.image.array)
    assert difference.getXY0() == read_exposure(file).getXY0()


def test_the_estimator_is_told(tmp_path: Path) -> None:
    counts = np.random.default_rng(1).poisson(3, (64, 64))
    write_exposure(ExposureF(MaskedImageF(ImageF((counts / 1.7).astype(np.float32)))), tmp_path / "a.fits")
    mesh, out = tmp_path / "mesh.fits", tmp_path / "out.fits"
    sources = SourceOptions()
    for options, estimator, shown in (
        ({}, "mean", "estimator mean (the scatter is 1.7 steps between the values of pixels)"),
        ({"bins": BinOptions(estimator="mode")}, "mode", "estimator mode, CUBIC"),
        ({"statistic": "median"}, "median, not clipped", "MEDIAN, "),
        ({"mask_sources": sources}, "mean", "estimator mean (sources are masked)"),
    ):
        said: list[str] = []
        (found,) = model_file(
            tmp_path / "a.fits", out=out, mesh=mesh, bin_size=16, overwrite=True, say=said.append, **options
        )
        assert shown in said[0]
        assert found.estimator == estimator
        with fits.open(out) as written, fits.open(mesh) as of_bins:
            cards = [hdu.header["EVS_ESTM"] for hdu in (*written, *of_bins) if "EVS_ESTM" in hdu.header]
        assert cards == [estimator] * 4


def test_smoothed_bins_are_told(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).normal(0, 2, (320, 320)).astype(np.float32)
    write_exposure(ExposureF(MaskedImageF(ImageF(noise))), tmp_path / "a.fits")
    out, said = tmp_path / "out.fits", []
    (found,) = model_file(tmp_path / "a.fits", out=out, bin_size=32, say=said.append)
    assert found.smoothed_bins > 90
    assert f"bins smoothed          {found.smoothed_bins}, as they scatter as noise does" in said
    header = fits.getheader(out, "IMAGE")
    assert header["EVS_NSMO"] == found.smoothed_bins
    assert f",{found.smoothed_bins}smoothed,AKIMA" in "".join(str(header["HISTORY"]).split())
    estimate = evensky.estimate_background(noise, bin_size=32)
    for told in (f"{found.smoothed_bins}, as they scatter", "mode (pixels have no coarse steps)"):
        assert told in estimate._repr_html_()


def test_nothing_is_replaced_unasked(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.fits"
    model_file(file, out=out, bin_size=30, say=print)
    with pytest.raises(FitsError, match="exists already"):
        model_file(file, out=out, bin_size=30, say=print)
    model_file(file, out=out, bin_size=30, overwrite=True, say=print)
    for options, says in (({"out": file}, "is an input too"), ({"out": out, "rms": out}, "given for two results")):
        with pytest.raises(FitsError, match=says):
            model_file(file, bin_size=30, overwrite=True, say=print, **options)


@pytest.mark.parametrize("name", ["model.png", "model", "model.gz"])
def test_the_result_has_the_name_of_a_fits_file(file: Path, tmp_path: Path, name: str) -> None:
    for kind in ("out", "subtracted", "rms"):
        with pytest.raises(InvalidParameterError, match=rf"{name}'?: the result is a FITS file, .* one of \.fits, "):
            model_file(file, bin_size=30, say=print, **{kind: tmp_path / name})
    assert not (tmp_path / name).exists()


def test_a_folder_that_is_missing_is_made(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "more" / "model.fits.gz"
    model_file(file, out=out, bin_size=30, say=print)
    assert out.read_bytes()[:2] == b"\x1f\x8b"
    model_file(file, out=tmp_path / "model.fits", bin_size=30, say=print)
    np.testing.assert_array_equal(read_exposure(out).image.array, read_exposure(tmp_path / "model.fits").image.array)
    with pytest.raises(FitsError, match=r"a\.fits: cannot be made: "):
        model_file(file, out=file / "model.fits", bin_size=30, say=print)


def test_files_that_cannot_be_modelled(file: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="'NOPE'"):
        model_file(file, selection=Selection(bad_planes=("NOPE",)), say=print)
    exposure = read_exposure(file)
    exposure.image.array[...] = np.nan
    write_exposure(exposure, tmp_path / "blank.fits")
    with pytest.raises(TaskError, match="no bin of 30 px has a good pixel"):
        model_file(tmp_path / "blank.fits", bin_size=30, say=print)


def test_results_are_no_exposures(file: Path, tmp_path: Path) -> None:
    out, less, rms = (tmp_path / f"{name}.fits" for name in ("model", "less", "rms"))
    model_file(file, out=out, subtracted=less, rms=rms, bin_size=30, say=print)
    states = [read_exposure(path).metadata["EVS_STAT"] for path in (out, less, rms)]
    assert states == ["background", "background subtracted", "standard deviation"]
    for path in (out, less, rms):
        (problem,) = inspect_files([file, path]).problems
        assert f"outputs of an earlier run are given as exposures: {path.name}" in problem
