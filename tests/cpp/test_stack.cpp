#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "evensky/bin_image.hpp"
#include "evensky/errors.hpp"
#include "evensky/stack.hpp"
#include "testing.hpp"

using namespace evensky;
using testing::holds;
using testing::messageOf;
using testing::Pixels;

namespace {

constexpr std::ptrdiff_t width = 31, height = 7;
constexpr MaskPixel bad = 1, detected = 32;

// Several images with their planes, and an output.
template <typename T>
struct Stacked {
    std::vector<Pixels<T>> images;
    std::vector<Pixels<MaskPixel>> masks;
    std::vector<Pixels<VariancePixel>> variances;
    std::vector<MaskedImageView<T const>> views;
    Pixels<T> image{width, height};
    Pixels<MaskPixel> mask{width, height};
    Pixels<VariancePixel> variance{width, height};

    explicit Stacked(unsigned n) {
        for (unsigned i = 0; i < n; ++i) {
            images.push_back(testing::noise<T>(width, height, 50.0, 3.0, i + 1));
            masks.push_back(testing::speckles(width, height, 0.2, i % 2 == 0 ? bad : detected, i + 100));
            variances.push_back(testing::noise<float>(width, height, 9.0, 1.0, i + 200));
            images.back()(static_cast<std::ptrdiff_t>(i), 3) = static_cast<T>(testing::nan);
            images.back()(4, 4) += i == 0 ? T{1000} : T{0};
        }
        for (unsigned i = 0; i < n; ++i) {
            views.emplace_back(std::as_const(images[i]).view(), std::as_const(masks[i]).view(),
                               std::as_const(variances[i]).view());
        }
    }
    [[nodiscard]] MaskedImageView<T> out() { return {image.view(), mask.view(), variance.view()}; }
    // Return the statistics of the pixels at one position.
    [[nodiscard]] Statistics at(std::ptrdiff_t x, std::ptrdiff_t y, int flags, StatisticsControl const& control) {
        auto const n = static_cast<std::ptrdiff_t>(images.size());
        Pixels<T> values(n, 1);
        Pixels<MaskPixel> bits(n, 1);
        Pixels<VariancePixel> noise(n, 1);
        for (std::ptrdiff_t i = 0; i < n; ++i) {
            values(i, 0) = images[static_cast<std::size_t>(i)](x, y);
            bits(i, 0) = masks[static_cast<std::size_t>(i)](x, y);
            noise(i, 0) = variances[static_cast<std::size_t>(i)](x, y);
        }
        return makeStatistics<T>(
                {std::as_const(values).view(), std::as_const(bits).view(), std::as_const(noise).view()}, flags,
                control);
    }
};

template <typename T>
bool same(T a, T b) {
    return a == b || (std::isnan(a) && std::isnan(b));
}

template <typename T>
bool sameBits(Pixels<T> const& one, Pixels<T> const& other) {
    return std::memcmp(one.values.data(), other.values.data(), one.values.size() * sizeof(T)) == 0;
}

}  // namespace

TEST_CASE_TEMPLATE("stack: each pixel has the statistic of its column", T, float, double) {
    Stacked<T> stacked(9);
    StatisticsControl control(2.0);
    control.setAndMask(bad);
    control.setCalcErrorFromInputVariance(true);
    for (auto const& row : propertyTable) {
        if (row.group == PropertyGroup::REQUEST || row.property == ORMASK) continue;
        statisticsStack<T>(stacked.out(), stacked.views, row.property, control);
        for (std::ptrdiff_t y = 0; y < height; ++y) {
            for (std::ptrdiff_t x = 0; x < width; ++x) {
                auto const statistics = stacked.at(x, y, row.property | ERRORS, control);
                auto const [value, error] = statistics.getResult(row.property);
                REQUIRE(same(stacked.image(x, y), static_cast<T>(value)));
                REQUIRE(same(stacked.variance(x, y), static_cast<float>(static_cast<T>(error * error))));
                REQUIRE(stacked.mask(x, y) == statistics.getOrMask());
            }
        }
    }
}

TEST_CASE("stack: threads do not change a bit, and the output may be an input") {
    Stacked<float> one(12), other(12);
    StatisticsControl control(3.0, 3, bad, true, StatisticsControl::WeightsBoolean::TRUE_);
    StackBits const bits{1 << 20, {{bad, 1 << 21}}};
    statisticsStack<float>(one.out(), one.views, MEANCLIP, control, {}, bits, 1);
    statisticsStack<float>(other.out(), other.views, MEANCLIP, control, {}, bits, 4);
    CHECK(sameBits(one.image, other.image));
    CHECK(sameBits(one.mask, other.mask));
    CHECK(sameBits(one.variance, other.variance));
    CHECK((one.mask(4, 4) & (1 << 20)) == ((one.masks[0](4, 4) & bad) == 0 ? 1 << 20 : 0));
    MaskedImageView<float> const input(other.images[3].view(), other.masks[3].view(), other.variances[3].view());
    statisticsStack<float>(input, other.views, MEANCLIP, control, {}, bits, 2);
    CHECK(sameBits(one.image, other.images[3]));
    CHECK(sameBits(one.mask, other.masks[3]));
}

