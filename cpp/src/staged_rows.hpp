#pragma once

// Rows of stored planes as contiguous pixels of one type.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "evensky/errors.hpp"
#include "evensky/stored.hpp"
#include "evensky/view.hpp"
#include "kernels/kernels.hpp"

namespace evensky::detail {

// Uninitialised memory: unused parts cost nothing.
template <typename T>
class BufferOf {
public:
    // Provide memory for n values, whose contents are undefined.
    T* room(std::size_t n) {
        if (n > _size) {
            _values = std::make_unique_for_overwrite<T[]>(n);
            _size = n;
        }
        return _values.get();
    }
    [[nodiscard]] T* data() const noexcept { return _values.get(); }

private:
    std::unique_ptr<T[]> _values;
    std::size_t _size = 0;
};
using Buffer = BufferOf<float>;

// Number of rows by which prefetching is ahead of reading. Within a bin, rows are far apart in memory and compete for
// the same sets of the caches, which hold only a few of them.
inline std::ptrdiff_t rowsAhead(std::ptrdiff_t width) noexcept {
    constexpr std::ptrdiff_t pixelsAhead = 1024, wide = 4096;
    return width >= wide ? 0 : std::max<std::ptrdiff_t>(1, pixelsAhead / std::max<std::ptrdiff_t>(width, 1));
}

// Return the distance of `rows` rows in a plane, in the unit of the stride. It is only used for prefetching, so that it
// may wrap around: the strides of a plane of one row can be any numbers.
[[nodiscard]] inline std::ptrdiff_t rowDistance(std::ptrdiff_t rows, std::ptrdiff_t stride) noexcept {
    return static_cast<std::ptrdiff_t>(static_cast<std::size_t>(rows) * static_cast<std::size_t>(stride));
}

// Return whether pixels are in memory as those of type T. Masks may be swapped.
template <typename T>
[[nodiscard]] bool isOfType(StoredPlane const& plane) noexcept {
    constexpr auto size = static_cast<std::ptrdiff_t>(sizeof(T));
    return plane.format() == pixelFormatOf<T>() && (!plane.swapped() || std::is_same_v<T, MaskPixel>) &&
           (plane.strideX() % size == 0 || plane.width() == 1) && plane.strideY() % size == 0 &&
           reinterpret_cast<std::uintptr_t>(plane.at(0, 0)) % alignof(T) == 0;
}

// Return whether the rows of a plane are in memory as pixels of type T that follow each other.
template <typename T>
[[nodiscard]] bool isDirect(StoredPlane const& plane) noexcept {
    return (plane.strideX() == static_cast<std::ptrdiff_t>(sizeof(T)) || plane.width() == 1) && isOfType<T>(plane);
}

// Return whether pixels of a column are closer together in memory than those of a row. Statistics of all pixels, or of
// all in a bin, exchange rows and columns of such a plane. Rows that are one and the same are not closer.
[[nodiscard]] inline bool isStanding(StoredPlane const& plane) noexcept {
    return std::abs(plane.strideX()) > std::abs(plane.strideY()) && plane.strideY() != 0 && plane.width() > 1 &&
           plane.height() > 1;
}

// Return whether pixels of a row are so close together in memory that each line of the cache holds several of them.
[[nodiscard]] inline bool isNear(StoredPlane const& plane) noexcept {
    constexpr std::ptrdiff_t most = 16;
    return std::abs(plane.strideX()) <= most;
}
// Return the number of bytes from the first to the last one of `width` pixels of a row, which are near each other.
[[nodiscard]] inline std::ptrdiff_t bytesOf(StoredPlane const& plane, std::ptrdiff_t width) noexcept {
    return (width - 1) * std::abs(plane.strideX()) + pixelBytes(plane.format());
}
// Return the lowest address of `width` pixels of row y from column x on, which may be in reverse order.
[[nodiscard]] inline std::uintptr_t firstByte(StoredPlane const& plane, std::ptrdiff_t x, std::ptrdiff_t y,
                                              std::ptrdiff_t width) noexcept {
    return reinterpret_cast<std::uintptr_t>(plane.at(plane.strideX() < 0 ? x + width - 1 : x, y));
}

// Return a row of a plane for which isDirect is true.
template <typename T>
[[nodiscard]] T const* directRow(StoredPlane const& plane, std::ptrdiff_t x, std::ptrdiff_t y) noexcept {
    return reinterpret_cast<T const*>(plane.at(x, y));
}

// Rows that are read from a plane and converted to pixels of type T: float, double, uint64 or, without a change of the
// byte order, masks. Rows of a plane whose columns are contiguous are read many at a time, so that lines of memory are
// read once. Callers read a wide row in parts, and then the next row: so several parts are kept, of fewer rows.
template <typename T>
class StagedRows {
public:
    // Return `width` pixels of row y from column x on, which stay valid until the next call. `rounded` receives bits if
    // a pixel is not exactly a T. Rows up to that before `end` may be asked for next.
    T const* row(StoredPlane const& plane, std::ptrdiff_t x, std::ptrdiff_t y, std::ptrdiff_t width, std::ptrdiff_t end,
                 std::uint64_t& rounded) {
        if (isDirect<T>(plane)) return directRow<T>(plane, x, y);
        bool const standing = isStanding(plane) && width > 1 && end - y > 1;
        auto const stride = width + pad;
        if (plane.at(0, 0) != _plane || plane.strideX() != _strideX) _parts.clear();
        auto* part = partOf(x, width);
        if (part != nullptr && y >= part->first && y < part->first + part->rows) {
            return part->values.data() + (y - part->first) * stride;
        }
        if (!standing) {
            auto* const out = _values.room(static_cast<std::size_t>(width));
            prefetchRow(plane, x, y, width);
            rounded |= read(plane, plane.at(x, y), plane.strideX(), width, out);
            return out;
        }
        _plane = plane.at(0, 0);
        _strideX = plane.strideX();
        if (part == nullptr) part = &newPart(plane.width());
        part->x = x;
        part->width = width;
        part->first = y;
        part->rows = std::min(rowsFor(plane.width(), width), end - y);
        auto* const out = part->values.room(static_cast<std::size_t>(part->rows * stride));
        constexpr auto size = static_cast<std::ptrdiff_t>(sizeof(T));
        bool const direct = plane.strideY() == size && isOfType<T>(plane);
        for (std::ptrdiff_t column = 0; column < width; column += columnsTogether) {
            auto const columns = std::min(columnsTogether, width - column);
            prefetchColumns(plane, x + column + columnsTogether, y, part->rows,
                            std::min(columnsTogether, width - column - columns));
            if (direct) {
                transpose(directRow<T>(plane, x + column, y), plane.strideX() / size, columns, part->rows, out + column,
                          stride);
                continue;
            }
            // The columns of a group are read one after the other into contiguous memory.
            T together[columnsTogether * rowsTogether];
            for (std::ptrdiff_t c = 0; c < columns; ++c) {
                rounded |= read(plane, plane.at(x + column + c, y), plane.strideY(), part->rows,
                                together + c * rowsTogether);
            }
            transpose(together, rowsTogether, columns, part->rows, out + column, stride);
        }
        return out;
    }

private:
    static constexpr std::ptrdiff_t rowsTogether = 64, columnsTogether = 8;
    // Pixels of a part that callers read of a row at most, and parts that are kept at most.
    static constexpr std::ptrdiff_t partPixels = 4096, mostParts = 64;

