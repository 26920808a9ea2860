"""Overlaps of a run: their table, and the records of a run that has them."""

from __future__ import annotations

import math
import pickle
from pathlib import Path

import numpy as np
import pytest
from a_run import make_overlaps, make_run
from astropy.io import fits
from astropy.table import Table

import evensky
from evensky.matching.joint.overlaps import Overlap
from evensky.runs.overlaps import MOST_OVERLAPS, Overlaps
from evensky.runs.record import OverlapRecord
from evensky.simulate import make_bare_exposures
from evensky.tasks import MatchBackgroundsConfig


def record(first: str, second: str, after: float, error: float = 0.1, bins: int = 4) -> OverlapRecord:
    return OverlapRecord(first, second, bins, 1000 * bins, 5.0 + after, after, error, 2.345)


def test_numbers_become_labels() -> None:
    overlaps = Overlaps.labelled([Overlap(2, 0, 16, 4000, 3.0, 0.01, 0.1, 2.0)], ["a", "b", "c"], "adu")
    assert overlaps == [OverlapRecord("c", "a", 16, 4000, 3.0, 0.01, 0.1, 2.0)]
    assert overlaps.pairs == (["c"], ["a"])
    assert repr(overlaps) == "Overlaps(1 overlaps)"


def test_the_worst_come_first() -> None:
    overlaps = Overlaps([record("a", "b", 0.1), record("a", "c", -0.3), record("b", "c", 0.5, error=1.0)])
    # Nothing is known of an overlap without a good bin.
    overlaps.append(OverlapRecord("a", "d", 0, 0, math.nan, math.nan, math.nan, math.nan))
    assert [one.second for one in overlaps.worst()] == ["d", "c", "b", "c"]
    assert overlaps.worst(1)[0].second == "d"
    text = str(overlaps).splitlines()
    assert text[0].split() == ["first", "second", "bins", "pixels", "before", "after", "error", "worst"]
    assert text[1].split() == ["a", "d", "0", "0", "-", "-", "-", "-"]
    assert text[2].split() == ["a", "c", "4", "4000", "4.70", "-0.30", "0.10", "2.3"]
    assert len(text) == 1 + 4


def test_of_many_the_others_are_counted() -> None:
    overlaps = Overlaps(record("a", f"b{k}", 0.001 * k) for k in range(MOST_OVERLAPS + 7))
    text = str(overlaps).splitlines()
    assert text[-1] == "7 more overlaps, whose differences are less significant, are not shown."
    assert len(text) == 1 + MOST_OVERLAPS + 1
    page = overlaps._repr_html_()
    assert page.count("<tr>") == 1 + MOST_OVERLAPS
    assert "7 more overlaps" in page
    assert not Overlaps(overlaps[:MOST_OVERLAPS]).left_out


def test_the_table_has_all() -> None:
    overlaps = Overlaps((record("a", f"b{k}", 0.001 * k) for k in range(40)), "adu")
    table = overlaps.table
    assert len(table) == 40
    assert [str(table[name].unit) for name in ("before", "after", "error")] == ["adu"] * 3
    assert table["worst"].unit is None
    assert all(column.description for column in table.columns.values())
    assert table["second"][7] == "b7"
    assert len(Overlaps().table) == 0
    assert Overlaps().table["pixels"].dtype.kind == "i"


def test_overlaps_can_be_sent_to_other_processes() -> None:
    overlaps = make_overlaps(4)
    again = pickle.loads(pickle.dumps(overlaps))
    assert again == overlaps
    assert again.unit == overlaps.unit == "adu"


def test_levels_follow_from_the_overlaps() -> None:
    run = make_run(4)
    run.overlaps = make_overlaps(4)
    before, after = run._levels_in_overlaps()
    # The exposures of `make_run` differ by one count from each to the next, and one failed.
    np.testing.assert_allclose(before, [-1.5, -0.5, 0.5, 1.5, np.nan], atol=1e-9)
    np.testing.assert_allclose(after[:4], 0.0, atol=0.02)
    # A reference that is compared without being matched.
    run.records = run.records[1:]
    assert run._levels_in_overlaps()[0][:3] == pytest.approx([-0.5, 0.5, 1.5])


def test_a_match_has_overlaps_and_corners() -> None:
    simulated = make_bare_exposures(number=3, shape=(128, 160), seed=2, curved=False)
    pixels = [one.exposure.image.array for one in simulated]
    result = evensky.match_all([*pixels, np.full((128, 160), np.nan, np.float32)], pictures=False)
    assert {frozenset((one.first, one.second)) for one in result.overlaps} <= {
        frozenset((f"exposure {i}", f"exposure {j}")) for i in range(3) for j in range(i)
    }
    number = {record.label: at for at, record in enumerate(result.run.records)}
    for one in result.overlaps:
        first, second = (simulated[number[label]].sky for label in (one.first, one.second))
        assert one.before == pytest.approx(float(np.mean(first - second)), abs=5 * one.error)
        assert abs(one.after) < 3 * one.error
        assert one.pixels > 0.9 * 128 * 160
    assert result.overlaps is result.run.overlaps
    assert result.run.footprint_unit == "px"
    box = [[-0.5, -0.5], [159.5, -0.5], [159.5, 127.5], [-0.5, 127.5]]
    # An exposure without a good pixel fails, and still is where it is.
    assert [one.status for one in result.run.records].count("failed") == 1
    assert [one.corners for one in result.run.records] == [box] * 4
    assert not evensky.match(pixels, pictures=False).run.overlaps


def test_a_run_that_is_resumed_has_them_too(tmp_path: Path) -> None:
    simulated = make_bare_exposures(number=3, shape=(96, 96), seed=2, curved=False)
    paths = [tmp_path / f"{one.name}.fits" for one in simulated]
    for one, path in zip(simulated, paths, strict=True):
        fits.writeto(path, one.exposure.image.array)
    first = evensky.match_files(paths, tmp_path / "out", report=False)
    table = Table.read(tmp_path / "out" / "overlaps.ecsv")
    assert list(table["after"]) == [one.after for one in first.overlaps]
    again = evensky.match_files(paths, tmp_path / "out", report=False, resume=True)
    assert "3 of 3 exposures were finished before" in " ".join(again.notes)
    assert again.overlaps == first.overlaps != []
    assert [one.corners for one in again.records] == [one.corners for one in first.records]
    assert len(again.records[0].corners) == 4
    # A match to one reference leaves no table of an earlier joint match.
    evensky.match_files(paths, tmp_path / "out", report=False, overwrite=True, config=MatchBackgroundsConfig())
    assert not (tmp_path / "out" / "overlaps.ecsv").exists()
