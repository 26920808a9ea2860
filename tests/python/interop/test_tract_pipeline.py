"""The pipeline task of tracts on a real Butler repository: by pipetask, by the Python executor, by BPS with Parsl."""

from __future__ import annotations

import copy
import functools
import importlib.util
import json
import logging
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("lsst.pipe.base")
pytest.importorskip("lsst.daf.butler")
pytest.importorskip("lsst.images")

import butlers
import tract_scenes
import yaml
from lsst.daf.butler import Butler, DatasetType, StorageClassFactory
from lsst.pipe.base import InMemoryDatasetHandle, NoWorkFound
from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor
from tract_scenes import TractScene

import evensky
import evensky.image
import evensky.interop
import evensky.math
from evensky import geom
from evensky.errors import UnsuitableError
from evensky.interop import tract_pipeline
from evensky.interop.lsst_images import to_masked_image
from evensky.interop.tract_pipeline import (
    MatchTractBackgroundsConfig,
    MatchTractBackgroundsConnections,
    MatchTractBackgroundsTask,
)
from evensky.tasks.tract import MatchBackgroundsTask, SkyMap, TractInfo

pytestmark = pytest.mark.filterwarnings("ignore")  # warnings of other packages

PIPELINE = Path(evensky.interop.__file__).with_name("match_tract.yaml")
TRACTS = (0, 1)
SETTINGS = {
    "match.tractBgModel.xBin": 24,
    "match.tractBgModel.yBin": 24,
    "match.tractBgModel.binning": 12,
    "match.reference.tractBgModel.xBin": 24,
    "match.reference.tractBgModel.yBin": 24,
}


@functools.cache
def scene(tract: int) -> TractScene:
    """Return a tract of 3 x 3 patches with 6 visits; only in tract 0 does one visit have all patches."""
    return tract_scenes.scene(5 + tract, patch=(96, 96), border=8, tract=tract, centred=tract == 0)


# A further visit of tract 1 that has no good pixel.
BROKEN = 107, 0


def places(tract: int) -> list[tuple[int, int]]:
    """Return visit and patch of all warps of a tract, sorted."""
    return sorted([*scene(tract).covered, *([BROKEN] if tract == 1 else [])])


# Patches of both tracts that the repository holds, since each read and write of a Butler takes a tenth of a second.
STORED = (0, 1, 3, 4)


def kept(tract: int) -> list[tuple[int, int]]:
    """Return visit and patch of the warps of a tract that the repository holds, sorted."""
    return [(visit, patch) for visit, patch in places(tract) if patch in STORED]


SKY_MAP = SkyMap({tract: scene(tract).info for tract in TRACTS})


@functools.cache
def stored(tract: int, visit: int, patch: int) -> Any:
    if (visit, patch) != BROKEN:
        return to_masked_image(scene(tract).warps[visit, patch])
    warp = to_masked_image(scene(tract).warps[scene(tract).covered[0]])
    warp.image.array[...] = np.nan
    return warp


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("butler") / "repo"
    warps = (
        ({"tract": tract, "visit": visit, "patch": patch}, stored(tract, visit, patch))
        for tract in TRACTS
        for visit, patch in kept(tract)
    )
    visits, sizes = [*scene(0).visits, BROKEN[0]], dict.fromkeys(TRACTS, (3, 3))
    butler = butlers.make_repository(root, visits, sizes, warps, warp_type="psf_matched")
    kind = DatasetType("skyMap", dimensions=("skymap",), storageClass="StructuredDataDict", universe=butler.dimensions)
    butler.registry.registerDatasetType(kind)
    butler.put(SKY_MAP.to_dict(), kind, skymap="map")
    return root


def config(**fields: Any) -> MatchTractBackgroundsConfig:
    made = MatchTractBackgroundsConfig()
    for name, value in SETTINGS.items():
        functools.reduce(getattr, name.split(".")[:-1], made).update(
            **{name.split(".")[-1]: float(value) if name.endswith("Bin") else value}
        )
    made.match.update(**fields)
    return made


def handles(tract: int, *empty: int, at: Sequence[tuple[int, int]] = ()) -> list[InMemoryDatasetHandle]:
    """Return the warps of a tract, or those at some places; some visits have no good pixel."""
    found = []
    for visit, patch in at or places(tract):
        warp = stored(tract, visit, patch).copy()
        if visit in empty:
            warp.image.array[...] = np.nan
        found.append(InMemoryDatasetHandle(warp, tract=tract, visit=visit, patch=patch, copy=True))
    return found


