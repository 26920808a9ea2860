"""Table of the layouts in which observatories and programs deliver images; one record per layout.

To add a layout, add a `Layout` to `LAYOUTS`, before the more general ones. The interpretation is in
`evensky.fits.contents`, and that of names of files in `evensky.fits.companions`.
"""

from __future__ import annotations

__all__ = [
    "ANY",
    "FILTER_CARDS",
    "KINDS",
    "LAYOUTS",
    "MANY_CHIPS",
    "PLAIN",
    "UNTOLD_FILTERS",
    "FileNames",
    "Kind",
    "Layout",
    "Sign",
]

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .._planes import BAD_PLANES, DEFAULT_PLANES
from .descriptions import Sense

Kind = Literal["science", "mask", "variance", "sigma", "inverse variance", "weight", "other"]
"""What an image HDU holds; four of the kinds are senses of planes of errors."""

ANY = ("any",)
"""Default bad planes of a mask in which every pixel other than 0 is bad."""

_SCIENCE = ("SCI", "SCIENCE", "IMAGE", "IMG", "DATA", "CAL", "PRIMARY_IMAGE")
_MASK = ("MASK", "MSK", "DQ", "FLAG", "FLAGS", "FLG", "QUAL", "QUALITY", "BPM", "BADPIX", "MASKBITS", "DATAQUALITY")
_VARIANCE = ("VAR", "VARIANCE", "STAT")
_SIGMA = ("ERR", "ERROR", "ERRORS", "SIGMA", "RMS", "STDDEV", "UNC", "UNCERT", "UNCERTAINTY", "NOISE")
_INVERSE = ("IVAR", "INVVAR", "IVM", "WGT")
_WEIGHT = ("WHT", "WEIGHT", "WEIGHTS", "WT", "WTMAP", "CONF", "CONFIDENCE", "FOOTPRINT")
_OTHER = (
    *("CTX", "CON", "CONTEXT", "SPECTRUM", "SPEC", "D2IMARR", "WCSDVARR", "WCSCORR", "THUMBNAIL", "THUMB", "PREVIEW"),
    *("VAR_POISSON", "VAR_RNOISE", "VAR_FLAT", "ERR_POISSON", "SAMP", "TIME", "AREA", "WAVELENGTH", "PSF", "KERNEL"),
    *("ZODI", "BKG", "BACKGROUND", "SKY", "MODEL", "COVERAGE", "COV", "EXP", "EXPMAP", "EXPOSURE", "NEXP", "NIMAGES"),
    *("APERTURE", "LOOKUP", "HISTOGRAM", "PIXELHIST", "RESIDUAL", "OBJECTS", "SEGM", "SEGMENTATION", "SEG"),
)

KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(_SCIENCE, "science"),
    **dict.fromkeys(_MASK, "mask"),
    **dict.fromkeys(_VARIANCE, "variance"),
    **dict.fromkeys(_SIGMA, "sigma"),
    **dict.fromkeys(_INVERSE, "inverse variance"),
    **dict.fromkeys(_WEIGHT, "weight"),
    **dict.fromkeys(_OTHER, "other"),
}
"""Kind of an HDU by a whole word of its EXTNAME."""


@dataclass(frozen=True)
class Sign:
    """Features that, all together, identify a layout.

    Attributes
    ----------
    words : frozenset of str
        Words that EXTNAMEs (or EXTTYPEs) of the file's images must have.
    cards : mapping of str to str
        Cards with regular expressions that their values must match wholly, in any case. The primary header and those
        of images are searched.
    mask_cards : str
        Beginning of the cards that name planes in the header of a mask.
    mask_of_uint32 : bool
        Whether the mask must be stored as unsigned numbers of 32 bits.
    """

    words: frozenset[str] = frozenset()
    cards: Mapping[str, str] = field(default_factory=dict)
    mask_cards: str = ""
    mask_of_uint32: bool = False


@dataclass(frozen=True)
class FileNames:
    """Parts of names of files that belong together; the part of the image is replaced by that of a plane.

    The end of a name, before ``.fits``, is written as ``$``.

    Attributes
    ----------
    image : str
        Part of the name of the image.
    mask : tuple of str
        Parts of the name of its mask; the first file that exists is used.
    errors : tuple of (str, Sense)
        Parts of the name of its plane of errors, and the sense of that plane.
    other : tuple of str
        Parts of names of maps that are not used: contexts, numbers of exposures and the like.
    certain : bool
        Whether a file with a plane's part in its name is never an exposure. If false, it is taken for a plane only
        while the file of the image exists.
    """

    image: str
    mask: tuple[str, ...] = ()
    errors: tuple[tuple[str, Sense], ...] = ()
    other: tuple[str, ...] = ()
    certain: bool = False


