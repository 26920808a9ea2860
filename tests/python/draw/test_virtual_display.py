from __future__ import annotations

import numpy as np
import pytest

import evensky.draw.virtual_display as afwDisplay


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_default_backend", "_default_frame"):
        monkeypatch.setattr(afwDisplay.Display, name, getattr(afwDisplay.Display, name))
    for name in ("_default_colors", "_default_transparency", "_of_frames"):
        monkeypatch.setattr(afwDisplay.Display, name, {})


def test_settings_are_kept_and_given_to_later_displays() -> None:
    afwDisplay.setDefaultMaskTransparency(75)
    afwDisplay.setDefaultMaskTransparency(20, "BAD")
    afwDisplay.setDefaultMaskPlaneColor("BAD", "red")
    afwDisplay.setDefaultMaskPlaneColor({"SAT": "green"})
    display = afwDisplay.Display(frame=3)
    assert (display.getMaskTransparency(), display.getMaskTransparency("BAD")) == (75, 20)
    assert display.getMaskTransparency("SAT") == 75
    assert display.getMaskPlaneColor() == {"BAD": "red", "SAT": "green"}
    display.setMaskTransparency(10)
    display.setMaskPlaneColor("CR", "blue")
    afwDisplay.setDefaultMaskPlaneColor()
    other = afwDisplay.Display(4)
    assert other.getMaskTransparency("CR") == 75
    assert (other.getMaskPlaneColor("CR"), display.getMaskPlaneColor("CR")) == (None, "blue")


def test_frames() -> None:
    afwDisplay.setDefaultBackend("ds9")
    afwDisplay.setDefaultFrame(5)
    display = afwDisplay.getDisplay()
    assert (display.frame, display.name, afwDisplay.getDefaultBackend()) == (5, "ds9", "ds9")
    assert afwDisplay.mtv(np.zeros((3, 3))) is display is afwDisplay.getDisplay(5)
    assert afwDisplay.incrDefaultFrame() == 6 == afwDisplay.getDefaultFrame()
    with afwDisplay.getDisplay() as entered, entered.Buffering():
        entered.dot("+", 1, 2, size=3)
        entered.line([(0, 0), (1, 1)])
        entered.scale("asinh", "zscale")
        entered.zoom(4, 1, 2)
        entered.pan(3, 4)
        entered.flush()
    assert afwDisplay.getDisplay() is not entered
    afwDisplay.erase(5)
    afwDisplay.delAllDisplays()
    assert afwDisplay.getDisplay(5) is not display
