"""Flags of poorly constrained models: in the Struct, the table, the report and the summary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner

from evensky.cli import main
from evensky.image import ExposureF, ImageF, Mask, MaskedImageF
from evensky.io import write_exposure
from evensky.tasks import FLAGS, MatchBackgroundsConfig, MatchBackgroundsTask, Struct

SIZE = 160
BIN = 16


def make_exposure(good: Any = np.s_[:, :], level: float = 100.0) -> ExposureF:
    """Make an exposure whose only good pixels are `good`."""
    rng = np.random.default_rng(int(level))
    mask = Mask(np.full((SIZE, SIZE), Mask.getPlaneBitMask("NO_DATA"), np.int32))
    mask.array[good] = 0
    image = ImageF(rng.normal(level, 3, (SIZE, SIZE)).astype(np.float32))
    return ExposureF(MaskedImageF(image, mask, ImageF(np.full((SIZE, SIZE), 9, np.float32))))


def match(good: Any, **fields: Any) -> Struct:
    config = MatchBackgroundsConfig()
    config.update(binSize=BIN, **fields)
    return MatchBackgroundsTask(config=config).matchBackgrounds(make_exposure(), make_exposure(good, 150.0))


def test_well_constrained_models_are_not_flagged() -> None:
    for fields in ({}, {"usePolynomial": True, "order": 3}, {"interpStyle": "NONE"}):
        struct = match(np.s_[:, :], **fields)
        assert struct.flags == {}
        assert (struct.goodFraction, struct.goodBinFraction, struct.extrapolatedFraction) == (1.0, 1.0, 0.0)


def test_fractions_are_those_of_the_pixels_and_the_bins() -> None:
    # Columns up to the middle of the sixth bin are good; one whole bin among them is missing, but enclosed.
    exposure = make_exposure(np.s_[:, : 5 * BIN + 8], 150.0)
    exposure.mask.array[3 * BIN : 4 * BIN, 2 * BIN : 3 * BIN] = Mask.getPlaneBitMask("SAT")
    exposure.image.array[0, 0] = np.nan
    config = MatchBackgroundsConfig()
    config.binSize = BIN
    struct = MatchBackgroundsTask(config=config).matchBackgrounds(make_exposure(), exposure)
    assert struct.goodFraction == (SIZE * (5 * BIN + 8) - BIN * BIN - 1) / SIZE**2
    assert struct.goodBinFraction == 59 / 100
    assert struct.extrapolatedFraction == 0.4
    assert list(struct.flags) == ["EXTRAPOLATED"]
    assert "40 %" in struct.flags["EXTRAPOLATED"]


@pytest.mark.parametrize(
    ("good", "fields", "flags"),
    [
        (np.s_[:, :BIN], {}, ["FEW_GOOD_BINS", "EXTRAPOLATED", "REDUCED_ORDER"]),
        # Bins along the edge are good, so all others are enclosed and bridged.
        ((np.arange(SIZE)[:, None] % 144 < 16) | (np.arange(SIZE) % 144 < 16), {}, ["FEW_GOOD_BINS", "REDUCED_ORDER"]),
        (np.s_[::4, ::4], {}, ["LOW_COVERAGE"]),
        (np.s_[::4, ::4], {"flagGoodFraction": 0.05}, []),
        (np.s_[:, : 6 * BIN], {"flagExtrapolatedFraction": 0.5}, []),
        (np.s_[:, : 4 * BIN], {"usePolynomial": True, "order": 6}, ["FEW_GOOD_BINS", "EXTRAPOLATED", "REDUCED_ORDER"]),
        (
            np.s_[:, : 4 * BIN],
            {"usePolynomial": True, "order": 6, "undersampleStyle": "INCREASE_NXNYSAMPLE"},
            ["FEW_GOOD_BINS", "EXTRAPOLATED", "REDUCED_ORDER"],
        ),
        (np.s_[:, :], {"binSize": 64}, ["REDUCED_ORDER"]),
        (np.s_[:0], {}, ["NO_OVERLAP"]),
    ],
)
def test_flags(good: Any, fields: dict[str, Any], flags: list[str], caplog: pytest.LogCaptureFixture) -> None:
    config = MatchBackgroundsConfig()
    config.update(**{"binSize": BIN, **fields})
    struct = MatchBackgroundsTask(config=config).matchBackgrounds(make_exposure(), make_exposure(good, 150.0))
    assert list(struct.flags) == flags
    assert all(flag in FLAGS and sentence for flag, sentence in struct.flags.items())
    assert [flag for flag in FLAGS if flag in caplog.text] == [flag for flag in FLAGS if flag in flags]


def test_everybody_has_the_same_names() -> None:
    exposures = [make_exposure(), make_exposure(level=150.0), ExposureF(10, 10)]
    for visit, exposure in enumerate(exposures):
        exposure.dataId = {"visit": visit}
    infos = MatchBackgroundsTask().run(exposures, "x", refExpDataRef=exposures[0]).backgroundInfoList
    assert [info.isReference for info in infos] == [True, False, False]
    assert [sorted(info.getDict()) for info in infos] == [sorted(infos[0].getDict())] * 3
    assert [list(info.flags) for info in infos] == [[], ["REDUCED_ORDER"], []]
    assert infos[2].goodFraction is None  # failed, as its size differs


def test_flags_reach_table_files_report_and_summary(tmp_path: Path) -> None:
    for name, good in (("whole", np.s_[:, :]), ("half", np.s_[:, : SIZE // 2]), ("none", np.s_[:0])):
        write_exposure(make_exposure(good, 150.0), tmp_path / f"{name}.fits")
    # Good pixels that are not good in the reference.
    apart = make_exposure(np.s_[:, SIZE // 2 :])
    write_exposure(apart, tmp_path / "apart.fits")
    files = [str(tmp_path / f"{name}.fits") for name in ("whole", "half", "none", "apart")]
    for polynomial in ("false", "true"):
        out = tmp_path / f"out_{polynomial}"
        options = [
            "--method",
            "reference",
            "--reference",
            files[1],
            "-c",
            f"binSize={BIN}",
            "-c",
            f"usePolynomial={polynomial}",
            "-c",
            "order=2",
        ]
        result = CliRunner().invoke(main, ["match", *files, "--out", str(out), *options], catch_exceptions=False)
        assert result.exit_code == 1, result.output
        assert "whole: EXTRAPOLATED" in result.output.replace("\n", " ")
        table = Table.read(out / "matched.ecsv")
        assert list(table["status"]) == ["matched", "reference", "failed", "failed"]
        assert list(table["flags"].filled("")) == ["EXTRAPOLATED", "", "", "NO_OVERLAP"]
        assert table["extrapolated_fraction"][0] == 0.5
        assert table["good_bin_fraction"][0] == 0.5
        assert table["common_fraction"][0] == 0.5
        page = (out / "report.html").read_text()
        assert page.count(">EXTRAPOLATED</span>") == 3  # in the table and at the pictures, and at the head
        assert page.count(">NO_OVERLAP</span>") >= 1
        assert "50 % of the image lies beyond" in page
        assert fits.getheader(out / "whole_matched.fits", "IMAGE")["EVS_FLAG"] == "EXTRAPOLATED"
        assert fits.getheader(out / "half_matched.fits", "IMAGE")["EVS_FLAG"] == ""
