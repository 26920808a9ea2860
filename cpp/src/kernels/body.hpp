// Implementation of the kernels in terms of vectors of sixteen pixels. It is included once by each file that defines
// these vectors for an instruction set. It calls no function of the standard library: the compiler would emit that for
// one instruction set, and the linker could use it for all.

#include <utility>

#include "kernels.hpp"

namespace evensky::detail {
namespace {

constexpr std::ptrdiff_t width = 16;

// Vectors of pixels of a type: sixteen floats or eight doubles.
template <typename T>
struct Lanes;
template <>
struct Lanes<float> {
    static constexpr std::ptrdiff_t size = width;
    using Values = simd::Floats;
    static auto load(float const* p) { return simd::load(p); }
    static auto loadFirst(float const* p, std::ptrdiff_t count) { return simd::loadFirst(p, count); }
    static auto loadMasks(std::int32_t const* p) { return simd::load(p); }
    static auto loadFirstMasks(std::int32_t const* p, std::ptrdiff_t count) { return simd::loadFirst(p, count); }
    static auto loadFloats(float const* p) { return simd::load(p); }
    static auto loadFirstFloats(float const* p, std::ptrdiff_t count) { return simd::loadFirst(p, count); }
    static auto fill(float value) { return simd::fill(value); }
    static auto fillMasks(std::int32_t value) { return simd::fill(value); }
    static auto noCounts() { return simd::fill(std::int32_t{0}); }
    static auto zero() { return simd::zero(); }
    static auto all() { return simd::allLanes(); }
    static auto first(std::ptrdiff_t count) { return simd::firstLanes(count); }
    static auto fromFloats(simd::Floats a) { return a; }
    template <typename Mask>
    static auto positive(simd::Floats a, Mask where) {
        return simd::atLeast(a, simd::fill(__FLT_DENORM_MIN__), where);
    }
};
template <>
struct Lanes<double> {
    static constexpr std::ptrdiff_t size = 8;
    using Values = simd::Eight;
    static auto load(double const* p) { return simd::loadEight(p); }
    static auto loadFirst(double const* p, std::ptrdiff_t count) { return simd::loadFirstEight(p, count); }
    static auto loadMasks(std::int32_t const* p) { return simd::loadEightInts(p); }
    static auto loadFirstMasks(std::int32_t const* p, std::ptrdiff_t count) {
        return simd::loadFirstEightInts(p, count);
    }
    static auto loadFloats(float const* p) { return simd::loadEightFloats(p); }
    static auto loadFirstFloats(float const* p, std::ptrdiff_t count) { return simd::loadFirstEightFloats(p, count); }
    static auto fill(double value) { return simd::fillEight(value); }
    static auto fillMasks(std::int32_t value) { return simd::fillEightInts(value); }
    static auto noCounts() { return simd::noCounts(); }
    static auto zero() { return simd::fillEight(0.0); }
    static auto all() { return simd::allEight(); }
    static auto first(std::ptrdiff_t count) { return simd::firstEight(count); }
    static auto fromFloats(simd::EightFloats a) { return simd::widenFloats(a); }
    template <typename Mask>
    static auto positive(simd::EightFloats a, Mask where) {
        return simd::atLeast(simd::widenFloats(a), simd::fillEight(static_cast<double>(__FLT_DENORM_MIN__)), where);
    }
};

// Call step(kind, offset, count) for whole steps and for the rest; `kind` is a type, so that both are compiled
// separately.
struct Whole {
    static constexpr bool value = true;
};
struct Rest {
    static constexpr bool value = false;
};
template <typename T, typename Step>
inline __attribute__((always_inline)) void inSteps(std::ptrdiff_t n, Step const& step) {
    constexpr auto size = Lanes<T>::size;
    std::ptrdiff_t i = 0;
    for (; i + size <= n; i += size) step(Whole{}, i, size);
    if (i < n) step(Rest{}, i, n - i);
}
template <typename Kind, typename T>
inline __attribute__((always_inline)) auto take(Kind, T const* p, std::ptrdiff_t count) {
    if constexpr (Kind::value) {
        return Lanes<T>::load(p);
    } else {
        return Lanes<T>::loadFirst(p, count);
    }
}
template <typename T, typename Kind>
inline __attribute__((always_inline)) auto takeMasks(Kind, std::int32_t const* p, std::ptrdiff_t count) {
    if constexpr (Kind::value) {
        return Lanes<T>::loadMasks(p);
    } else {
        return Lanes<T>::loadFirstMasks(p, count);
    }
}
// Take the deviations of pixels from a centre, whose values are given as well.
template <typename Kind, typename T, typename Values>
inline __attribute__((always_inline)) auto takeDeviations(Kind, T const* p, Values values, double centre) {
    if constexpr (Kind::value) {
        return simd::loadDeviations(p, centre);
    } else {
        return simd::deviations(values, centre);
    }
}
// Take floats that belong to pixels of type T.
template <typename T, typename Kind>
inline __attribute__((always_inline)) auto takeFloats(Kind, float const* p, std::ptrdiff_t count) {
    if constexpr (Kind::value) {
        return Lanes<T>::loadFloats(p);
    } else {
        return Lanes<T>::loadFirstFloats(p, count);
    }
}
template <typename T, typename Kind>
inline __attribute__((always_inline)) auto every(Kind, std::ptrdiff_t count) {
    if constexpr (Kind::value) {
        return Lanes<T>::all();
    } else {
        return Lanes<T>::first(count);
    }
}

inline double sumOf(simd::Doubles const& lanes) {
    double values[width];
    simd::store(values, lanes);
    double sum = 0.0;
    for (double const value : values) sum += value;
    return sum;
}
inline double sumOf(simd::Eight const& lanes) {
    double values[Lanes<double>::size];
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
// Sum counts of doubles.
template <typename Counts>
inline std::int64_t sumOfCounts(Counts const& lanes) {
    if constexpr (sizeof(Counts) == sizeof(simd::Ints) && __is_same(Counts, simd::Ints)) {
        return sumOf(lanes);
    } else {
        std::int64_t values[Lanes<double>::size];
        __builtin_memcpy(values, &lanes, sizeof values);
        std::int64_t sum = 0;
        for (std::int64_t const value : values) sum += value;
        return sum;
    }
}
// Store counts of the lanes of T.
template <typename T, typename Counts>
inline void storeCounts(std::int32_t* out, Counts const& lanes) {
    if constexpr (Lanes<T>::size == width) {
        simd::store(out, lanes);
    } else {
        std::int64_t values[Lanes<T>::size];
        __builtin_memcpy(values, &lanes, sizeof values);
        for (std::ptrdiff_t i = 0; i < Lanes<T>::size; ++i) out[i] = static_cast<std::int32_t>(values[i]);
    }
}
// Sum the numbers of the lanes, each times its count.
template <typename T, typename Counts>
inline std::int64_t sumOfPlaces(Counts const& lanes) {
    std::int32_t counts[Lanes<T>::size];
    storeCounts<T>(counts, lanes);
    std::int64_t sum = 0;
    for (std::ptrdiff_t i = 0; i < Lanes<T>::size; ++i) sum += i * counts[i];
    return sum;
}
template <typename T>
inline T leastOf(typename Lanes<T>::Values lanes) {
    T values[Lanes<T>::size];
    simd::store(values, lanes);
    T least = values[0];
    for (T const value : values) least = value < least ? value : least;
    return least;
}
template <typename T>
inline T mostOf(typename Lanes<T>::Values lanes) {
    T values[Lanes<T>::size];
    simd::store(values, lanes);
    T most = values[0];
    for (T const value : values) most = value > most ? value : most;
    return most;
}
template <typename T>
constexpr T infinity = static_cast<T>(__builtin_inff());

inline __attribute__((always_inline)) void prefetch(std::uintptr_t address) {
    __builtin_prefetch(reinterpret_cast<void const*>(address), 0, 2);
}
// Prefetch the element `n` + `ahead` after `from`, which may be outside the array.
template <typename T>
inline __attribute__((always_inline)) void prefetch(T const* from, std::ptrdiff_t n, std::ptrdiff_t ahead) {
    auto const elements = static_cast<std::uintptr_t>(n) + static_cast<std::uintptr_t>(ahead);
    prefetch(reinterpret_cast<std::uintptr_t>(from) + elements * sizeof(T));
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

template <typename T, bool HasMask, bool WantOr>
std::ptrdiff_t packRow(PixelRow<T> row, bool nanSafe, std::ptrdiff_t n, T* out, std::int32_t* orMask) {
    std::ptrdiff_t packed = 0;
    auto const bad = Lanes<T>::fillMasks(row.badBits);
    auto seen = Lanes<T>::fillMasks(0);
    inSteps<T>(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) {
        auto const values = take(kind, row.values + i, count);
        prefetch(row.values, i, row.valuesAhead);
        auto good = every<T>(kind, count);
        if (nanSafe) good = simd::finite(values, good);
        if constexpr (HasMask) {
            auto const mask = takeMasks<T>(kind, row.mask + i, count);
            prefetch(row.mask, i, row.maskAhead);
            good = simd::noneSet(mask, bad, good);
            if constexpr (WantOr) seen = simd::orWhere(seen, mask, good);
        }
        packed += simd::compress(out + packed, values, good);
    });
    // A row that begins within a cache line may end in one more line.
    prefetch(row.values, n - 1, row.valuesAhead);
    if constexpr (HasMask) prefetch(row.mask, n - 1, row.maskAhead);
    if constexpr (WantOr) *orMask |= simd::orOf(seen);
    return packed;
}

template <typename T>
std::ptrdiff_t pack(PixelRow<T> row, bool nanSafe, std::ptrdiff_t n, T* out, std::int32_t* orMask) {
    if (row.mask == nullptr) return packRow<T, false, false>(row, nanSafe, n, out, orMask);
    if (orMask == nullptr) return packRow<T, true, false>(row, nanSafe, n, out, orMask);
    return packRow<T, true, true>(row, nanSafe, n, out, orMask);
}

template <typename T>
std::ptrdiff_t packWith(PixelRow<T> row, Companions const& with, std::ptrdiff_t n, T* out, std::int32_t* orMask) {
    std::ptrdiff_t packed = 0;
    auto const bad = Lanes<T>::fillMasks(row.badBits);
    auto seen = Lanes<T>::fillMasks(0);
    float const *const first = with.rows[0], *const second = with.rows[1];
    float *const firstOut = with.packed[0], *const secondOut = with.packed[1];
    inSteps<T>(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) {
        auto const values = take(kind, row.values + i, count);
        auto good = simd::finite(values, every<T>(kind, count));
        auto const companions = takeFloats<T>(kind, first + i, count);
        if (row.mask != nullptr) {
            auto const mask = takeMasks<T>(kind, row.mask + i, count);
            good = simd::noneSet(mask, bad, good);
            seen = simd::orWhere(seen, mask, with.positive ? Lanes<T>::positive(companions, good) : good);
        }
        if (second != nullptr) simd::compress(secondOut + packed, takeFloats<T>(kind, second + i, count), good);
        simd::compress(firstOut + packed, companions, good);
        packed += simd::compress(out + packed, values, good);
    });
    if (orMask != nullptr) *orMask |= simd::orOf(seen);
    return packed;
}

// Return the lanes in which neither of two rows is masked.
template <typename T, typename Kind>
inline __attribute__((always_inline)) auto unmasked(Kind kind, PixelRow<T> const& a, PixelRow<T> const& b,
                                                    std::ptrdiff_t i, std::ptrdiff_t count) {
    auto good = every<T>(kind, count);
    if (a.mask != nullptr) {
        good = simd::noneSet(takeMasks<T>(kind, a.mask + i, count), Lanes<T>::fillMasks(a.badBits), good);
    }
    if (b.mask != nullptr) {
        good = simd::noneSet(takeMasks<T>(kind, b.mask + i, count), Lanes<T>::fillMasks(b.badBits), good);
    }
    return good;
}

// Prefetch the memory that will be read after pixel i.
template <typename T>
inline __attribute__((always_inline)) void prefetchAhead(PixelRow<T> const& row, std::ptrdiff_t i) {
    prefetch(row.values, i, row.valuesAhead);
    if (row.mask != nullptr) prefetch(row.mask, i, row.maskAhead);
}

// Pack the difference or the sum of two rows. If `Places`, add the places of the packed pixels to *places.
template <typename T, bool Difference, bool Places>
inline __attribute__((always_inline)) std::ptrdiff_t packTwo(PixelRow<T> const& a, PixelRow<T> const& b,
                                                             std::ptrdiff_t n, T* out, std::int64_t* places) {
    std::ptrdiff_t packed = 0;
    // The places are those of the steps, and those of the lanes in them.
    std::int64_t steps = 0;
    auto lanes = Lanes<T>::noCounts();
    inSteps<T>(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) __attribute__((always_inline)) {
        auto const x = take(kind, a.values + i, count);
        auto const y = take(kind, b.values + i, count);
        prefetchAhead(a, i);
        prefetchAhead(b, i);
        auto const values = Difference ? simd::sub(x, y) : simd::add(x, y);
        auto const good = simd::finite(values, unmasked(kind, a, b, i, count));
        auto const number = simd::compress(out + packed, values, good);
        packed += number;
        if constexpr (Places) {
            steps += i * number;
            simd::countWhere(lanes, good);
        }
    });
    prefetchAhead(a, n - 1);
    prefetchAhead(b, n - 1);
    if constexpr (Places) *places += steps + sumOfPlaces<T>(lanes);
    return packed;
}

template <typename T, bool Difference>
std::ptrdiff_t packPair(PixelRow<T> a, PixelRow<T> b, std::ptrdiff_t n, T* out) {
    return packTwo<T, Difference, false>(a, b, n, out, nullptr);
}

template <typename T>
std::ptrdiff_t packDifferenceAt(PixelRow<T> a, PixelRow<T> b, std::ptrdiff_t n, T* out, std::int64_t* places) {
    return packTwo<T, true, true>(a, b, n, out, places);
}

// This is plain arithmetic without branches, so that compilers vectorise it.
template <typename T>
void differences(PixelRow<T> a, PixelRow<T> b, std::ptrdiff_t n, T* __restrict out) {
    for (std::ptrdiff_t i = 0; i < n; ++i) out[i] = a.values[i] - b.values[i];
    constexpr T bad = static_cast<T>(__builtin_nanf(""));
    for (auto const* row : {&a, &b}) {
        if (row->mask == nullptr) continue;
        auto const bits = row->badBits;
        for (std::ptrdiff_t i = 0; i < n; ++i) out[i] = (row->mask[i] & bits) == 0 ? out[i] : bad;
    }
}

// Vectors of four pixels.
template <typename T>
struct Four {
    typedef T Type __attribute__((vector_size(4 * sizeof(T))));
};

// Add pixels to the lanes of a cell, four at a time.
typedef double FourDoubles __attribute__((vector_size(4 * sizeof(double))));
typedef std::int64_t FourInts __attribute__((vector_size(4 * sizeof(std::int64_t))));
template <bool Window, typename T>
inline __attribute__((always_inline)) void addToCell(T const* values, std::ptrdiff_t n, CellSums& cell) {
    constexpr auto step = static_cast<std::ptrdiff_t>(CellSums::lanes);
    constexpr double largest = __FLT_MAX__;
    FourDoubles const none{}, one = none + 1.0, low = none + cell.low, high = none + cell.high;
    FourDoubles sum, count, sumWithin, countWithin;
    __builtin_memcpy(&sum, cell.sum, sizeof sum);
    __builtin_memcpy(&count, cell.count, sizeof count);
    if constexpr (Window) {
        __builtin_memcpy(&sumWithin, cell.sumWithin, sizeof sumWithin);
        __builtin_memcpy(&countWithin, cell.countWithin, sizeof countWithin);
    }
    auto const add = [&](typename Four<T>::Type some) __attribute__((always_inline)) {
        auto const v = __builtin_convertvector(some, FourDoubles);
        FourInts const good = (v <= largest) & (v >= -largest);  // false for NaN
        sum += good ? v : none;
        count += good ? one : none;
        if constexpr (Window) {
            FourInts const inside = (v >= low) & (v <= high);
            sumWithin += inside ? v : none;
            countWithin += inside ? one : none;
        }
    };
    std::ptrdiff_t x = 0;
    typename Four<T>::Type some;
    for (; x + step <= n; x += step) {
        __builtin_memcpy(&some, values + x, sizeof some);
        add(some);
    }
    if (x < n) {
        some = typename Four<T>::Type{} + static_cast<T>(__builtin_nanf(""));
        for (std::ptrdiff_t k = 0; x + k < n; ++k) some[k] = values[x + k];
        add(some);
    }
    __builtin_memcpy(cell.sum, &sum, sizeof sum);
    __builtin_memcpy(cell.count, &count, sizeof count);
    if constexpr (Window) {
        __builtin_memcpy(cell.sumWithin, &sumWithin, sizeof sumWithin);
        __builtin_memcpy(cell.countWithin, &countWithin, sizeof countWithin);
    }
}

template <typename T>
void addToCells(T const* values, std::int64_t const* edges, std::ptrdiff_t number, CellSums* cells) {
    for (std::ptrdiff_t i = 0; i < number; ++i) {
        auto const* const from = values + (edges[i] - edges[0]);
        auto const n = static_cast<std::ptrdiff_t>(edges[i + 1] - edges[i]);
        if (cells[i].everything) {
            addToCell<false>(from, n, cells[i]);
        } else {
            addToCell<true>(from, n, cells[i]);
        }
    }
}

// This is plain arithmetic without branches, so that compilers vectorise it.
template <typename T>
void mark(PixelRow<T> row, std::ptrdiff_t n, T* __restrict values) {
    constexpr T bad = static_cast<T>(__builtin_nanf(""));
    auto const bits = row.badBits;
    for (std::ptrdiff_t i = 0; i < n; ++i) values[i] = (row.mask[i] & bits) == 0 ? values[i] : bad;
}

template <bool Swapped>
std::int32_t copyMasksAs(std::byte const* __restrict from, std::ptrdiff_t n, std::int32_t* __restrict out) {
    std::uint32_t seen = 0;
    for (std::ptrdiff_t i = 0; i < n; ++i) {
        std::uint32_t bits;
        __builtin_memcpy(&bits, from + i * static_cast<std::ptrdiff_t>(sizeof bits), sizeof bits);
        if constexpr (Swapped) bits = __builtin_bswap32(bits);
        seen |= bits;
        out[i] = static_cast<std::int32_t>(bits);
    }
    return static_cast<std::int32_t>(seen);
}
std::int32_t copyMasks(std::byte const* from, bool swapped, std::ptrdiff_t n, std::int32_t* out) {
    return swapped ? copyMasksAs<true>(from, n, out) : copyMasksAs<false>(from, n, out);
}

PositiveFloats positive(float const* values, std::ptrdiff_t n) {
    auto const above = simd::fill(__FLT_DENORM_MIN__);
    auto least = simd::fill(infinity<float>), greatest = simd::fill(0.0F);
    PositiveFloats result;
    inSteps<float>(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) {
        auto const some = take(kind, values + i, count);
        auto const good = simd::finite(some, simd::atLeast(some, above, every<float>(kind, count)));
        result.count += simd::count(good);
        least = simd::smallerWhere(least, some, good);
        greatest = simd::largerWhere(greatest, some, good);
    });
    result.least = leastOf<float>(least);
    result.greatest = mostOf<float>(greatest);
    return result;
}

