"""Robust image statistics, background models and background matching for astronomical images.

The functions are imported when they are first used; ``__init__.pyi`` says where each one is.
"""

from __future__ import annotations

from . import _command as _command  # first, as the command may be interrupted while the rest is imported

# isort: split
from . import _garbage as _garbage  # second, so that it is in force while the rest is imported

# isort: split
import lazy_loader

from ._core import __version__, get_num_threads, set_num_threads, simd_level
from ._paths import get_cmake_dir, get_include

__getattr__, __dir__, _lazy = lazy_loader.attach_stub(__name__, __file__)

__all__ = [
    "__version__",
    "amplifier",
    "clipped_stats",
    "combine",
    "combine_files",
    "detector",
    "estimate_background",
    "gain",
    "get_cmake_dir",
    "get_include",
    "get_num_threads",
    "image_statistics",
    "inspect_files",
    "mask_sources",
    "match",
    "match_all",
    "match_files",
    "match_tract",
    "remake_report",
    "set_num_threads",
    "simd_level",
    "template",
]
