#pragma once

// Checks of arguments that several parts of the library take.

#include <string>

#include "evensky/background.hpp"
#include "evensky/box.hpp"
#include "evensky/errors.hpp"
#include "evensky/view.hpp"

namespace evensky::detail {

// Throws LengthError where sums of the box's coordinates would overflow.
inline void checkRepresentable(Box const& box) {
    if (box.isRepresentable()) return;
    throw LengthError("A box of " + std::to_string(box.width) + " x " + std::to_string(box.height) + " pixels at (" +
                      std::to_string(box.x0) + ", " + std::to_string(box.y0) +
                      ") reaches beyond the largest coordinate, 2^63 - 1");
}

// Throws LengthError where a plane exists and has not the image's size; both are named as the message has them.
template <typename Plane, typename Image>
void checkPlaneSize(Plane const& plane, std::string const& name, Image const& image, char const* imageName) {
    if (!plane.exists() || (plane.width() == image.width() && plane.height() == image.height())) return;
    throw LengthError(name + " is " + sizeToString(plane) + " but " + imageName + " is " + sizeToString(image) +
                      "; they must be equal");
}

// Throws InvalidParameterError for a style that is none.
inline void checkUndersampleStyle(UndersampleStyle style) {
    if (style == THROW_EXCEPTION || style == REDUCE_INTERP_ORDER || style == INCREASE_NXNYSAMPLE) return;
    throw InvalidParameterError("Undersample style " + std::to_string(static_cast<int>(style)) +
                                " does not exist; it must be THROW_EXCEPTION (0), REDUCE_INTERP_ORDER (1) or "
                                "INCREASE_NXNYSAMPLE (2)");
}

// Throws InvalidParameterError for a statistic that a match cannot go by.
inline void checkGridStatistic(Property statistic) {
    if (statistic == MEAN || statistic == MEDIAN || statistic == MEANCLIP) return;
    throw InvalidParameterError("gridStatistic = " + std::to_string(static_cast<int>(statistic)) +
                                "; it must be MEAN (4), MEDIAN (32) or MEANCLIP (128)");
}

}  // namespace evensky::detail
