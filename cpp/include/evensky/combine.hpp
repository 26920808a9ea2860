#pragma once

/// @file
/// Combination of several images into one: the mean, the median or the clipped mean of each pixel, with its variance
/// and with counts of what was used.
///
/// **Threads.** All functions are safe to call at the same time on the same input. Results are bit-identical for any
/// number of threads, and for any part of the images: those of a band of rows are the rows of the whole result.

#include <cstdint>
#include <span>

#include "evensky/export.hpp"
#include "evensky/view.hpp"

namespace evensky {

/// What is made of the pixels at one position.
enum class Statistic {
    MEAN,     ///< mean, or weighted mean
    MEDIAN,   ///< median, which has no weights
    MEANCLIP  ///< mean of the pixels that clipping leaves
};

/// Centre about which clipping rejects pixels.
enum class ClipCentre {
    NONE,    ///< that of MEANCLIP of statisticsStack: the median, then the mean of the last round
    MEDIAN,  ///< median of the pixels that the last round has left
    MEAN     ///< their mean
};

/// Scatter by which clipping rejects pixels.
enum class ClipScatter {
    NONE,   ///< that of MEANCLIP of statisticsStack: from the quartiles, then the standard deviation of the last round
    STDEV,  ///< standard deviation of the n pixels that the last round has left, with divisor n
    MAD     ///< 1.4826 times the median of their distances from their median
};

/// Options of combine.
///
/// If centre and scatter are NONE, each round of clipping looks at all good pixels, as for MEANCLIP of statisticsStack.
/// Otherwise it looks at those that the last round has left, NONE for one of the two means MEDIAN or STDEV, and rounds
/// have no weights; in the end, all good pixels within the last window are used, as astropy and ccdproc do.
struct CombineOptions {
    Statistic statistic = Statistic::MEANCLIP;  ///< what is made of the pixels
    double sigmaLow = 3.0;                      ///< width of the window below its centre, in units of the scatter
    double sigmaHigh = 3.0;                     ///< width of the window above its centre
    int rounds = 3;                             ///< largest number of rounds of clipping
    ClipCentre centre = ClipCentre::NONE;       ///< centre of the window
    ClipScatter scatter = ClipScatter::NONE;    ///< unit of its width
    bool byVariance = false;                    ///< weight pixels by 1 / variance, and leave out those without one
    std::span<double const> varianceFactors;    ///< factor of the variance of the output for 0, 1, ... good pixels, as
                                                ///< many as images and one more; or empty for none
    /// For 0, 1, ... good pixels, or empty: softening of the mean of the variances of the n pixels that are used. Where
    /// the largest is above the mean by more than 3 %, the mean m of the variances v is replaced with n / sum(1 / (v +
    /// s m)) - s m, which is m for an infinite s, and their harmonic mean for s = 0. Sums are of float32, so use
    /// infinity for numbers above 1000. There must be no weights, and the statistic must not be a mean.
    std::span<double const> varianceSoftening;
};

/// Image to be combined with others.
template <typename T>
struct CombineInput {
    MaskedImageView<T const> planes;  ///< pixels with their mask and variance, if they exist
    MaskPixel bad = 0;                ///< bits of the mask that reject a pixel
    double weight = 1.0;              ///< weight of the image in means
    double time = 0.0;                ///< what CombineOutput::time sums, for example the exposure time
};

/// Planes of a combined image. Those without memory are not computed, except the image, which must exist.
template <typename T>
struct CombineOutput {
    ImageView<T> image;                 ///< NaN where no pixel is used
    ImageView<VariancePixel> variance;  ///< from the variances of the pixels; for the median of three pixels or more,
                                        ///< pi / 2 times that of their mean; see CombineOptions for both
    ImageView<MaskPixel> mask;          ///< OR of the masks of the pixels that are used
    ImageView<std::int32_t> number;     ///< number of pixels that are used
    ImageView<std::int32_t> rejected;   ///< number of good pixels that clipping has rejected
    ImageView<WeightPixel> weight;      ///< sum of the weights of the pixels that are used
    ImageView<float> time;              ///< sum of the times of the pixels that are used
    /// For each image: to this, the number of its pixels that are not good is added; or empty.
    std::span<std::int64_t> maskedOf;
    /// For each image: to this, the number of its pixels that clipping has rejected is added; or empty.
    std::span<std::int64_t> rejectedOf;
};

/// Combine images. T is float or double. A pixel is good if it has no bit of `bad`, is finite and, if pixels are
/// weighted by 1 / variance, has a positive, finite variance.
/// @param out          output; its planes may be those of an input, but must not share memory otherwise
/// @param images       images of the size of the output
/// @param options      what is made of them
/// @param num_threads  number of threads; 0 for the process-wide default
/// @throws LengthError if there are no images, or the planes of one of them differ in size
/// @throws InvalidParameterError if an image or a plane of the output differs in size from the output, an image or the
///         output has no memory, an image lacks the variances that are needed, an option is out of its range, a weight
///         is not positive and finite, a time is negative or not finite, weights are given for a median or beside 1 /
///         variance, the counts of images are not as many as these, or num_threads < 0
template <typename T>
EVENSKY_EXPORT void combine(CombineOutput<T> const& out, std::span<CombineInput<T> const> images,
                            CombineOptions const& options = {}, int num_threads = 0);

}  // namespace evensky
