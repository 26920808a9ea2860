#pragma once

// Clipping of the packed pixels of a box, and estimators of the level and the scatter of those that are left.
//
// Many pixels are scanned once: a sample tells what core is inside the window of every round. Sums over the core and
// the few pixels outside it, the fringe, give the moments of each window, and the pixels near the median give medians
// at ranks that are counted without those that are clipped. If the sample was not representative, and for few pixels,
// each round reads all pixels that are left, so that results are always exact.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "compute_statistics.hpp"
#include "deviations.hpp"
#include "evensky/background_mesh.hpp"
#include "histogram_level.hpp"
#include "moments.hpp"
#include "quantiles.hpp"
#include "scan.hpp"

namespace evensky::detail {

// Range of pixels that are kept, with its ends.
template <typename T>
struct KeptRange {
    T low = std::numeric_limits<T>::lowest();
    T high = std::numeric_limits<T>::max();

    KeptRange() = default;
    // Range of the numbers of type T from `from` to `to`; nothing if either is NaN.
    KeptRange(double from, double to) {
        constexpr T infinity = std::numeric_limits<T>::infinity();
        low = nearestNumber<T>(from);
        if (!(static_cast<double>(low) >= from)) low = std::nextafter(low, infinity);
        high = nearestNumber<T>(to);
        if (!(static_cast<double>(high) <= to)) high = std::nextafter(high, -infinity);
    }
    // Return what two ranges have in common; nothing if an end of either is NaN.
    [[nodiscard]] KeptRange with(KeptRange const& other) const noexcept {
        KeptRange result;
        result.low = low >= other.low ? low : !(low < other.low) ? low + other.low : other.low;
        result.high = high <= other.high ? high : !(high > other.high) ? high + other.high : other.high;
        return result;
    }
};

// Working memory of ListedPixels.
template <typename T>
struct ListMemory {
    std::array<BufferOf<T>, 2> kept;
    std::vector<T> scratch;
};

// Pixels that are left, as a list.
template <typename T>
class ListedPixels {
public:
    ListedPixels(std::span<T const> all, ListMemory<T>& memory) : _all(all), _kept(all), _memory(memory) {}

    void reset() noexcept { _kept = _all; }
    bool keep(KeptRange<T> const& range) {
        std::int64_t below = 0;
        auto& to = _kept.data() == _memory.kept[0].data() ? _memory.kept[1] : _memory.kept[0];
        T* const out = to.room(_kept.size() + static_cast<std::size_t>(slack));
        auto const n = kernelsOf<T>().collect(_kept.data(), static_cast<std::ptrdiff_t>(_kept.size()), range.low,
                                              range.high, out, &below);
        _kept = {out, static_cast<std::size_t>(n)};
        return true;
    }
    [[nodiscard]] std::int64_t size() const noexcept { return static_cast<std::int64_t>(_kept.size()); }
    [[nodiscard]] Moments moments() const {
        Ahead nothing;
        double const guess = _kept.empty() ? 0.0 : static_cast<double>(_kept[_kept.size() / 2]);
        return packedMoments(_kept.data(), static_cast<std::ptrdiff_t>(_kept.size()), guess, false, nothing);
    }
    std::optional<double> quantile(double fraction) {
        std::array const fractions{fraction};
        return quantiles<T>(size(), fractions,
                            [&](std::span<std::int64_t const> ranks) {
                                return rankedInMemory(_kept, ranks, false, _memory.scratch);
                            })
                .at(fraction);
    }
    std::optional<double> median() { return quantile(0.5); }
    // Return the median distance from a centre.
    std::optional<double> deviation(double centre) const {
        constexpr std::array half{0.5};
        if (_kept.empty()) return nan;
        PackedSource<T> const source(_kept);
        return quantiles<double>(size(), half,
                                 [&](std::span<std::int64_t const> ranks) {
                                     return rankedDeviations(source, size(), centre, true, ranks, 1);
                                 })
                .median();
    }
    [[nodiscard]] std::span<T const> kept() const noexcept { return _kept; }

private:
    std::span<T const> _all, _kept;
    ListMemory<T>& _memory;
};

// Working memory of ScannedPixels.
template <typename T>
struct ScanMemory {
    std::vector<T> sample;
    BufferOf<T> aside;
    std::array<BufferOf<T>, 2> kept;
    std::array<BufferOf<T>, clipFractions.size()> ranges;
    BufferOf<T> band;
    std::array<RankFinder<T>, clipFractions.size()> finders;  // of each range
    RankFinder<double> deviations;
};

// Pixels that are left, as a core and a fringe.
template <typename T>
class ScannedPixels {
public:
    ScannedPixels(std::span<T const> all, ScanPlanOf<T> const& plan, ScanMemory<T>& memory, Ahead& ahead)
            : _plan(plan), _memory(memory) {
        auto const room = all.size() + static_cast<std::size_t>(slack);
        T* const aside = memory.aside.room(2 * room);
        _found = kernelsOf<T>().scan(all.data(), static_cast<std::ptrdiff_t>(all.size()), plan, aside, aside + room,
                                     ahead);
        _candidates = {aside, static_cast<std::size_t>(_found.candidates)};
        _fringe = {aside + room, static_cast<std::size_t>(_found.fringe)};
        _core = momentsOfCore(_found, all.data(), static_cast<std::ptrdiff_t>(all.size()), plan);
        _all = static_cast<std::int64_t>(all.size());
        _beyond = _all - _core.n - _found.fringe;
        T const *const low = plan.low.data(), *const high = plan.high.data();
        _areThree = plan.ranges == clipFractions.size() && low[0] < high[0] && low[1] < high[1] && low[2] < high[2];
        reset();
    }

