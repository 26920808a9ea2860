"""Placement of exposures on one pixel grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from wcs_kinds import HEIGHT, KINDS, TABLE_KINDS, WIDTH, header_of, write_kind

from evensky.fits.opening import quiet
from evensky.matching.placement import GridMember, Placement, place

SHAPE = (HEIGHT, WIDTH)


def tan(shift: tuple[float, float] = (0.0, 0.0), **cards: object) -> fits.Header:
    """Return the header of a plain WCS of which so many pixels are cut off at the left and at the bottom."""
    header = header_of("TAN")
    header["CRPIX1"] -= shift[0]
    header["CRPIX2"] -= shift[1]
    header.update(cards)
    return header


def wcs_of(header: fits.Header) -> WCS:
    with quiet():
        return WCS(header)


def member(
    label: str,
    header: fits.Header | None = None,
    *,
    origin: tuple[int, int] | None = None,
    shape: tuple[int, int] = SHAPE,
) -> GridMember:
    return GridMember(label, shape, origin, None if header is None else wcs_of(header))


def origins_of(placement: Placement) -> list[tuple[int, int]]:
    assert placement.problems == []
    return placement.origins


def test_exposures_on_one_grid_have_one_origin() -> None:
    placement = place([member("a", tan()), member("b", tan())])
    assert origins_of(placement) == [(0, 0), (0, 0)]
    assert placement.notes == []


def test_no_exposures() -> None:
    assert place([]) == Placement([])
    assert place([], same_grid=True) == Placement([])


@pytest.mark.parametrize("kind", KINDS)
def test_whole_pixel_shifts_of_every_kind_of_wcs(kind: str) -> None:
    """A cut-out lies where it was cut out, far from its parent, too, and in a grid that starts elsewhere."""
    members = [member("a", header_of(kind))]
    for label, x, y in (("b", 7, -12), ("c", -310, 205)):
        header = header_of(kind)
        if "CNPIX1" in header:  # the corner of an image on a plate
            header["CNPIX1"] += x
            header["CNPIX2"] += y
        else:
            header["CRPIX1"] -= x
            header["CRPIX2"] -= y
        members.append(member(label, header))
    placement = place(members)
    assert origins_of(placement) == [(0, 0), (7, -12), (-310, 205)]
    assert placement.notes == [
        "the exposures are placed by their WCS: whole-pixel shifts from -310 to 7 in x and -12 to 205 in y"
    ]


@pytest.mark.parametrize("kind", TABLE_KINDS)
def test_wcs_with_tables(kind: str, tmp_path: Path) -> None:
    write_kind(kind, tmp_path / "a.fits")
    with fits.open(tmp_path / "a.fits") as hdus, quiet():
        whole, again = (WCS(hdus[0].header, hdus) for _ in range(2))
        plain = WCS(hdus[0].header, hdus, fix=False).celestial
    assert origins_of(place([GridMember(n, SHAPE, None, wcs) for n, wcs in (("a", whole), ("b", again))])) == [
        (0, 0),
        (0, 0),
    ]
    if kind == "CPDIS":
        plain.cpdis1 = plain.cpdis2 = None
        problems = place([GridMember(n, SHAPE, None, wcs) for n, wcs in (("a", whole), ("b", plain))]).problems
        assert "has distortions that differ by up to 0." in problems[0]


def test_the_first_exposure_keeps_its_origin() -> None:
    placement = place([member("a", tan(), origin=(100, 50)), member("b", tan((5, 6)))])
    assert origins_of(placement) == [(100, 50), (105, 56)]


def test_shifts_within_a_tenth_of_a_pixel_are_whole() -> None:
    assert origins_of(place([member("a", tan()), member("b", tan((3.06, -2.0)))])) == [(0, 0), (3, -2)]


def test_another_reference_point_of_the_same_grid() -> None:
    """Along the equator of a cylindrical projection, CRVAL may move instead of CRPIX."""
    header = header_of("CAR")
    for card in ("CD1_2", "CD2_1"):
        header[card] = 0.0
    other = header.copy()
    other["CRVAL1"] += 10 * header["CD1_1"]
    assert origins_of(place([member("a", header), member("b", other)])) == [(0, 0), (10, 0)]


def test_positions_in_other_frames_are_converted() -> None:
    """The frames FK5 and ICRS agree within 0.03 arcsec, and the same numbers mean the same pixels."""
    placement = place([member("a", tan()), member("b", tan((4, 5), RADESYS="FK5"))])
    assert origins_of(placement) == [(0, 0), (4, 5)]
    assert placement.notes[-1] == (
        "b has another reference system than a: FK5 and ICRS, which agree within 0.03 arcsec"
    )
    # Equinoxes 1950 and 2000 differ by precession.
    problems = place([member("a", tan()), member("b", tan(RADESYS="FK4", EQUINOX=1950.0))]).problems
    assert "b is not on the pixel grid of a: it is shifted by (" in problems[0]


def test_the_same_sky_in_galactic_coordinates() -> None:
    from astropy.coordinates import SkyCoord

    header = tan(CRPIX1=30.0, CRPIX2=20.0, RADESYS="ICRS")
    place_of = SkyCoord(header["CRVAL1"], header["CRVAL2"], unit="deg").galactic
    header.update({"CD1_1": -7e-5, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 7e-5})
    galactic = header.copy()
    north = SkyCoord(header["CRVAL1"], header["CRVAL2"] + 1e-3, unit="deg").galactic
    angle = place_of.position_angle(north).rad
    galactic.update(CTYPE1="GLON-TAN", CTYPE2="GLAT-TAN", CRVAL1=place_of.l.deg, CRVAL2=place_of.b.deg)
    cosine, sine = 7e-5 * np.cos(angle), 7e-5 * np.sin(angle)
    galactic.update(CD1_1=-cosine, CD1_2=sine, CD2_1=sine, CD2_2=cosine, CRPIX1=33.0, CRPIX2=18.0)
    assert origins_of(place([member("a", header), member("b", galactic)])) == [(0, 0), (-3, 2)]


def test_an_all_sky_map_with_corners_off_the_sky() -> None:
    cards = {"CTYPE1": "GLON-AIT", "CTYPE2": "GLAT-AIT", "CDELT1": -4.0, "CDELT2": 4.0, "CRVAL1": 0.0, "CRVAL2": 0.0}
    header = fits.Header({**cards, "CRPIX1": 45.5, "CRPIX2": 22.5})
    other = fits.Header({**cards, "CRPIX1": 43.5, "CRPIX2": 21.5})
    shape = (44, 90)
    members = [member("a", header, shape=shape), member("b", header, shape=shape)]
    assert origins_of(place(members)) == [(0, 0), (0, 0)]
    assert origins_of(place([members[0], member("c", other, shape=(40, 86))])) == [(0, 0), (2, 1)]


def test_cut_outs_on_both_sides_of_the_meridian_where_a_map_ends() -> None:
    cards = {"CTYPE1": "GLON-CAR", "CTYPE2": "GLAT-CAR", "CDELT1": -1.0, "CDELT2": 1.0, "CRVAL1": 0.0, "CRVAL2": 0.0}
    members = [member(str(x), fits.Header({**cards, "CRPIX1": x, "CRPIX2": 10.0})) for x in (180.5, -120.5)]
    assert origins_of(place(members)) == [(0, 0), (301, 0)]


def test_pixel_origins_alone() -> None:
    members = [member("a", origin=(-3, 7)), member("b", origin=(10, 20), shape=(5, 6))]
    placement = place(members)
    assert origins_of(placement) == [(-3, 7), (10, 20)]
    assert placement.notes == []


def test_patches_with_a_wcs_and_origins_that_agree() -> None:
    placement = place([member("a", tan(), origin=(5900, 9900)), member("b", tan((4000, 0)), origin=(9900, 9900))])
    assert origins_of(placement) == [(5900, 9900), (9900, 9900)]
    assert len(placement.notes) == 1  # the shifts


def test_neither_wcs_nor_origins() -> None:
    placement = place([member("a"), member("b"), member("c", fits.Header())])
    assert origins_of(placement) == [(0, 0)] * 3
    assert placement.notes == []


def test_the_wcs_takes_precedence_over_origins() -> None:
    members = [member(n, tan(), origin=origin) for n, origin in (("a", (0, 0)), ("b", (50, 0)), ("c", (0, 0)))]
    placement = place(members)
    assert origins_of(placement) == [(0, 0)] * 3
    assert placement.notes == ["the pixel origin of b contradicts its WCS, which is used"]


def test_exposures_without_a_wcs_among_others() -> None:
    placement = place([member("a", tan()), member("b"), member("c", tan((2, 3))), member("d")])
    assert origins_of(placement) == [(0, 0), (0, 0), (2, 3), (0, 0)]
    assert "b and d have no WCS and are assumed to be on the grid of a" in placement.notes
    placement = place([member("a", tan(), origin=(4, 4)), member("b", origin=(6, 9), shape=(3, 4))])
    assert origins_of(placement) == [(4, 4), (6, 9)]
    assert placement.notes == ["b has no WCS and is placed by the pixel origin of the header"]


def test_the_user_overrules_the_wcs() -> None:
    members = [member("a", tan()), member("b", tan((0.4, 0.0)))]
    placement = place(members, same_grid=True)
    assert origins_of(placement) == [(0, 0), (0, 0)]
    assert len(placement.notes) == 1
    assert "--same-grid (same_grid=True) overrules: b is not on the pixel grid of a" in placement.notes[0]
    placement = place([member("a", tan()), member("b", tan((4.0, 0.0)))], same_grid=True)
    assert origins_of(placement) == [(0, 0), (0, 0)]
    assert "the WCS or pixel origins give other positions" in placement.notes[0]
    # Nothing is overruled.
    assert place([member("a", tan()), member("b", tan())], same_grid=True).notes == []


def test_the_user_overrules_the_wcs_and_origins_remain() -> None:
    members = [member("a", tan(), origin=(1, 2)), member("b", tan((0.4, 0.0)), origin=(3, 4))]
    placement = place(members, same_grid=True)
    assert origins_of(placement) == [(1, 2), (3, 4)]
    assert "are placed by the pixel origins in their headers" in placement.notes[0]


def test_degenerate_axes_are_left_out() -> None:
    def cube(x: float) -> fits.Header:
        header = tan((x, 0.0))
        header.update(CTYPE3="FREQ", CRPIX3=1.0, CRVAL3=1.4e9, CDELT3=1e6, CUNIT3="Hz", CTYPE4="STOKES", CRVAL4=1.0)
        return header

    assert origins_of(place([member("a", cube(0)), member("b", cube(9)), member("c", tan((2, 1)))])) == [
        (0, 0),
        (9, 0),
        (2, 1),
    ]


@dataclass
class Interface:
    """A WCS with nothing but the shared interface."""

    wcs: Any
    latitude_first: bool = False
    unit: str = "deg"
    frame: Any = None

    pixel_n_dim = world_n_dim = 2

    def _order(self, values: Any) -> Any:
        return values[::-1] if self.latitude_first else values

    @property
    def world_axis_physical_types(self) -> list[str]:
        return list(self._order(["pos.eq.ra", "pos.eq.dec"]))

    @property
    def world_axis_units(self) -> list[str]:
        return [self.unit, self.unit]

    @property
    def world_axis_object_classes(self) -> dict[str, Any]:
        return {} if self.frame is None else {"celestial": (object, (), {"frame": self.frame, "unit": self.unit})}

    def pixel_to_world_values(self, x: Any, y: Any) -> Any:
        world = self.wcs.all_pix2world(x, y, 0)
        return self._order([np.radians(values) if self.unit == "rad" else values for values in world])

    def world_to_pixel_values(self, *world: Any) -> Any:
        values = [np.degrees(values) if self.unit == "rad" else values for values in self._order(list(world))]
        return self.wcs.all_world2pix(*values, 0)


@pytest.mark.parametrize(("latitude_first", "unit"), [(False, "deg"), (True, "rad")])
def test_objects_with_the_shared_interface(latitude_first: bool, unit: str) -> None:
    def other(x: float) -> Interface:
        return Interface(wcs_of(tan((x, 2.0))), latitude_first, unit)

    found = place([GridMember(str(x), SHAPE, None, other(x)) for x in (0.0, 11.0)])
    assert origins_of(found) == [(0, 0), (11, 0)]
    refused = place([GridMember(str(x), SHAPE, None, other(x)) for x in (0.0, 11.3)])
    assert "it is shifted by (11.30, 0.00) px" in refused.problems[0]


def test_an_object_with_the_shared_interface_and_a_fits_wcs() -> None:
    from astropy.coordinates import ICRS

    other = GridMember("b", SHAPE, None, Interface(wcs_of(tan((3.0, 4.0))), frame=ICRS()))
    assert origins_of(place([member("a", tan()), other])) == [(0, 0), (3, 4)]
    assert origins_of(place([other, member("a", tan())])) == [(0, 0), (-3, -4)]


def test_slices_of_a_wcs() -> None:
    from astropy.wcs.wcsapi import HighLevelWCSWrapper, SlicedLowLevelWCS

    cut = SlicedLowLevelWCS(wcs_of(tan()), (slice(5, 40), slice(8, 50)))
    for wcs in (cut, HighLevelWCSWrapper(cut)):
        placement = place([member("a", tan()), GridMember("b", (35, 42), None, wcs)])
        assert origins_of(placement) == [(0, 0), (8, 5)]


def test_many_exposures() -> None:
    rng = np.random.default_rng(3)
    header = header_of("SIP")
    shifts = [(0, 0), *((int(x), int(y)) for x, y in rng.integers(-50, 50, (299, 2)))]
    wcs = [wcs_of(header) for _ in shifts]
    for one, (x, y) in zip(wcs, shifts, strict=True):
        one.wcs.crpix -= (x, y)
        one.sip = type(one.sip)(one.sip.a, one.sip.b, None, None, one.wcs.crpix)
    assert origins_of(place([GridMember(str(n), SHAPE, None, one) for n, one in enumerate(wcs)])) == shifts
