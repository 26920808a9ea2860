#include "evensky/approximate.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "chebyshev_rows.hpp"
#include "checks.hpp"
#include "evensky/errors.hpp"
#include "evensky/parallel.hpp"

namespace evensky {

namespace {

using detail::chebyshev;
using detail::termIndex;

// Number of rows that one piece of work evaluates.
constexpr std::ptrdiff_t evaluatedRows = 32;
// Number of pixels that go through the recurrence side by side.
constexpr std::ptrdiff_t lanes = 16;

std::size_t numTerms(int order) {
    auto const n = static_cast<std::size_t>(order);
    return (n + 1) * (n + 2) / 2;
}

// Evaluate a series at the positions first, first + step, ... by Clenshaw's recurrence, `lanes` positions side by side.
template <typename Store>
void chebyshevRow(std::vector<double> const& series, double first, double step, std::ptrdiff_t n, Store const& store) {
    auto const order = static_cast<std::ptrdiff_t>(series.size()) - 1;
    for (std::ptrdiff_t start = 0; start < n; start += lanes) {
        std::array<double, lanes> t{}, b1{}, b2{};
        for (std::ptrdiff_t i = 0; i < lanes; ++i) {
            t[static_cast<std::size_t>(i)] = first + static_cast<double>(start + i) * step;
        }
        for (auto k = order; k > 0; --k) {
            double const c = series[static_cast<std::size_t>(k)];
            for (std::size_t i = 0; i < lanes; ++i) {
                double const b = c + 2.0 * t[i] * b1[i] - b2[i];
                b2[i] = b1[i];
                b1[i] = b;
            }
        }
        auto const count = std::min(lanes, n - start);
        for (std::ptrdiff_t i = 0; i < count; ++i) {
            auto const lane = static_cast<std::size_t>(i);
            store(start + i, series[0] + t[lane] * b1[lane] - b2[lane]);
        }
    }
}

// Point of the grid, with its position scaled to -1 ... 1.
struct Point {
    double x, y, value, error, rootWeight;
};

// Weighted least-squares fit of a Chebyshev series. It processes the points in blocks, so that its memory does not grow
// with their number, and a long fit can be interrupted.
class LeastSquares {
public:
    // Throw RuntimeError if the points do not determine all terms.
    LeastSquares(std::vector<Point> const& points, int order)
            : _points(points), _order(order), _terms(static_cast<Eigen::Index>(numTerms(order))) {
        // This check precedes the allocation of memory for terms that cannot be determined.
        if (rows() < _terms) throwUndetermined(rows());
        auto const [design, values] = reduced();
        _qr.compute(design);
        if (_qr.rank() < _terms) throwUndetermined(_qr.rank());
        _solution = _qr.solve(values);
    }

    [[nodiscard]] std::vector<double> coefficients() const { return {_solution.begin(), _solution.end()}; }

    // The coefficients are linear in the values, c = L v, so cov(c) = L diag(error^2) L'. L is the pseudo-inverse of
    // the weighted design matrix A, with its columns multiplied by the roots of the weights. With A P = Q R, and thus
    // Q = A P R^-1, the pseudo-inverse is P R^-1 Q'.
    [[nodiscard]] std::vector<double> covariance() const {
        double const scatter2 = residualVariance();
        Eigen::MatrixXd inner = Eigen::MatrixXd::Zero(_terms, _terms);
        auto const r = _qr.matrixR().topLeftCorner(_terms, _terms).triangularView<Eigen::Upper>();
        forEachBlock([&](Eigen::Index first, Eigen::Index count) {
            Eigen::MatrixXd q = design(first, count) * _qr.colsPermutation();
            r.solveInPlace<Eigen::OnTheRight>(q);
            for (Eigen::Index i = 0; i < count; ++i) {
                auto const& point = _points[static_cast<std::size_t>(first + i)];
                double const sigma =
                        std::isfinite(point.error) && point.error >= 0.0 ? point.error : std::sqrt(scatter2);
                q.row(i) *= point.rootWeight * sigma;
            }
            inner.noalias() += q.transpose() * q;
        });
        r.solveInPlace(inner);
        Eigen::MatrixXd transposed = inner.transpose();
        r.solveInPlace(transposed);
        Eigen::MatrixXd const all = _qr.colsPermutation() * transposed * _qr.colsPermutation().transpose();
        return {all.data(), all.data() + all.size()};
    }

private:
    [[nodiscard]] Eigen::Index rows() const { return static_cast<Eigen::Index>(_points.size()); }

