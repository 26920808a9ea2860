#pragma once

// Vectors of sixteen pixels in AVX2, as two registers of eight. simd_portable.hpp describes the functions.

#include <immintrin.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace {
namespace simd {

struct Floats {
    __m256 low, high;
};
struct Ints {
    __m256i low, high;
};
struct Mask {
    __m256i low, high;
};
struct Doubles {
    __m256d a, b, c, d;
};

// For each pattern of eight bits, the lanes whose bits are set, in order.
struct CompressTable {
    alignas(32) std::int32_t lanes[256][8];
};
constexpr CompressTable makeCompressTable() {
    CompressTable table{};
    for (int pattern = 0; pattern < 256; ++pattern) {
        int n = 0;
        for (int lane = 0; lane < 8; ++lane) {
            if ((pattern >> lane) & 1) table.lanes[pattern][n++] = lane;
        }
    }
    return table;
}
constexpr CompressTable compressTable = makeCompressTable();

inline __m256i firstOf8(std::ptrdiff_t count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline Floats load(float const* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline Ints load(std::int32_t const* p) {
    return {_mm256_loadu_si256(reinterpret_cast<__m256i const*>(p)),
            _mm256_loadu_si256(reinterpret_cast<__m256i const*>(p + 8))};
}
inline Mask firstLanes(std::ptrdiff_t count) { return {firstOf8(count), firstOf8(count - 8)}; }
inline Floats loadFirst(float const* p, std::ptrdiff_t count) {
    return {_mm256_maskload_ps(p, firstOf8(count)), _mm256_maskload_ps(p + 8, firstOf8(count - 8))};
}
inline Ints loadFirst(std::int32_t const* p, std::ptrdiff_t count) {
    return {_mm256_maskload_epi32(p, firstOf8(count)), _mm256_maskload_epi32(p + 8, firstOf8(count - 8))};
}
inline void store(float* p, Floats a) {
    _mm256_storeu_ps(p, a.low);
    _mm256_storeu_ps(p + 8, a.high);
}
inline void store(std::int32_t* p, Ints a) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a.low);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8), a.high);
}
inline void storeFirst(float* p, Floats a, std::ptrdiff_t count) {
    _mm256_maskstore_ps(p, firstOf8(count), a.low);
    _mm256_maskstore_ps(p + 8, firstOf8(count - 8), a.high);
}
inline Floats fill(float value) { return {_mm256_set1_ps(value), _mm256_set1_ps(value)}; }
inline Ints fill(std::int32_t value) { return {_mm256_set1_epi32(value), _mm256_set1_epi32(value)}; }
inline Floats add(Floats a, Floats b) { return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)}; }
inline Floats sub(Floats a, Floats b) { return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)}; }
inline Floats smaller(Floats a, Floats b) { return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)}; }
inline Floats larger(Floats a, Floats b) { return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)}; }

