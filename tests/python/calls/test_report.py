"""Reports of earlier runs, made again."""

from __future__ import annotations

from pathlib import Path

import pytest
from a_run import make_run

from evensky.calls.report import remake_report
from evensky.errors import FitsError
from evensky.io.folder_lock import FolderLock
from evensky.report import write_report
from evensky.runs.run_file import save_run


def test_the_page_is_made_again(tmp_path: Path) -> None:
    run = make_run()
    for record in run.records:
        record.output = None if record.output is None else str(tmp_path / Path(record.output).name)
    page = write_report(run, tmp_path / "first.html").read_bytes()
    save_run(run, tmp_path)
    (tmp_path / "report.html").write_text("an earlier page")
    assert remake_report(tmp_path) == tmp_path / "report.html"
    assert (tmp_path / "report.html").read_bytes() == page
    assert not (tmp_path / "matched.lock").exists()
    assert remake_report(str(tmp_path), tmp_path / "talk.html").read_bytes() == page


def test_another_file_is_not_overwritten_unasked(tmp_path: Path) -> None:
    save_run(make_run(), tmp_path)
    out = tmp_path / "talk.html"
    out.write_text("mine")
    with pytest.raises(FitsError, match=r"talk\.html: exists already"):
        remake_report(tmp_path, out)
    assert out.read_text() == "mine"
    assert "<html" in remake_report(tmp_path, out, overwrite=True).read_text()


def test_the_file_of_the_run_is_not_overwritten(tmp_path: Path) -> None:
    save_run(make_run(), tmp_path)
    before = (tmp_path / "matched.run").read_bytes()
    with pytest.raises(FitsError, match=r"matched\.run: is what the page is made from"):
        remake_report(tmp_path, tmp_path / "matched.run", overwrite=True)
    assert (tmp_path / "matched.run").read_bytes() == before


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(FitsError, match=r"has no matched\.run"):
        remake_report(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_in_which_a_run_is_at_work(tmp_path: Path) -> None:
    save_run(make_run(), tmp_path)
    with FolderLock(tmp_path), pytest.raises(FitsError):
        remake_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_the_file_of_a_run_stands_for_its_folder(tmp_path: Path) -> None:
    file = save_run(make_run(), tmp_path)
    assert remake_report(file) == tmp_path / "report.html"
