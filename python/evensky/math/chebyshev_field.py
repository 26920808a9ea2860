"""Chebyshev series over a box of pixels, and products of fields, with the names of ``lsst.afw.math``."""

from __future__ import annotations

__all__ = ["ChebyshevBoundedField", "ChebyshevBoundedFieldControl", "ProductBoundedField"]

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.polynomial import chebyshev

from .. import errors
from .._bands import row_bands
from .._checks import real_number, shown, whole_number
from ..errors import FitsError, InvalidParameterError, LengthError
from ..fits.opening import opened
from ..fits.tiles import pixels_of
from ..fits.writing import write_hdus
from ..geom import Box2I, Extent2I, Point2I
from ..image import Exposure, MaskedImage
from ..image._pixels import regular
from ..image.foreign import as_planes
from .bounded_field import BoundedField, positions_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# Numbers of pixels, and of points that are fitted, whose values or terms are in memory at one time. The terms of the
# points fit into the caches of processors.
_MOST_PIXELS = 2**20
_MOST_POINTS = 2**14
# Smallest ratio of eigenvalues of inner products over the pixels with which an image is fitted by them: they lose less
# than half of the digits of the coefficients.
_LEAST_POWER = 1e-7
# Smallest number of nodes on each axis at which `ChebyshevBoundedField.approximate` evaluates a function.
_LEAST_NODES = 64
# Cards of the box of a field in a file.
_BOX = ("BOX_X0", "BOX_Y0", "BOX_W", "BOX_H")


@dataclass
class ChebyshevBoundedFieldControl:
    """Orders of a `ChebyshevBoundedField` that is fitted or truncated."""

    orderX: int = 3
    """Highest order in x."""
    orderY: int = 3
    """Highest order in y."""
    triangular: bool = True
    """Whether to use only terms of which the sum of both orders is at most ``max(orderX, orderY)``."""

    def computeSize(self) -> int:
        """Return the number of terms."""
        return int(self._used().sum())

    def _used(self) -> np.ndarray:
        """Return which elements of the matrix of coefficients are used."""
        orders = [whole_number(order, name) for order, name in ((self.orderX, "orderX"), (self.orderY, "orderY"))]
        if min(orders) < 0:
            raise InvalidParameterError(f"orderX is {orders[0]} and orderY is {orders[1]}; both must be >= 0")
        i, j = np.indices((orders[1] + 1, orders[0] + 1))
        used: np.ndarray = (i + j <= max(orders)) if self.triangular else np.ones(i.shape, bool)
        return used


