#include "checks.hpp"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>

namespace evensky::detail {

namespace {

// How far a pixel of one plane can be from a pixel of another along one direction: from `least` to `most` strides.
struct Direction {
    std::int64_t stride, least, most;

    Direction(std::int64_t strideA, std::int64_t strideB, std::int64_t sizeA, std::int64_t sizeB)
            : stride(sizeA > 1 ? strideA : strideB), least(1 - sizeB), most(sizeA - 1) {}

    // Return the number of bytes from the least to the most.
    [[nodiscard]] std::int64_t extent() const { return std::abs(stride) * (most - least); }
    // Return the number of whole strides in a distance, rounded down; 0 if the stride is 0.
    [[nodiscard]] std::int64_t strides(std::int64_t distance) const {
        if (stride == 0) return 0;
        auto const whole = distance / stride;
        return distance % stride != 0 && (distance < 0) != (stride < 0) ? whole - 1 : whole;
    }
};

// Return whether strides of both directions can add up to less than `bytes` from `distance`. The inner extent must be
// at most two outer strides, so that few numbers of outer strides come into question.
bool meet(Direction const& inner, Direction const& outer, std::int64_t distance, std::int64_t bytes) {
    auto const near = outer.strides(distance);
    for (auto j = std::max(near - 2, outer.least); j <= std::min(near + 3, outer.most); ++j) {
        auto const rest = distance - j * outer.stride;
        auto const start = inner.strides(rest);
        for (auto i = std::max(start, inner.least); i <= std::min(start + 1, inner.most); ++i) {
            if (std::abs(rest - i * inner.stride) < bytes) return true;
        }
    }
    return false;
}

// Return the first address of a plane, and that behind its last byte.
std::pair<std::uintptr_t, std::uintptr_t> rangeOf(PlaneMemory const& plane) {
    auto low = plane.first, high = plane.first + static_cast<std::uintptr_t>(plane.bytes);
    auto const widen = [&](std::int64_t stride, std::int64_t n) {
        (stride < 0 ? low : high) += static_cast<std::uintptr_t>(stride * (n - 1));
    };
    widen(plane.strideX, plane.width);
    widen(plane.strideY, plane.height);
    return {low, high};
}

// Return whether both planes have the same stride in a direction in which both have several pixels.
bool sameStride(std::int64_t strideA, std::int64_t strideB, std::int64_t sizeA, std::int64_t sizeB) {
    return sizeA == 1 || sizeB == 1 || strideA == strideB;
}

}  // namespace

void checkWindow(std::int64_t height, std::int64_t width) {
    for (auto const& [size, name] : {std::pair(height, "height"), std::pair(width, "width")}) {
        if (size >= 1 && size % 2 != 0) continue;
        throw InvalidParameterError(std::string(name) + " = " + std::to_string(size) +
                                    " of the window of the filter; it must be odd and positive; use 1 for no filter");
    }
}

bool shareMemory(PlaneMemory const& a, PlaneMemory const& b) noexcept {
    if (a.isEmpty() || b.isEmpty()) return false;
    auto const [lowA, highA] = rangeOf(a);
    auto const [lowB, highB] = rangeOf(b);
    if (highA <= lowB || highB <= lowA) return false;
    if (!sameStride(a.strideX, b.strideX, a.width, b.width) || !sameStride(a.strideY, b.strideY, a.height, b.height)) {
        return true;
    }
    Direction const x(a.strideX, b.strideX, a.width, b.width), y(a.strideY, b.strideY, a.height, b.height);
    auto const distance = static_cast<std::int64_t>(b.first - a.first);
    auto const bytes = std::max(a.bytes, b.bytes);
    if (2 * std::abs(y.stride) >= x.extent()) return meet(x, y, distance, bytes);
    if (2 * std::abs(x.stride) >= y.extent()) return meet(y, x, distance, bytes);
    return true;
}

}  // namespace evensky::detail
