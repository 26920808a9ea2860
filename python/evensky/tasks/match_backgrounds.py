"""Background matching with the interface of the original task.

Given exposures on one pixel grid, choose a reference, and add a smooth model to every other exposure, so that its
background equals the reference's. Light that it shares with the reference cancels in the difference and is preserved.
"""

from __future__ import annotations

__all__ = ["MatchBackgroundsTask"]

import math
import uuid
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from typing import Any

import numpy as np

from .. import errors
from .._checks import real_number, shown
from .._core import PairOptions, PairResult
from ..errors import InvalidParameterError, TaskError
from ..image import Exposure, Mask
from ..image.bad_bits import bad_bits
from ..image.foreign import is_lsst_images
from ..image.like import exposure_of
from ..io.data_refs import DataRefMatcher, as_data_ref, id_dict
from ..matching.pair import Thresholds, find_flags, match_pair
from ..matching.reference import CostWeights, ReferenceCandidate, choose_reference, measure_candidate
from ..math import (
    Approximate,
    BackgroundMI,
    Interpolate,
    StatisticsControl,
    stringToInterpStyle,
    stringToStatisticsProperty,
    stringToUndersampleStyle,
)
from ..work.executors import open_executor
from ..work.held import REFERENCES
from ..work.jobs import Jobs
from .base import Struct, Task
from .config import MatchBackgroundsConfig


def _check_scaler(scaler: Any) -> None:
    if scaler is not None and not hasattr(scaler, "scaleMaskedImage"):
        raise InvalidParameterError(
            f"An image scaler is {shown(scaler)}, a {type(scaler).__name__}; something with scaleMaskedImage(), or "
            "None, is needed"
        )


class _Job:
    """Job that matches one exposure in any process; each process reads the reference once."""

    def __init__(self, task: MatchBackgroundsTask, reference: Any, scaler: Any, datasetType: str) -> None:
        self._task = task
        self._reference = reference
        self._scaler = scaler
        self._datasetType = datasetType
        self.run = uuid.uuid4().hex

    def __call__(self, ref: Any, scaler: Any) -> Struct:
        task = self._task
        reference = REFERENCES.get(
            self.run, lambda: task.loadExposure(self._reference, self._datasetType, self._scaler)
        )
        return task.match_one(reference, ref, scaler, self._datasetType)


