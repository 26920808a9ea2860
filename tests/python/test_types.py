"""The stub of the compiled core says what is compiled."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# What pybind11 adds to every class and enumeration, and the constructor of classes that have none.
_OF_PYBIND11 = re.compile(
    "metaclass differs|__pybind11_native_enum__ is not present in stub"
    "|__init__ is inconsistent, stub does not have [*]args"
)


def test_stub() -> None:
    pytest.importorskip("mypy")
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "evensky._core", "--concise", "--mypy-config-file", "pyproject.toml"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | {"MYPYPATH": f"python{os.pathsep}tests/typings"},
    )
    lines = (done.stdout + done.stderr).splitlines()
    assert sum("metaclass differs" in line for line in lines) >= 10, lines  # it did look at the classes
    assert [line for line in lines if not _OF_PYBIND11.search(line)] == []
