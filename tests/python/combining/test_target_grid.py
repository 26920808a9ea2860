"""The pixel grid of a coadd."""

from __future__ import annotations

import pickle
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS, DistortionLookupTable
from dithered_scenes import as_gwcs
from wcs_kinds import HEIGHT, KINDS, TABLE_KINDS, WIDTH, header_of, write_kind

from evensky.combining import target_grid
from evensky.combining.fits_wcs import shifted_wcs
from evensky.combining.target_grid import RESAMPLE, TargetGrid, find_target_grid
from evensky.errors import FitsError, InvalidParameterError, UnsuitableError
from evensky.fits.opening import quiet
from evensky.io.formats import describe
from evensky.matching.celestial import GridMember

SHAPE = (HEIGHT, WIDTH)


def wcs_of(header: fits.Header) -> WCS:
    with quiet():
        return WCS(header)


def tan(
    centre: tuple[float, float] = (150.0, 20.0),
    *,
    crpix: tuple[float, float] = (30.5, 25.5),
    angle: float = 0.0,
    scale: float = 1.0,
) -> WCS:
    """Return a tangent projection with pixels of some arcsec, turned by an angle in degrees."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.radesys = "ICRS"
    wcs.wcs.crval = centre
    wcs.wcs.crpix = crpix
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    wcs.wcs.cd = np.array([[-cosine, sine], [sine, cosine]]) * scale / 3600
    wcs.wcs.set()
    return wcs


def member(label: str, wcs: Any = None, *, origin: tuple[int, int] | None = None, shape: Any = SHAPE) -> GridMember:
    return GridMember(label, shape, origin, wcs)


def same_sky(one: WCS, other: WCS, shift: tuple[int, int], points: np.ndarray, tolerance: float = 1e-9) -> bool:
    """Return whether pixels of a WCS lie where pixels of another one lie, moved by a shift."""
    with quiet():
        return np.allclose(one.all_pix2world(points, 0), other.all_pix2world(points + shift, 0), rtol=0, atol=tolerance)


CORNERS = np.array([[0.0, 0.0], [WIDTH - 1.0, 0.0], [0.0, HEIGHT - 1.0], [WIDTH - 1.0, HEIGHT - 1.0]])


# ---- exposures of one grid ----


def test_exposures_without_wcs_keep_their_pixels() -> None:
    grid = find_target_grid([member("a", origin=(10, 20)), member("b", origin=(7, 25), shape=(40, 70))])
    assert grid == TargetGrid(None, (50, 70), ((0, 3), (5, 0)), ((3, 0, 60, 50), (0, 5, 70, 40)), (7, 20))


def test_exposures_of_one_size_without_wcs_lie_on_each_other() -> None:
    grid = find_target_grid([member("a"), member("b")])
    assert (grid.wcs, grid.shape, grid.shifts, grid.origin) == (None, SHAPE, ((0, 0), (0, 0)), (0, 0))


@pytest.mark.parametrize("kind", KINDS)
def test_grid_of_shifted_exposures_has_the_wcs_of_their_pixels(kind: str) -> None:
    headers = [header_of(kind) for _ in range(3)]
    shifts = [(0, 0), (7, -12), (-31, 5)]
    for header, (x, y) in zip(headers, shifts, strict=True):
        if "CNPIX1" in header:  # the corner of an image on a plate
            header["CNPIX1"] += x
            header["CNPIX2"] += y
        else:
            header["CRPIX1"] -= x
            header["CRPIX2"] -= y
    members = [member(f"e{n}", wcs_of(header)) for n, header in enumerate(headers)]
    grid = find_target_grid(members)
    assert grid.shape == (HEIGHT + 17, WIDTH + 38)
    assert grid.shifts == ((12, 31), (0, 38), (17, 0))
    assert grid.wcs.array_shape == grid.shape
    # Two kinds cannot be written to a header by astropy, and are fitted.
    fitted = kind in ("TNX with WAT", "DSS plate")
    assert [note for note in grid.notes if "is fitted to that of e0" in note] == list(grid.notes[1:])
    assert (len(grid.notes) == 2) == fitted
    written = wcs_of(grid.wcs.to_header(relax=True))
    for one, (dy, dx) in zip(members, grid.shifts, strict=True):
        for wcs in (grid.wcs, written):
            assert same_sky(one.wcs, wcs, (dx, dy), CORNERS, 0.01 * 7e-5 if fitted else 1e-9)


@pytest.mark.parametrize("table", ["CPDIS", "D2IM"])
def test_lookup_tables_of_distortions_move_along(table: str) -> None:
    wcs = tan()
    rng = np.random.default_rng(3)
    for axis in (1, 2):
        found = DistortionLookupTable(rng.normal(size=(6, 7)).astype(np.float32), (1, 1), (1, 1), (10, 10))
        setattr(wcs, f"{'cpdis' if table == 'CPDIS' else 'det2im'}{axis}", found)
    assert not np.allclose(wcs.all_pix2world(CORNERS, 0), tan().all_pix2world(CORNERS, 0), rtol=0, atol=1e-5)
    assert same_sky(wcs, shifted_wcs(wcs, 13, -4), (13, -4), CORNERS)


@pytest.mark.parametrize("kind", TABLE_KINDS)
def test_wcs_of_files_with_tables_move_along(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    write_kind(kind, path)
    wcs = describe(path).wcs[0]
    inner = np.array([[3.0, 4.0], [50.0, 7.0], [20.0, 40.0]])
    assert same_sky(wcs, shifted_wcs(wcs, -2, 5), (-2, 5), inner)
    # Such tables are not in the cards of a header, nor are they sent to other processes.
    grid = find_target_grid([member("a", wcs), member("b", shifted_wcs(wcs, -2, 5))])
    assert grid.shifts == ((5, 0), (0, 2))
    assert "is fitted to that of a, which does not fit in the cards of a header" in grid.notes[-1]
    copy = pickle.loads(pickle.dumps(grid))
    written = wcs_of(copy.wcs.to_header(relax=True))
    told = float(re.search(r"by up to ([\d.e-]+) px", grid.notes[-1])[1])
    assert same_sky(wcs, written, (0, 5), inner, (told + 0.01) * 7.2e-5)
    assert told < 0.15


def test_the_wcs_of_an_exposure_is_not_changed() -> None:
    wcs = wcs_of(header_of("SIP"))
    before = wcs.wcs.crpix.copy(), wcs.sip.crpix.copy(), wcs.array_shape
    find_target_grid([member("a", wcs), member("b", shifted_wcs(wcs, 3, 4))])
    assert (wcs.wcs.crpix == before[0]).all()
    assert (wcs.sip.crpix == before[1]).all()
    assert wcs.array_shape == before[2]


def test_pixel_origins_go_with_the_wcs() -> None:
    wcs = tan()
    grid = find_target_grid(
        [member("a", wcs, origin=(100, 200)), member("b", shifted_wcs(wcs, 4, -3), origin=(96, 203))]
    )
    assert grid.origin == (96, 200)
    assert grid.shifts == ((0, 4), (3, 0))


def test_same_grid_overrules_the_wcs() -> None:
    members = [member("a", tan()), member("b", tan(angle=30.0))]
    grid = find_target_grid(members, same_grid=True)
    assert grid.shifts == ((0, 0), (0, 0))
    assert same_sky(grid.wcs, members[0].wcs, (0, 0), CORNERS)
    assert "--same-grid" in grid.notes[0]


def test_same_grid_may_have_a_given_wcs() -> None:
    """Frames without a WCS, and the WCS that another program has found."""
    given = tan(angle=5.0)
    grid = find_target_grid([member("a"), member("b")], same_grid=True, wcs=given)
    assert grid.wcs is given
    assert grid.shape == SHAPE


def test_cubes_have_the_wcs_of_their_image() -> None:
    cube = WCS(naxis=3)
    cube.wcs.ctype = "RA---TAN", "DEC--TAN", "FREQ"
    cube.wcs.crval, cube.wcs.crpix, cube.wcs.cdelt = (10, 20, 1e9), (5, 5, 1), (-1e-3, 1e-3, 1e6)
    grid = find_target_grid([member("a", cube)])
    assert grid.wcs.naxis == 2


def test_no_exposures() -> None:
    with pytest.raises(InvalidParameterError, match="no exposures to combine"):
        find_target_grid([])


# ---- a grid that is given ----


def test_exposures_on_the_given_grid_keep_their_pixels() -> None:
    given = tan(crpix=(100.5, 80.5))
    given.array_shape = 160, 200
    members = [
        member("on", shifted_wcs(given, -70, -60)),
        member("beside", tan(angle=10.0)),
        member("across", shifted_wcs(given, -190, 20)),
    ]
    grid = find_target_grid(members, wcs=given)
    assert grid.shape == (160, 200)
    assert grid.shifts == ((60, 70), RESAMPLE, (-20, 190))
    assert grid.resampled == (1,)
    assert grid.boxes[0] == (70, 60, WIDTH, HEIGHT)
    assert grid.boxes[2] == (190, 0, 10, 30)
    assert grid.wcs is given


@pytest.mark.parametrize("how", ["header", "text", "file", "compressed", "wcs"])
def test_ways_to_give_a_grid(how: str, tmp_path: Path) -> None:
    header = tan(crpix=(100.5, 80.5)).to_header()
    given: Any = tmp_path / "grid.fits"
    pixels = np.zeros((160, 200), np.float32)
    if how == "header":
        given = header.copy()
        given["NAXIS1"], given["NAXIS2"] = 200, 160
    elif how == "text":
        given = str(tmp_path / "grid.hdr")
        text = f"SIMPLE  =  T\nNAXIS   = 2\nNAXIS1  = 200\nNAXIS2  =  160\n{header.tostring(sep=chr(10))}\nEND\n"
        Path(given).write_text(text)
    elif how == "file":
        fits.HDUList([fits.PrimaryHDU(pixels, header)]).writeto(given)
    elif how == "compressed":
        fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels, header)]).writeto(given)
    else:
        given = wcs_of(header)
        given.array_shape = 160, 200
    grid = find_target_grid([member("a", tan(angle=10.0))], wcs=given)
    assert grid.shape == (160, 200)
    assert same_sky(grid.wcs, tan(crpix=(100.5, 80.5)), (0, 0), CORNERS)
    assert find_target_grid([member("a", tan())], wcs=given, shape=(90, 120)).shape == (90, 120)


def test_header_of_a_compressed_image_tells_its_size() -> None:
    header = tan().to_header()
    header["NAXIS1"], header["NAXIS2"], header["ZNAXIS1"], header["ZNAXIS2"] = 8, 1000, 300, 200
    assert find_target_grid([member("a", tan(angle=10.0))], wcs=header).shape == (200, 300)


@pytest.mark.parametrize("angle", [0.0, 37.0])
def test_given_wcs_without_a_size_is_laid_around_the_exposures(angle: float) -> None:
    given = tan(crpix=(-999.5, 2000.5), scale=0.8)
    members = [member("a", tan(angle=angle)), member("on", shifted_wcs(given, 1000, -2010))]
    grid = find_target_grid(members, wcs=given)
    assert grid.shifts[0] == RESAMPLE
    dy, dx = grid.shifts[1]
    assert same_sky(members[1].wcs, grid.wcs, (dx, dy), CORNERS)
    # The outer corners of all pixels lie on the grid, and at most a pixel of it is not needed.
    outer = np.array([[-0.5, -0.5], [WIDTH - 0.5, -0.5], [-0.5, HEIGHT - 0.5], [WIDTH - 0.5, HEIGHT - 0.5]])
    places = np.concatenate([grid.wcs.all_world2pix(m.wcs.all_pix2world(outer, 0), 0) for m in members])
    low, high = places.min(axis=0) + 0.5, places.max(axis=0) + 0.5 - grid.shape[::-1]
    assert (low >= -1e-6).all()
    assert (low < 1).all()
    assert (high <= 1e-6).all()
    assert (high > -1).all()


def test_exposure_without_wcs_is_on_a_given_grid_of_its_size() -> None:
    given = tan()
    given.array_shape = SHAPE
    grid = find_target_grid([member("a"), member("b", tan(angle=3.0))], wcs=given)
    assert grid.shifts == ((0, 0), RESAMPLE)
    assert grid.notes == ("a has no WCS and is assumed to be on the grid of the result",)


def test_exposures_outside_are_told() -> None:
    given = tan()
    given.array_shape = SHAPE
    members = [member("in", tan(angle=3.0)), member("out", tan((151.0, 20.0), angle=3.0))]
    grid = find_target_grid(members, wcs=given)
    assert grid.boxes[1][2] * grid.boxes[1][3] == 0
    assert grid.notes == ("out lies outside of the grid of the result",)
    with pytest.raises(UnsuitableError, match="none of the 1 exposures lies on the given grid of 60 x 50 pixels"):
        find_target_grid(members[1:], wcs=given)


def test_exposure_around_the_pole_of_a_grid_covers_all_longitudes() -> None:
    given = WCS(naxis=2)
    given.wcs.ctype = "RA---CAR", "DEC--CAR"
    given.wcs.crval, given.wcs.crpix, given.wcs.cdelt = (180, 0), (180.5, 90.5), (-1, 1)
    given.array_shape = 180, 360
    grid = find_target_grid([member("a", tan((10.0, 90.0), scale=600.0))], wcs=given)
    x0, y0, width, height = grid.boxes[0]
    assert (x0, width) == (0, 360)
    assert y0 + height == 180
    assert y0 > 160


def test_exposure_across_the_edge_of_an_all_sky_grid() -> None:
    given = WCS(naxis=2)
    given.wcs.ctype = "RA---CAR", "DEC--CAR"
    given.wcs.crval, given.wcs.crpix, given.wcs.cdelt = (180, 0), (180.5, 90.5), (-1, 1)
    given.array_shape = 180, 360
    grid = find_target_grid([member("a", tan((0.0, 5.0), scale=600.0))], wcs=given)
    x0, _, width, _ = grid.boxes[0]
    assert x0 == 0
    assert width == 360


# ---- a grid that is found ----


def test_grid_around_exposures_of_different_grids() -> None:
    pytest.importorskip("reproject")
    members = [
        member("a", tan(angle=10.0)),
        member("b", tan((150.01, 20.005), angle=-40.0, scale=1.5)),
        member("c", tan((149.99, 19.99), scale=0.9), shape=(80, 30)),
    ]
    grid = find_target_grid(members)
    assert grid.shifts == (RESAMPLE, RESAMPLE, RESAMPLE)
    assert grid.wcs.array_shape == grid.shape
    scales = np.abs(np.diag(grid.wcs.pixel_scale_matrix)) * 3600
    assert scales == pytest.approx([0.9, 0.9], rel=1e-3)
    for one in members:
        height, width = one.shape
        outer = np.array([[-0.5, -0.5], [width - 0.5, -0.5], [-0.5, height - 0.5], [width - 0.5, height - 0.5]])
        places = grid.wcs.all_world2pix(one.wcs.all_pix2world(outer, 0), 0)
        assert places.min() >= -1
        assert (places <= grid.shape[::-1]).all()


def test_grid_of_most_exposures_is_kept() -> None:
    """Exposures of one grid are not resampled because one more is beside it."""
    wcs = tan()
    members = [member("a", wcs), member("b", shifted_wcs(wcs, -10, 4)), member("turned", tan(angle=30.0))]
    grid = find_target_grid(members)
    assert grid.shifts[2] == RESAMPLE
    for one, shift in zip(members[:2], grid.shifts, strict=False):
        assert shift != RESAMPLE
        assert same_sky(one.wcs, grid.wcs, (shift[1], shift[0]), CORNERS)
    x0, y0, width, height = grid.boxes[2]
    assert width in (78, 79)
    assert height in (74, 75)
    assert min(x0, y0) == 0
    assert grid.wcs.array_shape == grid.shape


def test_pixels_that_are_much_finer_are_told() -> None:
    given = tan(scale=2.0)
    given.array_shape = SHAPE
    grid = find_target_grid([member("fine", tan(angle=3.0)), member("coarse", tan(angle=3.0, scale=1.8))], wcs=given)
    assert len(grid.notes) == 1
    assert grid.notes[0].startswith("the pixels of fine are up to 4 times smaller in area than those of the result")


def test_pixels_of_the_result_are_those_of_the_finest_exposure_itself() -> None:
    """The scale of a camera with a wide field differs from that at the reference point far from the detector."""
    pytest.importorskip("reproject")
    header = header_of("ZPN with PV")
    header["CRPIX1"], header["CRPIX2"] = -9000.0, 5000.0
    wcs = wcs_of(header)
    here, right, above = wcs.all_pix2world([[30, 25], [31, 25], [30, 26]], 0)
    east = np.array([np.cos(np.radians(here[1])), 1.0])
    area = abs(np.linalg.det([(right - here) * east, (above - here) * east])) * 3600**2
    at_reference = abs(np.linalg.det(wcs.pixel_scale_matrix)) * 3600**2
    assert area < 0.98 * at_reference
    grid = find_target_grid([member("a", wcs), member("b", tan(tuple(here), scale=1.0))])
    assert abs(np.linalg.det(grid.wcs.pixel_scale_matrix)) * 3600**2 == pytest.approx(area, rel=1e-3)


def test_pixel_scale_is_that_of_the_result() -> None:
    pytest.importorskip("reproject")
    members = [member("a", tan()), member("b", tan())]
    grid = find_target_grid(members, pixel_scale=2.5)
    assert np.abs(np.diag(grid.wcs.pixel_scale_matrix)) * 3600 == pytest.approx([2.5, 2.5], rel=1e-6)
    assert grid.shifts == (RESAMPLE, RESAMPLE)


def test_grids_are_sent_to_other_processes() -> None:
    grid = find_target_grid([member("a", tan(angle=5.0))], wcs=tan())
    copy = pickle.loads(pickle.dumps(grid))
    assert (copy.shape, copy.shifts, copy.boxes) == (grid.shape, grid.shifts, grid.boxes)
    assert same_sky(copy.wcs, grid.wcs, (0, 0), CORNERS)


@pytest.mark.extras
def test_wcs_that_is_none_of_fits_is_fitted() -> None:
    pytest.importorskip("gwcs")
    original = tan()
    grid = find_target_grid([member("a", as_gwcs(original, SHAPE))])
    assert isinstance(grid.wcs, WCS)
    assert "fitted to that of a" in grid.notes[0]
    points = np.mgrid[0:HEIGHT:7, 0:WIDTH:7].reshape(2, -1)[::-1].T
    apart = original.all_world2pix(grid.wcs.all_pix2world(points, 0), 0) - points
    assert np.abs(apart).max() < 0.01


# ---- refusals ----


def test_exposures_that_cannot_be_resampled_are_named() -> None:
    members = [member("a", tan()), member("b", tan(angle=30.0)), member("plain", shape=(20, 20))]
    with pytest.raises(UnsuitableError, match=r"plain has no WCS.*--same-grid \(same_grid=True\)"):
        find_target_grid(members)
    with pytest.raises(UnsuitableError, match="plain has no WCS"):
        find_target_grid(members, wcs=tan())


def test_many_exposures_without_wcs_make_a_short_message() -> None:
    members = [member("a", tan(), shape=(9, 9)), *(member(f"plain {n}") for n in range(100))]
    with pytest.raises(UnsuitableError, match="the same holds for 95 more") as raised:
        find_target_grid(members)
    assert len(str(raised.value)) < 1000


def test_grids_that_are_too_large_are_refused() -> None:
    members = [member("a", tan()), member("far", tan((170.0, -20.0)))]
    pytest.importorskip("reproject")
    with pytest.raises(UnsuitableError, match=r"has \d+ x \d+ pixels \(.* GB for each plane\).*leave out") as raised:
        find_target_grid(members)
    assert "--wcs FILE (wcs=..., shape=...)" in str(raised.value)


def test_pixel_origins_far_apart_are_refused() -> None:
    with pytest.raises(UnsuitableError, match="has 1000060 x 1000050 pixels"):
        find_target_grid([member("a", origin=(0, 0)), member("b", origin=(10**6, 10**6))])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": (10, 10)}, "a size needs the WCS of its grid"),
        ({"shape": 10, "wcs": tan()}, "shape is 10; a height and a width"),
        ({"shape": (0, 10), "wcs": tan()}, r"shape is \(0, 10\)"),
        ({"shape": (10**8, 10), "wcs": tan()}, "must be 1 to"),
        ({"shape": (10, 10, 10), "wcs": tan()}, "a height and a width"),
        ({"pixel_scale": 1.0, "wcs": tan()}, "but wcs gives the pixels"),
        ({"pixel_scale": 1.0, "same_grid": True}, "but same_grid gives the pixels"),
        ({"pixel_scale": 0.0}, "pixel_scale is 0.0; it must be a size in arcsec > 0"),
        ({"pixel_scale": float("nan")}, "pixel_scale is nan"),
        ({"wcs": 3}, "wcs is 3, a int"),
        ({"wcs": WCS(naxis=2)}, "no celestial axes"),
    ],
)
def test_arguments_that_are_not_allowed(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        find_target_grid([member("a", tan())], **arguments)


def test_given_wcs_that_no_header_can_hold(tmp_path: Path) -> None:
    write_kind("CPDIS", tmp_path / "tables.fits")
    for given in (tmp_path / "tables.fits", describe(tmp_path / "tables.fits").wcs[0]):
        with pytest.raises(InvalidParameterError, match=r"does not fit in the cards of a header.*such as TAN"):
            find_target_grid([member("a", tan())], wcs=given)


def test_files_that_hold_no_grid(tmp_path: Path) -> None:
    with pytest.raises(FitsError, match=r"nothing.fits: cannot be read"):
        find_target_grid([member("a", tan())], wcs=tmp_path / "nothing.fits")
    plain = tmp_path / "plain.fits"
    fits.PrimaryHDU(np.zeros((5, 5), np.float32)).writeto(plain)
    with pytest.raises(InvalidParameterError, match="holds no image with a WCS"):
        find_target_grid([member("a", tan())], wcs=plain)
    text = tmp_path / "notes.txt"
    text.write_text("nothing\nthat is a header\n")
    with pytest.raises(InvalidParameterError, match="no celestial axes"):
        find_target_grid([member("a", tan())], wcs=text)


def test_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("reproject", "reproject.mosaicking"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InvalidParameterError, match=r"pip install 'evensky\[reproject\]'"):
        find_target_grid([member("a", tan()), member("b", tan(angle=30.0))])
    assert target_grid.find_target_grid([member("a", tan()), member("b", tan())]).shape == SHAPE
