"""Results in notebooks and in print."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.nddata import CCDData
from astropy.table import Column, MaskedColumn, Table

import evensky
from evensky.draw.tables import column_unit, table_text, writable_table
from evensky.errors import InvalidParameterError
from evensky.math import makeStatistics
from evensky.simulate import make_exposures
from evensky.tasks import MatchBackgroundsTask

RNG = np.random.default_rng(11)
HEIGHT, WIDTH = 120, 160
SKY = (RNG.normal(100, 5, (HEIGHT, WIDTH)) + np.linspace(0, 30, WIDTH)).astype(np.float32)


def test_results_have_representations() -> None:
    stats = makeStatistics(SKY, "MEANCLIP")
    assert repr(stats).startswith("Statistics(MEANCLIP=")
    assert "<td>MEANCLIP</td>" in stats._repr_html_()
    assert len(stats.plot().axes) == 1
    assert "0." in makeStatistics(SKY, evensky.math.MEAN | evensky.math.ERRORS)._repr_html_()
    with pytest.raises(InvalidParameterError, match="neither MEAN"):
        makeStatistics(SKY, "NPOINT").plot()
    background = evensky.estimate_background(CCDData(SKY, unit="adu"), bin_size=40)
    for one in (background, background.background):
        assert "4 x 3 over" in one._repr_html_()
        assert "data:image/png;base64," in one._repr_html_()
        assert len(one.plot().axes) >= 2
    assert repr(background) == f"BackgroundEstimate(4 x 3 bins over 160 x 120 px, mode, level {background.level:.6g})"
    assert "statistics" in evensky.image_statistics(SKY)._repr_html_()
    result = evensky.match([SKY, SKY[:9], SKY + 1], bin_size=40)
    page = result._repr_html_()
    assert page.count("<tr>") == 4
    assert "different dimensions" in page
    assert "<th>matched MSE</th>" in page
    reference = result.run.reference
    assert repr(result) == f"MatchResult(3 exposures, reference {reference!r}, 1 matched, 1 failed, 1 flagged)"
    assert repr(result.run) == f"MatchRun(3 exposures, reference {reference!r}, 1 matched, 1 failed, 1 flagged)"
    assert "array" not in repr(result.run.records)
    everything = evensky.match_all([SKY, SKY + 1])
    assert repr(everything).startswith("MatchAllResult(2 exposures, reference 'exposure ")
    assert "<th>residual / noise</th>" in everything._repr_html_()
    assert str(everything).splitlines()[-1] == everything.run.summary
    assert str(everything).split()[:8] == ["exposure", "status", "before", "after", "fit", "RMS", "residual", "/"]
    assert len(str(everything).splitlines()) == 4


def test_a_background_without_a_model_shows_its_bins() -> None:
    with pytest.warns(UserWarning, match="no bin has a pixel that counts"):
        background = evensky.estimate_background(SKY * np.nan, bin_size=40)
    assert "0 of 12" in background._repr_html_()
    assert "No bin has a good pixel" in background._repr_html_()
    assert "<img" not in background._repr_html_()


def test_the_model_that_is_shown_has_the_options_of_the_call() -> None:
    slope = np.add.outer(np.zeros(120), np.linspace(0, 60, 160)) + SKY
    pages = {}
    for options in ({"order": 0}, {"order": 1}, {"style": "constant"}):
        background = evensky.estimate_background(slope, bin_size=40, **options)
        page = pages[str(options)] = background._repr_html_()
        model = background.image
        name = f"Chebyshev order {options['order']}" if "order" in options else "CONSTANT"
        assert f"model, {name}</td><td>median {np.median(model):.6g}, {model.min():.6g} to {model.max():.6g}" in page
    assert len({page.split("base64,")[1] for page in pages.values()}) == 3
    # If there are too few bins, a simpler style is used.
    for bin_size, name in ((200, "CONSTANT"), (80, "LINEAR")):
        background = evensky.estimate_background(slope, bin_size=bin_size)
        assert f"model, {name}<" in background._repr_html_()
        assert f"model, {name}<" in background.background._repr_html_()


def test_objects_that_hold_images_print_in_one_line() -> None:
    assert repr(make_exposures(1, (128, 160))) == "[SimulatedExposure('demo_01', 160 x 128 px: exposure, sky, scene)]"
    assert repr(MatchBackgroundsTask()).startswith("MatchBackgroundsTask(")
    assert "binSize=256" in repr(MatchBackgroundsTask())
    stats = evensky.image_statistics(CCDData(SKY, unit="adu"))
    assert f"mean={stats.mean.value:.8g} adu" in repr(stats)
    assert f"<td>iqr</td><td>{stats.iqr.value:.6g} adu</td>" in stats._repr_html_()
    assert "counts" not in evensky.estimate_background(SKY, bin_size=40)._repr_html_()


def test_tables_of_text_are_aligned() -> None:
    text = table_text(("name", "level"), [("a", "-10"), ("longer", "5")], [1])
    assert text == "name    level\na         -10\nlonger      5"
    assert table_text(("name", "level"), []) == "name  level"


def test_columns_without_missing_values_are_written_as_plain_ones_with_the_same_bytes() -> None:
    table = Table(masked=True)
    table["name"] = MaskedColumn(["a, b", 'c"d', "e"], mask=[False] * 3, description="a name")
    table["level"] = MaskedColumn([1.5, np.nan, -np.inf], mask=[False] * 3, unit="adu", description="a level")
    table["bins"] = MaskedColumn([1, -1, 3], mask=[False, True, False])
    table["flags"] = MaskedColumn(["", "x", "y"], mask=[True, False, False])
    table.meta.update(reference="a", notes=["one"])

    def written(one: Table) -> str:
        text = io.StringIO()
        one.write(text, format="ascii.ecsv")
        return text.getvalue()

    made = writable_table(table)
    assert written(made) == written(table)
    kinds = {name: type(made[name]) for name in made.colnames}
    assert kinds == {"name": Column, "level": Column, "bins": MaskedColumn, "flags": MaskedColumn}
    assert all(type(table[name]) is MaskedColumn for name in table.colnames)
    assert writable_table(Table(masked=True)).colnames == []


def test_a_unit_that_astropy_does_not_know_is_parsed_once() -> None:
    unknown = column_unit("counts of a camera")
    assert str(unknown) == "counts of a camera"
    assert column_unit("counts of a camera") is unknown  # a table has several columns of it
    assert column_unit("") is None
