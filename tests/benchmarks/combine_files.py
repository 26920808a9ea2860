"""Combination of files: time against astropy's reading of them, and peak of memory with many of them.

    python tests/benchmarks/combine_files.py [--number 20] [--side 2048] [--rounds 5] [--folder DIR]
    python tests/benchmarks/combine_files.py --memory --number 500 --side 4096 [--max-memory 1GB]

The first compares `evensky.combine_files`, on one thread, with astropy: the same files read one after another, with
pixels in the byte order of the machine, and read so that all are in memory at once, as a combination of arrays needs
them. Processor time counts, and the best of the rounds, in which all take turns, so that other programs disturb the
comparison little. The second makes hard links to three exposures with masks and variances, combines them with at most
256 open files, and tells the largest resident memory of the process.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"

import astropy
import numpy as np
from astropy.io import fits

import evensky
from evensky.image import ExposureF, MaskedImageF
from evensky.io import write_exposure
from evensky.runs import combine_run


def make_exposure(path: Path, side: int, seed: int) -> None:
    """Write an exposure with a mask and variances."""
    random = np.random.default_rng(seed)
    exposure = ExposureF(MaskedImageF(side, side))
    exposure.image.array[...] = random.normal(100, 5, (side, side))
    exposure.variance.array[...] = 25
    exposure.mask.array[random.random((side, side)) < 0.01] = exposure.mask.getPlaneBitMask("SAT")
    exposure.metadata["EXPTIME"] = 30.0
    write_exposure(exposure, path)


def read_with_astropy(paths: list[Path], *, keep: bool) -> list[np.ndarray]:
    """Read all planes in the byte order of the machine; all are in memory at once if they are kept."""
    kept = []
    for path in paths:
        with fits.open(path, memmap=False) as hdus:
            for hdu in hdus:
                if hdu.data is not None:
                    pixels = hdu.data.astype(hdu.data.dtype.newbyteorder("="))
                    if keep:
                        kept.append(pixels)
    return kept


def compare(folder: Path, number: int, side: int, rounds: int) -> None:
    """Print the times of combining and of reading, taken in turns."""
    paths = [folder / f"e{index:03d}.fits" for index in range(number)]
    for index, path in enumerate(paths):
        make_exposure(path, side, index)
    evensky.set_num_threads(1)
    out = folder / "coadd.fits"
    calls: dict[str, Callable[[], object]] = {
        "astropy, one after another": lambda: read_with_astropy(paths, keep=False),
        "astropy, all in memory": lambda: read_with_astropy(paths, keep=True),
    }
    for statistic in ("mean", "median", "meanclip"):
        calls[f"combine_files, {statistic}"] = partial(
            evensky.combine_files, paths, out, statistic=statistic, overwrite=True
        )
    cpu, wall = dict.fromkeys(calls, np.inf), dict.fromkeys(calls, np.inf)
    for _ in range(rounds):
        for name, call in calls.items():
            start, clock = time.process_time(), time.perf_counter()
            call()
            cpu[name] = min(cpu[name], time.process_time() - start)
            wall[name] = min(wall[name], time.perf_counter() - clock)
    samples = number * side * side
    first, whole = list(calls)[:2]
    print(
        f"{number} x {side} x {side}, image, mask and variance; {evensky.simd_level()}, one thread; "
        f"astropy {astropy.__version__}, numpy {np.__version__}"
    )
    print(f"{'':28} {'CPU s':>8} {'wall s':>8} {'CPU ns a sample':>16} {'/ one by one':>13} {'/ in memory':>12}")
    for name, seconds in cpu.items():
        print(
            f"{name:28} {seconds:8.3f} {wall[name]:8.3f} {1e9 * seconds / samples:16.2f} "
            f"{seconds / cpu[first]:13.2f} {seconds / cpu[whole]:12.2f}"
        )


def measure_memory(folder: Path, number: int, side: int, max_memory: str | None) -> None:
    """Print the peak of memory of one combination."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    real = [folder / f"real{index}.fits" for index in range(3)]
    for index, path in enumerate(real):
        make_exposure(path, side, index)
    paths = [folder / f"e{index:04d}.fits" for index in range(number)]
    for index, path in enumerate(paths):
        os.link(real[index % 3], path)
    combine_run.refuse_twice = lambda paths: None  # links to three files stand for many exposures here
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, soft), hard))
    start, clock = time.process_time(), time.perf_counter()
    evensky.combine_files(paths, folder / "coadd.fits", max_memory=max_memory)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{number} x {side} x {side}: {time.perf_counter() - clock:.0f} s, {time.process_time() - start:.0f} s of "
        f"processors, peak {peak / 1e3:.0f} MB (before: {before / 1e3:.0f} MB)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=20)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--max-memory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        if options.memory:
            measure_memory(Path(name), options.number, options.side, options.max_memory)
        else:
            compare(Path(name), options.number, options.side, options.rounds)


if __name__ == "__main__":
    main()
