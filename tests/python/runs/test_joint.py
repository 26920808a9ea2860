"""The method "all": a joint match of all exposures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_runs import make_config, make_exposure, make_store, write_items

import evensky
from evensky.errors import TaskError
from evensky.fits.descriptions import Selection
from evensky.image import ExposureF, ImageF, MaskedImageF
from evensky.io import write_exposure
from evensky.matching.joint.candidates import Candidate
from evensky.matching.joint.evidence import Score
from evensky.matching.joint.fits import ExposureFit
from evensky.matching.joint.models import Model
from evensky.matching.reference import ReferenceCandidate
from evensky.runs.joint import Correction, JointMethod, _chips_of, _corners_of
from evensky.runs.method import Look, Plan
from evensky.runs.record import ExposureRecord
from evensky.runs.run import match_exposures
from evensky.runs.source import Frame, Item, MemorySource, Source
from evensky.runs.store import FileStore
from evensky.runs.survey import survey_files
from evensky.work.held import PIXELS


def make_method(source: Source, *, held_bytes: int = 2**29, **fields: Any) -> JointMethod:
    return JointMethod(source, make_config("all", **fields), held_bytes=held_bytes)


def plans_of(method: JointMethod, items: Sequence[Item], reference: int = 0) -> tuple[list[Plan], list[str]]:
    looks = [method.look(item) for item in items]
    with method.hold_reference(items[reference], looks[reference]):
        differences = [
            found for _, arguments in method.comparisons(items, looks) for found in method.compare(*arguments)
        ]
        return method.plan(items, looks, differences)


def run(*exposures: Any, reference: int | None = 0, **fields: Any) -> tuple[list[ExposureRecord], MemorySource]:
    source = MemorySource(exposures, make_config("all").bad_planes)
    return match_exposures(source.items, make_method(source, **fields), reference=reference).records, source


def shifted(level: float, x0: int) -> ExposureF:
    pixels = np.random.default_rng(int(level)).normal(level, 2, (80, 80)).astype(np.float32)
    return ExposureF(MaskedImageF(ImageF(pixels, xy0=(x0, 0))))


@pytest.mark.parametrize(("bin_size", "settled", "bins"), [(20, True, 16), (0, False, 25)])
def test_the_first_look_gives_the_size_of_the_bins(bin_size: int, settled: bool, bins: int) -> None:
    source = MemorySource([make_exposure(100)], ["BAD"])
    method = make_method(source, bin_size=bin_size)
    assert method.settled == settled
    look = method.look(source.items[0])
    assert look.coverage.bins.size == bins
    method.settle(look)
    assert method.settled
    assert method.look(source.items[0]).coverage.bins.size == bins


@pytest.mark.parametrize(("x0", "bins"), [(0, 16), (412, 26)])
def test_bins_fit_overlaps_that_are_known_before_exposures_are_read(tmp_path: Path, x0: int, bins: int) -> None:
    rng = np.random.default_rng(1)
    exposures = [
        ExposureF(MaskedImageF(ImageF(rng.normal(100, 2, (512, 512)).astype(np.float32), xy0=(x, 0)))) for x in (0, x0)
    ]
    memory, store = MemorySource(exposures, ["BAD"]), make_store("all")
    paths = [item.path for item in write_items(tmp_path, *exposures) if item.path is not None]
    sources: list[tuple[Source, list[Item]]] = [
        (memory, memory.items),
        (store, survey_files(paths, Selection(), tmp_path).items),
    ]
    for source, items in sources:
        method = make_method(source, bin_size=0)
        method.foresee(items)
        assert method.settled
        assert method.look(items[0]).coverage.bins.size == bins**2


def test_without_a_known_size_the_first_look_is_needed(tmp_path: Path) -> None:
    method = make_method(make_store("all"), bin_size=0)
    method.foresee([Item(0, "lost", tmp_path / "lost.fits", None)])
    assert not method.settled


def test_a_job_compares_an_exposure_with_earlier_ones() -> None:
    source = MemorySource([make_exposure(level) for level in (100, 150, 160)], ["BAD"])
    method = make_method(source)
    looks = [method.look(item) for item in source.items]
    first, second, third = source.items
    with method.hold_reference(first, looks[0]):
        jobs = method.comparisons(source.items, looks)
        assert jobs == [(0, (first, [])), (1, (second, [first])), (2, (third, [first, second]))]
        assert method.compare(first, []) == []
        found = method.compare(third, [first, second])
    assert [(pair.first, pair.second) for pair in found] == [(0, 2), (1, 2)]


def test_the_digest_of_a_plan_stands_for_its_result() -> None:
    exposures = [make_exposure(level) for level in (100, 150, 160)]

    def digests(*changed: ExposureF) -> list[str]:
        source = MemorySource([*exposures, *changed], ["BAD"])
        return [plan.digest for plan in plans_of(make_method(source), source.items)[0]]

    before = digests()
    assert len(set(before)) == 3
    assert digests() == before
    assert not set(digests(make_exposure(170))) & set(before)  # all compare with the fourth, too


def test_a_record_has_the_figures_of_the_fit() -> None:
    (reference, record, _), source = run(make_exposure(100), make_exposure(150), make_exposure(160))
    assert (reference.status, reference.model, reference.scores) == ("reference", "none", [])
    assert reference.fit_rms is not None
    assert reference.fit_rms == pytest.approx(record.fit_rms, rel=0.5)  # it differs from its partners as they do
    assert (record.status, record.model, record.group, record.bins) == ("matched", "constant", 0, 25)
    assert record.partners == ["exposure 0", "exposure 2"]
    assert record.fit_chi == pytest.approx(1, abs=0.4)
    assert record.model_sigma is not None
    assert 0 < record.model_sigma < 0.1
    assert record.model_min == record.model_max == pytest.approx(-50, abs=0.2)
    assert (record.common_fraction, record.extrapolated_fraction, record.flags) == (1.0, 0.0, [])
    assert record.scores[0].name == "constant"
    assert record.scores[0].bic == 0
    assert source.models[1].name == "constant"


@pytest.mark.parametrize("level", ["reference", "mean", "lowest"])
def test_the_level_decides_which_exposures_stay(level: str) -> None:
    records, source = run(make_exposure(100), make_exposure(150), make_exposure(140), level=level)
    statuses = [record.status for record in records]
    assert statuses == ["reference" if level == "reference" else "matched", "matched", "matched"]
    want = {"reference": 100, "mean": 130, "lowest": 100}[level]
    for matched in source.matched:
        assert matched.image.array.mean() == pytest.approx(want, abs=0.3)


@pytest.mark.parametrize("shared", [True, False], ids=["in memory", "in files"])
def test_the_variance_of_the_model_is_added_if_wanted(tmp_path: Path, shared: bool) -> None:
    exposures: list[Any] = [make_exposure(100), make_exposure(150)]
    given = exposures if shared else [item.path for item in write_items(tmp_path, *exposures)]
    records, source = run(*given, add_variance=True)
    sigma = records[1].model_sigma
    assert sigma is not None
    np.testing.assert_array_equal(source.matched[0].variance.array, 4)
    added = source.matched[1].variance.array - 4
    assert added.min() > 0
    assert np.sqrt(added.mean()) == pytest.approx(sigma, rel=0.05)
    np.testing.assert_array_equal(exposures[1].variance.array, 4)  # the caller's own


def test_groups_are_noted() -> None:
    source = MemorySource([shifted(level, x0) for level, x0 in ((100, 0), (150, 0), (160, 500), (170, 500))], ["BAD"])
    plans, notes = plans_of(make_method(source), source.items)
    assert [plan.fit.group for plan in plans] == [0, 0, 1, 1]  # type: ignore[attr-defined]
    assert len(notes) == 1
    assert notes[0].startswith("2 groups of exposures have no good pixel in common; each group was matched by itself")
    assert "exposure 0, exposure 1 (exposure 0 unchanged); exposure 2, exposure 3 (exposure " in notes[0]
    assert plans_of(make_method(source), source.items[:2])[1] == []


def test_an_exposure_apart_from_all_others_fails() -> None:
    (_, _, record), source = run(shifted(100, 0), shifted(150, 0), shifted(160, 500))
    assert (record.status, record.flags, record.common_fraction) == ("failed", ["NO_OVERLAP"], 0.0)
    assert record.message == "has no bin that is good here and in any other exposure: nothing to match"
    assert source.matched[2] is None


@pytest.mark.parametrize(
    ("x0", "curved", "flags"),
    [(76, False, ["LOW_COVERAGE", "UNDETERMINED"]), (48, True, ["EXTRAPOLATED", "UNDETERMINED"]), (0, True, [])],
)
def test_little_overlap_is_flagged(x0: int, curved: bool, flags: list[str]) -> None:
    moved = shifted(150, x0)
    if curved:
        moved.image.array[...] += np.linspace(0, 60, 80)
    (_, record), _ = run(shifted(100, 0), moved, bin_size=4)
    assert record.flags == flags
    assert [warning.split(":")[0] for warning in record.warnings] == record.flags


def test_exposures_in_another_unit_are_not_compared(tmp_path: Path) -> None:
    items = write_items(tmp_path, *(make_exposure(100, unit=unit) for unit in ("Jy", "mJy", "Jy", "")))
    method = make_method(make_store("all"))
    looks = [method.look(item) for item in items]
    with method.hold_reference(items[0], looks[0]):
        jobs = method.comparisons(items, looks)
        partners = {index: [one.index for one in others] for index, (_, others) in jobs}
    assert method.unit == "Jy"
    assert partners == {0: [], 1: [], 2: [0], 3: [0, 2]}


def test_a_reference_that_cannot_be_read_gives_its_own_error(tmp_path: Path) -> None:
    items = write_items(tmp_path, make_exposure(100))
    items[0].path.write_bytes(b"")
    method = make_method(make_store("all"))
    look = method.look(items[0])
    with pytest.raises(RuntimeError, match=r"a\.fits: cannot be read as FITS"), method.hold_reference(items[0], look):
        pass
    # It can be read now, but could not be when it was looked at.
    write_exposure(make_exposure(100), items[0].path, overwrite=True)
    says = r"a\.fits: .*cannot be read as FITS.*, so it cannot be the reference"
    with pytest.raises(TaskError, match=says), method.hold_reference(items[0], look):
        pass


def read_counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    read: Counter[str] = Counter()
    really_read = FileStore.read

    def counted(self: FileStore, item: Item, **options: Any) -> Frame:
        read[item.label] += 1
        return really_read(self, item, **options)

    monkeypatch.setattr(FileStore, "read", counted)
    return read


# With one worker the reference and three more exposures are held whatever their size.
@pytest.mark.parametrize(("held", "reads"), [(6, [1, 1, 1, 1, 1, 1]), (0, [2, 2, 2, 2, 2, 2])])
def test_pixels_are_held_until_all_pairs_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: int, reads: list[int]
) -> None:
    read = read_counts(monkeypatch)
    items = write_items(tmp_path, *(make_exposure(level) for level in (100, 150, 160, 170, 180, 190)))
    method = make_method(make_store("all"), held_bytes=held * 80 * 80 * 4)
    with closing(method):
        plans, _ = plans_of(method, items)
    assert sorted(read.values()) == reads
    assert read["a"] == reads[0]  # the reference is not dropped
    assert [plan.fit.bins for plan in plans] == [25] * 6  # type: ignore[attr-defined]
    assert all(PIXELS.find(method.source.run, item.index) is None for item in items)


def test_results_do_not_depend_on_how_much_is_held(tmp_path: Path) -> None:
    items = write_items(tmp_path, *(make_exposure(level, np.s_[level % 7 :]) for level in (100, 150, 160, 170)))
    digests = [
        [plan.digest for plan in plans_of(make_method(make_store("all"), held_bytes=held), items)[0]]
        for held in (2**29, 2 * 80 * 80 * 4, 0)
    ]
    assert digests[0] == digests[1] == digests[2]


def test_bad_pixels_of_files_are_not_compared(tmp_path: Path) -> None:
    """Pixels of files are marked by NaN before they are held, those of the caller are not."""
    good = np.random.default_rng(1).random((80, 80)) < 0.7
    exposures = [make_exposure(100), make_exposure(150, good)]
    exposures[1].image.array[~good] = 1e6
    items = write_items(tmp_path, *exposures)
    memory = MemorySource(exposures, make_config("all").bad_planes)
    in_files, _ = plans_of(make_method(make_store("all")), items)
    in_memory, _ = plans_of(make_method(memory), memory.items)
    one, other = (plans[1].fit for plans in (in_files, in_memory))  # type: ignore[attr-defined]
    np.testing.assert_array_equal(one.model.coefficients, other.model.coefficients)
    assert abs(one.model.coefficients[0] + 50) < 0.3
    assert (exposures[1].image.array[~good] == 1e6).all()


def test_two_runs_at_once_do_not_share_pixels() -> None:
    """They take each other's place in memory, but give the results that each has alone."""
    nights = [[make_exposure(level + night) for level in (100, 150, 160, 170)] for night in (0, 30)]
    alone = [evensky.match_all(exposures, 0, bin_size=16) for exposures in nights]
    with ThreadPoolExecutor(2) as pool:
        for _ in range(5):
            together = list(pool.map(lambda exposures: evensky.match_all(exposures, 0, bin_size=16), nights))
            for one, other in zip(alone, together, strict=True):
                for want, got in zip(one.exposures, other.exposures, strict=True):
                    np.testing.assert_array_equal(want.image.array, got.image.array)


