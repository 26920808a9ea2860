#pragma once

/// @file
/// Sky level and its scatter in a mesh of boxes, with the estimators of photometry packages, and images of both.
///
/// **Good pixels.** A pixel is good if it has no bit of `bad` (`mask & bad == 0`) and is finite as a float32. Variances
/// have no effect. Whole numbers are used as they are: their median is one of them, or the mean of two.
///
/// **NaN and empty boxes.** Level, error and scatter of a box without a good pixel are NaN until fill() or
/// fillFromNearest() replaces them, and so are those of a box with one good pixel for the estimator HISTOGRAM.
///
/// **Threads.** Several threads may read a mesh at once as long as none changes it. Results are bit-identical for any
/// number of threads and every instruction set.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "evensky/background.hpp"
#include "evensky/box.hpp"
#include "evensky/combine.hpp"
#include "evensky/export.hpp"
#include "evensky/interpolate.hpp"
#include "evensky/stored.hpp"
#include "evensky/view.hpp"

namespace evensky {

/// Estimator of the sky level of a box, from the pixels that clipping leaves. Its error is that for normally
/// distributed pixels with their standard deviation s; n is their number. It is NaN for a single pixel, whose scatter
/// is not known, and 0 for two or more equal ones.
enum class LevelEstimator : int {
    MEAN = 0,        ///< mean; error s / sqrt(n)
    MEDIAN = 1,      ///< median; error sqrt(pi/2) s / sqrt(n)
    SEXTRACTOR = 2,  ///< 2.5 median - 1.5 mean, or the median if |mean - median| > 0.3 s (Bertin & Arnouts 1996, A&AS
                     ///< 117, 393)
    MMM = 3,         ///< 3 median - 2 mean (Stetson 1987, PASP 99, 191; Da Costa 1992, ASPC 23, 90)
    BIWEIGHT = 4,    ///< biweight location with c = 6 (Beers, Flynn & Gebhardt 1990, AJ 100, 32), about the median; its
                     ///< error comes from the biweight midvariance with c = 6, without assuming a distribution. If at
                     ///< least half of the pixels are equal, it is their value, with the error of a median
    HISTOGRAM = 5,   ///< mode of a clipped histogram, and its scatter, as SExtractor (Bertin & Arnouts 1996) and sep
                     ///< find them. It clips by itself: first at 2 standard deviations about the mean, then at 3
                     ///< scatters about the median until the scatter changes by less than 1e-4. The level is 2.5 median
                     ///< - 1.5 mean, or the median if the two differ by 0.3 scatters or more. At least 2 good pixels
    MODE = 6,        ///< that of SEXTRACTOR where the mean exceeds the median by more than two standard errors of their
                     ///< difference, sqrt(pi/2 - 1) s / sqrt(n), as light of sources makes it, or falls short of it by
                     ///< more than five, as structure of the sky does; elsewhere the mean
    GROUPED_MODE = 7  ///< MODE with the median of grouped data, for pixels of coarse steps such as counts: the m pixels
                      ///< that equal the median are spread evenly between the middles a and b to the next lower and
                      ///< higher value that is left, so that it is a + (n/2 - number below) / m (b - a). Takes several
                      ///< times as long as MODE in small boxes
};

/// Estimator of the scatter of the pixels of a box, from the pixels that clipping leaves.
enum class ScatterEstimator : int {
    STDEV = 0,    ///< standard deviation of the n pixels, with divisor n
    MAD = 1,      ///< 1.4826 times the median of their distances from their median
    BIWEIGHT = 2  ///< biweight scale with c = 9 (Beers, Flynn & Gebhardt 1990), about the median
};

/// How boxes cover an image whose size is not a multiple of theirs.
enum class EdgeMethod : int {
    SPREAD = 0,  ///< as many boxes as are needed, of sizes that differ by one pixel at most
    PAD = 1,     ///< boxes of the full size from the first pixel on; the last ones have fewer pixels, and those that
                 ///< they lack count as masked
    CROP = 2  ///< boxes of the full size from the first pixel on; the pixels that remain at the far edges are not used
};

/// Return the estimator with a given name, such as "SEXTRACTOR". @throws NotFoundError if the name is unknown
[[nodiscard]] EVENSKY_EXPORT LevelEstimator stringToLevelEstimator(std::string const& estimator);
/// Return the estimator with a given name, such as "MAD". @throws NotFoundError if the name is unknown
[[nodiscard]] EVENSKY_EXPORT ScatterEstimator stringToScatterEstimator(std::string const& estimator);
/// Return the method with a given name, such as "PAD". @throws NotFoundError if the name is unknown
[[nodiscard]] EVENSKY_EXPORT EdgeMethod stringToEdgeMethod(std::string const& method);

/// Options of the measurement of a mesh.
///
/// Clipping: if centre and scatter are NONE, the first round uses the median and the quartiles, and later ones the mean
/// and the standard deviation of the last round; each looks at all good pixels, as MEANCLIP does. Otherwise each round
/// looks at the pixels that the last one has left, NONE for one of the two means MEDIAN or STDEV, and in the end all
/// good pixels within the last window are used, as astropy's SigmaClip does. The estimator HISTOGRAM clips by itself,
/// and the options of clipping and rmsEstimator must then be the default ones.
struct MeshOptions {
    std::int64_t width = 128;                                 ///< width of a box in pixels
    std::int64_t height = 128;                                ///< height of a box in pixels
    EdgeMethod edge = EdgeMethod::SPREAD;                     ///< how boxes cover the image
    LevelEstimator estimator = LevelEstimator::MEAN;          ///< estimator of the level
    ScatterEstimator rmsEstimator = ScatterEstimator::STDEV;  ///< estimator of the scatter
    double sigmaLow = 3.0;                                    ///< width of the window below its centre, in units of the
                                                              ///< scatter
    double sigmaHigh = 3.0;                   ///< width of the window above its centre; infinity for none
    int rounds = 3;                           ///< largest number of rounds of clipping; 0 for no clipping
    ClipCentre centre = ClipCentre::NONE;     ///< centre of the window
    ClipScatter scatter = ClipScatter::NONE;  ///< unit of its width
    MaskPixel bad = 0;                        ///< bits of the mask that reject a pixel
};

/// Mesh of boxes with a sky level, its error and the scatter of the pixels. Functions with a number of threads throw
/// InvalidParameterError if it is negative.
class EVENSKY_EXPORT BackgroundMesh {
public:
    /// Measure an image, box by box.
    /// @param image    planes as they are stored, of any type, byte order and strides; uint64 is rounded to float64
    /// @param x0, y0   pixel origin of the image in parent coordinates
    /// @param options  see MeshOptions
    /// @param num_threads  number of threads; 0 for the process-wide default
    /// @throws InvalidParameterError if the image has no pixels or no memory, a size, sigma or number of rounds is not
    ///         allowed, an enumerator is unknown, the mask is not of int32 or uint8, options do not go with the
    ///         estimator HISTOGRAM, or the image is smaller than a box and the edge method is CROP
    /// @throws LengthError if a box would have 2^31 pixels or more
    BackgroundMesh(StoredImage const& image, std::int64_t x0, std::int64_t y0, MeshOptions const& options,
                   int num_threads = 0);
    /// Measure an image. The other parameters and exceptions are those of the constructor above.
    template <typename T>
    BackgroundMesh(MaskedImageView<T const> const& image, std::int64_t x0, std::int64_t y0, MeshOptions const& options,
                   int num_threads = 0)
            : BackgroundMesh(StoredImage(image), x0, y0, options, num_threads) {}

