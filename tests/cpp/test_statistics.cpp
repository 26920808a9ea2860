#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "evensky/errors.hpp"
#include "evensky/statistics.hpp"
#include "testing.hpp"

using namespace evensky;
using testing::holds;
using testing::messageOf;
using testing::Pixels;

namespace {

constexpr int everything = allProperties;

// Return all values and errors as bits, so that two results can be compared exactly.
std::vector<std::uint64_t> bitsOf(Statistics const& statistics) {
    std::vector<std::uint64_t> bits;
    for (auto const& row : propertyTable) {
        if (row.group == PropertyGroup::REQUEST) continue;
        auto const [value, error] = statistics.getResult(row.property);
        for (double const number : {value, error}) {
            bits.push_back(std::isnan(number) ? 0 : std::bit_cast<std::uint64_t>(number));
        }
    }
    bits.push_back(static_cast<std::uint64_t>(statistics.getOrMask()));
    return bits;
}

template <typename T>
Statistics of(Pixels<T> const& image, int flags, StatisticsControl const& sctrl = StatisticsControl()) {
    return makeStatistics<T>(image.view(), flags, sctrl);
}

}  // namespace

TEST_CASE("statistics: results that can be checked by hand") {
    Pixels<float> const image(5, 1, {1.0F, 2.0F, 3.0F, 4.0F, 100.0F});
    auto const stats = of(image, everything, StatisticsControl(1.5, 1));
    CHECK(stats.getValue(NPOINT) == 5);
    CHECK(stats.getValue(SUM) == 110.0);
    CHECK(stats.getValue(MEAN) == 22.0);
    CHECK(stats.getValue(MEDIAN) == 3.0);
    CHECK(stats.getValue(IQRANGE) == 2.0);
    CHECK(stats.getValue(MIN) == 1.0);
    CHECK(stats.getValue(MAX) == 100.0);
    CHECK(stats.getValue(VARIANCE) == doctest::Approx(1902.5));
    CHECK(stats.getValue(MEANSQUARE) == doctest::Approx(22.0 * 22.0 + 1902.5 * 4 / 5));
    CHECK(stats.getValue(MEANCLIP) == 2.5);  // 100 is clipped
    CHECK(stats.getValue(NCLIPPED) == 1);
    CHECK(stats.getError(MEAN) == doctest::Approx(std::sqrt(1902.5 / 5)));
}

TEST_CASE("statistics: masked and infinite pixels do not count, and are counted") {
    Pixels<float> image(4, 1, {1.0F, 2.0F, 50.0F, static_cast<float>(testing::nan)});
    Pixels<MaskPixel> const mask(4, 1, {4, 0, 2, 0});
    StatisticsControl sctrl;
    sctrl.setAndMask(2);
    auto const stats = makeStatistics<float>({image.view(), mask.view()}, everything, sctrl);
    CHECK(stats.getValue(NPOINT) == 2);
    CHECK(stats.getValue(NMASKED) == 2);
    CHECK(stats.getValue(MEAN) == 1.5);
    CHECK(stats.getOrMask() == 4);
    sctrl.setNanSafe(false);
    auto const unsafe = makeStatistics<float>({image.view(), mask.view()}, everything, sctrl);
    CHECK(unsafe.getValue(NPOINT) == 3);
    for (auto const property : {MEAN, STDEV, MEDIAN, IQRANGE, MAD, MEANCLIP, VARIANCECLIP, MIN, MAX, SUM}) {
        CHECK(std::isnan(unsafe.getValue(property)));
    }
    // Infinite pixels have a sum of NaN, but can be ordered.
    auto const infinity = std::numeric_limits<float>::infinity();
    Pixels<float> const infinite(3, 1, {infinity, 5.0F, -infinity});
    auto const ends = of(infinite, everything, sctrl);
    CHECK(ends.getValue(MIN) == -infinity);
    CHECK(ends.getValue(MAX) == infinity);
    CHECK(ends.getValue(MEDIAN) == 5.0);
}

