"""
Choosing the interpolation style
================================

The style determines how the model interpolates between bins. An Akima spline does not overshoot next to a steep step or
an outlying bin. A natural spline is smoother but overshoots there. Linear interpolation does not overshoot but has
kinks. The constant style makes steps: as in LSST's original, its value around each bin is the mean of that bin and the
previous one.
"""

import matplotlib.pyplot as plt
import numpy as np

import evensky

x = np.arange(640)
sky = np.where(x < 300, 100.0, 140.0) + 5 * np.sin(x / 90)
rng = np.random.default_rng(1)
data = (sky + rng.normal(0, 5, (200, x.size))).astype(np.float32)
data[:, 430:470] += 60  # outlying bins: an object that is not masked

figure, ax = plt.subplots(figsize=(9, 4.5), layout="constrained")
ax.plot(x, data.mean(axis=0), color="0.8", lw=1, label="column means of the image")
for style in ("akima", "natural", "linear", "constant"):
    background = evensky.estimate_background(data, bin_size=40, style=style)
    ax.plot(x, background.image[100], label=style)
ax.plot(background.stats.x[2], background.stats.value[2], "k.", label="bins")
ax.set(xlabel="x [px]", ylabel="counts")
ax.legend(ncols=3)

# %%
# If a column of bins has too few good bins for the style, a simpler style is used: an Akima spline needs five
# good bins, and a natural spline three. ``getAsUsedInterpStyle()`` returns the style that a background used; a match is
# flagged REDUCED_ORDER.
