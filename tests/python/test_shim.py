"""Stand-ins for the packages of the LSST stack; each program runs in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import evensky.errors as errors
from evensky.shim import install


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# Hides the packages of LSST that are installed, and may bring others.
WITHOUT_LSST = """
import importlib.abc, sys
class Hide(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "lsst":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hide())
"""


def test_nothing_happens_on_import() -> None:
    assert run("import sys, evensky.shim; print([name for name in sys.modules if name.startswith('lsst')])") == "[]"


def test_every_way_to_import() -> None:
    run("""
        import evensky.shim
        names = evensky.shim.install()
        assert {"lsst.afw", "lsst.afw.math", "lsst.afw.image", "lsst.geom", "lsst.pex.exceptions"} <= set(names)
        import sys
        assert "evensky.math" not in sys.modules and "evensky.tasks" not in sys.modules
        import lsst.afw.math as afwMath
        import lsst.afw.image as afwImage, lsst.afw.geom as afwGeom
        import lsst.geom
        from lsst.afw.image import ExposureF
        from lsst.afw import math
        from lsst.geom import *
        import evensky.geom, evensky.image, evensky.math
        assert afwMath.makeStatistics is evensky.math.makeStatistics is math.makeStatistics
        assert ExposureF is evensky.image.ExposureF is afwImage.ExposureF
        assert Box2I is evensky.geom.Box2I is lsst.geom.Box2I is afwGeom.Box2I
        assert "Box2I" in dir(lsst.geom) and lsst.afw.math is afwMath
        import lsst.afw.display as afwDisplay
        afwDisplay.setDefaultMaskTransparency(75)
        assert afwDisplay.Display(1).getMaskTransparency() == 75
        import lsst.daf.base as dafBase
        metadata = dafBase.PropertyList()
        metadata.setDouble("EXPTIME", 30.0)
        assert ExposureF(3, 2).getMetadata().names() == [] and metadata.getScalar("EXPTIME") == 30.0
        from lsst.coadd.utils import ImageScaler
        from lsst.afw.fits import FitsError, readMetadata
        assert isinstance(metadata, dafBase.PropertyList)
        from lsst.pipe.base import Struct, TaskError
        from lsst.pipe.tasks.matchBackgrounds import MatchBackgroundsConfig, MatchBackgroundsTask
        import evensky.tasks
        assert MatchBackgroundsTask is evensky.tasks.MatchBackgroundsTask
        # The real lsst.pipe.base is installed on some Pythons.
        assert "lsst.pipe.base" not in names or Struct is evensky.tasks.Struct
    """)


def test_real_packages_stay() -> None:
    """lsst.pex.config and lsst.utils are installed; they work before, with and after the stand-ins."""
    run("""
        import sys
        import lsst.pex.config
        import evensky.shim
        before = dict(sys.modules)
        names = evensky.shim.install()
        assert "lsst" not in names and "lsst.pex" not in names and "lsst.pex.config" not in names
        import lsst.pex.config, lsst.pex.exceptions, lsst.utils
        assert all(sys.modules[name] is module for name, module in before.items())
        assert issubclass(lsst.pex.exceptions.NotFoundError, LookupError)
        assert evensky.shim.uninstall() == names
        assert not any(name in sys.modules for name in names)
        assert not hasattr(lsst.pex, "exceptions") and not hasattr(lsst, "afw")
        class Config(lsst.pex.config.Config):
            number = lsst.pex.config.Field("A number.", int, default=3)
        assert Config().number == 3
        try:
            import lsst.afw.math
        except ModuleNotFoundError as error:
            assert error.name == "lsst.afw"
        else:
            raise AssertionError
    """)


def test_a_real_module_is_not_replaced() -> None:
    run("""
        import sys, types
        import lsst
        lsst.afw = sys.modules["lsst.afw"] = types.ModuleType("lsst.afw")
        lsst.afw.__path__ = []
        lsst.afw.math = sys.modules["lsst.afw.math"] = real = types.ModuleType("lsst.afw.math")
        import evensky.shim
        names = evensky.shim.install()
        assert "lsst.afw" not in names and "lsst.afw.math" not in names and "lsst.afw.image" in names
        import lsst.afw.image, lsst.afw.math
        assert lsst.afw.math is real and lsst.afw.image.ImageF(3, 2).getWidth() == 3
        evensky.shim.uninstall()
        assert lsst.afw.math is real and not hasattr(lsst.afw, "image")
    """)


def test_without_any_package_of_lsst() -> None:
    run(
        WITHOUT_LSST
        + textwrap.dedent("""
        import evensky.shim
        assert {"lsst", "lsst.pex", "lsst.pipe.tasks"} <= set(evensky.shim.install())
        import lsst.afw.math as afwMath, lsst.geom
        assert afwMath.makeStatistics([1.0, 3.0], afwMath.MEAN).getValue() == 2
        try:
            import lsst.obs.base
        except ModuleNotFoundError as error:
            assert error.name == "lsst.obs"
        evensky.shim.uninstall()
        assert not any(name.startswith("lsst") for name in sys.modules)
    """)
    )


def test_installed_twice_and_by_many_threads() -> None:
    run("""
        import sys, threading
        import evensky.shim
        found = []
        threads = [threading.Thread(target=lambda: found.append(evensky.shim.install())) for _ in range(16)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        module = sys.modules["lsst.geom"]
        assert len(found) == 16 and all(names == evensky.shim.install() for names in found)
        import lsst.geom
        assert sys.modules["lsst.geom"] is module is lsst.geom
        assert evensky.shim.uninstall() == found[0] and evensky.shim.uninstall() == []
        assert evensky.shim.install() == found[0] and lsst.geom is not module
    """)


def test_one_generation_is_installed_at_a_time() -> None:
    run("""
        import sys
        import types
        tract = sys.modules["evensky.tasks.tract"] = types.ModuleType("evensky.tasks.tract")
        tract.MatchBackgroundsTask = tract.TractBackground = object()
        import evensky.shim, evensky.tasks
        evensky.shim.install(generation="tract")
        from lsst.pipe.tasks.matchBackgrounds import MatchBackgroundsTask
        from lsst.pipe.tasks.background import TractBackground
        assert MatchBackgroundsTask is TractBackground is tract.TractBackground
        import lsst.pipe.tasks.matchBackgrounds as module
        names = evensky.shim.install()
        assert evensky.shim.install("tract") == names
        try:
            evensky.shim.install("exposures")
        except RuntimeError as error:
            assert "is that of install('tract')" in str(error) and "uninstall()" in str(error), error
        else:
            raise SystemExit("installed both")
        assert sys.modules["lsst.pipe.tasks.matchBackgrounds"] is module
        assert module.MatchBackgroundsTask is tract.MatchBackgroundsTask
        evensky.shim.uninstall()
        evensky.shim.install()
        from lsst.pipe.tasks.matchBackgrounds import MatchBackgroundsTask
        assert MatchBackgroundsTask is evensky.tasks.MatchBackgroundsTask
        assert module.MatchBackgroundsTask is tract.MatchBackgroundsTask  # which was imported before
        try:
            evensky.shim.install("tract")
        except evensky.errors.RuntimeError as error:
            assert "is that of install('exposures')" in str(error), error
        else:
            raise SystemExit("installed both")
    """)


def test_connections_of_the_tract_task_need_the_package_of_pipelines() -> None:
    said = run(
        WITHOUT_LSST.replace('split(".")[0] == "lsst"', 'startswith("lsst.pipe")')
        + textwrap.dedent("""
        import evensky.shim
        evensky.shim.install("tract")
        import lsst.pipe.tasks.matchBackgrounds as module
        assert "MatchBackgroundsConnections" not in dir(module)
        try:
            from lsst.pipe.tasks.matchBackgrounds import MatchBackgroundsConnections
        except ImportError as error:
            print(error)
        evensky.shim.uninstall()
        evensky.shim.install("exposures")
        import lsst.pipe.tasks.matchBackgrounds as module
        assert not hasattr(module, "MatchBackgroundsConnections")
    """)
    )
    assert said.startswith(
        "lsst.pipe.tasks.matchBackgrounds.MatchBackgroundsConnections needs lsst.pipe.base, which is"
    )
    assert "pip install 'evensky[pipeline]'" in said


@pytest.mark.extras
def test_connections_of_the_tract_task() -> None:
    pytest.importorskip("lsst.pipe.base")
    run("""
        import evensky.shim
        evensky.shim.install("tract")
        from lsst.pipe.tasks.matchBackgrounds import MatchBackgroundsConnections
        import evensky.interop.tract_pipeline as tract_pipeline
        assert MatchBackgroundsConnections is tract_pipeline.MatchTractBackgroundsConnections
    """)


def test_errors_have_all_their_names() -> None:
    names = run("""
        import evensky.shim
        evensky.shim.install()
        import lsst.pex.exceptions as pexExcept
        for name in (
            "InvalidParameter Length OutOfRange NotFound Runtime Logic Type Domain Overflow Underflow Range Io Timeout"
        ).split():
            assert getattr(pexExcept, name) is getattr(pexExcept, name + "Error") is getattr(
                pexExcept, name + "Exception"
            )
            assert issubclass(getattr(pexExcept, name), pexExcept.Exception), name
            assert {name, name + "Error"} <= set(dir(pexExcept)), name
        import lsst.geom
        for wrong, kinds in (
            (lambda: lsst.geom.Point2I(1.5, 2), (TypeError, pexExcept.TypeError, pexExcept.LogicError)),
            (lambda: lsst.geom.Point2I(1, 2)[5], (IndexError, pexExcept.OutOfRangeError)),
        ):
            for kind in kinds:
                try:
                    wrong()
                except kind as error:
                    assert error.what() == str(error)
        print(pexExcept.FatalAlgorithmError.__name__, pexExcept.LsstCppException.__name__)
    """)
    assert names == "FatalAlgorithmError EvenskyError"


def test_assertions_are_added_as_the_original_does() -> None:
    run("""
        import lsst.utils.tests
        import evensky.shim
        evensky.shim.install()
        assert not hasattr(lsst.utils.tests.TestCase, "assertImagesEqual")
        import lsst.afw.image as afwImage, lsst.afw.image.testUtils
        one, other = afwImage.ImageF(4, 3), afwImage.ImageF(4, 3)
        case = lsst.utils.tests.TestCase()
        case.assertImagesEqual(one, other)
        assert lsst.afw.image.testUtils.makeRampImage(one.getBBox()).array[0, 1] == 1
        assert afwImage.imagesDiffer(one, other) == ""
        other.set(3)
        try:
            case.assertImagesAlmostEqual(one, other)
        except AssertionError as error:
            assert "12 pixels differ; maxDiff=3" in str(error)
        else:
            raise SystemExit("equal")
        evensky.shim.uninstall()
        assert not hasattr(lsst.utils.tests.TestCase, "assertImagesEqual")
    """)


def test_what_is_missing_is_named() -> None:
    said = run("""
        import evensky.shim
        evensky.shim.install()
        import lsst.afw.math
        try:
            lsst.afw.math.makeMosaic
        except AttributeError as error:
            print(error)
        try:
            from lsst.afw.math import makeMosaic
        except ImportError as error:
            print(error)
        assert not hasattr(lsst.afw, "nothing") and not hasattr(lsst.afw.math, "_core")
    """)
    first, second = said.splitlines()
    assert first == "evensky has no 'makeMosaic' for lsst.afw.math; see dir() of evensky.math"
    assert "cannot import name 'makeMosaic' from 'lsst.afw.math'" in second
    with pytest.raises(errors.InvalidParameterError, match="'patch'; it must be one of exposures, tract"):
        install("patch")


def run_shim(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "evensky.shim", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def test_a_script_is_run_unchanged(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("NUMBER = 7\n")
    (tmp_path / "script.py").write_text(
        "import sys\nimport beside\nimport lsst.afw.image as afwImage\n"
        "from lsst.pipe.tasks.matchBackgrounds import MatchBackgroundsTask\n"
        "print(__name__, sys.argv[1:], afwImage.ImageF(3, 2, beside.NUMBER).array.sum())\n"
        "print(MatchBackgroundsTask.__module__)\n"
    )
    for generation, module in (
        ("exposures", "evensky.tasks.match_backgrounds"),
        ("tract", "evensky.tasks.tract.match"),
    ):
        done = run_shim(tmp_path, "--generation", generation, "script.py", "-x", "--help")
        assert done.stdout.splitlines() == ["__main__ ['-x', '--help'] 42.0", module], done.stderr
    done = run_shim(tmp_path, "-m", "script", "one")
    assert done.stdout.startswith("__main__ ['one'] 42.0"), done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "a script or -m"),
        (["missing.py"], "no script missing.py"),
        (["--generation", "x", "a.py"], "invalid choice"),
    ],
)
def test_bad_command_lines(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = run_shim(tmp_path, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
