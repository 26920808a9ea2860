"""Exposures that are hard to match, with their truth.

Each function makes one case: exposures that differ in more than a smooth additive sky, or whose overlaps hardly
determine their models. The noise is 10 counts, ten exposures have 1024 x 1024 pixels, and the diffuse light has a peak
of 60 counts, unless the function says otherwise. Nothing is masked. `CASES` lists the functions by name; all take a
seed, and most take the number of exposures and the side of an exposure in pixels.
"""

from __future__ import annotations

__all__ = [
    "CASES",
    "GLOW",
    "NOISE",
    "HardScene",
    "Residuals",
    "amplifiers",
    "bright_stars_masked",
    "chain",
    "chips",
    "clean_set",
    "correlated_noise",
    "counts_left",
    "curves",
    "different_seeing",
    "errors_of_models",
    "five_halves",
    "integers",
    "levels",
    "masks_of",
    "mixed_orders",
    "mosaic",
    "mosaic_of",
    "nebula",
    "needed_terms",
    "pulls",
    "residuals",
    "right_orders",
    "shifted",
    "small_overlap",
    "small_overlap_of_two",
    "template",
    "throughput",
]

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev

from evensky.image import ExposureF, ImageF, MaskedImageF
from evensky.simulate import _cosmic_rays, _diffuse, _grids, _grown, _stars, make_bare_exposures

Shape = tuple[int, int]

NOISE = 10.0
GLOW = 60.0
# Fluxes of stars follow a power law from the faintest to the brightest; there is one star per so many pixels.
_FAINTEST, _BRIGHTEST, _SLOPE, _PIXELS_PER_STAR = 950.0, 3e6, 0.95, 1000
# Exponent of the Moffat profiles of stars in `different_seeing` and `shifted`.
_BETA = 3.0
_NAME_OF_ORDER = ("constant", "plane", "Chebyshev 2", "Chebyshev 3")


@dataclass
class HardScene:
    """Exposures of one field, with all that they are made of.

    Attributes
    ----------
    name : str
    exposures : list of ndarray or ExposureF
        Pixels in float32, NaN where there is no data; an ExposureF where exposures have different origins.
    skies : list of ndarray, shape (height, width)
        Additive background of each exposure, whose differences between exposures a match must remove.
    scene : ndarray
        Stars and diffuse light, of throughput 1; over the whole field if origins differ.
    gains : list of float or None
        Throughput by which the scene, but not the sky, is multiplied in each exposure.
    labels : ndarray of int or None
        Detectors or amplifiers, numbered from 1.
    template : ndarray or None
        Pattern that is part of each sky with its own amplitude.
    amplitudes : list of float or None
        Amplitudes of the template.
    terms : list of str
        Names of the terms that models of these exposures need.
    masks : list of ndarray of bool or None
        True for pixels to reject.
    expected : list of ndarray or None
        Model that must be added to each exposure if `reference` is left unchanged: the sky of the reference, continued
        over the exposure, minus its own. None if skies that are no polynomials cannot be continued.
    names : list of str or None
        Names of the simplest models that remove all differences from the reference, in the order of the exposures.
    reference : int
        Exposure to leave unchanged.
    """

    name: str
    exposures: list[Any]
    skies: list[np.ndarray]
    scene: np.ndarray
    gains: list[float] | None = None
    labels: np.ndarray | None = None
    template: np.ndarray | None = None
    amplitudes: list[float] | None = None
    terms: list[str] = field(default_factory=lambda: ["smooth"])
    masks: list[np.ndarray] | None = None
    expected: list[np.ndarray] | None = None
    names: list[str] | None = None
    reference: int = 0

    @property
    def origins(self) -> list[tuple[int, int]]:
        """Position of each exposure on the common pixel grid."""
        return [one.getXY0() if isinstance(one, ExposureF) else (0, 0) for one in self.exposures]

    @property
    def pixels(self) -> list[np.ndarray]:
        """Pixels of each exposure."""
        return [one.image.array if isinstance(one, ExposureF) else one for one in self.exposures]

    def __repr__(self) -> str:
        return f"HardScene({self.name!r}, {len(self.exposures)} exposures)"


# -- truth --


