"""Checks of arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evensky._checks import names_of, real_number, shown, whole_number
from evensky.errors import InvalidParameterError, OutOfRangeError


def test_values_are_shown_on_one_short_line() -> None:
    assert shown("a\nb") == r"'a\nb'"
    assert shown(np.eye(2)) == "array([[1., 0.], [0., 1.]])"
    assert len(shown("x" * 500)) == 80
    assert shown("x" * 500).endswith("...")
    assert shown(10**5000) == "a number of 16610 bits"


def test_whole_numbers() -> None:
    assert whole_number(np.uint8(3), "n") == 3
    assert whole_number(True, "n") == 1
    with pytest.raises(InvalidParameterError, match=r"n: 3\.0 is a float; a whole number is needed"):
        whole_number(3.0, "n")


@pytest.mark.parametrize("value", ["3", b"3", None, [3], 1j])
def test_values_that_are_no_real_numbers(value: Any) -> None:
    with pytest.raises(InvalidParameterError, match=f"x: .* is a {type(value).__name__}; a real number is needed"):
        real_number(value, "x")


def test_real_numbers() -> None:
    assert real_number(np.float32(1.5), "x") == 1.5
    with pytest.raises(OutOfRangeError, match=r"x is a number of \d+ bits; it must be within float64"):
        real_number(10**5000, "x")


def test_names_are_given_in_a_text_or_one_by_one() -> None:
    assert names_of(None) is None
    assert names_of(" A ,,4096+8192") == ("A", "4096+8192")
    assert names_of(["A", 4]) == ("A", "4")
    assert names_of(256) == ("256",)
    with pytest.raises(InvalidParameterError, match=r"good_bits is 1\.5, a float; names are needed"):
        names_of(1.5, "good_bits")  # type: ignore[arg-type]
