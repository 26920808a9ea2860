#include "evensky/background_mesh.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <compare>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "bin_statistics.hpp"
#include "checks.hpp"
#include "evensky/errors.hpp"
#include "grid_evaluator.hpp"
#include "level_finder.hpp"
#include "names.hpp"
#include "quantiles.hpp"
#include "threads.hpp"

namespace evensky {

namespace {

constexpr std::array<std::pair<std::string_view, LevelEstimator>, 8> levelNames{
        {{"MEAN", LevelEstimator::MEAN},
         {"MEDIAN", LevelEstimator::MEDIAN},
         {"SEXTRACTOR", LevelEstimator::SEXTRACTOR},
         {"MMM", LevelEstimator::MMM},
         {"BIWEIGHT", LevelEstimator::BIWEIGHT},
         {"HISTOGRAM", LevelEstimator::HISTOGRAM},
         {"MODE", LevelEstimator::MODE},
         {"GROUPED_MODE", LevelEstimator::GROUPED_MODE}}};
constexpr std::array<std::pair<std::string_view, ScatterEstimator>, 3> scatterNames{
        {{"STDEV", ScatterEstimator::STDEV}, {"MAD", ScatterEstimator::MAD}, {"BIWEIGHT", ScatterEstimator::BIWEIGHT}}};
constexpr std::array<std::pair<std::string_view, ClipCentre>, 3> centreNames{
        {{"NONE", ClipCentre::NONE}, {"MEDIAN", ClipCentre::MEDIAN}, {"MEAN", ClipCentre::MEAN}}};
constexpr std::array<std::pair<std::string_view, ClipScatter>, 3> clipScatterNames{
        {{"NONE", ClipScatter::NONE}, {"STDEV", ClipScatter::STDEV}, {"MAD", ClipScatter::MAD}}};
constexpr std::array<std::pair<std::string_view, EdgeMethod>, 3> edgeNames{
        {{"SPREAD", EdgeMethod::SPREAD}, {"PAD", EdgeMethod::PAD}, {"CROP", EdgeMethod::CROP}}};

// Throw InvalidParameterError if an enumerator is not in the table of its names.
template <typename Table, typename Enum>
void checkEnumerator(Table const& table, Enum value, char const* name) {
    for (auto const& row : table) {
        if (row.second == value) return;
    }
    throw InvalidParameterError(std::string(name) + " = " + std::to_string(static_cast<int>(value)) +
                                " does not exist; it must be 0 to " + std::to_string(table.size() - 1));
}

void checkSigma(double sigma, char const* name) {
    if (sigma > 0.0) return;
    throw InvalidParameterError(std::string(name) + " = " + detail::numberToString(sigma) + "; it must be > 0");
}

void checkOptions(MeshOptions const& options) {
    for (auto const& [size, name] : {std::pair(options.width, "width"), std::pair(options.height, "height")}) {
        if (size < 1) {
            throw InvalidParameterError(std::string(name) + " = " + std::to_string(size) +
                                        "; a box must have at least 1 pixel along each side");
        }
    }
    checkEnumerator(edgeNames, options.edge, "edge");
    checkEnumerator(levelNames, options.estimator, "estimator");
    checkEnumerator(scatterNames, options.rmsEstimator, "rmsEstimator");
    checkEnumerator(centreNames, options.centre, "centre");
    checkEnumerator(clipScatterNames, options.scatter, "scatter");
    checkSigma(options.sigmaLow, "sigmaLow");
    checkSigma(options.sigmaHigh, "sigmaHigh");
    if (options.rounds < 0) {
        throw InvalidParameterError("rounds = " + std::to_string(options.rounds) +
                                    "; it must be > 0, or 0 for no clipping");
    }
    if (options.estimator != LevelEstimator::HISTOGRAM) return;
    MeshOptions const usual;
    if (options.sigmaLow != usual.sigmaLow || options.sigmaHigh != usual.sigmaHigh || options.rounds != usual.rounds ||
        options.centre != usual.centre || options.scatter != usual.scatter ||
        options.rmsEstimator != usual.rmsEstimator) {
        throw InvalidParameterError(
                "The estimator HISTOGRAM clips by itself and has a scatter of its own; leave sigma, rounds, centre, "
                "scatter and rmsEstimator at their defaults, or use the estimator SEXTRACTOR");
    }
}

BinGrid makeBins(std::int64_t size, std::int64_t box, EdgeMethod edge) {
    if (edge == EdgeMethod::CROP) {
        if (size < box) {
            throw InvalidParameterError("The image has " + std::to_string(size) +
                                        " pixels along a side, and boxes have " + std::to_string(box) +
                                        "; with CROP, an image must hold a whole box, so use smaller boxes or PAD");
        }
        return BinGrid::steps(size / box * box, box);
    }
    auto grid = BinGrid::steps(size, box);
    return edge == EdgeMethod::PAD ? grid : BinGrid::evenly(size, static_cast<int>(grid.centers.size()));
}

// Measure all boxes; `makeSource(box)` returns the pixel source of a box, `set(at, level)` receives the results.
template <typename T, typename MakeSource, typename Set>
void measure(BinGrid const& x, BinGrid const& y, MeshOptions const& options, int num_threads,
             MakeSource const& makeSource, Set const& set) {
    auto const nx = static_cast<std::ptrdiff_t>(x.centers.size());
    auto const ny = static_cast<std::ptrdiff_t>(y.centers.size());
    struct State {
        detail::PackedBins<T> packed;
        detail::LevelFinder<T> finder;
        detail::SideBySide side;
    };
    auto const task = std::is_same_v<T, float> ? detail::sideBySideTask(options) : std::nullopt;
    detail::parallelForWith<State>(ny, num_threads, [&](std::ptrdiff_t j, State& state) {
        auto const bottom = y.edges[static_cast<std::size_t>(j)];
        auto const height = y.edges[static_cast<std::size_t>(j) + 1] - bottom;
        // Find the box after a group of neighbouring boxes that are packed together.
        auto const behindGroup = [&](std::ptrdiff_t first) {
            auto const start = x.edges[static_cast<std::size_t>(first)];
            auto behind = first + 1;
            while (behind < nx &&
                   (x.edges[static_cast<std::size_t>(behind) + 1] - start) * height <= detail::pixelsTogether) {
                ++behind;
            }
            return behind;
        };
        auto const boxOf = [&](std::ptrdiff_t first, std::ptrdiff_t behind) {
            auto const start = x.edges[static_cast<std::size_t>(first)];
            return Box{start, bottom, x.edges[static_cast<std::size_t>(behind)] - start, height};
        };
        for (std::ptrdiff_t first = 0; first < nx;) {
            auto const behind = behindGroup(first);
            detail::Ahead ahead;
            if (behind < nx) {
                auto const next = boxOf(behind, behindGroup(behind));
                ahead = makeSource(next).ahead({0, 0, next.width, next.height});
                detail::limit(ahead);
            }
            std::span const edges(x.edges.data() + first, static_cast<std::size_t>(behind - first) + 1);
            state.packed.pack(makeSource(boxOf(first, behind)), edges, height);
            auto const at = static_cast<std::size_t>(j * nx + first);
            auto const setGood = [&](std::size_t k, detail::BoxLevel found) {
                found.good = state.packed.counts[k];
                set(at + k, found);
            };
            if constexpr (std::is_same_v<T, float>) {
                state.side.compute(task, state.packed,
                                   [&](std::size_t k, detail::BinsResult const& found, std::size_t i) {
                                       detail::KeptPixels kept;
                                       kept.moments = detail::SideBySide::momentsOf(found.clipped, i);
                                       kept.median = found.keptMedian[i];
                                       kept.deviation = found.keptDeviation[i];
                                       kept.biweight = {found.biweight[0][i], found.biweight[1][i]};
                                       setGood(k, detail::levelOf(kept, options));
                                   });
            }
            for (std::size_t k = 0; k < state.packed.counts.size(); ++k) {
                if (std::is_same_v<T, float> && state.side.isDone(k)) continue;
                setGood(k, state.finder.find(state.packed.bin(k), options, ahead));
            }
            first = behind;
        }
    });
}

// Boxes of a mesh that are good, row by row, in which the nearest ones to a box are searched.
class NearestBoxes {
public:
    struct Near {
        std::int64_t distance2;
        std::size_t at;
        [[nodiscard]] auto operator<=>(Near const&) const = default;
    };
    // Working memory of a thread.
    struct Search {
        std::vector<Near> found;
        std::array<std::int64_t, 10> least;  // squared distances of the nearest boxes so far, ascending
    };

