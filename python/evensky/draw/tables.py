"""Small HTML tables for notebooks."""

from __future__ import annotations

__all__ = ["table_html"]

import html
from collections.abc import Iterable, Sequence
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


def _cell(value: Any) -> str:
    number = isinstance(value, float) or hasattr(value, "unit")  # a Quantity appends its unit
    return html.escape(f"{value:.6g}" if number else str(value))
