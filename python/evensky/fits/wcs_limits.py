"""WCS cards that are not given to wcslib: it trusts them, and runs out of memory, hangs or crashes on false ones."""

from __future__ import annotations

__all__ = ["made_wcs", "plain_wcs", "wcs_fault"]

import copy
import math
import re
from collections import defaultdict
from functools import lru_cache
from typing import Any

from ..errors import FitsError
from .budgets import MOST_PIXELS_OF_TABLE, MOST_SIP_ORDER, MOST_WCS_AXES
from .plain_headers import PlainHeader

_AXES = re.compile(r"NAXIS|WCSAXES[A-Z]?")
_ORDER = re.compile(r"(A|B|AP|BP)_ORDER")
_TYPE = re.compile(r"CTYPE\d+[A-Z]?")
_SKY = ("CTYPE1", "CTYPE2")
# Kinds of distortions by lookup tables: the card that says so, the record of its numbers, and the tables.
_DISTORTION = re.compile(r"(CPDIS|D2IMDIS|CQDIS|DP|D2IM|DQ|AXISCORR)(\d*)(?:\.(.*))?")
_TABLES = {"DP": ("CPDIS", "WCSDVARR"), "D2IM": ("D2IMDIS", "D2IMARR")}
_RECORD = {"EXTVER", "NAXES", "AXIS.1", "AXIS.2"}
# Cards of these names without a field, such as DQ = 3, have another meaning, and none for wcslib.
_RECORDS = ("DP", "DQ", "D2IM")
# Coefficients of photographic plates; wcslib has memory for the first 13, and headers have zeros for the others.
_PLATE = re.compile(r"AMD[XY](\d+)")
_PLATE_TERMS, _PLATE_CARDS = 13, 20
# Cards without which no WCS is made if they hold anything but a number.
_SURELY_NUMBERS = re.compile(r"PPO\d+|CNPIX\d+|[XY]PIXELSZ|PLT(RA[HMS]|DEC[DMS]|SCALE)|(C[PQ]|D2IM)ERR\d+")
_MOST_FALSE, _MOST_OLD = 8, 16
# Cards with numbers. wcslib leaves out those whose value is no number, but crashes if there are more than about forty.
_NUMBERS = re.compile(
    r"(CRVAL|CRPIX|CDELT|CROTA|CRDER|CSYER|CZPHS|CPERI|C[PQ]ERR|PPO|AMD[XY]|CNPIX|PROJP)\d+[A-Z]?|"
    r"(CD|PC|PV)\d+_\d+[A-Z]?|(CD|PC)\d{6}|[XY]PIXELSZ|PLT(RA[HMS]|DEC[DMS]|SCALE)|"
    r"(EQUINOX|LONPOLE|LATPOLE|RESTFRQ|RESTWAV|VELOSYS|VELANGL|ZSOURCE|VSOURCE)[A-Z]?|EPOCH|RESTFREQ|VELREF|"
    r"OBSGEO-[XYZLBH]|MJD.*|JD.*|[BJ]EPOCH|TSTART|TSTOP|TELAPSE|XPOSURE|TIM(EDEL|EPIXR|SYER|RDER|EOFFS)|(A|B|AP|BP)_(DMAX|\d+_\d+)|"
    r"\d+[A-Z]+\w*|T[A-Z]+\d+(_\d+)?[A-Z]?"
)
# Cards with text among those of the last two forms, which are those of tables.
_TEXT = re.compile(r"\d*T?(CTY|CTYP|CUN|CUNI|CNA|CNAM)\d\w*|\d*T?P?S\d+_\w*|T(TYPE|FORM|UNIT|DISP|DIM)\d+")
# Forms that the standard has replaced. wcslib may refuse each of them, with the same effect.
_OLD_FORMS = re.compile(r"(CD|PC)\d{6}|(CD|PC)\d\d_\d\d|PROJP\d+|RADECSYS|VSOURCE[A-Z]?")


def _without_false_numbers(header: Any) -> Any:
    """Return a header without the WCS cards that need a number and have none, which are of no effect."""
    from astropy.io import fits

    def is_false(card: Any) -> bool:
        if card.keyword == "PLTDECSN":
            return not isinstance(_value(card), str)
        if not _NUMBERS.fullmatch(card.keyword) or _TEXT.fullmatch(card.keyword):
            return False
        return _number(_value(card)) is None

    false = [card for card in header.cards if is_false(card)]
    if len(false) <= _MOST_FALSE:
        return header
    left_out = {id(card) for card in false}
    return fits.Header([card for card in header.cards if id(card) not in left_out])


