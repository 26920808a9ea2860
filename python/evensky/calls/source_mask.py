"""The mask of the sources of an image, found together with its background."""

from __future__ import annotations

__all__ = ["SourceMask", "find_sources", "source_options"]

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from .._checks import shown
from ..errors import InvalidParameterError, TaskError
from ..image.foreign import Planes
from ..interop.detection import detect_sources
from .source_options import SourceOptions

# Share of the pixels that may change in the last round.
_CHANGE = 1e-3
# Share of the good pixels beyond which the mask of the sources is flagged.
_MOST = 0.8


@dataclass(frozen=True, repr=False)
class SourceMask:
    """The sources of an image as a mask.

    Attributes
    ----------
    mask : ndarray of bool, shape (height, width)
        True for pixels of sources and around them.
    number : int
        Number of sources; sources that touch each other count as one.
    fraction : float
        Share of the good pixels that belong to sources.
    rounds : int
        Number of rounds of detecting sources and measuring the background without them.
    converged : bool
        Whether the last round changed at most 0.1 % of the pixels.
    notes : tuple of str
        What is doubtful about the mask and what to do, in sentences without a full stop.
    """

    mask: np.ndarray
    number: int
    fraction: float
    rounds: int
    converged: bool
    notes: tuple[str, ...] = field(default=())

    def __repr__(self) -> str:
        height, width = self.mask.shape
        state = "" if self.converged else ", not converged"
        return (
            f"SourceMask({self.number} sources on {self.fraction:.1%} of {width} x {height} px, "
            f"{self.rounds} rounds{state})"
        )


def source_options(mask_sources: Any) -> SourceOptions | None:
    """Return how sources are found, as the argument `mask_sources` says; None if they are not to be found.

    Parameters
    ----------
    mask_sources : bool, mapping or SourceOptions
        False, True for the options by default, or options by their names.

    Raises
    ------
    evensky.errors.InvalidParameterError
        For anything else, for an unknown name, and for a value that is not allowed.
    """
    if isinstance(mask_sources, SourceOptions):
        return mask_sources
    if isinstance(mask_sources, bool | np.bool_):
        return SourceOptions() if mask_sources else None
    names = [one.name for one in fields(SourceOptions)]
    if not isinstance(mask_sources, Mapping):
        raise InvalidParameterError(
            f"mask_sources is {shown(mask_sources)}; it must be True, False or options among {', '.join(names)}; a "
            "mask that you have is given as mask or, beside another mask, as weights that are 0 for its pixels"
        )
    if unknown := [name for name in mask_sources if name not in names]:
        raise InvalidParameterError(f"mask_sources: {shown(unknown[0])} is no option; they are {', '.join(names)}")
    return SourceOptions(**mask_sources)


def find_sources(
    planes: Planes, bits: int, options: SourceOptions, measure: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
) -> SourceMask:
    """Find the sources of an image, in rounds with its background.

    Each round measures the background without the sources of the round before, and finds the connected pixels that
    exceed it by the threshold. The last round is that which changes few pixels.

    Parameters
    ----------
    planes : Planes
        The image with its mask.
    bits : int
        Bits of the mask that reject a pixel.
    options : SourceOptions
    measure : callable
        Function that takes the pixels that do not count, as booleans of shape ``(height, width)``, and returns the
        background and its rms, both of that shape.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If photutils is not installed.
    evensky.errors.TaskError
        If no pixel is left for the background.
    """
    bad = ~np.isfinite(planes.image)
    if planes.mask is not None:
        bad |= (planes.mask & np.int32(bits)) != 0
    n_good = bad.size - int(np.count_nonzero(bad))
    sources, number, changed, rounds = np.zeros(bad.shape, bool), 0, math.inf, 0
    while rounds < options.max_rounds and changed > _CHANGE:
        background, rms = measure(bad | sources)
        if not (np.isfinite(background).any() and np.isfinite(rms).any()):
            raise TaskError(_nothing_left(n_good, rounds, options))
        threshold = rms * np.float32(options.threshold)
        del rms
        found, number = detect_sources(
            planes.image - background, threshold, options.n_pixels, options.dilation_radius, bad
        )
        rounds += 1
        changed = np.count_nonzero(found != sources) / found.size
        sources = found
    covered = np.count_nonzero(sources & ~bad)
    if covered == n_good:
        raise TaskError(_nothing_left(n_good, rounds, options))
    fraction = covered / n_good
    notes = []
    if fraction > _MOST:
        notes.append(
            f"sources cover {fraction:.1%} of the good pixels, so little is left to measure the background: use larger "
            f"bins than the sources, a higher threshold ({options.threshold:g}) or a smaller dilation_radius "
            f"({options.dilation_radius})"
        )
    if changed > _CHANGE:
        notes.append(
            f"the mask of the sources still changed by {changed:.1%} of the pixels in round {rounds}, the last one: "
            f"allow more rounds (max_rounds), or use a higher threshold ({options.threshold:g}) or larger bins"
        )
    return SourceMask(sources, number, fraction, rounds, bool(changed <= _CHANGE), tuple(notes))


def _nothing_left(n_good: int, rounds: int, options: SourceOptions) -> str:
    if rounds == 0:
        return "no bin has the two good pixels that a background and its rms need, so no source can be found"
    return (
        f"sources leave none of the {n_good} good pixels for the background after round {rounds}: use larger bins than "
        f"the sources, a higher threshold ({options.threshold:g}) or a smaller dilation_radius "
        f"({options.dilation_radius})"
    )
