"""Terms of the models: text, options, names, and errors that say what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evensky.errors import InvalidParameterError
from evensky.matching.joint.terms import (
    DEFAULT_TERMS,
    KINDS,
    Term,
    amplifier,
    detector,
    gain,
    parse_terms,
    template,
    terms_of,
)


def described(term: Term) -> tuple[Any, ...]:
    return term.kind, term.data, term.name, term.shared, term.required


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("smooth", [("smooth", None, "smooth", False, False)]),
        (" smooth , gain,", [("smooth", None, "smooth", False, False), ("gain", None, "gain", False, False)]),
        ("template=wisp.fits:required", [("template", "wisp.fits", "wisp", False, True)]),
        ("template=d/fringe.v2.fits.gz:shared:required", [("template", "d/fringe.v2.fits.gz", "fringe", True, True)]),
        ("template=C:/d/sky.fits", [("template", "C:/d/sky.fits", "sky", False, False)]),
        ("template={stem}_sky.fits", [("template", "{stem}_sky.fits", "{stem}_sky", False, False)]),
        ("amplifier=8x1", [("amplifier", (8, 1), "amplifier", False, False)]),
        ("detector = 4X2", [("detector", (4, 2), "detector", False, False)]),
        ("detector=2x2.fits", [("detector", "2x2.fits", "detector", False, False)]),
        ("detector=2x²", [("detector", "2x²", "detector", False, False)]),
        ("gain:required", [("gain", None, "gain", False, True)]),
        ("rows:shared", [("rows", None, "rows", True, False)]),
        ("", []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_text(text: str, expected: list[tuple[Any, ...]]) -> None:
    found = parse_terms(text)
    assert [described(term) for term in found] == expected
    # What a term prints as is read as the same term.
    assert [described(term) for term in parse_terms(",".join(map(str, found)))] == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wobble", "no term 'wobble'; terms are smooth, rows"),
        ("smooth=3", "A term 'smooth' takes no data; detector, amplifier, template do"),
        ("template", "needs data, e.g. template=fringes.fits"),
        ("template=4x2", r"A template is an image or a file, not \(4, 2\)"),
        ("amplifier=0x4", r"\(0, 4\) sections; numbers along x and y start at 1"),
        ("gain:shared", "A shared gain cannot be measured"),
        ("smooth:requird", "'smooth:requird' is no term; write KIND, KIND=DATA or KIND=DATA:OPTION"),
        ("shared", "'shared' is no term"),
    ],
)
def test_wrong_text(text: str, message: str) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        parse_terms(text)


def test_lists_of_names_and_terms() -> None:
    found = terms_of(["smooth,gain", template("wisp.fits"), detector((4, 2))])
    assert [term.name for term in found] == ["smooth", "gain", "wisp", "detector"]
    assert [term.kind for term in terms_of(gain(required=True))] == ["gain"]
    assert [term.kind for term in terms_of("rows,columns")] == ["rows", "columns"]
    assert [term.kind for term in terms_of(DEFAULT_TERMS)] == list(DEFAULT_TERMS)
    assert set(DEFAULT_TERMS) <= set(KINDS)
    with pytest.raises(InvalidParameterError, match="The term smooth, wisp is given more than once"):
        terms_of(["smooth,smooth", template("a/wisp.fits"), template("b/wisp.fits")])
    assert len(terms_of([template("a/wisp.fits"), template("b/wisp.fits", name="other")])) == 2


def test_names_and_text_of_images() -> None:
    image = np.eye(4)
    assert template(image).name == "template"
    assert template(Path("dir/sky.flat.fits")).name == "sky"
    assert str(template(Path("wisp.fits"), shared=True)) == "template=wisp.fits:shared"
    assert str(template(image, name="fringes", required=True)) == "template=<fringes>:required"
    assert str(amplifier((8, 1), shared=True)) == "amplifier=8x1:shared"
    assert str(detector([image.astype(int)] * 2)) == "detector=<detector>"
    assert amplifier((np.int64(8), np.int64(1))).sections == (8, 1)
    assert detector(image.astype(int)).sections is None
    assert detector().sections is None


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("", "terms is empty.*at least one of smooth, rows"),
        ([], "terms is empty"),
        (["smooth", np.eye(3)], r"terms has a ndarray; .* write evensky\.template\(image\)"),
    ],
)
def test_lists_without_terms(given: Any, says: str) -> None:
    with pytest.raises(InvalidParameterError, match=says):
        terms_of(given)


def test_a_number_is_no_template() -> None:
    with pytest.raises(InvalidParameterError, match="image or a file, not 3"):
        template(3)
