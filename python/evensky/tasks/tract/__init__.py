"""Background matching over whole tracts, with the names of LSST's tasks of 2025 and later."""

from __future__ import annotations

from .sky_map import Index2D, PatchInfo, SkyMap, TractInfo

__all__ = ["Index2D", "PatchInfo", "SkyMap", "TractInfo"]
