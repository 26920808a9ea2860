"""Matching of the visits of a tract in one call."""

from __future__ import annotations

__all__ = ["MatchTractResult", "match_tract"]

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._checks import names_of, shown, whole_number
from ..draw.progress import Progress
from ..errors import InvalidParameterError
from ..io import read_exposure
from ..io.configuration import change_config
from ..io.data_refs import id_dict
from ..matching.joint.config import MatchAllConfig
from ..matching.joint.models import Model
from ..runs.known import Known, with_level
from ..runs.match_run import MatchRun
from ..runs.record import ExposureRecord
from ..runs.tract import BAD_PLANES, TERMS, Warp, match_warps
from ..tasks.tract import SkyMap, TractInfo
from .result import RunResult

if TYPE_CHECKING:
    from astropy.table import Table

Take = Callable[[int, int, Any, Model | None], None]


@dataclass(repr=False)
class MatchTractResult(RunResult):
    """The result of `match_tract`.

    Attributes
    ----------
    warps : dict of (int, int) to image-like
        Matched warps by visit and patch, of the same types as the inputs; empty if they were handed to `take`.
    models : dict of (int, int) to Model or None
        The model that was added to each warp; None for the reference. Those of one visit are one function over the
        tract.
    reference : int
        Visit that is the reference.
    run : MatchRun
        All further details, with an `ExposureRecord` for each warp.
    """

    run: MatchRun
    reference: int
    warps: dict[tuple[int, int], Any] = field(default_factory=dict)
    models: dict[tuple[int, int], Model | None] = field(default_factory=dict)

    @property
    def visits(self) -> Table:
        """Results as an `astropy.table.Table`, one row per visit."""
        from astropy.table import Table

        rows = []
        for visit, records in self._by_visit().items():
            done = [record for record in records if record.status != "failed"]
            chi = [record.fit_chi for record in done if record.fit_chi is not None and math.isfinite(record.fit_chi)]
            sigma = [record.largest_sigma for record in done if record.largest_sigma is not None]
            models = sorted({record.model for record in done if record.model})
            rows.append(
                {
                    "visit": visit,
                    "status": "failed" if not done else "reference" if visit == self.reference else "matched",
                    "model": ", ".join(models),
                    "warps": len(done),
                    "failed": len(records) - len(done),
                    "fit_chi": math.sqrt(sum(one**2 for one in chi) / len(chi)) if chi else math.nan,
                    "largest_sigma": max(sigma, default=math.nan),
                    "group": max((record.group for record in done if record.group is not None), default=-1),
                    "flags": ", ".join(_counted([record.flags for record in done])),
                    "message": next((record.message for record in records if record.status == "failed"), ""),
                }
            )
        return Table(rows=rows)

    def __str__(self) -> str:
        return "\n".join([str(self.run), *(note for note in self.run.notes if not note.startswith("Note: "))])

    def _by_visit(self) -> dict[int, list[ExposureRecord]]:
        """Return the records of all warps by visit."""
        result: dict[int, list[ExposureRecord]] = {}
        for record in self.run.records:
            result.setdefault(int(record.path), []).append(record)
        return dict(sorted(result.items()))


def _counted(flags: list[list[str]]) -> list[str]:
    """Return flags, with the number of warps that have them unless all do."""
    number = Counter(flag for one in flags for flag in one)
    return [
        flag if number[flag] == len(flags) else f"{flag} ({number[flag]} of {len(flags)})" for flag in sorted(number)
    ]