class ChebyshevBoundedField(BoundedField):
    """Two-dimensional Chebyshev series over a box of pixels.

    The value at (x, y) is the sum of c_ij T_i(y') T_j(x'), where x' and y' map the outer pixel edges of the box
    (min - 0.5, max + 0.5) to -1 and +1. Objects do not change, and several threads may evaluate them at once.

    Parameters
    ----------
    bbox : Box2I
        Box of pixels over which the field is defined.
    coefficients : array-like, shape (ny, nx)
        Element ``[i, j]`` is the coefficient of T_i(y') T_j(x').

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the box is empty, or the coefficients are not real numbers in two dimensions.

    Examples
    --------
    >>> from evensky.geom import Box2I, Extent2I, Point2I
    >>> box = Box2I(Point2I(0, 0), Extent2I(101, 51))
    >>> plane = ChebyshevBoundedField(box, [[10.0, 2.0], [1.0, 0.0]])
    >>> plane.evaluate(50, 25), plane.evaluate(100.5, 25), plane.mean()
    (10.0, 12.0, 10.0)
    """

    Control: ClassVar[type[ChebyshevBoundedFieldControl]] = ChebyshevBoundedFieldControl

    def __init__(self, bbox: Box2I, coefficients: ArrayLike) -> None:
        super().__init__(bbox)
        matrix = positions_of(coefficients, "coefficients")
        if matrix.ndim != 2 or not matrix.size:
            raise InvalidParameterError(
                f"The coefficients have shape {matrix.shape}; they must have two dimensions and at least one element"
            )
        self._coefficients = np.ascontiguousarray(matrix)
        self._coefficients.flags.writeable = False

    @classmethod
    def fit(
        cls,
        bbox: Any = None,
        x: Any = None,
        y: Any = None,
        z: Any = None,
        w: Any = None,
        ctrl: ChebyshevBoundedFieldControl | None = None,
        *,
        image: Any = None,
    ) -> ChebyshevBoundedField:
        """Fit a Chebyshev series by least squares.

        Forms of the call::

            fit(bbox, x, y, z, ctrl)
            fit(bbox, x, y, z, w, ctrl)
            fit(image, ctrl)

        Parameters
        ----------
        bbox : Box2I
            Box of pixels over which the field is defined.
        x, y, z : array-like, shape (n,)
            Positions and values of points.
        w : array-like, shape (n,), optional
            Weights, by which the residuals are multiplied before they are squared: 1 / sigma.
        image : ImageF, ImageD or array-like, shape (height, width)
            Image whose pixels are the points; its box becomes that of the field.
        ctrl : ChebyshevBoundedFieldControl
            Orders of the series.

        Returns
        -------
        ChebyshevBoundedField
            Points that are not finite are ignored. If the others do not determine all terms, the smallest of the
            coefficients that fit best are returned, with a warning.

        Raises
        ------
        evensky.errors.LengthError
            If x, y, z and w differ in length.
        evensky.errors.RuntimeError
            If no point is finite.
        evensky.errors.InvalidParameterError
            If an argument has a wrong type.
        """
        if isinstance(w, ChebyshevBoundedFieldControl) and ctrl is None:
            w, ctrl = None, w
        if not isinstance(bbox, Box2I) and y is None and z is None:
            if isinstance(x, ChebyshevBoundedFieldControl) and ctrl is None:
                x, ctrl = None, x
            if image is None:
                bbox, image = None, bbox
        if not isinstance(ctrl, ChebyshevBoundedFieldControl):
            raise InvalidParameterError(
                f"ctrl is {shown(ctrl)}, a {type(ctrl).__name__}; it must be a ChebyshevBoundedFieldControl"
            )
        if image is not None:
            if any(value is not None for value in (bbox, x, y, z, w)):
                raise InvalidParameterError("fit takes an image and ctrl, or bbox, x, y, z, optionally w, and ctrl")
            return cls._fit_image(image, ctrl)
        field = cls(bbox, np.zeros((1, 1)))  # checks the box, and maps positions
        names = "xyz" if w is None else "xyzw"
        points = [positions_of(values, name) for values, name in zip((x, y, z, w), names, strict=False)]
        if any(values.ndim != 1 or values.size != points[0].size for values in points):
            shapes = ", ".join(f"{name} {values.shape}" for name, values in zip(names, points, strict=True))
            raise LengthError(f"The shapes are {shapes}; all must be equal and have one dimension")
        some = ([values[rows] for values in points] for rows in row_bands(points[0].size, 1, _MOST_POINTS))
        return cls(bbox, field._fitted(some, ctrl))

    def _fitted(
        self, points: Iterable[list[np.ndarray]], ctrl: ChebyshevBoundedFieldControl, depth: int = 2
    ) -> np.ndarray:
        """Fit coefficients over the box of this field to bands of points: x, y, z and optionally weights.

        The caller of the fit, whom a warning concerns, is `depth` calls above this one.
        """
        used = ctrl._used()

        def equations() -> Iterator[np.ndarray]:
            for band in points:
                finite = np.logical_and.reduce([np.isfinite(values) for values in band])
                x, y, z, *w = (values[finite] for values in band)
                u, v = self._mapped(x, y)
                # The terms are the rows while they are computed, so that each is a product of contiguous vectors.
                along, across = chebyshev.chebvander(v, ctrl.orderY).T, chebyshev.chebvander(u, ctrl.orderX).T
                columns = np.array([*(along[i] * across[j] for i, j in np.argwhere(used)), z])
                yield (columns * w[0] if w else columns).T

        return _solved(equations(), used, depth + 1)

    @classmethod
    def _fit_image(cls, image: Any, ctrl: ChebyshevBoundedFieldControl) -> ChebyshevBoundedField:
        if isinstance(image, MaskedImage | Exposure):
            raise InvalidParameterError(f"image is a {type(image).__name__}; pass its image plane, image.image")
        planes = as_planes(image)
        values = planes.image
        if planes.mask is not None:
            values = np.where(planes.mask & np.int32(planes.reject), np.nan, values)
        height, width = values.shape
        box = Box2I(Point2I(planes.x0, planes.y0), Point2I(planes.x0 + width - 1, planes.y0 + height - 1), invert=False)
        field = cls(box, np.zeros((1, 1)))
        x = np.arange(box.getBeginX(), box.getEndX(), dtype=np.float64)
        y = np.arange(box.getBeginY(), box.getEndY(), dtype=np.float64)
        # On a grid, every function that can be fitted is a combination of products of orthogonal vectors along the rows
        # and the columns, so that the projections on these hold all that the fit needs to know of the pixels.
        used = ctrl._used()
        u, v = field._mapped(x, y)
        (along, right), (across, upper) = (
            np.linalg.qr(chebyshev.chebvander(*axis)) for axis in ((v, ctrl.orderY), (u, ctrl.orderX))
        )
        design = np.einsum("ai,bj->abij", right, upper)[:, :, used].reshape(-1, int(used.sum()))
        projected, products = _projections(values, along, across)
        # Holes disturb the orthogonality of the products, usually little; the root of their products restores it.
        powers, axes = np.linalg.eigh(products)
        if not powers[0] > _LEAST_POWER * powers[-1]:
            rows = row_bands(height, width, _MOST_POINTS)
            points = ([*np.broadcast_arrays(x, y[k, None], values[k])] for k in rows)
            return cls(box, field._fitted(points, ctrl, 3))
        root = np.sqrt(powers)
        equations = np.column_stack([root[:, None] * (axes.T @ design), axes.T @ projected / root])
        return cls(box, _solved([equations], used, 3))

    @classmethod
    def approximate(
        cls,
        boundedField: BoundedField | Box2I,
        function: Callable[[np.ndarray, np.ndarray], Any] | int | None = None,
        orderX: int | None = None,
        orderY: int | None = None,
        *,
        triangular: bool = False,
    ) -> ChebyshevBoundedField:
        """Approximate another field, or a function over a box, by a Chebyshev series.

        Forms of the call::

            approximate(boundedField, orderX=3, orderY=3)
            approximate(bbox, function, orderX=3, orderY=3)

        Parameters
        ----------
        boundedField : BoundedField or Box2I
            Field to approximate, or the box over which a function is approximated.
        function : callable
            Called once, with arrays x and y of equal shapes; must return an array of that shape, or one number.
        orderX, orderY : int, optional
            Highest orders.
        triangular : bool, optional
            Whether to use only terms of which the sum of both orders is at most the higher order.

        Returns
        -------
        ChebyshevBoundedField
            Series that the values at the nodes of a higher Chebyshev polynomial determine; its error is near the
            smallest one that a series of these orders can have.

        Raises
        ------
        evensky.errors.InvalidParameterError
            If an argument has a wrong type, or the values are not finite or have a wrong shape.
        """
        if isinstance(boundedField, BoundedField):
            bbox, sampled = boundedField.getBBox(), boundedField.evaluate
            if function is not None:
                if callable(function) or (orderX is not None and orderY is not None):
                    raise InvalidParameterError("approximate takes a field and two orders; a function needs a Box2I")
                orderX, orderY = function, orderX if orderX is not None else orderY
        elif callable(function):
            bbox, sampled = boundedField, function
        else:
            raise InvalidParameterError(
                f"approximate takes a BoundedField, or a Box2I and a function; got {shown(boundedField)} and "
                f"{shown(function)}"
            )
        orders = [3 if order is None else order for order in (orderX, orderY)]
        ctrl = ChebyshevBoundedFieldControl(orders[0], orders[1], triangular)
        used = ctrl._used()
        unit = cls(bbox, np.zeros((1, 1)))
        u, v = (np.cos(np.pi * (np.arange(n) + 0.5) / n) for n in (max(_LEAST_NODES, 2 * k) for k in used.T.shape))
        across, along = np.meshgrid(
            unit._bbox.getCenterX() + u * unit._bbox.getWidth() / 2,
            unit._bbox.getCenterY() + v * unit._bbox.getHeight() / 2,
        )
        values = regular(sampled(across, along))
        if values.shape not in ((), across.shape) or values.dtype.kind not in "biuf" or not np.isfinite(values).all():
            raise InvalidParameterError(
                f"The function returned {shown(values)} of shape {values.shape}; finite numbers of shape "
                f"{across.shape} or a single number are needed"
            )
        values = np.broadcast_to(values, across.shape)
        # The polynomials are orthogonal over these nodes, with norm n for order 0 and n / 2 for others.
        projected = chebyshev.chebvander(v, ctrl.orderY).T @ values @ chebyshev.chebvander(u, ctrl.orderX)
        projected *= 4 / (u.size * v.size)
        projected[0] /= 2
        projected[:, 0] /= 2
        return cls(bbox, np.where(used, projected, 0.0))

    def _mapped(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Map positions so that the box reaches from -1 to +1."""
        box = self._bbox
        return 2 * (x - box.getCenterX()) / box.getWidth(), 2 * (y - box.getCenterY()) / box.getHeight()

    def _evaluate(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        u, v = self._mapped(x, y)
        return np.asarray(chebyshev.chebval2d(v, u, self._coefficients))

    def _on_grid(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        u, v = self._mapped(x, y)
        orders = np.array(self._coefficients.shape) - 1
        grid: np.ndarray = chebyshev.chebvander(v, orders[0]) @ (
            self._coefficients @ chebyshev.chebvander(u, orders[1]).T
        )
        return grid

    def getCoefficients(self) -> np.ndarray:
        """Return the coefficients, shape ``(ny, nx)``, as an array that cannot be written to."""
        return self._coefficients

    def integrate(self) -> float:
        """Return the integral of the field over its box, to the outer edges of the pixels."""
        return self.mean() * self._bbox.getArea()

    def mean(self) -> float:
        """Return the mean of the field over its box, to the outer edges of the pixels."""
        # The mean of T_n over -1 ... +1 is 1 / (1 - n^2) for even n, and 0 for odd n.
        even = self._coefficients[::2, ::2]
        i, j = (1 / (1 - (2.0 * np.arange(n)) ** 2) for n in even.shape)
        return float(i @ even @ j)

    def truncate(self, ctrl: ChebyshevBoundedFieldControl) -> ChebyshevBoundedField:
        """Return a field without the terms of higher order than a control allows.

        Raises
        ------
        evensky.errors.LengthError
            If an order of `ctrl` is higher than that of the field.
        """
        used = ctrl._used()
        for name, new, old in zip("yx", used.shape, self._coefficients.shape, strict=True):
            if new > old:
                raise LengthError(f"The new {name} order, {new - 1}, exceeds that of the field, {old - 1}")
        rows, columns = used.shape
        return type(self)(self._bbox, np.where(used, self._coefficients[:rows, :columns], 0.0))

    def relocate(self, bbox: Box2I) -> ChebyshevBoundedField:
        """Return a field with the same coefficients over another box, to which it is stretched and moved."""
        return type(self)(bbox, self._coefficients)

    def __mul__(self, factor: Any) -> ChebyshevBoundedField:
        return type(self)(self._bbox, self._coefficients * real_number(factor, "The factor of a field"))

    __rmul__ = __mul__

    def __truediv__(self, divisor: Any) -> ChebyshevBoundedField:
        number = real_number(divisor, "The divisor of a field")
        if number == 0:
            raise InvalidParameterError("A field cannot be divided by 0; any other number is allowed")
        return type(self)(self._bbox, self._coefficients / number)

    def writeFits(self, fileName: str | Path, overwrite: bool = True) -> None:
        """Write the field to a FITS file, in a layout of evensky: the primary HDU holds the coefficients.

        Raises
        ------
        evensky.errors.FitsError
            If the file cannot be written, or exists and `overwrite` is false.
        """
        _write([self], self, fileName, overwrite)

    @staticmethod
    def readFits(fileName: str | Path) -> BoundedField:
        """Read a field that ``writeFits`` of this class or of `ProductBoundedField` has written.

        Raises
        ------
        evensky.errors.FitsError
            If the file is missing, broken or does not hold a field.
        """
        return _read(fileName)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ChebyshevBoundedField):
            return NotImplemented
        return self._bbox == other._bbox and np.array_equal(self._coefficients, other._coefficients)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> Any:
        return type(self), (self._bbox, np.array(self._coefficients))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._bbox!r}, {self._coefficients.tolist()!r})"


def _projections(values: np.ndarray, along: np.ndarray, across: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Project the finite pixels of an image on products of vectors along its rows and columns.

    Parameters
    ----------
    values : ndarray, shape (height, width)
    along, across : ndarray, shapes (height, ny) and (width, nx)

    Returns
    -------
    projections : ndarray, shape (ny nx,)
    products : ndarray, shape (ny nx, ny nx)
        Inner products of the products of vectors over the finite pixels.
    """
    (height, ny), (width, nx) = along.shape, across.shape
    pairs_along = (along[:, :, None] * along[:, None]).reshape(height, -1)
    pairs_across = (across[:, :, None] * across[:, None]).reshape(width, -1)
    projected, products = np.zeros((ny, nx)), np.zeros((ny**2, nx**2))
    for rows in row_bands(height, width, _MOST_PIXELS):
        band, finite = values[rows], np.isfinite(values[rows])
        if finite.all():
            products += np.outer(pairs_along[rows].sum(axis=0), pairs_across.sum(axis=0))
        else:
            band = np.where(finite, band, 0)
            products += pairs_along[rows].T @ (finite.astype(np.float64) @ pairs_across)
        projected += along[rows].T @ (band @ across)
    by_vectors = products.reshape(ny, ny, nx, nx).transpose(0, 2, 1, 3)
    return projected.ravel(), by_vectors.reshape(ny * nx, ny * nx)


def _solved(equations: Iterable[np.ndarray], used: np.ndarray, depth: int) -> np.ndarray:
    """Solve equations in the least-squares sense for the coefficients that are used; the others become 0.

    Parameters
    ----------
    equations : iterable of ndarray, shape (n, n_terms + 1)
        Rows of factors of the coefficients, and the right-hand side.
    used : ndarray of bool, shape (ny, nx)
    depth : int
        Number of calls from the caller of the fit, whom a warning concerns, to this one.
    """
    count = int(used.sum())
    triangle = np.zeros((0, count + 1))
    for some in equations:
        # Only the triangular factor is kept: it has the same solution.
        triangle = np.asarray(np.linalg.qr(np.vstack([triangle, some]), mode="r"))
    if not len(triangle):
        raise errors.RuntimeError("No point is finite, so that there is nothing to fit")
    solution, _, rank, _ = np.linalg.lstsq(triangle[:, :-1], triangle[:, -1], rcond=None)
    if rank < count:
        warnings.warn(
            f"The points determine {rank} of {count} terms; the smallest coefficients that fit are used. "
            "Lower the order, or add points",
            stacklevel=depth + 1,
        )
    coefficients = np.zeros(used.shape)
    coefficients[used] = solution
    return coefficients


class ProductBoundedField(BoundedField):
    """Product of fields over one box.

    Parameters
    ----------
    factors : sequence of BoundedField
        Fields whose boxes are equal.

    Raises
    ------
    evensky.errors.LengthError
        If there is no factor.
    evensky.errors.InvalidParameterError
        If a factor is not a field, or the boxes differ.
    """

    def __init__(self, factors: Iterable[BoundedField]) -> None:
        self._factors = tuple(factors)
        if not self._factors:
            raise LengthError("There are no factors; a product needs at least one")
        for factor in self._factors:
            if not isinstance(factor, BoundedField):
                raise InvalidParameterError(f"A factor is a {type(factor).__name__}; it must be a BoundedField")
            if factor.getBBox() != self._factors[0].getBBox():
                raise InvalidParameterError(
                    f"The factors have the boxes {self._factors[0].getBBox()} and {factor.getBBox()}; all must be equal"
                )
        super().__init__(self._factors[0].getBBox())

    def getFactors(self) -> list[BoundedField]:
        """Return the factors."""
        return list(self._factors)

    def _evaluate(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        result = np.ones(x.shape)
        for factor in self._factors:
            result = result * factor._evaluate(x, y)
        return result

    def _on_grid(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        result = self._factors[0]._on_grid(x, y)
        for factor in self._factors[1:]:
            result = result * factor._on_grid(x, y)
        return result

    def __mul__(self, factor: Any) -> ProductBoundedField:
        number = ChebyshevBoundedField(self._bbox, [[real_number(factor, "The factor of a field")]])
        return type(self)((*self._factors, number))

    __rmul__ = __mul__

    def __truediv__(self, divisor: Any) -> ProductBoundedField:
        one = ChebyshevBoundedField(self._bbox, [[1.0]])
        return type(self)((*self._factors, one / divisor))

    def writeFits(self, fileName: str | Path, overwrite: bool = True) -> None:
        """Write the product to a FITS file, in a layout of evensky: each HDU holds the coefficients of a factor.

        Raises
        ------
        evensky.errors.InvalidParameterError
            If a factor is neither a `ChebyshevBoundedField` nor a product of such fields.
        evensky.errors.FitsError
            If the file cannot be written, or exists and `overwrite` is false.
        """
        _write(self._series(), self, fileName, overwrite)

    readFits = staticmethod(ChebyshevBoundedField.readFits)

    def _series(self) -> list[ChebyshevBoundedField]:
        series: list[ChebyshevBoundedField] = []
        for factor in self._factors:
            if not isinstance(factor, ChebyshevBoundedField | ProductBoundedField):
                raise InvalidParameterError(
                    f"A factor is a {type(factor).__name__}; only a ChebyshevBoundedField can be written to a file"
                )
            series += [factor] if isinstance(factor, ChebyshevBoundedField) else factor._series()
        return series

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ProductBoundedField):
            return NotImplemented
        return self._factors == other._factors

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self._factors)!r})"


