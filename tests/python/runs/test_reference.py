"""The method "reference": each exposure is matched to one reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from small_runs import make_config, make_exposure, make_store, write_items

from evensky.image import ExposureF
from evensky.io import read_exposure
from evensky.math.background import BackgroundMI
from evensky.runs.record import ExposureRecord
from evensky.runs.reference import ReferenceMethod
from evensky.runs.source import Frame, Item, MemorySource, Result, Source
from evensky.runs.store import FileStore
from evensky.tasks import MatchBackgroundsTask


class Kept(MemorySource):
    """Keeps the results beside the pixels, too."""

    def __init__(self, exposures: Any, bad_planes: Any) -> None:
        super().__init__(exposures, bad_planes)
        self.results: dict[str, Result] = {}

    def finish(self, item: Item, frame: Frame, record: ExposureRecord, result: Result) -> None:
        self.results[item.label] = result
        super().finish(item, frame, record, result)


def match(*exposures: ExposureF, reference: int = 0, **fields: Any) -> tuple[list[ExposureRecord], Kept]:
    source = Kept(exposures, make_config("reference").badMaskPlanes)
    method = ReferenceMethod(source, make_config("reference", **fields))
    with method.hold_reference(source.items[reference], None):
        plans, notes = method.plan(source.items, [], [])
        assert notes == []
        return [method.process(item, plan, None) for item, plan in zip(source.items, plans, strict=True)], source


def test_a_record_has_the_figures_of_the_task() -> None:
    (_, record), source = match(make_exposure(100), make_exposure(150))
    science = make_exposure(150)
    struct = MatchBackgroundsTask(config=make_config("reference")).matchBackgrounds(make_exposure(100), science)
    assert (record.fit_rms, record.matched_mse, record.diff_im_var) == (
        struct.fitRMS,
        struct.matchedMSE,
        struct.diffImVar,
    )
    assert (record.common_fraction, record.good_bin_fraction, record.extrapolated_fraction) == (1, 1, 0)
    assert record.model == "AKIMA_SPLINE, 5 x 5 bins of 16 px"
    # Beyond the centres of the outer bins the model is steep.
    assert record.model_min is not None
    assert record.model_max is not None
    assert -55 < record.model_min < -50 < record.model_max < -45
    np.testing.assert_array_equal(source.matched[1].image.array, science.image.array)
    assert isinstance(source.models[1], BackgroundMI)


@pytest.mark.parametrize(
    ("fields", "model"),
    [
        ({"usePolynomial": True, "order": 1}, "Chebyshev order 1, bins of 16 px"),
        ({"interpStyle": "NONE"}, "zero"),
        ({"binSize": 40}, "LINEAR, 2 x 2 bins of 40 px"),
    ],
)
def test_models_have_names(fields: dict[str, Any], model: str) -> None:
    (_, record), source = match(make_exposure(100), make_exposure(150), **fields)
    assert record.model == model
    assert source.results["exposure 1"].history[1] == f"evensky model: {model}"


def test_headers_tell_what_was_done() -> None:
    _, source = match(make_exposure(100), make_exposure(150))
    reference, matched = source.results.values()
    assert [line.split(": ", 1)[1] for line in reference.history] == ["reference of the match, pixels unchanged"]
    assert [line.split(": ", 1)[1] for line in matched.history[:1]] == ["background matched to exposure 0"]
    assert "binSize=16" in matched.history[2]
    assert (reference.model, reference.cards["EVS_MSE"][0]) == (None, None)
    assert matched.cards["EVS_MSE"][0] == pytest.approx(8, rel=0.1)
    assert not matched.variance_changed


def test_the_reference_stays_unchanged() -> None:
    exposure = make_exposure(100)
    (record, _), source = match(exposure, make_exposure(150))
    assert (record.status, record.fit_rms, record.pixels, record.model) == ("reference", 0.0, None, "")
    assert record.level_after == record.level_before
    assert source.models[0] is None
    np.testing.assert_array_equal(source.matched[0].image.array, make_exposure(100).image.array)
    np.testing.assert_array_equal(exposure.image.array, make_exposure(100).image.array)


def test_nothing_in_common() -> None:
    (_, apart, single), source = match(
        make_exposure(100, np.s_[:, :40]), make_exposure(150, np.s_[:, 40:]), make_exposure(150, np.s_[:1, :1])
    )
    assert (apart.status, apart.flags, apart.common_fraction) == ("failed", ["NO_OVERLAP"], 0.0)
    assert apart.message == "has no pixel that is good here and in the reference: nothing to match"
    assert (single.status, single.flags) == ("failed", [])
    assert single.message == "has no bin of two good pixels in common with the reference: nothing to match"
    assert source.matched[1] is source.matched[2] is None


def test_flags_are_in_the_record() -> None:
    (_, record), _ = match(make_exposure(100), make_exposure(150, np.s_[:, :64]))
    assert record.flags == ["EXTRAPOLATED", "REDUCED_ORDER"]
    assert record.warnings[0].startswith("EXTRAPOLATED: 20 % of the image lies beyond the bins with good pixels")


def test_without_variances_none_is_expected(tmp_path: Path) -> None:
    for name, level in (("a", 100), ("b", 150)):
        fits.PrimaryHDU(make_exposure(level).image.array).writeto(tmp_path / f"{name}.fits")
    fits.PrimaryHDU(make_exposure(150).image.array).writeto(tmp_path / "c.fits")
    with fits.open(tmp_path / "c.fits", mode="append") as hdus:
        hdus.append(fits.ImageHDU(np.zeros((80, 80), np.int32), name="MASK"))
    store = FileStore(["BAD"])
    items = [Item(i, name, tmp_path / f"{name}.fits", tmp_path / f"{name}_out.fits") for i, name in enumerate("abc")]
    method = ReferenceMethod(store, make_config("reference", badMaskPlanes=["BAD"]))
    with method.hold_reference(items[0], None) as look:
        plans, _ = method.plan(items, [], [])
        records = [method.process(item, plan, None) for item, plan in zip(items, plans, strict=True)]
    assert [record.status for record in records] == ["reference", "matched", "matched"]
    assert [record.diff_im_var for record in records] == [None] * 3
    # A note that holds for the reference too is a note of the run, not of the exposure.
    assert look.notes
    assert records[1].warnings == []


def test_the_reference_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = write_items(tmp_path, *(make_exposure(level) for level in (100, 150, 160)))
    method = ReferenceMethod(make_store("reference"), make_config("reference"))
    read: list[str] = []
    really_read = FileStore.read

    def counted(self: Source, item: Item, **options: Any) -> Frame:
        read.append(item.label)
        return really_read(self, item, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(FileStore, "read", counted)
    with method.hold_reference(items[0], None):
        for item, plan in zip(items, method.plan(items, [], [])[0], strict=True):
            method.process(item, plan, None)
    assert read == ["a", "b", "c"]
    assert read_exposure(items[2].output).image.array.mean() == pytest.approx(100, abs=0.2)