    void reset() noexcept {
        _kept = _fringe;
        _keptBeyond = _beyond;
        _clippedBelow = 0;
    }
    // Return false if the range cuts the core, or reaches beyond the fringe.
    bool keep(KeptRange<T> const& range) {
        bool const ofFringe = _plan.outerLow == std::numeric_limits<T>::lowest() || range.low >= _plan.outerLow;
        bool const upTo = _plan.outerHigh == std::numeric_limits<T>::max() || range.high <= _plan.outerHigh;
        if (!(range.low <= _plan.coreLow && range.high >= _plan.coreHigh && ofFringe && upTo)) return false;
        std::int64_t below = 0;
        auto& to = _kept.data() == _memory.kept[0].data() ? _memory.kept[1] : _memory.kept[0];
        T* const out = to.room(_kept.size() + static_cast<std::size_t>(slack));
        auto const n = kernelsOf<T>().collect(_kept.data(), static_cast<std::ptrdiff_t>(_kept.size()), range.low,
                                              range.high, out, &below);
        _kept = {out, static_cast<std::size_t>(n)};
        _keptBeyond = 0;
        _clippedBelow += below;
        return true;
    }
    [[nodiscard]] std::int64_t size() const noexcept {
        return _core.n + static_cast<std::int64_t>(_kept.size()) + _keptBeyond;
    }
    // Return the moments; if the fringe does not hold all other pixels, only after keep().
    [[nodiscard]] Moments moments() const {
        auto total = _core;
        if (_kept.empty()) return total;
        auto const& kernel = kernelsOf<T>();
        auto const n = static_cast<std::ptrdiff_t>(_kept.size());
        Ahead nothing;
        auto sums = kernel.deviations(_kept.data(), n, _plan.centre, nothing);
        T min, max;
        kernel.extremes(_kept.data(), n, &min, &max);
        sums.min = static_cast<double>(min);
        sums.max = static_cast<double>(max);
        total.merge(momentsOf(sums, _plan.centre, true));
        return total;
    }
    // Return the quantile of the pixels that are left, at 0.25, 0.5 or 0.75; nullopt if it was not found.
    std::optional<double> quantile(double fraction) {
        auto const n = size();
        if (n == 0) return nan;
        std::size_t f = 0;
        while (f < _plan.ranges && _plan.fractions[f] != fraction) ++f;
        double const index = fraction * static_cast<double>(n - 1);
        auto const rank = static_cast<std::int64_t>(index);
        // Ranks are counted in the core, in which the range lies.
        if (!(_plan.coreLow < _plan.low[f] && _plan.high[f] < _plan.coreHigh)) return std::nullopt;
        // Pixels below the core that are clipped shift ranks.
        auto const before = _found.below[f] - _clippedBelow;
        auto const first = rank - before, last = std::min(rank + 1, n - 1) - before;
        if (first < 0) return std::nullopt;
        if (_plan.low[f] == _plan.high[f]) {
            if (last >= _found.inside[f]) return std::nullopt;
            return static_cast<double>(_plan.low[f]);
        }
        auto const list = inRange(f);
        if (last >= static_cast<std::int64_t>(list.size())) return std::nullopt;
        auto& finder = _memory.finders[f];
        // Clipping shifts ranks by few places.
        auto const near = _searched[f] ? finder.findAgain(first, last) : std::nullopt;
        auto const found = near ? *near : finder.find(list, _plan.low[f], _plan.high[f], first, last);
        double const value = between(static_cast<double>(found[0]), static_cast<double>(found[1]),
                                     index - static_cast<double>(rank));
        if (n == _all) _ofAll[f] = value;
        _searched[f] = true;
        return value;
    }
    std::optional<double> median() { return quantile(0.5); }
    // Return the median distance of the pixels that are left from a centre; nullopt if it was not found. The pixels
    // about that distance are looked for in the ranges of the quartiles.
    std::optional<double> deviation(double centre) {
        auto const n = size();
        if (n == 0) return nan;
        if (_plan.ranges != clipFractions.size()) return std::nullopt;
        T const *const low = _plan.low.data(), *const high = _plan.high.data();
        bool const stored = low[0] < high[0] && low[2] < high[2];
        // All pixels from the first range to the last are left, as they are in the core.
        if (!stored || !(_plan.coreLow < low[0] && high[2] < _plan.coreHigh)) return std::nullopt;
        auto const from = [&](T limit) { return static_cast<double>(limit) - centre; };
        DeviationBand const band{std::max(-from(high[0]), from(low[2])), std::min(-from(low[0]), from(high[2]))};
        if (!(band.low < band.high)) return std::nullopt;
        double const index = 0.5 * static_cast<double>(n - 1);
        auto const rank = static_cast<std::int64_t>(index), next = std::min(rank + 1, n - 1);
        auto const before = inRange(0), behind = inRange(2);
        auto const room = before.size() + behind.size() + static_cast<std::size_t>(slack);
        T* const memory = _memory.band.room(2 * room);
        // Return the median of some pixels in a band.
        auto const medianOf = [&](InBand const& some) {
            double* const deviations = _memory.deviations.values(some.left.size() + some.right.size());
            std::ptrdiff_t number = 0;
            for (auto const side : {some.left, some.right}) {
                for (T const x : side) deviations[number++] = deviationOf(x, centre);
            }
            auto const values = _memory.deviations.find(number, static_cast<std::ptrdiff_t>(rank - some.nearer),
                                                        static_cast<std::ptrdiff_t>(next - some.nearer));
            return between(values[0], values[1], index - static_cast<double>(rank));
        };
        // Half of the pixels are nearer to the centre than the quartiles, about.
        InBand const all{before, behind, _found.below[2] - _found.below[0] - static_cast<std::int64_t>(before.size())};
        auto const guess = guessOfDeviation(centre);
        if (guess.low < guess.high && guess.low >= band.low && guess.high <= band.high) {
            auto const near = collectBand(all, centre, guess, memory);
            if (near && near->holds(rank, next)) return medianOf(*near);
        }
        auto const wide = collectBand(all, centre, band, memory);
        if (!wide || !wide->holds(rank, next)) return std::nullopt;
        // Distances are distributed evenly over the band, so that the rank gives an estimate.
        auto const number = static_cast<double>(wide->size());
        double const middle = (0.5 * static_cast<double>(rank + next - 2 * wide->nearer) + 0.5) / number,
                     reach = 1.25 / std::sqrt(number) + 0.03;
        auto const at = [&](double part) { return band.low + part * (band.high - band.low); };
        DeviationBand const narrow{std::max(at(middle - reach), band.low), std::min(at(middle + reach), band.high)};
        auto const near = collectBand(*wide, centre, narrow, memory + room);
        return medianOf(near && near->holds(rank, next) ? *near : *wide);
    }

