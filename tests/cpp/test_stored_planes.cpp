#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "evensky/errors.hpp"
#include "evensky/statistics.hpp"
#include "evensky/stored_planes.hpp"
#include "testing.hpp"

using namespace evensky;
using testing::Pixels;

namespace {

constexpr std::ptrdiff_t width = 53, height = 7;

// Return pixels with their bytes in the opposite order.
template <typename T>
std::vector<T> swapped(Pixels<T> const& pixels) {
    std::vector<T> result(pixels.values);
    for (auto& value : result) {
        auto const bits = __builtin_bswap32(std::bit_cast<std::uint32_t>(value));
        std::memcpy(&value, &bits, sizeof bits);
    }
    return result;
}

template <typename T>
StoredPlane planeOf(std::vector<T> const& stored) {
    return {stored.data(),      width, height, sizeof(T), width * static_cast<std::ptrdiff_t>(sizeof(T)),
            pixelFormatOf<T>(), true};
}

}  // namespace

TEST_CASE("stored_planes: pixels and masks of a file are copied, to any strides") {
    auto pixels = testing::noise(width, height, 100.0, 1.0, 3);
    auto mask = testing::speckles(width, height, 0.3, 6, 4);
    auto const filePixels = swapped(pixels);
    auto const fileMask = swapped(mask);
    for (std::ptrdiff_t step : {1, 2}) {
        std::vector<float> copied(static_cast<std::size_t>(step * width * height));
        std::vector<MaskPixel> bits(copied.size());
        ImageView<float> const out(copied.data(), width, height, step, step * width);
        copy_pixels(planeOf(filePixels), out);
        CHECK(copy_masks(planeOf(fileMask), {bits.data(), width, height, step, step * width}) == 6);
        for (std::ptrdiff_t y = 0; y < height; ++y) {
            for (std::ptrdiff_t x = 0; x < width; ++x) {
                CHECK(out(x, y) == pixels(x, y));
                CHECK(bits[static_cast<std::size_t>(step * (y * width + x))] == mask(x, y));
            }
        }
    }
}

TEST_CASE("stored_planes: pixels with a bad bit become NaN, and no others") {
    auto mask = testing::speckles(width, height, 0.3, 5, 4);
    auto const fileMask = swapped(mask);
    auto const check = [&]<typename T>(T) {
        for (std::ptrdiff_t step : {1, 2}) {
            std::vector<T> pixels(static_cast<std::size_t>(step * width * height), T{7});
            ImageView<T> const image(pixels.data(), width, height, step, step * width);
            mark_bad<T>(image, planeOf(fileMask), 8);
            CHECK(std::count(pixels.begin(), pixels.end(), T{7}) == step * width * height);
            mark_bad<T>(image, planeOf(fileMask), 4);
            for (std::ptrdiff_t y = 0; y < height; ++y) {
                for (std::ptrdiff_t x = 0; x < width; ++x) CHECK(std::isnan(image(x, y)) == (mask(x, y) != 0));
            }
        }
    };
    check(float{});
    check(double{});
}

TEST_CASE("stored_planes: masks of one byte reject what those of int32 do, and pixels of one byte are numbers") {
    auto const mask = testing::speckles(width, height, 0.3, 5, 4);
    std::vector<std::uint8_t> small(mask.values.begin(), mask.values.end());
    // Their bytes cannot be swapped.
    for (bool const swapped : {false, true}) {
        StoredPlane const bytes(small.data(), width, height, 1, width, PixelFormat::UINT8, swapped);
        auto const image = testing::noise(width, height, 100.0, 1.0, 3);
        StatisticsControl sctrl;
        for (MaskPixel const bad : {4, 8}) {
            auto marked = image, expected = image;
            mark_bad<float>(marked.view(), bytes, bad);
            mark_bad<float>(expected.view(), StoredPlane(mask.view()), bad);
            CHECK(std::memcmp(marked.values.data(), expected.values.data(), sizeof(float) * small.size()) == 0);
            sctrl.setAndMask(bad);
            auto const found = makeStatistics({StoredPlane(image.view()), bytes}, {}, MEAN | NPOINT, sctrl);
            auto const want = makeStatistics<float>({image.view(), mask.view()}, MEAN | NPOINT, sctrl);
            CHECK(found.getValue(MEAN) == want.getValue(MEAN));
            CHECK(found.getValue(NPOINT) == want.getValue(NPOINT));
            CHECK(found.getOrMask() == want.getOrMask());
        }
        CHECK(makeStatistics(bytes, {}, MAX).getValue() == 5.0);
    }
}

TEST_CASE("stored_planes: the range of positive finite values") {
    auto values = testing::noise(width, height, 100.0, 1.0, 3);
    values(5, 0) = 0.25F;
    values(52, 6) = 1e20F;
    auto found = positive_range(planeOf(swapped(values)));
    CHECK(found.count == width * height);
    CHECK(found.least == 0.25F);
    CHECK(found.greatest == 1e20F);
    values(0, 0) = std::numeric_limits<float>::quiet_NaN();
    values(1, 3) = 0.0F;
    values(2, 3) = -3.0F;
    values(52, 5) = std::numeric_limits<float>::infinity();
    values(5, 0) = std::numeric_limits<float>::denorm_min();
    found = positive_range(planeOf(swapped(values)));
    CHECK(found.count == width * height - 4);
    CHECK(found.least == std::numeric_limits<float>::denorm_min());
    CHECK(found.greatest == 1e20F);
}

TEST_CASE("stored_planes: what cannot be copied is refused") {
    std::vector<double> const doubles(static_cast<std::size_t>(width * height));
    std::vector<float> floats(doubles.size());
    std::vector<MaskPixel> bits(doubles.size());
    ImageView<float> const out(floats.data(), width, height), small(floats.data(), width, height - 1);
    ImageView<MaskPixel> const mask(bits.data(), width, height);
    CHECK_THROWS_AS(copy_pixels(planeOf(doubles), out), InvalidParameterError);
    CHECK_THROWS_AS(copy_pixels(planeOf(floats), small), LengthError);
    CHECK_THROWS_AS(copy_pixels({}, out), InvalidParameterError);
    CHECK_THROWS_AS((void)copy_masks(planeOf(floats), mask), InvalidParameterError);
    CHECK_THROWS_AS(mark_bad<float>(out, planeOf(doubles), 1), InvalidParameterError);
    CHECK_THROWS_AS(mark_bad<float>(small, planeOf(bits), 1), LengthError);
    CHECK_THROWS_AS((void)positive_range(planeOf(doubles)), InvalidParameterError);
}
