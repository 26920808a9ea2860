#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "evensky/background_mesh.hpp"
#include "evensky/errors.hpp"

using namespace evensky;

namespace {

// Boxes of 4 x 2 pixels side by side: 1, 2, ..., 8 in the first, and so on.
struct Image {
    std::vector<float> pixels;
    std::vector<MaskPixel> mask;
    std::ptrdiff_t boxes;

    explicit Image(std::ptrdiff_t boxes_) : boxes(boxes_) {
        auto const size = static_cast<std::size_t>(8 * boxes);
        pixels.resize(size);
        mask.assign(size, 0);
        for (std::ptrdiff_t y = 0; y < 2; ++y) {
            for (std::ptrdiff_t x = 0; x < 4 * boxes; ++x) {
                pixels[static_cast<std::size_t>(y * 4 * boxes + x)] =
                        static_cast<float>(1 + x % 4 + 4 * y + 100 * (x / 4));
            }
        }
    }
    [[nodiscard]] MaskedImageView<float const> view() const {
        return {{pixels.data(), 4 * boxes, 2}, {mask.data(), 4 * boxes, 2}};
    }
};

MeshOptions smallBoxes(LevelEstimator estimator) {
    MeshOptions options;
    options.width = 4;
    options.height = 2;
    options.estimator = estimator;
    options.bad = 1;
    return options;
}

}  // namespace

TEST_CASE("background_mesh: estimators of a few pixels") {
    Image const image(2);
    for (auto const estimator : {LevelEstimator::MEAN, LevelEstimator::MEDIAN, LevelEstimator::SEXTRACTOR,
                                 LevelEstimator::MMM, LevelEstimator::BIWEIGHT}) {
        BackgroundMesh const mesh(image.view(), 0, 0, smallBoxes(estimator));
        REQUIRE(mesh.level().width() == 2);
        CHECK(mesh.level()(0, 0) == doctest::Approx(4.5));
        CHECK(mesh.level()(1, 0) == doctest::Approx(104.5));
        CHECK(mesh.rms()(1, 0) == doctest::Approx(std::sqrt(5.25)));
        CHECK(mesh.number()(1, 0) == 8);
    }
}

TEST_CASE("background_mesh: boxes without good pixels are filled, and the origin shifts positions only") {
    Image image(3);
    for (std::size_t y = 0; y < 2; ++y) {
        for (std::size_t x = 4; x < 8; ++x) image.mask[12 * y + x] = 1;
    }
    BackgroundMesh mesh(image.view(), 10, 20, smallBoxes(LevelEstimator::MEAN));
    CHECK(std::isnan(mesh.level()(1, 0)));
    CHECK(mesh.fill(100.0) == 1);
    CHECK(mesh.level()(1, 0) == doctest::Approx(104.5));
    CHECK(std::isnan(mesh.error()(1, 0)));
    CHECK(mesh.getBinCentersX() == std::vector<double>{11.5, 15.5, 19.5});
    std::vector<double> out(24);
    mesh.getImage(ImageView<double>(out.data(), 12, 2), {10, 20, 12, 2}, Interpolate::LINEAR, REDUCE_INTERP_ORDER);
    CHECK(out[0] == out[12]);
    mesh.filter(1, 3, 200.0);
    CHECK(mesh.level()(0, 0) == doctest::Approx(4.5));
    CHECK(mesh.level()(2, 0) == doctest::Approx(154.5));
}

TEST_CASE("background_mesh: errors") {
    Image const image(1);
    auto options = smallBoxes(LevelEstimator::MEAN);
    auto const make = [&] { return BackgroundMesh(image.view(), 0, 0, options); };
    CHECK_THROWS_AS(make().fill(-1.0), InvalidParameterError);
    CHECK_THROWS_AS(make().filter(2, 1), InvalidParameterError);
    CHECK_THROWS_AS(make().filter(1, 1, std::numeric_limits<double>::quiet_NaN()), InvalidParameterError);
    options.estimator = static_cast<LevelEstimator>(9);
    CHECK_THROWS_AS(make(), InvalidParameterError);
    options = smallBoxes(LevelEstimator::MEAN);
    options.scatter = static_cast<ClipScatter>(7);
    CHECK_THROWS_AS(make(), InvalidParameterError);
    options = smallBoxes(LevelEstimator::MEAN);
    options.sigmaLow = 0.0;
    CHECK_THROWS_AS(make(), InvalidParameterError);
    options.sigmaLow = 1e-3;
    options.sigmaHigh = 1e-3;
    CHECK(make().number()(0, 0) == 0);
    CHECK_THROWS_AS(static_cast<void>(stringToLevelEstimator("MODE")), NotFoundError);
    CHECK(stringToScatterEstimator("MAD") == ScatterEstimator::MAD);
    CHECK(stringToEdgeMethod("PAD") == EdgeMethod::PAD);
}
