"""The file of a run: all that its report shows, so that the page can be made again without a match.

The first line is the format, the second the SHA-256 digest of all that follows: a line of JSON with the records, and
the pictures as arrays, one after the other in the order in which the JSON names them. Of each array come first the
lowest bytes of all numbers, then the second ones, and so on, which makes it small when all arrays together are
compressed (zlib): pictures have no more digits than their noise is worth, see `evensky.runs.preview.Mosaic`.
"""

from __future__ import annotations

__all__ = ["RUN_FIELDS", "load_run", "save_run"]

import hashlib
import json
import math
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from dacite import Config, DaciteError, from_dict

from .._text import printable, reason_of
from ..combining.target_grid import TargetGrid
from ..errors import FitsError
from ..fits.atomic import Permit, atomic_path
from ..io.checked_lines import parsed
from ..io.coadd_file import Stamp
from ..matching.reference import ReferenceCandidate
from .combine_record import CombineRecord
from .combine_result import CombineRun
from .folder import RUN
from .match_run import MatchRun
from .overlaps import Overlaps
from .record import (
    CoaddPreview,
    ExposureRecord,
    InputSummary,
    OverlapRecord,
    PixelSummary,
    UntiedGroups,
    fields_of_record,
)

RUN_FIELDS = (
    "reference",
    "reference_reason",
    "config",
    "version",
    "started",
    "seconds",
    "unit",
    "notes",
    "truth",
    "method",
    "level",
    "footprint_unit",
)
"""Fields of a run that are written as they are; they are in JSON types."""

_COADD_FIELDS = ("statistic", "unit", "version", "started", "seconds", "notes")
"""Fields of the coadd of a run that are written as they are."""

_FORMAT = b"evensky run 2\n"
_DIGEST = 64
# Types of the arrays, as they are in the file.
_KINDS = {"<f4": np.float32, "<f8": np.float64, "<i4": np.int32, "<i8": np.int64}
# Values in a file must have exactly the declared types.
_STRICT = Config(strict=True)
# Greatest ratio of the sizes before and after compression that zlib reaches.
_MOST_PACKED = 1032
# Longest text of the file in a message.
_SHOWN = 200

_Plain = TypeVar("_Plain", ReferenceCandidate, OverlapRecord, CombineRecord)


class _Arrays:
    """Arrays that are written one after the other, and their descriptions."""

    def __init__(self) -> None:
        self.described: list[list[Any]] = []
        self.planes: list[np.ndarray] = []

    def add(self, array: np.ndarray | None) -> int | None:
        """Add an array; return its number, or None if there is none."""
        if array is None:
            return None
        kind = array.dtype.newbyteorder("<").str
        if kind not in _KINDS:
            raise TypeError(f"an array of a run has dtype {array.dtype}; it must be one of {', '.join(_KINDS)}")
        self.described.append([kind, list(array.shape)])
        self.planes.append(np.ascontiguousarray(array, kind))
        return len(self.planes) - 1

    def packed(self) -> Iterator[bytes]:
        """Yield the compressed content of all arrays, in pieces."""
        # Noise does not repeat: to look for more than runs of one byte takes several times as long for 2 % of the size.
        packer = zlib.compressobj(6, strategy=zlib.Z_RLE)
        for plane in self.planes:
            by_byte = np.ascontiguousarray(plane.reshape(-1, 1).view(np.uint8).T)
            yield packer.compress(by_byte.data)
        yield packer.flush()


