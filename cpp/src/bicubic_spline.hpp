#pragma once

// The bicubic spline through the levels of boxes of one size, as sep evaluates it.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "evensky/view.hpp"

namespace evensky::detail {

// Bicubic spline through the values of boxes of one size, the first of which begins at the first pixel.
//
// It interpolates along columns of boxes and then along rows of pixels. Between two boxes it is a cubic with curvatures
// (second derivatives) that are zero at the first and the last box, as those of a natural spline. Two properties were
// determined from what sep 1.4.1 returns, and are kept so that images are the same:
//
// - The equations for the curvatures are solved by elimination and substitution, but the substitution multiplies the
//   curvature of the next box by a sixth of its coefficient. They are those of the natural spline for up to three
//   boxes; for more, the second derivative is not continuous.
// - The boxes are centred on their middle along x, and half a pixel above it along y.
//
// Boxes at the far edges are taken to be of the full size. Beyond the outer boxes, the outer cubics go on. If there is
// only one row of boxes, the image is linear between boxes.
class BicubicSpline {
public:
    // values: row by row of boxes, nx in each row; width and height: size of a box in pixels
    BicubicSpline(std::span<double const> values, std::ptrdiff_t nx, std::int64_t width, std::int64_t height);

    // Working memory of one thread.
    struct Scratch {
        std::vector<double> columns, coefficients, eliminated;
    };

    // Evaluate rows y, y + 1, ... and columns x0, x0 + 1, ..., counted from the first pixel, for all pixels of `out`. T
    // is float or double.
    template <typename T>
    void rows(std::int64_t y, std::int64_t x0, ImageView<T> const& out, Scratch& scratch) const;

private:
    void columnsAt(std::int64_t y, std::ptrdiff_t rows, Scratch& scratch) const;
    void alongRows(Scratch& scratch) const;

    std::span<double const> _values;
    std::ptrdiff_t _nx, _ny;
    std::int64_t _width, _height;
    std::vector<double> _curvatures;    // along y, in boxes
    std::vector<double> _coefficients;  // of the substitution, for each box of the longer side
};

}  // namespace evensky::detail
