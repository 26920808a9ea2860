"""The options that say how sources are left out of a background."""

from __future__ import annotations

__all__ = ["SourceChoice"]

from dataclasses import dataclass, fields
from typing import Any

import click

from ..calls.source_options import SourceOptions
from ..errors import InvalidParameterError
from .choices import option
from .option_types import COUNT


def _of_sources(name: str, kind: Any, words: str) -> Any:
    """Return an option that says how sources are found."""
    default = getattr(SourceOptions, name)
    return option(
        f"--{name.replace('_', '-')}", type=kind, help=f"With --mask-sources: {words}.  [default: {default:g}]"
    )


@dataclass(frozen=True)
class SourceChoice:
    """Whether and how sources are left out of a background."""

    mask_sources: bool = option(
        "--mask-sources",
        default=False,
        is_flag=True,
        help="Find stars and galaxies and leave them out, in rounds with the background (pip install "
        "'evensky[sources]').",
    )
    threshold: float | None = _of_sources("threshold", float, "threshold above the background in units of its rms")
    n_pixels: int | None = _of_sources("n_pixels", COUNT, "least number of connected pixels of a source")
    dilation_radius: int | None = _of_sources(
        "dilation_radius", click.IntRange(0, 10000), "radius in pixels of the disk by which sources are dilated"
    )
    max_rounds: int | None = _of_sources("max_rounds", COUNT, "largest number of rounds")

    @property
    def options(self) -> SourceOptions | None:
        """How sources are found, with defaults for what is not given; None if they are not to be found.

        Raises
        ------
        evensky.errors.InvalidParameterError
            For an option that has no effect, or a value that is not allowed.
        """
        names = [one.name for one in fields(SourceOptions)]
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        if self.mask_sources:
            return SourceOptions(**given)
        for name in given:
            raise InvalidParameterError(
                f"--{name.replace('_', '-')} says how sources are found; give --mask-sources, too"
            )
        return None
