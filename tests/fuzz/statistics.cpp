// Fuzz target: statistics of any image with any control. Simple statistics are compared with a simple computation, and
// the number of threads does not matter.

#include "evensky/statistics.hpp"

#include <algorithm>

#include "control.hpp"
#include "input.hpp"

using namespace evensky;

namespace {

// Check unweighted order statistics by sorting.
template <typename T>
void check(Statistics const& statistics, MaskedImageView<T const> const& image, StatisticsControl const& control) {
    std::vector<T> good;
    for (std::ptrdiff_t y = 0; y < image.height(); ++y) {
        for (std::ptrdiff_t x = 0; x < image.width(); ++x) {
            T const value = image.image(x, y);
            if (image.mask.exists() && (image.mask(x, y) & control.getAndMask()) != 0) continue;
            if (!std::isfinite(static_cast<float>(value))) continue;
            good.push_back(value);
        }
    }
    std::sort(good.begin(), good.end());
    auto const n = good.size();
    auto const wants = [&](Property property) { return (statistics.getFlags() & property) != 0; };
    fuzz::require(statistics.getNumGood() == static_cast<std::int64_t>(n), "the number of good pixels");
    if (wants(NPOINT)) fuzz::require(statistics.getValue(NPOINT) == static_cast<double>(n), "NPOINT");
    if (wants(NMASKED)) {
        fuzz::require(statistics.getValue(NMASKED) ==
                              static_cast<double>(image.width() * image.height()) - static_cast<double>(n),
                      "NMASKED");
    }
    if (n == 0) {
        for (auto const& row : propertyTable) {
            if (row.group == PropertyGroup::REQUEST || row.group == PropertyGroup::COUNT || row.property == SUM ||
                row.property == NCLIPPED || !wants(row.property)) {
                continue;
            }
            fuzz::require(std::isnan(statistics.getValue(row.property)), "NaN without a good pixel");
        }
        return;
    }
    if (wants(MIN)) fuzz::require(statistics.getValue(MIN) == static_cast<double>(good.front()), "MIN");
    if (wants(MAX)) fuzz::require(statistics.getValue(MAX) == static_cast<double>(good.back()), "MAX");
    // Integers stand for ranges, in which quantiles lie.
    if (wants(MEDIAN) && n % 2 == 1 && std::is_floating_point_v<T>) {
        fuzz::require(statistics.getValue(MEDIAN) == static_cast<double>(good[n / 2]), "MEDIAN");
    }
    if (wants(MAD)) fuzz::require(!(statistics.getValue(MAD) < 0.0), "MAD");
    if (wants(IQRANGE)) fuzz::require(!(statistics.getValue(IQRANGE) < 0.0), "IQRANGE");
}

template <typename T>
void run(fuzz::Input& input) {
    auto const control = fuzz::makeControl(input);
    auto const flags = input.flag() ? input.take<std::int32_t>() : input.take<std::int32_t>() & allProperties;
    auto const threads = static_cast<int>(input.within(-1, 3));
    bool const weighted = input.flag();
    fuzz::Exposure<T> exposure(input);
    auto const view = exposure.view();
    fuzz::Plane<WeightPixel> weights(input, view.width(), view.height());
    fuzz::answered([&] {
        auto const make = [&](int num_threads) {
            return weighted ? makeStatistics<T>(view, weights.view(), flags, control, num_threads)
                            : makeStatistics<T>(view, flags, control, num_threads);
        };
        auto const statistics = make(1);
        auto const again = make(threads);
        for (auto const& row : propertyTable) {
            auto const property = row.property;
            if ((flags & property) == 0 || row.group == PropertyGroup::REQUEST) continue;
            fuzz::require(fuzz::same(statistics.getValue(property), again.getValue(property)), "threads do not matter");
            fuzz::require(fuzz::same(statistics.getError(property), again.getError(property)), "threads do not matter");
        }
        fuzz::require(statistics.getOrMask() == again.getOrMask(), "threads do not matter");
        if (!weighted && !control.getWeighted() && control.getNanSafe()) check<T>(statistics, view, control);
    });
    if (view.mask.exists()) fuzz::answered([&] { (void)makeMaskStatistics(view.mask, flags); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    fuzz::Input input(data, size);
    switch (input.take<std::uint8_t>() % 8) {
        case 0: run<double>(input); break;
        case 1: run<std::int32_t>(input); break;
        case 2: run<std::uint16_t>(input); break;
        case 3: run<std::uint64_t>(input); break;
        default: run<float>(input); break;
    }
    return 0;
}
