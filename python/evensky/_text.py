"""Text that is safe to show on terminals, in tables and on pages."""

from __future__ import annotations

__all__ = ["printable", "reason_of"]


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
