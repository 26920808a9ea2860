"""How a run over files uses memory: where its pixels are kept, and how many workers it has."""

from __future__ import annotations

__all__ = ["HELD_BYTES", "LEAST_HELD", "MemoryPlan", "Needs", "plan_memory", "scratch_of_images"]

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .._bands import MOST_PIXELS
from .._checks import byte_limit
from ..errors import FitsError, InvalidParameterError, TaskError
from ..fits.descriptions import ImageDescription
from ..fits.scratch import Scratch
from ..work.memory import SHARE, Limits, in_small_words, in_words, limits, on_disk

if TYPE_CHECKING:
    from .source import Item

HELD_BYTES = 2**29
"""Bytes of pixels that each process of a joint match keeps between jobs if there is memory for them."""

LEAST_HELD = 3
"""Number of exposures that are held whatever their size, besides one per worker: the reference and two neighbours."""

# Bytes of the interpreter with its libraries, in memory and of address space; the latter are also reserved for the
# stack and the heap of each further thread.
_LIBRARIES, _LIBRARIES_ADDRESS, _THREAD_ADDRESS = 180 * 2**20, 350 * 2**20, 72 * 2**20
# Bytes per pixel of a band that are in use while it is read, measured or written.
_BAND_BYTES = 24
# Least memory for mapped planes; if it is less, pages are read from the cache of files again and again.
_LEAST_RESIDENT = 64 * 2**20
# Share of the free space of a disk that a run takes without being told to use this disk.
_SHARE_OF_DISK = 0.9


@dataclass(frozen=True)
class Needs:
    """What the pixels of the largest exposure need, in bytes.

    Attributes
    ----------
    pixels : int
        Number of its pixels.
    image : int
        Its image, or its part of the sky plane, if that is larger.
    planes : int
        Its image, mask and variance.
    more : int
        Planes that are made of them: of the search for sources, or of the model.
    file : int
        The images of its file.
    exposures : int
        Number of exposures.
    outputs : int
        All inputs together, and so about all outputs.
    """

    pixels: int
    image: int
    planes: int
    more: int
    file: int
    exposures: int
    outputs: int

    @staticmethod
    def of(items: Sequence[Item], *, finds_sources: bool) -> Needs | None:
        """Return what exposures need, by their headers; None if no exposure can be read."""
        found = None
        of_files: dict[Path, int] = {}
        outputs: dict[Path, int] = {}
        for item in items:
            if item.image is None or item.path is None:
                continue
            height, width = item.image.shape
            size = height * width
            footprint = size if item.map is None else item.map.footprint[2] * item.map.footprint[3]
            image = item.image.pixel_bytes * max(size, footprint)
            planes = (item.image.pixel_bytes + 5 + 4 * (item.image.variance is not None)) * size
            sampled = 0 if item.map is None else item.image.pixel_bytes * footprint
            more = sampled + (2 * size if finds_sources or item.map is not None else 0)
            of_files[item.path] = of_files.get(item.path, 0) + item.image.pixel_bytes * size
            outputs[item.path] = item.path.stat().st_size if item.path.exists() else 0
            if found is None or planes + more > found.planes + found.more:
                found = Needs(size, image, planes, more, 0, len(items), 0)
        if found is None:
            return None
        return replace(found, file=max(of_files.values()), outputs=sum(outputs.values()))


@dataclass(frozen=True)
class MemoryPlan:
    """How a run uses memory.

    Attributes
    ----------
    workers : int
    scratch : Path or None
        Folder in which pixels are kept instead of in memory.
    held_bytes : int
        Bytes of pixels in memory that a process keeps between jobs.
    most_resident : int or None
        Bytes of pixels on disk that a process may have in memory; None for no limit.
    notes : list of str
        What was chosen, in sentences without a full stop.
    """

    workers: int
    scratch: Path | None
    held_bytes: int
    most_resident: int | None = None
    notes: list[str] = field(default_factory=list)


