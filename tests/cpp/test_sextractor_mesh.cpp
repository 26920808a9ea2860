#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "evensky/background_mesh.hpp"
#include "evensky/errors.hpp"

using namespace evensky;

namespace {

constexpr double notANumber = std::numeric_limits<double>::quiet_NaN();

// An image of boxes of 4 x 2 pixels with one value each, and a mask.
struct Boxes {
    std::ptrdiff_t nx, ny;
    std::vector<float> pixels;
    std::vector<MaskPixel> mask;

    Boxes(std::ptrdiff_t nx_, std::vector<float> const& levels)
            : nx(nx_), ny(static_cast<std::ptrdiff_t>(levels.size()) / nx_) {
        for (std::ptrdiff_t y = 0; y < 2 * ny; ++y) {
            for (std::ptrdiff_t x = 0; x < 4 * nx; ++x) {
                pixels.push_back(levels[static_cast<std::size_t>(y / 2 * nx + x / 4)]);
            }
        }
        mask.assign(pixels.size(), 0);
    }
    void reject(std::ptrdiff_t i, std::ptrdiff_t j, std::ptrdiff_t number) {
        for (std::ptrdiff_t k = 0; k < number; ++k) {
            mask[static_cast<std::size_t>((2 * j + k / 4) * 4 * nx + 4 * i + k % 4)] = 1;
        }
    }
    [[nodiscard]] BackgroundMesh mesh(EdgeMethod edge = EdgeMethod::PAD) const {
        MeshOptions options;
        options.width = 4;
        options.height = 2;
        options.edge = edge;
        options.estimator = LevelEstimator::HISTOGRAM;
        options.bad = 1;
        return {MaskedImageView<float const>{{pixels.data(), 4 * nx, 2 * ny}, {mask.data(), 4 * nx, 2 * ny}}, 10, 20,
                options};
    }
};

}  // namespace

TEST_CASE("sextractor_mesh: the mode of a clipped histogram") {
    // Of the pixels 0, 1, ..., 999 and one far outlier, the mode is near the middle.
    std::vector<double> pixels;
    for (int i = 0; i < 1000; ++i) pixels.push_back(i);
    pixels.push_back(1e6);
    MeshOptions options;
    options.width = 1001;
    options.height = 1;
    options.estimator = LevelEstimator::HISTOGRAM;
    BackgroundMesh const mesh(MaskedImageView<double const>{{pixels.data(), 1001, 1}}, 0, 0, options);
    CHECK(mesh.level()(0, 0) == doctest::Approx(499.5).epsilon(0.01));
    CHECK(mesh.rms()(0, 0) == doctest::Approx(std::sqrt(1e6 / 12.0)).epsilon(0.01));
    CHECK(mesh.number()(0, 0) == 1000);
    CHECK(mesh.good()(0, 0) == 1001);
    options.rounds = 7;
    CHECK_THROWS_AS(BackgroundMesh(MaskedImageView<double const>{{pixels.data(), 1001, 1}}, 0, 0, options),
                    InvalidParameterError);
}

TEST_CASE("sextractor_mesh: boxes with few good pixels are replaced by the nearest ones") {
    Boxes boxes(3, {1, 2, 3, 4, 5, 6});
    boxes.reject(1, 0, 5);  // its neighbours are 1, 3 and 5
    boxes.reject(0, 1, 4);  // half of the pixels are enough
    auto mesh = boxes.mesh();
    CHECK(mesh.fillFromNearest(0.5) == 1);
    CHECK(mesh.level()(1, 0) == doctest::Approx(3.0));
    CHECK(std::isnan(mesh.error()(1, 0)));
    CHECK(mesh.level()(0, 1) == 4.0);
    for (std::ptrdiff_t i = 0; i < 3; ++i) {
        boxes.reject(i, 0, 8);
        boxes.reject(i, 1, 8);
    }
    auto none = boxes.mesh();
    CHECK(none.fillFromNearest(0.0) == 6);
    CHECK(std::isnan(none.level()(2, 1)));
    CHECK_THROWS_AS(none.fillFromNearest(notANumber), InvalidParameterError);
}

