"""Labels of filters and constant photometric calibrations, which scripts attach to exposures."""

from __future__ import annotations

__all__ = ["FilterLabel", "Measurement", "PhotoCalib", "makePhotoCalibFromCalibZeroPoint"]

import math
from typing import Any, NamedTuple

from .._checks import real_number, shown
from ..errors import InvalidParameterError, LogicError
from ..errors import TypeError as WrongTypeError
from .masked_image import MaskedImage

# Flux of AB magnitude 0 in nanojansky: -2.5 log10(f / (erg / s / cm2 / Hz)) - 48.6 = 0.
_ZERO_MAGNITUDE = 10 ** (-48.6 / 2.5) * 1e23 * 1e9


class FilterLabel:
    """Names of a filter: its band, the physical filter, or both.

    Parameters
    ----------
    band, physical : str, optional
        At least one of them.

    Examples
    --------
    >>> from evensky.image import FilterLabel
    >>> FilterLabel(band="r", physical="HSC-R").bandLabel
    'r'
    """

    __slots__ = ("_band", "_physical")

    def __init__(self, band: str | None = None, physical: str | None = None) -> None:
        for name, value in (("band", band), ("physical", physical)):
            if value is not None and not isinstance(value, str):
                raise WrongTypeError(f"{name} is {shown(value)}, a {type(value).__name__}; a text is needed")
        if band is None and physical is None:
            raise InvalidParameterError("A FilterLabel has neither band nor physical; at least one must be given")
        self._band, self._physical = band, physical

    @classmethod
    def fromBand(cls, band: str) -> FilterLabel:
        return cls(band=band)

    @classmethod
    def fromPhysical(cls, physical: str) -> FilterLabel:
        return cls(physical=physical)

    @classmethod
    def fromBandPhysical(cls, band: str, physical: str) -> FilterLabel:
        return cls(band, physical)

    def hasBandLabel(self) -> bool:
        return self._band is not None

    def hasPhysicalLabel(self) -> bool:
        return self._physical is not None

    @property
    def bandLabel(self) -> str:
        """Name of the band; LogicError if there is none."""
        if self._band is None:
            raise LogicError(f"{self!r} has no band")
        return self._band

    @property
    def physicalLabel(self) -> str:
        """Name of the physical filter; LogicError if there is none."""
        if self._physical is None:
            raise LogicError(f"{self!r} has no physical filter")
        return self._physical

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FilterLabel):
            return NotImplemented
        return (self._band, self._physical) == (other._band, other._physical)

    def __hash__(self) -> int:
        return hash((self._band, self._physical))

    def __repr__(self) -> str:
        parts = (("band", self._band), ("physical", self._physical))
        return f"FilterLabel({', '.join(f'{name}={value!r}' for name, value in parts if value is not None)})"


class Measurement(NamedTuple):
    """A value and its error.

    Attributes
    ----------
    value, error : float
    """

    value: float
    error: float


class PhotoCalib:
    """Photometric calibration that is the same in all pixels.

    Parameters
    ----------
    calibrationMean : float, optional
        Nanojansky per unit of instrumental flux, greater than 0.
    calibrationErr : float, optional
        Its error.

    Examples
    --------
    >>> from evensky.image import makePhotoCalibFromCalibZeroPoint
    >>> calib = makePhotoCalibFromCalibZeroPoint(10**10.8)  # zero point 27
    >>> round(calib.instFluxToMagnitude(10.0), 6)
    24.5
    """

    __slots__ = ("_error", "_mean")

    def __init__(self, calibrationMean: float = 1.0, calibrationErr: float = 0.0) -> None:
        self._mean = real_number(calibrationMean, "calibrationMean")
        self._error = real_number(calibrationErr, "calibrationErr")
        if not (self._mean > 0 and math.isfinite(self._mean) and self._error >= 0):
            raise InvalidParameterError(
                f"calibrationMean = {self._mean} and calibrationErr = {self._error}; the first must be finite and > 0, "
                "the second >= 0"
            )

    def getCalibrationMean(self) -> float:
        """Return the nanojansky per unit of instrumental flux."""
        return self._mean

    def getCalibrationErr(self) -> float:
        """Return the error of the calibration."""
        return self._error

    def getInstFluxAtZeroMagnitude(self) -> float:
        """Return the instrumental flux of AB magnitude 0."""
        return _ZERO_MAGNITUDE / self._mean

    def instFluxToNanojansky(self, instFlux: float, instFluxErr: float | None = None) -> Any:
        """Return a flux in nanojansky; a `Measurement` if the error of the instrumental flux is given."""
        flux = real_number(instFlux, "instFlux") * self._mean
        if instFluxErr is None:
            return flux
        return Measurement(
            flux, math.hypot(real_number(instFluxErr, "instFluxErr") * self._mean, instFlux * self._error)
        )

    def nanojanskyToInstFlux(self, flux: float) -> float:
        """Return the instrumental flux of a flux in nanojansky."""
        return real_number(flux, "flux") / self._mean

    def instFluxToMagnitude(self, instFlux: float, instFluxErr: float | None = None) -> Any:
        """Return an AB magnitude, NaN without flux; a `Measurement` if the error of the instrumental flux is given."""
        flux = self.instFluxToNanojansky(instFlux)
        magnitude = -2.5 * math.log10(flux / _ZERO_MAGNITUDE) if flux > 0 else math.nan
        if instFluxErr is None:
            return magnitude
        error = self.instFluxToNanojansky(instFlux, instFluxErr).error
        return Measurement(magnitude, 2.5 / math.log(10) * error / flux if flux > 0 else math.nan)

    def magnitudeToInstFlux(self, magnitude: float) -> float:
        """Return the instrumental flux of an AB magnitude."""
        return _ZERO_MAGNITUDE * 10 ** (-0.4 * real_number(magnitude, "magnitude")) / self._mean

    def calibrateImage(self, maskedImage: MaskedImage) -> MaskedImage:
        """Return a copy of a masked image in nanojansky; its variance includes the error of the calibration."""
        if not isinstance(maskedImage, MaskedImage):
            raise WrongTypeError(f"maskedImage is {shown(maskedImage)}; a MaskedImage is needed")
        result = maskedImage.clone()
        result *= self._mean
        if self._error:
            result.variance.array[...] += (maskedImage.image.array * self._error) ** 2
        return result

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PhotoCalib):
            return NotImplemented
        return (self._mean, self._error) == (other._mean, other._error)

    def __hash__(self) -> int:
        return hash((self._mean, self._error))

    def __repr__(self) -> str:
        return f"PhotoCalib(calibrationMean={self._mean}, calibrationErr={self._error})"


def makePhotoCalibFromCalibZeroPoint(instFluxMag0: float, instFluxMag0Err: float = 0.0) -> PhotoCalib:
    """Return the calibration in which an instrumental flux has AB magnitude 0.

    Parameters
    ----------
    instFluxMag0 : float
        Instrumental flux of AB magnitude 0, greater than 0.
    instFluxMag0Err : float, optional
        Its error.

    Returns
    -------
    PhotoCalib
    """
    flux = real_number(instFluxMag0, "instFluxMag0")
    if not (flux > 0 and math.isfinite(flux)):
        raise InvalidParameterError(f"instFluxMag0 = {flux}; it must be finite and > 0")
    mean = _ZERO_MAGNITUDE / flux
    return PhotoCalib(mean, mean * real_number(instFluxMag0Err, "instFluxMag0Err") / flux)
