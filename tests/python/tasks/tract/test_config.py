"""Configurations of the tract's tasks."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from lsst.pex.config import FieldValidationError

from evensky.tasks.tract import ChooseReferenceVisitConfig, MatchBackgroundsConfig, TractBackgroundConfig
from evensky.tasks.tract.config import as_configured


def test_defaults_are_the_original_s() -> None:
    grid = TractBackgroundConfig()
    assert (grid.xBin, grid.yBin, grid.minFrac, grid.binning) == (128.0, 128.0, 0.1, 64)
    assert list(grid.mask) == ["BAD", "SAT", "EDGE", "NO_DATA"]
    assert (grid.interpolation, grid.doSmooth, grid.smoothScale) == ("AKIMA_SPLINE", False, 2.0)
    choice = ChooseReferenceVisitConfig()
    assert (choice.bestRefWeightChi2, choice.bestRefWeightVariance, choice.bestRefWeightGlobalCoverage) == (
        *(0.3, 0.3),
        0.4,
    )
    match = MatchBackgroundsConfig()
    assert match.refWarpVisit is None
    for config in (choice, match):
        assert (config.gridStatistic, config.undersampleStyle) == ("MEANCLIP", "REDUCE_INTERP_ORDER")
        assert (config.interpStyle, config.numSigmaClip, config.numIter) == ("AKIMA_SPLINE", 3, 3)
    assert not any(config.asOriginal for config in (grid, choice, match))
    assert (match.fit, match.useReferenceMask) == ("bins", True)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("xBin", 0.0),
        ("minFrac", -0.1),
        ("interpolation", "CUBIC"),
        ("smoothScale", 0.0),
        ("binning", 0),
    ],
)
def test_impossible_bins_are_errors(field: str, value: Any) -> None:
    config = TractBackgroundConfig()
    with pytest.raises(FieldValidationError):
        setattr(config, field, value)


def test_interpolation_may_be_none_and_weights_may_be_one() -> None:
    grid = TractBackgroundConfig()
    grid.interpolation = None
    grid.validate()
    choice = ChooseReferenceVisitConfig()
    choice.bestRefWeightChi2 = 1.0
    choice.validate()
    with pytest.raises(FieldValidationError):
        choice.bestRefWeightVariance = 1.01


@pytest.mark.parametrize(
    ("field", "value"), [("gridStatistic", "MIN"), ("undersampleStyle", "INCREASE_NXNYSAMPLE"), ("fit", "spline")]
)
def test_unknown_choices_are_errors(field: str, value: str) -> None:
    with pytest.raises(FieldValidationError):
        setattr(MatchBackgroundsConfig(), field, value)


def test_the_original_has_no_series() -> None:
    config = MatchBackgroundsConfig()
    config.asOriginal = True
    config.fit = "chebyshev"
    with pytest.raises(FieldValidationError, match="with asOriginal it must be 'bins'"):
        config.validate()


def test_nested_configurations_survive_pickling() -> None:
    config = MatchBackgroundsConfig()
    config.tractBgModel.xBin = 50.0
    config.reference.bestRefWeightChi2 = 0.5
    config.reference.tractBgModel.interpolation = None
    again = pickle.loads(pickle.dumps(config))
    assert again.toDict() == config.toDict()
    assert again.reference.tractBgModel.interpolation is None


def test_bins_are_copied_as_they_are() -> None:
    config = TractBackgroundConfig()
    config.mask = ["SAT"]
    config.interpolation = None
    copy = as_configured(config, True)
    assert copy.asOriginal
    assert not config.asOriginal
    assert list(copy.mask) == ["SAT"]
    assert copy.interpolation is None
    config.mask.append("BAD")
    config.xBin = 5.0
    assert list(copy.mask) == ["SAT"]
    assert copy.xBin == 128.0
