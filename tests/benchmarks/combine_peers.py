"""Peers that combine exposures, each as one function from planes on one pixel grid, or on the sky, to one image.

Options of the peers are set so that one method is compared: rounds, centre and scatter of the clipping are parameters.
Each function takes float32 images and boolean masks, True for bad pixels, and returns an array with NaN where no pixel
is good.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Images = Sequence[np.ndarray]
Peer = Callable[[Images, Images], np.ndarray]


def _cube(images: Images, masks: Images) -> np.ndarray:
    """Return the cube of all images, with NaN for bad pixels."""
    cube = np.array(images)
    for plane, mask in zip(cube, masks, strict=True):
        plane[mask] = np.nan
    return cube


def _masked(images: Images, masks: Images) -> np.ma.MaskedArray:
    return np.ma.MaskedArray(np.array(images), np.array(masks))


# -- on one pixel grid --


def _ccd_data(images: Images, masks: Images) -> list[Any]:
    """Return images for ccdproc, with NaN for bad pixels: its clipping takes masked values into centre and scatter."""
    from astropy.nddata import CCDData

    return [CCDData(plane, unit="adu", mask=mask) for plane, mask in zip(_cube(images, masks), masks, strict=True)]


def ccdproc_clipped(
    images: Images, masks: Images, *, sigma: float = 3.0, centre: str = "median", scatter: str = "std"
) -> np.ndarray:
    """Combine with `ccdproc.combine`: the mean after one round of clipping, as that is all it does."""
    import ccdproc

    centres = {"median": np.nanmedian, "mean": np.nanmean}
    scatters = {"std": np.nanstd, "mad": _nan_mad_std}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        combined = ccdproc.combine(
            _ccd_data(images, masks),
            method="average",
            sigma_clip=True,
            sigma_clip_low_thresh=sigma,
            sigma_clip_high_thresh=sigma,
            sigma_clip_func=centres[centre],
            sigma_clip_dev_func=scatters[scatter],
            mem_limit=16e9,
        )
    return _filled(combined)


def _nan_mad_std(values: Any, axis: int | None = None) -> Any:
    from astropy.stats import mad_std

    return mad_std(values, axis=axis, ignore_nan=True)


def ccdproc_default(images: Images, masks: Images, *, sigma: float = 3.0) -> np.ndarray:
    """Combine with `ccdproc.combine`: one round of clipping about its default centre, by its default scatter."""
    import ccdproc

    options = {"sigma_clip_low_thresh": sigma, "sigma_clip_high_thresh": sigma, "mem_limit": 16e9}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _filled(ccdproc.combine(_ccd_data(images, masks), method="average", sigma_clip=True, **options))


def ccdproc_documented(images: Images, masks: Images, *, sigma: float = 3.0) -> np.ndarray:
    """Combine with `ccdproc.combine` in the way of its documentation: `np.ma.median`, `mad_std`, masks, uncertainties.

    The documentation clips at 5 sigma. Pixels have a standard deviation of 5, as those of the benchmark.
    """
    import ccdproc
    from astropy.nddata import CCDData, StdDevUncertainty
    from astropy.stats import mad_std

    frames = [
        CCDData(image, unit="adu", mask=mask, uncertainty=StdDevUncertainty(np.full_like(image, 5.0)))
        for image, mask in zip(images, masks, strict=True)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        combined = ccdproc.combine(
            frames,
            method="average",
            sigma_clip=True,
            sigma_clip_low_thresh=sigma,
            sigma_clip_high_thresh=sigma,
            sigma_clip_func=np.ma.median,
            sigma_clip_dev_func=mad_std,
            mem_limit=16e9,
        )
    return _filled(combined)


def ccdproc_median(images: Images, masks: Images) -> np.ndarray:
    """Combine with `ccdproc.combine`, method "median"."""
    import ccdproc

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _filled(ccdproc.combine(_ccd_data(images, masks), method="median", mem_limit=16e9))


def ccdproc_weighted(images: Images, masks: Images, weights: Sequence[float]) -> np.ndarray:
    """Combine with `ccdproc.combine`: the mean with one weight for each exposure."""
    import ccdproc

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        combined = ccdproc.combine(
            _ccd_data(images, masks), method="average", weights=np.array(weights)[:, None, None], mem_limit=16e9
        )
    return _filled(combined)


def _filled(combined: Any) -> np.ndarray:
    """Return the pixels of a CCDData, with NaN where all pixels are masked."""
    array = np.array(combined.data, float)
    if combined.mask is not None:
        array[combined.mask] = np.nan
    return array


def astropy_clipped(
    images: Images,
    masks: Images,
    *,
    sigma: float = 3.0,
    rounds: int = 3,
    centre: str = "median",
    scatter: str = "std",
) -> np.ndarray:
    """Combine with `astropy.stats.sigma_clip` along the axis of the exposures, and take the mean of what is left."""
    from astropy.stats import sigma_clip

    stdfunc = "std" if scatter == "std" else "mad_std"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clipped = sigma_clip(
            _masked(images, masks), sigma=sigma, maxiters=rounds, cenfunc=centre, stdfunc=stdfunc, axis=0, copy=False
        )
        return np.ma.filled(np.ma.mean(clipped, axis=0, dtype=float), np.nan)


def astropy_mad(images: Images, masks: Images) -> np.ndarray:
    """Combine with `astropy.stats.sigma_clip` about the median, by the median absolute deviation."""
    return astropy_clipped(images, masks, scatter="mad")


def numpy_mean(images: Images, masks: Images) -> np.ndarray:
    """Combine with `numpy.nanmean`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.nanmean(_cube(images, masks), axis=0, dtype=float)


