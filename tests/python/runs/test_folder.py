"""The output folder of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from evensky.errors import FitsError
from evensky.fits.descriptions import ImageDescription, MaskDescription
from evensky.runs.folder import RunFolder
from evensky.runs.journal import JOURNAL
from evensky.runs.source import Item
from evensky.runs.store import FileStore


def make_folder(tmp_path: Path, *, overwrite: bool = False, resume: bool = False, mask: str = "") -> RunFolder:
    items = []
    for index, name in enumerate("ab"):
        path, output = tmp_path / f"{name}.fits", tmp_path / "out" / f"{name}_matched.fits"
        plane = MaskDescription(Path(mask), 0, mask, None, 1, ("1",)) if mask else None
        image = ImageDescription(path, 0, "0", "", (4, 3), "plain", plane)
        items.append(Item(index, name, path, output, image))
    return RunFolder(items, tmp_path / "out", FileStore([]), overwrite=overwrite, resume=resume)


def test_each_exposure_has_an_output(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    assert folder.labels == ["a", "b"]
    assert [item.output.name for item in folder.items if item.output] == ["a_matched.fits", "b_matched.fits"]
    folder.prepare()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("b_matched.fits", "earlier results"),
        ("matched.ecsv", "earlier results"),
        ("overlaps.ecsv", "earlier results"),
        ("report.html", "earlier results"),
        ("matched.covariance.fits", "earlier results"),
        ("matched.run", "earlier results"),
        (JOURNAL, "a run that did not end"),
    ],
)
def test_earlier_results_are_kept(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).touch()
    with pytest.raises(FitsError, match=f"out: holds {says} .*{name}.*--overwrite"):
        make_folder(tmp_path).prepare()
    make_folder(tmp_path, overwrite=True).prepare()
    if name == JOURNAL:
        make_folder(tmp_path, resume=True).prepare()
    else:
        with pytest.raises(FitsError, match=r"but no matched\.journal to resume"):
            make_folder(tmp_path, resume=True).prepare()
    assert (tmp_path / "out" / name).exists()


def test_inputs_are_no_outputs(tmp_path: Path) -> None:
    for mask in (f"{tmp_path}/out/a_matched.fits", f"{tmp_path}/out/report.html", f"{tmp_path}/out/matched.lock"):
        with pytest.raises(FitsError, match="is an input too, and inputs are never written to"):
            make_folder(tmp_path, overwrite=True, mask=mask).prepare()


def test_inputs_that_the_results_depend_on(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    (tmp_path / "a.fits").write_bytes(b"123")
    asked = folder.asked({"binSize": 32}, 2, None)
    assert asked["files"][0][:2] == [str(tmp_path / "a.fits"), 3]
    assert asked["files"][1] == [str(tmp_path / "b.fits"), None, None]
    assert (asked["config"], asked["reference"], asked["planes"]) == ({"binSize": 32}, None, [])
    (tmp_path / "a.fits").write_bytes(b"1234")
    assert folder.asked({"binSize": 32}, 2, None) != asked


def test_torn_files_of_a_killed_run_go(tmp_path: Path) -> None:
    mask = tmp_path / "out" / ".mask.fits.evensky-run-x8.tmp"
    folder = make_folder(tmp_path, mask=str(mask))
    folder.prepare()
    kept = {
        ".other.fits.x3.tmp",  # of another program
        ".other.fits.evensky-x5.tmp",  # of another command of evensky, which may be at work
        mask.name,  # an input
        "a_matched.fits",
        ".evensky-run-x9.tmp.fits",
    }
    gone = {
        ".a_matched.fits.x1.tmp",
        ".matched.ecsv.x2.tmp",
        ".overlaps.ecsv.x4.tmp",
        ".report.html.evensky-run-x6.tmp",
        ".matched.run.evensky-run-x9.tmp",
        ".of_an_earlier_list_matched.fits.evensky-run-x7.tmp",
    }
    (tmp_path / "out").mkdir()
    for name in kept | gone:
        (tmp_path / "out" / name).touch()
    (tmp_path / "out" / ".folder.evensky-run-x.tmp").mkdir()
    folder.remove_torn()
    assert {path.name for path in (tmp_path / "out").iterdir()} == kept | {".folder.evensky-run-x.tmp"}
