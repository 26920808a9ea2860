"""What is known of exposures before a match."""

from __future__ import annotations

from typing import Any

import pytest
from small_runs import make_config

from evensky.errors import InvalidParameterError
from evensky.matching.joint.system import Anchor
from evensky.runs.known import Known, known_of, with_level


def find(name: Any, parameter: str) -> list[int]:
    """Find exposures, where file "c" has two chips."""
    return {"a": [0], "b": [1], "c": [2, 3], 0: [0]}[name]


def test_what_is_known() -> None:
    known = known_of(make_config("all"), find, fixed="c", anchors={"a": (5, 0.5)}, skies={"b": (120.0, 1)})
    assert known.fixed == [2, 3]
    # A known sky is removed.
    assert known.anchors == [Anchor(0, 5.0, 0.5), Anchor(1, -120.0, 1.0)]
    assert known_of(make_config("all"), find, fixed=0).fixed == [0]
    assert known_of(make_config("all"), find, fixed=["a", 0, "b"]).fixed == [0, 1]
    assert known_of(make_config("all", level="mean"), find) == known_of(make_config("all"), find)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"anchors": {"a": 5}}, r"anchors\['a'\] is 5; a value and its error are needed"),
        ({"anchors": {"a": (5, 0)}}, r"is 5 \+- 0; .* the error positive.*fixed"),
        ({"skies": {"a": (float("nan"), 1)}}, "the value must be finite"),
        ({"skies": {"a": ("x", 1)}}, "a value and its error are needed"),
        ({"fixed": ["c"], "skies": {"c": (1, 1)}}, "c is given in fixed and in skies"),
        ({"anchors": {"a": (1, 1)}, "skies": {0: (1, 1)}}, "0 is given in anchors and in skies"),
    ],
)
def test_what_cannot_be_known(given: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidParameterError, match=says):
        known_of(make_config("all"), find, **given)


@pytest.mark.parametrize("level", ["reference", "mean", "lowest"])
def test_the_level_is_not_given_twice(level: str) -> None:
    with pytest.raises(InvalidParameterError, match=f"level is '{level}', but fixed sets the level"):
        known_of(make_config("all", level=level), find, fixed="a")


def test_a_reference_that_is_named_sets_the_level() -> None:
    config = make_config("all")
    assert with_level(config, Known(), named=True).level == "reference"
    assert config.level == "auto"  # the caller's own
    assert with_level(config, Known(), named=False).level == "auto"
    assert with_level(config, Known(fixed=[1]), named=True).level == "auto"
    assert with_level(config, Known(anchors=[Anchor(0, 1.0, 1.0)]), named=True).level == "auto"
    assert with_level(make_config("all", level="mean"), Known(), named=True).level == "mean"
