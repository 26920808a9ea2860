"""Small exposures, and the two methods of matching for them, for tests of the steps of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from evensky.image import ExposureF, ImageF, Mask, MaskedImageF
from evensky.io import write_exposure
from evensky.matching.joint.config import MatchAllConfig
from evensky.runs.joint import JointMethod
from evensky.runs.method import Method
from evensky.runs.reference import ReferenceMethod
from evensky.runs.source import Item, Source
from evensky.runs.store import FileStore
from evensky.tasks import MatchBackgroundsConfig

SIDE = 80
METHODS = ("all", "reference")


def make_exposure(level: float, good: Any = np.s_[:, :], unit: str = "") -> ExposureF:
    """Make an exposure that is good at `good` only."""
    pixels = np.random.default_rng(int(level)).normal(level, 2, (SIDE, SIDE)).astype(np.float32)
    mask = Mask(np.full((SIDE, SIDE), Mask.getPlaneBitMask("NO_DATA"), np.int32))
    mask.array[good] = 0
    exposure = ExposureF(MaskedImageF(ImageF(pixels), mask, ImageF(np.full((SIDE, SIDE), 4, np.float32))))
    if unit:
        exposure.metadata["BUNIT"] = unit
    return exposure


def make_config(name: str, **fields: Any) -> Any:
    """Make the configuration of a method, with bins of 16 pixels."""
    config: Any = MatchAllConfig() if name == "all" else MatchBackgroundsConfig()
    config.update(**{"bin_size" if name == "all" else "binSize": 16, **fields})
    return config


def make_method(name: str, source: Source, *, pictures: bool = False, **fields: Any) -> Method:
    kind: Any = JointMethod if name == "all" else ReferenceMethod
    method: Method = kind(source, make_config(name, **fields), pictures=pictures)
    return method


def write_items(folder: Path, *exposures: ExposureF) -> list[Item]:
    """Write exposures to files a.fits, b.fits ..."""
    items = []
    for index, exposure in enumerate(exposures):
        name = "abcdefgh"[index]
        write_exposure(exposure, folder / f"{name}.fits")
        items.append(Item(index, name, folder / f"{name}.fits", folder / f"{name}_matched.fits"))
    return items


def make_store(name: str) -> FileStore:
    config = make_config(name)
    return FileStore(config.bad_planes if name == "all" else config.badMaskPlanes)
