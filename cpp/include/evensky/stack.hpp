#pragma once

/// @file
/// Statistics of the columns of a stack: of the pixels at each position of several images, or of each row or column of
/// one image.
///
/// The statistic of a column is that of makeStatistics over its pixels, with its rules for good pixels and NaN. If
/// pixels are weighted by 1 / variance, those whose variance is not > 0 are left out.
///
/// **Threads.** All functions are safe to call at the same time on the same input. Results are bit-identical for any
/// number of threads. Planes of the output of several images may be planes of these, but must not share memory with
/// them, or with each other, otherwise; InvalidParameterError says so.

#include <span>
#include <utility>
#include <vector>

#include "evensky/export.hpp"
#include "evensky/statistics.hpp"
#include "evensky/view.hpp"

namespace evensky {

/// Bits of the output's mask that tell of rejected pixels.
struct StackBits {
    /// Bits for pixels where MEANCLIP, STDEVCLIP or VARIANCECLIP clipped a good pixel.
    MaskPixel clipped = 0;
    /// Pairs (from, to): where some pixel is not good and any input, good or not, has a bit of `from`, `to` is set.
    std::vector<std::pair<MaskPixel, MaskPixel>> maskMap;

    /// Return the bits that set `clipped` where a pixel was clipped, or was rejected by a bit of `andMask` that
    /// `excuse` does not have.
    [[nodiscard]] static EVENSKY_EXPORT StackBits excusing(MaskPixel clipped, MaskPixel excuse, MaskPixel andMask);
};

/// Direction in which the pixels of one image are combined.
enum class StackAxis {
    X,  ///< each row becomes one pixel
    Y   ///< each column becomes one pixel
};

/// Compute a statistic of the pixels at each position of several images. T is float or double.
///
/// The value is written to the image of `out` and, if these planes exist, the square of its error to the variance and
/// the following to the mask: the OR of the masks of the good pixels, with the bits that the thresholds of mask
/// propagation add; or the bits of getNoGoodPixelsMask alone where no pixel is good; and the bits of `bits`. A
/// threshold for one bit gives the threshold 1.0 to all lower bits that have none.
/// Where no pixel is good, values are NaN except counts and sums, and variances are NaN or, for counts and sums, 0.
/// @param out          output; its mask and variance may be missing
/// @param images       images of the size of the output, with their masks and variances, if they exist
/// @param property     one property; ERRORS may be added and changes nothing
/// @param sctrl        options of the statistic
/// @param weights      multiplicative weights, one for each image, or none. They are used whether or not the control
///                     asks for weighting. Without them, the control decides whether pixels are weighted by
///                     1 / variance, rounded to float32 unless one at the position exceeds its range.
/// @param bits         bits that tell of rejected pixels
/// @param num_threads  number of threads; 0 for the process-wide default
/// @throws LengthError if there are no images, or the planes of one of them differ in size
/// @throws InvalidParameterError if the number of weights is not that of the images, the flags are not exactly one
///         property with a value, an image differs in size from the output, an image or the output has no memory, the
///         output shares memory, both ways of computing errors are switched on, or num_threads < 0
template <typename T>
EVENSKY_EXPORT void statisticsStack(MaskedImageView<T> const& out, std::span<MaskedImageView<T const> const> images,
                                    int property, StatisticsControl const& sctrl = StatisticsControl(),
                                    std::span<WeightPixel const> weights = {}, StackBits const& bits = {},
                                    int num_threads = 0);

/// Compute a statistic of each row or column of one image. T is float or double. Pixels are weighted as by
/// makeStatistics, and the mask of the output is 0, or getNoGoodPixelsMask where no pixel of the line is good.
/// @param out          output: one column as high as the image for StackAxis::X, one row as wide as it for
///                     StackAxis::Y
/// @param image        image with its mask and variance, if they exist
/// @param property     one property; ERRORS may be added and changes nothing
/// @param axis         direction in which pixels are combined
/// @param sctrl        options of the statistic
/// @param num_threads  number of threads; 0 for the process-wide default
/// @throws LengthError if the planes of the image differ in size
/// @throws InvalidParameterError as for several images, or if the image has no pixels
template <typename T>
EVENSKY_EXPORT void statisticsStack(MaskedImageView<T> const& out, MaskedImageView<T const> const& image, int property,
                                    StackAxis axis, StatisticsControl const& sctrl = StatisticsControl(),
                                    int num_threads = 0);

}  // namespace evensky
