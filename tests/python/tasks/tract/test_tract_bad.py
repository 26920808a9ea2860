"""What is not a sky map, a warp, a handle or a configuration: errors that say what is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from lsst.pex.config import FieldValidationError
from tract_warps import WarpHandle, handles, sky_map

from evensky.errors import InvalidParameterError, NotFoundError
from evensky.tasks import MatchBackgroundsConfig as ConfigOfExposures
from evensky.tasks.tract import (
    MatchBackgroundsConfig,
    MatchBackgroundsTask,
    TractBackground,
    TractBackgroundConfig,
)

SKIES = sky_map()


def config(**fields: Any) -> TractBackgroundConfig:
    made = TractBackgroundConfig()
    made.update(**{"xBin": 25.0, "yBin": 25.0, **fields})
    return made


def warps() -> list[WarpHandle]:
    return [warp for visit in (1, 2) for warp in handles(SKIES, visit, np.zeros((150, 200), np.float32))]


@pytest.mark.parametrize("skies", [None, 3, object(), "map"])
def test_not_a_sky_map(skies: Any) -> None:
    with pytest.raises(InvalidParameterError, match="The sky map is "):
        TractBackground(config(), skies, 0)
    with pytest.raises(InvalidParameterError, match="The sky map is "):
        MatchBackgroundsTask().run(warps(), skies)


@pytest.mark.parametrize("skies", [{}, {5: SKIES[0]}, [], SKIES.to_dict()])
def test_a_collection_without_the_tract(skies: Any) -> None:
    advice = "use SkyMap.from_dict" if "tracts" in skies else "give a SkyMap that has it"
    with pytest.raises(NotFoundError, match=f"There is no tract 0 in .*; {advice}"):
        MatchBackgroundsTask().run(warps(), skies)
    with pytest.raises(NotFoundError, match="There is no tract None in"):
        TractBackground(config(), skies, None)  # type: ignore[arg-type]


def test_a_tract_for_a_sky_map() -> None:
    with pytest.raises(InvalidParameterError, match=r"a PatchInfo; it must have getBBox\(\). Give the sky map"):
        MatchBackgroundsTask().run(warps(), SKIES[0])


def test_a_tract_that_does_not_exist() -> None:
    with pytest.raises(NotFoundError, match="no tract 7; the sky map has 0"):
        TractBackground(config(), SKIES, 7)


@pytest.mark.parametrize("given", [None, {}, MatchBackgroundsConfig()])
def test_not_a_configuration_of_bins(given: Any) -> None:
    with pytest.raises(InvalidParameterError, match="it must be a TractBackgroundConfig"):
        TractBackground(given, SKIES, 0)


@pytest.mark.parametrize("size", [float("nan"), 0.5, -3.0])
def test_bins_without_a_size(size: float) -> None:
    with pytest.raises(FieldValidationError, match="xBin"):
        config(xBin=size)


def test_bins_larger_than_the_tract() -> None:
    with pytest.raises(InvalidParameterError, match="Bins of inf x 25 pixels are larger than the tract"):
        TractBackground(config(xBin=float("inf")), SKIES, 0)


@pytest.mark.parametrize("exposure", [None, "warp", np.zeros((3, 3))])
def test_not_an_exposure(exposure: Any) -> None:
    background = TractBackground(config(), SKIES, 0)
    for use in (background.addWarp, background.toWarpBackground):
        with pytest.raises((InvalidParameterError, RuntimeError), match="it must have image, mask and getBBox"):
            use(exposure)


def test_a_mask_plane_that_nobody_has() -> None:
    background = TractBackground(config(mask=["BAD", "NO_SUCH_PLANE"]), SKIES, 0)
    with pytest.raises(NotFoundError, match="NO_SUCH_PLANE"):
        background.addWarp(warps()[0].warp)


@pytest.mark.parametrize("given", [None, 3])
def test_not_a_list_of_handles(given: Any) -> None:
    with pytest.raises(InvalidParameterError, match=f"warps is {given}"):
        MatchBackgroundsTask().run(given, SKIES)


@pytest.mark.parametrize(("name", "value"), [("visit", "one"), ("tract", 1.5)])
def test_numbers_that_are_none(name: str, value: Any) -> None:
    given = warps()
    given[3].dataId[name] = value
    with pytest.raises(InvalidParameterError, match=f"The {name} of warp 3: .* a whole number is needed"):
        MatchBackgroundsTask().run(given, SKIES)


def test_not_a_function_to_take_results() -> None:
    with pytest.raises(InvalidParameterError, match="take is 3, a int"):
        MatchBackgroundsTask().run(warps(), SKIES, take=3)  # type: ignore[arg-type]


def test_an_error_of_the_taker_ends_the_run() -> None:
    def take(*_: Any) -> None:
        raise ZeroDivisionError

    made = MatchBackgroundsConfig()
    made.refWarpVisit = 1
    made.tractBgModel = config()
    with pytest.raises(ZeroDivisionError):
        MatchBackgroundsTask(made).run(warps(), SKIES, take=take)


@pytest.mark.parametrize("given", [{}, TractBackgroundConfig()])
def test_not_a_configuration_of_the_task(given: Any) -> None:
    with pytest.raises(InvalidParameterError, match="it must be a MatchBackgroundsConfig"):
        MatchBackgroundsTask(given)


def test_the_configuration_of_the_other_task_of_that_name() -> None:
    message = (
        r"config is the MatchBackgroundsConfig of evensky\.tasks\.config; .* that of evensky\.tasks\.tract\.match:"
    )
    with pytest.raises(InvalidParameterError, match=message):
        MatchBackgroundsTask(ConfigOfExposures())  # type: ignore[arg-type]
