"""The result of a combination: its records, its table and its text."""

from __future__ import annotations

__all__ = ["CombineRun", "CombinedExposures"]

import html
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._core import __version__
from .._text import printable
from ..combining.target_grid import TargetGrid
from ..draw.tables import table_html, table_text
from ..errors import FitsError
from ..fits.digests import state_of
from ..io.coadd_file import Stamp
from .combine_record import CombineRecord, combine_rows, combine_summary, combine_table
from .record import InputSummary

if TYPE_CHECKING:
    from astropy.table import Table


class CombinedExposures:
    """What the results of a combination in memory and of files have in common.

    Attributes
    ----------
    records : list of CombineRecord
        What became of each exposure.
    grid : TargetGrid
        Grid of the result.
    statistic : str
    """

    records: list[CombineRecord]
    grid: TargetGrid
    statistic: str

    @property
    def table(self) -> Table:
        """Records as an `astropy.table.Table`, one row per exposure."""
        return combine_table(self.records)

    @property
    def failed(self) -> list[CombineRecord]:
        """Records of the exposures that could not be used."""
        return [record for record in self.records if record.status == "failed"]

    @property
    def summary(self) -> str:
        """One line with the numbers of exposures and the size of the result."""
        return combine_summary(self.records, self.grid.shape, self.statistic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.summary})"

    def __str__(self) -> str:
        header, rows = combine_rows(self.records)
        return f"{table_text(header, rows, range(2, 6))}\n{printable(self.summary)}"

    def _repr_html_(self) -> str:
        return table_html(*combine_rows(self.records))


@dataclass(repr=False)
class CombineRun(CombinedExposures):
    """The result of `evensky.combine_files`.

    Attributes
    ----------
    records : list of CombineRecord
        What became of each exposure, in the order of the files.
    output : Path
        The file that was written.
    stamp : Stamp
        Its size and the time of its last change, when it was written.
    grid : TargetGrid
        Grid of the result.
    statistic : str
    unit : str
        Unit of the pixels; "" if unknown.
    planes : tuple of str
        Planes that were written beside the image.
    options : dict
        All parameters that determine the result.
    version, started : str
    seconds : float
    notes : list of str
        What was assumed, in sentences without a full stop.
    inputs : list of InputSummary
        What was used of each exposure.
    """

    records: list[CombineRecord]
    output: Path
    stamp: Stamp
    grid: TargetGrid
    statistic: str
    unit: str = ""
    planes: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    version: str = __version__
    started: str = ""
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    inputs: list[InputSummary] = field(default_factory=list)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content of the file, in hexadecimal digits; the file is read when it is first asked for.

        Raises
        ------
        evensky.errors.FitsError
            If the file cannot be read, or was changed since it was written.
        """
        try:
            digest = state_of(self.output, sha256=True).digest
            found = Stamp.of(self.output)
        except OSError as error:
            raise FitsError(f"{self.output}: cannot be read: {error.strerror or error}") from error
        if found != self.stamp:
            raise FitsError(f"{self.output}: was changed since it was written, so that its digest is that of another")
        return digest

    @property
    def table(self) -> Table:
        """Records as an `astropy.table.Table`, one row per exposure."""
        table = super().table
        table.meta.update(
            output=str(self.output), options=self.options, version=self.version, started=self.started, notes=self.notes
        )
        return table

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.summary}, {str(self.output)!r})"

    def __str__(self) -> str:
        return f"{super().__str__()}: {printable(str(self.output))}"

    def _repr_html_(self) -> str:
        where = f"<p>{html.escape(printable(f'{self.summary}: {self.output}'))}</p>"
        return super()._repr_html_() + where
