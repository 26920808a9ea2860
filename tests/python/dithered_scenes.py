"""Exposures with pointings, rotations, scales and distortions of their own, with their truth.

Each function makes one case for the match through the WCS. Unless the function says otherwise, ten exposures of 1024 x
1024 pixels have dithers of up to 300 px, any rotation, scales of 0.9 to 1.1 and distortions of 3 px at their corners;
the noise is 10 counts, and they show 400 stars of 3 px (FWHM), diffuse light with a peak of 60 counts, and cosmic rays.
In smaller exposures, dithers and distortions are smaller in proportion. Nothing is masked. `CASES` lists the functions
by name; all take a seed, the number of exposures (at each pointing) and the side of an exposure in pixels. Most can put
the same skies, noise and stars on one pixel grid (`one_grid`).
"""

from __future__ import annotations

__all__ = [
    "CASES",
    "GLOW",
    "NOISE",
    "DitheredScene",
    "aligned",
    "as_gwcs",
    "chips",
    "crowded",
    "curvature",
    "gradients",
    "jwst_like",
    "mirrored",
    "mixed_scales",
    "mosaic",
    "nebula",
    "no_stars",
    "offsets",
    "pole",
    "seeing",
    "strip",
    "surface_brightness",
    "write_chips",
    "wrong_wcs",
]

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from evensky.image import ExposureF, ImageF, MaskedImageF
from evensky.simulate import SimulatedExposure, SkyResiduals, make_dithered_exposures, sky_residuals

NOISE = 10.0
GLOW = 60.0


@dataclass
class DitheredScene:
    """Exposures of one field of the sky, with all that they are made of.

    Attributes
    ----------
    name : str
    simulated : list of SimulatedExposure
    limit : float
        RMS residual between the skies of matched exposures, in counts, that a match should not exceed in exposures of
        1024 px; infinity if none is known.
    order : int
        Order of the polynomials that skies differ in.
    moved : dict of int to (float, float)
        Error of the WCS of some exposures: shift in x and y of the stars from where the WCS expects them, in pixels.
    """

    name: str
    simulated: list[SimulatedExposure]
    limit: float = np.inf
    order: int = 2
    moved: dict[int, tuple[float, float]] = field(default_factory=dict)

    @property
    def exposures(self) -> list[ExposureF]:
        """Exposures with their WCS, as `evensky.match_all` takes them."""
        return [one.exposure for one in self.simulated]

    @property
    def skies(self) -> list[np.ndarray]:
        """Additive background of each exposure, in its own pixels and unit."""
        return [one.sky for one in self.simulated]

    @property
    def perfect(self) -> list[np.ndarray]:
        """Models that leave one level on the sky: 650 counts in a pixel of scale 1."""
        return [650.0 * one.area - one.sky for one in self.simulated]

    def residuals(self, result: Any = None, step: int = 8) -> SkyResiduals:
        """Compare the skies on the sky after a match, or before it; see `evensky.simulate.sky_residuals`."""
        return sky_residuals(self.simulated, result, step=step)

    def left(self, result: Any = None, step: int = 8) -> float:
        """Return the RMS residual between the skies after a match, or before it, in counts."""
        return self.residuals(result, step).rms

    def __repr__(self) -> str:
        return f"DitheredScene({self.name!r}, {len(self.simulated)} exposures)"


def _scene(
    name: str,
    seed: int,
    number: int,
    side: int,
    limit: float = np.inf,
    *,
    order: int,
    one_grid: bool = False,
    **options: Any,
) -> DitheredScene:
    options = {"dither": 300.0 * side / 1024, "distortion": 3.0 * side / 1024, **options}
    if one_grid:
        options |= {"dither": 0.0, "rotation": 0.0, "scales": (1.0, 1.0), "mirrored": 0}
    simulated = make_dithered_exposures(
        number, (side, side), seed, **{"noise": NOISE, "glow": GLOW, "order": order, **options}
    )
    return DitheredScene(name, simulated, limit, order)


# -- what must be matched --


def offsets(seed: int, number: int = 10, side: int = 1024, one_grid: bool = False) -> DitheredScene:
    """Make exposures that differ in level."""
    return _scene("offsets", seed, number, side, 0.02, order=0, one_grid=one_grid)


def gradients(seed: int, number: int = 10, side: int = 1024, one_grid: bool = False) -> DitheredScene:
    """Make exposures that differ in level and gradient."""
    return _scene("gradients", seed, number, side, 0.05, order=1, one_grid=one_grid)


