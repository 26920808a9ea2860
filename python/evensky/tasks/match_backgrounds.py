"""Background matching by the names of the original task.

Given exposures of one pixel grid, choose a reference, and give every other exposure an additive, smooth correction so
that its background equals the reference's. Real sky that both see cancels in the difference and survives.
"""

from __future__ import annotations

__all__ = ["DataRefMatcher", "MatchBackgroundsConfig", "MatchBackgroundsTask"]

import math
import uuid
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

import numpy as np
from lsst.pex.config import ChoiceField, Config, Field, FieldValidationError, ListField, RangeField

from .. import _core, errors
from .._checks import real_number, shown
from ..errors import InvalidParameterError, TaskError
from ..image import Exposure, Mask
from ..image.coerce import is_lsst_images
from ..image.mask import BAD_PLANES
from ..interop.astropy import exposure_of
from ..interop.lsst_images import PLANE_ALIASES
from ..io.data_refs import as_data_ref, data_id_keys, id_dict
from ..math import (
    MEAN,
    NPOINT,
    VARIANCE,
    Approximate,
    BackgroundMI,
    Interpolate,
    StatisticsControl,
    makeStatistics,
    stringToInterpStyle,
    stringToStatisticsProperty,
    stringToUndersampleStyle,
)
from .base import Struct, Task
from .executors import Units, open_executor
from .flags import find_flags
from .match_on_disk import match_on_disk
from .run_record import ReferenceCandidate
from .shared import SHARED

# Of whole numbers in the core, but the bin size.
_LARGEST = 2**31 - 1


def _share(default: float, doc: str) -> Any:
    """A field from 0 to 1."""
    return RangeField(dtype=float, default=default, min=0.0, max=1.0, inclusiveMax=True, doc=doc)


class MatchBackgroundsConfig(Config):
    """Configuration of `MatchBackgroundsTask`."""

    usePolynomial = Field[bool](
        dtype=bool,
        default=False,
        doc="Fit the difference with a Chebyshev series instead of interpolating it with a spline?",
    )
    order = Field[int](
        dtype=int,
        default=8,
        doc="Order of the Chebyshev series. Only used with usePolynomial.",
    )
    badMaskPlanes = ListField[str](
        dtype=str,
        default=list(BAD_PLANES),
        doc="Mask planes whose pixels do not count; each must be a plane that the exposures know.",
        itemCheck=lambda name: bool(name),
    )
    gridStatistic = ChoiceField[str](
        dtype=str,
        default="MEAN",
        optional=False,
        doc="What is measured in each bin of the difference.",
        allowed={
            "MEAN": "the mean",
            "MEDIAN": "the median",
            "MEANCLIP": "the mean after clipping",
        },
    )
    undersampleStyle = ChoiceField[str](
        dtype=str,
        default="REDUCE_INTERP_ORDER",
        optional=False,
        doc="What to do where there are too few bins for the interpolation style or the order.",
        allowed={
            "THROW_EXCEPTION": "fail",
            "REDUCE_INTERP_ORDER": "use a simpler style or a lower order",
            "INCREASE_NXNYSAMPLE": "use smaller bins; with usePolynomial only",
        },
    )
    binSize = RangeField(
        dtype=int,
        default=256,
        min=1,
        max=_LARGEST,
        doc="Size of the bins, in pixels.",
    )
    interpStyle = ChoiceField[str](
        dtype=str,
        default="AKIMA_SPLINE",
        optional=False,
        doc="How to interpolate between bins. Not used with usePolynomial.",
        allowed={
            "CONSTANT": "steps",
            "LINEAR": "straight lines",
            "NATURAL_SPLINE": "cubic splines with zero second derivative at the ends",
            "AKIMA_SPLINE": "Akima's splines, which do not overshoot",
            "NONE": "no background estimation: the model is zero",
        },
    )
    numSigmaClip = RangeField(
        dtype=int,
        default=3,
        min=1,
        doc="Width of the clipping window in standard deviations.",
    )
    numIter = RangeField(
        dtype=int,
        default=2,
        min=1,
        max=_LARGEST,
        doc="Number of clipping rounds.",
    )
    bestRefWeightCoverage = _share(
        0.4, "Weight of the number of good pixels in the choice of the reference; more is better."
    )
    bestRefWeightVariance = _share(
        0.4, "Weight of the variance of the pixels in the choice of the reference; less is better."
    )
    bestRefWeightLevel = _share(
        0.2, "Weight of the level of the background in the choice of the reference; lower is better."
    )
    approxWeighting = Field[bool](
        dtype=bool,
        default=True,
        doc="Weight the bins by their errors in the Chebyshev fit?",
    )
    approxWeightPower = ChoiceField[int](
        dtype=int,
        default=1,
        optional=False,
        doc="Weights in the Chebyshev fit are 1 / error**power.",
        allowed={1: "as the original does", 2: "true inverse variance"},
    )
    gridStdevEpsilon = RangeField(
        dtype=float,
        default=1e-8,
        min=0.0,
        doc="The fit is unweighted where no bin has a greater error.",
    )
    flagGoodFraction = _share(
        0.1, "A match is flagged LOW_COVERAGE where a smaller share of the pixels is good in both exposures."
    )
    flagGoodBinFraction = _share(
        0.5, "A match is flagged FEW_GOOD_BINS where a smaller share of the bins has a good pixel."
    )
    flagExtrapolatedFraction = _share(
        0.1, "A match is flagged EXTRAPOLATED where a greater share of the image lies beyond the good bins."
    )

    def validate(self) -> None:
        """Check the fields."""
        super().validate()
        if not (0 if self.usePolynomial else -_LARGEST) <= self.order < _LARGEST:
            raise FieldValidationError(type(self).order, self, f"order = {self.order}; it must be >= 0 and < 2^31 - 1")