@dataclass(frozen=True)
class Layout:
    """One layout.

    Attributes
    ----------
    name : str
        Name for display.
    signs : tuple of Sign
        The layout is recognised by any of them; a layout without signs is recognised by names of files alone.
    science : tuple of str
        Words of EXTNAMEs of science images; () for images that are nothing else.
    several : bool
        Whether all such HDUs are science images, rather than the first.
    mask : tuple of str
        Words of EXTNAMEs of masks; () for the general ones.
    planes : mapping of str to int or None
        Numbers of the mask's bits by name if its header does not give them; None if they have no names.
    bad : tuple of str
        Planes that are bad by default, if the mask has them; `ANY` for every pixel other than 0.
    errors : tuple of (str, Sense)
        Words of EXTNAMEs of planes of errors, the best first; () for the general ones.
    files : tuple of FileNames
        Planes in other files.
    unit : str
        Unit of images without BUNIT.
    filter_cards : tuple of tuple of str
        Cards whose values together name the filter, searched before `FILTER_CARDS`.
    """

    name: str
    signs: tuple[Sign, ...] = ()
    science: tuple[str, ...] = ()
    several: bool = False
    mask: tuple[str, ...] = ()
    planes: Mapping[str, int] | None = None
    bad: tuple[str, ...] = ANY
    errors: tuple[tuple[str, Sense], ...] = ()
    files: tuple[FileNames, ...] = ()
    unit: str = ""
    filter_cards: tuple[tuple[str, ...], ...] = ()


def _words(text: str) -> Sign:
    return Sign(words=frozenset(text.split()))


def _of(text: str, **cards: str) -> Sign:
    return Sign(words=frozenset(text.split()), cards=cards)


def _numbered(names: str) -> dict[str, int]:
    """Return the bits of names that follow each other; "-" is a bit without a name."""
    return {name: bit for bit, name in enumerate(names.split()) if name != "-"}


_JWST = _numbered(
    "DO_NOT_USE SATURATED JUMP_DET DROPOUT OUTLIER PERSISTENCE AD_FLOOR CHARGELOSS UNRELIABLE_ERROR NON_SCIENCE DEAD "
    "HOT WARM LOW_QE - TELEGRAPH NONLINEAR BAD_REF_PIXEL NO_FLAT_FIELD NO_GAIN_VALUE NO_LIN_CORR NO_SAT_CHECK "
    "UNRELIABLE_BIAS UNRELIABLE_DARK UNRELIABLE_SLOPE UNRELIABLE_FLAT OPEN ADJ_OPEN FLUX_ESTIMATED MSA_FAILED_OPEN "
    "OTHER_BAD_PIXEL REFERENCE_PIXEL"
)
_HST = _numbered(
    "REED_SOLOMON FILL DETECTOR - HOT UNSTABLE WARM BIAS FULL_WELL FLAT TRAP AD_SATURATED COSMIC_RAY "
    "COSMIC_RAY_REJECTED - -"
)
_DES = _numbered(
    "BPM SATURATE INTERP BADAMP CRAY STAR TRAIL EDGEBLEED SSXTALK EDGE STREAK SUSPECT FIXED NEAREDGE TAPEBUMP"
)
_ZTF = _numbered(
    "TRACK DETECTED LOW_RESPONSIVITY HIGH_RESPONSIVITY NOISY GHOST - PIXEL_SPIKE SATURATED DEAD NAN PSF_SOURCE HALO"
)
_EUCLID = {"INVALID": 0}
_SPHEREX = (
    *("TRANSIENT", "OVERFLOW", "SUR_ERROR", "PHANTOM", "REFERENCE", "NONFUNC", "DICHROIC", "MISSING_DATA", "HOT"),
    *("COLD", "PHANMISS", "NONLINEAR", "PERSIST", "OUTLIER", "SOURCE"),
)
_MASKBITS = _numbered(
    "NPRIMARY BRIGHT SATUR_G SATUR_R SATUR_Z ALLMASK_G ALLMASK_R ALLMASK_Z WISEM1 WISEM2 BAILOUT MEDIUM GALAXY "
    "CLUSTER SATUR_I ALLMASK_I"
)


