"""Exposures that are files: read with their planes, written with what was done to them."""

from __future__ import annotations

__all__ = ["FileAccess", "Item", "bad_bits", "plane_of"]

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .._core import __version__
from ..errors import FitsError, InvalidParameterError
from ..fits.planes import plane_file
from ..image import Exposure, Mask
from ..image.mask import BAD_PLANES
from ..io import read_exposure, write_exposure
from .match_exposure import reason_of
from .run_record import ExposureRecord

log = logging.getLogger("evensky")


@dataclass(frozen=True)
class Item:
    """An exposure of a run: where it is read from, its name in the run, and where it is written to."""

    path: Path
    label: str
    output: Path


def plane_of(pattern: str, path: Path, stem: str) -> str:
    """Where a plane of an exposure is: ``{stem}``, ``{name}`` and ``{dir}`` filled in.

    Raises
    ------
    evensky.errors.InvalidParameterError
        For anything else in braces.
    """
    try:
        return pattern.format(stem=stem, name=path.name, dir=path.parent)
    except (KeyError, IndexError, ValueError, AttributeError, TypeError, MemoryError) as error:
        raise InvalidParameterError(
            f"Pattern {pattern!r} cannot be filled in ({reason_of(error)}); {{stem}}, {{name}} and {{dir}} are known"
        ) from None


def bad_bits(mask: Mask, bad_planes: str | None) -> int:
    """Bits of the planes that the user named, with commas between, or of the usual ones as far as the mask has them.

    Raises
    ------
    evensky.errors.NotFoundError
        For a plane that the mask does not know.
    """
    if bad_planes is not None:
        return int(mask.getPlaneBitMask([name.strip() for name in bad_planes.split(",") if name.strip()]))
    known = mask.getMaskPlaneDict()
    return int(mask.getPlaneBitMask([name for name in BAD_PLANES if name in known]))


@dataclass
class FileAccess:
    """Reads and writes the exposures of a run; what goes to another process is small.

    Attributes
    ----------
    mask, variance : str or None
        Where these planes are if not in their usual place, with ``{stem}``, ``{name}`` or ``{dir}`` of the exposure.
    compress : bool
        Compress the files by tiles.
    scratch : str, Path or None
        A folder for pixels that are not kept in memory.
    """

    mask: str | None = None
    variance: str | None = None
    compress: bool = False
    scratch: str | Path | None = None

    def __post_init__(self) -> None:
        # Tells the exposures of one run from those of another.
        self.run = uuid.uuid4().hex

    def load(self, item: Item) -> Exposure:
        """Read an exposure with its planes from wherever the patterns say they are."""
        exposure = read_exposure(
            item.path,
            mask=self._plane(self.mask, item),
            variance=self._plane(self.variance, item),
            scratch=self.scratch,
        )
        exposure.dataId = {"exposure": item.label}
        return exposure

    def load_output(self, item: Item) -> Exposure | None:
        """Read what was written of an exposure; None where that cannot be read."""
        try:
            return read_exposure(item.output, scratch=self.scratch)
        except FitsError as error:
            log.debug("Done anew: %s", error)
            return None

    def plane_files(self, item: Item) -> list[Path]:
        """The files that its mask and variance come from, where these are not the exposure's own."""
        specs = [self._plane(pattern, item) for pattern in (self.mask, self.variance)]
        return [file for spec in specs if spec is not None and (file := plane_file(spec)) is not None]

    @staticmethod
    def _plane(pattern: str | None, item: Item) -> str | None:
        return None if pattern is None else plane_of(pattern, item.path, item.label)

    def write(
        self,
        item: Item,
        exposure: Exposure,
        record: ExposureRecord,
        history: list[str],
        provenance: Mapping[str, tuple[Any, str]],
    ) -> None:
        """Write an exposure, with what was done to it in its header, and say so in its record.

        Parameters
        ----------
        item : Item
        exposure : Exposure
        record : ExposureRecord
        history : list of str
        provenance : mapping of str to tuple
            Values and comments of cards beside those that all have; numbers that are not finite have no value.
        """

        def value(given: Any) -> Any:
            return None if isinstance(given, float) and not np.isfinite(given) else given

        cards = {
            "EVS_VER": (__version__, "version of evensky"),
            "EVS_STAT": (record.status, "reference or matched"),
            "EVS_MODL": (record.model, "background model"),
            "EVS_RMS": (record.fit_rms, "RMS of bins - model"),
            **provenance,
            "EVS_FLAG": (",".join(record.flags), "how the model is poorly constrained"),
        }
        write_exposure(
            exposure,
            item.output,
            # The folder was looked at before: what is there now is what an attempt left, or what may be replaced.
            overwrite=True,
            compress=self.compress,
            history=history,
            provenance={name: (value(given), comment) for name, (given, comment) in cards.items()},
        )
        record.output, record.output_bytes = str(item.output), item.output.stat().st_size
