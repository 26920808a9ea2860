#include "grid_evaluator.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>

#include "checks.hpp"
#include "evensky/errors.hpp"
#include "kernels/kernels.hpp"

namespace evensky {

namespace {

[[noreturn]] void throwIncrease() {
    throw InvalidParameterError(
            "The BackgroundControl UndersampleStyle INCREASE_NXNYSAMPLE is not supported here; use THROW_EXCEPTION or "
            "REDUCE_INTERP_ORDER");
}

// Replace negative values of rows by 0.
template <typename T>
void makePositive(ImageView<T> const& rows) {
    for (std::ptrdiff_t y = 0; y < rows.height(); ++y) {
        if (rows.strideX() != 1) {
            for (std::ptrdiff_t x = 0; x < rows.width(); ++x) rows(x, y) = rows(x, y) < T{0} ? T{0} : rows(x, y);
            continue;
        }
        T* const row = rows.row(y);
        int found = 0;  // no early end, so that compilers vectorise the loop
        for (std::ptrdiff_t x = 0; x < rows.width(); ++x) found |= static_cast<int>(row[x] < T{0});
        if (found == 0) continue;  // as usual
        for (std::ptrdiff_t x = 0; x < rows.width(); ++x) row[x] = row[x] < T{0} ? T{0} : row[x];
    }
}

}  // namespace

GridEvaluator::GridEvaluator(Background const& background, Interpolate::Style interpStyle,
                             UndersampleStyle undersampleStyle)
        : GridEvaluator(background._x.centers, background._y.centers,
                        {background._values.begin(), background._values.end()}, interpStyle, undersampleStyle) {}

GridEvaluator::GridEvaluator(std::vector<double> centersX, std::vector<double> const& centersY,
                             std::vector<double> const& values, Interpolate::Style interpStyle,
                             UndersampleStyle undersampleStyle)
        : _style(interpStyle), _undersampleStyle(undersampleStyle), _centersX(std::move(centersX)) {
    auto const name = interpStyleToString(interpStyle);  // throws InvalidParameterError if the style does not exist
    detail::checkUndersampleStyle(undersampleStyle);
    auto const nx = _centersX.size();
    auto const ny = centersY.size();
    auto const least = static_cast<std::size_t>(lookupMinInterpPoints(interpStyle));
    if (nx < least || ny < least) {
        switch (undersampleStyle) {
            case THROW_EXCEPTION: {
                std::string which = nx < least ? "nxSample = " + std::to_string(nx) : "";
                if (ny < least) which += (which.empty() ? "nySample = " : " and nySample = ") + std::to_string(ny);
                throw InvalidParameterError(which + ": too few points for requested interpolation style " + name +
                                            ", which needs " + std::to_string(least));
            }
            case REDUCE_INTERP_ORDER: _style = lookupMaxInterpStyle(static_cast<int>(std::min(nx, ny))); break;
            case INCREASE_NXNYSAMPLE: throwIncrease();
        }
    }
    _columns.resize(nx);
    for (std::size_t i = 0; i < nx; ++i) {
        std::vector<double> knots, ofColumn;
        for (std::size_t j = 0; j < ny; ++j) {
            double const value = values[j * nx + i];
            if (std::isnan(value)) continue;
            knots.push_back(centersY[j]);
            ofColumn.push_back(value);
        }
        if (knots.empty() && undersampleStyle != THROW_EXCEPTION) continue;
        if (undersampleStyle == THROW_EXCEPTION) checkGood(knots.size(), "Column " + std::to_string(i));
        _columns[i].emplace(knots, ofColumn, styleFor(knots.size()));
    }
}

void GridEvaluator::checkGood(std::size_t good, std::string const& where) const {
    auto const least = static_cast<std::size_t>(lookupMinInterpPoints(_style));
    if (good >= least) return;
    throw OutOfRangeError(where + " of bins has " + std::to_string(good) + " good ones, but the interpolation style " +
                          interpStyleToString(_style) + " needs at least " + std::to_string(least) +
                          "; use larger bins or the undersample style REDUCE_INTERP_ORDER");
}

// Return the style for a column or row with a number of good bins.
Interpolate::Style GridEvaluator::styleFor(std::size_t points) const {
    if (points >= static_cast<std::size_t>(lookupMinInterpPoints(_style)) || _undersampleStyle == THROW_EXCEPTION) {
        return _style;
    }
    if (_undersampleStyle == INCREASE_NXNYSAMPLE) throwIncrease();
    return lookupMaxInterpStyle(static_cast<int>(points));
}

bool GridEvaluator::columnsAt(std::int64_t y, std::size_t rows, Scratch& scratch) const {
    auto const columns = _columns.size();
    scratch.columns.resize(columns * static_cast<std::size_t>(detail::splines));
    bool finite = true;
    for (std::size_t i = 0; i < columns; ++i) {
        double* const values = scratch.columns.data() + i * static_cast<std::size_t>(detail::splines);
        if (_columns[i]) {
            _columns[i]->interpolateRow(static_cast<double>(y), rows, values);
        } else {
            std::fill(values, values + rows, std::numeric_limits<double>::quiet_NaN());
        }
        // Unused lanes repeat the last row.
        std::fill(values + rows, values + detail::splines, values[rows - 1]);
        for (std::ptrdiff_t s = 0; s < detail::splines; ++s) finite = finite && !std::isnan(values[s]);
    }
    return finite;
}

template <typename T>
void GridEvaluator::rows(std::int64_t y, std::int64_t x0, ImageView<T> const& out, Scratch& scratch,
                         bool positive) const {
    for (std::ptrdiff_t start = 0; start < out.height(); start += detail::splines) {
        auto const rows = std::min(out.height() - start, detail::splines);
        bool const complete = columnsAt(y + start, static_cast<std::size_t>(rows), scratch);
        auto const part = out.subview({0, start, out.width(), rows});
        if constexpr (std::is_same_v<T, float>) {
            if (complete && _style == Interpolate::AKIMA_SPLINE && out.strideX() == 1) {
                akimaRows(x0, part, scratch);
                if (positive) makePositive(part);
                continue;
            }
        }
        for (std::ptrdiff_t s = 0; s < rows; ++s) oneRow(s, x0, part.subview({0, s, out.width(), 1}), scratch);
        if (positive) makePositive(part);
    }
}

// Evaluate row s of those that columnsAt has prepared.
template <typename T>
void GridEvaluator::oneRow(std::ptrdiff_t s, std::int64_t x0, ImageView<T> const& out, Scratch& scratch) const {
    scratch.knots.clear();
    scratch.values.clear();
    for (std::size_t i = 0; i < _columns.size(); ++i) {
        double const value =
                scratch.columns[i * static_cast<std::size_t>(detail::splines) + static_cast<std::size_t>(s)];
        if (std::isnan(value)) continue;
        scratch.knots.push_back(_centersX[i]);
        scratch.values.push_back(value);
    }
    if (scratch.knots.empty() && _undersampleStyle != THROW_EXCEPTION) {
        for (std::ptrdiff_t x = 0; x < out.width(); ++x) out(x, 0) = std::numeric_limits<T>::quiet_NaN();
        return;
    }
    if (_undersampleStyle == THROW_EXCEPTION) checkGood(scratch.knots.size(), "A row");
    Interpolate const across(scratch.knots, scratch.values, styleFor(scratch.knots.size()));
    auto const n = static_cast<std::size_t>(out.width());
    if (out.strideX() == 1) {
        across.interpolateRow(static_cast<double>(x0), n, out.data());
        return;
    }
    scratch.line.resize(n);
    across.interpolateRow(static_cast<double>(x0), n, scratch.line.data());
    for (std::ptrdiff_t x = 0; x < out.width(); ++x)
        out(x, 0) = static_cast<T>(scratch.line[static_cast<std::size_t>(x)]);
}

// Evaluate all rows that columnsAt has prepared, with their splines side by side.
void GridEvaluator::akimaRows(std::int64_t x0, ImageView<float> const& out, Scratch& scratch) const {
    auto const knots = static_cast<std::ptrdiff_t>(_centersX.size());
    scratch.coefficients.resize(static_cast<std::size_t>((knots + 1) * 3 * detail::splines));
    auto const& kernel = detail::kernels();
    kernel.akima(_centersX.data(), scratch.columns.data(), knots, scratch.coefficients.data());
    auto const start = static_cast<double>(x0);
    std::ptrdiff_t from = 0;
    for (std::ptrdiff_t k = 0; k <= knots && from < out.width(); ++k) {
        auto to = out.width();
        if (k < knots) {
            double const reach = std::ceil(_centersX[static_cast<std::size_t>(k)] - start);
            if (reach < static_cast<double>(to)) to = std::max(from, static_cast<std::ptrdiff_t>(reach));
        }
        if (to == from) continue;
        // Positions before the first knot are counted from that knot, too.
        auto const knot = std::max<std::ptrdiff_t>(k - 1, 0);
        double const d0 = start + static_cast<double>(from) - _centersX[static_cast<std::size_t>(knot)];
        double const* const y = scratch.columns.data() + knot * detail::splines;
        double const* const b = scratch.coefficients.data() + k * 3 * detail::splines;
        kernel.cubics(y, b, out.height(), d0, to - from, &out(from, 0), out.strideY());
        from = to;
    }
}

template void GridEvaluator::rows(std::int64_t, std::int64_t, ImageView<float> const&, Scratch&, bool) const;
template void GridEvaluator::rows(std::int64_t, std::int64_t, ImageView<double> const&, Scratch&, bool) const;

}  // namespace evensky
