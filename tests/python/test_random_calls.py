"""Random calls of what is public, with extreme arguments, never crash the process: each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("random_calls.py")


@pytest.mark.skipif(sys.platform == "win32", reason="the program limits its memory")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_calls_return_or_raise_documented_errors(seed: int, tmp_path: Path) -> None:
    sanitizer = "max_allocation_size_mb=2048:allocator_may_return_null=1:" + os.environ.get("ASAN_OPTIONS", "")
    run = subprocess.run(
        [sys.executable, PROGRAM, str(seed), "500"],
        cwd=tmp_path,
        env={**os.environ, "ASAN_OPTIONS": sanitizer},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert "500 calls" in run.stdout
