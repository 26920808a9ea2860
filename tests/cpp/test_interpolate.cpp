#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "evensky/errors.hpp"
#include "evensky/interpolate.hpp"
#include "testing.hpp"

using evensky::Interpolate;
using testing::holds;
using testing::messageOf;

namespace {

std::vector<double> const x{0.0, 1.0, 2.5, 4.0, 5.0, 7.0};
std::vector<double> const y{1.0, 3.0, 2.0, 2.0, 5.0, 1.0};

constexpr Interpolate::Style smooth[] = {Interpolate::LINEAR,       Interpolate::NATURAL_SPLINE,
                                         Interpolate::CUBIC_SPLINE, Interpolate::CUBIC_SPLINE_PERIODIC,
                                         Interpolate::AKIMA_SPLINE, Interpolate::AKIMA_SPLINE_PERIODIC};

}  // namespace

TEST_CASE("interpolate: goes through its knots") {
    for (auto const style : smooth) {
        CAPTURE(style);
        Interpolate const interpolant(x, y, style);
        for (std::size_t i = 0; i < x.size(); ++i) CHECK(interpolant.interpolate(x[i]) == doctest::Approx(y[i]));
        CHECK(interpolant.getStyle() == style);
        CHECK(interpolant.getX() == x);
        CHECK(interpolant.getY() == y);
    }
}

TEST_CASE("interpolate: steps are the means of neighbours") {
    Interpolate const steps(x, y, Interpolate::CONSTANT);
    CHECK(steps.interpolate(-5.0) == 1.0);
    CHECK(steps.interpolate(0.4) == 1.0);
    CHECK(steps.interpolate(0.6) == 2.0);
    CHECK(steps.interpolate(100.0) == 1.0);
}

TEST_CASE("interpolate: splines of a parabola, and beyond its ends") {
    // An Akima spline is exact for a parabola with equal steps; beyond the ends it extrapolates by that parabola.
    std::vector<double> knots, values;
    for (int i = 0; i < 8; ++i) {
        knots.push_back(i);
        values.push_back(3.0 - 2.0 * i + 0.5 * i * i);
    }
    Interpolate const spline(knots, values, Interpolate::AKIMA_SPLINE);
    for (double at : {0.25, 3.5, 6.9, -1.0, 8.5}) {
        CHECK(spline.interpolate(at) == doctest::Approx(3.0 - 2.0 * at + 0.5 * at * at));
    }
}

TEST_CASE("interpolate: single positions, arrays and rows give bit-identical results; NaN gives NaN") {
    for (auto const style : smooth) {
        Interpolate const interpolant(x, y, style);
        std::vector<double> row(40), positions(40), many(40);
        interpolant.interpolateRow(-10.0, row.size(), row.data());
        for (std::size_t i = 0; i < row.size(); ++i) positions[i] = -10.0 + static_cast<double>(i);
        interpolant.interpolate(positions.data(), positions.size(), many.data());
        for (std::size_t i = 0; i < row.size(); ++i) {
            CHECK(row[i] == interpolant.interpolate(positions[i]));
            CHECK(many[i] == row[i]);
        }
        CHECK(std::isnan(interpolant.interpolate(testing::nan)));
    }
}

TEST_CASE("interpolate: threads share one interpolant") {
    Interpolate const interpolant(x, y);
    std::vector<double> expected(100);
    interpolant.interpolateRow(-20.0, expected.size(), expected.data());
    std::vector<std::vector<double>> results(4, std::vector<double>(expected.size()));
    testing::inThreads(results.size(),
                       [&](std::size_t i) { interpolant.interpolateRow(-20.0, results[i].size(), results[i].data()); });
    for (auto const& result : results) CHECK(result == expected);
}

