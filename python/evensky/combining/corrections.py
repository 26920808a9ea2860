"""The variance that the corrections of matched exposures add to their combination."""

from __future__ import annotations

__all__ = ["area_factor", "correction_field", "labels_in"]

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import InvalidParameterError
from ..matching.celestial import CelestialGrid, GridMember
from ..matching.joint.covariance import CorrectionCovariance, CorrectionField, ToCommon
from .engine import Box
from .target_grid import RESAMPLE, TargetGrid

# What a match adds to the stem of a file.
_MATCHED = re.compile(r"_matched(?=\[|$)")


def labels_in(covariance: CorrectionCovariance, labels: Sequence[str]) -> list[str] | None:
    """Return the names that exposures have in a covariance; None if one of them is not in it.

    Parameters
    ----------
    covariance : CorrectionCovariance
    labels : sequence of str
        Their names as exposures, or as the outputs of the match, which end with ``_matched``.
    """
    known = set(covariance.labels)
    found = [label if label in known else _MATCHED.sub("", label) for label in labels]
    return found if known.issuperset(found) else None


def area_factor(member: GridMember, grid: TargetGrid) -> float:
    """Return the area of a pixel of the grid in pixels of an exposure, a typical value."""
    target = CelestialGrid(GridMember("the grid of the result", grid.shape, None, grid.wcs))
    return float(np.nanmedian(target.areas) / np.nanmedian(CelestialGrid(member).areas))


def correction_field(
    covariance: CorrectionCovariance,
    labels: Sequence[str],
    boxes: Sequence[Box],
    shares: Sequence[float],
    grid: TargetGrid,
    members: Sequence[GridMember],
    factors: Sequence[float],
) -> CorrectionField:
    """Return the variance of the mean of the corrections over the grid, as far as it is due to noise.

    It is what scatters from one realisation of the noise to the next; what other kinds of models would make of the same
    exposures is not in it.

    Parameters
    ----------
    covariance : CorrectionCovariance
    labels : sequence of str
        Names of the exposures in it.
    boxes : sequence of (x0, y0, width, height)
        Places of the exposures on the grid.
    shares : sequence of float
        Weights of the exposures.
    grid : TargetGrid
    members : sequence of GridMember
        Geometry of the exposures.
    factors : sequence of float
        Factors by which the pixels of each exposure were multiplied when they were resampled.

    Returns
    -------
    CorrectionField

    Raises
    ------
    evensky.errors.InvalidParameterError
        If an exposure is not known to the covariance, or the two have no common coordinates.
    """
    chosen = covariance.select(labels).of_noise()
    options: dict[str, Any] = {}
    if any(factor != 1 for factor in factors):
        options["factors"] = factors
    if covariance.plane:
        options["to_common"] = covariance.to_common(grid.wcs)
    elif RESAMPLE in grid.shifts:
        options["to_common"] = _to_common_grid(chosen, grid, members)
    return chosen.over(boxes, shares, **options)


def _to_common_grid(chosen: CorrectionCovariance, grid: TargetGrid, members: Sequence[GridMember]) -> ToCommon:
    """Return the map from pixels of the grid to the pixel grid of the match, by the WCS of one of its exposures."""
    number = next((number for number, member in enumerate(members) if member.wcs is not None), None)
    if number is None:
        raise InvalidParameterError(
            "covariance is that of a match on one pixel grid, and no exposure has a WCS, so that its places on the "
            "grid of the result are unknown; leave it out"
        )
    own_wcs = members[number].wcs
    x0, y0, _, _ = chosen.members[chosen.places[number]].footprint

    def mapped(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        own_x, own_y = own_wcs.world_to_pixel(grid.wcs.pixel_to_world(x, y))
        return np.asarray(own_x, float) + x0, np.asarray(own_y, float) + y0

    return mapped
