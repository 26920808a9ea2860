"""Progress bars."""

from __future__ import annotations

__all__ = ["Progress", "Steps", "progress_bar"]

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .._text import printable, shortened

Progress = Callable[[str, int, int], None]
"""Function that is called with a label, the number of steps done, and the number of all steps."""


# Number of letters of a label, which must leave room for the bar.
_LONGEST_LABEL = 40


class Steps:
    """Counter of the steps that are done, which reports them.

    Parameters
    ----------
    number : int
        Number of all steps.
    progress : Progress or None
        Function to report to.
    """

    def __init__(self, number: int, progress: Progress | None) -> None:
        self._number = number
        self._progress = progress
        self._done = 0

    def step(self, label: str) -> None:
        """Report a step that is done."""
        self.skip(1)
        if self._progress is not None:
            self._progress(label, self._done, self._number)

    def skip(self, number: int) -> None:
        """Count steps as done without a report."""
        self._done = min(self._done + number, self._number)


@contextmanager
def progress_bar(show: bool | None) -> Iterator[Progress]:
    """Show a progress bar while the block runs.

    Parameters
    ----------
    show : bool or None
        True shows a bar, False shows none, None shows one if standard error is a terminal.

    Yields
    ------
    Progress
        Updates the bar.
    """
    # What stands in for the standard error need not be a whole file.
    is_terminal = getattr(sys.stderr, "isatty", bool)
    if not (is_terminal() if show is None else show):
        # Without tqdm, which takes time to import, and warns about notebooks without widgets even if it shows nothing.
        yield lambda label, done, steps: None
        return
    from tqdm.auto import tqdm

    with tqdm(unit="step", leave=False) as bar:

        def update(label: str, done: int, steps: int) -> None:
            bar.total = steps
            bar.set_description(shortened(printable(label), _LONGEST_LABEL), refresh=False)
            bar.update(done - bar.n)

        yield update
