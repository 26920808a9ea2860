"""Types of the values of options."""

from __future__ import annotations

__all__ = ["COUNT", "PATH"]

from pathlib import Path
from typing import Any

import click

COUNT = click.IntRange(1, 2**31 - 1)
"""Type of an option that is a positive number."""


class _Path(click.Path):
    """Type of a path that refuses "", which pathlib takes for the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("'' is not the name of a file or folder.", param, ctx)
        return super().convert(value, param, ctx)


PATH = _Path(path_type=Path)
"""Type of an option that is a path."""
