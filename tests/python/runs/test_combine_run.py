"""Combination of exposures in files: the same bits whatever the bands, workers and interruptions."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path
from shutil import which

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

import evensky
from evensky.errors import FitsError, InvalidParameterError, NotFoundError, TaskError, UnsuitableError
from evensky.fits import opening
from evensky.image import ExposureF, MaskedImageF
from evensky.io import read_exposure, write_exposure
from evensky.io.folder_lock import FolderLock
from evensky.runs import combine_readers, combine_run

SHAPE = 90, 120
ALL = ("variance", "mask", "number", "rejected", "weight", "exposure_time")
# So little that bands have a few rows.
LITTLE = 60_000


def exposures(number=4, seed=1):
    random = np.random.default_rng(seed)
    made = []
    for n in range(number):
        exposure = ExposureF(MaskedImageF(SHAPE[1], SHAPE[0]))
        exposure.image.array[...] = random.normal(100, 5, SHAPE)
        exposure.variance.array[...] = random.uniform(20, 30, SHAPE)
        exposure.mask.array[random.random(SHAPE) < 0.05] |= exposure.mask.getPlaneBitMask("SAT")
        exposure.mask.array[random.random(SHAPE) < 0.2] |= exposure.mask.getPlaneBitMask("DETECTED")
        exposure.metadata["EXPTIME"] = 10.0 * (n + 1)
        exposure.metadata["BUNIT"] = "adu"
        exposure.metadata["FILTER"] = "r"
        made.append(exposure)
    return made


@pytest.fixture
def files(tmp_path):
    paths = []
    for n, exposure in enumerate(exposures()):
        paths.append(tmp_path / f"e{n}.fits")
        write_exposure(exposure, paths[-1])
    return paths


def planes_of(path):
    with fits.open(path) as hdus:
        return {hdu.name: hdu.data.copy() for hdu in hdus if hdu.data is not None}


def same(one, other):
    one, other = planes_of(one), planes_of(other)
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k], equal_nan=True) for k in one)


def test_the_file_holds_what_is_combined_in_memory(files, tmp_path):
    out = tmp_path / "coadd.fits"
    run = evensky.combine_files(files, out, planes=ALL)
    memory = evensky.combine(exposures())
    found = read_exposure(out)
    assert np.array_equal(found.image.array, memory.exposure.image.array, equal_nan=True)
    assert np.array_equal(found.variance.array, memory.exposure.variance.array, equal_nan=True)
    assert np.array_equal(found.mask.array, memory.exposure.mask.array)
    assert found.mask.getMaskPlaneDict() == memory.exposure.mask.getMaskPlaneDict()
    detected = found.mask.getPlaneBitMask("DETECTED")
    assert np.count_nonzero(found.mask.array & detected) > SHAPE[0] * SHAPE[1] / 3  # sources are combined
    planes = planes_of(out)
    for name in ("number", "rejected", "weight"):
        assert np.array_equal(planes[name.upper()], getattr(memory, name)), name
    assert np.array_equal(planes["EXPTIME"], memory.exposure_time)
    assert run.planes == ALL
    for mine, other in zip(run.records, memory.records, strict=True):
        assert mine.masked_fraction == other.masked_fraction
        assert mine.rejected_fraction == other.rejected_fraction
        assert mine.exposure_time == other.exposure_time
    assert sorted(path.name for path in tmp_path.iterdir()) == ["coadd.fits", *(path.name for path in files)]


def test_the_header_tells_what_was_combined(files, tmp_path):
    out = tmp_path / "coadd.fits"
    run = evensky.combine_files(files, out, sigma=(3, 2.5), weighting=[1, 2, 3, 4])
    header = fits.getheader(out)
    want = {"NCOMBINE": 4, "EXPTIME": 25.0, "TEXPTIME": 100.0, "BUNIT": "adu", "FILTER": "r", "EVS_COMB": "meanclip"}
    want |= {"EVS_SIGL": 3.0, "EVS_SIGH": 2.5, "EVS_RNDS": 3, "EVS_WGHT": "exposure"}
    assert {name: header[name] for name in want} == want
    assert [header[f"IMCMB{n:03}"] for n in range(1, 5)] == [record.label for record in run.records]
    assert run.unit == "adu"
    assert [record.weight for record in run.records] == [1, 2, 3, 4]
    assert run.table.meta["options"]["weights"] == [1, 2, 3, 4]
    assert "4 exposures combined (meanclip), 0 failed, 120 x 90 px" in str(run)
    assert "e0" in run._repr_html_()
    with out.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == run.digest


@pytest.mark.parametrize(
    "options",
    [
        {"max_memory": LITTLE},
        {"workers": 3, "max_memory": 4 * LITTLE},
        {"workers": 2, "executor": "processes", "max_memory": "200kB"},
    ],
)
def test_results_do_not_depend_on_bands_and_workers(files, tmp_path, options):
    evensky.combine_files(files, tmp_path / "a.fits", planes=ALL, weighting="variance")
    evensky.combine_files(files, tmp_path / "b.fits", planes=ALL, weighting="variance", **options)
    assert same(tmp_path / "a.fits", tmp_path / "b.fits")
    assert (tmp_path / "a.fits").read_bytes() == (tmp_path / "b.fits").read_bytes()


def test_exposures_that_are_shifted(tmp_path):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.cdelt = ("RA---TAN", "DEC--TAN"), (150, 2), (-1e-4, 1e-4)
    paths, made = [], exposures(3)
    for n, exposure in enumerate(made):
        own = wcs.deepcopy()
        own.wcs.crpix = 40 - 5 * n, 30 + 7 * n
        exposure.info.wcs = own
        paths.append(tmp_path / f"e{n}.fits")
        write_exposure(exposure, paths[-1])
    out = tmp_path / "coadd.fits"
    run = evensky.combine_files(paths, out, statistic="mean", max_memory=LITTLE)
    assert run.grid.shape == (90 + 14, 120 + 10)
    assert [record.placed for record in run.records] == [f"shifted by ({5 * n}, {14 - 7 * n}) px" for n in range(3)]
    found = read_exposure(out)
    star = made[2].info.wcs.pixel_to_world_values(10, 20)
    np.testing.assert_allclose(found.wcs.world_to_pixel_values(*star), (20, 20), atol=1e-6)
    memory = evensky.combine(made, statistic="mean")
    assert np.array_equal(found.image.array, memory.exposure.image.array, equal_nan=True)
    assert np.isnan(found.image.array[0, 0])
    assert found.mask.array[0, 0] == found.mask.getPlaneBitMask("NO_DATA")


class StoppedError(Exception):
    pass


def stop_after(number):
    def progress(label, done, steps):
        if done == number:
            raise StoppedError

    return progress


def test_a_run_that_was_stopped_is_resumed(files, tmp_path, monkeypatch):
    evensky.combine_files(files, tmp_path / "a.fits", planes=ALL)
    out = tmp_path / "b.fits"
    with pytest.raises(StoppedError):
        evensky.combine_files(files, out, planes=ALL, max_memory=LITTLE, progress=stop_after(5))
    assert not out.exists()
    assert (tmp_path / "b.fits.journal").exists()
    with pytest.raises(FitsError, match=r"b\.fits: a run that writes it did not end .b\.fits\.journal.; resume it"):
        evensky.combine_files(files, out, planes=ALL)
    done = []
    combine = combine_run.combine_rows
    monkeypatch.setattr(combine_run, "combine_rows", lambda plan, *rows: (done.append(rows), combine(plan, *rows))[1])
    # The limit of memory may be another one.
    run = evensky.combine_files(files, out, planes=ALL, resume=True, max_memory=2 * LITTLE)
    assert same(tmp_path / "a.fits", out)
    assert 0 < sum(stop - start for start, stop in done) < SHAPE[0]
    again = evensky.combine_files(files, tmp_path / "c.fits", planes=ALL)
    assert [record.rejected_fraction for record in run.records] == [r.rejected_fraction for r in again.records]
    assert sorted(path.name for path in tmp_path.iterdir() if "b.fits" in path.name) == ["b.fits"]


def test_a_run_with_other_inputs_is_not_resumed(files, tmp_path):
    out = tmp_path / "b.fits"
    with pytest.raises(StoppedError):
        evensky.combine_files(files, out, max_memory=LITTLE, progress=stop_after(3))
    with pytest.raises(FitsError, match="statistic was meanclip and is mean now"):
        evensky.combine_files(files, out, statistic="mean", resume=True)
    os.utime(files[1], (1, 1))
    with pytest.raises(FitsError, match="files were changed since the run began"):
        evensky.combine_files(files, out, resume=True)
    evensky.combine_files(files, out, overwrite=True)
    assert out.exists()
    assert not (tmp_path / "b.fits.journal").exists()


def test_rows_are_combined_again_if_the_unfinished_file_is_gone(files, tmp_path):
    evensky.combine_files(files, tmp_path / "a.fits")
    out = tmp_path / "b.fits"
    with pytest.raises(StoppedError):
        evensky.combine_files(files, out, max_memory=LITTLE, progress=stop_after(3))
    (unfinished,) = tmp_path.glob(".b.fits*")
    unfinished.unlink()
    evensky.combine_files(files, out, resume=True)
    assert same(tmp_path / "a.fits", out)


def test_without_a_run_to_resume_a_new_one_begins(files, tmp_path):
    evensky.combine_files(files, tmp_path / "a.fits", resume=True)
    with pytest.raises(FitsError, match="exists already"):
        evensky.combine_files(files, tmp_path / "a.fits", resume=True)


def test_a_file_that_cannot_be_described_fails_alone(files, tmp_path):
    files[1].write_bytes(files[1].read_bytes()[:30000])
    run = evensky.combine_files(files, tmp_path / "a.fits", weighting=[1, 99, 1, 1])
    assert [record.status for record in run.records] == ["combined", "failed", "combined", "combined"]
    assert "is not complete" in run.records[1].message
    evensky.combine_files([files[0], *files[2:]], tmp_path / "b.fits", weighting=[1, 1, 1])
    assert same(tmp_path / "a.fits", tmp_path / "b.fits")
    assert [record.label for record in run.failed] == ["e1"]


@pytest.mark.usefixtures("warm_workers")
@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_an_exposure_that_fails_half_way_is_left_out(files, tmp_path, executor, caplog):
    # Its compressed rows are broken far behind the header.
    with fits.open(files[1]) as hdus:
        packed = fits.HDUList(
            [
                hdus[0].copy(),
                fits.CompImageHDU(hdus[1].data, hdus[1].header, compression_type="GZIP_1", quantize_level=0),
            ]
        )
    packed.writeto(files[1], overwrite=True)
    content = bytearray(files[1].read_bytes())
    at = content.rindex(b"\x1f\x8b")  # the last tile
    content[at + 10 : at + 40] = bytes(30)
    files[1].write_bytes(content)
    run = evensky.combine_files(files, tmp_path / "a.fits", max_memory=LITTLE, executor=executor)
    assert [record.status for record in run.records] == ["combined", "failed", "combined", "combined"]
    assert "e1.fits" in run.records[1].message
    assert run.records[1].masked_fraction is None
    assert "all rows are combined again without it" in caplog.text
    evensky.combine_files([files[0], *files[2:]], tmp_path / "b.fits")
    assert same(tmp_path / "a.fits", tmp_path / "b.fits")


@pytest.mark.usefixtures("warm_workers")
@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_numbers_that_float32_does_not_hold_appear_late(tmp_path, executor):
    paths = []
    for n in range(3):
        data = np.full(SHAPE, 1000 + n, np.int32)
        if n == 1:
            data[80, 5] = 2**24 + 1
        paths.append(tmp_path / f"e{n}.fits")
        fits.writeto(paths[-1], data)
    out = tmp_path / "a.fits"
    run = evensky.combine_files(paths, out, statistic="mean", max_memory=30_000, executor=executor)
    image = planes_of(out)["IMAGE"]
    assert image.dtype.itemsize == 8
    assert image[80, 5] == (1000 + 2**24 + 1 + 1002) / 3
    assert image[0, 0] == 1001
    assert [record.status for record in run.records] == ["combined"] * 3


def test_none_can_be_used(tmp_path):
    (tmp_path / "a.fits").write_bytes(b"nothing")
    with pytest.raises(
        TaskError, match=r"None of the 2 exposures can be used: .*a\.fits: .*; .*b\.fits: .*no such file"
    ):
        evensky.combine_files([tmp_path / "a.fits", tmp_path / "b.fits"], tmp_path / "c.fits")
    assert not (tmp_path / "c.fits").exists()


def test_what_is_refused(files, tmp_path):
    out = tmp_path / "coadd.fits"
    for given, message in (
        ({"workers": 0}, "workers = 0; it must be at least 1"),
        ({"overwrite": True, "resume": True}, "overwrite and resume are both True"),
        ({"planes": ["flux"]}, "planes holds 'flux'; what can be written is variance, mask, "),
        ({"resampling": "cubic"}, "resampling is 'cubic'; it must be one of interp, "),
        ({"weighting": [1, 2]}, "weighting has 2 numbers for 4 exposures"),
        ({"weighting": 3}, "weighting is 3, a int"),
        ({"max_memory": "1 mile"}, "max_memory is '1 mile'"),
        ({"executor": "cloud"}, "executor is 'cloud'"),
    ):
        with pytest.raises(InvalidParameterError, match=message):
            evensky.combine_files(files, out, **given)
    with pytest.raises(InvalidParameterError, match="There are 0 files"):
        evensky.combine_files([], out)
    with pytest.raises(InvalidParameterError, match="given more than once"):
        evensky.combine_files([files[0], files[0]], out)
    with pytest.raises(TaskError, match=r"a row of all 4 exposures needs .* max_memory is .*allow more"):
        evensky.combine_files(files, out, max_memory=1000)
    assert sorted(tmp_path.iterdir()) == files


def test_inputs_are_never_written_to(files, tmp_path):
    before = files[0].read_bytes()
    with pytest.raises(FitsError, match="is an input too"):
        evensky.combine_files(files, files[0], overwrite=True)
    assert files[0].read_bytes() == before


def test_an_existing_file_is_replaced_only_if_allowed(files, tmp_path):
    out = tmp_path / "coadd.fits"
    out.write_bytes(b"precious")
    with pytest.raises(FitsError, match="exists already"):
        evensky.combine_files(files, out)
    assert out.read_bytes() == b"precious"
    evensky.combine_files(files, out, overwrite=True)
    assert read_exposure(out).image.array.shape == SHAPE


def test_two_runs_do_not_write_one_file(files, tmp_path):
    with FolderLock(tmp_path, "coadd.fits.lock"):
        with pytest.raises(FitsError, match="another run is at work in it"):
            evensky.combine_files(files, tmp_path / "coadd.fits")
        evensky.combine_files(files, tmp_path / "other.fits")  # another file of the folder


def test_units_and_filters_must_agree(files, tmp_path):
    fits.setval(files[1], "FILTER", value="g")
    with pytest.raises(UnsuitableError, match="filters differ"):
        evensky.combine_files(files, tmp_path / "a.fits")
    run = evensky.combine_files(files, tmp_path / "a.fits", allow=["filters"])
    assert "FILTER" not in fits.getheader(run.output)


def test_exposures_without_variance_and_times(tmp_path):
    paths = []
    for n in range(3):
        paths.append(tmp_path / f"e{n}.fits")
        fits.writeto(paths[-1], np.full(SHAPE, n, np.float32))
    run = evensky.combine_files(paths, tmp_path / "a.fits", planes=ALL, statistic="mean")
    assert run.planes == ("mask", "number", "rejected", "weight")
    assert any("no plane variance: there are no variances of e0, e1" in note for note in run.notes)
    assert any("no plane exposure_time: the exposure times of e0" in note for note in run.notes)
    assert list(planes_of(run.output)) == ["IMAGE", "MASK", "NUMBER", "REJECTED", "WEIGHT"]
    assert planes_of(run.output)["IMAGE"][0, 0] == 1
    with pytest.raises(InvalidParameterError, match=r"3 of 3 exposures have no variances, such as e0"):
        evensky.combine_files(paths, tmp_path / "b.fits", weighting="variance")


def test_all_chips_of_files_are_combined(tmp_path):
    paths = []
    for n in range(2):
        hdus = [fits.PrimaryHDU()]
        for chip in range(2):
            wcs = WCS(naxis=2)
            wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.cdelt = ("RA---TAN", "DEC--TAN"), (150, 2), (-1e-4, 1e-4)
            wcs.wcs.crpix = 10 - 50 * chip, 10
            hdus.append(
                fits.ImageHDU(np.full((30, 40), 10 * chip + n, np.float32), wcs.to_header(), name="SCI", ver=chip + 1)
            )
        paths.append(tmp_path / f"e{n}.fits")
        fits.HDUList(hdus).writeto(paths[-1])
    run = evensky.combine_files(paths, tmp_path / "a.fits", statistic="mean", weighting=[1, 3])
    assert run.grid.shape == (30, 90)
    image = planes_of(run.output)["IMAGE"]
    assert (image[:, :40] == 0.75).all()
    assert np.isnan(image[:, 40:50]).all()
    assert (image[:, 50:] == 10.75).all()
    assert [record.weight for record in run.records] == [1, 1, 3, 3]
    with pytest.raises(UnsuitableError, match="several images"):
        evensky.combine_files(paths, tmp_path / "b.fits", same_grid=True)


def test_compressed_outputs_and_inputs(files, tmp_path):
    evensky.combine_files(files, tmp_path / "a.fits", planes=ALL)
    evensky.combine_files(files, tmp_path / "b.fits", planes=ALL, compress=True)
    assert same(tmp_path / "a.fits", tmp_path / "b.fits")
    for path, exposure in zip(files, exposures(), strict=True):
        path.unlink()
        write_exposure(exposure, path, compress=True)
    evensky.combine_files(files, tmp_path / "c.fits", planes=ALL, max_memory=LITTLE)
    assert same(tmp_path / "a.fits", tmp_path / "c.fits")


def test_planes_of_sources_are_good_unless_named(files, tmp_path):
    run = evensky.combine_files(files, tmp_path / "a.fits", planes=["number"], bad_planes="DETECTED")
    detected = np.mean([exposure.mask.array & 32 != 0 for exposure in exposures()])
    assert np.mean([record.masked_fraction for record in run.records]) == pytest.approx(detected, abs=1e-9)


def test_buffers_of_a_thread_are_used_again(files):
    from evensky.io.bands import ExposureBands
    from evensky.io.formats import describe

    reader = combine_readers.FileReader(ExposureBands(describe(files[0]).images[0]), 0, 0)
    first = reader.read(slice(0, 20), slice(0, 120)).image
    second = reader.read(slice(20, 35), slice(0, 120)).image
    assert np.shares_memory(first, second)
    assert second.shape == (15, 120)
    assert np.array_equal(second, exposures()[0].image.array[20:35])


def open_files():
    """Return the number of open files, without those of locks, which their threads close a moment later."""
    for thread in threading.enumerate():
        if thread.name == "evensky-lock":
            thread.join(5)
    return len(list(Path("/proc/self/fd").iterdir()))


def test_open_files_do_not_add_up(files, tmp_path):
    # The first run of a process may open what stays open, such as a table of astropy.
    evensky.combine_files(files, tmp_path / "a.fits", max_memory=LITTLE)
    before = open_files()
    for _ in range(3):
        evensky.combine_files(files, tmp_path / "a.fits", max_memory=LITTLE, overwrite=True)
    # What earlier tests have left open may be closed meanwhile.
    assert open_files() <= before


def test_outputs_of_a_match_are_combined_and_coadds_are_not(files, tmp_path):
    evensky.match_files(files, tmp_path / "out", report=False)
    matched = sorted((tmp_path / "out").glob("*_matched.fits"))
    coadd = evensky.combine_files(matched, tmp_path / "a.fits").output
    with pytest.raises(UnsuitableError, match=r"combined exposures are given as exposures: a\.fits; leave them out"):
        evensky.combine_files([*files, coadd], tmp_path / "b.fits")
    run = evensky.combine_files([*files, coadd], tmp_path / "b.fits", allow=["outputs"])
    assert len(run.records) == 5
    with pytest.raises(UnsuitableError, match="combined exposures are given"):
        evensky.match_files([*files, coadd], tmp_path / "again")


def test_a_run_whose_process_was_killed_is_resumed(files, tmp_path):
    out = tmp_path / "b.fits"
    program = (
        "import os, sys, evensky\n"
        "def progress(label, done, steps):\n"
        "    if done == 4: os._exit(9)\n"
        "import evensky.runs.combine_journal\n"
        "evensky.runs.combine_journal._INTERVAL = 0.0\n"
        f"evensky.combine_files(sys.argv[2:], sys.argv[1], max_memory={LITTLE}, progress=progress)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(out), *map(str, files)], timeout=60, check=False)
    assert ended.returncode == 9
    assert (tmp_path / "b.fits.lock").exists()
    evensky.combine_files(files, out, resume=True)
    evensky.combine_files(files, tmp_path / "a.fits")
    assert same(tmp_path / "a.fits", out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.fits", "b.fits", *(path.name for path in files)]


def test_files_that_tell_how_to_combine_are_not_overwritten(tmp_path):
    made, paths = exposures(2), [tmp_path / f"e{n}.fits" for n in range(2)]
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.cdelt = ("RA---TAN", "DEC--TAN"), (150, 2), (-1e-4, 1e-4)
    for exposure, path in zip(made, paths, strict=True):
        exposure.info.wcs = wcs
        write_exposure(exposure, path)
    grid = tmp_path / "grid.fits"
    fits.PrimaryHDU(np.zeros(SHAPE, np.float32), wcs.to_header()).writeto(grid)
    before = grid.read_bytes()
    with pytest.raises(FitsError, match=r"grid\.fits: is an input too"):
        evensky.combine_files(paths, grid, wcs=str(grid), overwrite=True)
    assert grid.read_bytes() == before
    evensky.match_files(paths, tmp_path / "out", report=False)
    known = tmp_path / "out" / "matched.covariance.fits"
    before = known.read_bytes()
    outputs = sorted((tmp_path / "out").glob("*_matched.fits"))
    for given in (None, known):
        with pytest.raises(FitsError, match=r"matched\.covariance\.fits: is an input too"):
            evensky.combine_files(outputs, known, covariance=given, overwrite=True)
    assert known.read_bytes() == before
    # The file, or the folder that holds it.
    for name, given in {"a": None, "b": known, "c": known.parent}.items():
        evensky.combine_files(outputs, tmp_path / f"{name}.fits", covariance=given)
        assert fits.getheader(tmp_path / f"{name}.fits")["EVS_COVA"]
    assert same(tmp_path / "a.fits", tmp_path / "b.fits")
    assert same(tmp_path / "a.fits", tmp_path / "c.fits")


def rotated_files(folder):
    """Exposures on grids that are rotated against each other."""
    paths, made = [], exposures(3)
    for n, exposure in enumerate(made):
        turn = np.radians(4.0 * n)
        own = WCS(naxis=2)
        own.wcs.ctype, own.wcs.crval, own.wcs.crpix = ("RA---TAN", "DEC--TAN"), (150, 2), (60, 45)
        own.wcs.cd = 1e-4 * np.array([[-np.cos(turn), np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        exposure.info.wcs = own
        paths.append(folder / f"e{n}.fits")
        write_exposure(exposure, paths[-1])
    return paths, made


@pytest.mark.usefixtures("warm_workers")
@pytest.mark.parametrize("options", [{}, {"workers": 2, "executor": "processes", "max_memory": "200kB"}])
def test_exposures_on_other_grids_are_resampled(tmp_path, options):
    pytest.importorskip("reproject")
    paths, made = rotated_files(tmp_path)
    (tmp_path / "scratch").mkdir()
    out = tmp_path / "coadd.fits"
    run = evensky.combine_files(paths, out, planes=ALL, wcs=paths[0], scratch=tmp_path / "scratch", **options)
    assert run.grid.shape == SHAPE
    assert [record.placed for record in run.records] == [
        "on the grid",
        "resampled (interp)",
        "resampled (interp)",
    ]
    memory = evensky.combine(made, wcs=made[0].info.wcs, shape=SHAPE)
    found = read_exposure(out)
    assert np.array_equal(found.image.array, memory.exposure.image.array, equal_nan=True)
    assert np.array_equal(found.variance.array, memory.exposure.variance.array, equal_nan=True)
    assert np.array_equal(found.mask.array, memory.exposure.mask.array)
    for mine, other in zip(run.records, memory.records, strict=True):
        assert (mine.masked_fraction, mine.rejected_fraction) == (other.masked_fraction, other.rejected_fraction)
        bad = np.mean(made[run.records.index(mine)].mask.array & 2 != 0)
        assert mine.masked_fraction == pytest.approx(bad)
    (note,) = [note for note in run.notes if "resampling correlates" in note]
    assert note in memory.notes
    assert 1 < run.records[1].noise_factor < 3
    assert f"{run.records[1].noise_factor:.2g}" in note
    assert run.records[0].noise_factor is None
    assert fits.getheader(out)["EVS_RSMP"] == "interp"
    assert not list((tmp_path / "scratch").iterdir())
    assert np.nanmean(found.image.array) == pytest.approx(100, abs=0.2)


def test_a_resampled_exposure_that_cannot_be_read_fails_alone(tmp_path, monkeypatch):
    pytest.importorskip("reproject")
    paths, _ = rotated_files(tmp_path)
    resample = combine_run.resample_to_disk

    def broken(source, *arguments):
        return FitsError(f"{source.label}: is gone") if source.label == "e2" else resample(source, *arguments)

    monkeypatch.setattr(combine_run, "resample_to_disk", broken)
    run = evensky.combine_files(paths, tmp_path / "coadd.fits", wcs=paths[0])
    assert [record.status for record in run.records] == ["combined", "combined", "failed"]
    assert run.records[2].message == "e2: is gone"


def test_scratch_space_without_room_is_told(tmp_path, monkeypatch):
    pytest.importorskip("reproject")
    paths, _ = rotated_files(tmp_path)
    monkeypatch.setattr(combine_run, "free_space", lambda folder: 1000)
    with pytest.raises(FitsError, match=r"has 1 MB free, and 2 resampled exposures need up to .*--scratch"):
        evensky.combine_files(paths, tmp_path / "coadd.fits", wcs=paths[0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e0.fits", "e1.fits", "e2.fits"]


def test_rows_are_on_disk_before_the_journal_says_so(files, tmp_path, monkeypatch):
    events = []

    def note(kind, name):
        method = getattr(kind, name)
        monkeypatch.setattr(kind, name, lambda self, *values: (events.append(name), method(self, *values))[1])

    for name in ("write", "sync"):
        note(combine_run.CoaddWriter, name)
    note(combine_run.CombineJournal, "keep")
    monkeypatch.setattr("evensky.runs.combine_journal._INTERVAL", 0.0)
    evensky.combine_files(files, tmp_path / "a.fits", max_memory=LITTLE)
    number = len(events) // 3
    assert number > 3
    assert events == ["write", "sync", "keep"] * number


def test_each_file_is_described_and_opened_at_once(files, tmp_path, monkeypatch):
    opened = []
    content = opening.content

    def counted(path, *args):
        opened.append(Path(path))
        return content(path, *args)

    monkeypatch.setattr(opening, "content", counted)
    evensky.combine_files(files, tmp_path / "coadd.fits")
    assert sorted(opened) == sorted(files)


def test_the_digest_is_that_of_what_was_written(files, tmp_path):
    run = evensky.combine_files(files, tmp_path / "out.fits")
    digest = run.digest
    assert digest == hashlib.sha256(run.output.read_bytes()).hexdigest()
    again = evensky.combine_files(files, tmp_path / "out.fits", overwrite=True)
    with open(run.output, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"x")
    with pytest.raises(FitsError, match=r"out\.fits: was changed since it was written"):
        _ = again.digest
    assert run.digest == digest  # it was asked for before


def noted(run, words):
    """Return the note of a run that has some words."""
    (note,) = [note for note in run.notes if words in note]
    return note


def test_an_exposure_and_its_own_output_are_told(files, tmp_path):
    evensky.match_files(files, tmp_path / "out", report=False)
    both = [*files[:3], tmp_path / "out" / "e1_matched.fits"]
    run = evensky.combine_files(both, tmp_path / "a.fits")
    assert noted(run, "same noise").startswith("e1 and e1_matched have the same noise, so they are copies of one")
    found = noted(run, "were not")
    assert found.startswith("e1_matched was matched, and e0, e1 and e2 were not, so their levels may differ")
    several = [tmp_path / "out" / "e0_matched.fits", tmp_path / "out" / "e1_matched.fits", files[2]]
    found = noted(evensky.combine_files(several, tmp_path / "b.fits"), "was not")
    assert found.startswith("e0_matched and e1_matched were matched, and e2 was not, so their levels may differ")


def test_copies_of_an_exposure_are_told(files, tmp_path):
    copy = tmp_path / "copy.fits"
    copy.write_bytes(files[0].read_bytes())
    packed = tmp_path / "e2.fits.gz"
    packed.write_bytes(gzip.compress(files[2].read_bytes(), 1))
    run = evensky.combine_files([*files, copy, packed], tmp_path / "a.fits", max_memory=LITTLE)
    groups = [note.split(" have the same noise")[0] for note in run.notes if "same noise" in note]
    assert groups == ["e0 and copy", "e2_1 and e2_2"]
    assert all("the variance is too small" in note for note in run.notes if "same noise" in note)
    alone = evensky.combine_files([files[0], copy], tmp_path / "c.fits", planes="mask")
    assert "variance" not in noted(alone, "same noise")
    assert not any("same noise" in note for note in evensky.combine_files(files, tmp_path / "b.fits").notes)


def test_outputs_of_several_matches_are_told(files, tmp_path):
    for name, some in (("one", files[:2]), ("two", files[2:])):
        evensky.match_files(some, tmp_path / name, report=False)
    matched = [*sorted((tmp_path / "one").glob("*_matched.fits")), *sorted((tmp_path / "two").glob("*_matched.fits"))]
    run = evensky.combine_files(matched, tmp_path / "a.fits")
    assert str(tmp_path / "one") in noted(run, "outputs of several matches")
    alone = evensky.combine_files(matched[:2], tmp_path / "b.fits")
    assert not any("match" in note for note in alone.notes)


def test_the_covariance_of_a_match_is_no_exposure(files, tmp_path):
    evensky.match_files(files, tmp_path / "out", report=False)
    matched = sorted((tmp_path / "out").glob("*.fits"))
    assert tmp_path / "out" / "matched.covariance.fits" in matched
    run = evensky.combine_files(matched, tmp_path / "a.fits")
    assert [record.status for record in run.records] == ["combined"] * 4
    assert noted(run, "matched.covariance.fits").startswith("matched.covariance.fits is no exposure, and is left out")
    assert fits.getval(run.output, "EVS_COVA")
    with pytest.raises(InvalidParameterError, match="0 files"):
        evensky.combine_files([tmp_path / "out" / "matched.covariance.fits"], tmp_path / "b.fits")


def test_a_mask_plane_that_does_not_exist_is_an_error_of_the_call(files, tmp_path):
    with pytest.raises(NotFoundError, match=r"^[^ ]*e0\.fits: There is no mask plane 'FOO'"):
        evensky.combine_files(files, tmp_path / "out.fits", bad_planes="CR,FOO")


@pytest.mark.parametrize("name", ["coadd.jpg", "coadd", "coadd.fits.gz", "coadd.asdf"])
def test_the_result_has_the_name_of_a_fits_file(files, tmp_path, name):
    with pytest.raises(InvalidParameterError, match=rf"out is '.*{name}'; .* ends with one of \.fits, "):
        evensky.combine_files(files, tmp_path / name)
    assert not (tmp_path / name).exists()


def test_places_on_the_grid_are_told(files, tmp_path):
    run = evensky.combine_files(files, tmp_path / "a.fits")
    assert [record.placed for record in run.records] == ["on the grid"] * 4


@pytest.mark.extras
def test_dask_gives_the_same_bits(files, tmp_path):
    distributed = pytest.importorskip("dask.distributed")
    expected = evensky.combine_files(files, tmp_path / "a.fits", planes=ALL)
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        for number, executor in enumerate((f"dask:{cluster.scheduler_address}", cluster.get_client().get_executor())):
            out = tmp_path / f"b{number}.fits"
            found = evensky.combine_files(files, out, planes=ALL, executor=executor, workers=2, max_memory=LITTLE)
            assert found.digest == expected.digest
            assert found.records == expected.records


@pytest.mark.extras
def test_mpi_gives_the_same_bits(files, tmp_path):
    pytest.importorskip("mpi4py")
    mpiexec = Path(sys.executable).with_name("mpiexec")
    found = str(mpiexec) if mpiexec.exists() else which("mpiexec")
    if found is None:
        pytest.skip("there is no mpiexec")
    expected = evensky.combine_files(files, tmp_path / "a.fits")
    out = tmp_path / "b.fits"
    environment = os.environ | {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    python = [found, "-n", "3", sys.executable, "-m", "mpi4py.futures", "-m", "evensky"]
    command = [*python, "combine", *map(str, files), "--out", str(out), "--executor", "mpi", "-j", "2"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == expected.output.read_bytes()
