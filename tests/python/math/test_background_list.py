"""Lists of backgrounds, and their files."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import evensky.errors as errors
import evensky.image as afwImage
import evensky.math as afwMath
from evensky.geom import Point2I

CHEBYSHEV = afwMath.ApproximateControl.CHEBYSHEV


def test_background_list(image: afwImage.MaskedImageF, tmp_path: Path) -> None:
    image.setXY0(Point2I(5, 7))
    one = afwMath.makeBackground(image, afwMath.BackgroundControl("AKIMA_SPLINE", 6, 6))
    two = afwMath.makeBackground(image, afwMath.BackgroundControl(5, 5, actrl=afwMath.ApproximateControl(CHEBYSHEV, 2)))
    both = afwMath.BackgroundList(one, two)
    both.append((one, "LINEAR", "THROW_EXCEPTION", afwMath.ApproximateControl.UNKNOWN, 0, 0, True))
    want = one.getImageF().array + two.getImageF().array + one.getImageF("LINEAR").array
    np.testing.assert_allclose(both.getImage().array, want, rtol=1e-6)
    both.writeFits(tmp_path / "list.fits")
    again = afwMath.BackgroundList.readFits(tmp_path / "list.fits")
    assert len(again) == 3
    np.testing.assert_array_equal(again.getImage().array, both.getImage().array)
    assert again.getImage().getXY0() == Point2I(5, 7)
    with pytest.raises(errors.InvalidParameterError, match="empty"):
        afwMath.BackgroundList().getImage()
    with pytest.raises(errors.InvalidParameterError, match="int"):
        both.append(3)
    with pytest.raises(errors.FitsError, match="no such file"):
        afwMath.BackgroundList.readFits(tmp_path / "none.fits")


def slope(image: afwImage.MaskedImageF) -> afwImage.MaskedImageF:
    y, x = np.mgrid[: image.getHeight(), : image.getWidth()]
    image.image.array[...] += 0.1 * x + 3 * np.sin(0.1 * y)
    return image


def test_the_list_is_what_was_subtracted(image: afwImage.MaskedImageF, tmp_path: Path) -> None:
    """Whatever the styles of the call and of the tuple: an approximation of the control is what was evaluated."""
    actrl = afwMath.ApproximateControl(CHEBYSHEV, 2)
    actrl.setWeightPower(2)
    control = afwMath.BackgroundControl("NATURAL_SPLINE", 6, 6, "REDUCE_INTERP_ORDER", actrl=actrl)
    background = afwMath.makeBackground(slope(image), control)
    subtracted = background.getImageF("AKIMA_SPLINE", "REDUCE_INTERP_ORDER").array
    own = background.getBackgroundControl().getApproximateControl()
    styles = own.getStyle(), own.getOrderX(), own.getOrderY(), own.getWeighting()
    for value in (
        background,
        (background, "AKIMA_SPLINE", "REDUCE_INTERP_ORDER", *styles),
        (background, "AKIMA_SPLINE", "REDUCE_INTERP_ORDER", afwMath.ApproximateControl.UNKNOWN, 1, 1, False),
        [background, "AKIMA_SPLINE", "REDUCE_INTERP_ORDER", None, None, None, None],
    ):
        listed = afwMath.BackgroundList(value)
        np.testing.assert_array_equal(listed.getImage().array, subtracted)
        listed.writeFits(tmp_path / "list.fits")
        again = afwMath.BackgroundList.readFits(tmp_path / "list.fits")
        np.testing.assert_array_equal(again.getImage().array, subtracted)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(listed)).getImage().array, subtracted)


def test_styles_that_are_not_given_are_those_that_were_used(image: afwImage.MaskedImageF) -> None:
    def made() -> afwMath.BackgroundMI:
        return afwMath.makeBackground(slope(image.clone()), afwMath.BackgroundControl("AKIMA_SPLINE", 6, 6))

    after, before, never = made(), made(), made()
    subtracted = after.getImageF("LINEAR", "REDUCE_INTERP_ORDER").array
    listed = afwMath.BackgroundList(after, before, never)
    before.getImageF("LINEAR", "REDUCE_INTERP_ORDER")
    assert [one[1:3] for one in listed] == [
        (afwMath.Interpolate.LINEAR, afwMath.REDUCE_INTERP_ORDER),
        (afwMath.Interpolate.LINEAR, afwMath.REDUCE_INTERP_ORDER),
        (afwMath.Interpolate.AKIMA_SPLINE, afwMath.THROW_EXCEPTION),
    ]
    # A look at a background does not change what was subtracted.
    for one in (after, before):
        one.getImageF("CONSTANT")
    np.testing.assert_array_equal(listed[:1].getImage().array, subtracted)
    np.testing.assert_array_equal(listed[1:2].getImage().array, subtracted)


def test_items_and_slices(image: afwImage.MaskedImageF) -> None:
    backgrounds = [afwMath.makeBackground(image, afwMath.BackgroundControl("LINEAR", n, 3)) for n in (3, 4, 5)]
    listed = afwMath.BackgroundList(*backgrounds)
    assert [one[0] for one in listed] == backgrounds
    assert [len(one) for one in listed] == [7, 7, 7]
    assert listed[-1][0] is backgrounds[2]
    for part, numbers in (
        (slice(0, 1), [0]),
        (slice(1, None), [1, 2]),
        (slice(None, None, -2), [2, 0]),
        (slice(5, 9), []),
    ):
        assert [one[0] for one in listed[part]] == [backgrounds[n] for n in numbers]
    np.testing.assert_array_equal(listed[0:1].getImage().array, backgrounds[0].getImageF().array)
    assert [one[1:] for one in pickle.loads(pickle.dumps(listed))] == [one[1:] for one in listed]
    assert [one[0] for one in listed.clone()] == backgrounds


def test_layout_of_the_original(image: afwImage.MaskedImageF, tmp_path: Path) -> None:
    """Three HDUs for each background, the first image in the primary HDU; files with an empty one are read, too."""
    image.setXY0(Point2I(5, 7))
    path, old = tmp_path / "list.fits", tmp_path / "old.fits"
    one = afwMath.makeBackground(image, afwMath.BackgroundControl("LINEAR", 6, 5, "REDUCE_INTERP_ORDER"))
    two = afwMath.makeBackground(image, afwMath.BackgroundControl(5, 5, actrl=afwMath.ApproximateControl(CHEBYSHEV, 3)))
    listed = afwMath.BackgroundList(one, two)
    listed.writeFits(path, 0)
    with fits.open(path) as hdus:
        assert len(hdus) == 6
        for number, background in enumerate((one, two)):
            planes = background.getStatsImage().getArrays()
            for hdu, plane in zip(hdus[3 * number : 3 * number + 3], planes, strict=True):
                np.testing.assert_array_equal(hdu.data, plane)
            header = hdus[3 * number].header
            assert [header[f"BKGD_{name}"] for name in ("X0", "Y0", "WIDTH", "HEIGHT")] == [
                5,
                7,
                image.getWidth(),
                image.getHeight(),
            ]
        names = "INTERPSTYLE", "UNDERSAMPLESTYLE", "APPROXSTYLE", "APPROXORDERX", "APPROXORDERY", "APPROXWEIGHTING"
        assert [hdus[0].header[name] for name in names[:3]] == [1, 1, -1]
        assert [hdus[3].header[name] for name in names] == [5, 0, 0, 3, 3, True]
        assert hdus[1].header["MP_BAD"] == 0
        fits.HDUList([fits.PrimaryHDU(), *(fits.ImageHDU(hdu.data, hdu.header) for hdu in hdus)]).writeto(old)
        fits.HDUList([fits.PrimaryHDU(np.ones((2, 2))), *(fits.ImageHDU(h.data, h.header) for h in hdus)]).writeto(
            tmp_path / "later.fits"
        )
    for again in (
        afwMath.BackgroundList.readFits(path),
        afwMath.BackgroundList.readFits(old),
        afwMath.BackgroundList.readFits(tmp_path / "later.fits", 1),
    ):
        np.testing.assert_array_equal(again.getImage().array, listed.getImage().array)
        assert [entry[1:] for entry in again] == [entry[1:] for entry in listed]
    assert len(afwMath.BackgroundList.readFits(path, hdu=3)) == 1
    with pytest.raises(errors.FitsError, match="holds 4 image HDUs"):
        afwMath.BackgroundList.readFits(path, hdu=2)


def test_a_file_that_was_altered_is_found(image: afwImage.MaskedImageF, tmp_path: Path) -> None:
    path, again = tmp_path / "list.fits", tmp_path / "again.fits"
    backgrounds = afwMath.BackgroundList(afwMath.makeBackground(image, afwMath.BackgroundControl("LINEAR", 6, 6)))
    backgrounds.writeFits(path)
    backgrounds.writeFits(again)
    assert path.read_bytes() == again.read_bytes()
    with fits.open(path, checksum=True) as hdus:
        starts = [hdu.fileinfo()["datLoc"] for hdu in hdus]
        assert [hdu.header.comments["DATASUM"] for hdu in hdus] == ["data unit checksum"] * 3
    whole = path.read_bytes()
    for start, name in zip(starts, ("IMAGE", "MASK", "VARIANCE"), strict=True):
        content = bytearray(whole)
        content[start + 5] ^= 1
        path.write_bytes(content)
        with pytest.raises(errors.FitsError, match=rf"list\.fits: DATASUM of HDU '{name}' is not that .*; write the"):
            afwMath.BackgroundList.readFits(path)
    # Files of other programs have no sums.
    with fits.open(again) as hdus:
        for hdu in hdus:
            del hdu.header["DATASUM"]
        hdus.writeto(path, overwrite=True)
    np.testing.assert_array_equal(afwMath.BackgroundList.readFits(path).getImage().array, backgrounds.getImage().array)
