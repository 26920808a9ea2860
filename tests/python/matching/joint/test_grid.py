"""Common grid of bins."""

from __future__ import annotations

import numpy as np
import pytest

from evensky.errors import OutOfRangeError
from evensky.matching.joint.grid import CommonGrid, around, common_box


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
