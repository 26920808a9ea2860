#pragma once

// Computation of the statistics of any pixel source, from which all properties are assembled.

#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "checks.hpp"
#include "deviations.hpp"
#include "evensky/statistics.hpp"
#include "moments.hpp"
#include "pixel_source.hpp"
#include "quantiles.hpp"
#include "scan.hpp"

namespace evensky {

namespace detail {

// Sources up to this size are packed into memory once and then read there: a float image of 512 x 512 pixels is 1 MiB,
// about the share of one core in the cache.
inline constexpr std::ptrdiff_t packedPixels = std::ptrdiff_t{1} << 18;

inline constexpr int momentFlags = propertiesOf(PropertyGroup::MOMENT);
inline constexpr int clipFlags = propertiesOf(PropertyGroup::CLIPPED);
inline constexpr int deviationFlags = propertiesOf(PropertyGroup::DEVIATION);

inline constexpr double nan = std::numeric_limits<double>::quiet_NaN();

}  // namespace detail

// Builder of Statistics.
class StatisticsBuilder {
public:
    // If `tallyMasks` is false, the OR of the masks is not needed. If `whole` is true, pixels are whole numbers,
    // whatever their type, as to their quantiles.
    StatisticsBuilder(int flags, StatisticsControl const& sctrl, int num_threads, bool tallyMasks = true,
                      bool whole = false);

    // Working memory that the bins of a grid use one after the other.
    template <typename T>
    struct Workspace {
        detail::BlockStorage<T> packed;
        std::vector<T> scratch;
        std::vector<T> sample;
        detail::BufferOf<T> aside;
        std::vector<detail::Scanned<T>> scanned;
        detail::RankFinder<T> finder;
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
        auto* const wanted = _tallyMasks ? &tally : nullptr;
        if (source.numPixels() <= detail::packedPixels) {
            detail::PackedSource<T> const packed(source, workspace.packed, wanted);
            auto const values = packed.values();
            if constexpr (detail::hasKernels<T>) {
                if (source.isPlain() || (source.isFinite() && values.size() >= leastScanned)) {
                    detail::Ahead nothing;
                    return computePacked(packed.all(), source.numPixels(), tally, workspace, nothing);
                }
            }
            auto const moments = detail::safeMoments(packed, {}, 1);
            return finish(packed, moments, tally, source.numPixels(),
                          [&](auto ranks) { return detail::rankedInMemory(values, ranks, _whole, workspace.scratch); });
        }
        auto const rankedAt = [&](auto ranks) { return detail::rankedByCounting(source, ranks, _num_threads); };
        if constexpr (detail::hasKernels<T>) {
            if (source.isFinite()) {
                auto const plan = wantsOrder() ? planSource(source, workspace.sample) : std::nullopt;
                if (source.rounded()) return unknown();
                auto moments = scanSource(source, plan, workspace.scanned, wanted);
                if (source.rounded()) return unknown();
                if (wantsMoments() && isExtreme(moments)) {
                    moments = detail::safeMoments(source, {}, _num_threads);
                }
                return finish(source, moments, tally, source.numPixels(), rankedAt, plan ? &*plan : nullptr,
                              &workspace);
            }
        }
        auto const moments = detail::safeMoments(source, {}, _num_threads, wanted);
        return finish(source, moments, tally, source.numPixels(), rankedAt);
    }

    // Compute the statistics of the packed good pixels among `numPixels` pixels without weights and variances; `ahead`
    // is the memory that will be read next.
    template <typename T>
    Statistics computePacked(std::span<T const> values, std::int64_t numPixels, detail::MaskTally const& tally,
                             Workspace<T>& workspace, detail::Ahead& ahead) const {
        return computePacked<T>({values.data(), nullptr, nullptr, static_cast<std::ptrdiff_t>(values.size()), 0},
                                numPixels, tally, workspace, ahead);
    }

    // Compute the statistics of packed good, finite pixels with or without weights and variances.
    template <typename T>
    Statistics computePacked(detail::Block<T> const& all, std::int64_t numPixels, detail::MaskTally const& tally,
                             Workspace<T>& workspace, detail::Ahead& ahead) const {
        detail::PackedSource<T> const packed(all);
        auto const values = packed.values();
        auto const rankedAt = [&](auto ranks) {
            return detail::rankedInMemory(values, ranks, _whole, workspace.scratch);
        };
        auto moments = packedMoments(all, ahead);
        if (wantsMoments() && isExtreme(moments)) moments = detail::safeMoments(packed, {}, 1);
        if (values.size() < leastScanned || !wantsOrder()) return finish(packed, moments, tally, numPixels, rankedAt);
        auto const plan = planPacked(values, workspace.sample);
        workspace.scanned.resize(1);
        workspace.scanned[0].set(all, plan, workspace.aside, ahead);
        return finish(packed, moments, tally, numPixels, rankedAt, &plan, &workspace);
    }

