// Golden cases through the C++ API. Usage: golden_tests, with the folder of the exported cases in EVENSKY_GOLDEN.

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <utility>

#include "evensky/background.hpp"
#include "evensky/background_mesh.hpp"
#include "evensky/clipped_stats.hpp"
#include "evensky/errors.hpp"
#include "evensky/simd.hpp"
#include "evensky/statistics.hpp"
#include "golden.hpp"
#include "testing.hpp"

namespace {

using evensky::ImageView;
using evensky::MaskedImageView;
using evensky::MaskPixel;

golden::Family const& family(std::string const& name) {
    static std::map<std::string, golden::Family> loaded;
    auto found = loaded.find(name);
    if (found == loaded.end()) {
        char const* const folder = std::getenv("EVENSKY_GOLDEN");
        REQUIRE_MESSAGE(folder != nullptr, "EVENSKY_GOLDEN must name the folder of exported golden cases");
        found = loaded.emplace(name, golden::Family(folder, name)).first;
    }
    return found->second;
}

evensky::StatisticsControl makeControl(golden::Case const& one) {
    evensky::StatisticsControl control(one.number("numSigmaClip", 3.0), one.whole("numIter", 3),
                                       static_cast<MaskPixel>(one.whole("andMask", 0)), one.whole("nanSafe", 1) != 0);
    if (one.has("weighted")) control.setWeighted(one.whole("weighted", 0) != 0);
    control.setCalcErrorFromInputVariance(one.whole("calcErrorFromInputVariance", 0) != 0);
    control.setCalcErrorMosaicMode(one.whole("calcErrorMosaicMode", 0) != 0);
    for (int bit = 0; bit < 32; ++bit) {
        auto const name = "threshold" + std::to_string(bit);
        if (one.has(name)) control.setMaskPropagationThreshold(bit, one.number(name, 1.0));
    }
    return control;
}

int makeFlags(golden::Case const& one) {
    int flags = evensky::ERRORS;
    std::istringstream names(one.settings.at("flags"));
    for (std::string name; std::getline(names, name, '+');) flags |= evensky::stringToStatisticsProperty(name);
    return flags;
}

// Return the name of the exception that `work` throws; "" if it throws none.
template <typename Work>
std::string errorOf(Work const& work) {
    try {
        work();
    } catch (evensky::InvalidParameterError const&) {
        return "InvalidParameterError";
    } catch (evensky::LengthError const&) {
        return "LengthError";
    } catch (evensky::OutOfRangeError const&) {
        return "OutOfRangeError";
    } catch (evensky::RuntimeError const&) {
        return "RuntimeError";
    }
    return "";
}

// Check that values are equal within 2 float32 ulp of the largest one, and NaN where NaN is expected.
bool closeImage(std::vector<float> const& got, ImageView<float const> const& want) {
    float largest = 0.0F;
    for (std::ptrdiff_t y = 0; y < want.height(); ++y) {
        for (std::ptrdiff_t x = 0; x < want.width(); ++x) {
            if (!std::isnan(want(x, y))) largest = std::max(largest, std::abs(want(x, y)));
        }
    }
    auto const limit =
            2.0 * static_cast<double>(std::nextafter(largest, std::numeric_limits<float>::infinity()) - largest);
    for (std::ptrdiff_t y = 0; y < want.height(); ++y) {
        for (std::ptrdiff_t x = 0; x < want.width(); ++x) {
            float const one = got[static_cast<std::size_t>(y * want.width() + x)];
            if (std::isnan(one) != std::isnan(want(x, y))) return false;
            if (std::abs(static_cast<double>(one) - static_cast<double>(want(x, y))) > limit) return false;
        }
    }
    return true;
}

template <typename T>
evensky::Statistics compute(golden::Family const& cases, golden::Case const& one, int num_threads) {
    MaskedImageView<T const> const image(cases.plane<T>(one, "image"), cases.plane<MaskPixel>(one, "mask"),
                                         cases.plane<float>(one, "variance"));
    return evensky::makeStatistics<T>(image, cases.plane<float>(one, "weights"), makeFlags(one), makeControl(one),
                                      num_threads);
}

evensky::Statistics compute(golden::Family const& cases, golden::Case const& one, int num_threads) {
    auto const& dtype = one.arrays.at("image").dtype;
    if (dtype == "float32") return compute<float>(cases, one, num_threads);
    if (dtype == "float64") return compute<double>(cases, one, num_threads);
    if (dtype == "int32") return compute<std::int32_t>(cases, one, num_threads);
    if (dtype == "uint16") return compute<std::uint16_t>(cases, one, num_threads);
    REQUIRE(dtype == "uint64");
    return compute<std::uint64_t>(cases, one, num_threads);
}

// Digest (FNV-1a) of the bits of all results of a family. It is the same on every machine and for every instruction
// set; levels.sh compares it.
class Digest {
public:
    void add(double value) {
        // All NaN are equivalent.
        auto const bits = std::isnan(value) ? ~std::uint64_t{0} : std::bit_cast<std::uint64_t>(value);
        for (int byte = 0; byte < 8; ++byte) {
            _state = (_state ^ ((bits >> (8 * byte)) & 0xff)) * 1099511628211ULL;
        }
    }
    void add(std::vector<float> const& values) {
        for (float const value : values) add(static_cast<double>(value));
    }
    void print(char const* name) const {
        std::printf("digest %s %016llx\n", name, static_cast<unsigned long long>(_state));
    }

private:
    std::uint64_t _state = 14695981039346656037ULL;
};

// Compute statistics in the plainest way: sort all values, and process all of them in every iteration.
struct Plainly {
    double median, range, mean, stdev;
    std::int64_t survivors;

