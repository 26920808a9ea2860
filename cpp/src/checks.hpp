#pragma once

// Checks of arguments that are common to several parts of the library.

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <type_traits>

#include "evensky/background.hpp"
#include "evensky/box.hpp"
#include "evensky/errors.hpp"
#include "evensky/stored.hpp"
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

// Throw InvalidParameterError if the size of the window of a filter of boxes is not odd and positive.
void checkWindow(std::int64_t height, std::int64_t width);

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

// Throw LengthError unless a box to evaluate is inside the box of the image and of the size of an output, and check the
// output.
template <typename T>
void checkPart(Box const& part, Box const& all, ImageView<T> const& out) {
    if (!all.contains(part)) throw LengthError("BBox " + part.toString() + " out of range " + all.toString());
    if (out.width() != part.width || out.height() != part.height) {
        throw LengthError("The output is " + sizeToString(out) + " but the box is " + std::to_string(part.width) +
                          " x " + std::to_string(part.height) + "; they must be equal");
    }
    checkOutput(out);
}

// The memory of a plane: where its pixels are, whatever their type.
struct PlaneMemory {
    std::uintptr_t first = 0;  // address of pixel (0, 0)
    std::int64_t width = 0, height = 0;
    std::int64_t strideX = 0, strideY = 0;  // in bytes; 0 where there is one column or row, whose stride says nothing
    std::int64_t bytes = 0;                 // of a pixel

    template <typename T>
    explicit PlaneMemory(ImageView<T> const& view) noexcept
            : PlaneMemory(StoredPlane(ImageView<std::remove_const_t<T> const>(view))) {}
    explicit PlaneMemory(StoredPlane const& plane) noexcept
            : first(reinterpret_cast<std::uintptr_t>(plane.exists() ? plane.at(0, 0) : nullptr)),
              width(plane.width()),
              height(plane.height()),
              strideX(width > 1 ? plane.strideX() : 0),
              strideY(height > 1 ? plane.strideY() : 0),
              bytes(pixelBytes(plane.format())) {}

    [[nodiscard]] bool isEmpty() const noexcept { return first == 0 || width <= 0 || height <= 0; }
    [[nodiscard]] bool operator==(PlaneMemory const&) const = default;
};

// Return whether two planes have pixels in the same memory. Parts of one plane, and planes whose pixels are
// interleaved, are told apart if both have the same strides; otherwise planes that lie within each other's range count
// as the same.
[[nodiscard]] bool shareMemory(PlaneMemory const& a, PlaneMemory const& b) noexcept;

// What an output may have in common with an input.
enum class InPlace { REFUSED, ALLOWED };

// Throw InvalidParameterError if an output has pixels in the memory of an input. If they are the very same pixels, that
// may be allowed: then each pixel is read before it is written.
template <typename Out, typename In>
void checkApart(Out const& out, std::string const& outName, In const& in, std::string const& inName,
                InPlace inPlace = InPlace::ALLOWED) {
    PlaneMemory const written(out), read(in);
    if (inPlace == InPlace::ALLOWED && written == read) return;
    if (!shareMemory(written, read)) return;
    throw InvalidParameterError(
            outName + " and " + inName + " have pixels in the same memory; " +
            (inPlace == InPlace::ALLOWED ? "they must be the same plane or lie apart" : "they must lie apart") +
            ": use another output");
}

// Throw InvalidParameterError if any plane of an output has pixels in the memory of any plane of an input.
template <typename Out>
void checkApart(Out const& out, std::string const& outName, StoredImage const& in, std::string const& inName,
                InPlace inPlace = InPlace::ALLOWED) {
    checkApart(out, outName, in.image, "the image of " + inName, inPlace);
    checkApart(out, outName, in.mask, "the mask of " + inName, inPlace);
    checkApart(out, outName, in.variance, "the variance of " + inName, inPlace);
}
template <typename T>
void checkApart(MaskedImageView<T> const& out, MaskedImageView<T const> const& in, std::string const& inName,
                InPlace inPlace = InPlace::ALLOWED) {
    checkApart(out.image, "The image of the output", StoredImage(in), inName, inPlace);
    checkApart(out.mask, "The mask of the output", StoredImage(in), inName, inPlace);
    checkApart(out.variance, "The variance of the output", StoredImage(in), inName, inPlace);
}

// Throw InvalidParameterError if planes of an output have pixels in the same memory.
template <typename T>
void checkPlanesApart(MaskedImageView<T> const& out) {
    checkApart(out.image, "The image of the output", out.mask, "its mask", InPlace::REFUSED);
    checkApart(out.image, "The image of the output", out.variance, "its variance", InPlace::REFUSED);
    checkApart(out.mask, "The mask of the output", out.variance, "its variance", InPlace::REFUSED);
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
