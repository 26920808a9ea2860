"""Small tables for notebooks and terminals, and the text of tables in files."""

from __future__ import annotations

__all__ = ["cell_text", "column_unit", "table_html", "table_text", "text_of_cell", "writable_table"]

import html
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from unicodedata import combining, east_asian_width

from .._text import printable, shortened, visible

# First letters with which spreadsheets begin a formula, also the wide ones of East Asian keyboards, and those with
# which a remark of an ECSV file or a protected text begins.
_SPECIAL = "=+-@\uff1d\uff0b\uff0d\uff20#'"
# Number of letters of a unit that is parsed; the longest ones that make sense have a few dozen.
_LONGEST_UNIT = 200


def table_html(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return an HTML table.

    Parameters
    ----------
    header : sequence of str
        Column names.
    rows : iterable of sequences
        Cells; numbers and quantities are written with six significant digits.

    Returns
    -------
    str
    """
    head = "".join(f"<th>{_cell(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def table_text(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[int] = ()) -> str:
    """Return a table as aligned lines of text.

    Parameters
    ----------
    header : sequence of str
        Column names.
    rows : sequence of sequences of str
        Cells.
    numbers : collection of int, optional
        Columns whose cells are aligned to the right.

    Returns
    -------
    str
    """
    lines = [[printable(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            " " * (width - _width(cell)) + cell if column in numbers else cell + " " * (width - _width(cell))
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in lines
    )


def _width(text: str) -> int:
    """Return the number of columns of a terminal that text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(letter) else 1 + (east_asian_width(letter) in "WF") for letter in text)


def _cell(value: Any) -> str:
    number = isinstance(value, float) or hasattr(value, "unit")  # a Quantity appends its unit
    return html.escape(printable(f"{value:.6g}" if number else str(value)))


def cell_text(text: str) -> str:
    """Return text as it stands in the cell of a table in a file.

    Spaces at its ends are left out, as readers of ECSV files drop them, and all that cannot be seen, ends of lines
    among it, is an escape of Python (see `evensky._text.visible`). Then a text that a spreadsheet would take for a
    formula, as it begins with =, +, - or @, or that would begin a remark with #, gets an apostrophe in front, and so
    does a text that begins with an apostrophe. `text_of_cell` takes that apostrophe away.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> cell_text("=1+1"), cell_text("visit 1"), cell_text("'s")
    ("'=1+1", 'visit 1', "''s")
    """
    text = visible(text).strip()
    return f"'{text}" if text and text[0] in _SPECIAL else text


def text_of_cell(cell: str) -> str:
    """Return the text of a cell that `cell_text` made: without the apostrophe in front, if there is one.

    Parameters
    ----------
    cell : str
        A cell of ``matched.ecsv`` or ``overlaps.ecsv``.

    Returns
    -------
    str

    Examples
    --------
    >>> text_of_cell("'=1+1"), text_of_cell("visit 1"), text_of_cell("''s")
    ('=1+1', 'visit 1', "'s")
    """
    return cell.removeprefix("'")


def writable_table(table: Any) -> Any:
    """Return a copy of an `astropy.table.Table` as it is written: texts follow the rule of `cell_text`.

    Without it, a name that begins with # loses its first letter, and one with a form feed or with a byte that cannot be
    decoded costs the whole file.

    Parameters
    ----------
    table : astropy.table.Table
        It is not changed.

    Returns
    -------
    astropy.table.Table
    """
    from astropy.table import Column, MaskedColumn, Table

    made = Table()
    for name in table.colnames:
        column = table[name].copy()
        if column.dtype.kind == "U":
            given = column.tolist()
            texts = [None if text is None else cell_text(text) for text in given]
            column = column.astype(f"U{max((len(text) for text in texts if text), default=1)}")
            for row, (before, text) in enumerate(zip(given, texts, strict=True)):
                if text != before:  # rarely, and each takes as long as many texts are tested
                    column[row] = text
        # Masked columns take several times as long to write, cell by cell.
        made.add_column(Column(column) if type(column) is MaskedColumn and not column.mask.any() else column)
    made.meta = _plain_values(dict(table.meta))
    return made


def column_unit(text: str) -> Any:
    """Return the unit of a column of an `astropy.table.Table`; None for no unit.

    Parameters
    ----------
    text : str
        Unit as the header of an image gives it. What astropy does not know is kept by its name.

    Returns
    -------
    astropy.units.UnitBase or None
    """
    return _unit_of(printable(text))


# Astropy looks for similar names of a unit that it does not know, which takes long; many columns have the same unit.
@lru_cache(maxsize=16)
def _unit_of(text: str) -> Any:
    """Return the unit with this name; None for no text."""
    from astropy.units import Unit, UnrecognizedUnit

    if not text:
        return None
    if len(text) > _LONGEST_UNIT:  # it takes long to parse, and is none
        return UnrecognizedUnit(shortened(text, _LONGEST_UNIT))
    try:
        return Unit(text, parse_strict="silent")
    except Exception:  # whatever stands in a header must not cost the table
        return UnrecognizedUnit(text)


def _plain_values(value: Any) -> Any:
    """Return metadata of a table with escapes in all texts for what cannot be seen."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {_plain_values(key): _plain_values(one) for key, one in value.items()}
    return [_plain_values(one) for one in value] if isinstance(value, list | tuple) else value
