"""Checks of arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evensky._checks import byte_count, names_of, real_number, shown, whole_number
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


class Unshowable:
    def __repr__(self) -> str:
        raise AttributeError("no such thing")


def test_objects_that_cannot_be_shown_are_named_by_their_type() -> None:
    assert shown(Unshowable()) == "a Unshowable that cannot be shown"
    assert shown([Unshowable()]) == "a list that cannot be shown"


@pytest.mark.parametrize(
    ("given", "number"),
    [
        (1, 1),
        (3_000_000_000, 3_000_000_000),
        ("2000", 2000),
        ("2GB", 2_000_000_000),
        ("2 GB", 2_000_000_000),
        (" 1.5G ", 1_500_000_000),
        ("512MiB", 2**29),
        ("10k", 10_000),
        ("10KiB", 10 * 1024),
        ("1TB", 10**12),
        ("7B", 7),
    ],
)
def test_numbers_of_bytes(given: Any, number: int) -> None:
    assert byte_count(given, "max_memory") == number


@pytest.mark.parametrize(
    "given", [0, -1, "0", "-2GB", "2XB", "two", "", "2iB", "1e9", "inf", "nan", True, 2.5, None, [1], "9" * 60_000]
)
def test_what_is_no_number_of_bytes(given: Any) -> None:
    with pytest.raises(
        InvalidParameterError, match=r"^max_memory is .{1,90}; (a number of bytes|it must be)"
    ) as caught:
        byte_count(given, "max_memory")
    assert len(str(caught.value)) < 300
