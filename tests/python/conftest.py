"""The order of the tests: what is quick comes first."""

from __future__ import annotations

from pathlib import Path

import pytest

# Tests that run whole programs, kill processes or read pages; the last of them take longest. All others come before.
SLOW = (
    "test_search.py",
    "test_concurrency.py",
    "test_types.py",
    "test_linking.py",
    "test_coming_from.py",
    "test_moving_over.py",
    "test_docs.py",
    "test_pipeline.py",
    "test_opening_bad.py",
    "test_planes_bad.py",
    "test_journal_bad.py",
    "test_configuration_bad.py",
    "test_disks.py",
    "test_files.py",
    "test_workers.py",
    "test_executors.py",
    "test_resume.py",
    "test_resume_others.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent

    def place(item: pytest.Item) -> int:
        return SLOW.index(item.path.name) + 1 if here in item.path.parents and item.path.name in SLOW else 0

    items.sort(key=place)
