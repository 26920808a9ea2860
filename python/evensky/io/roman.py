"""Reading and rewriting of images of the Roman telescope in ASDF files, with the optional package asdf."""

from __future__ import annotations

__all__ = ["ASDF_LAYOUT", "describe_asdf", "is_asdf", "read_asdf", "rewrite_asdf"]

import math
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .._bands import row_bands
from .._checks import shown
from .._core import __version__
from ..errors import EvenskyError, FitsError
from ..fits.atomic import Permit, atomic_path
from ..fits.descriptions import (
    FileDescription,
    ImageDescription,
    MaskDescription,
    PlaneDescription,
    Role,
    Selection,
    Sense,
    VarianceDescription,
)
from ..fits.digests import FileState, state_of
from ..fits.opening import quiet
from ..fits.planes import FitsPlanes
from ..fits.scratch import Scratch, stored
from .asdf_blocks import largest_array

ASDF_LAYOUT = "Roman ASDF"
"""Layout that descriptions of images in ASDF files have."""

_IMAGE = "data"
_PROVENANCE = "evensky"  # key at the top of the tree, beside "roman"

# Roman's data quality flags. 14 is the only number without a name.
_PLANES: Mapping[str, int] = {
    "DO_NOT_USE": 0,
    "SATURATED": 1,
    "JUMP_DET": 2,
    "DROPOUT": 3,
    "GW_AFFECTED_DATA": 4,
    "PERSISTENCE": 5,
    "AD_FLOOR": 6,
    "OUTLIER": 7,
    "UNRELIABLE_ERROR": 8,
    "NON_SCIENCE": 9,
    "DEAD": 10,
    "HOT": 11,
    "WARM": 12,
    "LOW_QE": 13,
    "TELEGRAPH": 15,
    "NONLINEAR": 16,
    "BAD_REF_PIXEL": 17,
    "NO_FLAT_FIELD": 18,
    "NO_GAIN_VALUE": 19,
    "NO_LIN_CORR": 20,
    "NO_SAT_CHECK": 21,
    "UNRELIABLE_BIAS": 22,
    "UNRELIABLE_DARK": 23,
    "UNRELIABLE_SLOPE": 24,
    "UNRELIABLE_FLAT": 25,
    "RESERVED_5": 26,
    "RESERVED_6": 27,
    "UNRELIABLE_RESET": 28,
    "RESERVED_7": 29,
    "OTHER_BAD_PIXEL": 30,
    "REFERENCE_PIXEL": 31,
}
_BAD = ("DO_NOT_USE", "NON_SCIENCE")
_BAND = 2**20  # pixels that are converted at a time
_NO_PIXEL = 14  # set where the error or weight says that there is no pixel
_SENSES: Mapping[str, Sense] = {
    "err": "sigma",
    "var_poisson": "variance",
    "var_rnoise": "variance",
    "var_flat": "variance",
    "var_sky": "variance",
    "weight": "weight",
}


@dataclass(frozen=True)
class _Plane:
    """A two-dimensional array of the tree, and the unit that is stored with it."""

    node: Any
    unit: str


def is_asdf(path: str | Path) -> bool:
    """Return whether a file is an ASDF file, by its first bytes or by the ending ``.asdf`` of its name."""
    path = Path(path)
    if path.suffix.lower() == ".asdf":
        return True
    try:
        if not path.is_file():
            return False
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))  # in half the time of a file of Python
        try:
            return os.read(handle, 5) == b"#ASDF"
        finally:
            os.close(handle)
    except OSError as error:
        raise FitsError(f"{path}: cannot be read: {error.strerror}") from error


