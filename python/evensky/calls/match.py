"""Matching of exposures (arrays, objects that hold the pixels of an image, or files) in one call."""

from __future__ import annotations

__all__ = ["MatchAllResult", "MatchResult", "match", "match_all", "match_files"]

import inspect
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._checks import byte_limit, names_of
from ..combining.options import exposure_weights
from ..draw.progress import Progress, progress_bar
from ..errors import InvalidParameterError, TaskError
from ..fits.descriptions import Selection
from ..io.configuration import change_config
from ..io.file_names import refuse_one_name
from ..io.folder_lock import FolderLock
from ..matching.joint.config import MatchAllConfig
from ..matching.joint.models import Model
from ..matching.joint.terms import Term, terms_of
from ..math import Approximate, BackgroundMI
from ..report import write_report
from ..runs.coadd import COADD, Coadd, notes_on_variance, planes_to_combine
from ..runs.files import MatchConfig
from ..runs.files import match_files as _match_files
from ..runs.folder import PAGE
from ..runs.joint import JointMethod
from ..runs.known import known_of, with_level
from ..runs.match_run import MatchRun
from ..runs.overlaps import Overlaps
from ..runs.reference import ReferenceMethod
from ..runs.run import match_exposures
from ..runs.source import MemorySource
from ..runs.survey import place_items
from ..runs.terms import check_term_files
from ..tasks import MatchBackgroundsConfig
from .background import style_of
from .combine import CombineResult, combine
from .result import RunResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class _Given:
    """What a result does not hold of the call that made it, and its coadd needs."""

    masks: Sequence[Any] | None = None
    variances: Sequence[Any] | None = None
    weights: Sequence[Any] | None = None
    in_memory: Sequence[bool] = ()
    bad_planes: tuple[str, ...] | None = None
    same_grid: bool = False


@dataclass(repr=False)
class _Result(RunResult):
    exposures: list[Any]
    run: MatchRun
    _given: _Given = field(default_factory=_Given, kw_only=True)

    @property
    def reference(self) -> int:
        """Number of the reference."""
        return next(index for index, record in enumerate(self.run.records) if record.label == self.run.reference)

    def coadd(self, **options: Any) -> CombineResult:
        """Combine the matched exposures into one image.

        Exposures that failed are left out. The variance of the coadd includes that of the models, as far as the match
        knows it (`MatchRun.covariance`).

        Parameters
        ----------
        **options
            Parameters of `evensky.combine`, such as `statistic`, `sigma`, `weighting` or `wcs`. Masks, variances and
            weights are those of the match. By default, `bad_planes` and `same_grid` are so, too, but pixels of sources
            (DETECTED) count; a sequence of weights in `weighting` has one number for each exposure of the match.

        Returns
        -------
        CombineResult

        Raises
        ------
        evensky.errors.InvalidParameterError
            If an option is unknown or not allowed.
        evensky.errors.TaskError
            If all exposures failed.

        Examples
        --------
        >>> import numpy as np, evensky
        >>> random = np.random.default_rng(1)
        >>> exposures = [random.normal(100 + level, 1, (300, 400)) for level in (0, 20, -7)]
        >>> coadd = evensky.match_all(exposures, reference=0).coadd(statistic="mean")
        >>> print(round(float(coadd.exposure.image.array.mean())), coadd.number.min())
        100 3
        """
        return _coadd(self, options)


@dataclass(repr=False)
class MatchResult(_Result):
    """The result of `match`.

    Attributes
    ----------
    exposures : list
        The matched exposures, of the same types as the inputs; None for one that failed. The reference is unchanged.
    models : list of BackgroundMI, Approximate or None
        The model that was added to each exposure; None for the reference and for an exposure that failed.
    run : MatchRun
        All further details, with an `ExposureRecord` per exposure.
    """

    models: list[BackgroundMI | Approximate | None]