@dataclass(frozen=True)
class Residuals:
    """Residual differences between the skies of matched exposures, in counts.

    Attributes
    ----------
    total : float
        RMS over pixels and exposures of sky + model about its mean over the exposures at that pixel.
    without_constants : float
        The same after the mean of each exposure is subtracted.
    without_zero_point : float
        The same after the part is subtracted that the zero point of the scene leaves undetermined: the gain of each
        exposure, relative to the mean, times one plane that all exposures share. Equal to `total` without gains.
    """

    total: float
    without_constants: float
    without_zero_point: float


def residuals(scene: HardScene, result: Any) -> Residuals:
    """Measure the residual differences between the skies of matched exposures.

    Parameters
    ----------
    scene : HardScene
    result : MatchAllResult
        Or any object whose `models` are None or have a method `image`; or a list of such models or of arrays.

    Returns
    -------
    Residuals
    """
    left, mean, good = _about_mean(scene, _added(scene, result))
    total = _rms(left, good)
    constants = [one - one[use].mean() if use.any() else one for one, use in zip(left, good, strict=True)]
    without_constants = _rms(constants, good)
    if scene.gains is None:
        return Residuals(total, without_constants, total)
    gains = np.array(scene.gains) - np.mean(scene.gains)
    plane = _common_plane(left, good, gains, scene.origins, mean.shape)
    freed = []
    for one, gain, (y, x) in zip(left, gains, _places(scene), strict=True):
        u, v = (part[None, x] if k == 0 else part[y, None] for k, part in enumerate(_axes(mean.shape)))
        freed.append(one - gain * (plane[0] + plane[1] * u + plane[2] * v))
    return Residuals(total, without_constants, _rms(freed, good))


def counts_left(scene: HardScene, result: Any) -> float:
    """Return the residual differences between the skies of matched exposures that count.

    This is the RMS over pixels and exposures of sky + model about its mean over the exposures at that pixel, as in
    `evensky.simulate.residual_between`. Only the additive part counts, as a gain is measured but not removed.

    With gains, `Residuals.without_zero_point` counts. Exposures show gain x scene + sky. A zero point z that is moved
    from the scene to the sky changes each sky by gain x z and no pixel, so no measurement can tell what the sky of an
    exposure is. If models may have slopes, z may be a plane. That is one plane for all exposures; a constant for each
    of them, as in `without_constants`, would hide errors of their levels.

    Parameters
    ----------
    scene : HardScene
    result : MatchAllResult
        Or what else `residuals` takes.

    Returns
    -------
    float
    """
    return residuals(scene, result).without_zero_point


def errors_of_models(scene: HardScene, result: Any) -> list[np.ndarray]:
    """Return the model that was added minus the expected one, if the reference stays unchanged.

    Parameters
    ----------
    scene : HardScene
        With `expected`.
    result : MatchAllResult

    Returns
    -------
    list of ndarray
    """
    assert scene.expected is not None
    return [added - right for added, right in zip(_added(scene, result), scene.expected, strict=True)]


def pulls(scene: HardScene, result: Any) -> list[float]:
    """Return the RMS over each exposure of the error of its model in units of its stated standard error.

    Parameters
    ----------
    scene : HardScene
        With `expected`.
    result : MatchAllResult
        With the reference of the scene unchanged.

    Returns
    -------
    list of float
        One number for each exposure but the reference; infinity if a model has an error, and none is stated.
    """
    found = []
    for at, (error, model) in enumerate(zip(errors_of_models(scene, result), result.models, strict=True)):
        if at == scene.reference or model is None:
            continue
        sigma = model.sigma_image().astype(float)
        with np.errstate(divide="ignore", invalid="ignore"):
            found.append(float(np.sqrt(np.mean(np.where(error == 0, 0.0, error / sigma) ** 2))))
    return found


def mosaic_of(scene: HardScene, result: Any | None) -> np.ndarray:
    """Return the mean of sky + model over the exposures in each pixel of the field, minus its mean over the field.

    Parameters
    ----------
    scene : HardScene
    result : MatchAllResult or None
        None for exposures as they are.

    Returns
    -------
    ndarray
        What the mosaic of the exposures shows besides the scene; NaN where there is no exposure.
    """
    added: Sequence[np.ndarray] = (
        [np.zeros(sky.shape) for sky in scene.skies] if result is None else _added(scene, result)
    )
    _, mean, good = _about_mean(scene, added)
    seen = np.zeros(mean.shape, bool)
    for use, place in zip(good, _places(scene), strict=True):
        seen[place] |= use
    return np.where(seen, mean - mean[seen].mean(), np.nan)


