"""
What matching does
==================

Exposures of one field differ in their skies: in level, in gradient and in curvature. Matching adds a smooth model to
every exposure except the reference. The model is measured in the *difference* between the exposure and the reference.
Stars and diffuse light that both share cancel there, and only the difference of the skies remains.
"""

import matplotlib.pyplot as plt
import numpy as np

import evensky
from evensky.simulate import make_exposures

simulated = make_exposures(3, (512, 512))
exposures = [one.exposure for one in simulated]
result = evensky.match(exposures, reference=0, bin_size=64)

# %%
# The first row shows the original exposures, the second the models that were added, and the third the matched
# exposures. The reference, on the left, is left unchanged.


def small(array):
    """Return the medians of blocks of 8 x 8 pixels, ignoring NaN (pixels without data)."""
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
where = {"ha": "center", "va": "center", "transform": axes[1, 0].transAxes}
axes[1, 0].text(0.5, 0.5, "reference:\nnothing is added", **where)

# %%
# To judge the match, compare ``matched_mse``, the mean square of the residual difference between the two exposures,
# with ``diff_im_var``, the value that the variance planes predict. If both are equal, only noise remains. ``fit_rms``
# is the scatter of the bins about the model; it is small here because the model passes through the bins and includes
# their noise.

for record in result.run.records[1:]:
    errors = f"MSE {record.matched_mse:.1f}, expected {record.diff_im_var:.1f}"
    print(f"{record.label}: fit_rms {record.fit_rms:.3f}, {errors}")
