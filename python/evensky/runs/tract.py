"""A joint match of the visits of a tract: warps of its patches, with one model for each visit across all patches."""

from __future__ import annotations

__all__ = ["TERMS", "TractMethod", "TractSource", "Warp"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import InvalidParameterError, UnsuitableError
from ..geom import Box2I
from ..image import Exposure
from ..image.like import data_like, exposure_of
from ..matching.joint.config import MatchAllConfig
from ..matching.joint.grid import PixelBox
from ..matching.joint.terms import terms_of
from .joint import HELD_BYTES, JointMethod
from .method import Change, Plan
from .record import ExposureRecord
from .source import Frame, Item, Result, Source

TERMS = ("smooth", "gain")
"""Terms that the model of a visit may have: all others belong to the pixels of one image."""


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


class TractSource(Source):
    """Source of the warps of a tract, which hands over the results.

    Patches overlap. Each pixel of the tract is compared in one patch only, the one whose inner box holds it.

    Parameters
    ----------
    warps : sequence of Warp
    inner : callable
        Function of a patch that returns its inner box, a Box2I in the pixels of the tract.
    bad_planes : sequence of str
    take : callable
        Function of a warp, its matched pixels in the type of the input, the model that was added (None if it is 0), and
        the record. It is called once for each matched warp, from the thread that has matched it.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If there are no warps, or two of the same visit and patch.
    """

    def __init__(
        self,
        warps: Sequence[Warp],
        inner: Callable[[int], Box2I],
        bad_planes: Sequence[str],
        take: Callable[[Warp, Any, Any, ExposureRecord], None],
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
        self._inner = {patch: inner(patch) for patch in {warp.patch for warp in self.warps}}
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
        if not to_change:
            inner, whole = self._inner[warp.patch], exposure.getBBox()
            if not inner.overlaps(whole):
                raise UnsuitableError(
                    [
                        f"the warp of {warp.label} covers {whole}, but the inner box of its patch is {inner}; its "
                        "origin must be in the pixels of the tract"
                    ]
                )
            exposure = Exposure(exposure, inner.clippedTo(whole))
        return Frame(exposure, self.bits(exposure), data, shared=True)

    def finish(self, item: Item, frame: Frame, record: ExposureRecord, result: Result) -> None:
        """Hand over a matched warp and its model."""
        variance = frame.exposure.variance.array if result.variance_changed else None
        matched = data_like(frame.data, frame.exposure.image.array, variance=variance)
        self._take(self.warps[item.index], matched, result.model, record)


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

    def _keep(self, plan: Plan, record: ExposureRecord) -> Change:
        change = super()._keep(plan, record)
        change.model = None
        return change

    def _change(self, item: Item, frame: Frame, plan: Plan, record: ExposureRecord) -> Change:
        """Add the model to the whole warp, also where it overlaps with other patches."""
        fit = plan.fit  # type: ignore[attr-defined]
        if fit.model is not None:
            box = frame.exposure.getBBox()
            whole = box.getMinX(), box.getMinY(), box.getWidth(), box.getHeight()
            plan = replace(plan, fit=replace(fit, model=fit.model.over(whole)))  # type: ignore[call-arg]
        return super()._change(item, frame, plan, record)