    // Return sums of the biweight of a width over the pixels that are left, which are those in a range among all;
    // nullopt if some may be farther from the centre, or were not listed.
    std::optional<BiweightPowers> biweightPowers(std::span<T const> all, KeptRange<T> const& range, Moments const& left,
                                                 double centre, double width, double ratio) {
        constexpr T least = std::numeric_limits<T>::lowest(), most = std::numeric_limits<T>::max();
        constexpr T infinity = std::numeric_limits<T>::infinity();
        // Tenth powers of the width stay in the range of float64.
        constexpr double narrowest = 1e-25, widest = 1e25;
        // The sum of v comes from the mean, whose rounding must be small in widths.
        constexpr double mostWidths = 1e4;
        bool const listed = _plan.outerLow == least && _plan.outerHigh == most;
        bool const near =
                centre - static_cast<double>(range.low) < width && static_cast<double>(range.high) - centre < width;
        if (!listed || !near || !(width >= narrowest && width <= widest)) return std::nullopt;
        if (std::abs(centre) > mostWidths * width) return std::nullopt;
        auto const& kernel = kernelsOf<T>();
        double const width2 = width * width;
        auto sums = kernel.biweightPowers(all.data(), static_cast<std::ptrdiff_t>(all.size()), centre, width2, ratio);
        // Those that are clipped are few, and in the fringe.
        auto const n = static_cast<std::ptrdiff_t>(_fringe.size());
        auto& memory = _kept.data() == _memory.kept[0].data() ? _memory.kept[1] : _memory.kept[0];
        T* const clipped = memory.room(_fringe.size() + static_cast<std::size_t>(2 * slack));
        std::int64_t unused = 0;
        auto number = kernel.collect(_fringe.data(), n, least, std::nextafter(range.low, -infinity), clipped, &unused);
        number += kernel.collect(_fringe.data(), n, std::nextafter(range.high, infinity), most, clipped + number,
                                 &unused);
        auto const without = kernel.biweightPowers(clipped, number, centre, width2, ratio);
        double const shift = left.meanValue() - centre;
        auto const count = static_cast<double>(left.n);
        sums.v1 = count - (left.sumWD2 + count * shift * shift) / width2;
        sums.v2 -= without.v2;
        sums.first -= without.first;
        sums.second -= without.second;
        sums.mixed -= without.mixed;
        return sums;
    }

private:
    // Return the pixels in a range of the plan, which are listed when they are first needed.
    std::span<T const> inRange(std::size_t f) {
        auto const room = _candidates.size() + static_cast<std::size_t>(slack);
        if (std::exchange(_areThree, false)) {
            std::array<T*, clipFractions.size()> lists{};
            std::array<std::ptrdiff_t, clipFractions.size()> sizes{};
            for (std::size_t k = 0; k < lists.size(); ++k) lists[k] = _memory.ranges[k].room(room);
            kernelsOf<T>().collectThree(_candidates.data(), static_cast<std::ptrdiff_t>(_candidates.size()),
                                        _plan.low.data(), _plan.high.data(), lists, sizes.data());
            for (std::size_t k = 0; k < lists.size(); ++k) {
                _ranges[k] = {lists[k], static_cast<std::size_t>(sizes[k])};
            }
        }
        if (_ranges[f].empty()) {
            std::int64_t below = 0;
            T* const list = _memory.ranges[f].room(room);
            auto const n = kernelsOf<T>().collect(_candidates.data(), static_cast<std::ptrdiff_t>(_candidates.size()),
                                                  _plan.low[f], _plan.high[f], list, &below);
            _ranges[f] = {list, static_cast<std::size_t>(n)};
        }
        return _ranges[f];
    }
    // Pixels in a band of distances from a centre, below it and above, and the number of nearer ones.
    struct InBand {
        std::span<T const> left, right;
        std::int64_t nearer = 0;
        [[nodiscard]] std::int64_t size() const noexcept {
            return static_cast<std::int64_t>(left.size() + right.size());
        }
        [[nodiscard]] bool holds(std::int64_t first, std::int64_t last) const noexcept {
            return first >= nearer && last < nearer + size();
        }
    };
    // Collect the pixels of a narrower band into memory for as many values and `slack` more; nullopt if it has no gap
    // between its sides. The pixels of `some` must hold all in the band; the number of nearer ones is then that of
    // those between the two sides of `some`, and those of `some` that are nearer than the band.
    static std::optional<InBand> collectBand(InBand const& some, double centre, DeviationBand const& band, T* memory) {
        PixelBand<T> const pixels(centre, band);
        if (!pixels.usable) return std::nullopt;
        auto const& kernel = kernelsOf<T>();
        auto const sizeOf = [](std::span<T const> list) { return static_cast<std::ptrdiff_t>(list.size()); };
        std::int64_t belowLeft = 0, belowRight = 0;
        auto const left = kernel.collect(some.left.data(), sizeOf(some.left), pixels.leftLow, pixels.leftHigh, memory,
                                         &belowLeft);
        auto const right = kernel.collect(some.right.data(), sizeOf(some.right), pixels.rightLow, pixels.rightHigh,
                                          memory + left, &belowRight);
        auto const list = [](T const* from, std::ptrdiff_t n) { return std::span(from, static_cast<std::size_t>(n)); };
        return InBand{list(memory, left), list(memory + left, right),
                      some.nearer + sizeOf(some.left) - belowLeft - left + belowRight};
    }
    // Return a narrow band that very likely holds the median distance of the pixels that are left from a centre, given
    // the quartiles of all; limits are NaN if these were not found.
    DeviationBand guessOfDeviation(double centre) {
        double const shift = centre - 0.5 * (_ofAll[0] + _ofAll[2]);
        auto const density = [&](std::size_t f) {
            double const width = static_cast<double>(_plan.high[f]) - static_cast<double>(_plan.low[f]);
            return static_cast<double>(inRange(f).size()) / width;
        };
        double const left = density(0), right = density(2), both = left + right;
        // By how many pixels more or fewer the distance must reach.
        double const missing = 0.5 * static_cast<double>(size() - _all) - (right - left) * shift;
        double const distance = 0.5 * (_ofAll[2] - _ofAll[0]) + missing / both;
        double const moved = both * std::abs(shift) + std::abs(missing);
        double const reach = (3.0 * std::sqrt(moved) + 0.1 * std::abs(missing) + 8.0) / both;
        return {distance - reach, distance + reach};
    }

