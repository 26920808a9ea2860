"""The variance that the corrections of matched exposures add to their combination."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

import evensky
from evensky.combining.corrections import labels_in
from evensky.errors import FitsError, InvalidParameterError
from evensky.image import ExposureF, MaskedImageF
from evensky.io import read_exposure, write_exposure

SHAPE = 160, 200


def exposures(number=4, wcs=True):
    random = np.random.default_rng(5)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] / 100
    made = []
    for n in range(number):
        exposure = ExposureF(MaskedImageF(SHAPE[1], SHAPE[0]))
        exposure.image.array[...] = random.normal(100 + n + 0.3 * n * x - 0.2 * n * y, 5)
        exposure.variance.array[...] = 25
        if wcs:
            own = WCS(naxis=2)
            own.wcs.ctype, own.wcs.crval, own.wcs.cdelt = ("RA---TAN", "DEC--TAN"), (150, 2), (-1e-4, 1e-4)
            own.wcs.crpix = 90 - 6 * n, 80 + 4 * n
            exposure.info.wcs = own
        made.append(exposure)
    return made


@pytest.fixture(scope="module")
def matched():
    return evensky.match_all(exposures(), 0, bin_size=20, pictures=False)


def added(matched, **options):
    plain = evensky.combine(matched.exposures, **options).exposure.variance.array
    result = evensky.combine(matched.exposures, covariance=matched.run.covariance, **options)
    return result.exposure.variance.array - plain, result


def test_the_variance_of_the_mean_correction_is_added(matched):
    difference, result = added(matched, statistic="mean")
    covariance = matched.run.covariance.of_noise()
    # The first exposure is at (0, 12) of the grid, and at (0, 0) of the common one.
    assert result.records[0].placed == "shifted by (0, 12) px"
    boxes = [(6 * n, 12 - 4 * n, 200, 160) for n in range(4)]
    field = covariance.over(boxes, np.ones(4)).image(difference.shape)
    assert np.nanmax(np.abs(difference - field)) < 1e-5
    # Between the nodes of the field, it is interpolated.
    x, y = np.array([60, 100, 140]), np.array([60, 90, 110])
    want = covariance.at(x, y - 12, np.ones(4))
    np.testing.assert_allclose(difference[y, x], want, rtol=0.1, atol=0.02 * np.abs(want).max())
    assert np.nanmax(difference) > 1e-3


def test_weights_are_the_shares(matched):
    equal, _ = added(matched, statistic="mean")
    unequal, _ = added(matched, statistic="mean", weighting=[100, 1, 1, 1])
    assert np.nanmean(np.abs(equal - unequal)) > 0.1 * np.nanmean(np.abs(equal))
    # All variances are equal, and so are the shares.
    by_variance, _ = added(matched, statistic="mean", weighting="variance")
    np.testing.assert_allclose(by_variance, equal, atol=2e-6)


def test_the_order_is_that_of_the_match(matched):
    with pytest.raises(InvalidParameterError, match="covariance has 4 exposures and 3 are given"):
        evensky.combine(matched.exposures[:3], covariance=matched.run.covariance)
    labels = matched.run.covariance.labels
    some = evensky.combine(matched.exposures[1:], covariance=matched.run.covariance.select(labels[1:]))
    assert some.exposure.variance.array[80, 100] > 0


def test_labels_of_outputs_are_those_of_their_exposures(matched):
    covariance = matched.run.covariance.labelled(["a", "b[SCI,2]", "c_matched", "d"])
    assert labels_in(covariance, ["a_matched", "b_matched[SCI,2]", "c_matched"]) == ["a", "b[SCI,2]", "c_matched"]
    assert labels_in(covariance, ["a", "e"]) is None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("match")
    paths = []
    for n, exposure in enumerate(exposures()):
        paths.append(folder / f"e{n}.fits")
        write_exposure(exposure, paths[-1])
    run = evensky.match_files(paths, folder / "out", reference=paths[0], report=False)
    run.covariance.save(
        folder / "out" / "matched.covariance.fits",
        digests={record.label: record.output_digest for record in run.records},
    )
    return folder, run


def variance_of(path):
    return read_exposure(path).variance.array


def test_outputs_of_a_match_bring_it_along(folder, tmp_path):
    folder, run = folder
    outputs = sorted((folder / "out").glob("*_matched.fits"))
    found = evensky.combine_files(outputs, tmp_path / "a.fits", statistic="mean")
    given = evensky.combine_files(outputs, tmp_path / "b.fits", statistic="mean", covariance=run.covariance)
    by_path = folder / "out" / "matched.covariance.fits"
    evensky.combine_files(outputs, tmp_path / "c.fits", statistic="mean", covariance=by_path, max_memory="200kB")
    evensky.combine_files(outputs, tmp_path / "d.fits", statistic="mean", covariance=False)
    with_it, without = variance_of(found.output), variance_of(tmp_path / "d.fits")
    np.testing.assert_allclose(with_it, variance_of(given.output), rtol=1e-5)
    assert np.array_equal(with_it, variance_of(tmp_path / "c.fits"), equal_nan=True)
    x, y = np.array([20, 100, 190]), np.array([30, 90, 60])
    want = run.covariance.of_noise().at(x, y - 12, np.ones(4))
    np.testing.assert_allclose((with_it - without)[y, x], want, rtol=0.15, atol=0.05 * np.abs(want).max())
    assert fits.getheader(found.output)["EVS_COVA"] is True
    assert "EVS_COVA" not in fits.getheader(tmp_path / "d.fits")


def test_exposures_of_no_match_have_none(folder, tmp_path):
    folder, run = folder
    inputs = sorted(folder.glob("e?.fits"))
    made = evensky.combine_files(inputs, tmp_path / "a.fits")
    assert "EVS_COVA" not in fits.getheader(made.output)
    with pytest.raises(InvalidParameterError, match=r"combine exposures of one match, or leave it out"):
        evensky.combine_files(inputs[:2], tmp_path / "b.fits", covariance=run.covariance.labelled(list("pqrs")))
    with pytest.raises(InvalidParameterError, match="covariance is 3"):
        evensky.combine_files(inputs[:2], tmp_path / "b.fits", covariance=3)


def test_files_that_changed_since_the_match_are_noticed(folder, tmp_path):
    folder, _ = folder
    copies = tmp_path / "copies"
    copies.mkdir()
    for path in sorted((folder / "out").glob("*matched*.fits"), reverse=True):
        (copies / path.name).write_bytes(path.read_bytes())  # each later than the covariance, or as old
    outputs = sorted(copies.glob("*_matched.fits"))
    evensky.combine_files(outputs, tmp_path / "a.fits")
    fits.setval(outputs[1], "OBSERVER", value="someone")
    with pytest.raises(FitsError, match="belongs to another file of the exposure e1"):
        evensky.combine_files(outputs, tmp_path / "b.fits")
    # The input of an exposure has its label, and is not the output to which the covariance belongs.
    mixed = [folder / "e0.fits", *sorted((folder / "out").glob("*_matched.fits"))[1:]]
    with pytest.raises(FitsError, match="belongs to another file of the exposure e0"):
        evensky.combine_files(mixed, tmp_path / "b.fits", covariance=folder / "out" / "matched.covariance.fits")
    extra = copies / "f_matched.fits"
    extra.write_bytes(outputs[0].read_bytes())
    run = evensky.combine_files([outputs[0], extra], tmp_path / "c.fits")
    assert any("is not used, as they are not all outputs of its match" in note for note in run.notes)
