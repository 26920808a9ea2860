from __future__ import annotations

import contextlib
import operator
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evensky.errors as errors
from evensky.geom import Box2I, Extent2I, Point2I
from evensky.image import LOCAL, ExposureF, ImageF, Mask, MaskedImageF, MaskPixel, translate_mask
from evensky.image import mask as mask_module
from evensky.image.mask import DEFAULT_PLANES


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
    own = Mask(1, 1, mask_planes={"BAD": 9})
    assert Mask.addMaskPlane("CROSSTALK") == 9
    assert Mask.addMaskPlane("CROSSTALK") == 9
    assert before.getPlaneBitMask("CROSSTALK") == 512
    # A mask with other planes has it too, where it has room for it.
    assert own.getPlaneBitMask("CROSSTALK") == 1
    assert own.getMaskPlaneDict() == {"BAD": 9, "CROSSTALK": 0}
    with pytest.raises(errors.NotFoundError, match="'SAT'; the known ones are CROSSTALK, BAD"):
        own.getPlaneBitMask("SAT")


def test_planes_removed_from_the_class_stay_in_masks_that_exist() -> None:
    assert Mask.addMaskPlane("FIRST") == 9
    old = Mask(2, 1)
    old.array[0, 0] = old.getPlaneBitMask("FIRST")
    Mask.removeMaskPlane("FIRST")
    with pytest.raises(errors.NotFoundError, match="'FIRST'"):
        Mask.getMaskPlane("FIRST")
    assert Mask.addMaskPlane("SECOND") == 9
    new = Mask(2, 1)
    new.array[0, 1] = new.getPlaneBitMask("SECOND")
    assert (old.getAsString(0, 0), new.getAsString(1, 0)) == ("FIRST", "SECOND")
    assert old.getMaskPlaneDict()["FIRST"] == 9
    assert "FIRST" not in Mask(1, 1).getMaskPlaneDict()
    # Parts and copies of it, also those in other processes, keep the name too.
    for copy in (old[0:1, 0:1], old.clone(), Mask(old), pickle.loads(pickle.dumps(old))):
        assert copy.getAsString(0, 0) == "FIRST"
    old |= new
    assert [old.getAsString(x, 0) for x in (0, 1)] == ["FIRST", "SECOND"]
    new |= old
    assert [new.getAsString(x, 0) for x in (0, 1)] == ["FIRST", "SECOND"]


def test_default_planes_can_all_be_removed() -> None:
    old = Mask(1, 1)
    Mask.clearMaskPlaneDict()
    assert Mask.getNumPlanesUsed() == old.getNumPlanesUsed() == 0
    assert [Mask.addMaskPlane(name) for name in ("CR", "BP", "CR")] == [0, 1, 0]
    assert Mask(1, 1).getMaskPlaneDict() == {"CR": 0, "BP": 1}
    assert old.getMaskPlane("CR") == 3
    old.removeMaskPlane("BP")  # which it lacks, so that it goes from the default planes
    assert Mask.getMaskPlaneDict() == {"CR": 0}
    Mask.clearMaskPlaneDict()
    for name in DEFAULT_PLANES:
        Mask.addMaskPlane(name)
    assert Mask.getMaskPlaneDict() == DEFAULT_PLANES


def test_the_bit_of_a_plane_that_a_mask_has_lost_goes_to_no_other() -> None:
    mask = Mask(np.full((1, 2), 1, np.int32), mask_planes={"A": 0, "B": 1})
    part = mask[1:2, 0:1]
    mask.removeMaskPlane("A")
    assert mask.addMaskPlane("C") == 2
    mask |= Mask(np.array([[0, 1]], np.int32), mask_planes={"D": 0})
    assert [mask.getAsString(x, 0) for x in (0, 1)] == ["", "D"]
    assert part.getAsString(0, 0) == "D"
    assert pickle.loads(pickle.dumps(mask)).addMaskPlane("E") == 4
    assert mask.addMaskPlane("A") == 0  # its own bit
    assert mask.getAsString(0, 0) == "A"


def test_a_part_that_gets_a_plane_gives_it_to_the_whole() -> None:
    mask = Mask(2, 1)
    part = mask[1:2, 0:1]
    part |= Mask(np.ones((1, 1), np.int32), mask_planes={"GHOST": 0})
    assert mask.getAsString(1, 0) == "GHOST"
    assert Mask.addMaskPlane("OTHER") == 9
    assert mask.getAsString(1, 0) == "GHOST"
    assert "GHOST" not in Mask.getMaskPlaneDict()


