"""A run: a method matches the exposures of a source, with any executor."""

from __future__ import annotations

__all__ = ["match_exposures"]

import datetime
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from .._core import __version__
from .._text import printable, reason_of
from ..combining.doubts import same_noise
from ..draw.progress import Progress, Steps
from ..errors import InvalidParameterError, TaskError
from ..matching.joint.differences import PairBins
from ..matching.reference import ReferenceCandidate, choose_reference, reason_of_choice, set_aside
from ..matching.sets import none_usable
from ..work.executors import Renew
from ..work.jobs import Jobs
from .combine_record import twice_notes
from .journal import Journal
from .match_run import MatchRun
from .method import Look, Method
from .overlaps import Overlaps
from .pictures import Gallery
from .record import ExposureRecord, failed_record, without_pictures
from .results import Results
from .source import Item

_DIED = "its worker died, again and again"


def match_exposures(
    items: Sequence[Item],
    method: Method,
    *,
    number: int | None = None,
    reference: int | None = None,
    renew: Renew | None = None,
    journal: Journal | None = None,
    progress: Progress | None = None,
    looked: Callable[[], None] | None = None,
) -> MatchRun:
    """Match exposures, and hand the results to the method's source.

    Parameters
    ----------
    items : sequence of Item
        The exposures.
    method : Method
        The caller closes it.
    number : int, optional
        Number of exposures to match, all by default; a reference that is not among them follows them in `items`.
    reference : int, optional
        Number of the reference; by default the exposure with the lowest cost.
    renew : callable, optional
        Function that returns an executor, see `evensky.work.executors.open_executor`. By default, the calling thread
        does the jobs.
    journal : Journal, optional
        Exposures that it lists as finished are kept; newly finished ones are added.
    progress : callable, optional
        Called with a label, the number of steps done, and the total number of steps.
    looked : callable, optional
        Called when all exposures were looked at, before the main process chooses the reference and pairs.

    Returns
    -------
    MatchRun
        One exposure that fails does not stop the others: its status is "failed".

    Raises
    ------
    evensky.errors.TaskError
        If no exposure can be the reference.
    """
    started, clock = datetime.datetime.now(datetime.UTC), time.perf_counter()
    number = len(items) if number is None else number
    takes_looks = method.always_looks or reference is None
    chosen_before = None if journal is None or journal.reference is None else journal
    checks = 0 if journal is None else journal.checks
    steps = Steps(checks + number * (method.stages if takes_looks else 1), progress)

    looks: list[Look] = []
    if method.always_looks or (reference is None and chosen_before is None):
        looks = _look_at_all(items, method, renew, steps)
        if looked is not None:
            looked()
        _check_looks(looks)
    elif takes_looks:
        steps.skip(number)
    twice = _twice(items, looks)
    candidates = [look.candidate for look in looks]
    for chip in _by_chip(items) if looks else []:
        boxes = [looks[i].box if method.one_size else None for i in chip]
        sizes = [None if box is None else box[2:] for box in boxes]
        set_aside([candidates[i] for i in chip], sizes, [looks[i].unit for i in chip])
    note = ""
    if reference is not None:
        index, candidates = reference, []
    elif chosen_before is None:
        index, candidates = _choose(items, candidates, method)
    else:
        index = next(item.index for item in items if item.label == chosen_before.reference)
        if looks:
            _, candidates = _choose(items, candidates, method)  # sets the costs, which rank the exposures of a group
        note = _chosen_before(chosen_before.candidates, candidates)
        candidates = chosen_before.candidates
    with method.hold_reference(items[index], looks[index] if looks else None, _other_chips(items, index)) as look:
        reason = reason_of_choice(candidates if reference is None else None)
        if journal is not None:
            reason = journal.reason or reason
            journal.begin(items[index].label, reason, candidates)
        results = Results(items[:number], journal, steps.step)
        differences: list[PairBins] = []
        for i, found in Jobs(renew, method.compare, lambda i, error: []).run(method.comparisons(items, looks)):
            steps.step(f"comparing {items[i].label}")
            differences += found
        plans, notes = method.plan(items, looks, differences)
        try:
            mosaic = method.mosaic(items[:number], looks, plans, look)
            results.gallery = Gallery(mosaic=mosaic, rounded=journal is not None)  # whose run is kept in a file
        except (ArithmeticError, ValueError) as error:  # such as a map that cannot be inverted; all else can be done
            notes = [*notes, f"There is no picture of all exposures: {reason_of(error)}."]
        again = [i for i, record in enumerate(results.kept) if record is not None and record.digest != plans[i].digest]
        for i in again:
            results.drop(i)
        files = _by_file(items[:number])
        for file in files:
            if any(results.kept[i] is None for i in file):  # a file is written as a whole
                for i in file:
                    results.drop(i)

        def lost(job: int, error: BaseException) -> list[ExposureRecord]:
            died = TaskError(_DIED)
            return [
                failed_record(items[i].label, items[i].place, died) if kept is None else without_pictures(kept, died)
                for i, kept in ((i, results.kept[i]) for i in files[job])
            ]

        def finished(job: int, records: list[ExposureRecord]) -> None:
            for i, record in zip(files[job], records, strict=True):
                results.finish(i, record)

        jobs = (
            (job, ([items[i] for i in file], [plans[i] for i in file], [results.kept[i] for i in file]))
            for job, file in enumerate(files)
        )
        for job, done in Jobs(renew, method.process_file, lost, finished).run(jobs):
            whole = all(record.status == "failed" for record in done)
            for i, record in zip(files[job], done, strict=True):
                results.collect(i, record, file_failed=whole)
    records = results.records
    assert len(records) == number
    # Records that were kept from an earlier run have no outlines, and those of failed exposures are new.
    for record, corners in zip(records, method.corners, strict=False):
        record.corners = corners
    if labels := [records[i].label for i in again if records[i].status != "failed"]:
        changed = printable(", ".join(labels))
        notes = [*notes, f"Matched again, because their models have changed since the run was stopped: {changed}."]
    note = note or _not_considered(candidates, records)
    if journal is not None and journal.unlike:
        unlike = printable(", ".join(journal.unlike))
        notes = [
            *notes,
            f"Matched again, because their outputs were missing or not as they had been written: {unlike}.",
        ]
    return MatchRun(
        records=records,
        candidates=candidates,
        reference=items[index].label,
        reference_reason=reason,
        config=method.config.toDict(),
        version=__version__,
        started=started.isoformat(timespec="seconds"),
        seconds=time.perf_counter() - clock,
        method=method.name,
        unit=look.unit,
        level=method.level,
        overlaps=Overlaps.labelled(method.overlaps, [item.label for item in items], look.unit),
        footprint_unit=method.footprint_unit,
        covariance=method.covariance,
        preview=results.gallery.finish(),
        untied=method.untied,
        notes=[f"Note: {assumption}." for assumption in look.notes]
        + [sentence for sentence in (results.resumed, note) if sentence]
        + notes
        + twice,
    )


