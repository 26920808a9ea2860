#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "evensky/background.hpp"
#include "evensky/errors.hpp"
#include "testing.hpp"

using namespace evensky;
using testing::holds;
using testing::messageOf;
using testing::Pixels;

namespace {

Pixels<float> tilted(std::ptrdiff_t width, std::ptrdiff_t height) {
    Pixels<float> image(width, height);
    for (std::ptrdiff_t y = 0; y < height; ++y) {
        for (std::ptrdiff_t x = 0; x < width; ++x) {
            image(x, y) = 10.0F + 0.5F * static_cast<float>(x) - 0.25F * static_cast<float>(y);
        }
    }
    return image;
}

template <typename T = float>
Pixels<T> modelOf(Background const& background, int num_threads = 1) {
    auto const& box = background.getImageBBox();
    Pixels<T> model(box.width, box.height);
    background.getImage(model.view(), box, num_threads);
    return model;
}

}  // namespace

TEST_CASE("background: bins cover the image without gaps") {
    for (std::int64_t const size : {7, 10, 101, 4096}) {
        for (int const count : {1, 3, 7}) {
            auto const grid = BinGrid::evenly(size, count);
            CHECK(grid.edges.front() == 0);
            CHECK(grid.edges.back() == size);
            for (std::size_t i = 0; i < grid.centers.size(); ++i) {
                CHECK(grid.edges[i] < grid.edges[i + 1]);
                CHECK(grid.centers[i] == 0.5 * static_cast<double>(grid.edges[i] + grid.edges[i + 1] - 1));
            }
        }
    }
    CHECK(BinGrid::steps(10, 4).edges == std::vector<std::int64_t>{0, 4, 8, 10});
    CHECK(testing::holds(messageOf<InvalidParameterError>([] { (void)BinGrid::evenly(3, 4); }), "3"));
    CHECK(testing::holds(messageOf<InvalidParameterError>([] { (void)BinGrid::steps(3, 0); }), "0"));
    // Products of these sizes must not overflow.
    auto const huge = BinGrid::evenly(std::int64_t{1} << 61, 1000);
    CHECK(huge.edges.back() == std::int64_t{1} << 61);
}

TEST_CASE("background: a plane is reproduced exactly, and the origin only shifts it") {
    auto const image = tilted(120, 90);
    BackgroundControl const bctrl(6, 6, StatisticsControl(), MEAN);
    Background const background(MaskedImageView<float const>(image.view()), 1000, -50, bctrl);
    CHECK(background.getImageBBox() == Box{1000, -50, 120, 90});
    CHECK(background.getBinCentersX().front() == 1009.5);
    auto const model = modelOf(background);
    float worst = 0.0F;
    for (std::size_t i = 0; i < model.values.size(); ++i) {
        worst = std::max(worst, std::abs(model.values[i] - image.values[i]));
    }
    CHECK(worst < 1e-3F);
    Pixels<float> part(20, 10);
    background.getImage(part.view(), Box{1050, 0, 20, 10}, Interpolate::AKIMA_SPLINE, THROW_EXCEPTION);
    CHECK(part(0, 0) == modelOf(background)(50, 50));
}

TEST_CASE("background: results are bit-identical for any number of threads, and in threads that share an object") {
    auto const image = testing::noise(500, 400, 100.0, 5.0);
    auto const mask = testing::speckles(500, 400, 0.1, 1);
    StatisticsControl sctrl;
    sctrl.setAndMask(1);
    BackgroundControl const bctrl(9, 8, sctrl);
    MaskedImageView<float const> const view(image.view(), mask.view());
    Background const one(view, 0, 0, bctrl, 1), three(view, 0, 0, bctrl, 3);
    auto const expected = modelOf(one).values;
    CHECK(modelOf(three, 3).values == expected);
    std::vector<std::vector<float>> results(4);
    testing::inThreads(results.size(), [&](std::size_t i) { results[i] = modelOf(one, 2).values; });
    for (auto const& result : results) CHECK(result == expected);
}

