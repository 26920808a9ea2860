"""Reading and writing of FITS files: exposures in the layout of LSST, and images with separate masks and variances."""

from __future__ import annotations

__all__ = ["plane_file", "read_exposure", "write_exposure", "write_hdus", "write_image"]

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FitsError
from ..image import Exposure, Image, ImageF, Mask, MaskedImage
from ..image.mask import DEFAULT_PLANES
from .atomic import atomic_path
from .opening import opened, quiet, wrong_sums
from .scratch import Scratch

# Cards that describe the storage of pixels, or that are written new for each plane.
_STRUCTURE = re.compile(
    r"^(SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|GROUPS|BSCALE|BZERO|BLANK|END|EXTTYPE|EXTNAME|EXTVER|"
    r"INHERIT|CHECKSUM|DATASUM|ZHECKSUM|ZDATASUM|LTV[12]|AR_HDU|MP_.*|MSK[NMD]\d+|(CRPIX|CRVAL|CTYPE|CUNIT)[12]A|WCSNAMEA|)$"
)
# Cards of the WCS, which are written to each plane.
_WCS = re.compile(
    r"^(WCSAXES|WCSNAME|RADE(SYS|CSYS)|EQUINOX|LONPOLE|LATPOLE|MJDREF|"
    r"(CTYPE|CUNIT|CRVAL|CRPIX|CDELT|CROTA)[12]|(CD|PC)[12]_[12]|P[VS][12]_\d+|(A|B|AP|BP)_(ORDER|DMAX|\d+_\d+))$"
)
_INVERSE = re.compile(r"(WEIGHT|WHT|WT|IVM|INVVAR|IVAR)", re.IGNORECASE)
_DEVIATION = re.compile(r"(ERR|SIGMA|RMS|STD|UNCERT)", re.IGNORECASE)


# Number of pixels to read or write at a time.
_BAND_PIXELS = 2**23


