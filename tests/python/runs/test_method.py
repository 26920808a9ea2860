"""The steps that all methods of matching share, for one exposure at a time."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_runs import METHODS, make_exposure, make_method, make_store, write_items

from evensky.errors import InvalidParameterError
from evensky.io import read_exposure
from evensky.runs.method import Look, Method, Plan
from evensky.runs.source import Item, MemorySource


@contextmanager
def planned(method: Method, items: Sequence[Item], reference: int = 0) -> Iterator[list[Plan]]:
    """Do the steps that come before an exposure is changed."""
    looks = [method.look(item) for item in items]
    with method.hold_reference(items[reference], looks[reference]):
        differences = [
            found for _, arguments in method.comparisons(items, looks) for found in method.compare(*arguments)
        ]
        yield method.plan(items, looks, differences)[0]


@pytest.fixture(params=METHODS)
def name(request: pytest.FixtureRequest) -> str:
    """Tests are done with both methods."""
    return str(request.param)


def test_a_look_measures_an_exposure(tmp_path: Path, name: str) -> None:
    item = write_items(tmp_path, make_exposure(100, np.s_[:, :40], unit="nJy"))[0]
    look = make_method(name, make_store(name)).look(item)
    assert (look.candidate.label, look.candidate.npoint) == ("a", 80 * 40)
    assert look.candidate.level == pytest.approx(100, abs=0.2)
    assert (look.box, look.unit, look.error) == ((0, 0, 80, 80), "nJy", None)
    assert look.coverage.bins.size == (5 * 3 if name == "all" else 0)  # 40 pixels are in three columns of bins


def test_a_look_says_why_an_exposure_cannot_be_used(tmp_path: Path, name: str) -> None:
    missing = Item(0, "a", tmp_path / "a.fits", tmp_path / "out.fits")
    look = make_method(name, make_store(name)).look(missing)
    assert look.candidate.message.endswith("a.fits: there is no such file")
    assert (look.box, look.error) == (None, None)
    # An error that is due to the call is the same for all exposures, and is kept.
    source = MemorySource([np.zeros((8, 8))], ["NOPE"])
    look = make_method(name, source).look(source.items[0])
    assert look.box is None
    assert isinstance(look.error, InvalidParameterError)


def test_an_exposure_is_matched_and_handed_over(tmp_path: Path, name: str) -> None:
    items = write_items(tmp_path, make_exposure(100), make_exposure(150))
    method = make_method(name, make_store(name))
    with planned(method, items) as plans:
        records = [method.process(item, plan, None) for item, plan in zip(items, plans, strict=True)]
    assert [record.status for record in records] == ["reference", "matched"]
    assert [record.path for record in records] == [str(item.path) for item in items]
    assert [record.digest for record in records] == [plan.digest for plan in plans]
    assert [record.level_before for record in records] == pytest.approx([100, 150], abs=0.2)
    assert [record.level_after for record in records] == pytest.approx([100, 100], abs=0.2)
    assert [record.good_fraction for record in records] == [1, 1]
    assert [record.pixels for record in records] == [None, None]
    before, after = (read_exposure(path).image.array for path in (items[0].path, items[0].output))
    np.testing.assert_array_equal(before, after)
    assert read_exposure(items[1].output).image.array.mean() == pytest.approx(100, abs=0.2)
    assert all(record.output_bytes == item.output.stat().st_size for record, item in zip(records, items, strict=True))


def test_pictures_are_made_if_they_are_wanted(tmp_path: Path, name: str) -> None:
    items = write_items(tmp_path, make_exposure(100), make_exposure(150))
    method = make_method(name, make_store(name), pictures=True)
    with planned(method, items) as plans:
        reference, matched = (method.process(item, plan, None).pixels for item, plan in zip(items, plans, strict=True))
    assert reference is not None
    assert matched is not None
    assert not reference.model.any()
    assert np.nanmedian(matched.before) == pytest.approx(150, abs=0.5)
    assert np.nanmedian(matched.after) == pytest.approx(100, abs=0.5)
    np.testing.assert_array_equal(matched.model, matched.after - matched.before)
    # The method "all" draws scores in the place of the histogram.
    assert (matched.residual_counts.size > 0) == (name == "reference")


def test_a_finished_exposure_is_not_matched_again(tmp_path: Path, name: str) -> None:
    items = write_items(tmp_path, make_exposure(100), make_exposure(150))
    method = make_method(name, make_store(name))
    shown = make_method(name, make_store(name), pictures=True)
    with planned(method, items) as plans, planned(shown, items):
        earlier = [method.process(item, plan, None) for item, plan in zip(items, plans, strict=True)]
        times = [item.output.stat().st_mtime_ns for item in items]
        for item, plan, record in zip(items, plans, earlier, strict=True):
            assert method.process(item, plan, record) is record
            assert record.pixels is None
            assert shown.process(item, plan, record) is record
            assert record.pixels is not None
        assert [item.output.stat().st_mtime_ns for item in items] == times
        # An output that cannot be read is made again.
        for item, plan, record in zip(items, plans, earlier, strict=True):
            content = item.output.read_bytes()
            item.output.write_bytes(bytes(100))
            assert shown.process(item, plan, record) is not record
            assert item.output.read_bytes() == content


def test_a_finished_exposure_whose_file_has_gone_stays_matched(tmp_path: Path, name: str) -> None:
    items = write_items(tmp_path, make_exposure(100), make_exposure(150))
    method = make_method(name, make_store(name), pictures=True)
    with planned(method, items) as plans:
        earlier = method.process(items[1], plans[1], None)
        items[1].path.unlink()
        again = method.process(items[1], plans[1], earlier)
    assert (again.status, again.pixels, again.fit_rms) == ("matched", None, earlier.fit_rms)
    assert "There are no pictures of it" in again.warnings[-1]


@pytest.mark.parametrize(
    ("exposure", "says"),
    [
        (make_exposure(150, np.s_[:0]), "has no good pixel"),
        (make_exposure(150, unit="mJy"), "is in mJy, and the reference in Jy; convert them to one unit first"),
    ],
    ids=["nothing is good", "another unit"],
)
def test_one_exposure_that_fails_says_why(tmp_path: Path, name: str, exposure: Any, says: str) -> None:
    items = write_items(tmp_path, make_exposure(100, unit="Jy"), exposure)
    method = make_method(name, make_store(name))
    with planned(method, items) as plans:
        record = method.process(items[1], plans[1], None)
    assert (record.status, record.message) == ("failed", says)
    assert not items[1].output.exists()


@pytest.mark.parametrize("reference", [make_exposure(100, np.s_[:0]), None], ids=["nothing is good", "missing"])
def test_a_reference_must_have_good_pixels(tmp_path: Path, name: str, reference: Any) -> None:
    items = write_items(tmp_path, make_exposure(150) if reference is None else reference)
    if reference is None:
        items[0].path.unlink()
    method = make_method(name, make_store(name))
    look = method.look(items[0])
    says = "there is no such file" if reference is None else "no good pixel, so it cannot be the reference"
    with pytest.raises(RuntimeError, match=says), method.hold_reference(items[0], look):
        pass


def test_interruptions_end_the_run_but_not_a_worker(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    items = write_items(tmp_path, make_exposure(100), make_exposure(150))
    method = make_method(name, make_store(name))

    def interrupt(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    with planned(method, items) as plans, monkeypatch.context() as patch:
        patch.setattr(type(method.source), "read", interrupt)
        with pytest.raises(KeyboardInterrupt):
            method.process(items[1], plans[1], None)
        with ThreadPoolExecutor(1) as pool:
            record = pool.submit(method.process, items[1], plans[1], None).result()
            look = pool.submit(method.look, items[1]).result()
    assert (record.status, record.message) == ("failed", "KeyboardInterrupt")
    assert look.candidate.message == "KeyboardInterrupt"


def test_jobs_can_be_sent_to_other_processes(tmp_path: Path, name: str) -> None:
    """Jobs are bound methods; their pickles hold paths and the configuration, not pixels."""
    items = write_items(tmp_path, make_exposure(100), make_exposure(150))
    method = make_method(name, make_store(name), pictures=True)
    with planned(method, items) as plans:
        for job in (method.look, method.compare, method.process):
            assert len(pickle.dumps((job, items, plans))) < 20_000
        look, compare, process = pickle.loads(pickle.dumps((method.look, method.compare, method.process)))
        assert look.__self__.source.run == method.source.run
        found: Look = look(items[1])
        assert (found.candidate, found.box) == (method.look(items[1]).candidate, (0, 0, 80, 80))
        assert len(compare(items[1], [items[0]])) == (name == "all")
        ours, theirs = (
            method.process(items[1], plans[1], None),
            process(*pickle.loads(pickle.dumps((items[1], plans[1], None)))),
        )
    ours.seconds = theirs.seconds = 0.0
    assert ours.pixels is not None
    np.testing.assert_array_equal(theirs.pixels.after, ours.pixels.after)
    ours.pixels = theirs.pixels = None
    assert pickle.loads(pickle.dumps(theirs)) == ours