TEST_CASE("statistics: no good pixel") {
    Pixels<float> const image(3, 2, static_cast<float>(testing::nan));
    auto const stats = of(image, everything);
    CHECK(stats.getValue(NPOINT) == 0);
    CHECK(stats.getValue(SUM) == 0.0);
    for (auto const property : {MEAN, STDEV, MEDIAN, IQRANGE, MEANCLIP, MIN, MAX}) {
        CHECK(std::isnan(stats.getValue(property)));
    }
    CHECK(testing::holds(messageOf<InvalidParameterError>([] { (void)of(Pixels<float>(0, 5), MEAN); }), "0 x 5"));
}

TEST_CASE("statistics: weights multiply, variances divide") {
    Pixels<float> const image(3, 1, {1.0F, 2.0F, 6.0F});
    Pixels<float> const weights(3, 1, {1.0F, 1.0F, 2.0F});
    CHECK(makeStatistics<float>(image.view(), weights.view(), MEAN).getValue() == doctest::Approx(15.0 / 4.0));
    Pixels<float> const variance(3, 1, {1.0F, 1.0F, 0.5F});
    StatisticsControl sctrl;
    sctrl.setWeighted(true);
    CHECK(makeStatistics<float>({image.view(), {}, variance.view()}, MEAN, sctrl).getValue() ==
          doctest::Approx(15.0 / 4.0));
    // A pixel whose variance is not > 0 has no weight.
    Pixels<float> const broken(3, 1, {1.0F, 1.0F, 0.0F});
    CHECK(makeStatistics<float>({image.view(), {}, broken.view()}, MEAN, sctrl).getValue() == doctest::Approx(1.5));
    sctrl.setCalcErrorFromInputVariance(true);
    auto const stats = makeStatistics<float>({image.view(), {}, variance.view()}, MEAN | ERRORS, sctrl);
    CHECK(stats.getError(MEAN) == doctest::Approx(std::sqrt(1.0 + 1.0 + 4.0 * 0.5) / 4.0));
}

TEST_CASE_TEMPLATE("statistics: all pixel types", T, float, double, std::int32_t, std::uint16_t, std::uint64_t) {
    auto const image = testing::noise<T>(100, 30, 1000.0, 20.0);
    auto const stats = of(image, everything);
    auto sorted = image.values;
    std::sort(sorted.begin(), sorted.end());
    CHECK(stats.getValue(MIN) == static_cast<double>(sorted.front()));
    CHECK(stats.getValue(MAX) == static_cast<double>(sorted.back()));
    CHECK(std::abs(stats.getValue(MEDIAN) - static_cast<double>(sorted[1500])) <= 1.0);
    CHECK(stats.getValue(MEAN) == doctest::Approx(1000.0).epsilon(0.002));
    CHECK(stats.getValue(STDEVCLIP) == doctest::Approx(20.0).epsilon(0.05));
}

TEST_CASE("statistics: results are bit-identical for any strides and any number of threads") {
    // One image is larger than the pixels that are packed at once, the other is smaller.
    for (std::ptrdiff_t const side : {97, 701}) {
        auto image = testing::noise(side, side, 100.0, 10.0);
        image(side / 2, side / 3) = static_cast<float>(testing::nan);
        auto const mask = testing::speckles(side, side, 0.05, 1);
        auto const variance = testing::noise(side, side, 100.0, 1.0, 7);
        StatisticsControl sctrl;
        sctrl.setAndMask(1);
        MaskedImageView<float const> const view(image.view(), mask.view(), variance.view());
        auto const serial = bitsOf(makeStatistics<float>(view, everything, sctrl, 1));
        for (int threads : {2, 3, 8}) CHECK(bitsOf(makeStatistics<float>(view, everything, sctrl, threads)) == serial);

        Pixels<float> wide(2 * side, 2 * side, -1.0F);
        for (std::ptrdiff_t y = 0; y < side; ++y) {
            for (std::ptrdiff_t x = 0; x < side; ++x) wide(2 * x, 2 * y + 1) = image(x, y);
        }
        ImageView<float const> const strided(wide.values.data() + 2 * side, side, side, 2, 4 * side);
        CHECK(bitsOf(makeStatistics<float>({strided, mask.view(), variance.view()}, everything, sctrl)) == serial);
    }
}

