#include "evensky/background_mesh.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>

#include "bin_statistics.hpp"
#include "checks.hpp"
#include "evensky/errors.hpp"
#include "evensky/parallel.hpp"
#include "grid_evaluator.hpp"
#include "level_finder.hpp"
#include "names.hpp"
#include "threads.hpp"

namespace evensky {

namespace {

constexpr std::ptrdiff_t rowsPerPiece = 32;

constexpr std::array<std::pair<std::string_view, LevelEstimator>, 6> levelNames{
        {{"MEAN", LevelEstimator::MEAN},
         {"MEDIAN", LevelEstimator::MEDIAN},
         {"SEXTRACTOR", LevelEstimator::SEXTRACTOR},
         {"MMM", LevelEstimator::MMM},
         {"BIWEIGHT", LevelEstimator::BIWEIGHT},
         {"HISTOGRAM", LevelEstimator::HISTOGRAM}}};
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
    };
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
            for (auto i = first; i < behind; ++i) {
                auto const pixels = state.packed.bin(static_cast<std::size_t>(i - first));
                auto found = state.finder.find(pixels, options, ahead);
                found.good = static_cast<std::int64_t>(pixels.size());
                set(static_cast<std::size_t>(j * nx + i), found);
            }
            first = behind;
        }
    });
}

