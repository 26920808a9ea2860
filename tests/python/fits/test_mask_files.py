"""Masks by themselves in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import evensky.errors as errors
from evensky.fits.mask_files import read_mask_plane

BITS = np.array([[0, 1, 256], [2, 0, 4]])


def test_a_mask_is_found_among_other_planes(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    # uint16 is stored with an offset; tiles are compressed; 4 bytes of 32 bits; bytes.
    for hdu in (
        fits.ImageHDU(BITS.astype(np.uint16), name="DQ"),
        fits.CompImageHDU(BITS.astype(np.int32), name="MASK"),
        fits.ImageHDU(BITS.astype(np.uint32), name="FLAGS"),
        fits.ImageHDU(BITS.astype(np.float32), name="MASK"),
    ):
        image = fits.ImageHDU(np.zeros(BITS.shape, np.float32), name="SCI")
        fits.HDUList([fits.PrimaryHDU(), image, hdu]).writeto(path, overwrite=True)
        plane = read_mask_plane(path)
        assert (plane.bits.dtype, plane.bits.tolist(), plane.planes) == (np.int32, BITS.tolist(), None)
        assert read_mask_plane(f"{path}[{hdu.name}]").bits.tolist() == BITS.tolist()
        assert read_mask_plane(path, 2).header["EXTNAME"] == hdu.name


def test_planes_and_origin_come_from_the_header(tmp_path: Path) -> None:
    hdu = fits.PrimaryHDU(BITS.astype(np.int32))
    hdu.header.update({"MP_BAD": 8, "HIERARCH MP_NOT_DEBLENDED": 1, "LTV1": -7, "LTV2": 5})
    hdu.writeto(tmp_path / "a.fits")
    plane = read_mask_plane(tmp_path / "a.fits")
    assert (plane.planes, plane.x0, plane.y0) == ({"BAD": 8, "NOT_DEBLENDED": 1}, 7, -5)


@pytest.mark.parametrize(
    ("pixels", "hdu", "says"),
    [
        (np.array([[1.0, np.nan]]), None, "1 pixels of the mask 0 are NaN; whole numbers are needed"),
        (np.array([[1.5, 2.0]]), None, "such as 1.5; whole numbers"),
        (np.zeros((3, 2, 2), np.int32), None, r"0 HDUs could be the mask \(none\)"),
        (np.zeros((3, 2, 2), np.int32), 0, "HDU 0 is no image of two dimensions"),
        (np.zeros((2, 2), np.int32), "MASK", "has no HDU 'MASK'"),
    ],
)
def test_files_without_a_mask(tmp_path: Path, pixels: np.ndarray, hdu: str | int | None, says: str) -> None:
    fits.PrimaryHDU(pixels).writeto(tmp_path / "a.fits")
    with pytest.raises(errors.FitsError, match=rf"a\.fits: .*{says}"):
        read_mask_plane(tmp_path / "a.fits", hdu)


def test_several_masks_must_be_told_apart(tmp_path: Path) -> None:
    masks = [fits.ImageHDU(BITS.astype(np.int32) * factor, name="DQ", ver=factor) for factor in (1, 2)]
    fits.HDUList([fits.PrimaryHDU(), *masks]).writeto(tmp_path / "a.fits")
    with pytest.raises(errors.FitsError, match=r"2 HDUs could be the mask \(DQ,1, DQ,2\); one must be named"):
        read_mask_plane(tmp_path / "a.fits")
    assert read_mask_plane(tmp_path / "a.fits", "DQ,2").bits.tolist() == (2 * BITS).tolist()
