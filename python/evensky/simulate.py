"""Simulation of realistic exposures with a known truth, for the demo, the tests and the documentation.

All exposures show one scene of stars and diffuse light. Each has its own smooth sky of known level, gradient and
curvature, and its own noise, chip gap, bad columns and cosmic rays, which are masked as by a pipeline.
"""

from __future__ import annotations

__all__ = [
    "SimulatedExposure",
    "make_bare_exposures",
    "make_exposures",
    "residual_background",
    "residual_between",
    "write_exposures",
]

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import InvalidParameterError
from .image import ExposureF, ImageF, Mask, MaskedImageF
from .io import write_exposure, write_image

# Electrons per count and read noise in counts: a sky of 650 counts has about 10 counts of noise.
_GAIN = 7.0
_READ_NOISE = 2.0
_SATURATION = 40_000.0


@dataclass(repr=False)
class SimulatedExposure:
    """Simulated exposure with its true sky and scene.

    Attributes
    ----------
    exposure : ExposureF
        Sum of scene, sky, noise and defects, with mask and variance.
    sky : ndarray of float32, shape (height, width)
        Smooth sky of this exposure, whose differences between exposures matching has to remove.
    scene : ndarray of float32, shape (height, width)
        Stars and diffuse light, common to all exposures.
    name : str
    """

    exposure: ExposureF
    sky: np.ndarray
    scene: np.ndarray
    name: str

    def __repr__(self) -> str:
        height, width = self.sky.shape
        return f"SimulatedExposure({self.name!r}, {width} x {height} px: exposure, sky, scene)"


def _stars(shape: tuple[int, int], rng: np.random.Generator, number: int) -> np.ndarray:
    """Simulate stars whose fluxes follow a power law, with Moffat profiles about 4 px wide."""
    height, width = shape
    image = np.zeros(shape, dtype=np.float32)
    alpha, beta = 3.6, 2.8
    fluxes = 400.0 * (1 - rng.random(number)) ** (-1 / 0.95)
    for x, y, flux in zip(rng.uniform(0, width, number), rng.uniform(0, height, number), fluxes, strict=True):
        flux = min(flux, 3e6)
        reach = int(np.clip(8 * (flux / 400.0) ** 0.3, 10, 60))
        x0, x1 = max(0, int(x) - reach), min(width, int(x) + reach + 1)
        y0, y1 = max(0, int(y) - reach), min(height, int(y) + reach + 1)
        dx, dy = np.arange(x0, x1) - x, np.arange(y0, y1) - y
        radius2 = (dx[None, :] ** 2 + dy[:, None] ** 2) / alpha**2
        profile = flux * (beta - 1) / (np.pi * alpha**2) * (1 + radius2) ** -beta
        image[y0:y1, x0:x1] += profile.astype(np.float32)
    return image


