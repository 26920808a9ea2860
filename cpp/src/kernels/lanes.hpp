// Vectors of columns: each lane holds one column, and lanes never meet, so results do not depend on their number. It is
// included by columns.hpp.

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace evensky::detail {
namespace {
namespace columns {

#if defined(__AVX512F__)
constexpr int bytes = 64;
#elif defined(__AVX2__)
constexpr int bytes = 32;
#else
constexpr int bytes = 16;
#endif

typedef float Floats __attribute__((vector_size(bytes)));
typedef std::int32_t Ints __attribute__((vector_size(bytes)));
typedef double Doubles __attribute__((vector_size(bytes)));
typedef std::int64_t Longs __attribute__((vector_size(bytes)));
typedef float HalfFloats __attribute__((vector_size(bytes / 2)));
typedef std::int32_t HalfInts __attribute__((vector_size(bytes / 2)));

// Vectors of the pixels of T and of as many whole numbers. Arithmetic is done in double precision, in `parts` vectors
// of `half` lanes.
constexpr int half = bytes / 8;
template <typename T>
struct Lanes;
template <>
struct Lanes<float> {
    using Values = Floats;
    using Counts = Ints;
    using Singles = Floats;  // as many float32
    static constexpr int count = 2 * half, parts = 2;
    static constexpr float largest = 3.402823466e+38F;
    static constexpr float infinity = __builtin_inff();
    static constexpr float nan = __builtin_nanf("");
};
template <>
struct Lanes<double> {
    using Values = Doubles;
    using Counts = HalfInts;
    using Singles = HalfFloats;
    static constexpr int count = half, parts = 1;
    static constexpr double largest = 1.7976931348623157e+308;
    static constexpr double infinity = __builtin_inf();
    static constexpr double nan = __builtin_nan("");
};
constexpr double infinity = __builtin_inf();
constexpr double nan = __builtin_nan("");

#define EVENSKY_INLINE inline __attribute__((always_inline))

template <typename Vector, typename T>
EVENSKY_INLINE Vector load(T const* p) {
    Vector result;
    __builtin_memcpy(&result, p, sizeof result);
    return result;
}
template <typename T, typename Vector>
EVENSKY_INLINE void store(T* p, Vector const& vector) {
    __builtin_memcpy(p, &vector, sizeof vector);
}
// Load the first `count` lanes; the others have `rest`.
template <typename Vector, typename T>
EVENSKY_INLINE Vector loadPart(T const* p, std::ptrdiff_t count, T rest) {
    constexpr auto lanes = static_cast<std::ptrdiff_t>(sizeof(Vector) / sizeof(T));
    if (count >= lanes) return load<Vector>(p);
    T part[lanes];
    for (std::ptrdiff_t i = 0; i < lanes; ++i) part[i] = i < count ? p[i] : rest;
    return load<Vector>(part);
}
// Store the first `count` lanes.
template <typename T, typename Vector>
EVENSKY_INLINE void storePart(T* p, Vector const& vector, std::ptrdiff_t count) {
    constexpr auto lanes = static_cast<std::ptrdiff_t>(sizeof(Vector) / sizeof(T));
    if (count >= lanes) {
        store(p, vector);
        return;
    }
    T part[lanes];
    store(part, vector);
    for (std::ptrdiff_t i = 0; i < count; ++i) p[i] = part[i];
}

EVENSKY_INLINE Doubles fill(double value) { return Doubles{} + value; }
// Return one of the two halves of a vector, or make a vector of two halves. (Halves that go through memory stall.)
#if defined(__AVX512F__)
EVENSKY_INLINE HalfFloats halfOf(Floats a, int which) {
    return which == 0 ? _mm512_castps512_ps256(a) : _mm512_extractf32x8_ps(a, 1);
}
EVENSKY_INLINE Floats join(HalfFloats low, HalfFloats high) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
}
#elif defined(__AVX2__)
EVENSKY_INLINE HalfFloats halfOf(Floats a, int which) {
    return which == 0 ? _mm256_castps256_ps128(a) : _mm256_extractf128_ps(a, 1);
}
EVENSKY_INLINE Floats join(HalfFloats low, HalfFloats high) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(low), high, 1);
}
#else
EVENSKY_INLINE HalfFloats halfOf(Floats a, int which) {
    HalfFloats result;
    __builtin_memcpy(&result, reinterpret_cast<char const*>(&a) + which * (bytes / 2), sizeof result);
    return result;
}
EVENSKY_INLINE Floats join(HalfFloats low, HalfFloats high) { return Floats{low[0], low[1], high[0], high[1]}; }
#endif
EVENSKY_INLINE HalfInts halfOf(Ints a, int which) {
    return reinterpret_cast<HalfInts>(halfOf(reinterpret_cast<Floats>(a), which));
}
EVENSKY_INLINE Ints join(HalfInts low, HalfInts high) {
    return reinterpret_cast<Ints>(join(reinterpret_cast<HalfFloats>(low), reinterpret_cast<HalfFloats>(high)));
}
EVENSKY_INLINE Ints join(HalfInts const (&parts)[2]) { return join(parts[0], parts[1]); }
EVENSKY_INLINE HalfInts join(HalfInts const (&parts)[1]) { return parts[0]; }
EVENSKY_INLINE Floats join(HalfFloats const (&parts)[2]) { return join(parts[0], parts[1]); }
EVENSKY_INLINE HalfFloats join(HalfFloats const (&parts)[1]) { return parts[0]; }
EVENSKY_INLINE HalfInts partOf(Ints a, int which) { return halfOf(a, which); }
EVENSKY_INLINE HalfInts partOf(HalfInts a, int) { return a; }
EVENSKY_INLINE Doubles widen(HalfFloats a) {
#if defined(__AVX512F__)
    return _mm512_cvtps_pd(a);
#elif defined(__AVX2__)
    return _mm256_cvtps_pd(a);
#else
    return __builtin_convertvector(a, Doubles);
#endif
}
EVENSKY_INLINE Doubles widen(HalfInts a) {
#if defined(__AVX512F__)
    return _mm512_cvtepi32_pd(reinterpret_cast<__m256i>(a));
#elif defined(__AVX2__)
    return _mm256_cvtepi32_pd(reinterpret_cast<__m128i>(a));
#else
    return __builtin_convertvector(a, Doubles);
#endif
}
EVENSKY_INLINE Doubles widen(Floats a, int which) { return widen(halfOf(a, which)); }
EVENSKY_INLINE Doubles widen(HalfFloats a, int) { return widen(a); }
EVENSKY_INLINE Doubles widen(Doubles a, int) { return a; }
EVENSKY_INLINE HalfFloats narrowed(Doubles a) {
#if defined(__AVX512F__)
    return _mm512_cvtpd_ps(a);
#elif defined(__AVX2__)
    return _mm256_cvtpd_ps(a);
#else
    return __builtin_convertvector(a, HalfFloats);
#endif
}
EVENSKY_INLINE HalfInts narrowed(Longs a) {
#if defined(__AVX512F__)
    return reinterpret_cast<HalfInts>(_mm512_cvtepi64_epi32(reinterpret_cast<__m512i>(a)));
#elif defined(__AVX2__)
    auto const bits = reinterpret_cast<__m256>(a);
    return reinterpret_cast<HalfInts>(
            _mm_shuffle_ps(_mm256_castps256_ps128(bits), _mm256_extractf128_ps(bits, 1), 0x88));
#else
    return __builtin_convertvector(a, HalfInts);
#endif
}
EVENSKY_INLINE HalfInts truncated(Doubles a) {
#if defined(__AVX512F__)
    return reinterpret_cast<HalfInts>(_mm512_cvttpd_epi32(a));
#elif defined(__AVX2__)
    return reinterpret_cast<HalfInts>(_mm256_cvttpd_epi32(a));
#else
    return __builtin_convertvector(a, HalfInts);
#endif
}
// Return the numbers of a table at some places.
EVENSKY_INLINE Doubles lookUp(double const* table, HalfInts at) {
#if defined(__AVX512F__)
    return _mm512_mask_i32gather_pd(Doubles{}, __mmask8{0xff}, reinterpret_cast<__m256i>(at), table, 8);
#elif defined(__AVX2__)
    auto const all = reinterpret_cast<__m256d>(Longs{} - 1);
    return _mm256_mask_i32gather_pd(Doubles{}, table, reinterpret_cast<__m128i>(at), all, 8);
#else
    Doubles result;
    for (int k = 0; k < half; ++k) result[k] = table[at[k]];
    return result;
#endif
}
EVENSKY_INLINE Doubles rootOf(Doubles a) {
#if defined(__AVX512F__)
    return _mm512_sqrt_pd(a);
#elif defined(__AVX2__)
    return _mm256_sqrt_pd(a);
#else
    Doubles result;
    for (int k = 0; k < half; ++k) result[k] = __builtin_sqrt(a[k]);
    return result;
#endif
}

