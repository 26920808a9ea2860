"""The package as a whole: one version, and the README's code."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

import pytest

import evensky

pytestmark = pytest.mark.smoke

ROOT = Path(__file__).parents[2]


def test_one_version() -> None:
    written = re.search(r"project\(evensky VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text())
    assert written is not None
    assert evensky.__version__ == written[1] == importlib.metadata.version("evensky")


def test_the_readmes_python_runs(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "matched" in printed  # the table of a run
    assert len(printed.splitlines()) >= 6