TEST_CASE("statistics: stored planes of any byte order and layout give the same bits") {
    for (std::ptrdiff_t const side : {97, 701}) {
        auto image = testing::noise(side, side, 100.0, 10.0);
        auto const mask = testing::speckles(side, side, 0.05, 1);
        auto const variance = testing::noise(side, side, 100.0, 1.0, 7);
        StatisticsControl sctrl;
        sctrl.setAndMask(1);
        auto const swap = [](auto const& values) {
            std::vector<std::uint32_t> result;
            for (auto const value : values) result.push_back(__builtin_bswap32(std::bit_cast<std::uint32_t>(value)));
            return result;
        };
        auto const pixels = swap(image.values), bits = swap(mask.values), variances = swap(variance.values);
        auto const plane = [side](auto const& values, PixelFormat format) {
            return StoredPlane(values.data(), side, side, 4, 4 * side, format, true);
        };
        StoredImage const stored(plane(pixels, PixelFormat::FLOAT32), plane(bits, PixelFormat::INT32),
                                 plane(variances, PixelFormat::FLOAT32));
        for (auto const weights :
             {StatisticsControl::WeightsBoolean::FALSE_, StatisticsControl::WeightsBoolean::TRUE_}) {
            sctrl.setUseWeights(weights);
            auto const want =
                    bitsOf(makeStatistics<float>({image.view(), mask.view(), variance.view()}, everything, sctrl));
            CHECK(bitsOf(makeStatistics(stored, {}, everything, sctrl)) == want);
            for (int threads : {2, 3}) CHECK(bitsOf(makeStatistics(stored, {}, everything, sctrl, threads)) == want);
        }
        // By columns: sums are taken in the order of memory, so that these are the statistics of the transposed image.
        Pixels<float> turned(side, side);
        Pixels<MaskPixel> turnedMask(side, side);
        for (std::ptrdiff_t y = 0; y < side; ++y) {
            for (std::ptrdiff_t x = 0; x < side; ++x) {
                turned(y, x) = image.view()(x, y);
                turnedMask(y, x) = mask.view()(x, y);
            }
        }
        sctrl.setUseWeights(StatisticsControl::WeightsBoolean::FALSE_);
        ImageView<float const> const columns(turned.values.data(), side, side, side, 1);
        ImageView<MaskPixel const> const maskColumns(turnedMask.values.data(), side, side, side, 1);
        auto const want = bitsOf(makeStatistics<float>({turned.view(), turnedMask.view()}, everything, sctrl));
        for (int threads : {1, 2, 3}) {
            CHECK(bitsOf(makeStatistics<float>({columns, mask.view()}, everything, sctrl, threads)) == want);
            CHECK(bitsOf(makeStatistics<float>({columns, maskColumns}, everything, sctrl, threads)) == want);
        }
    }
    auto const image = testing::noise(9, 9, 5.0, 1.0);
    StoredPlane const plane(image.view());
    CHECK(holds(messageOf<InvalidParameterError>([&] { (void)makeStatistics({plane, plane}, {}, MEAN); }),
                "The mask is of float32; it must be of int32"));
}

TEST_CASE("statistics: many threads share one image and one control") {
    auto const image = testing::noise(300, 300, 5.0, 1.0);
    StatisticsControl const sctrl;
    auto const expected = bitsOf(of(image, everything, sctrl));
    std::vector<std::vector<std::uint64_t>> results(8);
    testing::inThreads(results.size(), [&](std::size_t i) {
        results[i] = bitsOf(makeStatistics<float>(image.view(), everything, sctrl, 2));
    });
    for (auto const& result : results) CHECK(result == expected);
}

