// Outputs that have pixels in the memory of inputs, of all functions that write to planes of their callers.

#include <doctest/doctest.h>

#include <cstdlib>
#include <random>
#include <set>
#include <vector>

#include "evensky/bin_image.hpp"
#include "evensky/combine.hpp"
#include "evensky/pair.hpp"
#include "evensky/sampling.hpp"
#include "evensky/stack.hpp"
#include "testing.hpp"

using namespace evensky;
using testing::Pixels;

namespace {

// Return whether binImage takes a plane as its output and another as its input.
bool binsTo(ImageView<float> const& out, ImageView<float const> const& image) {
    try {
        binImage<float>(MaskedImageView<float>(out), MaskedImageView<float const>(image), 1, 1, std::nullopt, 1);
        return true;
    } catch (InvalidParameterError const& error) {
        CHECK(std::string(error.what()).find("same memory") != std::string::npos);
        return false;
    }
}

std::set<float const*> addresses(ImageView<float const> const& view) {
    std::set<float const*> result;
    for (std::ptrdiff_t y = 0; y < view.height(); ++y) {
        for (std::ptrdiff_t x = 0; x < view.width(); ++x) result.insert(&view(x, y));
    }
    return result;
}

template <typename T>
ImageView<T const> constant(ImageView<T> const& view) {
    return view;
}

}  // namespace

TEST_CASE("overlap: parts of one plane are told apart") {
    Pixels<float> plane(64, 48, 1.0F);
    auto const all = plane.view();
    CHECK(binsTo(all.subview({0, 0, 32, 48}), constant(all.subview({32, 0, 32, 48}))));
    CHECK(binsTo(all.subview({0, 0, 64, 24}), constant(all.subview({0, 24, 64, 24}))));
    CHECK_FALSE(binsTo(all.subview({0, 0, 32, 48}), constant(all.subview({31, 0, 32, 48}))));
    CHECK_FALSE(binsTo(all, constant(all)));
    // Every other column or row.
    auto const columns = [&](std::ptrdiff_t first) { return ImageView<float>(&all(first, 0), 32, 48, 2, 64); };
    CHECK(binsTo(columns(0), constant(columns(1))));
    CHECK_FALSE(binsTo(columns(0), constant(columns(0))));
    auto const rows = [&](std::ptrdiff_t first) { return ImageView<float>(&all(0, first), 64, 24, 1, 128); };
    CHECK(binsTo(rows(0), constant(rows(1))));
    // A plane and the same plane upside down.
    CHECK_FALSE(binsTo(ImageView<float>(&all(0, 47), 64, 48, 1, -64), constant(all)));
}

TEST_CASE("overlap: random planes of equal strides share memory if and only if they have a pixel in common") {
    std::mt19937 random(7);
    auto const within = [&](std::ptrdiff_t low, std::ptrdiff_t high) {
        return std::uniform_int_distribution<std::ptrdiff_t>(low, high)(random);
    };
    std::vector<float> memory(4000, 1.0F);
    int refused = 0, taken = 0;
    for (int trial = 0; trial < 20'000; ++trial) {
        auto const width = within(1, 6), height = within(1, 6);
        auto strideX = within(1, 4), strideY = within(1, 4);
        // Rows or columns are apart, as those of an image are, by steps of any sign.
        (within(0, 1) == 1 ? strideY : strideX) += 2 * 4 * 6;
        if (within(0, 3) == 0) strideX = -strideX;
        if (within(0, 3) == 0) strideY = -strideY;
        auto const place = [&] {
            return ImageView<float>(memory.data() + 2000 + within(-40, 40), width, height, strideX, strideY);
        };
        auto const out = place();
        auto const image = constant(place());
        bool common = false;
        auto const read = addresses(image);
        for (auto const* address : addresses(out)) common = common || read.contains(address);
        REQUIRE(binsTo(out, image) == !common);
        ++(common ? refused : taken);
    }
    CHECK(refused > 1000);
    CHECK(taken > 1000);
}

TEST_CASE("overlap: planes of other strides within each other's range are refused") {
    Pixels<float> plane(64, 48, 1.0F);
    auto const all = plane.view();
    CHECK_FALSE(binsTo(ImageView<float>(all.data(), 32, 48, 2, 64), constant(all.subview({32, 0, 32, 48}))));
}

