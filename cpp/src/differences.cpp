#include "evensky/differences.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bin_statistics.hpp"
#include "checks.hpp"
#include "evensky/errors.hpp"
#include "pair_source.hpp"
#include "threads.hpp"

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
    detail::BlockStorage<T> storage;
    std::vector<T> values(static_cast<std::size_t>(box.width));
    for (auto y = box.y0; y < box.y0 + box.height; ++y) {
        pair.differences(box.x0, y, box.width, values.data(), storage);
        std::int64_t number = 0, sum = 0;
        for (std::int64_t x = 0; x < box.width; ++x) {
            auto const good = static_cast<std::int64_t>(detail::isFinitePixel(values[static_cast<std::size_t>(x)]));
            number += good;
            sum += good * x;
        }
        columns += static_cast<double>(sum);
        rows += static_cast<double>(number) * static_cast<double>(y - box.y0);
    }
    auto const n = static_cast<double>(count);
    return {columns / n, rows / n};
}

// Sums over the good pixels of a cell and, if it has a window, over those from low to high among them.
class Cell {
public:
    Cell(double low, double high)
            : _low(low),
              _high(high),
              _everything(low == -std::numeric_limits<double>::infinity() &&
                          high == std::numeric_limits<double>::infinity()) {}

    // Add pixels of a row, of which NaN and those that are not finite as a float32 are left out.
    template <typename T>
    void add(T const* pixels, std::ptrdiff_t n) {
        if (_everything) {
            addAs<false>(pixels, n);
        } else {
            addAs<true>(pixels, n);
        }
    }

    // Write the sums to place `at` of a result.
    void write(DifferenceSums& result, std::size_t at) const {
        double total = 0.0, number = 0.0, totalWithin = 0.0, numberWithin = 0.0;
        for (std::size_t k = 0; k < lanes; ++k) {
            total += _sum[k];
            number += _count[k];
            totalWithin += _sumWithin[k];
            numberWithin += _countWithin[k];
        }
        result.sums[at] = total;
        result.counts[at] = static_cast<std::int64_t>(number);
        result.sums_within[at] = _everything ? total : totalWithin;
        result.counts_within[at] = static_cast<std::int64_t>(_everything ? number : numberWithin);
    }

private:
    // Sums of every fourth column, which the compiler computes side by side.
    static constexpr std::size_t lanes = 4;
    using Sums = std::array<double, lanes>;

    template <bool Window>
    void addLanes(Sums const& value) {
        constexpr double largest = std::numeric_limits<float>::max();
        for (std::size_t k = 0; k < lanes; ++k) {
            double const v = value[k];
            bool const good = std::abs(v) <= largest;  // false for NaN
            _sum[k] += good ? v : 0.0;
            _count[k] += good ? 1.0 : 0.0;
            if constexpr (Window) {
                double const inside = std::min(std::max(v, _low), _high);  // NaN stays NaN, and differs from itself
                _sumWithin[k] += inside == v ? v : 0.0;
                _countWithin[k] += inside == v ? 1.0 : 0.0;
            }
        }
    }

    template <bool Window, typename T>
    void addAs(T const* pixels, std::ptrdiff_t n) {
        constexpr auto step = static_cast<std::ptrdiff_t>(lanes);
        Sums value{};
        std::ptrdiff_t x = 0;
        for (; x + step <= n; x += step) {
            for (std::ptrdiff_t k = 0; k < step; ++k) {
                value[static_cast<std::size_t>(k)] = static_cast<double>(pixels[x + k]);
            }
            addLanes<Window>(value);
        }
        if (x == n) return;
        value.fill(detail::nan);
        for (std::size_t k = 0; x < n; ++x, ++k) value[k] = static_cast<double>(pixels[x]);
        addLanes<Window>(value);
    }

    double _low, _high;
    bool _everything;
    Sums _sum{}, _count{}, _sumWithin{}, _countWithin{};
};

void checkImages(StoredImage const& reference, StoredImage const& science) {
    if (!reference.image.exists() || !science.image.exists()) {
        throw InvalidParameterError("An image is a view without memory; both need pixels");
    }
    detail::checkCountable(reference.image, "The reference");
    detail::checkPlaneSize(science.image, "The science image", reference.image, "the reference");
    detail::checkPlaneSize(reference.mask, "The mask of the reference", reference.image, "its image");
    detail::checkPlaneSize(science.mask, "The mask of the science exposure", science.image, "its image");
    // Variances are not used.
    detail::checkFormats({reference.image, reference.mask}, "the reference");
    detail::checkFormats({science.image, science.mask}, "the science exposure");
}

