"""Progress bars."""

from __future__ import annotations

__all__ = ["steps"]

from collections.abc import Iterable
from typing import TypeVar

_Item = TypeVar("_Item")


def steps(items: Iterable[_Item], name: str, unit: str, *, show: bool) -> Iterable[_Item]:
    """The items, with a bar where it is to be shown."""
    if not show:
        return items  # tqdm complains about notebooks without widgets even where it shows nothing
    from tqdm.auto import tqdm

    bar: Iterable[_Item] = tqdm(items, desc=name, unit=unit, leave=False)
    return bar
