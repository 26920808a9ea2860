"""Levels in the overlaps of the exposures of a run, which are a table of their own."""

from __future__ import annotations

__all__ = ["MOST_OVERLAPS", "Overlaps", "write_overlaps"]

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._text import with_digits
from ..draw.tables import column_unit, table_html, table_text, writable_table
from ..fits.atomic import Permit, write_ecsv
from ..matching.joint.overlaps import Overlap
from .record import OverlapRecord

if TYPE_CHECKING:
    from astropy.table import Table

MOST_OVERLAPS = 30
"""Number of overlaps that are shown; of more, those with the most significant differences after the match."""

# Columns of the table: name, whether it is in the unit of the pixels, description.
_COLUMNS = (
    ("first", False, "name of one exposure"),
    ("second", False, "name of the other exposure"),
    ("bins", False, "number of bins that are good in both, without outliers"),
    ("pixels", False, "number of pixels in these bins that are good in both"),
    ("before", True, "mean difference first - second before matching"),
    ("after", True, "mean difference first - second after matching"),
    ("error", True, "standard error of the mean difference"),
    ("worst", False, "largest difference of a bin after matching, in units of its standard error"),
)


class Overlaps(list[OverlapRecord]):
    """Levels in the overlaps of all pairs of exposures that were compared; a list that prints as a table.

    Parameters
    ----------
    records : iterable of OverlapRecord, optional
    unit : str, optional
        Unit of the pixels.
    """

    def __init__(self, records: Iterable[OverlapRecord] = (), unit: str = "") -> None:
        super().__init__(records)
        self.unit = unit

    @classmethod
    def labelled(cls, overlaps: Sequence[Overlap], labels: Sequence[str], unit: str = "") -> Overlaps:
        """Make the records of overlaps, with the labels of exposures instead of their numbers."""
        return cls(
            (
                OverlapRecord(
                    labels[one.first],
                    labels[one.second],
                    one.bins,
                    one.pixels,
                    one.before,
                    one.after,
                    one.error,
                    one.worst,
                )
                for one in overlaps
            ),
            unit,
        )

    @property
    def pairs(self) -> tuple[list[str], list[str]]:
        """Labels of the first and of the second exposures."""
        return [one.first for one in self], [one.second for one in self]

    def worst(self, most: int = MOST_OVERLAPS) -> list[OverlapRecord]:
        """Return the overlaps with the most significant differences after the match, the worst first.

        Overlaps without a good bin, of which nothing is known, come before all others.
        """

        def badness(one: OverlapRecord) -> float:
            return math.inf if math.isnan(one.significance) else one.significance

        return sorted(self, key=badness, reverse=True)[:most]

    @property
    def table(self) -> Table:
        """Results as an `astropy.table.Table`, one row per pair of exposures that were compared."""
        from astropy.table import Column, Table

        table = Table()
        for name, has_unit, description in _COLUMNS:
            kind: Any = str if name in ("first", "second") else int if name in ("bins", "pixels") else float
            values = [getattr(one, name) for one in self]
            column = Column(values, name=name, dtype=None if kind is str and values else kind, description=description)
            if has_unit:
                column.unit = column_unit(self.unit)
            table.add_column(column)
        return table

    def rows(self, most: int = MOST_OVERLAPS) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return the header and the rows of the worst overlaps."""
        header = tuple(name for name, _, _ in _COLUMNS)
        return header, [_cells(one) for one in self.worst(most)]

    @property
    def left_out(self) -> str:
        """Sentence that says how many overlaps are not shown; "" if all are."""
        more = len(self) - MOST_OVERLAPS
        return f"{more} more overlaps, whose differences are less significant, are not shown." if more > 0 else ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} overlaps)"

    def __str__(self) -> str:
        header, rows = self.rows()
        table = table_text(header, rows, range(2, len(header)))
        return f"{table}\n{self.left_out}" if self.left_out else table

    def _repr_html_(self) -> str:
        return table_html(*self.rows()) + (f"<p>{self.left_out}</p>" if self.left_out else "")


def write_overlaps(overlaps: Overlaps, path: str | Path, permit: Permit | None = None) -> Path:
    """Write the table of overlaps in ECSV format; an existing file is replaced.

    Names follow the rule of `evensky.draw.tables.cell_text`.

    Parameters
    ----------
    overlaps : Overlaps
    path : str or Path
    permit : Permit, optional
        Right to write to the folder, see `evensky.fits.atomic.atomic_path`.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    evensky.errors.FitsError
        If the file cannot be written.
    """
    return write_ecsv(writable_table(overlaps.table), path, permit)


def _cells(one: OverlapRecord) -> tuple[str, ...]:
    """Return the cells of an overlap; levels have two digits of their error."""
    if not one.bins:
        return one.first, one.second, "0", "0", *["-"] * 4
    levels = [with_digits(level, one.error / 10) for level in (one.before, one.after, one.error)]
    return one.first, one.second, str(one.bins), f"{one.pixels}", *levels, f"{one.worst:.1f}"
