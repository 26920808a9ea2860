"""The file of a run, from which its report is made again."""

from __future__ import annotations

import errno
import hashlib
import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from a_run import make_run

import evensky
from evensky.combining.target_grid import TargetGrid
from evensky.errors import FitsError
from evensky.io import write_exposure
from evensky.io.coadd_file import Stamp
from evensky.report import write_report
from evensky.runs.combine_record import CombineRecord
from evensky.runs.combine_result import CombineRun
from evensky.runs.folder import RUN
from evensky.runs.match_run import MatchRun
from evensky.runs.record import CoaddPreview, InputSummary, UntiedGroups
from evensky.runs.run_file import RUN_FIELDS, load_run, save_run
from evensky.tasks import MatchBackgroundsConfig

# Fields that are not in the file: the covariance of the models and the coadd have files of their own, which hold the
# grid of the coadd, its planes and options.
ELSEWHERE = {"covariance", "grid", "options", "planes"}


def write_files(folder: Path, number: int = 3) -> list[Path]:
    rng = np.random.default_rng(1)
    paths = []
    for index in range(number):
        path = folder / f"night {index}.fits"
        pixels = rng.normal(100 + 10 * index, 2, (80, 90)).astype(np.float32)
        write_exposure(evensky.image.ExposureF(pixels), path)
        paths.append(path)
    return paths


def assert_same(one: Any, other: Any) -> None:
    """Assert that two values are equal, with arrays to the bit and of one type."""
    assert type(one) is type(other)
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    elif hasattr(one, "__dataclass_fields__"):
        for field in fields(one):
            if field.name in ELSEWHERE:
                continue
            assert_same(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, list):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            assert_same(*pair)
    else:
        assert one == other or (one != one and other != other)  # NaN


def full_run() -> MatchRun:
    """Return a run with all that a run can hold."""
    run = make_run()
    rng = np.random.default_rng(2)
    planes = [rng.normal(0, 1, (7, 9)).astype(np.float32) for _ in range(2)]
    planes[0][0, 0] = np.nan
    run.preview = CoaddPreview(*planes, np.ones((7, 9), np.int32), "adu", "north up, east left", "1 px", 0.5, "arcsec")
    run.untied = [UntiedGroups("exposures", [["visit-0", "visit-1"], ["visit-2"]], "2 groups are not tied.")]
    run.truth = {"before": 2.5, "after": np.float64(0.5)}
    run.inputs = [InputSummary("a", "/x/a.fits", "JWST", "SCI", "DQ", "ERR", "MJy/sr", "F200W", (3, -4), ["note"])]
    run.inputs.append(replace(run.inputs[0], origin=None))
    records = [
        CombineRecord("a", "/x/a.fits", "combined", "", "shifted by (1, 2) px", 0.1, 0.2, 1.0, 30.0, None, ["a note"]),
        CombineRecord("b", "/x/b.fits", "failed", "gone"),
    ]
    grid = TargetGrid(None, (7, 9), (), ())
    stamp = Stamp(2880, 1_700_000_000_123_456_789)
    run.coadd = CombineRun(records, Path("coadd.fits"), stamp, grid, "meanclip", "adu", started="now", notes=["so"])
    return run


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = full_run()
    for record in run.records:
        record.output = None if record.output is None else str(tmp_path / Path(record.output).name)
        if record.pixels is not None:
            record.pixels.residual = record.pixels.after[::-1]
    run.records[0].pixels.model = np.full_like(run.records[0].pixels.model, np.nan)  # type: ignore[union-attr]
    assert run.coadd is not None
    run.coadd.output = tmp_path / run.coadd.output
    assert save_run(run, tmp_path) == tmp_path / RUN
    assert_same(load_run(tmp_path), replace(run, truth={"before": 2.5, "after": 0.5}))


def test_no_field_of_a_run_is_forgotten() -> None:
    written = {*RUN_FIELDS, "records", "candidates", "inputs", "overlaps", "preview", "coadd", "untied"}
    assert {field.name for field in fields(MatchRun)} - ELSEWHERE == written


@pytest.mark.parametrize("config", [None, MatchBackgroundsConfig()])
def test_a_match_leaves_all_that_its_report_shows(tmp_path: Path, config: Any) -> None:
    run = evensky.match_files(write_files(tmp_path), tmp_path / "out", config=config)
    assert run.preview is not None
    assert_same(
        load_run(tmp_path / "out"), replace(run, **({"covariance": None} if hasattr(run, "covariance") else {}))
    )
    page = (tmp_path / "out" / "report.html").read_bytes()
    again = write_report(load_run(tmp_path / "out"), tmp_path / "again.html").read_bytes()
    assert again == page
    # Wherever the folder is.
    (tmp_path / "out").rename(tmp_path / "moved")
    assert load_run(tmp_path / "moved").records[0].output == str(tmp_path / "moved" / "night 0_matched.fits")


