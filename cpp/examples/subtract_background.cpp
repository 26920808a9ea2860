// Estimate the background of an image in memory that has a mask, and subtract it.
//
// The exit status is 0 if the result is as flat as its noise allows.

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

#include "evensky/background.hpp"
#include "evensky/errors.hpp"
#include "evensky/statistics.hpp"

int main() {
    constexpr std::ptrdiff_t width = 600, height = 400;
    constexpr std::int32_t bad = 1 << 0;
    std::vector<float> pixels(width * height);
    std::vector<std::int32_t> mask(pixels.size(), 0);

    // Simulate a tilted sky with noise, and a bright masked patch.
    std::mt19937 random(1);
    std::normal_distribution<float> noise(0.0F, 5.0F);
    for (std::ptrdiff_t y = 0; y < height; ++y) {
        for (std::ptrdiff_t x = 0; x < width; ++x) {
            auto const at = static_cast<std::size_t>(y * width + x);
            pixels[at] = 100.0F + 0.05F * static_cast<float>(x) - 0.02F * static_cast<float>(y) + noise(random);
            if (std::hypot(static_cast<double>(x - 300), static_cast<double>(y - 200)) < 40.0) {
                pixels[at] += 1000.0F;
                mask[at] |= bad;
            }
        }
    }

    try {
        evensky::ImageView<float> const image(pixels.data(), width, height);
        evensky::ImageView<std::int32_t> const bits(mask.data(), width, height);
        evensky::MaskedImageView<float const> const masked(image, bits);

        evensky::StatisticsControl control;
        control.setAndMask(bad);
        evensky::BackgroundControl const bins(9, 6, control, evensky::MEANCLIP);
        evensky::Background const background(masked, 0, 0, bins);

        std::vector<float> model(pixels.size());
        background.getImage(evensky::ImageView<float>(model.data(), width, height), background.getImageBBox(), 2);
        for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] -= model[i];

        auto const left =
                evensky::makeStatistics<float>(masked, evensky::MEAN | evensky::STDEV | evensky::ERRORS, control);
        auto const [mean, error] = left.getResult(evensky::MEAN);
        double const stdev = left.getValue(evensky::STDEV);
        std::printf("after subtraction: mean %.4f +- %.4f, standard deviation %.4f\n", mean, error, stdev);
        return std::abs(mean) < 0.1 && std::abs(stdev - 5.0) < 0.1 ? 0 : 1;
    } catch (evensky::Error const& error) {
        std::fprintf(stderr, "evensky: %s\n", error.what());
        return 2;
    }
}
