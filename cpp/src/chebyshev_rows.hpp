#pragma once

// Evaluation of a two-dimensional Chebyshev series along rows of pixels. In a row, the series is one in x alone, whose
// basis is computed once for all rows.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "evensky/approximate.hpp"
#include "kernels/kernels.hpp"

namespace evensky::detail {

// Return the index of c_pq among the coefficients.
inline std::size_t termIndex(int p, int q) {
    auto const n = static_cast<std::size_t>(p + q);
    return n * (n + 1) / 2 + static_cast<std::size_t>(q);
}

// Write T_0 .. T_order at t to `out`.
inline void chebyshev(double t, int order, double* out) {
    out[0] = 1.0;
    if (order > 0) out[1] = t;
    for (int k = 2; k <= order; ++k) out[k] = 2.0 * t * out[k - 1] - out[k - 2];
}

// Scale a position in a box so that its outer pixel edges are at -1 and +1.
inline double scaled(double position, std::int64_t start, std::int64_t size) {
    return (2.0 * (position - static_cast<double>(start)) + 1.0) / static_cast<double>(size) - 1.0;
}

// Scale the position of a pixel of the box. The difference of integers is exact, however far away the box is.
inline double scaledPixel(std::int64_t position, std::int64_t start, std::int64_t size) {
    return scaled(static_cast<double>(position - start), 0, size);
}

// Write the order + 1 terms of the series in x that equals a model in row y, from its terms up to `order`.
inline void rowSeries(Approximate const& model, int order, std::int64_t y, double* terms) {
    auto const& box = model.getBBox();
    std::vector<double> ty(static_cast<std::size_t>(order) + 1);
    chebyshev(scaledPixel(y, box.y0, box.height), order, ty.data());
    for (int p = 0; p <= order; ++p) {
        double sum = 0.0;
        for (int q = 0; p + q <= order; ++q) {
            sum += model.getCoefficients()[termIndex(p, q)] * ty[static_cast<std::size_t>(q)];
        }
        terms[p] = sum;
    }
}

// Evaluator of terms up to `order` at columns x0 .. x0 + n - 1 of any row. Several threads may use it at once.
class ChebyshevRows {
public:
    ChebyshevRows(Approximate const& model, int order, std::int64_t x0, std::ptrdiff_t n)
            : _model(&model), _order(order), _n(n), _basis(static_cast<std::size_t>(n * (order + 1))) {
        std::vector<double> tx(static_cast<std::size_t>(order) + 1);
        auto const& box = model.getBBox();
        for (std::ptrdiff_t x = 0; x < n; ++x) {
            chebyshev(scaledPixel(x0 + x, box.x0, box.width), order, tx.data());
            for (int p = 0; p <= order; ++p) {
                _basis[static_cast<std::size_t>(p * n + x)] = tx[static_cast<std::size_t>(p)];
            }
        }
    }

    // Evaluate rows y, y + 1, ... for all rows of `out`, which must have n contiguous columns.
    void rows(std::int64_t y, ImageView<float> const& out) const {
        // The basis of this number of columns stays in the first-level cache for all rows.
        constexpr std::ptrdiff_t columns = 256;
        auto const terms = static_cast<std::ptrdiff_t>(_order) + 1;
        std::vector<double> all(static_cast<std::size_t>(terms * out.height()));
        for (std::ptrdiff_t r = 0; r < out.height(); ++r) rowSeries(*_model, _order, y + r, all.data() + r * terms);
        for (std::ptrdiff_t x = 0; x < _n; x += columns) {
            kernels().series(all.data(), out.height(), _basis.data() + x, _n, terms, std::min(columns, _n - x),
                             &out(x, 0), out.strideY());
        }
    }

private:
    Approximate const* _model;
    int _order;
    std::ptrdiff_t _n;
    std::vector<double> _basis;  // T_p at each column, for one p after the other
};

}  // namespace evensky::detail
