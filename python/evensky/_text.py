"""Text that is safe to show on terminals, in tables and on pages."""

from __future__ import annotations

__all__ = ["printable", "reason_of", "shortened", "visible", "visible_lines", "with_digits"]

import math
import re
from unicodedata import combining

# Letters that Python calls printable although nothing is seen of them: fillers, joiners and selectors of variants.
# Names that differ in them alone would look the same.
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
# Number of marks on one letter that languages need; more of them cover the lines above and below.
_MOST_MARKS = 4


def visible(text: str) -> str:
    """Return text in which all that cannot be seen, but for spaces, is shown as an escape of Python.

    These are control characters (ends of lines, too), what changes the direction of writing, characters without a
    width, bytes of file names that cannot be decoded, and marks that are stacked on one letter.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> print(visible("\\x1b[31mred\\u202e"))
    \\x1b[31mred\\u202e
    """
    if text.isascii() and text.isprintable():
        return text
    letters, marks = [], 0
    for letter in text:
        marks = marks + 1 if combining(letter) else 0
        seen = letter.isprintable() and marks <= _MOST_MARKS and _INVISIBLE.match(letter) is None
        letters.append(letter if seen else letter.encode("unicode_escape", "surrogatepass").decode("ascii"))
    return "".join(letters)


def visible_lines(text: str) -> str:
    """Return text as `visible` does, but with its ends of lines."""
    return "\n".join(map(visible, text.split("\n")))


def printable(text: str) -> str:
    """Return text on one line, with single spaces, and with escapes for what cannot be seen, as `visible` has them.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    return visible(" ".join(text.split()))


def shortened(text: str, most: int) -> str:
    """Return text of at most so many letters, with dots for what is left out in the middle."""
    if len(text) <= most:
        return text
    end = (most - 1) // 2
    return f"{text[: most - 1 - end]}\u2026{text[len(text) - end :]}"


def reason_of(error: BaseException) -> str:
    """Return the message of an error on one line, or its kind if it has no message."""
    return printable(str(error)) or type(error).__name__


def with_digits(value: float, noise: float | None = None, *, least: int = 0) -> str:
    """Format a number with the digits that its noise leaves, or with those that its size needs.

    Parameters
    ----------
    value : float
    noise : float, optional
        Its standard deviation, whose first digit is the last one that is shown. If it is unknown or not positive, three
        decimals are shown, or four digits if the value is below 1, and six from 1e7 on.
    least : int, optional
        Number of digits that are shown whatever the noise is.

    Returns
    -------
    str
        In exponential form if value and noise are below 1e-4, or digits beyond 1e7 are lost in the noise.

    Examples
    --------
    >>> with_digits(12345.678, 0.02), with_digits(1.2344e-16), with_digits(-3), with_digits(float("nan"))
    ('12345.68', '1.234e-16', '-3', 'nan')
    """
    if isinstance(value, int) or not math.isfinite(value):
        return str(value)
    known = noise is not None and math.isfinite(noise) and noise > 0
    if value == 0 and not known:
        return "0"
    size = _exponent(value) if value != 0 else _exponent(noise or 0)
    if noise is not None and known:
        largest = max(size, _exponent(noise))
        last = min(_exponent(noise), size - least + 1) if least else _exponent(noise)
        decimals = min(15, max(0, size - last))
        in_full = -4 <= largest < (15 if last < 0 else 7)
    else:
        last = -3 if size >= 0 else size - 3
        decimals = 3 if size < 7 else 5
        in_full = -4 <= size < 7
    if not in_full:
        return f"{value:.{decimals}e}"
    text = f"{value:.{max(0, -last)}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _exponent(value: float) -> int:
    """Return the power of ten of the first digit."""
    return math.floor(math.log10(abs(value)))
