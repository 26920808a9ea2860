"""Catch the errors of wrong arguments."""

import lsst.geom as geom
import lsst.pex.exceptions as pexExcept


def caught(kind, call):
    try:
        call()
    except kind as error:
        return str(error) != ""
    return False


# Wrong types, as the original's bindings refuse them.
assert caught(TypeError, lambda: geom.Point2I(1.5, 2))
assert caught(TypeError, lambda: geom.Point2I("a", "b"))
assert caught(TypeError, lambda: geom.Extent2I(geom.Extent2D(1.5, 2)))
assert caught(TypeError, lambda: geom.Box2I(geom.Point2D(1, 2), geom.Extent2I(1, 1)))
assert caught(TypeError, lambda: geom.Box2I(geom.Point2I(1, 2), geom.Extent2D(1, 1)))
assert caught(TypeError, lambda: geom.Box2I().overlaps(geom.Box2D()))
assert caught(TypeError, lambda: geom.Point2I(1, 2).lt(geom.Extent2I(1, 2)))
assert caught(TypeError, lambda: geom.Point2I(1, 2) + geom.Point2I(1, 2))


def add_fractions():
    point = geom.Point2I(1, 2)
    point += geom.Extent2D(0.5, 0.5)


assert caught(TypeError, add_fractions)

# Wrong values.
assert caught(IndexError, lambda: geom.Point2I(1, 2)[2])
assert caught(
    pexExcept.InvalidParameterError,
    lambda: geom.Box2I.makeCenteredBox(geom.Point2D(float("nan"), 0), geom.Extent2I(1, 1)),
)
assert caught(
    pexExcept.InvalidParameterError, lambda: geom.Box2I(geom.Box2D(geom.Point2D(0, 0), geom.Point2D(1, float("inf"))))
)
assert caught(
    pexExcept.Exception, lambda: geom.Box2I.makeCenteredBox(geom.Point2D(float("inf"), 0), geom.Extent2I(1, 1))
)

for name in [
    "InvalidParameter",
    "Length",
    "OutOfRange",
    "NotFound",
    "Runtime",
    "Logic",
    "Type",
    "Domain",
    "Overflow",
    "Underflow",
    "Range",
    "Io",
]:
    kind = getattr(pexExcept, f"{name}Error")
    assert issubclass(kind, pexExcept.Exception)
    assert getattr(pexExcept, name) is kind
    assert caught(pexExcept.Exception, lambda kind=kind: (_ for _ in ()).throw(kind("said")))
assert issubclass(pexExcept.LengthError, pexExcept.LogicError)
assert issubclass(pexExcept.OverflowError, OverflowError)
assert issubclass(pexExcept.RuntimeError, RuntimeError)
assert issubclass(pexExcept.IoError, OSError)
assert issubclass(pexExcept.NotFoundError, LookupError)
assert issubclass(pexExcept.TypeError, TypeError)
