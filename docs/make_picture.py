"""Picture of the README: simulated exposures before and after matching. Usage: python docs/make_picture.py"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import evensky
from evensky.draw.figures import common_stretch
from evensky.math import MEDIAN, BackgroundControl, StatisticsControl, makeBackground
from evensky.simulate import make_exposures

SIDE = 256


def picture(exposure: object) -> np.ndarray:
    """Return medians of blocks, sources included, NaN for blocks without data."""
    control = StatisticsControl()
    control.setAndMask(exposure.mask.getPlaneBitMask(["NO_DATA", "BAD", "CR"]))
    bins = BackgroundControl(SIDE, SIDE, control, MEDIAN)
    return np.array(makeBackground(exposure.maskedImage, bins).getStatsImage().image.array)


def main() -> None:
    exposures = [one.exposure for one in make_exposures(5)]
    before = [picture(one) for one in exposures]
    after = [picture(one) for one in evensky.match_all(exposures, reference=0, pictures=False).exposures]
    low, high = common_stretch(before + after)
    figure = Figure(figsize=(12, 5.2), layout="constrained")
    axes = figure.subplots(2, len(exposures))
    for row, (title, pictures) in enumerate((("before", before), ("after", after))):
        for ax, one in zip(axes[row], pictures, strict=True):
            shown = ax.imshow(one, origin="lower", cmap="cividis", vmin=low, vmax=high, interpolation="nearest")
            ax.set(xticks=[], yticks=[])
        axes[row, 0].set_ylabel(title, fontsize=13)
    axes[0, 0].set_title("reference", fontsize=12)
    figure.colorbar(shown, ax=axes, shrink=0.6, aspect=30, label="counts")
    figure.savefig(Path(__file__).parent / "images" / "matching.png", dpi=80)


if __name__ == "__main__":
    main()
