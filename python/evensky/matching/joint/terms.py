"""Kinds of terms that the model of an exposure may have."""

from __future__ import annotations

__all__ = ["DEFAULT_TERMS", "KINDS", "Term", "amplifier", "detector", "gain", "parse_terms", "template", "terms_of"]

import re
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import PurePath
from typing import Any

import numpy as np

from ...errors import InvalidParameterError

KINDS = {
    "smooth": "a constant, a plane, a Chebyshev series or a spline",
    "rows": "a level for each row, which drifts smoothly during read-out",
    "columns": "a level for each column, which drifts smoothly during read-out",
    "detector": "a level for each detector, by a label image, a number of sections, or the chips of each file",
    "amplifier": "a level for each amplifier, by a label image, a number of sections, or the header of each file",
    "template": "an image with a fitted amplitude: fringes, a wisp, a sky frame, a flat field",
    "gain": "the throughput: the scene with a fitted amplitude, which is measured but not removed",
}
"""Kinds of terms, and what they stand for."""

DEFAULT_TERMS = ("smooth", "rows", "columns", "amplifier", "gain")
"""Terms that are candidates by default; sections of amplifiers are used where headers give them."""

_WITH_DATA = ("detector", "amplifier", "template")
_OPTIONS = ("shared", "required")


@dataclass(frozen=True, eq=False)
class Term:
    """A kind of term of the models.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    data : array-like, str, Path, (int, int), list or None
        Image of a template, or labels of detectors or amplifiers, in the pixels of the exposures: an array of their
        size, the name of a FITS file (which may contain ``{stem}``, the name of each exposure without its ending), or a
        list with one of these for each exposure. For detectors and amplifiers also the number of equal sections along
        x and y.
    name : str
        Name in results.
    shared : bool
        Whether the term has the same coefficients in all exposures. As they then cancel in differences of the same
        pixels, shifts between exposures must determine them.
    required : bool
        Whether each exposure has the term; otherwise, exposures have it if their data support it.
    """

    kind: str
    data: Any = None
    name: str = ""
    shared: bool = False
    required: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InvalidParameterError(f"There is no term {self.kind!r}; terms are {', '.join(KINDS)}")
        if self.data is not None and self.kind not in _WITH_DATA:
            raise InvalidParameterError(f"A term {self.kind!r} takes no data; {', '.join(_WITH_DATA)} do")
        if self.kind == "template" and self.data is None:
            raise InvalidParameterError("A term 'template' needs data, e.g. template=fringes.fits")
        if self.kind == "template" and (self.sections is not None or isinstance(self.data, int | float)):
            raise InvalidParameterError(f"A template is an image or a file, not {self.data!r}")
        if self.sections is not None and min(self.sections) < 1:
            raise InvalidParameterError(f"{self.kind}: {self.data!r} sections; numbers along x and y start at 1")
        if self.shared and self.kind == "gain":
            raise InvalidParameterError("A shared gain cannot be measured, as it is the same in all exposures")
        if not self.name:
            object.__setattr__(self, "name", self._default_name())

    def _default_name(self) -> str:
        if self.kind != "template":
            return self.kind
        return PurePath(self.data).name.split(".")[0] if isinstance(self.data, str | PathLike) else "template"

    @property
    def sections(self) -> tuple[int, int] | None:
        """Numbers of equal sections along x and y, if the data are such numbers."""
        data = self.data
        if isinstance(data, tuple) and len(data) == 2 and all(isinstance(n, int | np.integer) for n in data):
            return int(data[0]), int(data[1])
        return None

    def __str__(self) -> str:
        data = self.data
        if data is None:
            text = self.kind
        elif self.sections is not None:
            text = "{}={}x{}".format(self.kind, *self.sections)
        elif isinstance(data, str | PathLike):
            text = f"{self.kind}={fspath(data)}"
        else:
            text = f"{self.kind}=<{self.name}>"
        return text + "".join(f":{option}" for option in _OPTIONS if getattr(self, option))


