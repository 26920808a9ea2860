#pragma once

/// @file
/// Statistics of images under masks, with weights and errors.
///
/// **Good pixels.** A pixel is good if it has no bit of `andMask` (`mask & andMask == 0`) and, if the control is
/// NaN-safe, if its value is finite as a float32. If weights are taken from the variance plane, a pixel whose variance
/// is not > 0 is not good.
///
/// **NaN and empty images.** Without a good pixel, the moments, order statistics and extremes are NaN, and NPOINT and
/// SUM are 0. An image without pixels is an error. If the control is not NaN-safe and a good pixel is NaN, the moments,
/// order statistics and extremes are NaN, and no pixel survives clipping.
///
/// **Threads.** All functions are safe to call at the same time on the same input. Results are bit-identical for any
/// number of threads.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "evensky/export.hpp"
#include "evensky/properties.hpp"
#include "evensky/stored.hpp"
#include "evensky/view.hpp"

namespace evensky {

/// Options of the computation.
class EVENSKY_EXPORT StatisticsControl {
public:
    /// Whether to weight pixels. UNSET: by the weights image if there is one, but not by the variance plane. TRUE_: by
    /// the weights image or, without one, by 1 / variance; without either, weighted results are NaN. FALSE_: no.
    enum class WeightsBoolean { UNSET, FALSE_, TRUE_ };

    /// @param numSigmaClip  half-width of the clipping window in standard deviations, > 0
    /// @param numIter       number of clipping rounds, > 0
    /// @param andMask       a pixel with any of these bits is rejected
    /// @param isNanSafe     reject pixels that are not finite
    /// @param useWeights    whether to weight pixels
    /// @throws InvalidParameterError if a number is not > 0
    explicit StatisticsControl(double numSigmaClip = 3.0, int numIter = 3, MaskPixel andMask = 0, bool isNanSafe = true,
                               WeightsBoolean useWeights = WeightsBoolean::UNSET);

    [[nodiscard]] double getNumSigmaClip() const noexcept { return _numSigmaClip; }  ///< Half-width of the window.
    [[nodiscard]] int getNumIter() const noexcept { return _numIter; }               ///< Number of clipping rounds.
    /// Return the least half-width of the clipping window, in the unit of the pixels.
    [[nodiscard]] double getLeastHalfWidth() const noexcept { return _leastHalfWidth; }
    [[nodiscard]] MaskPixel getAndMask() const noexcept { return _andMask; }  ///< Bits that reject pixels.
    [[nodiscard]] bool getNanSafe() const noexcept { return _isNanSafe; }     ///< Whether NaN is rejected.
    /// Return whether pixels are weighted; false if this is unset.
    [[nodiscard]] bool getWeighted() const noexcept { return _useWeights == WeightsBoolean::TRUE_; }
    /// Return whether weighting was switched on or off.
    [[nodiscard]] bool getWeightedIsSet() const noexcept { return _useWeights != WeightsBoolean::UNSET; }
    /// Return whether to weight pixels, or UNSET.
    [[nodiscard]] WeightsBoolean getUseWeights() const noexcept { return _useWeights; }
    /// Return the setting of setCalcErrorFromInputVariance.
    [[nodiscard]] bool getCalcErrorFromInputVariance() const noexcept { return _calcErrorFromInputVariance; }
    /// Return the setting of setCalcErrorMosaicMode.
    [[nodiscard]] bool getCalcErrorMosaicMode() const noexcept { return _calcErrorMosaicMode; }
    /// Return the bits for pixels of a combined image that have no good input; for code that combines images.
    [[nodiscard]] MaskPixel getNoGoodPixelsMask() const noexcept { return _noGoodPixelsMask; }
    /// Return the threshold of a bit; 1.0 if none was set. @throws OutOfRangeError if `bit` is not in 0 .. 31
    [[nodiscard]] double getMaskPropagationThreshold(int bit) const;
    /// Return the thresholds that were set, by bit.
    [[nodiscard]] std::array<std::optional<double>, 32> const& getMaskPropagationThresholds() const noexcept {
        return _maskPropagationThresholds;
    }

    void setNumSigmaClip(double numSigmaClip);  ///< @throws InvalidParameterError if not > 0
    void setNumIter(int numIter);               ///< @throws InvalidParameterError if not > 0
    /// Set the least half-width of the clipping window. Where pixels are multiples of a step that exceeds their noise,
    /// most are equal, and a window derived from their scatter rejects all others.
    /// @throws InvalidParameterError if it is negative or not finite
    void setLeastHalfWidth(double leastHalfWidth);
    /// Reject pixels with any of these bits.
    void setAndMask(MaskPixel andMask) noexcept { _andMask = andMask; }
    /// Set whether to reject pixels that are not finite as float32.
    void setNanSafe(bool isNanSafe) noexcept { _isNanSafe = isNanSafe; }
    /// Switch weighting on or off.
    void setWeighted(bool useWeights) noexcept {
        _useWeights = useWeights ? WeightsBoolean::TRUE_ : WeightsBoolean::FALSE_;
    }
    /// Switch weighting on or off, or unset it.
    void setUseWeights(WeightsBoolean useWeights) noexcept { _useWeights = useWeights; }
    /// Set whether errors of means are computed from the variance plane: sqrt(sum w^2 var) / W. Without a variance
    /// plane, these errors are NaN.
    void setCalcErrorFromInputVariance(bool calcErrorFromInputVariance) noexcept {
        _calcErrorFromInputVariance = calcErrorFromInputVariance;
    }
    /// Set whether errors of means are computed from the weighted mean of the variances: sqrt(sum w var / W). Without a
    /// variance plane, these errors are NaN.
    void setCalcErrorMosaicMode(bool calcErrorMosaicMode) noexcept { _calcErrorMosaicMode = calcErrorMosaicMode; }
    /// Set the bits that getNoGoodPixelsMask returns.
    void setNoGoodPixelsMask(MaskPixel noGoodPixelsMask) noexcept { _noGoodPixelsMask = noGoodPixelsMask; }
    /// Put a bit into the OR mask if the rejected pixels that have it hold more than the fraction `threshold` of the
    /// total weight of these and of the good pixels.
    /// @throws OutOfRangeError if `bit` is not in 0 .. 31
    /// @throws InvalidParameterError if `threshold` is negative or not finite
    void setMaskPropagationThreshold(int bit, double threshold);

