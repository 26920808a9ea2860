"""Assertions on images, boxes and angles with the names of ``lsst.afw.image.testUtils`` and ``lsst.geom``.

The original adds them to ``lsst.utils.tests.TestCase``; so does `evensky.shim.install`. The first argument of each is
the test case, so that it works as a method.
"""

from __future__ import annotations

__all__ = [
    "assertAnglesAlmostEqual",
    "assertBoxesAlmostEqual",
    "assertImagesAlmostEqual",
    "assertImagesEqual",
    "assertImagesNearlyEqual",
    "assertMaskedImagesAlmostEqual",
    "assertMaskedImagesEqual",
    "assertMaskedImagesNearlyEqual",
    "assertMasksEqual",
    "assertPairListsAlmostEqual",
    "assertPairsAlmostEqual",
    "assertSpherePointListsAlmostEqual",
    "assertSpherePointsAlmostEqual",
    "imagesDiffer",
    "makeGaussianNoiseMaskedImage",
    "makeRampImage",
]

import unittest
from collections.abc import Sequence
from typing import Any

import numpy as np

from .geom import Angle, Box2I, Extent2I, SpherePoint, arcseconds
from .image import ImageF, MaskedImageF

_CLOSE = 0.001 * arcseconds


def _pixels(image: Any) -> np.ndarray:
    return np.asarray(image.array if hasattr(image, "array") else image)


def imagesDiffer(image0: Any, image1: Any, skipMask: Any = None, rtol: float = 1.0e-05, atol: float = 1.0e-08) -> str:
    """Compare the pixels of two images.

    Parameters
    ----------
    image0, image1 : Image, Mask or array_like
        Images of the same size.
    skipMask : Image, Mask or array_like, optional
        Pixels other than 0 are not compared.
    rtol, atol : float, optional
        Pixels agree if ``|a - b| <= atol + rtol * |b|``, or if both are NaN, or the same infinity.

    Returns
    -------
    str
        Description of the difference; empty if there is none.
    """
    one, other = _pixels(image0), _pixels(image1)
    if one.shape != other.shape:
        return f"images have the shapes {one.shape} and {other.shape}"
    used = np.ones(one.shape, bool) if skipMask is None else _pixels(skipMask) == 0
    one, other = (np.where(used, array.astype(np.float64), 0.0) for array in (one, other))
    for name, function in (("NaNs", np.isnan), ("infinities", np.isinf)):
        places = function(one), function(other)
        if not np.array_equal(np.where(places[0], np.sign(one), 0), np.where(places[1], np.sign(other), 0), True):
            return f"{name} differ: {places[0].sum()} and {places[1].sum()} of them"
    finite = np.isfinite(one)
    one, other = np.where(finite, one, 0.0), np.where(finite, other, 0.0)
    difference = np.abs(one - other)
    bad = difference > atol + rtol * np.abs(other)
    if not bad.any():
        return ""
    y, x = np.unravel_index(np.argmax(np.where(bad, difference, -1.0)), one.shape)
    return (
        f"{bad.sum()} pixels differ; maxDiff={difference[y, x]:g} at position ({x}, {y}); "
        f"value={one[y, x]:g} vs. {other[y, x]:g}"
    )


def assertImagesAlmostEqual(
    testCase: unittest.TestCase,
    image0: Any,
    image1: Any,
    skipMask: Any = None,
    rtol: float = 1.0e-05,
    atol: float = 1.0e-08,
    msg: str = "Images differ",
) -> None:
    """Fail unless `imagesDiffer` finds no difference."""
    difference = imagesDiffer(image0, image1, skipMask, rtol, atol)
    if difference:
        testCase.fail(f"{msg}: {difference}")


def assertImagesEqual(
    testCase: unittest.TestCase, image0: Any, image1: Any, skipMask: Any = None, msg: str = "Images differ"
) -> None:
    """Fail unless the pixels are the same."""
    assertImagesAlmostEqual(testCase, image0, image1, skipMask, 0.0, 0.0, msg)


def assertMasksEqual(
    testCase: unittest.TestCase, mask0: Any, mask1: Any, skipMask: Any = None, msg: str = "Masks differ"
) -> None:
    """Fail unless the bits are the same."""
    assertImagesAlmostEqual(testCase, mask0, mask1, skipMask, 0.0, 0.0, msg)


def assertMaskedImagesAlmostEqual(
    testCase: unittest.TestCase,
    maskedImage0: Any,
    maskedImage1: Any,
    doImage: bool = True,
    doMask: bool = True,
    doVariance: bool = True,
    skipMask: Any = None,
    rtol: float = 1.0e-05,
    atol: float = 1.0e-08,
    msg: str = "Masked images differ",
) -> None:
    """Fail unless images and variances almost agree, and masks are the same."""
    for plane, asked in (("image", doImage), ("mask", doMask), ("variance", doVariance)):
        if asked:
            one, other = getattr(maskedImage0, plane), getattr(maskedImage1, plane)
            tolerances = (0.0, 0.0) if plane == "mask" else (rtol, atol)
            assertImagesAlmostEqual(testCase, one, other, skipMask, *tolerances, msg=f"{msg}: {plane} planes")


