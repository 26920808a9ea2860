"""Covariance of the models of all exposures against each other, and the variance of their mean.

The models of a joint match share the noise of the exposures that were compared. The variance of a combined image
therefore has a part that is not the sum of the variances of single models: where all models add up to 0, their mean has
none; where one exposure is the reference, all models follow its noise, and the mean does not get better with the number
of exposures.

Models are derived from the pixels that are combined, so their mean is correlated with that of the pixels' noise. If
each exposure has its best weight, the two are independent; if a noisy exposure has the same weight as others, they are
not: its model takes part of its noise away.

A model is linear in random numbers that have one covariance: the terms that were solved for, and the shifts to the
level that is left unchanged. What depends on the choice of the kind of model is independent from exposure to exposure,
apart from these shifts.
"""

from __future__ import annotations

__all__ = [
    "MAP_NODES",
    "TERM_NODES",
    "BinMap",
    "Choice",
    "CorrectionCovariance",
    "CorrectionField",
    "Link",
    "Member",
    "Sources",
    "nodes_of",
]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..._blas import one_blas_thread
from ..._checks import shown
from ...errors import FitsError, InvalidParameterError, LengthError
from ...fits.arrays import read_arrays, write_arrays
from ...fits.atomic import Permit
from ...fits.digests import is_sha256, state_of
from .basis import Basis
from .candidates import Candidate
from .grid import PixelBox, around
from .pixel_map import bilinear

# Nodes along each side of an exposure at which its map to the pixels of its model is known, and its further terms.
MAP_NODES, TERM_NODES = 17, 33
# Cells of the lattice of a field along the shorter side of a typical exposure: between its corners, variances are
# interpolated linearly, which is wrong by 1 % of those of a plane.
_CELLS_PER_SIDE = 16
# Least and largest number of cells along each axis of a field, and the largest number of products, and of models at
# positions, that these may need.
_FEWEST_CELLS, _MOST_CELLS, _PRODUCTS, _MODELS = 16, 128, 3e10, 2e6
# Number of values that are computed at a time.
_TOGETHER = 2**22
# Largest number of nodes of the plane along each axis.
_MOST_NODES = 65
# Version of the layout of files.
_FORMAT = 1

ToCommon = Callable[[np.ndarray, np.ndarray], "tuple[np.ndarray, np.ndarray]"]


@dataclass(frozen=True, eq=False)
class Choice:
    """The variance that is due to the choice of a kind of model, of one image or of all images of an exposure.

    Attributes
    ----------
    order : int
        Order of the series that represents the differences between the kinds.
    root : ndarray, shape (terms, terms)
        Its square, ``root @ root.T``, is the covariance of the coefficients of the series.
    columns : ndarray of int, shape (n,)
        Random numbers that stand for the shift of the group.
    shift : ndarray, shape (n, terms)
        Matrix from the coefficients to the shift.
    """

    order: int
    root: np.ndarray
    columns: np.ndarray
    shift: np.ndarray


