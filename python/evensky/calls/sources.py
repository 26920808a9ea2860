"""The mask of the sources of an image, in one call."""

from __future__ import annotations

__all__ = ["mask_sources"]

from collections.abc import Iterable
from typing import Any

from .background import estimate_background
from .source_mask import SourceMask
from .source_options import SourceOptions


def mask_sources(
    data: Any,
    mask: Any = None,
    bad_planes: int | str | Iterable[str] | None = None,
    *,
    threshold: float = SourceOptions.threshold,
    n_pixels: int = SourceOptions.n_pixels,
    dilation_radius: int = SourceOptions.dilation_radius,
    max_rounds: int = SourceOptions.max_rounds,
    **options: Any,
) -> SourceMask:
    """Find the pixels of stars and galaxies above the background of an image.

    The background is measured, pixels that exceed it by the threshold are found, and the background is measured again
    without them, until the mask hardly changes. ``photutils`` connects the pixels and dilates the sources:
    ``pip install "evensky[sources]"``.

    Parameters
    ----------
    data, mask, bad_planes : optional
        The image and the pixels that do not count; see `estimate_background`. These pixels belong to no source, but
        may be marked when a source beside them is dilated.
    threshold : float, optional
        Threshold above the background, in units of the background's rms.
    n_pixels : int, optional
        Least number of connected pixels of a source; pixels that touch at a corner are connected.
    dilation_radius : int, optional
        Radius in pixels of the disk by which sources are dilated, so that their faint wings are masked, too.
    max_rounds : int, optional
        Largest number of rounds.
    **options
        Options of the background, such as `bin_size`; see `estimate_background`. Bins must be larger than the sources.

    Returns
    -------
    SourceMask
        ``mask``, ``number``, ``fraction``, ``rounds``, ``converged``, ``notes``.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If photutils is not installed, for a value that is not allowed, and as for `estimate_background`.
    evensky.errors.TaskError
        If the sources leave no pixel for the background.

    Warns
    -----
    UserWarning
        If sources cover more than 80 % of the good pixels, or the mask still changes in the last round.

    Examples
    --------
    >>> import numpy as np, evensky
    >>> image = np.random.default_rng(3).normal(100, 2, (300, 400))
    >>> image[50:60, 70:80] += 50
    >>> found = evensky.mask_sources(image)
    >>> bool(found.mask[50:60, 70:80].all()), found.fraction < 0.1
    (True, True)
    """
    given = SourceOptions(threshold, n_pixels, dilation_radius, max_rounds)
    found = estimate_background(data, mask, bad_planes, mask_sources=given, **options).sources
    assert found is not None
    return found
