"""Combination of exposures (arrays, objects that hold the pixels of an image, or files) into one, in one call."""

from __future__ import annotations

__all__ = ["CombineResult", "combine", "combine_files"]

import html
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._checks import byte_limit, names_of, shown
from .._text import reason_of
from ..combining.corrections import area_factor, correction_field
from ..combining.engine import Box, CombinedBand, LostExposureError, MemoryPlanes, Stack
from ..combining.options import bad_bits_to_combine, exposure_weights, options_of
from ..combining.resampling import METHODS, resample_exposure, scales_with_area
from ..combining.target_grid import RESAMPLE, TargetGrid, find_target_grid
from ..draw.combine_figures import plot_combined
from ..draw.figures import picture_url
from ..draw.progress import Progress, Steps, progress_bar
from ..errors import EvenskyError, InvalidParameterError, NotFoundError, TaskError, UnsuitableError
from ..fits.contents import filter_of
from ..fits.descriptions import Selection
from ..geom import Point2I
from ..image import Exposure, ImageF, Mask, MaskedImage
from ..image.image import Image
from ..io.bands import exposure_time_of
from ..io.file_names import refuse_one_name
from ..matching.joint.covariance import CorrectionCovariance
from ..matching.placement import GridMember
from ..matching.sets import check_filters, check_units, none_usable, several
from ..matching.units import astropy_unit, most_common_unit, unit_of
from ..runs.combine_record import (
    CombineRecord,
    clipping_note,
    empty_note,
    noise_note,
    placed_at,
    sample_notes,
)
from ..runs.combine_result import CombinedExposures, CombineRun
from ..runs.combine_run import combine_files as _combine_files
from ..runs.source import Item, MemorySource

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from matplotlib.figure import Figure


@dataclass(repr=False)
class CombineResult(CombinedExposures):
    """The result of `combine`.

    Attributes
    ----------
    exposure : ExposureF or ExposureD
        The combined image with its mask, its variance and its WCS. Where no pixel is good, the image is NaN and the
        mask has the plane NO_DATA.
    number : ndarray of int32, shape (height, width)
        Number of exposures that were used at each pixel.
    rejected : ndarray of int32, shape (height, width)
        Number of exposures that were clipped at each pixel.
    weight : ndarray of float32 or None, shape (height, width)
        Sum of the weights of the exposures that were used.
    exposure_time : ndarray of float32 or None, shape (height, width)
        Sum of the exposure times of the pixels that were used, in seconds; None if a time is unknown.
    records : list of CombineRecord
        What became of each exposure, with its masked and rejected fractions.
    grid : TargetGrid
        Grid of the result.
    statistic : str
    unit : str
        Unit of the pixels; "" if unknown.
    notes : list of str
        What was assumed, in sentences.
    """

    exposure: Exposure
    number: np.ndarray
    rejected: np.ndarray
    weight: np.ndarray | None
    exposure_time: np.ndarray | None
    records: list[CombineRecord]
    grid: TargetGrid
    statistic: str = "meanclip"
    unit: str = ""
    notes: list[str] = field(default_factory=list)

    def to_ccddata(self) -> CCDData:
        """Return the combined image as a `CCDData` of astropy.

        Its uncertainty is a variance, if there are variances. Its mask tells where no exposure has a good pixel, and
        the bits of the mask planes are its flags. A unit that is unknown becomes dimensionless.

        Returns
        -------
        astropy.nddata.CCDData

        Examples
        --------
        >>> import numpy as np, evensky
        >>> evensky.combine([np.full((2, 3), level, np.float32) for level in (1, 2, 6)]).to_ccddata().data[0]
        array([3., 3., 3.], dtype=float32)
        """
        from astropy.nddata import CCDData, VarianceUncertainty

        image, mask, variance = self.exposure.maskedImage.getArrays()
        return CCDData(
            image,
            unit=astropy_unit(self.unit),
            mask=self.number == 0,
            flags=mask,
            uncertainty=VarianceUncertainty(variance) if self.exposure.info.has_variance else None,
            wcs=self.exposure.wcs,
            meta=dict(self.exposure.metadata),
        )

    def plot(self) -> Figure:
        """Draw the combined image, and the number of exposures at each pixel."""
        return plot_combined(self.exposure.image.array, self.number, self.unit)

    def _repr_html_(self) -> str:
        try:
            picture = f'<img alt="combined image" src="{picture_url(self.plot, 70)}"/>'
        except Exception as error:  # the table can be shown without its picture
            picture = f"<p>The image cannot be drawn: {html.escape(reason_of(error))}</p>"
        return super()._repr_html_() + picture


