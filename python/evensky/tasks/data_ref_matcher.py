"""Comparison of data references."""

from __future__ import annotations

__all__ = ["DataRefMatcher"]

from collections.abc import Sequence
from typing import Any

from .._checks import shown
from ..errors import InvalidParameterError
from ..io.data_refs import data_id_keys, id_dict


class DataRefMatcher:
    """Tells whether data references stand for the same data.

    Parameters
    ----------
    butler : object with ``getKeys(datasetType)``, or None
        Names the keys of a data ID that count; None if all keys count.
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
        """Return whether both stand for the same data."""
        return self._key(ref0) == self._key(ref1)

    def matchList(self, ref0: Any, refList: Sequence[Any]) -> list[int]:
        """Return the indices in `refList` of the references that stand for the same data as `ref0`."""
        key = self._key(ref0)
        return [index for index, ref in enumerate(refList) if self._key(ref) == key]
