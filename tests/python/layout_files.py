"""Small files in the convention of each observatory, with their truth: which HDUs are what, and which pixels are bad.

Each file has a sky of known level and noise, stars, and bad pixels with absurd values. Pixels whose flags do not make
them bad, such as SUSPECT of DES, have values like any other.
"""

from __future__ import annotations

__all__ = ["LAYOUT_FILES", "NOISE", "SHAPE", "Chip", "Made", "make_layout"]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.nddata import CCDData, InverseVariance, StdDevUncertainty, VarianceUncertainty

SHAPE = (64, 80)
NOISE = 2.0
ABSURD = 1e6
FEW = 1.0 / NOISE**2


@dataclass
class Chip:
    """The truth about one science image.

    Attributes
    ----------
    name, slot : str
    pixels : ndarray of float32
    bad : ndarray of bool
        Pixels that must not count by default.
    mask, errors : str
        Names of its planes; "" for none.
    sense : str
    """

    name: str
    slot: str
    pixels: np.ndarray
    bad: np.ndarray
    mask: str = ""
    errors: str = ""
    sense: str = ""


@dataclass
class Made:
    """A file that was written, and the truth about it.

    Attributes
    ----------
    path : Path
    layout : str
        Name of the layout.
    chips : list of Chip
    role : str
    unit, filter : str
    origin : (int, int) or None
    ignored : tuple of str
        Names of the images that are not used.
    bad_names : tuple of str or None
        Names of the bits that are bad by default; None if there is no mask.
    celestial : bool
        Whether the images have a celestial WCS.
    others : mapping of Path to str
        Files beside it, and their roles.
    """

    path: Path
    layout: str
    chips: list[Chip]
    unit: str = ""
    filter: str = ""
    origin: tuple[int, int] | None = None
    ignored: tuple[str, ...] = ()
    bad_names: tuple[str, ...] | None = None
    celestial: bool = True
    role: str = "exposure"
    others: Mapping[Path, str] = field(default_factory=dict)


class _Scene:
    """Pixels of one chip: sky, noise, stars; flagged pixels, some of which are bad."""

    def __init__(self, level: float, seed: int, shape: tuple[int, int] = SHAPE) -> None:
        self._random = np.random.default_rng(seed)
        self.shape = shape
        self.pixels = self._random.normal(level, NOISE, shape)
        y, x = np.mgrid[: shape[0], : shape[1]]
        for _ in range(6):
            y0, x0 = self._random.uniform(4, np.array(shape) - 4)
            self.pixels += 40 * NOISE * np.exp(-0.5 * ((y - y0) ** 2 + (x - x0) ** 2) / 1.5**2)
        self.pixels = self.pixels.astype(np.float32)
        self.bad = np.zeros(shape, bool)
        self._taken = np.zeros(shape, bool)

    def some(self, count: int = 12) -> np.ndarray:
        """Choose pixels that were not chosen before."""
        free = np.flatnonzero(~self._taken)
        chosen = np.zeros(self.shape, bool)
        chosen.flat[self._random.choice(free, count, replace=False)] = True
        self._taken |= chosen
        return chosen

    def flags(self, dtype: Any, bad: Sequence[int] = (), good: Sequence[int] = ()) -> np.ndarray:
        """Return a mask in which some pixels have each bit; those of `bad` get absurd values."""
        mask = np.zeros(self.shape, np.uint32)
        for bit in (*bad, *good):
            where = self.some()
            mask[where] |= np.uint32(1 << bit)
            if bit in bad:
                self.spoil(where)
        return mask.astype(dtype)

    def spoil(self, where: np.ndarray) -> None:
        self.bad |= where
        self.pixels[where] = ABSURD * self._random.choice([-1, 1], int(where.sum()))

    def errors(self, value: float, missing: float | None = None) -> np.ndarray:
        """Return a plane of errors of one value; where there is no pixel, it has another."""
        plane = np.full(self.shape, value, np.float32)
        if missing is not None:
            where = self.some()
            plane[where] = missing
            self.spoil(where)
        return plane

    def chip(self, name: str, slot: str = "", mask: str = "", errors: str = "", sense: str = "") -> Chip:
        return Chip(name, slot, self.pixels, self.bad, mask, errors, sense)


