"""A survey of exposures before a run: what each file holds, and whether the exposures belong together."""

from __future__ import annotations

__all__ = ["Survey", "check_grid", "place_items", "survey_files"]

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from .._text import printable, reason_of
from ..errors import EvenskyError, InvalidParameterError, UnsuitableError
from ..fits.companions import split_extension
from ..fits.descriptions import ALLOWED, ON_SKY, AffineMap, FileDescription, ImageDescription, Selection, is_fact
from ..io.file_names import ending_of, fill_selection, unique_labels
from ..io.formats import describe
from ..matching.focal_plane import place_chips
from ..matching.placement import GridMember, place
from ..matching.sets import check_filters, check_units, several
from ..matching.sky_plane import place_on_sky
from ..matching.units import is_per_pixel, most_common_unit
from .record import InputSummary
from .source import Item, MemorySource

# Areas of pixels within this ratio are equal.
_SAME_AREA = 1.0001
# Gap between the areas of pixels, as a ratio, beyond which they are not due to the distortion of one instrument.
_ONE_FLAT_FIELD = 0.1


@dataclass
class Survey:
    """What the files of a run hold.

    Attributes
    ----------
    files : list of FileDescription or EvenskyError
        One per file; the error that says why a file cannot be used.
    items : list of Item
        The exposures, in the order of the files; a file that cannot be used has one, which fails when it is read.
    notes : list of str
        What was assumed of the exposures as a set, in sentences.
    problems : list of str
        Reasons why the exposures cannot be matched, in sentences.
    """

    files: list[FileDescription | EvenskyError]
    items: list[Item]
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def refuse(self, *, strict: bool = False) -> None:
        """Raise an error if there are problems.

        Parameters
        ----------
        strict : bool, optional
            Count notes, and files that cannot be used, as problems.

        Raises
        ------
        evensky.errors.UnsuitableError
        """
        problems = list(self.problems)
        if strict:
            problems += [reason_of(file) for file in self.files if isinstance(file, EvenskyError)]
            problems += self.doubts
        if problems:
            raise UnsuitableError(problems)

    @property
    def by_file(self) -> list[list[Item]]:
        """The exposures of each file."""
        items = iter(self.items)
        return [list(islice(items, len(getattr(file, "images", (None,))))) for file in self.files]

    @property
    def wcs(self) -> list[Any]:
        """The WCS of each exposure; None for one that has none, or that cannot be used."""
        return [wcs for file in self.files for wcs in (file.wcs if isinstance(file, FileDescription) else (None,))]

    @property
    def inputs(self) -> list[InputSummary]:
        """What is used of each exposure, as text."""
        return [_summary(item, file) for file, items in zip(self.files, self.by_file, strict=True) for item in items]

    @property
    def doubts(self) -> list[str]:
        """Notes on the set, and on each file with its name in front."""
        found = [note for note in self.notes if not is_fact(note)]
        for file in self.files:
            if isinstance(file, FileDescription):
                name = printable(file.path.name)
                found += [f"{name}: {note}" for note in file.notes if not is_fact(note)]
                for image in file.images:
                    where = f"{name}[{image.name}]" if image.slot else name
                    found += [f"{where}: {note}" for note in image.notes if not is_fact(note)]
        return found


def check_allowed(allow: Collection[str]) -> None:
    """Raise an error for a name that is not one of `ALLOWED`.

    Raises
    ------
    evensky.errors.InvalidParameterError
    """
    for name in allow:
        if name not in ALLOWED:
            known = ", ".join(f"{name!r} ({meaning})" for name, meaning in ALLOWED.items())
            raise InvalidParameterError(f"allow = {name!r}; what can be allowed is {known}")


