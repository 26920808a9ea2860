#pragma once

/// @file
/// Backgrounds: statistics of an image in a grid of bins, and smooth models through them.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "evensky/approximate.hpp"
#include "evensky/box.hpp"
#include "evensky/export.hpp"
#include "evensky/interpolate.hpp"
#include "evensky/statistics.hpp"
#include "evensky/stored.hpp"
#include "evensky/view.hpp"

namespace evensky {

/// Action if there are too few bins for the interpolation style.
enum UndersampleStyle : int {
    THROW_EXCEPTION = 0,      ///< throw an exception
    REDUCE_INTERP_ORDER = 1,  ///< use the most flexible style that the bins allow
    INCREASE_NXNYSAMPLE = 2   ///< make the bins smaller; only matchBackgrounds can do this, a Background throws
};

/// Return the undersample style with a given name, such as "REDUCE_INTERP_ORDER".
/// @throws NotFoundError if the name is unknown; the message lists the known ones
[[nodiscard]] EVENSKY_EXPORT UndersampleStyle stringToUndersampleStyle(std::string const& style);

/// Options of making and evaluating a background. It holds copies of the statistics and approximation controls that it
/// is given; copies of a BackgroundControl share the ones that it holds. A control must not be modified while another
/// thread uses it.
class EVENSKY_EXPORT BackgroundControl {
public:
    /// @param style             interpolation style
    /// @param nxSample, nySample  numbers of bins in x and y, > 0
    /// @param undersampleStyle  action if there are too few bins for the style
    /// @param sctrl             options of the statistics, among them the bits of bad pixels; null for the defaults
    /// @param prop              statistic to measure in each bin, such as MEAN, MEDIAN or MEANCLIP
    /// @param actrl             approximation to evaluate in place of the interpolation; null for none
    /// @throws LengthError if nxSample or nySample is <= 0
    /// @throws InvalidParameterError for NUM_STYLES, which is a number of styles
    BackgroundControl(Interpolate::Style style, int nxSample, int nySample, UndersampleStyle undersampleStyle,
                      std::shared_ptr<StatisticsControl const> const& sctrl, Property prop,
                      std::shared_ptr<ApproximateControl const> const& actrl);

    /// Make a control with the style AKIMA_SPLINE, the undersample style THROW_EXCEPTION and no approximation.
    explicit BackgroundControl(int nxSample = 10, int nySample = 10,
                               StatisticsControl const& sctrl = StatisticsControl(), Property prop = MEANCLIP);

    /// Return the interpolation style.
    [[nodiscard]] Interpolate::Style getInterpStyle() const noexcept { return _style; }
    [[nodiscard]] int getNxSample() const noexcept { return _nxSample; }  ///< Number of bins in x.
    [[nodiscard]] int getNySample() const noexcept { return _nySample; }  ///< Number of bins in y.
    /// Return the action if there are too few bins.
    [[nodiscard]] UndersampleStyle getUndersampleStyle() const noexcept { return _undersampleStyle; }
    /// Return the options of the statistics; never null. Changes to this object affect later measurements, changes to
    /// the object that was given do not.
    [[nodiscard]] std::shared_ptr<StatisticsControl> const& getStatisticsControl() const noexcept { return _sctrl; }
    /// Return the statistic to measure in each bin.
    [[nodiscard]] Property getStatisticsProperty() const noexcept { return _prop; }
    /// Return the approximation to evaluate; never null, but of style UNKNOWN if there is none. Changes to this object
    /// affect later models, changes to the object that was given do not.
    [[nodiscard]] std::shared_ptr<ApproximateControl> const& getApproximateControl() const noexcept { return _actrl; }

