"""Headers of many kinds of world coordinate systems, as instruments and archives write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

WIDTH, HEIGHT = 60, 50

_PLACE = {"CRPIX1": 30.25, "CRPIX2": 20.75, "CRVAL1": 150.1, "CRVAL2": 2.2}
_SCALE = {"CD1_1": -7.1e-5, "CD1_2": 1.3e-6, "CD2_1": 1.2e-6, "CD2_2": 7.2e-5}


def _plain(code: str, **cards: object) -> dict[str, object]:
    names = {"CTYPE1": f"RA---{code}", "CTYPE2": f"DEC--{code}", "CUNIT1": "deg", "CUNIT2": "deg"}
    return {**names, **_PLACE, **_SCALE, **cards}


_SIP = {"A_ORDER": 2, "A_2_0": 3.1e-6, "A_1_1": -2.2e-6, "B_ORDER": 2, "B_0_2": 1.7e-6, "B_1_1": 4.4e-7, "A_DMAX": 0.5}
_WAT1 = (
    'wtype=tnx axtype=ra lngcor = "3. 3. 3. 2. -0.0022 0.0022 -0.0018 0.0018 1.2E-6 2.0E-4 3.0E-3 '
    '-1.1E-4 2.5E-3 -1.6E-3 "'
)
_WAT2 = _WAT1.replace("=ra lngcor", "=dec latcor").replace("2.0E-4", "-1.0E-4")


def _wat(axis: int, text: str) -> dict[str, object]:
    """Divide a long IRAF string into cards of 68 letters."""
    return {f"WAT{axis}_{n + 1:03d}": text[at : at + 68] for n, at in enumerate(range(0, len(text), 68))}


_DSS_CARDS = {
    "PLTRAH": 13, "PLTRAM": 30, "PLTRAS": 12.5, "PLTDECSN": "-", "PLTDECD": 29, "PLTDECM": 51, "PLTDECS": 40.0,
    "PLTSCALE": 67.2, "XPIXELSZ": 25.28445, "YPIXELSZ": 25.28445, "CNPIX1": 7000, "CNPIX2": 6500,
    "PPO1": 0.0, "PPO2": 0.0, "PPO3": 177500.0, "PPO4": 0.0, "PPO5": 0.0, "PPO6": 177500.0,
    **{f"AMDX{n + 1}": value for n, value in enumerate([67.2, -0.35, 12.0, 1e-5, -2e-5, 1e-5, 0.0, 2e-6, 0, 2e-6])},
    **{f"AMDY{n + 1}": value for n, value in enumerate([67.2, 0.31, -9.0, 2e-5, 1e-5, -2e-5, 0.0, 2e-6, 0, 2e-6])},
    **{f"AMD{axis}{n}": 0.0 for axis in "XY" for n in (11, 12, 13)},
}  # fmt: skip

KINDS: dict[str, dict[str, object]] = {
    "TAN": _plain("TAN", RADESYS="ICRS"),
    "SIN": _plain("SIN", PV2_1=0.001, PV2_2=-0.002),
    "ZPN with PV": _plain("ZPN", PV2_1=1.0, PV2_3=42.0, PV2_5=-10000.0),
    "ZEA": _plain("ZEA"),
    "STG": _plain("STG"),
    "ARC": _plain("ARC"),
    "AIT": _plain("AIT", CRVAL1=120.0, CRVAL2=0.0),
    "CAR": _plain("CAR", CRVAL2=0.0),
    "CEA": _plain("CEA", CRVAL2=0.0, PV2_1=0.8),
    "MOL": _plain("MOL", CRVAL2=0.0),
    "COE": _plain("COE", PV2_1=30.0, PV2_2=10.0),
    "TPV": _plain("TPV", PV1_0=1e-4, PV1_1=1.001, PV1_2=2e-4, PV1_4=0.01, PV2_0=-1e-4, PV2_1=0.999, PV2_5=0.02),
    "TNX with WAT": {**_plain("TNX"), "WAT0_001": "system=image", **_wat(1, _WAT1), **_wat(2, _WAT2)},
    "SIP": {**_plain("TAN-SIP"), **_SIP},
    "SIP without -SIP": {**_plain("TAN"), **_SIP},
    "DSS plate": _DSS_CARDS,
    "CROTA and CDELT": {
        **{key: value for key, value in _plain("TAN").items() if not key.startswith("CD")},
        "CDELT1": -7e-5, "CDELT2": 7e-5, "CROTA2": 23.5,
    },
    "PC and CDELT": {
        **{key: value for key, value in _plain("TAN").items() if not key.startswith("CD")},
        "CDELT1": -7e-5, "CDELT2": 7e-5, "PC1_1": 0.8, "PC1_2": -0.6, "PC2_1": 0.6, "PC2_2": 0.8,
    },
    "PC001001": {
        **{key: value for key, value in _plain("TAN").items() if not key.startswith("CD")},
        "CDELT1": -7e-5, "CDELT2": 7e-5, "PC001001": 0.8, "PC001002": -0.6, "PC002001": 0.6, "PC002002": 0.8,
    },
    "PC01_01": {
        **{key: value for key, value in _plain("TAN").items() if not key.startswith("CD")},
        "CDELT1": -7e-5, "CDELT2": 7e-5, "PC01_01": 0.8, "PC01_02": -0.6, "PC02_01": 0.6, "PC02_02": 0.8,
    },
    "CD001001": {
        **{key: value for key, value in _plain("TAN").items() if not key.startswith("CD")},
        "CD001001": -7e-5, "CD001002": 1e-6, "CD002001": 1e-6, "CD002002": 7e-5,
    },
    "EPOCH of FK4": _plain("TAN", EPOCH=1950.0),
    "EPOCH of FK5": _plain("TAN", EPOCH=2000.0),
    "RADECSYS FK4-NO-E": _plain("TAN", RADECSYS="FK4-NO-E", EQUINOX=1950.0),
    "galactic": {**_plain("TAN"), "CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"},
    "latitude first": {
        **_plain("TAN"), "CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN", "CRVAL1": 2.2, "CRVAL2": 150.1,
    },
    "LONPOLE and LATPOLE": _plain("ARC", LONPOLE=170.0, LATPOLE=5.0),
    "arcsec": {
        **_plain("TAN"), "CUNIT1": "arcsec", "CUNIT2": "arcsec", "CRVAL1": 540360.0, "CRVAL2": 7920.0,
        **{key: value * 3600 for key, value in _SCALE.items()},
    },
    "alternate A": {
        **_plain("TAN"), "WCSNAMEA": "galactic", "CTYPE1A": "GLON-TAN", "CTYPE2A": "GLAT-TAN", "CRPIX1A": 31.5,
        "CRPIX2A": 22.5, "CRVAL1A": 236.4, "CRVAL2A": 42.1, "CUNIT1A": "deg", "CUNIT2A": "deg", "CD1_1A": 7.0e-5,
        "CD1_2A": 1e-5, "CD2_1A": -1e-5, "CD2_2A": 7.0e-5,
    },
}  # fmt: skip

TABLE_KINDS = ("CPDIS", "D2IM", "-TAB")
"""Kinds whose header refers to other HDUs; `write_kind` makes those, too."""


def header_of(kind: str) -> fits.Header:
    """Return the cards of a kind; those of a kind with tables refer to HDUs that `write_kind` makes."""
    header = fits.Header()
    for keyword, value in KINDS[kind].items():
        header[keyword] = value
    return header


def pixels() -> np.ndarray:
    """Return an image of the size for which the headers are made."""
    return np.random.default_rng(18).normal(100.0, 3.0, (HEIGHT, WIDTH)).astype(np.float32)


def _lookup(name: str, version: int) -> fits.ImageHDU:
    y, x = np.mgrid[:7, :8]
    hdu = fits.ImageHDU((0.3 * np.sin(x + version) + 0.2 * np.cos(y)).astype(np.float32), name=name, ver=version)
    for axis, step in ((1, WIDTH / 7), (2, HEIGHT / 6)):
        hdu.header[f"CRPIX{axis}"], hdu.header[f"CRVAL{axis}"], hdu.header[f"CDELT{axis}"] = 1.0, 1.0, step
    return hdu


def _with_tables(kind: str, image: fits.PrimaryHDU) -> list[fits.hdu.base.ExtensionHDU]:
    header = image.header
    header.update(_plain("TAN"))
    if kind == "-TAB":
        header["CTYPE1"], header["CTYPE2"] = "RA---TAB", "DEC--TAB"
        header.update({"CD1_1": 1.0, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 1.0, "CRVAL1": 30.25, "CRVAL2": 20.75})
        for axis in (1, 2):
            header.update({f"PS{axis}_0": "WCS-TAB", f"PS{axis}_1": "COORDS", f"PV{axis}_3": axis})
        y, x = np.mgrid[: HEIGHT + 2, : WIDTH + 2].astype(float)
        sky = np.stack([150.1 - 7e-5 * x + 1e-8 * y * y, 2.2 + 7e-5 * y + 1e-8 * x * x], axis=-1)
        # One row holds the whole grid; pixel 0 is its first position, so that indices count from 1 at pixel 0.
        for axis in (1, 2):
            header[f"CRPIX{axis}"], header[f"CRVAL{axis}"] = 0.0, 1.0
        column = fits.Column("COORDS", f"{sky.size}D", dim=str(sky.shape[::-1]).replace(" ", ""), array=sky[None])
        return [fits.BinTableHDU.from_columns([column], name="WCS-TAB", ver=1)]
    name = "WCSDVARR" if kind == "CPDIS" else "D2IMARR"
    for axis in (1, 2):
        if kind == "CPDIS":
            header[f"CPDIS{axis}"], header[f"CPERR{axis}"] = "LOOKUP", 0.5
        else:
            header[f"D2IMDIS{axis}"], header[f"D2IMERR{axis}"] = "LOOKUP", 0.5
        for what, value in (("EXTVER", float(axis)), ("NAXES", 2.0), ("AXIS.1", 1.0), ("AXIS.2", 2.0)):
            header.append((f"{'DP' if kind == 'CPDIS' else 'D2IM'}{axis}", f"{what}: {value}"), end=True)
    return [_lookup(name, 1), _lookup(name, 2)]


def write_kind(kind: str, path: Path) -> None:
    """Write a file with one image, whose WCS is of a kind of `KINDS` or `TABLE_KINDS`, in its primary HDU."""
    image = fits.PrimaryHDU(pixels())
    others: list[fits.hdu.base.ExtensionHDU] = []
    if kind in TABLE_KINDS:
        others = _with_tables(kind, image)
    else:
        image.header.update(header_of(kind))
    fits.HDUList([image, *others]).writeto(path)


def positions(path: Path, hdu: int = 0, key: str = " ") -> np.ndarray:
    """Return the sky positions, in degrees, at nine pixels of an image, as astropy computes them."""
    with fits.open(path) as hdus:
        wcs = WCS(hdus[hdu].header, hdus, key=key)
        x, y = np.meshgrid([0, WIDTH // 2, WIDTH - 1], [0, HEIGHT // 2, HEIGHT - 1])
        sky = np.stack(wcs.all_pix2world(x.ravel(), y.ravel(), 0), axis=-1)
    assert np.isfinite(sky).all()
    return sky


def frame_of(path: Path, hdu: int = 0) -> tuple[list[str], str, str]:
    """Return the names of the axes, the reference system and the equinox of a WCS."""
    with fits.open(path) as hdus:
        wcs = WCS(hdus[hdu].header, hdus).wcs
        return list(wcs.ctype), wcs.radesys, str(wcs.equinox)
