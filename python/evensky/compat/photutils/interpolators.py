"""Images from meshes, by the names of ``photutils.background``."""

from __future__ import annotations

__all__ = ["BkgIDWInterpolator", "BkgZoomInterpolator", "near_mean"]

from typing import Any

import numpy as np

from ..._checks import real_number, shown, whole_number
from ...errors import InvalidParameterError
from ...math import Interpolate, UndersampleStyle
from ...math.background_mesh import MeshOptions, mesh_of_boxes

# Modes of scipy.ndimage.zoom, which are also those of photutils.
_MODES = ("reflect", "grid-mirror", "mirror", "constant", "grid-constant", "nearest", "wrap", "grid-wrap")
# Distance at which a place is that of a value.
_SAME_PLACE = 1e-12
# Boxes beyond each edge of a mesh that is mirrored there.
_MIRRORED = 24
# Places whose neighbours are looked for at once.
_PLACES = 2**18


class BkgZoomInterpolator:
    """A spline through the boxes, whose values stand for their centres.

    Parameters
    ----------
    order : int, optional
        Order of the spline, 0 to 5.
    mode : str, optional
        How the mesh goes on beyond its edges; see `scipy.ndimage.zoom`.
    cval : float, optional
        Value beyond the edges for the mode "constant".
    clip : bool, optional
        Keep the image within the range of the values of the mesh.

    Examples
    --------
    >>> import numpy as np
    >>> from evensky.compat.photutils import BkgZoomInterpolator
    >>> mesh = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> BkgZoomInterpolator()(mesh, shape=(40, 60), dtype=np.float64, box_size=(20, 30)).shape
    (40, 60)
    """

    def __init__(self, *, order: int = 3, mode: str = "reflect", cval: float = 0.0, clip: bool = True) -> None:
        self.order = whole_number(order, "order")
        if not 0 <= self.order <= 5:
            raise InvalidParameterError(f"order is {order}; it must be in 0 .. 5")
        if mode not in _MODES:
            raise InvalidParameterError(f"mode is {shown(mode)}; it must be one of {', '.join(map(repr, _MODES))}")
        self.mode, self.cval, self.clip = mode, real_number(cval, "cval"), bool(clip)

    def __repr__(self) -> str:
        return f"BkgZoomInterpolator(order={self.order}, mode={self.mode!r}, cval={self.cval}, clip={self.clip})"

    def __call__(self, data: Any, **kwargs: Any) -> np.ndarray:
        """Interpolate a mesh.

        Parameters
        ----------
        data : array-like, shape (ny, nx)
            Values of the boxes; a unit is left out.
        **kwargs
            ``shape``, the size of the image, ``box_size``, height and width of the boxes, ``dtype``, the type of the
            image, and ``n_threads``. Others are ignored.

        Returns
        -------
        ndarray, shape (height, width)
        """
        mesh = np.asarray(data)
        dtype = np.dtype(kwargs["dtype"])
        height, width = kwargs["shape"]
        size_y, size_x = (int(size) for size in kwargs["box_size"])
        if np.ptp(mesh) == 0:
            return np.full((height, width), mesh.flat[0], dtype)
        low, high = mesh.min(), mesh.max()
        if self.order == 3 and self.mode == "reflect":
            threads = int(kwargs.get("n_threads", 1))
            image = _cubic(mesh.astype(np.float64), (height, width), (size_y, size_x), dtype, threads)
            return np.clip(image, low, high, out=image) if self.clip else image
        from scipy.ndimage import zoom

        options = {"order": self.order, "mode": self.mode, "cval": self.cval, "grid_mode": True}
        image = zoom(mesh.astype(np.float64), (size_y, size_x), **options)[:height, :width]
        return np.ascontiguousarray(np.clip(image, low, high) if self.clip else image, dtype)


def _cubic(
    mesh: np.ndarray, shape: tuple[int, int], box_size: tuple[int, int], dtype: np.dtype[Any], num_threads: int
) -> np.ndarray:
    """Return the cubic spline through a mesh that is mirrored at its edges.

    It is that of ``scipy.ndimage.zoom(mesh, box_size, order=3, mode="reflect", grid_mode=True)`` to rounding, whose
    coefficients depend on the version of scipy. The core evaluates it as a natural spline through its own values at the
    centres of boxes and of mirrored ones, so many that the ends do not matter: their effect decreases by 3.7 for each.
    """
    from scipy.ndimage import spline_filter

    values = spline_filter(mesh, order=3, mode="reflect")
    for axis in (0, 1):
        ends = np.take(values, [0, -1], axis=axis)
        before, after = (
            np.concatenate(parts, axis=axis)
            for parts in (
                (np.take(ends, [0], axis=axis), np.delete(values, -1, axis=axis)),
                (np.delete(values, 0, axis=axis), np.take(ends, [1], axis=axis)),
            )
        )
        values = (before + 4 * values + after) / 6
    values = np.pad(values, _MIRRORED, mode="symmetric")
    (ny, nx), (size_y, size_x) = values.shape, box_size
    box = (-_MIRRORED * size_x, -_MIRRORED * size_y, nx * size_x, ny * size_y)
    options = MeshOptions(size_y, size_x, edge_method="pad")
    unknown = np.zeros_like(values)
    boxes = mesh_of_boxes(box, options, values, unknown, unknown, np.ones(values.shape, np.int64))
    image = np.empty(shape, dtype)
    styles = Interpolate.Style.NATURAL_SPLINE, UndersampleStyle.THROW_EXCEPTION
    boxes.get_image(image, (0, 0, shape[1], shape[0]), *styles, num_threads)
    return image


