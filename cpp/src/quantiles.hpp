#pragma once

// Order statistics without sorting and, for large images, without a copy.
//
// Packed values in memory are partitioned (std::nth_element). For a source that is read block by block, pixels are
// mapped to unsigned keys of the same order and counted by 16 key bits at a time: each pass determines 16 bits of every
// rank, and counts do not depend on the order of the blocks.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include "evensky/properties.hpp"
#include "moments.hpp"

namespace evensky::detail {

// Return the median of values, which are reordered; NaN if there is none. None may be NaN.
inline double medianOf(std::vector<double>& values) {
    if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
    auto const middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    if (values.size() % 2 != 0) return *middle;
    return 0.5 * (*std::max_element(values.begin(), middle) + *middle);
}

// Return the number of type T nearest to a value, as the processor rounds; an infinity if it is beyond all of them, for
// which C++ defines no conversion.
template <typename T>
[[nodiscard]] T nearestNumber(double value) noexcept {
    if constexpr (std::is_same_v<T, float>) {
        // Half a step beyond the largest number.
        constexpr double beyond = 0x1.ffffffp127;
        if (std::abs(value) >= beyond)
            return std::copysign(std::numeric_limits<T>::infinity(), value < 0.0 ? T{-1} : T{1});
    }
    return static_cast<T>(value);
}

// Value at one rank of the sorted pixels, with the numbers of smaller and of equal pixels, which ties need.
template <typename T>
struct Ranked {
    T value{};
    std::int64_t less = 0;
    std::int64_t equal = 0;
};

// Unsigned keys in the order of the values; -0 and +0 have the same key.
template <typename T>
struct Key;

template <typename T>
    requires(std::is_unsigned_v<T>)
struct Key<T> {
    using type = T;
    static type of(T value) noexcept { return value; }
    static T value(type key) noexcept { return key; }
};

template <typename T>
    requires(std::is_signed_v<T> && std::is_integral_v<T>)
struct Key<T> {
    using type = std::make_unsigned_t<T>;
    static constexpr type sign = type{1} << (8 * sizeof(T) - 1);
    static type of(T value) noexcept { return static_cast<type>(value) ^ sign; }
    static T value(type key) noexcept { return static_cast<T>(key ^ sign); }
};

template <typename T>
    requires(std::is_floating_point_v<T>)
struct Key<T> {
    using type = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    static constexpr type sign = type{1} << (8 * sizeof(T) - 1);
    static type of(T value) noexcept {
        auto const bits = std::bit_cast<type>(value + T{0});
        return (bits & sign) != 0 ? ~bits : bits | sign;
    }
    static T value(type key) noexcept { return std::bit_cast<T>((key & sign) != 0 ? key & ~sign : ~key); }
};

// Put the values at the given ranks (ascending, distinct, counted from `begin`) of [first, last) where sorting would
// put them: the middle rank divides the range into two, which are searched for the others.
template <typename Iterator>
void partitionAt(Iterator begin, Iterator first, Iterator last, std::span<std::int64_t const> ranks) {
    if (ranks.empty()) return;
    auto const middle = ranks.size() / 2;
    auto const at = begin + ranks[middle];
    if (at == first) {
        std::iter_swap(at, std::min_element(first, last));  // the rank next to one that was found before
    } else {
        std::nth_element(first, at, last);
    }
    partitionAt(begin, first, at, ranks.first(middle));
    partitionAt(begin, at + 1, last, ranks.subspan(middle + 1));
}

// Return the values at ranks within `values`, which are reordered; `below` pixels elsewhere are smaller than all of
// them. If `ties` is true, the numbers of smaller and of equal pixels are counted.
template <typename T>
void appendRanked(std::vector<T>& values, std::span<std::int64_t const> ranks, std::int64_t below, bool ties,
                  std::vector<Ranked<T>>& result) {
    partitionAt(values.begin(), values.begin(), values.end(), ranks);
    for (auto const rank : ranks) {
        Ranked<T> ranked{values[static_cast<std::size_t>(rank)], below, 0};
        if (ties) {
            for (auto const value : values) {
                ranked.less += static_cast<std::int64_t>(value < ranked.value);
                ranked.equal += static_cast<std::int64_t>(value == ranked.value);
            }
        }
        result.push_back(ranked);
    }
}

// Range of values that very likely holds the values at some neighbouring ranks.
template <typename T>
struct Bracket {
    T low{}, high{};
    std::span<std::int64_t const> ranks;
};

// Largest number of values of a sample. A larger sample gives narrower brackets, but costs more to sort.
inline constexpr std::ptrdiff_t largestSample = 512;
inline constexpr std::ptrdiff_t valuesPerSample = 16;
// Fewer values than this are partitioned directly.
inline constexpr std::ptrdiff_t leastBracketed = 1024;

// Return the values at the given ranks (ascending, distinct). Many values are not partitioned as a whole: a sample at
// equal steps brackets each rank, and one pass counts the values below the brackets and stores those inside, about a
// tenth for each quantile. If a bracket misses its rank, all values are partitioned, so the result is always exact.
template <typename T>
std::vector<Ranked<T>> rankedInMemory(std::span<T const> values, std::span<std::int64_t const> ranks, bool ties,
                                      std::vector<T>& scratch) {
    auto const n = static_cast<std::ptrdiff_t>(values.size());
    std::vector<Ranked<T>> result;
    result.reserve(ranks.size());
    auto const partitionAll = [&] {
        scratch.assign(values.begin(), values.end());
        result.clear();
        appendRanked(scratch, ranks, 0, ties, result);
        return result;
    };
    if (n < leastBracketed) return partitionAll();

    std::array<T, largestSample> space;
    auto const sampleSize = std::min(largestSample, n / valuesPerSample);
    std::span<T> const sample(space.data(), static_cast<std::size_t>(sampleSize));
    auto const step = n / sampleSize;
    for (std::ptrdiff_t i = 0; i < sampleSize; ++i) {
        sample[static_cast<std::size_t>(i)] = values[static_cast<std::size_t>(i * step + step / 2)];
    }
    std::sort(sample.begin(), sample.end());
    std::vector<Bracket<T>> brackets;
    for (std::size_t first = 0; first < ranks.size();) {
        auto last = first;
        while (last + 1 < ranks.size() && ranks[last + 1] == ranks[last] + 1) ++last;
        // The rank in a sample of m scatters by sqrt(m f (1 - f)); 3.5 times that is missed once in 2000 brackets.
        double const m = static_cast<double>(sampleSize);
        double const f = static_cast<double>(ranks[first]) / static_cast<double>(n);
        double const margin = 3.5 * std::sqrt(m * f * (1.0 - f)) + 2.0;
        auto const low = static_cast<std::ptrdiff_t>(std::floor(f * m - margin));
        auto const high = static_cast<std::ptrdiff_t>(std::ceil(f * m + margin));
        Bracket<T> bracket;
        bracket.low = low < 0 ? std::numeric_limits<T>::lowest() : sample[static_cast<std::size_t>(low)];
        bracket.high = high >= sampleSize ? std::numeric_limits<T>::max() : sample[static_cast<std::size_t>(high)];
        bracket.ranks = ranks.subspan(first, last - first + 1);
        brackets.push_back(bracket);
        first = last + 1;
    }
    for (auto const& bracket : brackets) {
        T const low = bracket.low;
        T const high = bracket.high;
        scratch.resize(values.size());
        T* const inside = scratch.data();
        std::int64_t below = 0;
        std::ptrdiff_t count = 0;
        for (auto const value : values) {
            below += static_cast<std::int64_t>(value < low);
            inside[count] = value;  // Every value is written but only those inside are kept, which avoids a branch.
            count += static_cast<std::ptrdiff_t>((value >= low) & (value <= high));
        }
        auto const back = bracket.ranks.back() - below;
        if (bracket.ranks.front() < below || back >= count) return partitionAll();
        scratch.resize(static_cast<std::size_t>(count));
        std::vector<std::int64_t> local(bracket.ranks.begin(), bracket.ranks.end());
        for (auto& rank : local) rank -= below;
        appendRanked<T>(scratch, local, below, ties, result);
    }
    return result;
}

// Return the pixels of a source at the given ranks, by counting.
template <typename Source>
std::vector<Ranked<typename Source::value_type>> rankedByCounting(Source const& source,
                                                                  std::span<std::int64_t const> ranks,
                                                                  int num_threads) {
    using T = typename Source::value_type;
    using K = Key<T>;
    using Bits = typename K::type;
    constexpr int keyBits = 8 * sizeof(Bits);
    constexpr int step = 16;
    constexpr std::size_t buckets = std::size_t{1} << step;

    struct Target {
        Bits prefix = 0;         // key bits that are determined so far
        std::int64_t below = 0;  // number of pixels with a smaller prefix
        std::int64_t equal = 0;  // number of pixels with this prefix
    };
    std::vector<Target> targets(ranks.size());
    for (int settled = 0; settled < keyBits; settled += step) {
        int const shift = keyBits - settled - step;
        std::vector<Bits> prefixes;
        for (auto const& target : targets) {
            if (std::find(prefixes.begin(), prefixes.end(), target.prefix) == prefixes.end()) {
                prefixes.push_back(target.prefix);
            }
        }
        // Tables are large, so there is one for each thread and not for each group of blocks. Sums of counts are exact
        // in any order, so results do not depend on the number of tables.
        constexpr std::ptrdiff_t mostTables = 64;
        auto const pieces = std::clamp<std::ptrdiff_t>(num_threads == 0 ? getNumThreads() : num_threads, 1,
                                                       std::clamp<std::ptrdiff_t>(source.numBlocks(), 1, mostTables));
        std::vector<std::vector<std::int64_t>> counts(static_cast<std::size_t>(pieces));
        parallelFor(pieces, num_threads, [&](std::ptrdiff_t piece) {
            auto& table = counts[static_cast<std::size_t>(piece)];
            table.assign(prefixes.size() * buckets, 0);
            BlockStorage<T> storage;
            auto const first = source.numBlocks() * piece / pieces;
            auto const last = source.numBlocks() * (piece + 1) / pieces;
            for (auto b = first; b < last; ++b) {
                auto const block = loadBlock(source, b, storage, nullptr);
                for (std::ptrdiff_t i = 0; i < block.size; ++i) {
                    Bits const key = K::of(block.values[i]);
                    auto const bucket = static_cast<std::size_t>((key >> shift) & (buckets - 1));
                    if (settled == 0) {
                        ++table[bucket];
                        continue;
                    }
                    Bits const prefix = static_cast<Bits>(key >> (shift + step));
                    for (std::size_t p = 0; p < prefixes.size(); ++p) {
                        if (prefix == prefixes[p]) ++table[p * buckets + bucket];
                    }
                }
            }
        });
        for (std::size_t t = 0; t < targets.size(); ++t) {
            auto& target = targets[t];
            auto const p = static_cast<std::size_t>(std::find(prefixes.begin(), prefixes.end(), target.prefix) -
                                                    prefixes.begin());
            for (std::size_t bucket = 0; bucket < buckets; ++bucket) {
                std::int64_t here = 0;
                for (auto const& table : counts) here += table[p * buckets + bucket];
                if (target.below + here > ranks[t]) {
                    target.prefix = settled == 0
                                            ? static_cast<Bits>(bucket)
                                            : static_cast<Bits>((target.prefix << step) | static_cast<Bits>(bucket));
                    target.equal = here;
                    break;
                }
                target.below += here;
            }
        }
    }
    std::vector<Ranked<T>> result;
    result.reserve(targets.size());
    for (auto const& target : targets) result.push_back({K::value(target.prefix), target.below, target.equal});
    return result;
}

// Standard deviation of a normal distribution, in units of its interquartile range.
inline constexpr double iqrangeToStdev = 0.741301109252802;

// All fractions at which a row of the table of statistics needs a quantile, ascending, and their number.
struct Fractions {
    static constexpr std::size_t most = 16;
    std::array<double, most> values{};
    std::size_t size = 0;

