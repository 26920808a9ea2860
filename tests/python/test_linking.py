"""The C++ library in the installed package: another project finds it, links to it and runs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import evensky
from evensky.errors import NotFoundError

pytestmark = pytest.mark.smoke

CONSUMER = Path(__file__).parents[1] / "consumer"


@pytest.fixture
def cmake_dir() -> str:
    try:
        return evensky.get_cmake_dir()
    except NotFoundError as error:
        pytest.skip(str(error))


def test_folders_of_the_installation(cmake_dir: str) -> None:
    assert (Path(cmake_dir) / "evenskyConfigVersion.cmake").is_file()
    assert 'EVENSKY_VERSION "' + evensky.__version__ in (
        Path(evensky.get_include()) / "evensky" / "version.hpp"
    ).read_text(encoding="utf-8")


def test_a_project_links_it(cmake_dir: str, tmp_path: Path) -> None:
    if not shutil.which("cmake") or not (shutil.which("c++") or shutil.which("g++")):
        pytest.skip("needs cmake and a C++ compiler")
    done = subprocess.run(
        [CONSUMER / "run.sh", "--cmake-dir", cmake_dir, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "after subtraction: mean" in done.stdout
    assert "residual difference of the skies" in done.stdout
