#pragma once

/// @file
/// Background matching of a pair: the smooth additive model that makes one exposure's background equal another's.
///
/// Sources that both exposures show cancel in the difference, so the model does not remove them. The planes of a pair
/// are read in place: the difference image is never stored.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "evensky/approximate.hpp"
#include "evensky/background.hpp"
#include "evensky/export.hpp"
#include "evensky/view.hpp"

namespace evensky {

/// Options of matchBackgrounds. Names and defaults are those of the task's configuration.
struct EVENSKY_EXPORT PairOptions {
    bool usePolynomial = false;      ///< Chebyshev instead of spline
    int order = 8;                   ///< order of the Chebyshev model
    MaskPixel referenceBadMask = 0;  ///< pixels of the reference with any of these bits do not count
    MaskPixel scienceBadMask = 0;    ///< the same for the science exposure, whose bits may differ
    Property gridStatistic = MEAN;   ///< MEAN, MEDIAN or MEANCLIP; anything else is an error
    UndersampleStyle undersampleStyle = REDUCE_INTERP_ORDER;     ///< what to do where bins are too few for the style
    std::int64_t binSize = 256;                                  ///< width and height of a bin, in pixels
    Interpolate::Style interpStyle = Interpolate::AKIMA_SPLINE;  ///< UNKNOWN: the model is zero
    double numSigmaClip = 3.0;                      ///< clipping window of MEANCLIP, in standard deviations
    int numIter = 2;                                ///< clipping rounds of MEANCLIP
    bool approxWeighting = true;                    ///< weight the Chebyshev fit by the bins' errors
    int approxWeightPower = 1;                      ///< weights are 1 / error^power, power 1 or 2
    double gridStdevEpsilon = 1e-8;                 ///< the fit is unweighted where no bin has a greater error
    std::string scienceLabel = "science exposure";  ///< name of the science exposure in messages
};

/// One bin of the difference with at least two good pixels.
struct EVENSKY_EXPORT PairBin {
    std::int64_t x = 0;      ///< column of its centre, from the image's corner
    std::int64_t y = 0;      ///< row of its centre, from the image's corner
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
    int order = -1;                            ///< order of the Chebyshev model, as used; -1 without one
    std::int64_t binSize = 0;                  ///< size of the bins, as used
    std::vector<PairBin> bins;                 ///< by rows, then columns
    double goodFraction = 0.0;                 ///< fraction of the pixels that count
    double goodBinFraction = 0.0;              ///< fraction of the model's bins with at least one such pixel
    /// Fraction of the image in bins that have no such pixel and are enclosed by good bins neither along their row nor
    /// along their column: the model is extrapolated there.
    double extrapolatedFraction = 0.0;
    bool reduced = false;               ///< true where the model is simpler than requested, in places or as a whole
    std::vector<std::string> warnings;  ///< one sentence for each change to the order or bin size of a Chebyshev model
};

/// Match `science` to `reference`: write science + model of their difference to `matched`. Nothing has been written
/// where an exception is thrown, but by the check of setInterruptCheck: `matched` may then be half written.
///
/// A pixel counts where neither mask has a bad bit of its own exposure and the difference is finite as a float32. A
/// bin, and a column or row of bins, without any such pixel is bridged by its neighbours. Without a single good bin a
/// spline is NaN, and so is what is matched; no exception is thrown. Figures that need a good pixel are NaN without
/// one.
///
/// Safe to call from many threads as long as nobody writes to the planes; the result has the same bits for any number
/// of threads.
///
/// @param reference  planes of the reference; T float or double
/// @param science    planes of the exposure to correct
/// @param matched    where the corrected pixels go; may be science's own image
/// @param x0, y0     pixel origin of both, which the model's coordinates count from
/// @param options    how to match
/// @param num_threads  0 for the process-wide default
/// @throws LengthError where sizes differ
/// @throws InvalidParameterError for a gridStatistic that is none of the three, and where a Chebyshev model cannot be
/// had with this binSize and order: binSize greater
///         than the shorter side, more terms than bins, no overlap, or too little of it
/// @throws RuntimeError where the model fails; the message names `scienceLabel`
template <typename T>
EVENSKY_EXPORT PairResult matchBackgrounds(MaskedImageView<T const> const& reference,
                                           MaskedImageView<T const> const& science, ImageView<T> const& matched,
                                           std::int64_t x0, std::int64_t y0, PairOptions const& options,
                                           int num_threads = 0);

}  // namespace evensky
