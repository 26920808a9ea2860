"""Pictures of pixels as PNG images, written without a library for figures: colours, stretches, and data URLs."""

from __future__ import annotations

__all__ = [
    "COUNT_COLOURS",
    "IMAGE_COLOURS",
    "SIGNED_COLOURS",
    "bar_url",
    "coarser",
    "colour_table",
    "common_stretch",
    "data_url",
    "pixels_url",
    "sky_scatter",
    "sky_stretch",
]

import base64
import struct
import zlib
from collections.abc import Sequence
from functools import cache

import numpy as np

from ..errors import InvalidParameterError

IMAGE_COLOURS, SIGNED_COLOURS, COUNT_COLOURS = "cividis", "RdBu_r", "viridis"
"""Maps of colours for images, for differences, whose zero is pale, and for numbers of exposures."""

# Colours at equal distances, between which maps are linear. They are those of matplotlib, whose import takes longer
# than all pictures of a page.
_ANCHORS = {
    "cividis": (
        "00224e 00285b 002e6a 053371 1a386f 273e6e 32436d 3b496c 434e6c 4b546c 535a6d "
        "5a5f6e 61656f 686a71 6f7073 767676 7d7c78 848279 8c8878 938e78 9b9476 a39a74 "
        "aba072 b4a76f bcae6c c4b468 cdbb63 d5c25e dec958 e7d150 f0d846 f9e03a fee838"
    ),
    "viridis": (
        "440154 470d60 48186a 482374 472d7b 453781 424086 3e4989 3b528b 375b8d 33638d "
        "2f6b8e 2c728e 297a8e 26828e 23898e 21918c 1f988b 1fa088 22a785 28ae80 32b67a "
        "3fbc73 4ec36b 5ec962 70cf57 84d44b 98d83e addc30 c2df23 d8e219 ece51b fde725"
    ),
    "RdBu_r": ("053061 2065ab 4393c3 90c4dd d1e5f0 f7f6f6 fddbc7 f3a481 d6604d b1182b 67001f"),
}
# Pixels of a picture without data, and of an outline, are the last two of 256 colours.
_NO_DATA, _OUTLINE, _MOST_COLOURS = 255, 254, 254
_OUTLINE_COLOUR = (255, 140, 40)
# Standard deviation of a normal distribution in units of its median absolute deviation.
_SIGMA_OF_MAD = 1.482602218505602
# Numbers of pixels from which medians and percentiles of pictures are taken.
_ENOUGH = 2**16


def pixels_url(
    picture: np.ndarray,
    limits: tuple[float, float],
    colours: str = IMAGE_COLOURS,
    *,
    steps: int = 128,
    outlined: bool = False,
) -> str:
    """Return the pixels of a picture, without axes, as a data URL of a PNG image of the same size.

    Parameters
    ----------
    picture : ndarray, shape (height, width)
        Values, row 0 at the bottom. Pixels that are not finite are transparent.
    limits : tuple of float
        Values of the first and last colour; pixels beyond them have these colours.
    colours : str, optional
        Name of a map of colours, see `colour_table`.
    steps : int, optional
        Number of colours; of a noisy picture, few colours give a small image.
    outlined : bool, optional
        Draw a line around the areas that have values.

    Returns
    -------
    str

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the picture does not have two dimensions, the number of colours is not between 2 and 254, or there is no such
        map of colours.
    """
    picture = np.asarray(picture, np.float32)
    if picture.ndim != 2 or picture.size == 0:
        raise InvalidParameterError(f"The picture has shape {picture.shape}; two dimensions with pixels are needed")
    if not 2 <= steps <= _MOST_COLOURS:
        raise InvalidParameterError(f"steps is {steps}; it must be between 2 and {_MOST_COLOURS}")
    low, span = limits[0], limits[1] - limits[0]
    known = np.isfinite(picture)
    # Clipped first, as differences of huge values overflow.
    place = np.clip(picture, low, limits[1])
    place -= np.float32(low)
    place *= np.float32(steps / span if span > 0 else 1.0)
    np.minimum(place, np.float32(steps - 1), out=place)
    complete = bool(known.all())
    if not complete:
        place[~known] = _NO_DATA
    indices = place.astype(np.uint8)
    if outlined and not complete:
        around = np.pad(known, 1, mode="edge")
        inner = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
        indices[known & ~inner] = _OUTLINE
    return data_url(_png(indices[::-1], _palette(colours, steps)))


def bar_url(colours: str = IMAGE_COLOURS) -> str:
    """Return a map of colours as a data URL of a PNG image of one row, to be stretched to a bar."""
    return pixels_url(np.arange(128.0)[np.newaxis], (0, 127), colours)


