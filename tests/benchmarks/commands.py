"""Whole commands, from files to files, against `cp` and against astropy reading and writing the same bytes.

    python tests/benchmarks/commands.py [--set large] [--turns 3] [--only PATTERN] [--json FILE] [--plot FILE]

The exposures are simulated (`evensky.simulate`) in a scratch folder: `large` are 8 of 4096 x 4096 pixels, `small` 200
of 512 x 512, each with an image, a mask and variances; `checked` are as `large`, with CHECKSUM and DATASUM. Every
command is a process of its own. In each turn all have their turn, and the turn with the least processor time counts, so
that other programs disturb the comparison little, nor does the compilation of modules in the first turn. Processor time
is that of the user and of the system, with all children; the peak of memory is that of the largest process. The time of
astropy is that of a program which reads all planes and writes them again: "as stored", or by way
of the byte order of the machine, as any program has them that computes; ratios are those to the second. Ratios are
also given to the script that users write: files are mapped, as astropy does by default, planes are made native, and new
HDUs are written with CHECKSUM and DATASUM. evensky writes these if the input has them (set `checked`), and computes the
digest of each output in any case.

`--only` runs the rows whose names match a regular expression, beside `cp` and astropy; `--folder` keeps the exposures
for the next run; `--options` gives further options to `evensky match`; `--other` compares with another version of
evensky, by the folder from which it is imported; `--plot` draws the picture of docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

SETS = {"large": (8, 4096), "small": (200, 512), "checked": (8, 4096)}
BASE = "astropy, read and write"
CHECKED = "astropy, new HDUs, checksums"
BASES = 4  # rows to compare with, which are always run
_ASTROPY = """
import sys
from pathlib import Path
from astropy.io import fits
for path in map(Path, sys.argv[3:]):
    with fits.open(path, memmap=False) as hdus:
        for hdu in hdus:
            if hdu.data is not None and sys.argv[1] == "native":
                hdu.data = hdu.data.astype(hdu.data.dtype.newbyteorder("="))
        hdus.writeto(Path(sys.argv[2], path.name))
"""
_ASTROPY_CHECKED = """
import sys
from pathlib import Path
import numpy as np
from astropy.io import fits
for path in map(Path, sys.argv[2:]):
    with fits.open(path) as hdus:
        made = [
            (fits.ImageHDU if number else fits.PrimaryHDU)(
                None if hdu.data is None else np.array(hdu.data, hdu.data.dtype.newbyteorder("=")), hdu.header
            )
            for number, hdu in enumerate(hdus)
        ]
        fits.HDUList(made).writeto(Path(sys.argv[1], path.name), checksum=True)
