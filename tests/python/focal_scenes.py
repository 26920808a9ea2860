"""Simulated visits of a camera of 3 x 4 detectors, with a known background."""

from __future__ import annotations

__all__ = ["CHIP", "FocalScene", "camera", "visit"]

from dataclasses import dataclass

import numpy as np

from evensky.geom import Box2I, Extent2I, Point2I
from evensky.image import ExposureF, ImageF, MaskedImageF
from evensky.matching.detector import Detector, inverted, mapped

CHIP = (240, 200)
_GAP = 12
_NOISE = 3.0


@dataclass
class FocalScene:
    """One visit.

    Attributes
    ----------
    detectors : list of Detector
    exposures : list of ExposureF
        Of each detector: sky, fringes, objects and noise.
    sky : list of ndarray
        True large-scale background at the pixels of each detector.
    fringes : list of ndarray
        True pattern at the pixels of each detector, with its amplitude.
    objects : list of ndarray
        Light of the galaxy and the stars.
    amplitude : float
        Amplitude of the pattern.
    """

    detectors: list[Detector]
    exposures: list[ExposureF]
    sky: list[np.ndarray]
    fringes: list[np.ndarray]
    objects: list[np.ndarray]
    amplitude: float


def camera() -> list[Detector]:
    """Return 3 x 4 detectors with gaps; those of every second column are turned by 180 degrees."""
    width, height = CHIP
    box = Box2I(Point2I(0, 0), Extent2I(width, height))
    return [
        Detector.centered(box, ((width + _GAP) * i, (height + _GAP) * j), rotation=180.0 * (i % 2), name=3 * j + i)
        for j in range(4)
        for i in range(3)
    ]


def visit(seed: int, *, galaxy: bool = True) -> FocalScene:
    """Simulate a visit: a sky with gradients, fringes that are fixed to the detectors, stars and, at will, a galaxy."""
    rng = np.random.default_rng(seed)
    detectors = camera()
    level, slopes, bend = rng.uniform(80, 160), rng.uniform(-20, 20, 2), rng.uniform(-12, 12, 3)
    amplitude = float(rng.uniform(3, 9))
    width, height = CHIP
    y, x = np.mgrid[:height, :width].astype(float)
    span_x, span_y = 3 * width + 2 * _GAP, 4 * height + 3 * _GAP
    centre = np.array([width + _GAP - 40.0, height + _GAP + 60.0])
    stars = rng.uniform((-width / 2, -height / 2), (span_x - width / 2, span_y - height / 2), (150, 2))
    fluxes = 40 * rng.pareto(1.0, 150) + 40
    scene = FocalScene(detectors, [], [], [], [], amplitude)
    for number, detector in enumerate(detectors):
        u, v = mapped(detector.transform, x, y)
        s, t = 2 * (u + width / 2) / span_x - 1, 2 * (v + height / 2) / span_y - 1
        sky = level + slopes[0] * s + slopes[1] * t + bend[0] * s**2 + bend[1] * s * t + bend[2] * t**2
        fringes = amplitude * np.sin(0.05 * np.hypot(x + 40 + 9 * number, 1.4 * y - 30) + number)
        objects = np.zeros_like(sky)
        if galaxy:
            objects += 300 * np.exp(-np.hypot(u - centre[0], (v - centre[1]) / 0.8) / 25)
        own = mapped(inverted(detector.transform), stars[:, 0], stars[:, 1]).T
        for (star_x, star_y), flux in zip(own, np.minimum(fluxes, 5000), strict=True):
            left, bottom = (max(int(at) - 50, 0) for at in (star_x, star_y))
            stamp = slice(bottom, max(int(star_y) + 51, 0)), slice(left, max(int(star_x) + 51, 0))
            squared = (x[stamp] - star_x) ** 2 + (y[stamp] - star_y) ** 2
            objects[stamp] += flux * (1 + squared / 6) ** -2.5
        pixels = sky + fringes + objects + rng.normal(0, _NOISE, sky.shape)
        variance = ImageF(np.full(sky.shape, _NOISE**2, np.float32))
        exposure = ExposureF(MaskedImageF(ImageF(pixels.astype(np.float32)), None, variance))
        for planes, plane in zip((scene.sky, scene.fringes, scene.objects), (sky, fringes, objects), strict=True):
            planes.append(plane)
        scene.exposures.append(exposure)
    return scene
