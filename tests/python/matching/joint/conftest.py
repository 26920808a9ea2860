"""Limits of the solver's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from evensky._blas import one_blas_thread


@pytest.fixture(scope="module", autouse=True)
def _one_blas_thread() -> Iterator[None]:
    """Let BLAS use one thread, as runs do: several take up to six times the processor time."""
    with one_blas_thread():
        yield
