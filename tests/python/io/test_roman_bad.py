"""ASDF files that are broken or hold no image of Roman: one line says which file, and why."""

import numpy as np
import pytest

from evensky.errors import FitsError
from evensky.fits.descriptions import Selection
from evensky.io.roman import describe_asdf, read_asdf, rewrite_asdf

asdf = pytest.importorskip("asdf")
pytestmark = pytest.mark.extras


def write(path, tree):
    asdf.AsdfFile(tree).write_to(path)
    return path


@pytest.fixture
def image(tmp_path):
    planes = {"data": np.ones((4, 5), np.float32), "dq": np.zeros((4, 5), np.uint32), "cube": np.zeros((2, 4, 5))}
    return write(tmp_path / "a.asdf", {"roman": {"meta": {}, **planes}})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cannot be read as ASDF"),
        (b"SIMPLE  =                    T", "cannot be read as ASDF"),
        (b"#ASDF 1.0.0\n", "has no image roman.data"),
        (
            b"#ASDF 1.0.0\n#ASDF_STANDARD 1.6.0\n%YAML 1.1\n--- !core/asdf-1.1.0\na: [1, 2\n...\n",
            "cannot be read as ASDF",
        ),
    ],
)
def test_broken_files(tmp_path, content, said):
    path = tmp_path / "x.asdf"
    path.write_bytes(content)
    with pytest.raises(FitsError, match=said) as raised:
        describe_asdf(path)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.97])
def test_truncated_files(tmp_path, share):
    data = np.random.default_rng(1).normal(size=(60, 50)).astype(np.float32)
    path = write(tmp_path / "a.asdf", {"roman": {"meta": {}, "data": data, "dq": np.zeros((60, 50), np.uint32)}})
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(FitsError, match=r"a\.asdf: "):
        read_asdf(describe_asdf(path).images[0])


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(FitsError, match="there is no such file"):
        describe_asdf(tmp_path / "none.asdf")
    (tmp_path / "folder.asdf").mkdir()
    with pytest.raises(FitsError, match="is a folder"):
        describe_asdf(tmp_path / "folder.asdf")


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({"jwst": {"data": 1}}, r"has no image roman\.data.*it holds 'jwst'"),
        ({}, "it holds nothing"),
        ({"roman": {"meta": {}}}, r"has no image roman\.data"),
        ({"roman": {"data": "text"}}, "is not an array"),
        ({"roman": {"data": np.zeros((3, 4, 5))}}, r"has shape \(3, 4, 5\)"),
        ({"roman": {"data": np.zeros((4, 5), complex)}}, "real numbers are needed"),
        ({"roman": {"data": np.zeros((4, 5)), "dq": np.zeros((4, 4), int)}}, "mask = 'none' ignores it"),
        ({"roman": {"data": np.zeros((4, 5)), "dq": np.zeros((4, 5))}}, "whole numbers of at most 32 bits"),
        ({"roman": {"data": np.zeros((4, 5)), "err": np.zeros(5)}}, "variance = 'none' ignores it"),
    ],
)
def test_trees_without_a_usable_image(tmp_path, tree, said):
    with pytest.raises(FitsError, match=said):
        describe_asdf(write(tmp_path / "x.asdf", tree))


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        (Selection(hdu=1), r"hdu = 1; the only image"),
        (Selection(hdu="SCI"), "hdu = 'SCI'"),
        (Selection(mask="m.fits"), r"mask = 'm\.fits'; in an ASDF file it must be 'none' or one of data, cube, dq"),
        (Selection(variance="cube"), r"roman\.cube has shape \(2, 4, 5\)"),
        (Selection(bad_planes=("CR",)), "the mask has no flag 'CR'; it has DO_NOT_USE"),
        (Selection(good_bits=("4294967296",)), "no flag '4294967296'"),
        (Selection(bad_planes=("-1",)), "no flag '-1'"),
    ],
)
def test_choices_that_the_file_does_not_have(image, selection, said):
    with pytest.raises(FitsError, match=said):
        describe_asdf(image, selection)


def test_a_file_that_changes_after_it_was_described(image):
    described = describe_asdf(image).images[0]
    write(image, {"roman": {"data": np.zeros((4, 4), np.float32), "dq": np.zeros((4, 4), np.uint32)}})
    with pytest.raises(FitsError, match="has changed while it was used"):
        read_asdf(described)


def test_a_copy_that_cannot_be_made_leaves_no_file(image, tmp_path):
    target = tmp_path / "out.asdf"
    with pytest.raises(FitsError, match=r"roman\.data has shape \(4, 5\) but its new pixels have \(5, 4\)"):
        rewrite_asdf(image, target, np.zeros((5, 4)))
    with pytest.raises(FitsError, match=r"has no array roman\.err"):
        rewrite_asdf(image, target, np.zeros((4, 5)), err=np.ones((4, 5)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.asdf"]
    with pytest.raises(FitsError, match="exists already"):
        rewrite_asdf(image, image, np.zeros((4, 5)))


def test_a_broken_array_that_is_only_copied(image, tmp_path):
    write(image, {"roman": {"data": np.ones((4, 5), np.float32), "dq": np.zeros((4, 5), np.uint32)}})
    with asdf.open(image, mode="rw") as file:
        file.write_to(image.with_name("z.asdf"), all_array_compression="zlib")
    content = image.with_name("z.asdf").read_bytes()
    second = content.rindex(b"\xd3BLK") + 54
    image.write_bytes(content[:second] + b"\xff" * 4 + content[second + 4 :])
    with pytest.raises(FitsError, match=r"out\.asdf: cannot be written as a copy of .*a\.asdf: "):
        rewrite_asdf(image, tmp_path / "out.asdf", np.zeros((4, 5)))
    assert not (tmp_path / "out.asdf").exists()
