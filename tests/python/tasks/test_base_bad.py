"""Bad input to results of tasks: errors that show the value."""

# These tests pass arguments of wrong types.
# mypy: disable-error-code="arg-type,call-arg,dict-item,index"

from __future__ import annotations

from bad_input import INVALID, UNKNOWN, Row, refused

from evensky.tasks import Struct

REFUSED: list[Row] = [
    ("a dataset type twice", lambda: Struct(a=1).mergeItems(Struct(a=2), "a"), *INVALID, "'a'"),
    ("a result that is not there", lambda: Struct(a=1).mergeItems(Struct(), "b"), *UNKNOWN, "'b'"),
]


test_refused = refused(REFUSED)
