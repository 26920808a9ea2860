#pragma once

/// @file
/// Integer boxes in pixel coordinates.

#include <cstdint>
#include <limits>
#include <string>

#include "evensky/export.hpp"

namespace evensky {

/// Rectangle of whole pixels: columns x0 .. x0 + width - 1, rows y0 .. y0 + height - 1. It is empty if a side is <= 0.
struct EVENSKY_EXPORT Box {
    std::int64_t x0 = 0;      ///< first column
    std::int64_t y0 = 0;      ///< first row
    std::int64_t width = 0;   ///< number of columns
    std::int64_t height = 0;  ///< number of rows

    /// Return whether the box has no pixels.
    [[nodiscard]] constexpr bool isEmpty() const noexcept { return width <= 0 || height <= 0; }

    /// Return whether the coordinates of all pixels, and those of the pixel after the last, fit 64-bit integers.
    [[nodiscard]] constexpr bool isRepresentable() const noexcept {
        return isEmpty() || (x0 <= std::numeric_limits<std::int64_t>::max() - width &&
                             y0 <= std::numeric_limits<std::int64_t>::max() - height);
    }

    /// Return whether this box contains every pixel of `other`. Every box contains an empty box.
    [[nodiscard]] constexpr bool contains(Box const& other) const noexcept {
        return other.isEmpty() || (!isEmpty() && contains(x0, width, other.x0, other.width) &&
                                   contains(y0, height, other.y0, other.height));
    }

    /// Return whether all four numbers are equal.
    friend constexpr bool operator==(Box const&, Box const&) = default;

    /// Return "(xmin:xmax,ymin:ymax)", with inclusive ends, or "(empty)".
    [[nodiscard]] std::string toString() const;

private:
    // Return whether [from, from + size) contains [otherFrom, otherFrom + otherSize), without sums that could overflow.
    static constexpr bool contains(std::int64_t from, std::int64_t size, std::int64_t otherFrom,
                                   std::int64_t otherSize) noexcept {
        return otherFrom >= from && otherSize <= size &&
               static_cast<std::uint64_t>(otherFrom) - static_cast<std::uint64_t>(from) <=
                       static_cast<std::uint64_t>(size - otherSize);
    }
};

}  // namespace evensky