// Return the smaller or the larger of two values; that is b if either is NaN. Compilers do not recognise these in
// comparisons of vectors.
#if defined(__AVX512F__)
EVENSKY_INLINE Floats smaller(Floats a, Floats b) { return _mm512_min_ps(a, b); }
EVENSKY_INLINE Floats larger(Floats a, Floats b) { return _mm512_max_ps(a, b); }
EVENSKY_INLINE Doubles smaller(Doubles a, Doubles b) { return _mm512_min_pd(a, b); }
EVENSKY_INLINE Doubles larger(Doubles a, Doubles b) { return _mm512_max_pd(a, b); }
#elif defined(__AVX2__)
EVENSKY_INLINE Floats smaller(Floats a, Floats b) { return _mm256_min_ps(a, b); }
EVENSKY_INLINE Floats larger(Floats a, Floats b) { return _mm256_max_ps(a, b); }
EVENSKY_INLINE Doubles smaller(Doubles a, Doubles b) { return _mm256_min_pd(a, b); }
EVENSKY_INLINE Doubles larger(Doubles a, Doubles b) { return _mm256_max_pd(a, b); }
#else
EVENSKY_INLINE Floats smaller(Floats a, Floats b) { return a < b ? a : b; }
EVENSKY_INLINE Floats larger(Floats a, Floats b) { return a > b ? a : b; }
EVENSKY_INLINE Doubles smaller(Doubles a, Doubles b) { return a < b ? a : b; }
EVENSKY_INLINE Doubles larger(Doubles a, Doubles b) { return a > b ? a : b; }
#endif
#if defined(__AVX512F__) || !defined(__AVX2__)
EVENSKY_INLINE HalfFloats smaller(HalfFloats a, HalfFloats b) { return a < b ? a : b; }
EVENSKY_INLINE HalfFloats larger(HalfFloats a, HalfFloats b) { return a > b ? a : b; }
#else
EVENSKY_INLINE HalfFloats smaller(HalfFloats a, HalfFloats b) { return _mm_min_ps(a, b); }
EVENSKY_INLINE HalfFloats larger(HalfFloats a, HalfFloats b) { return _mm_max_ps(a, b); }
#endif