inline Mask allLanes() { return {_mm256_set1_epi32(-1), _mm256_set1_epi32(-1)}; }
inline Mask both(Mask a, Mask b) { return {_mm256_and_si256(a.low, b.low), _mm256_and_si256(a.high, b.high)}; }
inline Mask atLeast(Floats a, Floats b, Mask where) {
    return both({_mm256_castps_si256(_mm256_cmp_ps(a.low, b.low, _CMP_GE_OQ)),
                 _mm256_castps_si256(_mm256_cmp_ps(a.high, b.high, _CMP_GE_OQ))},
                where);
}
inline Mask atMost(Floats a, Floats b, Mask where) { return atLeast(b, a, where); }
inline Mask finite(Floats a, Mask where) {
    __m256 const sign = _mm256_set1_ps(-0.0F);
    return atMost({_mm256_andnot_ps(sign, a.low), _mm256_andnot_ps(sign, a.high)}, fill(3.402823466e+38F), where);
}
inline Mask noneSet(Ints a, Ints bits, Mask where) {
    __m256i const none = _mm256_setzero_si256();
    return both({_mm256_cmpeq_epi32(_mm256_and_si256(a.low, bits.low), none),
                 _mm256_cmpeq_epi32(_mm256_and_si256(a.high, bits.high), none)},
                where);
}
inline Mask either(Mask a, Mask b) { return {_mm256_or_si256(a.low, b.low), _mm256_or_si256(a.high, b.high)}; }
inline Mask without(Mask a, Mask b) { return {_mm256_andnot_si256(b.low, a.low), _mm256_andnot_si256(b.high, a.high)}; }
inline unsigned bitsOf(__m256i m) { return static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(m))); }
inline std::ptrdiff_t count(Mask m) { return __builtin_popcount(bitsOf(m.low) | (bitsOf(m.high) << 8)); }
inline void countWhere(Ints& counts, Mask m) {
    counts = {_mm256_sub_epi32(counts.low, m.low), _mm256_sub_epi32(counts.high, m.high)};
}
inline Ints orWhere(Ints a, Ints b, Mask where) {
    return {_mm256_or_si256(a.low, _mm256_and_si256(b.low, where.low)),
            _mm256_or_si256(a.high, _mm256_and_si256(b.high, where.high))};
}
inline std::int32_t orOf(Ints a) {
    alignas(32) std::int32_t lanes[8];
    _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), _mm256_or_si256(a.low, a.high));
    std::int32_t result = 0;
    for (std::int32_t const lane : lanes) result |= lane;
    return result;
}
inline std::ptrdiff_t compress8(float* out, __m256 a, unsigned bits) {
    auto const* const lanes = reinterpret_cast<__m256i const*>(compressTable.lanes[bits]);
    _mm256_storeu_ps(out, _mm256_permutevar8x32_ps(a, _mm256_load_si256(lanes)));
    return __builtin_popcount(bits);
}
inline std::ptrdiff_t compress(float* out, Floats a, Mask m) {
    auto const n = compress8(out, a.low, bitsOf(m.low));
    return n + compress8(out + n, a.high, bitsOf(m.high));
}
inline Floats select(Mask m, Floats a, Floats b) {
    return {_mm256_blendv_ps(b.low, a.low, _mm256_castsi256_ps(m.low)),
            _mm256_blendv_ps(b.high, a.high, _mm256_castsi256_ps(m.high))};
}
inline Floats smallerWhere(Floats a, Floats b, Mask where) { return select(where, smaller(b, a), a); }
inline Floats largerWhere(Floats a, Floats b, Mask where) { return select(where, larger(b, a), a); }

