"""Names of planes and conversion of bits for masks of ``lsst.images``, which is not imported."""

from __future__ import annotations

__all__ = ["PLANE_ALIASES", "bits_of_mask", "lsst_name", "name_in_schema", "packed_mask", "plane_alias"]

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from .._planes import MAX_PLANES, PLANE_ALIASES, plane_alias
from ..errors import InvalidParameterError
from .mask import Mask

_LSST_NAMES = {old: new for new, old in PLANE_ALIASES.items()}


def lsst_name(name: str, others: Iterable[str] = ()) -> str:
    """Return the name of a mask plane in ``lsst.images``; the inverse of `plane_alias`."""
    alias = _LSST_NAMES.get(name, name)
    return name if alias in others else alias


def _bit_number(mask: np.integer[Any]) -> int:
    return int(mask).bit_length() - 1


def _moves(places: Iterable[tuple[int, int, int]]) -> Iterator[tuple[int, int, int]]:
    """Collect planes that go from one element to another by the same shift.

    Parameters
    ----------
    places : iterable of (element, old bit, new bit)

    Yields
    ------
    element, shift to the left, bits before the shift
    """
    bits: dict[tuple[int, int], int] = defaultdict(int)
    for element, old, new in places:
        bits[element, new - old] |= 1 << old
    for (element, shift), mask in bits.items():
        yield element, shift, mask


def _shifted(array: np.ndarray, mask: int, shift: int) -> np.ndarray:
    """Return the bits of `mask` in an array of unsigned numbers, shifted `shift` places to the left."""
    part: np.ndarray = array & array.dtype.type(mask)
    return part << np.uint8(shift) if shift >= 0 else part >> np.uint8(-shift)


def _unsigned(array: np.ndarray, *, wide: bool) -> np.ndarray:
    """Return the elements of a mask as unsigned numbers of 64 (`wide`) or 32 bits, with the same bits."""
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    return native.view(f"u{native.itemsize}").astype(np.uint64 if wide else np.uint32, copy=False)


def bits_of_mask(mask: Any) -> tuple[np.ndarray, dict[str, int]]:
    """Return the bits, int32 of shape (height, width), and the plane numbers of a mask of ``lsst.images``.

    A mask with one element of 32 bits per pixel is shared, any other mask is converted. The number of a plane is its
    place in the schema, unless the schema has more than 32 places.
    """
    schema, array = mask.schema, mask.array
    names = [(place, plane.name) for place, plane in enumerate(schema) if plane is not None]
    if len(names) > MAX_PLANES:
        raise InvalidParameterError(f"The mask has {len(names)} planes; at most {MAX_PLANES} are allowed")
    if len(schema) > MAX_PLANES:
        names = [(number, name) for number, (_, name) in enumerate(names)]
    known = {name for _, name in names}
    planes = {plane_alias(name, known): number for number, name in names}
    if array.shape[-1] == 1 and array.dtype.itemsize == 4 and array.dtype.isnative and len(schema) <= MAX_PLANES:
        return array[..., 0].view(np.int32), planes
    bits = np.zeros(array.shape[:-1], np.uint32)
    places = [schema.bit(name) for _, name in names]
    moves = _moves((one.index, _bit_number(one.mask), number) for one, (number, _) in zip(places, names, strict=True))
    for element, shift, mask_bits in moves:
        part = _unsigned(array[..., element], wide=array.dtype.itemsize > 4)
        bits |= _shifted(part, mask_bits, shift).astype(np.uint32, copy=False)
    return bits.view(np.int32), planes


def packed_mask(mask: Mask, schema: Any) -> np.ndarray:
    """Pack the pixels of a mask by a schema of ``lsst.images``; planes that the schema lacks are left out."""
    own = mask.getMaskPlaneDict()
    array = np.zeros((*mask.array.shape, schema.mask_size), schema.dtype)
    wide = schema.dtype.itemsize > 4
    bits = _unsigned(mask.array, wide=wide)
    names = {name_in_schema(schema, name): number for name, number in own.items()}
    places = [(schema.bit(name), number) for name, number in names.items() if name in schema.names]
    by_element = defaultdict(list)
    for place, number in places:
        by_element[place.index].append((place.index, number, _bit_number(place.mask)))
    for element, moves in by_element.items():
        for _, shift, mask_bits in _moves(moves):
            array[..., element] |= _shifted(bits, mask_bits, shift).astype(schema.dtype)
    return array


def name_in_schema(schema: Any, name: str) -> str:
    """Return the name of a plane in a schema that may have it."""
    return name if name in schema.names else lsst_name(name)
