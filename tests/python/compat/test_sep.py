"""The stand-in for sep: against the definitions, and against sep itself where that is installed."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from evensky.compat import sep
from evensky.errors import InvalidParameterError, LengthError
from evensky.errors import TypeError as WrongTypeError
from reference import sextractor_mesh as slow

SHAPE = (110, 137)
Y, X = np.mgrid[: SHAPE[0], : SHAPE[1]]


def rng() -> np.random.Generator:
    return np.random.default_rng(77)


def stars(number: int, brightness: float) -> np.ndarray:
    """Return an image of stars alone."""
    random = rng()
    y, x = np.mgrid[-7:8, -7:8]
    star = np.exp(-(x**2 + y**2) / (2 * 1.7**2))
    image = np.zeros((SHAPE[0] + 14, SHAPE[1] + 14))
    for _ in range(number):
        y, x = random.integers(0, SHAPE[0]), random.integers(0, SHAPE[1])
        image[y : y + 15, x : x + 15] += random.exponential(brightness) * star
    return image[7:-7, 7:-7]


def blob(x: float, y: float, width: float, height: float) -> np.ndarray:
    return height * np.exp(-((X - x) ** 2 + (Y - y) ** 2) / (2 * width**2))


def fields() -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """Return images of ten kinds, with noise of about 5, and their masks."""
    noise = rng().normal(0, 5, SHAPE)
    sky = 100 + noise
    gap = (X > 60) & (X < 77)
    bright = sky + stars(12, 8000)
    return {
        "sparse": (sky + stars(20, 100), None),
        "crowded": (sky + stars(300, 60), None),
        "galaxy": (sky + blob(70, 60, 12, 300), None),
        "nebula": (sky + 40 * np.sin(X / 31) * np.cos(Y / 23) + stars(60, 80), None),
        "gradient": (sky + 0.4 * X + 4e-3 * Y**2, None),
        "infrared": (8000 + noise + 30 * np.sin(X / 11) + 15 * np.cos((X + Y) / 7), None),
        "chip gap": (np.where(gap, np.nan, sky + stars(20, 100)), gap),
        "saturated": (np.minimum(bright, 1000), bright > 1000),
        "counts": (rng().poisson(6 + stars(20, 30)).astype(float), None),
        "masked": (sky + stars(60, 200), stars(60, 200) > 3),
    }


def pair(image: np.ndarray, mask: np.ndarray | None, **options: Any) -> tuple[Any, Any]:
    """Return the backgrounds of sep and of the stand-in."""
    original = pytest.importorskip("sep")
    return original.Background(image, mask=mask, **options), sep.Background(image, mask=mask, **options)


def test_backgrounds_are_those_of_the_definition() -> None:
    for kind in ("galaxy", "chip gap"):
        image, mask = fields()[kind]
        rejected = np.zeros(SHAPE, bool) if mask is None else mask
        for window, least_change in (((3, 3), 0.0), ((5, 1), 2.0)):
            back, rms = slow.background(image, rejected, 28, 23, window, least_change)
            got = sep.Background(image, mask, bw=28, bh=23, fw=window[0], fh=window[1], fthresh=least_change)
            np.testing.assert_allclose(got.back(), back, rtol=1e-9, err_msg=kind)
            np.testing.assert_allclose(got.rms(), rms, rtol=1e-9, atol=1e-9, err_msg=kind)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", fields())
def test_levels_and_noise_are_those_of_sep(kind: str, dtype: Any) -> None:
    image, mask = fields()[kind]
    for options in ({}, {"bw": 25, "bh": 20}, {"bw": 37, "bh": 30, "fw": 1, "fh": 1}):
        theirs, ours = pair(image.astype(dtype), mask, **options)
        noise = ours.globalrms
        assert ours.globalback == pytest.approx(theirs.globalback, abs=2e-4 * noise)
        assert ours.globalrms == pytest.approx(theirs.globalrms, rel=2e-4)
        assert ours.back().dtype == theirs.back().dtype
        # sep counts pixels in bins in float32, and a pixel may move to the next one; the noise limits how far.
        np.testing.assert_allclose(ours.back(), theirs.back(), rtol=0, atol=5e-3 * noise)
        np.testing.assert_allclose(ours.rms(), np.maximum(theirs.rms(), 0), rtol=0, atol=5e-3 * noise)


def test_the_image_of_a_known_mesh_is_that_of_sep() -> None:
    random = rng()
    for shape in ((1, 1), (1, 6), (5, 1), (2, 2), (3, 4), (4, 7), (8, 3)):
        for width, height in ((10, 10), (11, 16), (7, 9)):
            levels = random.uniform(100, 200, shape).astype(np.float32)
            image = np.repeat(np.repeat(levels, height, axis=0), width, axis=1)
            cut = np.ascontiguousarray(image[: image.shape[0] - 3, : image.shape[1] - 4])
            for whole in (image, cut):
                theirs, ours = pair(whole, None, bw=width, bh=height, fw=1, fh=1)
                np.testing.assert_allclose(ours.back(), theirs.back(), rtol=0, atol=1e-5 * levels.mean())
                for window in ({"fw": 3, "fh": 3}, {"fw": 4, "fh": 1, "fthresh": 20.0}):
                    theirs, ours = pair(whole, None, bw=width, bh=height, **window)
                    np.testing.assert_allclose(ours.back(), theirs.back(), rtol=0, atol=1e-5 * levels.mean())
                    assert ours.globalback == pytest.approx(theirs.globalback, rel=1e-6)


def test_boxes_without_enough_pixels_are_filled_as_by_sep() -> None:
    random = rng()
    for part in (0.3, 0.5, 0.52):
        image, mask = random.normal(100, 5, SHAPE), random.random(SHAPE) < part
        mask[20:60, 30:80] = True
        theirs, ours = pair(image, mask, bw=15, bh=13)
        np.testing.assert_allclose(ours.back(), theirs.back(), atol=0.05)
        np.testing.assert_allclose(ours.rms(), theirs.rms(), atol=0.05)


def test_masks_are_those_of_sep() -> None:
    image = rng().normal(100, 5, SHAPE).astype(np.float32)
    values = np.where(image > 103, 5, np.where(image < 96, 2, 0))
    for dtype in (np.uint8, np.int32, np.float32, np.float64):
        for threshold in (0.0, 1.0, 2.0, 4.0):
            original = pytest.importorskip("sep")
            theirs = original.Background(image, values.astype(dtype), threshold)
            ours = sep.Background(image, values.astype(dtype), threshold)
            assert ours.globalback == pytest.approx(theirs.globalback, abs=0.01)
    unknown = np.where(image > 103, np.nan, 0)
    for mask in (unknown, image > 103, (image > 103).tolist()):
        assert sep.Background(image, mask).globalback == sep.Background(image, image > 103).globalback
    masked = np.ma.array(image, mask=image > 103)
    assert sep.Background(masked).globalback == sep.Background(image, image > 103).globalback
    both = sep.Background(masked, image < 96)
    assert both.globalback == sep.Background(image, (image < 96) | (image > 103)).globalback


def test_arrays_of_any_kind() -> None:
    image = np.round(rng().normal(1000, 30, SHAPE))
    wanted = sep.Background(image)
    kinds = {
        "<f4": "f4",
        ">f4": "f4",
        ">f8": "f8",
        "f2": "f4",
        "g": "f8",
        "<i4": "i4",
        ">i4": "i4",
        "i2": "f8",
        "u2": "f4",
        "i8": "f8",
    }
    for given, expected in kinds.items():
        got = sep.Background(image.astype(given))
        assert got.back().dtype == got.rms().dtype == expected, given
        assert got.globalback == wanted.globalback, given
    wide = np.zeros((2 * SHAPE[0], 3 * SHAPE[1]))
    wide[::2, ::3] = image
    for same in (np.asfortranarray(image), wide[::2, ::3], image.tolist()):
        np.testing.assert_array_equal(sep.Background(same).back(), wanted.back())
    assert sep.Background(image[::-1]).globalback == sep.Background(image[::-1].copy()).globalback


def test_images_in_other_types() -> None:
    image = rng().normal(-3, 20, SHAPE)
    bkg = sep.Background(image.astype(np.float32))
    for dtype in ("f4", "f8", ">f4", "f2", "g"):
        assert bkg.back(dtype).dtype == dtype
        np.testing.assert_allclose(bkg.back(dtype).astype(float), bkg.back("f8"), rtol=2e-3)
    np.testing.assert_array_equal(bkg.back("i4"), np.rint(bkg.back("f8")))
    np.testing.assert_array_equal(np.asarray(bkg), bkg.back())
    assert np.array(bkg, dtype="f8", copy=True).dtype == np.float64
    assert bkg.back(copy=True) is not bkg.back(copy=True)
    with pytest.raises(InvalidParameterError, match=r"values are from .* and uint8 holds 0 to 255"):
        bkg.back("u1")
    with pytest.raises(InvalidParameterError, match="dtype is complex128"):
        bkg.back(complex)


def test_subtraction_is_that_of_sep() -> None:
    image = rng().normal(100, 20, SHAPE).astype(np.float32)
    theirs, ours = pair(image, None)
    for dtype in ("f4", "f8", "i4", ">f4"):
        given = image.astype(dtype)
        assert (given - ours).dtype == (given - theirs).dtype
        np.testing.assert_allclose(given - ours, given - theirs, atol=0.05)
    for dtype in ("f4", "f8", "i4"):
        mine, other = image.astype(dtype), image.astype(dtype)
        assert ours.subfrom(mine) is None
        theirs.subfrom(other)
        np.testing.assert_allclose(mine, other, atol=0.05)
    for form in (lambda a: a.astype(">f4"), np.asfortranarray, lambda a: a.astype("f2"), lambda a: a.astype("i2")):
        mine = form(image)
        ours.subfrom(mine)
        np.testing.assert_allclose(mine.astype(float), form(image).astype(float) - ours.back(), atol=0.51)
    np.testing.assert_allclose((ours - image), -(image - ours))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda b: b.subfrom([1.0]), WrongTypeError, "an array is needed"),
        (lambda b: b.subfrom(np.zeros((3, 4))), LengthError, r"data has shape \(3, 4\)"),
        (lambda b: b.subfrom(np.zeros(SHAPE, np.uint16)), InvalidParameterError, "data has dtype uint16"),
        (lambda b: b.subfrom(np.full(SHAPE, -128, np.int8)), InvalidParameterError, "int8 holds -128 to 127"),
        (lambda b: 1 - b, WrongTypeError, "an array is needed"),
        (lambda b: np.zeros((3, 4)) - b, ValueError, "broadcast"),
        (lambda b: sep.Background(np.zeros(5)), InvalidParameterError, r"shape \(5,\)"),
        (lambda b: sep.Background(np.zeros((0, 5))), InvalidParameterError, "no pixels"),
        (lambda b: sep.Background(np.zeros((5, 5), complex)), InvalidParameterError, "dtype complex128"),
        (lambda b: sep.Background(None), InvalidParameterError, "dtype object"),
        (lambda b: sep.Background(np.zeros((5, 5)), np.zeros((5, 4))), LengthError, r"mask has shape \(5, 4\)"),
        (lambda b: sep.Background(np.zeros((5, 5)), [["a"] * 5] * 5), InvalidParameterError, "mask has dtype"),
        (lambda b: sep.Background(np.zeros((5, 5)), bw=0), InvalidParameterError, "bw is 0"),
        (lambda b: sep.Background(np.zeros((5, 5)), bh=-3), InvalidParameterError, "bh is -3"),
        (lambda b: sep.Background(np.zeros((5, 5)), bw=2.5), WrongTypeError, "bw: 2.5"),
        (lambda b: sep.Background(np.zeros((5, 5)), fw=-1), InvalidParameterError, "fw is -1"),
        (lambda b: sep.Background(np.zeros((5, 5)), fthresh=np.nan), InvalidParameterError, "fthresh is nan"),
        (lambda b: sep.Background(np.zeros((5, 5)), fthresh="a"), WrongTypeError, "fthresh: 'a'"),
        (
            lambda b: sep.Background(np.zeros((5, 5)), np.zeros((5, 5)), np.nan),
            InvalidParameterError,
            "maskthresh is nan",
        ),
    ],
)
def test_errors(call: Callable[[sep.Background], Any], error: type[Exception], words: str) -> None:
    bkg = sep.Background(np.full(SHAPE, 3.0))
    with pytest.raises(error, match=words):
        call(bkg)


def test_constant_images_have_a_noise_to_divide_by() -> None:
    bkg = sep.Background(np.full((90, 70), 7.0, np.float32))
    assert (bkg.globalback, bkg.globalrms, bkg.rms().max()) == (7, 1, 0)
    half = rng().normal(7, 2, (60, 120))
    half[:, :80] = 7
    theirs, ours = pair(half, None, bw=20, bh=20, fw=1, fh=1)
    assert ours.globalrms == pytest.approx(theirs.globalrms, rel=1e-3)
    assert repr(ours) == f"Background(6 x 3 boxes over 120 x 60 px, globalback 7, globalrms {ours.globalrms:.6g})"


def test_an_image_without_good_pixels_is_flagged() -> None:
    image = rng().normal(7, 2, (70, 80))
    rare = np.ones(image.shape, bool)
    rare[::3, ::3] = False
    for data, mask in ((image, np.ones(image.shape, bool)), (np.full(image.shape, np.nan), None), (image, rare)):
        with pytest.warns(UserWarning, match="none of the boxes of 64 x 64 pixels, half of the pixels are good"):
            bkg = sep.Background(data, mask)
        for value in (bkg.globalback, bkg.globalrms, bkg.back(), bkg.rms()):
            assert np.isnan(value).all()
        with pytest.raises(InvalidParameterError, match="use a floating type"):
            bkg.back(np.int32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sep.Background(image, np.arange(80) % 8 < 4 + 0 * image)  # half of them are enough


def test_nan_does_not_count() -> None:
    image = rng().normal(7, 2, SHAPE)
    image[3:30, 4:9] = np.nan
    np.testing.assert_array_equal(sep.Background(image).back(), sep.Background(image, np.isnan(image)).back())


def test_other_names_are_those_of_sep(monkeypatch: pytest.MonkeyPatch) -> None:
    original = pytest.importorskip("sep")
    assert sep.extract is original.extract
    assert sep.__version__ == original.__version__
    assert {"Background", "extract", "sum_circle"} <= set(dir(sep))
    assert {name for name in sep._OTHERS if not hasattr(original, name)} == set()
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = sep.no_such_name


def test_other_names_need_sep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sep", None)
    with pytest.raises(ImportError, match=r"extract is that of sep itself.*pip install sep"):
        _ = sep.extract
    with pytest.raises(AttributeError, match=r"no 'no_such_name'.*pip install sep"):
        _ = sep.no_such_name
    assert not hasattr(sep, "__wrapped__")
    assert {"Background", "extract"} <= set(dir(sep))


# Scripts in the style of the tutorial of sep; only the import changes.
DETECT = """
import numpy as np
{}

