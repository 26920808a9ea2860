#pragma once

// A background's interpolated model, row by row.

#include <optional>
#include <vector>

#include "evensky/background.hpp"

namespace evensky {

// Holds one interpolant for each column of bins; rows are then made one at a time, in any order, from any thread.
class GridEvaluator {
public:
    GridEvaluator(Background const& background, Interpolate::Style interpStyle, UndersampleStyle undersampleStyle);

    [[nodiscard]] AsUsed asUsed() const noexcept { return {_style, _undersampleStyle}; }

    // Memory for one thread.
    struct Scratch {
        std::vector<double> knots, values;
    };

    // The model at row y (counted from the image's own corner), columns x0 .. x0 + n - 1, likewise.
    void row(std::int64_t y, std::int64_t x0, std::size_t n, double* out, Scratch& scratch) const;

private:
    [[nodiscard]] Interpolate::Style styleFor(std::size_t points) const;

    Interpolate::Style _style;
    UndersampleStyle _undersampleStyle;
    std::vector<double> _centersX;
    std::vector<std::optional<Interpolate>> _columns;
};

}  // namespace evensky
