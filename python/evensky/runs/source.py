"""Sources of exposures: objects that read the exposures of a run, and take the results."""

from __future__ import annotations

__all__ = ["Frame", "Item", "MemorySource", "Source"]

import os
import uuid
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .._checks import shown, whole_number
from .._text import visible
from ..errors import EvenskyError, InvalidParameterError, OutOfRangeError
from ..fits.companions import split_extension
from ..fits.descriptions import AffineMap, FileDescription, ImageDescription, Section, Selection
from ..fits.sections import amplifier_sections
from ..geom import Point2I
from ..image import Exposure
from ..image.bad_bits import bad_bits
from ..image.foreign import as_planes, own_variance
from ..image.like import data_like, exposure_of, replace_planes
from ..io import read_exposure
from ..io.file_names import refuse_twice, unique_labels
from ..io.formats import bad_bits_of, describe
from ..matching.joint.grid import PixelBox
from ..matching.joint.pixel_map import PixelMap
from ..matching.placement import GridMember
from ..matching.units import unit_of
from .record import ExposureRecord


@dataclass(frozen=True)
class Item:
    """An exposure of a run, before it is read.

    Attributes
    ----------
    index : int
        Number of the exposure.
    label : str
        Name of the exposure in the run.
    path : Path or None
        File from which the exposure is read; None for an exposure in memory.
    output : Path or None
        File to which the result is written; exposures of one file have the same.
    image : ImageDescription or None
        Where the file has the image and its planes; None if that is found out when it is read.
    origin : (x0, y0) or None
        Position on the common pixel grid; None for the origin that the exposure has itself.
    slot : str
        Identifies the same chip of other files; "" if files have one image.
    to_plane : AffineMap or None
        Map from the array pixels of a chip to the focal plane of its file; None if it is unknown.
    map : PixelMap or None
        Map between the sky plane, on which exposures are compared, and the pixels of the exposure; None if all
        exposures are on one pixel grid.
    outline : tuple of (x, y)
        Corners of the exposure on the sky, in degrees from the centre of the field, east and north positive; empty if
        all exposures are on one pixel grid.
    plane : str
        Header of the WCS of the sky plane; "" if all exposures are on one pixel grid.
    """

    index: int
    label: str
    path: Path | None = None
    output: Path | None = None
    image: ImageDescription | None = None
    origin: tuple[int, int] | None = None
    slot: str = ""
    to_plane: AffineMap | None = None
    map: PixelMap | None = None
    outline: tuple[tuple[float, float], ...] = ()
    plane: str = ""

    @property
    def place(self) -> str:
        """The path as text for records; "" for an exposure in memory."""
        return "" if self.path is None else visible(str(self.path))


@dataclass
class Frame:
    """An exposure that was read.

    Attributes
    ----------
    exposure : Exposure
    bad : int
        Bits of its mask that reject a pixel.
    data : object
        Object from which the exposure was made.
    shared : bool
        Whether planes of the exposure are shared with `data`.
    beyond_float32 : bool
        Whether `data` have an uncertainty that the variance plane does not hold.
    """

    exposure: Exposure
    bad: int
    data: Any = None
    shared: bool = False
    beyond_float32: bool = False


