#pragma once

// Computation of one property, its error and the number of good pixels in each bin of a grid.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
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

// Largest number of pixels of bins that are packed together: 256 KiB of floats, which fit into the second-level cache
// of a core beside its other data.
inline constexpr std::ptrdiff_t pixelsTogether = std::ptrdiff_t{1} << 16;

// Good pixels of bins of one height, side by side: values in storages, numbers in packed.
template <typename T, typename Source>
void packTogether(std::vector<Source> const& sources, std::ptrdiff_t height, std::vector<BlockStorage<T>>& storages,
                  std::vector<std::ptrdiff_t>& packed) {
    if (storages.size() < sources.size()) storages.resize(sources.size());
    packed.assign(sources.size(), 0);
    for (std::size_t k = 0; k < sources.size(); ++k) storages[k].reserve(sources[k].numPixels(), false, false);
    for (std::ptrdiff_t row = 0; row < height; ++row) {
        for (std::size_t k = 0; k < sources.size(); ++k) {
            packed[k] = sources[k].appendRun(0, row, sources[k].width(), storages[k].values.data(), packed[k], nullptr);
        }
    }
}

// Limit the memory to prefetch to the size that fits into the second-level cache beside the packed pixels.
inline void limit(Ahead& ahead) noexcept {
    constexpr std::ptrdiff_t most = std::ptrdiff_t{1} << 20;
    auto const planes = std::count_if(ahead.at.begin(), ahead.at.end(), [](auto at) { return at != 0; });
    if (ahead.rows > 0) ahead.rows = std::min(ahead.rows, std::max<std::ptrdiff_t>(1, most / (planes * ahead.width)));
}

// Measure a property in all bins; `makeSource(box)` returns the pixel source of one bin.
template <typename T, typename MakeSource>
BinStatistics binStatistics(BinGrid const& x, BinGrid const& y, Property property, StatisticsControl const& sctrl,
                            int num_threads, MakeSource const& makeSource) {
    auto const nx = static_cast<std::ptrdiff_t>(x.centers.size());
    auto const ny = static_cast<std::ptrdiff_t>(y.centers.size());
    auto const size = static_cast<std::size_t>(nx * ny);
    BinStatistics result{std::vector<double>(size), std::vector<double>(size), std::vector<std::int64_t>(size)};
    // Bins are distributed over the threads; each bin is computed by one thread.
    StatisticsBuilder const builder(property | ERRORS, sctrl, 1, false);
    auto const boxOf = [&](std::ptrdiff_t i, std::ptrdiff_t j) {
        auto const ii = static_cast<std::size_t>(i);
        auto const jj = static_cast<std::size_t>(j);
        return Box{x.edges[ii], y.edges[jj], x.edges[ii + 1] - x.edges[ii], y.edges[jj + 1] - y.edges[jj]};
    };
    struct State {
        StatisticsBuilder::Workspace<T> workspace;
        std::vector<BlockStorage<T>> storages;
        std::vector<std::ptrdiff_t> packed;
        std::vector<decltype(makeSource(Box{}))> sources;
    };
    parallelForWith<State>(ny, num_threads, [&](std::ptrdiff_t j, State& state) {
        auto& sources = state.sources;
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
            // Neighbours are packed together, one row of all of them at a time, so that memory is read in longer runs.
            auto const [all, behind] = groupFrom(first);
            sources.clear();
            for (auto i = first; i < behind; ++i) sources.push_back(makeSource(boxOf(i, j)));
            bool const together =
                    std::is_same_v<T, float> && all.width * all.height <= packedPixels && sources.front().isPlain();
            Ahead ahead;
            if (together && behind < nx) {
                auto const next = groupFrom(behind).first;
                ahead = makeSource(next).ahead({0, 0, next.width, next.height});
                limit(ahead);
            }
            if (together) packTogether<T>(sources, boxOf(first, j).height, state.storages, state.packed);
            for (std::size_t k = 0; k < sources.size(); ++k) {
                auto const statistics = [&] {
                    if constexpr (std::is_same_v<T, float>) {
                        if (together) {
                            std::span const values(state.storages[k].values.data(),
                                                   static_cast<std::size_t>(state.packed[k]));
                            return builder.computePacked(values, sources[k].numPixels(), {}, state.workspace, ahead);
                        }
                    }
                    return builder.compute(sources[k], state.workspace);
                }();
                auto const at = static_cast<std::size_t>(j * nx + first) + k;
                auto const [value, error] = statistics.getResult(property);
                result.values[at] = value;
                result.errors[at] = error;
                result.counts[at] = statistics.getNumGood();
            }
            first += static_cast<std::ptrdiff_t>(sources.size());
        }
    });
    return result;
}

}  // namespace evensky::detail