    ScanPlanOf<T> const& _plan;
    ScanMemory<T>& _memory;
    ScanResult _found;
    std::span<T const> _candidates, _fringe, _kept;
    std::array<std::span<T const>, clipFractions.size()> _ranges;
    bool _areThree = false;                              // ranges that are listed together when one is first needed
    std::array<bool, clipFractions.size()> _searched{};  // whether the finder of a range has searched it
    std::array<double, clipFractions.size()> _ofAll{nan, nan, nan};  // quantiles of all pixels that were found
    Moments _core;
    std::int64_t _all = 0;                      // number of pixels
    std::int64_t _clippedBelow = 0;             // pixels below the core that are clipped
    std::int64_t _beyond = 0, _keptBeyond = 0;  // pixels outside core and fringe
};

// Whether the median of the pixels that are left is needed, and the median of their distances from it.
inline bool wantsMedian(MeshOptions const& options) noexcept {
    return options.estimator != LevelEstimator::MEAN || options.rmsEstimator != ScatterEstimator::STDEV;
}
inline bool wantsDeviation(MeshOptions const& options) noexcept {
    return options.estimator == LevelEstimator::BIWEIGHT || options.rmsEstimator != ScatterEstimator::STDEV;
}
// Return the widths of the biweights of level and scatter, in units of this distance; 0 for those that are not needed.
inline std::array<double, 2> biweightWidths(MeshOptions const& options) noexcept {
    return {options.estimator == LevelEstimator::BIWEIGHT ? 6.0 : 0.0,
            options.rmsEstimator == ScatterEstimator::BIWEIGHT ? 9.0 : 0.0};
}

// What is known of the pixels that clipping leaves, as far as it is needed.
struct KeptPixels {
    Moments moments;
    double median = nan, deviation = nan;
    std::array<BiweightSums, 2> biweight;  // of level and scatter
};

// Standard errors by which the mean must exceed the median, or fall short of it, for pixels to be skewed: the light of
// sources makes it exceed, and only structure of the sky makes it fall short, so that less is noise.
inline constexpr double skewErrorsAbove = 2.0, skewErrorsBelow = 5.0;

// Return the level and the scatter of a box, given the pixels that clipping leaves.
inline BoxLevel levelOf(KeptPixels const& kept, MeshOptions const& options) {
    BoxLevel result;
    result.number = kept.moments.n;
    if (result.number == 0) return result;
    auto const n = static_cast<double>(kept.moments.n);
    double const mean = kept.moments.meanValue(), median = kept.median;
    double const stdev = std::sqrt(kept.moments.sumWD2 / n), perPixel = kept.moments.stdev() / std::sqrt(n);
    auto const mode = [&](double ofMedian, double ofMean) {
        result.level = ofMedian * median - ofMean * mean;
        result.error = modeError(ofMedian, ofMean, perPixel);
    };
    auto const useMean = [&] {
        mode(0.0, -1.0);
        result.level = mean;
    };
    auto const useSextractor = [&] {
        if (stdev == 0.0) {
            useMean();
        } else if (std::abs(mean - median) > 0.3 * stdev) {
            mode(1.0, 0.0);
        } else {
            mode(2.5, 1.5);
        }
    };
    auto const& [location, scale] = kept.biweight;
    switch (options.estimator) {
        case LevelEstimator::MEAN: useMean(); break;
        case LevelEstimator::MEDIAN: mode(1.0, 0.0); break;
        case LevelEstimator::SEXTRACTOR: useSextractor(); break;
        case LevelEstimator::MODE:
        case LevelEstimator::GROUPED_MODE: {
            double const error = modeError(1.0, 1.0, perPixel), excess = mean - median;
            if (excess >= -skewErrorsBelow * error && excess <= skewErrorsAbove * error) {
                useMean();
            } else {
                useSextractor();
            }
            break;
        }
        case LevelEstimator::MMM: mode(3.0, 2.0); break;
        case LevelEstimator::BIWEIGHT:
            mode(1.0, 0.0);
            result.level = median;
            if (kept.deviation == 0.0) break;  // at least half of the pixels have the median
            result.level = median + location.first / location.weight;
            result.error = std::sqrt(location.second) / std::abs(location.slope);
            break;
        case LevelEstimator::HISTOGRAM: break;  // see histogramLevel
    }
    switch (options.rmsEstimator) {
        case ScatterEstimator::STDEV: result.rms = stdev; break;
        case ScatterEstimator::MAD: result.rms = madToStdev * kept.deviation; break;
        case ScatterEstimator::BIWEIGHT:
            result.rms = kept.deviation == 0.0 ? 0.0 : std::sqrt(n * scale.second) / std::abs(scale.slope);
            break;
    }
    return result;
}

// Return the task of boxes of few pixels side by side; nullopt if they are not clipped about the median by the
// quartiles first, with a window that is as wide below as above.
inline std::optional<BinsTask> sideBySideTask(MeshOptions const& options) {
    bool const byQuartiles = options.centre == ClipCentre::NONE && options.scatter == ClipScatter::NONE;
    bool const isUsual = byQuartiles && options.rounds > 0 && options.sigmaLow == options.sigmaHigh;
    if (!isUsual || options.estimator == LevelEstimator::HISTOGRAM) return std::nullopt;
    BinsTask task;
    task.fractions = clipFractions.data();
    task.numFractions = clipFractions.size();
    task.clip = true;
    task.quartiles = {0, 1, 2};
    task.nsigma = options.sigmaLow;
    task.widthOfRange = options.sigmaLow * iqrangeToStdev;
    task.rounds = options.rounds;
    task.keptMedian = wantsMedian(options);
    task.keptDeviation = wantsDeviation(options);
    task.grouped = options.estimator == LevelEstimator::GROUPED_MODE;
    task.biweightWidths = biweightWidths(options);
    return task;
}

// Return the median of grouped data of the pixels within a range, given their median.
template <typename T>
double groupedMedian(std::span<T const> pixels, KeptRange<T> const& range, double median) {
    constexpr T infinity = std::numeric_limits<T>::infinity();
    auto const nearest = static_cast<T>(median);
    T const below = static_cast<double>(nearest) < median ? nearest : std::nextafter(nearest, -infinity);
    T const above = static_cast<double>(nearest) > median ? nearest : std::nextafter(nearest, infinity);
    auto const found = kernelsOf<T>().neighbours(pixels.data(), static_cast<std::ptrdiff_t>(pixels.size()), range.low,
                                                 range.high, below, above);
    return medianOfGroups({found.number, found.below, found.above, static_cast<double>(found.lower),
                           static_cast<double>(found.higher)},
                          median);
}

// What a round of clipping has found.
template <typename T>
struct ClipRound {
    std::int64_t number;  // pixels that were left before
    KeptRange<T> window;
    double scatter;
};

// Return the window about a centre; an infinite width clips nothing on its side.
template <typename T>
[[nodiscard]] KeptRange<T> windowAbout(double centre, double scatter, double sigmaLow, double sigmaHigh) noexcept {
    return {centre - clipWidth(sigmaLow, scatter), centre + clipWidth(sigmaHigh, scatter)};
}

// Finder of levels of boxes, and of the pixels that clipping leaves, one after the other.
template <typename T>
class LevelFinder {
public:
    // Return the level and the scatter of packed good pixels, behind which there is memory for `slack` more values;
    // `ahead` is the memory that will be read next.
    BoxLevel find(std::span<T const> pixels, MeshOptions const& options, Ahead& ahead) {
        if (options.estimator == LevelEstimator::HISTOGRAM) return histogramLevel(pixels, _histogram, ahead);
        return levelOf(clip(pixels, options, ahead), options);
    }

