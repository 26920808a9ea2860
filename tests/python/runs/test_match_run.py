"""The result of a run: its table, its text and its summary."""

from __future__ import annotations

from pathlib import Path

import pytest
from a_run import NASTY, make_run, preview_of
from astropy.table import Table

from evensky.errors import InvalidParameterError
from evensky.report import write_report
from evensky.runs.match_run import GLOSSARY, write_table
from evensky.runs.record import CandidateScore, TermRecord


def test_a_summary_is_one_line() -> None:
    run = make_run(3)
    assert run.summary == "4 exposures, reference 'visit-0', 2 matched, 1 failed"
    assert repr(run) == f"MatchRun({run.summary})"
    assert [record.label for record in run.failed] == [NASTY]
    assert run.choice == "Reference: visit-0. lowest cost"


@pytest.mark.parametrize(
    ("level", "tied"),
    [
        ("mean", "the mean of all exposures is kept"),
        ("lowest", "all exposures are lowered to the lowest"),
        ("fixed", "those of the fixed exposures are kept"),
        ("known", "they follow from the known models or skies"),
    ],
)
def test_without_a_fixed_exposure_the_best_one_is_named(level: str, tied: str) -> None:
    run = make_run(3)
    run.level = level
    assert run.choice == f"Levels: {tied}. The best exposure: visit-0. lowest cost"
    assert f"level {level}, " in run.summary


def test_a_level_that_was_chosen_is_explained() -> None:
    run = make_run(3)
    run.level, run.config["level"] = "mean", "auto"
    assert "is kept, as the best one covers only a part of the field. The best" in run.choice


def test_flagged_exposures_are_counted() -> None:
    run = make_run(3)
    run.records[1].flags = ["LOW_COVERAGE"]
    run.records[2].flags = ["POOR_FIT", "LOW_COVERAGE"]
    run.records[3].flags = ["NO_OVERLAP"]  # failed
    assert run.summary == "4 exposures, reference 'visit-0', 2 matched, 1 failed, 2 flagged"
    assert run.flagged == run.records[1:3]
    assert run.alarmed == [run.records[2]]
    assert run.records[2].alarms == ["POOR_FIT"]


def test_each_method_has_its_figures() -> None:
    run = make_run(3)
    assert list(run.figures) == ["fit RMS", "matched MSE", "expected MSE"]
    run.method = "all"
    assert list(run.figures.values()) == ["fit_rms", "fit_chi", "model_sigma"]
    assert all(hasattr(run.records[0], name) for name in run.figures.values())


@pytest.mark.parametrize("method", ["all", "reference"])
def test_the_glossary_has_every_column_that_needs_a_word(method: str) -> None:
    run = make_run(3)
    run.method = method
    header, rows = run.rows()
    assert header[:2] == ("exposure", "status")
    assert set(header[2:]) <= set(GLOSSARY)
    assert all(len(row) == len(header) for row in rows)


def test_the_glossary_has_no_other_columns() -> None:
    run = make_run(3)
    headers: set[str] = set()
    for method in ("all", "reference"):
        run.method = method
        run.records[1].gain, run.records[1].gain_error = 0.97, 0.001
        headers |= set(run.rows()[0])
    assert headers - {"exposure", "status"} == set(GLOSSARY)


def test_the_narrow_table() -> None:
    run = make_run(3)
    run.records[1].flags = ["LOW_COVERAGE"]
    header, rows = run.rows()
    assert header == (
        "exposure",
        "status",
        "before",
        "after",
        "fit RMS",
        "matched MSE",
        "expected MSE",
        "model / error",
    )
    model = "AKIMA_SPLINE, 8 x 8 bins of 128 px"
    assert rows[0] == ("visit-0", "reference", "100.000", "100.000", "0", "-", "-", model)
    assert rows[1] == ("visit-1", "matched", "101.000", "100.000", "0.1", "50.1", "50", f"{model}; LOW_COVERAGE")
    assert rows[-1][:4] == (NASTY, "failed", "-", "-")
    assert rows[-1][-1] == f"cannot be read {NASTY}"
    text = str(run).splitlines()
    assert text[0].split()[:4] == ["exposure", "status", "before", "after"]
    assert len(text) == len(run.records) + 2
    assert text[-1] == run.summary


