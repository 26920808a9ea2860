"""Covariance of all models against each other, and the variance that they add to a combined image."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from synthetic_pairs import bins_in, make_coverage, make_pairs

from evensky.errors import FitsError, InvalidParameterError, LengthError
from evensky.fits.digests import state_of
from evensky.matching.joint import random_numbers
from evensky.matching.joint.candidates import Candidate, Extra
from evensky.matching.joint.covariance import CorrectionCovariance
from evensky.matching.joint.differences import Coverage
from evensky.matching.joint.fits import JointFit
from evensky.matching.joint.grid import CommonGrid, PixelBox, around
from evensky.matching.joint.levels import settle
from evensky.matching.joint.models import Choices
from evensky.matching.joint.network import Network
from evensky.matching.joint.planes import labels_plane, template_plane
from evensky.matching.joint.random_numbers import covariance_of
from evensky.matching.joint.search import fit_all
from evensky.matching.joint.system import Equations, Shift

GRID = CommonGrid(16)
BOXES: list[PixelBox] = [(0, 0, 128, 96), (32, 16, 128, 96), (-16, 32, 128, 96), (16, -32, 128, 96), (0, 0, 128, 96)]
NOISE = (3.0, 8.0, 4.0, 3.0, 15.0)
LEVELS = (0.0, 300.0, 700.0, -200.0, 50.0)
ORDERS = (1, 1, 0, 1, 1)
SHARES = np.array([1.0, 2.0, 1.0, 0.5, 1.0])
FEW_PAIRS = [(0, 1), (0, 2), (1, 3), (3, 4), (2, 4)]


def dead(k: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return which bins of an exposure are bad: half of the first exposure is."""
    return (x < 64) & (k == 0)


def level_of(k: int, x: np.ndarray, *_: np.ndarray) -> np.ndarray:
    return LEVELS[k] + 0 * x


def network_of(pairs: list[tuple[int, int]] | None = None) -> tuple[Network, list[Coverage]]:
    differences = make_pairs(BOXES, GRID, level_of, noise=NOISE, pairs=pairs, bad=dead)
    coverage = []
    for k, (box, one) in enumerate(zip(BOXES, make_coverage(BOXES, GRID, level_of), strict=True)):
        x, y, *_ = bins_in(GRID, box)
        good = ~dead(k, x, y)
        coverage.append(replace(one, bins=one.bins[good], counts=one.counts[good], levels=one.levels[good]))
    return Network(BOXES, GRID, differences), coverage


class Solved:
    """The models of all exposures at the centres of all bins, with their covariance."""

    def __init__(self, network: Network, coverage: list[Coverage], level: str) -> None:
        equations = Equations(network, [Candidate(order) for order in ORDERS], [0])
        solution = equations.solve()
        shifts: list[Shift] = []
        if level != "reference":
            shifts = settle(network, solution, [list(range(len(BOXES)))], level)
        every = range(len(BOXES))
        found = covariance_of(network, equations, solution, shifts, {}, 1.0, every, coverage)
        assert found is not None
        self.covariance = found
        self.x, self.y, _, _, self.bins = bins_in(GRID, around(BOXES))
        self.models = np.array(
            [
                network.terms_at(k, candidate, self.x, self.y) @ coefficients
                for k, (candidate, coefficients) in enumerate(
                    zip(solution.candidates, solution.coefficients, strict=True)
                )
            ]
        )


