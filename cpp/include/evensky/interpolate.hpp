#pragma once

/// @file
/// One-dimensional interpolation.

#include <cstddef>
#include <string>
#include <vector>

#include "evensky/export.hpp"

namespace evensky {

/// Interpolant through knots (x, y). It is immutable, and several threads may evaluate it at once.
///
/// - CONSTANT: steps at the mid-points of the knots; from mid-point k-1|k to k|k+1 the mean of y[k-1] and y[k], as in
///   lsst.afw.math. Beyond the outer knots, their values.
/// - LINEAR: straight segments.
/// - NATURAL_SPLINE, CUBIC_SPLINE: both a cubic spline with zero second derivative at both ends.
/// - CUBIC_SPLINE_PERIODIC: cubic spline with equal value, slope and curvature at both ends; the first and the last y
///   should be equal.
/// - AKIMA_SPLINE: spline of Akima (1970), J. ACM 17, 589; AKIMA_SPLINE_PERIODIC is its periodic variant.
///
/// Beyond the outer knots, all styles except CONSTANT extrapolate quadratically, with the first and second derivative
/// at the outer knot. The result is NaN if the position, or a value that it depends on, is NaN.
class EVENSKY_EXPORT Interpolate {
public:
    /// Style of the interpolation, see the class.
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

    /// @param x      positions of the knots, strictly increasing
    /// @param y      values at the knots
    /// @param style  style of the interpolation
    /// @throws OutOfRangeError if the lengths differ, x does not increase strictly or is not finite, there are fewer
    /// knots
    ///         than the style needs, or the knots of a spline are less than 1e-100 apart or extend over more than
    ///         1e100; the message names the style and the number
    /// @throws InvalidParameterError if the style is UNKNOWN, NUM_STYLES or not a member of the enumeration
    Interpolate(std::vector<double> const& x, std::vector<double> const& y, Style style = AKIMA_SPLINE);

    /// Return the value at `x`.
    [[nodiscard]] double interpolate(double x) const noexcept;

    /// Write the values at the `n` positions `x` to `out`.
    void interpolate(double const* x, std::size_t n, double* out) const noexcept;

    /// Write the values at the `n` positions start, start + 1, ... to `out`, as for a row of pixels.
    void interpolateRow(double start, std::size_t n, double* out) const noexcept;
    /// Write the values at the `n` positions start, start + 1, ... to `out`, computed in double and rounded to float.
    void interpolateRow(double start, std::size_t n, float* out) const noexcept;

    [[nodiscard]] Style getStyle() const noexcept { return _style; }               ///< Style.
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
    // Segment k covers [_edges[k-1], _edges[k]); the first begins at -infinity, the last ends at +infinity.
    std::vector<double> _edges;
    std::vector<Segment> _segments;
};

/// Make an interpolant; see the constructor of Interpolate.
[[nodiscard]] EVENSKY_EXPORT Interpolate makeInterpolate(std::vector<double> const& x, std::vector<double> const& y,
                                                         Interpolate::Style style = Interpolate::AKIMA_SPLINE);

/// Return the style with a given name, such as "AKIMA_SPLINE".
/// @throws NotFoundError if the name is unknown; the message lists the known ones
[[nodiscard]] EVENSKY_EXPORT Interpolate::Style stringToInterpStyle(std::string const& style);

/// Return the name of a style. @throws InvalidParameterError if the style is UNKNOWN or does not exist
[[nodiscard]] EVENSKY_EXPORT std::string interpStyleToString(Interpolate::Style style);

/// Return the most flexible style that `n` points allow. @throws InvalidParameterError if n < 1
[[nodiscard]] EVENSKY_EXPORT Interpolate::Style lookupMaxInterpStyle(int n);

/// Return the smallest number of points that a style needs.
/// @throws OutOfRangeError if the style is UNKNOWN or does not exist
[[nodiscard]] EVENSKY_EXPORT int lookupMinInterpPoints(Interpolate::Style style);

}  // namespace evensky
