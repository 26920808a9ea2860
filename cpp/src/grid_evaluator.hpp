#pragma once

// Row-by-row evaluation of the interpolated model of a background.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checks.hpp"
#include "evensky/background.hpp"
#include "evensky/box.hpp"
#include "evensky/view.hpp"
#include "threads.hpp"

namespace evensky {

// Evaluator with one interpolant for each column of bins. Rows may be evaluated in any order and in several threads.
class GridEvaluator {
public:
    GridEvaluator(Background const& background, Interpolate::Style interpStyle, UndersampleStyle undersampleStyle);
    // Evaluator of values in bins with given centres, row by row of bins; NaN for bins to ignore.
    GridEvaluator(std::vector<double> centersX, std::vector<double> const& centersY, std::vector<double> const& values,
                  Interpolate::Style interpStyle, UndersampleStyle undersampleStyle);

    [[nodiscard]] AsUsed asUsed() const noexcept { return {_style, _undersampleStyle}; }

    // Working memory of one thread.
    struct Scratch {
        std::vector<double> knots, values, line, columns, coefficients;
    };

    // Evaluate the model in a part of the box of an image, optionally with 0 instead of negative values. T is float or
    // double.
    template <typename T>
    void image(Box const& part, Box const& all, ImageView<T> const& out, int num_threads, bool positive = false) const {
        if (part.isEmpty()) return;
        constexpr std::ptrdiff_t rowsPerPiece = 32;
        auto const pieces = detail::ceilDivide(part.height, rowsPerPiece);
        detail::parallelForWith<Scratch>(pieces, num_threads, [&](std::ptrdiff_t piece, Scratch& scratch) {
            auto const start = piece * rowsPerPiece;
            auto const some = out.subview({0, start, part.width, std::min(part.height - start, rowsPerPiece)});
            rows(part.y0 - all.y0 + start, part.x0 - all.x0, some, scratch, positive);
        });
    }

    // Evaluate the model at rows y, y + 1, ... and columns x0, x0 + 1, ..., counted from the corner of the image, for
    // all pixels of `out`. T is float or double.
    template <typename T>
    void rows(std::int64_t y, std::int64_t x0, ImageView<T> const& out, Scratch& scratch, bool positive = false) const;

private:
    [[nodiscard]] Interpolate::Style styleFor(std::size_t points) const;
    // Throw OutOfRangeError if `good` bins are too few for the style; `where` names the column or row.
    void checkGood(std::size_t good, std::string const& where) const;
    // Write the values of all columns at some rows, side by side, to `scratch`; return whether none is NaN.
    bool columnsAt(std::int64_t y, std::size_t rows, Scratch& scratch) const;
    template <typename T>
    void oneRow(std::ptrdiff_t s, std::int64_t x0, ImageView<T> const& out, Scratch& scratch) const;
    void akimaRows(std::int64_t x0, ImageView<float> const& out, Scratch& scratch) const;

    Interpolate::Style _style;
    UndersampleStyle _undersampleStyle;
    std::vector<double> _centersX;
    std::vector<std::optional<Interpolate>> _columns;
};

}  // namespace evensky
