"""
Choosing the bin size
=====================

Small bins follow the difference of the skies closely, but also their own noise. Large bins average out the noise, but
also any variation within a bin. Between these extremes, a wide range of bin sizes works well. The exposures are
simulated, so the true residual is known.
"""

import matplotlib.pyplot as plt
import numpy as np

import evensky
from evensky.simulate import make_exposures, residual_background

simulated = make_exposures(4, (768, 768))
exposures = [one.exposure for one in simulated]
sizes = [16, 32, 64, 96, 128, 192, 256, 384]
left = {"akima": [], "order=2": []}
for size in sizes:
    models = {"akima": {"style": "akima"}, "order=2": {"order": 2 if size <= 256 else 1}}
    for name, model in models.items():
        options = {"bin_size": size, "statistic": "meanclip", **model}
        result = evensky.match(exposures, reference=0, **options)
        residuals = [
            residual_background(got.image.array, one, simulated[0])
            for got, one in zip(result.exposures[1:], simulated[1:], strict=True)
        ]
        left[name].append(np.sqrt(np.nanmean(np.square(residuals))))

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for name, values in left.items():
    ax.plot(sizes, values, "o-", label=name)
ax.set(xscale="log", yscale="log")
ax.set(xlabel="bin size [px]", ylabel="RMS residual sky difference [counts]")
ax.set_xticks(sizes, sizes)
ax.minorticks_off()
ax.legend()
ax.grid(alpha=0.3)

# %%
# An interpolating spline passes through every bin, so the noise of each bin enters the model. Larger bins are therefore
# better until the sky varies within them. A Chebyshev series of low order averages over all bins, so its bins can be
# small. As a rule, a bin should measure a quarter of the scale on which the skies differ, and at least 64 pixels for a
# spline.
