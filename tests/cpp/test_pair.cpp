#include <doctest/doctest.h>

#include <cmath>

#include "evensky/errors.hpp"
#include "evensky/pair.hpp"
#include "testing.hpp"

using namespace evensky;
using testing::messageOf;
using testing::Pixels;

namespace {

constexpr std::ptrdiff_t width = 400, height = 300;

// Two exposures of one scene, with noise and common stars; the second has an additional sky.
struct Pair {
    Pixels<float> reference = testing::noise(width, height, 100.0, 1.0, 3);
    Pixels<float> science = testing::noise(width, height, 100.0, 1.0, 4);
    Pixels<MaskPixel> referenceMask = testing::speckles(width, height, 0.02, 1, 5);
    Pixels<MaskPixel> scienceMask = testing::speckles(width, height, 0.02, 4, 6);
    Pixels<float> referenceVariance{width, height, 1.0F};
    Pixels<float> scienceVariance{width, height, 1.0F};
    Pixels<float> sky{width, height};
    PairOptions options;

    Pair() {
        for (std::ptrdiff_t y = 0; y < height; ++y) {
            for (std::ptrdiff_t x = 0; x < width; ++x) {
                float const star = (x % 50 == 25 && y % 50 == 25) ? 5000.0F : 0.0F;
                sky(x, y) = 20.0F + 0.05F * static_cast<float>(x) - 0.03F * static_cast<float>(y);
                reference(x, y) += star;
                science(x, y) += star + sky(x, y);
                if (referenceMask(x, y) != 0) reference(x, y) = 1e5F;
                if (scienceMask(x, y) != 0) science(x, y) = -1e5F;
            }
        }
        options.binSize = 32;
        options.referenceBadMask = 1;
        options.scienceBadMask = 4;
    }

    PairResult match(ImageView<float> const& matched, int num_threads = 1, std::int64_t origin = 0) const {
        MaskedImageView<float const> const from(reference.view(), referenceMask.view(), referenceVariance.view());
        MaskedImageView<float const> const to(science.view(), scienceMask.view(), scienceVariance.view());
        return matchBackgrounds<float>(from, to, matched, origin, origin, options, num_threads);
    }

    // Return the root mean square of the difference between the model and the true sky.
    double left(Pixels<float> const& matched) const {
        double sum = 0.0;
        for (std::size_t i = 0; i < sky.values.size(); ++i) {
            double const miss = static_cast<double>(matched.values[i] - science.values[i] + sky.values[i]);
            sum += miss * miss;
        }
        return std::sqrt(sum / static_cast<double>(sky.values.size()));
    }
};

}  // namespace

TEST_CASE("pair: the sky is removed, stars are preserved, and each exposure has its own mask bits") {
    for (bool const usePolynomial : {false, true}) {
        Pair pair;
        pair.options.usePolynomial = usePolynomial;
        pair.options.order = 2;
        Pixels<float> matched(width, height);
        auto const result = pair.match(matched.view());
        CHECK(pair.left(matched) < (usePolynomial ? 0.02 : 0.15));
        CHECK((result.approximate != nullptr) == usePolynomial);
        CHECK((result.background != nullptr) == !usePolynomial);
        CHECK(result.diffImVar == doctest::Approx(2.0));
        CHECK(result.matchedMSE == doctest::Approx(2.0).epsilon(0.05));
        CHECK(result.bins.size() == 130);
        CHECK(result.fitRMS < 0.1);
        CHECK(result.warnings.empty());
    }
}

TEST_CASE("pair: results are bit-identical for any number of threads, and in place") {
    for (auto const statistic : {MEAN, MEDIAN, MEANCLIP}) {
        Pair pair;
        pair.options.gridStatistic = statistic;
        Pixels<float> serial(width, height), threaded(width, height);
        auto const one = pair.match(serial.view(), 1);
        auto const three = pair.match(threaded.view(), 3);
        CHECK(serial.values == threaded.values);
        CHECK(one.matchedMSE == three.matchedMSE);
        CHECK(one.diffImVar == three.diffImVar);
        CHECK(one.fitRMS == three.fitRMS);
        Pair inPlace = pair;
        inPlace.match(inPlace.science.view());
        CHECK(inPlace.science.values == serial.values);
    }
}

TEST_CASE("pair: the position of the exposures does not matter") {
    Pair const pair;
    Pixels<float> here(width, height), far(width, height);
    auto const result = pair.match(here.view());
    // The largest possible origin: it must not affect access to memory.
    constexpr std::int64_t there = std::int64_t{1} << 61;
    auto const resultThere = pair.match(far.view(), 1, there);
    for (std::ptrdiff_t y = 0; y < height; ++y) {
        for (std::ptrdiff_t x = 0; x < width; ++x) REQUIRE(here(x, y) == far(x, y));
    }
    CHECK(result.matchedMSE == resultThere.matchedMSE);
    CHECK(result.diffImVar == resultThere.diffImVar);
}