@contextmanager
def _plain_types(path: Path) -> Iterator[Any]:
    """Provide the package asdf without its extensions.

    Objects of other packages then remain what the file holds, with their tags, and are written as they were.
    """
    try:
        import asdf
    except ImportError:
        raise FitsError(f"{path}: is an ASDF file; install evensky[roman] to read it") from None
    with asdf.config_context() as config:
        config.validate_on_read = False  # metadata that break a schema do not make the pixels unusable
        for extension in config.extensions:
            if "asdf-format.org/core/" not in (extension.extension_uri or ""):
                config.remove_extension(extension)
        yield asdf


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open an ASDF file without loading its arrays; any failure becomes a FitsError of one line."""
    try:
        if path.is_dir():
            raise FitsError(f"{path}: is a folder, not an ASDF file")
        if not path.exists():
            raise FitsError(f"{path}: there is no such file")
        with _plain_types(path) as asdf:
            largest = largest_array(path)
            with asdf.open(path, ignore_unrecognized_tag=True, ignore_missing_extensions=True, memmap=False) as file:
                _check_claims(file, path, largest)
                yield file
    except FitsError:
        raise
    except EvenskyError as error:
        raise FitsError(f"{path}: {error}") from error
    except Exception as error:  # asdf and its YAML parser raise many kinds of exceptions on broken files.
        if isinstance(error, OSError) and error.filename is not None:
            raise FitsError(f"{path}: cannot be read: {error.strerror}") from error
        if isinstance(error, MemoryError):
            raise FitsError(f"{path}: does not fit into memory") from error
        reason = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, _UNEXPECTED):
            reason = "a block or an array in it is damaged"
        raise FitsError(f"{path}: cannot be read as ASDF: {reason}") from error


# What asdf raises where blocks and arrays contradict each other in a way that it does not expect.
_UNEXPECTED = (ArithmeticError, AttributeError, LookupError, TypeError)


def _nodes(tree: Any) -> Iterator[Any]:
    """Iterate over what a tree holds, each once, though aliases may lead to it on many ways."""
    seen: set[int] = set()
    left = [tree]
    while left:
        node = left.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, Mapping):
            left += node.values()
        elif isinstance(node, list | tuple):
            left += node


def _check_claims(file: Any, path: Path, largest: int) -> None:
    """Raise FitsError if an array is in another file, or says that it is larger than the blocks of this one."""
    for node in _nodes(file.tree):
        # asdf would open any file, or address of the network, that an array names.
        if isinstance(source := getattr(node, "_source", None), str):
            raise FitsError(f"{path}: an array of it is in another file, {shown(source)}, which is not opened")
    roman = file.tree.get("roman")
    for key, plane in (_planes(roman) if isinstance(roman, Mapping) else {}).items():
        shape = tuple(plane.node.shape)
        size = math.prod(int(one) for one in shape) * np.dtype(plane.node.dtype).itemsize
        if any(int(one) < 0 for one in shape) or size > largest:
            raise FitsError(f"{path}: roman.{key} says that it has shape {shape}, but no array of the file is so large")


def _roman(file: Any, path: Path) -> Any:
    """Return the branch of the tree that holds Roman's image."""
    roman = file.tree.get("roman")
    if not isinstance(roman, Mapping) or _IMAGE not in roman:
        found = ", ".join(repr(str(key)) for key in file.tree if key not in ("asdf_library", "history")) or "nothing"
        raise FitsError(f"{path}: has no image roman.data, which files of the Roman telescope have; it holds {found}")
    return roman


def _plane(node: Any) -> _Plane | None:
    """Return the array of a node, which in files of 2023 and before is a quantity; None for anything else."""
    unit = ""
    if isinstance(node, Mapping) and "value" in node and "unit" in node:
        node, unit = node["value"], str(node["unit"])
    return _Plane(node, unit) if hasattr(node, "dtype") and hasattr(node, "shape") else None


def _planes(roman: Any) -> dict[str, _Plane]:
    """Return all arrays by name, the image first."""
    found = {str(key): plane for key, node in roman.items() if (plane := _plane(node)) is not None}
    if _IMAGE not in found:
        return found
    return {_IMAGE: found[_IMAGE], **{key: plane for key, plane in found.items() if key != _IMAGE}}


def _pixels(planes: Mapping[str, _Plane], key: str) -> np.ndarray:
    """Load an array; masked elements of floats become NaN."""
    pixels = planes[key].node[...]
    if isinstance(pixels, np.ma.MaskedArray):
        pixels = pixels.filled(np.nan if pixels.dtype.kind == "f" else None)
    return np.asarray(pixels)


def _text(meta: Any, *keys: str) -> str:
    """Return a text of the metadata; "" if it is missing or only stands in for one."""
    for key in keys:
        meta = meta.get(key) if isinstance(meta, Mapping) else None
    return "" if meta is None or str(meta) in ("?", "None", "NOT_CONFIGURED") else str(meta)


