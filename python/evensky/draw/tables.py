"""Small tables for notebooks and terminals."""

from __future__ import annotations

__all__ = ["table_html", "table_text"]

import html
from collections.abc import Collection, Iterable, Sequence
from typing import Any


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
    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
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
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (header, *rows)
    )


def _cell(value: Any) -> str:
    number = isinstance(value, float) or hasattr(value, "unit")  # a Quantity appends its unit
    return html.escape(f"{value:.6g}" if number else str(value))
