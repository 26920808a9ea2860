"""Hostile files: false claims, endless headers, bombs and contradictions, by name; each is made when it is needed.

Every one of them must be read or refused within `SECONDS` of processor time and `MEGABYTES` of memory beyond the size
that it really has, with a message of one line.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from broken_fits import (
    ALGORITHMS,
    BLOCK,
    as_bytes,
    bomb,
    compressed,
    integer,
    lsst,
    more_cards,
    places,
    plain,
    sized,
    with_broken_descriptor,
    with_broken_heap,
    with_card,
)

SECONDS = 5.0
MEGABYTES = 512


@dataclass(frozen=True)
class Hostile:
    """A hostile input.

    Attributes
    ----------
    name : str
        Name of the file; its ending counts.
    make : callable
        Makes the file at a path.
    command : tuple of str
        Arguments of evensky; FILE stands for the path, GOOD for exposures that are well, OUT for a folder.
    honest : int
        Size in megabytes that it really has, if that is much.
    fast : bool
        Whether it is among those that every run of the tests tries.
    """

    name: str
    make: Callable[[Path], object]
    command: tuple[str, ...] = ("stats", "FILE")
    honest: int = 0
    fast: bool = False


def _written(content: Callable[[], bytes]) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content())


def _card(keyword: str, value: str) -> str:
    return f"{keyword:8}= {value:>20}"


NUMBERS = (
    "-1", "0", "1", "2147483648", "9223372036854775807", "9223372036854775808", "9" * 60, "-9223372036854775808",
    "1.5", "1E400", "nan", "'x'", "T", "", "(1,2)", "0x10",
)  # fmt: skip
STORAGE = (
    "SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "BSCALE", "BZERO", "BLANK", "GROUPS",
    "EXTEND", "EXTVER", "EXTNAME", "EXTLEVEL", "INHERIT", "DATASUM", "CHECKSUM", "THEAP", "TFIELDS",
)  # fmt: skip
TILES = (
    "ZIMAGE", "ZBITPIX", "ZNAXIS", "ZNAXIS1", "ZNAXIS2", "ZTILE1", "ZTILE2", "ZCMPTYPE", "ZQUANTIZ", "ZDITHER0",
    "ZVAL1", "ZNAME1", "ZSCALE", "ZZERO", "ZBLANK", "ZMASKCMP", "ZTENSION", "ZPCOUNT", "ZGCOUNT", "TFIELDS", "TFORM1",
    "TTYPE1", "TDIM1", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "THEAP",
)  # fmt: skip
TAN = (
    "CTYPE1  = 'RA---TAN'", "CTYPE2  = 'DEC--TAN'", "CRVAL1  = 150.0", "CRVAL2  = 2.0", "CRPIX1  = 32.0",
    "CRPIX2  = 32.0", "CD1_1   = -5e-5", "CD2_2   = 5e-5",
)  # fmt: skip
WCS = (
    "WCSAXES", "WCSAXESA", "A_ORDER", "B_ORDER", "AP_ORDER", "BP_ORDER", "CRPIX1", "CRVAL1", "CD1_1", "CD99_99",
    "PC1_99", "PC001099", "PV1_0", "PV1_99", "PV2_9999", "CROTA2", "CDELT1", "LONPOLE", "EQUINOX", "MJD-OBS",
    "CTYPE99", "CRPIX99", "AMDX1", "AMDX14", "AMDX99", "CNPIX1", "PLTSCALE", "AXISCORR", "WAXMAP01", "RADESYS",
    "VELREF", "RESTFRQ", "CPERR1", "D2IMERR1", "A_DMAX", "A_9_9", "LTV1", "LTV2", "LTM1_1", "CRVAL1A", "CRVAL2A",
)  # fmt: skip
SECTIONS = ("DETSEC", "DATASEC", "CCDSEC", "AMPSEC", "BIASSEC", "TRIMSEC", "AMPSIZE", "CCDSUM", "DETSIZE")
PLACES = (
    f"'[1:{'9' * 20},1:{'9' * 20}]'", "'[0:0,0:0]'", "'[-5:5,-5:5]'", "'[64:1,64:1]'", "'[1:64,1:64'", "'[:,:]'",
    "'9 9'", "'0 0'", "7", "'[2147483647:2147483648,1:2]'",
)  # fmt: skip
MASKS = ("MP_BAD", "MP_SAT", "MSKN0000", "MSKM0000", "MSKD0000")


def _with_wcs(*cards: str) -> bytes:
    given = {card[:8] for card in cards}
    return more_cards(plain(), *(card.encode() for card in (*(one for one in TAN if one[:8] not in given), *cards)))


def _tiles_with(card: str, algorithm: str = "RICE_1") -> bytes:
    content, keyword = compressed(algorithm), card[:8].rstrip()
    header, data, _ = places(content)[1]
    if keyword.ljust(8).encode() + b"=" in content[header:data]:
        return with_card(content, card, behind=header)
    end = content.index(b"END" + b" " * 77, header)
    return content[:end] + card.encode().ljust(80) + b"END".ljust(data - end - 80) + content[data:]


def _dp(name: str, *records: str) -> tuple[str, ...]:
    return tuple(f"{name:8}= '{record}'" for record in records)


_LOOKUP = ("CPDIS1  = 'Lookup'", "CPDIS2  = 'Lookup'")
DISTORTIONS: dict[str, tuple[str, ...]] = {
    "naxes": (*_LOOKUP, *_dp("DP1", "NAXES: 999999999"), *_dp("DP2", "NAXES: 2")),
    "axis": (*_LOOKUP, *_dp("DP1", "EXTVER: 1", "NAXES: 2", "AXIS.1: 2147483647", "AXIS.2: 2")),
    "axis-number": (*_LOOKUP, *_dp("DP1", "EXTVER: 1", "NAXES: 2", "AXIS.999999999: 1", "AXIS.2: 2")),
    "many": (*_LOOKUP, *_dp("DP1", *[f"AXIS.{n}: 1" for n in range(1000)])),
    "terms": ("CQDIS1  = 'Polynomial'", *_dp("DQ1", "NAXES: 2", "NTERMS: 2147483647", "NAUX: 2147483647")),
    "unused": _dp("DQ1", "NAXES: 999999999", "AXIS.1: 999999999"),
    "tpd": ("CQDIS1  = 'TPD'", *_dp("DQ1", "NAXES: 2", "TPD.FWD.999999999: 1")),
    "detector": ("D2IMDIS1= 'Lookup'", *_dp("D2IM1", "NAXES: -1", "EXTVER: 999999999")),
    "tab": ("CTYPE1  = 'WAVE-TAB'", "PS1_0   = 'x'", "PS1_1   = 'y'", "PV1_3   = 999999999"),
    "tab-table": ("CTYPE1  = 'RA---TAB'", "PV1_1   = 1", "PV1_2   = 1", "PV1_3   = 999999999"),
    "plates": tuple(f"AMDX{n:<4}= 1E308" for n in range(1, 100)),
    "pv": tuple(f"PV1_{n:<4}= 1.0" for n in range(9999)),
    "ps": tuple(f"PS1_{n:<4}= 'x'" for n in range(9999)),
    "wat": tuple(f"WAT1_{n:03}= '{'9 ' * 30}'" for n in range(1, 999)),
    **{
        f"repeated-{keyword}-{value}": (_card(keyword, value),) * 400
        for keyword in ("CRVAL1", "CD1_1", "EQUINOX", "MJD-OBS", "PC001001", "AMDX1", "PLTRAH", "A_0_2", "PV1_1")
        for value in ("'x'", "1.0", "T")
    },
}


def _masked(card: str) -> bytes:
    """Return a file in LSST's layout with another card in the header of its mask."""
    content = lsst()
    start, data, _ = places(content)[2]
    if card[:8].encode() + b"=" in content[start:data]:
        return with_card(content, card, behind=start)
    end = content.index(b"END" + b" " * 77, start)
    return content[:end] + card.encode().ljust(80) + b"END".ljust(data - end - 80) + content[data:]


