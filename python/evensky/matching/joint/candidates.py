"""Candidate models of an exposure: a smooth part (nothing, a series or a spline) with any further terms."""

from __future__ import annotations

__all__ = ["NONE", "Candidate", "Extra", "smooth_candidates", "terms_of_order"]

from dataclasses import dataclass, replace
from functools import cached_property

# Numbers of bins per node along a side, for fine and coarse splines, and for splines that vary in one direction only.
_BINS_PER_NODE = (2, 3)
_BINS_PER_NODE_OF_ROWS = (1, 2)
FEWEST_NODES = 4
"""Least number of nodes of a spline along an axis."""


def terms_of_order(order: int) -> int:
    """Return the number of terms of a series of total degree up to `order`; -1 has none."""
    return (order + 1) * (order + 2) // 2


@dataclass(frozen=True)
class Extra:
    """A term besides the smooth part.

    Attributes
    ----------
    kind : str
        One of `evensky.matching.joint.terms.KINDS`, except "smooth".
    name : str
        Name of the term.
    terms : int
        Number of its coefficients.
    nodes : int
        Number of nodes along y ("rows") or x ("columns"); 0 for other kinds.
    """

    kind: str
    name: str
    terms: int
    nodes: int = 0

    @property
    def label(self) -> str:
        """Name in results and reports."""
        return f"{self.name} {self.nodes}" if self.nodes else self.name


@dataclass(frozen=True)
class Candidate:
    """A kind of model.

    Attributes
    ----------
    order : int
        Total degree of a series; -1 for a spline, and for no smooth part.
    nodes : (int, int) or None
        Columns and rows of the nodes of a spline; None for a series.
    extras : tuple of Extra
        Further terms.
    """

    order: int = -1
    nodes: tuple[int, int] | None = None
    extras: tuple[Extra, ...] = ()

    @property
    def smooth(self) -> Candidate:
        """The smooth part alone."""
        return replace(self, extras=()) if self.extras else self

    @cached_property
    def smooth_terms(self) -> int:
        """Number of coefficients of the smooth part, which come first."""
        return terms_of_order(self.order) if self.nodes is None else self.nodes[0] * self.nodes[1]

    @cached_property
    def terms(self) -> int:
        """Number of coefficients."""
        return self.smooth_terms + sum(extra.terms for extra in self.extras)

    @property
    def name(self) -> str:
        """Name in results and reports."""
        if self.nodes is not None:
            smooth = f"spline {self.nodes[0]} x {self.nodes[1]}"
        else:
            smooth = {-1: "none", 0: "constant", 1: "plane"}.get(self.order, f"Chebyshev {self.order}")
        labels = [extra.label for extra in self.extras]
        return " + ".join(labels if labels and self.smooth_terms == 0 else [smooth, *labels])

    @property
    def polynomial(self) -> int:
        """Highest total degree of the polynomials that the candidate represents exactly, wherever they are centred."""
        if self.nodes is None:
            return self.order
        return 1 if min(self.nodes) > 1 else 0


NONE = Candidate()


def smooth_candidates(order: int, bins: tuple[int, int], *, spline: bool = True) -> list[Candidate]:
    """Make the candidates for the smooth part of a model, the simplest first.

    Parameters
    ----------
    order : int
        Highest order of a series.
    bins : (int, int)
        Columns and rows of bins of the exposure.
    spline : bool, optional
        Whether splines are among the candidates.
    """
    found = [Candidate(degree) for degree in range(-1, order + 1)]
    if spline:
        nx, ny = bins
        sizes = {(nx // per_node, ny // per_node) for per_node in _BINS_PER_NODE}
        # Drifts during read-out change the level from row to row, or from column to column.
        sizes |= {(1, ny // per_node) for per_node in _BINS_PER_NODE_OF_ROWS}
        sizes |= {(nx // per_node, 1) for per_node in _BINS_PER_NODE_OF_ROWS}
        found += [
            Candidate(nodes=size) for size in sizes if all(n == 1 or n >= FEWEST_NODES for n in size) and max(size) > 1
        ]
    return sorted(found, key=lambda candidate: (candidate.terms, candidate.nodes or (0, 0)))


def drift_extras(kind: str, bins: int) -> list[Extra]:
    """Make the terms of rows or columns that drift beside a smooth part that holds a plane, the coarsest first.

    A spline along one axis holds a constant and a slope, which the smooth part has already: two terms fewer than nodes.
    """
    numbers = sorted({bins // per_node for per_node in _BINS_PER_NODE_OF_ROWS})
    return [Extra(kind, kind, n - 2, n) for n in numbers if n >= FEWEST_NODES]
