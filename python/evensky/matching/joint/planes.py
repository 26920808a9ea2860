"""Terms that images give: levels of detectors and amplifiers, and templates."""

from __future__ import annotations

__all__ = ["Plane", "labels_plane", "level_plane", "plane_of", "template_plane", "unit_of", "with_common_labels"]

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np


@dataclass
class Plane:
    """The terms that an image gives, in the pixels of one exposure.

    Attributes
    ----------
    image : ndarray of float32, shape (height, width), or of an integer type, or None
        A template, which has one term; or labels, where each label except the first has a term: the level of its
        pixels from the mean level of the exposure, 0 outside all labels. None for a level of all pixels.
    labels : ndarray of int or None
        The labels, of which there may be none; None for a template.
    shares : ndarray
        Share of the pixels that each label has, or level of the terms of a plane without an image.
    unit : float
        Value by which a template is divided in the equations, so that its coefficient has the size of the background
        whatever the template is given in. Priors, and the limits of rounding, suppose this size.
    valid : ndarray of bool or None
        Pixels of a template that are known; None if all are. Means are those of the known pixels.
    """

    image: np.ndarray | None
    labels: np.ndarray | None = None
    shares: np.ndarray = field(default_factory=lambda: np.zeros(0))
    unit: float = 1.0
    valid: np.ndarray | None = None
    _known: dict[tuple[bytes, bytes, int, int], np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out known means, which are not needed where the model is evaluated."""
        return {**self.__dict__, "_known": {}}

    @property
    def terms(self) -> int:
        """Number of terms."""
        if self.image is None:
            return self.shares.size
        return 1 if self.labels is None else max(0, self.labels.size - 1)

    def means(self, x_edges: np.ndarray, y_edges: np.ndarray) -> np.ndarray:
        """Compute mean values of the terms over bins.

        Parameters
        ----------
        x_edges, y_edges : ndarray of int
            Edges of the bins in the pixels of the exposure.

        Returns
        -------
        ndarray, shape (rows of bins, columns of bins, terms)
        """
        if self.image is None:
            return np.broadcast_to(self.shares, (len(y_edges) - 1, len(x_edges) - 1, self.terms))
        key = x_edges.tobytes(), y_edges.tobytes(), len(x_edges), len(y_edges)
        if key not in self._known:
            self._known[key] = self._means(x_edges, y_edges)
        return self._known[key]

    def _means(self, x_edges: np.ndarray, y_edges: np.ndarray) -> np.ndarray:
        assert self.image is not None
        areas = np.outer(np.diff(y_edges), np.diff(x_edges))
        result = np.empty((*areas.shape, self.terms))
        columns = slice(int(x_edges[0]), int(x_edges[-1]))
        starts = x_edges[:-1] - x_edges[0]
        for row, (top, end) in enumerate(zip(y_edges[:-1].tolist(), y_edges[1:].tolist(), strict=True)):
            band = self.image[top:end, columns]
            for term in range(self.terms):
                values = band if self.labels is None else band == self.labels[term + 1]
                sums = np.add.reduceat(values.sum(axis=0, dtype=float), starts)
                if self.valid is not None:
                    known = np.add.reduceat(self.valid[top:end, columns].sum(axis=0, dtype=float), starts)
                    sums *= areas[row] / np.maximum(known, 1.0)
                result[row, :, term] = sums / (areas[row] * self.unit) - (
                    0.0 if self.labels is None else self.shares[term + 1]
                )
        return result

    def at(self, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the values of the terms at pixels, shape (n, terms); pixels beyond the image count as its nearest."""
        if self.image is None:
            return np.broadcast_to(self.shares, (len(columns), self.terms))
        height, width = self.image.shape
        values = self.image[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
        if self.labels is None:
            return np.asarray(values[:, None].astype(float)) / self.unit
        return np.asarray((values[:, None] == self.labels[None, 1:]) - self.shares[None, 1:])

    def add_to(self, out: np.ndarray, coefficients: np.ndarray, first_row: int) -> None:
        """Add whole rows of the plane, with its coefficients, to an array of shape (rows, width)."""
        if self.image is None:
            out += np.float32(self.shares @ coefficients)
            return
        band = self.image[first_row : first_row + len(out)]
        if self.labels is None:
            out += np.float32(coefficients[0] / self.unit) * band
            return
        if not coefficients.size:
            return
        base = -float(self.shares[1:] @ coefficients)
        levels = np.concatenate([[0.0], coefficients]) + base
        out += np.where(
            np.isin(band, self.labels), levels[np.clip(np.searchsorted(self.labels, band), 0, len(levels) - 1)], base
        ).astype(np.float32)


def labels_plane(image: np.ndarray) -> Plane:
    """Make the plane of an image of labels, of an integer type; 0 is no label."""
    labels, counts = np.unique(image, return_counts=True)
    known = labels > 0
    return Plane(image, labels[known], counts[known] / image.size)


def with_common_labels(planes: Sequence[Plane]) -> list[Plane]:
    """Return planes of labels with the labels of all of them, so that a term stands for the same label in each."""
    found = [plane.labels for plane in planes if plane.labels is not None]
    if not found:
        return list(planes)
    labels = np.unique(np.concatenate(found))
    result = []
    for plane in planes:
        assert plane.labels is not None  # all planes of a term are of its kind
        shares = np.zeros(labels.size)
        shares[np.searchsorted(labels, plane.labels)] = plane.shares
        result.append(replace(plane, labels=labels, shares=shares, _known={}))
    return result


def template_plane(image: np.ndarray, unit: float = 1.0) -> Plane:
    """Make the plane of a template; pixels that are not finite are unknown, and nothing is added to them."""
    image = np.asarray(image, np.float32)
    finite = np.isfinite(image)
    if finite.all():
        return Plane(image, unit=unit)
    return Plane(np.where(finite, image, np.float32(0)), unit=unit, valid=finite)


def unit_of(images: Iterable[np.ndarray]) -> float:
    """Return the RMS of the images of a template, by which it is divided in the equations; 1 if it is 0."""
    squares = [np.square(image[np.isfinite(image)], dtype=float) for image in images]
    number = sum(one.size for one in squares)
    rms = float(np.sqrt(sum(float(one.sum()) for one in squares) / number)) if number else 0.0
    return rms or 1.0


def level_plane(values: np.ndarray) -> Plane:
    """Make a plane whose terms have the same value in all pixels, as for one chip of an exposure."""
    return Plane(None, shares=np.asarray(values, float))


def plane_of(kind: str, image: np.ndarray, unit: float = 1.0) -> Plane:
    """Make the plane of a term of some kind: labels for detectors and amplifiers, else a template."""
    return template_plane(image, unit) if kind == "template" else labels_plane(image)
