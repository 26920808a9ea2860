"""Fields of stars and galaxies on a sky that is known."""

from __future__ import annotations

import numpy as np

FIELDS = ("blank", "sparse", "crowded", "galaxy")
"""No source; 150 stars and faint galaxies; 4000 stars; an exponential galaxy of scale length 40 on the sparse field."""


def make_field(name: str, seed: int = 0, shape: tuple[int, int] = (1024, 1024)) -> tuple[np.ndarray, np.ndarray]:
    """Make a field; its noise is 1.

    Parameters
    ----------
    name : str
        One of `FIELDS`.
    seed : int, optional
    shape : (int, int), optional
        Numbers of stars hold for 1024 x 1024 pixels.

    Returns
    -------
    (ndarray of float32, ndarray of float64)
        The image and its true sky, a slope of 10 on a level of 100.
    """
    rng = np.random.default_rng((seed, FIELDS.index(name)))
    height, width = shape
    y, x = np.mgrid[:height, :width]
    sky = 100 + 6 * x / width - 4 * y / height
    image = sky.copy()
    share = height * width / 2**20
    number = round({"blank": 0, "sparse": 150, "crowded": 4000, "galaxy": 150}[name] * share)
    # Fluxes follow a power law, as in star counts; the faintest stars are far below the noise.
    fluxes = 30 * (1 - rng.random(number)) ** (-1 / 0.8)
    for flux in np.minimum(fluxes, 3e5):
        _add(image, rng.random() * width, rng.random() * height, flux, 1.5)
    for _ in range(0 if name in ("blank", "crowded") else round(60 * share)):  # galaxies, as round exponential disks
        flux, scale = 10 ** rng.uniform(2, 4), rng.uniform(2, 8)
        _add(image, rng.random() * width, rng.random() * height, flux, scale, exponential=True)
    if name == "galaxy":
        _add(image, 0.45 * width, 0.55 * height, 5e5, 40 * min(1, height / 1024), exponential=True)
    image += rng.normal(0, 1, shape)
    return image.astype(np.float32), sky


def _add(image: np.ndarray, x: float, y: float, flux: float, scale: float, *, exponential: bool = False) -> None:
    """Add a Moffat star of index 3 or an exponential disk where it exceeds a hundredth of the noise."""
    peak = flux / (2 * np.pi * scale**2)
    reach = scale * (np.log(max(100 * peak, 2)) if exponential else np.sqrt((100 * peak) ** (1 / 3)) * 2) + 5
    rows = slice(max(0, int(y - reach)), max(0, int(y + reach)) + 1)
    columns = slice(max(0, int(x - reach)), max(0, int(x + reach)) + 1)
    part = image[rows, columns]
    j, i = np.mgrid[: part.shape[0], : part.shape[1]]
    radius = np.hypot(i + columns.start - x, j + rows.start - y) / scale
    part += peak * (np.exp(-radius) if exponential else (1 + radius**2 / 4) ** -3)