def combine(
    exposures: Sequence[Any],
    *,
    masks: Sequence[Any] | None = None,
    variances: Sequence[Any] | None = None,
    weights: Sequence[Any] | None = None,
    statistic: str = "meanclip",
    sigma: float | tuple[float, float] = 3.0,
    rounds: int = 3,
    centre: str | None = None,
    scatter: str | None = None,
    weighting: str | Sequence[float] | None = None,
    bad_planes: str | Iterable[str] | None = None,
    same_grid: bool = False,
    wcs: Any = None,
    shape: tuple[int, int] | None = None,
    pixel_scale: float | None = None,
    resampling: str = "interp",
    covariance: CorrectionCovariance | None = None,
    allow: Collection[str] = (),
    num_threads: int = 0,
    progress: bool = False,
) -> CombineResult:
    """Combine exposures into one image.

    Exposures on one pixel grid, which may be shifted by whole pixels, keep their pixels. Others are resampled onto a
    grid that holds all of them, or onto the one that is given.

    Parameters
    ----------
    exposures : sequence of image-like
        Arrays, masked arrays, ``Quantity``, ``CCDData`` and ``NDData``, images of `evensky.image`, or names of FITS
        files. They are not changed. For files that do not fit into memory, see `combine_files`.
    masks, variances, weights : sequence of array-like or None, optional
        One for each exposure, None for those without. A mask holds booleans, True for pixels to reject, or bits;
        without names of planes (`evensky.image.Mask`), every pixel that is not 0 is rejected. Weights are inverse
        variances. Pixels whose variance or weight is masked, or not positive and finite, are rejected.
    statistic : str, optional
        "meanclip" (default), "mean" or "median".
    sigma : float or (float, float), optional
        Half-width of the clipping window in units of the scatter, or its widths below and above the centre.
    rounds : int, optional
        Number of clipping rounds.
    centre, scatter : str, optional
        Centre ("median" or "mean") and scatter ("std", the standard deviation, or "mad", 1.4826 times the median
        absolute deviation) of all clipping rounds. By default, the first round clips about the median by the quartiles,
        and the others about the mean by the standard deviation.
    weighting : str or sequence of float, optional
        "variance" to weight each pixel by its inverse variance, or one number for each exposure. By default, all
        exposures weigh the same.
    bad_planes : str or iterable of str, optional
        Names of mask planes whose pixels do not count. By default those that match also rejects, but for the planes
        that mark sources (DETECTED, DETECTED_NEGATIVE).
    same_grid : bool, optional
        Take the exposures to be on one pixel grid, whatever their WCS says.
    wcs : astropy.wcs.WCS, Header or Path, optional
        WCS of the result; by default that of the exposures, or one that is found for them.
    shape : (height, width), optional
        Size of the result in pixels, with `wcs`.
    pixel_scale : float, optional
        Size of the pixels of the result in arcsec; all exposures are then resampled. Not with `wcs`.
    resampling : str, optional
        How exposures on other grids are resampled: "interp" (default, bilinear), "nearest", "adaptive" or "exact".
    covariance : CorrectionCovariance, optional
        Covariance of the corrections of matched exposures, in the order of `exposures`, which is added to the variance
        of the result.
    allow : collection of str, optional
        What is not to be refused: "filters" (different ones).
    num_threads : int, optional
        Number of threads, 0 for the process-wide default. Results do not depend on it.
    progress : bool, optional
        Show a progress bar.

    Returns
    -------
    CombineResult
        One exposure that fails does not stop the others.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If there are no exposures, or a parameter is not allowed.
    evensky.errors.UnsuitableError
        If filters or units differ, or the exposures have no common grid.
    evensky.errors.TaskError
        If no exposure can be used.

    Examples
    --------
    >>> import numpy as np, evensky
    >>> exposures = np.random.default_rng(1).normal(100, 5, (9, 60, 80)).astype(np.float32)
    >>> exposures[4, 10, 20] = 9999  # a cosmic ray
    >>> result = evensky.combine(exposures)
    >>> print(result.exposure.image.array.shape, result.number[10, 20], result.rejected[10, 20])
    (60, 80) 8 1
    """
    options = options_of(statistic, sigma, rounds, centre, scatter, weighting)
    if resampling not in METHODS:
        raise InvalidParameterError(f"resampling is {shown(resampling)}; it must be one of {', '.join(METHODS)}")
    refuse_one_name(exposures)
    for name in allow:
        if name != "filters":
            raise InvalidParameterError(f"allow holds {shown(name)}; what can be allowed is 'filters' (different ones)")
    given = list(exposures)
    if covariance is not None and len(covariance.labels) != len(given):
        raise InvalidParameterError(
            f"covariance has {len(covariance.labels)} exposures and {len(given)} are given; give those of the match in "
            "their order, or restrict it with covariance.select"
        )
    each = exposure_weights(weighting, len(given))
    source = MemorySource(given, (), masks=masks, variances=variances, weights=weights)
    with progress_bar(progress) as bar:
        steps = Steps(len(given) + 1, bar)
        looks = [_look(source, item, bad_planes, steps) for item in source.items]
        _check_any(looks)
        used = [look for look in looks if look.exposure is not None]
        labels = [look.record.label for look in used]
        units = [unit_of(look.exposure) for look in used if look.exposure is not None]
        problems, notes = check_filters(labels, [_filter_of(look, source) for look in used], allowed="filters" in allow)
        wrong, more = check_units(labels, units, allowed=None)
        problems, notes = problems + wrong, notes + more
        if problems:
            raise UnsuitableError(problems)
        members = _members(source, used)
        grid = find_target_grid(members, wcs=wcs, shape=shape, same_grid=same_grid, pixel_scale=pixel_scale)
        readers = [
            _resampled(look, member, grid, box, resampling, unit) if shift == RESAMPLE else _reader(look, shift)
            for look, member, shift, box, unit in zip(used, members, grid.shifts, grid.boxes, units, strict=True)
        ]
        weights = None if each is None else [each[look.item.index] for look in used]
        stack = Stack(
            readers,
            grid.shape,
            options,
            weights=weights,
            times=[look.record.exposure_time for look in used],
            with_time=True,
            labels=labels,
        )
        try:
            band = stack.combine(num_threads=num_threads)
            samples = stack.level_samples(band.levels)
            doubts = sample_notes(
                samples, labels, options, weights, most_common_unit(units), has_variance=band.variance is not None
            )
            if covariance is not None and band.variance is not None:
                _add_covariance(band, stack, covariance, used, grid, members, units)
        except LostExposureError as error:
            raise error.error from error
        steps.step("combining")
    for look, covered, masked, rejected in zip(used, band.covered_by, band.masked_by, band.rejected_by, strict=True):
        look.record.set_fractions(int(covered), int(masked), int(rejected))
        look.record.weight = None if options.by_variance else 1.0 if each is None else each[look.item.index]
    lacking = _lacking(used, band)
    records = [look.record for look in looks]
    return CombineResult(
        exposure=_exposure_of(band, stack, grid, most_common_unit(units)),
        number=band.number,
        rejected=band.rejected,
        weight=band.weight,
        exposure_time=band.exposure_time,
        records=records,
        grid=grid,
        statistic=options.statistic,
        unit=most_common_unit(units),
        notes=[
            *notes,
            *grid.notes,
            *doubts,
            *lacking,
            *clipping_note(records, options, has_variance=band.variance is not None),
            *noise_note(records),
        ],
    )


