"""Terms that images give: means over bins, values at pixels, and whole images agree."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from evensky.matching.joint.planes import Plane, labels_plane, level_plane, plane_of, template_plane

HEIGHT, WIDTH = 37, 53
X_EDGES, Y_EDGES = np.array([3, 4, 11, 30, 53]), np.array([0, 5, 6, 37])


def labels() -> np.ndarray:
    """Make an image of the labels 2, 5 and 9, with pixels that have none."""
    image = np.random.default_rng(1).choice([2, 5, 9], (HEIGHT, WIDTH))
    image[:, 20:] = 9
    image[30:, :10] = 0
    return image


def wisp() -> np.ndarray:
    image = np.random.default_rng(2).normal(size=(HEIGHT, WIDTH)).astype(np.float32)
    image[4, 7] = np.nan
    image[5, 8] = -np.inf
    return image


PLANES = {
    "labels": labels_plane(labels()),
    "template": template_plane(wisp()),
    "level": level_plane(np.array([0.5, -2.0])),
    "no label at all": labels_plane(np.zeros((HEIGHT, WIDTH), int)),
}


@pytest.mark.parametrize("plane", PLANES.values(), ids=PLANES.keys())
def test_bins_pixels_and_images_agree(plane: Plane) -> None:
    rows, columns = (place.ravel() for place in np.mgrid[0:HEIGHT, 0:WIDTH])
    values = plane.at(columns, rows)
    assert values.shape == (HEIGHT * WIDTH, plane.terms)
    image = values.reshape(HEIGHT, WIDTH, plane.terms)
    found = plane.means(X_EDGES, Y_EDGES)
    assert found.shape == (3, 4, plane.terms)
    for i in range(3):
        for j in range(4):
            part = image[Y_EDGES[i] : Y_EDGES[i + 1], X_EDGES[j] : X_EDGES[j + 1]]
            share = 1.0
            if plane.valid is not None:  # the mean of the pixels that are known
                share = plane.valid[Y_EDGES[i] : Y_EDGES[i + 1], X_EDGES[j] : X_EDGES[j + 1]].mean()
            np.testing.assert_allclose(found[i, j], part.mean(axis=(0, 1)) / share, atol=1e-7)
    coefficients = np.random.default_rng(3).normal(size=plane.terms)
    out = np.full((10, WIDTH), 4.0, np.float32)
    plane.add_to(out, coefficients, 25)
    np.testing.assert_allclose(out, 4 + (image @ coefficients)[25:35], atol=1e-5)


def test_labels_have_levels_from_the_mean() -> None:
    plane = PLANES["labels"]
    assert plane.labels is not None
    assert plane.labels.tolist() == [2, 5, 9]
    assert plane.terms == 2
    image = labels()
    expected = np.stack([image == 5, image == 9], axis=-1) - np.array([np.mean(image == 5), np.mean(image == 9)])
    rows, columns = (place.ravel() for place in np.mgrid[0:HEIGHT, 0:WIDTH])
    np.testing.assert_allclose(plane.at(columns, rows), expected.reshape(-1, 2))
    # Whatever the levels, their mean over the image is 0.
    out = np.zeros((HEIGHT, WIDTH), np.float32)
    plane.add_to(out, np.array([30.0, -7.0]), 0)
    assert out.mean(dtype=float) == pytest.approx(0, abs=1e-5)
    assert out[image == 5].mean() - out[image == 2].mean() == pytest.approx(30, abs=1e-4)
    assert out[image == 9].mean() - out[image == 2].mean() == pytest.approx(-7, abs=1e-4)


def test_pixels_of_a_template_that_are_not_finite_are_unknown() -> None:
    plane = PLANES["template"]
    at = plane.at(np.array([7, 8, 9]), np.array([4, 5, 6]))[:, 0]
    assert at[:2].tolist() == [0, 0]
    assert at[2] == wisp()[6, 9]
    given = wisp()
    assert template_plane(given).means(np.array([0, WIDTH]), np.array([0, HEIGHT]))[0, 0, 0] == pytest.approx(
        given[np.isfinite(given)].mean(), rel=1e-5
    )
    assert np.isnan(given[4, 7])  # the given image is unchanged


def test_pixels_beyond_the_image_count_as_its_nearest() -> None:
    for plane in (PLANES["labels"], PLANES["template"]):
        beyond = plane.at(np.array([-3, WIDTH + 5]), np.array([2, HEIGHT]))
        np.testing.assert_array_equal(beyond, plane.at(np.array([0, WIDTH - 1]), np.array([2, HEIGHT - 1])))


def test_kinds() -> None:
    ones = np.ones((4, 4), int)
    ones[0] = 2
    assert plane_of("template", ones).labels is None
    assert plane_of("template", ones).terms == 1
    amplifiers = plane_of("amplifier", ones).labels
    assert amplifiers is not None
    assert amplifiers.tolist() == [1, 2]
    assert plane_of("detector", ones).terms == 1
    assert PLANES["level"].terms == 2
    assert PLANES["no label at all"].terms == 0


def test_known_means_do_not_travel_with_a_plane() -> None:
    plane = template_plane(np.ones((32, 32)))
    plane.means(np.array([0, 16, 32]), np.array([0, 32]))
    small = pickle.dumps(template_plane(np.ones((32, 32))))
    assert len(pickle.dumps(plane)) == len(small)