def _by_chip(items: Sequence[Item]) -> list[list[int]]:
    """Return the numbers of the exposures of each chip."""
    chips: dict[str, list[int]] = {}
    for item in items:
        chips.setdefault(item.slot, []).append(item.index)
    return list(chips.values())


def _by_file(items: Sequence[Item]) -> list[list[int]]:
    """Return the numbers of the exposures of each output; exposures without an output are alone."""
    files: dict[Any, list[int]] = {}
    for item in items:
        files.setdefault(item.index if item.output is None else item.output, []).append(item.index)
    return list(files.values())


def _other_chips(items: Sequence[Item], index: int) -> list[Item]:
    """Return the other chips of the file of an exposure."""
    output = items[index].output
    return [item for item in items if output is not None and item.output == output and item.index != index]


def _choose(
    items: Sequence[Item], candidates: Sequence[ReferenceCandidate], method: Method
) -> tuple[int, list[ReferenceCandidate]]:
    """Set the costs of all candidates; return the number of the reference, and the candidates that it was among.

    The reference is chosen among the exposures of one chip, as levels of different chips cannot be compared. The other
    chips of the same file are the references of theirs.
    """
    chips = sorted(_by_chip(items), key=len, reverse=True)
    for chip in chips[1:]:
        with suppress(TaskError):  # no exposure of this chip can be used, which their records will say
            choose_reference([candidates[i] for i in chip], method.weights)
    among = [candidates[i] for i in chips[0]]
    return chips[0][choose_reference(among, method.weights)], among