template <typename T>
void sumColumns(T const* values, std::ptrdiff_t stride, std::ptrdiff_t rows, std::ptrdiff_t n, T low, T high,
                double* sums, std::int32_t* within, std::int32_t* finite) {
    auto const lowest = Lanes<T>::fill(low), highest = Lanes<T>::fill(high);
    inSteps<T>(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) {
        auto sum = Lanes<T>::zero();
        auto inside = Lanes<T>::noCounts(), good = Lanes<T>::noCounts();
        for (std::ptrdiff_t r = 0; r < rows; ++r) {
            auto const some = take(kind, values + r * stride + i, count);
            auto const isGood = simd::finite(some, every<T>(kind, count));
            auto const isInside = simd::atMost(some, highest, simd::atLeast(some, lowest, isGood));
            simd::addWhere(sum, simd::deviations(some, 0.0), isInside);
            simd::countWhere(inside, isInside);
            simd::countWhere(good, isGood);
        }
        simd::store(sums + i, sum);
        storeCounts<T>(within + i, inside);
        storeCounts<T>(finite + i, good);
    });
}

template <typename T>
std::ptrdiff_t match(PixelRow<T> reference, PixelRow<T> science, float const* model, std::ptrdiff_t n, T* matched,
                     T* residuals) {
    std::ptrdiff_t packed = 0;
    inSteps<T>(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) {
        auto const from = take(kind, reference.values + i, count);
        auto const to = take(kind, science.values + i, count);
        auto const correction = Lanes<T>::fromFloats(takeFloats<T>(kind, model + i, count));
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

template <typename T>
Deviations deviations(T const* packed, std::ptrdiff_t n, double centre, Ahead& next) {
    Ahead ahead = next;
    auto first = Lanes<T>::zero();
    auto second = Lanes<T>::zero();
    inSteps<T>(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) {
        fetch(ahead);
        auto const d = takeDeviations(kind, packed + i, take(kind, packed + i, count), centre);
        simd::addDeviations(first, second, d, every<T>(kind, count));
    });
    next = ahead;
    Deviations result;
    result.count = n;
    result.first = sumOf(first);
    result.second = sumOf(second);
    return result;
}

template <typename T>
Deviations deviationsWithin(T const* packed, std::ptrdiff_t n, double centre, double halfWidth) {
    Deviations result;
    auto first = Lanes<T>::zero();
    auto second = Lanes<T>::zero();
    auto min = Lanes<T>::fill(infinity<T>);
    auto max = Lanes<T>::fill(-infinity<T>);
    inSteps<T>(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) {
        auto const values = take(kind, packed + i, count);
        auto const d = takeDeviations(kind, packed + i, values, centre);
        auto const inside = simd::within(d, halfWidth, every<T>(kind, count));
        result.count += simd::count(inside);
        simd::addDeviations(first, second, d, inside);
        min = simd::smallerWhere(min, values, inside);
        max = simd::largerWhere(max, values, inside);
    });
    result.first = sumOf(first);
    result.second = sumOf(second);
    result.min = static_cast<double>(leastOf<T>(min));
    result.max = static_cast<double>(mostOf<T>(max));
    return result;
}

