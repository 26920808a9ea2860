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
#include <type_traits>

namespace evensky::detail {

inline constexpr std::ptrdiff_t slack = 16;

// Row of a plane of pixels and of its mask. Pixels with a bit of `badBits` are bad; if the mask is null, none is.
template <typename T>
struct PixelRow {
    T const* values = nullptr;
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
    double min = 0.0;     // extremes of these pixels; meaningless if there are none
    double max = 0.0;
};

// Sums over selected pixels with weights.
struct WeightedDeviations {
    std::int64_t count = 0;       // pixels with a weight
    std::int64_t unweighted = 0;  // pixels without one, which are in none of the sums
    double sumW = 0.0, sumW2 = 0.0;
    double first = 0.0, second = 0.0;      // sums of w (x - centre) and of w (x - centre)^2
    double sumWVar = 0.0, sumW2Var = 0.0;  // sums of w v and of w^2 v; 0 without variances
    double min = 0.0, max = 0.0;           // extremes of the pixels with a weight
    double lightest = 0.0;                 // negative if a weight is, else the least weight or 0
};

// Sums of Tukey's biweight over pixels, with u = (x - centre) inverse and v = max(1 - u^2, 0).
struct BiweightSums {
    double weight = 0.0;  // sum of v^2
    double first = 0.0;   // sum of (x - centre) v^2
    double second = 0.0;  // sum of (x - centre)^2 v^4
    double slope = 0.0;   // sum of v (1 - 5 u^2), which is 5 v^2 - 4 v
};

// Sums over pixels of powers of v = max(1 - u^2, 0), and as BiweightSums has them. The kernel biweightPowers leaves v1
// at 0, which follows from moments; the fifth power of its width2 must be in the range of float64.
struct BiweightPowers {
    double v1 = 0.0, v2 = 0.0, first = 0.0, second = 0.0;
    double mixed = 0.0;  // sum of v^3 (v + mixOf(ratio)) for the ratio of another width
};

// Return what powers of v are mixed with for a width that is larger by the root of `ratio`. (Inlined, as each
// instruction set needs its own.)
inline __attribute__((always_inline)) double mixOf(double ratio) noexcept { return 1.5 * (ratio - 1.0) - 1.0; }

// Return the sums of the biweight of that width.
inline __attribute__((always_inline)) BiweightSums biweightOf(BiweightPowers const& sums) noexcept {
    return {sums.v2, sums.first, sums.second, 5.0 * sums.v2 - 4.0 * sums.v1};
}

// Return the sums of the biweight of a width that is larger by the root of `ratio`, given the square of the width and
// the number n of pixels, all of which have |u| < 1. Its v is (v + ratio - 1) / ratio, and u^2 is 1 - v; sums of d v^2
// do not follow, so that `first` is NaN. (Inlined, as each instruction set needs its own.)
inline __attribute__((always_inline)) BiweightSums widerBiweight(BiweightPowers const& sums, double n, double width2,
                                                                 double ratio) noexcept {
    double const more = ratio - 1.0, ratio2 = ratio * ratio;
    double const weight = (sums.v2 + more * (2.0 * sums.v1 + n * more)) / ratio2;
    double const other = more * (n - sums.v1) + 4.0 * (sums.v1 - sums.v2);
    // This is 4 (v^3 - v^4) + more (6 (v^2 - v^3) + more other).
    double const terms = more * (6.0 * sums.v2 + more * other) - 4.0 * sums.mixed;
    double const second = sums.second + width2 * more * terms;
    return {weight, std::numeric_limits<double>::quiet_NaN(), second / (ratio2 * ratio2),
            5.0 * weight - 4.0 * (sums.v1 + n * more) / ratio};
}

// Pixels in a range, those among them below and above a value, and the nearest ones to it on either side; infinities if
// there are none.
template <typename T>
struct Neighbours {
    std::int64_t number = 0, below = 0, above = 0;
    T lower = -std::numeric_limits<T>::infinity(), higher = std::numeric_limits<T>::infinity();
};

// Return the median of grouped data, given the median: pixels that equal it are spread evenly between the middles to
// the next lower and the next higher value. (Inlined, as each instruction set needs its own.)
inline __attribute__((always_inline)) double medianOfGroups(Neighbours<double> const& found, double median) noexcept {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    auto const equal = found.number - found.below - found.above;
    if (equal == 0) return median;  // it lies between two values
    double const low = found.lower == -infinity ? median : 0.5 * (found.lower + median);
    double const high = found.higher == infinity ? median : 0.5 * (median + found.higher);
    double const part =
            (0.5 * static_cast<double>(found.number) - static_cast<double>(found.below)) / static_cast<double>(equal);
    return low + part * (high - low);
}

// Weight of a pixel that cannot be weighted because its variance is not > 0. Only order statistics, which are never
// weighted, use such a pixel.
inline constexpr double noWeight = -std::numeric_limits<double>::infinity();

// Return the width of a clipping window on one side, of one or more scatters. One of infinite sigma has no end, even if
// the scatter is 0 or not known. (Inlined, as each instruction set needs its own.)
template <typename Values>
inline __attribute__((always_inline)) Values clipWidth(double sigma, Values const& scatter) noexcept {
    return sigma == std::numeric_limits<double>::infinity() ? Values{} + sigma : sigma * scatter;
}

// Format of the numbers of a plane in memory, in the order of the core's readers.
inline constexpr std::size_t numFormats = 8;

// Planes of floats, such as variances, that are packed with the pixels.
struct Companions {
    static constexpr std::size_t most = 2;
    std::array<float const*, most> rows{};  // null if unused
    std::array<float*, most> packed{};
    bool positive = false;  // the OR of the masks is that of pixels whose first companion is > 0
};

// Task of a scan of packed pixels. Ranges include their ends.
template <typename T>
struct ScanPlanOf {
    static constexpr std::size_t maxRanges = 8;
    // Number of ranges in which order statistics are searched. The other ranges are empty.
    std::size_t ranges = 0;
    std::array<double, maxRanges> fractions{};  // fraction of the order statistic in each range
    std::array<T, maxRanges> low = filled(std::numeric_limits<T>::infinity());    // pixels below are counted
    std::array<T, maxRanges> high = filled(-std::numeric_limits<T>::infinity());  // pixels inside are stored if
                                                                                  // low < high, else counted
    bool clip = false;              // clipping: sum the core, and store the fringe
    T coreLow = 0, coreHigh = 0;    // inside the window of every round
    T outerLow = 0, outerHigh = 0;  // pixels beyond are outside the window of every round
    double centre = 0.0;            // centre of the deviations of the core

private:
    static constexpr std::array<T, maxRanges> filled(T value) noexcept {
        std::array<T, maxRanges> result{};
        for (auto& element : result) element = value;
        return result;
    }
};
using ScanPlan = ScanPlanOf<float>;

struct ScanResult {
    std::array<std::int64_t, ScanPlan::maxRanges> below{};
    // Number of pixels in each range; 0 if all ranges are wide, as stored pixels can be counted later.
    std::array<std::int64_t, ScanPlan::maxRanges> inside{};
    std::ptrdiff_t candidates = 0;  // number of stored pixels of all ranges
    std::ptrdiff_t fringe = 0;      // number of stored pixels of the fringe
    Deviations core;                // without extremes unless coreExtremes<T>
};

// Whether a scan finds the extremes of the core. Those of floats are needed only if all may be equal, as their squares
// never leave the range of float64.
template <typename T>
inline constexpr bool coreExtremes = std::is_same_v<T, double>;

// How the pixels of a column are clipped.
enum class Clipping {
    NONE,
    QUARTILES,  // about the median by the quartiles, then about the mean by the standard deviation of the last round;
                // each round looks at all good pixels
    LEFT        // each round looks at the pixels that the last one has left, for the task's centre and scatter; the
                // last window holds for all good pixels
};
enum class ColumnCentre { MEDIAN, MEAN };
enum class ColumnScatter { STDEV, MAD };
// What is computed of the pixels that clipping leaves, and the square of its error.
enum class ColumnValue { MEAN, MEDIAN, VARIANCE, STDEV };
enum class ColumnError {
    NONE,
    SAMPLE,     // from the scatter of the pixels
    VARIANCES,  // from their variances: sum of w^2 v / (sum of w)^2
    MOSAIC,     // sum of w v / sum of w
    MEDIAN      // that of an unweighted mean from the variances, times pi/2 from three pixels on
};

// Statistics of the columns of a stack: the pixels at one position of its images. A row is a pointer to the first of
// the columns. T is float or double.
template <typename T>
struct ColumnsTask {
    static constexpr std::ptrdiff_t maxLanes = 16;  // largest number of columns that are computed side by side

