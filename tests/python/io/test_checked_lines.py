"""Files of JSON lines with checksums: appended to whole or not at all, and refused if they were altered."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from evensky.errors import FitsError
from evensky.io.checked_lines import CheckedLines, LineError, UncheckedLineError, sealed

LONGEST, MOST = 10_000, 1_000_000


def read(path: Path) -> list[dict[str, Any]]:
    return list(CheckedLines(path).read(LONGEST, MOST))


def written(path: Path, *lines: dict[str, Any]) -> None:
    file = CheckedLines(path)
    if path.exists():
        list(file.read(LONGEST, MOST))
    file.open()
    for line in lines:
        file.append(line)
    file.close()


def test_dataclasses_are_written_as_their_fields() -> None:
    @dataclass
    class Part:
        texts: list[str]
        other: Any = None

    parts = [Part(["a"], Part([], {"b": (1, 2.5)})), Part(["c"])]
    assert sealed({"parts": parts}, "") == sealed({"parts": [asdict(part) for part in parts]}, "")
    for other, name in ((object(), "object"), (Part, "type")):
        with pytest.raises(TypeError, match=f"Object of type {name} is not JSON serializable"):
            sealed({"parts": other}, "")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of five lines."""
    result = tmp_path / "a.lines"
    written(result, *({"number": number} for number in range(5)))
    return result


def test_lines_are_read_again_and_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "a.lines"
    written(path, {"a": 1}, {"b": 2})
    written(path, {"c": 3, "text": "\x00\ud800\u2028 é"})
    assert read(path) == [{"a": 1}, {"b": 2}, {"c": 3, "text": "\x00\ud800\u2028 é"}]
    assert [list(json.loads(line)) for line in path.read_text().splitlines()] == [
        ["a", "checksum"],
        ["b", "checksum"],
        ["c", "text", "checksum"],
    ]


def test_checksums_are_chained_sha256(tmp_path: Path) -> None:
    path = tmp_path / "a.lines"
    written(path, {"a": 1}, {"b": 2})
    first = hashlib.sha256(b'{"a": 1').hexdigest()
    second = hashlib.sha256(first.encode() + b'{"b": 2').hexdigest()
    assert path.read_text() == f'{{"a": 1, "checksum": "{first}"}}\n{{"b": 2, "checksum": "{second}"}}\n'


def test_lines_that_were_not_read_are_replaced(path: Path) -> None:
    file = CheckedLines(path)
    assert not file.open()
    file.append({"b": 2})
    file.close()
    assert read(path) == [{"b": 2}]


@pytest.mark.parametrize(
    "torn", [b'{"b"', b"\0" * 5000, b'{"b": 3, "checksum": "' + b"\0" * 64 + b'"}\n', b"\0" * 4096 + b'"}\n']
)
def test_a_torn_line_is_ignored_and_cut_off(path: Path, torn: bytes) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    file = CheckedLines(path)
    assert len(list(file.read(LONGEST, MOST))) == 5
    assert file.open()
    file.append({"c": 3})
    file.close()
    assert path.read_bytes().startswith(whole)
    assert read(path)[5:] == [{"c": 3}]


def found(path: Path) -> tuple[LineError | None, list[dict[str, Any]]]:
    """Return the error that reading a file raises, or its lines."""
    try:
        return None, read(path)
    except LineError as error:
        return error, []


def test_any_byte_that_was_altered_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.lines"
    written(path, *({"number": number} for number in range(3)))
    whole = path.read_bytes()
    starts = [0, *(at + 1 for at, byte in enumerate(whole) if byte == ord("\n"))]
    for at, byte in enumerate(whole):
        for other in (byte ^ 1, 0, ord("\n")):
            changed = whole[:at] + bytes([other]) + whole[at + 1 :]
            path.write_bytes(changed)
            number = sum(start <= at for start in starts)
            last = at >= starts[-2]
            error, lines = found(path)
            if error is not None:
                assert error.number == number
                assert "damaged or was altered" in str(error) or isinstance(error, UncheckedLineError)
            else:
                # Either nothing was changed, or the last line looks as if it had never been finished. It includes the
                # line before it if the end of that is gone.
                joined = at == starts[-2] - 1
                assert changed == whole or (last and len(lines) == 2) or (joined and len(lines) == 1), (at, other)


