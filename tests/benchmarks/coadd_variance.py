"""Variance of combined images after a match: what is predicted, and the scatter over many realisations.

Each scene is matched and combined many times, with other noise each time. The scatter of the combined images is
compared with the prediction: pixel by pixel with the variance plane, and in the means of boxes of 64 x 64 pixels with
the variances of the pixels' noise and of the corrections (`evensky.matching.joint.covariance`). In a box, the noise of
pixels averages out, and that of the corrections does not.

The noise is known, so the means of the same boxes in the noise alone are a control: their scatter is known, and that of
the combined images is corrected by what it is off in these realisations.

Run ``python tests/benchmarks/coadd_variance.py [REALISATIONS [SCENE...]]``; it prints a table in Markdown.
"""

from __future__ import annotations

__all__ = ["SCENES", "Agreement", "Scene", "agreement"]

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import evensky
from evensky._blas import one_blas_thread
from evensky.geom import Point2I
from evensky.image import ExposureF, ImageF, Mask, MaskedImageF

BOX = 64
STATISTICS = ("mean", "weighted", "meanclip", "median")


@dataclass(frozen=True)
class Scene:
    """Exposures of one field that differ in level and gradient.

    Attributes
    ----------
    name : str
    noise : tuple of float
        Standard deviation of the pixels of each exposure.
    level : str
        What is left unchanged.
    side : int
        Size of the exposures in pixels.
    dither : int
        Largest shift of exposures in pixels.
    dead : tuple of float
        Part of the columns of each exposure that is bad, from its left edge if positive, from its right one otherwise.
    """

    name: str
    noise: tuple[float, ...]
    level: str = "reference"
    side: int = 320
    dither: int = 0
    dead: tuple[float, ...] = ()

    @property
    def number(self) -> int:
        """Number of exposures."""
        return len(self.noise)

    def origins(self) -> np.ndarray:
        """Return the positions x, y of the exposures on their common grid; the field begins at (0, 0)."""
        if not self.dither:
            return np.zeros((self.number, 2), int)
        found = np.random.default_rng(5).integers(0, self.dither + 1, (self.number, 2))
        return np.asarray(found - found.min(axis=0))

    def bad(self) -> np.ndarray:
        """Return the bad pixels of all exposures, shape (N, side, side)."""
        found = np.zeros((self.number, self.side, self.side), bool)
        for one, share in zip(found, self.dead, strict=False):
            edge = round(abs(share) * self.side)
            if edge:
                one[:, slice(0, edge) if share > 0 else slice(self.side - edge, None)] = True
        return found

    def skies(self) -> np.ndarray:
        """Return the backgrounds of all exposures, shape (N, side, side)."""
        y, x = np.mgrid[: self.side, : self.side] / self.side - 0.5
        random = np.random.default_rng(3)
        return np.stack(
            [level + a * x + b * y for level, a, b in random.normal((500, 0, 0), (40, 30, 30), (self.number, 3))]
        )


SCENES = (
    Scene("reference, equal noise", (10.0,) * 6),
    Scene("mean, equal noise", (10.0,) * 6, "mean"),
    Scene("reference, two exposures", (10.0,) * 2),
    Scene("reference, other noise", (6.0, 10.0, 14.0, 20.0, 10.0)),
    Scene("mean, other noise", (6.0, 10.0, 14.0, 20.0, 10.0), "mean"),
    Scene("reference, dithered", (10.0,) * 6, dither=100),
    Scene("mean, dithered", (10.0,) * 6, "mean", dither=100),
    Scene("reference, dead areas", (10.0,) * 5, dead=(0.0, 0.5, -0.5, 0.3, -0.4)),
    Scene("mean, dead areas", (10.0,) * 5, "mean", dead=(0.4, 0.5, -0.5, 0.3, -0.4)),
    Scene("reference, dithered, other noise", (6.0, 10.0, 14.0, 20.0, 10.0), dither=100),
)


@dataclass
class Agreement:
    """Ratios of the predicted to the measured variance of a combined image.

    Attributes
    ----------
    pixels : float
        For single pixels.
    boxes : float
        For the means of boxes.
    with_choices : float
        For the means of boxes, if the variance of the choice of models is added to that of noise. It does not scatter
        here, as the skies are planes in all realisations.
    without : float
        For the means of boxes if the variance of the corrections is left out.
    share : float
        Share of the corrections in the predicted variance of boxes.
    error : float
        Relative standard error of the measured variance of boxes, if boxes of one realisation are not independent.
    """

    pixels: float
    boxes: float
    with_choices: float
    without: float
    share: float
    error: float


def _exposures(scene: Scene, skies: np.ndarray, bad: np.ndarray, noise: np.ndarray) -> list[ExposureF]:
    made = []
    for deviation, sky, own, rejected, (x, y) in zip(scene.noise, skies, noise, bad, scene.origins(), strict=True):
        pixels = (sky + own).astype(np.float32)
        pixels[rejected] = np.nan
        variance = np.full(pixels.shape, deviation**2, np.float32)
        exposure = ExposureF(MaskedImageF(ImageF(pixels), Mask(np.zeros(pixels.shape, np.int32)), ImageF(variance)))
        exposure.setXY0(Point2I(int(x), int(y)))
        made.append(exposure)
    return made