@functools.cache
def in_memory(tract: int) -> Any:
    return MatchTractBackgroundsTask(config=config()).run(handles(tract), SKY_MAP.to_dict())


@functools.cache
def kept_in_memory(tract: int, method: str = "reference") -> Any:
    made = config()
    made.method = method
    return MatchTractBackgroundsTask(config=made).run(handles(tract, at=kept(tract)), SKY_MAP.to_dict())


def check(repository: Path, collection: str, tracts: tuple[int, ...] = TRACTS) -> None:
    """Check that every output is bit-identical to the result of the task in memory, and that nothing else exists."""
    butler = Butler.from_config(repository, collections=[collection])
    for tract in tracts:
        expected = kept_in_memory(tract)
        covered = [place for place in kept(tract) if place != BROKEN]
        where = {"skymap": "map", "tract": tract}
        assert butler.get("psf_matched_warp_background_tract_fit", band="r", **where) == expected.quality
        assert sorted(expected.matchedImageList) == sorted(expected.backgroundInfoList) == covered
        for name in ("matched", "diff"):
            found = butler.query_datasets(f"psf_matched_warp_background_{name}", where="tract = :t", bind={"t": tract})
            assert len(found) == len(covered)
        for (visit, patch), warp in expected.matchedImageList.items():
            place = {"instrument": butlers.CAMERA, "visit": visit, "patch": patch, **where}
            got = butler.get("psf_matched_warp_background_matched", place)
            np.testing.assert_array_equal(got.image.array, warp.image.array)
            np.testing.assert_array_equal(got.mask.array, warp.mask.array)
            np.testing.assert_array_equal(got.variance.array, warp.variance.array)
            assert (got.bbox, got.unit, got.mask.schema) == (warp.bbox, warp.unit, warp.mask.schema)
            model = butler.get("psf_matched_warp_background_diff", place)
            np.testing.assert_array_equal(model.array, expected.backgroundInfoList[visit, patch].array)
            assert (model.bbox, model.unit) == (warp.bbox, warp.unit)


def test_pipetask(repository: Path, tmp_path: Path) -> None:
    where = ["-b", str(repository), "-i", "test/warps", "-o", "test/pipetask", "-d", "skymap='map'"]
    changes = [part for name, value in SETTINGS.items() for part in ("-c", f"matchTractBackgrounds:{name}={value}")]
    what = ["-p", str(PIPELINE), *changes, "--register-dataset-types"]
    butlers.run_program(["pipetask", "run", *where, *what, "-j", "2"], tmp_path)
    check(repository, "test/pipetask")


def test_the_executor_of_python(repository: Path) -> None:
    butler = SimplePipelineExecutor.prep_butler(str(repository), inputs=["test/warps"], output="test/simple")
    executor = SimplePipelineExecutor.from_task_class(
        MatchTractBackgroundsTask, config=config(), where="skymap = 'map' AND tract = 1", butler=butler
    )
    assert len(executor.run(register_dataset_types=True)) == 1
    check(repository, "test/simple", (1,))


def test_bps(repository: Path, tmp_path: Path) -> None:
    pytest.importorskip("lsst.ctrl.bps.parsl")
    options = " ".join(f"-c matchTractBackgrounds:{name}={value}" for name, value in SETTINGS.items())
    (tmp_path / "submission.yaml").write_text(butlers.submission(PIPELINE, repository, options=options))
    butlers.run_program(["bps", "submit", "submission.yaml"], tmp_path)
    check(repository, "test/bps")


@pytest.mark.parametrize("tract", TRACTS)
def test_the_numbers_are_the_task_s(tract: int) -> None:
    ours = in_memory(tract)
    seen = {}
    warps = sorted(scene(tract).handles(), key=lambda one: (one.dataId["visit"], one.dataId["patch"]))
    plain = MatchBackgroundsTask(config=config().match).run(
        warps, SKY_MAP, take=lambda warp, *made: seen.update({(warp.dataId["visit"], warp.dataId["patch"]): made})
    )
    assert plain.reference == ours.quality["reference"]
    assert sorted(seen) == sorted(ours.matchedImageList)
    for place, (background, matched) in seen.items():
        np.testing.assert_array_equal(matched.image.array, ours.matchedImageList[place].image.array)
        np.testing.assert_array_equal(background.getImage().array, ours.backgroundInfoList[place].array)


