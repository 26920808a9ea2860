"""Linear least squares, with the names of ``lsst.afw.math``."""

from __future__ import annotations

__all__ = ["LeastSquares"]

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import errors
from .._checks import real_number, shown, whole_number
from ..errors import InvalidParameterError, LogicError
from ..image._pixels import regular
from .interpolate import by_number

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class _Problem(NamedTuple):
    """Equations, and what their factorization needs: a function that returns the solution and the covariance."""

    fisher: np.ndarray
    diagnostic: np.ndarray
    results: Callable[[int], tuple[np.ndarray, np.ndarray]]


class LeastSquares:
    """Solver of linear least-squares problems: the x that minimizes ``|design @ x - data|``.

    `fromDesignMatrix` and `fromNormalEquations` make a solver and give it a problem. Several threads may ask a solver
    for results, while none sets a problem or the threshold.

    Parameters
    ----------
    factorization : LeastSquares.Factorization
        Method of solution.
    dimension : int
        Number of unknowns.

    Examples
    --------
    >>> solver = LeastSquares.fromDesignMatrix([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]], [1.0, 3.0, 5.0])
    >>> [round(float(value), 12) for value in solver.getSolution()]
    [1.0, 2.0]
    """

    class Factorization(enum.Enum):
        """Methods of solution."""

        NORMAL_EIGENSYSTEM = 0
        """Eigenvalues of the normal matrix; small ones are left out."""
        NORMAL_CHOLESKY = 1
        """Pivoted Cholesky factors of the normal matrix; fast, and fails if that is singular."""
        DIRECT_SVD = 2
        """Singular values of the design matrix; the most accurate, and small ones are left out."""

    NORMAL_EIGENSYSTEM = Factorization.NORMAL_EIGENSYSTEM
    NORMAL_CHOLESKY = Factorization.NORMAL_CHOLESKY
    DIRECT_SVD = Factorization.DIRECT_SVD

    def __init__(self, factorization: Factorization | int, dimension: int) -> None:
        self._factorization = by_number(LeastSquares.Factorization, factorization)
        self._dimension = whole_number(dimension, "dimension")
        if self._dimension < 1:
            raise InvalidParameterError(f"dimension is {dimension}; it must be >= 1")
        # Rounding leaves the eigenvalues of a singular matrix at some epsilons of the largest one.
        self._threshold = self._dimension * float(np.finfo(np.float64).eps)
        self._problem: _Problem | None = None

    @classmethod
    def fromDesignMatrix(
        cls, design: ArrayLike, data: ArrayLike, factorization: Factorization | int = NORMAL_EIGENSYSTEM
    ) -> LeastSquares:
        """Make a solver from a design matrix and data.

        Parameters
        ----------
        design : array-like, shape (n_data, dimension)
        data : array-like, shape (n_data,)
        factorization : LeastSquares.Factorization, optional

        Raises
        ------
        evensky.errors.InvalidParameterError
            If the shapes do not agree, a number is not finite, or the squares of the design matrix are beyond the range
            of float64.
        """
        matrix = _numbers(design, "design", 2)
        solver = cls(factorization, matrix.shape[1])
        solver.setDesignMatrix(matrix, data)
        return solver

    @classmethod
    def fromNormalEquations(
        cls, fisher: ArrayLike, rhs: ArrayLike, factorization: Factorization | int = NORMAL_EIGENSYSTEM
    ) -> LeastSquares:
        """Make a solver from the normal equations ``fisher @ x = rhs``.

        Parameters
        ----------
        fisher : array-like, shape (dimension, dimension)
            Symmetric matrix, ``design.T @ design``; the lower triangle is used.
        rhs : array-like, shape (dimension,)
            ``design.T @ data``.
        factorization : LeastSquares.Factorization, optional
            Any method but DIRECT_SVD.

        Raises
        ------
        evensky.errors.InvalidParameterError
            If the shapes do not agree, a number is not finite, or the method is DIRECT_SVD.
        """
        matrix = _numbers(fisher, "fisher", 2)
        solver = cls(factorization, matrix.shape[0])
        solver.setNormalEquations(matrix, rhs)
        return solver

    def setDesignMatrix(self, design: ArrayLike, data: ArrayLike) -> None:
        """Replace the problem by another of the same dimension; parameters are those of `fromDesignMatrix`."""
        matrix, values = _numbers(design, "design", 2), _numbers(data, "data", 1)
        if matrix.shape[0] != values.size:
            raise InvalidParameterError(
                f"The design matrix has {matrix.shape[0]} rows but there are {values.size} data; they must be equal"
            )
        self._check_size("columns of the design matrix", matrix.shape[1])
        _check_squares(matrix)
        fisher = matrix.T @ matrix
        if self._factorization is not LeastSquares.DIRECT_SVD:
            self._set_normal(fisher, matrix.T @ values)
            return
        left, singular, right = np.linalg.svd(matrix, full_matrices=False)
        projected = left.T @ values

        def results(rank: int) -> tuple[np.ndarray, np.ndarray]:
            scaled = right[:rank].T / singular[:rank]
            return scaled @ projected[:rank], scaled @ scaled.T

        # With fewer data than unknowns, the missing singular values are 0.
        diagnostic = np.pad(singular, (0, self._dimension - singular.size))
        self._problem = _Problem(fisher, diagnostic, results)

    def setNormalEquations(self, fisher: ArrayLike, rhs: ArrayLike) -> None:
        """Replace the problem by another of the same dimension; parameters are those of `fromNormalEquations`."""
        if self._factorization is LeastSquares.DIRECT_SVD:
            raise InvalidParameterError(
                "DIRECT_SVD needs the design matrix; use NORMAL_EIGENSYSTEM or NORMAL_CHOLESKY for normal equations"
            )
        matrix, values = _numbers(fisher, "fisher", 2), _numbers(rhs, "rhs", 1)
        if matrix.shape != (values.size, values.size):
            raise InvalidParameterError(
                f"The Fisher matrix has shape {matrix.shape} but the right-hand side has {values.size} elements; "
                "the matrix must be square, with one row for each of them"
            )
        self._check_size("rows of the Fisher matrix", matrix.shape[0])
        lower = np.tril(matrix)
        self._set_normal(lower + np.tril(matrix, -1).T, values)

    def _set_normal(self, fisher: np.ndarray, rhs: np.ndarray) -> None:
        if self._factorization is LeastSquares.NORMAL_CHOLESKY:
            self._problem = _cholesky(fisher, rhs)
            return
        ascending, ascending_vectors = np.linalg.eigh(fisher)
        values, vectors = np.maximum(ascending[::-1], 0.0), ascending_vectors[:, ::-1]

        def results(rank: int) -> tuple[np.ndarray, np.ndarray]:
            scaled = vectors[:, :rank] / values[:rank]
            return scaled @ (vectors[:, :rank].T @ rhs), scaled @ vectors[:, :rank].T

        self._problem = _Problem(fisher, values, results)

    def _check_size(self, what: str, size: int) -> None:
        if size != self._dimension:
            raise InvalidParameterError(f"There are {size} {what}; the dimension of the solver is {self._dimension}")

    def _solved(self) -> _Problem:
        if self._problem is None:
            raise LogicError("There is no problem yet; call setDesignMatrix or setNormalEquations first")
        return self._problem

    def getDimension(self) -> int:
        """Return the number of unknowns."""
        return self._dimension

    def getFactorization(self) -> Factorization:
        """Return the method of solution."""
        return self._factorization

    def getThreshold(self) -> float:
        """Return the threshold, see `setThreshold`."""
        return self._threshold

    def setThreshold(self, threshold: float) -> None:
        """Set the ratio to the largest element of `getDiagnostic` from which on smaller elements are left out.

        The default is the dimension times the epsilon of float64. NORMAL_CHOLESKY leaves nothing out.
        """
        self._threshold = real_number(threshold, "threshold")

    def getRank(self) -> int:
        """Return the number of elements of `getDiagnostic` that are not left out."""
        diagnostic = self._solved().diagnostic
        if self._factorization is LeastSquares.NORMAL_CHOLESKY:
            return self._dimension
        return int(np.count_nonzero(diagnostic > self._threshold * diagnostic[0]))

    def getDiagnostic(self, factorization: Factorization | int) -> np.ndarray:
        """Return numbers that tell how well the problem is determined, in descending order.

        Parameters
        ----------
        factorization : LeastSquares.Factorization
            DIRECT_SVD for the singular values of the design matrix; NORMAL_EIGENSYSTEM for the eigenvalues of the
            Fisher matrix, which are their squares; either is available from both methods. NORMAL_CHOLESKY for the
            pivots of the Cholesky factors, whose product is the determinant, from this method alone.

        Returns
        -------
        ndarray of float64, shape (dimension,)

        Raises
        ------
        evensky.errors.InvalidParameterError
            If the method of this solver does not give these numbers.
        """
        asked, mine = by_number(LeastSquares.Factorization, factorization), self._factorization
        diagnostic = self._solved().diagnostic
        if asked is mine:
            return diagnostic.copy()
        if LeastSquares.NORMAL_CHOLESKY in (asked, mine):
            raise InvalidParameterError(f"A solver by {mine.name} has no diagnostic of {asked.name}")
        return np.sqrt(diagnostic) if asked is LeastSquares.DIRECT_SVD else diagnostic**2

    def getSolution(self) -> np.ndarray:
        """Return the solution, shape ``(dimension,)``; the shortest one if the rank is less than the dimension.

        Raises
        ------
        evensky.errors.RuntimeError
            If NORMAL_CHOLESKY finds a singular matrix.
        """
        return self._solved().results(self.getRank())[0]

    def getCovariance(self) -> np.ndarray:
        """Return the covariance of the solution for data of unit variance, shape ``(dimension, dimension)``.

        It is the (pseudo-)inverse of the Fisher matrix.

        Raises
        ------
        evensky.errors.RuntimeError
            If NORMAL_CHOLESKY finds a singular matrix.
        """
        return self._solved().results(self.getRank())[1]

    def getFisherMatrix(self) -> np.ndarray:
        """Return the Fisher matrix ``design.T @ design``, shape ``(dimension, dimension)``."""
        return self._solved().fisher.copy()

    def __repr__(self) -> str:
        return f"LeastSquares({self._factorization.name}, dimension={self._dimension})"


