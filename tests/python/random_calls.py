"""A program that calls what is public with random arguments: usual, extreme and inconsistent ones.

Usage: ``random_calls.py SEED CALLS``. What a call returns is an argument of later calls. Each call returns, or raises
one of the errors that the package documents, with a message of one line. Calls that do anything else are printed and
make the exit code 1; a crash makes it that of the signal.
"""

from __future__ import annotations

import faulthandler
import inspect
import os
import random
import resource
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from astropy.io.fits import Header

import evensky.geom
import evensky.image
import evensky.math
from evensky.errors import EvenskyError

# Errors of Python for arguments of a wrong type or kind, and for images that do not fit into memory. OverflowError is
# that of Python's own integers and of floats that are infinite.
ALLOWED = (EvenskyError, TypeError, ValueError, OverflowError, MemoryError, NotImplementedError, StopIteration)
# Reading and writing of files, and pictures, are tested elsewhere; so are the planes that all masks share. Names with
# an underscore are tried if they are operators.
SKIPPED = {"Approximate", "Background", "writeFits", "readFits", "plot", "readMetadata", "follow"}
SKIPPED |= {"ExposureFitsReader", "ImageFitsReader", "MaskFitsReader", "MaskedImageFitsReader"}
SKIPPED |= {"addMaskPlane", "removeMaskPlane", "removeAndClearMaskPlane"}
# Types of others, whose methods are not ours; metadata are a header of astropy.
PLAIN = (int, float, np.ndarray, np.generic, list, tuple, dict, Header)
OPERATORS = ("add", "sub", "mul", "truediv", "floordiv", "iadd", "isub", "imul", "itruediv", "and", "or", "iand", "ior")
OPERATORS += ("eq", "getitem", "setitem", "contains", "len", "neg", "repr", "hash", "copy", "getstate", "lt")

NUMBERS = [0, 1, 2, 3, 5, 7, 40, -1, -2, 2**31 - 1, 2**31, -(2**31), 2**32, 2**63 - 1, 2**63, -(2**63), 2**70, -(2**70)]
FLOATS = [0.0, -0.0, 0.5, 1.0, 2.5, -3.7, 1e-165, 5e-324, 1e-40, 1e40, 1e165, 1.7e308, -1.7e308]
FLOATS += [float("nan"), float("inf"), float("-inf"), 2.0**31, 2.0**63, -(2.0**63)]
TEXTS = [
    "",
    "x",
    "LINEAR",
    "AKIMA_SPLINE",
    "MEAN",
    "MEDIAN",
    "REDUCE_INTERP_ORDER",
    "lanczos5",
    "bilinear",
    "BAD",
    "\0",
]


class Caller:
    """Random calls, and what they have returned."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.numbers = np.random.default_rng(seed)
        self.callables: list[Any] = []
        for module in (evensky.geom, evensky.image, evensky.math):
            names = [name for name in module.__all__ if name not in SKIPPED and not name.islower()]
            self.callables += [value for name in names if callable(value := getattr(module, name))]
        self.objects: list[Any] = [value for value in vars(evensky.math).values() if isinstance(value, int)]

    def array(self) -> np.ndarray:
        """Make a small array of any dtype and number of dimensions, with any strides."""
        shape = self.random.choice([(3, 4), (8, 8), (8, 8), (40, 30), (5,), (0,), (0, 3), (2, 2, 2), (1, 1), ()])
        dtype = self.random.choice(["f4", "f4", "f8", "f8", "i4", "u2", "u8", "i8", "u1", "?", ">f4", "c16", "f2"])
        values = self.numbers.normal(10.0, 3.0, shape)
        if self.random.random() < 0.3:
            values = values * self.random.choice(FLOATS)
        with np.errstate(all="ignore"):
            array = np.asarray(values).astype(dtype)
        if array.ndim == 2 and self.random.random() < 0.2:
            array = self.random.choice([array.T, array[::-1, ::-1], array[::2], array[:, :1]])
        if array.ndim == 2 and array.size and self.random.random() < 0.1:
            array = np.broadcast_to(array[:1, :1], (8, 8))
        return array

    def value(self) -> Any:
        """Return any argument."""
        kind = self.random.random()
        if kind < 0.40 and self.objects:
            return self.random.choice(self.objects)
        if kind < 0.60:
            return self.random.choice(NUMBERS[:9] if self.random.random() < 0.6 else NUMBERS)
        if kind < 0.72:
            return self.random.choice(FLOATS)
        if kind < 0.85:
            return self.array()
        if kind < 0.90:
            return self.random.choice(TEXTS)
        if kind < 0.95:
            return [self.value() for _ in range(self.random.randrange(4))]
        return self.random.choice([None, True, False, b"x", {}, ()])

    def target(self) -> tuple[str, Callable[..., Any]]:
        """Return a function, a class, or a method or an operator of an object."""
        if self.objects and self.random.random() < 0.6:
            thing = self.random.choice(self.objects)
            operators = [f"__{name}__" for name in OPERATORS]
            names = [name for name in dir(type(thing)) if not name.startswith("_") or name in operators]
            names = [name for name in names if name not in SKIPPED]
            if names and not isinstance(thing, PLAIN):
                name = self.random.choice(names)
                method = getattr(thing, name, None)
                if callable(method):
                    return f"{type(thing).__name__}.{name}", method
        thing = self.random.choice(self.callables)
        return getattr(thing, "__name__", str(thing)), thing

    def arguments(self, work: Callable[..., Any]) -> list[Any]:
        """Return arguments, mostly as many as needed."""
        number = self.random.randrange(5)
        try:
            parameters = inspect.signature(work).parameters.values()
        except (TypeError, ValueError):
            return [self.value() for _ in range(number)]
        if self.random.random() < 0.8 and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
            needed = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
            least = sum(p.default is p.empty for p in needed)
            number = self.random.randint(least, len(needed))
        return [self.value() for _ in range(number)]


def shown(values: list[Any]) -> str:
    """Write arguments in a line."""
    return ", ".join(f"{type(value).__name__} {repr(value)[:60]!r}" for value in values)


def main() -> int:
    """Make calls."""
    faulthandler.enable()
    if "asan" not in os.environ.get("LD_PRELOAD", ""):  # which needs much address space, and has a limit of its own
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    warnings.simplefilter("ignore")
    seed, calls = int(sys.argv[1]), int(sys.argv[2])
    caller = Caller(seed)
    faults = returned = 0
    for number in range(calls):
        name, work = caller.target()
        arguments = caller.arguments(work)
        if "--verbose" in sys.argv:
            print(number, name, shown(arguments), flush=True)
        signal.alarm(100)
        try:
            result = work(*arguments)
        except ALLOWED as error:
            if isinstance(error, EvenskyError) and ("\n" in str(error) or len(str(error)) < 10):
                faults += 1
                print(f"call {number}: {name}({shown(arguments)}) raised {type(error).__name__}: {error}")
        except BaseException as error:
            faults += 1
            print(f"call {number}: {name}({shown(arguments)}) raised {type(error).__name__}: {error}")
        else:
            returned += 1
            if result is not None and not isinstance(result, bool | bytes | str) and result is not NotImplemented:
                caller.objects.append(result)
                if len(caller.objects) > 200:
                    del caller.objects[caller.random.randrange(len(caller.objects))]
        signal.alarm(0)
    print(f"seed {seed}: {calls} calls, {returned} returned, {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
