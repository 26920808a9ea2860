"""Matching in one call, to a reference or to each other: results of the same type as the data."""

from __future__ import annotations

import doctest
import functools
import html
import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
import tqdm.auto
from astropy import units
from astropy.nddata import CCDData, NDData, NDDataRef, StdDevUncertainty, VarianceUncertainty
from skies import BAD, BITS, RNG, SKY, ccd, check_ccd

import evensky
from evensky.calls.match import MatchAllResult
from evensky.errors import InvalidParameterError, NotFoundError, OutOfRangeError, TaskError
from evensky.image import ExposureF, ImageF, Mask, MaskedImageF
from evensky.io import write_exposure
from evensky.matching.joint.config import MatchAllConfig
from evensky.simulate import SimulatedExposure, make_bare_exposures
from evensky.tasks import MatchBackgroundsConfig, MatchBackgroundsTask


def test_bit_masks_come_back_with_the_names_of_their_planes() -> None:
    meta = {"OBJECT": "M 13", "MP_DUST": 20, "MP_SAT": 2}
    data = NDData(SKY.copy(), mask=BITS, meta=meta)
    result = evensky.match([data, data], 0, bin_size=40, bad_planes=["DUST", "SAT"])
    got = result.exposures[1]
    assert (type(got), got.meta) == (NDData, meta)
    np.testing.assert_array_equal(got.mask, BITS)
    assert result.run.records[1].good_fraction == pytest.approx(1 - (BITS != 0).mean())


def test_bits_of_ccd_data_are_their_flags() -> None:
    # CCDData converts every mask to booleans.
    holes = RNG.random(SKY.shape) < 0.05
    data = ccd(mask=holes, meta={"OBJECT": "M 13", "MP_DUST": 20, "MP_SAT": 2})
    data.flags = BITS
    assert evensky.image_statistics(data, bad_planes="DUST").n_masked == ((BITS >> 20 != 0) | holes).sum()
    result = evensky.match([data, data], 0, bin_size=40, bad_planes=["DUST", "SAT"])
    got = result.exposures[1]
    check_ccd(got, data)
    np.testing.assert_array_equal(got.flags, BITS)
    assert got.meta["MP_DUST"] == 20
    assert result.run.records[1].good_fraction == pytest.approx(1 - ((BITS != 0) | holes).mean())
    data.flags = BITS.astype(np.float32)  # not bits
    assert evensky.image_statistics(data).n_masked == holes.sum()


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
    # The input is unchanged.
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


def test_progress_is_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tqdm.auto.tqdm", functools.partial(tqdm.auto.tqdm, mininterval=0))  # even if the run is quick
    for match, name, steps in ((evensky.match, "looking at", 4), (evensky.match_all, "comparing", 6)):
        match([SKY, SKY + 1], bin_size=40, progress=True)
        shown = capsys.readouterr().err
        assert f"{name} exposure 1" in shown
        assert f"{steps}/{steps}" in shown
        match([SKY, SKY + 1], bin_size=40)
        assert capsys.readouterr().err == ""


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
        assert evensky.image_statistics(result.exposures[4]).mean.unit == u.Jy
    # An exposure without a known unit is assumed to agree with the others, and may be the reference.
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


Result = MatchAllResult


def matched(simulated: Sequence[SimulatedExposure], **options: Any) -> Result:
    return evensky.match_all([one.exposure for one in simulated], pictures=False, **options)


def names(result: Result) -> list[str]:
    return ["failed" if model is None else model.name for model in result.models]


def test_examples() -> None:
    assert doctest.testmod(importlib.import_module("evensky.calls.match")).failed == 0


# Types of exposures and results.