@pytest.mark.parametrize("tract", TRACTS)
def test_patches_have_no_seams_and_visits_no_steps(tract: int) -> None:
    models = {place: model.array for place, model in in_memory(tract).backgroundInfoList.items()}
    before = tract_scenes.measure(scene(tract), {place: np.zeros_like(model) for place, model in models.items()})
    after = tract_scenes.measure(scene(tract), models)
    assert after.patch_seams.largest < 0.1
    assert after.visit_steps.rms < before.visit_steps.rms / 5
    assert after.residual < before.residual / (30 if tract == 0 else 5)


def test_results_are_handed_on_as_they_are_made() -> None:
    order = []

    class Handle(SimpleNamespace):
        def get(self) -> Any:
            order.append(("read", self.dataId["visit"], self.dataId["patch"]))
            return stored(0, self.dataId["visit"], self.dataId["patch"])

    def take(place: tuple[int, int], model: Any, matched: Any) -> None:
        order.append(("written", *place))

    warps = [Handle(dataId={"tract": 0, "visit": v, "patch": p}) for v, p in sorted(scene(0).covered)]
    result = MatchTractBackgroundsTask(config=config(heldMegabytes=0)).run(warps, SKY_MAP, take=take)
    assert result.matchedImageList == result.backgroundInfoList == {}
    # In the last pass, each warp is read and written before the next one is read.
    last = order[-2 * len(warps) :]
    assert [kind for kind, *_ in last] == ["read", "written"] * len(warps)
    assert [one[1:] for one in last[::2]] == [one[1:] for one in last[1::2]] == sorted(scene(0).covered)


def test_the_quality_table() -> None:
    quality = copy.deepcopy(in_memory(1).quality)
    assert quality["visits"].pop(str(BROKEN[0]))["status"] == "skipped"
    assert "no good pixel in common with the reference" in quality["skipped"][str(BROKEN[0])]
    assert yaml.safe_load(yaml.safe_dump(quality)) == quality
    assert json.loads(json.dumps(quality)) == quality
    assert sorted(quality["visits"]) == sorted(map(str, scene(1).visits))
    reference = quality["visits"][str(quality["reference"])]
    assert reference["status"] == "reference"
    assert "cost" in quality["reason"]
    costs = {visit: one["cost"]["cost"] for visit, one in quality["visits"].items()}
    assert min(costs, key=costs.__getitem__) == str(quality["reference"])
    for visit, one in quality["visits"].items():
        patches = {str(patch) for number, patch in scene(1).covered if str(number) == visit}
        assert set(one["patches"]) == patches
        if one["status"] == "matched":
            assert 0 < one["good_fraction"] < 1
            assert 0 <= one["filled_fraction"] < 1
            assert one["good_bins"] > 0
    others = [one for one in quality["visits"].values() if one["status"] == "matched"]
    assert any("EXTRAPOLATED" in one["flags"] for one in others)
    assert any("NO_OVERLAP" in patch["flags"] for one in others for patch in one["patches"].values())


def test_a_visit_that_cannot_be_matched_does_not_stop_the_others() -> None:
    result = MatchTractBackgroundsTask(config=config()).run(handles(0, 103), SKY_MAP)
    assert {visit for visit, _ in result.matchedImageList} == set(scene(0).visits) - {103}
    assert result.quality["visits"]["103"]["status"] == "skipped"
    assert "no good pixel" in result.quality["skipped"]["103"]


def test_visits_without_a_good_pixel_are_no_work() -> None:
    with pytest.raises(NoWorkFound, match="can be the reference"):
        MatchTractBackgroundsTask(config=config()).run(handles(0, *scene(0).visits), SKY_MAP)


def test_one_visit_alone_is_no_work() -> None:
    given = [one for one in handles(0) if one.dataId["visit"] == 101]
    with pytest.raises(NoWorkFound, match="1 visits; at least 2"):
        MatchTractBackgroundsTask(config=config()).run(given, SKY_MAP)
    with pytest.raises(NoWorkFound, match="0 visits"):
        MatchTractBackgroundsTask(config=config()).run([], SKY_MAP)


