"""Files of the Roman telescope: what is read, and that a copy keeps all but the image."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evensky.errors import FitsError
from evensky.fits.descriptions import Selection
from evensky.fits.scratch import ScratchPlane
from evensky.io.bands import ExposureBands
from evensky.io.formats import read_image
from evensky.io.roman import describe_asdf, is_asdf, read_asdf, rewrite_asdf

pytestmark = pytest.mark.extras

SHAPE = (20, 30)
NO_DATA = 1 << 14


def tree_of_image() -> dict[str, Any]:
    """Make the tree of a calibrated image, with a tag that no package knows."""
    from asdf.tagged import TaggedDict

    random = np.random.default_rng(3)
    dq = np.zeros(SHAPE, np.uint32)
    dq[0, 0], dq[1, 1], dq[2, 2], dq[3, 3] = 1, 512, 4, 2**31
    err = np.full(SHAPE, 0.5, np.float16)
    err[5, 5], err[6, 6], err[7, 7] = 0, np.nan, np.inf
    roman = {
        "meta": {
            "instrument": {"name": "WFI", "detector": "WFI07", "optical_element": "F158"},
            "odd": TaggedDict({"kept": [1, 2.5]}, "asdf://example.org/tags/odd-3.1.4"),
        },
        "data": random.normal(10, 0.5, SHAPE).astype(np.float32),
        "dq": dq,
        "err": err,
        "var_poisson": np.full(SHAPE, 0.1, np.float16),
        "chisq": random.normal(1, 0.1, SHAPE).astype(np.float16),
        "amp33": np.zeros((2, 20, 4), np.uint16),
    }
    return {"roman": TaggedDict(roman, "asdf://stsci.edu/datamodels/roman/tags/wfi_image-2.2.0")}


def tree_of_mosaic() -> dict[str, Any]:
    weight = np.ones(SHAPE, np.float32)
    weight[:, :4] = 0
    return {
        "roman": {
            "meta": {"instrument": {"optical_element": "F062"}},
            "data": np.ones(SHAPE, np.float32),
            "err": np.full(SHAPE, 0.25, np.float32),
            "weight": weight,
            "context": np.zeros((1, *SHAPE), np.uint32),
        }
    }


@contextmanager
def plain_types() -> Iterator[Any]:
    """Provide asdf without its extensions, so that trees are read and written as they are, with their tags."""
    asdf = pytest.importorskip("asdf")
    with asdf.config_context() as config:
        for extension in config.extensions:
            if "asdf-format.org/core/" not in (extension.extension_uri or ""):
                config.remove_extension(extension)
        yield asdf


def write(path: Path, tree: dict[str, Any], **options: Any) -> Path:
    with plain_types() as asdf:
        asdf.AsdfFile(tree).write_to(path, **options)
    return path


def raw(path: Path) -> Any:
    """Read the whole tree."""
    with (
        plain_types() as asdf,
        asdf.open(
            path, ignore_unrecognized_tag=True, ignore_missing_extensions=True, lazy_load=False, memmap=False
        ) as file,
    ):
        return file.tree


def differences(one: Any, other: Any, at: str = "") -> list[str]:
    """List the places at which two trees differ, in values, types of arrays or tags."""
    if getattr(one, "_tag", None) != getattr(other, "_tag", None):
        return [f"{at}: tag"]
    if isinstance(one, dict):
        if one.keys() != other.keys():
            return [f"{at}: keys {sorted(one.keys() ^ other.keys())}"]
        return [found for key in one for found in differences(one[key], other[key], f"{at}/{key}")]
    if isinstance(one, list):
        if len(one) != len(other):
            return [f"{at}: length"]
        pairs = zip(one, other, strict=True)
        return [found for index, pair in enumerate(pairs) for found in differences(*pair, f"{at}/{index}")]
    if hasattr(one, "dtype"):
        same = one.dtype == other.dtype and np.array_equal(one[...], other[...], equal_nan=one.dtype.kind == "f")
        return [] if same else [at]
    return [] if one == other else [at]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    pytest.importorskip("asdf")
    return write(tmp_path / "r1_wfi07_cal.asdf", tree_of_image(), all_array_compression="zlib")


@pytest.fixture
def mosaic(tmp_path: Path) -> Path:
    pytest.importorskip("asdf")
    return write(tmp_path / "mosaic.asdf", tree_of_mosaic())


def test_an_image_is_described_with_its_mask_errors_unit_and_filter(image):
    described = describe_asdf(image)
    (found,) = described.images
    assert (described.layout, described.role) == ("Roman ASDF", "exposure")
    assert (found.hdu, found.name, found.slot, found.shape) == (0, "roman.data", "", SHAPE)
    assert (found.unit, found.filter, found.origin) == ("DN/s", "F158", None)
    assert (found.mask.name, found.mask.bad) == ("roman.dq", 1 | 512)
    assert found.mask.bad_names == ("DO_NOT_USE", "NON_SCIENCE")
    assert (found.mask.planes["JUMP_DET"], found.mask.planes["REFERENCE_PIXEL"]) == (2, 31)
    assert (found.variance.name, found.variance.sense) == ("roman.err", "sigma")
    assert set(described.ignored) == {"roman.var_poisson", "roman.chisq", "roman.amp33"}
    assert described.wcs == (None,)


def test_describing_loads_no_pixels(image):
    content = image.read_bytes()
    start = content.index(b"\xd3BLK")
    # Only the header of each block is needed: the bytes of the first array are made unreadable.
    image.write_bytes(content[: start + 60] + bytes(100) + content[start + 160 :])
    assert describe_asdf(image).images[0].shape == SHAPE
    with pytest.raises(FitsError, match="cannot be read as ASDF"):
        read_asdf(describe_asdf(image).images[0])


def test_the_planes_of_an_image(image):
    planes = read_asdf(describe_asdf(image).images[0])
    tree = raw(image)["roman"]
    assert planes.image.dtype == np.float32
    np.testing.assert_array_equal(planes.image, tree["data"][...])
    assert planes.variance[0, 0] == 0.25
    assert (planes.bad, planes.reject, planes.unit, planes.has_variance) == (513, NO_DATA, "DN/s", True)
    rejected = planes.mask & planes.reject != 0
    assert np.argwhere(rejected).tolist() == [[5, 5], [6, 6], [7, 7]]
    np.testing.assert_array_equal(planes.mask[~rejected].view(np.uint32), tree["dq"][...][~rejected])
    assert any("3 of 600 pixels have no positive finite error" in said for said in planes.assumptions)


def test_pixels_may_be_float64_and_in_scratch_space(image, tmp_path):
    planes = read_asdf(describe_asdf(image).images[0], dtype=np.float64, scratch=tmp_path)
    assert planes.image.dtype == np.float64
    assert isinstance(planes.image, ScratchPlane)
    np.testing.assert_array_equal(planes.image[...], read_asdf(describe_asdf(image).images[0], dtype=np.float64).image)


@pytest.mark.parametrize(
    ("selection", "bad"),
    [
        (Selection(bad_planes=("JUMP_DET", "4096+8192")), 4 | 4096 | 8192),
        (Selection(bad_planes=("jump_det",)), 4),
        (Selection(good_bits=("NON_SCIENCE",)), 1),
        (Selection(good_bits=("513",)), 0),
        (Selection(mask="dq", bad_planes=("REFERENCE_PIXEL",)), 2**31),
    ],
)
def test_bad_bits_are_chosen_by_name_or_value(image, selection, bad):
    assert describe_asdf(image, selection).images[0].mask.bad == bad


def test_mask_and_errors_can_be_ignored_and_this_is_said(image):
    found = describe_asdf(image, Selection(mask="none", variance="none")).images[0]
    assert (found.mask, found.variance) == (None, None)
    assert {"the mask roman.dq is ignored", "the errors roman.err are ignored"} <= set(found.notes)
    planes = read_asdf(found)
    assert not planes.mask.any()
    assert not planes.has_variance


def test_another_variance_is_chosen(image):
    found = describe_asdf(image, Selection(variance="roman.var_poisson")).images[0]
    assert (found.variance.name, found.variance.sense) == ("roman.var_poisson", "variance")
    assert read_asdf(found).variance[5, 5] == np.float32(np.float16(0.1))
    weights = describe_asdf(image, Selection(weight="var_poisson")).images[0]
    assert read_asdf(weights).variance[5, 5] == np.float32(1 / float(np.float16(0.1)))


def test_pixels_of_a_mosaic_without_weight_are_none(mosaic):
    described = describe_asdf(mosaic)
    assert described.images[0].unit == "MJy/sr"
    assert described.images[0].mask is None
    assert described.ignored == ("roman.context",)
    planes = read_asdf(described.images[0])
    rejected = planes.mask & planes.reject != 0
    assert rejected[:, :4].all()
    assert not rejected[:, 4:].any()
    assert planes.variance[0, 0] == 0.0625


def test_arrays_of_old_files_are_quantities(tmp_path):
    pytest.importorskip("asdf")
    from asdf.tagged import TaggedDict

    tree = tree_of_image()
    for key in ("data", "err"):
        value = {"value": tree["roman"][key], "unit": "electron / s"}
        tree["roman"][key] = TaggedDict(value, "tag:stsci.edu:asdf/unit/quantity-1.1.0")
    path = write(tmp_path / "old.asdf", tree)
    found = describe_asdf(path).images[0]
    assert found.unit == "electron / s"
    rewrite_asdf(path, tmp_path / "new.asdf", read_asdf(found).image + 1)
    again = raw(tmp_path / "new.asdf")["roman"]["data"]
    assert again["unit"] == "electron / s"
    np.testing.assert_array_equal(again["value"][...], read_asdf(found).image + 1)


def test_a_copy_differs_in_its_image_and_provenance_only(image, tmp_path):
    before = raw(image)
    new = read_asdf(describe_asdf(image).images[0]).image - 10
    provenance = {"EVS_STAT": ("matched", "reference or matched"), "EVS_RMS": (np.float32(0.5), "RMS"), "EVS_N": 3}
    target = tmp_path / "out.asdf"
    rewrite_asdf(image, target, new, history=["evensky subtracted a background"], provenance=provenance)
    after = raw(target)
    assert differences(before["roman"], after["roman"]) == ["/data"]
    np.testing.assert_array_equal(after["roman"]["data"][...], new)
    assert after["roman"]["data"].dtype == np.float32
    assert after["evensky"] == {"EVS_STAT": "matched", "EVS_RMS": 0.5, "EVS_N": 3}
    (entry,) = after["history"]["entries"]
    assert entry["description"] == "evensky subtracted a background"
    assert describe_asdf(target).role == "earlier output"
    assert target.stat().st_size < 1.1 * image.stat().st_size + 1000


def test_compression_is_kept(image, tmp_path):
    rewrite_asdf(image, tmp_path / "out.asdf", np.zeros(SHAPE))
    with plain_types() as asdf, asdf.open(tmp_path / "out.asdf", ignore_unrecognized_tag=True) as file:
        roman = file["roman"]
        assert {file.get_array_compression(roman[key]) for key in ("data", "dq", "err")} == {"zlib"}


def test_errors_are_replaced_on_request_in_their_type(image, tmp_path):
    rewrite_asdf(image, tmp_path / "out.asdf", np.zeros(SHAPE), err=np.full(SHAPE, 0.75))
    err = raw(tmp_path / "out.asdf")["roman"]["err"]
    assert err.dtype == np.float16
    assert (err[...] == 0.75).all()
    for beyond in (1e6, 1e-12):
        with pytest.raises(FitsError, match="float16, which cannot hold 1e"):
            rewrite_asdf(image, tmp_path / "none.asdf", np.zeros(SHAPE), err=np.full(SHAPE, beyond))
    assert not (tmp_path / "none.asdf").exists()


def test_asdf_is_recognised_by_content_and_by_ending(tmp_path):
    (tmp_path / "a.fits").write_bytes(b"#ASDF 1.0.0\n")
    (tmp_path / "b.fits").write_bytes(b"SIMPLE  = ")
    assert [is_asdf(tmp_path / name) for name in ("a.fits", "b.fits", "c.asdf", "d.fits")] == [True, False, True, False]


def test_without_the_package_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "asdf", None)
    path = tmp_path / "x.asdf"
    path.write_bytes(b"#ASDF 1.0.0\n")
    with pytest.raises(FitsError) as raised:
        describe_asdf(path)
    assert str(raised.value) == f"{path}: is an ASDF file; install evensky[roman] to read it"


def test_a_tangent_projection_becomes_a_fits_wcs_and_any_other_stays(tmp_path):
    pytest.importorskip("gwcs")
    import asdf
    from astropy import units
    from astropy.coordinates import ICRS
    from astropy.modeling import models
    from astropy.wcs import WCS
    from gwcs import WCS as GWCS
    from gwcs import coordinate_frames

    def gwcs_of(bend: float) -> Any:
        scale = models.Scale(3e-5) & models.Scale(3e-5)
        linear = models.AffineTransformation2D([[0.8, -0.6], [0.6, 0.8]])
        shift = models.Shift(-500) & models.Shift(-200)
        if bend:
            shift = shift | models.Mapping([0, 1, 1]) | models.Polynomial2D(2, c1_0=1, c0_2=bend) & models.Identity(1)
        sky = shift | linear | scale | models.Pix2Sky_TAN() | models.RotateNative2Celestial(269.9, -66.0, 180)
        pixel = coordinate_frames.Frame2D(name="detector", unit=(units.pix, units.pix))
        frame = coordinate_frames.CelestialFrame(name="sky", reference_frame=ICRS(), unit=(units.deg, units.deg))
        return GWCS(sky, input_frame=pixel, output_frame=frame)

    for bend, kind in ((0, WCS), (1e-6, GWCS)):
        tree = {"roman": {**tree_of_mosaic()["roman"], "meta": {"wcs": gwcs_of(bend)}}}
        path = tmp_path / f"{kind.__name__}{bend}.asdf"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            asdf.AsdfFile(tree).write_to(path)
        (found,) = describe_asdf(path).wcs
        assert isinstance(found, kind)
        for x, y in ((0, 0), (29, 0), (0, 19), (29, 19), (14, 9)):
            np.testing.assert_allclose(found.pixel_to_world_values(x, y), gwcs_of(bend)(x, y), rtol=0, atol=1e-9)
        rewrite_asdf(path, tmp_path / "out.asdf", np.zeros(SHAPE), overwrite=True)
        assert differences(raw(path)["roman"], raw(tmp_path / "out.asdf")["roman"]) == ["/data"]


@pytest.mark.parametrize("name", ["ImageModel", "MosaicModel"])
def test_roman_datamodels_reads_a_copy(tmp_path, name):
    datamodels = pytest.importorskip("roman_datamodels.datamodels")
    path, target = tmp_path / "a.asdf", tmp_path / "out" / "a.asdf"
    target.parent.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = getattr(datamodels, name).create_fake_data(shape=SHAPE)
        model.data = np.full(SHAPE, 7, np.float32)
        model.err = np.full(SHAPE, 0.5, model.err.dtype)
        model.save(path)
        described = describe_asdf(path)
        assert described.images[0].filter == "F062"
        assert described.wcs[0] is not None
        planes = read_asdf(described.images[0])
        rewrite_asdf(path, target, planes.image - 3, history=["a line"], provenance={"EVS_STAT": "matched"})
        assert differences(raw(path)["roman"], raw(target)["roman"]) == ["/data"]
        with datamodels.open(target) as copy:
            copy.validate()
            assert type(copy) is type(model)
            assert (copy.data == 4).all()
            assert copy.meta.wcs(3, 4) == model.meta.wcs(3, 4)


def test_bands_are_those_of_what_is_read_whole(image, mosaic, tmp_path):
    for path in (image, mosaic):
        described = describe_asdf(path).images[0]
        exposure = read_image(described)
        with ExposureBands(described, scratch=tmp_path) as bands:
            parts = [bands.read(slice(first, first + 5)) for first in range(0, SHAPE[0], 5)]
            assert bands.plane_names == exposure.mask.getMaskPlaneDict()
            assert bands.bad == exposure.info.bad | exposure.info.reject
            assert bands.has_mask == (described.mask is not None)
        np.testing.assert_array_equal(np.concatenate([one.image for one in parts]), exposure.image.array)
        np.testing.assert_array_equal(np.concatenate([one.mask for one in parts]), exposure.mask.array)
        if bands.image.variance is not None and exposure.info.has_variance:
            np.testing.assert_array_equal(np.concatenate([one.variance for one in parts]), exposure.variance.array)
