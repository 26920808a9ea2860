"""Trial of hostile files: each is read or refused in bounded time and memory, in one line; a table says what failed.

    python tests/faults/hostile_files.py [--only WORD] [--show]

Each file is tried by a command in a child of its own, whose memory and processor time are limited by the system.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "python"))

from hostile_fits import MEGABYTES, SECONDS, Hostile, hostile_files

from evensky.cli import main
from evensky.simulate import make_exposures, write_exposures

# Words of libraries and of Python, which a user cannot act upon.
WORDS = (
    "recformat", "division by zero", "NoneType", "object is not", "unsupported operand", "list index", "wcslib",
    "Traceback", "int_max_str_digits", "cannot unpack", "has no attribute", "referenced before", "broadcast",
    "invalid literal", "out of range for", "must be real number", "dtype(", "KeyError", "unhashable",
)  # fmt: skip


@dataclass
class Outcome:
    """What became of a trial: `faults` is empty if it went as it should."""

    faults: list[str]
    code: int
    seconds: float
    megabytes: float
    output: str


def _virtual() -> int:
    """Return the size of the address space of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _child(arguments: Sequence[str], honest: int, report: int) -> None:
    """Run a command in limits, and write code, memory and output to a file descriptor."""
    limit = _virtual() + ((MEGABYTES + 4 * honest) << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (int(SECONDS) + 2, int(SECONDS) + 3))
    signal.alarm(120)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    text = io.StringIO()
    code = 0
    with redirect_stdout(text), redirect_stderr(text):
        try:
            main(list(arguments), prog_name="evensky")
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException as error:
            code = -1
            print(f"Traceback: {type(error).__name__}: {error}"[:2000])
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    os.write(report, f"{code} {grown}\n{text.getvalue()[-20000:]}".encode())


def try_one(hostile: Hostile, folder: Path, good: Sequence[Path]) -> Outcome:
    """Try a hostile file in a child of this process."""
    path = folder / hostile.name
    hostile.make(path)
    arguments: list[str] = []
    for part in hostile.command:
        known = {"FILE": [str(path)], "GOOD": list(map(str, good)), "OUT": [str(folder / f"{hostile.name}-out")]}
        arguments += known.get(part, [part])
    report = os.memfd_create("report")
    start = time.monotonic()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    if (child := os.fork()) == 0:
        try:
            _child(arguments, hostile.honest, report)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = now.ru_utime - used.ru_utime + now.ru_stime - used.ru_stime
    waited = time.monotonic() - start
    with os.fdopen(report, "rb") as file:
        file.seek(0)
        head, _, output = file.read().decode(errors="replace").partition("\n")
    faults = []
    if os.WIFSIGNALED(status):
        faults.append(f"killed by {signal.Signals(os.WTERMSIG(status)).name} after {waited:.0f} s")
    code, grown = (int(head.split()[0]), float(head.split()[1])) if head else (-1, 0.0)
    if code not in (0, 1, 2, 3):
        faults.append(f"exit code {code}")
    if seconds > SECONDS:
        faults.append(f"{seconds:.1f} s")
    if grown > MEGABYTES + 4 * hostile.honest:
        faults.append(f"{grown:.0f} MB")
    lines = output.strip().splitlines()
    if code != 0 and (len(lines) != 1 or not lines[0].startswith("evensky: ")):
        faults.append(f"{len(lines)} lines")
    if any(len(line) > 1200 + len(str(path)) for line in lines):
        faults.append("a long line")
    faults += [f"says {word!r}" for word in WORDS if word in output]
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
    shutil.rmtree(folder / f"{hostile.name}-out", ignore_errors=True)
    return Outcome(faults, code, seconds, grown, output.replace(str(path), "FILE"))


def warmed(folder: Path) -> list[Path]:
    """Write exposures that are well, and run each command once, so that children need not import anything."""
    good = write_exposures(make_exposures(2, (64, 64), seed=4), folder)
    for arguments in (["stats", good[0]], ["inspect", *good], ["match", *good, "-q", "--out", folder / "warm"]):
        with redirect_stdout(io.StringIO()):
            main(list(map(str, arguments)), standalone_mode=False)
    return good


def run_all(only: str, show: bool) -> int:
    failed = 0
    slowest, largest = 0.0, 0.0
    codes: dict[int, int] = {}
    found = [one for one in hostile_files() if only in one.name]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        good = warmed(folder)
        for hostile in found:
            outcome = try_one(hostile, folder, good)
            codes[outcome.code] = codes.get(outcome.code, 0) + 1
            slowest, largest = max(slowest, outcome.seconds), max(largest, outcome.megabytes)
            failed += bool(outcome.faults)
            if outcome.faults or show:
                text = " | ".join(outcome.output.strip().splitlines())[:300]
                print(f"{hostile.name}: {'; '.join(outcome.faults) or 'well'} [{outcome.code}]: {text}", flush=True)
    shown = ", ".join(f"{count} with exit code {code}" for code, count in sorted(codes.items()))
    print(f"{len(found)} hostile inputs, {failed} failed; {shown}; at most {slowest:.1f} s and {largest:.0f} MB")
    return failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="Part of the names of the files to try.")
    parser.add_argument(
        "--show", action="store_true", help="Show the outcome of all files, not only of those that failed."
    )
    options = parser.parse_args()
    sys.exit(1 if run_all(options.only, options.show) else 0)
