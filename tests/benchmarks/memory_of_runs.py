"""Memory of ``evensky match`` for large exposures: peaks of resident memory and of address space.

    python tests/benchmarks/memory_of_runs.py FOLDER --side 12000 --limit 3000000 -- --method all --scratch SCRATCH

makes three exposures with mask and variances in FOLDER, unless they are there, and matches them with the options after
``--``. ``--limit`` is that of ``ulimit -v`` in kB; ``--constant`` makes sparse files, which need no space on the disk.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from astropy.io import fits

# Number of rows of noise, which repeat.
ROWS = 500


def make_exposure(path: Path, side: int, number: int, *, constant: bool) -> None:
    """Write an exposure with mask and variance, row by row; a constant one is sparse but for its first rows."""
    rng = np.random.default_rng(number)
    noise = rng.normal(100 + 10 * number, 5, (min(ROWS, side), side)).astype(">f4")
    mask = np.zeros(noise.shape, ">i4")
    mask[::50, ::70] = 1
    planes = (("IMAGE", noise), ("MASK", mask), ("VARIANCE", np.full(noise.shape, 25, ">f4")))
    with path.open("wb") as file:
        file.write(fits.PrimaryHDU().header.tostring().encode())
        for name, block in planes:
            header = fits.ImageHDU(np.zeros((1, 1), block.dtype), name=name).header
            header["NAXIS1"] = header["NAXIS2"] = side
            header["EXTTYPE"] = name
            if name == "MASK":
                header["MP_BAD"] = 0
            file.write(header.tostring().encode())
            start, size = file.tell(), 4 * side * side
            for row in range(0, side, ROWS):
                if not constant or row == 0:
                    file.write(block[: side - row].tobytes())
            file.truncate(start + size + -size % 2880)
            file.seek(0, 2)


def peaks(process: subprocess.Popen[bytes]) -> dict[str, int]:
    """Watch a process until it ends; return the largest VmHWM and VmPeak in MB."""
    found = {"VmHWM": 0, "VmPeak": 0}
    while process.poll() is None:
        try:
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
                name, _, text = line.partition(":")
                if name in found:
                    found[name] = max(found[name], int(text.split()[0]) // 1024)
        except (FileNotFoundError, ProcessLookupError):
            break
        time.sleep(0.05)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, default=12_000)
    parser.add_argument("--number", type=int, default=3)
    parser.add_argument("--limit", type=int, help="ulimit -v in kB")
    parser.add_argument("--constant", action="store_true")
    parser.add_argument("--keep", action="store_true", help="keep the outputs")
    arguments, options = sys.argv[1:], []
    if "--" in arguments:
        place = arguments.index("--")
        arguments, options = arguments[:place], arguments[place + 1 :]
    given = parser.parse_args(arguments)
    given.folder.mkdir(parents=True, exist_ok=True)
    files = [given.folder / f"e{number}_{given.side}.fits" for number in range(given.number)]
    for number, path in enumerate(files):
        if not path.exists():
            make_exposure(path, given.side, number, constant=given.constant)
    out = given.folder / "out"
    shutil.rmtree(out, ignore_errors=True)

    def limited() -> None:
        if given.limit is not None:
            resource.setrlimit(resource.RLIMIT_AS, (1024 * given.limit,) * 2)

    command = [sys.executable, "-m", "evensky", "match", *map(str, files), "--out", str(out), "--no-report", "--quiet"]
    start = time.perf_counter()
    process = subprocess.Popen([*command, *options], preexec_fn=limited)
    found = peaks(process)
    seconds = time.perf_counter() - start
    digest = hashlib.sha256()
    for path in sorted(out.glob("*_matched.fits")):
        with path.open("rb") as file:
            while piece := file.read(2**24):
                digest.update(piece)
    print(
        f"exit {process.returncode}, {seconds:.0f} s, VmHWM {found['VmHWM']} MB, VmPeak {found['VmPeak']} MB, "
        f"outputs {digest.hexdigest()[:12]}: {' '.join(options)}"
    )
    if not given.keep:
        shutil.rmtree(out, ignore_errors=True)


if __name__ == "__main__":
    main()
