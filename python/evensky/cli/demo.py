"""``evensky demo``."""

from __future__ import annotations

__all__ = ["command"]

import sys
from pathlib import Path
from typing import Any

import click
import numpy as np

from ..calls.match import match_files
from ..draw.progress import progress_bar
from ..errors import FitsError
from ..io import read_exposure
from ..matching.joint.config import MatchAllConfig
from ..report import write_report
from ..runs.folder import PAGE
from ..runs.match_run import MatchRun
from ..simulate import make_exposures, residual_background, write_exposures
from ..tasks import MatchBackgroundsConfig
from .console import print_run
from .options import COUNT, EXIT_FAILED, PATH, Command, one_line


@click.command("demo", cls=Command)
@click.argument("folder", default="evensky-demo", type=PATH)
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
def command(folder: Path, number: int, size: int, seed: int, workers: int, overwrite: bool) -> None:
    """Simulate exposures in FOLDER, match them, and compare the result with the truth.

    The exposures show a star field with diffuse light, each under a different sky. Their masks mark chip gaps, bad
    columns, cosmic rays and detections. The exposures are matched twice: in a joint match, and each to one reference.
    """
    with one_line():
        inputs = folder / "exposures"
        if inputs.exists() and not overwrite:
            raise FitsError(
                f"{folder}: holds an earlier demo; choose another folder or allow overwriting with --overwrite"
            )
        click.echo(f"Simulating {number} exposures of {size} x {size} px in {inputs}")
        simulated = make_exposures(number, (size, size), seed)
        try:
            paths = write_exposures(simulated, inputs, overwrite=overwrite)
        except OSError as error:
            if isinstance(error, FitsError):
                raise
            raise FitsError(f"{inputs}: cannot be written: {error.strerror}") from error
        one_reference = MatchBackgroundsConfig()
        one_reference.binSize = 128
        runs: dict[str, tuple[str, Any]] = {
            "matched": ("Joint match of all exposures", MatchAllConfig()),
            "one-reference": ("Match to one reference, splines through bins of 128 px", one_reference),
        }
        failed = False
        for name, (title, config) in runs.items():
            out = folder / name
            with progress_bar(None) as progress:
                run = match_files(
                    paths,
                    out,
                    config=config,
                    workers=workers,
                    overwrite=overwrite,
                    report=False,
                    pictures=True,
                    progress=progress,
                )
            run.truth = _truth(run, simulated)
            write_report(run, out / PAGE)
            click.echo(f"\n{title}")
            print_run(run, out)
            rms = ", ".join(f"{key} {value:.3f}" for key, value in run.truth.items())
            click.echo(f"Pixel RMS against the truth [counts]: {rms}")
            failed = failed or bool(run.failed)
        click.echo(f"\nLook at {folder / 'matched' / PAGE}")
    if failed:
        sys.exit(EXIT_FAILED)


def _truth(run: MatchRun, simulated: list[Any]) -> dict[str, float]:
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
