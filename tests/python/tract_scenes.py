"""Visits of a tract that is divided into patches, with known backgrounds, for tests and comparisons of methods.

All visits show one scene, as PSF-matched warps do. Each visit has a background of its own over the whole tract (level,
gradient and curvature), its own pointing (so that it lacks some patches and covers others in part), its own detectors
with gaps between them, bad columns, and stars that saturate.

The quality of a match is measured without noise, from the true backgrounds and the models that were added to them:

* patch seams: the differences between the coadds of two neighbouring patches along their border, on the same pixels;
* visit steps: the steps of the coadd between neighbouring pixels that different visits cover;
* residual: the RMS of background + model about its mean over the visits, in the pixels that two or more cover.
"""

from __future__ import annotations

__all__ = [
    "MatchQuality",
    "Steps",
    "TractScene",
    "WarpHandle",
    "assemble",
    "coadds",
    "measure",
    "patch_steps",
    "scene",
    "seams",
    "visit_steps",
]

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evensky.geom import Box2I
from evensky.image import ExposureF, ImageF, Mask, MaskedImageF
from evensky.tasks.tract import SkyMap, TractInfo

GAIN, READ_NOISE, SATURATION = 4.0, 4.0, 30_000.0
LEVEL = 200.0
LEFT_OUT = ("BAD", "SAT", "EDGE", "NO_DATA")
"""Planes of pixels that are not coadded."""

Models = Mapping[tuple[int, int], np.ndarray]
"""Model that was added to each warp, over its box, by (visit, patch). A warp without a model is not coadded."""


class WarpHandle:
    """Deferred reference to a warp; it makes a new warp each time, and counts how often."""

    def __init__(self, tract_scene: TractScene, visit: int, patch: int) -> None:
        self.scene = tract_scene
        self.dataId = {"skymap": "map", "tract": tract_scene.tract, "patch": patch, "visit": visit, "band": "r"}
        self.reads = 0

    def get(self, **_: Any) -> ExposureF:
        self.reads += 1
        return self.scene.warps[self.dataId["visit"], self.dataId["patch"]]


class _Warps(Mapping[tuple[int, int], ExposureF]):
    """Warps by (visit, patch), each made when it is asked for."""

    def __init__(self, tract_scene: TractScene) -> None:
        self._scene = tract_scene

    def __getitem__(self, key: tuple[int, int]) -> ExposureF:
        if key not in self._scene.covered:
            raise KeyError(key)
        return self._scene.make_warp(*key)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self._scene.covered)

    def __len__(self) -> int:
        return len(self._scene.covered)


@dataclass(repr=False)
class TractScene:
    """Visits of a tract.

    Attributes
    ----------
    sky_map : SkyMap
        Its only tract has the number `tract`.
    scene : ndarray of float32, shape (height, width)
        Stars and diffuse light over the tract, the same in all visits.
    truth : dict of int to ndarray of float32, shape (height, width)
        Background of each visit over the whole tract, also where the visit has no data.
    pixels, bits : dict of int to ndarray, shape (height, width)
        Pixels of each visit over the tract, NaN where it has none, and the bits of its mask.
    covered : list of (int, int)
        The warps that exist, as (visit, patch), ordered by patch and visit.
    """

    sky_map: SkyMap
    tract: int
    scene: np.ndarray
    truth: dict[int, np.ndarray]
    pixels: dict[int, np.ndarray]
    bits: dict[int, np.ndarray]
    covered: list[tuple[int, int]] = field(default_factory=list)

    @property
    def info(self) -> TractInfo:
        return self.sky_map[self.tract]

    @property
    def visits(self) -> list[int]:
        return list(self.truth)

    @property
    def patches(self) -> range:
        nx, ny = self.info.getNumPatches()
        return range(nx * ny)

    @property
    def warps(self) -> Mapping[tuple[int, int], ExposureF]:
        return _Warps(self)

    def handles(self) -> list[WarpHandle]:
        """Return new references to all warps, ordered by patch and visit."""
        return [WarpHandle(self, visit, patch) for visit, patch in self.covered]

    def part(self, patch: int, *, inner: bool = False) -> tuple[slice, slice]:
        """Return the rows and columns of a patch in the arrays of the tract, by default with its border."""
        info = self.info[patch]
        return _slices(info.getInnerBBox() if inner else info.getOuterBBox(), self.info.getBBox())

    def make_warp(self, visit: int, patch: int) -> ExposureF:
        """Return a new warp of a visit, with mask and variance."""
        box, part = self.info[patch].getOuterBBox(), self.part(patch)
        bits = self.bits[visit][part]
        variance = (self.scene[part] + self.truth[visit][part] + LEVEL) / GAIN + READ_NOISE**2
        variance[np.isnan(self.pixels[visit][part])] = np.nan
        origin = (box.getMinX(), box.getMinY())
        planes = (
            ImageF(self.pixels[visit][part].copy(), xy0=origin),
            Mask(bits.copy(), xy0=origin),
            ImageF(variance.astype(np.float32), xy0=origin),
        )
        exposure = ExposureF(MaskedImageF(*planes))
        exposure.dataId = {"tract": self.tract, "patch": patch, "visit": visit}
        exposure.metadata["BUNIT"] = "nJy"
        return exposure

    def good(self, visit: int, patch: int) -> np.ndarray:
        """Return the pixels of a warp that are coadded."""
        part = self.part(patch)
        left_out = Mask.getPlaneBitMask(list(LEFT_OUT))
        return np.isfinite(self.pixels[visit][part]) & ((self.bits[visit][part] & left_out) == 0)


