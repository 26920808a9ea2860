"""Flags: each is raised in its condition and not beside it, and says what to do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from synthetic_pairs import make_pairs

from evensky.matching.joint.alarms import FLAGS, Alarms
from evensky.matching.joint.candidates import Candidate
from evensky.matching.joint.fits import ExposureFit
from evensky.matching.joint.grid import CommonGrid
from evensky.matching.joint.models import Model
from evensky.matching.joint.network import Network

GRID = CommonGrid(10)
BOXES = [(0, 0, 80, 80)] * 3
NOISE = 4.0


def network_of(quantum: float = 0.0, gap: float = 0.0) -> Network:
    """Make a network; `gap` is added to the difference of the first and the third exposure in all bins."""
    differences = make_pairs(BOXES, GRID, lambda k, x, *_: 10.0 * k + 0 * x, noise=NOISE, seed=1)
    differences.quantum[:] = quantum
    differences.value[differences.rows[1]] += gap
    return Network(BOXES, GRID, differences)


def fits(**fields: float) -> list[ExposureFit]:
    """Make three fits, of which the second has some unusual values."""
    found = []
    for image in range(3):
        model = Model(Candidate(0), BOXES[image], np.zeros(1), np.eye(1))
        fit = ExposureFit(model, bins=64, rms=0.5, chi=1.0, gain_error=0.001, largest_sigma=0.1)
        found.append(fit)
    for name, value in fields.items():
        setattr(found[1], name, value)
    return found


def raised(
    found: Sequence[ExposureFit], *, quantum: float = 0.0, gap: float = 0.0, worse: Sequence[int] = ()
) -> list[dict[str, str]]:
    network = network_of(quantum, gap)
    Alarms(network).raise_on(found, np.zeros(network.differences.value.size), worse)
    return [fit.flags for fit in found]


def test_a_match_that_fits_has_no_flag() -> None:
    assert raised(fits()) == [{}, {}, {}]


@pytest.mark.parametrize(
    ("flag", "raising", "beside", "texts"),
    [
        ("POOR_FIT", {"chi": 2.6}, {"chi": 2.4}, ["2.6 times their errors", "--terms", "--mask"]),
        ("POOR_FIT", {"chi": 116.2}, {"chi": 1.0}, ["are 116 times their errors"]),
        ("POOR_FIT", {"chi": 24.3}, {"chi": np.nan}, ["24 times their errors", "detector or amplifier", "template"]),
        (
            "UNDETERMINED",
            {"largest_sigma": 0.26 * NOISE},
            {"largest_sigma": 0.24 * NOISE},
            ["error is up to 1", "use only the part that overlaps", "order=0"],
        ),
        ("GAIN", {"gain": 0.97, "gain_error": 0.005}, {"gain": 0.97, "gain_error": 0.007}, ["0.9700 +- 0.0050"]),
        ("GAIN", {"gain": 1.02, "gain_error": 0.003}, {"gain": 1.0, "gain_error": 0.003}, ["--scale divides by it"]),
        ("GAIN", {"gain": 1.02, "gain_error": 0.003}, {"gain": 1.02, "gain_error": 0.0}, ["not changed"]),
    ],
)
def test_flags_of_single_exposures(
    flag: str, raising: dict[str, float], beside: dict[str, float], texts: list[str]
) -> None:
    flags = raised(fits(**raising))
    assert [list(one) for one in flags] == [[], [flag], []]
    for text in texts:
        assert text in flags[1][flag]
    assert raised(fits(**beside)) == [{}, {}, {}]


def test_pixels_that_are_coarse() -> None:
    # The noise includes that of rounding: it is 0.53 of a step without it.
    flags = raised(fits(), quantum=NOISE / 0.59)
    for one in flags:
        assert list(one) == ["QUANTISED"]
        assert "multiples of 6.77966" in one["QUANTISED"]
        assert "use the files before they were rounded" in one["QUANTISED"]
    assert raised(fits(), quantum=NOISE / 0.61) == [{}, {}, {}]


def test_triangles_that_do_not_close() -> None:
    # Clipping leaves 0.17 standard errors of each of the three differences; a bin has 100 pixels.
    left = 0.173 * np.sqrt(6) * NOISE / 10
    flags = raised(fits(), gap=1.4 * left)
    for one in flags:
        assert list(one) == ["INCONSISTENT"]
        assert "1.4 times" in one["INCONSISTENT"]
        assert "look for another" in one["INCONSISTENT"]
    assert raised(fits(), gap=1.2 * left) == [{}, {}, {}]


def test_an_overlap_that_is_worse_than_before() -> None:
    # The second pair is that of the first and the third exposure.
    flags = raised(fits(), worse=[1])
    assert [list(one) for one in flags] == [["POOR_FIT"], [], ["POOR_FIT"]]
    assert "worse than before" in flags[0]["POOR_FIT"]
    assert "--terms" in flags[0]["POOR_FIT"]


def test_an_exposure_without_a_model_has_no_flag() -> None:
    found = fits(chi=99.0, largest_sigma=1e9, gain=2.0)
    found[1].model = None
    assert raised(found) == [{}, {}, {}]


def test_every_flag_is_explained() -> None:
    assert set(FLAGS) == {"POOR_FIT", "INCONSISTENT", "UNDETERMINED", "GAIN", "QUANTISED", "ASTROMETRY"}
    assert all(len(text) > 20 for text in FLAGS.values())


@pytest.mark.parametrize("noise", [0.3, 0.4, 0.6])
def test_the_error_of_rounded_levels(noise: float) -> None:
    # The mean of many rounded pixels, at its worst level.
    rng = np.random.default_rng(1)
    drawn = rng.normal(0, noise, 200_000)
    errors = [np.rint(drawn + level).mean() - level for level in np.linspace(0, 1, 41)]
    rounded = float(np.sqrt(noise**2 + 1 / 12))
    assert Alarms._rounding(1.0, rounded) == pytest.approx(np.max(np.abs(errors)), abs=0.003)
