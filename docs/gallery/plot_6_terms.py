"""
Terms besides the smooth sky
============================

The backgrounds of these six exposures differ in more than a smooth sky. Clouds dim the scene, the amplifiers have levels
of their own, and stray light makes a wisp, whose shape is known and whose brightness is not.
"""

import matplotlib.pyplot as plt
import numpy as np

import evensky

rng = np.random.default_rng(6)
side, number, noise = 512, 6, 5.0
v, u = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
nebula = 300 * np.exp(-4 * ((u - 0.1) ** 2 + (v + 0.2) ** 2))
nebula += 150 * np.exp(-30 * ((u + 0.5) ** 2 + (v - 0.4) ** 2))
wisp = np.exp(-(((v - 0.5 * u**2 - 0.2) / 0.08) ** 2))

throughput = np.array([1.0, 0.98, 0.95, 0.99, 0.93, 0.97])
brightness = np.array([0, 8, 3, 12, 5, 1])
amplifiers = rng.normal(0, 3, (number, 4))
columns = np.arange(side) * 4 // side  # number of the amplifier of each column

skies, exposures = [], []
for k in range(number):
    smooth = rng.normal(100, 20) + rng.normal(0, 5) * u + rng.normal(0, 5) * v
    skies.append(smooth + amplifiers[k][columns] + brightness[k] * wisp)
    exposures.append(throughput[k] * nebula + skies[k] + rng.normal(0, noise, u.shape))

plain = evensky.match_all(exposures, reference=0, terms="smooth")
terms = ["smooth", "gain", evensky.amplifier((4, 1)), evensky.template(wisp, name="wisp")]
result = evensky.match_all(exposures, reference=0, terms=terms)

# %%
# The upper row shows the sky of each exposure minus that of the first, which a match has to remove. Smooth models (middle)
# cannot follow the steps and the wisp, and they take the dimmed nebula for sky; most are flagged POOR_FIT. Models with
# the right terms (bottom) leave a twentieth of a count.

figure, axes = plt.subplots(3, number - 1, figsize=(12, 7.4), layout="constrained")
names = ("difference of the skies", "left by smooth models", "left by models with terms")
for row, (name, match) in enumerate(zip(names, (None, plain, result), strict=True)):
    axes[row, 0].set_ylabel(name)
    for column, ax in enumerate(axes[row]):
        left = skies[column + 1] - skies[0]
        if match is not None:
            left = left + match.models[column + 1].image() - match.models[0].image()
        limit = 12 if match is None else 6
        ax.imshow(left - np.median(left), origin="lower", cmap="RdBu_r", vmin=-limit, vmax=limit)
        ax.set(xticks=[], yticks=[])
        if row == 0:
            ax.set_title(f"exposure {column + 1}", fontsize=10)

# %%
# Each exposure has the terms that its data support. Coefficients are those of the model, which is *added*, so the
# amplitude of the wisp has the opposite sign of its brightness:

for record, bright in zip(result.run.records, brightness, strict=True):
    for term in record.terms:
        if term.name == "wisp":
            found = f"{term.coefficients[0]:6.2f} +- {term.errors[0]:.2f}"
            print(f"{record.label}: wisp {found}, truth {-bright}")
for record in result.run.records:
    print(f"{record.label}: {record.model}, residual / noise {record.fit_chi:.2f}")

# %%
# The throughput is measured but not applied: matched exposures still show the nebula as bright as they saw it, and the
# flag GAIN says so. ``scale=True`` divides by the throughput.

for record, truth in zip(result.run.records[1:], throughput[1:], strict=True):
    found = f"{record.gain:.4f} +- {record.gain_error:.4f}"
    print(f"{record.label}: throughput {found}, truth {truth}; {record.flags}")

scaled = evensky.match_all(exposures, reference=0, terms=terms, scale=True)
figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
for ax, name, images in zip(
    axes,
    ("not matched", "matched", "matched and divided by the throughput"),
    (exposures, result.exposures, scaled.exposures),
    strict=True,
):
    difference = images[4] - images[0]
    ax.imshow(difference - np.median(difference), origin="lower", cmap="RdBu_r", vmin=-25, vmax=25)
    ax.set(xticks=[], yticks=[], title=name)
_ = figure.suptitle("exposure 4 minus exposure 0")