def _slices(box: Box2I, whole: Box2I) -> tuple[slice, slice]:
    x, y = box.getMinX() - whole.getMinX(), box.getMinY() - whole.getMinY()
    return slice(y, y + box.getHeight()), slice(x, x + box.getWidth())


def scene(
    seed: int,
    visits: int = 6,
    patches: tuple[int, int] = (3, 3),
    patch: tuple[int, int] = (256, 256),
    border: int = 16,
    *,
    tract: int = 0,
    first_visit: int = 101,
    level: float = 60.0,
    gradient: float = 40.0,
    curvature: float = 15.0,
    steps: float = 0.0,
    glow: float = 60.0,
    stars: float = 1500.0,
    centred: bool = True,
) -> TractScene:
    """Make visits of a tract.

    Parameters
    ----------
    seed : int
        Seed of the random numbers; the same seed gives the same visits.
    visits : int, optional
        Number of visits, at least 1.
    patches : (int, int), optional
        Number of patches in x and y.
    patch : (int, int), optional
        Width and height of the inner box of a patch.
    border : int, optional
        Pixels by which the outer box of a patch exceeds the inner one.
    tract, first_visit : int, optional
        Numbers of the tract and of the first visit.
    level, gradient, curvature : float, optional
        Scatter of the visits' levels, and largest change of a background from the centre to an edge of the tract.
    steps : float, optional
        Scatter of the levels of a visit's detectors; a smooth model cannot remove these steps.
    glow : float, optional
        Peak of the diffuse light.
    stars : float, optional
        Number of stars per million pixels.
    centred : bool, optional
        Whether the first visit is centred on the tract and covers all patches. The others are dithered, and every other
        one of them lacks patches. Without a centred visit, no visit covers all patches.
    """
    rng = np.random.default_rng(seed)
    info = TractInfo(patch=patch, number=patches, border=border, tract=tract)
    box = info.getBBox()
    shape = box.getHeight(), box.getWidth()
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j].astype(np.float32)
    light = glow * np.exp(-((x - 0.2) ** 2 + 2 * (y + 0.1) ** 2) / 0.18) + _stars(shape, rng, stars)
    result = TractScene(SkyMap({tract: info}), tract, light.astype(np.float32), {}, {}, {})
    for index in range(visits):
        visit = first_visit + index
        angle = 2 * np.pi * (index + rng.uniform(-0.2, 0.2)) / visits
        slope = rng.uniform(-gradient, gradient, 2)
        curves = rng.uniform(-curvature, curvature, 3)
        truth = rng.uniform(-level, level) + slope[0] * x + slope[1] * y
        truth = truth + curves[0] * x**2 + curves[1] * x * y + curves[2] * y**2
        detectors = _Detectors(shape, rng, steps)
        truth += detectors.levels
        noise = np.sqrt((light + truth + LEVEL) / GAIN + READ_NOISE**2)
        pixels = light + truth + noise * rng.standard_normal(shape, dtype=np.float32)
        bits = np.zeros(shape, np.int32)
        bits[light > 3 * noise] |= Mask.getPlaneBitMask("DETECTED")
        pixels[detectors.bad] += 250
        bits[detectors.bad] |= Mask.getPlaneBitMask("BAD")
        pixels[detectors.edge] -= 60
        bits[detectors.edge] |= Mask.getPlaneBitMask("EDGE")
        full = SATURATION * rng.uniform(0.5, 1.0)
        saturated = pixels > full
        pixels[saturated] = full
        bits[saturated] |= Mask.getPlaneBitMask("SAT")
        # A visit sees a disc around its pointing.
        distances = (0.5, 1.0) if centred else (1.15, 1.25)
        away = 0.0 if centred and index == 0 else distances[index % 2]
        outside = (x - away * np.cos(angle)) ** 2 + (y - away * np.sin(angle)) ** 2 > 1.35**2
        empty = detectors.gap | outside
        pixels[empty] = np.nan
        bits[empty] = Mask.getPlaneBitMask("NO_DATA")
        result.truth[visit] = truth.astype(np.float32)
        result.pixels[visit] = pixels.astype(np.float32)
        result.bits[visit] = bits
    result.covered = [
        (visit, one)
        for one in result.patches
        for visit in result.visits
        if np.isfinite(result.pixels[visit][result.part(one)]).mean() > 0.02
    ]
    return result


