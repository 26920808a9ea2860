"""Sources of one exposure."""

from __future__ import annotations

import re

import numpy as np
import pytest

from evensky.errors import InvalidParameterError
from evensky.matching.joint.detections import Sources, find_sources

SIDE, NOISE, LEVEL = 512, 10.0, 600.0


def noise(seed: int = 1, side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(seed).normal(LEVEL, NOISE, (side, side)).astype(np.float32)


def profile(
    shape: tuple[int, int], x: float, y: float, fwhm: float, beta: float = 3.0, reach: int = 90
) -> tuple[tuple[slice, slice], np.ndarray]:
    """Return the pixels around a star, and its light in them; the total is 1."""
    x0, y0 = max(0, int(x) - reach), max(0, int(y) - reach)
    where = slice(y0, max(min(int(y) + reach, shape[0]), y0)), slice(x0, max(min(int(x) + reach, shape[1]), x0))
    alpha2 = fwhm**2 / (4 * (2 ** (1 / beta) - 1))
    rows, columns = np.ogrid[where]
    radius2 = ((columns - x) ** 2 + (rows - y) ** 2) / alpha2
    return where, (beta - 1) / (np.pi * alpha2) * (1 + radius2) ** -beta


def catalogue(number: int, side: int = SIDE, seed: int = 5) -> np.ndarray:
    """Return x, y and flux of stars in and around an exposure."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-side / 4, 1.25 * side, (2, int(2.25 * number)))
    return np.stack([x, y, np.minimum(400 * rng.pareto(0.95, len(x)) + 400, 1e5)])


def draw(image: np.ndarray, stars: np.ndarray, fwhm: float) -> np.ndarray:
    """Add stars to an image."""
    for x, y, flux in stars.T:
        where, light = profile(image.shape, x, y, fwhm)
        image[where] += (flux * light).astype(image.dtype)
    return image


def found_stars(sources: Sources, stars: np.ndarray) -> np.ndarray:
    """Return the distance of each star that was found from the nearest true one."""
    return np.hypot(sources.x[:, None] - stars[0], sources.y[:, None] - stars[1]).min(axis=1)


def turned(stars: np.ndarray, angle: float, side: int) -> np.ndarray:
    """Return the stars in an exposure that is turned about its centre, and shifted by some pixels."""
    c, s, centre = np.cos(angle), np.sin(angle), (side - 1) / 2
    x, y = stars[:2] - centre
    return np.stack([centre + c * x - s * y + 3.3, centre + s * x + c * y - 8.2, stars[2]])


@pytest.mark.parametrize(("one", "other"), [(3.0, 6.0), (4.5, 6.0), (3.0, 4.5)])
def test_differences_without_the_sources_are_not_biased_by_seeing(one: float, other: float) -> None:
    """Two exposures of other seeing and orientation are compared pixel by nearest pixel, with 400 stars per 1024^2."""
    side, angle = 768, 0.47
    stars = catalogue(225, side)
    clean = draw(np.zeros((side, side)), stars, one), draw(np.zeros((side, side)), turned(stars, angle, side), other)
    exposures = [(image + noise(k, side)).astype(np.float32) for k, image in enumerate(clean)]
    masks = [find_sources(image).mask for image in exposures]
    rows, columns = np.indices((side, side))
    x, y, _ = turned(np.stack([columns.ravel(), rows.ravel(), rows.ravel()]).astype(float), angle, side)
    x, y = (np.floor(values + 0.5).astype(int).reshape(side, side) for values in (x, y))
    inside = (x >= 0) & (y >= 0) & (x < side) & (y < side)
    used = inside.copy()
    used[inside] &= ~masks[0][inside] & ~masks[1][y[inside], x[inside]]
    light = clean[0][used] - clean[1][y[used], x[used]]
    assert abs(light.mean()) < 0.015  # -0.05 counts in all pixels with clipping, see below
    assert np.count_nonzero(used) > 0.6 * np.count_nonzero(inside)
    # The light that clipping takes for stars would otherwise leave ten times as much.
    plain = exposures[0][inside] - exposures[1][y[inside], x[inside]]
    plain = plain[np.abs(plain - np.median(plain)) < 3 * np.sqrt(2) * NOISE]
    assert abs(plain.mean()) > 5 * abs(light.mean())


def test_light_on_large_scales_is_not_masked() -> None:
    rows, columns = np.indices((SIDE, SIDE)) - SIDE / 2
    glow = 60 * np.exp(-(rows**2 + columns**2) / (2 * 170**2))
    slope = 0.15 * columns - 0.1 * rows
    for light in (0.0, glow, slope, glow + slope):
        found = find_sources((noise() + light).astype(np.float32))
        assert found.share < 0.01
        assert found.kept == 0
        assert found.x.size == 0
        assert np.isnan(found.fwhm)


def test_the_noise_of_the_smoothed_image_is_measured() -> None:
    rng = np.random.default_rng(4)
    white = rng.normal(0, NOISE, (SIDE + 4, SIDE + 4))
    correlated = sum(white[y : y + SIDE, x : x + SIDE] for y in range(5) for x in range(5)) / 5
    noisier = np.where(np.arange(SIDE) < SIDE / 2, 1.0, 4.0)
    assert find_sources(correlated).share < 0.01
    assert find_sources(LEVEL + white[:SIDE, :SIDE] * noisier).share < 0.01


def test_stars_are_measured_and_nothing_else() -> None:
    stars = catalogue(60)
    image = draw(noise(), stars, 4.0).astype(np.float32)
    rng = np.random.default_rng(8)
    hits = rng.integers(0, SIDE, (2, 60))
    image[tuple(hits)] += rng.uniform(200, 5000, 60)  # cosmic rays
    rows, columns = np.indices(image.shape)
    image += 300 * np.exp(-((rows - 0.7 * columns - 40) ** 2) / 8)  # a trail
    image += 200 * np.exp(-((rows - 400) ** 2 + (columns - 100) ** 2) / 200)  # a galaxy
    found = find_sources(image)
    assert found.x.size > 20
    distance = found_stars(found, stars)
    assert np.mean(distance < 1) > 0.9
    assert np.median(distance[:12]) < 0.1
    assert np.hypot(found.x - 100, found.y - 400).min() > 10
    assert np.all(np.diff(found.flux) <= 0)
    assert found.fwhm == pytest.approx(4.5, abs=0.3)  # wings add to the width at half the maximum


def test_saturated_stars_and_those_with_bad_pixels_are_not_measured() -> None:
    places = np.array([[60.0, 160.0, 260.0, 360.0, 60.0, 160.0, 260.0], [60.0] * 4 + [200.0] * 3, [2e4] * 7])
    image = draw(noise(), places, 3.5)
    where, light = profile(image.shape, 450, 450, 3.5)
    image[where] = np.minimum(image[where] + 1e6 * light, 6e3)
    image[60, 161] = np.nan
    found = find_sources(image)
    assert found.x.size == 6
    assert np.all(found_stars(found, np.delete(places, 1, axis=1)) < 0.05)


def test_bright_stars_are_grown_farther() -> None:
    image = draw(noise(), np.array([[128.0, 384.0], [128.0, 384.0], [1e6, 3e3]]), 4.0)
    mask = find_sources(image).mask
    bright, faint = mask[128, :256], mask[384, 256:]
    assert bright.sum() > 2.5 * faint.sum() > 0
    where, light = profile(image.shape, 128, 128, 4.0)
    assert (1e6 * light)[~mask[where]].max() < 1.0


def test_the_wings_around_a_masked_core_are_masked() -> None:
    image = draw(noise(), np.array([[256.0], [256.0], [1e6]]), 4.0)
    rows, columns = np.indices(image.shape) - 256
    whole = find_sources(image).mask
    image[np.hypot(rows, columns) < 12] = np.nan
    mask = find_sources(image).mask | ~np.isfinite(image)
    assert np.count_nonzero(whole & ~mask) < 0.1 * np.count_nonzero(whole)


def test_bad_pixels_are_no_sources() -> None:
    image = noise()
    image[:, :70] = image[300:, 400:] = np.nan
    image[np.random.default_rng(3).random(image.shape) < 0.05] = np.nan
    found = find_sources(image)
    assert found.share < 0.01
    assert found.kept == 0
    stars = catalogue(100)
    crowded = find_sources(draw(image, stars, 4.0))
    assert np.mean(found_stars(crowded, stars) < 0.5) > 0.9
    assert crowded.share == np.mean(crowded.mask[np.isfinite(image)])


def test_cosmic_rays_are_left_to_clipping() -> None:
    image = noise()
    rows, columns = np.random.default_rng(6).integers(1, SIDE - 2, (2, 200))
    image[rows, columns] += 3000
    image[rows[:100] + 1, columns[:100] + 1] += 3000
    assert find_sources(image).share < 0.02
    # Stars are not taken for them.
    for fwhm in (1.6, 2.0, 3.0):
        places = np.stack(np.meshgrid([100.0, 200.3, 300.5, 400.7], [100.0, 200.3, 300.5, 400.7])).reshape(2, -1)
        stars = np.concatenate([places, np.full((1, 16), 3e4)])
        found = find_sources(draw(noise(), stars, fwhm))
        assert found.mask[tuple(np.round(places[::-1]).astype(int))].all()
        assert np.max(found_stars(found, stars)) < 0.1
        assert found.x.size == 16


def test_blocks_keep_enough_pixels() -> None:
    image = noise()
    part = draw(np.zeros((192, 192)), catalogue(600, 192), 4.0)
    image[128:320, 128:320] += part.astype(np.float32)
    found = find_sources(image)
    inside = found.mask[128:320, 128:320]
    assert 0.2 < inside.mean() < 0.6
    blocks = found.mask.reshape(8, 64, 8, 64).mean(axis=(1, 3))
    assert blocks.max() <= 0.6
    # Where even the highest threshold leaves too little, nothing is masked.
    image = noise()
    image[:64, :64] += (
        1e5
        * np.random.default_rng(1).pareto(1.0, (64, 64)).astype(np.float32)
        * (np.indices((64, 64)).sum(axis=0) % 14 == 0)
    )
    image[64:, 64:] += 1e3
    assert find_sources(image).mask.reshape(8, 64, 8, 64).mean(axis=(1, 3)).max() <= 0.6


@pytest.mark.parametrize("shape", [(0, 5), (1, 1), (1, 300), (300, 2), (5, 5), (63, 130), (1, 70)])
def test_images_of_any_shape(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(2).normal(100, 5, shape)
    found = find_sources(image)
    assert found.mask.shape == shape
    assert found.share < 0.6  # few pixels, whose noise is not well known
    nothing = find_sources(np.full(shape, np.nan))
    assert not nothing.mask.any()
    assert (nothing.share, nothing.kept, nothing.x.size) == (0, 0, 0)


def test_images_without_noise() -> None:
    assert not find_sources(np.full((200, 200), 7.0)).mask.any()
    image = draw(np.full((200, 200), 1000.0), np.array([[100.0], [100.0], [1e4]]), 4.0)
    found = find_sources(image)
    assert found.mask[100, 100]
    assert found.share < 0.6


def test_the_type_and_the_layout_of_the_image_do_not_matter() -> None:
    image = draw(noise(), catalogue(100), 4.0)
    one = find_sources(image)
    others = [
        image.astype(np.float64) + 1e6,
        np.asfortranarray(image),
        np.repeat(np.repeat(image, 2, axis=0), 2, axis=1)[::2, ::2],
        image.astype(">f4"),
    ]
    for other in map(find_sources, others):
        assert np.mean(one.mask != other.mask) < 1e-4
        assert other.x == pytest.approx(one.x, abs=1e-2)


def test_extreme_values_raise_no_warning() -> None:
    image = draw(noise(), catalogue(100), 4.0)
    image[100, 100], image[200, 200], image[300, 300] = 3e38, -3e38, np.inf
    found = find_sources(image)
    assert 0.02 < found.share < 0.5


def test_arguments_are_checked() -> None:
    with pytest.raises(InvalidParameterError, match=re.escape("shape (4,) and the type float64; a 2-D array")):
        find_sources(np.zeros(4))
    with pytest.raises(InvalidParameterError, match="type int64"):
        find_sources(np.zeros((4, 4), np.int64))
    with pytest.raises(InvalidParameterError, match="threshold is 0; it must be positive"):
        find_sources(np.zeros((4, 4)), threshold=0)
    with pytest.raises(InvalidParameterError, match="grow is -1; it must be 0 or more"):
        find_sources(np.zeros((4, 4)), grow=-1)
