"""Kinds of fields with a known background, for the comparison of backgrounds of single images.

The noise of a pixel is 1, except where a case says otherwise. The truth is the background alone: all light that is
neither a star nor a galaxy.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1] / "python"))
from source_fields import _add, make_field

SHAPE = (1024, 1024)


@dataclass(frozen=True)
class Field:
    """One image with its truth.

    Attributes
    ----------
    image : ndarray of float32
    sky : ndarray of float64
        True background.
    noise : ndarray of float64 or float
        True standard deviation of the pixels about the background.
    mask : ndarray of bool or None
        Pixels without data, which every instrument marks; None if there are none. They are NaN in the image.
    """

    image: np.ndarray
    sky: np.ndarray
    noise: np.ndarray | float = 1.0
    mask: np.ndarray | None = None

    @property
    def good(self) -> np.ndarray:
        """Pixels that have data, in which backgrounds are compared with the truth."""
        return np.isfinite(self.image)


@dataclass(frozen=True)
class Case:
    """One kind of field.

    Attributes
    ----------
    make : callable
        Takes a seed.
    title : str
        Name in tables.
    says : str
        What the field shows and what counts as its background.
    has_level : bool
        Whether the level of the truth is known; if it is not, errors are measured about their mean.
    """

    make: Callable[[int], Field]
    title: str
    says: str
    has_level: bool = True


def _rng(seed: int, kind: int) -> np.random.Generator:
    return np.random.default_rng((seed, 100 + kind))


def _axes(shape: tuple[int, int] = SHAPE) -> tuple[np.ndarray, np.ndarray]:
    """Return x of shape (1, width) and y of shape (height, 1), from -1 to 1."""
    return np.linspace(-1, 1, shape[1])[None, :], np.linspace(-1, 1, shape[0])[:, None]


def _add_sources(image: np.ndarray, rng: np.random.Generator, stars: int, galaxies: int = 0) -> None:
    """Add stars whose fluxes follow a power law, and round exponential disks, as those of `source_fields`."""
    height, width = image.shape
    for flux in np.minimum(30 * (1 - rng.random(stars)) ** (-1 / 0.8), 3e5):
        _add(image, rng.random() * width, rng.random() * height, flux, 1.5)
    for _ in range(galaxies):
        flux, scale = 10 ** rng.uniform(2, 4), rng.uniform(2, 8)
        _add(image, rng.random() * width, rng.random() * height, flux, scale, exponential=True)


def _observed(sky: np.ndarray, rng: np.random.Generator, stars: int = 150, galaxies: int = 60) -> np.ndarray:
    """Return a sky with sources and noise of 1."""
    image = np.array(sky, float)
    _add_sources(image, rng, stars, galaxies)
    return (image + rng.normal(0, 1, image.shape)).astype(np.float32)


def sparse(seed: int) -> Field:
    return Field(*make_field("sparse", seed, SHAPE))


def crowded(seed: int) -> Field:
    rng = _rng(seed, 1)
    u, v = _axes()
    sky = 100 + 3 * u - 2 * v
    return Field(_observed(sky, rng, 12000, 0), sky)


def galaxy(seed: int) -> Field:
    return Field(*make_field("galaxy", seed, SHAPE))


def nebula(seed: int) -> Field:
    """Make diffuse light whose power falls with the third power of the frequency, as that of interstellar cirrus."""
    rng = _rng(seed, 3)
    height, width = SHAPE
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    frequency[0, 0] = np.inf
    wave = np.fft.rfft2(rng.normal(0, 1, SHAPE)) * frequency**-1.5
    light = np.fft.irfft2(wave, SHAPE)
    sky = 100 + 20 * (light - light.min()) / light.std()
    return Field(_observed(sky, rng), sky)


def gradient(seed: int) -> Field:
    rng = _rng(seed, 4)
    u, v = _axes()
    angle = rng.uniform(0, 2 * np.pi)
    sky = 300 + 40 * (np.cos(angle) * u + np.sin(angle) * v) - 10 * (u * u + v * v)
    return Field(_observed(sky, rng), sky)


def infrared(seed: int) -> Field:
    """Make a bright sky with waves of 160 to 320 px and an amplitude of 20."""
    rng = _rng(seed, 5)
    x, y = np.arange(SHAPE[1])[None, :], np.arange(SHAPE[0])[:, None]
    sky = np.full(SHAPE, 2000.0)
    for period, height in ((320, 20.0), (240, 12.0), (160, 6.0)):
        angle, phase = rng.uniform(0, np.pi, 2)
        sky += height * np.sin(2 * np.pi * (np.cos(angle) * x + np.sin(angle) * y) / period + 2 * phase)
    return Field(_observed(sky, rng), sky)


def gaps(seed: int) -> Field:
    """Make 2 x 2 chips with gaps of 40 px, bad columns, and a corner that is vignetted, all without data."""
    rng = _rng(seed, 6)
    u, v = _axes()
    sky = 150 + 8 * u - 6 * v + 4 * u * v
    image = _observed(sky, rng)
    height, width = SHAPE
    mask = np.zeros(SHAPE, bool)
    mask[height // 2 - 20 : height // 2 + 20] = mask[:, width // 2 - 20 : width // 2 + 20] = True
    mask[:, rng.integers(0, width, 20)] = True
    mask |= np.hypot(u + 0.1, v + 0.1) > 1.35
    image[mask] = np.nan
    return Field(image, sky, mask=mask)


def saturated(seed: int) -> Field:
    """Make a field with six saturated stars, with wings that fall with the square of the distance, and bleeding."""
    rng = _rng(seed, 7)
    u, v = _axes()
    sky = 100 + 3 * u + 2 * v
    image = np.array(sky)
    _add_sources(image, rng, 150, 60)
    x, y = np.arange(SHAPE[1])[None, :], np.arange(SHAPE[0])[:, None]
    for _ in range(6):
        cx, cy, flux = rng.uniform(50, SHAPE[1] - 50), rng.uniform(50, SHAPE[0] - 50), 10 ** rng.uniform(6, 7)
        distance2 = (x - cx) ** 2 + (y - cy) ** 2
        peak = flux / (2 * np.pi * 1.5**2)
        image += peak * (1 + distance2 / (4 * 1.5**2)) ** -3 + 2e-3 * peak / (1 + distance2 / 4.0)
        reach, half = int(40 * (flux / 1e6) ** 0.5), int(1 + flux / 5e6)
        rows = slice(max(0, int(cy) - reach), int(cy) + reach)
        image[rows, int(cx) - half : int(cx) + half + 1] = 1e9
    image += rng.normal(0, 1, SHAPE)
    return Field(np.minimum(image, 6e4).astype(np.float32), sky)


def photons(seed: int) -> Field:
    """Make counts of single photons: the sky rises from 0.5 to 5 counts a pixel, and the noise is its square root."""
    rng = _rng(seed, 8)
    u, v = _axes()
    angle = rng.uniform(0, 2 * np.pi)
    along = np.cos(angle) * u + np.sin(angle) * v
    along = (along - along.min()) / np.ptp(along)
    sky = 0.5 * 10**along
    light = np.array(sky)
    _add_sources(light, rng, 150, 60)
    return Field(rng.poisson(light).astype(np.float32), sky, np.sqrt(sky))


# The real image, which comes with astropy: a part of a digitised plate about M 13, of 300 x 300 px.
_REAL = ("io", "fits", "hdu", "compressed", "tests", "data", "m13.fits")
_TILE = 15


def real(seed: int, file: Path | None = None) -> Field:
    """Rearrange tiles of a real image at random, so that its sky is even, and add a known surface to it.

    Only the half of the tiles that has the lowest medians is used, so that a bright object in the middle is left out.
    The noise is not known; that of the tiles, by their median absolute deviation, stands for it.
    """
    import astropy
    from astropy.io import fits

    pixels = np.asarray(fits.getdata(file or Path(astropy.__file__).parent.joinpath(*_REAL)), float)
    rng = _rng(seed, 9)
    rows, columns = (side // _TILE for side in pixels.shape)
    tiles = pixels[: rows * _TILE, : columns * _TILE].reshape(rows, _TILE, columns, _TILE).swapaxes(1, 2)
    tiles = tiles.reshape(-1, _TILE, _TILE)
    level = np.median(tiles, axis=(1, 2))
    tiles = tiles[np.isfinite(tiles).all(axis=(1, 2)) & (level <= np.median(level))]
    down, across = (-(-side // _TILE) for side in SHAPE)
    chosen = tiles[rng.integers(0, len(tiles), (down, across))]
    image = chosen.swapaxes(1, 2).reshape(down * _TILE, across * _TILE)[: SHAPE[0], : SHAPE[1]]
    noise = 1.4826 * float(np.median(np.abs(tiles - np.median(tiles, axis=(1, 2), keepdims=True))))
    u, v = _axes()
    surface = noise * (5 * u - 3 * v + 2 * u * u)
    return Field((image + surface).astype(np.float32), surface + float(np.median(tiles)), noise)


CASES = {
    "sparse": Case(sparse, "sparse", "150 stars and 60 faint galaxies on a weak slope"),
    "crowded": Case(crowded, "crowded", "12000 stars, most of them fainter than the noise"),
    "galaxy": Case(galaxy, "galaxy", "a disk with a scale length of 40 px and a peak of 50 on the sparse field"),
    "nebula": Case(nebula, "nebula", "diffuse light on all scales, all of which is background"),
    "gradient": Case(gradient, "gradient", "a slope of 80 across the field, with curvature"),
    "infrared": Case(infrared, "infrared sky", "waves of 160 to 320 px, up to 20 high, on a sky of 2000"),
    "gaps": Case(gaps, "chip gaps", "gaps, bad columns and a vignetted corner without data"),
    "saturated": Case(saturated, "saturated stars", "six stars with wide wings and bleeding"),
    "photons": Case(photons, "photon counting", "whole counts, 0.5 to 5 a pixel"),
    "real": Case(real, "real pixels", "rearranged tiles of a digitised plate, with a known surface", has_level=False),
}
"""Kinds of fields, by their names."""