    std::ptrdiff_t n = 0;                        // number of images
    T const* const* values = nullptr;            // row of each image
    std::int32_t const* const* masks = nullptr;  // row of each mask; null, or null for an image, if there is none
    float const* const* variances = nullptr;     // row of each plane of variances, or null
    std::int32_t const* badBits = nullptr;       // bits that reject pixels, for each image

    double const* imageWeights = nullptr;  // weight of each image, or null
    bool weightsFromVariance = false;      // weights are 1 / variance; pixels without a positive one do not count
    bool negativeWeights = false;          // some weight is below 0
    double const* times = nullptr;         // what `time` sums, for each image, or null
    bool orderAll = false;  // the median and the quartiles count pixels that are left out for their weight

    Clipping clipping = Clipping::NONE;
    ColumnCentre centre = ColumnCentre::MEDIAN;    // for Clipping::LEFT
    ColumnScatter scatter = ColumnScatter::STDEV;  // for Clipping::LEFT
    double sigmaLow = 0.0, sigmaHigh = 0.0;
    double rangeToStdev = 0.0;  // standard deviation in units of the interquartile range
    double leastHalfWidth = 0.0;
    int rounds = 0;

    ColumnValue value = ColumnValue::MEAN;
    ColumnError error = ColumnError::NONE;
    double const* varianceFactors = nullptr;  // factors of `variance` for 0 to n good pixels, or null
    // For 0 to n good pixels, or null: what softens the harmonic mean that takes the place of the mean of variances
    // which differ. There must be no weights.
    double const* varianceSoftening = nullptr;

