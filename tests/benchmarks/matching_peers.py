"""Peers that match exposures, each as one function from images on one pixel grid to matched images.

Images may lie anywhere on that grid; their origins are the positions (x, y) of their first pixels.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Images = Sequence[np.ndarray]
Origins = Sequence[tuple[int, int]]
Peer = Callable[[Images, Origins], list[np.ndarray]]

# Size of the bins of peers that model single exposures or differences.
_BINS = 128


def _header(shape: tuple[int, ...], origin: tuple[int, int] = (0, 0)) -> Any:
    """Return the header of an image on a grid whose first pixel is (0, 0)."""
    from astropy.wcs import WCS

    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [250.42, 0.0]
    wcs.wcs.crpix = [512.0 - origin[0], 512.0 - origin[1]]
    wcs.wcs.cdelt = [-0.4 / 3600, 0.4 / 3600]
    header = wcs.to_header()
    header["NAXIS"], header["NAXIS1"], header["NAXIS2"] = 2, shape[1], shape[0]
    return header


def _extent(images: Images, origins: Origins) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the origin and the shape of the field that all images cover."""
    x0, y0 = min(x for x, _ in origins), min(y for _, y in origins)
    width = max(x + image.shape[1] for image, (x, _) in zip(images, origins, strict=True)) - x0
    height = max(y + image.shape[0] for image, (_, y) in zip(images, origins, strict=True)) - y0
    return (x0, y0), (height, width)


# Rows of NaN between an image and its own strip, and rows of that strip; an interpolation loses one at each edge.
_GAP, _STRIP = 4, 4


def match_with_reproject(images: Images, origins: Origins) -> list[np.ndarray]:
    """Match with one call of `reproject_and_coadd(match_background=True)`.

    That function returns only the coadd. To learn what it adds to each image, every image is continued by rows of NaN
    and by a strip of zeros in a place where no other image has data. Strips are in no overlap, so they do not
    change the match, and the coadd shows in each strip the constant that was added to its image.
    """
    from astropy.wcs import WCS
    from reproject import reproject_interp
    from reproject.mosaicking import reproject_and_coadd

    (_, y0), (height, _) = _extent(images, origins)
    inputs, strips = [], []
    for at, (image, (x, y)) in enumerate(zip(images, origins, strict=True)):
        strip = y0 + height + _GAP + at * (_GAP + _STRIP)
        continued = np.full((strip + _STRIP - y, image.shape[1]), np.nan, np.float32)
        continued[: image.shape[0]] = image
        continued[-_STRIP:] = 0.0
        inputs.append((continued, WCS(_header(continued.shape, (x, y)))))
        strips.append((strip, x))
    corner, shape = _extent([image for image, _ in inputs], origins)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        coadd, footprint = reproject_and_coadd(
            inputs,
            WCS(_header(shape, corner)),
            shape_out=shape,
            reproject_function=reproject_interp,
            combine_function="mean",
            match_background=True,
        )
    coadd[footprint == 0] = np.nan
    matched = []
    for image, (y, x) in zip(images, strips, strict=True):
        strip = coadd[y - corner[1] : y - corner[1] + _STRIP, x - corner[0] : x - corner[0] + image.shape[1]]
        matched.append(image + np.nanmedian(strip))
    return matched


def match_with_stcal(images: Images, origins: Origins) -> list[np.ndarray]:
    """Match with `stcal.skymatch`, method "match", with its usual statistic, the clipped median."""
    from astropy.wcs import WCS
    from stcal.skymatch import SkyImage, SkyStats, skymatch

    statistics = SkyStats(skystat="median", nclip=5, lsig=4.0, usig=4.0)
    sky_images = []
    for index, (image, origin) in enumerate(zip(images, origins, strict=True)):
        wcs = WCS(_header(image.shape, origin))
        sky_images.append(
            SkyImage(
                image=np.nan_to_num(image),
                mask=np.isfinite(image),
                wcs_fwd=lambda x, y, wcs=wcs, **_: wcs.wcs_pix2world(x, y, 0),
                wcs_inv=lambda ra, dec, wcs=wcs, **_: wcs.wcs_world2pix(ra, dec, 0),
                skystat=statistics,
                sky_id=index,
            )
        )
    skymatch(sky_images, skymethod="match", match_down=True, subtract=False)
    return [image - one.sky for image, one in zip(images, sky_images, strict=True)]


