#pragma once

// Order statistics and clipped moments of many good float pixels in one pass over them.
//
// A sample yields approximate quartiles and clipping windows. One pass then counts the pixels below and inside narrow
// ranges around the quartiles and stores those inside, sums the core, which is inside the window of every iteration,
// and stores the fringe, which may be inside or outside. The quartiles are found among the few stored pixels, and each
// clipping iteration adds its part of the fringe to the core. If the sample was not representative, the functions
// report it and the caller processes all pixels again; thus the results are exact for any sample.

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

struct ClipPlan {
    double nsigma;
    int rounds;
    // Run the iterations on the sample, instead of assuming that windows hardly change after the first one.
    bool rehearse;
};

// Plan a scan from a sample of the good pixels, whose size is a multiple of sampleSquare; the sample is reordered. In a
// sample of m independent pixels, the rank at fraction f scatters by sqrt(m f (1 - f)); the ranges allow for `scatters`
// times that. 3.5 times is exceeded once in 2000 times; pixels of one run see the same sky and are not quite
// independent.
inline ScanPlan planScan(std::span<float> sample, std::optional<ClipPlan> const& clip, double scatters) {
    auto const& kernel = kernels();
    auto const m = static_cast<std::ptrdiff_t>(sample.size());
    // On average, the k-th smallest of 16 values is at the fraction k / 17 of the distribution.
    constexpr std::array<double, 3> fractions{0.25, 0.5, 0.75};
    std::array<double, 3> lower{}, upper{};
    for (std::ptrdiff_t square = 0; square < m; square += sampleSquare) {
        kernel.sortColumns(sample.data() + square);
        for (std::size_t f = 0; f < fractions.size(); ++f) {
            auto const rank = static_cast<std::ptrdiff_t>(17.0 * fractions[f]) - 1;
            float const* const row = sample.data() + square + rank * sampleRun;
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
    std::array<double, 3> at{}, slope{};
    ScanPlan plan;
    for (std::size_t f = 0; f < fractions.size(); ++f) {
        double const rank = 17.0 * fractions[f] - 1.0;
        double const low = lower[f] / columns;
        slope[f] = 17.0 * (upper[f] / columns - low);  // per unit of fraction
        at[f] = low + (rank - std::floor(rank)) * slope[f] / 17.0;
        plan.low[f] = plan.high[f] = static_cast<float>(at[f]);
    }
    // Refine the quartiles of the sample by Newton's method, then allow for its statistical error.
    std::array<float, slack> aside;  // Ranges of a single value store no pixels.
    Ahead nothing;
    for (int step = 0; step < 4; ++step) {
        for (std::size_t f = 0; f < fractions.size(); ++f) plan.low[f] = plan.high[f] = static_cast<float>(at[f]);
        auto const counted = kernel.scan(sample.data(), m, plan, aside.data(), nullptr, nothing);
        double worst = 0.0;
        for (std::size_t f = 0; f < fractions.size(); ++f) {
            double const below = 0.5 * static_cast<double>(2 * counted.below[f] + counted.inside[f]);
            double const off = std::clamp(fractions[f] - below / static_cast<double>(m), -0.1, 0.1);
            at[f] += off * slope[f];
            worst = std::max(worst, std::abs(off));
        }
        if (worst * std::sqrt(static_cast<double>(m)) < 0.5) break;
    }
    for (std::size_t f = 0; f < fractions.size(); ++f) {
        double const margin = scatters * std::sqrt(fractions[f] * (1.0 - fractions[f]) / static_cast<double>(m));
        plan.low[f] = static_cast<float>(at[f] - margin * slope[f]);
        plan.high[f] = static_cast<float>(at[f] + margin * slope[f]);
        // If there are few distinct values, as in integer counts, the range must not fall between two of them.
        kernel.enclose(sample.data(), m, &plan.low[f], &plan.high[f]);
    }
    if (!clip) return plan;

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
            halfWidth = clip->nsigma * std::sqrt(kept.variance());
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
    plan.coreLow = static_cast<float>(coreLow + margin);
    plan.coreHigh = static_cast<float>(coreHigh - margin);
    plan.outerLow = static_cast<float>(outerLow - margin);
    plan.outerHigh = static_cast<float>(outerHigh + margin);
    if (plan.coreLow > plan.coreHigh) plan.coreLow = plan.coreHigh = static_cast<float>(at[1]);
    return plan;
}

// Result of the pass over one part of the pixels.
class Scanned {
public:
    Scanned() = default;
    Scanned(Scanned&&) noexcept = default;  // A copy would have the spans of the original, so there is none.
    Scanned& operator=(Scanned&&) noexcept = default;

    std::array<std::int64_t, ScanPlan::ranges> below{};
    std::array<std::int64_t, ScanPlan::ranges> inside{};  // only for ranges of a single value
    Moments core;
    std::span<float const> candidates, fringe;

    // Scans all pixels of the part. The stored pixels stay in `aside`; `ahead` is the memory that will be read next.
    void set(float const* packed, std::ptrdiff_t size, ScanPlan const& plan, Buffer& aside, Ahead& ahead) {
        below = inside = {};
        core = {};
        std::tie(candidates, fringe) = look(packed, size, plan, aside, ahead);
    }

    // Scans more pixels; `aside` may be reused afterwards.
    void add(float const* packed, std::ptrdiff_t size, ScanPlan const& plan, Buffer& aside, Ahead& ahead) {
        auto const [more, moreFringe] = look(packed, size, plan, aside, ahead);
        _candidates.insert(_candidates.end(), more.begin(), more.end());
        _fringe.insert(_fringe.end(), moreFringe.begin(), moreFringe.end());
        candidates = _candidates;
        fringe = _fringe;
    }

private:
    using Values = std::span<float const>;

    std::pair<Values, Values> look(float const* packed, std::ptrdiff_t size, ScanPlan const& plan, Buffer& aside,
                                   Ahead& ahead) {
        auto const room = static_cast<std::size_t>(size + slack);
        float* const memory = aside.room(2 * room);
        auto const found = kernels().scan(packed, size, plan, memory, memory + room, ahead);
        for (std::size_t f = 0; f < ScanPlan::ranges; ++f) {
            below[f] += found.below[f];
            inside[f] += found.inside[f];
        }
        if (plan.clip) core.merge(momentsOf(found.core, plan.centre, true));
        return {Values(memory, static_cast<std::size_t>(found.candidates)),
                Values(memory + room, static_cast<std::size_t>(found.fringe))};
    }

    std::vector<float> _candidates, _fringe;
};

// Finder of the values at one rank, or at two neighbouring ranks `first` and `last`, of n values, which are reordered.
// The values of pixels are distributed evenly over a narrow range, so that the rank gives an estimate of the value; the
// search continues among the values near it.
class RankFinder {
public:
    // Provides memory for n values to search, and for the values that kernels may write after them.
    float* values(std::size_t n) {
        _room = n + static_cast<std::size_t>(slack);
        return _values.room(_room);
    }

    // Finds the values in the first n of values().
    std::array<float, 2> find(std::ptrdiff_t n, std::ptrdiff_t first, std::ptrdiff_t last) {
        constexpr std::ptrdiff_t fewValues = 40;
        auto const& kernel = kernels();
        _other.room(_room);
        for (int step = 0; n > fewValues && step < 12; ++step) {
            float low, high;
            kernel.extremes(_values.data(), n, &low, &high);
            if (low == high) return {low, low};
            double const range = static_cast<double>(high) - static_cast<double>(low);
            double const middle = 0.5 * static_cast<double>(first + last + 1) / static_cast<double>(n);
            double const reach = (1.25 * std::sqrt(static_cast<double>(n)) + 2.0) / static_cast<double>(n) + 0.01;
            auto from = static_cast<float>(static_cast<double>(low) + (middle - reach) * range);
            auto to = static_cast<float>(static_cast<double>(low) + (middle + reach) * range);
            std::int64_t below = 0;
            auto kept = kernel.collect(_values.data(), n, from, to, _other.data(), &below);
            if (last < below) {
                to = std::nextafter(from, -std::numeric_limits<float>::infinity());
                from = low;
            } else if (first >= below + kept) {
                from = std::nextafter(to, std::numeric_limits<float>::infinity());
                to = high;
            } else if (first < below || last >= below + kept) {
                break;
            } else {
                std::swap(_values, _other);
                n = kept;
                first -= below;
                last -= below;
                continue;
            }
            below = 0;
            kept = kernel.collect(_values.data(), n, from, to, _other.data(), &below);
            if (first < below || last >= below + kept) break;
            std::swap(_values, _other);
            n = kept;
            first -= below;
            last -= below;
        }
        if (n <= fewValues) {
            float next;
            float const value = kernel.select(_values.data(), n, first, &next);
            return {value, last == first ? value : next};
        }
        float* const begin = _values.data();
        std::nth_element(begin, begin + first, begin + n);
        float const value = begin[first];
        return {value, last == first ? value : *std::min_element(begin + first + 1, begin + n)};
    }

private:
    Buffer _values, _other;
    std::size_t _room = 0;
};

// Return the values at the ranks `first` and `last`, which are equal or neighbours, from the stored pixels of range f;
// nullopt if the sample was not representative.
inline std::optional<std::array<float, 2>> rankedInRange(std::span<Scanned const> parts, ScanPlan const& plan,
                                                         std::size_t f, std::int64_t first, std::int64_t last,
                                                         RankFinder& finder) {
    std::int64_t below = 0, inside = 0;
    for (auto const& part : parts) {
        below += part.below[f];
        inside += part.inside[f];
    }
    bool const oneValue = plan.low[f] == plan.high[f];
    if (!oneValue) {
        std::size_t most = 0;
        for (auto const& part : parts) most += part.candidates.size();
        float* const values = finder.values(most);
        std::int64_t unused = 0;
        inside = 0;
        for (auto const& part : parts) {
            inside += kernels().collect(part.candidates.data(), static_cast<std::ptrdiff_t>(part.candidates.size()),
                                        plan.low[f], plan.high[f], values + inside, &unused);
        }
    }
    if (first < below || last >= below + inside) return std::nullopt;
    if (oneValue) return std::array{plan.low[f], plan.low[f]};
    return finder.find(inside, first - below, last - below);
}

// Return the values at the given ranks, which are three runs of one or two neighbours; nullopt if the sample was not
// representative. `finder` is used if there is only one thread.
inline std::optional<std::vector<Ranked<float>>> rankedInRanges(std::span<Scanned const> parts, ScanPlan const& plan,
                                                                std::span<std::int64_t const> ranks, RankFinder& finder,
                                                                int num_threads) {
    std::array<std::span<std::int64_t const>, ScanPlan::ranges> runs;
    std::size_t next = 0;
    for (auto& run : runs) {
        if (next >= ranks.size()) return std::nullopt;
        std::size_t const neighbours = next + 1 < ranks.size() && ranks[next + 1] == ranks[next] + 1 ? 2 : 1;
        run = ranks.subspan(next, neighbours);
        next += neighbours;
    }
    if (next != ranks.size()) return std::nullopt;
    std::array<std::optional<std::array<float, 2>>, ScanPlan::ranges> found;
    auto const find = [&](std::size_t f, RankFinder& by) {
        found[f] = rankedInRange(parts, plan, f, runs[f].front(), runs[f].back(), by);
    };
    if (num_threads == 1 || parts.size() == 1) {
        for (std::size_t f = 0; f < runs.size(); ++f) find(f, finder);
    } else {
        parallelForWith<RankFinder>(static_cast<std::ptrdiff_t>(runs.size()), num_threads,
                                    [&](std::ptrdiff_t f, RankFinder& own) { find(static_cast<std::size_t>(f), own); });
    }
    std::vector<Ranked<float>> result;
    result.reserve(ranks.size());
    for (std::size_t f = 0; f < runs.size(); ++f) {
        if (!found[f]) return std::nullopt;
        for (std::size_t k = 0; k < runs[f].size(); ++k) result.push_back({(*found[f])[k], 0, 0});
    }
    return result;
}

// Return whether the window contains every pixel of the core, and none beyond the outer limits. Subtraction rounds
// monotonically, so it suffices to test the limits of the core and the values just beyond the outer limits.
inline bool planHolds(ScanPlan const& plan, Window const& window) noexcept {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    auto const off = [&](float limit) { return static_cast<double>(limit) - window.centre; };
    double const below = off(std::nextafter(plan.outerLow, -infinity));
    double const above = off(std::nextafter(plan.outerHigh, infinity));
    return std::abs(off(plan.coreLow)) <= window.halfWidth && std::abs(off(plan.coreHigh)) <= window.halfWidth &&
           below < 0.0 && -below > window.halfWidth && above > 0.0 && above > window.halfWidth;
}

// Return the moments of the pixels in a window for which the plan holds.
inline Moments momentsInWindow(std::span<Scanned const> parts, Window const& window, int num_threads) {
    auto const ofFringe = [&window](Scanned const& part) {
        auto const size = static_cast<std::ptrdiff_t>(part.fringe.size());
        return momentsOf(kernels().deviationsWithin(part.fringe.data(), size, window.centre, window.halfWidth),
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
