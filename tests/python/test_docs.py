"""The tutorial and the how-tos: their commands and scripts are run as they are written."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from forks import run_in_forks

from evensky.cli import main
from evensky.fits.layouts import LAYOUTS

DOCS = Path(__file__).parents[2] / "docs"
HOW_TOS = ("howto_files.md", "howto_runs.md", "howto_arrays.md", "howto_lsst.md")


def blocks(page: str) -> list[tuple[str, str]]:
    """Return language and text of the code blocks of a page, in order."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", (DOCS / page).read_text(), flags=re.MULTILINE | re.DOTALL)


def same(said: str, shown: str) -> bool:
    """Return whether a line equals that on a page, except for the last digits of numbers."""
    words, others = said.split(), shown.split()

    def equal(word: str, other: str) -> bool:
        try:
            return float(word.strip(",")) == pytest.approx(float(other.strip(",")), rel=0.02)
        except ValueError:
            return word == other

    return len(words) == len(others) and all(map(equal, words, others))


def test_the_tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done, said = [], ""
    for language, text in blocks("tutorial.md"):
        done.append(language)
        if language == "python":  # each block is a separate script
            commands = f"python - <<'END'\n{text}END\n"
        elif language == "sh" and "pip install" not in text:  # already installed
            commands = text
        else:
            continue
        run = subprocess.run(
            ["bash", "-euc", commands], capture_output=True, text=True, check=False, env=environment, timeout=120
        )
        assert run.returncode == 0, run.stderr
        said += run.stdout
    assert done.count("sh") == 5
    assert done.count("python") == 2
    shown = [line for language, text in blocks("tutorial.md") if language == "text" for line in text.splitlines()]
    assert len(shown) > 20
    assert [line for line in shown if not any(same(one, line) for one in said.splitlines())] == []
    assert len(list((tmp_path / "matched").glob("*_matched.fits"))) == 6
    assert (tmp_path / "matched-one" / "report.html").exists()
    assert (tmp_path / "from_python.html").exists()


def test_the_how_tos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scripts = [(page, text) for page in HOW_TOS for language, text in blocks(page) if language == "python"]
    assert len(scripts) == 14
    for page, script in scripts:  # each works alone
        exec(compile(script, page, "exec"), {"__name__": "__main__"})


def help_of(command: str) -> str:
    """Return the help text of a command."""
    result = CliRunner().invoke(main, [command, "--help"], prog_name="evensky")
    assert result.exit_code == 0, result.output
    return result.output


def test_the_how_tos_commands_have_their_options() -> None:
    help_text = help_of("match")
    commands = "".join(text for page in HOW_TOS for language, text in blocks(page) if language == "sh")
    options = set(re.findall(r"--[a-z-]+", commands))
    expected = "mask variance weight hdu good-bits bad-planes allow same-grid strict config executor scratch workers"
    assert {f"--{name}" for name in expected.split()} <= options
    assert [option for option in options if option not in help_text] == []


@pytest.mark.filterwarnings("ignore")  # warnings of other packages
def test_the_examples_of_combining(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scripts = [text for language, text in blocks("combine.md") if language == "python"]
    assert len(scripts) == 3
    done = 0
    for script in scripts:  # each works alone
        if script.startswith("# needs reproject") and importlib.util.find_spec("reproject") is None:
            continue
        exec(compile(script, "combine.md", "exec"), {"__name__": "__main__"})
        done += 1
    assert done >= 2


def test_the_commands_of_combining_have_their_options() -> None:
    known = help_of("match") + help_of("combine")
    commands = "".join(text for language, text in blocks("combine.md") if language == "sh")
    options = set(re.findall(r"--[a-z-]+", commands))
    assert {"--coadd", "--coadd-option", "--statistic", "--wcs", "--resampling", "--max-memory"} <= options
    assert [option for option in options if not re.search(rf"{option}(?![a-z-])", known)] == []
    page = (DOCS / "combine.md").read_text()
    assert [option for option in re.findall(r"`(--[a-z-]+)", page) if option not in known] == []


def test_every_link_leads_to_a_page() -> None:
    pages = [*DOCS.glob("*.md"), DOCS.parent / "README.md"]
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+\.md)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_page_of_layouts_has_a_row_for_each_with_its_flags() -> None:
    page = (DOCS / "layouts.md").read_text()
    assert [layout.name for layout in LAYOUTS if f"\n| {layout.name} |" not in page] == []
    for layout in LAYOUTS:
        for name, bit in (layout.planes or {}).items():
            assert f"{name} {1 << bit}" in page


def test_the_examples_of_lsst_today(tmp_path: Path) -> None:
    scripts = [text for language, text in blocks("lsst_today.md") if language == "python"]
    assert len(scripts) == 7
    programs = {f"script {number}": script for number, script in enumerate(scripts)}  # each works alone
    for code, said in run_in_forks("import evensky.tasks", programs, tmp_path).values():
        assert code == 0, said


def test_the_stand_ins_run_a_script(tmp_path: Path) -> None:
    (command,) = [text for language, text in blocks("differences.md") if language == "sh"]
    (script,) = [text for language, text in blocks("differences.md") if language == "python"]
    (tmp_path / "script.py").write_text(script)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(["bash", "-euc", command], check=True, cwd=tmp_path, env=environment, timeout=120)


def test_the_match_of_a_tract(capsys: pytest.CaptureFixture[str]) -> None:
    scripts = [text for language, text in blocks("pipeline.md") if language == "python" and "lsst" not in text]
    assert len(scripts) == 1
    exec(compile(scripts[0], "pipeline.md", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.split() == ["707", "707", "707"]
