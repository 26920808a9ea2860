"""Least squares: every method against numpy, singular problems, and calls that are refused."""

from __future__ import annotations

import doctest
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from evensky.errors import InvalidParameterError, LogicError
from evensky.errors import RuntimeError as EvenskyRuntimeError
from evensky.math import LeastSquares

RNG = np.random.default_rng(20261127)
SVD, EIGEN, CHOLESKY = LeastSquares.DIRECT_SVD, LeastSquares.NORMAL_EIGENSYSTEM, LeastSquares.NORMAL_CHOLESKY


def problem(rows: int = 60, dimension: int = 7) -> tuple[np.ndarray, np.ndarray]:
    return RNG.normal(size=(rows, dimension)), RNG.normal(size=rows)


def solvers(design: np.ndarray, data: np.ndarray) -> list[LeastSquares]:
    fisher, rhs = design.T @ design, design.T @ data
    return [
        *(LeastSquares.fromDesignMatrix(design, data, method) for method in (SVD, EIGEN, CHOLESKY)),
        *(LeastSquares.fromNormalEquations(fisher, rhs, method) for method in (EIGEN, CHOLESKY)),
    ]


def check(solver: LeastSquares, design: np.ndarray, data: np.ndarray, rtol: float = 1e-9) -> None:
    right, _, rank, singular = np.linalg.lstsq(design, data, rcond=1e-13)
    singular = np.pad(singular, (0, design.shape[1] - singular.size))
    assert solver.getRank() == rank
    assert solver.getDimension() == design.shape[1]
    np.testing.assert_allclose(solver.getSolution(), right, rtol=rtol)
    np.testing.assert_allclose(solver.getFisherMatrix(), design.T @ design, atol=1e-12)
    covariance = np.linalg.pinv(design.T @ design, rcond=1e-13)
    np.testing.assert_allclose(solver.getCovariance(), covariance, rtol=rtol, atol=1e-12)
    if solver.getFactorization() is CHOLESKY:
        pivots = solver.getDiagnostic(CHOLESKY)
        assert (np.diff(pivots) <= 0).all()
        assert np.prod(pivots) == pytest.approx(np.linalg.det(design.T @ design))
    else:
        np.testing.assert_allclose(solver.getDiagnostic(SVD), singular, atol=1e-6)
        np.testing.assert_allclose(solver.getDiagnostic(EIGEN), singular**2, atol=1e-9)


def test_all_methods() -> None:
    design, data = problem()
    for solver in solvers(design, data):
        check(solver, design, data)


def test_problems_are_replaced() -> None:
    first, second = problem(), problem(20)
    for solver in solvers(*first):
        solver.setDesignMatrix(*second)
        check(solver, *second)
        if solver.getFactorization() is not SVD:
            third = problem(40)
            solver.setNormalEquations(third[0].T @ third[0], third[0].T @ third[1])
            check(solver, *third)


@pytest.mark.parametrize("seed", range(20))
def test_singular_problems_have_the_shortest_solution(seed: int) -> None:
    rng = np.random.default_rng(seed)
    singular = np.sort((rng.normal(size=10) + 1) ** 2 + 1)[::-1]
    singular[-1], singular[-2] = 0, singular[0] * 1e-4
    left, _, right = np.linalg.svd(rng.normal(size=(10, 100)), full_matrices=False)
    design, data = ((left * singular) @ right).T, rng.normal(size=100)
    usable = [solver for solver in solvers(design, data) if solver.getFactorization() is not CHOLESKY]
    assert len(usable) == 3
    shorter = np.linalg.lstsq(design, data, rcond=1e-3)[0]
    for solver in usable:
        check(solver, design, data, rtol=1e-5)
        solver.setThreshold(1e-3 if solver.getFactorization() is SVD else 1e-6)
        assert solver.getRank() == 8
        np.testing.assert_allclose(solver.getSolution(), shorter, rtol=1e-6)


def test_fewer_data_than_unknowns() -> None:
    design, data = problem(3, 5)
    for method in (SVD, EIGEN):
        check(LeastSquares.fromDesignMatrix(design, data, method), design, data)


def test_cholesky_refuses_singular_matrices() -> None:
    solver = LeastSquares.fromNormalEquations([[1.0, 1.0], [1.0, 1.0]], [1.0, 1.0], CHOLESKY)
    for result in (solver.getSolution, solver.getCovariance):
        with pytest.raises(EvenskyRuntimeError, match="2 unknowns has rank 1"):
            result()


