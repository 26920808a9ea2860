"""Search for the planes that belong to an image: its mask and its errors, in the same file or another."""

from __future__ import annotations

__all__ = ["File", "ImagePlanes", "OtherFiles", "find_hdu", "find_planes"]

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from pathlib import Path

from .._checks import shown
from ..errors import FitsError, InvalidParameterError
from .companions import Beside, beside, extension_of, plane_file, sense_by_name
from .descriptions import NO_MASK, NO_VARIANCE, MaskDescription, Selection, Sense, VarianceDescription
from .hdus import NamedHeader, Plane, listed, named_headers, planes_of, text_of, value_of, word_of
from .layouts import ANY, KINDS, MANY_CHIPS, PLAIN, Kind, Layout
from .mask_bits import bad_bits, named_planes
from .opening import opened_headers
from .plain_headers import quiet_reading

_TRUSTED: tuple[Sense, ...] = ("variance", "sigma", "inverse variance")
_SENSES: tuple[Sense, ...] = (*_TRUSTED, "weight")


# ---- masks ----


def _mask(
    plane: Plane, file: Path, image: Plane, layout: Layout, selection: Selection, path: Path, *, known: bool = False
) -> tuple[MaskDescription, list[str]]:
    """Describe a mask; `known` says that the layout gives the meaning of its bits. The second value is notes."""
    with quiet_reading(plane.header):
        own = named_planes(plane.header, file)
    sizes = {plane.shape}
    if own is not None and len(plane.shape) == 3:  # bytes of planes, along the first axis or the last
        sizes = {plane.shape[1:], plane.shape[:2]}
    if image.shape not in sizes:
        shape = plane.shape if plane.shape and 0 not in plane.shape else None
        raise FitsError(
            f"{path}: the mask has shape {shape} but the image has {image.shape} ({plane.name}, {image.name}); "
            "--mask none (mask='none') reads the image without it"
        )
    planes: Mapping[str, int] | None
    if own is not None:
        planes, default = own, tuple(own) if layout.bad == ANY else layout.bad
    elif known or plane.word in layout.mask:
        planes, default = layout.planes, layout.bad
    else:
        planes, default = None, ANY
    bad, names = bad_bits(planes, default, selection, path)
    notes = []
    if planes is None and selection.bad_planes is None:
        but = [name.removeprefix("but ") for name in names[1:]]
        apart = f", apart from {', '.join(but)}" if but else ""
        notes.append(f"the mask names no planes: every pixel that is not 0 in it counts as BAD{apart}")
    return MaskDescription(file, plane.index, _shown(plane, file, path), planes, bad, names), notes


def _shown(plane: Plane, file: Path, path: Path) -> str:
    return plane.name if file == path else f"{file.name}[{plane.name}]"


# ---- errors ----


def _sense_of(plane: Plane, layout: Layout) -> Sense:
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
    plane: Plane, file: Path, image: Plane, sense: Sense, option: str, path: Path
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


# ---- files and their HDUs ----


@dataclass(frozen=True)
class File:
    """The HDUs of a file, as needed to find planes.

    Attributes
    ----------
    path : Path
    hdus : list of NamedHeader
        All HDUs.
    planes : list of Plane
        Those that are images.
    """

    path: Path
    hdus: list[NamedHeader]
    planes: list[Plane]

    @cached_property
    def empty(self) -> list[tuple[str, NamedHeader]]:
        """HDUs without pixels, each with the word of its name."""
        return [(word_of(hdu.label)[0], hdu) for hdu in self.hdus if value_of(hdu.header, "NAXIS", 0) == 0]

    @cached_property
    def _by_kind(self) -> dict[Kind | None, list[Plane]]:
        found: dict[Kind | None, list[Plane]] = defaultdict(list)
        for plane in self.planes:
            found[plane.kind].append(plane)
        return found

    def of_kinds(self, kinds: Collection[str]) -> list[Plane]:
        """Return the planes of some kinds, in the order of their HDUs; a file may have thousands of other planes."""
        found = [plane for kind, planes in self._by_kind.items() if kind in kinds for plane in planes]
        return sorted(found, key=attrgetter("index"))


def _constant(image: Plane, own: File, words: Collection[str]) -> tuple[str, float | None] | None:
    """Find a plane without pixels; return its name, and the value that it has everywhere, None if it has none."""
    for word, hdu in own.empty:
        if word in words and hdu.version == image.version:
            value = value_of(hdu.header, "PIXVALUE")
            return f"{hdu.label},{hdu.version}", float(value) if isinstance(value, int | float) else None
    return None


def _linked(image: Plane, planes: Sequence[Plane], card: str) -> Plane | None:
    """Find the plane that a card of the image names, as ESO's ERRDATA and QUALDATA do."""
    if not (name := text_of(image.header, card)):
        return None
    return next((plane for plane in planes if plane.label == name and plane is not image), None)


