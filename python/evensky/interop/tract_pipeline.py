"""Task of an LSST pipeline that matches the backgrounds of the visits of a tract, read from and written to a Butler.

It needs ``pip install "evensky[pipeline]"`` and Python 3.12. docs/pipeline.md describes how to run it.

Warps, matched warps and models have the storage classes of ``lsst.images``, or those of ``lsst.afw`` where that package
is installed. The sky map is one of ``lsst.skymap`` where that is installed, and otherwise the plain values of
`evensky.tasks.tract.SkyMap.to_dict`.
"""

from __future__ import annotations

__all__ = [
    "MatchTractBackgroundsConfig",
    "MatchTractBackgroundsConnections",
    "MatchTractBackgroundsTask",
    "quality_of",
    "quality_of_joint",
    "series_background",
    "stack_background",
]

import importlib
import importlib.util
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import lsst.pipe.base as pipe_base
import numpy as np
from lsst.pex.config import ChoiceField, ConfigField
from lsst.pipe.base import connectionTypes

from ..errors import InvalidParameterError, TaskError
from ..image.foreign import is_lsst_images
from ..image.like import data_like
from ..matching.joint.config import MatchAllConfig
from ..matching.joint.models import Model
from ..math import REDUCE_INTERP_ORDER, ApproximateControl, BackgroundList, BackgroundMI, Interpolate
from ..runs.known import Known, with_level
from ..runs.match_run import MatchRun
from ..runs.tract import BAD_PLANES, TERMS, Warp, match_warps
from ..tasks.tract import MatchBackgroundsConfig, MatchBackgroundsTask, SkyMap
from ..tasks.tract.background import box_of
from ..tasks.tract.warps import MisplacedWarpsError


def _installed(name: str) -> bool:
    """Return whether a package is installed, and not merely stood in for by modules without files."""
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):  # the package above it is missing, or a module has no specification
        return False
    return found is not None and found.loader is not None and found.origin is not None


_STACK = _installed("lsst.afw.image")
_WARP_CLASS = "ExposureF" if _STACK else "MaskedImageV2"
_MODEL_CLASS = "Background" if _STACK else "ImageV2"
_SKY_MAP_CLASS = "SkyMap" if _installed("lsst.skymap") else "StructuredDataDict"
# Names in the quality table, and attributes of a fit.
_FIT = {
    "rms": "rms",
    "mse": "mse",
    "bin_scatter": "binScatter",
    "good_bins": "goodBins",
    "filled_bins": "filledBins",
    "order": "order",
    "chi2": "chi2",
    "good_fraction": "goodFraction",
    "filled_fraction": "filledFraction",
    "flags": "flags",
}
_OF_A_RECORD = (
    "status",
    "fit_rms",
    "fit_chi",
    "model_sigma",
    "common_fraction",
    "extrapolated_fraction",
    "level_before",
    "level_after",
    "model_min",
    "model_max",
    "gain",
    "flags",
    "warnings",
    "message",
)
_OF_A_WARP = ("skymap", "tract", "patch", "visit")


class MatchTractBackgroundsConnections(
    pipe_base.PipelineTaskConnections,
    dimensions=("skymap", "tract", "band"),
    defaultTemplates={"warpType": "psf_matched", "warpTypeSuffix": ""},
):
    """Inputs and outputs of `MatchTractBackgroundsTask`."""

    warps = connectionTypes.Input(
        doc="Warps of all patches and visits of a tract.",
        name="{warpType}_warp{warpTypeSuffix}",
        storageClass=_WARP_CLASS,
        dimensions=_OF_A_WARP,
        multiple=True,
        deferLoad=True,
    )
    skyMap = connectionTypes.Input(
        doc="Tracts and patches of the warps.",
        name="skyMap",
        storageClass=_SKY_MAP_CLASS,
        dimensions=("skymap",),
    )
    backgroundInfoList = connectionTypes.Output(
        doc="Model that was added to each matched warp; 0 for those of the reference visit.",
        name="{warpType}_warp{warpTypeSuffix}_background_diff",
        storageClass=_MODEL_CLASS,
        dimensions=_OF_A_WARP,
        multiple=True,
    )
    matchedImageList = connectionTypes.Output(
        doc="Matched warps, and the unchanged warps of the reference visit.",
        name="{warpType}_warp{warpTypeSuffix}_background_matched",
        storageClass=_WARP_CLASS,
        dimensions=_OF_A_WARP,
        multiple=True,
    )
    quality = connectionTypes.Output(
        doc="Reference visit and the reason for its choice; quality of the match of each visit, and skipped visits.",
        name="{warpType}_warp{warpTypeSuffix}_background_tract_fit",
        storageClass="StructuredDataDict",
        dimensions=("skymap", "tract", "band"),
    )


