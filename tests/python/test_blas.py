"""Threads of BLAS."""

from __future__ import annotations

import threadpoolctl

from evensky._blas import one_blas_thread


def threads() -> list[int]:
    return [one["num_threads"] for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas"]


def test_one_thread_until_the_block_ends() -> None:
    with one_blas_thread():
        assert set(threads()) == {1}
        with threadpoolctl.threadpool_limits(2, user_api="blas"):
            before = threads()
            try:
                with one_blas_thread():
                    assert set(threads()) == {1}
                    raise ZeroDivisionError
            except ZeroDivisionError:
                assert threads() == before
