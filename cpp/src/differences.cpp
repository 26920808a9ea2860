#include "evensky/differences.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
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

// Sum up the places of the good pixels in a box.
template <typename T>
detail::Places placesOf(detail::Pair<T> const& pair, Box const& box) {
    detail::BlockStorage<T> storage;
    detail::BufferOf<T> packed;
    auto* const values = packed.room(static_cast<std::size_t>(box.width + detail::slack));
    std::array<std::int64_t, 2> const edges{0, box.width};
    detail::Places result;
    detail::PlacedPairSource<T> const source(pair, box, &result);
    for (std::ptrdiff_t y = 0; y < box.height; ++y) {
        std::int32_t count = 0;
        source.packBins(y, edges, values, 0, &count, storage);
    }
    return result;
}

// Return empty sums with a window.
detail::CellSums cellOf(double low, double high) {
    detail::CellSums cell;
    cell.low = low;
    cell.high = high;
    constexpr double infinity = std::numeric_limits<double>::infinity();
    cell.everything = low == -infinity && high == infinity;
    return cell;
}

// Write the sums of a cell to place `at` of a result.
void write(detail::CellSums const& cell, DifferenceSums& result, std::size_t at) {
    double total = 0.0, number = 0.0, totalWithin = 0.0, numberWithin = 0.0;
    for (std::size_t k = 0; k < detail::CellSums::lanes; ++k) {
        total += cell.sum[k];
        number += cell.count[k];
        totalWithin += cell.sumWithin[k];
        numberWithin += cell.countWithin[k];
    }
    result.sums[at] = total;
    result.counts[at] = static_cast<std::int64_t>(number);
    result.sums_within[at] = cell.everything ? total : totalWithin;
    result.counts_within[at] = static_cast<std::int64_t>(cell.everything ? number : numberWithin);
}

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
    auto const nx = x.centers.size(), ny = y.centers.size();
    std::vector<detail::Places> places(nx * ny);
    auto const find = [](std::vector<std::int64_t> const& edges, std::int64_t start) {
        return static_cast<std::size_t>(std::lower_bound(edges.begin(), edges.end(), start) - edges.begin());
    };
    auto measured = detail::binStatistics<T>(x, y, options.gridStatistic, sctrl, num_threads, [&](Box const& box) {
        return detail::PlacedPairSource<T>(pair, box, &places[find(y.edges, box.y0) * nx + find(x.edges, box.x0)]);
    });
    DifferenceBins result{std::move(measured.values), std::move(measured.errors), std::move(measured.counts), {}, {}};
    result.x.resize(nx * ny);
    result.y.resize(nx * ny);
    parallelFor(static_cast<std::ptrdiff_t>(ny), num_threads, [&](std::ptrdiff_t row) {
        auto const j = static_cast<std::size_t>(row);
        for (std::size_t i = 0; i < nx; ++i) {
            auto const at = j * nx + i;
            Box const box{x.edges[i], y.edges[j], x.edges[i + 1] - x.edges[i], y.edges[j + 1] - y.edges[j]};
            auto const count = result.counts[at];
            if (count == 0 || count == box.width * box.height) {
                result.x[at] = static_cast<double>(box.width - 1) / 2;
                result.y[at] = static_cast<double>(box.height - 1) / 2;
                continue;
            }
            // Large bins are read several times, and not packed.
            auto const& all = places[at].count == count ? places[at] : places[at] = placesOf(pair, box);
            result.x[at] = static_cast<double>(all.columns) / static_cast<double>(count);
            result.y[at] = static_cast<double>(all.rows) / static_cast<double>(count);
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
        std::vector<detail::CellSums> cells;
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
                        memory.cells.push_back(cellOf(lows[j * nx + last], highs[j * nx + last]));
                    auto const from = x_edges[first];
                    auto const width = x_edges[last] - from;
                    memory.values.resize(static_cast<std::size_t>(width));
                    for (auto y = y_edges[j]; y < y_edges[j + 1]; ++y) {
                        pair.differences(from, y, width, memory.values.data(), memory.storage);
                        detail::kernelsOf<T>().addToCells(memory.values.data(), &x_edges[first],
                                                          static_cast<std::ptrdiff_t>(last - first),
                                                          memory.cells.data());
                    }
                    for (auto i = first; i < last; ++i) write(memory.cells[i - first], result, j * nx + i);
                    first = last;
                }
            });
}

