#pragma once

/// @file
/// Planes as they are stored: pixels of any supported type and byte order, with any strides. Functions convert the
/// pixels while they read them, so that a file in memory needs no copy.

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "evensky/box.hpp"
#include "evensky/errors.hpp"
#include "evensky/view.hpp"

namespace evensky {

/// Type of the numbers of a plane in memory. UINT16_SHIFTED stands for unsigned numbers that are stored as signed ones,
/// less 32768, as FITS does with BZERO, and UINT8 for booleans of one byte, 0 or 1, too.
enum class PixelFormat : std::uint8_t { FLOAT32, FLOAT64, INT16, INT32, UINT16, UINT16_SHIFTED, UINT64, UINT8 };

/// Return the format of pixels of type T.
template <typename T>
[[nodiscard]] constexpr PixelFormat pixelFormatOf() noexcept {
    if constexpr (std::is_same_v<T, float>) return PixelFormat::FLOAT32;
    if constexpr (std::is_same_v<T, double>) return PixelFormat::FLOAT64;
    if constexpr (std::is_same_v<T, std::int16_t>) return PixelFormat::INT16;
    if constexpr (std::is_same_v<T, std::int32_t>) return PixelFormat::INT32;
    if constexpr (std::is_same_v<T, std::uint16_t>) return PixelFormat::UINT16;
    if constexpr (std::is_same_v<T, std::uint64_t>) return PixelFormat::UINT64;
    if constexpr (std::is_same_v<T, std::uint8_t>) return PixelFormat::UINT8;
}

/// Return the number of bytes of a pixel.
[[nodiscard]] constexpr std::ptrdiff_t pixelBytes(PixelFormat format) noexcept {
    switch (format) {
        case PixelFormat::FLOAT64:
        case PixelFormat::UINT64: return 8;
        case PixelFormat::FLOAT32:
        case PixelFormat::INT32: return 4;
        case PixelFormat::UINT8: return 1;
        default: return 2;
    }
}

/// Return the name of a format, such as "float32".
[[nodiscard]] constexpr char const* formatName(PixelFormat format) noexcept {
    switch (format) {
        case PixelFormat::FLOAT32: return "float32";
        case PixelFormat::FLOAT64: return "float64";
        case PixelFormat::INT16: return "int16";
        case PixelFormat::INT32: return "int32";
        case PixelFormat::UINT64: return "uint64";
        case PixelFormat::UINT8: return "uint8";
        default: return "uint16";
    }
}

/// Return whether the pixels are whole numbers, whose quantiles spread equal pixels over a range of 1.
[[nodiscard]] constexpr bool isWhole(PixelFormat format) noexcept {
    return format != PixelFormat::FLOAT32 && format != PixelFormat::FLOAT64;
}

/// Plane of pixels in memory, which it does not own. Strides are in bytes and may be anything; pixels need not be
/// aligned. A plane without memory does not exist.
class StoredPlane {
public:
    /// Make a plane that does not exist.
    constexpr StoredPlane() noexcept = default;

    /// @param data      address of pixel (0, 0)
    /// @param width     number of columns
    /// @param height    number of rows
    /// @param strideX   distance from one column to the next, in bytes
    /// @param strideY   distance from one row to the next, in bytes
    /// @param format    type of the pixels
    /// @param swapped   whether their byte order is the opposite of the machine's
    StoredPlane(void const* data, std::ptrdiff_t width, std::ptrdiff_t height, std::ptrdiff_t strideX,
                std::ptrdiff_t strideY, PixelFormat format, bool swapped) noexcept
            : _data(static_cast<std::byte const*>(data)),
              _width(width),
              _height(height),
              _strideX(strideX),
              _strideY(strideY),
              _format(format),
              _swapped(swapped) {}

    /// Refer to the pixels of a view.
    template <typename T>
    StoredPlane(ImageView<T const> const& view) noexcept
            : StoredPlane(view.data(), view.width(), view.height(), inBytes<T>(view.strideX()),
                          inBytes<T>(view.strideY()), pixelFormatOf<T>(), false) {}

    [[nodiscard]] std::ptrdiff_t width() const noexcept { return _width; }      ///< Number of columns.
    [[nodiscard]] std::ptrdiff_t height() const noexcept { return _height; }    ///< Number of rows.
    [[nodiscard]] std::ptrdiff_t strideX() const noexcept { return _strideX; }  ///< Distance of columns in bytes.
    [[nodiscard]] std::ptrdiff_t strideY() const noexcept { return _strideY; }  ///< Distance of rows in bytes.
    [[nodiscard]] PixelFormat format() const noexcept { return _format; }       ///< Type of the pixels.
    [[nodiscard]] bool swapped() const noexcept { return _swapped; }            ///< Whether bytes must be swapped.
    [[nodiscard]] bool exists() const noexcept { return _data != nullptr; }     ///< Whether the plane exists.

    /// Return the address of pixel (x, y); the position is not checked.
    [[nodiscard]] std::byte const* at(std::ptrdiff_t x, std::ptrdiff_t y) const noexcept {
        return _data + (y * _strideY + x * _strideX);
    }

    /// Return the part of the plane inside `box`, which is counted from its corner and must be inside it.
    [[nodiscard]] StoredPlane part(Box const& box) const noexcept {
        if (!exists()) return {};
        return {at(box.x0, box.y0), box.width, box.height, _strideX, _strideY, _format, _swapped};
    }

    /// Return the same pixels with rows and columns exchanged.
    [[nodiscard]] StoredPlane transposed() const noexcept {
        return {_data, _height, _width, _strideY, _strideX, _format, _swapped};
    }

private:
    // The stride of a plane of one row or column can be any number, so that the product may wrap around.
    template <typename T>
    static std::ptrdiff_t inBytes(std::ptrdiff_t stride) noexcept {
        return static_cast<std::ptrdiff_t>(static_cast<std::size_t>(stride) * sizeof(T));
    }

    std::byte const* _data = nullptr;
    std::ptrdiff_t _width = 0, _height = 0, _strideX = 0, _strideY = 0;
    PixelFormat _format = PixelFormat::FLOAT32;
    bool _swapped = false;
};

/// Image with its mask, of int32 or uint8, and its variance, of float, each of which may be missing.
struct StoredImage {
    StoredPlane image;     ///< pixels
    StoredPlane mask;      ///< bit masks of the pixels
    StoredPlane variance;  ///< variances of the pixels

    StoredImage() noexcept = default;  ///< Make an image without planes.
    /// Combine planes; functions that use them check formats and sizes.
    StoredImage(StoredPlane const& image_, StoredPlane const& mask_ = {}, StoredPlane const& variance_ = {}) noexcept
            : image(image_), mask(mask_), variance(variance_) {}
    /// Refer to the planes of a view.
    template <typename T>
    StoredImage(MaskedImageView<T const> const& view) noexcept
            : image(view.image), mask(view.mask), variance(view.variance) {}

    [[nodiscard]] std::ptrdiff_t width() const noexcept { return image.width(); }    ///< Number of columns.
    [[nodiscard]] std::ptrdiff_t height() const noexcept { return image.height(); }  ///< Number of rows.

    /// Return the part of the image inside `box`, which is counted from its corner and must be inside it.
    [[nodiscard]] StoredImage part(Box const& box) const noexcept {
        return {image.part(box), mask.part(box), variance.part(box)};
    }

    /// Return the same planes with rows and columns exchanged.
    [[nodiscard]] StoredImage transposed() const noexcept {
        return {image.transposed(), mask.transposed(), variance.transposed()};
    }
};

}  // namespace evensky
