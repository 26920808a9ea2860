"""Warps of a tract: their handles, and the pixels that are held between two passes."""

from __future__ import annotations

__all__ = ["MisplacedWarpsError", "Warp", "Warps", "by_patch", "none_of_its", "with_pixels"]

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..._checks import shown, whole_number
from ...errors import InvalidParameterError, NotFoundError, UnsuitableError
from ...image import Exposure
from ...image.foreign import is_lsst_images
from ...image.like import data_like, exposure_of
from ...io.data_refs import as_data_ref, id_dict
from .background import box_of, misplacement


class MisplacedWarpsError(UnsuitableError):
    """Set of warps of which none lies in its patch: the origins or the sky map are wrong."""


@dataclass
class Warp:
    """One warp: the pixels of a visit in one patch.

    Attributes
    ----------
    index : int
        Place in the input.
    handle : object
        Handle that was given.
    visit, patch, tract : int
        From its data ID.
    message : str
        Why it cannot be used; "" as long as it can.
    misplaced : bool
        Whether that is because of its place.
    """

    index: int
    handle: Any
    visit: int
    patch: Any
    tract: int
    message: str = ""
    misplaced: bool = False


class Warps:
    """Warps that are read when they are needed.

    Parameters
    ----------
    handles : iterable
        Objects with ``get()`` and a ``dataId`` with visit, patch and tract.
    held_bytes : int
        Pixels that are kept between passes, in bytes; other warps are read anew.

    Raises
    ------
    evensky.errors.InvalidParameterError, evensky.errors.NotFoundError
        For an object that is not a handle, or a data ID that lacks a value.
    """

    def __init__(self, handles: Iterable[Any], held_bytes: int = 0) -> None:
        self.warps: list[Warp] = []
        self._refs: list[Any] = []
        if not isinstance(handles, Iterable):
            raise InvalidParameterError(f"warps is {shown(handles)}, a {type(handles).__name__}; handles are needed")
        for index, handle in enumerate(handles):
            ref = as_data_ref(handle, index)
            self._refs.append(ref)
            self.warps.append(Warp(index, handle, *_identity(ref, index)))
        self._held: dict[int, Any] = {}
        self._room = held_bytes
        self.reads = 0

    @property
    def visits(self) -> list[int]:
        """Visits in ascending order."""
        return sorted({warp.visit for warp in self.warps})

    def of_visit(self, visit: int) -> list[Warp]:
        """Return the warps of a visit, in the order of the input."""
        return [warp for warp in self.warps if warp.visit == visit]

    def check(self) -> None:
        """Check that the warps belong together.

        Raises
        ------
        evensky.errors.InvalidParameterError
            For warps of several tracts, and for two of one visit and patch.
        """
        tracts = sorted({warp.tract for warp in self.warps})
        if len(tracts) > 1:
            raise InvalidParameterError(
                f"The warps are of the tracts {', '.join(map(str, tracts))}; match the warps of one tract at a time"
            )
        seen: set[tuple[int, Any]] = set()
        for warp in self.warps:
            if (warp.visit, warp.patch) in seen:
                raise InvalidParameterError(
                    f"There are two warps of visit {warp.visit} and patch {warp.patch}; each may be given once"
                )
            seen.add((warp.visit, warp.patch))

    def check_places(self) -> None:
        """Check that there are warps that can be read and lie in their patches, after all have been opened.

        Raises
        ------
        MisplacedWarpsError
            If all are misplaced; it is an UnsuitableError.
        evensky.errors.UnsuitableError
            If none can be used for other reasons, too.
        """
        if not all(warp.message for warp in self.warps):
            return
        first = self.warps[0]
        done = "used" if any(warp.misplaced for warp in self.warps) else "read"
        message = (
            f"None of the {len(self.warps)} warps can be {done}: visit {first.visit}, patch {first.patch}: "
            f"{first.message}"
        )
        raise (MisplacedWarpsError if all(warp.misplaced for warp in self.warps) else UnsuitableError)([message])

    def open(self, warp: Warp, tract_info: Any, log: logging.Logger) -> tuple[Any, Any] | None:
        """Return what the handle of a warp holds, and the exposure of it.

        Parameters
        ----------
        warp : Warp
        tract_info : TractInfo or None
            The tract. None skips nothing, as the original: what cannot be read is an error, and places are not checked.
        log : logging.Logger

        Returns
        -------
        tuple or None
            None for a warp that cannot be used; its message says why, and is logged once.
        """
        if warp.message:
            return None
        label = f"{warp.visit}, patch {warp.patch}"
        if tract_info is None:
            data = self.read(warp)
            return data, exposure_from(data, label)
        try:
            data = self.read(warp)
        except (OSError, LookupError) as error:
            warp.message = f"it cannot be read: {error}"
        else:
            exposure = exposure_from(data, label)
            warp.message = misplacement(tract_info, warp.patch, box_of(exposure))
            warp.misplaced = bool(warp.message)
        if not warp.message:
            return data, exposure
        self.release(warp)
        log.warning("The warp of visit %s is skipped: %s", label, warp.message)
        return None

    def read(self, warp: Warp) -> Any:
        """Return what the handle holds."""
        if warp.index in self._held:
            return self._held[warp.index]
        data = self._refs[warp.index].get()
        self.reads += 1
        if data is None:
            raise NotFoundError(f"get() of the warp of visit {warp.visit} and patch {warp.patch} returned None")
        if not all(hasattr(data, name) for name in ("image", "mask", "variance")):
            raise InvalidParameterError(
                f"The warp of visit {warp.visit} and patch {warp.patch} is {shown(data)}, a {type(data).__name__}; an "
                "exposure with image, mask and variance is needed"
            )
        size = _bytes_of(data)
        if size <= self._room:
            self._room -= size
            self._held[warp.index] = data
        return data

    def release(self, warp: Warp) -> None:
        """Forget a warp that is not needed any more."""
        data = self._held.pop(warp.index, None)
        if data is not None:
            self._room += _bytes_of(data)


