"""Random numbers: published numbers of the Mersenne twister, distributions, states, and images."""

from __future__ import annotations

import copy
import doctest
import importlib
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import evensky.image as afwImage
import evensky.math as afwMath
from evensky.errors import InvalidParameterError, LengthError, OutOfRangeError, RangeError
from evensky.math import Random

# The manual of the original's library prints these for its default seed, which is 4357.
PUBLISHED = [0.99974, 0.16291, 0.28262, 0.94720, 0.23166, 0.48497, 0.95748, 0.74431, 0.54004, 0.73995]
NAMES = [
    "MT19937",
    "RANLXS0",
    "RANLXS1",
    "RANLXS2",
    "RANLXD1",
    "RANLXD2",
    "RANLUX",
    "RANLUX389",
    "CMRG",
    "MRG",
    "TAUS",
    "TAUS2",
    "GFSR4",
]
DRAWS: dict[str, tuple[Any, ...]] = {
    "uniform": (),
    "uniformPos": (),
    "uniformInt": (17,),
    "flat": (-2.0, 5.0),
    "gaussian": (),
    "chisq": (3.0,),
    "poisson": (4.5,),
}
FUNCTIONS = {
    "uniform": afwMath.randomUniformImage,
    "uniformPos": afwMath.randomUniformPosImage,
    "uniformInt": afwMath.randomUniformIntImage,
    "flat": afwMath.randomFlatImage,
    "gaussian": afwMath.randomGaussianImage,
    "chisq": afwMath.randomChisqImage,
    "poisson": afwMath.randomPoissonImage,
}


def test_published_numbers() -> None:
    rand = Random(Random.MT19937, 4357)
    assert [round(rand.uniform(), 5) for _ in range(10)] == PUBLISHED
    assert Random("MT19937", 4357).uniform() == 4293858116 / 2**32
    assert Random(0, 5489).uniform() == 3499211612 / 2**32  # the first number of the authors of the algorithm
    rand = Random(seed=0)  # stands for 4357
    assert [round(rand.flat(0, 1), 5) for _ in range(10)] == PUBLISHED


def test_numbers_of_the_default_seed() -> None:
    words = np.random.RandomState(1).randint(0, 2**32, 10, dtype=np.uint32)
    rand = Random()
    assert [rand.uniform() for _ in range(10)] == (words / 2**32).tolist()
    assert (rand.getSeed(), rand.getAlgorithm(), rand.getAlgorithmName()) == (1, Random.MT19937, "MT19937")
    rand = Random()
    assert [rand.flat(2, 6) for _ in range(10)] == pytest.approx((2 + 4 * (words / 2**32)).tolist())


def test_whole_numbers_leave_out_the_incomplete_last_part() -> None:
    words = np.random.RandomState(1).randint(0, 2**32, 2000, dtype=np.uint32)
    for n in (1, 6, 2**31 + 1, 2**32 - 1):
        scaled = words // np.uint32((2**32 - 1) // n)
        right = scaled[scaled < n][:500].tolist()
        rand = Random()
        assert [rand.uniformInt(n) for _ in right] == right
        image = afwImage.ImageD(len(right), 1)
        afwMath.randomUniformIntImage(image, Random(), n)
        assert image.array[0].tolist() == right


@pytest.mark.parametrize("name", NAMES)
def test_algorithms(name: str) -> None:
    by_name, by_member, by_number = (
        Random(kind, 42) for kind in (name, getattr(Random, name), getattr(Random.Algorithm, name).value)
    )
    numbers = [by_name.uniform() for _ in range(200)]
    assert numbers == [by_member.uniform() for _ in range(200)] == [by_number.uniform() for _ in range(200)]
    assert (by_name.getAlgorithmName(), by_name.getSeed()) == (name, 42)
    assert 0.4 < np.mean(numbers) < 0.6
    others = [Random(other, 42).uniform() for other in NAMES if other != name]
    assert numbers[0] not in others
    assert numbers[0] != Random(name, 43).uniform()
    assert Random.getAlgorithmNames() == NAMES


