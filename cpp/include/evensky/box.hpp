#pragma once

/// @file
/// Integer boxes in pixel coordinates.

#include <cstdint>
#include <limits>
#include <string>

#include "evensky/export.hpp"

namespace evensky {

/// A rectangle of whole pixels: columns x0 .. x0 + width - 1, rows y0 .. y0 + height - 1. Empty where a side is <= 0.
struct EVENSKY_EXPORT Box {
    std::int64_t x0 = 0;      ///< first column
    std::int64_t y0 = 0;      ///< first row
    std::int64_t width = 0;   ///< number of columns
    std::int64_t height = 0;  ///< number of rows

    /// True where there is no pixel in it.
    [[nodiscard]] constexpr bool isEmpty() const noexcept { return width <= 0 || height <= 0; }

    /// True where every pixel of it has coordinates that can be written as numbers, and so has the pixel behind its
    /// last.
    [[nodiscard]] constexpr bool isRepresentable() const noexcept {
        return isEmpty() || (x0 <= std::numeric_limits<std::int64_t>::max() - width &&
                             y0 <= std::numeric_limits<std::int64_t>::max() - height);
    }

    /// True where every pixel of `other` belongs to this box. An empty box is contained everywhere.
    [[nodiscard]] constexpr bool contains(Box const& other) const noexcept {
        return other.isEmpty() || (!isEmpty() && contains(x0, width, other.x0, other.width) &&
                                   contains(y0, height, other.y0, other.height));
    }

    /// True where all four numbers agree.
    friend constexpr bool operator==(Box const&, Box const&) = default;

    /// "(xmin:xmax,ymin:ymax)", ends inclusive; "(empty)" where it is.
    [[nodiscard]] std::string toString() const;

private:
    // Does [from, from + size) hold [otherFrom, otherFrom + otherSize)? No sum here can overflow.
    static constexpr bool contains(std::int64_t from, std::int64_t size, std::int64_t otherFrom,
                                   std::int64_t otherSize) noexcept {
        return otherFrom >= from && otherSize <= size &&
               static_cast<std::uint64_t>(otherFrom) - static_cast<std::uint64_t>(from) <=
                       static_cast<std::uint64_t>(size - otherSize);
    }
};

}  // namespace evensky
