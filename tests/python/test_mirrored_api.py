"""Names, values and signatures of the mirrored API that scripts may use."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evensky
import evensky.image as afwImage
import evensky.math as afwMath
from evensky.tasks import MatchBackgroundsConfig, MatchBackgroundsTask

PAGE = Path(__file__).parents[2] / "docs" / "differences.md"

PROPERTIES = {
    "NOTHING": 0x0,
    "ERRORS": 0x1,
    "NPOINT": 0x2,
    "MEAN": 0x4,
    "STDEV": 0x8,
    "VARIANCE": 0x10,
    "MEDIAN": 0x20,
    "IQRANGE": 0x40,
    "MEANCLIP": 0x80,
    "STDEVCLIP": 0x100,
    "VARIANCECLIP": 0x200,
    "MIN": 0x400,
    "MAX": 0x800,
    "SUM": 0x1000,
    "MEANSQUARE": 0x2000,
    "ORMASK": 0x4000,
    "NCLIPPED": 0x8000,
    "NMASKED": 0x10000,
}
STYLES = {
    "UNKNOWN": -1,
    "CONSTANT": 0,
    "LINEAR": 1,
    "NATURAL_SPLINE": 2,
    "CUBIC_SPLINE": 3,
    "CUBIC_SPLINE_PERIODIC": 4,
    "AKIMA_SPLINE": 5,
    "AKIMA_SPLINE_PERIODIC": 6,
}


def test_every_name_on_the_page_exists() -> None:
    table = PAGE.read_text().split("## What is mirrored")[1].split("## What differs")[0]
    rows = re.findall(r"^\| `evensky\.([\w.]+)`[^|]*\| (.+) \|$", table, flags=re.MULTILINE)
    assert len(rows) == 17
    for module_name, names in rows:
        module = importlib.import_module(f"evensky.{module_name}")
        holders = [
            module,
            *(
                getattr(module, n)
                for n in (
                    "ApproximateControl",
                    "Box2I",
                    "ChebyshevBoundedField",
                    "Interpolate",
                    "MatchBackgroundsTask",
                    "SkyMeasurementTask",
                )
                if hasattr(module, n)
            ),
        ]
        for name in re.findall(
            r"\b[A-Za-z]\w{2,}\b", re.sub(r" \(of [\w.]+\)|; each .*|and its (members|styles)|; also", "", names)
        ):
            assert any(hasattr(holder, name) for holder in holders), (module_name, name)


def test_values_of_enumerators() -> None:
    for name, value in PROPERTIES.items():
        assert int(getattr(afwMath, name)) == value
        assert afwMath.stringToStatisticsProperty(name) == value == getattr(afwMath.Property, name)
    for name, value in STYLES.items():
        assert int(getattr(afwMath.Interpolate, name)) == value == int(getattr(afwMath.Interpolate.Style, name))
        if value >= 0:
            assert afwMath.stringToInterpStyle(name) == value
    for value, name in enumerate(("THROW_EXCEPTION", "REDUCE_INTERP_ORDER", "INCREASE_NXNYSAMPLE")):
        assert int(getattr(afwMath, name)) == value == int(afwMath.stringToUndersampleStyle(name))
    assert (int(afwMath.ApproximateControl.UNKNOWN), int(afwMath.ApproximateControl.CHEBYSHEV)) == (-1, 0)
    assert afwMath.MEAN | afwMath.STDEV == 12


@pytest.mark.parametrize(
    ("control", "settings"),
    [
        (
            afwMath.StatisticsControl(),
            {
                "NumSigmaClip": (3.0, 2.5),
                "NumIter": (3, 7),
                "AndMask": (0, 5),
                "NanSafe": (True, False),
                "CalcErrorFromInputVariance": (False, True),
                "CalcErrorMosaicMode": (False, True),
                "NoGoodPixelsMask": (1 << 8, 3),
            },
        ),
        (
            afwMath.BackgroundControl(10, 10),
            {
                "InterpStyle": (afwMath.Interpolate.AKIMA_SPLINE, afwMath.Interpolate.LINEAR),
                "NxSample": (10, 3),
                "NySample": (10, 4),
                "UndersampleStyle": (afwMath.THROW_EXCEPTION, afwMath.REDUCE_INTERP_ORDER),
                "StatisticsProperty": (afwMath.MEANCLIP, afwMath.MEDIAN),
            },
        ),
        (
            afwMath.ApproximateControl(afwMath.ApproximateControl.CHEBYSHEV, 2),
            {
                "Style": (afwMath.ApproximateControl.CHEBYSHEV, afwMath.ApproximateControl.UNKNOWN),
                "OrderX": (2, 4),
                "OrderY": (2, 4),
                "Weighting": (True, False),
                "WeightPower": (1, 2),
            },
        ),
    ],
    ids=["StatisticsControl", "BackgroundControl", "ApproximateControl"],
)
def test_getters_and_setters(control: Any, settings: dict[str, tuple[Any, Any]]) -> None:
    for name, (default, other) in settings.items():
        assert getattr(control, f"get{name}")() == default, name
        getattr(control, f"set{name}")(other)
        assert getattr(control, f"get{name}")() == other, name


def test_weighting_has_three_states() -> None:
    control = afwMath.StatisticsControl()
    assert (control.getWeighted(), control.getWeightedIsSet()) == (False, False)
    control.setWeighted(False)
    assert (control.getWeighted(), control.getWeightedIsSet()) == (False, True)
    control.setWeighted(True)
    assert (control.getWeighted(), control.getWeightedIsSet()) == (True, True)
    assert control.getMaskPropagationThreshold(3) == 1.0
    control.setMaskPropagationThreshold(3, 0.25)
    assert control.getMaskPropagationThreshold(3) == 0.25


def test_parts_of_a_background_control_are_copied() -> None:
    sctrl = afwMath.StatisticsControl()
    actrl = afwMath.ApproximateControl(afwMath.ApproximateControl.CHEBYSHEV, 1)
    control = afwMath.BackgroundControl(
        style="LINEAR",
        nxSample=4,
        nySample=5,
        undersampleStyle="THROW_EXCEPTION",
        sctrl=sctrl,
        prop="MEAN",
        actrl=actrl,
    )
    sctrl.setNumIter(9)
    actrl.setWeighting(False)
    assert control.getStatisticsControl().getNumIter() == 3
    assert control.getApproximateControl().getWeighting() is True
    other = afwMath.StatisticsControl(2.0)
    control.setStatisticsControl(other)
    assert control.getStatisticsControl().getNumSigmaClip() == 2.0
    image = np.random.default_rng(1).normal(0, 1, (50, 60)).astype(np.float32)
    background = afwMath.makeBackground(image, control)
    background.getBackgroundControl().setInterpStyle("CONSTANT")
    assert control.getInterpStyle() == afwMath.Interpolate.LINEAR


def test_mask_propagation() -> None:
    masked = afwImage.MaskedImageF(10, 10)
    masked.mask.array[0, :] = 0b01  # a tenth is BAD and rejected
    masked.mask.array[1, :] = 0b10  # a tenth is SAT and kept
    for threshold, want in ((0.05, 0b11), (0.2, 0b10)):
        control = afwMath.StatisticsControl(andMask=0b01)
        control.setMaskPropagationThreshold(0, threshold)
        result = afwMath.makeStatistics(masked, afwMath.MEAN | afwMath.ORMASK, control)
        assert result.getOrMask() == want == result.getValue(afwMath.ORMASK)


def test_error_modes() -> None:
    rng = np.random.default_rng(1)
    masked = afwImage.MaskedImageF(50, 40)
    masked.image.array[:] = rng.normal(0, 3, (40, 50))
    masked.variance.array[:] = rng.uniform(1, 5, (40, 50))
    variance = masked.variance.array.astype(np.float64)
    n = variance.size

    def error(**modes: bool) -> float:
        control = afwMath.StatisticsControl()
        for name, value in modes.items():
            getattr(control, f"set{name}")(value)
        return afwMath.makeStatistics(masked, afwMath.MEAN | afwMath.ERRORS, control).getError(afwMath.MEAN)

    scatter = masked.image.array.astype(np.float64).std(ddof=1)
    assert error() == pytest.approx(scatter / np.sqrt(n), rel=1e-9)
    assert error(CalcErrorFromInputVariance=True) == pytest.approx(np.sqrt(variance.sum()) / n, rel=1e-9)
    assert error(CalcErrorMosaicMode=True) == pytest.approx(np.sqrt(variance.mean()), rel=1e-9)
    w = 1 / variance
    assert error(Weighted=True, CalcErrorFromInputVariance=True) == pytest.approx(np.sqrt(1 / w.sum()), rel=1e-6)


def test_true_inverse_variance_weights() -> None:
    grid = afwImage.MaskedImageF(4, 3)
    grid.image.array[:] = [[1, 2, 3, 4]] * 3
    grid.variance.array[:] = [[1, 2, 4, 8]] * 3
    x, y = np.arange(4.0), np.arange(3.0)
    box = grid.getBBox()
    for power, weights in ((1, 1 / np.array([1, 2, 4, 8])), (2, 1 / np.array([1, 4, 16, 64]))):
        actrl = afwMath.ApproximateControl(afwMath.ApproximateControl.CHEBYSHEV, 0)
        actrl.setWeightPower(power)
        constant = afwMath.makeApproximate(x, y, grid, box, actrl).getImage().array[0, 0]
        assert constant == pytest.approx(np.average([1, 2, 3, 4], weights=weights), rel=1e-6)


def test_threads_do_not_change_the_bits_of_a_match_or_a_model() -> None:
    from evensky.simulate import make_exposures

    reference, science = (one.exposure for one in make_exposures(2, (300, 400)))
    results = []
    for threads in (1, 2, 5):
        evensky.set_num_threads(threads)
        try:
            for fields in (
                {"binSize": 40},
                {"binSize": 40, "usePolynomial": True, "order": 3, "gridStatistic": "MEANCLIP"},
            ):
                config = MatchBackgroundsConfig()
                config.update(**fields)
                matched = science.clone()
                result = MatchBackgroundsTask(config).matchBackgrounds(reference, matched)
                results.append((matched.image.array, result.fitRMS, result.matchedMSE, result.diffImVar))
                if fields.get("usePolynomial"):
                    results[-1] += (result.backgroundModel.getMaskedImage().variance.array,)
        finally:
            evensky.set_num_threads(1)
    for other in (2, 4):
        for one, again in zip(results[0] + results[1], results[other] + results[other + 1], strict=True):
            np.testing.assert_array_equal(one, again)