TEST_CASE("sextractor_mesh: windows of the filter shrink at the edges") {
    auto mesh = Boxes(3, {1, 9, 2, 7, 8, 3, 4, 5, 6}).mesh();
    auto lazy = mesh;
    mesh.filterCentred(3, 3);
    CHECK(mesh.level()(0, 0) == 1.0);
    CHECK(mesh.level()(1, 0) == 2.0);
    CHECK(mesh.level()(0, 1) == 4.0);
    CHECK(mesh.level()(1, 1) == 5.0);
    lazy.filterCentred(3, 3, 4.0);
    CHECK(lazy.level()(1, 0) == 2.0);
    CHECK(lazy.level()(0, 1) == 7.0);
    CHECK_THROWS_AS(lazy.filterCentred(2, 3), InvalidParameterError);
    Boxes gap(3, {1, 9, 2, 7, 8, 3, 4, 5, 6});
    gap.reject(0, 1, 8);
    auto holed = gap.mesh();
    holed.filterCentred(3, 3);
    CHECK(std::isnan(holed.level()(0, 1)));
    CHECK(holed.level()(1, 1) == 4.5);  // the median of 1, 9, 2, 8, 3, 4, 5, 6
    CHECK(holed.level()(2, 1) == 3.0);
    CHECK_THROWS_AS(lazy.filterCentred(3, 3, notANumber), InvalidParameterError);
}

TEST_CASE("sextractor_mesh: the bicubic spline") {
    // Two boxes each way: bilinear, centred half a pixel above the middle along y.
    auto const mesh = Boxes(2, {0, 4, 20, 24}).mesh();
    std::vector<double> out(32);
    mesh.getSplineImage(ImageView<double>(out.data(), 8, 4), {10, 20, 8, 4});
    for (std::ptrdiff_t y = 0; y < 4; ++y) {
        for (std::ptrdiff_t x = 0; x < 8; ++x) {
            double const wanted = static_cast<double>(x) - 1.5 + 10.0 * static_cast<double>(y) - 10.0;
            CHECK(out[static_cast<std::size_t>(8 * y + x)] == doctest::Approx(wanted));
        }
    }
    mesh.getSplineRmsImage(ImageView<double>(out.data(), 8, 4), {10, 20, 8, 4});
    CHECK(out[5] == 0.0);
    ImageView<double> const part(out.data(), 3, 2);
    CHECK_THROWS_AS(mesh.getSplineImage(part, {9, 20, 3, 2}), LengthError);
    CHECK_THROWS_AS(mesh.getSplineImage(part, {10, 20, 3, 1}), LengthError);
    CHECK_THROWS_AS(mesh.getSplineImage(ImageView<double>(nullptr, 3, 2), {10, 20, 3, 2}), InvalidParameterError);
    auto const spread = Boxes(2, {0, 4, 20, 24}).mesh(EdgeMethod::SPREAD);
    CHECK_THROWS_AS(spread.getSplineImage(part, {10, 20, 3, 2}), InvalidParameterError);
}

TEST_CASE("sextractor_mesh: boxes that are not whole are left out") {
    std::vector<float> const pixels(7 * 5, 3.0F);
    MeshOptions options;
    options.width = 3;
    options.height = 5;
    options.edge = stringToEdgeMethod("CROP");
    MaskedImageView<float const> const image{{pixels.data(), 7, 5}};
    BackgroundMesh const mesh(image, 0, 0, options);
    CHECK(mesh.level().width() == 2);
    CHECK(mesh.getBinCentersX() == std::vector<double>{1.0, 4.0});
    options.height = 6;
    CHECK_THROWS_AS(BackgroundMesh(image, 0, 0, options), InvalidParameterError);
}
