"""A joint match of the visits of a tract: warps of its patches, with one model for each visit across all patches."""

from __future__ import annotations

__all__ = ["BAD_PLANES", "TERMS", "Take", "TractMethod", "TractSource", "Warp", "match_warps"]

import math
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .._checks import whole_number
from ..draw.progress import Progress
from ..errors import InvalidParameterError, UnsuitableError
from ..fits.headers import origin_of
from ..geom import Box2I, Point2I
from ..image import Exposure
from ..image.like import data_like, exposure_of
from ..matching.joint.config import MatchAllConfig
from ..matching.joint.differences import PairBins
from ..matching.joint.grid import CommonGrid, PixelBox, around
from ..matching.joint.models import Model
from ..matching.joint.terms import terms_of
from ..tasks.tract.background import misplacement, plain_box, tract_of
from ..tasks.tract.config import TractBackgroundConfig
from ..work.executors import open_executor
from .joint import Correction, JointMethod
from .match_run import MatchRun
from .memory_plan import HELD_BYTES
from .method import Change, Look, Plan, log
from .record import ExposureRecord, UntiedGroups
from .run import match_exposures
from .source import Frame, Item, Result, Source

TERMS = ("smooth", "gain")
"""Terms that the model of a visit may have: all others belong to the pixels of one image."""

BAD_PLANES = tuple(TractBackgroundConfig().mask)
"""Mask planes whose pixels do not count, as in the match to a reference: edges of detectors among them, but no stars,
as these cancel in differences."""

# Positions along the sides of a warp at which the error of its model is evaluated.
_STEPS = 17


@dataclass(frozen=True)
class Warp:
    """The part of a visit that covers a patch, before it is read.

    Attributes
    ----------
    visit, patch : int
    load : callable
        Function that returns the warp, any image with a bounding box in the pixels of the tract.
    """

    visit: int
    patch: int
    load: Callable[[], Any]

    @property
    def label(self) -> str:
        """Name of the warp in a run."""
        return f"visit {self.visit}, patch {self.patch}"


Take = Callable[[Warp, Any, "Model | None"], object]
"""Function of a warp, its matched pixels in the type of the input, and the model that was added (None if it is 0)."""


class TractSource(Source):
    """Source of the warps of a tract, which hands over the results.

    Patches overlap. Each pixel of the tract is compared in one patch only, the one whose inner box holds it.

    Parameters
    ----------
    warps : sequence of Warp
    info : TractInfo
        The tract, of `evensky.tasks.tract` or of ``lsst.skymap``.
    bad_planes : sequence of str
    take : Take
        Function that is called once for each matched warp, from the thread that has matched it.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If there are no warps, or two of the same visit and patch.
    """

    def __init__(
        self,
        warps: Sequence[Warp],
        info: Any,
        bad_planes: Sequence[str],
        take: Take,
    ) -> None:
        super().__init__(bad_planes)
        if not warps:
            raise InvalidParameterError("There are 0 warps; at least 1 is needed")
        # All visits of a patch follow each other, so that few warps are kept in memory.
        self.warps = sorted(warps, key=lambda warp: (warp.patch, warp.visit))
        seen: set[tuple[int, int]] = set()
        for warp in self.warps:
            if (warp.visit, warp.patch) in seen:
                raise InvalidParameterError(f"The warp of {warp.label} is given twice; give each warp once")
            seen.add((warp.visit, warp.patch))
        self._info = info
        self._inner = {patch: _inner_box(info, patch) for patch in {warp.patch for warp in self.warps}}
        self._take = take
        self.items = [self._item(index, warp) for index, warp in enumerate(self.warps)]

    def _item(self, index: int, warp: Warp) -> Item:
        # The patches of a visit are like the chips of a file, at their places in the tract.
        x0, y0 = self._inner[warp.patch].getMin()
        visit = Path(str(warp.visit))
        place = (1.0, 0.0, float(x0), 0.0, 1.0, float(y0))
        return Item(index, warp.label, visit, visit, slot=f"patch {warp.patch}", to_plane=place)

    def box_of(self, item: Item) -> PixelBox | None:
        """Return the inner box of the patch of a warp."""
        box = self._inner[self.warps[item.index].patch]
        return box.getMinX(), box.getMinY(), box.getWidth(), box.getHeight()

    def number_of(self, visit: int) -> int:
        """Return the number of the first warp of a visit.

        Raises
        ------
        evensky.errors.InvalidParameterError
            If the visit has no warp.
        """
        for index, warp in enumerate(self.warps):
            if warp.visit == visit:
                return index
        visits = ", ".join(str(one) for one in sorted({warp.visit for warp in self.warps}))
        raise InvalidParameterError(f"The reference visit is {visit}; the visits of the warps are {visits}")

    def read(self, item: Item, *, to_change: bool = True) -> Frame:
        """Read a warp: all of its pixels if it will be changed, else those in the inner box of the patch."""
        warp = self.warps[item.index]
        data = warp.load()
        exposure = exposure_of(data, warp.label, copy=to_change)
        exposure.dataId = {"visit": warp.visit, "patch": warp.patch}
        header = getattr(data, "meta", None)
        if header is not None and not hasattr(data, "bbox") and "LTV1" in header and "LTV2" in header:
            exposure.setXY0(Point2I(*origin_of(header, warp.label)))
        whole = exposure.getBBox()
        if reason := misplacement(self._info, warp.patch, whole):
            raise UnsuitableError([f"the warp of {warp.label} is in the wrong place: {reason}"])
        if not to_change:
            exposure = Exposure(exposure, self._inner[warp.patch].clippedTo(whole))
        return Frame(exposure, self.bits(exposure), data, shared=True)

    def finish(self, item: Item, frame: Frame, record: ExposureRecord, result: Result) -> None:
        """Hand over a matched warp and its model."""
        variance = frame.exposure.variance.array if result.variance_changed else None
        if isinstance(frame.data, Exposure) or not hasattr(frame.data, "maskedImage"):
            matched = data_like(frame.data, frame.exposure.image.array, variance=variance)
        else:  # an exposure of another package
            matched = frame.data.clone()
            matched.image.array[...] = frame.exposure.image.array
            if variance is not None:
                matched.variance.array[...] = variance
        self._take(self.warps[item.index], matched, result.model)


