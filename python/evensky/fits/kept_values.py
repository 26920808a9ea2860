"""Values that are kept for later use, up to a limit; those that were not used for longest are forgotten."""

from __future__ import annotations

__all__ = ["KeptValues"]

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from .._locks import process_lock

_Value = TypeVar("_Value")


class KeptValues(Generic[_Value]):
    """Values by keys, such as the state of a file; several threads may use them.

    Parameters
    ----------
    most : int
        Sum of the sizes of the values that are kept at most.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = process_lock()
        self._values: OrderedDict[Hashable, tuple[_Value, int]] = OrderedDict()
        self._size = 0

    def get(self, key: Hashable) -> _Value | None:
        """Return a value; None if it is not kept."""
        with self._lock:
            found = self._values.get(key)
            if found is None:
                return None
            self._values.move_to_end(key)
            return found[0]

    def keep(self, key: Hashable, value: _Value, size: int = 1) -> None:
        """Keep a value, which is not None, unless its key is None; forget others if there is no room for it."""
        if key is None:
            return
        with self._lock:
            _, before = self._values.pop(key, (None, 0))
            self._values[key] = value, size
            self._size += size - before
            while self._size > self._most:
                _, (_, old) = self._values.popitem(last=False)
                self._size -= old

    def clear(self) -> None:
        """Forget all values."""
        with self._lock:
            self._values.clear()
            self._size = 0
