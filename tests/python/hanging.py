"""An alarm for tests that might hang."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any


class HangError(BaseException):
    """Not an Exception, so that code that catches those does not catch this."""


def alarm() -> Iterator[None]:
    """Raise HangError after 30 s; body of a fixture."""

    def stop(number: int, frame: Any) -> None:
        raise HangError("took longer than 30 s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
