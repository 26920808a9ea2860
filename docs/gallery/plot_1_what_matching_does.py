"""
What matching does
==================

Exposures of one field differ by the sky of their nights: a level, a gradient, some curvature. Matching gives every
exposure but the reference a smooth correction. It is measured in the *difference* of the two: what both see, stars and
diffuse light, cancels there, and what is left is the difference of the skies.
"""

import matplotlib.pyplot as plt
import numpy as np

import evensky
from evensky.simulate import make_exposures

simulated = make_exposures(3, (512, 512))
exposures = [one.exposure for one in simulated]
result = evensky.match(exposures, reference=0, bin_size=64)

# %%
# The first row is the exposures as they came, the second what was added to them, the third what came out. The reference,
# on the left, stays as it is.


def small(array):
    """Medians of blocks of 8 x 8 pixels; NaN, where there are no data, does not count."""
    blocks = np.array(array, dtype=float).reshape(64, 8, 64, 8).swapaxes(1, 2).reshape(64, 64, 64)
    return np.nanmedian(blocks, axis=2)


before = [small(one.image.array) for one in exposures]
after = [small(one.image.array) for one in result.exposures]
models = [None if one is None else one.getImageF().array for one in result.models]
most = max(np.abs(one).max() for one in models if one is not None)
low, high = np.nanpercentile(np.concatenate(before), [1, 98])
figure, axes = plt.subplots(3, 3, figsize=(8, 8), layout="constrained")
for column, (one, model, other) in enumerate(zip(before, models, after, strict=True)):
    axes[0, column].imshow(one, origin="lower", vmin=low, vmax=high, cmap="cividis")
    if model is not None:
        axes[1, column].imshow(model, origin="lower", vmin=-most, vmax=most, cmap="RdBu_r")
    axes[2, column].imshow(other, origin="lower", vmin=low, vmax=high, cmap="cividis")
for row, name in enumerate(("before", "model", "after")):
    axes[row, 0].set_ylabel(name)
for one in axes.flat:
    one.set(xticks=[], yticks=[])
axes[1, 0].text(0.5, 0.5, "reference:\nnothing is added", ha="center", va="center", transform=axes[1, 0].transAxes)

# %%
# How good is it? The model follows the noise of the bins: ``fit_rms`` is the scatter of the bins about the model.
# ``matched_mse`` is the mean square of what is left between the two exposures, to be compared with ``diff_im_var``, the
# variance that noise alone gives: equal means that nothing but noise is left.

for record in result.run.records[1:]:
    print(
        f"{record.label}: fit_rms {record.fit_rms:.3f}, MSE {record.matched_mse:.1f}, expected {record.diff_im_var:.1f}"
    )
