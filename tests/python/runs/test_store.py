"""Files of a run: locations of planes, and headers of outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from evensky.fits.contents import describe_file
from evensky.fits.descriptions import Selection
from evensky.geom import Point2I
from evensky.image import ExposureF
from evensky.image.mask import BAD_PLANES
from evensky.io import write_exposure
from evensky.runs.record import ExposureRecord
from evensky.runs.source import Item, Result
from evensky.runs.store import FileStore


def test_written_headers_describe_the_match(tmp_path: Path) -> None:
    store = FileStore(["BAD"])
    item = Item(0, "a", tmp_path / "a.fits", tmp_path / "a_matched.fits")
    assert item.output is not None
    write_exposure(ExposureF(4, 3), tmp_path / "a.fits")
    frame = store.read(item)
    frame.exposure.image.array[...] = 5
    record = ExposureRecord("a", "a.fits", "matched", model="LINEAR", fit_rms=float("nan"), flags=["EXTRAPOLATED"])
    result = Result(None, False, ["matched to b"], {"EVS_CHI": (1.5, "in errors")})
    store.write([item], [record], [store.finish(item, frame, record, result)])
    assert (record.output, record.output_bytes) == (str(item.output), item.output.stat().st_size)
    header = fits.getheader(item.output, "IMAGE")
    assert (header["EVS_STAT"], header["EVS_MODL"], header["EVS_FLAG"]) == ("matched", "LINEAR", "EXTRAPOLATED")
    assert header["EVS_CHI"] == 1.5
    assert header["EVS_RMS"] is None  # a number that is not finite becomes a card without a value
    assert "matched to b" in str(header["HISTORY"])
    again = store.read_output(item)
    assert again is not None
    assert (again.exposure.image.array == 5).all()
    assert again.bad == again.exposure.mask.getPlaneBitMask("BAD")
    item.output.write_bytes(b"")
    assert store.read_output(item) is None


def write_chips(path: Path) -> list[Item]:
    """Write a file of two chips with standard deviations and flags; return its exposures."""
    hdus: list[Any] = [fits.PrimaryHDU()]
    for chip in (1, 2):
        hdus += [
            fits.ImageHDU(np.full((3, 4), chip, np.float32), name="SCI", ver=chip),
            fits.ImageHDU(np.where(np.eye(3, 4, 2) > 0, 0, 2).astype(np.float32), name="ERR", ver=chip),
            fits.ImageHDU(np.eye(3, 4, dtype=np.int16), name="DQ", ver=chip),
        ]
    fits.HDUList(hdus).writeto(path)
    images = describe_file(path).images
    output = path.with_name("out.fits")
    return [Item(i, image.name, path, output, image, (10 * i, 0), image.slot) for i, image in enumerate(images)]


def test_all_chips_of_a_file_are_written(tmp_path: Path) -> None:
    items, store = write_chips(tmp_path / "a.fits"), FileStore(list(BAD_PLANES))
    for item, level in zip(items, (1, 2), strict=True):
        # Whoever looks needs neither a mask nor variances, and they take no memory.
        seen = store.read_to_look(item).exposure
        np.testing.assert_array_equal(seen.image.array, np.where(np.eye(3, 4) + np.eye(3, 4, 2) > 0, np.nan, level))
        assert not seen.mask.array.any()
        assert seen.mask.array.strides[0] == seen.variance.array.strides[0] == 0
    frames = [store.read(item) for item in items]
    assert [frame.exposure.getXY0() for frame in frames] == [Point2I(0, 0), Point2I(10, 0)]
    records = [ExposureRecord(item.label, "a.fits", "matched") for item in items]
    parts = []
    for item, frame, record in zip(items, frames, records, strict=True):
        # Pixels without a positive error do not count, nor do flagged ones.
        bad = (np.eye(3, 4) + np.eye(3, 4, 2)) > 0
        np.testing.assert_array_equal((frame.exposure.mask.array & frame.bad) != 0, bad)
        np.testing.assert_array_equal(frame.exposure.variance.array[~bad], 4)
        frame.exposure.image.array[...] += 10
        frame.exposure.variance.array[...] += 5
        parts.append(store.finish(item, frame, record, Result(None, True, [], {})))
    store.write(items, records, parts)
    with fits.open(tmp_path / "a.fits") as before, fits.open(tmp_path / "out.fits") as after:
        assert [hdu.name for hdu in before] == [hdu.name for hdu in after]
        for chip in (1, 2):
            np.testing.assert_array_equal(after["SCI", chip].data, chip + 10)
            # In the sense that the file has; an error that says that there is no pixel is kept.
            np.testing.assert_array_equal(after["ERR", chip].data, np.where(np.eye(3, 4, 2) > 0, 0, 3))
            np.testing.assert_array_equal(after["DQ", chip].data, before["DQ", chip].data)
            assert after["SCI", chip].header["EVS_STAT"] == "matched"
    assert [record.output for record in records] == [str(tmp_path / "out.fits")] * 2


def test_errors_in_another_file_stay_as_they_are(tmp_path: Path) -> None:
    fits.writeto(tmp_path / "a.fits", np.ones((3, 4), np.float32))
    weights = np.ones((3, 4), np.float32)
    weights[0, 0] = 0
    fits.writeto(tmp_path / "a.wht.fits", weights)
    store = FileStore(list(BAD_PLANES), selection=Selection(weight="{dir}/{stem}.wht.fits"))
    item = Item(0, "a", tmp_path / "a.fits", tmp_path / "out.fits")
    frame = store.read(item)
    np.testing.assert_array_equal((frame.exposure.mask.array & frame.bad) != 0, weights == 0)
    record = ExposureRecord("a", "a.fits", "matched")
    assert list(store.finish(item, frame, record, Result(None, True, [], {}))) == [0]
    assert "a.wht.fits" in record.warnings[0]


def test_planes_of_other_files(tmp_path: Path) -> None:
    write_exposure(ExposureF(4, 3), tmp_path / "a.fits")
    fits.PrimaryHDU(np.ones((3, 4), np.uint8)).writeto(tmp_path / "a_mask.fits")
    item = Item(0, "a", tmp_path / "a.fits", tmp_path / "out.fits")
    exposure = FileStore([], selection=Selection(mask="{dir}/{stem}_mask.fits", hdu="IMAGE")).read(item).exposure
    assert exposure.dataId == {"exposure": "a"}
    frame = FileStore(["1"], selection=Selection(mask="{dir}/{stem}_mask.fits")).read(item)
    assert (frame.exposure.mask.array & frame.bad).all()


def test_bad_pixels_follow_the_names_of_the_planes(tmp_path: Path) -> None:
    exposure = ExposureF(4, 3)
    write_exposure(exposure, tmp_path / "a.fits")
    item = Item(0, "a", tmp_path / "a.fits", tmp_path / "out.fits")
    for names in ([], ["SAT"], ["BAD", "CR"]):
        assert FileStore(names).read(item).bad == exposure.mask.getPlaneBitMask(names)


def test_each_store_has_a_run_of_its_own() -> None:
    assert FileStore([]).run != FileStore([]).run