TEST_CASE("statistics: error messages hold the offending value") {
    Pixels<float> const image(4, 4, 1.0F);
    CHECK(testing::holds(messageOf<InvalidParameterError>([] { StatisticsControl(-1.0); }), "-1"));
    CHECK(testing::holds(messageOf<InvalidParameterError>([] { StatisticsControl{testing::nan}; }), "nan"));
    CHECK(testing::holds(messageOf<InvalidParameterError>([] { StatisticsControl(3.0, 0); }), "0"));
    CHECK(testing::holds(messageOf<InvalidParameterError>([&] { (void)of(image, 1 << 20); }), "1048576"));
    CHECK(testing::holds(messageOf<InvalidParameterError>([&] { (void)of(image, MEAN).getValue(MEDIAN); }), "MEDIAN"));
    CHECK(testing::holds(messageOf<InvalidParameterError>([&] { (void)of(image, MEAN | MEDIAN).getValue(); }),
                         "MEAN | MEDIAN"));
    Pixels<MaskPixel> const small(3, 4);
    CHECK(testing::holds(
            messageOf<InvalidParameterError>([&] { (void)makeStatistics<float>({image.view(), small.view()}, MEAN); }),
            "3 x 4"));
    CHECK(testing::holds(messageOf<NotFoundError>([] { (void)stringToStatisticsProperty("MODE"); }), "MEANCLIP"));
    CHECK(testing::holds(messageOf<OutOfRangeError>([] { StatisticsControl().setMaskPropagationThreshold(32, 0.1); }),
                         "32"));
    StatisticsControl both;
    both.setCalcErrorFromInputVariance(true);
    both.setCalcErrorMosaicMode(true);
    CHECK_THROWS_AS((void)of(image, MEAN, both), InvalidParameterError);
}

TEST_CASE("statistics: the least width of the clipping window") {
    StatisticsControl control;
    CHECK(control.getLeastHalfWidth() == 0.0);
    control.setLeastHalfWidth(2.5);
    CHECK(control.getLeastHalfWidth() == 2.5);
    CHECK_THROWS_AS(control.setLeastHalfWidth(-1.0), InvalidParameterError);
    CHECK_THROWS_AS(control.setLeastHalfWidth(std::numeric_limits<double>::infinity()), InvalidParameterError);
}

TEST_CASE("statistics: names to properties and back") {
    for (int property = NPOINT; property <= NMASKED; property <<= 1) {
        auto const name = statisticsPropertyToString(static_cast<Property>(property));
        CHECK(stringToStatisticsProperty(name) == property);
    }
    CHECK_THROWS_AS((void)statisticsPropertyToString(static_cast<Property>(MEAN | MEDIAN)), InvalidParameterError);
}

TEST_CASE("statistics: statistics of a mask") {
    Pixels<MaskPixel> const mask(2, 2, {1, 0, 4, 1});
    auto const stats = makeMaskStatistics(mask.view(), NPOINT | SUM);
    CHECK(stats.getValue(NPOINT) == 4);
    CHECK(stats.getValue(SUM) == 5);
    CHECK_THROWS_AS((void)makeMaskStatistics(mask.view(), MEAN), InvalidParameterError);
    CHECK_THROWS_AS((void)makeMaskStatistics(Pixels<MaskPixel>(0, 0).view(), SUM), InvalidParameterError);
    CHECK_THROWS_AS((void)makeMaskStatistics(mask.view(), SUM, -1), InvalidParameterError);
}

TEST_CASE("statistics: statistics of a mask for any number of threads include every row") {
    Pixels<MaskPixel> mask(3, 200, std::vector<MaskPixel>(600, 1));
    mask.view()(2, 199) = 8;
    mask.view()(0, 64) = 16;
    for (int const threads : {1, 2, 7}) {
        CHECK(makeMaskStatistics(mask.view(), SUM, threads).getValue() == (1 | 8 | 16));
    }
}

TEST_CASE("statistics: a threshold is a finite fraction") {
    std::vector<std::pair<double, std::string>> const thresholds{
            {-0.1, "-0.1"}, {testing::nan, "nan"}, {testing::infinity, "inf"}, {-1e-165, "-1e-165"}};
    for (auto const& [threshold, text] : thresholds) {
        auto const message = messageOf<InvalidParameterError>(
                [&, value = threshold] { StatisticsControl().setMaskPropagationThreshold(3, value); });
        CHECK(testing::holds(message, "The threshold of mask bit 3 is " + text + ";"));
    }
}

