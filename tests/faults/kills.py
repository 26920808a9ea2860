"""Kill runs in the middle of writing, and resume them.

    python tests/faults/kills.py --number 200

Each run is killed with SIGKILL within a call that writes: half of the bytes of a write are in the file, or a file is
about to be renamed, or has just been. The points are spread evenly over the kinds of files (outputs, journal, table of
exposures, table of overlaps, report, lock) and over the calls. A kill that does not hit is not counted.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import shim
from inject import FAULTS, WAYS, Bench, Fault, case_of, warm

CASES = (("reference", ""), ("all", ""), ("reference", "threads"), ("all", "processes"), ("report", ""))
# Calls that only look at files are left out.
KINDS = {"write": "write", "rename": "rename", "link": "rename", "fsync": "fsync", "unlink": "unlink", "open": "open"}
KINDS |= {"ftruncate": "truncate", "fchmod": "chmod", "chmod": "chmod", "close": "close"}
FILES = {
    "journal": "matched.journal",
    "table": "matched.ecsv",
    "overlaps": "overlaps.ecsv",
    "covariance": "matched.covariance.fits",
    "report": "report.html",
    "run": "matched.run",
    "lock": "matched.lock",
    "output": "_matched.fits",
}


def kind_of(path: str) -> str:
    """Return the kind of a file, from its final or its temporary name."""
    return next((kind for kind, name in FILES.items() if name in Path(path).name), "")


def choose(bench: Bench, number: int) -> list[tuple[str, str, Fault, int, str]]:
    """Choose points: a case, its way, the fault, the number of the call, and the kind of file."""
    groups: dict[tuple[str, str], list[tuple[str, str, Fault, int, str]]] = {}
    for name, way in CASES:
        case = case_of(bench, name, way)
        # The report is a case of its own, as it takes longer than all the rest of a run.
        case.only = ""
        bench.count(case, WAYS[way][1], log=True)
        counts: Counter[str] = Counter()
        for call, path in bench.logged():
            if call not in KINDS:
                continue
            counts[KINDS[call]] += 1
            kind = kind_of(path)
            if not kind or not path.startswith(str(bench.out)) or (name == "report") != (kind in ("report", "run")):
                continue
            for fault in FAULTS:
                if fault.kills and fault.kind == KINDS[call]:
                    groups.setdefault((kind, fault.name), []).append((name, way, fault, counts[fault.kind], kind))
    for group in groups.values():
        bench.random.shuffle(group)
    chosen = []
    while len(chosen) < number and any(groups.values()):
        for group in groups.values():
            if group and len(chosen) < number:
                chosen.append(group.pop())
    return chosen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=200, help="number of kills that hit")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if "EVENSKY_FAULTS" not in os.environ:
        return shim.in_folder(sys.argv)
    started = time.monotonic()
    bench = Bench(Path(tempfile.mkdtemp()), args.seed)
    warm(bench, dict.fromkeys(name for name, _ in CASES))
    hits: Counter[tuple[str, str]] = Counter()
    missed, wrong = 0, 0
    for name, way, fault, number, _ in choose(bench, 2 * args.number):
        if hits.total() == args.number:
            break
        case = case_of(bench, name, way)
        case.only = ""
        bench.learn(case, WAYS[way][1])
        point = bench.try_point(case, fault, number, WAYS[way][1], None)
        # In a run with threads, the n-th call may be another one, perhaps of an input.
        if point.code != -9 or not kind_of(point.path):
            missed += 1
            continue
        hits[kind_of(point.path), f"{point.call} {fault.action}"] += 1
        if point.wrong:
            wrong += 1
            print(f"WRONG {case.name} {fault.name} n={number} {Path(point.path).name}: {'; '.join(point.wrong)}")
            print(f"      {point.text[:600]}", flush=True)
    for (kind, what), count in sorted(hits.items()):
        print(f"{kind:<10} {what:<24} {count:>4} kills")
    print(f"{hits.total()} kills, {wrong} wrong, {missed} missed, {time.monotonic() - started:.0f} s")
    return 1 if wrong or hits.total() < args.number else 0


if __name__ == "__main__":
    sys.exit(main())
