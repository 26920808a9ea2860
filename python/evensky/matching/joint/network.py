"""The network of exposures that differences connect: their terms in bins, weights, residuals and outlying bins."""

from __future__ import annotations

__all__ = ["Chip", "Network", "PairPart", "Products", "Solution", "robust_scale"]

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from .basis import Basis
from .candidates import NONE, Candidate, Extra, terms_of_order
from .differences import Differences
from .grid import CommonGrid, PixelBox, around, common_box
from .pixel_map import PixelMap
from .planes import Plane
from .transforms import Affine, Chain, affine_of

# Largest number of values of terms in bins that are kept, as most are needed several times, and of their products.
_KEPT_NUMBERS, _KEPT_PRODUCTS = 2**22, 2**25
# Least order of the terms that are computed and kept if there is room: the search goes on from lower orders to it.
_FIRST_ORDER = 4
# Bins that differ from their partners by more than this number of standard errors are outliers.
OUTLIER = 5.0
# Largest share of the bins of an image that can be outliers.
_MOST_REJECTED = 0.5


@dataclass(frozen=True)
class Chip:
    """The place of an image in the focal plane of an exposure of several chips.

    Attributes
    ----------
    exposure : int
        Number of the exposure; its images share one smooth model over the focal plane.
    to_plane : ndarray, shape (2, 3)
        Affine map from the coordinates of the chip to positions in the focal plane, in pixels.
    """

    exposure: int
    to_plane: np.ndarray


@dataclass
class Solution:
    """The models of all units; a unit is an image, or all images of an exposure with a common model.

    Attributes
    ----------
    candidates : list of Candidate
        Kind of model of each unit.
    coefficients : list of ndarray
        Coefficients of each model.
    shared : Candidate
        Terms that all units have, with the same coefficients.
    shared_coefficients : ndarray
    """

    candidates: list[Candidate]
    coefficients: list[np.ndarray]
    shared: Candidate = NONE
    shared_coefficients: np.ndarray = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True)
class PairPart:
    """The part of a pair in the normal equations, by the owners of the terms."""

    blocks: dict[tuple[int, int], np.ndarray]
    right: dict[int, np.ndarray]


@dataclass(frozen=True)
class Products:
    """The part of a pair of two series in the normal equations, with its rows and the orders of the series.

    Series of all orders begin with the same terms, so this part holds those of all series up to these orders.
    """

    weights: np.ndarray
    values: np.ndarray
    orders: tuple[int, int]
    part: PairPart

    def are_of(self, weights: np.ndarray, values: np.ndarray) -> bool:
        """Return whether they are those of rows with some weights and values."""
        return np.array_equal(self.weights, weights) and np.array_equal(self.values, values)

    @property
    def size(self) -> int:
        """Number of values."""
        return 2 * self.weights.size + sum(block.size for block in self.part.blocks.values())


