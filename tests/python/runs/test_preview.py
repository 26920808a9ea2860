"""The small mean of all exposures, and what each has against the others."""

from __future__ import annotations

import tracemalloc
import warnings
import zlib
from typing import Any

import numpy as np
import pytest
from astropy.wcs import WCS

import evensky
from evensky.image import ExposureF, ImageF, Mask, MaskedImageF
from evensky.matching.celestial import GridMember
from evensky.math.thumbnail import Blocks, block_means
from evensky.runs.pictures import Gallery, Painter
from evensky.runs.preview import Mosaic, Tiling, rounded, rounded_pair
from evensky.runs.record import CoaddPreview, ExposureRecord, PixelSummary
from evensky.runs.source import Item
from evensky.runs.survey import place_members


def exposure_of(pixels: np.ndarray, x0: int = 0, y0: int = 0) -> ExposureF:
    exposure = ExposureF(MaskedImageF(ImageF(pixels.astype(np.float32)), Mask(np.zeros(pixels.shape, np.int32))))
    exposure.setXY0(evensky.geom.Point2I(x0, y0))
    return exposure


def pictures_of(mosaic: Mosaic, index: int, before: np.ndarray, after: np.ndarray) -> PixelSummary:
    """Return the pictures of an exposure as a worker makes them."""
    painter = Painter([])
    made = [painter.picture(exposure_of(pixels), mosaic.tiling(index)) for pixels in (before, after)]
    return Painter.matched(*made, (np.zeros(0), np.zeros(1)))


def record_of(index: int, pixels: PixelSummary) -> ExposureRecord:
    return ExposureRecord(label=str(index), path="", status="matched", pixels=pixels)


def run_of(mosaic: Mosaic, *pairs: tuple[np.ndarray, np.ndarray]) -> tuple[CoaddPreview, list[ExposureRecord]]:
    """Add the pictures of all exposures, given their pixels before and after a match."""
    gallery = Gallery(mosaic=mosaic)
    records = [record_of(index, pictures_of(mosaic, index, *pair)) for index, pair in enumerate(pairs)]
    for index, record in enumerate(records):
        gallery.add(index, record)
    preview = gallery.finish()
    assert preview is not None
    return preview, records


