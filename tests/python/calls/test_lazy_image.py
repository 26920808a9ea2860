"""Arrays of dask and xarray: results are what the data were, and have the same bits as those of arrays in memory."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import numpy as np
import pytest
from skies import BAD, BITS, SKY

import evensky
from evensky import _core
from evensky.calls import lazy_image
from evensky.calls.lazy_image import bin_edges
from evensky.errors import InvalidParameterError, LengthError

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")

WEIGHTS = np.where(BAD, 0, 2.0)


@pytest.mark.parametrize("chunks", [(120, 160), (50, 70), (7, 160), ((1, 100, 19), (11, 138, 11))])
@pytest.mark.parametrize("bin_size", [16, (37, 23), 200])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"statistic": "median", "style": "linear"},
        {"order": 1, "sigma": 2.5},
        {"estimator": "mmm", "rms_estimator": "mad", "filter_size": 3, "exclude_percentile": 50, "sigma": (3, 2)},
    ],
)
def test_results_have_the_bits_of_those_in_memory(chunks: Any, bin_size: Any, options: dict[str, Any]) -> None:
    if "order" in options and bin_size == 200:
        pytest.skip("one bin does not determine a plane")
    expected = evensky.estimate_background(SKY, BAD, bin_size=bin_size, **options)
    lazy = da.from_array(SKY, chunks=chunks)
    got = evensky.estimate_background(lazy, da.from_array(BAD, chunks=(33, 44)), bin_size=bin_size, **options)
    for name in ("image", "rms_image", "subtracted"):
        value = getattr(got, name)
        assert isinstance(value, da.Array)
        assert (value.dtype, value.chunks) == (np.float32, lazy.chunks)
        np.testing.assert_array_equal(value.compute(), getattr(expected, name), err_msg=name)
    np.testing.assert_array_equal(got.stats.value, expected.stats.value)
    np.testing.assert_array_equal(got.stats.error, expected.stats.error)
    np.testing.assert_array_equal(got.stats.x, expected.stats.x)
    assert got.level == expected.level
    assert repr(got).replace("Lazy", "") == repr(expected)


@pytest.mark.parametrize("dtype", ["f8", ">f4", "i2", "u2", "i4", "u8"])
@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
def test_types_of_pixels(dtype: str, scheduler: str) -> None:
    pixels = SKY.astype(dtype)
    expected = evensky.estimate_background(pixels, bin_size=30)
    with dask.config.set(scheduler=scheduler):
        got = evensky.estimate_background(da.from_array(pixels, chunks=64), bin_size=30)
        for name in ("image", "rms_image", "subtracted"):
            value, wanted = getattr(got, name).compute(), getattr(expected, name)
            np.testing.assert_array_equal(value, wanted)
            assert value.dtype == wanted.dtype == getattr(got, name).dtype


@pytest.mark.parametrize(
    "given",
    [
        {"weights": WEIGHTS},
        {"variance": da.from_array(np.where(BAD, np.nan, 3), chunks=50)},
        {"mask": BITS, "bad_planes": 4},
        {"mask": np.where(BAD, 8, 0)},
    ],
)
def test_planes_beside_the_array(given: dict[str, Any]) -> None:
    lazy = da.from_array(SKY, chunks=60)
    expected = evensky.estimate_background(SKY, BAD, bin_size=32)
    got = evensky.estimate_background(lazy, bin_size=32, **given)
    np.testing.assert_array_equal(got.image.compute(), expected.image)


def test_a_masked_array_keeps_its_mask() -> None:
    lazy = da.ma.masked_array(da.from_array(SKY, chunks=50), da.from_array(BAD, chunks=50))
    got = evensky.estimate_background(lazy, bin_size=32)
    expected = evensky.estimate_background(np.ma.MaskedArray(SKY, BAD), bin_size=32)
    np.testing.assert_array_equal(got.image.compute(), expected.image)
    subtracted = got.subtracted.compute()
    np.testing.assert_array_equal(np.ma.getmaskarray(subtracted), BAD)
    with pytest.raises(InvalidParameterError, match="mask of its own"):
        evensky.estimate_background(lazy, BAD, bin_size=32)


def test_no_whole_image_is_in_memory() -> None:
    side, piece = 4096, 512
    largest, alive, held = [0], [0], [0]

    def make(block_info: Any = None) -> np.ndarray:
        (top, _), (left, _) = block_info[None]["array-location"]
        y, x = np.mgrid[top : top + piece, left : left + piece]
        alive[0] += 1
        return (100 + 1e-3 * x + 2e-3 * y).astype(np.float32)

    def counted(block: np.ndarray) -> np.ndarray:
        held[0] += 1
        largest[0] = max(largest[0], block.size)
        return block

    sky = da.map_blocks(
        make, chunks=((piece,) * (side // piece),) * 2, dtype=np.float32, meta=np.empty((0, 0), np.float32)
    )
    got = evensky.estimate_background(sky, bin_size=100)
    assert alive[0] == (side // piece) ** 2  # the bins are measured at once
    image = got.image.map_blocks(counted, meta=np.empty((0, 0), np.float32))
    assert held[0] == 0  # nothing is evaluated yet
    corner = image[:piece, :piece].compute()
    assert held[0] == 1
    assert largest[0] == piece**2
    assert alive[0] == (side // piece) ** 2  # and the data are not read again
    y, x = np.mgrid[:piece, :piece]
    assert np.abs(corner - (100 + 1e-3 * x + 2e-3 * y)).max() < 0.2


def test_cubes_of_one_image() -> None:
    got = evensky.estimate_background(da.from_array(SKY[None], chunks=(1, 60, 60)), BAD, bin_size=32)
    assert got.image.shape == got.subtracted.shape == (1, *SKY.shape)
    np.testing.assert_array_equal(got.image[0].compute(), evensky.estimate_background(SKY, BAD, bin_size=32).image)


@pytest.mark.parametrize(
    ("data", "options", "kind", "words"),
    [
        (da.zeros((3, 20, 20)), {}, InvalidParameterError, r"\(3, 20, 20\)"),
        (da.zeros((0, 20)), {}, InvalidParameterError, "no pixels"),
        (da.zeros((20, 20), dtype=complex), {}, InvalidParameterError, "complex128"),
        (da.zeros((20, 20)), {"mask": np.zeros((5, 5), bool)}, LengthError, r"\(5, 5\)"),
        (da.zeros((20, 20)), {"mask": [[True]]}, InvalidParameterError, "mask is a list"),
        (da.zeros((20, 20)), {"weights": np.zeros((20, 20), "U3")}, InvalidParameterError, "weights"),
        (da.zeros((20, 20)), {"bin_size": 0}, InvalidParameterError, "bin_size is 0"),
        (da.zeros((20, 20)), {"order": -1}, InvalidParameterError, "-1"),
        (
            da.zeros((20, 20)),
            {"edge_method": "pad"},
            InvalidParameterError,
            "edge_method is 'pad'",
        ),
        (da.zeros((20, 20)), {"coverage_mask": np.zeros((20, 20))}, InvalidParameterError, "coverage_mask is"),
        (da.zeros((20, 20)), {"statistic": "mean", "sigma": (1, 2)}, InvalidParameterError, "sigma is given"),
        (da.zeros((20, 20)), {"mask_sources": True}, InvalidParameterError, "compute it first"),
    ],
)
def test_bad_arguments(data: Any, options: dict[str, Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        evensky.estimate_background(data, **options)


def test_sizes_that_are_unknown() -> None:
    data = da.from_array(SKY, chunks=50)
    with pytest.raises(InvalidParameterError, match="compute_chunk_sizes"):
        evensky.estimate_background(data[data[:, 0] > 100])


def test_blocks_can_be_sent_to_workers() -> None:
    got = evensky.estimate_background(da.from_array(SKY, chunks=50), bin_size=32)
    again = pickle.loads(pickle.dumps(got.image))
    np.testing.assert_array_equal(again.compute(), got.image.compute())


def test_statistics_of_a_lazy_array() -> None:
    assert evensky.clipped_stats(da.from_array(SKY, chunks=50), BAD) == evensky.clipped_stats(SKY, BAD)


def test_edges_of_bins() -> None:
    for size, count in ((10, 3), (160, 7), (160, 160), (1, 1), (60000, 469)):
        edges = bin_edges(size, count)
        assert (edges[0], edges[-1], len(edges)) == (0, size, count + 1)
        widths = np.diff(edges)
        assert widths.max() - widths.min() <= 1


@pytest.mark.extras
class TestDataArray:
    """``DataArray`` of xarray in, ``DataArray`` out, with coordinates and attributes."""

    @pytest.mark.parametrize("lazy", [False, True])
    def test_background(self, lazy: bool) -> None:
        xarray = pytest.importorskip("xarray")
        y, x = np.arange(SKY.shape[0]) * 0.2, np.arange(SKY.shape[1]) * 0.1
        data = xarray.DataArray(
            da.from_array(SKY, chunks=50) if lazy else SKY,
            dims=("dec", "ra"),
            coords={"dec": y, "ra": x},
            attrs={"units": "adu", "unit": "adu", "telescope": "T1"},
            name="sky",
        )
        got = evensky.estimate_background(data, BAD, bin_size=32)
        expected = evensky.estimate_background(SKY, BAD, bin_size=32)
        assert got.level == expected.level
        for name in ("image", "rms_image", "subtracted"):
            value = getattr(got, name)
            assert type(value) is xarray.DataArray
            assert isinstance(value.data, da.Array if lazy else np.ndarray)
            assert (value.dims, value.attrs, value.name) == (data.dims, data.attrs, "sky")
            np.testing.assert_array_equal(value.coords["ra"], x)
            np.testing.assert_array_equal(value.coords["dec"], y)
            np.testing.assert_array_equal(value.values, getattr(expected, name))
        np.testing.assert_array_equal(data.values, SKY)

    def test_statistics(self) -> None:
        xarray = pytest.importorskip("xarray")
        data = xarray.DataArray(SKY, attrs={"unit": "adu"})
        assert evensky.clipped_stats(data, xarray.DataArray(BAD)) == evensky.clipped_stats(SKY, BAD)


def test_blocks_that_are_measured_at_once_have_their_own_bad_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(3).normal(10, 1, (64, 128))
    weights = np.ones(pixels.shape)
    pixels[::4, :64], weights[::4, :64] = 1e6, 0  # bad pixels in the left block alone
    expected = evensky.estimate_background(pixels, weights=weights > 0, bin_size=64, statistic="mean")
    both, measure = threading.Barrier(2, timeout=20), _core.Background

    class Core:
        @staticmethod
        def Background(image: Any, *given: Any) -> Any:
            if isinstance(image, np.ndarray):  # otherwise the bins of all blocks are put together
                both.wait()
            return measure(image, *given)

        def __getattr__(self, name: str) -> Any:
            return getattr(_core, name)

    monkeypatch.setattr(lazy_image, "_core", Core())
    lazy = da.from_array(pixels, chunks=64)
    with dask.config.set(scheduler="threads", num_workers=2):
        for _ in range(8):  # which block comes last is up to chance
            got = evensky.estimate_background(lazy, weights=weights, bin_size=64, statistic="mean")
            np.testing.assert_array_equal(got.stats.value, expected.stats.value)


def test_the_estimator_is_chosen_as_in_memory() -> None:
    rng = np.random.default_rng(9)
    coarse = (rng.poisson(3, (200, 260)) / 1.7).astype(np.float32)
    mixed = coarse.copy()
    mixed[:64, :64] += rng.normal(0, 1, (64, 64)).astype(np.float32)  # a block that alone would have the mode
    bad = rng.random(coarse.shape) < 0.1
    fine = coarse.copy()
    fine[64:] = np.rint(rng.normal(500, 6, fine[64:].shape)) / 1.7
    both = ((coarse, "mean"), (mixed, "mean"), (mixed[:64, :64], "mode"), (fine, "grouped_mode"))
    for image, expected in both:
        mask = bad[: image.shape[0], : image.shape[1]]
        same = evensky.estimate_background(image, mask, bin_size=16)
        got = evensky.estimate_background(da.from_array(image, chunks=64), mask, bin_size=16)
        assert got.estimator == same.estimator == expected
        assert got.estimator_reason == same.estimator_reason
        np.testing.assert_allclose(got.stats.value, same.stats.value, rtol=1e-12)
