"""Bad input to images, masks, vectors and scalers: refused with the value, or taken for the right number."""

# Arguments of the wrong type are what this is about.
# mypy: disable-error-code="arg-type,call-arg,dict-item,index"

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bad_input import (
    ALL,
    GRID,
    HUGE,
    INF,
    INVALID,
    LENGTH,
    NAN,
    ONES,
    RANGE,
    UNKNOWN,
    Row,
    box,
    check_refused,
    full_of_planes,
    image,
    planes_of_32,
)

import evensky.errors as errors
import evensky.geom as geom
import evensky.image as afwImage

# What is called, the error, the built-in exception that it is too, and what the message says.
REFUSED: list[Row] = [
    *(
        (
            f"{kind.__name__} of {value!r}",
            lambda kind=kind, value=value: kind(value),
            *INVALID,
            f"{kind.__name__} takes width and height.*{re.escape(repr(value))}",
        )
        for kind in (afwImage.ImageF, afwImage.ImageI, afwImage.Mask)
        for value in (None, "hello", 3.5, {})
    ),
    *(
        (
            f"{kind.__name__} of a negative size",
            lambda kind=kind: kind(-1, 3),
            *LENGTH,
            f"{kind.__name__} of -1 x 3 pixels",
        )
        for kind in (afwImage.ImageF, afwImage.ImageU, afwImage.Mask)
    ),
    ("more pixels than there are addresses", lambda: afwImage.ImageF(2**31, 2**31), *LENGTH, "2147483648 x 2147483648"),
    (
        "ImageI of 2^31",
        lambda: afwImage.ImageI(np.full((2, 2), 2**31)),
        *RANGE,
        "2147483648.*ImageI holds -2147483648 to 2147483647",
    ),
    ("ImageI of NaN", lambda: afwImage.ImageI(np.full((2, 2), NAN)), *RANGE, "nan"),
    ("ImageI of ImageF", lambda: afwImage.ImageI(afwImage.ImageF(np.full((2, 2), 1e20, "f4"))), *RANGE, "ImageI holds"),
    ("ImageU of 65536", lambda: afwImage.ImageU(np.array([[65536]])), *RANGE, "ImageU holds 0 to 65535"),
    ("ImageU of -1", lambda: afwImage.ImageU(np.array([[-1, 5]])), *RANGE, "from -1 to 5"),
    ("Mask of 2^40", lambda: afwImage.Mask(np.array([[2**40]])), *RANGE, "1099511627776; Mask holds"),
    ("Mask of fractions", lambda: afwImage.Mask(np.full((2, 2), 1.5)), *INVALID, "float64 and fractions"),
    ("Mask of NaN", lambda: afwImage.Mask(np.full((2, 2), NAN)), *INVALID, "fractions"),
    (
        "planes of different shapes",
        lambda: afwImage.MaskedImageF(afwImage.ImageF(4, 5), afwImage.Mask(5, 4)),
        *LENGTH,
        "The mask is 5 x 4 but the image is 4 x 5",
    ),
    (
        "a variance of another shape",
        lambda: afwImage.MaskedImageF(afwImage.ImageF(4, 5), afwImage.Mask(4, 5), afwImage.ImageF(2, 2)),
        *LENGTH,
        "2 x 2",
    ),
    ("a pixel outside", lambda: afwImage.ImageF(3, 4)[3, 0, afwImage.LOCAL], *RANGE, r"\(3, 0\) is outside the box"),
    ("a part outside", lambda: afwImage.ImageF(3, 4)[ALL], *LENGTH, "is not inside the image's"),
    ("images of different sizes", lambda: afwImage.ImageF(3, 4).__iadd__(afwImage.ImageF(4, 3)), *LENGTH, "4 x 3"),
    (
        "a plane unknown",
        lambda: afwImage.Mask(3, 3).getPlaneBitMask("NOPE"),
        *UNKNOWN,
        "'NOPE'; the known ones are BAD, SAT",
    ),
    ("a plane that is none", lambda: afwImage.Mask(3, 3).getPlaneBitMask(3.5), *INVALID, "got 3.5"),
    (
        "planes that collide",
        lambda: afwImage.Mask(np.zeros((2, 2), np.int32), mask_planes={"A": 3, "B": 3}),
        *INVALID,
        "'A' and 'B' both have number 3",
    ),
    *(
        (
            f"plane number {number!r}",
            lambda number=number: afwImage.Mask(np.zeros((2, 2), np.int32), mask_planes={"A": number}),
            error,
            builtin,
            f"'A' has number {number!r}",
        )
        for number, error, builtin in (
            (32, *RANGE),
            (-1, *RANGE),
            (HUGE, *RANGE),
            (1.5, *INVALID),
            ("1", *INVALID),
            (True, *INVALID),
        )
    ),
    (
        "an origin beyond all numbers",
        lambda: afwImage.ImageF(3, 3).setXY0(HUGE, 0),
        *RANGE,
        "is 9223372036854775808; it must be",
    ),
    ("an image of a misspelt argument", lambda: afwImage.ImageF(ONES, foo=1), *INVALID, "takes no argument foo"),
    ("an origin of fractions", lambda: afwImage.ImageF(ONES, xy0=(1.5, 2)), *INVALID, "1.5 is a float"),
    ("an image of 2^63", lambda: afwImage.ImageF(HUGE, 3), *LENGTH, "9223372036854775808 x 3 pixels"),
    ("an image of a negative extent", lambda: afwImage.ImageF(geom.Extent2I(-1, 3)), *LENGTH, "-1 x 3 pixels"),
    ("two initial values", lambda: afwImage.ImageF(geom.Extent2I(3, 3), 1, 2), *INVALID, r"got \(1, 2\)"),
    *(
        (
            f"Image of {dtype}",
            lambda dtype=dtype: afwImage.Image(3, 4, dtype=dtype),
            *INVALID,
            f"no image of dtype {dtype}.*float32, float64, int32, uint16, uint64",
        )
        for dtype in ("complex128", "int8", "float16", "bool")
    ),
    (
        "ImageL of 2^64",
        lambda: afwImage.ImageL(np.array([[2.0**64]])),
        *RANGE,
        "ImageL holds 0 to 18446744073709551615",
    ),
    ("ImageL of -1", lambda: afwImage.ImageL(np.array([[-1]])), *RANGE, "from -1 to -1; ImageL holds"),
    *(
        (
            f"index {index!r}",
            lambda index=index: afwImage.ImageF(3, 4)[index],
            *INVALID,
            f"Index {re.escape(repr(index))} is none of",
        )
        for index in ("x", None, 0, (1.5, 2), (NAN, 0), (0, 0, 0), (0, 0, "LOCAL"), afwImage.LOCAL)
    ),
    ("an index of 2^63", lambda: afwImage.ImageF(3, 4)[HUGE, 0], *RANGE, "is 9223372036854775808; it must be"),
    *(
        (f"slice {index}", lambda index=index: afwImage.ImageF(3, 4)[index], error, builtin, says)
        for index, error, builtin, says in (
            ((slice(None, None, 2), slice(None)), *INVALID, "x slice has step 2; it must be 1"),
            ((slice(2, 1), slice(None)), *RANGE, "x slice 2:1 is outside 0:3"),
            ((slice(0, 99), slice(None)), *RANGE, "x slice 0:99 is outside 0:3"),
            ((slice(None), slice(-1, 2)), *RANGE, "y slice -1:2 is outside 0:4"),
        )
    ),
    *(
        (
            f"part at {value!r}",
            lambda value=value: afwImage.ImageF(3, 4).subset(value),
            *INVALID,
            f"bbox is a {type(value).__name__}; it must be a Box2I",
        )
        for value in (None, (0, 0, 1, 1), "x")
    ),
    ("a part of 2^62", lambda: afwImage.ImageF(3, 4).subset(box(0, 0, 2**62, 2**62)), *LENGTH, "4611686018427387903"),
    ("nothing to set", lambda: afwImage.ImageF(3, 4).set(), *INVALID, "got 0 arguments"),
    ("a pixel set outside", lambda: afwImage.ImageF(3, 4).set(9, 9, 1), *RANGE, r"\(9, 9\) is outside the box"),
    (
        "an image assigned to a smaller one",
        lambda: afwImage.ImageF(3, 4).assign(afwImage.ImageF(4, 3)),
        *LENGTH,
        "4 x 3 but the left-hand side is 3 x 4",
    ),
    ("a copy of a wrong part", lambda: afwImage.ImageF(afwImage.ImageF(3, 4), "x"), *INVALID, "got 'x'"),
    *(
        (
            f"plane number {number!r} in place of a name",
            lambda number=number: afwImage.Mask(3, 3).getMaskPlane(number),
            *UNKNOWN,
            f"no mask plane {number!r}; the known ones are BAD",
        )
        for number in (None, 3, b"BAD", "bad", "")
    ),
    ("a mask of a list of NaN", lambda: afwImage.Mask([[NAN, 2], [3, 4]]), *INVALID, "fractions"),
    ("a plane forgotten twice", lambda: afwImage.Mask(3, 3).removeAndClearMaskPlane("X"), *UNKNOWN, "'X'"),
    *(
        (
            f"plane {number} cleared",
            lambda number=number: afwImage.Mask(3, 3).clearMaskPlane(number),
            *RANGE,
            f"number {number} does not exist; numbers are 0 to 31",
        )
        for number in (-1, 32, HUGE, NAN)
    ),
    ("planes renumbered to 99", lambda: afwImage.Mask(3, 3).conformMaskPlanes({"A": 99}), *RANGE, "'A' has number 99"),
    (
        "planes renumbered to one",
        lambda: afwImage.Mask(3, 3).conformMaskPlanes({"A": 1, "B": 1}),
        *INVALID,
        "'A' and 'B' both have number 1",
    ),
    ("masks of different sizes", lambda: afwImage.Mask(3, 3).__ior__(afwImage.Mask(2, 2)), *LENGTH, "2 x 2"),
    (
        "a translation to nothing",
        lambda: afwImage.translate_mask(np.zeros((2, 2), np.int32), {"A": 1}, {"B": 1}),
        *UNKNOWN,
        "'A'; the known ones are B",
    ),
    ("four planes", lambda: afwImage.MaskedImageF(ONES, None, None, None), *INVALID, "an image, a mask and a variance"),
    ("a word for a mask", lambda: afwImage.MaskedImageF(ONES, "x"), *INVALID, r"Mask takes width.*\('x',\)"),
    ("a mask of fractions", lambda: afwImage.MaskedImageF(ONES, ONES * 1.5), *INVALID, "float32 and fractions"),
    ("integers of NaN", lambda: afwImage.MaskedImageI(image(NAN)), *RANGE, "nan to nan; ImageI holds"),
    ("four values", lambda: afwImage.MaskedImageF(3, 4).set(1, 2, 3, 4), *INVALID, "got 4 values"),
    ("an image of another size", lambda: afwImage.MaskedImageF(3, 4).setImage(afwImage.ImageF(4, 3)), *LENGTH, "4 x 3"),
    ("a mask of another size set", lambda: afwImage.MaskedImageF(3, 4).setMask(afwImage.Mask(4, 3)), *LENGTH, "4 x 3"),
    ("a variance of another size set", lambda: afwImage.MaskedImageF(3, 4).setVariance(ONES), *LENGTH, "20 x 20"),
    ("masked images added", lambda: image().__iadd__(image(width=3)), *LENGTH, "3 x 20 but the left-hand side is 20"),
    ("an exposure of None", lambda: afwImage.ExposureF(None), *INVALID, r"ImageF takes width.*\(None,\)"),
    ("a vector of two dimensions", lambda: afwImage.MaskedVectorF(ONES), *INVALID, r"\(20, 20\)"),
    ("a vector's variance", lambda: afwImage.MaskedVectorF([1, 2], None, [1]), *LENGTH, r"variance has shape \(1,\)"),
    *(
        (f"scale {value}", lambda value=value: afwImage.ImageScaler(value), *INVALID, f"scale = {value}; it must be")
        for value in (0, INF, -INF, NAN)
    ),
    *(
        (f"positions {x}", lambda x=x: afwImage.SpatialScaler(x, [0, 1], np.ones((2, len(x)))), *INVALID, says)
        for x, says in (
            ([0.0, NAN], "nan.*two increasing positions"),
            ([2.0, 0.0], r"\[2\. 0\.\]"),
            ([0.0, 0.0], r"\[0\. 0\.\]"),
            ([0.0], r"\[0\.\]"),
        )
    ),
    ("scales that do not fit", lambda: afwImage.SpatialScaler([0, 1], [0, 1], ONES), *INVALID, r"\(20, 20\) for 2 y"),
    *(
        (f"planes of {value!r}", lambda value=value: afwImage.as_planes(value), *INVALID, says)
        for value, says in ((None, "dtype object"), (3, r"shape \(\)"), ([1, 2], r"shape \(2,\)"), (b"abc", r"\|S3"))
    ),
    ("an image of bytes", lambda: afwImage.makeImageFromArray(ONES.astype("i1")), *INVALID, "dtype int8"),
    (
        "arrays of different shapes",
        lambda: afwImage.makeMaskedImageFromArrays(ONES, GRID.astype("i4")),
        *LENGTH,
        "3 x 3",
    ),
    ("mask |= beyond 32 bits", lambda: afwImage.Mask(3, 3).__ior__(2**40 + 1), *RANGE, "1099511627777"),
    ("mask |= a fraction", lambda: afwImage.Mask(3, 3).__ior__(1.5), *INVALID, "1.5"),
    ("mask set to a fraction", lambda: afwImage.Mask(3, 3).set(1.5), *INVALID, "1.5"),
    (
        "mask assigned beyond 32 bits",
        lambda: afwImage.Mask(3, 3).assign(np.full((3, 3), 2**40)),
        *RANGE,
        "1099511627776",
    ),
    (
        "mask assigned fractions",
        lambda: afwImage.Mask(3, 3).assign(np.full((3, 3), 1.7)),
        *INVALID,
        "1.7|float64",
    ),
    ("mask made with a fraction", lambda: afwImage.Mask(3, 4, 1.5), *INVALID, "1.5"),
    ("mask of a list of fractions", lambda: afwImage.Mask([[1.5, 2], [3, 4]]), *INVALID, "fractions"),
    ("mask of an image of fractions", lambda: afwImage.Mask(afwImage.ImageF(2, 2, 1.5)), *INVALID, "fractions"),
    ("masked image set to a fraction of a mask", lambda: image().set(1, 1.5), *INVALID, "1.5"),
    (
        "vector's mask beyond 32 bits",
        lambda: afwImage.MaskedVectorF([1], np.array([2**40])),
        *RANGE,
        "1099511627776",
    ),
    ("vector's mask of fractions", lambda: afwImage.MaskedVectorF([1], [1.5]), *INVALID, "1.5|fractions"),
    ("ImageU filled with -1.0", lambda: afwImage.ImageU(3, 4, -1.0), *RANGE, "-1.0"),
    ("ImageI / 0", lambda: afwImage.ImageI(3, 4, 1).__itruediv__(0), *RANGE, "0"),
    ("ImageU - 2", lambda: afwImage.ImageU(3, 4, 1).__isub__(2), *RANGE, "2"),
    ("ImageI + 1", lambda: afwImage.ImageI(3, 4, 2**31 - 1).__iadd__(1), *RANGE, "2147483647|2147483648"),
    ("ImageI * 4", lambda: afwImage.ImageI(3, 4, 2**30).__imul__(4), *RANGE, "4"),
    (
        "a translation to one bit",
        lambda: afwImage.translate_mask(np.full((2, 2), 2, np.int32), {"A": 1, "B": 2}, {"A": 3, "B": 3}),
        *INVALID,
        "'A'.*'B'.*3",
    ),
    (
        "a translation from bit 40",
        lambda: afwImage.translate_mask(np.zeros((2, 2), np.int32), {"A": 40}, {"A": 41}),
        *RANGE,
        "40",
    ),
    (
        "mask of another size by name",
        lambda: afwImage.MaskedImageF(3, 4, mask=afwImage.Mask(9, 9)),
        *LENGTH,
        "9 x 9",
    ),
    (
        "variance of another size by name",
        lambda: afwImage.MaskedImageF(3, 4, variance=afwImage.ImageF(9, 9)),
        *LENGTH,
        "9 x 9",
    ),
    ("masked image of a word by name", lambda: afwImage.MaskedImageF(image="x"), *INVALID, "'x'"),
    ("Exposure of complex numbers", lambda: afwImage.Exposure(3, 4, dtype=complex), *INVALID, "complex128"),
    ("a mask plane without a name", lambda: afwImage.Mask(3, 3, mask_planes={"": 1}), *INVALID, "''"),
    ("a mask plane named by a number", lambda: afwImage.Mask(3, 3, mask_planes={3: 1}), *INVALID, "3"),
    ("a pixel that is None", lambda: afwImage.ImageF(3, 4).__setitem__((0, 0), None), *INVALID, "None"),
    (
        "an origin by its name",
        lambda: afwImage.ImageF(3, 4).getBBox("LOCAL"),
        *INVALID,
        "'LOCAL'",
    ),
    *(
        (
            f"positions {x} of a scaler",
            lambda x=x: afwImage.SpatialScaler(x, [0, 1], np.ones((2, 2))),
            *INVALID,
            "inf",
        )
        for x in ([0.0, INF], [-INF, 0.0])
    ),
    ("ImageF filled with i", lambda: afwImage.ImageF(3, 4, 1j), *INVALID, "1j"),
    ("ImageI filled with NaN", lambda: afwImage.ImageI(3, 4, NAN), *RANGE, "nan"),
    ("ImageI filled with 2.5e9", lambda: afwImage.ImageI(3, 4, 2.5e9), *RANGE, "2500000000.0"),
    ("Mask filled with NaN", lambda: afwImage.Mask(3, 4, NAN), *INVALID, "nan"),
    ("ImageI assigned NaN", lambda: afwImage.ImageI(3, 4).assign(afwImage.ImageF(3, 4, NAN)), *RANGE, "nan"),
    ("ImageI assigned 1e12", lambda: afwImage.ImageI(3, 4).assign(afwImage.ImageD(3, 4, 1e12)), *RANGE, "10000"),
    ("Mask assigned NaN", lambda: afwImage.Mask(3, 3).assign(afwImage.ImageF(3, 3, NAN)), *INVALID, "nan"),
    ("ImageU + NaN", lambda: afwImage.ImageU(3, 4, 1).__iadd__(afwImage.ImageF(3, 4, NAN)), *RANGE, "nan"),
    ("ImageF + i", lambda: afwImage.ImageF(3, 4).__iadd__(1j), *INVALID, "1j"),
    ("vector of i", lambda: afwImage.MaskedVectorF(np.array([1j])), *INVALID, "complex128"),
    *(
        (f"{value} added", lambda value=value: afwImage.ImageF(3, 3).__iadd__(value), *INVALID, f"{value}")
        for value in (None, {})
    ),
    ("a petabyte", lambda: afwImage.ImageF(10**6, 10**9), *LENGTH, "1000000 x 1000000000"),
    ("a vector of a petabyte", lambda: afwImage.MaskedVectorF(10**15), *LENGTH, "1000000000000000"),
    ("a vector of -1", lambda: afwImage.MaskedVectorF(-1), *LENGTH, "-1"),
    ("a vector of words", lambda: afwImage.MaskedVectorF([1, "x"]), *INVALID, "'x'|<U"),
    ("a ragged vector", lambda: afwImage.MaskedVectorF([[1], [2, 3]]), *INVALID, "cannot be made"),
    ("a vector's mask of 2^40", lambda: afwImage.MaskedVectorF([1], [2**40]), *RANGE, "1099511627776"),
    ("a vector's mask of NaN", lambda: afwImage.MaskedVectorF([1], [NAN]), *INVALID, "nan"),
    ("index ()", lambda: afwImage.ImageF(3, 4)[()], *INVALID, r"Index \(\) is none of"),
    ("pixel set to a word", lambda: afwImage.ImageF(3, 4).__setitem__((0, 0), "x"), *INVALID, "'x'"),
    ("pixel set to 2^31", lambda: afwImage.ImageI(3, 4).__setitem__((0, 0), 2**31), *RANGE, "2147483648"),
    ("pixel set to NaN", lambda: afwImage.ImageI(3, 4).__setitem__((0, 0), NAN), *RANGE, "nan"),
    ("image set to -1", lambda: afwImage.ImageU(3, 4).set(-1), *RANGE, "-1"),
    ("image set to a word", lambda: afwImage.ImageF(3, 4).set("x"), *INVALID, "'x'"),
    ("array assigned", lambda: afwImage.ImageF(3, 4).assign(ONES), *LENGTH, "20 x 20"),
    ("array set", lambda: setattr(afwImage.ImageF(3, 4), "array", ONES), *LENGTH, "20 x 20"),
    ("array added", lambda: afwImage.ImageF(3, 4).__iadd__(ONES), *LENGTH, "20 x 20"),
    ("2^40 added", lambda: afwImage.ImageI(3, 4).__iadd__(2**40), *RANGE, "1099511627776"),
    ("word added", lambda: afwImage.ImageF(3, 4).__iadd__("x"), *INVALID, "'x'"),
    (
        "word scaled",
        lambda: afwImage.ImageF(3, 4).scaledPlus("x", afwImage.ImageF(3, 4)),
        *INVALID,
        "'x'",
    ),
    ("mask set to 2^40", lambda: afwImage.Mask(3, 3).set(2**40), *RANGE, "1099511627776"),
    ("mask |= a word", lambda: afwImage.Mask(3, 3).__ior__("x"), *INVALID, "'x'"),
    ("mask |= NaN", lambda: afwImage.Mask(3, 3).__ior__(NAN), *INVALID, "nan"),
    ("mask |= infinity", lambda: afwImage.Mask(3, 3).__ior__(INF), *INVALID, "inf"),
    ("mask |= an array", lambda: afwImage.Mask(3, 3).__ior__(ONES.astype("i4")), *LENGTH, "20 x 20"),
    ("planes of 3", lambda: afwImage.Mask(3, 3, mask_planes=3), *INVALID, "3|int"),
    ("planes renumbered by None", lambda: afwImage.Mask(3, 3).conformMaskPlanes(None), *INVALID, "None"),
    ("MaskedImage of int8", lambda: afwImage.MaskedImage(3, 4, dtype="i1"), *INVALID, "int8"),
    ("masked image assigned None", lambda: image().assign(None), *INVALID, "NoneType"),
    ("masked image assigned an image", lambda: image().assign(afwImage.ImageF(20, 20)), *INVALID, "ImageF"),
    ("masked images multiplied", lambda: image().__imul__(image(width=3)), *LENGTH, "3 x 20"),
    ("masked images divided", lambda: image().__itruediv__(image(width=3)), *LENGTH, "3 x 20"),
    ("a data ID of a word", lambda: afwImage.ExposureF(3, 4, dataId="x"), *INVALID, "'x'"),
    ("a scale of two", lambda: afwImage.ImageScaler([1, 2]), *INVALID, r"\[1, 2\]"),
    ("positions of words", lambda: afwImage.SpatialScaler("x", [0, 1], GRID), *INVALID, "'x'|<U1"),
    (
        "scales that are ragged",
        lambda: afwImage.SpatialScaler([0, 1], [0, 1], [[1, 1], [1]]),
        *INVALID,
        "cannot be made|scale",
    ),
]


