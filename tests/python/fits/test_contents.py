"""Description of files in the conventions of observatories, from their headers."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from layout_files import LAYOUT_FILES, SHAPE, image, make_layout, plain_image, primary, wcs_cards, write

from evensky.fits.contents import describe_file, describe_hdus
from evensky.fits.descriptions import Selection
from evensky.fits.planes import read_described

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(params=LAYOUT_FILES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_layout_is_described(name: str, tmp_path: Path) -> None:
    made = make_layout(name, tmp_path)
    found = describe_file(made.path)
    assert (found.layout, found.role, found.ignored) == (made.layout, made.role, made.ignored)
    assert [(one.name, one.slot, one.shape) for one in found.images] == [
        (chip.name, chip.slot, chip.pixels.shape) for chip in made.chips
    ]
    for one, chip, wcs in zip(found.images, made.chips, found.wcs, strict=True):
        assert ("" if one.mask is None else one.mask.name) == chip.mask
        assert ("" if one.variance is None else one.variance.name) == chip.errors
        assert ("" if one.variance is None else one.variance.sense) == chip.sense
        assert (None if one.mask is None else one.mask.bad_names) == made.bad_names
        assert (one.unit, one.filter, one.origin) == (made.unit, made.filter, made.origin)
        assert one.layout == made.layout
        assert (wcs is not None) == made.celestial
        if wcs is not None:
            # The files that `layout_files` writes have the centre of their projection there.
            np.testing.assert_allclose(wcs.wcs_pix2world([[39.0, 39.0]], 0), [[150.0, 2.0]], atol=1e-12)
    assert pickle.loads(pickle.dumps(found.images)) == found.images


def test_bad_pixels_of_every_layout(name: str, tmp_path: Path) -> None:
    made = make_layout(name, tmp_path)
    for one, chip in zip(describe_file(made.path).images, made.chips, strict=True):
        planes = read_described(one)
        np.testing.assert_array_equal(planes.image, chip.pixels)
        rejected = (planes.mask.view(np.uint32) & np.uint32((planes.bad or 0) | planes.reject)) != 0
        np.testing.assert_array_equal(rejected, chip.bad)


def test_planes_beside_an_image_are_no_exposures(name: str, tmp_path: Path) -> None:
    made = make_layout(name, tmp_path)
    assert {path: describe_file(path).role for path in made.others} == made.others


def test_no_pixels_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [make_layout(name, tmp_path) for name in ("jwst", "hst_flc", "lsst", "swarp")]

    def fail(self: Any) -> None:
        raise AssertionError("pixels were read")

    monkeypatch.setattr(fits.ImageHDU, "data", property(fail))
    monkeypatch.setattr(fits.PrimaryHDU, "data", property(fail))
    for one in made:
        assert describe_file(one.path).layout == one.layout


def test_names_of_files_do_not_tell_senses(tmp_path: Path) -> None:
    """A variance stays one in files whose names hold letters of other words."""
    for stem in ("std_field", "newton_7", "err", "weights_of_m31", "wht"):
        scene = np.ones(SHAPE, np.float32)
        path = write(tmp_path / f"{stem}.fits", primary(), image(scene, "IMAGE"), plain_image(scene, "VARIANCE"))
        (one,) = describe_file(path).images
        assert one.variance is not None
        assert one.variance.sense == "variance"
        selected = Selection(variance=f"{path}[VARIANCE]")
        (one,) = describe_file(path, selected).images
        assert one.variance is not None
        assert one.variance.sense == "variance"


def test_own_cards_before_names(tmp_path: Path) -> None:
    ones = np.ones(SHAPE, np.float32)
    path = write(
        tmp_path / "a.fits",
        primary(),
        image(ones, "ERR", EXTTYPE="IMAGE"),
        image(ones, "SCI", EXTTYPE="VARIANCE"),
        image(ones.astype(np.int32), "WHT", EXTTYPE="MASK", MP_BAD=3),
    )
    (one,) = describe_file(path).images
    assert (one.hdu, one.variance and one.variance.hdu, one.mask and one.mask.hdu) == (1, 2, 3)
    path = write(
        tmp_path / "b.fits",
        primary(ones),
        plain_image(ones, "ERROR", HDUCLAS1="IMAGE", HDUCLAS2="ERROR", HDUCLAS3="MSE"),
    )
    (one,) = describe_file(path).images
    assert one.variance is not None
    assert one.variance.sense == "variance"


def test_own_planes_before_files_beside(tmp_path: Path) -> None:
    made = make_layout("sci_err_dq", tmp_path)
    ones = np.ones(SHAPE, np.float32)
    write(tmp_path / f"{made.path.stem}.weight.fits", primary(ones))
    (one,) = describe_file(made.path).images
    assert one.variance is not None
    assert one.variance.name == "ERR"


@pytest.mark.parametrize(
    "other", ["WHT", "WGT", "CTX", "DQ", "FLAGS", "ERR", "VAR", "IVAR", "MASK", "SPECTRUM", "D2IMARR", "THUMBNAIL"]
)
def test_first_hdu_that_is_no_image(tmp_path: Path, other: str) -> None:
    ones = np.ones(SHAPE, np.float32)
    path = write(tmp_path / "a.fits", primary(), plain_image(ones, other), image(ones, "NGC 1"))
    (one,) = describe_file(path).images
    assert one.name == "NGC 1"
    # While there is no other, it is taken.
    path = write(tmp_path / "b.fits", primary(), plain_image(ones, other))
    (one,) = describe_file(path).images
    assert one.name == other


def test_primary_image_with_unknown_extensions(tmp_path: Path) -> None:
    ones = np.ones(SHAPE, np.float32)
    path = write(tmp_path / "a.fits", primary(ones), plain_image(ones, "GAIN"), plain_image(ones[:8], "LITTLE"))
    found = describe_file(path)
    assert [one.hdu for one in found.images] == [0]
    assert found.ignored == ("GAIN", "LITTLE")


def test_maps_of_unlike_names_are_no_chips(tmp_path: Path) -> None:
    ones = np.ones(SHAPE, np.float32)
    path = write(tmp_path / "a.fits", primary(), image(ones, "SIGNAL"), plain_image(ones, "HITS"))
    found = describe_file(path)
    assert [one.name for one in found.images] == ["SIGNAL"]
    assert found.ignored == ("HITS",)


def test_one_column_keeps_its_axis(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", primary(np.ones((1, 64, 1), np.float32)))
    assert describe_file(path).images[0].shape == (64, 1)
    path = write(tmp_path / "b.fits", primary(np.ones((1, 64), np.float32)))
    assert describe_file(path).images[0].shape == (1, 64)


# ---- choices ----


def bits(path: Path, **choices: Any) -> int:
    (one, *_) = describe_file(path, Selection(**choices)).images
    assert one.mask is not None
    return one.mask.bad


def test_bad_planes_by_name_and_value(tmp_path: Path) -> None:
    path = make_layout("jwst", tmp_path).path
    assert bits(path) == 1 | 1 << 9
    assert bits(path, bad_planes=("DO_NOT_USE", "4")) == 1 | 4
    assert bits(path, bad_planes=("4096+8192",)) == 4096 | 8192
    assert bits(path, good_bits=("DO_NOT_USE",)) == 1 << 9
    assert bits(path, bad_planes=("any",), good_bits=("4", "JUMP_DET")) == 0xFFFFFFFF & ~4
    assert bits(path, bad_planes=()) == 0


def test_good_bits_of_hst(tmp_path: Path) -> None:
    path = make_layout("hst_flc", tmp_path).path
    assert bits(path) == 0xFFFFFFFF
    (one, _) = describe_file(path, Selection(good_bits=("4096+8192", "WARM"))).images
    assert one.mask is not None
    assert one.mask.bad == 0xFFFFFFFF & ~(4096 | 8192 | 64)
    assert one.mask.bad_names == ("any", "but WARM", "but COSMIC_RAY", "but COSMIC_RAY_REJECTED")


def test_bits_of_a_mask_without_names(tmp_path: Path) -> None:
    path = make_layout("gemini", tmp_path).path
    (one, *_) = describe_file(path, Selection(bad_planes=("4",))).images
    assert one.mask is not None
    assert (one.mask.bad, one.mask.bad_names, one.mask.planes) == (4, ("4",), None)


def test_usual_planes_that_a_mask_of_lsst_lacks(tmp_path: Path) -> None:
    path = make_layout("lsst", tmp_path).path
    assert bits(path, bad_planes=("EDGE", "SAT")) == 1


@pytest.mark.parametrize("layout", ["jwst", "ztf", "hst_flc", "decam"])
def test_planes_that_are_ignored(tmp_path: Path, layout: str) -> None:
    made = make_layout(layout, tmp_path)
    for choice in ({"mask": "none"}, {"variance": "none"}, {"weight": "NONE"}):
        one, chip = describe_file(made.path, Selection(**choice)).images[0], made.chips[0]
        assert (one.mask is None) == ("mask" in choice)
        assert (one.variance is None) == ("mask" not in choice)
        ignored = (chip.mask if "mask" in choice else chip.errors).split("[")[0]
        assert any(f"{ignored} is ignored, as chosen" in note for note in one.notes)


def test_weights_that_the_user_trusts(tmp_path: Path) -> None:
    path = make_layout("hst_drz", tmp_path).path
    (one,) = describe_file(path).images
    assert one.variance is not None
    assert one.variance.sense == "weight"
    for choice in ({"weight": "WHT"}, {"variance": "WHT"}, {"weight": f"{path}[WHT]"}, {"weight": 2}):
        (one,) = describe_file(path, Selection(**choice)).images
        assert one.variance is not None
        assert (one.variance.hdu, one.variance.sense) == (2, "inverse variance")


@pytest.mark.parametrize("hdu", ["SCI,2", "sci,2", 4, "4", -6])
def test_one_chip_with_its_own_planes(tmp_path: Path, hdu: str | int) -> None:
    path = make_layout("hst_flc", tmp_path).path
    (one,) = describe_file(path, Selection(hdu=hdu)).images
    assert one.mask is not None
    assert one.variance is not None
    assert (one.name, one.slot, one.mask.name, one.variance.name) == ("SCI,2", "", "DQ,2", "ERR,2")


def test_planes_of_chips_by_pattern(tmp_path: Path) -> None:
    made = make_layout("wfcam", tmp_path)
    masks = [plain_image(np.zeros(SHAPE, np.uint8), f"DET1.CHIP{chip}") for chip in (2, 1)]
    write(tmp_path / "masks.fits", primary(), *masks)
    for spec in (f"{tmp_path}/masks.fits[{{extname}}]", f"{tmp_path}/masks.fits"):
        first, second = describe_file(made.path, Selection(mask=spec)).images
        assert first.mask is not None
        assert second.mask is not None
        assert (first.mask.hdu, second.mask.hdu) == (2, 1)
    flc = make_layout("hst_flc", tmp_path)
    selection = Selection(mask="ERR,{extver}", variance="ERR")
    assert [one.mask and one.mask.name for one in describe_file(flc.path, selection).images] == ["ERR,1", "ERR,2"]


# ---- roles ----


@pytest.mark.parametrize(
    ("change", "role"),
    [
        (lambda header: header.update({"PRODTYPE": "wtmap"}), "weight map"),
        (lambda header: header.update({"PRODTYPE": "dqmask"}), "mask"),
        (lambda header: header.update({"OBSTYPE": "object", "PRODTYPE": "image"}), "exposure"),
        (lambda header: header.update({"HDUCLAS1": "IMAGE", "HDUCLAS2": "QUALITY"}), "mask"),
        (lambda header: header.update({"HDUCLAS1": "IMAGE", "HDUCLAS2": "ERROR"}), "weight map"),
        (lambda header: header.update({"EVS_VER": "0.1"}), "earlier output"),
    ],
)
def test_role_by_cards(tmp_path: Path, change: Callable[[fits.Header], None], role: str) -> None:
    hdu = primary(np.ones(SHAPE, np.float32))
    change(hdu.header)
    assert describe_file(write(tmp_path / "a.fits", hdu)).role == role


@pytest.mark.parametrize(
    ("file", "role"),
    [
        ("a.weight.fits", "weight map"),
        ("a.wht.fits.gz", "weight map"),
        ("a_wht.fits", "weight map"),
        ("a_mskimg.fits", "mask"),
        ("c4d_ood_g.fits", "mask"),
        ("heavyweight.fits", "exposure"),
        ("rms.fits", "exposure"),
        ("masked_field.fits", "exposure"),
        ("m31_var.fits", "exposure"),
    ],
)
def test_role_by_name(tmp_path: Path, file: str, role: str) -> None:
    path = write(tmp_path / file, primary(np.ones(SHAPE, np.float32)))
    assert describe_file(path).role == role
    if file == "m31_var.fits":
        write(tmp_path / "m31_sci.fits", primary(np.ones(SHAPE, np.float32)))
        assert describe_file(path).role == "weight map"


def test_context_beside_an_image_is_no_exposure(tmp_path: Path) -> None:
    made = make_layout("drizzled_beside", tmp_path)
    path = write(tmp_path / made.path.name.replace("_sci", "_ctx"), primary(np.ones(SHAPE, np.int32)))
    assert describe_file(path).role == "weight map"


# ---- what else headers say ----


@pytest.mark.parametrize(
    ("cards", "name"),
    [
        ({"FILTER": " r "}, "r"),
        ({"FILTER1": "CLEAR1L", "FILTER2": "F814W"}, "F814W"),
        ({"FILTER1": "F606W", "FILTER2": "POL0V"}, "F606W+POL0V"),
        ({"FILTNAM1": "F555W", "FILTNAM2": ""}, "F555W"),
        ({"BAND": "z"}, "z"),
        ({"ESO__INS__FILT1__NAME": "Ks"}, "Ks"),
        ({"INSFLNAM": "J"}, "J"),
        ({"FILTER": "_unknown_"}, ""),
        ({"FILTER": "N/A", "BAND": "g"}, "g"),
        ({}, ""),
    ],
)
def test_filters(tmp_path: Path, cards: dict[str, str], name: str) -> None:
    ones = np.ones(SHAPE, np.float32)
    path = write(tmp_path / "a.fits", primary(**cards), image(ones))
    assert describe_file(path).images[0].filter == name
    path = write(tmp_path / "b.fits", primary(FILTER="of the primary"), image(ones, **cards))
    assert describe_file(path).images[0].filter == (name or "of the primary")


def test_unit_of_the_primary(tmp_path: Path) -> None:
    ones = np.ones(SHAPE, np.float32)
    assert describe_file(write(tmp_path / "a.fits", primary(BUNIT="adu"), image(ones))).images[0].unit == "adu"
    path = write(tmp_path / "b.fits", primary(BUNIT="adu"), image(ones, BUNIT="electron"))
    assert describe_file(path).images[0].unit == "electron"


def test_origins(tmp_path: Path) -> None:
    ones = np.ones(SHAPE, np.float32)

    def origin(**cards: Any) -> tuple[int, int] | None:
        return describe_file(write(tmp_path / "a.fits", primary(ones, **cards))).images[0].origin

    assert origin() is None
    assert origin(LTV1=-10.0, LTV2=4.0) == (10, -4)
    assert origin(CTYPE1A="LINEAR", CRVAL1A=7.0, CRVAL2A=8.0, CRPIX1A=1.0, CRPIX2A=1.0) == (7, 8)
    # Another celestial WCS holds no origin.
    assert origin(CTYPE1A="RA---TAN", CTYPE2A="DEC--TAN", CRVAL1A=150.0, CRVAL2A=2.0) is None


def test_wcs_that_cannot_be_used(tmp_path: Path) -> None:
    ones = np.ones(SHAPE, np.float32)
    path = write(tmp_path / "a.fits", primary(ones, CD1_1=0.0, CD1_2=0.0, CD2_1=0.0, CD2_2=0.0))
    found = describe_file(path)
    assert found.images[0].shape == SHAPE
    path = write(tmp_path / "b.fits", primary(ones, CTYPE1="RA---XXX", CTYPE2="DEC--XXX"))
    found = describe_file(path)
    assert found.wcs == (None,)
    assert any(note.startswith("the WCS cannot be used: ") for note in found.images[0].notes)
    path = write(tmp_path / "c.fits", primary(ones, CTYPE1="LAMBDA", CTYPE2="PIXEL"))
    assert describe_file(path).wcs == (None,)


def test_wcs_of_the_primary_for_its_only_image(tmp_path: Path) -> None:
    ones = np.ones(SHAPE, np.float32)
    first = fits.PrimaryHDU(header=wcs_cards())
    path = write(tmp_path / "a.fits", first, plain_image(ones))
    assert describe_file(path).wcs[0] is not None
    path = write(tmp_path / "b.fits", first, plain_image(ones, "im1"), plain_image(ones, "im2"))
    assert describe_file(path).wcs == (None, None)


def test_tables_of_distortion_are_read(tmp_path: Path) -> None:
    made = make_layout("hst_flc", tmp_path)
    with fits.open(made.path, mode="update") as hdus:
        hdus["WCSDVARR", 1].data[...] = 0.5
        hdus["WCSDVARR", 1].header.update({"CRPIX1": 1.0, "CRPIX2": 1.0, "CRVAL1": 1.0, "CRVAL2": 1.0,
                                           "CDELT1": 10.0, "CDELT2": 10.0})  # fmt: skip
        header = hdus["SCI", 1].header
        for axis in (1, 2):
            header[f"CPDIS{axis}"], header[f"CPERR{axis}"] = "Lookup", 0.5
            for card in ("NAXES: 2", "EXTVER: 1", "AXIS.1: 1", "AXIS.2: 2"):
                header.append(fits.Card.fromstring(f"DP{axis}     = '{card}'"))
    found = describe_file(made.path)
    first, second = found.wcs
    assert first is not None, found.images[0].notes
    moved = first.all_pix2world([[20.0, 20.0]], 0) - second.all_pix2world([[20.0, 20.0]], 0)
    assert abs(moved[0, 0]) == pytest.approx(0.5e-4 / np.cos(np.deg2rad(2.0)), rel=1e-3)


def test_planes_of_one_value(tmp_path: Path) -> None:
    """HST stores a plane of one value as a header without pixels."""
    ones = np.ones(SHAPE, np.float32)
    constant = {"NPIX1": SHAPE[1], "NPIX2": SHAPE[0]}
    planes = [plain_image(None, "ERR", 1, PIXVALUE=3.0, **constant), plain_image(None, "DQ", 1, PIXVALUE=0, **constant)]
    path = write(tmp_path / "a.fits", primary(TELESCOP="HST"), image(ones, "SCI", 1), *planes)
    (one,) = describe_file(path).images
    assert one.mask is one.variance is None
    assert "ERR,1 holds standard deviations of one value, 3, and is not used" in one.notes


def test_planes_without_pixels_or_value(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.fits",
        primary(TELESCOP="HST"),
        image(np.ones(SHAPE, np.float32), "SCI", 1),
        plain_image(None, "ERR", 1),
        plain_image(None, "DQ", 1),
    )
    (one,) = describe_file(path).images
    assert {"the mask DQ,1 has no pixels", "ERR,1 has no pixels"} <= set(one.notes)


def test_planes_that_cards_of_the_image_name(tmp_path: Path) -> None:
    """ESO's images name their planes, whatever these are called."""
    ones = np.ones(SHAPE, np.float32)
    eso = {"HDUCLASS": "ESO", "HDUCLAS1": "IMAGE"}
    hdus: list[fits.ImageHDU] = []
    for chip in "AB":
        hdus += [
            plain_image(ones, f"N{chip}", HDUCLAS2="ERROR", HDUCLAS3="INVMSE", **eso),
            image(ones, f"S{chip}", HDUCLAS2="DATA", ERRDATA=f"N{chip}", QUALDATA=f"Q{chip}", **eso),
            plain_image(ones.astype(np.uint8), f"Q{chip}", HDUCLAS2="QUALITY", **eso),
        ]
    found = describe_file(write(tmp_path / "a.fits", primary(), *hdus)).images
    planes = [(one.name, one.mask and one.mask.name, one.variance and one.variance.name) for one in found]
    assert planes == [("SA", "QA", "NA"), ("SB", "QB", "NB")]
    assert {one.variance and one.variance.sense for one in found} == {"inverse variance"}


