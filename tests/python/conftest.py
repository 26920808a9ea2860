"""Order of the tests: quick ones come first."""

from __future__ import annotations

from pathlib import Path

import pytest

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
