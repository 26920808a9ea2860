#pragma once

// Order statistics and clipped moments of many good pixels of float or double in one pass over them.
//
// A sample gives estimates of the quantiles and of the clipping windows. One pass then counts the pixels below and
// inside narrow ranges about the quantiles and stores those inside, sums up the core that is inside the window of every
// round, and stores the fringe that may be in or out. The quantiles are found among the few stored pixels, and each
// clipping round adds its part of the fringe to the core. If the sample was not representative, the caller is told and
// reads all pixels again, so the results are always exact.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "moments.hpp"
#include "quantiles.hpp"

namespace evensky::detail {

// A sample consists of squares of 16 x 16 values, whose columns are sorted.
inline constexpr std::ptrdiff_t sampleSquare = 256;
inline constexpr std::ptrdiff_t sampleRun = 16;

// Return about run * step, shifted by a part of the step that never repeats: a sample at equal steps could be taken
// from the same columns of the image again and again.
inline std::ptrdiff_t irregular(std::ptrdiff_t run, std::ptrdiff_t step) noexcept {
    double const turns = 0.6180339887498949 * static_cast<double>(run);
    return run * step + static_cast<std::ptrdiff_t>((turns - std::floor(turns)) * static_cast<double>(step));
}

// Return the place of a run in the order in which runs are taken. The runs in one square of the sample come from all
// over the image, so that its columns cover variations over the image.
inline std::ptrdiff_t farApart(std::ptrdiff_t run, std::ptrdiff_t runs) noexcept {
    auto const apart = runs / sampleRun;
    auto const square = run / sampleRun;
    return square < apart ? run % sampleRun * apart + square : run;
}

// Largest sample of packed pixels.
inline constexpr std::ptrdiff_t largestPackedSample = 4096;

// Take an eighth of many packed pixels as a sample, in runs: at least one square of it, and at most sixteen.
template <typename T>
void samplePacked(std::span<T const> pixels, std::vector<T>& sample) {
    constexpr std::ptrdiff_t fraction = 8, largest = largestPackedSample;
    auto const n = static_cast<std::ptrdiff_t>(pixels.size());
    auto const size = std::clamp(n / fraction / sampleSquare * sampleSquare, sampleSquare, largest);
    sample.resize(static_cast<std::size_t>(size));
    auto const runs = size / sampleRun;
    for (std::ptrdiff_t run = 0; run < runs; ++run) {
        auto const from = std::min(irregular(farApart(run, runs), n / runs), n - sampleRun);
        std::copy_n(pixels.begin() + from, sampleRun, sample.begin() + run * sampleRun);
    }
}

// Clipping begins with the median and the quartiles.
inline constexpr std::array<double, 3> clipFractions{0.25, 0.5, 0.75};
static_assert(fractionsFor(allProperties).size <= ScanPlan::maxRanges,
              "The table of statistics needs more quantiles than one look can find; raise ScanPlan::maxRanges");

struct ClipPlan {
    double nsigma;
    int rounds;
    // Run the iterations on the sample, instead of assuming that windows hardly change after the first one.
    bool rehearse;
    // Whether the ranges must hold the median of the pixels that clipping leaves, too, and those at the median distance
    // from it.
    bool medianOfKept = false, deviationOfKept = false;
};

// Some quantiles of a sample, and the slopes of its values there.
struct Located {
    std::array<double, ScanPlan::maxRanges> at{}, slope{};  // slope: per unit of fraction
};

// Locate the quantiles at up to ScanPlan::maxRanges fractions. The columns of the sample's squares must be sorted. If
// pixels are whole numbers, equal ones are spread over a range of 1.
template <typename T>
Located locate(std::span<T const> sample, std::span<double const> fractions, bool whole) {
    auto const& kernel = kernelsOf<T>();
    auto const m = static_cast<std::ptrdiff_t>(sample.size());
    Located result;
    // The k-th smallest of 16 values lies, on the average, at the fraction k / 17 of the distribution.
    auto const rankOf = [](double fraction) { return std::clamp(17.0 * fraction - 1.0, 0.0, 14.0); };
    std::array<double, ScanPlan::maxRanges> lower{}, upper{};
    for (std::ptrdiff_t square = 0; square < m; square += sampleSquare) {
        for (std::size_t f = 0; f < fractions.size(); ++f) {
            T const* const row = sample.data() + square + static_cast<std::ptrdiff_t>(rankOf(fractions[f])) * sampleRun;
            double low = 0.0, high = 0.0;
            for (std::ptrdiff_t i = 0; i < sampleRun; ++i) {
                low += static_cast<double>(row[i]);
                high += static_cast<double>(row[i + sampleRun]);
            }
            lower[f] += low;
            upper[f] += high;
        }
    }
    auto const columns = static_cast<double>(m / sampleRun);
    for (std::size_t f = 0; f < fractions.size(); ++f) {
        double const rank = rankOf(fractions[f]);
        double const low = lower[f] / columns;
        result.slope[f] = 17.0 * (upper[f] / columns - low);
        result.at[f] = low + (rank - std::floor(rank)) * result.slope[f] / 17.0;
    }
    // Newton's method on the sample's own distribution.
    ScanPlanOf<T> plan;
    plan.ranges = fractions.size();
    std::array<T, slack> aside;  // ranges of one value keep nothing
    Ahead nothing;
    for (int step = 0; step < 4; ++step) {
        for (std::size_t f = 0; f < fractions.size(); ++f) {
            plan.low[f] = plan.high[f] = nearestNumber<T>(whole ? std::round(result.at[f]) : result.at[f]);
        }
        auto const counted = kernel.scan(sample.data(), m, plan, aside.data(), nullptr, nothing);
        double worst = 0.0;
        for (std::size_t f = 0; f < fractions.size(); ++f) {
            auto const inside = static_cast<double>(counted.inside[f]);
            double const part = whole ? result.at[f] - static_cast<double>(plan.low[f]) + 0.5 : 0.5;
            double const below = static_cast<double>(counted.below[f]) + part * inside;
            double const off = std::clamp(fractions[f] - below / static_cast<double>(m), -0.1, 0.1);
            result.at[f] += off * result.slope[f];
            worst = std::max(worst, std::abs(off));
        }
        if (worst * std::sqrt(static_cast<double>(m)) < 0.5) break;
    }
    return result;
}

// Widen the ranges of the quartiles and the median, so that they very likely hold the median of the pixels that
// clipping leaves and, if it is needed, the pixels at the median distance from it.
template <typename T>
void widenForKept(std::span<T const> sample, Located const& found, ClipPlan const& clip, double scatters,
                  ScanPlanOf<T>& plan) {
    auto const& kernel = kernelsOf<T>();
    auto const m = static_cast<std::ptrdiff_t>(sample.size());
    std::array<T, static_cast<std::size_t>(largestPackedSample + slack)> aside;
    // Return the fractions of the sample below a window, and up to its end.
    auto const fractionsTo = [&](double low, double high) {
        std::int64_t below = 0;
        auto const inside =
                kernel.collect(sample.data(), m, nearestNumber<T>(low), nearestNumber<T>(high), aside.data(), &below);
        auto const fraction = [m](std::int64_t n) { return static_cast<double>(n) / static_cast<double>(m); };
        return std::pair(fraction(below), fraction(below + inside));
    };
    double centre = found.at[1], halfWidth = clip.nsigma * iqrangeToStdev * (found.at[2] - found.at[0]);
    // Later windows leave hardly different numbers of pixels, unless they are narrow.
    for (int round = 1; clip.rehearse && round < std::min(clip.rounds, 3); ++round) {
        auto const kept = momentsOf(kernel.deviationsWithin(sample.data(), m, centre, halfWidth), centre, true);
        if (kept.n < 2) return;
        centre = kept.mean;
        halfWidth = clip.nsigma * kept.stdev();
    }
    auto const window = fractionsTo(centre - halfWidth, centre + halfWidth);
    double const median = found.at[1] + (0.5 * (window.first + window.second) - 0.5) * found.slope[1];
    auto const widen = [&](std::size_t f, double at) {
        double const margin =
                scatters * std::sqrt(clipFractions[f] * (1.0 - clipFractions[f]) / static_cast<double>(m));
        T low = nearestNumber<T>(at - margin * found.slope[f]), high = nearestNumber<T>(at + margin * found.slope[f]);
        kernel.enclose(sample.data(), m, &low, &high);
        plan.low[f] = std::min(plan.low[f], low);
        plan.high[f] = std::max(plan.high[f], high);
    };
    widen(1, median);
    if (!clip.deviationOfKept) return;
    double const guess = 0.5 * (found.at[2] - found.at[0]);
    auto const inside = fractionsTo(median - guess, median + guess);
    double const missing = 0.5 * (window.second - window.first) - (inside.second - inside.first);
    double const distance = guess + missing / (1.0 / found.slope[0] + 1.0 / found.slope[2]);
    widen(0, median - distance);
    widen(2, median + distance);
}

// Make the plan of a scan, given a sample of the good pixels, a multiple of sampleSquare of them, and ascending
// fractions at which quantiles are needed; with clipping, these must include the quartiles and the median. The sample
// is reordered. In a sample of m independent pixels a rank scatters by sqrt(m f (1 - f)); the ranges allow for
// `scatters` times that. A rank differs by more than 3.5 times that once in 2000 times, but pixels of one run see the
// same sky and are not quite independent.
template <typename T>
ScanPlanOf<T> planScan(std::span<T> sample, std::span<double const> fractions, std::optional<ClipPlan> const& clip,
                       double scatters, bool whole) {
    auto const& kernel = kernelsOf<T>();
    auto const m = static_cast<std::ptrdiff_t>(sample.size());
    for (std::ptrdiff_t square = 0; square < m; square += sampleSquare) kernel.sortColumns(sample.data() + square);
    ScanPlanOf<T> plan;
    auto const addRanges = [&](std::span<double const> some) {
        auto const found = locate<T>(sample, some, whole);
        for (std::size_t f = 0; f < some.size(); ++f) {
            double const margin = scatters * std::sqrt(some[f] * (1.0 - some[f]) / static_cast<double>(m));
            auto const r = plan.ranges++;
            plan.fractions[r] = some[f];
            plan.low[r] = nearestNumber<T>(found.at[f] - margin * found.slope[f]);
            plan.high[r] = nearestNumber<T>(found.at[f] + margin * found.slope[f]);
            if (whole) {
                plan.low[r] = std::round(plan.low[r]);
                plan.high[r] = std::round(plan.high[r]);
                continue;
            }
            // If there are few different values, such as whole numbers of counts, none must be missed at the limits.
            kernel.enclose(sample.data(), m, &plan.low[r], &plan.high[r]);
        }
        return found;
    };
    if (!clip) {
        addRanges(fractions);
        return plan;
    }
    // The quantiles that clipping needs are located separately, so that its sums do not depend on the other requested
    // statistics.
    auto const found = addRanges(clipFractions);
    auto const& at = found.at;
    if (clip->medianOfKept && !whole) widenForKept<T>(sample, found, *clip, scatters, plan);
    Fractions others;
    for (double const f : fractions) {
        if (std::find(clipFractions.begin(), clipFractions.end(), f) == clipFractions.end()) others.insert(f);
    }
    if (others.size > 0) addRanges(others.span());

    plan.clip = true;
    plan.centre = at[1];
    double const first = clip->nsigma * iqrangeToStdev * (at[2] - at[0]);
    // The relative error of the interquartile range of a sample is about 1.2 / sqrt(m), that of the median is smaller;
    // the margin is 4 times both.
    double const margin = 7.0 * first / std::sqrt(static_cast<double>(m));
    double coreLow = at[1] - first, coreHigh = at[1] + first;
    double outerLow = coreLow, outerHigh = coreHigh;
    if (clip->rehearse) {
        double centre = at[1], halfWidth = first;
        // Windows converge long before 32 iterations.
        auto const rounds = std::min(clip->rounds, 32);
        for (int round = 1; round < rounds; ++round) {
            auto const kept = momentsOf(kernel.deviationsWithin(sample.data(), m, centre, halfWidth), centre, true);
            if (kept.n < 2) break;
            centre = kept.mean;
            halfWidth = clip->nsigma * kept.stdev();
            coreLow = std::max(coreLow, centre - halfWidth);
            coreHigh = std::min(coreHigh, centre + halfWidth);
            outerLow = std::min(outerLow, centre - halfWidth);
            outerHigh = std::max(outerHigh, centre + halfWidth);
        }
    } else if (clip->rounds > 1) {
        coreLow += 0.04 * first;
        coreHigh -= 0.04 * first;
        outerLow -= 0.5 * first;
        outerHigh += 0.5 * first;
    }
    plan.coreLow = nearestNumber<T>(coreLow + margin);
    plan.coreHigh = nearestNumber<T>(coreHigh - margin);
    plan.outerLow = nearestNumber<T>(outerLow - margin);
    plan.outerHigh = nearestNumber<T>(outerHigh + margin);
    if (plan.coreLow > plan.coreHigh) plan.coreLow = plan.coreHigh = nearestNumber<T>(at[1]);
    return plan;
}

// Return the moments of the core of scanned pixels.
template <typename T>
Moments momentsOfCore(ScanResult const& found, T const* packed, std::ptrdiff_t n, ScanPlanOf<T> const& plan) {
    auto core = found.core;
    if constexpr (!coreExtremes<T>) {
        double const scatter2 = core.second - core.first * (core.first / static_cast<double>(core.count));
        // The scatter of equal pixels is not larger than rounding errors.
        if (core.count == 0 || scatter2 > 1e-9 * core.second) return momentsOf(core, plan.centre, false);
        core.min = std::numeric_limits<double>::infinity();
        core.max = -core.min;
        for (std::ptrdiff_t i = 0; i < n; ++i) {
            if (!(packed[i] >= plan.coreLow && packed[i] <= plan.coreHigh)) continue;
            core.min = std::min(core.min, static_cast<double>(packed[i]));
            core.max = std::max(core.max, static_cast<double>(packed[i]));
        }
    }
    return momentsOf(core, plan.centre, true);
}

// Result of the pass over one part of the pixels.
template <typename T>
class Scanned {
public:
    Scanned() = default;
    Scanned(Scanned&&) noexcept = default;  // Copies would have the spans of the original, so they are not allowed.
    Scanned& operator=(Scanned&&) noexcept = default;