    /// Return whether all settings are equal.
    friend bool operator==(StatisticsControl const&, StatisticsControl const&) = default;

private:
    double _numSigmaClip;
    int _numIter;
    double _leastHalfWidth = 0.0;
    MaskPixel _andMask;
    bool _isNanSafe;
    WeightsBoolean _useWeights;
    bool _calcErrorFromInputVariance = false;
    bool _calcErrorMosaicMode = false;
    MaskPixel _noGoodPixelsMask = 1 << 8;  // the default number of plane NO_DATA
    std::array<std::optional<double>, 32> _maskPropagationThresholds{};
};

/// Statistics of one image, made by makeStatistics. They are immutable.
class EVENSKY_EXPORT Statistics {
public:
    using Value = std::pair<double, double>;  ///< Value and error.

    Statistics() = default;  ///< No statistics.

    /// Return the value and the error of a property. The error is NaN unless ERRORS was requested. `property` may be
    /// omitted if exactly one was requested.
    /// @throws InvalidParameterError if the property was not requested
    [[nodiscard]] Value getResult(Property property = NOTHING) const;
    /// Return the value of a property. Parameter and exceptions are those of getResult.
    [[nodiscard]] double getValue(Property property = NOTHING) const { return getResult(property).first; }
    /// Return the error of a property. Parameter and exceptions are those of getResult.
    [[nodiscard]] double getError(Property property = NOTHING) const { return getResult(property).second; }

    /// Return the OR of the mask over the good pixels, with the bits that the control's thresholds propagate.
    [[nodiscard]] MaskPixel getOrMask() const noexcept { return _orMask; }
    /// Return the properties that were requested.
    [[nodiscard]] int getFlags() const noexcept { return _flags; }
    /// Return the number of good pixels, which is always known.
    [[nodiscard]] std::int64_t getNumGood() const noexcept { return _numGood; }

private:
    friend class StatisticsBuilder;
    int _flags = 0;
    MaskPixel _orMask = 0;
    std::int64_t _numGood = 0;
    std::array<Value, propertyTable.size()> _results{};  // by row of the table
};

/// Compute statistics of an image; T is float, double, int16, int32, uint16 or uint64. Quantiles of floating-point
/// pixels are interpolated linearly; an integer v stands for the range from v - 0.5 to v + 0.5, so that the quartiles
/// of equal integers are 0.5 apart. Pixels whose squares would overflow, or be too small, are divided by a power of two
/// meanwhile; a result that float64 cannot hold, such as the variance of pixels of 1e-165, is 0 or infinite. T is
/// deduced from views of constant pixels; write makeStatistics<float>(view, ...) for others.
/// @param image        image with its mask and variance, if they exist
/// @param flags        properties to compute, OR-ed
/// @param sctrl        options of the computation
/// @param num_threads  number of threads; 0 for the process-wide default
/// @throws InvalidParameterError if the image has no pixels or no memory, both ways of computing errors are switched
///         on, flags are unknown, num_threads < 0,
///         or the planes differ in size
/// @throws LengthError if the image has 2^62 pixels or more
template <typename T>
[[nodiscard]] EVENSKY_EXPORT Statistics makeStatistics(MaskedImageView<T const> const& image, int flags,
                                                       StatisticsControl const& sctrl = StatisticsControl(),
                                                       int num_threads = 0);

/// Compute statistics of an image with a multiplicative weight for each pixel. Weights are not checked: pixels of
/// weight 0 count in NPOINT, and a weight of NaN makes results NaN. A view without memory stands for no weights. The
/// other parameters and exceptions are those of the function without weights.
/// @throws InvalidParameterError also if weighting is switched off in the control
template <typename T>
[[nodiscard]] EVENSKY_EXPORT Statistics makeStatistics(MaskedImageView<T const> const& image,
                                                       ImageView<WeightPixel const> const& weights, int flags,
                                                       StatisticsControl const& sctrl = StatisticsControl(),
                                                       int num_threads = 0);

/// Compute statistics of planes as they are stored, such as those of a file in memory, of any byte order and strides.
/// Results are bit-identical to those of a converted copy. Planes that do not exist stand for no mask, variance or
/// weights. The other parameters and exceptions are those of the function above.
/// @throws InvalidParameterError also if the mask is not of int32 or uint8, or the variance or the weights are not of
/// float
[[nodiscard]] EVENSKY_EXPORT Statistics makeStatistics(StoredImage const& image, StoredPlane const& weights, int flags,
                                                       StatisticsControl const& sctrl = StatisticsControl(),
                                                       int num_threads = 0);

/// Compute statistics of a mask: NPOINT (number of pixels) and SUM (bitwise OR of all pixels).
/// @throws InvalidParameterError if another property is requested, the mask has no pixels or no memory, or
///         num_threads < 0
/// @throws LengthError if the mask has 2^62 pixels or more
[[nodiscard]] EVENSKY_EXPORT Statistics makeMaskStatistics(ImageView<MaskPixel const> const& mask, int flags,
                                                           int num_threads = 0);

}  // namespace evensky
