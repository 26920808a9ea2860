#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "evensky/clipped_stats.hpp"
#include "evensky/errors.hpp"
#include "testing.hpp"

using namespace evensky;
using testing::infinity;
using testing::Pixels;

namespace {

// Statistics of lines, with their memory.
struct Lines {
    std::vector<double> mean, median, std;
    std::vector<std::int32_t> number, rejected;

    explicit Lines(std::ptrdiff_t n) {
        auto const size = static_cast<std::size_t>(n);
        for (auto* const plane : {&mean, &median, &std}) plane->resize(size);
        for (auto* const plane : {&number, &rejected}) plane->resize(size);
    }
    [[nodiscard]] ClippedLines out() { return {mean, median, std, number, rejected}; }
};

bool isSame(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

bool isSame(ClippedStats const& a, ClippedStats const& b) {
    return isSame(a.mean, b.mean) && isSame(a.median, b.median) && isSame(a.std, b.std) && a.number == b.number &&
           a.rejected == b.rejected;
}

// Clip each column of an image by the mean and the standard deviation of the values that are left.
ClippedStats plainly(std::vector<double> values, double sigma, int rounds) {
    auto const momentsWithin = [&](double low, double high) {
        double sum = 0.0, sum2 = 0.0, n = 0.0;
        for (double const x : values) n += x >= low && x <= high ? 1.0 : 0.0;
        for (double const x : values) sum += x >= low && x <= high ? x / n : 0.0;
        for (double const x : values) sum2 += x >= low && x <= high ? (x - sum) * (x - sum) / n : 0.0;
        return std::pair(sum, std::sqrt(sum2));
    };
    auto const all = static_cast<std::int64_t>(values.size());
    for (int round = 0; round < rounds; ++round) {
        auto const [mean, stdev] = momentsWithin(-infinity, infinity);
        auto const low = mean - sigma * stdev, high = mean + sigma * stdev;
        if (std::erase_if(values, [&](double x) { return x < low || x > high; }) == 0) break;
    }
    auto const [mean, stdev] = momentsWithin(-infinity, infinity);
    std::sort(values.begin(), values.end());
    auto const n = values.size();
    double const median = n % 2 == 1 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
    return {mean, median, stdev, static_cast<std::int64_t>(n), all - static_cast<std::int64_t>(n)};
}

}  // namespace

TEST_CASE("clipped_stats: pixels with a bad bit, NaN and infinite ones do not count; the others do") {
    Pixels<float> const image(6, 1, {1.0F, 2.0F, 3.0F, 100.0F, std::nanf(""), -std::numeric_limits<float>::infinity()});
    Pixels<MaskPixel> const mask(6, 1, {0, 4, 2, 1, 0, 0});
    MaskedImageView<float const> const view(image.view(), mask.view());
    auto const stats = clippedStats(StoredImage(view), 1);
    CHECK(isSame(stats, {2.0, 2.0, std::sqrt(2.0 / 3.0), 3, 0}));
    CHECK(clippedStats(StoredImage(view)).number == 4);
    CHECK(isSame(clippedStats(StoredImage(view), 7), {1.0, 1.0, 0.0, 1, 0}));
    auto const none = clippedStats(StoredImage(MaskedImageView<float const>(image.view().subview({4, 0, 2, 1}))));
    CHECK(isSame(none, {testing::nan, testing::nan, testing::nan, 0, 0}));
}

TEST_CASE("clipped_stats: rows, columns and images agree with a plain computation, with any number of threads") {
    // Long columns, and images beyond 512 x 512, are computed in other ways.
    for (auto const& size : {std::pair<std::ptrdiff_t, std::ptrdiff_t>{37, 20}, {9, 600}, {5, 2000}, {600, 700}}) {
        auto const width = size.first, height = size.second;  // clang 14 cannot capture structured bindings
        CAPTURE(height);
        auto image = testing::noise<double>(width, height, 1e3, 10.0);
        for (std::size_t i = 0; i < image.values.size(); i += 13) image.values[i] += 200.0;
        ClippedStatsOptions options;
        options.cenfunc = ClipCentre::MEAN;
        auto const close = [&](ClippedStats const& got, ClippedStats const& want) {
            CHECK(got.mean == doctest::Approx(want.mean).epsilon(1e-13));
            CHECK(got.std == doctest::Approx(want.std).epsilon(1e-11));
            CHECK(got.median == want.median);
            CHECK(got.number == want.number);
            CHECK(got.rejected == want.rejected);
        };
        auto const stats = clippedStats(StoredImage(MaskedImageView<double const>(image.view())), 0, options, 1);
        close(stats, plainly(image.values, 3.0, 5));
        for (int const threads : {2, 3}) {
            CHECK(isSame(stats,
                         clippedStats(StoredImage(MaskedImageView<double const>(image.view())), 0, options, threads)));
        }
        Lines columns(width), others(width), rows(width);
        clippedStatsOfColumns<double>(columns.out(), image.view(), options, 1);
        clippedStatsOfColumns<double>(others.out(), image.view(), options, 2);
        ImageView<double const> const turned(image.values.data(), height, width, width, 1);
        clippedStatsOfRows<double>(rows.out(), turned, options, 2);
        CHECK(columns.mean == others.mean);
        CHECK(columns.std == others.std);
        for (std::ptrdiff_t x = 0; x < width; x += 7) {
            std::vector<double> values;
            for (std::ptrdiff_t y = 0; y < height; ++y) values.push_back(image(x, y));
            auto const want = plainly(values, 3.0, 5);
            for (auto const* lines : {&columns, &rows}) {
                auto const at = static_cast<std::size_t>(x);
                close({lines->mean[at], lines->median[at], lines->std[at], lines->number[at], lines->rejected[at]},
                      want);
            }
        }
    }
}

TEST_CASE("clipped_stats: constants, infinite sigma, and values whose squares are beyond float64") {
    ClippedStatsOptions options;
    for (auto const centre : {ClipCentre::MEDIAN, ClipCentre::MEAN}) {
        for (auto const scatter : {ClipScatter::STDEV, ClipScatter::MAD}) {
            for (double const sigma : {3.0, infinity}) {
                options.cenfunc = centre;
                options.stdfunc = scatter;
                options.sigmaLower = options.sigmaUpper = sigma;
                for (std::ptrdiff_t const height : {5, 600}) {
                    Pixels<double> const constant(3, height, 0.1);
                    Pixels<double> large(3, height, 1e200);
                    for (std::ptrdiff_t x = 0; x < 3; ++x) large(x, 2) = -2e200;
                    Lines equal(3), beyond(3);
                    clippedStatsOfColumns<double>(equal.out(), constant.view(), options, 1);
                    clippedStatsOfColumns<double>(beyond.out(), large.view(), options, 1);
                    auto const n = static_cast<std::int32_t>(height);
                    CHECK(equal.mean == std::vector<double>(3, 0.1));
                    CHECK(equal.std == std::vector<double>(3, 0.0));
                    CHECK(equal.number == std::vector<std::int32_t>(3, n));
                    // The median distance is 0, so that a window of finite width rejects the one that differs.
                    bool const rejects = scatter == ClipScatter::MAD && centre == ClipCentre::MEDIAN && sigma == 3.0;
                    if (scatter == ClipScatter::MAD && centre == ClipCentre::MEAN && sigma == 3.0) continue;
                    CHECK(beyond.number == std::vector<std::int32_t>(3, rejects ? n - 1 : n));
                    CHECK(beyond.median == std::vector<double>(3, 1e200));
                    CHECK(beyond.std == std::vector<double>(3, rejects ? 0.0 : infinity));
                }
            }
        }
    }
}

TEST_CASE("clipped_stats: values that are left far from the median of all keep their digits") {
    // The median of all, about which columns are summed, is -1e15; those that clipping leaves are 1 apart.
    ClippedStatsOptions options;
    options.cenfunc = ClipCentre::MEAN;
    options.maxiters = 0;
    options.sigmaLower = 1.5;
    options.sigmaUpper = infinity;
    Pixels<double> const column(1, 9, {0.0, 1.0, 2.0, 3.0, -1e15, -2e15, -3e15, -4e15, -5e15});
    Lines columns(1), rows(1);
    clippedStatsOfColumns<double>(columns.out(), column.view(), options, 1);
    clippedStatsOfRows<double>(rows.out(), ImageView<double const>(column.values.data(), 9, 1), options, 1);
    CHECK(rows.number[0] == 4);
    CHECK(columns.number == rows.number);
    CHECK(columns.mean[0] == doctest::Approx(rows.mean[0]));
    CHECK(columns.std[0] == doctest::Approx(rows.std[0]));
}

TEST_CASE("clipped_stats: errors") {
    Pixels<double> image(4, 3, 1.0);
    Lines lines(4);
    auto const columns = [&](ClippedLines const& out) { clippedStatsOfColumns<double>(out, image.view(), {}, 1); };
    columns(lines.out());
    auto out = lines.out();
    out.mean = out.mean.first(3);
    CHECK_THROWS_AS(columns(out), InvalidParameterError);
    // Outputs must have memory of their own.
    out = lines.out();
    out.std = {image.values.data() + 8, 4};
    CHECK(testing::holds(testing::messageOf<InvalidParameterError>([&] { columns(out); }), "same memory"));
    out = lines.out();
    out.median = out.mean;
    CHECK(testing::holds(testing::messageOf<InvalidParameterError>([&] { columns(out); }), "same memory"));
    ClippedStatsOptions options;
    options.sigmaLower = 0.0;
    CHECK_THROWS_AS(clippedStatsOfRows<double>(Lines(3).out(), image.view(), options, 1), InvalidParameterError);
    options = {};
    options.maxiters = -1;
    CHECK_THROWS_AS(
            static_cast<void>(clippedStats(StoredImage(MaskedImageView<double const>(image.view())), 0, options)),
            InvalidParameterError);
    CHECK_THROWS_AS(static_cast<void>(clippedStats(StoredImage(MaskedImageView<double const>()))),
                    InvalidParameterError);
}