def _check_squares(design: np.ndarray) -> None:
    """Raise InvalidParameterError if products of the elements would be 0 or infinite."""
    largest = float(np.abs(design).max(initial=0.0))
    if largest and not 1e-140 < largest < 1e140:
        raise InvalidParameterError(
            f"The largest element of the design matrix is {largest:g}, and float64 cannot hold the products of its "
            "elements; divide the matrix by this number, and the solution as well"
        )


def _numbers(values: Any, name: str, ndim: int) -> np.ndarray:
    given = regular(values)
    if given.dtype.kind not in "biuf" or given.ndim != ndim:
        raise InvalidParameterError(
            f"{name} is {shown(values)} of dtype {given.dtype} and {given.ndim} dimensions; real numbers in {ndim} "
            "dimensions are needed"
        )
    numbers = given.astype(np.float64)
    if not np.isfinite(numbers).all():
        odd = int(np.count_nonzero(~np.isfinite(numbers)))
        raise InvalidParameterError(f"{name} has {odd} elements that are not finite; leave such data out")
    return numbers


def _cholesky(fisher: np.ndarray, rhs: np.ndarray) -> _Problem:
    from scipy.linalg import cho_solve
    from scipy.linalg.lapack import dpstrf

    factor, pivots, rank, _ = dpstrf(fisher, lower=1)
    order = pivots - 1

    def results(_: int) -> tuple[np.ndarray, np.ndarray]:
        if rank < len(rhs):
            raise errors.RuntimeError(
                f"The Fisher matrix of {len(rhs)} unknowns has rank {rank}; NORMAL_EIGENSYSTEM and DIRECT_SVD solve "
                "singular problems"
            )
        back = np.argsort(order)
        covariance = cho_solve((factor, True), np.eye(len(rhs)))[np.ix_(back, back)]
        return cho_solve((factor, True), rhs[order])[back], covariance

    return _Problem(fisher, np.diagonal(factor) ** 2, results)