class Source(ABC):
    """Source of the exposures of a run, which also takes the results; small, as it may be sent to other processes.

    Parameters
    ----------
    bad_planes : sequence of str
        Names of the mask planes whose pixels do not count.

    Attributes
    ----------
    run : str
        Identifier that tells the exposures of one run from those of another.
    """

    def __init__(self, bad_planes: Sequence[str]) -> None:
        self.bad_planes = list(bad_planes)
        self.run = uuid.uuid4().hex

    @abstractmethod
    def read(self, item: Item, *, to_change: bool = True) -> Frame:
        """Read an exposure.

        Parameters
        ----------
        item : Item
        to_change : bool, optional
            False if the exposure is only looked at, so that pixels in memory need not be copied.
        """

    def read_without_variances(self, item: Item, *, to_change: bool = True) -> Frame:
        """Read an exposure whose variances are not needed, which may then be unknown, see `read`.

        Pixels without a positive finite variance are marked in the mask, as always.
        """
        return self.read(item, to_change=to_change)

    def read_to_look(self, item: Item) -> Frame:
        """Read an exposure of which only the good pixels are needed; pixels that do not count may be NaN.

        It is not changed, and need have neither variances nor the header of a file.
        """
        return self.read_without_variances(item, to_change=False)

    def box_of(self, item: Item) -> PixelBox | None:
        """Return the box of an exposure on the common grid before it is read; None if it cannot be used."""
        if item.map is not None:
            return item.map.footprint
        if item.image is None:
            return None
        x0, y0 = item.origin or item.image.origin or (0, 0)
        height, width = item.image.shape
        return x0, y0, width, height

    @abstractmethod
    def finish(self, item: Item, frame: Frame, record: ExposureRecord, result: Result) -> Any:
        """Take the result of an exposure; return what `write` needs of it."""

    def write(  # noqa: B027 - exposures in memory need not be written
        self, items: Sequence[Item], records: Sequence[ExposureRecord], parts: Sequence[Any]
    ) -> None:
        """Write the finished exposures of one file.

        Parameters
        ----------
        items : sequence of Item
        records : sequence of ExposureRecord
            Their records, which receive the name and the size of the file.
        parts : sequence
            What `finish` returned for them.
        """

    def read_output(self, item: Item) -> Frame | None:
        """Read the result that an earlier run has written; return None if that is impossible."""
        return None

    def bad_pixels(self, item: Item) -> str:
        """Describe which pixels of an exposure do not count; "" if the configuration says it."""
        return ""

    def amplifiers(self, item: Item, shape: tuple[int, int]) -> tuple[Section, ...]:
        """Return the sections of the amplifiers that the header of an exposure gives; empty if it gives none."""
        return () if item.image is None else item.image.amplifiers

    def bits(self, exposure: Exposure) -> int:
        """Return the bits of an exposure's mask that reject a pixel."""
        return bad_bits(exposure.mask, self.bad_planes, defaults_may_lack=True)


@dataclass
class Result:
    """The result of an exposure apart from its pixels.

    Attributes
    ----------
    model : object
        The model that was added; None for the reference.
    variance_changed : bool
        Whether the variance plane was changed.
    history : list of str
        Lines for the header.
    cards : dict
        Cards for the header: keyword to value and comment.
    variance_added : bool
        Whether the variance of the model was added to the variance plane.
    gain : float
        Throughput by which the exposure was divided.
    """

    model: Any
    variance_changed: bool
    history: list[str]
    cards: dict[str, tuple[Any, str]]
    variance_added: bool = False
    gain: float = 1.0