    std::array<std::int64_t, ScanPlan::maxRanges> below{};
    std::array<std::int64_t, ScanPlan::maxRanges> inside{};  // of ranges of one value
    Moments core;
    std::span<T const> candidates;
    Block<T> fringe;
    bool plain = true;  // whether pixels have neither weights nor variances

    // Scan all pixels of the part. The stored pixels stay in `aside`; `ahead` is the memory that will be read next.
    void set(Block<T> const& pixels, ScanPlanOf<T> const& plan, BufferOf<T>& aside, Ahead& ahead) {
        below = inside = {};
        core = {};
        _weights.clear();
        _variances.clear();
        std::tie(candidates, fringe) = look(pixels, plan, aside, ahead);
    }

    // Scan more pixels; `aside` may be reused afterwards.
    void add(Block<T> const& pixels, ScanPlanOf<T> const& plan, BufferOf<T>& aside, Ahead& ahead) {
        auto const [more, moreFringe] = look(pixels, plan, aside, ahead);
        _candidates.insert(_candidates.end(), more.begin(), more.end());
        _fringe.insert(_fringe.end(), moreFringe.values, moreFringe.values + moreFringe.size);
        candidates = _candidates;
        fringe = {_fringe.data(), pixels.weights == nullptr ? nullptr : _weights.data(),
                  pixels.variances == nullptr ? nullptr : _variances.data(),
                  static_cast<std::ptrdiff_t>(_fringe.size()), 0};
    }

private:
    std::pair<std::span<T const>, Block<T>> look(Block<T> const& pixels, ScanPlanOf<T> const& plan, BufferOf<T>& aside,
                                                 Ahead& ahead) {
        auto const room = static_cast<std::size_t>(pixels.size + slack);
        T* const memory = aside.room(2 * room);
        plain = pixels.weights == nullptr && pixels.variances == nullptr;
        ScanPlanOf<T> order;
        if (!plain) {
            // The core and the fringe are found separately.
            order = plan;
            order.clip = false;
        }
        auto const found =
                kernelsOf<T>().scan(pixels.values, pixels.size, plain ? plan : order, memory, memory + room, ahead);
        for (std::size_t f = 0; f < plan.ranges; ++f) {
            below[f] += found.below[f];
            inside[f] += found.inside[f];
        }
        std::span<T const> const stored(memory, static_cast<std::size_t>(found.candidates));
        if (plain || !plan.clip) {
            if (plan.clip) core.merge(momentsOfCore(found, pixels.values, pixels.size, plan));
            return {stored, {memory + room, nullptr, nullptr, found.fringe, 0}};
        }
        // The centre is known in advance here, which is within the scatter of the mean.
        core.merge(weightedMoments(pixels, plan.centre, plan.coreLow, plan.coreHigh, ahead));
        double* const roomForWeights = pixels.weights == nullptr ? nullptr : _roomForWeights.room(room);
        float* const roomForVariances = pixels.variances == nullptr ? nullptr : _roomForVariances.room(room);
        auto const kept = kernelsOf<T>().fringe(pixels.values, pixels.weights, pixels.variances, pixels.size, plan,
                                                memory + room, roomForWeights, roomForVariances);
        // Return those of the fringe behind those of earlier blocks; null if there are none.
        auto const append = [kept](auto const* some, auto& to) -> decltype(some) {
            if (some == nullptr) return nullptr;
            to.insert(to.end(), some, some + kept);
            return to.data() + (to.size() - static_cast<std::size_t>(kept));
        };
        return {stored,
                {memory + room, append(roomForWeights, _weights), append(roomForVariances, _variances), kept, 0}};
    }

