// Implementation of the kernels in terms of vectors of sixteen pixels. It is included once by each file that defines
// these vectors for an instruction set. It calls no function of the standard library: the compiler would emit that for
// one instruction set, and the linker could use it for all.

#include <utility>

#include "kernels.hpp"

namespace evensky::detail {
namespace {

constexpr std::ptrdiff_t width = 16;

// Call step(kind, offset, count) for whole steps and for the rest; `kind` is a type, so that both are compiled
// separately.
struct Whole {
    static constexpr bool value = true;
};
struct Rest {
    static constexpr bool value = false;
};
template <typename Step>
inline __attribute__((always_inline)) void inSteps(std::ptrdiff_t n, Step const& step) {
    std::ptrdiff_t i = 0;
    for (; i + width <= n; i += width) step(Whole{}, i, width);
    if (i < n) step(Rest{}, i, n - i);
}
template <typename Kind, typename T>
inline __attribute__((always_inline)) auto take(Kind, T const* p, std::ptrdiff_t count) {
    if constexpr (Kind::value) {
        return simd::load(p);
    } else {
        return simd::loadFirst(p, count);
    }
}
template <typename Kind>
inline __attribute__((always_inline)) simd::Mask every(Kind, std::ptrdiff_t count) {
    if constexpr (Kind::value) {
        return simd::allLanes();
    } else {
        return simd::firstLanes(count);
    }
}

inline double sumOf(simd::Doubles const& lanes) {
    double values[width];
    simd::store(values, lanes);
    double sum = 0.0;
    for (double const value : values) sum += value;
    return sum;
}
inline std::int64_t sumOf(simd::Ints const& lanes) {
    std::int32_t values[width];
    simd::store(values, lanes);
    std::int64_t sum = 0;
    for (std::int32_t const value : values) sum += value;
    return sum;
}
inline float leastOf(simd::Floats lanes) {
    float values[width];
    simd::store(values, lanes);
    float least = values[0];
    for (float const value : values) least = value < least ? value : least;
    return least;
}
inline float mostOf(simd::Floats lanes) {
    float values[width];
    simd::store(values, lanes);
    float most = values[0];
    for (float const value : values) most = value > most ? value : most;
    return most;
}
constexpr float infinity = __builtin_inff();

inline __attribute__((always_inline)) void prefetch(std::uintptr_t address) {
    __builtin_prefetch(reinterpret_cast<void const*>(address), 0, 2);
}
// Prefetch the element `n` after `from`, which may be outside the array.
template <typename T>
inline __attribute__((always_inline)) void prefetch(T const* from, std::ptrdiff_t n) {
    prefetch(reinterpret_cast<std::uintptr_t>(from) + static_cast<std::uintptr_t>(n) * sizeof(T));
}

// Prefetch one line of each plane. It is called at each step, because fetching several lines at once stalls the loop.
inline __attribute__((always_inline)) void fetch(Ahead& ahead) {
    if (ahead.rows == 0) return;
    auto const done = static_cast<std::uintptr_t>(ahead.done);
    prefetch(ahead.at[0] + done);
    if (ahead.at[1] != 0) prefetch(ahead.at[1] + done);
    if (ahead.at[2] != 0) prefetch(ahead.at[2] + done);
    if (ahead.at[3] != 0) prefetch(ahead.at[3] + done);
    ahead.done += Ahead::lineBytes;
    if (ahead.done < ahead.width) return;
    ahead.done = 0;
    --ahead.rows;
    // Unused planes stay at 0, as their steps are 0.
    for (std::size_t k = 0; k < Ahead::maxPlanes; ++k) ahead.at[k] += static_cast<std::uintptr_t>(ahead.step[k]);
}

template <bool HasMask, bool WantOr>
std::ptrdiff_t packRow(PixelRow row, bool nanSafe, std::ptrdiff_t n, float* out, std::int32_t* orMask) {
    std::ptrdiff_t packed = 0;
    auto const bad = simd::fill(row.badBits);
    auto seen = simd::fill(std::int32_t{0});
    inSteps(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) {
        auto const values = take(kind, row.values + i, count);
        prefetch(row.values, i + row.valuesAhead);
        auto good = every(kind, count);
        if (nanSafe) good = simd::finite(values, good);
        if constexpr (HasMask) {
            auto const mask = take(kind, row.mask + i, count);
            prefetch(row.mask, i + row.maskAhead);
            good = simd::noneSet(mask, bad, good);
            if constexpr (WantOr) seen = simd::orWhere(seen, mask, good);
        }
        packed += simd::compress(out + packed, values, good);
    });
    // A row that begins within a cache line may end in one more line.
    prefetch(row.values, n - 1 + row.valuesAhead);
    if constexpr (HasMask) prefetch(row.mask, n - 1 + row.maskAhead);
    if constexpr (WantOr) *orMask |= simd::orOf(seen);
    return packed;
}

std::ptrdiff_t pack(PixelRow row, bool nanSafe, std::ptrdiff_t n, float* out, std::int32_t* orMask) {
    if (row.mask == nullptr) return packRow<false, false>(row, nanSafe, n, out, orMask);
    if (orMask == nullptr) return packRow<true, false>(row, nanSafe, n, out, orMask);
    return packRow<true, true>(row, nanSafe, n, out, orMask);
}

// Return the lanes in which neither of two rows is masked.
template <typename Kind>
inline __attribute__((always_inline)) simd::Mask unmasked(Kind kind, PixelRow const& a, PixelRow const& b,
                                                          std::ptrdiff_t i, std::ptrdiff_t count) {
    auto good = every(kind, count);
    if (a.mask != nullptr) good = simd::noneSet(take(kind, a.mask + i, count), simd::fill(a.badBits), good);
    if (b.mask != nullptr) good = simd::noneSet(take(kind, b.mask + i, count), simd::fill(b.badBits), good);
    return good;
}

// Prefetch the memory that will be read after pixel i.
inline __attribute__((always_inline)) void prefetchAhead(PixelRow const& row, std::ptrdiff_t i) {
    prefetch(row.values, i + row.valuesAhead);
    if (row.mask != nullptr) prefetch(row.mask, i + row.maskAhead);
}

template <bool Difference>
std::ptrdiff_t packPair(PixelRow a, PixelRow b, std::ptrdiff_t n, float* out) {
    std::ptrdiff_t packed = 0;
    inSteps(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) {
        auto const x = take(kind, a.values + i, count);
        auto const y = take(kind, b.values + i, count);
        prefetchAhead(a, i);
        prefetchAhead(b, i);
        auto const values = Difference ? simd::sub(x, y) : simd::add(x, y);
        packed += simd::compress(out + packed, values, simd::finite(values, unmasked(kind, a, b, i, count)));
    });
    prefetchAhead(a, n - 1);
    prefetchAhead(b, n - 1);
    return packed;
}

