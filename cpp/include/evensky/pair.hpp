#pragma once

/// @file
/// Background matching of a pair: the smooth additive model that makes the background of one exposure equal to that of
/// another.
///
/// Sources that both exposures share cancel in the difference, so the model does not remove them. The planes of a pair
/// are read in place, and the difference image is never stored.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "evensky/approximate.hpp"
#include "evensky/background.hpp"
#include "evensky/export.hpp"
#include "evensky/stored.hpp"
#include "evensky/view.hpp"

namespace evensky {

/// Options of matchBackgrounds. Names and defaults are those of the task's configuration.
struct EVENSKY_EXPORT PairOptions {
    bool usePolynomial = false;      ///< fit a Chebyshev series instead of a spline
    int order = 8;                   ///< order of the Chebyshev series
    MaskPixel referenceBadMask = 0;  ///< bits of the reference's mask that reject a pixel
    MaskPixel scienceBadMask = 0;    ///< bits of the science exposure's mask that reject a pixel
    Property gridStatistic = MEAN;   ///< statistic of a bin: MEAN, MEDIAN or MEANCLIP
    UndersampleStyle undersampleStyle = REDUCE_INTERP_ORDER;     ///< action if there are too few bins for the style
    std::int64_t binSize = 256;                                  ///< width and height of a bin, in pixels
    Interpolate::Style interpStyle = Interpolate::AKIMA_SPLINE;  ///< interpolation style; UNKNOWN for a model of zero
    double numSigmaClip = 3.0;                      ///< half-width of MEANCLIP's window, in standard deviations
    int numIter = 2;                                ///< number of clipping rounds of MEANCLIP
    double leastHalfWidth = 0.0;                    ///< least half-width of MEANCLIP's window, in the pixels' unit
    bool approxWeighting = true;                    ///< weight the Chebyshev fit by the errors of the bins
    int approxWeightPower = 1;                      ///< weights are 1 / error^power, power 1 or 2
    double gridStdevEpsilon = 1e-8;                 ///< the fit is unweighted if no bin has a greater error
    std::string scienceLabel = "science exposure";  ///< name of the science exposure in messages
};

/// One bin of the difference with at least two good pixels.
struct EVENSKY_EXPORT PairBin {
    std::int64_t x = 0;      ///< column of the centre, from the corner of the image
    std::int64_t y = 0;      ///< row of the centre, from the corner of the image
    double value = 0.0;      ///< statistic of reference - science in the bin
    double error = 0.0;      ///< standard error of the value
    std::int64_t count = 0;  ///< number of good pixels
    double residual = 0.0;   ///< value - model
};

/// Result of matchBackgrounds.
struct EVENSKY_EXPORT PairResult {
    double fitRMS = 0.0;                       ///< root mean square of the bins' residuals
    double matchedMSE = 0.0;                   ///< mean square of reference - matched science; NaN without a good pixel
    double diffImVar = 0.0;                    ///< clipped mean variance of the difference; NaN without variance planes
    std::shared_ptr<Background> background;    ///< the spline model, or null
    std::shared_ptr<Approximate> approximate;  ///< the Chebyshev model, or null
    AsUsed asUsed;                             ///< styles with which the spline was evaluated
    int order = -1;                            ///< order of the Chebyshev series that was used; -1 without one
    std::int64_t binSize = 0;                  ///< size of the bins that was used
    std::vector<PairBin> bins;                 ///< the bins, by rows, then columns
    double goodFraction = 0.0;                 ///< fraction of the pixels that are good in both exposures
    double goodBinFraction = 0.0;              ///< fraction of the model's bins with at least one such pixel
    /// Fraction of the image over which the model is extrapolated: in bins that have no such pixel and that good bins
    /// enclose neither along their row nor along their column.
    double extrapolatedFraction = 0.0;
    bool reduced = false;               ///< whether the model is simpler than requested, in places or as a whole
    std::vector<std::string> warnings;  ///< one sentence for each change to the order or bin size of a Chebyshev model
};

/// Match `science` to `reference`: write science + model of their difference to `matched`. If an exception is thrown,
/// nothing has been written, unless the check of setInterruptCheck throws it: `matched` may then be half written.
///
/// A pixel is good if neither mask has a bad bit and the difference is finite as a float32. Bins, and columns or rows
/// of bins, without good pixels are bridged by their neighbours. If there is no good bin at all, a spline and the
/// matched image are NaN, and no exception is thrown. Results that need a good pixel are NaN without one.
///
/// Safe to call from several threads as long as none writes to the planes. Results are bit-identical for any number of
/// threads.
///
/// @param reference  planes of the reference; T is float or double
/// @param science    planes of the exposure to match
/// @param matched    output for the matched pixels; may be the image of either exposure, but must not share memory
///                   with them otherwise
/// @param x0, y0     pixel origin of both exposures, on which the coordinates of the model are based
/// @param options    options of the match
/// @param num_threads  number of threads; 0 for the process-wide default
/// @throws LengthError if sizes differ
/// @throws InvalidParameterError if gridStatistic is none of the three, or if binSize and order do not allow a
///         Chebyshev series: binSize greater than the shorter side, more terms than bins, no overlap, or too little
/// @throws RuntimeError if the model fails; the message names `scienceLabel`
template <typename T>
EVENSKY_EXPORT PairResult matchBackgrounds(MaskedImageView<T const> const& reference,
                                           MaskedImageView<T const> const& science, ImageView<T> const& matched,
                                           std::int64_t x0, std::int64_t y0, PairOptions const& options,
                                           int num_threads = 0);

/// Match planes as they are stored, such as those of files in memory, of any byte order and strides. The images are of
/// type T or, if that is float, integers of 16 bits. The other parameters and exceptions are those of the function
/// above.
/// @throws InvalidParameterError also if images, masks or variances are of another type
template <typename T>
EVENSKY_EXPORT PairResult matchBackgrounds(StoredImage const& reference, StoredImage const& science,
                                           ImageView<T> const& matched, std::int64_t x0, std::int64_t y0,
                                           PairOptions const& options, int num_threads = 0);

}  // namespace evensky
