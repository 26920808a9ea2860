"""The model of an exposure: the function that is added to it."""

from __future__ import annotations

__all__ = ["Choices", "Model"]

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ... import _core
from ..._bands import row_bands
from ...errors import InvalidParameterError
from ...geom import Box2I, Extent2I, Point2I
from ...math import (
    REDUCE_INTERP_ORDER,
    Approximate,
    ApproximateControl,
    BackgroundControl,
    BackgroundMI,
    Interpolate,
    StatisticsControl,
)
from ...math.background import fill_with_model
from .basis import Basis, drift_terms, mean_spline
from .candidates import FEWEST_NODES, Candidate
from .grid import PixelBox
from .planes import Plane

# Number of values of terms at pixels that are computed at a time.
_VALUES_TOGETHER = 2**22


@dataclass
class Choices:
    """The variance that is due to the choice of the model: other candidates are possible, too.

    Attributes
    ----------
    order : int
        Order of a series that represents the differences between the candidates.
    covariance : ndarray, shape (terms, terms)
        Second moments of its coefficients.
    """

    order: int
    covariance: np.ndarray


class Model:
    """The model of one exposure: the function that is added to it.

    Attributes
    ----------
    candidate : Candidate
        Kind of model.
    box : (x0, y0, width, height)
        The pixels that the model covers.
    coefficients : ndarray, shape (terms,)
        Coefficients in the unit of the pixels: first those of the smooth part, then those of further terms in the order
        of `candidate`. Coefficients of a series are sorted by total degree n, then x^n, x^(n-1) y, ... y^n; those of a
        spline are its values at the nodes, by rows.
    covariance : ndarray, shape (terms, terms)
        Covariance of the coefficients of this kind of model.
    choices : Choices or None
        Variance that is due to the choice of the kind of model; `sigma` includes it.
    planes : mapping of str to Plane
        The images of further terms, by their names.
    """

    def __init__(
        self,
        candidate: Candidate,
        box: PixelBox,
        coefficients: np.ndarray,
        covariance: np.ndarray,
        *,
        choices: Choices | None = None,
        planes: Mapping[str, Plane] | None = None,
    ) -> None:
        self.candidate = candidate
        self.box = box
        self.coefficients = coefficients
        self.covariance = covariance
        self.choices = choices
        self.planes = {} if planes is None else dict(planes)

    @property
    def name(self) -> str:
        """Name of the kind of model."""
        return self.candidate.name

    def divide(self, factor: float) -> None:
        """Divide the model by a factor, in place."""
        self.coefficients = self.coefficients / factor
        self.covariance = self.covariance / factor**2
        if self.choices is not None:
            self.choices = Choices(self.choices.order, self.choices.covariance / factor**2)

    def over(self, box: PixelBox) -> Model:
        """Return the same function, defined over another box; a series only.

        Parameters
        ----------
        box : (x0, y0, width, height)
            Box in the coordinates of the present one. The series is continued beyond that, so it should not reach far.

        Raises
        ------
        evensky.errors.InvalidParameterError
            If the model is a spline or has further terms, which are not defined beyond its box.
        """
        if box == self.box:
            return self
        candidate = self.candidate
        if candidate.nodes is not None or candidate.extras:
            raise InvalidParameterError(
                f"The model {self.name} is defined over {self.box} only; a series can be continued to {box}, so leave "
                "out splines and further terms"
            )
        if candidate.order < 0:
            return Model(candidate, box, self.coefficients, self.covariance)
        mine, other = Basis(self.box), Basis(box)
        into = other.embedding(candidate, candidate.order, mine)
        choices = self.choices
        if choices is not None:
            wide = other.embedding(Candidate(choices.order), choices.order, mine)
            choices = Choices(choices.order, wide @ choices.covariance @ wide.T)
        return Model(candidate, box, into @ self.coefficients, into @ self.covariance @ into.T, choices=choices)

    def coefficients_of(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the coefficients of a further term, and their standard errors.

        Raises
        ------
        KeyError
            If the model has no such term.
        """
        start = self.candidate.smooth_terms
        for extra in self.candidate.extras:
            some = slice(start, start + extra.terms)
            if extra.name == name:
                unit = self.planes[name].unit if name in self.planes else 1.0
                errors = np.sqrt(np.maximum(np.diag(self.covariance)[some], 0))
                return self.coefficients[some] / unit, errors / unit
            start += extra.terms
        raise KeyError(name)

    def _terms_at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Compute the values of all terms at points, shape (n, terms)."""
        basis = Basis(self.box)
        parts = [basis.at(self.candidate, x, y)]
        columns, rows = np.rint(x - self.box[0]).astype(int), np.rint(y - self.box[1]).astype(int)
        for extra in self.candidate.extras:
            if extra.nodes:
                parts.append(basis.drift(extra, x, y, 0.0, 0.0))
            else:
                parts.append(self.planes[extra.name].at(columns, rows))
        return parts[0] if len(parts) == 1 else np.hstack(parts)

    def evaluate(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Compute values at points of the common pixel grid, in float64."""
        return np.asarray(self._terms_at(np.asarray(x, float), np.asarray(y, float)) @ self.coefficients)

    def sigma(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Compute standard errors at points of the common pixel grid, the choice of the kind of model included."""
        x, y = np.asarray(x, float), np.asarray(y, float)
        terms = self._terms_at(x, y)
        variance = np.einsum("ni,ij,nj->n", terms, self.covariance, terms)
        if self.choices is not None:
            terms = Basis(self.box).at(Candidate(self.choices.order), x, y)
            variance = variance + np.einsum("ni,ij,nj->n", terms, self.choices.covariance, terms)
        return np.asarray(np.sqrt(np.maximum(variance, 0)))

    @cached_property
    def mirrored(self) -> BackgroundMI | Approximate | None:
        """The model as a class of `evensky.math`: a series or a spline; None for no model and for further terms."""
        return None if self.candidate.extras else self._smooth

    @cached_property
    def _smooth(self) -> BackgroundMI | Approximate | None:
        """The smooth part of the model."""
        number = self.candidate.smooth_terms
        coefficients, covariance = self.coefficients[:number], self.covariance[:number, :number]
        if self.candidate.nodes is None:
            return self._series(self.candidate.order, coefficients, covariance)
        nx, ny = self.candidate.nodes
        # The model is constant along an axis with one node. A background would use a simpler style for one bin, so
        # the node is repeated.
        copies = (ny if ny > 1 else FEWEST_NODES, nx if nx > 1 else FEWEST_NODES)
        values, errors = (
            np.broadcast_to(grid.reshape(ny, nx), copies).astype(np.float32)
            for grid in (coefficients, np.sqrt(np.maximum(np.diag(covariance), 0)))
        )
        made = BackgroundControl(
            Interpolate.NATURAL_SPLINE, copies[1], copies[0], REDUCE_INTERP_ORDER, StatisticsControl()
        )
        return BackgroundMI.from_core(_core.Background(self.box, values, None, errors, made), _core.AsUsed())

    def _series(self, order: int, coefficients: np.ndarray, covariance: np.ndarray) -> Approximate | None:
        if order < 0:
            return None
        control = ApproximateControl(ApproximateControl.CHEBYSHEV, order)
        values = np.ascontiguousarray(covariance).ravel()
        return Approximate(_core.Approximate(self.box, control, np.ascontiguousarray(coefficients), values))

    def fill(self, out: np.ndarray, *, first_row: int = 0, num_threads: int = 0) -> None:
        """Write whole rows of the model into an array, shape (rows, width)."""
        if self._smooth is None:
            out[...] = 0
        else:
            fill_with_model(out, self._smooth, first_row=first_row, num_threads=num_threads)
        start = self.candidate.smooth_terms
        for extra in self.candidate.extras:
            coefficients = self.coefficients[start : start + extra.terms]
            start += extra.terms
            if not extra.nodes:
                self.planes[extra.name].add_to(out, coefficients, first_row)
                continue
            size = self.box[3] if extra.kind == "rows" else self.box[2]
            at = first_row + np.arange(len(out)) if extra.kind == "rows" else np.arange(size)
            drift = mean_spline(at.astype(float), 0.0, size, extra.nodes) @ (drift_terms(extra.nodes) @ coefficients)
            out += (drift[:, None] if extra.kind == "rows" else drift[None, :]).astype(out.dtype)

    def fill_variance(self, out: np.ndarray, *, first_row: int = 0, num_threads: int = 0) -> None:
        """Write whole rows of the model's variance into a float32 array, shape (rows, width)."""
        x0, y0, width, _ = self.box
        box = (x0, y0 + first_row, width, len(out))
        if self.candidate.extras:
            self._any_variance(out, first_row)
        elif isinstance(self._smooth, Approximate):
            self._smooth._core.get_variance(out, box, -1, -1, num_threads)
        elif self._smooth is None:
            out[...] = 0
        else:
            self._spline_variance(out, first_row)
        if self.choices is not None:
            zeros = np.zeros(len(self.choices.covariance))
            series = self._series(self.choices.order, zeros, self.choices.covariance)
            assert series is not None
            more = np.empty_like(out)
            series._core.get_variance(more, box, -1, -1, num_threads)
            out += more

    def _any_variance(self, out: np.ndarray, first_row: int) -> None:
        x0, y0, width, _ = self.box
        for rows in row_bands(len(out), width, max(width, _VALUES_TOGETHER // max(1, self.candidate.terms))):
            y, x = np.mgrid[rows, 0:width]
            terms = self._terms_at(x.ravel() + float(x0), y.ravel() + float(y0 + first_row))
            variance = ((terms @ self.covariance) * terms).sum(axis=1)
            out[rows] = np.maximum(variance, 0).reshape(-1, width)

    def _spline_variance(self, out: np.ndarray, first_row: int) -> None:
        assert self.candidate.nodes is not None
        _, _, width, height = self.box
        nx, ny = self.candidate.nodes
        along_x = mean_spline(np.arange(width, dtype=float), 0.0, width, nx)
        covariance = self.covariance.reshape(ny, nx, ny, nx)
        for row in range(len(out)):
            weights = mean_spline(np.array([first_row + row], float), 0.0, height, ny)[0]
            of_columns = np.einsum("j,jakb,k->ab", weights, covariance, weights)
            out[row] = np.maximum(np.einsum("xa,ab,xb->x", along_x, of_columns, along_x, optimize=True), 0)

    def image(self, *, num_threads: int = 0) -> np.ndarray:
        """Make the image of the model, float32, shape (height, width)."""
        _, _, width, height = self.box
        result = np.empty((height, width), np.float32)
        self.fill(result, num_threads=num_threads)
        return result

    def sigma_image(self, *, num_threads: int = 0) -> np.ndarray:
        """Make the image of the model's standard error, float32, shape (height, width)."""
        _, _, width, height = self.box
        result = np.empty((height, width), np.float32)
        self.fill_variance(result, num_threads=num_threads)
        return np.asarray(np.sqrt(result, out=result))

    @property
    def bbox(self) -> Box2I:
        """The pixels that the model covers."""
        x0, y0, width, height = self.box
        return Box2I(Point2I(x0, y0), Extent2I(width, height))

    def __repr__(self) -> str:
        return f"Model({self.name}, over {self.box[2]} x {self.box[3]} px at ({self.box[0]}, {self.box[1]}))"