// Sums of the columns of a row of squares, and room for the differences of its pixels.
template <typename T>
struct ColumnSums {
    detail::BlockStorage<T> storage;
    detail::BufferOf<T> values;
    detail::BufferOf<double> sums;
    detail::BufferOf<std::int32_t> within, finite;

    // Sum the pixels in [low, high] of the columns of a box whose differences are `rowOf(y, out)`.
    template <typename RowOf>
    void sum(Box const& box, T low, T high, RowOf const& rowOf) {
        auto const room = static_cast<std::size_t>(box.width + detail::slack);
        auto* const pixels = values.room(static_cast<std::size_t>(box.width * box.height));
        for (std::ptrdiff_t r = 0; r < box.height; ++r) rowOf(box.y0 + r, pixels + r * box.width);
        detail::kernelsOf<T>().sumColumns(pixels, box.width, box.height, box.width, low, high, sums.room(room),
                                          within.room(room), finite.room(room));
    }
};

// Return the nearest T that is not below `low`, or not above `high`.
template <typename T>
T notBelow(double low) {
    auto const nearest = static_cast<T>(low);
    return static_cast<double>(nearest) < low ? std::nextafter(nearest, std::numeric_limits<T>::infinity()) : nearest;
}
template <typename T>
T notAbove(double high) {
    return -notBelow<T>(-high);
}

void checkSquares(StoredImage const& image, SquareWindows const& squares) {
    constexpr std::int64_t widest = 4;
    checkEdges(squares.x_edges, image.width(), "x_edges");
    checkEdges(squares.y_edges, image.height(), "y_edges");
    for (std::size_t i = 1; i < squares.x_edges.size(); ++i) {
        auto const width = squares.x_edges[i] - squares.x_edges[i - 1];
        if (width <= widest) continue;
        throw InvalidParameterError("A square is " + std::to_string(width) + " pixels wide; it can have at most " +
                                    std::to_string(widest));
    }
    auto const nx = squares.x_edges.size() - 1, ny = squares.y_edges.size() - 1;
    if (squares.wanted.width() != static_cast<std::ptrdiff_t>(nx) ||
        squares.wanted.height() != static_cast<std::ptrdiff_t>(ny) || squares.x_bins.size() != nx ||
        squares.y_bins.size() != ny) {
        throw LengthError("There are " + std::to_string(nx) + " x " + std::to_string(ny) + " squares, but " +
                          sizeToString(squares.wanted) + " that may be wanted, and bins of " +
                          std::to_string(squares.x_bins.size()) + " columns and " +
                          std::to_string(squares.y_bins.size()) + " rows of them");
    }
    if (!squares.wanted.exists() || !squares.centres.exists() || !squares.halfWidths.exists()) {
        throw InvalidParameterError(
                "A grid is a view without memory; those of wanted squares and of windows are needed");
    }
    detail::checkPlaneSize(squares.halfWidths, "The grid of half-widths", squares.centres, "that of the centres");
    auto const check = [](std::vector<std::int64_t> const& bins, std::ptrdiff_t number, std::string const& name) {
        for (auto const bin : bins) {
            if (bin >= 0 && bin < number) continue;
            throw InvalidParameterError(name + " has the bin " + std::to_string(bin) + "; there are " +
                                        std::to_string(number));
        }
    };
    check(squares.x_bins, squares.centres.width(), "x_bins");
    check(squares.y_bins, squares.centres.height(), "y_bins");
}

