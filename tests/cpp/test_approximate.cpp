#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <utility>

#include "evensky/approximate.hpp"
#include "evensky/chebyshev.hpp"
#include "evensky/errors.hpp"
#include "testing.hpp"

using namespace evensky;
using testing::messageOf;
using testing::Pixels;

namespace {

constexpr Box box{10, 20, 100, 80};

double surface(double x, double y) {
    double const u = (x - 10.0) / 100.0, v = (y - 20.0) / 80.0;
    return 5.0 + 3.0 * u - 2.0 * v + 4.0 * u * u - u * v;
}

struct Grid {
    std::vector<double> x, y;
    Pixels<float> values{6, 5}, errors{6, 5, 0.5F};

    Grid() {
        for (int i = 0; i < 6; ++i) x.push_back(15.0 + 18.0 * i);
        for (int j = 0; j < 5; ++j) y.push_back(25.0 + 17.0 * j);
        for (std::ptrdiff_t j = 0; j < 5; ++j) {
            for (std::ptrdiff_t i = 0; i < 6; ++i) {
                values(i, j) =
                        static_cast<float>(surface(x[static_cast<std::size_t>(i)], y[static_cast<std::size_t>(j)]));
            }
        }
    }
    [[nodiscard]] MaskedImageView<float const> view() const { return {values.view(), {}, errors.view()}; }
};

ApproximateControl const quadratic(ApproximateControl::CHEBYSHEV, 2);

}  // namespace

TEST_CASE("approximate: a polynomial is its own model, from images and at single positions") {
    Grid const grid;
    auto const fit = makeApproximate(grid.x, grid.y, grid.view(), box, quadratic);
    CHECK(fit.getCoefficients().size() == 6);
    CHECK(fit.getCovariance().size() == 36);
    Pixels<double> image(box.width, box.height);
    fit.getImage(image.view(), box);
    double worst = 0.0, apart = 0.0;
    for (std::ptrdiff_t y = 0; y < box.height; ++y) {
        for (std::ptrdiff_t x = 0; x < box.width; ++x) {
            double const at = fit.evaluate(static_cast<double>(x + 10), static_cast<double>(y + 20));
            worst = std::max(worst, std::abs(at - surface(static_cast<double>(x + 10), static_cast<double>(y + 20))));
            apart = std::max(apart, std::abs(at - image(x, y)));
        }
    }
    CHECK(worst < 1e-5);
    CHECK(apart < 1e-12);
    Pixels<double> threaded(box.width, box.height);
    fit.getImage(threaded.view(), box, -1, -1, 3);
    CHECK(threaded.values == image.values);
}

TEST_CASE("approximate: errors of the points are errors of the model") {
    Grid const grid;
    auto const fit = makeApproximate(grid.x, grid.y, grid.view(), box, quadratic);
    Pixels<float> variance(box.width, box.height);
    fit.getVariance(variance.view(), box);
    // For 6 terms from 30 points of variance 0.25, the mean variance at the points is 0.25 * 6 / 30.
    double sum = 0.0;
    for (double const y : grid.y) {
        for (double const x : grid.x) {
            sum += static_cast<double>(
                    variance(static_cast<std::ptrdiff_t>(x) - box.x0, static_cast<std::ptrdiff_t>(y) - box.y0));
        }
    }
    CHECK(sum / 30.0 == doctest::Approx(0.05));
}

TEST_CASE("approximate: points that are not finite, or have no usable error, are ignored") {
    Grid grid;
    grid.values(2, 2) = static_cast<float>(testing::nan);
    grid.values(3, 3) = 1e6F;
    grid.errors(3, 3) = 0.0F;
    auto const fit = makeApproximate(grid.x, grid.y, grid.view(), box, quadratic);
    CHECK(fit.evaluate(60.0, 60.0) == doctest::Approx(surface(60.0, 60.0)));
}

