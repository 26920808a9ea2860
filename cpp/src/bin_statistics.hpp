#pragma once

// Computation of one property, its error and the number of good pixels in each bin of a grid.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "compute_statistics.hpp"
#include "evensky/background.hpp"
#include "threads.hpp"

namespace evensky::detail {

struct BinStatistics {
    std::vector<double> values;
    std::vector<double> errors;
    std::vector<std::int64_t> counts;
};

// Return the place of bin `at` of rows of nx bins after the ny rows have become columns.
[[nodiscard]] constexpr std::size_t transposedPlace(std::size_t at, std::size_t nx, std::size_t ny) noexcept {
    return at % nx * ny + at / nx;
}

// Largest number of pixels of bins that are packed together: 256 KiB of floats, which fit into the second-level cache
// of a core beside its other data.
inline constexpr std::ptrdiff_t pixelsTogether = std::ptrdiff_t{1} << 16;

// Bins side by side whose good pixels are packed together.
template <typename T>
struct PackedBins {
    BufferOf<T> values;
    std::ptrdiff_t room = 0;  // memory of each bin
    std::vector<std::int32_t> counts;
    std::vector<BlockStorage<T>> storages;  // rows of all bins, or of each

    [[nodiscard]] std::span<T const> bin(std::size_t k) const noexcept {
        return {values.data() + static_cast<std::ptrdiff_t>(k) * room, static_cast<std::size_t>(counts[k])};
    }

    // Pack the bins of a source that are separated by `edges`, one row of all of them at a time, so that memory is read
    // in long runs.
    template <typename Source>
    void pack(Source const& source, std::span<std::int64_t const> edges, std::ptrdiff_t height) {
        constexpr bool inOneRow = requires(Source const& one) {
            one.packBins(0, edges, values.data(), room, counts.data(), storages[0]);
        };
        auto const bins = edges.size() - 1;
        std::int64_t widest = 0;
        for (std::size_t k = 0; k < bins; ++k) widest = std::max(widest, edges[k + 1] - edges[k]);
        room = static_cast<std::ptrdiff_t>(widest) * height + slack;
        T* const out = values.room(bins * static_cast<std::size_t>(room));
        counts.assign(bins, 0);
        if (storages.size() < (inOneRow ? 1 : bins)) storages.resize(inOneRow ? 1 : bins);
        for (std::ptrdiff_t row = 0; row < height; ++row) {
            if constexpr (inOneRow) {
                source.packBins(row, edges, out, room, counts.data(), storages[0]);
            } else {
                for (std::size_t k = 0; k < bins; ++k) {
                    T* const to = out + static_cast<std::ptrdiff_t>(k) * room;
                    counts[k] = static_cast<std::int32_t>(source.appendRun(
                            edges[k] - edges[0], row, edges[k + 1] - edges[k], to, counts[k], nullptr, storages[k]));
                }
            }
        }
    }
};

// Statistics of those packed bins that have few pixels, many bins at a time.
class SideBySide {
public:
    // Call take(k, result, i) for each bin k that can be computed side by side with others, whose results are at i.
    // None is computed without a task.
    template <typename Take>
    void compute(std::optional<BinsTask> task, PackedBins<float> const& packed, Take const& take) {
        auto const bins = packed.counts.size();
        _done.assign(bins, false);
        if (!task) return;
        std::array<std::size_t, BinsTask::maxBins> places{};
        auto const computeSome = [&] {
            auto const most = *std::max_element(task->counts.begin(), task->counts.begin() + task->bins);
            auto const bytes = BinsTask::scratchFor(static_cast<std::size_t>(most));
            task->scratch = _scratch.room(bytes / sizeof(float));
            kernels().bins(*task, _result);
            for (std::size_t i = 0; i < static_cast<std::size_t>(task->bins); ++i) {
                if (task->clip && !_result.ended[i]) continue;
                take(places[i], _result, i);
                _done[places[i]] = true;
            }
            task->bins = 0;
        };
        for (std::size_t k = 0; k < bins; ++k) {
            auto const pixels = packed.bin(k);
            if (pixels.size() >= StatisticsBuilder::leastScanned) continue;
            auto const i = static_cast<std::size_t>(task->bins++);
            task->packed[i] = pixels.data();
            task->counts[i] = packed.counts[k];
            places[i] = k;
            if (task->bins == BinsTask::maxBins) computeSome();
        }
        if (task->bins > 0) computeSome();
    }
    [[nodiscard]] bool isDone(std::size_t k) const noexcept { return _done[k]; }