TEST_CASE("statistics: a bit propagates if pixels with it hold enough of the weight") {
    Pixels<float> const image(4, 1, {1.0F, 2.0F, 3.0F, 4.0F});
    Pixels<MaskPixel> const mask(4, 1, {2, 0, 0, 0});
    StatisticsControl sctrl;
    sctrl.setAndMask(2);
    sctrl.setMaskPropagationThreshold(1, 0.2);
    CHECK(makeStatistics<float>({image.view(), mask.view()}, MEAN, sctrl).getOrMask() == 2);
    sctrl.setMaskPropagationThreshold(1, 0.3);
    CHECK(makeStatistics<float>({image.view(), mask.view()}, MEAN, sctrl).getOrMask() == 0);
}

TEST_CASE("statistics: an unlimited number of rounds ends, with the result of as many plain rounds") {
    // Narrow windows repeat in cycles, as pixels leave and return.
    for (unsigned seed = 1; seed < 60; ++seed) {
        auto const image = testing::noise<double>(7, 3, 0.0, 1.0, seed);
        for (double nsigma : {0.6, 0.9, 1.3}) {
            auto const clipped = [&](int rounds) {
                return evensky::makeStatistics<double>(image.view(), evensky::MEANCLIP,
                                                       evensky::StatisticsControl(nsigma, rounds))
                        .getValue();
            };
            // Iterate as in the definition. A single survivor has no standard deviation, so that nothing survives next.
            std::vector<double> values = image.values;
            std::sort(values.begin(), values.end());
            double centre = values[10], halfWidth = nsigma * 0.741301109252802 * (values[15] - values[5]);
            std::vector<double> means;
            for (int round = 0; round < 200; ++round) {
                double sum = 0.0, n = 0.0, squares = 0.0;
                for (double v : values) sum += std::abs(v - centre) <= halfWidth ? v : 0.0;
                for (double v : values) n += std::abs(v - centre) <= halfWidth;
                double const mean = sum / n;
                for (double v : values) squares += std::abs(v - centre) <= halfWidth ? (v - mean) * (v - mean) : 0.0;
                means.push_back(mean);
                centre = mean;
                halfWidth = nsigma * std::sqrt(squares / (n - 1.0));
            }
            for (int rounds : {1, 2, 3, 5, 17, 100, 199, 200}) {
                auto const expected = means[static_cast<std::size_t>(rounds - 1)];
                CHECK((std::isnan(expected) ? std::isnan(clipped(rounds))
                                            : clipped(rounds) == doctest::Approx(expected).epsilon(1e-12)));
            }
            CHECK((std::isnan(means.back()) || std::isfinite(clipped(std::numeric_limits<int>::max()))));
        }
    }
}

TEST_CASE("statistics: every row of the table has a name that leads back to it") {
    for (auto const& row : propertyTable) {
        CHECK(stringToStatisticsProperty(std::string(row.name)) == row.property);
        CHECK(statisticsPropertyToString(row.property) == row.name);
        CHECK(!row.description.empty());
        CHECK((propertiesOf(row.group) & row.property) != 0);
        CHECK((allProperties & row.property) != 0);
    }
    CHECK(stringToStatisticsProperty("NOTHING") == NOTHING);
    CHECK(MAD > (NMASKED << 1));
}