@pytest.mark.parametrize(
    ("edit", "number"),
    [
        (lambda lines: [lines[0], *lines[2:]], 2),  # one line is missing
        (lambda lines: [*lines[:2], lines[3], lines[2], lines[4]], 3),
        (lambda lines: [*lines[:3], lines[2], *lines[3:]], 4),
        (lambda lines: lines[1:], 1),
        (lambda lines: [*lines[:2], b"\n", *lines[2:]], 3),
        (lambda lines: [*lines[:2], b"\0" * 100 + b"\n", *lines[2:]], 3),
    ],
)
def test_lines_that_were_moved_are_found(path: Path, edit: Any, number: int) -> None:
    path.write_bytes(b"".join(edit(path.read_bytes().splitlines(keepends=True))))
    with pytest.raises(LineError, match=rf"^line {number} is damaged or was altered") as caught:
        read(path)
    assert caught.value.number == number


def test_lines_before_a_damaged_one_can_be_kept(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]))
    assert read(path) == [{"number": number} for number in range(3)]


def forged(path: Path, text: bytes) -> None:
    own = hashlib.sha256(text).hexdigest().encode()
    path.write_bytes(text + b', "checksum": "' + own + b'"}\n')


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"[" * 4000 + b"]" * 4000, "cannot be parsed"),
        (b'{"a": ' + b"[" * 3000 + b"]" * 3000, "cannot be parsed: maximum recursion depth"),
        (b'{"a": ' + b"7" * 101, "a number has 101 digits; at most 100 are allowed"),
        (b'{"a": 0.' + b"7" * 8000, "a number has 8002 digits"),
        (b'{"a": ' + b"7" * LONGEST, rf"has more than {LONGEST} bytes"),
        (b"[1]", "cannot be parsed"),
        (b'{"a": \xff', "cannot be parsed"),
    ],
)
def test_lines_with_the_right_checksum_may_be_hostile(tmp_path: Path, text: bytes, says: str) -> None:
    forged(tmp_path / "a.lines", text)
    with pytest.raises(LineError, match=rf"^line 1 .*{says}"):
        read(tmp_path / "a.lines")


def test_nothing_is_allocated_for_a_claim(tmp_path: Path) -> None:
    """A sparse file of 3 GB is refused at once, in a process that may have 100 MB more than at its start."""
    path = tmp_path / "a.lines"
    for size, most in ((3 << 30, 100 << 20), (3 << 30, 8 << 30)):
        path.write_bytes(b"")
        os.truncate(path, size)
        code = (
            "import resource, sys\n"
            "from pathlib import Path\n"
            "from evensky.io.checked_lines import CheckedLines\n"
            "held = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()\n"
            "resource.setrlimit(resource.RLIMIT_AS, (held + (100 << 20),) * 2)\n"
            "try:\n"
            "    list(CheckedLines(Path(sys.argv[1])).read(1 << 24, int(sys.argv[2])))\n"
            "except Exception as error:\n"
            "    print(error)\n"
        )
        if not Path("/proc/self/statm").exists():
            pytest.skip("the size of this process is not known")
        done = subprocess.run([sys.executable, "-c", code, path, str(most)], capture_output=True, text=True)
        assert done.stderr == ""
        expected = (
            f"has {size} bytes, of which no more than {most} can be" if size > most else "line 1 has more than 16777216"
        )
        assert expected in done.stdout


def test_each_line_is_on_disk_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.lines"
    file = CheckedLines(path)
    file.open()
    file.append({"a": 1})
    assert read(path) == [{"a": 1}]
    file.close()
    file.close()


