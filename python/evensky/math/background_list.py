"""Lists of backgrounds, and their FITS files: three HDUs (values, mask, errors) for each background."""

from __future__ import annotations

__all__ = ["BackgroundList", "read_background_list", "write_background_list"]

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, overload

import numpy as np

from .._checks import shown
from ..errors import FitsError, InvalidParameterError, OutOfRangeError
from ..fits.opening import opened, wrong_sums
from ..fits.tiles import pixels_of
from ..fits.writing import write_hdus
from ..geom import Box2I, Extent2I, Point2I
from ..image import ImageF, Mask, MaskedImageF
from .approximate import ApproximateControl
from .background import BackgroundControl, BackgroundMI, UndersampleStyle, undersample_style
from .interpolate import Interpolate, by_number, interp_style

_BOX = ("BKGD_X0", "BKGD_Y0", "BKGD_WIDTH", "BKGD_HEIGHT")
_STYLES = (
    "INTERPSTYLE",
    "UNDERSAMPLESTYLE",
    "APPROXSTYLE",
    "APPROXORDERX",
    "APPROXORDERY",
    "APPROXWEIGHTING",
)
# Only in files of fits that are weighted by 1 / error^2, which lsst.afw.math does not know.
_WEIGHT_POWER = "APPROXWEIGHTPOWER"

# Kind of each style of an entry after its background.
_TO_STYLE: tuple[Callable[[Any], Any], ...] = (
    interp_style,
    undersample_style,
    lambda style: by_number(ApproximateControl.Style, style),
    *(lambda value: value,) * 3,
)


class BackgroundList:
    """A list of backgrounds whose sum is the model, each with the styles with which it is evaluated.

    Parameters
    ----------
    *args : BackgroundMI or tuple
        Backgrounds, or tuples ``(background, interpStyle, undersampleStyle, approximateStyle, approximateOrderX,
        approximateOrderY, approximateWeighting)``.

    Examples
    --------
    >>> import numpy as np
    >>> from evensky.math import BackgroundControl, BackgroundList, makeBackground
    >>> image = np.full((60, 80), 7.0, np.float32)
    >>> background = makeBackground(image, BackgroundControl("LINEAR", 4, 3))
    >>> backgrounds = BackgroundList(background, (background, "CONSTANT", "THROW_EXCEPTION"))
    >>> float(backgrounds.getImage().array.max())
    14.0
    """

    def __init__(self, *args: Any) -> None:
        # Backgrounds with six styles each; those that are not settled are None.
        self._backgrounds: list[tuple[Any, ...]] = []
        for value in args:
            self.append(value)

    def append(self, value: Any) -> None:
        """Add a background, or a tuple with styles.

        Styles that are omitted or None are those with which the background was evaluated: the last ones, or, if it has
        not been evaluated yet, the first ones after this call. Without an evaluation they are those of its control.

        Raises
        ------
        evensky.errors.InvalidParameterError
            If the value is not a background or a tuple with up to 7 values of which the first is one, or if a style
            does not exist.
        """
        background, *rest = value if isinstance(value, tuple | list) and value else (value,)
        if not isinstance(background, BackgroundMI):
            raise InvalidParameterError(
                f"A BackgroundList holds BackgroundMI objects; got a {type(background).__name__}, {shown(background)}"
            )
        if len(rest) > len(_STYLES):
            raise InvalidParameterError(f"A BackgroundList takes tuples of up to 7 values; got {len(rest) + 1}")
        styles = [*rest, *[None] * (len(_STYLES) - len(rest))]
        entry = tuple(None if style is None else to(style) for to, style in zip(_TO_STYLE, styles, strict=True))
        used = background.getAsUsedInterpStyle() != Interpolate.UNKNOWN
        self._backgrounds.append(_settled((background, *entry), _last_used) if used else (background, *entry))

    def clone(self) -> BackgroundList:
        """Return a list of the same backgrounds."""
        return BackgroundList(*self)

    def getImage(self) -> ImageF:
        """Return the sum of all backgrounds.

        Each background is evaluated with its approximation if its tuple or its control has one, otherwise with its
        styles.

        Raises
        ------
        evensky.errors.InvalidParameterError
            If the list is empty.
        """
        total: ImageF | None = None
        for background, style, undersample, *approximation in self:
            if approximation[0] == ApproximateControl.UNKNOWN:
                image = background.getImageF(style, undersample)
            else:
                image = background.getApproximate(_control(background, approximation), undersample).getImage()
            if total is None:
                total = image
            else:
                total += image
        if total is None:
            raise InvalidParameterError("The BackgroundList is empty; it takes at least 1 background to make an image")
        return total

    def writeFits(self, fileName: str | Path, flags: int = 0, *, overwrite: bool = True) -> None:
        """Write the whole list to a FITS file. See `write_background_list`.

        Parameters
        ----------
        fileName : str or Path
        flags : int, optional
            Accepted for compatibility with ``lsst.afw.math``, and ignored.
        overwrite : bool, optional
            Replace an existing file.
        """
        write_background_list(self, fileName, overwrite=overwrite)

    @staticmethod
    def readFits(fileName: str | Path, hdu: int = 0) -> BackgroundList:
        """Read a list that `writeFits` has written, from an HDU on. See `read_background_list`."""
        return read_background_list(fileName, hdu)

    def __len__(self) -> int:
        return len(self._backgrounds)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for index in range(len(self)):
            yield self[index]

    @overload
    def __getitem__(self, index: int) -> tuple[Any, ...]: ...
    @overload
    def __getitem__(self, index: slice) -> BackgroundList: ...
    def __getitem__(self, index: int | slice) -> tuple[Any, ...] | BackgroundList:
        if isinstance(index, slice):
            return BackgroundList(*[self[one] for one in range(len(self))[index]])
        if not -len(self) <= index < len(self):
            raise OutOfRangeError(f"Index {shown(index)} is outside a BackgroundList of {len(self)}")
        if None in self._backgrounds[index][1:]:
            self._backgrounds[index] = _settled(self._backgrounds[index], _first_used)
        return self._backgrounds[index]

    def extend(self, values: Iterable[Any]) -> None:
        """Add several backgrounds."""
        for value in values:
            self.append(value)


