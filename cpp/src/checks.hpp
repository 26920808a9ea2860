#pragma once

// Checks of arguments that are common to several parts of the library.

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>

#include "evensky/background.hpp"
#include "evensky/box.hpp"
#include "evensky/errors.hpp"
#include "evensky/view.hpp"

namespace evensky::detail {

// Throw LengthError if sums of the coordinates of a box would overflow.
inline void checkRepresentable(Box const& box) {
    if (box.isRepresentable()) return;
    throw LengthError("A box of " + std::to_string(box.width) + " x " + std::to_string(box.height) + " pixels at (" +
                      std::to_string(box.x0) + ", " + std::to_string(box.y0) +
                      ") reaches beyond the largest coordinate, 2^63 - 1");
}

// Write a number for a message, with as many digits as it needs.
[[nodiscard]] inline std::string numberToString(double value) {
    std::array<char, 32> text{};
    for (int digits = 6; digits <= 17; ++digits) {
        std::snprintf(text.data(), text.size(), "%.*g", digits, value);
        if (std::strtod(text.data(), nullptr) == value) break;
    }
    return text.data();
}

// Return a / b, rounded up, for a >= 0, without a sum that could overflow.
[[nodiscard]] constexpr std::int64_t ceilDivide(std::int64_t a, std::int64_t b) noexcept {
    return a / b + static_cast<std::int64_t>(a % b != 0);
}

// Largest number of pixels of an image. No more fit into memory, but a view whose strides are 0 can have more, which
// could not be counted.
inline constexpr std::int64_t mostPixels = (std::int64_t{1} << 62) - 1;

// Throw LengthError if a view has more pixels than can be counted.
template <typename View>
void checkCountable(View const& view, std::string const& name) {
    if (view.width() <= 0 || view.height() <= 0 || view.width() <= mostPixels / view.height()) return;
    throw LengthError(name + " is " + sizeToString(view) + "; an image can have at most 2^62 - 1 pixels");
}

// Throw an error if a plane exists but differs in size from the image; both names appear in the message.
template <typename E = LengthError, typename Plane, typename Image>
void checkPlaneSize(Plane const& plane, std::string const& name, Image const& image, char const* imageName) {
    if (!plane.exists() || (plane.width() == image.width() && plane.height() == image.height())) return;
    throw E(name + " is " + sizeToString(plane) + " but " + imageName + " is " + sizeToString(image) +
            "; they must be equal");
}

// Throw an error if an output has pixels but no memory, or more pixels than can be counted.
template <typename View>
void checkOutput(View const& out) {
    if (out.width() <= 0 || out.height() <= 0) return;
    checkCountable(out, "The output");
    if (out.exists()) return;
    throw InvalidParameterError("The output is a view of " + sizeToString(out) +
                                " pixels without memory; it must have pixels");
}

// Throw InvalidParameterError if a style does not exist.
inline void checkUndersampleStyle(UndersampleStyle style) {
    if (style == THROW_EXCEPTION || style == REDUCE_INTERP_ORDER || style == INCREASE_NXNYSAMPLE) return;
    throw InvalidParameterError("Undersample style " + std::to_string(static_cast<int>(style)) +
                                " does not exist; it must be THROW_EXCEPTION (0), REDUCE_INTERP_ORDER (1) or "
                                "INCREASE_NXNYSAMPLE (2)");
}

// Throw InvalidParameterError if a match cannot use a statistic.
inline void checkGridStatistic(Property statistic) {
    if (statistic == MEAN || statistic == MEDIAN || statistic == MEANCLIP) return;
    throw InvalidParameterError("gridStatistic = " + std::to_string(static_cast<int>(statistic)) +
                                "; it must be MEAN (4), MEDIAN (32) or MEANCLIP (128)");
}

}  // namespace evensky::detail