def _check_scaler(scaler: Any) -> None:
    if scaler is not None and not hasattr(scaler, "scaleMaskedImage"):
        raise InvalidParameterError(
            f"An image scaler is {shown(scaler)}, a {type(scaler).__name__}; something with scaleMaskedImage(), or "
            "None, is needed"
        )


class DataRefMatcher:
    """Tells whether references stand for the same data.

    Parameters
    ----------
    butler : object with ``getKeys(datasetType)``, or None
        Names the keys of a data ID that count; all keys count where it is None.
    datasetType : str
    """

    def __init__(self, butler: Any, datasetType: str) -> None:
        if butler is not None and not hasattr(butler, "getKeys"):
            raise InvalidParameterError(
                f"butler is {shown(butler)}, a {type(butler).__name__}; something with getKeys(), or None, is needed"
            )
        self._keys = None if butler is None else tuple(butler.getKeys(datasetType))
        self._datasetType = datasetType

    @property
    def datasetType(self) -> str:
        """The dataset type."""
        return self._datasetType

    def _key(self, ref: Any) -> tuple[Any, ...]:
        data_id = ref.dataId
        keys = data_id_keys(ref, self._datasetType) if self._keys is None else self._keys
        values = id_dict(data_id)
        return tuple((key, values.get(key)) for key in keys)

    def isMatch(self, ref0: Any, ref1: Any) -> bool:
        """Whether both stand for the same data."""
        return self._key(ref0) == self._key(ref1)

    def matchList(self, ref0: Any, refList: Sequence[Any]) -> list[int]:
        """Indices of those in `refList` that stand for the same data as `ref0`."""
        key = self._key(ref0)
        return [index for index, ref in enumerate(refList) if self._key(ref) == key]


class _Unit:
    """Matches one exposure, in whatever process: it carries what it needs, and reads the reference once in each."""

    def __init__(self, task: MatchBackgroundsTask, reference: Any, scaler: Any, datasetType: str) -> None:
        self._task = task
        self._reference = reference
        self._scaler = scaler
        self._datasetType = datasetType
        self.run = uuid.uuid4().hex

    def __call__(self, ref: Any, scaler: Any) -> Struct:
        task = self._task
        reference = SHARED.get(self.run, lambda: task.loadExposure(self._reference, self._datasetType, self._scaler))
        return task.match_one(reference, ref, scaler, self._datasetType)


