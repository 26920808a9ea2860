"""Load test: match a thousand exposures in one run, ten of which are broken, each in a different way.

Usage: python tests/benchmarks/load.py [--exposures 1000] [--side 2048] [--workers 2] [--folder FOLDER]

A few images are made, and all exposures are links to them. Outputs are checked and removed as they are finished, so
that little space on disk is needed. The numbers of matched and failed exposures, the reasons of failures, and the
memory during the run are printed.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

from evensky.simulate import make_exposures, write_exposures

DISTINCT = 6


def _changed(change: Callable[[fits.HDUList], None]) -> Callable[[Path, Path], None]:
    def write(source: Path, path: Path) -> None:
        with fits.open(source) as hdus:
            change(hdus)
            hdus.writeto(path)

    return write


def _claim(source: Path, path: Path) -> None:
    header = fits.PrimaryHDU(np.zeros((2, 2), np.float32)).header
    header["NAXIS1"] = header["NAXIS2"] = 50_000
    path.write_bytes(header.tostring().encode())


def _no_pixel(hdus: fits.HDUList) -> None:
    hdus["MASK"].data[:] |= 1 << hdus["MASK"].header["MP_NO_DATA"]


def _nan(hdus: fits.HDUList) -> None:
    hdus["IMAGE"].data[:] = np.nan


def _smaller(hdus: fits.HDUList) -> None:
    for hdu in hdus[1:]:
        hdu.data = hdu.data[:100].copy()


BROKEN: dict[str, Callable[[Path, Path], None]] = {
    "cut off": lambda source, path: _write(path, source.read_bytes()[: source.stat().st_size // 2]),
    "empty": lambda source, path: path.touch(),
    "text": lambda source, path: _write(path, b"These are not the pixels you are looking for.\n" * 100),
    "folder": lambda source, path: path.mkdir(),
    "missing": lambda source, path: path.symlink_to("nowhere.fits"),
    "claims 10 GB": _claim,
    "gzip cut off": lambda source, path: _write(path, gzip.compress(source.read_bytes()[:100_000], 1)[:-500]),
    "no good pixel": _changed(_no_pixel),
    "NaN only": _changed(_nan),
    "smaller": _changed(_smaller),
}


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def make_inputs(folder: Path, number: int, side: int) -> list[Path]:
    """Make exposures, ten of which are broken, spread over all."""
    sources = write_exposures(make_exposures(DISTINCT, shape=(side, side)), folder / "made")
    every = number // len(BROKEN)
    paths = []
    for index in range(number):
        path = folder / f"exposure_{index:04}.fits"
        source = sources[index % DISTINCT]
        if index % every == every // 2 and index // every < len(BROKEN):
            list(BROKEN.values())[index // every](source, path)
        else:
            os.link(source, path)
        paths.append(path)
    return paths


def memory(process: int) -> float:
    """Return the resident memory (MiB) of a process; 0 if it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"VmRSS:\s*(\d+)", status)
    return int(found[1]) / 1024 if found else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exposures", type=int, default=1000)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="Folder for exposures and results; a temporary one by default.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        paths = make_inputs(folder, arguments.exposures, arguments.side)
        out = folder / "out"
        command = [sys.executable, "-m", "evensky", "match", *map(str, paths), "-o", str(out)]
        start = time.monotonic()
        process = subprocess.Popen(
            [*command, "-j", str(arguments.workers), "--quiet"], stderr=subprocess.PIPE, text=True
        )
        samples: list[tuple[int, float]] = []  # number of finished exposures, memory
        finished = incomplete = 0
        while process.poll() is None:
            time.sleep(0.2)
            for path in out.glob("*_matched.fits"):
                with fits.open(path, memmap=False) as hdus:
                    incomplete += len(hdus) != 4 or hdus[3].data.shape != (arguments.side, arguments.side)
                path.unlink()
                finished += 1
            samples.append((finished, memory(process.pid)))
        seconds = time.monotonic() - start
        said = process.stderr.read() if process.stderr is not None else ""
        finished += len(list(out.glob("*_matched.fits")))
        print(f"exit code {process.returncode} after {seconds:.0f} s; {said.strip() or 'nothing on stderr'}")
        table = Table.read(out / "matched.ecsv")
        for status in ("reference", "matched", "failed"):
            print(f"{status:10} {np.count_nonzero(table['status'] == status)}")
        print(f"outputs seen {finished}, of which incomplete {incomplete}")
        for row in table[table["status"] == "failed"]:
            print(f"  {row['label']}: {row['message'].replace(name, '...')}")
        tenths = np.linspace(0, max(done for done, _ in samples), 11)
        for low, high in itertools.pairwise(tenths):
            here = [used for done, used in samples if low <= done <= high and used > 0]
            if here:
                print(f"memory (MiB) while {low:.0f} to {high:.0f} were finished: most {max(here):.0f}")
        print(f"report {(out / 'report.html').stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