def _write(series: list[ChebyshevBoundedField], field: BoundedField, path: str | Path, overwrite: bool) -> None:
    from astropy.io import fits

    hdus = fits.HDUList()
    for number, one in enumerate(series):
        hdu = (fits.ImageHDU if number else fits.PrimaryHDU)(np.array(one.getCoefficients()))
        hdu.header["FIELD"] = type(field).__name__
        box = one.getBBox()
        numbers = (box.getMinX(), box.getMinY(), box.getWidth(), box.getHeight())
        hdu.header.update(zip(_BOX, numbers, strict=True))
        hdus.append(hdu)
    write_hdus(hdus, path, overwrite)


def _read(path: str | Path) -> BoundedField:
    series = []
    with opened(path) as hdus:
        for number, hdu in enumerate(hdus):
            if missing := [name for name in ("FIELD", *_BOX) if name not in hdu.header]:
                raise FitsError(f"{path}: HDU {number} lacks {', '.join(missing)}; is this a field?")
            kind = str(hdu.header["FIELD"])
            try:
                x0, y0, width, height = (int(hdu.header[name]) for name in _BOX)
                box = Box2I(Point2I(x0, y0), Extent2I(width, height))
                series.append(ChebyshevBoundedField(box, pixels_of(hdu, path)))
            except ValueError as error:
                raise FitsError(f"{path}: HDU {number} holds no field: {error}") from error
    return ProductBoundedField(series) if kind == ProductBoundedField.__name__ else series[0]