def template(data: Any, *, name: str = "", shared: bool = False, required: bool = False) -> Term:
    """Make a term whose amplitude is fitted: fringes, a wisp, a sky frame, a flat field.

    Parameters
    ----------
    data : array-like, str, Path, or list of these
        Image of the size of the exposures, in their pixels, or the name of a FITS file; a list has one for each
        exposure. Pixels that are not finite are unknown: bins have the mean of the others, and nothing is added there.
    name : str, optional
        Name in results; by default that of the file.
    shared : bool, optional
        Whether all exposures have the same amplitude.
    required : bool, optional
        Whether each exposure has the term; by default, exposures have it if their data support it.

    Returns
    -------
    Term

    Raises
    ------
    evensky.errors.InvalidParameterError
        If `data` is neither an image nor the name of one.

    Examples
    --------
    >>> import numpy as np, evensky
    >>> print(evensky.template(np.eye(4), name="fringes", required=True))
    template=<fringes>:required
    """
    return Term("template", data, name, shared, required)


def detector(data: Any = None, *, name: str = "", shared: bool = False, required: bool = False) -> Term:
    """Make a term with a level for each detector.

    Parameters
    ----------
    data : array-like of int, str, Path, (int, int), list or None, optional
        Image of labels of the size of the exposures, 0 for no detector; the name of a FITS file with such an image; or
        the numbers of equal detectors along x and y. By default, the detectors are the chips of each file.
    name, shared, required
        As for `template`.

    Returns
    -------
    Term

    Examples
    --------
    >>> from evensky.matching.joint.terms import detector
    >>> print(detector((4, 2)))
    detector=4x2
    """
    return Term("detector", data, name, shared, required)


def amplifier(data: Any = None, *, name: str = "", shared: bool = False, required: bool = False) -> Term:
    """Make a term with a level for each amplifier.

    Parameters
    ----------
    data : array-like of int, str, Path, (int, int), list or None, optional
        As for `detector`; by default the sections that the headers of the files give.
    name, shared, required
        As for `template`.

    Returns
    -------
    Term
    """
    return Term("amplifier", data, name, shared, required)


def gain(*, required: bool = False) -> Term:
    """Make the term of the throughput, which is measured with its error, but not removed.

    Parameters
    ----------
    required : bool, optional
        Whether each exposure has the term; by default, exposures have it if their data support it.

    Returns
    -------
    Term
    """
    return Term("gain", required=required)


def parse_terms(text: str) -> list[Term]:
    """Parse terms from text: kinds, separated by commas, with data after "=" and options after ":".

    Parameters
    ----------
    text : str
        E.g. ``"smooth,gain,template=wisp.fits:required,amplifier=8x1"``. Options are ``shared`` and ``required``.

    Returns
    -------
    list of Term

    Raises
    ------
    evensky.errors.InvalidParameterError
        For an unknown term or option, or missing data.
    """
    return [_parse_term(part.strip()) for part in text.split(",") if part.strip()]


def _parse_term(text: str) -> Term:
    head, *tail = text.split(":")
    options: list[str] = []
    while tail and tail[-1].strip() in _OPTIONS:
        options.append(tail.pop().strip())
    head = ":".join([head, *tail])
    kind, equals, data = head.partition("=")
    if kind.strip() in _OPTIONS or (tail and not equals):
        raise InvalidParameterError(
            f"{text!r} is no term; write KIND, KIND=DATA or KIND=DATA:OPTION, where options are {', '.join(_OPTIONS)}"
        )
    numbers = data.strip().lower().split("x")
    value: Any = data.strip() or None
    if len(numbers) == 2 and all(re.fullmatch(r"[0-9]{1,9}", number) for number in numbers):
        value = int(numbers[0]), int(numbers[1])
    return Term(kind.strip(), value, shared="shared" in options, required="required" in options)


def terms_of(given: str | Term | Iterable[str | Term]) -> list[Term]:
    """Make a list of terms from names and terms.

    Parameters
    ----------
    given : str, Term, or iterable of str and Term

    Returns
    -------
    list of Term
        Kinds without data at most once.

    Raises
    ------
    evensky.errors.InvalidParameterError
        For an unknown term, one that is given twice, something else than a term, or no term at all.
    """
    parts = [given] if isinstance(given, str | Term) else list(given)
    for part in parts:
        if not isinstance(part, str | Term):
            raise InvalidParameterError(
                f"terms has a {type(part).__name__}; it takes names of terms and results of evensky.template, "
                "evensky.detector and evensky.amplifier. For an image write evensky.template(image)"
            )
    found = [term for part in parts for term in ([part] if isinstance(part, Term) else parse_terms(part))]
    if not found:
        raise InvalidParameterError(
            f"terms is empty, so that nothing could be matched; name at least one of {', '.join(KINDS)}"
        )
    names = [term.name for term in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidParameterError(
            f"The term {', '.join(twice)} is given more than once; give each term once, and templates different names"
        )
    return found
