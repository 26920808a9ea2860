"""
Dithered and rotated exposures
==============================

These exposures are as a telescope takes them: each has a pointing, a rotation, a scale and a distortion of its own, and a
gap between its chips. They are matched as they are. Nothing is resampled; the matched exposures have the pixels and the WCS of
the originals.
"""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
from astropy.wcs import WCS

import evensky
from evensky.simulate import make_dithered_exposures, sky_left

simulated = make_dithered_exposures(8, (512, 512), seed=7, dither=150, gap=16)
exposures = [one.exposure for one in simulated]

figure, axes = plt.subplots(2, 4, figsize=(12, 6.2), layout="constrained")
for ax, exposure in zip(axes.flat, exposures, strict=True):
    ax.imshow(exposure.image.array, origin="lower", cmap="gray", vmin=550, vmax=850)
    ax.set(xticks=[], yticks=[])

# %%
# The WCS say where each pixel is on the sky, so there is nothing to set. Notes say how the exposures are compared: on a
# plane whose pixels are about as large as those of the finest exposure, and per area, since these pixels hold counts. The
# skies have order 2. The models have a higher one, because the curve that all exposures share is one on the sky, which the
# distortions of each bend.

result = evensky.match_all(exposures)
for note in result.run.notes:
    print(textwrap.fill(note, 100))
print(result)

# %%
# The outlines of the exposures on the sky, in the colours of their levels before and after the match. Lines join
# the exposures that were compared.

figure, axes = plt.subplots(1, 2, figsize=(9, 5.2), layout="constrained")
_ = result.plot_footprints(axes)

# %%
# The true skies are known here. They are curves of up to a hundred counts in the pixels of each exposure, and differ by tens of
# counts between the exposures that cover the same point of the sky. The models leave less than a tenth of a count, at a noise
# of 10 counts in each pixel:

before, after = sky_left(simulated), sky_left(simulated, result)
print(f"RMS difference between the skies: {before:.1f} counts before, {after:.3f} after")

# %%
# With ``sources="keep"``, stars are compared too. The nearest pixels of two exposures see a star at slightly different
# places, so its light does not cancel in the difference, and only clipping removes it. By default, sources are therefore left
# out of exposures on different pixel grids; the table of results says how much of each.

kept = evensky.match_all(exposures, sources="keep")
print(f"with sources: {sky_left(simulated, kept):.3f} counts")
print("left out:", ", ".join(f"{record.source_fraction:.0%}" for record in result.run.records))

# %%
# The matched exposures can go to any program that makes a coadd. Here is a simple one, the mean of the nearest pixels on a
# coarse grid. Values are counts per pixel, so those of larger pixels are divided by their area.

target = WCS(naxis=2)
target.wcs.ctype = "RA---TAN", "DEC--TAN"
target.wcs.crval = 250.42, 36.46
target.wcs.crpix = 151, 151
target.wcs.cdelt = -0.00033, 0.00033


def coadd(images):
    pixels = np.meshgrid(np.arange(301), np.arange(301))
    sky = target.pixel_to_world_values(*pixels)
    layers = []
    for one, image in zip(simulated, images, strict=True):
        x, y = (np.rint(axis).astype(int) for axis in one.wcs.world_to_pixel_values(*sky))
        inside = (x >= 0) & (y >= 0) & (x < 512) & (y < 512)
        layers.append(np.full(x.shape, np.nan))
        layers[-1][inside] = image.image.array[y[inside], x[inside]] / one.area
    covered = np.isfinite(layers).any(axis=0)
    mean = np.full(covered.shape, np.nan)
    mean[covered] = np.nanmean(np.array(layers)[:, covered], axis=0)
    return mean


pictures = {"not matched": coadd(exposures), "matched": coadd(result.exposures)}
low, high = np.nanpercentile(pictures["matched"], [1, 98])
figure, axes = plt.subplots(1, 2, figsize=(12, 6), layout="constrained")
for ax, (name, picture) in zip(axes, pictures.items(), strict=True):
    ax.imshow(picture, origin="lower", cmap="gray", vmin=low, vmax=high)
    ax.set(xticks=[], yticks=[], title=name)
