"""Filters and units of a set of exposures."""

from __future__ import annotations

import pytest

from evensky.matching.sets import check_filters, check_units, joined, none_usable, several


def test_lists_in_sentences() -> None:
    assert joined(["a"]) == "a"
    assert joined(["a", "b", "c"]) == "a, b and c"
    assert several(["a", "b", "c", "d"]) == "a, b, c and d"
    assert several([*"abcde"]) == "a, b, c and 2 more"


def test_reasons_why_none_can_be_used_are_all_told() -> None:
    assert none_usable(["a: broken"]) == "None of the 1 exposures can be used: a: broken"
    text = none_usable(["a: broken", "empty", "empty", "b: no such file"])
    assert text == "None of the 4 exposures can be used: a: broken; empty; b: no such file"
    assert none_usable([f"r{n}" for n in range(11)]).endswith("; r9; r10")
    assert none_usable([f"r{n}" for n in range(500)]).endswith("; r8; r9; and 490 more reasons")


@pytest.mark.parametrize(
    "filters",
    [
        ["r", "r", "r"],
        ["F814W", "f814w ", "F814W"],
        ["r", "", "r"],
        ["r", "UNKNOWN", "none"],
        ["r DECam SDSS c0002 6415.0 1480.0", "r", "r  DECam SDSS  c0002 6415.0 1480.0"],
        ["HSC-R", "hsc - r", ""],
        ["", "", ""],
    ],
)
def test_filters_that_agree(filters: list[str]) -> None:
    assert check_filters([*"abc"], filters) == ([], [])


@pytest.mark.parametrize(
    "filters",
    [
        ["g", "r", "r"],
        ["F814W", "F606W", ""],
        ["r DECam SDSS c0002 6415.0 1480.0", "g", "r"],
        ["r DECam SDSS c0002 6415.0 1480.0", "r Bessell", "r"],
        ["Ks", "K", "K"],
        ["i", "i2", "i"],
    ],
)
def test_filters_that_differ(filters: list[str]) -> None:
    problems, notes = check_filters([*"abc"], filters)
    assert len(problems) == 1
    assert "--allow filters" in problems[0]
    assert 'allow=("filters",)' in problems[0]
    assert notes == []
    problems, notes = check_filters([*"abc"], filters, allowed=True)
    assert problems == []
    assert notes[0].endswith("which is allowed")


def test_different_filters_are_named_with_their_exposures() -> None:
    problems, _ = check_filters([f"e{n}" for n in range(8)], ["g", *["r"] * 6, "g"])
    assert problems[0].startswith(
        "filters differ (r: e1, e2, e3 and 3 more; g: e0 and e7); match each filter by itself"
    )
    problems, _ = check_filters([*"abcdef"], [*"ugrizy"])
    assert problems[0].startswith("filters differ (u: a; g: b; r: c; i: d; and 2 more)")


def test_letters_of_other_case_are_noted() -> None:
    """R may be a filter of Cousins, and r one of the SDSS."""
    assert check_filters(["a", "b"], ["R", "r"]) == ([], ["the filters R and r are taken for the same"])


def test_units_that_agree() -> None:
    assert check_units([*"abcd"], ["adu", "COUNTS", "", "DN"]) == ([], [])
    assert check_units([*"ab"], ["bananas", "Bananas"]) == ([], [])


def test_units_that_differ() -> None:
    problems, notes = check_units([*"abcd"], ["nJy", "NJY", "Jy", ""])
    assert problems == [
        "units differ (nJy: a and b; Jy: c); convert them to one unit first, or allow it by --allow units "
        '(allow=("units",))'
    ]
    assert notes == []
    assert check_units(["a", "b"], ["nJy", "Jy"], allowed=True) == (
        [],
        ["units differ (nJy: a; Jy: b), which is allowed"],
    )


def test_units_that_cannot_be_compared() -> None:
    problems, notes = check_units([*"abc"], ["bananas", "Jy", "Jy"])
    assert problems == []
    assert notes == ["the units of the exposures cannot be compared and are assumed to agree (Jy: b and c; bananas: a)"]
    # Those that can be compared differ all the same.
    assert len(check_units([*"abc"], ["bananas", "Jy", "mJy"])[0]) == 1