inline Doubles zero() { return {_mm256_setzero_pd(), _mm256_setzero_pd(), _mm256_setzero_pd(), _mm256_setzero_pd()}; }
inline Doubles deviations(Floats x, double centre) {
    __m256d const c = _mm256_set1_pd(centre);
    return {_mm256_sub_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(x.low)), c),
            _mm256_sub_pd(_mm256_cvtps_pd(_mm256_extractf128_ps(x.low, 1)), c),
            _mm256_sub_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(x.high)), c),
            _mm256_sub_pd(_mm256_cvtps_pd(_mm256_extractf128_ps(x.high, 1)), c)};
}
// Quarters are converted from memory, which is faster than to take registers apart.
inline Doubles loadDeviations(float const* p, double centre) {
    __m256d const c = _mm256_set1_pd(centre);
    auto const quarter = [&](int first) { return _mm256_sub_pd(_mm256_cvtps_pd(_mm_loadu_ps(p + first)), c); };
    return {quarter(0), quarter(4), quarter(8), quarter(12)};
}
inline Doubles square(Doubles x) {
    return {_mm256_mul_pd(x.a, x.a), _mm256_mul_pd(x.b, x.b), _mm256_mul_pd(x.c, x.c), _mm256_mul_pd(x.d, x.d)};
}
// Widen the lanes of a mask of floats to those of doubles.
struct WideMask {
    __m256d a, b, c, d;
};
inline __m256d widen(__m128i m) { return _mm256_castsi256_pd(_mm256_cvtepi32_epi64(m)); }
inline WideMask widen(Mask m) {
    return {widen(_mm256_castsi256_si128(m.low)), widen(_mm256_extracti128_si256(m.low, 1)),
            widen(_mm256_castsi256_si128(m.high)), widen(_mm256_extracti128_si256(m.high, 1))};
}
inline void addWhere(Doubles& sum, Doubles x, Mask where) {
    auto const wide = widen(where);
    sum.a = _mm256_add_pd(sum.a, _mm256_and_pd(x.a, wide.a));
    sum.b = _mm256_add_pd(sum.b, _mm256_and_pd(x.b, wide.b));
    sum.c = _mm256_add_pd(sum.c, _mm256_and_pd(x.c, wide.c));
    sum.d = _mm256_add_pd(sum.d, _mm256_and_pd(x.d, wide.d));
}
// Add deviations to one sum, and their squares to another.
inline void addDeviations(Doubles& first, Doubles& second, Doubles d, Mask where) {
    auto const wide = widen(where);
    Doubles const kept{_mm256_and_pd(d.a, wide.a), _mm256_and_pd(d.b, wide.b), _mm256_and_pd(d.c, wide.c),
                       _mm256_and_pd(d.d, wide.d)};
    auto const squares = square(kept);
    first = {_mm256_add_pd(first.a, kept.a), _mm256_add_pd(first.b, kept.b), _mm256_add_pd(first.c, kept.c),
             _mm256_add_pd(first.d, kept.d)};
    second = {_mm256_add_pd(second.a, squares.a), _mm256_add_pd(second.b, squares.b),
              _mm256_add_pd(second.c, squares.c), _mm256_add_pd(second.d, squares.d)};
}
inline __m256i narrow(__m256d low, __m256d high) {
    __m256 const mixed = _mm256_shuffle_ps(_mm256_castpd_ps(low), _mm256_castpd_ps(high), 0x88);
    return _mm256_castpd_si256(_mm256_permute4x64_pd(_mm256_castps_pd(mixed), 0xd8));
}
inline Mask within(Doubles x, double halfWidth, Mask where) {
    __m256d const h = _mm256_set1_pd(halfWidth);
    __m256d const sign = _mm256_set1_pd(-0.0);
    auto const inside = [&](__m256d v) { return _mm256_cmp_pd(_mm256_andnot_pd(sign, v), h, _CMP_LE_OQ); };
    return both({narrow(inside(x.a), inside(x.b)), narrow(inside(x.c), inside(x.d))}, where);
}
inline Doubles load(double const* p) {
    return {_mm256_loadu_pd(p), _mm256_loadu_pd(p + 4), _mm256_loadu_pd(p + 8), _mm256_loadu_pd(p + 12)};
}
inline Doubles times(Doubles x, double y) {
    __m256d const f = _mm256_set1_pd(y);
    return {_mm256_mul_pd(x.a, f), _mm256_mul_pd(x.b, f), _mm256_mul_pd(x.c, f), _mm256_mul_pd(x.d, f)};
}
inline Doubles times(Doubles x, Doubles y) {
    return {_mm256_mul_pd(x.a, y.a), _mm256_mul_pd(x.b, y.b), _mm256_mul_pd(x.c, y.c), _mm256_mul_pd(x.d, y.d)};
}
inline Doubles plus(Doubles x, double y) {
    __m256d const t = _mm256_set1_pd(y);
    return {_mm256_add_pd(x.a, t), _mm256_add_pd(x.b, t), _mm256_add_pd(x.c, t), _mm256_add_pd(x.d, t)};
}
inline Doubles add(Doubles x, Doubles y) {
    return {_mm256_add_pd(x.a, y.a), _mm256_add_pd(x.b, y.b), _mm256_add_pd(x.c, y.c), _mm256_add_pd(x.d, y.d)};
}
inline Floats rounded(Doubles x) {
    return {_mm256_set_m128(_mm256_cvtpd_ps(x.b), _mm256_cvtpd_ps(x.a)),
            _mm256_set_m128(_mm256_cvtpd_ps(x.d), _mm256_cvtpd_ps(x.c))};
}
inline void store(double* p, Doubles x) {
    _mm256_storeu_pd(p, x.a);
    _mm256_storeu_pd(p + 4, x.b);
    _mm256_storeu_pd(p + 8, x.c);
    _mm256_storeu_pd(p + 12, x.d);
}

struct Eight {
    __m256d low, high;
};
struct EightMask {
    __m256i low, high;
};
using EightFloats = __m256;
using EightInts = __m256i;

// For each pattern of four bits, the halves of the doubles whose bits are set, in order.
struct CompressFour {
    alignas(32) std::int32_t lanes[16][8];
};
constexpr CompressFour makeCompressFour() {
    CompressFour table{};
    for (int pattern = 0; pattern < 16; ++pattern) {
        int n = 0;
        for (int lane = 0; lane < 4; ++lane) {
            if (((pattern >> lane) & 1) == 0) continue;
            table.lanes[pattern][n++] = 2 * lane;
            table.lanes[pattern][n++] = 2 * lane + 1;
        }
    }
    return table;
}
constexpr CompressFour compressFour = makeCompressFour();

