"""Masking of objects before a background of large scale is measured."""

from __future__ import annotations

__all__ = ["MaskObjectsConfig", "MaskObjectsTask"]

from collections.abc import Iterable
from typing import Any

import numpy as np
from lsst.pex.config import Config, RangeField

from .. import errors
from ..errors import InvalidParameterError
from ..image import Exposure, ImageF, Mask, MaskedImage, MaskedImageF
from ..image.foreign import as_planes
from ..matching.clipped_fit import robust_scatter
from ..matching.focal_bins import good_pixels
from ..math import (
    MEANCLIP,
    BackgroundControl,
    Interpolate,
    StatisticsControl,
    UndersampleStyle,
    makeBackground,
)
from .base import Task
from .fields import mask_field, positive_field

# Least weight of the good pixels under the smoothing.
_LEAST_WEIGHT = 0.2
# Number of pixels, about, from which level and scatter are measured.
_SAMPLES = 2**18
# Share of the level of an image that is rounding, not an object.
_ROUNDING = 1e-5


class MaskObjectsConfig(Config):
    """Configuration of `MaskObjectsTask`."""

    nIter = RangeField(dtype=int, default=3, min=1, doc="Number of rounds of masking and measuring the background.")
    detectSigma = positive_field(
        5.0, "Detection threshold above the background, in standard deviations of the smoothed image."
    )
    smoothSigma = RangeField(
        dtype=float, default=2.0, min=0.0, doc="Standard deviation of the Gaussian that smooths the image, in pixels."
    )
    growRadius = RangeField(
        dtype=int, default=8, min=0, doc="Number of pixels to each side by which objects are grown."
    )
    binSize = RangeField(
        dtype=int,
        default=1024,
        min=1,
        doc="Size of the bins of the background above which objects are found, in pixels. Objects as large as a bin "
        "are taken for background.",
    )
    mask = mask_field(["BAD", "EDGE", "NO_DATA"], "Mask planes whose pixels are not looked at.")


class MaskObjectsTask(Task):
    """Task that marks stars and galaxies in the mask plane DETECTED of an image.

    Each round subtracts a background, which is measured without the objects of the round before, and finds the pixels
    of the smoothed image that exceed the threshold. The image itself is not changed.

    Parameters
    ----------
    config : MaskObjectsConfig, optional
    name : str, optional
    log : logging.Logger, optional

    Examples
    --------
    >>> import numpy as np
    >>> from evensky.image import ExposureF
    >>> exposure = ExposureF(100, 80)
    >>> exposure.image.array[...] = np.random.default_rng(1).normal(size=(80, 100))
    >>> exposure.image.array[40, 50] += 1000
    >>> MaskObjectsTask().run(exposure)
    >>> exposure.mask.getAsString(50, 40), exposure.mask.getAsString(10, 10)
    ('DETECTED', '')
    """

    ConfigClass = MaskObjectsConfig
    _DefaultName = "maskObjects"
    config: MaskObjectsConfig

    def run(self, exp: Exposure | MaskedImage, maskPlanes: Iterable[str] | None = None) -> None:
        """Mask the objects of an image.

        Parameters
        ----------
        exp : Exposure or MaskedImage
            Its mask is changed.
        maskPlanes : iterable of str, optional
            Mask planes that are cleared first; DETECTED by default.

        Raises
        ------
        evensky.errors.InvalidParameterError
            If `exp` has no mask of named planes.
        evensky.errors.NotFoundError
            If the mask lacks one of the planes.
        """
        if not isinstance(exp, Exposure | MaskedImage):
            raise InvalidParameterError(f"exp is a {type(exp).__name__}; an Exposure or MaskedImage is needed")
        mask = exp.mask
        bits = mask.getPlaneBitMask(["DETECTED"] if maskPlanes is None else list(maskPlanes))
        detected = mask.getPlaneBitMask("DETECTED")
        mask.array &= np.int32(~bits)
        found = self.findObjects(exp)
        mask.array[found] |= np.int32(detected)

    def findObjects(self, exp: Any) -> np.ndarray:
        """Return which pixels belong to objects.

        Parameters
        ----------
        exp : image-like, shape (height, width)

        Returns
        -------
        ndarray of bool, shape (height, width)
        """
        from scipy.ndimage import maximum_filter1d

        planes = as_planes(exp)
        good = good_pixels(planes, list(self.config.mask))
        pixels = np.where(good, planes.image, 0).astype(np.float32)
        smooth, seen = _smoothed(pixels, good, float(self.config.smoothSigma))
        found = np.zeros(pixels.shape, bool)
        rounding = _ROUNDING * float(np.median(np.abs(_part(smooth[seen])))) if seen.any() else 0.0
        for turn in range(int(self.config.nIter)):
            try:
                # The background is smooth already.
                flat = smooth - self._background(pixels, good & ~found)
            except errors.RuntimeError:
                self.log.warning("Round %d: no pixel is left for the background; the objects before are kept", turn)
                break
            sky = _part(flat[seen & ~found])
            threshold = max(float(self.config.detectSigma) * robust_scatter(sky), rounding)
            found = seen & (flat > float(np.median(sky)) + threshold)
            for axis in (0, 1):
                found = maximum_filter1d(found, 2 * int(self.config.growRadius) + 1, axis=axis)
        self.log.info("Objects cover %.1f %% of the image", 100 * found.mean())
        return found

    def _background(self, pixels: np.ndarray, good: np.ndarray) -> np.ndarray:
        """Return the background of the good pixels."""
        height, width = pixels.shape
        size = int(self.config.binSize)
        control = StatisticsControl()
        control.setAndMask(1)
        bctrl = BackgroundControl(
            Interpolate.AKIMA_SPLINE,
            -(-width // size),
            -(-height // size),
            UndersampleStyle.REDUCE_INTERP_ORDER,
            control,
            MEANCLIP,
        )
        background = makeBackground(MaskedImageF(ImageF(pixels), Mask((~good).astype(np.int32))), bctrl)
        if not np.isfinite(background.getStatsImage().image.array).any():
            raise errors.RuntimeError("No bin of the background has a good pixel")
        return background.getImageF().array


def _part(values: np.ndarray) -> np.ndarray:
    """Return every so many values, so that their median takes no time."""
    return values[:: max(1, values.size // _SAMPLES)]


def _smoothed(pixels: np.ndarray, good: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of the good pixels under a Gaussian, and where enough of them are good; bad pixels are 0."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(pixels, sigma, mode="constant", truncate=3.0)
    weight = gaussian_filter(good.astype(np.float32), sigma, mode="constant", truncate=3.0)
    seen = weight >= _LEAST_WEIGHT
    np.divide(smooth, weight, out=smooth, where=seen)
    return smooth, seen
