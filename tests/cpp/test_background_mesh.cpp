#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "evensky/background_mesh.hpp"
#include "evensky/errors.hpp"
#include "testing.hpp"

using namespace evensky;
using testing::Pixels;

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

// Return a mesh whose boxes are single pixels.
BackgroundMesh singlePixels(Pixels<float> const& image, Pixels<MaskPixel> const& mask) {
    MeshOptions options;
    options.width = options.height = 1;
    options.rounds = 0;
    options.bad = 1;
    return {MaskedImageView<float const>(image.view(), mask.view()), 0, 0, options, 1};
}

bool isSame(ImageView<double const> const& a, ImageView<double const> const& b) {
    for (std::ptrdiff_t y = 0; y < a.height(); ++y) {
        for (std::ptrdiff_t x = 0; x < a.width(); ++x) {
            if (a(x, y) != b(x, y) && !(std::isnan(a(x, y)) && std::isnan(b(x, y)))) return false;
        }
    }
    return true;
}

// Statistics of a box in the plainest way: all pixels are looked at in each round.
struct Plainly {
    std::vector<double> left;
    double mean = 0.0, stdev = 0.0, median = 0.0, deviation = 0.0;

    explicit Plainly(ImageView<float const> const& box) {
        std::vector<double> all;
        for (std::ptrdiff_t y = 0; y < box.height(); ++y) {
            for (std::ptrdiff_t x = 0; x < box.width(); ++x) all.push_back(static_cast<double>(box(x, y)));
        }
        double centre = quantile(all, 0.5);
        double scatter = 0.741301109252802 * (quantile(all, 0.75) - quantile(all, 0.25));
        for (int round = 0; round < 3; ++round) {
            left.clear();
            for (double const x : all) {
                if (x >= centre - 3.0 * scatter && x <= centre + 3.0 * scatter) left.push_back(x);
            }
            auto const n = static_cast<double>(left.size());
            mean = stdev = 0.0;
            for (double const x : left) mean += x / n;
            for (double const x : left) stdev += (x - mean) * (x - mean) / n;
            stdev = std::sqrt(stdev);
            centre = mean;
            scatter = stdev * std::sqrt(n / (n - 1.0));
        }
        median = quantile(left, 0.5);
        std::vector<double> distances;
        for (double const x : left) distances.push_back(std::abs(x - median));
        deviation = quantile(distances, 0.5);
    }
    [[nodiscard]] double level(LevelEstimator estimator) const {
        switch (estimator) {
            case LevelEstimator::MEAN: return mean;
            case LevelEstimator::MEDIAN: return median;
            case LevelEstimator::GROUPED_MODE:
            case LevelEstimator::MODE: {
                auto const n = static_cast<double>(left.size());
                double const error = stdev * std::sqrt((std::acos(-1.0) / 2.0 - 1.0) / (n - 1.0));
                if (mean - median <= 2.0 * error && mean - median >= -5.0 * error) return mean;
                [[fallthrough]];
            }
            case LevelEstimator::SEXTRACTOR:
                return std::abs(mean - median) > 0.3 * stdev ? median : 2.5 * median - 1.5 * mean;
            case LevelEstimator::MMM: return 3.0 * median - 2.0 * mean;
            case LevelEstimator::BIWEIGHT: break;
            case LevelEstimator::HISTOGRAM: return std::numeric_limits<double>::quiet_NaN();  // see sextractor_mesh
        }
        double first = 0.0, weight = 0.0;
        for (double const x : left) {
            double const u = (x - median) / (6.0 * deviation), v = std::max(1.0 - u * u, 0.0);
            first += (x - median) * v * v;
            weight += v * v;
        }
        return median + first / weight;
    }
    [[nodiscard]] double rms(ScatterEstimator estimator) const {
        if (estimator == ScatterEstimator::STDEV) return stdev;
        if (estimator == ScatterEstimator::MAD) return 1.482602218505602 * deviation;
        double second = 0.0, slope = 0.0;
        for (double const x : left) {
            double const u = (x - median) / (9.0 * deviation), v = std::max(1.0 - u * u, 0.0);
            second += (x - median) * (x - median) * v * v * v * v;
            slope += v * (1.0 - 5.0 * u * u);
        }
        return std::sqrt(static_cast<double>(left.size()) * second) / std::abs(slope);
    }

private:
    static double quantile(std::vector<double> values, double fraction) {
        std::sort(values.begin(), values.end());
        double const index = fraction * static_cast<double>(values.size() - 1);
        auto const low = static_cast<std::size_t>(index);
        double const part = index - static_cast<double>(low);
        return part == 0.0 ? values[low] : (1.0 - part) * values[low] + part * values[low + 1];
    }
};

