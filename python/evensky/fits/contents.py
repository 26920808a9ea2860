"""Contents of FITS files, described from their headers: which HDUs are images, masks and planes of errors."""

from __future__ import annotations

__all__ = ["describe_file", "describe_hdus", "filter_of"]

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import EvenskyError, FitsError, NotFoundError
from .companions import named_layout, role_by_name
from .descriptions import FileDescription, ImageDescription, Role, Selection
from .hdus import Plane, mask_cards, named_headers, names_of, planes_of, text_of, value_of
from .headers import origin_of
from .layouts import FILTER_CARDS, KINDS, LAYOUTS, MANY_CHIPS, PLAIN, UNTOLD_FILTERS, Layout, Sign
from .opening import mended, opened_headers
from .plain_headers import PlainHeader, quiet_reading
from .plane_search import File, OtherFiles, find_hdu, find_planes
from .quiet import quiet
from .sections import amplifier_sections, detector_map
from .wcs_limits import made_wcs, plain_wcs

# ---- layout ----


def _matches(sign: Sign, primary: Any, planes: Sequence[Plane]) -> bool:
    if not sign.words <= {plane.word for plane in planes}:
        return False
    headers = [primary, *(plane.header for plane in planes)]
    for keyword, pattern in sign.cards.items():
        if not any(re.fullmatch(pattern, text_of(header, keyword), re.IGNORECASE) for header in headers):
            return False
    masks = [plane for plane in planes if plane.kind == "mask"]
    if sign.mask_cards and not any(mask_cards(plane.header, sign.mask_cards) for plane in masks):
        return False
    return not sign.mask_of_uint32 or any(
        value_of(plane.header, "BITPIX") == 32 and value_of(plane.header, "BZERO") == 2**31 for plane in masks
    )


def _layout_of(primary: Any, planes: Sequence[Plane]) -> Layout:
    for layout in LAYOUTS:
        if any(_matches(sign, primary, planes) for sign in layout.signs):
            return layout
    return PLAIN


# ---- science images ----


def _no_image(planes: Sequence[Plane], path: Path) -> FitsError:
    full = [plane.shape for plane in planes if plane.shape and 0 not in plane.shape]
    if full:
        found = f"its images have {len(full[0])} dimensions"
    else:
        found = "its image has no pixels" if any(plane.shape for plane in planes) else "there is no image in it"
    return FitsError(f"{path}: {found}; a two-dimensional image is needed")


def _is_chip(plane: Plane) -> bool:
    """Tell whether a name is that of one chip among several: none, or one with a number."""
    return not plane.label or any(letter.isdigit() for letter in plane.label)


def _chosen(planes: Sequence[Plane], layout: Layout, path: Path) -> tuple[Layout, list[Plane]]:
    """Choose the science images of a file; the layout is replaced if no row of the table but the order decides."""
    images = [plane for plane in planes if plane.two_axes]
    named = [plane for plane in planes if plane.word in layout.science and plane.kind == "science"]
    if not images or (named and not any(plane.two_axes for plane in named)):
        raise _no_image(named or planes, path)
    if named := [plane for plane in named if plane.two_axes]:
        return layout, named if layout.several else named[:1]
    science = [plane for plane in images if plane.kind == "science"] or [plane for plane in images if not plane.kind]
    cubes = [plane for plane in planes if plane.kind in (None, "science") and len(plane.shape) > 2]
    if cubes and not science:
        raise _no_image(cubes, path)
    if not science:
        return layout, images[:1]
    # Cards of the HDU itself, and names that say "science", are believed before order.
    if layout is PLAIN and len(science) > 1:
        first = science[0]
        if first.index > 0 and (first.kind == "science" or all(map(_is_chip, science)) or _same_label(science)):
            return MANY_CHIPS, science
        if first.index > 0 and _is_chip(first):
            return MANY_CHIPS, [plane for plane in science if _is_chip(plane)]
    return layout, science if layout.several else science[:1]


def _same_label(planes: Sequence[Plane]) -> bool:
    return len({plane.label for plane in planes}) == 1


def _slots(images: Sequence[Plane]) -> list[str]:
    """Return names of chips that are the same in other files, where an EXTNAME may occur once or more often."""
    if len(images) == 1:
        return [""]
    return [f"{image.label},{image.version}" if image.label.upper() in KINDS else image.name for image in images]


# ---- what else the headers say ----


def _unit_of(header: Any, primary: Any, layout: Layout) -> str:
    return text_of(header, "BUNIT") or text_of(primary, "BUNIT") or layout.unit


