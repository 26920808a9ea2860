"""Backgrounds by the names of photutils, without photutils."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy import stats
from astropy.nddata import CCDData, NDData, StdDevUncertainty
from astropy.utils.exceptions import AstropyDeprecationWarning, AstropyUserWarning
from astropy.utils.masked import Masked
from scipy.ndimage import zoom

import evensky.compat.photutils as compat
from evensky import clipped_stats
from evensky.compat.photutils import (
    Background2D,
    BkgIDWInterpolator,
    BkgZoomInterpolator,
    LocalBackground,
    MeanBackground,
    MedianBackground,
    SigmaClip,
    StdBackgroundRMS,
)
from evensky.errors import InvalidParameterError, LengthError
from evensky.errors import TypeError as WrongTypeError

SHAPE = (63, 91)


def image() -> np.ndarray:
    rng = np.random.default_rng(2)
    return rng.normal(100, 5, SHAPE) + 0.1 * np.arange(SHAPE[1])


def expected_mesh(pixels: np.ndarray, box: int) -> np.ndarray:
    rows, columns = (range(0, size, box) for size in pixels.shape)
    return np.array([[clipped_stats(pixels[y : y + box, x : x + box], maxiters=10)[1] for x in columns] for y in rows])


def test_boxes_that_lack_pixels_are_replaced_and_the_rest_is_zoomed() -> None:
    pixels = image()
    pixels[:20, 20:40] = 1e4
    mask = pixels > 1e3
    bkg = Background2D(pixels, 20, mask=mask, bkg_estimator=MedianBackground(), filter_size=1)
    expected = expected_mesh(np.where(mask, np.nan, pixels)[:60, :80], 20)
    good = np.isfinite(expected)
    np.testing.assert_allclose(bkg.background_mesh[:3, :4][good], expected[good], rtol=1e-12)
    assert (bkg.n_pixels_mesh[3] < 61).all()  # those at the end have three rows, and are replaced, too
    assert bkg.background_mesh[3, 0] != pytest.approx(np.median(pixels[60:, :20]), rel=1e-6)
    distance = np.hypot(*(np.argwhere(good) - [0, 1]).T)
    order = np.argsort(distance, kind="stable")[:10]
    filled = np.average(expected[good][order], weights=1 / distance[order])
    assert bkg.background_mesh[0, 1] == pytest.approx(filled, rel=1e-12)
    smooth = zoom(bkg.background_mesh, 20, order=3, mode="reflect", grid_mode=True)[: SHAPE[0], : SHAPE[1]]
    limits = bkg.background_mesh.min(), bkg.background_mesh.max()
    np.testing.assert_allclose(bkg.background, np.clip(smooth, *limits), rtol=1e-12)
    assert bkg.background_median == np.median(bkg.background_mesh)
    assert bkg.npixels_map[SHAPE[0] - 1, 0] == bkg.npixels_mesh[3, 0]


def test_results_do_not_depend_on_threads() -> None:
    one, two = (Background2D(image(), 9, n_threads=number) for number in (1, 2))
    assert one.background.tobytes() == two.background.tobytes()
    assert one.background_rms.tobytes() == two.background_rms.tobytes()


@pytest.mark.parametrize("kind", ["masked", "ccd", "nddata", "masked quantity", "masked array of quantity"])
def test_masks_and_units_of_the_data_count(kind: str) -> None:
    pixels, mask = image(), np.zeros(SHAPE, bool)
    mask[:20, :40] = True
    pixels[mask] = 1e5
    data: Any = {
        "masked": lambda: np.ma.MaskedArray(pixels, mask),
        "ccd": lambda: CCDData(pixels, mask=mask, unit="adu", uncertainty=StdDevUncertainty(np.zeros(SHAPE))),
        "nddata": lambda: NDData(pixels * u.adu, mask=mask),
        "masked quantity": lambda: Masked(pixels * u.adu, mask),
        "masked array of quantity": lambda: np.ma.MaskedArray(pixels * u.adu, mask),
    }[kind]()
    expected = Background2D(pixels, 20, mask=mask)
    got = Background2D(data, 20)
    np.testing.assert_array_equal(got.n_pixels_mesh, expected.n_pixels_mesh)
    unit = 1 if kind == "masked" else u.adu
    for name in ("background", "background_rms", "background_mesh", "background_rms_mesh"):
        np.testing.assert_array_equal(getattr(got, name) / unit, getattr(expected, name))
    assert got.background_median / unit == expected.background_median
    assert got.background_rms_median / unit == expected.background_rms_median
    assert MeanBackground()(data) / unit == MeanBackground()(np.where(mask, np.nan, pixels))


def test_masks_of_whole_numbers_count_where_they_are_not_0() -> None:
    bad = np.zeros(SHAPE, bool)
    bad[5:9, 3:30] = True
    want = Background2D(image(), 20, mask=bad).background_mesh
    np.testing.assert_array_equal(Background2D(image(), 20, mask=bad.astype(np.uint8) * 7).background_mesh, want)


def test_what_else_astropy_has_is_passed_on() -> None:
    from evensky.compat.astropy import stats as passed_on

    assert passed_on.mad_std is stats.mad_std
    assert "mad_std" in dir(passed_on)
    assert all(type(one) is np.float64 for one in compat.sigma_clipped_stats([1.0, 2.0, 3.0]))


def test_quantities_as_options() -> None:
    pixels = image() * u.Jy
    covered = np.zeros(SHAPE, bool)
    covered[:, :10] = True
    options: dict[str, Any] = {"coverage_mask": covered, "exclude_percentile": 60}
    plain = Background2D(pixels.value, 20, filter_threshold=104, fill_value=0.5, **options)
    got = Background2D(pixels, 20, filter_threshold=104e3 * u.mJy, fill_value=500 * u.mJy, **options)
    np.testing.assert_array_equal(got.background.value, plain.background)
    assert (got.background[covered] == 0.5 * u.Jy).all()
    assert not (plain.background_mesh == Background2D(pixels.value, 20, **options).background_mesh).all()
    for bad in (3 * u.s, 3 * u.Jy):
        with pytest.raises(InvalidParameterError, match="filter_threshold is <Quantity 3"):
            Background2D(pixels if bad.unit == u.s else pixels.value, 20, filter_threshold=bad)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("f8", "f8"), ("f4", "f4"), (">f4", "f4"), ("f2", "f4"), ("i8", "f4"), ("u2", "f4"), ("?", "f4")],
)
def test_types_of_results(dtype: str, expected: str) -> None:
    bkg = Background2D(image().astype(dtype), 30)
    assert {bkg.background.dtype, bkg.background_rms.dtype, bkg.background_mesh.dtype} == {np.dtype(expected)}


def test_pixels_that_are_not_finite_are_told_of() -> None:
    pixels = image()
    pixels[3, 4], pixels[5, 6] = np.nan, np.inf
    with pytest.warns(AstropyUserWarning, match="2 pixels of the data that are not masked are not finite"):
        bkg = Background2D(pixels, 20)
    expected = Background2D(pixels, 20, mask=~np.isfinite(pixels))  # without a warning
    np.testing.assert_array_equal(bkg.background, expected.background)


def test_functions_that_do_not_ignore_nan_are_told_of() -> None:
    pixels = image()
    pixels[30, 30] = 1e6
    with pytest.warns(
        AstropyUserWarning, match=r"bkg_estimator returned values that are not finite for \d+ of 12 boxes"
    ):
        Background2D(pixels, 20, bkg_estimator=np.median)
    with pytest.raises(InvalidParameterError, match="bkg_rms_estimator returned no finite value for any box"):
        Background2D(pixels, 20, bkg_rms_estimator=lambda boxes, axis: np.full(boxes.shape[:2], np.nan))
    with pytest.raises(InvalidParameterError, match=r"its result has shape \(\); it must be \(1, 4\), with a value"):
        Background2D(pixels, 20, bkg_estimator=lambda boxes, axis: np.nanmedian(boxes))


def test_an_estimator_of_the_caller() -> None:
    seen = []

    class Largest(compat.BackgroundBase):
        def calc_background(self, data: Any, axis: Any = None, masked: bool = False) -> Any:
            seen.append((data.shape, axis, self.sigma_clip))
            return np.nanmax(data, axis=axis)

    mine = Largest()
    clipped = SigmaClip(3, maxiters=10)(image()[:30, :30])
    bkg = Background2D(image(), 30, bkg_estimator=mine, exclude_percentile=60, filter_size=1)
    assert bkg.background_mesh[0, 0] == clipped.max()
    assert {(shape, clip) for shape, _, clip in seen} == {
        ((1, 3, 900), None),
        ((1, 1, 30), None),
        ((1, 3, 90), None),
        ((1, 1, 3), None),
    }
    assert mine.sigma_clip is not None  # the object that was given has not changed
    assert mine(image()) == image().max()


def test_the_former_name_of_the_estimator() -> None:
    with pytest.warns(AstropyDeprecationWarning, match="bkgrms_estimator is the former name"):
        bkg = Background2D(image(), 20, bkgrms_estimator=StdBackgroundRMS())
    np.testing.assert_array_equal(bkg.background_rms, Background2D(image(), 20).background_rms)
    with pytest.raises(WrongTypeError, match="both are given"):
        Background2D(image(), 20, bkgrms_estimator=StdBackgroundRMS(), bkg_rms_estimator=StdBackgroundRMS())


def test_a_background_says_how_it_was_measured() -> None:
    bkg = Background2D(image(), (20, 1000), bkg_estimator=MedianBackground())
    assert repr(bkg).startswith("Background2D(shape=(63, 91), box_size=array([20, 91]), fill_value=0.0, ")
    assert "bkg_estimator: MedianBackground(sigma_clip=None)" in str(bkg)
    assert repr(BkgIDWInterpolator(power=2)).endswith("n_neighbors=10, power=2.0, regularization=0.0)")
    assert repr(compat.ModeEstimatorBackground(2, 1, None)) == (
        "ModeEstimatorBackground(median_factor=2.0, mean_factor=1.0, sigma_clip=None)"
    )
    assert repr(LocalBackground(5, 10, np.max)).startswith("LocalBackground(inner_radius=5, outer_radius=10, ")


def test_the_plot_of_meshes() -> None:
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    mask = np.zeros(SHAPE, bool)
    mask[:20, :20] = True
    bkg = Background2D(image(), 20, mask=mask, exclude_percentile=50)
    figure, axes = plt.subplots()
    bkg.plot_meshes(ax=axes, outlines=True, linewidth=2)
    markers, boxes = axes.collections
    kept = 14  # of 4 x 5, without the masked one and those of three rows
    assert len(markers.get_offsets()) == len(boxes.get_paths()) == kept
    np.testing.assert_allclose(markers.get_offsets()[0], [29.5, 9.5])
    assert boxes.get_linewidth() == [2]
    bkg.plot_meshes(markersize=0)
    assert len(axes.collections) == 2
    plt.close(figure)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"box_size": 0}, InvalidParameterError, "box_size is 0; it must be at least 1"),
        ({"box_size": 20.0}, WrongTypeError, "box_size: 20.0 is a float; a whole number is needed"),
        ({"box_size": (20, 20, 20)}, InvalidParameterError, "it must be one number, or height and width"),
        ({"filter_size": (3, 2)}, InvalidParameterError, r"filter_size is \(3, 2\); it must be odd along both axes"),
        ({"exclude_percentile": 101}, InvalidParameterError, "exclude_percentile is 101; it must be in 0 .. 100"),
        ({"exclude_percentile": np.nan}, InvalidParameterError, "exclude_percentile is nan"),
        ({"mask": np.zeros((3, 4), bool)}, LengthError, r"mask has shape \(3, 4\) and the data have shape \(63, 91\)"),
        ({"mask": np.zeros(SHAPE)}, WrongTypeError, "mask has dtype float64; it must be boolean"),
        ({"coverage_mask": [1.0, 2.0]}, WrongTypeError, "coverage_mask has dtype float64"),
        ({"mask": np.True_}, InvalidParameterError, "All pixels are masked"),
        (
            {"mask": image() > 101},
            InvalidParameterError,
            "All 20 boxes are excluded: .* exclude_percentile = 10 percent",
        ),
        ({"sigma_clip": "no"}, WrongTypeError, "sigma_clip is 'no'; it must be a SigmaClip of astropy.stats, or None"),
        ({"bkg_estimator": "median"}, WrongTypeError, r"'median' is no estimator; .* such as MedianBackground\(\)"),
        ({"bkg_estimator": MeanBackground}, WrongTypeError, r"is no estimator; .* such as MeanBackground\(\)"),
        ({"interpolator": "zoom"}, WrongTypeError, "interpolator is 'zoom'; it must be a function"),
        ({"n_threads": 0}, InvalidParameterError, "n_threads is 0; it must be at least 1"),
        ({"fill_value": "a"}, WrongTypeError, "fill_value: 'a' is a str; a real number is needed"),
    ],
)
def test_options_that_are_refused(options: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        Background2D(image(), **{"box_size": 20, **options})
    assert issubclass(error, ValueError)


def test_data_that_are_refused() -> None:
    for data, says in (
        (np.zeros(5), r"data must be a 2D array, and have shape \(5,\)"),
        (np.zeros((2, 0)), "without pixels"),
        (np.zeros(SHAPE, complex), "dtype complex128"),
        (np.full(SHAPE, np.nan), "None of the 5733 pixels is finite"),
    ):
        with pytest.raises(InvalidParameterError, match=says):
            Background2D(data, 20)
    with pytest.raises(InvalidParameterError, match=r"returned an image of shape \(2, 3\); it must be \(63, 91\)"):
        _ = Background2D(image(), 20, interpolator=lambda mesh, **options: np.zeros((2, 3))).background


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: MedianBackground(sigma_clip=3), "sigma_clip is 3; it must be a SigmaClip"),
        (lambda: BkgZoomInterpolator(order=6), "order is 6; it must be in 0 .. 5"),
        (lambda: BkgZoomInterpolator(mode="none"), "mode is 'none'; it must be one of 'reflect'"),
        (lambda: BkgIDWInterpolator(n_neighbors=0), "n_neighbors is 0; it must be at least 1"),
        (lambda: LocalBackground(5, 5), "inner_radius is 5 and outer_radius is 5; they must be positive"),
        (lambda: LocalBackground(5, 6)(image(), [1, 2], 3), r"x has shape \(2,\) and y has shape \(1,\)"),
        (lambda: LocalBackground(5, 6)(image(), np.nan, 3), "they must be finite"),
        (lambda: LocalBackground(5, 6)(image()[0], 1, 3), "data must be a 2D array"),
        (lambda: MedianBackground()(image(), axis=2), "axis is 2 but the data have 2 axes"),
    ],
)
def test_calls_that_are_refused(call: Any, says: str) -> None:
    with pytest.raises((InvalidParameterError, LengthError), match=says):
        call()


def test_values_without_any_that_counts() -> None:
    assert np.isnan(MedianBackground()([]))
    assert np.isnan(StdBackgroundRMS()(np.full((3, 4), np.nan)))
    assert MeanBackground()(np.ones((0, 4)), axis=1).shape == (0,)
    assert np.isnan(LocalBackground(2, 3)(image(), -50, 3))


def test_annuli() -> None:
    pixels = image()
    y, x = np.indices(SHAPE)
    distance = np.hypot(x - 30.5, y - 20)
    chosen = pixels[(distance >= 5) & (distance < 10)]
    assert LocalBackground(5, 10)(pixels, 30.5, 20) == MedianBackground()(chosen)
    assert LocalBackground(5, 10, np.max)(pixels * u.Jy, 30.5, 20) == chosen.max() * u.Jy
    many = LocalBackground(5, 10, n_threads=2)(pixels, np.full(9000, 30.5), np.full(9000, 20))
    assert (many == MedianBackground()(chosen)).all()


def test_parts_of_photutils_that_are_not_about_backgrounds() -> None:
    pytest.importorskip("photutils")
    from photutils import aperture

    assert compat.aperture is aperture
    with pytest.raises(AttributeError, match=r"has no 'detect_sources'; it has Background2D, .* segmentation, utils"):
        _ = compat.detect_sources
    assert not hasattr(compat, "Background3D")


def test_photutils_is_not_needed() -> None:
    """It is not imported, and where it is missing, its other parts say so."""
    program = (
        "import sys; sys.modules['photutils'] = None\n"
        "import numpy as np\n"
        "from evensky.compat.photutils.background import Background2D\n"
        "assert Background2D(np.ones((9, 9)), 3).background_median == 1\n"
        "from evensky.compat import photutils\n"
        "try:\n    photutils.aperture\nexcept ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "aperture is the part aperture of photutils itself, which cannot be imported" in done.stdout


def test_the_clipping_is_that_of_astropy() -> None:
    assert compat.SigmaClip is stats.SigmaClip is SigmaClip
    assert compat.sigma_clip is stats.sigma_clip