// Return values without their signs.
EVENSKY_INLINE Floats magnitude(Floats a) { return reinterpret_cast<Floats>(reinterpret_cast<Ints>(a) & 0x7fffffff); }
EVENSKY_INLINE Doubles magnitude(Doubles a) {
    return reinterpret_cast<Doubles>(reinterpret_cast<Longs>(a) & 0x7fffffffffffffff);
}

// Return the smallest or the largest lane. (Lanes that go through memory stall.)
#if defined(__AVX2__)
EVENSKY_INLINE std::int32_t leastOf(__m128i a) {
    a = _mm_min_epi32(a, _mm_shuffle_epi32(a, 0x4e));
    return _mm_cvtsi128_si32(_mm_min_epi32(a, _mm_shuffle_epi32(a, 0xb1)));
}
EVENSKY_INLINE std::int32_t mostOf(__m128i a) {
    a = _mm_max_epi32(a, _mm_shuffle_epi32(a, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(a, _mm_shuffle_epi32(a, 0xb1)));
}
EVENSKY_INLINE std::int32_t leastOf(__m256i a) {
    return leastOf(_mm_min_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1)));
}
EVENSKY_INLINE std::int32_t mostOf(__m256i a) {
    return mostOf(_mm_max_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1)));
}
#if defined(__AVX512F__)
EVENSKY_INLINE std::int32_t leastOf(__m512i a) {
    return leastOf(_mm256_min_epi32(_mm512_castsi512_si256(a), _mm512_extracti32x8_epi32(a, 1)));
}
EVENSKY_INLINE std::int32_t mostOf(__m512i a) {
    return mostOf(_mm256_max_epi32(_mm512_castsi512_si256(a), _mm512_extracti32x8_epi32(a, 1)));
}
EVENSKY_INLINE std::int32_t leastOf(Ints a) { return leastOf(reinterpret_cast<__m512i>(a)); }
EVENSKY_INLINE std::int32_t mostOf(Ints a) { return mostOf(reinterpret_cast<__m512i>(a)); }
EVENSKY_INLINE std::int32_t leastOf(HalfInts a) { return leastOf(reinterpret_cast<__m256i>(a)); }
EVENSKY_INLINE std::int32_t mostOf(HalfInts a) { return mostOf(reinterpret_cast<__m256i>(a)); }
#else
EVENSKY_INLINE std::int32_t leastOf(Ints a) { return leastOf(reinterpret_cast<__m256i>(a)); }
EVENSKY_INLINE std::int32_t mostOf(Ints a) { return mostOf(reinterpret_cast<__m256i>(a)); }
EVENSKY_INLINE std::int32_t leastOf(HalfInts a) { return leastOf(reinterpret_cast<__m128i>(a)); }
EVENSKY_INLINE std::int32_t mostOf(HalfInts a) { return mostOf(reinterpret_cast<__m128i>(a)); }
#endif
#else
template <typename Counts>
EVENSKY_INLINE std::int32_t leastOf(Counts const& a) {
    std::int32_t least = a[0];
    for (int k = 1; k < static_cast<int>(sizeof a / sizeof least); ++k) least = a[k] < least ? a[k] : least;
    return least;
}
template <typename Counts>
EVENSKY_INLINE std::int32_t mostOf(Counts const& a) {
    std::int32_t most = a[0];
    for (int k = 1; k < static_cast<int>(sizeof a / sizeof most); ++k) most = a[k] > most ? a[k] : most;
    return most;
}
#endif

