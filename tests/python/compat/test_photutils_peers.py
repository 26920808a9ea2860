"""The stand-ins of photutils beside photutils itself, where that is installed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from astropy.stats import SigmaClip

import evensky.compat.photutils as ours

SHAPE = (150, 187)
LEVELS = (
    "MeanBackground",
    "MedianBackground",
    "ModeEstimatorBackground",
    "MMMBackground",
    "SExtractorBackground",
    "BiweightLocationBackground",
)
SCATTERS = ("StdBackgroundRMS", "MADStdBackgroundRMS", "BiweightScaleBackgroundRMS")
CLIPPING: list[dict[str, Any] | None] = [
    {"sigma": 3.0, "maxiters": 10},
    None,
    {"sigma": 2.5, "maxiters": None, "cenfunc": "mean"},
    {"sigma_lower": 2, "sigma_upper": 4, "maxiters": 3, "stdfunc": "mad_std"},
]
MESHES: list[dict[str, Any]] = [
    {"box_size": (30, 30)},
    {"box_size": (25, 37), "filter_size": 1, "exclude_percentile": 35},
    {"box_size": (41, 32), "filter_size": (3, 5), "filter_threshold": 105.0, "exclude_percentile": 62},
    {"box_size": 32, "exclude_percentile": 99.9},
]
ATTRIBUTES = (
    "background_mesh",
    "background_rms_mesh",
    "background",
    "background_rms",
    "background_median",
    "background_rms_median",
    "n_pixels_mesh",
    "n_pixels_map",
)


@pytest.fixture(scope="module", name="theirs")
def import_photutils() -> Any:
    return pytest.importorskip("photutils.background", minversion=None)


def field(kind: str) -> tuple[np.ndarray, dict[str, Any]]:
    """Return an image, and the masks that belong to it."""
    rng = np.random.default_rng(8)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    image = rng.normal(100.0, 5.0, SHAPE)

    def add_stars(number: int, flux: float, width: float = 1.7) -> None:
        for _ in range(number):
            at_y, at_x = rng.uniform(0, SHAPE[0]), rng.uniform(0, SHAPE[1])
            image[...] += rng.exponential(flux) * np.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / (2 * width**2))

    if kind == "sparse":
        add_stars(15, 300)
    if kind == "crowded":
        add_stars(250, 80)
    if kind == "galaxy":
        image += 400 * np.exp(-np.hypot(x - 90, y - 70) / 25)
    if kind == "nebula":
        image += 60 * np.sin(x / 17) ** 2 * np.cos(y / 23) ** 2
    if kind == "gradient":
        image += 0.2 * x + 0.1 * y
    if kind == "infrared":
        image += 1e4 + 200 * (x // 32 % 2) + 50 * np.sin(y / 3)
    if kind == "gaps":
        gaps = ((x // 60 % 2 == 1) & (x % 60 < 6)) | (y > 140)
        image[gaps] = 0
        return image, {"coverage_mask": gaps, "fill_value": -3.0}
    if kind == "saturated":
        add_stars(5, 3e4, 4)
        image[image > 6e3] = np.nan
    if kind == "counts":
        image = rng.poisson(3, SHAPE).astype(float)
    if kind == "masked":
        add_stars(60, 200)
        return image, {"mask": rng.random(SHAPE) < 0.08}
    return image, {}


KINDS = (
    "sparse",
    "crowded",
    "galaxy",
    "nebula",
    "gradient",
    "infrared",
    "gaps",
    "saturated",
    "counts",
    "masked",
)


def both(theirs: Any, call: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Call a function with each package; return what it returns or, for both, the kind of error."""
    results = []
    for package in (theirs, ours):
        try:
            results.append(call(package))
        except ValueError:
            results.append(ValueError)
    return results[0], results[1]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_backgrounds_are_those_of_photutils(theirs: Any, kind: str) -> None:
    image, masks = field(kind)
    compared = 0
    first = KINDS.index(kind)
    for number, (level, scatter) in enumerate(itertools.product(LEVELS, SCATTERS)):
        clipping = CLIPPING[(number + first) % len(CLIPPING)]
        mesh = MESHES[(number // 2 + first) % len(MESHES)]
        dtype = (np.float64, np.float32, np.int32)[(number // 3 + first) % 3]
        pixels = np.nan_to_num(image).astype(dtype) if dtype == np.int32 else image.astype(dtype)
        options = {"sigma_clip": None if clipping is None else SigmaClip(**clipping), **masks, **mesh}

        def call(package: Any, *names: str, pixels: np.ndarray = pixels, options: dict[str, Any] = options) -> Any:
            estimators = [getattr(package, name)() for name in names]
            return package.Background2D(pixels, bkg_estimator=estimators[0], bkg_rms_estimator=estimators[1], **options)

        other, mine = both(theirs, lambda package, call=call, names=(level, scatter): call(package, *names))
        if other is ValueError:
            assert mine is ValueError
            continue
        compared += 1
        # photutils sums float32 pixels in float32.
        tolerance = (1e-10 if dtype == np.float64 else 3e-5) * float(np.median(other.background_rms_mesh))
        for name in ATTRIBUTES:
            a, b = np.asarray(getattr(other, name)), np.asarray(getattr(mine, name))
            assert a.shape == b.shape
            assert a.dtype == b.dtype or level.startswith("Biweight") or scatter.startswith("Biweight")
            what = f"{name}, {level}, {scatter}, {options}, {dtype}"
            np.testing.assert_allclose(b, a, rtol=1e-6 if dtype != np.float64 else 0, atol=tolerance, err_msg=what)
    assert compared >= 12


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("BkgIDWInterpolator", {}),
        ("BkgIDWInterpolator", {"n_neighbors": 4, "power": 2, "regularization": 0.1}),
        ("BkgZoomInterpolator", {"order": 1}),
        ("BkgZoomInterpolator", {"clip": False}),
        ("BkgZoomInterpolator", {"order": 2, "mode": "nearest"}),
    ],
)
def test_interpolators_are_those_of_photutils(theirs: Any, name: str, options: dict[str, Any]) -> None:
    image = field("sparse")[0]
    mask = np.zeros(SHAPE, bool)
    mask[30:70, 20:60] = True
    given = {"mask": mask, "box_size": (21, 19), "exclude_percentile": 40}
    other = theirs.Background2D(image, interpolator=getattr(theirs, name)(**options), **given)
    mine = ours.Background2D(image, interpolator=getattr(ours, name)(**options), **given)
    np.testing.assert_allclose(mine.background, other.background, rtol=1e-12)
    np.testing.assert_allclose(mine.background_rms, other.background_rms, rtol=1e-12)
    # One of photutils works here, too.
    mixed = ours.Background2D(image, interpolator=getattr(theirs, name)(**options), **given)
    np.testing.assert_allclose(mixed.background, other.background, rtol=1e-12)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("function", [np.nanmedian, np.median, "photutils", "other constants"])
@pytest.mark.parametrize("clipping", ["astropy", "none", "function", "grow"])
def test_functions_are_called_as_by_photutils(theirs: Any, function: Any, clipping: str) -> None:
    image, mask = field("sparse")[0], np.zeros(SHAPE, bool)
    mask[20:50, 20:55] = True
    if function == "photutils":
        function = theirs.SExtractorBackground()
    elif function == "other constants":
        function = theirs.BiweightLocationBackground(c=4.0)
    clip = {
        "astropy": SigmaClip(3, maxiters=10),
        "none": None,
        "function": SigmaClip(3, cenfunc=np.nanmean),
        "grow": SigmaClip(4, grow=1.5),
    }[clipping]
    box = (30, 17 if clipping == "grow" else 33)  # photutils orders the pixels of boxes at the edge in another way
    options = {"mask": mask, "bkg_estimator": function, "sigma_clip": clip, "exclude_percentile": 40}
    other, mine = (package.Background2D(image, box, **options) for package in (theirs, ours))
    np.testing.assert_allclose(mine.background, other.background, rtol=1e-12)
    np.testing.assert_allclose(mine.background_rms, other.background_rms, rtol=1e-12)
    np.testing.assert_array_equal(mine.n_pixels_mesh, other.n_pixels_mesh)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [*LEVELS, *SCATTERS])
def test_estimators_are_those_of_photutils(theirs: Any, name: str) -> None:
    rng = np.random.default_rng(3)
    cube = rng.normal(5, 1, (3, 40, 4))
    cube[1], cube[0, 3] = np.nan, 1e3
    for clipping in ({}, {"sigma_clip": None}, {"sigma_clip": SigmaClip(2, cenfunc=np.nanmean)}):
        other, mine = getattr(theirs, name)(**clipping), getattr(ours, name)(**clipping)
        for data in (cube, np.ma.masked_less(cube, 4.5), cube.astype(np.float32)):
            for axis, masked in itertools.product((None, 0, -1, (0, 1)), (False, True)):
                a, b = other(data, axis=axis, masked=masked), mine(data, axis=axis, masked=masked)
                assert np.ma.isMaskedArray(a) == np.ma.isMaskedArray(b)
                a, b = (np.squeeze(np.ma.filled(np.ma.asarray(one), np.nan)) for one in (a, b))
                rtol = 1e-5 if data.dtype == np.float32 else 1e-11
                np.testing.assert_allclose(b, a, rtol=rtol, err_msg=f"{clipping}, {axis}")


@pytest.mark.parametrize("name", [*LEVELS, *SCATTERS])
def test_estimators_of_photutils_can_be_given(theirs: Any, name: str) -> None:
    image = np.random.default_rng(4).normal(100.0, 5.0, (60, 80))
    option = "bkg_estimator" if name in LEVELS else "bkg_rms_estimator"
    other, mine = (ours.Background2D(image, 20, **{option: getattr(one, name)()}) for one in (theirs, ours))
    np.testing.assert_array_equal(other.background_mesh, mine.background_mesh)
    np.testing.assert_array_equal(other.background_rms_mesh, mine.background_rms_mesh)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["MedianBackground", "BiweightScaleBackgroundRMS"])