    // Return statistics with meaningless values.
    [[nodiscard]] Statistics unknown() const {
        Statistics result;
        result._flags = _flags;
        return result;
    }

    static Statistics ofMask(int flags, std::int64_t numPixels, MaskPixel orMask);

    // Fewer good pixels than this are read several times instead of being scanned once.
    static constexpr std::size_t leastScanned = 1024;

    // Return the task of bins of few pixels side by side; nullopt if a property needs more than their moments and
    // the quantiles of real numbers. The fractions are those of this object.
    [[nodiscard]] std::optional<detail::BinsTask> binsTask() const {
        if (_whole || wantsExtremes() || (_flags & detail::deviationFlags) != 0) return std::nullopt;
        detail::BinsTask task;
        task.fractions = _fractions.values.data();
        task.numFractions = _fractions.size;
        task.moments = wantsMoments();
        task.clip = (_flags & detail::clipFlags) != 0;
        if (!task.clip) return task;
        for (std::size_t i = 0; i < task.quartiles.size(); ++i) {
            auto const* const at =
                    std::find(task.fractions, task.fractions + task.numFractions, detail::clipFractions[i]);
            task.quartiles[i] = static_cast<std::size_t>(at - task.fractions);
        }
        task.nsigma = _sctrl.getNumSigmaClip();
        task.widthOfRange = task.nsigma * detail::iqrangeToStdev;
        task.leastHalfWidth = _sctrl.getLeastHalfWidth();
        task.rounds = _sctrl.getNumIter();
        return task;
    }

    // Return the fractions at which quantiles are needed.
    [[nodiscard]] std::span<double const> fractions() const noexcept { return _fractions.span(); }

    static detail::Moments countOnly(std::ptrdiff_t n) noexcept {
        detail::Moments result;
        result.n = n;
        result.sumW = result.sumW2 = static_cast<double>(n);
        return result;
    }

    // All that properties are computed from.
    struct Parts {
        detail::Moments const& all;
        detail::Moments const& clipped;
        detail::Quantiles const& quantiles;
        double deviation;
        std::int64_t numPixels;
        MaskPixel orMask;
    };
    // Throw InvalidParameterError unless this is exactly one property.
    static void checkProperty(Property property);
    // Return a property and its error.
    [[nodiscard]] Statistics::Value valueOf(Property property, Parts const& parts) const;

private:
    using Value = Statistics::Value;

    [[nodiscard]] bool wantsOrder() const noexcept { return _fractions.size != 0; }
    // The error of a median comes from the variance of all pixels.
    [[nodiscard]] bool wantsMoments() const noexcept {
        return (_flags & detail::momentFlags) != 0 || ((_flags & MEDIAN) != 0 && (_flags & ERRORS) != 0);
    }
    [[nodiscard]] bool wantsExtremes() const noexcept { return (_flags & (MIN | MAX)) != 0; }