    // Return what is known of the pixels that clipping leaves, as far as the estimators need it. If each round clips
    // those that the last one has left, `returns` tells whether all within the last window are kept in the end. `each`,
    // if not null, receives these rounds.
    KeptPixels clip(std::span<T const> pixels, MeshOptions const& options, Ahead& ahead, bool returns = true,
                    std::vector<ClipRound<T>>* each = nullptr) {
        if (pixels.empty()) return {};
        _returns = returns;
        _rounds = each;
        double const nsigma = std::min(options.sigmaLow, options.sigmaHigh);
        if (pixels.size() >= StatisticsBuilder::leastScanned && options.rounds > 0 && std::isfinite(nsigma)) {
            samplePacked(pixels, _memory.sample);
            // The sample is not clipped round by round unless windows are narrow, whose cores shrink.
            bool const byQuartiles = options.centre == ClipCentre::NONE && options.scatter == ClipScatter::NONE;
            bool const byDeviations = options.scatter == ClipScatter::MAD || wantsDeviation(options);
            ClipPlan clip{nsigma, options.rounds, nsigma < 2.7};
            clip.medianOfKept = !byQuartiles || wantsMedian(options);
            clip.deviationOfKept = byDeviations;
            auto plan = planScan<T>(_memory.sample, {}, clip, 3.5, false);
            if (!byQuartiles && !byDeviations) onlyMedian(plan);
            // Pixels far outside are left out of the fringe if neither moments nor ranks ever need them.
            if (!byQuartiles || wantsMedian(options) || options.sigmaLow != options.sigmaHigh) {
                plan.outerLow = std::numeric_limits<T>::lowest();
                plan.outerHigh = std::numeric_limits<T>::max();
            }
            ScannedPixels<T> scanned(pixels, plan, _memory, ahead);
            if (auto const found = findAmong(scanned, pixels, options)) return *found;
        }
        ListedPixels<T> listed(pixels, _listed);
        return *findAmong(listed, pixels, options);
    }

private:
    // Leave only the range of the median, which is all that later rounds need.
    static void onlyMedian(ScanPlanOf<T>& plan) noexcept {
        ScanPlanOf<T> const given = plan;
        ScanPlanOf<T> const none;
        plan.ranges = 1;
        plan.fractions = none.fractions;
        plan.low = none.low;
        plan.high = none.high;
        plan.fractions[0] = given.fractions[1];
        plan.low[0] = given.low[1];
        plan.high[0] = given.high[1];
    }

