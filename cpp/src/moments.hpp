#pragma once

// Moments in one pass over memory, accurate to a few rounding errors of the scatter.
//
// Within a block, sums are taken about the mean of the block, in two passes over the block in cache. Blocks are merged
// by the formulae of Chan, Golub & LeVeque (1979). Deviations from zero are never squared, so that a scatter far below
// the level is accurate, too.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "pixel_source.hpp"
#include "threads.hpp"

namespace evensky::detail {

struct Moments {
    std::int64_t n = 0;
    std::int64_t unweighted = 0;  // pixels without a weight, which n does not include
    double sumW = 0.0;
    double sumW2 = 0.0;
    double sumWX = 0.0;
    double mean = 0.0;      // mean of the pixels so far; meaningless if sumW is 0
    double sumWD2 = 0.0;    // sum of w (x - mean)^2; negative only if a weight is
    double sumWVar = 0.0;   // sum of w var
    double sumW2Var = 0.0;  // sum of w^2 var
    double min = std::numeric_limits<double>::infinity();
    double max = -std::numeric_limits<double>::infinity();
    bool anyNan = false;            // whether one of the n pixels is NaN
    bool anyUnweightedNan = false;  // whether one of the pixels without a weight is NaN

    void merge(Moments const& other) noexcept {
        unweighted += other.unweighted;
        anyUnweightedNan |= other.anyUnweightedNan;
        if (other.n == 0) return;
        if (n == 0) {
            auto const pixels = unweighted;
            bool const nan = anyUnweightedNan;
            *this = other;
            unweighted = pixels;
            anyUnweightedNan = nan;
            return;
        }
        anyNan |= other.anyNan;
        double const total = sumW + other.sumW;
        if (total != 0.0) {
            double const delta = other.mean - mean;
            sumWD2 += other.sumWD2 + delta * delta * (sumW * (other.sumW / total));
            mean += delta * (other.sumW / total);
        }
        n += other.n;
        sumW = total;
        sumW2 += other.sumW2;
        sumWX += other.sumWX;
        sumWVar += other.sumWVar;
        sumW2Var += other.sumW2Var;
        min = std::min(min, other.min);
        max = std::max(max, other.max);
    }

