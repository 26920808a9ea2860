#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "evensky/combine.hpp"
#include "evensky/errors.hpp"
#include "evensky/stack.hpp"
#include "testing.hpp"

using namespace evensky;
using testing::holds;
using testing::messageOf;
using testing::Pixels;

namespace {

constexpr std::ptrdiff_t width = 37, height = 5;
constexpr MaskPixel bad = 1, detected = 32;

// Several images with their planes, and an output.
template <typename T>
struct Combined {
    std::vector<Pixels<T>> images;
    std::vector<Pixels<MaskPixel>> masks;
    std::vector<Pixels<VariancePixel>> variances;
    std::vector<CombineInput<T>> inputs;
    Pixels<T> image{width, height};
    Pixels<MaskPixel> mask{width, height};
    Pixels<VariancePixel> variance{width, height};
    Pixels<std::int32_t> number{width, height}, rejected{width, height};
    Pixels<float> weight{width, height}, time{width, height};
    std::vector<std::int64_t> maskedOf, rejectedOf;

    explicit Combined(unsigned n) : maskedOf(n), rejectedOf(n) {
        for (unsigned i = 0; i < n; ++i) {
            images.push_back(testing::noise<T>(width, height, 50.0, 3.0, i + 1));
            masks.push_back(testing::speckles(width, height, 0.2, i % 2 == 0 ? bad : detected, i + 100));
            variances.push_back(testing::noise<float>(width, height, 9.0, 1.0, i + 200));
            images.back()(static_cast<std::ptrdiff_t>(i), 3) = static_cast<T>(testing::nan);
            images.back()(4, 4) += i == 1 ? T{1000} : T{0};
        }
        for (unsigned i = 0; i < n; ++i) inputs.push_back({view(i), bad, 1.0});
    }
    [[nodiscard]] MaskedImageView<T const> view(unsigned i) const {
        return {std::as_const(images[i]).view(), std::as_const(masks[i]).view(), std::as_const(variances[i]).view()};
    }
    [[nodiscard]] CombineOutput<T> out() {
        return {image.view(),  variance.view(), mask.view(), number.view(), rejected.view(),
                weight.view(), time.view(),     maskedOf,    rejectedOf};
    }
};

template <typename T>
bool sameBits(Pixels<T> const& one, Pixels<T> const& other) {
    return std::memcmp(one.values.data(), other.values.data(), one.values.size() * sizeof(T)) == 0;
}

}  // namespace

TEST_CASE("combine: the clipped mean is that of statisticsStack") {
    Combined<float> combined(11);
    combine<float>(combined.out(), combined.inputs);
    std::vector<MaskedImageView<float const>> views;
    for (unsigned i = 0; i < 11; ++i) views.push_back(combined.view(i));
    Pixels<float> image(width, height), variance(width, height);
    StatisticsControl control(3.0, 3, bad);
    control.setCalcErrorFromInputVariance(true);
    statisticsStack<float>({image.view(), {}, variance.view()}, views, MEANCLIP, control);
    CHECK(sameBits(image, combined.image));
    CHECK(sameBits(variance, combined.variance));
    CHECK(combined.rejected(4, 4) == ((combined.masks[1](4, 4) & bad) == 0 ? 1 : 0));
}

