"""Configuration files that are broken or of another kind: refused in one line before any file is made."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import hanging
import pytest
from broken_fits import SPECIAL
from command import one_line, run, write_three

# Warnings of astropy are not errors, as they are not for users.
pytestmark = pytest.mark.filterwarnings("ignore")
_nothing_hangs = pytest.fixture(autouse=True)(hanging.alarm)
exposures = pytest.fixture(scope="module")(write_three)


def laughs(levels: int) -> str:
    lines = ["a0: &a0 [ha, ha]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, levels)]
    return "\n".join(lines)


def merges(levels: int) -> str:
    """Return mappings that are merged into each other; each level has nine times the pairs of the previous one."""
    lines = ["- &a0 {x: 1}"]
    lines += [f"- &a{k} {{<<: [{', '.join([f'*a{k - 1}'] * 9)}]}}" for k in range(1, levels)]
    return "\n".join(lines)


CONFIGURATIONS: list[tuple[str, bytes | str, str]] = [
    ("not-utf-8.yaml", b"binSize: \xff\xfe", "cannot be read: .*utf-8"),
    ("not-utf-8.toml", b"binSize = \xff", "cannot be read: .*utf-8"),
    ("list.yaml", "- binSize\n- 3\n", "holds a list; names and values are needed"),
    ("list.json", "[1, 2]", "holds a list; names and values are needed"),
    ("word.yaml", "binSize", "holds a str; names and values are needed"),
    ("number.json", "5", "holds a int; names and values are needed"),
    ("laughs.yaml", laughs(30), "field 'a1' holds a list; numbers, words and lists of words are allowed"),
    ("itself.yaml", "a: &a [*a]", "field 'a' holds a list; numbers, words and lists of words are allowed"),
    ("mapping.yaml", "binSize: {a: 1}", "field 'binSize' holds a dict; numbers, words and lists of words are allowed"),
    ("table.toml", "[binSize]\na = 1", "field 'binSize' holds a dict; numbers, words and lists of words are allowed"),
    ("large.yaml", "# " + "x" * 65536, "more than 65536 bytes"),
    ("large.json", b" " * (1 << 20), "more than 65536 bytes"),
    ("deep.yaml", "[" * 5000, "is not YAML"),
    ("deep.json", '{"a":' * 5000, "is not YAML"),
    ("deep.toml", "a = " + "[" * 5000, "is not TOML"),
    ("torn.yaml", "binSize: [", "is not YAML"),
    ("torn.json", '{"binSize": ', "is not YAML"),
    ("torn.toml", "binSize =", "is not TOML"),
    ("object.yaml", "binSize: !!python/object/apply:os.getcwd []", "is not YAML: .*python/object"),
    ("two.yaml", "binSize: 32\n---\nbinSize: 64\n", "is not YAML: expected a single document"),
    ("control.yaml", b"binSize: \x01", "is not YAML"),
    ("binary.yaml", b"\0\1\2\3", "is not YAML"),
    ("date.yaml", "binSize: 2026-05-05", "field 'binSize' holds a date"),
    ("digits.yaml", "binSize: " + "9" * 5000, "is not YAML|binSize"),
    ("unknown.yaml", "binsize: 32", "no configuration field 'binsize'; the known ones are .*binSize"),
    ("number-name.yaml", "5: 32", "no configuration field 5; the known ones are"),
    ("long-name.toml", "a" * 50_000 + " = 1", "no configuration field 'aaaa.*; the known ones are"),
    ("text.yaml", "binSize: large", "binSize = 'large': .*int"),
    ("fraction.toml", "binSize = 32.5", r"binSize = 32\.5: .*int"),
    ("number.yaml", "usePolynomial: 3", "usePolynomial = 3: .*bool"),
    ("list-of-numbers.yaml", "badMaskPlanes: [1, 2]", "badMaskPlanes = .*str"),
    ("negative.yaml", "binSize: -4", "binSize"),
    ("null.yaml", "binSize: null", "'binSize' failed validation: Required value cannot be None"),
    ("null-list.yaml", "badMaskPlanes: ~", "'badMaskPlanes' failed validation: Required value cannot be None"),
    ("nan.yaml", "bestRefWeightLevel: .nan", r"bestRefWeightLevel.* nan is outside of valid range \[0.0,1.0\]"),
    ("infinite.toml", "numSigmaClip = inf", "numSigmaClip = inf: .*int"),
    ("choice.toml", 'gridStatistic = "FOO"', "FOO is not allowed"),
    ("config.py", "config.binSize = 32", "ends in .yaml, .yml, .json, .toml; .*--python-config"),
    ("config.ecsv", "# %ECSV 1.0", "ends in .yaml, .yml, .json, .toml$"),
    ("config", "binSize: 32", "ends in .yaml, .yml, .json, .toml$"),
]


@pytest.mark.parametrize(("name", "content", "says"), [pytest.param(*row, id=row[0]) for row in CONFIGURATIONS])
def test_configuration_refused(
    exposures: list[Path], tmp_path: Path, name: str, content: bytes | str, says: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    message = one_line(run("match", *exposures, "--method", "reference", "--out", tmp_path / "out", "--config", path))
    assert re.search(says, message), message
    assert len(message) < 1000 + len(str(path))
    assert not (tmp_path / "out").exists()  # nothing has been written


@pytest.mark.parametrize("make", [pytest.param(row[1], id=row[0]) for row in SPECIAL])
def test_configuration_that_is_no_file(exposures: list[Path], tmp_path: Path, make: Callable[[Path], object]) -> None:
    path = tmp_path / "a.yaml"
    make(path)
    message = one_line(run("match", *exposures, "--method", "reference", "--out", tmp_path / "out", "--config", path))
    assert message.startswith(f"{path}: ")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("name", "content"), [("a.yaml", ""), ("a.toml", ""), ("a.json", "{}"), ("b.yaml", "# no")])
def test_empty_configuration(exposures: list[Path], tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    result = run(
        "match",
        *exposures,
        "--method",
        "reference",
        "-o",
        tmp_path / "out",
        "--config",
        tmp_path / name,
        "-c",
        "binSize=32",
        "-q",
    )
    assert (result.exit_code, result.output) == (0, "")


def test_merged_mappings(exposures: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(merges(25))
    message = one_line(run("match", *exposures, "--method", "reference", "--out", tmp_path / "out", "--config", path))
    assert message == f"{path}: holds a list; names and values are needed"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("config.binSize = 'x'", "binSize"),
        ("config.nope = 3", "nope"),
        ("config.binSize = ", "syntax"),
        ("raise ValueError('of no use')", "of no use"),
        ("f = lambda g: g(g)\nf(f)", "recursion"),
        (b"\xff\xfe\0", "cannot be executed"),
    ],
)
def test_python_configuration_refused(exposures: list[Path], tmp_path: Path, content: str | bytes, says: str) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    message = one_line(
        run("match", *exposures, "--method", "reference", "--out", tmp_path / "out", "--python-config", path)
    )
    assert message.startswith(f"{path}: ")
    assert says in message


def test_python_configuration_that_exits(exposures: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("import sys\nsys.exit()\n")
    assert str(path) in one_line(
        run("match", *exposures, "--method", "reference", "--out", tmp_path / "out", "--python-config", path)
    )


def test_python_configuration_that_is_a_fifo(exposures: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    os.mkfifo(path)
    signal.alarm(1)
    try:
        one_line(run("match", *exposures, "--method", "reference", "--out", tmp_path / "out", "--python-config", path))
    except hanging.HangError as error:
        pytest.fail(str(error))