def right_orders(scene: HardScene, result: Any) -> list[bool]:
    """Return for each exposure but the reference whether its model is the simplest that is right."""
    assert scene.names is not None
    got = ["failed" if model is None else model.name for model in result.models]
    return [g == name for at, (g, name) in enumerate(zip(got, scene.names, strict=True)) if at != scene.reference]


def masks_of(scene: HardScene) -> dict[str, Any]:
    """Return the keyword arguments of `evensky.match_all` with the masks of a scene."""
    return {} if scene.masks is None else {"masks": scene.masks}


def needed_terms(scene: HardScene) -> list[Any]:
    """Return the terms that models of the exposures need, with their data, as `evensky.match_all` takes them."""
    from evensky.matching.joint import terms  # a version without terms can make the scenes, too

    made: dict[str, Callable[[], Any]] = {
        "amplifier": lambda: terms.amplifier(scene.labels),
        "detector": lambda: terms.detector(scene.labels),
        "template": lambda: terms.template(scene.template),
    }
    return [made[name]() if name in made else name for name in scene.terms]


def _added(scene: HardScene, result: Any) -> list[np.ndarray]:
    models = getattr(result, "models", result)
    images = [model.image() if hasattr(model, "image") else model for model in models]
    return [
        np.zeros(sky.shape) if image is None else np.asarray(image, float)
        for image, sky in zip(images, scene.skies, strict=True)
    ]


def _places(scene: HardScene) -> list[tuple[slice, slice]]:
    """Return the place of each exposure in the field, whose corner is the lowest x and y of all exposures."""
    x0, y0 = (min(origin[k] for origin in scene.origins) for k in (0, 1))
    return [
        (slice(y - y0, y - y0 + sky.shape[0]), slice(x - x0, x - x0 + sky.shape[1]))
        for (x, y), sky in zip(scene.origins, scene.skies, strict=True)
    ]