std::ptrdiff_t match(PixelRow reference, PixelRow science, float const* model, std::ptrdiff_t n, float* matched,
                     float* residuals) {
    std::ptrdiff_t packed = 0;
    inSteps(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) {
        auto const from = take(kind, reference.values + i, count);
        auto const to = take(kind, science.values + i, count);
        auto const correction = take(kind, model + i, count);
        auto const residual = simd::sub(simd::sub(from, to), correction);
        auto const good = simd::finite(residual, unmasked(kind, reference, science, i, count));
        packed += simd::compress(residuals + packed, residual, good);
        auto const corrected = simd::add(to, correction);
        if constexpr (decltype(kind)::value) {
            simd::store(matched + i, corrected);
        } else {
            simd::storeFirst(matched + i, corrected, count);
        }
    });
    return packed;
}

Deviations deviations(float const* packed, std::ptrdiff_t n, double centre, Ahead& next) {
    Ahead ahead = next;
    auto first = simd::zero();
    auto second = simd::zero();
    inSteps(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) {
        fetch(ahead);
        auto const d = simd::deviations(take(kind, packed + i, count), centre);
        simd::addWhere(first, d, every(kind, count));
        simd::addWhere(second, simd::square(d), every(kind, count));
    });
    next = ahead;
    Deviations result;
    result.count = n;
    result.first = sumOf(first);
    result.second = sumOf(second);
    return result;
}

Deviations deviationsWithin(float const* packed, std::ptrdiff_t n, double centre, double halfWidth) {
    Deviations result;
    auto first = simd::zero();
    auto second = simd::zero();
    auto min = simd::fill(infinity);
    auto max = simd::fill(-infinity);
    inSteps(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) {
        auto const values = take(kind, packed + i, count);
        auto const d = simd::deviations(values, centre);
        auto const inside = simd::within(d, halfWidth, every(kind, count));
        result.count += simd::count(inside);
        simd::addWhere(first, d, inside);
        simd::addWhere(second, simd::square(d), inside);
        min = simd::smallerWhere(min, values, inside);
        max = simd::largerWhere(max, values, inside);
    });
    result.first = sumOf(first);
    result.second = sumOf(second);
    result.min = leastOf(min);
    result.max = mostOf(max);
    return result;
}

