#pragma once

// Kernels: the loops over pixels that take most of the time. They are compiled once for each instruction set, and one
// set of them is chosen when the library first computes. All do the same arithmetic in the same order, so results do
// not depend on the instruction set.
//
// Inputs named `packed` are contiguous and hold good, finite pixels only. Outputs for packed pixels need memory for
// `slack` more values than are packed, whose contents are undefined afterwards.

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace evensky::detail {

inline constexpr std::ptrdiff_t slack = 16;

// Row of a plane of pixels and of its mask. Pixels with a bit of `badBits` are bad; if the mask is null, none is.
struct PixelRow {
    float const* values = nullptr;
    std::int32_t const* mask = nullptr;
    std::int32_t badBits = 0;
    // Distances in pixels to the rows that will be read next; 0 if they follow in memory.
    std::ptrdiff_t valuesAhead = 0;
    std::ptrdiff_t maskAhead = 0;
};

// Memory that will be read next: some rows of up to four planes. Kernels that work in cache prefetch it line by line,
// so that memory is not idle meanwhile.
struct Ahead {
    static constexpr std::size_t maxPlanes = 4;
    static constexpr std::ptrdiff_t lineBytes = 64;
    // Addresses of the beginning of the row in each plane; 0 for unused planes. They are integers because they may lie
    // outside a plane.
    std::array<std::uintptr_t, maxPlanes> at{};
    std::array<std::ptrdiff_t, maxPlanes> step{};  // bytes from row to row
    std::ptrdiff_t width = 0;                      // bytes of a row
    std::ptrdiff_t rows = 0;                       // rows that remain
    std::ptrdiff_t done = 0;                       // bytes of this row that were prefetched
};

// Sums of the deviations of selected pixels from a centre.
struct Deviations {
    std::int64_t count = 0;
    double first = 0.0;   // sum of x - centre
    double second = 0.0;  // sum of (x - centre)^2
    float min = 0.0F;     // extremes of these pixels; meaningless if there are none
    float max = 0.0F;
};

// Task of a scan of packed pixels. Ranges include their ends.
struct ScanPlan {
    static constexpr std::size_t maxRanges = 8;
    // Number of ranges in which order statistics are searched. The other ranges are empty.
    std::size_t ranges = 0;
    std::array<double, maxRanges> fractions{};  // fraction of the order statistic in each range
    std::array<float, maxRanges> low = filled(std::numeric_limits<float>::infinity());    // pixels below are counted
    std::array<float, maxRanges> high = filled(-std::numeric_limits<float>::infinity());  // pixels inside are stored if
                                                                                          // low < high, else counted
    bool clip = false;                        // clipping: sum the core, and store the fringe
    float coreLow = 0.0F, coreHigh = 0.0F;    // inside the window of every round
    float outerLow = 0.0F, outerHigh = 0.0F;  // pixels beyond are outside the window of every round
    double centre = 0.0;                      // centre of the deviations of the core

private:
    static constexpr std::array<float, maxRanges> filled(float value) noexcept {
        std::array<float, maxRanges> result{};
        for (auto& element : result) element = value;
        return result;
    }
};

struct ScanResult {
    std::array<std::int64_t, ScanPlan::maxRanges> below{};
    // Number of pixels in each range; 0 if all ranges are wide, as stored pixels can be counted later.
    std::array<std::int64_t, ScanPlan::maxRanges> inside{};
    std::ptrdiff_t candidates = 0;  // number of stored pixels of all ranges
    std::ptrdiff_t fringe = 0;      // number of stored pixels of the fringe
    Deviations core;
};

// Number of splines that are evaluated side by side.
inline constexpr std::ptrdiff_t splines = 8;

struct Kernels {
    char const* name;

    // Pack the good pixels of a row (unmasked and, if nanSafe, finite); OR their masks into *orMask unless it is null.
    // Functions that pack return the number of packed pixels.
    std::ptrdiff_t (*pack)(PixelRow row, bool nanSafe, std::ptrdiff_t n, float* out, std::int32_t* orMask);
    // Pack the difference or the sum of two rows; pixels are good if neither mask is bad and the result is finite.
    std::ptrdiff_t (*packDifference)(PixelRow a, PixelRow b, std::ptrdiff_t n, float* out);
    std::ptrdiff_t (*packSum)(PixelRow a, PixelRow b, std::ptrdiff_t n, float* out);
    // Write matched = science + model, and pack the good pixels of (reference - science) - model.
    std::ptrdiff_t (*match)(PixelRow reference, PixelRow science, float const* model, std::ptrdiff_t n, float* matched,
                            float* residuals);

    // Sum deviations from `centre`: of all packed pixels, without min and max, or of those within `halfWidth`.
    Deviations (*deviations)(float const* packed, std::ptrdiff_t n, double centre, Ahead& ahead);
    Deviations (*deviationsWithin)(float const* packed, std::ptrdiff_t n, double centre, double halfWidth);
    // Find the minimum and maximum of packed pixels; n > 0.
    void (*extremes)(float const* packed, std::ptrdiff_t n, float* min, float* max);
    // Scan packed pixels. `candidates` and, if the plan clips, `fringe` need memory for n + slack values each.
    ScanResult (*scan)(float const* packed, std::ptrdiff_t n, ScanPlan const& plan, float* candidates, float* fringe,
                       Ahead& ahead);
    // Pack the pixels in [low, high], and count those below.
    std::ptrdiff_t (*collect)(float const* packed, std::ptrdiff_t n, float low, float high, float* out,
                              std::int64_t* below);
    // Return the value at a rank of a few values; write that at the next rank to *next, or the same if there is none.
    float (*select)(float const* values, std::ptrdiff_t n, std::ptrdiff_t rank, float* next);
    // Lower *low to the largest value not above it, and raise *high to the smallest not below it, if they exist.
    void (*enclose)(float const* packed, std::ptrdiff_t n, float* low, float* high);
    // Sort each of sixteen columns of sixteen values.
    void (*sortColumns)(float* values);

    // Evaluate cubics y + d (b + d (c + d e)) at d = d0, d0 + 1, ..., one for each row of `out`; `rows` <= splines. The
    // coefficients of the splines are side by side, all b first, then c, then e, as akima writes them.
    void (*cubics)(double const* y, double const* bce, std::ptrdiff_t rows, double d0, std::ptrdiff_t n, float* out,
                   std::ptrdiff_t stride);
    // Compute Akima splines (1970) through the same n >= 5 knots for `splines` sets of values, which are side by side.
    // There are n + 1 segments; the first and the last lie before and after the knots. The coefficients b, c and e of
    // each are written to coefficients[(segment * 3 + which) * splines + spline].
    void (*akima)(double const* knots, double const* values, std::ptrdiff_t n, double* coefficients);
    // Compute for each row the sum over p of series[row * terms + p] * basis[p][x]; rows of `basis` are `stride` apart.
    void (*series)(double const* series, std::ptrdiff_t rows, double const* basis, std::ptrdiff_t stride,
                   std::ptrdiff_t terms, std::ptrdiff_t n, float* out, std::ptrdiff_t outStride);
};

// Return the kernels of the best instruction set that the machine supports, or of a lower one that the environment
// variable EVENSKY_SIMD names.
Kernels const& kernels() noexcept;

}  // namespace evensky::detail
