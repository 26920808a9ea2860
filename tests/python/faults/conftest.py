"""Files of runs that are disturbed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hanging
import pytest
from disturbed_runs import NUMBER, match
from resuming import digest, digests

from evensky.simulate import make_exposures, write_exposures

_nothing_hangs = pytest.fixture(autouse=True)(hanging.alarm)


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_exposures(make_exposures(NUMBER, (128, 128), seed=3), tmp_path_factory.mktemp("exposures"))


@pytest.fixture
def files(originals: list[Path]) -> Iterator[list[Path]]:
    """Exposures that must be unchanged after the test."""
    before = [digest(path) for path in originals]
    yield originals
    assert [digest(path) for path in originals] == before


@pytest.fixture(scope="module")
def whole(originals: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of the outputs of an undisturbed run."""
    folder = tmp_path_factory.mktemp("whole")
    result = match(originals, folder)
    assert result.exit_code == 0, result.output
    assert len(digests(folder)) == NUMBER
    return digests(folder)
