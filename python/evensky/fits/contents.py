"""Contents of FITS files, described from their headers: which HDUs are images, masks and planes of errors."""

from __future__ import annotations

__all__ = ["describe_file", "describe_hdus"]

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._planes import DEFAULT_PLANES, MAX_PLANES, PLANE_ALIASES, checked_planes, plane_alias
from ..errors import EvenskyError, FitsError, InvalidParameterError, NotFoundError
from .companions import beside, extension_of, named_layout, plane_file, role_by_name, sense_by_name
from .descriptions import (
    NO_MASK,
    NO_VARIANCE,
    FileDescription,
    ImageDescription,
    MaskDescription,
    Role,
    Selection,
    Sense,
    VarianceDescription,
)
from .headers import origin_of
from .layouts import (
    ANY,
    FILTER_CARDS,
    KINDS,
    LAYOUTS,
    MANY_CHIPS,
    PLAIN,
    UNTOLD_FILTERS,
    Kind,
    Layout,
    Sign,
)
from .opening import mended, opened_headers, quiet

ANY_BIT = (1 << MAX_PLANES) - 1
_SENSES: tuple[Sense, ...] = ("variance", "sigma", "inverse variance", "weight")
# Words that may follow the one that says what an HDU holds, as in "ERROR MAP".
_FILLERS = ("IMAGE", "MAP", "ARRAY", "PLANE", "EXT", "EXTENSION")
_UTYPES: Mapping[str, Sense] = {"std": "sigma", "var": "variance", "inv": "inverse variance"}
_HDUCLAS3: Mapping[str, Sense] = {
    "MSE": "variance",
    "VARIANCE": "variance",
    "RMSE": "sigma",
    "INVMSE": "inverse variance",
}


# ---- one HDU ----


def _value(header: Any, keyword: str, default: Any = None) -> Any:
    """Return the value of a card; the default if there is none, or if it cannot be parsed."""
    try:
        return header.get(keyword, default)
    except Exception:  # a malformed card, for which astropy raises many kinds of exceptions
        return default


def _text(header: Any, keyword: str) -> str:
    value = _value(header, keyword)
    return value.strip() if isinstance(value, str) else ""


@dataclass(frozen=True)
class _Plane:
    """One image HDU as its header describes it.

    Attributes
    ----------
    index : int
    label : str
        EXTNAME; "" if there is none.
    version : int
        EXTVER.
    name : str
        Name for messages.
    shape : tuple of int
        Without axes of length 1.
    kind : Kind or None
        None if neither cards nor EXTNAME tell.
    word : str
        The word of EXTNAME, or EXTTYPE, that tells it; "" if none does.
    stem : str
        The rest of EXTNAME, which images and planes that belong together share.
    header : astropy.io.fits.Header
    """

    index: int
    label: str
    version: int
    name: str
    shape: tuple[int, ...]
    kind: Kind | None
    word: str
    stem: str
    header: Any

    @property
    def key(self) -> tuple[str, int]:
        return self.stem, self.version


def _shape_of(hdu: Any) -> tuple[int, ...]:
    shape = tuple(int(size) for size in hdu.shape or ())
    short = tuple(size for size in shape if size != 1)
    # Images of one row or one column keep their two axes.
    return short if len(short) >= 2 or 0 in shape else shape[len(shape) - min(2, len(shape)) :]


def _has_pixels(hdu: Any) -> bool:
    return bool(getattr(hdu, "is_image", False)) and len(hdu.shape or ()) > 0 and 0 not in hdu.shape


def _label_of(hdu: Any) -> str:
    label = _text(hdu.header, "EXTNAME")
    if label in ("", "COMPRESSED_IMAGE", "PRIMARY"):
        return _text(hdu.header, "EXTTYPE")
    return label


def _version_of(hdu: Any) -> int:
    version = _value(hdu.header, "EXTVER", 1)
    return version if type(version) is int else 1