def _inner_box(info: Any, patch: int) -> Box2I:
    """Return the inner box of a patch; that of the tract for a patch that it lacks, whose warps are not read."""
    try:
        return plain_box(info[patch].getInnerBBox())
    except (LookupError, ValueError):
        return plain_box(info.getBBox())


class TractMethod(JointMethod):
    """A joint match of the visits of a tract; the model of a visit is one series over the whole tract.

    Parameters
    ----------
    source : TractSource
    config : MatchAllConfig
        Splines are not used, as they are not defined beyond the box of a patch.
    workers, held_bytes : int, optional
        See `JointMethod`.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the configuration has other terms than `TERMS`.
    """

    chip_levels = False  # patches are parts of one sky

    def __init__(
        self, source: TractSource, config: MatchAllConfig, *, workers: int = 1, held_bytes: int = HELD_BYTES
    ) -> None:
        terms = terms_of(config.terms)
        if other := [str(term) for term in terms if term.kind not in TERMS]:
            raise InvalidParameterError(
                f"The terms {', '.join(other)} belong to the pixels of one image; those of a tract are "
                f"{' and '.join(TERMS)}, so set terms to these"
            )
        made = MatchAllConfig()
        made.update(**config.toDict())
        made.spline = False
        super().__init__(source, made, terms=terms, workers=workers, held_bytes=held_bytes)

    def foresee(self, items: Sequence[Item]) -> None:
        """Derive the size of the bins from that of the tract, as models extend over all of it."""
        _, _, width, height = around([box for box in map(self.source.box_of, items) if box is not None])
        if self._grid is None:
            # Twice as many bins as along an exposure, as visits may share only parts of the tract.
            self._grid = CommonGrid.fitting(width // 2, height // 2)
            self.settled = True
        if self._grid.bin_size > min(width, height):
            raise InvalidParameterError(
                f"bin_size = {self._grid.bin_size}, but the patches cover {width} x {height} px; choose smaller bins"
            )

    def plan(
        self, items: Sequence[Item], looks: Sequence[Look], differences: Sequence[PairBins]
    ) -> tuple[list[Plan], list[str]]:
        """Solve for the models of all visits at once.

        A warp that meets no other visit gets the model of its visit, continued from the nearest other patch.
        """
        made, notes = super().plan(items, looks, differences)
        plans = [plan for plan in made if isinstance(plan, Correction)]  # all of them
        continued = []
        for item, look in zip(items, looks, strict=True):
            plan, box = plans[item.index], look.box
            if plan.fit.model is not None or box is None:
                continue
            others = [one for one in items if one.path == item.path and plans[one.index].fit.model is not None]
            if not others:
                continue
            nearest = min(others, key=lambda one: (_distance(self.source.box_of(one), box), one.index))
            fit, stays = plans[nearest.index].fit, plans[nearest.index].stays
            assert fit.model is not None
            model = fit.model.over(box)
            alone = replace(fit, model=model, partners=[], bins=0, rejected=0, rms=np.nan, chi=np.nan, flags={})
            plans[item.index] = replace(plan, fit=alone, stays=stays)
            continued.append(item.label)
        visits: dict[int, list[str]] = {}
        for item in items:
            group = plans[item.index].fit.group
            if group >= 0 and str(item.path) not in visits.setdefault(group, []):
                visits[group].append(str(item.path))
        if len(visits) > 1:
            groups = sorted(sorted(one) for one in visits.values())
            note = (
                f"{len(visits)} groups of visits have no good pixel in common; each group was matched by itself, and "
                f"its level is not tied to the others: {'; '.join(map(', '.join, groups))}."
            )
            self.untied = [*self.untied, UntiedGroups("visits", groups, note)]
            notes = [*notes, note]
        if continued:
            self.covariance = None  # it does not say how models of different places belong together
            notes = [
                *notes,
                f"No other visit has good pixels there, so the models are continued from other patches: "
                f"{'; '.join(continued)}.",
            ]
        return list(plans), notes

    def _keep(self, plan: Plan, record: ExposureRecord) -> Change:
        change = super()._keep(plan, record)
        change.model = None
        return change

    def _change(self, item: Item, frame: Frame, plan: Plan, record: ExposureRecord) -> Change:
        """Add the model to the whole warp, also where it overlaps with other patches."""
        assert isinstance(plan, Correction)
        if plan.fit.model is not None:
            box = frame.exposure.getBBox()
            model = plan.fit.model.over((box.getMinX(), box.getMinY(), box.getWidth(), box.getHeight()))
            plan = replace(plan, fit=replace(plan.fit, model=model, largest_sigma=_largest_sigma(model)))
        return super()._change(item, frame, plan, record)


def _largest_sigma(model: Model) -> float:
    """Return the largest standard error of a series over its box, edges included."""
    x0, y0, width, height = model.box
    x, y = np.meshgrid(np.linspace(x0, x0 + width - 1, _STEPS), np.linspace(y0, y0 + height - 1, _STEPS))
    return float(model.sigma(x.ravel(), y.ravel()).max())


def _distance(one: PixelBox | None, other: PixelBox) -> float:
    """Return the distance between the centres of two boxes, in pixels."""
    assert one is not None  # the patch of a warp has a box
    return math.hypot(*(one[axis] - other[axis] + (one[axis + 2] - other[axis + 2]) / 2 for axis in (0, 1)))


def match_warps(
    warps: Sequence[Warp],
    sky_map: Any,
    tract: int,
    config: MatchAllConfig,
    *,
    reference: int | None = None,
    workers: int = 1,
    take: Take,
    progress: Progress | None = None,
) -> tuple[MatchRun, int]:
    """Match the visits of a tract to each other at once.

    Parameters
    ----------
    warps : sequence of Warp
    sky_map : SkyMap
        A sky map of `evensky.tasks.tract`, or one of ``lsst.skymap``.
    tract : int
        Number of the tract.
    config : MatchAllConfig
    reference : int, optional
        Visit to leave unchanged; by default chosen automatically.
    workers : int, optional
        Number of threads.
    take : Take
        Function that is called for each matched warp as soon as it is matched.
    progress : callable, optional
        Called with a label, the number of steps done, and the total number of steps.

    Returns
    -------
    run : MatchRun
        With a record for each warp, by patch and visit.
    reference : int
        Visit that is the reference.
    """
    info = tract_of(sky_map, tract)
    if not hasattr(info, "getBBox"):
        raise InvalidParameterError(
            f"The sky map has a {type(info).__name__} for tract {tract}; it must have tracts, so give one tract as "
            "SkyMap({number: tract})"
        )

    source = TractSource(warps, info, list(config.bad_planes), take)
    number = None if reference is None else source.number_of(reference)
    workers = whole_number(workers, "workers")
    if workers < 1:
        raise InvalidParameterError(f"workers = {workers}; at least 1 is needed")
    method = TractMethod(source, config, workers=workers)
    with closing(method), open_executor("threads", workers) as opened:
        run = match_exposures(source.items, method, reference=number, renew=opened.renew, progress=progress)
    for record in run.failed:
        log.warning("The warp of %s cannot be matched: %s", record.label, record.message)
    visits = {item.label: warp.visit for item, warp in zip(source.items, source.warps, strict=True)}
    return run, visits[run.reference]
