#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "evensky/differences.hpp"
#include "evensky/errors.hpp"
#include "testing.hpp"

using namespace evensky;
using testing::messageOf;
using testing::Pixels;

namespace {

constexpr std::ptrdiff_t width = 300, height = 200;

struct Two {
    Pixels<float> reference = testing::noise(width, height, 100.0, 1.0, 3);
    Pixels<float> science = testing::noise(width, height, 70.0, 1.0, 4);
    Pixels<MaskPixel> referenceMask = testing::speckles(width, height, 0.02, 1, 5);
    Pixels<MaskPixel> scienceMask = testing::speckles(width, height, 0.02, 4, 6);
    PairOptions options;
    std::vector<std::int64_t> x_edges{0, 30, 130, 300}, y_edges{10, 100, 200};

    Two() {
        options.referenceBadMask = 1;
        options.scienceBadMask = 4;
        options.gridStatistic = MEANCLIP;
    }
    [[nodiscard]] DifferenceBins bins(int num_threads = 1) const {
        return bin_differences<float>({reference.view(), referenceMask.view(), {}},
                                      {science.view(), scienceMask.view(), {}}, x_edges, y_edges, options, num_threads);
    }
};

}  // namespace

TEST_CASE("differences: bins agree with a plain loop over all pixels") {
    Two two;
    two.options.gridStatistic = MEAN;
    two.science(40, 150) = std::numeric_limits<float>::quiet_NaN();
    auto const bins = two.bins();
    REQUIRE(bins.values.size() == 6);
    for (std::size_t j = 0; j < 2; ++j) {
        for (std::size_t i = 0; i < 3; ++i) {
            double sum = 0.0, columns = 0.0, rows = 0.0, n = 0.0;
            for (auto y = two.y_edges[j]; y < two.y_edges[j + 1]; ++y) {
                for (auto x = two.x_edges[i]; x < two.x_edges[i + 1]; ++x) {
                    float const value = two.reference(x, y) - two.science(x, y);
                    bool const masked = (two.referenceMask(x, y) & 1) != 0 || (two.scienceMask(x, y) & 4) != 0;
                    if (masked || !std::isfinite(value)) continue;
                    sum += static_cast<double>(value);
                    columns += static_cast<double>(x - two.x_edges[i]);
                    rows += static_cast<double>(y - two.y_edges[j]);
                    n += 1.0;
                }
            }
            auto const at = j * 3 + i;
            CHECK(static_cast<double>(bins.counts[at]) == n);
            CHECK(bins.values[at] == doctest::Approx(sum / n));
            CHECK(bins.errors[at] == doctest::Approx(std::sqrt(2.0 / n)).epsilon(0.05));
            CHECK(bins.x[at] == doctest::Approx(columns / n));
            CHECK(bins.y[at] == doctest::Approx(rows / n));
        }
    }
}

TEST_CASE("differences: the position of a bin is the mean of its good pixels, or its centre without any") {
    Two two;
    for (std::ptrdiff_t y = 0; y < height; ++y) {
        for (std::ptrdiff_t x = 0; x < width; ++x) {
            two.scienceMask(x, y) = x < 80 ? 4 : 0;
            two.referenceMask(x, y) = 0;
        }
    }
    auto const bins = two.bins();
    CHECK(std::isnan(bins.values[0]));
    CHECK(bins.counts[0] == 0);
    CHECK(bins.x[0] == 14.5);
    CHECK(bins.y[0] == 44.5);
    CHECK(bins.counts[1] == 50 * 90);
    CHECK(bins.x[1] == doctest::Approx(74.5));
    CHECK(bins.x[2] == 84.5);
}