    NearestBoxes(std::vector<char> const& good, std::ptrdiff_t nx) : _nx(nx) {
        auto const ny = static_cast<std::ptrdiff_t>(good.size()) / nx;
        for (std::ptrdiff_t y = 0; y < ny; ++y) {
            auto const before = _columns.size();
            for (std::ptrdiff_t x = 0; x < nx; ++x) {
                if (good[static_cast<std::size_t>(y * nx + x)] != 0) _columns.push_back(x);
            }
            if (_columns.size() > before) _rows.push_back({y, before, _columns.size()});
        }
    }

    // Find the ten good boxes nearest to box (i, j), which is not good, and further ones at the distance of the tenth;
    // all if there are fewer. The nearest come first, and boxes at the same distance row by row.
    std::vector<Near> const& find(std::ptrdiff_t i, std::ptrdiff_t j, Search& search) const {
        search.found.clear();
        search.least.fill(std::numeric_limits<std::int64_t>::max());
        // Look at rows from j outwards until they are too far.
        auto up = std::lower_bound(_rows.begin(), _rows.end(), j, [](Row const& row, auto y) { return row.y < y; });
        auto down = up;
        while (up != _rows.end() || down != _rows.begin()) {
            bool const isUp = down == _rows.begin() || (up != _rows.end() && up->y - j <= j - (down - 1)->y);
            auto const& row = isUp ? *up++ : *--down;
            if ((row.y - j) * (row.y - j) > search.least.back()) {
                (isUp ? up : down) = isUp ? _rows.end() : _rows.begin();
            } else {
                lookAt(row, i, j, search);
            }
        }
        auto& found = search.found;
        std::erase_if(found, [&](Near const& near) { return near.distance2 > search.least.back(); });
        std::sort(found.begin(), found.end());
        return found;
    }

private:
    struct Row {
        std::ptrdiff_t y;
        std::size_t from, to;  // its part of _columns
    };
    // Add the boxes of a row, from column i outwards until they are too far.
    void lookAt(Row const& row, std::ptrdiff_t i, std::ptrdiff_t j, Search& search) const {
        auto const start = _columns.begin() + static_cast<std::ptrdiff_t>(row.from);
        auto const end = _columns.begin() + static_cast<std::ptrdiff_t>(row.to);
        auto const add = [&](std::ptrdiff_t x) {
            auto distance2 = (x - i) * (x - i) + (row.y - j) * (row.y - j);
            if (distance2 > search.least.back()) return false;
            search.found.push_back({distance2, static_cast<std::size_t>(row.y * _nx + x)});
            for (auto& other : search.least) {
                if (distance2 < other) std::swap(distance2, other);
            }
            return true;
        };
        auto const middle = std::lower_bound(start, end, i);
        for (auto at = middle; at != end && add(*at); ++at) continue;
        for (auto at = middle; at != start && add(*(at - 1)); --at) continue;
    }

