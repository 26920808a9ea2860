"""Tracts and patches as pixel boxes, with the names of ``lsst.skymap``."""

from __future__ import annotations

__all__ = ["Index2D", "PatchInfo", "SkyMap", "TractInfo"]

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..._checks import shown, whole_number
from ...errors import InvalidParameterError, NotFoundError, OutOfRangeError
from ...geom import Box2I, Extent2I, Point2I


class Index2D(NamedTuple):
    """Column and row of a patch, or numbers of columns and rows."""

    x: int
    y: int


def _pair(value: Any, name: str, least: int) -> Index2D:
    """Return two whole numbers."""
    try:
        numbers = list(value)
    except TypeError:
        raise InvalidParameterError(f"{name} is {shown(value)}; two whole numbers are needed") from None
    if len(numbers) != 2:
        raise InvalidParameterError(f"{name} is {shown(value)}; two whole numbers are needed")
    pair = Index2D(*(whole_number(number, name) for number in numbers))
    if min(pair) < least:
        raise InvalidParameterError(f"{name} is {tuple(pair)}; both numbers must be >= {least}")
    return pair


class PatchInfo:
    """One patch of a tract.

    Patches are made by a `TractInfo`.
    """

    def __init__(self, tract: TractInfo, index: Index2D) -> None:
        self._tract = tract
        self._index = index

    def getIndex(self) -> Index2D:
        """Return the column and the row of the patch."""
        return self._index

    def getSequentialIndex(self) -> int:
        """Return the number of the patch in its tract, counted along rows."""
        return self._index.y * self._tract.getNumPatches().x + self._index.x

    index = property(getIndex, doc="Column and row of the patch.")
    sequential_index = property(getSequentialIndex, doc="Number of the patch in its tract.")

    def getInnerBBox(self) -> Box2I:
        """Return the box that no other patch of the tract shares, in pixels of the tract."""
        width, height = self._tract.getPatchInnerDimensions()
        return Box2I(Point2I(self._index.x * width, self._index.y * height), Extent2I(width, height))

    def getOuterBBox(self) -> Box2I:
        """Return the inner box with its border, clipped to the tract."""
        return self.getInnerBBox().dilatedBy(self._tract.getPatchBorder()).clippedTo(self._tract.getBBox())

    inner_bbox = property(getInnerBBox, doc="Box that no other patch of the tract shares.")
    outer_bbox = property(getOuterBBox, doc="Inner box with its border.")

    def __repr__(self) -> str:
        return f"PatchInfo(index={tuple(self._index)}, inner={self.getInnerBBox()!r}, outer={self.getOuterBBox()!r})"


