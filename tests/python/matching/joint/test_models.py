"""Models: their values in bins and in pixels agree, and do not depend on the basis."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from evensky.matching.joint.models import NONE, Basis, Candidate, Model, make_candidates
from evensky.math import Approximate, BackgroundMI

BOX = (7, -3, 300, 200)
CANDIDATES = [Candidate(0), Candidate(1), Candidate(5), Candidate(nodes=(5, 6)), Candidate(nodes=(1, 6))]


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda candidate: candidate.name)
def test_a_model_is_one_and_the_same_everywhere(candidate: Candidate) -> None:
    rng = np.random.default_rng(1)
    root = rng.normal(size=(candidate.terms,) * 2)
    model = Model(candidate, BOX, rng.normal(size=candidate.terms), root @ root.T)
    rows, columns = np.mgrid[-3:197, 7:307]
    points = columns.ravel().astype(float), rows.ravel().astype(float)
    image = model.image()
    np.testing.assert_allclose(image.ravel(), model.evaluate(*points), atol=1e-5)
    np.testing.assert_allclose(model.sigma_image().ravel(), model.sigma(*points), rtol=1e-5)
    assert isinstance(model.mirrored, BackgroundMI if candidate.nodes else Approximate)
    band = np.empty((20, 300), np.float32)
    model.fill(band, first_row=50)
    np.testing.assert_array_equal(band, image[50:70])
    # Terms in bins are means over the pixels of the bins.
    basis = Basis(BOX)
    terms = basis.design(candidate, np.array([57.5]), np.array([40.0]), np.array([20.0]), np.array([31.0]))
    assert (terms @ model.coefficients).item() == pytest.approx(image[28:59, 41:61].mean(dtype=float), abs=5e-4)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.image(), image)


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


def test_candidates() -> None:
    found = make_candidates(3, (16, 12))
    assert found[0] == NONE
    assert [candidate.terms for candidate in found] == sorted(candidate.terms for candidate in found)
    assert {"none", "constant", "plane", "Chebyshev 3", "spline 8 x 6", "spline 1 x 12"} <= {c.name for c in found}
    assert all(candidate.nodes is None for candidate in make_candidates(8, (16, 16), spline=False))
    assert all(candidate.nodes is None for candidate in make_candidates(8, (3, 3)))
