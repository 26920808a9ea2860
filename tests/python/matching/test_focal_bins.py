"""Pixels of detectors in the bins of a focal plane."""

from __future__ import annotations

import numpy as np
import pytest

from evensky.errors import NotFoundError
from evensky.geom import Box2I, Extent2I, Point2I
from evensky.image import Image, ImageF, Mask, MaskedImageF
from evensky.image.foreign import as_planes
from evensky.matching.bin_sums import sample_bins
from evensky.matching.focal_bins import BinSums, SmoothBins, add_pixels, bits_of, cell_counts, centred_sums, good_pixels

TURNED = np.radians(33)
PLACES = {
    "as it is": [[0.1, 0, -1.0123], [0, 0.125, 0.3123]],
    "mirrored": [[-0.1, 0, 6.0123], [0, 0.1, -0.5123]],
    "turned by 90": [[0, -0.1, 7.0123], [0.2, 0, -2.0123]],
    "turned by 33": [
        [0.1 * np.cos(TURNED), -0.1 * np.sin(TURNED), 2.5],
        [0.1 * np.sin(TURNED), 0.1 * np.cos(TURNED), 0],
    ],
    "sheared": [[0.1, 0.04, -1.0123], [0, 0.1, 0.0321]],
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("origin", [(0, 0), (13, -7)])
def test_each_pixel_counts_in_its_bin(place: list[list[float]], origin: tuple[int, int]) -> None:
    # Noise without outliers, so that the clipped mean is the mean.
    pixels = np.random.default_rng(1).uniform(size=(61, 83))
    pixels[5:9, 40:60] = np.nan
    (a, b, c), (d, e, f) = place
    place = [[a, b, c - a * origin[0] - b * origin[1]], [d, e, f - d * origin[0] - e * origin[1]]]
    planes = as_planes(Image(pixels.astype(np.float32), xy0=origin))
    sums = BinSums.zeros((6, 7))
    added = add_pixels(sums, planes, good_pixels(planes, []), np.array(place))
    y, x = np.indices(pixels.shape)
    at = np.array([a * x + b * y + c, d * x + e * y + f])
    column, row = np.floor(at + 0.5).astype(int)
    inside = (column >= 0) & (column < 7) & (row >= 0) & (row < 6) & np.isfinite(pixels)
    index = (row * 7 + column)[inside]
    expected = [np.bincount(index, weight, 42) for weight in (None, pixels[inside], *(at - (column, row))[:, inside])]
    assert added == inside.sum() == sums.numbers.sum()
    np.testing.assert_array_equal(sums.numbers.ravel(), expected[0])
    np.testing.assert_allclose(sums.values.ravel(), expected[1], rtol=1e-5)
    np.testing.assert_allclose(sums.offsets.reshape(2, -1), expected[2:], atol=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_any_affine_map(seed: int) -> None:
    rng = np.random.default_rng(seed)
    linear = rng.uniform(-0.3, 0.3, (2, 2))
    place = np.column_stack([linear, rng.uniform(-3, 8, 2)])
    shape = tuple(int(size) for size in rng.integers(1, 60, 2))
    planes = as_planes(np.ones(shape, np.float32))
    sums = BinSums.zeros((5, 6))
    add_pixels(sums, planes, good_pixels(planes, []), place)
    y, x = np.indices(shape)
    column, row = np.floor(np.tensordot(linear, [x, y], 1) + place[:, 2, None, None] + 0.5).astype(int)
    inside = (column >= 0) & (column < 6) & (row >= 0) & (row < 5)
    np.testing.assert_array_equal(sums.numbers.ravel(), np.bincount((row * 6 + column)[inside], minlength=30))


def test_neighbouring_bins_share_no_pixel_where_edges_meet_centres() -> None:
    # Edges of bins pass exactly through centres of pixels.
    planes = as_planes(np.ones((40, 40), np.float32))
    for place in ([[0.125, 0, 0], [0, 0.125, 0]], [[0.125, 0.125, 0], [-0.125, 0.125, 5]]):
        sums = BinSums.zeros((20, 20))
        add_pixels(sums, planes, good_pixels(planes, []), np.array(place))
        assert sums.numbers.sum() == 1600


def test_means_are_clipped_and_weighted_by_all_good_pixels() -> None:
    pixels = np.random.default_rng(2).normal(10, 1, (50, 50)).astype(np.float32)
    pixels[3, 4] = 1e6
    planes = as_planes(pixels)
    sums = BinSums.zeros((1, 1))
    add_pixels(sums, planes, good_pixels(planes, []), np.array([[0.01, 0, 0], [0, 0.01, 0]]))
    assert sums.numbers[0, 0] == 2500
    assert sums.values[0, 0] / 2500 == pytest.approx(10, abs=0.1)


def test_bad_pixels() -> None:
    mask = Mask(3, 1)
    mask.array[0] = mask.getPlaneBitMask("SAT"), mask.getPlaneBitMask("CR"), 0
    image = MaskedImageF(ImageF(np.array([[1, 2, 3]], np.float32)), mask)
    assert good_pixels(as_planes(image), ["SAT"]).tolist() == [[False, True, True]]
    assert good_pixels(as_planes(image), ["SAT", "CR"]).tolist() == [[False, False, True]]
    with pytest.raises(NotFoundError, match="VIGNETTED"):
        good_pixels(as_planes(image), ["VIGNETTED"])
    # Planes of the mask's own, without a default one.
    own = MaskedImageF(image.image, Mask(np.array([[0, 2, 0]], np.int32), mask_planes={"CR": 1}))
    assert good_pixels(as_planes(own), ["SAT", "CR"]).tolist() == [[True, False, True]]
    # A boolean mask rejects whichever planes are named.
    boolean = as_planes(np.ma.MaskedArray(np.ones((1, 3)), [[True, False, False]]))
    assert bits_of(boolean, []) == 1
    assert good_pixels(boolean, ["SAT"]).tolist() == [[False, True, True]]


def sums_of(function: object, covered: np.ndarray, size: int = 16) -> BinSums:
    """Make sums of a function of bin coordinates over the covered pixels of a grid."""
    ny, nx = covered.shape[0] // size, covered.shape[1] // size
    y, x = np.indices(covered.shape)
    place = np.array([[1 / size, 0, 0.5 / size - 0.5], [0, 1 / size, 0.5 / size - 0.5]])
    pixels = function(place[0, 0] * x + place[0, 2], place[1, 1] * y + place[1, 2])  # type: ignore[operator]
    planes = as_planes(np.where(covered, pixels, np.nan))
    sums = BinSums.zeros((ny, nx))
    add_pixels(sums, planes, good_pixels(planes, []), place)
    return sums


def test_bins_that_are_covered_in_part_give_values_at_their_centres() -> None:
    covered = np.ones((80, 96), bool)
    covered[:, 37:42] = covered[:13] = covered[:, 90:] = False
    covered[30:60, :11] = False
    sums = sums_of(lambda x, y: 50 + 8 * x - 3 * y, covered)
    y, x = np.indices(sums.numbers.shape)
    raw = sums.values / sums.numbers
    assert np.abs(raw - (50 + 8 * x - 3 * y)).max() > 1
    means = centred_sums(sums, 1, "AKIMA_SPLINE") / sums.numbers
    np.testing.assert_allclose(means, 50 + 8 * x - 3 * y, atol=1e-4)


def test_pixels_that_are_clipped_at_one_end_of_a_bin_do_not_move_it() -> None:
    covered = np.ones((80, 96), bool)
    covered[:, 21:31] = False  # leaves column 31 of the second bin, which is clipped, far from the others
    sums = sums_of(lambda x, y: 50 + 8 * x, covered)
    means = centred_sums(sums, 1, "LINEAR") / sums.numbers
    np.testing.assert_allclose(means, np.tile(50 + 8 * np.arange(6), (5, 1)), atol=1e-3)


def test_curvature_does_not_raise_the_means() -> None:
    sums = sums_of(lambda x, y: x**2 - 2 * y**2, np.ones((80, 96), bool))
    y, x = np.indices(sums.numbers.shape)
    raw = sums.values / sums.numbers - (x**2 - 2 * y**2)
    np.testing.assert_allclose(raw, -1 / 12, atol=2e-3)
    # The clipped mean of float64 pixels is exact; 16 pixels per bin sample the parabola a little differently.
    means = centred_sums(sums, 1, None) / sums.numbers
    np.testing.assert_allclose(means, x**2 - 2 * y**2, atol=2e-3)


def test_bins_without_pixels_change_nothing() -> None:
    covered = np.ones((80, 96), bool)
    covered[16:48, 32:48] = False
    sums = sums_of(lambda x, y: 5 + x + y, covered)
    values = centred_sums(sums, 1, "LINEAR")
    assert (values[sums.numbers == 0] == 0).all()
    empty = BinSums.zeros((2, 2))
    empty.add(sums_of(lambda x, y: x * 0 + 3, np.ones((32, 32), bool)))
    copy = empty.copy()
    copy.add(copy)
    assert (copy.numbers == 2 * empty.numbers).all()
    assert (copy.values == 2 * empty.values).all()


@pytest.mark.parametrize("style", ["AKIMA_SPLINE", "NATURAL_SPLINE"])
def test_splines_follow_curvature(style: str) -> None:
    y, x = np.mgrid[:9, :11].astype(float)
    at_y, at_x = np.mgrid[-0.5:8.5:40j, -0.5:10.5:50j]
    truth = 3 + 0.2 * (at_x - 4) ** 2 - 0.1 * at_y**2 + 0.05 * at_x * at_y
    bins = 3 + 0.2 * (x - 4) ** 2 - 0.1 * y**2 + 0.05 * x * y
    error = np.abs(SmoothBins(bins, style).sample(at_x, at_y) - truth)
    bilinear = np.abs(sample_bins(bins, at_x, at_y) - truth)
    assert error.max() < 0.04
    assert error.max() < 0.2 * bilinear.max()


def test_without_a_spline_bins_are_bilinear() -> None:
    bins = np.random.default_rng(3).normal(size=(5, 6))
    x, y = np.array([0.2, 3.7, 4.99]), np.array([3.3, 0.0, 1.5])
    for style in ("LINEAR", "CONSTANT", "NONE", None):
        np.testing.assert_array_equal(SmoothBins(bins, style).sample(x, y), sample_bins(bins, x, y))
    gap = bins.copy()
    gap[2, 2] = np.nan
    assert np.isfinite(SmoothBins(gap, "AKIMA_SPLINE").sample(x, y)).all()


def test_small_grids_have_simpler_splines() -> None:
    at = np.linspace(-0.5, 2.5, 7)
    one = SmoothBins(np.array([[7.0]]), "AKIMA_SPLINE").sample(at, at)
    np.testing.assert_allclose(one, 7)
    row = SmoothBins(np.array([[0.0, 1.0, 2.0]]), "AKIMA_SPLINE").sample(at, np.zeros(7))
    np.testing.assert_allclose(row, at, atol=1e-6)
    column = SmoothBins(np.array([[0.0], [3.0]]), "NATURAL_SPLINE").sample(np.zeros(3), np.array([-0.5, 0.5, 1.5]))
    np.testing.assert_allclose(column, [-1.5, 1.5, 4.5], atol=1e-6)


def test_large_grids_need_no_finer_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evensky.matching.focal_bins._MOST_FINE", 50)
    bins = np.random.default_rng(4).normal(size=(8, 8))
    x = np.linspace(0, 7, 30)
    np.testing.assert_array_equal(SmoothBins(bins, "AKIMA_SPLINE").sample(x, x), sample_bins(bins, x, x))


@pytest.mark.parametrize(
    ("size", "counts"), [((4096, 2000), (64, 32)), ((64, 65), (2, 2)), ((128, 129), (2, 3)), ((1, 2), (1, 2))]
)
def test_cells_keep_slopes(size: tuple[int, int], counts: tuple[int, int]) -> None:
    assert cell_counts(Box2I(Point2I(3, 4), Extent2I(*size)), 64) == counts
