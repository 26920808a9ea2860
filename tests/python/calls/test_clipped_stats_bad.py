"""Bad input of `evensky.clipped_stats`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import evensky
from evensky.errors import EvenskyError, InvalidParameterError
from evensky.errors import TypeError as WrongTypeError

DATA = np.arange(24.0).reshape(2, 3, 4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sigma": 0}, "sigma is 0; it must be positive"),
        ({"sigma": np.nan}, "sigma is nan"),
        ({"sigma_lower": -1}, "sigma_lower is -1; it must be positive"),
        ({"sigma_upper": 0}, "sigma_upper is 0"),
        ({"maxiters": -1}, "maxiters = -1; it must not be negative; None"),
        ({"cenfunc": "mode"}, "cenfunc is 'mode'; it must be 'median' or 'mean'"),
        ({"cenfunc": np.nanmean}, "astropy.stats.sigma_clipped_stats takes functions"),
        ({"stdfunc": "mad"}, "stdfunc is 'mad'; it must be 'std' or 'mad_std'"),
        ({"std_ddof": np.inf}, "std_ddof is inf; it must be finite"),
        ({"grow": -1}, "grow is -1; it is a radius"),
        ({"grow": np.inf}, "grow is inf; it is a radius"),
        ({"axis": 3}, "axis is 3 but the data have 3 axes"),
        ({"axis": (0, -3)}, "must name each axis once"),
    ],
)
def test_options(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidParameterError, match=words):
        evensky.clipped_stats(DATA, **options)


@pytest.mark.parametrize("options", [{"maxiters": 1.5}, {"sigma": "3"}, {"axis": 0.5}, {"mask_value": "x"}])
def test_types(options: dict[str, Any]) -> None:
    with pytest.raises(WrongTypeError):
        evensky.clipped_stats(DATA, **options)


def test_data() -> None:
    with pytest.raises(InvalidParameterError, match="without pixels"):
        evensky.clipped_stats(np.zeros((0, 3)), axis=0)
    with pytest.raises(InvalidParameterError, match="mask has shape"):
        evensky.clipped_stats(DATA, np.zeros(3, bool))
    for bad in (DATA + 1j, np.array(["a"])):
        with pytest.raises(EvenskyError):
            evensky.clipped_stats(bad)
    with pytest.raises(InvalidParameterError):
        evensky.clipped_stats(np.ma.masked_greater(DATA, 5), DATA > 3)


def test_arguments_of_version_0_1_are_refused() -> None:
    for options in ({"rounds": 3}, {"variance": DATA}, {"weights": DATA}):
        with pytest.raises(TypeError, match="unexpected keyword"):
            evensky.clipped_stats(DATA, **options)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="positional"):
        evensky.clipped_stats(DATA, None, "DUST")  # type: ignore[misc]