    // Return the moments of pixels in memory; only their number if nothing else is needed.
    template <typename T>
    [[nodiscard]] detail::Moments packedMoments(detail::Block<T> const& all, detail::Ahead& ahead) const {
        if (!wantsMoments()) return countOnly(all);
        detail::Moments total;
        detail::PackedSource<T> const packed(all);
        for (std::ptrdiff_t b = 0; b < packed.numBlocks(); ++b) {
            total.merge(blockMoments(packed.block(b), total, ahead));
        }
        return total;
    }
    // Return the moments of a block after others, whose moments are `soFar`.
    template <typename T>
    [[nodiscard]] detail::Moments blockMoments(detail::Block<T> const& block, detail::Moments const& soFar,
                                               detail::Ahead& ahead) const {
        if (!wantsMoments()) return countOnly(block);
        auto const centre = guess(soFar, block.values, block.size);
        if (block.given != nullptr) return detail::weightedMoments(block, centre, ahead);
        if (block.weights == nullptr && block.variances == nullptr) {
            // Doubles may be too small for their squares, which their extremes tell.
            bool const extremes = wantsExtremes() || std::is_same_v<T, double>;
            return detail::packedMoments(block.values, block.size, centre, extremes, ahead);
        }
        constexpr T most = std::numeric_limits<T>::max();
        return detail::weightedMoments(block, centre, -most, most, ahead);
    }
    template <typename T>
    static detail::Moments countOnly(detail::Block<T> const& block) noexcept {
        detail::Moments result;
        result.n = block.size - block.unweighted;
        result.unweighted = block.unweighted;
        result.sumW = result.sumW2 = static_cast<double>(result.n);
        return result;
    }
    // Return whether the kernels' moments may be inaccurate: the squares of pixels may be beyond the range of float64,
    // or the variance may need the products of the weights of all pairs.
    [[nodiscard]] static bool isExtreme(detail::Moments const& moments) noexcept {
        return detail::exponentFor(moments.min, moments.max) != 0 ||
               (moments.n > 1 && std::isnan(moments.sumWW) && moments.needPairs());
    }
    // Return a value near the mean of the next block: the mean so far, or any pixel.
    template <typename T>
    static double guess(detail::Moments const& soFar, T const* block, std::ptrdiff_t n) noexcept {
        return soFar.n > 0 ? soFar.mean : (n > 0 ? static_cast<double>(block[n / 2]) : 0.0);
    }

    [[nodiscard]] std::optional<detail::ClipPlan> clipPlan(bool rehearse) const {
        if ((_flags & detail::clipFlags) == 0) return std::nullopt;
        // Narrow windows shrink from round to round.
        double const nsigma = _sctrl.getNumSigmaClip();
        return detail::ClipPlan{nsigma, _sctrl.getNumIter(), rehearse || nsigma < 2.7};
    }

    // Make a plan from a sample of packed pixels.
    template <typename T>
    [[nodiscard]] detail::ScanPlanOf<T> planPacked(std::span<T const> values, std::vector<T>& sample) const {
        detail::samplePacked(values, sample);
        return detail::planScan<T>(sample, _fractions.span(), clipPlan(false), 3.5, _whole);
    }

    // Make a plan from runs spread over the image; return nullopt if too few of their pixels are good.
    template <typename Source, typename T = typename Source::value_type>
    std::optional<detail::ScanPlanOf<T>> planSource(Source const& source, std::vector<T>& sample) const {
        constexpr std::ptrdiff_t fraction = 64, largest = std::ptrdiff_t{1} << 17;
        auto const width = source.width();
        auto const runLength = std::min(width, detail::sampleRun);
        auto const runs = std::min(source.numPixels() / fraction, largest) / detail::sampleRun;
        auto const step = source.numPixels() / runs;
        auto const place = [&](std::ptrdiff_t run) {
            auto const pixel = detail::irregular(detail::farApart(run, runs), step);
            auto const x = std::clamp<std::ptrdiff_t>(pixel % width - runLength / 2, 0, width - runLength);
            return Box{x, pixel / width, runLength, 1};
        };
        // Pieces of the sample are collected side by side, each with room of its own, and then moved together.
        constexpr std::ptrdiff_t runsInPiece = 512, runsAhead = 12;
        constexpr auto room = runsInPiece * detail::sampleRun + detail::slack;
        auto const pieces = (runs + runsInPiece - 1) / runsInPiece;
        sample.resize(static_cast<std::size_t>(pieces * room));
        std::vector<std::ptrdiff_t> collected(static_cast<std::size_t>(pieces));
        parallelFor(pieces, _num_threads, [&](std::ptrdiff_t piece) {
            auto const end = std::min(runs, (piece + 1) * runsInPiece);
            std::ptrdiff_t n = 0;
            detail::BlockStorage<T> storage;
            storage.alone = true;
            for (auto run = piece * runsInPiece; run < end; ++run) {
                if (run + runsAhead < end) detail::fetchAll(source, place(run + runsAhead));
                auto const box = place(run);
                n = source.appendRun(box.x0, box.y0, runLength, sample.data() + piece * room, n, nullptr, storage);
            }
            collected[static_cast<std::size_t>(piece)] = n;
        });
        std::ptrdiff_t m = 0;
        for (std::ptrdiff_t piece = 0; piece < pieces; ++piece) {
            auto const n = collected[static_cast<std::size_t>(piece)];
            // std::copy allows overlapping ranges here, as pieces move to the left or stay in place.
            auto const from = sample.begin() + piece * room;
            if (m < piece * room) std::copy(from, from + n, sample.begin() + m);
            m += n;
        }
        m -= m % detail::sampleSquare;
        if (m < 4 * detail::sampleSquare) return std::nullopt;
        return detail::planScan<T>({sample.data(), static_cast<std::size_t>(m)}, _fractions.span(), clipPlan(true), 6.0,
                                   _whole);
    }

