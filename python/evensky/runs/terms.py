"""Images of the terms of a match: labels of detectors and amplifiers, and templates, for each exposure."""

from __future__ import annotations

__all__ = ["check_term_files", "load_planes", "state_of_terms"]

import hashlib
import itertools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._text import printable
from ..errors import FitsError, InvalidParameterError
from ..fits.companions import split_extension
from ..fits.descriptions import Section, Selection
from ..fits.sections import label_sections
from ..image.foreign import as_planes
from ..io.file_names import fill_selection
from ..io.formats import describe, read_image
from ..matching.joint.terms import Term
from .source import Item

Shape = tuple[int, int]


def check_term_files(terms: Sequence[Term], items: Sequence[Item]) -> list[Path]:
    """Return the files of all terms.

    Raises
    ------
    evensky.errors.FitsError
        If a file does not exist.
    evensky.errors.InvalidParameterError
        If a pattern cannot be filled in, or a list has not one element for each exposure.
    """
    files: dict[Path, None] = {}
    for term in terms:
        for item in items:
            data = _data_for(term, item, len(items))
            if isinstance(data, Path):
                path, _ = split_extension(data)
                if not os.path.exists(path):
                    sections = "" if term.kind == "template" else ". Numbers of sections are written as in 8x1"
                    options = ". Options after a colon are shared and required" if ":" in path.name else ""
                    raise FitsError(
                        f"{printable(str(path))}: is not there; the term {term} needs it. {{stem}}, {{name}} and "
                        "{dir} in its name stand for the stem, the name and the folder of each exposure's file"
                        f"{sections}{options}"
                    )
                files[path] = None
    return list(files)


def state_of_terms(terms: Sequence[Term], items: Sequence[Item]) -> list[str]:
    """Return texts that change if arrays of the terms change; those of files are known by their size and time."""
    texts = []
    for term in terms:
        seen: dict[int, None] = {}
        for item in items:
            data = _data_for(term, item, len(items))
            if data is None or isinstance(data, Path | tuple) or id(data) in seen:
                continue
            seen[id(data)] = None
            texts.append(f"{term.name}: {hashlib.sha256(_values(data).tobytes()).hexdigest()}")
    return texts


def load_planes(
    terms: Sequence[Term],
    items: Sequence[Item],
    shapes: Sequence[Shape | None],
    amplifiers: Callable[[Item, Shape], tuple[Section, ...]],
) -> dict[str, list[np.ndarray | None]]:
    """Load the images of all terms that have any.

    Parameters
    ----------
    terms : sequence of Term
    items : sequence of Item
        The exposures.
    shapes : sequence of (height, width) or None
        Their shapes; None for one that could not be read.
    amplifiers : callable
        Function of an exposure and its shape that returns the sections that its header gives; see
        `evensky.fits.sections.amplifier_sections`.

    Returns
    -------
    dict of str to list of ndarray or None
        For each term an image per exposure: labels in the smallest integer type, or templates of float32. Exposures
        with the same data share one array. None for exposures without, such as those whose headers give no sections.

    Raises
    ------
    evensky.errors.FitsError
        If a file cannot be read.
    evensky.errors.InvalidParameterError
        If an image has another size than an exposure, labels are no whole numbers, or a template has no structure.
    """
    planes = {}
    for term in terms:
        if term.kind not in ("detector", "amplifier", "template"):
            continue
        loader = _Loader(term, len(items))
        planes[term.name] = [
            None if shape is None else loader.plane(item, shape, amplifiers)
            for item, shape in zip(items, shapes, strict=True)
        ]
        if term.kind == "template":
            _check_structure(term, planes[term.name])
    return planes


def _check_structure(term: Term, planes: Sequence[np.ndarray | None]) -> None:
    """Refuse a template that is the same in all pixels of all exposures; single chips may well be empty."""
    different = {id(plane): plane for plane in planes if plane is not None}.values()
    values = [finite for plane in different if (finite := plane[np.isfinite(plane)]).size]
    if not values:
        if different:
            raise InvalidParameterError(
                f"The template of the term {term} has no finite pixel; give an image of the pattern"
            )
        return
    low, high = min(one.min() for one in values), max(one.max() for one in values)
    if low == high:
        raise InvalidParameterError(
            f"The template of the term {term} is {low:g} in all pixels; the level belongs to the term smooth, and a "
            "template must have structure"
        )


