"""The command evensky demo."""

from __future__ import annotations

from pathlib import Path

import pytest
from demo_files import run


@pytest.mark.smoke
def test_demo(tmp_path: Path) -> None:
    result = run("demo", tmp_path / "demo", "--number", 3, "--size", 512)
    assert result.exit_code == 0, result.output
    # Pictures: one for each exposure, the levels and the costs.
    page = (tmp_path / "demo" / "matched" / "report.html").read_text()
    assert page.count("data:image/png") == 3 + 2
    found = [line for line in result.output.splitlines() if line.startswith("Pixel RMS")]
    assert len(found) == 2
    assert all(float(line.rsplit(" ", 1)[1]) < 0.5 for line in found)
    result = run("demo", tmp_path / "demo")
    assert result.exit_code == 2
    assert "--overwrite" in result.output
