#pragma once

// Checks of arguments that are common to several parts of the library.

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

// Throw an error if a plane exists but differs in size from the image; both names appear in the message.
template <typename E = LengthError, typename Plane, typename Image>
void checkPlaneSize(Plane const& plane, std::string const& name, Image const& image, char const* imageName) {
    if (!plane.exists() || (plane.width() == image.width() && plane.height() == image.height())) return;
    throw E(name + " is " + sizeToString(plane) + " but " + imageName + " is " + sizeToString(image) +
            "; they must be equal");
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