class Network:
    """Images, connected by their differences, and the terms of their models in the bins.

    Parameters
    ----------
    boxes : sequence of (x0, y0, width, height)
        Boxes of the images in their own coordinates.
    grid : CommonGrid
    differences : Differences
    chips : sequence of Chip, optional
        Places of the images in focal planes; by default, each image has its own model.
    planes : sequence of mapping of str to Plane, optional
        For each image, the planes of further terms by their names.
    maps : sequence of PixelMap or None, optional
        For each image, the map from the common grid to its own coordinates; None if they are the same.

    Attributes
    ----------
    on_sky : bool
        Whether images have other coordinates than the common grid.
    footprints : list of (x0, y0, width, height)
        Boxes of the images on the common grid.
    own_bases : list of Basis
        Terms over the box of each image.
    bases : list of Basis
        Terms of the smooth model of each image, which is that of its unit.
    unit_bases, unit_footprints : list
        The same for whole units: their terms, and their boxes on the common grid.
    unit : list of int
        Unit of each image.
    images : list of list of int
        Images of each unit.
    good : ndarray of bool, shape (nodes,)
        Nodes that are used.
    groups : ndarray of int
        Group of each image; -1 for none.
    first_terms : list of dict of str to int
        For each image, the numbers of its first terms in the further terms of its unit, by their names: each chip has
        labels of its own.
    places : ndarray of int, shape (2, n)
        Group and bin of all places, ascending; nodes of one place see the same scene. Bins of different chips, or of
        separate groups, may have the same number.
    place : ndarray of int, shape (nodes,)
        Place of each node.
    scene : ndarray or None
        Mean scene in the places, for the throughput.
    products : dict of int to Products
        Kept products of the terms of pairs, by their numbers.
    """

    def __init__(
        self,
        boxes: Sequence[PixelBox],
        grid: CommonGrid,
        differences: Differences,
        *,
        chips: Sequence[Chip] | None = None,
        planes: Sequence[Mapping[str, Plane]] | None = None,
        maps: Sequence[PixelMap | None] | None = None,
    ) -> None:
        self.boxes = list(boxes)
        self.maps = [None] * len(self.boxes) if maps is None else list(maps)
        self.on_sky = any(one is not None for one in self.maps)
        self.footprints = [
            box if one is None else one.footprint for box, one in zip(self.boxes, self.maps, strict=True)
        ]
        transforms = [None if one is None else one.continued for one in self.maps]
        self.own_bases = [Basis(box, one) for box, one in zip(self.boxes, transforms, strict=True)]
        self.grid = grid
        self.differences = differences
        self.planes = [{} for _ in boxes] if planes is None else [dict(one) for one in planes]
        self.first_terms: list[dict[str, int]] = [{} for _ in boxes]
        self._place(chips)
        self.good = ~differences.node_odd
        self.scene: np.ndarray | None = None
        self.pairs_of: list[list[tuple[int, int]]] = [[] for _ in boxes]  # (pair, side)
        for at, pair in enumerate(differences.pairs):
            self.pairs_of[pair.first].append((at, 0))
            self.pairs_of[pair.second].append((at, 1))
        self.groups = differences.groups()
        numbers = max(1, differences.distinct_bins.size)
        keys, self.place = np.unique(
            self.groups[differences.node_exposure] * numbers + differences.node_bin, return_inverse=True
        )
        self.places = np.stack([keys // numbers, keys % numbers])
        self._designs: dict[tuple[int, int, Candidate | Extra], np.ndarray] = {}
        self._room = _KEPT_NUMBERS
        self.products: dict[int, Products] = {}
        self._room_of_products = _KEPT_PRODUCTS
        self._rows_of_places: tuple[np.ndarray, np.ndarray] | None = None
        self._known_weights: tuple[np.ndarray, np.ndarray] | None = None  # good nodes, and the weights of the rows

    def _place(self, chips: Sequence[Chip] | None) -> None:
        number = len(self.boxes)
        exposures = list(range(number)) if chips is None else [chip.exposure for chip in chips]
        distinct = {exposure: at for at, exposure in enumerate(dict.fromkeys(exposures))}
        self.unit = [distinct[exposure] for exposure in exposures]
        self.images: list[list[int]] = [[] for _ in distinct]
        for i, unit in enumerate(self.unit):
            self.images[unit].append(i)
        if chips is None:
            self.bases = self.unit_bases = self.own_bases
            self.unit_boxes, self.unit_footprints = self.boxes, self.footprints
            return
        corners = [_mapped(chip.to_plane, box) for chip, box in zip(chips, self.boxes, strict=True)]
        self.unit_boxes = [around([corners[i] for i in images]) for images in self.images]
        transforms = [
            Affine(chip.to_plane) if own.transform is None else Chain(own.transform, Affine(chip.to_plane))
            for own, chip in zip(self.own_bases, chips, strict=True)
        ]
        self.bases = [Basis(self.unit_boxes[unit], one) for unit, one in zip(self.unit, transforms, strict=True)]
        if not self.on_sky:
            # Focal planes are aligned with each other, whatever the shifts of their chips on the common grids.
            self.unit_bases, self.unit_footprints = [Basis(box) for box in self.unit_boxes], self.unit_boxes
            return
        self.unit_footprints = [around([self.footprints[i] for i in images]) for images in self.images]
        self.unit_bases = [self._focal_plane(unit) for unit in range(self.number)]

    def _focal_plane(self, unit: int) -> Basis:
        """Return the terms of a unit of several chips at any place of the common grid, also between its chips."""
        common, own = [], []
        for image in self.images[unit]:
            points = self.own_bases[image].points
            common.append(points)
            own.append(self.bases[image].to_own(*points))
        together = [np.concatenate(parts) for parts in (*zip(*common, strict=True), *zip(*own, strict=True))]
        return Basis(self.unit_boxes[unit], affine_of((together[0], together[1]), (together[2], together[3])))

    def bins_along(self, unit: int) -> tuple[int, int]:
        """Return how many whole bins fit along the sides of a unit."""
        basis = self.unit_bases[unit]
        along = np.abs(np.linalg.det(basis.linear)) ** 0.5 * self.grid.bin_size
        # A rounding error must not lose the last bin.
        return int(basis.box[2] / along + 1e-9), int(basis.box[3] / along + 1e-9)

    @property
    def number(self) -> int:
        """Number of units."""
        return len(self.images)

    @cached_property
    def spread(self) -> float:
        """Range of the differences, without far ones."""
        d = self.differences
        low, high = np.percentile(d.value, [1, 99]) if d.value.size else (0.0, 0.0)
        return max(float(high - low), float(np.sqrt(d.variance.max(initial=1e-30))))

    def factor(self, image: int) -> float:
        """Return the factor from the values of an image's own pixels to those on the common grid."""
        one = self.maps[image]
        return 1.0 if one is None else one.scale

    # -- terms --

    def design(self, at: int, side: int, candidate: Candidate) -> np.ndarray:
        """Return the terms of a candidate for one side of a pair, means over its bins, shape (n, terms)."""
        if not candidate.extras:
            return self._smooth(at, side, candidate)
        parts = [self._smooth(at, side, candidate.smooth)] if candidate.smooth_terms else []
        parts += [self._extra(at, side, extra) for extra in candidate.extras]
        return parts[0] if len(parts) == 1 else np.hstack(parts)

    def terms_at(self, image: int, candidate: Candidate, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the terms of a candidate at points of an image, shape (n, terms); 0 for the throughput.

        Points are given on the common grid.
        """
        parts = [self.bases[image].at(candidate, x, y)]
        if not candidate.extras:
            return parts[0]
        columns, rows = self._pixels(image, x, y)
        for extra in candidate.extras:
            plane = self.planes[image].get(extra.name)
            if extra.nodes:
                parts.append(self.own_bases[image].drift(extra, x, y, 0.0, 0.0))
            elif plane is not None:
                parts.append(self._among(image, extra, plane.at(columns, rows)))
            else:
                parts.append(np.zeros((len(x), extra.terms)))
        return np.hstack(parts)

    def means_of(self, image: int, extra: Extra) -> np.ndarray:
        """Return the means over an image of the terms that an image gives, shape (terms,); 0 for the throughput."""
        plane = self.planes[image].get(extra.name)
        if plane is None:
            return np.zeros(extra.terms)
        _, _, width, height = self.boxes[image]
        return np.asarray(self._among(image, extra, plane.means(np.array([0, width]), np.array([0, height]))[0])[0])

    def _smooth(self, at: int, side: int, candidate: Candidate) -> np.ndarray:
        # Series of all orders begin with the same terms.
        key = at, side, Candidate(nodes=candidate.nodes)
        known = self._designs.get(key)
        if known is not None and known.shape[1] >= candidate.smooth_terms:
            return known[:, : candidate.smooth_terms]
        bins = self.differences.pairs[at]
        basis = self.bases[(bins.first, bins.second)[side]]
        made = candidate
        if 0 <= candidate.order < _FIRST_ORDER and bins.values.size * terms_of_order(_FIRST_ORDER) <= self._room:
            made = Candidate(_FIRST_ORDER)
        kept = self._keep(key, basis.design(made, bins.x, bins.y, bins.width, bins.height))
        return kept[:, : candidate.smooth_terms]

    def _extra(self, at: int, side: int, extra: Extra) -> np.ndarray:
        bins = self.differences.pairs[at]
        image = (bins.first, bins.second)[side]
        if extra.kind == "gain":
            assert self.scene is not None
            nodes = self.differences.node[side][self.differences.rows[at]]
            return np.asarray(self.scene[self.place[nodes]][:, None])
        key = at, side, extra
        known = self._designs.get(key)
        if known is not None:
            return known
        if extra.nodes:
            own = self.own_bases[image]
            return self._keep(key, own.drift(extra, bins.x, bins.y, bins.width, bins.height))
        plane = self.planes[image].get(extra.name)
        if plane is None:
            return np.zeros((bins.values.size, extra.terms))
        box = common_box(self.footprints[bins.first], self.footprints[bins.second])
        assert box is not None
        x_edges, y_edges, numbers = self.grid.edges(box)
        if self.maps[image] is None:
            x0, y0, _, _ = self.boxes[image]
            means = plane.means(x_edges + (box[0] - x0), y_edges + (box[1] - y0)).reshape(-1, plane.terms)
        else:
            means = self._means_on_sky(image, plane, x_edges + box[0], y_edges + box[1])
        return self._keep(key, self._among(image, extra, means[np.isin(numbers.ravel(), bins.bins)]))

    def _means_on_sky(self, image: int, plane: Plane, x_edges: np.ndarray, y_edges: np.ndarray) -> np.ndarray:
        """Return the means of a plane over the pixels of bins on the common grid, shape (bins, terms)."""
        _, _, width, height = self.boxes[image]
        x = np.arange(x_edges[0], x_edges[-1], dtype=float)
        starts = x_edges[:-1] - x_edges[0]
        means = np.zeros((len(y_edges) - 1, len(x_edges) - 1, plane.terms))
        for row, (top, end) in enumerate(itertools.pairwise(y_edges.tolist())):
            grid_x, grid_y = np.meshgrid(x, np.arange(top, end, dtype=float))
            columns, rows = self._pixels(image, grid_x.ravel(), grid_y.ravel())
            inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
            values = plane.at(columns, rows) * inside[:, None]
            values = np.concatenate([values, inside[:, None]], axis=1).reshape(*grid_x.shape, -1).sum(axis=0)
            sums = np.add.reduceat(values, starts, axis=0)
            means[row] = sums[:, :-1] / np.maximum(sums[:, -1:], 1)
        return means.reshape(-1, plane.terms)

    def _pixels(self, image: int, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the columns and rows of the pixels of an image at positions on the common grid."""
        x, y = self.own_bases[image].to_own(x, y)
        x0, y0, _, _ = self.boxes[image]
        return np.rint(x - x0).astype(int), np.rint(y - y0).astype(int)

    def _among(self, image: int, extra: Extra, own: np.ndarray) -> np.ndarray:
        """Return values of an image's own terms among those of its unit, which are 0 in this image."""
        if own.shape[1] == extra.terms:
            return own
        result = np.zeros((len(own), extra.terms))
        first = self.first_terms[image].get(extra.name, 0)
        result[:, first : first + own.shape[1]] = own
        return result

    def _keep(self, key: tuple[int, int, Candidate | Extra], made: np.ndarray) -> np.ndarray:
        self._room += self._designs.pop(key, made[:0]).size
        while self._room < made.size and self._designs:  # those that were made first make room
            self._room += self._designs.pop(next(iter(self._designs))).size
        if self._room >= made.size:
            self._room -= made.size
            self._designs[key] = made
        return made

    def keep_products(self, at: int, made: Products) -> None:
        """Keep the products of the terms of a pair, as far as there is room."""
        known = self.products.pop(at, None)
        self._room_of_products += 0 if known is None else known.size
        while self._room_of_products < made.size and self.products:
            self._room_of_products += self.products.pop(next(iter(self.products))).size
        if self._room_of_products >= made.size:
            self._room_of_products -= made.size
            self.products[at] = made

    # -- rows --

    def weights(self) -> np.ndarray:
        """Return the weights of the rows in the equations, shape (n,); 0 for rows with an outlier.

        The p differences of the k exposures that are good in a bin hold the information of k - 1 of them, as they share
        the noise of the exposures. Their inverse variances are multiplied by (k - 1) / p, so that the weighted sum of
        squares has the expectation of k - 1 independent residuals: if all pairs of equal exposures were measured, it is
        the sum of the generalised least squares.
        """
        if self._known_weights is None or not np.array_equal(self._known_weights[0], self.good):
            self._known_weights = self.good.copy(), self._weights()
        return self._known_weights[1].copy()

    def _weights(self) -> np.ndarray:
        d = self.differences
        good = self.good[d.node].all(axis=0)
        key = self.place[d.node[0]] if d.value.size else np.zeros(0, int)
        size = int(self.place.max(initial=-1)) + 1
        rows = np.bincount(key, good, size)
        used = np.zeros(d.node_exposure.size, bool)
        used[d.node[:, good].ravel()] = True
        nodes = np.bincount(self.place, used, size)
        share = np.maximum(nodes - 1, 0) / np.maximum(rows, 1)
        return np.asarray(good * share[key] / d.variance)

    def rows_at(self, places: np.ndarray) -> np.ndarray:
        """Return the rows of some places."""
        if self._rows_of_places is None:
            of_row = self.place[self.differences.node[0]] if self.differences.value.size else np.zeros(0, int)
            order = np.argsort(of_row, kind="stable")
            starts = np.searchsorted(of_row[order], np.arange(self.places.shape[1] + 1))
            self._rows_of_places = order, starts
        order, starts = self._rows_of_places
        first, number = starts[places], starts[places + 1] - starts[places]
        within = np.arange(int(number.sum())) - np.repeat(np.cumsum(number) - number, number)
        return np.asarray(order[np.repeat(first, number) + within])

    def weights_at(self, places: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the weights of all rows of some places, ascending, as `weights` does of all rows."""
        d = self.differences
        good = self.good[d.node[:, rows]].all(axis=0)
        key = np.searchsorted(places, self.place[d.node[0, rows]])
        number = np.bincount(key, good, places.size)
        used = np.unique(d.node[:, rows[good]])
        nodes = np.bincount(np.searchsorted(places, self.place[used]), minlength=places.size)
        share = np.maximum(nodes - 1, 0) / np.maximum(number, 1)
        return np.asarray(good * share[key] / d.variance[rows])

    def predicted(self, solution: Solution) -> np.ndarray:
        """Return the difference that the models predict for each row: second - first, shape (n,)."""
        result = np.zeros(self.differences.value.size)
        for at, (pair, rows) in enumerate(zip(self.differences.pairs, self.differences.rows, strict=True)):
            for side, image, sign in ((0, pair.first, -1.0), (1, pair.second, 1.0)):
                unit = self.unit[image]
                if solution.candidates[unit].terms:
                    terms = self.design(at, side, solution.candidates[unit])
                    result[rows] += sign * (terms @ solution.coefficients[unit])
                if solution.shared.terms:
                    result[rows] += sign * (self.design(at, side, solution.shared) @ solution.shared_coefficients)
        return result

    # -- outliers --

    def residuals(self, residual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the difference of each node from its partners, and its standard error.

        Parameters
        ----------
        residual : ndarray, shape (n,)
            Residuals of the rows: measured minus predicted differences.

        Returns
        -------
        value, error : ndarray, shape (nodes,)
            NaN for nodes without a good partner.
        """
        every = slice(None)
        return self._residuals_of(slice(0, self.differences.node_exposure.size), (every, every), residual)

    def residuals_of(self, image: int, residual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the same for the nodes of one image."""
        rows = []
        for side in (0, 1):
            spans = [self.differences.rows[at] for at, own in self.pairs_of[image] if own == side]
            rows.append(np.concatenate([np.zeros(0, int), *(np.arange(span.start, span.stop) for span in spans)]))
        return self._residuals_of(self.differences.nodes_of(image), (rows[0], rows[1]), residual)

    def _residuals_of(
        self, nodes: slice, rows: tuple[np.ndarray | slice, np.ndarray | slice], residual: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the same for nodes that are the first ones of some rows, and the second ones of others."""
        d = self.differences
        size = nodes.stop - nodes.start
        value, variance, total = np.zeros((3, size))
        for side, sign in ((0, 1.0), (1, -1.0)):
            some = rows[side]
            own, partner = d.node[side, some] - nodes.start, d.node[1 - side, some]
            weights = self.good[partner] / d.variance[some]
            total += np.bincount(own, weights, size)
            value += np.bincount(own, sign * weights * residual[some], size)
            variance += np.bincount(own, weights**2 * (d.node_variance[partner] + d.extra[some]), size)
        with np.errstate(invalid="ignore", divide="ignore"):
            return value / total, np.sqrt(variance / total**2 + d.node_variance[nodes])

    def reject(self, residual: np.ndarray) -> None:
        """Reject the nodes that differ too much from their partners, in each bin the worst first."""
        self.good = ~self.differences.node_odd
        bins = self.place
        value, error = self.residuals(residual)
        scale = robust_scale(value / error)
        for _ in range(len(self.boxes)):
            with np.errstate(invalid="ignore"):
                distance = np.abs(value / error) / scale
            far = np.flatnonzero(self.good & np.isfinite(distance) & (distance > OUTLIER))
            if not far.size:
                break
            # In each bin only the node that disagrees most is rejected; the others may then agree.
            order = far[np.lexsort((-self.differences.node_exposure[far], distance[far], bins[far]))]
            worst = order[np.diff(bins[order], append=-1) != 0]
            self.good[worst] = False
            value, error = self.residuals(residual)
        self._restore()

    def _restore(self) -> None:
        """Take back the rejections of an image that would lose most of its nodes: its model is wrong, not its bins."""
        d = self.differences
        usable = ~d.node_odd
        total = np.bincount(d.node_exposure[usable], minlength=len(self.boxes))
        lost = np.bincount(d.node_exposure[usable & ~self.good], minlength=len(self.boxes))
        wrong = lost > _MOST_REJECTED * total
        self.good |= usable & wrong[d.node_exposure]

    def nodes_of(self, unit: int) -> np.ndarray:
        """Return the nodes of a unit."""
        spans = [self.differences.nodes_of(image) for image in self.images[unit]]
        return np.concatenate([np.arange(span.start, span.stop) for span in spans])


def robust_scale(distances: np.ndarray) -> float:
    """Return the robust scatter of distances in standard errors; at least 1."""
    good = np.abs(distances[np.isfinite(distances)])
    return max(1.0, 1.482602218505602 * float(np.median(good))) if good.size else 1.0


def _mapped(to_plane: np.ndarray, box: PixelBox) -> PixelBox:
    """Return the smallest box of whole pixels in the focal plane that holds a box of the grid."""
    x0, y0, width, height = box
    x = np.array([x0 - 0.5, x0 + width - 0.5, x0 - 0.5, x0 + width - 0.5])
    y = np.array([y0 - 0.5, y0 - 0.5, y0 + height - 0.5, y0 + height - 0.5])
    corners = np.asarray(to_plane) @ np.stack([x, y, np.ones(4)])
    low, high = np.floor(corners.min(axis=1) + 0.5).astype(int), np.ceil(corners.max(axis=1) + 0.5).astype(int)
    return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])
