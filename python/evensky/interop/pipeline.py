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
from ..image.like import data_like, exposure_of
from ..math.background import fill_with_model
from ..runs.record import ExposureRecord
from ..runs.reference import ReferenceMethod
from ..runs.run import match_exposures
from ..runs.source import Frame, Item, Result, Source
from ..tasks import MatchBackgroundsConfig


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
    """Task that matches the backgrounds of the warps of a patch and band.

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
            Handles with a method ``get()`` that returns a `lsst.images.MaskedImage`, and a ``dataId`` with a visit.

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
        source = _Warps(warps, list(self.config.match.badMaskPlanes))
        method = _OnOneBox(source, self.config.match, log=self.log.logger)
        try:
            run = match_exposures(source.items, method, reference=self._named_reference(source.items))
        except TaskError as error:  # no warp has a good pixel, so there is nothing to do
            raise pipe_base.NoWorkFound(str(error)) from error
        for record in run.failed:
            self.log.warning("Visit %s cannot be matched: %s", record.label, record.message)
        self.log.info("Matched %d of %d warps to visit %s", len(source.models), len(warps) - 1, run.reference)
        fits = {
            "reference": int(run.reference),
            "reason": run.reference_reason,
            "config": self.config.match.toDict(),
            "visits": {record.label: _as_data(record) for record in run.records},
        }
        return pipe_base.Struct(models=source.models, matched=source.matched, fits=fits)

    def _named_reference(self, items: Sequence[Item]) -> int | None:
        """Return the number of the warp of the configured visit, or None."""
        visit = self.config.refVisit
        if visit is None:
            return None
        for item in items:
            if item.label == str(visit):
                return item.index
        # One visit is named for a run over many patches.
        self.log.info("Visit %d does not cover this patch; the reference is chosen automatically", visit)
        return None


class _Warps(Source):
    """Warps that handles refer to, and the datasets that are made of them."""

    def __init__(self, handles: Sequence[Any], bad_planes: Sequence[str]) -> None:
        super().__init__(bad_planes)
        self._handles = handles
        self._visits = [int(handle.dataId["visit"]) for handle in handles]
        self.items = [Item(index, str(visit)) for index, visit in enumerate(self._visits)]
        self.models: dict[int, Image] = {}
        self.matched: dict[int, MaskedImage] = {}

    def read(self, item: Item, *, to_change: bool = True) -> Frame:
        warp = self._handles[item.index].get()
        exposure = exposure_of(warp, item.label)
        exposure.dataId = {"visit": self._visits[item.index]}
        return Frame(exposure, self.bits(exposure), warp)

    def finish(self, item: Item, frame: Frame, record: ExposureRecord, result: Result) -> None:
        visit, warp = self._visits[item.index], frame.data
        if result.model is None:
            self.matched[visit] = warp
            return
        pixels = np.empty(warp.image.array.shape, np.float32)
        fill_with_model(pixels, result.model)
        self.models[visit] = data_like(warp, pixels, bare=True)
        self.matched[visit] = data_like(warp, frame.exposure.image.array)


class _OnOneBox(ReferenceMethod):
    """A match of warps, whose boxes must be equal."""

    def _check(self, frame: Frame, reference: Frame) -> None:
        box, other = frame.exposure.getBBox(), reference.exposure.getBBox()
        if box != other:
            raise TaskError(f"its box is {box}, the reference's {other}")
        super()._check(frame, reference)


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
