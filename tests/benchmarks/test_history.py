"""The work of compare.py as tests for pytest-benchmark, which stores times and compares them with earlier ones:

pytest tests/benchmarks --benchmark-autosave
pytest tests/benchmarks --benchmark-compare --benchmark-group-by=func
"""

from __future__ import annotations

import numpy as np
import pytest

import evensky
import evensky.image as afwImage
import evensky.math as afwMath
from benchmarks import workloads

pytest.importorskip("pytest_benchmark")


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = evensky.get_num_threads()
    evensky.set_num_threads(1)
    yield
    evensky.set_num_threads(before)


@pytest.fixture(scope="module")
def masked():
    return workloads.masked_image(*workloads.standard_image())


@pytest.mark.parametrize("flags", [workloads.CLIPPED, workloads.MOMENTS], ids=["clipped", "moments"])
def test_statistics(benchmark, masked, flags):
    statistics = benchmark(afwMath.makeStatistics, masked, flags, workloads.control())
    assert statistics.getValue(afwMath.NPOINT) > 0.9 * workloads.SIDE**2


@pytest.mark.parametrize("size", [64, 128, 256])
def test_background(benchmark, masked, size):
    bctrl = workloads.background_control(masked.image.array, size)
    background = benchmark(afwMath.makeBackground, masked, bctrl)
    assert np.isfinite(background.getStatsImage().image.array).all()


@pytest.mark.parametrize("style", ["AKIMA_SPLINE", "NATURAL_SPLINE", "LINEAR"])
def test_spline_image(benchmark, masked, style):
    background = afwMath.makeBackground(masked, workloads.background_control(masked.image.array, 128))
    assert np.isfinite(benchmark(background.getImageF, style).array).all()


def test_chebyshev_image(benchmark, masked):
    background = afwMath.makeBackground(masked, workloads.background_control(masked.image.array, 128))
    control = afwMath.ApproximateControl(afwMath.ApproximateControl.CHEBYSHEV, 6)
    assert np.isfinite(benchmark(background.getApproximate(control).getImage).array).all()


@pytest.mark.parametrize("way", ["MEAN", "MEANCLIP", "Chebyshev order 8"])
def test_match(benchmark, masked, way):
    reference, science = afwImage.ExposureF(masked), afwImage.ExposureF(masked, True)
    result = benchmark(workloads.tasks()[way].matchBackgrounds, reference, science)
    assert result.matchedMSE < 1e-6


def test_small_call(benchmark):
    small = np.arange(100, dtype=np.float32).reshape(10, 10)
    assert benchmark(afwMath.makeStatistics, small, afwMath.MEAN).getValue() == 49.5
