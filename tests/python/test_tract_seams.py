"""Matches of a tract compared: patch by patch and over the whole tract, as the benchmark compares them."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tract_scenes
from tract_scenes import MatchQuality, TractScene

from benchmarks import tract_seams

BIN = 24


@functools.cache
def make(seed: int = 3, *, centred: bool = True) -> TractScene:
    return tract_scenes.scene(seed, patch=(96, 96), border=8, centred=centred)


def quality(scene: TractScene, method: str) -> MatchQuality:
    return tract_scenes.measure(scene, tract_seams.METHODS[method](scene, BIN))


@pytest.mark.parametrize("method", ["tract task", "tract task, fitted", "tract, jointly"])
def test_a_match_of_the_tract_has_no_seams(method: str) -> None:
    residuals, steps = [], []
    for seed in (1, 2, 3):
        scene = make(seed)
        before, after = quality(scene, "unmatched"), quality(scene, method)
        assert after.patch_seams.rms < 0.05
        assert after.patch_seams.largest < 0.2
        assert after.matched == len(scene.covered)
        residuals.append(after.residual / before.residual)
        steps.append(after.visit_steps.rms / before.visit_steps.rms)
    # How much is left depends on the visit that is the reference, which is chosen for low noise, too.
    assert np.median(residuals) < 1 / 40
    assert np.median(steps) < 1 / 20


def test_a_match_patch_by_patch_has_seams() -> None:
    scene = make()
    own = quality(scene, "patch by patch, own references")
    assert own.patch_seams.rms > 5
    assert own.residual < 5  # though the visits of a patch agree
    # One reference for all patches avoids seams, as long as a visit covers all patches.
    one = quality(scene, "patch by patch, one reference")
    assert 0.05 < one.patch_seams.rms < 1
    assert quality(make(centred=False), "patch by patch, one reference").patch_seams.rms > 5


def test_the_original_has_seams() -> None:
    scene = make()
    original, ours = quality(scene, "tract task, as original"), quality(scene, "tract task")
    assert original.patch_seams.rms > 20 * ours.patch_seams.rms
    assert original.residual > 5 * ours.residual


def test_tracts_that_no_visit_covers() -> None:
    scene = make(centred=False)
    before, after = quality(scene, "unmatched"), quality(scene, "tract task")
    assert after.patch_seams.largest < 0.2
    assert after.residual < before.residual / 3
    assert after.matched == len(scene.covered)


def test_the_table_and_the_picture(tmp_path: Path) -> None:
    arguments = ["--seeds", "1", "--patch", "96", "--border", "8", "--bin", "24", "--case", "centred"]
    chosen = ["--method", "unmatched", "--method", "tract task", "--picture", str(tmp_path / "seams.png")]
    done = subprocess.run(
        [sys.executable, tract_seams.__file__, *arguments, *chosen], capture_output=True, text=True, check=True
    )
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows] == ["| centred", "| ---", "| unmatched", "| tract task"]
    assert float(rows[3][5]) < float(rows[2][5]) / 50
    assert (tmp_path / "seams.png").stat().st_size > 10_000


def test_blocks_are_medians_of_the_pixels_that_exist() -> None:
    image = np.arange(16.0).reshape(4, 4)
    image[:2, :2] = np.nan
    image[0, 3] = np.nan
    np.testing.assert_array_equal(tract_seams.blocks(image, 2), [[np.nan, 6.0], [10.5, 12.5]])
