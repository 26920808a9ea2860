"""Times in tiles that are compressed with gzip, which make files of the same pixels differ."""

from __future__ import annotations

__all__ = ["clear_tile_times"]

from typing import BinaryIO

import numpy as np

from .cards import BLOCK, data_size, read_cards, whole_number

# Bytes of the time in the header of a stream of gzip.
_TIME = slice(4, 8)


def clear_tile_times(file: BinaryIO) -> None:
    """Clear the time that each tile compressed with gzip holds, so that the same pixels give the same bytes.

    Parameters
    ----------
    file : binary file
        A FITS file, open to be read and changed. Its compressed images are not quantised.
    """
    at = 0
    while file.seek(at) == at and (found := read_cards(file)) is not None:
        cards, data = found[0], at + found[1]
        if any(card.startswith(b"ZCMPTYPE= 'GZIP") for card in cards):
            # Without quantisation there is one column: sizes of the tiles, and their places in the heap.
            width, count = whole_number(cards, "NAXIS1"), whole_number(cards, "NAXIS2")
            file.seek(data)
            rows = np.frombuffer(file.read(width * count), f">i{width // 2}").reshape(-1, 2)
            for size, start in rows.tolist():
                if size >= _TIME.stop:
                    file.seek(data + width * count + start + _TIME.start)
                    file.write(bytes(_TIME.stop - _TIME.start))
        length = data_size(cards)
        at = data + length + -length % BLOCK