    Plainly(std::vector<double> values, double nsigma, int rounds) {
        std::sort(values.begin(), values.end());
        auto const at = [&](double fraction) {
            double const index = fraction * static_cast<double>(values.size() - 1);
            auto const low = static_cast<std::size_t>(index);
            double const rest = index - static_cast<double>(low);
            return rest == 0.0 ? values[low] : (1.0 - rest) * values[low] + rest * values[low + 1];
        };
        median = at(0.5);
        range = at(0.75) - at(0.25);
        double centre = median, half = nsigma * 0.741301109252802 * range;
        for (int round = 0; round < rounds; ++round) {
            long double sum = 0, squares = 0;
            survivors = 0;
            for (double const value : values) {
                if (!(std::abs(value - centre) <= half)) continue;
                ++survivors;
                sum += value;
            }
            auto const n = static_cast<long double>(survivors);
            for (double const value : values) {
                if (std::abs(value - centre) <= half) squares += (value - sum / n) * (value - sum / n);
            }
            mean = static_cast<double>(sum / n);
            stdev = static_cast<double>(std::sqrt(squares / (n - 1)));
            centre = mean;
            half = nsigma * stdev;
        }
    }
};

// Skies of many kinds: results must be right even if a sample of the pixels is not representative.
std::vector<std::pair<std::string, testing::Pixels<float>>> skies(std::ptrdiff_t width, std::ptrdiff_t height) {
    std::vector<std::pair<std::string, testing::Pixels<float>>> all;
    auto const noise = testing::noise(width, height, 0.0, 10.0, 7);
    auto const add = [&](char const* name, auto const& pixel) {
        testing::Pixels<float> image(width, height);
        for (std::ptrdiff_t y = 0; y < height; ++y) {
            for (std::ptrdiff_t x = 0; x < width; ++x) {
                image(x, y) = static_cast<float>(
                        pixel(static_cast<double>(x) / static_cast<double>(width),
                              static_cast<double>(y) / static_cast<double>(height),
                              static_cast<double>(noise.values[static_cast<std::size_t>(y * width + x)])));
            }
        }
        all.emplace_back(name, std::move(image));
    };
    add("noise", [](double, double, double z) { return 1000.0 + z; });
    add("gradient", [](double u, double v, double z) { return 1000.0 + 400.0 * u + 300.0 * v + z; });
    add("columns", [](double u, double, double z) { return 500.0 + 100.0 * std::sin(200.0 * u) + z; });
    add("bright rows", [](double, double v, double z) { return 100.0 + z + (v > 0.8 ? 1e5 : 0.0); });
    add("whole numbers", [](double, double, double z) { return std::round(100.0 + 0.1 * z); });
    add("constant", [](double, double, double) { return 1000.1; });
    add("two values", [](double, double, double z) { return z > -3.0 ? 1.0 : 7.0; });
    add("one value and noise", [](double u, double, double z) { return u < 0.6 ? 3.3 : 3.3 + z; });
    add("long tail", [](double, double, double z) { return std::exp(0.3 * z); });
    add("far from zero", [](double, double, double z) { return 1e6 + z; });
    return all;
}

bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

}  // namespace

