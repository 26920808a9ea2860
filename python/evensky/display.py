"""How results show themselves in a notebook."""

from __future__ import annotations

__all__ = [
    "background_html",
    "figure_url",
    "run_html",
    "run_table",
    "run_text",
    "statistics_html",
    "statistics_text",
    "table_html",
]

import base64
import html
import io
from collections.abc import Callable, Iterable, Sequence
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
    number = isinstance(value, float) or hasattr(value, "unit")  # a Quantity writes its unit behind
    return html.escape(f"{value:.6g}" if number else str(value))


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


def _range(values: np.ndarray, unit: str) -> str:
    """Median and extremes of what is finite."""
    from .plot import unit_label

    good = values[np.isfinite(values)]
    if not good.size:
        return "none"
    low, middle, high = np.percentile(good, [0, 50, 100])
    return f"median {middle:.6g}, {low:.6g} to {high:.6g} {unit_label(unit)}".rstrip()


def background_html(
    background: BackgroundMI, model: Callable[[], np.ndarray], order: int | None, unit: str = ""
) -> str:
    """Figures of the bins and of the model, a Chebyshev series if it has an order, and a picture of both."""
    from .errors import EvenskyError
    from .plot import plot_background

    grid = background.getStatsImage()
    nx, ny = grid.getDimensions()
    box = background.getImageBBox()
    good = int(np.isfinite(grid.image.array).sum())
    rows = [
        ("bins", f"{nx} x {ny} over {box.getWidth()} x {box.getHeight()} px"),
        ("bins with good pixels", f"{good} of {nx * ny}"),
        ("level of the bins", _range(grid.image.array, unit)),
    ]
    if good == 0:
        return table_html(("background", ""), rows) + "<p>No bin has a good pixel, so there is no model.</p>"
    try:
        image = model()
    except EvenskyError as error:  # there are bins that give no model
        return table_html(("background", ""), rows) + f"<p>{html.escape(str(error))}</p>"
    # Where there are few bins it is a simpler one than was asked for.
    kind = background.getAsUsedInterpStyle().name if order is None else f"Chebyshev order {order}"
    rows.append((f"model, {kind}", _range(image, unit)))
    picture = figure_url(plot_background(background, image, unit), 80)
    return table_html(("background", ""), rows) + f'<img alt="model and bins" src="{picture}"/>'


def run_table(run: MatchRun) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The most important figures of a run: header and rows."""

    def level(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}" if abs(value) < 1e7 else f"{value:.6g}"

    def figure(value: float | None) -> str:
        return "-" if value is None else f"{value:.{3 if run.method == 'all' else 4}g}"

    header = ("exposure", "status", "before", "after", *run.figures, "model, or why not")
    rows = [
        (
            record.label,
            record.status,
            level(record.level_before),
            level(record.level_after),
            *(figure(getattr(record, field)) for field in run.figures.values()),
            record.message or "; ".join([record.model, *record.flags]),
        )
        for record in run.records
    ]
    return header, rows


def run_text(run: MatchRun) -> str:
    """The same as lines of text."""
    header, rows = run_table(run)
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    numbers = range(2, len(header) - 1)
    lines = [
        "  ".join(
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (header, *rows)
    ]
    return "\n".join([*lines, run.summary])


def run_html(run: MatchRun) -> str:
    """The same, and a picture of the levels."""
    said = f"<p>{html.escape(run.choice)}</p>"
    return table_html(*run_table(run)) + said + f'<img alt="levels" src="{figure_url(run.plot(), 70)}"/>'
