"""Masks of lsst.images, by a stand-in for its schemas: names of planes, and bits that are packed and unpacked."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from evensky.errors import InvalidParameterError
from evensky.image import Mask
from evensky.image.lsst_masks import bits_of_mask, lsst_name, name_in_schema, packed_mask, plane_alias


class Schema:
    """Shaped like a schema of lsst.images: planes by their places, None for a place without a plane.

    Signed elements have no plane in their sign bit.
    """

    def __init__(self, names: list[str | None], dtype: Any = np.int32) -> None:
        self._planes = [None if name is None else SimpleNamespace(name=name) for name in names]
        self.names = {name for name in names if name is not None}
        self.dtype = np.dtype(dtype)
        self._bits = 8 * self.dtype.itemsize - (self.dtype.kind == "i")
        self.mask_size = -(-len(names) // self._bits)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._planes)

    def __len__(self) -> int:
        return len(self._planes)

    def bit(self, name: str) -> Any:
        place = next(at for at, plane in enumerate(self._planes) if plane is not None and plane.name == name)
        index, bit = divmod(place, self._bits)
        return SimpleNamespace(index=index, mask=self.dtype.type(1 << bit))


def make_mask(schema: Schema, *rows: list[list[str]]) -> Any:
    """Make a mask whose pixels have the named planes."""
    array = np.zeros((len(rows), len(rows[0]), schema.mask_size), schema.dtype)
    for y, row in enumerate(rows):
        for x, names in enumerate(row):
            for name in names:
                bit = schema.bit(name)
                array[y, x, bit.index] |= bit.mask
    return SimpleNamespace(schema=schema, array=array)


def names_of(bits: np.ndarray, planes: dict[str, int]) -> list[list[str]]:
    pixels = bits.view(np.uint32).ravel()
    return [[name for name, bit in planes.items() if pixel >> np.uint32(bit) & np.uint32(1)] for pixel in pixels]


def test_names_of_planes() -> None:
    for theirs, ours in (("SATURATED", "SAT"), ("COSMIC_RAY", "CR"), ("BAD", "BAD"), ("DUST", "DUST")):
        assert plane_alias(theirs) == ours
        assert lsst_name(ours) == theirs
    # A name that another plane of the mask has is not taken.
    assert plane_alias("SATURATED", {"SAT", "SATURATED"}) == "SATURATED"
    assert lsst_name("SAT", {"SAT", "SATURATED"}) == "SAT"
    schema = Schema(["SAT", "COSMIC_RAY"])
    assert [name_in_schema(schema, name) for name in ("SAT", "CR", "DUST")] == ["SAT", "COSMIC_RAY", "DUST"]


def test_a_mask_of_one_element_is_shared() -> None:
    mask = make_mask(Schema(["BAD", None, "SATURATED"]), [["BAD"], []], [["SATURATED"], ["BAD", "SATURATED"]])
    bits, planes = bits_of_mask(mask)
    assert planes == {"BAD": 0, "SAT": 2}
    assert bits.tolist() == [[1, 0], [4, 5]]
    assert np.shares_memory(bits, mask.array)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.uint64, ">i4", ">u2"])
@pytest.mark.parametrize("number", [3, 9, 32])
def test_bits_come_back_by_name(dtype: Any, number: int) -> None:
    names: list[str | None] = [f"P{place}" for place in range(number)]
    rows = [[["P0"], [f"P{number - 1}"], ["P1", "P2"]], [[], [name for name in names if name], [f"P{number // 2}"]]]
    bits, planes = bits_of_mask(make_mask(Schema(names, dtype), *rows))
    assert (bits.dtype, bits.shape) == (np.int32, (2, 3))
    assert planes == {f"P{place}": place for place in range(number)}
    assert names_of(bits, planes) == [pixel for row in rows for pixel in row]


def test_planes_of_more_places_than_bits_are_renumbered() -> None:
    names: list[str | None] = [None] * 40
    names[3], names[35] = "A", "B"
    bits, planes = bits_of_mask(make_mask(Schema(names, np.uint8), [["A"], ["B"], ["A", "B"]]))
    assert planes == {"A": 0, "B": 1}
    assert bits.tolist() == [[1, 2, 3]]


def test_too_many_planes_are_refused() -> None:
    mask = make_mask(Schema([f"P{place}" for place in range(33)]), [[]])
    with pytest.raises(InvalidParameterError, match="The mask has 33 planes; at most 32 are allowed"):
        bits_of_mask(mask)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint64])
def test_masks_are_packed_by_name(dtype: Any) -> None:
    schema = Schema(["DUST", "SATURATED", *(f"P{place}" for place in range(6)), "CR", "BAD"], dtype)
    mask = Mask(np.zeros((1, 5), np.int32), mask_planes={"BAD": 31, "SAT": 4, "CR": 7, "GHOST": 2})
    pixels = [["BAD"], ["SAT"], ["CR"], ["GHOST"], ["BAD", "SAT", "CR", "GHOST"]]
    for x, names in enumerate(pixels):
        mask.array[0, x] = mask.getPlaneBitMask(names)
    packed = packed_mask(mask, schema)
    assert (packed.dtype, packed.shape) == (schema.dtype, (1, 5, schema.mask_size))
    # A plane that the schema lacks is left out.
    want = [["BAD"], ["SATURATED"], ["CR"], [], ["SATURATED", "CR", "BAD"]]
    np.testing.assert_array_equal(packed, make_mask(schema, want).array)