    [[nodiscard]] double variance() const noexcept {
        if (n <= 1) return std::numeric_limits<double>::quiet_NaN();
        return sumWD2 / sumW * (sumW * sumW / (sumW * sumW - sumW2));
    }
    [[nodiscard]] double meanValue() const noexcept {
        return n == 0 || sumW == 0.0 ? std::numeric_limits<double>::quiet_NaN() : mean;
    }
};

// Return a sum of squared deviations without weights, which is negative only by rounding; a NaN stays NaN.
[[nodiscard]] inline double noScatterBelowZero(double sumWD2) noexcept { return sumWD2 < 0.0 ? 0.0 : sumWD2; }

[[nodiscard]] inline double meanSquare(Moments const& moments) noexcept {
    auto const n = static_cast<double>(moments.n);
    double const mean = moments.meanValue();
    return (n - 1.0) / n * moments.variance() + mean * mean;
}

// Window of a clipping iteration: pixels within `halfWidth` of `centre` pass; none passes if either is NaN.
struct Window {
    double centre = 0.0;
    double halfWidth = std::numeric_limits<double>::infinity();
    bool everything = true;
};

template <bool Weighted, typename T, typename Keep>
Moments blockMoments(Block<T> const& block, Keep const& keep) {
    Moments m;
    for (std::ptrdiff_t i = 0; i < block.size; ++i) {
        auto const x = static_cast<double>(block.values[i]);
        if (!keep(x)) continue;
        double const w = Weighted ? block.weights[i] : 1.0;
        if (Weighted && w == noWeight) {
            ++m.unweighted;
            m.anyUnweightedNan |= std::isnan(x);
            continue;
        }
        ++m.n;
        m.anyNan |= std::isnan(x);
        if constexpr (Weighted) {
            m.sumW += w;
            m.sumW2 += w * w;
        }
        m.sumWX += w * x;
        m.min = std::min(m.min, x);
        m.max = std::max(m.max, x);
    }
    if (m.n == 0) return m;
    if constexpr (!Weighted) {
        m.sumW = static_cast<double>(m.n);
        m.sumW2 = m.sumW;
    }
    if (block.variances != nullptr) {
        for (std::ptrdiff_t i = 0; i < block.size; ++i) {
            if (!keep(static_cast<double>(block.values[i]))) continue;
            double const w = Weighted ? block.weights[i] : 1.0;
            if (Weighted && w == noWeight) continue;
            auto const variance = static_cast<double>(block.variances[i]);
            m.sumWVar += w * variance;
            m.sumW2Var += w * w * variance;
        }
    }
    if (m.sumW == 0.0) return m;
    if (m.min == m.max && !std::isnan(m.sumWX)) {
        // Constant data have exactly their value as mean, and no scatter, whatever the rounding of the sums.
        m.mean = m.min;
        return m;
    }
    double const centre = m.sumWX / m.sumW;
    double sumWD = 0.0;
    double sumWD2 = 0.0;
    double lightest = 0.0;
    for (std::ptrdiff_t i = 0; i < block.size; ++i) {
        auto const x = static_cast<double>(block.values[i]);
        if (!keep(x)) continue;
        double const w = Weighted ? block.weights[i] : 1.0;
        if (Weighted && w == noWeight) continue;
        double const d = x - centre;
        sumWD += w * d;
        sumWD2 += w * d * d;
        lightest = std::min(lightest, w);
    }
    // The centre is rounded and differs from the mean; the mean deviation corrects both sums.
    double const shift = sumWD / m.sumW;
    m.mean = centre + shift;
    m.sumWD2 = sumWD2 - sumWD * shift;
    if (lightest == 0.0) m.sumWD2 = noScatterBelowZero(m.sumWD2);
    return m;
}

// Number of lanes of sums: their additions are independent of each other, so that compilers can vectorise them. The
// order of the additions is fixed, so results are the same for every instruction set.
inline constexpr std::ptrdiff_t momentLanes = 8;

// Call add(lane, x) for every pixel.
template <typename T, typename Add>
void forEachLane(Block<T> const& block, Add const& add) {
    std::ptrdiff_t i = 0;
    for (; i + momentLanes <= block.size; i += momentLanes) {
        for (std::ptrdiff_t lane = 0; lane < momentLanes; ++lane) {
            add(static_cast<std::size_t>(lane), static_cast<double>(block.values[i + lane]));
        }
    }
    for (std::ptrdiff_t lane = 0; i < block.size; ++i, ++lane) {
        add(static_cast<std::size_t>(lane), static_cast<double>(block.values[i]));
    }
}

using LaneSums = std::array<double, momentLanes>;

inline double total(LaneSums const& sums) noexcept {
    double result = 0.0;
    for (double const sum : sums) result += sum;
    return result;
}

template <typename T>
[[nodiscard]] bool isNan(T value) noexcept {
    return std::isnan(value);
}

// Return the unweighted moments of all pixels of a block.
template <typename T>
Moments plainMoments(Block<T> const& block) {
    Moments m;
    if (block.size == 0) return m;
    LaneSums sums{}, low, high;
    low.fill(m.min);
    high.fill(m.max);
    forEachLane(block, [&](std::size_t lane, double x) {
        sums[lane] += x;
        low[lane] = x < low[lane] ? x : low[lane];
        high[lane] = x > high[lane] ? x : high[lane];
    });
    m.n = block.size;
    m.sumW = m.sumW2 = static_cast<double>(m.n);
    m.sumWX = total(sums);
    m.min = *std::min_element(low.begin(), low.end());
    m.max = *std::max_element(high.begin(), high.end());
    if constexpr (std::is_floating_point_v<T>) {
        // Infinite pixels of both signs have a sum of NaN, too.
        m.anyNan = std::isnan(m.sumWX) && std::any_of(block.values, block.values + block.size, isNan<T>);
    }
    if (m.min == m.max && !std::isnan(m.sumWX)) {
        m.mean = m.min;
        return m;
    }
    double const centre = m.sumWX / m.sumW;
    LaneSums first{}, second{};
    forEachLane(block, [&](std::size_t lane, double x) {
        double const d = x - centre;
        first[lane] += d;
        second[lane] += d * d;
    });
    double const shift = total(first) / m.sumW;
    m.mean = centre + shift;
    m.sumWD2 = noScatterBelowZero(total(second) - total(first) * shift);
    return m;
}

// Return the unweighted moments of the pixels in a window, from sums about its centre. The centre is the median, or the
// mean of the previous iteration, and is within the scatter of the mean, so that one pass suffices.
template <typename T>
Moments windowMoments(Block<T> const& block, Window const& window) {
    Moments m;
    LaneSums count{}, first{}, second{}, low, high;
    low.fill(m.min);
    high.fill(m.max);
    forEachLane(block, [&](std::size_t lane, double x) {
        double const d = x - window.centre;
        bool const inside = std::abs(d) <= window.halfWidth;
        low[lane] = inside && x < low[lane] ? x : low[lane];
        high[lane] = inside && x > high[lane] ? x : high[lane];
        double const kept = inside ? d : 0.0;
        count[lane] += inside ? 1.0 : 0.0;
        first[lane] += kept;
        second[lane] += kept * kept;
    });
    m.sumW = m.sumW2 = total(count);
    m.n = static_cast<std::int64_t>(m.sumW);
    if (m.n == 0) return m;
    m.min = *std::min_element(low.begin(), low.end());
    m.max = *std::max_element(high.begin(), high.end());
    if (m.min == m.max) {
        m.mean = m.min;
        m.sumWX = m.sumW * m.min;
        return m;
    }
    double const shift = total(first) / m.sumW;
    m.mean = window.centre + shift;
    m.sumWX = total(first) + m.sumW * window.centre;
    m.sumWD2 = noScatterBelowZero(total(second) - total(first) * shift);
    return m;
}

// Convert sums of deviations from a centre to moments; `extremesKnown` tells whether the sums hold min and max.
inline Moments momentsOf(Deviations const& d, double centre, bool extremesKnown) noexcept {
    Moments m;
    m.n = d.count;
    if (m.n == 0) return m;
    m.sumW = m.sumW2 = static_cast<double>(d.count);
    if (extremesKnown) {
        m.min = static_cast<double>(d.min);
        m.max = static_cast<double>(d.max);
        if (m.min == m.max) {
            // Constant data have exactly their value as mean, and no scatter, whatever the rounding of the sums.
            m.mean = m.min;
            m.sumWX = m.sumW * m.min;
            return m;
        }
    }
    double const shift = d.first / m.sumW;
    m.mean = centre + shift;
    m.sumWX = d.first + m.sumW * centre;
    m.sumWD2 = noScatterBelowZero(d.second - d.first * shift);
    return m;
}

// Return the moments of packed good pixels. `guess` should be near their mean; if it is so far off that the sums lose
// digits, they are computed again about the mean. `ahead` is the memory that will be read next.
inline Moments packedMoments(float const* packed, std::ptrdiff_t n, double guess, bool wantExtremes, Ahead& ahead) {
    Moments m;
    if (n == 0) return m;
    auto const& kernel = kernels();
    auto deviations = kernel.deviations(packed, n, guess, ahead);
    double const shift = deviations.first / static_cast<double>(n);
    double const scatter2 = deviations.second / static_cast<double>(n) - shift * shift;
    // With 64 times the squared scatter, six of the 53 bits are lost.
    bool const again = !(shift * shift <= 64.0 * scatter2);
    if (again || wantExtremes) kernel.extremes(packed, n, &deviations.min, &deviations.max);
    if (!again || shift == 0.0) return momentsOf(deviations, guess, wantExtremes);
    double const mean = guess + shift;
    auto const [min, max] = std::pair(deviations.min, deviations.max);
    deviations = kernel.deviations(packed, n, mean, ahead);
    deviations.min = min;
    deviations.max = max;
    return momentsOf(deviations, mean, true);
}

template <typename T>
Moments blockMoments(Block<T> const& block, Window const& window) {
    if constexpr (std::is_same_v<T, float>) {
        if (block.weights == nullptr && block.variances == nullptr && !window.everything) {
            return momentsOf(kernels().deviationsWithin(block.values, block.size, window.centre, window.halfWidth),
                             window.centre, true);
        }
    }
    if (block.weights == nullptr && block.variances == nullptr) {
        return window.everything ? plainMoments(block) : windowMoments(block, window);
    }
    auto const all = [](double) { return true; };
    auto const within = [&window](double x) { return std::abs(x - window.centre) <= window.halfWidth; };
    if (block.weights == nullptr) {
        return window.everything ? blockMoments<false>(block, all) : blockMoments<false>(block, within);
    }
    return window.everything ? blockMoments<true>(block, all) : blockMoments<true>(block, within);
}

// Working memory of a thread that processes blocks.
template <typename T>
struct BlockScratch {
    BlockStorage<T> storage;
    Buffer aside;
    Ahead ahead;  // memory to read for the next block
};

// Call work(block, i, scratch) for every block of the source, where i is the group of the block. Groups run
// concurrently, the blocks of a group in order. If the caller combines one result per group in order, the total does
// not depend on the number of threads.
inline constexpr std::ptrdiff_t blocksPerGroup = 32;

inline std::ptrdiff_t numGroups(std::ptrdiff_t blocks) { return (blocks + blocksPerGroup - 1) / blocksPerGroup; }

template <typename Source, typename Work>
void forEachBlock(Source const& source, int num_threads, bool tallyMasks, std::vector<MaskTally>* tallies,
                  Work const& work) {
    using T = typename Source::value_type;
    auto const groups = numGroups(source.numBlocks());
    if (tallyMasks) tallies->assign(static_cast<std::size_t>(groups), MaskTally{});
    parallelForWith<BlockScratch<T>>(groups, num_threads, [&](std::ptrdiff_t group, BlockScratch<T>& scratch) {
        auto* const tally = tallyMasks ? &(*tallies)[static_cast<std::size_t>(group)] : nullptr;
        auto const end = std::min(source.numBlocks(), (group + 1) * blocksPerGroup);
        for (auto b = group * blocksPerGroup; b < end; ++b) {
            auto const block = loadBlock(source, b, scratch.storage, tally);
            scratch.ahead = b + 1 < end ? aheadOf(source, b + 1) : Ahead{};
            work(block, group, scratch);
        }
    });
}

template <typename Source>
Moments sourceMoments(Source const& source, Window const& window, int num_threads, MaskTally* tally = nullptr) {
    std::vector<Moments> parts(static_cast<std::size_t>(numGroups(source.numBlocks())));
    std::vector<MaskTally> tallies;
    forEachBlock(source, num_threads, tally != nullptr, &tallies, [&](auto const& block, std::ptrdiff_t group, auto&) {
        parts[static_cast<std::size_t>(group)].merge(blockMoments(block, window));
    });
    Moments total;
    for (auto const& part : parts) total.merge(part);
    if (tally != nullptr) {
        for (auto const& part : tallies) tally->merge(part);
    }
    return total;
}

}  // namespace evensky::detail