    constexpr void insert(double fraction) {
        std::size_t at = 0;
        while (at < size && values[at] < fraction) ++at;
        if (at < size && values[at] == fraction) return;
        for (auto i = size; i > at; --i) values[i] = values[i - 1];
        values[at] = fraction;
        ++size;
    }
    [[nodiscard]] constexpr std::span<double const> span() const noexcept { return {values.data(), size}; }
};

// Return the fractions that the properties in `flags` need.
[[nodiscard]] constexpr Fractions fractionsFor(int flags) {
    Fractions result;
    for (auto const& row : propertyTable) {
        if ((flags & row.property) == 0) continue;
        for (double const f : row.quantiles()) result.insert(f);
    }
    return result;
}

// Quantiles of n good pixels at some fractions; NaN at all others.
class Quantiles {
public:
    Quantiles() = default;
    explicit Quantiles(std::span<double const> fractions) {
        for (double const f : fractions) _fractions.insert(f);
        _values.fill(std::numeric_limits<double>::quiet_NaN());
    }
    [[nodiscard]] double at(double fraction) const noexcept {
        for (std::size_t i = 0; i < _fractions.size; ++i) {
            if (_fractions.values[i] == fraction) return _values[i];
        }
        return std::numeric_limits<double>::quiet_NaN();
    }
    [[nodiscard]] double median() const noexcept { return at(0.5); }
    [[nodiscard]] double interquartileRange() const noexcept { return at(0.75) - at(0.25); }
    void set(std::size_t i, double value) noexcept { _values[i] = value; }

private:
    Fractions _fractions;
    std::array<double, Fractions::most> _values{};
};

// Interpolate linearly between two values.
inline double between(double below, double above, double fraction) noexcept {
    // Equal neighbours (infinite ones too) need no arithmetic.
    if (below == above || fraction == 0.0) return below;
    auto const mean = [&](double factor) { return (1.0 - fraction) * (factor * below) + fraction * (factor * above); };
    // Products of numbers below the normal range lose digits.
    constexpr double tiny = 0x1p-960, factor = 0x1p100;
    if (std::abs(below) < tiny && std::abs(above) < tiny) return mean(factor) / factor;
    return mean(1.0);
}

// Return quantiles at ascending fractions. `rankedAt(ranks)` returns the pixels at ascending, distinct ranks.
// Real pixels are interpolated linearly at index f (n - 1); if pixels are whole numbers, v stands for the interval from
// v - 0.5 to v + 0.5.
template <typename T, typename RankedAt>
Quantiles quantiles(std::int64_t n, std::span<double const> fractions, RankedAt const& rankedAt, bool whole = false) {
    Quantiles result(fractions);
    if (n == 0 || fractions.empty()) return result;
    std::array<std::int64_t, 2 * Fractions::most> ranks{};
    std::size_t used = 0;
    for (double const f : fractions) {
        auto const at = static_cast<std::int64_t>(f * static_cast<double>(n - 1));
        ranks[used++] = at;
        if (!whole) ranks[used++] = std::min(at + 1, n - 1);
    }
    auto distinct = ranks;
    auto const end = distinct.begin() + static_cast<std::ptrdiff_t>(used);
    std::sort(distinct.begin(), end);
    std::span<std::int64_t const> const asked(distinct.begin(), std::unique(distinct.begin(), end));
    auto const found = rankedAt(asked);
    auto const at = [&](std::int64_t rank) {
        return found[static_cast<std::size_t>(std::lower_bound(asked.begin(), asked.end(), rank) - asked.begin())];
    };
    for (std::size_t i = 0; i < fractions.size(); ++i) {
        double const index = fractions[i] * static_cast<double>(n - 1);
        if (!whole) {
            auto const rank = ranks[2 * i];
            auto const below = static_cast<double>(at(rank).value);
            double const fraction = index - static_cast<double>(rank);
            result.set(i, between(below, static_cast<double>(at(ranks[2 * i + 1]).value), fraction));
        } else if (n == 1) {
            result.set(i, static_cast<double>(at(0).value));
        } else {
            auto const here = at(ranks[i]);
            result.set(i, static_cast<double>(here.value) - 0.5 +
                                  (fractions[i] * static_cast<double>(n) - static_cast<double>(here.less)) /
                                          static_cast<double>(here.equal));
        }
    }
    return result;
}

}  // namespace evensky::detail
