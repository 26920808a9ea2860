"""Detection of sources by ``photutils``, which is an extra: ``pip install "evensky[sources]"``.

It is imported only when sources are detected. ``sep`` finds the same pixels, but its buffers, which belong to the whole
process, overflow where extended light covers much of an image.
"""

from __future__ import annotations

__all__ = ["detect_sources"]

from typing import Any

import numpy as np

from ..errors import InvalidParameterError, TaskError
from ..fits.quiet import quiet


def _segmentation() -> tuple[Any, Any]:
    """Import the functions of photutils that are used."""
    try:
        from photutils.segmentation import detect_sources as detect
        from photutils.utils import circular_footprint
    except ImportError as error:
        raise InvalidParameterError(
            f"sources are detected by the package photutils, which cannot be imported ({error}): "
            "pip install 'evensky[sources]', or give a mask of the sources"
        ) from error
    return detect, circular_footprint


def detect_sources(
    excess: np.ndarray, threshold: np.ndarray, n_pixels: int, dilation_radius: int, bad: np.ndarray | None = None
) -> tuple[np.ndarray, int]:
    """Find connected pixels above a threshold, and the pixels around them.

    Parameters
    ----------
    excess : ndarray of float, shape (height, width)
        Pixels minus their background.
    threshold : ndarray of float, shape (height, width)
        Value that the pixels of sources exceed; where it is NaN, there are none.
    n_pixels : int
        Least number of connected pixels of a source; pixels that touch at a corner are connected.
    dilation_radius : int
        Radius in pixels of the disk by which sources are dilated; 0 leaves them as they are.
    bad : ndarray of bool, shape (height, width), optional
        Pixels that belong to no source.

    Returns
    -------
    (ndarray of bool, int)
        The pixels of the sources, shape ``(height, width)``, and the number of sources.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If photutils is not installed; the message says how to install it.
    evensky.errors.TaskError
        If photutils fails.
    """
    detect, circular_footprint = _segmentation()
    try:
        with quiet():  # it warns if there is no source
            found = detect(excess, threshold, n_pixels, mask=bad)
        if found is None:
            return np.zeros(excess.shape, bool), 0
        number = len(found.labels)
        if dilation_radius == 0:
            return np.asarray(found.data) != 0, number
        return np.asarray(found.make_source_mask(footprint=circular_footprint(dilation_radius)), bool), number
    except (ValueError, TypeError, RuntimeError) as error:
        height, width = excess.shape
        raise TaskError(
            f"photutils cannot detect sources in {width} x {height} pixels: {error}; give a mask of the sources"
        ) from error
