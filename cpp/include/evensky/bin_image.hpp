#pragma once

/// @file
/// Means of an image in bins.
///
/// **Threads.** All functions are safe to call at the same time on the same input. Results are bit-identical for any
/// number of threads.

#include <cstddef>
#include <optional>

#include "evensky/export.hpp"
#include "evensky/view.hpp"

namespace evensky {

/// Bits of the mask that leave pixels out of bins, and those for bins without any pixel.
struct BinExclusion {
    MaskPixel bad = 0;        ///< A pixel with any of these bits is left out; so is one that is NaN or infinite.
    MaskPixel noPixel = 256;  ///< Mask of a bin without a pixel; the default is the default bit of plane NO_DATA.
};

/// Compute the means of an image in bins of binX x binY pixels; T is float, double, int32 or uint16. The output has
/// floor(width / binX) x floor(height / binY) pixels; columns and rows that do not fill a bin are dropped.
///
/// Sums are taken in float64, or in int64 for integers, whose means are truncated. The mask of a bin is the OR of the
/// masks of its pixels; its variance is that of the mean of n independent pixels, the sum of their variances divided by
/// n^2. Without `exclusion`, all pixels count whatever their mask, and NaN spreads. With it, pixels are left out of the
/// mean, the mask and the variance; a bin without any is NaN, or 0 in an image of integers, its variance is NaN, and
/// its mask is `noPixel`.
/// @param out          output; its mask and variance are written if they exist both here and in the image. Its planes
///                     must not share memory with each other or with the image.
/// @param image        image with its mask and variance, if they exist
/// @param binX         width of a bin
/// @param binY         height of a bin
/// @param exclusion    pixels to leave out, or nullopt
/// @param num_threads  number of threads; 0 for the process-wide default
/// @throws InvalidParameterError if binX or binY is not > 0, or num_threads < 0
/// @throws InvalidParameterError if the image or the output has no memory, or they share it
/// @throws LengthError if planes differ in size, the output does not have the size above, or a bin of integers has 2^32
///         pixels or more
template <typename T>
EVENSKY_EXPORT void binImage(MaskedImageView<T> const& out, MaskedImageView<T const> const& image, std::ptrdiff_t binX,
                             std::ptrdiff_t binY, std::optional<BinExclusion> const& exclusion = std::nullopt,
                             int num_threads = 0);

}  // namespace evensky
