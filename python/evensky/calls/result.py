"""What the results of all matches have: their run, as a table, a plot and a report."""

from __future__ import annotations

__all__ = ["RunResult"]

from pathlib import Path
from typing import TYPE_CHECKING

from ..report import write_report
from ..runs.match_run import MatchRun

if TYPE_CHECKING:
    from astropy.table import Table
    from matplotlib.figure import Figure


class RunResult:
    """Base class of the results of a run.

    Attributes
    ----------
    run : MatchRun
    """

    run: MatchRun

    @property
    def table(self) -> Table:
        """Results as an `astropy.table.Table`, one row per exposure or warp."""
        return self.run.table

    def plot(self) -> Figure:
        """Draw the levels of all exposures or warps before and after matching."""
        return self.run.plot()

    def write_report(self, path: str | Path) -> Path:
        """Write the report of the run as a page of HTML, and return its path."""
        return write_report(self.run, path)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.run.summary})"

    def __str__(self) -> str:
        return str(self.run)

    def _repr_html_(self) -> str:
        return self.run._repr_html_()
