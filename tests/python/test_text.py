"""Text for terminals, tables and pages."""

from __future__ import annotations

import math
import os

import pytest

from evensky._text import printable, reason_of, with_digits


def test_text_is_one_line_of_what_can_be_printed() -> None:
    assert printable("  two\n  lines\t") == "two lines"
    assert printable("Sèvres 🔭") == "Sèvres 🔭"
    assert printable("\x1b[31mred") == r"\x1b[31mred"
    assert printable(os.fsdecode(b"lat\xe9")) == r"lat\udce9"


def test_every_failure_has_a_reason() -> None:
    assert reason_of(ValueError("two\nlines")) == "two lines"
    assert reason_of(MemoryError()) == "MemoryError"


@pytest.mark.parametrize(
    ("value", "noise", "text"),
    [
        (1.2344e-16, None, "1.234e-16"),
        (-1.2344e-16, 2e-18, "-1.23e-16"),
        (1e-20, 1e-16, "1e-20"),
        (12345.678, 0.02, "12345.68"),
        (12345.678, 300, "12346"),
        (100.1234, None, "100.123"),
        (100.1234, 0.0, "100.123"),
        (100.1234, math.nan, "100.123"),
        (0.0123456, None, "0.01235"),
        (-0.0001, 0.001, "0.000"),
        (1e9, None, "1.00000e+09"),
        (1.23456e9, 2e6, "1.235e+09"),
        (1e9, 0.02, "1000000000.00"),
        (0.0, None, "0"),
        (0.0, 0.02, "0.00"),
        (0.0, 1e-20, "0e+00"),
        (12, None, "12"),
        (math.nan, 1.0, "nan"),
        (-math.inf, None, "-inf"),
    ],
)
def test_digits(value: float, noise: float | None, text: str) -> None:
    assert with_digits(value, noise) == text


def test_a_least_number_of_digits() -> None:
    assert with_digits(667.6291, 5.0, least=6) == "667.629"
    assert with_digits(12345.678, 0.02, least=6) == "12345.68"
    assert with_digits(6.676291e-16, 5e-17, least=6) == "6.67629e-16"
