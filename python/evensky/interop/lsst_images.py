"""Conversion from and to the images, masks and background models of ``lsst.images``, the package of Rubin's pipelines.

It needs ``pip install "evensky[images]"`` and Python 3.12 or newer. ``lsst.images`` is imported only when one of its
objects is made; converting its objects from it needs no import.
"""

from __future__ import annotations

__all__ = [
    "PLANE_ALIASES",
    "from_background_map",
    "from_masked_image",
    "from_visit_image",
    "plane_alias",
    "planes_of",
    "read_file",
    "to_background_map",
    "to_chebyshev_field",
    "to_masked_image",
    "to_spline_field",
    "to_visit_image",
    "write_file",
]

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from .. import _core
from .._checks import shown
from ..errors import FitsError, InvalidParameterError, LengthError
from ..fits.atomic import atomic_path
from ..fits.opening import opened
from ..fits.tiles import try_tiles
from ..geom import Box2I, Extent2I, Point2I, box_numbers
from ..image import Exposure, Image, ImageF, Mask, MaskedImage
from ..image.foreign import Planes, is_lsst_images
from ..image.foreign import planes_of_lsst_images as planes_of
from ..image.lsst_masks import PLANE_ALIASES, lsst_name, name_in_schema, packed_mask, plane_alias
from ..io import read_exposure
from ..math import Approximate, ApproximateControl, BackgroundMI, Interpolate, UndersampleStyle

# Largest difference between a SplineField and its background, relative to the largest bin: well below the rounding of
# float32.
_SAME = 1e-9
_AKIMA_POINTS = 5


def _lsst_images(module: str = "lsst.images") -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f'{module} cannot be imported ({error}); pip install "evensky[images]", on Python 3.12 or newer'
        ) from error


# ---- masks ----


def _descriptions() -> dict[str, str]:
    """Return the descriptions of the mask planes that ``lsst.images`` defines."""
    images = _lsst_images()
    known: dict[str, str] = {}
    for kind in ("visit_image", "difference_image", "deep_coadd", "non_cell_coadd", "template", "optional"):
        for plane in getattr(images, f"get_legacy_{kind}_mask_planes")().values():
            known.setdefault(plane.name, plane.description)
    return known


def _new_plane(name: str) -> Any:
    return _lsst_images().MaskPlane(name, _descriptions().get(name, ""))


def _new_mask(mask: Mask, box: Any, sky_projection: Any) -> Any:
    """Make a mask with one int32 element per pixel; it shares the pixels if all plane numbers are below 31."""
    images = _lsst_images()
    own = mask.getMaskPlaneDict()
    places: list[Any] = [None] * (max(own.values(), default=-1) + 1)
    for name, number in own.items():
        places[number] = _new_plane(lsst_name(name, own))
    schema = images.MaskSchema(places, dtype=np.int32)
    array = mask.array[..., np.newaxis] if schema.mask_size == 1 else packed_mask(mask, schema)
    return images.Mask(array, schema=schema, bbox=box, sky_projection=sky_projection)


# ---- images ----


def from_masked_image(masked: Any) -> MaskedImage:
    """Convert a masked image of ``lsst.images`` to one of `evensky.image`.

    Parameters
    ----------
    masked : lsst.images.MaskedImage
        Masked image, or an object of a subclass such as ``VisitImage``.

    Returns
    -------
    MaskedImageF, MaskedImageD, MaskedImageI, MaskedImageU or MaskedImageL
        Masked image of the same dtype and origin. The pixels are shared as by `planes_of`, unless they are read-only.
        Mask planes have the names of `PLANE_ALIASES`.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If `masked` is not a masked image, or its mask has more than 32 planes.
    """
    if not is_lsst_images(masked) or hasattr(masked, "array"):
        raise InvalidParameterError(f"{shown(masked)} is a {type(masked).__name__}; a MaskedImage is needed")
    return _masked(planes_of(masked))


def _masked(planes: Planes) -> MaskedImage:
    image: Image = Image(planes.image, xy0=(planes.x0, planes.y0))
    mask = None if planes.mask is None else Mask(planes.mask, mask_planes=planes.mask_planes)
    return MaskedImage(image, mask, planes.variance)


