"""Common grid of bins."""

from __future__ import annotations

import numpy as np
import pytest

from evensky.errors import OutOfRangeError
from evensky.matching.joint.grid import CommonGrid, around, common_box, narrowest_overlap


def test_bins_are_the_same_wherever_an_exposure_lies() -> None:
    grid = CommonGrid(50)
    x_edges, y_edges, numbers = grid.edges((-30, 120, 100, 60))
    assert x_edges.tolist() == [0, 30, 80, 100]
    assert y_edges.tolist() == [0, 30, 60]
    _, _, others = grid.edges((0, 150, 10, 10))
    assert others.item() == numbers[1, 1]
    assert np.unique(numbers).size == 6
    assert CommonGrid.fitting(1024, 2048).bin_size == 64
    assert (CommonGrid.fitting(10, 20).bin_size, CommonGrid.fitting(10**5, 10**5).bin_size) == (16, 256)
    assert around([(0, 0, 5, 5), (-3, 7, 2, 2)]) == (-3, 0, 8, 9)
    assert common_box((0, 0, 5, 5), (4, 3, 5, 5)) == (4, 3, 1, 2)
    assert common_box((0, 0, 5, 5), (5, 0, 5, 5)) is None
    with pytest.raises(OutOfRangeError, match=rf"begins at pixel {2**40}, which is in bin .* of 50 px"):
        grid.edges((2**40, 0, 10, 10))


def test_bins_fit_the_narrowest_overlap_that_is_needed() -> None:
    # Four tiles, which overlap by 85 px; their corners, where all four meet, are not needed.
    tiles = [(x, y, 512, 1024) for x in (0, 427) for y in (0, 939)]
    assert narrowest_overlap(tiles) == 85
    assert CommonGrid.fitting(512, 1024, [tiles]).bin_size == 17
    assert CommonGrid.fitting(512, 1024, [[(0, 0, 512, 1024)] * 3]).bin_size == 32
    # The second is reached through the third, and the fourth stands alone.
    chain = [(0, 0, 100, 100), (95, 0, 100, 100), (40, 0, 100, 100), (500, 0, 100, 100)]
    assert narrowest_overlap(chain) == 45
    assert narrowest_overlap(chain[:1]) is None
    assert narrowest_overlap([chain[0], chain[3]]) is None
    # The size of bins is at least 16 px, whatever the overlaps.
    assert CommonGrid.fitting(1024, 1024, [[(0, 0, 1024, 1024), (1014, 0, 1024, 1024)]]).bin_size == 16
    assert CommonGrid.fitting(1024, 1024, [[(0, 0, 1024, 1024)], []]).bin_size == 64
