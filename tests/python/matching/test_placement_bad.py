"""Exposures that are not on one pixel grid, and WCS that cannot be used."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from wcs_kinds import HEIGHT, WIDTH, header_of

from evensky.fits.opening import quiet
from evensky.matching.placement import GridMember, place

SHAPE = (HEIGHT, WIDTH)
CENTRE = {"CRPIX1": (WIDTH + 1) / 2, "CRPIX2": (HEIGHT + 1) / 2}


def square(linear: np.ndarray | None = None, shift: tuple[float, float] = (0, 0), **cards: object) -> fits.Header:
    """Return a header with square pixels around the centre, after a linear change of pixels and a shift."""
    matrix = np.diag([-7e-5, 7e-5]) @ (np.eye(2) if linear is None else linear)
    header = header_of("TAN")
    header.update({f"CD{i + 1}_{j + 1}": matrix[i, j] for i in range(2) for j in range(2)})
    header.update(CENTRE)
    header["CRPIX1"] -= shift[0]
    header["CRPIX2"] -= shift[1]
    header.update(cards)
    return header


def member(
    label: str,
    header: fits.Header | None,
    origin: tuple[int, int] | None = None,
    shape: tuple[int, int] = SHAPE,
) -> GridMember:
    with quiet():
        return GridMember(label, shape, origin, None if header is None else WCS(header))


def rotation(degrees: float) -> np.ndarray:
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[cosine, -sine], [sine, cosine]])


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (square(shift=(3.42, -1.17)), "it is shifted by (3.42, -1.17) px"),
        (square(shift=(0.0, 0.11)), "it is shifted by (0.00, 0.11) px"),
        (square(rotation(0.31)), "it is shifted by (0.00, 0.00) px and is rotated by 0.31 deg"),
        (square(rotation(180.0)), "it is rotated by 180 deg"),
        (square(rotation(-90.0)), "it is rotated by -90 deg"),
        (square(1.01 * np.eye(2)), "it is shifted by (0.00, 0.00) px and has a scale 1.01 times as large"),
        (square(np.diag([-1.0, 1.0])), "it is mirrored"),
        (square(np.diag([-1.0, 1.0]) @ rotation(20.0)), "it is mirrored and is rotated by -20 deg"),
        (square(rotation(1.0), (0.5, 0.0)), "it is shifted by (0.50, 0.01) px and is rotated by 1 deg"),
    ],
)
def test_other_grids_are_refused_with_figures(header: fits.Header, expected: str) -> None:
    problems = place([member("a", square()), member("b", header)]).problems
    assert problems[0] == f"b is not on the pixel grid of a: {expected}"
    assert len(problems) == 2
    assert "method 'all'" in problems[1]
    assert "--same-grid (same_grid=True)" in problems[1]


def test_other_distortions_are_refused() -> None:
    sip = square(CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP", A_ORDER=2, B_ORDER=2, A_0_2=1e-3)
    problem = place([member("a", square()), member("b", sip)]).problems[0]
    assert "has distortions that differ by up to 0." in problem
    figure = float(problem.split("up to ")[1].split(" px")[0])
    # The square of the distance along y, after a shift and a linear part are taken off, is at most 1e-3 * 24.5**2.
    assert 0.2 < figure < 0.6


def test_other_terms_of_a_polynomial_are_refused() -> None:
    """Nothing but one coefficient differs, by 0.2 to 0.6 px at the edge."""
    one, other = header_of("TPV"), header_of("TPV")
    other["PV1_4"] = 5.0
    problem = place([member("a", one), member("b", other)]).problems[0]
    assert problem.startswith("b is not on the pixel grid of a: it ")


def test_another_tangent_point_is_refused() -> None:
    """The grids of two tangential planes are turned against each other."""
    header = square(CRVAL1=150.6, CRVAL2=42.2)
    problem = place([member("a", square(CRVAL2=42.2)), member("b", header)]).problems[0]
    assert "is rotated by -0.336 deg" in problem  # 0.5 deg times the sine of the declination


def test_another_pixel_size_is_refused() -> None:
    problem = place([member("a", square()), member("b", square(np.diag([1.0, 1.02])))]).problems[0]
    assert "has a scale 1.00995 times as large" in problem
    assert "distortions" in problem


def test_exposures_elsewhere_on_the_sky() -> None:
    problem = place([member("a", square()), member("b", square(CRVAL1=300.0))]).problems[0]
    assert "it lies 150 deg away, where that grid has no pixels" in problem


def test_most_exposures_agree_and_the_first_does_not() -> None:
    members = [member("a", square(shift=(0.5, 0))), *(member(n, square(shift=(1, 0))) for n in "bcde")]
    placement = place(members)
    assert placement.problems[0] == "a is not on the pixel grid of b: it is shifted by (-0.50, 0.00) px"
    assert len(placement.problems) == 2


def test_a_few_of_many_exposures_are_named() -> None:
    members = [member("first", square()), *(member(f"e{n}", square(shift=(0.5 + n, 0.3 * n))) for n in range(30))]
    problems = place([*members, *members[:1] * 40]).problems
    assert len(problems) == 7
    assert problems[5] == "e5, e6, e7 and 22 more are not on the pixel grid of first either"


def test_sizes_without_origins() -> None:
    problems = place([member("a", None, shape=(100, 200)), member("b", None, shape=(50, 60))]).problems
    assert problems[0] == "sizes differ (a: 200 x 100; b: 60 x 50), and no header gives a pixel origin or a WCS"
    problems = place([member("a", None, (1, 1), shape=(100, 200)), member("b", None, shape=(50, 60))]).problems
    assert "not all headers give a pixel origin or a WCS" in problems[0]


def test_some_origins_that_differ() -> None:
    members = [member("a", None, (1, 1)), member("b", None, (2, 1)), member("c", None)]
    assert place(members).problems[0] == "the pixel origins of the exposures differ, and c has none"


def test_an_exposure_without_a_wcs_of_another_size() -> None:
    problems = place([member("a", square()), member("b", None, shape=(5, 6))]).problems
    assert problems[0] == "b has no WCS and another size (6 x 5) than a (60 x 50)"
    problems = place([member("a", square()), member("b", None, (3, 0))]).problems
    assert problems[0].startswith("b has a pixel origin, (3, 0), and no WCS")


def test_a_matrix_that_cannot_be_inverted() -> None:
    broken = square(np.array([[1.0, 1.0], [1.0, 1.0]]))
    placement = place([member("a", square()), member("b", broken)])
    assert placement.problems == []
    assert placement.origins == [(0, 0), (0, 0)]
    assert placement.notes[0].startswith("the WCS of b is not used: its pixels have no area on the sky")
    assert placement.notes[1] == "b has no WCS and is assumed to be on the grid of a"
    # If that is so in all, a note for each of many would be too long.
    placement = place([member(str(n), broken) for n in range(12)])
    assert placement.problems == []
    assert len(placement.notes) == 6
    assert placement.notes[-1] == "the WCS of 7 more exposures are not used"


def test_axes_that_are_not_celestial() -> None:
    header = fits.Header({"CTYPE1": "WAVE", "CTYPE2": "LINEAR", "CUNIT1": "m"})
    assert place([member("a", header), member("b", header)]).notes[0] == (
        "the WCS of a is not used: it has no celestial axes (WAVE, LINEAR)"
    )


def test_an_image_off_the_sky() -> None:
    header = fits.Header({"CTYPE1": "GLON-AIT", "CTYPE2": "GLAT-AIT", "CDELT1": 1.0, "CDELT2": 1.0, "CRPIX1": 900.0})
    placement = place([member("a", header), member("b", header)])
    assert placement.problems == []
    assert "almost none of the pixels have a position" in placement.notes[0]
    problems = place([member("a", header), member("b", square()), member("c", None)]).problems
    assert problems[0] == "a has a WCS that gives the pixels no positions on the sky"


class Failing:
    """A WCS that leads to the sky and never back."""

    pixel_n_dim = world_n_dim = 2
    world_axis_physical_types = ("pos.eq.ra", "pos.eq.dec")
    world_axis_units = ("deg", "deg")
    world_axis_object_classes: Any = property(lambda self: 1 / 0)

    def pixel_to_world_values(self, x: Any, y: Any) -> Any:
        return 10 + np.asarray(x) / 1000, np.asarray(y) / 1000

    def world_to_pixel_values(self, longitude: Any, latitude: Any) -> Any:
        raise NotImplementedError("no way back")


def test_a_wcs_that_raises() -> None:
    members = [GridMember(label, SHAPE, None, Failing()) for label in "ab"]
    problems = place(members).problems
    assert problems[0] == "b is not on the pixel grid of a: it has a WCS that cannot be compared (no way back)"


def test_a_wcs_that_does_not_converge() -> None:
    strong = square(CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP", A_ORDER=2, B_ORDER=2, A_2_0=-0.05, B_0_2=-0.05)
    problems = place([member("a", strong), member("b", square())]).problems
    assert "it lies 0" in problems[0]
    assert "does not converge" in problems[0]


def test_frames_that_cannot_be_converted() -> None:
    solar = square(CTYPE1="HPLN-TAN", CTYPE2="HPLT-TAN", CRVAL1=0.0, CRVAL2=0.0)
    assert place([member("a", solar), member("b", solar)]).problems == []
    problems = place([member("a", solar), member("b", square())]).problems
    assert "cannot be compared (coordinates in RA ICRS and in HPLN)" in problems[0]


@pytest.mark.parametrize("wcs", ["RA---TAN", 3, object()])
def test_objects_that_are_no_wcs(wcs: object) -> None:
    placement = place([GridMember("a", SHAPE, None, wcs), member("b", None)])
    assert placement.problems == []
    assert "is no WCS that is known here" in placement.notes[0]


class Spectrum(Failing):
    world_axis_physical_types = ("em.wl", "pos.eq.dec")


class Lengths(Failing):
    world_axis_units = ("m", "m")


class Cube(Failing):
    pixel_n_dim = 3


@pytest.mark.parametrize(
    ("wcs", "expected"),
    [
        (Spectrum(), "it has no celestial axes (em.wl, pos.eq.dec)"),
        (Lengths(), "its units are no angles (m, m)"),
        (Cube(), "it has 3 pixel axes and 2 world axes, not two of each"),
    ],
)
def test_interfaces_of_other_coordinates(wcs: object, expected: str) -> None:
    assert place([GridMember("a", SHAPE, None, wcs)]).notes == [f"the WCS of a is not used: {expected}"]


def test_an_image_of_one_row() -> None:
    members = [member(n, header, shape=(1, WIDTH)) for n, header in (("a", square()), ("b", square(shift=(0.3, 0))))]
    assert "it is shifted by (0.30, 0.00) px" in place(members).problems[0]