def survey_files(
    paths: Sequence[Path],
    selection: Selection,
    out_dir: Path | None = None,
    *,
    shifted: bool = True,
    same_grid: bool = False,
    allow: Collection[str] = (),
    pixel_values: str = "auto",
    combined: bool = False,
    look: Callable[[int, Any, ImageDescription], object] | None = None,
) -> Survey:
    """Describe files, and check whether their exposures belong together.

    Parameters
    ----------
    paths : sequence of Path
    selection : Selection
        Its locations may be patterns, see `evensky.io.file_names.fill_pattern`.
    out_dir : Path, optional
        Folder of the outputs.
    shifted : bool, optional
        Whether exposures may lie at different places of one pixel grid.
    same_grid : bool, optional
        Take the exposures to be on one pixel grid, whatever their WCS says.
    allow : collection of str, optional
        Names of `ALLOWED`.
    pixel_values : str, optional
        See `evensky.matching.joint.config.MatchAllConfig`.
    combined : bool, optional
        Whether the exposures are combined: they may be outputs of a match, and whether they have a common grid is not
        looked at, as the caller finds one.
    look : callable, optional
        Called with the number of each exposure of a FITS file, the open HDUs of the file, and its description.

    Returns
    -------
    Survey
        A file that cannot be read does not stop the others.

    Raises
    ------
    evensky.errors.InvalidParameterError
        For a pattern that cannot be filled in, or a name that is not one of `ALLOWED`.
    """
    check_allowed(allow)
    named = [split_extension(path) for path in paths]
    stems = unique_labels([_as_file(path, hdu) for path, hdu in named])
    files: list[FileDescription | EvenskyError] = []
    items: list[Item] = []
    for (path, hdu), stem in zip(named, stems, strict=True):
        output = None if out_dir is None else out_dir / f"{stem}_matched{ending_of(path)}"
        chosen = fill_selection(selection if hdu is None else replace(selection, hdu=hdu), path, stem)
        images: Sequence[ImageDescription | None] = (None,)
        places: Sequence[AffineMap | None] | None = None
        try:
            file: FileDescription | EvenskyError = describe(
                path, chosen, None if look is None else partial(_look_at_all, look, len(items))
            )
            assert isinstance(file, FileDescription)
            images = file.images
            if len(images) > 1:
                places = place_chips([one.place for one in file.images], [one.shape for one in file.images], file.wcs)
        except EvenskyError as error:  # reported with the exposure, as the other files may be usable
            file = error
        files.append(file)
        for image, to_plane in zip(images, places or [None] * len(images), strict=True):
            label = stem if image is None or not image.slot else f"{stem}[{image.name}]"
            slot = "" if image is None else image.slot
            items.append(Item(len(items), label, path, output, image, slot=slot, to_plane=to_plane))
    survey = Survey(files, items)
    _check_roles(survey, allow, matched=combined)
    usable = [item for item in items if item.image is not None]
    described = [item.image for item in items if item.image is not None]
    labels = [item.label for item in usable]
    if "filters" not in allow:
        problems, notes = check_filters(labels, [image.filter for image in described])
        survey.problems += problems
        survey.notes += notes
    if "units" not in allow:
        problems, notes = check_units(labels, [image.unit for image in described])
        survey.problems += problems
        survey.notes += notes
    if not combined:
        _place(survey, shifted=shifted, same_grid=same_grid, pixel_values=pixel_values)
    usable = [item for item in survey.items if item.image is not None and item.map is None]
    if not combined and len({item.slot == "" for item in usable}) > 1:
        alone, chips = (next(item.label for item in usable if (item.slot == "") is one) for one in (True, False))
        survey.problems.append(
            f"files of one image ({alone}) and of several ({chips}) are mixed; choose one image of each (hdu, --hdu, "
            "or file.fits[SCI,2])"
        )
    # Several chips may have the same notes and problems.
    survey.notes, survey.problems = list(dict.fromkeys(survey.notes)), list(dict.fromkeys(survey.problems))
    return survey


def _look_at_all(
    look: Callable[[int, Any, ImageDescription], object], first: int, hdus: Any, file: FileDescription
) -> None:
    """Show the exposures of an open file, which are numbered from `first` on."""
    for number, image in enumerate(file.images, first):
        look(number, hdus, image)