@dataclass(repr=False)
class MatchAllResult(_Result):
    """The result of `match_all`.

    Attributes
    ----------
    exposures : list
        The matched exposures, of the same types as the inputs; None for one that failed.
    models : list of Model or None
        The model that was added to each exposure, with ``.image()``, ``.sigma_image()``, ``.name``, ``.coefficients``,
        ``.covariance``, and ``.mirrored``, the model with the interface of ``lsst.afw.math``; None for an exposure that
        failed.
    run : MatchRun
        All further details, with an `ExposureRecord` per exposure: scores of all candidate models, outlying bins,
        partners.
    """

    models: list[Model | None]

    @property
    def overlaps(self) -> Overlaps:
        """Levels in the overlaps of all pairs of exposures that were compared; a list that prints as a table."""
        return self.run.overlaps

    def plot_footprints(self, axes: Sequence[Axes] | None = None) -> Figure:
        """Draw the outlines of all exposures in colours of their levels; see `MatchRun.plot_footprints`."""
        return self.run.plot_footprints(axes)


def match(
    exposures: Sequence[Any],
    reference: int | str | Path | None = None,
    *,
    masks: Sequence[Any] | None = None,
    variances: Sequence[Any] | None = None,
    weights: Sequence[Any] | None = None,
    bin_size: int | None = None,
    statistic: str | None = None,
    style: str | None = None,
    order: int | None = None,
    sigma: float | None = None,
    rounds: int | None = None,
    bad_planes: str | Iterable[str] | None = None,
    same_grid: bool = False,
    config: MatchBackgroundsConfig | None = None,
    pictures: bool = True,
    progress: bool = False,
) -> MatchResult:
    """Match the backgrounds of exposures on one pixel grid to that of a reference.

    A smooth model is added to each exposure except the reference, so that its background equals that of the reference.
    Sky and stars that all exposures share are not changed.

    Parameters
    ----------
    exposures : sequence of image-like
        Arrays, masked arrays, ``Quantity``, ``CCDData`` and ``NDData``, images of `evensky.image`, or names of FITS
        files. They are not changed.
    reference : int, str or Path, optional
        Number, file or label of the exposure to match to; by default the exposure with the lowest cost.
    masks, variances, weights : sequence of array-like or None, optional
        One for each exposure, None for those without. A mask holds booleans, True for pixels to reject, or bits;
        without names of planes (`evensky.image.Mask`), every pixel that is not 0 is rejected. Weights are inverse
        variances. Pixels whose variance or weight is masked, or not positive and finite, are rejected. Planes that are
        given for a file take the place of its own; data in memory may not have such a plane already. They are not
        returned.
    bin_size : int, optional
        Size of the bins in pixels.
    statistic, style : str, optional
        Statistic of a bin, and interpolation between bins; see `estimate_background`.
    order : int, optional
        Fit a Chebyshev series of this order instead of interpolating.
    sigma : float, optional
        Half-width of the clipping window in standard deviations, if `statistic` is "meanclip".
    rounds : int, optional
        Number of clipping rounds, if `statistic` is "meanclip".
    bad_planes : str or iterable of str, optional
        Names of mask planes whose pixels do not count.
    same_grid : bool, optional
        Take the exposures to be on one pixel grid, whatever their WCS says.
    config : MatchBackgroundsConfig, optional
        Values of omitted parameters; by default, those of a default configuration.
    pictures : bool, optional
        Make the small pictures that a report needs.
    progress : bool, optional
        Show a progress bar.

    Returns
    -------
    MatchResult
        One exposure that fails does not stop the others.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If there are no exposures, or a parameter is not allowed.
    evensky.errors.OutOfRangeError
        If the reference is not one of the exposures.
    evensky.errors.UnsuitableError
        If the exposures are not on one pixel grid; `match_all` compares such exposures through their WCS.
    evensky.errors.TaskError
        If no exposure can be the reference.

    Examples
    --------
    >>> import numpy as np, evensky
    >>> sky = np.random.default_rng(1).normal(100, 5, (300, 400))
    >>> result = evensky.match([sky, sky + 20, sky - 7], reference=0, bin_size=100)
    >>> [round(abs(float(np.mean(matched - sky))), 3) for matched in result.exposures]
    [0.0, 0.0, 0.0]
    """
    refuse_one_name(exposures)
    given = {
        "binSize": bin_size,
        "gridStatistic": None if statistic is None else statistic.upper(),
        "interpStyle": None if style is None else style_of(style).name,
        "order": order,
        "usePolynomial": None if order is None else True,
        "numSigmaClip": sigma,
        "numIter": rounds,
        "badMaskPlanes": _names(bad_planes),
    }
    made = change_config(MatchBackgroundsConfig, config, _without_none(given))
    source = MemorySource(list(exposures), made.badMaskPlanes, masks=masks, variances=variances, weights=weights)
    method = ReferenceMethod(source, made, pictures=pictures)
    run = _run(source, method, reference, same_grid=same_grid, progress=progress)
    beside = _given(source, masks, variances, weights, made.badMaskPlanes, same_grid)
    return MatchResult(source.matched, run, source.models, _given=beside)