def wcs_cards(**more: Any) -> fits.Header:
    """Return the cards of a tangential WCS, and others."""
    header = fits.Header()
    for axis, (name, value) in enumerate((("RA---TAN", 150.0), ("DEC--TAN", 2.0)), 1):
        header[f"CTYPE{axis}"], header[f"CRVAL{axis}"], header[f"CRPIX{axis}"] = name, value, 40.0
        header[f"CD{axis}_{axis}"] = (-1) ** axis * 1e-4
    return with_cards(header, more)


def with_cards(header: fits.Header, cards: Mapping[str, Any]) -> fits.Header:
    for keyword, value in cards.items():
        header[keyword.replace("__", " ") if "__" not in keyword else f"HIERARCH {keyword.replace('__', ' ')}"] = value
    return header


def image(data: Any, name: str = "", version: int | None = None, **cards: Any) -> fits.ImageHDU:
    return _named(fits.ImageHDU(data, wcs_cards(**cards)), name, version)


def _named(hdu: fits.ImageHDU, name: str, version: int | None) -> fits.ImageHDU:
    if name:
        hdu.header["EXTNAME"] = name  # the argument of astropy turns it into capitals
    if version is not None:
        hdu.header["EXTVER"] = version
    return hdu


def plain_image(data: Any, name: str = "", version: int | None = None, **cards: Any) -> fits.ImageHDU:
    return _named(fits.ImageHDU(data, with_cards(fits.Header(), cards)), name, version)


def primary(data: Any = None, **cards: Any) -> fits.PrimaryHDU:
    header = fits.Header() if data is None else wcs_cards()
    return fits.PrimaryHDU(data, with_cards(header, cards))


def write(path: Path, *hdus: Any, **options: Any) -> Path:
    fits.HDUList(list(hdus)).writeto(path, overwrite=True, **options)
    return path


Maker = Callable[[Path, float, int], Made]
LAYOUT_FILES: dict[str, Maker] = {}
"""A function that writes a file of each convention into a folder, with a level of the sky and a number."""


def _maker(function: Maker) -> Maker:
    LAYOUT_FILES[function.__name__.strip("_")] = function
    return function


def make_layout(name: str, folder: Path, level: float = 100.0, number: int = 0) -> Made:
    """Write a file in one of the conventions `LAYOUT_FILES`.

    Parameters
    ----------
    name : str
    folder : Path
    level : float
        Level of the sky.
    number : int
        Tells files of one convention apart: another name, other noise, other bad pixels.
    """
    return LAYOUT_FILES[name](folder, level, number)


# ---- one file, several HDUs ----


@_maker
def _plain(folder: Path, level: float, number: int) -> Made:
    scene = _Scene(level, number)
    path = write(folder / f"plain{number}.fits", primary(scene.pixels, BUNIT="adu", FILTER="V"))
    return Made(path, "plain", [scene.chip("0")], "adu", "V")


@_maker
def _four_axes(folder: Path, level: float, number: int) -> Made:
    scene = _Scene(level, number)
    cards = {"CTYPE3": "FREQ", "CRVAL3": 1e9, "CRPIX3": 1, "CDELT3": 1e6, "CTYPE4": "STOKES", "CRVAL4": 1.0}
    path = write(folder / f"radio{number}.fits", primary(scene.pixels[None, None], BUNIT="Jy/beam", **cards))
    return Made(path, "plain", [scene.chip("0")], "Jy/beam")


LSST_PLANES = {"BAD": 4, "SAT": 0, "CR": 9, "INTRP": 7, "DETECTED": 2, "SUSPECT": 1, "NO_DATA": 12, "CROSSTALK": 31}


@_maker
def _lsst(folder: Path, level: float, number: int) -> Made:
    scene = _Scene(level, number)
    bad = [LSST_PLANES[name] for name in ("BAD", "SAT", "CR", "DETECTED", "NO_DATA")]
    mask = scene.flags(np.uint32, bad, [LSST_PLANES["SUSPECT"], LSST_PLANES["CROSSTALK"]]).view(np.int32)
    planes = {f"MP_{name}": bit for name, bit in LSST_PLANES.items()}
    box = {"LTV1": -300.0, "LTV2": -200.0}
    path = write(
        folder / f"calexp{number}.fits",
        primary(FILTER="r"),
        image(scene.pixels, EXTTYPE="IMAGE", BUNIT="nJy", **box),
        image(mask, EXTTYPE="MASK", **planes, **box),
        image(scene.errors(NOISE**2), EXTTYPE="VARIANCE", **box),
        fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[1.0])], name="ARCHIVE_INDEX"),
    )
    names = tuple(sorted(("BAD", "SAT", "CR", "INTRP", "DETECTED", "NO_DATA"), key=LSST_PLANES.__getitem__))
    chip = scene.chip("IMAGE", "", "MASK", "VARIANCE", "variance")
    return Made(path, "LSST afw exposure", [chip], "nJy", "r", (300, 200), (), names)