def plan_memory(
    needs: Needs | None,
    out_dir: Path,
    *,
    joint: bool,
    workers: int,
    processes: int = 1,
    can_reduce: bool = True,
    max_memory: int | None = None,
    scratch: Path | None = None,
    machine: Limits | None = None,
) -> MemoryPlan:
    """Choose where pixels are kept, and the number of workers, so that a run stays below a limit of its memory.

    Pixels stay in memory if they fit, if need be with fewer workers. Otherwise they are kept on disk.

    Parameters
    ----------
    needs : Needs or None
        None if no exposure can be read; then nothing is changed.
    out_dir : Path
        Folder of the outputs.
    joint : bool
        Whether this is a joint match.
    workers : int
        Number of jobs at a time.
    processes : int, optional
        Number of processes that do them; 1 for threads.
    can_reduce : bool, optional
        Whether there may be fewer workers.
    max_memory : int, optional
        Bytes of memory; by default `evensky.work.memory.SHARE` of what is free.
    scratch : Path, optional
        Folder that the user has chosen.
    machine : Limits, optional
        Limits of this process, by default those of `evensky.work.memory.limits`.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If `max_memory` is less than one worker needs with all pixels on disk.
    evensky.errors.TaskError
        If the machine has less than that, and the exposures are not small.
    evensky.errors.FitsError
        If pixels must be on disk, and no disk has room for them.
    """
    asked = MemoryPlan(workers, scratch, HELD_BYTES)
    if needs is None:
        return asked
    machine = limits() if machine is None else machine
    free = None if machine.memory is None else int(SHARE * machine.memory)
    most = max_memory if max_memory is not None else free
    room = _Room(needs, joint, processes > 1, most, machine.address_space)
    numbers = range(workers, 0, -1) if can_reduce else (workers,)
    why = _reason(max_memory, room)
    if scratch is None:
        for number in numbers:
            held = room.held_in_memory(number, asked.held_bytes)
            if held is not None:
                return replace(asked, workers=number, held_bytes=held, notes=_fewer(number, workers, why))
    for number in numbers:
        if room.fits_on_disk(number):
            break
    else:
        if max_memory is None and scratch is None and room.is_small:
            return replace(asked, workers=numbers[-1], notes=_fewer(numbers[-1], workers, why))
        raise _too_little(room, numbers[-1], max_memory)
    disk = room.disk_bytes(number)
    folder = scratch if scratch is not None else _folder_for(disk, needs.outputs, out_dir, room.in_words(workers))
    notes = _fewer(number, workers, why)
    if scratch is not None and scratch.is_dir():
        free_there = shutil.disk_usage(scratch).free
        if disk > 2 * free_there:  # what is needed is an upper limit
            raise FitsError(
                f"{scratch}: cannot be used as scratch space: up to {in_words(disk)} are needed, and "
                f"{in_words(free_there)} are free; name a folder on another disk with --scratch (scratch)"
            )
        if not on_disk(scratch):
            notes.append(f"the folder for pixels on disk, {scratch}, is in memory itself (tmpfs): its files count too")
    if scratch is None:
        notes.append(
            f"pixels are kept on disk, in {folder}, because {room.in_words(workers)} of memory would be needed and "
            f"{why}; --scratch (scratch) chooses another folder, --max-memory (max_memory) another limit"
        )
    resident = None if most is None else max(most // (processes and _processes(number, processes)), 0)
    if resident is not None:
        resident = max(resident - room.fixed(number), _LEAST_RESIDENT)
    return MemoryPlan(number, folder, asked.held_bytes, resident, notes)


def scratch_of_images(
    images: Sequence[ImageDescription],
    out_dir: Path | None = None,
    *,
    made: int = 0,
    meanwhile: int = 0,
    max_memory: int | str | None = None,
    scratch: Path | None = None,
) -> tuple[Scratch, list[str]]:
    """Choose where the pixels of the images of a file are kept, which are read one after the other.

    Parameters
    ----------
    images : sequence of ImageDescription
    out_dir : Path, optional
        Folder of the outputs; by default, pixels are kept in that of temporary files if they do not fit into memory.
    made : int, optional
        Number of planes of float32 that are made of each image, and kept until all are written.
    meanwhile : int, optional
        Number of planes of float32 that are needed while an image is worked on.
    max_memory : int or str, optional
        See `evensky.match_files`.
    scratch : Path, optional
        Folder that the user has chosen.

    Returns
    -------
    (Scratch, list of str)
        Where the planes are, and notes that say why.

    Raises
    ------
    evensky.errors.InvalidParameterError, evensky.errors.TaskError, evensky.errors.FitsError
        See `plan_memory`.
    """
    most = byte_limit(max_memory, "max_memory")
    largest = max(images, key=lambda image: image.shape[0] * image.shape[1])
    pixels = largest.shape[0] * largest.shape[1]
    planes = (largest.pixel_bytes + 5 + 4 * (largest.variance is not None)) * pixels
    kept = sum((4 * made + one.pixel_bytes) * one.shape[0] * one.shape[1] for one in images) if made else 0
    image = largest.pixel_bytes * pixels
    needs = Needs(pixels, image, planes, 4 * (made + meanwhile) * pixels, kept + 4 * meanwhile * pixels, 0, kept)
    folder = Path(tempfile.gettempdir()) if out_dir is None else out_dir
    plan = plan_memory(needs, folder, joint=True, workers=1, max_memory=most, scratch=scratch)
    return Scratch(plan.scratch, plan.most_resident), plan.notes


def _processes(workers: int, processes: int) -> int:
    return workers if processes > 1 else 1


class _Room:
    """Memory that a run needs, compared with what there is."""

    def __init__(self, needs: Needs, joint: bool, processes: bool, most: int | None, address: int | None) -> None:
        self._needs = needs
        self._joint = joint
        self._processes = processes
        self.most = most
        self.address = address

    def _band(self) -> int:
        return _BAND_BYTES * min(self._needs.pixels, MOST_PIXELS)

    def _jobs(self, workers: int) -> int:
        """Return the number of jobs that a process does at the same time."""
        return 1 if self._processes else workers

    def fixed(self, workers: int) -> int:
        """Return the memory of a process without the planes of exposures."""
        return _LIBRARIES + self._jobs(workers) * self._band()

    def _planes(self, workers: int, held: int) -> int:
        """Return the memory of the planes of a process, in memory, of which `held` bytes are kept between jobs."""
        needs, jobs = self._needs, self._jobs(workers)
        matching = jobs * max(needs.planes + needs.more, needs.planes + needs.file - needs.image)
        if not self._joint:
            return matching + needs.planes  # those of the reference
        # The image of an exposure that was looked at is held.
        return max(matching, held + jobs * (needs.planes + needs.more - needs.image))

    def held_in_memory(self, workers: int, wanted: int) -> int | None:
        """Return the bytes of held pixels with which each process of a run in memory fits; None if it does not fit."""
        least = most = share = 0
        number = workers if self._processes else 1
        if self._joint:
            least = min(self._needs.exposures, LEAST_HELD + self._jobs(workers)) * self._needs.image
            most = min(max(wanted, least), self._needs.exposures * self._needs.image)
            share = max(min(wanted // number, most), least)
        for held in (most, share, least):
            planes = self._planes(workers, held)
            fits = self.most is None or number * (self.fixed(workers) + planes) <= self.most
            if fits and self._has_address(workers, planes):
                return wanted if held == most else held
        return None

    @property
    def is_small(self) -> bool:
        """Whether the pixels of one worker take no more memory in memory than on disk.

        Whether they fit then depends on the libraries, whose memory is not known exactly.
        """
        held = self._needs.exposures * self._needs.image if self._joint else 0
        return self._planes(1, held) + self._band() <= _LEAST_RESIDENT

    def _has_address(self, workers: int, planes: int) -> bool:
        if self.address is None:
            return True
        jobs = self._jobs(workers)
        return _LIBRARIES_ADDRESS + jobs * (_THREAD_ADDRESS + self._band()) + planes <= self.address

    def fits_on_disk(self, workers: int) -> bool:
        """Return whether a run with its pixels on disk fits into memory."""
        number = workers if self._processes else 1
        fits = self.most is None or number * (self.fixed(workers) + _LEAST_RESIDENT) <= self.most
        return fits and self._has_address(workers, self._jobs(workers) * self.largest_map)

    @property
    def largest_map(self) -> int:
        """Address space of the planes that a job maps at the same time: image and mask, or difference and variance."""
        return self._needs.image + 4 * self._needs.pixels

    def least(self) -> tuple[int, int]:
        """Return the memory and the address space that one worker needs with its pixels on disk."""
        address = _LIBRARIES_ADDRESS + _THREAD_ADDRESS + self._band() + self.largest_map
        return self.fixed(1) + _LEAST_RESIDENT, address

    def disk_bytes(self, workers: int) -> int:
        """Return the room that the pixels of a run need on disk."""
        needs = self._needs
        number = workers if self._processes else 1
        jobs = self._jobs(workers)
        of_job = max(needs.planes + needs.more, needs.planes + needs.file) + (0 if self._joint else needs.planes)
        held = min(needs.exposures, LEAST_HELD + jobs) * needs.image if self._joint else needs.planes
        return number * (jobs * of_job + held)

    def in_words(self, workers: int) -> str:
        """Return the memory that a run without scratch space needs."""
        number = workers if self._processes else 1
        held = min(self._needs.exposures, LEAST_HELD + self._jobs(workers)) * self._needs.image if self._joint else 0
        return in_words(number * (self.fixed(workers) + self._planes(workers, held)))


def _reason(max_memory: int | None, room: _Room) -> str:
    if max_memory is not None:
        return f"the limit is {in_words(max_memory)}"
    parts = []
    if room.most is not None:
        parts.append(f"{in_words(room.most)} may be used ({SHARE:.0%} of what is free)")
    if room.address is not None:
        parts.append(f"the address space is limited to {in_words(room.address)} (ulimit -v)")
    return " and ".join(parts)


def _fewer(number: int, workers: int, why: str) -> list[str]:
    if number == workers:
        return []
    return [f"{number} of {workers} workers are used, because {why}; --max-memory (max_memory) chooses another limit"]


def _too_little(room: _Room, workers: int, max_memory: int | None) -> Exception:
    memory, address = room.least()
    if room.address is not None and address > room.address:
        return TaskError(
            f"the address space is limited to {in_words(room.address)} (ulimit -v), but exposures of this size need "
            f"{in_words(address)} even if their pixels are on disk; raise the limit, or match cutouts"
        )
    needed = in_words(memory * (workers if workers > 1 else 1))
    if max_memory is not None:
        return InvalidParameterError(
            f"max_memory is {in_small_words(max_memory)}; at least {needed} are needed for exposures of this size, "
            "even if their pixels are on disk"
        )
    return TaskError(
        f"{in_words(room.most or 0)} of memory may be used ({SHARE:.0%} of what is free), but at least {needed} are "
        "needed for exposures of this size, even if their pixels are on disk; end other programs, or give a limit "
        "with --max-memory (max_memory)"
    )


def _folder_for(size: int, outputs: int, out_dir: Path, needed: str) -> Path:
    """Return a folder on a disk with room for pixels: that of the outputs, or that of temporary files."""
    place = out_dir.absolute()
    while not place.is_dir() and place != place.parent:
        place = place.parent
    told = []
    for folder, more in ((place, outputs), (Path(tempfile.gettempdir()), 0)):
        if not on_disk(folder):
            told.append(f"{folder} is in memory")
            continue
        free = shutil.disk_usage(folder).free
        if size + more <= _SHARE_OF_DISK * free:
            return folder
        told.append(f"{folder} has {in_words(free)} free of {in_words(size + more)} needed")
    raise FitsError(
        f"{needed} of memory would be needed, and no disk has room for the pixels instead: {'; '.join(told)}. Name a "
        "folder on another disk with --scratch (scratch), use fewer workers, or give a limit with --max-memory "
        "(max_memory)"
    )
