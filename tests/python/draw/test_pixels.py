"""Pictures of pixels."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from a_picture import decoded
from matplotlib import colormaps

from evensky.draw.pixels import (
    COUNT_COLOURS,
    IMAGE_COLOURS,
    SIGNED_COLOURS,
    bar_url,
    coarser,
    colour_table,
    common_stretch,
    pixels_url,
    sky_scatter,
    sky_stretch,
)
from evensky.errors import InvalidParameterError


def test_pixels_have_their_colours() -> None:
    picture = np.array([[0.0, 1.0, 2.0], [-50.0, np.nan, 90.0]])
    shown = decoded(pixels_url(picture, (0, 2), "viridis", steps=3))[::-1]
    assert shown.shape == (2, 3, 4)
    first, middle, last = colormaps["viridis"](np.linspace(0, 1, 3))
    for (row, column), colour in {(0, 0): first, (0, 1): middle, (0, 2): last, (1, 0): first, (1, 2): last}.items():
        np.testing.assert_allclose(shown[row, column], colour, atol=0.003)
    assert shown[1, 1, 3] == 0  # where there is no data, the page is seen
    bar = decoded(bar_url("viridis"))
    assert bar.shape[0] == 1
    np.testing.assert_allclose(bar[0, [0, -1], :3], [first[:3], last[:3]], atol=0.003)


def test_areas_with_data_are_outlined() -> None:
    picture = np.full((6, 7), np.nan)
    picture[1:5, 2:] = 1.0
    shown = decoded(pixels_url(picture, (0, 2), outlined=True))[::-1]
    inner = decoded(pixels_url(np.ones((1, 1)), (0, 2)))[0, 0]
    same = np.isclose(shown, inner, atol=0.003).all(axis=2)
    # The border of the picture is no edge of the data.
    expected = np.zeros((6, 7), bool)
    expected[2:4, 3:] = True
    np.testing.assert_array_equal(same, expected)
    assert (shown[..., 3] == np.isfinite(picture)).all()
    whole = decoded(pixels_url(np.ones((3, 3)), (0, 2), outlined=True))
    assert np.isclose(whole, inner, atol=0.003).all()


@pytest.mark.parametrize(
    ("picture", "steps", "words"),
    [(np.zeros(3), 9, "two dimensions"), (np.zeros((0, 3)), 9, "two dimensions"), (np.zeros((2, 2)), 255, "255")],
)
def test_pixels_that_cannot_be_shown(picture: np.ndarray, steps: int, words: str) -> None:
    with pytest.raises(InvalidParameterError, match=words):
        pixels_url(picture, (0, 1), steps=steps)


def test_pixels_of_a_constant_picture_and_of_huge_values() -> None:
    assert len(np.unique(decoded(pixels_url(np.ones((3, 3)), (1, 1))).reshape(-1, 4), axis=0)) == 1
    shown = decoded(pixels_url(np.array([[-3e38, np.inf, 3e38]]), (0, 1)))
    assert shown[0, :, 3].tolist() == [1, 0, 1]


def test_blocks_are_means_of_what_is_known() -> None:
    picture = np.array([[1, 3, np.nan, np.nan, 9], [np.nan, 5, np.nan, np.nan, 9], [7, 7, 7, 7, 9]], np.float32)
    np.testing.assert_array_equal(coarser(picture, 2), [[3, np.nan]])


def test_the_scatter_of_the_sky_leaves_out_what_is_bright() -> None:
    rng = np.random.default_rng(5)
    sky = rng.normal(50, 2, 40_000)
    assert sky_scatter(sky) == (pytest.approx(50, abs=0.05), pytest.approx(2, rel=0.03))
    sky[:8000] += 1000  # a fifth of all pixels
    assert sky_scatter(sky)[1] == pytest.approx(2, rel=0.3)
    assert np.isnan(sky_scatter(np.full(3, np.nan))).all()
    assert sky_stretch([rng.normal(0, 1, 40_000), 7 + rng.normal(0, 3, 40_000)], 2.0) == pytest.approx(6, rel=0.03)
    assert sky_stretch([np.full(4, np.nan)]) == sky_stretch([np.ones(4)]) == sky_stretch([]) == 1.0


def test_the_common_stretch_shows_the_background() -> None:
    pictures = [np.linspace(0, 100, 101), np.full(3, np.nan)]
    assert common_stretch(pictures) == pytest.approx((1, 97))
    assert common_stretch([np.full((2, 2), np.nan)]) == common_stretch([]) == (0.0, 1.0)
    assert common_stretch([np.full((2, 2), 7.0)]) == (6.5, 7.5)


@pytest.mark.parametrize("name", [IMAGE_COLOURS, SIGNED_COLOURS, COUNT_COLOURS])
def test_colours_are_those_of_matplotlib(name: str) -> None:
    for steps in (2, 48, 128, 254):
        expected = 255 * colormaps[name](np.linspace(0, 1, steps))[:, :3]
        np.testing.assert_allclose(colour_table(name, steps), expected, atol=5.5)
    np.testing.assert_allclose(colour_table(name, 2), 255 * colormaps[name](np.array([0.0, 1.0]))[:, :3], atol=0.51)
    with pytest.raises(InvalidParameterError, match="colours are 'jet'; they must be one of cividis"):
        colour_table("jet", 9)


def test_smooth_pictures_and_noise_are_small() -> None:
    rng = np.random.default_rng(1)
    noise = pixels_url(rng.normal(0, 1, (200, 220)), (-4, 4))
    slope = pixels_url(np.add.outer(np.arange(200.0), np.arange(220.0)), (0, 420))
    # The entropy of 128 steps across eight standard deviations is 6.05 bits a pixel; base64 makes 4 bytes of 3.
    assert len(noise) < 1500 + 1.03 * 4 / 3 * 6.05 / 8 * 200 * 220  # with the table of colours
    assert len(slope) < 0.06 * len(noise)


def test_large_pictures_are_sampled() -> None:
    rng = np.random.default_rng(2)
    large = rng.normal(20, 3, (1000, 900))
    large[:, 1::2] += 1e6
    large[:, 1::2] = np.nan
    assert sky_scatter(large) == (pytest.approx(20, abs=0.1), pytest.approx(3, rel=0.03))
    low, high = common_stretch([large, large - 7])
    assert (low, high) == (pytest.approx(13 - 3 * 2.05, abs=0.3), pytest.approx(20 + 3 * 1.55, abs=0.3))


def test_pictures_need_no_library_for_figures() -> None:
    code = (
        "import sys, numpy as np, evensky.report\n"
        "from evensky.draw.pixels import pixels_url\n"
        "pixels_url(np.ones((3, 3)), (0, 1))\n"
        "sys.exit(any(name.split('.')[0] in ('matplotlib', 'PIL') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
