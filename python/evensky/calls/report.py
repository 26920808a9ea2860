"""Reports of earlier runs, made again without a match."""

from __future__ import annotations

__all__ = ["remake_report"]

import os
from pathlib import Path

from ..errors import FitsError
from ..fits.opening import real_path
from ..io.folder_lock import FolderLock
from ..report import write_report
from ..runs.folder import PAGE, RUN
from ..runs.run_file import load_run


def remake_report(folder: str | Path, out: str | Path | None = None, *, overwrite: bool = False) -> Path:
    """Make the report of an earlier run again, without a match.

    The page is made from what the run has left in ``matched.run``; neither the exposures nor the outputs are read.

    Parameters
    ----------
    folder : str or Path
        Output folder of a match of files that has ended, and that made a report; or the file ``matched.run`` in it.
    out : str or Path, optional
        File of the page; by default ``report.html`` in `folder`, which is replaced.
    overwrite : bool, optional
        Replace an existing file `out`.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    evensky.errors.FitsError
        If the folder has no such run, its file is damaged, or the page cannot be written.
    evensky.errors.TaskError
        If the page cannot be made, e.g. for want of memory.

    Examples
    --------
    >>> import numpy as np, os, tempfile, evensky
    >>> from evensky.io import write_exposure
    >>> folder = tempfile.mkdtemp()
    >>> for name in "ab":
    ...     write_exposure(evensky.image.ExposureF(np.ones((64, 64), np.float32)), f"{folder}/{name}.fits")
    >>> run = evensky.match_files([f"{folder}/a.fits", f"{folder}/b.fits"], f"{folder}/out")
    >>> os.path.basename(evensky.remake_report(f"{folder}/out", f"{folder}/again.html"))
    'again.html'
    """
    folder = Path(folder)
    if folder.name == RUN and folder.is_file():
        folder = folder.parent
    run = load_run(folder)
    if out is None:
        with FolderLock(folder) as lock:
            return write_report(run, folder / PAGE, lock.permit)
    if real_path(out) == real_path(folder / RUN):
        raise FitsError(f"{out}: is what the page is made from, and is never written to; choose another name")
    if not overwrite and os.path.lexists(out):
        raise FitsError(
            f"{out}: exists already; allow overwriting (overwrite=True, --overwrite) or choose another name"
        )
    return write_report(run, out)
