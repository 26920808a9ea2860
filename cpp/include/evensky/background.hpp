#pragma once

/// @file
/// A background: statistics of an image in a grid of bins, and smooth models through them.

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
#include "evensky/view.hpp"

namespace evensky {

/// What to do where there are too few bins for the interpolation style.
enum UndersampleStyle : int {
    THROW_EXCEPTION = 0,      ///< throw an exception
    REDUCE_INTERP_ORDER = 1,  ///< take the most flexible style that the bins allow
    INCREASE_NXNYSAMPLE = 2   ///< make the bins smaller: for matchBackgrounds only; a Background throws instead
};

/// "REDUCE_INTERP_ORDER" -> REDUCE_INTERP_ORDER etc. @throws NotFoundError that lists the known names
[[nodiscard]] EVENSKY_EXPORT UndersampleStyle stringToUndersampleStyle(std::string const& style);

/// How to make and evaluate a background. The statistics and approximation controls inside are shared, not copied.
class EVENSKY_EXPORT BackgroundControl {
public:
    /// @param style             how to interpolate between bins
    /// @param nxSample, nySample  number of bins, > 0
    /// @param undersampleStyle  what to do where that is too few for the style
    /// @param sctrl             how to measure a bin; null: the defaults
    /// @param prop              what to measure: MEAN, MEDIAN, MEANCLIP, ...
    /// @param actrl             evaluate this approximation instead of the interpolation; null: do not
    /// @throws LengthError where nxSample or nySample is <= 0
    /// @throws InvalidParameterError for the style NUM_STYLES, which is a count
    BackgroundControl(Interpolate::Style style, int nxSample, int nySample, UndersampleStyle undersampleStyle,
                      std::shared_ptr<StatisticsControl> sctrl, Property prop,
                      std::shared_ptr<ApproximateControl> actrl);

    /// The same with Akima splines, THROW_EXCEPTION and no approximation.
    explicit BackgroundControl(int nxSample = 10, int nySample = 10,
                               StatisticsControl const& sctrl = StatisticsControl(), Property prop = MEANCLIP);

    /// How to interpolate between bins.
    [[nodiscard]] Interpolate::Style getInterpStyle() const noexcept { return _style; }
    [[nodiscard]] int getNxSample() const noexcept { return _nxSample; }  ///< Number of bins in x.
    [[nodiscard]] int getNySample() const noexcept { return _nySample; }  ///< Number of bins in y.
    /// What to do where bins are too few.
    [[nodiscard]] UndersampleStyle getUndersampleStyle() const noexcept { return _undersampleStyle; }
    /// How to measure a bin; never null, shared with whoever gave it.
    [[nodiscard]] std::shared_ptr<StatisticsControl> const& getStatisticsControl() const noexcept { return _sctrl; }
    /// What to measure in a bin.
    [[nodiscard]] Property getStatisticsProperty() const noexcept { return _prop; }
    /// The approximation to evaluate; never null, of style UNKNOWN for none.
    [[nodiscard]] std::shared_ptr<ApproximateControl> const& getApproximateControl() const noexcept { return _actrl; }

    /// How to interpolate between bins. @throws InvalidParameterError for NUM_STYLES, which is a count
    void setInterpStyle(Interpolate::Style style);
    void setNxSample(int nxSample);  ///< @throws LengthError where <= 0
    void setNySample(int nySample);  ///< @throws LengthError where <= 0
    /// What to do where bins are too few.
    void setUndersampleStyle(UndersampleStyle undersampleStyle) noexcept { _undersampleStyle = undersampleStyle; }
    void setStatisticsControl(std::shared_ptr<StatisticsControl> sctrl);  ///< null: the defaults
    /// What to measure in a bin.
    void setStatisticsProperty(Property prop) noexcept { _prop = prop; }
    void setApproximateControl(std::shared_ptr<ApproximateControl> actrl);  ///< null: none

private:
    Interpolate::Style _style;
    int _nxSample;
    int _nySample;
    UndersampleStyle _undersampleStyle;
    std::shared_ptr<StatisticsControl> _sctrl;
    Property _prop;
    std::shared_ptr<ApproximateControl> _actrl;
};

/// A grid of bins over a box of pixels.
///
/// With n bins over W pixels, bin i ends (exclusive) at min(((i + 1) W + n/2) / n, W) and starts where the one before
/// ended; its centre is start + size/2 - 1/2.
struct EVENSKY_EXPORT BinGrid {
    std::vector<std::int64_t> edges;  ///< n + 1 of them, from 0 to W
    std::vector<double> centers;      ///< n, in pixels from the box's corner

