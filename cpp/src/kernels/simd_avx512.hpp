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
inline Doubles square(Doubles a) { return {_mm512_mul_pd(a.low, a.low), _mm512_mul_pd(a.high, a.high)}; }
inline void addWhere(Doubles& sum, Doubles a, Mask where) {
    sum.low = _mm512_mask_add_pd(sum.low, static_cast<__mmask8>(where), sum.low, a.low);
    sum.high = _mm512_mask_add_pd(sum.high, static_cast<__mmask8>(where >> 8), sum.high, a.high);
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

}  // namespace simd
}  // namespace