def _as_file(path: Path, hdu: str | None) -> Path:
    """Return a file name of its own for one image of a file."""
    if hdu is None:
        return path
    ending = ending_of(path)
    # An EXTNAME may hold any character, also those that a file name cannot have.
    name = re.sub(r"[^\w.+-]", "_", hdu)
    return path.with_name(f"{path.name.removesuffix(ending)}_{name}{ending}")


def _few(names: Sequence[str]) -> str:
    """Return names in a row, but not too many."""
    more = f" and {len(names) - 5} more" if len(names) > 6 else ""
    return ", ".join(names[:5] if more else names) + more


def _check_roles(survey: Survey, allow: Collection[str], *, matched: bool) -> None:
    """Refuse files that are no exposures; outputs of a match may be what is wanted."""
    roles: dict[str, list[str]] = {}
    for file in survey.files:
        if isinstance(file, FileDescription):
            roles.setdefault(file.role, []).append(printable(file.path.name))
    maps = [name for role in ("weight map", "mask") for name in roles.get(role, [])]
    if maps and "maps" not in allow:
        survey.problems.append(
            f"weight maps or masks are given as exposures: {_few(maps)}; leave them out (they are found beside their "
            "images, or named by mask, variance or weight), or allow them (allow=['maps'], --allow maps)"
        )
    if (earlier := roles.get("earlier output")) and not matched and "outputs" not in allow:
        survey.problems.append(
            f"outputs of an earlier run are given as exposures: {_few(earlier)}; leave them out, or allow them "
            "(allow=['outputs'], --allow outputs)"
        )
    if (combined := roles.get("coadd")) and "outputs" not in allow:
        survey.problems.append(
            f"combined exposures are given as exposures: {_few(combined)}; leave them out, or allow them "
            "(allow=['outputs'], --allow outputs)"
        )


def _place(survey: Survey, *, shifted: bool, same_grid: bool, pixel_values: str) -> None:
    """Set the positions of all exposures: on the common grid of their chip or, if they have none, on the sky."""
    wcs = survey.wcs
    usable = [item for item in survey.items if item.image is not None]
    members = [
        GridMember(item.label, item.image.shape, item.image.origin, wcs[item.index])
        for item in usable
        if item.image is not None
    ]
    slots = list(dict.fromkeys(item.slot for item in usable))
    alike = len({slot == "" for slot in slots}) < 2
    problems: list[str] = []
    assumed: list[str] = []
    for slot in slots:
        some = [number for number, item in enumerate(usable) if item.slot == slot]
        origins, notes, reasons = check_grid([members[number] for number in some], shifted=shifted, same_grid=same_grid)
        assumed += notes
        problems += reasons
        for number, origin in zip(some, origins, strict=True):
            index = usable[number].index
            survey.items[index] = replace(survey.items[index], origin=origin)
    if not shifted or same_grid or (alike and not problems):
        survey.notes += assumed
        survey.problems += problems
        return
    kinds = [(item.image.unit, item.image.instrument) for item in usable if item.image is not None]
    placed, notes, reasons = place_members(usable, members, kinds, pixel_values)
    survey.notes += notes
    survey.problems += _without_place(members, problems, reasons)
    for item in placed:
        survey.items[item.index] = item