def data_url(png: bytes) -> str:
    """Return the content of a PNG image as a data URL."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


@cache
def colour_table(colours: str, steps: int) -> np.ndarray:
    """Return the colours of a map at equal distances.

    Parameters
    ----------
    colours : {"cividis", "RdBu_r", "viridis"}
        Name of the map.
    steps : int
        Number of colours.

    Returns
    -------
    ndarray of uint8, shape (steps, 3)
        Red, green and blue, read-only.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If there is no such map.
    """
    if colours not in _ANCHORS:
        raise InvalidParameterError(f"colours are {colours!r}; they must be one of {', '.join(_ANCHORS)}")
    anchors = np.array([[*bytes.fromhex(one)] for one in _ANCHORS[colours].split()], float)
    ends, at = np.linspace(0, 1, len(anchors)), np.linspace(0, 1, steps)
    channels = np.stack([np.interp(at, ends, channel) for channel in anchors.T], axis=1)
    table: np.ndarray = np.rint(channels).astype(np.uint8)
    table.flags.writeable = False
    return table


@cache
def _palette(colours: str, steps: int) -> bytes:
    """Return 256 colours of three bytes: those of a map, and the one of outlines."""
    palette = np.zeros((256, 3), np.uint8)
    palette[:steps] = colour_table(colours, steps)
    palette[_OUTLINE] = _OUTLINE_COLOUR
    return palette.tobytes()


def _png(indices: np.ndarray, palette: bytes) -> bytes:
    """Return a PNG image of 8-bit numbers of colours, of which the last one is transparent; row 0 is at the top."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    height, width = indices.shape
    rows = np.zeros((height, width + 1), np.uint8)  # the first byte of a row says that it is not filtered
    rows[:, 1:] = indices
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    opacity = bytes([255] * _NO_DATA + [0])
    # In noise nothing repeats but runs of one colour; to look for more takes three times as long for 1 % of the size.
    smooth = 2 * np.count_nonzero(indices[:, 1:] == indices[:, :-1]) > indices.size
    packer = zlib.compressobj(6, strategy=zlib.Z_DEFAULT_STRATEGY if smooth else zlib.Z_RLE)
    pixels = packer.compress(rows.data) + packer.flush()
    chunks = ((b"IHDR", header), (b"PLTE", palette), (b"tRNS", opacity), (b"IDAT", pixels))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks) + chunk(b"IEND", b"")


def coarser(picture: np.ndarray, factor: int) -> np.ndarray:
    """Return the means of the finite pixels in blocks of `factor` x `factor`, NaN where there are none.

    Rows and columns beyond the last whole block are left out.
    """
    rows, columns = (size // factor for size in picture.shape)
    blocks = picture[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
    known = np.isfinite(blocks)
    number = known.sum(axis=(1, 3))
    total = np.where(known, blocks, 0).sum(axis=(1, 3), dtype=np.float64)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan).astype(np.float32)


def _sample(picture: np.ndarray, most: int = _ENOUGH) -> np.ndarray:
    """Return finite pixels of a picture: all of them, or every n-th if they are more than `most`."""
    values: np.ndarray = picture[np.isfinite(picture)]
    return values[:: max(1, values.size // most)]


def common_stretch(pictures: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return limits that show the background of all pictures, regardless of stars in them.

    These are the 1st and the 97th percentile of all finite pixels.
    """
    values = np.concatenate([_sample(one, _ENOUGH * 4 // len(pictures) + 1) for one in pictures] or [np.zeros(0)])
    if values.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(values, [1, 97])
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(low) + 0.5)


def sky_scatter(picture: np.ndarray) -> tuple[float, float]:
    """Return the median of a picture, and the scatter of its sky: 1.48 times the median distance below the median.

    Sources and diffuse light raise pixels, so that those below the median tell more of the sky. Both are NaN for a
    picture without finite pixels. Of a large picture, every n-th pixel is taken.
    """
    values = _sample(picture).astype(np.float64)
    if values.size == 0:
        return float("nan"), float("nan")
    median = float(np.median(values))
    below = median - values[values <= median]
    return median, _SIGMA_OF_MAD * float(np.median(below))


def sky_stretch(pictures: Sequence[np.ndarray], sigmas: float = 2.0) -> float:
    """Return half the range of one stretch that shows the sky of several pictures, each about its own median.

    Parameters
    ----------
    pictures : sequence of ndarray
    sigmas : float, optional
        Half the range in units of the largest scatter of the sky of a picture, see `sky_scatter`.

    Returns
    -------
    float
        Greater than 0; 1 if no picture has finite pixels that differ.
    """
    scatters = [scatter for _, scatter in map(sky_scatter, pictures) if scatter > 0]
    return sigmas * max(scatters, default=1.0 / sigmas)
