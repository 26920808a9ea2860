"""The face of numpy and astropy: one call each, results of the type that went in."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import CCDData, NDData, NDDataRef, StdDevUncertainty, VarianceUncertainty
from astropy.stats import sigma_clipped_stats
from astropy.wcs import WCS

import evensky
import evensky.arrays
from evensky.errors import FitsError, InvalidParameterError, LengthError, NotFoundError, OutOfRangeError, TaskError
from evensky.image import ExposureF, ImageF, Mask, MaskedImageF
from evensky.io import write_exposure
from evensky.math import (
    MEANCLIP,
    REDUCE_INTERP_ORDER,
    STDEVCLIP,
    BackgroundControl,
    StatisticsControl,
    makeBackground,
    makeStatistics,
)
from evensky.tasks import MatchBackgroundsConfig, MatchBackgroundsTask

RNG = np.random.default_rng(11)
HEIGHT, WIDTH = 120, 160
SKY = (RNG.normal(100, 5, (HEIGHT, WIDTH)) + np.linspace(0, 30, WIDTH)).astype(np.float32)
BAD = RNG.random((HEIGHT, WIDTH)) < 0.1
BITS = np.where(BAD, 4, 0).astype(np.int32) | np.where(RNG.random((HEIGHT, WIDTH)) < 0.1, 1 << 20, 0).astype(np.int32)


def ccd(**changes: Any) -> CCDData:
    wcs = WCS(naxis=2)
    wcs.wcs.crpix = 10, 20
    given = {
        "unit": "adu",
        "mask": BAD,
        "uncertainty": StdDevUncertainty(np.full(SKY.shape, 5, np.float32)),
        "wcs": wcs,
        "meta": {"OBJECT": "M 13"},
        **changes,
    }
    return CCDData(SKY.copy(), **given)


def test_the_examples_in_docstrings() -> None:
    assert doctest.testmod(evensky.arrays).failed == 0


def test_importing_the_package_stays_cheap() -> None:
    code = "import sys, evensky; print(int(any(name in sys.modules for name in ('numpy', 'astropy', 'matplotlib'))))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "0\n"
    assert {"clipped_stats", "estimate_background", "match"} <= set(dir(evensky))
    with pytest.raises(AttributeError, match="no attribute 'clipped_stat'"):
        _ = evensky.clipped_stat


def test_clipped_stats_are_those_of_the_mirrored_names() -> None:
    control = StatisticsControl(2.5, 4)
    control.setAndMask(1)
    expected = makeStatistics(SKY, Mask(BAD.astype(np.int32)), MEANCLIP | STDEVCLIP | evensky.math.ERRORS, control)
    got = evensky.clipped_stats(SKY, BAD, sigma=2.5, rounds=4)
    mean, _, std = got
    assert (mean, got.mean_error) == expected.getResult(MEANCLIP)
    assert std == expected.getValue(STDEVCLIP)
    assert got.n_masked == BAD.sum()
    assert got.n_good + got.n_masked == SKY.size


def test_clipped_stats_beside_astropy() -> None:
    data = np.concatenate([RNG.normal(10, 2, 5000), [1e4] * 20])
    mean, median, std = evensky.clipped_stats(data, rounds=None)
    theirs = sigma_clipped_stats(data, sigma=3, maxiters=None, cenfunc="mean")
    np.testing.assert_allclose([mean, median, std], theirs, rtol=2e-3)


@pytest.mark.parametrize("shape", [(), (1,), (9,), (3, 4), (2, 3, 4), (2, 2, 2, 2)])
def test_values_of_any_shape(shape: tuple[int, ...]) -> None:
    values = np.arange(np.prod(shape, dtype=int), dtype=np.float64).reshape(shape)
    mask = np.zeros(shape, bool)
    weights = np.ones(shape)
    stats = evensky.clipped_stats(values, mask, weights=weights)
    assert stats.n_good == values.size
    assert stats.median == np.median(values)


def test_units_come_back() -> None:
    stats = evensky.clipped_stats(SKY * u.nJy)
    assert stats.mean.unit == stats.mean_error.unit == stats.iqr.unit == u.nJy
    assert stats.mean.value == evensky.clipped_stats(SKY).mean
    assert evensky.clipped_stats(ccd()).std.unit == u.adu
    assert "adu" in repr(evensky.clipped_stats(ccd()))


@pytest.mark.parametrize(
    ("bad_planes", "rejected"),
    [
        (None, BITS != 0),
        (4, BITS & 4 != 0),
        (1 << 20, BITS >> 20 != 0),
        (0, np.zeros_like(BAD)),
        ("INTRP", BITS & 4 != 0),
    ],
)
def test_bits_of_a_mask_without_names(bad_planes: Any, rejected: np.ndarray) -> None:
    assert evensky.clipped_stats(SKY, BITS, bad_planes).n_masked == rejected.sum()


def test_bits_of_a_mask_with_names() -> None:
    mask = Mask(BITS, mask_planes={"DUST": 20, "SAT": 2, "FINE": 5})
    assert evensky.clipped_stats(SKY, mask).n_masked == (BITS & 4 != 0).sum()
    assert evensky.clipped_stats(SKY, mask, ["DUST"]).n_masked == (BITS >> 20 != 0).sum()
    assert evensky.clipped_stats(SKY, mask, "DUST").n_masked == (BITS >> 20 != 0).sum()
    data = NDData(SKY, mask=BITS, meta={"MP_DUST": 20, "MP_SAT": 2})
    assert evensky.clipped_stats(data).n_masked == (BITS & 4 != 0).sum()
    with pytest.raises(NotFoundError, match=r"'STAR'.*SAT, DUST"):
        evensky.clipped_stats(data, bad_planes="STAR")


def test_nothing_good() -> None:
    stats = evensky.clipped_stats(SKY, np.ones_like(BAD))
    assert (stats.n_good, stats.n_masked) == (0, SKY.size)
    assert np.isnan([*stats, stats.mean_error, stats.min]).all()


def test_background_is_that_of_the_mirrored_names() -> None:
    control = StatisticsControl(3, 3)
    control.setAndMask(1)
    bctrl = BackgroundControl("AKIMA_SPLINE", 5, 4, REDUCE_INTERP_ORDER, control, "MEDIAN")
    expected = makeBackground(np.ma.MaskedArray(SKY, BAD), bctrl).getImageF().array
    got = evensky.estimate_background(SKY, BAD, bin_size=32, statistic="median")
    np.testing.assert_array_equal(got.image, expected)
    assert got.image.dtype == np.float32
    np.testing.assert_array_equal(got.subtracted, SKY - expected)
    assert got.stats.value.shape == got.stats.x.shape == (4, 5)
    assert got.level == np.median(got.stats.value)
    assert abs(np.mean(got.rms_image) - 5) < 0.5


def test_background_options() -> None:
    tall = evensky.estimate_background(SKY, bin_size=(30, 80), style="linear", statistic="mean", sigma=2, rounds=1)
    assert tall.stats.value.shape == (4, 2)
    assert tall.background.getAsUsedInterpStyle().name == "UNKNOWN"  # nothing was evaluated yet
    assert tall.image.shape == SKY.shape
    series = evensky.estimate_background(SKY.astype(np.float64), bin_size=20, order=2)
    assert series.image.dtype == np.float64
    assert np.abs(series.image - 100 - np.linspace(0, 30, WIDTH)).max() < 2
    for name in ("akima", "NATURAL_SPLINE", "cubic", "constant", evensky.math.Interpolate.Style.LINEAR):
        assert np.isfinite(evensky.estimate_background(SKY, bin_size=20, style=name).image).all()
    assert evensky.estimate_background(SKY.astype(np.uint16)).subtracted.dtype == np.float32
    assert evensky.estimate_background(SKY.astype(np.int64)).image.dtype == np.float64


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"bin_size": 0}, InvalidParameterError, "bin_size is 0"),
        ({"bin_size": 2.5}, InvalidParameterError, "2.5 is a float"),
        ({"bin_size": (3, 3, 3)}, InvalidParameterError, r"\(3, 3, 3\)"),
        ({"statistic": "mode"}, NotFoundError, "MODE"),
        ({"style": "cubist"}, NotFoundError, "CUBIST"),
        ({"style": 99}, InvalidParameterError, "99"),
        ({"sigma": 0}, InvalidParameterError, "numSigmaClip = 0"),
        ({"sigma": "x"}, InvalidParameterError, "'x'"),
        ({"rounds": 0}, InvalidParameterError, "numIter = 0"),
        ({"order": -1}, InvalidParameterError, "-1"),
        ({"mask": BAD[:5]}, LengthError, "160 x 5"),
        ({"bad_planes": "STAR", "mask": BITS}, NotFoundError, "'STAR'"),
    ],
)
def test_bad_options(options: dict[str, Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        evensky.estimate_background(SKY, **options)


def test_two_masks_are_one_too_many() -> None:
    with pytest.raises(InvalidParameterError, match="CCDData has a mask of its own"):
        evensky.clipped_stats(ccd(), BAD)


def check_ccd(got: Any, data: CCDData, *, bare: bool = False) -> None:
    assert type(got) is type(data)
    assert (got.unit, got.meta["OBJECT"]) == (u.adu, "M 13")
    assert got.wcs.wcs.crpix.tolist() == [10, 20]
    assert got.meta is not data.meta
    if bare:
        assert got.mask is None
        assert got.uncertainty is None
    else:
        np.testing.assert_array_equal(got.mask, data.mask)
        assert type(got.uncertainty) is type(data.uncertainty)
        np.testing.assert_array_equal(got.uncertainty.array, data.uncertainty.array)


def test_ccd_data_come_back() -> None:
    class Mine(CCDData):
        pass

    data = ccd()
    background = evensky.estimate_background(data, bin_size=32)
    check_ccd(background.image, data, bare=True)
    check_ccd(background.rms_image, data, bare=True)
    check_ccd(background.subtracted, data)
    assert background.level.unit == u.adu
    mine = Mine(data)
    check_ccd(evensky.estimate_background(mine, bin_size=32).subtracted, mine)
    again = data.subtract(background.image)
    np.testing.assert_array_equal(again.data, background.subtracted.data)
    np.testing.assert_array_equal(data.data, SKY)


def test_bit_masks_come_back_with_the_names_of_their_planes() -> None:
    meta = {"OBJECT": "M 13", "MP_DUST": 20, "MP_SAT": 2}
    data = NDData(SKY.copy(), mask=BITS, meta=meta)
    result = evensky.match([data, data], 0, bin_size=40, bad_planes=["DUST", "SAT"])
    got = result.exposures[1]
    assert (type(got), got.meta) == (NDData, meta)
    np.testing.assert_array_equal(got.mask, BITS)
    assert result.run.records[1].good_fraction == pytest.approx(1 - (BITS != 0).mean())


def test_bits_of_ccd_data_are_their_flags() -> None:
    # CCDData makes booleans of every mask.
    holes = RNG.random(SKY.shape) < 0.05
    data = ccd(mask=holes, meta={"OBJECT": "M 13", "MP_DUST": 20, "MP_SAT": 2})
    data.flags = BITS
    assert evensky.clipped_stats(data, bad_planes="DUST").n_masked == ((BITS >> 20 != 0) | holes).sum()
    result = evensky.match([data, data], 0, bin_size=40, bad_planes=["DUST", "SAT"])
    got = result.exposures[1]
    check_ccd(got, data)
    np.testing.assert_array_equal(got.flags, BITS)
    assert got.meta["MP_DUST"] == 20
    assert result.run.records[1].good_fraction == pytest.approx(1 - ((BITS != 0) | holes).mean())
    data.flags = BITS.astype(np.float32)  # no bits
    assert evensky.clipped_stats(data).n_masked == holes.sum()


@pytest.mark.parametrize(
    ("wrap", "kind"),
    [
        (lambda pixels: pixels, np.ndarray),
        (lambda pixels: np.ma.MaskedArray(pixels, BAD), np.ma.MaskedArray),
        (lambda pixels: pixels * u.nJy, u.Quantity),
        (lambda pixels: NDData(pixels, mask=BAD), NDData),
        (lambda pixels: NDDataRef(pixels, uncertainty=VarianceUncertainty(np.ones_like(pixels))), NDDataRef),
        (lambda pixels: CCDData(pixels, unit="adu", mask=BAD), CCDData),
        (lambda pixels: ImageF(pixels), ImageF),
        (lambda pixels: MaskedImageF(ImageF(pixels), Mask(BITS)), MaskedImageF),
        (lambda pixels: ExposureF(MaskedImageF(ImageF(pixels))), ExposureF),
    ],
)
def test_matched_exposures_are_of_the_type_that_went_in(wrap: Any, kind: type) -> None:
    first, second = wrap(SKY.copy()), wrap(SKY - 20)
    result = evensky.match([first, second], reference=0, bin_size=40)
    assert [type(one) for one in result.exposures] == [kind, kind]
    assert result.models[0] is None
    np.testing.assert_allclose(result.models[1].getImageF().array, 20, atol=1e-4)
    # What went in is as it was.
    untouched = getattr(second, "image", second)
    pixels = getattr(untouched, "array", getattr(untouched, "data", untouched))
    np.testing.assert_array_equal(np.asarray(pixels), SKY - 20)


def test_match_gives_the_task_s_bits() -> None:
    config = MatchBackgroundsConfig()
    config.update(binSize=40, gridStatistic="MEDIAN")
    science = ExposureF(MaskedImageF(ImageF(SKY - 20)))
    struct = MatchBackgroundsTask(config=config).matchBackgrounds(ExposureF(MaskedImageF(ImageF(SKY))), science)
    result = evensky.match([SKY, SKY - 20], 0, bin_size=40, statistic="median")
    np.testing.assert_array_equal(result.exposures[1], science.image.array)
    assert result.run.records[1].fit_rms == struct.fitRMS
    other = evensky.match([SKY, SKY - 20], 0, config=config)
    np.testing.assert_array_equal(other.exposures[1], science.image.array)
    assert config.binSize == 40
    series = evensky.match([SKY, SKY - 20], 0, config=config, order=1)
    assert series.run.config["usePolynomial"]
    assert series.run.records[1].model.startswith("Chebyshev order 1")


def test_the_best_one_is_the_reference(tmp_path: Path) -> None:
    noisy = SKY + RNG.normal(0, 30, SKY.shape).astype(np.float32)
    result = evensky.match([noisy, SKY, SKY[:50], noisy + 3], bin_size=40)
    assert result.reference == 1
    assert [record.status for record in result.run.records] == ["matched", "reference", "failed", "matched"]
    assert result.exposures[2] is None
    assert "different dimensions" in result.run.records[2].message
    assert result.table["status"].tolist() == ["matched", "reference", "failed", "matched"]
    assert "exposure 1" in result.run.reference
    assert result.write_report(tmp_path / "report.html").stat().st_size > 50_000
    assert len(result.plot().axes) == 1


def test_files_are_matched_too(tmp_path: Path) -> None:
    for index in range(2):
        write_exposure(ExposureF(MaskedImageF(ImageF(SKY + index))), tmp_path / f"{index}.fits")
    result = evensky.match([tmp_path / "0.fits", str(tmp_path / "1.fits"), tmp_path / "2.fits"], 0, bin_size=40)
    assert [record.label for record in result.run.records] == ["0", "1", "2"]
    np.testing.assert_allclose(result.exposures[1].image.array, SKY, atol=1e-4)
    assert "no such file" in result.run.records[2].message
    assert result.exposures[2] is None


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    files = [tmp_path / night / "sky.fits" for night in ("first", "second", "third")]
    for index, file in enumerate(files):
        file.parent.mkdir()
        write_exposure(ExposureF(MaskedImageF(ImageF(SKY + index))), file)
    for matched in (evensky.match(files, 1, bin_size=40), evensky.match_all([*files, SKY], reference=1)):
        assert [record.label for record in matched.run.records[:3]] == ["first_sky", "second_sky", "third_sky"]
        assert matched.reference == 1
        assert matched.run.records[1].status == "reference"


@pytest.mark.parametrize(
    ("exposures", "options", "kind", "words"),
    [
        ([], {}, InvalidParameterError, "There are 0 exposures"),
        ([SKY, SKY], {"reference": 2}, OutOfRangeError, "reference = 2; there are 2"),
        ([SKY, SKY], {"bin_size": 0}, InvalidParameterError, "binSize = 0"),
        ([SKY, SKY], {"statistic": "mode"}, InvalidParameterError, "gridStatistic = 'MODE'"),
        ([SKY, SKY], {"config": 3}, InvalidParameterError, "config is a int"),
        ([SKY * np.nan] * 2, {}, TaskError, "good pixels"),
        ([SKY * np.nan, SKY], {"reference": 0}, TaskError, "exposure 0: has no good pixel"),
        ([SKY.astype(complex)] * 2, {}, InvalidParameterError, "complex128"),
        (["nowhere.fits"], {}, TaskError, "None of the 1 exposures"),
        (["no\0where.fits", "nor\0here.fits"], {}, TaskError, "None of the 2 exposures"),
        (
            ["nowhere.fits", SKY, Path("nowhere.fits")],
            {},
            InvalidParameterError,
            "nowhere.fits is given more than once",
        ),
    ],
)
def test_bad_matches(exposures: list[Any], options: dict[str, Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        evensky.match(exposures, **options)


def test_a_boolean_mask_counts_whatever_planes_are_bad() -> None:
    data = [CCDData(np.where(BAD, 1e6, SKY + 3 * index), unit="adu", mask=BAD) for index in range(2)]
    result = evensky.match(data, 0, bin_size=40, bad_planes=["SAT"])
    assert result.run.records[1].good_fraction == pytest.approx(1 - BAD.mean())


def test_progress_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    evensky.match([SKY, SKY + 1], bin_size=40, progress=True)
    assert "matching" in capsys.readouterr().err


def test_names_of_files_will_do(tmp_path: Path) -> None:
    path = tmp_path / "sky.fits"
    image = MaskedImageF(ImageF(SKY.copy()))
    image.mask.array[:10] = image.mask.getPlaneBitMask("BAD")
    write_exposure(ExposureF(image), path)
    assert evensky.clipped_stats(path) == evensky.clipped_stats(image)
    assert evensky.clipped_stats(str(path)).n_masked == 10 * 160
    estimate = evensky.estimate_background(path, bin_size=40)
    np.testing.assert_array_equal(estimate.image.array, evensky.estimate_background(image, bin_size=40).image.array)
    with pytest.raises(FitsError, match="no such file"):
        evensky.clipped_stats(tmp_path / "nowhere.fits")


def test_the_reference_has_a_name(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.fits", "b.fits")]
    for index, file in enumerate(files):
        write_exposure(ExposureF(MaskedImageF(ImageF(SKY + index))), file)
    for match in (evensky.match, evensky.match_all):
        assert [match(files, name).reference for name in (files[1], str(files[1]), "b", 1, -1)] == [1] * 5
        assert match([SKY, SKY], "exposure 1").reference == 1
        with pytest.raises(OutOfRangeError, match=r"reference is 'c'; the exposures are a, b"):
            match(files, "c")
        with pytest.raises(InvalidParameterError, match=r"reference: 1\.5 is a float"):
            match(files, 1.5)


@pytest.mark.parametrize("match", [evensky.match, evensky.match_all])
def test_units_are_not_mixed(match: Any) -> None:
    """An exposure in another unit fails, and the others go on."""
    exposures = [(SKY + 1) * u.Jy, SKY * u.Jy, (SKY - 5) * 1000 * u.mJy, SKY - 3, (SKY + 5) * u.Unit("Jansky")]
    for reference in (0, None):
        result = match(exposures, reference)
        assert [record.status == "failed" for record in result.run.records] == [False, False, True, False, False]
        assert "is in mJy, and the reference in Jy; convert" in result.run.records[2].message
        assert result.exposures[2] is None
        assert result.reference != 2
        assert evensky.clipped_stats(result.exposures[4]).mean.unit == u.Jy
    # What has no unit, or one that nobody knows, is believed, and may be the reference.
    strange = [CCDData(SKY, unit=u.def_unit("bananas")), CCDData(SKY, unit="adu")]
    assert not match(strange, 0).run.failed
    noisy = RNG.normal(100, 100, SKY.shape)
    for odd in (noisy * u.adu, np.ones(SKY.shape) * u.adu):
        result = match([SKY, SKY + 1, SKY + 2, odd])
        assert not result.run.failed
        assert result.reference != 3


def test_units_are_not_mixed_among_those_to_a_reference_without_one() -> None:
    result = evensky.match_all([SKY, SKY * u.Jy, (SKY + 1) * u.Jy, SKY * 1000 * u.mJy], 0)
    assert [record.status for record in result.run.records] == ["reference", "matched", "matched", "failed"]
    assert "is in mJy" in result.run.records[3].message


def test_masks_of_long_integers(tmp_path: Path) -> None:
    bits = np.where(BAD, 2, 0)
    assert bits.dtype == np.int64
    for mask in (bits, bits.astype(np.uint64), bits.astype(">i8"), np.where(BAD, -1, 0), np.where(BAD, 2**32 - 1, 0)):
        assert evensky.clipped_stats(SKY, mask).n_masked == BAD.sum()
    for value in (2**32, -(2**31) - 1):
        with pytest.raises(OutOfRangeError, match=f"{value}.*Mask holds"):
            evensky.clipped_stats(SKY, np.where(BAD, value, 0))