    std::ptrdiff_t _nx;
    std::vector<std::ptrdiff_t> _columns;  // of the good boxes, row by row
    std::vector<Row> _rows;                // that have any
};

// Values of the boxes of a mesh, and their ranks in order.
struct RankedValues {
    static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();
    std::vector<double> sorted;
    std::vector<std::size_t> ranks;  // of each box; none if it or its level is NaN

    RankedValues(std::vector<double> const& values, std::vector<double> const& level) : ranks(values.size(), none) {
        std::vector<std::size_t> order;
        order.reserve(values.size());
        for (std::size_t at = 0; at < values.size(); ++at) {
            if (!std::isnan(values[at]) && !std::isnan(level[at])) order.push_back(at);
        }
        std::sort(order.begin(), order.end(), [&](auto a, auto b) { return values[a] < values[b]; });
        sorted.reserve(order.size());
        for (auto const at : order) {
            ranks[at] = sorted.size();
            sorted.push_back(values[at]);
        }
    }
};

// Median of the boxes in a window that moves: a set of their ranks, of which the half is followed (Huang, Yang & Tang
// 1979, IEEE Trans. ASSP 27, 13).
class WindowMedian {
public:
    // Begin with an empty window.
    void begin(RankedValues const& values) {
        _values = &values;
        _bits.assign(values.sorted.size() / wordBits + 1, 0);
        _word = 0;
        _size = _below = 0;
    }
    // Add a box (1) or remove one (-1).
    void change(std::size_t box, int by) {
        auto const rank = _values->ranks[box];
        if (rank == RankedValues::none) return;
        _bits[rank / wordBits] ^= std::uint64_t{1} << rank % wordBits;
        _size += by;
        if (rank / wordBits < _word) _below += by;
    }
    // Return the median; NaN if the window is empty.
    double median() {
        if (_size == 0) return detail::nan;
        double const middle = at(_size / 2);
        return _size % 2 != 0 ? middle : 0.5 * (at(_size / 2 - 1) + middle);
    }

private:
    static constexpr std::size_t wordBits = 64;