def curvature(seed: int, number: int = 10, side: int = 1024, one_grid: bool = False) -> DitheredScene:
    """Make exposures that differ in level, gradient and curvature."""
    return _scene("curvature", seed, number, side, 0.05, order=2, one_grid=one_grid)


def seeing(seed: int, number: int = 10, side: int = 1024, one_grid: bool = False) -> DitheredScene:
    """Make exposures that differ in level, and in seeing from 3 to 6 px (FWHM)."""
    return _scene("seeing", seed, number, side, 0.1, order=0, one_grid=one_grid, seeing=(3.0, 6.0))


def mosaic(seed: int, number: int = 4, side: int = 512, rows: int = 5, columns: int = 5) -> DitheredScene:
    """Make a mosaic of 5 x 5 pointings with four dithers each; exposures of 512 px differ in level and gradient."""
    return _scene("mosaic", seed, number, side, 0.06, order=1, pointings=(rows, columns))


def surface_brightness(seed: int, number: int = 10, side: int = 1024, one_grid: bool = False) -> DitheredScene:
    """Make exposures in MJy/sr, whose values do not depend on the pixel area; they differ up to curvature."""
    return _scene("surface_brightness", seed, number, side, 0.05, order=2, one_grid=one_grid, unit="MJy/sr")


def jwst_like(seed: int, number: int = 10, side: int = 1024, one_grid: bool = False) -> DitheredScene:
    """Make the exposures of `surface_brightness` with a WCS of gwcs, which must be installed."""
    scene = surface_brightness(seed, number, side, one_grid)
    scene.name = "jwst_like"
    for one in scene.simulated:
        one.exposure.wcs = as_gwcs(one.wcs, one.sky.shape)
    return scene


def no_stars(seed: int, number: int = 10, side: int = 1024, one_grid: bool = False) -> DitheredScene:
    """Make the exposures of `curvature` without stars."""
    return _scene("no_stars", seed, number, side, 0.05, order=2, one_grid=one_grid, stars=0.0)


def mixed_scales(seed: int, number: int = 10, side: int = 1024) -> DitheredScene:
    """Make exposures with scales from 0.6 to 1.4, whose pixel areas differ by up to a factor of 5.4."""
    return _scene("mixed_scales", seed, number, side, order=1, scales=(0.6, 1.4))


def aligned(seed: int, number: int = 10, side: int = 1024) -> DitheredScene:
    """Make exposures of one scale and orientation, with dithers by fractions of pixels and distortions."""
    return _scene("aligned", seed, number, side, 0.05, order=2, rotation=0.0, scales=(1.0, 1.0))