def from_visit_image(visit: Any) -> Exposure:
    """Convert a visit image of ``lsst.images`` to an exposure.

    Parameters
    ----------
    visit : lsst.images.VisitImage
        Visit image; an ``Image`` or ``MaskedImage`` is accepted, too, and gives an exposure without the missing parts.

    Returns
    -------
    ExposureF or another kind of Exposure
        Exposure with the pixels that `from_masked_image` returns. ``metadata`` holds those metadata that a FITS header
        can hold, and the unit as BUNIT; ``wcs`` is the FITS WCS or its approximation, if there is one; ``dataId`` holds
        the identifiers of the pixel frame: instrument, visit and detector, or skymap and tract.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If `visit` is not an image, or its mask has more than 32 planes.
    """
    planes = planes_of(visit)
    frame = None if visit.sky_projection is None else visit.sky_projection.pixel_frame
    names = ("instrument", "visit", "detector", "skymap", "tract")
    found = {name: getattr(frame, name, None) for name in names}
    exposure: Exposure = Exposure(_masked(planes), dataId={k: v for k, v in found.items() if v is not None})
    exposure.info.has_variance = planes.variance is not None
    exposure.info.wcs = visit.fits_wcs
    exposure.info.metadata = _header(visit, planes.unit)
    return exposure


def _header(image: Any, unit: str) -> Any:
    from astropy.io.fits import Card, Header

    header = Header()
    for name, value in image.metadata.items():
        try:
            header.append(Card(name if len(name) <= 8 else f"HIERARCH {name}", value), end=True)
        except ValueError:  # FITS does not allow the card, so it is omitted.
            continue
    if unit:
        header["BUNIT"] = unit
    return header


def _box(box: Box2I) -> Any:
    return _lsst_images().Box.from_shape((box.getHeight(), box.getWidth()), start=(box.getMinY(), box.getMinX()))


def _unit(unit: Any) -> Any:
    """Convert a unit or its name to an astropy unit; return None if there is none."""
    from astropy.units import Unit

    if unit is None or unit == "":
        return None
    try:
        return Unit(unit.replace("ADU", "adu") if isinstance(unit, str) else unit)
    except (TypeError, ValueError) as error:
        raise InvalidParameterError(f"unit is {shown(unit)}; it must be a unit that astropy knows") from error


def to_masked_image(
    masked: MaskedImage | Exposure, like: Any = None, *, unit: Any = None, sky_projection: Any = None
) -> Any:
    """Convert a masked image to one of ``lsst.images``.

    Parameters
    ----------
    masked : MaskedImage or Exposure
    like : lsst.images.MaskedImage, optional
        Template that provides everything except the pixel values: the class of the result, dtypes, mask schema, unit,
        projection, metadata, and the other parts of its class. It may be larger than `masked`; its part inside the box
        of `masked` is used. It is not modified.
    unit : astropy unit or str, optional
        Unit of the pixels, only without `like`; if omitted, the BUNIT of an exposure.
    sky_projection : lsst.images.SkyProjection, optional
        Projection, only without `like`; if omitted, the WCS of an exposure.

    Returns
    -------
    lsst.images.MaskedImage, or the type of `like`
        With `like`, the pixels are copied; planes that are set in some pixel but missing from the schema are added.
        Without `like`, the pixels are shared. The mask then has one int32 element per pixel, with the same plane
        numbers and the names of ``lsst.images``; it is shared, too, unless there is a plane with number 31.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If `like` is not a masked image, its dtypes cannot hold the pixels, it is combined with `unit` or
        `sky_projection`, or the unit is unknown.
    evensky.errors.LengthError
        If the box of `masked` is not inside that of `like`.
    """
    exposure = masked if isinstance(masked, Exposure) else None
    pixels = masked.maskedImage if isinstance(masked, Exposure) else masked
    if not isinstance(pixels, MaskedImage):
        raise InvalidParameterError(
            f"{shown(masked)} is a {type(masked).__name__}; a MaskedImage or an Exposure of evensky.image is needed"
        )
    if like is not None:
        if unit is not None or sky_projection is not None:
            raise InvalidParameterError("unit and sky_projection come from like; omit them, or omit like")
        return _filled(like, pixels)
    images = _lsst_images()
    box = _box(pixels.getBBox())
    if exposure is not None:
        unit = exposure.metadata.get("BUNIT") if unit is None else unit
        if sky_projection is None and exposure.wcs is not None:
            sky_projection = _projection(exposure, box)
    image = images.Image(pixels.image.array, bbox=box, unit=_unit(unit), sky_projection=sky_projection)
    mask = _new_mask(pixels.mask, box, sky_projection)
    return images.MaskedImage(image, mask=mask, variance=images.Image(pixels.variance.array, bbox=box))


