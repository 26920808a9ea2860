"""`evensky.clipped_stats` beside ``astropy.stats.sigma_clipped_stats``."""

from __future__ import annotations

import copy
import itertools
import pickle
import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.stats import sigma_clip, sigma_clipped_stats

import evensky

# Whether astropy and evensky keep the same pixels does not depend on the last bits here: no pixel of the samples lies
# within rounding errors of a limit.
NAMES = ("mean", "median", "std")


def sample(seed: int, shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
    """Return noise with outliers on both sides, and a few values that are not finite if `dtype` has them."""
    rng = np.random.default_rng(seed)
    values = rng.normal(120, 7, shape)
    values += np.where(rng.random(shape) < 0.04, rng.exponential(90, shape), 0)
    values -= np.where(rng.random(shape) < 0.02, rng.exponential(30, shape), 0)
    if np.dtype(dtype).kind == "f":
        for value in (np.nan, np.inf, -np.inf):
            values[rng.random(shape) < 0.01] = value
        return values.astype(dtype)
    return np.clip(np.round(values), 0, 250).astype(dtype)


def check(data: np.ndarray, mask: np.ndarray | None = None, *, axis: Any = None, **options: Any) -> None:
    """Compare with astropy, which sums float32 in float32 unless it is given float64."""
    wide = np.asarray(data, float)
    clipping = {name: value for name, value in options.items() if name not in ("std_ddof", "mask_value")}
    rejected = np.zeros(data.shape, bool) if mask is None else mask
    if "mask_value" in options:
        rejected = rejected | np.isclose(wide, options["mask_value"], rtol=1e-5, atol=0)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        expected = sigma_clipped_stats(wide, mask, axis=axis, **options)
        if axis is None:  # without an axis, pixels never return, as in sigma_clip with masked=False
            number = np.isfinite(sigma_clip(wide[~rejected], masked=False, **clipping)).sum()
        else:
            clipped = sigma_clip(np.ma.array(wide, mask=rejected), axis=axis, masked=True, **clipping)
            number = (~np.ma.getmaskarray(clipped)).sum(axis=axis)
        good = (~rejected & np.isfinite(wide)).sum(axis=axis)
    stats = evensky.clipped_stats(data, mask, axis=axis, **options)
    np.testing.assert_array_equal(stats.number, number)
    np.testing.assert_array_equal(stats.number + stats.rejected, good)
    for name, value in zip(NAMES, expected, strict=True):
        theirs = np.ma.filled(np.ma.asarray(value, float), np.nan)
        # Two pixels may be left whose scatter is 1e-6 of their level.
        np.testing.assert_allclose(getattr(stats, name), theirs, rtol=1e-7, atol=1e-12, err_msg=name)


def combinations() -> Iterator[dict[str, Any]]:
    for maxiters, cenfunc, stdfunc in itertools.product((0, 1, 2, 5, None), ("median", "mean"), ("std", "mad_std")):
        yield {"maxiters": maxiters, "cenfunc": cenfunc, "stdfunc": stdfunc}


WIDTHS: list[dict[str, Any]] = [
    {},
    {"sigma": 2.0},
    {"sigma": 1.2, "std_ddof": 1},
    {"sigma_lower": 4.0, "sigma_upper": 1.7},
    {"sigma": 5, "sigma_upper": 2.2, "std_ddof": 0.5},
]


@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_options(dtype: Any, widths: dict[str, Any]) -> None:
    for seed, options in enumerate(combinations()):
        data = sample(seed, (31, 67), dtype)
        check(data, **options, **widths)
        check(data, axis=0, **options, **widths)
        check(data, axis=1, **options, **widths)
        check(data[:9], sample(seed + 100, (9, 67)) > 122, axis=0, **options, **widths)


@pytest.mark.parametrize(
    "dtype", ["f2", ">f4", ">f8", "u1", "i1", "<i2", ">i2", "<u2", "<i4", ">i4", "u4", "<i8", "u8", "?"]
)
def test_all_types(dtype: str) -> None:
    data = sample(4, (40, 50), np.float64 if "f" in dtype else np.uint8)
    data = (data > 120) if dtype == "?" else (data / 2).astype(dtype)
    mask = sample(5, data.shape) > 130
    for axis in (None, 0, 1, (1, 0)):
        check(data, axis=axis)
        check(data, mask, axis=axis, sigma=2)
        check(data[::-2, ::3], axis=axis)
        check(data[1:, 2:].T, mask[1:, 2:].T, axis=axis)


@pytest.mark.parametrize("shape", [(3000,), (7, 400), (12, 20, 30), (5, 3, 8, 40)])
def test_all_axes(shape: tuple[int, ...]) -> None:
    data = sample(6, shape)
    mask = sample(7, shape) > 135
    for size in range(1, len(shape) + 1):
        for axis in itertools.permutations(range(len(shape)), size):
            given = axis[0] - len(shape) if size == 1 else axis
            check(data, axis=given)
            check(data, mask, axis=given, sigma=2.5, maxiters=None)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 17, 1023, 1025, 5000])
