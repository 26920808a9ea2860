#pragma once

/// @file
/// Background matching of a pair: the smooth additive correction that makes one exposure's background equal another's.
///
/// What both see cancels in the difference and survives. The planes of a pair are read in place: the difference image
/// is never stored.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "evensky/approximate.hpp"
#include "evensky/background.hpp"
#include "evensky/export.hpp"
#include "evensky/view.hpp"

namespace evensky {

/// How to match. Names and defaults are those of the task's configuration.
struct EVENSKY_EXPORT PairOptions {
    bool usePolynomial = false;      ///< Chebyshev instead of spline
    int order = 8;                   ///< of the Chebyshev model
    MaskPixel referenceBadMask = 0;  ///< pixels of the reference with these bits do not count
    MaskPixel scienceBadMask = 0;    ///< likewise of the science exposure, whose bits may differ
    Property gridStatistic = MEAN;   ///< MEAN, MEDIAN or MEANCLIP; anything else is an error
    UndersampleStyle undersampleStyle = REDUCE_INTERP_ORDER;     ///< where bins are too few
    std::int64_t binSize = 256;                                  ///< pixels
    Interpolate::Style interpStyle = Interpolate::AKIMA_SPLINE;  ///< UNKNOWN: the model is zero
    double numSigmaClip = 3.0;                                   ///< of MEANCLIP
    int numIter = 2;                                             ///< of MEANCLIP
    bool approxWeighting = true;                                 ///< weight the Chebyshev fit by the bins' errors
    int approxWeightPower = 1;                                   ///< weights are 1 / error^power, power 1 or 2
    double gridStdevEpsilon = 1e-8;                              ///< fit unweighted where no error is greater
    std::string scienceLabel = "science exposure";               ///< how messages call the science exposure
};

/// One bin of the difference with at least two good pixels.
struct EVENSKY_EXPORT PairBin {
    std::int64_t x = 0;      ///< column of its centre, from the image's corner
    std::int64_t y = 0;      ///< row of its centre, likewise
    double value = 0.0;      ///< statistic of reference - science
    double error = 0.0;      ///< its error
    std::int64_t count = 0;  ///< good pixels
    double residual = 0.0;   ///< value - model
};

/// What came of a match.
struct EVENSKY_EXPORT PairResult {
    double fitRMS = 0.0;                       ///< root mean square of the bins' residuals
    double matchedMSE = 0.0;                   ///< mean square of reference - matched science; NaN without a good pixel
    double diffImVar = 0.0;                    ///< clipped mean variance of the difference; NaN without variance planes
    std::shared_ptr<Background> background;    ///< the spline model, or null
    std::shared_ptr<Approximate> approximate;  ///< the Chebyshev model, or null
    AsUsed asUsed;                             ///< of the spline
    int order = -1;                            ///< of the Chebyshev model, as used
    std::int64_t binSize = 0;                  ///< as used
    std::vector<PairBin> bins;                 ///< by rows, then columns
    double goodFraction = 0.0;                 ///< share of the pixels that count
    double goodBinFraction = 0.0;              ///< share of the model's bins that have at least one such pixel
    /// Share of the image in bins without one that no good bins enclose, neither along their row nor along their
    /// column: the model is only continued there.
    double extrapolatedFraction = 0.0;
    bool reduced = false;               ///< is the model simpler than asked for, in places or as a whole?
    std::vector<std::string> warnings;  ///< order or bin size of a Chebyshev model that was adapted, in words
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
