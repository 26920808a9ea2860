"""Properties of statistics, one name for each.

All names come from the core's table of statistics (``cpp/include/evensky/properties.hpp``). Type checkers read them in
``_properties.pyi``, which ``python python/bindings/write_properties_stub.py`` writes.
"""

from __future__ import annotations

from ._core import Property

globals().update(Property.__members__)

__all__ = ["Property", *Property.__members__]
