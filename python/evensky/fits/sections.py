"""Sections of amplifiers and detectors that headers give, in the pixels of an image."""

from __future__ import annotations

__all__ = ["amplifier_sections", "detector_map", "label_sections"]

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from .descriptions import AffineMap, Section
from .hdus import text_of, value_of

_SECTION = re.compile(r"\[\s*(\d+)\s*:\s*(\d+)\s*,\s*(\d+)\s*:\s*(\d+)\s*\]")
# Names of cards by the pixels in which they count; a letter (DATASECA) or a number (DSEC21) of the amplifier follows.
_IN_IMAGE = ("DATASEC", "DSEC", "TRIMSEC", "TSEC")
_IN_DETECTOR = ("CCDSEC", "CSEC", "AMPSEC", "ASEC")
_CARD = re.compile(rf"({'|'.join((*_IN_IMAGE, *_IN_DETECTOR))})([A-Z]|\d\d?)")
# First pixels and last pixels of each channel of Subaru's cameras, e.g. S_EFMN11 and S_EFMX11 for channel 1 along x.
_CHANNEL = re.compile(r"([ST]_EF)MN(\d)1")
_MOST_SECTIONS = 256
# Sections must cover this share of the image; others describe the raw frame from which the image was made.
_LEAST_COVERED = 0.5
_LARGEST_BINNING = 8


def amplifier_sections(headers: Iterable[Any], shape: tuple[int, int]) -> tuple[Section, ...]:
    """Find the sections of the amplifiers of an image that was read out by several.

    They are given by DATASECA, DATASECB, ... (DECam), DSEC11, DSEC21, ... (CTIO), TRIMSEC, CCDSEC or AMPSEC with a
    letter or a number, S_EFMN11 and S_EFMX11 (Subaru), or AMPSIZE.

    Parameters
    ----------
    headers : iterable of mapping
        Header of the image, then others that hold for it, too.
    shape : (height, width)

    Returns
    -------
    tuple of Section
        Sections that lie in the image, do not overlap, and cover at least half of it; empty if there are none.
    """
    for header in headers:
        cards: dict[str, dict[str, Section]] = {}
        channels: list[re.Match[str]] = []
        for name in header:
            if not isinstance(name, str):
                continue
            if (found := _CARD.fullmatch(name)) and (section := _section(header, name)):
                cards.setdefault(found[1], {})[found[2]] = section
            elif found := _CHANNEL.fullmatch(name):
                channels.append(found)
        if not cards and not channels and "AMPSIZE" not in header:
            continue
        for sections in _choices(header, cards, channels, shape):
            if _fit(sections, shape):
                return tuple(sections)
    return ()


def _section(header: Any, name: str) -> Section | None:
    """Return the section of a card, in array pixels; None if it holds none."""
    found = _SECTION.fullmatch(text_of(header, name))
    if found is None:
        return None
    x1, x2, y1, y2 = (int(number) for number in found.groups())
    return min(x1, x2) - 1, min(y1, y2) - 1, abs(x2 - x1) + 1, abs(y2 - y1) + 1