def means(pixels: np.ndarray, side: int) -> np.ndarray:
    height, width = pixels.shape
    return np.nanmean(pixels.reshape(height // side, side, width // side, side), axis=(1, 3))


def test_exposures_on_one_pixel_grid_are_averaged_without_interpolation() -> None:
    rng = np.random.default_rng(1)
    # The field is 1300 x 1300 px, so that a pixel of the picture is a block of 3 px, and exposures have other phases.
    boxes = [(0, 0, 1000, 900), (300, 399, 1000, 901), (152, 203, 601, 700)]
    items = [Item(index, str(index)) for index in range(3)]
    mosaic = Mosaic(items, boxes, "adu")
    whole = np.full((2, 3, 1302, 1302), np.nan)
    pairs = []
    for index, (x0, y0, width, height) in enumerate(boxes):
        before, after = rng.normal(100 * index, 5, (2, height, width)).astype(np.float32)
        before[40:90, 60:200] = after[40:90, 60:200] = np.nan
        whole[:, index, y0 : y0 + height, x0 : x0 + width] = before, after
        pairs.append((before, after))
    preview, records = run_of(mosaic, *pairs)
    assert preview.before.shape == preview.after.shape == preview.number.shape == (434, 434)
    assert (preview.unit, preview.pixel_size, preview.pixel_unit) == ("adu", 3.0, "px")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # means of nothing
        blocks = np.array([[means(plane, 3) for plane in planes] for planes in whole])
        counted = np.array([means(np.isfinite(plane) * 1.0, 3) for plane in whole[0]])
        expected = np.nanmean(blocks, axis=1)
    inside = (counted > 0.99) | (counted == 0)  # at the edges, parts of blocks count that have at least half of a block
    sure = inside.all(axis=0)
    assert sure.mean() > 0.97
    np.testing.assert_array_equal(preview.number[sure], (counted > 0).sum(axis=0)[sure])
    np.testing.assert_allclose(preview.before[sure], expected[0][sure], rtol=1e-5)
    np.testing.assert_allclose(preview.after[sure], expected[1][sure], rtol=1e-5)
    np.testing.assert_allclose(preview.difference, preview.before - preview.after)
    # The pictures of an exposure have pixels of one block.
    pixels = records[0].pixels
    assert pixels is not None
    assert pixels.residual is not None
    assert pixels.residual.shape == pixels.after.shape == (300, 333)


def test_a_residual_is_the_exposure_minus_the_mean_of_the_others() -> None:
    rng = np.random.default_rng(2)
    boxes = [(0, 0, 200, 160), (100, 0, 200, 160), (0, 80, 200, 160)]
    mosaic = Mosaic([Item(index, str(index)) for index in range(3)], boxes)
    planes = [rng.normal(10 * index, 1, (160, 200)).astype(np.float32) for index in range(3)]
    planes[1][:10, :10] = np.nan
    _, records = run_of(mosaic, *[(plane, plane) for plane in planes])
    whole = np.full((3, 240, 300), np.nan)
    for plane, (x0, y0, width, height), on_field in zip(planes, boxes, whole, strict=True):
        on_field[y0 : y0 + height, x0 : x0 + width] = plane
    for index, (x0, y0, width, height) in enumerate(boxes):
        pixels = records[index].pixels
        assert pixels is not None
        others = np.delete(whole, index, axis=0)[:, y0 : y0 + height, x0 : x0 + width]
        alone = np.isnan(others).all(axis=0) | np.isnan(planes[index])
        expected = planes[index] - np.nansum(others, axis=0) / np.maximum(np.isfinite(others).sum(axis=0), 1)
        np.testing.assert_allclose(pixels.residual, np.where(alone, np.nan, expected), rtol=1e-4, atol=1e-4)


def test_pictures_of_large_exposures_are_smaller_than_their_part_of_the_mean() -> None:
    mosaic = Mosaic([Item(0, "a"), Item(1, "b")], [(0, 0, 2048, 1500)] * 2)
    y, x = np.mgrid[:1500, :2048]
    plane = (x + 2.0 * y).astype(np.float32)
    preview, records = run_of(mosaic, (plane + 7, plane + 4), (plane - 7, plane - 4))
    assert preview.after.shape == (375, 512)
    np.testing.assert_allclose(preview.after, means(plane, 4), rtol=1e-6)
    for record, residual in zip(records, (8.0, -8.0), strict=True):
        assert record.pixels is not None
        assert record.pixels.before.shape == (188, 256)
        np.testing.assert_allclose(record.pixels.residual, residual, atol=2e-3)
        np.testing.assert_allclose(record.pixels.model, -3.0 if residual > 0 else 3.0, atol=1e-3)


def test_seams_are_visible_before_the_match_and_gone_after_it() -> None:
    rng = np.random.default_rng(3)
    exposures = []
    for number, (x0, y0) in enumerate([(0, 0), (150, 10), (5, 160), (155, 170)]):
        y, x = np.mgrid[y0 : y0 + 220, x0 : x0 + 220]
        scene = 30 * np.exp(-((x - 180.0) ** 2 + (y - 190.0) ** 2) / 8000)
        exposures.append(exposure_of(scene + 40 * number + rng.normal(0, 2, x.shape), x0, y0))
    run = evensky.match_all(exposures).run
    preview = run.preview
    assert preview is not None
    assert set(np.unique(preview.number)) == {0, 1, 2, 3, 4}
    # Steps between pixels on both sides of the left edge of the second exposure.
    rows = slice(30, 140)
    steps = [float(np.mean(one[rows, 152] - one[rows, 147])) for one in (preview.before, preview.after)]
    assert steps[0] == pytest.approx(20, abs=1.5)
    assert abs(steps[1]) < 1.5
    for record in run.records:
        assert record.pixels is not None
        assert record.pixels.residual is not None
        assert abs(np.nanmedian(record.pixels.residual)) < 0.3


@pytest.mark.parametrize("call", [evensky.match, evensky.match_all])
def test_both_methods_have_residuals(call: Any) -> None:
    rng = np.random.default_rng(4)
    planes = [rng.normal(100 + 10 * number, 2, (128, 128)) for number in range(3)]
    planes[2][:64, :64] += 8  # no sum of a constant, rows and columns
    run = call(planes, 0, order=0, bin_size=32).run
    for record in run.records:
        assert record.pixels is not None
        assert record.pixels.residual.shape == record.pixels.after.shape
    left = run.records[2].pixels.residual
    quarters = [
        np.mean(left[rows, columns]) for rows in (np.s_[:64], np.s_[64:]) for columns in (np.s_[:64], np.s_[64:])
    ]
    assert quarters[0] - quarters[1] - quarters[2] + quarters[3] == pytest.approx(8, abs=0.4)
    assert run.preview.number.min() == 3


def test_sums_do_not_depend_on_the_order_of_exposures() -> None:
    rng = np.random.default_rng(5)
    number = 12
    items = [Item(index, str(index)) for index in range(number)]
    # Large values that cancel: sums of float64 depend on what was added in between.
    planes = rng.normal(0, 1, (number, 96, 80)).astype(np.float32)
    planes[0] *= np.float32(1e10)
    planes[1] = -planes[0]
    planes[3, 5, 5] = 1e36
    found = []
    for order in (range(number), rng.permutation(number), rng.permutation(number)):
        mosaic = Mosaic(items, [(0, 0, 80, 96)] * number, scatter=3.0)
        gallery = Gallery(mosaic=mosaic)
        records = [record_of(index, pictures_of(mosaic, index, one, -one)) for index, one in enumerate(planes)]
        for index in order:
            gallery.add(int(index), records[index])
        preview = gallery.finish()
        assert preview is not None
        residuals = [record.pixels.residual for record in records if record.pixels is not None]
        found.append((preview.before, preview.after, *residuals))
    for one in found[1:]:
        for mine, other in zip(found[0], one, strict=True):
            np.testing.assert_array_equal(mine, other)
    assert found[0][0][5, 5] < 1e36 / number  # such a value is cut off
    expected = planes[2:].astype(np.float64).sum(axis=0) / number
    expected[5, 5] = found[0][0][5, 5]
    np.testing.assert_allclose(found[0][0], expected, atol=1e-6, rtol=1e-6)


def test_a_run_tells_the_mosaic_its_scatter(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    made = Mosaic.__init__

    def spy(self: Mosaic, items: Any, boxes: Any, unit: str = "", scatter: float = 0.0) -> None:
        seen.append(scatter)
        made(self, items, boxes, unit, scatter)

    monkeypatch.setattr(Mosaic, "__init__", spy)
    rng = np.random.default_rng(6)
    planes = [rng.normal(100, 4, (64, 64)) for _ in range(3)]
    for call in (evensky.match, evensky.match_all):
        call(planes, 0, order=0, bin_size=32)
    assert seen == pytest.approx([4, 4], rel=0.1)
    seen.clear()
    evensky.match_all([np.full((64, 64), 50.0)] * 2, pictures=True)
    assert seen == [50]  # without noise, the level


def test_the_digits_of_noise_are_left_out() -> None:
    rng = np.random.default_rng(7)
    noise = rng.normal(1000, 4, (100, 120)).astype(np.float32)
    noise[3, 4] = np.nan
    found = rounded(noise)
    step = 4 / 32
    np.testing.assert_allclose(found, noise, atol=step / 2)
    assert np.nanstd(found) == pytest.approx(float(np.nanstd(noise)), rel=1e-3)
    assert 30 < np.unique(found[np.isfinite(found)]).size < 1000
    assert len(zlib.compress(found.tobytes())) < 0.55 * len(zlib.compress(noise.tobytes()))
    # A change keeps more digits, and is what makes one picture of the other.
    slope = (1e-3 * np.arange(120.0)).astype(np.float32)
    before, after, change = rounded_pair(noise, noise + slope)
    np.testing.assert_array_equal(before, found)
    np.testing.assert_array_equal(after, before + change)
    np.testing.assert_allclose(change[10], slope, atol=2e-4)
    # Nothing is lost where there is no noise.
    flat = np.full((5, 6), np.float32(0.1))
    assert rounded(flat) is flat
    np.testing.assert_array_equal(rounded_pair(flat, flat + 1)[1], flat + 1)
    huge = noise * np.float32(1e35)
    np.testing.assert_array_equal(rounded(huge), huge)
    assert np.isnan(rounded(np.full((3, 3), np.nan, np.float32))).all()


def test_many_exposures_have_smaller_pictures() -> None:
    boxes = [(0, 0, 880, 880)] * 25
    items = [Item(index, str(index)) for index in range(25)]
    sizes = []
    for number in (24, 25):
        mosaic = Mosaic(items[:number], boxes[:number])
        preview, records = run_of(mosaic, *[(np.ones((880, 880)), np.ones((880, 880)))] * number)
        assert preview.after.shape == (440, 440)
        assert records[0].pixels is not None
        assert records[0].pixels.residual.shape == records[0].pixels.after.shape
        sizes.append(records[0].pixels.after.shape)
    assert sizes == [(220, 220), (110, 110)]


def test_an_exposure_that_fails_is_not_part_of_the_mean() -> None:
    planes: list[Any] = [np.random.default_rng(number).normal(10, 1, (64, 64)) for number in range(3)]
    planes[1] = np.full((64, 64), np.nan)
    run = evensky.match_all(planes).run
    assert [record.status for record in run.records].count("failed") == 1
    assert run.preview is not None
    assert run.preview.number.max() == run.preview.number.min() == 2
    assert evensky.match_all(planes, pictures=False).run.preview is None


def test_an_exposure_alone_has_no_residual() -> None:
    mosaic = Mosaic([Item(0, "a"), Item(1, "b")], [(0, 0, 64, 64), (500, 0, 64, 64)])
    _, records = run_of(mosaic, *[(np.ones((64, 64)), np.ones((64, 64)))] * 2)
    for record in records:
        assert record.pixels is not None
        assert np.isnan(record.pixels.residual).all()


def sky_items(turns: list[float], size: int = 300) -> list[Item]:
    """Return exposures about one position of the sky, turned by angles in degrees."""
    members = []
    for number, turn in enumerate(turns):
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
        wcs.wcs.crval = 150.0, 40.0
        wcs.wcs.crpix = (size + 1) / 2, (size + 1) / 2
        angle = np.radians(turn)
        wcs.wcs.cd = 1 / 3600 * np.array([[-np.cos(angle), np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        wcs.wcs.set()
        members.append(GridMember(str(number), (size, size), None, wcs))
    items = [Item(number, str(number)) for number in range(len(turns))]
    placed, _, problems = place_members(items, members, [("MJy/sr", "")] * len(turns))
    assert not problems
    return placed


def blob(item: Item, east: float, north: float, turn: float, size: int = 300) -> np.ndarray:
    """Return a blob at an offset in pixels to the east and north of the middle of an exposure."""
    angle = np.radians(turn)
    x = (size - 1) / 2 - east * np.cos(angle) + north * np.sin(angle)
    y = (size - 1) / 2 + east * np.sin(angle) + north * np.cos(angle)
    rows, columns = np.mgrid[:size, :size]
    return np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 200)


def test_north_is_up_and_east_is_left_however_exposures_are_turned() -> None:
    turns = [30.0, 30.0, 100.0]
    items = sky_items(turns)
    mosaic = Mosaic(items, [(0, 0, 300, 300)] * 3)
    planes = [
        100 * blob(item, 0, 90, turn) + 50 * blob(item, 60, 0, turn) for item, turn in zip(items, turns, strict=True)
    ]
    preview, records = run_of(mosaic, *[(plane + 5, plane) for plane in planes])
    assert preview.orientation == "north up, east left"
    assert (preview.pixel_unit, preview.number.max()) == ("arcsec", 3)
    assert preview.pixel_size == pytest.approx(1.0, rel=0.01)
    height, width = preview.after.shape
    row, column = np.unravel_index(np.nanargmax(preview.after), preview.after.shape)
    assert (row - (height - 1) / 2, column - (width - 1) / 2) == pytest.approx((90, 0), abs=1.5)
    lower = preview.after[: height // 2 + 30]
    row, column = np.unravel_index(np.nanargmax(lower), lower.shape)
    assert (row - (height - 1) / 2, column - (width - 1) / 2) == pytest.approx((0, -60), abs=1.5)
    np.testing.assert_allclose(preview.difference[preview.number > 0], 5, atol=1e-4)
    # What one has against the others is on its own pixels: the blobs are at the places where it has them.
    for record, plane in zip(records, planes, strict=True):
        assert record.pixels is not None
        assert record.pixels.residual.shape == record.pixels.after.shape == plane.shape
        left = record.pixels.residual[np.isfinite(record.pixels.residual)]
        assert left.size > 0.7 * plane.size
        assert np.abs(left).max() < 10  # the nearest pixels of 100 with a slope of 6 per pixel
        assert np.std(left) < 0.5


def test_a_residual_lies_on_the_own_pixels_of_a_turned_exposure() -> None:
    turns = [0.0, 0.0, 70.0]
    items = sky_items(turns)
    mosaic = Mosaic(items, [(0, 0, 300, 300)] * 3)
    odd = blob(items[2], -40, 25, turns[2])
    flat = np.zeros((300, 300))
    _, records = run_of(mosaic, (flat, flat), (flat, flat), (odd, odd))
    left = [record.pixels.residual for record in records if record.pixels is not None]
    assert np.nanmax(np.abs(left[2] - odd)) < 0.12
    np.testing.assert_allclose(left[0], left[1])
    assert np.nanmin(left[0]) == pytest.approx(-0.5, abs=0.02)
    row, column = np.unravel_index(np.nanargmin(left[0]), left[0].shape)
    assert (row, column) == pytest.approx((149.5 + 25, 149.5 + 40), abs=1.5)


def test_values_of_pixels_with_other_areas_are_compared_per_area() -> None:
    members = []
    for number, (size, scale) in enumerate([(300, 1.0), (150, 2.0)]):
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
        wcs.wcs.crval = 150.0, 40.0
        wcs.wcs.crpix = (size + 1) / 2, (size + 1) / 2
        wcs.wcs.cd = np.diag([-scale, scale]) / 3600
        wcs.wcs.set()
        members.append(GridMember(str(number), (size, size), None, wcs))
    items, _, problems = place_members([Item(0, "0"), Item(1, "1")], members, [("adu", "")] * 2)
    assert not problems
    mosaic = Mosaic(items, [(0, 0, 300, 300), (0, 0, 150, 150)])
    preview, records = run_of(
        mosaic, *[(np.full((size, size), value),) * 2 for size, value in ((300, 10.0), (150, 40.0))]
    )
    assert "per equal area" in preview.scale
    both = preview.number == 2
    assert np.ptp(preview.after[both]) < 1e-3
    for record in records:
        assert record.pixels is not None
        np.testing.assert_allclose(record.pixels.residual[np.isfinite(record.pixels.residual)], 0, atol=1e-3)


def test_chips_are_at_their_places_in_the_focal_plane() -> None:
    # The second chip is turned by 180 degrees and lies to the right of the first, with a gap of 20 px.
    places = {"A": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), "B": (-1.0, 0.0, 219.0, 0.0, -1.0, 79.0)}
    items = [Item(index, str(index), slot="AB"[index % 2], to_plane=places["AB"[index % 2]]) for index in range(4)]
    mosaic = Mosaic(items, [(0, 0, 100, 80)] * 4)
    planes = [np.full((80, 100), float(index)) for index in range(4)]
    planes[1][:8, :10] = planes[3][:8, :10] = 50
    preview, records = run_of(mosaic, *[(plane, plane) for plane in planes])
    assert preview.after.shape == (80, 220)
    assert preview.orientation == "focal plane of the first file"
    np.testing.assert_array_equal(preview.after[:, :100], 1)
    assert np.isnan(preview.after[:, 101:119]).all()
    assert preview.after[40, 150] == 2
    np.testing.assert_array_equal(preview.after[-7:, -9:], 50)
    assert records[0].pixels is not None
    np.testing.assert_array_equal(records[0].pixels.residual, -2)


def test_chips_without_places_stand_side_by_side() -> None:
    items = [Item(index, str(index), slot="ABC"[index % 3]) for index in range(6)]
    mosaic = Mosaic(items, [(3, 4, 100, 80)] * 6)
    planes = [np.full((80, 100), float(index)) for index in range(6)]
    preview, records = run_of(mosaic, *[(plane, plane) for plane in planes])
    assert "side by side" in preview.orientation
    # Two columns, read from the top left.
    assert [preview.after[120, 50], preview.after[120, 150], preview.after[40, 50]] == [1.5, 2.5, 3.5]
    assert np.isnan(preview.after[40, 150])
    for record, expected in zip(records, (-3, -3, -3, 3, 3, 3), strict=True):
        assert record.pixels is not None
        left = record.pixels.residual[np.isfinite(record.pixels.residual)]
        np.testing.assert_array_equal(left, expected)
        assert left.size > 7000


def test_the_memory_does_not_grow_with_the_number_of_exposures() -> None:
    number, size = 500, 256
    items = [Item(index, str(index)) for index in range(number)]
    boxes = [(7 * index, 3 * index, size, size) for index in range(number)]
    mosaic = Mosaic(items, boxes)
    gallery = Gallery(most=10, mosaic=mosaic)
    pixels = np.zeros((size, size), np.float32)

    def add(some: range) -> int:
        for index in some:
            record = record_of(index, pictures_of(mosaic, index, pixels, pixels))
            record.fit_rms = float(index)
            gallery.add(index, record)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = add(range(100))
        assert add(range(100, number)) - before < 2**20
    finally:
        tracemalloc.stop()
    preview = gallery.finish()
    assert preview is not None
    assert max(preview.after.shape) <= 660
    assert preview.number.max() > 20


def test_a_picture_of_another_shape_is_shown_but_not_added() -> None:
    mosaic = Mosaic([Item(0, "a"), Item(1, "b")], [(0, 0, 64, 64), None])
    assert mosaic.tiling(1) is None
    picture = np.ones((5, 6), np.float32)
    gallery = Gallery(mosaic=mosaic)
    for index in (0, 1):
        record = record_of(index, Painter.unchanged(picture))
        gallery.add(index, record)
        assert record.pixels is not None
        np.testing.assert_array_equal(record.pixels.after, picture)
    assert gallery.finish() is None
    assert Mosaic([Item(0, "a")], [None]).preview() is None


@pytest.mark.parametrize(("size", "side"), [((2048, 1000), 10), ((100, 50), 1), ((221, 30), 2)])
def test_blocks_of_an_exposure_alone(size: tuple[int, int], side: int) -> None:
    assert Tiling.alone(*size).side == side


def test_pictures_leave_out_bad_pixels_and_show_sources() -> None:
    exposure = exposure_of(np.ones((40, 60)))
    exposure.mask.array[:20, :20] = Mask.getPlaneBitMask("BAD")
    exposure.image.array[:20, :20] = 99
    exposure.mask.array[20:, 40:] = Mask.getPlaneBitMask("DETECTED")
    exposure.image.array[20:, 40:] = 5
    exposure.image.array[39, 0] = np.inf
    picture = Painter(["BAD", "DETECTED"]).picture(exposure, Tiling(20))
    np.testing.assert_array_equal(picture, [[np.nan, 1, 1], [1, 1, 5]])
    assert block_means(exposure.maskedImage, 0, Blocks.along(40, 40), Blocks.along(60, 60)).shape == (1, 1)


def test_fields_far_from_each_other_are_not_in_one_picture() -> None:
    boxes = [(0, 0, 64, 64), (90000, 30, 64, 64), (90040, 40, 64, 64), (90080, 0, 64, 64), (400, 70000, 64, 64)]
    mosaic = Mosaic([Item(index, str(index)) for index in range(5)], boxes)
    assert [mosaic.tiling(index) is None for index in range(5)] == [True, False, False, False, True]
    preview, records = run_of(mosaic, *[(np.full((64, 64), float(index)),) * 2 for index in range(5)])
    assert preview.after.shape == (104, 144)
    assert (np.nanmin(preview.after), np.nanmax(preview.after)) == (1, 3)
    assert preview.scale.endswith("; 3 of 5 exposures, as the others are far away")
    assert [record.pixels is not None and record.pixels.residual is not None for record in records] == [
        False,
        True,
        True,
        True,
        False,
    ]
