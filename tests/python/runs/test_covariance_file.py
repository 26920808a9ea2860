"""The covariance of the models of a run: in memory, in its file, on the sky, and after a division by the throughput."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from dithered_scenes import gradients
from small_runs import make_config, make_exposure, write_items

import evensky
from evensky.errors import FitsError
from evensky.runs.covariance_file import read_covariance, write_covariance

LEVELS = (100, 150, 160)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("exposures")
    return [item.path for item in write_items(folder, *map(make_exposure, LEVELS)) if item.path is not None]


def test_a_run_over_files_leaves_its_covariance(files: list[Path], tmp_path: Path) -> None:
    run = evensky.match_files(files, tmp_path, report=False)
    assert run.covariance is not None
    assert run.covariance.labels == tuple(record.label for record in run.records)
    outputs = {record.label: record.output for record in run.records}
    found = read_covariance(tmp_path, outputs)
    number = len(files)
    np.testing.assert_array_equal(
        found.variance_of_mean(np.ones(number)), run.covariance.variance_of_mean(np.ones(number))
    )
    first = (tmp_path / "matched.covariance.fits").read_bytes()
    evensky.match_files(files, tmp_path, report=False, overwrite=True, workers=2)
    assert (tmp_path / "matched.covariance.fits").read_bytes() == first
    label, output = next(iter(outputs.items()))
    with fits.open(str(output), mode="update") as hdus:
        hdus[0].header["OBJECT"] = "changed"
    with pytest.raises(FitsError, match=f"belongs to another file of the exposure {label}"):
        read_covariance(tmp_path, outputs)
    read_covariance(tmp_path / "matched.covariance.fits")
    with pytest.raises(FitsError, match="cannot be read"):
        read_covariance(tmp_path, {label: tmp_path / "none"})
    # A match to one reference has none, and no earlier file stays.
    again = evensky.match_files(files, tmp_path, config=make_config("reference"), report=False, overwrite=True)
    assert again.covariance is None
    assert not (tmp_path / "matched.covariance.fits").exists()


def test_exposures_that_failed_are_left_out(files: list[Path], tmp_path: Path) -> None:
    run = evensky.match_files(files, tmp_path, report=False)
    assert run.covariance is not None
    run.records[1].status = "failed"
    found = read_covariance(write_covariance(run, tmp_path))
    kept = [record.label for record in run.records if record.status != "failed"]
    assert found.labels == tuple(kept)
    shares = np.ones(len(kept))
    np.testing.assert_array_equal(found.variance_of_mean(shares), run.covariance.select(kept).variance_of_mean(shares))


def test_models_on_the_sky_have_their_variance_at_their_pixels() -> None:
    scene = gradients(3, number=4, side=384)
    result = evensky.match_all(scene.exposures, level="reference")
    covariance = pickle.loads(pickle.dumps(result.run.covariance))
    assert covariance.plane
    height, width = scene.exposures[0].image.array.shape
    x, y = np.meshgrid(np.linspace(5, width - 6, 6), np.linspace(5, height - 6, 6))
    for number, (model, exposure) in enumerate(zip(result.models, scene.exposures, strict=True)):
        assert model is not None
        on_plane = covariance.to_common(exposure.getWcs())(x, y)
        alone = covariance.at(*on_plane, np.eye(4)[number], alone=True)
        expected = model.sigma(x.ravel(), y.ravel()).reshape(x.shape) ** 2
        seen = np.isfinite(alone)
        assert seen.mean() > 0.7  # bins at the edges may have too few pixels
        np.testing.assert_allclose(alone[seen], expected[seen], rtol=0.02, atol=1e-9)
        if number:
            assert expected.min() > 0


def test_models_that_were_divided_by_the_throughput() -> None:
    random = np.random.default_rng(2)
    y, x = np.mgrid[:256, :256] / 256.0
    scene = 100 * np.exp(-((x - 0.5) ** 2 + (y - 0.5) ** 2) / 0.05)
    exposures = [gain * scene + level + random.normal(0, 2, x.shape) for gain, level in ((1, 0), (0.9, 40), (1.1, 5))]
    results = [evensky.match_all(exposures, reference=0, terms="smooth,gain", scale=scale) for scale in (False, True)]
    gains = [record.gain or 1.0 for record in results[1].run.records]
    assert gains[1] == pytest.approx(0.9, abs=0.03)
    plain, divided = (result.run.covariance for result in results)
    assert plain is not None
    assert divided is not None
    for number, gain in enumerate(gains):
        one = np.eye(3)[number]
        assert divided.at(100, 100, one, alone=True) == pytest.approx(plain.at(100, 100, one, alone=True) / gain**2)