// Load eight numbers as doubles.
template <typename Kind>
inline __attribute__((always_inline)) simd::Eight takeEight(Kind, double const* p, std::ptrdiff_t count) {
    return Kind::value ? simd::loadEight(p) : simd::loadFirstEight(p, count);
}
template <typename Kind>
inline __attribute__((always_inline)) simd::Eight takeEight(Kind, float const* p, std::ptrdiff_t count) {
    if constexpr (Kind::value) {
        return simd::loadWidened(p);
    } else {
        return simd::widenFloats(simd::loadFirstEightFloats(p, count));
    }
}

// What the weights of pixels come from: nothing, weights that are stored, the floats given, or the inverse of those.
enum class By { NOTHING, WEIGHTS, GIVEN, INVERSE };

// Without weights, each pixel has the weight 1: the sums are those that multiplications by 1 would give. If
// `Everything` is true, all pixels are in the range.
template <typename T, By by, bool Variances, bool Everything, typename W>
WeightedDeviations weightedAs(T const* packed, W const* weights, float const* variances, std::ptrdiff_t n,
                              double centre, double low, double high, Ahead& next) {
    Ahead ahead = next;
    auto const lowest = simd::fillEight(low), highest = simd::fillEight(high);
    auto const none = simd::fillEight(noWeight), zero = simd::fillEight(0.0);
    auto const positive = simd::fillEight(static_cast<double>(__FLT_DENORM_MIN__));
    auto sumW = zero, sumW2 = zero, first = zero, second = zero, sumWVar = zero, sumW2Var = zero;
    auto min = simd::fillEight(infinity<double>), max = simd::fillEight(-infinity<double>);
    auto lightest = min;
    WeightedDeviations result;
    std::int64_t inside = 0;
    inSteps<double>(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) __attribute__((always_inline)) {
        // A line of the cache holds sixteen floats.
        if (sizeof(T) == sizeof(double) || i % width == 0) fetch(ahead);
        auto const x = takeEight(kind, packed + i, count);
        auto in = every<double>(kind, count);
        if constexpr (Everything) {
            inside += count;
        } else {
            in = simd::atMost(x, highest, simd::atLeast(x, lowest, in));
            inside += simd::count(in);
        }
        auto const d = simd::deviations(x, centre);
        auto const variance = [&](auto where) __attribute__((always_inline)) {
            return simd::selectEight(where, takeEight(kind, variances + i, count), zero);
        };
        if constexpr (by != By::NOTHING) {
            auto const given = takeEight(kind, weights + i, count);
            auto const weight = [&] {
                if constexpr (by == By::INVERSE) return simd::reciprocal(given);
                return given;
            }();
            auto const add = [&](auto w, auto of) __attribute__((always_inline)) {
                sumW = simd::add(sumW, w);
                sumW2 = simd::add(sumW2, simd::times(w, w));
                auto const wd = simd::times(w, d);
                first = simd::add(first, wd);
                second = simd::add(second, simd::times(wd, d));
                lightest = simd::smaller(w, lightest);
                if constexpr (Variances) {
                    auto const wv = simd::times(w, of);
                    sumWVar = simd::add(sumWVar, wv);
                    sumW2Var = simd::add(sumW2Var, simd::times(w, wv));
                }
            };
            // The condition is not "variance <= 0", because a NaN variance gives no weight either.
            auto const lacks = by == By::INVERSE ? simd::without(in, simd::atLeast(given, positive, in))
                                                 : simd::atMost(given, none, in);
            if constexpr (Everything && decltype(kind)::value) {
                // Usually all pixels have a weight.
                if (simd::count(lacks) == 0) {
                    result.count += count;
                    min = simd::smaller(x, min);
                    max = simd::larger(x, max);
                    if constexpr (Variances) {
                        add(weight, takeEight(kind, variances + i, count));
                    } else {
                        add(weight, zero);
                    }
                    return;
                }
            }
            auto const has = simd::without(in, lacks);
            result.count += simd::count(has);
            min = simd::smallerWhere(min, x, has);
            max = simd::largerWhere(max, x, has);
            // Pixels that do not count have no weight in the sums.
            if constexpr (Variances) {
                add(simd::selectEight(has, weight, zero), variance(has));
            } else {
                add(simd::selectEight(has, weight, zero), zero);
            }
        } else {
            simd::addDeviations(first, second, d, in);
            min = simd::smallerWhere(min, x, in);
            max = simd::largerWhere(max, x, in);
            if constexpr (Variances) sumWVar = simd::add(sumWVar, variance(in));
        }
    });
    constexpr bool isWeighted = by != By::NOTHING;
    next = ahead;
    if constexpr (!isWeighted) result.count = inside;
    result.unweighted = inside - result.count;
    result.sumW = isWeighted ? sumOf(sumW) : static_cast<double>(inside);
    result.sumW2 = isWeighted ? sumOf(sumW2) : static_cast<double>(inside);
    result.first = sumOf(first);
    result.second = sumOf(second);
    result.sumWVar = sumOf(sumWVar);
    result.sumW2Var = isWeighted ? sumOf(sumW2Var) : result.sumWVar;
    result.min = leastOf<double>(min);
    result.max = mostOf<double>(max);
    result.lightest = isWeighted ? leastOf<double>(lightest) : 0.0;
    return result;
}

