"""What a run comes to: one grade and one sentence, and what to do about each finding."""

from __future__ import annotations

__all__ = [
    "MEANING",
    "Advice",
    "Verdict",
    "advices_of",
    "number_text",
    "overlap_sizes",
    "split_finding",
    "verdict_of",
]

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..draw.figures import unit_label
from ..matching.joint.alarms import FLAGS as FLAGS_OF_ALL
from ..matching.pair import FLAGS
from ..runs.match_run import MatchRun
from ..runs.record import ALARMS, ExposureRecord

MEANING = {**FLAGS, **FLAGS_OF_ALL}
"""Name and meaning of each flag of both methods."""

# What to do about flags whose sentences only say what was found.
_ADVICE = {
    "NO_OVERLAP": "check the pointing in the header and the mask, or add exposures between this one and the others",
    "LOW_COVERAGE": "look at the residual picture below; check pointing and mask, or leave the exposure out",
    "FEW_GOOD_BINS": "look at the model below; larger bins, or a polynomial of low order, bridge gaps more safely",
    "EXTRAPOLATED": "look at the edges of the model below; an exposure that overlaps there would tie it down",
    "REDUCED_ORDER": "smaller bins allow the style that was asked for; if the model fits, ask for the simpler one",
}
# What to do about flags whose sentences usually say it.
_USUAL_ADVICE = {
    "POOR_FIT": "look at the residual picture below; mask what is wrong, add a term, or leave the exposure out",
    "INCONSISTENT": "look for a shifted or changed exposure among those that it was compared with",
    "UNDETERMINED": "add exposures that overlap there, or cut the coadd to the part that is determined",
    "GAIN": "divide by the throughput with --scale (scale=True), or calibrate the exposures first",
    "ASTROMETRY": "correct the WCS, and match again",
    "QUANTISED": "take the exposures before they were rounded",
}

# Differences below this part of those before are rounding errors.
_ROUNDING = 1e-9