def _combined(exposures: Sequence[ExposureF], statistic: str) -> tuple[np.ndarray, np.ndarray]:
    """Combine exposures; return the image, and its variance without that of the corrections."""
    weighted = statistic == "weighted"
    found = evensky.combine(
        exposures, statistic="mean" if weighted else statistic, weighting="variance" if weighted else None
    ).exposure
    return found.image.array.astype(float), found.variance.array.astype(float)


def _shares(scene: Scene, statistic: str) -> np.ndarray:
    """Return by how much each exposure moves the combined image."""
    deviations = np.array(scene.noise)
    if statistic == "weighted":
        return deviations**-2.0
    # The pixel of an exposure is the median as often as its noise has pixels near the middle.
    return 1 / deviations if statistic == "median" else np.ones(scene.number)


def agreement(scene: Scene, realisations: int, statistics: Sequence[str] = STATISTICS) -> dict[str, Agreement]:
    """Compare the predicted variance of combined images with their scatter.

    Parameters
    ----------
    scene : Scene
    realisations : int
    statistics : sequence of str, optional

    Returns
    -------
    dict of str to Agreement
        By statistic.
    """
    bad, skies = scene.bad(), scene.skies()
    most = scene.origins().max(axis=0)
    inner = scene.side - int(most.max())  # the part that all exposures cover
    number = inner // BOX
    first = int(most.max())
    cut = slice(first, first + number * BOX)
    centres = np.arange(number) * BOX + first + (BOX - 1) / 2
    x, y = np.meshgrid(centres, centres)
    boxed: dict[str, list[np.ndarray]] = {name: [] for name in statistics}
    control: list[np.ndarray] = []
    sums = {name: np.zeros((2, number * BOX, number * BOX)) for name in statistics}
    corrections = dict.fromkeys(statistics, 0.0)
    variance = {name: np.zeros((number * BOX, number * BOX)) for name in statistics}
    chosen = dict.fromkeys(statistics, 0.0)

    def in_boxes(image: np.ndarray) -> np.ndarray:
        return np.asarray(image[cut, cut].reshape(number, BOX, number, BOX).mean(axis=(1, 3)))

    for realisation in range(realisations):
        random = np.random.default_rng((realisation, 17))
        noise = np.array([random.normal(0, deviation, skies.shape[1:]) for deviation in scene.noise])
        exposures = _exposures(scene, skies, bad, noise)
        result = evensky.match_all(exposures, reference=0 if scene.level == "reference" else None, level=scene.level)
        covariance = result.run.covariance
        assert covariance is not None
        alone, known = _combined(_exposures(scene, 0 * skies, bad, noise), "mean")
        control.append(in_boxes(alone))
        expected = float(in_boxes(known).mean()) / BOX**2
        for name in statistics:
            image, of_pixels = _combined(result.exposures, name)
            boxed[name].append(in_boxes(image))
            sums[name] += image[cut, cut], image[cut, cut] ** 2
            found = covariance.of_noise().at(x, y, _shares(scene, name))
            chosen[name] += float(covariance.at(x, y, _shares(scene, name)).mean()) / realisations
            corrections[name] += float(found.mean()) / realisations
            variance[name] += of_pixels[cut, cut] / realisations
    off = float(np.mean(np.var(control, axis=0, ddof=1))) / expected
    agreements = {}
    for name in statistics:
        mean, square = sums[name] / realisations
        measured = float(np.mean(square - mean**2)) * realisations / (realisations - 1)
        # Only the part that is due to the pixels is off as the control is.
        pixels = float(variance[name].mean()) / BOX**2
        scatter = float(np.mean(np.var(boxed[name], axis=0, ddof=1))) - pixels * (off - 1)
        of_each = np.mean((np.array(boxed[name]) - np.mean(boxed[name], axis=0)) ** 2, axis=(1, 2))
        agreements[name] = Agreement(
            (float(variance[name].mean()) + corrections[name]) / measured,
            (pixels + corrections[name]) / scatter,
            (pixels + chosen[name]) / scatter,
            pixels / scatter,
            corrections[name] / (pixels + corrections[name]),
            float(np.std(of_each) / np.mean(of_each) / np.sqrt(realisations)),
        )
    return agreements


def main() -> None:
    """Print the table."""
    realisations = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    chosen = [scene for scene in SCENES if len(sys.argv) < 3 or scene.name in sys.argv[2:]]
    print(f"Predicted / measured variance, {realisations} realisations\n")
    print("| scene | statistic | pixels | boxes | with choices | without corrections | share of corrections | error |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    with one_blas_thread():
        for scene in chosen:
            for name, one in agreement(scene, realisations).items():
                print(
                    f"| {scene.name} | {name} | {one.pixels:.3f} | {one.boxes:.3f} | {one.with_choices:.3f} | "
                    f"{one.without:.3f} | {one.share:.2f} | {one.error:.3f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