    template <typename Pixels>
    std::optional<KeptPixels> findAmong(Pixels& pixels, std::span<T const> all, MeshOptions const& options) {
        auto const range = options.rounds == 0 ? KeptRange<T>()
                           : options.centre == ClipCentre::NONE && options.scatter == ClipScatter::NONE
                                   ? clipAll(pixels, options)
                                   : clipLeft(pixels, options);
        if (!range) return std::nullopt;
        KeptPixels kept;
        kept.moments = pixels.moments();
        if (kept.moments.n == 0) return kept;
        // Return what was found among the pixels, or else among those that are left, which are listed then.
        ListedPixels<T> left(all, _left);
        bool listed = false;
        auto const orListed = [&](std::optional<double> const& found, auto const& find) {
            if (found) return *found;
            if (!listed) left.keep(*range);
            listed = true;
            return *find(left);
        };
        if (wantsMedian(options)) kept.median = orListed(pixels.median(), [](auto& some) { return some.median(); });
        if (options.estimator == LevelEstimator::GROUPED_MODE) kept.median = groupedMedian(all, *range, kept.median);
        if (wantsDeviation(options)) {
            kept.deviation =
                    orListed(pixels.deviation(kept.median), [&](auto& some) { return some.deviation(kept.median); });
        }
        if (kept.deviation != 0.0) sumBiweights(pixels, all, *range, biweightWidths(options), kept);
        return kept;
    }

