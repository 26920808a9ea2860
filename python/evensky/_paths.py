"""Where the C++ library that came with this package is."""

from __future__ import annotations

__all__ = ["get_cmake_dir", "get_include"]

from pathlib import Path

from . import _core
from .errors import NotFoundError

# Beside the extension: in an editable install the Python files are elsewhere.
_INSTALLED = Path(_core.__file__).parent


def _existing(folder: Path, holds: str) -> str:
    if not (folder / holds).is_file():
        raise NotFoundError(
            f"There is no {folder / holds}: this evensky was not installed by pip from a wheel or source"
        )
    return str(folder)


def get_include() -> str:
    """Folder of the C++ headers, for a compiler's ``-I``.

    Returns
    -------
    str
        ``#include "evensky/statistics.hpp"`` is found from there.

    Raises
    ------
    evensky.errors.NotFoundError
        Where the package was not installed but is used from a checkout.
    """
    return _existing(_INSTALLED / "include", "evensky/evensky.hpp")


def get_cmake_dir() -> str:
    """Folder of the CMake package, for ``-Devensky_DIR=`` or ``CMAKE_PREFIX_PATH``.

    Returns
    -------
    str
        ``find_package(evensky)`` finds the library of this installation there.

    Raises
    ------
    evensky.errors.NotFoundError
        Where the package was not installed but is used from a checkout.
    """
    return _existing(_INSTALLED / "lib" / "cmake" / "evensky", "evenskyConfig.cmake")