    std::vector<T> _candidates, _fringe;
    std::vector<double> _weights;
    std::vector<float> _variances;
    BufferOf<double> _roomForWeights;
    BufferOf<float> _roomForVariances;
};

// Finder of the values at one rank, or at two neighbouring ranks `first` and `last`, of n values, which are reordered.
// The values of pixels are distributed evenly over a narrow range, so that the rank gives an estimate of the value; the
// search continues among the values near it.
template <typename T>
class RankFinder {
public:
    // Provide memory for n values to search, and for the values that kernels may write after them.
    T* values(std::size_t n) {
        _room = n + static_cast<std::size_t>(slack);
        return _values.room(_room);
    }

    // Find the values in a list of values from `low` to `high`, which stays as it is.
    std::array<T, 2> find(std::span<T const> list, T low, T high, std::ptrdiff_t first, std::ptrdiff_t last) {
        values(list.size());
        auto const n = static_cast<std::ptrdiff_t>(list.size());
        // Return whether the values at the ranks are in a range, whose values are kept.
        auto const keepNear = [&](T from, T to) {
            std::int64_t below = 0;
            T* const kept = _nearValues.room(_room);
            auto const number = kernelsOf<T>().collect(list.data(), n, from, to, kept, &below);
            _near = {kept, number, static_cast<std::ptrdiff_t>(below)};
            return _near.holds(first, last);
        };
        auto const [from, to] = estimate(n, first, last, low, high);
        if (keepNear(from, to)) return search(_near, first, last);
        if (_near.size > 0) {
            // Values are not distributed evenly: those near the estimate tell how far off it is.
            double const middle = 0.5 * static_cast<double>(first + last + 1) - static_cast<double>(_near.below);
            double const width = static_cast<double>(to) - static_cast<double>(from);
            double const shift = (middle / static_cast<double>(_near.size) - 0.5) * width;
            if (keepNear(nearestNumber<T>(static_cast<double>(from) + shift),
                         nearestNumber<T>(static_cast<double>(to) + shift))) {
                return search(_near, first, last);
            }
        }
        std::copy(list.begin(), list.end(), _values.data());
        return find(n, first, last);
    }