def _cards(count: int, text: Callable[[int], str]) -> bytes:
    return more_cards(plain(), *(text(n).encode() for n in range(count)))


def _hdus(count: int, hdu: bytes) -> bytes:
    return as_bytes(fits.PrimaryHDU()) + hdu * count


def _extension(hdu: Any) -> bytes:
    return as_bytes(fits.PrimaryHDU(), hdu)[BLOCK:]


def _table(*cards: str) -> bytes:
    """Return a file whose image is followed by a table with false cards."""
    table = fits.BinTableHDU.from_columns([fits.Column("A", "J", array=[1]), fits.Column("B", "PJ()", array=[[1, 2]])])
    content = as_bytes(fits.PrimaryHDU(np.ones((64, 64), np.float32)), table)
    return with_card(content, *cards, behind=places(content)[1][0])


def _large_header(axes: int, digits: int) -> bytes:
    cards = ["SIMPLE  =                    T", integer("BITPIX", 8), integer("NAXIS", axes)]
    cards += [f"NAXIS{n:<3}= {'9' * digits}" for n in range(1, axes + 1)]
    text = "".join(card.ljust(80) for card in [*cards, "END"])
    return text.ljust(-(-len(text) // BLOCK) * BLOCK).encode()


def sparse(path: Path, side: int) -> None:
    """Write an image of zeros that takes no space on disk."""
    header = sized(plain(), side, side)[:BLOCK]
    with path.open("wb") as file:
        file.write(header)
        size = 4 * side * side
        file.truncate(BLOCK + size + -size % BLOCK)


def _sparse_header(path: Path) -> None:
    with path.open("wb") as file:
        file.write(plain()[:80])
        file.truncate(2**33)


PACKERS: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def zipped(*contents: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, content in enumerate(contents):
            archive.writestr(f"{number}.fits", content)
    return file.getvalue()


def _pack(kind: str, content: bytes) -> bytes:
    return zipped(content) if kind == "zip" else PACKERS[kind](content)


def _long_bomb(kind: str, head: bytes, megabytes: int) -> bytes:
    """Return a file that unpacks to zeros; all formats but zip are made of streams that follow each other."""
    if kind == "zip":
        return zipped(head + bytes(megabytes << 20))
    piece = PACKERS[kind](bytes(1 << 20))
    return PACKERS[kind](head) + piece * megabytes


def _greedy_xz() -> bytes:
    """Return an xz file whose decoder needs 1.5 GB."""
    chain = [
        {"id": lzma.FILTER_LZMA2, "dict_size": 1536 << 20, "mode": lzma.MODE_FAST, "mf": lzma.MF_HC3, "nice_len": 4}
    ]
    small = lzma.compress(plain(), filters=[{**chain[0], "dict_size": 1 << 20}])
    # The size of the dictionary is one byte of the first block's header: 4 GB - 1 is 40. Its sum is made anew.
    size = (small[12] + 1) * 4
    header = bytearray(small[12 : 12 + size])
    header[4] = 40
    header[-4:] = struct.pack("<I", zlib.crc32(bytes(header[:-4])))
    return small[:12] + bytes(header) + small[12 + size :]


def _structure() -> list[Hostile]:
    found = []
    for keyword in STORAGE:
        for number, value in enumerate(NUMBERS):
            card = _card(keyword, value)
            name = f"{keyword}-{number}.fits"
            if (keyword.ljust(8) + "=").encode() in plain():
                found.append(Hostile(name, _written(partial(with_card, plain(), card))))
            else:
                found.append(Hostile(name, _written(partial(more_cards, plain(), card.encode()))))
    for keyword in TILES:
        for number, value in enumerate(NUMBERS):
            card = _card(keyword, value)
            found.append(Hostile(f"tiles-{keyword}-{number}.fits", _written(partial(_tiles_with, card))))
    for keyword in ("NAXIS1", "NAXIS2", "PCOUNT", "TFIELDS", "TFORM1", "TFORM2", "TTYPE1", "GCOUNT", "BITPIX", "NAXIS"):
        for number, value in enumerate((*NUMBERS, "'999999999J'", "'PZ(1)'", "'1PJ(999999999)'")):
            card = _card(keyword, value)
            found.append(Hostile(f"table-{keyword}-{number}.fits", _written(partial(_table, card))))
    for keyword in MASKS:
        for number, value in enumerate(NUMBERS):
            card = _card(keyword, value)
            found.append(Hostile(f"mask-{keyword}-{number}.fits", _written(partial(_masked, card))))
    for algorithm in ALGORITHMS:
        if algorithm != "HCOMPRESS_1":  # its broken heaps are those of the decoders' tests
            found.append(Hostile(f"heap-{algorithm}.fits", _written(partial(with_broken_heap, algorithm))))
        found.append(Hostile(f"descriptor-{algorithm}.fits", _written(partial(with_broken_descriptor, algorithm))))
    return found


def _headers() -> list[Hostile]:
    found = []
    for keyword in WCS:
        for number, value in enumerate((*NUMBERS, "20000", "33", "1E308")):
            card = _card(keyword, value)
            fast = keyword in ("A_ORDER", "WCSAXES") and value == "20000"
            make = _written(partial(_with_wcs, card))
            found.append(Hostile(f"wcs-{keyword}-{number}.fits", make, ("inspect", "FILE"), fast=fast))
    for name, cards in DISTORTIONS.items():
        found.append(
            Hostile(
                f"distortion-{name}.fits",
                _written(partial(_with_wcs, *cards)),
                ("inspect", "FILE"),
                fast=name in ("axis", "unused", "repeated-CRVAL1-'x'"),
            )
        )
    for keyword in SECTIONS:
        for number, value in enumerate(PLACES):
            make = _written(partial(_with_wcs, _card(keyword, value)))
            found.append(Hostile(f"section-{keyword}-{number}.fits", make, ("inspect", "FILE")))
    many: dict[str, Callable[[], bytes]] = {
        "cards-of-36800": lambda: _cards(36_800, lambda n: f"K{n:<7}= {n}"),
        "cards-of-190000": lambda: _cards(190_000, lambda n: f"K{n:<7}= {n}"),
        "repeated-keyword": lambda: _cards(36_800, lambda n: f"OBJECT  = {n}"),
        "repeated-wcs": lambda: _cards(36_800, lambda n: "CTYPE1  = 'RA---TAN'"),
        "repeated-naxis1": lambda: _cards(36_800, lambda n: "NAXIS1  = 64"),
        "repeated-groups": lambda: _cards(36_800, lambda n: "GROUPS  = T"),
        "history": lambda: _cards(36_800, lambda n: f"HISTORY {n}"),
        "comments-that-cannot-be-parsed": lambda: _cards(36_800, lambda n: f"OBJECT  = 'x{n}"),
        "odd-cards": lambda: _cards(36_800, lambda n: f"a{n:<7}= '''"),
        "continued": lambda: _cards(36_800, lambda n: "CONTINUE  'xxxxxxxxx&'" if n else "OBJECT  = 'x&'"),
        "continued-nothing": lambda: _cards(36_800, lambda n: "CONTINUE  'xxxxxxxxx&'"),
        "hierarch": lambda: _cards(36_800, lambda n: f"HIERARCH A B {n} = 1"),
        "planes": lambda: _cards(36_800, lambda n: f"HIERARCH MP_P{n} = {n}"),
        "planes-of-lsst-images": lambda: _cards(9_999, lambda n: f"MSKN{n:04}= 'P{n}'"),
        "channels": lambda: _cards(36_800, lambda n: f"DATASEC{n % 10}= '[1:9,1:9]'"),
        "blank-cards": lambda: _cards(36_800, lambda n: ""),
        "quotes": lambda: _cards(20_000, lambda n: "OBJECT  = '" + "'" * 68),
        "records": lambda: _cards(36_800, lambda n: "DP1     = 'AXIS.1: 1'"),
        "no-end": lambda: plain()[:BLOCK].replace(b"END     ", b"        ") + b" " * (1 << 25),
        "empty-hdus-20000": lambda: _hdus(20_000, _extension(fits.ImageHDU())),
        "empty-hdus-4999": lambda: plain() + _extension(fits.ImageHDU()) * 4999,
        "hdus-with-odd-cards": lambda: plain() + more_cards_of_extension() * 4000,
        "images-2000": lambda: _hdus(2000, _extension(fits.ImageHDU(np.ones((2, 2), np.float32)))),
        "images-of-one-name": lambda: _hdus(2000, _extension(fits.ImageHDU(np.ones((2, 2), np.float32), name="SCI"))),
        "masks-2000": lambda: plain() + _extension(fits.ImageHDU(np.ones((64, 64), np.int32), name="MASK")) * 1000,
        "axes-of-70-digits": lambda: _large_header(999, 69),
        "axes-of-18-digits": lambda: _large_header(999, 18),
        "axes-of-1": lambda: _large_header(999, 1).replace(b"= 9", b"= 1"),
        "tiles-of-1-pixel": lambda: as_bytes(
            fits.PrimaryHDU(), fits.CompImageHDU(np.ones((256, 256), np.int16), tile_shape=(1, 1))
        ),
    }  # fmt: skip
    slow = {"cards-of-190000", "empty-hdus-20000", "repeated-groups"}
    found += [Hostile(f"many-{name}.fits", _written(make), fast=name in slow) for name, make in many.items()]
    found.append(Hostile("many-images-inspect.fits", _written(many["images-2000"]), ("inspect", "FILE")))
    found.append(Hostile("many-names-inspect.fits", _written(many["images-of-one-name"]), ("inspect", "FILE")))
    return found


def more_cards_of_extension() -> bytes:
    """Return an empty extension with a card that must be mended."""
    extension = _extension(fits.ImageHDU())
    end = extension.index(b"END" + b" " * 77)
    return extension[:end] + b"OBJECT  = 'x".ljust(80) + extension[end : end + 80] + extension[end + 160 :]


def _claims() -> bytes:
    return sized(plain(), 30_000, 30_000)[:BLOCK]


def _megabytes(kind: str) -> int:
    return 600 if kind == "zip" else 4000


def _broken(kind: str) -> bytes:
    whole = _pack(kind, plain())
    return whole[:200] + b"\xff" * 60 + whole[260:]


_PACKED: dict[str, Callable[[str], bytes]] = {
    "zeros": lambda kind: _long_bomb(kind, b"", _megabytes(kind)),
    "zeros-behind": lambda kind: _long_bomb(kind, plain(), _megabytes(kind)),
    "claim": lambda kind: _long_bomb(kind, _claims(), _megabytes(kind)),
    "claim-alone": lambda kind: _pack(kind, _claims()),
    "blanks-in-header": lambda kind: _pack(kind, plain()[:80] + b" " * (300 << 20)),
    "twice": lambda kind: _pack(kind, _pack(kind, plain())),
    "text": lambda kind: _pack(kind, b"hello"),
    "empty": lambda kind: _pack(kind, b""),
    "cut": lambda kind: _pack(kind, plain())[:-20],
    "cut-in-half": lambda kind: _pack(kind, plain())[: len(_pack(kind, plain())) // 2],
    "magic": lambda kind: _pack(kind, plain())[:6],
    "broken": _broken,
    "good": lambda kind: _pack(kind, plain()),
    "many-hdus": lambda kind: _pack(kind, plain() + _extension(fits.ImageHDU()) * 20_000),
}


def _packed() -> list[Hostile]:
    found = []
    for kind in ("gz", "bz2", "xz", "zip"):
        for name, make in _PACKED.items():
            fast = name in ("zeros", "claim") and kind == "gz"
            found.append(Hostile(f"{name}.fits.{kind}", _written(partial(make, kind)), fast=fast))
    found.append(Hostile("dictionary.fits.xz", _written(_greedy_xz), fast=True))
    found.append(Hostile("members.fits.zip", _written(lambda: zipped(*[b"x"] * 20_000))))
    found.append(Hostile("no-member.fits.zip", _written(lambda: zipped())))
    found.append(Hostile("bomb.fits.gz", _written(lambda: bomb(sized(plain(), 10_000, 10_000)[:BLOCK], b"\0", 400))))
    return found


def _files() -> list[Hostile]:
    return [
        Hostile("sparse-60000.fits", lambda path: sparse(path, 60_000), ("inspect", "FILE"), fast=True),
        Hostile("sparse-header.fits", _sparse_header, fast=True),
        Hostile("fifo.fits", os.mkfifo),
        Hostile("folder.fits", lambda path: path.mkdir()),
        Hostile("null.fits", lambda path: path.symlink_to("/dev/null")),
        Hostile("zero.fits", lambda path: path.symlink_to("/dev/zero")),
        Hostile("loop.fits", lambda path: path.symlink_to(path.name)),
        Hostile("memory.fits", lambda path: path.symlink_to("/proc/self/mem")),
        Hostile("messages.fits", lambda path: path.symlink_to("/proc/kmsg")),
        Hostile("noise.fits", _written(lambda: np.random.default_rng(5).bytes(20_000))),
        Hostile("mask-elsewhere.fits", _written(plain), ("stats", "FILE", "--mask", "{stem:999999999}")),
        Hostile("pattern.fits", _written(plain), ("stats", "FILE", "--mask", "{stem:>2147483647}.fits"), fast=True),
        Hostile("pattern-s.fits", _written(plain), ("stats", "FILE", "--mask", "{stem:s/p/" + "p" * 9999 + "/}")),
        Hostile("pattern-attribute.fits", _written(plain), ("stats", "FILE", "--mask", "{stem.__class__}")),
        Hostile("pattern-index.fits", _written(plain), ("stats", "FILE", "--mask", "{0}{}")),
        Hostile("hdu.fits", _written(plain), ("stats", "FILE", "--hdu", "9" * 60_000)),
        Hostile("bits.fits", _written(lsst), ("stats", "FILE", "--good-bits", "9" * 60_000), fast=True),
        Hostile("planes.fits", _written(lsst), ("stats", "FILE", "--bad-planes", "1" * 60_000)),
    ]  # fmt: skip


def _laughs(levels: int) -> str:
    lines = ["a0: &a0 [ha, ha]"]
    return "\n".join([*lines, *(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, levels))])


def _merges(levels: int) -> str:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{k}: &a{k} {{<<: [{', '.join([f'*a{k - 1}'] * 9)}]}}" for k in range(1, levels)]
    return "\n".join(lines)


CONFIGURATIONS: dict[str, str] = {
    "laughs.yaml": _laughs(30),
    "merges.yaml": _merges(30),
    "deep.yaml": "[" * 60_000,
    "deep-map.yaml": "{a: " * 15_000,
    "dashes.yaml": "- " * 30_000,
    "keys.yaml": "{" + "a, " * 20_000 + "}",
    "lines.yaml": "a:\n" * 20_000,
    "list.yaml": "badMaskPlanes: [" + "a," * 30_000 + "]",
    "quotes.yaml": "badMaskPlanes: '" + "''" * 30_000 + "'",
    "escapes.yaml": 'badMaskPlanes: "' + "\\x41" * 15_000 + '"',
    "digits.yaml": "binSize: " + "9" * 60_000,
    "hex.yaml": "binSize: 0x" + "f" * 60_000,
    "octal.yaml": "binSize: 0" + "7" * 60_000,
    "binary.yaml": "binSize: 0b" + "1" * 60_000,
    "sixty.yaml": "binSize: 1" + ":59" * 20_000,
    "float.yaml": "gridStdevEpsilon: 0." + "9" * 60_000,
    "huge.yaml": "gridStdevEpsilon: 1" + "0" * 99,
    "key.yaml": "9" * 60_000 + ": 1",
    "word.yaml": "9" * 60_000,
    "complex-key.yaml": "? [a, b]\n: 1",
    "anchors.yaml": "\n".join(f"a{n}: &a{n} 1" for n in range(4000)),
    "tabs.yaml": "a:\t" * 15_000,
    "twice.yaml": "binSize: 32\nbinSize: 64\n",
    "dots.toml": ".".join("a" * 32_000) + " = 1",
    "dots-of-table.toml": "[" + ".".join("a" * 32_000) + "]",
    "dots-of-tables.toml": "[[" + ".".join("a" * 32_000) + "]]",
    "dots-inline.toml": "a = {" + ".".join("a" * 32_000) + " = 1}",
    "quoted-dots.toml": ".".join(["'a'"] * 16_000) + " = 1",
    "spaced-dots.toml": " . ".join("a" * 16_000) + " = 1",
    "deep.toml": "a = " + "[" * 60_000,
    "deep-map.toml": "a = " + "{a=" * 20_000,
    "digits.toml": "binSize = " + "9" * 60_000,
    "hex.toml": "binSize = 0x" + "f" * 60_000,
    "float.toml": "gridStdevEpsilon = 0." + "9" * 60_000,
    "exponent.toml": "gridStdevEpsilon = 1e" + "9" * 60_000,
    "key.toml": "9" * 60_000 + " = 1",
    "tables.toml": "\n".join(f"[a{n}]" for n in range(8000)),
    "arrays.toml": "[[a]]\n" * 10_000,
    "keys.toml": "\n".join(f"a{n} = 1" for n in range(6000)),
    "text.toml": 'a = """' + "\\u0041" * 10_000 + '"""',
    "quotes.toml": "a = '''" + "''x" * 20_000 + "'''",
    "open.toml": 'a = "' * 10_000,
    "digits.json": '{"binSize": ' + "9" * 60_000 + "}",
    "deep.json": '{"a":' * 12_000,
}
SETTINGS = (
    "binSize=" + "9" * 60_000, "binSize=1_000", "binSize=\u0663", "gridStdevEpsilon=" + "9" * 60_000, "x" * 60_000,
    "gridStdevEpsilon=1e999", "usePolynomial=" + "x" * 60_000, "badMaskPlanes=" + "[" * 60_000, "=", "binSize=",
)  # fmt: skip


def _configurations() -> list[Hostile]:
    match = ("match", "GOOD", "--method", "reference", "--out", "OUT")
    found = [
        Hostile(
            name,
            _written(text.encode),
            (*match, "--config", "FILE"),
            fast=name in ("dots.toml", "hex.yaml", "digits.toml", "merges.yaml"),
        )
        for name, text in CONFIGURATIONS.items()
    ]
    found += [
        Hostile(f"setting-{number}", lambda path: None, (*match, "-c", setting), fast=number == 0)
        for number, setting in enumerate(SETTINGS)
    ]
    return found


def hostile_files() -> list[Hostile]:
    """Return all of them; names differ."""
    return [*_structure(), *_headers(), *_packed(), *_files(), *_configurations()]
