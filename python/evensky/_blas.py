"""Threads of the libraries for linear algebra (BLAS) that numpy and scipy call."""

from __future__ import annotations

__all__ = ["one_blas_thread"]

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let BLAS use one thread until the block ends.

    Starting and joining threads takes longer than the product of two small matrices. The limit holds for the whole
    process; if several threads enter and leave such blocks, it may end early, which changes the speed alone.
    """
    with _controller().limit(limits=1, user_api="blas"):
        yield


@lru_cache(maxsize=1)
def _controller() -> Any:
    """Find the libraries, which takes some milliseconds; scipy brings one of its own, so it is imported before."""
    import scipy.linalg  # noqa: F401 - for its library
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
