#pragma once

// Order statistics without sorting and, for large images, without a copy.
//
// Packed values in memory are partitioned (std::nth_element). For a source that is read block by block, pixels are
// mapped to unsigned keys of the same order and counted by 16 key bits at a time: each pass narrows every rank asked
// for to one bucket, 16 bits are settled a pass, and counts do not depend on the order in which blocks arrive.

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

#include "moments.hpp"

namespace evensky::detail {

// The value at one rank of the sorted pixels, and what ties need: how many are smaller, how many equal.
template <typename T>
struct Ranked {
    T value{};
    std::int64_t less = 0;
    std::int64_t equal = 0;
};

// Unsigned keys in the order of the values; -0 and +0 are made one.
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

// Put the values of the given ranks (ascending, distinct, counted from `begin`) of [first, last) where sorting would
// put them: the middle rank parts the range in two, in which the others are looked for.
template <typename Iterator>
void partitionAt(Iterator begin, Iterator first, Iterator last, std::span<std::int64_t const> ranks) {
    if (ranks.empty()) return;
    auto const middle = ranks.size() / 2;
    auto const at = begin + ranks[middle];
    if (at == first) {
        std::iter_swap(at, std::min_element(first, last));  // the neighbour of a rank that was found before
    } else {
        std::nth_element(first, at, last);
    }
    partitionAt(begin, first, at, ranks.first(middle));
    partitionAt(begin, at + 1, last, ranks.subspan(middle + 1));
}

// Values at the given ranks (ascending, distinct) of the packed values, which are reordered.
template <typename T>
std::vector<Ranked<T>> rankedInMemory(std::vector<T>& scratch, std::span<std::int64_t const> ranks) {
    partitionAt(scratch.begin(), scratch.begin(), scratch.end(), ranks);
    std::vector<Ranked<T>> result;
    result.reserve(ranks.size());
    for (auto const rank : ranks) {
        Ranked<T> ranked{scratch[static_cast<std::size_t>(rank)], 0, 0};
        if constexpr (std::is_integral_v<T>) {
            for (auto const value : scratch) {
                ranked.less += static_cast<std::int64_t>(value < ranked.value);
                ranked.equal += static_cast<std::int64_t>(value == ranked.value);
            }
        }
        result.push_back(ranked);
    }
    return result;
}

// The same of a source, by counting.
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
        Bits prefix = 0;         // the key bits settled so far
        std::int64_t below = 0;  // pixels whose settled bits are smaller
        std::int64_t equal = 0;  // pixels whose settled bits are these
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
        // One table per piece of work that runs at the same time would be large; sums of counts are exact in any
        // order, so the groups add into tables that are merged under no order at all.
        auto const pieces = std::clamp<std::ptrdiff_t>(num_threads == 0 ? getNumThreads() : num_threads, 1,
                                                       std::max<std::ptrdiff_t>(source.numBlocks(), 1));
        std::vector<std::vector<std::int64_t>> counts(static_cast<std::size_t>(pieces));
        parallelFor(pieces, num_threads, [&](std::ptrdiff_t piece) {
            auto& table = counts[static_cast<std::size_t>(piece)];
            table.assign(prefixes.size() * buckets, 0);
            BlockStorage<T> storage;
            auto const first = source.numBlocks() * piece / pieces;
            auto const last = source.numBlocks() * (piece + 1) / pieces;
            for (auto b = first; b < last; ++b) {
                auto const block = source.load(b, storage, nullptr);
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

// Median and quartiles of n good pixels.
struct Quartiles {
    double lower = std::numeric_limits<double>::quiet_NaN();
    double median = std::numeric_limits<double>::quiet_NaN();
    double upper = std::numeric_limits<double>::quiet_NaN();
    [[nodiscard]] double range() const noexcept { return upper - lower; }
};

// `ranked(ranks)` gives the pixels at ascending ranks.
template <typename T, typename RankedAt>
Quartiles quartiles(std::int64_t n, RankedAt const& rankedAt) {
    constexpr std::array<double, 3> fractions{0.25, 0.5, 0.75};
    Quartiles result;
    if (n == 0) return result;
    std::vector<std::int64_t> ranks;
    for (double const f : fractions) {
        auto const at = static_cast<std::int64_t>(f * static_cast<double>(n - 1));
        ranks.push_back(at);
        if constexpr (std::is_floating_point_v<T>) ranks.push_back(std::min(at + 1, n - 1));
    }
    std::vector<std::int64_t> distinct = ranks;
    std::sort(distinct.begin(), distinct.end());
    distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
    auto const found = rankedAt(std::span<std::int64_t const>(distinct));
    auto const at = [&](std::int64_t rank) {
        return found[static_cast<std::size_t>(std::lower_bound(distinct.begin(), distinct.end(), rank) -
                                              distinct.begin())];
    };
    std::array<double, 3> values{};
    for (std::size_t i = 0; i < fractions.size(); ++i) {
        double const index = fractions[i] * static_cast<double>(n - 1);
        if constexpr (std::is_floating_point_v<T>) {
            auto const rank = ranks[2 * i];
            auto const below = static_cast<double>(at(rank).value);
            double const fraction = index - static_cast<double>(rank);
            // Equal neighbours (infinite ones too) need no arithmetic.
            auto const above = static_cast<double>(at(ranks[2 * i + 1]).value);
            values[i] = below == above || fraction == 0.0 ? below : (1.0 - fraction) * below + fraction * above;
        } else if (n == 1) {
            values[i] = static_cast<double>(at(0).value);
        } else {
            auto const here = at(ranks[i]);
            values[i] = static_cast<double>(here.value) - 0.5 +
                        (fractions[i] * static_cast<double>(n) - static_cast<double>(here.less)) /
                                static_cast<double>(here.equal);
        }
    }
    result.lower = values[0];
    result.median = values[1];
    result.upper = values[2];
    return result;
}

}  // namespace evensky::detail
