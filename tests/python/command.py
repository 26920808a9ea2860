"""The command line in this process, for tests of its errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from evensky.cli import main
from evensky.simulate import make_exposures, write_exposures


def run(*args: Any) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, [str(arg) for arg in args])


def one_line(result: Result, code: int = 2) -> str:
    """Return the message of a command that has ended with an error of one line and a given exit code."""
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code == code, result.output
    lines = result.output.strip().splitlines()
    assert len(lines) == 1, result.output
    assert lines[0].startswith("evensky: ")
    assert "Traceback" not in lines[0]
    return lines[0].removeprefix("evensky: ")


def write_three(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Write three exposures; body of a fixture."""
    return write_exposures(make_exposures(3, (128, 128), seed=4), tmp_path_factory.mktemp("exposures"))