def test_the_file_of_a_run_is_small(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    paths = []
    slope = np.add.outer(np.arange(440.0), np.arange(440.0)) / 50
    for index in range(3):
        path = tmp_path / f"{index}.fits"
        write_exposure(evensky.image.ExposureF((rng.normal(1000, 5, slope.shape) + index * slope).astype("f4")), path)
        paths.append(path)
    run = evensky.match_files(paths, tmp_path / "out")
    pictures = [one for r in run.records for one in (r.pixels.before, r.pixels.model, r.pixels.residual)]
    assert all(one.shape == (220, 220) for one in pictures)
    assert run.preview.after.shape == (440, 440)
    plain = 4 * (len(pictures) * 220**2 + 3 * 440**2)
    assert (tmp_path / "out" / RUN).stat().st_size < 0.3 * plain


def test_a_match_without_a_report_leaves_no_file_of_an_earlier_one(tmp_path: Path) -> None:
    paths = write_files(tmp_path)
    evensky.match_files(paths, tmp_path / "out")
    assert (tmp_path / "out" / RUN).exists()
    evensky.match_files(paths, tmp_path / "out", report=False, overwrite=True)
    assert not (tmp_path / "out" / RUN).exists()
    with pytest.raises(FitsError, match=r"out: has no matched\.run, .*--no-report"):
        load_run(tmp_path / "out")


def test_an_earlier_file_is_not_overwritten_unasked(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / RUN).write_text("mine")
    with pytest.raises(FitsError, match=r"holds earlier results \(matched\.run\)"):
        evensky.match_files(write_files(tmp_path), tmp_path / "out")
    assert (tmp_path / "out" / RUN).read_text() == "mine"


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = save_run(full_run(), tmp_path)
    whole = path.read_bytes()
    for at in (70, 200, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(FitsError, match=r"matched\.run: is damaged or was altered: its digest"):
            load_run(tmp_path)
    for text in (whole[:-1], whole + b"x", whole[:90]):
        path.write_bytes(text)
        with pytest.raises(FitsError, match="is damaged or was altered"):
            load_run(tmp_path)
    for text in (b"", b"SIMPLE  =                    T", b"evensky run 1\n" + whole[14:]):
        path.write_bytes(text)
        with pytest.raises(FitsError, match="not with 'evensky run 2'; make the report with the evensky that made"):
            load_run(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(FitsError, match="is not a regular file"):
        load_run(tmp_path)


def rewrite(path: Path, change: Any) -> None:
    """Change the content of a file of a run, with the right digest."""
    text, _, data = path.read_bytes()[79:].partition(b"\n")
    content = json.loads(text)
    change(content)
    body = json.dumps(content).encode() + b"\n" + data
    path.write_bytes(b"evensky run 2\n" + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("preview"),
        lambda content: content["run"].pop("unit"),
        lambda content: content["records"][0].update(label=3),
        lambda content: content["records"][0].update(surprise=3),
        lambda content: content["records"].pop(),
        lambda content: content["arrays"].pop(),
        lambda content: content["arrays"][0].__setitem__(0, "|O"),
        lambda content: content["arrays"][0].__setitem__(1, [2**40, 2**40]),
        lambda content: content["arrays"][0].__setitem__(1, [-1, -1]),
        lambda content: content["arrays"][0].__setitem__(1, [1, 1]),
        lambda content: content["preview"].update(before=999),
        lambda content: content["untied"].append({"what": "exposures"}),
        lambda content: content["preview"].update(surprise=0),
        lambda content: content.clear(),
    ],
)
def test_a_file_with_other_content_is_refused(tmp_path: Path, change: Any) -> None:
    path = save_run(full_run(), tmp_path)
    rewrite(path, lambda content: None)
    load_run(tmp_path)
    rewrite(path, change)
    with pytest.raises(FitsError, match=r"is not the file of a run of this version \("):
        load_run(tmp_path)


def test_a_run_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    run = full_run()
    run.config["odd"] = object()
    with pytest.raises(TypeError, match="a run holds a object, which cannot be written"):
        save_run(run, tmp_path)
    with pytest.raises(FitsError, match="cannot be written"):
        save_run(full_run(), tmp_path / "nowhere")


def test_a_full_disk_leaves_no_part_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **kwargs: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(FitsError, match=r"matched\.run: cannot be written: No space left on device"):
            save_run(full_run(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_an_earlier_version_with_sha256_of_outputs_is_read(tmp_path: Path) -> None:
    path = save_run(full_run(), tmp_path)
    digest = hashlib.sha256(b"pixels").hexdigest()

    def as_before(content: Any) -> None:
        for record in content["records"]:
            del record["output_digest"]
            record["output_sha256"] = digest

    rewrite(path, as_before)
    assert {record.output_digest for record in load_run(tmp_path).records} == {digest}


def test_the_coadd_of_a_run_is_told_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = evensky.match_files(write_files(tmp_path), out, coadd=True)
    again = load_run(out).coadd
    assert run.coadd is not None
    assert again is not None
    assert (str(again), again.output, again.digest) == (str(run.coadd), run.coadd.output, run.coadd.digest)
    page = (out / "report.html").read_bytes()
    assert b"coadd.fits" in page
    assert evensky.remake_report(out).read_bytes() == page