template <typename T>
WeightedDeviations weighted(T const* packed, double const* weights, float const* variances, std::ptrdiff_t n,
                            double centre, T low, T high, Ahead& ahead) {
    constexpr double largest = sizeof(T) == sizeof(float) ? static_cast<double>(__FLT_MAX__) : __DBL_MAX__;
    auto const least = static_cast<double>(low), most = static_cast<double>(high);
    auto const sum = [&](auto everything) __attribute__((always_inline)) {
        constexpr bool all = decltype(everything)::value;
        constexpr auto none = By::NOTHING, some = By::WEIGHTS;
        if (weights == nullptr) {
            return variances == nullptr
                           ? weightedAs<T, none, false, all>(packed, weights, variances, n, centre, least, most, ahead)
                           : weightedAs<T, none, true, all>(packed, weights, variances, n, centre, least, most, ahead);
        }
        return variances == nullptr
                       ? weightedAs<T, some, false, all>(packed, weights, variances, n, centre, least, most, ahead)
                       : weightedAs<T, some, true, all>(packed, weights, variances, n, centre, least, most, ahead);
    };
    return least <= -largest && most >= largest ? sum(Whole{}) : sum(Rest{});
}

template <typename T>
WeightedDeviations weightedBy(T const* packed, float const* given, bool inverse, float const* variances,
                              std::ptrdiff_t n, double centre, Ahead& ahead) {
    constexpr auto plain = By::GIVEN, other = By::INVERSE;
    if (inverse) {
        return variances == nullptr
                       ? weightedAs<T, other, false, true>(packed, given, variances, n, centre, 0.0, 0.0, ahead)
                       : weightedAs<T, other, true, true>(packed, given, variances, n, centre, 0.0, 0.0, ahead);
    }
    return variances == nullptr
                   ? weightedAs<T, plain, false, true>(packed, given, variances, n, centre, 0.0, 0.0, ahead)
                   : weightedAs<T, plain, true, true>(packed, given, variances, n, centre, 0.0, 0.0, ahead);
}

