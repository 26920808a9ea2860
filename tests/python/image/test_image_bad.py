"""Bad input to images: refused, with the value in the message, or taken as a number."""

# Arguments of wrong types are the subject of these tests.
# mypy: disable-error-code="arg-type,call-arg,dict-item,index"

from __future__ import annotations

import re

import numpy as np
from bad_input import (
    ALL,
    HUGE,
    INVALID,
    LENGTH,
    NAN,
    ONES,
    RANGE,
    Row,
    WrongRow,
    box,
    of_the_wrong_type,
    refused,
)

import evensky.errors as errors
import evensky.geom as geom
import evensky.image as afwImage
from evensky.image._pixels import OutsideError

# A slice beyond an image is a LengthError as for boxes, and an IndexError as for pixels.
OUTSIDE = OutsideError, IndexError
NO_FILE = errors.FitsError, OSError

REFUSED: list[Row] = [
    *(
        (
            f"{kind.__name__} of {value!r}",
            lambda kind=kind, value=value: kind(value),
            *INVALID,
            f"{kind.__name__} takes width and height.*{re.escape(repr(value))}",
        )
        for kind in (afwImage.ImageF, afwImage.ImageI, afwImage.Mask)
        for value in (None, 3.5, {})
    ),
    *(
        (
            f"{kind.__name__} of a file that is none",
            lambda kind=kind: kind("hello"),
            *NO_FILE,
            "hello: there is no such",
        )
        for kind in (afwImage.ImageF, afwImage.ImageI, afwImage.Mask, afwImage.MaskedImageF, afwImage.ExposureF)
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
    ("a pixel outside", lambda: afwImage.ImageF(3, 4)[3, 0, afwImage.LOCAL], *RANGE, r"\(3, 0\) is outside the box"),
    ("a part outside", lambda: afwImage.ImageF(3, 4)[ALL], *LENGTH, "is not inside the image's"),
    ("images of different sizes", lambda: afwImage.ImageF(3, 4).__iadd__(afwImage.ImageF(4, 3)), *LENGTH, "4 x 3"),
    (
        "an origin beyond all numbers",
        lambda: afwImage.ImageF(3, 3).setXY0(HUGE, 0),
        *RANGE,
        "A coordinate or size is 9223372036854775808; it must be within",
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
    (
        "an index of 2^63",
        lambda: afwImage.ImageF(3, 4)[HUGE, 0],
        *RANGE,
        r"Pixel \(9223372036854775808, 0\) is outside the box",
    ),
    *(
        (f"slice {index}", lambda index=index: afwImage.ImageF(3, 4)[index], error, builtin, says)
        for index, error, builtin, says in (
            ((slice(None, None, 2), slice(None)), *INVALID, "x slice has step 2; it must be 1"),
            ((slice(2, 1), slice(None)), *OUTSIDE, "x slice 2:1 is outside 0:3"),
            ((slice(0, 99), slice(None)), *OUTSIDE, "x slice 0:99 is outside 0:3"),
            ((slice(None), slice(-1, 2)), *OUTSIDE, "y slice -1:2 is outside 0:4"),
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
    ("ImageU filled with -1.0", lambda: afwImage.ImageU(3, 4, -1.0), *RANGE, "-1.0"),
    ("ImageI / 0", lambda: afwImage.ImageI(3, 4, 1).__itruediv__(0), *RANGE, "0"),
    ("ImageU - 2", lambda: afwImage.ImageU(3, 4, 1).__isub__(2), *RANGE, "2"),
    ("ImageI + 1", lambda: afwImage.ImageI(3, 4, 2**31 - 1).__iadd__(1), *RANGE, "2147483647|2147483648"),
    ("ImageI * 4", lambda: afwImage.ImageI(3, 4, 2**30).__imul__(4), *RANGE, "4"),
    ("a pixel that is None", lambda: afwImage.ImageF(3, 4).__setitem__((0, 0), None), *INVALID, "None"),
    (
        "an origin by its name",
        lambda: afwImage.ImageF(3, 4).getBBox("LOCAL"),
        *INVALID,
        "'LOCAL'",
    ),
    ("ImageF filled with i", lambda: afwImage.ImageF(3, 4, 1j), *INVALID, "1j"),
    ("ImageI filled with NaN", lambda: afwImage.ImageI(3, 4, NAN), *RANGE, "nan"),
    ("ImageI filled with 2.5e9", lambda: afwImage.ImageI(3, 4, 2.5e9), *RANGE, "2500000000.0"),
    ("ImageI assigned NaN", lambda: afwImage.ImageI(3, 4).assign(afwImage.ImageF(3, 4, NAN)), *RANGE, "nan"),
    ("ImageI assigned 1e12", lambda: afwImage.ImageI(3, 4).assign(afwImage.ImageD(3, 4, 1e12)), *RANGE, "10000"),
    ("ImageU + NaN", lambda: afwImage.ImageU(3, 4, 1).__iadd__(afwImage.ImageF(3, 4, NAN)), *RANGE, "nan"),
    ("ImageF + i", lambda: afwImage.ImageF(3, 4).__iadd__(1j), *INVALID, "1j"),
    *(
        (f"{value} added", lambda value=value: afwImage.ImageF(3, 3).__iadd__(value), *INVALID, f"{value}")
        for value in (None, {})
    ),
    ("a petabyte", lambda: afwImage.ImageF(10**6, 10**9), *LENGTH, "1000000 x 1000000000"),
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
]


test_refused = refused(REFUSED)


# Values that no binding takes: always a plain TypeError.
WRONG_TYPES: list[WrongRow] = [
    ("file name", afwImage.ImageF.readFits, (None, 3)),
]


test_of_the_wrong_type = of_the_wrong_type(WRONG_TYPES)