class BkgIDWInterpolator:
    """Means of the nearest boxes, weighted by the inverse of a power of their distance.

    Boxes that were excluded do not count.

    Parameters
    ----------
    leafsize : int, optional
        Size of the leaves of the k-d tree; see `scipy.spatial.cKDTree`.
    n_neighbors : int, optional
        Number of boxes.
    power : float, optional
        Power of the distance.
    regularization : float, optional
        Summand of the power of the distance, which keeps weights finite and similar.
    """

    def __init__(
        self, *, leafsize: int = 10, n_neighbors: int = 10, power: float = 1.0, regularization: float = 0.0
    ) -> None:
        self.leafsize = whole_number(leafsize, "leafsize")
        self.n_neighbors = whole_number(n_neighbors, "n_neighbors")
        self.power = real_number(power, "power")
        self.regularization = real_number(regularization, "regularization")
        for name in ("leafsize", "n_neighbors"):
            if getattr(self, name) < 1:
                raise InvalidParameterError(f"{name} is {getattr(self, name)}; it must be at least 1")

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value}" for name, value in vars(self).items())
        return f"BkgIDWInterpolator({options})"

    def __call__(self, data: Any, **kwargs: Any) -> np.ndarray:
        """Interpolate a mesh.

        Parameters
        ----------
        data : array-like, shape (ny, nx)
            Values of the boxes; a unit is left out.
        **kwargs
            ``shape``, the size of the image, ``dtype``, its type, ``mesh_yxcen``, the centres of the boxes that count,
            shape (2, n), in pixels, and ``mesh_nan_mask``, shape (ny, nx), true for the other boxes. Others are
            ignored.

        Returns
        -------
        ndarray, shape (height, width)
        """
        mesh = np.asarray(data, dtype=np.float64)
        height, width = kwargs["shape"]
        values = mesh[~np.asarray(kwargs["mesh_nan_mask"], bool)]
        centres = np.transpose(kwargs["mesh_yxcen"])
        image = np.empty((height, width), kwargs["dtype"])
        step = max(1, _PLACES // width)
        for start in range(0, height, step):
            rows = np.arange(start, min(height, start + step))
            places = np.stack(np.meshgrid(rows, np.arange(width), indexing="ij"), axis=-1).reshape(-1, 2)
            options = (self.n_neighbors, self.power, self.regularization, self.leafsize)
            image[rows] = near_mean(centres, values, places, *options).reshape(len(rows), width)
        return image


def near_mean(
    places: np.ndarray,
    values: np.ndarray,
    at: np.ndarray,
    n_neighbors: int = 10,
    power: float = 1.0,
    regularization: float = 0.0,
    leafsize: int = 10,
) -> np.ndarray:
    """Return means of the nearest values, weighted by the inverse of a power of their distance (Shepard 1968).

    Parameters
    ----------
    places : ndarray, shape (n, 2)
        Places of the values.
    values : ndarray, shape (n,)
    at : ndarray, shape (m, 2)
        Places of the means; at that of a value, the mean is this value.
    n_neighbors : int, optional
        Number of values of a mean. Which ones of several at the same distance are taken is chosen by the k-d tree.
    power, regularization : float, optional
        The weight of a value at the distance d is ``1 / (d**power + regularization)``.
    leafsize : int, optional
        See `scipy.spatial.cKDTree`.

    Returns
    -------
    ndarray of float64, shape (m,)
    """
    from scipy.spatial import cKDTree

    nearest = list(range(1, min(n_neighbors, len(values)) + 1))
    distance, index = cKDTree(np.asarray(places, np.float64), leafsize=leafsize).query(at, k=nearest)
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = 1.0 / (distance**power + regularization)
        mean = (weight * values[index]).sum(axis=1) / weight.sum(axis=1)
    return np.asarray(np.where(distance[:, 0] < _SAME_PLACE, values[index[:, 0]], mean))