def test_threads_append_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.lines"
    file = CheckedLines(path)
    file.open()

    def append(first: int) -> None:
        for number in range(first, first + 25):
            file.append({"number": number})

    threads = [threading.Thread(target=append, args=(25 * index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    file.close()
    assert sorted(line["number"] for line in read(path)) == list(range(200))


class Faulty(io.FileIO):
    """A file that fails after some bytes, in one way or another."""

    left = 10**9
    error: BaseException = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    can_cut = True

    def write(self, content: Any) -> int:
        if self.left == 0:
            raise self.error
        piece = bytes(content)[: self.left]
        self.left -= len(piece)
        return super().write(piece)

    def truncate(self, size: int | None = None) -> int:
        if not self.can_cut:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().truncate(size)


def faulty(path: Path, **how: Any) -> CheckedLines:
    """Return a file of two lines whose next writing fails after five bytes."""
    file = CheckedLines(path)
    file.open()
    file.append({"a": 1})
    file.append({"b": 2})
    broken: Any = Faulty(path, "r+")
    broken.left = 5
    for name, value in how.items():
        setattr(broken, name, value)
    file.close()
    file._file = broken
    return file


@pytest.mark.parametrize("can_cut", [True, False])
def test_nothing_follows_a_line_that_could_not_be_written(tmp_path: Path, can_cut: bool) -> None:
    """Otherwise, a piece of a line would stand before the line that another thread appends."""
    path = tmp_path / "a.lines"
    file = faulty(path, can_cut=can_cut)
    with pytest.raises(FitsError, match=r"a\.lines: cannot be written: No space left on device"):
        file.append({"c": 3})
    file._file.left = 10**9  # type: ignore[union-attr] # there is space again
    with pytest.raises(FitsError, match="cannot be written"):
        file.append({"d": 4})
    file.close()
    assert path.read_bytes().endswith(b"\n") == can_cut
    assert read(path) == [{"a": 1}, {"b": 2}]
    written(path, {"e": 5})
    assert read(path) == [{"a": 1}, {"b": 2}, {"e": 5}]


@pytest.mark.parametrize("after", [0, 5, 90])
def test_an_interrupt_leaves_whole_lines_and_others_may_go_on(tmp_path: Path, after: int) -> None:
    path = tmp_path / "a.lines"
    file = faulty(path, error=KeyboardInterrupt(), left=after)
    with pytest.raises(KeyboardInterrupt):
        file.append({"c": "x" * 100})
    file._file.left = 10**9  # type: ignore[union-attr]
    file.append({"d": 4})  # another thread that was at work
    file.close()
    assert read(path) == [{"a": 1}, {"b": 2}, {"d": 4}]


def test_short_writes_are_completed(tmp_path: Path) -> None:
    class Slow(io.FileIO):
        def write(self, content: Any) -> int:
            return super().write(bytes(content)[:7])

    path = tmp_path / "a.lines"
    file = CheckedLines(path)
    file.open()
    file.close()
    slow: Any = Slow(path, "r+")
    file._file = slow
    file.append({"text": "x" * 100})
    file.close()
    assert read(path) == [{"text": "x" * 100}]


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "text").write_text("hello\n")
    (tmp_path / "link").symlink_to("text")
    for name in ("folder", "fifo", "link"):
        with pytest.raises(FitsError, match=f"{name}: cannot be read: it is not a regular file"):
            read(tmp_path / name)
    with pytest.raises(UncheckedLineError, match="line 1 has no checksum") as caught:
        read(tmp_path / "text")
    assert caught.value.text == b"hello\n"
    with pytest.raises(FitsError, match="a: cannot be written: No such file or directory"):
        CheckedLines(tmp_path / "missing" / "a").open()


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious\n")
    (tmp_path / "link").symlink_to(target)
    written_through = CheckedLines(tmp_path / "link")
    written_through.open()
    written_through.append({"a": 1})
    written_through.close()
    assert target.read_text() == "precious\n"
    assert read(tmp_path / "link") == [{"a": 1}]


def test_a_link_that_appears_after_the_reading_is_not_written_through(path: Path, tmp_path: Path) -> None:
    file = CheckedLines(path)
    list(file.read(LONGEST, MOST))
    copy = path.rename(tmp_path / "copy")
    before = copy.read_bytes()
    path.symlink_to(copy)
    with pytest.raises(FitsError, match="cannot be written"):
        file.open()
    assert copy.read_bytes() == before


def test_all_writing_is_within_the_guard(tmp_path: Path) -> None:
    path = tmp_path / "a.lines"
    allowed = True
    entered = 0

    @contextmanager
    def guard() -> Iterator[None]:
        nonlocal entered
        entered += 1
        if not allowed:
            raise FitsError("the lock is lost")
        yield

    file = CheckedLines(path, guard)
    file.open()
    file.append({"a": 1})
    assert entered == 2
    allowed = False
    with pytest.raises(FitsError, match="the lock is lost"):
        file.append({"b": 2})
    with pytest.raises(FitsError, match="the lock is lost"):
        CheckedLines(path, guard).open()
    file.close()
    assert read(path) == [{"a": 1}]


def test_reading_is_as_fast_as_the_disk(tmp_path: Path) -> None:
    """A journal of 5,000 exposures takes seconds at most."""
    path, before, lines = tmp_path / "a.lines", "", []
    for number in range(5000):
        text, before = sealed({"record": {"label": f"exposure {number}", "figures": [0.123456789] * 20}}, before)
        lines.append(text)
    path.write_bytes(b"".join(lines))
    start = time.process_time()
    assert len(list(CheckedLines(path).read(LONGEST, 100 * MOST))) == 5000
    assert time.process_time() - start < 5


def test_the_limit_of_memory_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.lines"
    written(path, *({"text": "x" * 9000} for _ in range(100)))
    file = CheckedLines(path)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sum(len(line["text"]) for line in file.read(LONGEST, MOST)) == 900_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 50_000