def match_all(
    exposures: Sequence[Any],
    reference: int | str | Path | None = None,
    *,
    masks: Sequence[Any] | None = None,
    variances: Sequence[Any] | None = None,
    weights: Sequence[Any] | None = None,
    terms: str | Term | Iterable[str | Term] | None = None,
    fixed: int | str | Path | Iterable[int | str | Path] = (),
    anchors: Mapping[int | str | Path, tuple[float, float]] | None = None,
    skies: Mapping[int | str | Path, tuple[float, float]] | None = None,
    sources: str | None = None,
    pixel_values: str | None = None,
    scale: bool | None = None,
    level: str | None = None,
    bin_size: int | None = None,
    statistic: str | None = None,
    order: int | None = None,
    spline: bool | None = None,
    sigma: float | None = None,
    rounds: int | None = None,
    bad_planes: str | Iterable[str] | None = None,
    add_variance: bool | None = None,
    same_grid: bool = False,
    config: MatchAllConfig | None = None,
    pictures: bool = True,
    progress: bool = False,
) -> MatchAllResult:
    """Match the backgrounds of all exposures to each other at once.

    The differences of pairs are measured in bins that all exposures share. One least-squares solution gives the models
    with which all pairs agree best, and their errors. Model complexity, from no term to a Chebyshev series or a spline
    with further terms, is selected from the data for each exposure. Sky and stars that all exposures share are not
    changed, whatever their scale.

    Parameters
    ----------
    exposures : sequence of image-like
        Arrays, masked arrays, ``Quantity``, ``CCDData`` and ``NDData``, images of `evensky.image`, or names of FITS
        files. They are not changed. Those with an origin (``xy0``) may cover different parts of one pixel grid; those
        with a WCS may have any pointing, rotation, scale and distortion, and are then compared on the sky. Models are
        functions of each exposure's own pixels.
    reference : int, str or Path, optional
        Number, file or label of the exposure to leave unchanged; by default the exposure with the lowest cost.
    masks, variances, weights : sequence of array-like or None, optional
        One for each exposure, None for those without. A mask holds booleans, True for pixels to reject, or bits;
        without names of planes (`evensky.image.Mask`), every pixel that is not 0 is rejected. Weights are inverse
        variances. Pixels whose variance or weight is masked, or not positive and finite, are rejected. Planes that are
        given for a file take the place of its own; data in memory may not have such a plane already. They are not
        returned.
    terms : str, Term, or iterable of these, optional
        Terms that the models may have, besides the smooth part ("smooth"): drifts of "rows" and "columns", levels of
        detectors and amplifiers (`evensky.detector`, `evensky.amplifier`), patterns that are given as images
        (`evensky.template`), and the throughput ("gain"). By default "smooth", "rows", "columns", "amplifier" and
        "gain"; sections of amplifiers are used where headers give them. Each exposure has the terms that its data
        support.
    fixed : int, str or Path, or iterable of these, optional
        Numbers, files or labels of exposures to leave unchanged, apart from the reference; they set the level.
    anchors : mapping of int, str or Path to (value, error), optional
        Models that are known: the mean of the model that is added to an exposure is value ± error. They set the level.
    skies : mapping of int, str or Path to (level, error), optional
        Skies that are known in absolute terms, e.g. from a photometer: the background of the exposure is level ±
        error. It is removed, so that matched pixels hold the light that is not sky; all other exposures follow.
    sources : str, optional
        What to do with the light of stars and galaxies: "mask" leaves it out, "keep" compares all good pixels, and
        "auto" (default) leaves it out of exposures with different pixel grids, in which it does not cancel.
    pixel_values : str, optional
        What values stand for if the areas of pixels differ between exposures: "per_pixel" for counts, which grow with
        the area, "per_area" for surface brightness, and "auto" (default) for what the unit says. The exposures of one
        instrument have one mean area, as flat fields make their skies alike.
    scale : bool, optional
        Divide each exposure by its throughput, if that is measured. By default it is only measured: the flag GAIN says
        that it differs.
    level : str, optional
        What to leave unchanged: the "reference", the "mean" of all exposures (the models add up to zero), or the
        exposure with the "lowest" level. By default ("auto") the reference, if `reference` names it or if it covers
        nearly the whole field of the exposures, otherwise the mean: the sky of a smaller reference would be continued
        far beyond its pixels.
    bin_size : int, optional
        Size of the bins in pixels; by default 16 bins along the shorter side of an exposure, or smaller ones that fit
        narrow overlaps.
    statistic : str, optional
        Statistic of a bin: "meanclip" (default), "mean" or "median".
    order : int, optional
        Highest order of a Chebyshev series among the candidate models, 8 by default.
    spline : bool, optional
        Whether splines are among the candidate models; True by default.
    sigma, rounds : optional
        Half-width of the clipping window in standard deviations, and number of clipping rounds; 3 and 3 by default.
    bad_planes : str or iterable of str, optional
        Names of mask planes whose pixels do not count.
    add_variance : bool, optional
        Add the variance of the model to the variance plane.
    same_grid : bool, optional
        Take the exposures to be on one pixel grid, whatever their WCS or their sizes say.
    config : MatchAllConfig, optional
        Values of omitted parameters; by default, those of a default configuration.
    pictures : bool, optional
        Make the small pictures that a report needs.
    progress : bool, optional
        Show a progress bar.

    Returns
    -------
    MatchAllResult
        One exposure that fails does not stop the others. Exposures that share no good pixel with the others, directly
        or through further exposures, are matched among themselves; a note says so.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If there are no exposures, or a parameter is not allowed.
    evensky.errors.OutOfRangeError
        If the reference, or an exposure that is fixed or known, is not one of the exposures.
    evensky.errors.FitsError
        If the file of a term cannot be read.
    evensky.errors.UnsuitableError
        If the exposures are not on one pixel grid, and not all have a celestial WCS.
    evensky.errors.TaskError
        If no exposure can be the reference.

    Examples
    --------
    >>> import numpy as np, evensky
    >>> random = np.random.default_rng(1)
    >>> scene = random.normal(100, 1, (300, 400))
    >>> exposures = [scene + level + random.normal(0, 1, scene.shape) for level in (0, 20, -7)]
    >>> result = evensky.match_all(exposures, reference=0)
    >>> [model.name for model in result.models]
    ['none', 'constant', 'constant']
    """
    refuse_one_name(exposures)
    made_terms = None if terms is None else terms_of(terms)
    given = {
        "terms": None if made_terms is None else [str(term) for term in made_terms],
        "sources": sources,
        "pixel_values": pixel_values,
        "scale": scale,
        "level": level,
        "bin_size": bin_size,
        "statistic": statistic.upper() if isinstance(statistic, str) else statistic,
        "order": order,
        "spline": spline,
        "sigma": sigma,
        "rounds": rounds,
        "bad_planes": _names(bad_planes),
        "add_variance": add_variance,
    }
    made = change_config(MatchAllConfig, config, _without_none(given))
    source = MemorySource(list(exposures), made.bad_planes, masks=masks, variances=variances, weights=weights)
    known = known_of(
        made,
        lambda name, parameter: [source.number_of(name, parameter)],
        fixed=fixed,
        anchors=anchors,
        skies=skies,
    )
    made = with_level(made, known, named=reference is not None)
    method = JointMethod(source, made, terms=made_terms, fixed=known.fixed, anchors=known.anchors, pictures=pictures)
    check_term_files(method.terms, source.items)
    run = _run(source, method, reference, same_grid=same_grid, progress=progress)
    beside = _given(source, masks, variances, weights, made.bad_planes, same_grid)
    return MatchAllResult(source.matched, run, source.models, _given=beside)


