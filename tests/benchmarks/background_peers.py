"""Peers that model the background of one image, each as a function from an image to the background and its rms.

All take the size of the bins and keep their other defaults, unless their name says otherwise. Pixels that are NaN are
masked for the peers that need it.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np

Background = tuple[np.ndarray, np.ndarray]
Method = Callable[[np.ndarray, int], Background]


def _photutils(image: np.ndarray, bin_size: int, mask: np.ndarray | None, **options: Any) -> Background:
    from photutils.background import Background2D

    bad = ~np.isfinite(image)
    bad = bad if mask is None else bad | mask
    if "n_threads" in signature(Background2D).parameters:
        options["n_threads"] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy warns of NaN
        made = Background2D(image, bin_size, mask=bad if bad.any() else None, **options)
        return np.asarray(made.background), np.asarray(made.background_rms)


def photutils_default(image: np.ndarray, bin_size: int) -> Background:
    """Use `Background2D`: SExtractor's estimator of clipped pixels, a filter of 3 x 3 boxes."""
    return _photutils(image, bin_size, None)


def photutils_median(image: np.ndarray, bin_size: int) -> Background:
    from photutils.background import MedianBackground

    return _photutils(image, bin_size, None, bkg_estimator=MedianBackground())


def photutils_masked(image: np.ndarray, bin_size: int) -> Background:
    """Mask what exceeds the background by 2 sigma, as photutils' documentation does, and measure again."""
    from photutils.segmentation import detect_sources
    from photutils.utils import circular_footprint

    background, rms = _photutils(image, bin_size, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = detect_sources(image - background, 2 * rms, 10, mask=~np.isfinite(image))
    if found is None:
        return background, rms
    return _photutils(image, bin_size, found.make_source_mask(footprint=circular_footprint(10)))


def _sep(image: np.ndarray, bin_size: int, mask: np.ndarray | None) -> Background:
    import sep

    bad = ~np.isfinite(image)
    clean = np.where(bad, 0, image).astype(np.float32)
    bad = bad if mask is None else bad | mask
    made = sep.Background(clean, mask=bad if bad.any() else None, bw=bin_size, bh=bin_size)
    return made.back(), made.rms()


def sep_default(image: np.ndarray, bin_size: int) -> Background:
    """Use `sep.Background`: SExtractor's mode, a filter of 3 x 3 bins."""
    return _sep(image, bin_size, None)


def sep_masked(image: np.ndarray, bin_size: int) -> Background:
    """Mask the pixels of the objects that `sep.extract` finds at 1.5 sigma, and measure again."""
    import sep

    background, rms = _sep(image, bin_size, None)
    bad = ~np.isfinite(image)
    pixels = np.where(bad, 0, image - background).astype(np.float32)
    before = sep.get_extract_pixstack()
    sep.set_extract_pixstack(pixels.size)
    try:
        _, found = sep.extract(pixels, 1.5, err=rms, mask=bad, segmentation_map=True, deblend_cont=1.0)
    finally:
        sep.set_extract_pixstack(before)
    return _sep(image, bin_size, found > 0)


def astropy_constant(image: np.ndarray, bin_size: int) -> Background:
    """Use one clipped median for the whole image, by `sigma_clipped_stats`."""
    from astropy.stats import sigma_clipped_stats

    _, median, scatter = sigma_clipped_stats(image, mask=~np.isfinite(image))
    return np.full(image.shape, median), np.full(image.shape, scatter)


PEERS: dict[str, tuple[str, Method]] = {
    "photutils": ("photutils", photutils_default),
    "photutils, median": ("photutils", photutils_median),
    "photutils, masked": ("photutils", photutils_masked),
    "sep": ("sep", sep_default),
    "sep, masked": ("sep", sep_masked),
    "astropy, constant": ("astropy", astropy_constant),
}
"""Package and function of each peer."""


def available() -> dict[str, Method]:
    """Return the peers whose packages are installed."""
    return {name: method for name, (package, method) in PEERS.items() if importlib.util.find_spec(package)}
