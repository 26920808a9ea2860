"""Background matching over a whole tract: one model for each visit across all of its patches."""

from __future__ import annotations

__all__ = ["MatchBackgroundsConfig", "MatchBackgroundsTask"]

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from lsst.pex.config import ChoiceField, ConfigField, ConfigurableField, Field, FieldValidationError, RangeField

from ... import errors
from ..._checks import shown
from ...errors import InvalidParameterError, UnsuitableError
from ...geom import Box2I
from ...image import ImageF
from ...matching.bin_fit import BinFit, fit_bins, least_bins
from ...matching.bin_sums import bin_positions, bin_scatter
from ...math import (
    MEANSQUARE,
    BackgroundControl,
    BackgroundList,
    StatisticsControl,
    makeBackground,
    makeStatistics,
    stringToInterpStyle,
    stringToStatisticsProperty,
    stringToUndersampleStyle,
)
from ..base import Struct, Task
from ..fields import share_field
from .background import TractBackground, TractModel, bad_plane_bits, box_of, tract_of, within
from .config import GridConfig, TractBackgroundConfig, as_configured, log_idle
from .reference import ChooseReferenceVisitTask
from .warps import Warp, Warps, by_patch, none_of_its, with_pixels

_MEGABYTE = 2**20
# Residuals of a series, in units of their errors, above which it is flagged POOR_FIT; as in the joint match.
_POOR = 2.5


class MatchBackgroundsConfig(GridConfig):
    """Configuration of `MatchBackgroundsTask`."""

    refWarpVisit = Field[int](
        dtype=int, default=None, optional=True, doc="Visit to match the others to; chosen automatically by default."
    )
    tractBgModel = ConfigField[TractBackgroundConfig](
        dtype=TractBackgroundConfig, doc="Bins in which the differences are measured."
    )
    reference = ConfigurableField(target=ChooseReferenceVisitTask, doc="Choice of the reference visit.")
    useReferenceMask = Field[bool](
        dtype=bool,
        default=True,
        doc="Leave out pixels that are bad in the reference, too? The original looks at the other visit's mask only.",
    )
    fit = ChoiceField[str](
        dtype=str,
        default="bins",
        optional=False,
        doc="Model of a difference.",
        allowed={
            "bins": "the bins themselves, with interpolation between them",
            "chebyshev": "a Chebyshev series that is fitted to the bins, weighted by their errors",
        },
    )
    fitOrder = RangeField(
        dtype=int, default=-1, min=-1, doc="Order of the Chebyshev series; -1 selects it from the data."
    )
    fitMaxOrder = RangeField(dtype=int, default=6, min=0, doc="Highest order that is selected.")
    flagGoodFraction = share_field(
        0.1, "A visit is flagged LOW_COVERAGE if less than this share of its good pixels is good in the reference."
    )
    flagExtrapolatedFraction = share_field(
        0.1,
        "A visit or a warp is flagged EXTRAPOLATED if more than this share of its good pixels is in bins that are "
        "filled from others.",
    )
    heldMegabytes = RangeField(
        dtype=int,
        default=1024,
        min=0,
        doc="Memory for warps that are kept between the passes, in MiB. Other warps are read once in each pass: for "
        "the choice of the reference, for the differences, and to be matched.",
    )

    def validate(self) -> None:
        """Check the fields.

        Raises
        ------
        lsst.pex.config.FieldValidationError
            For a value that is not allowed.
        """
        super().validate()
        if self.asOriginal and self.fit != "bins":
            raise FieldValidationError(
                type(self).fit,
                self,
                f"fit = {self.fit!r}; with asOriginal it must be 'bins', as the original's",
            )