    // Some columns of some rows.
    struct Part {
        BufferOf<T> values;
        std::ptrdiff_t x = 0, width = 0, first = 0, rows = 0;
    };
    // Return what is kept of these columns, or null.
    Part* partOf(std::ptrdiff_t x, std::ptrdiff_t width) {
        // Usually it is the one of the last row, or the one behind it.
        auto const n = _parts.size();
        for (std::size_t i = 0; i < n; ++i) {
            auto const at = _last + i < n ? _last + i : _last + i - n;
            if (_parts[at].x != x || _parts[at].width != width) continue;
            _last = at;
            return &_parts[at];
        }
        return nullptr;
    }
    // Return a part for other columns of a plane, which replaces another one if there are many.
    Part& newPart(std::ptrdiff_t planeWidth) {
        auto const most = std::min((planeWidth - 1) / partPixels + 1, mostParts);
        if (std::cmp_less(_parts.size(), most)) {
            _parts.emplace_back();
            _last = _parts.size() - 1;
        } else {
            _last = _last + 1 < _parts.size() ? _last + 1 : 0;
        }
        return _parts[_last];
    }
    // Return how many rows are read at once: fewer where several parts are kept, but whole lines of the cache.
    static std::ptrdiff_t rowsFor(std::ptrdiff_t planeWidth, std::ptrdiff_t width) {
        constexpr std::ptrdiff_t line = 16;
        if (planeWidth <= partPixels || width < partPixels / 4) return rowsTogether;
        return std::max(line, rowsTogether * partPixels / planeWidth / line * line);
    }

    // Rows are a cache line apart from each other if their widths are powers of two, as they would displace each other.
    static constexpr std::ptrdiff_t pad = 64 / static_cast<std::ptrdiff_t>(sizeof(T));

