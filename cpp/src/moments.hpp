#pragma once

// Moments in one pass over memory, accurate to a few rounding errors of the scatter.
//
// Within a block, sums are taken about the mean of the block, in two passes over the block in cache. Blocks are merged
// by the formulae of Chan, Golub & LeVeque (1979). Deviations from zero are never squared, so that a scatter far below
// the level is accurate, too. Where the squares of float64 pixels would overflow, or lose their digits because they are
// tiny, the pixels are read again and divided by a power of two.

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
    double sumWW = 0.0;  // sum of the products of the weights of all pairs of pixels; 0 if unweighted
    double sumWX = 0.0;
    double mean = 0.0;      // mean of the pixels so far; meaningless if sumW is 0
    double sumWD2 = 0.0;    // sum of w (x - mean)^2; negative only if a weight is
    double sumWVar = 0.0;   // sum of w var
    double sumW2Var = 0.0;  // sum of w^2 var
    double min = std::numeric_limits<double>::infinity();
    double max = -std::numeric_limits<double>::infinity();
    int exponent = 0;               // sumWX, mean and sumWD2 are of pixels divided by 2^exponent
    bool anyNan = false;            // whether one of the n pixels is NaN
    bool anyUnweightedNan = false;  // whether one of the pixels without a weight is NaN

    // Add the moments of other pixels; both exponents must be 0.
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
        sumWW += other.sumWW + sumW * other.sumW;
        sumW = total;
        sumW2 += other.sumW2;
        sumWX += other.sumWX;
        sumWVar += other.sumWVar;
        sumW2Var += other.sumW2Var;
        min = std::min(min, other.min);
        max = std::max(max, other.max);
    }

    // Convert a quantity in the unit of the divided pixels, or in a power of it, to that of the pixels.
    [[nodiscard]] double inUnit(double value, int power = 1) const noexcept {
        return exponent == 0 ? value : std::ldexp(value, power * exponent);
    }
    // Return whether one weight exceeds all others by far: then the difference of the square of their sum and of the
    // sum of their squares has lost its digits, and the variance needs sumWW.
    [[nodiscard]] bool needPairs() const noexcept {
        double const square = sumW * sumW;
        return std::abs(square - sumW2) < 0x1p-12 * (square + sumW2);
    }
    // Return the variance of the divided pixels.
    [[nodiscard]] double dividedVariance() const noexcept {
        if (n <= 1) return std::numeric_limits<double>::quiet_NaN();
        double const square = sumW * sumW;
        double const pairs = needPairs() ? 2.0 * sumWW : square - sumW2;
        return sumWD2 / sumW * (square / pairs);
    }
    [[nodiscard]] double stdev() const noexcept { return inUnit(std::sqrt(dividedVariance())); }
    // Return the standard deviation of unweighted pixels with divisor n - ddof; NaN if there are not more than that.
    [[nodiscard]] double stdev(double ddof) const noexcept {
        double const divisor = static_cast<double>(n) - ddof;
        if (n == 0 || !(divisor > 0.0)) return std::numeric_limits<double>::quiet_NaN();
        // The sum of squares beyond the range of float64 may be NaN.
        double const sum = std::isnan(sumWD2) ? std::numeric_limits<double>::infinity() : sumWD2;
        return std::sqrt(std::max(sum, 0.0) / divisor);
    }
    [[nodiscard]] double meanValue() const noexcept {
        return n == 0 || sumW == 0.0 ? std::numeric_limits<double>::quiet_NaN() : inUnit(mean);
    }
};

// Return a sum of squared deviations without weights, which is negative only by rounding; a NaN stays NaN.
[[nodiscard]] inline double noScatterBelowZero(double sumWD2) noexcept { return sumWD2 < 0.0 ? 0.0 : sumWD2; }

[[nodiscard]] inline double meanSquare(Moments const& moments) noexcept {
    auto const n = static_cast<double>(moments.n);
    double const mean = moments.n == 0 || moments.sumW == 0.0 ? std::numeric_limits<double>::quiet_NaN() : moments.mean;
    return moments.inUnit((n - 1.0) / n * moments.dividedVariance() + mean * mean, 2);
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
            m.sumWW += w * m.sumW;
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

// Set the mean, the sum and the scatter of moments whose weight and extremes are known, from sums of the deviations
// from a centre and of their squares.
inline void setMean(Moments& m, double first, double second, double centre) noexcept {
    if (m.min == m.max) {
        // Constant data have exactly their value as mean, and no scatter, whatever the rounding of the sums.
        m.mean = m.min;
        m.sumWX = m.sumW * m.min;
        return;
    }
    double const shift = first / m.sumW;
    m.mean = centre + shift;
    m.sumWX = first + m.sumW * centre;
    m.sumWD2 = noScatterBelowZero(second - first * shift);
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
    setMean(m, total(first), total(second), window.centre);
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
    }
    setMean(m, d.first, d.second, centre);
    return m;
}