def _of_kind(
    image: Plane, images: Sequence[Plane], own: File, words: Sequence[str], kinds: Collection[str]
) -> Plane | None:
    """Find the plane of an image in its own file: that of the same stem and EXTVER, or the first of all.

    Parameters
    ----------
    words : sequence of str
        Words of the layout for it, the best first; () for any plane of `kinds`.
    """
    if not (found := own.of_kinds(kinds)):
        return None
    taken = {one.index for one in images}
    found = [plane for plane in found if plane.index not in taken]
    for word in words or ("",):
        those = [plane for plane in found if not word or plane.word == word]
        same = [plane for plane in those if plane.key == image.key]
        if same or (those and len(images) == 1):
            return (same or those)[0]
    return None


def find_hdu(hdus: Sequence[NamedHeader], name: str | int, path: Path) -> int:
    """Return the number of the HDU that a user names: by number, EXTNAME, or EXTNAME and EXTVER.

    Raises
    ------
    evensky.errors.FitsError
        If there is no such HDU; the message lists all.
    """
    text = str(name).strip()
    if isinstance(name, int) or re.fullmatch(r"-?[0-9]{1,9}", text):
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
    known = listed(f"{index} {one.label!r}" for index, one in enumerate(hdus))
    raise FitsError(f"{path}: has no HDU {shown(name)}; it has {known}")


def _same_place(image: Plane, other: File) -> Plane:
    """Find the HDU of another file that belongs to an image: same name, same number, or the only one."""
    images = [plane for plane in other.planes if plane.two_axes]
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
    known = listed(plane.name for plane in images)
    raise FitsError(f"{other.path}: no HDU in it belongs to {image.name}; it has {known}")


class OtherFiles:
    """Files beside the image, each of them opened once; they are known by their headers alone.

    Parameters
    ----------
    max_unpacked : int, optional
        Bytes to which a compressed one may be unpacked.
    """

    def __init__(self, max_unpacked: int | None = None) -> None:
        self._files: dict[Path, File] = {}
        self._beside: dict[Path, Beside | None] = {}
        self._max_unpacked = max_unpacked

    def beside(self, path: Path) -> Beside | None:
        """Find the files of the mask and of the errors beside an image; a file may have thousands of images."""
        if path not in self._beside:
            self._beside[path] = beside(path)
        return self._beside[path]

    def get(self, path: Path) -> File:
        """Return the HDUs of a file."""
        if path not in self._files:
            with opened_headers(path, self._max_unpacked, plain=True) as hdus, quiet_reading(hdus[0].header):
                self._files[path] = File(path, named_headers(hdus), planes_of(hdus))
        return self._files[path]


def _placed(spec: str | int, image: Plane, own: File, others: OtherFiles) -> tuple[Plane, Path]:
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


def _user_hdu(name: str | int, image: Plane, file: File) -> int:
    """Return the number of a plane's HDU; a name alone means that of the same EXTVER, if there is one."""
    for plane in file.planes:
        if plane.label.upper() == str(name).strip().upper() and plane.version == image.version:
            return plane.index
    return find_hdu(file.hdus, name, file.path)


def _plane_at(file: File, index: int) -> Plane:
    for plane in file.planes:
        if plane.index == index:
            return plane
    raise FitsError(f"{file.path}: HDU {index} is not an image")


def _none(choice: str | int | None) -> bool:
    return isinstance(choice, str) and choice.strip().lower() == "none"


@dataclass
class ImagePlanes:
    """Planes that belong to an image.

    Attributes
    ----------
    layout : Layout
        The layout of the file, or that of the files beside it.
    mask : MaskDescription or None
    variance : VarianceDescription or None
    notes : list of str
    """

    layout: Layout
    mask: MaskDescription | None = None
    variance: VarianceDescription | None = None
    notes: list[str] = field(default_factory=list)


def find_planes(
    image: Plane, images: Sequence[Plane], own: File, layout: Layout, selection: Selection, others: OtherFiles
) -> ImagePlanes:
    """Find mask and errors of an image: those that the user chooses, those of its file, those beside it.

    Parameters
    ----------
    image : Plane
    images : sequence of Plane
        All science images of the file.
    own : File
        The file.
    layout : Layout
    selection : Selection
        Choices of the user.
    others : OtherFiles
        Files that were opened already.

    Raises
    ------
    evensky.errors.FitsError
        If a plane does not exist, or has another size than the image.
    evensky.errors.NotFoundError
        For mask planes that the mask does not have.
    """
    mask = _own_mask(image, images, own, layout)
    errors = _own_errors(image, images, own, layout, mask)
    near = others.beside(own.path) if mask is None or errors is None else None
    found = ImagePlanes(near.layout if near is not None and layout in (PLAIN, MANY_CHIPS) else layout)
    _find_mask(found, mask, near, image, own, selection, others)
    better = _of_kind(image, images, own, (), _TRUSTED)
    _find_errors(found, errors, better, near, image, own, selection, others)
    return found


def _own_mask(image: Plane, images: Sequence[Plane], own: File, layout: Layout) -> Plane | None:
    """Find the mask of an image in its own file."""
    if linked := _linked(image, own.planes, "QUALDATA"):
        return linked
    found = _of_kind(image, images, own, layout.mask, ("mask",))
    return found or _of_kind(image, images, own, (), ("mask",))