def place_members(
    items: Sequence[Item], members: Sequence[GridMember], kinds: Sequence[tuple[str, str]], pixel_values: str = "auto"
) -> tuple[list[Item], list[str], list[str]]:
    """Place exposures on the sky, each with its own WCS; return them, notes, and reasons if that is impossible.

    Parameters
    ----------
    items : sequence of Item
    members : sequence of GridMember
    kinds : sequence of (str, str)
        Units and instruments of the exposures; "" for what is unknown.
    pixel_values : str, optional
        See `evensky.matching.joint.config.MatchAllConfig`.
    """
    usual = most_common_unit(unit for unit, _ in kinds)  # values without a unit are compared with the others, too
    per_pixel = [
        is_per_pixel(unit or usual) if pixel_values == "auto" else pixel_values == "per_pixel" for unit, _ in kinds
    ]
    placement = place_on_sky(members, per_pixel=per_pixel)
    if placement.problems or placement.plane is None:
        *problems, last, cure = placement.problems
        return list(items), placement.notes, [*problems, f"{last}; {cure}"]
    maps = [one for one in placement.maps if one is not None]  # all of them, as there are no problems
    # The chips of a file have one flat field, whatever their instrument.
    names = [name or (str(item.path) if item.slot else "") for item, (_, name) in zip(items, kinds, strict=True)]
    scales = _common_scales([one.scale for one in maps], names)
    header = placement.plane.wcs.to_header().tostring(sep="\n")
    placed = []
    for item, member, one, scale in zip(items, members, maps, scales, strict=True):
        east, north = placement.plane.offsets(*one.corners().T)
        outline = tuple(zip(np.round(east, 7).tolist(), np.round(north, 7).tolist(), strict=True))
        on_plane = replace(one, scale=scale)
        placed.append(replace(item, origin=member.origin or (0, 0), map=on_plane, outline=outline, plane=header))
    pixel = 3600 * np.degrees(np.sqrt(placement.plane.pixel_area))
    notes = [
        f"{ON_SKY}: their pixel grids differ, so the nearest pixels are compared on a plane with pixels of "
        f"{pixel:.4g} arcsec"
    ]
    if max(scales) > _SAME_AREA * min(scales):
        notes.append(
            f"{ON_SKY}: values are per pixel, and the areas of pixels differ by a factor of up to "
            f"{max(scales) / min(scales):.4g}, so values are compared per area"
        )
        unknown = [member.label for member, (unit, _) in zip(members, kinds, strict=True) if not unit]
        if unknown and pixel_values == "auto":
            verb = "has" if len(unknown) == 1 else "have"
            notes.append(
                f"{several(unknown)} {verb} no unit (BUNIT), so the values are taken to be per pixel, as counts are; "
                "if they are surface brightness, say so with -c pixel_values=per_area (pixel_values='per_area')"
            )
    return placed, [*notes, *placement.notes], []


def _without_place(members: Sequence[GridMember], problems: Sequence[str], reasons: Sequence[str]) -> list[str]:
    """Return why exposures have no common place, if they are neither on one pixel grid nor can be placed on the sky."""
    if not reasons or not problems:
        return list(reasons)
    if all(member.wcs is None for member in members):
        *others, last = problems
        return [
            *others,
            f"{last}; use files with their WCS, or compare pixels as they stand with --same-grid (same_grid=True)",
        ]
    return [f"the pixel grids of the exposures differ, so that each needs a celestial WCS: {reasons[0]}", *reasons[1:]]


def _common_scales(scales: Sequence[float], instruments: Sequence[str]) -> list[float]:
    """Return the factors for the areas of pixels, the same for all exposures of an instrument.

    A flat field makes the sky the same in all pixels of an instrument, whatever their areas on the sky. Areas that
    differ by more, as between binned and other exposures, are not those of one flat field.
    """
    result = np.array(scales, float)
    names = np.array(instruments, object)
    for name in set(instruments) - {""}:
        own = np.flatnonzero(names == name)
        own = own[np.argsort(result[own], kind="stable")]
        for alike in np.split(own, np.flatnonzero(np.diff(np.log(result[own])) > _ONE_FLAT_FIELD) + 1):
            result[alike] = result[alike].mean()
    return [float(scale) for scale in result]