TEST_CASE("interpolate: error messages hold the offending value") {
    using evensky::OutOfRangeError;
    CHECK(messageOf<OutOfRangeError>([] { Interpolate({0, 1}, {0, 1}, Interpolate::AKIMA_SPLINE); }) ==
          "Style AKIMA_SPLINE needs at least 5 points; there are 2");
    CHECK(testing::holds(messageOf<OutOfRangeError>([] { Interpolate({0, 1, 1}, {0, 1, 2}, Interpolate::LINEAR); }),
                         "x[2] = 1"));
    CHECK(testing::holds(
            messageOf<OutOfRangeError>([] { Interpolate({0, testing::nan}, {0, 1}, Interpolate::LINEAR); }), "nan"));
    CHECK(testing::holds(messageOf<OutOfRangeError>([] { Interpolate({0, 1}, {0}, Interpolate::LINEAR); }), "1"));
    CHECK(testing::holds(
            messageOf<evensky::InvalidParameterError>([] { Interpolate(x, y, static_cast<Interpolate::Style>(42)); }),
            "42"));
    CHECK(testing::holds(messageOf<evensky::NotFoundError>([] { (void)evensky::stringToInterpStyle("SINC"); }),
                         "AKIMA_SPLINE"));
    CHECK_THROWS_AS((void)evensky::lookupMaxInterpStyle(0), evensky::InvalidParameterError);
}

TEST_CASE("interpolate: names and numbers of points") {
    for (int style = Interpolate::CONSTANT; style < Interpolate::NUM_STYLES; ++style) {
        auto const one = static_cast<Interpolate::Style>(style);
        CHECK(evensky::stringToInterpStyle(evensky::interpStyleToString(one)) == one);
    }
    for (int n = 1; n < 10; ++n) CHECK(evensky::lookupMinInterpPoints(evensky::lookupMaxInterpStyle(n)) <= n);
}

TEST_CASE("interpolate: positions in a row select the same segments as single ones") {
    // -1e-30 - (-3) and 3 round to the same number.
    evensky::Interpolate const steps({-3.0, 3.0 - 2e-30, 9.0}, {0.0, 10.0, 20.0}, evensky::Interpolate::CONSTANT);
    evensky::Interpolate const tiny({-1e-30, 1e-30, 3.0}, {1.0, 5.0, 7.0}, evensky::Interpolate::LINEAR);
    std::vector<double> row(8);
    for (auto const* const interpolate : {&steps, &tiny}) {
        for (double start : {-3.0, -2.5, 0.0, 1e16, -1e300, 1e300}) {
            interpolate->interpolateRow(start, row.size(), row.data());
            for (std::size_t i = 0; i < row.size(); ++i) {
                CHECK(row[i] == interpolate->interpolate(start + static_cast<double>(i)));
            }
        }
    }
}

TEST_CASE("interpolate: knots at the end of the range of float64") {
    constexpr double largest = std::numeric_limits<double>::max();
    std::vector<double> const x{0.0, 1.0, 2.0}, y{largest, largest, largest / 2.0};
    Interpolate const steps(x, y, Interpolate::CONSTANT);
    CHECK(steps.interpolate(0.6) == largest);
    auto const message =
            messageOf<evensky::OutOfRangeError>([&] { Interpolate({-largest, 0.0, largest}, y, Interpolate::LINEAR); });
    CHECK(holds(message, "from -1.7976931348623157e+308 to 1.7976931348623157e+308"));
    for (double const unit : {1e-110, 1e110}) {
        CHECK_NOTHROW(Interpolate({0.0, unit, 2.0 * unit}, y, Interpolate::LINEAR));
        CHECK_THROWS_AS(Interpolate({0.0, unit, 2.0 * unit}, y, Interpolate::NATURAL_SPLINE), evensky::OutOfRangeError);
    }
    auto const longName = messageOf<evensky::NotFoundError>(
            [] { (void)evensky::stringToInterpStyle("a\nb" + std::string(500, 'x')); });
    CHECK(holds(longName, "\"a?bxxx"));
    CHECK(longName.size() < 300);
}

TEST_CASE("interpolate: values of any size give usual curves, scaled") {
    std::vector<double> const x{0.0, 1.0, 2.5, 3.0, 4.0, 6.0};
    std::vector<double> const y{1.0, -2.0, 3.0, 0.25, 5.0, 1.0};
    for (int style = Interpolate::CONSTANT; style < Interpolate::NUM_STYLES; ++style) {
        Interpolate const plain(x, y, static_cast<Interpolate::Style>(style));
        for (int const k : {-980, -550, -300, 300, 600, 1000}) {
            auto scaled = y;
            for (auto& value : scaled) value = std::ldexp(value, k);
            Interpolate const other(x, scaled, static_cast<Interpolate::Style>(style));
            CHECK(other.getY() == scaled);
            for (double at = -2.0; at < 8.0; at += 0.37) {
                CAPTURE(style);
                CAPTURE(k);
                CHECK(other.interpolate(at) == std::ldexp(plain.interpolate(at), k));
            }
        }
    }
}
