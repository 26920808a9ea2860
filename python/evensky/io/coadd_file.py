"""Files of combined exposures: written by bands of rows, with a header that tells what was combined."""

from __future__ import annotations

__all__ = ["PLANES", "CoaddMember", "CoaddWriter", "Stamp", "header_of_coadd"]

import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .._bands import row_bands
from .._core import __version__
from .._planes import DEFAULT_PLANES
from ..errors import FitsError, InvalidParameterError
from ..fits.atomic import Permit, atomic_path, check_target, part_name, shortened
from ..fits.cards import BLOCK, header_bytes
from ..fits.checksums import added
from ..fits.headers import kept_cards, wcs_cards, without_wcs
from ..fits.rewriting import with_sums, write_compressed
from ..fits.tile_times import clear_tile_times
from ..fits.writing import name_planes, stand_in, with_cards
from .bands import exposure_time_of

PLANES: Mapping[str, str] = {
    "image": "IMAGE",
    "mask": "MASK",
    "variance": "VARIANCE",
    "number": "NUMBER",
    "rejected": "REJECTED",
    "weight": "WEIGHT",
    "exposure_time": "EXPTIME",
}
"""Names of the extensions of a combination by names of its planes, in the order in which they are in the file."""

_WHOLE = ("mask", "number", "rejected")
_COMMENTS = {
    "number": "exposures that were used, per pixel",
    "rejected": "exposures that were clipped, per pixel",
    "weight": "sum of the weights of the used exposures",
    "exposure_time": "[s] sum of the times of the used exposures",
}
_UNITS = {"exposure_time": "s"}
# Bytes that are converted, added and written at once: few enough for the caches of a processor.
_PIECE = 2**19


class Stamp(NamedTuple):
    """By which a file is known that nobody has changed since it was written."""

    size: int
    """In bytes."""

    changed: int
    """Time of its last change, in nanoseconds."""

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """Return the stamp of a file; raise OSError if there is none."""
        found = os.stat(path)
        return cls(found.st_size, found.st_mtime_ns)


@dataclass
class _Plane:
    """A plane of the file: where its header and its pixels are, and the checksums of rows that were written."""

    name: str
    dtype: np.dtype[Any]
    cards: list[bytes]
    header_at: int
    data_at: int
    row_size: int
    height: int
    sums: dict[tuple[int, int], int] = field(default_factory=dict)

    def note(self, first: int, stop: int, total: int) -> None:
        """Note the checksum of rows; earlier ones of the same rows no longer hold."""
        for rows in [rows for rows in self.sums if rows[0] < stop and rows[1] > first]:
            del self.sums[rows]
        self.sums[first, stop] = total

    def unknown(self) -> Iterator[tuple[int, int]]:
        """Iterate over the ranges of rows without a checksum."""
        row = 0
        for first, stop in sorted(self.sums):
            if row < first:
                yield row, first
            row = stop
        if row < self.height:
            yield row, self.height


