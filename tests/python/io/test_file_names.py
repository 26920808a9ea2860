"""Names of files: labels, patterns, and search for a file by its name."""

from __future__ import annotations

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
