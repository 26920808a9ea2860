"""Modules with the names of LSST packages, so that scripts written for the LSST stack run unchanged.

Nothing happens on import; `install` puts the modules into ``sys.modules``, and `uninstall` takes them out again::

    import evensky.shim
    evensky.shim.install()

    import lsst.afw.math as afwMath  # evensky.math
    from lsst.geom import Box2I      # evensky.geom

``python -m evensky.shim script.py`` runs a script with them, ``python -m evensky.shim -m pytest tests`` a module.

A package that is installed is never replaced: its stand-in is left out. The task
``lsst.pipe.tasks.matchBackgrounds`` has two generations, of which one is installed at a time.
"""

from __future__ import annotations

__all__ = ["GENERATIONS", "install", "main", "uninstall"]

import argparse
import importlib
import importlib.machinery
import importlib.util
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from . import errors
from ._locks import process_lock
from .errors import InvalidParameterError

# The modules whose names a stand-in has. They are imported when a name is first asked for.
_STAND_INS: dict[str, tuple[str, ...]] = {
    "lsst.geom": ("evensky.geom", "evensky.testing"),
    "lsst.afw.geom": ("evensky.geom",),
    "lsst.afw.image": ("evensky.image", "evensky.testing"),
    "lsst.afw.image.testUtils": ("evensky.testing",),
    "lsst.afw.math": ("evensky.math",),
    "lsst.afw.display": ("evensky.draw.virtual_display",),
    "lsst.afw.fits": ("evensky.errors", "evensky.image"),
    "lsst.coadd.utils": ("evensky.image",),
    "lsst.daf.base": ("evensky.image",),
    "lsst.pex.exceptions": ("evensky.errors",),
    "lsst.pipe.base": ("evensky.tasks.base",),
    "lsst.pipe.tasks.background": (
        "evensky.tasks.tract",
        "evensky.tasks.focal_plane",
        "evensky.tasks.sky_frame",
        "evensky.tasks.mask_objects",
    ),
}

_TASK = "lsst.pipe.tasks.matchBackgrounds"

GENERATIONS: dict[str, tuple[str, ...]] = {
    "exposures": ("evensky.tasks",),
    "tract": ("evensky.tasks.tract",),
}
"""Modules that can stand for ``lsst.pipe.tasks.matchBackgrounds``, by the name of the task's generation."""

# Errors that are named like built-ins.
_BUILT_INS = ("Exception", "OverflowError", "RuntimeError", "TimeoutError", "TypeError")

# Other names by which scripts catch errors: without "Error", and as they were before 2014.
_SHORT_ERRORS = {
    f"{name.removesuffix('Error')}{suffix}": name
    for name in (
        "DomainError",
        "InvalidParameterError",
        "IoError",
        "LengthError",
        "LogicError",
        "NotFoundError",
        "OutOfRangeError",
        "OverflowError",
        "RangeError",
        "RuntimeError",
        "TimeoutError",
        "TypeError",
        "UnderflowError",
    )
    for suffix in ("", "Exception")
}
_ALIASES = {
    "lsst.pex.exceptions": {**_SHORT_ERRORS, "LsstException": "Exception", "LsstCppException": "Exception"},
}

# Names of modules that need a package which is not always installed: where they come from, and that package.
_OPTIONAL = {
    ("evensky.tasks.tract", "MatchBackgroundsConnections"): (
        "evensky.interop.tract_pipeline",
        "MatchTractBackgroundsConnections",
        "lsst.pipe.base",
    ),
}

_lock = process_lock()
_installed: dict[str, _StandIn] = {}
_added: dict[str, type] = {}  # assertions, and the class that got them


