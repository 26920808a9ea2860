"""Reading of the PNG images in pages, for tests."""

from __future__ import annotations

import base64
import io

import matplotlib.image
import numpy as np


def decoded(url: str) -> np.ndarray:
    """Return the pixels of a data URL, red to opacity from 0 to 1, row 0 at the top."""
    data = base64.b64decode(url.removeprefix("data:image/png;base64,"))
    return np.asarray(matplotlib.image.imread(io.BytesIO(data), format="png"))
