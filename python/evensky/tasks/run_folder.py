"""The files of a run, and the folder that its results go to."""

from __future__ import annotations

__all__ = ["EARLIER_RESULTS", "RunFolder"]

import glob
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .._core import __version__
from ..errors import FitsError
from ..fits.opening import real_path
from .file_access import FileAccess, Item
from .journal import JOURNAL
from .labels import unique_labels

EARLIER_RESULTS = "matched.ecsv"


class RunFolder:
    """The files of one run, and the folder that they go to."""

    def __init__(self, paths: Sequence[Path], out_dir: Path, files: FileAccess, *, overwrite: bool, resume: bool):
        labels = unique_labels(paths)
        self.items = [
            Item(path, label, out_dir / f"{label}_matched.fits") for path, label in zip(paths, labels, strict=True)
        ]
        self.labels = labels
        self.out_dir = out_dir
        self.files = files
        self.overwrite = overwrite
        self.resume = resume

    def _plane_files(self) -> list[Path]:
        return [file for item in self.items for file in self.files.plane_files(item)]

    def prepare_folder(self) -> None:
        """Make the output folder; refuse one that holds earlier results, or that cannot be written to."""
        folder, outputs = self.out_dir, [item.output for item in self.items]
        if os.path.exists(folder) and not os.path.isdir(folder):
            raise FitsError(f"{folder}: is a file; the output needs a folder")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FitsError(f"{folder}: cannot be made: {error.strerror}") from error
        journal = os.path.lexists(folder / JOURNAL)
        if not self.overwrite and not (self.resume and journal):
            earlier = [path.name for path in (folder / EARLIER_RESULTS, *outputs) if os.path.lexists(path)]
            if journal and (folder / EARLIER_RESULTS).name not in earlier:
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
        inputs = {real_path(path) for path in (*(item.path for item in self.items), *self._plane_files())}
        results = [folder / name for name in (JOURNAL, EARLIER_RESULTS, "report.html")]
        if clash := [path for path in (*outputs, *results) if real_path(path) in inputs]:
            raise FitsError(
                f"{clash[0]}: is an input too, and inputs are never written to; choose another output folder"
            )

    def asked(self, config: dict[str, Any], number: int, reference: Path | None) -> dict[str, Any]:
        """What the results depend on."""

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
            "mask": self.files.mask,
            "variance": self.files.variance,
            "compress": self.files.compress,
            "files": [state(path) for path in (item.path for item in self.items)],
            "planes": [state(file) for file in self._plane_files()],
            "number": number,
        }

    def remove_torn(self) -> None:
        """Remove what a killed run left half written."""
        for path in (
            *(item.output for item in self.items),
            self.out_dir / EARLIER_RESULTS,
            self.out_dir / "report.html",
        ):
            for torn in self.out_dir.glob(f".{glob.escape(path.name)}.*.tmp"):
                torn.unlink(missing_ok=True)