class _StandIn(ModuleType):
    """Module or package that takes its names from modules of evensky."""

    def __init__(self, name: str, sources: tuple[str, ...], *, package: bool) -> None:
        super().__init__(name, f"Stand-in of evensky for {name}.")
        self.__spec__ = importlib.machinery.ModuleSpec(name, None, origin="evensky.shim", is_package=package)
        if package:
            self.__path__: list[str] = []
        self._sources = sources
        self._aliases = _ALIASES.get(name, {})

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return [one for one in dir(self) if not one.startswith("_")]
        if not name.startswith("_"):
            _add_assertions()
            for source in self._sources:
                module = importlib.import_module(source)
                found = getattr(module, self._aliases.get(name, name), None)
                if found is not None:
                    return found
                if (source, name) in _OPTIONAL:
                    return self._optional(name, *_OPTIONAL[source, name])
        raise AttributeError(
            f"evensky has no {name!r} for {self.__name__}"
            + (f"; see dir() of {' and '.join(self._sources)}" if self._sources else ""),
            name=name,
            obj=self,
        )

    def _optional(self, name: str, module: str, attribute: str, package: str) -> Any:
        """Return what needs a package.

        Raises
        ------
        ImportError
            If the package is not installed. An AttributeError would reach ``from module import name`` without its
            message.
        """
        if isinstance(sys.modules.get(package), _StandIn) or not _exists(package):
            raise ImportError(
                f"{self.__name__}.{name} needs {package}, which is not installed: pip install 'evensky[pipeline]' in "
                f"Python 3.12. It is {module}.{attribute}",
                name=package,
            )
        return getattr(importlib.import_module(module), attribute)

    def __dir__(self) -> list[str]:
        names = {*self.__dict__, *self._aliases} - {"_sources", "_aliases"}
        for source in self._sources:
            module = importlib.import_module(source)
            names.update(getattr(module, "__all__", ()), self._mirrored_built_ins(module))
        return sorted(names)

    @staticmethod
    def _mirrored_built_ins(module: ModuleType) -> set[str]:
        """Return the errors of a module that are named like built-ins, which its own ``__all__`` leaves out."""
        return {name for name in _BUILT_INS if name in module.__dict__}


def install(generation: str | None = None) -> list[str]:
    """Put stand-ins for LSST packages that are absent into ``sys.modules``.

    These are ``lsst.geom``, ``lsst.afw.geom``, ``lsst.afw.image``, ``lsst.afw.math``, ``lsst.afw.fits``,
    ``lsst.afw.display`` (which draws nothing), ``lsst.coadd.utils``, ``lsst.daf.base`` (property lists),
    ``lsst.pex.exceptions``, ``lsst.pipe.base``, ``lsst.pipe.tasks.background``, ``lsst.pipe.tasks.matchBackgrounds``,
    and the packages that hold them.
    Calling it again is harmless: a generation that is installed stays until `uninstall`, so that a module which calls
    ``install()`` does not change the task of a program that chose one. When names are first taken from the stand-ins,
    the assertions of `evensky.testing` are added to ``lsst.utils.tests.TestCase`` if that has been imported.

    Parameters
    ----------
    generation : {"exposures", "tract"}, optional
        Which task ``lsst.pipe.tasks.matchBackgrounds`` holds: the one that matches exposures one by one, or that of
        November 2025, which matches the visits of a tract. By default the one that is installed, and "exposures" if
        none is.

    Returns
    -------
    list of str
        Names of all modules that are stand-ins now, in alphabetical order.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If there is no such generation.
    evensky.errors.RuntimeError
        If the other generation is installed; nothing is changed.

    Examples
    --------
    >>> "lsst.afw.math" in install()
    True
    >>> import lsst.geom
    >>> lsst.geom.Extent2I(3, 4)
    Extent2I(3, 4)
    >>> "lsst.afw.math" in uninstall()
    True
    """
    if generation is not None and generation not in GENERATIONS:
        raise InvalidParameterError(f"generation is {generation!r}; it must be one of {', '.join(GENERATIONS)}")
    with _lock:
        installed = _installed_generation()
        if generation is not None and installed not in (None, generation):
            raise errors.RuntimeError(
                f"{_TASK} is that of install({installed!r}), from which names may have been imported; call uninstall() "
                f"before install({generation!r})"
            )
        for name, sources in {**_STAND_INS, _TASK: GENERATIONS[generation or installed or "exposures"]}.items():
            parts = name.split(".")
            for length in range(1, len(parts)):
                _install_one(".".join(parts[:length]), (), package=True)
            _install_one(name, sources, package=any(other.startswith(f"{name}.") for other in _STAND_INS))
        return sorted(_installed)