TEST_CASE("stack: pixels without a positive variance are left out") {
    Pixels<float> first(1, 1, 2.0F), second(1, 1, 4.0F), out(1, 1);
    Pixels<float> good(1, 1, 1.0F), none(1, 1, 0.0F);
    StatisticsControl control;
    control.setWeighted(true);
    std::vector<MaskedImageView<float const>> views{{std::as_const(first).view(), {}, std::as_const(good).view()},
                                                    {std::as_const(second).view(), {}, std::as_const(none).view()}};
    statisticsStack<float>(out.view(), views, MEAN, control);
    CHECK(out(0, 0) == 2.0F);
    views.erase(views.begin());
    Pixels<MaskPixel> mask(1, 1);
    for (Property const property : {MEAN, MEDIAN, MAX}) {
        statisticsStack<float>({out.view(), mask.view()}, views, property, control);
        CHECK(std::isnan(out(0, 0)));
        CHECK(mask(0, 0) == control.getNoGoodPixelsMask());
    }
}

TEST_CASE("stack: the excuse is a mask map") {
    auto const bits = StackBits::excusing(1 << 20, 2, 1 | 2 | 4);
    CHECK(bits.clipped == 1 << 20);
    REQUIRE(bits.maskMap.size() == 1);
    CHECK(bits.maskMap[0] == std::pair<MaskPixel, MaskPixel>(1 | 4, 1 << 20));
}

TEST_CASE("stack: a mask map changes nothing where there are no masks") {
    auto first = testing::noise<float>(40, 2, 10.0, 1.0, 1);
    auto const second = testing::noise<float>(40, 2, 10.0, 1.0, 2);
    first(3, 1) = static_cast<float>(testing::nan);
    Pixels<float> out(40, 2);
    Pixels<MaskPixel> mask(40, 2);
    std::vector<MaskedImageView<float const>> const views{{std::as_const(first).view()}, {second.view()}};
    statisticsStack<float>({out.view(), mask.view()}, views, MEAN, StatisticsControl(), {}, {0, {{~0, 1 << 21}}});
    CHECK(std::all_of(mask.values.begin(), mask.values.end(), [](MaskPixel bits) { return bits == 0; }));
}

TEST_CASE("stack: rows and columns") {
    auto image = testing::noise<float>(50, 20, 10.0, 1.0);
    Pixels<MaskPixel> mask(50, 20);
    for (std::ptrdiff_t x = 0; x < 50; ++x) mask(x, 2) = bad;
    StatisticsControl control;
    control.setAndMask(bad);
    MaskedImageView<float const> const view(std::as_const(image).view(), std::as_const(mask).view());
    Pixels<float> rows(1, 20), columns(50, 1);
    Pixels<MaskPixel> rowBits(1, 20), columnBits(50, 1);
    statisticsStack<float>({rows.view(), rowBits.view()}, view, MEDIAN, StackAxis::X, control, 2);
    statisticsStack<float>({columns.view(), columnBits.view()}, view, MEDIAN, StackAxis::Y, control, 2);
    for (std::ptrdiff_t y = 0; y < 20; ++y) {
        MaskedImageView<float const> const line(view.image.subview({0, y, 50, 1}), view.mask.subview({0, y, 50, 1}));
        CHECK(same(rows(0, y), static_cast<float>(makeStatistics(line, MEDIAN, control).getValue())));
        CHECK(rowBits(0, y) == (y == 2 ? control.getNoGoodPixelsMask() : 0));
    }
    for (std::ptrdiff_t x = 0; x < 50; ++x) {
        MaskedImageView<float const> const line(view.image.subview({x, 0, 1, 20}), view.mask.subview({x, 0, 1, 20}));
        CHECK(columns(x, 0) == static_cast<float>(makeStatistics(line, MEDIAN, control).getValue()));
        CHECK(columnBits(x, 0) == 0);
    }
}

TEST_CASE("stack: errors name what is wrong") {
    Stacked<float> stacked(2);
    Pixels<float> small(3, 2);
    std::vector<float> const weights{1.0F};
    std::vector<MaskedImageView<float const>> const nothing;
    CHECK(holds(messageOf<LengthError>([&] { statisticsStack<float>(stacked.out(), nothing, MEAN); }), "0 images"));
    CHECK(holds(messageOf<InvalidParameterError>([&] {
                    statisticsStack<float>(stacked.out(), stacked.views, MEAN, StatisticsControl(), weights);
                }),
                "1 weights for 2 images"));
    CHECK(holds(messageOf<InvalidParameterError>([&] { statisticsStack<float>(small.view(), stacked.views, MEAN); }),
                "Image 0 is 31 x 7 but the output is 3 x 2"));
    for (int const flags : {0, 1, MEAN | MEDIAN, static_cast<int>(ORMASK), 1 << 20}) {
        CHECK(holds(
                messageOf<InvalidParameterError>([&] { statisticsStack<float>(stacked.out(), stacked.views, flags); }),
                "exactly one property"));
    }
    StatisticsControl both;
    both.setCalcErrorFromInputVariance(true);
    both.setCalcErrorMosaicMode(true);
    CHECK(holds(messageOf<InvalidParameterError>(
                        [&] { statisticsStack<float>(stacked.image.view(), stacked.views, MEAN, both); }),
                "Both"));
}

