"""ASDF files with false claims: refused before anything is allocated for them, or opened elsewhere."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import hanging
import numpy as np
import pytest

from evensky.errors import FitsError
from evensky.fits import budgets
from evensky.io.asdf_blocks import largest_array

_nothing_hangs = pytest.fixture(autouse=True)(hanging.alarm)
TREE = b"#ASDF 1.0.0\n#ASDF_STANDARD 1.6.0\n%YAML 1.1\n--- !core/asdf-1.1.0\nroman: {}\n...\n"


def block(content: bytes, *, compression: bytes = b"", used: int | None = None, data: int | None = None) -> bytes:
    size = len(content)
    sizes = struct.pack(">QQQ", size if used is None else used, size, size if data is None else data)
    return b"\xd3BLK" + struct.pack(">H", 48) + bytes(4) + compression.ljust(4, b"\0") + sizes + bytes(16) + content


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (TREE + block(b"x" * 9, used=2**62), "block 0 says that it has 4611686018427387904 bytes, but 9 are left"),
        (TREE + block(b"x" * 9) + block(b"x" * 9)[:-3], "block 1 says that it has 9 bytes, but 6 are left"),
        (TREE + block(b"x" * 9)[:30], "block 0 ends in its header"),
        (
            TREE + block(b"x" * 9, compression=b"zlib", data=2**40),
            r"its blocks unpack to 1099511627776 bytes, in a file of \d+ bytes",
        ),
        (TREE.replace(b"{}", b"9" * 60_000), "its tree holds a number of more than 1000 digits"),
        (TREE.replace(b"{}", b"[" + b"a, " * 2_000_000 + b"]"), "its tree has no end in 4194304 bytes"),
        (TREE + block(b"") * (budgets.MOST_BLOCKS + 1), "has more than 10000 blocks"),
    ],
    ids=["size", "cut", "header", "bomb", "digits", "tree", "blocks"],
)
def test_false_claims(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "a.asdf"
    path.write_bytes(content)
    with pytest.raises(FitsError, match=says):
        largest_array(path)


def test_the_largest_array(tmp_path: Path) -> None:
    path = tmp_path / "a.asdf"
    path.write_bytes(TREE + block(bytes(5000)) + block(zlib.compress(bytes(9000)), compression=b"zlib", data=9000))
    assert largest_array(path) == 9000
    path.write_bytes(TREE)
    assert largest_array(path) == 16 * len(TREE)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"source: 0", b"source: file:///etc/hostname", "an array of it is in another file, 'file:///etc/hostname'"),
        (b"source: 0", b"source: http://127.0.0.1:9/x.asdf", "an array of it is in another file, 'http://"),
        (b"shape: [64, 64]", b"shape: [60000, 60000]", r"says that it has shape \(60000, 60000\), but no array"),
        (b"shape: [64, 64]", b"shape: [60000, 60000]\n    strides: [0, 0]", "but no array of the file is so large"),
        (b"shape: [64, 64]", b"shape: [-64, 64]", "but no array of the file is so large"),
    ],
    ids=["file", "network", "shape", "strides", "negative"],
)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.extras
def test_arrays_that_are_not_there(tmp_path: Path, old: bytes, new: bytes, says: str) -> None:
    asdf = pytest.importorskip("asdf")
    from evensky.io.formats import describe

    path = tmp_path / "a.asdf"
    asdf.AsdfFile({"roman": {"meta": {}, "data": np.ones((64, 64), np.float32)}}).write_to(path)
    assert describe(path).images[0].shape == (64, 64)
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(FitsError, match=says):
        describe(path)