class CoaddWriter:
    """A file of combined exposures that is written band by band, in any order.

    The layout is that of our other files, so that `evensky.io.read_exposure` reads it: a primary header, then the
    extensions IMAGE, MASK and VARIANCE, and those of further planes. The file appears whole or not at all.

    Parameters
    ----------
    path : str or Path
    shape : (height, width)
    planes : sequence of str
        Names of the planes, of `PLANES`; the image must be one of them.
    header : astropy.io.fits.Header, optional
        See `header_of_coadd`. Its cards go to the primary header, those of its WCS to every plane.
    mask_planes : mapping of str to int, optional
        Numbers of the planes of the mask by name.
    overwrite : bool, optional
        Replace an existing file.
    permit : Permit, optional
        Right to write to the folder, see `evensky.fits.atomic.atomic_path`.
    partial : bool, optional
        Whether an unfinished file stays when writing is stopped with `close`, or the process is killed. The next writer
        of the same file with the same header continues it; which rows it has is not kept.
    compress : bool, optional
        Compress row by row, without loss.
    dtype : numpy dtype, optional
        float32 or float64 for the image.
    wcs : astropy.wcs.WCS, optional
        That of the pixels, counted from 0; by default that of the header.
    x0, y0 : int, optional
        Pixel origin.

    Attributes
    ----------
    path : Path
    continued : bool
        Whether an unfinished file was found, and is continued.

    Raises
    ------
    evensky.errors.FitsError
        If the file cannot be written, or exists and `overwrite` is false.
    evensky.errors.InvalidParameterError
        For planes that are unknown, or that lack the image.
    """

    def __init__(
        self,
        path: str | Path,
        shape: tuple[int, int],
        planes: Sequence[str] = ("image", "variance", "mask"),
        *,
        header: Any = None,
        mask_planes: Mapping[str, int] | None = None,
        overwrite: bool = False,
        permit: Permit | None = None,
        partial: bool = False,
        compress: bool = False,
        dtype: Any = np.float32,
        wcs: Any = None,
        x0: int = 0,
        y0: int = 0,
    ) -> None:
        unknown = [name for name in planes if name not in PLANES]
        if unknown or "image" not in planes or len(set(planes)) != len(planes):
            raise InvalidParameterError(
                f"planes are {', '.join(map(repr, planes)) or 'none'}; they must be 'image' and any of "
                f"{', '.join(list(PLANES)[1:])}, each once"
            )
        self.path = Path(path)
        self.shape = shape
        self._overwrite, self._permit, self._compress = overwrite, permit, compress
        check_target(self.path, overwrite=overwrite)
        names = [name for name in PLANES if name in planes]
        types = {name: np.dtype(np.int32 if name in _WHOLE else np.float32) for name in names}
        types["image"] = np.dtype(dtype)
        self._primary, headers = _headers(shape, types, header, mask_planes, wcs, (x0, y0))
        self._planes: dict[str, _Plane] = {}
        at = len(header_bytes(self._primary))
        for name in names:
            row_size = shape[1] * types[name].itemsize
            start = at + len(header_bytes(headers[name]))
            self._planes[name] = _Plane(name, types[name], headers[name], at, start, row_size, shape[0])
            at = start + shape[0] * row_size
            at += -at % BLOCK
        self._size = at
        self._buffer = np.empty(max(_PIECE, *(plane.row_size for plane in self._planes.values())), np.uint8)
        self.continued = False
        self._handle: int | None = None
        self._work = self._opened(partial)

    # ---- the unfinished file ----

    def _opened(self, partial: bool) -> Path:
        """Open the unfinished file, and write the headers if it is new."""
        try:
            if partial:
                work = self.path.with_name(f".{shortened(self.path.name)}.evensky-unfinished")
                # A link in its place could lead anywhere.
                self._handle = os.open(work, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
                self.continued = self._is_the_same()
            else:
                self._handle, name = tempfile.mkstemp(
                    prefix=part_name(self.path, self._permit), suffix=".tmp", dir=self.path.parent
                )
                work = Path(name)
            if not self.continued:
                os.ftruncate(self._handle, 0)
                os.ftruncate(self._handle, self._size)
                for at, content in self._header_places():
                    self._put(content, at)
        except OSError as error:
            if self._handle is not None:
                os.close(self._handle)
            raise self._unwritable(error) from error
        return work

    def _header_places(self) -> list[tuple[int, bytes]]:
        return [
            (0, header_bytes(self._primary)),
            *((plane.header_at, header_bytes(plane.cards)) for plane in self._planes.values()),
        ]

    def _is_the_same(self) -> bool:
        """Return whether the open file is an unfinished one with the same headers."""
        assert self._handle is not None
        if os.fstat(self._handle).st_size != self._size:
            return False
        return all(os.pread(self._handle, len(content), at) == content for at, content in self._header_places())

    def _put(self, content: bytes | memoryview, at: int) -> None:
        assert self._handle is not None
        left = memoryview(content)
        while left:
            number = os.pwrite(self._handle, left, at)
            left, at = left[number:], at + number

    def _unwritable(self, error: OSError) -> FitsError:
        return FitsError(f"{self.path}: cannot be written: {error.strerror or error}")

    # ---- writing ----

    def write(self, first_row: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Write a band of rows of all planes.

        Parameters
        ----------
        first_row : int
            Row of the first pixels, counted from 0.
        arrays : mapping of str to ndarray, shape (number of rows, width)
            Pixels by name of the plane; others than those of the file are left out.

        Raises
        ------
        evensky.errors.FitsError
            If the disk is full, or the file was finished.
        evensky.errors.InvalidParameterError
            If a plane is missing, or rows are not inside the image.
        """
        if self._handle is None:
            raise FitsError(f"{self.path}: was finished or given up; rows are written before that")
        if missing := [name for name in self._planes if arrays.get(name) is None]:
            raise InvalidParameterError(f"{', '.join(missing)}: no pixels are given for rows from {first_row} on")
        height, width = self.shape
        for name, plane in self._planes.items():
            array = np.asarray(arrays[name])
            if array.ndim != 2 or array.shape[1] != width or not 0 <= first_row <= height - len(array):
                raise InvalidParameterError(
                    f"{name} of shape {array.shape} is written from row {first_row} on; rows of {width} pixels within "
                    f"0 to {height} are needed"
                )
            try:
                self._write_plane(plane, first_row, array)
            except OSError as error:
                raise self._unwritable(error) from error

    def _write_plane(self, plane: _Plane, first_row: int, array: np.ndarray) -> None:
        """Write rows of a plane, and add their words to its checksum while they are at hand."""
        total = 0
        for rows in row_bands(len(array), plane.row_size, _PIECE):
            native = np.ascontiguousarray(array[rows], plane.dtype)
            # The order of the words of a number does not matter for their sum.
            total += int(native.view(np.uint32).sum(dtype=np.uint64))
            stored = self._buffer[: native.nbytes].view(plane.dtype.newbyteorder(">")).reshape(native.shape)
            stored[...] = native
            self._put(stored.data.cast("B"), plane.data_at + (first_row + rows.start) * plane.row_size)
        plane.note(first_row, first_row + len(array), total)

    def sync(self) -> None:
        """Wait until all rows that were written are on disk.

        Raises
        ------
        evensky.errors.FitsError
            If they cannot be written.
        """
        if self._handle is None:
            return
        try:
            os.fsync(self._handle)
        except OSError as error:
            raise self._unwritable(error) from error

    def finish(self) -> Stamp:
        """Write the checksums, and give the file its name.

        Returns
        -------
        Stamp
            That of the file.

        Raises
        ------
        evensky.errors.FitsError
            If the file cannot be written, or the permission is lost.
        """
        if self._handle is None:
            raise FitsError(f"{self.path}: was finished or given up already")
        with atomic_path(self.path, overwrite=self._overwrite, permit=self._permit) as temporary:
            if self._compress:
                self._write_compressed(temporary)
            else:
                for plane in self._planes.values():
                    cards = with_sums(plane.cards, added(self._rest(plane), sum(plane.sums.values())))
                    self._put(header_bytes(cards), plane.header_at)
                self._put(header_bytes(with_sums(self._primary, 0)), 0)
                os.replace(self._work, temporary)
            stamp = Stamp.of(temporary)
        self.discard()
        return stamp

    def _rest(self, plane: _Plane) -> Iterator[bytes]:
        """Iterate over the bytes of rows that an earlier run has written, or nobody, in pieces of whole words."""
        assert self._handle is not None
        for first, stop in plane.unknown():
            for at in range(first * plane.row_size, stop * plane.row_size, _PIECE):
                size = min(_PIECE, stop * plane.row_size - at)
                yield os.pread(self._handle, size, plane.data_at + at)

    def _write_compressed(self, path: Path) -> None:
        with path.open("wb") as out:
            out.write(header_bytes(with_sums(self._primary, 0)))
            for plane in self._planes.values():
                write_compressed(out, plane.cards, _Rows(self._work, plane, self.shape), path.parent)
        with path.open("r+b") as file:
            clear_tile_times(file)

    def close(self) -> None:
        """Stop writing; an unfinished file that may be continued stays."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def discard(self) -> None:
        """Stop writing, and remove the unfinished file."""
        self.close()
        # A file that cannot be removed takes only room.
        with suppress(OSError):
            self._work.unlink(missing_ok=True)


class _Rows:
    """Rows of a plane in the unfinished file, in native byte order."""

    def __init__(self, path: Path, plane: _Plane, shape: tuple[int, int]) -> None:
        self._pixels = np.memmap(path, plane.dtype.newbyteorder(">"), "r", plane.data_at, shape)
        self.shape, self.dtype = shape, plane.dtype

    def __getitem__(self, rows: Any) -> np.ndarray:
        native: np.ndarray = self._pixels[rows].astype(self.dtype)
        return native


def _headers(
    shape: tuple[int, int],
    types: Mapping[str, np.dtype[Any]],
    header: Any,
    mask_planes: Mapping[str, int] | None,
    wcs: Any,
    origin: tuple[int, int],
) -> tuple[list[bytes], dict[str, list[bytes]]]:
    """Return the cards of the primary header and of each plane, with room for the checksums."""
    from astropy.io import fits

    kept = kept_cards(header)
    primary = fits.PrimaryHDU()
    primary.header.set("EXTEND", True, after="NAXIS")
    for card in without_wcs(kept):
        primary.header.append(card, end=True)
    _make_room_for_sums(primary.header)
    # The planes differ in a few cards, and astropy takes a millisecond to make and to check a header.
    whole = fits.ImageHDU(stand_in(np.broadcast_to(np.zeros((), types["image"]), shape)), name=PLANES["image"])
    with_cards(whole, wcs_cards(kept, wcs), PLANES["image"], *origin)
    common = _texts(whole.header.cards)
    comment = whole.header.comments["EXTNAME"]
    made: dict[str, list[bytes]] = {}
    for name, dtype in types.items():
        own, more = fits.Header(), fits.Header()
        own["BITPIX"] = (fits.hdu.image.DTYPE2BITPIX[dtype.name], whole.header.comments["BITPIX"])
        own["EXTNAME"] = (PLANES[name], _COMMENTS.get(name, comment))
        own["EXTTYPE"] = PLANES[name]
        if name == "mask":
            name_planes(more, DEFAULT_PLANES if mask_planes is None else mask_planes)
        if name in _COMMENTS:
            own["INHERIT"] = False  # the unit of the image is in the primary header
            if name in _UNITS:
                more["BUNIT"] = _UNITS[name]
        for card in more.cards:
            card.verify("silentfix")
        _make_room_for_sums(more)
        changed = {card.keyword.encode("ascii"): text for card, text in zip(own.cards, _texts(own.cards), strict=True)}
        cards = [changed.get(text[:8].rstrip(), text) for text in common]
        made[name] = [*cards, *_texts(more.cards)]
    return _texts(primary.header.cards), made


def _make_room_for_sums(header: Any) -> None:
    header["CHECKSUM"], header["DATASUM"] = "0" * 16, "0"


def _texts(cards: Iterable[Any]) -> list[bytes]:
    """Return cards as they stand in a file; long ones take several."""
    text = "".join(card.image for card in cards).encode("ascii")
    return [text[at : at + 80] for at in range(0, len(text), 80)]


# ---- header ----


@dataclass(frozen=True)
class CoaddMember:
    """What the header of a combination needs of one exposure.

    Attributes
    ----------
    label : str
        Name of the exposure.
    cards : mapping of str to value
        Cards of its header, such as those of `evensky.fits.bands.CARDS`.
    unit, filter, instrument : str
        "" if unknown.
    exposure_time : float or None
        In seconds; by default that of the cards.
    """

    label: str
    cards: Mapping[str, Any] = field(default_factory=dict)
    unit: str = ""
    filter: str = ""
    instrument: str = ""
    exposure_time: float | None = None


# Cards that the combination has if all exposures have them with the same value.
_SAME = {
    "OBJECT": "",
    "TELESCOP": "telescope",
    "INSTRUME": "instrument",
    "DETECTOR": "detector",
    "FILTER": "filter",
    "OBSERVER": "observer",
}
# Input files that are listed by name.
_MOST_LISTED = 999


def header_of_coadd(
    members: Sequence[CoaddMember],
    *,
    statistic: str,
    unit: str | None = None,
    wcs: Any = None,
    cards: Mapping[str, Any] | None = None,
    history: Iterable[str] = (),
) -> Any:
    """Make the header of a combination of exposures.

    NCOMBINE is their number, and IMCMB001 and so on name them. EXPTIME is their mean exposure time, which belongs to
    pixels that are a mean or median of counts; TEXPTIME is the sum. DATE-BEG, DATE-END, MJD-BEG and MJD-END tell when
    the first began and the last ended. Times are left out unless all exposures have them; object, telescope,
    instrument, detector, filter and observer unless they are the same for all.

    Parameters
    ----------
    members : sequence of CoaddMember
        The exposures that were used.
    statistic : str
        "mean", "median" or "meanclip".
    unit : str, optional
        Unit of the pixels; by default that of the exposures, if all have the same.
    wcs : astropy.wcs.WCS, optional
        That of the pixels of the combination, counted from 0.
    cards : mapping, optional
        Further cards, such as the parameters of combining: keyword to value, or to a pair of value and comment.
    history : iterable of str, optional
        Lines to add as HISTORY cards.

    Returns
    -------
    astropy.io.fits.Header

    Examples
    --------
    >>> members = [CoaddMember("a", {"EXPTIME": 30.0, "MJD-OBS": 60000.0}), CoaddMember("b", {"EXPTIME": 60.0})]
    >>> header = header_of_coadd(members, statistic="median", unit="adu")
    >>> header["NCOMBINE"], header["EXPTIME"], header["TEXPTIME"], "MJD-BEG" in header
    (2, 45.0, 90.0, False)
    """
    from astropy.io import fits

    if not members:
        raise InvalidParameterError("There are 0 exposures; a combination has at least 1")
    header = fits.Header()

    def put(keyword: str, value: Any, comment: str | None = None) -> None:
        if isinstance(value, float) and not math.isfinite(value):
            value = None  # FITS has no such numbers
        header[keyword] = (_printable(value), comment)

    for keyword, comment in _SAME.items():
        values = [_same_of(member, keyword) for member in members]
        if values[0] and all(value == values[0] for value in values):
            put(keyword, values[0], comment or None)
    units = {member.unit for member in members}
    if unit is None and len(units) == 1:
        unit = units.pop()
    if unit:
        put("BUNIT", unit, "unit of the pixels")
    put("NCOMBINE", len(members), "number of combined exposures")
    times = [exposure_time_of(one.cards) if one.exposure_time is None else one.exposure_time for one in members]
    known = [time for time in times if time is not None]
    if len(known) == len(members):
        put("EXPTIME", math.fsum(known) / len(known), "[s] mean exposure time of the exposures")
        put("TEXPTIME", math.fsum(known), "[s] sum of the exposure times")
    for keyword, value, comment in _span(members, times):
        put(keyword, value, comment)
    put("EVS_VER", __version__, "version of evensky")
    put("EVS_COMB", statistic, "statistic of the combined exposures")
    for keyword, given in (cards or {}).items():
        put(keyword, *given) if isinstance(given, tuple) else put(keyword, given)
    if len(members) <= _MOST_LISTED:
        for number, member in enumerate(members, 1):
            put(f"IMCMB{number:03}", member.label)
    if wcs is not None:
        for card in wcs.to_header(relax=True).cards:
            # Those of one exposure, which the WCS may have kept, are not those of the combination.
            if not card.keyword.startswith(("DATE", "MJD-")) and card.keyword not in ("TIMESYS", "EXPTIME"):
                header.append(card, end=True)
    for line in history:
        header.add_history(_printable(line))
    return header


def _printable(value: Any) -> Any:
    """Return a value whose letters FITS allows."""
    if not isinstance(value, str):
        return value
    return "".join(letter if " " <= letter <= "~" else "?" for letter in value)


def _same_of(member: CoaddMember, keyword: str) -> Any:
    """Return what an exposure says of itself, as a text."""
    described = {"FILTER": member.filter, "INSTRUME": member.instrument}.get(keyword, "")
    value = described or member.cards.get(keyword, "")
    return str(value).strip()


def _span(members: Sequence[CoaddMember], times: Sequence[float | None]) -> list[tuple[str, Any, str]]:
    """Return the cards that tell when the first exposure began and the last one ended; none if one does not tell it."""
    from astropy.time import Time

    systems = {str(member.cards.get("TIMESYS", "UTC")).strip().lower() for member in members}
    if len(systems) > 1 or (system := systems.pop()) not in Time.SCALES:
        return []
    begins = [_moment(member.cards, ("MJD-BEG", "MJD-OBS"), ("DATE-BEG", "DATE-OBS"), system) for member in members]
    ends = [
        _moment(member.cards, ("MJD-END",), ("DATE-END",), system)
        or (begin + time / 86400.0 if begin is not None and time is not None else None)
        for member, begin, time in zip(members, begins, times, strict=True)
    ]
    cards: list[tuple[str, Any, str]] = []
    for name, found, choose, what in (
        ("BEG", begins, min, "beginning of the first exposure"),
        ("END", ends, max, "end of the last exposure"),
    ):
        known = [moment for moment in found if moment is not None]
        if len(known) < len(members):
            continue
        chosen = choose(known)
        cards += [
            (f"DATE-{name}", Time(chosen, format="mjd", scale=system).isot, what),
            (f"MJD-{name}", chosen, f"[d] {what}"),
        ]
    return [("TIMESYS", system.upper(), "time scale"), *cards] if cards else []


def _moment(cards: Mapping[str, Any], days: Sequence[str], dates: Sequence[str], system: str) -> float | None:
    """Return a time that cards give as a modified Julian date; None if they give none."""
    from astropy.time import Time

    for keyword in days:
        value = cards.get(keyword)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0:
            return float(value)
    for keyword in dates:
        text = str(cards.get(keyword, "")).strip()
        if keyword == "DATE-OBS" and "T" not in text and (clock := str(cards.get("TIME-OBS", "")).strip()):
            text = f"{text}T{clock}"
        if "T" not in text:  # a date alone does not tell when an exposure began
            continue
        try:
            return float(Time(text, format="isot", scale=system).mjd)
        except ValueError:  # not a date
            continue
    return None
