"""Labels of filters and photometric calibrations."""

from __future__ import annotations

import math
import pickle

import pytest

from evensky.errors import InvalidParameterError, LogicError
from evensky.image import ExposureF, FilterLabel, MaskedImageF, PhotoCalib, makePhotoCalibFromCalibZeroPoint


def test_labels_of_filters() -> None:
    both, band = FilterLabel(band="r", physical="HSC-R"), FilterLabel.fromBand("r")
    assert (both.bandLabel, both.physicalLabel, band.hasPhysicalLabel()) == ("r", "HSC-R", False)
    assert both == FilterLabel.fromBandPhysical("r", "HSC-R") == pickle.loads(pickle.dumps(both))
    assert len({both, band, FilterLabel("r"), FilterLabel.fromPhysical("r")}) == 3
    assert repr(both) == "FilterLabel(band='r', physical='HSC-R')"
    with pytest.raises(LogicError, match=r"FilterLabel\(band='r'\) has no physical"):
        _ = band.physicalLabel
    with pytest.raises(InvalidParameterError, match="at least one"):
        FilterLabel()
    with pytest.raises(TypeError, match="band is 3, a int"):
        FilterLabel(3)  # type: ignore[arg-type]


def test_magnitudes_and_fluxes() -> None:
    calib = makePhotoCalibFromCalibZeroPoint(10**10.8, 10**8.8)
    assert calib.getInstFluxAtZeroMagnitude() == pytest.approx(10**10.8)
    assert calib.instFluxToMagnitude(1.0) == pytest.approx(27.0)
    assert calib.magnitudeToInstFlux(24.5) == pytest.approx(10.0)
    # AB magnitude 31.4 is 1 nJy, nearly.
    assert calib.instFluxToNanojansky(calib.magnitudeToInstFlux(31.4)) == pytest.approx(1.0, rel=1e-3)
    assert calib.nanojanskyToInstFlux(calib.instFluxToNanojansky(5.0)) == pytest.approx(5.0)
    flux, error = calib.instFluxToNanojansky(100.0, 1.0)
    assert error / flux == pytest.approx(math.hypot(0.01, 0.01))
    assert calib.instFluxToMagnitude(100.0, 1.0).error == pytest.approx(2.5 / math.log(10) * math.hypot(0.01, 0.01))
    assert math.isnan(calib.instFluxToMagnitude(-1.0))
    assert calib == pickle.loads(pickle.dumps(calib)) != PhotoCalib()
    for mean in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(InvalidParameterError, match="must be finite and > 0"):
            PhotoCalib(mean)
        with pytest.raises(InvalidParameterError, match="must be finite and > 0"):
            makePhotoCalibFromCalibZeroPoint(mean)


def test_a_calibrated_image() -> None:
    masked = MaskedImageF(2, 1)
    masked.set(10.0, 4, 3.0)
    result = PhotoCalib(2.0, 0.5).calibrateImage(masked)
    assert (result[0, 0], masked[0, 0]) == ((20.0, 4, 2.0**2 * 3.0 + (10.0 * 0.5) ** 2), (10.0, 4, 3.0))
    with pytest.raises(TypeError, match="a MaskedImage is needed"):
        PhotoCalib().calibrateImage(masked.image)  # type: ignore[arg-type]


def test_they_are_attached_to_exposures() -> None:
    exposure = ExposureF(2, 2)
    exposure.setFilter(FilterLabel(band="i"))
    exposure.setPhotoCalib(PhotoCalib(3.0))
    assert exposure.clone().getFilter().bandLabel == "i"
    assert exposure.getInfo().getPhotoCalib().getCalibrationMean() == 3.0
