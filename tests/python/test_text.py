"""Text for terminals, tables and pages."""

from __future__ import annotations

import os

from evensky._text import printable, reason_of


def test_text_is_one_line_of_what_can_be_printed() -> None:
    assert printable("  two\n  lines\t") == "two lines"
    assert printable("Sèvres 🔭") == "Sèvres 🔭"
    assert printable("\x1b[31mred") == r"\x1b[31mred"
    assert printable(os.fsdecode(b"lat\xe9")) == r"lat\udce9"


def test_every_failure_has_a_reason() -> None:
    assert reason_of(ValueError("two\nlines")) == "two lines"
    assert reason_of(MemoryError()) == "MemoryError"