def _all_but(planes: Mapping[str, int], *good: str) -> tuple[str, ...]:
    return tuple(name for name in planes if name not in good)


PLAIN = Layout("plain")
"""Layout of a file with one image."""

MANY_CHIPS = Layout("several chips", several=True)
"""Layout of a file in which every image is a chip."""

LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "SPHEREx",
        (Sign(frozenset({"IMAGE", "FLAGS"}), mask_cards="MP_"),),
        science=("IMAGE",),
        mask=("FLAGS",),
        bad=_SPHEREX,
        errors=(("VARIANCE", "variance"),),
    ),
    Layout(
        "lsst.images",
        (Sign(mask_cards="MSKN"),),
        science=("IMAGE",),
        mask=("MASK",),
        bad=BAD_PLANES,
        errors=(("VARIANCE", "variance"),),
    ),
    Layout(
        "LSST afw exposure",
        (Sign(mask_cards="MP_"), Sign(cards={"EXTTYPE": "IMAGE|MASK|VARIANCE"})),
        science=("IMAGE",),
        mask=("MASK",),
        planes=DEFAULT_PLANES,
        bad=BAD_PLANES,
        errors=(("VARIANCE", "variance"),),
    ),
    Layout(
        "TESS",
        (_of("", TELESCOP="TESS"), _of("", TELESCOP="Kepler")),
        errors=(("UNCERT", "sigma"),),
        unit="electron/s",
    ),
    Layout(
        "CCDData",
        (Sign(cards={"UTYPE": r"(STDDEV|VARIANCE|UNKNOWN)\w*|INVERSEVARIANCE"}), _words("UNCERT")),
        mask=("MASK",),
        errors=(("UNCERT", "sigma"),),
    ),
    Layout(
        "DES",
        (_words("SCI MSK"), _words("SCI WGT")),
        science=("SCI",),
        several=True,
        mask=("MSK",),
        planes=_DES,
        bad=_all_but(_DES, "SUSPECT"),
        errors=(("WGT", "inverse variance"),),
    ),
    Layout(
        "Euclid",
        (_words("SCI RMS FLG"), _words("SCI FLG"), _of("SCI", TELESCOP="EUCLID")),
        science=("SCI",),
        several=True,
        mask=("FLG",),
        planes=_EUCLID,
        bad=("INVALID",),
        errors=(("RMS", "sigma"),),
    ),
    Layout(
        "drizzled SCI, WHT",
        (_words("SCI WHT"),),
        science=("SCI",),
        several=True,
        mask=("DQ",),
        errors=(("WHT", "weight"),),
        files=(),
        filter_cards=(("FILTER", "PUPIL"),),
    ),
    Layout(
        "JWST, Roman",
        (
            _of("SCI", TELESCOP="JWST|ROMAN.*|NANCY.*|RST"),
            Sign(frozenset({"SCI", "DQ"}), mask_of_uint32=True),
        ),
        science=("SCI",),
        several=True,
        mask=("DQ",),
        planes=_JWST,
        bad=("DO_NOT_USE", "NON_SCIENCE"),
        errors=(("ERR", "sigma"),),
        filter_cards=(("FILTER", "PUPIL"),),
    ),
    Layout(
        "HST",
        (_of("SCI", TELESCOP="HST"),),
        science=("SCI",),
        several=True,
        mask=("DQ",),
        planes=_HST,
        errors=(("ERR", "sigma"),),
    ),
    Layout(
        "Gemini",
        (_of("SCI", OBSERVAT="GEMINI.*"), _of("SCI", TELESCOP="GEMINI.*"), _words("SCI VAR")),
        science=("SCI",),
        several=True,
        mask=("DQ",),
        errors=(("VAR", "variance"),),
    ),
    Layout(
        "SCI, ERR, DQ",
        (_words("SCI"),),
        science=("SCI",),
        several=True,
        errors=(("ERR", "sigma"), ("VAR", "variance"), ("IVAR", "inverse variance")),
    ),
    Layout(
        "ESO, MPDAF",
        (_words("DATA"), Sign(cards={"HDUCLASS": "ESO"})),
        science=("DATA",),
        several=True,
        mask=("DQ", "QUAL", "FLAGS", "MASK"),
        errors=(("STAT", "variance"), ("ERR", "sigma"), ("ERROR", "sigma")),
    ),
    Layout(
        "Legacy, DESI",
        (_words("IMAGE IVAR"), _words("IMAGE INVVAR")),
        science=("IMAGE",),
        several=True,
        mask=("MASK",),
        errors=(("IVAR", "inverse variance"), ("INVVAR", "inverse variance")),
    ),
    Layout("IMAGE with planes", (_words("IMAGE"),), science=("IMAGE",), several=True),
    # Planes in files of their own.
    Layout(
        "DECam community pipeline",
        several=True,
        files=tuple(
            FileNames(f"_{image}_", ("_ood_", f"_{image[:2]}d_"), ((f"_{weight}_", "inverse variance"),), certain=True)
            for image, weight in (("ooi", "oow"), ("oki", "oow"), ("opi", "opw"), ("osi", "osw"))
        ),
    ),
    Layout(
        "ZTF",
        planes=_ZTF,
        bad=tuple(_ZTF),
        files=(
            FileNames(
                "_sciimg$",
                ("_mskimg$",),
                tuple((part, "sigma") for part in ("_unc$", "_uncimg$", "_sciunc$", "_sciimg_unc$")),
                certain=True,
            ),
        ),
        unit="DN",
    ),
    Layout(
        "Legacy Surveys bricks",
        planes=_MASKBITS,
        bad=_all_but(_MASKBITS, "NPRIMARY"),
        files=tuple(
            FileNames(f"-image-{band}$", ("-maskbits$",), ((f"-invvar-{band}$", "inverse variance"),), certain=True)
            for band in ("g", "r", "i", "z", "W1", "W2", "W3", "W4")
        ),
        unit="nanomaggy",
    ),
    Layout("image and invvar", files=(FileNames("-image-", ("-mask-",), (("-invvar-", "inverse variance"),)),)),
    Layout("unWISE", files=(FileNames("-img-", ("-msk-",), (("-invvar-", "inverse variance"),)),)),
    Layout("AllWISE", files=(FileNames("-int-", ("-msk-",), (("-unc-", "sigma"),)),)),
    Layout(
        "Spitzer",
        files=(
            FileNames("_bcd$", ("_bimsk$",), (("_bunc$", "sigma"),)),
            FileNames("_cbcd$", ("_bimsk$",), (("_cbunc$", "sigma"),)),
            FileNames("_maic$", (), (("_munc$", "sigma"),)),
        ),
    ),
    Layout(
        "PS1 stack",
        files=(FileNames(".unconv$", (".unconv.mask$",), ((".unconv.wt$", "variance"),), certain=True),),
    ),
    Layout(
        "_sci with planes beside it",
        files=(
            FileNames(
                "_sci$",
                ("_dq$", "_msk$", "_mask$"),
                (("_wht$", "weight"), ("_var$", "variance"), ("_err$", "sigma"), ("_rms$", "sigma")),
                ("_ctx$", "_exp$"),
            ),
        ),
    ),
    Layout("WFCAM, VIRCAM", files=(FileNames("$", (), (("_conf$", "weight"),)),)),
    Layout(
        "SWarp, SExtractor",
        files=(
            FileNames(
                "$",
                (".mask$", ".flag$", ".flags$"),
                ((".weight$", "weight"), (".wht$", "weight"), ("_weight$", "weight"), ("_wht$", "weight")),
                certain=True,
            ),
        ),
    ),
)
"""All layouts; the first that a file matches is taken."""

FILTER_CARDS: tuple[tuple[str, ...], ...] = (
    ("FILTER",),
    ("FILTER1", "FILTER2"),
    ("FILTNAM",),
    ("FILTNAM1", "FILTNAM2"),
    ("FILTNAME",),
    ("FILTERID",),
    ("FILTER01",),
    ("BAND",),
    ("ESO INS FILT1 NAME",),
    ("INSFLNAM",),
    ("ESO INS FILT NAME",),
    ("FILTERS",),
)
"""Cards that name a filter, the most usual first."""

UNTOLD_FILTERS = r"(CLEAR|OPEN|EMPTY|AIR|_?UNKNOWN_?|N/?A\b|NONE\b|NULL\b).*|"
"""Values of these cards that are no filter."""
