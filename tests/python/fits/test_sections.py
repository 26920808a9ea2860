"""Sections of amplifiers and detectors in headers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from evensky.fits.contents import describe_file
from evensky.fits.sections import amplifier_sections, detector_map, label_sections

HALVES = ((0, 0, 1024, 4096), (1024, 0, 1024, 4096))
QUARTERS = ((0, 0, 50, 40), (50, 0, 50, 40), (0, 40, 50, 40), (50, 40, 50, 40))


@pytest.mark.parametrize(
    ("cards", "shape", "sections"),
    [
        ({"CCDSECA": "[1:1024,1:4096]", "CCDSECB": "[1025:2048,1:4096]"}, (4096, 2048), HALVES),
        ({"AMPSECA": "[1024:1,4096:1]", "AMPSECB": "[1025:2048,4096:1]"}, (4096, 2048), HALVES),
        # DECam's raw frame, and what is left of its cards after trimming: those of the detector still hold.
        (
            {"DATASECA": "[57:1080,51:4146]", "DATASECB": "[1081:2104,51:4146]"},
            (4146, 2160),
            ((56, 50, 1024, 4096), (1080, 50, 1024, 4096)),
        ),
        (
            {
                "DATASECA": "[57:1080,51:4146]",
                "DATASECB": "[1081:2104,51:4146]",
                "CCDSECA": "[1:1024,1:4096]",
                "CCDSECB": "[1025:2048,1:4096]",
            },
            (4096, 2048),
            HALVES,
        ),
        # CTIO: amplifiers 11, 12 and so on, given by rows.
        (
            {
                f"DSEC{n}": s
                for n, s in zip(
                    (11, 12, 21, 22), ("[1:50,1:40]", "[51:100,1:40]", "[1:50,41:80]", "[51:100,41:80]"), strict=True
                )
            },
            (80, 100),
            QUARTERS,
        ),
        ({"AMPSIZE": "[1:50,1:40]"}, (80, 100), QUARTERS),
        # Subaru, with a gap between the channels.
        (
            {"S_EFMN11": 9, "S_EFMX11": 48, "S_EFMN12": 1, "S_EFMX12": 80, "S_EFMN21": 53, "S_EFMX21": 92}
            | {"S_EFMN22": 1, "S_EFMX22": 80},
            (80, 100),
            ((8, 0, 40, 80), (52, 0, 40, 80)),
        ),
        # Binned by two, and a cut-out that begins at pixel (901, 1) of the detector.
        (
            {"CCDSUM": "2 2", "CCDSEC1": "[1:100,1:80]", "CCDSEC2": "[101:200,1:80]"},
            (40, 100),
            ((0, 0, 50, 40), (50, 0, 50, 40)),
        ),
        (
            {"LTV1": -900.0, "LTV2": 0.0, "CCDSECA": "[1:1024,1:4096]", "CCDSECB": "[1025:2048,1:4096]"},
            (300, 200),
            ((0, 0, 124, 300), (124, 0, 76, 300)),
        ),
    ],
)
def test_sections_of_amplifiers(cards: dict[str, Any], shape: tuple[int, int], sections: Any) -> None:
    assert amplifier_sections([fits.Header(cards)], shape) == sections
    assert amplifier_sections([{}, cards], shape) == sections


@pytest.mark.parametrize(
    "cards",
    [
        {},
        {"DATASEC": "[1:50,1:80]", "CCDSEC1": "[1:50,1:80]"},  # one amplifier
        {"DATASECA": "[1:60,1:80]", "DATASECB": "[51:100,1:80]"},  # they overlap
        {"DATASECA": "[1:50,1:80]", "DATASECB": "[51:101,1:80]"},  # one is larger than the image
        {"DATASECA": "[1:5,1:8]", "DATASECB": "[6:10,1:8]"},  # of a much smaller image
        {"DATASECA": "UNKNOWN", "DATASECB": 5},
        {"DATASECA": "[0:0,0:0]", "DATASECB": "[51:100,1:80]"},
        {"AMPSIZE": "[1:60,1:40]"},
        {"AMPSIZE": "[1:1,1:1]"},
        {"CCDSUM": "0 0", "CCDSECA": "[1:5000,1:80]", "CCDSECB": "[5001:10000,1:80]"},
    ],
)
def test_sections_that_do_not_fit_are_ignored(cards: dict[str, Any]) -> None:
    assert amplifier_sections([cards], (80, 100)) == ()


def test_labels_are_small_integers() -> None:
    labels = label_sections(QUARTERS, (80, 100))
    assert labels.dtype == np.uint8
    assert labels[0, 0] == 1
    assert labels[79, 99] == 4
    assert np.bincount(labels.ravel()).tolist() == [0, 2000, 2000, 2000, 2000]
    assert label_sections([(0, 0, 1, 1)] * 300, (2, 2)).max() == 300


@pytest.mark.parametrize(
    ("cards", "corners"),
    [
        ({"DETSEC": "[101:200,1:80]"}, ((101, 1), (200, 80))),
        ({"DETSEC": "[200:101,1:80]"}, ((200, 1), (101, 80))),  # turned left to right
        ({"DETSEC": "[1:200,321:162]"}, ((1.5, 320.5), (199.5, 162.5))),  # binned by two, and turned upside down
        ({"DETSEC": "[1001:1090,1:80]", "DATASEC": "[11:100,1:80]"}, ((991, 1), (1090, 80))),  # behind a prescan
        ({"DETSEC": "[101:200,1:80]", "DATASEC": "[1:500,1:500]"}, ((101, 1), (200, 80))),  # stale DATASEC
    ],
)
def test_place_in_the_mosaic(cards: dict[str, str], corners: Any) -> None:
    found = detector_map(cards, (80, 100))
    assert found is not None
    a, b, c, d, e, f = found
    for (x, y), at in zip(((0, 0), (99, 79)), corners, strict=True):
        assert (a * x + b * y + c, d * x + e * y + f) == at


@pytest.mark.parametrize("section", ["UNKNOWN", "[101:140,1:80]", "[1:250,1:80]", "[1:1000,1:80]", ""])
def test_no_place_in_the_mosaic(section: str) -> None:
    assert detector_map({"DETSEC": section}, (80, 100)) is None


def test_sections_are_part_of_the_description(tmp_path: Path) -> None:
    chips = [fits.PrimaryHDU()]
    for n in (1, 2):
        header = fits.Header({"DETSEC": f"[{100 * n - 99}:{100 * n},1:80]", "DATASECA": "[1:50,1:80]"})
        header["DATASECB"] = "[51:100,1:80]"
        chips.append(fits.ImageHDU(np.zeros((80, 100), np.float32), header, name=f"CCD{n}"))
    fits.HDUList(chips).writeto(tmp_path / "mosaic.fits")
    first, second = describe_file(tmp_path / "mosaic.fits").images
    assert first.amplifiers == second.amplifiers == ((0, 0, 50, 80), (50, 0, 50, 80))
    assert second.place == (1.0, 0.0, 101.0, 0.0, 1.0, 1.0)
    chips[0].header["AMPSIZE"] = "[1:25,1:80]"
    fits.HDUList([chips[0], fits.ImageHDU(np.zeros((80, 100), np.float32))]).writeto(tmp_path / "one.fits")
    assert len(describe_file(tmp_path / "one.fits").images[0].amplifiers) == 4
