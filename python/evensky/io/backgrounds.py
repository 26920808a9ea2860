"""Lists of backgrounds as FITS files: three HDUs (values, mask, errors) a background, with its box and styles."""

from __future__ import annotations

__all__ = ["read_background_list", "write_background_list"]

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import FitsError
from ..fits.opening import opened
from ..fits.writing import write_hdus
from ..geom import Box2I, Extent2I, Point2I
from ..image import Mask

if TYPE_CHECKING:
    from ..math import BackgroundList

_BOX = ("BKGD_X0", "BKGD_Y0", "BKGD_WIDTH", "BKGD_HEIGHT")
_STYLES = (
    "INTERPSTYLE",
    "UNDERSAMPLESTYLE",
    "APPROXSTYLE",
    "APPROXORDERX",
    "APPROXORDERY",
    "APPROXWEIGHTING",
)


def write_background_list(backgrounds: BackgroundList, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a list of backgrounds.

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
        Where the file cannot be written, or exists and `overwrite` is false.
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
    """Read a list of backgrounds.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    BackgroundList
        Evaluates to the same image as the one that was written.

    Raises
    ------
    evensky.errors.FitsError
        Where the file is missing, broken or holds no such list.
    """
    from ..math import (
        ApproximateControl,
        BackgroundControl,
        BackgroundList,
        BackgroundMI,
        Interpolate,
        UndersampleStyle,
    )

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


def _stats_image(values: np.ndarray, mask_hdu: Any, errors: np.ndarray) -> Any:
    from ..image import ImageF, MaskedImageF

    planes = {name[3:]: int(mask_hdu.header[name]) for name in mask_hdu.header if name.startswith("MP_")}
    mask = Mask(np.array(mask_hdu.data, dtype=np.int32), mask_planes=planes or None)
    return MaskedImageF(ImageF(np.array(values, np.float32)), mask, ImageF(np.array(errors, np.float32)))
