"""The results of a joint match, for each exposure and for all."""

from __future__ import annotations

__all__ = ["ExposureFit", "JointFit", "TermFit"]

from dataclasses import dataclass, field

import numpy as np

from .covariance import CorrectionCovariance
from .evidence import Score
from .models import Model
from .overlaps import Overlap


@dataclass
class TermFit:
    """The coefficients of a further term of an exposure, with their standard errors."""

    name: str
    coefficients: np.ndarray
    errors: np.ndarray


@dataclass
class ExposureFit:
    """The result for one exposure.

    Attributes
    ----------
    model : Model or None
        The function to add; None if the exposure has no good pixels in common with another.
    scores : list of Score
        Scores of all candidates, the best first; empty for a fixed exposure.
    partners : list of int
        The exposures with which the exposure was compared.
    group : int
        Number of its group; -1 for none.
    bins : int
        Number of bins that were compared.
    rejected : int
        Number of bins that are outliers.
    rms : float
        Root mean square of the differences from its partners after the match, without outliers; NaN if there are none.
    chi : float
        Root mean square of these differences in units of their standard errors.
    gain, gain_error : float
        Throughput relative to the reference, and its standard error; 1 and 0 if none was found.
    zero : float
        Level of the scene at which the throughput has no effect.
    largest_sigma : float
        Largest standard error of the model anywhere in the exposure.
    terms : list of TermFit
        Further terms of the model.
    flags : dict of str to str
        Flags, with sentences that say what they mean here and what to do.
    """

    model: Model | None
    scores: list[Score] = field(default_factory=list)
    partners: list[int] = field(default_factory=list)
    group: int = -1
    bins: int = 0
    rejected: int = 0
    rms: float = np.nan
    chi: float = np.nan
    gain: float = 1.0
    gain_error: float = 0.0
    zero: float = 0.0
    largest_sigma: float = 0.0
    terms: list[TermFit] = field(default_factory=list)
    flags: dict[str, str] = field(default_factory=dict)

    def divide(self, factor: float) -> None:
        """Divide the model and all levels by a factor, as its own pixels are in another unit than the common grid."""
        if factor == 1.0:
            return
        if self.model is not None:
            self.model.divide(factor)
        for term in self.terms:
            term.coefficients, term.errors = term.coefficients / factor, term.errors / factor
        self.rms /= factor
        self.zero /= factor
        self.largest_sigma /= factor


@dataclass
class JointFit:
    """The result for all exposures.

    Attributes
    ----------
    exposures : list of ExposureFit
    references : list of int
        For each group the exposure that stays unchanged, or -1 if none does.
    scale : float
        Scatter of the bins in units of their errors, at least 1; errors of the models are scaled by it.
    sweeps : int
        Number of sweeps of the search.
    level : str
        The level that is left unchanged: "reference", "mean" or "lowest".
    overlaps : list of Overlap
        Levels in the overlaps of the pairs that were compared.
    covariance : CorrectionCovariance or None
        Covariance of all models against each other, in the unit of each exposure's own pixels; None if they have too
        many terms; each model has its own covariance all the same.
    """

    exposures: list[ExposureFit]
    references: list[int]
    scale: float
    sweeps: int
    level: str
    overlaps: list[Overlap] = field(default_factory=list)
    covariance: CorrectionCovariance | None = None
