#pragma once

// Vectors of sixteen pixels for any machine, with the vector types of g++ and clang. simd_avx2.hpp and simd_avx512.hpp
// define the same functions, so a change in one file needs changes in all. Lanes and the order of every sum are the
// same in all three, and so are the results.

#include <cstddef>
#include <cstdint>

namespace {
namespace simd {

typedef float Floats __attribute__((vector_size(64)));
typedef std::int32_t Ints __attribute__((vector_size(64)));
using Mask = Ints;  // Each lane has all bits set, or none.
typedef double HalfDoubles __attribute__((vector_size(64)));
typedef std::int64_t HalfMask __attribute__((vector_size(64)));
struct Doubles {
    HalfDoubles low, high;
};
constexpr int lanes = 16;

inline Floats load(float const* p) {
    Floats a;
    __builtin_memcpy(&a, p, sizeof a);
    return a;
}
inline Ints load(std::int32_t const* p) {
    Ints a;
    __builtin_memcpy(&a, p, sizeof a);
    return a;
}
inline Floats fill(float value) { return Floats{} + value; }
inline Ints fill(std::int32_t value) { return Ints{} + value; }
// Return the first `count` lanes.
inline Mask firstLanes(std::ptrdiff_t count) {
    constexpr Ints index{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return index < fill(static_cast<std::int32_t>(count));
}
// Load fewer than sixteen values; the other lanes are 0.
inline Floats loadFirst(float const* p, std::ptrdiff_t count) {
    Floats a{};
    __builtin_memcpy(&a, p, sizeof(float) * static_cast<std::size_t>(count));
    return a;
}
inline Ints loadFirst(std::int32_t const* p, std::ptrdiff_t count) {
    Ints a{};
    __builtin_memcpy(&a, p, sizeof(std::int32_t) * static_cast<std::size_t>(count));
    return a;
}
inline void store(float* p, Floats a) { __builtin_memcpy(p, &a, sizeof a); }
inline void store(std::int32_t* p, Ints a) { __builtin_memcpy(p, &a, sizeof a); }
inline void storeFirst(float* p, Floats a, std::ptrdiff_t count) {
    __builtin_memcpy(p, &a, sizeof(float) * static_cast<std::size_t>(count));
}
inline Floats add(Floats a, Floats b) { return a + b; }
inline Floats sub(Floats a, Floats b) { return a - b; }
inline Floats smaller(Floats a, Floats b) { return a < b ? a : b; }
inline Floats larger(Floats a, Floats b) { return a > b ? a : b; }

inline Mask allLanes() { return fill(-1); }
// Comparisons return the lanes of `where` in which they hold; they never hold for NaN.
inline Mask atLeast(Floats a, Floats b, Mask where) { return (a >= b) & where; }
inline Mask atMost(Floats a, Floats b, Mask where) { return (a <= b) & where; }
inline Mask finite(Floats a, Mask where) { return (a <= 3.402823466e+38F) & (a >= -3.402823466e+38F) & where; }
inline Mask noneSet(Ints a, Ints bits, Mask where) { return ((a & bits) == 0) & where; }
inline Mask either(Mask a, Mask b) { return a | b; }
inline Mask without(Mask a, Mask b) { return a & ~b; }
inline std::ptrdiff_t count(Mask m) {
    std::ptrdiff_t n = 0;
    for (int i = 0; i < lanes; ++i) n -= m[i];
    return n;
}
// Add one in each of the lanes.
inline void countWhere(Ints& counts, Mask m) { counts -= m; }
inline Ints orWhere(Ints a, Ints b, Mask where) { return a | (b & where); }
inline std::int32_t orOf(Ints a) {
    std::int32_t result = 0;
    for (int i = 0; i < lanes; ++i) result |= a[i];
    return result;
}
// Write the chosen lanes one after the other, and return their number. The contents after them, up to sixteen values in
// total, are undefined afterwards.
inline std::ptrdiff_t compress(float* out, Floats a, Mask m) {
    std::ptrdiff_t n = 0;
    for (int i = 0; i < lanes; ++i) {
        out[n] = a[i];
        n -= m[i];
    }
    return n;
}
inline Floats smallerWhere(Floats a, Floats b, Mask where) { return ((b < a) & where) ? b : a; }
inline Floats largerWhere(Floats a, Floats b, Mask where) { return ((b > a) & where) ? b : a; }

inline Doubles zero() { return {HalfDoubles{}, HalfDoubles{}}; }
inline Doubles deviations(Floats a, double centre) {
    typedef float HalfFloats __attribute__((vector_size(32)));
    HalfFloats low, high;
    __builtin_memcpy(&low, &a, sizeof low);
    __builtin_memcpy(&high, reinterpret_cast<char const*>(&a) + sizeof low, sizeof high);
    return {__builtin_convertvector(low, HalfDoubles) - centre, __builtin_convertvector(high, HalfDoubles) - centre};
}
inline Doubles loadDeviations(float const* p, double centre) { return deviations(load(p), centre); }
inline Doubles square(Doubles a) { return {a.low * a.low, a.high * a.high}; }
inline void addWhere(Doubles& sum, Doubles a, Mask where) {
    typedef std::int32_t HalfInts __attribute__((vector_size(32)));
    HalfInts low, high;
    __builtin_memcpy(&low, &where, sizeof low);
    __builtin_memcpy(&high, reinterpret_cast<char const*>(&where) + sizeof low, sizeof high);
    sum.low += __builtin_convertvector(low, HalfMask) != 0 ? a.low : HalfDoubles{};
    sum.high += __builtin_convertvector(high, HalfMask) != 0 ? a.high : HalfDoubles{};
}
// Add deviations to one sum, and their squares to another.
inline void addDeviations(Doubles& first, Doubles& second, Doubles d, Mask where) {
    addWhere(first, d, where);
    addWhere(second, square(d), where);
}
// |a| <= halfWidth
inline Mask within(Doubles a, double halfWidth, Mask where) {
    HalfMask const low = (a.low <= halfWidth) & (a.low >= -halfWidth);
    HalfMask const high = (a.high <= halfWidth) & (a.high >= -halfWidth);
    typedef std::int32_t HalfInts __attribute__((vector_size(32)));
    HalfInts const narrow[2] = {__builtin_convertvector(low, HalfInts), __builtin_convertvector(high, HalfInts)};
    Mask inside;
    __builtin_memcpy(&inside, narrow, sizeof inside);
    return inside & where;
}
inline Doubles load(double const* p) {
    Doubles a;
    __builtin_memcpy(&a, p, sizeof a);
    return a;
}
inline Doubles times(Doubles a, double b) { return {a.low * b, a.high * b}; }
inline Doubles times(Doubles a, Doubles b) { return {a.low * b.low, a.high * b.high}; }
inline Doubles plus(Doubles a, double b) { return {a.low + b, a.high + b}; }
inline Doubles add(Doubles a, Doubles b) { return {a.low + b.low, a.high + b.high}; }
inline Floats rounded(Doubles a) {
    typedef float HalfFloats __attribute__((vector_size(32)));
    HalfFloats const halves[2] = {__builtin_convertvector(a.low, HalfFloats),
                                  __builtin_convertvector(a.high, HalfFloats)};
    Floats result;
    __builtin_memcpy(&result, halves, sizeof result);
    return result;
}
inline void store(double* p, Doubles a) { __builtin_memcpy(p, &a, sizeof a); }

// Eight pixels of double. The functions are those of sixteen floats; sums of doubles are vectors of the same type.
using Eight = HalfDoubles;
using EightMask = HalfMask;
typedef float EightFloats __attribute__((vector_size(32)));
typedef std::int32_t EightInts __attribute__((vector_size(32)));
constexpr int eight = 8;

inline Eight loadEight(double const* p) {
    Eight a;
    __builtin_memcpy(&a, p, sizeof a);
    return a;
}
inline Eight loadFirstEight(double const* p, std::ptrdiff_t count) {
    Eight a{};
    __builtin_memcpy(&a, p, sizeof(double) * static_cast<std::size_t>(count));
    return a;
}
inline EightFloats loadEightFloats(float const* p) {
    EightFloats a;
    __builtin_memcpy(&a, p, sizeof a);
    return a;
}
inline EightFloats loadFirstEightFloats(float const* p, std::ptrdiff_t count) {
    EightFloats a{};
    __builtin_memcpy(&a, p, sizeof(float) * static_cast<std::size_t>(count));
    return a;
}
inline EightInts loadEightInts(std::int32_t const* p) {
    EightInts a;
    __builtin_memcpy(&a, p, sizeof a);
    return a;
}
inline EightInts loadFirstEightInts(std::int32_t const* p, std::ptrdiff_t count) {
    EightInts a{};
    __builtin_memcpy(&a, p, sizeof(std::int32_t) * static_cast<std::size_t>(count));
    return a;
}
inline Eight widenFloats(EightFloats a) { return __builtin_convertvector(a, Eight); }
inline Eight loadWidened(float const* p) { return widenFloats(loadEightFloats(p)); }
inline void store(double* p, Eight a) { __builtin_memcpy(p, &a, sizeof a); }
inline void storeFirst(double* p, Eight a, std::ptrdiff_t count) {
    __builtin_memcpy(p, &a, sizeof(double) * static_cast<std::size_t>(count));
}
inline Eight fillEight(double value) { return Eight{} + value; }
inline EightInts fillEightInts(std::int32_t value) { return EightInts{} + value; }
inline EightMask noCounts() { return EightMask{}; }
inline EightMask firstEight(std::ptrdiff_t count) {
    constexpr EightMask index{0, 1, 2, 3, 4, 5, 6, 7};
    return index < (EightMask{} + static_cast<std::int64_t>(count));
}
inline EightMask allEight() { return EightMask{} - 1; }
inline Eight add(Eight a, Eight b) { return a + b; }
inline Eight sub(Eight a, Eight b) { return a - b; }
inline Eight times(Eight a, Eight b) { return a * b; }
inline Eight reciprocal(Eight a) { return 1.0 / a; }
inline EightMask atLeast(Eight a, Eight b, EightMask where) { return (a >= b) & where; }
inline EightMask atMost(Eight a, Eight b, EightMask where) { return (a <= b) & where; }
// Larger numbers are rounded to an infinite float.
inline EightMask finite(Eight a, EightMask where) { return (a < 0x1.ffffffp127) & (a > -0x1.ffffffp127) & where; }
inline EightMask noneSet(EightInts a, EightInts bits, EightMask where) {
    return __builtin_convertvector((a & bits) == 0, EightMask) & where;
}
inline EightMask either(EightMask a, EightMask b) { return a | b; }
inline EightMask without(EightMask a, EightMask b) { return a & ~b; }
inline std::ptrdiff_t count(EightMask m) {
    std::ptrdiff_t n = 0;
    for (int i = 0; i < eight; ++i) n -= m[i];
    return n;
}
inline void countWhere(EightMask& counts, EightMask m) { counts -= m; }
inline EightInts orWhere(EightInts a, EightInts b, EightMask where) {
    return a | (b & __builtin_convertvector(where, EightInts));
}
inline std::int32_t orOf(EightInts a) {
    std::int32_t result = 0;
    for (int i = 0; i < eight; ++i) result |= a[i];
    return result;
}
inline std::ptrdiff_t compress(double* out, Eight a, EightMask m) {
    std::ptrdiff_t n = 0;
    for (int i = 0; i < eight; ++i) {
        out[n] = a[i];
        n -= m[i];
    }
    return n;
}
inline std::ptrdiff_t compress(float* out, EightFloats a, EightMask m) {
    std::ptrdiff_t n = 0;
    for (int i = 0; i < eight; ++i) {
        out[n] = a[i];
        n -= m[i];
    }
    return n;
}
inline Eight selectEight(EightMask m, Eight a, Eight b) { return m ? a : b; }
inline Eight smaller(Eight a, Eight b) { return a < b ? a : b; }
inline Eight larger(Eight a, Eight b) { return a > b ? a : b; }
inline Eight smallerWhere(Eight a, Eight b, EightMask where) { return ((b < a) & where) ? b : a; }
inline Eight largerWhere(Eight a, Eight b, EightMask where) { return ((b > a) & where) ? b : a; }
inline Eight deviations(Eight a, double centre) { return a - centre; }
inline Eight loadDeviations(double const* p, double centre) { return deviations(loadEight(p), centre); }
inline Eight square(Eight a) { return a * a; }
inline void addWhere(Eight& sum, Eight a, EightMask where) { sum += where ? a : Eight{}; }
// Return values where a mask is set, and 0 elsewhere.
inline Eight keep(Eight a, EightMask where) { return where ? a : Eight{}; }
inline void addDeviations(Eight& first, Eight& second, Eight d, EightMask where) {
    addWhere(first, d, where);
    addWhere(second, square(d), where);
}
inline EightMask within(Eight a, double halfWidth, EightMask where) {
    return (a <= halfWidth) & (a >= -halfWidth) & where;
}

}  // namespace simd
}  // namespace
