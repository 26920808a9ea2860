#pragma once

/// @file
/// Terms of two-dimensional Chebyshev series, as means over rectangles.

#include <cstddef>
#include <cstdint>
#include <span>

#include "evensky/box.hpp"
#include "evensky/export.hpp"

namespace evensky {

/// Compute mean values over rectangles of the terms T_p(x') T_q(y'), p + q <= order, where x' and y' map the outer
/// pixel edges of a box (min - 0.5, max + 0.5) to -1 and +1.
///
/// The integral of T_n is (T_{n+1} / (n + 1) - T_{n-1} / (n - 1)) / 2 (DLMF 18.17). Terms that depend on a position
/// that is NaN are NaN, and so are those of degree 2 and more along an axis where a size is. The function is
/// thread-safe.
/// @param bbox    box of the series; it must not be empty
/// @param order   highest total degree, >= 0
/// @param x, y    centres of n rectangles, in the coordinates of the box; they may lie outside
/// @param width, height  sizes of the rectangles in pixels, of the same number, not negative; 0 for the value at the
///                       centre. Means over less than about a millionth of the box lose digits
/// @param terms   output: for each of the (order + 1)(order + 2)/2 terms its n values, sorted as the coefficients of
///                Approximate
/// @throws InvalidParameterError if the box is empty or the order negative
/// @throws LengthError if the numbers do not agree
EVENSKY_EXPORT void chebyshevMeans(Box const& bbox, int order, std::span<double const> x, std::span<double const> y,
                                   std::span<double const> width, std::span<double const> height,
                                   std::span<double> terms);

}  // namespace evensky
