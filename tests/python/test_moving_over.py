"""Scripts written for the original run after only their imports are changed."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "differences.md"


def moves() -> dict[str, str]:
    """Return the table of imports on the page."""
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|$", PAGE.read_text(), flags=re.MULTILINE)
    return dict(rows)


def moved(script: str) -> str:
    for before, after in moves().items():
        script = script.replace(before, after)
    assert "lsst" not in script
    return script


def test_the_pages_script() -> None:
    (script,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(moved(script), "differences.md", "exec"), names)
    assert names["level"] == pytest.approx(1000, abs=1)
    assert 0 < names["error"] < 0.1
    assert names["grid"].shape == (6, 8)
    assert names["corner"] == pytest.approx(1000, abs=5)
    assert abs(names["mi"].image.array.mean()) < 0.5


TASK_SCRIPT = """
import lsst.geom as geom
import lsst.afw.image as afwImage
import lsst.afw.math as afwMath
import lsst.pex.exceptions as pexExcept
from lsst.pipe.tasks.matchBackgrounds import MatchBackgroundsTask, MatchBackgroundsConfig
from lsst.pipe.base import Struct, TaskError

config = MatchBackgroundsTask.ConfigClass()
config.usePolynomial = True
config.order = 1
config.binSize = 20
config.gridStatistic = "MEANCLIP"
config.badMaskPlanes = ["NO_DATA", "DETECTED", "SAT"]
task = MatchBackgroundsTask(config=config)

reference = dataRefs[1]
result = task.run(dataRefs, expDatasetType="coaddTempExp", imageScalerList=scalers, refExpDataRef=reference)
infos = result.backgroundInfoList
model = infos[0].backgroundModel.getImage()
selected = task.selectRefExposure(dataRefs, scalers, "coaddTempExp")
try:
    task.run([], "coaddTempExp")
except TaskError as error:
    message = str(error)
try:
    afwMath.makeInterpolate([0.0, 1.0], [0.0, 1.0], afwMath.Interpolate.AKIMA_SPLINE)
except pexExcept.OutOfRangeError as error:
    reason = str(error)
"""


def test_the_task_over_an_old_butler() -> None:
    import numpy as np

    from evensky.image import ExposureF, ImageScaler, MaskedImageF

    rng = np.random.default_rng(2)
    y, x = np.mgrid[0:100, 0:120]

    class DataRef:
        butlerSubset = SimpleNamespace(butler=SimpleNamespace(getKeys=lambda datasetType: {"visit": int}))

        def __init__(self, visit: int) -> None:
            self.dataId = {"visit": visit, "tract": 0}
            masked = MaskedImageF(120, 100)
            masked.image.array[:] = 100 * visit + 0.1 * visit * x - 0.2 * y + rng.normal(0, 1, x.shape)
            masked.variance.set(1.0)
            self.exposure = ExposureF(masked)

        def datasetExists(self, datasetType: str) -> bool:
            return datasetType == "coaddTempExp"

        def get(self, datasetType: str, immediate: bool = False) -> ExposureF:
            return self.exposure

    names: dict[str, Any] = {"dataRefs": [DataRef(v) for v in (1, 2, 3)], "scalers": [ImageScaler(1.0)] * 3}
    exec(compile(moved(TASK_SCRIPT), "script", "exec"), names)
    infos = names["infos"]
    assert [info.isReference for info in infos] == [False, True, False]
    assert names["model"].array[50, 60] == pytest.approx(100 + 0.1 * 60, abs=0.2)
    assert infos[2].matchedMSE == pytest.approx(infos[2].diffImVar, rel=0.05)
    assert names["selected"] in (0, 1, 2)
    assert "reference" in names["message"]
    assert "AKIMA_SPLINE needs at least 5" in names["reason"]
