"""Models: their values at points, in rows and in images agree, and so do their errors."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from evensky.errors import InvalidParameterError
from evensky.matching.joint.basis import Basis
from evensky.matching.joint.candidates import NONE, Candidate, Extra
from evensky.matching.joint.models import Choices, Model
from evensky.matching.joint.planes import Plane, labels_plane, level_plane, template_plane
from evensky.math import Approximate, BackgroundMI

BOX = (7, -3, 300, 200)
ROWS, COLUMNS = Extra("rows", "rows", 6, 8), Extra("columns", "columns", 3, 5)
AMPLIFIERS, WISP = Extra("amplifier", "amplifier", 3), Extra("template", "wisp", 1)
CHIP = Extra("detector", "chip", 2)
SMOOTH = [Candidate(0), Candidate(1), Candidate(5), Candidate(nodes=(5, 6)), Candidate(nodes=(1, 6))]
COMPOSITE = [
    Candidate(2, extras=(ROWS, AMPLIFIERS, WISP)),
    Candidate(1, extras=(COLUMNS,)),
    Candidate(nodes=(5, 6), extras=(CHIP, WISP)),
    Candidate(extras=(AMPLIFIERS,)),
]


def planes() -> dict[str, Plane]:
    labels = np.zeros((200, 300), np.int16)
    for label in range(4):
        labels[:, 75 * label : 75 * label + 70] = label + 1  # the columns between them have no label
    wisp = np.random.default_rng(8).normal(size=(200, 300)).astype(np.float32)
    return {
        "amplifier": labels_plane(labels),
        "wisp": template_plane(wisp),
        "chip": level_plane(np.array([0.5, -1.5])),
    }


def random_model(candidate: Candidate, *, choices: bool = False) -> Model:
    rng = np.random.default_rng(1)
    root = rng.normal(size=(candidate.terms,) * 2)
    other = rng.normal(size=(10, 10))
    return Model(
        candidate,
        BOX,
        rng.normal(size=candidate.terms),
        root @ root.T,
        choices=Choices(3, other @ other.T) if choices else None,
        planes=planes(),
    )


def all_points() -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.mgrid[-3:197, 7:307]
    return columns.ravel().astype(float), rows.ravel().astype(float)


@pytest.mark.parametrize("choices", [False, True], ids=["", "choices"])
@pytest.mark.parametrize("candidate", [*SMOOTH, *COMPOSITE], ids=lambda candidate: candidate.name)
def test_a_model_is_one_and_the_same_everywhere(candidate: Candidate, choices: bool) -> None:
    model = random_model(candidate, choices=choices)
    assert model.name == candidate.name
    points = all_points()
    image = model.image()
    np.testing.assert_allclose(image.ravel(), model.evaluate(*points), atol=1e-5)
    sigma = model.sigma(*points)
    np.testing.assert_allclose(model.sigma_image().ravel(), sigma, rtol=1e-5)
    variance = np.empty((20, 300), np.float32)
    model.fill_variance(variance, first_row=50)
    np.testing.assert_allclose(variance, sigma.reshape(200, 300)[50:70] ** 2, rtol=2e-5)
    band = np.empty((20, 300), np.float32)
    model.fill(band, first_row=50)
    np.testing.assert_array_equal(band, image[50:70])
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.image(), image)
    np.testing.assert_array_equal(again.sigma_image(), model.sigma_image())
    assert (model.bbox.getMinX(), model.bbox.getWidth(), model.bbox.getHeight()) == (7, 300, 200)


@pytest.mark.parametrize("candidate", SMOOTH, ids=lambda candidate: candidate.name)
def test_smooth_models_are_mirrored(candidate: Candidate) -> None:
    model = random_model(candidate)
    image = model.image()
    assert isinstance(model.mirrored, BackgroundMI if candidate.nodes else Approximate)
    # Terms in bins are means over the pixels of the bins.
    basis = Basis(BOX)
    terms = basis.design(candidate, np.array([57.5]), np.array([40.0]), np.array([20.0]), np.array([31.0]))
    assert (terms @ model.coefficients).item() == pytest.approx(image[28:59, 41:61].mean(dtype=float), abs=5e-4)


def test_a_model_is_the_sum_of_its_parts() -> None:
    model = random_model(COMPOSITE[0])
    assert model.mirrored is None
    total = np.zeros((200, 300))
    start = 0
    for candidate in (Candidate(2), *(Candidate(extras=(extra,)) for extra in COMPOSITE[0].extras)):
        some = slice(start, start + candidate.terms)
        start += candidate.terms
        part = Model(candidate, BOX, model.coefficients[some], model.covariance[some, some], planes=planes())
        total += part.image()
    np.testing.assert_allclose(model.image(), total, atol=1e-5)


def test_the_choice_of_the_model_adds_to_its_variance() -> None:
    plain, chosen = (random_model(Candidate(1), choices=choices) for choices in (False, True))
    assert chosen.choices is not None
    points = all_points()
    terms = Basis(BOX).at(Candidate(3), *points)
    more = ((terms @ chosen.choices.covariance) * terms).sum(axis=1)
    np.testing.assert_allclose(chosen.sigma(*points) ** 2, plain.sigma(*points) ** 2 + more)
    np.testing.assert_array_equal(chosen.image(), plain.image())


def test_coefficients_of_further_terms() -> None:
    model = random_model(COMPOSITE[0])
    values, errors = model.coefficients_of("amplifier")
    np.testing.assert_array_equal(values, model.coefficients[12:15])
    np.testing.assert_allclose(errors, np.sqrt(np.diag(model.covariance)[12:15]))
    assert [len(model.coefficients_of(name)[0]) for name in ("rows", "wisp")] == [6, 1]
    with pytest.raises(KeyError, match="columns"):
        model.coefficients_of("columns")


def test_no_model() -> None:
    model = Model(NONE, BOX, np.zeros(0), np.zeros((0, 0)))
    assert model.mirrored is None
    assert model.name == "none"
    assert not model.image().any()
    assert not model.sigma_image().any()
    assert model.evaluate(np.array([8.0]), np.array([0.0])).tolist() == [0.0]
    assert model.sigma(np.array([8.0]), np.array([0.0])).tolist() == [0.0]


def test_a_series_over_another_box_is_the_same_function() -> None:
    random = np.random.default_rng(3)
    terms = Candidate(3).terms
    root = random.normal(size=(terms, terms))
    model = Model(Candidate(3), (10, 20, 200, 100), random.normal(size=terms), root @ root.T)
    wider = model.over((0, 0, 220, 140))
    x, y = np.array([10.0, 100.0, 215.0, 3.0]), np.array([20.0, 77.0, 135.0, 2.0])
    np.testing.assert_allclose(wider.evaluate(x, y), model.evaluate(x, y), rtol=1e-10)
    np.testing.assert_allclose(wider.sigma(x, y), model.sigma(x, y), rtol=1e-8)
    assert wider.image().shape == (140, 220)
    assert wider.over(wider.box) is wider


def test_a_spline_has_no_values_beyond_its_box() -> None:
    model = Model(Candidate(nodes=(3, 3)), (0, 0, 30, 30), np.ones(9), np.eye(9))
    with pytest.raises(InvalidParameterError, match="leave out splines"):
        model.over((0, 0, 40, 30))