TEST_CASE("background: bins without data are bridged; a column without any is NaN") {
    auto image = tilted(100, 100);
    for (std::ptrdiff_t y = 0; y < 20; ++y) {
        for (std::ptrdiff_t x = 20; x < 40; ++x) image(x, y) = static_cast<float>(testing::nan);
    }
    BackgroundControl const bctrl(Interpolate::LINEAR, 5, 5, THROW_EXCEPTION, nullptr, MEAN, nullptr);
    Background background(MaskedImageView<float const>(image.view()), 0, 0, bctrl);
    CHECK(std::isnan(background.statsImage().image(1, 0)));
    for (float const value : modelOf(background).values) REQUIRE(std::isfinite(value));
    background.statsImage().image(1, 0) = 25.0F;
    background += 1.0F;
    CHECK(background.statsImage().image(1, 0) == 26.0F);
    background -= 1.0F;
    CHECK(background.statsImage().image(1, 0) == 25.0F);
}

TEST_CASE("background: a background made from the grid of another equals it") {
    auto const image = testing::noise(200, 100, 50.0, 2.0);
    BackgroundControl const bctrl(6, 5);
    Background const measured(MaskedImageView<float const>(image.view()), 3, 4, bctrl);
    Background const rebuilt(measured.getImageBBox(), measured.statsImage(), bctrl);
    CHECK(modelOf(rebuilt).values == modelOf(measured).values);
    CHECK(modelOf<double>(rebuilt).values.size() == 20000);
}

TEST_CASE("background: too few bins for a style") {
    auto const image = tilted(30, 30);
    auto const make = [&](UndersampleStyle style) {
        return Background(MaskedImageView<float const>(image.view()), 0, 0,
                          BackgroundControl(Interpolate::AKIMA_SPLINE, 3, 3, style, nullptr, MEAN, nullptr));
    };
    Pixels<float> out(30, 30);
    Box const box{0, 0, 30, 30};
    CHECK(testing::holds(messageOf<InvalidParameterError>([&] { make(THROW_EXCEPTION).getImage(out.view(), box); }),
                         "3"));
    auto const used = make(REDUCE_INTERP_ORDER).getImage(out.view(), box);
    CHECK(used.interpStyle == Interpolate::CUBIC_SPLINE);
}

TEST_CASE("background: error messages hold the offending value") {
    auto const image = tilted(30, 20);
    MaskedImageView<float const> const view(image.view());
    CHECK(testing::holds(messageOf<InvalidParameterError>([&] { Background(view, 0, 0, BackgroundControl(31, 2)); }),
                         "Image contains no pixels"));
    CHECK(testing::holds(messageOf<LengthError>([] { BackgroundControl(0, 2); }), "0"));
    Background const background(view, 0, 0, BackgroundControl(6, 6));
    Pixels<float> out(30, 20);
    CHECK(testing::holds(messageOf<LengthError>([&] { background.getImage(out.view(), Box{1, 0, 30, 20}); }),
                         "(1:30,0:19)"));
    CHECK(testing::holds(messageOf<LengthError>([&] { background.getImage(out.view(), Box{0, 0, 30, 19}); }), "19"));
    CHECK(testing::holds(messageOf<NotFoundError>([] { (void)stringToUndersampleStyle("GUESS"); }),
                         "REDUCE_INTERP_ORDER"));
}

TEST_CASE("background: the number of styles is not a style") {
    CHECK_THROWS_AS((void)BackgroundControl(Interpolate::NUM_STYLES, 3, 3, THROW_EXCEPTION, nullptr, MEAN, nullptr),
                    InvalidParameterError);
    BackgroundControl control(3, 3);
    CHECK_THROWS_AS(control.setInterpStyle(Interpolate::NUM_STYLES), InvalidParameterError);
    control.setInterpStyle(Interpolate::UNKNOWN);  // A style may be chosen later.
    CHECK(control.getInterpStyle() == Interpolate::UNKNOWN);
}

