#pragma once

// Vectors of sixteen pixels in AVX-512. simd_portable.hpp describes the functions.

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace {
namespace simd {

using Floats = __m512;
using Ints = __m512i;
using Mask = __mmask16;
struct Doubles {
    __m512d low, high;
};

inline Floats load(float const* p) { return _mm512_loadu_ps(p); }
inline Ints load(std::int32_t const* p) { return _mm512_loadu_si512(p); }
inline Mask firstLanes(std::ptrdiff_t count) { return static_cast<Mask>((1U << count) - 1U); }
inline Floats loadFirst(float const* p, std::ptrdiff_t count) { return _mm512_maskz_loadu_ps(firstLanes(count), p); }
inline Ints loadFirst(std::int32_t const* p, std::ptrdiff_t count) {
    return _mm512_maskz_loadu_epi32(firstLanes(count), p);
}
inline void store(float* p, Floats a) { _mm512_storeu_ps(p, a); }
inline void store(std::int32_t* p, Ints a) { _mm512_storeu_si512(p, a); }
inline void storeFirst(float* p, Floats a, std::ptrdiff_t count) { _mm512_mask_storeu_ps(p, firstLanes(count), a); }
inline Floats fill(float value) { return _mm512_set1_ps(value); }
inline Ints fill(std::int32_t value) { return _mm512_set1_epi32(value); }
inline Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
inline Floats sub(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
inline Floats smaller(Floats a, Floats b) { return _mm512_min_ps(a, b); }
inline Floats larger(Floats a, Floats b) { return _mm512_max_ps(a, b); }

inline Mask allLanes() { return static_cast<Mask>(0xffff); }
inline Mask atLeast(Floats a, Floats b, Mask where) { return _mm512_mask_cmp_ps_mask(where, a, b, _CMP_GE_OQ); }
inline Mask atMost(Floats a, Floats b, Mask where) { return _mm512_mask_cmp_ps_mask(where, a, b, _CMP_LE_OQ); }
inline Mask finite(Floats a, Mask where) {
    return _mm512_mask_cmp_ps_mask(where, _mm512_abs_ps(a), _mm512_set1_ps(3.402823466e+38F), _CMP_LE_OQ);
}
inline Mask noneSet(Ints a, Ints bits, Mask where) { return _mm512_mask_testn_epi32_mask(where, a, bits); }
inline Mask either(Mask a, Mask b) { return static_cast<Mask>(a | b); }
inline Mask without(Mask a, Mask b) { return static_cast<Mask>(a & ~b); }
inline std::ptrdiff_t count(Mask m) { return __builtin_popcount(m); }
inline void countWhere(Ints& counts, Mask m) { counts = _mm512_sub_epi32(counts, _mm512_movm_epi32(m)); }
inline Ints orWhere(Ints a, Ints b, Mask where) { return _mm512_mask_or_epi32(a, where, a, b); }
inline std::int32_t orOf(Ints a) { return static_cast<std::int32_t>(_mm512_reduce_or_epi32(a)); }
inline std::ptrdiff_t compress(float* out, Floats a, Mask m) {
    _mm512_storeu_ps(out, _mm512_maskz_compress_ps(m, a));
    return count(m);
}
inline Floats smallerWhere(Floats a, Floats b, Mask where) { return _mm512_mask_min_ps(a, where, b, a); }
inline Floats largerWhere(Floats a, Floats b, Mask where) { return _mm512_mask_max_ps(a, where, b, a); }

inline Doubles zero() { return {_mm512_setzero_pd(), _mm512_setzero_pd()}; }
inline Doubles deviations(Floats a, double centre) {
    __m512d const c = _mm512_set1_pd(centre);
    return {_mm512_sub_pd(_mm512_cvtps_pd(_mm512_castps512_ps256(a)), c),
            _mm512_sub_pd(_mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1)), c)};
}
inline Doubles loadDeviations(float const* p, double centre) {
    __m512d const c = _mm512_set1_pd(centre);
    return {_mm512_sub_pd(_mm512_cvtps_pd(_mm256_loadu_ps(p)), c),
            _mm512_sub_pd(_mm512_cvtps_pd(_mm256_loadu_ps(p + 8)), c)};
}
inline Doubles square(Doubles a) { return {_mm512_mul_pd(a.low, a.low), _mm512_mul_pd(a.high, a.high)}; }
inline void addWhere(Doubles& sum, Doubles a, Mask where) {
    sum.low = _mm512_mask_add_pd(sum.low, static_cast<__mmask8>(where), sum.low, a.low);
    sum.high = _mm512_mask_add_pd(sum.high, static_cast<__mmask8>(where >> 8), sum.high, a.high);
}
inline void addDeviations(Doubles& first, Doubles& second, Doubles d, Mask where) {
    addWhere(first, d, where);
    addWhere(second, square(d), where);
}
inline Mask within(Doubles a, double halfWidth, Mask where) {
    __m512d const h = _mm512_set1_pd(halfWidth);
    auto const low = _mm512_mask_cmp_pd_mask(static_cast<__mmask8>(where), _mm512_abs_pd(a.low), h, _CMP_LE_OQ);
    auto const high = _mm512_mask_cmp_pd_mask(static_cast<__mmask8>(where >> 8), _mm512_abs_pd(a.high), h, _CMP_LE_OQ);
    return static_cast<Mask>(low | (high << 8));
}
inline Doubles load(double const* p) { return {_mm512_loadu_pd(p), _mm512_loadu_pd(p + 8)}; }
inline Doubles times(Doubles a, double b) {
    __m512d const factor = _mm512_set1_pd(b);
    return {_mm512_mul_pd(a.low, factor), _mm512_mul_pd(a.high, factor)};
}
inline Doubles times(Doubles a, Doubles b) { return {_mm512_mul_pd(a.low, b.low), _mm512_mul_pd(a.high, b.high)}; }
inline Doubles plus(Doubles a, double b) {
    __m512d const term = _mm512_set1_pd(b);
    return {_mm512_add_pd(a.low, term), _mm512_add_pd(a.high, term)};
}
inline Doubles add(Doubles a, Doubles b) { return {_mm512_add_pd(a.low, b.low), _mm512_add_pd(a.high, b.high)}; }
inline Floats rounded(Doubles a) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(a.low)), _mm512_cvtpd_ps(a.high), 1);
}
inline void store(double* p, Doubles a) {
    _mm512_storeu_pd(p, a.low);
    _mm512_storeu_pd(p + 8, a.high);
}