void extremes(float const* packed, std::ptrdiff_t n, float* min, float* max) {
    auto least = simd::fill(infinity);
    auto most = simd::fill(-infinity);
    inSteps(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) {
        auto const values = take(kind, packed + i, count);
        least = simd::smallerWhere(least, values, every(kind, count));
        most = simd::largerWhere(most, values, every(kind, count));
    });
    *min = leastOf(least);
    *max = mostOf(most);
}

// Call work(index) for each index below N, which is known when the call is compiled.
template <std::size_t I>
struct Index {
    static constexpr std::size_t value = I;
};
template <std::size_t N, std::size_t I = 0, typename Work>
inline __attribute__((always_inline)) void forEachIndex(Work const& work) {
    if constexpr (I < N) {
        work(Index<I>{});
        forEachIndex<N, I + 1>(work);
    }
}

// Scan with `Clip` as in the plan, and with at least its number of ranges. If `Counted` is true, the pixels inside each
// range are counted, and pixels in ranges of one value are not stored.
template <std::size_t Ranges, bool Clip, bool Counted>
ScanResult scanAs(float const* packed, std::ptrdiff_t n, ScanPlan const& given, float* candidates, float* fringe,
                  Ahead& next) {
    // Local copies cannot be aliases of the outputs.
    ScanPlan const plan = given;
    Ahead ahead = next;
    using Floats = decltype(simd::fill(0.0F));
    Floats low[Ranges], high[Ranges];
    auto const coreLow = simd::fill(plan.coreLow), coreHigh = simd::fill(plan.coreHigh);
    auto const outerLow = simd::fill(plan.outerLow), outerHigh = simd::fill(plan.outerHigh);
    // Counts fit into lanes, as fewer than 2^31 pixels are packed at a time: pixels not below a range, and inside it.
    simd::Ints reached[Ranges], inside[Ranges];
    auto nCore = simd::fill(std::int32_t{0});
    forEachIndex<Ranges>([&](auto index) __attribute__((always_inline)) {
        constexpr std::size_t f = decltype(index)::value;
        low[f] = simd::fill(plan.low[f]);
        high[f] = simd::fill(plan.high[f]);
        reached[f] = inside[f] = simd::fill(std::int32_t{0});
    });
    auto first = simd::zero();
    auto second = simd::zero();
    auto min = simd::fill(infinity);
    auto max = simd::fill(-infinity);
    std::ptrdiff_t nCandidates = 0, nFringe = 0;
    inSteps(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) __attribute__((always_inline)) {
        fetch(ahead);
        auto const values = take(kind, packed + i, count);
        auto const all = every(kind, count);
        auto kept = simd::firstLanes(0);
        forEachIndex<Ranges>([&](auto index) __attribute__((always_inline)) {
            constexpr std::size_t f = decltype(index)::value;
            auto const notBelow = simd::atLeast(values, low[f], all);
            auto const in = simd::atMost(values, high[f], notBelow);
            simd::countWhere(reached[f], notBelow);
            if constexpr (Counted) {
                simd::countWhere(inside[f], in);
                if (plan.low[f] < plan.high[f]) kept = simd::either(kept, in);
            } else if constexpr (f == 0) {
                kept = in;
            } else {
                kept = simd::either(kept, in);
            }
        });
        nCandidates += simd::compress(candidates + nCandidates, values, kept);
        if constexpr (Clip) {
            auto const core = simd::atMost(values, coreHigh, simd::atLeast(values, coreLow, all));
            auto const outer = simd::atMost(values, outerHigh, simd::atLeast(values, outerLow, all));
            nFringe += simd::compress(fringe + nFringe, values, simd::without(outer, core));
            simd::countWhere(nCore, core);
            auto const d = simd::deviations(values, plan.centre);
            simd::addWhere(first, d, core);
            simd::addWhere(second, simd::square(d), core);
            min = simd::smallerWhere(min, values, core);
            max = simd::largerWhere(max, values, core);
        }
    });
    next = ahead;
    ScanResult result;
    forEachIndex<Ranges>([&](auto index) __attribute__((always_inline)) {
        constexpr std::size_t f = decltype(index)::value;
        result.below[f] = n - sumOf(reached[f]);
        result.inside[f] = sumOf(inside[f]);
    });
    result.candidates = nCandidates;
    result.fringe = nFringe;
    result.core.count = sumOf(nCore);
    result.core.first = sumOf(first);
    result.core.second = sumOf(second);
    result.core.min = leastOf(min);
    result.core.max = mostOf(max);
    return result;
}