def match_tract(
    warps: Mapping[tuple[int, int], Any] | Iterable[Any],
    sky_map: Any,
    *,
    tract: int | None = None,
    reference: int | None = None,
    level: str | None = None,
    order: int | None = None,
    bin_size: int | None = None,
    bad_planes: str | Iterable[str] | None = None,
    scale: bool | None = None,
    config: MatchAllConfig | None = None,
    workers: int = 1,
    take: Take | None = None,
    progress: Progress | None = None,
) -> MatchTractResult:
    """Match the backgrounds of all visits of a tract to each other at once.

    The differences of all pairs of visits are measured in bins over the tract. One least-squares solution gives one
    Chebyshev series for each visit over the whole tract, with errors; its order is selected from the data. So there
    are no steps between patches, and visits that lack patches need no special treatment.

    Parameters
    ----------
    warps : mapping or iterable
        Warps by (visit, patch): images with an origin in the pixels of the tract (a bounding box, or the cards LTV1 and
        LTV2), or names of FITS files; or handles with a method ``get()`` that returns such an image, and a ``dataId``
        with visit and patch. They are not changed.
    sky_map : SkyMap, TractInfo or mapping
        A sky map, or anything of the shape of ``lsst.skymap``; see `evensky.tasks.tract`.
    tract : int, optional
        The tract; by default that of the handles, or the only one of the sky map.
    reference : int, optional
        Visit to leave unchanged; by default chosen automatically. See also `level`.
    level, order, bin_size, scale, config
        See `evensky.match_all`. The terms are "smooth" and "gain", and splines are not among the candidate models.
    bad_planes : str or iterable of str, optional
        Names of mask planes whose pixels do not count, by default "BAD", "SAT", "EDGE" and "NO_DATA", as in the match
        of a tract to a reference.
    workers : int, optional
        Number of threads, at least 1. Results do not depend on it.
    take : callable, optional
        Function of visit, patch, matched warp, and model (None for the reference), which is called for each warp as
        soon as it is matched. Results are then not kept in memory.
    progress : callable, optional
        Called with a label, the number of steps done, and the total number of steps.

    Returns
    -------
    MatchTractResult
        A warp that fails does not stop the others.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If there are no warps, a warp is given twice, or a parameter is not allowed.
    evensky.errors.TaskError
        If no visit can be the reference.

    Examples
    --------
    >>> import numpy as np, evensky
    >>> from evensky.image import ImageF
    >>> from evensky.tasks.tract import SkyMap, TractInfo
    >>> sky_map = SkyMap({0: TractInfo(patch=(200, 200), number=(2, 1), border=20, tract=0)})
    >>> pixels = np.random.default_rng(1).normal(100, 5, (200, 400)).astype("f4")
    >>> slope = np.linspace(0, 30, 400, dtype="f4")
    >>> warps = {}
    >>> for patch in (0, 1):
    ...     box = sky_map[0][patch].getOuterBBox()
    ...     for visit, background in ((7, 0 * slope), (8, slope), (9, 5 - slope)):
    ...         image = (pixels + background)[:, box.getMinX() : box.getMaxX() + 1]
    ...         warps[visit, patch] = ImageF(image, xy0=box.getMin())
    >>> result = evensky.match_tract(warps, sky_map, reference=7)
    >>> worst = [abs(result.warps[v, p].array - warps[7, p].array).max() for v in (8, 9) for p in (0, 1)]
    >>> round(float(max(worst)), 2)
    0.0
    """
    found, named = _warps_of(warps)
    sky_map = _as_sky_map(sky_map)
    usual = list(BAD_PLANES) if config is None else None
    given = {
        "level": level,
        "order": order,
        "bin_size": bin_size,
        "bad_planes": usual if bad_planes is None else list(names_of(bad_planes, "bad_planes") or ()),
        "scale": scale,
        "terms": None if config is not None else list(TERMS),
    }
    made = change_config(MatchAllConfig, config, {name: value for name, value in given.items() if value is not None})
    made = with_level(made, Known(), named=reference is not None)
    matched: dict[tuple[int, int], Any] = {}
    models: dict[tuple[int, int], Model | None] = {}

    def keep(warp: Warp, pixels: Any, model: Model | None) -> None:
        models[warp.visit, warp.patch] = model
        if take is None:
            matched[warp.visit, warp.patch] = pixels
        else:
            take(warp.visit, warp.patch, pixels, model)

    run, chosen = match_warps(
        found,
        sky_map,
        _tract_of(sky_map, named, tract),
        made,
        reference=reference,
        workers=workers,
        take=keep,
        progress=progress,
    )
    order_of = [(warp.visit, warp.patch) for warp in found]
    return MatchTractResult(
        run,
        chosen,
        {key: matched[key] for key in order_of if key in matched},
        {key: models[key] for key in order_of if key in models},
    )


def _warps_of(warps: Mapping[tuple[int, int], Any] | Iterable[Any]) -> tuple[list[Warp], set[int]]:
    """Return the warps, and the tracts that their handles name."""
    if isinstance(warps, Mapping):
        return [
            Warp(*_key(key), partial(read_exposure if isinstance(data, str | Path) else _itself, data))
            for key, data in warps.items()
        ], set()
    found: list[Warp] = []
    tracts: set[int] = set()
    handle: Any
    for handle in warps:
        if not (hasattr(handle, "get") and hasattr(handle, "dataId")):
            raise InvalidParameterError(
                f"A warp is {shown(handle)}; give a mapping of (visit, patch) to images, or handles with get() and a "
                "dataId"
            )
        names = id_dict(handle.dataId)
        if missing := [name for name in ("visit", "patch") if name not in names]:
            raise InvalidParameterError(f"The data ID {names} lacks {' and '.join(missing)}; both are needed")
        if "tract" in names:
            tracts.add(int(names["tract"]))
        found.append(Warp(int(names["visit"]), int(names["patch"]), handle.get))
    return found, tracts


def _itself(data: Any) -> Any:
    return data


def _key(key: Any) -> tuple[int, int]:
    pair = key if isinstance(key, tuple) else ()
    if len(pair) != 2:
        raise InvalidParameterError(f"A key of the warps is {shown(key)}; it must be a tuple of visit and patch")
    return whole_number(pair[0], "A visit"), whole_number(pair[1], "A patch")


def _as_sky_map(sky_map: Any) -> Any:
    """Return a sky map that is given as such, as one of its tracts, or as tracts by their numbers."""
    if isinstance(sky_map, TractInfo):
        return SkyMap({sky_map.getId(): sky_map})
    if isinstance(sky_map, Mapping):
        return SkyMap(sky_map)
    if not (hasattr(sky_map, "__getitem__") and hasattr(sky_map, "__len__")) or isinstance(sky_map, list | tuple | str):
        raise InvalidParameterError(
            f"sky_map is {shown(sky_map)}, a {type(sky_map).__name__}; give a SkyMap of evensky.tasks.tract or of "
            "lsst.skymap, or a TractInfo"
        )
    return sky_map


def _tract_of(sky_map: Any, named: set[int], tract: int | None) -> int:
    """Return the tract of a match."""
    if tract is not None:
        named = {*named, whole_number(tract, "tract")}
    elif not named and len(sky_map) == 1:
        named = {next(iter(sky_map)).getId()}
    if len(named) != 1:
        raise InvalidParameterError(
            f"The tracts are {sorted(named)}; warps of one tract are matched at a time, so give one by tract"
            if named
            else f"The sky map has {len(sky_map)} tracts, and the warps do not say which is theirs; give one by tract"
        )
    return named.pop()
