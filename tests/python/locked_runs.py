"""Runs over files as `evensky.match_files` makes them, with the parameters of the layer below it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from evensky.io.folder_lock import FolderLock
from evensky.runs import files
from evensky.runs.match_run import MatchRun


def match_files(paths: Iterable[str | Path], out_dir: str | Path, **options: Any) -> MatchRun:
    """Lock the folder and match files."""
    with FolderLock(Path(out_dir)) as lock:
        return files.match_files(paths, out_dir, permit=lock.permit, **options)