TEST_CASE_TEMPLATE("combine: numbers, masks and counts of images agree", T, float, double) {
    for (auto const statistic : {Statistic::MEAN, Statistic::MEDIAN, Statistic::MEANCLIP}) {
        Combined<T> combined(9);
        CombineOptions options;
        options.statistic = statistic;
        options.centre = ClipCentre::MEDIAN;
        options.sigmaLow = 1.5;
        combine<T>(combined.out(), combined.inputs, options, 2);
        std::int64_t used = 0, masked = 0, rejected = 0;
        for (std::ptrdiff_t y = 0; y < height; ++y) {
            for (std::ptrdiff_t x = 0; x < width; ++x) {
                std::int32_t good = 0;
                MaskPixel all = 0;
                for (std::size_t i = 0; i < 9; ++i) {
                    if (!std::isfinite(combined.images[i](x, y)) || (combined.masks[i](x, y) & bad) != 0) continue;
                    ++good;
                    all |= combined.masks[i](x, y);
                }
                REQUIRE(combined.number(x, y) + combined.rejected(x, y) == good);
                REQUIRE((combined.mask(x, y) & ~all) == 0);
                if (combined.rejected(x, y) == 0) REQUIRE(combined.mask(x, y) == all);
                REQUIRE(combined.weight(x, y) == static_cast<float>(combined.number(x, y)));
                used += combined.number(x, y);
                rejected += combined.rejected(x, y);
            }
        }
        for (auto const count : combined.maskedOf) masked += count;
        CHECK(used + rejected + masked == 9 * width * height);
        std::int64_t clipped = 0;
        for (auto const count : combined.rejectedOf) clipped += count;
        CHECK(clipped == rejected);
        CHECK((rejected > 0) == (statistic == Statistic::MEANCLIP));
    }
}

TEST_CASE_TEMPLATE("combine: times are summed over the pixels that are used, variances are scaled by their number", T,
                   float, double) {
    for (auto const statistic : {Statistic::MEAN, Statistic::MEDIAN, Statistic::MEANCLIP}) {
        Combined<T> plain(9), combined(9);
        CombineOptions options;
        options.statistic = statistic;
        options.sigmaLow = 1.5;
        for (std::size_t i = 0; i < 9; ++i) plain.inputs[i].time = combined.inputs[i].time = i == 4 ? 0.0 : 1 << i;
        auto out = plain.out();
        combine<T>(out, plain.inputs, options);
        std::vector<double> const factors = {0.0, 1.0, 2.5, 3.0, 0.5, 1.25, 1.5, 1.75, 2.0, 0.25};
        options.varianceFactors = factors;
        combine<T>(combined.out(), combined.inputs, options, 2);
        CHECK(sameBits(plain.time, combined.time));
        for (std::ptrdiff_t y = 0; y < height; ++y) {
            for (std::ptrdiff_t x = 0; x < width; ++x) {
                auto const good = static_cast<std::size_t>(plain.number(x, y) + plain.rejected(x, y));
                auto const expected = static_cast<float>(static_cast<double>(plain.variance(x, y)) * factors[good]);
                if (good > 0) REQUIRE(combined.variance(x, y) == expected);
                // The bits of the sum tell which images it is of.
                auto const used = static_cast<unsigned>(plain.time(x, y));
                REQUIRE(static_cast<float>(used) == plain.time(x, y));
                std::int32_t number = 0;
                for (std::size_t i = 0; i < 9; ++i) {
                    bool const isGood = std::isfinite(plain.images[i](x, y)) && (plain.masks[i](x, y) & bad) == 0;
                    if ((used >> i & 1U) != 0) REQUIRE(isGood);
                    if (statistic != Statistic::MEANCLIP && i != 4) REQUIRE(((used >> i & 1U) != 0) == isGood);
                    number += static_cast<std::int32_t>(used >> i & 1U);
                }
                REQUIRE(number <= plain.number(x, y));
                REQUIRE(plain.number(x, y) <= number + 1);
            }
        }
    }
}