@pytest.mark.parametrize(
    ("level", "pairs"),
    [("reference", None), ("mean", FEW_PAIRS), ("lowest", None)],
    ids=["reference, all pairs", "mean, few pairs", "lowest, all pairs"],
)
def test_variance_is_that_of_noise_put_through_the_equations(level: str, pairs: list[tuple[int, int]] | None) -> None:
    network, coverage = network_of(pairs)
    d = network.differences
    before = Solved(network, coverage, level)
    x, y, bins = before.x, before.y, before.bins
    nodes = [(int(k), int(d.distinct_bins[at])) for k, at in zip(d.node_exposure, d.node_bin, strict=True)]
    used = np.array([np.isin(bins, one.bins) for one in coverage])
    # Only bins where the noise of every exposure is part of some difference.
    known = np.array([np.isin(bins, [b for k, b in nodes if k == number]) for number in range(len(BOXES))])
    whole = used.any(axis=0) & (known | ~used).all(axis=0)
    assert whole.sum() > 30
    weights = used * SHARES[:, None]
    weights /= np.maximum(weights.sum(axis=0), 1e-300)
    value = d.value.copy()
    alone, total, noise = np.zeros((3, x.size))
    for n, (k, b) in enumerate(nodes):
        # The noise of one bin of one exposure: one standard deviation.
        size = np.sqrt(d.node_variance[n])
        d.value[:] = value + size * ((d.node[0] == n) * 1.0 - (d.node[1] == n))
        change = (weights * (Solved(network, coverage, level).models - before.models)).sum(axis=0)
        own = weights[k] * size * (bins == b)
        alone, total, noise = alone + change**2, total + (change + own) ** 2, noise + own**2
    covariance = before.covariance
    np.testing.assert_allclose(covariance.at(x, y, SHARES, alone=True)[whole], alone[whole], rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose((noise + covariance.at(x, y, SHARES))[whole], total[whole], rtol=1e-4)
    assert np.isnan(covariance.at(x, y, SHARES)[~used.any(axis=0)]).all()
    # The noise that models and pixels share matters here.
    assert np.abs((noise + alone)[whole] / total[whole] - 1).max() > 0.1


def fitted(level: str = "reference", order: int = 2, number: int = 5, seed: int = 3) -> JointFit:
    return fit_all(
        BOXES[:number],
        GRID,
        make_pairs(BOXES[:number], GRID, lambda k, x, *_: LEVELS[k] + 0.1 * k * x, noise=NOISE[:number], seed=seed),
        preference=range(number),
        level=level,
        order=order,
    )


@pytest.mark.parametrize("level", ["reference", "mean"])
def test_variance_of_one_exposure_is_that_of_its_model(level: str) -> None:
    fit = fitted(level)
    assert fit.covariance is not None
    for k, (one, (x0, y0, width, height)) in enumerate(zip(fit.exposures, BOXES, strict=True)):
        x, y = np.meshgrid(np.linspace(x0, x0 + width - 1, 5), np.linspace(y0, y0 + height - 1, 5))
        assert one.model is not None
        if level == "reference":
            expected = one.model.sigma(x.ravel(), y.ravel()).reshape(x.shape) ** 2
            alone = fit.covariance.at(x, y, np.eye(5)[k], alone=True)
            np.testing.assert_allclose(alone, expected, rtol=1e-4, atol=1e-10)
        # The shift to the mean level passes what the choice of the kinds of models adds on to all exposures.
        one.model.choices = None
        expected = one.model.sigma(x.ravel(), y.ravel()).reshape(x.shape) ** 2
        alone = fit.covariance.of_noise().at(x, y, np.eye(5)[k], alone=True)
        np.testing.assert_allclose(alone, expected, rtol=1e-4, atol=1e-10)


def test_models_that_add_up_to_nothing_have_no_variance_in_the_mean() -> None:
    boxes = [BOXES[0]] * 3
    d = make_pairs(boxes, GRID, level_of, noise=4.0, seed=1)
    fit = fit_all(boxes, GRID, d, preference=[0, 1, 2], level="mean", order=2)
    assert fit.covariance is not None
    covariance = fit.covariance.of_noise()
    single = covariance.variance_of_mean([1, 0, 0], alone=True)
    assert single.shape == (17, 23)
    # Two thirds of the variance of the mean of 128 x 96 pixels of the other two exposures, and of its own.
    np.testing.assert_allclose(single, 2 / 3 * 16.0 / (128 * 96), rtol=0.05)
    assert np.abs(covariance.variance_of_mean([1, 1, 1])).max() < 1e-5 * single.min()
    assert covariance.variance_of_mean([2, 1, 1], alone=True).min() > 0.05 * single.min()


def test_the_choice_of_models_counts_once_for_all_where_one_shift_follows_it() -> None:
    boxes = [BOXES[0]] * 2
    network = Network(boxes, GRID, make_pairs(boxes, GRID, level_of, noise=4.0, seed=1))
    for level, of_mean in (("reference", 0.25), ("mean", 0.0)):
        equations = Equations(network, [Candidate(1), Candidate(1)], [0])
        solution = equations.solve()
        shifts = settle(network, solution, [[0, 1]], level) if level == "mean" else []
        plain = covariance_of(network, equations, solution, shifts, {}, 1.0, range(2))
        choices = {1: Choices(1, np.diag([9.0, 0.0, 0.0]))}
        found = covariance_of(network, equations, solution, shifts, choices, 1.0, range(2))
        assert plain is not None
        assert found is not None
        more = found.at(50.0, 50.0, [1, 1]) - plain.at(50.0, 50.0, [1, 1])
        assert found.of_noise().at(50.0, 50.0, [1, 1]) == plain.at(50.0, 50.0, [1, 1])
        assert more == pytest.approx(9.0 * of_mean, abs=1e-6)


def test_further_terms_are_interpolated() -> None:
    boxes = [BOXES[0]] * 3
    x = np.broadcast_to(np.arange(128), (96, 128))
    wave = np.cos(x / 20.0).astype(np.float32)
    planes = [{"wave": template_plane(wave), "halves": labels_plane(np.where(x < 64, 1, 2))} for _ in boxes]
    network = Network(boxes, GRID, make_pairs(boxes, GRID, level_of, noise=4.0, seed=1), planes=planes)
    extras = Extra("template", "wave", 1), Extra("detector", "halves", 1), Extra("rows", "rows", 2, 4)
    equations = Equations(network, [Candidate(1, extras=extras)] * 3, [0])
    solution = equations.solve()
    found = covariance_of(network, equations, solution, [], {}, 1.0, range(3))
    assert found is not None
    expected = equations.covariances(solution.candidates, [])
    at = np.array([7.0, 30.0, 100.0]), np.array([70.0, 10.0, 33.0])
    terms = network.terms_at(1, solution.candidates[1], *at)
    variance = np.einsum("ni,ij,nj->n", terms, expected[1], terms)
    np.testing.assert_allclose(found.at(*at, [0, 1, 0], alone=True), variance, rtol=0.02)


def test_models_with_too_many_terms_have_no_covariance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random_numbers, "MOST_TERMS", 3)
    assert fitted(order=1).covariance is None


