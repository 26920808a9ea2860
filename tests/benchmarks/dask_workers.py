"""Wall time of ``evensky match`` with one and with two Dask workers, and on one thread without Dask.

Usage: python tests/benchmarks/dask_workers.py [--sets 200x512 8x4096] [--repeats 3]

Each run is a process of its own, which starts its workers, as users do. The ways take turns, and the ratios of medians
are printed, also without the start-up: the wall time of the same command for two tiny exposures. From both follow the
times that a larger set of such exposures would take. They mean something only on a machine with two idle cores.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from evensky.simulate import make_exposures, write_exposures

TARGET = 1.7
WAYS = {"1 thread": ("threads", 1), "1 worker": ("dask", 1), "2 workers": ("dask", 2)}


def wall(paths: list[Path], out: Path, executor: str, workers: int) -> float:
    """Return the wall time (s) of one match."""
    command = [sys.executable, "-m", "evensky", "match", *map(str, paths), "--out", str(out), "--quiet", "--no-report"]
    command += ["--executor", executor, "--workers", str(workers)]
    start = time.perf_counter()
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})
    return time.perf_counter() - start


def medians(number: int, side: int, repeats: int) -> dict[str, float]:
    """Return the median wall time (s) of matching a set in each way."""
    with tempfile.TemporaryDirectory() as folder:
        paths = write_exposures(make_exposures(number, shape=(side, side)), Path(folder) / "made")
        times: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(repeats):
            for way, (executor, workers) in WAYS.items():
                out = Path(folder) / "out"
                times[way].append(wall(paths, out, executor, workers))
                shutil.rmtree(out)
    return {way: statistics.median(values) for way, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=["200x512", "8x4096"], help="numbers and sides of exposures")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    start = medians(2, 64, arguments.repeats)
    print("start-up: " + ", ".join(f"{way} {time:.1f} s" for way, time in start.items()), flush=True)
    for one in arguments.sets:
        number, side = map(int, one.split("x"))
        found = medians(number, side, arguments.repeats)
        print(f"{one}: " + ", ".join(f"{way} {time:.1f} s" for way, time in found.items()))
        first, second = (found[way] for way in ("1 worker", "2 workers"))
        work, shared = first - start["1 worker"], second - start["2 workers"]
        print(
            f"  two workers are {first / second:.2f} times as fast as one, {work / shared:.2f} times without the "
            f"start-up; load {os.getloadavg()[0]:.1f}"
        )
        # For sets k times as large, start + k work = TARGET (start + k shared).
        if work > TARGET * shared:
            times = (TARGET * start["2 workers"] - start["1 worker"]) / (work - TARGET * shared)
            print(f"  {TARGET} times from about {number * times:.0f} such exposures on", flush=True)


if __name__ == "__main__":
    main()