def numpy_median(images: Images, masks: Images) -> np.ndarray:
    """Combine with `numpy.nanmedian`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.nanmedian(_cube(images, masks), axis=0)


def bottleneck_mean(images: Images, masks: Images) -> np.ndarray:
    """Combine with `bottleneck.nanmean`."""
    import bottleneck

    return bottleneck.nanmean(_cube(images, masks), axis=0)


def bottleneck_median(images: Images, masks: Images) -> np.ndarray:
    """Combine with `bottleneck.nanmedian`."""
    import bottleneck

    return bottleneck.nanmedian(_cube(images, masks), axis=0)


def numbagg_median(images: Images, masks: Images) -> np.ndarray:
    """Combine with `numbagg.nanmedian`."""
    import numbagg

    return numbagg.nanmedian(_cube(images, masks), axis=0)


# -- on the sky --


def reproject_coadd(
    exposures: Sequence[tuple[np.ndarray, Any]], wcs: Any, shape: tuple[int, int], *, statistic: str = "mean"
) -> np.ndarray:
    """Resample bilinearly and combine with `reproject.mosaicking.reproject_and_coadd`; bad pixels are NaN."""
    from reproject import reproject_interp
    from reproject.mosaicking import reproject_and_coadd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        coadd, footprint = reproject_and_coadd(
            list(exposures), wcs, shape_out=shape, reproject_function=reproject_interp, combine_function=statistic
        )
    coadd[footprint == 0] = np.nan
    return coadd


_PEERS: dict[str, tuple[str, str, Peer]] = {
    "ccdproc, clipped mean": ("ccdproc", "meanclip", ccdproc_clipped),
    "ccdproc, clipped mean with its defaults": ("ccdproc", "meanclip", ccdproc_default),
    "ccdproc, clipped mean as documented": ("ccdproc", "meanclip by MAD, one round", ccdproc_documented),
    "astropy sigma_clip by MAD + mean": ("astropy", "meanclip by MAD", astropy_mad),
    "astropy sigma_clip + mean": ("astropy", "meanclip", astropy_clipped),
    "ccdproc, median": ("ccdproc", "median", ccdproc_median),
    "numpy nanmedian": ("numpy", "median", numpy_median),
    "bottleneck nanmedian": ("bottleneck", "median", bottleneck_median),
    "numbagg nanmedian": ("numbagg", "median", numbagg_median),
    "numpy nanmean": ("numpy", "mean", numpy_mean),
    "bottleneck nanmean": ("bottleneck", "mean", bottleneck_mean),
}


def installed(name: str) -> bool:
    """Return whether a package can be imported."""
    return importlib.util.find_spec(name) is not None


def peers(statistic: str) -> dict[str, Peer]:
    """Return the installed peers that compute a statistic."""
    return {name: peer for name, (package, kind, peer) in _PEERS.items() if kind == statistic and installed(package)}
