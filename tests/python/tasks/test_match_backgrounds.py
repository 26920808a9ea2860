"""The mirrored task: its results, the kinds of references that it takes, and failures of single exposures."""

from __future__ import annotations

import logging
import pickle
from typing import Any, ClassVar

import numpy as np
import pytest
from handles import Handle, gen2
from simulated_task import SIMULATED, make_task, refs

from evensky.errors import InvalidParameterError, NotFoundError
from evensky.image import ExposureD, ExposureF, ImageD, ImageScaler, MaskedImageD
from evensky.io import ExposureDataRef
from evensky.simulate import residual_background
from evensky.tasks import MatchBackgroundsConfig, MatchBackgroundsTask, TaskError

pytestmark = pytest.mark.smoke


def test_configuration() -> None:
    from lsst.pex.config import Config, FieldValidationError

    config = MatchBackgroundsConfig()
    assert isinstance(config, Config)
    assert config.toDict() == {
        "usePolynomial": False,
        "order": 8,
        "badMaskPlanes": ["NO_DATA", "DETECTED", "DETECTED_NEGATIVE", "SAT", "BAD", "INTRP", "CR"],
        "gridStatistic": "MEAN",
        "undersampleStyle": "REDUCE_INTERP_ORDER",
        "binSize": 256,
        "interpStyle": "AKIMA_SPLINE",
        "numSigmaClip": 3,
        "numIter": 2,
        "bestRefWeightCoverage": 0.4,
        "bestRefWeightVariance": 0.4,
        "bestRefWeightLevel": 0.2,
        "approxWeighting": True,
        "approxWeightPower": 1,
        "gridStdevEpsilon": 1e-8,
        # Not in the original: they change messages, but no number.
        "flagGoodFraction": 0.1,
        "flagGoodBinFraction": 0.5,
        "flagExtrapolatedFraction": 0.1,
    }
    assert pickle.loads(pickle.dumps(config)) == config
    for name, value in (
        ("bestRefWeightLevel", 1.5),
        ("interpStyle", "CUBIC"),
        ("gridStdevEpsilon", -1.0),
        ("binSize", 0),
    ):
        with pytest.raises(FieldValidationError):
            setattr(config, name, value)
    config.bestRefWeightLevel = 1.0
    with pytest.raises(InvalidParameterError, match="Config"):
        MatchBackgroundsTask(Config())  # type: ignore[arg-type]


def test_matching_recovers_the_truth() -> None:
    reference = SIMULATED[0]
    for fields in ({}, {"usePolynomial": True, "order": 2}, {"gridStatistic": "MEANCLIP"}):
        task = make_task(**fields)
        for one in SIMULATED[1:]:
            science = one.exposure.clone()
            variance = science.variance.array.copy()
            result = task.matchBackgrounds(reference.exposure, science)
            residual = residual_background(science.image.array, one, reference)
            # Noise of 14 counts in bins of about 850 good pixels gives 0.5 counts per bin.
            assert np.sqrt(np.nanmean(residual**2)) < 0.9
            assert result.matchedMSE == pytest.approx(result.diffImVar, rel=0.02)
            np.testing.assert_array_equal(science.variance.array, variance)


def test_any_kind_of_reference_runs() -> None:
    exposures = [one.exposure for one in SIMULATED]
    want = make_task().run(refs(), "warp", refExpDataRef=refs()[1]).backgroundInfoList
    for kind in (Handle, gen2):
        given = [kind(exposure.clone(), visit=exposure.dataId["visit"]) for exposure in exposures]
        got = make_task().run(given, "warp", refExpDataRef=given[1]).backgroundInfoList
        assert [g.isReference for g in got] == [False, True, False, False]
        assert [g.fitRMS for g in got] == [w.fitRMS for w in want]


def test_one_failure_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        dataId: ClassVar[dict[str, int]] = {"visit": 99}

        def get(self, datasetType: str, immediate: bool) -> ExposureF:
            raise OSError("the disk is gone")

    class Missing(Broken):
        def datasetExists(self, datasetType: str) -> bool:
            return False

    class Refusing:
        def scaleMaskedImage(self, maskedImage: Any) -> None:
            raise ValueError("no photometric solution")

    given = [*refs(), Broken(), Missing(), ExposureDataRef(SIMULATED[0].exposure, {"visit": 77})]
    scalers = [None] * 6 + [Refusing()]
    with caplog.at_level(logging.WARNING):
        results = make_task().run(given, "warp", scalers).backgroundInfoList
    assert [r.fitRMS is None for r in results] == [False] * 4 + [True] * 3
    assert sum(r.isReference for r in results) == 1
    for words in ("'visit': 99", "the disk is gone", "does not exist", "no photometric solution"):
        assert words in caplog.text


def test_errors_that_stop_a_run() -> None:
    with pytest.raises(TaskError, match="0"):
        make_task().run([], "warp")
    with pytest.raises(TaskError, match="''"):
        make_task().run(refs(), "")
    with pytest.raises(RuntimeError, match="1 image scalers for 4"):
        make_task().run(refs(), "warp", [ImageScaler(1.0)])
    blank = SIMULATED[0].exposure.clone()
    blank.image.array[...] = np.nan
    with pytest.raises(TaskError, match="None of the 1"):
        make_task().selectRefExposure([blank], None, "warp")