inline __m256i firstOf4(std::ptrdiff_t count) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(count), _mm256_setr_epi64x(0, 1, 2, 3));
}
inline EightMask firstEight(std::ptrdiff_t count) { return {firstOf4(count), firstOf4(count - 4)}; }
inline Eight loadEight(double const* p) { return {_mm256_loadu_pd(p), _mm256_loadu_pd(p + 4)}; }
inline Eight loadFirstEight(double const* p, std::ptrdiff_t count) {
    return {_mm256_maskload_pd(p, firstOf4(count)), _mm256_maskload_pd(p + 4, firstOf4(count - 4))};
}
inline EightFloats loadEightFloats(float const* p) { return _mm256_loadu_ps(p); }
inline EightFloats loadFirstEightFloats(float const* p, std::ptrdiff_t count) {
    return _mm256_maskload_ps(p, firstOf8(count));
}
inline EightInts loadEightInts(std::int32_t const* p) {
    return _mm256_loadu_si256(reinterpret_cast<__m256i const*>(p));
}
inline EightInts loadFirstEightInts(std::int32_t const* p, std::ptrdiff_t count) {
    return _mm256_maskload_epi32(p, firstOf8(count));
}
inline Eight widenFloats(EightFloats a) {
    return {_mm256_cvtps_pd(_mm256_castps256_ps128(a)), _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1))};
}
// Halves are converted from memory, which is faster than to take a register apart.
inline Eight loadWidened(float const* p) {
    return {_mm256_cvtps_pd(_mm_loadu_ps(p)), _mm256_cvtps_pd(_mm_loadu_ps(p + 4))};
}
inline void store(double* p, Eight a) {
    _mm256_storeu_pd(p, a.low);
    _mm256_storeu_pd(p + 4, a.high);
}
inline void storeFirst(double* p, Eight a, std::ptrdiff_t count) {
    _mm256_maskstore_pd(p, firstOf4(count), a.low);
    _mm256_maskstore_pd(p + 4, firstOf4(count - 4), a.high);
}
inline Eight fillEight(double value) { return {_mm256_set1_pd(value), _mm256_set1_pd(value)}; }
inline EightInts fillEightInts(std::int32_t value) { return _mm256_set1_epi32(value); }
inline EightMask noCounts() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
inline EightMask allEight() { return {_mm256_set1_epi64x(-1), _mm256_set1_epi64x(-1)}; }
inline Eight add(Eight a, Eight b) { return {_mm256_add_pd(a.low, b.low), _mm256_add_pd(a.high, b.high)}; }
inline Eight sub(Eight a, Eight b) { return {_mm256_sub_pd(a.low, b.low), _mm256_sub_pd(a.high, b.high)}; }
inline Eight times(Eight a, Eight b) { return {_mm256_mul_pd(a.low, b.low), _mm256_mul_pd(a.high, b.high)}; }
inline Eight reciprocal(Eight a) {
    __m256d const one = _mm256_set1_pd(1.0);
    return {_mm256_div_pd(one, a.low), _mm256_div_pd(one, a.high)};
}
inline EightMask both(EightMask a, EightMask b) {
    return {_mm256_and_si256(a.low, b.low), _mm256_and_si256(a.high, b.high)};
}
inline EightMask atLeast(Eight a, Eight b, EightMask where) {
    return both({_mm256_castpd_si256(_mm256_cmp_pd(a.low, b.low, _CMP_GE_OQ)),
                 _mm256_castpd_si256(_mm256_cmp_pd(a.high, b.high, _CMP_GE_OQ))},
                where);
}
inline EightMask atMost(Eight a, Eight b, EightMask where) { return atLeast(b, a, where); }
inline Eight magnitudes(Eight a) {
    __m256d const sign = _mm256_set1_pd(-0.0);
    return {_mm256_andnot_pd(sign, a.low), _mm256_andnot_pd(sign, a.high)};
}
inline EightMask finite(Eight a, EightMask where) {
    Eight const size = magnitudes(a);
    __m256d const limit = _mm256_set1_pd(0x1.ffffffp127);
    return both({_mm256_castpd_si256(_mm256_cmp_pd(size.low, limit, _CMP_LT_OQ)),
                 _mm256_castpd_si256(_mm256_cmp_pd(size.high, limit, _CMP_LT_OQ))},
                where);
}
inline EightMask noneSet(EightInts a, EightInts bits, EightMask where) {
    __m256i const unset = _mm256_cmpeq_epi32(_mm256_and_si256(a, bits), _mm256_setzero_si256());
    return both({_mm256_cvtepi32_epi64(_mm256_castsi256_si128(unset)),
                 _mm256_cvtepi32_epi64(_mm256_extracti128_si256(unset, 1))},
                where);
}
inline EightMask either(EightMask a, EightMask b) {
    return {_mm256_or_si256(a.low, b.low), _mm256_or_si256(a.high, b.high)};
}
inline EightMask without(EightMask a, EightMask b) {
    return {_mm256_andnot_si256(b.low, a.low), _mm256_andnot_si256(b.high, a.high)};
}
inline unsigned bitsOf4(__m256i m) { return static_cast<unsigned>(_mm256_movemask_pd(_mm256_castsi256_pd(m))); }
inline std::ptrdiff_t count(EightMask m) { return __builtin_popcount(bitsOf4(m.low) | (bitsOf4(m.high) << 4)); }
inline void countWhere(EightMask& counts, EightMask m) {
    counts = {_mm256_sub_epi64(counts.low, m.low), _mm256_sub_epi64(counts.high, m.high)};
}
inline EightInts narrowMask(EightMask m) { return narrow(_mm256_castsi256_pd(m.low), _mm256_castsi256_pd(m.high)); }
inline EightInts orWhere(EightInts a, EightInts b, EightMask where) {
    return _mm256_or_si256(a, _mm256_and_si256(b, narrowMask(where)));
}
inline std::int32_t orOf(EightInts a) { return orOf(Ints{a, a}); }
inline std::ptrdiff_t compress4(double* out, __m256d a, unsigned bits) {
    auto const* const lanes = reinterpret_cast<__m256i const*>(compressFour.lanes[bits]);
    _mm256_storeu_ps(reinterpret_cast<float*>(out),
                     _mm256_permutevar8x32_ps(_mm256_castpd_ps(a), _mm256_load_si256(lanes)));
    return __builtin_popcount(bits);
}
inline std::ptrdiff_t compress(double* out, Eight a, EightMask m) {
    auto const n = compress4(out, a.low, bitsOf4(m.low));
    return n + compress4(out + n, a.high, bitsOf4(m.high));
}
inline std::ptrdiff_t compress(float* out, EightFloats a, EightMask m) {
    return compress8(out, a, bitsOf4(m.low) | (bitsOf4(m.high) << 4));
}
inline Eight selectEight(EightMask m, Eight a, Eight b) {
    return {_mm256_blendv_pd(b.low, a.low, _mm256_castsi256_pd(m.low)),
            _mm256_blendv_pd(b.high, a.high, _mm256_castsi256_pd(m.high))};
}
inline Eight smaller(Eight a, Eight b) { return {_mm256_min_pd(a.low, b.low), _mm256_min_pd(a.high, b.high)}; }
inline Eight larger(Eight a, Eight b) { return {_mm256_max_pd(a.low, b.low), _mm256_max_pd(a.high, b.high)}; }
inline Eight smallerWhere(Eight a, Eight b, EightMask where) { return selectEight(where, smaller(b, a), a); }
inline Eight largerWhere(Eight a, Eight b, EightMask where) { return selectEight(where, larger(b, a), a); }
inline Eight deviations(Eight a, double centre) { return sub(a, fillEight(centre)); }
inline Eight loadDeviations(double const* p, double centre) { return deviations(loadEight(p), centre); }
inline Eight square(Eight a) { return times(a, a); }
inline void addWhere(Eight& sum, Eight a, EightMask where) {
    sum.low = _mm256_add_pd(sum.low, _mm256_and_pd(a.low, _mm256_castsi256_pd(where.low)));
    sum.high = _mm256_add_pd(sum.high, _mm256_and_pd(a.high, _mm256_castsi256_pd(where.high)));
}
// Return values where a mask is set, and 0 elsewhere.
inline Eight keep(Eight a, EightMask where) {
    return {_mm256_and_pd(a.low, _mm256_castsi256_pd(where.low)),
            _mm256_and_pd(a.high, _mm256_castsi256_pd(where.high))};
}
inline void addDeviations(Eight& first, Eight& second, Eight d, EightMask where) {
    auto const kept = keep(d, where);
    first = add(first, kept);
    second = add(second, times(kept, kept));
}
inline EightMask within(Eight a, double halfWidth, EightMask where) {
    return atMost(magnitudes(a), fillEight(halfWidth), where);
}

}  // namespace simd
}  // namespace
