"""A joint match: residuals, errors of the models, and difficult exposures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import evensky
from evensky.calls.match import MatchAllResult
from evensky.image import ExposureF, ImageF, MaskedImageF
from evensky.matching.joint.models import Candidate, Model
from evensky.simulate import SimulatedExposure, make_bare_exposures, residual_between

Result = MatchAllResult


def matched(simulated: Sequence[SimulatedExposure], **options: Any) -> Result:
    return evensky.match_all([one.exposure for one in simulated], pictures=False, **options)


def residual(result: Result, simulated: list[SimulatedExposure]) -> float:
    return residual_between([None if model is None else model.image() for model in result.models], simulated)


def names(result: Result) -> list[str]:
    return ["failed" if model is None else model.name for model in result.models]


# Required accuracy: ten exposures of 1024 x 1024, noise 10, nothing masked; RMS of the residuals between them.


@pytest.mark.parametrize(
    ("fields", "most"),
    [({"curved": False}, 0.012), ({}, 0.06), ({"halves": 5}, 0.12)],
    ids=["levels", "gradients and curvature", "five cover a half"],
)
def test_residuals(fields: dict[str, Any], most: float) -> None:
    squares = []
    for seed in (1, 2):
        simulated = make_bare_exposures(seed=seed, **fields)
        result = matched(simulated)
        squares.append(residual(result, simulated) ** 2)
        expected = "constant" if fields.get("curved") is False else "Chebyshev 2"
        assert sorted(set(names(result))) == sorted({"none", expected})
    assert np.sqrt(np.mean(squares)) <= most


def test_a_chain() -> None:
    squares = []
    for seed in (1, 2):
        simulated = make_bare_exposures(shape=(512, 1024), seed=seed, curved=False, step=int(0.7 * 1024))
        result = matched(simulated, level="mean")
        assert set(names(result)) == {"constant"}
        assert [record.partners for record in result.run.records][1] == ["exposure 0", "exposure 2"]
        levels = [
            model.evaluate(np.array([model.box[0]]), np.array([0]))[0] + one.sky[0, 0]
            for model, one in zip(result.models, simulated, strict=True)
            if model is not None
        ]
        squares.append(np.var(levels))
        # The errors of the constants add up along the chain.
        sigmas = [float(model.sigma(np.array([model.box[0]]), np.array([0]))[0]) for model in result.models if model]
        assert min(sigmas) == pytest.approx(sigmas[5], rel=0.1)
        assert 1.5 < sigmas[0] / sigmas[5] < 2.5
    assert np.sqrt(np.mean(squares)) <= 0.1


def test_diffuse_light_survives() -> None:
    simulated = make_bare_exposures(6, (512, 512), seed=3, glow=60.0)
    dark = make_bare_exposures(6, (512, 512), seed=3, glow=0.0)
    glow = simulated[0].scene.astype(float) - dark[0].scene
    assert glow.max() > 55
    shape = glow - glow.mean()
    for level in ("reference", "mean", "lowest"):
        result = matched(simulated, level=level)
        # The common part of the models, less the mean of the skies that they remove.
        common = np.mean([model.image() for model in result.models if model is not None], axis=0, dtype=float)
        if level == "reference":
            skies = [one.sky.astype(float) for one in simulated]
            common += np.mean(skies, axis=0) - skies[result.reference]
        share = (common * shape).sum() / (shape**2).sum()
        if level == "lowest":
            common -= common.mean()
        assert abs(share) < 0.01
        assert np.abs(common).max() < 0.01 * 60


def series(order: int, rng: np.random.Generator, side: int, size: float) -> np.ndarray:
    """Make a random series of exactly a given order."""
    candidate = Candidate(order)
    coefficients = rng.normal(0, size, candidate.terms)
    # The terms of the highest order must not be small.
    coefficients[-order - 1 :] += size * np.sign(coefficients[-order - 1 :])
    return Model(candidate, (0, 0, side, side), coefficients, np.zeros((candidate.terms,) * 2)).image()


def test_the_order_is_chosen_right() -> None:
    side, right, trials = 256, 0, 200
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        scene = rng.exponential(5, (side, side))
        orders = [0, *rng.integers(0, 5, 3).tolist()]
        exposures = [
            (600 + scene + series(order, rng, side, 6.0) + rng.normal(0, 10, scene.shape)).astype(np.float32)
            for order in orders
        ]
        result = evensky.match_all(exposures, reference=0, pictures=False)
        got = [model.candidate for model in result.models if model is not None]
        right += got[1:] == [Candidate(order) for order in orders[1:]]
    # All three models of a trial must be right, each of more than a dozen candidates.
    assert right >= 0.95 * trials


@pytest.mark.parametrize("level", ["reference", "mean"])
def test_errors_are_honest(level: str) -> None:
    side, number, pulls = 128, 4, []
    x, y = np.array([13.0, 64.0, 120.0, 100.0]), np.array([67.0, 64.0, 123.0, 7.0])
    at = y.astype(int), x.astype(int)
    for trial in range(200):
        rng = np.random.default_rng(trial)
        skies = [series(2, rng, side, 8.0) for _ in range(number)]
        exposures = []
        for index, sky in enumerate(skies):
            pixels = 500 + sky + rng.normal(0, (5, 10, 20, 10)[index], sky.shape)
            pixels[rng.random(sky.shape) < (0, 0.3, 0, 0.1)[index]] = np.nan
            exposures.append(pixels.astype(np.float32))
        result = evensky.match_all(exposures, reference=0, level=level, pictures=False)
        truth = skies[0] if level == "reference" else np.mean(skies, axis=0)
        for index, (model, sky) in enumerate(zip(result.models, skies, strict=True)):
            assert model is not None
            if level == "reference" and index == 0:
                assert model.name == "none"
                continue
            pulls.append((model.evaluate(x, y) + sky[at] - truth[at]) / model.sigma(x, y))
    assert np.std(pulls) == pytest.approx(1, abs=0.1)
    assert abs(np.mean(pulls)) < 0.1


def test_errors_are_not_better_than_the_scatter() -> None:
    # Correlated noise is underestimated by the scatter of single pixels, but visible in the scatter of bins.
    rng = np.random.default_rng(3)
    coarse = [np.kron(rng.normal(0, 2, (64, 64)), np.ones((4, 4))) for _ in range(4)]
    exposures = [(100 + one + rng.normal(0, 1, one.shape)).astype(np.float32) for one in coarse]
    result = evensky.match_all(exposures, reference=0, pictures=False)
    chi = [record.fit_chi for record in result.run.records]
    assert min(value for value in chi if value is not None) > 2
    assert set(names(result)) <= {"none", "constant"}
    sigma = result.models[1] and float(result.models[1].sigma(np.array([5.0]), np.array([5.0]))[0])
    assert names(result)[1] == "none" or sigma > 2 * np.sqrt(10) / 256


def test_outlying_bins_do_not_count() -> None:
    rng = np.random.default_rng(4)
    clean = [(100 + 3 * i + rng.normal(0, 5, (512, 512))).astype(np.float32) for i in range(6)]
    ghost = [image.copy() for image in clean]
    ghost[2][100:260, 300:420] += 40  # a ghost
    ghost[4][200:212, :] += 300  # a satellite
    plain, odd = (evensky.match_all(images, reference=0, pictures=False) for images in (clean, ghost))
    assert names(odd) == names(plain) == ["none"] + ["constant"] * 5
    rejected = [record.rejected_bins for record in odd.run.records]
    assert rejected[2] >= 15  # 5 x 4 bins of 32 px, some of them only in part
    assert rejected[4] >= 16
    assert [rejected[i] for i in (0, 1, 3, 5)] == [0, 0, 0, 0]
    for one, other in zip(plain.models, odd.models, strict=True):
        assert one is not None
        assert other is not None
        assert one.image()[0, 0] == pytest.approx(other.image()[0, 0], abs=0.03)


def test_one_exposure_that_is_unlike_the_others() -> None:
    # Only this exposure gets a complex model, whatever the reference.
    rng = np.random.default_rng(5)
    exposures = [(100 + rng.normal(0, 5, (256, 256))).astype(np.float32) for _ in range(7)]
    exposures[3] += series(3, rng, 256, 5.0)
    for level in ("reference", "mean"):
        result = evensky.match_all(exposures, reference=0, level=level, pictures=False)
        got = names(result)
        assert got[3] == "Chebyshev 3"
        assert set(got[:3] + got[4:]) <= {"none", "constant"}
    result = evensky.match_all(exposures, reference=3, pictures=False)
    assert set(names(result)) == {"none", "Chebyshev 3"}


def test_rows_that_drift() -> None:
    rng = np.random.default_rng(6)
    exposures = []
    for _ in range(4):
        rows = np.repeat(np.cumsum(rng.normal(0, 2, 16)), 20)[:, None]
        exposures.append((100 + rows + rng.normal(0, 5, (320, 320))).astype(np.float32))
    result = evensky.match_all(exposures, reference=0, pictures=False)
    assert set(names(result)) == {"none", "spline 1 x 16"}
    values = [np.asarray(one).mean(axis=1) for one in result.exposures]
    for before, after in zip(exposures[1:], values[1:], strict=True):
        assert np.std(after - values[0]) < 0.35 * np.std(before.mean(axis=1) - values[0])


# Unchanged exposures.


def test_levels() -> None:
    simulated = make_bare_exposures(4, (256, 256), seed=7)
    reference = matched(simulated, reference=2)
    assert reference.reference == 2
    assert [record.status for record in reference.run.records].count("reference") == 1
    np.testing.assert_array_equal(reference.exposures[2].image.array, simulated[2].exposure.image.array)
    mean = matched(simulated, level="mean")
    total = np.sum([model.image() for model in mean.models if model is not None], axis=0, dtype=float)
    assert np.abs(total).max() < 1e-3
    lowest = matched(simulated, level="lowest")
    means = [model.image().mean(dtype=float) for model in lowest.models if model is not None]
    assert max(means) == pytest.approx(0, abs=0.01)
    assert means[int(np.argmax(means))] == max(means)
    assert int(np.argmax(means)) == int(np.argmin([one.sky.mean() for one in simulated]))
    # They differ by a model that all exposures have in common.
    for one, other in ((reference, mean), (mean, lowest)):
        shifts = [a.image() - b.image() for a, b in zip(one.models, other.models, strict=True) if a and b]
        assert np.ptp(shifts, axis=0).max() < 1e-2


def test_groups_without_anything_in_common() -> None:
    rng = np.random.default_rng(8)
    scene = rng.exponential(5, (200, 900))

    def exposure(x0: int, level: float) -> ExposureF:
        pixels = scene[:, x0 : x0 + 200] + level + rng.normal(0, 3, (200, 200))
        return ExposureF(MaskedImageF(ImageF(pixels.astype(np.float32), xy0=(x0, 0))))

    exposures = [exposure(0, 100), exposure(120, 130), exposure(500, 160), exposure(600, 90), exposure(650, 20)]
    for level in ("reference", "mean"):
        result = evensky.match_all(exposures, reference=0, level=level, pictures=False)
        groups = [record.group for record in result.run.records]
        assert groups == [0, 0, 1, 1, 1]
        assert any("2 groups of exposures have no good pixel in common" in note for note in result.run.notes)
        constants = [model.evaluate(np.array([model.box[0]]), np.array([0]))[0] for model in result.models if model]
        assert constants[0] - constants[1] == pytest.approx(30, abs=0.5)
        assert [constants[i] - constants[2] for i in (3, 4)] == pytest.approx([70, 140], abs=0.5)
    assert sum(constants[:2]) == pytest.approx(0, abs=1e-6)
    assert sum(constants[2:]) == pytest.approx(0, abs=1e-6)


def test_few_exposures_and_few_pixels() -> None:
    rng = np.random.default_rng(12)
    alone = evensky.match_all([rng.normal(0, 1, (50, 60))], pictures=False)
    assert [record.status for record in alone.run.records] == ["reference"]
    two = evensky.match_all([np.zeros((64, 64)), np.full((64, 64), 7.0)], reference=0, pictures=False)
    assert np.asarray(two.exposures[1]).max() == pytest.approx(0, abs=1e-6)  # without any noise
    small = evensky.match_all([rng.normal(i, 0.1, (9, 7)) for i in range(3)], reference=0, pictures=False)
    assert [record.status for record in small.run.records] == ["reference", "matched", "matched"]
    assert all(np.isfinite(model.image()).all() for model in small.models if model is not None)


@pytest.mark.parametrize("bins", [1, 2, 3, 4, 5, 6])
def test_few_bins_are_enough_for_a_level(bins: int) -> None:
    random = np.random.default_rng(bins)
    images = [random.normal(level, 5, (16, 16 * bins)) for level in (100, 200, 150)]
    result = evensky.match_all(images, 0, bin_size=16, pictures=False)
    assert names(result) == ["none", "constant", "constant"]
    for before, after in zip(images, result.exposures, strict=True):
        assert after.mean() == pytest.approx(100, abs=2)
        assert np.ptp(after - before) < 1e-3


def test_a_part_that_no_other_exposure_sees() -> None:
    rng = np.random.default_rng(14)
    slope = np.linspace(-20, 20, 400)[None, :]
    wide = ExposureF(MaskedImageF(ImageF((slope + rng.normal(0, 1, (200, 400))).astype(np.float32))))
    narrow = [ExposureF(MaskedImageF(ImageF(rng.normal(0, 1, (200, 150)).astype(np.float32)))) for _ in range(2)]
    result = evensky.match_all([*narrow, wide], reference=0, pictures=False)
    record = result.run.records[2]
    assert record.flags == ["EXTRAPOLATED"]
    assert record.common_fraction == pytest.approx(150 / 400, abs=0.05)
    model = result.models[2]
    assert model is not None
    near, far = model.sigma(np.array([70.0, 390.0]), np.array([100.0, 100.0]))
    assert far > 5 * near
