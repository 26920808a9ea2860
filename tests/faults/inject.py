"""Fault injection: every system call of a small run fails once, or kills the run.

    python tests/faults/inject.py --quick                   # a sample of all kinds of faults, in less than a minute
    python tests/faults/inject.py --all                     # every point, in some hours
    python tests/faults/inject.py --only reference//write   # the n-th write, in runs that use one thread

A warm process forks a child for each point. The library of `shim.c` counts the child's calls on files of inputs and
outputs, and disturbs the n-th one of a kind. After each: the exit code is right, nothing partial has a final name, the
inputs are unchanged, no temporary file remains, and the resumed run has the outputs of an undisturbed one.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import faulthandler
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import shim
from cases import (
    CASES,
    REPORT,
    Case,
    Ended,
    OverwriteCase,
    contents,
    make_inputs,
    processes_left,
    unchanged,
    write_from_python,
)

# An allocation smaller than this is one of the interpreter's; the pixels of an exposure need 16 kB.
LEAST_ALLOCATION = 16384
LONGEST_RUN = 120.0
# Number of faults of each case, each at one point, in a quick trial.
FAULTS_OF_QUICK = 3


@dataclass(frozen=True)
class Fault:
    """What is done to the n-th call of a kind."""

    kind: str
    action: str
    error: str = ""
    sticky: bool = False

    @property
    def name(self) -> str:
        words = [self.kind, self.action, self.error, "for ever" if self.sticky else ""]
        return " ".join(word for word in words if word)

    @property
    def kills(self) -> bool:
        return self.action.startswith("kill")

    @property
    def is_harmless(self) -> bool:
        """Whether nothing is lost, so that the run must succeed."""
        return self.action == "short" or self.error == "EINTR"


FAULTS = (
    Fault("write", "half", "ENOSPC", sticky=True),
    Fault("write", "fail", "EIO"),
    Fault("write", "fail", "EDQUOT", sticky=True),
    Fault("write", "short"),
    Fault("write", "fail", "EINTR"),
    Fault("write", "kill half"),
    Fault("write", "kill after"),
    Fault("fsync", "fail", "EIO"),
    Fault("fsync", "fail", "ENOSPC", sticky=True),
    Fault("fsync", "kill before"),
    Fault("rename", "fail", "EIO"),
    Fault("rename", "fail", "EACCES", sticky=True),
    Fault("rename", "kill before"),
    Fault("rename", "kill after"),
    Fault("open", "fail", "EMFILE"),
    Fault("open", "fail", "EIO", sticky=True),
    Fault("open", "fail", "EINTR"),
    Fault("open", "kill after"),
    Fault("close", "fail", "EIO"),
    Fault("close", "kill before"),
    Fault("unlink", "fail", "EIO"),
    Fault("unlink", "kill before"),
    Fault("unlink", "kill after"),
    Fault("truncate", "fail", "ENOSPC"),
    Fault("truncate", "kill before"),
    Fault("mkdir", "fail", "EACCES"),
    Fault("mkdir", "kill after"),
    Fault("chmod", "fail", "EPERM"),
    Fault("chmod", "kill before"),
    Fault("lock", "fail", "ENOLCK", sticky=True),
    Fault("lock", "fail", "EIO"),
    Fault("lock", "kill after"),
    Fault("list", "fail", "EIO"),
    Fault("read", "fail", "EIO"),
    Fault("read", "fail", "EIO", sticky=True),
    Fault("read", "short"),
    Fault("read", "fail", "EINTR"),
    Fault("read", "kill before"),
    Fault("map", "fail", "ENOMEM"),
    Fault("stat", "fail", "EIO"),
    Fault("stat", "fail", "ESTALE", sticky=True),
    Fault("alloc", "fail", "ENOMEM"),
    Fault("alloc", "fail", "ENOMEM", sticky=True),
)

# How the jobs of a run are done, and in which of its processes calls are disturbed.
WAYS: dict[str, tuple[list[str], str]] = {
    "": ([], "all"),
    "threads": (["-j", "2"], "all"),
    "processes": (["-j", "2", "--executor", "processes"], "main"),
    "workers": (["-j", "2", "--executor", "processes"], "others"),
    # A new interpreter, whose workers are new interpreters, as users have them.
    "spawned": (["-j", "2", "--executor", "processes"], "all"),
}


@dataclass
class Point:
    """One point, and what was wrong after it."""

    case: str
    fault: str
    number: int
    call: str
    path: str
    code: int
    text: str
    wrong: list[str]
    second: str = ""


class Bench:
    """The place where runs are disturbed."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.inputs, self.out, self.scratch = (folder / name for name in ("in", "out", "tmp"))
        self.control = shim.open_control()
        self.random = random.Random(seed)
        self._learned: dict[str, Case] = {}
        self.scratch.mkdir()
        self.control.log = str(folder / "calls").encode()
        make_inputs(self.inputs)
        self.before = contents(self.inputs)
        for number, path in enumerate((self.inputs, self.out, self.scratch)):
            self.control.folders[number].value = str(path).encode()

    def case(self, name: str, more: Sequence[str] = ()) -> Case:
        kind, arguments = CASES[name]
        words = [str(self.scratch) if word == "SCRATCH" else word for word in (*arguments, *more)]
        only = REPORT if name == "report" else ""
        made: Case = kind(name, words, only, self.inputs, self.out)
        return made

    def run(
        self,
        case: Case,
        fault: Fault | None = None,
        number: int = 0,
        scope: str = "all",
        *,
        again: bool = False,
        arguments: Sequence[str] = (),
    ) -> Ended:
        """Run the command of a case, or other arguments, in a child; disturb it at a point."""
        arguments = arguments or case.command(again=again)
        spawned = case.name.endswith("/spawned")
        control, screen = self.control, self.folder / "screen"
        control.armed, control.hit, control.hit_call, control.hit_path = 0, 0, b"", b""
        control.kind = shim.KINDS.index(fault.kind if fault else "any")
        control.action = shim.ACTIONS.index(fault.action if fault else "fail")
        control.error = getattr(errno, fault.error) if fault and fault.error else 0
        control.sticky, control.nth = int(bool(fault and fault.sticky)), number
        control.scope, control.folders_wanted = shim.SCOPES.index(scope), 7
        control.least_size = LEAST_ALLOCATION
        control.only = case.only.encode()
        for kind in range(len(shim.KINDS)):
            control.counts[kind] = 0
        child = os.fork()
        if child == 0:
            self._be_child(arguments, screen, spawned=spawned)
        code = self._wait(child)
        control.armed = 0
        outlived = self._end_group(child)
        return Ended(code, screen.read_text(encoding="utf-8", errors="replace"), outlived)

    def _be_child(self, arguments: Sequence[str], screen: Path, *, spawned: bool) -> None:
        """Run a command in this process, and end it."""
        code = 99
        try:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            file = os.open(screen, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, 1)
            os.dup2(file, 2)
            os.environ["TMPDIR"] = tempfile.tempdir = str(self.scratch)
            if spawned:
                self.control.main_pid = os.getpid()
                self.control.armed = 1
                os.execv(sys.executable, [sys.executable, "-m", "evensky", *arguments])
            # Workers that are forked from this warm process begin at once; spawned ones would import everything.
            really = multiprocessing.get_context
            multiprocessing.get_context = lambda method=None: really("fork" if method == "spawn" else method)  # type: ignore
            os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))
            from evensky.cli import main

            faulthandler.enable()
            self.control.main_pid = os.getpid()
            self.control.armed = 1
            try:
                if arguments[0] == "write_from_python":
                    sys.exit(write_from_python(self.inputs, self.out))
                main(list(arguments), prog_name="evensky")
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
            self.control.armed = 0
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:
            self.control.armed = 0
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(code)

    def _wait(self, child: int) -> int:
        deadline = time.monotonic() + LONGEST_RUN
        while True:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > deadline:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return -999
            time.sleep(0.002)

    def _end_group(self, group: int) -> int:
        """Wait up to 2 s for the processes that a child has started; end those that are left, and count them."""
        deadline = time.monotonic() + 2
        while (left := processes_left(group)) and time.monotonic() < deadline:
            time.sleep(0.02)
        for one in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        return len(left)

    def learn(self, case: Case, scope: str) -> None:
        """Let a case learn the results of an undisturbed run, once for all cases of its name."""
        if case.name not in self._learned:
            self.count(case, scope)
            self._learned[case.name] = case
        case.whole, case.rows = self._learned[case.name].whole, self._learned[case.name].rows

    def logged(self) -> list[tuple[str, str]]:
        """Return the calls of the last run that was counted with a log, with their paths."""
        lines = (line.split(" ", 3) for line in (self.folder / "calls").read_text().splitlines())
        return [(call, path) for _, call, _, path in lines]

    def count(self, case: Case, scope: str, *, log: bool = False) -> dict[str, int]:
        """Count the points of an undisturbed run, whose results the case learns."""
        if isinstance(case, OverwriteCase):
            shutil.rmtree(case.earlier, ignore_errors=True)
            case.prepare()
            self.run(case, arguments=case.first_command())
            case.keep_first()
        case.prepare()
        (self.folder / "calls").unlink(missing_ok=True)
        self.control.logged = int(log)
        ended = self.run(case, scope=scope)
        self.control.logged = 0
        counts = dict(zip(shim.KINDS, self.control.counts, strict=True))
        case.learn(ended)
        return counts

    def try_point(self, case: Case, fault: Fault, number: int, scope: str, second: tuple[Fault, int] | None) -> Point:
        """Disturb a run at a point, check it, continue it, and check it again."""
        case.prepare()
        ended = self.run(case, fault, number, scope)
        hit, call, path = (getattr(self.control, f"hit{name}") for name in ("", "_call", "_path"))
        killed = fault.kills and bool(hit) and self.control.hit_pid == self.control.main_pid
        crashed = _crashed(fault, ended)
        killed = killed or crashed
        point = Point(case.name, fault.name, number, call.decode(), path.decode(), ended.code, ended.text.strip(), [])
        if crashed:
            ended = Ended(-signal.SIGKILL, "", ended.outlived)
        # Threads do not always make the same calls; a run that was not disturbed must be right.
        exact = not hit or fault.is_harmless or (fault.kills and not killed)
        point.wrong += case.faults_of(ended, killed=killed, exact=exact, untidy=_untidy(fault, call))
        point.wrong += unchanged(self.inputs, self.before) + self._scratch_left(killed=killed)
        if second is not None:
            point.second = f"{second[0].name} {second[1]}"
            ended = self.run(case, *second, scope, again=True)
            killed = second[0].kills and bool(self.control.hit) and self.control.hit_pid == self.control.main_pid
            if _crashed(second[0], ended):
                ended, killed = Ended(-signal.SIGKILL, "", ended.outlived), True
            untidy = "" if second[0].kills else _untidy(second[0], self.control.hit_call)
            after = case.faults_of(ended, killed=killed, exact=False, untidy="." if fault.kills else untidy)
            point.wrong += [f"second: {one}" for one in after]
            point.text += f" || {ended.text.strip()}"
        if exact and second is None:
            return point  # it has the undisturbed results already
        ended = self.run(case, again=True)
        point.wrong += case.faults_of_second(ended) + unchanged(self.inputs, self.before)
        if ended.text.strip():
            point.text += f" || {ended.text.strip()}"
        return point

    def _scratch_left(self, *, killed: bool) -> list[str]:
        left = list(self.scratch.iterdir())
        for path in left:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return [f"left in TMPDIR: {', '.join(path.name for path in left)}"] if left and not killed else []


