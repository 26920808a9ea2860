"""Peers that match exposures, each as one function from images on one pixel grid to matched images."""

from __future__ import annotations

import importlib.util
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Images = Sequence[np.ndarray]
Peer = Callable[[Images], list[np.ndarray]]

# Size of the bins of peers that model single exposures or differences.
_BINS = 128


def _header(shape: tuple[int, ...]) -> Any:
    from astropy.wcs import WCS

    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [250.42, 0.0]
    wcs.wcs.crpix = [shape[1] / 2, shape[0] / 2]
    wcs.wcs.cdelt = [-0.4 / 3600, 0.4 / 3600]
    header = wcs.to_header()
    header["NAXIS"], header["NAXIS1"], header["NAXIS2"] = 2, shape[1], shape[0]
    return header


def match_with_reproject(images: Images) -> list[np.ndarray]:
    """Match with `reproject_and_coadd(match_background=True)`.

    That function returns only the coadd, so it is called once with each exposure in the first place, and combines by
    taking the first pixel. Its users would make only one such call.
    """
    return [coadd_with_reproject([image, *images[:i], *images[i + 1 :]], "first") for i, image in enumerate(images)]


def coadd_with_reproject(images: Images, combine: str = "mean") -> np.ndarray:
    """Call `reproject_and_coadd` once, onto the grid of the images."""
    from astropy.wcs import WCS
    from reproject import reproject_interp
    from reproject.mosaicking import reproject_and_coadd

    wcs = WCS(_header(images[0].shape))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        coadd, footprint = reproject_and_coadd(
            [(image, wcs) for image in images],
            wcs,
            shape_out=images[0].shape,
            reproject_function=reproject_interp,
            combine_function=combine,
            match_background=True,
        )
    coadd[footprint == 0] = np.nan
    return np.asarray(coadd)


def match_with_stcal(images: Images) -> list[np.ndarray]:
    """Match with `stcal.skymatch`, method "match", with its usual statistic, the clipped median."""
    from astropy.wcs import WCS
    from stcal.skymatch import SkyImage, SkyStats, skymatch

    wcs = WCS(_header(images[0].shape))
    statistics = SkyStats(skystat="median", nclip=5, lsig=4.0, usig=4.0)
    sky_images = [
        SkyImage(
            image=np.nan_to_num(image),
            mask=np.isfinite(image),
            wcs_fwd=lambda x, y, **_: wcs.wcs_pix2world(x, y, 0),
            wcs_inv=lambda ra, dec, **_: wcs.wcs_world2pix(ra, dec, 0),
            skystat=statistics,
            sky_id=index,
        )
        for index, image in enumerate(images)
    ]
    skymatch(sky_images, skymethod="match", match_down=True, subtract=False)
    return [image - one.sky for image, one in zip(images, sky_images, strict=True)]


def match_with_montage(images: Images) -> list[np.ndarray]:
    """Match with Montage: planes fitted to differences of pairs (mDiffFitExec), then a plane per image (mBgModel)."""
    from astropy.io import fits
    from MontagePy.main import mBgExec, mBgModel, mDiffFitExec, mImgtbl, mOverlaps

    header = _header(images[0].shape)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("raw", "diff", "out"):
            (folder / part).mkdir()
        for index, image in enumerate(images):
            hdu = fits.PrimaryHDU(image, header)
            hdu.writeto(folder / "raw" / f"e{index:03}.fits")
        hdu.header.totextfile(folder / "template.hdr", endcard=True)
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


def match_with_own_backgrounds(images: Images) -> list[np.ndarray]:
    """Subtract from each image its own background by sep, and add the mean level of all images."""
    import sep

    backgrounds = [_sep_background(image, sep) for image in images]
    level = np.mean([np.mean(background) for background in backgrounds])
    return [image - background + level for image, background in zip(images, backgrounds, strict=True)]


def match_with_one_difference(images: Images) -> list[np.ndarray]:
    """Add to each image the background, by sep, of its difference from the last image."""
    import sep

    return [image + _sep_background(images[-1] - image, sep) for image in images]


def _sep_background(image: np.ndarray, sep: Any) -> np.ndarray:
    bad = ~np.isfinite(image)
    found = sep.Background(np.nan_to_num(image).astype(np.float32), mask=bad, bw=_BINS, bh=_BINS)
    return np.asarray(found.back())


_NEEDS: dict[str, tuple[str, Peer]] = {
    "reproject_and_coadd(match_background)": ("reproject", match_with_reproject),
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
