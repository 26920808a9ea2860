// Fuzz target: images combined with any options. A pixel counts as used, clipped or not good, the counts of images are
// those of pixels, values lie within those of the images, and neither the number of threads nor the rows that are
// combined at once matter.

#include "evensky/combine.hpp"

#include <algorithm>
#include <memory>

#include "input.hpp"

using namespace evensky;

namespace {

// Planes of an output.
template <typename T>
struct Output {
    Output(fuzz::Input& input, fuzz::Size size)
            : image(input, size.width, size.height),
              variance(input, size.width, size.height),
              mask(input, size.width, size.height),
              number(input, size.width, size.height),
              rejected(input, size.width, size.height),
              weight(input, size.width, size.height),
              time(input, size.width, size.height) {}

    // Those of some rows; the counts of images are those of the last call.
    CombineOutput<T> rows(std::ptrdiff_t first, std::ptrdiff_t count, std::size_t images, bool varied) {
        masked.assign(images, 0);
        clipped.assign(images, 0);
        CombineOutput<T> out;
        auto const band = [&](auto& plane) {
            auto const whole = plane.writable();
            return whole.subview({0, first, whole.width(), count});
        };
        out.image = band(image);
        if (varied) out.variance = band(variance);
        out.mask = band(mask);
        out.number = band(number);
        out.rejected = band(rejected);
        out.weight = band(weight);
        out.time = band(time);
        out.maskedOf = masked;
        out.rejectedOf = clipped;
        return out;
    }

