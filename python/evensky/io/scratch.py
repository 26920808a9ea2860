"""Arrays that are kept on disk, for images that do not fit into memory."""

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
    """Allocator of arrays, in memory or as memory-mapped files in a folder.

    The files have no names: their disk space is freed when the array is deleted or the process ends.

    Parameters
    ----------
    folder : str or Path, optional
        Folder of the files; if omitted, arrays are in memory.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = None if folder is None else Path(folder)

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Return an array of zeros.

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
                # Reserve the space now: if it ran out when a page is written, the process would get a bus error.
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, size)
                else:
                    file.truncate(size)
                return np.memmap(file, dtype=dtype, mode="r+", shape=shape)
        except OSError as error:
            raise FitsError(
                f"{self.folder}: cannot be used as scratch space for {size} bytes: {error.strerror or error}"
            ) from error
