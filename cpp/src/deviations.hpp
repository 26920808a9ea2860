#pragma once

// Order statistics of |x - centre| over the good pixels of any source, without a copy of all of them.
//
// A sample gives a band in which the deviations at the given ranks very likely lie. One pass over the pixels then
// counts the deviations below the band and stores those inside, among which the ranked ones are selected. If the sample
// was not representative, all deviations are counted or partitioned, so the result is always exact, and bit-identical
// for any number of threads.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "quantiles.hpp"
#include "scan.hpp"
#include "threads.hpp"

namespace evensky::detail {

// Standard deviation of a normal distribution, in units of its median absolute deviation.
inline constexpr double madToStdev = 1.482602218505602;

template <typename T>
[[nodiscard]] inline double deviationOf(T value, double centre) noexcept {
    return std::abs(static_cast<double>(value) - centre);
}

// Source of the deviations |x - centre| of another source's pixels.
template <typename Source>
struct DeviationSource {
    using value_type = double;
    Source const& source;
    double centre;
    [[nodiscard]] std::ptrdiff_t numBlocks() const noexcept { return source.numBlocks(); }
};

template <typename Source>
Block<double> loadBlock(DeviationSource<Source> const& deviations, std::ptrdiff_t b, BlockStorage<double>& storage,
                        MaskTally*) {
    BlockStorage<typename Source::value_type> pixels;
    auto const block = loadBlock(deviations.source, b, pixels, nullptr);
    storage.reserve(block.size, false, false);
    for (std::ptrdiff_t i = 0; i < block.size; ++i) {
        storage.values[static_cast<std::size_t>(i)] = deviationOf(block.values[i], deviations.centre);
    }
    return {storage.values.data(), nullptr, nullptr, block.size};
}

// Band of deviations from `low` to `high`.
struct DeviationBand {
    double low = 0.0, high = 0.0;
};

// Return the band in which the deviations at neighbouring ranks very likely lie, given a sample of deviations.
inline DeviationBand deviationBand(std::span<double> sample, double fraction, double scatters) {
    auto const m = static_cast<double>(sample.size());
    double const margin = scatters * std::sqrt(m * fraction * (1.0 - fraction)) + 2.0;
    double const lowRank = std::floor(fraction * m - margin), highRank = std::ceil(fraction * m + margin);
    DeviationBand band{0.0, std::numeric_limits<double>::infinity()};
    auto from = sample.begin();
    if (lowRank >= 0.0) {
        from += static_cast<std::ptrdiff_t>(lowRank);
        std::nth_element(sample.begin(), from, sample.end());
        band.low = *from;
    }
    if (highRank < m) {
        auto const nth = sample.begin() + static_cast<std::ptrdiff_t>(highRank);
        std::nth_element(from, nth, sample.end());
        band.high = *nth;
    }
    return band;
}

// Result of a pass over some pixels.
struct BandCount {
    std::int64_t below = 0;      // number of deviations below the band
    std::vector<double> inside;  // deviations inside the band
};

// Band as ranges of pixels on both sides of the centre: pixels in [leftLow, leftHigh] and in [rightLow, rightHigh].
// Subtraction rounds monotonically, so it suffices to test the limits. A side is empty if its low limit is above its
// high one.
template <typename T>
struct PixelBand {
    T leftLow = 0, leftHigh = 0, rightLow = 0, rightHigh = 0;
    bool usable = false;  // whether there is a gap between the two sides

