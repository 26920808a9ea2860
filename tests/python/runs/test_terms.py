"""Images of terms: labels and templates, from arrays, files and headers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData

from evensky.errors import FitsError, InvalidParameterError
from evensky.fits.descriptions import Selection
from evensky.matching.joint.terms import Term, amplifier, detector, template, terms_of
from evensky.runs.source import Item, MemorySource
from evensky.runs.survey import survey_files
from evensky.runs.terms import check_term_files, load_planes, state_of_terms

SHAPE = (20, 30)
ITEMS = [Item(index, name) for index, name in enumerate("abc")]
WAVES = np.sin(np.arange(600.0)).reshape(SHAPE)


def load(*terms: Term, items: list[Item] = ITEMS, shapes: Any = None) -> dict[str, list[np.ndarray | None]]:
    return load_planes(terms, items, shapes or [SHAPE] * len(items), lambda item, shape: ())


def test_terms_without_images_have_none() -> None:
    assert load(*terms_of("smooth,rows,gain")) == {}
    assert load(*terms_of("amplifier")) == {"amplifier": [None, None, None]}


def test_an_array_is_shared() -> None:
    first, second, third = load(template(WAVES, name="waves"))["waves"]
    assert first is second is third
    assert first is not None
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, WAVES.astype(np.float32))


def test_a_list_has_one_for_each_exposure() -> None:
    planes = load(template([WAVES, None, 2 * WAVES]))["template"]
    assert planes[1] is None
    np.testing.assert_array_equal(planes[2], 2 * planes[0])
    np.testing.assert_array_equal(load(template(WAVES.tolist()))["template"][0], planes[0])
    with pytest.raises(InvalidParameterError, match="a list of 2 images for 3 exposures; give one for each"):
        load(template([WAVES, WAVES]))


def test_masked_pixels_do_not_count() -> None:
    hidden = np.zeros(SHAPE, bool)
    hidden[3] = True
    plane = load(template(np.ma.masked_array(WAVES, hidden)))["template"][0]
    assert plane is not None
    assert np.isnan(plane[3]).all()
    assert np.isfinite(plane[4]).all()


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (np.arange(600).reshape(SHAPE) % 4, np.uint8),
        (np.arange(600).reshape(SHAPE), np.uint16),
        (np.arange(600.0).reshape(SHAPE) % 4, np.uint8),
        (np.where(WAVES > 0, 1.0, np.nan), np.uint8),
    ],
)
def test_labels_have_a_small_type(labels: np.ndarray, kind: Any) -> None:
    plane = load(detector(labels))["detector"][0]
    assert plane is not None
    assert plane.dtype == kind
    np.testing.assert_array_equal(plane, np.nan_to_num(labels))


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (WAVES, "holds fractions .*; labels are whole numbers"),
        (np.full(SHAPE, -1), "holds the label -1; labels start at 1"),
        (np.full((20, 31), 1), r"has 31 x 20 px, but exposure a has 30 x 20; .* \{stem\} in the name"),
        (np.zeros(5), "an image has two dimensions"),
    ],
)
def test_wrong_images(labels: np.ndarray, says: str) -> None:
    with pytest.raises(InvalidParameterError, match=says):
        load(detector(labels))


def test_equal_sections() -> None:
    planes = load(detector((3, 2)), shapes=[SHAPE, (21, 31), None])["detector"]
    assert planes[0] is not None
    assert planes[0][0].tolist() == [1] * 10 + [2] * 10 + [3] * 10
    assert planes[0][:, 0].tolist() == [1] * 10 + [4] * 10
    assert planes[1] is not None
    assert np.unique(planes[1]).tolist() == [1, 2, 3, 4, 5, 6]
    assert planes[2] is None
    with pytest.raises(InvalidParameterError, match="more sections than exposure a has pixels, 30 x 20"):
        load(detector((31, 1)))


def test_files(tmp_path: Path) -> None:
    items = [Item(n, name, tmp_path / f"{name}.fits") for n, name in enumerate("abc")]
    for item in items:
        fits.writeto(tmp_path / f"{item.label}_wisp.fits", np.full(SHAPE, item.index, np.float32))
    fits.writeto(tmp_path / "chips.fits", (WAVES > 0).astype(np.uint8))
    planes = load(template("{dir}/{stem}_wisp.fits", name="wisp"), detector(tmp_path / "chips.fits"), items=items)
    assert [float(np.mean(plane)) for plane in planes["wisp"] if plane is not None] == [0, 1, 2]
    assert planes["detector"][0] is planes["detector"][2]
    assert planes["detector"][0].dtype == np.uint8  # type: ignore[union-attr]
    # The folder and the ending may be left out.
    assert check_term_files([template("{stem}_wisp")], items) == [tmp_path / f"{n}_wisp.fits" for n in "abc"]
    with pytest.raises(FitsError, match=r"a_flat\.fits: is not there; the term template=.* needs it"):
        check_term_files([template("{stem}_flat.fits")], items)


def test_each_chip_has_its_image(tmp_path: Path) -> None:
    def write(name: str, values: tuple[int, ...]) -> Path:
        waves = WAVES - WAVES.mean()
        chips = [fits.ImageHDU((v + waves).astype(np.float32), name=f"CCD{n}") for n, v in enumerate(values, 1)]
        fits.HDUList([fits.PrimaryHDU(), *chips]).writeto(tmp_path / name)
        return tmp_path / name

    items = survey_files([write("one.fits", (5, 6)), write("two.fits", (7, 8))], Selection()).items
    planes = load(template(write("fringes.fits", (1, 2))), items=items)["fringes"]
    assert [round(float(np.mean(plane)), 5) for plane in planes if plane is not None] == [1, 2, 1, 2]
    planes = load(template(f"{write('flat.fits', (3, 4))}[CCD2]"), items=items)["flat"]
    assert [round(float(np.mean(plane)), 5) for plane in planes if plane is not None] == [4] * 4
    for one in ("one", "two"):
        write(f"{one}_wisp.fits", (1, 2))
    assert len(check_term_files([template("{stem}_wisp.fits")], items)) == 2
    write("many.fits", (1, 2, 3))
    with pytest.raises(FitsError, match="has 3 images, and none is for exposure a"):
        load(template(tmp_path / "many.fits"))


def test_amplifiers_from_headers(tmp_path: Path) -> None:
    cards = {"DATASECA": "[1:15,1:20]", "DATASECB": "[16:30,1:20]"}
    fits.writeto(tmp_path / "file.fits", np.zeros(SHAPE, np.float32), fits.Header(cards))
    data = np.zeros(SHAPE, np.float32)
    exposures = [
        CCDData(data, unit="adu", header=fits.Header(cards)),
        CCDData(data, unit="adu", meta=cards),
        data,
        tmp_path / "file.fits",
    ]
    source = MemorySource(exposures, ["BAD"])
    planes = load_planes([amplifier()], source.items, [SHAPE] * 4, source.amplifiers)["amplifier"]
    assert planes[2] is None
    assert planes[0] is planes[1] is planes[3]
    assert planes[0] is not None
    assert planes[0][0].tolist() == [1] * 15 + [2] * 15


def test_arrays_of_a_resumed_run_must_be_the_same() -> None:
    before = state_of_terms([template(WAVES, name="waves"), detector((2, 2)), template("fringes.fits")], ITEMS)
    assert len(before) == 1
    assert state_of_terms([template(WAVES.copy(), name="waves")], ITEMS) == before
    assert state_of_terms([template(WAVES + 1, name="waves")], ITEMS) != before


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (np.full(SHAPE, np.nan), "waves> has no finite pixel"),
        (np.zeros(SHAPE), "waves> is 0 in all pixels; the level belongs to the term smooth"),
        (np.where(WAVES > 0, 7.0, np.nan), "is 7 in all pixels"),
    ],
)
def test_templates_without_structure(image: np.ndarray, says: str) -> None:
    with pytest.raises(InvalidParameterError, match=says):
        load(template(image, name="waves"))


def test_a_template_may_be_empty_in_some_exposures() -> None:
    planes = load(template([np.zeros(SHAPE), WAVES, None], name="waves"))["waves"]
    assert planes[2] is None
    assert planes[0] is not None
    assert not planes[0].any()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("amplifier=8by1", "8by1: is not there; .* sections are written as in 8x1"),
        ("template=waves.fits:wanted", "wanted: is not there; .* after a colon are shared and required"),
    ],
)
def test_messages_of_missing_files_say_what_may_be_written(text: str, says: str) -> None:
    with pytest.raises(FitsError, match=says):
        check_term_files(terms_of(text), ITEMS)