def test_removing_and_clearing() -> None:
    mask = Mask(np.full((1, 2), 0b101, np.int32))
    part = mask[0:1, 0:1]
    part.removeAndClearMaskPlane("INTRP")
    assert mask.array.tolist() == [[0b001, 0b101]]
    assert (mask.getAsString(1, 0), "INTRP" in part.getMaskPlaneDict()) == ("BAD,INTRP", False)
    assert "INTRP" in Mask.getMaskPlaneDict()
    Mask.addMaskPlane("TEMP")
    for _ in range(40):  # again and again, without running out of bits
        assert mask.addMaskPlane("TEMP") == 9
        mask.array[...] |= mask.getPlaneBitMask("TEMP")
        mask.removeAndClearMaskPlane("TEMP", removeFromDefault=True)
        assert "TEMP" not in {**mask.getMaskPlaneDict(), **Mask.getMaskPlaneDict()}
    assert mask.array.tolist() == [[0b001, 0b101]]
    assert Mask.addMaskPlane("NEW") == 9
    assert mask.getMaskPlane("NEW") == 9


def test_a_plane_that_a_mask_has_removed_does_not_come_back_by_itself() -> None:
    Mask.addMaskPlane("GHOST")
    mask, other = Mask(1, 1), Mask(1, 1)
    mask.removeAndClearMaskPlane("GHOST")
    assert Mask.getMaskPlane("GHOST") == other.getMaskPlane("GHOST") == 9
    for call in (mask.getMaskPlane, mask.getPlaneBitMask):
        with pytest.raises(errors.InvalidParameterError, match="GHOST"):
            call("GHOST")
    assert mask.addMaskPlane("GHOST") == 9


def test_threads_that_add_planes_give_each_its_own_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(2)

    def slow_range(*args: int) -> range:
        # Both threads look for a free bit at the same time, unless one of them has to wait for the other.
        with contextlib.suppress(threading.BrokenBarrierError):
            together.wait(0.2)
        return range(*args)

    monkeypatch.setattr(mask_module, "range", slow_range, raising=False)
    with ThreadPoolExecutor(2) as executor:
        bits = list(executor.map(Mask.addMaskPlane, ("FROM_ONE", "FROM_OTHER")))
    assert sorted(bits) == [9, 10]


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
    mask.renumber_planes({"INTRP": 7})
    assert mask.array[0, 0] == 1 << 7
    mask.removeAndClearMaskPlane("INTRP")
    assert mask.array[0, 0] == 0
    assert "INTRP" not in mask.getMaskPlaneDict()
    assert "INTRP" in Mask.getMaskPlaneDict()
    with pytest.raises(errors.OutOfRangeError, match="40"):
        mask.clearMaskPlane(40)
    array = np.array([5], np.int32)
    assert translate_mask(array, {"A": 0, "B": 2}, {"A": 0, "B": 2, "C": 1}) is array


def test_conforming_to_the_default_planes() -> None:
    # The pixels of a file, with the numbers of the file.
    mask = Mask(np.array([[1 << 8, 1 << 9, 1 << 20]], np.int32))
    mask.conformMaskPlanes({"CROSSTALK": 8, "NO_DATA": 9, "GHOST": 20})
    assert mask.getMaskPlaneDict() == {**DEFAULT_PLANES, "CROSSTALK": 9, "GHOST": 10} == Mask.getMaskPlaneDict()
    assert mask.array.tolist() == [[1 << 9, 1 << 8, 1 << 10]]
    before = mask.array.copy()
    mask.conformMaskPlanes(mask.getMaskPlaneDict())
    np.testing.assert_array_equal(mask.array, before)


def test_planes_in_metadata() -> None:
    metadata = ExposureF(1, 1).getMetadata()
    Mask.addMaskPlanesToMetadata(metadata)
    assert metadata.getInt("MP_NO_DATA") == 8
    metadata.addInt("MP_WHATEVER", 20)
    mask = Mask(np.full((1, 1), 1 << 20, np.int32))
    mask.conformMaskPlanes(Mask.parseMaskPlaneMetadata(metadata))
    assert mask.getAsString(0, 0) == "WHATEVER"
    assert Mask.getNumPlanesUsed() == 10
    with pytest.raises(TypeError, match="MP_X: 'a' is a str"):
        Mask.parseMaskPlaneMetadata({"MP_X": "a"})


def test_names_of_values_are_in_the_order_of_the_alphabet() -> None:
    bits = Mask.getPlaneBitMask(list(DEFAULT_PLANES))
    assert Mask.interpret(bits) == Mask(1, 1).interpret(bits) == ",".join(sorted(DEFAULT_PLANES))


def test_values_along_a_row() -> None:
    mask = Mask(4, 2)
    mask.setMaskPlaneValues(3, 1, 2, 1)
    assert mask.array.tolist() == [[0, 0, 0, 0], [0, 8, 8, 0]]
    with pytest.raises(errors.OutOfRangeError, match=r"1 to 4 of row 1 .* 4 x 2"):
        mask.setMaskPlaneValues(3, 1, 4, 1)


