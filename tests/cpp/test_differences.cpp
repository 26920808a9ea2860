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

TEST_CASE("differences: the light of squares inside the windows of bins is that of cells") {
    Two two;
    two.science(60, 60) = std::numeric_limits<float>::quiet_NaN();
    two.reference(61, 61) = 1e30F;
    // Squares at 3, 4, 8, ..., some of which are cut at the edges; bins of 50 x 100 pixels.
    std::vector<std::int64_t> x{3, 4}, y{1, 4};
    while (x.back() + 4 <= width) x.push_back(x.back() + 4);
    while (y.back() + 4 < height) y.push_back(y.back() + 4);
    y.push_back(height);
    auto const nx = x.size() - 1, ny = y.size() - 1;
    std::vector<std::int64_t> xBins(nx), yBins(ny);
    for (std::size_t i = 0; i < nx; ++i) xBins[i] = x[i] / 50;
    for (std::size_t j = 0; j < ny; ++j) yBins[j] = y[j] / 100;
    Pixels<double> centres(6, 2), halfWidths(6, 2);
    for (std::ptrdiff_t i = 0; i < 12; ++i) {
        centres(i % 6, i / 6) = 30.0 + 0.1 * static_cast<double>(i);
        halfWidths(i % 6, i / 6) =
                i == 5 ? std::numeric_limits<double>::infinity() : 1.5 + 0.01 * static_cast<double>(i);
    }
    centres(2, 1) = std::numeric_limits<double>::quiet_NaN();
    halfWidths(3, 0) = std::numeric_limits<double>::quiet_NaN();
    Pixels<std::uint8_t> wanted(static_cast<std::ptrdiff_t>(nx), static_cast<std::ptrdiff_t>(ny));
    std::vector<double> lows(nx * ny, std::numeric_limits<double>::quiet_NaN()), highs(lows);
    for (std::size_t j = 0; j < ny; ++j) {
        for (std::size_t i = 0; i < nx; ++i) {
            bool const some = (3 * i + 5 * j) % 7 < 4 && j != 9;
            wanted(static_cast<std::ptrdiff_t>(i), static_cast<std::ptrdiff_t>(j)) = some ? 1 : 0;
            if (!some) continue;
            lows[j * nx + i] = centres(xBins[i], yBins[j]) - halfWidths(xBins[i], yBins[j]);
            highs[j * nx + i] = centres(xBins[i], yBins[j]) + halfWidths(xBins[i], yBins[j]);
        }
    }
    auto const check = [&]<typename T>(T) {
        Pixels<T> one(width, height), other(width, height);
        for (std::ptrdiff_t row = 0; row < height; ++row) {
            for (std::ptrdiff_t column = 0; column < width; ++column) {
                one(column, row) = static_cast<T>(two.reference(column, row));
                other(column, row) = static_cast<T>(two.science(column, row));
            }
        }
        auto const view = [](Pixels<T> const& image, Pixels<MaskPixel> const& mask) {
            return MaskedImageView<T const>(image.view(), mask.view(), {});
        };
        auto const reference = view(one, two.referenceMask), science = view(other, two.scienceMask);
        auto const cells = sum_differences<T>(reference, science, x, y, lows, highs, two.options, 1);
        SquareWindows const squares{x, y, wanted.view(), xBins, yBins, centres.view(), halfWidths.view()};
        auto const found = windows_in_squares(StoredImage(reference), StoredImage(science), squares, two.options, 1);
        std::vector<std::int64_t> counts(6 * ny);
        for (std::size_t j = 0; j < ny; ++j) {
            for (std::size_t i = 0; i < nx; ++i) {
                auto const at = j * nx + i;
                double const centre = centres(xBins[i], yBins[j]);
                double const light = cells.sums_within[at] - centre * static_cast<double>(cells.counts_within[at]);
                CHECK(found.light[at] == (std::isnan(lows[at]) ? 0.0 : light));
                counts[j * 6 + static_cast<std::size_t>(xBins[i])] += cells.counts[at];
            }
        }
        CHECK(found.counts == counts);
        auto const many = windows_in_squares(StoredImage(reference), StoredImage(science), squares, two.options, 3);
        CHECK(many.light == found.light);
        CHECK(many.counts == found.counts);
    };
    check(float{});
    check(double{});
    StoredImage const reference(MaskedImageView<float const>(two.reference.view(), {}, {}));
    Pixels<std::uint8_t> const single(1, 1);
    auto const refused = [&](SquareWindows const& wrong) {
        CHECK_THROWS_AS((void)windows_in_squares(reference, reference, wrong, two.options), InvalidParameterError);
    };
    refused({{0, 5}, {0, 4}, single.view(), {0}, {0}, centres.view(), halfWidths.view()});
    refused({{0, 4}, {0, 4}, single.view(), {6}, {0}, centres.view(), halfWidths.view()});
    refused({{0, 4}, {0, 4}, single.view(), {0}, {0}, {}, halfWidths.view()});
    CHECK_THROWS_AS((void)windows_in_squares(
                            reference, reference,
                            {{0, 4}, {0, 4}, wanted.view(), {0}, {0}, centres.view(), halfWidths.view()}, two.options),
                    LengthError);
}

