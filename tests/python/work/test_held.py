"""Exposures that a process keeps between jobs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from evensky.image import ExposureF


class Loads:
    """Loader of exposures, which lists those that were read."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __call__(self, name: str) -> Callable[[], ExposureF]:
        def load() -> ExposureF:
            self.read.append(name)
            return ExposureF(2, 2)

        return load


def test_the_reference_of_a_run_is_read_once() -> None:
    loads = Loads()
    with ThreadPoolExecutor(4) as pool:
        held = list(pool.map(lambda _: SHARED.get("held-1", loads("a")), range(20)))
    assert loads.read == ["a"]
    assert all(one is held[0] for one in held)
    # The reference of another run replaces it.
    SHARED.get("held-2", loads("b"))
    SHARED.get("held-1", loads("a"))
    assert loads.read == ["a", "b", "a"]


def test_an_adopted_reference_is_not_read_until_the_run_has_ended() -> None:
    loads, mine = Loads(), ExposureF(2, 2)
    with SHARED.adopted("held-3", mine):
        assert SHARED.get("held-3", loads("a")) is mine
    assert loads.read == []
    assert SHARED.get("held-3", loads("a")) is not mine
    assert loads.read == ["a"]


def test_the_last_few_exposures_of_pairs_are_held() -> None:
    loads = Loads()

    def get(label: str, run: str = "held-4") -> ExposureF:
        return RECENT.get(run, label, loads(label), most=2)

    first = get("a")
    get("b")
    assert get("a") is first  # it is now the most recently used
    get("c")
    assert get("a") is first
    get("b")
    assert loads.read == ["a", "b", "c", "b"]
    RECENT.forget("held-4")
    assert get("a") is not first
    # Exposures of other runs are dropped.
    get("x", run="held-5")
    get("a")
    assert loads.read == ["a", "b", "c", "b", "a", "x", "a"]
    RECENT.forget("held-4")