def _own_errors(image: Plane, images: Sequence[Plane], own: File, layout: Layout, mask: Plane | None) -> Plane | None:
    """Find the plane of errors of an image in its own file."""
    if linked := _linked(image, own.planes, "ERRDATA"):
        return linked
    for words, kinds in (([word for word, _ in layout.errors], _SENSES), ((), _TRUSTED), ((), ("weight",))):
        if found := _of_kind(image, images, own, words, kinds):
            return found
    if layout.name == "LSST afw exposure" and mask is not None:
        # The planes of this layout are in this order, if nothing names them.
        behind = (plane for plane in own.planes if plane.index == mask.index + 1)
        return next((plane for plane in behind if not plane.kind and plane.shape == image.shape), None)
    return None


def _find_mask(
    found: ImagePlanes,
    mask: Plane | None,
    near: Beside | None,
    image: Plane,
    own: File,
    selection: Selection,
    others: OtherFiles,
) -> None:
    path, layout, beside_it = own.path, found.layout, None if near is None else near.mask
    if _none(selection.mask):
        ignored = mask.name if mask is not None else beside_it and beside_it.name
        found.notes.append(
            f"the mask {ignored} is ignored, as chosen: every finite pixel counts" if ignored else NO_MASK
        )
        return
    if selection.mask is not None:
        plane, file = _placed(selection.mask, image, own, others)
        known = file == beside_it
    elif mask is not None:
        plane, file, known = mask, path, False
    elif near is not None and near.mask is not None:
        plane, file, known = _same_place(image, others.get(near.mask)), near.mask, True
    else:
        _without_mask(found, image, own)
        return
    if known and near is not None:
        layout = near.layout
    found.mask, notes = _mask(plane, file, image, layout, selection, path, known=known)
    found.notes += notes


def _without_mask(found: ImagePlanes, image: Plane, own: File) -> None:
    """Note that there is no mask, and why a mask of the file is not used."""
    name, value = _constant(image, own, found.layout.mask) or ("", 0)
    if value:
        raise FitsError(
            f"{own.path}: the mask {name} is {value:g} in every pixel; "
            "--mask none (mask='none') reads the image without it"
        )
    if value is None:
        found.notes.append(f"the mask {name} has no pixels")
    lost = [plane.name for plane in own.planes if plane.kind == "mask" and plane is not image]
    if lost:
        found.notes.append(f"no mask of the file belongs to {image.name}; it has {listed(lost)}")
    found.notes.append(NO_MASK)


def _find_errors(
    found: ImagePlanes,
    errors: Plane | None,
    better: Plane | None,
    near: Beside | None,
    image: Plane,
    own: File,
    selection: Selection,
    others: OtherFiles,
) -> None:
    path, layout, beside_it = own.path, found.layout, None if near is None else near.errors
    chosen = [(name, choice) for name in ("variance", "weight") if (choice := getattr(selection, name)) is not None]
    given = [(name, choice) for name, choice in chosen if not _none(choice)]
    if len(given) == 2:
        raise InvalidParameterError(
            f"variance = {selection.variance!r} and weight = {selection.weight!r}; only one of them can be chosen"
        )
    option = "variance"
    sense: Sense = "inverse variance"
    if given:
        option, choice = given[0]
        plane, file = _placed(choice, image, own, others)
        if option == "variance":
            by_name = sense_by_name(file) if file != path and plane.kind not in _SENSES else None
            sense = by_name or _sense_of(plane, layout)
            # Whoever calls a plane the variance trusts its scale.
            sense = "inverse variance" if sense == "weight" else sense
    elif chosen:
        ignored = errors.name if errors is not None else beside_it and beside_it.name
        found.notes.append(
            f"the plane of errors {ignored} is ignored, as chosen: errors come from the scatter of the pixels"
            if ignored
            else NO_VARIANCE
        )
        return
    elif errors is not None:
        plane, file, sense = errors, path, _sense_of(errors, layout)
    elif near is not None and near.errors is not None:
        plane, file = _same_place(image, others.get(near.errors)), near.errors
        sense = plane.kind if plane.kind in _TRUSTED else near.sense
    else:
        _without_errors(found, image, own)
        return
    found.variance, notes = _variance(plane, file, image, sense, option, path)
    if sense == "weight" and better is not None:
        notes = [f"{notes[0]}; --variance {better.name} (variance={better.name!r}) uses errors instead"]
    found.notes += notes


def _without_errors(found: ImagePlanes, image: Plane, own: File) -> None:
    """Note that there are no errors, and why a plane of the file is not used."""
    name, value = _constant(image, own, [word for word, _ in found.layout.errors]) or ("", 0)
    if value is None:
        found.notes.append(f"{name} has no pixels")
    elif value:
        found.notes.append(f"{name} holds standard deviations of one value, {value:g}, and is not used")
    lost = [plane.name for plane in own.planes if plane.kind in _SENSES and plane is not image]
    if lost:
        found.notes.append(f"no plane of errors of the file belongs to {image.name}; it has {listed(lost)}")
    found.notes.append(NO_VARIANCE)