template <typename T>
BiweightSums biweight(T const* packed, std::ptrdiff_t n, T low, T high, double centre, double inverse) {
    auto const zero = simd::fillEight(0.0), one = simd::fillEight(1.0), scale = simd::fillEight(inverse);
    auto const lowest = simd::fillEight(static_cast<double>(low)), highest = simd::fillEight(static_cast<double>(high));
    auto sumV = zero, weight = zero, first = zero, second = zero;
    inSteps<double>(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) {
        auto const x = takeEight(kind, packed + i, count);
        auto const in = simd::atMost(x, highest, simd::atLeast(x, lowest, every<double>(kind, count)));
        auto const d = simd::deviations(x, centre), u = simd::times(d, scale);
        // Pixels outside have no weight.
        auto const v = simd::keep(simd::larger(simd::sub(one, simd::times(u, u)), zero), in);
        auto const v2 = simd::times(v, v), dv2 = simd::times(d, v2);
        sumV = simd::add(sumV, v);
        weight = simd::add(weight, v2);
        first = simd::add(first, dv2);
        second = simd::add(second, simd::times(dv2, dv2));
    });
    BiweightSums result{sumOf(weight), sumOf(first), sumOf(second), 0.0};
    result.slope = 5.0 * result.weight - 4.0 * sumOf(sumV);
    return result;
}

template <typename T, bool Mixed>
BiweightPowers biweightPowersAs(T const* packed, std::ptrdiff_t n, double centre, double width2, double ratio) {
    auto const zero = simd::fillEight(0.0), most = simd::fillEight(width2),
               mix = simd::fillEight(mixOf(ratio) * width2);
    auto v2Sum = zero, first = zero, second = zero, mixed = zero;
    inSteps<double>(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) __attribute__((always_inline)) {
        auto const d = simd::deviations(takeEight(kind, packed + i, count), centre);
        auto v = simd::larger(simd::sub(most, simd::times(d, d)), zero);
        if constexpr (!decltype(kind)::value) v = simd::keep(v, every<double>(kind, count));
        auto const v2 = simd::times(v, v), dv2 = simd::times(d, v2);
        v2Sum = simd::add(v2Sum, v2);
        first = simd::add(first, dv2);
        second = simd::add(second, simd::times(dv2, dv2));
        if constexpr (Mixed) mixed = simd::add(mixed, simd::times(simd::times(v2, v), simd::add(v, mix)));
    });
    // The sums are those of v times width2.
    double const by2 = width2 * width2, by4 = by2 * by2;
    return {0.0, sumOf(v2Sum) / by2, sumOf(first) / by2, sumOf(second) / by4, sumOf(mixed) / by4};
}
template <typename T>
BiweightPowers biweightPowers(T const* packed, std::ptrdiff_t n, double centre, double width2, double ratio) {
    return ratio != 0.0 ? biweightPowersAs<T, true>(packed, n, centre, width2, ratio)
                        : biweightPowersAs<T, false>(packed, n, centre, width2, ratio);
}

template <typename T>
Neighbours<T> neighbours(T const* packed, std::ptrdiff_t n, T low, T high, T below, T above) {
    auto const lowest = Lanes<T>::fill(low), highest = Lanes<T>::fill(high);
    auto const last = Lanes<T>::fill(below), first = Lanes<T>::fill(above);
    auto number = Lanes<T>::noCounts(), before = Lanes<T>::noCounts(), behind = Lanes<T>::noCounts();
    auto lower = Lanes<T>::fill(-infinity<T>), higher = Lanes<T>::fill(infinity<T>);
    inSteps<T>(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) {
        auto const x = take(kind, packed + i, count);
        auto const in = simd::atMost(x, highest, simd::atLeast(x, lowest, every<T>(kind, count)));
        auto const isBelow = simd::atMost(x, last, in), isAbove = simd::atLeast(x, first, in);
        simd::countWhere(number, in);
        simd::countWhere(before, isBelow);
        simd::countWhere(behind, isAbove);
        lower = simd::largerWhere(lower, x, isBelow);
        higher = simd::smallerWhere(higher, x, isAbove);
    });
    return {sumOfCounts(number), sumOfCounts(before), sumOfCounts(behind), mostOf<T>(lower), leastOf<T>(higher)};
}

std::int64_t weigh(float const* packed, std::ptrdiff_t n, bool inverse, double* weights) {
    if (!inverse) {
        for (std::ptrdiff_t i = 0; i < n; ++i) weights[i] = static_cast<double>(packed[i]);
        return 0;
    }
    auto const least = simd::fillEight(static_cast<double>(__FLT_DENORM_MIN__)), none = simd::fillEight(noWeight);
    std::int64_t with = 0;
    inSteps<double>(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) {
        auto const variances = takeEight(kind, packed + i, count);
        // The condition is not "variance <= 0", because a NaN variance gives no weight either.
        auto const positive = simd::atLeast(variances, least, every<double>(kind, count));
        with += simd::count(positive);
        auto const weight = simd::selectEight(positive, simd::reciprocal(variances), none);
        if constexpr (decltype(kind)::value) {
            simd::store(weights + i, weight);
        } else {
            simd::storeFirst(weights + i, weight, count);
        }
    });
    return n - with;
}

