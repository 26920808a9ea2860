"""Display that draws nothing, with the names of ``lsst.afw.display``.

It is what the original's default, the virtual device, is: scripts and tests that set up displays run without a window.
"""

from __future__ import annotations

__all__ = [
    "Display",
    "delAllDisplays",
    "erase",
    "getDefaultBackend",
    "getDefaultFrame",
    "getDisplay",
    "incrDefaultFrame",
    "mtv",
    "setDefaultBackend",
    "setDefaultFrame",
    "setDefaultMaskPlaneColor",
    "setDefaultMaskTransparency",
]

from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, Self


class Display:
    """Display of a frame; it keeps settings of masks, and draws nothing.

    Parameters
    ----------
    frame : int, optional
        Number of the frame, by default that of `setDefaultFrame`.
    backend : str, optional
        Accepted and kept; no backend is loaded.
    """

    _default_backend: ClassVar[str] = "virtualDevice"
    _default_frame: ClassVar[int] = 0
    _default_colors: ClassVar[dict[str, str]] = {}
    _default_transparency: ClassVar[dict[str | None, int]] = {}
    _of_frames: ClassVar[dict[int, Display]] = {}

    def __init__(self, frame: int | None = None, backend: str | None = None, **kwargs: Any) -> None:
        self.frame = Display._default_frame if frame is None else frame
        self.name = Display._default_backend if backend is None else backend
        self._colors = dict(Display._default_colors)
        self._transparency = dict(Display._default_transparency)
        Display._of_frames[self.frame] = self

    def setMaskTransparency(self, transparency: int, name: str | None = None) -> None:
        """Set the transparency in percent of a mask plane, or of all."""
        self._transparency[name] = transparency

    def getMaskTransparency(self, name: str | None = None) -> int:
        return self._transparency.get(name, self._transparency.get(None, 0))

    def setMaskPlaneColor(self, name: str | dict[str, str], color: str | None = None) -> None:
        """Set the colour of a mask plane, or of several by a dictionary."""
        self._colors.update(name if isinstance(name, dict) else {name: str(color)})

    def getMaskPlaneColor(self, name: str | None = None) -> Any:
        return dict(self._colors) if name is None else self._colors.get(name)

    def mtv(self, data: Any, title: str = "", wcs: Any = None, **kwargs: Any) -> None:
        """Accept an image, a mask, a masked image or an exposure."""

    image = mtv

    def dot(self, symb: Any, c: float, r: float, *args: Any, **kwargs: Any) -> None:
        """Accept a symbol at a position."""

    def line(self, points: Any, *args: Any, **kwargs: Any) -> None:
        """Accept a line through positions."""

    def scale(self, algorithm: str, min: Any, *args: Any, **kwargs: Any) -> None:  # noqa: A002
        """Accept a scale of grey levels."""

    def zoom(self, *args: Any, **kwargs: Any) -> None:
        """Accept a magnification."""

    def pan(self, *args: Any, **kwargs: Any) -> None:
        """Accept a centre of the view."""

    def erase(self) -> None:
        """Accept that symbols and lines are no longer shown."""

    def flush(self) -> None:
        """Accept that everything is to be shown."""

    def close(self) -> None:
        Display._of_frames.pop(self.frame, None)

    def Buffering(self) -> AbstractContextManager[None]:
        """Return a context in which drawings are held back."""
        return nullcontext()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()


def getDisplay(frame: int | None = None, backend: str | None = None, create: bool = True, **kwargs: Any) -> Display:
    """Return the display of a frame, which is made on first use."""
    number = Display._default_frame if frame is None else frame
    return Display._of_frames.get(number) or Display(number, backend, **kwargs)


def mtv(data: Any, frame: int | None = None, title: str = "", wcs: Any = None, *args: Any, **kwargs: Any) -> Display:
    """Accept an image for a frame, and return its display."""
    display = getDisplay(frame)
    display.mtv(data, title, wcs)
    return display


def erase(frame: int | None = None) -> None:
    """Accept that symbols and lines of a frame are no longer shown."""
    getDisplay(frame).erase()


def delAllDisplays() -> None:
    """Close all displays."""
    Display._of_frames.clear()


def setDefaultBackend(backend: str) -> None:
    Display._default_backend = backend


def getDefaultBackend() -> str:
    return Display._default_backend


def setDefaultFrame(frame: int = 0) -> None:
    Display._default_frame = frame


def getDefaultFrame() -> int:
    return Display._default_frame


def incrDefaultFrame() -> int:
    """Add 1 to the number of the default frame, and return it."""
    Display._default_frame += 1
    return Display._default_frame


def setDefaultMaskTransparency(transparency: int, name: str | None = None) -> None:
    """Set the transparency in percent that later displays give to a mask plane, or to all."""
    Display._default_transparency[name] = transparency


def setDefaultMaskPlaneColor(name: str | dict[str, str] | None = None, color: str | None = None) -> None:
    """Set the colour that later displays give to a mask plane, or to several; without arguments forget all."""
    if name is None:
        Display._default_colors.clear()
    else:
        Display._default_colors.update(name if isinstance(name, dict) else {name: str(color)})
