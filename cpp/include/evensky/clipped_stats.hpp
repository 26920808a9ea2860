#pragma once

/// @file
/// Mean, median and standard deviation after sigma clipping, of an image or of each line of an array.
///
/// **Clipping.** Each round finds the centre and the scatter of the pixels that the last round has left, and rejects
/// those below centre - sigmaLower * scatter or above centre + sigmaUpper * scatter. It ends after `maxiters` rounds or
/// when a round rejects nothing. In an image, rejected pixels stay so; in a line, those within the last window count,
/// so that some return if it is wider than one before, which happens about the mean only. These are the rules of
/// astropy.stats.sigma_clipped_stats without and with an axis.
///
/// **Good pixels** are finite and have no bit that rejects them. Without one, results are NaN. Sums are in double
/// precision. Whole numbers are treated as real ones.
///
/// **Threads.** All functions are safe to call at the same time on the same input. Results are bit-identical for any
/// number of threads.

#include <cstdint>
#include <span>

#include "evensky/combine.hpp"
#include "evensky/export.hpp"
#include "evensky/stored.hpp"
#include "evensky/view.hpp"

namespace evensky {

/// Options of clippedStats.
struct ClippedStatsOptions {
    double sigmaLower = 3.0;                   ///< width of the window below its centre, in units of the scatter
    double sigmaUpper = 3.0;                   ///< width of the window above its centre
    int maxiters = 5;                          ///< largest number of rounds; 0 until a round rejects nothing
    ClipCentre cenfunc = ClipCentre::MEDIAN;   ///< centre; NONE is not allowed
    ClipScatter stdfunc = ClipScatter::STDEV;  ///< scatter, of divisor n; NONE is not allowed
    double stdDdof = 0.0;                      ///< divisor of the resulting standard deviation, subtracted from n
};

/// Statistics of the pixels that clipping has left.
struct ClippedStats {
    double mean = 0.0;          ///< NaN without a pixel
    double median = 0.0;        ///< NaN without a pixel
    double std = 0.0;           ///< NaN without more pixels than stdDdof
    std::int64_t number = 0;    ///< pixels that clipping has left
    std::int64_t rejected = 0;  ///< good pixels that it has rejected
};

/// Statistics of many lines, which the caller provides memory for: one element for each line.
struct ClippedLines {
    std::span<double> mean;            ///< as in ClippedStats
    std::span<double> median;          ///< as in ClippedStats
    std::span<double> std;             ///< as in ClippedStats
    std::span<std::int32_t> number;    ///< as in ClippedStats
    std::span<std::int32_t> rejected;  ///< as in ClippedStats
};

/// Compute the clipped statistics of an image, of any format but uint64. A variance is not used.
/// @param image        image with its mask, if it exists
/// @param bad          bits of the mask that reject a pixel
/// @param options      what is clipped
/// @param num_threads  number of threads; 0 for the process-wide default
/// @throws InvalidParameterError if the image has no pixels or no memory or is of uint64, the mask differs in size or
///         is not of int32, an option is out of its range, or num_threads < 0
/// @throws LengthError if the image has 2^62 pixels or more
[[nodiscard]] EVENSKY_EXPORT ClippedStats clippedStats(StoredImage const& image, MaskPixel bad = 0,
                                                       ClippedStatsOptions const& options = {}, int num_threads = 0);

/// Compute the clipped statistics of each column of an array; T is float or double.
/// @param out          one element for each column
/// @param values       pixels; those that are not finite do not count
/// @param options      what is clipped
/// @param num_threads  number of threads; 0 for the process-wide default
/// @throws InvalidParameterError if the output has not one element for each column, the array has pixels but no memory,
///         planes of it have memory in common with each other or with the array, an option is out of its range, or
///         num_threads < 0
/// @throws LengthError if a column has 2^31 pixels or more
template <typename T>
EVENSKY_EXPORT void clippedStatsOfColumns(ClippedLines const& out, ImageView<T const> const& values,
                                          ClippedStatsOptions const& options = {}, int num_threads = 0);

/// Compute the clipped statistics of each row of an array, as clippedStatsOfColumns does of columns.
/// @throws InvalidParameterError as clippedStatsOfColumns does, for rows
/// @throws LengthError if a row has 2^31 pixels or more
template <typename T>
EVENSKY_EXPORT void clippedStatsOfRows(ClippedLines const& out, ImageView<T const> const& values,
                                       ClippedStatsOptions const& options = {}, int num_threads = 0);

}  // namespace evensky
