from ._core import __version__, get_num_threads, set_num_threads, simd_level
from ._paths import get_cmake_dir, get_include
from .calls.background import estimate_background
from .calls.clipped_stats import clipped_stats
from .calls.combine import combine, combine_files
from .calls.inspect import inspect_files
from .calls.match import match, match_all, match_files
from .calls.report import remake_report
from .calls.sources import mask_sources
from .calls.statistics import image_statistics
from .calls.tract import match_tract
from .matching.joint.terms import amplifier, detector, gain, template

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