template <std::size_t Ranges>
ScanResult scanRanges(float const* packed, std::ptrdiff_t n, ScanPlan const& plan, float* candidates, float* fringe,
                      Ahead& ahead) {
    bool wide = true;
    for (std::size_t f = 0; f < plan.ranges; ++f) wide = wide && plan.low[f] < plan.high[f];
    if (wide) {
        return plan.clip ? scanAs<Ranges, true, false>(packed, n, plan, candidates, fringe, ahead)
                         : scanAs<Ranges, false, false>(packed, n, plan, candidates, fringe, ahead);
    }
    return plan.clip ? scanAs<Ranges, true, true>(packed, n, plan, candidates, fringe, ahead)
                     : scanAs<Ranges, false, true>(packed, n, plan, candidates, fringe, ahead);
}

ScanResult scan(float const* packed, std::ptrdiff_t n, ScanPlan const& plan, float* candidates, float* fringe,
                Ahead& ahead) {
    // The scan is compiled for the usual numbers of ranges; empty ranges do not change its results.
    if (plan.ranges <= 1) return scanRanges<1>(packed, n, plan, candidates, fringe, ahead);
    if (plan.ranges <= 3) return scanRanges<3>(packed, n, plan, candidates, fringe, ahead);
    if (plan.ranges <= 4) return scanRanges<4>(packed, n, plan, candidates, fringe, ahead);
    return scanRanges<ScanPlan::maxRanges>(packed, n, plan, candidates, fringe, ahead);
}

std::ptrdiff_t collect(float const* packed, std::ptrdiff_t n, float low, float high, float* out, std::int64_t* below) {
    auto const lowest = simd::fill(low), highest = simd::fill(high);
    std::ptrdiff_t collected = 0;
    std::int64_t notBelow = 0;
    inSteps(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) {
        auto const values = take(kind, packed + i, count);
        auto const reached = simd::atLeast(values, lowest, every(kind, count));
        notBelow += simd::count(reached);
        collected += simd::compress(out + collected, values, simd::atMost(values, highest, reached));
    });
    *below += n - notBelow;
    return collected;
}

float select(float const* values, std::ptrdiff_t n, std::ptrdiff_t rank, float* next) {
    for (std::ptrdiff_t at = 0; at < n; ++at) {
        auto const value = simd::fill(values[at]);
        std::ptrdiff_t notBelow = 0, notAbove = 0;
        auto above = simd::fill(infinity);
        inSteps(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) {
            auto const some = take(kind, values + i, count);
            auto const all = every(kind, count);
            auto const upTo = simd::atMost(some, value, all);
            notBelow += simd::count(simd::atLeast(some, value, all));
            notAbove += simd::count(upTo);
            above = simd::smallerWhere(above, some, simd::without(all, upTo));
        });
        if (n - notBelow > rank || notAbove <= rank) continue;
        *next = rank + 1 < notAbove || rank + 1 == n ? values[at] : leastOf(above);
        return values[at];
    }
    return *next = values[0];  // Not reached, as one of the values has the rank.
}

void enclose(float const* packed, std::ptrdiff_t n, float* low, float* high) {
    auto const lowest = simd::fill(*low), highest = simd::fill(*high);
    auto below = simd::fill(-infinity), above = simd::fill(infinity);
    inSteps(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) {
        auto const values = take(kind, packed + i, count);
        below = simd::largerWhere(below, values, simd::atMost(values, lowest, every(kind, count)));
        above = simd::smallerWhere(above, values, simd::atLeast(values, highest, every(kind, count)));
    });
    float const nearestBelow = mostOf(below), nearestAbove = leastOf(above);
    if (nearestBelow > -infinity) *low = nearestBelow;
    if (nearestAbove < infinity) *high = nearestAbove;
}