bkg = sep.Background(data)
results["back"] = bkg.globalback, bkg.globalrms
bkg_image = bkg.back()
bkg_rms = bkg.rms()
data_sub = data - bkg
objects = sep.extract(data_sub, 3.0, err=bkg.globalrms)
flux, fluxerr, flag = sep.sum_circle(data_sub, objects["x"], objects["y"], 3.0, err=bkg.globalrms, gain=1.0)
results["objects"] = objects["x"], objects["y"]
results["flux"] = flux, fluxerr
results["images"] = bkg_image, bkg_rms
"""

MASKED = """
import numpy as np
{}

mask = np.zeros(data.shape, dtype=bool)
mask[50:55] = True
first = sep.Background(data, mask=mask, bw=40, bh=40, fw=3, fh=3)
objects, segmap = sep.extract(data - first, 2.0, err=first.rms(), mask=mask, segmentation_map=True)
bkg = sep.Background(data, mask=mask | (segmap > 0), bw=40, bh=40)
bkg.subfrom(data)
objects = sep.extract(data, thresh=4.0 * bkg.globalrms, minarea=6)
kronrad, krflag = sep.kron_radius(
    data, objects["x"], objects["y"], objects["a"], objects["b"], objects["theta"], 6.0
)
radius, flag = sep.flux_radius(data, objects["x"], objects["y"], 6.0 * objects["a"], 0.5, subpix=5)
results["back"] = bkg.globalback, bkg.globalrms
results["objects"] = objects["x"], objects["y"]
results["radii"] = kronrad, radius
results["images"] = data, np.array(bkg)
"""


@pytest.mark.parametrize("script", [DETECT, MASKED])
def test_scripts_move_over_by_their_import(script: str) -> None:
    pytest.importorskip("sep")
    image = (300 + rng().normal(0, 5, SHAPE) + stars(15, 900)).astype(np.float32)
    found = {}
    for line in ("import sep", "from evensky.compat import sep"):
        found[line] = results = {}
        exec(compile(script.format(line), line, "exec"), {"data": image.copy(), "results": results})
    theirs, ours = found.values()
    assert len(theirs["objects"][0]) > 10
    for name, values in theirs.items():
        for mine, other in zip(ours[name], values, strict=True):
            assert type(mine) is type(other)
            np.testing.assert_allclose(mine, other, rtol=3e-3, atol=0.05, err_msg=name)
