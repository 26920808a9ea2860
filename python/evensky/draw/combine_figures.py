"""Figures of combined images."""

from __future__ import annotations

__all__ = ["plot_combined"]

from typing import TYPE_CHECKING

import numpy as np

from .figures import label_with_unit, new_figure
from .pixels import IMAGE_COLOURS, common_stretch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Pixels along the longer side of a picture.
_SIDE = 800


def plot_combined(image: np.ndarray, number: np.ndarray, unit: str = "") -> Figure:
    """Draw a combined image, stretched to show the sky, beside the number of exposures at each pixel.

    Parameters
    ----------
    image : ndarray, shape (height, width)
        NaN where there is no pixel.
    number : ndarray of int, shape (height, width)
    unit : str, optional
        Unit of the pixels.

    Returns
    -------
    matplotlib.figure.Figure
    """
    step = max(1, -(-max(image.shape) // _SIDE))
    image, number = image[::step, ::step], number[::step, ::step]
    low, high = common_stretch([image])
    figure = new_figure(10.5, 1.2 + 4.6 * min(1.6, image.shape[0] / image.shape[1]))
    left, right = figure.subplots(1, 2)
    for axes, picture, limits, colours, title, label in (
        (left, image, (low, high), IMAGE_COLOURS, "combined", label_with_unit("value", unit)),
        (right, number, (0, max(1, int(number.max(initial=1)))), "viridis", "exposures used", "number"),
    ):
        drawn = axes.imshow(
            picture, origin="lower", interpolation="nearest", cmap=colours, vmin=limits[0], vmax=limits[1]
        )
        axes.set_title(title)
        axes.set_xticks([])
        axes.set_yticks([])
        figure.colorbar(drawn, ax=axes, label=label, shrink=0.85)
    return figure
