"""Figures of plain numbers, drawn with matplotlib; it is imported when a figure is made."""

from __future__ import annotations

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "IMAGE_COLOURS",
    "ORANGE",
    "common_stretch",
    "figure_url",
    "label_with_unit",
    "new_figure",
    "plot_centres",
    "plot_model_grid",
    "unit_label",
]

import base64
import io
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..errors import InvalidParameterError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The colours of Okabe and Ito, which colour-blind readers can tell apart.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#8A8A8A"
IMAGE_COLOURS = "cividis"


@cache
def _figure_class() -> type[Figure]:
    # pyplot is avoided: it keeps figures alive, chooses a backend, and is not thread-safe.
    from matplotlib.figure import Figure

    class NotebookFigure(Figure):
        """A figure that a notebook shows as a picture, with or without pyplot."""

        def _repr_png_(self) -> bytes:
            buffer = io.BytesIO()
            self.savefig(buffer, format="png", bbox_inches="tight")
            return buffer.getvalue()

    NotebookFigure.__qualname__ = "NotebookFigure"  # so that figures can be pickled, see __getattr__
    return NotebookFigure


def __getattr__(name: str) -> Any:
    if name == "NotebookFigure":
        return _figure_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def new_figure(width: float, height: float, layout: Literal["constrained"] | None = "constrained") -> Figure:
    """Make an empty figure.

    Parameters
    ----------
    width, height : float
        Size in inches.
    layout : str or None, optional
        Layout engine of matplotlib; None if the axes are placed by hand.

    Returns
    -------
    matplotlib.figure.Figure
    """
    return _figure_class()(figsize=(width, height), layout=layout)


def figure_url(figure: Figure, dpi: int) -> str:
    """Return a figure as a data URL of a PNG image."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def unit_label(unit: str) -> str:
    """Return the name of a unit as readers write it: "counts" for "count" and "ct"; "" for no unit."""
    return {"count": "counts", "ct": "counts", "adu": "adu"}.get(unit.strip().lower(), unit.strip())


def label_with_unit(text: str, unit: str) -> str:
    """Return an axis label with the unit in brackets, if there is one."""
    return f"{text} [{unit_label(unit)}]" if unit.strip() else text


def common_stretch(pictures: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return limits that show the background of all pictures, regardless of stars in them.

    These are the 1st and the 97th percentile of all finite pixels.
    """
    values = np.concatenate([picture[np.isfinite(picture)].ravel() for picture in pictures] or [np.zeros(0)])
    if values.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(values, [1, 97])
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(low) + 0.5)


def plot_model_grid(
    model: np.ndarray,
    x: Any,
    y: Any,
    value: Any,
    error: Any,
    residual: Any,
    unit: str = "",
) -> Figure:
    """Draw a model image with the bins on it, and the residuals of the bins beside it.

    The size of a bin's marker shows its error.

    Parameters
    ----------
    model : ndarray, shape (height, width)
        The model image.
    x, y : array-like, shape (n,)
        Positions of the bins, in pixels from the image's corner.
    value, error, residual : array-like, shape (n,)
        Measured value of each bin, its error, and value - model.
    unit : str, optional
        Unit of the pixels.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the numbers of points differ or `model` is not two-dimensional.
    """
    x, y, value, error, residual = (np.asarray(a, dtype=np.float64) for a in (x, y, value, error, residual))
    if len({a.shape for a in (x, y, value, error, residual)}) != 1:
        raise InvalidParameterError(
            f"x, y, value, error and residual have shapes {[a.shape for a in (x, y, value, error, residual)]}; "
            "they must be equal"
        )
    if model.ndim != 2:
        raise InvalidParameterError(f"The model has shape {model.shape}; an image has two dimensions")
    figure = new_figure(11, 5)
    left, right = figure.subplots(1, 2)
    finite = np.concatenate([model[np.isfinite(model)].ravel(), value[np.isfinite(value)]])
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    extent = (-0.5, model.shape[1] - 0.5, -0.5, model.shape[0] - 0.5)
    step = max(1, max(model.shape) // 1000)
    shown = left.imshow(model[::step, ::step], origin="lower", extent=extent, cmap=IMAGE_COLOURS, vmin=low, vmax=high)
    usual = np.nanmedian(error) if np.isfinite(error).any() else 1.0
    sizes = np.clip(40 * np.nan_to_num(error, nan=usual) / (usual if usual > 0 else 1.0), 10, 300)
    left.scatter(x, y, c=value, s=sizes, cmap=IMAGE_COLOURS, vmin=low, vmax=high, edgecolors="white", linewidths=1)
    left.set_title("model and bins (size: error)", fontsize=10)
    figure.colorbar(shown, ax=left, shrink=0.85, label=unit_label(unit))
    good = residual[np.isfinite(residual)]
    rms = float(np.sqrt(np.mean(good**2))) if good.size else float("nan")
    most = float(np.abs(good).max()) if good.size else 1.0
    points = right.scatter(
        x, y, c=residual, s=sizes, cmap="RdBu_r", vmin=-most or -1, vmax=most or 1, edgecolors="#555", linewidths=0.6
    )
    right.set(xlim=extent[:2], ylim=extent[2:], aspect="equal")
    right.set_title(f"bins - model, rms {rms:.4g}", fontsize=10)
    figure.colorbar(points, ax=right, shrink=0.85, label=unit_label(unit))
    for ax in (left, right):
        ax.set_xlabel("x [px]")
        ax.set_ylabel("y [px]")
    return figure


def plot_centres(rows: Sequence[tuple[str, float, float, float | None]], unit: str = "") -> Figure:
    """Draw central values with their errors, and the scatter of the data about them.

    Parameters
    ----------
    rows : sequence of tuple
        Name, value, error and scatter of each centre, which gets a row of the figure. The error may be NaN and the
        scatter None if unknown.
    unit : str, optional
        Unit of the values.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = new_figure(8, 0.9 + 0.5 * len(rows))
    axes = figure.add_subplot()
    for row, (_, value, error, scatter) in enumerate(rows):
        if scatter is not None:
            ends = [value - scatter, value + scatter]
            axes.plot(ends, [row, row], color="#C9CED6", lw=7, solid_capstyle="butt")
        axes.errorbar(value, row, xerr=error if np.isfinite(error) else None, color=BLUE, marker="o", capsize=4)
    axes.set_yticks(range(len(rows)), [name for name, *_ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel(label_with_unit("value", unit) + "; thick bars: scatter; thin bars: error")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.ticklabel_format(axis="x", useOffset=False)
    return figure
