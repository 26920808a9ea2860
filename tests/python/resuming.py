"""Helpers for tests of runs that are resumed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evensky.io.checked_lines import sealed


def digest(path: Path) -> str:
    """Digest a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digests(folder: Path) -> dict[str, str]:
    """Digest the matched exposures in a folder, by their file names."""
    return {path.name: digest(path) for path in sorted(folder.glob("*_matched.fits"))}


def lines_of(journal: Path) -> list[Any]:
    """Return the lines of a journal without their checksums."""
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    for line in lines:
        del line["checksum"]
    return lines


def forged(lines: Sequence[Any]) -> bytes:
    """Return the bytes of a journal with these lines; objects get the right checksums."""
    content, before = b"", ""
    for line in lines:
        if isinstance(line, dict) and line:
            text, before = sealed(line, before)
        else:
            text = json.dumps(line).encode() + b"\n"
        content += text
    return content


@contextmanager
def unreadable(path: Path) -> Iterator[None]:
    """Make a file unreadable for the length of a block, with its size and times unchanged."""
    content, times = path.read_bytes(), path.stat()

    def replace_by(other: bytes) -> None:
        path.write_bytes(other)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    replace_by(bytes(len(content)))
    try:
        yield
    finally:
        replace_by(content)
