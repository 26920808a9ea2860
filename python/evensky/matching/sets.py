"""Checks of a set of exposures for differences that would give wrong numbers without an error."""

from __future__ import annotations

__all__ = ["check_filters", "check_units", "joined", "none_usable", "several", "told_once"]

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from .units import comparable, differ

# Number of exposures, and of different values, that a sentence names.
_NAMED = 3
# Number of reasons that the sentence about a set of which nothing can be used has room for.
_REASONS = 10
_UNKNOWN_FILTERS = frozenset({"", "none", "null", "unknown", "undefined", "n/a", "na", "-", "--", "?"})


def joined(parts: Sequence[str]) -> str:
    """Join parts of a sentence with commas and "and"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def several(labels: Sequence[str]) -> str:
    """Name a few exposures, and say how many more there are."""
    if len(labels) <= _NAMED + 1:  # naming the last one is as short as "and 1 more"
        return joined(labels)
    return f"{', '.join(labels[:_NAMED])} and {len(labels) - _NAMED} more"


def none_usable(reasons: Sequence[str]) -> str:
    """Return the sentence that says that no exposure can be used, and why.

    Parameters
    ----------
    reasons : sequence of str
        The reason of each exposure. Those that are the same are told once, and of more than ten the first ones.

    Examples
    --------
    >>> none_usable(["a.fits: no such file", "b.fits: it has no image"])
    'None of the 2 exposures can be used: a.fits: no such file; b.fits: it has no image'
    """
    return f"None of the {len(reasons)} exposures can be used: {told_once(reasons)}"


def told_once(reasons: Iterable[str]) -> str:
    """Return reasons in one sentence, each of them once; of very many the first ones, and how many more there are."""
    told = list(dict.fromkeys(reasons))
    left_out = len(told) - _REASONS
    if left_out > 1:  # naming the last one is as short as "and 1 more"
        told[_REASONS:] = [f"and {left_out} more reasons"]
    return "; ".join(told)


def check_filters(
    labels: Sequence[str], filters: Sequence[str], *, allowed: bool = False
) -> tuple[list[str], list[str]]:
    """Check that exposures were taken with the same filter.

    Names are compared without regard to case and spaces, and a band of one letter agrees with a description that
    starts with it: "r" with "r DECam SDSS c0002 6415.0 1480.0". Unknown filters agree with all others.

    Parameters
    ----------
    labels : sequence of str
        Names of the exposures.
    filters : sequence of str
        "" if unknown.
    allowed : bool
        Whether different filters were allowed, so that they are notes.

    Returns
    -------
    problems, notes : list of str
    """
    used: dict[str, list[str]] = {}  # labels by filter, as it is written
    for label, name in zip(labels, filters, strict=True):
        if name.strip().casefold() not in _UNKNOWN_FILTERS:
            used.setdefault(" ".join(name.split()), []).append(label)
    groups: dict[str, list[str]] = {}  # filters as they are written, by what is compared
    for name in used:
        groups.setdefault("".join(name.split()).casefold(), []).append(name)
    # A letter joins the description that starts with it, if there is one alone.
    for letter in [group for group in groups if len(group) == 1]:
        longer = [
            group for group, names in groups.items() if len(group) > 1 and names[0].casefold().startswith(f"{letter} ")
        ]
        if len(longer) == 1:
            groups[longer[0]] += groups.pop(letter)
    notes = []
    letters = Counter(name.casefold() for name in used if len(name) == 1)
    for letter in [letter for letter, times in letters.items() if times > 1]:
        notes.append(f"the filters {letter.upper()} and {letter} are taken for the same")
    if len(groups) < 2:
        return [], notes
    found = _values({names[0]: [label for name in names for label in used[name]] for names in groups.values()})
    problem = f"filters differ ({found})"
    if allowed:
        return [], [*notes, f"{problem}, which is allowed"]
    return [f'{problem}; match each filter by itself, or allow it by --allow filters (allow=("filters",))'], notes


def check_units(
    labels: Sequence[str], units: Sequence[str], *, allowed: bool | None = False
) -> tuple[list[str], list[str]]:
    """Check that the pixels of exposures have the same unit.

    Parameters
    ----------
    labels : sequence of str
        Names of the exposures.
    units : sequence of str
        "" if unknown.
    allowed : bool or None
        Whether different units were allowed, so that they are notes; None if they cannot be allowed.

    Returns
    -------
    problems, notes : list of str
    """
    used: dict[str, list[str]] = {}  # labels by unit
    for label, unit in zip(labels, units, strict=True):
        if not unit.strip():
            continue
        # Other spellings of a unit are one with it.
        same = next((u for u in used if not differ(u, unit) and comparable(u, unit)), unit.strip())
        used.setdefault(same, []).append(label)
    if len(used) < 2:
        return [], []
    found = _values(used)
    if not any(differ(one, other) for one in used for other in used):
        return [], [f"the units of the exposures cannot be compared and are assumed to agree ({found})"]
    problem = f"units differ ({found})"
    if allowed:
        return [], [f"{problem}, which is allowed"]
    if allowed is None:
        return [f"{problem}; convert them to one unit first"], []
    return [f'{problem}; convert them to one unit first, or allow it by --allow units (allow=("units",))'], []


def _values(used: Mapping[str, Iterable[str]]) -> str:
    """List values and the exposures that have them, the most common value first."""
    ordered = sorted(((value, list(labels)) for value, labels in used.items()), key=lambda item: -len(item[1]))
    text = "; ".join(f"{value}: {several(labels)}" for value, labels in ordered[: _NAMED + 1])
    return text if len(ordered) <= _NAMED + 1 else f"{text}; and {len(ordered) - _NAMED - 1} more"
