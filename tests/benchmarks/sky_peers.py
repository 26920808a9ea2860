"""Peers that match exposures through their WCS: each gives one constant per exposure.

Pixels are in units of surface brightness, and NaN where they are bad. A constant is what must be added to an exposure.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Constants = Callable[[Sequence[np.ndarray], Sequence[Any]], list[float]]

# Largest number of pixels of a coadd from which the constants are solved for.
_EQUATIONS = 50_000


def constants_of_skymatch(images: Sequence[np.ndarray], maps: Sequence[Any]) -> list[float]:
    """Match with `stcal.skymatch`, method "match", with its usual statistic, the clipped median."""
    from stcal.skymatch import SkyImage, SkyStats, skymatch

    statistics = SkyStats(skystat="median", nclip=5, lsig=4.0, usig=4.0)
    sky_images = [
        SkyImage(
            image=np.nan_to_num(image),
            mask=np.isfinite(image),
            wcs_fwd=lambda x, y, wcs=wcs, **_: _values(wcs.pixel_to_world_values(x, y)),
            wcs_inv=lambda ra, dec, wcs=wcs, **_: _values(wcs.world_to_pixel_values(ra, dec)),
            skystat=statistics,
            sky_id=index,
        )
        for index, (image, wcs) in enumerate(zip(images, maps, strict=True))
    ]
    skymatch(sky_images, skymethod="match", match_down=True, subtract=False)
    return [-float(one.sky) for one in sky_images]


def _values(pair: Any) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(pair[0]), np.asarray(pair[1])


def constants_of_coadd(images: Sequence[np.ndarray], maps: Sequence[Any]) -> list[float]:
    """Match with `reproject_and_coadd(match_background=True)`.

    That function returns only the coadd. Its difference from a coadd without the match is, at each pixel, the sum of
    the constants of the images that cover the pixel, from which the constants follow.
    """
    from reproject import reproject_interp
    from reproject.mosaicking import find_optimal_celestial_wcs, reproject_and_coadd

    inputs = list(zip(images, maps, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        target, shape = find_optimal_celestial_wcs([(image.shape, wcs) for image, wcs in inputs])
        options = {"reproject_function": reproject_interp, "combine_function": "sum", "shape_out": shape}
        matched, _ = reproject_and_coadd(inputs, target, match_background=True, **options)
        plain, _ = reproject_and_coadd(inputs, target, match_background=False, **options)
        covered = [
            np.isfinite(reproject_interp(one, target, shape_out=shape, return_footprint=False)).ravel()
            for one in inputs
        ]
    used = np.flatnonzero(np.any(covered, axis=0) & np.isfinite(matched - plain).ravel())
    used = used[:: max(1, used.size // _EQUATIONS)]
    columns = np.stack([one[used] for one in covered], axis=1).astype(float)
    constants, *_ = np.linalg.lstsq(columns, (matched - plain).ravel()[used], rcond=None)
    return [float(one) for one in constants]


_NEEDS: dict[str, tuple[str, Constants]] = {
    "stcal.skymatch": ("stcal", constants_of_skymatch),
    "reproject_and_coadd": ("reproject", constants_of_coadd),
}


def available() -> dict[str, Constants]:
    """Return the peers that are installed."""
    return {name: peer for name, (package, peer) in _NEEDS.items() if importlib.util.find_spec(package) is not None}