class MatchTractBackgroundsConfig(pipe_base.PipelineTaskConfig, pipelineConnections=MatchTractBackgroundsConnections):
    """Configuration of `MatchTractBackgroundsTask`."""

    method = ChoiceField[str](
        dtype=str,
        default="reference",
        optional=False,
        doc="What visits are matched to.",
        allowed={
            "reference": "to one of them, as the original does; configured by match",
            "joint": "to each other at once, with one series for each visit over the tract; configured by joint",
        },
    )
    match = ConfigField[MatchBackgroundsConfig](
        dtype=MatchBackgroundsConfig,
        doc="Configuration of the match to a reference, and the reference of a joint match.",
    )
    joint = ConfigField[MatchAllConfig](dtype=MatchAllConfig, doc="Configuration of the joint match.")

    def setDefaults(self) -> None:
        """Set the terms of the joint match to those that a tract has, and its bad planes to those of the original."""
        super().setDefaults()
        self.joint.terms = list(TERMS)
        self.joint.bad_planes = list(BAD_PLANES)


class MatchTractBackgroundsTask(pipe_base.PipelineTask):
    """Task that matches the backgrounds of the visits of a tract and band.

    To each warp of a visit, the task adds a part of one smooth model, which covers the whole tract. With the method
    "reference", it runs `evensky.tasks.tract.MatchBackgroundsTask`; with "joint", the match of `evensky.match_tract`.
    Results are the same to the last bit. Each warp is written as soon as it is matched. A visit that cannot be matched
    has no outputs; the log and the quality table hold the reason.
    """

    ConfigClass = MatchTractBackgroundsConfig
    _DefaultName: ClassVar[str] = "matchTractBackgrounds"
    config: MatchTractBackgroundsConfig

    def runQuantum(self, butlerQC: Any, inputRefs: Any, outputRefs: Any) -> None:
        """Match the warps of one tract and band, and write each result as soon as it is made."""
        models, matched = (
            {_place(ref): ref for ref in getattr(outputRefs, name)}
            for name in ("backgroundInfoList", "matchedImageList")
        )

        def put(place: tuple[int, int], model: Any, warp: Any) -> None:
            butlerQC.put(model, models[place])
            butlerQC.put(warp, matched[place])

        warps = sorted(butlerQC.get(inputRefs.warps), key=_place)
        result = self.run(warps, butlerQC.get(inputRefs.skyMap), take=put)
        butlerQC.put(result.quality, outputRefs.quality)

    def run(
        self,
        warps: Sequence[Any],
        skyMap: Any,
        *,
        take: Callable[[tuple[int, int], Any, Any], object] | None = None,
    ) -> pipe_base.Struct:
        """Match the visits of a tract to one of them, or to each other.

        Parameters
        ----------
        warps : sequence of handles
            Handles with a method ``get()`` that returns a `lsst.images.MaskedImage` or an exposure, and a ``dataId``
            with visit, patch and tract.
        skyMap : SkyMap or dict
            Sky map of `evensky.tasks.tract` or of ``lsst.skymap``, or the values of `SkyMap.to_dict`.
        take : callable, optional
            ``take((visit, patch), model, matched)`` is called for each warp as soon as it is matched, instead of
            keeping the results.

        Returns
        -------
        lsst.pipe.base.Struct
            backgroundInfoList : dict of (int, int) to object
                Model that was added to each warp, by (visit, patch); 0 for the reference. It is an image of
                ``lsst.images`` or of this package, or a `BackgroundList` of ``lsst.afw`` for its exposures. Empty with
                `take`.
            matchedImageList : dict of (int, int) to object
                The matched warps, and the unchanged ones of the reference. Empty with `take`.
            quality : dict
                Reference, the reason for its choice, configuration, visits and skipped visits, as values that YAML and
                JSON can hold.

        Raises
        ------
        lsst.pipe.base.NoWorkFound
            If there are fewer than two visits, or none of them can be the reference.
        evensky.errors.UnsuitableError
            If the configuration names a visit of this tract that has no good bin, or no warp lies in its patch.
        """
        visits = {int(warp.dataId["visit"]) for warp in warps}
        if len(visits) < 2:
            raise pipe_base.NoWorkFound(f"There are warps of {len(visits)} visits; at least 2 are needed to match")
        if isinstance(skyMap, Mapping):
            skyMap = SkyMap.from_dict(skyMap)
        models: dict[tuple[int, int], Any] = {}
        matched: dict[tuple[int, int], Any] = {}

        def keep(place: tuple[int, int], model: Any, warp: Any) -> None:
            models[place], matched[place] = model, warp

        give = keep if take is None else take
        config, note = self._config_for(visits)
        if self.config.method == "joint":
            quality = self._match_jointly(warps, skyMap, config.refWarpVisit, give)
            quality["reason"] = note + quality["reason"]
            return pipe_base.Struct(backgroundInfoList=models, matchedImageList=matched, quality=quality)
        task = MatchBackgroundsTask(config=config, log=self.log.logger)
        try:
            result = task.run(
                warps,
                skyMap,
                take=lambda warp, background, made: give(_place(warp), _model_like(made, background), made),
            )
        except MisplacedWarpsError:  # the sky map or the warps are wrong, which must not pass for a success
            raise
        except TaskError as error:
            if config.refWarpVisit is not None:  # the configuration is wrong for this tract
                raise
            # No visit has good bins, so there is nothing to do.
            raise pipe_base.NoWorkFound(str(error)) from error
        quality = quality_of(result, config, [_place(warp) for warp in warps])
        quality["reason"] = note + quality["reason"]
        done = len(quality["visits"]) - len(quality["skipped"]) - 1
        self.log.info("Matched %d of %d visits to visit %d", done, len(visits) - 1, quality["reference"])
        return pipe_base.Struct(backgroundInfoList=models, matchedImageList=matched, quality=quality)

    def _match_jointly(
        self, handles: Sequence[Any], sky_map: Any, reference: int | None, give: Callable[..., object]
    ) -> dict[str, Any]:
        """Match visits to each other at once; hand over the results, and return the quality table."""
        tracts = {int(handle.dataId["tract"]) for handle in handles}
        if len(tracts) != 1:
            raise InvalidParameterError(f"The warps are of the tracts {sorted(tracts)}; give those of one tract")
        config = with_level(self.config.joint, Known(), named=reference is not None)

        def put(warp: Warp, matched: Any, model: Model | None) -> None:
            give((warp.visit, warp.patch), _series_like(matched, model), matched)

        warps = [Warp(*_place(handle), handle.get) for handle in handles]
        try:
            run, chosen = match_warps(warps, sky_map, tracts.pop(), config, reference=reference, take=put)
        except TaskError as error:  # no visit has good pixels, so there is nothing to do
            raise pipe_base.NoWorkFound(str(error)) from error
        self.log.info("Matched %d of %d warps jointly", len(run.records) - len(run.failed), len(warps))
        return quality_of_joint(run, chosen, config, sorted(warps, key=lambda warp: (warp.patch, warp.visit)))

    def _config_for(self, visits: set[int]) -> tuple[MatchBackgroundsConfig, str]:
        """Return the configuration of the match, without a reference that does not cover this tract, and a note."""
        config = self.config.match
        if config.refWarpVisit is None or config.refWarpVisit in visits:
            return config, ""
        # One visit is named for a run over many tracts.
        note = (
            f"refWarpVisit {config.refWarpVisit} has no warp in this tract, so the reference is chosen automatically."
        )
        self.log.warning(note)
        changed = config.copy()
        changed.refWarpVisit = None
        return changed, f"{note} "