def save_run(run: MatchRun, folder: str | Path, permit: Permit | None = None) -> Path:
    """Write all that the report of a run shows; an existing file is replaced.

    Parameters
    ----------
    run : MatchRun
    folder : str or Path
        Folder of the run.
    permit : Permit, optional
        Right to write to the folder, see `evensky.fits.atomic.atomic_path`.

    Returns
    -------
    Path
        The file, ``matched.run``.

    Raises
    ------
    evensky.errors.FitsError
        If the file cannot be written.
    """
    path = Path(folder) / RUN
    arrays = _Arrays()
    content = {
        "run": {name: getattr(run, name) for name in RUN_FIELDS},
        # The outputs are beside the file even if the folder is moved or copied.
        "records": [
            asdict(replace(one, pixels=None, output=None if one.output is None else Path(one.output).name))
            for one in run.records
        ],
        "pictures": [None if one.pixels is None else _described(one.pixels, arrays) for one in run.records],
        "candidates": [asdict(one) for one in run.candidates],
        "inputs": [asdict(one) for one in run.inputs],
        "untied": [asdict(one) for one in run.untied],
        "overlaps": {"unit": run.overlaps.unit, "records": [asdict(one) for one in run.overlaps]},
        "preview": None if run.preview is None else _described(run.preview, arrays),
        "coadd": None if run.coadd is None else _described_coadd(run.coadd, path.parent),
        "arrays": arrays.described,
    }
    text = json.dumps(content, default=_number).encode("ascii") + b"\n"
    digest = hashlib.sha256(text)
    pieces = list(arrays.packed())
    for piece in pieces:
        digest.update(piece)
    with atomic_path(path, overwrite=True, permit=permit) as temporary, temporary.open("wb") as file:
        file.write(_FORMAT + digest.hexdigest().encode("ascii") + b"\n" + text)
        file.writelines(pieces)
    return path


def _described(pictures: PixelSummary | CoaddPreview, arrays: _Arrays) -> dict[str, Any]:
    """Return the fields of pictures, with the numbers of arrays."""
    found = {}
    for field in fields(pictures):
        value = getattr(pictures, field.name)
        # The model is smooth, and therefore smaller in the file than what it has made of the exposure.
        if field.name == "after" and isinstance(pictures, PixelSummary) and _is_sum(pictures):
            value = None
        found[field.name] = arrays.add(value) if isinstance(value, np.ndarray) else value
    return found


def _is_sum(pictures: PixelSummary) -> bool:
    """Return whether the picture after the match follows from that before it and the model, to the last bit."""
    found = pictures.before + pictures.model
    return found.dtype == pictures.after.dtype and np.array_equal(found, pictures.after, equal_nan=True)


def _described_coadd(coadd: CombineRun, folder: Path) -> dict[str, Any]:
    """Return what the page shows of a coadd; its file is named as it is seen from the folder, if it is in it."""
    inside = Path(os.path.abspath(coadd.output)).parent == Path(os.path.abspath(folder))
    return {
        "records": [asdict(one) for one in coadd.records],
        "output": coadd.output.name if inside else os.path.abspath(coadd.output),
        "stamp": list(coadd.stamp),
        "shape": list(coadd.grid.shape),
        **{name: getattr(coadd, name) for name in _COADD_FIELDS},
    }