# -- combined images --


def combined(number: int = 5) -> tuple[CorrectionCovariance, list[PixelBox], np.ndarray]:
    """Return a covariance, boxes in a combined image that begins at (-16, -32), and the positions of its pixels."""
    found = fitted(number=number).covariance
    assert found is not None
    boxes = [(x0 + 16, y0 + 32, width, height) for x0, y0, width, height in BOXES[:number]]
    return found, boxes, np.mgrid[-32:128, -16:160]


def test_a_band_gets_the_variance_of_the_mean_correction() -> None:
    covariance, boxes, (y, x) = combined()
    expected = covariance.at(x, y, SHARES)
    image = covariance.over(boxes, SHARES).image(x.shape)
    seen = np.isfinite(expected)
    assert 0.3 < seen.mean() < 1.0
    assert (image[~seen] == 0).all()
    # Linear interpolation in cells of a sixteenth of an exposure, in which parts of bins may be seen.
    assert np.abs(image[seen] / expected[seen] - 1).mean() < 0.02
    assert image[seen].mean() == pytest.approx(expected[seen].mean(), rel=0.01)
    # The same bits in bands of any height, whoever asks.
    for height in (1, 7, 160):
        variance = np.zeros(x.shape, np.float32)
        for first in range(0, len(variance), height):
            pickle.loads(pickle.dumps(covariance)).add_to_band(variance[first : first + height], boxes, SHARES, first)
            if height == 1 and first > 20:
                break
        rows = slice(None) if height > 1 else slice(0, 22)
        np.testing.assert_array_equal(variance[rows], image[rows])


def test_a_combined_image_may_show_a_part_of_the_field() -> None:
    covariance, boxes, _ = combined()
    whole = covariance.over(boxes, SHARES).image((160, 176))
    cropped = [(x0 - 40, y0 - 50, width, height) for x0, y0, width, height in boxes]
    part = covariance.over(cropped, SHARES).image((60, 90))
    np.testing.assert_allclose(part, whole[50:110, 40:130], rtol=0.02, atol=2e-4)
    clipped = [(max(x0, 0), max(y0, 0), width + min(x0, 0), height + min(y0, 0)) for x0, y0, width, height in cropped]
    again = covariance.over(clipped, SHARES, origin=(24, 18)).image((60, 90))
    np.testing.assert_allclose(again, whole[50:110, 40:130], rtol=0.02, atol=2e-4)


def test_edges_that_are_too_many_become_one() -> None:
    rng = np.random.default_rng(0)
    number = 60
    boxes = [(int(x0), int(y0), 128, 96) for x0, y0 in rng.integers(0, 64, (number, 2))]
    pairs = [(i, j) for j in range(number) for i in {max(0, j - 1), 0} if i < j]
    d = make_pairs(boxes, GRID, lambda k, x, *_: 10.0 * k + 0 * x, noise=4.0, seed=1, pairs=pairs)
    covariance = fit_all(boxes, GRID, d, preference=range(number), level="reference", order=0).covariance
    assert covariance is not None
    field = covariance.over(boxes, np.ones(number))
    assert max(field.corners.shape[:2]) <= 100
    y, x = np.mgrid[:160, :192]
    expected = covariance.at(x, y, np.ones(number))
    image = field.image(x.shape)
    np.testing.assert_allclose(image[64:96, 64:128], expected[64:96, 64:128], rtol=0.02)  # all exposures are there
    seen = np.isfinite(expected)
    assert image[seen].mean() == pytest.approx(expected[seen].mean(), rel=0.1)


