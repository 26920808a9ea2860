#pragma once

// Statistics of any pixel source: the one place where properties are put together.

#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "evensky/statistics.hpp"
#include "moments.hpp"
#include "pixel_source.hpp"
#include "quantiles.hpp"

namespace evensky {

namespace detail {

// Sources up to this size are packed into memory once and then looked at there: a float image of 512 x 512 pixels is
// 1 MiB, about one core's share of cache.
inline constexpr std::ptrdiff_t packedPixels = std::ptrdiff_t{1} << 18;

inline constexpr int momentFlags = MEAN | STDEV | VARIANCE | SUM | MEANSQUARE | MIN | MAX;
inline constexpr int clipFlags = MEANCLIP | STDEVCLIP | VARIANCECLIP | NCLIPPED;
inline constexpr int quantileFlags = MEDIAN | IQRANGE;

// The standard deviation of a normal distribution in units of its interquartile range.
inline constexpr double iqrangeToStdev = 0.741301109252802;

inline constexpr double nan = std::numeric_limits<double>::quiet_NaN();

}  // namespace detail

// Fills a Statistics.
class StatisticsBuilder {
public:
    StatisticsBuilder(int flags, StatisticsControl const& sctrl, int num_threads);

    // Memory that the bins of a grid use one after the other.
    template <typename T>
    struct Workspace {
        detail::BlockStorage<T> packed;
        std::vector<T> scratch;
    };

    template <typename Source>
    Statistics compute(Source const& source) const {
        Workspace<typename Source::value_type> workspace;
        return compute(source, workspace);
    }

    template <typename Source>
    Statistics compute(Source const& source, Workspace<typename Source::value_type>& workspace) const {
        using T = typename Source::value_type;
        detail::MaskTally tally;
        if (source.numPixels() <= detail::packedPixels) {
            detail::PackedSource<T> const packed(source, workspace.packed, tally);
            auto const moments = detail::sourceMoments(packed, {}, 1);
            return finish(packed, moments, tally, source.numPixels(), [&](auto ranks) {
                return detail::rankedInMemory(packed.values(), ranks, workspace.scratch);
            });
        }
        auto const moments = detail::sourceMoments(source, {}, _num_threads, &tally);
        return finish(source, moments, tally, source.numPixels(),
                      [&](auto ranks) { return detail::rankedByCounting(source, ranks, _num_threads); });
    }

    static Statistics ofMask(int flags, std::int64_t numPixels, MaskPixel orMask);

private:
    using Value = Statistics::Value;

    template <typename Source, typename RankedAt>
    Statistics finish(Source const& source, detail::Moments const& all, detail::MaskTally const& tally,
                      std::int64_t numPixels, RankedAt const& rankedAt) const {
        using T = typename Source::value_type;
        // A NaN that was let through has no place in an order.
        bool const ordered = !std::isnan(all.sumWX) || _sctrl.getNanSafe();
        detail::Quartiles quartiles;
        if (((_flags & (detail::quantileFlags | detail::clipFlags)) != 0) && ordered) {
            quartiles = detail::quartiles<T>(all.n + all.unweighted, rankedAt);
        }
        detail::Moments clipped;
        if ((_flags & detail::clipFlags) != 0) clipped = clip(source, quartiles);
        return assemble(all, clipped, quartiles, tally, numPixels);
    }

    // Sigma clipping, from the median and the interquartile range in the first round and from the mean and the standard
    // deviation of the round before in later ones. Every round looks at all good pixels again: one can come back.
    template <typename Source>
    detail::Moments clip(Source const& source, detail::Quartiles const& quartiles) const {
        double const nsigma = _sctrl.getNumSigmaClip();
        detail::Window window{quartiles.median, nsigma * detail::iqrangeToStdev * quartiles.range(), false};
        detail::Moments clipped;
        for (int round = 0; round < _sctrl.getNumIter(); ++round) {
            if (round > 0) {
                window.centre = clipped.meanValue();
                // One survivor has no standard deviation: the width of the first round stays.
                if (clipped.n != 1) window.halfWidth = nsigma * std::sqrt(clipped.variance());
            }
            clipped = (std::isnan(window.centre) || std::isnan(window.halfWidth))
                              ? detail::Moments{}
                              : detail::sourceMoments(source, window, _num_threads);
        }
        return clipped;
    }

    Statistics assemble(detail::Moments const& all, detail::Moments const& clipped, detail::Quartiles const& quartiles,
                        detail::MaskTally const& tally, std::int64_t numPixels) const;
    Value mean(detail::Moments const& moments) const;
    Value variance(detail::Moments const& moments) const;
    Value stdev(detail::Moments const& moments) const;

    int _flags;
    StatisticsControl const& _sctrl;
    int _num_threads;
};

namespace detail {

// Checks that hold for every source made of planes, and what they select.
template <typename T>
Selection makeSelection(MaskedImageView<T const> const& image, ImageView<WeightPixel const> const& weights,
                        StatisticsControl const& sctrl) {
    auto const check = [&](auto const& plane, char const* name) {
        if (plane.exists() && (plane.width() != image.width() || plane.height() != image.height())) {
            throw LengthError(std::string(name) + " is " + sizeToString(plane) + " but the image is " +
                              sizeToString(image.image) + "; they must be equal");
        }
    };
    check(image.mask, "The mask");
    check(image.variance, "The variance");
    check(weights, "The weights image");
    if (image.width() <= 0 || image.height() <= 0) {
        throw InvalidParameterError("Image contains no pixels: its size is " + sizeToString(image.image));
    }
    if (weights.exists() && sctrl.getUseWeights() == StatisticsControl::WeightsBoolean::FALSE_) {
        throw InvalidParameterError(
                "Weights were given but the control's Weighted is false; it must be true or unset to use them");
    }
    bool const wantVariance = sctrl.getCalcErrorFromInputVariance() || sctrl.getCalcErrorMosaicMode();
    Selection selection;
    selection.andMask = sctrl.getAndMask();
    selection.nanSafe = sctrl.getNanSafe();
    selection.weighted = weights.exists() || sctrl.getWeighted();
    selection.wantVariance = wantVariance;
    for (auto const& threshold : sctrl.getMaskPropagationThresholds()) {
        selection.tallyRejected = selection.tallyRejected || threshold.has_value();
    }
    return selection;
}

}  // namespace detail

}  // namespace evensky