    // Sum the biweights of the pixels that are left, of one or two ascending widths in units of their deviation.
    template <typename Pixels>
    static void sumBiweights(Pixels& pixels, std::span<T const> all, KeptRange<T> const& range,
                             std::array<double, 2> const& widths, KeptPixels& kept) {
        if constexpr (std::is_same_v<Pixels, ScannedPixels<T>>) {
            std::size_t const narrow = widths[0] > 0.0 ? 0 : 1;
            bool const both = widths[0] > 0.0 && widths[1] > 0.0;
            double const width = widths[narrow] * kept.deviation;
            if (width > 0.0) {
                double const widening = both ? widths[1] / widths[0] : 0.0, ratio = widening * widening;
                auto const sums = pixels.biweightPowers(all, range, kept.moments, kept.median, width, ratio);
                if (sums) {
                    kept.biweight[narrow] = biweightOf(*sums);
                    if (both) {
                        kept.biweight[1] =
                                widerBiweight(*sums, static_cast<double>(kept.moments.n), width * width, ratio);
                    }
                    return;
                }
            }
        }
        for (std::size_t w = 0; w < widths.size(); ++w) {
            if (widths[w] == 0.0) continue;
            kept.biweight[w] = kernelsOf<T>().biweight(all.data(), static_cast<std::ptrdiff_t>(all.size()), range.low,
                                                       range.high, kept.median, 1.0 / (widths[w] * kept.deviation));
        }
    }

