"""Robust image statistics, background models and background matching for astronomical images."""

from __future__ import annotations

__all__ = ["__version__", "get_cmake_dir", "get_include", "get_num_threads", "set_num_threads", "simd_level"]

from ._core import __version__, get_num_threads, set_num_threads, simd_level
from ._paths import get_cmake_dir, get_include