// Return the median of some values, which are reordered; NaN if there are none.
double medianOf(std::vector<double>& values) {
    if (values.empty()) return detail::nan;
    auto const middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    if (values.size() % 2 != 0) return *middle;
    return 0.5 * (*std::max_element(values.begin(), middle) + *middle);
}

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
    auto const work = [&]<typename T>(T, std::atomic<bool>* rounded) {
        measure<T>(
                _x, _y, options, num_threads,
                [&](Box const& box) { return detail::ImageSource<T>(image.part(box), {}, selection, rounded); },
                [&](std::size_t at, detail::BoxLevel const& found) {
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
    struct Near {
        std::int64_t distance2;
        std::size_t at;
    };
    constexpr std::size_t nearest = 10;
    detail::parallelForWith<std::vector<Near>>(ny(), num_threads, [&](std::ptrdiff_t j, std::vector<Near>& found) {
        for (std::ptrdiff_t i = 0; i < nx(); ++i) {
            auto const here = static_cast<std::size_t>(j * nx() + i);
            if (good[here] != 0) continue;
            found.clear();
            auto const add = [&](std::ptrdiff_t x, std::ptrdiff_t y) {
                if (x < 0 || x >= nx() || y < 0 || y >= ny()) return;
                auto const at = static_cast<std::size_t>(y * nx() + x);
                if (good[at] != 0) found.push_back({(x - i) * (x - i) + (y - j) * (y - j), at});
            };
            auto const closer = [](Near const& a, Near const& b) {
                return std::tie(a.distance2, a.at) < std::tie(b.distance2, b.at);
            };
            // Look at rings of boxes; those inside ring r are all that are at most r away.
            auto const largest = std::max({i, nx() - 1 - i, j, ny() - 1 - j});
            for (std::ptrdiff_t r = 1; r <= largest; ++r) {
                for (auto x = i - r; x <= i + r; ++x) {
                    add(x, j - r);
                    add(x, j + r);
                }
                for (auto y = j - r + 1; y < j + r; ++y) {
                    add(i - r, y);
                    add(i + r, y);
                }
                if (found.size() < nearest) continue;
                auto const tenth = found.begin() + static_cast<std::ptrdiff_t>(nearest) - 1;
                std::nth_element(found.begin(), tenth, found.end(), closer);
                if (tenth->distance2 <= r * r) break;
            }
            std::sort(found.begin(), found.end(), closer);
            double sum = 0.0, ofLevel = 0.0, ofRms = 0.0;
            for (std::size_t k = 0; k < found.size(); ++k) {
                if (k >= nearest && found[k].distance2 > found[nearest - 1].distance2) break;
                double const weight = 1.0 / std::sqrt(static_cast<double>(found[k].distance2));
                sum += weight;
                ofLevel += weight * level[found[k].at];
                ofRms += weight * rms[found[k].at];
            }
            _level[here] = ofLevel / sum;
            _rms[here] = ofRms / sum;
            _error[here] = detail::nan;
        }
    });
    return static_cast<std::int64_t>(good.size()) - kept;
}

void BackgroundMesh::filter(std::int64_t height, std::int64_t width, std::optional<double> threshold, int num_threads) {
    for (auto const& [size, name] : {std::pair(height, "height"), std::pair(width, "width")}) {
        if (size >= 1 && size % 2 != 0) continue;
        throw InvalidParameterError(std::string(name) + " = " + std::to_string(size) +
                                    " of the window of the filter; it must be odd and positive; use 1 for no filter");
    }
    if (threshold && std::isnan(*threshold)) {
        throw InvalidParameterError("threshold = nan; it must be a number, or be left out to filter all boxes");
    }
    detail::checkThreads(num_threads);
    auto const level = _level, rms = _rms;
    detail::parallelForWith<std::array<std::vector<double>, 2>>(
            ny(), num_threads, [&](std::ptrdiff_t j, std::array<std::vector<double>, 2>& values) {
                auto const bottom = std::max<std::ptrdiff_t>(0, j - height / 2);
                auto const top = std::min<std::ptrdiff_t>(ny() - 1, j + height / 2);
                for (std::ptrdiff_t i = 0; i < nx(); ++i) {
                    auto const here = static_cast<std::size_t>(j * nx() + i);
                    if (threshold && !(level[here] > *threshold)) continue;
                    for (auto& some : values) some.clear();
                    auto const right = std::min<std::ptrdiff_t>(nx() - 1, i + width / 2);
                    for (auto y = bottom; y <= top; ++y) {
                        for (auto x = std::max<std::ptrdiff_t>(0, i - width / 2); x <= right; ++x) {
                            auto const at = static_cast<std::size_t>(y * nx() + x);
                            if (std::isnan(level[at])) continue;
                            values[0].push_back(level[at]);
                            values[1].push_back(rms[at]);
                        }
                    }
                    _level[here] = medianOf(values[0]);
                    _rms[here] = medianOf(values[1]);
                }
            });
}

std::vector<double> BackgroundMesh::getBinCentersX() const {
    auto centers = _x.centers;
    for (auto& center : centers) center += static_cast<double>(_bbox.x0);
    return centers;
}

std::vector<double> BackgroundMesh::getBinCentersY() const {
    auto centers = _y.centers;
    for (auto& center : centers) center += static_cast<double>(_bbox.y0);
    return centers;
}

template <typename T>
AsUsed BackgroundMesh::evaluate(std::vector<double> const& values, bool positive, ImageView<T> const& out,
                                Box const& bbox, Interpolate::Style interpStyle, UndersampleStyle undersampleStyle,
                                int num_threads) const {
    if (!_bbox.contains(bbox)) {
        throw LengthError("BBox " + bbox.toString() + " out of range " + _bbox.toString());
    }
    if (out.width() != bbox.width || out.height() != bbox.height) {
        throw LengthError("The output is " + sizeToString(out) + " but the box is " + std::to_string(bbox.width) +
                          " x " + std::to_string(bbox.height) + "; they must be equal");
    }
    detail::checkOutput(out);
    GridEvaluator const evaluator(_x.centers, _y.centers, values, interpStyle, undersampleStyle);
    if (bbox.isEmpty()) return evaluator.asUsed();
    parallelFor(detail::ceilDivide(bbox.height, rowsPerPiece), num_threads, [&](std::ptrdiff_t piece) {
        GridEvaluator::Scratch scratch;
        auto const start = piece * rowsPerPiece;
        auto const rows = out.subview({0, start, bbox.width, std::min(bbox.height - start, rowsPerPiece)});
        evaluator.rows(bbox.y0 - _bbox.y0 + start, bbox.x0 - _bbox.x0, rows, scratch);
        if (!positive) return;
        for (std::ptrdiff_t y = 0; y < rows.height(); ++y) {
            for (std::ptrdiff_t x = 0; x < rows.width(); ++x) {
                rows(x, y) = rows(x, y) < T{0} ? T{0} : rows(x, y);
            }
        }
    });
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