// Lanes of values of T in which something holds. Comparisons never hold for NaN.
template <typename T>
struct Where;

#if defined(__AVX512F__)

template <>
struct Where<float> {
    __mmask16 bits;
};
template <>
struct Where<double> {
    __mmask8 bits;
};
EVENSKY_INLINE Where<float> atLeast(Floats a, Floats b) { return {_mm512_cmp_ps_mask(a, b, _CMP_GE_OQ)}; }
EVENSKY_INLINE Where<float> atMost(Floats a, Floats b) { return {_mm512_cmp_ps_mask(a, b, _CMP_LE_OQ)}; }
EVENSKY_INLINE Where<double> atLeast(Doubles a, Doubles b) { return {_mm512_cmp_pd_mask(a, b, _CMP_GE_OQ)}; }
EVENSKY_INLINE Where<double> atMost(Doubles a, Doubles b) { return {_mm512_cmp_pd_mask(a, b, _CMP_LE_OQ)}; }
EVENSKY_INLINE Where<double> above(Doubles a, Doubles b) { return {_mm512_cmp_pd_mask(a, b, _CMP_GT_OQ)}; }
EVENSKY_INLINE Where<double> equal(Doubles a, Doubles b) { return {_mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ)}; }
EVENSKY_INLINE Where<float> equal(Ints a, Ints b) {
    return {_mm512_cmpeq_epi32_mask(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b))};
}
EVENSKY_INLINE Where<double> equal(HalfInts a, HalfInts b) {
    return {_mm256_cmpeq_epi32_mask(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b))};
}
EVENSKY_INLINE Where<float> noneSet(Ints a, Ints bits) {
    return {_mm512_testn_epi32_mask(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(bits))};
}
EVENSKY_INLINE Where<double> noneSet(HalfInts a, HalfInts bits) {
    return {_mm256_testn_epi32_mask(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(bits))};
}
EVENSKY_INLINE Where<double> positive(HalfFloats a) { return {_mm256_cmp_ps_mask(a, _mm256_setzero_ps(), _CMP_GT_OQ)}; }
EVENSKY_INLINE Where<float> join(Where<double> const (&parts)[2]) {
    return {static_cast<__mmask16>(parts[0].bits | parts[1].bits << 8)};
}
template <typename T>
EVENSKY_INLINE Where<T> both(Where<T> a, Where<T> b) {
    return {static_cast<decltype(a.bits)>(a.bits & b.bits)};
}
template <typename T>
EVENSKY_INLINE Where<T> without(Where<T> a, Where<T> b) {
    return {static_cast<decltype(a.bits)>(a.bits & ~b.bits)};
}
template <typename T>
EVENSKY_INLINE bool everywhere(Where<T> a) {
    return a.bits == static_cast<decltype(a.bits)>(-1);
}
template <typename T>
EVENSKY_INLINE bool anywhere(Where<T> a) {
    return a.bits != 0;
}
EVENSKY_INLINE Floats choose(Where<float> where, Floats a, Floats b) { return _mm512_mask_blend_ps(where.bits, b, a); }
EVENSKY_INLINE Doubles choose(Where<double> where, Doubles a, Doubles b) {
    return _mm512_mask_blend_pd(where.bits, b, a);
}
EVENSKY_INLINE HalfFloats choose(Where<double> where, HalfFloats a, HalfFloats b) {
    return _mm256_mask_blend_ps(where.bits, b, a);
}
EVENSKY_INLINE Ints keep(Ints a, Where<float> where) {
    return reinterpret_cast<Ints>(_mm512_maskz_mov_epi32(where.bits, reinterpret_cast<__m512i>(a)));
}
EVENSKY_INLINE HalfInts keep(HalfInts a, Where<double> where) {
    return reinterpret_cast<HalfInts>(_mm256_maskz_mov_epi32(where.bits, reinterpret_cast<__m256i>(a)));
}
EVENSKY_INLINE Ints countWhere(Ints a, Where<float> where) {
    auto const from = reinterpret_cast<__m512i>(a);
    return reinterpret_cast<Ints>(_mm512_mask_add_epi32(from, where.bits, from, _mm512_set1_epi32(1)));
}
EVENSKY_INLINE HalfInts countWhere(HalfInts a, Where<double> where) {
    auto const from = reinterpret_cast<__m256i>(a);
    return reinterpret_cast<HalfInts>(_mm256_mask_add_epi32(from, where.bits, from, _mm256_set1_epi32(1)));
}
EVENSKY_INLINE Where<double> partOf(Where<float> a, int which) { return {static_cast<__mmask8>(a.bits >> 8 * which)}; }
EVENSKY_INLINE Doubles addWhere(Doubles sum, Where<double> where, Doubles a) {
    return _mm512_mask_add_pd(sum, where.bits, sum, a);
}
// Add deviations to one sum, and their squares to another.
EVENSKY_INLINE void addDeviations(Doubles& first, Doubles& second, Where<double> where, Doubles d) {
    first = addWhere(first, where, d);
    second = addWhere(second, where, d * d);
}

