"""Lists of backgrounds, and their FITS files: three HDUs (values, mask, errors) for each background."""

from __future__ import annotations

__all__ = ["BackgroundList", "read_background_list", "write_background_list"]

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .._checks import shown
from ..errors import FitsError, InvalidParameterError, OutOfRangeError
from ..fits.opening import opened
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


class BackgroundList:
    """A list of backgrounds whose sum is the model, each with the styles with which it is evaluated.

    Parameters
    ----------
    *args : BackgroundMI or tuple
        Backgrounds, or tuples ``(background, interpStyle, undersampleStyle, approximateStyle, approximateOrderX,
        approximateOrderY, approximateWeighting)``.
    """

    def __init__(self, *args: Any) -> None:
        self._backgrounds: list[tuple[Any, ...]] = []
        for value in args:
            self.append(value)

    def append(self, value: Any) -> None:
        """Add a background, or a tuple with styles; omitted styles are those of the background's control."""
        background, *rest = value if isinstance(value, tuple) and value else (value,)
        if not isinstance(background, BackgroundMI):
            raise InvalidParameterError(
                f"A BackgroundList holds BackgroundMI objects; got a {type(background).__name__}, {shown(background)}"
            )
        control = background.getBackgroundControl()
        actrl = control.getApproximateControl()
        defaults = (
            control.getInterpStyle(),
            control.getUndersampleStyle(),
            actrl.getStyle(),
            actrl.getOrderX(),
            actrl.getOrderY(),
            actrl.getWeighting(),
        )
        if len(rest) > len(defaults):
            raise InvalidParameterError(f"A BackgroundList takes tuples of up to 7 values; got {len(rest) + 1}")
        styles: tuple[Any, ...] = (*rest, *defaults[len(rest) :])
        self._backgrounds.append(
            (
                background,
                interp_style(styles[0]),
                undersample_style(styles[1]),
                by_number(ApproximateControl.Style, styles[2]),
                *styles[3:],
            )
        )

    def clone(self) -> BackgroundList:
        """Return a list of the same backgrounds."""
        return BackgroundList(*self._backgrounds)

    def getImage(self) -> ImageF:
        """Return the sum of all backgrounds.

        Raises
        ------
        evensky.errors.InvalidParameterError
            If the list is empty.
        """
        if not self._backgrounds:
            raise InvalidParameterError("The BackgroundList is empty; it takes at least 1 background to make an image")
        total: ImageF | None = None
        for background, style, undersample, approximate, orderX, orderY, weighting in self._backgrounds:
            if approximate != ApproximateControl.UNKNOWN:
                actrl = ApproximateControl(approximate, orderX, orderY, weighting)
                image = background.getApproximate(actrl, undersample).getImage()
            else:
                image = background.getImageF(style, undersample)
            if total is None:
                total = image
            else:
                total += image
        assert total is not None  # the list is not empty
        return total

    def writeFits(self, fileName: str | Path, overwrite: bool = True) -> None:
        """Write the whole list to a FITS file. See `write_background_list`."""
        write_background_list(self, fileName, overwrite=overwrite)

    @staticmethod
    def readFits(fileName: str | Path) -> BackgroundList:
        """Read a list that `writeFits` has written."""
        return read_background_list(fileName)

    def __len__(self) -> int:
        return len(self._backgrounds)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self._backgrounds)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        if not -len(self) <= index < len(self):
            raise OutOfRangeError(f"Index {index} is outside a BackgroundList of {len(self)}")
        return self._backgrounds[index]

    def extend(self, values: Iterable[Any]) -> None:
        """Add several backgrounds."""
        for value in values:
            self.append(value)


def write_background_list(backgrounds: BackgroundList, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a list of backgrounds to a FITS file.

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

    hdus = fits.HDUList([fits.PrimaryHDU()])
    for number, (background, *styles) in enumerate(backgrounds):
        box = background.getImageBBox()
        stats = background.getStatsImage()
        for kind, array in zip(("IMAGE", "MASK", "VARIANCE"), stats.getArrays(), strict=True):
            hdu = fits.ImageHDU(np.array(array), name=kind, ver=number + 1)
            hdu.header["EXTTYPE"] = kind
            if kind == "IMAGE":
                values = (box.getMinX(), box.getMinY(), box.getWidth(), box.getHeight())
                for name, value in (*zip(_BOX, values, strict=True), *zip(_STYLES, styles, strict=True)):
                    hdu.header[f"HIERARCH {name}"] = value if isinstance(value, bool) else int(value)
            if kind == "MASK":
                for name, bit in stats.mask.getMaskPlaneDict().items():
                    hdu.header[f"HIERARCH MP_{name}"] = bit
            hdus.append(hdu)
    write_hdus(hdus, path, overwrite)


def read_background_list(path: str | Path) -> BackgroundList:
    """Read a list of backgrounds from a FITS file.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    BackgroundList
        It evaluates to the same image as the list that was written.

    Raises
    ------
    evensky.errors.FitsError
        If the file is missing, broken or does not hold a list of backgrounds.
    """
    backgrounds = BackgroundList()
    with opened(path) as hdus:
        planes = list(hdus[1:])
        if not planes or len(planes) % 3:
            raise FitsError(f"{path}: holds {len(planes)} image HDUs; a list of backgrounds has three for each")
        for values, mask, errors in zip(planes[::3], planes[1::3], planes[2::3], strict=True):
            header = values.header
            if missing := [name for name in (*_BOX, *_STYLES) if name not in header]:
                raise FitsError(f"{path}: HDU {values.name} lacks {', '.join(missing)}; is this a list of backgrounds?")
            x0, y0, width, height = (int(header[name]) for name in _BOX)
            style, undersample, approximate, orderX, orderY, weighting = (header[name] for name in _STYLES)
            stats = _stats_image(values.data, mask, errors.data)
            background = BackgroundMI(Box2I(Point2I(x0, y0), Extent2I(width, height)), stats)
            control: BackgroundControl = background.getBackgroundControl()
            control.setInterpStyle(Interpolate.Style(int(style)))
            control.setUndersampleStyle(UndersampleStyle(int(undersample)))
            actrl = ApproximateControl(
                ApproximateControl.Style(int(approximate)), int(orderX), int(orderY), bool(weighting)
            )
            control.setApproximateControl(actrl)
            backgrounds.append(background)
    return backgrounds


def _stats_image(values: np.ndarray, mask_hdu: Any, errors: np.ndarray) -> MaskedImageF:
    """Make a statistics image of the planes of three HDUs."""
    planes = {name[3:]: int(mask_hdu.header[name]) for name in mask_hdu.header if name.startswith("MP_")}
    mask = Mask(np.array(mask_hdu.data, dtype=np.int32), mask_planes=planes or None)
    return MaskedImageF(ImageF(np.array(values, np.float32)), mask, ImageF(np.array(errors, np.float32)))