def test_planes_that_belong_to_no_image_are_noted(tmp_path: Path) -> None:
    ones = np.ones(SHAPE, np.float32)
    chips = [image(ones, "SCI", 1), image(ones, "SCI", 2)]
    path = write(tmp_path / "a.fits", primary(), *chips, plain_image(ones.astype(np.int16), "DQ", 7))
    for one in describe_file(path).images:
        assert one.mask is None
        assert f"no mask of the file belongs to {one.name}; it has DQ" in one.notes


def test_bits_of_a_mask_of_the_user_are_not_those_of_the_layout(tmp_path: Path) -> None:
    """JUMP_DET has the value 4, but a mask that somebody made may use 4 for anything."""
    path = make_layout("jwst", tmp_path).path
    mask = write(tmp_path / "mine.fits", primary(np.full(SHAPE, 4, np.int16)))
    (one,) = describe_file(path, Selection(mask=str(mask))).images
    assert one.mask is not None
    assert (one.mask.planes, one.mask.bad) == (None, 0xFFFFFFFF)
    made = make_layout("ztf", tmp_path)
    found = [
        describe_file(made.path, Selection(mask=str(choice))).images[0].mask
        for choice in (next(iter(made.others)), mask)
    ]
    assert [one is not None and one.planes is not None for one in found] == [True, False]


def test_name_of_several_hdus(tmp_path: Path) -> None:
    path = make_layout("hst_flc", tmp_path).path
    (one,) = describe_file(path, Selection(hdu="SCI")).images
    assert one.name == "SCI,1"
    assert "SCI,1 is the first of 2 HDUs named SCI" in one.notes


def test_footprint_is_a_weight(tmp_path: Path) -> None:
    ones = np.ones(SHAPE, np.float32)
    (one,) = describe_file(write(tmp_path / "a.fits", primary(ones), plain_image(ones, "FOOTPRINT"))).images
    assert one.variance is not None
    assert one.variance.sense == "weight"


def test_opened_files_are_described(tmp_path: Path) -> None:
    made = make_layout("jwst", tmp_path)
    with fits.open(made.path) as hdus:
        assert describe_hdus(hdus, made.path).images == describe_file(made.path).images
        assert describe_file(made.path).hdus == (
            "0",
            "SCI",
            "ERR",
            "DQ",
            "AREA",
            "VAR_POISSON",
            "VAR_RNOISE",
            "VAR_FLAT",
        )
