"""Further terms, throughputs, fixed exposures and known values in a joint match."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData, StdDevUncertainty
from small_runs import make_config, make_exposure, write_items

import evensky
from evensky.errors import FitsError, InvalidParameterError, OutOfRangeError
from evensky.fits.descriptions import Selection
from evensky.geom import Point2I
from evensky.image import ExposureF, ImageF, MaskedImageF
from evensky.io import read_exposure
from evensky.matching.joint.candidates import Candidate
from evensky.matching.joint.differences import Coverage
from evensky.matching.joint.fits import ExposureFit, JointFit, TermFit
from evensky.matching.joint.models import Model
from evensky.runs import joint
from evensky.runs.joint import JointMethod
from evensky.runs.record import TermRecord
from evensky.runs.source import Item, MemorySource
from evensky.runs.survey import survey_files

SHAPE = (160, 240)
WISP = np.exp(-(((np.indices(SHAPE)[0] - 70) / 25) ** 2) - ((np.indices(SHAPE)[1] - 140) / 40) ** 2)
SCENE = 40 * np.exp(-(((np.indices(SHAPE)[0] - 60) / 50) ** 2) - ((np.indices(SHAPE)[1] - 80) / 50) ** 2)


def make_scenes(*changes: Any, noise: float = 1.0, seed: int = 1) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [SCENE + 100 + change + random.normal(0, noise, SHAPE) for change in changes]


def fake_fit(
    monkeypatch: pytest.MonkeyPatch, gain: float, *, level: str = "reference", **fields: Any
) -> dict[str, Any]:
    """Let the second of two exposures have a model of -50 and a throughput; return what the search was given."""
    seen: dict[str, Any] = {}

    def fit(boxes: Any, grid: Any, differences: Any, **options: Any) -> JointFit:
        seen.update(options)
        none = Model(Candidate(), boxes[0], np.zeros(0), np.zeros((0, 0)))
        one = Model(Candidate(0), boxes[1], np.array([-50.0]), np.array([[0.04]]))
        more = {"gain": gain, "gain_error": 0.001, "zero": 100.0, **fields}
        fits_ = [ExposureFit(none, group=0, bins=25), ExposureFit(one, group=0, bins=25, rms=0.5, chi=1.0, **more)]
        return JointFit(fits_, [0], 1.0, 1, "reference")

    monkeypatch.setattr(joint, "fit_all", fit)
    return seen


# -- terms --


def test_a_template_is_fitted() -> None:
    first, second, third = make_scenes(0, 20 + 7 * WISP, -5 - 3 * WISP)
    result = evensky.match_all([first, second, third], 0, bin_size=16, terms=["smooth", evensky.template(WISP)])
    found = {record.label: record.terms for record in result.run.records}
    assert [term.name for term in found["exposure 1"]] == ["template"]
    (amplitude,), (error,) = found["exposure 1"][0].coefficients, found["exposure 1"][0].errors
    assert amplitude == pytest.approx(-7, abs=5 * error)
    assert error < 0.2
    assert abs(np.mean((result.exposures[1] - first)[60:80, 120:160])) < 0.2
    assert result.run.config["terms"] == ["smooth", "template=<template>"]
    assert result.table["terms"][1].startswith(f"template {amplitude:.3f}±0.0")


@pytest.mark.usefixtures("warm_workers")
@pytest.mark.parametrize("executor", [None, "processes"])
def test_templates_of_files(tmp_path: Path, executor: str | None) -> None:
    for name, scene in zip("abc", make_scenes(0, 20 + 7 * WISP, -5 - 3 * WISP), strict=True):
        fits.writeto(tmp_path / f"{name}.fits", scene.astype(np.float32))
        fits.writeto(tmp_path / f"{name}_wisp.fits", WISP.astype(np.float32))
    files = [tmp_path / f"{name}.fits" for name in "abc"]
    run = evensky.match_files(
        files,
        tmp_path / "out",
        reference=files[0],
        terms="smooth,template={stem}_wisp.fits",
        executor=executor,
        workers=2 if executor else 1,
        report=False,
    )
    assert [[term.name for term in record.terms] for record in run.records] == [[], ["{stem}_wisp"], ["{stem}_wisp"]]
    one, other = (read_exposure(tmp_path / "out" / f"{name}_matched.fits").image.array for name in "ab")
    assert abs(np.mean((one - other)[60:80, 120:160])) < 0.2


def test_amplifiers_of_headers_are_found() -> None:
    cards = {"DATASECA": "[1:120,1:160]", "DATASECB": "[121:240,1:160]"}
    step = np.where(np.arange(240) < 120, 0.0, 4.0)
    exposures = [CCDData(one, unit="adu", meta=dict(cards)) for one in make_scenes(0, 20 + step, -5 - step)]
    result = evensky.match_all(exposures, 0, bin_size=16)
    assert [term.name for term in result.run.records[1].terms] == ["amplifier"]
    difference = result.exposures[1].data - exposures[0].data
    assert abs(difference[:, :120].mean() - difference[:, 120:].mean()) < 0.15


def test_the_images_of_terms_are_not_sent_to_jobs() -> None:
    exposures = make_scenes(0, 20)
    source = MemorySource(exposures, ["BAD"])
    method = JointMethod(source, make_config("all"), terms=[evensky.template(WISP)])
    looks = [method.look(item) for item in source.items]
    with method.hold_reference(source.items[0], looks[0]):
        method.comparisons(source.items, looks)
        assert method._planes["template"][0] is not None
        assert method.__getstate__()["_planes"] == {}
        plans, _ = method.plan(source.items, looks, [])
    assert method._planes == {}
    assert all(not plan.fit.model or not plan.fit.model.planes for plan in plans)  # type: ignore[attr-defined]


def test_terms_that_do_not_fit(tmp_path: Path) -> None:
    exposures = make_scenes(0, 20)
    with pytest.raises(InvalidParameterError, match="has 5 x 5 px, but exposure exposure 0 has 240 x 160"):
        evensky.match_all(exposures, terms=[evensky.template(np.eye(5))])
    with pytest.raises(InvalidParameterError, match="There is no term 'wave'"):
        evensky.match_all(exposures, terms="wave")
    with pytest.raises(FitsError, match=r"none\.fits: is not there; the term template=none\.fits needs it"):
        evensky.match_all(exposures, terms="template=none.fits")
    items = write_items(tmp_path, make_exposure(100), make_exposure(150))
    with pytest.raises(FitsError, match=r"none\.fits: is not there"):
        evensky.match_files([item.path for item in items], tmp_path / "out", terms="template=none.fits")
    assert not (tmp_path / "out").exists()
    config = make_config("reference")
    for given in ({"terms": "smooth"}, {"fixed": "a"}, {"anchors": {"a": (1, 1)}}, {"scale": True}):
        with pytest.raises(InvalidParameterError, match="joint match; config is a MatchBackgroundsConfig"):
            evensky.match_files([item.path for item in items], tmp_path / "out", config=config, **given)


def test_what_the_search_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = fake_fit(monkeypatch, 1.0)
    evensky.match_all(make_scenes(0, 20), 0, bin_size=16, terms="smooth,detector=2x1", skies={1: (120, 2)})
    assert [str(term) for term in seen["terms"]] == ["smooth", "detector=2x1"]
    assert [plane.dtype for plane in seen["planes"]["detector"]] == [np.uint8, np.uint8]
    assert all(isinstance(one, Coverage) for one in seen["coverage"])
    assert (seen["anchors"][0].exposure, seen["anchors"][0].value, seen["anchors"][0].error) == (1, -120, 2)
    assert (seen["fixed"], seen["chips"], seen["level"]) == ([], None, "auto")
    evensky.match_all(make_scenes(0, 20), 0, bin_size=16)
    assert seen["level"] == "reference"


# -- chips --


def test_chips_have_their_place_in_the_focal_plane(tmp_path: Path) -> None:
    def write(name: str, shift: int) -> Path:
        chips: list[Any] = [fits.PrimaryHDU()]
        for n in (0, 1):
            header = fits.Header({"DETSEC": f"[{100 * n + 1}:{100 * n + 80},1:80]", "LTV1": -shift, "LTV2": 0})
            chips.append(fits.ImageHDU(make_exposure(100 + n).image.array, header, name=f"CCD{n + 1}"))
        fits.HDUList(chips).writeto(tmp_path / name)
        return tmp_path / name

    items = survey_files([write("a.fits", 0), write("b.fits", 32)], Selection()).items
    assert [item.to_plane for item in items] == [(1.0, 0.0, 100.0 * n + 1, 0.0, 1.0, 1.0) for n in (0, 1)] * 2
    looks = [joint.Look(None, (x0, 0, 80, 80)) for x0 in (0, 0, 32, 32)]  # type: ignore[arg-type]
    chips = joint._chips_of(items, looks)
    assert chips is not None
    assert [chip.exposure for chip in chips] == [0, 0, 1, 1]
    # The first pixel of a chip is at the same place of the focal plane, wherever it is on the common grid.
    for chip, x0, at in zip(chips, (0, 0, 32, 32), (1, 101, 1, 101), strict=True):
        np.testing.assert_array_equal(chip.to_plane @ [x0, 0, 1], [at, 1])
    looks[0].box = None
    assert [chip.exposure for chip in joint._chips_of(items, looks) or []] == [0, 1, 2, 2]
    assert joint._chips_of([Item(0, "whole")], looks[:1]) is None


# -- throughput --


def test_the_throughput_is_measured_and_not_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_fit(monkeypatch, 0.5, flags={"GAIN": "its throughput is 0.5"})
    images = [np.full((80, 80), level, np.float32) for level in (100, 150)]
    result = evensky.match_all(images, 0, bin_size=16)
    record = result.run.records[1]
    np.testing.assert_array_equal(result.exposures[1], 100)
    assert (record.gain, record.gain_error, record.scaled, record.flags) == (0.5, 0.001, False, ["GAIN"])
    assert record.warnings == ["GAIN: its throughput is 0.5"]
    assert "0.5000±0.0010" in str(result)
    assert result.run.summary.endswith("1 flagged")


def test_the_throughput_is_divided_by_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_fit(monkeypatch, 0.5, flags={"GAIN": "its throughput is 0.5"})
    images = [np.full((80, 80), level, np.float32) for level in (100, 150)]
    images[1][3, 4], images[1][5, 5] = 160, np.nan
    result = evensky.match_all(images, 0, bin_size=16, scale=True)
    want = np.full((80, 80), 100, np.float32)
    want[3, 4], want[5, 5] = 120, np.nan
    np.testing.assert_array_equal(result.exposures[1], want)
    assert images[1][3, 4] == 160
    record = result.run.records[1]
    assert (record.gain, record.scaled, record.flags) == (0.5, True, [])
    assert (record.model_min, record.model_max) == (-50, -50)


@pytest.mark.parametrize("add_variance", [False, True])
def test_variances_are_divided_by_the_square(monkeypatch: pytest.MonkeyPatch, add_variance: bool) -> None:
    fake_fit(monkeypatch, 0.5)
    want = 4 * (9 + (0.04 if add_variance else 0))
    exposures: list[Any] = [make_exposure(100), make_exposure(150)]
    exposures[1].variance.array[...] = 9
    result = evensky.match_all(exposures, 0, bin_size=16, scale=True, add_variance=add_variance)
    np.testing.assert_allclose(result.exposures[1].variance.array, want, rtol=1e-6)
    np.testing.assert_array_equal(exposures[1].variance.array, 9)
    data = [CCDData(np.full((80, 80), 100.0), StdDevUncertainty(np.full((80, 80), 3.0)), unit="adu") for _ in range(2)]
    result = evensky.match_all(data, 0, bin_size=16, scale=True, add_variance=add_variance)
    np.testing.assert_allclose(result.exposures[1].uncertainty.array, np.sqrt(want), rtol=1e-6)


def test_files_are_divided_by_the_throughput(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_fit(monkeypatch, 0.5, terms=[TermFit("wisp", np.array([2.0]), np.array([0.5]))])
    for name, level in (("a", 100), ("b", 150)):
        pixels = np.full((80, 80), level, np.int16)
        pixels[3, 4] = level + 10
        errors = fits.ImageHDU(np.full((80, 80), 3, np.float32), name="ERR")
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(pixels, name="SCI"), errors]).writeto(tmp_path / f"{name}.fits")
    files = [tmp_path / "a.fits", tmp_path / "b.fits"]
    run = evensky.match_files(files, tmp_path / "out", reference=files[0], scale=True, report=False)
    assert run.records[1].terms == [TermRecord("wisp", [2.0], [0.5])]
    with fits.open(tmp_path / "out" / "b_matched.fits") as matched:
        image, errors = matched["SCI"], matched["ERR"]
        assert image.data[3, 4] == 120
        assert image.data[0, 0] == 100
        assert errors.data[0, 0] == 6
        assert (image.header["EVS_GAIN"], image.header["EVS_GERR"]) == (0.5, 0.001)
        history = " ".join(map(str, image.header["HISTORY"]))
        assert "then divided by the throughput: (pixels - 100) / 0.5 + 100" in history.replace("\n", "")
    with fits.open(tmp_path / "out" / "a_matched.fits") as matched:
        assert "EVS_GAIN" not in matched["SCI"].header
        assert matched["SCI"].data[3, 4] == 110


def test_flags_are_in_the_header_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_fit(monkeypatch, 1.0, flags={"POOR_FIT": "residuals are 7 times their errors; add a term"})
    files = [item.path for item in write_items(tmp_path, make_exposure(100), make_exposure(150))]
    run = evensky.match_files(files, tmp_path / "out", reference=files[0], strict=False, report=False)
    assert [record.label for record in run.alarmed] == ["b"]
    header = read_exposure(tmp_path / "out" / "b_matched.fits").metadata
    assert header["EVS_FLAG"] == "POOR_FIT"
    assert "POOR_FIT: residuals are 7 times their errors; add a term" in " ".join(map(str, header["HISTORY"]))


# -- fixed and known --


def test_fixed_exposures_are_unchanged() -> None:
    exposures = [make_exposure(level) for level in (100, 150, 160)]
    result = evensky.match_all(exposures, 0, bin_size=16, fixed=[1])
    assert [record.status for record in result.run.records] == ["matched", "fixed", "matched"]
    np.testing.assert_array_equal(result.exposures[1].image.array, exposures[1].image.array)
    for matched in result.exposures:
        assert matched.image.array.mean() == pytest.approx(150, abs=0.3)
    assert result.run.level == "fixed"
    assert "level fixed, 2 matched" in result.run.summary
    assert result.run.records[1].level_after == result.run.records[1].level_before


def test_a_known_model_sets_the_level() -> None:
    exposures = [make_exposure(level) for level in (100, 150, 160)]
    result = evensky.match_all(exposures, 0, bin_size=16, anchors={1: (-140, 0.01)})
    for matched in result.exposures:
        assert matched.image.array.mean() == pytest.approx(10, abs=0.3)
    assert [record.status for record in result.run.records] == ["matched"] * 3
    assert result.run.level == "known"


def test_a_known_sky_is_removed(tmp_path: Path) -> None:
    files = [item.path for item in write_items(tmp_path, *(make_exposure(level) for level in (100, 150)))]
    run = evensky.match_files(files, tmp_path / "out", skies={"b": (150, 0.01)}, report=False)
    for record in run.records:
        assert record.level_after == pytest.approx(0, abs=0.3)


def test_unknown_exposures_are_named(tmp_path: Path) -> None:
    exposures = [make_exposure(level) for level in (100, 150)]
    with pytest.raises(OutOfRangeError, match="fixed = 5; there are 2 exposures"):
        evensky.match_all(exposures, fixed=5)
    with pytest.raises(OutOfRangeError, match="skies is 'night'; the exposures are exposure 0, exposure 1"):
        evensky.match_all(exposures, skies={"night": (1, 1)})
    files = [item.path for item in write_items(tmp_path, *exposures)]
    with pytest.raises(InvalidParameterError, match="anchors names night; the exposures are a, b"):
        evensky.match_files(files, tmp_path / "out", anchors={"night": (1, 1)})


def test_a_run_is_resumed_only_with_the_same_terms(tmp_path: Path) -> None:
    files = [item.path for item in write_items(tmp_path, make_exposure(100), make_exposure(150))]
    given: dict[str, Any] = {"terms": ["smooth", "gain", evensky.template(np.eye(80), name="eye")], "fixed": "a"}
    evensky.match_files(files, tmp_path / "out", report=False, **given)
    again = evensky.match_files(files, tmp_path / "out", report=False, resume=True, **given)
    assert "Resumed: 2 of 2" in " ".join(again.notes)
    for change, says in (
        ({"terms": ["smooth", "gain", evensky.template(2 * np.eye(80), name="eye")]}, "terms was"),
        ({"fixed": "b"}, "fixed was a and is b now"),
        ({"fixed": (), "anchors": {"a": (1, 1)}}, "cannot be resumed: fixed was"),
        ({"scale": True}, "config.scale was False and is True now"),
    ):
        with pytest.raises(FitsError, match=says):
            evensky.match_files(files, tmp_path / "out", report=False, resume=True, **{**given, **change})


def test_a_shared_pattern_is_removed_from_the_reference_too() -> None:
    random = np.random.default_rng(1)
    pattern = 20 * WISP
    exposures = []
    for i, (dx, dy) in enumerate([(0, 0), (60, 0), (0, 40)]):
        pixels = (100 + 10 * i + pattern + random.normal(0, 1, SHAPE)).astype(np.float32)
        exposure = ExposureF(MaskedImageF(ImageF(pixels)))
        exposure.setXY0(Point2I(dx, dy))
        exposures.append(exposure)
    terms = ["smooth", evensky.template(pattern, shared=True)]
    result = evensky.match_all(exposures, terms=terms, order=1, spline=False, reference=0, pictures=False)
    first, second = (None if one is None else one.image.array for one in result.exposures[:2])
    assert first is not None
    assert second is not None
    left = first[:, 60:] - second[:, :-60]
    assert np.std(left.reshape(8, 20, 9, 20).mean(axis=(1, 3))) == pytest.approx(np.sqrt(2) / 20, rel=0.3)
    with pytest.raises(InvalidParameterError, match="shared by all exposures, but fixed ones stay unchanged"):
        evensky.match_all(exposures, terms=terms, fixed=[0], pictures=False)


def test_scaling_needs_the_throughput() -> None:
    with pytest.raises(InvalidParameterError, match=r"scale divides by .* terms are smooth, rows; add the term gain"):
        evensky.match_all(make_scenes(0, 5), 0, terms="smooth,rows", scale=True)


@pytest.mark.parametrize(("scale", "offset"), [(1e-15, 0.0), (1e-6, 0.0), (1e12, 0.0), (1.0, 1000.0)])
def test_the_unit_and_the_level_of_a_template_do_not_matter(scale: float, offset: float) -> None:
    """Sky frames have a level far above their structure, and fluxes may be very small numbers."""
    images = make_scenes(0, 30 + 8 * WISP, 10 + 3 * WISP)
    plain = evensky.match_all(images, 0, terms=["smooth", evensky.template(WISP)])
    given = evensky.template((WISP + offset) * scale)
    result = evensky.match_all(images, 0, terms=["smooth", given])
    for known, record in zip(plain.run.records[1:], result.run.records[1:], strict=True):
        np.testing.assert_allclose(
            np.multiply(record.terms[0].coefficients, scale), known.terms[0].coefficients, rtol=3e-3
        )
        np.testing.assert_allclose(np.multiply(record.terms[0].errors, scale), known.terms[0].errors, rtol=0.02)
    for one, other in zip(plain.exposures, result.exposures, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-3)


def test_a_known_model_has_the_mean_that_is_given() -> None:
    """Also if it is curved, or has a template whose mean is not 0."""
    y, x = np.indices(SHAPE)
    curve = 20 * ((x - 120) / 120) ** 2 + 10 * (y / 160) ** 2
    images = make_scenes(0, 30 + curve + 8 * WISP, 10 + 3 * WISP)
    result = evensky.match_all(images, anchors={1: (-50, 0.001)}, terms=["smooth", evensky.template(WISP + 1)])
    assert abs(np.mean(result.exposures[1] - images[1]) + 50) < 0.05


def test_terms_without_labels_are_named() -> None:
    def notes(**options: Any) -> list[str]:
        run = evensky.match_all(make_scenes(0, 5), 0, pictures=False, **options).run
        return [note for note in run.notes if "is not used" in note]

    assert notes() == []
    assert notes(terms=["smooth", evensky.amplifier((2, 1))]) == []
    (detector,) = notes(terms=["smooth", "detector"])
    assert "files have one chip each; name labels (detector=labels.fits) or" in detector
    (amplifier,) = notes(terms=["smooth", "amplifier"])
    assert "headers give no sections" in amplifier


def test_masked_pixels_of_a_template_do_not_bias_its_amplitude() -> None:
    images = make_scenes(0, 30 + 8 * WISP)
    holes = np.where(0.9 * WISP.max() < WISP, np.nan, WISP)
    for template in (WISP, holes):
        result = evensky.match_all(images, 0, terms=["smooth", evensky.template(template)], pictures=False)
        (term,) = result.run.records[1].terms
        assert term.coefficients[0] == pytest.approx(-8, abs=4 * term.errors[0])
