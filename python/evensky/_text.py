"""Text that goes to terminals, tables and pages, whatever it was made of."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str) -> str:
    """The same on one line, with escapes for control characters and for bytes of names that are no text.

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
