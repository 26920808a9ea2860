"""The stub of the compiled core agrees with what is compiled."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import evensky.math
from evensky import _core

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


def parameters_of(signature: str) -> tuple[str, ...]:
    """Return the names of the parameters of a signature, such as "call(self: T, x: list[int] = [], *, y: U) -> V"."""
    depth, text = 0, ""
    for character in signature[signature.index("(") + 1 :]:
        depth += (character in "([{") - (character in ")]}")
        if depth < 0:
            break
        if depth == 0:
            text += character
    return tuple(part.split(":")[0].split("=")[0].strip() for part in text.split(",") if part.strip())


def decorators(function: ast.FunctionDef) -> list[str]:
    return [ast.unparse(decorator) for decorator in function.decorator_list]


def test_parameters_have_the_names_of_the_stub() -> None:
    # mypy.stubtest cannot compare them: pybind11 tells signatures only as first lines of the docstrings.
    tree = ast.parse((ROOT / "python" / "evensky" / "_core.pyi").read_text())
    scopes = [(_core, tree.body)] + [(getattr(_core, c.name), c.body) for c in tree.body if isinstance(c, ast.ClassDef)]
    compared = 0
    for owner, body in scopes:
        stub: dict[str, set[tuple[str, ...]]] = {}
        for one in body:
            if not isinstance(one, ast.FunctionDef) or any("prop" in d or "setter" in d for d in decorators(one)):
                continue
            if one.name == "__init__" or not one.name.startswith("_"):  # of special methods, only the order counts
                stub.setdefault(one.name, set()).add(parameters_of(f"call({ast.unparse(one.args)})"))
        for name, overloads in stub.items():
            if owner is _core.Statistics and name == "plot":
                continue  # added in Python
            doc = getattr(owner, name).__doc__ or ""
            compiled = re.findall(rf"^(?:[0-9]+\. )?({name}\((?![*]args).*)$", doc, re.MULTILINE)
            assert {parameters_of(signature) for signature in compiled} == overloads, (owner, name)
            compared += 1
    assert compared > 100


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