def _projection(exposure: Exposure, box: Any) -> Any:
    from astropy.units import pix

    images = _lsst_images()
    x0, y0 = exposure.getXY0()
    frame = images.GeneralFrame(unit=pix)
    return images.SkyProjection.from_fits_wcs(exposure.wcs, frame, pixel_bounds=box, x0=x0, y0=y0)


def _filled(like: Any, masked: MaskedImage) -> Any:
    """Return a copy of `like`, or of its part inside the box of `masked`, with the pixels of `masked`."""
    if not is_lsst_images(like) or hasattr(like, "array"):
        raise InvalidParameterError(f"like is a {type(like).__name__}, {shown(like)}; a MaskedImage is needed")
    box = _box(masked.getBBox())
    if not like.bbox.contains(box):
        raise LengthError(f"The box {box} is not inside that of like, {like.bbox}")
    result = (like if like.bbox == box else like[box]).copy()
    for name, plane in (("image", masked.image), ("variance", masked.variance)):
        _assign(getattr(result, name).array, plane.array, name)
    schema = result.mask.schema
    used = int(np.bitwise_or.reduce(masked.mask.array, axis=None)) if masked.mask.array.size else 0
    lacking = [
        lsst_name(name, schema.names)
        for name, number in masked.mask.getMaskPlaneDict().items()
        if used >> number & 1 and name_in_schema(schema, name) not in schema.names
    ]
    if lacking:
        result.mask = result.mask.add_planes([_new_plane(name) for name in lacking])
    result.mask.array[...] = packed_mask(masked.mask, result.mask.schema)
    return result


def _assign(target: np.ndarray, pixels: np.ndarray, name: str) -> None:
    if not np.can_cast(pixels.dtype, target.dtype, "safe"):
        with np.errstate(over="ignore", invalid="ignore"):
            cast = pixels.astype(target.dtype)
        if not np.array_equal(cast.astype(pixels.dtype), pixels, equal_nan=pixels.dtype.kind == "f"):
            raise InvalidParameterError(
                f"The {name} has {pixels.dtype} pixels that {target.dtype}, the dtype of like, cannot hold; convert "
                "one of them first"
            )
    target[...] = pixels


def to_visit_image(exposure: Exposure | MaskedImage, like: Any) -> Any:
    """Convert an exposure to a visit image of ``lsst.images``.

    Parameters
    ----------
    exposure : Exposure or MaskedImage
        Exposure that provides the pixels.
    like : lsst.images.VisitImage
        Template that provides everything else: unit, projection, point-spread function, detector, calibration,
        backgrounds, metadata. It is not modified.

    Returns
    -------
    lsst.images.VisitImage
        Visit image with copies of the pixels, see `to_masked_image`.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If `like` is not a visit image; the other errors of `to_masked_image` apply as well.
    """
    if not all(hasattr(like, name) for name in ("detector", "obs_info", "mask")):
        raise InvalidParameterError(f"like is a {type(like).__name__}, {shown(like)}; a VisitImage is needed")
    return to_masked_image(exposure, like)


# ---- files ----


def read_file(path: str | Path) -> Exposure:
    """Read a file of ``lsst.images``, or a FITS file of the stack, with the reader of ``lsst.images``.

    Parameters
    ----------
    path : str or Path
        File of an ``Image``, ``MaskedImage`` or ``VisitImage``, in FITS or in another format that its suffix gives; or
        FITS file of an exposure or masked image of the stack, all of whose mask planes are kept.

    Returns
    -------
    ExposureF or another kind of Exposure
        Exposure as made by `from_visit_image`; ``dataId`` holds the name of the file if the image has no identifiers.

    Raises
    ------
    evensky.errors.FitsError
        If the file is missing, broken or holds another type; the message is one line that starts with the path.

    Notes
    -----
    `evensky.io.read_exposure` reads both kinds of FITS files without ``lsst.images``, and keeps comments of headers. It
    is also used for files that ``lsst.images`` refuses, such as old files of the stack; ``info.assumptions`` then
    mentions it.
    """
    _lsst_images()
    try:
        image = _read(path)
    except FitsError:
        raise
    except Exception as error:  # Each package involved raises exceptions of its own.
        reason = (" ".join(str(error).split()) or type(error).__name__)[:300]
        try:
            # Old files of the stack name their HDUs by EXTTYPE only, which lsst.images does not support.
            exposure = read_exposure(path)
        except FitsError:
            raise FitsError(f"{path}: lsst.images cannot read it: {reason}") from error
        exposure.info.assumptions.insert(0, f"lsst.images cannot read it ({reason}): read by evensky.io")
        return exposure
    if not is_lsst_images(image):
        raise FitsError(f"{path}: holds a {type(image).__name__}; an Image, a MaskedImage or a VisitImage is needed")
    exposure = from_visit_image(image)
    if not exposure.dataId:
        exposure.dataId = {"file": Path(path).name}
    return exposure