    [[noreturn]] void throwUndetermined(Eigen::Index rank) const {
        throw RuntimeError("A Chebyshev model of order " + std::to_string(_order) + " has " + std::to_string(_terms) +
                           " terms, but the " + std::to_string(rows()) + " usable points determine only " +
                           std::to_string(rank) + "; lower the order or use more bins");
    }

    template <typename Work>
    void forEachBlock(Work const& work) const {
        auto const most = std::max<Eigen::Index>(1024, _terms);
        for (Eigen::Index first = 0; first < rows(); first += most) {
            if (first > 0) checkInterrupt();
            work(first, std::min(most, rows() - first));
        }
    }

    // Return rows of the weighted design matrix.
    [[nodiscard]] Eigen::MatrixXd design(Eigen::Index first, Eigen::Index count) const {
        Eigen::MatrixXd result(count, _terms);
        std::vector<double> tx(static_cast<std::size_t>(_order) + 1), ty(tx);
        for (Eigen::Index r = 0; r < count; ++r) {
            auto const& point = _points[static_cast<std::size_t>(first + r)];
            chebyshev(point.x, _order, tx.data());
            chebyshev(point.y, _order, ty.data());
            for (int n = 0; n <= _order; ++n) {
                for (int q = 0; q <= n; ++q) {
                    result(r, static_cast<Eigen::Index>(termIndex(n - q, q))) =
                            point.rootWeight * tx[static_cast<std::size_t>(n - q)] * ty[static_cast<std::size_t>(q)];
                }
            }
        }
        return result;
    }

    [[nodiscard]] Eigen::VectorXd values(Eigen::Index first, Eigen::Index count) const {
        Eigen::VectorXd result(count);
        for (Eigen::Index r = 0; r < count; ++r) {
            auto const& point = _points[static_cast<std::size_t>(first + r)];
            result[r] = point.rootWeight * point.value;
        }
        return result;
    }

    // Reduce the equations to fewer ones with the same solution: each block is appended to the triangle of the blocks
    // before it, and both are reduced to a triangle (Golub & Van Loan, Matrix Computations, section 5.2.2). A single
    // block is returned unchanged.
    [[nodiscard]] std::pair<Eigen::MatrixXd, Eigen::VectorXd> reduced() const {
        Eigen::MatrixXd triangle;
        Eigen::VectorXd right;
        forEachBlock([&](Eigen::Index first, Eigen::Index count) {
            if (first == 0) {
                triangle = design(first, count);
                right = values(first, count);
                return;
            }
            Eigen::MatrixXd both(triangle.rows() + count, _terms);
            both << triangle, design(first, count);
            Eigen::VectorXd bothRight(both.rows());
            bothRight << right, values(first, count);
            Eigen::HouseholderQR<Eigen::MatrixXd> const qr(both);
            triangle = qr.matrixQR().topRows(_terms).triangularView<Eigen::Upper>();
            bothRight.applyOnTheLeft(qr.householderQ().adjoint());
            right = bothRight.head(_terms);
        });
        return {std::move(triangle), std::move(right)};
    }

    // Return the variance of the residuals, which replaces missing errors; NaN without degrees of freedom.
    [[nodiscard]] double residualVariance() const {
        double sum = 0.0;
        forEachBlock([&](Eigen::Index first, Eigen::Index count) {
            Eigen::VectorXd const residuals = values(first, count) - design(first, count) * _solution;
            for (Eigen::Index i = 0; i < count; ++i) {
                double const residual = residuals[i] / _points[static_cast<std::size_t>(first + i)].rootWeight;
                sum += residual * residual;
            }
        });
        return rows() > _terms ? sum / static_cast<double>(rows() - _terms) : std::numeric_limits<double>::quiet_NaN();
    }

