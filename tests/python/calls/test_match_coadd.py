"""Coadds of exposures that were matched in one call."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData, StdDevUncertainty

import evensky
from evensky.errors import InvalidParameterError, TaskError
from evensky.image import ExposureF
from evensky.simulate import make_exposures

RNG = np.random.default_rng(5)
SCENE = RNG.normal(0, 3, (200, 260))
LEVELS = (100.0, 130.0, 88.0, 104.0)


def arrays() -> list[np.ndarray]:
    """Make exposures of one scene under different skies."""
    rng = np.random.default_rng(6)
    return [(SCENE + level + rng.normal(0, 2, SCENE.shape)).astype(np.float32) for level in LEVELS]


@pytest.mark.parametrize("match", [evensky.match, evensky.match_all])
def test_a_coadd_is_that_of_the_matched_exposures(match) -> None:
    result = match(arrays(), 0)
    coadd = result.coadd(statistic="mean")
    expected = np.mean([one.astype(float) for one in result.exposures], axis=0)
    np.testing.assert_allclose(coadd.exposure.image.array, expected, rtol=1e-6)
    assert [record.label for record in coadd.records] == [record.label for record in result.run.records]
    assert abs(np.mean(coadd.exposure.image.array - SCENE) - LEVELS[0]) < 0.2


def test_masks_variances_and_weights_of_the_match_count() -> None:
    images = arrays()
    bad = RNG.random((4, *SCENE.shape)) < 0.1
    for image, mask in zip(images, bad, strict=True):
        image[mask] = 9999
    variances = [np.full(SCENE.shape, 4.0 + n, np.float32) for n in range(4)]
    result = evensky.match_all(images, masks=list(bad), variances=variances)
    coadd = result.coadd(statistic="mean", weighting="variance")
    assert np.nanmax(coadd.exposure.image.array) < 300
    np.testing.assert_array_equal(coadd.number, (~bad).sum(axis=0))
    shares = np.where(bad, 0, 1 / np.array(variances))
    some = coadd.number > 0
    np.testing.assert_allclose(coadd.weight[some], shares.sum(axis=0)[some], rtol=1e-5)
    assert coadd.exposure.info.has_variance
    # Weights are inverse variances.
    by_weights = evensky.match_all(images, masks=list(bad), weights=[1 / one for one in variances]).coadd()
    assert by_weights.exposure.info.has_variance


def test_sources_are_in_a_coadd_though_the_match_left_them_out() -> None:
    exposures = [one.exposure for one in make_exposures(3, (256, 256), seed=8)]
    detected = exposures[0].mask.array & exposures[0].mask.getPlaneBitMask("DETECTED") != 0
    result = evensky.match_all(exposures)
    for options in ({}, {"bad_planes": ["BAD", "NO_DATA", "CR"]}):
        assert np.mean(result.coadd(**options).number[detected]) > 2.5
    named = evensky.match_all(exposures, bad_planes=["BAD", "NO_DATA", "DETECTED"])
    assert np.mean(named.coadd().number[detected]) > 2.5
    assert named.coadd(bad_planes="DETECTED").number[detected].max() < 3
    # Planes that the match was told to reject are rejected here, too.
    only_bad = evensky.match_all(exposures, bad_planes="BAD").coadd()
    assert only_bad.number.sum() > result.coadd().number.sum()


def test_an_exposure_that_failed_is_left_out() -> None:
    images = arrays()
    images[1] = np.full_like(images[1], np.nan)
    result = evensky.match_all(images)
    assert result.run.records[1].status == "failed"
    coadd = result.coadd(statistic="mean", weighting=[1, 5, 1, 2])
    assert [record.label for record in coadd.records] == ["exposure 0", "exposure 2", "exposure 3"]
    assert coadd.weight.max() == 4
    with pytest.raises(InvalidParameterError, match="3 numbers for 4 exposures"):
        result.coadd(weighting=[1, 1, 2])
    result.exposures[:] = [None] * 4
    with pytest.raises(TaskError, match="None of the 4 exposures was matched"):
        result.coadd()


def test_files_keep_their_own_planes_or_those_that_were_given(tmp_path: Path) -> None:
    paths = []
    for number, image in enumerate(arrays()):
        paths.append(tmp_path / f"e{number}.fits")
        fits.PrimaryHDU(image).writeto(paths[-1])
    bad = np.zeros((4, *SCENE.shape), bool)
    bad[2, 50:60] = True
    coadd = evensky.match_all(paths, masks=list(bad)).coadd()
    assert (coadd.number[52] < 4).all()
    assert [record.path for record in coadd.records] == [str(path) for path in paths]


def test_other_objects(tmp_path: Path) -> None:
    data = [
        CCDData(image, unit="adu", uncertainty=StdDevUncertainty(np.full(image.shape, 2.0)), meta={"EXPTIME": 30.0})
        for image in arrays()
    ]
    coadd = evensky.match_all(data).coadd(statistic="mean")
    assert isinstance(coadd.exposure, ExposureF)
    assert coadd.unit == "adu"
    assert coadd.exposure_time is not None
    assert coadd.exposure_time.max() == 120
    variance = coadd.exposure.variance.array
    assert np.all(variance >= 1.0 - 1e-6)  # four exposures of variance 4, and the models' errors
    assert np.median(variance) < 1.1


def test_variances_of_models_are_not_added_twice() -> None:
    images = [image[:64, :64] for image in arrays()]
    data = [CCDData(image, unit="adu", uncertainty=StdDevUncertainty(np.full(image.shape, 2.0))) for image in images]
    found = {}
    for added in (False, True):
        result = evensky.match_all(data, add_variance=added, statistic="mean", bin_size=16)
        coadd = result.coadd(statistic="mean")
        found[added] = float(coadd.exposure.variance.array.mean())
        assert any("add_variance" in note for note in coadd.notes) == added
        if added:
            plain = evensky.combine(result.exposures, statistic="mean")
            np.testing.assert_array_equal(coadd.exposure.variance.array, plain.exposure.variance.array)
        else:
            assert result.run.covariance is not None
    assert 1.0 < found[True] < 1.01
    assert abs(found[True] / found[False] - 1) < 0.01


def test_options_that_the_match_gives_are_refused() -> None:
    result = evensky.match(arrays(), 0)
    for name in ("masks", "covariance"):
        with pytest.raises(InvalidParameterError, match=f"coadd has no option '{name}'; the match gives it"):
            result.coadd(**{name: None})
    with pytest.raises(InvalidParameterError, match="no option 'statistics'; its options are statistic, sigma, rounds"):
        result.coadd(statistics="mean")
    with pytest.raises(InvalidParameterError, match="it must be one of mean, median, meanclip"):
        result.coadd(statistic="mode")


def test_a_coadd_says_that_its_variance_lacks_the_errors_of_models() -> None:
    variances = [np.full(SCENE.shape, 4, np.float32)] * len(LEVELS)
    results = [
        evensky.match(arrays(), 0, variances=variances),
        evensky.match_all(arrays(), 0, variances=variances),
        evensky.match(arrays(), 0),
    ]
    told = [[note for note in one.coadd().notes if "the errors of the models" in note] for one in results]
    assert [len(notes) for notes in told] == [1, 0, 0]
    assert "--method all" in told[0][0]
