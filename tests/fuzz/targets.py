"""Fuzz targets of the Python part: readers of files that may come from anywhere.

Each target takes the bytes of a file. It may raise the package's own errors, whose messages are one line; anything else
is a defect.
"""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from evensky.errors import EvenskyError
from evensky.io import read_exposure
from evensky.io.configuration import make_config
from evensky.math.background_list import read_background_list
from evensky.runs.journal import JOURNAL, Journal
from evensky.tasks import MatchBackgroundsConfig

_FOLDER = Path(tempfile.mkdtemp(prefix="evensky-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except EvenskyError as error:
        message = str(error)
        assert len(message) > 10, message
        assert len(message) < 2000, message[:100]
        assert "\n" not in message, message


def read_fits(data: bytes) -> None:
    """Read a FITS file as an exposure, with planes from other HDUs, and as a list of backgrounds."""
    path = _FOLDER / "fuzzed.fits"
    path.write_bytes(data)
    with _answered():
        exposure = read_exposure(path)
        height, width = exposure.image.array.shape
        assert exposure.mask.array.shape == exposure.variance.array.shape == (height, width)
    with _answered():
        read_exposure(path, mask=2, variance=1, hdu=1)
    with _answered():
        read_background_list(path)


def read_config(data: bytes) -> None:
    """Read a configuration file: TOML if it begins with "#", otherwise YAML."""
    path = _FOLDER / ("fuzzed.toml" if data[:1] == b"#" else "fuzzed.yaml")
    path.write_bytes(data)
    with _answered():
        make_config(MatchBackgroundsConfig, path).validate()
    with _answered():
        make_config(MatchBackgroundsConfig, settings=[data.decode(errors="replace")])


def read_journal(data: bytes) -> None:
    """Read the journal of a run that is resumed."""
    asked = {"version": "1", "config": {"binSize": 256}, "files": [["/a.fits", 1, 2], ["/b.fits", 1, 2]], "number": 2}
    labels = ["a", "b"]
    # As it is, and with the right checksums, without which only the first lines would be looked at.
    for content in (data, _with_checksums(data)):
        (_FOLDER / JOURNAL).write_bytes(content)
        with _answered():
            journal = Journal(_FOLDER, asked, labels, resume=True)
            for label, record in zip(labels, journal.finished(labels, lambda label: None), strict=True):
                assert record is None or record.label == label


def _with_checksums(data: bytes) -> bytes:
    """Replace the last bracket of each line by its checksum."""
    content, before = b"", b""
    for line in data.split(b"\n"):
        text = line.removesuffix(b"}")
        before = hashlib.sha256(before + text).hexdigest().encode()
        content += text + b', "checksum": "' + before + b'"}\n'
    return content


TARGETS: dict[str, Callable[[bytes], None]] = {
    "read_fits": read_fits,
    "read_config": read_config,
    "read_journal": read_journal,
}