// Return the mean of the ten good pixels nearest to a bad one, and of those as far as the tenth, weighted by the
// inverse of their distance.
double meanOfNearest(Pixels<float>& image, Pixels<MaskPixel>& mask, std::ptrdiff_t x0, std::ptrdiff_t y0) {
    std::vector<std::pair<std::ptrdiff_t, double>> all;
    for (std::ptrdiff_t y = 0; y < image.height; ++y) {
        for (std::ptrdiff_t x = 0; x < image.width; ++x) {
            if (mask(x, y) != 0) continue;
            all.emplace_back((x - x0) * (x - x0) + (y - y0) * (y - y0), static_cast<double>(image(x, y)));
        }
    }
    std::sort(all.begin(), all.end());
    double sum = 0.0, weights = 0.0;
    for (std::size_t k = 0; k < all.size() && (k < 10 || all[k].first == all[9].first); ++k) {
        sum += all[k].second / std::sqrt(static_cast<double>(all[k].first));
        weights += 1.0 / std::sqrt(static_cast<double>(all[k].first));
    }
    return sum / weights;
}

// Return the median of a window of pixels that are not NaN.
double medianAbout(ImageView<double const> const& image, std::ptrdiff_t x0, std::ptrdiff_t y0, std::ptrdiff_t width,
                   std::ptrdiff_t height) {
    std::vector<double> values;
    for (auto y = std::max<std::ptrdiff_t>(0, y0 - height / 2); y <= std::min(image.height() - 1, y0 + height / 2);
         ++y) {
        for (auto x = std::max<std::ptrdiff_t>(0, x0 - width / 2); x <= std::min(image.width() - 1, x0 + width / 2);
             ++x) {
            if (!std::isnan(image(x, y))) values.push_back(image(x, y));
        }
    }
    if (values.empty()) return testing::nan;
    std::sort(values.begin(), values.end());
    auto const n = values.size();
    return n % 2 == 1 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

}  // namespace

TEST_CASE("background_mesh: pixels with a bad bit, NaN and infinite ones do not count; the others do") {
    Image image(1);
    image.mask[0] = 1;
    image.mask[1] = 2;
    image.pixels[2] = std::nanf("");
    image.pixels[3] = std::numeric_limits<float>::infinity();
    auto const options = smallBoxes(LevelEstimator::MEDIAN);
    BackgroundMesh const mesh(image.view(), 0, 0, options);
    CHECK(mesh.number()(0, 0) == 5);
    CHECK(mesh.level()(0, 0) == 6.0);
    image.mask.assign(8, 3);
    BackgroundMesh empty(image.view(), 0, 0, options);
    CHECK(empty.number()(0, 0) == 0);
    for (auto const& plane : {empty.level(), empty.error(), empty.rms()}) CHECK(std::isnan(plane(0, 0)));
    CHECK(empty.fill(100.0) == 0);
}

TEST_CASE("background_mesh: estimators agree with plain computations in boxes of any size") {
    // Boxes of fewer than 1024 pixels are computed side by side, larger ones from a sample and a scan.
    for (std::ptrdiff_t const side : {3, 12, 31, 40, 130}) {
        for (double const contamination : {0.0, 0.03, 0.2}) {
            CAPTURE(side);
            CAPTURE(contamination);
            auto image = testing::noise(3 * side, side, 100.0, 5.0);
            std::mt19937 random(3);
            std::exponential_distribution<double> light(0.01);
            std::bernoulli_distribution hit(contamination);
            for (auto& value : image.values) value += hit(random) ? static_cast<float>(light(random)) : 0.0F;
            for (int const choice : {0, 1, 2, 3, 4, 5, 6, 7}) {
                MeshOptions options;
                options.width = options.height = side;
                bool const isMode = choice == 7;
                options.estimator = isMode ? LevelEstimator::MODE : static_cast<LevelEstimator>(std::min(choice, 4));
                options.rmsEstimator = static_cast<ScatterEstimator>(isMode ? 0 : std::max(choice - 4, 0));
                BackgroundMesh const mesh(MaskedImageView<float const>(image.view()), 0, 0, options, 1);
                for (std::ptrdiff_t box = 0; box < 3; ++box) {
                    Plainly const want(image.view().subview({box * side, 0, side, side}));
                    CHECK(mesh.number()(box, 0) == static_cast<std::int64_t>(want.left.size()));
                    double const level = want.level(options.estimator), rms = want.rms(options.rmsEstimator);
                    CHECK(mesh.level()(box, 0) == doctest::Approx(level).epsilon(1e-12));
                    CHECK(mesh.rms()(box, 0) == doctest::Approx(rms).epsilon(1e-11));
                }
            }
        }
    }
}

