#pragma once

/// @file
/// Statistics of images under masks, with weights and errors.
///
/// **Which pixels count ("good").** A pixel is good where `mask & andMask == 0` (a set bit of `andMask` rejects) and,
/// if the control is NaN-safe, where its value is finite as a float32. Where weights are taken from the variance
/// plane, a pixel whose variance is not > 0 is not good.
///
/// **NaN and empty.** Without a good pixel the moments, order statistics and extremes are NaN, NPOINT and SUM are 0.
/// An image of no pixels at all is an error. A control that is not NaN-safe lets NaN through: moments and order
/// statistics are then NaN.
///
/// **Threads.** All functions are safe to call at the same time on the same input; results have the same bits for
/// any number of threads.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "evensky/export.hpp"
#include "evensky/properties.hpp"
#include "evensky/view.hpp"

namespace evensky {

/// How to compute.
class EVENSKY_EXPORT StatisticsControl {
public:
    /// Whether to weight: not said (a weights image is used where one is given, the variance plane is not), yes (by the
    /// weights image or else by 1 / variance; without either every weighted result is NaN), or no.
    enum class WeightsBoolean { UNSET, FALSE_, TRUE_ };

    /// @param numSigmaClip  width of the clipping window in standard deviations, > 0
    /// @param numIter       number of clipping rounds, > 0
    /// @param andMask       a pixel with any of these bits is rejected
    /// @param isNanSafe     reject pixels that are not finite
    /// @param useWeights    whether to weight
    /// @throws InvalidParameterError where a number is not > 0
    explicit StatisticsControl(double numSigmaClip = 3.0, int numIter = 3, MaskPixel andMask = 0, bool isNanSafe = true,
                               WeightsBoolean useWeights = WeightsBoolean::UNSET);

    [[nodiscard]] double getNumSigmaClip() const noexcept { return _numSigmaClip; }  ///< In standard deviations.
    [[nodiscard]] int getNumIter() const noexcept { return _numIter; }               ///< Clipping rounds.
    [[nodiscard]] MaskPixel getAndMask() const noexcept { return _andMask; }         ///< Bits that reject.
    [[nodiscard]] bool getNanSafe() const noexcept { return _isNanSafe; }            ///< Reject what is not finite?
    /// True where weights are asked for; false where they are refused or nothing was said.
    [[nodiscard]] bool getWeighted() const noexcept { return _useWeights == WeightsBoolean::TRUE_; }
    /// True where weights were asked for or refused.
    [[nodiscard]] bool getWeightedIsSet() const noexcept { return _useWeights != WeightsBoolean::UNSET; }
    /// What was said of weights.
    [[nodiscard]] WeightsBoolean getUseWeights() const noexcept { return _useWeights; }
    /// See setCalcErrorFromInputVariance.
    [[nodiscard]] bool getCalcErrorFromInputVariance() const noexcept { return _calcErrorFromInputVariance; }
    /// See setCalcErrorMosaicMode.
    [[nodiscard]] bool getCalcErrorMosaicMode() const noexcept { return _calcErrorMosaicMode; }
    /// Bits that whoever combines images sets where no pixel was good.
    [[nodiscard]] MaskPixel getNoGoodPixelsMask() const noexcept { return _noGoodPixelsMask; }
    /// 1.0 where none was set. @throws OutOfRangeError where `bit` is not in 0 .. 31
    [[nodiscard]] double getMaskPropagationThreshold(int bit) const;
    /// Those that were set, by bit.
    [[nodiscard]] std::array<std::optional<double>, 32> const& getMaskPropagationThresholds() const noexcept {
        return _maskPropagationThresholds;
    }

    void setNumSigmaClip(double numSigmaClip);  ///< @throws InvalidParameterError where not > 0
    void setNumIter(int numIter);               ///< @throws InvalidParameterError where not > 0
    /// A pixel with any of these bits is rejected.
    void setAndMask(MaskPixel andMask) noexcept { _andMask = andMask; }
    /// Reject pixels that are not finite as float32?
    void setNanSafe(bool isNanSafe) noexcept { _isNanSafe = isNanSafe; }
    /// Ask for weights, or refuse them.
    void setWeighted(bool useWeights) noexcept {
        _useWeights = useWeights ? WeightsBoolean::TRUE_ : WeightsBoolean::FALSE_;
    }
    /// Ask for weights, refuse them, or leave it open.
    void setUseWeights(WeightsBoolean useWeights) noexcept { _useWeights = useWeights; }
    /// Errors of means from the variance plane: sqrt(sum w^2 var) / W. Without a variance plane
    /// these errors are NaN.
    void setCalcErrorFromInputVariance(bool calcErrorFromInputVariance) noexcept {
        _calcErrorFromInputVariance = calcErrorFromInputVariance;
    }
    /// Errors of means as the weighted mean of the variances: sqrt(sum w var / W). Without a variance plane
    /// these errors are NaN.
    void setCalcErrorMosaicMode(bool calcErrorMosaicMode) noexcept { _calcErrorMosaicMode = calcErrorMosaicMode; }
    /// See getNoGoodPixelsMask.
    void setNoGoodPixelsMask(MaskPixel noGoodPixelsMask) noexcept { _noGoodPixelsMask = noGoodPixelsMask; }
    /// Put bit `bit` into the OR mask where the weight of rejected pixels having it, over the weight of those and of
    /// the good ones, is greater than `threshold`.
    /// @throws OutOfRangeError where `bit` is not in 0 .. 31
    /// @throws InvalidParameterError where `threshold` is negative or not finite
    void setMaskPropagationThreshold(int bit, double threshold);

