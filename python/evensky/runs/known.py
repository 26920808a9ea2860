"""What is known of exposures before a match: which stay unchanged, and the models or skies of others."""

from __future__ import annotations

__all__ = ["Known", "known_of", "with_level"]

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InvalidParameterError
from ..io.configuration import change_config
from ..matching.joint.config import MatchAllConfig
from ..matching.joint.system import Anchor

Name = int | str | Path


@dataclass
class Known:
    """What is known of exposures.

    Attributes
    ----------
    fixed : list of int
        Numbers of the exposures that stay unchanged.
    anchors : list of Anchor
        Known models.
    """

    fixed: list[int] = field(default_factory=list)
    anchors: list[Anchor] = field(default_factory=list)


def known_of(
    config: MatchAllConfig,
    find: Callable[[Any, str], Iterable[int]],
    *,
    fixed: Name | Iterable[Name] = (),
    anchors: Mapping[Any, Any] | None = None,
    skies: Mapping[Any, Any] | None = None,
) -> Known:
    """Collect what is known of exposures.

    Parameters
    ----------
    config : MatchAllConfig
        Its level must be "auto" if anything is known.
    find : callable
        Function of a name or number of an exposure, and of the name of the parameter for messages, that returns the
        numbers of the exposures that are meant: several for a file with several chips.
    fixed, anchors, skies : optional
        See `evensky.match_all`.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If a value is not a number with a positive error, an exposure is given twice, or the level is given, too.
    """
    names = [fixed] if isinstance(fixed, str | Path | int) else fixed
    known = Known(list(dict.fromkeys(number for name in names for number in find(name, "fixed"))))
    seen = dict.fromkeys(known.fixed, "fixed")
    for what, given, sign in (("anchors", anchors, 1.0), ("skies", skies, -1.0)):
        for name, pair in (given or {}).items():
            value, error = _pair(what, name, pair)
            for number in find(name, what):
                if number in seen:
                    raise InvalidParameterError(
                        f"{name} is given in {seen[number]} and in {what}; one of them says all about it"
                    )
                seen[number] = what
                # A known sky is removed, so that pixels are absolute afterwards.
                known.anchors.append(Anchor(number, sign * value, error))
    if seen and config.level != "auto":
        raise InvalidParameterError(
            f"level is {config.level!r}, but {next(iter(seen.values()))} sets the level; leave level out, or leave out "
            "what is fixed or known"
        )
    return known


def with_level(config: MatchAllConfig, known: Known, *, named: bool) -> MatchAllConfig:
    """Return the configuration of a run: a reference that the user names sets the level, unless something else does.

    Parameters
    ----------
    config : MatchAllConfig
    known : Known
    named : bool
        Whether the user names the reference.
    """
    if not named or config.level != "auto" or known.fixed or known.anchors:
        return config
    return change_config(MatchAllConfig, config, {"level": "reference"})


def _pair(what: str, name: Any, pair: Any) -> tuple[float, float]:
    try:
        value, error = (float(number) for number in pair)
    except (TypeError, ValueError):
        raise InvalidParameterError(
            f"{what}[{name!r}] is {pair!r}; a value and its error are needed, e.g. (120.5, 0.3)"
        ) from None
    if not math.isfinite(value) or not (0 < error < math.inf):
        raise InvalidParameterError(
            f"{what}[{name!r}] is {value:g} +- {error:g}; the value must be finite, and the error positive. An "
            "exposure that must not change at all is given by fixed (--fixed)"
        )
    return value, error