def _choices(
    header: Any, cards: dict[str, dict[str, Section]], channels: Sequence[re.Match[str]], shape: tuple[int, int]
) -> Iterator[list[Section]]:
    """Iterate over the sections that each kind of cards gives, those in pixels of the image first."""
    for name in _IN_IMAGE:
        yield [section for _, section in sorted(cards.get(name, {}).items())]
    for name in _IN_DETECTOR:
        sections = [section for _, section in sorted(cards.get(name, {}).items())]
        yield sections
        yield list(_into_image(header, sections, shape))
    yield list(_of_channels(header, channels))
    if (size := _section(header, "AMPSIZE")) is not None:
        (height, width), (_, _, columns, rows) = shape, size
        if width % columns == 0 and height % rows == 0 and (width // columns) * (height // rows) <= _MOST_SECTIONS:
            yield [(x, y, columns, rows) for y in range(0, height, rows) for x in range(0, width, columns)]


def _into_image(header: Any, sections: Iterable[Section], shape: tuple[int, int]) -> Iterator[Section]:
    """Iterate over sections in pixels of the detector, as pixels of an image that may be binned or a part of it."""
    height, width = shape
    binning = _binning(header)
    for x, y, columns, rows in sections:
        edges = []
        for axis, (start, size, limit) in enumerate(((x, columns, width), (y, rows, height))):
            scale = _number(header, f"LTM{axis + 1}_{axis + 1}", 1 / binning[axis])
            shift = _number(header, f"LTV{axis + 1}", 0.5 * (1 - scale))
            # IRAF's cards map pixels that are counted from 1: image = LTM x detector + LTV.
            ends = sorted(scale * (at + 0.5) + shift - 0.5 for at in (start, start + size))
            edges.append([min(max(round(end), 0), limit) for end in ends])
        (left, right), (bottom, top) = edges
        if right > left and top > bottom:
            yield left, bottom, right - left, top - bottom


def _number(header: Any, name: str, default: float) -> float:
    value = value_of(header, name)
    return float(value) if isinstance(value, int | float) and np.isfinite(value) and value != 0 else default


def _binning(header: Any) -> tuple[int, int]:
    """Return the binning on the chip that CCDSUM gives, e.g. "2 2"."""
    numbers = text_of(header, "CCDSUM").split()
    if len(numbers) == 2 and all(number in "12345678" for number in numbers):
        return int(numbers[0]), int(numbers[1])
    return 1, 1


def _of_channels(header: Any, channels: Sequence[re.Match[str]]) -> Iterator[Section]:
    for found in channels:
        start, number = found[1], found[2]
        ends = [value_of(header, f"{start}{end}{number}{axis}") for axis in (1, 2) for end in ("MN", "MX")]
        if all(isinstance(end, int) for end in ends):
            x1, x2, y1, y2 = ends
            yield x1 - 1, y1 - 1, x2 - x1 + 1, y2 - y1 + 1


def _fit(sections: Sequence[Section], shape: tuple[int, int]) -> bool:
    """Return whether sections can be those of the amplifiers of an image."""
    height, width = shape
    if not 2 <= len(sections) <= _MOST_SECTIONS:
        return False
    if any(x < 0 or y < 0 or w < 1 or h < 1 or x + w > width or y + h > height for x, y, w, h in sections):
        return False
    if any(
        a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]
        for a, b in itertools.combinations(sections, 2)
    ):
        return False
    return sum(w * h for _, _, w, h in sections) >= _LEAST_COVERED * width * height


def label_sections(sections: Sequence[Section], shape: tuple[int, int]) -> np.ndarray:
    """Make an image with the number of the section of each pixel, counted from 1; 0 is no section.

    Parameters
    ----------
    sections : sequence of Section
    shape : (height, width)

    Returns
    -------
    ndarray of uint8, or of uint16 if there are more than 255 sections
    """
    labels = np.zeros(shape, np.uint8 if len(sections) < 256 else np.uint16)
    for number, (x, y, width, height) in enumerate(sections, 1):
        labels[y : y + height, x : x + width] = number
    return labels


def detector_map(header: Any, shape: tuple[int, int]) -> AffineMap | None:
    """Return the map from pixels of an image to those of the mosaic of detectors, which DETSEC gives.

    Parameters
    ----------
    header : mapping
        DETSEC is the place of DATASEC, or of the whole image, in the mosaic; it may be turned and binned.
    shape : (height, width)

    Returns
    -------
    AffineMap or None
        None if there is no DETSEC, or if it has another size, as in a cut-out.
    """
    place = _SECTION.fullmatch(text_of(header, "DETSEC"))
    if place is None:
        return None
    height, width = shape
    data = _section(header, "DATASEC")
    for x, y, columns, rows in [section for section in (data, (0, 0, width, height)) if section is not None]:
        if x + columns > width or y + rows > height:  # of the raw frame
            continue
        first, second = (
            _along(int(place[n]), int(place[n + 1]), start, size) for n, start, size in ((1, x, columns), (3, y, rows))
        )
        if first is not None and second is not None:
            return first[0], 0.0, first[1], 0.0, second[0], second[1]
    return None


def _along(start: int, end: int, first: int, size: int) -> tuple[float, float] | None:
    """Return scale and shift from pixels of an image to those of the mosaic, along one axis; None if sizes differ."""
    binning, rest = divmod(abs(end - start) + 1, size)
    if rest or not 1 <= binning <= _LARGEST_BINNING:
        return None
    # The outer edge of the first pixel is that of the section; pixels of the mosaic are counted from 1.
    sign = 1 if end >= start else -1
    edge = start - 0.5 * sign
    return float(sign * binning), edge - sign * binning * (first - 0.5)
