"""Memory of the machine, and numbers of bytes."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest

from evensky.errors import TaskError
from evensky.work import memory
from evensky.work.memory import in_small_words, in_words, limits, on_disk, told


def test_bytes_in_words() -> None:
    assert [in_words(number) for number in (10, 5e6, 999e6, 2.5e9, 43e9)] == [
        "1 MB",
        "5 MB",
        "999 MB",
        "2.5 GB",
        "43 GB",
    ]
    assert [in_small_words(number) for number in (5, 2048, 5e6)] == ["0.005 kB", "2.05 kB", "5 MB"]


# Limits of a process.


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the files of a machine with 8 GB of free memory, of which this process has 4096 pages more."""
    (tmp_path / "self").mkdir()
    (tmp_path / "meminfo").write_text("MemTotal: 16000000 kB\nMemFree: 1000 kB\nMemAvailable: 8000000 kB\n")
    (tmp_path / "self/statm").write_text("9000 4096 0 0 0 0 0\n")
    monkeypatch.setattr(memory, "_PROC", tmp_path)
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path / "groups")
    return tmp_path


def own() -> int:
    return 4096 * resource.getpagesize()


def write_group(folder: Path, **files: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".", 1)).write_text(f"{text}\n")


def test_the_free_memory_of_a_machine(machine: Path) -> None:
    assert limits().memory == 8_000_000 * 1024 + own()


def test_control_groups(machine: Path) -> None:
    (machine / "self/cgroup").write_text("0::/user/job\n")
    group = machine / "groups/user/job"
    write_group(group, memory_max="max", memory_current=5000)
    write_group(group.parent, memory_max=3_000_000_000, memory_current=2_000_000_000, memory_stat="anon 5\nfile 700000")
    assert limits().memory == 1_000_700_000 + own()
    write_group(group, memory_max=4_000_000, memory_current=5_000_000)
    assert limits().memory == own()  # what it has already


def test_a_container_has_the_root_of_its_own_group(machine: Path) -> None:
    write_group(machine / "groups", memory_max=2_000_000_000, memory_current=500_000_000)
    assert limits().memory == 1_500_000_000 + own()


def test_the_first_version_of_control_groups(machine: Path) -> None:
    (machine / "self/cgroup").write_text("5:cpu:/x\n4:memory:/x\n1:name=systemd:/x\n")
    group = machine / "groups/memory/x"
    write_group(
        group, memory_limit_in_bytes=1_000_000_000, memory_usage_in_bytes=400_000_000, memory_stat="total_cache 9"
    )
    assert limits().memory == 600_000_009 + own()


def test_a_machine_that_tells_nothing(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("meminfo", "self/statm"):
        (machine / name).write_text("?")
    assert limits().memory == resource.getpagesize() * memory.os.sysconf("SC_PHYS_PAGES")


def test_the_limit_of_the_address_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (3_000_000 * 1024, resource.RLIM_INFINITY))
    assert limits().address_space == 3_000_000 * 1024
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (resource.RLIM_INFINITY,) * 2)
    assert limits().address_space is None


def test_folders_in_memory(machine: Path, tmp_path: Path) -> None:
    assert on_disk(tmp_path)  # unknown
    shared, inner = tmp_path / "shared memory", tmp_path / "shared memory/disk"
    for folder in (shared, inner, tmp_path / "shared memory 2"):
        folder.mkdir()
    mounts = ["/dev/sda / ext4 rw 0 0", f"tmpfs {shared} tmpfs rw 0 0", f"/dev/sdb {inner} xfs rw 0 0", "broken"]
    (machine / "self/mounts").write_text("\n".join(mounts).replace("shared memory", "shared\\040memory"))
    assert [on_disk(folder) for folder in (tmp_path, shared, inner, tmp_path / "shared memory 2")] == [
        True,
        False,
        True,
        True,
    ]


def test_what_is_told_when_memory_does_not_suffice() -> None:
    other = ValueError("x")
    assert told(other) is other
    assert str(told(MemoryError())).startswith("the memory does not suffice; use fewer workers")
    error = told(MemoryError("Unable to allocate\n3 GiB"))
    assert isinstance(error, TaskError)
    assert "does not suffice (Unable to allocate 3 GiB); " in str(error)