TEST_CASE("background_mesh: the grouped mode of whole numbers is that of the numbers before they were rounded") {
    // Gaussian noise of s counts; boxes of 1024 pixels and more are scanned, others are listed.
    for (std::ptrdiff_t const side : {24, 64}) {
        for (double const s : {1.5, 3.0, 8.0, 25.0}) {
            for (double const fraction : {0.0, 0.3, 0.5, 0.8}) {
                CAPTURE(side);
                CAPTURE(s);
                CAPTURE(fraction);
                auto image = testing::noise(12 * side, 12 * side, 100.0 + fraction, s);
                auto rounded = image;
                for (auto& value : rounded.values) value = std::nearbyint(value);
                MeshOptions options;
                options.width = options.height = side;
                auto const meanOf = [&](Pixels<float> const& pixels, LevelEstimator estimator) {
                    options.estimator = estimator;
                    BackgroundMesh const mesh(MaskedImageView<float const>(pixels.view()), 0, 0, options, 1);
                    double sum = 0.0;
                    for (std::ptrdiff_t y = 0; y < 12; ++y) {
                        for (std::ptrdiff_t x = 0; x < 12; ++x) sum += mesh.level()(x, y) / 144.0;
                    }
                    return sum;
                };
                double const error = 2.5 * s / static_cast<double>(12 * side);
                CHECK(std::abs(meanOf(rounded, LevelEstimator::GROUPED_MODE) - 100.0 - fraction) < 4.0 * error);
                // Where all pixels differ, the median is hardly moved.
                CHECK(std::abs(meanOf(image, LevelEstimator::GROUPED_MODE) - meanOf(image, LevelEstimator::MODE)) <
                      0.3 * error);
            }
        }
    }
    // Boxes of few pixels are the same side by side and, with sides of the window that differ by nothing, one by one.
    for (auto const scatter : {ScatterEstimator::STDEV, ScatterEstimator::MAD, ScatterEstimator::BIWEIGHT}) {
        for (std::ptrdiff_t const side : {2, 7, 16, 31}) {
            CAPTURE(side);
            auto image = testing::noise(155, 93, 100.3, 4.0, 8);
            auto const mask = testing::speckles(155, 93, 0.1, 1, 9);
            for (auto& value : image.values) value = std::nearbyint(value);
            MeshOptions options;
            options.width = options.height = side;
            options.estimator = LevelEstimator::GROUPED_MODE;
            options.rmsEstimator = scatter;
            options.bad = 1;
            MaskedImageView<float const> const planes(image.view(), mask.view());
            BackgroundMesh const together(planes, 0, 0, options, 1);
            options.sigmaHigh = std::nextafter(options.sigmaLow, 4.0);
            BackgroundMesh const apart(planes, 0, 0, options, 1);
            for (std::ptrdiff_t y = 0; y < together.level().height(); ++y) {
                for (std::ptrdiff_t x = 0; x < together.level().width(); ++x) {
                    CHECK(together.number()(x, y) == apart.number()(x, y));
                    if (together.number()(x, y) == 0) continue;
                    CHECK(together.level()(x, y) == doctest::Approx(apart.level()(x, y)).epsilon(1e-12));
                    CHECK(together.rms()(x, y) == doctest::Approx(apart.rms()(x, y)).epsilon(1e-9));
                }
            }
        }
    }
    // Four pixels of 1, four of 2, two of 4: 1.5 + (5 - 4) / 4 (3 - 1.5) = 1.875; the mean is 2, s is 1.095.
    Pixels<float> few(10, 1);
    few.values = {1, 1, 1, 1, 2, 2, 2, 2, 4, 4};
    MeshOptions options;
    options.width = 10;
    options.height = 1;
    options.rounds = 0;
    options.estimator = LevelEstimator::GROUPED_MODE;
    auto const levelOf = [&] {
        return BackgroundMesh(MaskedImageView<float const>(few.view()), 0, 0, options, 1).level()(0, 0);
    };
    CHECK(levelOf() == 2.0);  // not skewed by its errors
    // Of many such pixels it is skewed: 2.5 x 1.875 - 1.5 x 2.
    Pixels<float> many(1000, 1);
    for (std::size_t i = 0; i < 1000; ++i) many.values[i] = few.values[i % 10];
    few = many;
    options.width = 1000;
    CHECK(levelOf() == doctest::Approx(1.6875).epsilon(1e-12));
}

