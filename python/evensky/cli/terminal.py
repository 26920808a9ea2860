"""The terminal: tables and lines, in which nothing can steer it."""

from __future__ import annotations

__all__ = ["WIDTH_OF_PIPE", "has_colours", "open_console", "say"]

import os
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING

import click

from .._text import visible

if TYPE_CHECKING:
    from rich.console import Console


WIDTH_OF_PIPE = 150
"""Width in letters of a table that is not printed to a terminal."""


def has_colours() -> bool:
    """Return whether standard output is a terminal, or is to be treated as one."""
    return sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR")) or os.environ.get("TTY_COMPATIBLE") == "1"


def open_console() -> Console:
    """Return a console for the terminal, or a wide one for a pipe, so that tables are not cut.

    It takes no text for markup, or for the code of an emoji, and shows letters that the terminal does not have as
    escapes.
    """
    from rich.console import Console

    _accept_all_letters()
    width = None if sys.stdout.isatty() else WIDTH_OF_PIPE
    return Console(highlight=False, markup=False, emoji=False, width=width)


def say(text: str) -> None:
    """Print a line; what could steer the terminal is shown as escapes."""
    _accept_all_letters()
    click.echo(visible(text))


def _accept_all_letters() -> None:
    """Let standard output show letters that it cannot encode as escapes, instead of failing."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