TEST_CASE("approximate: a model made from the parts of another equals it") {
    Grid const grid;
    auto const fit = makeApproximate(grid.x, grid.y, grid.view(), box, quadratic);
    Approximate const rebuilt(fit.getBBox(), fit.getControl(), fit.getCoefficients(), fit.getCovariance());
    CHECK(rebuilt.evaluate(33.0, 44.0) == fit.evaluate(33.0, 44.0));
    CHECK(testing::holds(messageOf<LengthError>([&] { Approximate(box, quadratic, {1.0, 2.0}, {}); }), "2"));
}

TEST_CASE("approximate: error messages hold the offending value") {
    Grid grid;
    using evensky::RuntimeError;
    CHECK(testing::holds(
            messageOf<InvalidParameterError>([] { ApproximateControl(ApproximateControl::CHEBYSHEV, -1); }), "-1"));
    CHECK(testing::holds(
            messageOf<InvalidParameterError>([] { ApproximateControl(ApproximateControl::CHEBYSHEV, 2, 3); }),
            "2 != 3"));
    CHECK(testing::holds(messageOf<InvalidParameterError>([] { ApproximateControl(quadratic).setWeightPower(3); }),
                         "3"));
    CHECK_THROWS_AS((void)makeApproximate({1.0}, grid.y, grid.view(), box, quadratic), InvalidParameterError);
    CHECK_THROWS_AS((void)makeApproximate(grid.x, grid.y, grid.view(), Box{0, 0, 0, 5}, quadratic),
                    InvalidParameterError);
    CHECK(testing::holds(messageOf<RuntimeError>([&] {
                             (void)makeApproximate(grid.x, grid.y, grid.view(), box,
                                                   ApproximateControl(ApproximateControl::CHEBYSHEV, 9));
                         }),
                         "55 terms"));
    Pixels<float> const none(6, 5, static_cast<float>(testing::nan));
    CHECK(testing::holds(
            messageOf<RuntimeError>([&] { (void)makeApproximate(grid.x, grid.y, none.view(), box, quadratic); }),
            "30"));
    auto const fit = makeApproximate(grid.x, grid.y, grid.view(), box, quadratic);
    Pixels<float> out(100, 80);
    CHECK(testing::holds(messageOf<InvalidParameterError>([&] { fit.getImage(out.view(), box, 3, 3); }), "3"));
    CHECK(testing::holds(messageOf<LengthError>([&] { fit.getImage(out.view(), Box{0, 0, 100, 80}); }), "(0:99,0:79)"));
}

