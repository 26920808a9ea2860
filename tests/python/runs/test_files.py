"""Runs over files: arguments, the reference, and what is left in the folder."""

from __future__ import annotations

import importlib
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from astropy.table import Table
from locked_runs import match_files
from small_runs import make_config, make_exposure, write_items

from evensky.errors import FitsError, InvalidParameterError
from evensky.fits.descriptions import Selection
from evensky.io import write_exposure
from evensky.matching.joint.config import MatchAllConfig
from evensky.runs import files as runs_files
from evensky.runs.joint import JointMethod
from evensky.runs.memory_plan import HELD_BYTES
from evensky.work.executors import OpenExecutor

LEVELS = (100, 150, 160)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("exposures")
    return [item.path for item in write_items(folder, *map(make_exposure, LEVELS)) if item.path is not None]


@pytest.fixture(params=["all", "reference"])
def config(request: pytest.FixtureRequest) -> Any:
    return make_config(request.param)


def test_a_run_leaves_exposures_table_and_journal(files: list[Path], tmp_path: Path, config: Any) -> None:
    run = match_files(files, tmp_path / "out", config=config)
    names = [f"{name}_matched.fits" for name in "abc"]
    joint = ["matched.covariance.fits", "overlaps.ecsv"] if isinstance(config, MatchAllConfig) else []
    found = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert found == sorted([*names, "matched.ecsv", "matched.journal", *joint])
    assert [Path(record.output or "").name for record in run.records] == names
    assert [record.path for record in run.records] == [str(path) for path in files]
    assert run.config == config.toDict()
    assert list(Table.read(tmp_path / "out" / "matched.ecsv")["label"]) == ["a", "b", "c"]


def test_all_exposures_are_matched_to_each_other_by_default(files: list[Path], tmp_path: Path) -> None:
    assert match_files(files, tmp_path).method == "all"


@pytest.mark.parametrize("given", ["b", "b.fits", "path"])
def test_the_reference_is_found_among_the_files(files: list[Path], tmp_path: Path, config: Any, given: str) -> None:
    reference = files[1] if given == "path" else given
    run = match_files(files, tmp_path, config=config, reference=reference)
    assert run.reference == "b"
    assert run.reference_reason == "It was named by the user."
    assert [record.status for record in run.records] == ["matched", "reference", "matched"]


def test_a_reference_from_elsewhere_is_not_written(files: list[Path], tmp_path: Path, config: Any) -> None:
    elsewhere = tmp_path / "dark.fits"
    write_exposure(make_exposure(120), elsewhere)
    run = match_files(files, tmp_path / "out", config=config, reference=elsewhere)
    assert run.reference == "dark"
    assert [(record.label, record.status) for record in run.records] == [(name, "matched") for name in "abc"]
    assert [record.level_after for record in run.records] == pytest.approx([120] * 3, abs=0.3)
    assert not (tmp_path / "out" / "dark_matched.fits").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"paths": []}, "There are 0 files; at least 1 is needed"),
        ({"workers": 0}, "workers = 0; it must be at least 1"),
        ({"overwrite": True, "resume": True}, "overwrite and resume are both True; choose one of them"),
        ({"config": 3}, "config is a int; it must be a MatchAllConfig or a MatchBackgroundsConfig"),
        ({"paths": ["a.fits", "a.fits"]}, r"a\.fits is given more than once"),
        ({"selection": Selection(mask="{night}.fits")}, r"Pattern '\{night\}\.fits' cannot be filled in"),
        ({"executor": "fibres"}, "executor is 'fibres'"),
    ],
)
def test_arguments_that_are_refused(files: list[Path], tmp_path: Path, options: dict[str, Any], says: str) -> None:
    arguments = {"paths": files, "out_dir": tmp_path / "out", **options}
    with pytest.raises(InvalidParameterError, match=says):
        match_files(**arguments)


def test_earlier_results_are_replaced_only_if_wanted(files: list[Path], tmp_path: Path, config: Any) -> None:
    match_files(files, tmp_path, config=config)
    with pytest.raises(FitsError, match="holds earlier results"):
        match_files(files, tmp_path, config=config)
    assert not match_files(files, tmp_path, config=config, overwrite=True).failed
    again = match_files(files, tmp_path, config=config, resume=True)
    assert again.notes[-1] == "Resumed: 3 of 3 exposures were finished before."


@pytest.mark.usefixtures("warm_workers")
@pytest.mark.parametrize("options", [{}, {"workers": 2}, {"workers": 2, "executor": "processes"}])
def test_progress_counts_all_steps(files: list[Path], tmp_path: Path, config: Any, options: dict[str, Any]) -> None:
    steps: list[tuple[int, int]] = []
    match_files(
        files, tmp_path, config=config, progress=lambda _, done, number: steps.append((done, number)), **options
    )
    number = 3 * (2 if "binSize" in config.toDict() else 3)
    assert steps == [(done, number) for done in range(1, number + 1)]


def test_workers_import_what_jobs_need_after_the_looks(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: Any
) -> None:
    prepared: list[tuple[int, Any]] = []
    done: list[int] = []
    monkeypatch.setattr(OpenExecutor, "prepare", lambda self, modules: prepared.append((len(done), modules)))
    match_files(files, tmp_path, config=config, progress=lambda label, number, steps: done.append(number))
    ((after, modules),) = prepared
    assert after == 3
    assert ("scipy.sparse.csgraph" in modules) == isinstance(config, MatchAllConfig)
    assert "astropy.io.fits" in modules
    assert [importlib.import_module(name).__name__ for name in modules] == list(modules)


class Stop(Exception):  # noqa: N818
    """Ends a run before any job is done."""


class Strange(Executor):
    """An executor that does not tell the number of its workers."""


@pytest.mark.usefixtures("warm_workers")
@pytest.mark.parametrize(
    ("executor", "workers", "held_bytes"),
    [
        (None, 2, HELD_BYTES),
        ("threads", 2, HELD_BYTES),
        (ThreadPoolExecutor(3), 3, HELD_BYTES),
        # Each process does one job at a time and holds pixels of its own, whoever has started it.
        ("processes", 1, HELD_BYTES),
        (Strange(), 1, HELD_BYTES),
    ],
)
def test_the_budget_of_pixels_of_a_process(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, executor: Any, workers: int, held_bytes: int
) -> None:
    def stop(items: Any, method: JointMethod, *, number: int, **options: Any) -> None:
        assert (len(items), number) == (3, 3)
        assert (method.workers, method.held_bytes) == (workers, held_bytes)
        raise Stop

    monkeypatch.setattr(runs_files, "match_exposures", stop)
    with pytest.raises(Stop):
        match_files(files, tmp_path, workers=2, executor=executor)


@pytest.mark.parametrize(
    ("executor", "planned"),
    [(None, (2, True)), ("processes", (2, True)), ("dask:tcp://127.0.0.1:1", (8, False)), ("own", (3, False))],
)
def test_only_workers_that_are_opened_here_can_be_fewer(
    executor: Any, planned: Any, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []

    def plan(*arguments: Any, workers: int, can_reduce: bool, **options: Any) -> None:
        found.append((workers, can_reduce))
        raise FitsError("planned")

    monkeypatch.setattr(runs_files, "plan_memory", plan)
    with ThreadPoolExecutor(3) as own:
        given = own if executor == "own" else executor
        with pytest.raises(FitsError, match="planned"):
            match_files(files, tmp_path, executor=given, workers=2, max_memory="1GB")
    assert found == [planned]
