"""Arguments of constructors that read files and of methods that write them."""

from __future__ import annotations

__all__ = ["FileArguments", "file_arguments", "fill_metadata", "write_mode"]

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._checks import shown
from ..errors import InvalidParameterError
from ..errors import TypeError as WrongTypeError
from ..geom import Box2I
from ._pixels import PARENT, ImageOrigin


@dataclass(frozen=True)
class FileArguments:
    """Arguments of a constructor that reads a file.

    Attributes
    ----------
    path : Path
    hdu : int, str or None
        Number, counted from 0, or name of the HDU to read.
    metadata : object
        Receives the header: anything with a method ``set(name, value)``, or a mapping.
    bbox : Box2I or None
        Part to read; None for all pixels.
    origin : ImageOrigin
        Origin of `bbox`.
    keep_planes : bool
        Whether a mask keeps the numbers of planes that the file gives; otherwise they become the default ones.
    unsafe : bool
        Whether fractions may be truncated.
    """

    path: Path
    hdu: int | str | None = None
    metadata: Any = None
    bbox: Box2I | None = None
    origin: ImageOrigin = PARENT
    keep_planes: bool = True
    unsafe: bool = False


def file_arguments(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> FileArguments:
    """Parse the arguments of ``Kind(path, ...)``, which are told apart by their types.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If an argument is unknown; it is a TypeError too.
    """
    found: dict[str, Any] = {"path": Path(args[0])}
    for value in args[1:]:
        if isinstance(value, Box2I):
            found["bbox"] = None if value.isEmpty() else value
        elif isinstance(value, ImageOrigin):
            found["origin"] = value
        elif isinstance(value, bool):
            found["keep_planes"] = value
        elif hasattr(value, "__index__") or isinstance(value, str):
            found["hdu"] = value
        elif hasattr(value, "__setitem__") or hasattr(value, "set"):
            found["metadata"] = value
        elif value is not None:
            raise WrongTypeError(f"{name} of a file takes an HDU, metadata, a box and an origin; got {shown(value)}")
    known = {"hdu": "hdu", "metadata": "metadata", "conformMasks": "keep_planes", "allowUnsafe": "unsafe"}
    for keyword, value in kwargs.items():
        # Planes that are required, or metadata of single planes, make no difference here.
        if keyword in ("needAllHdus", "deep", "dtype"):
            continue
        if keyword not in known:
            raise WrongTypeError(f"{name} of a file takes no argument {keyword}; it takes {', '.join(known)}")
        found[known[keyword]] = value
    return FileArguments(**found)


def fill_metadata(metadata: Any, header: Any) -> None:
    """Copy the cards of a header to an object of the user, if there is one."""
    if metadata is None or header is None:
        return
    put = metadata.set if hasattr(metadata, "set") else metadata.__setitem__
    for card in header.cards:
        if card.keyword not in ("", "COMMENT", "HISTORY"):
            put(card.keyword, card.value)


def write_mode(metadata: Any, mode: str | bool, overwrite: bool) -> dict[str, Any]:
    """Return the options of `evensky.fits.writing.write_image_plane` for the arguments of ``writeFits``."""
    if isinstance(metadata, bool):  # formerly the second argument
        metadata, overwrite = None, metadata
    if mode not in ("w", "a"):
        raise InvalidParameterError(f"mode is {shown(mode)}; it must be 'w', or 'a' to append to a file")
    return {"overwrite": overwrite, "append": mode == "a", "header": _header_of(metadata)}


def _header_of(metadata: Any) -> Any:
    """Return metadata of a user as a header."""
    if metadata is None or hasattr(metadata, "cards"):
        return metadata
    from astropy.io import fits

    pairs = metadata.toDict() if hasattr(metadata, "toDict") else metadata
    if not isinstance(pairs, Mapping):
        raise WrongTypeError(f"metadata is {shown(metadata)}; a header or a mapping of names to values is needed")
    return fits.Header([(name if len(name) <= 8 else f"HIERARCH {name}", value) for name, value in pairs.items()])
