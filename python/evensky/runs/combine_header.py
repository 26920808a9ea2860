"""The header of a combination: what was combined, and how."""

from __future__ import annotations

__all__ = ["header_of_run"]

from typing import Any

from .._core import __version__
from ..combining.target_grid import RESAMPLE
from ..io.coadd_file import CoaddMember, header_of_coadd
from .combine_inputs import CombineInputs


def header_of_run(inputs: CombineInputs, resampling: str) -> Any:
    """Return the header of the combination of all exposures that can be used, an `astropy.io.fits.Header`.

    Parameters
    ----------
    inputs : CombineInputs
        The exposures, which have their places on the grid.
    resampling : str
        Method of resampling.
    """
    members = [
        CoaddMember(
            one.record.label,
            {} if one.bands is None else one.bands.cards,
            one.image.unit,
            one.image.filter,
            one.image.instrument,
            one.record.exposure_time,
        )
        for one in inputs.used
        if one.image is not None
    ]
    return header_of_coadd(
        members,
        statistic=inputs.options.statistic,
        unit=inputs.unit,
        wcs=inputs.grid.wcs,
        cards=_cards(inputs, resampling),
        history=[f"evensky {__version__} combined {len(members)} exposures"],
    )


def _cards(inputs: CombineInputs, resampling: str) -> dict[str, tuple[Any, str]]:
    """Return the cards that tell how the exposures were combined."""
    options = inputs.options
    cards: dict[str, tuple[Any, str]] = {}
    if options.statistic == "meanclip":
        cards["EVS_SIGL"] = (options.sigma_low, "clipping below the centre, in units of the scatter")
        cards["EVS_SIGH"] = (options.sigma_high, "clipping above the centre, in units of the scatter")
        cards["EVS_RNDS"] = (options.rounds, "largest number of clipping rounds")
        if options.centre is not None or options.scatter is not None:
            cards["EVS_CENT"] = (options.centre or "median", "centre of clipping")
            cards["EVS_SCAT"] = (options.scatter or "std", "scatter of clipping")
    weighted = any(exposure.weight is not None for exposure in inputs.used)
    cards["EVS_WGHT"] = (
        "variance" if options.by_variance else "exposure" if weighted else "none",
        "weights: 1 / variance, by exposure, or none",
    )
    if RESAMPLE in inputs.grid.shifts:
        cards["EVS_RSMP"] = (resampling, "method of resampling")
    if inputs.covariance is not None:
        cards["EVS_COVA"] = (True, "variance includes that of the corrections")
    return cards
