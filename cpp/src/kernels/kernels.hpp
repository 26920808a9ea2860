#pragma once

// The loops over pixels that everything spends its time in, compiled once for each instruction set and chosen when the
// library is first used. All of them do the same arithmetic in the same order, so the numbers do not depend on which
// one runs.
//
// Whatever is called `packed` is contiguous, finite and holds good pixels only. Outputs that pixels are packed into
// need room for `slack` more values than they are given, which are overwritten by anything.

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace evensky::detail {

inline constexpr std::ptrdiff_t slack = 16;

// One row of a plane of pixels and of its mask; without a mask (null) all pixels are unmasked.
struct PixelRow {
    float const* values = nullptr;
    std::int32_t const* mask = nullptr;
    std::int32_t badBits = 0;
    // So many pixels further on is what will be read next; 0 where that is simply what follows.
    std::ptrdiff_t valuesAhead = 0;
    std::ptrdiff_t maskAhead = 0;
};

// Memory that will be read next: some rows of some planes. A kernel that works in cache asks for it line by line in
// passing, so that memory is not idle meanwhile.
struct Ahead {
    static constexpr std::size_t maxPlanes = 4;
    static constexpr std::ptrdiff_t lineBytes = 64;
    // Addresses where the row begins, in each plane; 0 where there are fewer. Numbers, as they may lead beyond a plane.
    std::array<std::uintptr_t, maxPlanes> at{};
    std::array<std::ptrdiff_t, maxPlanes> step{};  // bytes from row to row
    std::ptrdiff_t width = 0;                      // bytes of a row
    std::ptrdiff_t rows = 0;                       // that are left
    std::ptrdiff_t done = 0;                       // bytes of this row that were asked for
};

// Sums of deviations from a centre, over the pixels that are asked for.
struct Deviations {
    std::int64_t count = 0;
    double first = 0.0;   // sum of x - centre
    double second = 0.0;  // sum of (x - centre)^2
    float min = 0.0F;     // of those pixels; meaningless where there are none
    float max = 0.0F;
};

// What one look at packed pixels is to find out. Ranges are inclusive.
struct ScanPlan {
    static constexpr std::size_t maxRanges = 8;
    // The first `ranges` of them are used: order statistics are looked for in so many ranges. The others hold nothing.
    std::size_t ranges = 0;
    std::array<double, maxRanges> fractions{};  // which order statistic is in which range
    std::array<float, maxRanges> low = filled(std::numeric_limits<float>::infinity());  // pixels below are counted
    std::array<float, maxRanges> high =
            filled(-std::numeric_limits<float>::infinity());  // pixels inside are kept where
                                                              // low < high, else counted
    bool clip = false;                                        // clipping: the core is summed, the fringe kept
    float coreLow = 0.0F, coreHigh = 0.0F;                    // inside the window of every round
    float outerLow = 0.0F, outerHigh = 0.0F;                  // what is outside is outside every round's window
    double centre = 0.0;                                      // deviations of the core count from there

private:
    static constexpr std::array<float, maxRanges> filled(float value) noexcept {
        std::array<float, maxRanges> result{};
        for (auto& element : result) element = value;
        return result;
    }
};

struct ScanResult {
    std::array<std::int64_t, ScanPlan::maxRanges> below{};
    // In each range; 0 where all ranges are wide: those that were kept can be counted later.
    std::array<std::int64_t, ScanPlan::maxRanges> inside{};
    std::ptrdiff_t candidates = 0;  // kept, of all ranges
    std::ptrdiff_t fringe = 0;      // outside the core and not outside everything
    Deviations core;
};

// Splines that are made side by side.
inline constexpr std::ptrdiff_t splines = 8;

struct Kernels {
    char const* name;

    // Pack the good pixels of a row (unmasked and, where nanSafe, finite); OR their masks into *orMask unless null.
    std::ptrdiff_t (*pack)(PixelRow row, bool nanSafe, std::ptrdiff_t n, float* out, std::int32_t* orMask);
    // The same of the difference and of the sum of two rows: good where neither mask is bad and the result is finite.
    std::ptrdiff_t (*packDifference)(PixelRow a, PixelRow b, std::ptrdiff_t n, float* out);
    std::ptrdiff_t (*packSum)(PixelRow a, PixelRow b, std::ptrdiff_t n, float* out);
    // matched = science + model; the good pixels of (reference - science) - model are packed.
    std::ptrdiff_t (*match)(PixelRow reference, PixelRow science, float const* model, std::ptrdiff_t n, float* matched,
                            float* residuals);

    // Deviations of packed pixels from `centre`: of all (min and max are not looked for), and of those within.
    Deviations (*deviations)(float const* packed, std::ptrdiff_t n, double centre, Ahead& ahead);
    Deviations (*deviationsWithin)(float const* packed, std::ptrdiff_t n, double centre, double halfWidth);
    // min and max of packed pixels, n > 0
    void (*extremes)(float const* packed, std::ptrdiff_t n, float* min, float* max);
    // `candidates` and `fringe` have room for n + slack values each, where the plan asks for them.
    ScanResult (*scan)(float const* packed, std::ptrdiff_t n, ScanPlan const& plan, float* candidates, float* fringe,
                       Ahead& ahead);
    // Pack those in [low, high], count those below.
    std::ptrdiff_t (*collect)(float const* packed, std::ptrdiff_t n, float low, float high, float* out,
                              std::int64_t* below);
    // The value at a rank of a few values, and the one at the next rank, if there is one, else the same.
    float (*select)(float const* values, std::ptrdiff_t n, std::ptrdiff_t rank, float* next);
    // Lower *low to the largest value not above it, and raise *high to the smallest not below it, where there are such.
    void (*enclose)(float const* packed, std::ptrdiff_t n, float* low, float* high);
    // Sort each of sixteen columns of sixteen values.
    void (*sortColumns)(float* values);

    // Cubics y + d (b + d (c + d e)) at d = d0, d0 + 1, ..., one for each row of `out`, `rows` <= splines. Their
    // coefficients stand side by side, b, c and e one after the other, as akima leaves them.
    void (*cubics)(double const* y, double const* bce, std::ptrdiff_t rows, double d0, std::ptrdiff_t n, float* out,
                   std::ptrdiff_t stride);
    // Akima splines (1970) through the same n >= 5 knots for `splines` sets of values, which stand side by side. For
    // each of the n + 1 segments, the first and the last being what lies before and behind the knots, b, c and e of
    // each spline: coefficients[(segment * 3 + which) * splines + spline].
    void (*akima)(double const* knots, double const* values, std::ptrdiff_t n, double* coefficients);
    // In each of some rows, sum over p of series[row * terms + p] * basis[p][x], basis holding rows of `stride` values.
    void (*series)(double const* series, std::ptrdiff_t rows, double const* basis, std::ptrdiff_t stride,
                   std::ptrdiff_t terms, std::ptrdiff_t n, float* out, std::ptrdiff_t outStride);
};

// The best that this machine runs, or what the environment variable EVENSKY_SIMD names, if the machine runs it.
Kernels const& kernels() noexcept;

}  // namespace evensky::detail
