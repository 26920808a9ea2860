"""The library compared with its slow reference implementation, on images that Hypothesis generates."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import evensky.errors as errors
import evensky.math as afwMath
from reference import background as twin_background
from reference import interpolate as twin_interpolate
from reference import statistics as twin_statistics

DTYPES = [np.float32, np.float64, np.int32, np.uint16, np.uint64]
# Sums, whose order is not the twin's; all other values must be equal.
SUMS = {"SUM", "MEAN", "STDEV", "VARIANCE", "MEANSQUARE", "MEANCLIP", "STDEVCLIP", "VARIANCECLIP"}


def examples(number: int) -> Any:
    """Return settings for a number of examples, the same each time; EVENSKY_EXAMPLES_FACTOR gives more and new ones.

    There are no time limits, as machines differ.
    """
    factor = os.environ.get("EVENSKY_EXAMPLES_FACTOR")
    return settings(
        max_examples=number * int(factor or 1),
        derandomize=factor is None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )


@st.composite
def images(draw: st.DrawFn) -> dict[str, Any]:
    """Draw an image of any type, layout and byte order, with optional planes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    height, width = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    level, scatter = draw(st.sampled_from([(0, 1), (1000, 10), (30_000, 3), (50, 0), (5, 2), (20_000, 4000)]))
    pixels = rng.normal(level, scatter, (height, width))
    if dtype.kind != "f":
        pixels = np.abs(np.rint(pixels))
    elif draw(st.booleans()):
        pixels[rng.random(pixels.shape) < draw(st.sampled_from([0.02, 0.5, 1.0]))] = np.nan
        pixels[rng.random(pixels.shape) < 0.02] = np.inf
    array = pixels.astype(dtype)
    layout = draw(st.sampled_from(["plain", "fortran", "strided", "reversed", "swapped"]))
    if layout == "fortran":
        array = np.asfortranarray(array)
    elif layout == "strided":
        array = np.repeat(np.repeat(array, 2, axis=0), 3, axis=1)[::2, ::3]
    elif layout == "reversed":
        array = np.ascontiguousarray(array[::-1, ::-1])[::-1, ::-1]
    elif layout == "swapped":
        array = array.astype(dtype.newbyteorder("S"))
    found: dict[str, Any] = {"image": array}
    if draw(st.booleans()):
        found["mask"] = (rng.integers(0, 16, array.shape) * (rng.random(array.shape) < 0.3)).astype(np.int32)
    if draw(st.booleans()):
        found["variance"] = rng.choice([0.0, 1.0, 2.0, 5.0], array.shape).astype(np.float32)
    return found


@st.composite
def controls(draw: st.DrawFn) -> tuple[twin_statistics.Control, afwMath.StatisticsControl]:
    """Draw the same control for the library and for the reference implementation."""
    twin = twin_statistics.Control(
        num_sigma_clip=draw(st.sampled_from([1.0, 2.0, 3.0, 5.0])),
        num_iter=draw(st.integers(1, 4)),
        and_mask=draw(st.sampled_from([0, 1, 6, 15])),
        thresholds=draw(st.dictionaries(st.integers(0, 3), st.sampled_from([0.0, 0.1, 0.5]), max_size=2)),
    )
    ours = afwMath.StatisticsControl(twin.num_sigma_clip, twin.num_iter, twin.and_mask)
    for bit, threshold in twin.thresholds.items():
        ours.setMaskPropagationThreshold(bit, threshold)
    return twin, ours


def assert_statistics(got: afwMath.Statistics, want: dict[str, tuple[float, float]], image: np.ndarray) -> None:
    finite = np.abs(image[np.isfinite(image)].astype(np.float64))
    largest = float(finite.max()) if finite.size else 1.0
    assert set(want) == {one.name for one in afwMath.Property} - {"ERRORS"}  # all are compared
    for name, (value, error) in want.items():
        got_value, got_error = got.getResult(afwMath.stringToStatisticsProperty(name))
        power = 2 if name in ("VARIANCE", "VARIANCECLIP", "MEANSQUARE") else 1
        scale = max(largest**power, 1e-30) * (image.size if name == "SUM" else 1)
        for one, other in ((value, got_value), (error, got_error)):
            if np.isnan(one):
                assert np.isnan(other), (name, one, other)
            elif name not in SUMS and one is value:
                assert other == one, name
            else:
                # Square roots of a scatter that consists of rounding errors are not compared.
                tolerance = 1e-12 * max(abs(one), scale) + (1e-7 * largest if abs(one) < 1e-7 * largest else 0.0)
                assert abs(other - one) <= tolerance, (name, one, other)


# Every row of the core's table of statistics.
ALL = afwMath.NOTHING
for _property in afwMath.Property:
    ALL |= _property


def clipping_is_decided(planes: dict[str, Any], twin: twin_statistics.Control, weights: Any = None) -> bool:
    """Return whether no pixel is so near a clipping limit that rounding decides on which side it is."""
    results = []
    for nudge in (1 - 1e-9, 1 + 1e-9):
        other = twin_statistics.Control(**{**twin.__dict__, "num_sigma_clip": twin.num_sigma_clip * nudge})
        results.append(twin_statistics.statistics(**planes, weights=weights, control=other)["NCLIPPED"])
    return bool(results[0] == results[1])


