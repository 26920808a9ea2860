"""Matching of exposures in one call, of arrays and of whatever has the pixels of an image."""

from __future__ import annotations

__all__ = ["MatchAllResult", "MatchResult", "match", "match_all"]

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arrays import style_of
from .math import Approximate, BackgroundMI
from .tasks.run_record import MatchRun

if TYPE_CHECKING:
    from astropy.table import Table
    from matplotlib.figure import Figure

    from .matching.joint.config import MatchAllConfig
    from .matching.joint.models import Model
    from .tasks import MatchBackgroundsConfig


@dataclass(repr=False)
class _Result:
    exposures: list[Any]
    run: MatchRun

    @property
    def reference(self) -> int:
        """Index of the reference."""
        return next(index for index, record in enumerate(self.run.records) if record.label == self.run.reference)

    @property
    def table(self) -> Table:
        """The figures, a row an exposure."""
        return self.run.table

    def plot(self) -> Figure:
        """Levels of all exposures before and after."""
        return self.run.plot()

    def write_report(self, path: str | Path) -> Path:
        """Write the page that ``evensky match`` writes."""
        from .report import write_report

        return write_report(self.run, path)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.run.summary})"

    def __str__(self) -> str:
        return str(self.run)

    def _repr_html_(self) -> str:
        return self.run._repr_html_()


@dataclass(repr=False)
class MatchResult(_Result):
    """What `match` gives.

    Attributes
    ----------
    exposures : list
        The matched exposures, of the types that went in; None for one that failed. The reference is as it was.
    models : list of BackgroundMI, Approximate or None
        What was added to each; None for the reference and for what failed.
    run : MatchRun
        Everything else there is to know, an `ExposureRecord` an exposure.
    """

    models: list[BackgroundMI | Approximate | None]


@dataclass(repr=False)
class MatchAllResult(_Result):
    """What `match_all` gives.

    Attributes
    ----------
    exposures : list
        The matched exposures, of the types that went in; None for one that failed.
    models : list of Model or None
        What was added to each: ``.image()``, ``.sigma_image()``, ``.name``, ``.coefficients``, ``.covariance``, and
        ``.mirrored`` by the names of ``lsst.afw.math``; None for what failed.
    run : MatchRun
        Everything else there is to know, an `ExposureRecord` an exposure: the choice of its model, with the scores of
        all candidates, outlying bins, partners.
    """

    models: list[Model | None]


def match(
    exposures: Sequence[Any],
    reference: int | str | Path | None = None,
    *,
    bin_size: int | None = None,
    statistic: str | None = None,
    style: str | None = None,
    order: int | None = None,
    sigma: float | None = None,
    rounds: int | None = None,
    bad_planes: str | Iterable[str] | None = None,
    config: MatchBackgroundsConfig | None = None,
    pictures: bool = True,
    progress: bool = False,
) -> MatchResult:
    """Even out the backgrounds of exposures of one pixel grid.

    Each but the reference gets a smooth additive correction that makes its background equal the reference's. Sky and
    stars that all of them see stay as they are.

    Parameters
    ----------
    exposures : sequence of image-like
        Arrays, masked arrays, ``Quantity``, ``CCDData`` and ``NDData``, images of `evensky.image`, or names of FITS
        files. They are not changed.
    reference : int, str or Path, optional
        Index, file or label of the exposure that the others are matched to; the best one where left out.
    bin_size : int, optional
        Size of the bins in pixels.
    statistic, style : str, optional
        What is measured in a bin, and how to interpolate; see `estimate_background`.
    order : int, optional
        Fit a Chebyshev series of this order instead of interpolating.
    sigma : float, optional
        Of the clipping, where `statistic` is "meanclip".
    rounds : int, optional
        Likewise.
    bad_planes : str or iterable of str, optional
        Names of mask planes whose pixels do not count.
    config : MatchBackgroundsConfig, optional
        What is left out above is as it says; its defaults where it is left out too.
    pictures : bool, optional
        Make small pictures for the report.
    progress : bool, optional
        Show a progress bar.

    Returns
    -------
    MatchResult
        One exposure that fails does not stop the others.

    Raises
    ------
    evensky.errors.InvalidParameterError
        For no exposures, or a parameter that is not allowed.
    evensky.errors.OutOfRangeError
        For a reference that is none of them.
    evensky.errors.TaskError
        Where no exposure can be the reference.

    Examples
    --------
    >>> import numpy as np, evensky
    >>> sky = np.random.default_rng(1).normal(100, 5, (300, 400))
    >>> result = evensky.match([sky, sky + 20, sky - 7], reference=0, bin_size=100)
    >>> [round(abs(float(np.mean(matched - sky))), 3) for matched in result.exposures]
    [0.0, 0.0, 0.0]
    """
    from .tasks.configuration import change_config
    from .tasks.match_exposures import match_exposures

    planes = [bad_planes] if isinstance(bad_planes, str) else bad_planes
    given = {
        "binSize": bin_size,
        "gridStatistic": None if statistic is None else statistic.upper(),
        "interpStyle": None if style is None else style_of(style).name,
        "order": order,
        "usePolynomial": None if order is None else True,
        "numSigmaClip": sigma,
        "numIter": rounds,
        "badMaskPlanes": None if planes is None else list(planes),
    }
    made = change_config(config, {name: value for name, value in given.items() if value is not None})
    matched, models, run = match_exposures(list(exposures), reference, made, pictures=pictures, progress=progress)
    return MatchResult(matched, run, models)