@_maker
def _lsst_images(folder: Path, level: float, number: int) -> Made:
    scene = _Scene(level, number)
    names = ["BAD", "SATURATED", "COSMIC_RAY", "SUSPECT", *(f"P{k}" for k in range(4, 9)), "NO_DATA"]
    bits = scene.flags(np.uint32, [0, 1, 2, 9], [3, 8])
    cube = np.stack([bits & 0xFF, bits >> 8]).astype(np.uint8)
    cards: dict[str, Any] = {}
    for place, name in enumerate(names):
        cards |= {f"MSKN{place:04}": name, f"MSKM{place:04}": 1 << place, f"MSKD{place:04}": f"about {name}"}
    path = write(
        folder / f"visit{number}.fits",
        primary(),
        image(scene.pixels, "IMAGE", BUNIT="nJy"),
        plain_image(cube, "MASK", **cards),
        image(scene.errors(NOISE**2), "VARIANCE", BUNIT="nJy**2"),
    )
    chip = scene.chip("IMAGE", "", "MASK", "VARIANCE", "variance")
    return Made(path, "lsst.images", [chip], "nJy", bad_names=("BAD", "SAT", "CR", "NO_DATA"))


@_maker
def _spherex(folder: Path, level: float, number: int) -> Made:
    scene = _Scene(level, number)
    planes = {"TRANSIENT": 0, "OVERFLOW": 1, "NONFUNC": 6, "HOT": 10, "FULLSAMPLE": 12, "SOURCE": 21}
    flags = scene.flags(np.int32, [0, 1, 6, 10, 21], [12])
    path = write(
        folder / f"level2_{number}.fits",
        primary(TELESCOP="SPHEREx"),
        image(scene.pixels, "IMAGE", BUNIT="MJy/sr"),
        plain_image(flags, "FLAGS", **{f"MP_{name}": bit for name, bit in planes.items()}),
        plain_image(scene.errors(NOISE**2), "VARIANCE"),
        plain_image(scene.errors(1.0), "ZODI"),
        plain_image(np.ones((3, 5, 5), np.float32), "PSF"),
    )
    chip = scene.chip("IMAGE", "", "FLAGS", "VARIANCE", "variance")
    names = ("TRANSIENT", "OVERFLOW", "NONFUNC", "HOT", "SOURCE")
    return Made(path, "SPHEREx", [chip], "MJy/sr", ignored=("ZODI", "PSF"), bad_names=names)


@_maker
def _jwst(folder: Path, level: float, number: int) -> Made:
    scene = _Scene(level, number)
    dq = scene.flags(np.uint32, [0, 9], [2, 16, 31])
    path = write(
        folder / f"jw{number}_nrcb1_cal.fits",
        primary(TELESCOP="JWST", INSTRUME="NIRCAM", FILTER="F322W2", PUPIL="F323N"),
        image(scene.pixels, "SCI", 1, BUNIT="MJy/sr"),
        plain_image(scene.errors(NOISE, missing=np.nan), "ERR", 1),
        plain_image(dq, "DQ", 1),
        plain_image(scene.errors(50.0), "AREA", 1),
        plain_image(scene.errors(1.0), "VAR_POISSON", 1),
        plain_image(scene.errors(1.0), "VAR_RNOISE", 1),
        plain_image(scene.errors(1.0), "VAR_FLAT", 1),
    )
    chip = scene.chip("SCI", "", "DQ", "ERR", "sigma")
    left = ("AREA", "VAR_POISSON", "VAR_RNOISE", "VAR_FLAT")
    return Made(path, "JWST, Roman", [chip], "MJy/sr", "F322W2+F323N", None, left, ("DO_NOT_USE", "NON_SCIENCE"))


