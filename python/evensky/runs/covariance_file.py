"""The file of a run with the covariance of its models, for the variance of a combined image."""

from __future__ import annotations

__all__ = [
    "covariance_beside",
    "covariance_of",
    "covariance_path",
    "read_covariance",
    "without_covariance",
    "write_covariance",
]

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..combining.corrections import labels_in
from ..fits.atomic import Permit
from ..matching.joint.covariance import CorrectionCovariance
from .folder import COVARIANCE
from .match_run import MatchRun


def write_covariance(run: MatchRun, folder: Path, permit: Permit | None = None) -> Path:
    """Write the covariance of the models of a run, with the digests of the outputs to which it belongs.

    Parameters
    ----------
    run : MatchRun
        Run that has a covariance.
    folder : Path
        Output folder of the run; an existing file is replaced.
    permit : Permit, optional
        Right to write to the folder, see `evensky.fits.atomic.atomic_path`.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    evensky.errors.FitsError
        If the file cannot be written.
    """
    assert run.covariance is not None
    written = {record.label: record.output_digest for record in run.records if record.status != "failed"}
    path = folder / COVARIANCE
    # Exposures that failed have no output that could be combined.
    kept = run.covariance.select([label for label in run.covariance.labels if label in written])
    kept.save(path, digests={label: digest for label, digest in written.items() if digest}, permit=permit)
    return path


def read_covariance(path: str | Path, outputs: Mapping[str, str | Path] | None = None) -> CorrectionCovariance:
    """Read the covariance of the models of a run.

    Parameters
    ----------
    path : str or Path
        The file, or the output folder of the run.
    outputs : mapping of str to str or Path, optional
        Files of exposures by label. They are read and compared with those that the run has written.

    Returns
    -------
    CorrectionCovariance

    Raises
    ------
    evensky.errors.FitsError
        If the file cannot be read or is no such file, or if an output cannot be read or has changed since the run.
    """
    return CorrectionCovariance.load(covariance_path(path), files=outputs)


def without_covariance(files: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """Leave the file of a covariance out of exposures, as patterns such as ``matched/*.fits`` name it, too.

    Returns
    -------
    files : list of Path
        The exposures.
    notes : list of str
    """
    exposures = [path for path in files if path.name != COVARIANCE]
    if len(exposures) == len(files):
        return exposures, []
    return exposures, [f"{COVARIANCE} is no exposure, and is left out; it is used if the exposures are of its match"]


def covariance_path(path: str | Path) -> Path:
    """Return the file of a covariance, given it or the output folder of the run."""
    path = Path(path)
    return path / COVARIANCE if path.is_dir() else path


def covariance_beside(exposures: Sequence[tuple[str, Path | None]]) -> tuple[Path | None, str]:
    """Look for the covariance of the match in whose output folder all exposures are.

    Parameters
    ----------
    exposures : sequence of (str, Path or None)
        Label and file of each exposure.

    Returns
    -------
    path : Path or None
        The file, if the exposures are outputs of that match.
    note : str
        Why a file that is there is not used; "" otherwise.
    """
    folders = {path.parent for _, path in exposures if path is not None}
    if len(folders) != 1:
        return None, ""
    path = folders.pop() / COVARIANCE
    if not path.exists():
        return None, ""
    labels = [label for label, _ in exposures]
    known = labels_in(CorrectionCovariance.load(path), labels)
    if known is None or not all("_matched" in label for label in labels):
        return None, f"{COVARIANCE} beside the files is not used, as they are not all outputs of its match"
    return path, ""


def covariance_of(path: Path, exposures: Sequence[tuple[str, Path | None]]) -> CorrectionCovariance:
    """Read a covariance, and compare exposures with those for which it was written.

    Parameters
    ----------
    path : Path
    exposures : sequence of (str, Path or None)
        Label and file of each exposure.

    Returns
    -------
    CorrectionCovariance
        If it does not know all exposures, none is compared.

    Raises
    ------
    evensky.errors.FitsError
        If the file cannot be read, or an exposure has changed since the match.
    """
    found = CorrectionCovariance.load(path)
    labels = labels_in(found, [label for label, _ in exposures])
    if labels is None:
        return found
    # It was written after the outputs of its match. What is not one of them, or newer, is read to be compared.
    written = path.stat().st_mtime_ns
    doubtful = {
        known: file
        for known, (label, file) in zip(labels, exposures, strict=True)
        if file is not None
        and not (file.parent == path.parent and known != label and file.stat().st_mtime_ns <= written)
    }
    return read_covariance(path, doubtful) if doubtful else found
