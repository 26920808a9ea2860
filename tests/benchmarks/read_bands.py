"""Exposures read by bands of rows, compared with astropy's reading of the whole.

Usage: python tests/benchmarks/read_bands.py [--side 2048] [--rows 64] [--rounds 9] [--number 4] [--folder DIR]

Files of several kinds are written to a folder, read once so that the system holds them in memory, and read again in
turn by `ExposureBands`, into the same arrays for every band, and by astropy, whose pixels are brought into the byte
order of the machine. The best of the rounds counts, and the processor time of one thread, so that other programs
disturb the comparison little. ExposureBands also marks pixels without a variance in the mask, and computes variances
from errors or weights.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np
from astropy.io import fits

from evensky.io.bands import Band, ExposureBands
from evensky.io.formats import describe


def files(folder: Path, side: int) -> dict[str, Path]:
    """Write a file of each kind."""
    random = np.random.default_rng(1)
    image = random.normal(100, 5, (side, side)).astype(np.float32)
    flags = (random.random((side, side)) < 0.01).astype(np.int32)
    variance = np.full((side, side), 25, np.float32)
    dead = variance.copy()
    dead[:, ::100] = 0
    mask = fits.ImageHDU(flags, name="MASK")
    mask.header["MP_BAD"], mask.header["HIERARCH MP_NO_DATA"] = 0, 8

    def tiles(pixels: np.ndarray, name: str, algorithm: str = "RICE_1") -> fits.CompImageHDU:
        return fits.CompImageHDU(pixels, name=name, compression_type=algorithm, quantize_level=16)

    kinds: dict[str, list[fits.hdu.base.ExtensionHDU]] = {
        "image, mask, variance (LSST)": [
            fits.ImageHDU(image, name="IMAGE"),
            mask,
            fits.ImageHDU(variance, name="VARIANCE"),
        ],
        "the same with dead columns": [fits.ImageHDU(image, name="IMAGE"), mask, fits.ImageHDU(dead, name="VARIANCE")],
        "image, DQ, sigma (JWST)": [
            fits.ImageHDU(image, name="SCI"),
            fits.ImageHDU(flags.astype(np.uint32), name="DQ"),
            fits.ImageHDU(np.sqrt(variance), name="ERR"),
        ],
        "image of float32": [fits.ImageHDU(image)],
        "image of float64": [fits.ImageHDU(image.astype(np.float64))],
        "image of int16": [fits.ImageHDU(image.astype(np.int16))],
        "image of uint16": [fits.ImageHDU(image.astype(np.uint16))],
        "image, DQ, weight in tiles (DES)": [
            tiles(image, "SCI"),
            tiles(flags.astype(np.int16), "DQ", "PLIO_1"),
            tiles(1 / dead.clip(1), "WGT"),
        ],
        "image in tiles, GZIP": [tiles(image, "SCI", "GZIP_1")],
    }
    made = {}
    for number, (name, hdus) in enumerate(kinds.items()):
        made[name] = folder / f"{number}.fits"
        fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(made[name], overwrite=True)
    return made


def seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def with_astropy(path: Path, memmap: bool, number: int) -> None:
    for _ in range(number):
        with fits.open(path, memmap=memmap) as hdus:
            for hdu in hdus[1:]:
                np.array(hdu.data, hdu.data.dtype.newbyteorder("="))


def by_bands(bands: ExposureBands, band: Band, number: int) -> None:
    rows = len(band.image)
    for _ in range(number):
        for first in range(0, bands.shape[0] - rows + 1, rows):
            bands.read(slice(first, first + rows), into=band)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--number", type=int, default=4, help="files that are read in each round")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    print(f"{given.side} x {given.side}, bands of {given.rows} rows; ms per file\n")
    print(f"{'':34}{'open':>7}{'bands':>8}{'astropy':>9}{'ratio':>7}{'no map':>8}{'ratio':>7}")
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        for name, path in files(Path(folder), given.side).items():
            image = describe(path).images[0]
            opening = min(seconds(partial(ExposureBands, image)) for _ in range(5))
            scaled = "uint" in name or "JWST" in name  # astropy does not map pixels that it scales
            with ExposureBands(image) as bands:
                ours = partial(by_bands, bands, bands.new_band(given.rows), given.number)
                found: dict[str, list[float]] = {"bands": [], "mapped": [], "read": []}
                for _ in range(given.rounds):
                    found["bands"].append(seconds(ours))
                    for kind in ("mapped", "read"):
                        found[kind].append(
                            seconds(partial(with_astropy, path, kind == "mapped" and not scaled, given.number))
                        )
            best = {kind: 1e3 * min(times) / given.number for kind, times in found.items()}
            print(
                f"{name:34}{1e3 * opening:7.1f}{best['bands']:8.2f}{best['mapped']:9.2f}"
                f"{best['bands'] / best['mapped']:7.2f}{best['read']:8.2f}{best['bands'] / best['read']:7.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
