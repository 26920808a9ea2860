"""Candidates: their names, numbers of terms, and what is compared for an exposure of some bins."""

from __future__ import annotations

import pytest

from evensky.matching.joint.candidates import (
    FEWEST_NODES,
    NONE,
    Candidate,
    Extra,
    drift_extras,
    smooth_candidates,
    terms_of_order,
)

ROWS = Extra("rows", "rows", 6, 8)
AMPLIFIERS = Extra("amplifier", "amplifier", 3)
WISP = Extra("template", "wisp", 1)


@pytest.mark.parametrize(
    ("candidate", "name", "terms", "smooth_terms", "polynomial"),
    [
        (NONE, "none", 0, 0, -1),
        (Candidate(0), "constant", 1, 1, 0),
        (Candidate(1), "plane", 3, 3, 1),
        (Candidate(4), "Chebyshev 4", 15, 15, 4),
        (Candidate(nodes=(5, 6)), "spline 5 x 6", 30, 30, 1),
        (Candidate(nodes=(1, 6)), "spline 1 x 6", 6, 6, 0),
        (Candidate(1, extras=(ROWS, WISP)), "plane + rows 8 + wisp", 10, 3, 1),
        (Candidate(extras=(AMPLIFIERS,)), "amplifier", 3, 0, -1),
        (Candidate(nodes=(4, 4), extras=(AMPLIFIERS,)), "spline 4 x 4 + amplifier", 19, 16, 1),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_names_and_terms(candidate: Candidate, name: str, terms: int, smooth_terms: int, polynomial: int) -> None:
    assert candidate.name == name
    assert (candidate.terms, candidate.smooth_terms, candidate.polynomial) == (terms, smooth_terms, polynomial)
    assert candidate.smooth.terms == smooth_terms
    assert candidate.smooth.extras == ()
    assert candidate == Candidate(candidate.order, candidate.nodes, candidate.extras)
    assert hash(candidate) == hash(Candidate(candidate.order, candidate.nodes, candidate.extras))


def test_terms_of_order() -> None:
    assert [terms_of_order(order) for order in (-1, 0, 1, 2, 8)] == [0, 1, 3, 6, 45]


def test_smooth_candidates() -> None:
    found = smooth_candidates(3, (16, 12))
    assert found[0] == NONE
    assert [candidate.terms for candidate in found] == sorted(candidate.terms for candidate in found)
    assert len(set(found)) == len(found)
    assert {candidate.name for candidate in found} == {
        *("none", "constant", "plane", "Chebyshev 2", "Chebyshev 3", "spline 8 x 6", "spline 5 x 4"),
        *("spline 1 x 12", "spline 1 x 6", "spline 16 x 1", "spline 8 x 1"),
    }
    assert all(candidate.nodes is None for candidate in smooth_candidates(8, (16, 16), spline=False))
    assert all(candidate.nodes is None for candidate in smooth_candidates(8, (3, 3)))
    # A spline needs some nodes along each axis along which it varies.
    narrow = [candidate.nodes for candidate in smooth_candidates(2, (3, 30)) if candidate.nodes]
    assert narrow
    assert all(nx == 1 and ny >= FEWEST_NODES for nx, ny in narrow)
    assert smooth_candidates(-1, (2, 2)) == [NONE]


@pytest.mark.parametrize(
    ("bins", "nodes"), [(16, [8, 16]), (9, [4, 9]), (7, [7]), (4, [4]), (3, []), (0, [])], ids=lambda value: str(value)
)
def test_drifts_have_neither_constant_nor_slope(bins: int, nodes: list[int]) -> None:
    found = drift_extras("columns", bins)
    assert [extra.nodes for extra in found] == nodes
    assert [extra.terms for extra in found] == [number - 2 for number in nodes]
    assert [extra.label for extra in found] == [f"columns {number}" for number in nodes]
    assert all(extra.kind == extra.name == "columns" for extra in found)
