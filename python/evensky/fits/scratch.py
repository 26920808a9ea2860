"""Pixels that are kept on disk instead of in memory, for images that are larger than it."""

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
    """Gives arrays: in memory, or as files of a folder that the system reads and writes as they are used.

    The files have no names: what they take on disk is free again when the arrays are gone, or the process is.

    Parameters
    ----------
    folder : str or Path, optional
        Where the files are made; without it arrays are in memory.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = None if folder is None else Path(folder)

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """An array of zeros.

        Raises
        ------
        evensky.errors.FitsError
            Where the folder cannot be used, or its disk has no room.
        """
        if self.folder is None or 0 in shape:
            return np.zeros(shape, dtype)
        size = math.prod(shape) * np.dtype(dtype).itemsize
        try:
            with tempfile.TemporaryFile(prefix="evensky", dir=self.folder) as file:
                # Now, not when a page is written to: then it would be a bus error.
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, size)
                else:
                    file.truncate(size)
                return np.memmap(file, dtype=dtype, mode="r+", shape=shape)
        except OSError as error:
            raise FitsError(
                f"{self.folder}: cannot be used as scratch space for {size} bytes: {error.strerror or error}"
            ) from error
