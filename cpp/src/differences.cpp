#include "evensky/differences.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "bin_statistics.hpp"
#include "checks.hpp"
#include "evensky/errors.hpp"
#include "pair_source.hpp"

namespace evensky {

namespace {

void checkEdges(std::vector<std::int64_t> const& edges, std::int64_t size, std::string const& name) {
    if (edges.size() < 2) {
        throw InvalidParameterError(name + " has " + std::to_string(edges.size()) + " numbers; at least 2 are needed");
    }
    if (edges.front() < 0 || edges.back() > size) {
        throw InvalidParameterError(name + " reaches from " + std::to_string(edges.front()) + " to " +
                                    std::to_string(edges.back()) + "; it must be within 0 to " + std::to_string(size));
    }
    for (std::size_t i = 1; i < edges.size(); ++i) {
        if (edges[i] > edges[i - 1]) continue;
        throw InvalidParameterError(name + " has " + std::to_string(edges[i]) + " after " +
                                    std::to_string(edges[i - 1]) + "; it must ascend");
    }
}

// Return the mean position of the `count` good pixels in a box, from its corner.
template <typename T>
std::pair<double, double> centroid(detail::Pair<T> const& pair, Box const& box, std::int64_t count) {
    double columns = 0.0, rows = 0.0;
    for (auto y = box.y0; y < box.y0 + box.height; ++y) {
        std::int64_t number = 0, sum = 0;
        for (std::int64_t x = 0; x < box.width; ++x) {
            auto const good = static_cast<std::int64_t>(pair.unmasked(box.x0 + x, y) &&
                                                        detail::isFinitePixel(pair.difference(box.x0 + x, y)));
            number += good;
            sum += good * x;
        }
        columns += static_cast<double>(sum);
        rows += static_cast<double>(number) * static_cast<double>(y - box.y0);
    }
    auto const n = static_cast<double>(count);
    return {columns / n, rows / n};
}

struct CellSums {
    double sum = 0.0, count = 0.0, sumWithin = 0.0, countWithin = 0.0;
};

// Sum the good pixels in a box and, if there is a window, those from low to high among them.
template <bool Window, typename T>
CellSums sumCell(detail::Pair<T> const& pair, Box const& box, double low, double high) {
    // Sums of every fourth column, which the compiler computes side by side.
    constexpr std::size_t lanes = 4;
    constexpr double largest = std::numeric_limits<float>::max();
    std::array<double, lanes> sum{}, count{}, sumWithin{}, countWithin{};
    auto const add = [&](std::array<double, lanes> const& value) {
        for (std::size_t k = 0; k < lanes; ++k) {
            double const v = value[k];
            bool const good = std::abs(v) <= largest;  // false for NaN
            sum[k] += good ? v : 0.0;
            count[k] += good ? 1.0 : 0.0;
            if constexpr (Window) {
                double const inside = std::min(std::max(v, low), high);  // NaN stays NaN, and differs from itself
                sumWithin[k] += inside == v ? v : 0.0;
                countWithin[k] += inside == v ? 1.0 : 0.0;
            }
        }
    };
    bool const masked = pair.reference.mask.exists() || pair.science.mask.exists();
    auto const row = [&](auto const& valueAt) {
        std::ptrdiff_t x = 0;
        std::array<double, lanes> value{};
        for (; x + static_cast<std::ptrdiff_t>(lanes) <= box.width; x += static_cast<std::ptrdiff_t>(lanes)) {
            for (std::size_t k = 0; k < lanes; ++k) value[k] = valueAt(x + static_cast<std::ptrdiff_t>(k));
            add(value);
        }
        if (x == box.width) return;
        value.fill(detail::nan);
        for (std::size_t k = 0; x < box.width; ++x, ++k) value[k] = valueAt(x);
        add(value);
    };
    for (auto y = box.y0; y < box.y0 + box.height; ++y) {
        auto const difference = [&](std::ptrdiff_t x) { return static_cast<double>(pair.difference(box.x0 + x, y)); };
        if (masked) {
            row([&](std::ptrdiff_t x) { return pair.unmasked(box.x0 + x, y) ? difference(x) : detail::nan; });
        } else if (pair.contiguous) {
            T const* const one = &pair.reference.image(box.x0, y);
            T const* const other = &pair.science.image(box.x0, y);
            row([&](std::ptrdiff_t x) { return static_cast<double>(one[x] - other[x]); });
        } else {
            row(difference);
        }
    }
    CellSums total;
    for (std::size_t k = 0; k < lanes; ++k) {
        total.sum += sum[k];
        total.count += count[k];
        total.sumWithin += sumWithin[k];
        total.countWithin += countWithin[k];
    }
    if constexpr (!Window) {
        total.sumWithin = total.sum;
        total.countWithin = total.count;
    }
    return total;
}

template <typename T>
void checkImages(MaskedImageView<T const> const& reference, MaskedImageView<T const> const& science) {
    if (!reference.image.exists() || !science.image.exists()) {
        throw InvalidParameterError("An image is a view without memory; both need pixels");
    }
    detail::checkPlaneSize(science.image, "The science image", reference.image, "the reference");
    detail::checkPlaneSize(reference.mask, "The mask of the reference", reference.image, "its image");
    detail::checkPlaneSize(science.mask, "The mask of the science exposure", science.image, "its image");
}

}  // namespace

template <typename T>
DifferenceBins bin_differences(MaskedImageView<T const> const& reference, MaskedImageView<T const> const& science,
                               std::vector<std::int64_t> const& x_edges, std::vector<std::int64_t> const& y_edges,
                               PairOptions const& options, int num_threads) {
    checkImages(reference, science);
    checkEdges(x_edges, reference.width(), "x_edges");
    checkEdges(y_edges, reference.height(), "y_edges");
    detail::checkGridStatistic(options.gridStatistic);
    StatisticsControl sctrl(options.numSigmaClip, options.numIter);
    sctrl.setLeastHalfWidth(options.leastHalfWidth);
    // The centres are not used.
    BinGrid const x{x_edges, std::vector<double>(x_edges.size() - 1)};
    BinGrid const y{y_edges, std::vector<double>(y_edges.size() - 1)};
    // Variances are not used.
    detail::Pair<T> const pair({reference.image, reference.mask, {}}, {science.image, science.mask, {}},
                               options.referenceBadMask, options.scienceBadMask);
    auto measured = detail::binStatistics<T>(x, y, options.gridStatistic, sctrl, num_threads, [&](Box const& box) {
        return detail::PairSource<T, T, detail::DifferencePixels>(pair, box);
    });
    DifferenceBins result{std::move(measured.values), std::move(measured.errors), std::move(measured.counts), {}, {}};
    auto const nx = x.centers.size(), ny = y.centers.size();
    result.x.resize(nx * ny);
    result.y.resize(nx * ny);
    parallelFor(static_cast<std::ptrdiff_t>(ny), num_threads, [&](std::ptrdiff_t row) {
        auto const j = static_cast<std::size_t>(row);
        for (std::size_t i = 0; i < nx; ++i) {
            auto const at = j * nx + i;
            Box const box{x.edges[i], y.edges[j], x.edges[i + 1] - x.edges[i], y.edges[j + 1] - y.edges[j]};
            auto const count = result.counts[at];
            auto const whole = count == 0 || count == box.width * box.height;
            std::tie(result.x[at], result.y[at]) =
                    whole ? std::pair(static_cast<double>(box.width - 1) / 2, static_cast<double>(box.height - 1) / 2)
                          : centroid(pair, box, count);
        }
    });
    return result;
}

template <typename T>
DifferenceSums sum_differences(MaskedImageView<T const> const& reference, MaskedImageView<T const> const& science,
                               std::vector<std::int64_t> const& x_edges, std::vector<std::int64_t> const& y_edges,
                               std::vector<double> const& lows, std::vector<double> const& highs,
                               PairOptions const& options, int num_threads) {
    checkImages(reference, science);
    checkEdges(x_edges, reference.width(), "x_edges");
    checkEdges(y_edges, reference.height(), "y_edges");
    detail::checkThreads(num_threads);
    auto const nx = x_edges.size() - 1, ny = y_edges.size() - 1;
    for (auto const* limits : {&lows, &highs}) {
        if (limits->size() == nx * ny) continue;
        throw LengthError("There are " + std::to_string(limits->size()) + " limits of pixels for " +
                          std::to_string(nx * ny) + " cells; each cell needs two");
    }
    detail::Pair<T> const pair({reference.image, reference.mask, {}}, {science.image, science.mask, {}},
                               options.referenceBadMask, options.scienceBadMask);
    DifferenceSums result{std::vector<double>(nx * ny), std::vector<std::int64_t>(nx * ny),
                          std::vector<double>(nx * ny), std::vector<std::int64_t>(nx * ny)};
    parallelFor(static_cast<std::ptrdiff_t>(ny), num_threads, [&](std::ptrdiff_t row) {
        auto const j = static_cast<std::size_t>(row);
        for (std::size_t i = 0; i < nx; ++i) {
            auto const at = j * nx + i;
            if (std::isnan(lows[at]) || std::isnan(highs[at])) continue;
            Box const box{x_edges[i], y_edges[j], x_edges[i + 1] - x_edges[i], y_edges[j + 1] - y_edges[j]};
            bool const everything = lows[at] == -std::numeric_limits<double>::infinity() &&
                                    highs[at] == std::numeric_limits<double>::infinity();
            auto const cell = everything ? sumCell<false>(pair, box, lows[at], highs[at])
                                         : sumCell<true>(pair, box, lows[at], highs[at]);
            result.sums[at] = cell.sum;
            result.counts[at] = static_cast<std::int64_t>(cell.count);
            result.sums_within[at] = cell.sumWithin;
            result.counts_within[at] = static_cast<std::int64_t>(cell.countWithin);
        }
    });
    return result;
}

#define EVENSKY_INSTANTIATE(T)                                                                                  \
    template EVENSKY_EXPORT DifferenceBins bin_differences<T>(                                                  \
            MaskedImageView<T const> const&, MaskedImageView<T const> const&, std::vector<std::int64_t> const&, \
            std::vector<std::int64_t> const&, PairOptions const&, int);                                         \
    template EVENSKY_EXPORT DifferenceSums sum_differences<T>(                                                  \
            MaskedImageView<T const> const&, MaskedImageView<T const> const&, std::vector<std::int64_t> const&, \
            std::vector<std::int64_t> const&, std::vector<double> const&, std::vector<double> const&,           \
            PairOptions const&, int);
EVENSKY_INSTANTIATE(float)
EVENSKY_INSTANTIATE(double)
#undef EVENSKY_INSTANTIATE

}  // namespace evensky
