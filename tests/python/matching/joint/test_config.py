"""The configuration of a joint match."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from lsst.pex.config import FieldValidationError

from evensky.matching.joint.config import MatchAllConfig


def test_defaults() -> None:
    config = MatchAllConfig()
    assert config.toDict() == {
        "bad_planes": ["NO_DATA", "DETECTED", "DETECTED_NEGATIVE", "SAT", "BAD", "INTRP", "CR"],
        "bin_size": 0,
        "statistic": "MEANCLIP",
        "sigma": 3.0,
        "rounds": 3,
        "sources": "auto",
        "pixel_values": "auto",
        "order": 8,
        "spline": True,
        "level": "auto",
        "scale": False,
        "terms": ["smooth", "rows", "columns", "amplifier", "gain"],
        "add_variance": False,
        "weight_coverage": 0.4,
        "weight_variance": 0.4,
        "weight_level": 0.2,
    }
    assert pickle.loads(pickle.dumps(config)) == config


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bin_size", -1),
        ("statistic", "MODE"),
        ("sigma", 0.0),
        ("rounds", 0),
        ("order", 21),
        ("level", "highest"),
        ("sources", "none"),
        ("pixel_values", "surface"),
        ("weight_level", 1.1),
        ("bad_planes", [""]),
    ],
)
def test_values_that_are_refused(name: str, value: Any) -> None:
    config = MatchAllConfig()
    with pytest.raises(FieldValidationError, match=name):
        config.update(**{name: value})
