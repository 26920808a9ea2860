"""Simulation of realistic exposures with a known truth, for the demo, the tests and the documentation.

All exposures show one scene of stars and diffuse light, on one pixel grid or as telescopes see it, with pointings,
rotations, scales and distortions of their own. Each has its own smooth sky of known level, gradient and curvature, its
own noise and cosmic rays. Those of `make_exposures` have masks, as pipelines make them.
"""

from __future__ import annotations

__all__ = [
    "SimulatedExposure",
    "SkyResiduals",
    "make_bare_exposures",
    "make_dithered_exposures",
    "make_exposures",
    "residual_background",
    "residual_between",
    "sky_left",
    "sky_residuals",
    "write_exposures",
]

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InvalidParameterError
from .image import ExposureF, ImageF, Mask, MaskedImageF
from .io import write_exposure, write_image

# Electrons per count and read noise in counts: a sky of 650 counts has about 10 counts of noise.
_GAIN = 7.0
_READ_NOISE = 2.0
_SATURATION = 40_000.0

Floats = NDArray[np.float64]

# Dithered exposures: Pixel scale in degrees at scale 1; exponent of the Moffat profiles of stars; fluxes from the
# faintest to the brightest, in counts, and the exponent of their power law; surface brightness at which a star ends.
_PIXEL_SCALE = 0.4 / 3600
_BETA = 3.0
_FAINTEST, _BRIGHTEST, _SLOPE = 950.0, 3e6, 0.95
_END_OF_STAR = 0.01
# Distance in pixels between the nodes at which the diffuse light and the pixel area are computed; splines between them
# are right to 1e-5 of the peak, as both are smooth.
_NODES = 8
_UNITS = ("adu", "MJy/sr")


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
        Stars and diffuse light: one array for all exposures on one pixel grid, otherwise as the exposure shows them.
    name : str
    area : float
        Factor by which this exposure shows diffuse light brighter than one of scale 1: the mean area of its pixels in
        units of a pixel of scale 1 if values are counts per pixel, and 1 for surface brightness.
    wcs : astropy.wcs.WCS or None
        True WCS, even if that of `exposure` is replaced; None if all exposures are on one pixel grid.
    """

    exposure: ExposureF
    sky: np.ndarray
    scene: np.ndarray
    name: str
    area: float = 1.0
    wcs: Any = None

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


def make_dithered_exposures(
    number: int = 10,
    shape: tuple[int, int] = (1024, 1024),
    seed: int = 2026,
    *,
    noise: float = 10.0,
    glow: float = 60.0,
    order: int = 2,
    stars: float = 400.0,
    seeing: float | tuple[float, float] = 3.0,
    dither: float = 300.0,
    rotation: float = 180.0,
    scales: tuple[float, float] = (0.9, 1.1),
    mirrored: int = 0,
    distortion: float = 3.0,
    gap: int = 0,
    pointings: tuple[int, int] = (1, 1),
    pitch: float = 0.8,
    center: tuple[float, float] = (250.42, 36.46),
    unit: str = "adu",
    variances: bool = False,
) -> list[SimulatedExposure]:
    """Simulate exposures as they are observed, each with its own pointing, rotation, scale and distortion.

    The scene is defined on the sky. Every exposure shows it in its own pixels, by its exact WCS (TAN with SIP): stars
    as Moffat profiles whose width is given in pixels, and diffuse light. Exposures are flat-fielded, so that diffuse
    light of one surface brightness gives one value all over an exposure. Nothing is masked.

    Parameters
    ----------
    number : int, optional
        Number of exposures at each pointing, at least 1.
    shape : tuple of int, optional
        Height and width of each exposure in pixels, at least 64 each.
    seed : int, optional
        Seed of the random numbers; the same seed gives the same exposures.
    noise : float, optional
        Standard deviation of the pixel noise, in counts.
    glow : float, optional
        Peak of the diffuse light, in counts per pixel of scale 1.
    order : int, optional
        What skies differ in: 0 for levels, 1 for levels and gradients, 2 for curvature as well. The skies are
        polynomials of the pixel coordinates of each exposure.
    stars : float, optional
        Number of stars in 1024 x 1024 pixels of scale 1.
    seeing : float or (float, float), optional
        Full width of stars at half maximum in pixels of the exposure; two values are the range over the exposures.
    dither : float, optional
        Largest distance of an exposure from its pointing, in pixels of scale 1.
    rotation : float, optional
        Largest rotation to either side, in degrees; 180 for any.
    scales : (float, float), optional
        Range of pixel scales, in units of 0.4 arcsec.
    mirrored : int, optional
        Number of exposures, counted from the first, whose parity is reversed.
    distortion : float, optional
        Shift by distortion at the corners of each exposure, in pixels; 0 for a WCS without SIP.
    gap : int, optional
        Width in pixels of the gaps without data (NaN) between 2 x 2 chips; 0 for none.
    pointings : (int, int), optional
        Rows and columns of pointings.
    pitch : float, optional
        Distance between pointings in units of the height and width of exposures of scale 1.
    center : (float, float), optional
        Right ascension and declination of the center of the field, in degrees (ICRS).
    unit : {"adu", "MJy/sr"}, optional
        Counts per pixel, which are proportional to the mean pixel area of the exposure, or surface brightness, which
        is independent of it. The sky and the noise are the same numbers for both.
    variances : bool, optional
        Whether exposures have a variance plane, `noise` squared everywhere.

    Returns
    -------
    list of SimulatedExposure
        Exposures with WCS, and nothing masked; those of one pointing follow each other.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If `number` or `shape` is too small, or `order` or `unit` is none of those above.
    """
    _check_size(number, shape)
    if order not in (0, 1, 2):
        raise InvalidParameterError(f"order = {order}; a sky has order 0, 1 or 2")
    if unit not in _UNITS:
        raise InvalidParameterError(f"unit = {unit!r}; exposures are simulated in {' or '.join(map(repr, _UNITS))}")
    rng = np.random.default_rng(seed)
    height, width = shape
    rows, columns = pointings
    total = number * rows * columns
    plane = _tangent_plane(center, _PIXEL_SCALE)
    low, high = seeing if isinstance(seeing, tuple) else (seeing, seeing)
    widths = rng.permutation(np.linspace(low, high, total))
    places = np.array(
        [
            (pitch * width * (column - (columns - 1) / 2), pitch * height * (row - (rows - 1) / 2))
            for row in range(rows)
            for column in range(columns)
            for _ in range(number)
        ]
    )
    away, direction = dither * np.sqrt(rng.random(total)), rng.uniform(0, 2 * np.pi, total)
    places += np.stack([away * np.cos(direction), away * np.sin(direction)], axis=1)
    pixel_scales, angles = rng.uniform(*scales, total), np.radians(rng.uniform(-rotation, rotation, total))

    # The catalogue covers the outermost exposure in any rotation, and the wings of stars beyond its edge.
    half = np.abs(places).max(axis=0) + max(scales) * (np.hypot(height, width) / 2 + _reach(_BRIGHTEST, max(widths)))
    count = rng.poisson(stars * 4 * half[0] * half[1] / 1024**2)
    catalogue = plane.wcs_pix2world(rng.uniform(-half, half, (count, 2)), 0)
    fluxes = np.minimum(_FAINTEST * (1 - rng.random(count)) ** (-1 / _SLOPE), _BRIGHTEST)
    size = np.array([width, height]) * (0.5 + pitch * (np.array([columns, rows]) - 1) / 2)

    simulated = []
    for index in range(total):
        # Each exposure has random numbers of its own, so that options of the scene leave its sky and noise unchanged.
        own = np.random.default_rng([seed, index])
        wcs = _tan_sip(
            plane.wcs_pix2world(places[[index]], 0)[0],
            _PIXEL_SCALE * pixel_scales[index],
            angles[index],
            index < mirrored,
            shape,
            distortion,
        )
        sky = _sky_of_order(order, shape, own)
        scene, area = _seen_through(wcs, shape, plane, size, glow, catalogue, fluxes, widths[index])
        if unit != "adu":
            scene, area = scene / np.float32(area), 1.0
        pixels = scene + sky + np.float32(noise) * own.standard_normal(shape, dtype=np.float32)
        pixels += _cosmic_rays(shape, own, number=max(4, height * width // 12_000))
        if gap:
            pixels[height // 2 - gap // 2 :][:gap] = np.nan
            pixels[:, width // 2 - gap // 2 :][:, :gap] = np.nan
        exposure = ExposureF(MaskedImageF(ImageF(pixels)))
        exposure.info.has_variance = variances
        if variances:
            exposure.variance.array[:] = noise**2
        exposure.metadata = _cards(index, unit, float(sky.mean()))
        exposure.wcs = wcs.deepcopy()
        exposure.dataId = {"visit": index + 1}
        name = f"dithered_{index + 1:0{max(2, len(str(total)))}d}"
        simulated.append(SimulatedExposure(exposure, sky, scene, name, area, wcs))
    return simulated


def _cards(index: int, unit: str, level: float) -> Any:
    from astropy.io.fits import Header

    return Header(
        [
            ("OBJECT", "evensky demo field", "simulated"),
            ("EXPNUM", index + 1, "number of the exposure"),
            ("EXPTIME", 300.0, "[s]"),
            ("BUNIT", unit),
            ("SKYLEVEL", round(level, 3), "true mean of the sky"),
        ]
    )


def _sky_of_order(order: int, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    u, v = _grids(shape)
    level, gradient, curvature = rng.uniform(600, 700), rng.uniform(-25, 25, size=2), rng.uniform(-12, 12, size=3)
    shapes = _curved_sky(u, v, gradient * (order > 0), curvature * (order > 1))
    return (level + shapes).astype(np.float32)


def _tangent_plane(center: tuple[float, float], scale: float) -> Any:
    """Return a TAN WCS whose pixel (0, 0) is at a position on the sky, with north up and east to the left."""
    from astropy.wcs import WCS

    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.radesys = "ICRS"
    wcs.wcs.crval = center
    wcs.wcs.crpix = [1.0, 1.0]
    wcs.wcs.cd = np.diag([-scale, scale])
    wcs.wcs.set()
    return wcs


def _tan_sip(
    center: Floats, scale: float, angle: float, mirrored: bool, shape: tuple[int, int], distortion: float
) -> Any:
    """Return the WCS of an exposure, whose distortion is that of a camera: radial, and slightly off its axis."""
    from astropy.wcs import Sip

    height, width = shape
    wcs = _tangent_plane((float(center[0]), float(center[1])), scale)
    wcs.wcs.crpix = [(width + 1) / 2, (height + 1) / 2]
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    wcs.wcs.cd = scale * np.diag([-1.0, 1.0]) @ turned @ np.diag([-1.0 if mirrored else 1.0, 1.0])
    if distortion:
        wcs.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"]
        corner = np.hypot(height, width) / 2
        a, b = np.zeros((4, 4)), np.zeros((4, 4))
        a[3, 0] = a[1, 2] = b[0, 3] = b[2, 1] = distortion / corner**3
        a[2, 0], b[1, 1] = 0.2 * distortion / corner**2, -0.1 * distortion / corner**2
        wcs.sip = Sip(a, b, None, None, wcs.wcs.crpix)
    wcs.wcs.set()
    return wcs


def _pixels_of(wcs: Any, sky: Floats) -> Floats:
    """Return the pixels, shape (n, 2), of positions on the sky in degrees.

    The distortion is inverted by Newton's method, which converges beyond the edges of an exposure, too.
    """
    wanted = wcs.wcs_world2pix(sky, 0)
    pixels = wanted.copy()
    if wcs.sip is None:
        return np.asarray(pixels)
    half = np.eye(2) / 2
    for _ in range(5):
        miss = wcs.pix2foc(pixels, 0) - wanted
        (xx, yx), (xy, yy) = ((wcs.pix2foc(pixels + one, 0) - wcs.pix2foc(pixels - one, 0)).T for one in half)
        determinant = xx * yy - xy * yx
        pixels[:, 0] -= (yy * miss[:, 0] - xy * miss[:, 1]) / determinant
        pixels[:, 1] -= (xx * miss[:, 1] - yx * miss[:, 0]) / determinant
    return np.asarray(pixels)


def _unit_vectors(sky: Floats) -> Floats:
    """Return directions, shape (n, 3), of positions in degrees."""
    lon, lat = np.radians(sky).T
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def _seen_through(
    wcs: Any,
    shape: tuple[int, int],
    plane: Any,
    size: Floats,
    glow: float,
    catalogue: Floats,
    fluxes: Floats,
    fwhm: float,
) -> tuple[np.ndarray, float]:
    """Render the scene in the pixels of an exposure, in counts per pixel; return the mean pixel area as well.

    Parameters
    ----------
    wcs : WCS of the exposure
    shape : (height, width)
    plane : WCS of the tangent plane of the field, whose pixels have the scale 1
    size : ndarray (2,)
        Distance from the center of the field to its edge along x and y, in pixels of scale 1.
    glow : peak of the diffuse light
    catalogue : ndarray, shape (n, 2)
        Positions of the stars on the sky in degrees.
    fluxes : ndarray, shape (n,)
    fwhm : width of stars in pixels

    Returns
    -------
    scene : ndarray of float32
    area : float
        In pixels of scale 1.
    """
    from scipy.interpolate import RectBivariateSpline

    y, x = (np.linspace(-0.5, side - 0.5, max(9, side // _NODES + 1)) for side in shape)
    nodes = len(y), len(x)
    sky = wcs.all_pix2world(np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2), 0)
    vectors = _unit_vectors(sky).reshape(*nodes, 3)
    along, across = (np.gradient(vectors, at, axis=axis, edge_order=2) for axis, at in enumerate((y, x)))
    areas = np.linalg.norm(np.cross(across, along), axis=-1) / np.radians(_PIXEL_SCALE) ** 2
    area_at = RectBivariateSpline(y, x, areas)
    area = float(area_at.integral(y[0], y[-1], x[0], x[-1]) / (shape[0] * shape[1]))

    u, v = (plane.wcs_world2pix(sky, 0) / size).T
    light = RectBivariateSpline(y, x, _glow(u, v, glow).reshape(nodes))
    scene = light(np.arange(shape[0]), np.arange(shape[1]))
    # Distances are compared as chords, so that poles need no special treatment.
    center = _unit_vectors(wcs.wcs.crval[None, :])
    margin = np.hypot(*shape) / 2 * 1.1 + _reach(_BRIGHTEST, fwhm)
    near = np.linalg.norm(_unit_vectors(catalogue) - center, axis=1) < margin * np.sqrt(areas.max()) * np.radians(
        _PIXEL_SCALE
    )
    if near.any():
        star_x, star_y = _pixels_of(wcs, catalogue[near]).T
        # A flat field makes diffuse light even, and stars brighter where pixels are small.
        _add_stars(scene, star_x, star_y, fluxes[near] / area_at(star_y, star_x, grid=False), fwhm)
    return (area * scene).astype(np.float32), area


def _glow(u: Floats, v: Floats, peak: float) -> Floats:
    """Return diffuse light that fills half of a field, whose edges are at -1 and 1."""

    def blob(cx: float, cy: float, major: float, minor: float, angle: float) -> Floats:
        along = (u - cx) * np.cos(angle) + (v - cy) * np.sin(angle)
        across = -(u - cx) * np.sin(angle) + (v - cy) * np.cos(angle)
        return np.asarray(np.exp(-0.5 * ((along / major) ** 2 + (across / minor) ** 2)))

    return peak * (blob(0.12, 0.05, 0.7, 0.45, 0.6) + 0.3 * blob(-0.5, 0.45, 0.3, 0.2, -0.4))


def _moffat(flux: float, fwhm: float) -> tuple[float, float]:
    """Return the peak and the radius of the Moffat profile of a star."""
    radius = fwhm / (2 * np.sqrt(2 ** (1 / _BETA) - 1))
    return flux * (_BETA - 1) / (np.pi * radius**2), radius


def _reach(flux: float, fwhm: float) -> int:
    """Return the distance in pixels at which a star ends."""
    peak, radius = _moffat(flux, fwhm)
    return int(np.clip(radius * (peak / _END_OF_STAR) ** (0.5 / _BETA), 10, 400))


def _add_stars(image: Floats, x: Floats, y: Floats, fluxes: Floats, fwhm: float) -> None:
    height, width = image.shape
    for cx, cy, flux in zip(x, y, fluxes, strict=True):
        peak, radius = _moffat(flux, fwhm)
        reach = _reach(flux, fwhm)
        x0, x1 = max(0, round(cx) - reach), min(width, round(cx) + reach + 1)
        y0, y1 = max(0, round(cy) - reach), min(height, round(cy) + reach + 1)
        if x0 < x1 and y0 < y1:
            distance2 = (np.arange(x0, x1) - cx)[None, :] ** 2 + (np.arange(y0, y1) - cy)[:, None] ** 2
            image[y0:y1, x0:x1] += peak * (1 + distance2 / radius**2) ** -_BETA


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


@dataclass(frozen=True, repr=False)
class SkyResiduals:
    """Residual skies of exposures, compared at points on the sky.

    Attributes
    ----------
    shape : (rows, columns)
        Shape of the grid of points.
    points : list of ndarray of int
        Points that each exposure covers, as indices in the flattened grid.
    left : list of ndarray of float64
        Sky + model of each exposure at these points, in units of a pixel of scale 1, minus its mean over the exposures
        that cover the point.
    mosaic : ndarray, shape (rows, columns)
        That mean, minus its mean over the field: what a mosaic shows besides the scene. NaN where no exposure is.
    """

    shape: tuple[int, int]
    points: list[NDArray[np.intp]]
    left: list[Floats]
    mosaic: Floats

    @property
    def rms(self) -> float:
        """RMS over points and exposures."""
        return float(np.sqrt(sum(float((one**2).sum()) for one in self.left) / sum(len(one) for one in self.left)))

    @property
    def each(self) -> list[float]:
        """RMS of each exposure; NaN if it covers no point."""
        return [float(np.sqrt((one**2).mean())) if len(one) else float("nan") for one in self.left]

    @property
    def bowl(self) -> float:
        """RMS of the second-order polynomial that fits the mosaic best."""
        good = np.isfinite(self.mosaic)
        v, u = (part[good] for part in np.meshgrid(*(np.linspace(-1, 1, side) for side in self.shape), indexing="ij"))
        terms = np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=1)
        fitted = terms @ np.linalg.lstsq(terms, self.mosaic[good], rcond=None)[0]
        return float(np.sqrt(np.mean(fitted**2)))

    def __repr__(self) -> str:
        return f"SkyResiduals({len(self.left)} exposures, rms = {self.rms:.4g}, bowl = {self.bowl:.4g})"


def sky_left(simulated: Sequence[SimulatedExposure], models: Any = None, *, step: int = 8) -> float:
    """Return the RMS residual differences between the skies of matched exposures, on the sky.

    Parameters
    ----------
    simulated, models, step
        As in `sky_residuals`.

    Returns
    -------
    float
        RMS over points and exposures of sky + model about its mean over the exposures at that point. For exposures on
        one pixel grid, and a step of 1, it is that of `residual_between`.
    """
    return sky_residuals(simulated, models, step=step).rms


def sky_residuals(simulated: Sequence[SimulatedExposure], models: Any = None, *, step: int = 8) -> SkyResiduals:
    """Compare the skies of matched exposures with each other at points on the sky, against the truth.

    Parameters
    ----------
    simulated : sequence of SimulatedExposure
        With WCS. Where pixels are NaN, an exposure covers no point.
    models : sequence, optional
        What was added to each exposure: an array of shape (height, width), an object with a method `image` that gives
        one, or None for an unchanged exposure. Or an object whose attribute `models` is such a sequence, like the
        result of `evensky.match_all`. All exposures are unchanged by default.
    step : int, optional
        Distance between points, in pixels of the first exposure. Points are on a grid that continues its pixels over
        the field; between pixels, values are interpolated.

    Returns
    -------
    SkyResiduals

    Raises
    ------
    evensky.errors.InvalidParameterError
        If there are more or fewer models than exposures, or `step` is less than 1.
    """
    if step < 1:
        raise InvalidParameterError(f"step = {step}; it must be at least 1 pixel")
    models = getattr(models, "models", models)
    models = [None] * len(simulated) if models is None else list(models)
    if len(models) != len(simulated):
        raise InvalidParameterError(f"{len(models)} models; {len(simulated)} are needed, one for each exposure")
    plane, outlines = _plane_of(simulated)
    low, high = np.floor(np.min(outlines, axis=(0, 1)) / step), np.ceil(np.max(outlines, axis=(0, 1)) / step)
    columns, rows = (int(n) for n in high - low + 1)
    total, counts = np.zeros(rows * columns), np.zeros(rows * columns, int)
    points, values = [], []
    for one, model, outline in zip(simulated, models, outlines, strict=True):
        image = model.image() if hasattr(model, "image") else model
        sky = one.sky.astype(np.float64) + (0.0 if image is None else image)
        sky[~np.isfinite(one.exposure.image.array)] = np.nan
        (x0, y0), (x1, y1) = np.floor(outline.min(axis=0) / step), np.ceil(outline.max(axis=0) / step)
        x, y = np.meshgrid(np.arange(x0, x1 + 1), np.arange(y0, y1 + 1))
        flat = ((y - low[1]) * columns + x - low[0]).ravel().astype(np.intp)
        world = plane.wcs_pix2world(step * np.stack([x.ravel(), y.ravel()], axis=1), 0)
        found = _interpolated(sky, _pixels_of(one.wcs, world)) / one.area
        good = np.isfinite(found)
        points.append(flat[good])
        values.append(found[good])
        total[points[-1]] += values[-1]
        counts[points[-1]] += 1
    mean = np.divide(total, counts, out=np.full(total.shape, np.nan), where=counts > 0)
    left = [value - mean[at] for at, value in zip(points, values, strict=True)]
    return SkyResiduals((rows, columns), points, left, (mean - np.nanmean(mean)).reshape(rows, columns))


def _plane_of(simulated: Sequence[SimulatedExposure]) -> tuple[Any, Floats]:
    """Return the tangent plane that continues the pixels of the first exposure, and all outlines in its pixels."""
    first = simulated[0]
    if any(one.wcs is None for one in simulated):
        raise InvalidParameterError("exposures have no WCS; `residual_between` compares those of one pixel grid")
    plane = _tangent_plane(tuple(first.wcs.wcs.crval), 1.0)
    plane.wcs.cd = first.wcs.wcs.cd
    plane.wcs.crpix = first.wcs.wcs.crpix
    plane.wcs.set()
    outlines = []
    for one in simulated:
        height, width = one.sky.shape
        x, y = (np.linspace(0, side - 1, 9) for side in (width, height))
        edge = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        outlines.append(plane.wcs_world2pix(one.wcs.all_pix2world(edge, 0), 0))
    return plane, np.array(outlines)


def _interpolated(image: Floats, positions: Floats) -> Floats:
    """Interpolate linearly between pixels; NaN outside of the image, and where a pixel that counts is NaN."""
    height, width = image.shape
    # Positions on pixels must not miss them by the accuracy of a WCS, at the edges above all.
    x, y = np.round(positions, 5).T
    outside = ~((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1))
    x, y = np.where(outside, 0.0, x), np.where(outside, 0.0, y)
    column, row = x.astype(int), y.astype(int)
    dx, dy = x - column, y - row
    result = np.where(outside, np.nan, 0.0)
    for right, share_x in ((0, 1 - dx), (1, dx)):
        for above, share_y in ((0, 1 - dy), (1, dy)):
            share = share_x * share_y
            # Pixels with no share may be NaN, or beyond the edge.
            at = np.minimum(row + above, height - 1), np.minimum(column + right, width - 1)
            result += np.where(share > 0, share * image[at], 0.0)
    return result


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