class _Detectors:
    """Detectors of a visit on the pixels of the tract: their gaps, edges, bad columns and levels."""

    def __init__(self, shape: tuple[int, int], rng: np.random.Generator, steps: float) -> None:
        side = max(shape) / 3.5
        gap = max(4.0, side / 60)
        turned = rng.uniform(0, np.pi / 2)
        y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
        along = np.cos(turned) * x + np.sin(turned) * y + rng.uniform(0, side)
        across = np.cos(turned) * y - np.sin(turned) * x + rng.uniform(0, side)
        u, v = along % side, across % side
        self.gap = (u < gap) | (v < gap)
        self.edge = ((u < gap + 3) | (v < gap + 3)) & ~self.gap
        self.bad = (np.abs(u - rng.uniform(0.2, 0.8) * side) < 0.8) & ~self.gap
        self.levels = np.zeros(shape, np.float32)
        if steps:
            column, row = (along // side).astype(int), (across // side).astype(int)
            column, row = column - column.min(), row - row.min()
            self.levels = rng.normal(0, steps, (column.max() + 1, row.max() + 1))[column, row].astype(np.float32)


def _stars(shape: tuple[int, int], rng: np.random.Generator, density: float) -> np.ndarray:
    """Return stars with Moffat profiles and a power law of fluxes, over an array."""
    result = np.zeros(shape, np.float32)
    number = max(3, round(density * shape[0] * shape[1] / 1e6))
    peaks = np.minimum(30 * rng.random(number) ** -1.1, 1e5)
    for peak, row, column in zip(
        peaks, rng.uniform(0, shape[0], number), rng.uniform(0, shape[1], number), strict=True
    ):
        radius = int(min(60, 6 + 3 * (peak / 20) ** 0.25))
        low = max(0, int(row) - radius), max(0, int(column) - radius)
        part = (slice(low[0], int(row) + radius + 1), slice(low[1], int(column) + radius + 1))
        height, width = result[part].shape
        y, x = np.ogrid[low[0] : low[0] + height, low[1] : low[1] + width]
        result[part] += peak * (1 + ((y - row) ** 2 + (x - column) ** 2) / 6.0) ** -3.0
    return result


# -- coadds and their steps --


def coadds(tract_scene: TractScene, models: Models, *, noise: bool = False) -> dict[int, np.ndarray]:
    """Return the mean over the visits of each patch, over its outer box; NaN where no visit has a good pixel.

    Parameters
    ----------
    tract_scene : TractScene
    models : mapping of (int, int) to ndarray
        The models that were added, by (visit, patch); warps without one are left out.
    noise : bool, optional
        Coadd the pixels instead of the true backgrounds, which have neither sources nor noise.
    """
    result = {}
    for patch in tract_scene.patches:
        part = tract_scene.part(patch)
        total = np.zeros(tract_scene.scene[part].shape)
        number = np.zeros(total.shape, int)
        for visit in tract_scene.visits:
            if (visit, patch) in models:
                source = tract_scene.pixels if noise else tract_scene.truth
                good = tract_scene.good(visit, patch)
                total += np.where(good, source[visit][part] + models[visit, patch], 0.0)
                number += good
        with np.errstate(invalid="ignore"):
            result[patch] = total / number
    return result


def assemble(tract_scene: TractScene, images: Mapping[int, np.ndarray]) -> np.ndarray:
    """Return one array over the tract, made of the inner boxes of images of its patches."""
    result = np.full(tract_scene.scene.shape, np.nan)
    for patch, image in images.items():
        (rows, columns), inner = tract_scene.part(patch), tract_scene.part(patch, inner=True)
        place = tuple(
            slice(one.start - whole.start, one.stop - whole.start)
            for one, whole in zip(inner, (rows, columns), strict=True)
        )
        result[inner] = image[place]
    return result


def patch_steps(tract_scene: TractScene, images: Mapping[int, np.ndarray]) -> np.ndarray:
    """Return the steps at the borders of patches, one for each pixel along them.

    A step is the difference of two patches on the same pixel, the first one beyond their border. So neither the scene
    nor its noise contributes.

    Parameters
    ----------
    tract_scene : TractScene
    images : mapping of int to ndarray
        Images of patches over their outer boxes, such as coadds.
    """
    nx, ny = tract_scene.info.getNumPatches()
    found = []
    for row in range(ny):
        for column in range(nx):
            patch = row * nx + column
            inner = tract_scene.part(patch, inner=True)
            for other, axis in ((patch + 1, 1), (patch + nx, 0)):
                if (axis == 1 and column == nx - 1) or (axis == 0 and row == ny - 1):
                    continue
                line = list(inner)
                line[axis] = slice(inner[axis].stop, inner[axis].stop + 1)
                values = [
                    images[one][
                        tuple(
                            slice(part.start - whole.start, part.stop - whole.start)
                            for part, whole in zip(line, tract_scene.part(one), strict=True)
                        )
                    ]
                    for one in (patch, other)
                ]
                found.append((values[1] - values[0]).ravel())
    steps = np.concatenate(found)
    return steps[np.isfinite(steps)]


def visit_steps(tract_scene: TractScene, models: Models) -> np.ndarray:
    """Return the steps of the noiseless coadd between neighbouring pixels of a patch that different visits cover."""
    images = coadds(tract_scene, models)
    found = []
    for patch in tract_scene.patches:
        inner = tract_scene.part(patch, inner=True)
        rows, columns = tract_scene.part(patch)
        place = (
            slice(inner[0].start - rows.start, inner[0].stop - rows.start),
            slice(inner[1].start - columns.start, inner[1].stop - columns.start),
        )
        image = images[patch][place]
        which = np.zeros(image.shape, np.int64)
        for bit, visit in enumerate(tract_scene.visits):
            if (visit, patch) in models:
                which |= tract_scene.good(visit, patch)[place].astype(np.int64) << bit
        for axis in (0, 1):
            steps, changed = np.diff(image, axis=axis), np.diff(which, axis=axis) != 0
            found.append(steps[changed & np.isfinite(steps)])
    return np.concatenate(found)


@dataclass
class Steps:
    """RMS and largest absolute value of steps, in counts."""

    rms: float
    largest: float

    @classmethod
    def of(cls, values: np.ndarray) -> Steps:
        if not values.size:
            return cls(0.0, 0.0)
        return cls(float(np.sqrt(np.mean(values**2))), float(np.abs(values).max()))


@dataclass
class MatchQuality:
    """Quality of the match of a tract, in counts, without noise.

    Attributes
    ----------
    patch_seams, visit_steps : Steps
        Steps of the coadd at the borders of patches and at those of visits.
    residual : float
        RMS of background + model about its mean over the visits.
    matched : int
        Number of warps that were coadded.
    """

    patch_seams: Steps
    visit_steps: Steps
    residual: float
    matched: int


def seams(tract_scene: TractScene, images: Mapping[int, np.ndarray]) -> Steps:
    """Return the RMS and the largest of the steps at the borders of patches, see `patch_steps`."""
    return Steps.of(patch_steps(tract_scene, images))


def measure(tract_scene: TractScene, models: Models) -> MatchQuality:
    """Return the quality of a match, see `MatchQuality`."""
    squares, number = 0.0, 0
    for patch in tract_scene.patches:
        part = tract_scene.part(patch)
        levels = [
            np.where(tract_scene.good(visit, patch), tract_scene.truth[visit][part] + models[visit, patch], np.nan)
            for visit in tract_scene.visits
            if (visit, patch) in models
        ]
        if len(levels) < 2:
            continue
        stack = np.array(levels)
        count = np.isfinite(stack).sum(axis=0)
        stack = stack[:, count > 1]
        stack -= np.nanmean(stack, axis=0)
        squares += float(np.nansum(stack.astype(float) ** 2))
        number += int(np.isfinite(stack).sum())
    return MatchQuality(
        seams(tract_scene, coadds(tract_scene, models)),
        Steps.of(visit_steps(tract_scene, models)),
        float(np.sqrt(squares / max(number, 1))),
        len(models),
    )
