"""Files of a run: where planes are, and what is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from evensky.errors import InvalidParameterError, NotFoundError
from evensky.image import ExposureF, Mask
from evensky.io import write_exposure
from evensky.runs.record import ExposureRecord


def test_patterns_of_planes() -> None:
    path = Path("/data/night/a.fits")
    assert plane_of("{dir}/{stem}_mask.fits[DQ]", path, "a") == "/data/night/a_mask.fits[DQ]"
    assert plane_of("masks/{name}", path, "a") == "masks/a.fits"
    with pytest.raises(InvalidParameterError, match=r"Pattern '\{path\}' cannot be filled in"):
        plane_of("{path}", path, "a")


def test_bits_of_bad_planes() -> None:
    mask = Mask(np.zeros((2, 2), np.int32), mask_planes={"SAT": 3, "DUST": 5, "CR": 7})
    assert bad_bits(mask, None) == 1 << 3 | 1 << 7  # the usual ones that it has
    assert bad_bits(mask, "DUST, SAT,") == 1 << 3 | 1 << 5
    assert bad_bits(mask, "") == 0
    with pytest.raises(NotFoundError, match="'BAD'"):
        bad_bits(mask, "BAD")


def test_what_is_written_says_what_was_done(tmp_path: Path) -> None:
    files = FileAccess()
    item = Item(tmp_path / "a.fits", "a", tmp_path / "a_matched.fits")
    record = ExposureRecord("a", "a.fits", "matched", model="LINEAR", fit_rms=float("nan"), flags=["EXTRAPOLATED"])
    files.write(item, ExposureF(4, 3), record, ["matched to b"], {"EVS_CHI": (1.5, "in errors")})
    assert (record.output, record.output_bytes) == (str(item.output), item.output.stat().st_size)
    header = fits.getheader(item.output)
    assert (header["EVS_STAT"], header["EVS_MODL"], header["EVS_FLAG"]) == ("matched", "LINEAR", "EXTRAPOLATED")
    assert header["EVS_CHI"] == 1.5
    assert header["EVS_RMS"] is None  # a number that is not finite has no value
    assert "matched to b" in str(header["HISTORY"])
    again = files.load_output(item)
    assert again is not None
    assert again.getDimensions() == ExposureF(4, 3).getDimensions()
    item.output.write_bytes(b"")
    assert files.load_output(item) is None


def test_planes_of_other_files(tmp_path: Path) -> None:
    write_exposure(ExposureF(4, 3), tmp_path / "a.fits")
    fits.PrimaryHDU(np.ones((3, 4), np.uint8)).writeto(tmp_path / "a_mask.fits")
    item = Item(tmp_path / "a.fits", "a", tmp_path / "out.fits")
    files = FileAccess(mask="{dir}/{stem}_mask.fits", variance="VAR")
    assert files.plane_files(item) == [tmp_path / "a_mask.fits"]
    exposure = FileAccess(mask="{dir}/{stem}_mask.fits").load(item)
    assert exposure.mask.array.all()
    assert exposure.dataId == {"exposure": "a"}