TEST_CASE("overlap: stacks and combined images may replace an input, and nothing else") {
    Pixels<float> first(16, 8, 1.0F), second(16, 8, 3.0F), variance(16, 8, 2.0F);
    Pixels<MaskPixel> mask(16, 8, 0);
    std::vector<MaskedImageView<float const>> const images{{first.view(), mask.view(), variance.view()},
                                                           {second.view()}};
    SUBCASE("stack") {
        statisticsStack<float>(MaskedImageView<float>(first.view(), mask.view(), variance.view()), images, MEAN);
        CHECK(first(5, 5) == 2.0F);
    }
    SUBCASE("stack, shifted by a row") {
        std::vector<MaskedImageView<float const>> const parts{{first.view().subview({0, 1, 16, 7})}};
        CHECK_THROWS_AS(
                statisticsStack<float>(MaskedImageView<float>(first.view().subview({0, 0, 16, 7})), parts, MEAN),
                InvalidParameterError);
    }
    SUBCASE("stack: a variance in the memory of an image of another input, shifted by a row") {
        std::vector<MaskedImageView<float const>> const parts{{first.view().subview({0, 1, 16, 7})}};
        Pixels<float> out(16, 7);
        CHECK_THROWS_AS(
                statisticsStack<float>(MaskedImageView<float>(out.view(), {}, first.view().subview({0, 0, 16, 7})),
                                       parts, MEAN),
                InvalidParameterError);
    }
    SUBCASE("stack: image and variance of the output are one plane") {
        CHECK_THROWS_AS(statisticsStack<float>(MaskedImageView<float>(first.view(), {}, first.view()), images, MEAN),
                        InvalidParameterError);
    }
    SUBCASE("lines of one image") {
        CHECK_THROWS_AS(statisticsStack<float>(MaskedImageView<float>(first.view().subview({0, 0, 16, 1})),
                                               MaskedImageView<float const>(first.view()), MEAN, StackAxis::Y),
                        InvalidParameterError);
    }
    SUBCASE("combine") {
        std::vector<CombineInput<float>> inputs(2);
        inputs[0].planes = {first.view(), mask.view()};
        inputs[1].planes = {second.view()};
        CombineOutput<float> out;
        out.image = second.view();
        out.mask = mask.view();
        combine<float>(out, inputs);
        CHECK(second(5, 5) == 2.0F);
        Pixels<std::int32_t> number(16, 8);
        out.number = number.view();
        out.rejected = number.view();
        CHECK_THROWS_AS(combine<float>(out, inputs), InvalidParameterError);
        out.rejected = {};
        inputs[0].planes.image = inputs[1].planes.image = constant(second.view().subview({0, 1, 16, 7}));
        inputs[0].planes.mask = {};
        out = {};
        out.image = second.view().subview({0, 0, 16, 7});
        CHECK_THROWS_AS(combine<float>(out, inputs), InvalidParameterError);
    }
}

TEST_CASE("overlap: a match may replace the exposure or the reference, and a sampled grid neither") {
    Pixels<float> reference(32, 32, 5.0F), science(32, 32, 1.0F);
    PairOptions options;
    options.binSize = 16;
    auto const match = [&](ImageView<float> const& matched) {
        (void)matchBackgrounds<float>(MaskedImageView<float const>(reference.view()),
                                      MaskedImageView<float const>(science.view()), matched, 0, 0, options);
    };
    match(science.view());
    CHECK(science(3, 3) == doctest::Approx(5.0F));
    match(reference.view());
    CHECK(reference(3, 3) == doctest::Approx(5.0F));
    // The exposure upside down is another plane in the same memory.
    CHECK_THROWS_AS(match(ImageView<float>(&science(0, 31), 32, 32, 1, -32)), InvalidParameterError);

    Pixels<double> x(33, 33), y(33, 33);
    SamplingMap const map{x.view(), y.view(), 1};
    CHECK_THROWS_AS(sample_nearest<float>(MaskedImageView<float const>(science.view()), map, 1.0, 0, science.view()),
                    InvalidParameterError);
}