TEST_CASE("statistics") {
    auto const& cases = family("statistics");
    REQUIRE(cases.cases.size() == 767);
    Digest digest;
    for (auto const& one : cases.cases) {
        CAPTURE(one.id);
        if (!one.error.empty()) {
            CHECK(errorOf([&] { (void)compute(cases, one, 1); }) == one.error);
            continue;
        }
        auto const result = compute(cases, one, 1);
        auto const threaded = compute(cases, one, 2);
        for (auto const& expected : one.expectations) {
            CAPTURE(expected.property);
            CAPTURE(expected.kind);
            auto const property = evensky::stringToStatisticsProperty(expected.property);
            auto const [value, error] = result.getResult(property);
            double const got = expected.kind == "value" ? value : error;
            if (std::isnan(expected.value)) {
                CHECK(std::isnan(got));
            } else {
                CHECK(std::abs(got - expected.value) <= expected.tolerance);
            }
            digest.add(value);
            digest.add(error);
            CHECK(same(threaded.getValue(property), value));
            CHECK(same(threaded.getError(property), error));
        }
        CHECK(result.getOrMask() == static_cast<MaskPixel>(one.whole("orMask", 0)));
    }
    digest.print("statistics");
}

TEST_CASE("interpolate") {
    auto const& cases = family("interpolate");
    REQUIRE(cases.cases.size() == 126);
    Digest digest;
    for (auto const& one : cases.cases) {
        CAPTURE(one.id);
        auto const x = cases.vector(one, "x");
        auto const y = cases.vector(one, "y");
        auto const style = evensky::stringToInterpStyle(one.settings.at("style"));
        if (!one.error.empty()) {
            CHECK(errorOf([&] { (void)evensky::makeInterpolate(x, y, style); }) == "OutOfRangeError");
            continue;
        }
        auto const interpolant = evensky::makeInterpolate(x, y, style);
        auto const xs = cases.vector(one, "xs");
        auto const want = cases.vector(one, "result");
        double largest = 0.0;
        for (double const value : y) largest = std::max(largest, std::abs(value));
        for (std::size_t i = 0; i < xs.size(); ++i) {
            double const got = interpolant.interpolate(xs[i]);
            digest.add(got);
            if (std::isnan(want[i])) {
                CHECK(std::isnan(got));
                continue;
            }
            bool const inside = xs[i] >= x.front() && xs[i] <= x.back();
            CHECK(std::abs(got - want[i]) <= (inside ? 1e-12 * largest : 1e-9 * std::max(largest, std::abs(want[i]))));
        }
    }
    digest.print("interpolate");
}

TEST_CASE("background") {
    auto const& cases = family("background");
    REQUIRE(cases.cases.size() == 190);
    Digest digest;
    for (auto const& one : cases.cases) {
        CAPTURE(one.id);
        auto const image = cases.plane<float>(one, "image");
        std::vector<float> model;
        auto const run = [&](int num_threads) {
            evensky::BackgroundControl const control(
                    evensky::stringToInterpStyle(one.settings.at("interpStyle")), one.whole("nx", 0),
                    one.whole("ny", 0), evensky::stringToUndersampleStyle(one.settings.at("undersampleStyle")),
                    std::make_shared<evensky::StatisticsControl>(makeControl(one)),
                    evensky::stringToStatisticsProperty(one.settings.at("property")), nullptr);
            MaskedImageView<float const> const masked(image, cases.plane<MaskPixel>(one, "mask"),
                                                      cases.plane<float>(one, "variance"));
            evensky::Background const background(masked, one.whole("xy00", 0), one.whole("xy01", 0), control,
                                                 num_threads);
            evensky::Box box = background.getImageBBox();
            if (one.has("bbox0")) {
                box = {one.whole("bbox0", 0), one.whole("bbox1", 0), one.whole("bbox2", 0), one.whole("bbox3", 0)};
            }
            model.assign(static_cast<std::size_t>(box.width * box.height), 0.0F);
            auto const used =
                    background.getImage(ImageView<float>(model.data(), box.width, box.height), box, num_threads);
            CHECK(static_cast<int>(used.interpStyle) == one.whole("asUsed0", -2));
            CHECK(static_cast<int>(used.undersampleStyle) == one.whole("asUsed1", -2));
        };
        if (!one.error.empty()) {
            CHECK(errorOf([&] { run(1); }) == one.error);
            continue;
        }
        run(1);
        CHECK(closeImage(model, cases.plane<float>(one, "result")));
        digest.add(model);
        auto const serial = model;
        run(2);
        CHECK(std::equal(serial.begin(), serial.end(), model.begin(), model.end(),
                         [](float a, float b) { return a == b || (std::isnan(a) && std::isnan(b)); }));
    }
    digest.print("background");
}

