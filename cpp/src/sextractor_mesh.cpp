// How SExtractor and sep complete, filter and interpolate a mesh of boxes: members of BackgroundMesh.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "bicubic_spline.hpp"
#include "checks.hpp"
#include "evensky/background_mesh.hpp"
#include "evensky/errors.hpp"
#include "evensky/parallel.hpp"
#include "quantiles.hpp"
#include "threads.hpp"

namespace evensky {

namespace {

// For each box, the nearest good boxes in its row: on the left, itself included, and on the right.
struct NearestInRows {
    static constexpr std::ptrdiff_t none = -1;
    std::vector<std::ptrdiff_t> left, right;

    NearestInRows(std::vector<char> const& good, std::ptrdiff_t nx) : left(good.size(), none), right(left) {
        auto const size = static_cast<std::ptrdiff_t>(good.size());
        for (std::ptrdiff_t row = 0; row < size; row += nx) {
            auto last = none;
            for (std::ptrdiff_t i = 0; i < nx; ++i) {
                auto const at = static_cast<std::size_t>(row + i);
                if (good[at] != 0) last = i;
                left[at] = last;
            }
            last = none;
            for (auto i = nx - 1; i >= 0; --i) {
                auto const at = static_cast<std::size_t>(row + i);
                right[at] = last;
                if (good[at] != 0) last = i;
            }
        }
    }
};

}  // namespace

std::int64_t BackgroundMesh::fillFromNearest(double least_good, int num_threads) {
    if (!(least_good >= 0.0 && least_good <= 1.0)) {
        throw InvalidParameterError("least_good = " + detail::numberToString(least_good) +
                                    "; it is a fraction and must be in 0 .. 1");
    }
    detail::checkThreads(num_threads);
    std::vector<char> good(_level.size());
    std::int64_t kept = 0;
    for (std::ptrdiff_t j = 0; j < ny(); ++j) {
        auto const height = _y.edges[static_cast<std::size_t>(j) + 1] - _y.edges[static_cast<std::size_t>(j)];
        for (std::ptrdiff_t i = 0; i < nx(); ++i) {
            auto const at = static_cast<std::size_t>(j * nx() + i);
            auto const width = _x.edges[static_cast<std::size_t>(i) + 1] - _x.edges[static_cast<std::size_t>(i)];
            bool const isEnough = static_cast<double>(_good[at]) >=
                                  least_good * static_cast<double>(width) * static_cast<double>(height);
            good[at] = static_cast<char>(isEnough && std::isfinite(_level[at]) && std::isfinite(_rms[at]));
            kept += good[at];
        }
    }
    NearestInRows const nearest(good, nx());
    auto const level = _level, rms = _rms;
    parallelFor(ny(), num_threads, [&](std::ptrdiff_t j) {
        for (std::ptrdiff_t i = 0; i < nx(); ++i) {
            auto const here = static_cast<std::size_t>(j * nx() + i);
            if (good[here] != 0) continue;
            auto least = nx() * nx() + ny() * ny();  // squared distance
            double number = 0.0, ofLevel = 0.0, ofRms = 0.0;
            auto const look = [&](std::ptrdiff_t x, std::ptrdiff_t y) {
                if (x == NearestInRows::none) return;
                auto const distance = (x - i) * (x - i) + (y - j) * (y - j);
                if (distance > least) return;
                if (distance < least) number = ofLevel = ofRms = 0.0;
                least = distance;
                auto const at = static_cast<std::size_t>(y * nx() + x);
                number += 1.0;
                ofLevel += level[at];
                ofRms += rms[at];
            };
            auto const lookAtRow = [&](std::ptrdiff_t y) {
                if (y < 0 || y >= ny()) return;
                auto const at = static_cast<std::size_t>(y * nx() + i);
                look(nearest.left[at], y);
                look(nearest.right[at], y);
            };
            lookAtRow(j);
            auto const furthest = std::max(j, ny() - 1 - j);
            for (std::ptrdiff_t away = 1; away <= furthest && away * away <= least; ++away) {
                lookAtRow(j - away);
                lookAtRow(j + away);
            }
            _level[here] = ofLevel / number;  // NaN if there is no good box
            _rms[here] = ofRms / number;
            _error[here] = std::nan("");
        }
    });
    return static_cast<std::int64_t>(good.size()) - kept;
}

void BackgroundMesh::filterCentred(std::int64_t height, std::int64_t width, double least_change, int num_threads) {
    for (auto const& [size, name] : {std::pair(height, "height"), std::pair(width, "width")}) {
        if (size >= 1 && size % 2 != 0) continue;
        throw InvalidParameterError(std::string(name) + " = " + std::to_string(size) +
                                    " of the window of the filter; it must be odd and positive; use 1 for no filter");
    }
    if (std::isnan(least_change)) {
        throw InvalidParameterError("least_change = nan; it must be a number, such as 0 to filter all boxes");
    }
    detail::checkThreads(num_threads);
    if (height == 1 && width == 1) return;
    auto const level = _level, rms = _rms;
    detail::parallelForWith<std::vector<double>>(ny(), num_threads, [&](std::ptrdiff_t j, std::vector<double>& window) {
        auto const reachY = std::min<std::ptrdiff_t>({height / 2, j, ny() - 1 - j});
        for (std::ptrdiff_t i = 0; i < nx(); ++i) {
            auto const reachX = std::min<std::ptrdiff_t>({width / 2, i, nx() - 1 - i});
            auto const medianOf = [&](std::vector<double> const& values) {
                window.clear();
                for (auto y = j - reachY; y <= j + reachY; ++y) {
                    auto const from = values.begin() + y * nx() + i;
                    std::copy_if(from - reachX, from + reachX + 1, std::back_inserter(window),
                                 [](double value) { return !std::isnan(value); });
                }
                return detail::medianOf(window);
            };
            auto const here = static_cast<std::size_t>(j * nx() + i);
            if (std::isnan(level[here])) continue;
            double const found = medianOf(level);
            if (std::abs(found - level[here]) < least_change) continue;
            _level[here] = found;
            _rms[here] = medianOf(rms);
        }
    });
}

template <typename T>
void BackgroundMesh::evaluateSpline(std::vector<double> const& values, bool positive, ImageView<T> const& out,
                                    Box const& bbox, int num_threads) const {
    if (_options.edge == EdgeMethod::SPREAD) {
        throw InvalidParameterError(
                "The edge method is SPREAD, whose boxes may have different sizes, but the bicubic spline needs boxes "
                "of one size; use PAD or CROP");
    }
    detail::checkPart(bbox, _bbox, out);
    detail::BicubicSpline const spline(values, nx(), _options.width, _options.height);
    if (bbox.isEmpty()) return;
    constexpr std::ptrdiff_t rowsPerPiece = 32;
    detail::parallelForWith<detail::BicubicSpline::Scratch>(
            detail::ceilDivide(bbox.height, rowsPerPiece), num_threads,
            [&](std::ptrdiff_t piece, detail::BicubicSpline::Scratch& scratch) {
                auto const start = piece * rowsPerPiece;
                auto const rows = out.subview({0, start, bbox.width, std::min(bbox.height - start, rowsPerPiece)});
                spline.rows(bbox.y0 - _bbox.y0 + start, bbox.x0 - _bbox.x0, rows, scratch);
                if (!positive) return;
                for (std::ptrdiff_t y = 0; y < rows.height(); ++y) {
                    for (std::ptrdiff_t x = 0; x < rows.width(); ++x) {
                        rows(x, y) = rows(x, y) < T{0} ? T{0} : rows(x, y);
                    }
                }
            });
}

template <typename T>
void BackgroundMesh::getSplineImage(ImageView<T> const& out, Box const& bbox, int num_threads) const {
    evaluateSpline(_level, false, out, bbox, num_threads);
}

template <typename T>
void BackgroundMesh::getSplineRmsImage(ImageView<T> const& out, Box const& bbox, int num_threads) const {
    evaluateSpline(_rms, true, out, bbox, num_threads);
}

#define EVENSKY_INSTANTIATE(T)                                                                               \
    template EVENSKY_EXPORT void BackgroundMesh::getSplineImage(ImageView<T> const&, Box const&, int) const; \
    template EVENSKY_EXPORT void BackgroundMesh::getSplineRmsImage(ImageView<T> const&, Box const&, int) const;
EVENSKY_INSTANTIATE(float)
EVENSKY_INSTANTIATE(double)
#undef EVENSKY_INSTANTIATE

}  // namespace evensky
