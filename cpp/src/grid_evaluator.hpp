#pragma once

// A background's interpolated model, row by row.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "evensky/background.hpp"
#include "evensky/view.hpp"

namespace evensky {

// Holds one interpolant for each column of bins; rows are then made in any order, from any thread.
class GridEvaluator {
public:
    GridEvaluator(Background const& background, Interpolate::Style interpStyle, UndersampleStyle undersampleStyle);

    [[nodiscard]] AsUsed asUsed() const noexcept { return {_style, _undersampleStyle}; }

    // Memory for one thread.
    struct Scratch {
        std::vector<double> knots, values, line, columns, coefficients;
    };

    // The model at rows y, y + 1, ... (counted from the image's own corner) and columns x0, ..., as many as `out` has.
    // T is float or double.
    template <typename T>
    void rows(std::int64_t y, std::int64_t x0, ImageView<T> const& out, Scratch& scratch) const;

private:
    [[nodiscard]] Interpolate::Style styleFor(std::size_t points) const;
    // Throws OutOfRangeError where `where` has too few good bins for the style.
    void checkGood(std::size_t good, std::string const& where) const;
    // Values of all columns at some rows, side by side; true where none is NaN.
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
