#pragma once

/// @file
/// Least-squares approximation of points in a coarse grid by a smooth function.

#include <cstddef>
#include <string>
#include <vector>

#include "evensky/box.hpp"
#include "evensky/export.hpp"
#include "evensky/view.hpp"

namespace evensky {

/// Options of an approximation.
class EVENSKY_EXPORT ApproximateControl {
public:
    /// Kind of the function: CHEBYSHEV, or UNKNOWN for no approximation.
    enum Style : int { UNKNOWN = -1, CHEBYSHEV = 0, NUM_STYLES };

    /// @param style      CHEBYSHEV, or UNKNOWN for no approximation
    /// @param orderX     highest total degree, >= 0
    /// @param orderY     must equal orderX; a negative number stands for orderX
    /// @param weighting  whether to weight each point by its error
    /// @throws InvalidParameterError if the orders differ, orderX < 0, or the style is unknown
    explicit ApproximateControl(Style style, int orderX, int orderY = -1, bool weighting = true);

    [[nodiscard]] Style getStyle() const noexcept { return _style; }         ///< Kind of the function.
    [[nodiscard]] int getOrderX() const noexcept { return _orderX; }         ///< Highest total degree.
    [[nodiscard]] int getOrderY() const noexcept { return _orderY; }         ///< Must equal orderX in a fit.
    [[nodiscard]] bool getWeighting() const noexcept { return _weighting; }  ///< Whether points are weighted.
    /// Return the power of the weights 1 / error^power: 1, as in lsst.afw.math, or 2, for inverse variances.
    [[nodiscard]] int getWeightPower() const noexcept { return _weightPower; }

    void setStyle(Style style);  ///< @throws InvalidParameterError if the style is unknown
    void setOrderX(int orderX);  ///< @throws InvalidParameterError if the order is negative
    void setOrderY(int orderY);  ///< @throws InvalidParameterError if the order is negative
    /// Set whether points are weighted by their errors.
    void setWeighting(bool weighting) noexcept { _weighting = weighting; }
    void setWeightPower(int weightPower);  ///< @throws InvalidParameterError if the power is not 1 or 2

    /// Return whether all settings are equal.
    friend bool operator==(ApproximateControl const&, ApproximateControl const&) = default;

private:
    Style _style;
    int _orderX;
    int _orderY;
    bool _weighting;
    int _weightPower = 1;
};

/// Two-dimensional Chebyshev series, the sum over p + q <= order of c_pq T_p(x') T_q(y'), where x' and y' map the outer
/// pixel edges of a box (min - 0.5, max + 0.5) to -1 and +1. It is immutable, and several threads may evaluate it at
/// once.
class EVENSKY_EXPORT Approximate {
public:
    /// Fit a series to points.
    /// @param x, y     positions of the columns and rows of the grid, in the coordinates of `bbox`
    /// @param grid     values of the points and, in the variance plane, their errors (standard deviations). Points
    ///                 whose value is NaN or infinite, or whose weight is not finite and positive, are ignored; the
    ///                 mask is not used
    /// @param bbox     box of pixels that the model covers
    /// @param actrl    options
    /// @throws LengthError if the variance plane differs in size from the values
    /// @throws InvalidParameterError if the sizes of x, y and grid do not agree, the grid has no memory, bbox is empty,
    /// or
    ///         the style is UNKNOWN
    /// @throws RuntimeError if no point is usable, or the points determine fewer terms than the order requires
    Approximate(std::vector<double> const& x, std::vector<double> const& y, MaskedImageView<float const> const& grid,
                Box const& bbox, ApproximateControl const& actrl);

    /// Make a series from its parts, for example after reading them from a file.
    /// @param bbox          box of pixels that the model covers
    /// @param actrl         options, with the order of the series
    /// @param coefficients  (order + 1)(order + 2)/2 coefficients, sorted by total degree n, then x^n, x^(n-1) y, ...
    ///                      y^n
    /// @param covariance    covariance matrix of the coefficients, row by row
    /// @throws InvalidParameterError if bbox is empty
    /// @throws LengthError if the numbers of coefficients or covariances do not match the order, or bbox reaches beyond
    ///         the largest coordinate
    Approximate(Box const& bbox, ApproximateControl const& actrl, std::vector<double> coefficients,
                std::vector<double> covariance);

    /// Evaluate the model. T is float or double.
    /// @param out          output, with any strides
    /// @param bbox         box to evaluate; inside the box of the model, and of the size of `out`
    /// @param orderX, orderY  highest order of the terms to evaluate; negative numbers stand for all terms
    /// @param num_threads  number of threads; 0 for the process-wide default
    /// @throws InvalidParameterError if the orders differ, or are higher than that of the model, or out has pixels but
    /// no
    ///         memory
    /// @throws LengthError if bbox is not inside the box of the model, or differs in size from out
    template <typename T>
    void getImage(ImageView<T> const& out, Box const& bbox, int orderX = -1, int orderY = -1,
                  int num_threads = 0) const;

    /// Evaluate the variance of the model, propagated from the covariance of the coefficients, in the squared unit of
    /// the points. Parameters and exceptions are those of getImage.
    void getVariance(ImageView<VariancePixel> const& out, Box const& bbox, int orderX = -1, int orderY = -1,
                     int num_threads = 0) const;

    /// Evaluate the model at one position, in the coordinates of the box; outside the box, the polynomial extrapolates.
    [[nodiscard]] double evaluate(double x, double y) const noexcept;

    /// Return the box of pixels that the model covers.
    [[nodiscard]] Box const& getBBox() const noexcept { return _bbox; }
    /// Return the options with which the model was made.
    [[nodiscard]] ApproximateControl const& getControl() const noexcept { return _actrl; }
    /// Return the coefficients in the unit of the points, sorted by total degree n, then x^n, x^(n-1) y, ... y^n.
    [[nodiscard]] std::vector<double> const& getCoefficients() const noexcept { return _coefficients; }
    /// Return the covariance of the coefficients, row by row: the errors of the points propagated through the fit. The
    /// scatter of the residuals replaces missing errors of points.
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

/// Fit a series to points; see the constructor of Approximate.
[[nodiscard]] EVENSKY_EXPORT Approximate makeApproximate(std::vector<double> const& x, std::vector<double> const& y,
                                                         MaskedImageView<float const> const& grid, Box const& bbox,
                                                         ApproximateControl const& actrl);

}  // namespace evensky
