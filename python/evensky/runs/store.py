"""Exposures in files, which are read with their planes and written with their history."""

from __future__ import annotations

__all__ = ["FileStore"]

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .._core import __version__
from .._planes import BAD_PLANES
from ..errors import FitsError
from ..fits.atomic import Permit
from ..fits.descriptions import ImageDescription, Selection, is_fact
from ..fits.known_facts import FACTS
from ..fits.rewriting import NewPlane
from ..fits.scratch import Scratch
from ..geom import Point2I
from ..io.file_names import fill_selection
from ..io.formats import bad_bits_of, changed_errors, describe, read_image, rewrite_file
from .matched_pixels import MatchedPixels
from .record import ExposureRecord
from .source import Frame, Item, Result, Source

log = logging.getLogger("evensky")


class FileStore(Source):
    """Source that reads and writes the files of a run.

    Parameters
    ----------
    bad_planes : sequence of str
        Names of the mask planes whose pixels do not count. The usual ones stand for those that are usual in the layout
        of each file.
    selection : Selection, optional
        Choices of the user; locations may be patterns, see `evensky.io.file_names.fill_pattern`.
    ignore_units : bool, optional
        Take all exposures to be in the same unit.
    compress : bool, optional
        Compress the output files in tiles.
    scratch : str, Path or Scratch, optional
        Folder in which pixels are kept instead of in memory.
    permit : Permit, optional
        Right to write to the output folder.

    Attributes
    ----------
    held : MatchedPixels or None
        Where to keep the pixels of exposures that are finished; None to keep none.
    """

    def __init__(
        self,
        bad_planes: Sequence[str],
        *,
        selection: Selection | None = None,
        ignore_units: bool = False,
        compress: bool = False,
        scratch: str | Path | Scratch | None = None,
        permit: Permit | None = None,
    ) -> None:
        super().__init__(bad_planes)
        named = None if self.bad_planes == list(BAD_PLANES) else tuple(self.bad_planes)
        self.selection = replace(selection or Selection(), bad_planes=named)
        self.ignore_units = ignore_units
        self.compress = compress
        self.scratch = Scratch(scratch, reuse=True)
        self.permit = permit
        self.held: MatchedPixels | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out pixels that are held, which other processes cannot add to."""
        return {**self.__dict__, "held": None}

    def read(self, item: Item, *, to_change: bool = True, variances: bool = True, only_good: bool = False) -> Frame:
        """Read an exposure with its planes; variances may be left out, see `read_without_variances`."""
        FACTS.begin(self.run)
        image = self._described(item)
        exposure = read_image(image, scratch=self.scratch, variances=variances, only_good=only_good)
        # Notes of the description are told for all files together.
        told = [note for note in image.notes if not is_fact(note)] if item.image is not None else []
        exposure.info.assumptions = [note for note in exposure.assumptions if note not in told]
        if self.ignore_units:
            exposure.info.set_values({})  # BUNIT is all that there is
        exposure.dataId = {"exposure": item.label}
        if item.origin is not None:
            exposure.setXY0(Point2I(*item.origin))
        return Frame(exposure, bad_bits_of(exposure))

    def read_without_variances(self, item: Item, *, to_change: bool = True) -> Frame:
        """Read an exposure; its variances are kept only if they are held when it is finished."""
        return self.read(item, to_change=to_change, variances=to_change and self.held is not None)

    def read_to_look(self, item: Item) -> Frame:
        """Read the good pixels of an exposure; all planes if they are kept on disk."""
        in_memory = self.scratch.folder is None
        return self.read(item, to_change=False, variances=False, only_good=in_memory)

    def _described(self, item: Item) -> ImageDescription:
        """Return the description of an exposure, made now if need be."""
        assert item.path is not None
        if item.image is not None:
            return item.image
        return describe(item.path, fill_selection(self.selection, item.path, item.label)).images[0]

    def bad_pixels(self, item: Item) -> str:
        """Describe which pixels of an exposure do not count."""
        image = self._described(item)
        parts = []
        if image.mask is not None:
            parts.append(image.mask.summary)
        if image.variance is not None:
            parts.append(f"{image.variance.name}: not positive or not finite")
        return "; ".join(parts) or "not finite"

    def read_output(self, item: Item) -> Frame | None:
        """Read the output of an exposure, or return None if it cannot be read."""
        assert item.output is not None
        try:
            written = read_image(self.described_output(item), scratch=self.scratch)
        except FitsError as error:
            log.debug("Matched again: %s", error)
            return None
        if item.origin is not None:
            written.setXY0(Point2I(*item.origin))
        return Frame(written, bad_bits_of(written))

    def described_output(self, item: Item) -> ImageDescription:
        """Return the description of an exposure in the output of its file."""
        image, output = self._described(item), item.output
        assert output is not None
        # A compressed image cannot be in the primary HDU, so that all HDUs may be one farther down.
        shift = len(describe(output).hdus) - len(describe(image.path).hdus) if self.compress else 0

        def moved(plane: Any) -> Any:
            return plane if plane.path != image.path else replace(plane, path=output, hdu=plane.hdu + shift)

        mask = None if image.mask is None else moved(image.mask)
        variance = None if image.variance is None else moved(image.variance)
        return replace(image, path=output, hdu=image.hdu + shift, mask=mask, variance=variance)

    def finish(self, item: Item, frame: Frame, record: ExposureRecord, result: Result) -> dict[int, NewPlane]:
        """Return the new pixels of an exposure, by number of the HDU, with its history in the header."""
        image, exposure = self._described(item), frame.exposure
        cards = {
            "EVS_VER": (__version__, "version of evensky"),
            "EVS_STAT": (record.status, "reference, fixed or matched"),
            "EVS_MODL": (record.model, "background model"),
            "EVS_RMS": (record.fit_rms, "RMS of bins - model"),
            **result.cards,
            "EVS_FLAG": (",".join(record.flags), "doubts, see HISTORY"),
        }
        planes = {image.hdu: NewPlane(exposure.image.bands, cards, result.history)}
        if result.variance_changed and (errors := image.variance) is not None:
            if errors.path == image.path:
                planes[errors.hdu] = NewPlane(changed_errors(errors, exposure.variance.bands))
            else:
                undone = []
                if result.variance_added:
                    undone.append("to which the variance of the model is not added; use model_sigma of the table")
                if result.gain != 1:
                    undone.append("which is not divided by the throughput; use gain of the table")
                record.warnings.append(f"its errors are in another file, {errors.path.name}, {', and '.join(undone)}")
        elif self.held is not None:  # changed errors are rounded in the output
            self.held.add(item.index, exposure)
        return planes

    def write(
        self, items: Sequence[Item], records: Sequence[ExposureRecord], parts: Sequence[Mapping[int, NewPlane]]
    ) -> None:
        """Write the output of a file, and note it in the records of its exposures."""
        source, output = items[0].path, items[0].output
        assert source is not None
        assert output is not None
        # The folder was checked before: an existing file is left from an earlier attempt, or may be replaced.
        planes = {number: plane for part in parts for number, plane in part.items()}
        written = rewrite_file(source, output, planes, overwrite=True, compress=self.compress, permit=self.permit)
        for record in records:
            record.output, record.output_bytes, record.output_digest = str(output), written.size, written.digest
