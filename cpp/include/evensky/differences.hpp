#pragma once

/// @file
/// Difference of two exposures in bins: the measurements from which many exposures are matched to each other.
///
/// The planes of both exposures are read in place, and the difference image is never stored.

#include <cstdint>
#include <vector>

#include "evensky/export.hpp"
#include "evensky/pair.hpp"
#include "evensky/view.hpp"

namespace evensky {

/// Measurements of the bins, by rows; bin (i, j) is at j * nx + i.
struct EVENSKY_EXPORT DifferenceBins {
    std::vector<double> values;        ///< statistic of reference - science; NaN without a good pixel
    std::vector<double> errors;        ///< standard error of the value; NaN if unknown
    std::vector<std::int64_t> counts;  ///< number of good pixels
    std::vector<double> x;             ///< mean column of the good pixels in the bin; its middle if there are none
    std::vector<double> y;             ///< mean row of the good pixels in the bin; its middle if there are none
};

/// Measure reference - science in bins.
///
/// A pixel is good if neither mask has a bad bit and the difference is finite as a float32. Only the bad bits,
/// `gridStatistic`, `numSigmaClip`, `numIter` and `leastHalfWidth` of `options` are used. For exposures that overlap in
/// part, pass views of their common part.
///
/// Safe to call from several threads as long as none writes to the planes. Results are bit-identical for any number of
/// threads.
///
/// @param reference  planes of one exposure; T is float or double
/// @param science    planes of the other exposure, of the same size
/// @param x_edges    first columns of the bins, ascending, and the column after the last bin; from 0 to the width
/// @param y_edges    first rows of the bins, ascending, and the row after the last bin; from 0 to the height
/// @param options    bits of bad pixels, statistic and clipping
/// @param num_threads  number of threads; 0 for the process-wide default
/// @throws LengthError if sizes differ
/// @throws InvalidParameterError if edges do not ascend or are outside the images, gridStatistic is not MEAN, MEDIAN or
///         MEANCLIP, leastHalfWidth is negative or not finite, or a view has no memory
template <typename T>
EVENSKY_EXPORT DifferenceBins bin_differences(MaskedImageView<T const> const& reference,
                                              MaskedImageView<T const> const& science,
                                              std::vector<std::int64_t> const& x_edges,
                                              std::vector<std::int64_t> const& y_edges, PairOptions const& options,
                                              int num_threads = 0);

/// Measure planes as they are stored, such as those of files in memory, of any byte order and strides. Both images are
/// of float64, or both of float32 or integers of 16 bits. The other parameters and exceptions are those of the function
/// above.
/// @throws InvalidParameterError also if images or masks are of another type
EVENSKY_EXPORT DifferenceBins bin_differences(StoredImage const& reference, StoredImage const& science,
                                              std::vector<std::int64_t> const& x_edges,
                                              std::vector<std::int64_t> const& y_edges, PairOptions const& options,
                                              int num_threads = 0);

/// Sums over the good pixels of each cell, by rows; cell (i, j) is at j * nx + i.
struct EVENSKY_EXPORT DifferenceSums {
    std::vector<double> sums;                 ///< sum of reference - science
    std::vector<std::int64_t> counts;         ///< number of good pixels
    std::vector<double> sums_within;          ///< sum over the pixels inside the window of the cell
    std::vector<std::int64_t> counts_within;  ///< number of these pixels
};

/// Sum reference - science in cells, over all pixels and over those whose difference is inside a window.
///
/// Pixels are good as for bin_differences. The planes are read once, and only where cells are wanted, so cells may be
/// small. Results are bit-identical for any number of threads.
///
/// @param reference  planes of one exposure; T is float or double
/// @param science    planes of the other exposure, of the same size
/// @param x_edges    first columns of the cells, ascending, and the column after the last cell; from 0 to the width
/// @param y_edges    first rows of the cells, ascending, and the row after the last cell; from 0 to the height
/// @param lows       least value inside the window of each cell; a cell with a NaN is not read, and has no pixel
/// @param highs      largest value inside the window of each cell
/// @param options    bits of bad pixels; nothing else is used
/// @param num_threads  number of threads; 0 for the process-wide default
/// @throws LengthError if sizes differ, or the number of limits is not that of the cells
/// @throws InvalidParameterError if edges do not ascend or are outside the images, or a view has no memory
template <typename T>
EVENSKY_EXPORT DifferenceSums sum_differences(MaskedImageView<T const> const& reference,
                                              MaskedImageView<T const> const& science,
                                              std::vector<std::int64_t> const& x_edges,
                                              std::vector<std::int64_t> const& y_edges, std::vector<double> const& lows,
                                              std::vector<double> const& highs, PairOptions const& options,
                                              int num_threads = 0);

/// Sum differences of planes as they are stored; the parameters are those of the functions above.
EVENSKY_EXPORT DifferenceSums sum_differences(StoredImage const& reference, StoredImage const& science,
                                              std::vector<std::int64_t> const& x_edges,
                                              std::vector<std::int64_t> const& y_edges, std::vector<double> const& lows,
                                              std::vector<double> const& highs, PairOptions const& options,
                                              int num_threads = 0);

/// What windows_in_squares measures.
struct EVENSKY_EXPORT SquareLight {
    /// For each square the sum of reference - science - centre over the good pixels inside the window of its bin, by
    /// rows; square (i, j) is at j * nx + i. 0 for a square that is not wanted.
    std::vector<double> light;
    /// Number of good pixels in the wanted squares of each bin and row of squares: that of bin column b in row j is at
    /// j * bins + b, where `bins` is the number of columns of bins.
    std::vector<std::int64_t> counts;
};

/// Where squares of a few pixels are, which of them are wanted, and the windows of the bins that hold them.
struct EVENSKY_EXPORT SquareWindows {
    std::vector<std::int64_t> x_edges;     ///< first columns of the squares, ascending, and the column after the last
    std::vector<std::int64_t> y_edges;     ///< first rows of the squares, ascending, and the row after the last
    ImageView<std::uint8_t const> wanted;  ///< one pixel for each square; 0 for those that are not wanted
    std::vector<std::int64_t> x_bins;      ///< column of the bin of each column of squares, ascending
    std::vector<std::int64_t> y_bins;      ///< row of the bin of each row of squares
    ImageView<double const> centres;       ///< centre of the window of each bin; squares of a bin with NaN are not read
    ImageView<double const> halfWidths;    ///< half the width of the window of each bin
};

/// Sum the light of small squares inside the clipping windows of their bins, as `sum_differences` does with the same
/// windows, in one pass for all squares.
///
/// Results are bit-identical for any number of threads.
///
/// @param reference  planes of one exposure, as they are stored
/// @param science    planes of the other exposure, of the same size
/// @param squares    squares, at most four pixels wide, and windows
/// @param options    bits of bad pixels; nothing else is used
/// @param num_threads  number of threads; 0 for the process-wide default
/// @throws LengthError if sizes differ
/// @throws InvalidParameterError if edges do not ascend or are outside the images, squares are too wide, or there is no
///         such bin
EVENSKY_EXPORT SquareLight windows_in_squares(StoredImage const& reference, StoredImage const& science,
                                              SquareWindows const& squares, PairOptions const& options,
                                              int num_threads = 0);

/// Count the pixels of each square that are masked, or not finite.
///
/// @param image      image and, if there is one, mask, as they are stored
/// @param bad        bits of the mask that reject a pixel
/// @param x_edges    first columns of the squares, ascending, and the column after the last; from 0 to the width
/// @param y_edges    first rows of the squares, ascending, and the row after the last; from 0 to the height
/// @param num_threads  number of threads; 0 for the process-wide default
/// @return the numbers, by rows; square (i, j) is at j * nx + i
/// @throws LengthError if sizes differ
/// @throws InvalidParameterError if edges do not ascend or are outside the image, or the image has pixels of another
///         type than bin_differences takes
EVENSKY_EXPORT std::vector<std::int32_t> bad_in_squares(StoredImage const& image, MaskPixel bad,
                                                        std::vector<std::int64_t> const& x_edges,
                                                        std::vector<std::int64_t> const& y_edges, int num_threads = 0);

}  // namespace evensky
