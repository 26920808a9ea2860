"""Files of JSON lines to which one process at a time may append."""

from __future__ import annotations

from pathlib import Path

import pytest

from evensky.errors import FitsError
from evensky.io.locked_lines import LockedLines


def written(path: Path, *lines: dict[str, int]) -> None:
    file = LockedLines(path)
    if path.exists():
        file.read()
    file.open()
    for line in lines:
        file.append(line)
    file.close()


def test_lines_are_read_again_and_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "a.lines"
    written(path, {"a": 1}, {"b": 2})
    written(path, {"c": 3})
    assert LockedLines(path).read() == [{"a": 1}, {"b": 2}, {"c": 3}]


def test_lines_that_were_not_read_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.lines"
    written(path, {"a": 1})
    file = LockedLines(path)
    assert not file.open()
    file.append({"b": 2})
    file.close()
    assert LockedLines(path).read() == [{"b": 2}]


def test_a_torn_line_is_ignored_and_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "a.lines"
    written(path, {"a": 1})
    with path.open("a") as file:
        file.write('{"b"')
    torn = LockedLines(path)
    assert torn.read() == [{"a": 1}]
    assert torn.open()
    torn.append({"c": 3})
    torn.close()
    assert path.read_text() == '{"a": 1}\n{"c": 3}\n'


def test_each_line_is_on_disk_at_once(tmp_path: Path) -> None:
    file = LockedLines(tmp_path / "a.lines")
    file.open()
    file.append({"a": 1})
    assert (tmp_path / "a.lines").read_text() == '{"a": 1}\n'
    file.close()
    file.close()


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "a.lines"
    first = LockedLines(path)
    first.open()
    with pytest.raises(FitsError, match="another run is at work in it"):
        LockedLines(path)
    first.close()
    LockedLines(path)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(FitsError, match="folder: cannot be read: it is not a regular file"):
        LockedLines(tmp_path / "folder").read()
    (tmp_path / "text").write_text("hello\n")
    with pytest.raises(ValueError, match="Expecting value"):
        LockedLines(tmp_path / "text").read()
    with pytest.raises(FitsError, match="a: cannot be written: No such file or directory"):
        LockedLines(tmp_path / "missing" / "a").open()


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious\n")
    (tmp_path / "link").symlink_to(target)
    written_through = LockedLines(tmp_path / "link")
    written_through.open()
    written_through.append({"a": 1})
    written_through.close()
    assert target.read_text() == "precious\n"
    assert (tmp_path / "link").read_text() == '{"a": 1}\n'
