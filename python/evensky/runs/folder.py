"""The output folder of a run over files."""

from __future__ import annotations

__all__ = ["OVERLAPS", "PAGE", "TABLE", "RunFolder"]

import glob
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .._core import __version__
from ..errors import FitsError
from ..fits.opening import real_path
from .journal import JOURNAL
from .source import Item
from .store import FileStore

TABLE, OVERLAPS, PAGE = "matched.ecsv", "overlaps.ecsv", "report.html"
"""Names of the table of exposures, the table of overlaps and the report in the folder."""


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
    """

    def __init__(self, items: Sequence[Item], out_dir: Path, store: FileStore, *, overwrite: bool, resume: bool):
        self.items = list(items)
        self.labels = [item.label for item in items]
        self.paths = list(dict.fromkeys(item.path for item in items if item.path is not None))
        self.out_dir = out_dir
        self.store = store
        self.overwrite = overwrite
        self.resume = resume

    def _outputs(self) -> list[Path]:
        return list(dict.fromkeys(item.output for item in self.items if item.output is not None))

    def _plane_files(self) -> list[Path]:
        """Return the files of masks and variances that are not in the files of their exposures."""
        images = [item.image for item in self.items if item.image is not None]
        planes = [(image, plane) for image in images for plane in (image.mask, image.variance) if plane is not None]
        return list(dict.fromkeys(plane.path for image, plane in planes if plane.path != image.path))

    def prepare(self, beside: Sequence[Path] = ()) -> None:
        """Make the folder, after checking that nothing in it would be lost.

        Parameters
        ----------
        beside : sequence of Path, optional
            Further files that are read.

        Raises
        ------
        evensky.errors.FitsError
            If the folder holds earlier results or cannot be made, or if an input would be overwritten.
        """
        folder, outputs = self.out_dir, self._outputs()
        if os.path.exists(folder) and not os.path.isdir(folder):
            raise FitsError(f"{folder}: is a file; choose a folder for the output")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FitsError(f"{folder}: cannot be made: {error.strerror}") from error
        journal = os.path.lexists(folder / JOURNAL)
        if not self.overwrite and not (self.resume and journal):
            earlier = [path.name for path in (folder / TABLE, *outputs) if os.path.lexists(path)]
            if journal and (folder / TABLE).name not in earlier:
                raise FitsError(
                    f"{folder}: holds a run that did not end ({JOURNAL}); resume it (resume=True, --resume), choose "
                    "another folder or allow overwriting (overwrite=True, --overwrite)"
                )
            if earlier:
                unknown = f" but no {JOURNAL} to resume" if self.resume else ""
                raise FitsError(
                    f"{folder}: holds earlier results ({earlier[0]}){unknown}; choose another folder or allow "
                    "overwriting (overwrite=True, --overwrite)"
                )
        inputs = {real_path(path) for path in (*self.paths, *self._plane_files(), *beside)}
        results = [folder / name for name in (JOURNAL, TABLE, OVERLAPS, PAGE)]
        if clash := [path for path in (*outputs, *results) if real_path(path) in inputs]:
            raise FitsError(
                f"{clash[0]}: is an input too, and inputs are never written to; choose another output folder"
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
        """

        def state(path: Path) -> list[Any]:
            try:
                found = path.stat()
            except OSError:
                return [str(path.absolute()), None, None]
            return [str(path.absolute()), found.st_size, found.st_mtime_ns]

        return {
            "version": __version__,
            "config": config,
            "reference": None if reference is None else str(reference.absolute()),
            "selection": asdict(self.store.selection),
            "ignore_units": self.store.ignore_units,
            "compress": self.store.compress,
            "files": [state(path) for path in self.paths],
            "planes": [state(file) for file in (*self._plane_files(), *beside)],
            "number": number,
            **(more or {}),
        }

    def remove_torn(self) -> None:
        """Remove temporary files that a killed run left."""
        for name in (*(output.name for output in self._outputs()), TABLE, OVERLAPS, PAGE):
            for torn in self.out_dir.glob(f".{glob.escape(name)}.*.tmp"):
                torn.unlink(missing_ok=True)