TEST_CASE("background: a column of bins without data is bridged, or named in the error") {
    auto image = testing::noise(80, 80, 100.0, 1.0);
    for (std::ptrdiff_t y = 0; y < 80; ++y) {
        for (std::ptrdiff_t x = 20; x < 30; ++x) image(x, y) = static_cast<float>(testing::nan);
    }
    evensky::MaskedImageView<float const> const view(std::as_const(image).view());
    evensky::Background const background(view, 0, 0, evensky::BackgroundControl(8, 8), 1);
    testing::Pixels<float> out(80, 80);
    evensky::Box const all{0, 0, 80, 80};
    background.getImage(out.view(), all, evensky::Interpolate::AKIMA_SPLINE, evensky::REDUCE_INTERP_ORDER);
    double worst = 0.0;
    for (float const value : out.values) worst = std::max(worst, std::abs(static_cast<double>(value) - 100.0));
    CHECK(worst < 2.0);
    auto const message = testing::messageOf<evensky::OutOfRangeError>([&] {
        background.getImage(out.view(), all, evensky::Interpolate::AKIMA_SPLINE, evensky::THROW_EXCEPTION);
    });
    CHECK(testing::holds(message, "Column 2"));
    CHECK(testing::holds(message, "REDUCE_INTERP_ORDER"));
}

TEST_CASE("background: an undersample style that does not exist, and boxes beyond the largest coordinate") {
    auto const grid = testing::noise(3, 3, 1.0, 0.1);
    evensky::Background const background(evensky::Box{0, 0, 30, 30}, grid.view());
    Pixels<float> out(30, 30);
    auto const message = messageOf<evensky::InvalidParameterError>([&] {
        background.getImage(out.view(), {0, 0, 30, 30}, evensky::Interpolate::AKIMA_SPLINE,
                            static_cast<evensky::UndersampleStyle>(3));
    });
    CHECK(testing::holds(message, "Undersample style 3"));
    auto const largest = std::numeric_limits<std::int64_t>::max();
    auto const beyond = messageOf<evensky::LengthError>(
            [&] { evensky::Background(evensky::Box{largest - 5, 0, 30, 30}, grid.view()); });
    CHECK(testing::holds(beyond, std::to_string(largest - 5)));
}

TEST_CASE("background: an approximation is evaluated whatever the styles") {
    auto image = testing::noise(60, 50, 100.0, 1.0);
    for (std::ptrdiff_t x = 0; x < 60; ++x) image(x, 7) += 50.0F;
    evensky::MaskedImageView<float const> const view(std::as_const(image).view());
    auto const actrl = std::make_shared<evensky::ApproximateControl>(evensky::ApproximateControl::CHEBYSHEV, 1);
    BackgroundControl const control(Interpolate::LINEAR, 6, 5, THROW_EXCEPTION, nullptr, MEAN, actrl);
    evensky::Background const background(view, 3, 4, control, 1);
    evensky::Box const all{3, 4, 60, 50};
    Pixels<float> want(60, 50), out(60, 50);
    background.getApproximate(*actrl).getImage(want.view(), all);
    background.getImage(out.view(), all);
    CHECK(out.values == want.values);
    for (auto const style : {Interpolate::AKIMA_SPLINE, Interpolate::LINEAR}) {
        out.values.assign(out.values.size(), 0.0F);
        auto const used = background.getImage(out.view(), all, style, evensky::REDUCE_INTERP_ORDER);
        CHECK(out.values == want.values);
        CHECK(used.interpStyle == Interpolate::UNKNOWN);
    }
    // Another control decides for itself.
    BackgroundControl const plain(Interpolate::LINEAR, 6, 5, THROW_EXCEPTION, nullptr, MEAN, nullptr);
    background.getImage(out.view(), all, plain);
    CHECK(out.values != want.values);
}

TEST_CASE("background: a control copies the controls that it is given") {
    auto const sctrl = std::make_shared<evensky::StatisticsControl>();
    auto const actrl = std::make_shared<evensky::ApproximateControl>(evensky::ApproximateControl::CHEBYSHEV, 2);
    BackgroundControl control(Interpolate::LINEAR, 6, 5, THROW_EXCEPTION, sctrl, MEAN, actrl);
    BackgroundControl other(6, 5);
    other.setStatisticsControl(sctrl);
    other.setApproximateControl(actrl);
    sctrl->setNumIter(1);
    actrl->setWeighting(false);
    for (auto const* one : {&control, &other}) {
        CHECK(one->getStatisticsControl()->getNumIter() == 3);
        CHECK(one->getApproximateControl()->getWeighting());
        one->getStatisticsControl()->setNumIter(7);
        CHECK(one->getStatisticsControl()->getNumIter() == 7);
    }
    CHECK(sctrl->getNumIter() == 1);
    other.setApproximateControl(nullptr);
    CHECK(other.getApproximateControl()->getStyle() == evensky::ApproximateControl::UNKNOWN);
}

