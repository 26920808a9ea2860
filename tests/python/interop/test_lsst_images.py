"""Conversion to and from lsst.images: shared pixels, planes by name, models as fields, maps of backgrounds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

li = pytest.importorskip("lsst.images")

from astro_metadata_translator import ObservationInfo  # noqa: E402
from lsst.images.fields import ChebyshevField  # noqa: E402
from lsst.images.psfs import GaussianPointSpreadFunction  # noqa: E402

import evensky  # noqa: E402
from evensky.errors import FitsError, InvalidParameterError, LengthError  # noqa: E402
from evensky.geom import Box2I, Extent2I, Point2I  # noqa: E402
from evensky.image import ExposureF, ImageF, Mask, MaskedImageF  # noqa: E402
from evensky.interop import lsst_images as interop  # noqa: E402
from evensky.io import read_exposure, write_exposure  # noqa: E402
from evensky.math import (  # noqa: E402
    MEANCLIP,
    NPOINT,
    ApproximateControl,
    BackgroundControl,
    StatisticsControl,
    makeBackground,
    makeStatistics,
)
from evensky.tasks import MatchBackgroundsConfig, MatchBackgroundsTask  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

RNG = np.random.default_rng(3)
NAMES = ["BAD", "SATURATED", "INTERPOLATED", "COSMIC_RAY", "DETECTION_EDGE", "DETECTED", "SUSPECT", "NO_DATA", "MINE"]
HEIGHT, WIDTH = 90, 120
BOX = li.Box.from_shape((HEIGHT, WIDTH), start=(200, 1000))
PIXELS = RNG.normal(100, 5, (HEIGHT, WIDTH)).astype(np.float32)
SET = {name: RNG.random((HEIGHT, WIDTH)) < 0.05 for name in NAMES}


def schema(dtype: Any, names: list[str] = NAMES) -> Any:
    return li.MaskSchema([li.MaskPlane(name, f"about {name}") for name in names], dtype=dtype)


def masked(dtype: Any = np.int32, pixels: np.ndarray = PIXELS) -> Any:
    mask = li.Mask(schema=schema(dtype), bbox=BOX)
    for name, where in SET.items():
        mask.set(name, where)
    variance = li.Image(np.full((HEIGHT, WIDTH), 25, np.float32), bbox=BOX)
    return li.MaskedImage(li.Image(pixels.copy(), bbox=BOX, unit=u.nJy), mask=mask, variance=variance)


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.uint8, np.uint16, np.int16, np.uint64])
def test_masked_images_come_in(dtype: Any) -> None:
    theirs = masked(dtype)
    ours = interop.from_masked_image(theirs)
    assert isinstance(ours, MaskedImageF)
    assert ours.getXY0() == Point2I(1000, 200)
    assert np.shares_memory(ours.image.array, theirs.image.array)
    assert np.shares_memory(ours.variance.array, theirs.variance.array)
    assert np.shares_memory(ours.mask.array, theirs.mask.array) == (np.dtype(dtype).itemsize == 4)
    planes = ours.mask.getMaskPlaneDict()
    assert list(planes) == ["BAD", "SAT", "INTRP", "CR", "EDGE", "DETECTED", "SUSPECT", "NO_DATA", "MINE"]
    for name, where in SET.items():
        bit = ours.mask.getPlaneBitMask(interop.PLANE_ALIASES.get(name, name))
        np.testing.assert_array_equal(ours.mask.array & bit != 0, where)


@pytest.mark.parametrize("dtype", [np.int32, np.uint8])
def test_masked_images_go_out_as_they_came(dtype: Any) -> None:
    theirs = masked(dtype)
    ours = interop.from_masked_image(theirs)
    again = interop.to_masked_image(ours, theirs)
    assert (again.bbox, again.unit, again.mask.schema) == (theirs.bbox, theirs.unit, theirs.mask.schema)
    np.testing.assert_array_equal(again.image.array, theirs.image.array)
    np.testing.assert_array_equal(again.mask.array, theirs.mask.array)
    np.testing.assert_array_equal(again.variance.array, theirs.variance.array)
    part = interop.to_masked_image(ours[Box2I(Point2I(1010, 210), Extent2I(20, 30))], theirs)
    assert part.bbox == li.Box.from_shape((30, 20), start=(210, 1010))
    np.testing.assert_array_equal(part.image.array, PIXELS[10:40, 10:30])


def test_masked_images_go_out_alone() -> None:
    ours = MaskedImageF(ImageF(PIXELS), Mask(np.where(SET["MINE"], 4, 0), mask_planes={"SAT": 0, "MINE": 2}))
    theirs = interop.to_masked_image(ours, unit=u.adu)
    assert theirs.unit == u.adu
    assert theirs.variance.unit == u.adu**2
    np.testing.assert_array_equal(theirs.mask.get("MINE"), SET["MINE"])
    assert set(theirs.mask.schema.names) == {"SATURATED", "MINE"}
    assert np.shares_memory(theirs.mask.array, ours.mask.array)
    exposure = ExposureF(ours)
    exposure.metadata["BUNIT"] = "nJy"
    assert interop.to_masked_image(exposure).unit == u.nJy
    nameless = Mask(np.zeros((HEIGHT, WIDTH), np.int32), mask_planes={})
    assert not interop.to_masked_image(MaskedImageF(ImageF(PIXELS), nameless)).mask.array.any()


def test_planes_that_a_schema_lacks_are_added() -> None:
    ours = interop.from_masked_image(masked())
    like = masked(np.uint8)
    like.mask = li.Mask(schema=schema(np.uint8, ["SATURATED", "BAD"]), bbox=BOX)
    again = interop.to_masked_image(ours, like)
    for name, where in SET.items():
        np.testing.assert_array_equal(again.mask.get(name), where)


def test_images_that_do_not_fit() -> None:
    many = masked()
    many.mask = li.Mask(schema=schema(np.uint8, [f"P{k}" for k in range(33)]), bbox=BOX)
    with pytest.raises(InvalidParameterError, match="33 planes; at most 32 are allowed"):
        interop.from_masked_image(many)
    ours = interop.from_masked_image(masked())
    ours.setXY0(Point2I(0, 0))
    with pytest.raises(LengthError, match="is not inside that of like"):
        interop.to_masked_image(ours, masked())
    for wrong in (3, masked().image):
        with pytest.raises(InvalidParameterError, match="a MaskedImage is needed"):
            interop.from_masked_image(wrong)
    with pytest.raises(InvalidParameterError, match="a VisitImage is needed"):
        interop.to_visit_image(ours, masked())
    with pytest.raises(InvalidParameterError, match="unit is 'furlong per'"):
        interop.to_masked_image(ours, unit="furlong per")


def test_all_32_planes() -> None:
    names = [f"P{k}" for k in range(32)]
    theirs = masked()
    theirs.mask = li.Mask(schema=schema(np.uint8, names), bbox=BOX)
    number = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % 32
    for k, name in enumerate(names):
        theirs.mask.set(name, number == k)
    ours = interop.from_masked_image(theirs)
    np.testing.assert_array_equal(ours.mask.array.view(np.uint32), np.uint32(1) << number.astype(np.uint32))
    np.testing.assert_array_equal(interop.to_masked_image(ours, theirs).mask.array, theirs.mask.array)
    alone = interop.to_masked_image(ours)
    assert alone.mask.schema.mask_size == 2  # an int32 element of lsst.images has 31 planes, as the sign bit is none
    np.testing.assert_array_equal(interop.from_masked_image(alone).mask.array, ours.mask.array)


@pytest.mark.parametrize("dtype", [np.int32, np.uint8])
def test_they_go_straight_in(dtype: Any) -> None:
    theirs = masked(dtype)
    ours = interop.from_masked_image(theirs)
    sctrl = StatisticsControl()
    sctrl.setAndMask(ours.mask.getPlaneBitMask(["SAT", "MINE"]))
    for flags in (MEANCLIP | NPOINT,):
        got, expected = makeStatistics(theirs, flags, sctrl), makeStatistics(ours, flags, sctrl)
        assert got.getValue(MEANCLIP) == expected.getValue(MEANCLIP)
        assert got.getValue(NPOINT) == expected.getValue(NPOINT) < PIXELS.size
    made = makeBackground(theirs, BackgroundControl(4, 3))
    assert made.getImageBBox() == ours.getBBox()
    assert makeStatistics(theirs.image, "NPOINT").getValue() == PIXELS.size
    bad = [SET[name] for name in NAMES if name not in ("SUSPECT", "MINE", "DETECTION_EDGE")]
    assert evensky.image_statistics(theirs).n_good == (~np.any(bad, axis=0)).sum()


@pytest.mark.parametrize("dtype", [np.int32, np.uint8])
def test_matched_images_are_of_the_type_that_went_in(dtype: Any) -> None:
    theirs = [masked(dtype), masked(dtype, PIXELS - 20)]
    result = evensky.match(theirs, 0, bin_size=30)
    got = result.exposures[1]
    assert type(got) is li.MaskedImage
    assert got.mask == theirs[1].mask
    assert got.unit == u.nJy
    np.testing.assert_allclose(got.image.array, PIXELS, atol=1e-4)
    np.testing.assert_array_equal(theirs[1].image.array, PIXELS - 20)
    background = evensky.estimate_background(theirs[0], bin_size=30)
    assert type(background.image) is li.Image
    assert (background.image.bbox, background.image.unit) == (BOX, u.nJy)


def test_the_task_takes_handles() -> None:
    config = MatchBackgroundsConfig()
    config.binSize = 30

    class Handle:
        """Handle like a deferred one of a Butler, or like one in memory."""

        def __init__(self, image: Any, visit: int) -> None:
            self.inMemoryDataset, self.dataId = image, {"visit": visit}

        def get(self, **parameters: Any) -> Any:
            return self.inMemoryDataset

    images = [masked(np.uint8), masked(np.uint8, PIXELS - 20)]
    task = MatchBackgroundsTask(config=config)
    handles = [Handle(image, visit) for visit, image in enumerate(images)]
    got = task.run(handles, "warp", refExpDataRef=handles[0])
    ours = [ExposureF(interop.from_masked_image(image)) for image in images]
    plain = task.run(ours, "x", refExpDataRef=ours[0])
    assert [info.isReference for info in got.backgroundInfoList] == [True, False]
    assert got.backgroundInfoList[1].fitRMS == plain.backgroundInfoList[1].fitRMS
    np.testing.assert_array_equal(images[1].image.array, PIXELS - 20)  # the caller's pixels are unchanged
    direct = task.run(images, "x")
    assert sorted(info.isReference for info in direct.backgroundInfoList) == [False, True]
    assert all(info.fitRMS is not None for info in direct.backgroundInfoList)


def test_files(tmp_path: Path) -> None:
    theirs = masked(np.uint8)
    ours = interop.from_masked_image(theirs)
    interop.write_file(ours, tmp_path / "a.fits", theirs)
    again = interop.read_file(tmp_path / "a.fits")
    np.testing.assert_array_equal(again.image.array, PIXELS)
    np.testing.assert_array_equal(again.mask.array, ours.mask.array)
    assert again.mask.getMaskPlaneDict()["SAT"] == 1
    assert again.metadata["BUNIT"] == "nJy"
    assert again.getXY0() == Point2I(1000, 200)
    # This works without lsst.images, too.
    np.testing.assert_array_equal(read_exposure(tmp_path / "a.fits").image.array, PIXELS)
    with pytest.raises(FitsError, match="exists already"):
        interop.write_file(ours, tmp_path / "a.fits")
    with pytest.raises(FitsError, match="no such file"):
        interop.read_file(tmp_path / "c.fits")
    (tmp_path / "c.fits").write_text("no image")
    with pytest.raises(FitsError, match=r"c\.fits"):
        interop.read_file(tmp_path / "c.fits")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.fits", "c.fits"]


def test_files_of_the_stack(tmp_path: Path) -> None:
    mask = Mask(np.where(SET["MINE"], 2, 0).astype(np.int32))
    stack = ExposureF(MaskedImageF(ImageF(PIXELS), mask, ImageF(np.full((HEIGHT, WIDTH), 25, np.float32))))
    stack.setXY0(Point2I(1000, 200))
    write_exposure(stack, tmp_path / "stack.fits")
    ours = interop.read_file(tmp_path / "stack.fits")
    np.testing.assert_array_equal(ours.image.array, PIXELS)
    assert ours.getXY0() == Point2I(1000, 200)
    np.testing.assert_array_equal(ours.mask.array & ours.mask.getPlaneBitMask("SAT") != 0, SET["MINE"])


def test_old_files_of_the_stack(tmp_path: Path) -> None:
    # The HDUs of this file have types, but no names.
    stack = ExposureF(MaskedImageF(ImageF(PIXELS), Mask(np.where(SET["MINE"], 2, 0).astype(np.int32))))
    write_exposure(stack, tmp_path / "new.fits")
    with fits.open(tmp_path / "new.fits") as hdus:
        for hdu in hdus[1:]:
            del hdu.header["EXTNAME"]
        hdus.writeto(tmp_path / "old.fits")
    ours = interop.read_file(tmp_path / "old.fits")
    np.testing.assert_array_equal(ours.image.array, PIXELS)
    np.testing.assert_array_equal(ours.mask.array & ours.mask.getPlaneBitMask("SAT") != 0, SET["MINE"])
    assert "read by evensky.io" in ours.assumptions[0]


def background(style: str = "AKIMA_SPLINE", nx: int = 7, ny: int = 6) -> Any:
    image = ImageF(PIXELS + np.add.outer(np.linspace(0, 30, HEIGHT), np.linspace(0, 20, WIDTH)).astype(np.float32))
    image.setXY0(1000, 200)
    return makeBackground(image, BackgroundControl(style, nx, ny))


@pytest.mark.parametrize("order", [0, 1, 4])
def test_chebyshev_series_are_fields_exactly(order: int) -> None:
    series = background().getApproximate(ApproximateControl(ApproximateControl.CHEBYSHEV, order))
    field = interop.to_chebyshev_field(series, u.nJy)
    rendered = field.render(dtype=np.float64)
    assert rendered.bbox == BOX
    np.testing.assert_allclose(rendered.array, series.getImageD().array, rtol=1e-14, atol=0)
    again = interop.from_background_map(interop.to_background_map(series))
    np.testing.assert_array_equal(again.coefficients, series.coefficients)
    np.testing.assert_array_equal(again.getImageD().array, series.getImageD().array)


def test_splines_are_fields_where_they_can_be() -> None:
    made = background()
    field = interop.to_spline_field(made, u.nJy)
    box = field.bounds
    model = made.getImageD(Box2I(Point2I(box.x.start, box.y.start), Extent2I(box.x.size, box.y.size)))
    np.testing.assert_allclose(field.render(dtype=np.float64).array, model.array, rtol=1e-12)


def test_splines_that_a_field_cannot_be() -> None:
    for made, words in (
        (background("NATURAL_SPLINE"), "NATURAL_SPLINE; a SplineField is always an AKIMA_SPLINE"),
        (background(nx=4), "4 x 6 bins"),
    ):
        with pytest.raises(InvalidParameterError, match=words):
            interop.to_spline_field(made)
    holey = background()
    holey.getStatsImage().image.array[2:4, 3] = np.nan
    with pytest.raises(InvalidParameterError, match="7 columns have good bins, the fewest 4"):
        interop.to_spline_field(holey)
    made = background()
    made.getBackgroundControl().setApproximateControl(ApproximateControl(ApproximateControl.CHEBYSHEV, 1))
    with pytest.raises(InvalidParameterError, match="is a Chebyshev approximation"):
        interop.to_spline_field(made)


@pytest.mark.parametrize("style", ["AKIMA_SPLINE", "NATURAL_SPLINE", "LINEAR"])
@pytest.mark.parametrize("bins", [(7, 6), (3, 2), (1, 1)])
def test_background_maps_give_the_same_image(style: str, bins: tuple[int, int]) -> None:
    model = background(style, *bins)
    model.getBackgroundControl().setUndersampleStyle("REDUCE_INTERP_ORDER")
    made = interop.to_background_map(model, "match", unit=u.nJy, description="of a test")
    assert made["match"].description == "of a test"
    again = interop.from_background_map(made)
    image = again.getImage() if bins == (1, 1) else again.getImageF()
    np.testing.assert_array_equal(image.array, model.getImageF().array)


def test_maps_without_what_is_asked_for() -> None:
    made = interop.to_background_map(background(), "match")
    with pytest.raises(InvalidParameterError, match="name is 'sky'; the map holds 'match'"):
        interop.from_background_map(made, "sky")
    with pytest.raises(InvalidParameterError, match="no background"):
        interop.from_background_map(li.BackgroundMap())


def test_aliases_are_all_that_they_rename() -> None:
    kinds = ("visit_image", "difference_image", "deep_coadd", "non_cell_coadd", "template", "optional")
    tables = [getattr(li, f"get_legacy_{kind}_mask_planes")() for kind in kinds]
    renamed = {plane.name: old for table in tables for old, plane in table.items() if plane.name != old}
    assert renamed == interop.PLANE_ALIASES


def test_nothing_of_it_is_imported_before_it_is_needed() -> None:
    code = """