    // Find the values at other ranks in the list of the last search; nullopt if they are not among those near the last
    // ones.
    std::optional<std::array<T, 2>> findAgain(std::ptrdiff_t first, std::ptrdiff_t last) {
        if (_few.holds(first, last)) return search(_few, first, last);
        if (_near.holds(first, last)) return search(_near, first, last);
        return std::nullopt;
    }

    // Find the values in the first n of values().
    std::array<T, 2> find(std::ptrdiff_t n, std::ptrdiff_t first, std::ptrdiff_t last) {
        _near = {};
        return search({_values.data(), n, 0}, first, last);
    }

private:
    // Neighbours in order among the values that are searched, of which `below` are smaller.
    struct Some {
        T* values = nullptr;
        std::ptrdiff_t size = 0, below = 0;
        [[nodiscard]] bool holds(std::ptrdiff_t first, std::ptrdiff_t last) const noexcept {
            return first >= below && last < below + size;
        }
    };

    // Find the values at ranks that some values hold.
    std::array<T, 2> search(Some some, std::ptrdiff_t first, std::ptrdiff_t last) {
        constexpr std::ptrdiff_t fewValues = 64;
        auto const& kernel = kernelsOf<T>();
        _other.room(_room);
        _few = {};
        for (int step = 0; some.size > fewValues && step < 12; ++step) {
            T low, high;
            kernel.extremes(some.values, some.size, &low, &high);
            if (low == high) return {low, low};
            T* const out = some.values == _other.data() ? _values.data() : _other.data();
            // Return the values in a range.
            auto const keep = [&](T from, T to) {
                std::int64_t below = 0;
                auto const number = kernel.collect(some.values, some.size, from, to, out, &below);
                return Some{out, number, some.below + static_cast<std::ptrdiff_t>(below)};
            };
            auto const [from, to] = estimate(some.size, first - some.below, last - some.below, low, high);
            auto kept = keep(from, to);
            if (last < kept.below) {
                kept = keep(low, std::nextafter(from, -std::numeric_limits<T>::infinity()));
            } else if (first >= kept.below + kept.size) {
                kept = keep(std::nextafter(to, std::numeric_limits<T>::infinity()), high);
            }
            if (!kept.holds(first, last)) break;
            some = kept;
        }
        auto const rank = first - some.below;
        if (some.size <= fewValues) {
            _few = some;
            T next;
            T const value = kernel.select(some.values, some.size, rank, &next);
            return {value, last == first ? value : next};
        }
        T *const begin = some.values, *const end = begin + some.size;
        std::nth_element(begin, begin + rank, end);
        T const value = begin[rank];
        return {value, last == first ? value : *std::min_element(begin + rank + 1, end)};
    }

