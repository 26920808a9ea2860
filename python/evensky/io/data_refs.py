"""References to exposures in files, in memory or in a Butler, which are loaded on demand."""

from __future__ import annotations

__all__ = [
    "DataRefMatcher",
    "ExposureDataRef",
    "FileDataRef",
    "as_data_ref",
    "data_id_keys",
    "file_data_refs",
    "id_dict",
]

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .._checks import shown
from ..errors import InvalidParameterError, NotFoundError
from ..image import Exposure, MaskedImage
from ..image.foreign import is_lsst_images
from ..image.like import exposure_of
from .exposures import read_exposure


def id_dict(data_id: Any) -> dict[str, Any]:
    """Convert a data ID, which is a mapping or data coordinates of a Butler, to a dictionary."""
    mapping = getattr(data_id, "mapping", data_id)
    return dict(mapping)


class FileDataRef:
    """Reference to an exposure in a FITS file.

    Parameters
    ----------
    path : str or Path
        Path of the file.
    dataId : mapping, optional
        Identifier of the exposure; ``{"file": name}`` if omitted.
    **options
        Options of `evensky.io.read_exposure`, such as ``mask``, ``variance``, ``hdu`` and ``dtype``.
    """

    def __init__(self, path: str | Path, dataId: Mapping[str, Any] | None = None, **options: Any) -> None:
        self.path = Path(path)
        self.dataId = {"file": self.path.name} if dataId is None else dict(dataId)
        self._options = options

    def get(self, datasetType: str | None = None, immediate: bool = True, **_: Any) -> Exposure:
        """Read the file; `datasetType` and `immediate` are accepted for compatibility with a Butler, and ignored."""
        exposure = read_exposure(self.path, **self._options)
        exposure.dataId = self.dataId
        return exposure

    def datasetExists(self, datasetType: str | None = None) -> bool:
        """Return whether the file exists."""
        return self.path.exists()

    def __repr__(self) -> str:
        return f"FileDataRef({str(self.path)!r}, dataId={self.dataId})"


class ExposureDataRef:
    """Reference to an exposure in memory.

    Parameters
    ----------
    exposure : Exposure or MaskedImage
    dataId : mapping, optional
        Identifier of the exposure; its own ``dataId`` if omitted.
    copy : bool, optional
        Whether `get` returns a copy, which protects the exposure from changes, or the exposure itself.
    """

    def __init__(
        self, exposure: Exposure | MaskedImage, dataId: Mapping[str, Any] | None = None, *, copy: bool = True
    ) -> None:
        self.exposure = Exposure(exposure) if isinstance(exposure, MaskedImage) else exposure
        self.dataId = dict(self.exposure.dataId if dataId is None else dataId)
        self._copy = copy

    def get(self, datasetType: str | None = None, immediate: bool = True, **_: Any) -> Exposure:
        """Return the exposure, or a copy of it; the arguments are ignored."""
        return self.exposure.clone() if self._copy else self.exposure

    def datasetExists(self, datasetType: str | None = None) -> bool:
        """Return True: the exposure is in memory."""
        return True

    def __repr__(self) -> str:
        return f"ExposureDataRef({self.exposure!r}, dataId={self.dataId})"


