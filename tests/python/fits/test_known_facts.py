"""What is known of the pixels of files holds until a file is changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from evensky.fits import known_facts, opening, planes
from evensky.fits.contents import describe_file
from evensky.fits.known_facts import KnownFacts
from evensky.fits.planes import read_described


@pytest.fixture
def facts(monkeypatch: pytest.MonkeyPatch) -> KnownFacts:
    """Facts of files that count as settled at once."""
    made = KnownFacts()
    made.begin("a run")
    monkeypatch.setattr(planes, "FACTS", made)
    monkeypatch.setattr(opening, "FACTS", made)
    monkeypatch.setattr(known_facts, "_SETTLED", -(10**9))
    return made


def write(path: Path, worst: float) -> Path:
    """Write an image with variances, one of which has a given value, and checksums."""
    variances = np.full((6, 5), 2, np.float32)
    variances[3, 2] = worst
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(np.ones((6, 5), np.float32), name="SCI"), fits.ImageHDU(variances)]
    hdus[2].name = "VARIANCE"
    fits.HDUList(hdus).writeto(path, overwrite=True, checksum=True)
    return path


def reads_of_pixels(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of planes of which pixels are read from now on, and "DATASUM" for each sum."""
    names: list[str] = []
    read, summed = planes._pixels, opening._datasum

    def pixels(hdu: object, name: str, path: Path) -> object:
        names.append(name.split("'")[1] if "'" in name else name)
        return read(hdu, name, path)

    def datasum(*given: object) -> int:
        names.append("DATASUM")
        return summed(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(planes, "_pixels", pixels)
    monkeypatch.setattr(opening, "_datasum", datasum)
    return names


def test_good_variances_are_looked_at_once(tmp_path: Path, facts: KnownFacts, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.fits", 3)
    (described,) = describe_file(path).images
    names = reads_of_pixels(monkeypatch)
    for only_good in (True, False, True):
        found = read_described(described, header=False, variances=False, only_good=only_good)
        assert found.reject == 0
        assert not found.has_variance
        assert np.isfinite(found.image).all()
    assert names == ["DATASUM", "SCI", "DATASUM", "VARIANCE", "SCI", "SCI"]
    assert read_described(described, header=False).variance[3, 2] == 3  # variances that are wanted are read


@pytest.mark.parametrize("worst", [0.0, np.nan, -1.0])
def test_bad_variances_are_looked_at_each_time(tmp_path: Path, facts: KnownFacts, worst: float) -> None:
    path = write(tmp_path / "a.fits", worst)
    (described,) = describe_file(path).images
    for _ in range(2):
        assert read_described(described, header=False, variances=False).mask[3, 2] != 0
        assert np.isnan(read_described(described, header=False, variances=False, only_good=True).image[3, 2])


def test_changed_file_is_looked_at_again(tmp_path: Path, facts: KnownFacts) -> None:
    path = write(tmp_path / "a.fits", 3)
    (described,) = describe_file(path).images
    assert read_described(described, header=False, variances=False).mask[3, 2] == 0
    write(path, 0)
    assert read_described(described, header=False, variances=False).mask[3, 2] != 0
    with path.open("r+b") as file:  # the data only, so that DATASUM is wrong
        file.seek(-2880, 2)
        file.write(np.array([7], ">f4").tobytes())
    assert "DATASUM" in " ".join(read_described(described, header=False, variances=False).assumptions)


def test_file_that_was_just_written_is_not_trusted(
    tmp_path: Path, facts: KnownFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its times could stay the same when it is written again."""
    monkeypatch.setattr(known_facts, "_SETTLED", 2 * 10**9)
    (described,) = describe_file(write(tmp_path / "a.fits", 3)).images
    names = reads_of_pixels(monkeypatch)
    for _ in range(2):
        read_described(described, header=False, variances=False)
    assert names.count("VARIANCE") == 2


def test_another_run_looks_again(tmp_path: Path, facts: KnownFacts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pixels can be changed through a map in memory, which leaves no trace."""
    (described,) = describe_file(write(tmp_path / "a.fits", 3)).images
    names = reads_of_pixels(monkeypatch)
    for run, reads in (("a run", 1), ("a run", 1), ("another", 2), ("", 3), ("", 4)):
        facts.begin(run)
        read_described(described, header=False, variances=False)
        assert names.count("VARIANCE") == reads
    with facts.of_run("b"):
        for _ in range(2):
            read_described(described, header=False, variances=False)
    read_described(described, header=False, variances=False)
    assert names.count("VARIANCE") == 6


def test_facts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_facts, "_MOST_FACTS", 2)
    facts = KnownFacts()
    for key in ("a", "b"):
        facts.keep(key, key)
    assert facts.get("a") == "a"
    facts.keep("c", "c")
    facts.keep(None, "d")
    assert [facts.get(key) for key in ("a", "b", "c", None)] == ["a", None, "c", None]