TEST_CASE("statistics: MAD is the scaled median of the distances from the median") {
    Pixels<float> const few(5, 1, {1.0F, 2.0F, 4.0F, 8.0F, 100.0F});
    CHECK(of(few, MAD | ERRORS).getValue() == 1.482602218505602 * 3.0);
    CHECK(std::isnan(of(few, MAD | ERRORS).getError()));
    CHECK(of(Pixels<std::int32_t>(1, 1, 7), MAD).getValue() == 0.0);
    CHECK(std::isnan(of(Pixels<double>(1, 1, testing::nan), MAD).getValue()));
    // Images that are packed in memory, and images that are read block by block, with and without the kernels.
    for (std::ptrdiff_t const width : {40, 300, 900}) {
        std::vector<float> values;
        std::uint32_t state = 1;
        for (std::ptrdiff_t i = 0; i < width * 400; ++i) {
            state = state * 1664525U + 1013904223U;
            values.push_back(static_cast<float>(state >> 8) / 1e6F + (i % 97 == 0 ? 1e3F : 0.0F));
        }
        Pixels<float> const image(width, 400, values);
        auto const median = of(image, MEDIAN).getValue();
        std::vector<double> distances;
        for (float const value : values) distances.push_back(std::abs(static_cast<double>(value) - median));
        std::sort(distances.begin(), distances.end());
        auto const half = distances.size() / 2;
        double const expected = 1.482602218505602 * (0.5 * distances[half - 1] + 0.5 * distances[half]);
        for (int const threads : {1, 2, 5}) {
            CHECK(makeStatistics<float>(image.view(), MAD | MEANCLIP, StatisticsControl(), threads).getValue(MAD) ==
                  expected);
        }
        Pixels<double> const wide(width, 400, std::vector<double>(values.begin(), values.end()));
        CHECK(of(wide, MAD).getValue() == expected);
    }
}

TEST_CASE("statistics: other requested statistics do not change a result") {
    std::vector<float> values;
    std::uint32_t state = 7;
    for (int i = 0; i < 700 * 500; ++i) {
        state = state * 1664525U + 1013904223U;
        values.push_back(static_cast<float>(state >> 8) / 1e5F);
    }
    for (std::ptrdiff_t const height : {10, 100, 500}) {
        Pixels<float> const image(700, height, std::vector<float>(values.begin(), values.begin() + 700 * height));
        auto const all = of(image, everything);
        for (auto const& row : propertyTable) {
            if (row.group == PropertyGroup::REQUEST) continue;
            auto const [value, error] = of(image, row.property | ERRORS).getResult();
            CHECK(value == all.getValue(row.property));
            if (!std::isnan(error)) CHECK(error == all.getError(row.property));
        }
    }
}

namespace {

// Return the power of the pixels' unit in which a property is measured.
int powerOf(Property property) {
    switch (property) {
        case VARIANCE:
        case VARIANCECLIP:
        case MEANSQUARE: return 2;
        case NPOINT:
        case NCLIPPED:
        case NMASKED:
        case ORMASK: return 0;
        default: return 1;
    }
}

// Check that statistics of pixels times 2^k are those of the pixels, times a power of 2^k.
void checkScaled(Statistics const& plain, Statistics const& scaled, int k) {
    for (auto const& row : propertyTable) {
        if (row.group == PropertyGroup::REQUEST) continue;
        auto const [value, error] = plain.getResult(row.property);
        auto const [scaledValue, scaledError] = scaled.getResult(row.property);
        auto const expected = std::ldexp(value, k * powerOf(row.property));
        auto const expectedError = std::ldexp(error, k * powerOf(row.property));
        CAPTURE(k);
        CAPTURE(row.name);
        CHECK((scaledValue == expected || (std::isnan(scaledValue) && std::isnan(value))));
        CHECK((scaledError == expectedError || (std::isnan(scaledError) && std::isnan(error))));
    }
}

Pixels<double> times2ToThe(Pixels<double> image, int k) {
    for (auto& value : image.values) value = std::ldexp(value, k);
    return image;
}

}  // namespace

TEST_CASE("statistics: float64 pixels of any size have the statistics of usual ones, scaled") {
    StatisticsControl sctrl;
    sctrl.setNanSafe(false);  // NaN-safe statistics reject what float32 cannot hold
    for (auto const size : {40, 600}) {
        auto image = testing::noise<double>(size, size, 3.0, 5.0);
        image(7, 9) = 1000.0;
        image(11, 3) = -500.0;
        auto const weights = testing::noise<float>(size, size, 10.0, 1.0);
        auto const plain = of(image, everything, sctrl);
        MaskedImageView<double const> const view(image.view());
        auto const weighted = makeStatistics<double>(view, weights.view(), everything, sctrl);
        for (int const k : {-1000, -700, -549, -300, 200, 500, 700, 1000}) {
            auto const other = times2ToThe(image, k);
            checkScaled(plain, of(other, everything, sctrl), k);
            checkScaled(weighted, makeStatistics<double>(other.view(), weights.view(), everything, sctrl), k);
        }
    }
}