class _Loader:
    """The images of one term; each is made once."""

    def __init__(self, term: Term, number: int) -> None:
        self._term = term
        self._number = number
        self._made: dict[Any, np.ndarray] = {}

    def plane(
        self, item: Item, shape: Shape, amplifiers: Callable[[Item, Shape], tuple[Section, ...]]
    ) -> np.ndarray | None:
        data = _data_for(self._term, item, self._number)
        if data is None:
            sections = amplifiers(item, shape) if self._term.kind == "amplifier" else ()
            return self._once((sections, shape), lambda: label_sections(sections, shape)) if sections else None
        if isinstance(data, tuple):
            return self._once((data, shape), lambda: label_sections(self._equal_sections(data, item, shape), shape))
        if isinstance(data, Path):
            plane = self._once((data, item.slot), lambda: self._checked(_read(data, item), str(data)))
        else:
            plane = self._once(id(data), lambda: self._checked(_values(data), "the array"))
        if plane.shape != shape:
            has, needs = (f"{size[1]} x {size[0]}" for size in (plane.shape, shape))
            raise InvalidParameterError(
                f"The image of the term {self._term} has {has} px, but exposure {item.label} has {needs}; it must be "
                "in the pixels of the exposure. Give one for each exposure (a list, or {stem} in the name of the file) "
                "if their sizes differ"
            )
        return plane

    def _once(self, key: Any, make: Callable[[], np.ndarray]) -> np.ndarray:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def _equal_sections(self, numbers: tuple[int, int], item: Item, shape: Shape) -> list[Section]:
        if any(number > size for number, size in zip(numbers, reversed(shape), strict=True)):
            raise InvalidParameterError(
                f"The term {self._term} has more sections than exposure {item.label} has pixels, "
                f"{shape[1]} x {shape[0]}"
            )
        x, y = (
            [round(n * size / number) for n in range(number + 1)]
            for number, size in zip(numbers, reversed(shape), strict=True)
        )
        return [
            (left, bottom, right - left, top - bottom)
            for bottom, top in itertools.pairwise(y)
            for left, right in itertools.pairwise(x)
        ]

    def _checked(self, array: np.ndarray, name: str) -> np.ndarray:
        """Return an image in the type of its kind of term."""
        if self._term.kind == "template":
            return np.asarray(array, np.float32)
        return self._labels(array, name)

    def _labels(self, array: np.ndarray, name: str) -> np.ndarray:
        if array.dtype.kind == "f":
            finite = np.where(np.isfinite(array), array, 0)
            if np.any(finite != np.rint(finite)) or np.abs(finite).max(initial=0) >= 2**31:
                raise InvalidParameterError(
                    f"The term {self._term}: {printable(name)} holds fractions or very large numbers; labels are whole "
                    "numbers, 0 where there is none. An image to fit is a template, e.g. template=fringes.fits"
                )
            array = finite.astype(np.int64)
        if array.min(initial=0) < 0:
            raise InvalidParameterError(
                f"The term {self._term}: {printable(name)} holds the label {array.min()}; labels start at 1, and 0 is "
                "for pixels without one"
            )
        return np.asarray(array, np.min_scalar_type(int(array.max(initial=0))))


def _data_for(term: Term, item: Item, number: int) -> Any:
    """Return the data of a term for one exposure: an array, a path, the numbers of sections, or None."""
    if term.sections is not None:
        return term.sections
    data = term.data
    if isinstance(data, list) and not (data and isinstance(data[0], list)):  # not an image as lists of numbers
        if len(data) != number:
            raise InvalidParameterError(
                f"The term {term} has a list of {len(data)} images for {number} exposures; give one for each, None for "
                "those without"
            )
        data = data[item.index]
    if isinstance(data, str | os.PathLike):
        stem = item.label.removesuffix(f"[{item.image.name}]") if item.slot and item.image else item.label
        chosen = fill_selection(Selection(mask=os.fspath(data)), item.path or Path(item.label), stem)
        return Path(str(chosen.mask))
    return data


def _values(data: Any) -> np.ndarray:
    """Return the values of an image in memory; NaN, or 0 among whole numbers, where it is masked."""
    planes = as_planes(data)
    if planes.mask is None or not planes.reject:
        return planes.image
    none = np.nan if planes.image.dtype.kind == "f" else 0
    return np.where((planes.mask & np.int32(planes.reject)) != 0, none, planes.image).astype(planes.image.dtype)


def _read(path: Path, item: Item) -> np.ndarray:
    """Read the image of a term; of a file with several, that of the same chip."""
    file, hdu = split_extension(path)
    images = describe(file, Selection(hdu=hdu, mask="none", variance="none")).images
    image = images[0]
    if len(images) > 1:
        same = [one for one in images if one.slot == item.slot]
        if not same:
            raise FitsError(
                f"{printable(str(file))}: has {len(images)} images, and none is for exposure {item.label}; name one, "
                f"e.g. {file.name}[{image.name}]"
            )
        image = same[0]
    return read_image(image).image.array
