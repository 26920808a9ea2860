#include "evensky/statistics.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <numbers>
#include <string_view>

#include "compute_statistics.hpp"
#include "names.hpp"
#include "threads.hpp"

namespace evensky {

namespace {

// NOTHING is a name, too, although it has no row in the table.
constexpr auto propertyNames = [] {
    std::array<std::pair<std::string_view, Property>, propertyTable.size() + 1> names{{{"NOTHING", NOTHING}}};
    for (std::size_t i = 0; i < propertyTable.size(); ++i) {
        names[i + 1] = {propertyTable[i].name, propertyTable[i].property};
    }
    return names;
}();

std::string flagsToString(int flags) {
    std::string text;
    for (auto const& [name, property] : propertyNames) {
        if (property != NOTHING && (flags & property) != 0) {
            if (!text.empty()) text += " | ";
            text += name;
        }
    }
    return text.empty() ? "NOTHING" : text;
}

// Return the row of one property in the table.
std::size_t propertyIndex(Property property) {
    return static_cast<std::size_t>(std::popcount(static_cast<unsigned>(allProperties & (property - 1))));
}

void checkBit(int bit) {
    if (bit < 0 || bit > 31) {
        throw OutOfRangeError("Mask bit " + std::to_string(bit) + " does not exist; bits are 0 to 31");
    }
}

}  // namespace

Property stringToStatisticsProperty(std::string const& property) {
    return detail::valueOfName(propertyNames, property, "statistics property");
}

std::string statisticsPropertyToString(Property property) {
    for (auto const& [name, value] : propertyNames) {
        if (value == property) return std::string(name);
    }
    throw InvalidParameterError(std::to_string(static_cast<int>(property)) + " is not one statistics property but " +
                                flagsToString(property));
}

StatisticsControl::StatisticsControl(double numSigmaClip, int numIter, MaskPixel andMask, bool isNanSafe,
                                     WeightsBoolean useWeights)
        : _numSigmaClip(3.0), _numIter(3), _andMask(andMask), _isNanSafe(isNanSafe), _useWeights(useWeights) {
    setNumSigmaClip(numSigmaClip);
    setNumIter(numIter);
}

double StatisticsControl::getMaskPropagationThreshold(int bit) const {
    checkBit(bit);
    return _maskPropagationThresholds[static_cast<std::size_t>(bit)].value_or(1.0);
}

void StatisticsControl::setNumSigmaClip(double numSigmaClip) {
    if (!(numSigmaClip > 0.0)) {
        throw InvalidParameterError("numSigmaClip = " + detail::numberToString(numSigmaClip) + "; it must be > 0");
    }
    _numSigmaClip = numSigmaClip;
}

void StatisticsControl::setNumIter(int numIter) {
    if (numIter <= 0) throw InvalidParameterError("numIter = " + std::to_string(numIter) + "; it must be > 0");
    _numIter = numIter;
}

void StatisticsControl::setLeastHalfWidth(double leastHalfWidth) {
    if (!(leastHalfWidth >= 0.0 && std::isfinite(leastHalfWidth))) {
        throw InvalidParameterError("leastHalfWidth = " + detail::numberToString(leastHalfWidth) +
                                    "; it must be finite and >= 0");
    }
    _leastHalfWidth = leastHalfWidth;
}

void StatisticsControl::setMaskPropagationThreshold(int bit, double threshold) {
    checkBit(bit);
    if (!(threshold >= 0.0 && std::isfinite(threshold))) {
        throw InvalidParameterError("The threshold of mask bit " + std::to_string(bit) + " is " +
                                    detail::numberToString(threshold) + "; it must be a fraction of the weight, >= 0");
    }
    _maskPropagationThresholds[static_cast<std::size_t>(bit)] = threshold;
}

Statistics::Value Statistics::getResult(Property property) const {
    int const asked = _flags & ~ERRORS;
    if (property == NOTHING) {
        if (std::popcount(static_cast<unsigned>(asked)) != 1) {
            throw InvalidParameterError("The property may be omitted only if exactly one was requested, not " +
                                        flagsToString(asked));
        }
        property = static_cast<Property>(asked);
    }
    StatisticsBuilder::checkProperty(property);
    if ((property & asked) == 0) {
        throw InvalidParameterError("You never asked for " + flagsToString(property) + ", only for " +
                                    flagsToString(asked));
    }
    return _results[propertyIndex(property)];
}

void StatisticsBuilder::checkProperty(Property property) {
    if (std::popcount(static_cast<unsigned>(property)) != 1 || (property & allProperties) == 0 || property == ERRORS) {
        throw InvalidParameterError(std::to_string(static_cast<int>(property)) + " (" + flagsToString(property) +
                                    ") is not one statistics property");
    }
}

StatisticsBuilder::StatisticsBuilder(int flags, StatisticsControl const& sctrl, int num_threads, bool tallyMasks,
                                     bool whole)
        : _flags(flags),
          _fractions(detail::fractionsFor(flags)),
          _sctrl(sctrl),
          _num_threads(num_threads),
          _tallyMasks(tallyMasks),
          _whole(whole) {
    if ((flags & ~allProperties) != 0) {
        throw InvalidParameterError("Statistics flags " + std::to_string(flags) +
                                    " hold unknown bits; the known ones are " + std::to_string(allProperties));
    }
    detail::checkThreads(num_threads);
    if (sctrl.getCalcErrorFromInputVariance() && sctrl.getCalcErrorMosaicMode()) {
        throw InvalidParameterError(
                "Both calcErrorFromInputVariance and calcErrorMosaicMode are true; at most one may be");
    }
}

Statistics::Value StatisticsBuilder::mean(detail::Moments const& moments) const {
    double const w = moments.sumW;
    double error;
    if (_sctrl.getCalcErrorFromInputVariance()) {
        error = std::sqrt(moments.sumW2Var / (w * w));
    } else if (_sctrl.getCalcErrorMosaicMode()) {
        error = std::sqrt(moments.sumWVar / w);
    } else {
        error = moments.inUnit(std::sqrt(moments.dividedVariance() * (moments.sumW2 / (w * w))));
    }
    return {moments.meanValue(), error};
}

Statistics::Value StatisticsBuilder::dividedVariance(detail::Moments const& moments) {
    double const value = moments.dividedVariance();
    auto const n = static_cast<double>(moments.n);
    return {value, std::sqrt(2.0 * (n - 1.0) * value * value / (n * n))};
}

Statistics::Value StatisticsBuilder::variance(detail::Moments const& moments) {
    auto const [value, error] = dividedVariance(moments);
    return {moments.inUnit(value, 2), moments.inUnit(error, 2)};
}

Statistics::Value StatisticsBuilder::stdev(detail::Moments const& moments) {
    auto const [value, error] = dividedVariance(moments);
    double const stdev = std::sqrt(value);
    return {moments.inUnit(stdev), moments.inUnit(0.5 * error / stdev)};
}

Statistics StatisticsBuilder::assemble(detail::Moments const& all, detail::Moments const& clipped,
                                       detail::Quantiles const& quantiles, double deviation,
                                       detail::MaskTally const& tally, std::int64_t numPixels) const {
    Statistics result;
    result._flags = _flags;
    result._numGood = all.n;
    result._orMask = tally.orMask;
    for (std::size_t bit = 0; bit < tally.rejectedWeight.size(); ++bit) {
        double const rejected = tally.rejectedWeight[bit];
        if (auto const& threshold = _sctrl.getMaskPropagationThresholds()[bit];
            threshold && rejected / (all.sumW + rejected) > *threshold) {
            result._orMask |= static_cast<MaskPixel>(std::uint32_t{1} << bit);
        }
    }
    Parts const parts{all, clipped, quantiles, deviation, numPixels, result._orMask};
    for (auto const& row : propertyTable) {
        if ((_flags & row.property) == 0 || row.property == ERRORS) continue;
        auto value = valueOf(row.property, parts);
        if ((_flags & ERRORS) == 0) value.second = detail::nan;
        result._results[propertyIndex(row.property)] = value;
    }
    return result;
}

Statistics::Value StatisticsBuilder::valueOf(Property property, Parts const& parts) const {
    auto const& all = parts.all;
    auto const n = static_cast<double>(all.n);
    // Comparisons ignore a NaN, so that a NaN that was not rejected is not in the minimum and maximum so far.
    bool const haveExtremes = all.n > 0 && !all.anyNan;
    switch (property) {
        case NPOINT: return {n, 0.0};
        // As in lsst.afw.math, an infinite pixel that was not rejected makes the sum NaN, like the other moments. The
        // sum of finite pixels may exceed the largest float64.
        case SUM: return {std::isfinite(all.sumWX) ? all.inUnit(all.sumWX) : detail::nan, 0.0};
        case MEAN: {
            auto const [value, error] = mean(all);
            return {std::isnan(all.sumWX) ? detail::nan : value, error};
        }
        case VARIANCE: return variance(all);
        case STDEV: return stdev(all);
        case MEANSQUARE: {
            double const value = detail::meanSquare(all);
            return {value, std::sqrt(2.0) * value / n};
        }
        case MEDIAN:
            return {parts.quantiles.median(),
                    all.inUnit(std::sqrt(std::numbers::pi / 2.0 * all.dividedVariance() / n))};
        case IQRANGE: return {parts.quantiles.interquartileRange(), detail::nan};
        case MAD: return {detail::madToStdev * parts.deviation, detail::nan};
        case MIN: return {haveExtremes ? all.min : detail::nan, 0.0};
        case MAX: return {haveExtremes ? all.max : detail::nan, 0.0};
        case MEANCLIP: return mean(parts.clipped);
        case VARIANCECLIP: return variance(parts.clipped);
        case STDEVCLIP: return stdev(parts.clipped);
        case NCLIPPED: return {static_cast<double>(all.n - parts.clipped.n), 0.0};
        case NMASKED: return {static_cast<double>(parts.numPixels - all.n), 0.0};
        case ORMASK: return {static_cast<double>(parts.orMask), 0.0};
        default: break;
    }
    // Any other row of the table is an order statistic of one quantile, with an unknown error.
    return {parts.quantiles.at(propertyTable[propertyIndex(property)].fractions.front()), detail::nan};
}

Statistics StatisticsBuilder::ofMask(int flags, std::int64_t numPixels, MaskPixel orMask) {
    if ((flags & ~(NPOINT | SUM | ERRORS)) != 0) {
        throw InvalidParameterError("Statistics of a mask are NPOINT and SUM only; asked for " + flagsToString(flags));
    }
    Statistics result;
    result._flags = flags;
    result._numGood = numPixels;
    result._orMask = orMask;
    double const error = (flags & ERRORS) != 0 ? 0.0 : detail::nan;
    result._results[propertyIndex(NPOINT)] = {static_cast<double>(numPixels), error};
    result._results[propertyIndex(SUM)] = {static_cast<double>(orMask), error};
    return result;
}

Statistics makeStatistics(StoredImage const& image, StoredPlane const& weights, int flags,
                          StatisticsControl const& sctrl, int num_threads) {
    auto const format = image.image.format();
    StatisticsBuilder const builder(flags, sctrl, num_threads, true, isWhole(format));
    auto const selection = detail::makeSelection(image, weights, sctrl);
    bool const standing = detail::isStanding(image.image);
    auto const planes = standing ? image.transposed() : image;
    auto const planeOfWeights = standing ? weights.transposed() : weights;
    return detail::inWorkingType(format, [&]<typename T>(T, std::atomic<bool>* rounded) {
        return builder.compute(detail::ImageSource<T>(planes, planeOfWeights, selection, rounded));
    });
}

template <typename T>
Statistics makeStatistics(MaskedImageView<T const> const& image, ImageView<WeightPixel const> const& weights, int flags,
                          StatisticsControl const& sctrl, int num_threads) {
    return makeStatistics(StoredImage(image), StoredPlane(weights), flags, sctrl, num_threads);
}

template <typename T>
Statistics makeStatistics(MaskedImageView<T const> const& image, int flags, StatisticsControl const& sctrl,
                          int num_threads) {
    return makeStatistics<T>(image, ImageView<WeightPixel const>(), flags, sctrl, num_threads);
}

Statistics makeMaskStatistics(ImageView<MaskPixel const> const& mask, int flags, int num_threads) {
    if (mask.width() <= 0 || mask.height() <= 0) {
        throw InvalidParameterError("Mask contains no pixels: its size is " + sizeToString(mask));
    }
    if (!mask.exists()) throw InvalidParameterError("The mask is a view without memory; it must have pixels");
    detail::checkThreads(num_threads);
    detail::checkCountable(mask, "The mask");
    constexpr std::ptrdiff_t rowsPerPiece = 64;
    std::atomic<MaskPixel> all{0};
    parallelFor(detail::ceilDivide(mask.height(), rowsPerPiece), num_threads, [&](std::ptrdiff_t piece) {
        MaskPixel bits = 0;
        auto const end = std::min((piece + 1) * rowsPerPiece, mask.height());
        for (auto y = piece * rowsPerPiece; y < end; ++y) {
            for (std::ptrdiff_t x = 0; x < mask.width(); ++x) bits |= mask(x, y);
        }
        all.fetch_or(bits, std::memory_order_relaxed);
    });
    return StatisticsBuilder::ofMask(flags, mask.width() * mask.height(), all.load());
}

#define EVENSKY_INSTANTIATE(T)                                                                 \
    template EVENSKY_EXPORT Statistics makeStatistics<T>(MaskedImageView<T const> const&, int, \
                                                         StatisticsControl const&, int);       \
    template EVENSKY_EXPORT Statistics makeStatistics<T>(                                      \
            MaskedImageView<T const> const&, ImageView<WeightPixel const> const&, int, StatisticsControl const&, int);
EVENSKY_INSTANTIATE(float)
EVENSKY_INSTANTIATE(double)
EVENSKY_INSTANTIATE(std::int16_t)
EVENSKY_INSTANTIATE(std::int32_t)
EVENSKY_INSTANTIATE(std::uint16_t)
EVENSKY_INSTANTIATE(std::uint64_t)
#undef EVENSKY_INSTANTIATE

}  // namespace evensky