TEST_CASE_TEMPLATE("combine: the mean of variances that differ is softened", T, float, double) {
    for (auto const statistic : {Statistic::MEDIAN, Statistic::MEANCLIP}) {
        Combined<T> plain(9), combined(9);
        for (auto* const one : {&plain, &combined}) {
            for (std::size_t i = 0; i < 9; ++i) {
                one->inputs[i].time = static_cast<double>(1U << i);
                for (std::ptrdiff_t y = 0; y < height; ++y) {
                    // They differ by a factor of 17 in most columns, and by 3 % in the others.
                    for (std::ptrdiff_t x = 0; x < width; ++x) {
                        one->variances[i](x, y) = 9.0F * (1.0F + (x < 20 ? 2.0F : 0.0037F) * static_cast<float>(i));
                    }
                }
            }
        }
        CombineOptions options;
        options.statistic = statistic;
        combine<T>(plain.out(), plain.inputs, options);
        std::vector<double> const softening = {0.0, 0.0, testing::infinity, 5.0, 0.0, 0.25, 1.0, 2.0, 40.0, 3.0};
        options.varianceSoftening = softening;
        combine<T>(combined.out(), combined.inputs, options, 2);
        CHECK(sameBits(plain.image, combined.image));
        CHECK(sameBits(plain.mask, combined.mask));
        for (std::ptrdiff_t y = 0; y < height; ++y) {
            for (std::ptrdiff_t x = 0; x < width; ++x) {
                auto const used = static_cast<unsigned>(plain.time(x, y));
                auto const soft = softening[static_cast<std::size_t>(plain.number(x, y) + plain.rejected(x, y))];
                double const n = plain.number(x, y);
                double mean = 0.0, sum = 0.0;
                for (std::size_t i = 0; i < 9; ++i) {
                    if ((used >> i & 1U) != 0) mean += static_cast<double>(plain.variances[i](x, y)) / n;
                }
                for (std::size_t i = 0; i < 9; ++i) {
                    if ((used >> i & 1U) == 0) continue;
                    sum += 1.0 / (static_cast<double>(plain.variances[i](x, y)) + soft * mean);
                }
                if (n == 0) continue;
                if (x < 20 && std::isfinite(soft)) {
                    double const expected = static_cast<double>(plain.variance(x, y)) * (n / sum - soft * mean) / mean;
                    REQUIRE(combined.variance(x, y) == doctest::Approx(expected).epsilon(1e-5));
                } else {
                    REQUIRE(combined.variance(x, y) == plain.variance(x, y));
                }
            }
        }
    }
}

TEST_CASE_TEMPLATE("combine: one variance far below all others softens their mean", T, float, double) {
    Combined<T> plain(50), combined(50);
    for (auto* const one : {&plain, &combined}) {
        for (std::size_t i = 0; i < 50; ++i) {
            one->inputs[i].time = i == 7 ? 1.0 : 0.0;
            for (auto& variance : one->variances[i].values) variance = i == 7 ? 0.09F : 9.0F;
        }
    }
    CombineOptions options;
    options.statistic = Statistic::MEDIAN;
    combine<T>(plain.out(), plain.inputs, options);
    std::vector<double> const softening(51, 0.1);
    options.varianceSoftening = softening;
    combine<T>(combined.out(), combined.inputs, options);
    for (std::ptrdiff_t y = 0; y < height; ++y) {
        for (std::ptrdiff_t x = 0; x < width; ++x) {
            // In units of the mean, the inverse of the harmonic mean without the softening.
            double const n = plain.number(x, y), low = plain.time(x, y), mean = (9.0 * (n - low) + 0.09 * low) / n;
            double const sum = (n - low) / (9.0 / mean + 0.1) + low / (0.09 / mean + 0.1);
            double const expected = static_cast<double>(plain.variance(x, y)) * (n / sum - 0.1);
            REQUIRE(combined.variance(x, y) == doctest::Approx(expected).epsilon(1e-5));
        }
    }
}

TEST_CASE("combine: threads and strides do not change a bit, and the output may be an input") {
    Combined<float> one(12), other(12);
    CombineOptions options;
    options.byVariance = true;
    combine<float>(one.out(), one.inputs, options, 1);
    auto out = other.out();
    out.image = other.images[3].view();
    out.mask = other.masks[3].view();
    out.variance = other.variances[3].view();
    combine<float>(out, other.inputs, options, 4);
    CHECK(sameBits(one.image, other.images[3]));
    CHECK(sameBits(one.mask, other.masks[3]));
    CHECK(sameBits(one.variance, other.variances[3]));
    CHECK(one.maskedOf == other.maskedOf);
    CHECK(one.rejectedOf == other.rejectedOf);

    // Columns that are read from the right to the left, into every second column.
    Combined<float> third(12);
    for (auto& input : third.inputs) {
        auto& planes = input.planes;
        planes.image = {&planes.image(width - 1, 0), width, height, -1, width};
        planes.mask = {&planes.mask(width - 1, 0), width, height, -1, width};
        planes.variance = {&planes.variance(width - 1, 0), width, height, -1, width};
    }
    Pixels<float> wide(2 * width, height);
    CombineOutput<float> sparse;
    sparse.image = {wide.values.data(), width, height, 2, 2 * width};
    combine<float>(sparse, third.inputs, options);
    for (std::ptrdiff_t x = 0; x < width; ++x) REQUIRE(wide(2 * x, 2) == one.image(width - 1 - x, 2));
}