def combine_files(
    paths: Iterable[str | Path],
    out: str | Path,
    *,
    statistic: str = "meanclip",
    sigma: float | tuple[float, float] = 3.0,
    rounds: int = 3,
    centre: str | None = None,
    scatter: str | None = None,
    weighting: str | Sequence[float] | None = None,
    hdu: str | int | None = None,
    mask: str | int | None = None,
    variance: str | int | None = None,
    weight: str | int | None = None,
    bad_planes: str | Iterable[str] | None = None,
    good_bits: str | Iterable[str] | None = None,
    same_grid: bool = False,
    wcs: Any = None,
    shape: tuple[int, int] | None = None,
    pixel_scale: float | None = None,
    resampling: str = "interp",
    covariance: CorrectionCovariance | str | Path | bool | None = None,
    allow: Collection[str] = (),
    strict: bool = False,
    planes: Iterable[str] = ("variance", "mask"),
    workers: int = 1,
    executor: Executor | str | None = None,
    overwrite: bool = False,
    resume: bool = False,
    compress: bool = False,
    scratch: str | Path | None = None,
    max_memory: int | str | None = None,
    max_unpacked: int | str | None = None,
    progress: Progress | None = None,
) -> CombineRun:
    """Combine FITS files into one, by bands of rows, so that many large files need little memory.

    Exposures on one pixel grid, which may be shifted by whole pixels, keep their pixels. Others are resampled onto a
    grid that holds all of them, or onto the one that is given, and kept on disk meanwhile.

    Parameters
    ----------
    paths : iterable of str or Path
        The exposures: files, or images of files as in ``file.fits[SCI,2]``; outputs of a match among them. They are
        never changed. Their layout says which HDUs are science images, masks and errors (`inspect_files` shows it); all
        science images of a file are combined.
    out : str or Path
        FITS file of the result. It appears whole or not at all. Until then, ``<out>.journal`` tells what is done.
    statistic, sigma, rounds, centre, scatter : optional
        Statistic of a pixel and its clipping, as in `combine`.
    weighting : str or sequence of float, optional
        "variance" to weight each pixel by its inverse variance, or one number for each exposure, or for each file. By
        default, all exposures weigh the same.
    hdu : str or int, optional
        The science image, if not what the layout says: number, name, or name and version of the HDU ("SCI,2").
    mask, variance, weight : str or int, optional
        Location of these planes, if not the usual one: an HDU, a file, or a pattern with ``{stem}``, ``{name}`` or
        ``{dir}`` of the exposure, and ``{extname}`` or ``{extver}`` of the image; "none" ignores a plane. Weights are
        inverse variances. Pixels without a positive finite variance or weight do not count.
    bad_planes, good_bits : str or iterable of str, optional
        Mask planes whose pixels do not count, and planes whose pixels count although the layout calls them bad: names,
        or values of flags such as "4" or "4096+8192". Planes that mark sources (DETECTED, DETECTED_NEGATIVE) count
        unless `bad_planes` names them.
    same_grid : bool, optional
        Take the exposures to be on one pixel grid, whatever their WCS says.
    wcs : astropy.wcs.WCS, Header, str or Path, optional
        WCS of the result, or a file that has it; by default that of the exposures, or one that is found for them.
    shape : (height, width), optional
        Size of the result in pixels, with `wcs`.
    pixel_scale : float, optional
        Size of the pixels of the result in arcsec; all exposures are then resampled. Not with `wcs`.
    resampling : str, optional
        How exposures on other grids are resampled: "interp" (default, bilinear), "nearest", "adaptive" or "exact".
    covariance : CorrectionCovariance, str, Path or False, optional
        Covariance of the corrections of matched exposures, or its file or the output folder of the match, whose part in
        the mean is added to the variance of the result. By default it is looked for in the folder of the files, if all
        are outputs of one match; False leaves it out.
    allow : collection of str, optional
        What is not to be refused: "maps" (weight maps or masks as exposures), "outputs" (of an earlier combination),
        "filters" and "units" (different ones).
    strict : bool, optional
        Refuse the exposures if there is any note on them.
    planes : iterable of str, optional
        Planes to write beside the image: "variance", "mask", "number" (of exposures that were used), "rejected" (number
        of those that were clipped), "weight" (sum of the weights), "exposure_time" (sum of the times).
    workers : int, optional
        Number of threads or processes, at least 1. Results do not depend on it.
    executor : concurrent.futures.Executor or str, optional
        Executor of the jobs: any executor, or one of `evensky.work.executors.EXECUTORS`; threads by default. Other
        processes read the files themselves. Results do not depend on it.
    overwrite : bool, optional
        Replace an existing file.
    resume : bool, optional
        Continue a run for `out` that did not end: rows that are done are kept. Files and parameters must be the same.
        If there is no such run, a new one begins.
    compress : bool, optional
        Compress the image and its planes in tiles, without loss.
    scratch : str or Path, optional
        Folder for the pixels of resampled exposures, by default that of `out`, and of those that must be unpacked, by
        default that of temporary files.
    max_memory : int or str, optional
        Memory for pixels, such as 2000000000 or "2GB"; 1 GB by default. Results do not depend on it.
    max_unpacked : int or str, optional
        Number of bytes to which a compressed file may be unpacked, see `match_files`.
    progress : callable, optional
        Called with a label, the number of steps done, and the total number of steps.

    Returns
    -------
    CombineRun
        One exposure that cannot be read does not stop the others: its status is "failed".

    Raises
    ------
    evensky.errors.InvalidParameterError
        If there are no files, or a parameter is not allowed.
    evensky.errors.FitsError
        If `out` exists or cannot be written, or a run to resume has other inputs.
    evensky.errors.UnsuitableError
        If the exposures do not belong together: other filters or units, weight maps, or no common grid.
    evensky.errors.TaskError
        If no exposure can be used, or memory does not suffice for one row of all exposures.
    """
    return _combine_files(
        paths,
        out,
        options=options_of(statistic, sigma, rounds, centre, scatter, weighting),
        weighting=weighting,
        selection=Selection(
            hdu,
            mask,
            variance,
            weight,
            bad_planes=names_of(bad_planes, "bad_planes"),
            good_bits=names_of(good_bits, "good_bits") or (),
            max_unpacked=byte_limit(max_unpacked, "max_unpacked"),
        ),
        same_grid=same_grid,
        wcs=wcs,
        shape=shape,
        pixel_scale=pixel_scale,
        resampling=resampling,
        covariance=covariance,
        allow=allow,
        strict=strict,
        planes=tuple(planes.split(",") if isinstance(planes, str) else planes),
        workers=workers,
        executor=executor,
        overwrite=overwrite,
        resume=resume,
        compress=compress,
        scratch=scratch,
        max_memory=max_memory,
        progress=progress,
    )


