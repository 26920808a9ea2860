"""Plans of the memory of runs."""

from __future__ import annotations

import shutil
import tempfile
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from evensky.errors import FitsError, InvalidParameterError, TaskError
from evensky.fits.descriptions import ImageDescription, VarianceDescription
from evensky.runs import memory_plan
from evensky.runs.memory_plan import HELD_BYTES, MemoryPlan, Needs, plan_memory
from evensky.runs.source import Item
from evensky.work.memory import Limits

GB = 10**9
NOTHING_KNOWN = Limits(None, None)
Usage = namedtuple("Usage", "total used free")


def needs_of(side: int, number: int = 3, *, pixel_bytes: int = 4, finds_sources: bool = False) -> Needs:
    items = []
    for index in range(number):
        path = Path(f"{index}.fits")
        errors = VarianceDescription(path, 2, "VARIANCE", "variance")
        image = ImageDescription(path, 0, "0", "", (side, side), "plain", variance=errors, pixel_bytes=pixel_bytes)
        items.append(Item(index, str(index), path, image=image))
    found = Needs.of(items, finds_sources=finds_sources)
    assert found is not None
    return found


@pytest.fixture(autouse=True)
def disks(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Make all folders folders of disks with 1 TB free, unless they are given a number."""
    free: dict[str, int] = {}
    monkeypatch.setattr(memory_plan, "on_disk", lambda folder: free.get(str(folder), 1) != 0)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(0, 0, free.get(str(folder), 1000 * GB)))
    return free


def plan(needs: Needs | None, out: Path, machine: Limits = NOTHING_KNOWN, **options: Any) -> MemoryPlan:
    return plan_memory(needs, out, machine=machine, **{"joint": True, "workers": 1, **options})


def test_needs() -> None:
    found = needs_of(1000)
    assert (found.pixels, found.image, found.planes, found.more) == (10**6, 4 * 10**6, 13 * 10**6, 0)
    assert (found.file, found.exposures, found.outputs) == (4 * 10**6, 3, 0)
    assert needs_of(1000, pixel_bytes=8, finds_sources=True).planes == 17 * 10**6
    assert Needs.of([Item(0, "a")], finds_sources=False) is None


def test_ordinary_runs_are_not_changed(tmp_path: Path) -> None:
    for joint in (True, False):
        for workers, processes in ((1, 1), (8, 1), (8, 8)):
            machine = Limits(16 * GB, None)
            found = plan(needs_of(2000), tmp_path, machine, joint=joint, workers=workers, processes=processes)
            assert found.workers == workers
            assert (found.scratch, found.most_resident, found.notes) == (None, None, [])
    assert plan(None, tmp_path).notes == []
    assert plan(needs_of(60_000), tmp_path).scratch is None  # nothing is known of the machine


def test_pixels_are_on_disk_if_they_do_not_fit(tmp_path: Path) -> None:
    for joint in (True, False):
        found = plan(needs_of(60_000), tmp_path / "new" / "out", Limits(20 * GB, None), joint=joint)
        assert found.scratch == tmp_path
        assert found.most_resident is not None
        assert 10 * GB < found.most_resident < 15 * GB
        (note,) = found.notes
        assert note.startswith(f"pixels are kept on disk, in {tmp_path}, because ")
        assert "15 GB may be used (75% of what is free); --scratch (scratch) chooses another folder" in note


def test_fewer_workers_come_before_the_disk(tmp_path: Path) -> None:
    found = plan(needs_of(10_000), tmp_path, workers=8, max_memory=8 * GB)
    assert found.scratch is None
    assert 1 <= found.workers < 8
    assert found.notes == [
        f"{found.workers} of 8 workers are used, because the limit is 8 GB; --max-memory (max_memory) chooses another "
        "limit"
    ]
    given = plan(needs_of(10_000), tmp_path, workers=8, max_memory=8 * GB, can_reduce=False)
    assert (given.workers, given.scratch) == (8, tmp_path)


def test_fewer_pixels_are_held_first(tmp_path: Path) -> None:
    needs = needs_of(2000, 40)
    assert plan(needs, tmp_path).held_bytes == HELD_BYTES
    found = plan(needs, tmp_path, max_memory=600_000_000)
    assert (found.workers, found.notes, found.held_bytes) == (1, [], 4 * needs.image)
    # Each process holds its own; if there is no memory for that, they share what one would hold.
    for limit, held in ((4 * GB, HELD_BYTES), (GB * 3 // 2, HELD_BYTES // 2), (GB, 4 * needs.image)):
        assert plan(needs, tmp_path, workers=2, processes=2, max_memory=limit).held_bytes == held


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_more_memory_never_gives_less(tmp_path: Path, workers: int) -> None:
    """Of two limits, the larger one gives as many workers in memory, or on disk, or more."""
    before = (False, 0)
    for tenths in range(7, 400):
        try:
            found = plan(needs_of(10_000), tmp_path, workers=workers, max_memory=tenths * GB // 10)
        except InvalidParameterError:
            assert before == (False, 0)
            continue
        if found.scratch is None and not before[0]:
            before = (True, 0)  # one worker in memory may follow several on disk
        assert (found.scratch is None, found.workers) >= before
        before = (found.scratch is None, found.workers)
    assert before == (True, workers)


def test_a_limit_that_is_too_small(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidParameterError, match=r"max_memory is 100 MB; at least \d+ MB are needed for exposures of"
    ):
        plan(needs_of(10_000), tmp_path, max_memory=100_000_000)
    with pytest.raises(TaskError, match=r"75 MB of memory may be used \(75% of what is free\), but at least \d+ MB"):
        plan(needs_of(10_000), tmp_path, Limits(100_000_000, None))


@pytest.mark.parametrize("joint", [True, False])
def test_small_exposures_are_not_refused(tmp_path: Path, joint: bool) -> None:
    """On a small machine: what the libraries take is estimated, and the pixels make no difference."""
    for machine in (Limits(100 * 10**6, None), Limits(None, 300 * 10**6)):
        found = plan(needs_of(200), tmp_path, machine, joint=joint, workers=2)
        assert (found.workers, found.scratch) == (1, None)
        assert "1 of 2 workers are used" in found.notes[0]
        with pytest.raises(TaskError):
            plan(needs_of(2000), tmp_path, machine, joint=joint)
    with pytest.raises(InvalidParameterError):
        plan(needs_of(200), tmp_path, joint=joint, max_memory=10**8)


def test_the_address_space(tmp_path: Path) -> None:
    machine = Limits(100 * GB, 3_000_000 * 1024)
    for joint in (True, False):
        assert plan(needs_of(12_000), tmp_path, machine, joint=joint).scratch == tmp_path
        assert plan(needs_of(4_000), tmp_path, machine, joint=joint).scratch is None
        assert plan(needs_of(12_000), tmp_path, machine, joint=joint, workers=8).workers == 1
    with pytest.raises(
        TaskError, match=r"the address space is limited to 3.07 GB \(ulimit -v\), but exposures of this"
    ):
        plan(needs_of(30_000), tmp_path, machine)


def test_processes_share_the_limit(tmp_path: Path) -> None:
    needs = needs_of(10_000)
    found = plan(needs, tmp_path, workers=4, processes=4, max_memory=4 * GB, scratch=tmp_path)
    assert found.workers == 4
    assert found.most_resident is not None
    assert found.most_resident < 1 * GB
    assert plan(needs, tmp_path, workers=4, processes=4, max_memory=GB, scratch=tmp_path).workers < 4


def test_a_folder_of_the_user_is_used_anyway(tmp_path: Path) -> None:
    found = plan(needs_of(1000), tmp_path, scratch=tmp_path / "own")
    assert (found.scratch, found.notes, found.most_resident) == (tmp_path / "own", [], None)


def test_a_folder_of_the_user_without_room(tmp_path: Path, disks: dict[str, int]) -> None:
    disks[str(tmp_path)] = GB
    with pytest.raises(
        FitsError, match=rf"^{tmp_path}: cannot be used as scratch space: up to .* GB are needed, and 1 GB"
    ):
        plan(needs_of(60_000), tmp_path, scratch=tmp_path)


def test_a_folder_of_the_user_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_plan, "on_disk", lambda folder: False)
    (note,) = plan(needs_of(1000), tmp_path, scratch=tmp_path).notes
    assert note == f"the folder for pixels on disk, {tmp_path}, is in memory itself (tmpfs): its files count too"


def test_disks_with_room_are_chosen(tmp_path: Path, disks: dict[str, int]) -> None:
    temporary = Path(tempfile.gettempdir())
    options: dict[str, Any] = {"needs": needs_of(30_000), "out": tmp_path, "max_memory": 2 * GB}
    disks[str(tmp_path)] = 10 * GB
    assert plan(**options).scratch == temporary
    disks[str(temporary)] = 0
    with pytest.raises(FitsError) as caught:
        plan(**options)
    told = str(caught.value)
    assert f"no disk has room for the pixels instead: {tmp_path} has 10 GB free of" in told
    assert f"{temporary} is in memory. Name a folder on another disk with --scratch (scratch)" in told