def _look_at_all(items: Sequence[Item], method: Method, renew: Renew | None, steps: Steps) -> list[Look]:
    """Look at all exposures together, or, if the method needs a first look, one by one until one can be read."""

    def lost(index: int, error: BaseException) -> Look:
        return Look(ReferenceCandidate(items[index].label, message=_DIED))

    looks: dict[int, Look] = {}
    method.foresee(items)
    while len(looks) < len(items):
        number = len(items) if method.settled else 1
        batch = items[len(looks) :][:number]
        for index, look in Jobs(renew, method.look, lost).run((item.index, (item,)) for item in batch):
            looks[index] = look
            steps.step(f"looking at {items[index].label}")
        if not method.settled and looks[batch[0].index].box is not None:
            method.settle(looks[batch[0].index])
    return [looks[item.index] for item in items]


def _check_looks(looks: Sequence[Look]) -> None:
    """Raise an error if no exposure could be read."""
    if any(look.box is not None for look in looks):
        return
    # An error that is caused by the call is the same for every exposure.
    errors: list[InvalidParameterError] = [look.error for look in looks if look.error is not None]
    if errors:
        raise errors[0]
    raise TaskError(none_usable([look.candidate.message for look in looks]))


def _twice(items: Sequence[Item], looks: Sequence[Look]) -> list[str]:
    """Return notes on exposures that are there more than once."""
    notes = []
    shapes: dict[tuple[int, ...], list[int]] = {}
    for number, look in enumerate(looks):
        if look.box is not None:
            shapes.setdefault(look.box[2:], []).append(number)
    for numbers in shapes.values():
        groups = same_noise(np.stack([looks[number].sample for number in numbers], axis=1))
        labels = [items[number].label for number in numbers]
        notes += twice_notes(labels, groups, "the errors of the models are too small")
    return [f"Note: {note}." for note in notes]


def _not_considered(candidates: Sequence[ReferenceCandidate], records: Sequence[ExposureRecord]) -> str:
    """Return a note if exposures could not be read when the reference was chosen, but later; "" otherwise.

    An error of a disk may pass. Without the note, the run would look like one that had considered all exposures.
    """
    matched = {record.label for record in records if record.status != "failed"}
    reasons = [
        f"{printable(one.label)} ({printable(one.message)})"
        for one in candidates
        if one.message and one.npoint == 0 and one.label in matched
    ]
    if not reasons:
        return ""
    return (
        "The reference was chosen without these exposures, which could not be used then and were matched later: "
        f"{', '.join(reasons)}."
    )


def _chosen_before(then: Sequence[ReferenceCandidate], now: Sequence[ReferenceCandidate]) -> str:
    """Return a note if the run that is resumed had other exposures to choose the reference from; "" otherwise."""
    changed = [one.label for one, other in zip(then, now, strict=False) if bool(one.message) != bool(other.message)]
    if not changed:
        return ""
    return (
        "The reference was chosen, and the costs of the candidates were computed, before the run was resumed. Since "
        f"then, these exposures have become usable or unusable: {', '.join(changed)}."
    )