def test_the_lower_triangle_is_used() -> None:
    right = LeastSquares.fromNormalEquations([[4.0, 1.0], [1.0, 3.0]], [1.0, 2.0]).getSolution()
    for method in (EIGEN, CHOLESKY):
        solver = LeastSquares.fromNormalEquations([[4.0, 99.0], [1.0, 3.0]], [1.0, 2.0], method)
        np.testing.assert_allclose(solver.getSolution(), right)


def test_forms() -> None:
    solver = LeastSquares(LeastSquares.Factorization.DIRECT_SVD, 2)
    assert solver.getThreshold() == pytest.approx(2 * np.finfo(float).eps)
    solver.setDesignMatrix(design=[[1, 0], [1, 1], [1, 2]], data=[1, 3, 5])
    assert solver.getSolution() == pytest.approx([1, 2])
    solver.getFisherMatrix()[...] = 0
    solver.getDiagnostic(SVD)[...] = 0
    assert solver.getRank() == 2
    assert solver.getFisherMatrix().tolist() == [[3, 3], [3, 5]]
    assert LeastSquares.fromDesignMatrix([[2.0]], [4.0]).getFactorization() is EIGEN
    assert [method.value for method in LeastSquares.Factorization] == [0, 1, 2]
    assert repr(solver) == "LeastSquares(DIRECT_SVD, dimension=2)"


@pytest.mark.parametrize(
    ("call", "kind", "match"),
    [
        (lambda: LeastSquares(SVD, 0), InvalidParameterError, "dimension is 0"),
        (lambda: LeastSquares(7, 2), InvalidParameterError, "NORMAL_CHOLESKY = 1"),
        (lambda: LeastSquares(SVD, 2).getSolution(), LogicError, "setDesignMatrix"),
        (lambda: LeastSquares.fromDesignMatrix(np.ones((3, 2)), np.ones(4)), InvalidParameterError, "3 rows.*4 data"),
        (lambda: LeastSquares(SVD, 3).setDesignMatrix(np.ones((3, 2)), np.ones(3)), InvalidParameterError, "2 columns"),
        (lambda: LeastSquares(EIGEN, 3).setNormalEquations(np.ones((2, 2)), [1, 2]), InvalidParameterError, "2 rows"),
        (lambda: LeastSquares.fromNormalEquations(np.ones((3, 2)), np.ones(3)), InvalidParameterError, r"\(3, 2\)"),
        (lambda: LeastSquares.fromNormalEquations(np.eye(2), np.ones(2), SVD), InvalidParameterError, "DIRECT_SVD"),
        (lambda: LeastSquares.fromDesignMatrix([[np.nan]], [1.0]), InvalidParameterError, "1 elements"),
        (lambda: LeastSquares.fromDesignMatrix([1.0], [1.0]), InvalidParameterError, "design"),
        (lambda: LeastSquares.fromDesignMatrix([[1.0]], [[1.0]]), InvalidParameterError, "data"),
        (lambda: LeastSquares.fromDesignMatrix([["a"]], [1.0]), InvalidParameterError, "real numbers"),
        (
            lambda: LeastSquares.fromDesignMatrix([[1.0]], [1.0], SVD).getDiagnostic(CHOLESKY),
            InvalidParameterError,
            "DIRECT_SVD has no diagnostic of NORMAL_CHOLESKY",
        ),
        (
            lambda: LeastSquares.fromDesignMatrix([[1.0]], [1.0], CHOLESKY).getDiagnostic(EIGEN),
            InvalidParameterError,
            "NORMAL_EIGENSYSTEM",
        ),
    ],
)
def test_what_is_refused(call: Callable[[], Any], kind: type[Exception], match: str) -> None:
    with pytest.raises(kind, match=match):
        call()


def test_examples() -> None:
    results = doctest.testmod(importlib.import_module("evensky.math.least_squares"))
    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.parametrize("unit", [1e-166, 1e166])
def test_a_design_matrix_whose_squares_are_no_numbers_is_refused(unit: float) -> None:
    with pytest.raises(InvalidParameterError, match=r"largest element of the design matrix is 2e.166"):
        LeastSquares.fromDesignMatrix(np.array([[1.0], [2.0]]) * unit, [1.0, 2.0])
