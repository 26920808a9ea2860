"""Maps between the common grid and the pixels of exposures."""

from __future__ import annotations

import numpy as np

from evensky.matching.joint.basis import Basis
from evensky.matching.joint.candidates import Candidate, Extra
from evensky.matching.joint.transforms import Affine, Chain, Continued, affine_of

TURNED = Affine(np.array([[0.8, -0.6, 40.0], [0.6, 0.8, -7.0]]))
MIRRORED = Affine(np.array([[-2.0, 0.0, 900.0], [0.0, 2.0, 3.0]]))
X, Y = np.array([0.0, 10.0, -35.5, 400.0]), np.array([2.0, -80.0, 33.0, 500.25])


def test_maps_and_their_inverses() -> None:
    for transform in (TURNED, MIRRORED, Chain(TURNED, MIRRORED)):
        np.testing.assert_allclose(transform.to_common(*transform.to_own(X, Y)), (X, Y), atol=1e-9)
    np.testing.assert_allclose(TURNED.to_own(X, Y), (0.8 * X - 0.6 * Y + 40, 0.6 * X + 0.8 * Y - 7))
    np.testing.assert_allclose(Chain(TURNED, MIRRORED).to_own(X, Y), MIRRORED.to_own(*TURNED.to_own(X, Y)))


def test_an_affine_map_is_fitted() -> None:
    np.testing.assert_allclose(affine_of((X, Y), TURNED.to_own(X, Y)).matrix, TURNED.matrix, atol=1e-9)


def test_derivatives_of_a_basis() -> None:
    np.testing.assert_allclose(Basis((0, 0, 300, 200), TURNED).linear, TURNED.matrix[:, :2])
    np.testing.assert_allclose(Basis((0, 0, 300, 200)).linear, np.eye(2))


def test_means_over_turned_bins() -> None:
    """The mean of a series over a turned bin is that over its pixels."""
    box = (0, 0, 512, 512)
    basis, candidate = Basis(box, TURNED), Candidate(2)
    side = 64
    x, y = (one.ravel() for one in np.meshgrid(250.0 + np.arange(side), 130.0 + np.arange(side)))
    exact = basis.at(candidate, x, y).mean(axis=0)
    centre = np.array([x.mean()]), np.array([y.mean()])
    found = basis.design(candidate, *centre, float(side), float(side))[0]
    np.testing.assert_allclose(found, exact, atol=2e-5)
    # The size of the bin matters by more than that.
    assert np.abs(basis.at(candidate, *centre)[0] - exact).max() > 1e-3


def test_drifts_are_those_of_own_rows() -> None:
    extra = Extra("rows", "rows", 6, 8)
    basis = Basis((0, 0, 300, 200), TURNED)
    x, y = np.array([150.0, 20.0]), np.array([60.0, 60.0])
    own = Basis((0, 0, 300, 200)).drift(extra, x, y, 0.0, 0.0)
    np.testing.assert_allclose(basis.drift(extra, *TURNED.to_common(x, y), 0.0, 0.0), own, atol=1e-9)
    np.testing.assert_allclose(own[0], own[1])


def test_points_lie_in_the_box() -> None:
    x, y = TURNED.to_own(*Basis((10, 20, 300, 200), TURNED).points)
    assert (x.min() > 9.5, x.max() < 309.5, y.min() > 19.5, y.max() < 219.5) == (True, True, True, True)


def test_a_map_with_holes_is_continued() -> None:
    class Holed:
        """A map without positions at x > 100 on the common grid."""

        def to_own(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            x, y = TURNED.to_own(np.where(x > 100, np.nan, x), y)
            return x, y

        def to_common(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            x, y = TURNED.to_common(x, y)
            return np.where(x > 100, np.nan, x), y

    known, beyond = TURNED.to_own(X, Y), MIRRORED.to_own(X, Y)
    own = Continued(Holed(), MIRRORED).to_own(X, Y)
    np.testing.assert_array_equal(own, np.where(X > 100, beyond, known))
    np.testing.assert_allclose(Continued(Holed(), TURNED).to_common(*known), (X, Y), atol=1e-9)