class MatchBackgroundsTask(Task):
    """Task that matches the backgrounds of the visits of a tract to that of one of them.

    The difference between the reference and a visit is measured in bins over the whole tract, from all patches that
    both have. A smooth model of it is then added to each warp of the visit, also in patches that the reference lacks.

    Parameters
    ----------
    config : MatchBackgroundsConfig, optional
    name : str, optional
    log : logging.Logger, optional
        Parent of the task's log.

    Notes
    -----
    `evensky.tasks.MatchBackgroundsTask` is the task of the same name that matches exposures on one pixel grid.
    """

    ConfigClass = MatchBackgroundsConfig
    _DefaultName = "matchBackgrounds"
    config: MatchBackgroundsConfig
    reference: ChooseReferenceVisitTask

    def __init__(self, config: MatchBackgroundsConfig | None = None, name: str | None = None, log: Any = None) -> None:
        super().__init__(config, name, log)
        if self.config.asOriginal:
            stringToInterpStyle(self.config.interpStyle)  # NONE is an error
        self.reference = self.config.reference.apply(name="reference", log=self.log)

    def run(
        self, warps: Iterable[Any], skyMap: Any, *, take: Callable[[Any, BackgroundList, Any], object] | None = None
    ) -> Struct:
        """Match the warps of the visits of one tract.

        Parameters
        ----------
        warps : iterable of handles
            Objects with ``get()``, which returns an exposure in the pixels of the tract, and a ``dataId`` with visit,
            patch and tract. Visits may lack patches. The exposures are not changed.
        skyMap : SkyMap
            One of this package or of ``lsst.skymap``.
        take : callable, optional
            ``take(warp, background, matched)`` is called for each result, with the handle of the warp. Results are then
            not kept, so that memory does not grow with their number.

        Returns
        -------
        Struct
            backgroundInfoList : list of BackgroundList or None
                For each warp, in the order of the input, the background that was added to it; zero for the reference,
                None for a warp that was skipped. Empty with `take`.
            matchedImageList : list of exposures or None
                The matched warps, in the same order; None for a warp that was skipped. Empty with `take`.
            reference : int or None
                Visit of the reference; None without warps.
            reason : str
                Why it is the reference.
            candidates : list of VisitCandidate or None
                Visits with their costs; None if the reference was named.
            fits : dict of int to Struct
                For each matched visit: rms and mse (of the bins minus their model; None where the model is the bins
                themselves, as these would be 0 whatever its quality), binScatter (of the bins against their neighbours,
                which is their error if there is only noise; NaN for too few bins), goodBins, filledBins, order and chi2
                (of a series, else None), goodFraction (share of its good pixels that are good in the reference),
                filledFraction (share of them that is in filled bins), flags (REDUCED_ORDER, POOR_FIT, LOW_COVERAGE and
                EXTRAPOLATED, with a sentence each), difference (`TractBackground`, as measured) and model. With
                ``asOriginal``, rms and mse are those of the original, which are 0 in most cases.
            warpInfoList : list of Struct or None
                For each warp: visit, patch, filledFraction and flags; None for the reference and for skipped warps.
            skipped : dict of int to str
                Visits that were not matched, and why.
            unreadable : list of (int, str)
                Numbers of warps that could not be read, do not lie in their patch, or have a patch that the tract does
                not have, and why.
            reads : int
                How often a warp was read.

        Raises
        ------
        evensky.errors.UnsuitableError
            If no visit can be the reference, `refWarpVisit` has no good bin, or no warp lies in its patch.
        evensky.errors.RuntimeError
            If `refWarpVisit` has no warp. With ``asOriginal``, also if a visit has no bin in common with the reference.
        evensky.errors.InvalidParameterError
            If there are too few bins and `undersampleStyle` is THROW_EXCEPTION, if warps are of several tracts, or a
            visit has two warps of one patch.
        """
        config = self.config
        config.validate()
        as_original = config.asOriginal
        if take is not None and not callable(take):
            raise InvalidParameterError(
                f"take is {shown(take)}, a {type(take).__name__}; a function, or None, is needed"
            )
        read = Warps(warps, config.heldMegabytes * _MEGABYTE)
        result = Struct(
            backgroundInfoList=[],
            matchedImageList=[],
            reference=None,
            reason="There are no warps.",
            candidates=None,
            fits={},
            warpInfoList=[],
            skipped={},
            unreadable=[],
            reads=0,
        )
        if not read.warps:
            self.log.warning("There are no warps to match")
            return result
        log_idle(config, self._idle_fields(), self.log)
        log_idle(config.tractBgModel, self._idle_fields_of_bins(), self.log)
        tract = read.warps[0].tract
        if not as_original:
            read.check()
        reference = config.refWarpVisit
        if reference is None:
            choice = self.reference.choose(read, skyMap, tract, as_original=as_original)
            reference, result.candidates = choice.reference, choice.candidates
            result.reason = _reason(choice.candidates)
        else:
            result.reason = "It was named by the configuration."
            if reference not in read.visits:
                raise errors.RuntimeError(
                    f"refWarpVisit is {reference}, which has no warp in tract {tract}: no bin can be compared with it; "
                    f"the visits are {', '.join(map(str, read.visits))}"
                )
        result.reference = reference
        self._fit_all(result, read, skyMap, tract)
        self._match_all(result, read, skyMap, tract, take)
        result.unreadable = [(warp.index, warp.message) for warp in read.warps if warp.message]
        result.reads = read.reads
        return result

    def _idle_fields(self) -> dict[str, str]:
        """Return the fields that have no effect with the values of others, and why."""
        config = self.config
        idle = {"gridStatistic": "each cell of the grid is one bin"}
        if config.fit == "bins":
            for name in ("numSigmaClip", "numIter", "fitOrder", "fitMaxOrder"):
                idle[name] = "needs fit = 'chebyshev'"
        else:
            idle["interpStyle"] = "needs fit = 'bins'"
            if config.fitOrder >= 0:
                idle["fitMaxOrder"] = "needs fitOrder = -1"
        if config.asOriginal:
            idle["useReferenceMask"] = "the original does not look at the mask of the reference"
        return idle

    def _idle_fields_of_bins(self) -> dict[str, str]:
        """Return the fields of the bins that have no effect, and why."""
        return {} if self.config.tractBgModel.doSmooth else {"smoothScale": "needs doSmooth = True"}

    def _fit_all(self, result: Struct, read: Warps, skyMap: Any, tract: int) -> None:
        """Measure the differences of all visits from the reference, and make models of them."""
        as_original = self.config.asOriginal
        grid = as_configured(self.config.tractBgModel, as_original)
        others = [visit for visit in read.visits if visit != result.reference]
        differences = {visit: TractBackground(grid, skyMap, tract) for visit in others}
        common = dict.fromkeys(others, 0)
        # The original counts pixels that several patches share in each of them.
        seen: dict[int, list[Box2I] | None] = {visit: None if as_original else [] for visit in others}
        tract_info = None if as_original else tract_of(skyMap, tract)
        counterpart, known = None, None
        for warp, reference in self._pairs(read, result.reference):
            if reference is not counterpart:
                counterpart, known = reference, read.open(reference, tract_info, self.log)
            other = None if known is None else read.open(warp, tract_info, self.log)
            if known is not None and other is not None:
                common[warp.visit] += self._add_difference(
                    differences[warp.visit], known[1], other[1], seen[warp.visit]
                )
        for visit, difference in differences.items():
            try:
                result.fits[visit] = self._fit(difference, common[visit], visit)
            except errors.RuntimeError as error:
                if as_original:
                    raise errors.RuntimeError(
                        f"Visit {visit} cannot be matched to the reference, visit {result.reference}: {error}. Leave "
                        "the visit out, or set asOriginal to False, which skips it"
                    ) from error
                result.skipped[visit] = (
                    str(error) if common[visit] else _no_overlap(read.of_visit(visit), result.reference)
                )
        if not result.fits and self.config.refWarpVisit is not None and not as_original:
            self._check_reference(result.reference, read, skyMap, tract)
        for visit, reason in result.skipped.items():
            self.log.warning("Visit %d is skipped: %s", visit, reason)
        apart = [
            visit
            for visit in result.skipped
            if not common[visit] and not all(warp.message for warp in read.of_visit(visit))
        ]
        if apart:
            advice = (
                f"It has no good pixel in common with {_listed(apart)}: evensky.match_tract also links visits through "
                "others that both overlap with."
            )
            result.reason += f" {advice}"
            self.log.warning("Visit %d is the reference. %s", result.reference, advice)

    def _check_reference(self, reference: int, read: Warps, skyMap: Any, tract: int) -> None:
        """Raise an error if the named reference has no good bin, so that nothing can be matched to it."""
        tract_info = tract_of(skyMap, tract)
        own = TractBackground(as_configured(self.config.tractBgModel, False), skyMap, tract)
        warps = read.of_visit(reference)
        for warp in warps:
            known = read.open(warp, tract_info, self.log)
            if known is not None:
                exposure = known[1]
                bad = bad_plane_bits(exposure, own.config.mask) if self.config.useReferenceMask else 0
                own.add_pixels(exposure.image.array, exposure.mask.array, bad, box_of(exposure))
        if not own.getFilled().all():
            return
        read.check_places()
        reason = (
            none_of_its(warps)
            if all(warp.message for warp in warps)
            else f"each of its bins in tract {tract} has fewer than {own.least_number:g} good pixels"
        )
        raise UnsuitableError(
            [
                f"refWarpVisit is {reference}, which cannot be the reference: {reason}. Name another visit, or None "
                "for an automatic choice"
            ]
        )

    def _pairs(self, read: Warps, reference: int) -> Iterator[tuple[Warp, Warp]]:
        """Return the warps that have a counterpart in the reference.

        They come patch by patch, so that each warp of the reference is read once; for the original's numbers, visit by
        visit, as the last bit of a sum depends on its order.
        """
        counterparts = {warp.patch: warp for warp in reversed(read.of_visit(reference))}
        warps = [warp for visit in read.visits if visit != reference for warp in read.of_visit(visit)]
        if not self.config.asOriginal:
            warps.sort(key=by_patch)
        return ((warp, counterparts[warp.patch]) for warp in warps if warp.patch in counterparts)

    def _add_difference(
        self, difference: TractBackground, reference: Any, exposure: Any, seen: list[Box2I] | None = None
    ) -> int:
        """Add the reference minus a warp, and return the number of pixels that are good in both.

        Pixels in the boxes that were `seen` before are not added again, and the box of the warp becomes one of them.
        """
        box, other = box_of(exposure), box_of(reference)
        shared = box.clippedTo(other)
        if shared.isEmpty():
            return 0
        mine, its = within(shared, box), within(shared, other)
        planes = difference.config.mask
        with np.errstate(invalid="ignore", over="ignore"):
            pair = reference.image.array[its], exposure.image.array[mine]
            # Differences of unsigned integers are negative, too.
            image = np.subtract(*pair, dtype=np.result_type(*pair, np.float32)).astype(np.float32, copy=False)
        if self.config.useReferenceMask and not self.config.asOriginal:
            image[(reference.mask.array[its] & np.int32(bad_plane_bits(reference, planes))) != 0] = np.nan
        bad = bad_plane_bits(exposure, planes)
        mask = exposure.mask.array[mine]
        difference.add_pixels(image, mask, bad, shared, without=seen or ())
        if seen is not None:
            seen.append(shared)
        return int(np.count_nonzero(np.isfinite(image) & ((mask & np.int32(bad)) == 0)))

    def _fit(self, difference: TractBackground, common: int, visit: int) -> Struct:
        """Make the model of one visit's difference."""
        config = self.config
        model: TractBackground | TractModel
        order = chi2 = None
        flags: dict[str, str] = {}
        rest: np.ndarray | None
        filled = difference.getFilled()
        if config.fit == "chebyshev":
            model, rest = self._fit_series(difference)
            assert model.fit is not None  # just made
            order, chi2 = model.fit.order, model.fit.chi2
            flags |= self._flags_of_series(model.fit, int((~filled).sum()))
        else:
            model = difference if config.asOriginal else difference.toModel()
            stats = model.getStatsImage()
            smooth, used = self._interpolated(stats)
            if used is not None and used != (style := stringToInterpStyle(config.interpStyle)):
                nx, ny = stats.getDimensions()
                flags["REDUCED_ORDER"] = f"interpStyle {style.name} reduced to {used.name}: there are {nx} x {ny} bins"
            rest = self._rest(difference, stats.array, smooth)
            if isinstance(model, TractModel):
                model.values = smooth
            else:
                model = TractBackground.of_known_values(difference, smooth)
        struct = Struct(
            rms=None if rest is None else float(np.sqrt(np.mean(rest**2))),
            mse=None if rest is None else makeStatistics(ImageF(rest.reshape(1, -1)), MEANSQUARE).getValue(),
            binScatter=bin_scatter(difference.getMeans()),
            goodBins=int((~filled).sum()),
            filledBins=int(filled.sum()),
            order=order,
            chi2=chi2,
            goodPixels=0,
            commonPixels=common,
            filledPixels=0,
            goodFraction=float("nan"),
            filledFraction=float("nan"),
            flags=flags,
            difference=difference,
            model=model,
        )
        quality = "" if rest is None else f", rms {struct.rms:.4g}, mse {struct.mse:.4g}"
        self.log.info("Visit %d: %d good bins of scatter %.4g%s", visit, struct.goodBins, struct.binScatter, quality)
        return struct

    def _flags_of_series(self, fit: BinFit, number: int) -> dict[str, str]:
        """Return the flags of a series that was fitted to a number of bins."""
        config = self.config
        flags = {}
        smaller = "choose smaller bins (tractBgModel.xBin, yBin)"
        if fit.order < config.fitOrder:
            flags["REDUCED_ORDER"] = (
                f"fitOrder {config.fitOrder} reduced to {fit.order}: it needs {least_bins(config.fitOrder)} good bins, "
                f"and there are {number}; {smaller}"
            )
        elif config.fitOrder < 0 < config.fitMaxOrder and number < least_bins(1):
            flags["REDUCED_ORDER"] = (
                f"the model is a constant: a plane needs {least_bins(1)} good bins, and there are {number}; {smaller}"
            )
        chi = np.sqrt(fit.chi2)
        if fit.known_errors and chi > _POOR:
            field = "fitOrder" if config.fitOrder >= 0 else "fitMaxOrder"
            if least_bins(getattr(config, field)) > number:
                more = f"{smaller}, or "
            else:
                more = f"raise {field}, or " if fit.order == getattr(config, field) else ""
            flags["POOR_FIT"] = (
                f"the residuals of its bins are {chi:.3g} times their errors (at most {_POOR:g}): a series of order "
                f"{fit.order} does not describe the difference; {more}set fit to 'bins', which follows "
                "structure and steps down to a bin"
            )
        return flags

    def _rest(self, difference: TractBackground, stats: np.ndarray, smooth: np.ndarray) -> np.ndarray | None:
        """Return what the model leaves of the bins as measured; None if it passes through them by construction."""
        if self.config.asOriginal:
            return np.asarray(stats - smooth)  # with NaN where a bin has no value
        if difference.config.doSmooth or self.config.interpStyle in ("NONE", "CONSTANT"):
            rest = difference.getMeans() - smooth
            return np.asarray(rest[np.isfinite(rest)])
        return None

    def _interpolated(self, stats: ImageF) -> tuple[np.ndarray, Any]:
        """Return the bins of a difference as a background through them gives them back, and the style that was used."""
        config = self.config
        if config.interpStyle == "NONE" and not config.asOriginal:
            self.log.info("interpStyle is NONE: no background is estimated, the model is zero")
            return np.zeros_like(stats.array), None
        control = BackgroundControl(
            stringToInterpStyle(config.interpStyle),
            stats.getWidth(),
            stats.getHeight(),
            stringToUndersampleStyle(config.undersampleStyle),
            StatisticsControl(config.numSigmaClip, config.numIter),
            stringToStatisticsProperty(config.gridStatistic),
        )
        background = makeBackground(stats, control)
        smooth = background.getImageF(control.getInterpStyle(), control.getUndersampleStyle()).array
        return smooth, background.getAsUsedInterpStyle()

    def _fit_series(self, difference: TractBackground) -> tuple[TractModel, np.ndarray]:
        """Fit a Chebyshev series to the good bins of a difference; return it and the residuals of these bins."""
        config, grid = self.config, difference.config
        filled = difference.getFilled()
        if filled.all():
            difference.getStatsImage()  # raises the error that says so
        numbers = np.where(filled, np.nan, difference.numbers.array)
        with np.errstate(divide="ignore", invalid="ignore"):
            means = difference.values.array / numbers
        x, y = bin_positions(filled.shape)
        box = difference.bbox

        def pixels(position: np.ndarray, size: float, start: int) -> np.ndarray:
            return np.asarray((position + 0.5) * size - 0.5 + start)

        at_x, at_y = pixels(x, grid.xBin, box.getMinX()), pixels(y, grid.yBin, box.getMinY())
        off_x, off_y = difference.centroid_offsets
        fit = fit_bins(
            means,
            difference.getErrorImage().array,
            at_x + off_x * grid.xBin,
            at_y + off_y * grid.yBin,
            box,
            order=None if config.fitOrder < 0 else config.fitOrder,
            max_order=config.fitMaxOrder,
            clip=float(config.numSigmaClip),
            rounds=config.numIter,
            undersample=config.undersampleStyle != "THROW_EXCEPTION",
        )
        values = fit.evaluate(at_x, at_y).astype(np.float32)
        model = TractModel(grid, box, values, fit.errors(at_x, at_y).astype(np.float32), filled, fit)
        kept = ~filled & ~fit.rejected
        rest = means - fit.evaluate(at_x + off_x * grid.xBin, at_y + off_y * grid.yBin)
        return model, rest[kept & np.isfinite(rest)].astype(np.float32)

    def _match_all(
        self,
        result: Struct,
        read: Warps,
        skyMap: Any,
        tract: int,
        take: Callable[[Any, BackgroundList, Any], object] | None,
    ) -> None:
        """Add the models to the warps, in the order of the input."""
        no_model: BackgroundList | None = None
        tract_info = None if self.config.asOriginal else tract_of(skyMap, tract)
        with_reference = {warp.patch for warp in read.of_visit(result.reference) if not warp.message}
        zero = self._zero(result, read, skyMap, tract)
        for warp in read.warps:
            background, matched, info = None, None, None
            known = None if warp.visit in result.skipped else read.open(warp, tract_info, self.log)
            if known is not None:
                data, exposure = known
                if self.config.asOriginal and no_model is None:
                    no_model = self._no_model(zero, exposure, result.reference)
                if warp.visit == result.reference:
                    background, matched = no_model or zero.toWarpBackground(exposure), data
                else:
                    fit = result.fits[warp.visit]
                    background = fit.model.toWarpBackground(exposure)
                    image = background.getImage().array
                    with np.errstate(invalid="ignore", over="ignore"):
                        matched = with_pixels(data, exposure.image.array + image)
                    info = self._look_at(fit, warp, exposure, with_reference)
                read.release(warp)
            result.warpInfoList.append(info)
            if take is None:
                result.backgroundInfoList.append(background)
                result.matchedImageList.append(matched)
            elif background is not None:
                take(warp.handle, background, matched)
        for visit, fit in result.fits.items():
            self._find_flags(fit)
            for flag, sentence in fit.flags.items():
                self.log.warning("Visit %d: %s: %s", visit, flag, sentence)

    def _zero(self, result: Struct, read: Warps, skyMap: Any, tract: int) -> TractBackground | TractModel:
        """Return the background of the reference, which is zero."""
        zero = TractBackground(as_configured(self.config.tractBgModel, self.config.asOriginal), skyMap, tract)
        if not self.config.asOriginal:
            return TractBackground.of_known_values(zero, zero.values.array).toModel()
        # The original measures the difference of the reference from itself, and fails if no bin is good.
        for warp in read.of_visit(result.reference):
            data = read.open(warp, None, self.log)
            if data is not None:
                self._add_difference(zero, data[1], data[1])
        return zero

    def _no_model(self, zero: TractBackground | TractModel, exposure: Any, reference: int) -> BackgroundList:
        """Return the background of the reference, which the original makes for the first warp, and keeps."""
        try:
            return zero.toWarpBackground(exposure)
        except errors.RuntimeError as error:
            raise errors.RuntimeError(
                f"Visit {reference} cannot be the reference: {error}. Name another visit as refWarpVisit"
            ) from error

    def _look_at(self, fit: Struct, warp: Warp, exposure: Any, with_reference: set[Any]) -> Struct:
        """Count the pixels of a warp whose background comes from filled bins."""
        grid = fit.difference.config
        good = np.isfinite(exposure.image.array)
        good &= (exposure.mask.array & np.int32(bad_plane_bits(exposure, grid.mask))) == 0
        number = int(np.count_nonzero(good))
        model = fit.model if isinstance(fit.model, TractModel) else None
        filled = _filled_pixels(fit.difference, model, good, box_of(exposure))
        fit.goodPixels += number
        fit.filledPixels += filled
        info = Struct(
            visit=warp.visit,
            patch=warp.patch,
            filledFraction=filled / number if number else float("nan"),
            flags={},
        )
        if warp.patch not in with_reference:
            info.flags["NO_OVERLAP"] = "the reference has no warp of this patch"
        if info.filledFraction > self.config.flagExtrapolatedFraction:
            info.flags["EXTRAPOLATED"] = _extrapolated(info.filledFraction)
        return info

    def _find_flags(self, fit: Struct) -> None:
        """Compute the fractions of a visit and its flags, after all of its warps have been seen."""
        if not fit.goodPixels:
            return
        # Pixels of the same patch are counted in both, so that the overlap of patches does not matter.
        fit.goodFraction = min(1.0, fit.commonPixels / fit.goodPixels)
        fit.filledFraction = fit.filledPixels / fit.goodPixels
        if fit.goodFraction < self.config.flagGoodFraction:
            fit.flags["LOW_COVERAGE"] = (
                f"only {100 * fit.goodFraction:.2g} % of its good pixels are good in the reference"
            )
        if fit.filledFraction > self.config.flagExtrapolatedFraction:
            fit.flags["EXTRAPOLATED"] = _extrapolated(fit.filledFraction)