def _chosen(
    choice: str | int | None, usual: str, planes: Mapping[str, _Plane], path: Path, option: str
) -> PlaneDescription | None:
    """Find an array by the choice of the user; None if there is none or the user wants none."""
    names = list(planes)
    if choice is None:
        key = usual
        if key not in planes:
            return None
    elif str(choice).lower() == "none":
        return None
    else:
        key = str(choice).removeprefix("roman.")
        if key not in planes:
            raise FitsError(
                f"{path}: {option} = {str(choice)!r}; in an ASDF file it must be 'none' or one of {', '.join(names)}"
            )
    shape, size = tuple(planes[key].node.shape), tuple(planes[_IMAGE].node.shape)
    if shape != size:
        raise FitsError(f"{path}: roman.{key} has shape {shape} but the image has {size}; {option} = 'none' ignores it")
    return PlaneDescription(path, names.index(key), f"roman.{key}")


def _key(description: PlaneDescription) -> str:
    return description.name.removeprefix("roman.")


def _bits(choice: Iterable[str], path: Path) -> int:
    """Combine names of flags, or their values as in "4096+8192", into one number."""
    bits = 0
    for name in choice:
        for part in (piece.strip() for piece in str(name).split("+")):
            if part.upper() in _PLANES:
                bits |= 1 << _PLANES[part.upper()]
            elif re.fullmatch(r"[0-9]{1,10}", part) and int(part) < 2**32:
                bits |= int(part)
            else:
                raise FitsError(
                    f"{path}: the mask has no flag {shown(part)}; it has {', '.join(_PLANES)}, or use the values of "
                    "flags"
                )
    return bits


def _bit_names(bits: int) -> tuple[str, ...]:
    names = {number: name for name, number in _PLANES.items()}
    return tuple(names.get(number, str(1 << number)) for number in range(32) if bits >> number & 1)


def _mask_of(planes: Mapping[str, _Plane], path: Path, selection: Selection) -> MaskDescription | None:
    place = _chosen(selection.mask, "dq", planes, path, "mask")
    if place is None:
        return None
    dtype = np.dtype(planes[_key(place)].node.dtype)
    if dtype.kind not in "biu" or dtype.itemsize > 4:
        raise FitsError(
            f"{path}: the mask {place.name} has pixels of type {dtype}; whole numbers of at most 32 bits are needed"
        )
    good = _bits(selection.good_bits, path)
    if selection.bad_planes is not None:
        bad = _bits(selection.bad_planes, path) & ~good
    elif _key(place) == "dq":
        bad = _bits(_BAD, path) & ~good
    else:
        bad = (2**32 - 1) & ~good
    if _key(place) == "dq":
        return MaskDescription(place.path, place.hdu, place.name, dict(_PLANES), bad, _bit_names(bad))
    # The flags of other arrays, such as dq2, have other meanings.
    names = ("any",) if bad == 2**32 - 1 else tuple(str(1 << number) for number in range(32) if bad >> number & 1)
    return MaskDescription(place.path, place.hdu, place.name, None, bad, names)


def _variance_of(planes: Mapping[str, _Plane], path: Path, selection: Selection) -> VarianceDescription | None:
    if selection.weight is not None and str(selection.weight).lower() != "none":
        place = _chosen(selection.weight, "", planes, path, "weight")
        sense: Sense = "inverse variance"
    else:
        place = _chosen(selection.variance, "err", planes, path, "variance")
        sense = "variance" if place is None else _SENSES.get(_key(place), "variance")
    return None if place is None else VarianceDescription(place.path, place.hdu, place.name, sense)


def _unit_of(planes: Mapping[str, _Plane], roman: Any) -> tuple[str, str]:
    """Return the unit of the image, and how it is known."""
    if planes[_IMAGE].unit:
        return planes[_IMAGE].unit, ""
    # Files since 2024 do not store the unit. Roman's schemas allow two: DN / s, and MJy / sr after the step "flux".
    if "weight" in planes:
        return "MJy/sr", "the file states no unit: MJy/sr, as in all mosaics"
    if _text(roman, "meta", "cal_step", "flux") == "COMPLETE":
        return "MJy/sr", "the file states no unit: MJy/sr, as after the step flux"
    return "DN/s", "the file states no unit: DN/s, as before the step flux"


