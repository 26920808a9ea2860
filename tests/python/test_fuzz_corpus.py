"""The corpus of the fuzzers: every file in it is read again."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[1] / "fuzz"

spec = importlib.util.spec_from_file_location("fuzz_targets", FUZZ / "targets.py")
assert spec is not None
assert spec.loader is not None
targets = importlib.util.module_from_spec(spec)
sys.modules["fuzz_targets"] = targets
spec.loader.exec_module(targets)


@pytest.mark.filterwarnings("ignore")  # astropy and numpy warn of odd contents of these files
@pytest.mark.parametrize("name", sorted(targets.TARGETS))
def test_corpus(name: str) -> None:
    files = sorted((FUZZ / "corpus" / name).iterdir())
    assert files
    for file in files:
        try:
            targets.TARGETS[name](file.read_bytes())
        except Exception as error:
            raise AssertionError(f"{file}: {error}") from error
