"""References to exposures as other packages make them, for tests of functions that take any kind of reference."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from evensky.image import ExposureF


class Coordinate:
    """Data ID like the data coordinates of a Butler: indexable, but not a mapping."""

    def __init__(self, **values: Any) -> None:
        self.mapping = values

    def __getitem__(self, key: str) -> Any:
        return self.mapping[key]


class Handle:
    """Reference like a deferred handle, which takes no dataset type."""

    def __init__(self, exposure: ExposureF, **data_id: Any) -> None:
        self.inMemoryDataset = exposure
        self.dataId = Coordinate(**data_id)

    def get(self, *, component: str | None = None) -> ExposureF:
        return self.inMemoryDataset


def gen2(exposure: ExposureF, **data_id: Any) -> Any:
    butler = SimpleNamespace(getKeys=lambda datasetType: {"visit": int})
    return SimpleNamespace(
        get=lambda datasetType, immediate: exposure,
        dataId=data_id,
        butlerSubset=SimpleNamespace(butler=butler),
        datasetExists=lambda datasetType: True,
    )
