// Fuzz target: sampling of any image on any grid. Each sample is NaN or a good pixel of the image, scaled, and parts
// and threads do not matter.

#include "evensky/sampling.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "input.hpp"

using namespace evensky;

namespace {

// Map between nodes: a plane of positions, mostly about the image, some of them anything.
fuzz::Plane<double> positions(fuzz::Input& input, fuzz::Size nodes) { return {input, nodes.width, nodes.height}; }

// Make a map of the usual kind: turned, scaled and shifted.
void turn(fuzz::Input& input, ImageView<double> const& x, ImageView<double> const& y, std::int64_t step) {
    auto const angle = static_cast<double>(input.take<std::uint8_t>()) / 40.0;
    auto const stretch = static_cast<double>(input.within(1, 40)) / 20.0;
    auto const shiftX = static_cast<double>(input.take<std::int8_t>()) / 2.0;
    auto const shiftY = static_cast<double>(input.take<std::int8_t>()) / 2.0;
    for (std::ptrdiff_t j = 0; j < x.height(); ++j) {
        for (std::ptrdiff_t i = 0; i < x.width(); ++i) {
            auto const u = stretch * static_cast<double>(i * step), v = stretch * static_cast<double>(j * step);
            x(i, j) = std::cos(angle) * u - std::sin(angle) * v + shiftX;
            y(i, j) = std::sin(angle) * u + std::cos(angle) * v + shiftY;
        }
    }
}

template <typename T>
void run(fuzz::Input& input) {
    fuzz::Exposure<T> exposure(input);
    auto const image = exposure.view();
    auto const bad = input.take<MaskPixel>();
    auto const scale = input.flag() ? 1.0 : input.number();
    auto const threads = static_cast<int>(input.within(1, 3));
    auto const step = input.flag() ? input.within(1, 300) : input.integer();
    auto const spacing = std::clamp<std::int64_t>(step, 1, 300);
    auto const size = fuzz::imageSize(input);
    fuzz::Size const nodes{(size.width + spacing - 1) / spacing + input.within(0, 1),
                           (size.height + spacing - 1) / spacing + input.within(0, 1)};
    auto x = positions(input, nodes), y = positions(input, nodes);
    if (input.flag()) turn(input, x.writable(), y.writable(), spacing);
    auto const firstColumn = input.flag() ? 0 : input.integer(), firstRow = input.flag() ? 0 : input.integer();
    fuzz::Plane<T> whole(input, size.width, size.height), parts(input, size.width, size.height);
    SamplingMap const map{x.view(), y.view(), step};
    try {
        sample_nearest<T>(image, map, scale, bad, whole.writable(), firstColumn, firstRow, 1);
    } catch (Error const& error) {
        fuzz::require(std::strlen(error.what()) > 10, "an error says what is wrong");
        return;
    }
    std::set<T> good;
    for (std::ptrdiff_t j = 0; j < image.height(); ++j) {
        for (std::ptrdiff_t i = 0; i < image.width(); ++i) {
            if (image.mask.exists() && (image.mask(i, j) & bad) != 0) continue;
            auto const value = static_cast<T>(scale * static_cast<double>(image.image(i, j)));
            if (std::isfinite(static_cast<float>(value))) good.insert(value);
        }
    }
    auto const column = input.within(0, size.width), row = input.within(0, size.height);
    for (Box const& part : {Box{0, 0, column, size.height}, Box{column, 0, size.width - column, row},
                            Box{column, row, size.width - column, size.height - row}}) {
        auto const out = parts.writable().subview(part);
        sample_nearest<T>(image, map, scale, bad, out, firstColumn + part.x0, firstRow + part.y0, threads);
    }
    auto const one = whole.view(), other = parts.view();
    for (std::ptrdiff_t j = 0; j < size.height; ++j) {
        for (std::ptrdiff_t i = 0; i < size.width; ++i) {
            auto const value = one(i, j);
            fuzz::require(std::isnan(value) || good.count(value) == 1, "a sample is a good pixel");
            fuzz::require(fuzz::same(static_cast<double>(value), static_cast<double>(other(i, j))),
                          "parts and threads do not matter");
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    fuzz::Input input(data, size);
    if (input.take<std::uint8_t>() % 4 == 0) {
        run<double>(input);
    } else {
        run<float>(input);
    }
    return 0;
}