using Eight = __m512d;
using EightMask = __mmask8;
using EightFloats = __m256;
using EightInts = __m256i;

inline Eight loadEight(double const* p) { return _mm512_loadu_pd(p); }
inline EightMask firstEight(std::ptrdiff_t count) { return static_cast<EightMask>((1U << count) - 1U); }
inline Eight loadFirstEight(double const* p, std::ptrdiff_t count) {
    return _mm512_maskz_loadu_pd(firstEight(count), p);
}
inline EightFloats loadEightFloats(float const* p) { return _mm256_loadu_ps(p); }
inline EightFloats loadFirstEightFloats(float const* p, std::ptrdiff_t count) {
    return _mm256_maskz_loadu_ps(firstEight(count), p);
}
inline EightInts loadEightInts(std::int32_t const* p) {
    return _mm256_loadu_si256(reinterpret_cast<__m256i const*>(p));
}
inline EightInts loadFirstEightInts(std::int32_t const* p, std::ptrdiff_t count) {
    return _mm256_maskz_loadu_epi32(firstEight(count), p);
}
inline Eight widenFloats(EightFloats a) { return _mm512_cvtps_pd(a); }
inline Eight loadWidened(float const* p) { return widenFloats(loadEightFloats(p)); }
inline void store(double* p, Eight a) { _mm512_storeu_pd(p, a); }
inline void storeFirst(double* p, Eight a, std::ptrdiff_t count) { _mm512_mask_storeu_pd(p, firstEight(count), a); }
inline Eight fillEight(double value) { return _mm512_set1_pd(value); }
inline EightInts fillEightInts(std::int32_t value) { return _mm256_set1_epi32(value); }
inline __m512i noCounts() { return _mm512_setzero_si512(); }
inline EightMask allEight() { return static_cast<EightMask>(0xff); }
inline Eight add(Eight a, Eight b) { return _mm512_add_pd(a, b); }
inline Eight sub(Eight a, Eight b) { return _mm512_sub_pd(a, b); }
inline Eight times(Eight a, Eight b) { return _mm512_mul_pd(a, b); }
inline Eight reciprocal(Eight a) { return _mm512_div_pd(_mm512_set1_pd(1.0), a); }
inline EightMask atLeast(Eight a, Eight b, EightMask where) { return _mm512_mask_cmp_pd_mask(where, a, b, _CMP_GE_OQ); }
inline EightMask atMost(Eight a, Eight b, EightMask where) { return _mm512_mask_cmp_pd_mask(where, a, b, _CMP_LE_OQ); }
inline EightMask finite(Eight a, EightMask where) {
    return _mm512_mask_cmp_pd_mask(where, _mm512_abs_pd(a), _mm512_set1_pd(0x1.ffffffp127), _CMP_LT_OQ);
}
inline EightMask noneSet(EightInts a, EightInts bits, EightMask where) {
    return _mm256_mask_testn_epi32_mask(where, a, bits);
}
inline EightMask either(EightMask a, EightMask b) { return static_cast<EightMask>(a | b); }
inline EightMask without(EightMask a, EightMask b) { return static_cast<EightMask>(a & ~b); }
inline std::ptrdiff_t count(EightMask m) { return __builtin_popcount(m); }
inline void countWhere(__m512i& counts, EightMask m) { counts = _mm512_sub_epi64(counts, _mm512_movm_epi64(m)); }
inline EightInts orWhere(EightInts a, EightInts b, EightMask where) { return _mm256_mask_or_epi32(a, where, a, b); }
inline std::int32_t orOf(EightInts a) {
    alignas(32) std::int32_t lanes[8];
    _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), a);
    std::int32_t result = 0;
    for (std::int32_t const lane : lanes) result |= lane;
    return result;
}
inline std::ptrdiff_t compress(double* out, Eight a, EightMask m) {
    _mm512_storeu_pd(out, _mm512_maskz_compress_pd(m, a));
    return count(m);
}
inline std::ptrdiff_t compress(float* out, EightFloats a, EightMask m) {
    _mm256_storeu_ps(out, _mm256_maskz_compress_ps(m, a));
    return count(m);
}
inline Eight selectEight(EightMask m, Eight a, Eight b) { return _mm512_mask_blend_pd(m, b, a); }
inline Eight smaller(Eight a, Eight b) { return _mm512_min_pd(a, b); }
inline Eight larger(Eight a, Eight b) { return _mm512_max_pd(a, b); }
inline Eight smallerWhere(Eight a, Eight b, EightMask where) { return _mm512_mask_min_pd(a, where, b, a); }
inline Eight largerWhere(Eight a, Eight b, EightMask where) { return _mm512_mask_max_pd(a, where, b, a); }
inline Eight deviations(Eight a, double centre) { return _mm512_sub_pd(a, _mm512_set1_pd(centre)); }
inline Eight loadDeviations(double const* p, double centre) { return deviations(loadEight(p), centre); }
inline Eight square(Eight a) { return _mm512_mul_pd(a, a); }
inline void addWhere(Eight& sum, Eight a, EightMask where) { sum = _mm512_mask_add_pd(sum, where, sum, a); }
inline Eight keep(Eight a, EightMask where) { return _mm512_maskz_mov_pd(where, a); }
inline void addDeviations(Eight& first, Eight& second, Eight d, EightMask where) {
    addWhere(first, d, where);
    addWhere(second, square(d), where);
}
inline EightMask within(Eight a, double halfWidth, EightMask where) {
    return _mm512_mask_cmp_pd_mask(where, _mm512_abs_pd(a), _mm512_set1_pd(halfWidth), _CMP_LE_OQ);
}

}  // namespace simd
}  // namespace