    /// Make a mesh of the values of its boxes, such as those of another mesh that were changed, or that were measured
    /// in parts of the image.
    /// @param bbox     box of the image
    /// @param options  the size of a box and `edge` tell which pixels belong to which box; the rest has no effect
    /// @param level, error, rms  values of the boxes
    /// @param number   number of pixels that clipping has left in each box; good() has the same numbers
    /// @throws InvalidParameterError if the box is empty, or an option is not allowed
    /// @throws LengthError if the planes do not have a value for each box
    BackgroundMesh(Box const& bbox, MeshOptions const& options, ImageView<double const> const& level,
                   ImageView<double const> const& error, ImageView<double const> const& rms,
                   ImageView<std::int64_t const> const& number);

    /// Replace the boxes in which more than a percentage of the pixels is masked, not finite or clipped, and those
    /// without a good pixel, by the mean of the ten nearest other boxes, weighted by the inverse of their distance in
    /// boxes; further boxes at the distance of the tenth count, too. The error of a replaced box is NaN.
    /// @param exclude_percentile  0 to 100; 100 replaces only the boxes without a good pixel
    /// @param num_threads         number of threads; 0 for the process-wide default
    /// @return the number of boxes that were replaced; 0 if no box has a good pixel
    /// @throws InvalidParameterError if `exclude_percentile` is not in 0 .. 100
    /// @throws RuntimeError if boxes have good pixels, but all are excluded
    std::int64_t fill(double exclude_percentile, int num_threads = 0);

