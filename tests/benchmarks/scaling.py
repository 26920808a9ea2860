"""Growth of time and memory with the number of pixels and of exposures."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import workloads
from workloads import OURS

import evensky.image as afwImage
from evensky.simulate import make_exposures, write_exposures

SIDES = (1024, 2048, 4096, 8192, 16384)
EXPOSURES = (2, 5, 10, 20, 50, 100)

# Largest sides for peers, whose single runs would otherwise take longer than some seconds.
LARGEST = {"sep": 8192, "photutils": 4096}


def exponent(sizes: list[float], times: list[float]) -> float:
    """Return p in time ~ size^p, by least squares of the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def tiled(image: np.ndarray, side: int) -> np.ndarray:
    """Return an image of a given side: a part of an image, or copies of it side by side."""
    times = -(-side // image.shape[0])
    return np.ascontiguousarray(np.tile(image, (times, times))[:side, :side])


def with_pixels(image: np.ndarray, mask: np.ndarray, repeats: int) -> dict[str, dict[int, float]]:
    """Return the time (ms) of a background of 128 px bins and its image, by name and side of the image."""
    found: dict[str, dict[int, float]] = {}
    for side in SIDES:
        pixels, masks = tiled(image, side), tiled(mask, side)
        peers = [name for name, largest in LARGEST.items() if side <= largest]
        works = workloads.backgrounds(pixels, masks, 128, peers=peers)
        for name, (median, _) in workloads.in_turns(works, repeats).items():
            found.setdefault(name, {})[side] = median
        del pixels, masks, works
    return found


class InMemory:
    """A data reference that returns its exposure without a copy."""

    def __init__(self, exposure: Any, visit: int) -> None:
        self._exposure = exposure
        self.dataId = {"visit": visit}

    def get(self, datasetType: str | None = None, immediate: bool = True) -> Any:
        return self._exposure

    def datasetExists(self, datasetType: str | None = None) -> bool:
        return True


def with_exposures(repeats: int, side: int = 1024) -> dict[int, float]:
    """Return the time (ms) of the task for several numbers of exposures in memory, matched to another one."""
    rng = np.random.default_rng(1)
    exposures: list[Any] = []
    for _ in range(4):
        exposure = afwImage.ExposureF(side, side)
        exposure.maskedImage.image.array[...] = rng.normal(1000, 10, (side, side))
        exposure.maskedImage.variance.array[...] = 100.0
        exposures.append(exposure)
    task = workloads.tasks()["MEAN"]
    reference = InMemory(exposures[0], 0)
    works: dict[str, workloads.Work] = {}
    for number in EXPOSURES:
        refs = [InMemory(exposures[1 + i % 3], 1 + i) for i in range(number)]
        works[str(number)] = lambda r=refs: task.run(r, "exposure", refExpDataRef=reference)  # type: ignore[misc]
    return {int(name): median for name, (median, _) in workloads.in_turns(works, repeats).items()}


def memory_with_exposures(numbers: tuple[int, int] = (4, 40), side: int = 1024) -> dict[int, float]:
    """Return the largest resident memory (MiB) of the whole command for several numbers of files."""
    code = (
        "import pathlib, re, resource, sys\n"
        "from evensky.cli import main\n"
        "try: main(['match', *sys.argv[2:], '--out', sys.argv[1], '--quiet', '--no-report'])\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "status = pathlib.Path('/proc/self/status')\n"
        # On Linux, the figure of resource includes the memory of the process before exec.
        "if status.exists(): print(int(re.search(r'VmHWM:\\s*(\\d+)', status.read_text())[1]) / 1024)\n"
        "else: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20))\n"
    )
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = write_exposures(make_exposures(4, shape=(side, side)), Path(folder) / "made")
        for number in numbers:
            files = []
            for index in range(number):
                file = Path(folder) / f"{number}-{index}.fits"
                shutil.copyfile(paths[index % len(paths)], file)
                files.append(str(file))
            found[number] = float(workloads.in_new_process(code, f"{folder}/out-{number}", *files).splitlines()[-1])
    return found


def plot(times: dict[str, dict[int, float]], path: str) -> None:
    """Draw time against size."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    styles = {OURS: ("C0", "o"), "sep": ("C1", "s"), "photutils": ("C2", "^")}
    for name, by_side in times.items():
        colour, marker = styles[name]
        axes.loglog([side**2 / 1e6 for side in by_side], list(by_side.values()), color=colour, marker=marker)
        side, time = list(by_side.items())[-1]
        axes.annotate(name, (side**2 / 1e6, time), xytext=(8, -4), textcoords="offset points", color=colour)
    axes.set(
        xlabel="pixels (millions)",
        ylabel="time (ms), one thread",
        title="Clipped background of 128 px bins and its full image",
        xlim=(0.8, 600),
    )
    axes.grid(which="major", alpha=0.3)
    figure.savefig(path, dpi=110)
    plt.close(figure)
