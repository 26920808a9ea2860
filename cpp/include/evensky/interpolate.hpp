#pragma once

/// @file
/// One-dimensional interpolation.

#include <cstddef>
#include <string>
#include <vector>

#include "evensky/export.hpp"

namespace evensky {

/// An interpolant through knots (x, y). Immutable after construction; evaluation is const and thread-safe.
///
/// - CONSTANT: steps at the mid-points of the knots; from mid-point k-1|k to k|k+1 the mean of y[k-1] and y[k], as the
///   original has it. Beyond the ends the end knots' values.
/// - LINEAR: straight segments.
/// - NATURAL_SPLINE, CUBIC_SPLINE: the same, cubic with zero second derivative at both ends.
/// - CUBIC_SPLINE_PERIODIC: cubic, value, slope and curvature agree at both ends (first y == last y expected).
/// - AKIMA_SPLINE: Akima (1970), J. ACM 17, 589; AKIMA_SPLINE_PERIODIC wraps round at the ends.
///
/// Outside the knots (all but CONSTANT) the interpolant goes on quadratically, with its first and second derivative at
/// the end knot. NaN in, NaN out.
class EVENSKY_EXPORT Interpolate {
public:
    /// How to interpolate; see above.
    enum Style : int {
        UNKNOWN = -1,
        CONSTANT = 0,
        LINEAR = 1,
        NATURAL_SPLINE = 2,
        CUBIC_SPLINE = 3,
        CUBIC_SPLINE_PERIODIC = 4,
        AKIMA_SPLINE = 5,
        AKIMA_SPLINE_PERIODIC = 6,
        NUM_STYLES
    };

    /// @param x  positions of the knots, strictly increasing
    /// @param y  values at the knots
    /// @param style  how to go from knot to knot
    /// @throws OutOfRangeError where lengths differ, x does not increase strictly or is not finite, or there are fewer
    ///         knots than the style needs (the message names style and number)
    /// @throws InvalidParameterError for a style that is none of the above
    Interpolate(std::vector<double> const& x, std::vector<double> const& y, Style style = AKIMA_SPLINE);

    /// Value at `x`.
    [[nodiscard]] double interpolate(double x) const noexcept;

    /// Values at the `n` positions `x`.
    void interpolate(double const* x, std::size_t n, double* out) const noexcept;

    /// Values at the consecutive positions start, start + 1, ... : one row of pixels.
    void interpolateRow(double start, std::size_t n, double* out) const noexcept;
    /// The same, rounded to float at the end.
    void interpolateRow(double start, std::size_t n, float* out) const noexcept;

    [[nodiscard]] Style getStyle() const noexcept { return _style; }               ///< As made.
    [[nodiscard]] std::vector<double> const& getX() const noexcept { return _x; }  ///< Positions of the knots.
    [[nodiscard]] std::vector<double> const& getY() const noexcept { return _y; }  ///< Values at the knots.

private:
    // y + d (b + d (c + d e)), d counted from the segment's origin.
    struct Segment {
        double origin = 0.0, y = 0.0, b = 0.0, c = 0.0, e = 0.0;
        [[nodiscard]] double operator()(double x) const noexcept {
            double const d = x - origin;
            return y + d * (b + d * (c + d * e));
        }
    };

    template <typename Work>
    void alongRow(double start, std::size_t n, Work const& work) const;
    void buildConstant();
    void buildLinear();
    void buildCubic(bool periodic);
    void buildAkima(bool periodic);
    void addExtrapolation();

    Style _style;
    std::vector<double> _x, _y;
    // Segment k serves [_edges[k-1], _edges[k]); the first reaches to -infinity, the last to +infinity.
    std::vector<double> _edges;
    std::vector<Segment> _segments;
};

/// The interpolant, as a function. See Interpolate.
[[nodiscard]] EVENSKY_EXPORT Interpolate makeInterpolate(std::vector<double> const& x, std::vector<double> const& y,
                                                         Interpolate::Style style = Interpolate::AKIMA_SPLINE);

/// "AKIMA_SPLINE" -> AKIMA_SPLINE etc. @throws NotFoundError that lists the known names
[[nodiscard]] EVENSKY_EXPORT Interpolate::Style stringToInterpStyle(std::string const& style);

/// The name of a style. @throws InvalidParameterError where it has none
[[nodiscard]] EVENSKY_EXPORT std::string interpStyleToString(Interpolate::Style style);

/// The most flexible style that `n` points allow. @throws InvalidParameterError where n < 1
[[nodiscard]] EVENSKY_EXPORT Interpolate::Style lookupMaxInterpStyle(int n);

/// The least number of points that a style needs. @throws InvalidParameterError for a style that is none
[[nodiscard]] EVENSKY_EXPORT int lookupMinInterpPoints(Interpolate::Style style);

}  // namespace evensky