@_maker
def _jwst_i2d(folder: Path, level: float, number: int) -> Made:
    scene = _Scene(level, number)
    path = write(
        folder / f"jw{number}_nrcb1_i2d.fits",
        primary(TELESCOP="JWST", INSTRUME="NIRISS", FILTER="CLEAR", PUPIL="F200W"),
        image(scene.pixels, "SCI", 1, BUNIT="MJy/sr"),
        plain_image(scene.errors(NOISE), "ERR", 1),
        plain_image(np.ones((1, *SHAPE), np.int32), "CON", 1),
        plain_image(scene.errors(700.0, missing=0.0), "WHT", 1),
    )
    return Made(
        path, "drizzled SCI, WHT", [scene.chip("SCI", "", "", "WHT", "weight")], "MJy/sr", "F200W", None, ("ERR", "CON")
    )


@_maker
def _unsigned_dq(folder: Path, level: float, number: int) -> Made:
    scene = _Scene(level, number)
    dq = scene.flags(np.uint32, [0, 9], [4])
    path = write(
        folder / f"romanlike{number}.fits",
        primary(),
        image(scene.pixels, "SCI"),
        plain_image(scene.errors(NOISE), "ERR"),
        plain_image(dq, "DQ"),
    )
    chip = scene.chip("SCI", "", "DQ", "ERR", "sigma")
    return Made(path, "JWST, Roman", [chip], bad_names=("DO_NOT_USE", "NON_SCIENCE"))


@_maker
def _hst_flc(folder: Path, level: float, number: int) -> Made:
    hdus: list[Any] = [
        primary(TELESCOP="HST", INSTRUME="ACS", FILTER1="CLEAR1L", FILTER2="F814W", ROOTNAME=f"j{number}")
    ]
    chips = []
    for version in (1, 2):
        scene = _Scene(level, 2 * number + version)
        dq = scene.flags(np.int16, [0, 1, 4, 8, 12, 13])
        ltv = {"LTV1": 0.0, "LTV2": 0.0}
        hdus += [
            image(scene.pixels, "SCI", version, BUNIT="ELECTRONS", CCDCHIP=3 - version, **ltv),
            plain_image(scene.errors(NOISE, missing=0.0), "ERR", version),
            plain_image(dq, "DQ", version),
        ]
        chips.append(scene.chip(f"SCI,{version}", f"SCI,{version}", f"DQ,{version}", f"ERR,{version}", "sigma"))
    hdus += [
        plain_image(np.zeros((8, 8), np.float32), "D2IMARR", 1),
        plain_image(np.zeros((8, 8), np.float32), "WCSDVARR", 1),
        fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[1.0])], name="WCSCORR"),
    ]
    path = write(folder / f"j{number}_flc.fits", *hdus)
    return Made(path, "HST", chips, "ELECTRONS", "F814W", (0, 0), ("D2IMARR", "WCSDVARR"), ("any",))


@_maker
def _hst_drz(folder: Path, level: float, number: int) -> Made:
    scene = _Scene(level, number)
    path = write(
        folder / f"j{number}_drz.fits",
        primary(TELESCOP="HST", INSTRUME="WFC3", FILTER="F606W"),
        image(scene.pixels, "SCI", 1, BUNIT="ELECTRONS/S"),
        image(scene.errors(1200.0, missing=0.0), "WHT", 1),
        image(np.ones(SHAPE, np.int32), "CTX", 1),
    )
    chip = scene.chip("SCI", "", "", "WHT", "weight")
    return Made(path, "drizzled SCI, WHT", [chip], "ELECTRONS/S", "F606W", ignored=("CTX",))


@_maker
def _sci_err_dq(folder: Path, level: float, number: int) -> Made:
    scene = _Scene(level, number)
    dq = scene.flags(np.int16, [6])
    path = write(
        folder / f"std_field{number}.fits",
        primary(BAND="g"),
        image(scene.pixels, "SCI"),
        plain_image(dq, "DQ"),
        plain_image(scene.errors(NOISE), "ERR"),
    )
    chip = scene.chip("SCI", "", "DQ", "ERR", "sigma")
    return Made(path, "SCI, ERR, DQ", [chip], filter="g", bad_names=("any",))