@dataclass
class _Look:
    """An exposure that was read, or the reason why it cannot be used."""

    item: Item
    record: CombineRecord
    exposure: Exposure | None = None
    bad: int = 0
    error: EvenskyError | None = None


def _look(source: MemorySource, item: Item, bad_planes: str | Iterable[str] | None, steps: Steps) -> _Look:
    """Read an exposure, or make it from an object in memory, without a copy of its pixels if that is possible."""
    record = CombineRecord(item.label, item.place, "combined")
    try:
        frame = source.read(item, to_change=False)
        bad = bad_bits_to_combine(frame.exposure, bad_planes)
    except EvenskyError as error:
        record.status, record.message = "failed", reason_of(error)
        return _Look(item, record, error=error)
    finally:
        steps.step(f"reading {item.label}")
    record.notes = list(frame.exposure.assumptions)
    record.exposure_time = _exposure_time(frame.exposure, source.exposures[item.index])
    return _Look(item, record, frame.exposure, bad)


def _exposure_time(exposure: Exposure, data: Any) -> float | None:
    """Return the exposure time in seconds that a header or the information on a visit gives; None if it is unknown."""
    headers = [exposure.metadata, *(getattr(data, name, None) for name in ("header", "meta", "metadata"))]
    visit = getattr(getattr(data, "info", None), "visitInfo", None)
    headers.append({"EXPTIME": getattr(visit, "exposureTime", None)})
    return next(filter(None, (exposure_time_of(header) for header in headers if hasattr(header, "get"))), None)


