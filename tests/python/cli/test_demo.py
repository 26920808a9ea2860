"""The command evensky demo."""

from __future__ import annotations

from pathlib import Path

import pytest
from demo_files import run


@pytest.mark.smoke
def test_demo(tmp_path: Path) -> None:
    result = run("demo", tmp_path / "demo", "--number", 3, "--size", 512)
    assert result.exit_code == 0, result.output
    # Pictures: one for each exposure, the levels, the footprints and the costs.
    page = (tmp_path / "demo" / "matched" / "report.html").read_text()
    assert page.count("data:image/png") == 3 + 3
    found = [line for line in result.output.splitlines() if line.startswith("Pixel RMS")]
    assert len(found) == 2
    assert all(float(line.rsplit(" ", 1)[1]) < 0.5 for line in found)
    result = run("demo", tmp_path / "demo")
    assert result.exit_code == 2
    assert "--overwrite" in result.output


@pytest.mark.smoke
def test_dithered_demo(tmp_path: Path) -> None:
    result = run("demo", tmp_path / "demo", "--dithered", "--number", 4, "--size", 256)
    assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "demo" / "exposures").glob("dithered_*.fits"))) == 4
    assert "RMS deviation from the simulated truth" in (tmp_path / "demo" / "matched" / "report.html").read_text()
    lines = result.output.splitlines()
    start = next(n for n, line in enumerate(lines) if "pixel [arcsec]" in line)
    rows = [line.split() for line in lines[start + 1 : start + 5]]
    assert [row[0] for row in rows] == [f"dithered_{n:02d}" for n in range(1, 5)]
    assert all(0.36 < float(row[2]) < 0.44 for row in rows)
    (found,) = [line for line in lines if line.startswith("RMS difference")]
    before, after = (float(part.split()[-1]) for part in found.split(": ", 1)[1].split(", "))
    assert before > 10
    assert after < 0.5


def test_default_folders_of_the_demos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder, options in (("evensky-demo", []), ("evensky-demo-dithered", ["--dithered"])):
        (tmp_path / folder / "exposures").mkdir(parents=True)
        result = run("demo", *options)
        assert result.exit_code == 2
        assert f"{folder}: holds an earlier demo" in result.output
