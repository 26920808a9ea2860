"""Comparison of the run times of evensky and of its peers, in turns in one process.

Usage: python tests/benchmarks/compare.py [--repeats 5] [--quick] [--plot FILE]

Times differ between machines; compare ratios within one run. MISSED marks a figure that misses its aim in this run, as
may happen on a busy machine; gains of two threads need two idle cores. A full run takes about two minutes. Peers: pip
install ".[bench]".
"""

from __future__ import annotations

import argparse
import logging

import overheads
import scaling
import workloads
from workloads import OURS


def verdict(met: bool) -> str:
    return "met" if met else "MISSED"


def print_rows(rows: list[workloads.Row], repeats: int) -> None:
    figures = f"{'ms':>8} {'spread':>7}"
    print(f"\n{'one thread, 4096 x 4096 float32':<52} {figures}  {'peer':<28} {figures}  ratio")
    for row in rows:
        times = workloads.in_turns(row.works, min(repeats, 3) if row.slow else repeats)
        ours, spread = times.pop(OURS)
        for name, (peer, peer_spread) in times.items():
            print(
                f"{row.title:<52} {ours:8.1f} {spread:7.1f}  {name:<28} {peer:8.1f} {peer_spread:7.1f}  "
                f"{ours / peer:5.3f} of {row.aim:.2f}: {verdict(ours / peer <= row.aim)}"
            )


def print_two_threads(masked: object, repeats: int) -> None:
    print(f"\n{'two threads':<52} {'one, ms':>8} {'two, ms':>8}  gain")
    for title, work, memory in workloads.two_threads(masked):
        works = {str(n): workloads.with_threads(n, work) for n in (1, 2)}
        if memory is not None:
            works["memory"] = workloads.with_threads(2, memory)
        times = {name: median for name, (median, _) in workloads.in_turns(works, 2 * repeats).items()}
        gain = times["1"] / times["2"]
        if memory is None:
            says = f"{gain:.2f} of 1.70: {verdict(gain >= 1.7)}"
        else:
            share = times["memory"] / times["2"]
            says = (
                f"{gain:.2f}; {100 * share:.0f}% of numpy's rate by two threads ({times['memory']:.1f} ms) "
                f"of 80%: {verdict(share >= 0.8)}"
            )
        print(f"{title:<52} {times['1']:8.1f} {times['2']:8.1f}  {says}")


def print_growth(image: object, mask: object, repeats: int, plot: str | None) -> None:
    print("\ngrowth: background of 128 px bins and its image, ms by side of the image")
    times = scaling.with_pixels(image, mask, repeats)
    for name, by_side in times.items():
        power = scaling.exponent([float(side) ** 2 for side in by_side], list(by_side.values()))
        figures = "  ".join(f"{side}: {time:.1f}" for side, time in by_side.items())
        says = f" of 1.00 +- 0.05: {verdict(abs(power - 1) <= 0.05)}" if name == OURS else ""
        print(f"{name:<12} {figures}   exponent {power:.2f}{says}")
    if plot:
        scaling.plot(times, plot)
    by_number = scaling.with_exposures(repeats)
    power = scaling.exponent([float(number) for number in by_number], list(by_number.values()))
    figures = "  ".join(f"{number}: {time:.0f}" for number, time in by_number.items())
    print(
        f"task over exposures of 1024 x 1024, ms by number: {figures}   exponent {power:.2f} of 1.00 +- 0.05: "
        f"{verdict(abs(power - 1) <= 0.05)}"
    )
    memory = scaling.memory_with_exposures()
    (few, least), (many, most) = memory.items()
    # For ten times the files, memory may grow by less than one exposure of 12 MiB.
    print(
        f"memory of `evensky match`: {least:.0f} MiB for {few} files, {most:.0f} MiB for {many}: "
        f"{verdict(most - least < 12)}"
    )


def print_overheads(repeats: int) -> None:
    print("\nwhat a call costs")
    for title, microseconds in overheads.small_calls().items():
        print(f"{title:<52} {microseconds:8.2f} us above a bare call, of 5: {verdict(microseconds < 5)}")
    for title, (ours, core) in overheads.small_backgrounds().items():
        ratio = ours / core
        print(f"{title:<52} {ours:8.1f} us, the core {core:.1f} us: {ratio:.2f} of 1.3: {verdict(ratio < 1.3)}")
    overhead = overheads.task_overhead()
    print(f"{'task, for each exposure':<52} {overhead:8.2f} ms of 1: {verdict(overhead < 1)}")
    for modules in ("evensky", "evensky.image, evensky.math, evensky.tasks"):
        seconds = overheads.import_time(modules, repeats)
        print(f"{'import ' + modules:<52} {seconds:8.3f} s of 0.3: {verdict(seconds < 0.3)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="turns each; medians are taken")
    parser.add_argument("--quick", action="store_true", help="leave out growth")
    parser.add_argument("--plot", metavar="FILE", help="draw time against size, with the peers")
    arguments = parser.parse_args()
    logging.getLogger("evensky").setLevel(logging.ERROR)  # images of few bins are intended
    workloads.with_threads(1, lambda: None)()
    print(workloads.machine())
    image, mask = workloads.standard_image()
    masked = workloads.masked_image(image, mask)
    print_rows(workloads.rows(image, mask, masked), arguments.repeats)
    print_two_threads(masked, arguments.repeats)
    print_overheads(arguments.repeats)
    if not arguments.quick:
        del masked
        print_growth(image, mask, arguments.repeats, arguments.plot)


if __name__ == "__main__":
    main()