def _last_used(background: BackgroundMI) -> Any:
    return background._as_used


def _first_used(background: BackgroundMI) -> Any:
    return background._first_used or background._as_used


def _settled(entry: tuple[Any, ...], used: Any) -> tuple[Any, ...]:
    """Replace the styles of an entry that are None by those that were used, or by those of the background's control."""
    background, *styles = entry
    control = background.getBackgroundControl()
    actrl = control.getApproximateControl()
    # UNKNOWN: the background has not been evaluated, or it has been by its approximation.
    styles_of = used(background)
    interpolated = styles_of.interpStyle != Interpolate.UNKNOWN
    known = (
        styles_of.interpStyle if interpolated else control.getInterpStyle(),
        styles_of.undersampleStyle if interpolated else control.getUndersampleStyle(),
        actrl.getStyle(),
        actrl.getOrderX(),
        actrl.getOrderY(),
        actrl.getWeighting(),
    )
    return (background, *(default if style is None else style for style, default in zip(styles, known, strict=True)))


def _control(background: BackgroundMI, approximation: Iterable[Any]) -> ApproximateControl:
    """Return the approximation of an entry, with the power of the weights, which tuples do not hold, of its control."""
    actrl = ApproximateControl(*approximation)
    actrl.setWeightPower(background.getBackgroundControl().getApproximateControl().getWeightPower())
    return actrl


