#pragma once

/// @file
/// Non-owning views of images, through which all functions of the library read and write pixels.
///
/// A view never copies, owns or frees pixels; its creator must keep the memory alive while it is used. Views are small
/// and cheap to copy. Several threads may read the same memory through views as long as none writes to it.
///
/// Masks: a pixel is bad if it has any of the bits that the function in question is told to reject. NaN in an image is
/// not a bad pixel by itself; each function states how it treats NaN.

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "evensky/box.hpp"
#include "evensky/errors.hpp"

namespace evensky {

using MaskPixel = std::int32_t;  ///< Bit mask of a pixel: bit n is set if the pixel is in mask plane n.
using VariancePixel = float;     ///< Variance of a pixel, in the square of the unit of the image.
using WeightPixel = float;       ///< Multiplicative weight of a pixel.

/// Two-dimensional strided view. The strides are the distances to the next column and to the next row, in elements;
/// they may be negative. A view without memory (`data() == nullptr`) stands for a plane that does not exist.
template <typename T>
class ImageView {
public:
    using value_type = std::remove_const_t<T>;  ///< Type of a pixel.

    /// Make a view without memory: the plane does not exist.
    constexpr ImageView() noexcept = default;

    /// View `width` x `height` pixels.
    /// @param data     address of element (0, 0), which need not be the lowest one
    /// @param width    number of columns
    /// @param height   number of rows
    /// @param strideX  distance from one column to the next, in elements
    /// @param strideY  distance from one row to the next, in elements
    constexpr ImageView(T* data, std::ptrdiff_t width, std::ptrdiff_t height, std::ptrdiff_t strideX,
                        std::ptrdiff_t strideY) noexcept
            : _data(data), _width(width), _height(height), _strideX(strideX), _strideY(strideY) {}

    /// View a contiguous image that is stored row by row.
    constexpr ImageView(T* data, std::ptrdiff_t width, std::ptrdiff_t height) noexcept
            : ImageView(data, width, height, 1, width) {}

    /// Convert a mutable view to a constant one.
    template <typename U>
        requires(std::is_same_v<T, U const>)
    constexpr ImageView(ImageView<U> const& other) noexcept
            : ImageView(other.data(), other.width(), other.height(), other.strideX(), other.strideY()) {}

    [[nodiscard]] constexpr T* data() const noexcept { return _data; }                    ///< Element (0, 0), or null.
    [[nodiscard]] constexpr std::ptrdiff_t width() const noexcept { return _width; }      ///< Number of columns.
    [[nodiscard]] constexpr std::ptrdiff_t height() const noexcept { return _height; }    ///< Number of rows.
    [[nodiscard]] constexpr std::ptrdiff_t strideX() const noexcept { return _strideX; }  ///< Distance of columns.
    [[nodiscard]] constexpr std::ptrdiff_t strideY() const noexcept { return _strideY; }  ///< Distance of rows.
    [[nodiscard]] constexpr bool exists() const noexcept { return _data != nullptr; }     ///< Whether the plane exists.

    /// Return pixel (x, y), counted from the corner of the view; the position is not checked.
    [[nodiscard]] constexpr T& operator()(std::ptrdiff_t x, std::ptrdiff_t y) const noexcept {
        return _data[y * _strideY + x * _strideX];
    }

    /// Return the address of the first pixel of row y; y is not checked.
    [[nodiscard]] constexpr T* row(std::ptrdiff_t y) const noexcept { return _data + y * _strideY; }

    /// Return the part of the view inside `box`, which is counted from the corner of the view. The part of a view
    /// without memory has no memory either. An empty box is inside every view, wherever it is; its part has no pixels.
    /// @throws LengthError if the box is not inside the view
    [[nodiscard]] ImageView subview(Box const& box) const {
        if (!exists()) return {};
        if (Box const all{0, 0, _width, _height}; !all.contains(box)) {
            throw LengthError("Box " + box.toString() + " is not inside the view " + all.toString());
        }
        // The place of an empty box may be too far away for an address.
        if (box.isEmpty()) {
            return {_data, box.width > 0 ? box.width : 0, box.height > 0 ? box.height : 0, _strideX, _strideY};
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

/// View of an image with its mask and variance, each of which may be missing. Existing planes must have the size of the
/// image.
template <typename T>
struct MaskedImageView {
    using value_type = std::remove_const_t<T>;  ///< Type of the pixels of the image.
    /// View of a plane, constant if that of the image is.
    template <typename U>
    using Plane = std::conditional_t<std::is_const_v<T>, ImageView<U const>, ImageView<U>>;

    ImageView<T> image;             ///< pixels
    Plane<MaskPixel> mask;          ///< bit masks of the pixels, or a view without memory
    Plane<VariancePixel> variance;  ///< variances of the pixels, or a view without memory

    /// Make a view without any plane.
    constexpr MaskedImageView() noexcept = default;
    /// Combine an image with its mask and variance, if they exist. Functions that use the view check the sizes.
    constexpr MaskedImageView(ImageView<T> image_, Plane<MaskPixel> mask_ = {},
                              Plane<VariancePixel> variance_ = {}) noexcept
            : image(image_), mask(mask_), variance(variance_) {}

    /// Convert a mutable view to a constant one.
    template <typename U>
        requires(std::is_same_v<T, U const>)
    constexpr MaskedImageView(MaskedImageView<U> const& other) noexcept
            : image(other.image), mask(other.mask), variance(other.variance) {}

    [[nodiscard]] constexpr std::ptrdiff_t width() const noexcept { return image.width(); }    ///< Number of columns.
    [[nodiscard]] constexpr std::ptrdiff_t height() const noexcept { return image.height(); }  ///< Number of rows.
};

/// Return the size of a view as "W x H", for messages.
template <typename View>
[[nodiscard]] std::string sizeToString(View const& view) {
    return std::to_string(view.width()) + " x " + std::to_string(view.height());
}

}  // namespace evensky
