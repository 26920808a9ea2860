"""The method "all": a joint match, in which all exposures are matched to each other at once."""

from __future__ import annotations

__all__ = ["Correction", "JointMethod"]

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._bands import band_height, row_bands
from .._blas import one_blas_thread
from .._core import PairOptions
from .._text import reason_of
from ..errors import InvalidParameterError, TaskError
from ..fits.scratch import ScratchPlane, stored
from ..matching.joint.astrometry import measured_shifts
from ..matching.joint.closure import noise_of_clipping
from ..matching.joint.config import MatchAllConfig
from ..matching.joint.detections import Sources, find_sources
from ..matching.joint.differences import Coverage, Differences, PairBins, coverage_of, measure_pair
from ..matching.joint.fits import ExposureFit, JointFit
from ..matching.joint.grid import CommonGrid, PixelBox
from ..matching.joint.network import Chip
from ..matching.joint.partners import choose_pairs
from ..matching.joint.pixel_map import PixelMap
from ..matching.joint.pixels import Pixels
from ..matching.joint.random_numbers import MOST_TERMS
from ..matching.joint.search import fit_all
from ..matching.joint.system import Anchor
from ..matching.joint.terms import DEFAULT_TERMS, Term, terms_of
from ..matching.reference import CostWeights
from ..matching.units import differ, most_common_unit
from ..math import stringToStatisticsProperty
from ..work.held import PIXELS
from ..work.jobs import Job
from ..work.memory import told
from .memory_plan import HELD_BYTES, LEAST_HELD
from .method import Change, Look, Method, Plan, log
from .record import CandidateScore, ExposureRecord, NoOverlapError, Status, TermRecord, UntiedGroups
from .source import Frame, Item, Source
from .terms import load_planes

# Number of pixels of a model that are evaluated at a time: few enough that a processor has them when they are added.
_BAND_PIXELS = 2**19
# Number of pixels that are marked at a time: few enough that a processor keeps them in its caches.
_CACHED_PIXELS = 2**17

# Exposures are flagged if a smaller share of their bins is good in another exposure, too.
_LEAST_COMMON, _LEAST_ENCLOSED = 0.1, 0.9
# Stars are at the same pixels within this distance in pixels.
_SAME_PLACE = 3.0
_NOTHING = Coverage(np.zeros(0, np.int64), np.zeros(0, np.int64))


@dataclass(kw_only=True)
class Correction(Plan):
    """The model of an exposure, with details for its record.

    Attributes
    ----------
    fit : ExposureFit
    partners : list of str
        Labels of the exposures with which it was compared.
    covered_bins : int
        Number of bins in which it has good pixels.
    problem : str
        Reason why the exposure could not be read; "" if it could be read.
    level : str
        What is left unchanged; see `evensky.runs.match_run.MatchRun`.
    stays : bool
        Whether the exposure is not changed.
    source_fraction : float or None
        Share of its good pixels that were left out because they show sources.
    area_factor : float
        Factor of its values in comparisons, which are per area if pixels have different areas.
    """

    fit: ExposureFit
    partners: list[str]
    covered_bins: int
    problem: str
    level: str
    stays: bool
    source_fraction: float | None
    area_factor: float


