"""MAD, the scaled median absolute deviation, compared with its definition."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy import units
from click.testing import CliRunner

import evensky
import evensky.image as afwImage
import evensky.math as afwMath
from evensky import _core
from evensky.cli import main
from evensky.errors import InvalidParameterError
from reference import statistics as twin

RNG = np.random.default_rng(20)
DTYPES = [np.float32, np.float64, np.int32, np.uint16, np.uint64]
# Images of a few pixels, images that are packed in memory, and images that are read block by block.
SHAPES = [(1, 2), (3, 5), (31, 33), (64, 65), (300, 301), (700, 701)]


def mad(*args: object, **kwargs: object) -> float:
    return afwMath.makeStatistics(*args, "MAD", **kwargs).getValue()


def by_definition(values: np.ndarray) -> float:
    """Compute MAD from the median as MEDIAN defines it, which interpolates between integers."""
    ordered = np.sort(values.ravel())
    middle = twin.quantile(ordered, 0.5)
    return float(1.482602218505602 * twin.quantile(np.sort(np.abs(ordered.astype(np.float64) - middle)), 0.5))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("level", "scatter"), [(1000, 20), (30_000, 0.6), (7, 3), (50, 0)])
def test_as_defined(shape: tuple[int, int], dtype: type, level: float, scatter: float) -> None:
    image = np.abs(RNG.normal(level, scatter, shape) + np.linspace(0, 4 * scatter, shape[1])).astype(dtype)
    assert mad(image) == by_definition(image)
    assert mad(np.repeat(image, 2, axis=1)[:, ::2]) == by_definition(image)
    assert mad(np.asfortranarray(image)[::-1]) == by_definition(image)


@pytest.mark.parametrize("make", [lambda n: np.exp(RNG.normal(0, 2, n)), lambda n: RNG.choice([0.0, 5.0, 10.0], n)])
@pytest.mark.parametrize("size", [2_000, 100_000, 400_000])
def test_of_any_distribution(make: Callable[[int], np.ndarray], size: int) -> None:
    for dtype in (np.float32, np.float64):
        image = make(size).astype(dtype).reshape(100, -1)
        assert mad(image) == by_definition(image)
        image.sort()
        assert mad(image) == by_definition(image)
        # A level that occurs in few blocks only.
        image[:3] += 1e6
        assert mad(image) == by_definition(image)


@pytest.mark.parametrize("shape", [(40, 50), (600, 900)])
def test_only_good_pixels_count(shape: tuple[int, int]) -> None:
    image = RNG.normal(100, 5, shape).astype(np.float32)
    image[RNG.random(shape) < 0.1] = np.nan
    image[0, 0] = np.inf
    bits = np.where(RNG.random(shape) < 0.2, 4, 0).astype(np.int32)
    bits[RNG.random(shape) < 0.2] |= 1
    control = afwMath.StatisticsControl(andMask=4)
    good = image[(bits & 4 == 0) & np.isfinite(image)]
    assert mad(image, afwImage.Mask(bits), sctrl=control) == by_definition(good)
    assert mad(np.ma.MaskedArray(image, bits & 4 != 0)) == by_definition(good)
    # Weights are not used, and neither is a variance that is not > 0.
    weights = RNG.uniform(0, 3, shape).astype(np.float32)
    assert mad(image, mask=afwImage.Mask(bits), weights=weights, sctrl=control) == by_definition(good)
    masked = afwImage.MaskedImageF(afwImage.ImageF(image), afwImage.Mask(bits), afwImage.ImageF(weights - 1))
    control.setWeighted(True)
    assert mad(masked, sctrl=control) == by_definition(good)
    # A NaN that is not rejected makes all statistics NaN.
    control.setNanSafe(False)
    control.setWeighted(False)
    assert np.isnan(mad(image, sctrl=control))


def test_edges() -> None:
    for dtype in DTYPES:
        assert mad(np.full((1, 1), 7, dtype)) == 0.0
        assert mad(np.full((50, 50), 7, dtype)) == by_definition(np.full(2500, 7, dtype))
    assert np.isnan(mad(np.full((3, 3), np.nan)))
    assert mad([1.0, 2.0, 4.0]) == 1.482602218505602
    assert mad(np.array([[-3e38, 3e38, 3e38]], np.float32)) == 0.0
    assert mad(np.array([[-3e38, 0.0, 3e38]], np.float32)) == pytest.approx(1.4826022 * 3e38)
    infinite = afwMath.StatisticsControl()
    infinite.setNanSafe(False)
    assert np.isnan(mad(np.array([1.0, np.inf, np.inf]), sctrl=infinite))
    assert mad(np.array([1.0, 2.0, 4.0, 5.0, np.inf]), sctrl=infinite) == 2 * 1.482602218505602
    with pytest.raises(InvalidParameterError, match="NPOINT and SUM only"):
        afwMath.makeStatistics(afwImage.Mask(3, 3), afwMath.MAD)


def test_its_error_is_unknown() -> None:
    stats = afwMath.makeStatistics([1.0, 2.0, 4.0], afwMath.MAD | afwMath.IQRANGE | afwMath.ERRORS)
    assert np.isnan(stats.getError(afwMath.MAD))
    assert np.isnan(stats.getError(afwMath.IQRANGE))
    assert "MAD=1.48" in repr(stats)
    assert int(afwMath.MAD) > 0xFFFF_FF  # beyond the bits that are used by the original or reserved for it


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16])
def test_the_same_for_any_number_of_threads_and_beside_others(dtype: type) -> None:
    image = RNG.normal(1000, 20, (900, 1000)).astype(dtype)
    one = mad(image, num_threads=1)
    assert [mad(image, num_threads=n) for n in (2, 3, 8)] == [one] * 3
    everything = afwMath.makeStatistics(image, sum(afwMath.Property))
    assert everything.getValue(afwMath.MAD) == one
    for other in (afwMath.MEDIAN, afwMath.IQRANGE, afwMath.MEANCLIP):
        assert afwMath.makeStatistics(image, other).getValue() == everything.getValue(other)


def test_of_bins() -> None:
    image = RNG.normal(100, 5, (120, 160)).astype(np.float32)
    grid = afwMath.makeBackground(image, afwMath.BackgroundControl(4, 3, afwMath.StatisticsControl(), "MAD"))
    values = grid.getStatsImage().image.array
    for j, i in np.ndindex(values.shape):
        part = image[40 * j : 40 * j + 40, 40 * i : 40 * i + 40]
        assert values[j, i] == np.float32(by_definition(part))
    # A match needs errors, which MAD does not have.
    options = _core.PairOptions()
    options.gridStatistic, options.binSize = afwMath.MAD, 40
    planes = (image, None, None)
    with pytest.raises(InvalidParameterError, match="gridStatistic"):
        _core.matchBackgrounds(planes, planes, image.copy(), 0, 0, options)


def test_image_statistics_has_it() -> None:
    values = RNG.normal(100, 5, (3, 40, 50))
    values[0, 0, :9] = np.nan
    expected = by_definition(values[np.isfinite(values)])
    stats = evensky.image_statistics(values)
    assert stats.mad_std == expected
    assert f"mad_std={expected:.8g}" in repr(stats)
    assert f"<td>mad_std</td><td>{expected:.6g}</td>" in stats._repr_html_()
    quantity = evensky.image_statistics(values * units.adu).mad_std
    assert quantity == expected * units.adu
    assert np.isnan(evensky.image_statistics([np.nan]).mad_std)
    mean, median, std = stats
    assert (mean, median, std) == (stats.mean, stats.median, stats.std)


def test_on_the_command_line(tmp_path: Path) -> None:
    image = afwImage.ExposureF(30, 20)
    image.maskedImage.image.array[...] = RNG.normal(100, 5, (20, 30))
    image.writeFits(str(tmp_path / "image.fits"))
    done = CliRunner().invoke(main, ["stats", str(tmp_path / "image.fits"), "-p", "MAD"])
    assert done.exit_code == 0, done.output
    expected = by_definition(image.maskedImage.image.array)
    assert done.output.splitlines()[-1].split() == ["MAD", f"{expected:.10g}"]
