"""Bad input to masked images: refused, with the value in the message, or taken as a number."""

# Arguments of wrong types are the subject of these tests.
# mypy: disable-error-code="arg-type,call-arg,dict-item,index"

from __future__ import annotations

import numpy as np
import pytest
from bad_input import INVALID, LENGTH, NAN, ONES, RANGE, Row, full_of_planes, image, refused

import evensky.errors as errors
import evensky.image as afwImage

REFUSED: list[Row] = [
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
    ("four planes", lambda: afwImage.MaskedImageF(ONES, None, None, None), *INVALID, "an image, a mask and a variance"),
    ("a word for a mask", lambda: afwImage.MaskedImageF(ONES, "x"), *INVALID, "The mask is 'x', a str"),
    ("a mask of fractions", lambda: afwImage.MaskedImageF(ONES, ONES * 1.5), *INVALID, "float32 and fractions"),
    ("integers of NaN", lambda: afwImage.MaskedImageI(image(NAN)), *RANGE, "nan to nan; ImageI holds"),
    ("no value", lambda: afwImage.MaskedImageF(3, 4).set(()), *INVALID, "got 0 values"),
    ("four values", lambda: afwImage.MaskedImageF(3, 4).set(1, 2, 3, 4), *INVALID, "got 4 values"),
    ("an image of another size", lambda: afwImage.MaskedImageF(3, 4).setImage(afwImage.ImageF(4, 3)), *LENGTH, "4 x 3"),
    ("a mask of another size set", lambda: afwImage.MaskedImageF(3, 4).setMask(afwImage.Mask(4, 3)), *LENGTH, "4 x 3"),
    ("a variance of another size set", lambda: afwImage.MaskedImageF(3, 4).setVariance(ONES), *LENGTH, "20 x 20"),
    ("masked images added", lambda: image().__iadd__(image(width=3)), *LENGTH, "3 x 20 but the left-hand side is 20"),
    ("masked image set to a fraction of a mask", lambda: image().set(1, 1.5), *INVALID, "1.5"),
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
    ("masked image of a file", lambda: afwImage.MaskedImageF(image="x"), errors.FitsError, OSError, "x: there is no"),
    ("MaskedImage of int8", lambda: afwImage.MaskedImage(3, 4, dtype="i1"), *INVALID, "int8"),
    ("masked image assigned None", lambda: image().assign(None), errors.TypeError, TypeError, "NoneType"),
    ("masked image assigned an image", lambda: image().assign(afwImage.ImageF(20, 20)), *INVALID, "ImageF"),
    ("masked images multiplied", lambda: image().__imul__(image(width=3)), *LENGTH, "3 x 20"),
    ("masked images divided", lambda: image().__itruediv__(image(width=3)), *LENGTH, "3 x 20"),
]


test_refused = refused(REFUSED)


def test_the_mask_of_a_masked_array_goes_into_a_masked_image() -> None:
    masked = afwImage.MaskedImageF(np.ma.masked_less(np.arange(9, dtype=np.float32).reshape(3, 3), 4))
    assert np.count_nonzero(masked.mask.array) == 4


def test_a_mask_by_name_with_a_size_is_used() -> None:
    assert afwImage.MaskedImageF(3, 4, mask=afwImage.Mask(3, 4, 1)).mask.array.min() == 1


def test_a_masked_image_that_cannot_take_another_stays_as_it_is() -> None:
    masked, other = image(1.0, 3, 3), afwImage.MaskedImageF(afwImage.ImageF(3, 3, 2.0), full_of_planes())
    with pytest.raises(errors.RuntimeError, match="all 32 planes are taken"):
        masked += other
    assert masked.image.array.max() == 1.0