    // Rows of results; those that are null are not wanted.
    T* image = nullptr;
    // Mean, median and standard deviation, with divisor n - ddof, of the n pixels that Clipping::LEFT leaves; all three
    // or none.
    double* leftMean = nullptr;
    double* leftMedian = nullptr;
    double* leftStdev = nullptr;
    double ddof = 0.0;
    float* variance = nullptr;
    std::int32_t* mask = nullptr;
    std::int32_t* number = nullptr;    // pixels that clipping has left
    std::int32_t* rejected = nullptr;  // good pixels that it has rejected
    float* weight = nullptr;           // sum of weights
    float* time = nullptr;             // sum of `times` of the pixels that clipping has left
    // Bits of the mask of the result: the OR of the masks of the pixels, of those left or of all good ones.
    bool orMasks = false, orOfAllGood = false;
    std::int32_t noGoodBits = 0;            // for columns without good pixels
    std::int32_t clippedBits = 0;           // for columns with rejected pixels
    std::int32_t const* mapFrom = nullptr;  // where a pixel is not good and some mask, good or not, has one of these
    std::int32_t const* mapTo = nullptr;    // bits, set those
    std::ptrdiff_t maps = 0;
    // Room for maxLanes numbers for each image. Counts of good pixels are added to them; and, if there is clipping,
    // counts of those that it has left.
    std::int32_t* good = nullptr;
    std::int32_t* used = nullptr;

    // Working memory of scratchFor(n) bytes, aligned as double.
    void* scratch = nullptr;
    static constexpr std::size_t scratchFor(std::size_t n) {
        return n * maxLanes * (2 * sizeof(T) + 2 * sizeof(double));
    }
    // Memory for copies of some columns of all images, of blocksFor(n) bytes, aligned as a line of the cache.
    void* blocks = nullptr;
    static constexpr std::ptrdiff_t pieceBytes = 128;  // that are copied at once
    static constexpr std::ptrdiff_t piecesAhead = 16;  // that are fetched before they are copied
    static constexpr std::ptrdiff_t mostColumns = 64;
    // Return the number of columns in a block, which are whole pieces: its pixels stay in the second cache level.
    static constexpr std::ptrdiff_t blockFor(std::ptrdiff_t n) { return n <= 128 ? mostColumns : 32; }
    static constexpr std::size_t blocksFor(std::size_t n) {
        auto const bytes = n * static_cast<std::size_t>(blockFor(static_cast<std::ptrdiff_t>(n))) *
                           (sizeof(T) + 2 * sizeof(float));
        return 2 * bytes + 2 * sizeof(void*) * (bytes / pieceBytes + piecesAhead);
    }
};

// Task of statistics of small bins side by side. Bin k's good, finite pixels are at packed[k]; there must be memory for
// `slack` more values behind them.
struct BinsTask {
    static constexpr std::ptrdiff_t maxBins = 16;
    static constexpr int mostRounds = 32;  // largest number of rounds of clipping

