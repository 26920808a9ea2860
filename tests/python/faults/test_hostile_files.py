"""Hostile files: a part of those that `tests/faults/hostile_files.py` tries, each in a child with limits."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hostile_fits import Hostile, hostile_files

sys.path.insert(0, str(Path(__file__).parents[2] / "faults"))

from hostile_files import try_one, warmed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are those of Linux")

EXPECTED = {
    "wcs-A_ORDER-16.fits": "the WCS cannot be used: A_ORDER = 20000; the order of a distortion is",
    "wcs-WCSAXES-16.fits": "the WCS cannot be used: WCSAXES = 20000; a WCS of up to 32 axes is read",
    "distortion-axis.fits": "the WCS cannot be used: there is no DP2 card for CPDIS2",
    "many-cards-of-190000.fits": "headers of up to 36864 cards are read",
    "many-empty-hdus-20000.fits": "has more than 5000 HDUs",
    "zeros.fits.gz": "cannot be read as FITS: it begins with",
    "claim.fits.gz": "says that it holds 3600000000 bytes of pixels",
    "dictionary.fits.xz": "cannot be unpacked: Memory usage limit exceeded",
    "sparse-60000.fits": "60000 x 60000",
    "sparse-header.fits": "a header has no END card in 2952000 bytes",
    "pattern.fits": "a width of",
    "dots.toml": "has a name of 32000 parts; names of fields have one",
    "hex.yaml": "field 'binSize' holds a number of 60002 digits",
    "merges.yaml": "field 'a0' holds a dict",
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return warmed(tmp_path_factory.mktemp("good"))


@pytest.mark.parametrize("hostile", [one for one in hostile_files() if one.fast], ids=lambda one: one.name)
def test_a_hostile_file(tmp_path: Path, good: list[Path], hostile: Hostile) -> None:
    outcome = try_one(hostile, tmp_path, good)
    assert outcome.faults == [], outcome.output
    assert EXPECTED.get(hostile.name, "") in " ".join(outcome.output.split())


def test_the_names_of_hostile_files_differ() -> None:
    names = [one.name for one in hostile_files()]
    assert len(set(names)) == len(names) > 2000
    assert set(EXPECTED) <= set(names)