def _run(
    source: MemorySource,
    method: ReferenceMethod | JointMethod,
    reference: int | str | Path | None,
    *,
    same_grid: bool,
    progress: bool,
) -> MatchRun:
    index = None if reference is None else source.number_of(reference)
    values = method.config.pixel_values if isinstance(method, JointMethod) else "auto"
    notes = place_items(source, shifted=not method.one_size, same_grid=same_grid, pixel_values=values)
    with progress_bar(progress) as update, closing(method):
        run = match_exposures(source.items, method, reference=index, progress=update)
    run.notes = [f"Note: {note}." for note in notes] + run.notes
    return run


# Parameters of `combine` that a match gives itself.
_OF_THE_MATCH = ("exposures", "masks", "variances", "weights", "covariance")


def _check_coadd_options(options: Mapping[str, Any]) -> None:
    """Raise an error for an option that a coadd of matched exposures does not have."""
    known = [name for name in inspect.signature(combine).parameters if name not in _OF_THE_MATCH]
    for name in options:
        if name not in known:
            given = "; the match gives it" if name in _OF_THE_MATCH else ""
            raise InvalidParameterError(f"coadd has no option {name!r}{given}; its options are {', '.join(known)}")


def _given(
    source: MemorySource,
    masks: Sequence[Any] | None,
    variances: Sequence[Any] | None,
    weights: Sequence[Any] | None,
    bad_planes: Iterable[str],
    same_grid: bool,
) -> _Given:
    in_memory = [item.path is None for item in source.items]
    return _Given(masks, variances, weights, in_memory, planes_to_combine(bad_planes), same_grid)


