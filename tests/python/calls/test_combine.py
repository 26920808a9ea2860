"""Combination of exposures in memory."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData, StdDevUncertainty, VarianceUncertainty
from astropy.wcs import WCS

import evensky
from evensky.errors import InvalidParameterError, NotFoundError, TaskError, UnsuitableError
from evensky.geom import Point2I
from evensky.image import ExposureF, FilterLabel, MaskedImageF


def exposures(number=9, shape=(60, 80), seed=1):
    return np.random.default_rng(seed).normal(100, 5, (number, *shape)).astype(np.float32)


def exposure_at(x0, y0, value, time=None):
    made = ExposureF(MaskedImageF(80, 60))
    made.image.array[...] = value
    made.variance.array[...] = 4
    made.setXY0(Point2I(x0, y0))
    if time is not None:
        made.metadata["EXPTIME"] = time
    return made


def test_arrays():
    cube = exposures()
    cube[4, 10, 20] = 9999
    result = evensky.combine(cube, statistic="meanclip")
    assert result.number[10, 20] == 8
    assert result.rejected[10, 20] == 1
    assert abs(result.exposure.image.array[10, 20] - np.delete(cube[:, 10, 20], 4).mean()) < 1e-4
    assert not result.exposure.info.has_variance
    assert result.exposure_time is None
    assert result.exposure.getXY0() == Point2I(0, 0)
    assert cube[4, 10, 20] == 9999


@pytest.mark.parametrize(("statistic", "function"), [("mean", np.mean), ("median", np.median)])
def test_statistics(statistic, function):
    cube = exposures()
    result = evensky.combine(list(cube), statistic=statistic)
    np.testing.assert_allclose(result.exposure.image.array, function(cube.astype(float), axis=0), rtol=1e-6)


def test_exposures_at_different_places():
    made = [exposure_at(3 * n, -n, n, 30.0 * (n + 1)) for n in range(3)]
    result = evensky.combine(made, statistic="mean", weighting=[1, 1, 2])
    image = result.exposure.image.array
    assert image.shape == (62, 86)
    assert result.exposure.getXY0() == Point2I(0, -2)
    assert np.isnan(image[0, 0])
    assert result.exposure.mask.array[0, 0] == result.exposure.mask.getPlaneBitMask("NO_DATA")
    assert image[30, 1] == 0
    assert image[30, 40] == (0 + 1 + 2 * 2) / 4
    assert result.exposure.variance.array[30, 40] == pytest.approx(4 * (1 + 1 + 4) / 16)
    assert result.weight[30, 40] == 4
    assert result.exposure_time[30, 40] == 180
    assert result.exposure_time[30, 1] == 30
    assert [record.placed for record in result.records] == [f"shifted by ({3 * n}, {2 - n}) px" for n in range(3)]
    assert [record.weight for record in result.records] == [1, 1, 2]


@pytest.mark.parametrize(("keyword", "value"), [("EXPOSURE", 30), ("XPOSURE", "30.0"), ("EFFEXPTM", 30.0)])
def test_exposure_times_are_those_of_files(keyword, value):
    made = [CCDData(plane, unit="adu", meta={keyword: value}) for plane in exposures(2)]
    result = evensky.combine(made, statistic="mean")
    assert [record.exposure_time for record in result.records] == [30.0, 30.0]
    assert (result.exposure_time == 60).all()


def test_masks_and_errors_of_ccddata():
    cube = exposures(3)
    mask = np.zeros(cube[0].shape, bool)
    mask[:30] = True
    made = [
        CCDData(
            image, unit="adu", mask=mask if n == 0 else None, uncertainty=StdDevUncertainty(np.full_like(image, n + 1))
        )
        for n, image in enumerate(cube)
    ]
    result = evensky.combine(made, statistic="mean", weighting="variance")
    assert result.unit == "adu"
    assert result.exposure.metadata["BUNIT"] == "adu"
    assert result.records[0].masked_fraction == 0.5
    weights = np.array([1, 1 / 4, 1 / 9])
    np.testing.assert_allclose(result.exposure.image.array[40, 5], weights @ cube[:, 40, 5] / weights.sum(), rtol=1e-6)
    np.testing.assert_allclose(result.exposure.variance.array[40, 5], 1 / weights.sum(), rtol=1e-6)
    np.testing.assert_allclose(result.exposure.variance.array[5, 5], 1 / weights[1:].sum(), rtol=1e-6)


def test_sources_stay_unless_they_are_chosen():
    made = [exposure_at(0, 0, n) for n in range(3)]
    made[0].mask.array[5, 5] = made[0].mask.getPlaneBitMask("DETECTED")
    result = evensky.combine(made, statistic="mean")
    assert result.number[5, 5] == 3
    assert result.exposure.mask.array[5, 5] == made[0].mask.getPlaneBitMask("DETECTED")
    assert evensky.combine(made, statistic="mean", bad_planes="DETECTED").number[5, 5] == 2
    with pytest.raises(NotFoundError, match="NOPE"):
        evensky.combine(made, bad_planes="NOPE")


def test_planes_beside_the_data():
    cube = exposures(2)
    mask = np.zeros(cube[0].shape, bool)
    mask[0, 0] = True
    result = evensky.combine(cube, masks=[mask, None], weights=[np.full_like(cube[0], 0.25)] * 2, statistic="mean")
    assert result.exposure.image.array[0, 0] == cube[1, 0, 0]
    assert result.exposure.variance.array[0, 0] == 4
    assert result.exposure.variance.array[1, 1] == 2


def test_the_wcs_of_the_result_is_that_of_the_grid():
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.crval, wcs.wcs.cdelt = (150, 2), (-1e-4, 1e-4)
    made = []
    for shift in (0, 4):
        own = wcs.deepcopy()
        own.wcs.crpix = 40 - shift, 30
        made.append(CCDData(exposures(1)[0], unit="adu", wcs=own))
    result = evensky.combine(made)
    assert result.number.shape == (60, 84)
    star = made[1].wcs.pixel_to_world_values(10, 20)
    np.testing.assert_allclose(result.exposure.wcs.world_to_pixel_values(*star), (14, 20), atol=1e-6)
    assert evensky.combine(made, same_grid=True).number.shape == (60, 80)


def test_units_must_agree():
    cube = exposures(2)
    with pytest.raises(UnsuitableError, match="units differ"):
        evensky.combine([CCDData(cube[0], unit="adu"), CCDData(cube[1], unit="Jy")])
    # The function has no option that allows them.
    with pytest.raises(UnsuitableError, match=r"convert them to one unit first$"):
        evensky.combine([CCDData(image, unit=unit) for image, unit in zip(cube, ("adu", "electron"), strict=True)])


def test_an_exposure_that_fails_does_not_stop_the_others():
    cube = exposures(3)
    result = evensky.combine([cube[0], np.zeros((2, 3, 4)), cube[2]], statistic="mean", weighting=[1, 5, 3])
    assert [record.status for record in result.records] == ["combined", "failed", "combined"]
    assert "shape (2, 3, 4)" in result.records[1].message
    np.testing.assert_allclose(result.exposure.image.array, (cube[0] + 3 * cube[2]) / 4, rtol=1e-6)
    assert "1 failed" in repr(result)
    assert "shape (2, 3, 4)" in str(result)
    assert result.table["status"].tolist() == ["combined", "failed", "combined"]
    assert result.table["masked_fraction"].mask.tolist() == [False, True, False]


def test_nothing_to_combine(tmp_path):
    with pytest.raises(InvalidParameterError, match="There are 0 exposures"):
        evensky.combine([])
    with pytest.raises(InvalidParameterError, match="shape"):
        evensky.combine([np.zeros((2, 3, 4))])
    with pytest.raises(TaskError, match=r"None of the 1 exposures can be used: .*nope"):
        evensky.combine([str(tmp_path / "nope.fits")])


def test_the_result_shows_itself():
    result = evensky.combine(exposures(3))
    assert "<table>" in result._repr_html_()
    assert "data:image/png" in result._repr_html_()
    assert result.plot().axes[0].get_title() == "combined"
    assert result.summary == "3 exposures combined (meanclip), 0 failed, 80 x 60 px"


def test_threads_give_the_same_bits():
    cube = exposures(5, (200, 150))
    one, four = (evensky.combine(cube, num_threads=number) for number in (1, 4))
    assert np.array_equal(one.exposure.image.array, four.exposure.image.array)


def test_what_lacks_variances_or_good_pixels_is_told():
    cube = exposures(3)
    made = [CCDData(image, unit="adu", uncertainty=StdDevUncertainty(np.ones(image.shape))) for image in cube]
    assert evensky.combine(made).notes == []
    made[1].uncertainty = None
    (note,) = evensky.combine(made).notes
    assert note == "the result has no variance: there are no variances of exposure 1"
    assert evensky.combine(cube).notes == []  # nobody gave any
    cube[2] = np.nan
    (note,) = evensky.combine(cube).notes
    assert note == "no pixel of exposure 2 is good, so it adds nothing"
    with pytest.raises(TaskError, match="no pixel of any exposure is good"):
        evensky.combine(cube * np.nan)


def test_one_name_is_not_a_sequence_of_names(tmp_path):
    for call in (evensky.combine, lambda name: evensky.combine_files(name, tmp_path / "coadd.fits")):
        with pytest.raises(InvalidParameterError, match=r"'a\.fits' is one name.*\['a\.fits'\]"):
            call("a.fits")


def test_arrays_of_different_shapes():
    with pytest.raises(UnsuitableError, match=r"shapes differ, \(60, 80\) and \(50, 80\).*exposure 0 has no WCS"):
        evensky.combine([np.ones((60, 80)), np.ones((50, 80))])


def test_different_levels_are_told() -> None:
    rng = np.random.default_rng(4)
    scene = 50 * rng.random((90, 120))
    even = [scene + rng.normal(0, 2, scene.shape) for _ in range(5)]
    masked = [np.ma.MaskedArray(one, rng.random(scene.shape) < 0.05) for one in even]
    masked[1].data[masked[1].mask] = 1e6
    tilted = [one + 9 * number for number, one in enumerate(masked)]
    for exposures, told in ((even, False), (masked, False), (tilted, True), (even[:1], False)):
        notes = [note for note in evensky.combine(exposures, statistic="mean").notes if "levels" in note]
        assert bool(notes) == told
        if told:
            assert notes[0].startswith("the levels of the exposures differ by 3")
            assert "evensky match" in notes[0]


def test_the_share_of_noise_that_is_clipped_is_told() -> None:
    images = np.random.default_rng(4).normal(0, 1, (6, 90, 120))
    (note,) = evensky.combine(list(images)).notes
    assert note.startswith("of 6 exposures, clipping rejects 4.")
    assert note.endswith("from few pixels")
    (note,) = evensky.combine(list(images), variances=list(np.ones_like(images))).notes
    assert note.endswith("; the variance takes that into account")
    assert evensky.combine(list(images), statistic="mean").notes == []
    assert evensky.combine(list(images[:2])).notes == []


def test_filters_must_agree(tmp_path):
    cube = exposures(3)
    named = [CCDData(plane, unit="adu", meta={"FILTER": name}) for plane, name in zip(cube, "rgr", strict=True)]
    with pytest.raises(UnsuitableError, match=r"filters differ \(r: exposure 0 and exposure 2; g: exposure 1\)"):
        evensky.combine(named)
    assert evensky.combine(named[::2]).notes == evensky.combine(list(cube[::2])).notes
    result = evensky.combine(named, allow=["filters"])
    assert any("filters differ" in note for note in result.notes)
    with pytest.raises(InvalidParameterError, match=r"allow holds 'filter'; what can be allowed is 'filters'"):
        evensky.combine(named, allow=["filter"])
    labelled = [ExposureF(MaskedImageF(4, 4)) for _ in range(2)]
    for exposure, band in zip(labelled, "gi", strict=True):
        exposure.setFilter(FilterLabel(band=band))
    with pytest.raises(UnsuitableError, match="filters differ"):
        evensky.combine(labelled)
    for plane, name in zip(cube[:2], "gr", strict=True):
        fits.writeto(tmp_path / f"{name}.fits", plane, fits.Header({"FILTER": name}))
    with pytest.raises(UnsuitableError, match="filters differ"):
        evensky.combine([tmp_path / "g.fits", tmp_path / "r.fits"])


def test_a_result_as_ccddata():
    cube = exposures(4)
    cube[:, 5, 6] = np.nan
    wcs = WCS(naxis=2)
    given = [
        CCDData(plane, unit="electron", uncertainty=VarianceUncertainty(np.full(plane.shape, 4.0)), wcs=wcs)
        for plane in cube
    ]
    result = evensky.combine(given, statistic="mean")
    made = result.to_ccddata()
    assert made.unit == "electron"
    np.testing.assert_array_equal(made.data, result.exposure.image.array)
    np.testing.assert_array_equal(np.argwhere(made.mask), [[5, 6]])
    assert made.flags[5, 6] == result.exposure.mask.getPlaneBitMask("NO_DATA")
    np.testing.assert_array_equal(made.uncertainty.array[0], np.ones(made.shape[1]))
    assert made.meta["NCOMBINE"] == 4
    again = evensky.combine([made, made.copy()], statistic="mean")  # it is what evensky takes
    assert again.number[5, 6] == 0
    assert again.number.max() == 2
    plain = evensky.combine(list(cube)).to_ccddata()
    assert plain.uncertainty is None
    assert str(plain.unit) == ""


@pytest.mark.parametrize(
    ("given", "unit"), [("ADU", "adu"), ("counts", "adu"), ("DN", "DN"), ("MJy/sr", "MJy / sr"), ("our flux", "")]
)
def test_a_result_as_ccddata_with_a_unit_as_files_name_it(given, unit):
    """Units that astropy does not know were an error if there were variances."""
    made = [exposure_at(0, 0, n) for n in range(3)]
    for exposure in made:
        exposure.metadata["BUNIT"] = given
    result = evensky.combine(made, statistic="mean").to_ccddata()
    assert str(result.unit) == unit
    assert result.uncertainty.unit == result.unit**2
    assert result.meta["BUNIT"] == given


def test_exposures_of_very_different_noise_are_told():
    noise = np.array([2, 2, 2, 9, 20])[:, None, None]
    cube = np.random.default_rng(5).normal(700, noise, (5, 60, 90)).astype(np.float32)
    variances = np.broadcast_to(noise**2, cube.shape).astype(np.float32)

    def notes(number=5, **options):
        found = evensky.combine(list(cube[:number]), variances=list(variances[:number]), **options).notes
        return [note for note in found if "times that of" in note]

    for statistic in ("median", "meanclip"):
        (note,) = notes(statistic=statistic)
        factor = float(note.removeprefix("the noise of exposure 4 is ").split()[0])
        assert 8 < factor < 14
        assert f"the variances of a {statistic} may be wrong" in note
        assert 'use statistic "mean" with weighting "variance"' in note
    assert len(notes(weighting=[2] * 5)) == 1
    assert notes(weighting=[2, 2, 2, 2, 1]) == []
    assert notes(3, statistic="median") == []
    assert notes(statistic="mean") == []
    assert notes(weighting="variance") == []


def test_an_exposure_that_is_there_twice_is_told():
    cube = np.random.default_rng(5).normal(700, 10, (4, 60, 90)).astype(np.float32)
    assert not any("same noise" in note for note in evensky.combine(cube).notes)
    x = np.linspace(-1, 1, 90, dtype=np.float32)
    twice = evensky.combine([*cube, cube[2] + 30 * x**2])
    (note,) = [note for note in twice.notes if "same noise" in note]
    assert note.startswith("exposure 2 and exposure 4 have the same noise")
    assert "variance" not in note  # as there is none
    assert note.endswith("leave out all but one of them")


def test_a_mask_plane_that_does_not_exist_is_an_error_of_the_call():
    with pytest.raises(NotFoundError, match=r"^There is no mask plane 'FOO'"):
        evensky.combine([ExposureF(MaskedImageF(4, 4)) for _ in range(2)], bad_planes="CR,FOO")