#else

template <>
struct Where<float> {
    Ints bits;
};
template <>
struct Where<double> {
    Longs bits;
};
EVENSKY_INLINE Where<float> atLeast(Floats a, Floats b) { return {a >= b}; }
EVENSKY_INLINE Where<float> atMost(Floats a, Floats b) { return {a <= b}; }
EVENSKY_INLINE Where<double> atLeast(Doubles a, Doubles b) { return {a >= b}; }
EVENSKY_INLINE Where<double> atMost(Doubles a, Doubles b) { return {a <= b}; }
EVENSKY_INLINE Where<double> above(Doubles a, Doubles b) { return {a > b}; }
EVENSKY_INLINE Where<double> equal(Doubles a, Doubles b) { return {a == b}; }
EVENSKY_INLINE Longs widened(HalfInts a) {
#if defined(__AVX2__)
    return reinterpret_cast<Longs>(_mm256_cvtepi32_epi64(reinterpret_cast<__m128i>(a)));
#else
    return __builtin_convertvector(a, Longs);
#endif
}
EVENSKY_INLINE Where<float> equal(Ints a, Ints b) { return {a == b}; }
EVENSKY_INLINE Where<double> equal(HalfInts a, HalfInts b) { return {widened(a == b)}; }
EVENSKY_INLINE Where<float> noneSet(Ints a, Ints bits) { return {(a & bits) == 0}; }
EVENSKY_INLINE Where<double> noneSet(HalfInts a, HalfInts bits) { return {widened((a & bits) == 0)}; }
EVENSKY_INLINE Where<double> positive(HalfFloats a) { return {widened(a > 0.0F)}; }
EVENSKY_INLINE Where<float> join(Where<double> const (&parts)[2]) {
    return {join(narrowed(parts[0].bits), narrowed(parts[1].bits))};
}
template <typename T>
EVENSKY_INLINE Where<T> both(Where<T> a, Where<T> b) {
    return {a.bits & b.bits};
}
template <typename T>
EVENSKY_INLINE Where<T> without(Where<T> a, Where<T> b) {
    return {a.bits & ~b.bits};
}
template <typename T>
EVENSKY_INLINE bool everywhere(Where<T> a) {
#if defined(__AVX2__)
    return _mm256_movemask_epi8(reinterpret_cast<__m256i>(a.bits)) == -1;
#else
    auto const longs = reinterpret_cast<Longs>(a.bits);
    return (longs[0] & longs[1]) == -1;
#endif
}
template <typename T>
EVENSKY_INLINE bool anywhere(Where<T> a) {
#if defined(__AVX2__)
    return _mm256_movemask_epi8(reinterpret_cast<__m256i>(a.bits)) != 0;
#else
    auto const longs = reinterpret_cast<Longs>(a.bits);
    return (longs[0] | longs[1]) != 0;
#endif
}
EVENSKY_INLINE Floats choose(Where<float> where, Floats a, Floats b) { return where.bits ? a : b; }
EVENSKY_INLINE Doubles choose(Where<double> where, Doubles a, Doubles b) { return where.bits ? a : b; }
EVENSKY_INLINE HalfInts counts(Where<double> where) { return narrowed(where.bits); }
EVENSKY_INLINE HalfFloats choose(Where<double> where, HalfFloats a, HalfFloats b) { return counts(where) ? a : b; }
EVENSKY_INLINE Ints keep(Ints a, Where<float> where) { return a & where.bits; }
EVENSKY_INLINE HalfInts keep(HalfInts a, Where<double> where) { return a & counts(where); }
EVENSKY_INLINE Ints countWhere(Ints a, Where<float> where) { return a - where.bits; }
EVENSKY_INLINE HalfInts countWhere(HalfInts a, Where<double> where) { return a - counts(where); }
EVENSKY_INLINE Where<double> partOf(Where<float> a, int which) { return {widened(halfOf(a.bits, which))}; }
EVENSKY_INLINE Doubles addWhere(Doubles sum, Where<double> where, Doubles a) {
    return sum + reinterpret_cast<Doubles>(reinterpret_cast<Longs>(a) & where.bits);
}
// Add deviations to one sum, and their squares to another.
EVENSKY_INLINE void addDeviations(Doubles& first, Doubles& second, Where<double> where, Doubles d) {
    Doubles const kept = reinterpret_cast<Doubles>(reinterpret_cast<Longs>(d) & where.bits);
    first += kept;
    second += kept * kept;
}

