"""
Choosing the style
==================

How the model goes from bin to bin. An Akima spline does not swing beside a steep step or an odd bin, a natural spline is
smoother and does; a line is neither smooth nor does it swing; a constant takes steps, as the original's
does: around each bin the mean of its value and that of the bin before.
"""

import matplotlib.pyplot as plt
import numpy as np

import evensky

x = np.arange(640)
sky = np.where(x < 300, 100.0, 140.0) + 5 * np.sin(x / 90)
rng = np.random.default_rng(1)
data = (sky + rng.normal(0, 5, (200, x.size))).astype(np.float32)
data[:, 430:470] += 60  # an odd bin: an object that nobody has masked

figure, ax = plt.subplots(figsize=(9, 4.5), layout="constrained")
ax.plot(x, data.mean(axis=0), color="0.8", lw=1, label="the image's columns")
for style in ("akima", "natural", "linear", "constant"):
    background = evensky.estimate_background(data, bin_size=40, style=style)
    ax.plot(x, background.image[100], label=style)
ax.plot(background.stats.x[2], background.stats.value[2], "k.", label="bins")
ax.set(xlabel="x [px]", ylabel="counts")
ax.legend(ncols=3)

# %%
# Where a column of bins has too few good ones for the style, a simpler style is taken there: five points make an Akima
# spline, three a natural one. ``getAsUsedInterpStyle()`` says so of a background, the flag REDUCED_ORDER of a match.
