from __future__ import annotations

from collections.abc import Iterator

import pytest

from evensky.image import Mask


@pytest.fixture(autouse=True)
def _default_planes() -> Iterator[None]:
    """Give the default planes back as they were, also to the masks of other tests that share them."""
    planes = Mask._default_planes
    before = dict(planes)
    yield
    planes.clear()
    planes.update(before)
    Mask._default_planes = planes
