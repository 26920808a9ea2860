"""Three simulated exposures as files, and the commands that work on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from evensky.cli import main
from evensky.simulate import make_exposures, write_exposures

SIMULATED = make_exposures(3, (256, 256), seed=8)


def write_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the exposures to a folder; body of a fixture."""
    folder = tmp_path_factory.mktemp("exposures")
    write_exposures(SIMULATED, folder)
    return folder


def run(*args: Any) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, [str(arg) for arg in args], catch_exceptions=False)


def inputs(folder: Path) -> list[Path]:
    """List the FITS files of a folder."""
    return sorted(folder.glob("*.fits"))
