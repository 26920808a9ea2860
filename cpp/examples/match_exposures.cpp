// Match the background of one exposure to that of another; both are in memory and have a mask and a variance plane.
//
// The exit status is 0 if the model agrees with the difference of the two skies.

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

#include "evensky/errors.hpp"
#include "evensky/pair.hpp"

namespace {

constexpr std::ptrdiff_t width = 512, height = 512;
constexpr std::int32_t saturated = 1 << 1;

struct Exposure {
    std::vector<float> image = std::vector<float>(width * height);
    std::vector<std::int32_t> mask = std::vector<std::int32_t>(width * height);
    std::vector<float> variance = std::vector<float>(width * height, 25.0F);

    [[nodiscard]] evensky::MaskedImageView<float const> view() const {
        return {{image.data(), width, height}, {mask.data(), width, height}, {variance.data(), width, height}};
    }
};

// Return the difference between the skies of the second and the first exposure.
float extraSky(std::ptrdiff_t x, std::ptrdiff_t y) {
    auto const u = static_cast<float>(x) / width, v = static_cast<float>(y) / height;
    return 30.0F - 20.0F * u + 8.0F * v * v;
}

// Simulate an exposure of stars on diffuse light, with noise of 5 counts; the brightest stars are saturated.
Exposure expose(unsigned seed, bool withExtraSky) {
    Exposure exposure;
    std::mt19937 scene(1), random(seed);
    std::uniform_int_distribution<std::ptrdiff_t> column(0, width - 1), row(0, height - 1);
    std::normal_distribution<float> noise(0.0F, 5.0F);
    for (std::ptrdiff_t y = 0; y < height; ++y) {
        for (std::ptrdiff_t x = 0; x < width; ++x) {
            auto const distance = std::hypot(static_cast<float>(x - 200), static_cast<float>(y - 300));
            auto const glow = 40.0F * std::exp(-distance / 100.0F);
            exposure.image[static_cast<std::size_t>(y * width + x)] =
                    200.0F + glow + noise(random) + (withExtraSky ? extraSky(x, y) : 0.0F);
        }
    }
    for (int star = 0; star < 300; ++star) {
        auto const at = static_cast<std::size_t>(row(scene) * width + column(scene));
        exposure.image[at] += 1000.0F * static_cast<float>(star);
        if (star > 250) exposure.mask[at] |= saturated;
    }
    return exposure;
}

}  // namespace

int main() {
    try {
        Exposure const reference = expose(2, false);
        Exposure science = expose(3, true);
        auto const before = science.image;

        evensky::PairOptions options;
        options.binSize = 64;
        options.referenceBadMask = options.scienceBadMask = saturated;
        options.usePolynomial = true;
        options.order = 3;
        options.gridStatistic = evensky::MEANCLIP;
        // The result may overwrite the pixels of the science exposure.
        evensky::ImageView<float> const matched(science.image.data(), width, height);
        auto const result =
                evensky::matchBackgrounds<float>(reference.view(), science.view(), matched, 0, 0, options, 2);

        double sum = 0.0;
        for (std::ptrdiff_t y = 0; y < height; ++y) {
            for (std::ptrdiff_t x = 0; x < width; ++x) {
                auto const at = static_cast<std::size_t>(y * width + x);
                auto const miss = static_cast<double>(science.image[at] - before[at] + extraSky(x, y));
                sum += miss * miss;
            }
        }
        double const left = std::sqrt(sum / static_cast<double>(before.size()));
        std::printf("order %d over %zu bins; fit RMS %.3f counts; residual difference of the skies: %.3f counts\n",
                    result.order, result.bins.size(), result.fitRMS, left);
        for (auto const& warning : result.warnings) std::printf("note: %s\n", warning.c_str());
        return left < 0.1 ? 0 : 1;
    } catch (evensky::Error const& error) {
        std::fprintf(stderr, "evensky: %s\n", error.what());
        return 2;
    }
}