def _number(value: Any) -> Any:
    """Return a number of numpy as one that JSON has."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a run holds a {type(value).__name__}, which cannot be written")


def load_run(folder: str | Path) -> MatchRun:
    """Read the file of a run.

    Parameters
    ----------
    folder : str or Path
        Folder of the run.

    Returns
    -------
    MatchRun
        As it was written, with outputs in `folder`. The covariance of the models is not among it; of its coadd, there
        are the records, and of the grid of that only the shape.

    Raises
    ------
    evensky.errors.FitsError
        If there is no such file, or it is damaged, was altered, or has another format.
    """
    path = Path(folder) / RUN
    if not os.path.lexists(path):
        raise FitsError(
            f"{folder}: has no {RUN}, from which the report would be made; give the output folder of a match that has "
            "ended and has made a report (a match without one, by report=False or --no-report, leaves no such file)"
        )
    if not path.is_file():
        raise FitsError(f"{path}: is not a regular file, so it is not the file of a run; match the exposures again")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FitsError(f"{path}: cannot be read: {error.strerror or error}") from error
    start = len(_FORMAT) + _DIGEST + 1
    if not content.startswith(_FORMAT):
        found = printable(content[: content.find(b"\n", 0, 40)].decode("ascii", "replace"))
        raise _refused(path, f"begins with {found!r}, not with {_FORMAT.decode().strip()!r}")
    if hashlib.sha256(memoryview(content)[start:]).hexdigest().encode("ascii") + b"\n" != content[start - 65 : start]:
        raise _refused(path, "is damaged or was altered: its digest is not that of its content")
    end = content.find(b"\n", start) + 1
    try:
        return _run_of(parsed(content[start:end]), memoryview(content)[end:], Path(folder))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, IndexError, DaciteError) as error:
        reason = printable(reason_of(error))
        raise _refused(path, f"is not the file of a run of this version ({reason[:_SHOWN]})") from error


def _refused(path: Path, reason: str) -> FitsError:
    return FitsError(f"{path}: {reason}; make the report with the evensky that made the run, or match again")


def _run_of(content: Mapping[str, Any], data: memoryview, folder: Path) -> MatchRun:
    """Return a run from the content of its file."""
    arrays = _arrays_of(content["arrays"], data)
    records = []
    for one, pictures in zip(content["records"], content["pictures"], strict=True):
        record = from_dict(ExposureRecord, fields_of_record(one), _STRICT)
        if record.output is not None:
            record.output = str(folder / Path(record.output).name)
        if pictures is not None:
            planes = _with_arrays(PixelSummary, pictures, arrays)
            if planes["after"] is None:
                planes["after"] = planes["before"] + planes["model"]
            record.pixels = PixelSummary(**planes)
        records.append(record)
    preview, overlaps = content["preview"], content["overlaps"]
    inputs = [{**one, "origin": None if one["origin"] is None else tuple(one["origin"])} for one in content["inputs"]]
    return MatchRun(
        records=records,
        candidates=[_plain(ReferenceCandidate, one) for one in content["candidates"]],
        inputs=[from_dict(InputSummary, one, _STRICT) for one in inputs],
        untied=[from_dict(UntiedGroups, one, _STRICT) for one in content["untied"]],
        overlaps=Overlaps([_plain(OverlapRecord, one) for one in overlaps["records"]], overlaps["unit"]),
        coadd=None if content["coadd"] is None else _coadd_of(content["coadd"], folder),
        preview=None if preview is None else CoaddPreview(**_with_arrays(CoaddPreview, preview, arrays)),
        **{name: content["run"][name] for name in RUN_FIELDS},
    )


def _coadd_of(content: Mapping[str, Any], folder: Path) -> CombineRun:
    """Return the coadd of a run; of its grid, only the shape is known."""
    height, width = content["shape"]
    size, changed = content["stamp"]
    return CombineRun(
        records=[_plain(CombineRecord, one) for one in content["records"]],
        output=folder / content["output"],
        stamp=Stamp(int(size), int(changed)),
        grid=TargetGrid(None, (int(height), int(width)), (), ()),
        **{name: content[name] for name in _COADD_FIELDS},
    )


def _plain(kind: type[_Plain], values: Mapping[str, Any]) -> _Plain:
    return from_dict(kind, values, _STRICT)


def _arrays_of(described: list[list[Any]], data: memoryview) -> list[np.ndarray]:
    """Return the arrays at the end of a file, which must be all of it."""
    sizes = []
    for kind, shape in described:
        if kind not in _KINDS or any(not isinstance(length, int) or length < 0 for length in shape):
            raise ValueError(f"an array of {kind!r} and shape {shape!r}")
        sizes.append(np.dtype(kind).itemsize * math.prod(shape))
    total = sum(sizes)
    if total > _MOST_PACKED * len(data):
        raise ValueError(f"arrays of {total} bytes in {len(data)}")
    unpacker = zlib.decompressobj()
    try:
        found = memoryview(unpacker.decompress(data, total + 1))
    except zlib.error as error:
        raise ValueError(f"arrays that cannot be decompressed: {error}") from error
    if len(found) != total or not unpacker.eof or unpacker.unused_data:
        raise ValueError(f"arrays of {len(found)} bytes, not {total}, or bytes after them")
    arrays, at = [], 0
    for (kind, shape), size in zip(described, sizes, strict=True):
        by_byte = np.frombuffer(found[at : at + size], np.uint8).reshape(np.dtype(kind).itemsize, -1)
        arrays.append(np.ascontiguousarray(by_byte.T).view(kind).reshape(shape).astype(_KINDS[kind], copy=False))
        at += size
    return arrays


def _with_arrays(
    kind: type[PixelSummary] | type[CoaddPreview], values: Mapping[str, Any], arrays: list[np.ndarray]
) -> dict[str, Any]:
    """Return the fields of pictures, with arrays in place of their numbers."""
    names = {field.name for field in fields(kind)}
    if unknown := [name for name in values if name not in names]:
        raise ValueError(f"{unknown[0]!r} is not a field of {kind.__name__}")
    planes = {field.name for field in fields(kind) if "ndarray" in str(field.type)}
    return {name: arrays[value] if name in planes and value is not None else value for name, value in values.items()}
