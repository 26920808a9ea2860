"""Combination of exposures at different places of a grid, in bands and blocks."""

from __future__ import annotations

import numpy as np
import pytest

from evensky.combining.doubts import level_spread
from evensky.combining.engine import LostExposureError, MemoryPlanes, Stack, common_planes, translated
from evensky.combining.options import options_of
from evensky.errors import FitsError, InvalidParameterError
from evensky.math.combine_planes import combine_planes
from evensky.runs.combine_readers import StoredPlane

SHAPE = 300, 420
PLANES = {"SAT": 1, "CR": 3}
NAMES = ("image", "variance", "mask", "number", "rejected", "weight", "exposure_time")


def dithered(number=7, seed=1, farthest=20):
    """Exposures with masks and variances at various places, some beyond the edges of the grid."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(number):
        x0, y0 = (int(shift) for shift in random.integers(-farthest, farthest, 2))
        shape = SHAPE[0] - int(random.integers(0, 50)), SHAPE[1] + int(random.integers(-9, 9))
        image = random.normal(100, 5, shape).astype(np.float32)
        mask = np.where(random.random(shape) < 0.02, 2, 0).astype(np.int32)
        mask[random.random(shape) < 0.1] |= 8
        variance = random.uniform(20, 30, shape).astype(np.float32)
        made.append(MemoryPlanes(image, mask, variance, x0, y0, 2, PLANES))
    return made


def in_full_size(planes):
    """Planes of an exposure in the size of the grid, with NaN where it has no pixel."""
    x0, y0, width, height = planes.box
    top, bottom = max(0, y0), min(SHAPE[0], y0 + height)
    left, right = max(0, x0), min(SHAPE[1], x0 + width)
    whole = []
    for plane, filler in ((planes.image, np.nan), (planes.mask, 0), (planes.variance, 0)):
        full = np.full(SHAPE, filler, plane.dtype)
        full[top:bottom, left:right] = plane[top - y0 : bottom - y0, left - x0 : right - x0]
        whole.append(full)
    return whole


def equal(one, other):
    return np.array_equal(one, other, equal_nan=True)


@pytest.mark.parametrize("farthest", [20, 280])
def test_blocks_give_the_pixels_of_images_in_full_size(farthest):
    exposures = dithered(farthest=farthest)
    band = Stack(exposures, SHAPE, options_of()).combine()
    images, masks, variances = zip(*map(in_full_size, exposures), strict=True)
    whole = combine_planes(images, masks, variances, bad=2)
    assert equal(band.image, whole.image)
    assert equal(band.variance, whole.variance)
    assert equal(band.number, whole.number)
    assert equal(band.rejected, whole.rejected)
    assert equal(band.mask, np.where(whole.number > 0, whole.mask, 1 << 8))
    assert set(np.unique(band.mask)) <= {0, 8, 256}
    assert equal(band.rejected_by, whole.rejected_by_image)
    # Pixels beyond an exposure are not masked pixels of it.
    inside = [np.isfinite(image) for image in images]
    assert equal(band.covered_by, [np.count_nonzero(here) for here in inside])
    bad = [np.count_nonzero(here & (mask & 2 != 0)) for here, mask in zip(inside, masks, strict=True)]
    assert equal(band.masked_by, bad)


@pytest.mark.parametrize("height", [1, 37, 64, 299])
def test_bands_give_the_same_bits(height):
    exposures = dithered(farthest=150)
    stack = Stack(exposures, SHAPE, options_of(), times=[10.0 * (1 + n) for n in range(7)], with_time=True)
    whole = stack.combine()
    bands = [stack.combine(slice(row, row + height)) for row in range(0, SHAPE[0], height)]
    for name in NAMES:
        assert equal(np.concatenate([getattr(band, name) for band in bands]), getattr(whole, name)), name
    for name in ("covered_by", "masked_by", "rejected_by"):
        assert equal(sum(getattr(band, name) for band in bands), getattr(whole, name)), name


def test_planes_with_other_numbers_are_matched_by_name():
    image, variance = np.zeros((4, 5), np.float32), np.ones((4, 5), np.float32)
    mask, other = np.zeros((4, 5), np.int32), np.zeros((4, 5), np.int32)
    mask[0, 0], mask[1, 1] = 1 << 1, 1 << 3
    other[0, 0], other[2, 2], other[3, 3] = 1 << 4, 1 << 0, 1 << 30
    one = MemoryPlanes(image, mask, variance, bad=1 << 3, planes={"SAT": 1, "CR": 3})
    two = MemoryPlanes(image + 2, other, variance, bad=1 << 0, planes={"CR": 0, "SAT": 4, "MINE": 30})
    stack = Stack([one, two], (4, 5), options_of("mean"))
    band = stack.combine()
    assert stack.planes == {"SAT": 1, "CR": 3, "MINE": 30, "NO_DATA": 8}
    want = np.zeros((4, 5), np.int32)
    want[0, 0], want[3, 3] = 1 << 1, 1 << 30
    assert equal(band.mask, want)
    assert band.number[1, 1] == band.number[2, 2] == 1
    assert band.image[1, 1] == 2
    assert band.image[2, 2] == 0
    assert other[0, 0] == 1 << 4  # not changed


def test_bits_without_names_reject_and_are_dropped():
    mask = np.array([[0, 1, 4, -1]], np.int32)
    new, bad = translated(mask, None, {"SAT": 1, "NO_DATA": 8}, -1)
    assert bad == 256
    assert equal(new, np.array([[0, 256, 256, 256]], np.int32))
    new, bad = translated(mask, {"A": 0}, {"A": 0, "NO_DATA": 8}, 0b101)
    assert bad == 257
    assert equal(new, np.array([[0, 1, 256, 257]], np.int32))


def test_bits_without_names_do_not_get_those_of_others():
    image = np.zeros((1, 3), np.float32)
    one = MemoryPlanes(image, np.array([[1 << 9, 1 << 1, 0]], np.int32), planes={"SAT": 1})
    two = MemoryPlanes(image, np.array([[0, 0, 1 << 9]], np.int32), planes={"MINE": 9})
    band = Stack([one, two], (1, 3), options_of("mean")).combine()
    assert equal(band.mask, np.array([[0, 1 << 1, 1 << 9]], np.int32))


def test_good_pixels_of_no_data_stay_good_beside_bad_bits_without_names():
    mask = np.array([[1 << 8, 1 << 20, 0]], np.int32)
    image = np.zeros((1, 3), np.float32)
    exposure = MemoryPlanes(image, mask, bad=1 << 20, planes={"NO_DATA": 8})
    band = Stack([exposure], (1, 3), options_of("mean")).combine()
    assert band.number.tolist() == [[1, 0, 1]]


def test_an_exposure_beyond_the_grid_has_no_typical_weight(tmp_path):
    image = np.ones((20, 30), np.float32)
    missing = StoredPlane(tmp_path / "never written", (0, 0), np.float32)
    readers = [MemoryPlanes(image, variance=image * 4), MemoryPlanes(missing, variance=missing)]
    stack = Stack(readers, (20, 30), options_of("mean", weighting="variance"))
    assert stack.nominal_weights() == [0.25, 0.0]


def test_more_names_than_bits():
    readers = [
        MemoryPlanes(np.zeros((1, 1), np.float32), planes={f"{letter}{n}": n for n in range(32)}) for letter in "AB"
    ]
    planes = common_planes(readers)
    assert len(planes) == 32
    assert "NO_DATA" in planes
    assert list(planes)[:31] == [f"A{n}" for n in range(31)]


def test_exposures_without_variance_leave_none():
    image = np.zeros((3, 4), np.float32)
    both = [MemoryPlanes(image, variance=image + 1), MemoryPlanes(image)]
    assert Stack(both, (3, 4), options_of()).combine().variance is None
    with pytest.raises(InvalidParameterError, match=r"1 of 2 exposures have no variances, such as number 1"):
        Stack(both, (3, 4), options_of("mean", weighting="variance"))


def test_a_pixel_of_float64_gives_float64():
    image = np.full((3, 4), 1 + 1e-9)
    assert Stack([MemoryPlanes(image), MemoryPlanes(image.astype(np.float32))], (3, 4), options_of()).dtype == float
    assert Stack([MemoryPlanes(image)], (3, 4), options_of("mean")).combine().image[0, 0] == 1 + 1e-9


def test_no_exposure_reaches_a_band():
    stack = Stack([MemoryPlanes(np.ones((3, 4), np.float32), y0=50)], (80, 4), options_of())
    band = stack.combine(slice(0, 40))
    assert np.isnan(band.image).all()
    assert (band.mask == 256).all()
    assert not band.number.any()
    assert band.covered_by.tolist() == [0]


def test_memory_of_a_row_counts_those_exposures_that_are_in_it():
    plane, bits = np.zeros((10, 100), np.float32), np.zeros((10, 100), np.int32)
    low, high = MemoryPlanes(plane, bits, plane), MemoryPlanes(plane, bits, plane, x0=-40, y0=10)
    own = Stack([low], (10, 100), options_of()).row_bytes - 1200
    assert Stack([low, high], (20, 100), options_of()).row_bytes == own + 1200
    assert Stack([low, low], (20, 100), options_of()).row_bytes == own + 2400


class Broken(MemoryPlanes):
    def read(self, rows, columns):
        if rows.stop > 5:
            raise FitsError("b.fits: is cut off")
        return super().read(rows, columns)


def test_an_exposure_that_cannot_be_read_is_named():
    image = np.zeros((10, 4), np.float32)
    stack = Stack([MemoryPlanes(image), Broken(image)], (10, 4), options_of())
    assert stack.combine(slice(0, 5)).number.min() == 2
    with pytest.raises(LostExposureError) as caught:
        stack.combine()
    assert caught.value.number == 1
    assert str(caught.value.error) == "b.fits: is cut off"


def test_planes_of_a_band_are_used_again():
    exposures = dithered(farthest=150)
    stack = Stack(exposures, SHAPE, options_of(), times=[1.0] * 7, with_time=True)
    whole = stack.combine()
    for row in range(0, SHAPE[0], 37):  # the last band is not as high as the others
        band = stack.combine(slice(row, row + 37))
        for name in NAMES:
            assert equal(getattr(band, name), getattr(whole, name)[row : row + 37]), name
        memory = band.image
        stack.release(band)
    assert np.shares_memory(stack.combine(slice(0, 4)).image, memory)


def test_only_what_is_wanted_is_made():
    exposures = dithered(3)
    assert Stack(exposures, SHAPE, options_of(), with_weight=False).combine().weight is None
    weighted = Stack(exposures, SHAPE, options_of("mean"), weights=[1, 2, 3], with_weight=False)
    assert weighted.combine().weight.max() == 6


@pytest.mark.parametrize("height", [1, 40, 300])
def test_levels_are_those_of_any_bands(height):
    exposures = dithered(farthest=150)
    exposures[0].image[...] += 50
    expected = level_spread(Stack(exposures, SHAPE, options_of()).level_samples())
    stack = Stack(exposures, SHAPE, options_of())
    known = {}
    for row in range(0, 200, height):  # the last rows are not known
        known.update(stack.combine(slice(row, min(row + height, SHAPE[0]))).levels)
    assert level_spread(stack.level_samples(known)) == expected
    assert expected[0] == pytest.approx(50, abs=5)


def test_times_are_those_of_the_pixels_that_are_used():
    exposures = dithered(9, farthest=40)
    times = [10.0 * (1 + number) for number in range(9)]
    band = Stack(exposures, SHAPE, options_of(sigma=1.5), times=times, with_time=True).combine()
    assert band.rejected.any()
    images, masks, _ = zip(*map(in_full_size, exposures), strict=True)
    whole = combine_planes(images, masks, bad=2, options=options_of(sigma=1.5), times=times)
    assert equal(band.exposure_time, whole.time)
    equal_times = Stack(exposures, SHAPE, options_of(sigma=1.5), times=[30.0] * 9, with_time=True).combine()
    assert equal(equal_times.exposure_time, np.float32(30) * equal_times.number)
