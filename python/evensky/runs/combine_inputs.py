"""Exposures in files that are to be combined: what they are, their places on the grid, and their covariance."""

from __future__ import annotations

__all__ = ["CombineInputs", "StackedExposure"]

import hashlib
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._checks import shown
from .._text import printable, reason_of
from ..combining.corrections import area_factor, correction_field, labels_in
from ..combining.engine import Stack
from ..combining.options import exposure_weights
from ..combining.resampling import scales_with_area
from ..combining.target_grid import RESAMPLE, TargetGrid, find_target_grid
from ..errors import EvenskyError, FitsError, InvalidParameterError, NotFoundError, TaskError, UnsuitableError
from ..fits.descriptions import ImageDescription, Selection, is_fact
from ..io.bands import ExposureBands
from ..matching.joint.covariance import CorrectionCovariance, CorrectionField
from ..matching.placement import GridMember
from ..matching.sets import none_usable, several
from ..matching.units import most_common_unit
from ..math.combine_planes import CombineOptions
from .combine_readers import StoredExposure, with_sources
from .combine_record import CombineRecord, placed_at
from .covariance_file import covariance_beside, covariance_of, covariance_path
from .source import Item
from .survey import Survey, survey_files


@dataclass
class StackedExposure:
    """An exposure that is to be combined.

    Attributes
    ----------
    number : int
        Number among all exposures.
    item : Item
    wcs : astropy.wcs.WCS or None
    record : CombineRecord
    role : str
        What its file is, see `evensky.fits.descriptions.FileDescription`.
    image : ImageDescription or None
        None if it cannot be used.
    bands : ExposureBands or None
        Its rows in the file.
    weight : float or None
        None if all exposures weigh the same, or each pixel has its own weight.
    placement : (y0, x0) or str
        Place of its first pixel on the grid, or `RESAMPLE`.
    box : (x0, y0, width, height)
        Its place on the grid.
    stored : StoredExposure or None
        Its resampled pixels on disk.
    whole : bool
        Whether it must be read as a whole.
    error : EvenskyError or None
        Why it cannot be used.
    """

    number: int
    item: Item
    wcs: Any
    record: CombineRecord
    role: str = "exposure"
    image: ImageDescription | None = None
    bands: ExposureBands | None = None
    weight: float | None = None
    placement: Any = None
    box: tuple[int, int, int, int] = (0, 0, 0, 0)
    stored: StoredExposure | None = None
    whole: bool = False
    error: EvenskyError | None = None

    @property
    def usable(self) -> bool:
        return self.record.status != "failed"

    def fail(self, error: BaseException) -> None:
        """Note why the exposure cannot be used."""
        self.record.status, self.record.message = "failed", reason_of(error)
        self.error = error if isinstance(error, EvenskyError) else None
        self.bands = None