TEST_CASE("differences: bad pixels of squares") {
    Two two;
    two.reference(7, 3) = std::numeric_limits<float>::infinity();
    two.reference(8, 3) = std::numeric_limits<float>::quiet_NaN();
    std::vector<std::int64_t> const x{2, 4, 8, 12, 200}, y{0, 3, 7, 11};
    MaskedImageView<float const> const image(two.reference.view(), two.referenceMask.view(), {});
    auto const found = bad_in_squares(StoredImage(image), 1, x, y, 1);
    for (std::size_t j = 0; j < 3; ++j) {
        for (std::size_t i = 0; i < 4; ++i) {
            std::int32_t number = 0;
            for (auto row = y[j]; row < y[j + 1]; ++row) {
                for (auto column = x[i]; column < x[i + 1]; ++column) {
                    number += !std::isfinite(two.reference(column, row)) || two.referenceMask(column, row) != 0 ? 1 : 0;
                }
            }
            CHECK(found[j * 4 + i] == number);
        }
    }
    CHECK(bad_in_squares(StoredImage(image), 1, x, y, 3) == found);
    CHECK_THROWS_AS((void)bad_in_squares(StoredImage(image), 1, {0, 301}, y, 1), InvalidParameterError);
}

TEST_CASE("differences: the positions of bins too large to be packed are those of their parts") {
    Pixels<float> const reference = testing::noise(700, 600, 100.0, 1.0, 3), science(700, 600);
    auto const mask = testing::speckles(700, 600, 0.1, 1, 5);
    PairOptions options;
    options.referenceBadMask = 1;
    auto const measure = [&](std::vector<std::int64_t> const& x, std::vector<std::int64_t> const& y) {
        return bin_differences<float>({reference.view(), mask.view(), {}}, {science.view(), {}, {}}, x, y, options, 1);
    };
    auto const whole = measure({0, 700}, {0, 600}), parts = measure({0, 350, 700}, {0, 300, 600});
    double columns = 0.0, rows = 0.0;
    for (std::size_t at = 0; at < 4; ++at) {
        columns += static_cast<double>(parts.counts[at]) * (parts.x[at] + (at % 2 == 0 ? 0.0 : 350.0));
        rows += static_cast<double>(parts.counts[at]) * (parts.y[at] + (at < 2 ? 0.0 : 300.0));
    }
    CHECK(whole.x[0] == doctest::Approx(columns / static_cast<double>(whole.counts[0])));
    CHECK(whole.y[0] == doctest::Approx(rows / static_cast<double>(whole.counts[0])));
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
