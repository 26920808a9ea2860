"""
Match of a tract
================

Visits of a tract are matched patch by patch, by LSST's task of 2025 as it is and as evensky runs it, and all at once.
The coadds show what each leaves: seams between patches, steps at the edges of visits, or nothing but noise.
"""

import logging
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np

import evensky
from evensky.image import ExposureF
from evensky.tasks.tract import MatchBackgroundsConfig, MatchBackgroundsTask, SkyMap, TractInfo

# %%
# A tract has 3 x 3 patches of 160 x 160 pixels, which overlap by 20. Each of six visits covers a disc; they differ in
# level, gradient and curvature. No visit covers all patches.

sky_map = SkyMap({0: TractInfo(patch=(160, 160), number=(3, 3), border=10)})
boxes = [patch.getOuterBBox() for patch in sky_map[0]]
inner = [patch.getInnerBBox() for patch in sky_map[0]]
v, u = np.mgrid[-1:1:480j, -1:1:480j]
rng = np.random.default_rng(8)
nebula = 60 * np.exp(-((u - 0.1) ** 2 + 2 * v**2) / 0.2)
warps, truth = {}, {}
for visit in range(6):
    a, b, c, d, e = rng.uniform(-40, 40, 5)
    background = 2 * a + b * u + c * v + 0.4 * d * u * v + 0.4 * e * u**2
    truth[visit] = nebula + rng.normal(0, 6, u.shape)
    pixels = (truth[visit] + background).astype(np.float32)
    angle = visit * np.pi / 3
    pixels[np.hypot(u - 0.7 * np.cos(angle), v - 0.7 * np.sin(angle)) > 1.2] = np.nan
    for patch, box in enumerate(boxes):
        if np.isfinite(pixels[inner[patch].getSlices()]).mean() > 0.05:
            warp = ExposureF(box)
            warp.image.array[:] = pixels[box.getSlices()]
            warp.variance.array[:] = 36
            warps[visit, patch] = warp

# %%
# The task takes handles, objects with ``get()`` and a ``dataId``. With ``asOriginal`` it gives the numbers of the
# original. Flags are logged as warnings; here they are printed instead, with the share of the good pixels of a visit
# that lie in bins where the reference has too few. Visits with more than 10 % of them are flagged EXTRAPOLATED.

logging.getLogger("matchBackgrounds").setLevel(logging.ERROR)


def handle(visit, patch):
    names = {"tract": 0, "patch": patch, "visit": visit}
    return SimpleNamespace(dataId=names, get=lambda: warps[visit, patch])


def match_by_task(as_original):
    config = MatchBackgroundsConfig()
    config.asOriginal = as_original
    for bins in (config.tractBgModel, config.reference.tractBgModel):
        bins.update(xBin=40, yBin=40, binning=20)
    handles = [handle(*key) for key in warps]
    result = MatchBackgroundsTask(config=config).run(handles, sky_map)
    name = "tract task, as original" if as_original else "tract task"
    print(f"{name}: the reference is visit {result.reference}")
    for visit, fit in result.fits.items():
        flags = ", ".join(fit.flags) or "no flags"
        print(f"    visit {visit}: {fit.filledFraction:.0%} extrapolated, {flags}")
    pairs = zip(warps, result.matchedImageList, strict=True)
    return {key: matched for key, matched in pairs if matched is not None}


def match_patch_by_patch():
    matched = {}
    for patch in range(9):
        keys = [key for key in warps if key[1] == patch]
        result = evensky.match([warps[key] for key in keys], bin_size=40)
        matched.update(zip(keys, result.exposures, strict=True))
    return matched


coadded = {
    "unmatched": warps,
    "patch by patch": match_patch_by_patch(),
    "tract task, as original": match_by_task(True),
    "tract task": match_by_task(False),
    "tract, jointly": evensky.match_tract(warps, sky_map).warps,
}

# %%
# The coadd is the mean of the visits, here in blocks of 4 x 4 pixels. The numbers are RMS values of the backgrounds that
# are left, without noise: the steps of the coadd from one patch to the next, on the pixels that both have, and the
# differences of the visits from their mean.


def coadd(warps):
    return np.nanmean(warps, axis=0)


def rms(values):
    return np.sqrt(np.nanmean(np.concatenate([one.ravel() for one in values]) ** 2))


figure, axes = plt.subplots(2, 3, figsize=(10, 7.2), layout="constrained")
for ax, (title, matched) in zip(axes.flat, coadded.items(), strict=False):
    mosaic = np.full(u.shape, np.nan)
    left, differences = [], []
    for patch, (box, own) in enumerate(zip(boxes, inner, strict=True)):
        visits = [visit for visit, at in matched if at == patch]
        pixels = [matched[visit, patch].image.array for visit in visits]
        x0, y0 = own.getMinX() - box.getMinX(), own.getMinY() - box.getMinY()
        mosaic[own.getSlices()] = coadd(pixels)[y0 : y0 + 160, x0 : x0 + 160]
        scenes = [truth[visit][box.getSlices()] for visit in visits]
        rest = [one - scene for one, scene in zip(pixels, scenes, strict=True)]
        left.append(coadd(rest))
        differences += [one - left[-1] for one in rest]
    seams = [left[patch][:, -20:] - left[patch + 1][:, :20] for patch in range(9) if patch % 3 < 2]
    mosaic = mosaic.reshape(120, 4, 120, 4).mean(axis=(1, 3))
    mosaic -= np.nanmedian(mosaic)
    shown = ax.imshow(mosaic, origin="lower", cmap="cividis", vmin=-60, vmax=60)
    numbers = f"seams {rms(seams):.2f}, visits {rms(differences):.2f}"
    ax.set(title=f"{title}\n{numbers}", xticks=[], yticks=[])
axes.flat[-1].set_axis_off()
_ = figure.colorbar(shown, ax=axes, label="counts above the median", shrink=0.7)
