#include "bicubic_spline.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "kernels/kernels.hpp"

namespace evensky::detail {

namespace {

// Write the curvatures of `lanes` splines side by side, through n values each, to `out`.
void curvatures(double const* values, std::ptrdiff_t n, std::ptrdiff_t lanes, double const* coefficients, double* out) {
    std::fill(out, out + n * lanes, 0.0);
    for (std::ptrdiff_t i = 1; i + 1 < n; ++i) {
        double const *const here = values + i * lanes, *const before = here - lanes, *const after = here + lanes;
        double const *const last = out + (i - 1) * lanes, coefficient = coefficients[i];
        for (std::ptrdiff_t s = 0; s < lanes; ++s) {
            out[i * lanes + s] = (6.0 * (before[s] - 2.0 * here[s] + after[s]) - last[s]) * coefficient;
        }
    }
    for (auto i = n - 2; i > 0; --i) {
        double const* const next = out + (i + 1) * lanes;
        double const coefficient = coefficients[i] / 6.0;
        for (std::ptrdiff_t s = 0; s < lanes; ++s) out[i * lanes + s] -= coefficient * next[s];
    }
}

}  // namespace

BicubicSpline::BicubicSpline(std::span<double const> values, std::ptrdiff_t nx, std::int64_t width, std::int64_t height)
        : _values(values),
          _nx(nx),
          _ny(static_cast<std::ptrdiff_t>(values.size()) / nx),
          _width(width),
          _height(height),
          _curvatures(values.size()),
          _coefficients(static_cast<std::size_t>(std::max(_nx, _ny))) {
    for (std::size_t i = 1; i < _coefficients.size(); ++i) _coefficients[i] = 1.0 / (4.0 - _coefficients[i - 1]);
    curvatures(_values.data(), _ny, _nx, _coefficients.data(), _curvatures.data());
}

// Write the values of all columns of boxes at some rows of pixels, side by side, to scratch.columns.
void BicubicSpline::columnsAt(std::int64_t y, std::ptrdiff_t rows, Scratch& scratch) const {
    scratch.columns.resize(static_cast<std::size_t>(_nx * splines));
    for (std::ptrdiff_t s = 0; s < splines; ++s) {
        // Unused lanes repeat the last row.
        double const place = static_cast<double>(y + std::min(s, rows - 1)) / static_cast<double>(_height) - 0.5;
        auto const k = std::clamp<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(std::floor(place)), 0,
                                                  std::max<std::ptrdiff_t>(_ny - 2, 0));
        double const *const low = _values.data() + k * _nx, *const lowCurvature = _curvatures.data() + k * _nx;
        double* const out = scratch.columns.data() + s;
        if (_ny == 1) {
            for (std::ptrdiff_t i = 0; i < _nx; ++i) out[i * splines] = low[i];
            continue;
        }
        double const *const high = low + _nx, *const highCurvature = lowCurvature + _nx;
        double const u = place - static_cast<double>(k), w = 1.0 - u;
        double const u3 = (u * u * u - u) / 6.0, w3 = (w * w * w - w) / 6.0;
        for (std::ptrdiff_t i = 0; i < _nx; ++i) {
            out[i * splines] = w * low[i] + u * high[i] + (w3 * lowCurvature[i] + u3 * highCurvature[i]);
        }
    }
}

// Write the coefficients of the cubics along the rows of scratch.columns, as the kernel `cubics` reads them, to
// scratch.coefficients; positions are in pixels.
void BicubicSpline::alongRows(Scratch& scratch) const {
    auto const segments = std::max<std::ptrdiff_t>(_nx - 1, 1);
    scratch.coefficients.assign(static_cast<std::size_t>(segments * 3 * splines), 0.0);
    if (_nx == 1) return;
    scratch.eliminated.assign(static_cast<std::size_t>(_nx * splines), 0.0);
    double* const curvature = scratch.eliminated.data();
    if (_ny > 1) curvatures(scratch.columns.data(), _nx, splines, _coefficients.data(), curvature);
    double const perPixel = 1.0 / static_cast<double>(_width);
    for (std::ptrdiff_t k = 0; k < segments; ++k) {
        double const *const y0 = scratch.columns.data() + k * splines, *const y1 = y0 + splines;
        double const *const m0 = curvature + k * splines, *const m1 = m0 + splines;
        double *const b = scratch.coefficients.data() + k * 3 * splines, *const c = b + splines, *const e = c + splines;
        for (std::ptrdiff_t s = 0; s < splines; ++s) {
            b[s] = (y1[s] - y0[s] - (2.0 * m0[s] + m1[s]) / 6.0) * perPixel;
            c[s] = 0.5 * m0[s] * (perPixel * perPixel);
            e[s] = (m1[s] - m0[s]) / 6.0 * (perPixel * perPixel * perPixel);
        }
    }
}

template <typename T>
void BicubicSpline::rows(std::int64_t y, std::int64_t x0, ImageView<T> const& out, Scratch& scratch) const {
    for (std::ptrdiff_t start = 0; start < out.height(); start += splines) {
        auto const rows = std::min(out.height() - start, splines);
        columnsAt(y + start, rows, scratch);
        alongRows(scratch);
        auto const part = out.subview({0, start, out.width(), rows});
        auto const segments = std::max<std::ptrdiff_t>(_nx - 1, 1);
        std::ptrdiff_t from = 0;
        for (std::ptrdiff_t k = 0; k < segments && from < out.width(); ++k) {
            double const knot = (static_cast<double>(k) + 0.5) * static_cast<double>(_width) - 0.5;
            auto to = out.width();
            if (k + 1 < segments) {
                double const reach = std::ceil(knot + static_cast<double>(_width) - static_cast<double>(x0));
                if (reach < static_cast<double>(to)) to = std::max(from, static_cast<std::ptrdiff_t>(reach));
            }
            if (to == from) continue;
            double const d0 = static_cast<double>(x0 + from) - knot;
            double const* const values = scratch.columns.data() + k * splines;
            double const *const b = scratch.coefficients.data() + k * 3 * splines, *const c = b + splines,
                                *const e = c + splines;
            if constexpr (std::is_same_v<T, float>) {
                if (part.strideX() == 1) {
                    kernels().cubics(values, b, rows, d0, to - from, &part(from, 0), part.strideY());
                    from = to;
                    continue;
                }
            }
            for (std::ptrdiff_t s = 0; s < rows; ++s) {
                for (auto x = from; x < to; ++x) {
                    double const d = d0 + static_cast<double>(x - from);
                    part(x, s) = static_cast<T>(values[s] + d * (b[s] + d * (c[s] + d * e[s])));
                }
            }
            from = to;
        }
    }
}

template void BicubicSpline::rows(std::int64_t, std::int64_t, ImageView<float> const&, Scratch&) const;
template void BicubicSpline::rows(std::int64_t, std::int64_t, ImageView<double> const&, Scratch&) const;

}  // namespace evensky::detail
