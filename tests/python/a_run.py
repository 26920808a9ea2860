"""A run with one record of every kind, for tests of tables, figures and pages."""

from __future__ import annotations

import numpy as np

from evensky.matching.reference import ReferenceCandidate
from evensky.runs.match_run import MatchRun
from evensky.runs.overlaps import Overlaps
from evensky.runs.record import CoaddPreview, ExposureRecord, OverlapRecord, PixelSummary

NASTY = "<script>alert('a & b')</script>"


def make_run(number: int = 5) -> MatchRun:
    rng = np.random.default_rng(1)
    records = []
    for index in range(number):
        before = rng.normal(100 + index, 5, (20, 30)).astype(np.float32)
        before[0, :5] = np.nan
        model = np.full((20, 30), -index, np.float32)
        counts, edges = np.histogram(rng.normal(0, 5, 1000), bins=31)
        records.append(
            ExposureRecord(
                label=f"visit-{index}",
                path=f"/data/visit-{index}.fits",
                status="reference" if index == 0 else "matched",
                fit_rms=0.1 * index,
                matched_mse=None if index == 0 else 50.1,
                diff_im_var=None if index == 0 else 50.0,
                level_before=100.0 + index,
                level_after=100.0,
                model="AKIMA_SPLINE, 8 x 8 bins of 128 px",
                pixels=PixelSummary(before, model, before + model, counts, edges),
            )
        )
    records[1].warnings.append(f"order reduced {NASTY}")
    if number > 2:
        records[2].pixels = None
    records.append(ExposureRecord(NASTY, "/data/bad.fits", "failed", message=f"cannot be read {NASTY}"))
    candidates = [
        ReferenceCandidate(r.label, 100.0, 25.0, 600, 0.4, 0.2, 0.3 + 0.01 * i, 0.9 + 0.01 * i, i == 0)
        for i, r in enumerate(records[:-1])
    ]
    candidates.append(ReferenceCandidate(NASTY, message="cannot be read"))
    config = {"binSize": 128, "badMaskPlanes": ["BAD", "SAT"]}
    return MatchRun(
        records, candidates, "visit-0", "lowest cost", config, "0.1.0", "2026-05-05T00:00:00", 1.5, "adu", ["no mask"]
    )


def make_overlaps(number: int = 5) -> Overlaps:
    """Make the overlaps of neighbours among the exposures of `make_run`."""
    return Overlaps(
        (
            OverlapRecord(f"visit-{k}", f"visit-{k + 1}", 64, 6400, -1.0, 0.001 * k, 0.02, 2.5)
            for k in range(number - 1)
        ),
        "adu",
    )


def place_exposures(run: MatchRun, columns: int = 2) -> None:
    """Give the exposures of a run outlines in rows that overlap by a tenth; one that failed has none."""
    for k, record in enumerate(run.records):
        if record.status != "failed":
            x, y = 90.0 * (k % columns), 90.0 * (k // columns)
            record.corners = [[x, y], [x + 100, y], [x + 100, y + 100], [x, y + 100]]


def preview_of(run: MatchRun, shape: tuple[int, int] = (30, 40)) -> CoaddPreview:
    """Make the small coadd of a run of two fields: a step of 20 between them before the match, and none after it."""
    rng = np.random.default_rng(3)
    after = rng.normal(100, 1, shape).astype(np.float32)
    after[5, 5] = 5000.0
    after[:, :2] = np.nan
    before = after + np.where(np.arange(shape[1]) < shape[1] // 2, np.float32(-10), np.float32(10))
    number = np.where(np.isfinite(after), 2, 0).astype(np.int32)
    return CoaddPreview(before, after, number, run.unit, "north up, east left", "1.50 arcsec per pixel")
