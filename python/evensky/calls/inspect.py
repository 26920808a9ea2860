"""What the files of a match hold and how they would be used, before anything is read or written."""

from __future__ import annotations

__all__ = ["Inspection", "inspect_files"]

import html
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._checks import byte_limit, names_of
from .._text import printable, reason_of, visible
from ..draw.tables import table_html, table_text
from ..errors import EvenskyError, InvalidParameterError
from ..fits.descriptions import FileDescription, ImageDescription, Selection
from ..io.file_names import refuse_one_name, refuse_twice
from ..matching.placement import GridMember
from ..runs.combine_readers import with_sources
from ..runs.covariance_file import without_covariance
from ..runs.record import InputSummary
from ..runs.source import Item
from ..runs.survey import Survey, check_grid, survey_files

if TYPE_CHECKING:
    from astropy.table import Table

_HEADER = ("exposure", "layout", "image", "mask: bad", "errors: sense", "unit", "filter", "origin")


@dataclass(repr=False)
class Inspection:
    """How files would be used, the result of `inspect_files`.

    Attributes
    ----------
    inputs : list of InputSummary
        One per exposure.
    notes : list of str
        What is doubtful, because something was assumed or ignored.
    problems : list of str
        Reasons why the exposures would be refused; empty if they can be matched.
    """

    inputs: list[InputSummary]
    notes: list[str]
    problems: list[str]
    _survey: Survey

    def is_refused(self, *, strict: bool) -> bool:
        """Return whether `match_files` would refuse the files, or could not use some of them."""
        return bool(self.problems or (strict and self.notes))

    def rows(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return the header and the rows of the table, as text."""
        return _HEADER, [_row(one) for one in self.inputs]

    def notes_of_exposures(self) -> dict[str, list[str]]:
        """Return what is used, assumed or ignored: each sentence with the exposures that it is about."""
        found: dict[str, list[str]] = {}
        for one in self.inputs:
            for note in one.notes if one.layout else ():
                found.setdefault(note, []).append(one.label)
        return found

    @property
    def notes_of_set(self) -> list[str]:
        """Notes on the exposures as a set."""
        return list(self._survey.notes)

    @property
    def table(self) -> Table:
        """The table, as an `astropy.table.Table`."""
        from astropy.table import Table as AstropyTable

        header, rows = self.rows()
        return AstropyTable(rows=rows or None, names=header, dtype=[str] * len(header))

    def as_dict(self) -> dict[str, Any]:
        """Return all descriptions in JSON types."""
        return {
            "files": [
                _file_as_dict(file, items) for file, items in zip(self._survey.files, self._survey.by_file, strict=True)
            ],
            "notes": self.notes,
            "problems": self.problems,
        }

    def __repr__(self) -> str:
        return f"Inspection({len(self.inputs)} exposures, {len(self.problems)} problems, {len(self.notes)} notes)"

    def __str__(self) -> str:
        header, rows = self.rows()
        lines = [f"{', '.join(labels)}: {note}." for note, labels in self.notes_of_exposures().items()]
        lines += [f"Note: {note}." for note in self.notes_of_set]
        lines += [f"Problem: {problem}." for problem in self.problems]
        return "\n".join([table_text(header, rows), *map(printable, lines)])

    def _repr_html_(self) -> str:
        sentences = [f"Note: {note}." for note in self.notes] + [f"Problem: {problem}." for problem in self.problems]
        return table_html(*self.rows()) + "".join(f"<p>{html.escape(printable(one))}</p>" for one in sentences)


def inspect_files(
    paths: Iterable[str | Path],
    *,
    method: str = "all",
    hdu: str | int | None = None,
    mask: str | int | None = None,
    variance: str | int | None = None,
    weight: str | int | None = None,
    bad_planes: str | Iterable[str] | None = None,
    good_bits: str | Iterable[str] | None = None,
    same_grid: bool = False,
    allow: Collection[str] = (),
    max_unpacked: int | str | None = None,
) -> Inspection:
    """Describe how files would be used by `match_files` or `combine_files`, from their headers alone.

    Parameters
    ----------
    paths : iterable of str or Path
        The files, or images of them as in ``file.fits[SCI,2]``.
    method : str, optional
        Method of the match: "all" or "reference"; the latter needs exposures that lie at the same place. "combine" for
        `combine_files`, in which pixels of sources count, and which has a grid of its own.
    hdu, mask, variance, weight, bad_planes, good_bits, same_grid, allow, max_unpacked : optional
        See `match_files` and `combine_files`.

    Returns
    -------
    Inspection
        With the layout of each file, its images, masks and errors with their meaning, units, filters, positions on the
        common grid, notes on all that was assumed or is ignored, and the reasons for which `match_files` would refuse.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If there are no files, or a parameter is not allowed.

    Examples
    --------
    >>> import evensky, numpy as np, tempfile, pathlib
    >>> from astropy.io import fits
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("a.fits", "b.fits"):
    ...     fits.writeto(folder / name, np.zeros((20, 30), np.float32))
    >>> inspection = evensky.inspect_files(sorted(folder.glob("*.fits")))
    >>> [(one.label, one.image, one.mask) for one in inspection.inputs]
    [('a', '0, 30 x 20', 'none'), ('b', '0, 30 x 20', 'none')]
    >>> inspection.problems
    []
    """
    refuse_one_name(paths)
    files = [Path(path) for path in paths]
    left_out: list[str] = []
    if method == "combine":
        files, left_out = without_covariance(files)
    if not files:
        raise InvalidParameterError("There are 0 files; at least 1 is needed")
    if method not in ("all", "reference", "combine"):
        raise InvalidParameterError(f"method = {method!r}; it must be 'all', 'reference' or 'combine'")
    combined = method == "combine"
    refuse_twice(files)
    most = byte_limit(max_unpacked, "max_unpacked")
    selection = Selection(hdu, mask, variance, weight, names_of(bad_planes), names_of(good_bits) or (), most)
    survey = survey_files(
        files, selection, shifted=method != "reference", same_grid=same_grid, allow=allow, combined=combined
    )
    if combined:
        survey.notes += left_out
        survey.items = _combined(survey, same_grid=same_grid, all_planes=selection.bad_planes is not None)
    broken = [reason_of(file) for file in survey.files if isinstance(file, EvenskyError)]
    return Inspection(survey.inputs, survey.doubts, broken + survey.problems, survey)


def _combined(survey: Survey, *, same_grid: bool, all_planes: bool) -> list[Item]:
    """Return the exposures as a combination uses them: pixels of sources count, and each has a place on a grid."""
    items = [
        item if item.image is None or all_planes else replace(item, image=with_sources(item.image))
        for item in survey.items
    ]
    found = [
        (item.index, GridMember(item.label, item.image.shape, item.image.origin, wcs))
        for item, wcs in zip(items, survey.wcs, strict=True)
        if item.image is not None
    ]
    origins, _, _ = check_grid([member for _, member in found], same_grid=same_grid)
    for (number, _), origin in zip(found, origins, strict=True):
        items[number] = replace(items[number], origin=origin)
    return items


def _row(one: InputSummary) -> tuple[str, ...]:
    if not one.layout:
        return (one.label, "cannot be used", "", "", "", "", "", "")
    origin = "" if one.origin is None else f"{one.origin[0]}, {one.origin[1]}"
    return (one.label, one.layout, one.image, one.mask, one.errors, one.unit, one.filter, origin)


def _file_as_dict(file: FileDescription | EvenskyError, items: Sequence[Item]) -> dict[str, Any]:
    if not isinstance(file, FileDescription):
        return {"path": items[0].place, "error": reason_of(file), "images": []}
    return {
        "path": visible(str(file.path)),
        "layout": file.layout,
        "role": file.role,
        "hdus": list(file.hdus),
        "ignored": list(file.ignored),
        "notes": list(file.notes),
        "images": [
            {**_image_as_dict(item.image), "label": item.label, "grid_origin": item.origin}
            for item in items
            if item.image is not None
        ],
    }


def _image_as_dict(image: ImageDescription) -> dict[str, Any]:
    fields = asdict(image)
    fields["path"] = visible(str(image.path))
    for name in ("mask", "variance"):
        if fields[name] is not None:
            fields[name] = {**fields[name], "path": visible(str(fields[name]["path"]))}
    if image.mask is not None:
        fields["mask"]["planes"] = None if image.mask.planes is None else dict(image.mask.planes)
    return fields