def _about_mean(scene: HardScene, added: Sequence[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray, list[np.ndarray]]:
    """Return sky + model about the mean over exposures, that mean over the field, and the pixels with data."""
    places = _places(scene)
    shape = max(y.stop for y, _ in places), max(x.stop for _, x in places)
    mean, counts = np.zeros(shape), np.zeros(shape)
    good = [np.isfinite(one) for one in scene.pixels]
    for sky, model, use, place in zip(scene.skies, added, good, places, strict=True):
        mean[place] += np.where(use, sky + model, 0.0)
        counts[place] += use
    mean /= np.maximum(counts, 1)
    left = [
        (sky + model - mean[place]).astype(np.float32)
        for sky, model, place in zip(scene.skies, added, places, strict=True)
    ]
    return left, mean, good


def _rms(left: Sequence[np.ndarray], good: Sequence[np.ndarray]) -> float:
    squares = sum(float((one[use].astype(float) ** 2).sum()) for one, use in zip(left, good, strict=True))
    return float(np.sqrt(squares / sum(int(use.sum()) for use in good)))


def _axes(shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    return np.linspace(-1, 1, shape[1]), np.linspace(-1, 1, shape[0])


def _common_plane(
    left: Sequence[np.ndarray],
    good: Sequence[np.ndarray],
    gains: np.ndarray,
    origins: Sequence[tuple[int, int]],
    shape: Shape,
) -> np.ndarray:
    """Fit one plane p to all exposures, so that gain x p is nearest to what is left."""
    x0, y0 = (min(origin[k] for origin in origins) for k in (0, 1))
    across, along = _axes(shape)
    normal, right = np.zeros((3, 3)), np.zeros(3)
    for one, use, gain, (x, y) in zip(left, good, gains, origins, strict=True):
        height, width = one.shape
        u, v = across[x - x0 : x - x0 + width], along[y - y0 : y - y0 + height]
        terms = np.stack([np.ones(use.sum()), np.broadcast_to(u, one.shape)[use], np.repeat(v, use.sum(axis=1))])
        normal += gain**2 * terms @ terms.T
        right += gain * terms @ one[use]
    return np.linalg.lstsq(normal, right, rcond=None)[0]


# -- parts of exposures --


class _Sky:
    """A polynomial sky over the box of an exposure, which can be evaluated beyond it.

    Parameters
    ----------
    box : (x0, y0, width, height)
    terms : ndarray, shape (n, n)
        Coefficients of T_p(v) T_q(u), where u and v run from -1 to 1 over the box.
    """

    def __init__(self, box: tuple[int, int, int, int], terms: np.ndarray) -> None:
        self.box = box
        self.terms = terms

    def over(self, box: tuple[int, int, int, int]) -> np.ndarray:
        """Evaluate the sky over a box."""
        x0, y0, width, height = self.box
        u = (np.arange(box[2]) + box[0] - x0) * 2 / (width - 1) - 1
        v = (np.arange(box[3]) + box[1] - y0) * 2 / (height - 1) - 1
        return np.asarray(chebyshev.chebgrid2d(v, u, self.terms))


def _polynomial(rng: np.random.Generator, order: int, sizes: Sequence[float] = (50.0, 25.0, 12.0)) -> np.ndarray:
    """Draw coefficients of a sky: its level is about 650, and those of degree n are within +-sizes[n]."""
    terms = np.zeros((order + 1, order + 1))
    for degree in range(order + 1):
        for p in range(degree + 1):
            terms[p, degree - p] = rng.uniform(-sizes[degree], sizes[degree])
    terms[0, 0] += 650.0
    return terms


def _field(shape: Shape, rng: np.random.Generator, glow: float = GLOW) -> np.ndarray:
    """Simulate stars and diffuse light that fills half of the field."""
    return _stars(shape, rng, max(20, shape[0] * shape[1] // _PIXELS_PER_STAR)) + _broad_glow(shape, glow)


def _broad_glow(shape: Shape, peak: float) -> np.ndarray:
    u, v = _grids(shape)

    def blob(cx: float, cy: float, major: float, minor: float, angle: float) -> np.ndarray:
        along = (u - cx) * np.cos(angle) + (v - cy) * np.sin(angle)
        across = -(u - cx) * np.sin(angle) + (v - cy) * np.cos(angle)
        return np.asarray(np.exp(-0.5 * ((along / major) ** 2 + (across / minor) ** 2)))

    glow = blob(0.12, 0.05, 0.7, 0.45, 0.6) + 0.35 * blob(-0.5, 0.45, 0.3, 0.2, -0.4)
    return np.asarray(peak * glow / glow.max(), np.float32)


def _smooth_skies(number: int, shape: Shape, rng: np.random.Generator, order: int) -> list[np.ndarray]:
    box = (0, 0, shape[1], shape[0])
    return [_Sky(box, _polynomial(rng, order)).over(box) for _ in range(number)]


def _expose(scene: np.ndarray, sky: np.ndarray, rng: np.random.Generator, noise: float = NOISE) -> np.ndarray:
    """Return the pixels of an exposure with noise and cosmic rays."""
    pixels = scene + sky + rng.normal(0, noise, sky.shape)
    pixels += _cosmic_rays(sky.shape, rng, max(4, sky.size // 12_000))
    return np.asarray(pixels, np.float32)


def _placed(pixels: np.ndarray, origin: tuple[int, int]) -> ExposureF:
    exposure = ExposureF(MaskedImageF(ImageF(pixels, xy0=origin)))
    exposure.info.has_variance = False
    return exposure


def _stay_put(skies: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the expected models of exposures that cover the same pixels; the first stays unchanged."""
    return [skies[0] - sky for sky in skies]


def _halved(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return pixels, of which a random half is NaN."""
    u, v = _grids(pixels.shape)  # type: ignore[arg-type]
    angle = rng.uniform(0, 2 * np.pi)
    along = np.cos(angle) * u + np.sin(angle) * v
    return np.where(along < np.median(along), np.float32(np.nan), pixels)


# -- what holds without further terms --


def levels(seed: int, number: int = 10, side: int = 1024) -> HardScene:
    """Make exposures that differ in level."""
    return _bare("levels", seed, number, side, curved=False)


def curves(seed: int, number: int = 10, side: int = 1024) -> HardScene:
    """Make exposures that differ in gradient and curvature."""
    return _bare("curves", seed, number, side)


def five_halves(seed: int, number: int = 10, side: int = 1024) -> HardScene:
    """Make exposures that differ in gradient and curvature; half of them cover half of the field."""
    return _bare("five_halves", seed, number, side, halves=number // 2)


def _bare(name: str, seed: int, number: int, side: int, **options: Any) -> HardScene:
    simulated = make_bare_exposures(number, (side, side), seed, noise=NOISE, glow=GLOW, **options)
    skies = [one.sky for one in simulated]
    order = 0 if options.get("curved") is False else 2
    return HardScene(
        name,
        [one.exposure.image.array for one in simulated],
        skies,
        simulated[0].scene,
        expected=_stay_put(skies),
        names=[_NAME_OF_ORDER[order]] * number,
    )


# -- further terms --


def throughput(seed: int, number: int = 10, side: int = 1024, spread: float = 0.03) -> HardScene:
    """Make exposures that differ in levels, planes, and throughput."""
    rng = np.random.default_rng(seed)
    shape = side, side
    scene = _field(shape, rng)
    skies = _smooth_skies(number, shape, rng, 1)
    gains = _gains(rng, number, spread)
    exposures = [_expose(gain * scene, sky, rng) for gain, sky in zip(gains, skies, strict=True)]
    return HardScene("throughput", exposures, skies, scene, gains, terms=["smooth", "gain"])


def amplifiers(seed: int, number: int = 10, side: int = 1024, spread: float = 2.0, count: int = 8) -> HardScene:
    """Make exposures that differ in levels, planes, throughput, and the level of each of 8 columns of amplifiers."""
    rng = np.random.default_rng(seed)
    shape = side, side
    scene = _field(shape, rng)
    labels = np.broadcast_to(np.arange(side) * count // side + 1, shape).astype(np.int32)
    offsets = rng.normal(0, spread, (number, count + 1))
    skies = [sky + own[labels] for sky, own in zip(_smooth_skies(number, shape, rng, 1), offsets, strict=True)]
    gains = _gains(rng, number, 0.03)
    exposures = [_expose(gain * scene, sky, rng) for gain, sky in zip(gains, skies, strict=True)]
    return HardScene("amplifiers", exposures, skies, scene, gains, labels, terms=["smooth", "gain", "amplifier"])


def template(seed: int, number: int = 10, side: int = 1024, largest: float = 24.0) -> HardScene:
    """Make exposures that differ in levels, planes, and the amplitude of a known pattern of a few bright arcs."""
    rng = np.random.default_rng(seed)
    shape = side, side
    scene = _field(shape, rng)
    pattern = _wisp(shape)
    amplitudes = rng.uniform(0, largest, number).tolist()
    smooth = _smooth_skies(number, shape, rng, 1)
    skies = [sky + amplitude * pattern for sky, amplitude in zip(smooth, amplitudes, strict=True)]
    exposures = [_expose(scene, sky, rng) for sky in skies]
    return HardScene(
        "template",
        exposures,
        skies,
        scene,
        template=pattern.astype(np.float32),
        amplitudes=amplitudes,
        terms=["smooth", "template"],
        expected=_stay_put(skies),
    )


def chips(
    seed: int, number: int = 10, side: int = 1024, spread: float = 13.5, columns: int = 2, rows: int = 4
) -> HardScene:
    """Make exposures that differ in levels, planes, and the level of each of 2 x 4 chips."""
    rng = np.random.default_rng(seed)
    shape = side, side
    scene = _field(shape, rng)
    across, along = np.arange(side) * columns // side, np.arange(side) * rows // side
    labels = (across[None, :] + columns * along[:, None] + 1).astype(np.int32)
    offsets = rng.normal(0, spread, (number, columns * rows + 1))
    skies = [sky + own[labels] for sky, own in zip(_smooth_skies(number, shape, rng, 1), offsets, strict=True)]
    exposures = [_expose(scene, sky, rng) for sky in skies]
    return HardScene(
        "chips", exposures, skies, scene, labels=labels, terms=["smooth", "detector"], expected=_stay_put(skies)
    )


def nebula(seed: int, number: int = 10, side: int = 1024, glow: float = 600.0, order: int = 0) -> HardScene:
    """Make exposures of a nebula of 600 counts through a sky that absorbs 1 to 5 %; they differ in level."""
    rng = np.random.default_rng(seed)
    shape = side, side
    scene = _field(shape, rng, glow)
    skies = _smooth_skies(number, shape, rng, order)
    gains = (1 - rng.uniform(0.01, 0.05, number)).tolist()
    exposures = [_expose(gain * scene, sky, rng) for gain, sky in zip(gains, skies, strict=True)]
    return HardScene("nebula", exposures, skies, scene, gains, terms=["smooth", "gain"])


def _gains(rng: np.random.Generator, number: int, spread: float) -> list[float]:
    return (1 + rng.normal(0, spread, number)).tolist()


def _wisp(shape: Shape) -> np.ndarray:
    """Return arcs of scattered light in one part of the field, with a peak of about 1."""
    u, v = _grids(shape)
    radius = np.hypot(u + 0.9, v + 0.3)
    arcs = np.exp(-0.5 * ((radius - 0.75) / 0.05) ** 2) + 0.7 * np.exp(-0.5 * ((radius - 0.95) / 0.035) ** 2)
    return np.asarray(arcs * np.exp(-0.5 * ((v - 0.1) / 0.45) ** 2))


# -- partial overlaps --


def _partial(
    name: str,
    rng: np.random.Generator,
    origins: Sequence[tuple[int, int]],
    shape: Shape,
    orders: Sequence[int],
    polynomial: Callable[[np.random.Generator, int], np.ndarray] = _polynomial,
    glow: float = GLOW,
) -> HardScene:
    """Make exposures of parts of a field, whose skies are polynomials of given orders."""
    height, width = shape
    x_end, y_end = (max(origin[k] for origin in origins) + size for k, size in ((0, width), (1, height)))
    scene = _field((y_end, x_end), rng, glow)
    boxes = [(x, y, width, height) for x, y in origins]
    made = [_Sky(box, polynomial(rng, order)) for box, order in zip(boxes, orders, strict=True)]
    skies = [sky.over(box) for sky, box in zip(made, boxes, strict=True)]
    exposures = []
    for sky, (x, y) in zip(skies, origins, strict=True):
        part = scene[y : y + height, x : x + width]
        exposures.append(_placed(_expose(part, sky, rng), (x, y)))
    expected = [made[0].over(box) - sky for box, sky in zip(boxes, skies, strict=True)]
    names = [_NAME_OF_ORDER[max(order, orders[0])] for order in orders]
    return HardScene(name, exposures, skies, scene, expected=expected, names=names)


def chain(seed: int, number: int = 4, side: int = 1024, overlap: float = 0.35) -> HardScene:
    """Make a chain of four exposures in three partial overlaps, which differ in levels and planes."""
    rng = np.random.default_rng(seed)
    step = round(side * (1 - overlap))
    return _partial("chain", rng, [(at * step, 0) for at in range(number)], (side, side), [1] * number)


def small_overlap(seed: int, number: int = 3, side: int = 1024, overlap: float = 0.05) -> HardScene:
    """Make three exposures in a row that overlap by 5 % of their width and differ in levels and planes."""
    rng = np.random.default_rng(seed)
    step = round(side * (1 - overlap))
    return _partial("small_overlap", rng, [(at * step, 0) for at in range(number)], (side, side), [1] * number)


def small_overlap_of_two(seed: int, side: int = 1024, overlap: float = 0.05) -> HardScene:
    """Make two exposures that overlap by 5 % of their width and differ in levels and planes."""
    return small_overlap(seed, 2, side, overlap)


def mosaic(seed: int, number: int = 4, side: int = 512, overlap: float = 0.1) -> HardScene:
    """Make a mosaic of 4 x 4 tiles that overlap by 10 % and differ in levels and planes; one tile is the reference."""
    rng = np.random.default_rng(seed)
    step = round(side * (1 - overlap))
    origins = [(column * step, row * step) for row in range(number) for column in range(number)]
    return _partial("mosaic", rng, origins, (side, side), [1] * len(origins))


def mixed_orders(seed: int, side: int = 256) -> HardScene:
    """Make 3 to 6 exposures with random shifts, whose skies have random orders from 0 to 3.

    The sky of the first exposure is 650 counts, so that the order of a sky is that of its model. Terms of the highest
    order are not small.
    """
    rng = np.random.default_rng(seed)
    number = int(rng.integers(3, 7))
    origins = rng.integers(0, side // 3 + 1, (number, 2))
    origins -= origins.min(axis=0)
    orders = [-1, *rng.integers(0, 4, number - 1).tolist()]
    places = [(int(x), int(y)) for x, y in origins]
    return _partial("mixed_orders", rng, places, (side, side), orders, _clear_polynomial)


def _clear_polynomial(rng: np.random.Generator, order: int) -> np.ndarray:
    """Draw coefficients, of which those of the highest order are at least 6 counts; order -1 stands for 650 counts."""
    terms = np.zeros((max(order, 0) + 1,) * 2)
    for degree in range(order + 1):
        for p in range(degree + 1):
            term = rng.normal(0, 6.0)
            terms[p, degree - p] = term + (6.0 * np.sign(term) if degree == order else 0.0)
    terms[0, 0] += 650.0
    return terms


# -- stars, noise, integers --


def different_seeing(seed: int, number: int = 10, side: int = 1024, order: int = 0) -> HardScene:
    """Make exposures that differ in level, and in seeing from 3 to 6 px (FWHM); stars are not masked."""
    rng = np.random.default_rng(seed)
    widths = rng.permutation(np.linspace(3.0, 6.0, number))
    return _with_stars("different_seeing", rng, number, side, widths, np.zeros((number, 2)), order)


def bright_stars_masked(seed: int, number: int = 10, side: int = 1024, order: int = 0) -> HardScene:
    """Make the exposures of `different_seeing`; pixels with more than one noise of star light are masked."""
    rng = np.random.default_rng(seed)
    widths = rng.permutation(np.linspace(3.0, 6.0, number))
    return _with_stars("bright_stars_masked", rng, number, side, widths, np.zeros((number, 2)), order, masked=NOISE)


def shifted(seed: int, number: int = 10, side: int = 1024, order: int = 0, crowded: int = 20) -> HardScene:
    """Make exposures of many stars with a wrong WCS: shifts of half a pixel to 2 px; they differ in level."""
    rng = np.random.default_rng(seed)
    angle, radius = rng.uniform(0, 2 * np.pi, number), rng.uniform(0.5, 2.0, number)
    radius[0] = 0.0
    shifts = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return _with_stars("shifted", rng, number, side, np.full(number, 6.0), shifts, order, crowded=crowded)


def _with_stars(
    name: str,
    rng: np.random.Generator,
    number: int,
    side: int,
    widths: np.ndarray,
    shifts: np.ndarray,
    order: int,
    masked: float = np.inf,
    crowded: int = 1,
) -> HardScene:
    shape = side, side
    count = max(20, crowded * side * side // _PIXELS_PER_STAR)
    x, y = rng.uniform(0, side, (2, count))
    flux = np.minimum(_FAINTEST * (1 - rng.random(count)) ** (-1 / _SLOPE), _BRIGHTEST)
    glow = _diffuse(shape, GLOW)
    skies = _smooth_skies(number, shape, rng, order)
    exposures, masks = [], []
    for sky, width, (dx, dy) in zip(skies, widths, shifts, strict=True):
        light = _moffat_stars(shape, x + dx, y + dy, flux, width)
        exposures.append(_expose(light + glow, sky, rng))
        masks.append(_grown(light > masked, 1))
    return HardScene(
        name,
        exposures,
        skies,
        _moffat_stars(shape, x, y, flux, widths[0]) + glow,
        masks=masks if np.isfinite(masked) else None,
        expected=_stay_put(skies),
        names=[_NAME_OF_ORDER[order]] * number,
    )


def _moffat_stars(shape: Shape, x: np.ndarray, y: np.ndarray, flux: np.ndarray, fwhm: float) -> np.ndarray:
    """Draw stars with Moffat profiles, out to where they fall below a hundredth of a count."""
    height, width = shape
    alpha = fwhm / (2 * np.sqrt(2 ** (1 / _BETA) - 1))
    image = np.zeros(shape, np.float32)
    for cx, cy, total in zip(x, y, flux, strict=True):
        peak = total * (_BETA - 1) / (np.pi * alpha**2)
        reach = int(np.clip(alpha * (peak / 0.01) ** (0.5 / _BETA), 10, 400))
        x0, x1 = max(0, int(cx) - reach), min(width, int(cx) + reach + 1)
        y0, y1 = max(0, int(cy) - reach), min(height, int(cy) + reach + 1)
        radius2 = ((np.arange(x0, x1) - cx)[None, :] ** 2 + (np.arange(y0, y1) - cy)[:, None] ** 2) / alpha**2
        image[y0:y1, x0:x1] += peak * (1 + radius2) ** -_BETA
    return image


def integers(
    seed: int, number: int = 10, side: int = 1024, noise: float = 0.3, glow: float = 0.0, slope: float = 0.0
) -> HardScene:
    """Make exposures of whole counts and a noise of 0.3 counts, whose levels differ by fractions of a count.

    There is no diffuse light, which would spread the fractions of the true counts.
    """
    rng = np.random.default_rng(seed)
    shape = side, side
    scene = _field(shape, rng, glow)
    box = (0, 0, side, side)
    sizes, order = (0.5, slope), int(slope > 0)
    skies = [_Sky(box, _polynomial(rng, order, sizes)).over(box) for _ in range(number)]
    exposures = [np.rint(_expose(scene, sky, rng, noise)) for sky in skies]
    names = [_NAME_OF_ORDER[order]] * number
    return HardScene("integers", exposures, skies, scene, expected=_stay_put(skies), names=names)


def correlated_noise(seed: int, number: int = 10, side: int = 1024, order: int = 1) -> HardScene:
    """Make exposures that differ in levels and planes, with noise that is smoothed over a few pixels."""
    rng = np.random.default_rng(seed)
    shape = side, side
    scene = _field(shape, rng)
    skies = _smooth_skies(number, shape, rng, order)
    exposures = []
    for sky in skies:
        noise = _smoothed(rng.normal(0, 1, shape))
        exposures.append(_expose(scene, sky + NOISE * noise / noise.std(), rng, 0.0))
    names = [_NAME_OF_ORDER[order]] * number
    return HardScene("correlated_noise", exposures, skies, scene, expected=_stay_put(skies), names=names)


def _smoothed(noise: np.ndarray) -> np.ndarray:
    """Smooth over about 3 px in x and y; the edges are joined."""
    kernel = np.array([0.1, 0.2, 0.4, 0.2, 0.1])
    for axis in (0, 1):
        noise = sum(share * np.roll(noise, at - 2, axis) for at, share in enumerate(kernel))
    return noise


# -- sets without any trouble --


def clean_set(seed: int, side: int = 256) -> HardScene:
    """Make 3 to 8 exposures in which nothing is wrong, so that no flag may be raised.

    The skies differ in level, gradient, or curvature. Some sets have stars, masks of stars, diffuse light, or exposures
    that cover half of the field.
    """
    rng = np.random.default_rng([seed, 13])
    number = int(rng.integers(3, 9))
    shape = side, side
    order = int(rng.integers(0, 3))
    stars = (
        _stars(shape, rng, 2 * side * side // _PIXELS_PER_STAR) if rng.random() < 0.7 else np.zeros(shape, np.float32)
    )
    scene = stars + _diffuse(shape, GLOW * rng.random())
    skies = _smooth_skies(number, shape, rng, order)
    # At least one exposure covers the whole field.
    halves = int(rng.integers(0, number)) if rng.random() < 0.4 else 0
    exposures = []
    for at, sky in enumerate(skies):
        pixels = _expose(scene, sky, rng)
        exposures.append(_halved(pixels, rng) if number - at <= halves else pixels)
    masks = [stars > NOISE] * number if rng.random() < 0.5 else None
    names = [_NAME_OF_ORDER[order]] * number
    return HardScene("clean_set", exposures, skies, scene, masks=masks, expected=_stay_put(skies), names=names)


CASES: dict[str, Callable[..., HardScene]] = {
    one.__name__: one
    for one in (
        levels,
        curves,
        five_halves,
        throughput,
        amplifiers,
        template,
        chips,
        nebula,
        chain,
        mixed_orders,
        small_overlap,
        small_overlap_of_two,
        mosaic,
        different_seeing,
        bright_stars_masked,
        integers,
        shifted,
        clean_set,
        correlated_noise,
    )
}
"""Functions that make the cases, by name."""
