"""The image and the planes of a file that the options of a command choose."""

from __future__ import annotations

__all__ = ["selection_of"]

from pathlib import Path

from ..fits.descriptions import Selection
from .choices import PlaneChoice


def selection_of(file: Path, *choices: str | None) -> tuple[Path, Selection]:
    """Return a file, without the image in brackets, and the selection that the options of `plane_options` make."""
    return PlaneChoice(*choices).selection_of(file)
