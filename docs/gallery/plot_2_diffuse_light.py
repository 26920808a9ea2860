"""
Why not subtract each exposure's own background?
================================================

Subtracting the background of each exposure also subtracts real diffuse light: the outskirts of galaxies, nebulae and
cirrus. Matching preserves everything that the exposures have in common, on every scale.
"""

import matplotlib.pyplot as plt
import numpy as np

import evensky
from evensky.simulate import make_exposures

simulated = make_exposures(6, (512, 512), glow=60)
exposures = [one.exposure for one in simulated]
scene = simulated[0].scene


def coadd(images):
    """Return the median of the exposures, reduced to medians of blocks of 8 x 8 pixels."""
    stack = np.nanmedian([np.array(one.image.array, dtype=float) for one in images], axis=0)
    return np.nanmedian(stack.reshape(64, 8, 64, 8).swapaxes(1, 2).reshape(64, 64, 64), axis=2)


subtracted = [evensky.estimate_background(one, bin_size=128).subtracted for one in exposures]
matched = evensky.match(exposures, reference=0, bin_size=128).exposures

# %%
# The pictures show the same diffuse light in the truth, in the coadd of exposures whose own backgrounds were
# subtracted, and in the coadd of matched exposures (minus the sky level of the reference). Subtraction keeps the stars
# and loses most of the diffuse light.

truth = np.median(scene.reshape(64, 8, 64, 8).swapaxes(1, 2).reshape(64, 64, 64), axis=2)
pictures = {
    "truth": truth,
    "own backgrounds subtracted": coadd(subtracted),
    "matched": coadd(matched) - np.median(simulated[0].sky),
}
figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
for ax, (name, picture) in zip(axes, pictures.items(), strict=True):
    shown = ax.imshow(picture, origin="lower", vmin=-30, vmax=80, cmap="cividis")
    ax.set(title=name, xticks=[], yticks=[])
figure.colorbar(shown, ax=axes, shrink=0.8, label="counts")

# %%
# The matched coadd keeps the gradient of the reference's sky, because matching makes skies equal and does not remove
# them. Remove that remaining sky once, in a separate step, from the coadd, which is deep enough for this.

bright = truth > np.percentile(truth, 90)
for name, picture in pictures.items():
    above = np.nanmean(picture[bright]) - np.nanmedian(picture)
    print(f"{name}: the brightest tenth is {above:.1f} above the median")
