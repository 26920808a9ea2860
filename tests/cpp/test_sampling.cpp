#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "evensky/errors.hpp"
#include "evensky/sampling.hpp"
#include "testing.hpp"

using namespace evensky;
using testing::holds;
using testing::messageOf;
using testing::Pixels;

namespace {

constexpr std::ptrdiff_t width = 260, height = 190;

// An image, a grid of the same size that is turned by an angle about the middle, and the nearest pixels.
struct Turned {
    Pixels<float> image = testing::noise(width, height, 100.0, 5.0, 3);
    Pixels<MaskPixel> mask = testing::speckles(width, height, 0.05, 6, 4);
    Pixels<double> x, y;
    Pixels<float> out{width, height, -1.0F};
    std::int64_t step;
    double scale = 1.0;

    explicit Turned(double degrees, std::int64_t step_ = 32)
            : x((width + step_ - 1) / step_ + 1, (height + step_ - 1) / step_ + 1), y(x.width, x.height), step(step_) {
        double const angle = degrees / 180.0 * 3.14159265358979;
        for (std::ptrdiff_t j = 0; j < x.height; ++j) {
            for (std::ptrdiff_t i = 0; i < x.width; ++i) {
                auto const dx = static_cast<double>(i * step - width / 2);
                auto const dy = static_cast<double>(j * step - height / 2);
                x(i, j) = width / 2 + std::cos(angle) * dx - std::sin(angle) * dy;
                y(i, j) = height / 2 + std::sin(angle) * dx + std::cos(angle) * dy;
            }
        }
    }
    [[nodiscard]] SamplingMap map() const { return {x.view(), y.view(), step}; }
    void sample(int num_threads = 1) {
        sample_nearest<float>({image.view(), mask.view(), {}}, map(), scale, 2, out.view(), 0, 0, num_threads);
    }
};

bool sameBits(Pixels<float> const& one, Pixels<float> const& other) {
    return one.values.size() == other.values.size() &&
           std::memcmp(one.values.data(), other.values.data(), one.values.size() * sizeof(float)) == 0;
}

}  // namespace

TEST_CASE("sampling: a map onto itself copies the good pixels, and a shifted one moves them") {
    Turned still(0.0);
    still.image(7, 9) = std::numeric_limits<float>::infinity();
    still.sample();
    for (std::ptrdiff_t y = 0; y < height; ++y) {
        for (std::ptrdiff_t x = 0; x < width; ++x) {
            bool const good = still.mask(x, y) == 0 && std::isfinite(still.image(x, y));
            REQUIRE((good ? still.out(x, y) == still.image(x, y) : std::isnan(still.out(x, y))));
        }
    }
    for (auto& value : still.x.values) value += 30.5;  // a half is rounded up
    for (auto& value : still.y.values) value -= 20.4;
    still.scale = 2.0;
    still.sample();
    for (std::ptrdiff_t y = 0; y < height; ++y) {
        for (std::ptrdiff_t x = 0; x < width; ++x) {
            auto const u = x + 31, v = y - 20;
            bool const good = u < width && v >= 0 && still.mask(u, v) == 0 && std::isfinite(still.image(u, v));
            REQUIRE((good ? still.out(x, y) == 2.0F * still.image(u, v) : std::isnan(still.out(x, y))));
        }
    }
}

