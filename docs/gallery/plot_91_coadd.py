"""
From exposures to one picture
=============================

Exposures that are shifted by whole pixels of one grid are matched and combined. Their pixels are kept: nothing is
resampled. Before the match, the coadd shows the edges of all exposures.
"""

import matplotlib.pyplot as plt
import numpy as np

import evensky
from evensky.image import ExposureF, ImageF, MaskedImageF

rng = np.random.default_rng(4)
y, x = np.mgrid[:500, :640]
scene = 30 * np.exp(-((x - 330) ** 2 / 2e4 + (y - 240) ** 2 / 1e4))
for _ in range(150):
    x0, y0, flux = rng.uniform(0, 640), rng.uniform(0, 500), rng.exponential(150)
    scene += flux * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / 4)

exposures = []
for x0, y0 in ((0, 0), (240, 10), (20, 190), (230, 200), (120, 100), (140, 60)):
    pixels = scene[y0 : y0 + 300, x0 : x0 + 400].copy()
    row, column = np.mgrid[-1:1:300j, -1:1:400j]
    pixels += 200 + rng.normal(0, 15) + rng.normal(0, 6) * row + rng.normal(0, 6) * column
    pixels += rng.normal(0, 4, pixels.shape)
    for _ in range(60):  # cosmic rays that no mask marks
        at = rng.integers(0, 300), rng.integers(0, 390)
        pixels[at[0], at[1] : at[1] + 8] += 300
    exposure = ExposureF(MaskedImageF(ImageF(pixels.astype(np.float32), xy0=(x0, y0))))
    exposure.variance.array[:] = 16
    exposures.append(exposure)

result = evensky.match_all(exposures)
coadd = result.coadd(statistic="median")
print(coadd)

# %%
# The same exposures combined as they are, the coadd after the match, and what was removed, on one range about their medians:


before = evensky.combine(exposures, statistic="median").exposure.image.array
after = coadd.exposure.image.array
pictures = {"before": before, "after": after, "before - after": before - after}
figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
for ax, (title, picture) in zip(axes, pictures.items(), strict=True):
    about = picture - np.nanmedian(picture)
    shown = ax.imshow(about, origin="lower", cmap="cividis", vmin=-25, vmax=35)
    ax.set(xticks=[], yticks=[], title=title)
_ = figure.colorbar(shown, ax=axes, label="counts", shrink=0.8)

# %%
# The number of exposures at each pixel, and the error of the coadd. Where one or two exposures lie, the median cannot remove
# cosmic rays:

error = np.sqrt(coadd.exposure.variance.array)
figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
pictures = {"exposures": coadd.number, "error of a pixel [counts]": error}
for ax, (title, picture) in zip(axes, pictures.items(), strict=True):
    shown = ax.imshow(picture, origin="lower")
    ax.set(xticks=[], yticks=[], title=title)
    figure.colorbar(shown, ax=ax, shrink=0.8)

# %%
# The variance includes the errors of the models. :doc:`/combine` tells what else it holds, and how to choose the statistic.
