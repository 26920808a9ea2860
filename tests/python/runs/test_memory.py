"""Memory of runs over files: the same bytes for any limit, and no more memory than it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

import evensky
import evensky._bands
import evensky.runs.joint
import evensky.runs.memory_plan
from evensky.errors import FitsError, InvalidParameterError, TaskError
from evensky.fits.scratch import ScratchPlane
from evensky.matching.joint.config import MatchAllConfig
from evensky.runs.store import FileStore
from evensky.tasks import MatchBackgroundsConfig

SIDE = 96


def write(path: Path, number: int, *, dtype: Any = np.float32, side: int = SIDE) -> Path:
    """Write an exposure with stars, a mask and errors, of which some are 0."""
    rng = np.random.default_rng(number)
    y, x = np.indices((side, side))
    pixels = rng.normal(1000 + 30 * number + 0.05 * number * x, 3, (side, side))
    for row, column in np.random.default_rng(0).integers(10, side - 10, (12, 2)):
        pixels += 900 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 6)
    mask = np.zeros((side, side), np.int32)
    mask[5:9, number : number + 40] = 1
    errors = np.full((side, side), 3, np.float32)
    errors[30:33, 40:50] = 0
    header = fits.Header({"MP_BAD": 0, "EXTTYPE": "MASK"})
    image: Any = fits.ImageHDU(pixels.astype(dtype), name="IMAGE")
    fits.HDUList(
        [
            fits.PrimaryHDU(),
            image,
            fits.ImageHDU(mask, header, name="MASK"),
            fits.ImageHDU(errors**2, name="VARIANCE"),
        ]
    ).writeto(path, checksum=True)
    return path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    (tmp_path / "in").mkdir()
    return [write(tmp_path / f"in/{name}.fits", number) for number, name in enumerate("abc")]


def outputs(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*_matched.fits")}


CASES: dict[str, dict[str, Any]] = {
    "joint": {},
    "sources": {"sources": "mask"},
    "scaled": {"scale": True, "config": {"add_variance": True}},
    "reference": {"method": "reference"},
    "series": {"method": "reference", "config": {"usePolynomial": True, "order": 2}},
    "compressed": {"compress": True},
}


@pytest.mark.parametrize("case", list(CASES))
def test_the_same_bytes_for_any_limit(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    options = dict(CASES[case])
    fields = options.pop("config", {})
    if options.pop("method", "all") == "all":
        config: Any = MatchAllConfig()
        config.update(bin_size=16, **fields)
    else:
        config = MatchBackgroundsConfig()
        config.update(binSize=16, **fields)
    files.append(write(tmp_path / "in/d.fits", 3, dtype=np.float64))
    files.append(write(tmp_path / "in/e.fits", 4, dtype=np.int32))
    made = []
    kept = ScratchPlane.__init__

    def counted(self: ScratchPlane, *arguments: Any) -> None:
        made.append(self.__class__)
        kept(self, *arguments)

    monkeypatch.setattr(ScratchPlane, "__init__", counted)
    monkeypatch.setattr(evensky.runs.memory_plan, "_LIBRARIES", 0)
    monkeypatch.setattr(evensky.runs.memory_plan, "_LEAST_RESIDENT", 1)
    evensky.match_files(files, tmp_path / "memory", config=config, pictures=True, report=False, **options)
    assert not made
    expected = outputs(tmp_path / "memory")
    assert len(expected) == 5
    monkeypatch.setattr(evensky._bands, "MOST_PIXELS", 7 * SIDE)
    ways: dict[str, dict[str, Any]] = {
        "given": {"scratch": tmp_path},
        "limit": {"max_memory": 400_000},
        "workers": {"max_memory": "500kB", "workers": 2},
    }
    # Both methods are tried in all ways; what their options change is kept in the same files.
    for name in (list(ways)[list(CASES).index(case) % 3],) if options or fields else ways:
        more = ways[name]
        made.clear()
        run = evensky.match_files(files, tmp_path / name, config=config, pictures=True, report=False, **options, **more)
        assert made, name
        assert outputs(tmp_path / name) == expected
        assert any("pixels are kept on disk" in note for note in run.notes) == (name != "given")
    assert not list(tmp_path.glob("evensky*"))


def test_limits_of_the_option(files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError, match="max_memory is '2 parsecs'; a number of bytes is needed"):
        evensky.match_files(files, tmp_path / "out", max_memory="2 parsecs")
    with pytest.raises(InvalidParameterError, match="max_memory is 1 kB; at least"):
        evensky.match_files(files, tmp_path / "out", max_memory=1000)
    assert not (tmp_path / "out").exists()


# Memory that cannot be allocated.


def test_an_exposure_without_memory_fails_alone(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = FileStore.finish

    def without_memory(self: FileStore, item: Any, *rest: Any) -> Any:
        if item.label == "b":
            raise MemoryError("Unable to allocate 3. GiB")
        return finish(self, item, *rest)

    monkeypatch.setattr(FileStore, "finish", without_memory)
    run = evensky.match_files(files, tmp_path / "out", report=False)
    assert [record.label for record in run.failed] == ["b"]
    assert run.failed[0].message.startswith("the memory does not suffice (Unable to allocate 3. GiB); use fewer")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_comparison_without_memory_ends_the_run(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """It would be a match with fewer differences, and other models, if the comparison were left out."""
    expected = outputs_of(evensky.match_files(files, tmp_path / "whole", report=False))
    measure = evensky.runs.joint.measure_pair
    left = [1]

    def without_memory(*arguments: Any) -> Any:
        if left:
            left.pop()
            raise MemoryError
        return measure(*arguments)

    monkeypatch.setattr(evensky.runs.joint, "measure_pair", without_memory)
    with pytest.raises(TaskError, match=r"^the memory does not suffice; use fewer workers"):
        evensky.match_files(files, tmp_path / "out", report=False, workers=workers)
    run = evensky.match_files(files, tmp_path / "out", report=False, resume=True)
    assert outputs_of(run) == expected


def outputs_of(run: Any) -> list[bytes]:
    return [Path(record.output).read_bytes() for record in run.records]


@pytest.mark.parametrize("victim", ["b", "reference"])
def test_an_exposure_that_cannot_be_read_for_a_comparison(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, victim: str
) -> None:
    """The models of the others do not depend on which of its comparisons were possible."""
    files.append(write(tmp_path / "in/d.fits", 3))
    chosen = evensky.match_files(files, tmp_path / "whole", report=False).reference
    name = chosen if victim == "reference" else next(one for one in "bcd" if one != chosen)
    monkeypatch.setattr(evensky.runs.memory_plan, "HELD_BYTES", 0)
    read = FileStore.read
    reads: list[str] = []

    def failing(self: FileStore, item: Any, **options: Any) -> Any:
        reads.append(item.label)
        if item.label == name and reads.count(name) == 2:
            raise FitsError(f"{item.path}: cannot be read: Input/output error")
        return read(self, item, **options)

    monkeypatch.setattr(FileStore, "read", failing)
    monkeypatch.setattr(evensky.runs.joint.PIXELS, "offer", lambda *arguments: None)
    if victim == "reference":
        with pytest.raises(TaskError, match=f"^{name}, the reference, cannot be compared: .*: Input/output error"):
            evensky.match_files(files, tmp_path / "out", report=False)
        return
    run = evensky.match_files(files, tmp_path / "out", report=False)
    assert [(record.label, "Input/output error" in record.message) for record in run.failed] == [(name, True)]
    others = [path for path in files if path.stem != name]
    monkeypatch.setattr(FileStore, "read", read)
    alone = evensky.match_files(others, tmp_path / "others", report=False, reference=f"{chosen}.fits")
    for record in alone.records:
        with fits.open(record.output) as expected, fits.open(tmp_path / "out" / Path(record.output).name) as found:
            np.testing.assert_array_equal(found[1].data, expected[1].data)


# The memory of a process.

CHILD = """
import json, sys
from pathlib import Path
import evensky, evensky._bands
from evensky.tasks import MatchBackgroundsConfig
evensky._bands.MOST_PIXELS = 2**17
folder, method = Path(sys.argv[1]), sys.argv[2]
def peak(name):
    text = Path("/proc/self/status").read_text()
    return int(text.split(name + ":")[1].split()[0]) * 1024