    // Scan all pixels of a source once, in groups of blocks.
    template <typename Source, typename T = typename Source::value_type>
    detail::Moments scanSource(Source const& source, std::optional<detail::ScanPlanOf<T>> const& plan,
                               std::vector<detail::Scanned<T>>& scanned, detail::MaskTally* tally) const {
        auto const groups = static_cast<std::size_t>(detail::numGroups(source.numBlocks()));
        scanned = std::vector<detail::Scanned<T>>(plan ? groups : 0);
        std::vector<detail::Moments> parts(groups);
        std::vector<detail::MaskTally> tallies;
        detail::forEachBlock(
                source, _num_threads, tally != nullptr, &tallies,
                [&](detail::Block<T> const& block, std::ptrdiff_t group, detail::BlockScratch<T>& scratch) {
                    auto const g = static_cast<std::size_t>(group);
                    parts[g].merge(blockMoments(block, parts[g], scratch.ahead));
                    if (plan) scanned[g].add(block, *plan, scratch.aside, scratch.ahead);
                },
                wantsMoments() && !(plan && plan->clip));
        detail::Moments total;
        for (auto const& part : parts) total.merge(part);
        if (tally != nullptr) {
            for (auto const& part : tallies) tally->merge(part);
        }
        return total;
    }

    template <typename Source, typename RankedAt>
    Statistics finish(Source const& source, detail::Moments const& all, detail::MaskTally const& tally,
                      std::int64_t numPixels, RankedAt const& rankedAt,
                      detail::ScanPlanOf<typename Source::value_type> const* plan = nullptr,
                      Workspace<typename Source::value_type>* workspace = nullptr) const {
        using T = typename Source::value_type;
        // A NaN that was not rejected cannot be ordered.
        bool const ordered = !all.anyNan && !all.anyUnweightedNan;
        detail::Quantiles quantiles;
        auto const n = all.n + all.unweighted;
        if (wantsOrder() && ordered) {
            auto const found = [&](std::span<std::int64_t const> ranks) {
                if constexpr (detail::hasKernels<T>) {
                    if (plan != nullptr) {
                        auto inRanges = detail::rankedInRanges<T>(workspace->scanned, *plan, ranks, _whole,
                                                                  workspace->finder, _num_threads);
                        if (inRanges) return *std::move(inRanges);
                    }
                }
                return rankedAt(ranks);
            };
            quantiles = detail::quantiles<T>(n, _fractions.span(), found, _whole);
        }
        double deviation = detail::nan;
        if ((_flags & detail::deviationFlags) != 0 && std::isfinite(quantiles.median())) {
            deviation = medianDeviation(source, n, quantiles.median(), plan != nullptr);
        }
        detail::Moments clipped;
        if ((_flags & detail::clipFlags) != 0) {
            clipped = clip(all.n, quantiles, [&](detail::Window const& window) {
                if constexpr (detail::hasKernels<T>) {
                    if (plan != nullptr && detail::planHolds(*plan, window)) {
                        auto const moments = detail::momentsInWindow<T>(workspace->scanned, window, _num_threads);
                        if (!isExtreme(moments)) return moments;
                    }
                }
                return detail::safeMoments(source, window, _num_threads);
            });
        }
        return assemble(all, clipped, quantiles, deviation, tally, numPixels);
    }

    // Return the median of |x - median| over all n good pixels.
    template <typename Source>
    double medianDeviation(Source const& source, std::int64_t n, double median, bool plain) const {
        constexpr std::array half{0.5};
        auto const found = detail::quantiles<double>(n, half, [&](std::span<std::int64_t const> ranks) {
            return detail::rankedDeviations(source, n, median, plain, ranks, _num_threads);
        });
        return found.median();
    }