TEST_CASE("differences: a least window keeps the values of a coarse lattice") {
    Two two;
    // Most pixels of the difference are 0, so their interquartile range is 0.
    for (std::ptrdiff_t y = 0; y < height; ++y) {
        for (std::ptrdiff_t x = 0; x < width; ++x) {
            two.science(x, y) = 50.0F;
            two.reference(x, y) = 50.0F + static_cast<float>((x + 3 * y) % 10 == 0);
        }
    }
    two.reference(40, 150) = 1000.0F;
    CHECK(two.bins().values[0] == 0.0);
    two.options.leastHalfWidth = 6.0;
    for (auto const value : two.bins().values) CHECK(std::abs(value - 0.1) < 0.01);
    two.options.leastHalfWidth = -1.0;
    CHECK(messageOf<InvalidParameterError>([&] { (void)two.bins(); }).find("leastHalfWidth = -1") == 0);
}

TEST_CASE("differences: sums in cells, within windows") {
    Two two;
    two.options.gridStatistic = MEAN;
    auto const bins = two.bins();
    constexpr double infinity = std::numeric_limits<double>::infinity();
    std::vector<double> lows(6, -infinity), highs(6, infinity);
    auto const sums = [&](int num_threads = 1) {
        return sum_differences<float>({two.reference.view(), two.referenceMask.view(), {}},
                                      {two.science.view(), two.scienceMask.view(), {}}, two.x_edges, two.y_edges, lows,
                                      highs, two.options, num_threads);
    };
    auto const all = sums();
    CHECK(all.counts == bins.counts);
    for (std::size_t i = 0; i < 6; ++i) {
        CHECK(std::abs(all.sums[i] / static_cast<double>(all.counts[i]) - bins.values[i]) < 1e-9);
    }
    CHECK(all.sums_within == all.sums);
    lows[1] = std::numeric_limits<double>::quiet_NaN();
    lows[2] = 30.0;
    highs[3] = 30.0;
    auto const some = sums();
    CHECK(some.counts[1] == 0);
    CHECK(some.sums[1] == 0.0);
    CHECK(some.counts[2] == all.counts[2]);
    CHECK(some.sums[2] == all.sums[2]);
    auto const half = [&](std::size_t i) {
        return static_cast<double>(some.counts_within[i]) / static_cast<double>(all.counts[i]);
    };
    CHECK(std::abs(half(2) - 0.5) < 0.05);
    CHECK(std::abs(half(3) - 0.5) < 0.05);
    CHECK(sums(4).sums == some.sums);
    highs.pop_back();
    CHECK_THROWS_AS((void)sums(), LengthError);
}

TEST_CASE("differences: results are bit-identical for any number of threads") {
    Two const two;
    auto const one = two.bins(1), many = two.bins(4);
    CHECK(one.values == many.values);
    CHECK(one.errors == many.errors);
    CHECK(one.counts == many.counts);
    CHECK(one.x == many.x);
}

TEST_CASE("differences: error messages hold the offending value") {
    Two two;
    auto const said = [](Two const& wrong) { return messageOf<InvalidParameterError>([&] { (void)wrong.bins(); }); };
    two.x_edges = {0, 300, 200};
    CHECK(said(two).find("x_edges has 200 after 300") != std::string::npos);
    two.x_edges = {0, 301};
    CHECK(said(two).find("from 0 to 301; it must be within 0 to 300") != std::string::npos);
    two.x_edges = {0};
    CHECK(said(two).find("has 1 numbers") != std::string::npos);
    two.x_edges = {0, 300};
    two.options.gridStatistic = STDEV;
    CHECK(said(two).find("gridStatistic = 8") != std::string::npos);
    two.options.gridStatistic = MEAN;
    Pixels<float> const small(width, height - 1);
    CHECK_THROWS_AS((void)bin_differences<float>({two.reference.view(), {}, {}}, {small.view(), {}, {}}, two.x_edges,
                                                 two.y_edges, two.options, 1),
                    LengthError);
    CHECK_THROWS_AS(
            (void)bin_differences<float>({two.reference.view(), {}, {}}, {}, two.x_edges, two.y_edges, two.options, 1),
            InvalidParameterError);
}