    /// @throws InvalidParameterError where a bin would have no pixels
    static BinGrid evenly(std::int64_t size, int count);
    /// Bins of `binSize` pixels from the lower edge; the last one may be shorter. No bins where size <= 0.
    /// @throws InvalidParameterError where binSize <= 0
    static BinGrid steps(std::int64_t size, std::int64_t binSize);
};

/// Which style was used for the grid as a whole, after undersampling was dealt with. A single column or row that has
/// fewer good bins than the style needs takes a simpler one.
struct AsUsed {
    Interpolate::Style interpStyle = Interpolate::UNKNOWN;  ///< UNKNOWN: an approximation was evaluated
    UndersampleStyle undersampleStyle = THROW_EXCEPTION;    ///< as asked for
};

/// A background. Evaluation is const and safe from many threads; editing the grid while it is evaluated is not.
class EVENSKY_EXPORT Background {
public:
    /// Measure an image: the control's property in each bin, its error in the grid's variance plane.
    /// @param image  T one of float, double, int32, uint16, uint64
    /// @param x0, y0  pixel origin of the image in its parent's coordinates
    /// @param bctrl  number of bins, what to measure, how to evaluate; copied
    /// @param num_threads  0 for the process-wide default
    /// @throws InvalidParameterError where a bin has no pixels ("Image contains no pixels")
    template <typename T>
    Background(MaskedImageView<T const> const& image, std::int64_t x0, std::int64_t y0, BackgroundControl const& bctrl,
               int num_threads = 0);

    /// Rebuild one from its parts, with the control's defaults.
    /// @param imageBBox   the pixels that the bins are spread over
    /// @param statsImage  the grid of values, mask and errors; copied
    /// @throws InvalidParameterError where there are more bins than pixels, or none of either
    /// @throws LengthError where planes differ in size
    Background(Box const& imageBBox, MaskedImageView<float const> const& statsImage);
    /// The same with a control, whose numbers of bins do not matter.
    Background(Box const& imageBBox, MaskedImageView<float const> const& statsImage, BackgroundControl const& bctrl);

    /// Write the model to `out`, the interpolated grid: columns of bins first, then each row, in float64 until the end.
    /// Bins that are NaN are left out, and columns without any other are bridged by their neighbours (THROW_EXCEPTION
    /// throws instead); where no bin at all is good the model is NaN. If the control has an ApproximateControl the
    /// approximation is evaluated instead.
    /// @param out   where to; T is float or double, any strides
    /// @param bbox  where, in the parent's coordinates; must be inside the image's box and of the size of out
    /// @param interpStyle       how to interpolate between bins
    /// @param undersampleStyle  what to do where bins are too few
    /// @param num_threads       0 for the process-wide default
    /// @return the style that was used
    /// @throws InvalidParameterError where there are too few bins and `undersampleStyle` says so
    /// @throws OutOfRangeError where a column or row has too few good bins for the style and `undersampleStyle` is
    ///         THROW_EXCEPTION; the message says which
    /// @throws LengthError where bbox is not inside the image's box or not of the size of out
    template <typename T>
    AsUsed getImage(ImageView<T> const& out, Box const& bbox, Interpolate::Style interpStyle,
                    UndersampleStyle undersampleStyle, int num_threads = 0) const;

    /// The same as a control says: its styles, or its approximation. Its numbers of bins do not matter.
    template <typename T>
    AsUsed getImage(ImageView<T> const& out, Box const& bbox, BackgroundControl const& bctrl,
                    int num_threads = 0) const;

    /// The same with the background's own control.
    template <typename T>
    AsUsed getImage(ImageView<T> const& out, Box const& bbox, int num_threads = 0) const;

    /// Chebyshev model of the grid. @throws as Approximate
    [[nodiscard]] Approximate getApproximate(ApproximateControl const& actrl) const;

    /// The grid, live: what is written to it is what later models go through.
    [[nodiscard]] MaskedImageView<float> statsImage() noexcept;
    /// The same, for reading only.
    [[nodiscard]] MaskedImageView<float const> statsImage() const noexcept;

    /// The pixels that the bins are spread over.
    [[nodiscard]] Box const& getImageBBox() const noexcept { return _bbox; }
    /// Positions of the bins' centres in the parent's coordinates.
    [[nodiscard]] std::vector<double> getBinCentersX() const;
    [[nodiscard]] std::vector<double> getBinCentersY() const;  ///< Likewise, in y.
    /// The background's own copy of its control, live: what is set there is what later models are made with.
    [[nodiscard]] std::shared_ptr<BackgroundControl> const& getBackgroundControl() const noexcept { return _bctrl; }

    /// Add a constant to every bin.
    Background& operator+=(float delta) noexcept;
    /// Subtract a constant from every bin.
    Background& operator-=(float delta) noexcept { return *this += -delta; }

private:
    friend class GridEvaluator;
    void allocate();

    Box _bbox;
    std::shared_ptr<BackgroundControl> _bctrl;
    BinGrid _x, _y;
    std::vector<float> _values, _errors;
    std::vector<MaskPixel> _masks;
};

}  // namespace evensky