// Return the moments of packed good pixels. `guess` should be near their mean; if it is so far off that the sums lose
// digits, they are computed again about the mean. `ahead` is the memory that will be read next.
template <typename T>
Moments packedMoments(T const* packed, std::ptrdiff_t n, double guess, bool wantExtremes, Ahead& ahead) {
    Moments m;
    if (n == 0) return m;
    auto const& kernel = kernelsOf<T>();
    auto deviations = kernel.deviations(packed, n, guess, ahead);
    double const shift = deviations.first / static_cast<double>(n);
    double const scatter2 = deviations.second / static_cast<double>(n) - shift * shift;
    // With 64 times the squared scatter, six of the 53 bits are lost.
    bool const again = !(shift * shift <= 64.0 * scatter2);
    if (again || wantExtremes) {
        T min, max;
        kernel.extremes(packed, n, &min, &max);
        deviations.min = static_cast<double>(min);
        deviations.max = static_cast<double>(max);
    }
    if (!again || shift == 0.0) return momentsOf(deviations, guess, again || wantExtremes);
    double const mean = guess + shift;
    auto const [min, max] = std::pair(deviations.min, deviations.max);
    deviations = kernel.deviations(packed, n, mean, ahead);
    deviations.min = min;
    deviations.max = max;
    return momentsOf(deviations, mean, true);
}

// Convert sums of weighted deviations from a centre to moments.
inline Moments momentsOf(WeightedDeviations const& d, double centre) noexcept {
    Moments m;
    m.n = d.count;
    m.unweighted = d.unweighted;
    if (m.n == 0) return m;
    m.sumW = d.sumW;
    m.sumW2 = d.sumW2;
    // The products of pairs are needed only for weights that are not ordinary, see needPairs().
    m.sumWW = std::numeric_limits<double>::quiet_NaN();
    m.sumWVar = d.sumWVar;
    m.sumW2Var = d.sumW2Var;
    m.min = d.min;
    m.max = d.max;
    setMean(m, d.first, d.second, centre);
    return m;
}

// Return whether sums about a centre are accurate with these weights: none is negative, infinite or NaN, and they are
// not all 0.
[[nodiscard]] inline bool areOrdinary(WeightedDeviations const& d) noexcept {
    return d.count == 0 ||
           (d.lightest >= 0.0 && d.sumW > 0.0 && std::isfinite(d.sumW) && d.sumW2 > 0.0 && std::isfinite(d.sumW2));
}

// Return moments of pixels with weights or variances. `centre` should be near their mean; sumAbout(value) returns the
// sums of deviations from a value, and exactly() the moments if weights are not ordinary.
template <typename SumAbout, typename Exactly>
Moments weightedMoments(double centre, SumAbout const& sumAbout, Exactly const& exactly) {
    auto const found = sumAbout(centre);
    if (!areOrdinary(found)) return exactly();
    if (found.count == 0) return momentsOf(found, centre);
    double const shift = found.first / found.sumW;
    double const scatter2 = found.second / found.sumW - shift * shift;
    if (shift * shift <= 64.0 * scatter2 || shift == 0.0 || found.min == found.max) return momentsOf(found, centre);
    double const mean = centre + shift;
    return momentsOf(sumAbout(mean), mean);
}

// Return the moments of the pixels of a block in [low, high] with weights or variances. `ahead` is the memory that will
// be read next.
template <typename T>
Moments weightedMoments(Block<T> const& block, double centre, T low, T high, Ahead& ahead) {
    auto const keep = [low, high](double x) { return x >= static_cast<double>(low) && x <= static_cast<double>(high); };
    return weightedMoments(
            centre,
            [&](double value) {
                return kernelsOf<T>().weighted(block.values, block.weights, block.variances, block.size, value, low,
                                               high, ahead);
            },
            [&] {
                return block.weights == nullptr ? blockMoments<false>(block, keep) : blockMoments<true>(block, keep);
            });
}
// Return the moments of all pixels of a block whose weights are not computed yet.
template <typename T>
Moments weightedMoments(Block<T> const& block, double centre, Ahead& ahead) {
    return weightedMoments(
            centre,
            [&](double value) {
                return kernelsOf<T>().weightedBy(block.values, block.given, block.inverse, block.variances, block.size,
                                                 value, ahead);
            },
            [&] {
                std::vector<double> weights(static_cast<std::size_t>(block.size + slack));
                auto const lacking = kernels().weigh(block.given, block.size, block.inverse, weights.data());
                Block<T> const weighed{block.values, weights.data(), block.variances, block.size, lacking};
                return blockMoments<true>(weighed, [](double) { return true; });
            });
}

