#pragma once

// A two-dimensional Chebyshev series along rows of pixels: in a row it is a series in x alone, and what depends on x
// alone is made once for all rows.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "evensky/approximate.hpp"
#include "kernels/kernels.hpp"

namespace evensky::detail {

// Where c_pq stands among the coefficients.
inline std::size_t termIndex(int p, int q) {
    auto const n = static_cast<std::size_t>(p + q);
    return n * (n + 1) / 2 + static_cast<std::size_t>(q);
}

// T_0 .. T_order at t.
inline void chebyshev(double t, int order, double* out) {
    out[0] = 1.0;
    if (order > 0) out[1] = t;
    for (int k = 2; k <= order; ++k) out[k] = 2.0 * t * out[k - 1] - out[k - 2];
}

// Position in a box, its outer pixel edges being -1 and +1.
inline double scaled(double position, std::int64_t start, std::int64_t size) {
    return (2.0 * (position - static_cast<double>(start)) + 1.0) / static_cast<double>(size) - 1.0;
}

// The series in x that a model's terms up to `order` are in row y: order + 1 terms.
inline void rowSeries(Approximate const& model, int order, std::int64_t y, double* terms) {
    auto const& box = model.getBBox();
    std::vector<double> ty(static_cast<std::size_t>(order) + 1);
    chebyshev(scaled(static_cast<double>(y), box.y0, box.height), order, ty.data());
    for (int p = 0; p <= order; ++p) {
        double sum = 0.0;
        for (int q = 0; p + q <= order; ++q) {
            sum += model.getCoefficients()[termIndex(p, q)] * ty[static_cast<std::size_t>(q)];
        }
        terms[p] = sum;
    }
}

// Evaluates terms up to `order` at columns x0 .. x0 + n - 1 of any row. Const evaluation is thread-safe.
class ChebyshevRows {
public:
    ChebyshevRows(Approximate const& model, int order, std::int64_t x0, std::ptrdiff_t n)
            : _model(&model), _order(order), _n(n), _basis(static_cast<std::size_t>(n * (order + 1))) {
        std::vector<double> tx(static_cast<std::size_t>(order) + 1);
        auto const& box = model.getBBox();
        for (std::ptrdiff_t x = 0; x < n; ++x) {
            chebyshev(scaled(static_cast<double>(x0 + x), box.x0, box.width), order, tx.data());
            for (int p = 0; p <= order; ++p) {
                _basis[static_cast<std::size_t>(p * n + x)] = tx[static_cast<std::size_t>(p)];
            }
        }
    }

    // Rows y, y + 1, ... as many as `out` has; its columns are all n, contiguous.
    void rows(std::int64_t y, ImageView<float> const& out) const {
        // Columns whose share of the basis stays in the first cache while all rows pass.
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
    std::vector<double> _basis;  // T_p at each column, p after p
};

}  // namespace evensky::detail
