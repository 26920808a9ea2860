"""Maps between the grid that all exposures share and the pixels of each."""

from __future__ import annotations

__all__ = ["Affine", "Chain", "Continued", "Transform", "affine_of"]

from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Transform(Protocol):
    """A map from the common grid to the coordinates in which a model is defined, and back."""

    def to_own(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Map positions on the common grid to own coordinates."""

    def to_common(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Map positions in own coordinates to the common grid."""


@dataclass(frozen=True)
class Affine:
    """A linear map with a shift.

    Attributes
    ----------
    matrix : ndarray, shape (2, 3)
        From the common grid to own coordinates.
    """

    matrix: np.ndarray

    def to_own(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Map positions on the common grid to own coordinates."""
        (a, b, c), (d, e, f) = self.matrix
        return a * x + b * y + c, d * x + e * y + f

    def to_common(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Map positions in own coordinates to the common grid."""
        (a, b, c), (d, e, f) = self.matrix
        (p, q), (r, s) = np.linalg.inv([[a, b], [d, e]])
        return p * (x - c) + q * (y - f), r * (x - c) + s * (y - f)


@dataclass(frozen=True)
class Chain:
    """Two maps, one after the other: from the common grid to the pixels of a chip, and on to its focal plane."""

    first: Transform
    second: Transform

    def to_own(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Map positions on the common grid to own coordinates."""
        return self.second.to_own(*self.first.to_own(x, y))

    def to_common(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Map positions in own coordinates to the common grid."""
        return self.first.to_common(*self.second.to_common(x, y))


@dataclass(frozen=True)
class Continued:
    """A map that is continued by a linear one where it is not known, as behind a hole of a WCS.

    Models are functions of all pixels of an exposure, also of those that are never compared.
    """

    known: Transform
    beyond: Transform

    def to_own(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Map positions on the common grid to own coordinates."""
        return _either(self.known.to_own(x, y), self.beyond.to_own(x, y))

    def to_common(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Map positions in own coordinates to the common grid."""
        return _either(self.known.to_common(x, y), self.beyond.to_common(x, y))


def _either(
    known: tuple[np.ndarray, np.ndarray], beyond: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return known positions, and others where these are not finite."""
    finite = np.isfinite(known[0]) & np.isfinite(known[1])
    return np.where(finite, known[0], beyond[0]), np.where(finite, known[1], beyond[1])


def affine_of(common: tuple[np.ndarray, np.ndarray], own: tuple[np.ndarray, np.ndarray]) -> Affine:
    """Fit the affine map that takes positions on the common grid to positions in own coordinates."""
    columns = np.stack([*common, np.ones(common[0].size)], axis=1)
    return Affine(np.linalg.lstsq(columns, np.stack(own, axis=1), rcond=None)[0].T)
