"""
Choosing the Chebyshev order
============================

A Chebyshev series of low order is the better model if the skies really differ by a plane or a parabola, because it has
fewer coefficients to determine from the same bins. If they differ in another way, the series cannot follow the
difference, and ``matched_mse`` shows this.
"""

import matplotlib.pyplot as plt
import numpy as np

import evensky

rng = np.random.default_rng(5)
v, u = np.mgrid[-1:1:512j, -1:1:512j]
reference = rng.normal(100, 10, u.shape).astype(np.float32)
truths = {
    "constant": 20 + 0 * u,
    "plane": 20 + 15 * u - 10 * v,
    "parabola": 20 + 15 * u - 10 * v + 12 * u * v - 8 * u**2,
    "ripples": 6 * np.sin(7 * u) * np.cos(5 * v),
}
orders = range(7)


def rms(values):
    """Return the root mean square."""
    return np.sqrt(np.mean(values**2))


figure, ax = plt.subplots(figsize=(7.5, 4.5), layout="constrained")
for name, truth in truths.items():
    science = (reference - truth + rng.normal(0, 10, u.shape)).astype(np.float32)
    left = []
    for order in orders:
        result = evensky.match([reference, science], reference=0, bin_size=64, order=order)
        left.append(rms(result.exposures[1] - science - truth))
    (line,) = ax.plot(orders, left, "o-", label=name)
    result = evensky.match([reference, science], reference=0, bin_size=64)
    spline = result.exposures[1] - science - truth
    ax.axhline(rms(spline), color=line.get_color(), ls=":", lw=1)
ax.set(yscale="log", xlabel="order", ylabel="RMS residual sky difference [counts]")
ax.legend(title="the skies differ by a")
ax.grid(alpha=0.3)

# %%
# Dotted lines show the residual of an Akima spline through the same bins. For pure offsets, ``order=0`` is an order of
# magnitude better than any surface; for ripples, the spline is best. To see which case applies to your exposures, look
# at ``fit_rms`` and ``matched_mse`` of the result, and at the pictures in the report.
