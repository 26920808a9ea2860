#pragma once

/// @file
/// Integer boxes in pixel coordinates.

#include <cstdint>
#include <string>

#include "evensky/export.hpp"

namespace evensky {

/// A rectangle of whole pixels: columns x0 .. x0 + width - 1, rows y0 .. y0 + height - 1. Empty where a side is <= 0.
struct EVENSKY_EXPORT Box {
    std::int64_t x0 = 0;
    std::int64_t y0 = 0;
    std::int64_t width = 0;
    std::int64_t height = 0;

    [[nodiscard]] constexpr bool isEmpty() const noexcept { return width <= 0 || height <= 0; }

    /// True where every pixel of `other` belongs to this box. An empty box is contained everywhere.
    [[nodiscard]] constexpr bool contains(Box const& other) const noexcept {
        return other.isEmpty() || (other.x0 >= x0 && other.y0 >= y0 && other.x0 + other.width <= x0 + width &&
                                   other.y0 + other.height <= y0 + height);
    }

    friend constexpr bool operator==(Box const&, Box const&) = default;

    /// "(xmin:xmax,ymin:ymax)", ends inclusive.
    [[nodiscard]] std::string toString() const;
};

}  // namespace evensky
