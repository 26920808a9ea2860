"""Boxes of tracts and patches."""

from __future__ import annotations

import doctest
import importlib
import json
import pickle
from typing import Any

import pytest

from evensky.errors import InvalidParameterError, NotFoundError, OutOfRangeError
from evensky.geom import Box2I, Extent2I, Point2I
from evensky.tasks.tract import SkyMap, TractInfo


@pytest.mark.parametrize("name", ["tasks.tract.sky_map", "tasks.tract.background", "matching.bin_sums"])
def test_examples(name: str) -> None:
    results = doctest.testmod(importlib.import_module(f"evensky.{name}"))
    assert results.attempted > 0
    assert results.failed == 0


def box(x: int, y: int, width: int, height: int) -> Box2I:
    return Box2I(Point2I(x, y), Extent2I(width, height))


TRACT = TractInfo((100, 80), (4, 3), border=10, tract=5)


def test_patches_tile_the_tract() -> None:
    assert TRACT.getBBox() == TRACT.bbox == box(0, 0, 400, 240)
    assert len(TRACT) == len(list(TRACT)) == 12
    assert sum(patch.getInnerBBox().getArea() for patch in TRACT) == TRACT.getBBox().getArea()
    assert TRACT.getId() == TRACT.tract_id == 5
    assert TRACT.getNumPatches() == TRACT.num_patches == (4, 3)
    assert TRACT.getNumPatches().x == 4
    assert TRACT.getPatchInnerDimensions() == TRACT.patch_inner_dimensions == Extent2I(100, 80)
    assert TRACT.getPatchBorder() == TRACT.patch_border == 10


def test_outer_boxes_have_a_border_inside_the_tract() -> None:
    assert TRACT[0].getOuterBBox() == box(0, 0, 110, 90)
    assert TRACT[5].getOuterBBox() == TRACT[5].outer_bbox == box(90, 70, 120, 100)
    assert TRACT[11].getOuterBBox() == box(290, 150, 110, 90)
    assert TRACT[5].inner_bbox == box(100, 80, 100, 80)


@pytest.mark.parametrize("index", [6, (2, 1), [2, 1]])
def test_a_patch_is_found_by_number_and_by_column_and_row(index: Any) -> None:
    patch = TRACT.getPatchInfo(index)
    assert patch.getIndex() == patch.index == (2, 1)
    assert (patch.getIndex().x, patch.getIndex().y) == (2, 1)
    assert patch.getSequentialIndex() == patch.sequential_index == TRACT.getSequentialPatchIndex(patch) == 6
    assert repr(patch).startswith("PatchInfo(index=(2, 1), ")


@pytest.mark.parametrize("index", [12, -1, (4, 0), (0, 3), (-1, 0)])
def test_a_patch_that_does_not_exist_is_an_error(index: Any) -> None:
    with pytest.raises(OutOfRangeError, match="4 x 3 patches, 0 to 11"):
        TRACT[index]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (((0, 5), (1, 1)), r"patch is \(0, 5\); both numbers must be >= 1"),
        (((5, 5), (1, 0)), r"number is \(1, 0\)"),
        ((5, (1, 1)), "patch is 5; two whole numbers"),
        (((5, 5, 5), (1, 1)), "two whole numbers"),
        (((5, 5), (1, 1), -1), "border is -1"),
        (((5.5, 5), (1, 1)), "5.5"),
    ],
)
def test_impossible_tracts_are_errors(values: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        TractInfo(*values)


def test_a_sky_map_survives_dictionaries_and_pickles() -> None:
    skies = SkyMap({5: TRACT, 9: TractInfo((50, 50), (2, 2))})
    assert SkyMap.from_dict(json.loads(json.dumps(skies.to_dict()))) == skies
    assert pickle.loads(pickle.dumps(skies)) == skies
    assert TractInfo.from_dict(TRACT.to_dict()) == TRACT
    assert hash(TractInfo.from_dict(TRACT.to_dict())) == hash(TRACT)
    assert eval(repr(skies)) == skies  # the representation is the constructor
    assert skies != SkyMap({5: TRACT})
    assert TRACT != "a tract"


def test_tracts_are_found_by_number() -> None:
    skies = SkyMap({5: TRACT})
    assert skies[5] is skies.generateTract(5) is TRACT
    assert 5 in skies
    assert 6 not in skies
    assert list(skies) == [TRACT]
    assert len(skies) == 1
    with pytest.raises(NotFoundError, match="no tract 6; the sky map has 5"):
        skies[6]


def test_what_is_not_a_sky_map_is_an_error() -> None:
    with pytest.raises(InvalidParameterError, match="Tract 1 is a str"):
        SkyMap({1: "tract"})  # type: ignore[dict-item]
    with pytest.raises(InvalidParameterError, match="'tracts'"):
        SkyMap.from_dict({"tract": {}})
    for values in ({"patch": [5, 5]}, {"patch": [5, 5], "number": [1, 1], "size": 3}):
        with pytest.raises(InvalidParameterError, match="patch and number are needed"):
            TractInfo.from_dict(values)


def test_a_tract_gets_the_number_of_its_place() -> None:
    plain = TractInfo((50, 50), (2, 2))
    skies = SkyMap({9813: plain, 0: TractInfo((50, 50), (2, 2))})
    assert [tract.getId() for tract in skies] == [9813, 0]
    assert skies[9813] == TractInfo((50, 50), (2, 2), tract=9813)
    assert plain.getId() == 0  # as before
    with pytest.raises(OutOfRangeError, match="no patch 4 in tract 9813"):
        skies[9813][4]
    assert TractInfo.from_dict(plain.to_dict()) == plain
    for own in (0, 5):
        with pytest.raises(InvalidParameterError, match=f"under number 9813 .*, whose own number is {own};"):
            SkyMap({9813: TractInfo((50, 50), (2, 2), tract=own)})


@pytest.mark.parametrize("given", [[TRACT], None, TRACT, "tract", SkyMap({5: TRACT})])
def test_tracts_without_numbers_are_an_error(given: Any) -> None:
    with pytest.raises(InvalidParameterError, match=r"The tracts are .*; a mapping of numbers to TractInfo"):
        SkyMap(given)


def test_dictionaries_of_something_else_are_errors() -> None:
    for given in (None, [], {"tracts": {"five": TRACT.to_dict()}}, {"tracts": {"5": None}}):
        with pytest.raises(InvalidParameterError, match=r"A sky map is|The number of a tract is 'five'|A tract is N"):
            SkyMap.from_dict(given)  # type: ignore[arg-type]
    for number in (None, [5], "5"):
        with pytest.raises(NotFoundError, match=r"There is no tract .*; the sky map has 5"):
            SkyMap({5: TRACT})[number]  # type: ignore[index]
