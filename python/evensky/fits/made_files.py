"""Files that are put together from others while they are read."""

from __future__ import annotations

__all__ = ["MadeFile"]

import io


class MadeFile(io.RawIOBase):
    """A file that can be read at any position; `read` is that of a derived class.

    Parameters
    ----------
    end : int
        Number of its bytes.
    """

    def __init__(self, end: int) -> None:
        self._at, self._end = 0, end

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._at = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._end}[whence] + int(offset)
        return self._at
