"""Options and arguments that commands share."""

from __future__ import annotations

import errno
import importlib
from pathlib import Path

import click
import pytest
from astropy.table import Table
from demo_files import inputs, run, write_demo

from evensky.cli.choices import FileChoice, PlaneChoice, RunChoice, takes
from evensky.cli.options import Commands, one_line
from evensky.fits.descriptions import Selection
from evensky.matching.joint.config import MatchAllConfig
from evensky.tasks import MatchBackgroundsConfig

folder = pytest.fixture(scope="module")(write_demo)


def test_named_reference_and_configuration_files(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("usePolynomial: true\norder: 2\nbinSize: 64\nbadMaskPlanes: [NO_DATA, BAD]\n")
    (tmp_path / "config.toml").write_text("binSize = 64\n")
    (tmp_path / "config.py").write_text("config.binSize = 64\n")
    for number, options in enumerate(
        (["--config", "config.yaml"], ["--config", "config.toml"], ["--python-config", "config.py"])
    ):
        out = tmp_path / f"out{number}"
        given = ["--method", "reference", "-r", "demo_02.fits", options[0], tmp_path / options[1]]
        result = run("match", *inputs(folder), "-o", out, *given, "-q")
        assert result.exit_code == 0, result.output
        table = Table.read(out / "matched.ecsv")
        assert table.meta["reference"] == "demo_02"
        assert table.meta["config"]["binSize"] == 64
        assert ("Chebyshev order 2" in table["model"][0]) == (number == 0)
    # A reference that is not among the files is used but not written.
    out = tmp_path / "others"
    assert run("match", *inputs(folder)[1:], "-o", out, "-r", inputs(folder)[0], "--no-report", "-q").exit_code == 0
    assert sorted(path.name for path in out.glob("demo*.fits")) == ["demo_02_matched.fits", "demo_03_matched.fits"]


@pytest.mark.parametrize("command", ["match", "background", "combine", "stats", "demo"])
def test_help(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "evensky" in result.output or command == "demo"
    if command == "match":
        for field in (*MatchBackgroundsConfig().toDict(), *MatchAllConfig().toDict()):
            assert f"{field}=" in result.output


@pytest.mark.parametrize(
    "setting", ["binSize=99999999999999999999", "numIter=2147483648", "order=2147483647", "usePolynomial=maybe"]
)
def test_numbers_that_are_too_large(folder: Path, tmp_path: Path, setting: str) -> None:
    result = run("match", *inputs(folder), "--out", tmp_path / "out", "--method", "reference", "-c", setting)
    assert result.exit_code == 2
    assert setting.split("=")[1] in result.output
    assert result.output.count("\n") == 1


def test_the_locations_of_planes_have_names_filled_in() -> None:
    file = Path("/data/night/a.fits.gz")
    planes = PlaneChoice("SCI,2", "{dir}/masks/{stem}_{name}[1]", None, "none", "4,BAD", "256+512")
    chosen = planes.selection_of(file)
    mask = "/data/night/masks/a_a.fits.gz[1]"
    assert chosen == (file, Selection("SCI,2", mask, None, "none", ("4", "BAD"), ("256+512",)))
    assert PlaneChoice(mask="DQ").selection_of(file) == (file, Selection(mask="DQ"))
    named = Path(f"{file}[SCI,2]")
    assert PlaneChoice().selection_of(named) == (file, Selection("SCI,2"))


@pytest.mark.parametrize("pattern", ["{stem.foo}", "{dir[0]}", "{nope}", "{0}", "{stem"])
def test_patterns_that_cannot_be_filled_in(folder: Path, tmp_path: Path, pattern: str) -> None:
    result = run("match", *inputs(folder), "--out", tmp_path / "out", "--mask", pattern)
    assert result.exit_code == 2
    assert result.output.startswith(f"evensky: Pattern {pattern!r} cannot be filled in")


@pytest.mark.parametrize(
    "args",
    [
        ("stats", "{long}.fits"),
        ("background", "{file}", "--out", "{long}.fits"),
        ("match", "{file}", "--out", "{long}"),
        ("demo", "{long}"),
    ],
)
def test_names_that_are_too_long(folder: Path, tmp_path: Path, args: tuple[str, ...]) -> None:
    words = [word.format(long=tmp_path / ("x" * 300), file=inputs(folder)[0]) for word in args]
    result = run(*words)
    assert result.exit_code == 2
    assert result.output.startswith("evensky: ")
    assert result.output.count("\n") == 1
    assert "too long" in result.output


@pytest.mark.parametrize("command", ["match", "background", "combine", "stats", "demo"])
def test_exit_codes_are_said(command: str) -> None:
    assert "130, 143" in run(command, "--help").output


@pytest.mark.parametrize(
    "arguments", [("match", "a.fits", "--out", ""), ("background", "a.fits", "-o", ""), ("stats", "")]
)
def test_a_path_has_a_name(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "'' is not the name of a file or folder" in result.output


def test_list_of_commands_agrees_with_their_help() -> None:
    for name, summary in Commands.summaries.items():
        command = importlib.import_module(f"evensky.cli.{name}").command
        assert command.name == name
        assert command.help.strip().startswith(summary)


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (OSError(errno.EIO, "Input/output error"), 1, "Input/output error"),  # from a close, which names no file
        (OSError(errno.ESTALE, "Stale file handle", b"a.fits"), 1, "a.fits: Stale file handle"),
        (OSError(errno.EBADF, "Bad file descriptor", 7), 2, "Bad file descriptor"),
        (OSError("no number"), 2, "no number"),
        (OSError(), 2, "OSError"),
        (MemoryError(), 1, "the memory does not suffice"),
        (MemoryError("Unable to allocate 3 GiB"), 1, "the memory does not suffice (Unable to allocate 3 GiB)"),
    ],
)
def test_errors_of_the_system_are_one_line(error: Exception, code: int, text: str) -> None:
    with pytest.raises(click.ClickException) as raised, one_line():
        raise error
    assert (raised.value.exit_code, raised.value.message) == (code, text)


def test_a_command_gets_its_options_as_objects() -> None:
    found = []

    @click.command()
    @click.argument("name")
    @takes(FileChoice, "use")
    @takes(RunChoice, "jobs", resume="Go on.")
    @click.option("--quiet", is_flag=True)
    def command(name: str, use: FileChoice, jobs: RunChoice, quiet: bool) -> None:
        found.append((name, use, jobs, quiet))

    command(["x"], standalone_mode=False)
    assert found.pop() == ("x", FileChoice(), RunChoice(), False)
    command(["x", "--hdu", "SCI,2", "--allow", "units", "-j", "3", "--resume", "--quiet"], standalone_mode=False)
    assert found.pop() == ("x", FileChoice("SCI,2", allow=("units",)), RunChoice(3, resume=True), True)
    texts = {one.name: getattr(one, "help", "") for one in command.params}
    assert list(texts)[1:-1] == [*FileChoice.__dataclass_fields__, *RunChoice.__dataclass_fields__]
    assert texts["resume"] == "Go on."


@pytest.mark.parametrize("name", Commands.summaries)
def test_all_options_have_a_help(name: str) -> None:
    command = importlib.import_module(f"evensky.cli.{name}").command
    assert [one.name for one in command.params if isinstance(one, click.Option) and not one.help] == []
