"""Processes: which one is meant, and whether it is alive."""

from __future__ import annotations

import os
import sys
import time

import pytest
from dead_processes import zombie_process

from evensky._processes import is_mark_of_dead, mark, start_of

# Python warns of forks while there are threads; this child ends at once.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")

zombie = pytest.fixture(zombie_process)


def test_starts_of_processes(zombie: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psutil")
    for platform in (sys.platform, "darwin"):
        monkeypatch.setattr(sys, "platform", platform)
        mine = start_of(os.getpid())
        assert mine
        assert mine == start_of(os.getpid())
        assert start_of(1) not in ("", mine)
        assert start_of(zombie) == ""
    assert abs(float(mine or 0) - time.time()) < 86400
    os.waitpid(zombie, 0)
    for platform in ("linux", "darwin"):
        monkeypatch.setattr(sys, "platform", platform)
        assert start_of(zombie) == ""


def test_marks(zombie: int) -> None:
    mine = mark()
    assert is_mark_of_dead(mine) is False
    system = mine.partition("-")[0]
    assert is_mark_of_dead(f"{system}-{zombie}") is True
    assert is_mark_of_dead(f"0123abcd-{zombie}") is None
    assert is_mark_of_dead(f"{system}-{'9' * 12}") is None
    assert is_mark_of_dead("take") is None
