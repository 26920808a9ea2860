"""Small tracts whose warps are cut out of planes, for tests of the tasks of a tract."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from evensky.image import ExposureF, ImageF, Mask, MaskedImageF
from evensky.tasks.tract import SkyMap, TractInfo


class WarpHandle:
    """A handle of a warp, which counts how often it is read."""

    def __init__(self, warp: Any, visit: int, patch: int, tract: int = 0) -> None:
        self.warp = warp
        self.dataId = {"visit": visit, "patch": patch, "tract": tract}
        self.reads = 0

    def get(self) -> Any:
        self.reads += 1
        if isinstance(self.warp, Exception):
            raise self.warp
        return self.warp


def sky_map(patch: tuple[int, int] = (50, 50), number: tuple[int, int] = (4, 3), border: int = 5) -> SkyMap:
    return SkyMap({0: TractInfo(patch, number, border)})


def cut(skies: SkyMap, patch: int, image: np.ndarray, mask: np.ndarray, variance: np.ndarray) -> ExposureF:
    """Return the warp of a patch as a copy of a part of planes over the tract."""
    box = skies[0][patch].getOuterBBox()
    rows, columns = box.getSlices()
    masked = MaskedImageF(
        ImageF(image[rows, columns].copy()), Mask(mask[rows, columns].copy()), ImageF(variance[rows, columns].copy())
    )
    masked.setXY0(box.getMin())
    return ExposureF(masked)


def handles(
    skies: SkyMap,
    visit: int,
    image: np.ndarray,
    mask: np.ndarray | None = None,
    *,
    variance: float = 1.0,
    patches: Iterable[int] | None = None,
) -> list[WarpHandle]:
    """Return a handle for each patch of a visit."""
    mask = np.zeros(image.shape, np.int32) if mask is None else mask
    plane = np.full(image.shape, variance, np.float32)
    return [
        WarpHandle(cut(skies, patch, image, mask, plane), visit, patch)
        for patch in (range(len(skies[0])) if patches is None else patches)
    ]


def positions(skies: SkyMap) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of all pixels of the tract."""
    width, height = skies[0].getBBox().getDimensions()
    y, x = np.indices((height, width)).astype(np.float64)
    return x, y


def mosaic(skies: SkyMap, planes: dict[int, np.ndarray]) -> np.ndarray:
    """Return an image of the tract of the inner boxes of its patches; NaN where there is none."""
    width, height = skies[0].getBBox().getDimensions()
    whole = np.full((height, width), np.nan)
    for patch, plane in planes.items():
        inner, outer = skies[0][patch].getInnerBBox(), skies[0][patch].getOuterBBox()
        x, y = inner.getMinX() - outer.getMinX(), inner.getMinY() - outer.getMinY()
        whole[inner.getSlices()] = plane[y : y + inner.getHeight(), x : x + inner.getWidth()]
    return whole


def seams(skies: SkyMap, planes: dict[int, np.ndarray]) -> np.ndarray:
    """Return the steps across the borders of patches."""
    whole = mosaic(skies, planes)
    (width, height), (nx, ny) = skies[0].getPatchInnerDimensions(), skies[0].getNumPatches()
    steps = [whole[:, i * width] - whole[:, i * width - 1] for i in range(1, nx)]
    steps += [whole[j * height] - whole[j * height - 1] for j in range(1, ny)]
    return np.concatenate(steps)