TEST_CASE("background: bins along axes of any size") {
    constexpr auto largest = std::numeric_limits<std::int64_t>::max();
    constexpr auto least = std::numeric_limits<std::int64_t>::min();
    constexpr auto mostBins = std::numeric_limits<int>::max();
    using Edges = std::vector<std::int64_t>;
    CHECK(BinGrid::steps(largest, largest - 1).edges == Edges{0, largest - 1, largest});
    CHECK(BinGrid::steps(largest, largest).edges == Edges{0, largest});
    CHECK(BinGrid::steps(5, largest).edges == Edges{0, 5});
    CHECK(BinGrid::steps(largest, largest / 2).edges == Edges{0, largest / 2, largest - 1, largest});
    CHECK(BinGrid::steps(0, 3).edges == Edges{0});
    CHECK(BinGrid::steps(least, 3).edges == Edges{0});
    CHECK(BinGrid::evenly(largest, 1).edges == Edges{0, largest});
    CHECK(BinGrid::evenly(largest, 2).edges == Edges{0, largest / 2 + 1, largest});
    // Nothing is allocated for bins that there cannot be.
    auto const tooMany = messageOf<LengthError>([] { (void)BinGrid::steps(largest, 1); });
    CHECK(holds(tooMany, "9223372036854775807 bins; there can be at most 2147483647"));
    CHECK_THROWS_AS((void)BinGrid::evenly(mostBins - std::int64_t{1}, mostBins), InvalidParameterError);
    CHECK_THROWS_AS((void)BinGrid::evenly(0, 1), InvalidParameterError);
    CHECK_THROWS_AS((void)BinGrid::evenly(least, mostBins), InvalidParameterError);
    CHECK(holds(messageOf<InvalidParameterError>([] { (void)BinGrid::evenly(5, 0); }), "count = 0 bins"));
    CHECK(holds(messageOf<InvalidParameterError>([] { (void)BinGrid::evenly(5, -1); }), "count = -1 bins"));
}

TEST_CASE("background: the first bin without pixels is named") {
    for (int count = 1; count < 40; ++count) {
        for (std::int64_t size = 0; size < count; ++size) {
            std::int64_t bin = 0, start = 0;
            for (;; ++bin) {
                auto const end = std::min(((bin + 1) * size + count / 2) / count, size);
                if (end <= start) break;
                start = end;
            }
            auto const message = messageOf<InvalidParameterError>([&] { (void)BinGrid::evenly(size, count); });
            CAPTURE(count);
            CAPTURE(size);
            CHECK(holds(message, "bin " + std::to_string(bin) + " of " + std::to_string(count)));
        }
    }
}

TEST_CASE("background: an empty box may be anywhere") {
    constexpr auto largest = std::numeric_limits<std::int64_t>::max();
    constexpr auto least = std::numeric_limits<std::int64_t>::min();
    auto const image = testing::noise(50, 40, 10.0, 1.0);
    Background const background(MaskedImageView<float const>(image.view()), least, least, BackgroundControl(5, 5));
    std::vector<float> out(10);
    for (Box const& box : {Box{largest, largest, 0, 5}, Box{largest, largest, 5, 0}, Box{0, 0, 0, 0}}) {
        ImageView<float> const part(out.data(), box.width, box.height);
        CHECK_NOTHROW(background.getImage(part, box));
        CHECK_NOTHROW(
                background.getApproximate(ApproximateControl(ApproximateControl::CHEBYSHEV, 2)).getImage(part, box));
        CHECK_NOTHROW(
                background.getApproximate(ApproximateControl(ApproximateControl::CHEBYSHEV, 2)).getVariance(part, box));
    }
    CHECK_NOTHROW(background.getImage(ImageView<float>(out.data(), -3, 5), Box{0, 0, -3, 5}));
}