template <typename T>
void extremes(T const* packed, std::ptrdiff_t n, T* min, T* max) {
    auto least = Lanes<T>::fill(infinity<T>);
    auto most = Lanes<T>::fill(-infinity<T>);
    inSteps<T>(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) {
        auto const values = take(kind, packed + i, count);
        least = simd::smallerWhere(least, values, every<T>(kind, count));
        most = simd::largerWhere(most, values, every<T>(kind, count));
    });
    *min = leastOf<T>(least);
    *max = mostOf<T>(most);
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
template <typename T, std::size_t Ranges, bool Clip, bool Counted>
ScanResult scanAs(T const* packed, std::ptrdiff_t n, ScanPlanOf<T> const& given, T* candidates, T* fringe,
                  Ahead& next) {
    // Local copies cannot be aliases of the outputs.
    ScanPlanOf<T> const plan = given;
    Ahead ahead = next;
    using Values = typename Lanes<T>::Values;
    Values low[Ranges], high[Ranges];
    auto const coreLow = Lanes<T>::fill(plan.coreLow), coreHigh = Lanes<T>::fill(plan.coreHigh);
    auto const outerLow = Lanes<T>::fill(plan.outerLow), outerHigh = Lanes<T>::fill(plan.outerHigh);
    // Counts fit into lanes, as fewer than 2^31 pixels are packed at a time: pixels not below a range, and inside it.
    decltype(Lanes<T>::noCounts()) reached[Ranges], inside[Ranges];
    auto nCore = Lanes<T>::noCounts();
    forEachIndex<Ranges>([&](auto index) __attribute__((always_inline)) {
        constexpr std::size_t f = decltype(index)::value;
        low[f] = Lanes<T>::fill(plan.low[f]);
        high[f] = Lanes<T>::fill(plan.high[f]);
        reached[f] = inside[f] = Lanes<T>::noCounts();
    });
    auto first = Lanes<T>::zero();
    auto second = Lanes<T>::zero();
    auto min = Lanes<T>::fill(infinity<T>);
    auto max = Lanes<T>::fill(-infinity<T>);
    std::ptrdiff_t nCandidates = 0, nFringe = 0;
    bool stores = false;
    for (std::size_t f = 0; f < plan.ranges; ++f) stores = stores || plan.low[f] < plan.high[f];
    // Ranges and core are looked at in turn, a part of the pixels at a time: all counts and sums at once do not fit
    // into the registers.
    constexpr std::ptrdiff_t part = 512;
    for (std::ptrdiff_t start = 0; start < n; start += part) {
        T const* const from = packed + start;
        auto const size = n - start < part ? n - start : part;
        inSteps<T>(size, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) __attribute__((always_inline)) {
            auto const values = take(kind, from + i, count);
            auto const all = every<T>(kind, count);
            auto kept = Lanes<T>::first(0);
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
            if (!Counted || stores) nCandidates += simd::compress(candidates + nCandidates, values, kept);
            if constexpr (!Clip) fetch(ahead);
        });
        if constexpr (Clip) {
            inSteps<T>(size, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) __attribute__((always_inline)) {
                fetch(ahead);
                auto const values = take(kind, from + i, count);
                auto const all = every<T>(kind, count);
                auto const core = simd::atMost(values, coreHigh, simd::atLeast(values, coreLow, all));
                auto const outer = simd::atMost(values, outerHigh, simd::atLeast(values, outerLow, all));
                nFringe += simd::compress(fringe + nFringe, values, simd::without(outer, core));
                simd::countWhere(nCore, core);
                simd::addDeviations(first, second, takeDeviations(kind, from + i, values, plan.centre), core);
                if constexpr (coreExtremes<T>) {
                    min = simd::smallerWhere(min, values, core);
                    max = simd::largerWhere(max, values, core);
                }
            });
        }
    }
    next = ahead;
    ScanResult result;
    forEachIndex<Ranges>([&](auto index) __attribute__((always_inline)) {
        constexpr std::size_t f = decltype(index)::value;
        result.below[f] = n - sumOfCounts(reached[f]);
        result.inside[f] = sumOfCounts(inside[f]);
    });
    result.candidates = nCandidates;
    result.fringe = nFringe;
    result.core.count = sumOfCounts(nCore);
    result.core.first = sumOf(first);
    result.core.second = sumOf(second);
    if constexpr (coreExtremes<T>) {
        result.core.min = leastOf<T>(min);
        result.core.max = mostOf<T>(max);
    }
    return result;
}

template <typename T, std::size_t Ranges>
ScanResult scanRanges(T const* packed, std::ptrdiff_t n, ScanPlanOf<T> const& plan, T* candidates, T* fringe,
                      Ahead& ahead) {
    bool wide = true;
    for (std::size_t f = 0; f < plan.ranges; ++f) wide = wide && plan.low[f] < plan.high[f];
    if (wide) {
        return plan.clip ? scanAs<T, Ranges, true, false>(packed, n, plan, candidates, fringe, ahead)
                         : scanAs<T, Ranges, false, false>(packed, n, plan, candidates, fringe, ahead);
    }
    return plan.clip ? scanAs<T, Ranges, true, true>(packed, n, plan, candidates, fringe, ahead)
                     : scanAs<T, Ranges, false, true>(packed, n, plan, candidates, fringe, ahead);
}

template <typename T>
ScanResult scan(T const* packed, std::ptrdiff_t n, ScanPlanOf<T> const& plan, T* candidates, T* fringe, Ahead& ahead) {
    // The scan is compiled for the usual numbers of ranges; empty ranges do not change its results.
    if (plan.ranges <= 1) return scanRanges<T, 1>(packed, n, plan, candidates, fringe, ahead);
    if (plan.ranges <= 3) return scanRanges<T, 3>(packed, n, plan, candidates, fringe, ahead);
    if (plan.ranges <= 4) return scanRanges<T, 4>(packed, n, plan, candidates, fringe, ahead);
    return scanRanges<T, ScanPlan::maxRanges>(packed, n, plan, candidates, fringe, ahead);
}

template <typename T>
constexpr T laneNumbers[width] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

template <typename T>
std::ptrdiff_t fringe(T const* packed, double const* weights, float const* variances, std::ptrdiff_t n,
                      ScanPlanOf<T> const& plan, T* out, double* outWeights, float* outVariances) {
    auto const coreLow = Lanes<T>::fill(plan.coreLow), coreHigh = Lanes<T>::fill(plan.coreHigh);
    auto const outerLow = Lanes<T>::fill(plan.outerLow), outerHigh = Lanes<T>::fill(plan.outerHigh);
    std::ptrdiff_t kept = 0;
    inSteps<T>(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) {
        auto const x = take(kind, packed + i, count);
        auto const all = every<T>(kind, count);
        auto const core = simd::atMost(x, coreHigh, simd::atLeast(x, coreLow, all));
        auto const outer = simd::atMost(x, outerHigh, simd::atLeast(x, outerLow, all));
        // The fringe is a few per cent of the pixels.
        T places[2 * width];
        auto const found = simd::compress(places, Lanes<T>::load(laneNumbers<T>), simd::without(outer, core));
        for (std::ptrdiff_t f = 0; f < found; ++f) {
            auto const k = i + static_cast<std::ptrdiff_t>(places[f]);
            out[kept] = packed[k];
            if (weights != nullptr) outWeights[kept] = weights[k];
            if (variances != nullptr) outVariances[kept] = variances[k];
            ++kept;
        }
    });
    return kept;
}

template <typename T>
std::ptrdiff_t collect(T const* packed, std::ptrdiff_t n, T low, T high, T* out, std::int64_t* below) {
    auto const lowest = Lanes<T>::fill(low), highest = Lanes<T>::fill(high);
    std::ptrdiff_t collected = 0;
    auto notBelow = Lanes<T>::noCounts();
    inSteps<T>(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) __attribute__((always_inline)) {
        auto const values = take(kind, packed + i, count);
        auto const reached = simd::atLeast(values, lowest, every<T>(kind, count));
        simd::countWhere(notBelow, reached);
        collected += simd::compress(out + collected, values, simd::atMost(values, highest, reached));
    });
    *below += n - sumOfCounts(notBelow);
    return collected;
}

template <typename T>
void collectThree(T const* packed, std::ptrdiff_t n, T const* low, T const* high, std::array<T*, 3> const& out,
                  std::ptrdiff_t* sizes) {
    constexpr std::size_t ranges = 3;
    typename Lanes<T>::Values lowest[ranges], highest[ranges];
    T* lists[ranges];
    std::ptrdiff_t collected[ranges] = {};
    forEachIndex<ranges>([&](auto index) __attribute__((always_inline)) {
        constexpr std::size_t f = decltype(index)::value;
        lowest[f] = Lanes<T>::fill(low[f]);
        highest[f] = Lanes<T>::fill(high[f]);
        lists[f] = out[f];
    });
    inSteps<T>(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) __attribute__((always_inline)) {
        auto const values = take(kind, packed + i, count);
        auto const all = every<T>(kind, count);
        forEachIndex<ranges>([&](auto index) __attribute__((always_inline)) {
            constexpr std::size_t f = decltype(index)::value;
            auto const in = simd::atMost(values, highest[f], simd::atLeast(values, lowest[f], all));
            collected[f] += simd::compress(lists[f] + collected[f], values, in);
        });
    });
    for (std::size_t f = 0; f < ranges; ++f) sizes[f] = collected[f];
}

