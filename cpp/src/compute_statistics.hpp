#pragma once

// Computation of the statistics of any pixel source, from which all properties are assembled.

#include <array>
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
    // If `tallyMasks` is false, the OR of the masks is not needed.
    StatisticsBuilder(int flags, StatisticsControl const& sctrl, int num_threads, bool tallyMasks = true);

    // Working memory that the bins of a grid use one after the other.
    template <typename T>
    struct Workspace {
        detail::BlockStorage<T> packed;
        std::vector<T> scratch;
        std::vector<float> sample;
        detail::Buffer aside;
        std::vector<detail::Scanned> scanned;
        detail::RankFinder finder;
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
            if constexpr (std::is_same_v<T, float>) {
                if (source.isPlain()) {
                    detail::Ahead nothing;
                    return computePacked(values, source.numPixels(), tally, workspace, nothing);
                }
            }
            auto const moments = detail::sourceMoments(packed, {}, 1);
            return finish(packed, moments, tally, source.numPixels(),
                          [&](auto ranks) { return detail::rankedInMemory(values, ranks, workspace.scratch); });
        }
        auto const rankedAt = [&](auto ranks) { return detail::rankedByCounting(source, ranks, _num_threads); };
        if constexpr (std::is_same_v<T, float>) {
            if (source.isPlain()) {
                auto const plan = wantsOrder() ? planSource(source, workspace.sample) : std::nullopt;
                auto const moments = scanSource(source, plan, workspace.scanned, wanted);
                return finish(source, moments, tally, source.numPixels(), rankedAt, plan ? &*plan : nullptr,
                              &workspace);
            }
        }
        auto const moments = detail::sourceMoments(source, {}, _num_threads, wanted);
        return finish(source, moments, tally, source.numPixels(), rankedAt);
    }

    // Compute the statistics of the packed good pixels among `numPixels` pixels without weights and variances; `ahead`
    // is the memory that will be read next.
    Statistics computePacked(std::span<float const> values, std::int64_t numPixels, detail::MaskTally const& tally,
                             Workspace<float>& workspace, detail::Ahead& ahead) const {
        auto const rankedAt = [&](auto ranks) { return detail::rankedInMemory(values, ranks, workspace.scratch); };
        detail::PackedSource<float> const packed(values);
        auto const moments = packedMoments(values, ahead);
        if (values.size() < leastScanned || !wantsOrder()) return finish(packed, moments, tally, numPixels, rankedAt);
        auto const plan = planPacked(values, workspace.sample);
        workspace.scanned.resize(1);
        workspace.scanned[0].set(values.data(), static_cast<std::ptrdiff_t>(values.size()), plan, workspace.aside,
                                 ahead);
        return finish(packed, moments, tally, numPixels, rankedAt, &plan, &workspace);
    }

    static Statistics ofMask(int flags, std::int64_t numPixels, MaskPixel orMask);

