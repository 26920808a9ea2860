"""Files of a run: locations of planes, and headers of outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits

from evensky.image import ExposureF
from evensky.io import write_exposure
from evensky.runs.record import ExposureRecord
from evensky.runs.source import Frame, Item, Result
from evensky.runs.store import FileStore


def test_written_headers_describe_the_match(tmp_path: Path) -> None:
    store = FileStore(["BAD"])
    item = Item(0, "a", tmp_path / "a.fits", tmp_path / "a_matched.fits")
    assert item.output is not None
    record = ExposureRecord("a", "a.fits", "matched", model="LINEAR", fit_rms=float("nan"), flags=["EXTRAPOLATED"])
    result = Result(None, False, ["matched to b"], {"EVS_CHI": (1.5, "in errors")})
    store.finish(item, Frame(ExposureF(4, 3), 1), record, result)
    assert (record.output, record.output_bytes) == (str(item.output), item.output.stat().st_size)
    header = fits.getheader(item.output)
    assert (header["EVS_STAT"], header["EVS_MODL"], header["EVS_FLAG"]) == ("matched", "LINEAR", "EXTRAPOLATED")
    assert header["EVS_CHI"] == 1.5
    assert header["EVS_RMS"] is None  # a number that is not finite becomes a card without a value
    assert "matched to b" in str(header["HISTORY"])
    again = store.read_output(item)
    assert again is not None
    assert again.exposure.getDimensions() == ExposureF(4, 3).getDimensions()
    assert again.bad == again.exposure.mask.getPlaneBitMask("BAD")
    item.output.write_bytes(b"")
    assert store.read_output(item) is None


def test_planes_of_other_files(tmp_path: Path) -> None:
    write_exposure(ExposureF(4, 3), tmp_path / "a.fits")
    fits.PrimaryHDU(np.ones((3, 4), np.uint8)).writeto(tmp_path / "a_mask.fits")
    item = Item(0, "a", tmp_path / "a.fits", tmp_path / "out.fits")
    store = FileStore([], mask="{dir}/{stem}_mask.fits", variance="VAR")
    assert store.plane_files(item) == [tmp_path / "a_mask.fits"]
    exposure = FileStore([], mask="{dir}/{stem}_mask.fits").read(item).exposure
    assert exposure.mask.array.all()
    assert exposure.dataId == {"exposure": "a"}


def test_bad_pixels_follow_the_names_of_the_planes(tmp_path: Path) -> None:
    exposure = ExposureF(4, 3)
    write_exposure(exposure, tmp_path / "a.fits")
    item = Item(0, "a", tmp_path / "a.fits", tmp_path / "out.fits")
    for names in ([], ["SAT"], ["BAD", "CR"]):
        assert FileStore(names).read(item).bad == exposure.mask.getPlaneBitMask(names)


def test_each_store_has_a_run_of_its_own() -> None:
    assert FileStore([]).run != FileStore([]).run