def made_wcs(header: Any, hdus: Any = None) -> Any:
    """Make the WCS of a header, as `astropy.wcs.WCS` does; a celestial one of more than two axes loses the others.

    Parameters
    ----------
    header : astropy.io.fits.Header
    hdus : astropy.io.fits.HDUList, optional
        The file of the header, in which the lookup tables of distortions are.

    Raises
    ------
    evensky.errors.FitsError
        If the cards exceed a limit or contradict each other; the message is the reason, without the name of the file.
    MemoryError
        If there is not enough memory.
    """
    from astropy.wcs import WCS

    if fault := wcs_fault(header, hdus):
        raise FitsError(fault)
    try:
        wcs = WCS(_without_false_numbers(header), fobj=hdus)
        # Axes of length 1 are squeezed from the pixels, and so from the WCS.
        return wcs.celestial if wcs.naxis > 2 and wcs.has_celestial else wcs
    except Exception as error:  # astropy and wcslib raise many kinds of exceptions on broken cards
        # A lack of memory is no property of the header. wcslib's code for it also stands for records that lack.
        if isinstance(error, MemoryError) and "not set" not in str(error):
            raise
        raise FitsError(_reason(error)) from error


def plain_wcs(header: PlainHeader) -> Any:
    """Make the WCS of a header whose file has nothing but plain images; it needs nothing of other HDUs.

    Parameters
    ----------
    header : PlainHeader

    Raises
    ------
    evensky.errors.FitsError, MemoryError
        See `made_wcs`.
    """
    return copy.deepcopy(_wcs_of_cards(header.joined))


@lru_cache(maxsize=64)  # the exposures of a set often have one WCS, and it takes 4 ms to make
def _wcs_of_cards(cards: bytes) -> Any:
    from astropy.io import fits

    return made_wcs(fits.Header.fromstring(cards))


def _reason(error: Exception) -> str:
    """Return what astropy says, without the places in the source of wcslib."""
    if isinstance(error, TypeError | AttributeError | KeyError | IndexError):
        return "its cards contradict each other"
    text = re.sub(r"ERROR \d+ in \w+\(\) at line \d+ of file [^:]*:", " ", str(error))
    return " ".join(text.split()).rstrip(".")[:160] or type(error).__name__


def _value(card: Any) -> Any:
    """Return the value of a card; None if it has none, or one that cannot be parsed."""
    try:
        value = card.value
    except MemoryError:  # no property of the card
        raise
    except Exception:  # astropy raises many kinds of exceptions for broken cards
        return None
    return value if isinstance(value, str | bool | int | float) else None


def _number(value: Any) -> float | None:
    """Return a value as a number; None if it is none, which includes logical values."""
    return None if isinstance(value, bool) or not isinstance(value, int | float) else float(value)


def wcs_fault(header: Any, hdus: Any = None) -> str | None:
    """Return why the WCS cards of a header are not used; None if they can be.

    Parameters
    ----------
    header : astropy.io.fits.Header
    hdus : astropy.io.fits.HDUList, optional
        The file of the header.

    Returns
    -------
    str or None
        A card with its value, and what is allowed.
    """
    records: dict[tuple[str, str], list[tuple[str, Any]]] = defaultdict(list)
    old = 0
    for card in header.cards:
        keyword = card.keyword
        if _AXES.fullmatch(keyword):
            number = _number(_value(card))
            if number is not None and not number <= MOST_WCS_AXES:
                return f"{keyword} = {_value(card):g}; a WCS of up to {MOST_WCS_AXES} axes is read"
        elif _ORDER.fullmatch(keyword):
            number = _number(_value(card))
            if number is None or not 0 <= number <= MOST_SIP_ORDER:
                return f"{keyword} = {_value(card)!r}; the order of a distortion is a number from 0 to {MOST_SIP_ORDER}"
        elif _TYPE.fullmatch(keyword) and str(_value(card)).upper().rstrip().endswith("-TAB"):
            tables = "of coordinates in tables, those of axes 1 and 2 are read"
            if fault := _fault_of_coordinates(header, hdus) if keyword in _SKY else tables:
                return f"{keyword} = {_value(card)!r}; {fault}"
        elif found := _PLATE.fullmatch(keyword):
            term = int(found[1])
            number = _number(_value(card))
            if number is None or not 1 <= term <= _PLATE_CARDS or (term > _PLATE_TERMS and number != 0):
                return f"{keyword} = {_value(card)!r}; plates have {_PLATE_TERMS} numbers along each axis"
        elif _SURELY_NUMBERS.fullmatch(keyword):
            if _number(_value(card)) is None:
                return f"{keyword} = {_value(card)!r}; a number is needed"
        elif _OLD_FORMS.fullmatch(keyword):
            old += 1
            if old > _MOST_OLD:
                return f"{keyword} = {_value(card)!r}; up to {_MOST_OLD} cards of the old forms of a WCS are read"
        elif (found := _DISTORTION.fullmatch(keyword)) and (found[3] or found[1] not in _RECORDS):
            records[found[1], found[2]].append((found[3] or "", _value(card)))
    return _fault_of_tables(records, hdus) if records else None