def names_of(hdus: Any) -> list[str]:
    """Return the names of HDUs for messages: EXTNAME, with EXTVER where a name occurs more than once, or the number."""
    labels = [_label_of(hdu) for hdu in hdus]
    full = [(label, _version_of(hdu)) for label, hdu in zip(labels, hdus, strict=True)]
    times, full_times = Counter(labels), Counter(full)
    names = []
    for index, (label, version) in enumerate(full):
        if not label or full_times[label, version] > 1:
            names.append(str(index))
        else:
            names.append(label if times[label] == 1 else f"{label},{version}")
    return names


def _word_of(label: str) -> tuple[str, str]:
    """Return the word of an EXTNAME that tells what the HDU holds, and the rest; the word is "" if none does."""
    upper = label.upper()
    if upper in KINDS:
        return upper, ""
    parts = re.findall(r"[A-Z]+|[0-9]+|[^A-Z0-9]+", upper)
    words = [place for place, part in enumerate(parts) if part.isalpha()]
    for back, place in enumerate(reversed(words)):
        # A word ends where a letter or digit does not follow it, apart from a number at the end as in SCI1.
        before = place > 0 and parts[place - 1].isdigit()
        if parts[place] in KINDS and not before:
            return parts[place], "".join(parts[:place] + parts[place + 1 :]).strip(" ._-")
        if parts[place] not in _FILLERS or back > 0:
            break
    return "", upper


def _kind_by_cards(header: Any) -> Kind | None:
    """Return what the own cards of an HDU say about it, apart from EXTTYPE."""
    utype = _text(header, "UTYPE").lower()
    for start, sense in _UTYPES.items():
        if utype.startswith(start):
            return sense
    if _text(header, "HDUCLAS1").upper() == "IMAGE":
        third = _text(header, "HDUCLAS3").upper()
        match _text(header, "HDUCLAS2").upper():
            case "DATA":
                return "science"
            case "ERROR":
                return _HDUCLAS3.get(third, "variance" if not third else "other")
            case "QUALITY":
                return "mask"
            case "WEIGHT":
                return "weight"
    if _mask_cards(header, "MP_") or _mask_cards(header, "MSKN"):
        return "mask"
    return None


def _mask_cards(header: Any, start: str) -> list[str]:
    """Return the cards that name mask planes, those of LSST's stack (MP_) or of lsst.images (MSKN)."""
    pattern = re.compile(r"MP_.+" if start == "MP_" else rf"{start}\d+")
    return [card for card in header if pattern.fullmatch(card)]


def _planes_of(hdus: Any) -> list[_Plane]:
    names = names_of(hdus)
    planes = []
    for index, hdu in enumerate(hdus):
        if not getattr(hdu, "is_image", False) or not (hdu.shape or _text(hdu.header, "EXTTYPE")):
            continue
        label, exttype = _label_of(hdu), _text(hdu.header, "EXTTYPE").upper()
        word, stem = _word_of(label)
        kind: Kind | None = KINDS.get(word)
        if exttype in KINDS:
            word, stem, kind = exttype, "", KINDS[exttype]
        elif (told := _kind_by_cards(hdu.header)) is not None:
            # Cards that call a plane an error do not tell the sense better than its own name does.
            kind = told
        planes.append(
            _Plane(index, label, _version_of(hdu), names[index], _shape_of(hdu), kind, word, stem, hdu.header)
        )
    return planes


# ---- layout ----


def _matches(sign: Sign, primary: Any, planes: Sequence[_Plane]) -> bool:
    if not sign.words <= {plane.word for plane in planes}:
        return False
    headers = [primary, *(plane.header for plane in planes)]
    for keyword, pattern in sign.cards.items():
        if not any(re.fullmatch(pattern, _text(header, keyword), re.IGNORECASE) for header in headers):
            return False
    masks = [plane for plane in planes if plane.kind == "mask"]
    if sign.mask_cards and not any(_mask_cards(plane.header, sign.mask_cards) for plane in masks):
        return False
    return not sign.mask_of_uint32 or any(
        _value(plane.header, "BITPIX") == 32 and _value(plane.header, "BZERO") == 2**31 for plane in masks
    )


def _layout_of(primary: Any, planes: Sequence[_Plane]) -> Layout:
    for layout in LAYOUTS:
        if any(_matches(sign, primary, planes) for sign in layout.signs):
            return layout
    return PLAIN


# ---- science images ----


