"""Match of one exposure to its reference, and its flags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evensky._core import PairOptions, PairResult
from evensky.errors import LengthError
from evensky.image import ExposureF, ImageF, Mask, MaskedImageF
from evensky.io import read_exposure, write_exposure
from evensky.matching.pair import FLAGS, Thresholds, find_flags, have_common_pixels, match_pair
from evensky.math import MEANCLIP, Interpolate

SIDE = 80
BAD = Mask.getPlaneBitMask("NO_DATA")
THRESHOLDS = Thresholds(0.1, 0.5, 0.1)


def make_exposure(level: float, good: Any = np.s_[:, :]) -> ExposureF:
    """Make an exposure whose only good pixels are `good`."""
    pixels = np.random.default_rng(int(level)).normal(level, 2, (SIDE, SIDE)).astype(np.float32)
    mask = Mask(np.full((SIDE, SIDE), BAD, np.int32))
    mask.array[good] = 0
    return ExposureF(MaskedImageF(ImageF(pixels), mask, ImageF(np.full((SIDE, SIDE), 4, np.float32))))


def make_options(**fields: Any) -> PairOptions:
    options = PairOptions()
    given = {"binSize": 16, "gridStatistic": MEANCLIP, "referenceBadMask": BAD, "scienceBadMask": BAD, **fields}
    for name, value in given.items():
        setattr(options, name, value)
    return options


def match(science: ExposureF, **fields: Any) -> PairResult:
    return match_pair(make_exposure(100), science, make_options(**fields))


def test_the_model_is_added_in_place() -> None:
    science = make_exposure(150)
    before = science.clone()
    result = match(science)
    assert science.image.array.mean() == pytest.approx(100, abs=0.1)
    assert result.matchedMSE == pytest.approx(8, rel=0.1)
    assert result.diffImVar == 8
    for plane in ("mask", "variance"):
        np.testing.assert_array_equal(getattr(science, plane).array, getattr(before, plane).array)


@pytest.mark.parametrize("fields", [{}, {"usePolynomial": True, "order": 2}], ids=["spline", "series"])
def test_results_do_not_depend_on_where_the_pixels_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]
) -> None:
    good = (np.arange(SIDE)[:, None] + np.arange(SIDE)) % 7 != 0
    reference, science = make_exposure(100, good.T), make_exposure(150, np.flip(good, 0))
    reference.image.array[3, 4], science.image.array[5, 6] = np.nan, np.inf
    for name, exposure in (("a", reference), ("b", science)):
        write_exposure(exposure, tmp_path / f"{name}.fits")
    on_disk = [read_exposure(tmp_path / f"{name}.fits", scratch=tmp_path) for name in "ab"]
    monkeypatch.setattr("evensky._bands.MOST_PIXELS", 11 * SIDE)
    options = make_options(**fields)
    want, got = match_pair(reference, science, options), match_pair(*on_disk, options)
    np.testing.assert_array_equal(on_disk[1].image.array, science.image.array)
    np.testing.assert_array_equal(on_disk[0].image.array, reference.image.array)
    for name in ("fitRMS", "matchedMSE", "diffImVar", "goodFraction", "goodBinFraction", "extrapolatedFraction"):
        assert getattr(got, name) == getattr(want, name)


def test_common_pixels() -> None:
    left, right, middle = (make_exposure(100, np.s_[:, columns]) for columns in np.s_[:40, 40:, 30:50])
    assert have_common_pixels(left, middle, BAD, BAD)
    assert have_common_pixels(middle, right, BAD, BAD)
    assert not have_common_pixels(left, right, BAD, BAD)
    assert have_common_pixels(left, right, BAD, 0)
    last_row = make_exposure(100, np.s_[-1:])
    assert have_common_pixels(left, last_row, BAD, BAD)
    last_row.image.array[-1] = np.nan
    assert not have_common_pixels(left, last_row, BAD, BAD)
    # The match itself raises the error for exposures of different sizes.
    assert have_common_pixels(left, ExposureF(3, 3), BAD, BAD)


@pytest.mark.parametrize(
    ("good", "fields", "flags"),
    [
        (np.s_[:, :], {}, {}),
        (np.s_[:0], {}, {"NO_OVERLAP": "no pixel is good in this exposure and in the reference"}),
        (
            np.s_[::4, ::4],
            {},
            {"LOW_COVERAGE": "only 6.2 % of the pixels are good in this exposure and in the reference"},
        ),
        (
            np.s_[:, :64],
            {},
            {
                "EXTRAPOLATED": "20 % of the image lies beyond the bins with good pixels; the model is extrapolated "
                "there",
                "REDUCED_ORDER": "some columns or rows have too few good bins for AKIMA_SPLINE and use a simpler style",
            },
        ),
        (
            np.s_[:, :],
            {"binSize": 40},
            {"REDUCED_ORDER": "interpStyle AKIMA_SPLINE reduced to LINEAR: there are only 2 x 2 bins"},
        ),
    ],
)
def test_flags_have_sentences(good: Any, fields: dict[str, Any], flags: dict[str, str]) -> None:
    options = make_options(interpStyle=Interpolate.Style.AKIMA_SPLINE, **fields)
    result = match_pair(make_exposure(100), make_exposure(150, good), options)
    found = find_flags(result, options, THRESHOLDS)
    assert found == flags
    assert set(found) <= set(FLAGS)


def test_thresholds_decide() -> None:
    science = make_exposure(150, np.s_[:, :48])
    options = make_options(usePolynomial=True, order=1)
    result = match_pair(make_exposure(100), science, options)
    for thresholds, flags in (
        (Thresholds(0.6, 0.6, 0.4), []),
        (Thresholds(0.61, 0.6, 0.4), ["LOW_COVERAGE"]),
        (Thresholds(0.6, 0.61, 0.4), ["FEW_GOOD_BINS"]),
        (Thresholds(0.6, 0.6, 0.39), ["EXTRAPOLATED"]),
    ):
        assert list(find_flags(result, options, thresholds)) == flags


def test_a_series_says_what_it_was_reduced_to() -> None:
    options = make_options(usePolynomial=True, order=4)
    result = match_pair(make_exposure(100), make_exposure(150, np.s_[:, :32]), options)
    flags = find_flags(result, options, THRESHOLDS)
    assert flags["REDUCED_ORDER"] == "; ".join(result.warnings) != ""


def test_other_sizes_are_refused() -> None:
    with pytest.raises(LengthError, match=r"sci: 3 x 3 vs\. ref: 80 x 80"):
        match(ExposureF(3, 3))