TEST_CASE("pair: nothing is written if a match fails") {
    Pair pair;
    pair.options.usePolynomial = true;
    pair.options.order = 30;
    Pixels<float> matched(width, height, -7.0F);
    CHECK(testing::holds(messageOf<InvalidParameterError>([&] { pair.match(matched.view()); }), "30"));
    pair.options.order = 2;
    pair.referenceMask = Pixels<MaskPixel>(width, height, 1);
    CHECK(testing::holds(messageOf<InvalidParameterError>([&] { pair.match(matched.view()); }), "No overlap"));
    for (float const value : matched.values) REQUIRE(value == -7.0F);
}

TEST_CASE("pair: a spline without any good bin is NaN everywhere, and so are its figures") {
    Pair pair;
    pair.referenceMask = Pixels<MaskPixel>(width, height, 1);
    Pixels<float> matched(width, height);
    auto const result = pair.match(matched.view());
    for (float const value : matched.values) REQUIRE(std::isnan(value));
    CHECK(result.bins.empty());
    CHECK(std::isnan(result.fitRMS));
    CHECK(std::isnan(result.matchedMSE));
}

TEST_CASE("pair: error messages hold the offending value") {
    Pair pair;
    Pixels<float> small(10, 10), matched(width, height);
    CHECK(testing::holds(messageOf<LengthError>([&] { pair.match(small.view()); }), "10 x 10"));
    pair.options.binSize = 0;
    CHECK(testing::holds(messageOf<InvalidParameterError>([&] { pair.match(matched.view()); }), "binSize = 0"));
    pair.options.binSize = 32;
    pair.scienceMask = Pixels<MaskPixel>(10, 10);
    CHECK(testing::holds(messageOf<LengthError>([&] { pair.match(matched.view()); }), "10 x 10"));
}

TEST_CASE("pair: fewer good bins than the order needs") {
    Pair pair;
    for (std::ptrdiff_t y = 0; y < height; ++y) {
        for (std::ptrdiff_t x = 90; x < width; ++x) pair.scienceMask(x, y) = 4;
    }
    pair.options.usePolynomial = true;
    pair.options.order = 5;
    Pixels<float> matched(width, height);
    auto const reduced = pair.match(matched.view());
    CHECK(reduced.order == 2);
    REQUIRE(reduced.warnings.size() == 1);
    CHECK(testing::holds(reduced.warnings[0], "Reducing order to 2"));
    pair.options.undersampleStyle = INCREASE_NXNYSAMPLE;
    CHECK(pair.match(matched.view()).binSize == 16);
    // Eight columns of good pixels make six columns of bins nowhere but in bins of one pixel.
    auto const columns = pair.scienceMask;
    for (std::ptrdiff_t y = 0; y < height; ++y) {
        for (std::ptrdiff_t x = 8; x < 90; ++x) pair.scienceMask(x, y) = 4;
    }
    CHECK(testing::holds(messageOf<InvalidParameterError>([&] { pair.match(matched.view()); }), "down to 2 px"));
    // Enough columns and rows, but in a cross, whose bins do not determine the series unless they are small.
    pair.scienceMask = columns;
    for (std::ptrdiff_t y = 0; y < height; ++y) {
        for (std::ptrdiff_t x = 0; x < width; ++x) {
            pair.scienceMask(x, y) = (x >= 64 && x < 96) || (y >= 32 && y < 64) ? 0 : 4;
        }
    }
    auto const cross = pair.match(matched.view());
    CHECK(cross.binSize < 32);
    REQUIRE(cross.warnings.size() == 1);
    pair.scienceMask = columns;
    pair.options.undersampleStyle = THROW_EXCEPTION;
    CHECK_THROWS_AS(pair.match(matched.view()), InvalidParameterError);
}

TEST_CASE("pair: residuals of tiny float64 pixels have a root mean square") {
    auto const reference = testing::noise<double>(64, 64, 0.0, 1e-200, 3);
    auto const science = testing::noise<double>(64, 64, 0.0, 1e-200, 4);
    Pixels<double> matched(64, 64);
    PairOptions options;
    options.binSize = 8;
    auto const result =
            matchBackgrounds<double>(MaskedImageView<double const>(reference.view()),
                                     MaskedImageView<double const>(science.view()), matched.view(), 0, 0, options);
    // The model is 0 as a float32. A bin of 64 differences scatters by sqrt(2 / 64) of the unit.
    CHECK(result.fitRMS / (1e-200 * std::sqrt(2.0) / 8.0) == doctest::Approx(1.0).epsilon(0.1));
}
