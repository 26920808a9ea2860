#include "evensky/interpolate.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <string_view>

#include "checks.hpp"
#include "evensky/errors.hpp"
#include "kernels/kernels.hpp"
#include "names.hpp"

namespace evensky {

namespace {

struct StyleInfo {
    Interpolate::Style style;
    std::string_view name;
    int minPoints;
};

constexpr std::array<StyleInfo, 7> styles{{{Interpolate::CONSTANT, "CONSTANT", 1},
                                           {Interpolate::LINEAR, "LINEAR", 2},
                                           {Interpolate::NATURAL_SPLINE, "NATURAL_SPLINE", 3},
                                           {Interpolate::CUBIC_SPLINE, "CUBIC_SPLINE", 3},
                                           {Interpolate::CUBIC_SPLINE_PERIODIC, "CUBIC_SPLINE_PERIODIC", 3},
                                           {Interpolate::AKIMA_SPLINE, "AKIMA_SPLINE", 5},
                                           {Interpolate::AKIMA_SPLINE_PERIODIC, "AKIMA_SPLINE_PERIODIC", 5}}};

std::string knownStyles() {
    std::string known;
    for (auto const& info : styles) known += (known.empty() ? "" : ", ") + std::string(info.name);
    return known;
}

StyleInfo const& findStyle(Interpolate::Style style) {
    for (auto const& info : styles) {
        if (info.style == style) return info;
    }
    throw InvalidParameterError("Interpolation style " + std::to_string(static_cast<int>(style)) +
                                " does not exist; the known ones are " + knownStyles());
}

// Throw OutOfRangeError if powers of the distances of knots are not in the range of float64.
void checkExtent(std::vector<double> const& x, Interpolate::Style style) {
    constexpr double least = 1e-100, most = 1e100;
    bool const cubic = style != Interpolate::CONSTANT && style != Interpolate::LINEAR;
    if (double const extent = x.back() - x.front(); !std::isfinite(extent) || (cubic && extent > most)) {
        throw OutOfRangeError("The knots extend from " + detail::numberToString(x.front()) + " to " +
                              detail::numberToString(x.back()) + "; they must extend over less than " +
                              detail::numberToString(cubic ? most : std::numeric_limits<double>::max()));
    }
    for (std::size_t i = 1; cubic && i < x.size(); ++i) {
        if (x[i] - x[i - 1] >= least) continue;
        throw OutOfRangeError("x[" + std::to_string(i) + "] is only " + detail::numberToString(x[i] - x[i - 1]) +
                              " greater than x[" + std::to_string(i - 1) + "]; the knots of splines must be " +
                              detail::numberToString(least) + " apart or more");
    }
}

// Return the exponent by which values must be divided, so that their products are in the range of float64; 0 if they
// need not be.
int exponentOf(std::vector<double> const& values) noexcept {
    constexpr int plain = 240, most = 1000;
    double largest = 0.0;
    for (double const value : values) {
        if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
    }
    if (largest == 0.0) return 0;
    auto const exponent = std::ilogb(largest);
    return std::abs(exponent) <= plain ? 0 : std::clamp(exponent, -most, most);
}

void scale(std::vector<double>& values, int exponent) noexcept {
    for (auto& value : values) value = std::ldexp(value, exponent);
}

// Solve the tridiagonal system with diagonal d and off-diagonals e by the Thomas algorithm. The systems of cubic
// splines are diagonally dominant, so no pivoting is needed.
std::vector<double> solveTridiagonal(std::vector<double> const& d, std::vector<double> const& e,
                                     std::vector<double> rhs) {
    auto const n = d.size();
    std::vector<double> upper(n);
    double pivot = d[0];
    rhs[0] /= pivot;
    for (std::size_t i = 1; i < n; ++i) {
        upper[i - 1] = e[i - 1] / pivot;
        pivot = d[i] - e[i - 1] * upper[i - 1];
        rhs[i] = (rhs[i] - e[i - 1] * rhs[i - 1]) / pivot;
    }
    for (std::size_t i = n - 1; i-- > 0;) rhs[i] -= upper[i] * rhs[i + 1];
    return rhs;
}

}  // namespace

Interpolate::Interpolate(std::vector<double> const& x, std::vector<double> const& y, Style style)
        : _style(style), _x(x), _y(y) {
    auto const& info = findStyle(style);
    if (x.size() != y.size()) {
        throw OutOfRangeError("x has " + std::to_string(x.size()) + " points but y has " + std::to_string(y.size()) +
                              "; the numbers must be equal");
    }
    if (x.size() < static_cast<std::size_t>(info.minPoints)) {
        throw OutOfRangeError("Style " + std::string(info.name) + " needs at least " + std::to_string(info.minPoints) +
                              (info.minPoints == 1 ? " point" : " points") + "; there are " + std::to_string(x.size()));
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
        bool const ok = std::isfinite(x[i]) && (i == 0 || x[i] > x[i - 1]);
        if (!ok) {
            throw OutOfRangeError(
                    "x must be finite and increase strictly, but x[" + std::to_string(i) +
                    "] = " + detail::numberToString(x[i]) +
                    (i == 0 ? std::string()
                            : " follows x[" + std::to_string(i - 1) + "] = " + detail::numberToString(x[i - 1])));
        }
    }
    checkExtent(x, style);
    // Splines multiply slopes with each other. Products of values at the ends of the range of float64 would not be in
    // the range, so that these values are divided by a power of two meanwhile.
    int const exponent = exponentOf(y);
    if (exponent != 0) scale(_y, -exponent);
    switch (style) {
        case CONSTANT: buildConstant(); break;
        case LINEAR: buildLinear(); break;
        case NATURAL_SPLINE:
        case CUBIC_SPLINE: buildCubic(false); break;
        case CUBIC_SPLINE_PERIODIC: buildCubic(true); break;
        case AKIMA_SPLINE: buildAkima(false); break;
        case AKIMA_SPLINE_PERIODIC: buildAkima(true); break;
        case UNKNOWN:
        case NUM_STYLES: break;  // findStyle has thrown.
    }
    if (style != CONSTANT) addExtrapolation();
    if (exponent == 0) return;
    _y = y;
    for (auto& segment : _segments) {
        for (auto* const coefficient : {&segment.y, &segment.b, &segment.c, &segment.e}) {
            *coefficient = std::ldexp(*coefficient, exponent);
        }
    }
}

void Interpolate::buildConstant() {
    auto const n = _x.size();
    if (n == 1) {
        _segments = {{_x[0], _y[0], 0.0, 0.0, 0.0}};
        return;
    }
    auto const step = [this](double value) { _segments.push_back({0.0, value, 0.0, 0.0, 0.0}); };
    // The first value holds on both sides of the first knot, which thus needs one segment; the same is true at the end.
    step(_y[0]);
    for (std::size_t k = 1; k < n; ++k) {
        _edges.push_back(std::midpoint(_x[k - 1], _x[k]));
        step(std::midpoint(_y[k - 1], _y[k]));
    }
    _edges.push_back(_x[n - 1] + 0.5 * (_x[n - 1] - _x[n - 2]));
    step(_y[n - 1]);
}

void Interpolate::buildLinear() {
    for (std::size_t i = 0; i + 1 < _x.size(); ++i) {
        _segments.push_back({_x[i], _y[i], (_y[i + 1] - _y[i]) / (_x[i + 1] - _x[i]), 0.0, 0.0});
    }
}

void Interpolate::buildCubic(bool periodic) {
    auto const n = _x.size();
    std::vector<double> h(n - 1), slope(n - 1);
    for (std::size_t i = 0; i + 1 < n; ++i) {
        h[i] = _x[i + 1] - _x[i];
        slope[i] = (_y[i + 1] - _y[i]) / h[i];
    }
    std::vector<double> half(n, 0.0);  // half the second derivative at each knot
    if (!periodic) {
        auto const m = n - 2;
        std::vector<double> d(m), e(m), rhs(m);
        for (std::size_t i = 0; i < m; ++i) {
            d[i] = 2.0 * (h[i] + h[i + 1]);
            e[i] = h[i + 1];
            rhs[i] = 3.0 * (slope[i + 1] - slope[i]);
        }
        auto const inner = solveTridiagonal(d, e, rhs);
        std::copy(inner.begin(), inner.end(), half.begin() + 1);
    } else {
        // The unknowns are at knots 1 .. n-1; knot 0 equals knot n-1. The corners of the cyclic matrix are removed by
        // the formula of Sherman and Morrison (Press et al., Numerical Recipes, section 2.7).
        auto const m = n - 1;
        std::vector<double> d(m), e(m), rhs(m);
        for (std::size_t i = 0; i < m; ++i) {
            auto const next = (i + 1) % m;
            d[i] = 2.0 * (h[i] + h[next]);
            e[i] = h[next];
            rhs[i] = 3.0 * (slope[next] - slope[i]);
        }
        std::vector<double> inner;
        if (m == 2) {
            // With two unknowns, both neighbours of a knot are the other knot, so off-diagonal and corner add up.
            double const off = e[0] + e[1];
            double const determinant = d[0] * d[1] - off * off;
            inner = {(rhs[0] * d[1] - off * rhs[1]) / determinant, (d[0] * rhs[1] - off * rhs[0]) / determinant};
        } else {
            double const corner = e[m - 1];
            double const gamma = -d[0];
            auto dd = d;
            dd[0] = d[0] - gamma;
            dd[m - 1] = d[m - 1] - corner * corner / gamma;
            std::vector<double> u(m, 0.0);
            u[0] = gamma;
            u[m - 1] = corner;
            auto const first = solveTridiagonal(dd, e, rhs);
            auto const second = solveTridiagonal(dd, e, u);
            double const factor =
                    (first[0] + corner * first[m - 1] / gamma) / (1.0 + second[0] + corner * second[m - 1] / gamma);
            inner.resize(m);
            for (std::size_t i = 0; i < m; ++i) inner[i] = first[i] - factor * second[i];
        }
        std::copy(inner.begin(), inner.end(), half.begin() + 1);
        half[0] = half[n - 1];
    }
    for (std::size_t i = 0; i + 1 < n; ++i) {
        _segments.push_back({_x[i], _y[i], slope[i] - h[i] * (half[i + 1] + 2.0 * half[i]) / 3.0, half[i],
                             (half[i + 1] - half[i]) / (3.0 * h[i])});
    }
}

void Interpolate::buildAkima(bool periodic) {
    auto const n = _x.size();
    // The slopes of the n - 1 segments are at [2 .. n]; there are two more beyond each end.
    std::vector<double> padded(n + 3);
    auto* const m = padded.data() + 2;
    for (std::size_t i = 0; i + 1 < n; ++i) m[i] = (_y[i + 1] - _y[i]) / (_x[i + 1] - _x[i]);
    auto const last = static_cast<std::ptrdiff_t>(n) - 2;
    if (periodic) {
        m[-1] = m[last];
        m[-2] = m[last - 1];
        m[last + 1] = m[0];
        m[last + 2] = m[1];
    } else {
        m[-1] = 2.0 * m[0] - m[1];
        m[-2] = 3.0 * m[0] - 2.0 * m[1];
        m[last + 1] = 2.0 * m[last] - m[last - 1];
        m[last + 2] = 3.0 * m[last] - 2.0 * m[last - 1];
    }
    auto const norm = [m](std::ptrdiff_t i) { return std::abs(m[i + 1] - m[i]) + std::abs(m[i - 1] - m[i - 2]); };
    auto const derivative = [m, &norm](std::ptrdiff_t i) {
        return (std::abs(m[i + 1] - m[i]) * m[i - 1] + std::abs(m[i - 1] - m[i - 2]) * m[i]) / norm(i);
    };
    for (std::ptrdiff_t i = 0; i <= last; ++i) {
        auto const k = static_cast<std::size_t>(i);
        double const h = _x[k + 1] - _x[k];
        if (norm(i) == 0.0) {
            _segments.push_back({_x[k], _y[k], m[i], 0.0, 0.0});
            continue;
        }
        double const left = derivative(i);
        double const right = norm(i + 1) == 0.0 ? m[i] : derivative(i + 1);
        _segments.push_back(
                {_x[k], _y[k], left, (3.0 * m[i] - 2.0 * left - right) / h, (left + right - 2.0 * m[i]) / (h * h)});
    }
}

// So far, segment k covers [x_k, x_{k+1}]. Add a parabola before the first knot and one after the last.
void Interpolate::addExtrapolation() {
    auto const n = _x.size();
    Segment before = _segments.front();
    before.e = 0.0;
    Segment const& end = _segments.back();
    double const h = _x[n - 1] - end.origin;
    Segment const behind{_x[n - 1], _y[n - 1], end.b + h * (2.0 * end.c + 3.0 * end.e * h), end.c + 3.0 * end.e * h,
                         0.0};
    _segments.insert(_segments.begin(), before);
    _segments.push_back(behind);
    _edges = _x;
}

double Interpolate::interpolate(double x) const noexcept {
    if (std::isnan(x)) return x;
    auto const k = std::upper_bound(_edges.begin(), _edges.end(), x) - _edges.begin();
    return _segments[static_cast<std::size_t>(k)](x);
}

void Interpolate::interpolate(double const* x, std::size_t n, double* out) const noexcept {
    for (std::size_t i = 0; i < n; ++i) out[i] = interpolate(x[i]);
}

// Call work(segment, from, to) for each part of a row that lies in one segment.
template <typename Work>
void Interpolate::alongRow(double start, std::size_t n, Work const& work) const {
    auto const size = static_cast<std::ptrdiff_t>(n);
    auto const found = std::upper_bound(_edges.begin(), _edges.end(), start) - _edges.begin();
    std::ptrdiff_t i = 0;
    for (auto k = static_cast<std::size_t>(found); k < _segments.size() && i < size; ++k) {
        // Find the first position that is not below the upper edge of the segment.
        auto end = size;
        if (k < _edges.size()) {
            auto const isBelow = [&](std::ptrdiff_t at) { return start + static_cast<double>(at) < _edges[k]; };
            double const reach = std::ceil(_edges[k] - start);
            if (reach < static_cast<double>(size)) end = reach > 0.0 ? static_cast<std::ptrdiff_t>(reach) : 0;
            // Both the difference and the positions are rounded, so the result may be off by one.
            while (end > i && !isBelow(end - 1)) --end;
            while (end < size && isBelow(end)) ++end;
            end = std::max(end, i);
        }
        if (end > i) work(_segments[k], i, end);
        i = end;
    }
}

void Interpolate::interpolateRow(double start, std::size_t n, double* out) const noexcept {
    alongRow(start, n, [&](Segment const& segment, std::ptrdiff_t from, std::ptrdiff_t to) {
        for (auto i = from; i < to; ++i) out[i] = segment(start + static_cast<double>(i));
    });
}

void Interpolate::interpolateRow(double start, std::size_t n, float* out) const noexcept {
    alongRow(start, n, [&](Segment const& segment, std::ptrdiff_t from, std::ptrdiff_t to) {
        double bce[3 * detail::splines];
        bce[0] = segment.b;
        bce[detail::splines] = segment.c;
        bce[2 * detail::splines] = segment.e;
        detail::kernels().cubics(&segment.y, bce, 1, start + static_cast<double>(from) - segment.origin, to - from,
                                 out + from, 0);
    });
}

Interpolate makeInterpolate(std::vector<double> const& x, std::vector<double> const& y, Interpolate::Style style) {
    return {x, y, style};
}

Interpolate::Style stringToInterpStyle(std::string const& style) {
    for (auto const& info : styles) {
        if (info.name == style) return info.style;
    }
    throw NotFoundError("Unknown interpolation style " + detail::quoted(style) + "; the known ones are " +
                        knownStyles());
}

std::string interpStyleToString(Interpolate::Style style) { return std::string(findStyle(style).name); }

Interpolate::Style lookupMaxInterpStyle(int n) {
    if (n < 1) {
        throw InvalidParameterError("No interpolation style works with " + std::to_string(n) +
                                    " points; at least 1 is needed");
    }
    constexpr std::array<Interpolate::Style, 5> most{Interpolate::CONSTANT, Interpolate::LINEAR,
                                                     Interpolate::CUBIC_SPLINE, Interpolate::CUBIC_SPLINE,
                                                     Interpolate::AKIMA_SPLINE};
    return most[static_cast<std::size_t>(std::min(n, 5) - 1)];
}

int lookupMinInterpPoints(Interpolate::Style style) {
    for (auto const& info : styles) {
        if (info.style == style) return info.minPoints;
    }
    throw OutOfRangeError("Interpolation style " + std::to_string(static_cast<int>(style)) +
                          " is out of range; the known ones are " + knownStyles());
}

}  // namespace evensky
