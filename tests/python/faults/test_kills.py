"""Kills in the middle of writing, by the harness of tests/faults."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

KILLS = Path(__file__).parents[2] / "faults" / "kills.py"


@pytest.fixture(autouse=True)
def _nothing_hangs() -> None:
    """Replace the alarm of the other tests, as the harness takes longer and has a limit of its own."""


def test_runs_that_are_killed_while_writing_are_resumed() -> None:
    ended = subprocess.run([sys.executable, KILLS, "--number", "8"], capture_output=True, text=True, timeout=900)
    if ended.stdout.startswith("skipped"):
        pytest.skip(ended.stdout)
    assert ended.returncode == 0, ended.stdout + ended.stderr