template <typename T>
void sumSquares(detail::Pair<T> const& pair, SquareWindows const& squares, SquareLight& result, int num_threads) {
    auto const nx = squares.x_bins.size();
    auto const& edges = squares.x_edges;
    detail::parallelForWith<ColumnSums<T>>(
            static_cast<std::ptrdiff_t>(squares.y_bins.size()), num_threads, [&](std::ptrdiff_t row, auto& columns) {
                auto const j = static_cast<std::size_t>(row);
                auto const isWanted = [&](std::size_t i) {
                    return squares.wanted(static_cast<std::ptrdiff_t>(i), row) != 0;
                };
                // The squares of a bin are read together.
                for (std::size_t first = 0, end = 0; first < nx; first = end) {
                    auto const bin = squares.x_bins[first];
                    while (end < nx && squares.x_bins[end] == bin) ++end;
                    auto from = first, to = end;
                    while (from < to && !isWanted(from)) ++from;
                    while (from < to && !isWanted(to - 1)) --to;
                    auto const centre = squares.centres(bin, squares.y_bins[j]);
                    auto const half = squares.halfWidths(bin, squares.y_bins[j]);
                    auto const low = centre - half, high = centre + half;
                    if (from == to || std::isnan(low) || std::isnan(high)) continue;
                    Box const box{edges[from], squares.y_edges[j], edges[to] - edges[from],
                                  squares.y_edges[j + 1] - squares.y_edges[j]};
                    columns.sum(box, notBelow<T>(low), notAbove<T>(high), [&](std::ptrdiff_t y, T* out) {
                        pair.differences(box.x0, y, box.width, out, columns.storage);
                    });
                    std::int64_t number = 0;
                    for (auto i = from; i < to; ++i) {
                        if (!isWanted(i)) continue;
                        double sum = 0.0;
                        std::int64_t within = 0;
                        for (auto x = edges[i] - box.x0; x < edges[i + 1] - box.x0; ++x) {
                            sum += columns.sums.data()[x];
                            within += columns.within.data()[x];
                            number += columns.finite.data()[x];
                        }
                        result.light[j * nx + i] =
                                std::isfinite(centre) ? sum - centre * static_cast<double>(within) : 0.0;
                    }
                    auto const at = row * squares.centres.width() + bin;
                    result.counts[static_cast<std::size_t>(at)] += number;
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

SquareLight windows_in_squares(StoredImage const& reference, StoredImage const& science, SquareWindows const& squares,
                               PairOptions const& options, int num_threads) {
    checkImages(reference, science);
    checkSquares(reference, squares);
    detail::checkThreads(num_threads);
    auto const nx = squares.x_bins.size(), ny = squares.y_bins.size();
    SquareLight result{std::vector<double>(nx * ny),
                       std::vector<std::int64_t>(ny * static_cast<std::size_t>(squares.centres.width()))};
    return detail::inPairType(reference, science, [&]<typename T>(T) {
        detail::Pair<T> const pair(reference, science, options.referenceBadMask, options.scienceBadMask);
        sumSquares(pair, squares, result, num_threads);
        return std::move(result);
    });
}

std::vector<std::int32_t> bad_in_squares(StoredImage const& image, MaskPixel bad,
                                         std::vector<std::int64_t> const& x_edges,
                                         std::vector<std::int64_t> const& y_edges, int num_threads) {
    checkImages(image, image);
    checkEdges(x_edges, image.width(), "x_edges");
    checkEdges(y_edges, image.height(), "y_edges");
    detail::checkThreads(num_threads);
    auto const nx = x_edges.size() - 1, ny = y_edges.size() - 1;
    std::vector<std::int32_t> result(nx * ny);
    return detail::inPairType(image, image, [&]<typename T>(T) {
        // The difference of an image from itself is 0, or bad.
        detail::Pair<T> const pair(image, image, bad, bad);
        auto const width = x_edges.back() - x_edges.front();
        detail::parallelForWith<ColumnSums<T>>(
                static_cast<std::ptrdiff_t>(ny), num_threads, [&](std::ptrdiff_t row, auto& columns) {
                    auto const j = static_cast<std::size_t>(row);
                    Box const box{x_edges.front(), y_edges[j], width, y_edges[j + 1] - y_edges[j]};
                    columns.sum(box, T{0}, T{0}, [&](std::ptrdiff_t y, T* out) {
                        pair.differences(box.x0, y, box.width, out, columns.storage);
                    });
                    for (std::size_t i = 0; i < nx; ++i) {
                        auto number = static_cast<std::int32_t>((x_edges[i + 1] - x_edges[i]) * box.height);
                        for (auto x = x_edges[i]; x < x_edges[i + 1]; ++x) {
                            number -= columns.finite.data()[x - box.x0];
                        }
                        result[j * nx + i] = number;
                    }
                });
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