def match_all(
    exposures: Sequence[Any],
    reference: int | str | Path | None = None,
    *,
    level: str | None = None,
    bin_size: int | None = None,
    statistic: str | None = None,
    order: int | None = None,
    spline: bool | None = None,
    sigma: float | None = None,
    rounds: int | None = None,
    bad_planes: str | Iterable[str] | None = None,
    add_variance: bool | None = None,
    config: MatchAllConfig | None = None,
    pictures: bool = True,
    progress: bool = False,
) -> MatchAllResult:
    """Even out the backgrounds of exposures by matching all of them to each other.

    The differences of pairs are measured in bins that all exposures share. From these follow, at once, the corrections
    with which all pairs agree best, and their errors. How many terms an exposure's correction has, from none to a
    Chebyshev series or a spline, is chosen by what the differences ask for. Sky and stars that all exposures see stay
    as they are, whatever their scale.

    Parameters
    ----------
    exposures : sequence of image-like
        Arrays, masked arrays, ``Quantity``, ``CCDData`` and ``NDData``, images of `evensky.image`, or names of FITS
        files. They are not changed. Those with an origin (``xy0``) may cover different parts of one pixel grid.
    reference : int, str or Path, optional
        Index, file or label of the exposure that stays as it is; the best one where left out.
    level : str, optional
        What stays as it is: the "reference" (default); the "mean" of all, as corrections add up to nothing; the
        exposure of the "lowest" level.
    bin_size : int, optional
        Size of the bins in pixels; 16 bins along the shorter side of an exposure where left out.
    statistic : str, optional
        What is measured in a bin: "meanclip" (default), "mean" or "median".
    order : int, optional
        Highest order of a Chebyshev series among the candidates, 8 where left out.
    spline : bool, optional
        Whether splines are among them; they are where left out.
    sigma, rounds : optional
        Of the clipping: 3 standard deviations, 3 times, where left out.
    bad_planes : str or iterable of str, optional
        Names of mask planes whose pixels do not count.
    add_variance : bool, optional
        Add the variance of the correction to the variance plane.
    config : MatchAllConfig, optional
        What is left out above is as it says; its defaults where it is left out too.
    pictures : bool, optional
        Make small pictures for the report.
    progress : bool, optional
        Show progress bars.

    Returns
    -------
    MatchAllResult
        One exposure that fails does not stop the others. Exposures that share no good pixel with the others, directly
        or by way of further ones, are matched among themselves, and the result's notes say so.

    Raises
    ------
    evensky.errors.InvalidParameterError
        For no exposures, or a parameter that is not allowed.
    evensky.errors.OutOfRangeError
        For a reference that is none of them.
    evensky.errors.TaskError
        Where no exposure can be the reference.

    Examples
    --------
    >>> import numpy as np, evensky
    >>> random = np.random.default_rng(1)
    >>> scene = random.normal(100, 1, (300, 400))
    >>> exposures = [scene + level + random.normal(0, 1, scene.shape) for level in (0, 20, -7)]
    >>> result = evensky.match_all(exposures, reference=0)
    >>> [model.name for model in result.models]
    ['none', 'constant', 'constant']
    """
    from .matching.joint.config import MatchAllConfig
    from .tasks.configuration import change_config
    from .tasks.match_all import match_all_exposures

    planes = [bad_planes] if isinstance(bad_planes, str) else bad_planes
    given = {
        "level": level,
        "bin_size": bin_size,
        "statistic": statistic.upper() if isinstance(statistic, str) else statistic,
        "order": order,
        "spline": spline,
        "sigma": sigma,
        "rounds": rounds,
        "bad_planes": None if planes is None else list(planes),
        "add_variance": add_variance,
    }
    made = change_config(config, {name: value for name, value in given.items() if value is not None}, MatchAllConfig)
    matched, models, run = match_all_exposures(list(exposures), reference, made, pictures=pictures, progress=progress)
    return MatchAllResult(matched, run, models)