def _read(path: str | Path) -> Any:
    from astropy.units import pix

    images = _lsst_images()
    if not Path(path).exists():
        raise FitsError(f"{path}: there is no such file")
    serialization = _lsst_images("lsst.images.serialization")
    if Path(path).suffix.lower() in (".json", ".sdf", ".h5"):
        return serialization.read_archive(str(path))
    with opened(path) as hdus:
        if "JSONADDR" in hdus[0].header:
            return serialization.read_archive(str(path), format="fits")
        for hdu in hdus:  # the reader would crash on damaged tiles
            try_tiles(hdu, path)
        planes = [card[3:] for hdu in hdus for card in hdu.header if card.startswith("MP_")]
    # The table of the reader lacks planes of some instruments, and the reader refuses pixels that have them.
    known = _descriptions()
    plane_map = {name: images.MaskPlane(new := lsst_name(name, planes), known.get(new, "")) for name in planes}
    return images.MaskedImage.read_legacy(
        str(path), plane_map=plane_map or None, fits_wcs_frame=images.GeneralFrame(unit=pix)
    )


def write_file(
    exposure: Exposure | MaskedImage, path: str | Path, like: Any = None, *, overwrite: bool = False
) -> None:
    """Write a FITS file of ``lsst.images``.

    Parameters
    ----------
    exposure : Exposure or MaskedImage
    path : str or Path
        File to write; it is written atomically.
    like : lsst.images.MaskedImage, optional
        Template, see `to_masked_image`.
    overwrite : bool, optional
        Whether to replace an existing file.

    Raises
    ------
    evensky.errors.FitsError
        If the file cannot be written, or exists and `overwrite` is false; an existing file is then unchanged. The
        errors of `to_masked_image` apply as well.
    """
    image = to_masked_image(exposure, like)
    with atomic_path(path, overwrite=overwrite) as temporary:
        temporary.unlink()  # lsst.images refuses to overwrite a file.
        _lsst_images("lsst.images.fits").write(image, str(temporary))


# ---- models ----


def to_chebyshev_field(approximate: Approximate, unit: Any = None) -> Any:
    """Convert a Chebyshev model to a field of ``lsst.images`` with the same series over the same box.

    Parameters
    ----------
    approximate : Approximate
    unit : astropy unit or str, optional

    Returns
    -------
    lsst.images.fields.ChebyshevField

    Raises
    ------
    evensky.errors.InvalidParameterError
        If `approximate` is not an `Approximate`.
    """
    if not isinstance(approximate, Approximate):
        raise InvalidParameterError(f"{shown(approximate)} is a {type(approximate).__name__}; an Approximate is needed")
    order = approximate.getControl().getOrderX()
    matrix = np.zeros((order + 1, order + 1))
    matrix[_triangle(order)] = approximate.coefficients
    fields = _lsst_images("lsst.images.fields")
    return fields.ChebyshevField(_box(approximate.getBBox()), matrix, unit=_unit(unit))


