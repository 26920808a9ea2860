"""Points, extents, intervals, boxes and angles with the names of ``lsst.geom``; x always comes before y.

Scripts written for ``lsst.geom`` need only ``import evensky.geom as geom``.
"""

from __future__ import annotations

import builtins as _builtins
import math as _math

from .angles import (
    Angle,
    AngleUnit,
    arcminutes,
    arcseconds,
    arcsecToRad,
    degrees,
    degToRad,
    hours,
    isAngle,
    masToRad,
    milliarcseconds,
    radians,
    radToArcsec,
    radToDeg,
    radToMas,
)
from .boxes import Box2D, Box2I, BoxD, BoxI, box_numbers, trusted_box
from .intervals import EdgeHandlingEnum, IntervalD, IntervalI
from .pairs import (
    CoordinateExpr2,
    Extent2D,
    Extent2I,
    ExtentD,
    ExtentI,
    Point2D,
    Point2I,
    PointD,
    PointI,
    ceil,
    floor,
    truncate,
    trusted_point,
)
from .sphere import SpherePoint

# They combine a CoordinateExpr2, and are names of the original's module; a star import leaves them out.
all, any = _builtins.all, _builtins.any  # noqa: A001

PI, TWOPI, HALFPI = _math.pi, 2 * _math.pi, 0.5 * _math.pi

__all__ = [
    "HALFPI",
    "PI",
    "TWOPI",
    "Angle",
    "AngleUnit",
    "Box2D",
    "Box2I",
    "BoxD",
    "BoxI",
    "CoordinateExpr2",
    "EdgeHandlingEnum",
    "Extent2D",
    "Extent2I",
    "ExtentD",
    "ExtentI",
    "IntervalD",
    "IntervalI",
    "Point2D",
    "Point2I",
    "PointD",
    "PointI",
    "SpherePoint",
    "arcminutes",
    "arcsecToRad",
    "arcseconds",
    "box_numbers",
    "ceil",
    "degToRad",
    "degrees",
    "floor",
    "hours",
    "isAngle",
    "masToRad",
    "milliarcseconds",
    "radToArcsec",
    "radToDeg",
    "radToMas",
    "radians",
    "truncate",
    "trusted_box",
    "trusted_point",
]
