#pragma once

/// @file
/// The difference of two exposures in bins: the measurements from which many exposures are matched to each other.
///
/// The planes of both are read in place: the difference image is never stored.

#include <cstdint>
#include <vector>

#include "evensky/export.hpp"
#include "evensky/pair.hpp"
#include "evensky/view.hpp"

namespace evensky {

/// Measurements of the bins, by rows; bin (i, j) is at j * nx + i.
struct EVENSKY_EXPORT DifferenceBins {
    std::vector<double> values;        ///< statistic of reference - science; NaN without a good pixel
    std::vector<double> errors;        ///< standard error of the value; NaN where unknown
    std::vector<std::int64_t> counts;  ///< number of good pixels
    std::vector<double> x;             ///< mean column of the good pixels, from the first of the bin; else the middle
    std::vector<double> y;             ///< mean row of the good pixels, from the first of the bin; else the middle
};

/// Measure reference - science in bins.
///
/// A pixel counts where neither mask has a bad bit of its own exposure and the difference is finite as a float32. Of
/// `options` only the masks' bits, `gridStatistic`, `numSigmaClip` and `numIter` matter. Views that cover what two
/// exposures have in common serve for those that overlap in part.
///
/// Safe to call from many threads as long as nobody writes to the planes; the result has the same bits for any number
/// of threads.
///
/// @param reference  planes of one exposure; T float or double
/// @param science    planes of the other, of the same size
/// @param x_edges    columns where bins begin, ascending, and the one behind the last bin; from 0 to the width
/// @param y_edges    rows where bins begin, ascending, and the one behind the last bin; from 0 to the height
/// @param options    which pixels count, and what is measured
/// @param num_threads  0 for the process-wide default
/// @throws LengthError where sizes differ
/// @throws InvalidParameterError for edges that do not ascend or are outside of the images, a gridStatistic other than
/// MEAN, MEDIAN and MEANCLIP, views without memory
template <typename T>
EVENSKY_EXPORT DifferenceBins bin_differences(MaskedImageView<T const> const& reference,
                                              MaskedImageView<T const> const& science,
                                              std::vector<std::int64_t> const& x_edges,
                                              std::vector<std::int64_t> const& y_edges, PairOptions const& options,
                                              int num_threads = 0);

}  // namespace evensky
