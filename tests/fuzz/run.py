#!/usr/bin/env python3
"""Fuzzing of the readers with atheris (``pip install atheris``), starting from small files of every kind.

Usage: tests/fuzz/run.py TARGET FOLDER [libFuzzer options], e.g. ``read_fits /tmp/fuzz -max_total_time=900``, and then
``read_fits /tmp/fuzz -merge=1 -set_cover_merge=1 -use_counters=0`` to keep the inputs that are needed for the same
coverage. An exception that a target does not expect, more than 10 s, or more than 1 GB end the run, with the input that
caused it in FOLDER.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import sys
from pathlib import Path

import atheris
import numpy as np

# Modules that are imported earlier are not instrumented.
with atheris.instrument_imports(include=["evensky", "astropy.io.fits", "yaml", "tomllib", "json"]):
    from astropy.io import fits
    from targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"


def seeds(target: str) -> list[bytes]:
    """Make small valid files."""
    if target == "read_config":
        return [
            b"binSize: 64\nusePolynomial: true\nbadMaskPlanes: [SAT, BAD]\ngridStatistic: MEANCLIP\n",
            b'{"order": 3, "approxWeighting": false, "interpStyle": "LINEAR"}',
            b'# TOML\nbinSize = 64\nbadMaskPlanes = ["SAT"]\nnumSigmaClip = 2.5\n',
            b"a: &a [x]\nb: [*a, *a]\n",
        ]
    if target == "read_journal":
        return [
            b'{"journal": 2, "version": "1", "config": {"binSize": 256}, "files": [["/a.fits", 1, 2], '
            b'["/b.fits", 1, 2]], "number": 2}\n{"reference": "a", "reason": "", '
            b'"candidates": [{"label": "a", "cost": 1.0}]}\n'
            b'{"record": {"label": "b", "path": "/b.fits", "status": "matched", "output": "b.fits", "output_bytes": 0, '
            b'"output_sha256": "' + hashlib.sha256(b"").hexdigest().encode() + b'"}}\n{"dropped": "b"}',
            b'{"journal": 2, "version": "1", "config": {}, "files": [["/b.fits", 1, 2]], "number": 1}\n'
            b'{"reference": "b", "reason": "", "candidates": []}\n'
            b'{"record": {"label": "b", "path": "/b.fits", "status": "matched", "output": "b.fits", "output_bytes": 0, '
            b'"output_digest": "' + b"0" * 32 + b'"}}\n',
        ]
    pixels = np.arange(64, dtype=np.float32).reshape(8, 8)
    mask = fits.ImageHDU((pixels % 3).astype(np.int32), name="MASK")
    mask.header["MP_BAD"], mask.header["EXTTYPE"] = 0, "MASK"
    whole = [fits.PrimaryHDU(), fits.ImageHDU(pixels, name="IMAGE"), mask, fits.ImageHDU(pixels, name="VARIANCE")]
    scaled = fits.PrimaryHDU(pixels.astype(np.int16))
    scaled.header["BLANK"], scaled.header["BSCALE"], scaled.header["BZERO"] = 5, 2.0, 7.0
    layouts = [
        whole,
        [scaled],
        [fits.PrimaryHDU(pixels.astype(">f8"))],
        [fits.PrimaryHDU(), fits.CompImageHDU(pixels.astype(np.int32), name="IMAGE")],
        [fits.PrimaryHDU(), fits.CompImageHDU(pixels, name="IMAGE", compression_type="GZIP_2", quantize_level=0)],
        [fits.PrimaryHDU(), fits.CompImageHDU(pixels, name="IMAGE", compression_type="HCOMPRESS_1")],
    ]
    files = []
    for hdus in layouts:
        buffer = io.BytesIO()
        fits.HDUList(hdus).writeto(buffer, output_verify="silentfix", checksum=hdus is whole)
        files.append(buffer.getvalue())
    return [*files, gzip.compress(files[0]), bz2.compress(files[1]), lzma.compress(files[2])]


# libFuzzer restarts the program with its own arguments while it merges.
_AGAIN = "EVENSKY_FUZZ_TARGET"


def main() -> None:
    if target := os.environ.get(_AGAIN):
        arguments = sys.argv[1:]
    else:
        target, folder, *options = sys.argv[1:]
        os.environ[_AGAIN] = target
        own, kept = Path(folder) / target, CORPUS / target
        for path in (own, kept):
            path.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds(target)):
            (own / f"seed-{number}").write_bytes(seed)
        folders = [str(kept), str(own)] if "-merge=1" in options else [str(own), str(kept)]
        limits = ["-timeout=10", "-rss_limit_mb=1024", "-max_len=40000", "-print_final_stats=1"]
        arguments = [*folders, *limits, f"-artifact_prefix={folder}/", *options]
    atheris.Setup([sys.argv[0], *arguments], TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
