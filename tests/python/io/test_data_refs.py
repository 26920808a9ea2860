from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from handles import Handle, gen2

from evensky.errors import InvalidParameterError, NotFoundError
from evensky.image import ExposureF, MaskedImageF
from evensky.io import ExposureDataRef, FileDataRef, as_data_ref, file_data_refs, id_dict, write_exposure
from evensky.tasks import DataRefMatcher


@pytest.fixture
def exposure() -> ExposureF:
    return ExposureF(MaskedImageF(4, 3), dataId={"visit": 7})


def test_every_kind_becomes_a_reference(exposure: ExposureF, tmp_path: Path) -> None:
    write_exposure(exposure, tmp_path / "a.fits")
    for obj in (
        str(tmp_path / "a.fits"),
        tmp_path / "a.fits",
        exposure,
        Handle(exposure, visit=7),
        gen2(exposure, visit=7),
    ):
        ref = as_data_ref(obj, 3)
        assert ref.get("warp", immediate=True).getDimensions() == exposure.getDimensions()
        assert id_dict(ref.dataId)
    assert as_data_ref(MaskedImageF(2, 2), 3).dataId == {"index": 3}
    with pytest.raises(InvalidParameterError, match="float"):
        as_data_ref(1.5)


def test_memory_hands_out_copies(exposure: ExposureF) -> None:
    ref = ExposureDataRef(exposure)
    ref.get().image.array[...] = 5
    assert np.all(exposure.image.array == 0)
    assert ref.dataId == {"visit": 7}
    assert ExposureDataRef(exposure, copy=False).get() is exposure


def test_folders(exposure: ExposureF, tmp_path: Path) -> None:
    for name in ("b.fits", "a.fits"):
        write_exposure(exposure, tmp_path / name)
    refs = file_data_refs(tmp_path)
    assert [ref.dataId["file"] for ref in refs] == ["a.fits", "b.fits"]
    assert refs[0].datasetExists()
    assert not FileDataRef(tmp_path / "c.fits").datasetExists()
    with pytest.raises(NotFoundError, match="no FITS file"):
        file_data_refs(tmp_path / "nowhere")


def test_matcher(exposure: ExposureF) -> None:
    butler = SimpleNamespace(getKeys=lambda datasetType: ["visit"])
    refs = [ExposureDataRef(exposure, {"visit": v, "note": n}) for v, n in ((1, "a"), (2, "b"), (1, "c"))]
    matcher = DataRefMatcher(butler, "warp")
    assert matcher.datasetType == "warp"
    assert matcher.isMatch(refs[0], refs[2])
    assert matcher.matchList(refs[0], refs) == [0, 2]
    assert DataRefMatcher(None, "warp").matchList(refs[0], refs) == [0]
    assert matcher.isMatch(as_data_ref(Handle(exposure, visit=1)), refs[0])
