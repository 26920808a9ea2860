"""The pages that show calls of other packages beside ours: both run, if the packages are installed, and agree."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.wcs import WCS

from evensky.simulate import SimulatedExposure, make_dithered_exposures, sky_left

DOCS = Path(__file__).parents[2] / "docs"
RNG = np.random.default_rng(7)
Y, X = np.mgrid[0:256, 0:320]
TRUTH = 100 + 0.02 * X + 1e-4 * (Y - 100) ** 2
DATA = (TRUTH + RNG.normal(0, 5, TRUTH.shape)).astype(np.float32)
MASK = RNG.random(TRUTH.shape) < 0.05
DATA[MASK] += 5000


def blocks(section: str, page: str = "coming_from.md") -> dict[str, str]:
    """Return the scripts of a section by the package, or the purpose, that their first line names."""
    text = (DOCS / page).read_text().split(f"## {section}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"```python\n# ([\w, ]+)\n(.*?)```", text, flags=re.DOTALL))


def execute(script: str, **names: Any) -> dict[str, Any]:
    exec(compile(script, "page", "exec"), names)
    return names


def results(section: str, page: str = "coming_from.md", **names: Any) -> dict[str, dict[str, Any]]:
    scripts = blocks(section, page)
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


@pytest.mark.parametrize("package", [" import sep", r"\.photutils import"])
def test_backgrounds_by_changing_an_import(package: str) -> None:
    page = (DOCS / "coming_from.md").read_text()
    found = re.search(rf"```python\n(from evensky.compat{package}.*?)```", page, re.S)
    assert found is not None
    got = execute(found[1], data=DATA, mask=MASK)
    assert np.abs(got["image"] - TRUTH).max() < 4
    assert got["level"] == pytest.approx(np.median(TRUTH), abs=0.7)
    assert np.median(got["rms_image"]) == pytest.approx(5, abs=0.3)
    assert abs(np.median(got["subtracted"][~MASK])) < 0.2


@pytest.mark.filterwarnings("ignore")
def test_images_on_one_grid() -> None:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.cdelt, wcs.wcs.crpix, wcs.wcs.crval = [-1e-4, 1e-4], [160, 128], [250, 36]
    exposures = [CCDData(DATA + 20 * index, unit="adu", wcs=wcs, mask=MASK) for index in range(3)]
    got = results(
        "Images that are already on one grid",
        "coming_from_reproject.md",
        exposures=exposures,
        wcs=wcs,
        shape=DATA.shape,
    )
    first, *others = got["evensky"]["matched"]
    for other in others:
        np.testing.assert_allclose(other.data, first.data, atol=1e-3)


def exposures_to_combine() -> list[CCDData]:
    """Return exposures on one grid with masks and outliers."""
    rng = np.random.default_rng(8)
    made = []
    for _ in range(12):
        data = rng.normal(100, 5, (60, 80)).astype(np.float32)
        data[rng.random(data.shape) < 0.01] += 400
        made.append(CCDData(data, unit="adu", mask=rng.random(data.shape) < 0.05))
    return made


@pytest.mark.filterwarnings("ignore")
def test_ccdproc_in_memory() -> None:
    scripts = blocks("Combine images in memory", "coming_from_ccdproc.md")
    assert set(scripts) == {"ccdproc", "evensky"}
    ours = execute(scripts["evensky"], exposures=exposures_to_combine())
    assert 500 < ours["result"].rejected.sum() < 2000  # one in a hundred
    if importlib.util.find_spec("ccdproc") is not None:
        theirs = execute(scripts["ccdproc"], exposures=exposures_to_combine())
        np.testing.assert_allclose(ours["image"], theirs["image"], rtol=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_ccdproc_with_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = [f"e{index:02d}.fits" for index in range(12)]
    for name, one in zip(files, exposures_to_combine(), strict=True):
        fits.PrimaryHDU(one.data, fits.Header({"BUNIT": "adu"})).writeto(name)
    got = results("Combine files", "coming_from_ccdproc.md", files=files)
    expected = np.median([one.data for one in exposures_to_combine()], axis=0)
    for name, one in got.items():
        np.testing.assert_allclose(one["image"], expected, rtol=1e-6, err_msg=name)


def dithered(unit: str = "MJy/sr", *, order: int) -> list[SimulatedExposure]:
    return make_dithered_exposures(
        4, (256, 256), 11, order=order, unit=unit, dither=60.0, stars=200.0, noise=3.0, distortion=1.0, glow=20.0
    )


def as_ccd(simulated: list[SimulatedExposure]) -> list[CCDData]:
    images = [one.exposure.image.array for one in simulated]
    return [
        CCDData(image, unit="MJy/sr", mask=~np.isfinite(image), wcs=one.wcs)
        for one, image in zip(simulated, images, strict=True)
    ]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("order", [0, 1])
def test_skymatch(order: int) -> None:
    simulated = dithered(order=order)
    scripts = blocks("Exposures in memory", "coming_from_skymatch.md")
    assert set(scripts) == {"stcal", "evensky", "evensky, constants"}
    left = {}
    for name, script in scripts.items():
        if name == "stcal" and importlib.util.find_spec("stcal") is None:
            continue
        got = execute(script, exposures=as_ccd(simulated))
        added = [
            matched.astype(float) - one.exposure.image.array
            for matched, one in zip(got["matched"], simulated, strict=True)
        ]
        if "skies" in got:
            np.testing.assert_allclose(got["skies"], [-np.nanmean(one) for one in added], atol=1e-3)
        left[name] = sky_left(simulated, added)
    before = sky_left(simulated)
    assert before > 10
    assert left["evensky"] < 0.1
    if order == 0:
        assert left["evensky, constants"] < 0.1
        assert left.get("stcal", 0) < 1
    else:  # constants cannot follow gradients
        assert left["evensky, constants"] > 1
        assert left.get("stcal", before) > 1


@pytest.mark.filterwarnings("ignore")
def test_skymatch_and_we_find_the_same_constants() -> None:
    pytest.importorskip("stcal")
    scripts = blocks("Exposures in memory", "coming_from_skymatch.md")
    exposures = as_ccd(dithered(order=0))
    theirs = execute(scripts["stcal"], exposures=exposures)["images"]
    ours = execute(scripts["evensky, constants"], exposures=exposures)["skies"]
    np.testing.assert_allclose(ours, [one.sky for one in theirs], atol=2)


def mosaic_grid() -> tuple[WCS, tuple[int, int]]:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = [250.42, 36.46], [250, 250]
    wcs.wcs.cdelt = [-0.4 / 3600, 0.4 / 3600]
    return wcs, (500, 500)


def steps_in(coadd: np.ndarray, simulated: list[SimulatedExposure], wcs: WCS) -> float:
    """Return the scatter of a coadd without stars about the best plane and the diffuse light that it shows."""
    y, x = np.indices(coadd.shape)
    sky = wcs.pixel_to_world_values(x, y)
    counts = np.zeros(coadd.shape)
    scene = np.zeros(coadd.shape)
    for one in simulated:
        own_x, own_y = (
            np.nan_to_num(np.rint(axis), nan=-1).astype(int) for axis in one.wcs.world_to_pixel_values(*sky)
        )
        height, width = one.sky.shape
        inside = (own_x >= 0) & (own_x < width) & (own_y >= 0) & (own_y < height)
        scene[inside] += one.scene[own_y[inside], own_x[inside]]
        counts += inside
    good = (counts > 0) & np.isfinite(coadd)
    rest = coadd[good] - scene[good] / counts[good]
    terms = np.stack([np.ones(good.sum()), x[good], y[good]], axis=1)
    rest -= terms @ np.linalg.lstsq(terms, rest, rcond=None)[0]
    return float(np.subtract(*np.percentile(rest, [84, 16])) / 2)


@pytest.mark.filterwarnings("ignore")
def test_reproject() -> None:
    pytest.importorskip("reproject")
    wcs, shape = mosaic_grid()
    scripts = blocks("reproject", "coming_from_reproject.md")
    assert set(scripts) == {"reproject", "evensky", "evensky, coadd"}
    simulated = dithered(order=1)
    exposures = as_ccd(simulated)
    steps = {
        name: steps_in(execute(script, exposures=exposures, wcs=wcs, shape=shape)["coadd"], simulated, wcs)
        for name, script in scripts.items()
    }
    # The noise of pixels is 3, and coadds are means of up to four.
    assert steps["evensky"] < 3
    assert steps["evensky, coadd"] == pytest.approx(steps["evensky"], rel=1e-3)
    assert 1.5 * steps["evensky"] < steps["reproject"] < 20


@pytest.mark.filterwarnings("ignore")
def test_montage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("MontagePy")
    wcs, shape = mosaic_grid()
    header = wcs.to_header()
    header["NAXIS"], header["NAXIS1"], header["NAXIS2"] = 2, shape[1], shape[0]
    header["SIMPLE"], header["BITPIX"] = True, -32
    scripts = blocks("Montage", "coming_from_reproject.md")
    assert set(scripts) == {"MontagePy", "evensky"}
    simulated = dithered(order=1)
    for name, script in scripts.items():
        folder = tmp_path / name
        (folder / "raw").mkdir(parents=True)
        for one in as_ccd(simulated):
            number = len(list((folder / "raw").iterdir()))
            own = one.wcs.to_header(relax=True)
            own["BUNIT"] = "MJy/sr"
            fits.PrimaryHDU(np.asarray(one.data), own).writeto(folder / f"raw/e{number}.fits")
        header.totextfile(folder / "template.hdr", endcard=True)
        monkeypatch.chdir(folder)
        execute(script, raw="raw", template="template.hdr")
        mosaic = fits.getdata(folder / "mosaic.fits").astype(float)
        assert steps_in(mosaic, simulated, WCS(fits.getheader(folder / "mosaic.fits"))) < 3, name
