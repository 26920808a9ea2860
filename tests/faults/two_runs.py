"""Two runs in one folder, begun at random distances: one of them works there, the other is told which.

    python tests/faults/two_runs.py --quick     # 12 pairs
    python tests/faults/two_runs.py --all       # 340 pairs, in some minutes

A warm process forks the runs. They are on one host, or on two: such runs have other names of their hosts, and cannot
look for each other's process. Hosts are pretended, with file systems that have no locks (flock) or hard links, or are
real namespaces of processes and of names where the user may make them. Where there is bindfs, each host has a mount of
its own of the folder, which remembers names and times of files for 3 s as that of a file server does, and the locks of
one host do not reach the other, or do. After each pair: the runs did not hold
the folder at the same time, one has the outputs of an undisturbed run, the other has an exit code and a message that
names the first, and nothing else is in the folder. Runs are also killed, and stopped while another takes their lock.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import fcntl
import hashlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from evensky.cli import main
from evensky.io import folder_lock, owners
from evensky.io.folder_lock import LOCK, FolderLock
from evensky.simulate import make_exposures, write_exposures

LONGEST_RUN = 120.0
# Seconds for which an old lock is watched; less than for users, who wait once.
WATCH = 0.3

PLACES = ("local", "hosts", "hosts, no flock", "hosts, no links", "namespaces", "mounts", "mounts, locks")
"""Where the two runs are, and what their file system can do."""


@dataclass
class Run:
    """A run in a process of its own."""

    name: str
    pid: int
    folder: Path
    host: str
    code: int | None = None

    @property
    def text(self) -> str:
        lines = (self.folder / f"{self.name}.text").read_text(errors="replace").splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith("findfont: "))  # of matplotlib

    @property
    def held(self) -> tuple[float, float] | None:
        """When it held the folder; the end is infinite if it was killed meanwhile."""
        times = (self.folder / f"{self.name}.times").read_text().split()
        return (float(times[0]), float(times[1]) if len(times) > 1 else float("inf")) if times else None

    @property
    def number(self) -> int:
        """Number of the process in its own namespace."""
        return int((self.folder / f"{self.name}.pid").read_text() or 0)

    def wait(self) -> int:
        until = time.monotonic() + LONGEST_RUN
        while self.code is None:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            if found:
                self.code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > until:
                os.kill(self.pid, signal.SIGKILL)
            else:
                time.sleep(0.002)
        return self.code


def pretend(host: str, place: str) -> None:
    """Be a process on another host, on a file system that has no locks or links."""
    if place.startswith(("hosts", "mounts")):
        owners.system_of = lambda pid: host
        socket.gethostname = lambda: host
    if "no flock" in place or "no links" in place:

        def flock(file: int, operation: int) -> None:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        fcntl.flock = flock
    if "no links" in place:

        def link(source: Any, target: Any, **options: Any) -> None:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

        os.link = link


def note_times(file: Path) -> None:
    """Write down when the lock is held."""
    acquire, release = FolderLock.acquire, FolderLock.release

    def note() -> None:
        with file.open("a") as out:
            out.write(f"{time.monotonic()}\n")

    def acquired(self: FolderLock) -> None:
        acquire(self)
        note()

    def released(self: FolderLock) -> None:
        if self._permit is not None and file.read_text():
            note()
        release(self)

    FolderLock.acquire = acquired
    FolderLock.release = released


def enter_namespaces(host: str) -> None:
    """Fork into namespaces of this process alone; the parent ends as the child does."""
    new_ns, new_uts, new_pid = 0x00020000, 0x04000000, 0x20000000
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(new_ns | new_uts | new_pid) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    socket.sethostname(host)
    child = os.fork()
    if child:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os._exit(code if code >= 0 else 128 - code)
    libc.prctl(1, signal.SIGKILL)  # the child of a parent that is killed dies
    private = 1 << 18 | 1 << 14
    libc.mount(b"none", b"/", None, private, None)
    if libc.mount(b"proc", b"/proc", b"proc", 0, None) != 0:
        raise OSError(ctypes.get_errno(), "mount /proc")


def can_make_namespaces() -> bool:
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    pid = os.fork()
    if pid == 0:
        try:
            enter_namespaces("trial")
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def can_mount() -> bool:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        try:
            subprocess.run(["bindfs", one, other], check=True, capture_output=True)
            subprocess.run(["umount", other], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return False
    return True


@dataclass
class Trial:
    """Pairs of runs over the same exposures."""

    folder: Path
    seed: int
    digests: dict[str, dict[str, str]] = field(default_factory=dict)
    length: dict[str, float] = field(default_factory=dict)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.files = write_exposures(make_exposures(3, (64, 64), seed=3), self.folder / "exposures")
        self.pair = self.folder / "pair"
        self.number = 0
        self.mounted: list[Path] = []

    @property
    def out(self) -> Path:
        """The folder of this pair; each has another one, as mounts remember what was there."""
        return self.folder / "shared" / f"out{self.number}"

    def out_of(self, name: str, place: str) -> Path:
        """Return the folder as a run sees it."""
        if not place.startswith("mounts"):
            return self.out
        point = self.folder / f"{place} of {name}"
        if point not in self.mounted:
            point.mkdir()
            remembers = "attr_timeout=3,entry_timeout=3,negative_timeout=3"
            more = ["--enable-lock-forwarding", "--multithreaded"] if "locks" in place else []
            subprocess.run(["bindfs", *more, "-o", remembers, self.folder / "shared", point], check=True)
            self.mounted.append(point)
        return point / self.out.name

    def close(self) -> None:
        for point in self.mounted:
            subprocess.run(["umount", point], check=True)

    def arguments(self, kind: str, *more: str) -> list[str]:
        bins = ["-c", "binSize=16"] if "reference" in kind else ["-c", "bin_size=16"]
        executor = ["-j", "2", "--executor", "processes"] if "processes" in kind else ["-j", "2"]
        report = [] if "report" in kind else ["--no-report"]
        method = "reference" if "reference" in kind else "all"
        chosen = [*bins, *executor, *report, "--method", method, "-q", *more]
        return ["match", *map(str, self.files), *chosen]

    def begin(self, name: str, arguments: list[str], place: str, delay: float) -> Run:
        arguments = [*arguments, "--out", str(self.out_of(name, place))]
        for kind in ("text", "times", "pid"):
            (self.pair / f"{name}.{kind}").write_text("")
        host = socket.gethostname() if place == "local" else f"host-{name}"
        pid = os.fork()
        if pid:
            return Run(name, pid, self.pair, host)
        code = 99
        try:
            text = os.open(self.pair / f"{name}.text", os.O_WRONLY | os.O_APPEND)
            os.dup2(text, 1)
            os.dup2(text, 2)
            if place == "namespaces":
                enter_namespaces(host)
            pretend(host, place)
            folder_lock._WATCH = WATCH
            (self.pair / f"{name}.pid").write_text(f"{os.getpid()}")
            note_times(self.pair / f"{name}.times")
            time.sleep(delay)
            main(arguments)
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 98
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def learn(self, kind: str) -> None:
        """Take the outputs of an undisturbed run as those that are right, and its time as the length of a run."""
        if kind in self.digests:
            return
        self.clear()
        # In this process, so that those that it forks have all modules.
        CliRunner().invoke(main, [*self.arguments(kind), "--out", str(self.out)], catch_exceptions=False)
        self.clear()
        start = time.monotonic()
        run = self.begin("alone", self.arguments(kind), "local", 0)
        if run.wait() != 0:
            raise RuntimeError(run.text)
        self.length[kind] = time.monotonic() - start
        self.digests[kind] = self.outputs()

    def clear(self) -> None:
        shutil.rmtree(self.pair, ignore_errors=True)
        shutil.rmtree(self.out, ignore_errors=True)
        self.number += 1
        self.pair.mkdir()
        (self.folder / "shared").mkdir(exist_ok=True)

    def contents(self) -> dict[str, str]:
        """Digest all files of the pair; hidden ones are temporary."""
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(self.out.iterdir())}

    def outputs(self) -> dict[str, str]:
        return {name: digest for name, digest in self.contents().items() if name.endswith("_matched.fits")}

    def check(self, kind: str, place: str, runs: list[Run], test: Callable[[list[str]], str]) -> None:
        """Check what holds after all pairs, and what `test` finds; count how it ended."""
        wrong: list[str] = []
        for run in runs:
            run.wait()
            for word in ("Traceback", "Exception ignored", "None:"):
                if word in run.text:
                    wrong.append(f"{run.name}: {word} in its messages")
            if run.text.count("\n") > 1:
                wrong.append(f"{run.name}: messages of more than one line")
        held = sorted(run.held for run in runs if run.held is not None)
        try:
            ending = test(wrong)
        except OSError as error:
            wrong.append(f"{error}")
            ending = "?"
        if "stopped" not in kind and any(later[0] < before[1] < float("inf") for before, later in pairwise(held)):
            wrong.append("both have held the folder at a time")
        self.counts[f"{kind}, {place}", ending] += 1
        if wrong:
            folder = sorted(self.contents()) if self.out.exists() else []
            texts = "".join(f"\n    {run.name}: exit code {run.code}: {run.text.strip()}" for run in runs)
            self.wrong.append(f"{kind}, {place}: {'; '.join(wrong)}{texts}\n    {folder}")
            print(f"WRONG: {self.wrong[-1]}", flush=True)

    def is_whole(self, kind: str, wrong: list[str]) -> None:
        """Check that all results are there, as of an undisturbed run, and nothing else."""
        basic = kind.split(" + ")[0]
        names = {"matched.ecsv", "matched.journal", *self.digests[basic]}
        names |= set() if "reference" in kind else {"overlaps.ecsv", "matched.covariance.fits"}
        names |= {"report.html", "matched.run"} if "report" in kind else set()
        if self.outputs() != self.digests[basic]:
            wrong.append("other outputs than those of an undisturbed run")
        if set(self.contents()) != names:
            wrong.append(f"other files than {sorted(names)}")

    def proposals_of(self, run: Run) -> list[Path]:
        """Return the files by which a run on another host wanted to take the lock; they go when they are 60 s old."""
        if run.held is not None or not run.host.startswith("host-"):
            return []
        return list(self.out.glob(f".{LOCK}.evensky-*-{run.number}-*.tmp"))

    @staticmethod
    def names(refused: Run, other: Run) -> bool:
        """Return whether a run that was refused was told which other one is at work."""
        return f"another run is at work in it: process {other.number} on {other.host}, since 20" in refused.text

    def pair_of(self, kind: str, place: str, *more: str) -> None:
        """Begin two runs at a random distance, up to more than the length of one."""
        self.learn(kind.split(" + ")[0])
        self.clear()
        if "overwrite" in kind and self.begin("earlier", self.arguments(kind), place, 0).wait() != 0:
            raise RuntimeError("a run has failed")
        distance = self.random.choice([0, self.random.uniform(0, 1.3), self.random.uniform(0, 0.3)])
        first = self.begin("first", self.arguments(kind, *more), place, 0)
        second = self.begin("second", self.arguments(kind, *more), place, distance * self.length[kind.split(" + ")[0]])

        def test(wrong: list[str]) -> str:
            self.is_whole(kind, wrong)
            codes = sorted((first.code or 0, second.code or 0))
            if codes == [0, 0] and more:
                return "one after the other"
            if codes != [0, 2]:
                wrong.append(f"exit codes {codes}")
                return "?"
            winner, loser = (first, second) if first.code == 0 else (second, first)
            if self.names(loser, winner):
                return f"the {loser.name} is refused"
            late = loser.held is not None and winner.held is not None and loser.held[0] > winner.held[1]
            if not more and late and "holds earlier results" in loser.text:
                return "earlier results"
            wrong.append("a message that does not name the other run")
            return "?"

        self.check(kind, place, [first, second], test)

    def killed(self, kind: str, place: str) -> None:
        """Kill a run at a random moment, before or after the next one has begun."""
        basic = kind.split(" + ")[0]
        self.learn(basic)
        self.clear()
        first = self.begin("first", self.arguments(kind), place, 0)
        second = self.begin(
            "second", self.arguments(kind, "--resume"), place, self.length[basic] * self.random.random()
        )
        time.sleep(self.length[basic] * self.random.random())
        os.kill(first.pid, signal.SIGKILL)
        runs = [first, second]
        first.wait()
        refused = second.wait() != 0
        # What a run leaves that is killed when it is about to take the lock, another host cannot tell from that of a
        # run which is alive.
        left = list(self.out.glob(LOCK)) if refused else self.proposals_of(first)
        for path in left:
            then = time.time() - 100
            os.utime(path, (then, then))
        if refused or left:
            runs.append(self.begin("third", self.arguments(kind, "--resume"), place, 0))

        def test(wrong: list[str]) -> str:
            self.is_whole(kind, wrong)
            if second.code == 0:
                if (last := runs[-1]).code != 0:
                    wrong.append(f"exit code {last.code} of the {last.name}")
                return "taken over"
            if (second.code, runs[2].code) != (2, 0):
                wrong.append(f"exit codes {[run.code for run in runs]}")
            if not self.names(second, first):
                wrong.append("a message that does not name the other run")
            if place != "local" and not re.search(r"\(if it was killed, its lock ends in \d+ s\)", second.text):
                wrong.append("a message that does not say how long to wait")
            return "refused, then taken over"

        self.check(kind, place, runs, test)

    def stopped(self, kind: str, place: str) -> None:
        """Stop a run at a random moment, let another one take its lock and end, and let the first go on."""
        basic = kind.split(" + ")[0]
        self.learn(basic)
        self.clear()
        first = self.begin("first", self.arguments(kind), place, 0)
        time.sleep(self.length[basic] * self.random.random())
        if os.waitpid(first.pid, os.WNOHANG)[0]:
            first.code = 0
        else:
            os.kill(first.pid, signal.SIGSTOP)
        if (self.out / LOCK).exists():
            then = time.time() - 100
            os.utime(self.out / LOCK, (then, then))
        second = self.begin("second", self.arguments(kind, "--overwrite"), place, 0)
        second.wait()
        before = {name: digest for name, digest in self.contents().items() if not name.startswith(".")}
        if first.code is None:
            os.kill(first.pid, signal.SIGCONT)
        first.wait()

        def test(wrong: list[str]) -> str:
            self.is_whole(kind, wrong)
            if second.code == 2:
                # It was stopped in the middle of a rename, which nobody may interrupt.
                if not self.names(second, first) or first.code != 0:
                    wrong.append("nobody has worked")
                return "stopped in the middle of a rename"
            if self.contents() != before:
                wrong.append("who was stopped has changed what the other wrote")
            if first.code == 0:
                return "it had ended"
            if "has lost its lock matched.lock" in first.text:
                return "refused when it went on"
            if "holds earlier results" in first.text:
                return "it had not begun"
            wrong.append("a message that does not say what happened")
            return "?"

        self.check(kind, place, [first, second], test)


def tried(trial: Trial, pairs: int, places: list[str], *, quick: bool = False) -> None:
    """Try pairs of all kinds in turn, or of those alone that are quick."""
    kinds: list[Callable[[str], None]] = [
        lambda place: trial.pair_of("reference, threads", place),
        lambda place: trial.pair_of("all, threads", place),
        lambda place: trial.pair_of("reference, threads + overwrite", place, "--overwrite"),
        lambda place: trial.pair_of("reference, threads + resume", place, "--resume"),
        lambda place: trial.killed("reference, threads + killed", place),
        lambda place: trial.stopped("reference, threads + stopped", place if place != "local" else "hosts"),
        lambda place: trial.pair_of("reference, threads", place),
        lambda place: trial.pair_of("all, threads", place),
        lambda place: trial.pair_of("reference, processes", place),
        lambda place: trial.pair_of("all, threads, report", place),
        lambda place: trial.pair_of("reference, threads", place),
        lambda place: trial.pair_of("all, threads", place),
    ]
    if quick:
        del kinds[8:10]
    for number in range(pairs):
        # A round of all kinds in one place after the other; a few pairs are of as many places as kinds.
        turn = number // len(kinds) if pairs > 60 else number
        kinds[number % len(kinds)](places[turn % len(places)])
        if number % 20 == 19:
            print(f"{number + 1} pairs, {len(trial.wrong)} wrong", flush=True)


def command() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="try 12 pairs")
    parser.add_argument("--all", action="store_true", help="try 340 pairs")
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--place", action="append", choices=PLACES)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    possible = {"namespaces": can_make_namespaces, "mounts": can_mount, "mounts, locks": can_mount}
    places = given.place or [place for place in PLACES if place not in possible or possible[place]()]
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        trial = Trial(Path(name), given.seed)
        pairs = 340 if given.all else 12 if given.quick else given.pairs
        try:
            tried(trial, pairs, places, quick=given.quick)
        finally:
            trial.close()
    for (kind, ending), count in sorted(trial.counts.items()):
        print(f"{count:5d}  {kind}: {ending}")
    print(f"{pairs} pairs in {time.monotonic() - start:.0f} s, {len(trial.wrong)} wrong")
    return 1 if trial.wrong else 0


if __name__ == "__main__":
    sys.exit(command())