def _filter_of(look: _Look, source: MemorySource) -> str:
    """Return the name of the filter of an exposure; "" if it is unknown."""
    assert look.exposure is not None
    data = source.exposures[look.item.index]
    label = getattr(getattr(data, "info", None), "filter", None)
    for part in ("physicalLabel", "bandLabel"):
        if getattr(label, f"has{part[0].upper()}{part[1:]}", bool)():
            return str(getattr(label, part))
    headers = [look.exposure.metadata, *(getattr(data, name, None) for name in ("header", "meta", "metadata"))]
    return filter_of(header for header in headers if hasattr(header, "get"))


def _check_any(looks: Sequence[_Look]) -> None:
    """Raise an error if no exposure can be used."""
    errors = [look.error for look in looks if look.error is not None]
    if len(errors) < len(looks):
        return
    # An error that is caused by the call is the same for every exposure.
    for error in errors:
        if isinstance(error, InvalidParameterError | NotFoundError):
            raise error
    raise TaskError(none_usable([look.record.message for look in looks]))


def _lacking(used: Sequence[_Look], band: CombinedBand) -> list[str]:
    """Return notes on exposures without a good pixel, and on those for whose sake the result has no variance.

    Raises
    ------
    evensky.errors.TaskError
        If there is no good pixel at all.
    """
    if not band.number.any() and all(look.record.masked_fraction == 1 for look in used):
        raise TaskError(
            "no pixel of any exposure is good: all are masked, not finite, or without a positive finite variance; see "
            "bad_planes and the masks"
        )
    without = [look.record.label for look in used if look.exposure and not look.exposure.info.has_variance]
    notes = empty_note([look.record for look in used])
    if 0 < len(without) < len(used):
        notes.append(f"the result has no variance: there are no variances of {several(without)}")
    return notes


