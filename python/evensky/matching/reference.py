"""Choice of the reference: measurements and costs of all exposures, and exclusion of unsuitable ones."""

from __future__ import annotations

__all__ = [
    "CostWeights",
    "ReferenceCandidate",
    "choose_reference",
    "measure_candidate",
    "reason_of_choice",
    "set_aside",
]

import logging
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import TaskError
from ..image import MaskedImage
from ..image.on_disk import planes_to_measure
from ..math import MEAN, NPOINT, VARIANCE, StatisticsControl, makeStatistics
from .sets import told_once
from .units import differ, most_common_unit

log = logging.getLogger("evensky")


@dataclass
class ReferenceCandidate:
    """One exposure in the choice of the reference; the lowest total cost wins.

    The cost terms include their configured weights, so that ``cost`` is their sum. They are NaN for an exposure that is
    not considered; ``message`` then says why.
    """

    label: str
    level: float = float("nan")  # mean of the good pixels
    variance: float = float("nan")  # variance of the good pixels
    npoint: float = 0.0  # number of good pixels
    cost_variance: float = float("nan")
    cost_level: float = float("nan")
    cost_coverage: float = float("nan")
    cost: float = float("nan")
    selected: bool = False
    message: str = ""


@dataclass(frozen=True)
class CostWeights:
    """Weights of the three cost terms, from 0 to 1 each."""

    coverage: float = 0.4
    variance: float = 0.4
    level: float = 0.2


def measure_candidate(masked_image: MaskedImage, bad: int, label: str) -> ReferenceCandidate:
    """Measure the level, variance and number of the good pixels of an exposure.

    Parameters
    ----------
    masked_image : MaskedImage
    bad : int
        Bits of the mask that reject a pixel.
    label : str
        Name of the exposure.
    """
    control = StatisticsControl()
    control.setAndMask(bad)
    statistics = makeStatistics(*planes_to_measure(masked_image), MEAN | NPOINT | VARIANCE, control)
    npoint = statistics.getValue(NPOINT)
    return ReferenceCandidate(
        label=label,
        level=statistics.getValue(MEAN),
        variance=statistics.getValue(VARIANCE),
        npoint=npoint,
        message="" if npoint > 0 else "no good pixel",
    )


def set_aside(
    candidates: Sequence[ReferenceCandidate], sizes: Sequence[tuple[int, int] | None], units: Sequence[str]
) -> None:
    """Exclude exposures to which almost no other exposure could be matched, whatever their cost.

    Parameters
    ----------
    candidates : sequence of ReferenceCandidate
        Candidates that are excluded get a message.
    sizes : sequence of (width, height) or None
        None if sizes may differ.
    units : sequence of str
        Units of the pixels, "" if unknown.
    """
    usable = [index for index, candidate in enumerate(candidates) if candidate.npoint > 0]
    usual = Counter(sizes[index] for index in usable).most_common(1)
    noisy = any(candidates[index].variance > 0 for index in usable)
    for index in usable:
        candidate, size = candidates[index], sizes[index]
        if size is not None and size != usual[0][0]:
            candidate.message = f"has another size than most: {size[0]} x {size[1]}"
        elif noisy and candidate.variance == 0:
            candidate.message = "all its good pixels are equal"
    known = [units[index] for index in usable if not candidates[index].message and units[index]]
    unit = most_common_unit(known)
    if any(differ(one, unit) for one in units):
        for index in usable:
            # An exposure in any unit could be matched to one without a unit, which is therefore excluded too.
            if not candidates[index].message and (not units[index] or differ(units[index], unit)):
                candidates[index].message = f"is in {units[index] or 'no unit'}, others in {unit}"


def choose_reference(candidates: Sequence[ReferenceCandidate], weights: CostWeights) -> int:
    """Fill in the costs of all candidates, mark the cheapest, and return its index.

    The cost is ``w_variance * var / max(var) + w_level * level / max(level) + w_coverage * min(npoint) / npoint``. If
    the lowest level is not positive, ``(level - min) / (max - min)`` takes the place of ``level / max(level)``.

    Parameters
    ----------
    candidates : sequence of ReferenceCandidate
        Candidates with a message are not considered.
    weights : CostWeights

    Raises
    ------
    evensky.errors.TaskError
        If no candidate has a good pixel.
    """
    usable = [
        c for c in candidates if not c.message and c.npoint > 0 and math.isfinite(c.level) and math.isfinite(c.variance)
    ]
    if not usable:
        reasons = told_once(c.message for c in candidates if c.message)
        raise TaskError(
            f"None of the {len(candidates)} candidate exposures exist with good pixels; cannot select the best "
            f"reference exposure{f': {reasons}' if reasons else ''}"
        )
    levels = np.array([c.level for c in usable])
    variances = np.array([c.variance for c in usable])
    npoints = np.array([c.npoint for c in usable])
    if levels.min() > 0:
        level_terms = levels / levels.max()
    else:
        log.info("The lowest level is %g, not positive: levels are compared by their range", levels.min())
        spread = np.ptp(levels)
        level_terms = (levels - levels.min()) / spread if spread > 0 else np.zeros_like(levels)
    # Exposures without noise are equally good.
    variance_terms = variances / variances.max() if variances.max() > 0 else np.zeros_like(variances)
    coverage_terms = npoints.min() / npoints
    for candidate, variance, level, coverage in zip(usable, variance_terms, level_terms, coverage_terms, strict=True):
        candidate.cost_variance = float(weights.variance * variance)
        candidate.cost_level = float(weights.level * level)
        candidate.cost_coverage = float(weights.coverage * coverage)
        candidate.cost = candidate.cost_variance + candidate.cost_level + candidate.cost_coverage
    best = min(usable, key=lambda candidate: candidate.cost)
    best.selected = True
    return next(index for index, candidate in enumerate(candidates) if candidate is best)


def reason_of_choice(candidates: Sequence[ReferenceCandidate] | None) -> str:
    """Return a sentence that says why the reference was chosen.

    Parameters
    ----------
    candidates : sequence of ReferenceCandidate or None
        None if the user named the reference.
    """
    if candidates is None:
        return "It was named by the user."
    costs = sorted(candidate.cost for candidate in candidates if np.isfinite(candidate.cost))
    if len(costs) == 1:
        return "It is the only exposure that can be used."
    terms = {"cost_variance": "low variance", "cost_level": "low sky", "cost_coverage": "good coverage"}
    counted = [text for name, text in terms.items() if any(getattr(candidate, name) > 0 for candidate in candidates)]
    return (
        f"It was chosen automatically: {', '.join(counted) or 'all costs are zero'} "
        f"(cost {costs[0]:.4f}; next {costs[1]:.4f}; lower is better)."
    )