class MatchBackgroundsTask(Task):
    """Task that matches the backgrounds of exposures on one pixel grid to that of a reference.

    Parameters
    ----------
    config : MatchBackgroundsConfig, optional
    name : str, optional
    log : logging.Logger, optional
        Parent of the task's log; by default, the log has no parent and is named "matchBackgrounds".
    parentTask : Task, optional
        Task of which this is a subtask; without `log`, its log is the parent of this task's log.

    Notes
    -----
    The configuration is not copied or frozen. Its fields are checked and looked at in each call, so that they may be
    changed between calls, and one configuration may serve several tasks.
    """

    ConfigClass = MatchBackgroundsConfig
    _DefaultName = "matchBackgrounds"
    config: MatchBackgroundsConfig

    def __init__(
        self,
        config: MatchBackgroundsConfig | None = None,
        name: str | None = None,
        log: Any = None,
        parentTask: Any = None,
    ) -> None:
        super().__init__(config, name, log, parentTask)
        self.sctrl = StatisticsControl()
        self.sctrl.setNanSafe(True)
        self._set_bad_planes()

    def _set_bad_planes(self) -> None:
        # The bits of the default planes; those of an exposure are looked up by name when it is matched.
        known = Mask.getMaskPlaneDict()
        self.sctrl.setAndMask(Mask.getPlaneBitMask([plane for plane in self.config.badMaskPlanes if plane in known]))

    def _check_config(self) -> None:
        """Check the fields of the configuration, which may have changed since the task was made."""
        self.config.validate()
        self._set_bad_planes()

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
            The exposures: objects with ``get(datasetType, immediate=True)`` and ``dataId``, handles of a Butler, file
            names, or exposures.
        expDatasetType : str
            Dataset type of the exposures, which is passed to the references.
        imageScalerList : sequence, optional
            For each exposure an object with ``scaleMaskedImage(maskedImage)``, or None.
        refExpDataRef : data reference, optional
            The reference; by default the best exposure in the list.
        refImageScaler : optional
            Scaler of the reference, if `refExpDataRef` is given.
        executor : concurrent.futures.Executor or str, optional
            Executor of the jobs, one per exposure: any executor, or one of `evensky.work.executors.EXECUTORS`. Jobs
            hold references, not pixels, except for exposures in memory, which are copied to other processes. Results do
            not depend on it. If a worker dies, its job is repeated.

        Returns
        -------
        Struct
            ``backgroundInfoList``: for each exposure a Struct with isReference and the fields that `matchBackgrounds`
            returns. The reference has no model and a fitRMS of 0; an exposure that failed has None in these fields.

        Raises
        ------
        TaskError
            If the list is empty, no dataset type is given, or no exposure can be the reference.
        RuntimeError
            If the list of scalers is not as long as the list of exposures.
        evensky.errors.InvalidParameterError
            For an object that is not a reference, a scaler or an executor.
        lsst.pex.config.FieldValidationError
            If a field of the configuration has a value that is not allowed.
        """
        self._check_config()
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
        job = _Job(self, reference_ref, refImageScaler, expDatasetType)

        def lost(index: int, error: BaseException) -> Struct:
            self.log.warning(
                "Failed to fit background %s: its worker died again and again", id_dict(refs[index].dataId)
            )
            return self._without_model(isReference=False, fitRMS=None)

        opening = nullcontext() if executor is None else open_executor(executor, 1)
        with REFERENCES.adopted(job.run, {"": reference}), opening as opened:
            renew = None if opened is None else opened.renew
            results.update(Jobs(renew, job, lost).run((index, (refs[index], scalers[index])) for index in others))
        return Struct(backgroundInfoList=[results[index] for index in range(len(refs))])

    def match_one(self, reference: Exposure, ref: Any, scaler: Any, datasetType: str) -> Struct:
        """Match the exposure of a data reference; return a Struct without a model if that fails."""
        try:
            self.log.info("Matching background of %s to %s", id_dict(ref.dataId), self._label(reference))
            science = self.loadExposure(ref, datasetType, scaler)
            matched = self.matchBackgrounds(reference, science)
            return Struct(isReference=False, **matched.getDict())
        except Exception as error:  # one exposure that fails does not stop the others
            self.log.warning("Failed to fit background %s: %s", id_dict(ref.dataId), error)
            return self._without_model(isReference=False, fitRMS=None)

    def selectRefExposure(
        self, expRefList: Sequence[Any], imageScalerList: Sequence[Any] | None, expDatasetType: str
    ) -> int:
        """Return the index of the best reference: low variance, low level, high coverage.

        The parameters are those of `run`. An exposure that does not exist, cannot be read, or whose scaler fails is
        skipped with a warning.

        Raises
        ------
        TaskError
            If no exposure can be used.
        RuntimeError
            If the list of scalers is not as long as the list of exposures.
        lsst.pex.config.FieldValidationError
            If a field of the configuration has a value that is not allowed.
        """
        self._check_config()
        refs = [as_data_ref(ref, index) for index, ref in enumerate(expRefList)]
        scalers = self._scalers(imageScalerList, len(refs))
        candidates = []
        for ref, scaler in zip(refs, scalers, strict=True):
            candidate = ReferenceCandidate(label=str(id_dict(ref.dataId)))
            try:
                candidate = self.measureCandidate(self.loadExposure(ref, expDatasetType, scaler), candidate.label)
            except Exception as error:  # one that cannot be read does not stop the others
                candidate.message = str(error)
                self.log.warning("Skipping %s as reference: %s", candidate.label, error)
            candidates.append(candidate)
        return self.chooseReference(candidates)

    def measureCandidate(self, exposure: Exposure, label: str) -> ReferenceCandidate:
        """Measure an exposure for the choice of the reference; see `evensky.matching.reference.measure_candidate`."""
        return measure_candidate(exposure.maskedImage, self.badPixelMask(exposure), label)

    def chooseReference(self, candidates: Sequence[ReferenceCandidate]) -> int:
        """Return the index of the best candidate; see `evensky.matching.reference.choose_reference`."""
        return choose_reference(candidates, self.costWeights)

    def matchBackgrounds(self, refExposure: Exposure, sciExposure: Exposure) -> Struct:
        """Match one exposure to the reference, in place.

        Parameters
        ----------
        refExposure : Exposure
            The reference; it is not changed.
        sciExposure : Exposure
            The exposure to match, of the same size. The model is added to its image; its mask and variance are not
            changed. If an exception other than KeyboardInterrupt is raised, the image is not changed either.

        Returns
        -------
        Struct
            backgroundModel : BackgroundMI or Approximate
                The model of reference - science.
            fitRMS : float
                Root mean square of (bins - model).
            matchedMSE : float
                Mean square of (reference - matched); comparable with `diffImVar` if the match is good.
            diffImVar : float
                Clipped mean of the difference's variance.
            goodFraction, goodBinFraction : float
                Share of the pixels that are good in both exposures, and of the bins that have such pixels.
            extrapolatedFraction : float
                Share of the image that lies beyond the bins that have such pixels.
            flags : dict of str to str
                Names from `evensky.tasks.FLAGS` for the ways in which the model is poorly constrained, each with a
                sentence.

        Raises
        ------
        ValueError
            If binSize and order do not allow a Chebyshev series.
        RuntimeError
            If sizes differ or the model fails; the message names the exposure.
        lsst.pex.config.FieldValidationError
            If a field of the configuration has a value that is not allowed.
        """
        self._check_config()
        for exposure in (refExposure, sciExposure):
            # Any object that has the planes of an exposure is accepted, including the exposures of the original.
            if not all(hasattr(exposure, name) for name in ("maskedImage", "getDimensions", "getXY0")):
                raise InvalidParameterError(f"An exposure is a {type(exposure).__name__}; it must be an Exposure")
        bad = self.badPixelMask(refExposure), self.badPixelMask(sciExposure)
        return self.matchPair(refExposure, sciExposure, *bad)[0]

    def matchPair(
        self, refExposure: Exposure, sciExposure: Exposure, refBad: int, sciBad: int
    ) -> tuple[Struct, PairResult]:
        """Match one exposure to the reference in place, given the bits of their masks that reject a pixel.

        Parameters
        ----------
        refExposure, sciExposure : Exposure
            See `matchBackgrounds`.
        refBad, sciBad : int
            Bits of the masks of the reference and of the exposure that reject a pixel.

        Returns
        -------
        Struct
            See `matchBackgrounds`.
        PairResult
            Further details from the core: the bins, the styles that were used, warnings.
        """
        options = self._options(refExposure, sciExposure, refBad, sciBad)
        result = match_pair(refExposure, sciExposure, options)
        struct = Struct(
            backgroundModel=self._model(result, sciExposure),
            fitRMS=result.fitRMS,
            matchedMSE=result.matchedMSE,
            diffImVar=result.diffImVar,
            goodFraction=result.goodFraction,
            goodBinFraction=result.goodBinFraction,
            extrapolatedFraction=result.extrapolatedFraction,
            flags=find_flags(result, options, self._thresholds),
        )
        for flag, sentence in struct.flags.items():
            self.log.warning("%s: %s: %s", self._label(sciExposure), flag, sentence)
        return struct, result

    def badPixelMask(self, exposure: Exposure) -> int:
        """Return the bits of the configuration's bad mask planes in an exposure's own numbering.

        A default plane that the exposure lacks is ignored. Names that ``lsst.images`` gives to planes are understood.

        Raises
        ------
        evensky.errors.NotFoundError
            For a plane that neither the exposure nor the default dictionary has.
        """
        return bad_bits(exposure.mask, self.config.badMaskPlanes, defaults_may_lack=True)

    @property
    def costWeights(self) -> CostWeights:
        """Weights of the costs in the choice of the reference."""
        config = self.config
        return CostWeights(config.bestRefWeightCoverage, config.bestRefWeightVariance, config.bestRefWeightLevel)

    @property
    def _thresholds(self) -> Thresholds:
        config = self.config
        return Thresholds(config.flagGoodFraction, config.flagGoodBinFraction, config.flagExtrapolatedFraction)

    def loadExposure(self, ref: Any, datasetType: str, scaler: Any = None) -> Exposure:
        """Read an exposure through its reference and scale it."""
        if not getattr(ref, "datasetExists", lambda _: True)(datasetType):
            raise errors.RuntimeError(f"Data reference {id_dict(ref.dataId)} does not exist")
        exposure: Exposure = ref.get(datasetType, immediate=True)
        if is_lsst_images(exposure):
            # The image is copied, as it may be an object in memory that belongs to the caller.
            exposure = exposure_of(exposure, str(id_dict(ref.dataId)))
            exposure.dataId = id_dict(ref.dataId)
            if scaler is not None:
                exposure = exposure.clone()  # a scaler changes the variance too, which is shared
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

    def _options(self, reference: Exposure, science: Exposure, reference_bad: int, science_bad: int) -> PairOptions:
        """Check sizes and order, and return the options of a match."""
        config = self.config
        size, other = tuple(science.getDimensions()), tuple(reference.getDimensions())
        options = PairOptions()
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
        options.referenceBadMask, options.scienceBadMask = reference_bad, science_bad
        if config.usePolynomial:
            self._check_order(min(size))
        if size != other:
            raise errors.RuntimeError(f"Exposures are different dimensions. sci:{size} vs. ref:{other}")
        return options

    @staticmethod
    def _without_model(**known: Any) -> Struct:
        names = ("backgroundModel", "fitRMS", "matchedMSE", "diffImVar")
        fractions = ("goodFraction", "goodBinFraction", "extrapolatedFraction")
        return Struct(**{**dict.fromkeys((*names, *fractions)), "flags": {}, **known})

    def _check_order(self, shorter: int) -> None:
        """Raise an error for a Chebyshev order that the bins do not allow, before anything is compared."""
        config = self.config
        if config.binSize > shorter:
            raise InvalidParameterError(f"{config.binSize} = config.binSize > shorter dimension = {shorter}")
        points = math.ceil(shorter / config.binSize)
        if config.order > points - 1:
            raise InvalidParameterError(f"{config.order} = config.order > npoints - 1 = {points - 1}")

    @staticmethod
    def _model(result: PairResult, science: Exposure) -> BackgroundMI | Approximate:
        if result.approximate is not None:
            return Approximate(result.approximate)
        if result.background is not None:
            return BackgroundMI.from_core(result.background, result.asUsed)
        # The zero model is a background of one bin that is 0.
        model = BackgroundMI(science.getBBox(), np.zeros((1, 1), dtype=np.float32))
        model.getBackgroundControl().setInterpStyle(Interpolate.Style.CONSTANT)
        return model
