"""Locations of the C++ library that is installed with this package."""

from __future__ import annotations

__all__ = ["get_cmake_dir", "get_include"]

from pathlib import Path

from ._core import __file__ as _extension
from .errors import NotFoundError

# The folder of the extension, as in an editable install the Python files are elsewhere.
_INSTALLED = Path(_extension).parent


def _existing(folder: Path, holds: str) -> str:
    if not (folder / holds).is_file():
        raise NotFoundError(
            f"There is no {folder / holds}: this evensky was not installed by pip from a wheel or source"
        )
    return str(folder)


def get_include() -> str:
    """Return the folder of the C++ headers, for a compiler's ``-I``.

    Returns
    -------
    str
        Folder in which ``#include "evensky/statistics.hpp"`` is found.

    Raises
    ------
    evensky.errors.NotFoundError
        If the package is not installed but used from a checkout.
    """
    return _existing(_INSTALLED / "include", "evensky/evensky.hpp")


def get_cmake_dir() -> str:
    """Return the folder of the CMake package, for ``-Devensky_DIR=`` or ``CMAKE_PREFIX_PATH``.

    Returns
    -------
    str
        Folder in which ``find_package(evensky)`` finds the library of this installation.

    Raises
    ------
    evensky.errors.NotFoundError
        If the package is not installed but used from a checkout.
    """
    return _existing(_INSTALLED / "lib" / "cmake" / "evensky", "evenskyConfig.cmake")