TEST_CASE("approximate") {
    auto const& cases = family("approximate");
    REQUIRE(cases.cases.size() == 22);
    Digest digest;
    for (auto const& one : cases.cases) {
        CAPTURE(one.id);
        auto const image = cases.plane<float>(one, "image");
        std::vector<float> model(static_cast<std::size_t>(image.width() * image.height()));
        ImageView<float> const out(model.data(), image.width(), image.height());
        auto const fit = [&] {
            bool const plain = one.has("args0");  // recorded with plain means
            evensky::StatisticsControl statistics;
            statistics.setAndMask(static_cast<MaskPixel>(one.whole("andMask", 0)));
            evensky::BackgroundControl const control(one.whole("nx", 0), one.whole("ny", 0), statistics,
                                                     plain ? evensky::MEAN : evensky::MEANCLIP);
            evensky::ApproximateControl const actrl(
                    evensky::ApproximateControl::CHEBYSHEV, plain ? one.whole("args0", 0) : one.whole("order", 0),
                    plain ? one.whole("args1", 0) : -1,
                    plain ? one.whole("args2", 0) != 0 : one.whole("weighting", 1) != 0);
            MaskedImageView<float const> const masked(image, cases.plane<MaskPixel>(one, "mask"));
            return evensky::Background(masked, 0, 0, control).getApproximate(actrl);
        };
        if (!one.error.empty()) {
            CHECK(errorOf([&] { (void)fit(); }) == one.error);
            continue;
        }
        auto const result = fit();
        result.getImage(out, result.getBBox());
        digest.add(model);
        auto const serial = model;
        result.getImage(out, result.getBBox(), -1, -1, 2);
        CHECK(serial == model);
        CHECK(closeImage(model, cases.plane<float>(one, "result")));
        if (one.has("truncated_order")) {
            int const order = one.whole("truncated_order", 0);
            result.getImage(out, result.getBBox(), order, order);
            CHECK(closeImage(model, cases.plane<float>(one, "truncated")));
        }
    }
    digest.print("approximate");
}

namespace {

// Add meshes with all estimators of an image to a digest.
void addMeshes(MaskedImageView<float const> const& image, Digest& digest) {
    evensky::MeshOptions options;
    options.width = options.height = 120;
    options.bad = 1;
    for (int const estimator : {0, 1, 2, 3, 4}) {
        options.estimator = static_cast<evensky::LevelEstimator>(estimator);
        options.rmsEstimator = static_cast<evensky::ScatterEstimator>(estimator % 3);
        options.centre = static_cast<evensky::ClipCentre>(estimator % 2);
        evensky::BackgroundMesh const mesh(image, 0, 0, options, 1);
        for (auto const& plane : {mesh.level(), mesh.error(), mesh.rms()}) {
            for (std::ptrdiff_t y = 0; y < plane.height(); ++y) {
                for (std::ptrdiff_t x = 0; x < plane.width(); ++x) digest.add(plane(x, y));
            }
        }
    }
}

// Add the clipped statistics of an image and of its columns to a digest.
void addClippedStats(MaskedImageView<float const> const& image, Digest& digest) {
    auto const n = static_cast<std::size_t>(image.width());
    std::vector<double> means(n), medians(n), stdevs(n);
    std::vector<std::int32_t> numbers(n), rejected(n);
    for (auto const scatter : {evensky::ClipScatter::STDEV, evensky::ClipScatter::MAD}) {
        evensky::ClippedStatsOptions options;
        options.stdfunc = scatter;
        auto const all = evensky::clippedStats(evensky::StoredImage(image), 1, options, 1);
        for (double const value : {all.mean, all.median, all.std}) digest.add(value);
        evensky::clippedStatsOfColumns<float>({means, medians, stdevs, numbers, rejected}, image.image, options, 1);
        for (auto const* plane : {&means, &medians, &stdevs}) {
            for (double const value : *plane) digest.add(value);
        }
    }
}

}  // namespace