template <typename T>
Moments blockMoments(Block<T> const& block, Window const& window) {
    if constexpr (hasKernels<T>) {
        if (block.weights == nullptr && block.variances == nullptr && !window.everything) {
            return momentsOf(kernelsOf<T>().deviationsWithin(block.values, block.size, window.centre, window.halfWidth),
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
    BufferOf<T> aside;
    Ahead ahead;  // memory to read for the next block
};

// Call work(block, i, scratch) for every block of the source, where i is the group of the block. Groups run
// concurrently, the blocks of a group in order. If the caller combines one result per group in order, the total does
// not depend on the number of threads. If `defersWeights` is true, weights are for weightedMoments() alone.
inline constexpr std::ptrdiff_t blocksPerGroup = 32;

inline std::ptrdiff_t numGroups(std::ptrdiff_t blocks) { return (blocks + blocksPerGroup - 1) / blocksPerGroup; }

template <typename Source, typename Work>
void forEachBlock(Source const& source, int num_threads, bool tallyMasks, std::vector<MaskTally>* tallies,
                  Work const& work, bool defersWeights = false) {
    using T = typename Source::value_type;
    auto const groups = numGroups(source.numBlocks());
    if (tallyMasks) tallies->assign(static_cast<std::size_t>(groups), MaskTally{});
    parallelForWith<BlockScratch<T>>(groups, num_threads, [&](std::ptrdiff_t group, BlockScratch<T>& scratch) {
        auto* const tally = tallyMasks ? &(*tallies)[static_cast<std::size_t>(group)] : nullptr;
        auto const end = std::min(source.numBlocks(), (group + 1) * blocksPerGroup);
        scratch.storage.defers = defersWeights;
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

// Source of another source's pixels, divided by 2^exponent.
template <typename Source>
struct DividedSource {
    using value_type = double;
    Source const& source;
    int exponent;
    [[nodiscard]] std::ptrdiff_t numBlocks() const noexcept { return source.numBlocks(); }
};

template <typename Source>
Block<double> loadBlock(DividedSource<Source> const& divided, std::ptrdiff_t b, BlockStorage<double>& storage,
                        MaskTally*) {
    auto block = loadBlock(divided.source, b, storage, nullptr);
    double const factor = std::ldexp(1.0, -divided.exponent);
    // The source may have used the storage; then it is large enough, and its pixels are divided in place.
    storage.reserve(block.size, false, false);
    for (std::ptrdiff_t i = 0; i < block.size; ++i) {
        storage.values[static_cast<std::size_t>(i)] = factor * block.values[i];
    }
    block.values = storage.values.data();
    return block;
}

// Return the exponent by which pixels in a range must be divided, so that sums of their fourth powers neither overflow
// nor lose digits; 0 if they need not be, or are not finite.
inline int exponentFor(double min, double max) noexcept {
    // The largest factor, 2^880, makes finite numbers of pixels of the range of float32, which may be about.
    constexpr int plain = 240, least = -880, most = 1000;
    double const largest = std::max(std::abs(min), std::abs(max));
    if (!(largest > 0.0) || !std::isfinite(largest)) return 0;
    auto const exponent = std::ilogb(largest);
    return std::abs(exponent) <= plain ? 0 : std::clamp(exponent, least, most);
}

// Return the exponent for the pixels in a window that have a weight: one of weight 0 may have any value.
template <typename Source>
int exponentOf(Source const& source, Window const& window) {
    double min = std::numeric_limits<double>::infinity(), max = -min;
    BlockStorage<double> storage;
    for (std::ptrdiff_t b = 0; b < source.numBlocks(); ++b) {
        auto const block = loadBlock(source, b, storage, nullptr);
        for (std::ptrdiff_t i = 0; i < block.size; ++i) {
            double const x = block.values[i];
            bool const inside = window.everything || std::abs(x - window.centre) <= window.halfWidth;
            if (!inside || (block.weights != nullptr && (block.weights[i] == 0.0 || block.weights[i] == noWeight))) {
                continue;
            }
            min = std::min(min, x);
            max = std::max(max, x);
        }
    }
    return exponentFor(min, max);
}

// Return the moments of the pixels of a source in a window. Sums of the squares of float64 pixels may overflow, or be 0
// though the pixels differ; then they are computed again of divided pixels.
template <typename Source>
Moments safeMoments(Source const& source, Window const& window, int num_threads, MaskTally* tally = nullptr) {
    auto const plain = sourceMoments(source, window, num_threads, tally);
    if constexpr (std::is_same_v<typename Source::value_type, double>) {
        if (exponentFor(plain.min, plain.max) == 0) return plain;
        auto const exponent = exponentOf(source, window);
        if (exponent == 0) return plain;
        double const factor = std::ldexp(1.0, -exponent);
        Window divided = window;
        divided.centre *= factor;
        // Pixels outside the window must not become infinite in an infinite one.
        divided.halfWidth = std::min(factor * window.halfWidth, std::numeric_limits<double>::max());
        auto moments = sourceMoments(DividedSource<Source>{source, exponent}, divided, num_threads);
        moments.exponent = exponent;
        moments.min = plain.min;
        moments.max = plain.max;
        return moments;
    } else {
        return plain;
    }
}

}  // namespace evensky::detail