@pytest.mark.parametrize("name", ["MT19937", "TAUS2"])
@pytest.mark.parametrize("draw", list(DRAWS))
def test_states(name: str, draw: str) -> None:
    rand = Random(name, 7)
    _ = [rand.uniform() for _ in range(1000)]
    state = rand.getState()
    assert isinstance(state, bytes)
    assert len(state) == rand.getStateSize()
    copies = [rand.deepCopy(), copy.deepcopy(rand), pickle.loads(pickle.dumps(rand))]
    numbers = [getattr(rand, draw)(*DRAWS[draw]) for _ in range(50)]
    rand.setState(state)
    for again in (rand, *copies):
        assert [getattr(again, draw)(*DRAWS[draw]) for _ in range(50)] == numbers
        assert (again.getAlgorithmName(), again.getSeed()) == (name, 7)


MOMENTS = {
    "uniform": (0.5, 1 / 12),
    "uniformPos": (0.5, 1 / 12),
    "uniformInt": (8.0, (17**2 - 1) / 12),
    "flat": (1.5, 49 / 12),
    "gaussian": (0.0, 1.0),
    "chisq": (3.0, 6.0),
    "poisson": (4.5, 4.5),
}


@pytest.mark.parametrize("kind", [afwImage.ImageF, afwImage.ImageD])
@pytest.mark.parametrize("draw", list(DRAWS))
def test_images(draw: str, kind: type[afwImage.Image]) -> None:
    image = kind(400, 250)
    FUNCTIONS[draw](image, Random("MT19937", 11), *DRAWS[draw])
    mean, variance = MOMENTS[draw]
    assert image.array.mean(dtype=np.float64) == pytest.approx(mean, abs=6 * (variance / 1e5) ** 0.5)
    assert image.array.var(dtype=np.float64) == pytest.approx(variance, rel=0.05)
    rand = Random("MT19937", 11)
    first = [getattr(rand, draw)(*DRAWS[draw]) for _ in range(402)]
    np.testing.assert_array_equal(image.array.ravel()[:402], np.array(first, kind.dtype))  # row by row


def test_images_continue_the_sequence() -> None:
    rand, other = Random(), Random()
    image = afwImage.ImageD(3, 2)
    afwMath.randomUniformImage(image, rand)
    _ = [other.uniform() for _ in range(6)]
    assert rand.uniform() == other.uniform()
    afwMath.randomPoissonImage(whole := afwImage.ImageI(3, 2), Random("CMRG", 5), 1000.0)
    assert (abs(whole.array - 1000) < 200).all()


@pytest.mark.parametrize(
    ("call", "kind", "match"),
    [
        (lambda: Random("MT"), InvalidParameterError, "'MT'.*MT19937.*GFSR4"),
        (lambda: Random(Random.NUM_ALGORITHMS), InvalidParameterError, "NUM_ALGORITHMS"),
        (lambda: Random(14), InvalidParameterError, "14"),
        (lambda: Random("TAUS", 1.5), InvalidParameterError, "seed"),
        (lambda: Random("TAUS", -1), OutOfRangeError, "-1"),
        (lambda: Random(seed=2**64), OutOfRangeError, "18446744073709551616"),
        (lambda: Random().uniformInt(0), RangeError, "n is 0"),
        (lambda: Random().uniformInt(2**32), RangeError, "4294967296"),
        (lambda: Random().flat("a", 1), InvalidParameterError, "a"),
        (lambda: Random().chisq(0), InvalidParameterError, "nu is 0"),
        (lambda: Random().poisson(-1), InvalidParameterError, "mu is -1"),
        (lambda: Random().poisson(np.nan), InvalidParameterError, "mu is nan"),
        (lambda: Random().setState(b"abc"), LengthError, "3 bytes; it must have 2500"),
        (lambda: Random().setState("abc"), InvalidParameterError, "str"),
        (lambda: Random().setState(b"\xff" * 2500), InvalidParameterError, "position"),
        (lambda: afwMath.randomUniformImage(np.ones((2, 2)), Random()), InvalidParameterError, "ndarray"),
        (lambda: afwMath.randomUniformImage(afwImage.ImageF(2, 2), 3), InvalidParameterError, "rand is a int"),
        (lambda: afwMath.randomPoissonImage(afwImage.ImageU(9, 9), Random(), 1e6), OutOfRangeError, "ImageU"),
    ],
)
def test_what_is_refused(call: Callable[[], Any], kind: type[Exception], match: str) -> None:
    with pytest.raises(kind, match=match):
        call()


def test_examples() -> None:
    results = doctest.testmod(importlib.import_module("evensky.math.random_numbers"))
    assert results.attempted > 0
    assert results.failed == 0