#endif

EVENSKY_INLINE Where<double> partOf(Where<double> a, int) { return a; }
// Return float32 where something holds, and 0 elsewhere.
EVENSKY_INLINE Floats keep(Floats a, Where<float> where) {
    return reinterpret_cast<Floats>(keep(reinterpret_cast<Ints>(a), where));
}
EVENSKY_INLINE HalfFloats keep(HalfFloats a, Where<double> where) {
    return reinterpret_cast<HalfFloats>(keep(reinterpret_cast<HalfInts>(a), where));
}
EVENSKY_INLINE bool allOf(Where<double> const (&parts)[1]) { return everywhere(parts[0]); }
EVENSKY_INLINE bool allOf(Where<double> const (&parts)[2]) { return everywhere(both(parts[0], parts[1])); }

// Numbers of times that something holds in lanes of Where<double>.
using Tally = Longs;
#if defined(__AVX512F__)
EVENSKY_INLINE Tally tally(Tally before, Where<double> where) {
    auto const from = reinterpret_cast<__m512i>(before);
    return reinterpret_cast<Tally>(_mm512_mask_add_epi64(from, where.bits, from, _mm512_set1_epi64(1)));
}
EVENSKY_INLINE Doubles asDoubles(Tally a) { return _mm512_cvtepi64_pd(reinterpret_cast<__m512i>(a)); }
#else
EVENSKY_INLINE Tally tally(Tally before, Where<double> where) { return before - where.bits; }
// A whole number below 2^52, as the last bits of 2^52 + a.
EVENSKY_INLINE Doubles asDoubles(Tally a) {
    constexpr double base = 4503599627370496.0;
    return reinterpret_cast<Doubles>(a | reinterpret_cast<Longs>(fill(base))) - base;
}
#endif
EVENSKY_INLINE Where<double> join(Where<double> const (&parts)[1]) { return parts[0]; }

// Return numbers of double precision as pixels, rounded up or down.
EVENSKY_INLINE Doubles roundedUp(Doubles const (&a)[1]) { return a[0]; }
EVENSKY_INLINE Floats roundedUp(Doubles const (&a)[2]) {
    auto const low = narrowed(a[0]), high = narrowed(a[1]);
    auto const nearest = join(low, high);
    auto const tooSmall = join(narrowed(Longs(widen(low) < a[0])), narrowed(Longs(widen(high) < a[1])));
    // The bits of a float, read as a whole number, grow with its magnitude.
    auto const pattern = reinterpret_cast<Ints>(nearest);
    Ints const next = pattern - tooSmall * (pattern >= 0 ? Ints{} + 1 : Ints{} - 1);
    return reinterpret_cast<Floats>(next);
}
template <int parts>
EVENSKY_INLINE auto roundedDown(Doubles const (&a)[parts]) {
    Doubles negative[parts];
    for (int h = 0; h < parts; ++h) negative[h] = -a[h];
    return -roundedUp(negative);
}

}  // namespace columns
}  // namespace
}  // namespace evensky::detail
