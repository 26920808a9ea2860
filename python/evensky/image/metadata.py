"""Headers of exposures with the methods of ``lsst.daf.base.PropertyList``."""

from __future__ import annotations

__all__ = ["PropertyList", "PropertySet", "as_metadata", "readMetadata"]

import math
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from .._checks import real_number, shown, whole_number
from .._text import visible
from ..errors import NotFoundError
from ..errors import TypeError as WrongTypeError
from ..fits.hdus import named_headers
from ..fits.opening import opened_headers
from ..fits.plane_search import find_hdu

_NO_NAMES = ("", "COMMENT", "HISTORY")
# Not-a-number and infinity cannot be values of a header's cards; they are kept as text.
_NOT_FINITE = {"NAN": math.nan, "INF": math.inf, "-INF": -math.inf}


class MissingNameError(NotFoundError, KeyError):
    """Name that the metadata do not have; the message lists similar ones."""

    def __str__(self) -> str:
        return visible(Exception.__str__(self))


class PropertyList:
    """Names with one or several values each, a header of FITS cards with the methods of ``lsst.daf.base.PropertyList``.

    Names have any length, and the case of letters does not matter. Values are texts, numbers, truth values or None.

    Examples
    --------
    >>> from evensky.image import PropertyList
    >>> metadata = PropertyList()
    >>> metadata.setDouble("BGMEAN", 812.5)
    >>> metadata.addString("a name of any length", "text")
    >>> metadata.getScalar("BGMEAN")
    812.5
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return object.__new__(_metadata_kind() if cls is PropertyList else cls)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Any:
        """Make metadata of a mapping of names to values."""
        return as_metadata(mapping)

    def _key(self, name: str) -> str:
        if not isinstance(name, str):
            raise WrongTypeError(f"A name of metadata is a text; got {shown(name)}")
        return name if len(name) <= 8 and "." not in name and " " not in name else f"HIERARCH {name}"

    def exists(self, name: str) -> bool:
        """Return whether there is a value of this name."""
        return name in self  # type: ignore[operator]

    def getArray(self, name: str) -> list[Any]:
        """Return all values of a name.

        Raises
        ------
        evensky.errors.NotFoundError
            If there is none; it is a KeyError too.
        """
        header: Any = self
        if name not in header:
            known = ", ".join(sorted(self.names())[:20]) or "none"
            raise MissingNameError(f"There is no {shown(name)} in the metadata; they have {known}")
        return [_value_of(header[name, place]) for place in range(header.count(name))]

    def getScalar(self, name: str) -> Any:
        """Return the value of a name: the last one if there are several."""
        return self.getArray(name)[-1]

    def getAsDouble(self, name: str) -> float:
        """Return a value as a float."""
        return real_number(self.getScalar(name), name)

    def getAsInt(self, name: str) -> int:
        """Return a value, which must be a whole number."""
        return whole_number(self.getScalar(name), name)

    def getAsBool(self, name: str) -> bool:
        """Return a value, which must be true or false."""
        value = self.getScalar(name)
        if not isinstance(value, bool):
            raise WrongTypeError(f"{name}: {shown(value)} is a {type(value).__name__}; True or False is needed")
        return value

    def getAsString(self, name: str) -> str:
        """Return a value, which must be a text."""
        value = self.getScalar(name)
        if not isinstance(value, str):
            raise WrongTypeError(f"{name}: {shown(value)} is a {type(value).__name__}; a text is needed")
        return value

    getDouble = getFloat = getAsDouble
    getInt = getLong = getInt64 = getAsInt
    getBool, getString = getAsBool, getAsString

    def setProperty(self, name: str, value: Any, comment: str | None = None) -> None:
        """Set a value, or several as a list, in place of those that the name has."""
        header: Any = self
        self._key(name)  # which raises the error if it is no name
        if name in header:
            header.remove(name, ignore_missing=True, remove_all=True)
        self.add(name, value, comment)

    def add(self, name: str, value: Any, comment: str | None = None) -> None:
        """Add a value, or several as a list, to those that the name has."""
        header: Any = self
        for one in value if isinstance(value, list | tuple) else [value]:
            header.append((self._key(name), _storable(one), comment), end=True)

    setDouble = setFloat = setInt = setLong = setLongLong = setBool = setString = setShort = setProperty
    addDouble = addFloat = addInt = addLong = addLongLong = addBool = addString = addShort = add

    def names(self, topLevelOnly: bool = True) -> list[str]:
        """Return the names, each once, in their order."""
        header: Any = self
        return [name for name in dict.fromkeys(header.keys()) if name not in _NO_NAMES]

    paramNames = getOrderedNames = names

    def nameCount(self, topLevelOnly: bool = True) -> int:
        """Return the number of names."""
        return len(self.names())

    def valueCount(self, name: str) -> int:
        """Return the number of values of a name; 0 if there is none."""
        header: Any = self
        return int(header.count(name)) if name in header else 0

    def isArray(self, name: str) -> bool:
        """Return whether a name has several values."""
        return self.valueCount(name) > 1

    def getComment(self, name: str) -> str:
        """Return the comment of a name."""
        self.getScalar(name)  # which raises the error if there is none
        header: Any = self
        return str(header.comments[name])

    def toDict(self) -> dict[str, Any]:
        """Return a dictionary of the values; several of one name become a list."""
        arrays = {name: self.getArray(name) for name in self.names()}
        return {name: values[0] if len(values) == 1 else values for name, values in arrays.items()}

    toOrderedDict = toDict

    def deepCopy(self) -> Any:
        """Return a copy."""
        header: Any = self
        return header.copy()

    def combine(self, source: Mapping[str, Any]) -> None:
        """Add all values of other metadata."""
        pairs = source.toDict() if hasattr(source, "toDict") else source
        for name in pairs:
            self.add(name, pairs[name])


def _value_of(value: Any) -> Any:
    return _NOT_FINITE.get(value, value) if isinstance(value, str) else value


def _storable(value: Any) -> Any:
    """Return a value as a card can have it."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NAN" if math.isnan(value) else "INF" if value > 0 else "-INF"
    return value