template <typename T>
DifferenceBins binsOf(StoredImage const& reference, StoredImage const& science,
                      std::vector<std::int64_t> const& x_edges, std::vector<std::int64_t> const& y_edges,
                      PairOptions const& options, int num_threads) {
    StatisticsControl sctrl(options.numSigmaClip, options.numIter);
    sctrl.setLeastHalfWidth(options.leastHalfWidth);
    // The centres are not used.
    BinGrid const x{x_edges, std::vector<double>(x_edges.size() - 1)};
    BinGrid const y{y_edges, std::vector<double>(y_edges.size() - 1)};
    detail::Pair<T> const pair(reference, science, options.referenceBadMask, options.scienceBadMask);
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
void sumCells(detail::Pair<T> const& pair, std::vector<std::int64_t> const& x_edges,
              std::vector<std::int64_t> const& y_edges, std::vector<double> const& lows,
              std::vector<double> const& highs, DifferenceSums& result, int num_threads) {
    auto const nx = x_edges.size() - 1, ny = y_edges.size() - 1;
    struct Memory {
        detail::BlockStorage<T> storage;
        std::vector<T> values;
        std::vector<Cell> cells;
    };
    detail::parallelForWith<Memory>(
            static_cast<std::ptrdiff_t>(ny), num_threads, [&](std::ptrdiff_t row, Memory& memory) {
                auto const j = static_cast<std::size_t>(row);
                auto const wanted = [&](std::size_t i) {
                    return !std::isnan(lows[j * nx + i]) && !std::isnan(highs[j * nx + i]);
                };
                // Neighbouring cells are read together, row by row.
                for (std::size_t first = 0; first < nx;) {
                    if (!wanted(first)) {
                        ++first;
                        continue;
                    }
                    memory.cells.clear();
                    auto last = first;
                    for (; last < nx && wanted(last); ++last)
                        memory.cells.emplace_back(lows[j * nx + last], highs[j * nx + last]);
                    auto const from = x_edges[first];
                    auto const width = x_edges[last] - from;
                    memory.values.resize(static_cast<std::size_t>(width));
                    for (auto y = y_edges[j]; y < y_edges[j + 1]; ++y) {
                        pair.differences(from, y, width, memory.values.data(), memory.storage);
                        for (auto i = first; i < last; ++i) {
                            memory.cells[i - first].add(memory.values.data() + (x_edges[i] - from),
                                                        x_edges[i + 1] - x_edges[i]);
                        }
                    }
                    for (auto i = first; i < last; ++i) memory.cells[i - first].write(result, j * nx + i);
                    first = last;
                }
            });
}

}  // namespace

DifferenceBins bin_differences(StoredImage const& reference, StoredImage const& science,
                               std::vector<std::int64_t> const& x_edges, std::vector<std::int64_t> const& y_edges,
                               PairOptions const& options, int num_threads) {
    checkImages(reference, science);
    checkEdges(x_edges, reference.width(), "x_edges");
    checkEdges(y_edges, reference.height(), "y_edges");
    detail::checkGridStatistic(options.gridStatistic);
    return detail::inPairType(reference, science, [&]<typename T>(T) {
        return binsOf<T>(reference, science, x_edges, y_edges, options, num_threads);
    });
}

DifferenceSums sum_differences(StoredImage const& reference, StoredImage const& science,
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
    DifferenceSums result{std::vector<double>(nx * ny), std::vector<std::int64_t>(nx * ny),
                          std::vector<double>(nx * ny), std::vector<std::int64_t>(nx * ny)};
    return detail::inPairType(reference, science, [&]<typename T>(T) {
        detail::Pair<T> const pair(reference, science, options.referenceBadMask, options.scienceBadMask);
        sumCells(pair, x_edges, y_edges, lows, highs, result, num_threads);
        return std::move(result);
    });
}

template <typename T>
DifferenceBins bin_differences(MaskedImageView<T const> const& reference, MaskedImageView<T const> const& science,
                               std::vector<std::int64_t> const& x_edges, std::vector<std::int64_t> const& y_edges,
                               PairOptions const& options, int num_threads) {
    return bin_differences(StoredImage(reference), StoredImage(science), x_edges, y_edges, options, num_threads);
}

template <typename T>
DifferenceSums sum_differences(MaskedImageView<T const> const& reference, MaskedImageView<T const> const& science,
                               std::vector<std::int64_t> const& x_edges, std::vector<std::int64_t> const& y_edges,
                               std::vector<double> const& lows, std::vector<double> const& highs,
                               PairOptions const& options, int num_threads) {
    return sum_differences(StoredImage(reference), StoredImage(science), x_edges, y_edges, lows, highs, options,
                           num_threads);
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
