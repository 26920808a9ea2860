"""Pictures that a run keeps."""

from __future__ import annotations

import numpy as np

from evensky.runs.pictures import Gallery
from evensky.runs.record import ExposureRecord, PixelSummary


def test_gallery_keeps_the_reference_the_flagged_and_the_worst() -> None:
    gallery = Gallery(most=4)
    pixels = PixelSummary(*[np.zeros((2, 2))] * 3, np.zeros(0), np.zeros(1))
    records = []
    for number in range(20):
        record = ExposureRecord(
            f"{number}", "", "matched", matched_mse=1.0 + number % 7, diff_im_var=1.0, pixels=pixels
        )
        if number == 3:
            record.status = "reference"
        if number == 0:
            record.flags = ["EXTRAPOLATED"]
        records.append(record)
        gallery.add(number, record)
    assert [record.label for record in records if record.pixels is not None] == ["0", "3", "6", "13"]
