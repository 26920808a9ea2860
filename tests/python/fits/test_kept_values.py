"""Values that are kept, up to a limit."""

from __future__ import annotations

from evensky.fits.kept_values import KeptValues


def test_those_used_last_are_kept() -> None:
    kept: KeptValues[str] = KeptValues(5)
    for key, size in (("a", 2), ("b", 2), ("c", 1)):
        kept.keep(key, key.upper(), size)
    assert kept.get("a") == "A"
    kept.keep("d", "D", 2)  # instead of b, which was not used for longest
    assert [kept.get(key) for key in "abcd"] == ["A", None, "C", "D"]
    kept.keep("a", "new", 3)  # the room of the old value is free
    assert [kept.get(key) for key in "acd"] == ["new", None, "D"]
    kept.keep(None, "without a key")
    assert kept.get(None) is None
    kept.keep("e", "larger than all", 6)
    assert [kept.get(key) for key in "ade"] == [None, None, None]
    kept.keep("f", "F", 5)
    assert kept.get("f") == "F"
    kept.clear()
    kept.keep("g", "G", 5)
    assert [kept.get(key) for key in "fg"] == [None, "G"]