def _two_axes(plane: _Plane) -> bool:
    return len(plane.shape) == 2 and 0 not in plane.shape


def _find(hdus: Sequence[_NamedHeader], name: str | int, path: Path) -> int:
    """Return the number of the HDU that a user names: by number, EXTNAME, or EXTNAME and EXTVER."""
    text = str(name).strip()
    if isinstance(name, int) or text.lstrip("-").isdigit():
        number = int(text)
        if -len(hdus) <= number < len(hdus):
            return number % len(hdus)
    else:
        label, comma, version = text.rpartition(",")
        for index, hdu in enumerate(hdus):
            own = hdu.label.upper() or ("PRIMARY" if index == 0 else "")
            if own == text.upper():
                return index
            if comma and (own, str(hdu.version)) == (label.strip().upper(), version.strip()):
                return index
    known = ", ".join(f"{index} {one.label!r}" for index, one in enumerate(hdus))
    raise FitsError(f"{path}: has no HDU {name!r}; it has {known}")


def _no_image(hdus: Any, path: Path) -> FitsError:
    sizes = [hdu.shape for hdu in hdus if _has_pixels(hdu)]
    found = f"its images have {len(sizes[0])} dimensions" if sizes else "there is no image in it"
    if not sizes and any(0 in (hdu.shape or ()) for hdu in hdus if getattr(hdu, "is_image", False)):
        found = "its image has no pixels"
    return FitsError(f"{path}: {found}; a two-dimensional image is needed")


def _is_chip(plane: _Plane) -> bool:
    """Tell whether a name is that of one chip among several: none, or one with a number."""
    return not plane.label or any(letter.isdigit() for letter in plane.label)


def _chosen(hdus: Any, planes: Sequence[_Plane], layout: Layout, path: Path) -> tuple[Layout, list[_Plane]]:
    """Choose the science images of a file; the layout is replaced if no row of the table but the order decides."""
    images = [plane for plane in planes if _two_axes(plane)]
    if not images:
        raise _no_image(hdus, path)
    if layout.science:
        named = [plane for plane in images if plane.word in layout.science and plane.kind == "science"]
        if named:
            return layout, named if layout.several else named[:1]
    science = [plane for plane in images if plane.kind == "science"] or [plane for plane in images if not plane.kind]
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


def _same_label(planes: Sequence[_Plane]) -> bool:
    return len({plane.label for plane in planes}) == 1


def _slots(images: Sequence[_Plane]) -> list[str]:
    if len(images) == 1:
        return [""]
    return [
        image.name
        if not image.label or image.name != image.label or image.word not in ("SCI", "IMAGE", "DATA")
        else f"{image.label},{image.version}"
        for image in images
    ]


# ---- masks ----


def _named_planes(header: Any, path: Path) -> dict[str, int] | None:
    """Read names and numbers of mask planes from a header of LSST's stack or of lsst.images; None if it has none."""
    planes: dict[str, int] = {}
    for card in _mask_cards(header, "MP_"):
        try:
            number = header[card]
        except Exception as error:  # astropy raises many kinds of exceptions on malformed cards
            raise FitsError(
                f"{path}: the card {card} cannot be parsed; the number of a mask plane is needed"
            ) from error
        if type(number) is not int:
            raise FitsError(f"{path}: {card} = {number!r}; the number of a mask plane must be whole")
        planes[card[3:]] = number
    if not planes:
        for card in _mask_cards(header, "MSKN"):
            bit = _value(header, f"MSKM{card[4:]}")
            if type(bit) is int and bit > 0:
                planes[str(header[card])] = bit.bit_length() - 1
    if not planes:
        return None
    return checked_planes({plane_alias(name, planes): number for name, number in planes.items()})


def _bits_of(token: str, planes: Mapping[str, int] | None, path: Path) -> int:
    """Return the bits of one choice of a user: a name of planes, or values of flags as in "4096+8192"."""
    text = str(token).strip()
    if planes is not None:
        for name in (text, PLANE_ALIASES.get(text, text)):
            if name in planes:
                return 1 << planes[name]
    if text.lower() == "any":
        return ANY_BIT
    bits = 0
    for part in text.split("+"):
        if not part.strip().isdigit():
            known = (
                ", ".join(sorted(planes, key=planes.__getitem__)) if planes else "none: choose values, as in 4096+8192"
            )
            raise NotFoundError(f"{path}: There is no mask plane {text!r}; the known ones are {known}")
        value = int(part)
        if not 0 < value <= ANY_BIT:
            raise InvalidParameterError(
                f"{path}: {text!r} is no flag of a mask; values are powers of two from 1 to 2147483648, or sums of them"
            )
        bits |= value
    return bits