TEST_CASE("approximate: an order that is too high is refused before memory is allocated") {
    auto const grid = testing::noise(4, 4, 1.0, 0.1);
    std::vector<double> const at{0.0, 1.0, 2.0, 3.0};
    for (int order : {100'000, std::numeric_limits<int>::max()}) {
        auto const message = messageOf<evensky::RuntimeError>([&] {
            (void)evensky::makeApproximate(at, at, grid.view(), evensky::Box{0, 0, 4, 4},
                                           evensky::ApproximateControl(evensky::ApproximateControl::CHEBYSHEV, order));
        });
        CHECK(testing::holds(message, "16 usable points"));
    }
}

TEST_CASE("approximate: many points, which are processed in blocks, give the model of their groups") {
    // Four copies of a point with twice the error are equivalent to one.
    auto const few = testing::noise(40, 40, 100.0, 3.0);
    Pixels<float> many(80, 80);
    Pixels<float> const errors(40, 40, 1.0F), doubled(80, 80, 2.0F);
    std::vector<double> x, xx;
    for (int i = 0; i < 40; ++i) x.push_back(3.0 * i + 1.0);
    for (int i = 0; i < 80; ++i) xx.push_back(3.0 * (i / 2) + 1.0);
    for (std::ptrdiff_t j = 0; j < 80; ++j) {
        for (std::ptrdiff_t i = 0; i < 80; ++i) many(i, j) = few.view()(i / 2, j / 2);
    }
    evensky::Box const box{0, 0, 120, 120};
    evensky::ApproximateControl const control(evensky::ApproximateControl::CHEBYSHEV, 6);
    auto const a = evensky::makeApproximate(x, x, {few.view(), {}, errors.view()}, box, control);
    auto const b = evensky::makeApproximate(xx, xx, {std::as_const(many).view(), {}, doubled.view()}, box, control);
    for (std::size_t i = 0; i < a.getCoefficients().size(); ++i) {
        CHECK(b.getCoefficients()[i] == doctest::Approx(a.getCoefficients()[i]).epsilon(1e-9));
    }
    // With weights of 1 / error, each copy has half the weight.
    for (std::size_t i = 0; i < a.getCovariance().size(); ++i) {
        CHECK(b.getCovariance()[i] == doctest::Approx(a.getCovariance()[i]).epsilon(1e-9).scale(1e-3));
    }
}

TEST_CASE("approximate: a point with an infinite error does not affect the others") {
    auto const grid = testing::noise(6, 6, 1.0, 0.1);
    Pixels<float> errors(6, 6, 0.1F);
    errors(2, 3) = std::numeric_limits<float>::infinity();
    std::vector<double> const at{0.0, 1.0, 2.0, 3.0, 4.0, 5.0};
    auto const approximate =
            evensky::makeApproximate(at, at, {grid.view(), {}, std::as_const(errors).view()}, evensky::Box{0, 0, 6, 6},
                                     evensky::ApproximateControl(evensky::ApproximateControl::CHEBYSHEV, 2));
    for (double value : approximate.getCovariance()) CHECK(std::isfinite(value));
}

TEST_CASE("approximate: errors that differ in size from the points are refused before they are read") {
    Pixels<float> const grid(6, 6, 1.0F), errors(2, 3, 1.0F);
    std::vector<double> const at{0.0, 1.0, 2.0, 3.0, 4.0, 5.0};
    auto const message = messageOf<LengthError>([&] {
        (void)makeApproximate(at, at, {grid.view(), {}, errors.view()}, Box{0, 0, 6, 6},
                              ApproximateControl(ApproximateControl::CHEBYSHEV, 1));
    });
    CHECK(testing::holds(message, "The variance is 2 x 3 but the image is 6 x 6"));
}

TEST_CASE("approximate: means of terms are those of many points, and values where sizes are 0") {
    constexpr int order = 5;
    constexpr std::size_t terms = 21, n = 4;
    std::vector<double> const x{12.0, 60.5, 109.0, 140.0}, y{25.0, 41.5, 99.0, 10.0};
    std::vector<double> const width{4.0, 33.0, 0.0, 7.0}, height{9.0, 1.0, 0.0, 0.0};
    std::vector<double> means(terms * n);
    chebyshevMeans(box, order, x, y, width, height, means);
    constexpr int points = 400;
    for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t term = 0; term < terms; ++term) {
            std::vector<double> coefficients(terms);
            coefficients[term] = 1.0;
            Approximate const model(box, ApproximateControl(ApproximateControl::CHEBYSHEV, order), coefficients,
                                    std::vector<double>(terms * terms));
            double sum = 0.0;
            for (int a = 0; a < points; ++a) {
                for (int b = 0; b < points; ++b) {
                    sum += model.evaluate(x[i] + width[i] * ((a + 0.5) / points - 0.5),
                                          y[i] + height[i] * ((b + 0.5) / points - 0.5));
                }
            }
            CHECK(means[term * n + i] == doctest::Approx(sum / (points * points)).epsilon(1e-4));
        }
    }
}

TEST_CASE("approximate: means of terms refuse what does not fit") {
    std::vector<double> const one{1.0}, two{1.0, 2.0};
    std::vector<double> terms(3);
    auto const tryIt = [&](Box const& of, int order, std::vector<double> const& y) {
        return messageOf<Error>([&] { chebyshevMeans(of, order, one, y, one, one, terms); });
    };
    CHECK(tryIt(box, 1, two).find("There are 2 values of y; there must be 1") != std::string::npos);
    CHECK(tryIt(box, 2, one).find("There are 3 values of terms; there must be 6") != std::string::npos);
    CHECK(tryIt(box, -1, one).find("order of the series is -1") != std::string::npos);
    CHECK(tryIt({0, 0, 0, 5}, 1, one).find("(empty)") != std::string::npos);
}
