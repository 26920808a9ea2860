"""World coordinate systems of exposures: positions of pixels on the sky, in any frame that astropy knows."""

from __future__ import annotations

__all__ = ["CelestialGrid", "GridMember", "UnusableWcsError", "directions_of", "short"]

import math
from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fits.opening import quiet

Floats = NDArray[np.float64]

# Positions are computed at this number of pixels along each axis.
_POINTS = 5
# A pixel, the next one in its row, and the next one in its column.
_STEPS = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])[:, np.newaxis]
# Frames whose transformation to ICRS depends on nothing but their key.
_FIXED_KINDS = ("RA", "GLON")
# Two frames differ by a rotation if no test position is farther from the rotated one than this, in radians.
_ROUNDING = 1e-12
# Rotations to ICRS by the keys of frames; None for a transformation that is no rotation, such as that of FK4.
_ROTATIONS: dict[Hashable, Floats | None] = {("RA", "ICRS", 0.0): np.eye(3)}


@dataclass(frozen=True)
class GridMember:
    """Geometry of one exposure.

    Attributes
    ----------
    label : str
        Name for messages.
    shape : (height, width)
    origin : (x0, y0) or None
        Pixel origin that is given by a header (LTV, LSST's cards) or by a bounding box; None if there is none.
    wcs : object or None
        An `astropy.wcs.WCS`, or any other object with the shared Python interface for WCS (APE 14), such as a gwcs.
    """

    label: str
    shape: tuple[int, int]
    origin: tuple[int, int] | None
    wcs: Any


