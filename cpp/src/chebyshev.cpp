#include "evensky/chebyshev.hpp"

#include <string>
#include <vector>

#include "evensky/errors.hpp"

namespace evensky {

namespace {

// Mean values of T_0 to T_order over intervals, order by order.
class Means {
public:
    Means(std::span<double const> positions, std::span<double const> sizes, std::int64_t first, std::int64_t length,
          int order)
            : _n(positions.size()), _values(static_cast<std::size_t>(order + 1) * _n, 1.0) {
        if (order == 0) return;
        auto const begin = static_cast<double>(first), extent = static_cast<double>(length);
        auto* const centres = row(1);
        for (std::size_t i = 0; i < _n; ++i) centres[i] = (positions[i] - begin + 0.5) * 2.0 / extent - 1.0;
        if (order == 1) return;
        std::vector<double> half(_n);
        bool anyPoint = false;
        for (std::size_t i = 0; i < _n; ++i) {
            half[i] = sizes[i] / extent;
            anyPoint |= half[i] == 0.0;
        }
        std::vector<double> const low = atEnds(half, -1.0, order), high = atEnds(half, 1.0, order);
        for (int k = 2; k <= order; ++k) {
            auto* const means = row(k);
            auto const *const lower = &low[at(k - 2)], *const upper = &high[at(k - 2)];
            for (std::size_t i = 0; i < _n; ++i) means[i] = (upper[i] - lower[i]) / (2.0 * half[i]);
        }
        if (!anyPoint) return;
        for (int k = 2; k <= order; ++k) {
            auto* const means = row(k);
            auto const *const last = row(k - 1), *const before = row(k - 2);
            for (std::size_t i = 0; i < _n; ++i) {
                if (half[i] == 0.0) means[i] = last[i] * (2.0 * centres[i]) - before[i];
            }
        }
    }
    [[nodiscard]] double* row(int k) { return &_values[at(k)]; }

private:
    [[nodiscard]] std::size_t at(int k) const { return static_cast<std::size_t>(k) * _n; }
    // Return the integrals of T_2 to T_order from 0 to one end of the intervals, order by order.
    [[nodiscard]] std::vector<double> atEnds(std::vector<double> const& half, double sign, int order) {
        std::vector<double> terms(at(order + 2), 1.0), integrals(at(order - 1));
        auto const* const centres = row(1);
        auto* const ends = &terms[at(1)];
        for (std::size_t i = 0; i < _n; ++i) ends[i] = centres[i] + sign * half[i];
        for (int k = 2; k <= order + 1; ++k) {
            auto* const next = &terms[at(k)];
            auto const *const last = &terms[at(k - 1)], *const before = &terms[at(k - 2)];
            for (std::size_t i = 0; i < _n; ++i) next[i] = last[i] * (2.0 * ends[i]) - before[i];
        }
        for (int k = 2; k <= order; ++k) {
            auto* const integral = &integrals[at(k - 2)];
            auto const *const above = &terms[at(k + 1)], *const below = &terms[at(k - 1)];
            for (std::size_t i = 0; i < _n; ++i) integral[i] = (above[i] / (k + 1) - below[i] / (k - 1)) / 2.0;
        }
        return integrals;
    }

    std::size_t const _n;
    std::vector<double> _values;
};

void checkNumber(std::size_t number, std::size_t expected, char const* name) {
    if (number == expected) return;
    throw LengthError(std::string("There are ") + std::to_string(number) + " values of " + name + "; there must be " +
                      std::to_string(expected));
}

}  // namespace

void chebyshevMeans(Box const& bbox, int order, std::span<double const> x, std::span<double const> y,
                    std::span<double const> width, std::span<double const> height, std::span<double> terms) {
    if (bbox.isEmpty())
        throw InvalidParameterError("The box of the series is " + bbox.toString() + "; it must have pixels");
    if (order < 0) {
        throw InvalidParameterError("The order of the series is " + std::to_string(order) + "; it must be at least 0");
    }
    auto const n = x.size();
    checkNumber(y.size(), n, "y");
    checkNumber(width.size(), n, "width");
    checkNumber(height.size(), n, "height");
    auto const most = static_cast<std::size_t>(order);
    checkNumber(terms.size(), (most + 1) * (most + 2) / 2 * n, "terms");
    if (n == 0) return;
    Means alongX(x, width, bbox.x0, bbox.width, order), alongY(y, height, bbox.y0, bbox.height, order);
    auto* term = terms.data();
    for (int degree = 0; degree <= order; ++degree) {
        for (int q = 0; q <= degree; ++q, term += n) {
            auto const *const one = alongX.row(degree - q), *const other = alongY.row(q);
            for (std::size_t i = 0; i < n; ++i) term[i] = one[i] * other[i];
        }
    }
}

}  // namespace evensky
