#pragma once

/// @file
/// Difference of two exposures in bins, from which joint matching of many exposures starts.
///
/// The planes of both exposures are read in place; the difference image is never stored.

#include <cstdint>
#include <vector>

#include "evensky/export.hpp"
#include "evensky/pair.hpp"
#include "evensky/view.hpp"

namespace evensky {

/// Measured differences, row by row; bin (i, j) is at j * nx + i.
struct EVENSKY_EXPORT DifferenceBins {
    std::vector<double> values;        ///< statistic of reference - science; NaN in bins without a good pixel
    std::vector<double> errors;        ///< its standard error; NaN if it cannot be estimated
    std::vector<std::int64_t> counts;  ///< number of good pixels
    std::vector<double> x;             ///< mean column of the good pixels, from that of the bin; the middle if none
    std::vector<double> y;             ///< mean row of the good pixels, from that of the bin; the middle if none
};

/// Measure reference - science in bins.
///
/// A pixel is good if neither mask has a bad bit of its exposure, and the difference is finite as a float32; NaN and
/// infinite pixels are thus ignored. Of `options`, only the bad bits of the masks, `gridStatistic`, `numSigmaClip` and
/// `numIter` are used; variances are not used. For exposures that overlap in part, pass views of the common part.
///
/// Safe to call from several threads as long as none writes to the planes. The result is bit-identical for any number
/// of threads.
///
/// @param reference  planes of one exposure; T float or double
/// @param science    planes of the other, of the same size
/// @param x_edges    first columns of the bins, ascending, and the column after the last bin; within 0 to the width
/// @param y_edges    first rows of the bins, ascending, and the row after the last bin; within 0 to the height
/// @param options    bad bits of the masks, statistic, and options of clipping
/// @param num_threads  number of threads; 0 for the process-wide default
/// @throws LengthError if sizes differ
/// @throws InvalidParameterError if edges do not ascend or lie outside the images, if gridStatistic is not MEAN, MEDIAN
/// or MEANCLIP, or if an image is a view without memory
template <typename T>
EVENSKY_EXPORT DifferenceBins bin_differences(MaskedImageView<T const> const& reference,
                                              MaskedImageView<T const> const& science,
                                              std::vector<std::int64_t> const& x_edges,
                                              std::vector<std::int64_t> const& y_edges, PairOptions const& options,
                                              int num_threads = 0);

}  // namespace evensky
