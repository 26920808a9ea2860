"""Terms that images give: levels of detectors and amplifiers, and templates."""

from __future__ import annotations

__all__ = ["Plane", "labels_plane", "level_plane", "planes_of", "template_plane"]

from collections.abc import Sequence
from dataclasses import dataclass, field

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
        The labels, of which there may be none, with 0 for a label of other exposures; None for a template.
    shares : ndarray
        Share of the pixels that each label has, or level of the terms of a plane without an image.
    """

    image: np.ndarray | None
    labels: np.ndarray | None = None
    shares: np.ndarray = field(default_factory=lambda: np.zeros(0))
    _known: dict[tuple[bytes, bytes, int, int], np.ndarray] = field(default_factory=dict, repr=False, compare=False)

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
                result[row, :, term] = sums / areas[row] - (0.0 if self.labels is None else self.shares[term + 1])
        return result

    def at(self, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the values of the terms at pixels, shape (n, terms); pixels beyond the image count as its nearest."""
        if self.image is None:
            return np.broadcast_to(self.shares, (len(columns), self.terms))
        height, width = self.image.shape
        values = self.image[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
        if self.labels is None:
            return np.asarray(values[:, None].astype(float))
        return np.asarray((values[:, None] == self.labels[None, 1:]) - self.shares[None, 1:])

    def add_to(self, out: np.ndarray, coefficients: np.ndarray, first_row: int) -> None:
        """Add whole rows of the plane, with its coefficients, to an array of shape (rows, width)."""
        if self.image is None:
            out += np.float32(self.shares @ coefficients)
            return
        band = self.image[first_row : first_row + len(out)]
        if self.labels is None:
            out += np.float32(coefficients[0]) * band
            return
        if not coefficients.size:
            return
        base = -float(self.shares[1:] @ coefficients)
        own = self.labels > 0
        levels = np.full(int(max(self.labels.max(), band.max(), 0)) + 1, base)
        levels[self.labels[own]] += np.concatenate([[0.0], coefficients])[own]
        out += levels.astype(np.float32)[np.maximum(band, 0)]


def labels_plane(image: np.ndarray, labels: Sequence[int] | None = None) -> Plane:
    """Make the plane of an image of labels, of an integer type; 0 is no label.

    Parameters
    ----------
    image : ndarray of int, shape (height, width)
    labels : sequence of int, optional
        The labels of the terms, 0 for a label that is not in this image; by default the labels in the image.
    """
    found, counts = np.unique(image, return_counts=True)
    count_of = dict(zip(found.tolist(), counts.tolist(), strict=True))
    terms = [label for label in found.tolist() if label > 0] if labels is None else list(labels)
    shares = np.array([count_of.get(label, 0) if label > 0 else 0 for label in terms], float) / image.size
    return Plane(image, np.array(terms, int), shares)


def template_plane(image: np.ndarray) -> Plane:
    """Make the plane of a template; pixels that are not finite count as 0."""
    image = np.asarray(image, np.float32)
    return Plane(np.where(np.isfinite(image), image, np.float32(0)))


def level_plane(values: np.ndarray) -> Plane:
    """Make a plane whose terms have the same value in all pixels, as for one chip of an exposure."""
    return Plane(None, shares=np.asarray(values, float))


def planes_of(kind: str, images: Sequence[np.ndarray | None], places: Sequence[int]) -> list[Plane | None]:
    """Make the planes of a term for all exposures, so that a coefficient means the same label in all of them.

    Parameters
    ----------
    kind : str
        Kind of the term: "template", or labels.
    images : sequence of ndarray or None
    places : sequence of int
        Number of the chip that each image is of, as chips of one exposure have labels of their own.
    """
    known: dict[tuple[int, int], Plane] = {}
    every: list[tuple[int, int]] = []  # chip and label
    if kind != "template":
        seen = {(place, id(image)): image for image, place in zip(images, places, strict=True) if image is not None}
        found = {(place, int(label)) for (place, _), image in seen.items() for label in np.unique(image) if label > 0}
        every = sorted(found)
    result: list[Plane | None] = []
    for image, place in zip(images, places, strict=True):
        if image is None:
            result.append(None)
            continue
        key = place, id(image)
        if key not in known:
            own = [label if chip == place else 0 for chip, label in every]
            known[key] = template_plane(image) if kind == "template" else labels_plane(image, own)
        result.append(known[key])
    return result