@dataclass
class CombineInputs:
    """The exposures of a combination of files; its methods are called in their order.

    Attributes
    ----------
    files : list of Path
    options : CombineOptions
    scratch : Path or None
        Folder for pixels that must be unpacked.
    exposures : list of StackedExposure
        All of them; some may turn out to be unusable.
    grid : TargetGrid
        Grid of the result, after `place`.
    covariance : CorrectionCovariance or None
        Covariance of the corrections of a match, after `set_covariance`.
    beside : list of Path
        Files that are read beside the exposures.
    notes : list of str
    """

    files: list[Path]
    options: CombineOptions
    scratch: Path | None = None
    beside: list[Path] = field(default_factory=list)
    exposures: list[StackedExposure] = field(default_factory=list)
    covariance: CorrectionCovariance | None = None
    notes: list[str] = field(default_factory=list)
    opened: dict[int, ExposureBands] = field(default_factory=dict)
    selection: Selection = field(init=False)
    found: Survey = field(init=False)
    grid: TargetGrid = field(init=False)

    def survey(self, selection: Selection, survey: Survey | None, *, allow: Collection[str], strict: bool) -> None:
        """Describe the files if need be, and refuse what does not belong together."""
        self.selection = selection
        if survey is None:
            survey = survey_files(self.files, selection, allow=allow, combined=True, look=self._look_at)
        survey.refuse(strict=strict)
        self.found = survey
        self.notes += survey.doubts
        roles = [
            getattr(file, "role", "") for file, items in zip(survey.files, survey.by_file, strict=True) for _ in items
        ]
        for item, its_wcs, role in zip(survey.items, survey.wcs, roles, strict=True):
            record = CombineRecord(item.label, item.place, "combined")
            exposure = StackedExposure(item.index, item, its_wcs, record, role)
            if item.image is None:
                exposure.fail(_error_of(survey, item))
            else:
                exposure.image = self._chosen(item.image)
            self.exposures.append(exposure)
        if not self.used:
            raise self.none_usable()
        self.notes += self._mixed()

    def _mixed(self) -> list[str]:
        """Return a note if outputs of a match are combined with other exposures, or with outputs of another match."""
        matched = [one for one in self.used if one.role == "earlier output"]
        others = [one.record.label for one in self.used if one.role != "earlier output"]
        if not matched:
            return []
        advice = "their levels may differ: match all exposures at once, and combine the outputs"
        if others:
            labels = [one.record.label for one in matched]
            were, others_were = ("was" if len(some) == 1 else "were" for some in (labels, others))
            return [f"{several(labels)} {were} matched, and {several(others)} {others_were} not, so {advice}"]
        folders = list(dict.fromkeys(one.item.path.parent for one in matched if one.item.path is not None))
        if len(folders) > 1:
            names = several([printable(str(folder)) for folder in folders])
            return [f"the exposures seem to be outputs of several matches, in {names}, so {advice}"]
        return []

    def _chosen(self, image: ImageDescription) -> ImageDescription:
        """Return the description of an image with the mask planes that are bad in a combination."""
        return image if self.selection.bad_planes is not None else with_sources(image)

    def _look_at(self, number: int, hdus: Any, image: ImageDescription) -> None:
        """Open an exposure while its headers are at hand; `look` opens those for which they are not enough."""
        with suppress(FitsError):  # it is told when `look` has the same error
            bands = ExposureBands.from_headers(self._chosen(image), hdus, scratch=self.scratch)
            if bands is not None:
                self.opened[number] = bands

    @property
    def used(self) -> list[StackedExposure]:
        """The exposures that can be used."""
        return [exposure for exposure in self.exposures if exposure.usable]

    @property
    def paths(self) -> list[Path]:
        """All files that are read."""
        images = [exposure.image for exposure in self.exposures if exposure.image is not None]
        planes = [plane.path for image in images for plane in (image.mask, image.variance) if plane is not None]
        return [*(image.path for image in images), *self.files, *planes, *self.beside]

    def none_usable(self) -> EvenskyError:
        """Return the error that says that no exposure can be used."""
        errors = [exposure.error for exposure in self.exposures]
        # A name that no mask has is due to the call, not to the exposures.
        if (first := errors[0]) is not None and all(isinstance(error, NotFoundError) for error in errors):
            return first
        return TaskError(none_usable([exposure.record.message for exposure in self.exposures]))

    def look(self, weighting: str | Sequence[float] | None, opened: Mapping[int, ExposureBands]) -> None:
        """Open all exposures, and set aside those that cannot be read."""
        weights = self._weights(weighting)
        for exposure in self.used:
            assert exposure.image is not None
            try:
                at_hand = opened.get(exposure.number) or self.opened.get(exposure.number)
                exposure.bands = at_hand or ExposureBands(exposure.image, scratch=self.scratch)
            except FitsError as error:
                exposure.fail(error)
                continue
            exposure.weight = None if weights is None else weights[exposure.number]
            exposure.record.exposure_time = exposure.bands.exposure_time
            exposure.record.notes = [note for note in exposure.bands.notes if not is_fact(note)]
            exposure.record.weight = None if self.options.by_variance else exposure.weight or 1.0
        self.opened.clear()  # those that failed later need not be kept
        if not self.used:
            raise self.none_usable()

    def _weights(self, weighting: str | Sequence[float] | None) -> list[float] | None:
        """Return one weight for each exposure; those of one file may have that of the file."""
        number = len(self.exposures)
        if weighting is None or isinstance(weighting, str) or not hasattr(weighting, "__len__"):
            return exposure_weights(weighting, number)
        if len(weighting) == len(self.files) < number:
            items = zip(weighting, self.found.by_file, strict=True)
            return exposure_weights([weight for weight, chips in items for _ in chips], number)
        return exposure_weights(weighting, number)

    def place(self, *, same_grid: bool, wcs: Any, shape: tuple[int, int] | None, pixel_scale: float | None) -> None:
        """Find the grid of the result, and the place of each exposure on it."""
        used = self.used
        if same_grid and len({exposure.item.slot for exposure in used}) > 1:
            chips = ", ".join(sorted({exposure.item.slot for exposure in used if exposure.item.slot})[:5])
            raise UnsuitableError(
                [
                    f"the files hold several images ({chips}), which --same-grid (same_grid=True) would lay on one "
                    "another; choose one of them with --hdu (hdu), or leave --same-grid out"
                ]
            )
        self.grid = find_target_grid(
            [self.member(one) for one in used], wcs=wcs, shape=shape, same_grid=same_grid, pixel_scale=pixel_scale
        )
        self.notes += self.grid.notes
        for exposure, placement, box in zip(used, self.grid.shifts, self.grid.boxes, strict=True):
            exposure.placement, exposure.box = placement, box
            if placement != RESAMPLE:
                exposure.record.placed = placed_at(*placement)

    def set_covariance(self, given: CorrectionCovariance | str | Path | bool | None) -> None:
        """Take the covariance of corrections that is given, or that of the match whose outputs the exposures are."""
        if given is False:
            return
        exposures = [(one.record.label, one.item.path) for one in self.used]
        path: Path | None = None
        if isinstance(given, CorrectionCovariance):
            self.covariance = given
        elif isinstance(given, str | Path):
            path = covariance_path(given)
        elif given is None:
            path, note = covariance_beside(exposures)
            self.notes += [note] if note else []
        else:
            raise InvalidParameterError(
                f"covariance is {shown(given)}; a CorrectionCovariance, the name of its file, False for none, or None "
                "(look for it beside the files) is needed"
            )
        if path is not None:
            self.beside.append(path)
            self.covariance = covariance_of(path, exposures)
        if self.covariance is not None and labels_in(self.covariance, [one.record.label for one in self.used]) is None:
            labels = ", ".join(one.record.label for one in self.used[:5])
            raise InvalidParameterError(
                f"covariance has the exposures {', '.join(self.covariance.labels[:5])}, ..., and {labels}, ... are "
                "combined; combine exposures of one match, or leave it out (covariance=False, --covariance none)"
            )

    def corrections(self, stack: Stack) -> CorrectionField | None:
        """Return the variance of the mean of the corrections of a match; None if it is unknown."""
        if self.covariance is None:
            return None
        used = self.used
        labels = labels_in(self.covariance, [one.record.label for one in used])
        if labels is None:
            labels = [one.record.label for one in used]  # the error names the one that is unknown
        members = [self.member(one) for one in used]
        factors = [
            area_factor(member, self.grid)
            if one.placement == RESAMPLE and one.image is not None and scales_with_area(one.image.unit)
            else 1.0
            for one, member in zip(used, members, strict=True)
        ]
        boxes = [reader.box for reader in stack.readers]
        return correction_field(self.covariance, labels, boxes, stack.nominal_weights(), self.grid, members, factors)

    @staticmethod
    def member(exposure: StackedExposure) -> GridMember:
        """Return the geometry of an exposure."""
        assert exposure.image is not None
        return GridMember(exposure.record.label, exposure.image.shape, exposure.image.origin, exposure.wcs)

    @property
    def records(self) -> list[CombineRecord]:
        """Records of all exposures."""
        return [exposure.record for exposure in self.exposures]

    @property
    def unit(self) -> str:
        """Unit of the pixels; "" if unknown."""
        return most_common_unit(exposure.image.unit for exposure in self.used if exposure.image is not None)

    @property
    def covariance_digest(self) -> str:
        """Text that tells one covariance from another; "" if there is none."""
        if self.covariance is None:
            return ""
        labels = "\0".join(self.covariance.labels).encode(errors="surrogateescape")
        pixels = self.covariance.deviations.tobytes() + self.covariance.correlations.tobytes()
        return hashlib.sha256(labels + pixels).hexdigest()


def _error_of(survey: Survey, item: Item) -> EvenskyError:
    """Return the error of a file that cannot be used."""
    for file, items in zip(survey.files, survey.by_file, strict=True):
        if isinstance(file, EvenskyError) and items[0].index == item.index:
            return file
    return TaskError(f"{item.place}: cannot be used")
