#pragma once

/// @file
/// Least-squares approximation of a coarse grid by a smooth function.

#include <cstddef>
#include <string>
#include <vector>

#include "evensky/box.hpp"
#include "evensky/export.hpp"
#include "evensky/view.hpp"

namespace evensky {

/// How to approximate.
class EVENSKY_EXPORT ApproximateControl {
public:
    /// Kind of smooth function: CHEBYSHEV, or UNKNOWN for none.
    enum Style : int { UNKNOWN = -1, CHEBYSHEV = 0, NUM_STYLES };

    /// @param style      CHEBYSHEV (UNKNOWN: no approximation)
    /// @param orderX     highest total degree, >= 0
    /// @param orderY     must equal orderX; negative means orderX
    /// @param weighting  weight each point by its error
    /// @throws InvalidParameterError where orders differ or orderX < 0, for an unknown style
    explicit ApproximateControl(Style style, int orderX, int orderY = -1, bool weighting = true);

    [[nodiscard]] Style getStyle() const noexcept { return _style; }         ///< Kind of function.
    [[nodiscard]] int getOrderX() const noexcept { return _orderX; }         ///< Highest total degree.
    [[nodiscard]] int getOrderY() const noexcept { return _orderY; }         ///< Must equal orderX in a fit.
    [[nodiscard]] bool getWeighting() const noexcept { return _weighting; }  ///< Weight points by their errors?
    /// Weights are 1 / error^power: 1 as in the original, 2 for true inverse variance.
    [[nodiscard]] int getWeightPower() const noexcept { return _weightPower; }

    void setStyle(Style style);  ///< @throws InvalidParameterError for an unknown style
    void setOrderX(int orderX);  ///< @throws InvalidParameterError where < 0
    void setOrderY(int orderY);  ///< @throws InvalidParameterError where < 0
    /// Weight points by their errors?
    void setWeighting(bool weighting) noexcept { _weighting = weighting; }
    void setWeightPower(int weightPower);  ///< @throws InvalidParameterError where not 1 or 2

    /// True where all settings agree.
    friend bool operator==(ApproximateControl const&, ApproximateControl const&) = default;

private:
    Style _style;
    int _orderX;
    int _orderY;
    bool _weighting;
    int _weightPower = 1;
};

/// A two-dimensional Chebyshev series, sum over p + q <= order of c_pq T_p(x') T_q(y'), where x' and y' map the outer
/// pixel edges of a box (min - 0.5, max + 0.5) to -1 and +1. Immutable; evaluation is const and thread-safe.
class EVENSKY_EXPORT Approximate {
public:
    /// @param x, y     positions of the grid's columns and rows, in the coordinates of `bbox`
    /// @param grid     the points: value and, in the variance plane, its error (a standard deviation). Points with a
    ///                 value that is not finite, or with a weight that is not, do not count.
    /// @param bbox     the pixels that the model is for
    /// @param actrl    how to approximate
    /// @throws LengthError where the variance plane has not the size of the points
    /// @throws InvalidParameterError where sizes of x, y and grid do not agree, bbox is empty, or the style is UNKNOWN
    /// @throws RuntimeError where no point can be used, or where the points determine fewer terms than the order has
    Approximate(std::vector<double> const& x, std::vector<double> const& y, MaskedImageView<float const> const& grid,
                Box const& bbox, ApproximateControl const& actrl);

    /// Rebuild one from its parts, e.g. from a file.
    /// @param bbox          the pixels that the model is for
    /// @param actrl         with the order of the coefficients
    /// @param coefficients  by total degree n, and inside it x^n, x^(n-1) y, ... y^n: (order + 1)(order + 2)/2 of them
    /// @param covariance    of the coefficients, row after row
    /// @throws LengthError where the numbers of coefficients do not fit the control's order
    Approximate(Box const& bbox, ApproximateControl const& actrl, std::vector<double> coefficients,
                std::vector<double> covariance);

    /// Write the model's values at `bbox` to `out`. T is float or double.
    /// @param out          where to; any strides
    /// @param bbox         must be inside the model's box, and of the size of `out`
    /// @param orderX, orderY  evaluate terms up to this order only; negative: all
    /// @param num_threads  0 for the process-wide default
    /// @throws InvalidParameterError where orders differ or are greater than the model's
    /// @throws LengthError where bbox is not inside the model's box or not of the size of out
    template <typename T>
    void getImage(ImageView<T> const& out, Box const& bbox, int orderX = -1, int orderY = -1,
                  int num_threads = 0) const;

    /// Write the variance of the model's values, from the fit's covariance, likewise: in the unit of the points,
    /// squared. @throws as getImage
    void getVariance(ImageView<VariancePixel> const& out, Box const& bbox, int orderX = -1, int orderY = -1,
                     int num_threads = 0) const;

    /// The model at one position, in the coordinates of the box; outside of it the polynomial goes on.
    [[nodiscard]] double evaluate(double x, double y) const noexcept;

    /// The pixels that the model is for.
    [[nodiscard]] Box const& getBBox() const noexcept { return _bbox; }
    /// As given to the fit.
    [[nodiscard]] ApproximateControl const& getControl() const noexcept { return _actrl; }
    /// By total degree n, and inside it x^n, x^(n-1) y, ... y^n; in the unit of the points.
    [[nodiscard]] std::vector<double> const& getCoefficients() const noexcept { return _coefficients; }
    /// Covariance of the coefficients, row after row: errors of the points propagated through the fit; where a point
    /// has no error, the scatter of the residuals stands in for it.
    [[nodiscard]] std::vector<double> const& getCovariance() const noexcept { return _covariance; }

private:
    [[nodiscard]] int checkedOrder(int orderX, int orderY) const;
    void checkBox(Box const& bbox, std::ptrdiff_t width, std::ptrdiff_t height) const;
    [[nodiscard]] double scaledX(double x) const noexcept;
    [[nodiscard]] double scaledY(double y) const noexcept;

    Box _bbox;
    ApproximateControl _actrl;
    std::vector<double> _coefficients;
    std::vector<double> _covariance;
};

/// The approximation, as a function. See Approximate.
[[nodiscard]] EVENSKY_EXPORT Approximate makeApproximate(std::vector<double> const& x, std::vector<double> const& y,
                                                         MaskedImageView<float const> const& grid, Box const& bbox,
                                                         ApproximateControl const& actrl);

}  // namespace evensky
