// Fuzz target: clipped statistics of any image and of its lines. The number of threads does not matter, and good pixels
// are either left or rejected.

#include "evensky/clipped_stats.hpp"

#include <algorithm>

#include "input.hpp"

using namespace evensky;

namespace {

ClippedStatsOptions makeOptions(fuzz::Input& input) {
    ClippedStatsOptions options;
    if (input.flag()) {
        options.sigmaLower = input.number();
        options.sigmaUpper = input.number();
    }
    options.maxiters = static_cast<int>(input.within(-1, 20));
    options.cenfunc = static_cast<ClipCentre>(input.within(0, 2));
    options.stdfunc = static_cast<ClipScatter>(input.within(0, 2));
    if (input.flag()) options.stdDdof = input.number();
    return options;
}

struct Lines {
    std::vector<double> mean, median, std;
    std::vector<std::int32_t> number, rejected;

    explicit Lines(std::ptrdiff_t n) {
        auto const size = static_cast<std::size_t>(n);
        for (auto* const plane : {&mean, &median, &std}) plane->resize(size);
        for (auto* const plane : {&number, &rejected}) plane->resize(size);
    }
    [[nodiscard]] ClippedLines out() { return {mean, median, std, number, rejected}; }
};

void compare(Lines const& one, Lines const& other, char const* what) {
    fuzz::require(one.number == other.number && one.rejected == other.rejected, what);
    for (auto const plane : {&Lines::mean, &Lines::median, &Lines::std}) {
        auto const& a = one.*plane;
        auto const& b = other.*plane;
        fuzz::require(std::equal(a.begin(), a.end(), b.begin(), fuzz::same), what);
    }
}

template <typename T>
void lines(ImageView<T const> const& values, ClippedStatsOptions const& options, int threads) {
    Lines one(values.width()), other(values.width());
    clippedStatsOfColumns<T>(one.out(), values, options, 1);
    clippedStatsOfColumns<T>(other.out(), values, options, threads);
    compare(one, other, "threads do not matter to columns");
    for (std::ptrdiff_t x = 0; x < values.width(); ++x) {
        auto const at = static_cast<std::size_t>(x);
        std::ptrdiff_t good = 0;
        for (std::ptrdiff_t y = 0; y < values.height(); ++y) good += std::isfinite(values(x, y)) ? 1 : 0;
        fuzz::require(one.number[at] >= 0 && one.rejected[at] >= 0, "numbers of pixels");
        fuzz::require(one.number[at] + one.rejected[at] == good, "good pixels are left or rejected");
        if (one.number[at] == 0) fuzz::require(std::isnan(one.mean[at]), "NaN without a pixel");
        fuzz::require(!(one.std[at] < 0.0), "a standard deviation is not negative");
    }
    ImageView<T const> const turned(values.data(), values.height(), values.width(), values.strideY(), values.strideX());
    Lines rows(values.width()), others(values.width());
    clippedStatsOfRows<T>(rows.out(), turned, options, 1);
    clippedStatsOfRows<T>(others.out(), turned, options, threads);
    compare(rows, others, "threads do not matter to rows");
}

template <typename T>
void run(fuzz::Input& input) {
    fuzz::answered([&] {
        auto const options = makeOptions(input);
        auto const bad = input.take<MaskPixel>();
        auto const threads = static_cast<int>(input.within(-1, 3));
        fuzz::Exposure<T> exposure(input);
        auto const view = exposure.view();
        fuzz::answered([&] {
            auto const one = clippedStats(StoredImage(view), bad, options, 1);
            auto const other = clippedStats(StoredImage(view), bad, options, threads);
            fuzz::require(fuzz::same(one.mean, other.mean) && fuzz::same(one.median, other.median) &&
                                  fuzz::same(one.std, other.std) && one.number == other.number &&
                                  one.rejected == other.rejected,
                          "threads do not matter to images");
            fuzz::require(one.number >= 0 && one.number + one.rejected <= view.width() * view.height(),
                          "numbers of pixels");
        });
        if constexpr (std::is_floating_point_v<T>) lines<T>(view.image, options, threads);
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    fuzz::Input input(data, size);
    switch (input.take<std::uint8_t>() % 8) {
        case 0: run<double>(input); break;
        case 1: run<std::int32_t>(input); break;
        case 2: run<std::uint16_t>(input); break;
        default: run<float>(input); break;
    }
    return 0;
}
