"""Scatter of the mean of matched exposures over realisations of their noise, and its predicted variance."""

from __future__ import annotations

import numpy as np
import pytest

import evensky
from evensky._blas import one_blas_thread

NOISE = (4.0, 10.0, 6.0, 8.0)
SIDE, BOX, REALISATIONS = 160, 64, 30


@pytest.mark.parametrize(("level", "weighted"), [("reference", False), ("reference", True), ("mean", False)])
def test_means_of_boxes_scatter_as_predicted(level: str, weighted: bool) -> None:
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    skies = [100.0 + 0 * x, 150.0 + 20 * x, 80.0 - 30 * y, 120.0 + 25 * x + 10 * y]
    shares = np.square(NOISE) ** -1.0 if weighted else np.ones(len(NOISE))
    shares = shares / shares.sum()
    part = slice(16, 16 + 2 * BOX)
    centres = np.meshgrid(*[16 + BOX * np.arange(2) + (BOX - 1) / 2] * 2)
    means, pure, covariances = [], [], []
    with one_blas_thread():
        for realisation in range(REALISATIONS):
            random = np.random.default_rng((4, realisation))
            noise = np.array([random.normal(0, deviation, x.shape) for deviation in NOISE])
            exposures = [(sky + own).astype(np.float32) for sky, own in zip(skies, noise, strict=True)]
            result = evensky.match_all(
                exposures, reference=0 if level == "reference" else None, level=level, order=1, spline=False
            )
            assert result.run.covariance is not None
            covariances.append(result.run.covariance)
            for found, planes in ((means, result.exposures), (pure, noise)):
                mean = np.tensordot(shares, np.array(planes, float), 1)
                found.append(mean[part, part].reshape(2, BOX, 2, BOX).mean(axis=(1, 3)))
    predicted = [one.at(*centres, shares) for one in covariances]
    of_noise = (shares**2 * np.square(NOISE)).sum() / BOX**2
    total = of_noise + np.mean(predicted)
    # The noise of these realisations is known: by what its scatter is off, so is that of the matched exposures.
    scatter = np.var(means, axis=0, ddof=1).mean() - (np.var(pure, axis=0, ddof=1).mean() - of_noise)
    assert total / scatter == pytest.approx(1.0, abs=0.2)
    if level == "mean":
        assert np.abs(np.mean(predicted)) < 0.05 * of_noise  # the models add up to nothing
    elif weighted:
        assert of_noise / scatter < 0.85
    else:
        # Equal weights give the noisiest exposures too much, of which their models take a part away.
        alone = np.mean([one.at(*centres, shares, alone=True) for one in covariances])
        assert (of_noise + alone) / scatter > 1.2