TEST_CASE("background: models do not depend on the place of the image, up to the largest coordinate") {
    constexpr auto far = std::int64_t{1} << 62;
    auto const image = testing::noise(60, 50, 10.0, 1.0);
    std::shared_ptr<ApproximateControl> const actrl =
            std::make_shared<ApproximateControl>(ApproximateControl::CHEBYSHEV, 3);
    for (auto const& approximation : {std::shared_ptr<ApproximateControl>(), actrl}) {
        BackgroundControl const control(Interpolate::AKIMA_SPLINE, 6, 6, THROW_EXCEPTION, nullptr, MEAN, approximation);
        testing::Pixels<float> here(60, 50), there(60, 50);
        Background const near(MaskedImageView<float const>(image.view()), 0, 0, control);
        near.getImage(here.view(), near.getImageBBox());
        for (auto const corner : {far, -far - far}) {
            Background const other(MaskedImageView<float const>(image.view()), corner, corner, control);
            other.getImage(there.view(), other.getImageBBox());
            CHECK(here.values == there.values);
        }
    }
}

TEST_CASE("background: a grid or an output without memory is refused") {
    Box const box{0, 0, 20, 20};
    ImageView<float const> const nothing(nullptr, 5, 5);
    CHECK(holds(messageOf<InvalidParameterError>([&] { Background(box, MaskedImageView<float const>(nothing)); }),
                "without memory"));
    std::vector<float> values(25, 1.0F);
    Background const background(box, MaskedImageView<float const>(ImageView<float const>(values.data(), 5, 5)));
    ApproximateControl const actrl(ApproximateControl::CHEBYSHEV, 1, -1, false);
    auto const model = background.getApproximate(actrl);
    ImageView<float> const out(nullptr, 20, 20);
    CHECK(holds(messageOf<InvalidParameterError>([&] { background.getImage(out, box); }), "20 x 20"));
    CHECK(holds(messageOf<InvalidParameterError>([&] { model.getImage(out, box); }), "without memory"));
    CHECK(holds(messageOf<InvalidParameterError>([&] { model.getVariance(out, box); }), "without memory"));
    std::vector<double> const centers{0, 1, 2, 3, 4};
    CHECK(holds(messageOf<InvalidParameterError>(
                        [&] { Approximate(centers, centers, MaskedImageView<float const>(nothing), box, actrl); }),
                "without memory"));
    CHECK_THROWS_AS(Approximate(Box{}, ApproximateControl(ApproximateControl::CHEBYSHEV, 0), {1.0}, {1.0}),
                    InvalidParameterError);
    // A grid of one row of 2^31 bins, whose strides are 0.
    ImageView<float const> const wide(values.data(), std::int64_t{1} << 31, 1, 0, 0);
    Box const wideBox{0, 0, std::int64_t{1} << 40, 1};
    CHECK_THROWS_AS(Background(wideBox, MaskedImageView<float const>(wide)), InvalidParameterError);
}

TEST_CASE("background: grids and models scale with the pixels, up to the ends of the range of float32") {
    auto const image = testing::noise(60, 50, 10.0, 1.0);
    auto const mask = testing::speckles(60, 50, 0.05, 1);
    auto const modelsOf = [&](Pixels<float> const& pixels) {
        StatisticsControl sctrl;
        sctrl.setAndMask(1);
        Background const background(MaskedImageView<float const>(pixels.view(), mask.view()), 0, 0,
                                    BackgroundControl(6, 6, sctrl));
        Pixels<float> spline(60, 50), series(60, 50);
        background.getImage(spline.view(), background.getImageBBox());
        background.getApproximate(ApproximateControl(ApproximateControl::CHEBYSHEV, 3))
                .getImage(series.view(), background.getImageBBox());
        spline.values.insert(spline.values.end(), series.values.begin(), series.values.end());
        return spline.values;
    };
    auto const plain = modelsOf(image);
    for (int const k : {-100, 100, 120}) {
        auto scaled = image;
        for (auto& value : scaled.values) value = std::ldexp(value, k);
        auto const models = modelsOf(scaled);
        for (std::size_t i = 0; i < plain.size(); ++i) REQUIRE(models[i] == std::ldexp(plain[i], k));
    }
}