def _installed_generation() -> str | None:
    """Return the generation of the task that is installed, if it is a stand-in."""
    task = _installed.get(_TASK)
    if task is None or sys.modules.get(_TASK) is not task:
        return None
    return next(name for name, sources in GENERATIONS.items() if sources == task._sources)


def _install_one(name: str, sources: tuple[str, ...], *, package: bool) -> None:
    if name in _installed and sys.modules.get(name) is _installed[name]:
        _installed[name]._sources = sources or _installed[name]._sources
        return
    if _exists(name):
        return
    module = _StandIn(name, sources, package=package)
    sys.modules[name] = _installed[name] = module
    parent, _, leaf = name.rpartition(".")
    if parent:
        setattr(importlib.import_module(parent), leaf, module)


def _exists(name: str) -> bool:
    """Return whether a package is there, whether or not it has been imported."""
    if name in sys.modules:
        return True
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its parent is not a package
        return False


def _add_assertions() -> None:
    """Add the assertions to the test case of LSST, if it has been imported; importing the original does so."""
    tests = sys.modules.get("lsst.utils.tests")
    if tests is None or _added:
        return
    testing = importlib.import_module("evensky.testing")
    with _lock:
        for name in testing.__all__:
            if name.startswith("assert") and not hasattr(tests.TestCase, name):
                setattr(tests.TestCase, name, getattr(testing, name))
                _added[name] = tests.TestCase


def uninstall() -> list[str]:
    """Take the stand-ins out of ``sys.modules``; names that scripts have imported keep working.

    Returns
    -------
    list of str
        Names of the modules that were taken out.
    """
    with _lock:
        while _added:
            name, test_case = _added.popitem()
            delattr(test_case, name)
        names = sorted(_installed)
        for name in reversed(names):
            module = _installed.pop(name)
            if sys.modules.get(name) is module:
                del sys.modules[name]
            parent, _, leaf = name.rpartition(".")
            holder = sys.modules.get(parent)
            if holder is not None and holder.__dict__.get(leaf) is module:
                delattr(holder, leaf)
        return names


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a script or a module that is written for the LSST stack.

    Parameters
    ----------
    arguments : sequence of str, optional
        ``[--generation NAME] script.py ...`` or ``[--generation NAME] -m module ...``; by default those of the command
        line.
    """
    parser = argparse.ArgumentParser(
        prog="python -m evensky.shim", description="Run a script or a module that is written for the LSST stack."
    )
    parser.add_argument("--generation", choices=list(GENERATIONS), help="of the task matchBackgrounds")
    parser.add_argument("-m", dest="module", help="module to run in place of a script")
    parser.add_argument(
        "arguments", nargs=argparse.REMAINDER, metavar="script.py ...", help="script, and its arguments"
    )
    given = parser.parse_args(arguments)
    install(given.generation)
    if given.module is not None:
        sys.argv = [given.module, *given.arguments]
        sys.path.insert(0, "")
        runpy.run_module(given.module, run_name="__main__", alter_sys=True)
        return
    if not given.arguments:
        parser.error("a script or -m and a module are needed")
    script = Path(given.arguments[0])
    if not script.is_file():
        parser.error(f"there is no script {script}")
    sys.argv = list(given.arguments)
    sys.path.insert(0, str(script.resolve().parent))
    runpy.run_path(str(script), run_name="__main__")


if __name__ == "__main__":
    # The stand-ins belong to the module that others import, and not to this run of its file.
    importlib.import_module("evensky.shim").main()