def _tangent_wcs(gwcs: Any, shape: tuple[int, int]) -> Any:
    """Return the FITS WCS that is equal to a tangent projection without distortion; None for other kinds."""
    from astropy.modeling.models import Pix2Sky_TAN, RotateNative2Celestial
    from astropy.wcs import WCS

    transform = gwcs.forward_transform
    parts = list(transform) if transform.n_submodels > 1 else [transform]
    rotation = next((part for part in parts if isinstance(part, RotateNative2Celestial)), None)
    frame = getattr(gwcs.output_frame, "reference_frame", None)
    if (
        rotation is None
        or not any(isinstance(part, Pix2Sky_TAN) for part in parts)
        or getattr(frame, "name", "") != "icrs"
    ):
        return None
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [float(rotation.lon.value), float(rotation.lat.value)]
    wcs.wcs.lonpole = float(rotation.lon_pole.value)
    wcs.wcs.radesys = "ICRS"
    wcs.wcs.crpix = [1.0, 1.0]  # pixels of this WCS are degrees from the tangent point

    def sky(x: Any, y: Any) -> tuple[Any, Any]:
        ra, dec = gwcs(np.asarray(x, float), np.asarray(y, float), with_bounding_box=False)
        return getattr(ra, "value", ra), getattr(dec, "value", dec)

    height, width = shape
    plane = np.array(wcs.all_world2pix(*sky([0, width - 1, 0], [0, 0, height - 1]), 0))
    linear = (plane[:, 1:] - plane[:, :1]) / [max(width - 1, 1), max(height - 1, 1)]
    if not np.isfinite(linear).all() or np.linalg.det(linear) == 0:
        return None
    wcs.wcs.cd = linear
    wcs.wcs.crpix = 1 - np.linalg.solve(linear, plane[:, 0])
    y, x = (axis.ravel() for axis in np.mgrid[0 : height - 1 : 5j, 0 : width - 1 : 5j])
    right, made = sky(x, y), wcs.all_pix2world(x, y, 0)
    away = np.hypot(((made[0] - right[0] + 180) % 360 - 180) * np.cos(np.deg2rad(right[1])), made[1] - right[1])
    return wcs if np.max(away) < 1e-9 else None


def _wcs_of(path: Path, shape: tuple[int, int]) -> tuple[Any, str]:
    """Return the WCS of an image, and a note if there is one that cannot be read.

    A tangent projection without distortion is an `astropy.wcs.WCS`, any other a `gwcs.WCS`.
    """
    import asdf

    try:
        with quiet(), asdf.config_context() as config:
            warnings.simplefilter("ignore")  # within the context of quiet, which restores the filters
            config.validate_on_read = False
            with asdf.open(path, lazy_tree=True, memmap=False) as file:
                wcs = file["roman"]["meta"].get("wcs")
                if wcs is None:
                    return None, ""
                if isinstance(wcs, Mapping):
                    return None, "the WCS is not read: the package gwcs is missing"
                return _tangent_wcs(wcs, shape) or wcs, ""
    except MemoryError:
        raise FitsError(f"{path}: does not fit into memory") from None
    except Exception as error:  # A broken WCS does not make the pixels unusable.
        reason = " ".join(str(error).split()) or type(error).__name__
        return None, f"the WCS cannot be read: {reason}"


def describe_asdf(path: str | Path, selection: Selection | None = None) -> FileDescription:
    """Describe an ASDF file of the Roman telescope from its tree; no pixels are loaded.

    Parameters
    ----------
    path : str or Path
        A calibrated image of one detector (level 2) or a mosaic (level 3).
    selection : Selection, optional
        Choices of the user. `hdu`, `mask`, `variance` and `weight` are names of arrays, as in "dq" or "roman.dq".

    Returns
    -------
    FileDescription
        With one image. Its WCS is an `astropy.wcs.WCS` if that gives the same positions, otherwise a `gwcs.WCS`.

    Raises
    ------
    evensky.errors.FitsError
        If the file is missing, broken or holds no image, if `selection` names what it does not have, or if the package
        asdf is not installed.
    """
    path, selection = Path(path), selection or Selection()
    if str(selection.hdu or 0).removeprefix("roman.") not in ("0", _IMAGE):
        raise FitsError(f"{path}: hdu = {selection.hdu!r}; the only image of an ASDF file of Roman is 'roman.data'")
    with _opened(path) as file:
        roman = _roman(file, path)
        planes = _planes(roman)
        if _IMAGE not in planes:
            raise FitsError(f"{path}: roman.data is not an array; a two-dimensional image is needed")
        shape = tuple(int(size) for size in planes[_IMAGE].node.shape)
        if len(shape) != 2 or 0 in shape:
            raise FitsError(f"{path}: roman.data has shape {shape}; a two-dimensional image is needed")
        dtype = np.dtype(planes[_IMAGE].node.dtype)
        if dtype.kind not in "iuf":
            raise FitsError(f"{path}: the image has pixels of type {dtype}; real numbers are needed")
        mask, variance = _mask_of(planes, path, selection), _variance_of(planes, path, selection)
        unit, assumed = _unit_of(planes, roman)
        notes = [assumed] if assumed else []
        if mask is None:
            notes.append("there is no mask" if "dq" not in planes else "the mask roman.dq is ignored")
        if variance is None:
            notes.append("there is no variance" if "err" not in planes else "the errors roman.err are ignored")
        role: Role = "earlier output" if _PROVENANCE in file.tree else "exposure"
        instrument = _text(roman, "meta", "instrument", "name")
        filters = _text(roman, "meta", "instrument", "optical_element") or _text(
            roman, "meta", "basic", "optical_element"
        )
    wcs, unread = _wcs_of(path, shape)
    if unread:
        notes.append(unread)
    image = ImageDescription(
        path,
        0,
        "roman.data",
        "",
        shape,
        ASDF_LAYOUT,
        mask,
        variance,
        unit,
        filters,
        None,
        tuple(notes),
        instrument=instrument,
    )
    used = {_IMAGE, "weight"} | {_key(plane) for plane in (mask, variance) if plane is not None}
    return FileDescription(
        path,
        ASDF_LAYOUT,
        role,
        (image,),
        tuple(f"roman.{key}" for key in planes),
        ignored=tuple(f"roman.{key}" for key in planes if key not in used),
        wcs=(wcs,),
    )


