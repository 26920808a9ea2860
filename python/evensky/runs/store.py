"""Exposures in files, which are read with their planes and written with their history."""

from __future__ import annotations

__all__ = ["FileStore"]

import logging
from collections.abc import Sequence
from pathlib import Path

from .._core import __version__
from ..errors import FitsError
from ..fits.planes import plane_file
from ..io import read_exposure, write_exposure
from ..io.file_names import fill_pattern
from .record import ExposureRecord
from .source import Frame, Item, Result, Source

log = logging.getLogger("evensky")


class FileStore(Source):
    """Source that reads and writes the files of a run.

    Parameters
    ----------
    bad_planes : sequence of str
        Names of the mask planes whose pixels do not count.
    mask, variance : str, optional
        Location of these planes, if not the usual one; ``{stem}``, ``{name}`` and ``{dir}`` of the exposure are filled
        in.
    compress : bool, optional
        Compress the output files in tiles.
    scratch : str or Path, optional
        Folder in which pixels are kept instead of in memory.
    """

    def __init__(
        self,
        bad_planes: Sequence[str],
        *,
        mask: str | None = None,
        variance: str | None = None,
        compress: bool = False,
        scratch: str | Path | None = None,
    ) -> None:
        super().__init__(bad_planes)
        self.mask = mask
        self.variance = variance
        self.compress = compress
        self.scratch = scratch

    def read(self, item: Item, *, to_change: bool = True) -> Frame:
        """Read an exposure with its planes from the locations that the patterns give."""
        assert item.path is not None
        exposure = read_exposure(
            item.path,
            mask=self._plane(self.mask, item),
            variance=self._plane(self.variance, item),
            scratch=self.scratch,
        )
        exposure.dataId = {"exposure": item.label}
        return Frame(exposure, self.bits(exposure))

    def read_output(self, item: Item) -> Frame | None:
        """Read the output of an exposure, or return None if it cannot be read."""
        assert item.output is not None
        try:
            exposure = read_exposure(item.output, scratch=self.scratch)
        except FitsError as error:
            log.debug("Matched again: %s", error)
            return None
        return Frame(exposure, self.bits(exposure))

    def plane_files(self, item: Item) -> list[Path]:
        """Return the files of an exposure's mask and variance, if they are not the exposure's own."""
        specs = [self._plane(pattern, item) for pattern in (self.mask, self.variance)]
        return [file for spec in specs if spec is not None and (file := plane_file(spec)) is not None]

    @staticmethod
    def _plane(pattern: str | None, item: Item) -> str | None:
        assert item.path is not None
        return None if pattern is None else fill_pattern(pattern, item.path, item.label)

    def finish(self, item: Item, frame: Frame, record: ExposureRecord, result: Result) -> None:
        """Write an exposure with its history in the header, and note the file in its record."""
        assert item.output is not None
        cards = {
            "EVS_VER": (__version__, "version of evensky"),
            "EVS_STAT": (record.status, "reference or matched"),
            "EVS_MODL": (record.model, "background model"),
            "EVS_RMS": (record.fit_rms, "RMS of bins - model"),
            **result.cards,
            "EVS_FLAG": (",".join(record.flags), "how the model is poorly constrained"),
        }
        write_exposure(
            frame.exposure,
            item.output,
            # The folder was checked before: an existing file is left from an earlier attempt, or may be replaced.
            overwrite=True,
            compress=self.compress,
            history=result.history,
            provenance=cards,
        )
        record.output, record.output_bytes = str(item.output), item.output.stat().st_size
