"""Owners of locks, and whether they are alive."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from dead_processes import zombie_process

from evensky._processes import start_of
from evensky.io import owners
from evensky.io.owners import held, is_alive, myself

# Python warns of forks while there are threads; this child ends at once.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")

zombie = pytest.fixture(zombie_process)


def test_whether_an_owner_is_alive(zombie: int, monkeypatch: pytest.MonkeyPatch) -> None:
    me = myself("a")
    assert is_alive(me) is False
    held.add("a")
    try:
        assert is_alive(me) is True
    finally:
        held.remove("a")
    assert is_alive(replace(me, pid=zombie)) is False
    assert is_alive(replace(me, pid=1, start=start_of(1))) is True
    if sys.platform == "linux":
        assert is_alive(replace(me, pid=1, start="5")) is False
        monkeypatch.setattr(owners, "start_of", lambda pid: None)  # hidden
        assert is_alive(replace(me, pid=1)) is None
        monkeypatch.setattr(sys, "platform", "darwin")
        monkeypatch.setattr(owners, "start_of", lambda pid: "1000")
        assert is_alive(replace(me, pid=1, start="1001")) is None  # the clock may have been set
    assert is_alive(replace(me, system="another")) is None
    assert is_alive(replace(me, system=None)) is None