    std::array<float const*, maxBins> packed{};
    std::array<std::int32_t, maxBins> counts{};  // pixels of each bin
    std::ptrdiff_t bins = 0;                     // number of bins

    double const* fractions = nullptr;  // of the quantiles that are wanted
    std::size_t numFractions = 0;
    bool moments = false;                    // whether the moments of all pixels are wanted
    bool clip = false;                       // whether those of the pixels that survive clipping are
    std::array<std::size_t, 3> quartiles{};  // places of the quartiles and the median among the fractions, if `clip`
    double widthOfRange = 0.0;               // half width of the first window in units of the interquartile range
    double nsigma = 0.0;
    double leastHalfWidth = 0.0;
    int rounds = 0;
    // Whether, of the pixels that survive clipping, the median is wanted, and the median of their distances from it.
    bool keptMedian = false, keptDeviation = false;
    bool grouped = false;  // whether this median is that of grouped data
    // Widths of sums of the biweight over these pixels about their median, in units of this distance; 0 for no sums.
    std::array<double, 2> biweightWidths{};

    // Working memory of scratchFor(n) bytes, where n is the largest number of pixels of a bin.
    void* scratch = nullptr;
    static constexpr std::size_t scratchFor(std::size_t n) { return n * maxBins * 2 * sizeof(float); }
};

// Moments of the pixels of bins; meaningless if there are none.
struct BinMoments {
    double n[BinsTask::maxBins], sum[BinsTask::maxBins], mean[BinsTask::maxBins];
    double scatter2[BinsTask::maxBins];  // sum of the squared deviations from the mean
};

struct BinsResult {
    double quantiles[ScanPlan::maxRanges][BinsTask::maxBins];  // NaN without pixels
    BinMoments all, clipped;
    // Of the pixels that survive clipping, as far as they are wanted.
    double keptMedian[BinsTask::maxBins], keptDeviation[BinsTask::maxBins];
    BiweightSums biweight[2][BinsTask::maxBins];
    // Whether clipping came to its end within mostRounds, and what is wanted of the survivors was found.
    bool ended[BinsTask::maxBins];
};

// The positive finite floats among others: their number and, if there are any, the extremes.
struct PositiveFloats {
    std::int64_t count = 0;
    float least = std::numeric_limits<float>::infinity(), greatest = 0.0F;
};

// Sums over the finite pixels of a cell and, unless the window holds everything, over those from low to high among
// them, of every fourth column.
struct CellSums {
    static constexpr std::size_t lanes = 4;
    double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
    bool everything = true;
    double sum[lanes]{}, count[lanes]{}, sumWithin[lanes]{}, countWithin[lanes]{};
};

// Number of splines that are evaluated side by side.
inline constexpr std::ptrdiff_t splines = 8;

// Kernels for pixels of float or double.
template <typename T>
struct PixelKernels {
    // Pack the good pixels of a row (unmasked and, if nanSafe, finite as a float32); OR their masks into *orMask unless
    // it is null. Functions that pack return the number of packed pixels.
    std::ptrdiff_t (*pack)(PixelRow<T> row, bool nanSafe, std::ptrdiff_t n, T* out, std::int32_t* orMask);
    // Pack the good, finite pixels of a row together with those of its companions.
    std::ptrdiff_t (*packWith)(PixelRow<T> row, Companions const& with, std::ptrdiff_t n, T* out, std::int32_t* orMask);
    // Pack the unmasked, finite pixels of a row of bins, which are separated by `edges`; the row begins at edges[0].
    // Bin k's pixels are at out + k * room. Its first packed[k] pixels are kept, and packed[k] becomes the new number.
    void (*packBins)(PixelRow<T> const& row, std::int64_t const* edges, std::ptrdiff_t bins, T* out,
                     std::ptrdiff_t room, std::int32_t* packed);
    // Pack the difference or the sum of two rows; pixels are good if neither mask is bad and the result is finite.
    std::ptrdiff_t (*packDifference)(PixelRow<T> a, PixelRow<T> b, std::ptrdiff_t n, T* out);
    std::ptrdiff_t (*packSum)(PixelRow<T> a, PixelRow<T> b, std::ptrdiff_t n, T* out);
    // Pack the difference, and add the sum of the places of the packed pixels in the row to *places.
    std::ptrdiff_t (*packDifferenceAt)(PixelRow<T> a, PixelRow<T> b, std::ptrdiff_t n, T* out, std::int64_t* places);
    // Write the difference of two rows, or NaN where a mask is bad.
    void (*differences)(PixelRow<T> a, PixelRow<T> b, std::ptrdiff_t n, T* out);
    // Sum n columns of some rows, which are `stride` pixels apart: the pixels in [low, high], their number, and the
    // number of all finite ones. Results are overwritten; they need memory for `slack` more columns.
    void (*sumColumns)(T const* values, std::ptrdiff_t stride, std::ptrdiff_t rows, std::ptrdiff_t n, T low, T high,
                       double* sums, std::int32_t* within, std::int32_t* finite);
    // Write matched = science + model, and pack the good pixels of (reference - science) - model.
    std::ptrdiff_t (*match)(PixelRow<T> reference, PixelRow<T> science, float const* model, std::ptrdiff_t n,
                            T* matched, T* residuals);