    // Estimate the range of the values at two ranks among n values that are distributed evenly from `low` to `high`.
    static std::pair<T, T> estimate(std::ptrdiff_t n, std::ptrdiff_t first, std::ptrdiff_t last, T low, T high) {
        double const range = static_cast<double>(high) - static_cast<double>(low);
        double const middle = 0.5 * static_cast<double>(first + last + 1) / static_cast<double>(n);
        double const reach = (1.25 * std::sqrt(static_cast<double>(n)) + 2.0) / static_cast<double>(n) + 0.01;
        auto const at = [&](double part) {
            // No value is beyond the ends.
            return static_cast<T>(std::clamp(static_cast<double>(low) + part * range, static_cast<double>(low),
                                             static_cast<double>(high)));
        };
        return {at(middle - reach), at(middle + reach)};
    }

    BufferOf<T> _values, _other, _nearValues;
    std::size_t _room = 0;
    Some _near, _few;  // about the ranks of the last search: those of a part of the list, and the last few of these
};

// Return the values at the ranks `first` and `last`, which are equal or neighbours, from the stored pixels of range f;
// nullopt if the sample was not representative. If `ties` is true, the numbers of smaller and of equal pixels are
// counted, too.
template <typename T>
std::optional<std::array<Ranked<T>, 2>> rankedInRange(std::span<Scanned<T> const> parts, ScanPlanOf<T> const& plan,
                                                      std::size_t f, std::int64_t first, std::int64_t last, bool ties,
                                                      RankFinder<T>& finder) {
    std::int64_t below = 0, inside = 0;
    for (auto const& part : parts) {
        below += part.below[f];
        inside += part.inside[f];
    }
    bool const oneValue = plan.low[f] == plan.high[f];
    T* values = nullptr;
    if (!oneValue) {
        std::size_t most = 0;
        for (auto const& part : parts) most += part.candidates.size();
        values = finder.values(most);
        std::int64_t unused = 0;
        inside = 0;
        for (auto const& part : parts) {
            inside +=
                    kernelsOf<T>().collect(part.candidates.data(), static_cast<std::ptrdiff_t>(part.candidates.size()),
                                           plan.low[f], plan.high[f], values + inside, &unused);
        }
    }
    if (first < below || last >= below + inside) return std::nullopt;
    if (oneValue) return std::array{Ranked<T>{plan.low[f], below, inside}, Ranked<T>{plan.low[f], below, inside}};
    auto const found = finder.find(inside, first - below, last - below);
    std::array<Ranked<T>, 2> result{Ranked<T>{found[0], below, 0}, Ranked<T>{found[1], below, 0}};
    if (!ties) return result;
    auto const numberIn = [&](T low, T high) {
        std::int64_t number = 0, unused = 0;
        for (auto const& part : parts) {
            auto const size = static_cast<std::ptrdiff_t>(part.candidates.size());
            number += kernelsOf<T>().collect(part.candidates.data(), size, low, high, values, &unused);
        }
        return number;
    };
    for (auto& ranked : result) {
        ranked.less += numberIn(plan.low[f], std::nextafter(ranked.value, -std::numeric_limits<T>::infinity()));
        ranked.equal = numberIn(ranked.value, ranked.value);
    }
    return result;
}

// Return the values at the given ranks, a run of one or two neighbours for each of the plan's ranges. Return nullopt if
// the ranks do not form such runs, as for so few pixels that runs meet, or if the sample was not representative.
// `finder` is used if there is one thread. If `ties` is true, the numbers of smaller and of equal pixels are counted.
template <typename T>
std::optional<std::vector<Ranked<T>>> rankedInRanges(std::span<Scanned<T> const> parts, ScanPlanOf<T> const& plan,
                                                     std::span<std::int64_t const> ranks, bool ties,
                                                     RankFinder<T>& finder, int num_threads) {
    // Ranks ascend, but the ranges of the plan need not.
    std::array<std::size_t, ScanPlan::maxRanges> order{};
    for (std::size_t f = 0; f < plan.ranges; ++f) order[f] = f;
    std::sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(plan.ranges),
              [&](std::size_t a, std::size_t b) { return plan.fractions[a] < plan.fractions[b]; });
    std::array<std::span<std::int64_t const>, ScanPlan::maxRanges> runs;
    std::size_t next = 0;
    for (std::size_t k = 0; k < plan.ranges; ++k) {
        if (next >= ranks.size()) return std::nullopt;
        std::size_t const neighbours = next + 1 < ranks.size() && ranks[next + 1] == ranks[next] + 1 ? 2 : 1;
        runs[k] = ranks.subspan(next, neighbours);
        next += neighbours;
    }
    if (next != ranks.size()) return std::nullopt;
    std::array<std::optional<std::array<Ranked<T>, 2>>, ScanPlan::maxRanges> found;
    auto const find = [&](std::size_t k, RankFinder<T>& by) {
        found[k] = rankedInRange(parts, plan, order[k], runs[k].front(), runs[k].back(), ties, by);
    };
    if (num_threads == 1 || parts.size() == 1 || plan.ranges == 1) {
        for (std::size_t k = 0; k < plan.ranges; ++k) find(k, finder);
    } else {
        parallelForWith<RankFinder<T>>(
                static_cast<std::ptrdiff_t>(plan.ranges), num_threads,
                [&](std::ptrdiff_t k, RankFinder<T>& own) { find(static_cast<std::size_t>(k), own); });
    }
    std::vector<Ranked<T>> result;
    result.reserve(ranks.size());
    for (std::size_t k = 0; k < plan.ranges; ++k) {
        if (!found[k]) return std::nullopt;
        for (std::size_t i = 0; i < runs[k].size(); ++i) result.push_back((*found[k])[i]);
    }
    return result;
}

