"""Pixels on disk instead of in memory, for images that are larger than memory."""

from __future__ import annotations

__all__ = ["Scratch"]

import math
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FitsError


class Scratch:
    """A source of arrays: in memory, or in files of a folder that are mapped into memory.

    The files have no names: their space on disk is freed when the arrays are deleted or the process ends.

    Parameters
    ----------
    folder : str or Path, optional
        Folder of the files; by default arrays are in memory.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = None if folder is None else Path(folder)

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Make an array of zeros.

        Raises
        ------
        evensky.errors.FitsError
            If the folder cannot be used, or the disk has not enough space.
        """
        if self.folder is None or 0 in shape:
            return np.zeros(shape, dtype)
        size = math.prod(shape) * np.dtype(dtype).itemsize
        try:
            with tempfile.TemporaryFile(prefix="evensky", dir=self.folder) as file:
                # Allocated now: if a full disk were noticed when a page is written to, it would be a bus error.
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, size)
                else:
                    file.truncate(size)
                return np.memmap(file, dtype=dtype, mode="r+", shape=shape)
        except OSError as error:
            raise FitsError(
                f"{self.folder}: cannot be used as scratch space for {size} bytes: {error.strerror or error}"
            ) from error
