"""Runs over files in the convention of each observatory: what comes out is what went in, with the sky changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from layout_files import LAYOUT_FILES, make_layout
from locked_runs import match_files

import evensky
from evensky.fits.contents import describe_file
from evensky.matching.joint.config import MatchAllConfig
from evensky.tasks import MatchBackgroundsConfig

# astropy comments on long names of cards, and on units that it does not know.
pytestmark = pytest.mark.filterwarnings("ignore::astropy.io.fits.verify.VerifyWarning")

# Cards that may differ in a science image.
MAY_DIFFER = ("HISTORY", "BITPIX", "BSCALE", "BZERO", "BLANK", "CHECKSUM", "DATASUM")


def cards_of(hdu: Any) -> list[str]:
    """Return the cards of a science image that must stay as they are."""
    return [
        str(card) for card in hdu.header.cards if card.keyword not in MAY_DIFFER and not card.keyword.startswith("EVS_")
    ]


def content(path: Path) -> bytes:
    return path.read_bytes()


@pytest.mark.parametrize("method", ["all", "reference"])
@pytest.mark.parametrize("name", LAYOUT_FILES)
def test_what_comes_out_is_what_went_in(name: str, method: str, tmp_path: Path) -> None:
    made = []
    for number, level in enumerate((100.0, 130.0)):
        (tmp_path / str(number)).mkdir()
        made.append(make_layout(name, tmp_path / str(number), level, number))
    before = [content(one.path) for one in made]
    config: MatchAllConfig | MatchBackgroundsConfig = MatchAllConfig()
    config.update(bin_size=16)
    if method == "reference":
        config = MatchBackgroundsConfig()
        config.update(binSize=16, usePolynomial=True, order=0)
    run = match_files([one.path for one in made], tmp_path / "out", config=config, reference=made[0].path)
    assert [record.status for record in run.records if record.status == "failed"] == [], run
    assert [content(one.path) for one in made] == before
    outputs = [Path(output) for output in dict.fromkeys(record.output for record in run.records if record.output)]
    assert len(outputs) == 2
    for one, output, rise in zip(made, outputs, (0.0, 30.0), strict=True):
        images = describe_file(one.path).images
        changed = {image.hdu for image in images}
        with fits.open(one.path) as old, fits.open(output) as new:
            assert [hdu.name for hdu in old] == [hdu.name for hdu in new]
            for number, (was, now) in enumerate(zip(old, new, strict=True)):
                science = number in changed
                if not science:
                    difference = fits.HDUDiff(was, now)
                    assert difference.identical, difference.report()
                    continue
                assert cards_of(was) == cards_of(now)
                assert now.header["BITPIX"] == (-64 if was.header["BITPIX"] == -64 else -32)
                assert now.header["EVS_STAT"] == ("matched" if rise else "reference")
                change = np.asarray(was.data, np.float64) - now.data
                assert np.nanmax(np.abs(change - rise)) < 3  # whatever the bad pixels hold
    inspection = evensky.inspect_files([one.path for one in made])
    assert len(inspection.inputs) == len(run.records)