class TractInfo:
    """A tract: a grid of patches on one pixel grid, whose first pixel is (0, 0).

    Parameters
    ----------
    patch : (int, int)
        Width and height of the inner box of a patch, in pixels.
    number : (int, int)
        Number of patches in x and in y.
    border : int, optional
        Pixels by which a patch reaches into its neighbours.
    tract : int, optional
        Number of the tract. By default, it is that under which a `SkyMap` has it, and 0 as long as no sky map has it.

    Examples
    --------
    >>> tract = TractInfo((100, 100), (3, 2), border=10)
    >>> tract.getBBox().getDimensions()
    Extent2I(300, 200)
    >>> tract[4].getIndex(), tract[4].getOuterBBox()
    (Index2D(x=1, y=1), Box2I(corner=Point2I(90, 90), dimensions=Extent2I(120, 110)))
    """

    def __init__(self, patch: Any, number: Any, border: int = 0, tract: int | None = None) -> None:
        self._patch = _pair(patch, "patch", 1)
        self._number = _pair(number, "number", 1)
        self._border = whole_number(border, "border")
        if self._border < 0:
            raise InvalidParameterError(f"border is {self._border}; it must be >= 0")
        self._tract = None if tract is None else whole_number(tract, "tract")

    def getId(self) -> int:
        """Return the number of the tract; 0 as long as it has none."""
        return 0 if self._tract is None else self._tract

    def numbered(self, number: int) -> TractInfo:
        """Return the tract with a number, if it has none; itself if it has that number.

        Raises
        ------
        evensky.errors.InvalidParameterError
            If it has another number.
        """
        if self._tract is None:
            return TractInfo(self._patch, self._number, self._border, number)
        if self._tract != number:
            raise InvalidParameterError(
                f"The tract under number {number} of the sky map is {self!r}, whose own number is {self._tract}; both "
                "must be equal. Leave tract out of TractInfo, and it takes the number of its place"
            )
        return self

    tract_id = property(getId, doc="Number of the tract.")

    def getBBox(self) -> Box2I:
        """Return the box of all pixels of the tract."""
        (width, height), (nx, ny) = self._patch, self._number
        return Box2I(Point2I(0, 0), Extent2I(nx * width, ny * height))

    bbox = property(getBBox, doc="Box of all pixels of the tract.")

    def getNumPatches(self) -> Index2D:
        """Return the numbers of patches in x and in y."""
        return self._number

    num_patches = property(getNumPatches, doc="Numbers of patches in x and in y.")

    def getPatchInnerDimensions(self) -> Extent2I:
        """Return the size of a patch without its border."""
        return Extent2I(*self._patch)

    patch_inner_dimensions = property(getPatchInnerDimensions, doc="Size of a patch without its border.")

    def getPatchBorder(self) -> int:
        """Return the width of the border of a patch, in pixels."""
        return self._border

    patch_border = property(getPatchBorder, doc="Width of the border of a patch, in pixels.")

    def getSequentialPatchIndex(self, patchInfo: PatchInfo) -> int:
        """Return the number of a patch, counted along rows."""
        return patchInfo.getSequentialIndex()

    def getPatchInfo(self, index: Any) -> PatchInfo:
        """Return a patch, given its number or its column and row.

        Raises
        ------
        evensky.errors.OutOfRangeError
            If the tract has no such patch.
        """
        nx, ny = self._number
        if isinstance(index, tuple | list):
            x, y = _pair(index, "A patch", -(2**31))
        else:
            y, x = divmod(whole_number(index, "A patch"), nx)
        if not (0 <= x < nx and 0 <= y < ny):
            raise OutOfRangeError(
                f"There is no patch {shown(index)} in tract {self.getId()}: it has {nx} x {ny} patches, "
                f"0 to {nx * ny - 1}"
            )
        return PatchInfo(self, Index2D(x, y))

    __getitem__ = getPatchInfo

    def __len__(self) -> int:
        return self._number.x * self._number.y

    def __iter__(self) -> Iterator[PatchInfo]:
        return (self.getPatchInfo(index) for index in range(len(self)))

    def to_dict(self) -> dict[str, Any]:
        """Return the parameters of the constructor as plain values, for YAML or JSON."""
        return {
            "patch": list(self._patch),
            "number": list(self._number),
            "border": self._border,
            "tract": self._tract,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TractInfo:
        """Make a tract from what `to_dict` returned.

        Raises
        ------
        evensky.errors.InvalidParameterError
            If a value is missing or unknown.
        """
        if not isinstance(values, Mapping):
            raise InvalidParameterError(f"A tract is {shown(values)}; it must be a mapping with 'patch' and 'number'")
        known = {"patch", "number", "border", "tract"}
        if set(values) - known or not {"patch", "number"} <= set(values):
            raise InvalidParameterError(
                f"A tract has the values {', '.join(map(str, values)) or 'none'}; patch and number are needed, "
                "border and tract are allowed"
            )
        return cls(**values)

    def __eq__(self, other: object) -> bool:
        return self.to_dict() == other.to_dict() if isinstance(other, TractInfo) else NotImplemented

    def __hash__(self) -> int:
        return hash((self._patch, self._number, self._border, self._tract))

    def __repr__(self) -> str:
        return (
            f"TractInfo(patch={tuple(self._patch)}, number={tuple(self._number)}, border={self._border}, "
            f"tract={self._tract})"
        )


def _number_of(key: Any) -> int:
    """Return the number of a tract that is a key of a dictionary, where it may be a string."""
    try:
        return int(key)
    except (TypeError, ValueError):
        raise InvalidParameterError(f"The number of a tract is {shown(key)}; a whole number is needed") from None


class SkyMap:
    """Tracts by their numbers.

    Parameters
    ----------
    tracts : mapping of int to TractInfo
        Tracts by their numbers. A tract without a number of its own gets that of its place.

    Raises
    ------
    evensky.errors.InvalidParameterError
        For what is not a mapping of tracts, and for a tract under another number than its own.

    Notes
    -----
    A tract knows its pixels but not where they are on the sky, which is all that backgrounds need. Wherever a sky map
    is asked for, one of ``lsst.skymap`` may be given instead.

    Examples
    --------
    >>> sky_map = SkyMap({9813: TractInfo((4000, 4000), (10, 10), border=100, tract=9813)})
    >>> sky_map[9813].getBBox().getWidth()
    40000
    """

    def __init__(self, tracts: Mapping[int, TractInfo]) -> None:
        if not isinstance(tracts, Mapping):
            raise InvalidParameterError(
                f"The tracts are {shown(tracts)}, a {type(tracts).__name__}; a mapping of numbers to TractInfo is "
                "needed, as SkyMap({0: TractInfo(...)})"
            )
        self._tracts: dict[int, TractInfo] = {}
        for key, tract in tracts.items():
            number = whole_number(key, "A tract")
            if not isinstance(tract, TractInfo):
                raise InvalidParameterError(f"Tract {number} is a {type(tract).__name__}; it must be a TractInfo")
            self._tracts[number] = tract.numbered(number)

    def __getitem__(self, tract: int) -> TractInfo:
        try:
            return self._tracts[tract]
        except (KeyError, TypeError):  # a TypeError for what cannot be a key
            known = ", ".join(map(str, self._tracts)) or "none"
            raise NotFoundError(f"There is no tract {shown(tract)}; the sky map has {known}") from None

    def generateTract(self, index: int) -> TractInfo:
        """Return a tract."""
        return self[index]

    def __iter__(self) -> Iterator[TractInfo]:
        return iter(self._tracts.values())

    def __len__(self) -> int:
        return len(self._tracts)

    def __contains__(self, tract: object) -> bool:
        return tract in self._tracts

    def to_dict(self) -> dict[str, Any]:
        """Return the tracts as plain values, for YAML or JSON."""
        return {"tracts": {str(number): tract.to_dict() for number, tract in self._tracts.items()}}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SkyMap:
        """Make a sky map from what `to_dict` returned.

        Raises
        ------
        evensky.errors.InvalidParameterError
            If the values are not those of a sky map.
        """
        if not isinstance(values, Mapping) or set(values) != {"tracts"} or not isinstance(values["tracts"], Mapping):
            raise InvalidParameterError(f"A sky map is {shown(values)}; it must be a mapping with 'tracts'")
        return cls({_number_of(key): TractInfo.from_dict(tract) for key, tract in values["tracts"].items()})

    def __eq__(self, other: object) -> bool:
        return self._tracts == other._tracts if isinstance(other, SkyMap) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"SkyMap({self._tracts!r})"
