"""Bands of rows: planes that may not fit into memory are read, computed and written band by band."""

from __future__ import annotations

__all__ = ["MOST_PIXELS", "band_height", "row_bands"]

from collections.abc import Iterator

MOST_PIXELS = 2**23
"""Largest number of pixels in a band, unless a caller gives another."""


def band_height(width: int, most_pixels: int | None = None) -> int:
    """Return the number of rows in a band of a plane.

    Parameters
    ----------
    width : int
        Width of the plane in pixels.
    most_pixels : int, optional
        Largest number of pixels in a band; `MOST_PIXELS` by default.

    Returns
    -------
    int
        At least 1, however wide the plane is.
    """
    return max(1, (MOST_PIXELS if most_pixels is None else most_pixels) // max(width, 1))


def row_bands(height: int, width: int, most_pixels: int | None = None) -> Iterator[slice]:
    """Iterate over the rows of a plane in bands, from the first row to the last.

    Parameters
    ----------
    height, width : int
        Size of the plane in pixels.
    most_pixels : int, optional
        See `band_height`.

    Yields
    ------
    slice
        Rows of a band; the last band may have fewer rows than the others.
    """
    rows = band_height(width, most_pixels)
    for start in range(0, height, rows):
        yield slice(start, min(start + rows, height))
