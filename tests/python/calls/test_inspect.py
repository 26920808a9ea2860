"""What files hold and how they would be used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import evensky
from evensky.errors import InvalidParameterError


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two exposures with flags and errors, the second in another filter."""
    paths = []
    for name, band in (("a", "r"), ("b", "g")):
        header = fits.Header([("FILTER", band), ("BUNIT", "DN/s")])
        hdus = [
            fits.PrimaryHDU(header=header),
            fits.ImageHDU(np.ones((40, 50), np.float32), header, name="SCI"),
            fits.ImageHDU(np.ones((40, 50), np.float32), name="ERR"),
            fits.ImageHDU(np.zeros((40, 50), np.uint32), name="DQ"),
        ]
        paths.append(tmp_path / f"{name}.fits")
        fits.HDUList(hdus).writeto(paths[-1])
    return paths


def test_a_table_says_what_is_used(files: list[Path]) -> None:
    inspection = evensky.inspect_files(files)
    header, rows = inspection.rows()
    assert len(rows) == 2
    row = dict(zip(header, rows[0], strict=True))
    assert (row["exposure"], row["errors: sense"], row["unit"], row["filter"]) == ("a", "ERR: sigma", "DN/s", "r")
    assert row["mask: bad"].startswith("DQ: ")
    assert list(inspection.table.colnames) == list(header)
    assert len(inspection.table) == 2
    for text in (str(inspection), inspection._repr_html_()):
        assert "ERR: sigma" in text
        assert "Problem: " in text
    assert repr(inspection).startswith("Inspection(2 exposures, 1 problems")


def test_problems_are_listed_and_can_be_overruled(files: list[Path]) -> None:
    (problem,) = evensky.inspect_files(files).problems
    assert "filters" in problem
    assert evensky.inspect_files(files, allow=["filters"]).problems == []
    broken = files[0].with_name("c.fits")
    broken.write_bytes(b"")
    problems = evensky.inspect_files([*files, broken], allow=["filters"]).problems
    assert problems == [f"{broken}: cannot be read as FITS: it is empty"]


def test_choices_of_the_user(files: list[Path]) -> None:
    inspection = evensky.inspect_files(files[:1], mask="none", variance="none", hdu="SCI")
    assert (inspection.inputs[0].mask, inspection.inputs[0].errors) == ("none", "none")
    assert any("DQ is ignored, as chosen" in note for note in inspection.inputs[0].notes)
    assert inspection.notes == []  # there is no doubt about it


def test_all_details_in_json_types(files: list[Path]) -> None:
    found = json.loads(json.dumps(evensky.inspect_files(files).as_dict()))
    image = found["files"][0]["images"][0]
    assert (image["hdu"], image["variance"]["sense"], image["mask"]["hdu"], image["label"]) == (1, "sigma", 3, "a")
    assert image["grid_origin"] == [0, 0]
    assert len(found["problems"]) == 1


def test_wrong_arguments(files: list[Path]) -> None:
    with pytest.raises(InvalidParameterError, match="There are 0 files"):
        evensky.inspect_files([])
    with pytest.raises(InvalidParameterError, match="method = 'some'; it must be 'all', 'reference' or 'combine'"):
        evensky.inspect_files(files, method="some")
    with pytest.raises(InvalidParameterError, match="given more than once"):
        evensky.inspect_files([files[0], files[0]])