    /// Replace level and scatter of each box by the medians of those in a window of boxes about it, which is cut at the
    /// edges of the mesh. Errors stay as they are.
    /// @param height, width  size of the window in boxes, odd
    /// @param threshold      replace only boxes whose level is above this; none for all boxes
    /// @param num_threads    number of threads; 0 for the process-wide default
    /// @throws InvalidParameterError if a size is not odd and positive, or the threshold is NaN
    void filter(std::int64_t height, std::int64_t width, std::optional<double> threshold = std::nullopt,
                int num_threads = 0);

    /// Replace the boxes of which less than a fraction of the pixels is good, and those without a level, by the mean of
    /// the nearest other box, or of those that are equally near; distances are in boxes. This is what sep does, with a
    /// fraction of 0.5. The error of a replaced box is NaN.
    /// @param least_good   fraction, 0 to 1, of the pixels of the image in a box that must be good
    /// @param num_threads  number of threads; 0 for the process-wide default
    /// @return the number of boxes that were replaced; if no box remains, all levels and scatters are NaN
    /// @throws InvalidParameterError if `least_good` is not in 0 .. 1
    std::int64_t fillFromNearest(double least_good, int num_threads = 0);

    /// Replace level and scatter of each box by the medians of those in a window of boxes about it, as sep does: at the
    /// edges of the mesh, the window is made smaller on both sides, so that its centre stays. Errors stay as they are,
    /// and so do boxes without a level; they, and scatters that are NaN, are left out of the windows of others.
    /// @param height, width  size of the window in boxes, odd
    /// @param least_change   replace only boxes whose level changes by this or more; in the unit of the pixels
    /// @param num_threads    number of threads; 0 for the process-wide default
    /// @throws InvalidParameterError if a size is not odd and positive, or the least change is NaN
    void filterCentred(std::int64_t height, std::int64_t width, double least_change = 0.0, int num_threads = 0);

    /// Interpolate the levels, first along columns of boxes, then along rows of pixels, as Background::getImage does.
    /// @param out   output, with any strides; T is float or double
    /// @param bbox  box to evaluate, in parent coordinates; inside the box of the image, and of the size of out
    /// @param interpStyle       interpolation style
    /// @param undersampleStyle  action if there are too few boxes for the style
    /// @param num_threads       number of threads; 0 for the process-wide default
    /// @return the styles that were used
    /// @throws InvalidParameterError as Background::getImage does
    /// @throws OutOfRangeError as Background::getImage does
    /// @throws LengthError as Background::getImage does
    template <typename T>
    AsUsed getImage(ImageView<T> const& out, Box const& bbox, Interpolate::Style interpStyle,
                    UndersampleStyle undersampleStyle, int num_threads = 0) const;
    /// Interpolate the scatter, which is nowhere negative: where a spline overshoots, it is 0. Parameters, result and
    /// exceptions are those of getImage.
    template <typename T>
    AsUsed getRmsImage(ImageView<T> const& out, Box const& bbox, Interpolate::Style interpStyle,
                       UndersampleStyle undersampleStyle, int num_threads = 0) const;