def _names_of_bits(bits: int, planes: Mapping[str, int] | None) -> tuple[str, ...]:
    names = {number: name for name, number in (planes or {}).items()}
    return tuple(names.get(bit, str(1 << bit)) for bit in range(MAX_PLANES) if bits >> bit & 1)


def _bad(
    planes: Mapping[str, int] | None, default: Sequence[str], selection: Selection, path: Path
) -> tuple[int, tuple[str, ...]]:
    """Return the bits that are bad, and their names."""
    usual = sum(1 << planes[name] for name in set(default) if name in planes) if planes else 0
    if planes is None or default == ANY:
        usual = ANY_BIT
    if selection.bad_planes is None:
        bits = usual
    else:
        bits = 0
        for token in selection.bad_planes:
            if token in DEFAULT_PLANES and token not in (planes or {}):
                # A mask need not have every default plane. BAD is evensky's name for what its layout calls bad.
                bits |= usual if token == "BAD" and "BAD" not in default else 0
            else:
                bits |= _bits_of(token, planes, path)
    good = 0
    for token in selection.good_bits:
        good |= _bits_of(token, planes, path)
    if bits == ANY_BIT:
        return bits & ~good, ("any", *(f"but {name}" for name in _names_of_bits(good, planes)))
    return bits & ~good, _names_of_bits(bits & ~good, planes)


def _mask(
    plane: _Plane, file: Path, image: _Plane, layout: Layout, selection: Selection, path: Path
) -> tuple[MaskDescription, list[str]]:
    """Describe a mask; the second value is notes."""
    with quiet():
        own = _named_planes(plane.header, file)
    sizes = {plane.shape}
    if own is not None and len(plane.shape) == 3:  # bytes of planes, along the first axis or the last
        sizes = {plane.shape[1:], plane.shape[:2]}
    if image.shape not in sizes:
        shape = plane.shape if plane.shape and 0 not in plane.shape else None
        raise FitsError(
            f"{path}: the mask has shape {shape} but the image has {image.shape} ({plane.name}, {image.name}); "
            "--mask none (mask='none') reads the image without it"
        )
    if own is None and (not layout.mask or plane.word in layout.mask or file != path):
        planes, default = layout.planes, layout.bad
    elif own is None:
        planes, default = None, ANY
    else:
        planes, default = own, layout.bad
        if default == ANY:
            default = tuple(own)
    bad, names = _bad(planes, default, selection, path)
    notes = []
    if planes is None and selection.bad_planes is None:
        but = " ".join(names[1:]) and f", apart from {', '.join(name.removeprefix('but ') for name in names[1:])}"
        notes.append(f"the mask names no planes: every pixel that is not 0 in it counts as BAD{but}")
    return MaskDescription(file, plane.index, _shown(plane, file, path), planes, bad, names), notes


def _shown(plane: _Plane, file: Path, path: Path) -> str:
    return plane.name if file == path else f"{file.name}[{plane.name}]"


# ---- errors ----


def _sense_of(plane: _Plane, layout: Layout) -> Sense:
    for word, sense in layout.errors:
        if plane.word == word and plane.kind == KINDS.get(word):
            return sense
    return plane.kind if plane.kind in _SENSES else "variance"


_SENSE_NOTES: Mapping[Sense, str] = {
    "sigma": "{} holds standard deviations: squared",
    "inverse variance": "{} holds weights: variance is 1 / weight, and not known where the weight is 0",
    "weight": "{} holds weights of unknown scale: pixels without a positive weight do not count, "
    "and errors come from the scatter of the pixels",
}