@dataclass(frozen=True, eq=False)
class BinMap:
    """Values in bins of the common plane.

    Attributes
    ----------
    corner : (int, int)
        Column and row of the first bin; the bin (0, 0) begins at pixel (0, 0).
    values : ndarray of float32, shape (kinds, rows, columns)
    """

    corner: tuple[int, int]
    values: np.ndarray

    def at(self, columns: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which of some bins have values, and these values, shape (kinds, n)."""
        columns, rows = columns - self.corner[0], rows - self.corner[1]
        height, width = self.values.shape[1:]
        here = np.flatnonzero((columns >= 0) & (columns < width) & (rows >= 0) & (rows < height))
        return here, self.values[:, rows[here], columns[here]].astype(float)


@dataclass(frozen=True, eq=False)
class Member:
    """The model of one image as a function of random numbers.

    Attributes
    ----------
    footprint : (x0, y0, width, height)
        Box of the image on the common plane.
    box : (x0, y0, width, height)
        Box over which the smooth terms are defined.
    smooth : tuple of Candidate
        Kinds of the smooth parts, one after the other: its own, and that which all exposures share.
    map_x, map_y : ndarray, shape (rows, columns)
        Positions, in the coordinates of `box`, of nodes that are spread evenly over the centres of the pixels of the
        footprint, from the first to the last.
    further : ndarray of float32, shape (rows, columns, terms)
        Values of further terms at such nodes.
    columns : ndarray of int, shape (n,)
        Random numbers of which the model is made.
    matrix : ndarray, shape (terms, n)
        Matrix from these numbers to the coefficients of the smooth and the further terms.
    choice : int
        Number of the variance that is due to the choice of the kind of model; -1 if there is none.
    scale : float
        Factor from the unit of the comparisons to that of the exposure's own pixels as they are written.
    good : BinMap or None
        Share of the pixels of each bin that are good; None if all are.
    """

    footprint: PixelBox
    box: PixelBox
    smooth: tuple[Candidate, ...]
    map_x: np.ndarray
    map_y: np.ndarray
    further: np.ndarray
    columns: np.ndarray
    matrix: np.ndarray
    choice: int = -1
    scale: float = 1.0
    good: BinMap | None = None

    def own(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Map positions on the common plane to the coordinates of the box."""
        return bilinear((self.map_x, self.map_y), *_in_nodes(self.footprint, self.map_x.shape, x, y))

    def covers(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return whether positions on the common plane are in the image."""
        x0, y0, width, height = self.footprint
        inside = (x >= x0 - 0.5) & (x < x0 + width - 0.5) & (y >= y0 - 0.5) & (y < y0 + height - 0.5)
        own_x, own_y = self.own(x, y)
        x0, y0, width, height = self.box
        inside &= (own_x >= x0 - 0.5) & (own_x <= x0 + width - 0.5)
        return np.asarray(inside & (own_y >= y0 - 0.5) & (own_y <= y0 + height - 0.5))

    def within(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return own positions, those beyond the box at its edge: models are not continued."""
        own_x, own_y = self.own(x, y)
        x0, y0, width, height = self.box
        return np.clip(own_x, x0 - 0.5, x0 + width - 0.5), np.clip(own_y, y0 - 0.5, y0 + height - 0.5)

    def terms(self, x: np.ndarray, y: np.ndarray, own: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Return the values of all terms at positions on the common plane, shape (n, terms)."""
        basis = Basis(self.box)
        parts = [basis.at(candidate, *own) for candidate in self.smooth]
        if self.further.shape[2]:
            rows, columns = self.further.shape[:2]
            across, along = _in_nodes(self.footprint, (rows, columns), x, y)
            across, along = np.clip(across, 0, columns - 1), np.clip(along, 0, rows - 1)
            planes = np.moveaxis(self.further.astype(float), 2, 0)
            parts += [bilinear((plane, plane), across, along)[0][:, None] for plane in planes]
        return np.hstack(parts) if parts else np.zeros((x.size, 0))


@dataclass(frozen=True, eq=False)
class Link:
    """A compared pair of images: by how much their noise in a bin enters the equations.

    Attributes
    ----------
    first, second : int
        Numbers of the images.
    parts : BinMap
        For each image, the variance of its mean in a bin times the weight of the difference; 0 where there is none.
    """

    first: int
    second: int
    parts: BinMap


@dataclass(frozen=True, eq=False)
class Sources:
    """How the random numbers follow from the noise of the pixels.

    Attributes
    ----------
    links : tuple of Link
        Compared pairs.
    inverse : ndarray of float32, shape (terms, terms)
        Inverse of the normal matrix of the terms that were solved for, which are the first of the numbers, divided by
        `units` along both axes.
    units : ndarray, shape (terms,)
    shifts : ndarray, shape (others, terms)
        Matrix from these terms to the other numbers.
    """

    links: tuple[Link, ...]
    inverse: np.ndarray
    units: np.ndarray
    shifts: np.ndarray

    @classmethod
    def of(cls, links: Sequence[Link], inverse: np.ndarray, shifts: np.ndarray) -> Sources:
        """Make the sources from the inverse of the normal matrix."""
        units = np.sqrt(np.maximum(np.diag(inverse), 1e-300))
        return cls(tuple(links), (inverse / units / units[:, None]).astype(np.float32), units, shifts)

    def solved(self, numbers: np.ndarray) -> np.ndarray:
        """Return the solutions of the normal equations with functions of all numbers as their right sides."""
        terms = self.units.size
        right = numbers[:, :terms] + numbers[:, terms:] @ self.shifts
        return np.asarray(((right * self.units).astype(np.float32) @ self.inverse) * self.units)


@dataclass(frozen=True, eq=False)
class CorrectionField:
    """The variance of the mean correction over a combined image: at the corners of cells, linear between them.

    Attributes
    ----------
    x_edges, y_edges : ndarray of int
        First pixels of the cells, and the end of the last, in pixels of the combined image.
    corners : ndarray, shape (rows, columns, 2, 2)
        Variance in the first and last pixel of each cell, along y and x; 0 where no exposure is.
    """

    x_edges: np.ndarray
    y_edges: np.ndarray
    corners: np.ndarray

    def add_to(self, variance: np.ndarray, first_row: int = 0) -> None:
        """Add the field to a band of whole rows of the variance of the combined image, in place.

        Parameters
        ----------
        variance : ndarray of float32 or float64, shape (rows, width)
        first_row : int, optional
            Row of the combined image with which the band begins.
        """
        rows, width = variance.shape
        column, across = _places(self.x_edges, np.arange(width))
        row, along = _places(self.y_edges, np.arange(first_row, first_row + rows))
        inside = column >= 0
        column, across = column[inside], across[inside]
        known: tuple[int, np.ndarray, np.ndarray] | None = None
        for at in np.flatnonzero(row >= 0).tolist():
            cell = int(row[at])
            if known is None or known[0] != cell:
                corners = self.corners[cell, column]
                low, high = (corners[:, k, 0] * (1 - across) + corners[:, k, 1] * across for k in (0, 1))
                known = cell, low, high
            _, low, high = known
            values = low * (1 - along[at]) + high * along[at]
            if inside.all():
                variance[at] += values.astype(variance.dtype)
            else:
                variance[at, inside] += values.astype(variance.dtype)

    def image(self, shape: tuple[int, int]) -> np.ndarray:
        """Return the field as a float32 image of the shape (height, width)."""
        found = np.zeros(shape, np.float32)
        self.add_to(found)
        return found


@dataclass(frozen=True, eq=False)
class CorrectionCovariance:
    """Covariance of the models of all exposures of a joint match against each other.

    It holds the covariance of the numbers of which all models are made, and the inverse of the matrix from which they
    were solved, both in single precision: for polynomials of the second order, 6 numbers for each exposure, so 72 MB
    for 500 exposures in memory, and 36 MB in a file.

    Attributes
    ----------
    labels : tuple of str
        Names of the exposures.
    places : tuple of int
        Their numbers among the members.
    members : tuple of Member
        The models of all exposures of the match.
    bin_size : int
        Size in pixels of the bins in which exposures were compared.
    deviations : ndarray, shape (n,)
        Standard deviations of the numbers.
    correlations : ndarray of float32, shape (n, n)
    choices : tuple of Choice
    sources : Sources or None
        How the numbers follow from the noise of the pixels; None if this noise is taken as independent of them.
    plane : str
        Header of the WCS of the plane on which exposures were compared; "" for their common pixel grid.
    """

    labels: tuple[str, ...]
    places: tuple[int, ...]
    members: tuple[Member, ...]
    bin_size: int
    deviations: np.ndarray
    correlations: np.ndarray
    choices: tuple[Choice, ...] = ()
    sources: Sources | None = None
    plane: str = ""
    _known: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the last field, which can be made again."""
        return {**self.__dict__, "_known": {}}

    @classmethod
    def of(
        cls,
        members: Sequence[Member],
        bin_size: int,
        covariance: np.ndarray,
        choices: Sequence[Choice] = (),
        sources: Sources | None = None,
    ) -> CorrectionCovariance:
        """Make the covariance of models from that of the numbers of which they are made.

        Parameters
        ----------
        members : sequence of Member
        bin_size : int
        covariance : ndarray, shape (n, n)
        choices : sequence of Choice, optional
        sources : Sources, optional
        """
        deviations = np.sqrt(np.maximum(np.diag(covariance), 0.0))
        units = np.where(deviations > 0, deviations, 1.0)
        correlations = (covariance / units / units[:, None]).astype(np.float32)
        places = tuple(range(len(members)))
        return cls(
            tuple(map(str, places)),
            places,
            tuple(members),
            bin_size,
            deviations,
            correlations,
            tuple(choices),
            sources,
        )

    @property
    def number(self) -> int:
        """Number of exposures."""
        return len(self.labels)

    @property
    def nbytes(self) -> int:
        """Size in memory."""
        of_members = sum(
            array.nbytes
            for one in self.members
            for array in (one.map_x, one.map_y, one.further, one.columns, one.matrix)
        )
        of_sources = 0
        if self.sources is not None:
            of_sources = self.sources.inverse.nbytes + sum(link.parts.values.nbytes for link in self.sources.links)
        return self.correlations.nbytes + self.deviations.nbytes + of_members + of_sources

    def labelled(self, labels: Sequence[str], plane: str = "") -> CorrectionCovariance:
        """Return the same with names of the exposures, and with the header of the WCS of the plane."""
        if len(labels) != self.number:
            raise LengthError(f"there are {len(labels)} labels for {self.number} exposures; give one for each")
        return replace(self, labels=tuple(labels), plane=plane, _known={})

    def scaled(self, factors: Sequence[float]) -> CorrectionCovariance:
        """Return the covariance of models that are multiplied by a factor each, as if they were divided by a gain."""
        factor_of = dict(zip(self.places, map(float, factors), strict=True))
        members = tuple(replace(one, scale=one.scale * factor_of.get(at, 1.0)) for at, one in enumerate(self.members))
        return replace(self, members=members, _known={})

    def of_noise(self) -> CorrectionCovariance:
        """Return the covariance that is due to noise alone, as if the kinds of all models were known.

        It is what scatters from one realisation of the noise to the next. The whole covariance also holds what other
        kinds of models make possible, which counts where exposures are extrapolated.
        """
        return replace(self, members=tuple(replace(one, choice=-1) for one in self.members), choices=(), _known={})

    def select(self, labels: Sequence[str]) -> CorrectionCovariance:
        """Return the covariance of some exposures, in the order of the labels.

        Raises
        ------
        evensky.errors.InvalidParameterError
            If an exposure is not known.
        """
        place = dict(zip(self.labels, self.places, strict=True))
        for label in labels:
            if label not in place:
                raise InvalidParameterError(
                    f"the exposure {label!r} is not among those of the covariance ({', '.join(self.labels[:9])}"
                    f"{', ...' if self.number > 9 else ''}); combine exposures of one match"
                )
        return replace(self, labels=tuple(labels), places=tuple(place[label] for label in labels), _known={})

    # -- variances --

    @property
    def nodes(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions x and y on the common plane of the columns and rows of a coarse grid that spans all exposures."""
        boxes = [self.members[at].footprint for at in self.places]
        x0, y0, width, height = around(boxes)
        step = max(1.0, float(np.median([min(box[2:]) for box in boxes])) / _CELLS_PER_SIDE)
        found = []
        for start, size in ((x0, width), (y0, height)):
            found.append(np.linspace(start, start + size - 1, int(np.clip(np.ceil(size / step) + 1, 2, _MOST_NODES))))
        return found[0], found[1]

    def variance_of_mean(self, shares: Sequence[float] | np.ndarray, *, alone: bool = False) -> np.ndarray:
        """Return the variance that the corrections add to the mean of the exposures, at the nodes; see `at`.

        Parameters
        ----------
        shares : sequence of float, shape (N,)
            Weights of the exposures in the mean; those of the exposures that cover a node are made to add up to 1.
        alone : bool, optional
            Return the variance of the mean correction itself.

        Returns
        -------
        ndarray, shape (rows, columns)
            In the square of the unit of the pixels; NaN where no exposure is.
        """
        x, y = np.meshgrid(*self.nodes)
        return self.at(x, y, shares, alone=alone)

    def at(self, x: Any, y: Any, shares: Sequence[float] | np.ndarray, *, alone: bool = False) -> np.ndarray:
        """Return the variance that the corrections add to the mean of the exposures.

        It is the variance of the mean correction, and twice its covariance with the noise of the pixels, from which the
        models were derived. It is negative where models take away more of that noise than they add: where an exposure
        counts more in the mean than its noise allows. Over areas that are far smaller than an exposure, it is the same
        for the mean of all pixels, so it does not average out as the noise of pixels does.

        Parameters
        ----------
        x, y : array_like
            Positions on the common plane: pixels of the common grid, or of the plane on the sky.
        shares : sequence of float, shape (N,)
            Weights of the exposures in the mean; those of the exposures that cover a position are made to add up to 1.
            In a bin in which a part of the pixels is bad, an exposure counts as the other part.
        alone : bool, optional
            Return the variance of the mean correction itself.

        Returns
        -------
        ndarray
            Of the shape of the positions; NaN where no exposure is.

        Raises
        ------
        evensky.errors.LengthError
            If there is not one weight for each exposure.
        evensky.errors.InvalidParameterError
            If a weight is negative or not finite.
        """
        weights = self._checked(shares)
        x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
        at_x, at_y = x.ravel(), y.ravel()
        covered = np.stack([self.members[at].covers(at_x, at_y) for at in self.places], axis=1)
        return self._variances(at_x, at_y, covered * weights, alone=alone).reshape(x.shape)

    def over(
        self,
        boxes: Sequence[PixelBox],
        shares: Sequence[float] | np.ndarray,
        *,
        origin: tuple[int, int] | None = None,
        to_common: ToCommon | None = None,
        factors: Sequence[float] | None = None,
    ) -> CorrectionField:
        """Return the variance that the corrections add to a combined image; see `at`.

        Parameters
        ----------
        boxes : sequence of (x0, y0, width, height)
            Pixels of the combined image that each exposure covers.
        shares : sequence of float, shape (N,)
            Weights of the exposures in the mean; those of the exposures that cover a pixel are made to add up to 1.
        origin : (int, int), optional
            Position on the common grid of the first pixel of the combined image; by default that at which the boxes of
            most exposures are where they are on the common grid.
        to_common : callable, optional
            Function of pixels x, y of the combined image that returns positions on the common plane, see `to_common`.
        factors : sequence of float, optional
            Factors by which the pixels of each exposure were multiplied when they were resampled.

        Raises
        ------
        evensky.errors.LengthError
            If there is not one box and one weight for each exposure.
        evensky.errors.InvalidParameterError
            If a weight is negative or not finite.
        """
        weights = self._checked(shares)
        if len(boxes) != self.number:
            raise LengthError(f"there are {len(boxes)} boxes for {self.number} exposures; give one for each")
        if factors is not None:
            return self.scaled(factors).over(boxes, shares, origin=origin, to_common=to_common)
        if to_common is None:
            x0, y0 = self._origin(boxes) if origin is None else origin

            def to_common(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
                return x + x0, y + y0

        placed = np.array(boxes, float).reshape(-1, 4)
        used = (placed[:, 2] > 0) & (placed[:, 3] > 0) & (weights > 0)
        if not used.any():
            return CorrectionField(np.zeros(1, int), np.zeros(1, int), np.zeros((0, 0, 2, 2)))
        positions = min(_PRODUCTS / max(1, self.deviations.size) ** 2, _MODELS / self.number)
        most = int(np.clip(np.sqrt(positions / 4), _FEWEST_CELLS, _MOST_CELLS))
        starts, ends = placed[:, :2], placed[:, :2] + placed[:, 2:]
        edges = [_edges(starts[used, k], ends[used, k], most) for k in (0, 1)]
        shared = [_overlaps(edges[k], starts[:, k], ends[:, k]) for k in (0, 1)]
        columns, rows = (len(one) - 1 for one in edges)
        x, y = (np.stack([one[:-1], one[1:] - 1], axis=1).astype(float) for one in edges)
        at_y, at_x = np.broadcast_arrays(y[:, None, :, None], x[None, :, None, :])
        cells = (shared[1][:, None, :] * shared[0][None, :, :] * weights).reshape(rows * columns, -1)
        with one_blas_thread():
            found = self._variances(*to_common(at_x.ravel(), at_y.ravel()), cells, each=4, missing=0.0)
        return CorrectionField(edges[0], edges[1], found.reshape(rows, columns, 2, 2))

    def add_to_band(
        self,
        variance: np.ndarray,
        boxes: Sequence[PixelBox],
        shares: Sequence[float] | np.ndarray,
        first_row: int,
        **options: Any,
    ) -> None:
        """Add the variance of the mean correction to a band of rows of the variance of the combined image, in place.

        The result is the same to the bit, however an image is divided into bands.

        Parameters
        ----------
        variance : ndarray of float32 or float64, shape (rows, width)
        boxes, shares
            See `over`.
        first_row : int
            Row of the combined image with which the band begins.
        **options
            Those of `over`.
        """
        key = repr(([tuple(box) for box in boxes], np.asarray(shares).tolist(), sorted(options.items())))
        if self._known.get("key") != key:
            self._known.update(key=key, field=self.over(boxes, shares, **options))
        self._known["field"].add_to(variance, first_row)

    def to_common(self, wcs: Any) -> ToCommon:
        """Return the map from the pixels of an image with a WCS to the plane on which exposures were compared.

        Parameters
        ----------
        wcs : astropy.wcs.WCS

        Raises
        ------
        evensky.errors.InvalidParameterError
            If exposures were compared on their common pixel grid.
        """
        if not self.plane:
            raise InvalidParameterError(
                "exposures were compared on their common pixel grid, which has no WCS; give the origin of the image on "
                "that grid"
            )
        from astropy.io.fits import Header
        from astropy.wcs import WCS

        plane = WCS(Header.fromstring(self.plane, sep="\n"))

        def mapped(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            found = plane.world_to_pixel(wcs.pixel_to_world(x, y))
            return np.asarray(found[0], float), np.asarray(found[1], float)

        return mapped

    def _origin(self, boxes: Sequence[PixelBox]) -> tuple[int, int]:
        """Return the position of the first pixel of an image on the common grid, by which boxes are the footprints."""
        shifts = np.array(
            [
                (self.members[at].footprint[0] - box[0], self.members[at].footprint[1] - box[1])
                for at, box in zip(self.places, boxes, strict=True)
            ]
        )
        distinct, number = np.unique(shifts, axis=0, return_counts=True)
        x0, y0 = distinct[int(np.argmax(number))].tolist()
        return int(x0), int(y0)

    def _checked(self, shares: Sequence[float] | np.ndarray) -> np.ndarray:
        weights = np.asarray(shares, float)
        if weights.shape != (self.number,):
            raise LengthError(
                f"shares has the shape {weights.shape}; give one number for each of {self.number} exposures"
            )
        if not (np.isfinite(weights) & (weights >= 0)).all():
            wrong = weights[~(np.isfinite(weights) & (weights >= 0))][0]
            raise InvalidParameterError(f"shares has {shown(float(wrong))}; weights must be finite and not negative")
        return weights

    def _variances(
        self,
        x: np.ndarray,
        y: np.ndarray,
        weights: np.ndarray,
        *,
        each: int = 1,
        missing: float = np.nan,
        alone: bool = False,
    ) -> np.ndarray:
        """Return the variances of means, with the same weights for each so many positions that follow each other.

        Weights have the shape (positions / each, exposures).
        """
        result = np.full(x.size, missing)
        total = weights.sum(axis=1)
        seen = np.flatnonzero(total > 0)
        together = max(1, _TOGETHER // (each * max(1, self.deviations.size)))
        for start in range(0, seen.size, together):
            some = seen[start : start + together]
            places = (some[:, None] * each + np.arange(each)).ravel()
            shares = np.repeat(weights[some], each, axis=0) * self._good(x[places], y[places])
            sums = shares.sum(axis=1)
            good = np.flatnonzero(sums > 0)
            places, shares = places[good], shares[good] / sums[good, None]
            result[places] = self._variance(x[places], y[places], shares, alone=alone)
        return result

    def _bins(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the columns and rows of the bins of positions."""
        columns, rows = (np.floor((axis + 0.5) / self.bin_size + 1e-9).astype(int) for axis in (x, y))
        return columns, rows

    def _good(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the share of good pixels of each exposure about positions, shape (n, exposures)."""
        found = np.ones((x.size, self.number))
        columns, rows = self._bins(x, y)
        for at, place in enumerate(self.places):
            good = self.members[place].good
            if good is not None:
                here, shares = good.at(columns, rows)
                found[:, at] = 0.0
                found[here, at] = shares[0]
        return found

    def _variance(self, x: np.ndarray, y: np.ndarray, shares: np.ndarray, *, alone: bool) -> np.ndarray:
        numbers = np.zeros((x.size, self.deviations.size))
        chosen = [np.zeros((x.size, one.root.shape[0])) for one in self.choices]
        for at, share in zip(self.places, shares.T, strict=True):
            one = self.members[at]
            here = np.flatnonzero(share)
            if not here.size or (not one.columns.size and one.choice < 0):
                continue
            own = one.within(x[here], y[here])
            factor = one.scale * share[here, None]
            terms = one.terms(x[here], y[here], own) * factor
            numbers[np.ix_(here, one.columns)] += terms @ one.matrix
            if one.choice >= 0:
                order = self.choices[one.choice].order
                chosen[one.choice][here] += Basis(one.box).at(Candidate(order), *own) * factor
        scaled = (numbers * self.deviations).astype(np.float32)
        found = ((scaled @ self.correlations).astype(float) * scaled).sum(axis=1)
        for choice, mine in zip(self.choices, chosen, strict=True):
            total: np.ndarray = mine + numbers[:, choice.columns] @ choice.shift
            found += ((total @ choice.root) ** 2).sum(axis=1)
        found = np.asarray(np.maximum(found, 0.0))
        return found if alone or self.sources is None else found + 2.0 * self._with_pixels(x, y, shares, numbers)

    def _with_pixels(self, x: np.ndarray, y: np.ndarray, shares: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Return the covariance of the mean correction with the mean of the pixels' noise."""
        assert self.sources is not None
        terms_solved = self.sources.units.size
        solved = self.sources.solved(numbers)
        # The difference of a pair changes the mean correction by its weight times that of these values of two images.
        values = np.zeros((len(self.members), x.size))
        for at, one in enumerate(self.members):
            x0, y0, width, height = one.footprint
            mine = one.columns < terms_solved
            here = np.flatnonzero((x >= x0 - 1) & (x <= x0 + width) & (y >= y0 - 1) & (y <= y0 + height))
            if not here.size or not mine.any():
                continue
            terms = one.terms(x[here], y[here], one.within(x[here], y[here])) @ one.matrix[:, mine]
            values[at, here] = (terms * solved[np.ix_(here, one.columns[mine])]).sum(axis=1)
        weights = np.zeros_like(values)
        for at, share in zip(self.places, shares.T, strict=True):
            weights[at] = share * self.members[at].scale
        result = np.zeros(x.size)
        columns, rows = self._bins(x, y)
        for link in self.sources.links:
            here, (first, second) = link.parts.at(columns, rows)
            change = values[link.second, here] - values[link.first, here]
            result[here] += (weights[link.first, here] * first - weights[link.second, here] * second) * change
        return result

    # -- files --

    def save(
        self,
        path: str | Path,
        *,
        digests: Mapping[str, str] | None = None,
        overwrite: bool = True,
        permit: Permit | None = None,
    ) -> None:
        """Write the covariance to a FITS file.

        Parameters
        ----------
        path : str or Path
        digests : mapping of str to str, optional
            Digest of the file of each exposure, by label, see `evensky.fits.digests`: `load` compares them.
        overwrite : bool, optional
            Whether to replace an existing file.
        permit : Permit, optional
            Right to write to the folder, see `evensky.fits.atomic.atomic_path`.

        Raises
        ------
        evensky.errors.FitsError
            If the file cannot be written.
        """
        write_arrays(self._packed(digests or {}), path, overwrite=overwrite, permit=permit)

    @classmethod
    def load(cls, path: str | Path, *, files: Mapping[str, str | Path] | None = None) -> CorrectionCovariance:
        """Read a covariance that `save` has written.

        Parameters
        ----------
        path : str or Path
        files : mapping of str to str or Path, optional
            Present files of exposures, by label. They are read if their digests were saved, and compared with these.

        Raises
        ------
        evensky.errors.FitsError
            If the file cannot be read, is no such file, or belongs to other exposures than these.
        """
        arrays = read_arrays(path)
        try:
            found, then = cls._unpacked(arrays)
        except (KeyError, ValueError, IndexError, TypeError) as error:
            raise FitsError(f"{path}: is no file of the covariance of a match, or is damaged ({error!r})") from error
        for label, file in (files or {}).items():
            if label not in then:
                continue
            try:
                now = state_of(Path(file), sha256=is_sha256(then[label])).digest
            except OSError as error:
                raise FitsError(f"{file}: cannot be read: {error.strerror or error}") from error
            if then[label] != now:
                raise FitsError(
                    f"{path}: belongs to another file of the exposure {label}, which has changed since the match; "
                    "match again, or combine without the covariance (covariance=False, --covariance none)"
                )
        return found

    def _packed(self, digests: Mapping[str, str]) -> dict[str, np.ndarray]:
        """Return all parts as arrays of numbers."""
        lower = np.tril_indices(self.deviations.size)
        texts = [*self.labels, *(digests.get(label, "") for label in self.labels), self.plane]
        heads = []
        for one in self.members:
            kinds = [number for kind in one.smooth for number in (kind.order, *(kind.nodes or (0, 0)))]
            shapes = [*one.map_x.shape, *one.further.shape, *one.matrix.shape]
            heads.append([*one.footprint, *one.box, one.choice, *shapes, len(one.smooth), *kinds])
        return {
            "FORMAT": np.array([_FORMAT, self.number, len(self.members), len(self.choices), self.bin_size], np.int64),
            "PLACES": np.array(self.places, np.int64),
            "TEXTS": np.frombuffer("\0".join(texts).encode(), np.uint8),
            "HEADS": _joined(heads, np.int64),
            "SCALES": np.array([one.scale for one in self.members], float),
            "GOOD": _joined(
                [
                    [0] * 5 if one.good is None else [1, *one.good.corner, *one.good.values.shape[1:]]
                    for one in self.members
                ],
                np.int64,
            ),
            "SHARES": _joined(
                [np.zeros(0) if one.good is None else one.good.values.ravel() for one in self.members], np.float32
            ),
            "MAPS": _joined([part.ravel() for one in self.members for part in (one.map_x, one.map_y)], float),
            "FURTHER": _joined([one.further.ravel() for one in self.members], np.float32),
            "COLUMNS": _joined([one.columns for one in self.members], np.int64),
            "MATRICES": _joined([one.matrix.ravel() for one in self.members], float),
            "CHOICES": _joined([[one.order, *one.root.shape, one.columns.size] for one in self.choices], np.int64),
            "ROOTS": _joined([one.root.ravel() for one in self.choices], float),
            "SHIFTED": _joined([one.columns for one in self.choices], np.int64),
            "SHIFTS": _joined([one.shift.ravel() for one in self.choices], float),
            "DEVIATIONS": self.deviations,
            "CORRELATIONS": self.correlations[lower],
            **self._packed_sources(),
        }

    def _packed_sources(self) -> dict[str, np.ndarray]:
        if self.sources is None:
            return {}
        links = self.sources.links
        return {
            "LINKS": _joined(
                [[one.first, one.second, *one.parts.corner, *one.parts.values.shape[1:]] for one in links], np.int64
            ),
            "PARTS": _joined([one.parts.values.ravel() for one in links], np.float32),
            "UNITS": self.sources.units,
            "INVERSE": self.sources.inverse[np.tril_indices(self.sources.units.size)],
            "OTHERS": self.sources.shifts.ravel(),
        }

    @classmethod
    def _unpacked(cls, arrays: Mapping[str, np.ndarray]) -> tuple[CorrectionCovariance, dict[str, str]]:
        """Return the covariance that `_packed` has packed, and the digests of the exposures."""
        version, number, of_members, choices, bin_size = arrays["FORMAT"].tolist()
        if version != _FORMAT:
            raise ValueError(f"its format is {version}, and {_FORMAT} is known")
        texts = arrays["TEXTS"].astype(np.uint8).tobytes().decode().split("\0")
        if len(texts) != 2 * number + 1:
            raise ValueError(f"{len(texts)} texts for {number} exposures")
        take = {name: _Taker(values) for name, values in arrays.items()}
        size = arrays["DEVIATIONS"].size
        made_choices = []
        for _ in range(choices):
            order, terms, roots, shifted = take["CHOICES"].integers(4)
            made_choices.append(
                Choice(
                    order,
                    take["ROOTS"].array(terms, roots),
                    take["SHIFTED"].whole(shifted),
                    take["SHIFTS"].array(shifted, terms),
                )
            )
        members = []
        for at in range(of_members):
            head = take["HEADS"].integers(17)
            rows, columns, further_rows, further_columns, further, terms, numbers, kinds = head[9:]
            smooth = []
            for _ in range(kinds):
                order, nx, ny = take["HEADS"].integers(3)
                smooth.append(Candidate(order, (nx, ny) if nx else None))
            some, left, bottom, good_rows, good_columns = take["GOOD"].integers(5)
            good = BinMap((left, bottom), take["SHARES"].array(1, good_rows, good_columns)) if some else None
            maps = [take["MAPS"].array(rows, columns) for _ in range(2)]
            members.append(
                Member(
                    (head[0], head[1], head[2], head[3]),
                    (head[4], head[5], head[6], head[7]),
                    tuple(smooth),
                    maps[0],
                    maps[1],
                    take["FURTHER"].array(further_rows, further_columns, further),
                    take["COLUMNS"].whole(numbers),
                    take["MATRICES"].array(terms, numbers),
                    head[8],
                    float(arrays["SCALES"][at]),
                    good,
                )
            )
        places = tuple(take["PLACES"].integers(number))
        if any(not 0 <= place < of_members for place in places):
            raise ValueError(f"exposures have the places {places} among {of_members}")
        if any(one.columns.size and not (0 <= one.columns.min() <= one.columns.max() < size) for one in members):
            raise ValueError(f"a model has other numbers than the {size} that there are")
        found = cls(
            tuple(texts[:number]),
            places,
            tuple(members),
            bin_size,
            np.array(arrays["DEVIATIONS"], float),
            _symmetric(arrays["CORRELATIONS"], size),
            tuple(made_choices),
            _sources_of(arrays, take, size) if "LINKS" in arrays else None,
            texts[-1],
        )
        digests = {label: digest for label, digest in zip(texts, texts[number:-1], strict=False) if digest}
        return found, digests


def _symmetric(lower: np.ndarray, size: int) -> np.ndarray:
    """Return a symmetric matrix of float32 from its lower triangle."""
    found = np.zeros((size, size), np.float32)
    places = np.tril_indices(size)
    found[places] = lower
    found.T[places] = lower
    return found


def _sources_of(arrays: Mapping[str, np.ndarray], take: Mapping[str, _Taker], size: int) -> Sources:
    """Return the sources of a file."""
    links = []
    for _ in range(arrays["LINKS"].size // 6):
        first, second, column, row, rows, columns = take["LINKS"].integers(6)
        links.append(Link(first, second, BinMap((column, row), take["PARTS"].array(2, rows, columns))))
    units = np.array(arrays["UNITS"], float)
    inverse = _symmetric(arrays["INVERSE"], units.size)
    others = take["OTHERS"].array(size - units.size, units.size)
    return Sources(tuple(links), inverse, units, others)


class _Taker:
    """Reader of arrays that were joined to one."""

    def __init__(self, values: np.ndarray) -> None:
        self._values = values
        self._at = 0

    def array(self, *shape: int) -> np.ndarray:
        """Return the next array of a shape."""
        number = int(np.prod(shape))
        found = self._values[self._at : self._at + number]
        self._at += number
        return found.reshape(shape)

    def whole(self, number: int) -> np.ndarray:
        """Return the next whole numbers, which index others."""
        return self.array(number).astype(np.int64)

    def integers(self, number: int) -> list[int]:
        """Return the next numbers."""
        return [int(value) for value in self.array(number)]


def _joined(parts: Sequence[Any], kind: Any) -> np.ndarray:
    """Return arrays one after the other as one array of a type."""
    return np.concatenate([np.zeros(0, kind), *(np.asarray(part, kind) for part in parts)])


def _in_nodes(box: PixelBox, shape: tuple[int, int], x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return positions in units of nodes that are spread evenly over the centres of the pixels of a box."""
    rows, columns = shape
    x0, y0, width, height = box
    return (x - x0) * (columns - 1) / max(1, width - 1), (y - y0) * (rows - 1) / max(1, height - 1)


def nodes_of(box: PixelBox, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of as many nodes along each axis, shape (number * number,)."""
    x0, y0, width, height = box
    x = np.linspace(x0, x0 + max(1, width - 1), number)
    y = np.linspace(y0, y0 + max(1, height - 1), number)
    grid_x, grid_y = np.meshgrid(x, y)
    return grid_x.ravel(), grid_y.ravel()


def _places(edges: np.ndarray, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cell of each pixel, -1 for none, and its place in it, from 0 in its first pixel to 1 in its last."""
    if len(edges) < 2:
        return np.full(pixels.size, -1), np.zeros(pixels.size)
    cell = np.searchsorted(edges, pixels, side="right") - 1
    cell[(pixels < edges[0]) | (pixels >= edges[-1])] = -1
    last = np.maximum(edges[cell + 1] - edges[cell] - 1, 1)
    return cell, np.where(cell < 0, 0.0, (pixels - edges[cell]) / last)


def _edges(starts: np.ndarray, ends: np.ndarray, most: int) -> np.ndarray:
    """Return the edges of cells along an axis: those of the boxes, with others between them that are far apart.

    If there are too many, those that are nearest to each other become one.
    """
    found = np.unique(np.concatenate([starts, ends]).astype(int))
    found = found[found >= 0] if (found < 0).any() and (found > 0).any() else found
    if (starts < 0).any() and found[0] != 0:
        found = np.concatenate([[0], found])  # what begins before the first pixel covers it
    # Half of the edges are kept for cells within the boxes.
    while len(found) > max(3, most // 2):
        gaps = np.diff(found)
        gaps[[0, -1]] += 1  # the outermost edges stay, if others are as near
        near = int(np.argmin(gaps))
        found = np.delete(found, near if 0 < near < len(found) - 1 else 1 if near == 0 else near)
    side = float(np.median(ends - starts))
    step = max(1.0, side / _CELLS_PER_SIDE, (found[-1] - found[0]) / max(1, most - len(found)))
    parts = []
    for start, end in zip(found[:-1].tolist(), found[1:].tolist(), strict=True):
        number = min(end - start, max(1, int((end - start) / step + 0.5)))
        parts.append(np.unique(np.linspace(start, end, number + 1).astype(int))[:-1])
    return np.concatenate([*parts, found[-1:]])


def _overlaps(edges: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the share of each cell that each box covers along an axis, shape (cells, boxes)."""
    low = np.maximum(edges[:-1, None], starts[None, :])
    high = np.minimum(edges[1:, None], ends[None, :])
    return np.asarray(np.maximum(high - low, 0.0) / np.diff(edges)[:, None])