def check_grid(
    members: Sequence[GridMember], *, shifted: bool = True, same_grid: bool = False
) -> tuple[list[tuple[int, int] | None], list[str], list[str]]:
    """Return the origins of exposures on their common pixel grid, notes, and reasons why there is none.

    Parameters
    ----------
    members : sequence of GridMember
    shifted : bool, optional
        Whether exposures may lie at different places of the grid.
    same_grid : bool, optional
        Take the exposures to be on one pixel grid, whatever their WCS says.
    """
    if not members:
        return [], [], []
    placement = place(members, same_grid=same_grid)
    problems = list(placement.problems)
    if problems:
        *problems, last, cure = problems
        # Exposures that may be shifted can also be placed on the sky.
        problems.append(last if shifted and not same_grid else f"{last}; {cure}")
        return [None] * len(members), placement.notes, problems
    apart = [
        f"{member.label} by ({x - placement.origins[0][0]}, {y - placement.origins[0][1]}) px"
        for member, (x, y) in zip(members, placement.origins, strict=True)
        if (x, y) != placement.origins[0]
    ]
    if apart and not shifted and same_grid:
        return [placement.origins[0]] * len(members), placement.notes, problems
    if apart and not shifted:
        problems.append(
            f"exposures are shifted against {members[0].label}: {_few(apart)}; the method 'reference' compares pixel "
            "by pixel: use the method 'all', or overrule the origins (same_grid=True, --same-grid)"
        )
    return list(placement.origins), placement.notes, problems


def place_items(source: MemorySource, *, shifted: bool, same_grid: bool, pixel_values: str = "auto") -> list[str]:
    """Set the positions of exposures in memory on their common pixel grid, and return notes.

    A match pixel by pixel takes exposures without a WCS as they are, whatever their bounding boxes.

    Parameters
    ----------
    source : MemorySource
    shifted : bool
        Whether exposures may lie at different places of the grid.
    same_grid : bool
        Take the exposures to be on one pixel grid, whatever their WCS says.
    pixel_values : str, optional
        See `evensky.matching.joint.config.MatchAllConfig`.

    Raises
    ------
    evensky.errors.UnsuitableError
        If they are not on one grid, and cannot be placed on the sky.
    """
    found = source.members()
    members = [member for member in found if member is not None]
    if any(member.origin is not None for member in members):
        # Arrays begin at (0, 0) of the grid on which other exposures have an origin.
        members = [member if member.origin is not None else replace(member, origin=(0, 0)) for member in members]
    if not members or (not shifted and any(member.wcs is None for member in members)):
        return []
    origins, notes, problems = check_grid(members, shifted=shifted, same_grid=same_grid)
    numbers = [number for number, member in enumerate(found) if member is not None]
    if problems:
        if not shifted or same_grid:
            raise UnsuitableError(problems)
        kinds = [source.kind_of(source.items[number]) for number in numbers]
        items = [source.items[number] for number in numbers]
        placed, notes, reasons = place_members(items, members, kinds, pixel_values)
        if reasons:
            raise UnsuitableError(_without_place(members, problems, reasons))
        for item in placed:
            source.items[item.index] = item
        return notes
    for number, origin in zip(numbers, origins, strict=True):
        source.items[number] = replace(source.items[number], origin=origin)
    return notes


def _summary(item: Item, file: FileDescription | EvenskyError) -> InputSummary:
    image = item.image
    if image is None or isinstance(file, EvenskyError):
        assert isinstance(file, EvenskyError)
        return InputSummary(item.label, item.place, "", "", "", "", "", "", None, [reason_of(file)])
    height, width = image.shape
    mask = errors = "none"
    if image.mask is not None:
        mask = image.mask.summary
    if image.variance is not None:
        errors = f"{image.variance.name}: {image.variance.sense}"
    ignored = [f"not used: {', '.join(file.ignored)}"] if file.ignored and image is file.images[0] else []
    sections = len(image.amplifiers)
    amplifiers = [f"the header gives {sections} sections of amplifiers"] if sections else []
    return InputSummary(
        item.label,
        item.place,
        image.layout,
        f"{image.name}, {width} x {height}",
        mask,
        errors,
        image.unit,
        image.filter,
        None if item.map is not None else item.origin,
        [*ignored, *amplifiers, *file.notes, *image.notes],
    )
