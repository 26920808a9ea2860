#pragma once

// Level and scatter of the pixels of a box from a clipped histogram, as SExtractor and sep find them.
//
// The steps were determined from the published description (Bertin & Arnouts 1996, A&AS 117, 393, and the manual of
// SExtractor, "Modeling the background") and from what sep 1.4.1 returns for images that were made for the purpose:
//
// 1. The core: mean m and standard deviation s of the pixels within two standard deviations of the mean of all.
// 2. A histogram from m - 5 s to m + 5 s. It has 1.25 sqrt(2/pi) n + 1 bins for a core of n pixels, 4096 at most, and
//    its first bin is centred on m - 5 s. If the core is constant, bins are one unit of the pixels wide.
// 3. Rounds: mean, median and scatter of the bins in the window, which is the whole histogram at first and then 3
//    scatters to either side of the median. They end when the scatter changes by less than 1e-4, or is below 0.1 bins.
// 4. The level is 2.5 median - 1.5 mean, or the median if the two differ by 0.3 scatters or more.
//
// Positions in the histogram are computed in double, so that levels far above the scatter are accurate.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <span>
#include <vector>

#include "compute_statistics.hpp"
#include "moments.hpp"

namespace evensky::detail {

struct BoxLevel {
    double level = nan, error = nan, rms = nan;
    std::int64_t number = 0;  // pixels that clipping has left
    std::int64_t good = 0;    // pixels that were not masked and finite
};

// Return the error of ofMedian * median - ofMean * mean of pixels, given that of their mean. The mean is efficient, so
// that its covariance with the median is its own variance.
[[nodiscard]] inline double modeError(double ofMedian, double ofMean, double perMean) noexcept {
    return perMean *
           std::sqrt(ofMedian * ofMedian * (std::numbers::pi / 2.0) + ofMean * ofMean - 2.0 * ofMedian * ofMean);
}

// Histogram of the pixels of a box, and a window of its bins that can be moved.
class Histogram {
public:
    static constexpr std::ptrdiff_t mostBins = 4096;

    // Fill the bins, of which the first is centred on `zero`. Pixels beyond the bins do not count.
    template <typename T>
    void fill(std::span<T const> pixels, double zero, double step, std::ptrdiff_t bins) {
        _counts.assign(static_cast<std::size_t>(bins) + 1, 0);  // the last one holds pixels beyond the others
        double const inverse = 1.0 / step, behind = static_cast<double>(bins);
        constexpr std::size_t together = 256;
        std::int32_t at[together];
        for (std::size_t start = 0; start < pixels.size(); start += together) {
            auto const n = std::min(pixels.size() - start, together);
            T const* const values = pixels.data() + start;
            for (std::size_t i = 0; i < n; ++i) {
                double const place = (static_cast<double>(values[i]) - zero) * inverse + 0.5;
                at[i] = static_cast<std::int32_t>(place >= 0.0 && place < behind ? place : behind);
            }
            for (std::size_t i = 0; i < n; ++i) ++_counts[static_cast<std::size_t>(at[i])];
        }
        _low = 0;
        _high = bins - 1;
        _split = 0;
        _below = _n = _first = _second = 0;
        for (std::ptrdiff_t i = 0; i < bins; ++i) add(i, 1);
    }

    // Move the window to the bins low ... high.
    void moveTo(std::ptrdiff_t low, std::ptrdiff_t high) {
        for (; _low > low; --_low) addBelow(_low - 1, 1);
        for (; _high < high; ++_high) add(_high + 1, 1);
        for (; _low < low; ++_low) addBelow(_low, -1);
        for (; _high > high; --_high) add(_high, -1);
        if (_split < _low) {
            _split = _low;
            _below = 0;
        }
        while (_split > _high + 1) _below -= count(--_split);
    }

    [[nodiscard]] std::int64_t size() const noexcept { return _n; }
    [[nodiscard]] std::ptrdiff_t low() const noexcept { return _low; }
    [[nodiscard]] std::ptrdiff_t high() const noexcept { return _high; }
    [[nodiscard]] double mean() const noexcept { return static_cast<double>(_first) / static_cast<double>(_n); }
    [[nodiscard]] double scatter() const noexcept {
        double const centre = mean();
        double const variance = static_cast<double>(_second) / static_cast<double>(_n) - centre * centre;
        return variance > 0.0 ? std::sqrt(variance) : 0.0;
    }

    // Return the median of the pixels in the window. The bins are divided between two sides: one grows from below, one
    // from above, always the one with fewer pixels, that from above if both have as many. The median lies at the
    // border, moved towards the side with more pixels by half their difference in units of the larger bin beside it.
    [[nodiscard]] double median() noexcept {
        // Bin i belongs to the lower side if the pixels below it are fewer than those above it.
        auto const isBelow = [&](std::ptrdiff_t i, std::int64_t below) { return 2 * below + count(i) < _n; };
        while (_split <= _high && isBelow(_split, _below)) _below += count(_split++);
        while (_split > _low && !isBelow(_split - 1, _below - count(_split - 1))) _below -= count(--_split);
        auto const larger = std::max(_split > _low ? count(_split - 1) : 0, _split <= _high ? count(_split) : 0);
        double const border = static_cast<double>(_split) - 0.5;
        if (larger == 0) return border;
        return border + static_cast<double>(_n - 2 * _below) / static_cast<double>(2 * larger);
    }

private:
    [[nodiscard]] std::int64_t count(std::ptrdiff_t bin) const noexcept {
        return static_cast<std::int64_t>(_counts[static_cast<std::size_t>(bin)]);
    }
    void add(std::ptrdiff_t bin, std::int64_t sign) noexcept {
        auto const pixels = sign * count(bin);
        auto const place = static_cast<std::int64_t>(bin);
        _n += pixels;
        _first += place * pixels;
        _second += place * place * pixels;
    }
    void addBelow(std::ptrdiff_t bin, std::int64_t sign) noexcept {
        add(bin, sign);
        if (bin < _split) _below += sign * count(bin);
    }

