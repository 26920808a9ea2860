"""Text that is safe to show on terminals, in tables and on pages."""

from __future__ import annotations

__all__ = ["printable", "reason_of", "with_digits"]

import math


def printable(text: str) -> str:
    """Return text on one line, with control characters and undecodable bytes of file names as escapes.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    line = " ".join(text.split())
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode("ascii")
        for letter in line
    )


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