def _crashed(fault: Fault, ended: Ended) -> bool:
    """Return whether the process died without memory.

    NumPy 2 does if the buffer of an iterator cannot be allocated, as in ``np.arange(64)[:, None] + np.arange(96)``. It
    is then as if the run had been killed.
    """
    return fault.kind == "alloc" and ended.code == -signal.SIGSEGV


def _untidy(fault: Fault, call: bytes) -> str:
    """Return the pattern of names that may remain after a fault."""
    if call in (b"unlink", b"rmdir"):
        return "."
    # A lock that can no longer be read might be another's, and is left to the next run.
    return r"matched\.lock" if fault.sticky and fault.kind in ("open", "read", "stat", "lock") else ""


def case_of(bench: Bench, name: str, way: str) -> Case:
    """Return a case whose jobs are done in one of `WAYS`."""
    case = bench.case(name, WAYS[way][0])
    case.name = f"{name}/{way}" if way else name
    return case


def plan(args: argparse.Namespace) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return the cases, each with its way and the kinds of calls that are disturbed."""
    every = tuple(shim.KINDS[1:])
    writing = ("write", "rename", "fsync", "open", "unlink", "lock", "truncate")
    plans: list[tuple[str, str, tuple[str, ...]]] = []
    for method in ("reference", "all"):
        plans.append((method, "", every))
        plans.append((method, "threads", (*writing, "read")))
        plans.append((method, "processes", writing))
        plans.append((method, "workers", (*writing, "read", "close")))
        plans.append((method, "spawned", ("write", "rename", "fsync")))
    plans += [("overwrite", "", (*writing, "stat")), ("overwrite", "workers", ("write", "rename", "fsync"))]
    plans += [
        ("report", "", (*writing, "close", "chmod", "stat")),
        ("compress", "", writing),
        ("scratch", "", (*writing, "map")),
    ]
    plans += [("tract", "", (*writing, "read", "alloc")), ("demo", "", ("write", "rename", "fsync"))]
    plans += [("background", "", every), ("stats", "", every), ("inspect", "", every)]
    if args.quick:  # the others take longer than all the rest
        plans = [one for one in plans if one[0] not in ("demo", "report") and one[1] != "spawned"]
    wanted = args.kinds.split(",") if args.kinds else every
    return [
        (case, way, chosen)
        for case, way, kinds in plans
        if (chosen := tuple(one for one in kinds if one in wanted and f"{case}/{way}/{one}".startswith(args.only)))
    ]


def points(bench: Bench, args: argparse.Namespace) -> Iterator[Point]:
    """Try all points, or a sample of them."""
    for name, way, kinds in plan(args):
        case, scope = case_of(bench, name, way), WAYS[way][1]
        counts = bench.count(case, scope)
        print(f"{case.name}: " + ", ".join(f"{number} {kind}" for kind, number in counts.items() if number), flush=True)
        faults = [one for one in FAULTS if one.kind in kinds and counts[one.kind] and one.name.startswith(args.fault)]
        if args.quick:
            faults = bench.random.sample(faults, min(FAULTS_OF_QUICK, len(faults)))
        for fault in faults:
            numbers = [args.number] if args.number else list(range(1, counts[fault.kind] + 1))
            if args.sample and args.sample < len(numbers):
                numbers = sorted(bench.random.sample(numbers, args.sample))
            for number in numbers:
                second = None
                if bench.random.random() < args.twice:
                    other = bench.random.choice([one for one in FAULTS if counts[one.kind]])
                    second = other, bench.random.randint(1, counts[other.kind])
                yield bench.try_point(case, fault, number, scope, second)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="try every point")
    parser.add_argument("--quick", action="store_true", help="try a small sample")
    parser.add_argument("--sample", type=int, help="number of points of each fault of each case")
    parser.add_argument("--twice", type=float, default=0.1, help="share of points with a second fault in the resume")
    parser.add_argument("--only", default="", metavar="CASE/WAY/KIND", help="beginning of what is tried")
    parser.add_argument("--kinds", default="", help="kinds of calls, separated by commas; all by default")
    parser.add_argument("--fault", default="", help="beginning of the fault's name")
    parser.add_argument("--number", type=int, help="try this point alone, and show what the run says")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1e9, help="end after this time")
    parser.add_argument("--json", type=Path, help="file for all points")
    args = parser.parse_args()
    if args.sample is None:
        args.sample = 0 if args.all else 1
    if "EVENSKY_FAULTS" not in os.environ:
        return shim.in_folder(sys.argv)
    return _inject(args)


def _inject(args: argparse.Namespace) -> int:
    started = time.monotonic()
    bench = Bench(Path(tempfile.mkdtemp()), args.seed)
    warm(bench, dict.fromkeys(name for name, _, _ in plan(args)))
    done: list[Point] = []
    wrong: Counter[str] = Counter()
    for point in points(bench, args):
        done.append(point)
        if args.number:
            print(f"{point.fault} {point.call} {point.path}: code {point.code}\n{point.text}")
        if point.wrong:
            place = Path(point.path).name or "memory"
            print(f"WRONG {point.case} {point.fault} n={point.number} {point.call} {place}", flush=True)
            print(f"      {'; '.join(point.wrong)}\n      code {point.code}: {point.text[:3000]}", flush=True)
            if point.second:
                print(f"      then {point.second}", flush=True)
            wrong[f"{point.case} {point.fault}"] += 1
        if time.monotonic() - started > args.seconds:
            break
    hits = [point for point in done if point.call]
    print()
    for (case, fault), number in sorted(Counter((point.case, point.fault) for point in hits).items()):
        print(f"{case:<24} {fault:<28} {number:>5} points, {wrong[f'{case} {fault}']:>4} wrong")
    twice = sum(bool(point.second) for point in hits)
    print(
        f"{len(hits)} points, {twice} of them with a second fault, {len(done) - len(hits)} not reached, "
        f"{sum(point.code == -signal.SIGSEGV for point in hits)} crashes without memory, {sum(wrong.values())} wrong, "
        f"{time.monotonic() - started:.0f} s"
    )
    if args.json:
        args.json.write_text(json.dumps([asdict(point) for point in done], indent=1))
    return 1 if wrong else 0


def warm(bench: Bench, names: Iterable[str]) -> None:
    """Import all that the commands of some cases import, so that children need not."""
    from evensky.cli import main as command

    screen = os.dup(1), os.dup(2)
    quiet = os.open(os.devnull, os.O_WRONLY)
    try:
        for one in (1, 2):
            os.dup2(quiet, one)
        for name in names:
            case = bench.case(name)
            case.prepare()
            with contextlib.suppress(SystemExit):
                if case.arguments[0] == "write_from_python":
                    sys.exit(write_from_python(bench.inputs, bench.out))
                command(case.command(), prog_name="evensky")
    finally:
        for one, kept in zip((1, 2), screen, strict=True):
            os.dup2(kept, one)


if __name__ == "__main__":
    sys.exit(main())
