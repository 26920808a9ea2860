"""Task of an LSST pipeline that matches the backgrounds of the warps of a patch, read from and written to a Butler.

It needs ``pip install "evensky[pipeline]"`` and Python 3.12. docs/pipeline.md describes how to run it.
"""

from __future__ import annotations

__all__ = ["MatchWarpBackgroundsConfig", "MatchWarpBackgroundsConnections", "MatchWarpBackgroundsTask"]

from collections.abc import Sequence
from typing import Any, ClassVar

import lsst.pipe.base as pipe_base
import numpy as np
from lsst.images import Image, MaskedImage
from lsst.pex.config import ConfigField, Field
from lsst.pipe.base import connectionTypes

from ..errors import TaskError
from ..image import Exposure
from ..math import Approximate, BackgroundMI
from ..math.background import fill_with_model
from ..tasks import MatchBackgroundsConfig, MatchBackgroundsTask
from ..tasks.match_exposure import ExposureMatcher, choose_reference, failed, reason_of_choice
from ..tasks.run_record import ExposureRecord
from .astropy import data_like, exposure_of


class MatchWarpBackgroundsConnections(
    pipe_base.PipelineTaskConnections,
    dimensions=("skymap", "tract", "patch", "band"),
    defaultTemplates={"warpType": "direct"},
):
    """Inputs and outputs of `MatchWarpBackgroundsTask`."""

    warps = connectionTypes.Input(
        doc="Warps of a patch, one for each visit.",
        name="{warpType}_warp",
        storageClass="MaskedImageV2",
        dimensions=("skymap", "tract", "patch", "visit"),
        multiple=True,
        deferLoad=True,
    )
    models = connectionTypes.Output(
        doc="Model that was added to each matched warp.",
        name="{warpType}_warp_background_diff",
        storageClass="ImageV2",
        dimensions=("skymap", "tract", "patch", "visit"),
        multiple=True,
    )
    matched = connectionTypes.Output(
        doc="Matched warps, and the unchanged reference.",
        name="{warpType}_warp_background_matched",
        storageClass="MaskedImageV2",
        dimensions=("skymap", "tract", "patch", "visit"),
        multiple=True,
    )
    fits = connectionTypes.Output(
        doc="Quality of the fit for each visit; the visit of the reference, and the reason of its choice.",
        name="{warpType}_warp_background_fit",
        storageClass="StructuredDataDict",
        dimensions=("skymap", "tract", "patch", "band"),
    )


class MatchWarpBackgroundsConfig(pipe_base.PipelineTaskConfig, pipelineConnections=MatchWarpBackgroundsConnections):
    """Configuration of `MatchWarpBackgroundsTask`."""

    match = ConfigField[MatchBackgroundsConfig](dtype=MatchBackgroundsConfig, doc="Configuration of the matching.")
    refVisit = Field[int](
        dtype=int, default=None, optional=True, doc="Visit to match the others to; chosen automatically by default."
    )


