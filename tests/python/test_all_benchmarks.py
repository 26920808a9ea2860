"""The program that runs all comparisons: what it writes of one that is done, and of one that fails."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_tables_pictures_and_failures_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import all_benchmarks

    assert all((BENCHMARKS / one.program).exists() for one in all_benchmarks.COMPARISONS)
    programs, folder = tmp_path / "programs", tmp_path / "tables"
    programs.mkdir()
    table = "| a | b |\n| --- | --- |\n| 1 | 2 |\n"
    printed = f"vector level\n\n{table}end"
    (programs / "good.py").write_text(f"import sys\nprint({printed!r}, sys.argv[2])\nopen(sys.argv[2], 'w').close()\n")
    (programs / "bad.py").write_text("raise SystemExit('no peer')\n")
    monkeypatch.setattr(all_benchmarks, "HERE", programs)
    comparisons = (
        all_benchmarks.Comparison("good", "Speed", "good.py", "--picture {folder}/good.png", ""),
        all_benchmarks.Comparison("bad", "Others", "bad.py", "", ""),
    )
    monkeypatch.setattr(all_benchmarks, "COMPARISONS", comparisons)
    monkeypatch.setattr(sys, "argv", ["all_benchmarks.py", str(folder)])
    with pytest.raises(SystemExit) as ended:
        all_benchmarks.main()
    assert ended.value.code == 1
    page = (folder / "good.md").read_text()
    assert f"```text\nvector level\n```\n\n{table}\n```text\nend FOLDER/good.png\n```" in page
    assert "![good](good.png)" in page
    assert str(tmp_path) not in page  # tables are for others, too
    index = (folder / "index.md").read_text()
    assert "| [Speed](good.md) |" in index
    assert "failed (1)" in index
    assert "no peer" in index
    assert "| numpy | " in index
