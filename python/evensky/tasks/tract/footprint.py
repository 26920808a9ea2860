"""Pixels of a visit in the bins of a tract, patch by patch."""

from __future__ import annotations

__all__ = ["Footprint"]

from typing import Any

import numpy as np


class Footprint:
    """Numbers of good pixels of a visit in the bins of a tract, kept for each patch on its own.

    Two visits can be compared only in patches that both have; a bin across the border of two patches holds pixels of
    both.
    """

    def __init__(self) -> None:
        # For each patch, the first row and column of the bins that it touches, and the numbers in them.
        self._patches: dict[Any, tuple[int, int, np.ndarray]] = {}

    def add(self, patch: Any, numbers: np.ndarray) -> None:
        """Add the numbers of good pixels of a patch, shape ``(ny, nx)`` of the tract; only bins with pixels are kept.

        Bins without pixels around them are left out, as a tract has many more bins than a patch.
        """
        rows, columns = np.nonzero(numbers.any(axis=1))[0], np.nonzero(numbers.any(axis=0))[0]
        if rows.size:
            part = numbers[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
            self._patches[patch] = int(rows[0]), int(columns[0]), part

    def shared(self, other: Footprint, shape: tuple[int, int]) -> np.ndarray:
        """Return how many pixels both visits have in each bin, at most, in the patches that both have.

        Parameters
        ----------
        other : Footprint
            Of another visit on the same grid.
        shape : (int, int)
            Numbers of rows and columns of the grid.

        Returns
        -------
        ndarray of float32, shape (ny, nx)
        """
        total = np.zeros(shape, np.float32)
        for patch in self._patches.keys() & other._patches.keys():
            (y, x, mine), (other_y, other_x, its) = self._patches[patch], other._patches[patch]
            top, left = max(y, other_y), max(x, other_x)
            bottom = min(y + mine.shape[0], other_y + its.shape[0])
            right = min(x + mine.shape[1], other_x + its.shape[1])
            if top < bottom and left < right:
                total[top:bottom, left:right] += np.minimum(
                    mine[top - y : bottom - y, left - x : right - x],
                    its[top - other_y : bottom - other_y, left - other_x : right - other_x],
                )
        return total