def test_types_come_back() -> None:
    rng = np.random.default_rng(9)
    arrays = [100 + 5 * i + rng.normal(0, 1, (64, 80)) for i in range(3)]
    made: dict[str, Callable[[np.ndarray], Any]] = {
        "array": lambda a: a,
        "float32": lambda a: a.astype(np.float32),
        "masked": lambda a: np.ma.MaskedArray(a, mask=np.eye(64, 80) > 0),
        "quantity": lambda a: a * units.adu,
        "ccd": lambda a: CCDData(a, unit="adu", uncertainty=StdDevUncertainty(np.ones_like(a))),
        "exposure": lambda a: ExposureF(MaskedImageF(ImageF(a.astype(np.float32)))),
    }
    for name, make in made.items():
        given = [make(array) for array in arrays]
        result = evensky.match_all(given, reference=0, pictures=False)
        assert [type(one) for one in result.exposures] == [type(one) for one in given], name
        assert names(result) == ["none", "constant", "constant"]
        assert [abs(float(model.coefficients[0])) for model in result.models[1:] if model] == pytest.approx(
            [5, 10], abs=0.2
        )
        assert (given[1].image.array if name == "exposure" else np.asarray(given[1]))[0, 0] == np.float32(
            arrays[1][0, 0]
        ) or name not in ("float32", "exposure")
    mixed = evensky.match_all([arrays[0], arrays[1].astype(np.float32), arrays[2].astype(np.int32)], pictures=False)
    assert [one.dtype for one in mixed.exposures] == [np.float64, np.float32, np.float64]


def test_variance_of_the_correction() -> None:
    simulated = make_bare_exposures(3, (128, 128), seed=10)
    for one in simulated:
        one.exposure.variance.array[...] = 100
        one.exposure.info.has_variance = True
    plain, added = matched(simulated, reference=0), matched(simulated, reference=0, add_variance=True)
    for index in (1, 2):
        model = plain.models[index]
        assert model is not None
        np.testing.assert_array_equal(plain.exposures[index].variance.array, 100)
        np.testing.assert_allclose(
            added.exposures[index].variance.array, 100 + model.sigma_image().astype(float) ** 2, rtol=1e-6
        )
        assert np.all(model.sigma_image() > 0)
    np.testing.assert_array_equal(simulated[1].exposure.variance.array, 100)


def test_the_same_bits_for_any_number_of_threads_and_again() -> None:
    simulated = make_bare_exposures(4, (200, 300), seed=11, halves=1)
    before = evensky.get_num_threads()
    try:
        results = []
        for threads in (1, 3, 3):
            evensky.set_num_threads(threads)
            results.append([one.image.array.tobytes() for one in matched(simulated).exposures])
    finally:
        evensky.set_num_threads(before)
    assert results[0] == results[1] == results[2]


def test_exposures_that_cannot_be_matched_do_not_stop_the_others(tmp_path: Path) -> None:
    rng = np.random.default_rng(13)
    good = [rng.normal(100 + i, 1, (80, 80)) for i in range(3)]
    blank = np.full((80, 80), np.nan)
    apart = ExposureF(MaskedImageF(ImageF(np.ones((80, 80), np.float32), xy0=(5000, 0))))
    result = evensky.match_all([*good, blank, apart, tmp_path / "nowhere.fits"], pictures=False)
    assert [record.status for record in result.run.records][3:] == ["failed"] * 3
    messages = [record.message for record in result.run.records]
    assert "no good pixel" in messages[3]
    assert "no bin that is good here and in any other" in messages[4]
    assert "no such file" in messages[5]
    assert result.exposures[3:] == [None] * 3
    assert [record.status for record in result.run.records[:3]].count("matched") == 2
    assert result.run.records[4].flags == ["NO_OVERLAP"]


