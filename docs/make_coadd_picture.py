"""Picture of coadds before and after matching, as at the head of a report; it needs reproject.

Usage: python docs/make_coadd_picture.py

The exposures are those of ``evensky demo --dithered``. The pictures at the head of a report are means of all pixels,
cosmic rays among them; these are clipped means.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import evensky
from evensky.draw.pixels import coarser
from evensky.draw.run_figures import plot_coadds
from evensky.simulate import make_dithered_exposures

SIDE = 1024
STEP = 4


@dataclass
class Coadds:
    """What the figure of coadds needs."""

    before: np.ndarray
    after: np.ndarray
    unit: str

    @property
    def difference(self) -> np.ndarray:
        """What the match has removed."""
        return self.before - self.after


def main() -> None:
    simulated = make_dithered_exposures(
        6, (SIDE, SIDE), dither=0.3 * SIDE, distortion=3, gap=SIDE // 80, variances=True
    )
    exposures = [one.exposure for one in simulated]
    after = evensky.match_all(exposures, pictures=False).coadd()
    before = evensky.combine(exposures, wcs=after.grid.wcs, shape=after.grid.shape)
    pictures = [coarser(one.exposure.image.array, STEP) for one in (before, after)]
    figure = plot_coadds(Coadds(*pictures, unit=after.unit))
    figure.savefig(Path(__file__).parent / "images" / "coadd.png", dpi=100)


if __name__ == "__main__":
    main()