@_maker
def _des(folder: Path, level: float, number: int) -> Made:
    scene = _Scene(level, number)
    mask = scene.flags(np.int16, [0, 1, 4, 10], [11])
    path = write(
        folder / f"D{number}_r_c23_immasked.fits",
        primary(),
        fits.CompImageHDU(scene.pixels, wcs_cards(BUNIT="electrons", FILTER="r DECam", BAND="r"), "SCI"),
        fits.CompImageHDU(mask, name="MSK"),
        fits.CompImageHDU(scene.errors(FEW, missing=0.0), name="WGT"),
    )
    # Compression rounds floats.
    with fits.open(path) as hdus:
        scene.pixels = np.array(hdus["SCI"].data)
    names = "BPM SATURATE INTERP BADAMP CRAY STAR TRAIL EDGEBLEED SSXTALK EDGE STREAK FIXED NEAREDGE TAPEBUMP"
    chip = scene.chip("SCI", "", "MSK", "WGT", "inverse variance")
    return Made(path, "DES", [chip], "electrons", "r DECam", bad_names=tuple(names.split()))


@_maker
def _legacy(folder: Path, level: float, number: int) -> Made:
    scene = _Scene(level, number)
    mask = scene.flags(np.int32, [0, 5])
    path = write(
        folder / f"desi{number}.fits",
        primary(),
        image(scene.pixels, "IMAGE", BUNIT="electron"),
        plain_image(scene.errors(FEW, missing=0.0), "IVAR"),
        plain_image(mask, "MASK"),
    )
    chip = scene.chip("IMAGE", "", "MASK", "IVAR", "inverse variance")
    return Made(path, "Legacy, DESI", [chip], "electron", bad_names=("any",))


@_maker
def _gemini(folder: Path, level: float, number: int) -> Made:
    hdus: list[Any] = [primary(TELESCOP="Gemini-North", INSTRUME="GMOS-N", FILTER1="open1-6", FILTER2="r_G0303")]
    chips = []
    for version in (1, 2, 3):
        scene = _Scene(level, 3 * number + version, (64, 80 - version))
        dq = scene.flags(np.uint16, [0, 2])
        hdus += [
            image(scene.pixels, "SCI", version, BUNIT="electron"),
            plain_image(scene.errors(NOISE**2), "VAR", version),
            plain_image(dq, "DQ", version),
        ]
        chips.append(scene.chip(f"SCI,{version}", f"SCI,{version}", f"DQ,{version}", f"VAR,{version}", "variance"))
    path = write(folder / f"N{number}_varAdded.fits", *hdus)
    return Made(path, "Gemini", chips, "electron", "r_G0303", bad_names=("any",))


@_maker
def _eso(folder: Path, level: float, number: int) -> Made:
    scene = _Scene(level, number)
    qual = scene.flags(np.int32, [0, 30])
    linked = {"HDUCLASS": "ESO", "HDUDOC": "DICD", "HDUVERS": "DICD version 6", "HDUCLAS1": "IMAGE"}
    path = write(
        folder / f"r.HAWKI.{number}.fits",
        primary(TELESCOP="ESO-VLT-U4", ESO__INS__FILT1__NAME="Ks"),
        image(scene.pixels, "HAWKI.IMA", HDUCLAS2="DATA", ERRDATA="HAWKI.NOISY", QUALDATA="HAWKI.Q", **linked),
        plain_image(
            scene.errors(NOISE), "HAWKI.NOISY", HDUCLAS2="ERROR", HDUCLAS3="RMSE", SCIDATA="HAWKI.IMA", **linked
        ),
        plain_image(qual, "HAWKI.Q", HDUCLAS2="QUALITY", HDUCLAS3="FLAG32BIT", SCIDATA="HAWKI.IMA", **linked),
    )
    chip = scene.chip("HAWKI.IMA", "", "HAWKI.Q", "HAWKI.NOISY", "sigma")
    return Made(path, "ESO, MPDAF", [chip], "", "Ks", bad_names=("any",))


@_maker
def _mpdaf(folder: Path, level: float, number: int) -> Made:
    scene = _Scene(level, number)
    dq = scene.flags(np.uint8, [0])
    path = write(
        folder / f"muse{number}.fits",
        primary(),
        image(scene.pixels, "DATA", BUNIT="10**(-20)*erg/s/cm**2/Angstrom"),
        image(scene.errors(NOISE**2), "STAT"),
        image(dq, "DQ"),
    )
    chip = scene.chip("DATA", "", "DQ", "STAT", "variance")
    return Made(path, "ESO, MPDAF", [chip], "10**(-20)*erg/s/cm**2/Angstrom", bad_names=("any",))