def _variance(
    plane: _Plane, file: Path, image: _Plane, sense: Sense, option: str, path: Path
) -> tuple[VarianceDescription, list[str]]:
    name = _shown(plane, file, path)
    if plane.kind == "mask":
        raise FitsError(f"{path}: {name} is a mask; the variance is needed, or its weights or standard deviations")
    if plane.shape != image.shape:
        shape = plane.shape if plane.shape and 0 not in plane.shape else None
        raise FitsError(
            f"{path}: the variance has shape {shape} but the image has {image.shape} ({name}, {image.name}); "
            f"--{option} none ({option}='none') reads the image without it"
        )
    notes = [_SENSE_NOTES[sense].format(name)] if sense in _SENSE_NOTES else []
    return VarianceDescription(file, plane.index, name, sense), notes


# ---- planes that belong to an image ----


@dataclass(frozen=True)
class _NamedHeader:
    """An HDU, perhaps of a closed file: what is needed to find it by its name."""

    label: str
    version: int
    header: Any


def _named_headers(hdus: Any) -> list[_NamedHeader]:
    return [_NamedHeader(_label_of(hdu), _version_of(hdu), hdu.header) for hdu in hdus]


@dataclass(frozen=True)
class _File:
    """The HDUs of a file, as needed to find planes."""

    path: Path
    hdus: list[_NamedHeader]
    planes: list[_Plane]


def _constant(image: _Plane, hdus: Sequence[Any], words: Collection[str]) -> tuple[str, float] | None:
    """Find a plane of one value, which has no pixels but PIXVALUE; return its name and the value."""
    for hdu in hdus:
        value = _value(hdu.header, "PIXVALUE")
        if isinstance(value, int | float) and _word_of(hdu.label)[0] in words and hdu.version == image.version:
            return f"{hdu.label},{hdu.version}", float(value)
    return None


def _of_kind(
    image: _Plane, images: Sequence[_Plane], planes: Sequence[_Plane], words: Sequence[str], kinds: Collection[str]
) -> _Plane | None:
    """Find the plane of an image in its own file: that of the same stem and EXTVER, or the first of all.

    Parameters
    ----------
    words : sequence of str
        Words of the layout for it, the best first; () for any plane of `kinds`.
    """
    found = [plane for plane in planes if plane.kind in kinds and plane.index not in {one.index for one in images}]
    for word in words or ("",):
        those = [plane for plane in found if not word or plane.word == word]
        same = [plane for plane in those if plane.key == image.key]
        if same or (those and len(images) == 1):
            return (same or those)[0]
    return None


def _same_place(image: _Plane, other: _File) -> _Plane:
    """Find the HDU of another file that belongs to an image: same name, same number, or the only one."""
    images = [plane for plane in other.planes if _two_axes(plane)]
    if not images:
        raise FitsError(f"{other.path}: there is no image in it")
    for test in (
        lambda plane: image.label and plane.label.upper() == image.label.upper() and plane.version == image.version,
        lambda plane: plane.index == image.index and (not image.label or not plane.label),
    ):
        if found := next((plane for plane in images if test(plane)), None):
            return found
    if len(images) == 1:
        return images[0]
    known = ", ".join(plane.name for plane in images)
    raise FitsError(f"{other.path}: no HDU in it belongs to {image.name}; it has {known}")


class _Others:
    """Files beside the image, each of them opened once; they are known by their headers alone."""

    def __init__(self) -> None:
        self._files: dict[Path, _File] = {}

    def get(self, path: Path) -> _File:
        if path not in self._files:
            with opened_headers(path) as hdus, quiet():
                self._files[path] = _File(path, _named_headers(hdus), _planes_of(hdus))
        return self._files[path]


def _placed(spec: str | int, image: _Plane, own: _File, others: _Others) -> tuple[_Plane, Path]:
    """Find the plane that a user names, in the file of the image or in another."""
    text = str(spec)
    if not isinstance(spec, int):
        text = text.replace("{extname}", image.label or str(image.index)).replace("{extver}", str(image.version))
    path = plane_file(spec if isinstance(spec, int | Path) else text)
    if path is None:
        place = _user_hdu(spec if isinstance(spec, int) else text, image, own)
        return _plane_at(own, place), own.path
    file, extension = extension_of(text)
    if not Path(file).exists():
        raise FitsError(f"{file}: there is no such file")
    other = others.get(Path(file))
    if extension is None:
        return _same_place(image, other), other.path
    return _plane_at(other, _user_hdu(extension, image, other)), other.path