    std::vector<std::uint32_t> _counts;
    std::ptrdiff_t _low = 0, _high = 0;
    std::ptrdiff_t _split = 0;                     // first bin of the upper side
    std::int64_t _below = 0;                       // pixels in the window below it
    std::int64_t _n = 0, _first = 0, _second = 0;  // sums over the window of count, count * bin, count * bin^2
};

// Working memory of histogramLevel.
template <typename T>
struct HistogramMemory {
    Histogram histogram;
    BufferOf<T> core;
};

// Return the moments of the packed pixels within two standard deviations of their mean.
template <typename T>
Moments coreMoments(std::span<T const> pixels, BufferOf<T>& buffer, Ahead& ahead) {
    auto const n = static_cast<std::ptrdiff_t>(pixels.size());
    auto const all = packedMoments(pixels.data(), n, static_cast<double>(pixels[pixels.size() / 2]), false, ahead);
    double const reach = 2.0 * std::sqrt(noScatterBelowZero(all.sumWD2) / static_cast<double>(all.n));
    auto const& kernel = kernelsOf<T>();
    auto const core = momentsOf(kernel.deviationsWithin(pixels.data(), n, all.mean, reach), all.mean, true);
    if (core.n == 0) return all;  // the mean of equal pixels was rounded
    double const shift = core.mean - all.mean;
    // With 64 times the squared scatter, six of the 53 bits are lost.
    if (shift * shift <= 64.0 * core.sumWD2 / static_cast<double>(core.n)) return core;
    T* const inside = buffer.room(pixels.size() + static_cast<std::size_t>(slack));
    std::ptrdiff_t number = 0;
    for (T const x : pixels) {
        if (std::abs(static_cast<double>(x) - all.mean) <= reach) inside[number++] = x;
    }
    return packedMoments(inside, number, static_cast<double>(inside[number / 2]), false, ahead);
}

// Return level and scatter of packed good pixels; NaN if there are fewer than two. `ahead` is the memory that will be
// read next.
template <typename T>
BoxLevel histogramLevel(std::span<T const> pixels, HistogramMemory<T>& memory, Ahead& ahead) {
    if (pixels.size() < 2) return {};
    auto& histogram = memory.histogram;
    auto const core = coreMoments(pixels, memory.core, ahead);
    auto const n = static_cast<double>(core.n);
    double const scatter = std::sqrt(noScatterBelowZero(core.sumWD2) / n);
    double const wanted = 1.25 * std::sqrt(2.0 / std::numbers::pi) * n + 1.0;
    auto const bins = wanted < static_cast<double>(Histogram::mostBins) ? static_cast<std::ptrdiff_t>(wanted)
                                                                        : Histogram::mostBins;
    // The reciprocal of a step must be finite.
    constexpr double leastCoreScatter = 1e-300;
    double const step = scatter > leastCoreScatter ? 10.0 * scatter / static_cast<double>(bins) : 1.0;
    double const zero = core.mean - 5.0 * scatter;
    histogram.fill(pixels, zero, step, bins);
    constexpr int mostRounds = 100;
    constexpr double leastChange = 1e-4, leastScatter = 0.1;
    double mean = nan, median = nan, width = nan, last = std::numeric_limits<double>::infinity();
    for (int round = 0; round < mostRounds; ++round) {
        mean = histogram.mean();
        median = histogram.median();
        width = histogram.scatter();
        if (!(width >= leastScatter) || std::abs(width / last - 1.0) < leastChange) break;
        last = width;
        auto const low =
                std::max<std::ptrdiff_t>(0, static_cast<std::ptrdiff_t>(std::floor(median - 3.0 * width + 0.5)));
        auto const high = std::min(bins - 1, static_cast<std::ptrdiff_t>(std::floor(median + 3.0 * width + 0.5)));
        if (low == histogram.low() && high == histogram.high()) break;  // nothing would change
        histogram.moveTo(low, high);
    }
    BoxLevel result;
    result.number = histogram.size();
    auto const kept = static_cast<double>(result.number);
    result.rms = step * width;
    double const perMean = result.number > 1 ? result.rms / std::sqrt(kept - 1.0) : nan;
    if (width == 0.0) {
        result.level = zero + step * mean;
        result.error = perMean;
    } else if (std::abs(mean - median) < 0.3 * width) {
        result.level = zero + step * (2.5 * median - 1.5 * mean);
        result.error = modeError(2.5, 1.5, perMean);
    } else {
        result.level = zero + step * median;
        result.error = modeError(1.0, 0.0, perMean);
    }
    return result;
}

}  // namespace evensky::detail