def _place(reference: Any) -> tuple[int, int]:
    """Return visit and patch of a handle or of a reference to a dataset."""
    return int(reference.dataId["visit"]), int(reference.dataId["patch"])


def _model_like(warp: Any, background: BackgroundList) -> Any:
    """Return a background as the image or list of backgrounds that belongs to a kind of warp."""
    if not is_lsst_images(warp) and type(warp).__module__.startswith("lsst.afw."):
        return stack_background(background)
    shape, pixels = warp.image.array.shape, background.getImage().array
    if pixels.shape != shape:  # as original, the background of the first warp, which is 0, for all of the reference
        pixels = np.zeros(shape, np.float32)
    return data_like(warp, pixels, bare=True)


def _series_like(warp: Any, model: Model | None) -> Any:
    """Return the model of a joint match as the image or list of backgrounds that belongs to a kind of warp."""
    if is_lsst_images(warp) or not type(warp).__module__.startswith("lsst.afw."):
        pixels = np.zeros(warp.image.array.shape, np.float32) if model is None else model.image()
        return data_like(warp, pixels, bare=True)
    return stack_background(series_background(model, warp))


def series_background(model: Model | None, warp: Any) -> BackgroundList:
    """Return a series over the box of a warp as a list of one background.

    The bins are values of the series, so that the approximation of its order is the series itself.
    """
    box, order = box_of(warp), 0 if model is None else max(0, model.candidate.order)
    cells = min(2 * (order + 1), box.getWidth(), box.getHeight())
    background = BackgroundMI(box, np.zeros((cells, cells), np.float32))
    if model is not None:
        x, y = np.meshgrid(background.getBinCentersX(), background.getBinCentersY())
        background.getStatsImage().image.array[...] = model.evaluate(x.ravel(), y.ravel()).reshape(cells, cells)
    styles = Interpolate.NATURAL_SPLINE, REDUCE_INTERP_ORDER, ApproximateControl.CHEBYSHEV
    return BackgroundList((background, *styles, order, order, False))