def _fault_of_tables(records: dict[tuple[str, str], list[tuple[str, Any]]], hdus: Any) -> str | None:
    """Return what is wrong with the cards of lookup tables."""
    kinds = {card: (record, tables) for record, (card, tables) in _TABLES.items()}
    for (name, axis), values in records.items():
        shown = f"{name}{axis}"
        if name in kinds:
            if str(values[0][1]).strip().upper() != "LOOKUP" or len(values) != 1 or axis not in ("1", "2"):
                return f"{shown} = {values[0][1]!r}; of the distortions, those by lookup tables on two axes are read"
            if (kinds[name][0], axis) not in records:
                return f"there is no {kinds[name][0]}{axis} card for {shown}"
        elif name == "AXISCORR":  # the older form of D2IMDIS, with a table of one axis
            if _number(values[0][1]) not in (1, 2) or len(values) != 1:
                return f"{shown} = {values[0][1]!r}; it must be 1 or 2"
            if fault := _fault_of_table(hdus, "D2IMARR", 1, shown):
                return fault
        elif name in _TABLES:
            found = {key: _number(value) for key, value in values}
            if set(found) != _RECORD or len(values) != len(_RECORD) or axis not in ("1", "2"):
                keys = ", ".join(sorted(key or "a value" for key, _ in values)[:8])
                return f"{shown} holds {keys}; a lookup table has {', '.join(sorted(_RECORD))} on axes 1 and 2"
            if (found["NAXES"], found["AXIS.1"], found["AXIS.2"]) != (2, 1, 2):
                return f"{shown}: a lookup table needs NAXES = 2, AXIS.1 = 1 and AXIS.2 = 2"
            if (_TABLES[name][0], axis) not in records:
                return f"there is no {_TABLES[name][0]}{axis} card for {shown}"
            if fault := _fault_of_table(hdus, _TABLES[name][1], found["EXTVER"], shown):
                return fault
        else:
            return f"{shown} = {values[0][1]!r}; of the distortions, those by lookup tables are read"
    return None


def _fault_of_coordinates(header: Any, hdus: Any) -> str | None:
    """Return what is wrong with the table of coordinates of a WCS whose axes are both of type -TAB."""
    cards: dict[str, list[Any]] = defaultdict(list)
    for card in header.cards:
        if re.fullmatch(r"P[SV][12]_\d+|CTYPE[12]", card.keyword):
            cards[card.keyword].append(_value(card))
    if any(len(values) > 1 for values in cards.values()) or not all(
        str(cards.get(keyword, [""])[0]).upper().rstrip().endswith("-TAB") for keyword in _SKY
    ):
        return "both axes must have coordinates in a table, and each of their cards once"
    given = {keyword: values[0] for keyword, values in cards.items() if not keyword.startswith("CTYPE")}
    names = {(given.pop(f"PS{axis}_0", None), given.pop(f"PS{axis}_1", None)) for axis in (1, 2)}
    order = sorted(_number(given.pop(f"PV{axis}_3", 1)) or 0 for axis in (1, 2))
    others = [given.pop(f"PV{axis}_{number}", 1) for axis in (1, 2) for number in (1, 2)]
    if len(names) != 1 or order != [1, 2] or any(_number(one) != 1 for one in others) or given:
        return "one table with coordinates of two axes, PVi_3 = 1 and 2, is read"
    table, column = next(iter(names))
    if not isinstance(table, str) or not isinstance(column, str):
        return "PSi_0 and PSi_1 must name a table and a column"
    return _fault_of_column(hdus, table.strip(), column.strip())


def _fault_of_column(hdus: Any, name: str, column: str) -> str | None:
    """Return what is wrong with a table of coordinates: it has one row, with a grid of pairs of float64."""
    hdu = next((one for one in hdus or () if one.name == name.upper()), None)
    if hdu is None or not hasattr(hdu, "columns") or hasattr(hdu, "_bintable"):
        return f"the file has no table {name!r}"
    try:
        dtype = hdu.columns.dtype[column]
        rows = int(hdu.header["NAXIS2"])
    except MemoryError:
        raise
    except Exception:  # astropy raises many kinds of exceptions on broken tables
        return f"the table {name!r} has no column {column!r}"
    shape = dtype.shape
    if rows != 1 or dtype.base.str[1:] != "f8" or len(shape) != 3 or shape[-1] != 2:
        return f"column {column!r} of table {name!r} must hold a grid of pairs of float64 in one row"
    if not 0 < math.prod(shape) <= MOST_PIXELS_OF_TABLE:
        return f"column {column!r} of table {name!r} has shape {shape}; up to {MOST_PIXELS_OF_TABLE} values are read"
    return None


def _fault_of_table(hdus: Any, name: str, version: float | None, card: str) -> str | None:
    """Return what is wrong with the HDU of a lookup table."""
    if hdus is None:
        return f"{card} needs the table {name!r}, which is not there"
    table = next(
        (hdu for hdu in hdus if hdu.name == name and hdu.header.get("EXTVER", 1) == version),
        None,
    )
    if table is None or not table.is_image or hasattr(table, "_bintable"):
        return f"{card} needs the table {name!r} as an image with EXTVER = {version}, which the file does not have"
    shape = tuple(table.shape)
    if len(shape) not in (1, 2) or not 0 < math.prod(shape) <= MOST_PIXELS_OF_TABLE:
        return f"{card}: the table {name!r} has shape {shape}; up to {MOST_PIXELS_OF_TABLE} values on two axes are read"
    return None
