"""How results show themselves in a notebook."""

from __future__ import annotations

__all__ = ["background_html", "figure_url", "run_html", "statistics_html", "statistics_text", "table_html"]

import base64
import html
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .math import BackgroundMI, Statistics
    from .tasks.run_record import MatchRun


def figure_url(figure: Figure, dpi: int) -> str:
    """A figure as a data URL."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _text(value: Any) -> str:
    return html.escape(f"{value:.6g}" if isinstance(value, float) else str(value))


def table_html(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A small table."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(f"<td>{_text(value)}</td>" for value in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _results(statistics: Statistics) -> list[tuple[str, float, float]]:
    """Names, values and errors of what was computed."""
    from .math import ERRORS, Property

    flags = statistics.getFlags() & ~int(ERRORS)
    asked = [prop for prop in Property if int(prop) & flags]
    return [(prop.name or "", *statistics.getResult(prop)) for prop in asked if prop is not Property.ORMASK]


def statistics_text(statistics: Statistics) -> str:
    """On one line, with the errors that are known."""
    parts = [
        f"{name}={value:.8g}" + (f" +- {error:.3g}" if np.isfinite(error) and error > 0 else "")
        for name, value, error in _results(statistics)
    ]
    return f"Statistics({', '.join(parts)})"


def statistics_html(statistics: Statistics) -> str:
    """A table of what was computed."""
    rows = [
        (name, value, f"{error:.3g}" if np.isfinite(error) and error > 0 else "")
        for name, value, error in _results(statistics)
    ]
    return table_html(("statistic", "value", "error"), rows)


def background_html(background: BackgroundMI, unit: str = "") -> str:
    """Figures of the bins, and a picture of the model."""
    from .errors import EvenskyError
    from .plot import plot_background, unit_label

    grid = background.getStatsImage()
    nx, ny = grid.getDimensions()
    good = grid.image.array[np.isfinite(grid.image.array)]
    low, middle, high = np.percentile(good, [0, 50, 100]) if good.size else (np.nan,) * 3
    rows = [
        ("bins", f"{nx} x {ny} over {background.getImageBBox()}"),
        ("bins with good pixels", f"{good.size} of {nx * ny}"),
        ("background", f"median {middle:.6g}, {low:.6g} to {high:.6g} {unit_label(unit)}"),
    ]
    table = table_html(("background", ""), rows)
    try:
        picture = figure_url(plot_background(background, unit=unit), 80)
    except EvenskyError as error:  # there are bins that give no model
        return table + f"<p>{html.escape(str(error))}</p>"
    return table + f'<img alt="model and bins" src="{picture}"/>'


def run_html(run: MatchRun) -> str:
    """The most important figures of a run, and a picture of the levels."""
    header = ("exposure", "status", "before", "after", *run.figures, "model, or why not")

    def shown(value: float | None) -> str:
        return "" if value is None else f"{value:.6g}"

    rows = [
        (
            record.label,
            record.status,
            shown(record.level_before),
            shown(record.level_after),
            *(shown(getattr(record, field)) for field in run.figures.values()),
            record.message or "; ".join([record.model, *record.flags]),
        )
        for record in run.records
    ]
    said = f"<p>Reference: {html.escape(run.reference)}. {html.escape(run.reference_reason)}</p>"
    return table_html(header, rows) + said + f'<img alt="levels" src="{figure_url(run.plot(), 70)}"/>'
