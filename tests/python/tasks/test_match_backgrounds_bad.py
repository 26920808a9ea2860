"""Bad input to the mirrored task and its configuration: refused, with the value in the message, or taken as numbers."""

# Arguments of wrong types are the subject of these tests.
# mypy: disable-error-code="arg-type,call-arg,dict-item,index"

from __future__ import annotations

import contextlib
import threading
from typing import Any

import numpy as np
import pytest
from bad_input import (
    CHEBYSHEV,
    HUGE,
    INF,
    INVALID,
    NAN,
    ONES,
    RUNTIME,
    TASK,
    UNKNOWN,
    Row,
    WrongRow,
    control,
    exposure,
    image,
    match,
    numbers,
    of_the_wrong_type,
    refused,
    task,
)
from lsst.pex.config import FieldValidationError

import evensky.errors as errors
import evensky.image as afwImage
import evensky.math as afwMath
from evensky.tasks import DataRefMatcher, MatchBackgroundsTask

REFUSED: list[Row] = [
    ("no exposures", lambda: match(None, None), *INVALID, "NoneType; it must be"),
    ("arrays", lambda: match(ONES, ONES), *INVALID, "ndarray; it must be"),
    (
        "exposures of different sizes",
        lambda: match(exposure(), exposure(width=21)),
        *RUNTIME,
        r"sci:\(21, 20\) vs. ref:\(20, 20\)",
    ),
    (
        "a bin size greater than the image",
        lambda: match(exposure(), exposure(), usePolynomial=True),
        *INVALID,
        "256 = config.binSize > shorter dimension = 20",
    ),
    (
        "an order greater than the bins",
        lambda: match(exposure(), exposure(), usePolynomial=True, binSize=5),
        *INVALID,
        "8 = config.order > npoints - 1 = 3",
    ),
    (
        "no overlap",
        lambda: match(exposure(), exposure(NAN), usePolynomial=True, binSize=5, order=1),
        *INVALID,
        "No overlap with reference",
    ),
    ("an unknown plane", lambda: match(exposure(), exposure(), badMaskPlanes=["NOPE"]), *UNKNOWN, "'NOPE'"),
    ("no exposure at all", lambda: task().run([], "x"), *TASK, "there are 0"),
    ("no dataset type", lambda: task().run([exposure()], ""), *TASK, "expDatasetType is ''"),
    ("a number as an exposure", lambda: task().run([3], "x"), *INVALID, "3 is a int"),
    (
        "scalers of another number",
        lambda: task().run([exposure()], "x", [None, None]),
        *RUNTIME,
        "2 image scalers for 1 exposures",
    ),
    (
        "exposures without good pixels",
        lambda: task().run([exposure(NAN), exposure(INF)], "x"),
        *TASK,
        "None of the 2 candidate",
    ),
    (
        "a configuration of another task",
        lambda: MatchBackgroundsTask(config=object()),
        *INVALID,
        "object; it must be a MatchBackgroundsConfig",
    ),
    ("masked images in place of exposures", lambda: match(image(), image()), *INVALID, "a MaskedImageF; it must be"),
    ("no science exposure", lambda: match(exposure(), None), *INVALID, "a NoneType; it must be"),
    (
        "exposures of integers",
        lambda: match(afwImage.ExposureI(3, 3), afwImage.ExposureI(3, 3)),
        *INVALID,
        "int32; it must be float32 or float64",
    ),
    ("exposures of no pixels", lambda: match(afwImage.ExposureF(0, 0), afwImage.ExposureF(0, 0)), *INVALID, "0 x 0"),
    ("a reference of None", lambda: task().run([None], "x"), *INVALID, "None is a NoneType; a file name"),
    ("no such file", lambda: task().run(["nowhere.fits"], "x"), *TASK, "None of the 1 candidate"),
    ("a reference that is none", lambda: task().run([exposure()], "x", None, 3), *INVALID, "3 is a int"),
    ("nothing to choose from", lambda: task().selectRefExposure([], None, "x"), *TASK, "None of the 0 candidate"),
    ("no candidates", lambda: task().chooseReference([]), *TASK, "None of the 0 candidate"),
    ("scalers missing", lambda: task().selectRefExposure([exposure()], [], "x"), *RUNTIME, "0 image scalers for 1"),
    ("a configuration that is none", lambda: MatchBackgroundsTask(config=3), *INVALID, "config is a int"),
    (
        "a scaler of words for the reference",
        lambda: task().run([exposure()], "x", None, exposure(), "x"),
        *INVALID,
        "'x'|str",
    ),
    ("a matcher of 3", lambda: DataRefMatcher(3, "x"), *INVALID, "3|int"),
]