def _extrapolated(share: float) -> str:
    """Return the sentence of the flag EXTRAPOLATED."""
    return (
        f"{100 * share:.2g} % of its good pixels are in bins without enough pixels that are good in both; the model "
        "comes from other bins there"
    )


def _filled_pixels(difference: TractBackground, model: TractModel | None, good: np.ndarray, box: Box2I) -> int:
    """Return how many good pixels are in bins that are filled."""
    if model is None:
        model = TractModel(
            difference.config,
            difference.bbox,
            difference.values.array,
            difference.values.array,
            difference.getFilled(),
        )
    return model.filled_pixels(good, box)


def _no_overlap(warps: list[Warp], reference: int) -> str:
    """Return why no pixel of a visit can be compared with the reference."""
    if all(warp.message for warp in warps):
        return none_of_its(warps)
    return f"it has no good pixel in common with the reference, visit {reference}"


def _listed(visits: list[int]) -> str:
    """Return the visits as words, not more than a few of them."""
    shown_ones = ", ".join(map(str, visits[:5]))
    more = f" and {len(visits) - 5} more" if len(visits) > 5 else ""
    return f"{'visit' if len(visits) == 1 else 'visits'} {shown_ones}{more}"


def _reason(candidates: list[Any]) -> str:
    """Return a sentence that says why the reference was chosen."""
    costs = sorted(one.cost for one in candidates if np.isfinite(one.cost))
    if len(costs) < 2:
        return "It is the only visit that can be used."
    return (
        "It was chosen automatically: background close to a plane, low variance, good coverage "
        f"(cost {costs[0]:.4f}; next {costs[1]:.4f}; lower is better)."
    )
