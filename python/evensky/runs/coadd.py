"""The coadd of the exposures that a run has matched."""

from __future__ import annotations

__all__ = ["COADD", "COADD_OPTIONS", "Coadd", "notes_on_variance", "planes_to_combine"]

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .._checks import byte_limit
from .._planes import BAD_PLANES
from .._text import reason_of
from ..combining.extra import imported
from ..combining.options import SOURCES, exposure_weights, options_of
from ..draw.progress import Progress
from ..errors import EvenskyError, FitsError, InvalidParameterError, TaskError
from ..fits.descriptions import FileDescription
from ..fits.opening import real_path
from ..io.bands import ExposureBands
from ..work.memory import limits
from .combine_output import checked_output, checked_planes, checked_resampling
from .combine_readers import with_sources
from .combine_result import CombineRun
from .combine_run import USUAL_MEMORY, combine_files
from .folder import RunFolder
from .match_run import MatchRun
from .matched_pixels import MatchedPixels
from .source import Item
from .store import FileStore
from .survey import Survey

COADD = "coadd.fits"
"""Name of the coadd in the folder of a run."""

_STATISTIC = ("statistic", "sigma", "rounds", "centre", "scatter", "weighting")
COADD_OPTIONS = (*_STATISTIC, "wcs", "shape", "pixel_scale", "resampling", "planes", "max_memory")
"""Options of the coadd of a run over files: parameters of `evensky.combine_files`. The match gives the others."""


def notes_on_variance(run: MatchRun) -> list[str]:
    """Return a note if the variance of the coadd of a run does not hold the covariance of the models.

    Parameters
    ----------
    run : MatchRun
        The match of the exposures that are combined.
    """
    if run.config.get("add_variance"):
        return [
            "the variances of the exposures hold those of their models (add_variance), which are taken as independent "
            "from exposure to exposure; match without it for the variance of the coadd with their covariance"
        ]
    if run.covariance is None and run.number_matched:
        advice = "" if run.method == "all" else "; a joint match gives it (--method all, match_all)"
        return [f"the variance does not hold the errors of the models, whose covariance is not known{advice}"]
    return []


def planes_to_combine(bad_planes: Iterable[str]) -> tuple[str, ...] | None:
    """Return the mask planes whose pixels do not count in a coadd; None for the usual ones.

    A background leaves out the sources that some planes mark, and an image shows them.

    Parameters
    ----------
    bad_planes : iterable of str
        The planes whose pixels did not count in the match.
    """
    named = tuple(bad_planes)
    return None if named == tuple(BAD_PLANES) else tuple(name for name in named if name not in SOURCES)


# Share of the free memory that pixels may take between the match and the coadd.
_SHARE_HELD = 0.2