def write_background_list(backgrounds: BackgroundList, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a list of backgrounds to a FITS file, as ``lsst.afw.math`` lays it out.

    There are three HDUs for each background: its values, mask and errors. The values of the first background are in the
    primary HDU.

    Parameters
    ----------
    backgrounds : BackgroundList
    path : str or Path
        The file; it appears whole or not at all.
    overwrite : bool, optional
        Replace an existing file.

    Raises
    ------
    evensky.errors.FitsError
        If the file cannot be written, or exists and `overwrite` is false.
    """
    from astropy.io import fits

    hdus = fits.HDUList()
    for number, (background, *styles) in enumerate(backgrounds):
        box = background.getImageBBox()
        stats = background.getStatsImage()
        actrl = background.getBackgroundControl().getApproximateControl()
        unknown = ApproximateControl.UNKNOWN
        if styles[2] == unknown and actrl.getStyle() != unknown:
            # The control's approximation is the one that is evaluated.
            styles[2:] = actrl.getStyle(), actrl.getOrderX(), actrl.getOrderY(), actrl.getWeighting()
        for kind, array in zip(("IMAGE", "MASK", "VARIANCE"), stats.getArrays(), strict=True):
            hdu = fits.ImageHDU(np.array(array)) if hdus else fits.PrimaryHDU(np.array(array))
            hdu.name, hdu.ver = kind, number + 1
            hdu.header["EXTTYPE"] = kind
            if kind == "IMAGE":
                values = (box.getMinX(), box.getMinY(), box.getWidth(), box.getHeight())
                for name, value in (*zip(_BOX, values, strict=True), *zip(_STYLES, styles, strict=True)):
                    hdu.header[f"HIERARCH {name}"] = value if isinstance(value, bool) else int(value)
                if actrl.getWeightPower() != 1:
                    hdu.header[f"HIERARCH {_WEIGHT_POWER}"] = actrl.getWeightPower()
            if kind == "MASK":
                for name, bit in stats.mask.getMaskPlaneDict().items():
                    hdu.header[f"HIERARCH MP_{name}"] = bit
            # Without a time: the same backgrounds give the same bytes.
            hdu.add_datasum("data unit checksum")
            hdus.append(hdu)
    write_hdus(hdus or fits.HDUList([fits.PrimaryHDU()]), path, overwrite)


def read_background_list(path: str | Path, first: int = 0) -> BackgroundList:
    """Read a list of backgrounds from a FITS file.

    Parameters
    ----------
    path : str or Path
        File of `write_background_list` or of ``lsst.afw.math``. The primary HDU may be empty.
    first : int, optional
        HDU with the values of the first background, or the empty one before it.

    Returns
    -------
    BackgroundList
        It evaluates to the same image as the list that was written.

    Raises
    ------
    evensky.errors.FitsError
        If the file is missing, broken or does not hold a list of backgrounds, or if data differ from their DATASUM.
    """
    backgrounds = BackgroundList()
    with opened(path) as hdus:
        planes = list(hdus[first:])
        if planes and planes[0].header.get("NAXIS", 0) == 0:
            planes = planes[1:]
        if not planes or len(planes) % 3:
            raise FitsError(f"{path}: holds {len(planes)} image HDUs; a list of backgrounds has three for each")
        if damaged := wrong_sums(*planes):
            raise FitsError(f"{path}: {damaged[0]}; write the file anew")
        for values, mask, errors in zip(planes[::3], planes[1::3], planes[2::3], strict=True):
            header = values.header
            if missing := [name for name in (*_BOX, *_STYLES) if name not in header]:
                raise FitsError(f"{path}: HDU {values.name} lacks {', '.join(missing)}; is this a list of backgrounds?")
            x0, y0, width, height = (int(header[name]) for name in _BOX)
            style, undersample, approximate, orderX, orderY = (int(header[name]) for name in _STYLES[:-1])
            weighting = bool(header[_STYLES[-1]])
            stats = _stats_image(pixels_of(values, path), mask, pixels_of(errors, path), path)
            background = BackgroundMI(Box2I(Point2I(x0, y0), Extent2I(width, height)), stats)
            control: BackgroundControl = background.getBackgroundControl()
            control.setInterpStyle(Interpolate.Style(style))
            control.setUndersampleStyle(UndersampleStyle(undersample))
            actrl = ApproximateControl(ApproximateControl.Style(approximate), orderX, orderY, weighting)
            actrl.setWeightPower(int(header.get(_WEIGHT_POWER, 1)))
            control.setApproximateControl(actrl)
            backgrounds.append((background, style, undersample, approximate, orderX, orderY, weighting))
    return backgrounds


def _stats_image(values: np.ndarray, mask_hdu: Any, errors: np.ndarray, path: str | Path) -> MaskedImageF:
    """Make a statistics image of the planes of three HDUs."""
    planes = {name[3:]: int(mask_hdu.header[name]) for name in mask_hdu.header if name.startswith("MP_")}
    mask = Mask(np.array(pixels_of(mask_hdu, path), dtype=np.int32), mask_planes=planes or None)
    return MaskedImageF(ImageF(np.array(values, np.float32)), mask, ImageF(np.array(errors, np.float32)))