class _HandleDataRef:
    """Adapter for a handle of the present Butler, whose ``get`` takes neither a dataset type nor ``immediate``."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.dataId = id_dict(handle.dataId)

    def get(self, datasetType: str | None = None, immediate: bool = True, **parameters: Any) -> Any:
        return self.handle.get(**parameters)

    def datasetExists(self, datasetType: str | None = None) -> bool:
        return True

    def __repr__(self) -> str:
        return f"{self.handle!r}"


def as_data_ref(obj: Any, index: int = 0) -> Any:
    """Return an object with ``get(datasetType, immediate=True)`` and ``dataId`` that refers to an exposure.

    Parameters
    ----------
    obj : str, Path, Exposure, MaskedImage, masked image of ``lsst.images``, or data reference
        A file, an exposure in memory, a data reference of the old Butler (with ``butlerSubset``), a deferred handle of
        the present Butler, or any object with ``get()`` and ``dataId``.
    index : int, optional
        Identifier of an exposure that has no data ID.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If `obj` is of another type.
    """
    if isinstance(obj, str | Path):
        return FileDataRef(obj)
    if is_lsst_images(obj):
        return ExposureDataRef(exposure_of(obj, str(index)), {"index": index})
    if isinstance(obj, Exposure | MaskedImage):
        data_id = getattr(obj, "dataId", None) or {"index": index}
        return ExposureDataRef(obj, data_id)
    if isinstance(obj, FileDataRef | ExposureDataRef | _HandleDataRef) or hasattr(obj, "butlerSubset"):
        return obj
    if hasattr(obj, "get") and hasattr(obj, "dataId"):
        # Handles of the present Butler refer to a dataset (``ref``) or hold the object itself (``inMemoryDataset``).
        return _HandleDataRef(obj) if hasattr(obj, "ref") or hasattr(obj, "inMemoryDataset") else obj
    raise InvalidParameterError(
        f"{obj!r} is a {type(obj).__name__}; a file name, an exposure, or a reference with get() and dataId is needed"
    )


def data_id_keys(data_ref: Any, datasetType: str | None = None, butler: Any = None) -> list[str]:
    """Return the keys of the data ID that identify an exposure according to the Butler; without one, all keys."""
    if butler is None:
        butler = getattr(getattr(data_ref, "butlerSubset", None), "butler", None)
    if butler is not None:
        return list(butler.getKeys(datasetType))
    dimensions = getattr(
        getattr(getattr(getattr(data_ref, "handle", None), "ref", None), "datasetType", None), "dimensions", None
    )
    if dimensions is not None:
        return list(dimensions.required)
    return list(id_dict(data_ref.dataId))


def file_data_refs(source: str | Path | Iterable[str | Path], **options: Any) -> list[FileDataRef]:
    """Return references to the FITS files of a folder, sorted by name, or to the files of a list.

    Raises
    ------
    evensky.errors.NotFoundError
        If the folder has no FITS file.
    """
    if isinstance(source, str | Path):
        folder = Path(source)
        suffixes = (".fits", ".fit", ".fts", ".fits.gz", ".fits.fz", ".fz")
        paths = sorted(path for path in folder.glob("*") if path.name.lower().endswith(suffixes))
        if not paths:
            raise NotFoundError(f"{folder}: there is no FITS file in it; names must end in {', '.join(suffixes)}")
    else:
        paths = [Path(path) for path in source]
    return [FileDataRef(path, **options) for path in paths]


class DataRefMatcher:
    """Comparison of data references by the keys that identify the data.

    Parameters
    ----------
    butler : object with ``getKeys(datasetType)``, or None
        Butler that names the keys of a data ID to compare; None to compare all keys.
    datasetType : str
    """

    def __init__(self, butler: Any, datasetType: str) -> None:
        if butler is not None and not hasattr(butler, "getKeys"):
            raise InvalidParameterError(
                f"butler is {shown(butler)}, a {type(butler).__name__}; something with getKeys(), or None, is needed"
            )
        self._keys = None if butler is None else tuple(butler.getKeys(datasetType))
        self._datasetType = datasetType

    @property
    def datasetType(self) -> str:
        """The dataset type."""
        return self._datasetType

    def _key(self, ref: Any) -> tuple[Any, ...]:
        data_id = ref.dataId
        keys = data_id_keys(ref, self._datasetType) if self._keys is None else self._keys
        values = id_dict(data_id)
        return tuple((key, values.get(key)) for key in keys)

    def isMatch(self, ref0: Any, ref1: Any) -> bool:
        """Return whether both references stand for the same data."""
        return self._key(ref0) == self._key(ref1)

    def matchList(self, ref0: Any, refList: Sequence[Any]) -> list[int]:
        """Return the indices in `refList` of the references that stand for the same data as `ref0`."""
        key = self._key(ref0)
        return [index for index, ref in enumerate(refList) if self._key(ref) == key]