TEST_CASE("background_mesh: equal pixels have no scatter, and an infinite window rejects nothing") {
    for (std::ptrdiff_t const side : {5, 20, 100}) {
        Pixels<float> image(side, side, 0.1F);
        for (auto const estimator : {LevelEstimator::MEAN, LevelEstimator::MEDIAN, LevelEstimator::SEXTRACTOR,
                                     LevelEstimator::MMM, LevelEstimator::BIWEIGHT}) {
            for (double const sigma : {3.0, testing::infinity}) {
                auto options = smallBoxes(estimator);
                options.width = options.height = side;
                options.sigmaLow = options.sigmaHigh = sigma;
                BackgroundMesh const mesh(MaskedImageView<float const>(image.view()), 0, 0, options);
                CHECK(mesh.level()(0, 0) == static_cast<double>(0.1F));
                CHECK(mesh.rms()(0, 0) == 0.0);
                CHECK(mesh.number()(0, 0) == side * side);
                BackgroundControl const control(1, 1, StatisticsControl(sigma, 3, 0), MEANCLIP);
                Background const background(MaskedImageView<float const>(image.view()), 0, 0, control);
                CHECK(background.statsImage().image(0, 0) == 0.1F);
            }
        }
    }
}

TEST_CASE("background_mesh: results do not depend on the number of threads") {
    auto const image = testing::noise(300, 200, 100.0, 5.0);
    auto const mask = testing::speckles(300, 200, 0.2, 1);
    MaskedImageView<float const> const view(image.view(), mask.view());
    for (auto const estimator : {LevelEstimator::SEXTRACTOR, LevelEstimator::BIWEIGHT}) {
        auto options = smallBoxes(estimator);
        options.width = options.height = 50;
        options.rmsEstimator = ScatterEstimator::MAD;
        BackgroundMesh one(view, 0, 0, options, 1), three(view, 0, 0, options, 3);
        for (auto* const mesh : {&one, &three}) {
            auto const threads = mesh == &one ? 1 : 3;
            mesh->fill(20.5, threads);
            mesh->filter(3, 3, std::nullopt, threads);
        }
        CHECK(isSame(one.level(), three.level()));
        CHECK(isSame(one.error(), three.error()));
        CHECK(isSame(one.rms(), three.rms()));
    }
}

TEST_CASE("background_mesh: bad boxes are filled from the nearest ones") {
    for (auto const& size : {std::pair<std::ptrdiff_t, std::ptrdiff_t>{13, 9}, {1, 40}, {40, 1}}) {
        for (double const fraction : {0.1, 0.9}) {
            auto image = testing::noise(size.first, size.second, 100.0, 5.0);
            auto mask = testing::speckles(size.first, size.second, fraction, 1);
            mask(0, 0) = 0;
            auto mesh = singlePixels(image, mask);
            CHECK(mesh.fill(100.0, 2) == std::count(mask.values.begin(), mask.values.end(), 1));
            for (std::ptrdiff_t y = 0; y < image.height; ++y) {
                for (std::ptrdiff_t x = 0; x < image.width; ++x) {
                    auto const want =
                            mask(x, y) == 0 ? static_cast<double>(image(x, y)) : meanOfNearest(image, mask, x, y);
                    CHECK(mesh.level()(x, y) == doctest::Approx(want).epsilon(1e-14));
                }
            }
        }
    }
    // This takes a minute if the search looks at places outside the mesh.
    Pixels<float> row(3000, 1, 1.0F);
    Pixels<MaskPixel> mask(3000, 1, 1);
    mask(0, 0) = mask(2999, 0) = 0;
    row(0, 0) = 4.0F;
    auto mesh = singlePixels(row, mask);
    CHECK(mesh.fill(100.0, 1) == 2998);
    CHECK(mesh.level()(1000, 0) == doctest::Approx((4.0 / 1000 + 1.0 / 1999) / (1.0 / 1000 + 1.0 / 1999)));
}

