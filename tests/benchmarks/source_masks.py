#!/usr/bin/env python3
"""Bias of the background with and without a mask of the sources, on simulated fields of known truth.

Usage: source_masks.py [number of fields]

The table is that of docs/howto_arrays.md. All numbers are in units of the noise of a pixel: the mean of the model minus
the true sky, and its RMS about the truth.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

import evensky

sys.path.append(str(Path(__file__).parents[1] / "python"))
from source_fields import FIELDS, make_field


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    print(
        f"{'field':<10} {'bins':>5} {'bias':>8} {'rms':>8}   {'masked: bias':>12} {'rms':>8} {'cover':>7} {'rounds':>6}"
    )
    for name in FIELDS:
        for bin_size in (64, 128):
            rows = []
            for seed in range(number):
                image, sky = make_field(name, seed)
                plain = evensky.estimate_background(image, bin_size=bin_size, statistic="meanclip")
                masked = evensky.estimate_background(image, bin_size=bin_size, statistic="meanclip", mask_sources=True)
                assert masked.sources is not None
                off, less = plain.image - sky, masked.image - sky
                rows.append(
                    (off.mean(), off.std(), less.mean(), less.std(), masked.sources.fraction, masked.sources.rounds)
                )
            bias, rms, left, left_rms, cover, rounds = np.mean(rows, axis=0)
            print(
                f"{name:<10} {bin_size:>5} {bias:>8.3f} {rms:>8.3f}   {left:>12.3f} {left_rms:>8.3f} {cover:>7.1%} "
                f"{rounds:>6.1f}"
            )


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"{time.perf_counter() - started:.0f} s")