@pytest.mark.parametrize(
    ("gain", "error", "text"),
    [
        (0.97123, 0.00123, "0.9712±0.0012"),
        (1.0, 0.0, "1±0"),
        (1.02, 0.3, "1.02±0.30"),
        (None, None, "-"),
        (1.0000012, 1e-9, "1±1e-09"),
    ],
)
def test_the_throughput_has_its_error(gain: float | None, error: float | None, text: str) -> None:
    run = make_run(3)
    run.method = "all"
    run.records[2].gain, run.records[2].gain_error = 0.9, 0.1
    run.records[1].gain, run.records[1].gain_error = gain, error
    header, rows = run.rows()
    assert rows[1][header.index("gain")] == text


def test_the_html_is_escaped() -> None:
    page = make_run(3)._repr_html_()
    assert "<script>" not in page
    assert page.count("<tr>") == 1 + 4
    assert "<th>matched MSE</th>" in page
    assert '<img alt="levels" src="data:image/png;base64,' in page


def test_the_table_has_all_figures(tmp_path: Path) -> None:
    run = make_run(3)
    run.records[1].partners = ["visit-0", "visit-2"]
    run.records[1].scores = [
        CandidateScore("plane", 3, 0.0),
        CandidateScore("spline 4 x 4", 16, -3.0, refused=True),
        CandidateScore("constant", 1, 25.0),
    ]
    run.records[1].gain, run.records[1].gain_error = 0.97, 0.001
    run.records[1].terms = [TermRecord("wisp", [12.5], [0.25])]
    for table in (run.table, Table.read(write_table(run, tmp_path / "matched.ecsv"))):
        assert all(column.description for column in table.columns.values())
        assert str(table["level_before"].unit) == "adu"
        assert table["matched_mse"].unit is None
        assert list(table["level_after"][:3]) == [100.0] * 3
        assert table["level_after"].mask.tolist() == [False] * 3 + [True]
        assert table["partners"][1] == "visit-0; visit-2"
        assert (table["runner_up"][1], table["runner_up_bic"][1]) == ("constant", 25.0)
        assert table["gain"][1] == 0.97
        assert table["gain"].mask.tolist() == [True, False, True, True]
        assert table["terms"][1] == "wisp 12.50±0.25"
        assert table["scaled"].tolist() == [False] * 4
        assert table["runner_up"].mask.tolist() == [True, False, True, True]
        assert table.meta["notes"] == ["no mask"]
    write_table(run, tmp_path / "matched.ecsv")  # replaces the existing file


@pytest.mark.parametrize(
    ("level", "rms", "shown"),
    [
        (1.23456e-16, 2e-18, "1.235e-16"),
        (-12345.678, 0.002, "-12345.6780"),
        (271.23456, 50.0, "271.235"),
        (271.23456, 0.0, "271.235"),
        (1.23456e9, 5e7, "1.235e+09"),
        (0.0, 0.0, "0"),
    ],
)
def test_levels_have_the_digits_that_their_noise_leaves(level: float, rms: float, shown: str, tmp_path: Path) -> None:
    run = make_run(3)
    for record in run.records:
        record.level_before = record.level_after = level
        record.fit_rms = rms
    assert run.rows()[1][0][2] == shown
    assert f">{shown}</td>" in write_report(run, tmp_path / "report.html").read_text()


def test_the_preview_is_drawn() -> None:
    run = make_run()
    with pytest.raises(InvalidParameterError, match="pictures=True"):
        run.plot_preview()
    run.preview = preview_of(run)
    titles = [axes.get_title().split(",")[0] for axes in run.plot_preview().axes[:3]]
    assert titles == ["before", "after", "before - after"]
