#pragma once

// Helpers of the fuzz targets: arguments and images made from a string of bytes. Images need many more pixels than a
// fuzzer gives bytes, so a few bytes describe how to make one.

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "evensky/errors.hpp"
#include "evensky/properties.hpp"
#include "evensky/view.hpp"

namespace fuzz {

// Check a property that must hold for any input.
inline void require(bool holds, char const* what) {
    if (holds) return;
    std::fprintf(stderr, "violated: %s\n", what);
    std::abort();
}

class Input {
public:
    Input(std::uint8_t const* data, std::size_t size) : _data(data), _left(size) {}

    [[nodiscard]] bool empty() const { return _left == 0; }

    // Zeros follow the last byte.
    template <typename T>
    T take() {
        static_assert(std::is_trivially_copyable_v<T>);
        T value{};
        auto const n = std::min(sizeof(T), _left);
        std::memcpy(&value, _data, n);
        _data += n;
        _left -= n;
        return value;
    }
    bool flag() { return (take<std::uint8_t>() & 1U) != 0; }
    // Return a number in [from, to].
    std::int64_t within(std::int64_t from, std::int64_t to) {
        auto const range = static_cast<std::uint64_t>(to - from) + 1;
        auto const value = range <= 256     ? take<std::uint8_t>()
                           : range <= 65536 ? take<std::uint16_t>()
                                            : take<std::uint32_t>();
        return from + static_cast<std::int64_t>(value % range);
    }
    // Return any number, often one near a limit or a usual value.
    std::int64_t integer() {
        switch (take<std::uint8_t>() % 8) {
            case 0: return take<std::int64_t>();
            case 1: return std::numeric_limits<std::int64_t>::max() - take<std::uint8_t>();
            case 2: return std::numeric_limits<std::int64_t>::min() + take<std::uint8_t>();
            case 3: return take<std::int32_t>();
            default: return take<std::int8_t>();
        }
    }
    double number() {
        constexpr double special[] = {0.0,
                                      -0.0,
                                      1.0,
                                      std::numeric_limits<double>::quiet_NaN(),
                                      std::numeric_limits<double>::infinity(),
                                      -std::numeric_limits<double>::infinity(),
                                      std::numeric_limits<double>::max(),
                                      std::numeric_limits<double>::min(),
                                      std::numeric_limits<double>::denorm_min(),
                                      std::numeric_limits<float>::max(),
                                      std::numeric_limits<float>::denorm_min(),
                                      1e30,
                                      -1e30};
        constexpr auto specials = sizeof(special) / sizeof(special[0]);
        auto const kind = take<std::uint8_t>();
        if (kind < specials) return special[kind];
        if (kind < 64) return take<double>();
        if (kind < 128) return static_cast<double>(take<float>());
        return static_cast<double>(take<std::int16_t>()) / 16.0;
    }
    template <typename T>
    T pixel() {
        if constexpr (std::is_floating_point_v<T>) {
            return static_cast<T>(number());
        } else {
            return take<T>();
        }
    }
    // Return a row of the table of statistics; sometimes a bit without one.
    evensky::Property property() {
        auto const row = static_cast<std::size_t>(within(0, static_cast<std::int64_t>(evensky::propertyTable.size())));
        return row < evensky::propertyTable.size() ? evensky::propertyTable[row].property
                                                   : static_cast<evensky::Property>(1 << 20);
    }

private:
    std::uint8_t const* _data;
    std::size_t _left;
};

// Plane that owns its pixels, with a view of random strides: rows apart, transposed, reversed.
template <typename T>
class Plane {
public:
    Plane(Input& input, std::ptrdiff_t width, std::ptrdiff_t height, bool plausible = true)
            : _width(width), _height(height), _kind(input.take<std::uint8_t>()) {
        auto const gap = (_kind & 4U) != 0 ? 3 : 0;
        bool const transposed = (_kind & 8U) != 0;
        _strideX = transposed ? height + gap : 1;
        _strideY = transposed ? 1 : width + gap;
        auto const size = transposed ? width * (height + gap) : height * (width + gap);
        _values.assign(static_cast<std::size_t>(size), T{});
        auto const centre = input.pixel<T>();
        auto const scale = input.pixel<T>();
        std::uint32_t state = input.take<std::uint16_t>() + 1U;
        if (plausible && (_kind & 3U) != 0) {
            for (auto& value : _values) {
                state = state * 1664525U + 1013904223U;
                auto const noise = (_kind & 3U) == 1 ? static_cast<double>(state >> 8) / 16777216.0 - 0.5
                                                     : static_cast<double>((state >> 24) % 4);
                if constexpr (std::is_floating_point_v<T>) {
                    value = static_cast<T>(centre + static_cast<T>(noise) * scale);
                } else {
                    value = static_cast<T>(static_cast<std::uint64_t>(noise * 1000.0 + 500.0) +
                                           static_cast<std::uint64_t>(centre));
                }
            }
        }
        auto const edits = input.within(0, 31);
        for (std::int64_t i = 0; i < edits; ++i) {
            auto const at = input.within(0, width * height - 1);
            auto const length = input.within(1, 64);
            auto const value = input.pixel<T>();
            for (auto k = at; k < std::min(at + length, width * height); ++k) writable()(k % width, k / width) = value;
        }
    }

    [[nodiscard]] evensky::ImageView<T> writable() {
        auto const flipX = (_kind & 16U) != 0, flipY = (_kind & 32U) != 0;
        auto const first = (flipX ? (_width - 1) * _strideX : 0) + (flipY ? (_height - 1) * _strideY : 0);
        return {_values.data() + first, _width, _height, flipX ? -_strideX : _strideX, flipY ? -_strideY : _strideY};
    }
    [[nodiscard]] evensky::ImageView<T const> view() { return writable(); }

private:
    std::ptrdiff_t _width, _height;
    std::uint8_t _kind;
    std::ptrdiff_t _strideX = 1, _strideY = 1;
    std::vector<T> _values;
};

struct Size {
    std::ptrdiff_t width, height;
};

// Return a side length: mostly small, sometimes large enough for code that is used for large images only.
inline Size imageSize(Input& input) {
    switch (input.take<std::uint8_t>() % 64) {
        case 0: return {input.within(1, 700), input.within(1, 700)};
        case 1: return {input.within(1, 200), input.within(1, 200)};
        case 2: return {input.within(1, 9000), 1};
        case 3: return {1, input.within(1, 300)};
        default: return {input.within(1, 80), input.within(1, 80)};
    }
}

// Image with a random choice of planes.
template <typename T>
struct Exposure {
    explicit Exposure(Input& input) : Exposure(input, imageSize(input)) {}
    Exposure(Input& input, Size size)
            : planes(input.take<std::uint8_t>()),
              image(input, size.width, size.height),
              mask(input, size.width, size.height, (planes & 4U) != 0),
              variance(input, size.width, size.height) {}

    [[nodiscard]] evensky::MaskedImageView<T const> view() {
        evensky::MaskedImageView<T const> all(image.view());
        if ((planes & 1U) != 0) all.mask = mask.view();
        if ((planes & 2U) != 0) all.variance = variance.view();
        return all;
    }

    std::uint8_t planes;
    Plane<T> image;
    Plane<evensky::MaskPixel> mask;
    Plane<evensky::VariancePixel> variance;
};

// Return whether two values have the same bits; all NaN are equal.
inline bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

// Errors of the library are valid results; anything else is a defect.
template <typename Work>
void answered(Work const& work) {
    try {
        work();
    } catch (evensky::Error const& error) {
        require(std::strlen(error.what()) > 10, "an error says what is wrong");
    }
}

}  // namespace fuzz
