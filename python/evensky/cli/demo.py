"""``evensky demo``."""

from __future__ import annotations

__all__ = ["command"]

import sys
from pathlib import Path
from typing import Any

import click
import numpy as np

from ..combining.extra import imported
from ..draw.progress import progress_bar
from ..errors import FitsError, InvalidParameterError
from ..io import read_exposure
from ..io.folder_lock import FolderLock
from ..matching.joint.config import MatchAllConfig
from ..report import write_report
from ..runs.coadd import COADD, Coadd
from ..runs.files import match_files
from ..runs.folder import PAGE
from ..runs.match_run import MatchRun
from ..runs.run_file import save_run
from ..simulate import (
    SimulatedExposure,
    SkyResiduals,
    make_dithered_exposures,
    make_exposures,
    residual_background,
    sky_residuals,
    write_exposures,
)
from ..tasks import MatchBackgroundsConfig
from .combine import print_combined
from .console import print_run
from .options import COUNT, EXIT_FAILED, PATH, Command, one_line
from .terminal import open_console, say


@click.command("demo", cls=Command)
@click.argument("folder", required=False, type=PATH)
@click.option(
    "--dithered",
    is_flag=True,
    help="Simulate exposures with pointings, rotations, scales, distortions and chip gaps of their own.",
)
@click.option("--number", "-n", default=6, show_default=True, type=click.IntRange(min=2), help="Number of exposures.")
@click.option(
    "--size",
    default=1024,
    show_default=True,
    type=click.IntRange(min=256),
    help="Width and height of the exposures in pixels.",
)
@click.option("--seed", default=2026, show_default=True, help="Seed; the same seed gives the same exposures.")
@click.option("--workers", "-j", default=1, show_default=True, type=COUNT, help="Number of jobs that run at once.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier demo.")
def command(
    folder: Path | None, dithered: bool, number: int, size: int, seed: int, workers: int, overwrite: bool
) -> None:
    """Simulate exposures in FOLDER, match them, and compare the result with the truth.

    The exposures show a star field with diffuse light, each under a different sky. Their masks mark chip gaps, bad
    columns, cosmic rays and detections. The exposures are matched twice: in a joint match, and each to one reference.

    With --dithered, exposures are on no common pixel grid and have no masks. They are matched in a joint match.

    Each match also combines the matched exposures, and writes them as one image, coadd.fits.

    FOLDER is evensky-demo by default, and evensky-demo-dithered with --dithered.
    """
    folder = folder or Path("evensky-demo-dithered" if dithered else "evensky-demo")
    with one_line(), FolderLock(folder):
        inputs = folder / "exposures"
        if inputs.exists() and not overwrite:
            raise FitsError(
                f"{folder}: holds an earlier demo; choose another folder or allow overwriting with --overwrite"
            )
        kind = "dithered exposures" if dithered else "exposures"
        say(f"Simulating {number} {kind} of {size} x {size} px in {inputs}")
        simulated = _simulated(number, size, seed, dithered)
        for torn in (*inputs.glob(".*.evensky-*.tmp"), *inputs.glob("truth/.*.evensky-*.tmp")):
            torn.unlink(missing_ok=True)
        try:
            paths = write_exposures(simulated, inputs, overwrite=overwrite)
        except OSError as error:
            if isinstance(error, FitsError):
                raise
            raise FitsError(f"{inputs}: cannot be written: {error.strerror}") from error
        runs: dict[str, tuple[str, Any]] = {"matched": ("Joint match of all exposures", MatchAllConfig())}
        if not dithered:
            one_reference = MatchBackgroundsConfig()
            one_reference.binSize = 128
            runs["one-reference"] = ("Match to one reference, splines through bins of 128 px", one_reference)
        with_coadd = True
        try:
            if dithered:  # their coadd is resampled
                imported()
        except InvalidParameterError as error:
            with_coadd = False
            say(f"Note: there will be no coadd: {error}.")
        failed = False
        for name, (title, config) in runs.items():
            out = folder / name
            with FolderLock(out) as lock:
                with progress_bar(None) as progress:
                    run = match_files(
                        paths,
                        out,
                        config=config,
                        workers=workers,
                        overwrite=overwrite,
                        pictures=True,
                        progress=progress,
                        coadd=Coadd(out / COADD, {}, workers=workers) if with_coadd else None,
                        permit=lock.permit,
                    )
                click.echo(f"\n{title}")
                if dithered:
                    before, after = sky_residuals(simulated), sky_residuals(simulated, _added(run, simulated))
                    run.truth = {"before": before.rms, "after": after.rms}
                    what = "RMS difference from the mean sky of all exposures, on the sky, against the truth [adu]"
                else:
                    run.truth = _truth(run, simulated)
                    what = "Pixel RMS against the truth [counts]"
                save_run(run, out, lock.permit)  # with the truth
                write_report(run, out / PAGE, lock.permit)
            print_run(run, out)
            if run.coadd is not None:
                click.echo()
                print_combined(run.coadd)
            if dithered:
                _print_truth(simulated, before, after)
            rms = ", ".join(f"{key} {value:.3f}" for key, value in run.truth.items())
            click.echo(f"{what}: {rms}")
            failed = failed or bool(run.failed)
        click.echo()
        say(f"Look at {folder / 'matched' / PAGE}")
    if failed:
        sys.exit(EXIT_FAILED)


