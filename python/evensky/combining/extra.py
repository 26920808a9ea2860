"""The package that resamples, which is an extra."""

from __future__ import annotations

__all__ = ["imported"]

import importlib
from typing import Any

from ..errors import InvalidParameterError


def imported(module: str = "reproject") -> Any:
    """Import a module of the package ``reproject``.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If it is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InvalidParameterError(
            f"exposures that are not on one pixel grid are resampled by the package reproject, which cannot be "
            f"imported ({error}): pip install 'evensky[reproject]'"
        ) from error