def test_wrong_calls() -> None:
    image = np.zeros((64, 64))
    with pytest.raises(InvalidParameterError, match="There are 0 exposures"):
        evensky.match_all([])
    with pytest.raises(OutOfRangeError, match="reference = 3; there are 2 exposures"):
        evensky.match_all([image, image], reference=3)
    with pytest.raises(InvalidParameterError, match="middle"):
        evensky.match_all([image, image], level="middle")
    with pytest.raises(InvalidParameterError, match="bin_size"):
        evensky.match_all([image, image], bin_size=-1)
    with pytest.raises(InvalidParameterError, match="order"):
        evensky.match_all([image, image], order=99)
    with pytest.raises(InvalidParameterError, match="statistic"):
        evensky.match_all([image, image], statistic="mode")
    with pytest.raises(InvalidParameterError, match="config is a int"):
        evensky.match_all([image, image], config=3)  # type: ignore[arg-type]
    with pytest.raises(NotFoundError, match="NOPE"):
        evensky.match_all([image, image], bad_planes="NOPE")
    with pytest.raises(TaskError, match="cannot be the reference"):
        evensky.match_all([image, image * np.nan], reference=1)
    with pytest.raises(TaskError, match="None of the 2 "):
        evensky.match_all([image * np.nan, image * np.nan])


def test_a_configuration_and_keywords() -> None:
    config = MatchAllConfig()
    config.bin_size = 20
    result = evensky.match_all(
        [np.random.default_rng(1).normal(0, 1, (64, 64))] * 2, config=config, order=1, pictures=False
    )
    assert result.run.config["bin_size"] == 20
    assert result.run.config["order"] == 1
    assert config.order == 8


def test_report_and_table(tmp_path: Path) -> None:
    simulated = make_bare_exposures(4, (128, 128), seed=15)
    result = evensky.match_all([one.exposure for one in simulated], reference=1)
    table = result.table
    assert table.meta["method"] == "all"
    assert list(table["runner_up_bic"].filled(-1) > 0) == [True, False, True, True]
    assert table["partners"][0] == "exposure 1; exposure 2; exposure 3"
    page = result.write_report(tmp_path / "report.html").read_text()
    for words in ("matched to each other", "runner-up", "Chebyshev 2", "exposure 1 is unchanged", "outliers"):
        assert words in page
    assert page.count("the scores of the candidate models") == 3
    assert "4 of 4 exposures" in page
    assert "Chebyshev 2" in result._repr_html_()
    assert "Reference: exposure 1. It was named" in result._repr_html_()


@pytest.mark.parametrize(
    ("level", "tied"),
    [("mean", "the mean of all exposures is kept"), ("lowest", "all exposures are lowered to the lowest")],
)
def test_where_nothing_is_held_no_reference_is_named(tmp_path: Path, level: str, tied: str) -> None:
    simulated = make_bare_exposures(3, (128, 128), seed=15)
    result = evensky.match_all([one.exposure for one in simulated], level=level)
    assert result.run.summary.startswith(f"3 exposures, level {level}, ")
    start = f"Levels: {tied}. The best exposure: {result.run.reference}. It was chosen automatically: "
    assert result.run.choice.startswith(start)
    assert html.escape(result.run.choice) in result._repr_html_()
    page = result.write_report(tmp_path / "report.html").read_text()
    assert f"The best exposure: {result.run.reference}" in page
    assert "The reference:" not in page


@pytest.mark.parametrize("match", [evensky.match, evensky.match_all])
@pytest.mark.parametrize(
    "given",
    [
        {"masks": [BAD, BAD]},
        {"masks": [np.where(BAD, 16, 0)] * 2},
        {"masks": [Mask(np.where(BAD, 2, 0).astype(np.int32)), np.ma.MaskedArray(BAD & False, BAD)]},
        {"weights": [~BAD * 0.04, np.ma.MaskedArray(SKY, BAD)]},
        {"variances": [np.where(BAD, np.nan, 25), np.where(BAD, -1, 25)]},
        {"masks": [BAD, None], "variances": [None, np.where(BAD, np.inf, 25)]},
    ],
)
def test_planes_beside_the_exposures(match: Any, given: dict[str, Any]) -> None:
    exposures = [np.where(BAD, np.float32(1e6 + index), SKY - 20 * index) for index in range(2)]
    result = match(exposures, 0, bin_size=40, bad_planes=["SAT"], **given)
    assert [record.good_fraction for record in result.run.records] == [pytest.approx(1 - BAD.mean())] * 2
    np.testing.assert_allclose(result.exposures[1][~BAD], SKY[~BAD], atol=0.01)


