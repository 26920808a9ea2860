"""Options of a combination."""

from __future__ import annotations

import numpy as np
import pytest

from evensky.combining.options import bad_bits_to_combine, exposure_weights, options_of
from evensky.errors import InvalidParameterError, NotFoundError
from evensky.errors import TypeError as WrongTypeError
from evensky.image import ExposureF, Mask, MaskedImageF
from evensky.math.combine_planes import CombineOptions


def test_the_usual_options():
    assert options_of() == CombineOptions()


@pytest.mark.parametrize("sigma", [(2, 5), [2.0, 5.0], np.array([2.0, 5.0])])
def test_a_sigma_for_each_side(sigma):
    options = options_of(sigma=sigma)
    assert (options.sigma_low, options.sigma_high) == (2.0, 5.0)
    assert options_of(sigma=np.float32(2.5)).sigma_high == 2.5


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            {"statistic": "average"},
            InvalidParameterError,
            "is .average.; it must be one of mean, median, meanclip",
        ),
        ({"statistic": None}, InvalidParameterError, "statistic is None"),
        ({"sigma": 0}, InvalidParameterError, "sigma is 0; it must be greater than 0"),
        ({"sigma": float("nan")}, InvalidParameterError, "sigma is nan"),
        ({"sigma": (1, 2, 3)}, InvalidParameterError, "with 3 values; one is needed, or two"),
        ({"sigma": "3"}, WrongTypeError, "sigma: '3' is a str"),
        ({"rounds": -1}, InvalidParameterError, "rounds is -1; it must be 1 to 1000"),
        ({"rounds": 2.5}, WrongTypeError, "rounds: 2.5 is a float"),
        ({"centre": "mode"}, InvalidParameterError, "centre is 'mode'; it must be one of median, mean, or None"),
        ({"scatter": "iqr"}, InvalidParameterError, "scatter is 'iqr'; it must be one of std, mad, or None"),
        ({"weighting": "variances"}, InvalidParameterError, "weighting is 'variances'; it must be one of variance"),
        ({"statistic": "median", "weighting": [1]}, InvalidParameterError, "'median', which has no weights"),
    ],
)
def test_what_is_refused(given, error, message):
    with pytest.raises(error, match=message):
        options_of(**given)


def test_weights_of_exposures():
    assert exposure_weights(None, 3) is exposure_weights("variance", 3) is None
    assert exposure_weights(np.array([1, 2.5]), 2) == [1.0, 2.5]
    for wrong, message in (
        ([1], "1 numbers for 2 exposures"),
        ([1, -1], "holds -1.0"),
        ([1, float("inf")], "holds inf"),
        ([0, 1], "holds 0.0; .* leave an exposure out"),
    ):
        with pytest.raises(InvalidParameterError, match=message):
            exposure_weights(wrong, 2)
    with pytest.raises(WrongTypeError, match="weighting is 3, a int"):
        exposure_weights(3, 2)


def test_sources_are_combined():
    exposure = ExposureF(MaskedImageF(3, 2))
    bits = exposure.mask.getPlaneBitMask
    assert bad_bits_to_combine(exposure) == bits(["NO_DATA", "SAT", "BAD", "INTRP", "CR"])
    assert bad_bits_to_combine(exposure, "DETECTED, SAT") == bits(["DETECTED", "SAT"])
    with pytest.raises(NotFoundError, match="NOPE"):
        bad_bits_to_combine(exposure, ["NOPE"])
    # What the layout of a file calls bad, but for its planes of sources.
    exposure.info.bad = bits(["DETECTED", "EDGE"])
    exposure.info.reject = 1 << 31
    assert bad_bits_to_combine(exposure) == bits("EDGE") - 2**31


def test_any_bit_stays_any_bit():
    exposure = ExposureF(MaskedImageF(3, 2))
    exposure.mask = Mask(3, 2)
    exposure.info.bad = 0xFFFFFFFF
    assert bad_bits_to_combine(exposure) == -1