test_refused = refused(REFUSED)


# Values that no binding takes: always a plain TypeError.
WRONG_TYPES: list[WrongRow] = [
    ("exposures", lambda value: task().run(value, "x"), (None, 3)),
]


test_of_the_wrong_type = of_the_wrong_type(WRONG_TYPES)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("binSize", value) for value in (0, -1, 1.5, "x")),
        *(("numIter", value) for value in (0, 1.5)),
        *(("numSigmaClip", value) for value in (0, -3, NAN)),
        *((f"flag{name}", value) for name in ("GoodFraction", "GoodBinFraction") for value in (-0.1, 1.1, NAN)),
        *(("bestRefWeightLevel", value) for value in (-0.1, 1.1)),
        ("gridStatistic", "MODE"),
        ("undersampleStyle", "GUESS"),
        ("interpStyle", "QUADRATIC"),
        ("approxWeightPower", 3),
        ("badMaskPlanes", [""]),
        ("badMaskPlanes", [3]),
        ("gridStdevEpsilon", -1.0),
        ("usePolynomial", "maybe"),
    ],
)
def test_configuration(name: str, value: Any) -> None:
    # Errors of the configuration are ValueErrors that name the field.
    with pytest.raises((ValueError, TypeError), match=name):
        task(**{name: value})


def test_read_only_arrays_are_read_and_never_written_to() -> None:
    array = np.arange(400, dtype=np.float32).reshape(20, 20)
    array.flags.writeable = False
    assert numbers(array, afwMath.MEAN) == [199.5]
    copied = afwImage.ImageF(array)
    copied += 1.0
    assert array[0, 0] == 0.0
    reference, science = exposure(), afwImage.ExposureF(afwImage.MaskedImageF(afwImage.ImageF(array)))
    match(reference, science, binSize=5)
    assert array[0, 0] == 0.0


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1)])
def test_the_smallest_images(shape: tuple[int, int]) -> None:
    array = np.ones(shape, np.float32)
    bins = min(shape[1], 5), min(shape[0], 5)
    assert afwMath.makeBackground(array, afwMath.BackgroundControl(*bins)).getImageF("CONSTANT").array.shape == shape
    thin = afwImage.ExposureF(afwImage.MaskedImageF(afwImage.ImageF(array)))
    struct = match(afwImage.ExposureF(afwImage.MaskedImageF(afwImage.ImageF(array * 3))), thin)
    assert "REDUCED_ORDER" in struct.flags
    # A bin of one pixel has no error and no residual, but its difference is the model.
    np.testing.assert_array_equal(thin.image.array, 3.0)


def test_pixels_that_others_change_meanwhile() -> None:
    # The result is undefined, but there must be one, and nothing else may be written.
    rng = np.random.default_rng(3)
    guarded = rng.normal(100, 5, (660, 660)).astype(np.float32)
    pixels = guarded[10:-10, 10:-10]
    edge = guarded.copy()
    mask = np.zeros(pixels.shape, np.int32)
    done = threading.Event()

    def change() -> None:
        while not done.is_set():
            pixels[::3] = NAN
            mask[:, ::2] = 1
            pixels[::3] = 1e30
            mask[:, ::2] = 0
            pixels[:, ::5] *= -1.5
            pixels[:] = 3.0

    other = threading.Thread(target=change)
    other.start()
    masked = afwImage.MaskedImageF(afwImage.ImageF(pixels), afwImage.Mask(mask))
    everything = afwMath.MEDIAN | afwMath.MEANCLIP | afwMath.IQRANGE | afwMath.MIN | afwMath.ERRORS
    try:
        with np.errstate(all="ignore"):
            for turn in range(15):
                afwMath.makeStatistics(masked, everything, control(AndMask=1), num_threads=1 + turn % 2)
                afwMath.makeStatistics(pixels.astype(np.float64), everything)
                made = afwMath.makeBackground(masked, afwMath.BackgroundControl(7, 9, control(AndMask=1)))
                made.getImageF("AKIMA_SPLINE", "REDUCE_INTERP_ORDER")
                science = afwImage.ExposureF(afwImage.MaskedImageF(afwImage.ImageF(640, 640)))
                match(afwImage.ExposureF(masked), science, binSize=64)
    finally:
        done.set()
        other.join()
    edge[10:-10, 10:-10] = guarded[10:-10, 10:-10]
    np.testing.assert_array_equal(guarded, edge)