TEST_CASE("background_mesh: the filter takes medians of windows of any size") {
    auto const image = testing::noise(40, 30, 100.0, 5.0);
    auto const mask = testing::speckles(40, 30, 0.3, 1);
    auto const before = singlePixels(image, mask);
    for (auto const& size : {std::pair<std::ptrdiff_t, std::ptrdiff_t>{3, 3}, {5, 11}, {29, 1}, {1, 81}, {201, 201}}) {
        for (auto const& threshold : {std::optional<double>(), std::optional(102.0)}) {
            auto mesh = singlePixels(image, mask);
            mesh.filter(size.second, size.first, threshold, 2);
            bool same = true;
            for (std::ptrdiff_t y = 0; y < 30; ++y) {
                for (std::ptrdiff_t x = 0; x < 40; ++x) {
                    double const level = before.level()(x, y);
                    bool const filtered = !threshold || level > *threshold;
                    double const want = filtered ? medianAbout(before.level(), x, y, size.first, size.second) : level;
                    double const got = mesh.level()(x, y);
                    same = same && (got == want || (std::isnan(got) && std::isnan(want)));
                }
            }
            CHECK(same);
        }
    }
}

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

TEST_CASE("background_mesh: the error of a single pixel is not known, and that of mostly equal ones is a median's") {
    Pixels<float> image(1, 1, 5.0F);
    for (auto const estimator : {LevelEstimator::MEAN, LevelEstimator::MEDIAN, LevelEstimator::MODE,
                                 LevelEstimator::SEXTRACTOR, LevelEstimator::MMM, LevelEstimator::BIWEIGHT}) {
        BackgroundMesh const mesh(MaskedImageView<float const>(image.view()), 0, 0, smallBoxes(estimator));
        CHECK(mesh.level()(0, 0) == 5.0);
        CHECK(std::isnan(mesh.error()(0, 0)));
    }
    auto options = smallBoxes(LevelEstimator::BIWEIGHT);
    options.rounds = 0;
    Pixels<float> equal(4, 2, 5.0F);
    equal.values[0] = 6.0F;
    BackgroundMesh const mesh(MaskedImageView<float const>(equal.view()), 0, 0, options);
    CHECK(mesh.level()(0, 0) == 5.0);
    // The variance of one 1 and seven 0 is 1/8.
    CHECK(mesh.error()(0, 0) == doctest::Approx(std::sqrt(std::acos(-1.0) / 2.0 / 8.0 / 8.0)));
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

TEST_CASE("background_mesh: a box has the same bits beside any others") {
    constexpr std::ptrdiff_t side = 28, number = 16;
    std::mt19937 random(1);
    std::normal_distribution<float> noise(100.1F, 5.0F);
    std::uniform_real_distribution<float> uniform(0.0F, 1.0F);
    for (int trial = 0; trial < 10; ++trial) {
        std::vector<float> pixels(static_cast<std::size_t>(side * side * number));
        for (std::ptrdiff_t y = 0; y < side; ++y) {
            for (std::ptrdiff_t x = 0; x < side * number; ++x) {
                auto const box = x / side;
                float value = noise(random);
                if (uniform(random) < 0.08F * static_cast<float>(box % 4)) value += 300.0F * uniform(random);
                // Every second box has lost more than half of its pixels.
                if (box % 2 != 0 && uniform(random) < 0.6F) value = std::numeric_limits<float>::quiet_NaN();
                pixels[static_cast<std::size_t>(y * side * number + x)] = value;
            }
        }
        for (auto const estimator : {LevelEstimator::MEAN, LevelEstimator::MEDIAN, LevelEstimator::SEXTRACTOR}) {
            MeshOptions options;
            options.width = options.height = side;
            options.estimator = estimator;
            options.rounds = 3 + 20 * (trial % 3);
            ImageView<float const> const image(pixels.data(), side * number, side);
            BackgroundMesh const all(MaskedImageView<float const>{image}, 0, 0, options, 1);
            for (std::ptrdiff_t i = 0; i < number; ++i) {
                auto const part = image.subview({i * side, 0, side, side});
                BackgroundMesh const alone(MaskedImageView<float const>{part}, 0, 0, options, 1);
                CHECK(all.level()(i, 0) == alone.level()(0, 0));
                CHECK(all.error()(i, 0) == alone.error()(0, 0));
                CHECK(all.rms()(i, 0) == alone.rms()(0, 0));
                CHECK(all.number()(i, 0) == alone.number()(0, 0));
            }
        }
    }
}

TEST_CASE("background_mesh: values of boxes") {
    Image const image(3);
    auto const options = smallBoxes(LevelEstimator::MEDIAN);
    BackgroundMesh const mesh(image.view(), 10, 20, options);
    BackgroundMesh const again(mesh.getImageBBox(), options, mesh.level(), mesh.error(), mesh.rms(), mesh.number());
    CHECK(again.getBinCentersX() == mesh.getBinCentersX());
    for (std::ptrdiff_t i = 0; i < 3; ++i) {
        CHECK(again.level()(i, 0) == mesh.level()(i, 0));
        CHECK(again.error()(i, 0) == mesh.error()(i, 0));
        CHECK(again.rms()(i, 0) == mesh.rms()(i, 0));
        CHECK(again.number()(i, 0) == mesh.number()(i, 0));
        CHECK(again.good()(i, 0) == mesh.number()(i, 0));
    }
    auto filled = again;
    CHECK_NOTHROW(filled.fillFromNearest(0.0));
    // Scatters that are not known are left out of windows of any size.
    std::vector<double> const levels(100, 1.0);
    std::vector<double> scatters(100, 2.0);
    scatters[44] = std::numeric_limits<double>::quiet_NaN();
    std::vector<std::int64_t> const numbers(100, 8);
    ImageView<double const> const plane(levels.data(), 10, 10);
    for (std::int64_t const size : {3, 9}) {
        BackgroundMesh some({0, 0, 40, 20}, options, plane, plane, {scatters.data(), 10, 10}, {numbers.data(), 10, 10});
        some.filter(size, size);
        for (std::ptrdiff_t i = 0; i < 10; ++i) CHECK(some.rms()(i, 4) == 2.0);
    }
    auto const make = [&](Box const& bbox) {
        return BackgroundMesh(bbox, options, mesh.level(), mesh.error(), mesh.rms(), mesh.number());
    };
    CHECK_THROWS_AS(make({10, 20, 16, 2}), LengthError);
    CHECK_THROWS_AS(make({10, 20, 0, 2}), InvalidParameterError);
}

TEST_CASE("background_mesh: errors") {
    Image const image(1);
    auto options = smallBoxes(LevelEstimator::MEAN);
    auto const make = [&] { return BackgroundMesh(image.view(), 0, 0, options); };
    CHECK_THROWS_AS(make().fill(-1.0), InvalidParameterError);
    auto const evaluate = [&](ImageView<float> const& out, Box const& box) {
        make().getImage(out, box, Interpolate::CONSTANT, THROW_EXCEPTION);
    };
    std::vector<float> out(8);
    evaluate({out.data(), 4, 2}, {0, 0, 4, 2});
    CHECK_THROWS_AS(evaluate({out.data(), 4, 2}, {1, 0, 4, 2}), LengthError);
    CHECK_THROWS_AS(evaluate({out.data(), 4, 1}, {0, 0, 4, 2}), LengthError);
    CHECK_THROWS_AS(evaluate({nullptr, 4, 2}, {0, 0, 4, 2}), InvalidParameterError);
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
    CHECK_THROWS_AS(static_cast<void>(stringToLevelEstimator("SKEW")), NotFoundError);
    CHECK(stringToScatterEstimator("MAD") == ScatterEstimator::MAD);
    CHECK(stringToEdgeMethod("PAD") == EdgeMethod::PAD);
}
