"""The stub of the compiled core agrees with what is compiled."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import evensky.math

ROOT = Path(__file__).parents[2]

# Members that pybind11 adds to every class and enumeration, and constructors of classes without one.
_OF_PYBIND11 = re.compile(
    "metaclass differs|__pybind11_native_enum__ is not present in stub"
    "|__init__ is inconsistent, stub does not have [*]args"
)


# Methods that evensky.math.statistics adds to the core's Statistics.
_STUBTEST = "import runpy, evensky.math; runpy.run_module('mypy.stubtest', run_name='__main__')"
_STUBS = ("_core.pyi", "_properties.pyi")


def test_stub(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    # The stubs alone: mypy would otherwise check all modules of the package first, which it does elsewhere.
    package = tmp_path / "evensky"
    package.mkdir()
    (package / "__init__.pyi").touch()
    for name in _STUBS:
        shutil.copy(ROOT / "python" / "evensky" / name, package)
    done = subprocess.run(
        [sys.executable, "-c", _STUBTEST, "evensky._core", "evensky._properties", "--concise"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,  # without a configuration
        env=os.environ | {"MYPYPATH": str(tmp_path)},
    )
    lines = (done.stdout + done.stderr).splitlines()
    assert sum("metaclass differs" in line for line in lines) >= 10, lines  # the classes were compared
    assert [line for line in lines if not _OF_PYBIND11.search(line)] == []


def test_stub_of_the_properties_is_the_table() -> None:
    path = ROOT / "python" / "bindings" / "write_properties_stub.py"
    spec = importlib.util.spec_from_file_location("write_properties_stub", path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.STUB.read_text() == script.stub(), f"run {path.relative_to(ROOT)}"


def test_every_property_is_a_name_of_evensky_math() -> None:
    for name, value in evensky.math.Property.__members__.items():
        assert getattr(evensky.math, name) is getattr(evensky.math.statistics, name) is value
        assert name in evensky.math.__all__
        assert evensky.math.stringToStatisticsProperty(name) is value
        assert value.__doc__
    assert set(evensky.math.__all__) <= set(dir(evensky.math))