def _coadd(result: _Result, options: Mapping[str, Any]) -> CombineResult:
    """Combine the exposures of a match that did not fail."""
    given = result._given
    _check_coadd_options(options)
    number = len(result.exposures)
    used = [index for index, one in enumerate(result.exposures) if one is not None]
    if not used:
        raise TaskError(f"None of the {number} exposures was matched, so there is nothing to combine")
    chosen: dict[str, Any] = {"bad_planes": given.bad_planes, "same_grid": given.same_grid, **options}
    if not isinstance(weighting := chosen.get("weighting"), str | None):
        each = exposure_weights(weighting, number)
        chosen["weighting"] = None if each is None else [each[index] for index in used]
    for name in ("masks", "variances", "weights"):
        planes = getattr(given, name)
        if planes is not None:
            # Matched exposures of files have these planes as their own.
            chosen[name] = [planes[index] if given.in_memory[index] else None for index in used]
    covariance = result.run.covariance
    if covariance is not None:
        covariance = covariance.select([result.run.records[index].label for index in used])
    combined = combine([result.exposures[index] for index in used], covariance=covariance, **chosen)
    for record, index in zip(combined.records, used, strict=True):
        record.label, record.path = result.run.records[index].label, result.run.records[index].path
    if combined.exposure.info.has_variance:
        combined.notes += notes_on_variance(result.run)
    return combined