"""


@dataclass
class Row:
    """A command, and what it took in each turn.

    Attributes
    ----------
    name : str
    arguments : list of str
        In which {out} stands for the folder of the outputs.
    exposures : int
        Number of exposures that it reads.
    source : str
        Folder from which Python imports packages first; "" for the usual ones.
    cpu, wall : list of float
        Seconds of each turn.
    peak : float
        Largest resident memory of a process in MB.
    """

    name: str
    arguments: list[str]
    exposures: int
    source: str = ""
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    peak: float = 0.0

    @property
    def seconds(self) -> float:
        """The least processor time of all turns."""
        return min(self.cpu)

    def run(self, folder: Path) -> None:
        """Run the command once, with outputs in a new folder, which is removed."""
        out = folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        os.sync()  # what others have written is not to be waited for
        environment = dict(os.environ)
        # An installed package is compiled. With this variable, its modules would be compiled at each start.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        if self.source:
            environment["PYTHONPATH"] = self.source
        clock = time.perf_counter()
        with tempfile.TemporaryFile() as told:
            process = subprocess.Popen(
                [argument.replace("{out}", str(out)) for argument in self.arguments],
                stdout=told,
                stderr=told,
                env=environment,
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                told.seek(0)
                sys.exit(f"{self.name} failed: {told.read().decode(errors='replace')}")
        self.wall.append(time.perf_counter() - clock)
        self.cpu.append(usage.ru_utime + usage.ru_stime)
        self.peak = max(self.peak, usage.ru_maxrss / 1024)
        shutil.rmtree(out)


def paths_of(folder: Path, kind: str) -> list[Path]:
    """Return the files of a set of exposures."""
    return [folder / kind / f"e{index:03d}.fits" for index in range(SETS[kind][0])]


def make(folder: Path, kind: str) -> None:
    """Simulate the exposures of a set."""
    from evensky.io import write_exposure
    from evensky.simulate import make_exposures

    side, paths = SETS[kind][1], paths_of(folder, kind)
    (folder / kind).mkdir(parents=True, exist_ok=True)
    for first in range(0, len(paths), 40):  # of one scene, as they have one seed
        simulated = make_exposures(min(40, len(paths) - first), (side, side), 2026)
        for path, one in zip(paths[first:], simulated, strict=False):
            write_exposure(one.exposure, path, overwrite=True)
            if kind == "checked":
                from astropy.io import fits

                with fits.open(path, memmap=False) as hdus:
                    hdus.writeto(path, overwrite=True, checksum=True)


def rows_of(paths: Sequence[Path], options: Sequence[str]) -> list[Row]:
    """Return the commands for a set of exposures: first those to compare with."""
    files = [str(path) for path in paths]
    number = len(files)
    evensky = [sys.executable, "-m", "evensky"]
    rows = [
        Row("cp", ["cp", *files, "{out}"], number),
        Row("astropy, as stored", [sys.executable, "-c", _ASTROPY, "stored", "{out}", *files], number),
        Row(BASE, [sys.executable, "-c", _ASTROPY, "native", "{out}", *files], number),
        Row(CHECKED, [sys.executable, "-c", _ASTROPY_CHECKED, "{out}", *files], number),
    ]
    for method in ("all", "reference"):
        for report in (False, True):
            for workers in (1, 2):
                name = f"match {method}{', report' if report else ''}{', 2 workers' if workers == 2 else ''}"
                more = [*([] if report else ["--no-report"]), "--workers", str(workers), *options]
                match = [*evensky, "match", *files, "--out", "{out}/m", "--method", method, *more]
                rows.append(Row(name, match, number))
    rows.append(Row("combine", [*evensky, "combine", *files, "--out", "{out}/coadd.fits"], number))
    one = files[0]
    rows.append(Row("background, one file", [*evensky, "background", one, "--subtracted", "{out}/b.fits"], 1))
    rows.append(Row("stats, one file", [*evensky, "stats", one], 1))
    return rows


def shown(rows: Sequence[Row], kind: str) -> str:
    """Return a table of all rows."""
    number, side = SETS[kind]
    base, checked = (next(row for row in rows if row.name == name) for name in (BASE, CHECKED))
    lines = [
        f"{number} x {side} x {side}, image, mask and variance; least of {len(base.cpu)} turns, load "
        f"{os.getloadavg()[0]:.1f}",
        f"{'':30} {'CPU s':>8} {'wall s':>8} {'ms / exposure':>14} {'/ astropy':>10} {'/ checksums':>12} "
        f"{'peak MB':>8}",
    ]
    for row in rows:
        ratio, ratio_checked = (row.seconds / row.exposures / (one.seconds / one.exposures) for one in (base, checked))
        lines.append(
            f"{row.name:30} {row.seconds:8.2f} {min(row.wall):8.2f} {1e3 * row.seconds / row.exposures:14.1f} "
            f"{ratio:10.2f} {ratio_checked:12.2f} {row.peak:8.0f}"
        )
    return "\n".join(lines)


def plot(found: dict[str, list[Row]], path: str) -> None:
    """Draw the processor time of an exposure as bars, one panel for each set."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5 * len(found), 4.6), layout="constrained")
    for axes, (kind, rows) in zip(figure.subplots(1, len(found), squeeze=False)[0], found.items(), strict=True):
        number, side = SETS[kind]
        # Starting takes most of the time of a command for one small file.
        bars = [row for row in reversed(rows) if not row.name.endswith(("2 workers", "one file"))]
        colours = ["#2b6cb0" if row.name.split()[0] not in ("cp", "astropy,") else "#a0aec0" for row in bars]
        drawn = axes.barh(
            [row.name for row in bars], [1e3 * row.seconds / row.exposures for row in bars], color=colours
        )
        axes.bar_label(drawn, fmt="%.0f", padding=3)
        axes.margins(x=0.12)
        axes.set_xlabel("processor time [ms / exposure]")
        axes.set_title(f"{number} exposures of {side} x {side}", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def parsed() -> Any:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", action="append", choices=SETS, help="set of exposures; by default large and small")
    parser.add_argument("--only", action="append", metavar="PATTERN", help="run rows whose names match")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="folder for the exposures, which stay there")
    parser.add_argument("--options", nargs="*", default=[], metavar="WORD", help="further options of match")
    parser.add_argument("--other", metavar="DIR", help="compare with the version of evensky in this folder")
    parser.add_argument("--make", choices=SETS, help="only simulate the exposures of a set")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all turns to a file")
    parser.add_argument("--plot", metavar="FILE", help="draw the processor time of an exposure")
    return parser.parse_args()


def main() -> None:
    given = parsed()
    if given.make:
        make(given.folder, given.make)
        return
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    found: dict[str, list[Row]] = {}
    with tempfile.TemporaryDirectory(prefix="evensky-commands-") as scratch:
        for kind in given.set or ("large", "small"):
            folder = given.folder or Path(scratch)
            paths = paths_of(folder, kind)
            if not all(path.exists() for path in paths):
                # In another process, as the memory of this one would count as that of the commands until they start.
                making = [sys.executable, __file__, "--make", kind, "--folder", str(folder)]
                subprocess.run(making, check=True)
            rows = rows_of(paths, given.options)
            if given.other:
                others = [
                    replace(row, name=f"{row.name}, other", source=given.other)
                    for row in rows_of(paths, given.options)[BASES:]
                ]
                rows = rows[:BASES] + [row for pair in zip(rows[BASES:], others, strict=True) for row in pair]
            if given.only:
                rows = rows[:BASES] + [
                    row for row in rows[BASES:] if any(re.search(part, row.name) for part in given.only)
                ]
            for _ in range(given.turns):
                for row in rows:
                    row.run(folder)
            found[kind] = rows
            print(shown(rows, kind), flush=True)
    if given.json:
        given.json.write_text(json.dumps({kind: [asdict(row) for row in rows] for kind, rows in found.items()}))
    if given.plot:
        plot(found, given.plot)


if __name__ == "__main__":
    main()
