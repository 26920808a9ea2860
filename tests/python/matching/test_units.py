"""Units of exposures."""

from __future__ import annotations

import pytest

from evensky.errors import TaskError
from evensky.image import ExposureF
from evensky.matching.units import check_unit, comparable, differ, most_common_unit, unit_of


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


@pytest.mark.parametrize(
    "same",
    [
        ("ADU", "adu", "COUNTS", "count", "counts", "DN", "dn", "ct", "Counts", "adu/pixel", "'ADU'"),
        ("ADU/S", "counts/sec", "DN/s", "cps", "adu s-1", "COUNTS/SECOND", "count s^-1", "DN / s / pixel"),
        ("ELECTRONS", "electron", "e-", "e", "E-", "Electrons"),
        ("ELECTRONS/S", "electron/s", "e-/s", "e/s", "e- s-1", "electrons/sec", "E/S", "electron s**-1"),
        ("MJy/sr", "MJY/SR", "MJy sr-1", "MJy / steradian"),
        ("Jy/beam", "JY/BEAM", "Jy beam-1"),
        ("nJy", "njy", "NJY", "10**-9 Jy", "1e-9 Jy"),
        ("nanomaggies", "nanomaggy", "nmgy"),
        (
            "10**-20 erg s-1 cm-2 Angstrom-1",
            "10**(-20)*erg/s/cm**2/Angstrom",
            "1e-20 erg/s/cm^2/A",
            "1E-20 ergs/s/cm2/Ang",
        ),
    ],
)
def test_spellings_of_a_unit(same: tuple[str, ...]) -> None:
    for other in same:
        assert not differ(same[0], other), other
        assert comparable(same[0], other), other
        # They were understood, and not just taken for unknown.
        assert differ(other, "K"), other


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("nJy", "Jy"),
        ("adu", "10 adu"),
        ("adu", "electron"),
        ("adu", "adu/s"),
        ("e-", "e-/s"),
        ("MJy/sr", "mJy/sr"),
        ("Jy/beam", "Jy"),
        ("Jy/pixel", "MJy/sr"),
        ("1e-17 erg/s/cm2/Angstrom", "1e-20 erg/s/cm2/Angstrom"),
        ("photon/s", "electron/s"),
        ("mag", "adu"),
    ],
)
def test_units_and_their_factors(one: str, other: str) -> None:
    assert differ(one, other)
    assert comparable(one, other)


@pytest.mark.parametrize("unknown", ["", " ", "unknown", "None", "N/A"])
def test_unknown_units(unknown: str) -> None:
    assert not differ(unknown, "Jy")
    assert comparable("Jy", unknown)


@pytest.mark.parametrize("text", ["bananas", "???", "Jy/", "0x", "(", "10**", "\x00", "1e999 Jy", "%s" * 20])
def test_units_that_cannot_be_compared(text: str) -> None:
    assert not differ(text, "Jy")
    assert not comparable(text, "Jy")
    assert comparable(text, text)