    // Add the pixels of a row to neighbouring cells, which are separated by `edges`; the row begins at edges[0].
    void (*addToCells)(T const* values, std::int64_t const* edges, std::ptrdiff_t number, CellSums* cells);
    // Replace the values of a row where it is masked by NaN.
    void (*mark)(PixelRow<T> row, std::ptrdiff_t n, T* values);
    // Sum deviations from `centre`: of all packed pixels, without min and max, or of those within `halfWidth`.
    Deviations (*deviations)(T const* packed, std::ptrdiff_t n, double centre, Ahead& ahead);
    Deviations (*deviationsWithin)(T const* packed, std::ptrdiff_t n, double centre, double halfWidth);
    // Sum deviations of the pixels in [low, high] with weights and with variances, unless these are null.
    WeightedDeviations (*weighted)(T const* packed, double const* weights, float const* variances, std::ptrdiff_t n,
                                   double centre, T low, T high, Ahead& ahead);
    // Sum deviations of all pixels as `weighted` does, with weights that are the floats given or, if `inverse`, what
    // weigh() makes of them.
    WeightedDeviations (*weightedBy)(T const* packed, float const* given, bool inverse, float const* variances,
                                     std::ptrdiff_t n, double centre, Ahead& ahead);
    // Sum the biweight over the packed pixels in [low, high].
    BiweightSums (*biweight)(T const* packed, std::ptrdiff_t n, T low, T high, double centre, double inverse);
    // Sum d v^2, d^2 v^4, v^2 and, if `ratio` is not 0, what a width needs that is larger by its root, over the packed
    // pixels, with d = x - centre and v = max(1 - d^2 / width2, 0).
    BiweightPowers (*biweightPowers)(T const* packed, std::ptrdiff_t n, double centre, double width2, double ratio);
    // Look for the neighbours of a value among the packed pixels in [low, high]: the greatest one up to `below` and the
    // smallest one from `above` on.
    Neighbours<T> (*neighbours)(T const* packed, std::ptrdiff_t n, T low, T high, T below, T above);
    // Find the minimum and maximum of packed pixels; n > 0.
    void (*extremes)(T const* packed, std::ptrdiff_t n, T* min, T* max);
    // Scan packed pixels. `candidates` and, if the plan clips, `fringe` need memory for n + slack values each.
    ScanResult (*scan)(T const* packed, std::ptrdiff_t n, ScanPlanOf<T> const& plan, T* candidates, T* fringe,
                       Ahead& ahead);
    // Pack the pixels of the plan's fringe, with their weights and variances unless these are null.
    std::ptrdiff_t (*fringe)(T const* packed, double const* weights, float const* variances, std::ptrdiff_t n,
                             ScanPlanOf<T> const& plan, T* out, double* outWeights, float* outVariances);
    // Pack the pixels in [low, high], and count those below.
    std::ptrdiff_t (*collect)(T const* packed, std::ptrdiff_t n, T low, T high, T* out, std::int64_t* below);
    // Pack the pixels in each of three ranges in a list with memory for n + slack values; write the sizes of the lists.
    void (*collectThree)(T const* packed, std::ptrdiff_t n, T const* low, T const* high, std::array<T*, 3> const& out,
                         std::ptrdiff_t* sizes);
    // Return the value at a rank of a few values; write that at the next rank to *next, or the same if there is none.
    T (*select)(T const* values, std::ptrdiff_t n, std::ptrdiff_t rank, T* next);
    // Lower *low to the largest value not above it, and raise *high to the smallest not below it, if they exist.
    void (*enclose)(T const* packed, std::ptrdiff_t n, T* low, T* high);
    // Sort each of sixteen columns of sixteen values.
    void (*sortColumns)(T* values);
    // Exchange rows and columns: to[y * toStride + x] = from[x * fromStride + y] for x < width, y < height; strides are
    // in pixels.
    void (*transpose)(T const* from, std::ptrdiff_t fromStride, std::ptrdiff_t width, std::ptrdiff_t height, T* to,
                      std::ptrdiff_t toStride);
    // Read n numbers of a format, `stride` bytes apart, by [format][whether they are big-endian]. Return a number that
    // is not 0 if some pixel was rounded. Readers of formats that T does not hold in general are null.
    using Reader = std::uint64_t (*)(std::byte const* from, std::ptrdiff_t stride, std::ptrdiff_t n, T* out);
    std::array<std::array<Reader, 2>, numFormats> readers;
};

struct Kernels : PixelKernels<float> {
    PixelKernels<double> doubles;
    char const* name;