// Batcher's odd-even merge sort of sixteen values: the pairs of rows to compare and exchange, in order.
struct Exchanges {
    static constexpr int count = 63;
    int low[count] = {};
    int high[count] = {};
};
constexpr Exchanges sortingNetwork() {
    Exchanges all;
    int n = 0;
    for (int p = 1; p < 16; p *= 2) {
        for (int k = p; k >= 1; k /= 2) {
            for (int j = k % p; j + k < 16; j += 2 * k) {
                for (int i = j; i < j + k; ++i) {
                    if (i + k >= 16 || i / (2 * p) != (i + k) / (2 * p)) continue;
                    all.low[n] = i;
                    all.high[n++] = i + k;
                }
            }
        }
    }
    return all;
}
template <int... each>
inline __attribute__((always_inline)) void exchange(simd::Floats* rows, std::integer_sequence<int, each...>) {
    constexpr auto network = sortingNetwork();
    auto const sortTwo = [rows](int low, int high) __attribute__((always_inline)) {
        auto const least = simd::smaller(rows[low], rows[high]);
        rows[high] = simd::larger(rows[low], rows[high]);
        rows[low] = least;
    };
    (sortTwo(network.low[each], network.high[each]), ...);
}

void sortColumns(float* values) {
    simd::Floats rows[16];
    for (int r = 0; r < 16; ++r) rows[r] = simd::load(values + 16 * r);
    exchange(rows, std::make_integer_sequence<int, Exchanges::count>());
    for (int r = 0; r < 16; ++r) simd::store(values + 16 * r, rows[r]);
}

constexpr double indices[width] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

void cubics(double const* y, double const* bce, std::ptrdiff_t rows, double d0, std::ptrdiff_t n, float* out,
            std::ptrdiff_t stride) {
    double const *const b = bce, *const c = b + splines, *const e = c + splines;
    std::ptrdiff_t x = 0;
    auto index = simd::load(indices);
    for (; x + width <= n; x += width) {
        auto const d = simd::plus(index, d0);
        for (std::ptrdiff_t r = 0; r < rows; ++r) {
            auto const inner = simd::plus(simd::times(d, e[r]), c[r]);
            auto const middle = simd::plus(simd::times(d, inner), b[r]);
            simd::store(out + r * stride + x, simd::rounded(simd::plus(simd::times(d, middle), y[r])));
        }
        index = simd::plus(index, static_cast<double>(width));
    }
    for (; x < n; ++x) {
        double const d = d0 + static_cast<double>(static_cast<std::int32_t>(x));
        for (std::ptrdiff_t r = 0; r < rows; ++r) {
            out[r * stride + x] = static_cast<float>(y[r] + d * (b[r] + d * (c[r] + d * e[r])));
        }
    }
}

// This is plain arithmetic without branches, so that compilers vectorise it.
inline double magnitude(double value) { return __builtin_fabs(value); }