def test_a_reference_by_its_visit(caplog: pytest.LogCaptureFixture) -> None:
    task = MatchTractBackgroundsTask(config=config(refWarpVisit=102))
    assert task.run(handles(0), SKY_MAP).quality["reference"] == 102
    task = MatchTractBackgroundsTask(config=config(refWarpVisit=999))  # this visit does not cover the tract
    with caplog.at_level(logging.WARNING):
        result = task.run(handles(0), SKY_MAP)
    note = "refWarpVisit 999 has no warp in this tract, so the reference is chosen automatically."
    assert note in caplog.text
    expected = in_memory(0).quality
    assert result.quality == {**expected, "reason": f"{note} {expected['reason']}"}
    assert task.config.match.refWarpVisit == 999
    made = config(refWarpVisit=999)
    made.method = "joint"
    jointly_matched = MatchTractBackgroundsTask(config=made).run(handles(0), SKY_MAP)
    assert jointly_matched.quality["reason"].startswith(f"{note} ")


def test_a_named_reference_without_a_good_pixel_is_an_error() -> None:
    with pytest.raises(UnsuitableError, match="refWarpVisit is 102, which cannot be the reference"):
        MatchTractBackgroundsTask(config=config(refWarpVisit=102)).run(handles(0, 102), SKY_MAP)


def test_a_sky_map_that_is_not_that_of_the_warps_is_an_error() -> None:
    other = SkyMap({0: TractInfo((40, 40), (3, 3), border=8)})
    with pytest.raises(UnsuitableError, match="does not lie in the outer box of its patch"):
        MatchTractBackgroundsTask(config=config()).run(handles(0), other)


def test_the_quality_table_says_which_patch_does_not_exist() -> None:
    given = handles(0)
    given.append(InMemoryDatasetHandle(given[0].get(), tract=0, visit=101, patch=99))
    quality = MatchTractBackgroundsTask(config=config()).run(given, SKY_MAP).quality
    ((visit, patch, reason),) = quality["unreadable"]
    assert (visit, patch) == (101, 99)
    assert reason.startswith("its tract has no patch 99")


def test_a_series_that_does_not_fit_is_flagged_in_the_quality_table() -> None:
    quality = MatchTractBackgroundsTask(config=config(fit="chebyshev", fitMaxOrder=0)).run(handles(0), SKY_MAP).quality
    fits = [one for one in quality["visits"].values() if one["status"] == "matched"]
    assert all("raise fitMaxOrder" in one["flags"]["POOR_FIT"] for one in fits)
    assert all(one["chi2"] > 2.5**2 and one["rms"] > 0 for one in fits)
    plain = [one for one in in_memory(0).quality["visits"].values() if one["status"] == "matched"]
    assert all(one["rms"] is one["mse"] is one["chi2"] is None and one["bin_scatter"] > 0 for one in plain)
    assert not any("POOR_FIT" in one["flags"] for one in plain)


def test_as_the_original() -> None:
    given = handles(0)
    result = MatchTractBackgroundsTask(config=config(asOriginal=True)).run(given, SKY_MAP)
    reference = result.quality["reference"]
    for handle in given:
        place = handle.dataId["visit"], handle.dataId["patch"]
        model, matched = result.backgroundInfoList[place], result.matchedImageList[place]
        assert model.bbox == matched.bbox == handle.inMemoryDataset.bbox
        assert np.any(model.array) == (place[0] != reference)
        np.testing.assert_array_equal(matched.image.array, handle.inMemoryDataset.image.array + model.array)
    ours, theirs = (
        tract_scenes.measure(scene(0), {place: model.array for place, model in one.backgroundInfoList.items()})
        for one in (in_memory(0), result)
    )
    assert theirs.patch_seams.rms > 100 * ours.patch_seams.rms


def test_connections_have_the_names_of_the_original() -> None:
    connections = MatchTractBackgroundsConnections(config=MatchTractBackgroundsConfig())
    assert connections.dimensions == {"skymap", "tract", "band"}
    names = {name: connections.allConnections[name].name for name in connections.allConnections}
    assert {name: names[name] for name in ("warps", "skyMap", "backgroundInfoList", "matchedImageList", "quality")} == {
        "warps": "psf_matched_warp",
        "skyMap": "skyMap",
        "backgroundInfoList": "psf_matched_warp_background_diff",
        "matchedImageList": "psf_matched_warp_background_matched",
        "quality": "psf_matched_warp_background_tract_fit",
    }
    changed = MatchTractBackgroundsConfig()
    changed.connections.warpType = "direct"
    changed.connections.warpTypeSuffix = "_new"
    connections = MatchTractBackgroundsConnections(config=changed)
    assert connections.warps.name == "direct_warp_new"
    assert connections.matchedImageList.name == "direct_warp_new_background_matched"