found = {}
for size in ("small", "large"):
    if method == "reference":
        config = MatchBackgroundsConfig()
        config.binSize = 64
    else:
        config = None
    files = sorted((folder / size).glob("*.fits"))
    out = folder / f"{size}_{method}"
    options = {} if size == "small" else json.loads(sys.argv[3])
    run = evensky.match_files(files, out, config=config, report=False, pictures=True, **options)
    assert not run.failed, run.failed
    found[size] = [peak("VmPeak"), peak("VmHWM")]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write small exposures, and large ones of 2000 x 2000 pixels."""
    folder = tmp_path_factory.mktemp("large")
    for size, side in (("small", 200), ("large", 2000)):
        (folder / size).mkdir()
        for number in range(3):
            write(folder / size / f"{number}.fits", number, side=side)
    return folder


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peaks of memory are told by Linux alone")
@pytest.mark.parametrize("method", ["all", "reference"])
def test_few_planes_are_mapped_at_the_same_time(large: Path, method: str) -> None:
    """A run with its pixels on disk takes address space for two planes, and less memory, whatever the exposures."""
    plane = 4 * 2000**2
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1"}
    command = [sys.executable, "-c", CHILD, str(large), method, json.dumps({"scratch": str(large)})]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    space, memory = (after - before for before, after in zip(found["small"], found["large"], strict=True))
    # Two planes of 4 bytes per pixel are mapped, and pieces and bands are read. With all planes mapped, 8 or more were.
    assert space < 5.5 * plane
    assert memory < 5.5 * plane