void akima(double const* knots, double const* values, std::ptrdiff_t n, double* coefficients) {
    // A moving window holds the slopes of the current segment and of its neighbours before and after it.
    struct Lanes {
        double of[splines];
    };
    auto const slope = [&](std::ptrdiff_t i) {
        Lanes m;
        double const h = knots[i + 1] - knots[i];
        for (std::ptrdiff_t s = 0; s < splines; ++s)
            m.of[s] = (values[(i + 1) * splines + s] - values[i * splines + s]) / h;
        return m;
    };
    // m[k] is the slope of segment i - 2 + k.
    Lanes m[5];
    m[2] = slope(0);
    m[3] = slope(1);
    for (std::ptrdiff_t s = 0; s < splines; ++s) {
        m[1].of[s] = 2.0 * m[2].of[s] - m[3].of[s];
        m[0].of[s] = 3.0 * m[2].of[s] - 2.0 * m[3].of[s];
    }
    Lanes secondLast, last;  // slopes of the last two segments
    secondLast = slope(n - 3);
    last = slope(n - 2);
    for (std::ptrdiff_t i = 0; i + 1 < n; ++i) {
        if (i + 2 <= n - 2) {
            m[4] = slope(i + 2);
        } else if (i + 2 == n - 1) {
            for (std::ptrdiff_t s = 0; s < splines; ++s) m[4].of[s] = 2.0 * last.of[s] - secondLast.of[s];
        } else {
            for (std::ptrdiff_t s = 0; s < splines; ++s) m[4].of[s] = 3.0 * last.of[s] - 2.0 * secondLast.of[s];
        }
        double const h = knots[i + 1] - knots[i];
        double* const b = coefficients + (i + 1) * 3 * splines;
        double* const c = b + splines;
        double* const e = c + splines;
        for (std::ptrdiff_t s = 0; s < splines; ++s) {
            double const before = magnitude(m[1].of[s] - m[0].of[s]), after = magnitude(m[3].of[s] - m[2].of[s]);
            double const beforeNext = magnitude(m[2].of[s] - m[1].of[s]),
                         afterNext = magnitude(m[4].of[s] - m[3].of[s]);
            double const norm = after + before, normNext = afterNext + beforeNext;
            double const here = m[2].of[s];
            double const left = (after * m[1].of[s] + before * here) / norm;
            double const derivative = (afterNext * here + beforeNext * m[3].of[s]) / normNext;
            double const right = normNext == 0.0 ? here : derivative;
            double const cubicC = (3.0 * here - 2.0 * left - right) / h;
            double const cubicE = (left + right - 2.0 * here) / (h * h);
            b[s] = norm == 0.0 ? here : left;
            c[s] = norm == 0.0 ? 0.0 : cubicC;
            e[s] = norm == 0.0 ? 0.0 : cubicE;
        }
        for (int k = 0; k < 4; ++k) m[k] = m[k + 1];
    }
    double const h = knots[n - 1] - knots[n - 2];
    double const* const first = coefficients + 3 * splines;
    double const* const final = coefficients + (n - 1) * 3 * splines;
    double* const behind = coefficients + n * 3 * splines;
    for (std::ptrdiff_t s = 0; s < splines; ++s) {
        coefficients[s] = first[s];
        coefficients[splines + s] = first[splines + s];
        coefficients[2 * splines + s] = 0.0;
        double const b = final[s], c = final[splines + s], e = final[2 * splines + s];
        behind[s] = b + h * (2.0 * c + 3.0 * e * h);
        behind[splines + s] = c + 3.0 * e * h;
        behind[2 * splines + s] = 0.0;
    }
}

// Compute `Rows` rows at a time, which share each load of the basis.
template <int Rows>
inline __attribute__((always_inline)) void seriesOf(double const* terms, double const* basis, std::ptrdiff_t stride,
                                                    std::ptrdiff_t count, std::ptrdiff_t n, float* out,
                                                    std::ptrdiff_t outStride) {
    std::ptrdiff_t x = 0;
    for (; x + width <= n; x += width) {
        auto const first = simd::load(basis + x);
        simd::Doubles sums[Rows];
        for (int r = 0; r < Rows; ++r) sums[r] = simd::times(first, terms[r * count]);
        for (std::ptrdiff_t p = 1; p < count; ++p) {
            auto const values = simd::load(basis + p * stride + x);
            for (int r = 0; r < Rows; ++r) sums[r] = simd::add(sums[r], simd::times(values, terms[r * count + p]));
        }
        for (int r = 0; r < Rows; ++r) simd::store(out + r * outStride + x, simd::rounded(sums[r]));
    }
    for (; x < n; ++x) {
        for (int r = 0; r < Rows; ++r) {
            double sum = terms[r * count] * basis[x];
            for (std::ptrdiff_t p = 1; p < count; ++p) sum += terms[r * count + p] * basis[p * stride + x];
            out[r * outStride + x] = static_cast<float>(sum);
        }
    }
}

void series(double const* terms, std::ptrdiff_t rows, double const* basis, std::ptrdiff_t stride, std::ptrdiff_t count,
            std::ptrdiff_t n, float* out, std::ptrdiff_t outStride) {
    constexpr int together = 4;
    std::ptrdiff_t r = 0;
    for (; r + together <= rows; r += together) {
        seriesOf<together>(terms + r * count, basis, stride, count, n, out + r * outStride, outStride);
    }
    for (; r < rows; ++r) seriesOf<1>(terms + r * count, basis, stride, count, n, out + r * outStride, outStride);
}

constexpr Kernels make(char const* name) {
    return {name,     pack,  packPair<true>, packPair<false>, match,   deviations,  deviationsWithin,
            extremes, scan,  collect,        select,          enclose, sortColumns, cubics,
            akima,    series};
}

}  // namespace
}  // namespace evensky::detail