TEST_CASE("statistics: pixels of 1e-165 are clipped about their mean, also beside a pixel of 1") {
    auto image = testing::noise<double>(50, 50, 2e-165, 1e-166);
    auto const alone = of(image, everything);
    // Approx would add 1 to its tolerance.
    CHECK(alone.getValue(STDEV) / 1e-166 == doctest::Approx(1.0).epsilon(0.1));
    CHECK(alone.getValue(MEANCLIP) / 2e-165 == doctest::Approx(1.0).epsilon(0.01));
    CHECK(alone.getError(MEANCLIP) / 2e-168 == doctest::Approx(1.0).epsilon(0.1));
    CHECK(alone.getValue(VARIANCE) == 0.0);  // 1e-332 is too small for a float64
    image(25, 25) = 1.0;
    auto const beside = of(image, everything);
    CHECK(beside.getValue(MEANCLIP) / 2e-165 == doctest::Approx(1.0).epsilon(0.01));
    CHECK(beside.getValue(STDEVCLIP) / alone.getValue(STDEVCLIP) == doctest::Approx(1.0).epsilon(0.01));
    CHECK(beside.getValue(NCLIPPED) >= 1.0);
}

TEST_CASE("statistics: float32 pixels at both ends of their range") {
    for (double const unit : {1e-38, 1e-44, 3e37}) {
        auto const image = testing::noise<float>(50, 50, 5.0 * unit, unit);
        auto const statistics = of(image, everything);
        CHECK(statistics.getValue(MEANCLIP) / unit == doctest::Approx(5.0).epsilon(0.1));
        CHECK(statistics.getValue(STDEV) / unit == doctest::Approx(1.0).epsilon(0.2));
        CHECK(statistics.getError(STDEV) / unit * std::sqrt(5000.0) == doctest::Approx(1.0).epsilon(0.2));
        CHECK(statistics.getError(MEAN) / unit * 50.0 == doctest::Approx(1.0).epsilon(0.2));
    }
}

TEST_CASE("statistics: sums beyond the range of float64 are infinite, means are not") {
    StatisticsControl sctrl;
    sctrl.setNanSafe(false);
    Pixels<double> image(10, 1, 1.5e308);
    CHECK(of(image, everything, sctrl).getValue(MEAN) == 1.5e308);
    image(3, 0) = 1.7e308;
    auto const statistics = of(image, everything, sctrl);
    CHECK(statistics.getValue(SUM) == testing::infinity);
    CHECK(statistics.getValue(MEAN) == doctest::Approx(1.52e308));
    CHECK(statistics.getValue(STDEV) == doctest::Approx(2e307 / std::sqrt(10.0)));
    CHECK(statistics.getValue(VARIANCE) == testing::infinity);
    image(3, 0) = testing::infinity;
    CHECK(std::isnan(of(image, everything, sctrl).getValue(SUM)));
}

TEST_CASE("statistics: one weight may exceed all others by far") {
    Pixels<float> const image(2, 1, std::vector<float>{1000.0F, 1.0F});
    Pixels<float> const variance(2, 1, std::vector<float>{1e-20F, 1.0F});
    StatisticsControl sctrl;
    sctrl.setWeighted(true);
    auto const statistics =
            makeStatistics<float>({image.view(), {}, variance.view()}, MEAN | VARIANCE | STDEV | ERRORS, sctrl);
    CHECK(statistics.getValue(MEAN) == 1000.0);
    CHECK(statistics.getValue(VARIANCE) == doctest::Approx(999.0 * 999.0 / 2.0));
    CHECK(statistics.getError(MEAN) == doctest::Approx(999.0 / std::sqrt(2.0)));
}