def _simulated(number: int, size: int, seed: int, dithered: bool) -> list[SimulatedExposure]:
    shape = size, size
    if not dithered:
        return make_exposures(number, shape, seed)
    # Smaller exposures are those of a smaller detector behind a camera of the same kind.
    return make_dithered_exposures(
        number, shape, seed, dither=0.3 * size, distortion=3 * size / 1024, gap=max(4, size // 80), variances=True
    )


def _added(run: MatchRun, simulated: list[SimulatedExposure]) -> list[np.ndarray | None]:
    """Return what has been added to the pixels of each exposure; None if it has failed."""
    outputs = {record.label: record.output for record in run.records}
    added: list[np.ndarray | None] = []
    for one in simulated:
        output = outputs.get(one.name)
        added.append(
            None if output is None else read_exposure(output).image.array.astype(np.float64) - one.exposure.image.array
        )
    return added


def _print_truth(simulated: list[SimulatedExposure], before: SkyResiduals, after: SkyResiduals) -> None:
    """Print the rotation, the pixel scale and the residual sky of each exposure."""
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("exposure", "rotation [deg]", "pixel [arcsec]", "sky before", "sky after"):
        table.add_column(name, justify="left" if name == "exposure" else "right", no_wrap=True)
    for one, old, new in zip(simulated, before.each, after.each, strict=True):
        matrix = one.wcs.wcs.cd
        rotation = np.degrees(np.arctan2(matrix[1, 0], matrix[1, 1]))
        pixel = np.sqrt(abs(np.linalg.det(matrix))) * 3600
        table.add_row(one.name, f"{rotation:.1f}", f"{pixel:.3f}", f"{old:.3f}", f"{new:.3f}")
    console = open_console()
    console.print()
    console.print(table)


def _truth(run: MatchRun, simulated: list[SimulatedExposure]) -> dict[str, float]:
    """Return the pixel RMS of the background minus that of the reference, before and after matching."""
    by_name = {one.name: one for one in simulated}
    reference = by_name[run.reference]
    before, after = [], []
    for record in run.records:
        if record.status != "matched" or record.output is None:
            continue
        one = by_name[record.label]
        matched = read_exposure(record.output).image.array
        before.append(np.mean(np.square(one.sky.astype(np.float64) - reference.sky)))
        after.append(np.nanmean(np.square(residual_background(matched, one, reference))))
    return {"before": float(np.sqrt(np.mean(before))), "after": float(np.sqrt(np.mean(after)))}