private:
    using Value = Statistics::Value;

    // Fewer good pixels than this are read several times instead of being scanned once.
    static constexpr std::size_t leastScanned = 1024;

    [[nodiscard]] bool wantsOrder() const noexcept { return _fractions.size != 0; }
    // The error of a median comes from the variance of all pixels.
    [[nodiscard]] bool wantsMoments() const noexcept {
        return (_flags & detail::momentFlags) != 0 || ((_flags & MEDIAN) != 0 && (_flags & ERRORS) != 0);
    }
    [[nodiscard]] bool wantsExtremes() const noexcept { return (_flags & (MIN | MAX)) != 0; }

    // Return the moments of plain pixels in memory; only their number if nothing else is needed.
    [[nodiscard]] detail::Moments packedMoments(std::span<float const> values, detail::Ahead& ahead) const {
        auto const size = static_cast<std::ptrdiff_t>(values.size());
        detail::Moments total;
        if (!wantsMoments()) return countOnly(size);
        for (std::ptrdiff_t start = 0; start < size; start += detail::blockPixels) {
            auto const n = std::min(detail::blockPixels, size - start);
            float const* const block = values.data() + start;
            total.merge(detail::packedMoments(block, n, guess(total, block, n), wantsExtremes(), ahead));
        }
        return total;
    }
    static detail::Moments countOnly(std::ptrdiff_t n) noexcept {
        detail::Moments result;
        result.n = n;
        result.sumW = result.sumW2 = static_cast<double>(n);
        return result;
    }
    // Return a value near the mean of the next block: the mean so far, or any pixel.
    static double guess(detail::Moments const& soFar, float const* block, std::ptrdiff_t n) noexcept {
        return soFar.n > 0 ? soFar.mean : (n > 0 ? static_cast<double>(block[n / 2]) : 0.0);
    }

    [[nodiscard]] std::optional<detail::ClipPlan> clipPlan(bool rehearse) const {
        if ((_flags & detail::clipFlags) == 0) return std::nullopt;
        // Narrow windows shrink from round to round.
        double const nsigma = _sctrl.getNumSigmaClip();
        return detail::ClipPlan{nsigma, _sctrl.getNumIter(), rehearse || nsigma < 2.7};
    }

    // Return about run * step, shifted by a part of the step that never repeats: a sample at equal steps could be taken
    // from the same columns of the image again and again.
    static std::ptrdiff_t irregular(std::ptrdiff_t run, std::ptrdiff_t step) noexcept {
        double const turns = 0.6180339887498949 * static_cast<double>(run);
        return run * step + static_cast<std::ptrdiff_t>((turns - std::floor(turns)) * static_cast<double>(step));
    }

    // Return the place of a run in the order in which runs are taken. The runs in one square of the sample come from
    // all over the image, so that its columns cover variations over the image.
    static std::ptrdiff_t farApart(std::ptrdiff_t run, std::ptrdiff_t runs) noexcept {
        auto const apart = runs / detail::sampleRun;
        auto const square = run / detail::sampleRun;
        return square < apart ? run % detail::sampleRun * apart + square : run;
    }

    // Make a plan from an eighth of the pixels, taken in runs.
    [[nodiscard]] detail::ScanPlan planPacked(std::span<float const> values, std::vector<float>& sample) const {
        constexpr std::ptrdiff_t fraction = 8, largest = 4096;
        auto const n = static_cast<std::ptrdiff_t>(values.size());
        auto const m =
                std::clamp(n / fraction / detail::sampleSquare * detail::sampleSquare, detail::sampleSquare, largest);
        sample.resize(static_cast<std::size_t>(m));
        auto const runs = m / detail::sampleRun;
        for (std::ptrdiff_t run = 0; run < runs; ++run) {
            auto const from = std::min(irregular(farApart(run, runs), n / runs), n - detail::sampleRun);
            std::copy_n(values.begin() + from, detail::sampleRun, sample.begin() + run * detail::sampleRun);
        }
        return detail::planScan(sample, _fractions.span(), clipPlan(false), 3.5);
    }

    // Make a plan from runs spread over the image; return nullopt if too few of their pixels are good.
    template <typename Source>
    std::optional<detail::ScanPlan> planSource(Source const& source, std::vector<float>& sample) const {
        constexpr std::ptrdiff_t fraction = 64, largest = std::ptrdiff_t{1} << 17;
        auto const width = source.width();
        auto const runLength = std::min(width, detail::sampleRun);
        auto const runs = std::min(source.numPixels() / fraction, largest) / detail::sampleRun;
        auto const step = source.numPixels() / runs;
        auto const place = [&](std::ptrdiff_t run) {
            auto const pixel = irregular(farApart(run, runs), step);
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
            for (auto run = piece * runsInPiece; run < end; ++run) {
                if (run + runsAhead < end) detail::fetchAll(source, place(run + runsAhead));
                auto const box = place(run);
                n = source.appendRun(box.x0, box.y0, runLength, sample.data() + piece * room, n, nullptr);
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
        return detail::planScan({sample.data(), static_cast<std::size_t>(m)}, _fractions.span(), clipPlan(true), 6.0);
    }

    // Scan all pixels of a source once, in groups of blocks.
    template <typename Source>
    detail::Moments scanSource(Source const& source, std::optional<detail::ScanPlan> const& plan,
                               std::vector<detail::Scanned>& scanned, detail::MaskTally* tally) const {
        auto const groups = static_cast<std::size_t>(detail::numGroups(source.numBlocks()));
        scanned = std::vector<detail::Scanned>(plan ? groups : 0);
        std::vector<detail::Moments> parts(groups);
        std::vector<detail::MaskTally> tallies;
        detail::forEachBlock(
                source, _num_threads, tally != nullptr, &tallies,
                [&](detail::Block<float> const& block, std::ptrdiff_t group, detail::BlockScratch<float>& scratch) {
                    auto const g = static_cast<std::size_t>(group);
                    parts[g].merge(wantsMoments() ? detail::packedMoments(block.values, block.size,
                                                                          guess(parts[g], block.values, block.size),
                                                                          wantsExtremes(), scratch.ahead)
                                                  : countOnly(block.size));
                    if (plan) scanned[g].add(block.values, block.size, *plan, scratch.aside, scratch.ahead);
                });
        detail::Moments total;
        for (auto const& part : parts) total.merge(part);
        if (tally != nullptr) {
            for (auto const& part : tallies) tally->merge(part);
        }
        return total;
    }

    template <typename Source, typename RankedAt>
    Statistics finish(Source const& source, detail::Moments const& all, detail::MaskTally const& tally,
                      std::int64_t numPixels, RankedAt const& rankedAt, detail::ScanPlan const* plan = nullptr,
                      Workspace<typename Source::value_type>* workspace = nullptr) const {
        using T = typename Source::value_type;
        // A NaN that was not rejected cannot be ordered.
        bool const ordered = !all.anyNan && !all.anyUnweightedNan;
        detail::Quantiles quantiles;
        auto const n = all.n + all.unweighted;
        if (wantsOrder() && ordered) {
            quantiles = detail::quantiles<T>(n, _fractions.span(), [&](std::span<std::int64_t const> ranks) {
                if constexpr (std::is_same_v<T, float>) {
                    if (plan != nullptr) {
                        auto found = detail::rankedInRanges(workspace->scanned, *plan, ranks, workspace->finder,
                                                            _num_threads);
                        if (found) return *std::move(found);
                    }
                }
                return rankedAt(ranks);
            });
        }
        double deviation = detail::nan;
        if ((_flags & detail::deviationFlags) != 0 && std::isfinite(quantiles.median())) {
            deviation = medianDeviation(source, n, quantiles.median(), plan != nullptr);
        }
        detail::Moments clipped;
        if ((_flags & detail::clipFlags) != 0) {
            clipped = clip(all.n, quantiles, [&](detail::Window const& window) {
                if constexpr (std::is_same_v<T, float>) {
                    if (plan != nullptr && detail::planHolds(*plan, window)) {
                        return detail::momentsInWindow(workspace->scanned, window, _num_threads);
                    }
                }
                return detail::sourceMoments(source, window, _num_threads);
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
        detail::Window window{quantiles.median(),
                              widened(nsigma * detail::iqrangeToStdev * quantiles.interquartileRange()), false};
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
                if (numGood != 1) window.halfWidth = widened(nsigma * std::sqrt(clipped.variance()));
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
    Value variance(detail::Moments const& moments) const;
    Value stdev(detail::Moments const& moments) const;

    int _flags;
    detail::Fractions _fractions;  // fractions at which quantiles are needed
    StatisticsControl const& _sctrl;
    int _num_threads;
    bool _tallyMasks;
};

namespace detail {

// Check the planes of a source, and return the selection of its pixels.
template <typename T>
Selection makeSelection(MaskedImageView<T const> const& image, ImageView<WeightPixel const> const& weights,
                        StatisticsControl const& sctrl) {
    checkPlaneSize<InvalidParameterError>(image.mask, "The mask", image.image, "the image");
    checkPlaneSize<InvalidParameterError>(image.variance, "The variance", image.image, "the image");
    checkPlaneSize<InvalidParameterError>(weights, "The weights image", image.image, "the image");
    if (image.width() <= 0 || image.height() <= 0) {
        throw InvalidParameterError("Image contains no pixels: its size is " + sizeToString(image.image));
    }
    if (!image.image.exists()) throw InvalidParameterError("The image is a view without memory; it must have pixels");
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