def read_asdf(
    description: ImageDescription, *, dtype: Any = None, scratch: str | Path | Scratch | None = None
) -> FitsPlanes:
    """Read the planes of an image that `describe_asdf` has described.

    Pixels whose error is not positive and finite, or whose weight in a mosaic is not positive, do not count.

    Parameters
    ----------
    description : ImageDescription
    dtype : numpy dtype, optional
        float32 or float64; by default that of the file.
    scratch : str or Path, optional
        Folder in which pixels are kept instead of in memory.

    Returns
    -------
    FitsPlanes
        Without a header.

    Raises
    ------
    evensky.errors.FitsError
        If the file cannot be read or has changed since it was described.
    """
    path, space = description.path, Scratch(scratch)
    assumptions = list(description.notes)
    with _opened(path) as file:
        planes = _planes(_roman(file, path))
        needed = {_IMAGE} | {_key(plane) for plane in (description.mask, description.variance) if plane is not None}
        for key in sorted(needed):
            if key not in planes or tuple(planes[key].node.shape) != description.shape:
                raise FitsError(f"{path}: has changed while it was used: roman.{key} has another shape or is gone")
        pixels = _pixels(planes, _IMAGE)
        wide = np.dtype(dtype) == np.float64 if dtype is not None else not np.can_cast(pixels.dtype, np.float32)
        image = space.zeros(description.shape, np.float64 if wide else np.float32)
        with np.errstate(over="ignore"):  # pixels beyond the range of float32 become infinite, and do not count
            image[...] = pixels
        flags = None if description.mask is None else _pixels(planes, _key(description.mask))
        errors = None if description.variance is None else _pixels(planes, _key(description.variance))
        weight = None
        if "weight" in planes and tuple(planes["weight"].node.shape) == description.shape:
            weight = _pixels(planes, "weight")
    bits = space.zeros(description.shape, np.int32)
    variance = space.zeros(description.shape, np.float32)
    bad = 0 if description.mask is None else description.mask.bad
    count = 0
    for rows in row_bands(*description.shape, _BAND):
        band = bits[rows]
        lost = np.zeros(band.shape, bool)
        if flags is not None:
            band[...] = flags[rows].astype(np.int64).astype(np.uint32).view(np.int32)
            if not bad >> _NO_PIXEL & 1:
                band &= ~np.int32(1 << _NO_PIXEL)
        if errors is not None and description.variance is not None:
            variances = variance[rows]
            lost |= _convert_errors(errors[rows], description.variance.sense, variances)
            stored(variance, rows, variances)
        if weight is not None:
            lost |= ~(weight[rows] > 0)
        band[lost] |= np.int32(1 << _NO_PIXEL)
        stored(bits, rows, band)
        count += int(np.count_nonzero(lost))
    if count:
        assumptions.append(f"{count} of {bits.size} pixels have no positive finite error or weight, and do not count")
    named = (description.mask.planes if description.mask is not None else None) or {}
    return FitsPlanes(
        image,
        bits,
        variance,
        {**named, "NO_DATA": _NO_PIXEL},
        has_variance=description.variance is not None and description.variance.sense != "weight",
        assumptions=assumptions,
        path=path,
        scratch=space.folder,
        bad=bad,
        reject=1 << _NO_PIXEL,
        unit=description.unit,
    )


