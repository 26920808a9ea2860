"""Sky level and scatter in a mesh of boxes, with the estimators of photometry packages."""

from __future__ import annotations

__all__ = ["EDGE_METHODS", "ESTIMATORS", "RMS_ESTIMATORS", "MeshOptions", "measure_mesh", "two_sided"]

from dataclasses import dataclass
from typing import Any

from .. import _core
from .._checks import real_number, shown, whole_number
from ..errors import InvalidParameterError
from ..image.foreign import Planes
from .combine_planes import CENTRES, SCATTERS

ESTIMATORS = ("mean", "median", "sextractor", "mmm", "biweight", "histogram")
"""Estimators of the sky level of a box, from the pixels that clipping leaves; "histogram" clips by itself."""

RMS_ESTIMATORS = ("std", "mad", "biweight")
"""Estimators of the scatter of the pixels of a box."""

EDGE_METHODS = ("spread", "pad", "crop")
"""How boxes cover an image whose size is not a multiple of theirs."""

# Names of the core that differ.
_CORE_NAMES = {"std": "STDEV"}

# Number of rounds that means clipping until nothing changes.
_ALL_ROUNDS = 2**31 - 1


def _one_of(value: Any, name: str, allowed: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in allowed:
        raise InvalidParameterError(f"{name} is {shown(value)}; it must be one of {', '.join(map(repr, allowed))}")


def two_sided(sigma: Any) -> tuple[float, float]:
    """Return the widths of a clipping window below and above its centre, given one or both.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If there are not one or two values greater than 0.
    """
    sides = list(sigma) if isinstance(sigma, tuple | list) else [sigma, sigma]
    if len(sides) != 2:
        raise InvalidParameterError(
            f"sigma is {shown(sigma)}, with {len(sides)} values; one is needed, or two: below and above the centre"
        )
    low, high = (real_number(side, "sigma") for side in sides)
    if not (low > 0 and high > 0):
        raise InvalidParameterError(f"sigma is {shown(sigma)}; it must be greater than 0")
    return low, high


@dataclass(frozen=True)
class MeshOptions:
    """How the sky is measured in a mesh of boxes.

    Parameters
    ----------
    height, width : int
        Size of a box in pixels.
    estimator : {"mean", "median", "sextractor", "mmm", "biweight", "histogram"}
        Estimator of the level. "histogram" needs the default values of `rms_estimator`, `sigma`, `rounds`, `centre` and
        `scatter`.
    rms_estimator : {"std", "mad", "biweight"}
        Estimator of the scatter.
    edge_method : {"spread", "pad", "crop"}
        How boxes cover the image.
    sigma : float or (float, float)
        Width of the clipping window in units of the scatter, or its widths below and above the centre; infinity for no
        limit on that side.
    rounds : int or None
        Largest number of rounds; 0 for no clipping, None to clip until nothing changes.
    centre : {None, "median", "mean"}
    scatter : {None, "std", "mad"}
        Centre and scatter of the clipping, as for `CombineOptions`.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If a value is not allowed.
    """

    height: int
    width: int
    estimator: str = "mean"
    rms_estimator: str = "std"
    edge_method: str = "spread"
    sigma: float | tuple[float, float] = 3.0
    rounds: int | None = 3
    centre: str | None = None
    scatter: str | None = None

    def __post_init__(self) -> None:
        _one_of(self.estimator, "estimator", ESTIMATORS)
        _one_of(self.rms_estimator, "rms_estimator", RMS_ESTIMATORS)
        _one_of(self.edge_method, "edge_method", EDGE_METHODS)
        if self.centre is not None:
            _one_of(self.centre, "centre", CENTRES)
        if self.scatter is not None:
            _one_of(self.scatter, "scatter", SCATTERS)
        two_sided(self.sigma)
        if self.rounds is not None and not 0 <= whole_number(self.rounds, "rounds") <= _ALL_ROUNDS:
            raise InvalidParameterError(
                f"rounds is {self.rounds}; it must be at least 1, 0 for no clipping, or None to clip until nothing "
                "changes"
            )
        if self.estimator != "histogram":
            return
        for name in ("rms_estimator", "sigma", "rounds", "centre", "scatter"):
            value, usual = getattr(self, name), getattr(MeshOptions, name)
            if value != usual:
                raise InvalidParameterError(
                    f'{name} is {shown(value)}, but the estimator "histogram" clips by itself and has a scatter of its '
                    f'own; leave {name} out, or use estimator="sextractor"'
                )


def measure_mesh(planes: Planes, bits: int, options: MeshOptions, num_threads: int = 0) -> _core.BackgroundMesh:
    """Measure the sky level, its error and the scatter of the pixels in each box of an image.

    Parameters
    ----------
    planes : Planes
        Image and mask.
    bits : int
        Bits of the mask that reject a pixel.
    options : MeshOptions
    num_threads : int, optional
        Number of threads; 0 for the process-wide default. Results do not depend on it.
    """
    low, high = two_sided(options.sigma)
    return _core.BackgroundMesh(
        planes.image,
        planes.mask,
        planes.x0,
        planes.y0,
        options.width,
        options.height,
        options.edge_method.upper(),
        options.estimator.upper(),
        _CORE_NAMES.get(options.rms_estimator, options.rms_estimator.upper()),
        low,
        high,
        _ALL_ROUNDS if options.rounds is None else options.rounds,
        options.centre,
        options.scatter,
        bits,
        num_threads,
    )