@_maker
def _euclid(folder: Path, level: float, number: int) -> Made:
    hdus: list[Any] = [primary(TELESCOP="EUCLID", INSTRUME="VIS", FILTER="VIS")]
    chips = []
    for at, quadrant in enumerate(("3-4.E", "3-4.F")):
        scene = _Scene(level, 2 * number + at)
        flags = scene.flags(np.int32, [0], [20])
        hdus += [
            image(scene.pixels, f"{quadrant}.SCI", BUNIT="electron"),
            plain_image(scene.errors(NOISE), f"{quadrant}.RMS"),
            plain_image(flags, f"{quadrant}.FLG"),
        ]
        chips.append(scene.chip(f"{quadrant}.SCI", f"{quadrant}.SCI", f"{quadrant}.FLG", f"{quadrant}.RMS", "sigma"))
    path = write(folder / f"EUC_VIS_{number}.fits", *hdus)
    return Made(path, "Euclid", chips, "electron", "VIS", bad_names=("INVALID",))


def _ccd_data(uncertainty: Any, value: float, sense: str, name: str) -> Maker:
    def make(folder: Path, level: float, number: int) -> Made:
        scene = _Scene(level, number)
        mask = scene.flags(bool, [0])
        errors = scene.errors(value)
        data = CCDData(scene.pixels, unit=u.adu, mask=mask, uncertainty=uncertainty(errors), header={"FILTER": "I"})
        path = folder / f"{name}{number}.fits"
        data.write(path, overwrite=True)
        chip = scene.chip("0", "", "MASK", "UNCERT", sense)
        return Made(path, "CCDData", [chip], "adu", "I", bad_names=("any",), celestial=False)

    make.__name__ = name
    return make


_maker(_ccd_data(StdDevUncertainty, NOISE, "sigma", "ccddata_std"))
_maker(_ccd_data(VarianceUncertainty, NOISE**2, "variance", "ccddata_var"))
_maker(_ccd_data(InverseVariance, FEW, "inverse variance", "ccddata_ivar"))


@_maker
def _tess(folder: Path, level: float, number: int) -> Made:
    scene = _Scene(level, number)
    path = write(
        folder / f"tess{number}_ffic.fits",
        primary(TELESCOP="TESS", INSTRUME="TESS Photometer"),
        image(scene.pixels, "CAMERA.CCD 4.2 cal", BUNIT="electrons/s"),
        plain_image(scene.errors(NOISE), "CAMERA.CCD 4.2 uncert"),
    )
    chip = scene.chip("CAMERA.CCD 4.2 cal", "", "", "CAMERA.CCD 4.2 uncert", "sigma")
    return Made(path, "TESS", [chip], "electrons/s")


@_maker
def _raw_amplifiers(folder: Path, level: float, number: int) -> Made:
    hdus: list[Any] = [primary(TELESCOP="SOAR", FILTER1="OPEN", FILTER2="s0011 z")]
    chips = []
    for amplifier in (1, 2, 3, 4):
        scene = _Scene(level, 4 * number + amplifier, (64, 40))
        scene.pixels = np.clip(np.round(scene.pixels), 0, 60000).astype(np.float32)
        hdus.append(plain_image(scene.pixels.astype(np.uint16), f"im{amplifier}"))
        chips.append(scene.chip(f"im{amplifier}", f"im{amplifier}"))
    path = write(folder / f"raw{number}.fits", *hdus)
    return Made(path, "several chips", chips, "", "s0011 z", celestial=False)


@_maker
def _nameless_chips(folder: Path, level: float, number: int) -> Made:
    scenes = [_Scene(level, 2 * number + at, (64, 40 + at)) for at in range(2)]
    path = write(folder / f"mosaic{number}.fits", primary(), *(image(scene.pixels) for scene in scenes))
    chips = [scene.chip(str(at), str(at)) for at, scene in enumerate(scenes, 1)]
    return Made(path, "several chips", chips)