class StackExposure:
    """Exposure that stands in for one of ``lsst.afw``: its class is not one of this package."""

    def __init__(self, exposure: Any) -> None:
        self._exposure = exposure
        self.image, self.mask, self.variance = exposure.image, exposure.mask, exposure.variance

    def getBBox(self) -> Any:
        return self._exposure.getBBox()

    def clone(self) -> StackExposure:
        return StackExposure(self._exposure.clone())


StackExposure.__module__ = "lsst.afw.image"


def test_exposures_of_the_stack_get_backgrounds_of_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, module in {"afw.math": evensky.math, "afw.image": evensky.image, "geom": geom}.items():
        monkeypatch.setitem(sys.modules, f"lsst.{name}", module)
    given = [
        SimpleNamespace(dataId=one.dataId, get=lambda one=one: StackExposure(one.get())) for one in scene(0).handles()
    ]
    result = MatchTractBackgroundsTask(config=config()).run(given, SKY_MAP)
    expected = in_memory(0)
    assert result.quality == expected.quality
    for place, background in result.backgroundInfoList.items():
        assert type(background) is evensky.math.BackgroundList
        np.testing.assert_array_equal(background.getImage().array, expected.backgroundInfoList[place].array)
        matched = result.matchedImageList[place]
        assert type(matched) is StackExposure
        np.testing.assert_array_equal(matched.image.array, expected.matchedImageList[place].image.array)


def test_backgrounds_of_the_stack_have_all_planes_and_styles(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, module in {"afw.math": evensky.math, "afw.image": evensky.image, "geom": geom}.items():
        monkeypatch.setitem(sys.modules, f"lsst.{name}", module)
    result = MatchBackgroundsTask(config=config().match).run(scene(1).handles(), SKY_MAP)
    masked = False
    for background in result.backgroundInfoList:
        (mine, *styles), (its, *others) = background[0], tract_pipeline.stack_background(background)[0]
        assert styles == others
        masked |= bool(mine.getStatsImage().mask.array.any())
        for plane in ("image", "mask", "variance"):
            pair = (getattr(one.getStatsImage(), plane).array for one in (mine, its))
            np.testing.assert_array_equal(*pair)
    assert masked


def test_storage_classes_are_those_of_the_packages_that_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    connections = MatchTractBackgroundsConnections(config=MatchTractBackgroundsConfig())
    names = ("warps", "skyMap", "backgroundInfoList", "matchedImageList", "quality")
    ours = ("MaskedImageV2", "StructuredDataDict", "ImageV2", "MaskedImageV2", "StructuredDataDict")
    assert tuple(getattr(connections, name).storageClass for name in names) == ours

    # A module that only stands in for the stack does not count.
    monkeypatch.setitem(sys.modules, "lsst.afw", ModuleType("lsst.afw"))
    monkeypatch.setitem(sys.modules, "lsst.afw.image", ModuleType("lsst.afw.image"))
    assert tuple(getattr(_imported_anew(), name).storageClass for name in names) == ours

    # With the stack.
    find = importlib.util.find_spec
    real = find("lsst.images")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: real if name in ("lsst.afw.image", "lsst.skymap") else find(name)
    )
    theirs = ("ExposureF", "SkyMap", "Background", "ExposureF", "StructuredDataDict")
    assert tuple(getattr(_imported_anew(), name).storageClass for name in names) == theirs
    assert all(name in StorageClassFactory() for name in ours + theirs)


