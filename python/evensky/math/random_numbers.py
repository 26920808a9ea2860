"""Random numbers and images of random numbers, with the names of ``lsst.afw.math``."""

from __future__ import annotations

__all__ = [
    "Random",
    "randomChisqImage",
    "randomFlatImage",
    "randomGaussianImage",
    "randomPoissonImage",
    "randomUniformImage",
    "randomUniformIntImage",
    "randomUniformPosImage",
]

import enum
from collections.abc import Callable
from typing import Any

import numpy as np

from .._checks import real_number, shown, whole_number
from ..errors import InvalidParameterError, LengthError, OutOfRangeError, RangeError
from ..image import Image
from .interpolate import by_number

# Number of words of the Mersenne twister, and the range of its numbers.
_WORDS = 624
_RANGE = 2**32
# Seed that stands for 0, as in the original's library.
_DEFAULT_SEED = 4357


class Random:
    """Generator of random numbers.

    With the algorithm MT19937, `uniform`, `uniformPos`, `uniformInt` and `flat` give the numbers of the original for
    the same seed; numbers of other distributions have the same distribution, but come from numpy. The other algorithms
    are accepted by name: each has a Mersenne twister of its own, which the algorithm and the seed determine, so that
    its numbers are not those of the original.

    A generator must not be used by several threads at once.

    Parameters
    ----------
    algorithm : Random.Algorithm, str or int, optional
        MT19937 by default.
    seed : int, optional
        From 0 to 2^64 - 1. MT19937 uses the lower 32 bits, and 4357 if these are 0.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the algorithm is unknown; the message lists the known ones.
    evensky.errors.OutOfRangeError
        If the seed is negative or too large.

    Examples
    --------
    >>> rand = Random("MT19937", 4357)
    >>> [round(rand.uniform(), 5) for _ in range(3)]
    [0.99974, 0.16291, 0.28262]
    """

    class Algorithm(enum.Enum):
        """Algorithms of the original."""

        MT19937 = 0
        RANLXS0 = 1
        RANLXS1 = 2
        RANLXS2 = 3
        RANLXD1 = 4
        RANLXD2 = 5
        RANLUX = 6
        RANLUX389 = 7
        CMRG = 8
        MRG = 9
        TAUS = 10
        TAUS2 = 11
        GFSR4 = 12
        NUM_ALGORITHMS = 13

    MT19937 = Algorithm.MT19937
    RANLXS0 = Algorithm.RANLXS0
    RANLXS1 = Algorithm.RANLXS1
    RANLXS2 = Algorithm.RANLXS2
    RANLXD1 = Algorithm.RANLXD1
    RANLXD2 = Algorithm.RANLXD2
    RANLUX = Algorithm.RANLUX
    RANLUX389 = Algorithm.RANLUX389
    CMRG = Algorithm.CMRG
    MRG = Algorithm.MRG
    TAUS = Algorithm.TAUS
    TAUS2 = Algorithm.TAUS2
    GFSR4 = Algorithm.GFSR4
    NUM_ALGORITHMS = Algorithm.NUM_ALGORITHMS

    def __init__(self, algorithm: Algorithm | str | int = MT19937, seed: int = 1) -> None:
        names = self.getAlgorithmNames()
        name = algorithm if isinstance(algorithm, str) else by_number(Random.Algorithm, algorithm).name
        if name not in names:
            raise InvalidParameterError(f"There is no algorithm {shown(name)}; the known ones are {', '.join(names)}")
        self._algorithm = Random.Algorithm[name]
        self._seed = whole_number(seed, "seed")
        if not 0 <= self._seed < 2**64:
            raise OutOfRangeError(f"seed is {shown(seed)}; it must be from 0 to 2^64 - 1")
        if self._algorithm is Random.MT19937:
            self._bits = np.random.MT19937()
            # The Mersenne twister has several ways to spread a seed; this one is that of the original.
            seeded = np.random.RandomState(self._seed % _RANGE or _DEFAULT_SEED)
            _, words, position, *_ = seeded.get_state(legacy=True)
            self._set_words(words, int(position))
        else:
            self._bits = np.random.MT19937(np.random.SeedSequence([self._algorithm.value, self._seed]))
        self._generator = np.random.Generator(self._bits)

    def _set_words(self, words: Any, position: int) -> None:
        self._bits.state = {"bit_generator": "MT19937", "state": {"key": words, "pos": position}}

    def deepCopy(self) -> Random:
        """Return a generator in the same state, which yields the same numbers from here on."""
        other = Random(self._algorithm, self._seed)
        other.setState(self.getState())
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> Random:
        return self.deepCopy()

    __copy__ = deepCopy

    def __getstate__(self) -> tuple[int, int, bytes]:
        return self._algorithm.value, self._seed, self.getState()

    def __setstate__(self, state: tuple[int, int, bytes]) -> None:
        algorithm, seed, words = state
        Random.__init__(self, algorithm, seed)
        self.setState(words)

    def getState(self) -> bytes:
        """Return the state of the generator, for `setState`."""
        state: Any = self._bits.state["state"]
        return np.append(state["key"], state["pos"]).astype("<u4").tobytes()

    def setState(self, state: bytes) -> None:
        """Set the state of the generator to one that `getState` returned.

        Raises
        ------
        evensky.errors.LengthError
            If `state` has another length.
        evensky.errors.InvalidParameterError
            If `state` is not of bytes, or is not a state.
        """
        if not isinstance(state, bytes | bytearray):
            raise InvalidParameterError(f"state is a {type(state).__name__}; it must be bytes from getState")
        if len(state) != self.getStateSize():
            raise LengthError(f"state has {len(state)} bytes; it must have {self.getStateSize()}")
        words = np.frombuffer(state, "<u4").astype(np.uint32)
        if words[-1] > _WORDS:
            raise InvalidParameterError(f"state has position {words[-1]}; it must be at most {_WORDS}")
        self._set_words(words[:-1], int(words[-1]))

    def getStateSize(self) -> int:
        """Return the number of bytes of the state."""
        return 4 * (_WORDS + 1)

    def getAlgorithm(self) -> Algorithm:
        """Return the algorithm."""
        return self._algorithm

    def getAlgorithmName(self) -> str:
        """Return the name of the algorithm."""
        return self._algorithm.name

    @staticmethod
    def getAlgorithmNames() -> list[str]:
        """Return the names of all algorithms."""
        return [kind.name for kind in Random.Algorithm if kind is not Random.NUM_ALGORITHMS]

    def getSeed(self) -> int:
        """Return the seed that was given."""
        return self._seed

    def uniform(self) -> float:
        """Return a number from [0, 1)."""
        return float(self._uniform(None))

    def uniformPos(self) -> float:
        """Return a number from (0, 1)."""
        return float(self._uniform_pos(None))

    def uniformInt(self, n: int) -> int:
        """Return a whole number from 0 to n - 1.

        Raises
        ------
        evensky.errors.RangeError
            If n is not from 1 to 2^32 - 1.
        """
        return int(self._uniform_int(n, None))

    def flat(self, a: float, b: float) -> float:
        """Return a number from [a, b)."""
        return float(self._flat(a, b, None))

    def gaussian(self) -> float:
        """Return a number from the normal distribution of mean 0 and standard deviation 1."""
        return float(self._generator.standard_normal())

    def chisq(self, nu: float) -> float:
        """Return a number from the chi-squared distribution with `nu` degrees of freedom.

        Raises
        ------
        evensky.errors.InvalidParameterError
            If `nu` is not positive and finite.
        """
        return float(self._chisq(nu, None))

    def poisson(self, mu: float) -> float:
        """Return a number from the Poisson distribution of mean `mu`.

        Raises
        ------
        evensky.errors.InvalidParameterError
            If `mu` is negative, not finite, or above 9.2e18.
        """
        return float(self._poisson(mu, None))

    def _uniform(self, shape: tuple[int, int] | None) -> Any:
        return self._raw(shape) / _RANGE

    def _raw(self, shape: tuple[int, int] | None) -> Any:
        if shape is None:
            return self._bits.random_raw()
        return self._bits.random_raw(shape[0] * shape[1]).reshape(shape)

    def _accepted(self, shape: tuple[int, int] | None, low: int, high: int) -> Any:
        """Return numbers of the generator, row by row, without those outside low <= number < high."""
        if shape is None:
            while not low <= (number := self._bits.random_raw()) < high:
                continue
            return number
        numbers = self._raw(shape).ravel()
        while (numbers := numbers[(numbers >= low) & (numbers < high)]).size < shape[0] * shape[1]:
            numbers = np.append(numbers, self._bits.random_raw(shape[0] * shape[1] - numbers.size))
        return numbers.reshape(shape)

    def _uniform_pos(self, shape: tuple[int, int] | None) -> Any:
        return self._accepted(shape, 1, _RANGE) / _RANGE

    def _uniform_int(self, n: int, shape: tuple[int, int] | None) -> Any:
        count = whole_number(n, "n")
        if not 0 < count < _RANGE:
            raise RangeError(f"n is {shown(n)}; it must be from 1 to 2^32 - 1")
        scale = (_RANGE - 1) // count
        return self._accepted(shape, 0, scale * count) // scale

    def _flat(self, a: float, b: float, shape: tuple[int, int] | None) -> Any:
        low, high = real_number(a, "a"), real_number(b, "b")
        part = self._uniform(shape)
        return low * (1 - part) + high * part

    def _chisq(self, nu: float, shape: tuple[int, int] | None) -> Any:
        degrees = real_number(nu, "nu")
        if not 0 < degrees < np.inf:
            raise InvalidParameterError(f"nu is {nu}; it must be positive and finite")
        return self._generator.chisquare(degrees, shape)

    def _poisson(self, mu: float, shape: tuple[int, int] | None) -> Any:
        mean = real_number(mu, "mu")
        if not 0 <= mean <= 9.2e18:
            raise InvalidParameterError(f"mu is {mu}; it must be from 0 to 9.2e18")
        return self._generator.poisson(mean, shape)

    def __repr__(self) -> str:
        return f"Random({self._algorithm.name!r}, {self._seed})"