def test_planes_take_the_place_of_those_of_a_file(tmp_path: Path) -> None:
    exposure = ExposureF(MaskedImageF(ImageF(SKY.copy())))
    exposure.mask.array[:60] = exposure.mask.getPlaneBitMask("BAD")
    write_exposure(exposure, tmp_path / "a.fits")
    result = evensky.match_all([tmp_path / "a.fits", SKY], 0, masks=[BAD, None])
    assert result.run.records[0].good_fraction == pytest.approx(1 - BAD.mean())


def test_planes_that_are_refused() -> None:
    for match in (evensky.match, evensky.match_all):
        for name in ("masks", "variances", "weights"):
            with pytest.raises(InvalidParameterError, match=f"There are 1 {name} for 2 exposures; give one for each"):
                match([SKY, SKY], **{name: [BAD]})
        with pytest.raises(InvalidParameterError, match="masks is a int; a sequence"):
            match([SKY, SKY], masks=3)
        result = match(
            [SKY, SKY, np.ma.MaskedArray(SKY, BAD)], 0, weights=[None, SKY * 0, None], masks=[None, None, BAD]
        )
        assert "weights: no value is positive and finite" in result.run.records[1].message
        assert "MaskedArray has a mask of its own" in result.run.records[2].message


def test_what_is_ignored_is_in_the_notes() -> None:
    zeros = ccd(uncertainty=StdDevUncertainty(np.zeros(SKY.shape)))
    result = evensky.match_all([zeros, ccd()], 0)
    notes = [*result.run.notes, *result.run.records[0].warnings]
    assert any("the uncertainty is ignored" in note for note in notes)
    assert result.run.records[0].good_fraction == pytest.approx(1 - BAD.mean())


@pytest.mark.parametrize("scale", [1e-29, 1.0, 1e20])
def test_variances_are_added_at_any_scale(scale: float) -> None:
    sigma = np.full(SKY.shape, 5 * scale, np.float32)
    data = [
        CCDData(RNG.normal(100 + index, 5, SKY.shape) * scale, unit="adu", uncertainty=StdDevUncertainty(sigma.copy()))
        for index in range(2)
    ]
    result = evensky.match_all(data, 0, bin_size=20, add_variance=True)
    got, model = result.exposures[1].uncertainty.array, result.models[1]
    assert model is not None
    added = model.sigma(np.arange(3.0), np.zeros(3)) ** 2
    np.testing.assert_allclose(got[0, :3], np.sqrt((5 * scale) ** 2 + added), rtol=1e-6)
    assert (got > sigma).all()
    np.testing.assert_array_equal(data[1].uncertainty.array, sigma)
    assert any("not used for expected errors" in note for note in result.run.notes) == (scale != 1)
    assert all(float(cell) != 0 for row in result.run.rows()[1] for cell in row[2:4])


def test_ccd_data_that_came_back_can_be_written(tmp_path: Path) -> None:
    result = evensky.match_all([ccd(), ccd()], 0, add_variance=True)
    result.exposures[1].write(tmp_path / "a.fits")
    again = CCDData.read(tmp_path / "a.fits")
    np.testing.assert_array_equal(again.data, result.exposures[1].data)
    np.testing.assert_array_equal(again.mask, BAD)
    np.testing.assert_array_equal(again.uncertainty.array, result.exposures[1].uncertainty.array)
    assert again.unit == u.adu


@pytest.mark.parametrize("match", [evensky.match, evensky.match_all])
def test_one_name_is_no_sequence_of_exposures(match: Any) -> None:
    with pytest.raises(InvalidParameterError, match=r"'a\.fits' is one name.*put it into a list: \['a\.fits'\]"):
        match("a.fits")