    /// Set the interpolation style. @throws InvalidParameterError for NUM_STYLES, which is a number of styles
    void setInterpStyle(Interpolate::Style style);
    void setNxSample(int nxSample);  ///< @throws LengthError if <= 0
    void setNySample(int nySample);  ///< @throws LengthError if <= 0
    /// Set the action if there are too few bins.
    void setUndersampleStyle(UndersampleStyle undersampleStyle) noexcept { _undersampleStyle = undersampleStyle; }
    /// Set the options of the statistics, which are copied; null sets the defaults.
    void setStatisticsControl(std::shared_ptr<StatisticsControl const> const& sctrl);
    /// Set the statistic to measure in each bin.
    void setStatisticsProperty(Property prop) noexcept { _prop = prop; }
    /// Set the approximation to evaluate, which is copied; null sets none.
    void setApproximateControl(std::shared_ptr<ApproximateControl const> const& actrl);

private:
    Interpolate::Style _style;
    int _nxSample;
    int _nySample;
    UndersampleStyle _undersampleStyle;
    std::shared_ptr<StatisticsControl> _sctrl;
    Property _prop;
    std::shared_ptr<ApproximateControl> _actrl;
};

/// Bins along one axis of a box of pixels.
///
/// If n bins cover W pixels evenly, bin i ends (exclusive) at min(((i + 1) W + n/2) / n, W) in integer arithmetic, and
/// starts at the end of the one before; its centre is start + size/2 - 1/2.
struct EVENSKY_EXPORT BinGrid {
    std::vector<std::int64_t> edges;  ///< n + 1 edges, from 0 to W
    std::vector<double> centers;      ///< n centres, in pixels from the corner of the box

    /// Make `count` bins that cover `size` pixels evenly.
    /// @throws InvalidParameterError if count <= 0, or a bin would have no pixels
    static BinGrid evenly(std::int64_t size, int count);
    /// Make bins of `binSize` pixels from the lower edge on; the last one may be shorter. There are none if size <= 0.
    /// @throws InvalidParameterError if binSize <= 0
    /// @throws LengthError if there would be 2^31 bins or more
    static BinGrid steps(std::int64_t size, std::int64_t binSize);
    /// Return the centres for bins whose first pixel is at `start`.
    [[nodiscard]] std::vector<double> centersFrom(std::int64_t start) const;
};

/// Styles that were used for the grid as a whole. Single columns or rows with fewer good bins than the style needs may
/// have used simpler ones.
struct AsUsed {
    Interpolate::Style interpStyle = Interpolate::UNKNOWN;  ///< UNKNOWN if an approximation was evaluated
    UndersampleStyle undersampleStyle = THROW_EXCEPTION;    ///< as requested
};

/// Background of an image. Several threads may evaluate it at once as long as none modifies the grid or the control.
class EVENSKY_EXPORT Background {
public:
    /// Measure the statistic of the control in each bin of an image, and its error, which goes to the variance plane of
    /// the grid. Pixels with a bit of the `andMask` of the statistics control are ignored, and so are NaN and infinite
    /// pixels if it is NaN-safe. The value of a bin without a good pixel is NaN. The grid is of float32, so values
    /// below 1e-45 are 0 in it, and those above 3.4e38 infinite.
    /// @param image  image to measure; T is float, double, int16, int32, uint16 or uint64
    /// @param x0, y0  pixel origin of the image in parent coordinates
    /// @param bctrl  options; copied
    /// @param num_threads  number of threads; 0 for the process-wide default
    /// @throws InvalidParameterError if a bin has no pixels ("Image contains no pixels")
    template <typename T>
    Background(MaskedImageView<T const> const& image, std::int64_t x0, std::int64_t y0, BackgroundControl const& bctrl,
               int num_threads = 0);

    /// Measure planes as they are stored, such as those of a file in memory, of any byte order and strides. The result
    /// is bit-identical to that of a converted copy. The other parameters and exceptions are those of the constructor
    /// above.
    /// @throws InvalidParameterError also if the mask is not of int32 or uint8, or the variance is not of float
    Background(StoredImage const& image, std::int64_t x0, std::int64_t y0, BackgroundControl const& bctrl,
               int num_threads = 0);