def _grids(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return coordinates from -1 to 1 along x, shape (1, width), and along y, shape (height, 1)."""
    height, width = shape
    return np.linspace(-1, 1, width)[None, :], np.linspace(-1, 1, height)[:, None]


def _diffuse(shape: tuple[int, int], peak: float) -> np.ndarray:
    """Simulate a tilted elongated glow with a fainter companion."""
    u, v = _grids(shape)

    def blob(cx: float, cy: float, major: float, minor: float, angle: float) -> np.ndarray:
        along = (u - cx) * np.cos(angle) + (v - cy) * np.sin(angle)
        across = -(u - cx) * np.sin(angle) + (v - cy) * np.cos(angle)
        return np.asarray(np.exp(-0.5 * ((along / major) ** 2 + (across / minor) ** 2)))

    glow = blob(0.12, 0.05, 0.42, 0.2, 0.6) + 0.35 * blob(-0.5, 0.45, 0.22, 0.15, -0.4)
    return (peak * glow).astype(np.float32)


def _grown(mask: np.ndarray, radius: int) -> np.ndarray:
    """Return a mask grown by `radius` pixels in x and y."""
    for axis in (0, 1):
        grown = mask.copy()
        for shift in range(1, radius + 1):
            ahead = [slice(None)] * 2
            behind = [slice(None)] * 2
            ahead[axis], behind[axis] = slice(shift, None), slice(None, -shift)
            grown[tuple(ahead)] |= mask[tuple(behind)]
            grown[tuple(behind)] |= mask[tuple(ahead)]
        mask = grown
    return mask


def _cosmic_rays(shape: tuple[int, int], rng: np.random.Generator, number: int) -> np.ndarray:
    """Simulate cosmic rays as straight tracks; return their counts."""
    hits = np.zeros(shape, dtype=np.float32)
    for _ in range(number):
        length = int(rng.exponential(8)) + 1
        angle, energy = rng.uniform(0, np.pi), rng.uniform(300, 4000)
        steps = np.arange(length)
        x = (rng.uniform(0, shape[1]) + steps * np.cos(angle)).astype(int)
        y = (rng.uniform(0, shape[0]) + steps * np.sin(angle)).astype(int)
        inside = (x >= 0) & (x < shape[1]) & (y >= 0) & (y < shape[0])
        hits[y[inside], x[inside]] += energy
    return hits


def make_exposures(
    number: int = 6, shape: tuple[int, int] = (1024, 1024), seed: int = 2026, glow: float = 60.0
) -> list[SimulatedExposure]:
    """Simulate exposures of one field on one pixel grid.

    Parameters
    ----------
    number : int, optional
        Number of exposures, at least 1.
    shape : tuple of int, optional
        Height and width in pixels, at least 64 each.
    seed : int, optional
        Seed of the random numbers; the same seed gives the same exposures.
    glow : float, optional
        Peak of the diffuse light, in counts.

    Returns
    -------
    list of SimulatedExposure

    Raises
    ------
    evensky.errors.InvalidParameterError
        If `number` or `shape` is too small.
    """
    _check_size(number, shape)
    from astropy.io.fits import Header
    from astropy.wcs import WCS

    rng = np.random.default_rng(seed)
    height, width = shape
    stars = _stars(shape, rng, number=max(20, height * width // 1000))
    scene = stars + _diffuse(shape, glow)
    u, v = _grids(shape)
    bad_columns = rng.integers(0, width, size=4)
    bits = {name: Mask.getPlaneBitMask(name) for name in ("NO_DATA", "BAD", "CR", "SAT", "DETECTED")}
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [250.42, 36.46]
    wcs.wcs.crpix = [width / 2 + 0.5, height / 2 + 0.5]
    wcs.wcs.cdelt = [-0.4 / 3600, 0.4 / 3600]

    simulated = []
    for index in range(number):
        level = 620 + 90 * rng.random()
        gradient = rng.uniform(-25, 25, size=2)
        curvature = rng.uniform(-12, 12, size=3)
        sky = (level + _curved_sky(u, v, gradient, curvature)).astype(np.float32)
        clean = scene + sky
        variance = (clean / _GAIN + _READ_NOISE**2).astype(np.float32)
        pixels = clean + np.sqrt(variance) * rng.standard_normal(shape, dtype=np.float32)
        mask = np.zeros(shape, dtype=np.int32)

        dither = int(rng.integers(-width // 12, width // 12 + 1))
        hits = _cosmic_rays(shape, rng, number=max(4, height * width // 12_000))
        pixels += hits
        mask[_grown(hits > 0, 1)] |= bits["CR"]
        for column in (bad_columns + dither) % width:
            pixels[:, column] += 250.0
            mask[:, column] |= bits["BAD"]
        saturated = pixels > _SATURATION
        pixels[saturated] = _SATURATION
        mask[_grown(saturated, 2)] |= bits["SAT"]
        mask[_grown(stars > 2.5 * np.sqrt(level / _GAIN) / 3, 2)] |= bits["DETECTED"]
        gap = width // 2 + dither + np.arange(max(4, width // 80))
        pixels[:, gap] = np.nan
        mask[:, gap] |= bits["NO_DATA"]

        exposure = ExposureF(MaskedImageF(ImageF(pixels.astype(np.float32)), Mask(mask), ImageF(variance)))
        name = f"demo_{index + 1:02d}"
        exposure.metadata = Header(
            [
                ("OBJECT", "evensky demo field", "simulated"),
                ("EXPNUM", index + 1, "number of the exposure"),
                ("EXPTIME", 300.0, "[s]"),
                ("DATE-OBS", f"2026-05-05T0{4 + index // 10}:{5 * (index % 10):02d}:00"),
                ("BUNIT", "count"),
                ("SKYLEVEL", round(level, 3), "true mean of the sky"),
            ]
        )
        exposure.wcs = wcs.deepcopy()
        exposure.dataId = {"visit": index + 1}
        simulated.append(SimulatedExposure(exposure, sky, scene, name))
    return simulated


def make_bare_exposures(
    number: int = 10,
    shape: tuple[int, int] = (1024, 1024),
    seed: int = 2026,
    *,
    noise: float = 10.0,
    glow: float = 60.0,
    curved: bool = True,
    halves: int = 0,
    step: int = 0,
) -> list[SimulatedExposure]:
    """Simulate exposures without masks, so that defects are not marked.

    Parameters
    ----------
    number : int, optional
        Number of exposures, at least 1.
    shape : tuple of int, optional
        Height and width of each exposure in pixels, at least 64 each.
    seed : int, optional
        Seed of the random numbers; the same seed gives the same exposures.
    noise : float, optional
        Standard deviation of the pixel noise, in counts.
    glow : float, optional
        Peak of the diffuse light, in counts.
    curved : bool, optional
        Whether the skies differ in gradient and curvature, and not in level alone.
    halves : int, optional
        Number of exposures, counted from the first, that cover only a random half of the field; their other pixels are
        NaN.
    step : int, optional
        Offset in x of each exposure from the one before it, in pixels; the field is wider accordingly.

    Returns
    -------
    list of SimulatedExposure
        Exposures without masks and variances; their origins give their positions in the field.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If `number` or `shape` is too small.
    """
    _check_size(number, shape)
    rng = np.random.default_rng(seed)
    height, width = shape
    whole = height, width + step * (number - 1)
    field = _stars(whole, rng, number=max(20, whole[0] * whole[1] // 1000)) + _diffuse(whole, glow)
    u, v = _grids(shape)
    simulated = []
    for index in range(number):
        sky = np.full(shape, rng.uniform(600, 700))
        if curved:
            sky += _curved_sky(u, v, rng.uniform(-25, 25, size=2), rng.uniform(-12, 12, size=3))
        scene = field[:, step * index : step * index + width]
        pixels = scene + sky + rng.normal(0, noise, shape)
        pixels += _cosmic_rays(shape, rng, number=max(4, height * width // 12_000))
        if index < halves:
            angle = rng.uniform(0, 2 * np.pi)
            along = np.cos(angle) * u + np.sin(angle) * v
            pixels[along < np.median(along)] = np.nan
        exposure = ExposureF(MaskedImageF(ImageF(pixels.astype(np.float32), xy0=(step * index, 0))))
        exposure.info.has_variance = False
        exposure.dataId = {"visit": index + 1}
        simulated.append(SimulatedExposure(exposure, sky.astype(np.float32), scene, f"bare_{index + 1:02d}"))
    return simulated


def _check_size(number: int, shape: tuple[int, int]) -> None:
    if number < 1:
        raise InvalidParameterError(f"number = {number}; at least 1 exposure is needed")
    if min(shape) < 64:
        raise InvalidParameterError(f"shape = {shape}; at least 64 x 64 pixels are needed")


def _curved_sky(u: np.ndarray, v: np.ndarray, gradient: np.ndarray, curvature: np.ndarray) -> np.ndarray:
    """Return a sky of given gradient and curvature with zero mean, over coordinates from -1 to 1."""
    return np.asarray(
        gradient[0] * u
        + gradient[1] * v
        + curvature[0] * (u**2 - 1 / 3)
        + curvature[1] * u * v
        + curvature[2] * (v**2 - 1 / 3)
    )


def residual_between(added: list[np.ndarray | None], simulated: list[SimulatedExposure]) -> float:
    """Measure the RMS of the residual differences between the skies of matched exposures of one field.

    Parameters
    ----------
    added : list of ndarray, shape (height, width), or None
        Model that was added to each exposure; None for an unchanged exposure.
    simulated : list of SimulatedExposure

    Returns
    -------
    float
        RMS deviation of sky + model from its mean over the exposures at each pixel, over all pixels with data. A
        component that is common to all exposures does not contribute.
    """
    total, squares, counts = 0.0, 0, np.zeros(simulated[0].sky.shape)
    left = []
    mean = np.zeros(simulated[0].sky.shape)
    for correction, one in zip(added, simulated, strict=True):
        sky = one.sky.astype(np.float64) + (0.0 if correction is None else correction)
        sky[~np.isfinite(one.exposure.image.array)] = np.nan
        left.append(sky)
        good = np.isfinite(sky)
        mean[good] += sky[good]
        counts += good
    mean /= np.maximum(counts, 1)
    for sky in left:
        difference = sky - mean
        good = np.isfinite(difference)
        total += float((difference[good] ** 2).sum())
        squares += int(good.sum())
    return float(np.sqrt(total / squares))


def residual_background(matched: np.ndarray, simulated: SimulatedExposure, reference: SimulatedExposure) -> np.ndarray:
    """Return the residual difference between the sky of a matched exposure and that of the reference.

    Parameters
    ----------
    matched : ndarray, shape (height, width)
        Pixels of the matched exposure.
    simulated, reference : SimulatedExposure
        Exposure before matching, and the reference.

    Returns
    -------
    ndarray of float64
        Model that was added minus the model that should have been added, free of noise: 0 everywhere for a perfect
        match; NaN in pixels without data.
    """
    added = matched.astype(np.float64) - simulated.exposure.image.array
    return np.asarray(added - (reference.sky.astype(np.float64) - simulated.sky))


def write_exposures(simulated: list[SimulatedExposure], folder: str | Path, *, overwrite: bool = False) -> list[Path]:
    """Write exposures to FITS files ``<name>.fits``, and their true skies to ``truth/<name>_sky.fits`` beside them.

    Returns
    -------
    list of Path
        Files of the exposures.

    Raises
    ------
    evensky.errors.FitsError
        If a file cannot be written, or exists and `overwrite` is false.
    """
    folder = Path(folder)
    (folder / "truth").mkdir(parents=True, exist_ok=True)
    paths = []
    for one in simulated:
        path = folder / f"{one.name}.fits"
        write_exposure(one.exposure, path, overwrite=overwrite)
        write_image(ImageF(one.sky), folder / "truth" / f"{one.name}_sky.fits", overwrite=overwrite)
        paths.append(path)
    return paths