def test_keywords_and_subscripts(capsys: pytest.CaptureFixture[str]) -> None:
    planes = {"FOO": 2}
    for mask in (
        Mask(width=3, height=2, planeDefs=planes),
        Mask(dimensions=Extent2I(3, 2), planeDefs=planes),
        Mask(3, 2, planes),
        Mask(3, 2, 0, planes),
        Mask(bbox=Box2I(Point2I(0, 0), Extent2I(3, 2)), initialValue=0, planeDefs=planes),
    ):
        assert (mask.getWidth(), mask.getHeight(), mask.getMaskPlaneDict()) == (3, 2, planes)
    assert Mask[MaskPixel] is Mask[np.int32] is Mask["X"] is Mask
    with pytest.raises(TypeError, match="no mask of 'F'"):
        Mask["F"]
    mask.printMaskPlanes()
    assert capsys.readouterr().out == "Plane 2 -> FOO\n"
    assert str(mask).endswith(f"maskPlaneDict={{'FOO': 2}}, bbox={mask.getBBox()}")


def test_operators_that_make_new_masks_do_not_exist() -> None:
    mask = Mask(2, 2)
    for kind in (TypeError, NotImplementedError):
        for operation in (operator.or_, operator.and_, operator.xor):
            with pytest.raises(kind, match=r"Mask and Mask.*copy"):
                operation(mask, mask)
    with pytest.raises(TypeError):
        mask += 1


def test_masks_in_files(tmp_path: Path) -> None:
    mask = Mask(np.array([[1, 1 << 20, -(2**31)]], np.int32), mask_planes={"BAD": 0, "GHOST_OF_A_STAR": 20, "LAST": 31})
    mask.setXY0(5, -7)
    mask.writeFits(tmp_path / "mask.fits", {"NIGHT": 3})
    for read in (
        Mask(tmp_path / "mask.fits"),
        Mask.readFits(str(tmp_path / "mask.fits")),
        mask.Factory(tmp_path / "mask.fits", 0),
    ):
        np.testing.assert_array_equal(read.array, mask.array)
        assert (read.getXY0(), read.getMaskPlaneDict()) == (Point2I(5, -7), mask.getMaskPlaneDict())
    metadata: dict[str, Any] = {}
    part = Mask(tmp_path / "mask.fits", metadata=metadata, bbox=Box2I(Point2I(1, 0), Extent2I(1, 1)), origin=LOCAL)
    assert (part.array.tolist(), part.getXY0()) == ([[1 << 20]], Point2I(6, -7))
    assert (metadata["NIGHT"], metadata["MP_BAD"]) == (3, 0)
    # With the numbers that masks have by default, as the original reads it.
    conformed = Mask(tmp_path / "mask.fits", conformMasks=False)
    assert conformed.array.tolist() == [[1, 1 << 9, 1 << 10]]
    assert conformed.getMaskPlaneDict() == Mask.getMaskPlaneDict()
    # The mask of an exposure is the one of its HDUs that is marked as such.
    exposure = ExposureF(3, 1)
    exposure.setMask(Mask(np.array([[1, 2, 4]], np.int32)))
    exposure.writeFits(tmp_path / "exposure.fits")
    assert Mask(tmp_path / "exposure.fits").array.tolist() == [[1, 2, 4]]
    assert Mask(tmp_path / "exposure.fits", 2).array.tolist() == [[1, 2, 4]]
    assert Mask(tmp_path / "exposure.fits", hdu="MASK")._planes is Mask(1, 1)._planes
    exposure.image.array[...] = 1.5
    exposure.writeFits(tmp_path / "exposure.fits")
    with pytest.raises(errors.FitsError, match=r"IMAGE has pixels of type float32 such as 1.5; whole numbers"):
        Mask(tmp_path / "exposure.fits", 1)
    mask.writeFits(tmp_path / "mask.fits", mode="a")
    with pytest.raises(errors.FitsError, match=r"2 HDUs could be the mask .*Mask\(path, hdu\)"):
        Mask(tmp_path / "mask.fits")
    assert Mask(tmp_path / "mask.fits", 1).array.tolist() == mask.array.tolist()


def test_assigned_masks_are_matched_by_name() -> None:
    other = Mask(np.array([[1 << 4, 1 << 9]], np.int32), mask_planes={"SAT": 4, "GHOST": 9})
    masks = [Mask(2, 1) for _ in range(4)]
    masks[0].assign(other)
    masks[1][:] = other
    masks[2].set(other)
    masked = MaskedImageF(ImageF(2, 1), masks[3])
    masked.mask = other
    for mask in masks:
        assert [mask.getAsString(x, 0) for x in (0, 1)] == ["SAT", "GHOST"]
        assert mask.getMaskPlane("SAT") == 1
    part = Mask(4, 1)
    part[2:4, 0:1] = other
    assert [part.getAsString(x, 0) for x in range(4)] == ["", "", "SAT", "GHOST"]