class MatchBackgroundsTask(Task):
    """Match the backgrounds of exposures of one pixel grid to that of a reference.

    Parameters
    ----------
    config : MatchBackgroundsConfig, optional
    name : str, optional
    log : logging.Logger, optional
        Parent of the task's log; "matchBackgrounds" otherwise.
    """

    ConfigClass = MatchBackgroundsConfig
    _DefaultName = "matchBackgrounds"
    config: MatchBackgroundsConfig

    def __init__(self, config: MatchBackgroundsConfig | None = None, name: str | None = None, log: Any = None) -> None:
        super().__init__(config, name, log)
        self.sctrl = StatisticsControl()
        # The default planes as far as they go; each exposure's own planes are looked up by name when it is used.
        known = Mask.getMaskPlaneDict()
        self.sctrl.setAndMask(Mask.getPlaneBitMask([plane for plane in self.config.badMaskPlanes if plane in known]))
        self.sctrl.setNanSafe(True)

    def run(
        self,
        expRefList: Sequence[Any],
        expDatasetType: str,
        imageScalerList: Sequence[Any] | None = None,
        refExpDataRef: Any = None,
        refImageScaler: Any = None,
        *,
        executor: Executor | str | None = None,
    ) -> Struct:
        """Match exposures to a reference.

        Parameters
        ----------
        expRefList : sequence of data references
            The exposures: anything with ``get(datasetType, immediate=True)`` and ``dataId``, a handle of a Butler, a
            file name, or an exposure.
        expDatasetType : str
            Dataset type to ask the references for.
        imageScalerList : sequence, optional
            For each exposure something with ``scaleMaskedImage(maskedImage)``, or None.
        refExpDataRef : data reference, optional
            The reference; the best of the list where left out.
        refImageScaler : optional
            Scales the reference where it is given.
        executor : concurrent.futures.Executor or str, optional
            What does the work, one exposure a unit: any executor, or the name of one, see
            `evensky.tasks.executors.EXECUTORS`. Units hold references, not pixels, but for exposures in memory, which
            processes get copies of. Results do not depend on it. A worker that dies costs a retry.

        Returns
        -------
        Struct
            ``backgroundInfoList``: for each exposure a Struct of isReference and of what `matchBackgrounds` gives. The
            reference has no model and a fitRMS of 0; an exposure that failed has None everywhere.

        Raises
        ------
        TaskError
            For an empty list, no dataset type, or where no exposure can be the reference.
        RuntimeError
            Where the list of scalers is of another length.
        evensky.errors.InvalidParameterError
            For references, scalers and executors that are none.
        """
        refs = [as_data_ref(ref, index) for index, ref in enumerate(expRefList)]
        if not refs:
            raise TaskError(
                "None of the candidate exposures exist (there are 0); cannot select the best reference exposure"
            )
        if not expDatasetType:
            raise TaskError(f"expDatasetType is {expDatasetType!r}; it must name the dataset type of the exposures")
        scalers = self._scalers(imageScalerList, len(refs))
        _check_scaler(refImageScaler)
        if refExpDataRef is None:
            index = self.selectRefExposure(refs, scalers, expDatasetType)
            reference_ref, refImageScaler = refs[index], scalers[index]
        else:
            reference_ref = as_data_ref(refExpDataRef, -1)
        reference = self.loadExposure(reference_ref, expDatasetType, refImageScaler)
        butler = getattr(getattr(reference_ref, "butlerSubset", None), "butler", None)
        matcher = DataRefMatcher(butler, expDatasetType)
        references = set(matcher.matchList(reference_ref, refs))
        results: dict[int, Struct] = dict.fromkeys(references, self._without_model(isReference=True, fitRMS=0.0))
        others = [index for index in range(len(refs)) if index not in references]
        if executor is None:
            for index in others:
                results[index] = self.match_one(reference, refs[index], scalers[index], expDatasetType)
        else:
            unit = _Unit(self, reference_ref, refImageScaler, expDatasetType)

            def lost(index: int, error: BaseException) -> Struct:
                self.log.warning(
                    "Failed to fit background %s: its worker died again and again", id_dict(refs[index].dataId)
                )
                return self._without_model(isReference=False, fitRMS=None)

            with SHARED.adopted(unit.run, reference), open_executor(executor, 1) as renew:
                units = Units(renew, unit, lost)
                results.update(units.run((index, (refs[index], scalers[index])) for index in others))
        return Struct(backgroundInfoList=[results[index] for index in range(len(refs))])

    def match_one(self, reference: Exposure, ref: Any, scaler: Any, datasetType: str) -> Struct:
        """Match what a data reference stands for; a Struct without a model where that fails."""
        try:
            self.log.info("Matching background of %s to %s", id_dict(ref.dataId), self._label(reference))
            science = self.loadExposure(ref, datasetType, scaler)
            matched = self.matchBackgrounds(reference, science)
            return Struct(isReference=False, **matched.getDict())
        except Exception as error:  # whatever one exposure does, the others go on
            self.log.warning("Failed to fit background %s: %s", id_dict(ref.dataId), error)
            return self._without_model(isReference=False, fitRMS=None)

    def selectRefExposure(
        self, expRefList: Sequence[Any], imageScalerList: Sequence[Any] | None, expDatasetType: str
    ) -> int:
        """Index of the exposure that is best fit to be the reference: low variance, low level, high coverage.

        Parameters are those of `run`. An exposure that does not exist, cannot be read, or whose scaler fails is skipped
        with a warning.

        Raises
        ------
        TaskError
            Where none is left.
        RuntimeError
            Where the list of scalers is of another length.
        """
        refs = [as_data_ref(ref, index) for index, ref in enumerate(expRefList)]
        scalers = self._scalers(imageScalerList, len(refs))
        candidates = []
        for ref, scaler in zip(refs, scalers, strict=True):
            candidate = ReferenceCandidate(label=str(id_dict(ref.dataId)))
            try:
                candidate = self.measureCandidate(self.loadExposure(ref, expDatasetType, scaler), candidate.label)
            except Exception as error:  # a candidate that cannot be had does not stop the others
                candidate.message = str(error)
                self.log.warning("Skipping %s as reference: %s", candidate.label, error)
            candidates.append(candidate)
        return self.chooseReference(candidates)

    def measureCandidate(self, exposure: Exposure, label: str) -> ReferenceCandidate:
        """Level, variance and coverage of an exposure under the bad mask planes."""
        control = StatisticsControl()
        control.setAndMask(self.badPixelMask(exposure))
        statistics = makeStatistics(exposure.maskedImage, MEAN | NPOINT | VARIANCE, control)
        return ReferenceCandidate(
            label=label,
            level=statistics.getValue(MEAN),
            variance=statistics.getValue(VARIANCE),
            npoint=statistics.getValue(NPOINT),
            message="" if statistics.getValue(NPOINT) > 0 else "no good pixel",
        )

    def chooseReference(self, candidates: Sequence[ReferenceCandidate]) -> int:
        """Fill in the costs of all candidates, mark the one that wins, and return its index.

        The cost is ``wVariance * var / max(var) + wLevel * level / max(level) + wCoverage * min(npoint) / npoint``; the
        smallest wins. Where a level is not positive, ``(level - min) / (max - min)`` takes the place of the level term.

        Raises
        ------
        TaskError
            Where no candidate has a good pixel.
        """
        # A message says why one is not to be considered.
        usable = [
            c
            for c in candidates
            if not c.message and c.npoint > 0 and math.isfinite(c.level) and math.isfinite(c.variance)
        ]
        if not usable:
            raise TaskError(
                f"None of the {len(candidates)} candidate exposures exist with good pixels; cannot select the best "
                "reference exposure"
            )
        levels = np.array([c.level for c in usable])
        variances = np.array([c.variance for c in usable])
        npoints = np.array([c.npoint for c in usable])
        if levels.min() > 0:
            level_terms = levels / levels.max()
        else:
            self.log.info("Levels reach down to %g: they are compared by their range, not their ratio", levels.min())
            spread = np.ptp(levels)
            level_terms = (levels - levels.min()) / spread if spread > 0 else np.zeros_like(levels)
        # Noiseless exposures are as good as each other.
        variance_terms = variances / variances.max() if variances.max() > 0 else np.zeros_like(variances)
        coverage_terms = npoints.min() / npoints
        for candidate, variance, level, coverage in zip(
            usable, variance_terms, level_terms, coverage_terms, strict=True
        ):
            candidate.cost_variance = float(self.config.bestRefWeightVariance * variance)
            candidate.cost_level = float(self.config.bestRefWeightLevel * level)
            candidate.cost_coverage = float(self.config.bestRefWeightCoverage * coverage)
            candidate.cost = candidate.cost_variance + candidate.cost_level + candidate.cost_coverage
        best = min(usable, key=lambda candidate: candidate.cost)
        best.selected = True
        return next(index for index, candidate in enumerate(candidates) if candidate is best)

    def matchBackgrounds(self, refExposure: Exposure, sciExposure: Exposure) -> Struct:
        """Match one exposure to the reference, in place.

        Parameters
        ----------
        refExposure : Exposure
            The reference; unchanged.
        sciExposure : Exposure
            The exposure to correct, of the same size: the model is added to its image. Its mask and variance stay.
            Where an exception is raised it is as it was, unless that is KeyboardInterrupt.

        Returns
        -------
        Struct
            backgroundModel : BackgroundMI or Approximate
                The model of reference - science.
            fitRMS : float
                Root mean square of (bins - model).
            matchedMSE : float
                Mean square of (reference - matched). Comparable with `diffImVar` where the match is good.
            diffImVar : float
                Clipped mean of the difference's variance.
            goodFraction, goodBinFraction : float
                Share of the pixels that are good in both exposures, and of the bins that have any such pixel.
            extrapolatedFraction : float
                Share of the image that lies beyond the bins that have any.
            flags : dict of str to str
                How the model is poorly constrained, by the names of `evensky.tasks.FLAGS`, in words.

        Raises
        ------
        ValueError
            Where a Chebyshev model cannot be had with this binSize and order.
        RuntimeError
            Where sizes differ, or the model fails; the message names the exposure.
        """
        return self.match_in_detail(refExposure, sciExposure)[0]

    def match_in_detail(self, refExposure: Exposure, sciExposure: Exposure) -> tuple[Struct, _core.PairResult]:
        """As `matchBackgrounds`, and what the core knows beside it: bins with residuals, styles as used, warnings."""
        result = self._match(refExposure, sciExposure)
        struct = Struct(
            backgroundModel=self._model(result, sciExposure),
            fitRMS=result.fitRMS,
            matchedMSE=result.matchedMSE,
            diffImVar=result.diffImVar,
            goodFraction=result.goodFraction,
            goodBinFraction=result.goodBinFraction,
            extrapolatedFraction=result.extrapolatedFraction,
            flags=find_flags(result, self.config),
        )
        for flag, sentence in struct.flags.items():
            self.log.warning("%s: %s: %s", self._label(sciExposure), flag, sentence)
        return struct, result

    def badPixelMask(self, exposure: Exposure) -> int:
        """The bits of the configuration's bad mask planes in an exposure's own numbers.

        A plane that the exposure lacks is no constraint, as long as it is one of the default planes. Names that
        ``lsst.images`` has for planes are known.

        Raises
        ------
        evensky.errors.NotFoundError
            For a plane that neither the exposure nor the default dictionary knows.
        """
        own = exposure.mask.getMaskPlaneDict()
        default = Mask.getMaskPlaneDict()
        names = []
        for given in self.config.badMaskPlanes:
            name = given if given in own else PLANE_ALIASES.get(given, given)
            if name in own or name not in default:
                names.append(name)
        return int(exposure.mask.getPlaneBitMask(names))

    def loadExposure(self, ref: Any, datasetType: str, scaler: Any = None) -> Exposure:
        """Read an exposure through its reference and scale it."""
        if not getattr(ref, "datasetExists", lambda _: True)(datasetType):
            raise errors.RuntimeError(f"Data reference {id_dict(ref.dataId)} does not exist")
        exposure: Exposure = ref.get(datasetType, immediate=True)
        if is_lsst_images(exposure):
            # Its image is copied: it may be somebody's, in memory.
            exposure = exposure_of(exposure, str(id_dict(ref.dataId)))
            exposure.dataId = id_dict(ref.dataId)
            if scaler is not None:
                exposure = exposure.clone()  # it changes the variance, too, which is shared
        if scaler is not None:
            scaler.scaleMaskedImage(exposure.getMaskedImage())
        return exposure

    @staticmethod
    def _scalers(scalers: Sequence[Any] | None, number: int) -> Sequence[Any]:
        if scalers is None:
            return [None] * number
        if len(scalers) != number:
            raise errors.RuntimeError(
                f"There are {len(scalers)} image scalers for {number} exposures; the numbers must be equal"
            )
        for scaler in scalers:
            _check_scaler(scaler)
        return scalers

    @staticmethod
    def _label(exposure: Exposure) -> str:
        identity = getattr(exposure, "dataId", None)
        if not identity:
            return "science exposure"
        return ", ".join(str(value) for value in identity.values()) if len(identity) == 1 else str(identity)

    def _match(self, reference: Exposure, science: Exposure) -> _core.PairResult:
        config = self.config
        for exposure in (reference, science):
            # Whatever has an exposure's planes is one: the original's, too.
            if not all(hasattr(exposure, name) for name in ("maskedImage", "getDimensions", "getXY0")):
                raise InvalidParameterError(f"An exposure is a {type(exposure).__name__}; it must be an Exposure")
        size, other = tuple(science.getDimensions()), tuple(reference.getDimensions())
        options = _core.PairOptions()
        for name in ("usePolynomial", "order", "binSize", "numIter", "approxWeighting", "approxWeightPower"):
            setattr(options, name, getattr(config, name))
        options.numSigmaClip = real_number(config.numSigmaClip, "numSigmaClip")
        options.gridStdevEpsilon = config.gridStdevEpsilon
        options.gridStatistic = stringToStatisticsProperty(config.gridStatistic)
        options.undersampleStyle = stringToUndersampleStyle(config.undersampleStyle)
        if config.interpStyle == "NONE":
            options.interpStyle = Interpolate.Style.UNKNOWN
            if not config.usePolynomial:
                self.log.info("interpStyle is NONE: no background is estimated, the model is zero")
        else:
            options.interpStyle = stringToInterpStyle(config.interpStyle)
        options.scienceLabel = self._label(science)
        options.referenceBadMask = self.badPixelMask(reference)
        options.scienceBadMask = self.badPixelMask(science)
        if config.usePolynomial:
            self._check_order(min(size))
        if size != other:
            raise errors.RuntimeError(f"Exposures are different dimensions. sci:{size} vs. ref:{other}")
        if getattr(getattr(science, "info", None), "scratch", None) is not None:
            return match_on_disk(reference, science, options)
        planes = science.maskedImage.getArrays()
        ref_image, ref_mask, ref_variance = reference.maskedImage.getArrays()
        if ref_image.dtype != planes[0].dtype:
            ref_image = ref_image.astype(planes[0].dtype)
        x0, y0 = science.getXY0()
        return _core.matchBackgrounds((ref_image, ref_mask, ref_variance), planes, planes[0], x0, y0, options)

    @staticmethod
    def _without_model(**known: Any) -> Struct:
        names = ("backgroundModel", "fitRMS", "matchedMSE", "diffImVar")
        fractions = ("goodFraction", "goodBinFraction", "extrapolatedFraction")
        return Struct(**{**dict.fromkeys((*names, *fractions)), "flags": {}, **known})

    def _check_order(self, shorter: int) -> None:
        """Refuse a Chebyshev order that the bins cannot carry, before anything is compared."""
        config = self.config
        if config.binSize > shorter:
            raise InvalidParameterError(f"{config.binSize} = config.binSize > shorter dimension = {shorter}")
        points = math.ceil(shorter / config.binSize)
        if config.order > points - 1:
            raise InvalidParameterError(f"{config.order} = config.order > npoints - 1 = {points - 1}")

    @staticmethod
    def _model(result: _core.PairResult, science: Exposure) -> BackgroundMI | Approximate:
        if result.approximate is not None:
            return Approximate(result.approximate)
        if result.background is not None:
            return BackgroundMI.from_core(result.background, result.asUsed)
        # The zero model is a background of one bin that is 0.
        model = BackgroundMI(science.getBBox(), np.zeros((1, 1), dtype=np.float32))
        model.getBackgroundControl().setInterpStyle(Interpolate.Style.CONSTANT)
        return model