    fuzz::Plane<T> image;
    fuzz::Plane<VariancePixel> variance;
    fuzz::Plane<MaskPixel> mask;
    fuzz::Plane<std::int32_t> number, rejected;
    fuzz::Plane<WeightPixel> weight;
    fuzz::Plane<float> time;
    std::vector<std::int64_t> masked, clipped;
};

template <typename T>
void requireSame(Output<T>& one, Output<T>& other, fuzz::Size size, bool varied) {
    auto const equal = [&](auto& first, auto& second, char const* what) {
        auto const a = first.view(), b = second.view();
        for (std::ptrdiff_t y = 0; y < size.height; ++y) {
            for (std::ptrdiff_t x = 0; x < size.width; ++x) {
                fuzz::require(fuzz::same(static_cast<double>(a(x, y)), static_cast<double>(b(x, y))), what);
            }
        }
    };
    equal(one.image, other.image, "images are the same");
    if (varied) equal(one.variance, other.variance, "variances are the same");
    equal(one.mask, other.mask, "masks are the same");
    equal(one.number, other.number, "numbers are the same");
    equal(one.rejected, other.rejected, "numbers of clipped pixels are the same");
    equal(one.weight, other.weight, "weights are the same");
    equal(one.time, other.time, "times are the same");
}

// Check what holds for any statistic.
template <typename T>
void requireCounts(Output<T>& out, std::vector<CombineInput<T>> const& images, CombineOptions const& options,
                   fuzz::Size size) {
    auto const image = out.image.view();
    auto const number = out.number.view(), rejected = out.rejected.view();
    std::int64_t used = 0, clipped = 0;
    for (std::ptrdiff_t y = 0; y < size.height; ++y) {
        for (std::ptrdiff_t x = 0; x < size.width; ++x) {
            used += number(x, y);
            clipped += rejected(x, y);
            if (options.byVariance) continue;
            std::int32_t good = 0;
            bool weighted = false;
            auto low = std::numeric_limits<double>::infinity(), high = -low;
            for (auto const& one : images) {
                auto const value = static_cast<double>(one.planes.image(x, y));
                auto const bits = one.planes.mask.exists() ? one.planes.mask(x, y) : 0;
                weighted = weighted || one.weight != 1.0;
                if (!std::isfinite(value) || (bits & one.bad) != 0) continue;
                ++good;
                low = std::min(low, value);
                high = std::max(high, value);
            }
            fuzz::require(number(x, y) >= 0 && rejected(x, y) >= 0 && number(x, y) + rejected(x, y) == good,
                          "a good pixel is used or clipped");
            auto const largest = std::max(std::abs(low), std::abs(high));
            // A window of clipping may be empty: if it is narrow, or about a mean while the scatter is 0 or underflows.
            bool const clips = options.statistic == Statistic::MEANCLIP;
            fuzz::require(good == 0 || number(x, y) > 0 || clips, "clipping leaves a pixel");
            if (number(x, y) == 0) {
                fuzz::require(std::isnan(static_cast<double>(image(x, y))), "where no pixel is used, there is NaN");
                continue;
            }
            auto const value = static_cast<double>(image(x, y));
            if (weighted || largest > 1e300) continue;  // sums may overflow
            auto const rounding = (std::is_same_v<T, float> ? 1e-6 : 1e-12) * largest + 1e-300;
            fuzz::require(value >= low - rounding && value <= high + rounding,
                          "a value lies within those of the images");
        }
    }
    std::int64_t masked = 0, clippedOf = 0;
    for (auto const count : out.masked) masked += count;
    for (auto const count : out.clipped) clippedOf += count;
    auto const all = static_cast<std::int64_t>(images.size()) * size.width * size.height;
    fuzz::require(used + clipped + masked == all, "each pixel is used, clipped or not good");
    fuzz::require(clipped == clippedOf, "clipped pixels are counted by pixel and by image");
}

template <typename T>
void combineImages(fuzz::Input& input) {
    CombineOptions options;
    options.statistic = static_cast<Statistic>(input.within(0, 2));
    if (input.flag()) {
        options.sigmaLow = input.number();
        options.sigmaHigh = input.number();
        options.rounds = static_cast<int>(input.flag() ? input.within(1, 9) : input.take<std::int8_t>());
    }
    options.centre = static_cast<ClipCentre>(input.within(0, 2));
    options.scatter = static_cast<ClipScatter>(input.within(0, 2));
    options.byVariance = input.within(0, 3) == 0;
    auto const threads = static_cast<int>(input.within(1, 3));
    fuzz::Size const size{input.within(1, 90), input.within(1, 12)};
    std::vector<std::unique_ptr<fuzz::Exposure<T>>> exposures;
    std::vector<CombineInput<T>> images;
    auto const n = input.flag() ? input.within(0, 12) : input.within(13, 70);
    bool const weighted = input.within(0, 3) == 0;
    bool varied = input.flag();
    for (std::int64_t i = 0; i < n; ++i) {
        exposures.push_back(std::make_unique<fuzz::Exposure<T>>(input, size));
        CombineInput<T> one{exposures.back()->view(), input.flag() ? input.take<MaskPixel>() : 0};
        if (weighted) one.weight = input.number();
        one.time = static_cast<double>(input.within(0, 900));
        varied = varied && one.planes.variance.exists();
        images.push_back(one);
    }
    Output<T> whole(input, size), banded(input, size);
    fuzz::answered([&] {
        combine<T>(whole.rows(0, size.height, images.size(), varied), images, options, 1);
        requireCounts<T>(whole, images, options, size);
        auto const step = input.within(1, size.height);
        std::vector<std::int64_t> masked(images.size(), 0);
        for (std::ptrdiff_t first = 0; first < size.height; first += step) {
            auto const count = std::min(step, size.height - first);
            auto band = images;
            Box const rows{0, first, size.width, count};
            for (auto& one : band) {
                one.planes.image = one.planes.image.subview(rows);
                if (one.planes.mask.exists()) one.planes.mask = one.planes.mask.subview(rows);
                if (one.planes.variance.exists()) one.planes.variance = one.planes.variance.subview(rows);
            }
            combine<T>(banded.rows(first, count, images.size(), varied), band, options, threads);
            for (std::size_t i = 0; i < masked.size(); ++i) masked[i] += banded.masked[i];
        }
        requireSame(whole, banded, size, varied);
        fuzz::require(masked == whole.masked, "counts of bands add up");
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    fuzz::Input input(data, size);
    if (input.flag()) {
        combineImages<float>(input);
    } else {
        combineImages<double>(input);
    }
    return 0;
}
