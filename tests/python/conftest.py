"""Order of the tests: quick ones come first; worker processes that begin at once."""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from evensky.work import executors

# Tests that run whole programs, kill processes or build pages run last, in this order of files and folders.
SLOW = (
    "fits/test_opening_bad.py",
    "fits/test_planes_bad.py",
    "io/test_configuration_bad.py",
    "runs/test_journal_bad.py",
    "matching/joint/test_search.py",
    "matching/joint/test_hard_scenes.py",
    "test_properties.py",
    "test_concurrency.py",
    "test_types.py",
    "test_linking.py",
    "test_coming_from.py",
    "test_moving_over.py",
    "test_docs.py",
    "interop/test_pipeline.py",
    "faults",
    "work/test_executors.py",
    "test_resume_others.py",
    "test_resume.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    slow = [here / name for name in SLOW]
    # Thousands of tests are in some hundred files.
    places = {
        path: next((n for n, first in enumerate(slow) if path.is_relative_to(first)), -1)
        for path in {item.path for item in items}
    }
    items.sort(key=lambda item: places[item.path])


@pytest.fixture
def warm_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let worker processes be forks of one process that has imported evensky.

    Those of users are new interpreters, which takes a second each. Tests in which only the results of workers count, or
    their end, need not wait for that.
    """
    if sys.platform != "linux":
        return  # forks cannot use the numerical libraries of macOS
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["evensky.runs.files", "evensky.runs.combine_run", "evensky.io", "astropy.io.fits"])
    monkeypatch.setattr(executors, "multiprocessing", SimpleNamespace(get_context=lambda start: context))
