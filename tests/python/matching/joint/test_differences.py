"""Differences of exposures in bins, and their noise."""

from __future__ import annotations

import numpy as np
import pytest

from evensky import _core
from evensky.errors import InvalidParameterError, LengthError
from evensky.matching.joint.differences import Differences, PairBins, coverage_of, measure_pair
from evensky.matching.joint.grid import CommonGrid
from evensky.matching.joint.pixels import Pixels


def options() -> _core.PairOptions:
    made = _core.PairOptions()
    made.gridStatistic = _core.Property.MEAN
    return made


def test_noise_is_given_to_whom_it_belongs() -> None:
    rng = np.random.default_rng(4)
    sigmas = (3.0, 10.0, 6.0)
    images = [rng.normal(0, sigma, (200, 200)) for sigma in sigmas]
    pixels = [Pixels(image, None, 0, (0, 0, 200, 200)) for image in images]
    grid = CommonGrid(25)
    pairs = [(0, 1), (0, 2), (1, 2)]
    bins = [measure_pair((i, pixels[i]), (j, pixels[j]), grid, options()) for i, j in pairs]
    differences = Differences(3, [one for one in bins if one is not None])
    for exposure, sigma in enumerate(sigmas):
        variance = differences.node_variance[differences.nodes_of(exposure)]
        assert np.sqrt(np.median(variance)) == pytest.approx(sigma / 25, rel=0.1)
    # A satellite in one exposure increases the scatter of pixels in its bins.
    images[1][30:40] += 500
    bins = [measure_pair((i, pixels[i]), (j, pixels[j]), grid, options()) for i, j in pairs]
    odd = Differences(3, [one for one in bins if one is not None])
    assert odd.node_odd[odd.nodes_of(1)].sum() == 8


def test_coverage() -> None:
    image = np.full((100, 100), 5.0)
    image[:, :40] = np.nan
    image[:20] += 3
    image[30, 50:60] = 1e4  # a star
    found = coverage_of(Pixels(image, None, 0, (0, 0, 100, 100)), CommonGrid(20))
    assert found.bins.size == 15
    assert found.counts.tolist() == [400] * 15
    assert found.levels.tolist() == [8.0] * 3 + [5.0] * 12


def test_pixels_of_whole_counts() -> None:
    rng = np.random.default_rng(3)
    sigma, levels = 0.35, (650.1, 650.4, 650.8)
    images = [np.rint(rng.normal(level, sigma, (256, 256))).astype(np.float32) for level in levels]
    pixels = [Pixels(image, None, 0, (0, 0, 256, 256)) for image in images]
    grid, clipped = CommonGrid(32), options()
    clipped.gridStatistic = _core.Property.MEANCLIP
    assert coverage_of(pixels[0], grid).quantum == 1
    bins = [measure_pair((i, pixels[i]), (j, pixels[j]), grid, clipped) for i, j in ((0, 1), (0, 2), (1, 2))]
    measured = [pair for pair in bins if pair is not None]
    for pair in measured:
        assert pair.quanta == (1.0, 1.0)
        # Rounding shifts the mean by up to 0.03 counts at this noise; a window without a least width leaves 0.3.
        wrong = pair.values.mean() - (levels[pair.first] - levels[pair.second])
        assert abs(wrong) < 0.07
    differences = Differences(3, measured)
    assert differences.quantum.tolist() == [1.0, 1.0, 1.0]
    assert differences.pixel_noise == pytest.approx(np.sqrt(sigma**2 + 1 / 12), rel=0.15)
    # Errors of bins include the shift, which many pixels do not reduce.
    assert np.sqrt(differences.node_variance.min()) > 0.015


def test_pixels_of_a_fine_step_are_measured_as_any_others() -> None:
    rng = np.random.default_rng(3)
    images = [np.rint(rng.normal(650, 10, (128, 128))).astype(np.float32) for _ in range(2)]
    pixels = [Pixels(image, None, 0, (0, 0, 128, 128)) for image in images]
    clipped = options()
    clipped.gridStatistic = _core.Property.MEANCLIP
    pair = measure_pair((0, pixels[0]), (1, pixels[1]), CommonGrid(32), clipped)
    assert isinstance(pair, PairBins)
    plain = _core.PairOptions()
    plain.gridStatistic, plain.numIter = _core.Property.MEANCLIP, clipped.numIter
    edges = np.arange(0, 129, 32)
    values = _core.bin_differences((images[0], None), (images[1], None), edges, edges, plain)[0]
    assert pair.values.tolist() == np.asarray(values).ravel().tolist()
    assert Differences(2, [pair]).quantum.tolist() == [0.0, 0.0]


def test_arguments_that_the_core_refuses() -> None:
    image = np.zeros((20, 30), np.float32)
    good = ((image, None), (image, None))
    with pytest.raises(InvalidParameterError, match=r"x_edges reaches from 0 to 31; it must be within 0 to 30"):
        _core.bin_differences(*good, [0, 31], [0, 20], options())
    with pytest.raises(InvalidParameterError, match=r"y_edges has 5 after 10"):
        _core.bin_differences(*good, [0, 30], [0, 10, 5], options())
    with pytest.raises(LengthError, match="20 x 20 but the reference is 30 x 20"):
        _core.bin_differences((image, None), (image[:, :20], None), [0, 20], [0, 20], options())
    with pytest.raises(InvalidParameterError, match="science image of int32; both must be of float64"):
        _core.bin_differences((image, None), (image.astype(np.int32), None), [0, 20], [0, 20], options())


@pytest.mark.parametrize("side", [256, 900])  # of which all cells are measured, or a row in several
@pytest.mark.parametrize("repeats", [1, 2])
def test_correlation_of_repeated_pixels(side: int, repeats: int) -> None:
    rng = np.random.default_rng(8)
    own = [rng.normal(0, 10, (side, side // repeats)).astype(np.float32) for _ in range(2)]
    pixels = [Pixels(np.repeat(one, repeats, 1), None, 0, (4, 5, side, side), sampled=True) for one in own]
    pixels[0].image[: side // 3] = np.nan
    found = measure_pair((0, pixels[0]), (1, pixels[1]), CommonGrid(64), options())
    assert found is not None
    assert found.correlation == pytest.approx(repeats, rel=0.15)