    // Read n masks, `stride` bytes apart, without changing their byte order.
    void (*readMasks)(std::byte const* from, std::ptrdiff_t stride, std::ptrdiff_t n, std::int32_t* out);
    // Read n masks of one byte, `stride` bytes apart.
    void (*readSmallMasks)(std::byte const* from, std::ptrdiff_t stride, std::ptrdiff_t n, std::int32_t* out);
    // Copy n masks in a row, of the opposite byte order if `swapped` is true; return the OR of all.
    std::int32_t (*copyMasks)(std::byte const* from, bool swapped, std::ptrdiff_t n, std::int32_t* out);
    // Find the extremes of the positive finite floats of a row, and their number.
    PositiveFloats (*positive)(float const* values, std::ptrdiff_t n);
    // Exchange rows and columns of masks.
    void (*transposeMasks)(std::int32_t const* from, std::ptrdiff_t fromStride, std::ptrdiff_t width,
                           std::ptrdiff_t height, std::int32_t* to, std::ptrdiff_t toStride);
    // Convert packed weights, or variances if `inverse` is true, to weights; return the number of pixels without one.
    std::int64_t (*weigh)(float const* packed, std::ptrdiff_t n, bool inverse, double* weights);

    // Compute the statistics of `width` columns of a stack from column x on.
    void (*columnsOfFloats)(ColumnsTask<float> const& task, std::ptrdiff_t x, std::ptrdiff_t width);
    void (*columnsOfDoubles)(ColumnsTask<double> const& task, std::ptrdiff_t x, std::ptrdiff_t width);
    // Compute the statistics of small bins.
    void (*bins)(BinsTask const& task, BinsResult& result);
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

// Return the kernels for pixels of a type.
template <typename T>
PixelKernels<T> const& kernelsOf() noexcept {
    if constexpr (std::is_same_v<T, double>) {
        return kernels().doubles;
    } else {
        return kernels();
    }
}

// Whether there are kernels for pixels of a type.
template <typename T>
inline constexpr bool hasKernels = std::is_same_v<T, float> || std::is_same_v<T, double>;

}  // namespace evensky::detail