@pytest.mark.parametrize("step", ["compare", "plan", "process_file"])
def test_no_pixels_are_held_after_a_run_however_it_ends(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def interrupt(*arguments: Any) -> None:
        raise KeyboardInterrupt

    exposures = [make_exposure(level) for level in (100, 150, 160)]
    monkeypatch.setattr(JointMethod, step, interrupt)
    with pytest.raises(KeyboardInterrupt):
        evensky.match_all(exposures, 0, bin_size=16)
    assert not PIXELS._held


def test_chips_are_placed_in_the_focal_plane() -> None:
    # Two files of two chips; the second chip is mirrored in x, and the second file is shifted by (5, 3).
    places = {"1": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), "2": (-1.0, 0.0, 199.0, 0.0, 1.0, 10.0)}
    items = [
        Item(2 * file + chip, f"{file}-{slot}", Path(f"{file}.fits"), slot=slot, to_plane=place)
        for file in (0, 1)
        for chip, (slot, place) in enumerate(places.items())
    ]
    boxes = [(0, 0, 80, 60), (0, 0, 80, 60), (5, 3, 80, 60), (5, 3, 80, 60)]
    looks = [Look(ReferenceCandidate(item.label), box) for item, box in zip(items, boxes, strict=True)]
    corners = _corners_of(items, looks, _chips_of(items, looks))
    assert corners[0] == [[-0.5, -0.5], [79.5, -0.5], [79.5, 59.5], [-0.5, 59.5]]
    assert corners[1] == [[199.5, 9.5], [119.5, 9.5], [119.5, 69.5], [199.5, 69.5]]
    assert corners[2] == [[4.5, 2.5], [84.5, 2.5], [84.5, 62.5], [4.5, 62.5]]
    assert corners[3][0] == [194.5, 12.5]
    looks[1].box = None
    assert _corners_of(items, looks, _chips_of(items, looks))[1] == []
    unknown = [replace(item, to_plane=None) if item.slot == "2" else item for item in items]
    assert _corners_of(unknown, looks, _chips_of(unknown, looks)) == []


@pytest.mark.parametrize(
    ("selected", "added", "name"),
    [
        (Candidate(2), Candidate(4), "Chebyshev 2 (Chebyshev 4 at the mean level)"),
        (Candidate(0), Candidate(1), "constant (plane at the mean level)"),
        (Candidate(2), Candidate(2), "Chebyshev 2"),
        (Candidate(nodes=(4, 4)), Candidate(nodes=(4, 4)), "spline 4 x 4"),
    ],
)
def test_a_model_is_named_as_it_was_selected(selected: Candidate, added: Candidate, name: str) -> None:
    model = Model(added, (0, 0, 64, 64), np.zeros(added.terms), np.zeros((added.terms, added.terms)))
    plan = Correction(
        fit=ExposureFit(model, scores=[Score(selected, 0.0)], bins=9),
        partners=["other"],
        covered_bins=9,
        problem="",
        level="mean",
        stays=False,
        source_fraction=None,
        area_factor=1.0,
    )
    record = ExposureRecord("a", "", "matched")
    JointMethod._describe(record, plan)
    assert record.model == name
    assert record.scores[0].name == selected.name
    assert record.model.startswith(record.scores[0].name)