class MatchWarpBackgroundsTask(pipe_base.PipelineTask):
    """Match the backgrounds of the warps of a patch and band.

    To each warp except the reference, the task adds a smooth model that makes its background equal to that of the
    reference. The results are bit-identical to those of `evensky.tasks.MatchBackgroundsTask`. A warp that cannot be
    matched has no outputs; the log and the fit table hold the reason.
    """

    ConfigClass = MatchWarpBackgroundsConfig
    _DefaultName: ClassVar[str] = "matchWarpBackgrounds"
    config: MatchWarpBackgroundsConfig

    def runQuantum(self, butlerQC: Any, inputRefs: Any, outputRefs: Any) -> None:
        """Read the warps of one patch and band, match them, and write the results of `run`."""
        handles = sorted(butlerQC.get(inputRefs.warps), key=lambda handle: int(handle.dataId["visit"]))
        result = self.run(handles)
        for name in ("models", "matched"):
            refs = {int(ref.dataId["visit"]): ref for ref in getattr(outputRefs, name)}
            for visit, dataset in getattr(result, name).items():
                butlerQC.put(dataset, refs[visit])
        butlerQC.put(result.fits, outputRefs.fits)

    def run(self, warps: Sequence[Any]) -> pipe_base.Struct:
        """Match warps to one of them.

        Parameters
        ----------
        warps : sequence of handles
            Each has a method ``get()`` that returns a `lsst.images.MaskedImage`, and a ``dataId`` with a visit.

        Returns
        -------
        lsst.pipe.base.Struct
            models : dict of int to lsst.images.Image
                Model that was added to the warp of each matched visit.
            matched : dict of int to lsst.images.MaskedImage
                Matched warps, and the unchanged reference.
            fits : dict
                Keys are ``reference`` (its visit), ``reason`` (of its choice), ``config``, and ``visits``, which holds
                for each visit its status and the quantities reported by `MatchBackgroundsTask.matchBackgrounds`.

        Raises
        ------
        lsst.pipe.base.NoWorkFound
            If there are fewer than two warps, or none of them can be the reference.
        """
        if len(warps) < 2:
            raise pipe_base.NoWorkFound(f"There are {len(warps)} warps; at least 2 are needed to match")
        task = MatchBackgroundsTask(config=self.config.match, log=self.log.logger)
        matcher = ExposureMatcher(task)
        visits = [int(handle.dataId["visit"]) for handle in warps]
        try:
            reference, reason = self._choose(task, warps, visits)
        except TaskError as error:  # No warp has a good pixel, so nothing can be matched.
            raise pipe_base.NoWorkFound(str(error)) from error
        chosen = self._exposure(warps[reference].get(), visits[reference])
        models: dict[int, Image] = {}
        matched: dict[int, MaskedImage] = {}
        records: dict[str, Any] = {}
        for index, (handle, visit) in enumerate(zip(warps, visits, strict=True)):
            try:
                warp = handle.get()
                if index == reference:
                    record = matcher.describe_reference(chosen, str(visit), "")
                    matched[visit] = warp
                else:
                    science = self._exposure(warp, visit)
                    if science.getBBox() != chosen.getBBox():
                        raise TaskError(f"its box is {science.getBBox()}, the reference's {chosen.getBBox()}")
                    record, struct = matcher.match(chosen, science, str(visit), "")
                    models[visit] = self._model_image(struct.backgroundModel, warp)
                    matched[visit] = data_like(warp, science.image.array)
            except Exception as error:  # The failure of one warp must not stop the others.
                self.log.warning("Visit %d cannot be matched: %s", visit, error)
                record = failed(str(visit), "", error)
            records[str(visit)] = _as_data(record)
        self.log.info("Matched %d of %d warps to visit %d", len(models), len(warps) - 1, visits[reference])
        fits = {
            "reference": visits[reference],
            "reason": reason,
            "config": self.config.match.toDict(),
            "visits": records,
        }
        return pipe_base.Struct(models=models, matched=matched, fits=fits)

    def _choose(self, task: MatchBackgroundsTask, warps: Sequence[Any], visits: Sequence[int]) -> tuple[int, str]:
        """Return the index of the reference, and the reason of its choice."""
        if self.config.refVisit in visits:
            return visits.index(self.config.refVisit), reason_of_choice(None)
        if self.config.refVisit is not None:
            # One run names the same visit for many patches, some of which it does not cover.
            self.log.info("Visit %d does not cover this patch: the best one is the reference", self.config.refVisit)
        index, candidates = choose_reference(
            task, [str(visit) for visit in visits], lambda index: self._exposure(warps[index].get(), visits[index])
        )
        return index, reason_of_choice(candidates)

    @staticmethod
    def _exposure(warp: Any, visit: int) -> Exposure:
        exposure = exposure_of(warp, str(visit))
        exposure.dataId = {"visit": visit}
        return exposure

    @staticmethod
    def _model_image(model: BackgroundMI | Approximate, warp: Any) -> Image:
        pixels = np.empty(warp.image.array.shape, np.float32)
        fill_with_model(pixels, model)
        image: Image = data_like(warp, pixels, bare=True)
        return image


def _as_data(record: ExposureRecord) -> dict[str, Any]:
    """Return a record as a dictionary of types that YAML and JSON can hold."""
    names = (
        "status",
        "model",
        "fit_rms",
        "matched_mse",
        "diff_im_var",
        "level_before",
        "level_after",
        "model_min",
        "model_max",
        "good_fraction",
        "common_fraction",
        "good_bin_fraction",
        "extrapolated_fraction",
        "flags",
        "warnings",
        "message",
    )
    return {name: getattr(record, name) for name in names}