def test_all_sizes(size: int) -> None:
    for seed, options in itertools.product(range(3), ({}, {"stdfunc": "mad_std"}, {"cenfunc": "mean", "sigma": 2})):
        data = sample(seed, (size,))
        check(data, **options)
        check(data.reshape(1, size), axis=0, **options)
        check(data.reshape(size, 1), axis=0, **options)


def test_values_that_do_not_count() -> None:
    data = sample(8, (20, 30), np.float64)
    data[:4] = 0.0
    data[5, :9] = 130.0 * (1 + 8e-6)
    for value in (0.0, 130.0):
        for axis in (None, 0, 1):
            check(data, axis=axis, mask_value=value)
            check(data, data > 125, axis=axis, mask_value=value)
    counts = sample(8, (20, 30), np.int32)
    check(counts, mask_value=120.0)
    nothing = evensky.clipped_stats(np.full((3, 4), np.nan))
    assert np.isnan(nothing).all()
    assert (nothing.number, nothing.rejected) == (0, 0)
    check(np.where(np.arange(12).reshape(3, 4) < 4, np.nan, 1.0), axis=1)
    masked = np.ma.masked_greater(np.where(np.isfinite(data), data, 0), 125)
    assert evensky.clipped_stats(masked) == evensky.clipped_stats(masked.data, masked.mask)