@_maker
def _wfcam(folder: Path, level: float, number: int) -> Made:
    hdus: list[Any] = [primary(TELESCOP="UKIRT", INSTRUME="WFCAM", FILTER="K")]
    chips, weights = [], [primary()]
    for chip in (1, 2):
        scene = _Scene(level, 2 * number + chip)
        weights.append(plain_image(scene.errors(100.0, missing=0.0), f"DET1.CHIP{chip}"))
        hdus.append(image(scene.pixels, f"DET1.CHIP{chip}", INHERIT=True))
        chips.append(
            scene.chip(f"DET1.CHIP{chip}", f"DET1.CHIP{chip}", "", f"w{number}_conf.fits[DET1.CHIP{chip}]", "weight")
        )
    path = write(folder / f"w{number}.fits", *hdus)
    conf = write(folder / f"w{number}_conf.fits", *weights)
    return Made(path, "WFCAM, VIRCAM", chips, filter="K", others={conf: "weight map"})


# ---- planes in files of their own ----


@_maker
def _decam(folder: Path, level: float, number: int) -> Made:
    hdus: dict[str, list[Any]] = {}
    base = f"c4d_{number:06}_%s_g_v1.fits.fz"
    chips = []
    cards = {"INSTRUME": "DECam", "FILTER": "g DECam SDSS c0001 4720.0 1520.0", "PROCTYPE": "InstCal"}
    for kind in ("ooi", "ood", "oow"):
        hdus[kind] = [primary(PRODTYPE={"ooi": "image", "ood": "dqmask", "oow": "wtmap"}[kind], **cards)]
    for chip in ("S29", "N31"):
        scene = _Scene(level, 2 * number + (chip == "N31"))
        # Codes, not bits: 7 is a cosmic ray.
        mask = scene.flags(np.int32, [0, 2, 3])
        weight = scene.errors(FEW, missing=0.0)
        hdus["ooi"].append(fits.CompImageHDU(scene.pixels, wcs_cards(BUNIT="electrons"), chip, quantize_level=0))
        hdus["ood"].append(fits.CompImageHDU(mask, name=chip))
        hdus["oow"].append(fits.CompImageHDU(weight, name=chip, quantize_level=0, compression_type="GZIP_2"))
        names = (f"{base % kind}[{chip}]" for kind in ("ood", "oow"))
        chips.append(scene.chip(chip, chip, *names, "inverse variance"))
    for kind in ("ooi", "ood", "oow"):
        # The planes have their chips in another order.
        first, *rest = hdus[kind]
        write(folder / (base % kind), first, *(rest if kind == "ooi" else reversed(rest)))
    others = {folder / (base % "ood"): "mask", folder / (base % "oow"): "weight map"}
    with fits.open(folder / (base % "ooi")) as made:
        for chip, hdu in zip(chips, made[1:], strict=True):
            chip.pixels = np.array(hdu.data)
    return Made(
        folder / (base % "ooi"),
        "DECam community pipeline",
        chips,
        "electrons",
        cards["FILTER"],
        bad_names=("any",),
        others=others,
    )


@_maker
def _ztf(folder: Path, level: float, number: int) -> Made:
    scene = _Scene(level, number)
    mask = scene.flags(np.int16, [0, 1, 8, 9])
    base = folder / f"ztf_{number:06}_zr_c01_o_q1"
    path = write(Path(f"{base}_sciimg.fits"), primary(scene.pixels, FILTER="ZTF_r"))
    others = {
        write(Path(f"{base}_mskimg.fits"), primary(mask)): "mask",
        write(Path(f"{base}_unc.fits"), primary(scene.errors(NOISE))): "weight map",
    }
    chip = scene.chip("0", "", f"{base.name}_mskimg.fits[0]", f"{base.name}_unc.fits[0]", "sigma")
    names = (
        "TRACK DETECTED LOW_RESPONSIVITY HIGH_RESPONSIVITY NOISY GHOST PIXEL_SPIKE SATURATED DEAD NAN PSF_SOURCE HALO"
    )
    return Made(path, "ZTF", [chip], "DN", "ZTF_r", bad_names=tuple(names.split()), others=others)