@examples(300)
@given(planes=images(), both=controls(), mode=st.sampled_from(["plain", "weighted", "input variance", "mosaic"]))
def test_statistics(planes: dict[str, Any], both: tuple[twin_statistics.Control, Any], mode: str) -> None:
    twin, ours = both
    if mode != "plain":
        assume("variance" in planes)
    if mode == "weighted":
        twin.weighted = True
        ours.setWeighted(True)
    elif mode == "input variance":
        twin.errors_from_variance = True
        ours.setCalcErrorFromInputVariance(True)
    elif mode == "mosaic":
        twin.mosaic_mode = True
        ours.setCalcErrorMosaicMode(True)
    assume(clipping_is_decided(planes, twin))
    want = twin_statistics.statistics(**planes, control=twin)
    from evensky import _core
    from evensky.image import as_planes

    native = as_planes(planes["image"]).image
    got = _core.makeStatistics(native, planes.get("mask"), planes.get("variance"), None, int(ALL), ours)
    assert_statistics(got, want, planes["image"])


@examples(150)
@given(planes=images(), both=controls(), seed=st.integers(0, 2**32 - 1))
def test_weights(planes: dict[str, Any], both: tuple[twin_statistics.Control, Any], seed: int) -> None:
    twin, ours = both
    planes = {name: plane for name, plane in planes.items() if name != "variance"}
    weights = np.random.default_rng(seed).choice([0.25, 1.0, 3.0], planes["image"].shape).astype(np.float32)
    assume(clipping_is_decided(planes, twin, weights))
    want = twin_statistics.statistics(**planes, weights=weights, control=twin)
    got = afwMath.makeStatistics(planes["image"], mask=planes.get("mask"), weights=weights, flags=int(ALL), sctrl=ours)
    assert_statistics(got, want, planes["image"])


@examples(300)
@given(
    style=st.sampled_from(sorted(twin_interpolate.MIN_POINTS)),
    points=st.integers(0, 12),
    seed=st.integers(0, 2**32 - 1),
    flat=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_interpolate(style: str, points: int, seed: int, flat: float) -> None:
    rng = np.random.default_rng(seed)
    x = np.cumsum(rng.uniform(0.5, 3, points))
    # Akima's formula divides by zero in runs of equal values or equal slopes.
    y = np.where(rng.random(points) < flat, 2.0, np.rint(rng.normal(0, 5, points) * 8) / 8)
    if style == "CUBIC_SPLINE_PERIODIC" and points:
        y[-1] = y[0]
    if points < twin_interpolate.MIN_POINTS[style]:
        with pytest.raises(errors.OutOfRangeError, match=f"{style}.* {points}$"):
            afwMath.makeInterpolate(x, y, style)
        return
    low, high = x[0] - 5, x[-1] + 5
    xs = np.concatenate([rng.uniform(low, high, 50), x, [np.nan]])
    ours = afwMath.makeInterpolate(x, y, style)
    want, got = twin_interpolate.interpolant(x, y, style)(xs), ours.interpolate(xs)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(xs))
    largest = max(1.0, np.abs(y).max(), np.nanmax(np.abs(want)))
    assert np.nanmax(np.abs(got - want)) <= 1e-9 * largest


@examples(80)
@given(
    seed=st.integers(0, 2**32 - 1),
    nx=st.integers(1, 8),
    ny=st.integers(1, 8),
    style=st.sampled_from(["CONSTANT", "LINEAR", "NATURAL_SPLINE", "AKIMA_SPLINE"]),
    prop=st.sampled_from(["MEAN", "MEDIAN", "MEANCLIP"]),
    holes=st.sampled_from([0.0, 0.3]),
)
def test_background(seed: int, nx: int, ny: int, style: str, prop: str, holes: float) -> None:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(8, 50, 2)
    image = rng.normal(100, 5, (height, width)).astype(np.float32)
    mask = (rng.random(image.shape) < 0.1).astype(np.int32)
    xs, ys = twin_background.bin_edges(width, nx), twin_background.bin_edges(height, ny)
    for j in range(ny):
        for i in range(nx):
            if rng.random() < holes:
                mask[ys[j] : ys[j + 1], xs[i] : xs[i + 1]] = 1
    values, _ = twin_background.stats_image(image, mask, nx, ny, prop, twin_statistics.Control(and_mask=1))
    control = afwMath.BackgroundControl(
        style, nx, ny, "REDUCE_INTERP_ORDER", afwMath.StatisticsControl(andMask=1), prop
    )
    from evensky.image import ImageF, Mask, MaskedImageF

    ours = afwMath.makeBackground(MaskedImageF(ImageF(image), Mask(mask)), control)
    np.testing.assert_allclose(ours.getStatsImage().image.array, values, rtol=2e-7)
    want, got = twin_background.model(values, width, height, style), ours.getImageF().array
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    if np.isfinite(want).any():
        largest = np.nanmax(np.abs(want))
        assert np.nanmax(np.abs(got - want)) <= 4e-7 * largest


@examples(80)
@given(seed=st.integers(0, 2**32 - 1), order=st.integers(0, 5), weighting=st.booleans(), holes=st.booleans())
def test_approximate(seed: int, order: int, weighting: bool, holes: bool) -> None:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(60, 120, 2)
    image = rng.normal(100, 5, (height, width)).astype(np.float32)
    if holes:
        image[:10, :10] = np.nan
    background = afwMath.makeBackground(image, afwMath.BackgroundControl(9, 8, prop="MEAN"))
    values, _, sigma = background.getStatsImage().getArrays()
    actrl = afwMath.ApproximateControl(afwMath.ApproximateControl.CHEBYSHEV, order, -1, weighting)
    got = background.getApproximate(actrl).getImage().array
    weights = 1.0 / sigma.astype(float) if weighting else np.ones(values.shape)
    want = twin_background.chebyshev(values, weights, int(width), int(height), order)
    assert np.max(np.abs(got - want)) <= 4e-7 * np.abs(want).max()
