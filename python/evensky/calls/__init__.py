"""Functions of `evensky` that measure statistics, model backgrounds and match exposures in one call each.

They use the same core as `evensky.math` and `evensky.tasks`, with the conventions of numpy and astropy: keywords
instead of control objects, and results of the same type as the data.
"""

from __future__ import annotations

from .background import BackgroundEstimate, BinStatistics, estimate_background
from .match import MatchAllResult, MatchResult, match, match_all, match_files
from .statistics import ClippedStats, clipped_stats

__all__ = [
    "BackgroundEstimate",
    "BinStatistics",
    "ClippedStats",
    "MatchAllResult",
    "MatchResult",
    "clipped_stats",
    "estimate_background",
    "match",
    "match_all",
    "match_files",
]
