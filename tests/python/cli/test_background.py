"""The command evensky background."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from demo_files import inputs, run, write_demo

from evensky import estimate_background
from evensky.calls import background_file

folder = pytest.fixture(scope="module")(write_demo)


def history_of(header: fits.Header) -> str:
    """Return the history without spaces, which get lost where lines of a card end."""
    return "".join(str(header["HISTORY"]).split())


def test_deviation_and_what_was_done(folder: Path, tmp_path: Path) -> None:
    image, model, rms = inputs(folder)[0], tmp_path / "model.fits", tmp_path / "rms.fits"
    result = run("background", image, "--bin-size", 64, "--order", 1, "--out", model, "--rms", rms)
    assert result.exit_code == 0, result.output
    low, high = fits.getdata(model).min(), fits.getdata(model).max()
    assert f"model                  {low:.3f} to {high:.3f}" in result.output
    expected = estimate_background(image, bin_size=64, order=1)
    np.testing.assert_array_equal(fits.getdata(model), expected.image.array)
    np.testing.assert_array_equal(fits.getdata(rms), expected.rms_image.array)
    history = [history_of(fits.getheader(path, "IMAGE")) for path in (model, rms)]
    assert "background,4x4bins,estimatormode(pixelshavenocoarsesteps),Chebyshevorder1" in history[0]
    assert "4 x 4 bins of 64 px, estimator mode (pixels have no coarse steps), Chebyshev" in result.output
    assert fits.getheader(model, "IMAGE")["EVS_ESTM"] == "mode"
    assert "standarddeviation,4x4bins,estimatorstd,Chebyshevorder1" in history[1]
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


@pytest.mark.parametrize(
    "options",
    [
        {
            "edge_method": "pad",
            "estimator": "sextractor",
            "rms_estimator": "mad",
            "centre": "median",
            "rounds": 10,
            "exclude_percentile": 30,
            "filter_size": (3, 5),
            "filter_threshold": 100.0,
        },
        {"estimator": "mmm", "sigma": (4, 2.5), "scatter": "mad"},
        {"filter_size": 3, "order": 1},
        {"style": "bicubic_spline", "estimator": "histogram", "edge_method": "crop"},
        {"sigma": 2.5, "rounds": 5, "filter_sigma": 1, "smooth_bins": True},
        {"smooth_bins": False},
        {"statistic": "median"},
    ],
)
def test_options_of_the_bins(folder: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    image = inputs(folder)[0]
    outputs = {kind: tmp_path / f"{kind}.fits" for kind in ("out", "rms", "mesh")}
    given: list[Any] = [word for kind, path in outputs.items() for word in (f"--{kind}", path)]
    for name, value in options.items():
        if name == "smooth_bins":
            given.append("--smooth-bins" if value else "--no-smooth-bins")
            continue
        given += [f"--{name.replace('_', '-')}", ",".join(map(str, value)) if isinstance(value, tuple) else value]
    result = run("background", image, "-b", 60, *given)
    assert result.exit_code == 0, result.output
    expected = estimate_background(image, bin_size=60, **options)
    np.testing.assert_array_equal(fits.getdata(outputs["out"]), expected.image.array)
    np.testing.assert_array_equal(fits.getdata(outputs["rms"]), expected.rms_image.array)
    with fits.open(outputs["mesh"]) as hdus:
        np.testing.assert_array_equal(hdus["MESH"].data, expected.background_mesh.astype(np.float32))
        np.testing.assert_array_equal(hdus["MESH_RMS"].data, expected.background_rms_mesh.astype(np.float32))
        header = hdus["MESH"].header
        at = (np.arange(1, 5) - header["LTV1"]) / header["LTM1_1"]
        np.testing.assert_allclose(at, expected.stats.x[0, :4] + 1, atol=0.5)
        named = [name for name in options if name.startswith(("estimator", "filter", "sigma", "smooth"))]
        texts = [str(options[name]).strip("()").replace(" ", "") for name in named]
        assert all(f"{name}{text}" in history_of(header) for name, text in zip(named, texts, strict=True))
    replaced = int(expected.replaced.sum())
    assert (f"bins replaced          {replaced}, " in result.output) == (replaced > 0)
    assert (replaced > 0) == bool({"exclude_percentile", "filter_sigma"} & set(options))
    # Pixels on disk are evaluated by bands.
    again = run("background", image, "-b", 60, "--scratch", tmp_path, "--overwrite", *given)
    assert again.exit_code == 0, again.output
    np.testing.assert_array_equal(fits.getdata(outputs["out"]), expected.image.array)


def test_several_files(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.fits"
    broken.write_bytes(b"no FITS file")
    files = inputs(folder)
    pattern = tmp_path / "sky" / "{stem}_{name:s/.fits/_/}sky.fits"
    result = run(
        "background", files[0], broken, files[1], "-b", 64, "--out", pattern, "--rms", tmp_path / "{stem}-rms.fits"
    )
    assert result.exit_code == 1, result.output
    assert "2 of 3 files done" in result.output
    assert "evensky: broken failed: " in result.output
    lines = result.output.splitlines()
    assert lines[0].split()[:2] == ["file", "size"]
    assert "rms" in lines[0]
    for file in files[:2]:
        expected = estimate_background(file, bin_size=64)
        written = tmp_path / "sky" / f"{file.stem}_{file.stem}_sky.fits"
        np.testing.assert_array_equal(fits.getdata(written), expected.image.array)
        np.testing.assert_array_equal(fits.getdata(tmp_path / f"{file.stem}-rms.fits"), expected.rms_image.array)
        (row,) = [line for line in lines if line.startswith(f"{file.stem} ")]
        assert row.split()[1:7] == ["256", "x", "256", "4", "x", "4"]
        assert row.split()[7] == f"{np.count_nonzero(expected.smoothed)}"
        assert row.split()[8] == expected.estimator == "mode"
        assert float(row.split()[9]) == pytest.approx(float(expected.level), rel=1e-3)
    assert run("background", f"{files[0]}[IMAGE]", *files[1:]).exit_code == 0


def test_a_pattern_is_filled_in_for_a_single_file(folder: Path, tmp_path: Path) -> None:
    file = inputs(folder)[0]
    result = run("background", file, "-b", 64, "--out", tmp_path / "{stem}_sky.fits")
    assert result.exit_code == 0, result.output
    assert [path.name for path in tmp_path.iterdir()] == [f"{file.stem}_sky.fits"]


def test_the_mask_of_another_file_is_not_replaced(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).normal(100, 1, (128, 128)).astype(np.float32)
    for name in ("img.fits", "img_x.fits"):
        fits.PrimaryHDU(pixels).writeto(tmp_path / name)
    mask = tmp_path / "img_x_mask.fits"
    fits.PrimaryHDU(np.zeros((128, 128), np.int16)).writeto(mask)
    before = mask.read_bytes()
    choice = ("--mask", "{dir}/{stem}_mask.fits", "-b", 64, "--overwrite")
    assert run("background", tmp_path / "img_x.fits", *choice).exit_code == 0
    result = run(
        "background", tmp_path / "img.fits", tmp_path / "img_x.fits", *choice, "--out", "{dir}/{stem}_x_mask.fits"
    )
    assert result.exit_code == 2
    assert "img_x_mask.fits: is an input too" in result.output
    assert mask.read_bytes() == before


def test_what_is_done_is_told_if_a_run_is_stopped(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = inputs(folder)
    measure = background_file.model_file

    def stopped(file: Path, **options: Any) -> Any:
        if file == files[1]:
            raise KeyboardInterrupt
        return measure(file, **options)

    monkeypatch.setattr(background_file, "model_file", stopped)
    result = run("background", *files, "-b", 64)
    assert result.exit_code != 0
    assert any(line.startswith(f"{files[0].stem} ") for line in result.output.splitlines())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            ("--out", "sky.fits"),
            "--out 'sky.fits' names one file, and 2 files are given; use a pattern such as '{stem}_out.fits'",
        ),
        (("--rms", "{stem}_{band}.fits"), "cannot be filled in"),
        (("--out", "{dir}/{name}"), "is an input too"),
        (("--out", "{dir:s/x/x/}/sky.fits"), "is given for two results"),
        (("--mesh", "{stem}.fits.gz"), "the mesh is a FITS file that is not compressed"),
        (("--threshold", "3"), "--threshold says how sources are found; give --mask-sources"),
        (("--mask-sources", "--threshold", "-1"), "threshold = -1.0; it must be positive"),
        (("--sigma", "3,4,5"), "--sigma '3,4,5': one number, or low,high"),
        (("--filter-size", "three"), "--filter-size 'three': an odd number, or height,width as in 3,5, is needed"),
        (("--bin-size", "64,32,16"), "--bin-size '64,32,16': a whole number, or height,width as in 64,128, is needed"),
        (("--bin-size", "64,0"), "bin_size is (64, 0); bins have at least 1 pixel"),
    ],
)
def test_several_files_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("background", *inputs(folder)[:2], *options)
    assert result.exit_code in (1, 2)
    assert says in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("edge_method", ["spread", "pad"])
def test_bins_that_are_not_square(folder: Path, tmp_path: Path, edge_method: str) -> None:
    image, mesh, model = inputs(folder)[0], tmp_path / "mesh.fits", tmp_path / "model.fits"
    options = ("-b", "80,60", "--edge-method", edge_method, "--mesh", mesh, "--out", model)
    result = run("background", image, *options)
    assert result.exit_code == 0, result.output
    expected = estimate_background(image, bin_size=(80, 60), edge_method=edge_method)
    ny, nx = expected.stats.value.shape
    assert f"{nx} x {ny} bins of 60 x 80 px, " in result.output
    np.testing.assert_array_equal(fits.getdata(model), expected.image.array)
    with fits.open(mesh) as hdus:
        np.testing.assert_array_equal(hdus["MESH"].data, expected.background_mesh.astype(np.float32))
        header = hdus["MESH"].header
        for axis, centres in ((1, expected.stats.x[0]), (2, expected.stats.y[:, 0])):
            at = (np.arange(1, 4) - header[f"LTV{axis}"]) / header[f"LTM{axis}_{axis}"]
            np.testing.assert_allclose(at, centres[:3] + 1, atol=0.5)


def test_the_mesh_has_the_unit_of_the_pixels(tmp_path: Path) -> None:
    pixels = np.random.default_rng(3).normal(10, 1, (64, 64)).astype(np.float32)
    for unit in ("adu", ""):
        header = fits.Header([("BUNIT", unit)] if unit else [])
        fits.writeto(tmp_path / f"image{unit}.fits", pixels, header)
        result = run("background", tmp_path / f"image{unit}.fits", "-b", 16, "--mesh", tmp_path / f"mesh{unit}.fits")
        assert result.exit_code == 0, result.output
        with fits.open(tmp_path / f"mesh{unit}.fits") as hdus:
            assert [hdu.header.get("BUNIT", "") for hdu in hdus[1:]] == [unit] * 3


def test_the_mesh(folder: Path, tmp_path: Path) -> None:
    image, mesh = inputs(folder)[0], tmp_path / "mesh.fits"
    result = run("background", image, "-b", 60, "--mesh", mesh)
    assert result.exit_code == 0, result.output
    expected = estimate_background(image, bin_size=60)
    scatter = expected.background_rms_mesh
    with fits.open(mesh) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "MESH", "MESH_ERROR", "MESH_RMS"]
        np.testing.assert_array_equal(hdus["MESH"].data, expected.stats.value.astype(np.float32))
        np.testing.assert_array_equal(hdus["MESH_ERROR"].data, expected.stats.error.astype(np.float32))
        np.testing.assert_array_equal(hdus["MESH_RMS"].data, scatter.astype(np.float32))
        header = hdus["MESH"].header
        for axis, centres in ((1, expected.stats.x[0]), (2, expected.stats.y[:, 0])):
            at = (np.arange(1, 6) - header[f"LTV{axis}"]) / header[f"LTM{axis}_{axis}"]
            np.testing.assert_allclose(at, centres + 1, atol=0.5)  # FITS counts pixels from 1
    assert f"rms of the bins        median {np.median(scatter):.4g}" in result.output
    assert run("background", image, "--mesh", mesh).exit_code == 2  # it exists


def test_masks_of_sources(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("photutils")
    image, model, rms = inputs(folder)[0], tmp_path / "model.fits", tmp_path / "rms.fits"
    options = ("--mask-sources", "--threshold", 3, "--dilation-radius", 2, "--n-pixels", 4, "--max-rounds", 20)
    result = run("background", image, "-b", 64, *options, "--out", model, "--rms", rms)
    assert result.exit_code == 0, result.output
    wanted = {"threshold": 3, "dilation_radius": 2, "n_pixels": 4, "max_rounds": 20}
    expected = estimate_background(image, bin_size=64, mask_sources=wanted)
    np.testing.assert_array_equal(fits.getdata(model), expected.image.array)
    np.testing.assert_array_equal(fits.getdata(rms), expected.rms_image.array)
    assert expected.sources is not None
    assert f"sources                {expected.sources.number} on " in result.output
    several = run("background", *inputs(folder), "-b", 64, *options)
    assert several.exit_code == 0, several.output
    assert "sources" in several.output.splitlines()[0]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--edge-method", "pad", "--order", 2), "order is 2 and edge_method is 'pad'"),
        (("--estimator", "mmm", "--statistic", "median"), "both tell what the level of a bin is"),
        (("--filter-threshold", 3), "filter_threshold is 3.0 without a filter_size"),
        (("--filter-size", 2), "filter_size is 2; it must be odd"),
        (("--exclude-percentile", 0), "raise it, or use smaller boxes"),
    ],
)
def test_options_that_do_not_go_together(folder: Path, options: tuple[Any, ...], says: str) -> None:
    result = run("background", inputs(folder)[0], *options)
    assert result.exit_code in (1, 2)
    assert says in result.output


def test_sources_need_the_image_in_memory(folder: Path, tmp_path: Path) -> None:
    result = run("background", inputs(folder)[0], "--mask-sources", "--scratch", tmp_path)
    assert result.exit_code == 1
    assert "sources are found in images that are in memory" in result.output
