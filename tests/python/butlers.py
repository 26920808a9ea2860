"""Repositories of a Butler with visits, tracts and patches, and programs that are run on them.

It needs Rubin's packages: tests call ``pytest.importorskip`` before they import it.
"""

from __future__ import annotations

__all__ = ["CAMERA", "make_repository", "run_program", "submission"]

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import astropy.units as u
from astropy.time import Time
from lsst.daf.butler import Butler, DatasetType, Timespan
from lsst.sphgeom import ConvexPolygon, LonLat, UnitVector3d

CAMERA = "Cam"


def _region(ra: float, dec: float, radius: float) -> ConvexPolygon:
    corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    return ConvexPolygon([UnitVector3d(LonLat.fromDegrees(ra + radius * i, dec + radius * j)) for i, j in corners])


def make_repository(
    root: Path,
    visits: Iterable[int],
    tracts: Mapping[int, tuple[int, int]],
    warps: Iterable[tuple[dict[str, int], Any]],
    *,
    warp_type: str = "direct",
    storage_class: str = "MaskedImageV2",
) -> Butler:
    """Make a repository in which all visits may overlap all patches, and put warps into it.

    Parameters
    ----------
    root : Path
        Folder of the repository, which must not exist.
    visits : iterable of int
    tracts : mapping of int to (int, int)
        Numbers of patches in x and y of each tract.
    warps : iterable of (dict, object)
        Each warp with its data ID: visit, tract and patch. They are put into the run ``test/warps``.
    warp_type, storage_class : str, optional
        Type of the warps, as in ``direct_warp``, and storage class.

    Returns
    -------
    Butler
        It can write to the run ``test/warps``.
    """
    Butler.makeRepo(root)
    butler = Butler.from_config(root, writeable=True, run="test/warps")
    insert = butler.registry.insertDimensionData
    camera = {"name": CAMERA, "class_name": "none.Cam", "detector_max": 1, "visit_max": 10**6, "exposure_max": 10**6}
    insert("instrument", camera)
    insert("physical_filter", {"instrument": CAMERA, "name": "r_cam", "band": "r"})
    insert("day_obs", {"instrument": CAMERA, "id": 20260101, "timespan": None})
    start = Time("2026-01-01T00:00:00", scale="tai")
    for k, visit in enumerate(visits):
        record = {
            "instrument": CAMERA,
            "id": visit,
            "name": str(visit),
            "physical_filter": "r_cam",
            "day_obs": 20260101,
            "exposure_time": 30.0,
            "timespan": Timespan(start + k * u.min, start + (k + 0.5) * u.min),
            "region": _region(10.0, 0.0, 1.5),
        }
        insert("visit", record)
    most = [max(sizes) for sizes in zip(*tracts.values(), strict=True)]
    insert(
        "skymap",
        {
            "name": "map",
            "hash": b"\0" * 40,
            "tract_max": max(tracts) + 1,
            "patch_nx_max": most[0],
            "patch_ny_max": most[1],
        },
    )
    for place, (tract, (nx, ny)) in enumerate(tracts.items()):
        ra = 9.5 + place
        insert("tract", {"skymap": "map", "id": tract, "region": _region(ra, 0.0, 0.4)})
        size = 0.8 / max(nx, ny)
        for patch in range(nx * ny):
            row, column = divmod(patch, nx)
            region = _region(ra - 0.4 + (column + 0.5) * size, -0.4 + (row + 0.5) * size, size / 2)
            keys = {"skymap": "map", "tract": tract, "id": patch, "cell_x": column, "cell_y": row}
            insert("patch", {**keys, "region": region})
    kind = DatasetType(
        f"{warp_type}_warp",
        dimensions=("skymap", "tract", "patch", "visit"),
        storageClass=storage_class,
        universe=butler.dimensions,
    )
    butler.registry.registerDatasetType(kind)
    for data_id, warp in warps:
        butler.put(warp, kind, instrument=CAMERA, skymap="map", **data_id)
    return butler


def run_program(arguments: list[str], folder: Path) -> None:
    """Run a program of this Python's environment in a folder, and check that it succeeds."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        arguments, capture_output=True, text=True, check=False, cwd=folder, env=environment, timeout=600
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def submission(pipeline: Path, repository: Path, *, inputs: str = "test/warps", options: str = "") -> str:
    """Return a submission for BPS that runs a pipeline on two cores of this machine, with the output ``test/bps``."""
    return f"""
pipelineYaml: {pipeline}
wmsServiceClass: lsst.ctrl.bps.parsl.ParslService
computeSite: local
parsl:
  log_level: WARN
site:
  local:
    class: lsst.ctrl.bps.parsl.sites.Local
    cores: 2
payload:
  payloadName: test
  butlerConfig: {repository}
  inCollection: {inputs}
  output: test/bps
  outputRun: test/bps/{{timestamp}}
  dataQuery: "skymap='map'"
extraQgraphOptions: "{options}"
project: test
campaign: test
requestMemory: 1000
operator: test
submitPath: submit/{{timestamp}}
"""