def test_data_references_of_no_keys() -> None:
    matcher = DataRefMatcher(None, "x")
    one = task()
    refs = [type("Ref", (), {"dataId": {}})() for _ in range(2)]
    assert matcher.isMatch(*refs)
    assert one.getName() == "matchBackgrounds"


def test_inputs_stay_as_they_are() -> None:
    rng = np.random.default_rng(5)
    pixels, weights = rng.normal(1, 5, (2, 40, 40)).astype(np.float32)
    weights = np.abs(weights)
    variance, mask = np.abs(rng.normal(1, 5, (40, 40))).astype(np.float32), np.zeros((40, 40), np.int32)
    mask[:, 5], pixels[3, 3], pixels[4, 4] = 1, NAN, INF
    masked = afwImage.MaskedImageF(afwImage.ImageF(pixels), afwImage.Mask(mask), afwImage.ImageF(variance))
    inputs = pixels, weights, variance, mask
    before = [one.copy() for one in inputs]
    sctrl = control(AndMask=1, Weighted=True)
    state, planes = sctrl.__getstate__(), masked.mask.getMaskPlaneDict()
    afwMath.makeStatistics(masked, afwMath.MEANCLIP | afwMath.MEDIAN | afwMath.IQRANGE | afwMath.ERRORS, sctrl)
    afwMath.makeStatistics(masked, afwImage.ImageF(weights), afwMath.MEANCLIP, sctrl)
    afwMath.makeStatistics(np.ma.MaskedArray(pixels, mask != 0), afwMath.MEDIAN, sctrl)
    made = afwMath.makeBackground(masked, afwMath.BackgroundControl(5, 5, sctrl))
    made.getImageF()
    made.getApproximate(afwMath.ApproximateControl(CHEBYSHEV, 2)).getMaskedImage()
    match(afwImage.ExposureF(masked), exposure(1.0, 40, 40), binSize=8)
    with pytest.raises(errors.InvalidParameterError):
        afwMath.makeStatistics(masked, 1 << 20, sctrl)
    for one, other in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (sctrl.__getstate__(), masked.mask.getMaskPlaneDict()) == (state, planes)


@pytest.mark.parametrize("value", [NAN, INF, 3e38])
def test_matches_of_what_is_not_finite_say_so(value: float) -> None:
    reference, science = exposure(-1.0 if np.isinf(value) else -value), exposure(value)
    before = science.mask.array.copy()
    struct = match(reference, science, binSize=5)
    assert "NO_OVERLAP" in struct.flags
    assert np.isnan(struct.fitRMS)
    np.testing.assert_array_equal(science.mask.array, before)


@pytest.mark.parametrize("variance", [-1.0, 0.0, NAN, INF])
def test_matches_of_odd_variances(variance: float) -> None:
    reference, science = exposure(5.0), exposure(1.0)
    science.variance.array[:] = variance
    struct = match(reference, science, binSize=5, interpStyle="LINEAR")
    np.testing.assert_array_equal(science.image.array, 5.0)
    np.testing.assert_array_equal([struct.fitRMS, struct.matchedMSE], 0.0)
    np.testing.assert_array_equal(science.variance.array, np.float32(variance))


def test_an_exposure_is_matched_to_itself() -> None:
    same = exposure(3.0)
    struct = match(same, same, binSize=5)
    assert struct.fitRMS == 0
    np.testing.assert_array_equal(same.image.array, 3.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            (name, value)
            for name in ("bestRefWeightCoverage", "bestRefWeightVariance", "flagExtrapolatedFraction")
            for value in (-0.1, 1.1, NAN, INF)
        ),
        *(
            (name, None)
            for name in ("binSize", "numIter", "numSigmaClip", "gridStatistic", "undersampleStyle", "interpStyle")
        ),
        ("gridStdevEpsilon", NAN),
        ("approxWeighting", "x"),
        ("usePolynomial", None),
        ("approxWeightPower", 0),
        ("badMaskPlanes", None),
        ("gridStatistic", "mean"),
        ("interpStyle", "CUBIC_SPLINE_PERIODIC"),
    ],
)
def test_configuration_of_odd_values(name: str, value: Any) -> None:
    test_configuration(name, value)


@pytest.mark.parametrize(
    "width",
    [
        2**31,
        HUGE,
        pytest.param(10**400, id="400 digits"),
    ],
)
def test_any_width_of_clipping(width: int) -> None:
    # Either nothing is clipped, or the configuration raises an error.
    science = exposure(1.0)
    with contextlib.suppress(errors.EvenskyError, FieldValidationError):
        match(exposure(3.0), science, numSigmaClip=width, binSize=5, interpStyle="LINEAR")
        np.testing.assert_array_equal(science.image.array, 3.0)
