"""Configurations from files, settings and keywords."""

from __future__ import annotations

from pathlib import Path

import pytest

from evensky.errors import InvalidParameterError, NotFoundError
from evensky.io.configuration import change_config, flatten, make_config, read_fields
from evensky.matching.joint.config import MatchAllConfig
from evensky.tasks import MatchBackgroundsConfig


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.yaml", "binSize: 32\nbadMaskPlanes: [BAD, SAT]\nusePolynomial: true\n"),
        ("a.yml", "{binSize: 32, badMaskPlanes: [BAD, SAT], usePolynomial: yes}\n"),
        ("a.json", '{"binSize": 32, "badMaskPlanes": ["BAD", "SAT"], "usePolynomial": true}'),
        ("a.toml", 'binSize = 32\nbadMaskPlanes = ["BAD", "SAT"]\nusePolynomial = true\n'),
    ],
)
def test_fields_of_files(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert read_fields(tmp_path / name) == {"binSize": 32, "badMaskPlanes": ["BAD", "SAT"], "usePolynomial": True}
    assert make_config(MatchBackgroundsConfig, tmp_path / name).binSize == 32


def test_later_sources_win(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("config.binSize = 16\nconfig.order = 3\nconfig.numIter = 5\n")
    (tmp_path / "a.yaml").write_text("binSize: 32\norder: 4\n")
    config = make_config(MatchBackgroundsConfig, tmp_path / "a.yaml", tmp_path / "a.py", ["binSize=64"])
    assert (config.binSize, config.order, config.numIter) == (64, 4, 5)


@pytest.mark.parametrize(
    ("setting", "name", "value"),
    [
        ("binSize = 32", "binSize", 32),
        ("config.binSize=32", "binSize", 32),
        ("usePolynomial=True", "usePolynomial", True),
        ("gridStdevEpsilon=1e-6", "gridStdevEpsilon", 1e-6),
        ("badMaskPlanes=BAD, SAT", "badMaskPlanes", ["BAD", "SAT"]),
        ("interpStyle=LINEAR", "interpStyle", "LINEAR"),
    ],
)
def test_settings(setting: str, name: str, value: object) -> None:
    found = getattr(make_config(MatchBackgroundsConfig, settings=[setting]), name)
    assert (list(found) if isinstance(value, list) else found) == value


@pytest.mark.parametrize("setting", ["binSize=large", "usePolynomial=2", "order=1.5", "binSize"])
def test_settings_that_are_refused(setting: str) -> None:
    with pytest.raises(InvalidParameterError, match=setting.split("=")[0]):
        make_config(MatchBackgroundsConfig, settings=[setting])


def test_each_method_has_its_fields() -> None:
    assert make_config(MatchAllConfig, settings=["bin_size=32"]).bin_size == 32
    with pytest.raises(NotFoundError, match="no configuration field 'binSize'; the known ones are bad_planes"):
        make_config(MatchAllConfig, settings=["binSize=32"])


def test_changes_leave_the_original_alone() -> None:
    config = MatchBackgroundsConfig()
    config.order = 3
    changed = change_config(MatchBackgroundsConfig, config, {"binSize": 32})
    assert (changed.order, changed.binSize) == (3, 32)
    assert config.binSize == 256
    assert change_config(MatchBackgroundsConfig, None, {}) == MatchBackgroundsConfig()
    with pytest.raises(InvalidParameterError, match="config is a MatchAllConfig; it must be a MatchBackgroundsConfig"):
        change_config(MatchBackgroundsConfig, MatchAllConfig(), {})  # type: ignore[type-var]


def test_nested_fields_have_dotted_names() -> None:
    assert flatten({"a": 1, "b": {"c": [2], "d": {"e": None}}, "f": {}}) == {"a": 1, "b.c": [2], "b.d.e": None}