TEST_CASE("sampling: a turned grid receives the nearest pixels") {
    for (double const degrees : {30.0, 90.0, 155.0, 270.0}) {
        for (std::int64_t const step : {1, 32, 100, 400}) {
            Turned turned(degrees, step);
            turned.sample();
            double const angle = degrees / 180.0 * 3.14159265358979;
            std::ptrdiff_t inside = 0;
            for (std::ptrdiff_t y = 0; y < height; ++y) {
                for (std::ptrdiff_t x = 0; x < width; ++x) {
                    auto const dx = static_cast<double>(x - width / 2), dy = static_cast<double>(y - height / 2);
                    auto const atX = width / 2 + std::cos(angle) * dx - std::sin(angle) * dy + 0.5;
                    auto const atY = height / 2 + std::sin(angle) * dx + std::cos(angle) * dy + 0.5;
                    // Where the nearest pixel is unclear, it depends on rounding.
                    if (std::abs(atX - std::round(atX)) < 1e-9 || std::abs(atY - std::round(atY)) < 1e-9) continue;
                    if (atX < 0.0 || atY < 0.0 || atX >= width || atY >= height) {
                        REQUIRE(std::isnan(turned.out(x, y)));
                        continue;
                    }
                    auto const u = static_cast<std::ptrdiff_t>(atX), v = static_cast<std::ptrdiff_t>(atY);
                    bool const bad = turned.mask(u, v) != 0;
                    REQUIRE((bad ? std::isnan(turned.out(x, y)) : turned.out(x, y) == turned.image(u, v)));
                    ++inside;
                }
            }
            CHECK(inside > width * height / 2);
        }
    }
}

TEST_CASE("sampling: parts, threads and strides do not change the result") {
    Turned turned(30.0);
    turned.sample();
    auto const whole = turned.out;
    turned.out = {width, height, -1.0F};
    turned.sample(4);
    CHECK(sameBits(turned.out, whole));
    turned.out = {width, height, -1.0F};
    for (std::ptrdiff_t row = 0; row < height; row += 37) {
        auto const rows = std::min<std::ptrdiff_t>(37, height - row);
        for (std::ptrdiff_t column = 0; column < width; column += 101) {
            auto const columns = std::min<std::ptrdiff_t>(101, width - column);
            sample_nearest<float>({turned.image.view(), turned.mask.view(), {}}, turned.map(), 1.0, 2,
                                  turned.out.view().subview({column, row, columns, rows}), column, row, 1);
        }
    }
    CHECK(sameBits(turned.out, whole));
    // The image, the mask and the output by columns.
    Pixels<float> image(height, width), out(height, width);
    Pixels<MaskPixel> mask(height, width);
    for (std::ptrdiff_t y = 0; y < height; ++y) {
        for (std::ptrdiff_t x = 0; x < width; ++x) {
            image(y, x) = turned.image(x, y);
            mask(y, x) = turned.mask(x, y);
        }
    }
    ImageView<float> const byColumns(out.values.data(), width, height, height, 1);
    sample_nearest<float>(
            {{image.values.data(), width, height, height, 1}, {mask.values.data(), width, height, height, 1}},
            turned.map(), 1.0, 2, byColumns);
    for (std::ptrdiff_t y = 0; y < height; ++y) {
        for (std::ptrdiff_t x = 0; x < width; ++x) turned.out(x, y) = byColumns(x, y);
    }
    CHECK(sameBits(turned.out, whole));
}

TEST_CASE("sampling: a block with a node that is not finite is NaN") {
    for (double const value : {testing::nan, testing::infinity, -testing::infinity}) {
        Turned turned(0.0);
        turned.mask.values.assign(turned.mask.values.size(), 0);
        turned.y(3, 2) = value;
        turned.sample();
        for (std::ptrdiff_t y = 0; y < height; ++y) {
            for (std::ptrdiff_t x = 0; x < width; ++x) {
                bool const unknown = x >= 64 && x < 128 && y >= 32 && y < 96;
                REQUIRE(std::isnan(turned.out(x, y)) == unknown);
            }
        }
    }
    // Nodes far outside of any image are not an error.
    Turned far(0.0);
    for (auto& value : far.x.values) value = 1e300;
    far.sample();
    for (auto const value : far.out.values) REQUIRE(std::isnan(value));
}