def _fill(image: Any, rand: Any, draw: Callable[[tuple[int, int]], Any]) -> None:
    """Set pixels to the numbers that are drawn for the shape of an image."""
    if not isinstance(image, Image):
        raise InvalidParameterError(f"image is a {type(image).__name__}; it must be an Image")
    if not isinstance(rand, Random):
        raise InvalidParameterError(f"rand is a {type(rand).__name__}; it must be a Random")
    image.array = draw((image.getHeight(), image.getWidth()))


def randomUniformImage(image: Image, rand: Random) -> None:
    """Set the pixels of an image to random numbers from [0, 1), row by row; see `Random.uniform`.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the arguments are not an image and a `Random`, which holds for all functions of this module.
    """
    _fill(image, rand, lambda shape: rand._uniform(shape))


def randomUniformPosImage(image: Image, rand: Random) -> None:
    """Set the pixels of an image to random numbers from (0, 1), see `Random.uniformPos`."""
    _fill(image, rand, lambda shape: rand._uniform_pos(shape))


def randomUniformIntImage(image: Image, rand: Random, n: int) -> None:
    """Set the pixels of an image to random whole numbers from 0 to n - 1, see `Random.uniformInt`."""
    _fill(image, rand, lambda shape: rand._uniform_int(n, shape))


def randomFlatImage(image: Image, rand: Random, a: float, b: float) -> None:
    """Set the pixels of an image to random numbers from [a, b), see `Random.flat`."""
    _fill(image, rand, lambda shape: rand._flat(a, b, shape))


def randomGaussianImage(image: Image, rand: Random) -> None:
    """Set the pixels of an image to random numbers of mean 0 and standard deviation 1, see `Random.gaussian`."""
    _fill(image, rand, lambda shape: rand._generator.standard_normal(shape))


def randomChisqImage(image: Image, rand: Random, nu: float) -> None:
    """Set the pixels of an image to random numbers of chi-squared distribution, see `Random.chisq`."""
    _fill(image, rand, lambda shape: rand._chisq(nu, shape))


def randomPoissonImage(image: Image, rand: Random, mu: float) -> None:
    """Set the pixels of an image to random numbers of Poisson distribution, see `Random.poisson`."""
    _fill(image, rand, lambda shape: rand._poisson(mu, shape))
