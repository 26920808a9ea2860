"""``evensky report``."""

from __future__ import annotations

from pathlib import Path

from a_run import make_run
from click.testing import CliRunner

from evensky.cli import main
from evensky.runs.run_file import save_run


def test_the_command_makes_the_page(tmp_path: Path) -> None:
    save_run(make_run(), tmp_path)
    result = CliRunner().invoke(main, ["report", str(tmp_path)])
    assert (result.exit_code, result.output) == (0, f"Report: {tmp_path}/report.html\n")
    page = (tmp_path / "report.html").read_bytes()
    out = tmp_path / "talk.html"
    assert CliRunner().invoke(main, ["report", str(tmp_path), "--out", str(out)]).exit_code == 0
    assert out.read_bytes() == page
    result = CliRunner().invoke(main, ["report", str(tmp_path), "--out", str(out)])
    assert result.exit_code == 2
    assert "exists already; allow overwriting" in result.output
    assert CliRunner().invoke(main, ["report", str(tmp_path), "--out", str(out), "--overwrite"]).exit_code == 0


def test_a_folder_without_a_run_is_wrong_usage(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["report", str(tmp_path)])
    assert result.exit_code == 2
    assert result.output.startswith(f"evensky: {tmp_path}: has no matched.run")
    assert len(result.output.splitlines()) == 1