TEST_CASE("combine: wrong arguments are refused") {
    Combined<float> combined(3);
    auto const messageWith = [&](CombineOptions const& options) {
        return messageOf<InvalidParameterError>([&] { combine<float>(combined.out(), combined.inputs, options); });
    };
    CombineOptions options;
    options.sigmaHigh = -1.0;
    CHECK(holds(messageWith(options), "sigma is -1; it must be positive"));
    options = {};
    options.rounds = 0;
    CHECK(holds(messageWith(options), "rounds = 0; it must be 1 to 1000"));
    options = {};
    options.statistic = Statistic::MEDIAN;
    options.byVariance = true;
    CHECK(holds(messageWith(options), "A median has no weights"));
    combined.inputs[2].weight = 0.0;
    CHECK(holds(messageWith({}), "The weight of Image 2 is 0; it must be positive and finite"));
    combined.inputs[2].weight = 2.0;
    options = {};
    options.byVariance = true;
    CHECK(holds(messageWith(options),
                "it must be 1 for a median, for pixels that are weighted by 1 / variance, and if"));
    combined.inputs[2].weight = 1.0;
    combined.inputs[0].time = -1.0;
    CHECK(holds(messageWith({}), "The time of Image 0 is -1; it must be finite and not negative"));
    combined.inputs[0].time = 0.0;
    std::vector<double> const factors(3);
    options = {};
    options.varianceFactors = factors;
    CHECK(holds(messageWith(options), "There are 3 factors of the variance for 3 images"));
    options.varianceSoftening = factors;
    options.varianceFactors = {};
    CHECK(holds(messageWith(options), "There are 3 softenings of the variance for 3 images"));
    std::vector<double> const softening(4, 1.0);
    options.varianceSoftening = softening;
    options.byVariance = true;
    CHECK(holds(messageWith(options), "The variance is to be softened, but pixels are weighted by 1 / variance"));
    options.byVariance = false;
    options.statistic = Statistic::MEAN;
    CHECK(holds(messageWith(options), "The variance of a mean needs no softening"));
    options.statistic = Statistic::MEDIAN;
    std::vector<double> const negative = {1.0, 1.0, -0.5, 1.0};
    options.varianceSoftening = negative;
    CHECK(holds(messageWith(options), "A softening of the variance is -0.5; it must be 0 or positive, or infinite"));
    options.varianceSoftening = softening;
    combined.inputs[0].weight = 2.0;
    CHECK(holds(messageWith(options), "The weight of Image 0 is 2; it must be 1 for a median"));
    combined.inputs[0].weight = 1.0;
    combined.inputs[1].planes.variance = {};
    CHECK(holds(messageWith({}), "Image 1 has no variances, but the output has"));
    combined.maskedOf.pop_back();
    CHECK(holds(messageWith({}), "There are 2 counts for 3 images"));
    CHECK(holds(messageOf<LengthError>([&] { combine<float>(combined.out(), {}); }), "There are 0 images to combine"));
    Pixels<float> small(2, 2);
    CombineOutput<float> out;
    out.image = small.view();
    CHECK(holds(messageOf<InvalidParameterError>([&] { combine<float>(out, combined.inputs); }),
                "Image 0 is 37 x 5 but the output is 2 x 2"));
}