def match_with_montage(images: Images, origins: Origins) -> list[np.ndarray]:
    """Match with Montage: planes fitted to differences of pairs (mDiffFitExec), then a plane per image (mBgModel)."""
    from astropy.io import fits
    from MontagePy.main import mBgExec, mBgModel, mDiffFitExec, mImgtbl, mOverlaps

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("raw", "diff", "out"):
            (folder / part).mkdir()
        for index, (image, origin) in enumerate(zip(images, origins, strict=True)):
            hdu = fits.PrimaryHDU(image, _header(image.shape, origin))
            hdu.writeto(folder / "raw" / f"e{index:03}.fits")
        corner, shape = _extent(images, origins)
        template = hdu.header.copy()
        template.update(_header(shape, corner))
        template.totextfile(folder / "template.hdr", endcard=True)
        raw, table = str(folder / "raw"), str(folder / "images.tbl")
        steps = (
            mImgtbl(raw, table),
            mOverlaps(table, str(folder / "diffs.tbl")),
            mDiffFitExec(
                raw,
                str(folder / "diffs.tbl"),
                str(folder / "template.hdr"),
                str(folder / "diff"),
                str(folder / "fits.tbl"),
                noAreas=True,
            ),
            mBgModel(table, str(folder / "fits.tbl"), str(folder / "corrections.tbl")),
            mBgExec(raw, table, str(folder / "corrections.tbl"), str(folder / "out"), noAreas=True),
        )
        for step in steps:
            if step["status"] != "0" or step.get("diff_failed", 0) or step.get("fit_failed", 0):
                raise RuntimeError(f"Montage failed: {step}")
        return [fits.getdata(folder / "out" / f"e{index:03}.fits") for index in range(len(images))]


def match_with_own_backgrounds(images: Images, origins: Origins) -> list[np.ndarray]:
    """Subtract from each image its own background by sep, and add the mean level of all images."""
    import sep

    backgrounds = [_sep_background(image, sep) for image in images]
    level = np.mean([np.mean(background) for background in backgrounds])
    return [image - background + level for image, background in zip(images, backgrounds, strict=True)]


def match_with_one_difference(images: Images, origins: Origins) -> list[np.ndarray]:
    """Add to each image the background, by sep, of its difference from the last image."""
    import sep

    if len(set(origins)) > 1:
        raise ValueError("not every image covers the pixels of the last one")
    return [image + _sep_background(images[-1] - image, sep) for image in images]


def _sep_background(image: np.ndarray, sep: Any) -> np.ndarray:
    bad = ~np.isfinite(image)
    found = sep.Background(np.nan_to_num(image).astype(np.float32), mask=bad, bw=_BINS, bh=_BINS)
    return np.asarray(found.back())


_NEEDS: dict[str, tuple[str, Peer]] = {
    "reproject_and_coadd": ("reproject", match_with_reproject),
    "stcal.skymatch": ("stcal", match_with_stcal),
    "Montage mBgModel": ("MontagePy", match_with_montage),
    "own background subtracted (sep)": ("sep", match_with_own_backgrounds),
    "difference to one image (sep)": ("sep", match_with_one_difference),
}


def available() -> dict[str, Peer]:
    """Return the peers that are installed."""
    return {name: peer for name, (package, peer) in _NEEDS.items() if importlib.util.find_spec(package) is not None}


def missing() -> list[str]:
    """Return the names of the peers that are not installed."""
    return [name for name, (package, _) in _NEEDS.items() if importlib.util.find_spec(package) is None]


def versions() -> str:
    """Return the versions of the peers that are installed."""
    packages = dict.fromkeys(package for package, _ in _NEEDS.values() if importlib.util.find_spec(package) is not None)
    return ", ".join(f"{package} {importlib.metadata.version(package)}" for package in packages)
