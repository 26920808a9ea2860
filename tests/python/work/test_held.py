"""References and pixels that a process holds for several jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from evensky.image import ExposureF
from evensky.work.held import PIXELS, REFERENCES, HeldPixels


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
        held = list(pool.map(lambda _: REFERENCES.get("held-1", loads("a")), range(20)))
    assert loads.read == ["a"]
    assert all(one is held[0] for one in held)
    # The reference of another run takes its place.
    REFERENCES.get("held-2", loads("b"))
    REFERENCES.get("held-1", loads("a"))
    assert loads.read == ["a", "b", "a"]


def test_an_adopted_reference_is_not_read_until_the_run_has_ended() -> None:
    loads, mine = Loads(), ExposureF(2, 2)
    with REFERENCES.adopted("held-3", {"SCI,1": mine}):
        assert REFERENCES.get("held-3", loads("a"), "SCI,1") is mine
    assert loads.read == []
    assert REFERENCES.get("held-3", loads("a"), "SCI,1") is not mine
    assert loads.read == ["a"]


def test_the_references_of_all_chips_are_held() -> None:
    loads = Loads()
    for _ in range(2):
        for chip in ("SCI,1", "SCI,2"):
            REFERENCES.get("held-4", loads(chip), chip)
    assert loads.read == ["SCI,1", "SCI,2"]


@pytest.fixture
def pixels() -> Iterator[HeldPixels]:
    held = HeldPixels()
    yield held
    held.forget("run")


def held_of(pixels: HeldPixels, numbers: range = range(9), run: str = "run") -> list[int]:
    """Numbers of the exposures that are held, the one that was used longest ago first."""
    assert run == pixels._run
    return [number for number in pixels._held if number in numbers]


def test_pixels_are_found_while_they_are_held(pixels: HeldPixels) -> None:
    assert pixels.find("run", 0) is None
    pixels.hold("run", 0, "a", 10, 25)
    pixels.hold("run", 1, "b", 10, 25)
    assert (pixels.find("run", 0), pixels.find("run", 1)) == ("a", "b")
    pixels.forget("other")
    assert pixels.find("run", 0) == "a"
    pixels.forget("run")
    assert pixels.find("run", 0) is None


def test_the_least_recently_used_are_dropped_first(pixels: HeldPixels) -> None:
    for number, name in enumerate("ab"):
        pixels.hold("run", number, name, 10, 25)
    assert pixels.find("run", 0) == "a"  # it is now the latest
    pixels.hold("run", 2, "c", 10, 25)
    assert held_of(pixels) == [0, 2]
    pixels.hold("run", 3, "d", 25, 25)
    assert held_of(pixels) == [3]


def test_the_last_one_is_held_whatever_its_size(pixels: HeldPixels) -> None:
    pixels.hold("run", 0, "a", 10, 25)
    pixels.hold("run", 1, "b", 100, 25)
    assert held_of(pixels) == [1]


def test_a_few_are_held_whatever_their_size(pixels: HeldPixels) -> None:
    for number in range(5):
        pixels.hold("run", number, "a", 100, 25, least=3, fixed=0)
    assert held_of(pixels) == [0, 3, 4]


def test_one_thread_reads_an_exposure(pixels: HeldPixels) -> None:
    read: list[int] = []

    def get(_: int) -> str:
        with pixels.reading("run", 7):
            if pixels.find("run", 7) is None:
                read.append(7)
                pixels.hold("run", 7, "a", 10, 25)
            return str(pixels.find("run", 7))

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(get, range(20))) == {"a"}
    assert read == [7]


def test_a_fixed_exposure_is_not_dropped(pixels: HeldPixels) -> None:
    pixels.hold("run", 0, "a", 10, 25)
    for number in (1, 2, 3):
        pixels.hold("run", number, "b", 10, 25, fixed=0)
        assert held_of(pixels) == [0, number]


def test_pixels_that_are_offered_drop_no_others(pixels: HeldPixels) -> None:
    pixels.offer("run", 0, "a", 10, 25)
    pixels.offer("run", 1, "b", 10, 25)
    pixels.offer("run", 2, "c", 10, 25)
    assert held_of(pixels) == [0, 1]
    pixels.offer("run", 3, "d", 5, 25)
    assert held_of(pixels) == [0, 1, 3]


def test_offered_pixels_stay_until_they_are_used(pixels: HeldPixels) -> None:
    """Exposures 4 to 7 were looked at; each is compared with 0, the reference, and with the two before it."""
    for number in (4, 5, 6, 7):
        pixels.offer("run", number, "a", 10, 60)
    read = []
    for number in (4, 5, 6, 7):
        needed = (number, 0, number - 1, number - 2)
        for one in needed:
            if pixels.find("run", one) is None:
                read.append(one)
                pixels.hold("run", one, "a", 10, 60, fixed=0, needed=needed)
    assert read == [0, 3, 2, 7]


def test_pixels_of_one_run_are_held(pixels: HeldPixels) -> None:
    pixels.hold("run", 0, "a", 10, 25)
    assert pixels.find("other", 0) is None
    assert pixels.find("run", 0) is None
    pixels.offer("run", 0, "a", 10, 25)
    pixels.offer("other", 1, "b", 10, 25)
    assert held_of(pixels, run="other") == [1]


def test_a_process_has_one_of_each() -> None:
    assert isinstance(PIXELS, HeldPixels)
    PIXELS.forget("nobody's")