def _members(source: MemorySource, used: Sequence[_Look]) -> list[GridMember]:
    """Return the geometry of the exposures; arrays begin at (0, 0) of the grid on which others have an origin."""
    found = source.members()
    members = [member for look in used if (member := found[look.item.index]) is not None]
    if any(member.origin is not None for member in members):
        members = [member if member.origin is not None else replace(member, origin=(0, 0)) for member in members]
    return members


def _reader(look: _Look, shift: Any) -> MemoryPlanes:
    """Return the planes of an exposure at their place on the grid."""
    assert look.exposure is not None
    masked = look.exposure.maskedImage
    y0, x0 = shift
    look.record.placed = placed_at(y0, x0)
    planes = masked.mask.getMaskPlaneDict()
    return MemoryPlanes(
        masked.image.array,
        masked.mask.array,
        masked.variance.array if look.exposure.info.has_variance else None,
        x0,
        y0,
        look.bad,
        planes,
    )


def _resampled(look: _Look, member: GridMember, grid: TargetGrid, box: Box, method: str, unit: str) -> MemoryPlanes:
    """Return the planes of an exposure resampled onto the grid."""
    assert look.exposure is not None
    masked = look.exposure.maskedImage
    found = resample_exposure(
        masked.image.array,
        masked.mask.array,
        look.bad,
        masked.variance.array if look.exposure.info.has_variance else None,
        member.wcs,
        grid,
        method=method,
        box=box,
        per_pixel=scales_with_area(unit),
        label=look.record.label,
    )
    look.record.set_resampled(method, _share_of_bad(masked, look.bad), found.noise_factor)
    planes = masked.mask.getMaskPlaneDict()
    return MemoryPlanes(found.image, found.mask, found.variance, box[0], box[1], look.bad, planes)


def _share_of_bad(masked: MaskedImage, bad: int) -> float:
    """Return the share of pixels that are not good."""
    wrong = ~np.isfinite(masked.image.array)
    wrong |= masked.mask.array & np.int32(bad) != 0
    return float(wrong.mean())


def _add_covariance(
    band: CombinedBand,
    stack: Stack,
    covariance: CorrectionCovariance,
    used: Sequence[_Look],
    grid: TargetGrid,
    members: Sequence[GridMember],
    units: Sequence[str],
) -> None:
    """Add the variance of the mean of the corrections; the exposures are those of the match, in their order."""
    assert band.variance is not None
    field = correction_field(
        covariance,
        [covariance.labels[look.item.index] for look in used],
        [reader.box for reader in stack.readers],
        stack.nominal_weights(),
        grid,
        members,
        [
            area_factor(member, grid) if shift == RESAMPLE and scales_with_area(unit) else 1.0
            for member, shift, unit in zip(members, grid.shifts, units, strict=True)
        ],
    )
    field.add_to(band.variance)


def _exposure_of(band: CombinedBand, stack: Stack, grid: TargetGrid, unit: str) -> Exposure:
    """Return a combined band as an exposure."""
    image: Any = Image(band.image)
    variance = None if band.variance is None else ImageF(band.variance)
    mask = Mask(band.mask, mask_planes=stack.planes)
    exposure: Exposure = Exposure(MaskedImage(image, mask) if variance is None else MaskedImage(image, mask, variance))
    exposure.info.has_variance = variance is not None
    exposure.info.wcs = grid.wcs
    exposure.setXY0(Point2I(*grid.origin))
    if unit:
        exposure.metadata["BUNIT"] = unit
    exposure.metadata["NCOMBINE"] = (len(stack.readers), "number of exposures that were combined")
    return exposure