def test_exposures_are_scaled_and_chosen_by_label() -> None:
    covariance, boxes, _ = combined()
    named = covariance.labelled(["a", "b", "c", "d", "e"])
    some = named.select(["d", "b"])
    assert some.labels == ("d", "b")
    assert some.number == 2
    for alone in (True, False):
        assert some.at(60.0, 40.0, [0.5, 2.0], alone=alone) == pytest.approx(
            named.at(60.0, 40.0, [0, 2.0, 0, 0.5, 0], alone=alone), rel=1e-12
        )
    halved = named.scaled([0.5] * 5)
    assert halved.at(60.0, 40.0, SHARES, alone=True) == pytest.approx(named.at(60.0, 40.0, SHARES, alone=True) / 4)
    one = some.over([boxes[3], boxes[1]], [1, 1], factors=[2.0, 2.0]).image((160, 176))
    other = some.over([boxes[3], boxes[1]], [1, 1]).image((160, 176))
    assert one[70, 70] == pytest.approx(4 * other[70, 70], rel=1e-6)
    with pytest.raises(InvalidParameterError, match=r"the exposure 'x' is not among those .*\(a, b, c, d, e\)"):
        named.select(["a", "x"])


def test_bad_calls_say_what_is_wrong() -> None:
    covariance, boxes, _ = combined()
    with pytest.raises(LengthError, match=r"shares has the shape \(2,\); give one number for each of 5 exposures"):
        covariance.at(0, 0, [1, 1])
    for wrong in (-1.0, np.nan, np.inf):
        with pytest.raises(InvalidParameterError, match="weights must be finite and not negative"):
            covariance.at(0, 0, [1, 1, 1, 1, wrong])
    with pytest.raises(LengthError, match="there are 4 boxes for 5 exposures"):
        covariance.over(boxes[:4], SHARES)
    with pytest.raises(LengthError, match="there are 2 labels for 5 exposures"):
        covariance.labelled(["a", "b"])
    with pytest.raises(InvalidParameterError, match="common pixel grid, which has no WCS"):
        covariance.to_common(None)
    assert not covariance.over([(0, 0, 0, 0)] * 5, SHARES).image((5, 6)).any()
    assert not covariance.over(boxes, [0.0] * 5).image((5, 6)).any()


# -- files --


def test_a_file_holds_all_of_it(tmp_path: Path) -> None:
    d = make_pairs(BOXES, GRID, lambda k, x, *_: LEVELS[k] + 0.1 * k * x, noise=NOISE, seed=3, bad=dead)
    fit = fit_all(BOXES, GRID, d, preference=range(5), level="mean", order=2, coverage=network_of()[1])
    assert fit.covariance is not None
    covariance = fit.covariance.labelled(["a", "ü", "c", "d", "e"]).select(["e", "ü", "a"])
    path = tmp_path / "matched.covariance.fits"
    files = {label: tmp_path / label for label in ("e", "ü", "a")}
    for label, file in files.items():
        file.write_text(label)
    # Digests of SHA-256 are those of earlier versions.
    digests = {"e": state_of(files["e"]).digest, "ü": state_of(files["ü"], sha256=True).digest}
    covariance.save(path, digests=digests)
    first = path.read_bytes()
    covariance.save(path, digests=digests)
    assert path.read_bytes() == first
    found = CorrectionCovariance.load(path, files=files)
    assert found.labels == ("e", "ü", "a")
    y, x = np.mgrid[-32:128:9, -16:160:9]
    for alone in (False, True):
        np.testing.assert_array_equal(
            found.at(x, y, [1, 2, 3], alone=alone), covariance.at(x, y, [1, 2, 3], alone=alone)
        )
    files["a"].unlink()  # its digest was not saved
    CorrectionCovariance.load(path, files=files)
    for label in ("e", "ü"):
        files[label].write_text("another")
        with pytest.raises(
            FitsError, match=rf"belongs to another file of the exposure {label}, .*match again, or combine without"
        ):
            CorrectionCovariance.load(path, files={label: files[label]})
    with pytest.raises(FitsError, match="exists already"):
        covariance.save(path, overwrite=False)


def test_a_broken_file_is_told(tmp_path: Path) -> None:
    covariance, _, _ = combined()
    path = tmp_path / "c.fits"
    covariance.save(path)
    content = bytearray(path.read_bytes())
    with fits.open(path) as hdus:
        at = hdus["MAPS"].fileinfo()["datLoc"]
    content[at + 3] ^= 64
    path.write_bytes(content)
    with pytest.raises(FitsError, match="MAPS is damaged"):
        CorrectionCovariance.load(path)
    fits.PrimaryHDU().writeto(path, overwrite=True)
    with pytest.raises(FitsError, match="is no file of the covariance of a match"):
        CorrectionCovariance.load(path)
    with pytest.raises(FitsError, match="there is no such file"):
        CorrectionCovariance.load(tmp_path / "none.fits")
