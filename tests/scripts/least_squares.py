"""Solve linear least-squares problems by each method."""

import lsst.pex.exceptions as pexExcept
import numpy as np
from lsst.afw.math import LeastSquares

rng = np.random.RandomState(5)
design = rng.normal(size=(10, 500)).transpose()
data = rng.normal(size=500)
fisher = design.T @ design
rhs = design.T @ data
solution, _, rank, sv = np.linalg.lstsq(design, data, rcond=None)

solvers = [
    LeastSquares.fromDesignMatrix(design, data, LeastSquares.DIRECT_SVD),
    LeastSquares.fromDesignMatrix(design, data, LeastSquares.NORMAL_EIGENSYSTEM),
    LeastSquares.fromDesignMatrix(design, data, LeastSquares.NORMAL_CHOLESKY),
    LeastSquares.fromNormalEquations(fisher, rhs, LeastSquares.NORMAL_EIGENSYSTEM),
    LeastSquares.fromNormalEquations(fisher, rhs, LeastSquares.NORMAL_CHOLESKY),
    LeastSquares.fromDesignMatrix(design, data),
]
for solver in solvers:
    assert solver.getRank() == rank == solver.getDimension()
    assert np.allclose(solver.getSolution(), solution, rtol=1e-10)
    assert np.allclose(solver.getFisherMatrix(), fisher, rtol=1e-12)
    assert np.allclose(solver.getCovariance(), np.linalg.inv(fisher), rtol=1e-8, atol=1e-15)
    if solver.getFactorization() != LeastSquares.NORMAL_CHOLESKY:
        assert np.allclose(solver.getDiagnostic(LeastSquares.NORMAL_EIGENSYSTEM), sv**2)
        assert np.allclose(solver.getDiagnostic(LeastSquares.DIRECT_SVD), sv)

# A degenerate problem: the threshold says what is left out.
design[:, 3] = design[:, 7] * (1 + 1e-12)
solver = LeastSquares.fromDesignMatrix(design, data, LeastSquares.DIRECT_SVD)
solver.setThreshold(1e-8)
assert solver.getRank() == 9
assert np.isclose(solver.getSolution()[3], solver.getSolution()[7])

try:
    LeastSquares.fromDesignMatrix(design, data[:-1])
except pexExcept.InvalidParameterError:
    pass
else:
    raise AssertionError("too few data are an error")