def _imported_anew() -> Any:
    """Return the connections of the module as it is when it is imported now."""
    spec = importlib.util.spec_from_file_location("evensky.interop.again", tract_pipeline.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.MatchTractBackgroundsConnections(config=module.MatchTractBackgroundsConfig())


def test_the_sky_map_of_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    butlers.make_repository(tmp_path / "repo", [1], {9813: (10, 10)}, [])
    page = (Path(__file__).parents[3] / "docs" / "pipeline.md").read_text()
    (script,) = re.findall(r"^```python\n(from lsst.daf.butler .*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(script.replace("my_map", "map"), "pipeline.md", "exec"), names)
    stored_map = Butler.from_config("repo", collections=["my/warps"]).get("skyMap", skymap="map")
    assert SkyMap.from_dict(stored_map) == names["sky_map"]
    assert stored_map == names["sky_map"].to_dict()


@functools.cache
def jointly(tract: int, **fields: Any) -> Any:
    made = config(**fields)
    made.method = "joint"
    return MatchTractBackgroundsTask(config=made).run(handles(tract), SKY_MAP.to_dict())


@pytest.mark.parametrize("tract", TRACTS)
def test_a_joint_match_leaves_no_seams_and_no_steps(tract: int) -> None:
    result = jointly(tract)
    assert sorted(result.matchedImageList) == sorted(result.backgroundInfoList) == sorted(scene(tract).covered)
    models = {place: model.array for place, model in result.backgroundInfoList.items()}
    before = tract_scenes.measure(scene(tract), {place: np.zeros_like(model) for place, model in models.items()})
    after = tract_scenes.measure(scene(tract), models)
    assert after.patch_seams.largest < 0.01
    assert after.visit_steps.rms < before.visit_steps.rms / 20
    # Visits that meet the reference nowhere are matched as well as others.
    assert after.residual < before.residual / 20


def test_the_quality_table_of_a_joint_match() -> None:
    quality = jointly(1).quality
    assert yaml.safe_load(yaml.safe_dump(quality)) == quality
    assert json.loads(json.dumps(quality)) == quality
    assert quality["level"] == "mean"
    assert quality["config"]["terms"] == ["smooth", "gain"]
    assert quality["config"]["bad_planes"] == ["BAD", "SAT", "EDGE", "NO_DATA"]
    assert set(quality["skipped"]) == {str(BROKEN[0])}
    assert quality["unreadable"][0][:2] == list(BROKEN)
    for visit, one in quality["visits"].items():
        assert one["status"] in (("skipped",) if visit == str(BROKEN[0]) else ("matched", "reference"))
        if one["status"] == "matched":
            assert one["model"].startswith("Chebyshev")
        assert set(one["patches"]) == {str(patch) for number, patch in places(1) if str(number) == visit}


def test_a_named_visit_stays_unchanged_in_a_joint_match() -> None:
    result = jointly(0, refWarpVisit=104)
    assert result.quality["reference"] == 104
    for (visit, patch), matched in result.matchedImageList.items():
        same = np.array_equal(matched.image.array, stored(0, visit, patch).image.array, equal_nan=True)
        assert same == (visit == 104)


def test_a_joint_match_by_the_executor_of_python(repository: Path) -> None:
    made = config()
    made.method = "joint"
    prepared = SimplePipelineExecutor.prep_butler(str(repository), inputs=["test/warps"], output="test/joint")
    executor = SimplePipelineExecutor.from_task_class(
        MatchTractBackgroundsTask, config=made, where="skymap = 'map' AND tract = 0", butler=prepared
    )
    assert len(executor.run(register_dataset_types=True)) == 1
    butler = Butler.from_config(repository, collections=["test/joint"])
    expected = kept_in_memory(0, "joint")
    assert sorted(expected.matchedImageList) == kept(0)
    for (visit, patch), warp in expected.matchedImageList.items():
        place = {"instrument": butlers.CAMERA, "visit": visit, "patch": patch, "skymap": "map", "tract": 0}
        got = butler.get("psf_matched_warp_background_matched", place)
        np.testing.assert_array_equal(got.image.array, warp.image.array)


def test_a_series_is_its_own_approximation() -> None:
    visit, patch = max(scene(0).warps)
    run = evensky.match_tract(scene(0).warps, SKY_MAP, tract=0)
    model = run.models[visit, patch]
    background = tract_pipeline.series_background(model, run.warps[visit, patch])
    np.testing.assert_allclose(background.getImage().array, model.image(), atol=1e-3)
    nothing = tract_pipeline.series_background(None, run.warps[visit, patch])
    assert not nothing.getImage().array.any()


def test_stand_ins_are_not_taken_for_installed_packages() -> None:
    program = "import evensky.shim; evensky.shim.install(); from evensky.interop import tract_pipeline as made; "
    program += "print(made._WARP_CLASS, made._MODEL_CLASS, made._SKY_MAP_CLASS)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [getattr(tract_pipeline, f"_{name}_CLASS") for name in ("WARP", "MODEL", "SKY_MAP")]