TEST_CASE("large") {
    std::printf("level %s\n", evensky::simdLevel());
    Digest digest;
    for (auto const& size : {std::pair<std::ptrdiff_t, std::ptrdiff_t>{701, 613}, {129, 127}, {67, 33}}) {
        auto const width = size.first, height = size.second;
        auto mask = testing::speckles(width, height, 0.05, 1);
        for (auto& sky : skies(width, height)) {
            auto const& name = sky.first;
            auto& image = sky.second;
            for (std::size_t i = 0; i < image.values.size(); i += 997) {
                image.values[i] = std::numeric_limits<float>::quiet_NaN();
            }
            std::vector<double> good;
            for (std::size_t i = 0; i < image.values.size(); ++i) {
                if (std::isfinite(image.values[i]) && mask.values[i] == 0) {
                    good.push_back(static_cast<double>(image.values[i]));
                }
            }
            // The same pixels, each followed by one outside the view: they are not contiguous, so they are read singly.
            testing::Pixels<float> wide(2 * width, height, -1e30F);
            for (std::ptrdiff_t y = 0; y < height; ++y) {
                for (std::ptrdiff_t x = 0; x < width; ++x) wide(2 * x, y) = image(x, y);
            }
            for (double const nsigma : {3.0, 1.5}) {
                for (int const rounds : {1, 3}) {
                    INFO(name, ", ", width, " x ", height, ", ", nsigma, " sigma, ", rounds, " rounds");
                    evensky::StatisticsControl const sctrl(nsigma, rounds, 1);
                    int const flags = evensky::NPOINT | evensky::MEDIAN | evensky::IQRANGE | evensky::MEANCLIP |
                                      evensky::STDEVCLIP | evensky::NCLIPPED | evensky::MEAN | evensky::STDEV |
                                      evensky::MIN | evensky::MAX;
                    Plainly const expected(good, nsigma, rounds);
                    MaskedImageView<float const> const contiguous(image.view(), mask.view());
                    MaskedImageView<float const> const strided(
                            evensky::ImageView<float const>(wide.values.data(), width, height, 2, 2 * width),
                            mask.view());
                    for (auto const& view : {contiguous, strided}) {
                        for (int const threads : {1, 2}) {
                            auto const got = evensky::makeStatistics<float>(view, flags, sctrl, threads);
                            auto const n = static_cast<double>(good.size());
                            CHECK(got.getValue(evensky::NPOINT) == n);
                            CHECK(got.getValue(evensky::MEDIAN) == expected.median);
                            CHECK(got.getValue(evensky::IQRANGE) == expected.range);
                            CHECK(got.getValue(evensky::NCLIPPED) == n - static_cast<double>(expected.survivors));
                            double const level = std::abs(expected.mean) + expected.stdev;
                            CHECK(std::abs(got.getValue(evensky::MEANCLIP) - expected.mean) <= 1e-12 * level);
                            CHECK(std::abs(got.getValue(evensky::STDEVCLIP) - expected.stdev) <=
                                  1e-11 * expected.stdev + 1e-14 * level);
                            CHECK(got.getValue(evensky::MIN) == *std::min_element(good.begin(), good.end()));
                            CHECK(got.getValue(evensky::MAX) == *std::max_element(good.begin(), good.end()));
                            for (auto const property : {evensky::MEANCLIP, evensky::STDEVCLIP, evensky::MEAN,
                                                        evensky::STDEV, evensky::MEDIAN, evensky::IQRANGE}) {
                                digest.add(got.getValue(property));
                            }
                        }
                    }
                }
            }
            addMeshes({image.view(), mask.view()}, digest);
            addClippedStats({image.view(), mask.view()}, digest);
        }
    }
    digest.print("large");
}