// Return whether the window contains every pixel of the core, and none beyond the outer limits. Subtraction rounds
// monotonically, so it suffices to test the limits of the core and the values just beyond the outer limits.
template <typename T>
bool planHolds(ScanPlanOf<T> const& plan, Window const& window) noexcept {
    constexpr T infinity = std::numeric_limits<T>::infinity();
    auto const off = [&](T limit) { return static_cast<double>(limit) - window.centre; };
    double const below = off(std::nextafter(plan.outerLow, -infinity));
    double const above = off(std::nextafter(plan.outerHigh, infinity));
    return std::abs(off(plan.coreLow)) <= window.halfWidth && std::abs(off(plan.coreHigh)) <= window.halfWidth &&
           below < 0.0 && -below > window.halfWidth && above > 0.0 && above > window.halfWidth;
}

// Return the smallest number of type T for which `holds` is true, given that it is true for all greater ones; infinity
// if none.
template <typename T, typename Holds>
T smallestNumber(Holds const& holds) {
    using K = Key<T>;
    auto first = K::of(-std::numeric_limits<T>::max());
    auto last = K::of(std::numeric_limits<T>::infinity());
    while (first < last) {
        auto const middle = first + (last - first) / 2;
        if (holds(K::value(middle))) {
            last = middle;
        } else {
            first = middle + 1;
        }
    }
    return K::value(last);
}

