"""Run all comparisons with other packages, and write their tables and pictures into one folder.

Usage: python tests/benchmarks/all_benchmarks.py FOLDER [--quick] [--only NAME ...] [--list]

Each comparison is a program of this folder, and runs in a process of its own, one after the other. FOLDER gets a
markdown file for each, with its tables, its command, how long it took and what it said on stderr; the pictures; and
index.md, with the machine, the versions of all packages and the comparisons. A comparison that fails is named there
with the end of what it said, and does not stop the others; the exit code is then 1.

A full run takes some hours; --quick makes small exposures and few turns, for a look at the tables within some minutes:
its figures are not those to quote. Peers: pip install ".[bench]" ccdproc reproject bottleneck numbagg stcal MontagePy;
those that are missing have no column.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import itertools
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import workloads

HERE = Path(__file__).resolve().parent
PEERS = (
    *("astropy", "bottleneck", "ccdproc", "evensky", "matplotlib", "MontagePy", "numbagg"),
    *("numpy", "photutils", "reproject", "scipy", "sep", "stcal"),
)
# Lines of stderr that are shown of a comparison that failed.
_SHOWN = 15


@dataclass(frozen=True)
class Comparison:
    """A program that compares.

    Attributes
    ----------
    name : str
        Name of its files.
    title : str
    program : str
        File in this folder.
    options : str
        Options of a full run; ``{folder}`` stands for the folder of the pictures.
    quick : str
        Options of a quick run.
    """

    name: str
    title: str
    program: str
    options: str
    quick: str

    def command(self, folder: Path, *, quick: bool) -> list[str]:
        """Return the command, with the folder for its pictures."""
        options = shlex.split(self.quick if quick else self.options)
        return [sys.executable, str(HERE / self.program), *(one.replace("{folder}", str(folder)) for one in options)]


COMPARISONS = (
    Comparison(
        "speed",
        "Statistics, backgrounds and pairs: speed",
        "compare.py",
        "--repeats 7 --plot {folder}/time_against_size.png",
        "--quick --repeats 1",
    ),
    Comparison(
        "backgrounds",
        "Backgrounds of fields of known truth: level, background and noise",
        "compare_backgrounds.py",
        "--picture {folder}/backgrounds",
        "--seeds 1 --case sparse --case crowded --picture {folder}/backgrounds",
    ),
    Comparison("types", "Types of pixels, and small bins: speed", "cliffs.py", "", "--side 1024 --turns 1"),
    Comparison(
        "matching",
        "Matching on one grid: what is left",
        "compare_matching.py",
        "--picture {folder}/matching.png",
        "--seeds 1 --case levels curves --picture {folder}/matching.png",
    ),
    Comparison(
        "dithered",
        "Matching of exposures of different WCS: what is left",
        "compare_dithered.py",
        "",
        "--seeds 1 --case gradients --side 384",
    ),
    Comparison(
        "combining",
        "Combining: speed, and equal pixels",
        "compare_combine.py",
        "--picture {folder}/combining",
        "--speed --files --demo --size 512 --number 20 --repeats 3 --picture {folder}/combining",
    ),
    Comparison(
        "commands",
        "Whole commands: processor time",
        "commands.py",
        "--set large --set small --plot {folder}/commands.png",
        "--set small --turns 1 --only stats --plot {folder}/commands.png",
    ),
)


def as_markdown(text: str) -> str:
    """Return what a program has printed as markdown: its tables as they are, other lines in blocks of text."""
    blocks = []
    for is_table, group in itertools.groupby(text.splitlines(), lambda line: line.startswith("|")):
        block = "\n".join(group).strip("\n")
        if block:
            blocks.append(block if is_table else f"```text\n{block}\n```")
    return "\n\n".join(blocks) + "\n"


def versions() -> str:
    """Return a markdown table of the packages and their versions."""
    rows = ["| package | version |", "| --- | --- |"]
    for name in PEERS:
        try:
            rows.append(f"| {name} | {importlib.metadata.version(name)} |")
        except importlib.metadata.PackageNotFoundError:
            # The package itself may be run from its folder, without an installation.
            rows.append(f"| {name} | {workloads.evensky.__version__ if name == 'evensky' else 'not installed'} |")
    return "\n".join(rows)


def run(comparison: Comparison, folder: Path, *, quick: bool) -> tuple[float, int, str]:
    """Run a comparison and write its file; return its duration in seconds, its exit code and the end of stderr."""
    command = comparison.command(folder, quick=quick)
    start = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - start
    named = {Path(word) for word in command if word.endswith(".png")}
    pictures = sorted(named | set(folder.glob(f"{comparison.name}/*.png")))
    shown = [f"![{path.stem}]({path.relative_to(folder)})" for path in pictures if path.exists()]
    said = ["## On stderr", "", "```text", done.stderr.strip("\n"), "```"] if done.stderr.strip() else []
    options = shlex.join(command[2:])
    program = f"`python tests/benchmarks/{comparison.program} {options}`".replace(" `", "`")
    head = [f"# {comparison.title}", "", f"{program}, {seconds:.0f} s"]
    text = "\n".join([*head, "", as_markdown(done.stdout), *[f"{one}\n" for one in shown], *said])
    # Others read these files, too.
    (folder / f"{comparison.name}.md").write_text(text.replace(str(folder), "FOLDER").rstrip("\n") + "\n")
    return seconds, done.returncode, "\n".join(done.stderr.strip().splitlines()[-_SHOWN:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="folder of the tables and pictures; it is made if missing")
    parser.add_argument("--quick", action="store_true", help="small exposures and few turns")
    parser.add_argument("--only", nargs="+", choices=[one.name for one in COMPARISONS], help="only these comparisons")
    parser.add_argument("--list", action="store_true", help="print the comparisons and their commands")
    given = parser.parse_args()
    chosen = [one for one in COMPARISONS if given.only is None or one.name in given.only]
    if given.list:
        for one in chosen:
            print(f"{one.name:<10} {one.title}: {one.program} {one.quick if given.quick else one.options}")
        return
    if given.folder is None:
        parser.error("FOLDER is missing: name the folder of the tables and pictures")
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    rows, failures = [], []
    for one in chosen:
        print(f"{one.title} ...", flush=True)
        seconds, code, said = run(one, folder, quick=given.quick)
        print(f"  {seconds:.0f} s{'' if code == 0 else f', failed with exit code {code}'}", flush=True)
        result = "done" if code == 0 else f"failed ({code})"
        rows.append(f"| [{one.title}]({one.name}.md) | {seconds:.0f} s | {result} |")
        if code != 0:
            failures += [f"## {one.title} failed", "", "```text", said, "```", ""]
    quick = "**A quick run: these are not figures to quote.**\n\n" if given.quick else ""
    table = "\n".join(["| comparison | time | result |", "| --- | ---: | --- |", *rows])
    (folder / "index.md").write_text(
        f"# Benchmarks of evensky and of other packages\n\n{quick}{workloads.machine()}\n\n{table}\n\n{versions()}\n"
        + "\n".join(["", *failures])
    )
    print(f"Tables: {folder / 'index.md'}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