    // Clip all good pixels in each round, as MEANCLIP does; return the last range, nullopt if it was not found.
    template <typename Pixels>
    static std::optional<KeptRange<T>> clipAll(Pixels& pixels, MeshOptions const& options) {
        auto const all = pixels.size();
        std::array<double, 3> quartiles{};
        for (std::size_t i = 0; i < quartiles.size(); ++i) {
            auto const found = pixels.quantile(clipFractions[i]);
            if (!found) return std::nullopt;
            quartiles[i] = *found;
        }
        double centre = quartiles[1];
        double scatter = iqrangeToStdev * (quartiles[2] - quartiles[0]);
        // A window that recurs ends the rounds: all that follows it would recur, see StatisticsBuilder::clip.
        double rememberedCentre = centre, rememberedScatter = scatter;
        int rememberedAt = 0;
        KeptRange<T> range;
        for (int round = 0; round < options.rounds; ++round) {
            if (round > 0) {
                auto const moments = pixels.moments();
                if (moments.n == 0) break;  // further rounds have nothing to clip
                centre = moments.meanValue();
                if (all != 1) scatter = moments.stdev();
                if (centre == rememberedCentre && scatter == rememberedScatter) {
                    round = options.rounds - (options.rounds - round) % (round - rememberedAt);
                    if (round == options.rounds) break;
                    rememberedAt = round;
                } else if (round - rememberedAt >= rememberedAt) {
                    rememberedCentre = centre;
                    rememberedScatter = scatter;
                    rememberedAt = round;
                }
            }
            range = windowAbout<T>(centre, scatter, options.sigmaLow, options.sigmaHigh);
            pixels.reset();
            if (!pixels.keep(range)) return std::nullopt;
        }
        return range;
    }

    // Clip the pixels that the last round has left; return the range of those that are kept, nullopt if it was not
    // found.
    template <typename Pixels>
    std::optional<KeptRange<T>> clipLeft(Pixels& pixels, MeshOptions const& options) {
        KeptRange<T> range, all;  // the last window, and what all windows have in common
        if (_rounds != nullptr) _rounds->clear();
        for (int round = 0; round < options.rounds; ++round) {
            auto const before = pixels.size();
            bool const byMad = options.scatter == ClipScatter::MAD;
            bool const aboutMean = options.centre == ClipCentre::MEAN;
            auto const moments = byMad && !aboutMean ? Moments{} : pixels.moments();
            auto const median = byMad || !aboutMean ? pixels.median() : nan;
            if (!median) return std::nullopt;
            double const centre = aboutMean ? moments.meanValue() : *median;
            double scatter = moments.stdev(0.0);
            if (byMad) {
                auto const deviation = pixels.deviation(*median);
                if (!deviation) return std::nullopt;
                scatter = madToStdev * *deviation;
            }
            range = windowAbout<T>(centre, scatter, options.sigmaLow, options.sigmaHigh);
            all = all.with(range);
            if (_rounds != nullptr) _rounds->push_back({before, range, scatter});
            if (!pixels.keep(range)) return std::nullopt;
            if (pixels.size() == before) break;
        }
        if (!_returns) return all;
        pixels.reset();
        if (!pixels.keep(range)) return std::nullopt;
        return range;
    }

    bool _returns = true;
    std::vector<ClipRound<T>>* _rounds = nullptr;
    ScanMemory<T> _memory;
    ListMemory<T> _listed, _left;
    HistogramMemory<T> _histogram;
};

}  // namespace evensky::detail
