"""Kill the main process of runs on processes at random moments, many times, and print what was left.

python tests/faults/orphans.py [NUMBER] [SEED]
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from orphans import POOLS, Trial, resume

from evensky.simulate import make_exposures, write_exposures

NUMBER = 8


def main() -> int:
    """Run the trials; return the number of those that failed."""
    number, seed = [int(argument) for argument in (*sys.argv[1:], *("30", "1")[len(sys.argv) - 1 :])]
    chance = random.Random(seed)
    failed = 0
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "in").mkdir()
        files = write_exposures(make_exposures(NUMBER, (96, 80), seed=3), folder / "in")
        start = time.monotonic()
        Trial("processes", files, folder / "whole", outputs=NUMBER)
        length = time.monotonic() - start
        whole = resume(files, folder / "whole")
        worst: dict[str, float] = {}
        counts: dict[str, int] = {}
        for one in range(number):
            pool = POOLS[one % len(POOLS)]
            # Half of them while outputs are written, half at any time.
            outputs = chance.randrange(NUMBER)
            delay = chance.uniform(0, length) if chance.random() < 0.5 else None
            out = folder / f"out{one}"
            trial = Trial(pool, files, out, delay=delay, outputs=outputs)
            again = resume(files, out)
            good = trial.seconds < 2 and not trial.changed and again == whole
            failed += not good
            worst[pool] = max(worst.get(pool, 0.0), trial.seconds)
            counts[pool] = counts.get(pool, 0) + 1
            if not good:
                print(f"{one}: {pool}: {vars(trial)}, resumed to the same bytes: {again == whole}")
        for pool, seconds in worst.items():
            print(f"{pool}: {counts[pool]} runs killed, all processes ended within {seconds:.2f} s")
    print(f"{failed} of {number} failed")
    return failed


if __name__ == "__main__":
    sys.exit(min(main(), 1))