    static Moments momentsOf(BinMoments const& bins, std::size_t i) noexcept {
        Moments m;
        if (bins.n[i] == 0.0) return m;
        m.n = static_cast<std::int64_t>(bins.n[i]);
        m.sumW = m.sumW2 = bins.n[i];
        m.sumWX = bins.sum[i];
        m.mean = bins.mean[i];
        m.sumWD2 = bins.scatter2[i];
        return m;
    }

private:
    BinsResult _result;
    Buffer _scratch;
    std::vector<char> _done;
};

// Limit the memory to prefetch to the size that fits into the second-level cache beside the packed pixels.
inline void limit(Ahead& ahead) noexcept {
    constexpr std::ptrdiff_t most = std::ptrdiff_t{1} << 20;
    auto const planes = std::count_if(ahead.at.begin(), ahead.at.end(), [](auto at) { return at != 0; });
    if (ahead.rows > 0) ahead.rows = std::min(ahead.rows, std::max<std::ptrdiff_t>(1, most / (planes * ahead.width)));
}

// Measure a property in all bins; `makeSource(box)` returns the pixel source of one bin. `whole` tells whether pixels
// are whole numbers.
template <typename T, typename MakeSource>
BinStatistics binStatistics(BinGrid const& x, BinGrid const& y, Property property, StatisticsControl const& sctrl,
                            int num_threads, MakeSource const& makeSource, bool whole = false) {
    auto const nx = static_cast<std::ptrdiff_t>(x.centers.size());
    auto const ny = static_cast<std::ptrdiff_t>(y.centers.size());
    auto const size = static_cast<std::size_t>(nx * ny);
    BinStatistics result{std::vector<double>(size), std::vector<double>(size), std::vector<std::int64_t>(size)};
    // Bins are distributed over the threads; each bin is computed by one thread.
    StatisticsBuilder const builder(property | ERRORS, sctrl, 1, false, whole);
    StatisticsBuilder::checkProperty(property);
    auto const boxOf = [&](std::ptrdiff_t i, std::ptrdiff_t j) {
        auto const ii = static_cast<std::size_t>(i);
        auto const jj = static_cast<std::size_t>(j);
        return Box{x.edges[ii], y.edges[jj], x.edges[ii + 1] - x.edges[ii], y.edges[jj + 1] - y.edges[jj]};
    };
    struct State {
        StatisticsBuilder::Workspace<T> workspace;
        PackedBins<T> packed;
        SideBySide side;
    };
    auto const set = [&](std::ptrdiff_t at, Statistics::Value const& value, std::int64_t count) {
        auto const k = static_cast<std::size_t>(at);
        std::tie(result.values[k], result.errors[k]) = value;
        result.counts[k] = count;
    };
    parallelForWith<State>(ny, num_threads, [&](std::ptrdiff_t j, State& state) {
        auto const groupFrom = [&](std::ptrdiff_t first) {
            // Find a group of neighbouring bins: its box, and the bin after it.
            std::ptrdiff_t pixels = 0;
            auto i = first;
            auto all = boxOf(first, j);
            all.width = 0;
            for (; i < nx; ++i) {
                auto const box = boxOf(i, j);
                pixels += box.width * box.height;
                if (i > first && pixels > pixelsTogether) break;
                all.width += box.width;
            }
            return std::pair(all, i);
        };
        for (std::ptrdiff_t first = 0; first < nx;) {
            // No structured binding: clang 15 and older do not capture those in lambdas.
            auto const group = groupFrom(first);
            auto const& all = group.first;
            auto const behind = group.second;
            auto const bins = behind - first;
            if constexpr (hasKernels<T>) {
                auto const source = makeSource(all);
                if (all.width * all.height <= packedPixels && source.isPlain()) {
                    Ahead ahead;
                    if (behind < nx) {
                        auto const next = groupFrom(behind).first;
                        ahead = makeSource(next).ahead({0, 0, next.width, next.height});
                        limit(ahead);
                    }
                    std::span const edges(x.edges.data() + first, static_cast<std::size_t>(bins) + 1);
                    state.packed.pack(source, edges, all.height);
                    auto const pixelsOf = [&](std::size_t k) { return (edges[k + 1] - edges[k]) * all.height; };
                    if constexpr (std::is_same_v<T, float>) {
                        auto const task = builder.binsTask();
                        auto const fractions = builder.fractions();
                        Quantiles at(fractions);
                        state.side.compute(
                                task, state.packed, [&](std::size_t k, BinsResult const& found, std::size_t i) {
                                    for (std::size_t f = 0; f < fractions.size(); ++f) at.set(f, found.quantiles[f][i]);
                                    auto const pixels = task->moments
                                                                ? SideBySide::momentsOf(found.all, i)
                                                                : StatisticsBuilder::countOnly(state.packed.counts[k]);
                                    auto const clipped =
                                            task->clip ? SideBySide::momentsOf(found.clipped, i) : Moments{};
                                    set(j * nx + first + static_cast<std::ptrdiff_t>(k),
                                        builder.valueOf(property, {pixels, clipped, at, nan, pixelsOf(k), 0}),
                                        pixels.n);
                                });
                    }
                    for (std::size_t k = 0; k < edges.size() - 1; ++k) {
                        if (std::is_same_v<T, float> && state.side.isDone(k)) continue;
                        auto const statistics =
                                builder.computePacked<T>(state.packed.bin(k), pixelsOf(k), {}, state.workspace, ahead);
                        set(j * nx + first + static_cast<std::ptrdiff_t>(k), statistics.getResult(property),
                            statistics.getNumGood());
                    }
                    first = behind;
                    continue;
                }
            }
            for (; first < behind; ++first) {
                auto const statistics = builder.compute(makeSource(boxOf(first, j)), state.workspace);
                set(j * nx + first, statistics.getResult(property), statistics.getNumGood());
            }
        }
    });
    return result;
}

}  // namespace evensky::detail