def quality_of(result: Any, config: MatchBackgroundsConfig, places: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Return what is known of a match of a tract, as values that YAML and JSON can hold.

    Parameters
    ----------
    result : Struct
        As `evensky.tasks.tract.MatchBackgroundsTask.run` returns it.
    config : MatchBackgroundsConfig
    places : sequence of (int, int)
        Visit and patch of each warp.

    Returns
    -------
    dict
        ``reference`` (visit), ``reason`` (of its choice), ``config``, ``skipped`` (visit to reason), ``unreadable``
        (list of visit, patch and reason), and ``visits``, which holds for each visit its ``status`` (reference, matched
        or skipped), the terms of its ``cost``, the quality of its fit with ``flags``, and its ``patches``, each with
        flags and the share of its pixels whose model comes from other bins. Numbers that are unknown are None.
    """
    visits: dict[str, dict[str, Any]] = {}
    for visit in sorted({visit for visit, _ in places}):
        status = "reference" if visit == result.reference else "skipped" if visit in result.skipped else "matched"
        visits[str(visit)] = {"status": status, "patches": {}}
    for one in result.candidates or ():
        terms = (
            "chi2",
            "variance",
            "npoints",
            "cost_chi2",
            "cost_variance",
            "cost_coverage",
            "cost",
            "met",
            "share",
            "message",
        )
        visits[str(one.visit)]["cost"] = {name: _plain(getattr(one, name)) for name in terms}
    for visit, fit in result.fits.items():
        visits[str(visit)] |= {name: _plain(getattr(fit, attribute)) for name, attribute in _FIT.items()}
    for (visit, patch), info in zip(places, result.warpInfoList, strict=True):
        known = {} if info is None else {"filled_fraction": _plain(info.filledFraction), "flags": dict(info.flags)}
        visits[str(visit)]["patches"][str(patch)] = known
    return {
        "reference": int(result.reference),
        "reason": result.reason,
        "config": config.toDict(),
        "visits": visits,
        "skipped": {str(visit): reason for visit, reason in result.skipped.items()},
        "unreadable": [[*places[index], reason] for index, reason in result.unreadable],
    }


def quality_of_joint(run: MatchRun, reference: int, config: MatchAllConfig, warps: Sequence[Warp]) -> dict[str, Any]:
    """Return what is known of a joint match of a tract, as values that YAML and JSON can hold.

    Parameters
    ----------
    run : MatchRun
    reference : int
    config : MatchAllConfig
    warps : sequence of Warp
        In the order of the records.

    Returns
    -------
    dict
        ``reference``, ``reason``, ``level``, ``config``, ``notes``, ``skipped`` (visits without any matched warp, with
        the reason), ``unreadable`` (list of visit, patch and reason), and ``visits``, which holds for each visit its
        ``status``, ``model`` and ``patches``, each with the quality of the match.
    """
    visits: dict[str, dict[str, Any]] = {}
    for warp, record in zip(warps, run.records, strict=True):
        one = visits.setdefault(str(warp.visit), {"status": "skipped", "model": "", "patches": {}})
        if record.status != "failed":
            one["status"] = "reference" if warp.visit == reference else "matched"
            one["model"] = record.model
        one["patches"][str(warp.patch)] = {name: _plain(getattr(record, name)) for name in _OF_A_RECORD}
    failed = [
        [warp.visit, warp.patch, record.message]
        for warp, record in zip(warps, run.records, strict=True)
        if record.status == "failed"
    ]
    return {
        "reference": reference,
        "reason": run.reference_reason,
        "level": run.level,
        "config": config.toDict(),
        "visits": visits,
        "skipped": {str(visit): reason for visit, _, reason in failed if visits[str(visit)]["status"] == "skipped"},
        "unreadable": failed,
        "notes": list(run.notes),
    }


def _plain(value: Any) -> Any:
    """Return a value as a plain number, string or dictionary; None for a number that is not finite."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def stack_background(background: BackgroundList) -> Any:
    """Return a list of backgrounds as one of ``lsst.afw.math``.

    Parameters
    ----------
    background : BackgroundList

    Returns
    -------
    lsst.afw.math.BackgroundList
        With the same cells, masks, errors and styles.
    """
    afw_math, image, geom = (importlib.import_module(f"lsst.{name}") for name in ("afw.math", "afw.image", "geom"))
    result = afw_math.BackgroundList()
    for own, interpolation, undersample, approximate, order_x, order_y, weighting in background:
        cells, box = own.getStatsImage(), own.getImageBBox()
        stats = image.MaskedImageF(cells.getWidth(), cells.getHeight())
        stats.image.array[...] = cells.image.array
        stats.variance.array[...] = cells.variance.array
        for name, number in cells.mask.getMaskPlaneDict().items():
            marked = (cells.mask.array & np.int32(1 << number)) != 0
            if marked.any():
                stats.mask.array[marked] |= stats.mask.getPlaneBitMask(name)
        corner = geom.Point2I(box.getMinX(), box.getMinY())
        made = afw_math.BackgroundMI(geom.Box2I(corner, geom.Extent2I(box.getWidth(), box.getHeight())), stats)
        result.append(
            (
                made,
                getattr(afw_math.Interpolate, interpolation.name),
                getattr(afw_math, undersample.name),
                getattr(afw_math.ApproximateControl, approximate.name),
                order_x,
                order_y,
                weighting,
            )
        )
    return result