class MemorySource(Source):
    """Exposures in memory: arrays and other objects that hold the pixels of an image, or names of files to read.

    Parameters
    ----------
    exposures : sequence of image-like
        They are not changed.
    bad_planes : sequence of str
    masks, variances, weights : sequence of array-like or None, optional
        One for each exposure, None for those without; see `evensky.image.foreign.add_planes`. They take the place of
        the planes of a file; data in memory that have such planes of their own are refused.

    Attributes
    ----------
    items : list of Item
    matched : list
        The matched exposures, of the same types as the inputs; None for an exposure that failed.
    models : list
        The models that were added; None for the reference and for an exposure that failed.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If there are no exposures, a file is given twice, or the number of masks, variances or weights is another.
    """

    def __init__(
        self,
        exposures: Sequence[Any],
        bad_planes: Sequence[str],
        *,
        masks: Sequence[Any] | None = None,
        variances: Sequence[Any] | None = None,
        weights: Sequence[Any] | None = None,
    ) -> None:
        super().__init__(bad_planes)
        if not exposures:
            raise InvalidParameterError("There are 0 exposures; at least 1 is needed")
        paths = [Path(one) if isinstance(one, str | Path) else None for one in exposures]
        refuse_twice([path for path in paths if path is not None])
        labels = unique_labels([path or Path(f"exposure {index}") for index, path in enumerate(paths)])
        self.exposures = exposures
        given = {"mask": masks, "variance": variances, "weights": weights}
        self._beside = {name: _one_each(name, planes, len(exposures)) for name, planes in given.items()}
        self.items = [Item(index, label, path) for index, (label, path) in enumerate(zip(labels, paths, strict=True))]
        self.matched: list[Any] = [None] * len(exposures)
        self.models: list[Any] = [None] * len(exposures)
        self._bits: dict[int, int] = {}
        self._descriptions: dict[int, FileDescription] = {}

    def number_of(self, reference: int | str | Path, parameter: str = "reference") -> int:
        """Return the number of the reference, or of an exposure that another parameter names.

        Parameters
        ----------
        reference : int, str or Path
            Number (from the end if negative), file or label.
        parameter : str, optional
            Name of the parameter for messages.

        Raises
        ------
        evensky.errors.OutOfRangeError
            If it is not one of the exposures.
        """
        if isinstance(reference, str | Path):
            place = os.path.abspath(reference)
            names = [
                item.index
                for item in self.items
                if str(reference) == item.label or (item.path and os.path.abspath(item.path) == place)
            ]
            if len(names) != 1:  # a label may be a path, too
                labels = ", ".join(item.label for item in self.items[:9])
                raise OutOfRangeError(
                    f"{parameter} is {shown(str(reference))}; the exposures are {labels}"
                    + (" and more" if len(self.items) > 9 else "")
                )
            return names[0]
        reference = whole_number(reference, parameter)
        number = len(self.items)
        if not -number <= reference < number:
            raise OutOfRangeError(f"{parameter} = {reference}; there are {number} exposures, counted from 0")
        return reference % number

    def members(self) -> list[GridMember | None]:
        """Return the geometry of the exposures; None for one that cannot be used, as its record will say.

        A file counts with its first image, which is the one that is read.
        """
        return [self._member(item) for item in self.items]

    def _member(self, item: Item) -> GridMember | None:
        data = self.exposures[item.index]
        try:
            if item.path is not None:
                file = self._described(item.index, item.path)
                image = file.images[0]
                return GridMember(item.label, image.shape, image.origin, file.wcs[0])
            planes = as_planes(data)
        except EvenskyError:
            return None
        # Objects with a bounding box say where they are, even if that is (0, 0).
        origin = (planes.x0, planes.y0) if hasattr(data, "getXY0") or hasattr(data, "bbox") else None
        height, width = planes.image.shape
        return GridMember(item.label, (height, width), origin, planes.wcs)

    def _described(self, index: int, path: Path) -> FileDescription:
        """Return the description of a file, which is made once."""
        if index not in self._descriptions:
            path, hdu = split_extension(path)
            self._descriptions[index] = describe(path, Selection(hdu=hdu))
        return self._descriptions[index]

    def kind_of(self, item: Item) -> tuple[str, str]:
        """Return the unit and the instrument of an exposure before it is read; "" for what is unknown."""
        data = self.exposures[item.index]
        try:
            if item.path is not None:
                image = self._described(item.index, item.path).images[0]
                return image.unit, image.instrument
            exposure = exposure_of(data, item.label, copy=False)
            headers = [exposure.metadata, *(getattr(data, name, None) for name in ("header", "meta"))]
            named = [str(one.get("INSTRUME") or "") for one in headers if hasattr(one, "get")]
            return unit_of(exposure), next(filter(None, named), "")
        except EvenskyError:  # the record of the exposure will say why it cannot be used
            return "", ""

    def box_of(self, item: Item) -> PixelBox | None:
        """Return the box of an exposure on the common grid before it is read; None if it cannot be used."""
        if item.map is not None:
            return item.map.footprint
        member = self._member(item)
        if member is None:
            return None
        x0, y0 = item.origin or member.origin or (0, 0)
        return x0, y0, member.shape[1], member.shape[0]

    def amplifiers(self, item: Item, shape: tuple[int, int]) -> tuple[Section, ...]:
        """Return the sections of the amplifiers that the header of a file or an object gives."""
        if item.path is not None:
            return self._described(item.index, item.path).images[0].amplifiers
        data = self.exposures[item.index]
        headers = [getattr(data, name, None) for name in ("header", "meta", "metadata")]
        return amplifier_sections([one for one in headers if hasattr(one, "get") and hasattr(one, "keys")], shape)

    def read(self, item: Item, *, to_change: bool = True) -> Frame:
        """Read an exposure, or make it from an object in memory; its image is a copy if it will be changed."""
        data = self.exposures[item.index]
        beside = {name: planes[item.index] for name, planes in self._beside.items()}
        if item.path is not None:
            exposure = read_exposure(item.path)
            exposure.dataId = {"exposure": item.label}
            replace_planes(exposure, **beside)
            if item.origin is not None:
                exposure.setXY0(Point2I(*item.origin))
            return Frame(exposure, self._all_bits(exposure), exposure)
        exposure = exposure_of(data, item.label, copy=to_change, **beside)
        if item.origin is not None:
            exposure.setXY0(Point2I(*item.origin))
        if item.index not in self._bits:
            self._bits[item.index] = self._all_bits(exposure)
        beyond = not exposure.info.has_variance and getattr(data, "uncertainty", None) is not None
        return Frame(exposure, self._bits[item.index], data, shared=True, beyond_float32=beyond)

    def _all_bits(self, exposure: Exposure) -> int:
        """Return the bits that reject a pixel by name, by the layout of a file, or always."""
        return bad_bits_of(exposure) if exposure.info.bad is not None else self.bits(exposure) | exposure.info.reject

    def finish(self, item: Item, frame: Frame, record: ExposureRecord, result: Result) -> None:
        """Keep an exposure, in the type of the input, and its model."""
        self.models[item.index] = result.model
        if item.path is not None:
            self.matched[item.index] = frame.exposure
            return
        variance: np.ndarray | None = None
        if result.variance_changed:
            variance = frame.exposure.variance.array
            if (before := own_variance(frame.data, as_planes(frame.data))) is not None:
                # The plane of the exposure is float32, which does not hold all the digits and values of an uncertainty.
                if result.variance_added:
                    before = before + _variance_of(result.model, variance.shape, wide=frame.beyond_float32)
                variance = before / result.gain**2
        self.matched[item.index] = data_like(frame.data, frame.exposure.image.array, variance=variance)


def _variance_of(model: Any, shape: tuple[int, int], *, wide: bool) -> np.ndarray:
    """Return the variance of a model; in float64, which takes longer, if float32 does not hold it."""
    if not wide:
        narrow = np.empty(shape, np.float32)
        model.fill_variance(narrow)
        return narrow
    x0, y0, width, height = model.box
    x = x0 + np.arange(width, dtype=np.float64)
    return np.array([model.sigma(x, np.full(width, float(y0 + row))) ** 2 for row in range(height)])


def _one_each(name: str, planes: Sequence[Any] | None, number: int) -> Sequence[Any]:
    """Return planes that are given beside the exposures, or None for each if there are none."""
    if planes is None:
        return [None] * number
    names = {"mask": "masks", "variance": "variances"}.get(name, name)
    try:
        length = len(planes)
    except TypeError:
        raise InvalidParameterError(
            f"{names} is a {type(planes).__name__}; a sequence with one for each exposure is needed"
        ) from None
    if length != number:
        raise InvalidParameterError(
            f"There are {length} {names} for {number} exposures; give one for each exposure, None for those without"
        )
    return planes