def _user_hdu(name: str | int, image: _Plane, file: _File) -> int:
    """Return the number of a plane's HDU; a name alone means that of the same EXTVER, if there is one."""
    for plane in file.planes:
        if plane.label.upper() == str(name).strip().upper() and plane.version == image.version:
            return plane.index
    return _find(file.hdus, name, file.path)


def _plane_at(file: _File, index: int) -> _Plane:
    for plane in file.planes:
        if plane.index == index:
            return plane
    raise FitsError(f"{file.path}: HDU {index} is not an image")


def _none(choice: str | int | None) -> bool:
    return isinstance(choice, str) and choice.strip().lower() == "none"


@dataclass
class _Found:
    mask: MaskDescription | None = None
    variance: VarianceDescription | None = None
    layout: Layout = PLAIN


def _with_planes(
    image: _Plane, images: Sequence[_Plane], own: _File, layout: Layout, selection: Selection, others: _Others
) -> tuple[_Found, list[str]]:
    """Find mask and errors of an image: those that the user chooses, those of its file, those beside it."""
    notes: list[str] = []
    found = _Found(layout=layout)
    path = own.path
    # Planes that belong to none of the science images.
    mask = _of_kind(image, images, own.planes, layout.mask, ("mask",))
    if mask is None and layout.mask:
        mask = _of_kind(image, images, own.planes, (), ("mask",))
    errors = _of_kind(image, images, own.planes, [word for word, _ in layout.errors], _SENSES)
    if errors is None:
        errors = _of_kind(image, images, own.planes, (), ("variance", "sigma", "inverse variance"))
        errors = errors or _of_kind(image, images, own.planes, (), ("weight",))
    if errors is None and layout.name == "LSST afw exposure" and mask is not None:
        # The planes of this layout are in this order, if nothing names them.
        errors = next(
            (one for one in own.planes if one.index == mask.index + 1 and not one.kind and one.shape == image.shape),
            None,
        )
    near = beside(path) if mask is None or errors is None else None
    if near is not None and layout in (PLAIN, MANY_CHIPS):
        found.layout = near.layout

    if _none(selection.mask):
        ignored = mask.name if mask is not None else near.mask.name if near is not None and near.mask else None
        if ignored is not None:
            notes.append(f"the mask {ignored} is ignored, as chosen: every finite pixel counts")
    elif selection.mask is not None:
        plane, file = _placed(selection.mask, image, own, others)
        found.mask, more = _mask(plane, file, image, found.layout, selection, path)
        notes += more
    elif mask is not None:
        found.mask, more = _mask(mask, path, image, layout, selection, path)
        notes += more
    elif near is not None and near.mask is not None:
        other = others.get(near.mask)
        found.mask, more = _mask(_same_place(image, other), near.mask, image, near.layout, selection, path)
        notes += more
    if found.mask is None and not notes:
        if (constant := _constant(image, own.hdus, layout.mask)) is not None and constant[1]:
            raise FitsError(
                f"{path}: the mask {constant[0]} is {constant[1]:g} in every pixel; "
                "--mask none (mask='none') reads the image without it"
            )
        notes.append(NO_MASK)

    before = len(notes)
    chosen = [(name, choice) for name in ("variance", "weight") if (choice := getattr(selection, name)) is not None]
    given = [(name, choice) for name, choice in chosen if not _none(choice)]
    if len(given) == 2:
        raise InvalidParameterError(
            f"variance = {selection.variance!r} and weight = {selection.weight!r}; only one of them can be chosen"
        )
    if given:
        option, choice = given[0]
        plane, file = _placed(choice, image, own, others)
        if option == "weight":
            sense: Sense = "inverse variance"
        else:
            by_name = sense_by_name(file) if file != path and plane.kind not in _SENSES else None
            sense = by_name or _sense_of(plane, layout)
            # Whoever calls a plane the variance trusts its scale.
            sense = "inverse variance" if sense == "weight" else sense
        found.variance, more = _variance(plane, file, image, sense, option, path)
        notes += more
    elif chosen:
        ignored = errors.name if errors is not None else near.errors.name if near is not None and near.errors else None
        if ignored is not None:
            notes.append(
                f"the plane of errors {ignored} is ignored, as chosen: errors come from the scatter of the pixels"
            )
    elif errors is not None:
        found.variance, more = _variance(errors, path, image, _sense_of(errors, layout), "variance", path)
        if found.variance.sense == "weight":
            better = _of_kind(image, images, own.planes, (), ("sigma", "variance", "inverse variance"))
            if better is not None:
                more = [f"{more[0]}; --variance {better.name} (variance={better.name!r}) uses errors instead"]
        notes += more
    elif near is not None and near.errors is not None:
        plane = _same_place(image, others.get(near.errors))
        sense = plane.kind if plane.kind in ("variance", "sigma", "inverse variance") else near.sense
        found.variance, more = _variance(plane, near.errors, image, sense, "variance", path)
        notes += more
    if found.variance is None and len(notes) == before:
        constant = _constant(image, own.hdus, [word for word, _ in layout.errors])
        if constant is not None and constant[1]:
            notes.append(f"{constant[0]} holds standard deviations of one value, {constant[1]:g}, and is not used")
        notes.append(NO_VARIANCE)
    return found, notes


