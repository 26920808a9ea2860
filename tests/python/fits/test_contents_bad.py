"""Files and choices that cannot be described: refused in one line that gives the reason and the way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from layout_files import SHAPE, image, make_layout, plain_image, primary, write

from evensky.errors import EvenskyError, FitsError, InvalidParameterError, NotFoundError
from evensky.fits.contents import describe_file
from evensky.fits.descriptions import Selection

pytestmark = pytest.mark.filterwarnings("ignore")

ONES = np.ones(SHAPE, np.float32)


def refused(path: Path, says: str, kind: type[EvenskyError] = FitsError, **choices: Any) -> None:
    with pytest.raises(kind, match=says) as raised:
        describe_file(path, Selection(**choices))
    assert "\n" not in str(raised.value)


def test_no_image(tmp_path: Path) -> None:
    table = fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[1.0])])
    path = write(tmp_path / "a.fits", primary(), table)
    refused(path, f"^{path}: there is no image in it; a two-dimensional image is needed")
    path = write(tmp_path / "b.fits", primary(np.ones((3, 4, 5), np.float32)))
    refused(path, f"^{path}: its images have 3 dimensions; a two-dimensional image is needed")
    refused(tmp_path / "c.fits", "there is no such file")


def test_cubes_beside_planes(tmp_path: Path) -> None:
    """Another plane is not taken for the image where the image is a cube."""
    cube = np.ones((3, *SHAPE), np.float32)
    for name in ("SCI", "", "FLUX"):
        path = write(tmp_path / "a.fits", primary(), image(cube, name), plain_image(ONES, "WAVELENGTH"))
        refused(path, "its images have 3 dimensions")
    path = write(tmp_path / "b.fits", primary(), image(cube, "SCI"), plain_image(ONES, "GUIDE"))
    refused(path, "its images have 3 dimensions")


@pytest.mark.parametrize("plane", ["DQ", "ERR"])
def test_planes_of_another_size(tmp_path: Path, plane: str) -> None:
    path = write(
        tmp_path / "a.fits",
        primary(),
        image(ONES, "SCI"),
        plain_image(ONES[:60] if plane == "ERR" else ONES, "ERR"),
        plain_image(np.zeros((60, 80) if plane == "DQ" else SHAPE, np.int16), "DQ"),
    )
    option = {"DQ": "mask", "ERR": "variance"}[plane]
    refused(path, rf"^{path}: the {option} has shape \(60, 80\) but the image has \(64, 80\) .*--{option} none")
    (one,) = describe_file(path, Selection(**{option: "none"})).images
    assert getattr(one, option) is None


def test_planes_of_another_size_beside_an_image(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", primary(ONES))
    write(tmp_path / "a.weight.fits", primary(ONES[:7]))
    refused(path, r"\(7, 80\) .*a.weight.fits\[0\].*--variance none")
    assert describe_file(path, Selection(weight="none")).images[0].variance is None


def test_hdus_that_are_not_there(tmp_path: Path) -> None:
    path = make_layout("hst_flc", tmp_path).path
    for choice in ("hdu", "mask", "variance", "weight"):
        refused(path, r"has no HDU 'NOPE'; it has 0 '', 1 'SCI', 2 'ERR'", **{choice: "NOPE"})
        refused(path, r"has no HDU 'SCI,3'", **{choice: "SCI,3"})
        refused(path, r"has no HDU 99", **{choice: 99})
    refused(path, "the image HDU 'WCSCORR' has no pixels; a two-dimensional image is needed", hdu="WCSCORR")
    refused(path, "is not an image", mask="WCSCORR")
    refused(path, f"{tmp_path}/nope.fits: there is no such file", mask=f"{tmp_path}/nope.fits")
    refused(path, "nope.fits: there is no such file", mask="nope.fits")


def test_no_hdu_of_a_file_belongs_to_a_chip(tmp_path: Path) -> None:
    made = make_layout("gemini", tmp_path)
    other = write(tmp_path / "m.fits", primary(), image(ONES, "A"), image(ONES, "B"))
    refused(made.path, f"^{other}: no HDU in it belongs to SCI,1; it has A, B", mask=str(other))


def test_a_mask_as_variance(tmp_path: Path) -> None:
    path = make_layout("jwst", tmp_path).path
    refused(path, f"^{path}: DQ is a mask; the variance is needed", variance="DQ")
    refused(path, f"^{path}: DQ is a mask; the variance is needed", weight="DQ")


def test_variance_and_weight(tmp_path: Path) -> None:
    path = make_layout("jwst", tmp_path).path
    refused(path, "variance = 'ERR' and weight = 'AREA'; only one", variance="ERR", weight="AREA")


@pytest.mark.parametrize("choice", ["bad_planes", "good_bits"])
def test_planes_that_are_not_there(tmp_path: Path, choice: str) -> None:
    path = make_layout("jwst", tmp_path).path
    refused(
        path,
        "no mask plane 'COSMIC'; the known ones are DO_NOT_USE, SATURATED,",
        NotFoundError,
        **{choice: ("COSMIC",)},
    )
    path = make_layout("gemini", tmp_path).path
    refused(path, "no mask plane 'COSMIC'; .* choose values, as in 4096", NotFoundError, **{choice: ("COSMIC",)})


@pytest.mark.parametrize("value", ["0", "4294967296", "99999999999999999999"])
def test_values_that_are_no_flags(tmp_path: Path, value: str) -> None:
    path = make_layout("jwst", tmp_path).path
    refused(path, f"{value!r} is no flag of a mask", bad_planes=(value,))


def test_numbers_of_planes(tmp_path: Path) -> None:
    for number, says in ((-1, "it must be 0 to 31"), (32, "it must be 0 to 31"), ("two", "must be whole")):
        mask = plain_image(np.zeros(SHAPE, np.int32), EXTTYPE="MASK", MP_BAD=number)
        path = write(tmp_path / "a.fits", primary(), image(ONES, EXTTYPE="IMAGE"), mask)
        refused(path, f"^{path}: .*BAD.*{says}")


def test_a_mask_that_is_bad_everywhere(tmp_path: Path) -> None:
    cards = {"NPIX1": SHAPE[1], "NPIX2": SHAPE[0], "PIXVALUE": 4}
    path = write(
        tmp_path / "a.fits", primary(TELESCOP="HST"), image(ONES, "SCI", 1), plain_image(None, "DQ", 1, **cards)
    )
    refused(path, "the mask DQ,1 is 4 in every pixel; --mask none")
    assert describe_file(path, Selection(mask="none")).images[0].mask is None


def test_errors_of_choices_are_of_their_kind() -> None:
    assert issubclass(NotFoundError, InvalidParameterError)
