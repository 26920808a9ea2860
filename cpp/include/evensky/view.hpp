#pragma once

/// @file
/// Non-owning views of images that somebody else holds: the only currency of the library.
///
/// A view never copies, owns or frees pixels. Whoever makes one keeps the memory alive while it is used. Views are
/// small and are passed by value. Reading through views of the same memory from many threads is safe as long as
/// nobody writes to it.

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "evensky/box.hpp"
#include "evensky/errors.hpp"

namespace evensky {

using MaskPixel = std::int32_t;  ///< Bit mask: a set bit marks the pixel with the plane of that number.
using VariancePixel = float;     ///< Variance of a pixel, in the image's unit squared.
using WeightPixel = float;       ///< Multiplicative weight of a pixel.

/// A two-dimensional strided view. Strides count elements, may be negative, and say how far the next column and the
/// next row are. A view without memory (`data() == nullptr`) means "this plane does not exist".
template <typename T>
class ImageView {
public:
    using value_type = std::remove_const_t<T>;  ///< Type of a pixel.

    /// No memory: the plane does not exist.
    constexpr ImageView() noexcept = default;

    /// View `width` x `height` pixels whose element (0, 0) is at `data`.
    /// @param data     element (0, 0), which need not be the lowest address
    /// @param width    number of columns
    /// @param height   number of rows
    /// @param strideX  elements from one column to the next
    /// @param strideY  elements from one row to the next
    constexpr ImageView(T* data, std::ptrdiff_t width, std::ptrdiff_t height, std::ptrdiff_t strideX,
                        std::ptrdiff_t strideY) noexcept
            : _data(data), _width(width), _height(height), _strideX(strideX), _strideY(strideY) {}

    /// View a contiguous image, row after row.
    constexpr ImageView(T* data, std::ptrdiff_t width, std::ptrdiff_t height) noexcept
            : ImageView(data, width, height, 1, width) {}

    /// A view that may write is a view that may read.
    template <typename U>
        requires(std::is_same_v<T, U const>)
    constexpr ImageView(ImageView<U> const& other) noexcept
            : ImageView(other.data(), other.width(), other.height(), other.strideX(), other.strideY()) {}

    [[nodiscard]] constexpr T* data() const noexcept { return _data; }                    ///< Element (0, 0), or null.
    [[nodiscard]] constexpr std::ptrdiff_t width() const noexcept { return _width; }      ///< Number of columns.
    [[nodiscard]] constexpr std::ptrdiff_t height() const noexcept { return _height; }    ///< Number of rows.
    [[nodiscard]] constexpr std::ptrdiff_t strideX() const noexcept { return _strideX; }  ///< In elements.
    [[nodiscard]] constexpr std::ptrdiff_t strideY() const noexcept { return _strideY; }  ///< In elements.
    [[nodiscard]] constexpr bool exists() const noexcept { return _data != nullptr; }     ///< Is there memory?

    /// Pixel (x, y), counted from the view's own corner. Not checked.
    [[nodiscard]] constexpr T& operator()(std::ptrdiff_t x, std::ptrdiff_t y) const noexcept {
        return _data[y * _strideY + x * _strideX];
    }

    /// First pixel of row y. Not checked.
    [[nodiscard]] constexpr T* row(std::ptrdiff_t y) const noexcept { return _data + y * _strideY; }

    /// The part of this view at `box`, counted from the view's own corner.
    /// @throws LengthError where the box is not inside the view
    [[nodiscard]] ImageView subview(Box const& box) const {
        if (!exists()) return {};
        if (Box const all{0, 0, _width, _height}; !all.contains(box)) {
            throw LengthError("Box " + box.toString() + " is not inside the view " + all.toString());
        }
        return {&(*this)(box.x0, box.y0), box.width, box.height, _strideX, _strideY};
    }

private:
    T* _data = nullptr;
    std::ptrdiff_t _width = 0;
    std::ptrdiff_t _height = 0;
    std::ptrdiff_t _strideX = 1;
    std::ptrdiff_t _strideY = 0;
};

/// An image with, where they exist, its bit mask and its variance. Planes that exist have the image's size.
template <typename T>
struct MaskedImageView {
    using value_type = std::remove_const_t<T>;  ///< Type of the image's pixels.
    /// A plane that may be written where the image may.
    template <typename U>
    using Plane = std::conditional_t<std::is_const_v<T>, ImageView<U const>, ImageView<U>>;

    ImageView<T> image;             ///< the pixels
    Plane<MaskPixel> mask;          ///< their bits, or a view without memory
    Plane<VariancePixel> variance;  ///< their variances, or a view without memory

    /// Nothing at all.
    constexpr MaskedImageView() noexcept = default;
    /// An image with the planes that there are. Sizes are checked where the planes are used.
    constexpr MaskedImageView(ImageView<T> image_, Plane<MaskPixel> mask_ = {},
                              Plane<VariancePixel> variance_ = {}) noexcept
            : image(image_), mask(mask_), variance(variance_) {}

    /// What may be written may be read.
    template <typename U>
        requires(std::is_same_v<T, U const>)
    constexpr MaskedImageView(MaskedImageView<U> const& other) noexcept
            : image(other.image), mask(other.mask), variance(other.variance) {}

    [[nodiscard]] constexpr std::ptrdiff_t width() const noexcept { return image.width(); }    ///< Of the image.
    [[nodiscard]] constexpr std::ptrdiff_t height() const noexcept { return image.height(); }  ///< Of the image.
};

/// "W x H", for messages.
template <typename View>
[[nodiscard]] std::string sizeToString(View const& view) {
    return std::to_string(view.width()) + " x " + std::to_string(view.height());
}

}  // namespace evensky