def assertMaskedImagesEqual(
    testCase: unittest.TestCase,
    maskedImage0: Any,
    maskedImage1: Any,
    doImage: bool = True,
    doMask: bool = True,
    doVariance: bool = True,
    skipMask: Any = None,
    msg: str = "Masked images differ",
) -> None:
    """Fail unless all planes are the same."""
    assertMaskedImagesAlmostEqual(
        testCase, maskedImage0, maskedImage1, doImage, doMask, doVariance, skipMask, 0.0, 0.0, msg
    )


assertImagesNearlyEqual = assertImagesAlmostEqual
assertMaskedImagesNearlyEqual = assertMaskedImagesAlmostEqual


def assertAnglesAlmostEqual(
    testCase: unittest.TestCase,
    ang0: Angle,
    ang1: Angle,
    maxDiff: Angle = _CLOSE,
    ignoreWrap: bool = True,
    msg: str = "Angles differ",
) -> None:
    """Fail if angles differ by more than `maxDiff`; whole turns do not count with `ignoreWrap`."""
    difference = ang0 - ang1
    if ignoreWrap:
        difference = difference.wrapCtr()
    if not abs(difference) <= maxDiff:
        testCase.fail(
            f"{msg}: |{ang0} - {ang1}| = {abs(difference).asArcseconds():g} arcsec > {maxDiff.asArcseconds():g} arcsec"
        )


def assertPairsAlmostEqual(
    testCase: unittest.TestCase, pair0: Any, pair1: Any, maxDiff: float = 1e-7, msg: str = "Pairs differ"
) -> None:
    """Fail if two points, extents or sequences of two numbers are more than `maxDiff` apart."""
    if len(pair0) != 2 or len(pair1) != 2:
        testCase.fail(f"{msg}: lengths {len(pair0)} and {len(pair1)}; both must be 2")
    distance = float(np.hypot(pair0[0] - pair1[0], pair0[1] - pair1[1]))
    if not distance <= maxDiff:
        testCase.fail(f"{msg}: {pair0} and {pair1} are {distance:g} apart, more than {maxDiff:g}")


def _check_lengths(testCase: unittest.TestCase, list0: Sequence[Any], list1: Sequence[Any], msg: str) -> None:
    if len(list0) != len(list1):
        testCase.fail(f"{msg or 'Lists differ'}: lengths {len(list0)} and {len(list1)}")


def assertPairListsAlmostEqual(
    testCase: unittest.TestCase, list0: Sequence[Any], list1: Sequence[Any], maxDiff: float = 1e-7, msg: str = ""
) -> None:
    """Fail unless `assertPairsAlmostEqual` holds for each two of two lists."""
    _check_lengths(testCase, list0, list1, msg)
    for one, other in zip(list0, list1, strict=True):
        assertPairsAlmostEqual(testCase, one, other, maxDiff, msg or "Pairs differ")


def assertBoxesAlmostEqual(
    testCase: unittest.TestCase, box0: Any, box1: Any, maxDiff: float = 1e-7, msg: str = "Boxes differ"
) -> None:
    """Fail if corners of two boxes are more than `maxDiff` apart."""
    assertPairsAlmostEqual(testCase, box0.getMin(), box1.getMin(), maxDiff, f"{msg}: minima")
    assertPairsAlmostEqual(testCase, box0.getMax(), box1.getMax(), maxDiff, f"{msg}: maxima")


def assertSpherePointsAlmostEqual(
    testCase: unittest.TestCase, sp0: SpherePoint, sp1: SpherePoint, maxSep: Angle = _CLOSE, msg: str = ""
) -> None:
    """Fail if two positions are more than `maxSep` apart."""
    separation = sp0.separation(sp1)
    if not separation <= maxSep:
        testCase.fail(
            f"{msg or 'Positions differ'}: {sp0} and {sp1} are {separation.asArcseconds():g} arcsec apart, more than "
            f"{maxSep.asArcseconds():g}"
        )


def assertSpherePointListsAlmostEqual(
    testCase: unittest.TestCase,
    splist0: Sequence[SpherePoint],
    splist1: Sequence[SpherePoint],
    maxSep: Angle = _CLOSE,
    msg: str | None = None,
) -> None:
    """Fail unless `assertSpherePointsAlmostEqual` holds for each two of two lists."""
    _check_lengths(testCase, splist0, splist1, msg or "")
    for one, other in zip(splist0, splist1, strict=True):
        assertSpherePointsAlmostEqual(testCase, one, other, maxSep, msg or "")


def makeRampImage(bbox: Box2I, start: float = 0, stop: float | None = None, imageClass: type = ImageF) -> Any:
    """Return an image whose pixels rise from `start` to `stop` in equal steps, row by row.

    Parameters
    ----------
    bbox : Box2I
    start : float, optional
        Value of the first pixel.
    stop : float, optional
        Value of the last pixel; by default the steps are 1.
    imageClass : type, optional
    """
    image = imageClass(bbox)
    number = image.array.size
    values = np.linspace(start, start + number - 1 if stop is None else stop, number)
    image.array[:] = values.reshape(image.array.shape)
    return image


def makeGaussianNoiseMaskedImage(dimensions: Extent2I, sigma: float, variance: float = 1.0) -> MaskedImageF:
    """Return a masked image of Gaussian noise, with the sigma of the noise and the value of the variance plane.

    The numbers are those of numpy's global generator with the seed 1, which is left as it was.
    """
    masked = MaskedImageF(dimensions)
    shape = masked.image.array.shape
    masked.image.array[:] = np.random.RandomState(1).normal(0.0, sigma, shape)
    masked.variance.array[:] = variance
    return masked