class UnusableWcsError(Exception):
    """Raised for a broken WCS and for one without two celestial axes; no message if it describes nothing."""

    def __init__(self, message: str, *, off_sky: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.off_sky = off_sky


def short(error: Exception) -> str:
    """Return the last line of an error's message, or the name of its class."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:200]


@lru_cache(maxsize=64)
def _points(height: int, width: int) -> Floats:
    """Return pixels (x, y) that are spread evenly over an image, its corners included; they are not writable."""
    x, y = np.meshgrid(np.linspace(0, width - 1, _POINTS), np.linspace(0, height - 1, _POINTS))
    points: Floats = np.column_stack([x.ravel(), y.ravel()])
    points.setflags(write=False)
    return points


def directions_of(sky: Floats) -> Floats:
    """Return unit vectors of positions (longitude, latitude) in degrees."""
    longitude, latitude = np.radians(sky).T
    return np.stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], axis=1
    )


class CelestialGrid:
    """The pixel grid of one exposure: some of its pixels and their positions on the sky."""

    def __init__(self, member: GridMember) -> None:
        self.shape = member.shape
        self.points = _points(*member.shape)
        self._wcs = _adapted(member.wcs)
        self.crpix = self._wcs.crpix
        self.frame_key = self._wcs.frame_key
        self.frame_name = self._wcs.frame_name
        # FK5 of 2000 and ICRS agree within 0.03 arcsec, and a header that names the other one means the same numbers.
        self.numbers = ("RA", "ICRS", 0.0) if self.frame_key == ("RA", "FK5", 2000.0) else self.frame_key
        try:
            sky = self.to_sky((self.points + _STEPS).reshape(-1, 2)).reshape(3, -1, 2)
        except Exception as error:  # libraries of WCS raise many kinds of exceptions
            raise UnusableWcsError(f"it cannot be evaluated ({short(error)})") from error
        self.sky: Floats = sky[0]
        if np.isfinite(self.sky).all(axis=1).sum() < 3:
            raise UnusableWcsError("almost none of the pixels have a position on the sky", off_sky=True)
        here, right, up = directions_of(sky.reshape(-1, 2)).reshape(3, -1, 3)
        across, along = right - here, up - here
        width_of, height_of = np.linalg.norm(across, axis=1), np.linalg.norm(along, axis=1)
        sizes, area = np.minimum(width_of, height_of), np.linalg.norm(np.cross(across, along), axis=1)
        self.areas: Floats = area  # of pixels in steradian; NaN at the edge of the sky
        # At the edge of the sky, the next pixel has no position.
        self.pixel_sizes: Floats = np.where(np.isfinite(area), sizes, 0)
        if not (area > 1e-6 * np.maximum(width_of, height_of) ** 2).any():
            raise UnusableWcsError("its pixels have no area on the sky")

    def to_sky(self, points: Floats) -> Floats:
        """Return positions on the sky of pixels (x, y), as longitude and latitude in degrees."""
        with quiet(), np.errstate(all="ignore"):
            return self._wcs.to_sky(points)

    def to_pixels(self, sky: Floats) -> Floats:
        """Return the pixels (x, y) of positions on the sky; NaN if there are none."""
        with quiet(), np.errstate(all="ignore"):
            return self._wcs.to_pixels(sky)

    def in_own_frame(self, sky: Floats, other: CelestialGrid) -> Floats:
        """Convert positions from the frame of another exposure to that of this one."""
        if other.frame_key == self.frame_key:
            return sky
        from astropy.coordinates import SkyCoord

        frame, own = other._wcs.frame(), self._wcs.frame()
        if frame is None or own is None:
            raise ValueError(f"coordinates in {other.frame_name} and in {self.frame_name}")
        with quiet():
            # Angles that are not numbers are not transformed.
            finite = np.isfinite(sky).all(axis=1)
            there = SkyCoord(*sky[finite].T, unit="deg", frame=frame).transform_to(own).spherical
            converted = np.full_like(sky, np.nan)
            converted[finite] = np.column_stack([there.lon.deg, there.lat.deg])
        return converted

    def to_icrs(self, points: Floats) -> Floats:
        """Return the directions of pixels (x, y) in ICRS as unit vectors; NaN where there are none.

        Raises
        ------
        UnusableWcsError
            If the WCS cannot be evaluated, or if astropy cannot transform its coordinates to ICRS.
        """
        try:
            sky = self.to_sky(points)
        except Exception as error:  # libraries of WCS raise many kinds of exceptions
            raise UnusableWcsError(f"it cannot be evaluated ({short(error)})") from error
        return self.in_icrs(sky)

    def in_icrs(self, sky: Floats) -> Floats:
        """Return the directions in ICRS of positions in the frame of this exposure, as unit vectors."""
        directions = directions_of(sky)
        if self.frame_key not in _ROTATIONS:
            frame = self._wcs.frame()
            if frame is None and self._wcs.is_equatorial:
                return directions  # the system is not named, and modern ones agree with ICRS
            if frame is None:
                raise UnusableWcsError(f"its coordinates ({self.frame_name}) cannot be transformed to ICRS")
            try:
                rotation = _rotation_to_icrs(frame)
                if not self._wcs.is_fixed_frame:
                    return _transformed(directions, frame) if rotation is None else directions @ rotation.T
            except Exception as error:  # frames without a transformation to ICRS, or without their observer
                raise UnusableWcsError(
                    f"its coordinates ({self.frame_name}) cannot be transformed to ICRS ({short(error)})"
                ) from error
            _ROTATIONS[self.frame_key] = rotation
        rotation = _ROTATIONS[self.frame_key]
        return _transformed(directions, self._wcs.frame()) if rotation is None else directions @ rotation.T

    def distance(self, base: CelestialGrid) -> str:
        """Say how far the exposure is from another one, for which the WCS of that one gives no pixels."""
        try:
            sky = directions_of(base.in_own_frame(self.sky, self))
        except Exception:  # frames that cannot be converted
            return "has a WCS that cannot be compared"
        mine, other = np.nanmean(sky, axis=0), np.nanmean(directions_of(base.sky), axis=0)
        angle = math.degrees(math.atan2(np.linalg.norm(np.cross(mine, other)), mine @ other))
        return f"lies {angle:.3g} deg away, where that grid has no pixels, or its WCS does not converge"


def _transformed(directions: Floats, frame: Any) -> Floats:
    """Transform directions from an astropy frame to ICRS."""
    from astropy.coordinates import SkyCoord, UnitSphericalRepresentation

    finite = np.isfinite(directions).all(axis=1)
    x, y, z = directions[finite].T
    with quiet():
        there = SkyCoord(np.arctan2(y, x), np.arctan2(z, np.hypot(x, y)), unit="rad", frame=frame).icrs.represent_as(
            UnitSphericalRepresentation
        )
    transformed = np.full_like(directions, np.nan)
    transformed[finite] = there.to_cartesian().xyz.value.T
    return transformed


def _rotation_to_icrs(frame: Any) -> Floats | None:
    """Return the rotation from an astropy frame to ICRS; None if the transformation is no rotation."""
    axes = np.eye(3)
    tests = np.array([[0.6, 0.0, 0.8], [-0.48, 0.64, 0.6], [0.0, -0.6, -0.8], [-0.6, -0.8, 0.0]])
    moved = _transformed(np.concatenate([axes, tests]), frame)
    rotation: Floats = moved[:3].T
    apart = np.abs(tests @ rotation.T - moved[3:]).max()
    return rotation if apart < _ROUNDING and np.abs(rotation @ rotation.T - axes).max() < _ROUNDING else None


def _adapted(wcs: Any) -> _FitsWcs | _OtherWcs:
    from astropy.wcs import WCS

    if isinstance(wcs, WCS):
        return _FitsWcs(wcs)
    return _OtherWcs(wcs)


class _FitsWcs:
    """The celestial part of an `astropy.wcs.WCS`."""

    def __init__(self, wcs: Any) -> None:
        if not wcs.has_celestial:
            # The WCS of a header without WCS has no types of axes, and is nothing to speak of.
            types = [text for text in wcs.wcs.ctype if text.strip()]
            raise UnusableWcsError(f"it has no celestial axes ({', '.join(types)})" if types else "")
        if wcs.naxis > 2:
            try:
                wcs = wcs.sub(sorted([wcs.wcs.lng + 1, wcs.wcs.lat + 1]))
            except Exception as error:  # axes that depend on others
                raise UnusableWcsError(f"its celestial axes cannot be separated ({short(error)})") from error
        self._wcs = wcs
        self._axes = [wcs.wcs.lng, wcs.wcs.lat]
        self.crpix: Floats | None = np.array(wcs.wcs.crpix, dtype=float)
        key = self._key()
        self.frame_key: Hashable = key
        self.frame_name = " ".join(str(part) for part in key if part)
        # The key of other frames, such as ITRS, lacks the time of the observation.
        self.is_fixed_frame = key[0] in _FIXED_KINDS
        self.is_equatorial = False  # a system that astropy does not know is named

    def _key(self) -> tuple[str, str, float]:
        wcs = self._wcs.wcs
        kind = wcs.ctype[wcs.lng][:4].rstrip("-")
        if kind != "RA":
            return kind, "", 0.0
        equinox = float(wcs.equinox)
        system = wcs.radesys.strip().upper()
        if not system:
            system = "ICRS" if math.isnan(equinox) else "FK4" if equinox < 1984 else "FK5"
        if system not in ("FK4", "FK5", "FK4-NO-E"):
            return kind, system, 0.0
        return kind, system, (2000.0 if system == "FK5" else 1950.0) if math.isnan(equinox) else equinox

    def to_sky(self, points: Floats) -> Floats:
        world = self._wcs.all_pix2world(points, 0)
        return np.asarray(world[:, self._axes], dtype=float)

    def to_pixels(self, sky: Floats) -> Floats:
        from astropy.wcs import NoConvergence

        world = np.empty_like(sky)
        world[:, self._axes] = sky
        try:
            return np.asarray(self._wcs.all_world2pix(world, 0), dtype=float)
        except NoConvergence as error:
            pixels = np.array(error.best_solution, dtype=float)
            for failed in (error.divergent, error.slow_conv):
                if failed is not None:
                    pixels[failed] = np.nan
            return pixels

    def frame(self) -> Any:
        """Return the coordinate frame, or None if astropy does not know it."""
        from astropy.wcs.utils import wcs_to_celestial_frame

        try:
            return wcs_to_celestial_frame(self._wcs)
        except Exception:  # solar and planetary frames need other packages
            return None


class _OtherWcs:
    """A WCS with two pixel axes and two celestial axes that is known by the shared Python interface alone."""

    crpix: Floats | None = None
    is_fixed_frame = True  # the key holds all attributes of the frame

    def __init__(self, wcs: Any) -> None:
        wcs = getattr(wcs, "low_level_wcs", wcs)
        try:
            axes = (int(wcs.pixel_n_dim), int(wcs.world_n_dim))
            kinds = [str(kind or "") for kind in wcs.world_axis_physical_types]
            units = [str(unit) for unit in wcs.world_axis_units]
        except Exception as error:  # some object of another kind
            raise UnusableWcsError(f"a {type(wcs).__name__} is no WCS that is known here ({short(error)})") from error
        if axes != (2, 2):
            raise UnusableWcsError(f"it has {axes[0]} pixel axes and {axes[1]} world axes, not two of each")
        ends = [kind.rpartition(".")[2] for kind in kinds]
        longitude = next((axis for axis, end in enumerate(ends) if end in ("ra", "lon")), None)
        latitude = next((axis for axis, end in enumerate(ends) if end in ("dec", "lat")), None)
        if longitude is None or latitude is None:
            raise UnusableWcsError(f"it has no celestial axes ({', '.join(kinds)})")
        from astropy.units import Unit

        self._wcs = wcs
        self._axes = [longitude, latitude]
        try:
            self._degrees = np.array([Unit(units[axis]).to("deg") for axis in self._axes])
        except Exception as error:  # no angle, or no unit at all
            raise UnusableWcsError(f"its units are no angles ({', '.join(units)})") from error
        self._frame = self._found_frame()
        self.frame_name = kinds[longitude] if self._frame is None else repr(self._frame)
        self.frame_key: Hashable = self.frame_name
        self.is_equatorial = kinds[longitude] == "pos.eq.ra"

    def _found_frame(self) -> Any:
        try:
            classes = self._wcs.world_axis_object_classes
            return next((c[2]["frame"] for c in classes.values() if "frame" in c[2]), None)
        except Exception:  # an optional part of the interface
            return None

    def to_sky(self, points: Floats) -> Floats:
        world = self._wcs.pixel_to_world_values(points[:, 0], points[:, 1])
        sky: Floats = np.column_stack([np.asarray(world[axis], dtype=float) for axis in self._axes]) * self._degrees
        return sky

    def to_pixels(self, sky: Floats) -> Floats:
        world: list[Any] = [None, None]
        for axis, values in zip(self._axes, (sky / self._degrees).T, strict=True):
            world[axis] = values
        return np.column_stack([np.asarray(values, dtype=float) for values in self._wcs.world_to_pixel_values(*world)])

    def frame(self) -> Any:
        """Return the coordinate frame, or None if it is not known."""
        return self._frame
