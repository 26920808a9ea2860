"""Metadata: a header of FITS cards with the methods of the original's property lists."""

from __future__ import annotations

import copy
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

import evensky.errors as errors
from evensky.image import ExposureF, ImageF, PropertyList, PropertySet, readMetadata
from evensky.image.metadata import as_metadata


def test_values_of_every_type() -> None:
    metadata = PropertyList()
    metadata.setDouble("BGMEAN", 812.5)
    metadata.setInt("NBIN", 4)
    metadata.setBool("matched", True)
    metadata.setString("a name of any length", "text")
    metadata.set("comment.of.it", 1.5, "what it is")
    assert (metadata.getDouble("BGMEAN"), metadata.getAsDouble("NBIN"), metadata.getAsInt("NBIN")) == (812.5, 4.0, 4)
    assert (metadata.getBool("MATCHED"), metadata.getString("a name of any length")) == (True, "text")
    assert (metadata.getComment("comment.of.it"), metadata.getScalar("comment.of.it")) == ("what it is", 1.5)
    assert metadata.names() == ["BGMEAN", "NBIN", "MATCHED", "a name of any length", "comment.of.it"]
    assert metadata.nameCount() == len(metadata) == 5
    assert (metadata.exists("nbin"), metadata.exists("none")) == (True, False)
    for call, name, says in (
        (metadata.getAsInt, "BGMEAN", "BGMEAN: 812.5 is a float; a whole number is needed"),
        (metadata.getAsBool, "NBIN", "NBIN: 4 is a int; True or False is needed"),
        (metadata.getAsString, "NBIN", "NBIN: 4 is a int; a text is needed"),
        (metadata.getAsDouble, "a name of any length", "'text' is a str; a real number is needed"),
        (lambda name: metadata.setInt(name, 1), 3, "A name of metadata is a text; got 3"),
    ):
        with pytest.raises(TypeError, match=says):
            call(name)


def test_several_values_of_one_name() -> None:
    metadata = PropertyList.from_mapping({"A": [1, 2], "B": "x"})
    metadata.addInt("A", 3)
    metadata.add("B", ["y", "z"])
    assert (metadata.getScalar("A"), metadata.getArray("A"), metadata.getArray("B")) == (3, [1, 2, 3], ["x", "y", "z"])
    assert (metadata.isArray("A"), metadata.valueCount("A"), metadata.valueCount("none")) == (True, 3, 0)
    metadata.set("A", 7)
    assert metadata["A"] == 7
    metadata.remove("C")
    metadata.remove("A")
    assert metadata.names() == ["B"]
    metadata.set("B", 1.0)
    metadata.setString("B", "only")
    metadata.setInt("A", [8, 9])
    assert metadata.toDict() == {"B": "only", "A": [8, 9]}
    metadata["C"] = [1.0, 2.0]
    metadata.combine(PropertyList.from_mapping({"C": 3.0, "D": None}))
    assert metadata.toDict() == {"A": [8, 9], "B": "only", "C": [1.0, 2.0, 3.0], "D": None}


def test_a_missing_name_is_an_error_of_both_kinds() -> None:
    metadata = PropertyList.from_mapping({"SKY": 1})
    for kind in (errors.NotFoundError, KeyError):
        with pytest.raises(kind, match=r"^There is no 'NOPE' in the metadata; they have SKY$"):
            metadata.getScalar("NOPE")


def test_values_that_cards_cannot_hold() -> None:
    metadata = PropertyList()
    metadata.set("A", math.nan)
    metadata["B"] = -math.inf
    metadata.addDouble("C", math.inf)
    assert math.isnan(metadata.getScalar("A"))
    assert (metadata.getScalar("B"), metadata.getDouble("C")) == (-math.inf, math.inf)


def test_a_header_shares_its_cards() -> None:
    header = fits.Header({"EXPTIME": 30.0})
    exposure = ExposureF(2, 2)
    exposure.setMetadata(header)
    exposure.getMetadata().setDouble("EXPTIME", 60.0)
    header["FILTER"] = "r"
    assert header["EXPTIME"] == 60.0
    assert exposure.metadata.getScalar("FILTER") == "r"
    assert as_metadata(exposure.metadata) is exposure.metadata
    assert isinstance(exposure.metadata, fits.Header)
    assert isinstance(exposure.metadata, PropertySet)
    exposure.metadata = {"A": 1}
    assert exposure.getMetadata().toDict() == {"A": 1}
    with pytest.raises(TypeError, match="Metadata are 3"):
        exposure.setMetadata(3)


def test_copies_are_metadata_too() -> None:
    metadata = PropertyList.from_mapping({"A": [1, 2]})
    for same in (
        copy.copy(metadata),
        copy.deepcopy(metadata),
        metadata.deepCopy(),
        pickle.loads(pickle.dumps(metadata)),
    ):
        assert type(same) is type(metadata)
        same.addInt("A", 3)
        assert (same.getArray("A"), metadata.getArray("A")) == ([1, 2, 3], [1, 2])


def test_metadata_in_files(tmp_path: Path) -> None:
    exposure = ExposureF(2, 2)
    values: dict[str, Any] = {"A": [1, 2], "a name of any length": 2.5}
    exposure.setMetadata(PropertyList.from_mapping(values))
    exposure.writeFits(tmp_path / "a.fits")
    read = ExposureF(tmp_path / "a.fits").getMetadata()
    assert read.getArray("A") == [1, 2]
    assert read.getScalar("a name of any length") == 2.5
    ImageF(np.ones((2, 3), np.float32)).writeFits(tmp_path / "b.fits", PropertyList.from_mapping(values))
    assert readMetadata(tmp_path / "b.fits").getScalar("a name of any length") == 2.5
    assert readMetadata(tmp_path / "a.fits", "MASK").getScalar("MP_NO_DATA") == 8
    with pytest.raises(errors.FitsError, match="has no HDU 'X'"):
        readMetadata(tmp_path / "a.fits", "X")