def filter_of(headers: Iterable[Any], more: Iterable[Sequence[str]] = ()) -> str:
    """Return the name of the filter that headers give, the first that names one; "" if none does.

    Parameters
    ----------
    headers : iterable of mapping
    more : iterable of sequence of str, optional
        Cards that are looked at before the usual ones; see `evensky.fits.layouts.FILTER_CARDS`.
    """
    places = (*more, *FILTER_CARDS)
    for one in headers:
        for cards in places:
            values = [str(value_of(one, card, "") or "").strip() for card in cards if card in one]
            values = [value for value in values if not re.fullmatch(UNTOLD_FILTERS, value, re.IGNORECASE)]
            if values:
                return "+".join(dict.fromkeys(values))
    return ""


def _bits_of(header: Any) -> int:
    """Return BITPIX of an image, compressed or not."""
    value = header.get("ZBITPIX", header.get("BITPIX"))
    return value if isinstance(value, int) else 0


def _origin(header: Any, path: Path) -> tuple[int, int] | None:
    by_ltv = "LTV1" in header and "LTV2" in header
    # Other programs use the cards CRVAL1A and CRVAL2A for another celestial WCS.
    by_wcs = (
        "CRVAL1A" in header and "CRVAL2A" in header and text_of(header, "CTYPE1A").upper() in ("", "LINEAR", "PIXEL")
    )
    return origin_of(header, path) if by_ltv or by_wcs else None


def _wcs(image: Plane, hdus: Any, alone: bool) -> tuple[Any, list[str]]:
    """Return the celestial WCS of an image, or None; the second value is notes."""
    header = image.header
    primary = hdus[0].header
    inherits = alone or value_of(header, "INHERIT") is True
    if not text_of(header, "CTYPE1"):
        if not inherits or image.index == 0 or not text_of(primary, "CTYPE1"):
            return None, []
        header = primary
    with quiet():
        try:
            # The WCS of a plain header needs nothing of other HDUs.
            wcs = plain_wcs(header) if isinstance(header, PlainHeader) else made_wcs(header, hdus)
        except FitsError as error:  # a broken WCS does not make the pixels unusable
            return None, [f"the WCS cannot be used: {error}"]
    return (wcs if wcs.has_celestial else None), []


_WEIGHT_WORDS = re.compile(r"(WT|WEIGHT|WHT)(MAP)?|EXPMAP|VARMAP", re.IGNORECASE)
_MASK_WORDS = re.compile(r"DQ(MASK)?|MASK|BPM", re.IGNORECASE)


def _role(hdus: Any, images: Sequence[Plane], selection: Selection, path: Path) -> Role:
    primary = hdus[0].header
    headers = [primary, *(image.header for image in images)]
    if any(card.startswith("EVS_") for header in headers for card in header):
        return "coadd" if "EVS_COMB" in primary else "earlier output"
    if selection.hdu is not None:
        return "exposure"
    kinds = {image.kind for image in images}
    if kinds & {"variance", "sigma", "inverse variance", "weight"}:
        return "weight map"
    if "mask" in kinds:
        return "mask"
    for header in headers:
        for keyword in ("PRODTYPE", "OBSTYPE"):
            text = text_of(header, keyword)
            if _WEIGHT_WORDS.fullmatch(text):
                return "weight map"
            if _MASK_WORDS.fullmatch(text):
                return "mask"
    return role_by_name(path) or "exposure"


# ---- files ----


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    """Turn errors of arguments that a file's header holds into a FitsError that names the file."""
    try:
        yield
    except (FitsError, NotFoundError):
        raise
    except EvenskyError as error:
        text = str(error)
        raise FitsError(text if text.startswith(f"{path}: ") else f"{path}: {text}") from error


def describe_hdus(
    hdus: Any, path: str | Path, selection: Selection | None = None, *, with_wcs: bool = True
) -> FileDescription:
    """Describe the content of an opened file from its headers.

    What the user chooses is believed before the cards of an HDU (EXTTYPE, HDUCLASn, UTYPE, MP_, MSKN), these before
    whole words of EXTNAME, these before files beside the image, and these before the order of HDUs.

    Parameters
    ----------
    hdus : astropy.io.fits.HDUList, or list of PlainHDU
        The opened file; no pixels are read.
    path : str or Path
        The file, beside which masks and weights are looked for.
    selection : Selection, optional
        Choices of the user.
    with_wcs : bool, optional
        Whether to make the WCS of the images.

    Returns
    -------
    FileDescription

    Raises
    ------
    evensky.errors.FitsError
        If there is no two-dimensional image, or a plane does not exist or has another size than its image; the message
        is one line that starts with the path.
    evensky.errors.NotFoundError
        If `selection` names mask planes that the mask does not have; the message lists those that it has.
    """
    path, selection = Path(path), selection or Selection()
    with _one_line(path):
        return _description(hdus, path, selection, with_wcs=with_wcs)


