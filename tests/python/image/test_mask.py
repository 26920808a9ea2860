from __future__ import annotations

import pickle
from collections.abc import Iterator

import numpy as np
import pytest

import evensky.errors as errors
from evensky.image import Mask, translate_mask
from evensky.image.mask import DEFAULT_PLANES


@pytest.fixture(autouse=True)
def _default_planes() -> Iterator[None]:
    yield
    for name in set(Mask.getMaskPlaneDict()) - set(DEFAULT_PLANES):
        Mask.removeMaskPlane(name)


def test_default_planes() -> None:
    assert Mask.getMaskPlaneDict() == DEFAULT_PLANES
    assert Mask.getPlaneBitMask("NO_DATA") == 256
    assert Mask.getPlaneBitMask(["BAD", "CR"]) == 9
    assert Mask(2, 2).getMaskPlane("SAT") == 1
    assert Mask.getNumPlanesMax() == 32


def test_an_unknown_plane_lists_the_known_ones() -> None:
    for call in (Mask.getPlaneBitMask, Mask(1, 1).getPlaneBitMask, Mask.getMaskPlane):
        with pytest.raises(errors.NotFoundError, match=r"'FOO'.*BAD, SAT, INTRP"):
            call("FOO")
    with pytest.raises(ValueError, match="FOO"):
        Mask.getPlaneBitMask(["BAD", "FOO"])


def test_planes_added_to_the_class_are_everybodys() -> None:
    before = Mask(1, 1)
    assert Mask.addMaskPlane("CROSSTALK") == 9
    assert Mask.addMaskPlane("CROSSTALK") == 9
    assert before.getPlaneBitMask("CROSSTALK") == 512
    Mask.removeMaskPlane("CROSSTALK")
    with pytest.raises(errors.NotFoundError):
        before.getPlaneBitMask("CROSSTALK")


def test_own_planes_stay_own() -> None:
    own = Mask(np.zeros((2, 2), np.int32), mask_planes={"BAD": 3, "GHOST": 31})
    assert own.getPlaneBitMask("BAD") == 8
    assert own.getPlaneBitMask("GHOST") == -(2**31)
    assert own.addMaskPlane("NEW") == 0
    assert "NEW" not in Mask.getMaskPlaneDict()
    assert Mask(own).getMaskPlaneDict() == own.getMaskPlaneDict()
    assert pickle.loads(pickle.dumps(own)).getMaskPlaneDict() == own.getMaskPlaneDict()
    with pytest.raises(errors.InvalidParameterError, match=r"'A'.*'B'.*3"):
        Mask(1, 1, mask_planes={"A": 3, "B": 3})
    with pytest.raises(errors.OutOfRangeError, match="32"):
        Mask(1, 1, mask_planes={"A": 32})


def test_masks_meet_by_name() -> None:
    mine = Mask(np.full((1, 2), 1, np.int32))  # BAD
    other = Mask(np.array([[1 << 4, 1 << 9]], np.int32), mask_planes={"SAT": 4, "GHOST": 9})
    mine |= other
    assert mine.array[0, 0] == 0b11
    assert mine.interpret(int(mine.array[0, 1])) == "BAD,GHOST"
    assert "GHOST" not in Mask.getMaskPlaneDict()
    mine &= mine.getPlaneBitMask("GHOST")
    assert mine.getAsString(0, 0) == ""
    assert mine.getAsString(1, 0) == "GHOST"
    mine ^= mine
    assert not mine.array.any()


def test_thirty_two_planes_and_the_thirty_third() -> None:
    full = Mask(1, 1, mask_planes={f"P{bit}": bit for bit in range(32)})
    with pytest.raises(errors.RuntimeError, match=r"'MORE'.*32"):
        full.addMaskPlane("MORE")
    with pytest.raises(errors.RuntimeError, match="32"):
        full |= Mask(1, 1, mask_planes={"OTHER": 0})


def test_clearing_and_renumbering() -> None:
    mask = Mask(np.full((1, 1), 0b101, np.int32))
    mask.clearMaskPlane(0)
    assert mask.array[0, 0] == 0b100
    mask.conformMaskPlanes({"INTRP": 7})
    assert mask.array[0, 0] == 1 << 7
    mask.removeAndClearMaskPlane("INTRP")
    assert mask.array[0, 0] == 0
    assert "INTRP" not in mask.getMaskPlaneDict()
    assert "INTRP" in Mask.getMaskPlaneDict()
    with pytest.raises(errors.OutOfRangeError, match="40"):
        mask.clearMaskPlane(40)
    array = np.array([5], np.int32)
    assert translate_mask(array, {"A": 0, "B": 2}, {"A": 0, "B": 2, "C": 1}) is array
