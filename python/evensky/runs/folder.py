"""The output folder of a run over files."""

from __future__ import annotations

__all__ = ["COVARIANCE", "OVERLAPS", "PAGE", "RUN", "TABLE", "RunFolder", "file_state"]

import errno
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from .._core import __version__
from ..errors import FitsError
from ..fits.atomic import RUN as TORN
from ..fits.opening import real_path
from ..io.folder_lock import LOCK
from .journal import JOURNAL
from .source import Item
from .store import FileStore

log = logging.getLogger("evensky")

# Errors that stay: the file cannot be read, and its exposure fails alone.
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG)

TABLE, OVERLAPS, PAGE, RUN = "matched.ecsv", "overlaps.ecsv", "report.html", "matched.run"
"""Names in the folder: the table of exposures, that of overlaps, the report, and all from which it is made again."""
COVARIANCE = "matched.covariance.fits"
"""Name in the folder of the covariance of all models."""


def file_state(path: Path) -> list[Any]:
    """Return the path of a file, its size, and the time of its last change, by which a change is noticed.

    Raises
    ------
    evensky.errors.FitsError
        If it cannot be told whether the file is there, so that a run could not be resumed.
    """
    try:
        found = path.stat()
    except OSError as error:
        if error.errno not in _NOT_THERE:
            raise FitsError(f"{path}: cannot be looked at: {error.strerror or error}; try again") from error
        return [str(path.absolute()), None, None]
    return [str(path.absolute()), found.st_size, found.st_mtime_ns]


class RunFolder:
    """The files of a run, and the folder for their results.

    Parameters
    ----------
    items : sequence of Item
        The exposures.
    out_dir : Path
    store : FileStore
    overwrite : bool
        Replace earlier results.
    resume : bool
        Continue a run whose journal is in the folder.

    Attributes
    ----------
    items : list of Item
    labels : list of str
    inputs : set of Path
        Real paths of all files that are read; known after `prepare`.
    """

    def __init__(self, items: Sequence[Item], out_dir: Path, store: FileStore, *, overwrite: bool, resume: bool):
        self.items = list(items)
        self.labels = [item.label for item in items]
        self.paths = list(dict.fromkeys(item.path for item in items if item.path is not None))
        self.out_dir = out_dir
        self.store = store
        self.overwrite = overwrite
        self.resume = resume
        self.inputs: set[Path] = set()

    def _outputs(self) -> list[Path]:
        return list(dict.fromkeys(item.output for item in self.items if item.output is not None))

    def _plane_files(self) -> list[Path]:
        """Return the files of masks and variances that are not in the files of their exposures."""
        images = [item.image for item in self.items if item.image is not None]
        planes = [(image, plane) for image in images for plane in (image.mask, image.variance) if plane is not None]
        return list(dict.fromkeys(plane.path for image, plane in planes if plane.path != image.path))

    def prepare(self, beside: Sequence[Path] = ()) -> None:
        """Check that nothing in the folder would be lost.

        Parameters
        ----------
        beside : sequence of Path, optional
            Further files that are read.

        Raises
        ------
        evensky.errors.FitsError
            If the folder holds earlier results, or if an input would be overwritten.
        """
        folder = self.out_dir
        self.inputs = {real_path(path) for path in (*self.paths, *self._plane_files(), *beside)}
        journal = os.path.lexists(folder / JOURNAL)
        if not self.overwrite and not (self.resume and journal):
            if journal and not os.path.lexists(folder / TABLE):
                raise FitsError(
                    f"{folder}: holds a run that did not end ({JOURNAL}); resume it (resume=True, --resume), choose "
                    "another folder or allow overwriting (overwrite=True, --overwrite)"
                )
            self.refuse_earlier("resume a run that was stopped (resume=True, --resume), " if journal else "")
        if clash := [path for path in self.results if real_path(path) in self.inputs]:
            raise FitsError(
                f"{clash[0]}: is an input too, and inputs are never written to; choose another output folder"
            )

    @property
    def results(self) -> list[Path]:
        """All files that the run writes to the folder."""
        return [*self._outputs(), self.out_dir / JOURNAL, self.out_dir / LOCK, *self.summaries]

    @property
    def summaries(self) -> list[Path]:
        """Files about all exposures: the tables, the report, that from which it is made again, and the covariance."""
        return [self.out_dir / name for name in (TABLE, OVERLAPS, PAGE, RUN, COVARIANCE)]

    def refuse_earlier(self, advice: str = "") -> None:
        """Raise an error if there are earlier results, unless they may be replaced.

        Parameters
        ----------
        advice : str, optional
            What to do, before the usual advice.

        Raises
        ------
        evensky.errors.FitsError
            If the folder holds earlier results.
        """
        if self.overwrite:
            return
        earlier = [path.name for path in (*self.summaries, *self._outputs()) if os.path.lexists(path)]
        if earlier:
            empty = "no run in" if os.path.lexists(self.out_dir / JOURNAL) else "no"
            unknown = f" but {empty} {JOURNAL} to resume" if self.resume else ""
            raise FitsError(
                f"{self.out_dir}: holds earlier results ({earlier[0]}){unknown}; {advice}choose another folder or "
                "allow overwriting (overwrite=True, --overwrite)"
            )

    def asked(
        self,
        config: dict[str, Any],
        number: int,
        reference: Path | None,
        *,
        beside: Sequence[Path] = (),
        more: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the inputs and parameters that determine the results, in JSON types.

        Parameters
        ----------
        config : dict
        number : int
            Number of exposures to match.
        reference : Path or None
        beside : sequence of Path, optional
            Further files that are read.
        more : mapping, optional
            Further parameters.

        Raises
        ------
        evensky.errors.FitsError
            If it cannot be told whether a file is there, so that the run could not be resumed.
        """

        return {
            "version": __version__,
            "config": config,
            "reference": None if reference is None else str(reference.absolute()),
            # How much may be unpacked is no property of the results.
            "selection": asdict(replace(self.store.selection, max_unpacked=None)),
            "ignore_units": self.store.ignore_units,
            "compress": self.store.compress,
            "files": [file_state(path) for path in self.paths],
            "planes": [file_state(file) for file in (*self._plane_files(), *beside)],
            "number": number,
            **(more or {}),
        }

    def remove_torn(self) -> None:
        """Remove temporary files that a killed run left, whatever its exposures were.

        Those of version 0.1 are known by the names of the results of this run.
        """
        results = {f".{name}" for name in (*(output.name for output in self._outputs()), TABLE, OVERLAPS, PAGE)}
        for entry in list(os.scandir(self.out_dir)):
            parts = entry.name.rsplit(".", 2)
            if len(parts) != 3 or parts[2] != "tmp" or not (parts[1].startswith(TORN) or parts[0] in results):
                continue
            if not entry.is_file(follow_symlinks=False) or real_path(Path(entry.path)) in self.inputs:
                continue
            try:
                os.unlink(entry.path)
            except OSError as error:  # it costs nothing but its place
                log.debug("%s is not removed: %s", entry.path, error)