TEST_CASE("bin_image: means, masks and variances") {
    Pixels<std::uint16_t> counts(5, 4, std::uint16_t{65535});
    Pixels<std::uint16_t> means(2, 2);
    binImage<std::uint16_t>(means.view(), std::as_const(counts).view(), 2, 2);
    for (auto const mean : means.values) CHECK(mean == 65535);

    Pixels<float> image(4, 2, {1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 6.0F, NAN, 8.0F}), binned(2, 1);
    Pixels<MaskPixel> mask(4, 2, {1, 0, 0, 2, 0, 4, 0, 0}), bits(2, 1);
    Pixels<VariancePixel> variance(4, 2, 8.0F), noise(2, 1);
    MaskedImageView<float const> const view(std::as_const(image).view(), std::as_const(mask).view(),
                                            std::as_const(variance).view());
    MaskedImageView<float> const out(binned.view(), bits.view(), noise.view());
    binImage<float>(out, view, 2, 2);
    CHECK(binned(0, 0) == 3.5F);
    CHECK(std::isnan(binned(1, 0)));
    CHECK(bits.values == std::vector<MaskPixel>{5, 2});
    CHECK(noise.values == std::vector<float>{2.0F, 2.0F});
    binImage<float>(out, view, 2, 2, BinExclusion{1, 256});
    CHECK(binned(0, 0) == static_cast<float>(13.0 / 3.0));
    CHECK(binned(1, 0) == 5.0F);
    CHECK(bits.values == std::vector<MaskPixel>{4, 2});
    CHECK(noise(1, 0) == static_cast<float>(24.0 / 9.0));
    binImage<float>(out, view, 2, 2, BinExclusion{-1, 256});
    CHECK(binned(0, 0) == 3.5F);  // the two pixels without bits
    for (auto& pixel : mask.values) pixel = 1;
    binImage<float>(out, view, 2, 2, BinExclusion{1, 256});
    CHECK(std::isnan(binned(0, 0)));
    CHECK(std::isnan(noise(0, 0)));
    CHECK(bits(0, 0) == 256);
}

TEST_CASE("bin_image: errors name what is wrong") {
    Pixels<float> image(4, 4), out(2, 2);
    auto const view = std::as_const(image).view();
    CHECK(holds(messageOf<InvalidParameterError>([&] { binImage<float>(out.view(), view, 0, 2); }), "0 x 2"));
    CHECK(holds(messageOf<LengthError>([&] { binImage<float>(out.view(), view, 3, 2); }), "make 1 x 2"));
    CHECK(holds(messageOf<InvalidParameterError>([&] { binImage<float>(out.view(), view, 2, 2, {}, -1); }),
                "num_threads"));
}

TEST_CASE("stack: weights beyond the range of float32 are computed in float64") {
    // 1 / 1e-40 is infinite as a float32.
    Pixels<float> const first(1, 1, 2.0F), second(1, 1, 6.0F);
    Pixels<VariancePixel> const small(1, 1, 1e-40F), smaller(1, 1, 3e-40F);
    std::vector<MaskedImageView<float const>> const images{{first.view(), {}, small.view()},
                                                           {second.view(), {}, smaller.view()}};
    StatisticsControl sctrl;
    sctrl.setWeighted(true);
    Pixels<float> out(1, 1);
    statisticsStack<float>(MaskedImageView<float>(out.view()), images, MEAN, sctrl);
    CHECK(out(0, 0) == doctest::Approx(3.0));
}

TEST_CASE("bin_image: the mean of float64 pixels at the end of their range") {
    Pixels<double> image(4, 2, 1.7e308), out(2, 1);
    image(2, 0) = -1.7e308;
    image(3, 1) = testing::infinity;
    binImage<double>(MaskedImageView<double>(out.view()), MaskedImageView<double const>(image.view()), 2, 2);
    CHECK(out(0, 0) == doctest::Approx(1.7e308));
    CHECK(out(1, 0) == testing::infinity);
    image(3, 1) = 1.7e308;
    binImage<double>(MaskedImageView<double>(out.view()), MaskedImageView<double const>(image.view()), 2, 2);
    CHECK(out(1, 0) == doctest::Approx(0.85e308));
}

TEST_CASE("bin_image: bins of integers have sums that fit 64 bits") {
    std::vector<std::int32_t> const one(1);
    constexpr auto wide = std::int64_t{1} << 33;
    ImageView<std::int32_t const> const image(one.data(), wide, 1, 0, 0);
    Pixels<std::int32_t> out(1, 1);
    CHECK_THROWS_AS(binImage<std::int32_t>(MaskedImageView<std::int32_t>(out.view()),
                                           MaskedImageView<std::int32_t const>(image), wide, 1),
                    LengthError);
}