    /// True where all settings agree.
    friend bool operator==(StatisticsControl const&, StatisticsControl const&) = default;

private:
    double _numSigmaClip;
    int _numIter;
    MaskPixel _andMask;
    bool _isNanSafe;
    WeightsBoolean _useWeights;
    bool _calcErrorFromInputVariance = false;
    bool _calcErrorMosaicMode = false;
    MaskPixel _noGoodPixelsMask = 1 << 8;  // the default number of plane NO_DATA
    std::array<std::optional<double>, 32> _maskPropagationThresholds{};
};

/// The statistics of one image. Immutable; made by makeStatistics.
class EVENSKY_EXPORT Statistics {
public:
    using Value = std::pair<double, double>;  ///< value, error

    Statistics() = default;  ///< Nothing was asked for.

    /// Value and error of a property; the error is NaN where ERRORS was not asked for. `property` may be left out
    /// where exactly one was asked for.
    /// @throws InvalidParameterError where the property was not asked for
    [[nodiscard]] Value getResult(Property property = NOTHING) const;
    /// The value alone. @throws as getResult
    [[nodiscard]] double getValue(Property property = NOTHING) const { return getResult(property).first; }
    /// The error alone. @throws as getResult
    [[nodiscard]] double getError(Property property = NOTHING) const { return getResult(property).second; }

    /// OR of the mask over the good pixels, and the bits propagated by the control's thresholds.
    [[nodiscard]] MaskPixel getOrMask() const noexcept { return _orMask; }
    /// What was asked for.
    [[nodiscard]] int getFlags() const noexcept { return _flags; }
    /// Number of good pixels, whatever was asked for.
    [[nodiscard]] std::int64_t getNumGood() const noexcept { return _numGood; }

private:
    friend class StatisticsBuilder;
    int _flags = 0;
    MaskPixel _orMask = 0;
    std::int64_t _numGood = 0;
    std::array<Value, propertyTable.size()> _results{};  // by row of the table
};

/// Statistics of an image, T one of float, double, int32, uint16, uint64.
/// @param image        the pixels; planes that do not exist are no constraint
///                     (T is deduced from views of constant pixels; write makeStatistics<float>(view, ...) for others)
/// @param flags        properties, OR-ed
/// @param sctrl        how to compute
/// @param num_threads  0 for the process-wide default
/// @throws InvalidParameterError for an image of no pixels or without memory, both ways of calculating errors at once,
///         unknown flags, or num_threads < 0
/// @throws LengthError where planes differ in size
template <typename T>
[[nodiscard]] EVENSKY_EXPORT Statistics makeStatistics(MaskedImageView<T const> const& image, int flags,
                                                       StatisticsControl const& sctrl = StatisticsControl(),
                                                       int num_threads = 0);

/// The same with a weight for each pixel, which multiplies it. Weights are taken as they are: 0 counts in NPOINT, NaN
/// gives NaN, and a view without memory means that there are none.
/// @throws InvalidParameterError also where the control refuses weights
template <typename T>
[[nodiscard]] EVENSKY_EXPORT Statistics makeStatistics(MaskedImageView<T const> const& image,
                                                       ImageView<WeightPixel const> const& weights, int flags,
                                                       StatisticsControl const& sctrl = StatisticsControl(),
                                                       int num_threads = 0);

/// Statistics of a mask itself: NPOINT (number of pixels) and SUM (bitwise OR of all pixels).
/// @throws InvalidParameterError for any other property, a mask of no pixels and num_threads < 0
[[nodiscard]] EVENSKY_EXPORT Statistics makeMaskStatistics(ImageView<MaskPixel const> const& mask, int flags,
                                                           int num_threads = 0);

}  // namespace evensky