@pytest.mark.parametrize("maker", ["noise", "counts", "gradient", "outliers", "equal", "halves", "lines", "huge"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_images(maker: str, dtype: Any) -> None:
    """Large images are scanned once, by a plan that a sample makes, whatever the sample missed."""
    shape = (700, 911)
    rng = np.random.default_rng(3)
    y, x = np.indices(shape)
    most = 1e39 if dtype is np.float64 else 1e38
    data = {
        "noise": lambda: sample(9, shape, np.float64),
        "counts": lambda: rng.poisson(5, shape).astype(float),
        "gradient": lambda: sample(10, shape, np.float64) + 0.3 * x + (y / 20.0) ** 2,
        "outliers": lambda: rng.normal(size=shape) + np.where(rng.random(shape) < 1e-5, 1e6, 0),
        "equal": lambda: np.full(shape, 0.1),
        "halves": lambda: rng.normal(size=shape) + 50.0 * (y > 350),
        "lines": lambda: rng.normal(size=shape) * np.where(y % 7 == 3, 1, 40),
        "huge": lambda: np.where(rng.random(shape) < 1e-4, most, rng.normal(size=shape)),
    }[maker]().astype(dtype)
    # The plan depends on the values, and the types have kernels of their own: each of them has half of the options.
    if dtype is np.float32:
        check(data, sigma=1.5, maxiters=None)
        check(data, cenfunc="mean", maxiters=2)
        check(data, rng.random(shape) < 0.3)
    else:
        check(data)
        check(data, sigma_upper=2.0)
        check(data[:, ::-2])


def test_any_number_of_threads_gives_the_same() -> None:
    data = sample(11, (800, 700))
    cube = data.reshape(20, 40, 700)
    for axis, values in ((None, data), (0, cube), (2, cube)):
        one = evensky.clipped_stats(values, axis=axis, num_threads=1)
        for number in (2, 3, 8):
            other = evensky.clipped_stats(values, axis=axis, num_threads=number)
            for name in (*NAMES, "number", "rejected"):
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_pieces_do_not_change_results(monkeypatch: pytest.MonkeyPatch) -> None:
    cube = sample(12, (6, 50, 40), np.int32)
    mask = sample(13, cube.shape) > 130
    for axis in (0, 2, (0, 2), 1):
        whole = evensky.clipped_stats(cube, mask, axis=axis)
        monkeypatch.setattr("evensky.calls.clipped_stats._PIECE", 700)
        pieces = evensky.clipped_stats(cube, mask, axis=axis)
        monkeypatch.undo()
        for name in (*NAMES, "number", "rejected"):
            np.testing.assert_array_equal(getattr(whole, name), getattr(pieces, name))


def test_units_and_objects() -> None:
    data = sample(14, (20, 30))
    stats = evensky.clipped_stats(data * units.adu)
    assert stats.mean == evensky.clipped_stats(data).mean * units.adu
    along = evensky.clipped_stats(data * units.adu, axis=0)
    assert along.std.unit == units.adu
    assert along.std.shape == (30,)
    bits = np.where(data > 130, 4, 0).astype(np.int32)
    assert evensky.clipped_stats(data, bits, bad_planes=4) == evensky.clipped_stats(data, data > 130)
    assert evensky.clipped_stats(data, bits, bad_planes=2) == evensky.clipped_stats(data)
    image = evensky.image.MaskedImageF(evensky.image.ImageF(data))
    assert evensky.clipped_stats(image) == evensky.clipped_stats(data)
    assert "clipped statistics" in stats._repr_html_()
    assert "rejected=" in repr(stats)


def test_threads_of_python_go_on() -> None:
    data = sample(15, (2000, 2000))
    ticks = []
    done = threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.0005)

    thread = threading.Thread(target=tick)
    thread.start()
    start = time.perf_counter()
    for _ in range(3):
        evensky.clipped_stats(data, stdfunc="mad_std")
    end = time.perf_counter()
    done.set()
    thread.join()
    assert sum(start < tick < end for tick in ticks) > 3


@pytest.mark.parametrize("stdfunc", ["std", "mad_std"])
@pytest.mark.parametrize("options", [{}, {"axis": 0}, {"axis": 1}])
def test_a_window_of_infinite_width_rejects_nothing(stdfunc: str, options: dict[str, Any]) -> None:
    # Most pixels are equal, so that their scatter is 0; astropy loses them all unless there is an axis.
    values = np.full((64, 70), 5.0)
    values[3, 4] = 9.0
    result = evensky.clipped_stats(values, sigma=np.inf, stdfunc=stdfunc, **options)
    assert not np.any(result.rejected)
    np.testing.assert_allclose(result.mean, values.mean(**options))
    one_sided = evensky.clipped_stats(values, sigma_upper=np.inf, sigma_lower=3, stdfunc="mad_std", **options)
    np.testing.assert_allclose(one_sided.mean, values.mean(**options))


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("axis", [None, 0])
def test_a_mask_value_that_no_finite_pixel_has_rejects_nothing(value: float, axis: int | None) -> None:
    result = evensky.clipped_stats(np.ones((5, 6), np.float32), mask_value=value, axis=axis)
    assert np.all(result.number == (30 if axis is None else 5))
    np.testing.assert_array_equal(result.mean, 1.0)


@pytest.mark.parametrize("options", [{}, {"axis": 0}, {"axis": 1}])
@pytest.mark.parametrize("cenfunc", ["median", "mean"])
def test_values_whose_squares_are_beyond_float64(cenfunc: str, options: dict[str, Any]) -> None:
    row = np.tile([1e200, 2e200, -1e200, 3e200, 1.5e200], 20)
    data = np.stack([np.roll(row, shift) for shift in range(5)])
    with np.errstate(over="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mean, median, std = sigma_clipped_stats(data, cenfunc=cenfunc, **options)
    stats = evensky.clipped_stats(data, cenfunc=cenfunc, **options)
    np.testing.assert_allclose(stats.mean, mean, rtol=1e-12)
    np.testing.assert_array_equal(stats.median, median)
    np.testing.assert_array_equal(stats.std, std)
    assert np.all(np.isinf(stats.std))
    assert not np.any(stats.rejected)


def test_results_are_copied_with_all_attributes() -> None:
    stats = evensky.clipped_stats([1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 500.0])
    assert (stats.number, stats.rejected) == (12, 1)
    for other in (stats._replace(mean=7.0), pickle.loads(pickle.dumps(stats)), copy.deepcopy(stats)):
        assert type(other) is type(stats)
        assert (other.median, other.number, other.rejected) == (stats.median, 12, 1)
    assert stats._replace(mean=7.0, number=3)[0] == 7.0
    assert stats._replace(number=3).number == 3
    with pytest.raises(ValueError, match="colour"):
        stats._replace(colour=1)


def test_an_axis_may_be_an_array() -> None:
    data = sample(16, (6, 7))
    for axis in (np.array(0), np.int64(0), np.array([0])):
        np.testing.assert_array_equal(evensky.clipped_stats(data, axis=axis), evensky.clipped_stats(data, axis=0))


@pytest.mark.parametrize("axis", [None, 0, (0, 1), -1])
@pytest.mark.parametrize(("grow", "options"), [(1, {}), (1.5, {"maxiters": 1}), (2.3, {"cenfunc": "mean", "sigma": 2})])
def test_neighbours_of_rejected_pixels_are_rejected(axis: Any, grow: float, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(7)
    cube = rng.normal(100, 2, (12, 15, 40)).astype(np.float32)
    cube.flat[rng.integers(0, cube.size, 40)] += 80
    cube[3, 4, 5] = np.nan
    mask = rng.random(cube.shape) < 0.05
    given = {"mask": mask, "axis": axis, "grow": grow, "mask_value": float(cube[0, 0, 0]), **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = sigma_clipped_stats(cube.astype(np.float64), **given)
    got = evensky.clipped_stats(cube, **given)
    for ours, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    plain = evensky.clipped_stats(cube, **(given | {"grow": False}))
    assert np.sum(got.rejected) > np.sum(plain.rejected)
    np.testing.assert_array_equal(got.number + got.rejected, plain.number + plain.rejected)


def test_a_huge_radius_takes_no_memory() -> None:
    values = np.array([*np.linspace(-1, 1, 22), 1e6])
    assert evensky.clipped_stats(values, grow=1e12).rejected == values.size
    assert evensky.clipped_stats(values[:-1], grow=1e12).rejected == 0
    image = np.random.default_rng(1).uniform(0, 1, (300, 400))
    image[7, 9], image[8, 20] = 50, np.nan
    assert evensky.clipped_stats(image, grow=1e12).number == 0
    assert evensky.clipped_stats(image, axis=1, grow=1e12).number.tolist() == [*[400] * 7, 0, 399, *[400] * 291]
