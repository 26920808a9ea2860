// Fuzz target: stacks and bins of any images with any control. Each pixel of a stack has the statistic of its column,
// each bin without exclusion the mean of its pixels, and the number of threads does not matter.

#include "evensky/stack.hpp"

#include <algorithm>
#include <memory>

#include "control.hpp"
#include "evensky/bin_image.hpp"
#include "input.hpp"

using namespace evensky;

namespace {

// Planes of an output.
template <typename T>
struct Output {
    Output(fuzz::Input& input, fuzz::Size size)
            : image(input, size.width, size.height),
              mask(input, size.width, size.height),
              variance(input, size.width, size.height) {}
    [[nodiscard]] MaskedImageView<T> view() { return {image.writable(), mask.writable(), variance.writable()}; }

    fuzz::Plane<T> image;
    fuzz::Plane<MaskPixel> mask;
    fuzz::Plane<VariancePixel> variance;
};

template <typename T>
void requireSame(MaskedImageView<T> const& one, MaskedImageView<T> const& other) {
    for (std::ptrdiff_t y = 0; y < one.height(); ++y) {
        for (std::ptrdiff_t x = 0; x < one.width(); ++x) {
            fuzz::require(fuzz::same(static_cast<double>(one.image(x, y)), static_cast<double>(other.image(x, y))) &&
                                  one.mask(x, y) == other.mask(x, y) &&
                                  fuzz::same(static_cast<double>(one.variance(x, y)),
                                             static_cast<double>(other.variance(x, y))),
                          "threads do not matter");
        }
    }
}

template <typename T>
void stack(fuzz::Input& input) {
    auto const control = fuzz::makeControl(input);
    auto const property = input.property();
    auto const threads = static_cast<int>(input.within(1, 3));
    fuzz::Size const size{input.within(1, 40), input.within(1, 12)};
    std::vector<std::unique_ptr<fuzz::Exposure<T>>> exposures;
    std::vector<MaskedImageView<T const>> views;
    auto const n = input.within(0, 12);
    for (std::int64_t i = 0; i < n; ++i) {
        exposures.push_back(std::make_unique<fuzz::Exposure<T>>(input, size));
        views.push_back(exposures.back()->view());
    }
    std::vector<WeightPixel> weights;
    if (input.flag()) {
        for (std::int64_t i = 0; i < n; ++i) weights.push_back(input.pixel<WeightPixel>());
    }
    StackBits const bits{input.take<MaskPixel>(), {{input.take<MaskPixel>(), input.take<MaskPixel>()}}};
    Output<T> first(input, size), second(input, size);
    fuzz::answered([&] {
        statisticsStack<T>(first.view(), views, property, control, weights, bits, 1);
        statisticsStack<T>(second.view(), views, property, control, weights, bits, threads);
        requireSame<T>(first.view(), second.view());
        // Weights given as an image need a control that allows them.
        if (!weights.empty() || control.getWeighted()) return;
        std::vector<T> values(views.size());
        std::vector<MaskPixel> masks(views.size());
        std::vector<VariancePixel> variances(views.size());
        for (std::ptrdiff_t y = 0; y < size.height; ++y) {
            for (std::ptrdiff_t x = 0; x < size.width; ++x) {
                for (std::size_t i = 0; i < views.size(); ++i) {
                    values[i] = views[i].image(x, y);
                    masks[i] = views[i].mask.exists() ? views[i].mask(x, y) : 0;
                    variances[i] = views[i].variance.exists() ? views[i].variance(x, y)
                                                              : std::numeric_limits<VariancePixel>::quiet_NaN();
                }
                MaskedImageView<T const> const column({values.data(), n, 1}, {masks.data(), n, 1},
                                                      {variances.data(), n, 1});
                auto const value = makeStatistics<T>(column, property, control).getValue(property);
                fuzz::require(fuzz::same(static_cast<double>(static_cast<T>(value)),
                                         static_cast<double>(first.view().image(x, y))),
                              "a pixel has the statistic of its column");
            }
        }
    });
    if (views.empty()) return;
    auto const axis = input.flag() ? StackAxis::X : StackAxis::Y;
    fuzz::Size const line = axis == StackAxis::X ? fuzz::Size{1, size.height} : fuzz::Size{size.width, 1};
    Output<T> lines(input, line), same(input, line);
    fuzz::answered([&] {
        statisticsStack<T>(lines.view(), views.front(), property, axis, control, 1);
        statisticsStack<T>(same.view(), views.front(), property, axis, control, threads);
        requireSame<T>(lines.view(), same.view());
    });
}

template <typename T>
void bin(fuzz::Input& input) {
    fuzz::Exposure<T> exposure(input);
    auto const image = exposure.view();
    auto const binX = input.flag() ? input.within(1, 40) : input.integer();
    auto const binY = input.flag() ? input.within(1, 40) : input.integer();
    std::optional<BinExclusion> exclusion;
    if (input.flag()) exclusion = BinExclusion{input.take<MaskPixel>(), input.take<MaskPixel>()};
    fuzz::Size const size{binX > 0 ? image.width() / binX : 1, binY > 0 ? image.height() / binY : 1};
    if (size.width == 0 || size.height == 0) return;
    Output<T> first(input, size), second(input, size);
    fuzz::answered([&] {
        binImage<T>(first.view(), image, binX, binY, exclusion, 1);
        binImage<T>(second.view(), image, binX, binY, exclusion, static_cast<int>(input.within(1, 3)));
        auto const one = first.view(), other = second.view();
        for (std::ptrdiff_t y = 0; y < size.height; ++y) {
            for (std::ptrdiff_t x = 0; x < size.width; ++x) {
                fuzz::require(fuzz::same(static_cast<double>(one.image(x, y)), static_cast<double>(other.image(x, y))),
                              "threads do not matter");
                MaskPixel all = 0;
                auto low = static_cast<double>(image.image(x * binX, y * binY)), high = low;
                for (auto j = y * binY; j < (y + 1) * binY; ++j) {
                    for (auto i = x * binX; i < (x + 1) * binX; ++i) {
                        all |= image.mask.exists() ? image.mask(i, j) : 0;
                        low = std::min(low, static_cast<double>(image.image(i, j)));
                        high = std::max(high, static_cast<double>(image.image(i, j)));
                    }
                }
                if (exclusion) continue;
                if (image.mask.exists()) fuzz::require(one.mask(x, y) == all, "the mask is the OR of the bin");
                auto const mean = static_cast<double>(one.image(x, y));
                auto const largest = std::max(std::abs(low), std::abs(high));
                if (largest > 1e300) continue;  // sums may overflow
                auto const rounding = 1e-12 * largest + 1e-300;
                fuzz::require(!(mean < low - rounding) && !(mean > high + rounding), "a mean lies within its bin");
            }
        }
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    fuzz::Input input(data, size);
    switch (input.take<std::uint8_t>() % 8) {
        case 0: bin<double>(input); break;
        case 1: bin<std::int32_t>(input); break;
        case 2: bin<std::uint16_t>(input); break;
        case 3: bin<float>(input); break;
        case 4: stack<double>(input); break;
        default: stack<float>(input); break;
    }
    return 0;
}