# ---- what else the headers say ----


def _unit_of(header: Any, primary: Any, layout: Layout) -> str:
    return _text(header, "BUNIT") or _text(primary, "BUNIT") or layout.unit


def _filter_of(header: Any, primary: Any, layout: Layout) -> str:
    for one in (header, primary):
        for cards in (*layout.filter_cards, *FILTER_CARDS):
            values = [str(_value(one, card, "") or "").strip() for card in cards]
            values = [value for value in values if not re.fullmatch(UNTOLD_FILTERS, value, re.IGNORECASE)]
            if values:
                return "+".join(dict.fromkeys(values))
    return ""


def _origin(header: Any, path: Path) -> tuple[int, int] | None:
    by_ltv = "LTV1" in header and "LTV2" in header
    # Other programs use the cards CRVAL1A and CRVAL2A for another celestial WCS.
    by_wcs = "CRVAL1A" in header and "CRVAL2A" in header and _text(header, "CTYPE1A").upper() in ("", "LINEAR", "PIXEL")
    return origin_of(header, path) if by_ltv or by_wcs else None


def _wcs(image: _Plane, hdus: Any, alone: bool) -> tuple[Any, list[str]]:
    """Return the celestial WCS of an image, or None; the second value is notes."""
    header = image.header
    primary = hdus[0].header
    inherits = alone or _value(header, "INHERIT") is True
    if not _text(header, "CTYPE1"):
        if not inherits or image.index == 0 or not _text(primary, "CTYPE1"):
            return None, []
        header = primary
    from astropy.wcs import WCS

    with quiet():
        try:
            wcs = WCS(header, fobj=hdus)
            if not wcs.has_celestial:
                return None, []
            return (wcs if wcs.naxis == 2 else wcs.celestial), []
        except Exception as error:  # a broken WCS does not make the pixels unusable
            reason = " ".join(str(error).split()).strip() or type(error).__name__
            return None, [f"the WCS cannot be used: {reason[:160]}"]


_WEIGHT_WORDS = re.compile(r"(WT|WEIGHT|WHT)(MAP)?|EXPMAP|VARMAP", re.IGNORECASE)
_MASK_WORDS = re.compile(r"DQ(MASK)?|MASK|BPM", re.IGNORECASE)


def _role(hdus: Any, planes: Sequence[_Plane], images: Sequence[_Plane], selection: Selection, path: Path) -> Role:
    primary = hdus[0].header
    headers = [primary, *(image.header for image in images)]
    if any(card.startswith("EVS_") for header in headers for card in header):
        return "earlier output"
    if selection.hdu is not None:
        return "exposure"
    kinds = {image.kind for image in images}
    if kinds & set(_SENSES):
        return "weight map"
    if "mask" in kinds:
        return "mask"
    for header in headers:
        for keyword in ("PRODTYPE", "OBSTYPE"):
            text = _text(header, keyword)
            if _WEIGHT_WORDS.fullmatch(text):
                return "weight map"
            if _MASK_WORDS.fullmatch(text):
                return "mask"
    return role_by_name(path) or "exposure"