namespace {

// Images on which the ways of computing few and many pixels could differ.
std::vector<std::pair<char const*, Pixels<float>>> differentSkies(std::ptrdiff_t width, std::ptrdiff_t height) {
    std::vector<std::pair<char const*, Pixels<float>>> skies;
    auto const add = [&](char const* name, auto const& change) {
        auto image = testing::noise(width, height, 100.0, 5.0);
        for (std::size_t i = 0; i < image.values.size(); ++i) image.values[i] = change(i, image.values[i]);
        skies.emplace_back(name, image);
    };
    add("noise", [](std::size_t, float value) { return value; });
    add("stars, NaN and infinity", [](std::size_t i, float value) {
        if (i % 101 == 5) return static_cast<float>(i % 3 == 0 ? testing::nan : -testing::infinity);
        return i % 17 == 3 ? value + 3000.0F : value;
    });
    add("whole numbers", [](std::size_t, float value) { return std::round(0.1F * value); });
    add("constant but for some", [](std::size_t i, float) { return i % 37 == 0 ? 9.0F : 7.25F; });
    add("levels far apart", [](std::size_t i, float value) { return i % 5 == 0 ? value + 1e6F : value; });
    add("a wide range",
        [](std::size_t i, float value) { return std::ldexp(value - 100.0F, static_cast<int>(i * 7 % 200) - 100); });
    return skies;
}

bool sameBits(double a, double b) { return (std::isnan(a) && std::isnan(b)) || a == b; }

}  // namespace

// Bins of few pixels are computed side by side, and those of many one by one; images always are.
TEST_CASE("background: a bin has the statistics of an image of its pixels, to the last bit") {
    constexpr std::ptrdiff_t width = 137, height = 65;
    // Messages are made in lambdas, which do not capture structured bindings in clang 15 and older.
    for (auto const& [skyName, image] : differentSkies(width, height)) {
        auto const& name = skyName;
        for (double const bad : {0.0, 0.1, 0.9}) {
            auto const mask = testing::speckles(width, height, bad, 1);
            for (auto const& grid : {std::pair{137, 65}, {40, 20}, {17, 8}, {9, 4}, {4, 2}, {3, 1}}) {
                auto const nx = grid.first, ny = grid.second;
                for (auto const property : {MEANCLIP, STDEVCLIP, VARIANCECLIP, NCLIPPED, MEAN, MEDIAN, STDEV, VARIANCE,
                                            SUM, IQRANGE, MEANSQUARE, NPOINT, NMASKED, MIN, MAX, MAD}) {
                    for (auto const& clipping : {std::pair{3.0, 3}, {1.5, 6}, {2.0, 1}, {1.2, 1000}}) {
                        auto const nsigma = clipping.first;
                        auto const rounds = clipping.second;
                        StatisticsControl const sctrl(nsigma, rounds, 1);
                        auto const bctrl = BackgroundControl(nx, ny, sctrl, property);
                        MaskedImageView<float const> const view(image.view(), mask.view());
                        Background const background(view, 0, 0, bctrl, 1);
                        auto const bins = background.statsImage();
                        auto const x = BinGrid::evenly(width, nx).edges, y = BinGrid::evenly(height, ny).edges;
                        // All bins of a coarse grid, and some of a fine one.
                        auto const step = std::max<std::size_t>(1, static_cast<std::size_t>(nx * ny) / 29);
                        for (std::size_t k = 0; k < static_cast<std::size_t>(nx * ny); k += step) {
                            auto const i = k % static_cast<std::size_t>(nx), j = k / static_cast<std::size_t>(nx);
                            Box const box{x[i], y[j], x[i + 1] - x[i], y[j + 1] - y[j]};
                            auto const [value, error] =
                                    makeStatistics<float>({image.view().subview(box), mask.view().subview(box)},
                                                          property | ERRORS, sctrl, 1)
                                            .getResult(property);
                            auto const at = static_cast<std::ptrdiff_t>(i);
                            auto const row = static_cast<std::ptrdiff_t>(j);
                            INFO(name, ", ", statisticsPropertyToString(property), ", ", nx, " x ", ny, " bins, bin ",
                                 k, ", ", bad, " masked, ", nsigma, " sigma, ", rounds, " rounds");
                            CHECK(sameBits(bins.image(at, row), static_cast<float>(value)));
                            CHECK(sameBits(bins.variance(at, row), static_cast<float>(error)));
                        }
                        if ((property & propertiesOf(PropertyGroup::CLIPPED)) == 0) break;
                    }
                }
            }
        }
    }
}