    // Clip with a window from the median and the interquartile range in the first round, and from the mean and the
    // standard deviation of the previous round in later ones. Each round starts from all good pixels, so that a clipped
    // pixel can return.
    template <typename MomentsIn>
    detail::Moments clip(std::int64_t numGood, detail::Quantiles const& quantiles, MomentsIn const& momentsIn) const {
        double const nsigma = _sctrl.getNumSigmaClip();
        double const least = _sctrl.getLeastHalfWidth();
        // A window that is NaN must stay NaN, as there is no good pixel then.
        auto const widened = [least](double halfWidth) { return halfWidth < least ? least : halfWidth; };
        detail::Window window{
                quantiles.median(),
                widened(detail::clipWidth(nsigma * detail::iqrangeToStdev, quantiles.interquartileRange())), false};
        detail::Moments clipped;
        // A round depends on its window alone: when a window recurs, all that followed it recurs, so even an unlimited
        // number of rounds ends (Brent 1980, BIT 20, 176: one window is stored, at rounds that are powers of two).
        auto remembered = window;
        int rememberedAt = 0;
        auto const rounds = _sctrl.getNumIter();
        for (int round = 0; round < rounds; ++round) {
            if (round > 0) {
                window.centre = clipped.meanValue();
                // A single good pixel has no standard deviation, so the width of the first round stays. A single
                // survivor of several has none either, and none of them survives the next round.
                if (numGood != 1) window.halfWidth = widened(detail::clipWidth(nsigma, clipped.stdev()));
                if (window.centre == remembered.centre && window.halfWidth == remembered.halfWidth) {
                    round = rounds - (rounds - round) % (round - rememberedAt);
                    if (round == rounds) break;
                    rememberedAt = round;
                } else if (round - rememberedAt >= rememberedAt) {
                    remembered = window;
                    rememberedAt = round;
                }
            }
            if (std::isnan(window.centre) || std::isnan(window.halfWidth)) return {};
            clipped = momentsIn(window);
        }
        return clipped;
    }

    Statistics assemble(detail::Moments const& all, detail::Moments const& clipped, detail::Quantiles const& quantiles,
                        double deviation, detail::MaskTally const& tally, std::int64_t numPixels) const;
    Value mean(detail::Moments const& moments) const;
    static Value dividedVariance(detail::Moments const& moments);
    static Value variance(detail::Moments const& moments);
    static Value stdev(detail::Moments const& moments);

    int _flags;
    detail::Fractions _fractions;  // fractions at which quantiles are needed
    StatisticsControl const& _sctrl;
    int _num_threads;
    bool _tallyMasks;
    bool _whole;
};

namespace detail {

// Check the planes of a source, and return the selection of its pixels.
inline Selection makeSelection(StoredImage const& image, StoredPlane const& weights, StatisticsControl const& sctrl) {
    checkPlaneSize<InvalidParameterError>(image.mask, "The mask", image.image, "the image");
    checkPlaneSize<InvalidParameterError>(image.variance, "The variance", image.image, "the image");
    checkPlaneSize<InvalidParameterError>(weights, "The weights image", image.image, "the image");
    if (image.width() <= 0 || image.height() <= 0) {
        throw InvalidParameterError("Image contains no pixels: its size is " + sizeToString(image.image));
    }
    if (!image.image.exists()) throw InvalidParameterError("The image is a view without memory; it must have pixels");
    checkCountable(image.image, "The image");
    checkMaskFormat(image.mask, "The mask");
    checkFormat(image.variance, PixelFormat::FLOAT32, "The variance");
    checkFormat(weights, PixelFormat::FLOAT32, "The weights image");
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
// The same for views of pixels of one type.
template <typename T>
Selection makeSelection(MaskedImageView<T const> const& image, ImageView<WeightPixel const> const& weights,
                        StatisticsControl const& sctrl) {
    return makeSelection(StoredImage(image), StoredPlane(weights), sctrl);
}

// Call work(T{}, &rounded) with the type in which pixels of a format are computed, and again with a larger one if some
// pixel is not exactly a T; return the last result. Whole numbers up to 2^24 are floats, those up to 2^53 are doubles.
template <typename Work>
auto inWorkingType(PixelFormat format, Work const& work) {
    std::atomic<bool> rounded{false};
    if (format == PixelFormat::FLOAT64) return work(double{}, nullptr);
    if (format != PixelFormat::UINT64) {
        auto result = work(float{}, &rounded);
        if (!rounded.load()) return result;
        return work(double{}, nullptr);
    }
    auto result = work(double{}, &rounded);
    if (!rounded.load()) return result;
    return work(std::uint64_t{}, nullptr);
}

}  // namespace detail

}  // namespace evensky
