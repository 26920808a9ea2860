"""The image and the planes of a file that the options of a command choose."""

from __future__ import annotations

__all__ = ["selection_of"]

from pathlib import Path

from .._checks import byte_limit, names_of
from ..fits.companions import split_extension
from ..fits.descriptions import Selection
from ..io.file_names import fill_selection, unique_labels


def selection_of(
    file: Path,
    hdu: str | None,
    mask: str | None,
    variance: str | None,
    weight: str | None,
    bad_planes: str | None,
    good_bits: str | None,
    max_unpacked: str | None = None,
) -> tuple[Path, Selection]:
    """Return a file, without the image in brackets, and the selection that the options of `plane_options` make."""
    path, named = split_extension(file)
    hdu = named if hdu is None else hdu
    most = byte_limit(max_unpacked, "--max-unpacked")
    selection = Selection(hdu, mask, variance, weight, names_of(bad_planes), names_of(good_bits) or (), most)
    return path, fill_selection(selection, path, unique_labels([path])[0])