def _names(planes: str | Iterable[str] | None) -> list[str] | None:
    return None if planes is None else [planes] if isinstance(planes, str) else list(planes)


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def match_files(
    paths: Iterable[str | Path],
    out_dir: str | Path,
    *,
    config: MatchConfig | None = None,
    terms: str | Term | Iterable[str | Term] | None = None,
    fixed: str | Path | Iterable[str | Path] = (),
    anchors: Mapping[str | Path, tuple[float, float]] | None = None,
    skies: Mapping[str | Path, tuple[float, float]] | None = None,
    sources: str | None = None,
    scale: bool | None = None,
    reference: str | Path | None = None,
    hdu: str | int | None = None,
    mask: str | int | None = None,
    variance: str | int | None = None,
    weight: str | int | None = None,
    bad_planes: str | Iterable[str] | None = None,
    good_bits: str | Iterable[str] | None = None,
    same_grid: bool = False,
    allow: Collection[str] = (),
    strict: bool = False,
    workers: int = 1,
    overwrite: bool = False,
    resume: bool = False,
    compress: bool = False,
    report: bool = True,
    pictures: bool | None = None,
    progress: Progress | None = None,
    executor: Executor | str | None = None,
    scratch: str | Path | None = None,
    max_memory: int | str | None = None,
    trust_outputs: bool = False,
    max_unpacked: int | str | None = None,
    coadd: bool | str | Path | None = None,
    coadd_options: Mapping[str, Any] | None = None,
) -> MatchRun:
    """Match the backgrounds of FITS files, and write the matched files, a table and a report.

    Parameters
    ----------
    paths : iterable of str or Path
        The exposures: files, or images of files as in ``file.fits[SCI,2]``. These files are never changed. Exposures
        with different pixel grids are compared on the sky, through their WCS; `MatchBackgroundsConfig` needs one grid.
        Their layout says which HDUs are science images, masks and errors (`inspect_files` shows it); all science images
        of a file are matched. On one pixel grid, each chip is compared with the same chip of the other files.
    out_dir : str or Path
        Folder for ``<stem>_matched.fits``, ``matched.ecsv``, ``overlaps.ecsv`` (joint match) and ``report.html``; it is
        made if it does not exist. An output is a copy of its file in which the pixels of the science images are
        replaced, and provenance is added to their headers (``EVS_`` cards, HISTORY). Compressed files stay compressed,
        without loss.
    config : MatchAllConfig or MatchBackgroundsConfig, optional
        The former gives a joint match of all exposures (the default), the latter a match of each to one reference.
    terms, sources, scale : optional
        Terms of the models, what to do with the light of sources, and whether exposures are divided by their
        throughput, as in `match_all`; they take precedence over `config`. Names of files may contain ``{stem}``,
        ``{name}`` or ``{dir}`` of the exposure; of a file with several chips, each chip takes the image of the same
        name.
    fixed : str or Path, or iterable of these, optional
        Files or labels of exposures to leave unchanged, apart from the reference; they set the level.
    anchors, skies : mapping of str or Path to (value, error), optional
        Known models and known skies, as in `match_all`, of files (then of each chip) or of labels such as "a[SCI,2]".
    reference : str or Path, optional
        File of the reference; by default the exposure with the lowest cost. A reference that is not in `paths` is used
        but not written.
    hdu : str or int, optional
        The science image, if not what the layout says: number, name, or name and version of the HDU ("SCI,2").
    mask, variance, weight : str or int, optional
        Location of these planes, if not the usual one: an HDU, a file, or a pattern with ``{stem}``, ``{name}`` or
        ``{dir}`` of the exposure, and ``{extname}`` or ``{extver}`` of the image; "none" ignores a plane. Weights are
        inverse variances. Pixels without a positive finite variance or weight do not count.
    bad_planes, good_bits : str or iterable of str, optional
        Mask planes whose pixels do not count, and planes whose pixels count although the layout calls them bad: names,
        or values of flags such as "4" or "4096+8192". They take precedence over `config`.
    same_grid : bool, optional
        Take the exposures to be on one pixel grid, whatever their WCS says.
    allow : collection of str, optional
        What is not to be refused: "maps" (weight maps or masks as exposures), "outputs" (of an earlier match),
        "filters" and "units" (different ones).
    strict : bool, optional
        Refuse the exposures if there is any note on them. Whether results are in doubt is known only after the match:
        ``alarmed`` of the result lists those exposures, and nothing is raised, as everything has been written.
    workers : int, optional
        Number of threads or processes, at least 1. Results do not depend on it.
    overwrite : bool, optional
        Replace earlier results.
    resume : bool, optional
        Continue a run in `out_dir` that did not end: finished exposures are kept, the others are matched. Files,
        configuration, reference and version must be the same. If there is no such run, a new one begins. A journal that
        was altered or damaged is refused, and outputs are compared with their digests in it, see `trust_outputs`.
    compress : bool, optional
        Compress the science images of the outputs in tiles, without loss.
    report : bool, optional
        Write ``report.html``, and ``matched.run``, from which `remake_report` makes the page again.
    pictures : bool, optional
        Keep small pictures in the records: of the reference and of the exposures that most deserve a look, at most
        `evensky.runs.pictures.MOST_PICTURES`. By default they are kept if a report is written.
    progress : callable, optional
        Called with a label, the number of steps done, and the total number of steps.
    executor : concurrent.futures.Executor or str, optional
        Executor of the jobs: any executor, or one of `evensky.work.executors.EXECUTORS`; threads by default. Jobs hold
        paths and the configuration, not pixels, so other machines must see the same files. Results do not depend on it.
        If a worker dies, its job is repeated.
    scratch : str or Path, optional
        Folder in which pixels are kept instead of in memory, for images larger than memory. It needs room for the
        pixels of the reference and of one exposure per worker; for those of a few more in a joint match. Results do not
        depend on it. By default, pixels are kept on disk only if they do not fit into memory.
    max_memory : int or str, optional
        Memory for all workers of this machine together: a number of bytes, or text such as "2GB" or "512MiB". To stay
        below it, there are fewer workers, or pixels are kept on disk: in the folder of the outputs, or in that of
        temporary files, whichever has room. A note of the run says so. By default, three quarters of the memory that
        is free, and no more address space than ``ulimit -v`` allows. Results do not depend on it.
    trust_outputs : bool, optional
        With `resume`, compare only the sizes of earlier outputs with the journal. By default, each output is read and
        its digest compared; an exposure whose output was changed or damaged is matched again.
    max_unpacked : int or str, optional
        Number of bytes, such as 4000000000 or "4GB", to which a compressed file may be unpacked, for files that are
        refused because they claim too much. By default 1100 times its size, and half of the memory if it is compressed
        as a whole.
    coadd : bool, str or Path, optional
        Combine the matched exposures, too: True writes ``coadd.fits`` to `out_dir`, and a path that file. Its variance
        includes that of the models (`MatchRun.covariance`). Pixels that did not count in the match do not count here,
        but for those of sources (planes DETECTED and DETECTED_NEGATIVE). Exposures that are not on one pixel grid are
        resampled.
    coadd_options : mapping, optional
        Parameters of `evensky.combine_files`: statistic, sigma, rounds, centre, scatter, weighting (of numbers, one for
        each exposure), wcs, shape, pixel_scale, resampling, planes and max_memory (by default that of the match).

    Returns
    -------
    MatchRun
        One exposure that fails does not stop the others: its status is "failed". ``coadd`` of it is the `CombineRun`
        of the coadd.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If there are no files, fewer than one worker, both `overwrite` and `resume`, `trust_outputs` without `resume`,
        an unknown executor, or terms and known values that are not possible.
    evensky.errors.FitsError
        If the folder cannot be used, the reference cannot be read, or a run to resume has other inputs.
    evensky.errors.UnsuitableError
        If the exposures do not belong together: other grids, filters or units, weight maps or earlier outputs.
    evensky.errors.TaskError
        If no exposure can be the reference, or the matched exposures cannot be combined; the latter is raised when all
        other results are written.
    """
    named = names_of(bad_planes, "bad_planes")
    if named is not None:
        if isinstance(config, MatchBackgroundsConfig):
            config = change_config(MatchBackgroundsConfig, config, {"badMaskPlanes": list(named)})
        else:
            config = change_config(MatchAllConfig, config, {"bad_planes": list(named)})
    made_terms = None if terms is None else terms_of(terms)
    given = _without_none(
        {
            "terms": None if made_terms is None else [str(term) for term in made_terms],
            "sources": sources,
            "scale": scale,
        }
    )
    if given and not isinstance(config, MatchBackgroundsConfig):
        config = change_config(MatchAllConfig, config, given)
    elif scale or sources:
        name = "scale" if scale else "sources"
        raise InvalidParameterError(f"{name} belongs to the joint match; config is a MatchBackgroundsConfig")
    if pictures is None:
        pictures = report
    if report and not pictures:
        raise InvalidParameterError("report is True and pictures is False; a report needs its pictures")
    if coadd_options and not coadd:
        raise InvalidParameterError(f"coadd_options is given and coadd is {coadd!r}; set coadd=True, or a path")
    made = None
    if coadd:
        made = Coadd(
            Path(out_dir) / COADD if coadd is True else Path(coadd),
            ({} if max_memory is None else {"max_memory": max_memory}) | dict(coadd_options or {}),
            same_grid=same_grid,
            allow=allow,
            workers=workers,
            compress=compress,
            scratch=None if scratch is None else Path(scratch),
        )
    with FolderLock(Path(out_dir)) as lock:
        run = _match_files(
            paths,
            out_dir,
            config=config,
            terms=made_terms,
            fixed=fixed,
            anchors=anchors,
            skies=skies,
            reference=reference,
            selection=Selection(
                hdu,
                mask,
                variance,
                weight,
                good_bits=names_of(good_bits, "good_bits") or (),
                max_unpacked=byte_limit(max_unpacked, "max_unpacked"),
            ),
            same_grid=same_grid,
            allow=allow,
            strict=strict,
            workers=workers,
            overwrite=overwrite,
            resume=resume,
            compress=compress,
            pictures=pictures,
            progress=progress,
            executor=executor,
            scratch=scratch,
            max_memory=max_memory,
            trust_outputs=trust_outputs,
            coadd=made,
            permit=lock.permit,
        )
        if report:
            write_report(run, Path(out_dir) / PAGE, lock.permit)
    if made is not None and made.error is not None:
        raise made.error
    return run
