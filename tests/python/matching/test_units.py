"""Units of exposures."""

from __future__ import annotations

import pytest

from evensky.errors import TaskError
from evensky.image import ExposureF
from evensky.matching.units import check_unit, differ, most_common_unit, unit_of


def test_units_of_exposures() -> None:
    exposure = ExposureF(3, 3)
    assert unit_of(exposure) == ""
    exposure.metadata["BUNIT"] = " nJy "
    assert unit_of(exposure) == "nJy"


def test_the_most_common_unit() -> None:
    assert most_common_unit(["", "Jy", "mJy", "mJy", "", ""]) == "mJy"
    assert most_common_unit(["Jy", "mJy"]) == "Jy"
    assert most_common_unit(["", ""]) == ""


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("Jy", "mJy", True),
        ("Jy", "adu", True),
        ("Jy", "Jansky", False),
        ("erg / s", "erg s-1", False),
        ("", "Jy", False),
        ("bananas", "Jy", False),
    ],
)
def test_units_that_differ(one: str, other: str, expected: bool) -> None:
    assert differ(one, other) == differ(other, one) == expected


def test_other_units_are_refused() -> None:
    check_unit("", "Jy")
    with pytest.raises(TaskError, match="is in mJy, and the reference in Jy; convert"):
        check_unit("mJy", "Jy")
