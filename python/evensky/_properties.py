"""The properties that statistics have, each by its name.

All come from the core's table of statistics (``cpp/include/evensky/properties.hpp``). ``_properties.pyi`` says the same
to type checkers; ``python python/bindings/write_properties_stub.py`` writes it.
"""

from __future__ import annotations

from ._core import Property

globals().update(Property.__members__)

__all__ = ["Property", *Property.__members__]