@pytest.mark.parametrize(("call", "kind", "builtin", "says"), [pytest.param(*row[1:], id=row[0]) for row in REFUSED])
def test_refused(call: Callable[[], Any], kind: type[Exception], builtin: type[Exception], says: str) -> None:
    check_refused(call, kind, builtin, says)


# What no binding takes: a plain TypeError, never anything else.
WRONG_TYPES: list[tuple[str, Callable[[Any], Any], tuple[Any, ...]]] = [
    ("file name", afwImage.ImageF.readFits, (None, 3)),
]


@pytest.mark.parametrize(
    ("call", "value"),
    [pytest.param(row[1], value, id=f"{row[0]} {value!r}") for row in WRONG_TYPES for value in row[2]],
)
def test_of_the_wrong_type(call: Callable[[Any], Any], value: Any) -> None:
    with pytest.raises(TypeError) as raised:
        call(value)
    assert type(raised.value) is TypeError


def test_the_mask_of_a_masked_array_goes_into_a_masked_image() -> None:
    masked = afwImage.MaskedImageF(np.ma.masked_less(np.arange(9, dtype=np.float32).reshape(3, 3), 4))
    assert np.count_nonzero(masked.mask.array) == 4


def test_a_mask_by_name_with_a_size_is_used() -> None:
    assert afwImage.MaskedImageF(3, 4, mask=afwImage.Mask(3, 4, 1)).mask.array.min() == 1


def test_a_mask_that_cannot_take_planes_stays_as_it_is() -> None:
    mask = afwImage.Mask(3, 3)
    with pytest.raises(errors.RuntimeError, match="all 32 planes are taken"):
        mask |= afwImage.Mask(3, 3, mask_planes=planes_of_32())
    assert mask.getMaskPlaneDict() == afwImage.Mask.getMaskPlaneDict()


def test_a_masked_image_that_cannot_take_another_stays_as_it_is() -> None:
    masked, other = image(1.0, 3, 3), afwImage.MaskedImageF(afwImage.ImageF(3, 3, 2.0), full_of_planes())
    with pytest.raises(errors.RuntimeError, match="all 32 planes are taken"):
        masked += other
    assert masked.image.array.max() == 1.0
