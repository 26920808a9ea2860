"""
The joint match
===============

This example matches six exposures of one field at once. Each has a different sky, one contains a reflection, and two
cover only a part of the field. Nothing is masked, and no model is specified.
"""

import matplotlib.pyplot as plt
import numpy as np

import evensky
from evensky.simulate import make_bare_exposures

simulated = make_bare_exposures(6, (384, 384), seed=4, halves=2)
exposures = [one.exposure.image.array for one in simulated]
exposures[4][90:140, 250:300] += 60  # the reflection
exposures[5] -= simulated[5].sky - 650  # an exposure with a flat sky

result = evensky.match_all(exposures, reference=5, bin_size=24)

figure, axes = plt.subplots(2, 6, figsize=(13, 4.6), layout="constrained")
low, high = np.nanpercentile(exposures, [1, 97])
for column, record in enumerate(result.run.records):
    for row, images in enumerate((exposures, result.exposures)):
        ax = axes[row, column]
        ax.set_facecolor("#F3D9D0")
        ax.imshow(images[column], origin="lower", cmap="cividis", vmin=low, vmax=high)
        ax.set(xticks=[], yticks=[])
    axes[0, column].set_title(record.model, fontsize=10)
axes[0, 0].set_ylabel("before")
_ = axes[1, 0].set_ylabel("after")

# %%
# The model complexity of each exposure is selected from the data. For each candidate model of the first exposure,
# the bar shows how much its Bayesian information criterion (BIC) exceeds that of the best one. A difference of 10 means
# odds of 150 to 1.

scores = [score for score in result.run.records[0].scores if score.bic < 500]
figure, ax = plt.subplots(figsize=(7.5, 3.2), layout="constrained")
ax.barh([score.name for score in scores], [score.bic for score in scores], color="#0072B2")
ax.invert_yaxis()
_ = ax.set_xlabel("BIC above the best candidate")

# %%
# The bins that contain the reflection are rejected as outliers, so no model follows it:

print(result.table["label", "model", "bins", "rejected_bins", "fit_chi"])

# %%
# The standard error of a model depends on where its exposure overlaps others. Exposure 1 (left) covers only one half of
# the field; outside that half its model is extrapolated, and the error grows. Exposure 3 (right) covers the whole
# field.

figure, axes = plt.subplots(1, 2, figsize=(8.5, 3.8), layout="constrained")
for ax, index in zip(axes, (1, 3), strict=True):
    shown = ax.imshow(result.models[index].sigma_image(), origin="lower", cmap="magma", vmin=0)
    ax.set(xticks=[], yticks=[], title=f"model error of exposure {index}")
    figure.colorbar(shown, ax=ax, label="counts")
