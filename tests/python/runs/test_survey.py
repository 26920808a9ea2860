"""What the files of a run hold, and whether their exposures belong together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from evensky.errors import FitsError, InvalidParameterError, UnsuitableError
from evensky.fits.descriptions import Selection
from evensky.runs.source import MemorySource
from evensky.runs.survey import Survey, place_items, survey_files


def write(path: Path, shape: tuple[int, int] = (40, 50), **cards: Any) -> Path:
    """Write a plain image with some cards."""
    header = fits.Header([(name.replace("_", "-"), value) for name, value in cards.items()])
    fits.writeto(path, np.ones(shape, np.float32), header)
    return path


def write_chips(path: Path) -> Path:
    """Write an exposure of two chips with their flags."""
    hdus = [fits.PrimaryHDU()]
    for chip in (1, 2):
        hdus += [
            fits.ImageHDU(np.ones((40, 50), np.float32), name="SCI", ver=chip),
            fits.ImageHDU(np.ones((40, 50), np.float32), name="ERR", ver=chip),
            fits.ImageHDU(np.zeros((40, 50), np.int16), name="DQ", ver=chip),
        ]
    fits.HDUList(hdus).writeto(path)
    return path


def survey(*paths: Path, **options: Any) -> Survey:
    return survey_files(paths, Selection(), Path("out"), **options)


def wcs(crpix: float = 25, **cards: Any) -> dict[str, Any]:
    """Return the cards of a WCS."""
    fixed = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 20.0, "CRPIX2": 20.0}
    return {**fixed, "CDELT1": -1e-4, "CDELT2": 1e-4, "CRPIX1": crpix, **cards}


def test_each_science_image_is_an_exposure(tmp_path: Path) -> None:
    found = survey(write_chips(tmp_path / "a.fits"), write_chips(tmp_path / "b.fits"))
    assert [item.label for item in found.items] == ["a[SCI,1]", "a[SCI,2]", "b[SCI,1]", "b[SCI,2]"]
    assert [item.index for item in found.items] == [0, 1, 2, 3]
    assert found.items[0].slot == found.items[2].slot != found.items[1].slot
    assert {item.output for item in found.items} == {Path("out/a_matched.fits"), Path("out/b_matched.fits")}
    assert [item.label for item in found.by_file[1]] == ["b[SCI,1]", "b[SCI,2]"]
    assert not found.problems
    first = found.inputs[0]
    assert (first.image, first.mask.split(":")[0], first.errors) == ("SCI,1, 50 x 40", "DQ,1", "ERR,1: sigma")


def test_an_image_of_a_file_can_be_named(tmp_path: Path) -> None:
    chips = write_chips(tmp_path / "a.fits")
    found = survey(Path(f"{chips}[SCI,2]"), Path(f"{chips}[SCI,1]"))
    assert [(item.path, item.image.hdu) for item in found.items if item.image] == [(chips, 4), (chips, 1)]
    assert [str(item.output) for item in found.items] == ["out/a_SCI_2_matched.fits", "out/a_SCI_1_matched.fits"]


def test_outputs_have_the_endings_of_the_inputs(tmp_path: Path) -> None:
    write(tmp_path / "a.fits.gz")
    found = survey(tmp_path / "a.fits.gz")
    assert str(found.items[0].output) == "out/a_matched.fits.gz"
    assert found.items[0].label == "a"


def test_a_broken_file_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.fits").write_bytes(b"SIMPLE")
    found = survey(tmp_path / "a.fits", write(tmp_path / "b.fits"), tmp_path / "c.fits")
    assert [item.image is None for item in found.items] == [True, False, True]
    assert isinstance(found.files[0], FitsError)
    assert not found.problems
    found.refuse()
    with pytest.raises(UnsuitableError, match=r"a\.fits: .*; .*c\.fits: there is no such file"):
        found.refuse(strict=True)
    assert [one.notes for one in found.inputs][2] == [f"{tmp_path / 'c.fits'}: there is no such file"]


def test_weight_maps_and_masks_are_no_exposures(tmp_path: Path) -> None:
    paths = [write(tmp_path / name) for name in ("a.fits", "a.weight.fits", "b.fits")]
    found = survey(*paths)
    assert len(found.problems) == 1
    assert "a.weight.fits" in found.problems[0]
    assert "--allow maps" in found.problems[0]
    with pytest.raises(UnsuitableError, match="weight maps or masks"):
        found.refuse()
    assert not survey(*paths, allow=["maps"]).problems
    with pytest.raises(InvalidParameterError, match=r"allow = 'maps\?'; what can be allowed is 'maps'"):
        survey(*paths, allow=["maps?"])


def test_outputs_of_an_earlier_run_are_no_exposures(tmp_path: Path) -> None:
    paths = [write(tmp_path / "a.fits"), write(tmp_path / "b.fits", EVS_VER="0.1.0", EVS_STAT="matched")]
    paths[1].unlink()
    fits.writeto(paths[1], np.ones((40, 50), np.float32), fits.Header([("EVS_VER", "0.1.0"), ("EVS_STAT", "matched")]))
    (problem,) = survey(*paths).problems
    assert problem.startswith("outputs of an earlier run are given as exposures: b.fits; leave them out")
    assert not survey(*paths, allow=["outputs"]).problems


def test_filters_and_units(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / "a.fits", FILTER="r", BUNIT="ADU"),
        write(tmp_path / "b.fits", FILTER="g", BUNIT="electron"),
        write(tmp_path / "c.fits", FILTER=" R ", BUNIT="counts"),
    ]
    found = survey(*paths)
    assert len(found.problems) == 2
    assert "--allow filters" in found.problems[0]
    assert "--allow units" in found.problems[1]
    assert len(survey(*paths, allow=["filters"]).problems) == 1
    assert not survey(*paths, allow=["filters", "units"]).problems
    assert not survey(paths[0], paths[2]).problems


def test_positions_on_the_grid(tmp_path: Path) -> None:
    paths = [write(tmp_path / "a.fits", **wcs(25)), write(tmp_path / "b.fits", **wcs(15))]
    found = survey(*paths)
    assert [item.origin for item in found.items] == [(0, 0), (10, 0)]
    assert not found.problems
    assert found.notes == ["the exposures are placed by their WCS: whole-pixel shifts from 0 to 10 in x"]
    found.refuse(strict=True)  # which is no doubt
    # A match pixel by pixel needs exposures at the same place.
    (problem,) = survey(*paths, shifted=False).problems
    assert "b by (10, 0) px" in problem
    assert "--same-grid" in problem
    assert [item.origin for item in survey(*paths, shifted=False, same_grid=True).items] == [(0, 0), (0, 0)]


def test_other_grids_are_refused_by_a_match_pixel_by_pixel(tmp_path: Path) -> None:
    paths = [write(tmp_path / "a.fits", **wcs()), write(tmp_path / "b.fits", **wcs(CRVAL1=10.00005))]
    found = survey(*paths, shifted=False)
    (problem,) = found.problems
    assert problem.startswith("b is not on the pixel grid of a: it is shifted by (-0.47, 0.00) px; the method 'all'")
    assert "--same-grid" in problem
    assert [item.origin for item in found.items] == [None, None]
    other = survey(write(tmp_path / "c.fits"), write(tmp_path / "d.fits", (30, 50)))
    assert other.problems[0].startswith("sizes differ (c: 50 x 40; d: 50 x 30), and no header gives a pixel origin")
    assert not survey(*(tmp_path / name for name in ("c.fits", "d.fits")), same_grid=True).problems


def test_images_of_files_in_memory_are_placed_by_their_wcs(tmp_path: Path) -> None:
    images = [f"{write(tmp_path / f'{name}.fits', **wcs(x))}[0]" for name, x in (("a", 25), ("b", 15))]
    source = MemorySource(images, [])
    place_items(source, shifted=True, same_grid=False)
    assert [item.origin for item in source.items] == [(0, 0), (10, 0)]
    with pytest.raises(UnsuitableError, match="px"):
        place_items(MemorySource(images, []), shifted=False, same_grid=False)


def test_the_name_of_an_image_may_hold_any_character(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones((4, 5), np.float32), name="SCI/2")]).writeto(path)
    found = survey_files([Path(f"{path}[SCI/2]")], Selection(), tmp_path / "out")
    assert [item.output for item in found.items] == [tmp_path / "out" / "a_SCI_2_matched.fits"]