def number_text(value: float | None, digits: int = 3) -> str:
    """Return a number with some significant digits, or a dash."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if not -5 < size < 7:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{max(0, digits - 1 - size)}f}"


@dataclass
class Advice:
    """The flags of one kind, or failures of one kind, with what to do about them."""

    name: str  # identifies it on the page
    flag: str  # "FAILED" for exposures that could not be matched
    text: str  # what to do
    findings: dict[str, list[str]]  # what was found, and the labels of the exposures of which it is true

    @property
    def number(self) -> int:
        """Number of exposures."""
        return len({label for labels in self.findings.values() for label in labels})

    @property
    def grade(self) -> Literal["look", "wrong"]:
        """Whether results may be wrong, or only deserve a look."""
        return "wrong" if self.flag in ALARMS or self.flag == "FAILED" else "look"


def _sentences(record: ExposureRecord, flag: str) -> list[str]:
    """Return the sentences of a flag of an exposure."""
    texts = [text.partition(": ")[2] for text in record.warnings if text.startswith(f"{flag}: ")]
    return texts or [MEANING[flag]]


def split_finding(flag: str, sentence: str) -> tuple[str, str]:
    """Return what was found, and what to do about it, which is "" if nobody knows."""
    if flag in _ADVICE:
        return sentence, _ADVICE[flag]
    found, _, advice = sentence.rpartition("; ")
    return (found, advice) if found else (advice, _USUAL_ADVICE.get(flag, ""))


def advices_of(run: MatchRun) -> list[Advice]:
    """Return what to do about all flags, those that put a result in doubt first; the same advice is given once."""
    groups: dict[tuple[str, str], Advice] = {}
    for record in run.flagged:
        for flag in record.flags:
            for sentence in _sentences(record, flag):
                found, text = split_finding(flag, sentence)
                advice = groups.setdefault((flag, text), Advice(f"advice-{len(groups) + 1}", flag, text, {}))
                advice.findings.setdefault(found, []).append(record.label)
    return sorted(groups.values(), key=lambda advice: advice.flag not in ALARMS)


def overlap_sizes(run: MatchRun) -> tuple[float, float] | None:
    """Return the median sizes of the differences in the overlaps before and after; None if there are none."""
    known = [one for one in run.overlaps if one.bins]
    if not known:
        return None
    before, after = (np.median(np.abs([getattr(one, name) for one in known])) for name in ("before", "after"))
    # Models that make differences vanish leave the rounding errors of floating-point numbers.
    return float(before), float(after) if after > _ROUNDING * before else 0.0


@dataclass
class Verdict:
    """What a run comes to.

    Attributes
    ----------
    grade : {"good", "look", "wrong"}
        Whether the result can be used as it is, deserves a look first, or may be wrong.
    word : str
        The grade for readers.
    title : str
        What was done, in a few words.
    sentence : str
        Why the run has this grade.
    """

    grade: Literal["good", "look", "wrong"]
    word: str
    title: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.word}: {self.sentence}"


def verdict_of(run: MatchRun) -> Verdict:
    """Return the verdict on a run."""
    number, failed, matched = len(run.records), len(run.failed), run.number_matched
    if run.method == "all":
        title = f"{number - failed} of {_count(number)} matched to each other"
    else:
        to_it = f" to {run.reference}" if run.reference else ""
        title = f"{matched} of {_count(number - (1 if run.reference else 0))} matched{to_it}"
    left_out = f"{_count(failed)} could not be matched and {_is(failed)} not in the result" if failed else ""
    if run.untied:
        number_of = f"{len(run.untied[0].groups)} groups" if len(run.untied) == 1 else "Groups"
        title = f"{number_of} of {run.untied[0].what} are not tied to each other"
        sentence = "each group was matched by itself, so that a coadd of all has steps between them"
        return Verdict("wrong", "Not ready", title, _sentence(sentence, left_out))
    if number and matched == 0 and failed:
        return Verdict("wrong", "Failed", title, _sentence("nothing was matched", left_out))
    alarmed, flagged = len(run.alarmed), len(run.flagged)
    if alarmed:
        names = ", ".join(sorted({name for record in run.alarmed for name in record.alarms}))
        sentence = f"the result{'s' if alarmed > 1 else ''} of {_count(alarmed)} may be wrong ({names})"
        return Verdict("wrong", "May be wrong", title, _sentence(sentence, left_out))
    agreement = _agreement(run)
    if flagged or failed:
        warned = f"{_count(flagged)} {_has(flagged)} warnings" if flagged else ""
        return Verdict("look", "Take a look", title, _sentence(left_out, warned, agreement))
    if number == 1 and matched == 0:
        sentence = "there is only one exposure, so nothing was matched, and its pixels are as they were"
        return Verdict("look", "Take a look", "1 exposure, not matched", _sentence(sentence))
    return Verdict("good", "Good", title, _sentence(agreement or "no exposure has a warning"))


def _agreement(run: MatchRun) -> str:
    """Return how well exposures agree; "" if nothing is known of it."""
    unit = unit_label(run.unit)
    sizes = overlap_sizes(run)
    if sizes is not None:
        before, after = (f"{number_text(size)} {unit}".rstrip() for size in sizes)
        text = f"the median difference in overlaps went from {before} to {after}"
        chis = [r.fit_chi for r in run.records if r.fit_chi is not None and math.isfinite(r.fit_chi)]
        return f"{text}, and residuals are {number_text(float(np.median(chis)), 2)} times the noise" if chis else text
    ratios = [r.matched_mse / r.diff_im_var for r in run.records if r.matched_mse is not None and r.diff_im_var]
    if ratios:
        return (
            f"squared residuals against the reference are {number_text(float(np.median(ratios)))} times those that the "
            "variance planes predict"
        )
    return ""


def _count(number: int) -> str:
    return f"{number} exposure{'' if number == 1 else 's'}"


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _has(number: int) -> str:
    return "has" if number == 1 else "have"


def _sentence(*parts: str) -> str:
    """Return parts as one sentence, without those that are empty."""
    text = "; ".join(part for part in parts if part)
    return f"{text[:1].upper()}{text[1:]}."