    /// Make a background from its parts, with a default control.
    /// @param imageBBox   box of pixels that the bins cover
    /// @param statsImage  grid of values, masks and errors; copied
    /// @throws InvalidParameterError if there are more bins than pixels, 2^31 bins or more along a side, no bins or
    ///         pixels, or statsImage has no memory
    /// @throws LengthError if the planes differ in size, or the box reaches beyond the largest coordinate
    Background(Box const& imageBBox, MaskedImageView<float const> const& statsImage);
    /// Make a background from its parts, with a control, whose numbers of bins are ignored.
    Background(Box const& imageBBox, MaskedImageView<float const> const& statsImage, BackgroundControl const& bctrl);

    /// Evaluate the approximation if the control of the background has one, whatever the styles. Otherwise interpolate
    /// the grid, first along columns of bins, then along rows of pixels; T is float or double, but the
    /// computation is in double. Bins that are NaN are ignored, and columns of bins without a good one are bridged by
    /// their neighbours, or throw if `undersampleStyle` is THROW_EXCEPTION. The model is NaN if no bin is good.
    /// @param out   output, with any strides
    /// @param bbox  box to evaluate, in parent coordinates; inside the box of the image, and of the size of out
    /// @param interpStyle       interpolation style
    /// @param undersampleStyle  action if there are too few bins for the style
    /// @param num_threads       number of threads; 0 for the process-wide default
    /// @return the styles that were used
    /// @throws InvalidParameterError if there are too few bins, and `undersampleStyle` does not allow a simpler style
    /// @throws OutOfRangeError if a column or row has too few good bins for the style, and `undersampleStyle` is
    ///         THROW_EXCEPTION; the message names the column
    /// @throws LengthError if bbox is not inside the box of the image, or differs in size from out
    /// @throws InvalidParameterError if out has pixels but no memory
    template <typename T>
    AsUsed getImage(ImageView<T> const& out, Box const& bbox, Interpolate::Style interpStyle,
                    UndersampleStyle undersampleStyle, int num_threads = 0) const;

    /// Evaluate the approximation of a control if it has one; otherwise interpolate with its styles. Its numbers of
    /// bins are ignored.
    template <typename T>
    AsUsed getImage(ImageView<T> const& out, Box const& bbox, BackgroundControl const& bctrl,
                    int num_threads = 0) const;

    /// Evaluate the model with the control of the background.
    template <typename T>
    AsUsed getImage(ImageView<T> const& out, Box const& bbox, int num_threads = 0) const;

    /// Fit a Chebyshev model to the grid. Throws the exceptions of the constructor of Approximate.
    [[nodiscard]] Approximate getApproximate(ApproximateControl const& actrl) const;

    /// Return a view of the grid; changes to it affect all later models.
    [[nodiscard]] MaskedImageView<float> statsImage() noexcept;
    /// Return a constant view of the grid.
    [[nodiscard]] MaskedImageView<float const> statsImage() const noexcept;

    /// Return the box of the image.
    [[nodiscard]] Box const& getImageBBox() const noexcept { return _bbox; }
    /// Return the x positions of the centres of the bins, in parent coordinates.
    [[nodiscard]] std::vector<double> getBinCentersX() const { return _x.centersFrom(_bbox.x0); }
    /// Return the y positions of these centres.
    [[nodiscard]] std::vector<double> getBinCentersY() const { return _y.centersFrom(_bbox.y0); }
    /// Return the control of the background, a copy of the one that was given; changes to it affect all later models.
    [[nodiscard]] std::shared_ptr<BackgroundControl> const& getBackgroundControl() const noexcept { return _bctrl; }

    /// Add a constant to every bin.
    Background& operator+=(float delta) noexcept;
    /// Subtract a constant from every bin.
    Background& operator-=(float delta) noexcept { return *this += -delta; }

private:
    friend class GridEvaluator;
    void allocate();
    template <typename T>
    AsUsed evaluate(ImageView<T> const& out, Box const& bbox, Interpolate::Style interpStyle,
                    UndersampleStyle undersampleStyle, ApproximateControl const& actrl, int num_threads) const;

    Box _bbox;
    std::shared_ptr<BackgroundControl> _bctrl;
    BinGrid _x, _y;
    std::vector<float> _values, _errors;
    std::vector<MaskPixel> _masks;
};

}  // namespace evensky