    // Return the value with a number of smaller ones in the window.
    double at(std::int64_t smaller) {
        while (_below > smaller) _below -= std::popcount(_bits[--_word]);
        for (;;) {
            auto const here = std::popcount(_bits[_word]);
            if (_below + here > smaller) break;
            _below += here;
            ++_word;
        }
        auto bits = _bits[_word];
        for (auto i = _below; i < smaller; ++i) bits &= bits - 1;
        return _values->sorted[_word * wordBits + static_cast<std::size_t>(std::countr_zero(bits))];
    }

    RankedValues const* _values = nullptr;
    std::vector<std::uint64_t> _bits;  // set for the ranks in the window
    std::int64_t _size = 0;            // number of boxes in the window
    std::size_t _word = 0;             // words before this one hold _below of them
    std::int64_t _below = 0;
};

}  // namespace

LevelEstimator stringToLevelEstimator(std::string const& estimator) {
    return detail::valueOfName(levelNames, estimator, "estimator of the level");
}

ScatterEstimator stringToScatterEstimator(std::string const& estimator) {
    return detail::valueOfName(scatterNames, estimator, "estimator of the scatter");
}

EdgeMethod stringToEdgeMethod(std::string const& method) {
    return detail::valueOfName(edgeNames, method, "edge method");
}

BackgroundMesh::BackgroundMesh(StoredImage const& image, std::int64_t x0, std::int64_t y0, MeshOptions const& options,
                               int num_threads)
        : _bbox{x0, y0, image.width(), image.height()}, _options(options) {
    detail::checkRepresentable(_bbox);
    checkOptions(options);
    StatisticsControl sctrl;
    sctrl.setAndMask(options.bad);
    auto const selection = detail::makeSelection(image, {}, sctrl);
    _x = makeBins(image.width(), options.width, options.edge);
    _y = makeBins(image.height(), options.height, options.edge);
    auto const width = std::min(options.width, image.width()), height = std::min(options.height, image.height());
    if (width > std::numeric_limits<std::int32_t>::max() / height) {
        throw LengthError("A box is " + std::to_string(width) + " x " + std::to_string(height) +
                          " pixels; it can have at most 2^31 - 1, so use smaller boxes");
    }
    auto const size = _x.centers.size() * _y.centers.size();
    for (auto* const values : {&_level, &_error, &_rms}) values->resize(size);
    _number.resize(size);
    _good.resize(size);
    bool const standing = detail::isStanding(image.image);
    auto const planes = standing ? image.transposed() : image;
    auto const work = [&]<typename T>(T, std::atomic<bool>* rounded) {
        measure<T>(
                standing ? _y : _x, standing ? _x : _y, options, num_threads,
                [&](Box const& box) { return detail::ImageSource<T>(planes.part(box), {}, selection, rounded); },
                [&](std::size_t measured, detail::BoxLevel const& found) {
                    auto const at = standing ? detail::transposedPlace(measured, _y.centers.size(), _x.centers.size())
                                             : measured;
                    std::tie(_level[at], _error[at], _rms[at], _number[at], _good[at]) =
                            std::tie(found.level, found.error, found.rms, found.number, found.good);
                });
    };
    auto const format = image.image.format();
    std::atomic<bool> rounded{false};
    bool const needsDouble = format == PixelFormat::FLOAT64 || format == PixelFormat::UINT64;
    if (!needsDouble) work(float{}, &rounded);
    if (needsDouble || rounded.load()) work(double{}, nullptr);
}

BackgroundMesh::BackgroundMesh(Box const& bbox, MeshOptions const& options, ImageView<double const> const& level,
                               ImageView<double const> const& error, ImageView<double const> const& rms,
                               ImageView<std::int64_t const> const& number)
        : _bbox(bbox), _options(options) {
    if (bbox.isEmpty()) throw InvalidParameterError("Image contains no pixels: its box is " + bbox.toString());
    detail::checkRepresentable(bbox);
    checkOptions(options);
    _x = makeBins(bbox.width, options.width, options.edge);
    _y = makeBins(bbox.height, options.height, options.edge);
    auto const take = [this]<typename T>(ImageView<T const> const& from, std::vector<T>& to, char const* name) {
        if (from.width() != nx() || from.height() != ny() || !from.exists()) {
            throw LengthError(std::string("The plane of ") + name + " is " + sizeToString(from) + ", but the mesh is " +
                              std::to_string(nx()) + " x " + std::to_string(ny()) + "; they must be equal");
        }
        to.resize(static_cast<std::size_t>(nx() * ny()));
        for (std::ptrdiff_t j = 0; j < ny(); ++j) {
            for (std::ptrdiff_t i = 0; i < nx(); ++i) to[static_cast<std::size_t>(j * nx() + i)] = from(i, j);
        }
    };
    take(level, _level, "levels");
    take(error, _error, "errors");
    take(rms, _rms, "scatters");
    take(number, _number, "numbers of pixels");
    _good = _number;
}

double BackgroundMesh::pixelsOf(std::ptrdiff_t i, std::ptrdiff_t j) const noexcept {
    auto const side = [this](BinGrid const& grid, std::ptrdiff_t k, std::int64_t box) {
        auto const at = static_cast<std::size_t>(k);
        return static_cast<double>(_options.edge == EdgeMethod::PAD ? box : grid.edges[at + 1] - grid.edges[at]);
    };
    return side(_x, i, _options.width) * side(_y, j, _options.height);
}

std::int64_t BackgroundMesh::fill(double exclude_percentile, int num_threads) {
    if (!(exclude_percentile >= 0.0 && exclude_percentile <= 100.0)) {
        throw InvalidParameterError("exclude_percentile = " + detail::numberToString(exclude_percentile) +
                                    "; it must be in 0 .. 100");
    }
    detail::checkThreads(num_threads);
    std::vector<char> good(_level.size());
    std::int64_t kept = 0, excluded = 0;
    for (std::ptrdiff_t j = 0; j < ny(); ++j) {
        for (std::ptrdiff_t i = 0; i < nx(); ++i) {
            auto const at = static_cast<std::size_t>(j * nx() + i);
            double const pixels = pixelsOf(i, j);
            double const lost = pixels - static_cast<double>(_number[at]);
            bool const isMeasured = _number[at] > 0 && std::isfinite(_level[at]) && std::isfinite(_rms[at]);
            good[at] = static_cast<char>(isMeasured && lost * 100.0 <= exclude_percentile * pixels);
            kept += good[at];
            excluded += static_cast<std::int64_t>(isMeasured && good[at] == 0);
        }
    }
    if (kept == 0) {
        if (excluded == 0) return 0;
        throw RuntimeError("All boxes are excluded: in each of them, more than exclude_percentile = " +
                           detail::numberToString(exclude_percentile) +
                           " percent of the pixels is masked or clipped; raise it, or use smaller boxes");
    }
    auto const level = _level, rms = _rms;
    NearestBoxes const boxes(good, nx());
    detail::parallelForWith<NearestBoxes::Search>(ny(), num_threads, [&](std::ptrdiff_t j, auto& search) {
        for (std::ptrdiff_t i = 0; i < nx(); ++i) {
            auto const here = static_cast<std::size_t>(j * nx() + i);
            if (good[here] != 0) continue;
            double sum = 0.0, ofLevel = 0.0, ofRms = 0.0;
            for (auto const& near : boxes.find(i, j, search)) {
                double const weight = 1.0 / std::sqrt(static_cast<double>(near.distance2));
                sum += weight;
                ofLevel += weight * level[near.at];
                ofRms += weight * rms[near.at];
            }
            _level[here] = ofLevel / sum;
            _rms[here] = ofRms / sum;
            _error[here] = detail::nan;
        }
    });
    return static_cast<std::int64_t>(good.size()) - kept;
}

void BackgroundMesh::filter(std::int64_t height, std::int64_t width, std::optional<double> threshold, int num_threads) {
    detail::checkWindow(height, width);
    if (threshold && std::isnan(*threshold)) {
        throw InvalidParameterError("threshold = nan; it must be a number, or be left out to filter all boxes");
    }
    detail::checkThreads(num_threads);
    auto const level = _level, rms = _rms;
    // Rows and columns of boxes about row j or column i.
    auto const rows = [&](std::ptrdiff_t j) {
        return std::pair(std::max<std::ptrdiff_t>(0, j - height / 2), std::min(ny(), j + height / 2 + 1));
    };
    auto const columns = [&](std::ptrdiff_t i) {
        return std::pair(std::max<std::ptrdiff_t>(0, i - width / 2), std::min(nx(), i + width / 2 + 1));
    };
    auto const isFiltered = [&](std::size_t at) { return !threshold || level[at] > *threshold; };
    // The medians of small windows are found one by one.
    constexpr std::int64_t few = 49;
    if (std::min(height, few) * std::min(width, few) <= few) {
        using Values = std::vector<double>;
        detail::parallelForWith<std::array<Values, 2>>(ny(), num_threads, [&](std::ptrdiff_t j, auto& values) {
            auto const [bottom, top] = rows(j);
            for (std::ptrdiff_t i = 0; i < nx(); ++i) {
                auto const here = static_cast<std::size_t>(j * nx() + i);
                if (!isFiltered(here)) continue;
                for (auto& some : values) some.clear();
                auto const [left, right] = columns(i);
                for (auto y = bottom; y < top; ++y) {
                    for (auto x = left; x < right; ++x) {
                        auto const at = static_cast<std::size_t>(y * nx() + x);
                        if (std::isnan(level[at])) continue;
                        values[0].push_back(level[at]);
                        if (!std::isnan(rms[at])) values[1].push_back(rms[at]);
                    }
                }
                _level[here] = detail::medianOf(values[0]);
                _rms[here] = detail::medianOf(values[1]);
            }
        });
        return;
    }
    RankedValues const levels(level, level), scatters(rms, level);
    detail::parallelForWith<std::array<WindowMedian, 2>>(ny(), num_threads, [&](std::ptrdiff_t j, auto& medians) {
        medians[0].begin(levels);
        medians[1].begin(scatters);
        auto const ofRows = rows(j);
        // Add a column of boxes to the window, or remove it.
        auto const change = [&](std::ptrdiff_t x, int by) {
            for (auto y = ofRows.first; y < ofRows.second; ++y) {
                for (auto& median : medians) median.change(static_cast<std::size_t>(y * nx() + x), by);
            }
        };
        std::ptrdiff_t left = 0, right = 0;  // the window has the columns from `left` to the one before `right`
        for (std::ptrdiff_t i = 0; i < nx(); ++i) {
            auto const here = static_cast<std::size_t>(j * nx() + i);
            if (!isFiltered(here)) continue;
            auto const [from, to] = columns(i);
            for (; left < std::min(from, right); ++left) change(left, -1);
            left = from;
            for (right = std::max(left, right); right < to; ++right) change(right, 1);
            _level[here] = medians[0].median();
            _rms[here] = medians[1].median();
        }
    });
}

template <typename T>
AsUsed BackgroundMesh::evaluate(std::vector<double> const& values, bool positive, ImageView<T> const& out,
                                Box const& bbox, Interpolate::Style interpStyle, UndersampleStyle undersampleStyle,
                                int num_threads) const {
    detail::checkPart(bbox, _bbox, out);
    GridEvaluator const evaluator(_x.centers, _y.centers, values, interpStyle, undersampleStyle);
    evaluator.image(bbox, _bbox, out, num_threads, positive);
    return evaluator.asUsed();
}

template <typename T>
AsUsed BackgroundMesh::getImage(ImageView<T> const& out, Box const& bbox, Interpolate::Style interpStyle,
                                UndersampleStyle undersampleStyle, int num_threads) const {
    return evaluate(_level, false, out, bbox, interpStyle, undersampleStyle, num_threads);
}

template <typename T>
AsUsed BackgroundMesh::getRmsImage(ImageView<T> const& out, Box const& bbox, Interpolate::Style interpStyle,
                                   UndersampleStyle undersampleStyle, int num_threads) const {
    return evaluate(_rms, true, out, bbox, interpStyle, undersampleStyle, num_threads);
}

#define EVENSKY_INSTANTIATE(T)                                                                                      \
    template EVENSKY_EXPORT AsUsed BackgroundMesh::getImage(ImageView<T> const&, Box const&, Interpolate::Style,    \
                                                            UndersampleStyle, int) const;                           \
    template EVENSKY_EXPORT AsUsed BackgroundMesh::getRmsImage(ImageView<T> const&, Box const&, Interpolate::Style, \
                                                               UndersampleStyle, int) const;
EVENSKY_INSTANTIATE(float)
EVENSKY_INSTANTIATE(double)
#undef EVENSKY_INSTANTIATE

}  // namespace evensky