// Return the moments of the pixels in a window for which the plan holds.
template <typename T>
Moments momentsInWindow(std::span<Scanned<T> const> parts, Window const& window, int num_threads) {
    bool const plain = parts.front().plain;
    T low{}, high{};
    if (!plain) {
        // Subtraction rounds monotonically, so the pixels in the window are a range.
        low = smallestNumber<T>([&](T x) { return window.centre - static_cast<double>(x) <= window.halfWidth; });
        high = std::nextafter(
                smallestNumber<T>([&](T x) { return static_cast<double>(x) - window.centre > window.halfWidth; }),
                -std::numeric_limits<T>::infinity());
    }
    auto const ofFringe = [&](Scanned<T> const& part) {
        auto const& pixels = part.fringe;
        if (!plain) {
            Ahead nothing;
            return weightedMoments(pixels, window.centre, low, high, nothing);
        }
        return momentsOf(kernelsOf<T>().deviationsWithin(pixels.values, pixels.size, window.centre, window.halfWidth),
                         window.centre, true);
    };
    Moments total;
    if (parts.size() == 1) {
        total = parts[0].core;
        total.merge(ofFringe(parts[0]));
        return total;
    }
    std::vector<Moments> fringes(parts.size());
    parallelFor(static_cast<std::ptrdiff_t>(parts.size()), num_threads, [&](std::ptrdiff_t i) {
        fringes[static_cast<std::size_t>(i)] = ofFringe(parts[static_cast<std::size_t>(i)]);
    });
    for (std::size_t i = 0; i < parts.size(); ++i) {
        total.merge(parts[i].core);
        total.merge(fringes[i]);
    }
    return total;
}

}  // namespace evensky::detail