def test_local_backgrounds_are_those_of_photutils(theirs: Any, name: str) -> None:
    image, masks = field("masked")
    rng = np.random.default_rng(4)
    x, y = rng.uniform(-25, 210, 60), rng.uniform(-25, 175, 60)
    other = theirs.LocalBackground(4, 9.5, bkg_estimator=getattr(theirs, name)())(image, x, y, **masks)
    mine = ours.LocalBackground(4, 9.5, bkg_estimator=getattr(ours, name)())(image, x, y, **masks)
    np.testing.assert_allclose(mine, other, rtol=1e-12)
    assert 3 < np.isnan(mine).sum() < 50
    aperture = ours.LocalBackground(4, 9.5).to_aperture(3, 4)
    assert (aperture.r_in, aperture.r_out) == (4, 9.5)


# As in the tutorial of photutils; the first one is that of the page on moving over.
SCRIPTS = {
    "sources are masked": """
import numpy as np
from astropy.stats import SigmaClip
from photutils.background import Background2D, MedianBackground
from photutils.segmentation import detect_threshold, detect_sources
from photutils.utils import circular_footprint

sigma_clip = SigmaClip(sigma=3.0, maxiters=10)
threshold = detect_threshold(data, 2.0, sigma_clip=sigma_clip)
segment_img = detect_sources(data, threshold, 10)
mask = segment_img.make_source_mask(footprint=circular_footprint(radius=3))
sigma_clip = SigmaClip(sigma=3.0)
bkg_estimator = MedianBackground()
bkg = Background2D(
    data, (25, 25), mask=mask, filter_size=(3, 3), sigma_clip=sigma_clip, bkg_estimator=bkg_estimator,
    exclude_percentile=30,
)
results = bkg.background_median, bkg.background_rms_median, bkg.background, data - bkg.background
""",
    "without coverage": """
import numpy as np
import astropy.units as u
import matplotlib.pyplot as plt
from astropy.stats import SigmaClip, sigma_clipped_stats
from photutils.background import Background2D, MMMBackground, StdBackgroundRMS, LocalBackground

mean, median, std = sigma_clipped_stats(data, sigma=3.0)
y, x = np.indices(data.shape)
coverage_mask = x + y < 60
data = np.where(coverage_mask, 0, data + 0.05 * x) * u.electron
bkg3 = Background2D(
    data, (15, 15), filter_size=(3, 3), coverage_mask=coverage_mask, fill_value=0.0, exclude_percentile=50.0,
    bkg_estimator=MMMBackground(), bkg_rms_estimator=StdBackgroundRMS(),
)
fig, ax = plt.subplots()
ax.imshow(bkg3.background.value, origin='lower', cmap='Greys_r', interpolation='nearest')
bkg3.plot_meshes(ax=ax, outlines=True, color='#1f77b4', marker='.', alpha=0.3)
local = LocalBackground(8, 15)(data.value, [70.2, 40, 120], [80, 50.5, 100])
mode = MMMBackground(sigma_clip=SigmaClip(sigma=3.0))(data[80])
results = bkg3.background.value, bkg3.background_rms.value, local, mode.value, bkg3.n_pixels_mesh
plt.close(fig)
""",
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_run_with_another_import(theirs: Any, name: str) -> None:
    pytest.importorskip("matplotlib").use("agg")
    results = []
    for package in ("photutils.background", "evensky.compat.photutils"):
        names: dict[str, Any] = {"data": field("sparse")[0]}
        script = SCRIPTS[name].replace("from photutils.background import", f"from {package} import")
        exec(compile(script, name, "exec"), names)
        assert names["Background2D"].__module__.startswith(package)
        results.append(names["results"])
    for mine, other in zip(results[1], results[0], strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-9)