    std::vector<Point> const& _points;
    int _order;
    Eigen::Index _terms;
    Eigen::ColPivHouseholderQR<Eigen::MatrixXd> _qr;
    Eigen::VectorXd _solution;
};

void checkOrders(int orderX, int orderY) {
    if (orderX != orderY) {
        throw InvalidParameterError("X- and Y-orders must be equal (" + std::to_string(orderX) +
                                    " != " + std::to_string(orderY) + ")");
    }
}

void checkModelBox(Box const& bbox) {
    if (bbox.isEmpty()) throw InvalidParameterError("The box to approximate over is empty");
    detail::checkRepresentable(bbox);
}

void checkNotNegative(int order, char const* name) {
    if (order < 0) throw InvalidParameterError(std::string(name) + " = " + std::to_string(order) + "; it must be >= 0");
}

}  // namespace

ApproximateControl::ApproximateControl(Style style, int orderX, int orderY, bool weighting)
        : _style(style), _orderX(orderX), _orderY(orderY < 0 ? orderX : orderY), _weighting(weighting) {
    setStyle(style);
    checkNotNegative(_orderX, "orderX");
    checkOrders(_orderX, _orderY);
}

void ApproximateControl::setStyle(Style style) {
    if (style != UNKNOWN && style != CHEBYSHEV) {
        throw InvalidParameterError("Approximation style " + std::to_string(static_cast<int>(style)) +
                                    " does not exist; it must be CHEBYSHEV (0) or UNKNOWN (-1)");
    }
    _style = style;
}

void ApproximateControl::setOrderX(int orderX) {
    checkNotNegative(orderX, "orderX");
    _orderX = orderX;
}

void ApproximateControl::setOrderY(int orderY) {
    checkNotNegative(orderY, "orderY");
    _orderY = orderY;
}

void ApproximateControl::setWeightPower(int weightPower) {
    if (weightPower != 1 && weightPower != 2) {
        throw InvalidParameterError("weightPower = " + std::to_string(weightPower) +
                                    "; it must be 1 (weights 1 / error, as in the original) or 2 (1 / error^2)");
    }
    _weightPower = weightPower;
}

Approximate::Approximate(std::vector<double> const& x, std::vector<double> const& y,
                         MaskedImageView<float const> const& grid, Box const& bbox, ApproximateControl const& actrl)
        : _bbox(bbox), _actrl(actrl) {
    detail::checkPlaneSize(grid.variance, "The variance", grid.image, "the image");
    if (actrl.getStyle() != ApproximateControl::CHEBYSHEV) {
        throw InvalidParameterError("Approximation style UNKNOWN (-1) cannot be fitted; it must be CHEBYSHEV (0)");
    }
    checkOrders(actrl.getOrderX(), actrl.getOrderY());
    checkModelBox(bbox);
    if (grid.width() > 0 && grid.height() > 0 && !grid.image.exists()) {
        throw InvalidParameterError("The grid is a view without memory; it must have values");
    }
    if (static_cast<std::ptrdiff_t>(x.size()) != grid.width() ||
        static_cast<std::ptrdiff_t>(y.size()) != grid.height()) {
        throw InvalidParameterError("There are " + std::to_string(x.size()) + " x and " + std::to_string(y.size()) +
                                    " y positions for a grid of " + sizeToString(grid.image) +
                                    "; the numbers must agree");
    }
    int const order = actrl.getOrderX();
    bool const weighting = actrl.getWeighting() && grid.variance.exists();

    std::vector<Point> points;
    std::size_t finite = 0;
    for (std::ptrdiff_t j = 0; j < grid.height(); ++j) {
        for (std::ptrdiff_t i = 0; i < grid.width(); ++i) {
            auto const value = static_cast<double>(grid.image(i, j));
            if (!std::isfinite(value)) continue;
            ++finite;
            double const error = grid.variance.exists() ? static_cast<double>(grid.variance(i, j))
                                                        : std::numeric_limits<double>::quiet_NaN();
            double weight = 1.0;
            if (weighting) weight = actrl.getWeightPower() == 2 ? 1.0 / (error * error) : 1.0 / error;
            // A point with an infinite error carries no information, so its weight of 0 excludes it.
            if (!std::isfinite(weight) || !(weight > 0.0)) continue;
            points.push_back({scaledX(x[static_cast<std::size_t>(i)]), scaledY(y[static_cast<std::size_t>(j)]), value,
                              error, std::sqrt(weight)});
        }
    }
    if (points.empty()) {
        throw RuntimeError(finite > 0 ? "No valid points to fit: all " + std::to_string(finite) +
                                                " finite points have no usable weight. Variance is likely zero. Try "
                                                "weighting=False"
                                      : "No valid points to fit: none of the " +
                                                std::to_string(grid.width() * grid.height()) +
                                                " points is finite. There is likely no data");
    }
    LeastSquares const fit(points, order);
    _coefficients = fit.coefficients();
    _covariance = fit.covariance();
}

Approximate::Approximate(Box const& bbox, ApproximateControl const& actrl, std::vector<double> coefficients,
                         std::vector<double> covariance)
        : _bbox(bbox), _actrl(actrl), _coefficients(std::move(coefficients)), _covariance(std::move(covariance)) {
    checkModelBox(bbox);
    auto const terms = numTerms(actrl.getOrderX());
    if (_coefficients.size() != terms || _covariance.size() != terms * terms) {
        throw LengthError("A Chebyshev model of order " + std::to_string(actrl.getOrderX()) + " has " +
                          std::to_string(terms) + " coefficients and " + std::to_string(terms * terms) +
                          " covariances; got " + std::to_string(_coefficients.size()) + " and " +
                          std::to_string(_covariance.size()));
    }
}

double Approximate::scaledX(double x) const noexcept { return detail::scaled(x, _bbox.x0, _bbox.width); }

double Approximate::scaledY(double y) const noexcept { return detail::scaled(y, _bbox.y0, _bbox.height); }

int Approximate::checkedOrder(int orderX, int orderY) const {
    int const most = _actrl.getOrderX();
    int const x = orderX < 0 ? most : orderX;
    int const y = orderY < 0 ? (orderX < 0 ? most : orderX) : orderY;
    checkOrders(x, y);
    if (x > most) {
        throw InvalidParameterError("Order " + std::to_string(x) + " is greater than the model's, which is " +
                                    std::to_string(most));
    }
    return x;
}

void Approximate::checkBox(Box const& bbox, std::ptrdiff_t width, std::ptrdiff_t height) const {
    if (!_bbox.contains(bbox)) {
        throw LengthError("BBox " + bbox.toString() + " out of range " + _bbox.toString());
    }
    if (width != bbox.width || height != bbox.height) {
        throw LengthError("The output is " + std::to_string(width) + " x " + std::to_string(height) +
                          " but the box is " + std::to_string(bbox.width) + " x " + std::to_string(bbox.height) +
                          "; they must be equal");
    }
}

template <typename T>
void Approximate::getImage(ImageView<T> const& out, Box const& bbox, int orderX, int orderY, int num_threads) const {
    int const order = checkedOrder(orderX, orderY);
    checkBox(bbox, out.width(), out.height());
    detail::checkOutput(out);
    if (bbox.isEmpty()) return;
    if constexpr (std::is_same_v<T, float>) {
        if (out.strideX() == 1) {
            detail::ChebyshevRows const rows(*this, order, bbox.x0, bbox.width);
            parallelFor(detail::ceilDivide(bbox.height, evaluatedRows), num_threads, [&](std::ptrdiff_t piece) {
                auto const start = piece * evaluatedRows;
                auto const height = std::min(bbox.height - start, evaluatedRows);
                rows.rows(bbox.y0 + start, out.subview({0, start, bbox.width, height}));
            });
            return;
        }
    }
    double const first = detail::scaledPixel(bbox.x0, _bbox.x0, _bbox.width);
    double const step = 2.0 / static_cast<double>(_bbox.width);
    parallelFor(detail::ceilDivide(bbox.height, evaluatedRows), num_threads, [&](std::ptrdiff_t piece) {
        std::vector<double> series(static_cast<std::size_t>(order) + 1);
        auto const end = std::min(bbox.height, (piece + 1) * evaluatedRows);
        for (auto y = piece * evaluatedRows; y < end; ++y) {
            detail::rowSeries(*this, order, bbox.y0 + y, series.data());
            chebyshevRow(series, first, step, bbox.width,
                         [&](std::ptrdiff_t x, double value) { out(x, y) = static_cast<T>(value); });
        }
    });
}

void Approximate::getVariance(ImageView<VariancePixel> const& out, Box const& bbox, int orderX, int orderY,
                              int num_threads) const {
    int const order = checkedOrder(orderX, orderY);
    checkBox(bbox, out.width(), out.height());
    detail::checkOutput(out);
    if (bbox.isEmpty()) return;
    auto const terms = numTerms(_actrl.getOrderX());
    double const first = detail::scaledPixel(bbox.x0, _bbox.x0, _bbox.width);
    double const step = 2.0 / static_cast<double>(_bbox.width);
    parallelFor(detail::ceilDivide(bbox.height, evaluatedRows), num_threads, [&](std::ptrdiff_t piece) {
        std::vector<double> ty(static_cast<std::size_t>(order) + 1), series(2 * static_cast<std::size_t>(order) + 1);
        auto const end = std::min(bbox.height, (piece + 1) * evaluatedRows);
        for (auto y = piece * evaluatedRows; y < end; ++y) {
            chebyshev(detail::scaledPixel(bbox.y0 + y, _bbox.y0, _bbox.height), order, ty.data());
            // Along a row, the variance is a quadratic form in T_p(x'). As T_p T_r = (T_{p+r} + T_{|p-r|}) / 2, it is a
            // series of twice the order, which costs O(order) per pixel.
            std::fill(series.begin(), series.end(), 0.0);
            for (int p = 0; p <= order; ++p) {
                for (int r = 0; r <= order; ++r) {
                    double form = 0.0;
                    for (int q = 0; p + q <= order; ++q) {
                        for (int s = 0; r + s <= order; ++s) {
                            form += _covariance[termIndex(p, q) * terms + termIndex(r, s)] *
                                    ty[static_cast<std::size_t>(q)] * ty[static_cast<std::size_t>(s)];
                        }
                    }
                    series[static_cast<std::size_t>(p + r)] += 0.5 * form;
                    series[static_cast<std::size_t>(std::abs(p - r))] += 0.5 * form;
                }
            }
            chebyshevRow(series, first, step, bbox.width, [&](std::ptrdiff_t x, double value) {
                out(x, y) = static_cast<VariancePixel>(std::max(value, 0.0));
            });
        }
    });
}

double Approximate::evaluate(double x, double y) const noexcept {
    int const order = _actrl.getOrderX();
    double const ty = scaledY(y);
    double const tx = scaledX(x);
    double sum = 0.0;
    // This evaluates a single position, so plain recurrences in both directions are fast enough.
    double tq = 1.0, tqBefore = ty;
    for (int q = 0; q <= order; ++q) {
        double tp = 1.0, tpBefore = tx;
        for (int p = 0; p + q <= order; ++p) {
            sum += _coefficients[termIndex(p, q)] * tp * tq;
            tpBefore = std::exchange(tp, 2.0 * tx * tp - tpBefore);
        }
        tqBefore = std::exchange(tq, 2.0 * ty * tq - tqBefore);
    }
    return sum;
}

template EVENSKY_EXPORT void Approximate::getImage<float>(ImageView<float> const&, Box const&, int, int, int) const;
template EVENSKY_EXPORT void Approximate::getImage<double>(ImageView<double> const&, Box const&, int, int, int) const;

Approximate makeApproximate(std::vector<double> const& x, std::vector<double> const& y,
                            MaskedImageView<float const> const& grid, Box const& bbox,
                            ApproximateControl const& actrl) {
    return {x, y, grid, bbox, actrl};
}

}  // namespace evensky