def _bands(hdu: Any, axis: int = 0) -> Iterator[tuple[slice, np.ndarray]]:
    """Iterate over the pixels of an HDU in bands of rows along `axis`; a small HDU is one band."""
    shape = hdu.shape
    height = shape[axis]
    rows = max(1, _BAND_PIXELS * height // math.prod(shape))
    if rows >= height:
        yield slice(0, height), np.asarray(hdu.data)
        return
    for start in range(0, height, rows):
        part = slice(start, min(start + rows, height))
        yield part, np.asarray(hdu.section[(*[slice(None)] * axis, part)])


def _pixels(hdu: Any, path: str | Path, what: str) -> Iterator[tuple[slice, np.ndarray]]:
    _check_scale(hdu, path)
    if len(hdu.shape) != 2 or 0 in hdu.shape:
        shape = "no pixels" if 0 in hdu.shape or not hdu.shape else f"shape {hdu.shape}"
        raise FitsError(
            f"{path}: the {what} HDU {hdu.name or hdu._header.get('EXTNAME', '')!r} has {shape}; "
            "a two-dimensional image is needed"
        )
    blank, zero = hdu.header.get("BLANK"), hdu.header.get("BZERO", 0)
    for part, data in _bands(hdu):
        if data.dtype.kind in "iu" and zero and isinstance(blank, int):
            # The pixels are stored with an offset (BZERO), to which BLANK is subject, too; astropy ignores BLANK then.
            wide = np.float32 if data.dtype.itemsize <= 2 else np.float64
            yield part, np.where(data == int(blank) + int(zero), wide(np.nan), data.astype(wide))
        else:
            yield part, data


def _check_scale(hdu: Any, path: str | Path) -> None:
    """Raise FitsError if BSCALE makes all pixels equal or NaN."""
    scale = hdu.header.get("BSCALE", 1.0)
    if isinstance(scale, str) or not np.isfinite(scale) or scale == 0:
        raise FitsError(f"{path}: BSCALE = {scale!r}; it must be a finite number other than 0")


def _is_image(hdu: Any) -> bool:
    return bool(getattr(hdu, "is_image", False)) and hdu.header.get("NAXIS", 0) == 2


def _kind(hdu: Any) -> str:
    return str(hdu.header.get("EXTTYPE", hdu.name or "")).strip().upper()


def _find_planes(hdus: Any, path: str | Path, hdu: str | int | None) -> tuple[Any, Any, Any]:
    """Return the HDUs of image, mask and variance; None for each plane that the file lacks."""
    if hdu is not None:
        return _named(hdus, hdu, path), None, None
    images = [one for one in hdus if _is_image(one)]
    if not images:
        cubes = [one.header["NAXIS"] for one in hdus if getattr(one, "is_image", False) and one.header.get("NAXIS", 0)]
        found = f"its images have {cubes[0]} dimensions" if cubes else "there is no image in it"
        raise FitsError(f"{path}: {found}; a two-dimensional image is needed")
    by_kind = {_kind(one): one for one in reversed(images)}
    if "IMAGE" in by_kind:
        masks = by_kind.get("MASK")
        if masks is None:
            # The mask of lsst.images may be a cube of bytes.
            masks = next((one for one in hdus if getattr(one, "is_image", False) and _kind(one) == "MASK"), None)
        return by_kind["IMAGE"], masks, by_kind.get("VARIANCE")
    image = images[0]
    mask = by_kind.get("MASK")
    variance = by_kind.get("VARIANCE") or by_kind.get("UNCERT")
    if mask is None and len(images) > 1 and any(card.startswith("MP_") for card in images[1].header):
        # The layout of LSST without the cards that name it: image, mask and variance in this order.
        mask = images[1]
        variance = images[2] if len(images) > 2 else None
    return image, mask, variance


def _named(hdus: Any, name: str | int, path: str | Path) -> Any:
    key: Any = int(name) if isinstance(name, int) or str(name).isdigit() else str(name)
    try:
        return hdus[key]
    except (KeyError, IndexError):
        names = ", ".join(f"{index} {one.name!r}" for index, one in enumerate(hdus))
        raise FitsError(f"{path}: has no HDU {name!r}; it has {names}") from None


def _split_extension(spec: str) -> tuple[str, str | None]:
    """Split ``file.fits[EXT]`` into the file and its extension; the latter is None if there is none."""
    match = re.fullmatch(r"(.+)\[([^\[\]]+)\]", spec)
    return (match[1], match[2]) if match else (spec, None)


def plane_file(spec: str | Path | int) -> Path | None:
    """Return the file that a plane argument of `read_exposure` refers to; None if it is an HDU of the same file."""
    file, extension = _split_extension(str(spec))
    if isinstance(spec, Path) or extension is not None or Path(file).exists() or "/" in file:
        return Path(file)
    return None


@contextmanager
def _plane_hdu(hdus: Any, spec: str | Path | int, path: str | Path) -> Iterator[tuple[Any, str]]:
    """Provide the HDU of a plane, from the same file or another, and its name for messages."""
    file, extension = _split_extension(str(spec))
    if plane_file(spec) is not None:
        with opened(file) as others:
            if extension is not None:
                yield _named(others, extension, file), f"{file}[{extension}]"
            else:
                found = next((one for one in others if _is_image(one)), None)
                if found is None:
                    raise FitsError(f"{file}: there is no image in it")
                yield found, file
        return
    if not file.isdigit() and file not in hdus and Path(file).suffix:
        raise FitsError(f"{file}: there is no such file")
    yield _named(hdus, file, path), f"HDU {spec}"


def _mask_planes(header: Any, path: str | Path) -> dict[str, int]:
    """Return the mask planes that a header defines, in the convention of the stack of LSST or of lsst.images."""
    planes = {card[3:]: header[card] for card in header if card.startswith("MP_")}
    for name, number in planes.items():
        if type(number) is not int:
            raise FitsError(f"{path}: MP_{name} = {number!r}; the number of a mask plane must be a whole number")
    return planes or {
        str(header[card]): int(header[f"MSKM{card[4:]}"]).bit_length() - 1
        for card in header
        if re.fullmatch(r"MSKN\d+", card) and f"MSKM{card[4:]}" in header
    }


def _bits_of_bytes(data: np.ndarray, axis: int, path: str | Path) -> np.ndarray:
    """Combine the bytes of a mask, which follow each other along `axis`, to integers."""
    if np.take(data, range(4, data.shape[axis]), axis).any():
        raise FitsError(f"{path}: the mask has bits in {8 * data.shape[axis]} planes; at most 32 planes are allowed")
    bits = np.zeros(np.take(data, 0, axis).shape, np.int64)
    for k in range(min(data.shape[axis], 4)):
        bits |= np.take(data, k, axis).astype(np.int64) << (8 * k)
    return bits


def _read_mask(
    hdu: Any, shape: tuple[int, int], path: str | Path, assumptions: list[str], scratch: Scratch
) -> tuple[np.ndarray, Any]:
    planes = _mask_planes(hdu.header, path)
    cube = len(hdu.shape) == 3 and bool(planes)
    # The axis of the bytes may be the first or the last.
    byte_axis = 0 if cube and hdu.shape[1:] == shape else 2
    size = tuple(np.delete(hdu.shape, byte_axis)) if cube else hdu.shape
    if size != shape:
        raise FitsError(f"{path}: the mask has shape {hdu.shape or None} but the image has {shape}")
    named = bool(planes) or hdu.header.get("EXTTYPE", "") == "MASK"
    out = scratch.zeros(shape, np.int32)
    for part, data in _bands(hdu, 1 if cube and byte_axis == 0 else 0):
        bits = _bits_of_bytes(data, byte_axis, path) if cube else data
        if bits.dtype.kind not in "biu":
            raise FitsError(f"{path}: the mask has pixels of type {bits.dtype}; whole numbers are needed")
        if bits.dtype.itemsize == 8 and not np.isin(bits.astype(np.int64) >> 32, (0, -1)).all():
            raise FitsError(f"{path}: the mask has bits beyond the 32nd; at most 32 planes are allowed")
        out[part] = bits.astype(np.int64).astype(np.uint32).view(np.int32) if named else bits != 0
    if not named:
        assumptions.append("the mask names no planes: every pixel that is not 0 in it counts as BAD")
        return out, None
    return out, planes or dict(DEFAULT_PLANES)


def _read_variance(
    hdu: Any, name: str, shape: tuple[int, int], path: str | Path, assumptions: list[str], scratch: Scratch
) -> np.ndarray:
    if hdu.shape != shape:
        raise FitsError(f"{path}: the variance has shape {hdu.shape or None} but the image has {shape}")
    if _kind(hdu) in ("MASK", "DQ") or any(card.startswith("MP_") for card in hdu.header):
        raise FitsError(f"{path}: {name} is a mask; the variance is needed, or weights or standard deviations")
    utype = str(hdu.header.get("UTYPE", "")).lower()
    title = f"{hdu.name} {Path(name).name}"
    squared = "std" in utype or (not utype and bool(_DEVIATION.search(title)))
    inverse = not squared and ("invers" in utype or (not utype and bool(_INVERSE.search(title))))
    if squared:
        assumptions.append(f"{name} holds standard deviations: squared")
    elif inverse:
        assumptions.append(f"{name} holds weights: variance is 1 / weight, and not known where the weight is 0")
    out = scratch.zeros(shape, np.float32)
    for part, data in _bands(hdu):
        if squared:
            out[part] = np.square(data, dtype=np.float64)
        elif inverse:
            with np.errstate(divide="ignore", invalid="ignore"):
                out[part] = np.where(data > 0, 1.0 / np.asarray(data, dtype=np.float64), np.nan)
        else:
            out[part] = data
    return out


def _image(card: Any) -> str:
    """Return the text of a card as in the file, with characters that FITS does not allow replaced by blanks."""
    try:
        text = str(card.image)
    except ValueError:  # The card holds a character that FITS does not allow.
        text = f"{card.keyword} held characters that FITS does not allow"
    return "".join(letter if " " <= letter <= "~" else " " for letter in text)


def _merged_header(hdus: Any, hdu: Any) -> Any:
    """Merge the primary header and that of the image, without the cards that describe storage."""
    from astropy.io import fits

    sources = [hdus[0].header] if hdu is hdus[0] else [hdus[0].header, hdu.header]
    archived = any("AR_HDU" in source for source in sources)
    merged = fits.Header()
    for source in sources:
        for card in source.cards:
            keyword = card.keyword
            text = _image(card)
            if keyword in ("COMMENT", "HISTORY"):
                # astropy adds this comment on the FITS format to every file it makes, so it need not be kept.
                if not any(words in str(card.value) for words in ("FITS (Flexible Image", "and Astrophysics', volume")):
                    merged.append(fits.Card.fromstring(text), end=True)
                continue
            if _STRUCTURE.match(keyword) or (archived and keyword.endswith("_ID")):
                continue
            try:
                # The card is made from its text, so that numbers keep all their digits.
                clean = fits.Card.fromstring(text)
                clean.verify("silentfix")
                str(clean), clean.value
            except Exception:  # astropy raises many kinds of exceptions on invalid cards.
                merged.append(fits.Card("COMMENT", " ".join(text.split())), end=True)
                continue
            merged.remove(keyword, ignore_missing=True, remove_all=True)
            merged.append(clean, end=True)
    return merged


# Within this limit, corners of boxes fit 32-bit integers.
_FARTHEST_ORIGIN = 2**30


def _origin(header: Any, path: str | Path) -> tuple[int, int]:
    try:
        x0, y0 = _any_origin(header)
        if max(abs(x0), abs(y0)) <= _FARTHEST_ORIGIN:
            return x0, y0
    except (TypeError, ValueError, OverflowError):  # The card holds text, nothing, or infinity.
        pass
    names = ("LTV1", "LTV2") if "LTV1" in header and "LTV2" in header else ("CRVAL1A", "CRVAL2A", "CRPIX1A", "CRPIX2A")
    cards = ", ".join(f"{name} = {header[name]!r}" for name in names if name in header)
    raise FitsError(f"{path}: {cards}: a pixel origin must be two numbers within {_FARTHEST_ORIGIN} pixels of 0")


def _any_origin(header: Any) -> tuple[int, int]:
    if "LTV1" in header and "LTV2" in header:
        return round(-float(header["LTV1"])), round(-float(header["LTV2"]))
    if "CRVAL1A" in header and "CRVAL2A" in header:
        crpix = [float(header.get(f"CRPIX{axis}A", 1.0)) for axis in (1, 2)]
        return round(float(header["CRVAL1A"]) - crpix[0] + 1), round(float(header["CRVAL2A"]) - crpix[1] + 1)
    return 0, 0


def _wcs_of(header: Any) -> Any:
    if "CTYPE1" not in header or not str(header["CTYPE1"]).strip():
        return None
    from astropy.wcs import WCS

    with quiet():
        try:
            return WCS(header)
        except Exception:  # The pixels are usable without a WCS.
            return None


def read_exposure(
    path: str | Path,
    *,
    mask: str | Path | int | None = None,
    variance: str | Path | int | None = None,
    hdu: str | int | None = None,
    dtype: Any = None,
    scratch: str | Path | None = None,
) -> Exposure:
    """Read an exposure from a FITS file.

    The file may have the layout of LSST (HDUs IMAGE, MASK and VARIANCE, found by EXTTYPE, by EXTNAME or by order), or
    any other with a two-dimensional image. Mask planes have the numbers of the ``MP_`` cards of the file.

    Parameters
    ----------
    path : str or Path
        File to read; it is closed afterwards.
    mask, variance : str, Path or int, optional
        Location of a plane that is not in its usual place: an HDU of the same file, by name or number, or another file,
        ``file.fits`` or ``file.fits[EXT]``. A variance plane named WEIGHT, WHT or IVM is read as inverse variances, one
        named ERR, SIGMA, RMS or UNCERT as standard deviations.
    hdu : str or int, optional
        HDU of the image, if it is not the usual one.
    dtype : numpy dtype, optional
        float32 or float64; if omitted, float32 if it holds every pixel of the file exactly, else float64.
    scratch : str or Path, optional
        Folder in which to keep the pixels, in files without names, instead of in memory. This suits images that do not
        fit into memory; they are read in bands, unless the file is compressed as a whole.

    Returns
    -------
    ExposureF or ExposureD
        BLANK pixels are NaN. ``metadata`` holds the cards that describe the exposure, ``wcs`` maps local array pixels
        (counted from 0) to the sky, and ``assumptions`` lists the assumptions made. A missing plane is 0 everywhere.

    Raises
    ------
    evensky.errors.FitsError
        If the file is missing, broken or has no image; the message is one line that starts with the path.
    """
    scratch_space = Scratch(scratch)
    with opened(path) as hdus:
        image_hdu, mask_hdu, variance_hdu = _find_planes(hdus, path, hdu)
        assumptions = wrong_sums(image_hdu, mask_hdu, variance_hdu)
        image = _read_image(image_hdu, path, dtype, scratch_space)
        shape = image.array.shape
        bits, planes = None, None
        if mask is not None:
            with _plane_hdu(hdus, mask, path) as (found, name):
                bits, planes = _read_mask(found, shape, name, assumptions, scratch_space)
        elif mask_hdu is not None:
            bits, planes = _read_mask(mask_hdu, shape, path, assumptions, scratch_space)
        else:
            bits = scratch_space.zeros(shape, np.int32)
            assumptions.append("there is no mask: every finite pixel counts")
        known = True
        if variance is not None:
            with _plane_hdu(hdus, variance, path) as (found, name):
                variances = _read_variance(found, name, shape, path, assumptions, scratch_space)
        elif variance_hdu is not None:
            variances = _read_variance(variance_hdu, variance_hdu.name, shape, path, assumptions, scratch_space)
        else:
            known = False
            variances = scratch_space.zeros(shape, np.float32)
            assumptions.append("there is no variance: errors come from the scatter of the pixels")
        with quiet():
            header = _merged_header(hdus, image_hdu)
        masked: MaskedImage = MaskedImage(image, Mask(bits, mask_planes=planes), ImageF(variances))
    exposure: Exposure = Exposure(masked)
    exposure.info.metadata = header
    exposure.info.wcs = _wcs_of(header)
    exposure.info.has_variance = known
    exposure.info.scratch = scratch_space.folder
    exposure.info.assumptions.extend(assumptions)
    exposure.dataId = {"file": Path(path).name}
    return exposure


def _read_image(hdu: Any, path: str | Path, dtype: Any, scratch: Scratch) -> Image:
    image: Image | None = None
    for part, pixels in _pixels(hdu, path, "image"):
        if pixels.dtype.kind not in "iuf":
            raise FitsError(f"{path}: the image has pixels of type {pixels.dtype}; real numbers are needed")
        if image is None:
            if dtype is None:
                # float32 holds integers exactly only up to 2**24.
                wide = pixels.dtype.itemsize == 8 or (pixels.dtype.kind in "iu" and pixels.dtype.itemsize > 2)
            else:
                wide = np.dtype(dtype) == np.float64
            image = Image(scratch.zeros(hdu.shape, np.float64 if wide else np.float32))
        with np.errstate(over="ignore"):  # Values beyond float32 become infinite, so they are not taken as good.
            image.array[part] = pixels
    assert image is not None  # _pixels yields at least one band.
    image.setXY0(_origin(hdu.header, path))
    return image


def _wcs_cards(exposure: Exposure) -> Iterable[Any]:
    """Return the cards of the WCS: those that were read if they still describe it, else new ones."""
    from astropy.io import fits

    kept = [card for card in exposure.metadata.cards if _WCS.match(card.keyword)]
    if exposure.wcs is None:
        return kept
    header = fits.Header(kept)
    try:
        unchanged = "CRPIX1" in header and all(
            np.isclose(header.get(f"CRPIX{axis}", 0.0), exposure.wcs.wcs.crpix[axis - 1], rtol=0, atol=1e-9)
            and np.isclose(header.get(f"CRVAL{axis}", 0.0), exposure.wcs.wcs.crval[axis - 1], rtol=0, atol=1e-12)
            for axis in (1, 2)
        )
        return kept if unchanged else list(exposure.wcs.to_header(relax=True).cards)
    except Exception:  # The WCS cannot be written, so the cards that were read are kept.
        return kept


def _with_cards(hdu: Any, cards: Iterable[Any], kind: str, x0: int, y0: int) -> Any:
    for card in cards:
        hdu.header.append(card, end=True)
    hdu.header["INHERIT"] = True
    hdu.header["EXTTYPE"] = kind
    hdu.header["LTV1"], hdu.header["LTV2"] = -x0, -y0
    for axis, origin in ((1, x0), (2, y0)):
        hdu.header[f"CRPIX{axis}A"] = (1.0, "pixel origin: the first pixel")
        hdu.header[f"CRVAL{axis}A"] = (float(origin), "pixel origin: its position in the parent")
        hdu.header[f"CTYPE{axis}A"] = "LINEAR"
        hdu.header[f"CUNIT{axis}A"] = "PIXEL"
    return hdu


def write_hdus(hdus: Any, path: str | Path, overwrite: bool) -> None:
    """Write HDUs to a file atomically."""
    with atomic_path(path, overwrite=overwrite) as temporary, temporary.open("wb") as handle:
        # A handle is passed because astropy guesses the format by the suffix of the name, which is .tmp here.
        hdus.writeto(handle, output_verify="silentfix")


def _stand_in(array: np.ndarray) -> np.ndarray:
    """Return zeros of the shape of an array that take no memory, to make headers from."""
    return np.broadcast_to(np.zeros((), array.dtype.newbyteorder(">")), array.shape)


def _write_planes(planes: Sequence[tuple[Any, np.ndarray | None]], path: str | Path, overwrite: bool) -> None:
    """Write HDUs that were made by `_stand_in`, with their real pixels, to a file atomically.

    The pixels are written in bands. astropy would need all of them at once, in the byte order of FITS.
    """
    from astropy.io import fits

    hdus = fits.HDUList([hdu for hdu, _ in planes])
    hdus.verify("silentfix")
    hdus.update_extend()
    with atomic_path(path, overwrite=overwrite) as temporary, temporary.open("wb") as handle:
        for hdu, array in planes:
            handle.write(hdu.header.tostring().encode("ascii"))
            if array is None:
                continue
            rows = max(1, _BAND_PIXELS // array.shape[1]) if array.size else 1
            for start in range(0, array.shape[0], rows):
                band = array[start : start + rows]
                if band.dtype.kind == "u":  # FITS stores these as signed integers with an offset in the header.
                    band = (band ^ np.array(1 << (8 * band.itemsize - 1), band.dtype)).view(f"i{band.itemsize}")
                handle.write(band.astype(band.dtype.newbyteorder(">"), order="C").tobytes())
            handle.write(bytes(-array.nbytes % 2880))


def write_exposure(
    exposure: Exposure | MaskedImage,
    path: str | Path,
    *,
    overwrite: bool = False,
    compress: bool = False,
    history: Iterable[str] = (),
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write an exposure in the layout of LSST: a primary header, then image, mask and variance.

    Parameters
    ----------
    exposure : Exposure or MaskedImage
        Exposure to write. The cards of its metadata go to the primary header, those of its WCS to each plane.
    path : str or Path
        File to write; it is written atomically.
    overwrite : bool, optional
        Whether to replace an existing file.
    compress : bool, optional
        Whether to compress the planes by tiles, without loss.
    history : iterable of str, optional
        Lines to add as HISTORY cards.
    provenance : mapping, optional
        Cards to add to the primary header: keyword to value, or to a pair of value and comment.

    Raises
    ------
    evensky.errors.FitsError
        If the file cannot be written, or exists and `overwrite` is false; an existing file is then unchanged.
    """
    from astropy.io import fits

    if isinstance(exposure, MaskedImage):
        exposure = Exposure(exposure)
    primary = fits.PrimaryHDU()
    for card in exposure.metadata.cards:
        if not _WCS.match(card.keyword) and not _STRUCTURE.match(card.keyword):
            primary.header.append(card, end=True)
    for keyword, value in (provenance or {}).items():
        primary.header[keyword] = value
    for line in history:
        primary.header.add_history(line)
    wcs = list(_wcs_cards(exposure))
    x0, y0 = exposure.getXY0()

    image, mask, variance = exposure.maskedImage.getArrays()

    def plane(array: np.ndarray, kind: str, algorithm: str) -> Any:
        if compress:
            # Quantization is switched off, because it would change the pixels.
            made = fits.CompImageHDU(np.array(array), name=kind, compression_type=algorithm, quantize_level=0)
        else:
            made = fits.ImageHDU(_stand_in(array), name=kind)
        return _with_cards(made, wcs, kind, x0, y0)

    mask_hdu = plane(mask, "MASK", "RICE_1")
    for name, bit in sorted(exposure.mask.getMaskPlaneDict().items(), key=lambda item: item[1]):
        keyword = f"MP_{name}"
        mask_hdu.header[keyword if len(keyword) <= 8 else f"HIERARCH {keyword}"] = bit
    hdus = [primary, plane(image, "IMAGE", "GZIP_2"), mask_hdu, plane(variance, "VARIANCE", "GZIP_2")]
    if compress:
        write_hdus(fits.HDUList(hdus), path, overwrite)
    else:
        _write_planes(list(zip(hdus, (None, image, mask, variance), strict=True)), path, overwrite)


def write_image(image: Image, path: str | Path, *, overwrite: bool = False, header: Any = None) -> None:
    """Write one image to the primary HDU of a FITS file.

    Parameters
    ----------
    image : Image
        Image to write; its origin goes to LTV1 and LTV2.
    path : str or Path
        File to write; it is written atomically.
    overwrite : bool, optional
        Whether to replace an existing file.
    header : astropy.io.fits.Header, optional
        Cards to write; those that describe storage are omitted.

    Raises
    ------
    evensky.errors.FitsError
        If the file cannot be written, or exists and `overwrite` is false; an existing file is then unchanged.
    """
    from astropy.io import fits

    hdu = fits.PrimaryHDU(_stand_in(image.array))
    cards = [] if header is None else [card for card in header.cards if not _STRUCTURE.match(card.keyword)]
    x0, y0 = image.getXY0()
    for card in cards:
        hdu.header.append(card, end=True)
    hdu.header["LTV1"], hdu.header["LTV2"] = -x0, -y0
    _write_planes([(hdu, image.array)], path, overwrite)
