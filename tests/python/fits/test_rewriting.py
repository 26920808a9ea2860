"""A rewritten file is its source in every byte that need not change."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wcs_kinds
from astropy.io import fits

from evensky.errors import FitsError
from evensky.fits import rewriting
from evensky.fits.digests import state_of
from evensky.fits.rewriting import NewPlane, rewrite

SHAPE = (30, 20)
CARDS = {"EVS_VER": ("1.0", "version"), "EVS_CHI": (math.nan, "not known"), "EVS_REF": ("long-name," * 12, "reference")}
HISTORY = ["evensky: the background was matched, with a line that is so long that it needs two cards of HISTORY"]


def _sky(dtype: Any = np.float32) -> np.ndarray:
    return np.random.default_rng(18).normal(100.0, 5.0, SHAPE).astype(dtype)


def _new(dtype: Any = np.float32) -> NewPlane:
    array = _sky(dtype) - 3
    array[2, 3] = np.nan
    array[0, 0] = -0.0
    return NewPlane(array, CARDS, HISTORY)


def _tables() -> list[Any]:
    """Return HDUs that must not change: tables, one with arrays of variable length, and a cube."""
    lengths = np.array([np.arange(n, dtype=np.int32) for n in (3, 1, 5)], dtype=object)
    columns = [fits.Column("A", "E", array=np.arange(3.0)), fits.Column("V", "PJ()", array=lengths)]
    return [
        fits.BinTableHDU.from_columns(columns, name="VARIABLE"),
        fits.TableHDU.from_columns([fits.Column("T", "A5", array=["one", "two"])], name="TEXT"),
        fits.ImageHDU(np.arange(24, dtype=np.uint16).reshape(2, 3, 4), name="CUBE"),
        fits.CompImageHDU(np.arange(600, dtype=np.int16).reshape(SHAPE), name="DQ"),
    ]


def _changes(source: Path, target: Path) -> tuple[set[str], list[str]]:
    """Return the keywords in which the headers of two files differ, and the names of HDUs with other data."""
    keywords: set[str] = set()
    data = []
    with fits.open(source) as old, fits.open(target) as new:
        assert len(old) == len(new)
        for one, other in zip(old, new, strict=True):
            difference = fits.HDUDiff(one, other, ignore_blank_cards=False)
            headers = difference.diff_headers
            if not headers.identical:
                left, right = headers.diff_keywords or ((), ())
                keywords |= {*left, *right, *headers.diff_keyword_values, *headers.diff_keyword_comments}
            if difference.diff_extnames or difference.diff_extension_types or difference.diff_extvers:
                keywords.add("EXTNAME")
            if difference.diff_data is not None and not difference.diff_data.identical:
                data.append(one.name)
    return keywords, data


def _raw(path: Path) -> list[tuple[list[bytes], bytes]]:
    """Return cards and data of each HDU."""
    found = []
    whole = path.read_bytes()
    with fits.open(path, disable_image_compression=True) as hdus:
        for hdu in hdus:
            place = hdu.fileinfo()
            header = whole[place["hdrLoc"] : place["datLoc"]]
            cards = [header[at : at + 80] for at in range(0, len(header), 80)]
            found.append((cards[: cards.index(b"END".ljust(80))], whole[place["datLoc"] :][: place["datSpan"]]))
    return found


PROVENANCE = {*CARDS, "HISTORY"}


def test_a_primary_image_of_equal_pixels_keeps_its_bytes(tmp_path: Path) -> None:
    hdu = fits.PrimaryHDU(_sky())
    hdu.header["OBJECT"] = ("M13", "target")
    fits.HDUList([hdu, *_tables()]).writeto(tmp_path / "a.fits")
    rewrite(tmp_path / "a.fits", tmp_path / "b.fits", {0: NewPlane(_sky())})
    assert (tmp_path / "b.fits").read_bytes() == (tmp_path / "a.fits").read_bytes()
    rewrite(tmp_path / "a.fits", tmp_path / "c.fits", {})
    assert (tmp_path / "c.fits").read_bytes() == (tmp_path / "a.fits").read_bytes()


@pytest.mark.parametrize("refused", [None, errno.EINVAL, errno.ENOTTY])
def test_planes_that_follow_each_other_are_copied_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: int | None
) -> None:
    """Where holes were looked for, the buffer of the file went on to read behind them: planes were cut off."""
    rng = np.random.default_rng(3)
    planes = [fits.ImageHDU(rng.normal(size=size).astype(np.float32)) for size in [(9, 7), (300, 517), (9, 7), (2, 3)]]
    fits.HDUList([fits.PrimaryHDU(), *planes, fits.ImageHDU(_sky()), planes[1], planes[0], planes[1]]).writeto(
        tmp_path / "a.fits"
    )
    if refused is not None:  # some file systems do not tell where holes are
        seek = os.lseek

        def seek_without_holes(handle: int, at: int, how: int) -> int:
            if how in (os.SEEK_HOLE, os.SEEK_DATA):
                raise OSError(refused, os.strerror(refused))
            return seek(handle, at, how)

        monkeypatch.setattr(os, "lseek", seek_without_holes)
    state = rewrite(tmp_path / "a.fits", tmp_path / "b.fits", {5: NewPlane(_sky())})
    assert (tmp_path / "b.fits").read_bytes() == (tmp_path / "a.fits").read_bytes()
    assert state == state_of(tmp_path / "a.fits")


def test_a_source_that_is_cut_off_meanwhile_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(_sky()), fits.ImageHDU(np.ones((300, 400)))]).writeto(
        tmp_path / "a.fits"
    )
    found = rewriting._found

    def cut_off(*args: Any) -> int:
        os.truncate(tmp_path / "a.fits", 20000)
        return args[3] if args[2] == "SEEK_HOLE" else found(*args)

    monkeypatch.setattr(rewriting, "_found", cut_off)
    with pytest.raises(FitsError, match="was cut off while it was copied"):
        rewrite(tmp_path / "a.fits", tmp_path / "b.fits", {1: _new()})
    assert not (tmp_path / "b.fits").exists()


def test_two_chips_with_tables_between(tmp_path: Path) -> None:
    chips = [fits.ImageHDU(_sky(), name="SCI", ver=n) for n in (1, 2)]
    fits.HDUList([fits.PrimaryHDU(), chips[0], *_tables(), chips[1]]).writeto(tmp_path / "a.fits", checksum=True)
    rewrite(tmp_path / "a.fits", tmp_path / "b.fits", {1: _new(), 6: _new(np.float64)})
    changed, data = _changes(tmp_path / "a.fits", tmp_path / "b.fits")
    assert changed == {*PROVENANCE, "BITPIX", "CHECKSUM", "DATASUM"}
    assert data == ["SCI", "SCI"]
    old, new = _raw(tmp_path / "a.fits"), _raw(tmp_path / "b.fits")
    assert [old[n] == new[n] for n in range(7)] == [True, False, True, True, True, True, False]
    with fits.open(tmp_path / "b.fits", checksum=True) as hdus:  # a wrong sum would be a warning, and so an error
        assert hdus[6].data.dtype == ">f8"
        for number, dtype in ((1, np.float32), (6, np.float64)):
            assert hdus[number].data.astype(dtype).tobytes() == _new(dtype).array.tobytes()
            assert hdus[number].header["EVS_CHI"] is None
            assert hdus[number].header["EVS_REF"] == CARDS["EVS_REF"][0]
            assert "".join(hdus[number].header["HISTORY"]) == HISTORY[0]


def test_bytes_behind_the_last_hdu_are_copied(tmp_path: Path) -> None:
    fits.HDUList([fits.PrimaryHDU(_sky()), *_tables()]).writeto(tmp_path / "plain.fits")
    (tmp_path / "a.fits").write_bytes((tmp_path / "plain.fits").read_bytes() + b"bytes behind the last HDU")
    rewrite(tmp_path / "plain.fits", tmp_path / "c.fits", {0: _new()})
    rewrite(tmp_path / "a.fits", tmp_path / "b.fits", {0: _new()})
    assert (tmp_path / "b.fits").read_bytes() == (tmp_path / "c.fits").read_bytes() + b"bytes behind the last HDU"


def _scaled() -> Any:
    hdu = fits.PrimaryHDU(_sky(np.float64))
    hdu.scale("int16", bscale=0.1, bzero=50)
    hdu.header["BLANK"] = -32768
    return hdu


INTEGERS: dict[str, tuple[Callable[[], Any], set[str]]] = {
    "int16 with BZERO and BLANK": (_scaled, {"BSCALE", "BZERO", "BLANK"}),
    "uint16": (lambda: fits.PrimaryHDU(_sky(np.uint16)), {"BZERO", "BSCALE"}),
    "int32": (lambda: fits.PrimaryHDU(_sky(np.int32)), set()),
    "int64": (lambda: fits.PrimaryHDU(_sky(np.int64)), set()),
    "uint8": (lambda: fits.PrimaryHDU(_sky(np.uint8)), set()),
}


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_become_floating_point(name: str, tmp_path: Path) -> None:
    make, gone = INTEGERS[name]
    hdu = make()
    hdu.header["OBJECT"] = "M13"
    hdu.writeto(tmp_path / "a.fits")
    rewrite(tmp_path / "a.fits", tmp_path / "b.fits", {0: _new()})
    changed, _ = _changes(tmp_path / "a.fits", tmp_path / "b.fits")
    assert changed == {*PROVENANCE, "BITPIX", *gone}
    assert fits.getdata(tmp_path / "b.fits").astype(np.float32).tobytes() == _new().array.tobytes()


COMPRESSED: dict[str, Callable[[], Any]] = {
    **{
        f"{name} of integers": lambda name=name: fits.CompImageHDU(
            _sky(np.int32), name="SCI", compression_type=name, tile_shape=(8, 20)
        )
        for name in ("RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1", "PLIO_1")
    },
    **{
        f"{name} quantised": lambda name=name: fits.CompImageHDU(
            _sky(), name="SCI", compression_type=name, tile_shape=(15, 10), quantize_method=2, dither_seed=7
        )
        for name in ("RICE_1", "GZIP_1", "GZIP_2")
    },
    "lossless": lambda: fits.CompImageHDU(_sky(), name="SCI", compression_type="GZIP_1", quantize_level=0),
    "uint16": lambda: fits.CompImageHDU(_sky(np.uint16), name="SCI"),
}


def _table_header(path: Path) -> fits.Header:
    with fits.open(path, disable_image_compression=True) as hdus:
        return hdus[1].header


@pytest.mark.parametrize("name", COMPRESSED)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tiles_stay_tiles(name: str, dtype: Any, tmp_path: Path) -> None:
    hdu = COMPRESSED[name]()
    hdu.header["OBJECT"] = ("M13", "target")
    hdu.header["COMMENT"] = "kept"
    fits.HDUList([fits.PrimaryHDU(), hdu, *_tables()]).writeto(tmp_path / "a.fits", checksum=True)
    rewrite(tmp_path / "a.fits", tmp_path / "b.fits", {1: _new(dtype)})
    changed, data = _changes(tmp_path / "a.fits", tmp_path / "b.fits")
    assert changed - {"BITPIX", "BSCALE", "BZERO", "BLANK", "CHECKSUM", "DATASUM"} == PROVENANCE
    assert data == ["SCI"]
    with fits.open(tmp_path / "b.fits", checksum=True) as hdus:
        assert isinstance(hdus[1], fits.CompImageHDU)
        assert hdus[1].data.astype(dtype).tobytes() == _new(dtype).array.tobytes()
    old, new = (_table_header(tmp_path / name) for name in ("a.fits", "b.fits"))
    assert [old["ZTILE1"], old["ZTILE2"]] == [new["ZTILE1"], new["ZTILE2"]]
    assert new["ZCMPTYPE"] == (old["ZCMPTYPE"] if "GZIP" in old["ZCMPTYPE"] else "GZIP_2")
    assert new["ZQUANTIZ"] == "NONE"
    assert not {"ZSCALE", "ZZERO", "ZBLANK", "ZDITHER0", "TTYPE2"} & set(new)


@pytest.mark.parametrize("checksum", [False, True])
def test_compress_writes_what_fpack_would(checksum: bool, tmp_path: Path) -> None:
    primary = fits.PrimaryHDU(_sky(np.int16))
    primary.header["OBJECT"] = ("M13", "target")
    second = fits.ImageHDU(_sky(), name="SCI")
    fits.HDUList([primary, *_tables(), second]).writeto(tmp_path / "a.fits", checksum=checksum)
    rewrite(tmp_path / "a.fits", tmp_path / "b.fits", {0: _new(), 5: _new(np.float64)}, compress=True)
    old, new = _raw(tmp_path / "a.fits"), _raw(tmp_path / "b.fits")
    assert old[1:5] == new[2:6]
    assert new[0][1] == b""
    assert b"ZSIMPLE =                    T / conforms to FITS standard".ljust(80) in new[1][0]
    assert b"OBJECT  = 'M13     '           / target".ljust(80) in new[1][0]
    with fits.open(tmp_path / "b.fits", checksum=True) as hdus:
        hdus.verify("exception")
        assert hdus[1].header["OBJECT"] == "M13"
        assert hdus[6].name == "SCI"
        assert hdus[1].data.astype("f4").tobytes() == _new().array.tobytes()
        assert hdus[6].data.astype("f8").tobytes() == _new(np.float64).array.tobytes()


@pytest.mark.parametrize(
    ("pack", "unpack", "ending"),
    [
        (gzip.compress, gzip.decompress, "gz"),
        (bz2.compress, bz2.decompress, "bz2"),
        (lzma.compress, lzma.decompress, "xz"),
    ],
)
def test_compression_of_the_whole_file(
    pack: Callable[[bytes], bytes], unpack: Callable[[bytes], bytes], ending: str, tmp_path: Path
) -> None:
    fits.HDUList([fits.PrimaryHDU(_sky()), *_tables()]).writeto(tmp_path / "a.fits")
    (tmp_path / f"a.fits.{ending}").write_bytes(pack((tmp_path / "a.fits").read_bytes()))
    rewrite(tmp_path / "a.fits", tmp_path / "b.fits", {0: _new()})
    for target in ("b", "c"):
        rewrite(tmp_path / f"a.fits.{ending}", tmp_path / f"{target}.fits.{ending}", {0: _new()})
    packed = (tmp_path / f"b.fits.{ending}").read_bytes()
    assert unpack(packed) == (tmp_path / "b.fits").read_bytes()
    assert packed == (tmp_path / f"c.fits.{ending}").read_bytes()  # the same pixels give the same bytes


def test_the_name_says_whether_a_file_is_compressed_as_a_whole(tmp_path: Path) -> None:
    fits.HDUList([fits.PrimaryHDU(_sky()), *_tables()]).writeto(tmp_path / "a.fits")
    (tmp_path / "a.fits.gz").write_bytes(gzip.compress((tmp_path / "a.fits").read_bytes()))
    rewrite(tmp_path / "a.fits", tmp_path / "plain.fits", {0: _new()})
    plain = (tmp_path / "plain.fits").read_bytes()
    for source in ("a.fits", "a.fits.gz"):
        for name, unpack in (("b.fits", bytes), ("b.fits.gz", gzip.decompress), ("b.FITS.XZ", lzma.decompress)):
            rewrite(tmp_path / source, tmp_path / name, {0: _new()}, overwrite=True)
            assert unpack((tmp_path / name).read_bytes()) == plain, (source, name)
    rewrite(tmp_path / "a.fits.gz", tmp_path / "b.tmp", {0: _new()})
    assert gzip.decompress((tmp_path / "b.tmp").read_bytes()) == plain


ODD = [
    b"BADNUM  = NaN", b"NoEqual sign here", b"lower   = 'case'", b"", b"COMMENT   spaces  inside", b"CONTINUE  'stray'",
    b"HIERARCH ESO DET CHIP = 'e2v' / chip", b"EXPTIME = 1.2500000000000E+02 / s", b"LONG    = 'begins&'",
    b"CONTINUE  'ends' / of LONG", b"OBJECT  = '\xe9toile'", b"OBJECT  = 'twice'", b"NUL     = '\0\0'", b"",
    b"   indented",
]  # fmt: skip


def _with_raw_cards(path: Path, lines: list[bytes], into: Path) -> None:
    """Write a copy of a file in whose first header lines stand before END."""
    whole = path.read_bytes()
    at = whole.index(b"END".ljust(80))
    start = whole[:at] + b"".join(line.ljust(80) for line in lines) + b"END".ljust(80)
    into.write_bytes(start + b" " * (-len(start) % 2880) + whole[2880 * math.ceil((at + 80) / 2880) :])


def test_malformed_cards_are_carried_over(tmp_path: Path) -> None:
    fits.PrimaryHDU(_sky(np.int16)).writeto(tmp_path / "plain.fits")
    _with_raw_cards(tmp_path / "plain.fits", [*ODD, b"BZERO   = 'text'"], tmp_path / "a.fits")
    rewrite(tmp_path / "a.fits", tmp_path / "b.fits", {0: NewPlane(_sky(), {"EVS_A": (1, "one")}, ["changed"])})
    whole = (tmp_path / "b.fits").read_bytes()
    last = b"EVS_A   =                    1 / one".ljust(80) + b"HISTORY changed".ljust(80) + b"END".ljust(80)
    assert b"".join(line.ljust(80) for line in ODD) + last in whole
    assert b"BZERO" not in whole


def test_earlier_provenance_is_replaced(tmp_path: Path) -> None:
    fits.PrimaryHDU(_sky()).writeto(tmp_path / "a.fits")
    rewrite(tmp_path / "a.fits", tmp_path / "b.fits", {0: _new()})
    cards = {"EVS_REF": ("short", "reference"), "EVS_VER": ("2.0", "version")}
    rewrite(tmp_path / "b.fits", tmp_path / "b.fits", {0: NewPlane(_sky(), cards)}, overwrite=True)
    header = fits.getheader(tmp_path / "b.fits")
    assert (header["EVS_REF"], header["EVS_VER"]) == ("short", "2.0")
    assert header.count("EVS_REF") == header.count("EVS_VER") == 1
    assert "CONTINUE" not in header
    assert b"CONTINUE" not in (tmp_path / "b.fits").read_bytes()


def test_axes_of_length_1_stay(tmp_path: Path) -> None:
    shape = (1, 1, *SHAPE)
    plain, tiled = fits.PrimaryHDU(_sky().reshape(shape)), fits.CompImageHDU(_sky(np.int16).reshape(shape), name="T")
    fits.HDUList([plain, tiled]).writeto(tmp_path / "a.fits")
    for compress in (False, True):
        rewrite(tmp_path / "a.fits", tmp_path / "b.fits", {0: _new(), 1: _new()}, compress=compress, overwrite=True)
        with fits.open(tmp_path / "b.fits") as hdus:
            for hdu in hdus[-2:]:
                assert hdu.header["NAXIS"] == 4
                assert hdu.shape == shape
                np.testing.assert_array_equal(hdu.data[0, 0], _new().array)


def test_bands_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fits.PrimaryHDU(_sky(np.int16)).writeto(tmp_path / "a.fits", checksum=True)
    rewrite(tmp_path / "a.fits", tmp_path / "b.fits", {0: _new()})
    monkeypatch.setattr("evensky._bands.MOST_PIXELS", 70)
    turned = NewPlane(np.asfortranarray(_new().array).astype(">f4"), CARDS, HISTORY)
    rewrite(tmp_path / "a.fits", tmp_path / "c.fits", {0: turned})
    assert (tmp_path / "b.fits").read_bytes() == (tmp_path / "c.fits").read_bytes()


def test_long_headers(tmp_path: Path) -> None:
    cards = [f"K{n:07d}= {n * 0.5:20} / card".encode().ljust(80) for n in range(4000)]
    fits.PrimaryHDU(_sky()).writeto(tmp_path / "plain.fits")
    _with_raw_cards(tmp_path / "plain.fits", cards, tmp_path / "a.fits")
    rewrite(tmp_path / "a.fits", tmp_path / "b.fits", {0: _new()})
    assert b"".join(cards) in (tmp_path / "b.fits").read_bytes()


@pytest.mark.parametrize("kind", [*wcs_kinds.KINDS, *wcs_kinds.TABLE_KINDS])
@pytest.mark.filterwarnings("ignore")
def test_positions_do_not_move(kind: str, tmp_path: Path) -> None:
    wcs_kinds.write_kind(kind, tmp_path / "a.fits")
    keys = " A" if kind == "alternate A" else " "
    before = [wcs_kinds.positions(tmp_path / "a.fits", key=key) for key in keys]
    rewrite(tmp_path / "a.fits", tmp_path / "b.fits", {0: NewPlane(wcs_kinds.pixels() - 3, CARDS, HISTORY)})
    for key, sky in zip(keys, before, strict=True):
        np.testing.assert_allclose(wcs_kinds.positions(tmp_path / "b.fits", key=key), sky, rtol=0, atol=1e-9)
    assert wcs_kinds.frame_of(tmp_path / "b.fits") == wcs_kinds.frame_of(tmp_path / "a.fits")
    assert _changes(tmp_path / "a.fits", tmp_path / "b.fits") == (PROVENANCE, ["PRIMARY"])


@pytest.mark.parametrize("algorithm", ["GZIP_1", "GZIP_2", "RICE_1"])
@pytest.mark.parametrize("tile", [(1, 40), (7, 13), (23, 40)])
def test_compressed_tiles_depend_on_nothing_but_the_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, algorithm: str, tile: tuple[int, int]
) -> None:
    """Neither on the time, which gzip notes in its headers, nor on the bands in which they are compressed."""
    pixels = np.random.default_rng(1).normal(100, 5, (23, 40)).astype(np.float32)
    source, target = tmp_path / "in.fits", tmp_path / "out.fits"
    compressed = fits.CompImageHDU(pixels, name="SCI", compression_type=algorithm, tile_shape=tile)
    fits.HDUList([fits.PrimaryHDU(), compressed, fits.ImageHDU(pixels.reshape(1, 23, 1, 40))]).writeto(
        source, checksum=True
    )
    found = []
    for rows, now in ((23, 1.0e9), (1, 2.0e9), (8, 3.0e9)):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        monkeypatch.setattr("evensky._bands.MOST_PIXELS", 40 * rows)
        monkeypatch.setattr("evensky.fits.rewriting._MOST_IN_MEMORY", 40 * rows)
        rewrite(source, target, {1: NewPlane(pixels + 1), 2: NewPlane(pixels + 1)}, overwrite=True, compress=True)
        found.append(target.read_bytes())
        with fits.open(target, checksum=True) as hdus:
            for hdu in hdus[1:]:
                np.testing.assert_array_equal(hdu.data.squeeze(), pixels + 1)
    assert found[1:] == found[:1] * 2
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["in.fits", "out.fits"]


def test_holes_stay_holes(tmp_path: Path) -> None:
    """Pixels that take no space on the disk take none in the output."""
    source, target = tmp_path / "a.fits", tmp_path / "b.fits"
    fits.HDUList([fits.PrimaryHDU(_sky()), fits.ImageHDU(_sky(), name="E")]).writeto(source)
    cube = fits.ImageHDU(np.zeros((1, 1, 1), np.int32), name="CUBE").header
    cube["NAXIS1"] = cube["NAXIS2"] = cube["NAXIS3"] = 150
    with source.open("r+b") as file:
        file.seek(0, 2)
        file.write(cube.tostring().encode())
        file.seek(4 * 150**3 - 4, 1)
        file.write(b"\1\2\3\4")
        file.seek(2880 - 4 * 150**3 % 2880, 1)  # the padding is a hole at the end
        file.truncate()
    if source.stat().st_blocks * 512 > 2**22:
        pytest.skip("the file system has no holes")
    written = rewrite(source, target, {0: _new()})
    assert written == state_of(target)
    assert target.stat().st_blocks * 512 < 2**20
    assert target.stat().st_size > 4 * 150**3
    with fits.open(target) as hdus:
        assert np.count_nonzero(hdus["CUBE"].data) == 1
        np.testing.assert_array_equal(hdus["E"].data, _sky())


@pytest.mark.parametrize("dtype", ["f4", "f8", ">f4", ">f8"])
@pytest.mark.parametrize("shape", [(3, 5), (1300, 701)])  # the larger one is summed up in several pieces
def test_checksums_are_those_of_the_bytes_in_the_file(dtype: str, shape: tuple[int, int], tmp_path: Path) -> None:
    pixels = np.random.default_rng(7).normal(0, 1e3, shape).astype(dtype)
    pixels[1, 2], pixels[2, 0] = np.nan, -np.inf
    fits.PrimaryHDU(np.zeros(shape, "f4")).writeto(tmp_path / "a.fits", checksum=True)
    rewrite(tmp_path / "a.fits", tmp_path / "b.fits", {0: NewPlane(pixels)})
    with fits.open(tmp_path / "b.fits", checksum=True) as hdus:  # a wrong sum would be a warning, and so an error
        assert np.array_equal(hdus[0].data, pixels, equal_nan=True)
        assert hdus[0].header["DATASUM"] == str(hdus[0]._calculate_datasum())