class Coadd:
    """The coadd of a run over files, before it is made.

    Parameters
    ----------
    out : Path
        The file to write.
    options : mapping
        Values of `COADD_OPTIONS`.
    same_grid : bool, optional
        Take the exposures to be on one pixel grid, whatever their WCS says.
    allow : collection of str, optional
        What is not to be refused.
    workers : int, optional
        Number of jobs that run at once.
    compress : bool, optional
        Write a tile-compressed file.
    scratch : Path, optional
        Folder for the pixels of resampled and unpacked exposures.

    Attributes
    ----------
    out : Path
    error : TaskError or None
        Why there is no coadd, after `make`.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If an option is unknown or not allowed.
    """

    def __init__(
        self,
        out: Path,
        options: Mapping[str, Any],
        *,
        same_grid: bool = False,
        allow: Collection[str] = (),
        workers: int = 1,
        compress: bool = False,
        scratch: Path | None = None,
    ) -> None:
        for name in options:
            if name not in COADD_OPTIONS:
                raise InvalidParameterError(
                    f"coadd_options has no option {name!r}; the options are {', '.join(COADD_OPTIONS)}"
                )
        self.out = out
        self.error: TaskError | None = None
        chosen = dict(options)
        self._statistic = options_of(**{name: chosen[name] for name in _STATISTIC if name in chosen})
        self._weighting = chosen.get("weighting")
        chosen["planes"] = checked_planes(chosen.get("planes", ("variance", "mask")))
        chosen["resampling"] = checked_resampling(chosen.get("resampling", "interp"))
        self._memory = byte_limit(chosen.get("max_memory"), "max_memory") or USUAL_MEMORY
        self._options: dict[str, Any] = {name: value for name, value in chosen.items() if name not in _STATISTIC}
        self._more: dict[str, Any] = {
            "same_grid": same_grid,
            "allow": allow,
            "workers": workers,
            "compress": compress,
            "scratch": scratch,
        }

    def prepare(self, folder: RunFolder, items: Sequence[Item]) -> None:
        """Check before the match that the coadd can be written.

        Parameters
        ----------
        folder : RunFolder
            The folder, which is prepared.
        items : sequence of Item
            The exposures.

        Raises
        ------
        evensky.errors.FitsError
            If the file exists and may not be replaced, or is an input or another result of the run.
        evensky.errors.InvalidParameterError
            If there is another number of weights, or exposures must be resampled and the package for it is missing.
        """
        exposure_weights(self._weighting, len(items))
        if any(item.map is not None for item in items) or self._options.get("pixel_scale") is not None:
            imported()
        place = real_path(self.out)
        grid = self._options.get("wcs")
        if place in folder.inputs or (isinstance(grid, str | os.PathLike) and place == real_path(Path(grid))):
            raise FitsError(f"{self.out}: is an input too, and inputs are never written to; choose another coadd")
        if place in {real_path(path) for path in folder.results}:
            raise FitsError(f"{self.out}: is the name of another result of the match; choose another coadd")
        if self.out.is_dir():
            raise FitsError(f"{self.out}: is a folder; name a file as coadd, e.g. {self.out / COADD}")
        checked_output(self.out)
        if os.path.lexists(self.out) and not (folder.overwrite or folder.resume):
            raise FitsError(
                f"{self.out}: exists already; choose another coadd or allow overwriting (overwrite=True, --overwrite)"
            )

    def held(self, items: Sequence[Item]) -> MatchedPixels | None:
        """Return where to keep the pixels of all exposures until they are combined; None if they need too much memory.

        Parameters
        ----------
        items : sequence of Item
            The exposures.
        """
        images = [item.image for item in items if item.image is not None]
        # Image, mask and variance.
        needed = sum(image.shape[0] * image.shape[1] * (image.pixel_bytes + 8) for image in images)
        found = limits()
        free = min((one for one in (found.memory, found.address_space) if one is not None), default=0)
        return MatchedPixels() if needed <= min(self._memory, _SHARE_HELD * free) else None

    def make(
        self,
        run: MatchRun,
        items: Sequence[Item],
        wcs: Sequence[Any],
        store: FileStore,
        progress: Progress | None = None,
    ) -> None:
        """Combine the outputs of a run, apart from those of exposures that failed, and tell the run.

        If there is no coadd, a note of the run says why, and so does `error`: the match itself is complete.

        Parameters
        ----------
        run : MatchRun
        items : sequence of Item
            The exposures of its records.
        wcs : sequence of astropy.wcs.WCS or None
            Their WCS.
        store : FileStore
            The store that has written the outputs.
        progress : callable, optional
        """
        try:
            run.coadd = self._made(run, items, wcs, store, progress)
        except (EvenskyError, MemoryError) as error:
            reason = reason_of(error)
            run.notes.append(f"There is no coadd: {reason}.")
            self.error = TaskError(
                f"{self.out}: is not written: {reason}; the match itself is complete, and evensky combine makes a "
                "coadd of its outputs"
            )
            self.error.__cause__ = error

    def _made(
        self, run: MatchRun, items: Sequence[Item], wcs: Sequence[Any], store: FileStore, progress: Progress | None
    ) -> CombineRun:
        used = [index for index, record in enumerate(run.records) if record.status != "failed"]
        if not used:
            raise TaskError("all exposures failed")
        weights = exposure_weights(self._weighting, len(items))
        survey = _outputs(used, items, wcs, store)
        held, store.held = store.held, None
        opened: dict[int, ExposureBands] = {}
        for item, index in zip(survey.items, used, strict=True):
            if held is not None and item.image is not None and (bands := held.bands(index, item.image)) is not None:
                opened[item.index] = bands
        made = combine_files(
            dict.fromkeys(item.path for item in survey.items if item.path is not None),
            self.out,
            options=self._statistic,
            weighting=self._weighting if weights is None else [weights[index] for index in used],
            survey=survey,
            opened=opened,
            covariance=run.covariance,
            overwrite=True,
            progress=progress,
            **self._options,
            **self._more,
        )
        if "variance" in made.planes:
            made.notes += notes_on_variance(run)
        return made


def _outputs(used: Sequence[int], items: Sequence[Item], wcs: Sequence[Any], store: FileStore) -> Survey:
    """Return what is known of the outputs of exposures, each as a file of its own."""
    files: list[FileDescription | EvenskyError] = []
    found = []
    for number, index in enumerate(used):
        item = items[index]
        assert item.output is not None
        image = with_sources(store.described_output(item))
        files.append(FileDescription(item.output, image.layout, "exposure", (image,), (), wcs=(wcs[index],)))
        found.append(replace(item, index=number, path=item.output, output=None, image=image))
    return Survey(files, found)