template <typename T>
T select(T const* values, std::ptrdiff_t n, std::ptrdiff_t rank, T* next) {
    // The value looked for is between these two.
    T tooLow = -infinity<T>, tooHigh = infinity<T>;
    for (std::ptrdiff_t at = 0; at < n; ++at) {
        if (!(values[at] > tooLow && values[at] < tooHigh)) continue;
        auto const value = Lanes<T>::fill(values[at]);
        std::ptrdiff_t notBelow = 0, notAbove = 0;
        auto above = Lanes<T>::fill(infinity<T>);
        inSteps<T>(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) {
            auto const some = take(kind, values + i, count);
            auto const all = every<T>(kind, count);
            auto const upTo = simd::atMost(some, value, all);
            notBelow += simd::count(simd::atLeast(some, value, all));
            notAbove += simd::count(upTo);
            above = simd::smallerWhere(above, some, simd::without(all, upTo));
        });
        if (n - notBelow > rank) {
            tooHigh = values[at];
        } else if (notAbove <= rank) {
            tooLow = values[at];
        } else {
            *next = rank + 1 < notAbove || rank + 1 == n ? values[at] : leastOf<T>(above);
            return values[at];
        }
    }
    return *next = values[0];  // Not reached, as one of the values has the rank.
}

template <typename T>
void enclose(T const* packed, std::ptrdiff_t n, T* low, T* high) {
    auto const lowest = Lanes<T>::fill(*low), highest = Lanes<T>::fill(*high);
    auto below = Lanes<T>::fill(-infinity<T>), above = Lanes<T>::fill(infinity<T>);
    inSteps<T>(n, [&](auto kind, std::ptrdiff_t i, std::ptrdiff_t count) {
        auto const values = take(kind, packed + i, count);
        below = simd::largerWhere(below, values, simd::atMost(values, lowest, every<T>(kind, count)));
        above = simd::smallerWhere(above, values, simd::atLeast(values, highest, every<T>(kind, count)));
    });
    T const nearestBelow = mostOf<T>(below), nearestAbove = leastOf<T>(above);
    if (nearestBelow > -infinity<T>) *low = nearestBelow;
    if (nearestAbove < infinity<T>) *high = nearestAbove;
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
template <typename Values, int... each>
inline __attribute__((always_inline)) void exchange(Values* rows, std::integer_sequence<int, each...>) {
    constexpr auto network = sortingNetwork();
    auto const sortTwo = [rows](int low, int high) __attribute__((always_inline)) {
        auto const least = simd::smaller(rows[low], rows[high]);
        rows[high] = simd::larger(rows[low], rows[high]);
        rows[low] = least;
    };
    (sortTwo(network.low[each], network.high[each]), ...);
}

template <typename T>
void sortColumns(T* values) {
    for (std::ptrdiff_t column = 0; column < 16; column += Lanes<T>::size) {
        typename Lanes<T>::Values rows[16];
        for (int r = 0; r < 16; ++r) rows[r] = Lanes<T>::load(values + 16 * r + column);
        exchange(rows, std::make_integer_sequence<int, Exchanges::count>());
        for (int r = 0; r < 16; ++r) simd::store(values + 16 * r + column, rows[r]);
    }
}

// Squares of four by four elements are exchanged.
template <typename T>
inline __attribute__((always_inline)) void transposeSquare(T const* from, std::ptrdiff_t fromStride, T* to,
                                                           std::ptrdiff_t toStride) {
    using Vector = typename Four<T>::Type;
    Vector a, b, c, d;
    __builtin_memcpy(&a, from, sizeof a);
    __builtin_memcpy(&b, from + fromStride, sizeof b);
    __builtin_memcpy(&c, from + 2 * fromStride, sizeof c);
    __builtin_memcpy(&d, from + 3 * fromStride, sizeof d);
    Vector const ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    Vector const ab2 = __builtin_shufflevector(a, b, 2, 6, 3, 7), cd2 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    a = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
    b = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
    c = __builtin_shufflevector(ab2, cd2, 0, 1, 4, 5);
    d = __builtin_shufflevector(ab2, cd2, 2, 3, 6, 7);
    __builtin_memcpy(to, &a, sizeof a);
    __builtin_memcpy(to + toStride, &b, sizeof b);
    __builtin_memcpy(to + 2 * toStride, &c, sizeof c);
    __builtin_memcpy(to + 3 * toStride, &d, sizeof d);
}

#if defined(__AVX2__)
// Squares of eight by eight elements of four bytes are exchanged: pairs of rows first, then pairs of pairs, then
// halves.
template <typename T>
inline __attribute__((always_inline)) void transposeEight(T const* from, std::ptrdiff_t fromStride, T* to,
                                                          std::ptrdiff_t toStride) {
    typedef T Vector __attribute__((vector_size(8 * sizeof(T))));
    Vector a[8], b[8];
    forEachIndex<8>([&](auto index) __attribute__((always_inline)) {
        constexpr std::size_t i = decltype(index)::value;
        __builtin_memcpy(a + i, from + static_cast<std::ptrdiff_t>(i) * fromStride, sizeof(Vector));
    });
    forEachIndex<4>([&](auto index) __attribute__((always_inline)) {
        constexpr std::size_t i = 2 * decltype(index)::value;
        b[i] = __builtin_shufflevector(a[i], a[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        b[i + 1] = __builtin_shufflevector(a[i], a[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    });
    forEachIndex<4>([&](auto index) __attribute__((always_inline)) {
        // Rows i and i + 2 of each half.
        constexpr std::size_t i = decltype(index)::value % 2 + decltype(index)::value / 2 * 4;
        constexpr std::size_t j = decltype(index)::value % 2 * 2 + decltype(index)::value / 2 * 4;
        a[j] = __builtin_shufflevector(b[i], b[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
        a[j + 1] = __builtin_shufflevector(b[i], b[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    });
    forEachIndex<4>([&](auto index) __attribute__((always_inline)) {
        constexpr std::size_t i = decltype(index)::value;
        constexpr auto row = static_cast<std::ptrdiff_t>(i);
        Vector const first = __builtin_shufflevector(a[i], a[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        Vector const second = __builtin_shufflevector(a[i], a[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
        __builtin_memcpy(to + row * toStride, &first, sizeof first);
        __builtin_memcpy(to + (row + 4) * toStride, &second, sizeof second);
    });
}
#endif

template <typename T>
void transpose(T const* from, std::ptrdiff_t fromStride, std::ptrdiff_t columns, std::ptrdiff_t rows, T* to,
               std::ptrdiff_t toStride) {
#if defined(__AVX2__)
    constexpr std::ptrdiff_t large = 8;
    if constexpr (sizeof(T) == sizeof(float)) {
        if (columns >= large && rows >= large) {
            auto const wide = columns / large * large, high = rows / large * large;
            for (std::ptrdiff_t x = 0; x < wide; x += large) {
                for (std::ptrdiff_t y = 0; y < high; y += large) {
                    transposeEight(from + x * fromStride + y, fromStride, to + y * toStride + x, toStride);
                }
            }
            if (high < rows) transpose(from + high, fromStride, wide, rows - high, to + high * toStride, toStride);
            if (wide < columns)
                transpose(from + wide * fromStride, fromStride, columns - wide, rows, to + wide, toStride);
            return;
        }
    }
#endif
    constexpr std::ptrdiff_t side = 4;
    auto const one = [&](std::ptrdiff_t x, std::ptrdiff_t y) { to[y * toStride + x] = from[x * fromStride + y]; };
    std::ptrdiff_t x = 0;
    for (; x + side <= columns; x += side) {
        std::ptrdiff_t y = 0;
        for (; y + side <= rows; y += side) {
            transposeSquare(from + x * fromStride + y, fromStride, to + y * toStride + x, toStride);
        }
        for (; y < rows; ++y) {
            for (std::ptrdiff_t k = 0; k < side; ++k) one(x + k, y);
        }
    }
    for (; x < columns; ++x) {
        for (std::ptrdiff_t y = 0; y < rows; ++y) one(x, y);
    }
}

// Read numbers of type S as pixels of type T. Numbers of which `shifted` is true are stored as signed ones, less half
// of their range. Whole numbers that T may not hold are looked at.
template <std::size_t Bytes>
struct BitsOf;
template <>
struct BitsOf<1> {
    using Type = std::uint8_t;
    static Type swapped(Type bits) { return bits; }
};
template <>
struct BitsOf<2> {
    using Type = std::uint16_t;
    static Type swapped(Type bits) { return __builtin_bswap16(bits); }
};
template <>
struct BitsOf<4> {
    using Type = std::uint32_t;
    static Type swapped(Type bits) { return __builtin_bswap32(bits); }
};
template <>
struct BitsOf<8> {
    using Type = std::uint64_t;
    static Type swapped(Type bits) { return __builtin_bswap64(bits); }
};

// Call work(step), where step() is the stride in bytes. Usual strides are known when the call is compiled: those of
// pixels that follow each other in either direction, and of every second pixel.
template <std::ptrdiff_t Stride>
struct Step {
    constexpr std::ptrdiff_t operator()() const { return Stride; }
};
template <std::ptrdiff_t Size, typename Work>
inline __attribute__((always_inline)) void atStride(std::ptrdiff_t stride, Work const& work) {
    if (stride == Size) {
        work(Step<Size>{});
    } else if (stride == -Size) {
        work(Step<-Size>{});
    } else if (stride == 2 * Size) {
        work(Step<2 * Size>{});
    } else {
        work([stride] { return stride; });
    }
}

template <typename S, bool Swapped, typename T, bool Shifted = false>
std::uint64_t read(std::byte const* __restrict from, std::ptrdiff_t stride, std::ptrdiff_t n, T* __restrict out) {
    using Bits = typename BitsOf<sizeof(S)>::Type;
    constexpr bool whole = static_cast<S>(0.5) == S{0};
    constexpr int digits = sizeof(T) == sizeof(float) ? 24 : 53;
    constexpr bool checked = whole && 8 * static_cast<int>(sizeof(S)) > digits;
    Bits seen = 0;
    auto const one = [&](std::byte const* at, T* to) __attribute__((always_inline)) {
        Bits bits;
        __builtin_memcpy(&bits, at, sizeof bits);
        if constexpr (Swapped) bits = BitsOf<sizeof(S)>::swapped(bits);
        if constexpr (Shifted) bits = static_cast<Bits>(bits ^ 0x8000U);
        auto const value = __builtin_bit_cast(S, bits);
        if constexpr (checked) {
            if constexpr (static_cast<S>(-1) < S{0}) {
                seen |= static_cast<Bits>(value ^ (value >> (8 * sizeof(S) - 1)));
            } else {
                seen |= bits;
            }
        }
        *to = static_cast<T>(value);
    };
    atStride<static_cast<std::ptrdiff_t>(sizeof(S))>(stride, [&](auto step) __attribute__((always_inline)) {
        for (std::ptrdiff_t i = 0; i < n; ++i) one(from + i * step(), out + i);
    });
    if constexpr (checked) return static_cast<std::uint64_t>(seen >> digits);
    return 0;
}

void readMasks(std::byte const* __restrict from, std::ptrdiff_t stride, std::ptrdiff_t n,
               std::int32_t* __restrict out) {
    atStride<static_cast<std::ptrdiff_t>(sizeof *out)>(stride, [&](auto step) __attribute__((always_inline)) {
        for (std::ptrdiff_t i = 0; i < n; ++i) __builtin_memcpy(out + i, from + i * step(), sizeof *out);
    });
}

void readSmallMasks(std::byte const* __restrict from, std::ptrdiff_t stride, std::ptrdiff_t n,
                    std::int32_t* __restrict out) {
    atStride<1>(stride, [&](auto step) __attribute__((always_inline)) {
        for (std::ptrdiff_t i = 0; i < n; ++i) out[i] = static_cast<std::uint8_t>(from[i * step()]);
    });
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
        double const d = d0 + static_cast<double>(x);
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

}  // namespace
}  // namespace evensky::detail

#include "columns.hpp"

// This uses the vectors of the file above.
#include "bins.hpp"

namespace evensky::detail {
namespace {

template <typename T>
constexpr PixelKernels<T> makeFor() {
    PixelKernels<T> result{pack<T>,
                           packWith<T>,
                           bins::pack<T>,
                           packPair<T, true>,
                           packPair<T, false>,
                           packDifferenceAt<T>,
                           differences<T>,
                           sumColumns<T>,
                           match<T>,
                           addToCells<T>,
                           mark<T>,
                           deviations<T>,
                           deviationsWithin<T>,
                           weighted<T>,
                           weightedBy<T>,
                           biweight<T>,
                           biweightPowers<T>,
                           neighbours<T>,
                           extremes<T>,
                           scan<T>,
                           fringe<T>,
                           collect<T>,
                           collectThree<T>,
                           select<T>,
                           enclose<T>,
                           sortColumns<T>,
                           transpose<T>,
                           {}};
    // The order is that of PixelFormat.
    if constexpr (sizeof(T) == sizeof(float)) {
        result.readers[0] = {read<float, false, T>, read<float, true, T>};
        result.readers[2] = {read<std::int16_t, false, T>, read<std::int16_t, true, T>};
        result.readers[4] = {read<std::uint16_t, false, T>, read<std::uint16_t, true, T>};
        result.readers[5] = {read<std::uint16_t, false, T, true>, read<std::uint16_t, true, T, true>};
    } else {
        result.readers[1] = {read<double, false, T>, read<double, true, T>};
        result.readers[6] = {read<std::uint64_t, false, T>, read<std::uint64_t, true, T>};
    }
    result.readers[3] = {read<std::int32_t, false, T>, read<std::int32_t, true, T>};
    result.readers[7] = {read<std::uint8_t, false, T>, read<std::uint8_t, false, T>};
    return result;
}

constexpr Kernels make(char const* name) {
    return {makeFor<float>(),
            makeFor<double>(),
            name,
            readMasks,
            readSmallMasks,
            copyMasks,
            positive,
            transpose<std::int32_t>,
            weigh,
            columns::compute<float>,
            columns::compute<double>,
            bins::compute,
            cubics,
            akima,
            series};
}

}  // namespace
}  // namespace evensky::detail
