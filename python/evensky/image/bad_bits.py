"""Bits of the mask planes whose pixels do not count."""

from __future__ import annotations

__all__ = ["bad_bits"]

from collections.abc import Iterable
from typing import Any

from .lsst_masks import PLANE_ALIASES
from .mask import BAD_PLANES, Mask


def bad_bits(mask: Any, names: Iterable[str] | None = None, *, defaults_may_lack: bool = False) -> int:
    """Return the bits of the named planes in a mask's own numbering.

    Parameters
    ----------
    mask : Mask
        A mask, or any object that has its methods ``getMaskPlaneDict`` and ``getPlaneBitMask``.
    names : iterable of str, optional
        Names of planes; by default those of `BAD_PLANES` that the mask has. Names that ``lsst.images`` gives to planes
        are understood.
    defaults_may_lack : bool, optional
        Ignore a plane that the mask lacks if it is one of the default planes.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If `names` are not names.
    evensky.errors.NotFoundError
        If the mask lacks a named plane; the message lists the planes that it has.
    """
    own = mask.getMaskPlaneDict()
    if names is not None and not isinstance(names, Iterable):
        return int(mask.getPlaneBitMask(names))  # which raises the error
    if names is None:
        return int(mask.getPlaneBitMask([name for name in BAD_PLANES if name in own]))
    default = Mask.getMaskPlaneDict() if defaults_may_lack else {}
    wanted = [name if name in own else PLANE_ALIASES.get(name, name) for name in names]
    return int(mask.getPlaneBitMask([name for name in wanted if name in own or name not in default]))
