"""Terms of smooth models: means over bins are means over pixels, and functions can be moved between boxes."""

from __future__ import annotations

import numpy as np
import pytest

from evensky.matching.joint.basis import Basis, drift_terms, mean_spline
from evensky.matching.joint.candidates import Candidate, Extra
from evensky.matching.joint.transforms import Affine

BOX = (7, -3, 300, 200)
SMOOTH = [
    *(Candidate(order) for order in (0, 1, 2, 5, 8)),
    *(Candidate(nodes=nodes) for nodes in ((5, 6), (1, 6), (9, 1), (30, 20))),
]
# Bins of odd and even sizes, at the edges of the box too: x0, y0, width, height.
BINS = [(7, -3, 20, 31), (100, 50, 1, 1), (287, 177, 20, 20), (7, 100, 300, 7), (31, -3, 13, 200)]


def placed(bins: list[tuple[int, int, int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    x0, y0, width, height = np.array(bins, float).T
    return x0 + (width - 1) / 2, y0 + (height - 1) / 2, width, height


def pixels_of(one: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    x0, y0, width, height = one
    rows, columns = np.mgrid[y0 : y0 + height, x0 : x0 + width]
    return columns.ravel().astype(float), rows.ravel().astype(float)


@pytest.mark.parametrize("candidate", SMOOTH, ids=lambda candidate: candidate.name)
def test_terms_in_bins_are_means_over_their_area(candidate: Candidate) -> None:
    basis = Basis(BOX)
    found = basis.design(candidate, *placed(BINS))
    assert found.shape == (len(BINS), candidate.terms)
    for row, one in zip(found, BINS, strict=True):
        x, y = pixels_of(one)
        if candidate.nodes is not None:
            expected = basis.at(candidate, x, y).mean(axis=0)
            np.testing.assert_allclose(row, expected, atol=1e-9)
            continue
        # A series is integrated over the area of the pixels: Gauss-Legendre points within each are exact.
        nodes, weights = np.polynomial.legendre.leggauss(5)
        expected = np.zeros(candidate.terms)
        for dx, wx in zip(nodes / 2, weights / 2, strict=True):
            for dy, wy in zip(nodes / 2, weights / 2, strict=True):
                expected += wx * wy * basis.at(candidate, x + dx, y + dy).mean(axis=0)
        np.testing.assert_allclose(row, expected, atol=1e-9)
        # That differs little from the mean of the values at the centres of the pixels.
        np.testing.assert_allclose(row, basis.at(candidate, x, y).mean(axis=0), atol=2e-3)


def test_bins_of_one_pixel_hold_values_of_a_spline() -> None:
    at = np.array([0.0, 17.0, 99.0])
    np.testing.assert_allclose(mean_spline(at, np.ones(3), 100, 7), mean_spline(at, 0.0, 100, 7), atol=1e-12)
    # The splines add up to 1, and each is 1 at its own node.
    assert mean_spline(np.linspace(0, 99, 50), 0.0, 100, 7).sum(axis=1) == pytest.approx(1)
    nodes = (np.arange(5) + 0.5) * 20 - 0.5
    np.testing.assert_allclose(mean_spline(nodes, 0.0, 100, 5), np.eye(5), atol=1e-12)


def test_series_of_all_orders_begin_with_the_same_terms() -> None:
    basis, place = Basis(BOX), placed(BINS)
    highest = basis.design(Candidate(8), *place)
    for order in range(8):
        np.testing.assert_array_equal(basis.design(Candidate(order), *place), highest[:, : Candidate(order).terms])
    assert basis.design(Candidate(), *place).shape == (len(BINS), 0)


def test_positions_on_a_chip_are_mapped_to_its_focal_plane() -> None:
    turned = np.array([[0.0, -1.0, 500.0], [1.0, 0.0, -40.0]])  # a quarter turn and a shift
    box = (100, -60, 600, 500)
    whole, chip = Basis(box), Basis(box, Affine(turned))
    x, y, width, height = placed(BINS)
    mapped = 500.0 - y, x - 40.0
    for candidate in SMOOTH[:5]:
        np.testing.assert_allclose(chip.at(candidate, x, y), whole.at(candidate, *mapped))
        # A quarter turn exchanges widths and heights.
        np.testing.assert_allclose(
            chip.design(candidate, x, y, width, height), whole.design(candidate, *mapped, height, width)
        )


@pytest.mark.parametrize("kind", ["rows", "columns"])
def test_drifts(kind: str) -> None:
    extra = Extra(kind, kind, 6, 8)
    basis = Basis(BOX)
    found = basis.drift(extra, *placed(BINS))
    for row, one in zip(found, BINS, strict=True):
        x, y = pixels_of(one)
        np.testing.assert_allclose(row, basis.drift(extra, x, y, 0.0, 0.0).mean(axis=0), atol=1e-9)
    # Along the other axis they do not vary.
    x, y = np.array([10.0, 200.0]), np.array([5.0, 5.0])
    places = (x, y) if kind == "rows" else (y, x)
    values = basis.drift(extra, *places, 0.0, 0.0)
    np.testing.assert_array_equal(values[0], values[1])
    assert np.abs(values).max() > 0.1


@pytest.mark.parametrize("nodes", [4, 8, 17])
def test_drifts_hold_neither_constant_nor_slope(nodes: int) -> None:
    found = drift_terms(nodes)
    assert found.shape == (nodes, nodes - 2)
    np.testing.assert_allclose(found.T @ found, np.eye(nodes - 2), atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(np.arange(nodes) @ found, 0, atol=1e-11)


def test_a_common_part_can_be_moved_between_models() -> None:
    rng = np.random.default_rng(2)
    other = Basis((-500, 0, 2000, 900))
    x, y = rng.uniform(7, 300, 50), rng.uniform(-3, 190, 50)
    for candidate, order in ((Candidate(3), 2), (Candidate(2), 2), (Candidate(nodes=(5, 6)), 1), (Candidate(0), 0)):
        numbers = rng.normal(size=Candidate(order).terms)
        basis = Basis(BOX)
        terms = basis.embedding(candidate, order, other) @ numbers
        np.testing.assert_allclose(basis.at(candidate, x, y) @ terms, other.at(Candidate(order), x, y) @ numbers)
        np.testing.assert_allclose(basis.projection(candidate, order, other) @ terms, numbers, atol=1e-8)