import sys, numpy as np, evensky, evensky.interop.lsst_images, evensky.math as m
m.makeStatistics(np.ones((3, 3)), "MEAN")
assert not any(name.startswith("lsst.images") for name in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lsst.images", None)
    with pytest.raises(ImportError, match=r'pip install "evensky\[images\]"'):
        interop.to_masked_image(MaskedImageF(3, 2))


def visit_image() -> Any:
    detector = li.Box.from_shape((400, 1400))
    frame = li.DetectorFrame(instrument="Cam", visit=42, detector=3, bbox=detector)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crpix, wcs.wcs.crval, wcs.wcs.cdelt = [600.0, 300.0], [10.0, -20.0], [-5e-5, 5e-5]
    theirs = masked(np.uint8)
    return li.VisitImage(
        theirs.image,
        mask=theirs.mask,
        variance=theirs.variance,
        sky_projection=li.SkyProjection.from_fits_wcs(wcs, frame, pixel_bounds=detector),
        obs_info=ObservationInfo.makeObservationInfo(instrument="Cam", physical_filter="r_cam"),
        psf=GaussianPointSpreadFunction(2.0, detector, 21),
        detector=SimpleNamespace(),  # not used in this test
        backgrounds=li.BackgroundMap(
            [li.Background("sky", ChebyshevField(BOX, np.ones((1, 1)), unit=u.nJy))], subtracted="sky"
        ),
        band="r",
        metadata={"AIRMASS": 1.25, "a name that FITS has not": True, "nothing": None},
    )


def test_visit_images_come_in_and_go_out() -> None:
    theirs = visit_image()
    ours = interop.from_visit_image(theirs)
    assert isinstance(ours, ExposureF)
    assert ours.dataId == {"instrument": "Cam", "visit": 42, "detector": 3}
    assert (ours.metadata["AIRMASS"], ours.metadata["BUNIT"]) == (1.25, "nJy")
    sky = theirs.sky_projection.pixel_to_sky(x=1003.0, y=204.0)
    np.testing.assert_allclose(ours.wcs.all_pix2world([[3, 4]], 0)[0], [sky.ra.deg, sky.dec.deg], rtol=0, atol=1e-11)
    before = theirs.copy()
    corrected = ExposureF(ours, True)
    corrected.image -= 7.0
    again = interop.to_visit_image(corrected, theirs)
    assert type(again) is li.VisitImage
    np.testing.assert_array_equal(again.image.array, PIXELS - 7)
    assert again.mask == theirs.mask
    for name in ("psf", "detector", "obs_info", "summary_stats", "sky_projection", "band", "unit", "bbox", "bounds"):
        assert getattr(again, name) == getattr(theirs, name), name
    assert again.detector is theirs.detector
    assert (again.variance.unit, again.backgrounds.subtracted.name) == (u.nJy**2, "sky")
    assert dict(again.metadata) == dict(theirs.metadata)
    assert theirs.image == before.image  # it is unchanged
    part = interop.to_visit_image(corrected[Box2I(Point2I(1010, 205), Extent2I(20, 30))], theirs)
    assert part.bbox == li.Box.from_shape((30, 20), start=(205, 1010))
    np.testing.assert_array_equal(part.image.array, PIXELS[5:35, 10:30] - 7)
    with pytest.raises(InvalidParameterError, match=r"like is a MaskedImage.*a VisitImage is needed"):
        interop.to_visit_image(corrected, masked())
    alone = interop.to_masked_image(ours)
    got = alone.sky_projection.pixel_to_sky(x=1003.0, y=204.0)
    assert got.separation(sky).arcsec < 1e-6


class Twice:
    """Scaler of image and variance, in place."""

    def scaleMaskedImage(self, image: Any) -> None:
        image *= 2.0


def test_scalers_leave_alone_what_handles_hold() -> None:
    images = [masked(np.int32), masked(np.int32, PIXELS - 20)]
    handles = [
        SimpleNamespace(inMemoryDataset=image, dataId={"visit": visit}, get=lambda image=image: image)
        for visit, image in enumerate(images)
    ]
    config = MatchBackgroundsConfig()
    config.binSize = 30
    got = MatchBackgroundsTask(config=config).run(handles, "warp", [Twice(), Twice()])
    assert all(info.fitRMS is not None for info in got.backgroundInfoList)
    for image in images:
        assert (image.variance.array == 25).all()


def test_planes_by_the_names_of_lsst_images_can_be_bad() -> None:
    config = MatchBackgroundsConfig()
    exposure = ExposureF(interop.from_masked_image(masked()))
    config.badMaskPlanes = ["SATURATED", "NO_DATA"]
    bits = MatchBackgroundsTask(config=config).badPixelMask(exposure)
    assert bits == exposure.mask.getPlaneBitMask(["SAT", "NO_DATA"])
