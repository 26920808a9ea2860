"""The pipeline task on a real Butler repository: by pipetask, and by the Python executor.

By BPS with Parsl, which takes many processes, the task of tracts alone is run.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("lsst.pipe.base")
pytest.importorskip("lsst.daf.butler")
pytest.importorskip("lsst.images")

import astropy.units as u
import butlers
import lsst.images as li
from lsst.daf.butler import Butler
from lsst.pipe.base import InMemoryDatasetHandle, NoWorkFound
from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor

import evensky.interop
from evensky.interop.pipeline import MatchWarpBackgroundsConfig, MatchWarpBackgroundsTask
from evensky.tasks import MatchBackgroundsTask

pytestmark = pytest.mark.filterwarnings("ignore")  # warnings of other packages

PIPELINE = Path(evensky.interop.__file__).with_name("match_warps.yaml")
SIDE = 192
VISITS = (101, 102, 103, 104, 105, 106)
PATCHES = (0, 1)
NAMES = ("BAD", "SATURATED", "INTERPOLATED", "COSMIC_RAY", "DETECTED", "DETECTED_NEGATIVE", "SUSPECT", "NO_DATA")
PLANES = [li.MaskPlane(name, "") for name in NAMES]


def make_warp(patch: int, visit: int) -> Any:
    """Make a warp with stars that all visits share, noise, a sky of its own, and a hole without data."""
    box = li.Box.from_shape((SIDE, SIDE), start=(0, patch * SIDE))
    shared, own = np.random.default_rng(patch), np.random.default_rng([patch, visit])
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    k = visit - 100
    pixels = 100 + 7 * k + 9 * k * x - 5 * k * y + own.normal(0, 3, (SIDE, SIDE))
    mask = li.Mask(0, schema=li.MaskSchema(PLANES), bbox=box)
    detected = np.zeros((SIDE, SIDE), bool)
    for row, column in shared.integers(10, SIDE - 10, (15, 2)):
        star = 400 * np.exp(-((y * SIDE - row) ** 2 + (x * SIDE - column) ** 2) / 8)
        pixels += star
        detected |= star > 3
    hole = np.zeros((SIDE, SIDE), bool)
    hole[20:60, 10 * k : 10 * k + 25] = True
    pixels[hole] = np.nan
    mask.set("DETECTED", detected)
    mask.set("NO_DATA", hole)
    image = li.Image(pixels.astype(np.float32), bbox=box, unit=u.nJy)
    variance = li.Image(np.full((SIDE, SIDE), 9, np.float32), bbox=box)
    return li.MaskedImage(image, mask=mask, variance=variance)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("butler") / "repo"
    warps = (
        ({"visit": visit, "tract": 0, "patch": patch}, make_warp(patch, visit)) for patch in PATCHES for visit in VISITS
    )
    butlers.make_repository(root, VISITS, {0: (len(PATCHES), 1)}, warps)
    return root


def config() -> MatchWarpBackgroundsConfig:
    made = MatchWarpBackgroundsConfig()
    made.match.binSize = 48
    return made


@functools.cache
def in_memory(repository: Path, patch: int) -> Any:
    butler = Butler.from_config(repository, collections=["test/warps"])
    handles = [
        InMemoryDatasetHandle(
            butler.get("direct_warp", instrument="Cam", visit=visit, skymap="map", tract=0, patch=patch),
            visit=visit,
        )
        for visit in VISITS
    ]
    return MatchWarpBackgroundsTask(config=config()).run(handles)


def check(repository: Path, collection: str) -> None:
    """Check that every output is bit-identical to the result of the task in memory."""
    butler = Butler.from_config(repository, collections=[collection])
    compared = 0
    for patch in PATCHES:
        expected = in_memory(repository, patch)
        where = {"skymap": "map", "tract": 0, "patch": patch}
        assert butler.get("direct_warp_background_fit", band="r", **where) == expected.fits
        assert sorted(expected.matched) == list(VISITS)
        assert len(expected.models) == len(VISITS) - 1
        for visit, warp in expected.matched.items():
            got = butler.get("direct_warp_background_matched", instrument="Cam", visit=visit, **where)
            np.testing.assert_array_equal(got.image.array, warp.image.array)
            np.testing.assert_array_equal(got.mask.array, warp.mask.array)
            np.testing.assert_array_equal(got.variance.array, warp.variance.array)
            assert (got.bbox, got.unit, got.mask.schema) == (warp.bbox, warp.unit, warp.mask.schema)
            compared += 1
        for visit, model in expected.models.items():
            got = butler.get("direct_warp_background_diff", instrument="Cam", visit=visit, **where)
            np.testing.assert_array_equal(got.array, model.array)
            compared += 1
    assert compared == 2 * (6 + 5)


def test_pipetask(repository: Path, tmp_path: Path) -> None:
    where = ["-b", str(repository), "-i", "test/warps", "-o", "test/pipetask", "-d", "skymap='map'"]
    what = ["-p", str(PIPELINE), "-c", "matchWarpBackgrounds:match.binSize=48", "--register-dataset-types"]
    butlers.run_program(["pipetask", "run", *where, *what, "-j", "2"], tmp_path)
    check(repository, "test/pipetask")


def test_the_executor_of_python(repository: Path) -> None:
    butler = SimplePipelineExecutor.prep_butler(str(repository), inputs=["test/warps"], output="test/simple")
    executor = SimplePipelineExecutor.from_task_class(MatchWarpBackgroundsTask, config=config(), butler=butler)
    assert len(executor.run(register_dataset_types=True)) == len(PATCHES)
    check(repository, "test/simple")


def test_the_numbers_are_the_task_s(repository: Path) -> None:
    butler = Butler.from_config(repository, collections=["test/warps"])
    handles = [
        butler.getDeferred("direct_warp", instrument="Cam", visit=visit, skymap="map", tract=0, patch=0)
        for visit in VISITS
    ]
    ours = in_memory(repository, 0)
    reference = handles[VISITS.index(ours.fits["reference"])]
    plain = MatchBackgroundsTask(config=config().match).run(handles, "direct_warp", refExpDataRef=reference)
    for visit, info in zip(VISITS, plain.backgroundInfoList, strict=True):
        fit = ours.fits["visits"][str(visit)]
        assert info.isReference == (fit["status"] == "reference")
        assert info.fitRMS == fit["fit_rms"]
        if not info.isReference:
            assert info.matchedMSE == fit["matched_mse"]
            np.testing.assert_array_equal(info.backgroundModel.getImageF().array, ours.models[visit].array)
    assert MatchBackgroundsTask(config=config().match).selectRefExposure(handles, None, "direct_warp") == VISITS.index(
        ours.fits["reference"]
    )


def handle(image: Any, visit: int) -> InMemoryDatasetHandle:
    return InMemoryDatasetHandle(image, visit=visit)


def test_a_warp_that_fails_does_not_stop_the_others() -> None:
    broken = make_warp(0, 103)
    broken.image.array[...] = np.nan
    warps = [handle(make_warp(0, 101), 101), handle(make_warp(0, 102), 102), handle(broken, 103)]
    result = MatchWarpBackgroundsTask(config=config()).run(warps)
    assert result.fits["visits"]["103"]["status"] == "failed"
    assert "no good pixel" in result.fits["visits"]["103"]["message"]
    assert sorted(result.matched) == [101, 102]


def test_warps_without_a_good_pixel_are_no_work() -> None:
    warps = [make_warp(0, visit) for visit in (101, 102)]
    for warp in warps:
        warp.image.array[...] = np.nan
    with pytest.raises(NoWorkFound, match="good pixels"):
        MatchWarpBackgroundsTask(config=config()).run([handle(warp, 101 + k) for k, warp in enumerate(warps)])


def test_a_reference_by_its_visit() -> None:
    chosen = config()
    chosen.refVisit = 102
    warps = [handle(make_warp(0, visit), visit) for visit in (101, 102)]
    assert MatchWarpBackgroundsTask(config=chosen).run(warps).fits["reference"] == 102
    chosen = config()
    chosen.refVisit = 999  # this visit does not cover the patch
    assert MatchWarpBackgroundsTask(config=chosen).run(warps).fits["reference"] in (101, 102)


def test_one_warp_alone_is_no_work() -> None:
    with pytest.raises(NoWorkFound, match="There are 1 warps"):
        MatchWarpBackgroundsTask(config=config()).run([handle(make_warp(0, 101), 101)])


def test_the_repository_is_left_alone(repository: Path) -> None:
    butler = Butler.from_config(repository, collections=["test/warps"])
    got = butler.get("direct_warp", instrument="Cam", visit=101, skymap="map", tract=0, patch=0)
    np.testing.assert_array_equal(got.image.array, make_warp(0, 101).image.array)


def test_a_warp_of_another_box_is_not_matched() -> None:
    warps = [make_warp(0, 101), make_warp(1, 102)]
    handles = [InMemoryDatasetHandle(warp, visit=101 + k) for k, warp in enumerate(warps)]
    visits = MatchWarpBackgroundsTask(config=config()).run(handles).fits["visits"]
    assert sorted(one["status"] for one in visits.values()) == ["failed", "reference"]
    assert any("its box is" in one["message"] for one in visits.values())