def _bytes_of(data: Any) -> int:
    return sum(int(plane.array.nbytes) for plane in (data.image, data.mask, data.variance))


def none_of_its(warps: list[Warp]) -> str:
    """Return why a visit of which no warp can be used is left out."""
    done = "used" if any(warp.misplaced for warp in warps) else "read"
    return f"none of its warps can be {done}: patch {warps[0].patch}: {warps[0].message}"


def by_patch(warp: Warp) -> str:
    """Return a key that sorts warps by patch, for results that do not depend on the order of the input."""
    return str(warp.patch)


def exposure_from(data: Any, label: str) -> Any:
    """Return the data of a handle with the methods of an exposure; pixels are shared where possible."""
    return exposure_of(data, label, copy=False) if is_lsst_images(data) else data


def with_pixels(data: Any, pixels: np.ndarray) -> Any:
    """Return a copy of the data of a handle, with other pixels."""
    if is_lsst_images(data) or isinstance(data, Exposure):
        return data_like(data, pixels)
    matched = data.clone()
    matched.image.array[...] = pixels
    return matched


def _identity(ref: Any, index: int) -> tuple[int, Any, int]:
    """Return the visit, patch and tract of a reference."""
    data_id: Any = getattr(ref, "dataId", None)
    values = {}
    for name in ("visit", "patch", "tract"):
        try:
            values[name] = data_id[name]
        except (KeyError, TypeError):
            known = id_dict(data_id) if data_id is not None else {}
            raise NotFoundError(
                f"The data ID of warp {index} is {shown(known)}; it must have a visit, a patch and a tract"
            ) from None
    visit, tract = (whole_number(values[name], f"The {name} of warp {index}") for name in ("visit", "tract"))
    return visit, values["patch"], tract