def _triangle(order: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the orders in y and in x of all terms, sorted by total degree n, then x^n, x^(n-1) y, ... y^n."""
    terms = [(q, n - q) for n in range(order + 1) for q in range(n + 1)]
    y, x = np.array(terms).T
    return y, x


def to_spline_field(background: BackgroundMI, unit: Any = None, *, extrapolate: bool = False) -> Any:
    """Convert a spline background to a field of ``lsst.images``, an Akima spline through the same bins.

    Parameters
    ----------
    background : BackgroundMI
        Background of style AKIMA_SPLINE.
    unit : astropy unit or str, optional
    extrapolate : bool, optional
        Whether the field covers the whole box of the image. By default it covers the pixels between the centres of the
        outer bins: beyond these, evensky extrapolates by parabolas and ``lsst.images`` by cubics, which differ by less
        than the error of a bin.

    Returns
    -------
    lsst.images.fields.SplineField
        Field that equals `background` between the centres of the outer bins to the rounding of float64; this is
        checked.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the field would differ from the background; the message holds the reason. It differs for other styles; for
        fewer than five bins, or fewer than five good bins in a column, as evensky then uses simpler splines; and at
        corners between straight lines, which ``lsst.images`` rounds.
    """
    if not isinstance(background, BackgroundMI):
        raise InvalidParameterError(f"{shown(background)} is a {type(background).__name__}; a BackgroundMI is needed")
    control = background.getBackgroundControl()
    if control.getApproximateControl().getStyle() != ApproximateControl.UNKNOWN:
        raise InvalidParameterError("The background is a Chebyshev approximation; use to_chebyshev_field")
    if control.getInterpStyle() != Interpolate.Style.AKIMA_SPLINE:
        raise InvalidParameterError(
            f"The style is {control.getInterpStyle().name}; a SplineField is always an AKIMA_SPLINE"
        )
    values = np.array(background.getStatsImage().image.array)
    _check_bins(values)
    fields = _lsst_images("lsst.images.fields")
    whole = _box(background.getImageBBox())
    x, y = background.getBinCentersX(), background.getBinCentersY()
    field = fields.SplineField(whole, values, y=y, x=x, unit=_unit(unit))
    inner = Box2I(
        Point2I(int(np.ceil(x[0])), int(np.ceil(y[0]))), Point2I(int(x[-1] // 1), int(y[-1] // 1)), invert=False
    )
    ours, theirs = background.getImageD(inner).array, field.render(_box(inner), dtype=np.float64).array
    worst = float(np.max(np.abs(ours - theirs), initial=0.0))
    if not worst <= _SAME * float(np.nanmax(np.abs(values))):
        raise InvalidParameterError(
            f"A SplineField of these bins differs by up to {worst:g}; bins must not lie on straight lines with "
            "corners, which it rounds"
        )
    return field if extrapolate else fields.SplineField(_box(inner), values, y=y, x=x, unit=_unit(unit))


def _check_bins(values: np.ndarray) -> None:
    """Raise InvalidParameterError if a bin is infinite, or there are too few bins for Akima splines."""
    rows, columns = values.shape
    if np.isinf(values).any():
        raise InvalidParameterError(f"{int(np.isinf(values).sum())} bins are infinite; all must be finite or NaN")
    if rows < _AKIMA_POINTS or columns < _AKIMA_POINTS:
        raise InvalidParameterError(
            f"There are {columns} x {rows} bins; an equal SplineField needs at least {_AKIMA_POINTS} in each direction"
        )
    good = np.isfinite(values).sum(axis=0)
    fewest, usable = int(good[good > 0].min(initial=rows)), int((good > 0).sum())
    if fewest < _AKIMA_POINTS or usable < _AKIMA_POINTS:
        raise InvalidParameterError(
            f"{usable} columns have good bins, the fewest {fewest}; an equal SplineField needs at least "
            f"{_AKIMA_POINTS} columns with at least {_AKIMA_POINTS} good bins each"
        )


def _pixel_field(background: BackgroundMI, unit: Any) -> Any:
    """Return a SplineField with a knot at each pixel of a background."""
    image = background.getImageF()
    box = image.getBBox()
    x = np.arange(box.getMinX(), box.getMinX() + box.getWidth(), dtype=np.float64)
    y = np.arange(box.getMinY(), box.getMinY() + box.getHeight(), dtype=np.float64)
    return _lsst_images("lsst.images.fields").SplineField(_box(box), image.array, y=y, x=x, unit=_unit(unit))


def to_background_map(
    model: BackgroundMI | Approximate, name: str = "background", *, unit: Any = None, description: str = ""
) -> Any:
    """Convert a model to a background map of ``lsst.images`` with one background.

    Parameters
    ----------
    model : BackgroundMI or Approximate
    name : str, optional
        Name of the background in the map.
    unit : astropy unit or str, optional
    description : str, optional

    Returns
    -------
    lsst.images.BackgroundMap
        Map from which `from_background_map` makes a model with a bit-identical image. The field of the background is

        * a ``ChebyshevField`` for an approximation, and for a background with one bin;
        * otherwise the ``SplineField`` of `to_spline_field` over the whole box of the image, if that can be made;
        * otherwise a ``SplineField`` with a knot at each pixel, which is as large as an image.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If `model` is not a model, or the unit is unknown.
    """
    return _lsst_images().BackgroundMap([_lsst_images().Background(name, _field(model, unit), description)])


def _field(model: BackgroundMI | Approximate, unit: Any) -> Any:
    if isinstance(model, Approximate):
        return to_chebyshev_field(model, unit)
    if not isinstance(model, BackgroundMI):
        raise InvalidParameterError(
            f"{shown(model)} is a {type(model).__name__}; a BackgroundMI or an Approximate is needed"
        )
    actrl = model.getBackgroundControl().getApproximateControl()
    if actrl.getStyle() != ApproximateControl.UNKNOWN:
        undersample = model.getBackgroundControl().getUndersampleStyle()
        return to_chebyshev_field(model.getApproximate(actrl, undersample), unit)
    values = model.getStatsImage().image.array
    if values.size == 1:
        constant = np.array(values, np.float64)
        fields = _lsst_images("lsst.images.fields")
        return fields.ChebyshevField(_box(model.getImageBBox()), constant, unit=_unit(unit))
    unit = _unit(unit)
    try:
        return to_spline_field(model, unit, extrapolate=True)
    except InvalidParameterError:
        return _pixel_field(model, unit)


def from_background_map(background_map: Any, name: str | None = None) -> BackgroundMI | Approximate:
    """Convert a background of a map of ``lsst.images`` to a model.

    Parameters
    ----------
    background_map : lsst.images.BackgroundMap
    name : str, optional
        Name of the background; may be omitted if the map has only one.

    Returns
    -------
    Approximate
        Model of a ``ChebyshevField``. The covariance of its coefficients is unknown and thus NaN.
    BackgroundMI
        Model of a ``SplineField`` whose knots are the centres of bins. Its style is AKIMA_SPLINE; the errors of its
        bins are 0.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the map does not have this background, or its field is of another type or has other knots.
    """
    names = list(background_map)
    if name is None and len(names) == 1:
        name = names[0]
    if name not in names:
        raise InvalidParameterError(f"name is {name!r}; the map holds {', '.join(map(repr, names)) or 'no background'}")
    field = background_map[name].field
    bounds = field.bounds.bbox
    box = Box2I(Point2I(bounds.x.start, bounds.y.start), Extent2I(bounds.x.size, bounds.y.size))
    if hasattr(field, "coefficients"):
        return _from_chebyshev(field.coefficients, box)
    if not all(hasattr(field, part) for part in ("data", "x", "y")):
        raise InvalidParameterError(
            f"The background {name!r} is a {type(field).__name__}; a ChebyshevField or a SplineField is needed"
        )
    model = BackgroundMI(box, ImageF(np.array(field.data, np.float32)))
    for axis, centers, knots in (("x", model.getBinCentersX(), field.x), ("y", model.getBinCentersY(), field.y)):
        if not np.allclose(centers, knots, rtol=0.0, atol=1e-6):
            raise InvalidParameterError(
                f"The background {name!r} has knots in {axis} from {knots[0]} to {knots[-1]}; they must be the centres "
                f"of {len(knots)} bins of its box, from {centers[0]} to {centers[-1]}"
            )
    control = model.getBackgroundControl()
    control.setInterpStyle(Interpolate.Style.AKIMA_SPLINE)
    control.setUndersampleStyle(UndersampleStyle.REDUCE_INTERP_ORDER)
    return model


def _from_chebyshev(matrix: np.ndarray, box: Box2I) -> Approximate:
    rows, columns = np.nonzero(matrix)
    order = int((rows + columns).max(initial=0))
    # The size of a square matrix gives the order of a triangular series, even if its last terms are 0.
    order = max(order, matrix.shape[0] - 1) if matrix.shape[0] == matrix.shape[1] else order
    full = np.zeros((order + 1, order + 1))
    part = matrix[: order + 1, : order + 1]
    full[: part.shape[0], : part.shape[1]] = part
    coefficients = full[_triangle(order)]
    control = ApproximateControl(ApproximateControl.CHEBYSHEV, order, order)
    covariance = np.full(coefficients.size**2, np.nan)
    return Approximate(_core.Approximate(box_numbers(box), control, coefficients, covariance))