    PixelBand(double centre, DeviationBand const& band) {
        constexpr T infinity = std::numeric_limits<T>::infinity();
        usable = band.low > 0.0;
        if (!usable) return;
        auto const off = [&](T x) { return static_cast<double>(x) - centre; };
        leftLow = smallest(centre - band.high, [&](T x) { return -off(x) <= band.high; });
        leftHigh = std::nextafter(smallest(centre - band.low, [&](T x) { return -off(x) < band.low; }), -infinity);
        rightLow = smallest(centre + band.low, [&](T x) { return off(x) >= band.low; });
        rightHigh = std::nextafter(smallest(centre + band.high, [&](T x) { return off(x) > band.high; }), -infinity);
    }

private:
    // Return the smallest number for which `holds` is true, as smallestNumber() does, given a guess.
    template <typename Holds>
    static T smallest(double guess, Holds const& holds) {
        constexpr T infinity = std::numeric_limits<T>::infinity();
        constexpr int steps = 4;
        auto x = nearestNumber<T>(guess);
        for (int step = 0; step < steps && std::isfinite(x); ++step) {
            bool const here = holds(x);
            T const next = std::nextafter(x, here ? -infinity : infinity);
            if (holds(next) != here) return here ? x : next;
            x = next;
        }
        return smallestNumber<T>(holds);
    }
};

template <typename T>
void countInBand(Block<T> const& block, double centre, DeviationBand const& band, BandCount& result) {
    auto const before = result.inside.size();
    result.inside.resize(before + static_cast<std::size_t>(block.size));
    double* const inside = result.inside.data() + before;
    std::ptrdiff_t kept = 0;
    for (std::ptrdiff_t i = 0; i < block.size; ++i) {
        double const deviation = deviationOf(block.values[i], centre);
        result.below += static_cast<std::int64_t>(deviation < band.low);
        inside[kept] = deviation;  // Every deviation is written but only those inside are kept, which avoids a branch.
        kept += static_cast<std::ptrdiff_t>((deviation >= band.low) & (deviation <= band.high));
    }
    result.inside.resize(before + static_cast<std::size_t>(kept));
}

// Count the deviations of finite pixels below and inside a band with the kernels.
template <typename T>
void countInBand(Block<T> const& block, double centre, PixelBand<T> const& band, BufferOf<T>& aside,
                 BandCount& result) {
    T* const kept = aside.room(static_cast<std::size_t>(block.size + slack));
    std::int64_t belowLeft = 0, belowRight = 0;
    auto const keep = [&](std::ptrdiff_t n) {
        auto const before = result.inside.size();
        result.inside.resize(before + static_cast<std::size_t>(n));
        double* const inside = result.inside.data() + before;
        for (std::ptrdiff_t i = 0; i < n; ++i) inside[i] = deviationOf(kept[i], centre);
    };
    auto const left = kernelsOf<T>().collect(block.values, block.size, band.leftLow, band.leftHigh, kept, &belowLeft);
    keep(left);
    keep(kernelsOf<T>().collect(block.values, block.size, band.rightLow, band.rightHigh, kept, &belowRight));
    result.below += belowRight - belowLeft - left;
}

// Sample deviations of the n good pixels of a source, from all over it. A larger sample gives a narrower band, but
// costs more time.
template <typename Source>
std::vector<double> sampleDeviations(Source const& source, std::int64_t n, double centre) {
    constexpr std::ptrdiff_t blocks = 64;
    auto const most = static_cast<std::ptrdiff_t>(
            std::clamp<std::int64_t>(n / 16, 128, std::clamp<std::int64_t>(n / 256, 2048, std::int64_t{1} << 16)));
    auto const numBlocks = source.numBlocks();
    auto const looked = std::min(blocks, numBlocks);
    auto const each = most / std::max<std::ptrdiff_t>(looked, 1);
    std::vector<double> result;
    BlockStorage<typename Source::value_type> storage;
    for (std::ptrdiff_t k = 0; k < looked; ++k) {
        auto const block = loadBlock(source, numBlocks * (2 * k + 1) / (2 * looked), storage, nullptr);
        auto const taken = std::min(each, block.size);
        for (std::ptrdiff_t i = 0; i < taken; ++i) {
            double const deviation = deviationOf(block.values[block.size * i / taken + block.size / taken / 2], centre);
            if (!std::isnan(deviation)) result.push_back(deviation);
        }
    }
    return result;
}

// Return |x - centre| at ascending, neighbouring ranks among the n good pixels of a source; `plain` tells whether the
// pixels are finite.
template <typename Source>
std::vector<Ranked<double>> rankedDeviations(Source const& source, std::int64_t n, double centre, bool plain,
                                             std::span<std::int64_t const> ranks, int num_threads) {
    using T = typename Source::value_type;
    constexpr std::int64_t fewPixels = 1024;
    std::vector<Ranked<double>> result;
    DeviationBand band{0.0, std::numeric_limits<double>::infinity()};
    if (n > fewPixels) {
        auto sample = sampleDeviations(source, n, centre);
        double const fraction = static_cast<double>(ranks.front()) / static_cast<double>(n);
        // Pixels of one block see the same sky, so they are not independent if there are many blocks.
        if (!sample.empty()) band = deviationBand(sample, fraction, source.numBlocks() > 64 ? 6.0 : 3.5);
    }
    auto const groups = static_cast<std::size_t>(numGroups(source.numBlocks()));
    std::vector<BandCount> parts(groups);
    std::vector<MaskTally> tallies;
    using P = std::conditional_t<hasKernels<T>, T, double>;
    PixelBand<P> const pixels(centre, band);
    forEachBlock(source, num_threads, false, &tallies, [&](Block<T> const& block, std::ptrdiff_t group, auto& scratch) {
        auto& part = parts[static_cast<std::size_t>(group)];
        if constexpr (hasKernels<T>) {
            if (plain && pixels.usable) return countInBand(block, centre, pixels, scratch.aside, part);
        }
        countInBand(block, centre, band, part);
    });
    std::int64_t below = 0, inside = 0;
    for (auto const& part : parts) {
        below += part.below;
        inside += static_cast<std::int64_t>(part.inside.size());
    }
    if (ranks.front() < below || ranks.back() >= below + inside) {
        return rankedByCounting(DeviationSource<Source>{source, centre}, ranks, num_threads);
    }
    std::vector<double> all = std::move(parts.front().inside);
    all.reserve(static_cast<std::size_t>(inside));
    for (std::size_t g = 1; g < groups; ++g) all.insert(all.end(), parts[g].inside.begin(), parts[g].inside.end());
    std::vector<std::int64_t> local(ranks.begin(), ranks.end());
    for (auto& rank : local) rank -= below;
    appendRanked<double>(all, local, below, false, result);
    return result;
}

}  // namespace evensky::detail