class JointMethod(Method):
    """A joint match of all exposures to each other, with model complexity selected from the data.

    Parameters
    ----------
    source : Source
    config : MatchAllConfig
    terms : sequence of Term, optional
        Terms that the models may have, by default those of the configuration.
    fixed : collection of int, optional
        Numbers of exposures that stay unchanged.
    anchors : sequence of Anchor, optional
        Models that are known.
    pictures : bool, optional
        Put small pictures into the records.
    workers : int, optional
        Number of jobs that a process runs at the same time.
    held_bytes : int, optional
        Bytes of pixels that a process keeps between jobs, so that files are not read again for every comparison.
    """

    name = "all"
    always_looks = True
    stages = 3
    one_size = False
    needed_later = ("scipy.sparse.csgraph", *Method.needed_later)
    chip_levels = True
    """Whether each chip of an exposure may have a level of its own, beside the model that they share."""

    def __init__(
        self,
        source: Source,
        config: MatchAllConfig,
        *,
        terms: Sequence[Term] | None = None,
        fixed: Collection[int] = (),
        anchors: Sequence[Anchor] = (),
        pictures: bool = False,
        workers: int = 1,
        held_bytes: int = HELD_BYTES,
    ) -> None:
        super().__init__(source, config, pictures=pictures)
        self.config: MatchAllConfig = config
        self.workers = workers
        self.held_bytes = held_bytes
        self.weights = CostWeights(config.weight_coverage, config.weight_variance, config.weight_level)
        self._grid = CommonGrid(config.bin_size) if config.bin_size > 0 else None
        self.settled = self._grid is not None
        self._reference: Item | None = None
        self.terms = terms_of(config.terms) if terms is None else list(terms)
        if config.scale and all(term.kind != "gain" for term in self.terms):
            raise InvalidParameterError(
                "scale divides by the throughput, but no term measures it: terms are "
                f"{', '.join(map(str, self.terms))}; add the term gain, or leave scale out"
            )
        self.fixed = frozenset(fixed)
        if self.fixed and (shared := [str(term) for term in self.terms if term.shared]):
            raise InvalidParameterError(
                f"The term {shared[0]} is shared by all exposures, but fixed ones stay unchanged; leave out fixed, or "
                "the option shared"
            )
        self.anchors = list(anchors)
        self._planes: dict[str, list[np.ndarray | None]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what jobs do not need, as the images of terms: a plan holds those of its model.

        Each job takes the rest along, so nothing of it may grow with the number of exposures.
        """
        of_all: dict[str, Any] = {
            "terms": [],
            "_planes": {},
            "covariance": None,
            "overlaps": [],
            "corners": [],
            "untied": [],
        }
        return {**self.__dict__, **of_all}

    # -- in the main process --

    def foresee(self, items: Sequence[Item]) -> None:
        """Derive the size of the bins from the first exposure and from the overlaps of all, if these are known."""
        if self.settled:
            return
        fields: dict[str, list[PixelBox]] = {}
        sizes = []
        for item in items:
            box = self.source.box_of(item)
            if box is not None:
                fields.setdefault(_field_of(item), []).append(box)
                sizes.append(box[2:] if item.map is None else item.map.size)
        if fields:
            self._grid = CommonGrid.fitting(*sizes[0], fields.values())
            self.settled = True

    def settle(self, look: Look) -> None:
        """Derive the size of the bins from the size of an exposure."""
        self._grid = self._grid_for(look)
        super().settle(look)

    @contextmanager
    def hold_reference(self, item: Item, look: Look | None, chips: Sequence[Item] = ()) -> Iterator[Look]:
        """Make an exposure the reference; its pixels are not kept, as a joint match treats all exposures alike."""
        assert look is not None
        if look.box is None:
            if item.path is not None:
                self.source.read(item)  # raises the error that says why it cannot be read
            raise TaskError(f"{item.path or item.label}: {look.candidate.message}, so it cannot be the reference")
        if look.candidate.npoint == 0:
            raise TaskError(f"{item.path or item.label}: has no good pixel, so it cannot be the reference")
        self.references = {one.slot: one for one in (*chips, item)}
        self._reference = item
        yield look

    def comparisons(self, items: Sequence[Item], looks: Sequence[Look]) -> list[Job]:
        """Choose the pairs to measure; return jobs, each of which compares one exposure with earlier ones."""
        assert self._reference is not None
        shapes = [None if look.box is None else (look.box[3], look.box[2]) for look in looks]
        # Loaded now, so that an image that does not fit is found before any pair is compared.
        self._planes = load_planes(self.terms, items, shapes, self.source.amplifiers)
        self.unit = looks[self._reference.index].unit or most_common_unit(look.unit for look in looks)
        earlier: dict[int, list[Item]] = {item.index: [] for item in items}
        for one in dict.fromkeys(_field_of(item) for item in items):
            chips = [item for item in items if _field_of(item) == one]
            hub = next((place for place, item in enumerate(chips) if item == self.references.get(item.slot)), 0)
            covered = [self._coverage(looks[item.index]).bins for item in chips]
            exposures = [item.path if item.slot else item.index for item in chips]
            for first, second in choose_pairs(covered, hub, exposures):
                earlier[chips[second].index].append(chips[first])
        return [(index, (items[index], others)) for index, others in earlier.items()]

    def _coverage(self, look: Look) -> Coverage:
        """Return the bins of an exposure that may be compared: none if it is in another unit."""
        return _NOTHING if differ(look.unit, self.unit) else look.coverage

    @one_blas_thread()
    def plan(
        self, items: Sequence[Item], looks: Sequence[Look], differences: Sequence[PairBins]
    ) -> tuple[list[Plan], list[str]]:
        """Solve for the models of all exposures at once."""
        assert self._grid is not None
        looks, differences = self._without_unread(looks, differences)
        looks = [replace(look, coverage=self._coverage(look)) for look in looks]
        costs = [look.candidate.cost if np.isfinite(look.candidate.cost) else np.inf for look in looks]
        covered = [-look.coverage.bins.size for look in looks]
        ranked = sorted(
            range(len(looks)), key=lambda i: (items[i] != self.references.get(items[i].slot), costs[i], covered[i], i)
        )
        chips = _chips_of(items, looks)
        missing = _notes_on_labels(self.terms, self._planes, has_chips=chips is not None)
        fit = fit_all(
            [look.box if look.box is not None else (0, 0, 1, 1) for look in looks],
            self._grid,
            Differences(
                len(looks),
                sorted(differences, key=lambda pair: (pair.second, pair.first)),
                np.array([1.0 if item.map is None else item.map.repeats for item in items]),
            ),
            preference=ranked,
            level=self.config.level,
            order=self.config.order,
            spline=self.config.spline,
            terms=self.terms,
            planes=self._planes,
            coverage=[look.coverage for look in looks],
            fixed=sorted(self.fixed),
            anchors=self.anchors,
            chips=chips,
            chip_levels=self.chip_levels,
            maps=[item.map for item in items],
            stars=[look.stars for look in looks],
            clipping=noise_of_clipping(self.config.statistic, self.config.sigma),
        )
        self._planes = {}
        self.level = "known" if self.anchors else "fixed" if self.fixed else fit.level
        self.overlaps = fit.overlaps
        contradictions = _contradictions(items, looks, fit)
        self.corners, self.footprint_unit = _outlines_of(items, looks, chips)
        labels = [item.label for item in items]
        if fit.covariance is None:
            contradictions.append(
                f"The covariance of the models is not known, as they have more than {MOST_TERMS} terms together; the "
                "variance of a combined image will be that of the pixels alone. A lower order gives fewer terms."
            )
        else:
            plane = next((item.plane for item in items if item.plane), "")
            scaled = fit.covariance.scaled([1.0 / self._divisor(one) for one in fit.exposures])
            # With add_variance, the variances of the exposures hold those of the models, which would be added twice.
            self.covariance = None if self.config.add_variance else scaled.labelled(labels, plane)
        plans: list[Plan] = [
            _plan_of(one, item, look, labels, self.level, stays)
            for one, item, look, stays in zip(fit.exposures, items, looks, self._unchanged(items, fit), strict=True)
        ]
        dead = [
            f"The chip {one.label} of the reference has no good pixel, so the level of this chip is not that of the "
            "reference."
            for one in self.references.values()
            if looks[one.index].candidate.npoint == 0
        ]
        self.untied = _untied_groups(fit, items)
        return plans, missing + dead + contradictions + [one.note for one in self.untied]

    def _divisor(self, fit: ExposureFit) -> float:
        """Return the throughput by which an exposure is divided."""
        return fit.gain if self.config.scale and fit.gain_error > 0 else 1.0

    def _without_unread(
        self, looks: Sequence[Look], differences: Sequence[PairBins]
    ) -> tuple[list[Look], list[PairBins]]:
        """Take exposures that could not be read for a comparison as unreadable, and leave out their differences.

        Otherwise the other models would depend on which of the comparisons were possible.

        Raises
        ------
        evensky.errors.TaskError
            If it is a reference.
        """
        unread = {pair.first: pair.problem for pair in differences if pair.problem}
        for item in self.references.values():
            if item.index in unread:
                raise TaskError(f"{item.label}, the reference, cannot be compared: {unread[item.index]}")
        seen = [
            replace(look, box=None, candidate=replace(look.candidate, message=unread[index]), coverage=_NOTHING)
            if index in unread
            else look
            for index, look in enumerate(looks)
        ]
        return seen, [pair for pair in differences if not {pair.first, pair.second} & unread.keys()]

    def _unchanged(self, items: Sequence[Item], fit: JointFit) -> list[bool]:
        """Return which exposures are not changed: fixed ones, and a reference that sets the level and has no model."""
        known = {*self.fixed, *(anchor.exposure for anchor in self.anchors)}
        tied = {fit.exposures[index].group for index in known}
        return [
            item.index in self.fixed
            or (
                item == self.references.get(item.slot)
                and (
                    one.model is None
                    # Terms that all exposures share are removed from the reference, too.
                    or (fit.level == "reference" and one.group not in tied and not one.model.coefficients.size)
                )
            )
            for item, one in zip(items, fit.exposures, strict=True)
        ]

    # -- jobs --

    def _grid_for(self, look: Look) -> CommonGrid:
        assert look.box is not None
        return self._grid or CommonGrid.fitting(look.box[2], look.box[3])

    def _covered(self, item: Item, frame: Frame, look: Look) -> Coverage:
        pixels, found = self._pixels(item, frame)
        if found is not None:
            look.source_fraction = found.share
            if item.map is not None:
                x0, y0 = item.map.origin
                look.stars = np.stack(item.map.to_common(found.x + x0, found.y + y0), axis=1)
        if not pixels.on_disk:
            PIXELS.offer(self.source.run, item.index, pixels, pixels.nbytes, self.held_bytes)
        return coverage_of(pixels, self._grid_for(look))

    def compare(self, item: Item, others: Sequence[Item]) -> list[PairBins]:
        """Measure the differences between an exposure and several others."""
        assert self._grid is not None
        found: list[PairBins] = []
        pixels: Pixels | None = None
        needed = {item.index, *(other.index for other in others)}
        for other in others:
            member = item
            try:
                pixels = pixels or self._held_pixels(item, needed)
                member = other
                first = other.index, self._held_pixels(other, needed)
            except Exception as error:  # it was readable a moment ago
                log.debug("Failed to compare %s with %s: %s", item.label, other.label, reason_of(error))
                found.append(PairBins.impossible(member.index, reason_of(told(error))))
                if pixels is None:
                    break
                continue
            bins = measure_pair(first, (item.index, pixels), self._grid, self._options())
            if bins is not None:
                found.append(bins)
        return found

    def _pixels(self, item: Item, frame: Frame) -> tuple[Pixels, Sources | None]:
        """Return the pixels of an exposure on the common grid, and its sources if they are left out."""
        exposure = frame.exposure
        x0, y0 = exposure.getXY0()
        box = (x0, y0, *exposure.getDimensions())
        image = exposure.image.bands
        mask: np.ndarray | ScratchPlane | None = exposure.mask.bands
        finds = self.config.sources == "mask" or (self.config.sources == "auto" and item.map is not None)
        # Pixels read from a file are used nowhere else, so NaN can mark the bad ones.
        if finds or not frame.shared:
            image, mask = _without_bad(image, exposure.mask.bands, frame.bad, in_place=not frame.shared), None
        found = None
        if finds:
            found = find_sources(image)
            for rows in row_bands(*image.shape):
                band = image[rows]
                band[found.mask[rows]] = np.nan
                stored(image, rows, band)
        if item.map is None:
            return Pixels(image, mask, 0 if mask is None else frame.bad, box), found
        return Pixels(_sampled(item.map, image, mask, frame.bad), None, 0, item.map.footprint, sampled=True), found

    def _held_pixels(self, item: Item, needed: Collection[int]) -> Pixels:
        """Return the pixels of one of the exposures that a job needs."""
        assert self._reference is not None
        run, budget, fixed = self.source.run, self.held_bytes, self._reference.index
        with PIXELS.reading(run, item.index):
            held: Pixels | None = PIXELS.find(run, item.index)
            if held is None:
                held, _ = self._pixels(item, self.source.read_to_look(item))
                # Pixels on disk count as the whole budget, so that few exposures are held.
                size = budget if held.on_disk else held.nbytes
                least = LEAST_HELD + self.workers
                PIXELS.hold(run, item.index, held, size, budget, least=least, fixed=fixed, needed=needed)
        return held

    def _options(self) -> PairOptions:
        options = PairOptions()
        options.gridStatistic = stringToStatisticsProperty(self.config.statistic)
        options.numSigmaClip, options.numIter = self.config.sigma, self.config.rounds
        return options

    def _frame(self, item: Item) -> Frame:
        changed = bool(self.config.add_variance) or bool(self.config.scale)
        return self.source.read(item) if changed else self.source.read_without_variances(item)

    def _stays(self, item: Item, plan: Plan) -> bool:
        assert isinstance(plan, Correction)
        return plan.stays

    def _status_of(self, item: Item) -> Status:
        return "reference" if item == self.references.get(item.slot) else "fixed"

    def _keep(self, plan: Plan, record: ExposureRecord) -> Change:
        assert isinstance(plan, Correction)
        record.fit_rms = 0.0
        if plan.fit.model is not None:
            self._describe(record, plan)
        headline = f"{record.status} exposure of the match, pixels unchanged"
        return Change(plan.fit.model, self._cards(record), headline)

    def _change(self, item: Item, frame: Frame, plan: Plan, record: ExposureRecord) -> Change:
        assert isinstance(plan, Correction)
        if plan.problem:
            raise TaskError(plan.problem)
        if plan.fit.model is None:
            raise NoOverlapError("has no bin that is good here and in any other exposure: nothing to match")
        has_variance = frame.exposure.info.has_variance
        add_variance = bool(self.config.add_variance)
        if add_variance and not has_variance and item.path is not None:
            record.warnings.append("add_variance: there are no variances to which that of the model could be added")
        gain = self._divisor(plan.fit)
        record.scaled = gain != 1
        self._add_model(frame, plan.fit, record, widened=add_variance and has_variance, gain=gain)
        self._describe(record, plan)
        fixed = self.references.get(item.slot)
        reference = f" {fixed.label}" if plan.level == "reference" and fixed is not None else ""
        headline = f"background matched to all other exposures, level: {plan.level}{reference}"
        if record.scaled:
            headline += f"; then divided by the throughput: (pixels - {plan.fit.zero:.9g}) / {gain:.9g}"
            headline += f" + {plan.fit.zero:.9g}"
        changed = (add_variance or record.scaled) and (has_variance or frame.beyond_float32)
        return Change(plan.fit.model, self._cards(record), headline, changed, add_variance, gain)

    @staticmethod
    def _add_model(frame: Frame, fit: ExposureFit, record: ExposureRecord, *, widened: bool, gain: float) -> None:
        """Add the model to the image, and its variance if wanted; then divide by the throughput."""
        exposure, model = frame.exposure, fit.model
        assert model is not None
        image = exposure.image.bands
        height, width = image.shape
        scaled_variance = gain != 1 and exposure.info.has_variance
        if (widened or scaled_variance) and frame.shared:
            exposure.maskedImage.setVariance(exposure.variance.clone())
        variance_plane = exposure.variance.bands
        low, high = np.inf, -np.inf
        buffer = np.empty((min(height, band_height(width, _BAND_PIXELS)), width), np.float32)
        for rows in row_bands(height, width, _BAND_PIXELS):
            band = buffer[: rows.stop - rows.start]
            model.fill(band, first_row=rows.start)
            low, high = min(low, float(band.min())), max(high, float(band.max()))
            pixels = image[rows]
            pixels += band
            if widened:
                model.fill_variance(band, first_row=rows.start)
                variance_plane[rows] += band
            if gain != 1:
                # The level at which the throughput has no effect stays.
                pixels -= image.dtype.type(fit.zero)
                pixels /= image.dtype.type(gain)
                pixels += image.dtype.type(fit.zero)
            stored(image, rows, pixels)
            if scaled_variance:
                variance_plane[rows] /= np.float32(gain**2)
        record.model_min, record.model_max = low, high
        x0, y0, _, _ = model.box
        # The mean over the pixels, which points on the edges would miss: there, the errors are largest.
        inner = (np.arange(16) + 0.5) / 16
        x, y = np.meshgrid(x0 - 0.5 + inner * width, y0 - 0.5 + inner * height)
        variance = float(np.mean(model.sigma(x.ravel(), y.ravel()) ** 2))
        record.model_sigma = float(np.sqrt(variance))

    @staticmethod
    def _describe(record: ExposureRecord, plan: Correction) -> None:
        fit = plan.fit
        assert fit.model is not None
        record.model = fit.model.name
        added, chosen = fit.model.candidate, fit.scores[0].candidate if fit.scores else fit.model.candidate
        if added.nodes is None and chosen.nodes is None and chosen.order < added.order:
            # To shift all models to a level, some need more terms than the differences have asked for.
            record.model = f"{replace(added, order=chosen.order).name} ({added.smooth.name} at the {plan.level} level)"
        record.fit_rms = fit.rms
        record.fit_chi = fit.chi
        record.bins, record.rejected_bins = fit.bins, fit.rejected
        record.partners = plan.partners
        record.source_fraction, record.area_factor = plan.source_fraction, plan.area_factor
        record.group = fit.group
        record.scores = [
            CandidateScore(score.candidate.name, score.candidate.terms, score.bic, score.refused)
            for score in fit.scores
        ]
        record.largest_sigma = fit.largest_sigma
        if fit.gain_error > 0:
            record.gain, record.gain_error = fit.gain, fit.gain_error
        record.terms = [TermRecord(term.name, term.coefficients.tolist(), term.errors.tolist()) for term in fit.terms]
        record.common_fraction = min(1.0, fit.bins / max(1, plan.covered_bins))
        record.extrapolated_fraction = 1.0 - record.common_fraction
        percent = f"{100 * record.common_fraction:.2g} %"
        if record.common_fraction < _LEAST_COMMON:
            record.flags.append("LOW_COVERAGE")
            record.warnings.append(f"LOW_COVERAGE: only {percent} of its bins are good in another exposure, too")
        elif record.common_fraction < _LEAST_ENCLOSED and fit.model.coefficients.size > 1:
            record.flags.append("EXTRAPOLATED")
            record.warnings.append(
                f"EXTRAPOLATED: only {percent} of its bins are good in another exposure, too; the model is "
                "extrapolated over the others"
            )
        for flag, sentence in fit.flags.items():
            if not (flag == "GAIN" and record.scaled):
                record.flags.append(flag)
                record.warnings.append(f"{flag}: {sentence}")

    @staticmethod
    def _cards(record: ExposureRecord) -> dict[str, tuple[float | None, str]]:
        cards: dict[str, tuple[float | None, str]] = {
            "EVS_CHI": (record.fit_chi, "RMS of bins - model in units of its errors"),
            "EVS_MSIG": (record.model_sigma, "RMS of the model's standard error"),
        }
        if record.gain is not None:
            done = "divided by it" if record.scaled else "not divided by it"
            cards["EVS_GAIN"] = (record.gain, f"throughput, reference = 1; {done}")
            cards["EVS_GERR"] = (record.gain_error, "standard error of EVS_GAIN")
        return cards


def _field_of(item: Item) -> str:
    """Return the name of the field in which an exposure meets others: that of its chip, or the sky."""
    return item.slot if item.map is None else ""


def _without_bad(
    image: np.ndarray | ScratchPlane, mask: np.ndarray | ScratchPlane, bad: int, *, in_place: bool
) -> np.ndarray | ScratchPlane:
    """Return an image in which bad pixels are NaN."""
    result = image if in_place else np.array(image)
    if bad == 0:
        return result
    height, width = image.shape
    for rows in row_bands(height, width, _CACHED_PIXELS):
        rejected = (mask[rows] & np.int32(bad)) != 0
        if rejected.any():
            band = result[rows]
            np.copyto(band, np.nan, where=rejected)
            stored(result, rows, band)
    return result


def _sampled(
    on_plane: PixelMap, image: np.ndarray | ScratchPlane, mask: np.ndarray | ScratchPlane | None, bad: int
) -> np.ndarray | ScratchPlane:
    """Return the nearest pixel of an exposure for each pixel of the sky plane."""
    if not isinstance(image, ScratchPlane):
        return on_plane.sample(image, np.asarray(mask) if mask is not None else None, 0 if mask is None else bad)
    width, height = on_plane.footprint[2:]
    out: np.ndarray | ScratchPlane = image.scratch.zeros((height, width), image.dtype)
    pixels = image.mapped(to_change=False)  # as a whole, as rows of the plane may be anywhere in it
    for rows in row_bands(height, width):
        out[rows] = on_plane.sample(pixels, rows=rows)
    return out


def _chips_of(items: Sequence[Item], looks: Sequence[Look]) -> list[Chip] | None:
    """Return the places of all chips in the focal planes of their files; None if files have one image.

    The chips of files in which the place of any is unknown are exposures of their own.
    """
    if not any(item.slot for item in items):
        return None
    files: dict[Any, int] = {}
    chips = []
    for item, look in zip(items, looks, strict=True):
        known = item.to_plane is not None and look.box is not None
        number = files.setdefault(item.path if known else item.index, len(files))
        a, b, c, d, e, f = item.to_plane or (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
        x0, y0 = (0, 0) if look.box is None else look.box[:2]
        # From positions on the common grid, not from those in the chip's own array.
        chips.append(Chip(number, np.array([[a, b, c - a * x0 - b * y0], [d, e, f - d * x0 - e * y0]])))
    return chips


def _outlines_of(
    items: Sequence[Item], looks: Sequence[Look], chips: Sequence[Chip] | None
) -> tuple[list[list[list[float]]], str]:
    """Return the outlines of all exposures on the sky, or on their pixel grid, and the unit that they are in."""
    if any(item.map is not None for item in items):
        return [[list(point) for point in item.outline] for item in items], "deg"
    return _corners_of(items, looks, chips), "px"


def _corners_of(items: Sequence[Item], looks: Sequence[Look], chips: Sequence[Chip] | None) -> list[list[list[float]]]:
    """Return the corners of all exposures on the common pixel grid, or of chips in the focal plane.

    Chips are placed where they are in the first file. There are no corners if the place of any chip is unknown, as each
    chip has a pixel grid of its own.
    """
    maps: dict[str, np.ndarray] = {}
    if chips is not None:
        for item, look, chip in zip(items, looks, chips, strict=True):
            if look.box is not None and item.slot not in maps:
                if item.to_plane is None:
                    return []
                maps[item.slot] = chip.to_plane
    found: list[list[list[float]]] = []
    for item, look in zip(items, looks, strict=True):
        if look.box is None:
            found.append([])
            continue
        x0, y0, width, height = look.box
        x = np.array([x0, x0 + width, x0 + width, x0]) - 0.5
        y = np.array([y0, y0, y0 + height, y0 + height]) - 0.5
        corners = np.stack([x, y])
        if item.slot in maps:
            corners = maps[item.slot] @ np.vstack([corners, np.ones(4)])
        found.append(corners.T.tolist())
    return found


def _plan_of(fit: ExposureFit, item: Item, look: Look, labels: Sequence[str], level: str, stays: bool) -> Correction:
    """Return the plan of an exposure; its digest stays the same if the result is the same to the last bit."""
    model, covered = fit.model, int(look.coverage.bins.size)
    area_factor = 1.0 if item.map is None else item.map.scale
    partners = [labels[partner] for partner in fit.partners]
    parts = (
        None if model is None else (model.name, model.box),
        partners,
        (fit.group, fit.bins, covered, fit.rejected, fit.rms, fit.chi),
        [(score.candidate.name, score.candidate.terms, score.bic, score.refused) for score in fit.scores],
        (fit.gain, fit.gain_error, fit.zero, fit.largest_sigma, fit.flags),
        [(term.name, term.coefficients.tolist(), term.errors.tolist()) for term in fit.terms],
        (level, stays, look.source_fraction, area_factor),
    )
    digest = hashlib.sha256(repr(parts).encode())
    if model is not None:
        digest.update(model.coefficients.tobytes())
        digest.update(model.covariance.tobytes())
        if model.choices is not None:
            digest.update(model.choices.covariance.tobytes())
        # Jobs carry the images of the terms that the model has, and no others.
        used = {extra.name for extra in model.candidate.extras}
        model.planes = {name: plane for name, plane in model.planes.items() if name in used}
    problem = look.candidate.message if look.box is None else ""
    return Correction(
        digest=digest.hexdigest(),
        fit=fit,
        partners=partners,
        covered_bins=covered,
        problem=problem,
        level=level,
        stays=stays,
        source_fraction=look.source_fraction,
        area_factor=area_factor,
    )


def _notes_on_labels(
    terms: Sequence[Term], planes: Mapping[str, Sequence[np.ndarray | None]], *, has_chips: bool
) -> list[str]:
    """Return a note for each term that the user asked for and that no exposure can have."""
    if [str(term) for term in terms] == list(DEFAULT_TERMS):
        return []
    notes = []
    for term in terms:
        if term.kind not in ("detector", "amplifier") or term.data is not None:
            continue
        if any(image is not None for image in planes.get(term.name, ())) or (term.kind == "detector" and has_chips):
            continue
        source = "files have one chip each" if term.kind == "detector" else "headers give no sections"
        notes.append(
            f"The term {term.kind} is not used, as the {source}; name labels ({term.kind}=labels.fits) or numbers of "
            f"equal parts ({term.kind}=4x2)."
        )
    return notes


def _contradictions(items: Sequence[Item], looks: Sequence[Look], fit: JointFit) -> list[str]:
    """Return a note for each exposure whose WCS differs from that of the one before it although the pixels do not.

    Both show the same stars at the same pixels. Their fits get the flag ASTROMETRY.
    """
    own = [
        np.zeros((0, 2)) if item.map is None else np.stack(item.map.to_own(*look.stars.T), axis=1)
        for item, look in zip(items, looks, strict=True)
    ]
    pairs = [(index - 1, index) for index in range(1, len(items)) if len(own[index - 1]) and len(own[index])]
    notes = []
    for (first, second), shift in zip(pairs, measured_shifts(own, pairs, reach=_SAME_PLACE), strict=True):
        if shift is None or np.hypot(shift.dx, shift.dy) > 1:
            continue
        here = looks[second].stars
        one = items[first].map
        assert one is not None  # as it has stars
        apart = np.median(np.hypot(*(np.stack(one.to_own(*here.T), axis=1) - own[second]).T))
        if apart > _SAME_PLACE:
            labels = items[second].label, items[first].label
            notes.append(
                f"{labels[0]} and {labels[1]} show {shift.number} stars at the same pixels, but their WCS differ by "
                f"{apart:.3g} px there, so one of the WCS is wrong; correct it, or compare pixels as they stand with "
                "--same-grid (same_grid=True)."
            )
            for index in (first, second):
                fit.exposures[index].flags["ASTROMETRY"] = notes[-1].rstrip(".")
    return notes


def _untied_groups(fit: JointFit, items: Sequence[Item]) -> list[UntiedGroups]:
    """Return the groups of each chip whose exposures are not all tied together by differences."""
    found = []
    for slot in dict.fromkeys(_field_of(item) for item in items):
        members: dict[int, list[str]] = {}
        for item, one in zip(items, fit.exposures, strict=True):
            if _field_of(item) == slot and one.group >= 0:
                members.setdefault(one.group, []).append(item.label)
        if len(members) < 2:
            continue
        sentences = []
        for group, labels in sorted(members.items()):
            fixed = fit.references[group]
            unchanged = f" ({items[fixed].label} unchanged)" if fixed >= 0 else ""
            sentences.append(f"{', '.join(labels)}{unchanged}")
        of_chip = f" of {slot}" if slot else ""
        note = (
            f"{len(sentences)} groups of exposures{of_chip} have no good pixel in common; each group was matched by "
            f"itself, and its level is not tied to the others: {'; '.join(sentences)}."
        )
        found.append(UntiedGroups("exposures", [labels for _, labels in sorted(members.items())], note))
    return found