TEST_CASE("sampling: pixels beyond the range of float32 are bad") {
    Pixels<double> const image(4, 1, {1e39, -1e39, 3.4e38, 5.0}), x(1, 1), y(1, 1);
    Pixels<double> const columns(4, 1, {0.0, 1.0, 2.0, 3.0}), rows(4, 1, {0.0, 0.0, 0.0, 0.0});
    Pixels<double> out(4, 1);
    sample_nearest<double>({image.view(), {}, {}}, {columns.view(), rows.view(), 1}, 1.0, 0, out.view());
    CHECK(std::isnan(out(0, 0)));
    CHECK(std::isnan(out(1, 0)));
    CHECK(out(2, 0) == 3.4e38);
    CHECK(out(3, 0) == 5.0);
    sample_nearest<double>({image.view(), {}, {}}, {columns.view(), rows.view(), 1}, 2.0, 0, out.view());
    CHECK(std::isnan(out(2, 0)));
    CHECK(out(3, 0) == 10.0);
    // One node is enough for one pixel.
    Pixels<double> one(1, 1);
    sample_nearest<double>({image.view().subview({3, 0, 1, 1}), {}, {}}, {x.view(), y.view(), 64}, 1.0, 0, one.view());
    CHECK(one(0, 0) == 5.0);
}

TEST_CASE("sampling: error messages hold the offending value") {
    Turned turned(0.0);
    auto const said = [&](SamplingMap const& map, double scale = 1.0, std::int64_t column = 0, std::int64_t row = 0) {
        return messageOf<InvalidParameterError>([&] {
            sample_nearest<float>({turned.image.view(), {}, {}}, map, scale, 0, turned.out.view(), column, row, 1);
        });
    };
    auto map = turned.map();
    CHECK(holds(said(map, 1.0, 30), "260 columns from column 30 of the grid on"));
    CHECK(said(map, 1.0, 29).empty());
    CHECK(holds(said(map, 1.0, -1), "from column -1"));
    CHECK(holds(said(map, 1.0, std::numeric_limits<std::int64_t>::max()), "from column 9223372036854775807"));
    CHECK(holds(said(map, 1.0, 0, 4), "190 rows from row 4"));
    CHECK(holds(said(map, 0.0), "scale = 0"));
    CHECK(holds(said(map, testing::nan), "scale = nan"));
    CHECK(holds(said(map, testing::infinity), "scale = inf"));
    map.step = 0;
    CHECK(holds(said(map), "step = 0; it must be from 1 to 1073741824"));
    map.step = std::int64_t{1} << 40;
    CHECK(holds(said(map), "step = 1099511627776"));
    map = turned.map();
    map.y = {};
    CHECK(holds(said(map), "without memory"));
    map.y = turned.y.view().subview({0, 0, 3, 3});
    CHECK_THROWS_AS((void)said(map), LengthError);
    map = turned.map();
    auto const sample = [&](MaskedImageView<float const> const& image) {
        sample_nearest<float>(image, map, 1.0, 0, turned.out.view());
    };
    CHECK_THROWS_AS(sample({turned.image.view(), turned.mask.view().subview({0, 0, 5, 5}), {}}), LengthError);
    CHECK_THROWS_AS(sample({turned.image.view().subview({0, 0, 5, 0}), {}, {}}), LengthError);
    CHECK_THROWS_AS(sample({{turned.image.values.data(), std::ptrdiff_t{1} << 31, 1, 0, 0}, {}, {}}), LengthError);
    CHECK_THROWS_AS(sample_nearest<float>({turned.image.view(), {}, {}}, map, 1.0, 0, turned.out.view(), 0, 0, -1),
                    InvalidParameterError);
}

TEST_CASE("sampling: an output of no or of too many pixels") {
    std::vector<float> pixels(4), out(1);
    std::vector<double> const nodes(4);
    MaskedImageView<float const> const image(ImageView<float const>(pixels.data(), 2, 2));
    SamplingMap const map{{nodes.data(), 2, 2}, {nodes.data(), 2, 2}, 10};
    for (auto const& [width, height] : {std::pair<std::ptrdiff_t, std::ptrdiff_t>{0, 3}, {-5, -5}, {3, -1}, {-1, 3}}) {
        ImageView<float> const none(out.data(), width, height);
        CHECK_NOTHROW(sample_nearest<float>(image, map, 1.0, 0, none));
    }
    constexpr auto many = std::ptrdiff_t{1} << 40;
    ImageView<float> const endless(out.data(), many, many, 0, 0);
    CHECK_THROWS_AS(sample_nearest<float>(image, map, 1.0, 0, endless), LengthError);
}
