from ._core import __version__, get_num_threads, set_num_threads, simd_level
from ._paths import get_cmake_dir, get_include
from .calls.background import estimate_background
from .calls.inspect import inspect_files
from .calls.match import match, match_all, match_files
from .calls.statistics import clipped_stats

__all__ = [
    "__version__",
    "clipped_stats",
    "estimate_background",
    "get_cmake_dir",
    "get_include",
    "get_num_threads",
    "inspect_files",
    "match",
    "match_all",
    "match_files",
    "set_num_threads",
    "simd_level",
]