def _convert_errors(stored: np.ndarray, sense: Sense, out: np.ndarray) -> np.ndarray:
    """Convert errors to variances; return where there are none."""
    wide = stored.astype(np.float64)
    with np.errstate(all="ignore"):
        match sense:
            case "sigma":
                out[...] = np.where(wide > 0, np.square(wide), np.nan)
            case "inverse variance":
                out[...] = np.where(wide > 0, 1 / wide, np.nan)
            case "variance":
                out[...] = wide
            case "weight":  # Its scale is unknown, so it gives no variance.
                return np.asarray(~(wide > 0))
    return np.asarray(~(np.isfinite(out) & (out > 0)))


def rewrite_asdf(
    source: str | Path,
    target: str | Path,
    image: np.ndarray,
    *,
    err: np.ndarray | None = None,
    history: Iterable[str] = (),
    provenance: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    permit: Permit | None = None,
) -> FileState:
    """Write a copy of an ASDF file of the Roman telescope with another image.

    The tree keeps all else, with tags and types of arrays. It gets one entry of history for each line, and a mapping
    "evensky" beside "roman" with the provenance.

    Parameters
    ----------
    source : str or Path
        The file to copy.
    target : str or Path
        The file to write; it appears whole or not at all.
    image : ndarray
        The pixels of roman.data, in the shape of the file's; they get its type if that is real, otherwise float32.
    err : ndarray, optional
        Standard deviations for roman.err, which is kept by default.
    history : iterable of str, optional
        Lines of history.
    provenance : mapping, optional
        Keyword to value, or to a pair of value and comment.
    overwrite : bool, optional
        Replace an existing file.
    permit : Permit, optional
        Right to write to the folder, see `evensky.fits.atomic.atomic_path`.

    Returns
    -------
    FileState
        Size and digest of the target, read before it got its name.

    Raises
    ------
    evensky.errors.FitsError
        If `source` cannot be read, `target` cannot be written or exists and `overwrite` is false, a shape differs, or
        `err` is beyond the range of the type that the file has for it.
    """
    source, target = Path(source), Path(target)
    with atomic_path(target, overwrite=overwrite, permit=permit) as temporary, _opened(source) as file:
        roman = _roman(file, source)
        _replace(file, roman, _IMAGE, image, source)
        if err is not None:
            _replace(file, roman, "err", err, source)
        for line in history:
            file.add_history_entry(line, {"name": "evensky", "version": __version__})
        file.tree[_PROVENANCE] = {
            **file.tree.get(_PROVENANCE, {}),
            **{keyword: _plain(given) for keyword, given in (provenance or {}).items()},
        }
        try:
            file.write_to(temporary)
        except Exception as error:  # The arrays that are copied are read only now, and may be broken.
            reason = " ".join(str(error).split()) or type(error).__name__
            raise FitsError(f"{target}: cannot be written as a copy of {source}: {reason}") from error
        return state_of(temporary)


def _plain(given: Any) -> Any:
    """Return the value of a card as a type that YAML has."""
    value = given[0] if isinstance(given, tuple) else given
    if isinstance(value, np.generic):
        value = value.item()
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _replace(file: Any, roman: Any, key: str, pixels: np.ndarray, path: Path) -> None:
    """Replace an array of the tree by pixels of the same shape, in its type and with its compression."""
    plane = _plane(roman.get(key))
    if plane is None:
        raise FitsError(f"{path}: has no array roman.{key} to replace")
    if tuple(plane.node.shape) != pixels.shape:
        raise FitsError(
            f"{path}: roman.{key} has shape {tuple(plane.node.shape)} but its new pixels have {pixels.shape}"
        )
    dtype = np.dtype(plane.node.dtype).newbyteorder("=")
    if dtype.kind != "f":
        dtype = np.dtype(np.float32)
    with np.errstate(over="ignore", under="ignore"):
        new = np.array(pixels, dtype)
    if key == "err":
        lost = np.isfinite(pixels) & (pixels > 0) & ~(np.isfinite(new) & (new > 0))
        if lost.any():
            raise FitsError(
                f"{path}: roman.err is of type {dtype}, which cannot hold {pixels[lost][0]:.6g}; "
                "leave the errors as they are"
            )
    compression = file.get_array_compression(plane.node)
    if isinstance(roman[key], Mapping):
        roman[key]["value"] = new
    else:
        roman[key] = new
    file.set_array_compression(new, compression)