# ---- files ----


@contextmanager
def _one_line(path: Path) -> Any:
    """Turn errors of arguments that a file's header holds into a FitsError that names the file."""
    try:
        yield
    except (FitsError, NotFoundError):
        raise
    except EvenskyError as error:
        text = str(error)
        raise FitsError(text if text.startswith(f"{path}: ") else f"{path}: {text}") from error


def describe_hdus(hdus: Any, path: str | Path, selection: Selection | None = None) -> FileDescription:
    """Describe the content of an opened file from its headers.

    What the user chooses is believed before the cards of an HDU (EXTTYPE, HDUCLASn, UTYPE, MP_, MSKN), these before
    whole words of EXTNAME, these before files beside the image, and these before the order of HDUs.

    Parameters
    ----------
    hdus : astropy.io.fits.HDUList
        The opened file; no pixels are read.
    path : str or Path
        The file, beside which masks and weights are looked for.
    selection : Selection, optional
        Choices of the user.

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
        return _description(hdus, path, selection)


def _description(hdus: Any, path: Path, selection: Selection) -> FileDescription:
    primary = hdus[0].header
    with quiet():
        planes = _planes_of(hdus)
        layout = _layout_of(primary, planes)
    own = _File(path, _named_headers(hdus), planes)
    if selection.hdu is not None:
        image = _user_image(hdus, planes, selection.hdu, path)
        images, group = [image], _group(image, planes, layout)
    else:
        layout, images = _chosen(hdus, planes, layout, path)
        group = images
    if layout in (PLAIN, MANY_CHIPS) and (named := named_layout(path)) is not None:
        layout = named
    slots = _slots(images)
    others = _Others()
    described, maps = [], []
    used = {image.index for image in images}
    for image, slot in zip(images, slots, strict=True):
        found, notes = _with_planes(image, group, own, layout, selection, others)
        if found.layout is not layout and layout in (PLAIN, MANY_CHIPS):
            layout = found.layout
        wcs, more = _wcs(image, hdus, len(images) == 1)
        maps.append(wcs)
        for plane in (found.mask, found.variance):
            if plane is not None and plane.path == path:
                used.add(plane.hdu)
        with quiet():
            unit = _unit_of(image.header, primary, found.layout)
            filter_name = _filter_of(image.header, primary, found.layout)
            origin = _origin(image.header, path)
        described.append(
            ImageDescription(
                path,
                image.index,
                image.name,
                slot,
                (image.shape[0], image.shape[1]),
                found.layout.name,
                found.mask,
                found.variance,
                unit,
                filter_name,
                origin,
                (*notes, *more, *mended(hdus[image.index])),
            )
        )
    with quiet():
        role = _role(hdus, planes, images, selection, path)
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


def _user_image(hdus: Any, planes: Sequence[_Plane], name: str | int, path: Path) -> _Plane:
    index = _find(_named_headers(hdus), name, path)
    plane = next((one for one in planes if one.index == index), None)
    if plane is None or not _two_axes(plane):
        shape = tuple(hdus[index].shape or ()) if getattr(hdus[index], "is_image", False) else ()
        has = f"shape {shape}" if shape and 0 not in shape else "no pixels"
        raise FitsError(
            f"{path}: the image HDU {_label_of(hdus[index])!r} has {has}; a two-dimensional image is needed"
        )
    return plane


def _group(image: _Plane, planes: Sequence[_Plane], layout: Layout) -> list[_Plane]:
    """Return the science images among which a chosen one is, so that each keeps its own planes."""
    words = layout.science
    group = [plane for plane in planes if plane.kind == "science" and (not words or plane.word in words)]
    return group if image in group else [image]


def describe_file(path: str | Path, selection: Selection | None = None) -> FileDescription:
    """Describe the content of a FITS file from its headers.

    Parameters
    ----------
    path : str or Path
    selection : Selection, optional
        Choices of the user.

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
    with opened_headers(path) as hdus:
        return describe_hdus(hdus, path, selection)
