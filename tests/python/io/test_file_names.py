"""Names of files: labels, patterns, and search for a file by its name."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from evensky import match_files
from evensky.errors import InvalidParameterError
from evensky.fits.companions import split_extension
from evensky.fits.descriptions import Selection
from evensky.io.file_names import (
    ending_of,
    fill_pattern,
    fill_selection,
    find_file,
    refuse_one_name,
    refuse_twice,
    unique_labels,
)
from evensky.tasks import MatchBackgroundsConfig


def test_labels() -> None:
    assert unique_labels([Path("a/x.fits"), Path("a/y.fits.fz")]) == ["x", "y"]
    assert unique_labels([Path("a/x.fits"), Path("b/x.fits")]) == ["a_x", "b_x"]
    assert unique_labels([Path("x.fits"), Path("x.fits")]) == ["x_1", "x_2"]
    # A numbered label that is the name of another file is not used.
    assert unique_labels([Path("x.fits"), Path("x.fits.gz"), Path("x_1.fits")]) == ["x_2", "x_3", "x_1"]
    config = MatchBackgroundsConfig()
    with pytest.raises(ValueError, match="0 files"):
        match_files([], "out", config=config)
    with pytest.raises(ValueError, match="workers = 0"):
        match_files(["a.fits"], "out", workers=0)


def test_endings_and_names_that_are_no_text() -> None:
    assert unique_labels([Path("a.FITS.gz"), Path("b.fit"), Path("c.dat"), Path(".fits")]) == [
        "a",
        "b",
        "c.dat",
        ".fits",
    ]
    assert unique_labels([Path("\x1b[31m.fits")]) == [r"\x1b[31m"]


def test_a_file_is_given_once() -> None:
    refuse_twice(["a.fits", "b.fits"])
    with pytest.raises(InvalidParameterError, match=r"a\.fits is given more than once"):
        refuse_twice(["a.fits", "b.fits", Path("./a.fits")])


@pytest.mark.parametrize("make", [Path.symlink_to, Path.hardlink_to], ids=["symlink", "hardlink"])
def test_a_link_is_the_same_file(tmp_path: Path, make: Callable[[Path, Path], None]) -> None:
    path, link = tmp_path / "a.fits", tmp_path / "link.fits"
    path.write_bytes(b"pixels")
    make(link, path)
    (tmp_path / "b.fits").write_bytes(b"pixels")
    refuse_twice([path, tmp_path / "b.fits", tmp_path / "none.fits", "/dev/null", "a\0b"])
    with pytest.raises(InvalidParameterError, match=r"link\.fits is the same file as .*a\.fits; give it once"):
        refuse_twice([path, link])


@pytest.mark.parametrize("name", ["a.fits", b"a.fits", Path("a.fits")])
def test_one_name_is_no_sequence(name: object) -> None:
    refuse_one_name(["a.fits"])
    with pytest.raises(InvalidParameterError, match=r"'a\.fits' is one name.*put it into a list: \['a\.fits'\]"):
        refuse_one_name(name)


def test_patterns_of_planes() -> None:
    path = Path("/data/night/a.fits")
    assert fill_pattern("{dir}/{stem}_mask.fits[DQ]", path, "a") == "/data/night/a_mask.fits[DQ]"
    assert fill_pattern("masks/{name}", path, "a") == "masks/a.fits"
    with pytest.raises(InvalidParameterError, match=r"Pattern '\{path\}' cannot be filled in"):
        fill_pattern("{path}", path, "a")
    # Parts of a name are replaced; what differs within a file is left to its reader.
    assert fill_pattern("{stem:s/_ooi_/_ood_/}[{extname},{extver}]", path, "x_ooi_z") == "x_ood_z[{extname},{extver}]"
    assert fill_pattern("{dir:s|night|flags|}/{name}", path, "a") == "/data/flags/a.fits"
    for wrong in ("{stem:s/_ooi_/}", "{stem:s//x/}", "{stem:d}"):
        with pytest.raises(InvalidParameterError, match="replaces a part"):
            fill_pattern(wrong, path, "a")


def test_locations_are_completed(tmp_path: Path) -> None:
    path = tmp_path / "x_ooi_z.fits.fz"
    (tmp_path / "x_ood_z.fits.fz").touch()
    selection = Selection(mask="{stem:s/_ooi_/_ood_/}[{extname}]", variance="VAR", weight="{dir}/{stem}.wht.fits")
    filled = fill_selection(selection, path, "x_ooi_z")
    assert filled.mask == f"{tmp_path}/x_ood_z.fits.fz[{{extname}}]"
    assert (filled.variance, filled.weight) == ("VAR", f"{tmp_path}/x_ooi_z.wht.fits")


def test_endings_of_outputs() -> None:
    names = ("a.fits", "a.FIT", "a.dat", "a.fits.gz", "a.fits.fz", "a.zip", "a.asdf")
    endings = [".fits", ".fits", ".fits", ".fits.gz", ".fits.fz", ".fits", ".asdf"]
    assert [ending_of(Path(name)) for name in names] == endings


def test_images_of_files(tmp_path: Path) -> None:
    assert split_extension(Path("night/a.fits[SCI,2]")) == (Path("night/a.fits"), "SCI,2")
    assert split_extension(Path("a.fits")) == (Path("a.fits"), None)
    odd = tmp_path / "a[1]"
    assert split_extension(odd) == (tmp_path / "a", "1")
    odd.touch()
    assert split_extension(odd) == (odd, None)  # a file has this name
    assert split_extension(Path(f"a.fits[{'x' * 300}]")) == (Path("a.fits"), "x" * 300)  # too long for a file


def test_a_file_is_found_by_path_name_or_stem() -> None:
    files = [Path("night/a.fits"), Path("night/b.fits"), Path("dawn/b.fits")]
    assert find_file(Path("dawn/../night/b.fits"), files) == 1
    assert find_file(Path("a.fits"), files) == find_file(Path("a"), files) == 0
    assert find_file(Path("b.fits"), files) is None  # two files have that name
    assert find_file(Path("dusk/a.fits"), files) is None


def test_labels_of_many_files_take_a_time_of_their_number() -> None:
    paths = [Path(f"{number % 7}/{number}.fits") for number in range(8000)]
    start = time.process_time()
    assert len(set(unique_labels(paths))) == 8000
    assert time.process_time() - start < 2


@pytest.mark.parametrize("pattern", ["{stem:999999999}", "{stem:>2147483647}", "{name:1000}"])
def test_a_width_that_takes_memory_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidParameterError, match=r"a width of .*; it must be less than 1000"):
        fill_pattern(pattern, Path("a.fits"), "a")


def test_a_width_that_is_kept() -> None:
    assert fill_pattern("{stem:>5}.fits", Path("a.fits"), "a") == "    a.fits"


@pytest.mark.parametrize("pattern", ["{0}", "{}", "{stem.__class__}", "{stem[0]}", "{stem:{stem}}", "{other}"])
def test_names_that_a_pattern_does_not_know(pattern: str) -> None:
    with pytest.raises(InvalidParameterError, match=r"cannot be filled in \(\{.*\} is unknown\); \{stem\}, "):
        fill_pattern(pattern, Path("a.fits"), "a")
