"""Figures of plain numbers, drawn with matplotlib; it is imported when a figure is made."""

from __future__ import annotations

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "ORANGE",
    "PLAIN",
    "drawable",
    "figure_url",
    "label_with_unit",
    "new_figure",
    "picture_url",
    "plot_centres",
    "plot_model_grid",
    "unit_label",
]

import io
import threading
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .._text import printable, shortened
from ..errors import InvalidParameterError
from .pixels import IMAGE_COLOURS, SIGNED_COLOURS, data_url

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The colours of Okabe and Ito, which colour-blind readers can tell apart.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#8A8A8A"
# Options of texts that hold names or units: a dollar does not begin a formula, and TeX does not read them.
PLAIN: dict[str, Any] = {"parse_math": False, "usetex": False}
# Numbers of letters of names and units that figures have room for.
_LONGEST_NAME, _LONGEST_UNIT = 48, 32
# The style of matplotlib belongs to the whole process.
_style_lock = threading.RLock()


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


def figure_url(figure: Figure, dpi: int, *, transparent: bool = False) -> str:
    """Return a figure as a data URL of a PNG image, on white by default."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="none" if transparent else "white", transparent=transparent)
    return data_url(buffer.getvalue())


def picture_url(draw: Callable[[], Figure], dpi: int, *, transparent: bool = False) -> str:
    """Return a figure as a data URL of a PNG image, which looks the same whatever style of matplotlib the user has set.

    A dark style would give white letters on a white page, and TeX for all texts needs an installation of TeX.

    Parameters
    ----------
    draw : callable
        Function that makes the figure.
    dpi : int
        Dots per inch.
    transparent : bool, optional
        Leave out the background, which is white otherwise.

    Returns
    -------
    str
    """
    from matplotlib import style

    with _style_lock, style.context("default"):
        return figure_url(draw(), dpi, transparent=transparent)


def drawable(text: str, most: int = _LONGEST_NAME) -> str:
    """Return a text from outside as a figure can show it, to be drawn with the options `PLAIN`.

    Parameters
    ----------
    text : str
    most : int, optional
        Number of letters beyond which the text is shortened.

    Returns
    -------
    str
        One line; letters that no font of the present style has are escapes of Python, which tell names apart as empty
        boxes do not.
    """
    text = shortened(printable(text), most)
    if text.isascii():
        return text
    fonts = _fonts()
    return "".join(
        letter
        if letter.isascii() or any(font.get_char_index(ord(letter)) for font in fonts)
        else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def _fonts() -> list[Any]:
    """Return the fonts of the present style in which matplotlib looks for a letter."""
    from matplotlib import rcParams
    from matplotlib.font_manager import findfont, get_font

    found = []
    style: Any = rcParams
    for family in style["font.family"]:
        kind = f"font.{family}"  # a family may be a kind of fonts, such as "sans-serif"
        for name in style.get(kind, [family]):
            try:
                found.append(get_font(findfont(name, fallback_to_default=False)))
            except ValueError:  # it is not installed
                continue
    return found or [get_font(findfont("DejaVu Sans"))]


def unit_label(unit: str) -> str:
    """Return the name of a unit as readers write it: "counts" for "count" and "ct"; "" for no unit."""
    unit = shortened(printable(unit), _LONGEST_UNIT)
    return {"count": "counts", "ct": "counts", "adu": "adu"}.get(unit.lower(), unit)


def label_with_unit(text: str, unit: str) -> str:
    """Return an axis label with the unit in brackets, if there is one; it is to be drawn with the options `PLAIN`."""
    unit = drawable(unit_label(unit))
    return f"{text} [{unit}]" if unit else text


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
    figure.colorbar(shown, ax=left, shrink=0.85).set_label(drawable(unit_label(unit)), **PLAIN)
    good = residual[np.isfinite(residual)]
    rms = float(np.sqrt(np.mean(good**2))) if good.size else float("nan")
    most = float(np.abs(good).max()) if good.size else 1.0
    points = right.scatter(
        x,
        y,
        c=residual,
        s=sizes,
        cmap=SIGNED_COLOURS,
        vmin=-most or -1,
        vmax=most or 1,
        edgecolors="#555",
        linewidths=0.6,
    )
    right.set(xlim=extent[:2], ylim=extent[2:], aspect="equal")
    right.set_title(f"bins - model, rms {rms:.4g}", fontsize=10)
    figure.colorbar(points, ax=right, shrink=0.85).set_label(drawable(unit_label(unit)), **PLAIN)
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
    axes.set_yticks(range(len(rows)), [drawable(name) for name, *_ in rows], **PLAIN)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel(label_with_unit("value", unit) + "; thick bars: scatter; thin bars: error", **PLAIN)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.ticklabel_format(axis="x", useOffset=False)
    return figure
