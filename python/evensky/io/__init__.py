"""Reading and writing of exposures, and references to exposures that are loaded on demand."""

from __future__ import annotations

from ..fits.atomic import atomic_path
from .data_refs import ExposureDataRef, FileDataRef, as_data_ref, file_data_refs, id_dict
from .exposures import read_exposure, write_exposure, write_image

__all__ = [
    "ExposureDataRef",
    "FileDataRef",
    "as_data_ref",
    "atomic_path",
    "file_data_refs",
    "id_dict",
    "read_exposure",
    "write_exposure",
    "write_image",
]
