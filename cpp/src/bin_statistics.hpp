#pragma once

// One property, its error and the number of good pixels in every bin of a grid.

#include <cstdint>
#include <vector>

#include "compute_statistics.hpp"
#include "evensky/background.hpp"
#include "evensky/parallel.hpp"

namespace evensky::detail {

struct BinStatistics {
    std::vector<double> values;
    std::vector<double> errors;
    std::vector<std::int64_t> counts;
};

// `makeSource(box)` gives the pixel source of one bin.
template <typename T, typename MakeSource>
BinStatistics binStatistics(BinGrid const& x, BinGrid const& y, Property property, StatisticsControl const& sctrl,
                            int num_threads, MakeSource const& makeSource) {
    auto const nx = static_cast<std::ptrdiff_t>(x.centers.size());
    auto const ny = static_cast<std::ptrdiff_t>(y.centers.size());
    auto const size = static_cast<std::size_t>(nx * ny);
    BinStatistics result{std::vector<double>(size), std::vector<double>(size), std::vector<std::int64_t>(size)};
    // Bins are shared out among threads; inside a bin there is one.
    StatisticsBuilder const builder(property | ERRORS, sctrl, 1, false);
    parallelFor(ny, num_threads, [&](std::ptrdiff_t j) {
        StatisticsBuilder::Workspace<T> workspace;
        for (std::ptrdiff_t i = 0; i < nx; ++i) {
            auto const ii = static_cast<std::size_t>(i);
            auto const jj = static_cast<std::size_t>(j);
            Box const box{x.edges[ii], y.edges[jj], x.edges[ii + 1] - x.edges[ii], y.edges[jj + 1] - y.edges[jj]};
            auto const statistics = builder.compute(makeSource(box), workspace);
            auto const at = static_cast<std::size_t>(j * nx + i);
            auto const [value, error] = statistics.getResult(property);
            result.values[at] = value;
            result.errors[at] = error;
            result.counts[at] = statistics.getNumGood();
        }
    });
    return result;
}

}  // namespace evensky::detail
