#pragma once

// Helpers of the unit tests: images that own their memory, random images and masks, and calls in threads.

#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "evensky/view.hpp"

namespace testing {

inline constexpr double nan = std::numeric_limits<double>::quiet_NaN();
inline constexpr double infinity = std::numeric_limits<double>::infinity();

// Image that owns its pixels, stored row by row.
template <typename T>
struct Pixels {
    std::ptrdiff_t width, height;
    std::vector<T> values;

    Pixels(std::ptrdiff_t width_, std::ptrdiff_t height_, T value = T{})
            : width(width_), height(height_), values(static_cast<std::size_t>(width_ * height_), value) {}
    Pixels(std::ptrdiff_t width_, std::ptrdiff_t height_, std::vector<T> values_)
            : width(width_), height(height_), values(std::move(values_)) {}

    [[nodiscard]] evensky::ImageView<T const> view() const { return {values.data(), width, height}; }
    [[nodiscard]] evensky::ImageView<T> view() { return {values.data(), width, height}; }
    [[nodiscard]] T& operator()(std::ptrdiff_t x, std::ptrdiff_t y) {
        return values[static_cast<std::size_t>(y * width + x)];
    }
};

template <typename T = float>
Pixels<T> noise(std::ptrdiff_t width, std::ptrdiff_t height, double mean, double stdev, unsigned seed = 1) {
    Pixels<T> image(width, height);
    std::mt19937 random(seed);
    std::normal_distribution<double> normal(mean, stdev);
    for (auto& value : image.values) value = static_cast<T>(normal(random));
    return image;
}

// Return a mask with `bits` set in about the given fraction of its pixels.
inline Pixels<evensky::MaskPixel> speckles(std::ptrdiff_t width, std::ptrdiff_t height, double fraction,
                                           evensky::MaskPixel bits, unsigned seed = 2) {
    Pixels<evensky::MaskPixel> mask(width, height);
    std::mt19937 random(seed);
    std::bernoulli_distribution hit(fraction);
    for (auto& value : mask.values) value = hit(random) ? bits : 0;
    return mask;
}

// Return the message of the exception that `work` throws; "" if it throws none.
template <typename Error, typename Work>
std::string messageOf(Work const& work) {
    try {
        work();
    } catch (Error const& error) {
        return error.what();
    }
    return "";
}

// Call work(i) for i in [0, count), each in its own thread.
template <typename Work>
void inThreads(std::size_t count, Work const& work) {
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < count; ++i) threads.emplace_back([i, &work] { work(i); });
    for (auto& thread : threads) thread.join();
}

inline bool holds(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

}  // namespace testing