@cache
def _metadata_kind() -> type:
    """Return the class of headers with the methods of `PropertyList`; astropy is imported on first use."""
    from astropy.io.fits import Header

    class Metadata(PropertyList, Header):  # type: ignore[misc]
        """Header of FITS cards with the methods of `PropertyList`."""

        def __reduce__(self) -> Any:
            header = Header()
            header.__dict__.update(self.__dict__)
            return as_metadata, (header,)

        def set(
            self, keyword: Any, value: Any = None, comment: Any = None, before: Any = None, after: Any = None
        ) -> None:
            """Set a value, as in a header; a list sets several values of one name."""
            if isinstance(value, list):
                self.setProperty(keyword, value, comment)
            else:
                super().set(self._long(keyword), _storable(value), comment, before, after)

        def remove(self, keyword: Any, ignore_missing: bool = True, remove_all: bool = True) -> None:
            """Remove a name with all its values, if it is there."""
            super().remove(keyword, ignore_missing, remove_all)

        def __setitem__(self, key: Any, value: Any) -> None:
            if isinstance(value, list):
                self.setProperty(key, value)
            else:
                super().__setitem__(self._long(key), _storable(value))

        def _long(self, key: Any) -> Any:
            return self._key(key) if isinstance(key, str) and not key.startswith("HIERARCH ") else key

    return Metadata


def as_metadata(header: Any = None) -> Any:
    """Return a header, or a mapping of names to values, as one with the methods of ``PropertyList``.

    Parameters
    ----------
    header : astropy.io.fits.Header, mapping or iterable of cards, optional
        A header shares its cards with the result; others are copied.

    Returns
    -------
    astropy.io.fits.Header
    """
    kind = _metadata_kind()
    if isinstance(header, kind):
        return header
    made = kind()
    if hasattr(header, "cards"):
        made.__dict__ = header.__dict__  # all that a header is, so that a change of either is one of both
        return made
    pairs = header.toDict() if hasattr(header, "toDict") else header
    if isinstance(pairs, Mapping):
        for name, value in pairs.items():
            made.setProperty(name, value)
    elif isinstance(pairs, Iterable):
        made.extend(pairs)
    elif pairs is not None:
        raise WrongTypeError(f"Metadata are {shown(header)}; a header or a mapping of names to values is needed")
    return made


PropertySet = PropertyList


def readMetadata(fileName: str | Path, hdu: int | str | None = None) -> Any:
    """Read the header of an HDU of a FITS file.

    Parameters
    ----------
    fileName : str or Path
    hdu : int or str, optional
        Number, counted from 0, or name of the HDU; by default the first.

    Returns
    -------
    PropertyList

    Raises
    ------
    evensky.errors.FitsError
        If the file cannot be read, or has no such HDU.
    """
    path = Path(fileName)
    with opened_headers(path) as hdus:
        return as_metadata(hdus[find_hdu(named_headers(hdus), 0 if hdu is None else hdu, path)].header.copy())
