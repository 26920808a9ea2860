"""HDUs of an open file that are made when they are asked for."""

from __future__ import annotations

__all__ = ["LazyHDUs"]

import operator
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TypeVar, overload

_HDU = TypeVar("_HDU")


class LazyHDUs(Sequence[_HDU]):
    """The HDUs of a file, each of which is made once: there may be thousands, of which one is wanted.

    Parameters
    ----------
    number : int
        Number of HDUs.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._made: dict[int, _HDU] = {}

    @abstractmethod
    def _make(self, number: int) -> _HDU:
        """Make an HDU."""

    def __len__(self) -> int:
        return self._number

    def __iter__(self) -> Iterator[_HDU]:
        for number in range(self._number):  # faster than what Sequence does
            yield self[number]

    @overload
    def __getitem__(self, index: int) -> _HDU: ...

    @overload
    def __getitem__(self, index: slice) -> list[_HDU]: ...

    def __getitem__(self, index: int | slice) -> _HDU | list[_HDU]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        if (known := self._made.get(index)) is not None:
            return known
        number = operator.index(index)
        if not -len(self) <= number < len(self):
            raise IndexError(f"There is no HDU {number} among {len(self)}; numbers are -{len(self)} to {len(self) - 1}")
        number %= len(self)
        if number not in self._made:
            self._made[number] = self._make(number)
        return self._made[number]