def mirrored(seed: int, number: int = 10, side: int = 1024) -> DitheredScene:
    """Make the exposures of `curvature`; half of them are mirrored."""
    return _scene("mirrored", seed, number, side, 0.05, order=2, mirrored=number // 2)


def chips(seed: int, number: int = 10, side: int = 1024, one_grid: bool = False) -> DitheredScene:
    """Make exposures with gaps between 2 x 2 chips, whose width is a fortieth of that of an exposure."""
    return _scene("chips", seed, number, side, 0.05, order=2, one_grid=one_grid, gap=max(2, side // 40))


def pole(seed: int, number: int = 10, side: int = 1024) -> DitheredScene:
    """Make the exposures of `gradients` about a point that is 0.02 degrees from the north pole."""
    return _scene("pole", seed, number, side, 0.05, order=1, center=(123.0, 89.98))


# -- what may be too much --


def nebula(seed: int, number: int = 10, side: int = 1024, one_grid: bool = False) -> DitheredScene:
    """Make exposures of diffuse light with a peak of 600 counts; they differ in level and gradient."""
    return _scene("nebula", seed, number, side, order=1, one_grid=one_grid, glow=600.0)


def crowded(seed: int, number: int = 10, side: int = 1024, one_grid: bool = False) -> DitheredScene:
    """Make exposures with 20 times as many stars; they differ in level and gradient."""
    return _scene("crowded", seed, number, side, order=1, one_grid=one_grid, stars=8000.0)


def strip(seed: int, number: int = 4, side: int = 96, rows: int = 5, columns: int = 50) -> DitheredScene:
    """Make 1,000 small exposures: a strip of 5 x 50 pointings with four dithers each, which differ in level."""
    return _scene("strip", seed, number, side, order=0, pointings=(rows, columns))


def wrong_wcs(seed: int, number: int = 10, side: int = 1024, shift: tuple[float, float] = (4.0, -2.5)) -> DitheredScene:
    """Make exposures that differ in level; the WCS of the last but one is wrong by a shift, in its pixels."""
    scene = _scene("wrong_wcs", seed, number, side, order=0)
    index = len(scene.simulated) - 2
    wcs = scene.simulated[index].exposure.wcs
    # Stars are at the position in pixels that the WCS gives, plus the shift. The origin of SIP remains.
    wcs.wcs.crpix = wcs.wcs.crpix - np.array(shift)
    scene.moved[index] = shift
    return scene


# -- chips in files --


def write_chips(scene: DitheredScene, folder: Path) -> tuple[list[Path], list[SimulatedExposure]]:
    """Write each exposure as a file of 2 x 2 chips, SCI 1 to 4, each with its own WCS.

    Returns
    -------
    paths : list of Path
    chips : list of SimulatedExposure
        The chips of the first file, then those of the next one; their names are the labels of a match of the files.
    """
    paths, chips = [], []
    for one in scene.simulated:
        hdus = fits.HDUList([fits.PrimaryHDU(header=one.exposure.metadata)])
        height, width = one.sky.shape
        for number, (row, column) in enumerate(np.ndindex(2, 2), 1):
            place = (
                slice(row * height // 2, (row + 1) * height // 2),
                slice(column * width // 2, (column + 1) * width // 2),
            )
            wcs = one.wcs[place]
            pixels = np.ascontiguousarray(one.exposure.image.array[place])
            header = wcs.to_header(relax=True)
            header["BUNIT"] = one.exposure.metadata["BUNIT"]
            hdus.append(fits.ImageHDU(pixels, header, name="SCI", ver=number))
            exposure = ExposureF(MaskedImageF(ImageF(pixels)))
            exposure.wcs = wcs
            name = f"{one.name}[SCI,{number}]"
            chips.append(
                replace(one, exposure=exposure, sky=one.sky[place], scene=one.scene[place], name=name, wcs=wcs)
            )
        paths.append(folder / f"{one.name}.fits")
        hdus.writeto(paths[-1])
    return paths, chips


# -- gwcs --


def as_gwcs(wcs: Any, shape: tuple[int, int]) -> Any:
    """Return a gwcs with the pixel positions of a TAN WCS with or without SIP, as those of JWST are built.

    It maps pixels to the sky. Like that of many files, it has no analytic inverse, and is NaN beyond the detector.

    Parameters
    ----------
    wcs : astropy.wcs.WCS
    shape : (height, width)
    """
    gwcs = pytest.importorskip("gwcs")
    from astropy import units
    from astropy.coordinates import ICRS
    from astropy.modeling import models

    polynomials = []
    for axis, terms in enumerate((wcs.sip.a, wcs.sip.b) if wcs.sip is not None else (np.zeros((2, 2)),) * 2):
        order = len(terms) - 1
        given = {f"c{p}_{q}": terms[p, q] for p in range(order + 1) for q in range(order + 1 - p) if terms[p, q]}
        given["c0_1" if axis else "c1_0"] = given.get("c0_1" if axis else "c1_0", 0.0) + 1.0
        polynomials.append(models.Polynomial2D(order, **given))
    x0, y0 = wcs.wcs.crpix - 1
    lon, lat = wcs.wcs.crval
    transform = (
        (models.Shift(-x0) & models.Shift(-y0))
        | models.Mapping((0, 1, 0, 1))
        | (polynomials[0] & polynomials[1])
        | models.AffineTransformation2D(matrix=wcs.wcs.cd)
        | models.Pix2Sky_TAN()
        | models.RotateNative2Celestial(lon, lat, 180.0)
    )
    detector = gwcs.coordinate_frames.Frame2D(name="detector", unit=(units.pix, units.pix))
    sky = gwcs.coordinate_frames.CelestialFrame(reference_frame=ICRS(), name="world", unit=(units.deg, units.deg))
    result = gwcs.WCS([(detector, transform), (sky, None)])
    result.bounding_box = ((-0.5, shape[1] - 0.5), (-0.5, shape[0] - 0.5))
    return result


CASES: dict[str, Callable[..., DitheredScene]] = {
    one.__name__: one
    for one in (
        offsets,
        gradients,
        curvature,
        seeing,
        mosaic,
        surface_brightness,
        jwst_like,
        no_stars,
        mixed_scales,
        aligned,
        mirrored,
        chips,
        pole,
        nebula,
        crowded,
        strip,
        wrong_wcs,
    )
}
"""Functions that make the cases, by name."""