def _description(hdus: Any, path: Path, selection: Selection, *, with_wcs: bool) -> FileDescription:
    primary = hdus[0].header
    with quiet_reading(primary):
        planes = planes_of(hdus)
        layout = _layout_of(primary, planes)
    own = File(path, named_headers(hdus), planes)
    if selection.hdu is not None:
        image, first = _user_image(hdus, planes, selection.hdu, path)
        images, group = [image], _group(image, planes, layout)
    else:
        layout, images = _chosen(planes, layout, path)
        group, first = images, []
    if layout in (PLAIN, MANY_CHIPS) and (named := named_layout(path)) is not None:
        layout = named
    slots = _slots(images)
    others = OtherFiles(selection.max_unpacked)
    described, maps = [], []
    used = {image.index for image in images}
    for image, slot in zip(images, slots, strict=True):
        found = find_planes(image, group, own, layout, selection, others)
        if found.layout is not layout and layout in (PLAIN, MANY_CHIPS):
            layout = found.layout
        wcs, more = _wcs(image, hdus, len(images) == 1) if with_wcs else (None, [])
        maps.append(wcs)
        for plane in (found.mask, found.variance):
            if plane is not None and plane.path == path:
                used.add(plane.hdu)
        with quiet_reading(primary):
            unit = _unit_of(image.header, primary, found.layout)
            filter_name = filter_of((image.header, primary), found.layout.filter_cards)
            origin = _origin(image.header, path)
            # The primary header holds for the image if it is the only one.
            headers = [image.header, primary] if len(images) == 1 else [image.header]
            size = image.shape[0], image.shape[1]
            instrument = text_of(image.header, "INSTRUME") or text_of(primary, "INSTRUME")
            amplifiers, place = amplifier_sections(headers, size), detector_map(image.header, size)
        described.append(
            ImageDescription(
                path,
                image.index,
                image.name,
                slot,
                size,
                found.layout.name,
                found.mask and replace(found.mask, max_unpacked=selection.max_unpacked),
                found.variance and replace(found.variance, max_unpacked=selection.max_unpacked),
                unit,
                filter_name,
                origin,
                (*first, *found.notes, *more, *mended(hdus[image.index])),
                amplifiers,
                place,
                instrument,
                selection.max_unpacked,
                8 if _bits_of(image.header) in (-64, 32, 64) else 4,
            )
        )
    with quiet_reading(primary):
        role = _role(hdus, images, selection, path)
    return FileDescription(
        path,
        layout.name,
        role,
        tuple(described),
        tuple(names_of(hdus)),
        tuple(plane.name for plane in planes if plane.index not in used and 0 not in plane.shape and plane.shape),
        () if images[0].index == 0 else mended(hdus[0]),
        tuple(maps),
    )


def _user_image(hdus: Any, planes: Sequence[Plane], name: str | int, path: Path) -> tuple[Plane, list[str]]:
    """Return the image that a user names; the second value is notes."""
    headers = named_headers(hdus)
    index = find_hdu(headers, name, path)
    label = headers[index].label
    plane = next((one for one in planes if one.index == index), None)
    if plane is None or not plane.two_axes:
        shape = tuple(hdus[index].shape or ()) if getattr(hdus[index], "is_image", False) else ()
        has = f"shape {shape}" if shape and 0 not in shape else "no pixels"
        raise FitsError(f"{path}: the image HDU {label!r} has {has}; a two-dimensional image is needed")
    same = sum(one.label == label for one in headers)
    if same > 1 and str(name).strip().upper() == label.upper():
        return plane, [f"{plane.name} is the first of {same} HDUs named {label}"]
    return plane, []


def _group(image: Plane, planes: Sequence[Plane], layout: Layout) -> list[Plane]:
    """Return the science images among which a chosen one is, so that each keeps its own planes."""
    words = layout.science
    group = [plane for plane in planes if plane.kind == "science" and (not words or plane.word in words)]
    return group if image in group else [image]


def describe_file(
    path: str | Path,
    selection: Selection | None = None,
    look: Callable[[Any, FileDescription], object] | None = None,
    *,
    with_wcs: bool = True,
) -> FileDescription:
    """Describe the content of a FITS file from its headers.

    Parameters
    ----------
    path : str or Path
    selection : Selection, optional
        Choices of the user.
    look : callable, optional
        Called with the HDUs while the file is open, and with its description, by who needs more of them.
    with_wcs : bool, optional
        Whether to make the WCS of the images, which takes longer than all else.

    Returns
    -------
    FileDescription

    Raises
    ------
    evensky.errors.FitsError
        If the file is missing or broken, or for the reasons of `describe_hdus`.
    evensky.errors.NotFoundError
        If `selection` names mask planes that the mask does not have; the message lists those that it has.
    """
    with opened_headers(path, None if selection is None else selection.max_unpacked, plain=True) as hdus:
        described = describe_hdus(hdus, path, selection, with_wcs=with_wcs)
        if look is not None:
            look(hdus, described)
        return described
