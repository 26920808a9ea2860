"""Figures that show themselves."""

from __future__ import annotations

__all__ = ["Figure"]

import io

from matplotlib.figure import Figure as _Figure


class Figure(_Figure):
    """A figure that a notebook shows as a picture, whether or not pyplot is set up for that."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", bbox_inches="tight")
        return buffer.getvalue()