def test_mask_planes_are_matched_by_name() -> None:
    reference, science = SIMULATED[0].exposure, SIMULATED[1].exposure.clone()
    want = science.clone()
    result = make_task().matchBackgrounds(reference, want)
    # Other numbers of the mask planes do not change the match.
    planes = science.mask.getMaskPlaneDict()
    science.mask.renumber_planes({name: (bit + 7) % 12 + 5 for name, bit in planes.items()})
    assert make_task().matchBackgrounds(reference, science).fitRMS == result.fitRMS
    np.testing.assert_array_equal(science.image.array, want.image.array)
    with pytest.raises(NotFoundError, match="'GHOST'"):
        make_task(badMaskPlanes=["GHOST"]).matchBackgrounds(reference, science)


def test_no_background_model() -> None:
    science = SIMULATED[1].exposure.clone()
    before = science.image.array.copy()
    result = make_task(interpStyle="NONE").matchBackgrounds(SIMULATED[0].exposure, science)
    np.testing.assert_array_equal(science.image.array, before)
    assert result.fitRMS > 1
    assert not result.backgroundModel.getImageF().array.any()


def test_double_precision() -> None:
    masked = SIMULATED[1].exposure.maskedImage
    double = ExposureD(MaskedImageD(ImageD(masked.image, True), masked.mask, masked.variance))
    single = SIMULATED[1].exposure.clone()
    results = [make_task().matchBackgrounds(SIMULATED[0].exposure, one) for one in (single, double)]
    assert results[1].fitRMS == pytest.approx(results[0].fitRMS, rel=1e-3)
    np.testing.assert_allclose(double.image.array, single.image.array, rtol=1e-6)


def test_errors_leave_the_exposure_as_it_was() -> None:
    science = SIMULATED[1].exposure.clone()
    before = science.image.array.copy()
    for fields, kind, words in (
        (
            {"binSize": 100, "undersampleStyle": "THROW_EXCEPTION"},
            RuntimeError,
            "failed.*'visit'|failed to interp image 2",
        ),
        ({"usePolynomial": True, "order": 8, "binSize": 64}, ValueError, "8 = config.order > npoints - 1 = 3"),
        (
            {"usePolynomial": True, "order": 1, "binSize": 512},
            ValueError,
            "512 = config.binSize > shorter dimension = 256",
        ),
    ):
        with pytest.raises(kind, match=words):
            make_task(**fields).matchBackgrounds(SIMULATED[0].exposure, science)
        np.testing.assert_array_equal(science.image.array, before)


def test_candidates_are_measured_and_chosen() -> None:
    task = make_task()
    exposures = [one.exposure for one in SIMULATED]
    candidates = [task.measureCandidate(exposure, f"{number}") for number, exposure in enumerate(exposures)]
    assert [candidate.label for candidate in candidates] == ["0", "1", "2", "3"]
    chosen = task.chooseReference(candidates)
    assert chosen == task.selectRefExposure(exposures, None, "warp")
    assert [candidate.selected for candidate in candidates] == [number == chosen for number in range(4)]
    # The weights are those of the configuration.
    level = make_task(bestRefWeightCoverage=0.0, bestRefWeightVariance=0.0, bestRefWeightLevel=1.0)
    lowest = level.chooseReference(candidates)
    assert candidates[lowest].level == min(candidate.level for candidate in candidates)


def test_a_configuration_is_looked_at_in_every_call() -> None:
    from lsst.pex.config import FieldValidationError

    reference, science = SIMULATED[0].exposure, SIMULATED[1].exposure

    def matched(task: MatchBackgroundsTask) -> np.ndarray:
        one = science.clone()
        task.matchBackgrounds(reference, one)
        return one.image.array

    config = MatchBackgroundsConfig()
    first, second = MatchBackgroundsTask(config=config), MatchBackgroundsTask(config)
    assert first.config is second.config is config
    for fields in ({"binSize": 64}, {"usePolynomial": True, "order": 2}, {"badMaskPlanes": ["SAT"]}):
        for name, value in fields.items():
            setattr(config, name, value)
        want = matched(make_task(**config.toDict()))
        np.testing.assert_array_equal(matched(first), want)
        np.testing.assert_array_equal(matched(second), want)
    assert first.sctrl.getAndMask() == science.mask.getPlaneBitMask("SAT")
    # A task that is made without a configuration, as LSST's own tests do it.
    task = MatchBackgroundsTask()
    task.config.binSize = 64
    task.config.usePolynomial, task.config.order = True, 2
    got = task.run([reference, science.clone()], "warp", refExpDataRef=reference).backgroundInfoList
    want_run = make_task(binSize=64, usePolynomial=True, order=2).run(
        [reference, science.clone()], "warp", refExpDataRef=reference
    )
    assert [one.fitRMS for one in got] == [one.fitRMS for one in want_run.backgroundInfoList]
    # What is wrong is found when it is used.
    task.config.order = -1
    for call in (
        lambda: task.matchBackgrounds(reference, science.clone()),
        lambda: task.run([reference, science.clone()], "warp"),
        lambda: task.selectRefExposure([reference], None, "warp"),
    ):
        with pytest.raises(FieldValidationError, match="order = -1"):
            call()
    task.config.order = 2
    matched(task)


def test_weights_of_the_choice_are_looked_at_in_every_call() -> None:
    exposures = [one.exposure for one in SIMULATED]
    task = MatchBackgroundsTask()
    chosen = set()
    for weights in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)):
        names = ("bestRefWeightCoverage", "bestRefWeightVariance", "bestRefWeightLevel")
        for name, weight in zip(names, weights, strict=True):
            setattr(task.config, name, weight)
        index = task.selectRefExposure(exposures, None, "warp")
        assert index == make_task(**dict(zip(names, weights, strict=True))).selectRefExposure(exposures, None, "warp")
        chosen.add(index)
    assert len(chosen) > 1