@_maker
def _bricks(folder: Path, level: float, number: int) -> Made:
    scene = _Scene(level, number)
    bits = scene.flags(np.int16, [1, 3, 11], [0])
    base = f"legacysurvey-1498p0{number:02}"
    path = write(
        folder / f"{base}-image-r.fits.fz",
        primary(),
        fits.CompImageHDU(scene.pixels, wcs_cards(), quantize_level=0, compression_type="GZIP_2"),
    )
    errors = scene.errors(FEW)
    mask = write(folder / f"{base}-maskbits.fits.fz", primary(), fits.CompImageHDU(bits, name="MASKBITS"))
    weight = write(
        folder / f"{base}-invvar-r.fits.fz",
        primary(),
        fits.CompImageHDU(errors, quantize_level=0, compression_type="GZIP_2"),
    )
    chip = scene.chip("1", "", f"{mask.name}[MASKBITS]", f"{weight.name}[1]", "inverse variance")
    names = (
        "BRIGHT SATUR_G SATUR_R SATUR_Z ALLMASK_G ALLMASK_R ALLMASK_Z WISEM1 WISEM2 BAILOUT MEDIUM GALAXY CLUSTER "
        "SATUR_I ALLMASK_I"
    )
    others = {mask: "mask", weight: "weight map"}
    return Made(path, "Legacy Surveys bricks", [chip], "nanomaggy", bad_names=tuple(names.split()), others=others)


def _beside(name: str, layout: str, plane: str, value: float, sense: str, missing: float | None) -> Maker:
    """Return a maker of an image with one plane of errors beside it."""

    def make(folder: Path, level: float, number: int) -> Made:
        scene = _Scene(level, number)
        errors = scene.errors(value, missing)
        path = write(folder / name.format(number), primary(scene.pixels, BUNIT="ADU"))
        weight = write(folder / plane.format(number), primary(errors))
        chip = scene.chip("0", "", "", f"{weight.name}[0]", sense)
        return Made(path, layout, [chip], "ADU", others={weight: "weight map"})

    return make


for _name, _row in {
    "swarp": ("coadd{}.fits", "SWarp, SExtractor", "coadd{}.weight.fits", 31.0, "weight", 0.0),
    "wht_beside": ("deep{}-ccd1.fits", "SWarp, SExtractor", "deep{}-ccd1.wht.fits", 31.0, "weight", -1.0),
    "gz_beside": ("tile{}.fits.gz", "SWarp, SExtractor", "tile{}.weight.fits.gz", 31.0, "weight", 0.0),
    "drizzled_beside": ("h{}_drz_sci.fits", "_sci with planes beside it", "h{}_drz_wht.fits", 900.0, "weight", 0.0),
    "sci_var": ("q{}_z_sci.fits", "_sci with planes beside it", "q{}_z_var.fits", NOISE**2, "variance", np.nan),
    "ps1": ("rings.{}.r.unconv.fits", "PS1 stack", "rings.{}.r.unconv.wt.fits", NOISE**2, "variance", np.nan),
    "invvar": ("d{}-S16-image-sub.fits", "image and invvar", "d{}-S16-invvar-sub.fits", FEW, "inverse variance", 0.0),
    "unwise": ("unwise-{}-w1-img-m.fits", "unWISE", "unwise-{}-w1-invvar-m.fits.gz", FEW, "inverse variance", 0.0),
    "allwise": ("{}p000_ac51-w1-int-3.fits", "AllWISE", "{}p000_ac51-w1-unc-3.fits.gz", NOISE, "sigma", np.nan),
    "spitzer_bcd": ("SPITZER_I1_{}_bcd.fits", "Spitzer", "SPITZER_I1_{}_bunc.fits", NOISE, "sigma", np.nan),
}.items():  # fmt: skip
    LAYOUT_FILES[_name] = _beside(*_row)


@_maker
def _herschel(folder: Path, level: float, number: int) -> Made:
    scene = _Scene(level, number)
    path = write(
        folder / f"hspire{number}.fits",
        primary(TELESCOP="Herschel Space Observatory"),
        image(scene.pixels, "image", BUNIT="Jy/beam"),
        plain_image(scene.errors(NOISE, missing=np.nan), "error"),
        plain_image(scene.errors(5.0), "coverage"),
    )
    chip = scene.chip("image", "", "", "error", "sigma")
    return Made(path, "IMAGE with planes", [chip], "Jy/beam", ignored=("coverage",))


@_maker
def _spitzer_mosaic(folder: Path, level: float, number: int) -> Made:
    scene = _Scene(level, number)
    path = write(
        folder / f"spitzer{number}.fits", primary(scene.pixels, TELESCOP="SPITZER", INSTRUME="IRAC", BUNIT="MJy/sr")
    )
    return Made(path, "plain", [scene.chip("0")], "MJy/sr")