TEST_CASE("statistics: a pixel of weight 0 may have any value") {
    StatisticsControl sctrl;
    sctrl.setNanSafe(false);
    Pixels<double> const image(3, 1, std::vector<double>{1e300, 1e-10, 3e-10});
    Pixels<float> const weights(3, 1, std::vector<float>{0.0F, 1.0F, 1.0F});
    auto const statistics = makeStatistics<double>(image.view(), weights.view(), MEAN | STDEV | MAX, sctrl);
    CHECK(statistics.getValue(MEAN) / 1e-10 == doctest::Approx(2.0).epsilon(1e-9));
    CHECK(statistics.getValue(STDEV) / 1e-10 == doctest::Approx(std::sqrt(2.0)).epsilon(1e-9));
    CHECK(statistics.getValue(MAX) == 1e300);
}

TEST_CASE_TEMPLATE("statistics: constant integers stand for ranges, whose quartiles are half a unit apart", T,
                   std::int32_t, std::uint16_t, std::uint64_t) {
    auto const statistics = of(Pixels<T>(20, 20, T{7}), everything);
    CHECK(statistics.getValue(IQRANGE) == 0.5);
    CHECK(statistics.getValue(MEDIAN) == 7.0);
    CHECK(statistics.getValue(MEANCLIP) == 7.0);
    CHECK(statistics.getValue(STDEV) == 0.0);
    CHECK(of(Pixels<T>(1, 1, T{7}), everything).getValue(IQRANGE) == 0.0);  // a single pixel has its value
    CHECK(of(Pixels<double>(20, 20, 7.0), everything).getValue(IQRANGE) == 0.0);
}

TEST_CASE("statistics: planes that cannot be read are refused") {
    std::vector<float> const one(1);
    ImageView<float const> const endless(one.data(), std::int64_t{1} << 32, std::int64_t{1} << 32, 0, 0);
    auto const message = messageOf<LengthError>([&] { (void)makeStatistics<float>(endless, MEAN); });
    CHECK(holds(message, "The image is 4294967296 x 4294967296; an image can have at most 2^62 - 1 pixels"));
    ImageView<MaskPixel const> const nothing(nullptr, 3, 3);
    CHECK(holds(messageOf<InvalidParameterError>([&] { (void)makeMaskStatistics(nothing, SUM); }), "without memory"));
    std::vector<MaskPixel> const bits(1);
    ImageView<MaskPixel const> const endlessMask(bits.data(), std::int64_t{1} << 32, std::int64_t{1} << 32, 0, 0);
    CHECK_THROWS_AS((void)makeMaskStatistics(endlessMask, SUM), LengthError);
}

TEST_CASE("statistics: the row stride of a single row may be anything") {
    auto const image = testing::noise<float>(5000, 1, 3.0, 5.0);
    Pixels<MaskPixel> const mask(5000, 1);
    constexpr auto largest = std::numeric_limits<std::ptrdiff_t>::max();
    auto const expected = of(image, everything);
    for (auto const stride : {largest, -largest, largest / 2 + 1}) {
        ImageView<float const> const row(image.values.data(), 5000, 1, 1, stride);
        ImageView<MaskPixel const> const bits(mask.values.data(), 5000, 1, 1, stride);
        auto const statistics = makeStatistics<float>({row, bits}, everything);
        CHECK(statistics.getValue(MEANCLIP) == expected.getValue(MEANCLIP));
    }
}

TEST_CASE("statistics: messages hold tiny numbers") {
    CHECK(holds(messageOf<InvalidParameterError>([] { StatisticsControl(-1e-165); }), "numSigmaClip = -1e-165;"));
    CHECK(holds(messageOf<InvalidParameterError>([] { StatisticsControl(-0.1); }), "numSigmaClip = -0.1;"));
    CHECK(holds(messageOf<InvalidParameterError>([] { (void)statisticsPropertyToString(static_cast<Property>(48)); }),
                "48 is not one statistics property but VARIANCE | MEDIAN"));
}