    /// Interpolate the levels by the bicubic spline of sep, first along columns of boxes, then along rows of pixels.
    /// Between two boxes it is a cubic, whose second derivatives are those of a natural spline for up to three boxes in
    /// a line; for more, they differ, as sep's do. Boxes are taken to have the full size, and are centred on their
    /// middle along x, and half a pixel above it along y. If there is only one row of boxes, the image is linear.
    /// @param out   output, with any strides; T is float or double
    /// @param bbox  box to evaluate, in parent coordinates; inside the box of the image, and of the size of out
    /// @param num_threads  number of threads; 0 for the process-wide default
    /// @throws InvalidParameterError if the edge method is SPREAD, whose boxes may have different sizes, or `out`
    ///         has no memory
    /// @throws LengthError if the box is not inside that of the image, or the sizes differ
    template <typename T>
    void getSplineImage(ImageView<T> const& out, Box const& bbox, int num_threads = 0) const;
    /// Interpolate the scatter, which is nowhere negative: where the spline overshoots, it is 0. Parameters and
    /// exceptions are those of getSplineImage.
    template <typename T>
    void getSplineRmsImage(ImageView<T> const& out, Box const& bbox, int num_threads = 0) const;

    [[nodiscard]] Box const& getImageBBox() const noexcept { return _bbox; }  ///< Box of the image.
    /// Return the centres of the boxes in x, in parent coordinates.
    [[nodiscard]] std::vector<double> getBinCentersX() const { return _x.centersFrom(_bbox.x0); }
    /// Return the centres of the boxes in y.
    [[nodiscard]] std::vector<double> getBinCentersY() const { return _y.centersFrom(_bbox.y0); }
    /// Return the level of each box.
    [[nodiscard]] ImageView<double const> level() const noexcept { return viewOf(_level); }
    /// Return the error of the level of each box as measured; NaN for boxes that were replaced.
    [[nodiscard]] ImageView<double const> error() const noexcept { return viewOf(_error); }
    /// Return the scatter of the pixels of each box.
    [[nodiscard]] ImageView<double const> rms() const noexcept { return viewOf(_rms); }
    /// Return the number of pixels that clipping has left in each box; 0 if it has no level.
    [[nodiscard]] ImageView<std::int64_t const> number() const noexcept { return viewOf(_number); }
    /// Return the number of good pixels of each box.
    [[nodiscard]] ImageView<std::int64_t const> good() const noexcept { return viewOf(_good); }

private:
    template <typename T>
    [[nodiscard]] ImageView<T const> viewOf(std::vector<T> const& values) const noexcept {
        return {values.data(), nx(), ny()};
    }
    [[nodiscard]] std::ptrdiff_t nx() const noexcept { return static_cast<std::ptrdiff_t>(_x.centers.size()); }
    [[nodiscard]] std::ptrdiff_t ny() const noexcept { return static_cast<std::ptrdiff_t>(_y.centers.size()); }
    [[nodiscard]] double pixelsOf(std::ptrdiff_t i, std::ptrdiff_t j) const noexcept;
    template <typename T>
    AsUsed evaluate(std::vector<double> const& values, bool positive, ImageView<T> const& out, Box const& bbox,
                    Interpolate::Style interpStyle, UndersampleStyle undersampleStyle, int num_threads) const;

    template <typename T>
    void evaluateSpline(std::vector<double> const& values, bool positive, ImageView<T> const& out, Box const& bbox,
                        int num_threads) const;

    Box _bbox;
    MeshOptions _options;
    BinGrid _x, _y;
    std::vector<double> _level, _error, _rms;
    std::vector<std::int64_t> _number, _good;
};

}  // namespace evensky
