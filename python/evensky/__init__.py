"""Robust image statistics, background models and background matching for astronomical images."""

from __future__ import annotations

__all__ = [
    "__version__",
    "clipped_stats",
    "estimate_background",
    "get_cmake_dir",
    "get_include",
    "get_num_threads",
    "match",
    "match_all",
    "set_num_threads",
    "simd_level",
]

from typing import TYPE_CHECKING, Any

from ._core import __version__, get_num_threads, set_num_threads, simd_level
from ._paths import get_cmake_dir, get_include

if TYPE_CHECKING:
    from .arrays import clipped_stats, estimate_background
    from .matches import match, match_all

_ARRAYS = ("clipped_stats", "estimate_background")
_MATCHES = ("match", "match_all")


def __getattr__(name: str) -> Any:
    # What needs numpy is imported when it is first asked for.
    if name in _ARRAYS:
        from . import arrays

        return getattr(arrays, name)
    if name in _MATCHES:
        from . import matches

        return getattr(matches, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ARRAYS, *_MATCHES})
