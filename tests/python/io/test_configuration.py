"""Configurations from files, settings and keywords."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lsst.pex.config import ChoiceField, Config, Field, ListField, RangeField

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


class EveryField(Config):
    """One field of each type that configurations have."""

    truth = Field[bool](dtype=bool, default=True, doc="A truth value.")
    whole = RangeField(dtype=int, default=1, min=-5, doc="A whole number.")
    real = RangeField(dtype=float, default=1.0, min=-5.0, doc="A number.")
    word = ChoiceField[str](dtype=str, default="a", allowed={"a": "a", "1": "1"}, optional=False, doc="A word.")
    text = Field[str](dtype=str, default="a", doc="A text.")
    words = ListField[str](dtype=str, default=["a"], doc="Words.")
    numbers = ListField[int](dtype=int, default=[1], doc="Whole numbers.")


VALUES: dict[str, Any] = {
    "true": True,
    "numpy true": np.True_,
    "whole": 2,
    "numpy whole": np.int64(2),
    "real": 2.5,
    "numpy real": np.float32(2.5),
    "whole real": 2.0,
    "complex": 2j,
    "text": "a",
    "number as text": "1",
    "bytes": b"a",
    "words": ["a", "b"],
    "tuple": ("a",),
    "numbers": [1, 2],
    "array": np.array([1, 2]),
    "truths": [True],
    "mapping": {"a": 1},
    "function": len,
    "huge": 10**400,
}
ACCEPTED = {
    "truth": {"true", "numpy true"},
    "whole": {"whole", "numpy whole", "huge"},
    "real": {"whole", "numpy whole", "real", "numpy real", "whole real"},
    "word": {"text", "number as text"},
    "text": {"text", "number as text"},
    "words": {"words", "tuple"},
    "numbers": {"numbers", "array"},
}


@pytest.mark.parametrize("name", ACCEPTED)
@pytest.mark.parametrize("value", VALUES)
def test_each_field_takes_values_of_its_type_alone(name: str, value: str) -> None:
    """lsst.pex.config takes True for 1, and a word for a list of letters."""
    given = VALUES[value]
    if value in ACCEPTED[name]:
        found = getattr(change_config(EveryField, None, {name: given}), name)
        assert list(found) == list(given) if name in ("words", "numbers") else found == given
        assert type(found) is {"truth": bool, "whole": int, "real": float}.get(name, type(found))
    else:
        with pytest.raises(InvalidParameterError, match=f"Configuration field {name} = .*; it must be ") as raised:
            change_config(EveryField, None, {name: given})
        assert len(str(raised.value)) < 250


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("bin_size: true", "bin_size = True: it is of type bool; it must be a whole number"),
        ("bin_size: 3.7", r"bin_size = 3\.7: it is of type float; it must be a whole number"),
        ("bin_size: '3'", "bin_size = '3': it is of type str; it must be a whole number"),
        ("sigma: yes", "sigma = True: it is of type bool; it must be a number"),
        ("spline: 1", "spline = 1: it is of type int; it must be true or false"),
        ("sources: on", "sources = True: it is of type bool; it must be text"),
        ("bad_planes: SAT", "bad_planes = 'SAT': it is of type str; it must be a list of words"),
        ("bin_size: 8\nbin_size: 16", "gives the field 'bin_size' twice"),
    ],
)
def test_values_of_a_file_have_the_type_of_their_field(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "a.yaml").write_text(content)
    with pytest.raises(InvalidParameterError, match=says):
        make_config(MatchAllConfig, tmp_path / "a.yaml")


@pytest.mark.parametrize(
    "setting",
    [
        *(f"bin_size={text}" for text in ("3.7", "1_000", "\u0663", "", "true", "9" * 60_000)),
        *(f"sigma={text}" for text in ("1_0", "x", "\u0663", "0x10", "1e999", "9" * 200)),
        *("spline=2", f"spline={'y' * 60_000}", "x" * 60_000),
    ],
)
def test_settings_of_a_wrong_type(setting: str) -> None:
    with pytest.raises(InvalidParameterError) as raised:
        make_config(MatchAllConfig, settings=[setting])
    assert len(str(raised.value)) < 250


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.toml", ".".join("a" * 32_000) + " = 1", "has a name of 32000 parts; names of fields have one"),
        ("a.toml", "[" + ".".join("a" * 32_000) + "]", "has a name of 32000 parts"),
        ("a.toml", "a = {" + " . ".join("a" * 9_000) + " = 1}", "has a name of 9000 parts"),
        ("a.toml", ".".join(["'a'"] * 16_000) + " = 1", "has a name of 16000 parts"),
        ("a.toml", "bin_size = 0x" + "f" * 60_000, "holds a number of 60002 digits; up to 100 are read"),
        ("a.toml", "bin_size = " + "9" * 60_000, "holds a number of 60000 digits"),
        ("a.yaml", "bin_size: " + "9" * 60_000, "field 'bin_size' holds a number of 60000 digits"),
        ("a.yaml", "bin_size: 0x" + "f" * 60_000, "field 'bin_size' holds a number of 60002 digits"),
        ("a.yaml", "a: &a {x: 1}\nb: {<<: [*a, *a]}", "field 'a' holds a dict"),
        ("a.json", '{"bin_size": ' + "9" * 60_000 + "}", "holds a number of 60000 digits"),
    ],
)
def test_configurations_that_would_take_memory(tmp_path: Path, name: str, content: str, says: str) -> None:
    """A name of 32 000 parts took 4 GB; the message of a number of 60 000 digits was about Python."""
    (tmp_path / name).write_text(content)
    with pytest.raises(InvalidParameterError, match=says) as raised:
        make_config(MatchAllConfig, tmp_path / name)
    assert len(str(raised.value)) < 400 + len(str(tmp_path))


def test_toml_with_dots_and_digits_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        f"# {'a.' * 50}{'9' * 200}\nsigma = 2.5\nbad_planes = ['{'.' * 20}{'9' * 200}', \"a.b.c.d.e.f.g.h.i\"]\n"
        f'terms = [\n"""smooth"""]\n'
    )
    config = make_config(MatchAllConfig, tmp_path / "a.toml")
    assert config.sigma == 2.5
    assert list(config.bad_planes) == [f"{'.' * 20}{'9' * 200}", "a.b.c.d.e.f.g.h.i"]