    static std::uint64_t read(StoredPlane const& plane, std::byte const* from, std::ptrdiff_t stride, std::ptrdiff_t n,
                              T* out) {
        if constexpr (std::is_same_v<T, MaskPixel>) {
            auto const& kernel = kernels();
            (plane.format() == PixelFormat::UINT8 ? kernel.readSmallMasks : kernel.readMasks)(from, stride, n, out);
            return 0;
        } else if constexpr (hasKernels<T>) {
            return kernelsOf<T>().readers[static_cast<std::size_t>(plane.format())][plane.swapped() ? 1 : 0](
                    from, stride, n, out);
        } else {
            for (std::ptrdiff_t i = 0; i < n; ++i) {
                std::uint64_t bits;
                std::memcpy(&bits, from + i * stride, sizeof bits);
                out[i] = plane.swapped() ? __builtin_bswap64(bits) : bits;
            }
            return 0;
        }
    }

    static void transpose(T const* from, std::ptrdiff_t fromStride, std::ptrdiff_t columns, std::ptrdiff_t rows, T* to,
                          std::ptrdiff_t toStride) {
        if constexpr (std::is_same_v<T, MaskPixel>) {
            kernels().transposeMasks(from, fromStride, columns, rows, to, toStride);
        } else if constexpr (hasKernels<T>) {
            kernelsOf<T>().transpose(from, fromStride, columns, rows, to, toStride);
        } else {
            for (std::ptrdiff_t y = 0; y < rows; ++y) {
                for (std::ptrdiff_t x = 0; x < columns; ++x) to[y * toStride + x] = from[x * fromStride + y];
            }
        }
    }

    // Addresses of prefetching are numbers, as they may lie outside the plane.
    static void prefetch(std::uintptr_t address) { __builtin_prefetch(reinterpret_cast<void const*>(address), 0, 2); }
    static void prefetchRow(StoredPlane const& plane, std::ptrdiff_t x, std::ptrdiff_t y, std::ptrdiff_t width) {
        auto const rows = rowsAhead(plane.width());
        if (rows == 0 || !isNear(plane)) return;
        auto const from =
                firstByte(plane, x, y, width) + static_cast<std::uintptr_t>(rowDistance(rows, plane.strideY()));
        auto const bytes = static_cast<std::uintptr_t>(bytesOf(plane, width));
        constexpr std::uintptr_t most = 16384;
        for (std::uintptr_t at = 0; at < std::min(bytes, most); at += 64) prefetch(from + at);
    }
    static void prefetchColumns(StoredPlane const& plane, std::ptrdiff_t x, std::ptrdiff_t y, std::ptrdiff_t rows,
                                std::ptrdiff_t columns) {
        for (std::ptrdiff_t c = 0; c < columns; ++c) {
            auto const from = reinterpret_cast<std::uintptr_t>(plane.at(x + c, y));
            auto const stride = static_cast<std::uintptr_t>(std::abs(plane.strideY()));
            // Pixels that are far apart have a line of the cache each; what lies between them is not read.
            auto const step = std::max<std::uintptr_t>(64, stride);
            auto const bytes = static_cast<std::uintptr_t>(rows) * stride;
            for (std::uintptr_t at = 0; at < bytes; at += step) prefetch(from + at);
        }
    }

    BufferOf<T> _values;  // of a row that is not kept
    std::vector<Part> _parts;
    std::size_t _last = 0;  // the part that was used
    std::byte const* _plane = nullptr;
    std::ptrdiff_t _strideX = 0;
};

// Return bits as they are in the memory of a mask.
[[nodiscard]] inline MaskPixel storedBits(StoredPlane const& mask, MaskPixel bits) noexcept {
    if (!mask.swapped() || mask.format() == PixelFormat::UINT8) return bits;
    return static_cast<MaskPixel>(__builtin_bswap32(static_cast<std::uint32_t>(bits)));
}

// Throw InvalidParameterError if a plane of floats, or a mask that is copied, has another format.
inline void checkFormat(StoredPlane const& plane, PixelFormat format, std::string const& name) {
    if (!plane.exists() || plane.format() == format) return;
    throw InvalidParameterError(name + " is of " + formatName(plane.format()) + "; it must be of " +
                                formatName(format));
}

// Throw InvalidParameterError if a mask is neither of int32 nor of uint8.
inline void checkMaskFormat(StoredPlane const& mask, std::string const& name) {
    if (!mask.exists() || mask.format() == PixelFormat::INT32 || mask.format() == PixelFormat::UINT8) return;
    throw InvalidParameterError(name + " is of " + formatName(mask.format()) + "; it must be of int32 or uint8");
}

}  // namespace evensky::detail
