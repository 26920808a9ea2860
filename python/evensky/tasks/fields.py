"""Fields that several configurations have: mask planes, statistics, styles, shares and limits."""

from __future__ import annotations

__all__ = ["MOST", "cell_field", "mask_field", "positive_field", "share_field", "statistic_field", "style_field"]

from collections.abc import Sequence
from typing import Any

from lsst.pex.config import ChoiceField, ListField, RangeField

MOST = 2**31 - 1
"""Largest whole number that the core takes."""

_STATISTICS = {"MEAN": "the mean", "MEDIAN": "the median", "MEANCLIP": "the mean after clipping"}
_STYLES = {
    "CONSTANT": "steps",
    "LINEAR": "straight lines",
    "NATURAL_SPLINE": "cubic splines with zero second derivative at the ends",
    "AKIMA_SPLINE": "Akima's splines, which do not overshoot",
}


def mask_field(default: Sequence[str], doc: str = "Mask planes whose pixels do not count.") -> Any:
    """Return a field of names of mask planes."""
    return ListField[str](dtype=str, default=list(default), doc=doc, itemCheck=lambda name: bool(name))


def statistic_field(default: str, doc: str) -> Any:
    """Return a field with a statistic of the pixels of a bin."""
    return ChoiceField[str](dtype=str, default=default, optional=False, doc=doc, allowed=_STATISTICS)


def style_field(default: str, doc: str, *, none: str = "", optional: bool = False) -> Any:
    """Return a field with an interpolation style; `none` says what NONE means, "" if it is not allowed."""
    allowed = {**_STYLES, "NONE": none} if none else _STYLES
    return ChoiceField[str](dtype=str, default=default, optional=optional, doc=doc, allowed=allowed)


def share_field(default: float, doc: str) -> Any:
    """Return a field from 0 to 1."""
    return RangeField(dtype=float, default=default, min=0.0, max=1.0, inclusiveMax=True, doc=doc)


def positive_field(default: float, doc: str) -> Any:
    """Return a field of real numbers > 0."""
    return RangeField(dtype=float, default=default, min=0.0, inclusiveMin=False, doc=doc)


def cell_field(doc: str) -> Any:
    """Return a field with the size of the cells of a background, in pixels."""
    return RangeField(dtype=int, default=64, min=1, max=MOST, doc=doc)
