"""Wall time of ``evensky match`` with one and with two Dask workers, and on one thread without Dask.

Usage: python tests/benchmarks/dask_workers.py [--sets 200x512 8x4096] [--repeats 3]

Each run is a process of its own, which starts its workers, as users do. The ways take turns, and the ratios of medians
are printed. They mean something only on a machine with two idle cores.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from evensky.simulate import make_exposures, write_exposures

WAYS = {"1 thread": ("threads", 1), "1 worker": ("dask", 1), "2 workers": ("dask", 2)}


def wall(paths: list[Path], out: Path, executor: str, workers: int) -> float:
    """Return the wall time (s) of one match."""
    command = [sys.executable, "-m", "evensky", "match", *map(str, paths), "--out", str(out), "--quiet", "--no-report"]
    command += ["--executor", executor, "--workers", str(workers)]
    start = time.perf_counter()
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=["200x512", "8x4096"], help="numbers and sides of exposures")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    for one in arguments.sets:
        number, side = map(int, one.split("x"))
        with tempfile.TemporaryDirectory() as folder:
            paths = write_exposures(make_exposures(number, shape=(side, side)), Path(folder) / "made")
            times: dict[str, list[float]] = {way: [] for way in WAYS}
            for turn in range(arguments.repeats):
                for way, (executor, workers) in WAYS.items():
                    out = Path(folder) / f"{way}-{turn}".replace(" ", "-")
                    times[way].append(wall(paths, out, executor, workers))
        medians = {way: statistics.median(values) for way, values in times.items()}
        print(f"{one}: " + ", ".join(f"{way} {median:.1f} s" for way, median in medians.items()))
        ratio = medians["1 worker"] / medians["2 workers"]
        print(f"  two workers are {ratio:.2f} times as fast as one; load {os.getloadavg()[0]:.1f}", flush=True)


if __name__ == "__main__":
    main()
