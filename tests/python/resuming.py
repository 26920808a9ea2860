"""Helpers for tests of runs that are resumed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def digest(path: Path) -> str:
    """Digest a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digests(folder: Path) -> dict[str, str]:
    """Digest the matched exposures in a folder, by their file names."""
    return {path.name: digest(path) for path in sorted(folder.glob("*_matched.fits"))}


@contextmanager
def unreadable(path: Path) -> Iterator[None]:
    """Make a file unreadable during a block, with the same size and time stamps."""
    content, times = path.read_bytes(), path.stat()

    def replace_by(other: bytes) -> None:
        path.write_bytes(other)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    replace_by(bytes(len(content)))
    try:
        yield
    finally:
        replace_by(content)
