// Fuzz target: a match of any pair in any way. The number of threads does not matter, and a failed match writes
// nothing.

#include "evensky/pair.hpp"

#include <algorithm>
#include <cmath>

#include "evensky/differences.hpp"
#include "input.hpp"

using namespace evensky;

namespace {

std::vector<std::int64_t> edges(fuzz::Input& input, std::int64_t size) {
    std::vector<std::int64_t> result(static_cast<std::size_t>(input.within(0, 6)));
    for (auto& edge : result) edge = input.flag() ? input.within(-1, size + 1) : input.integer();
    if (input.flag()) std::sort(result.begin(), result.end());
    return result;
}

// Measure the difference in bins with any edges.
template <typename T>
void runBins(fuzz::Input& input, MaskedImageView<T const> const& reference, MaskedImageView<T const> const& science,
             PairOptions const& options, int threads) {
    auto const x = edges(input, reference.width()), y = edges(input, reference.height());
    try {
        auto const result = bin_differences<T>(reference, science, x, y, options, 1);
        auto const other = bin_differences<T>(reference, science, x, y, options, threads);
        auto const bins = (x.size() - 1) * (y.size() - 1);
        fuzz::require(result.values.size() == bins && result.x.size() == bins, "there is one value per bin");
        for (std::size_t i = 0; i < bins; ++i) {
            fuzz::require(fuzz::same(result.values[i], other.values[i]) && fuzz::same(result.x[i], other.x[i]),
                          "threads do not matter");
            fuzz::require(result.x[i] >= 0.0 && result.y[i] >= 0.0, "good pixels are in their bin");
            fuzz::require(result.counts[i] > 0 || std::isnan(result.values[i]), "an empty bin has no value");
        }
    } catch (Error const& error) {
        fuzz::require(std::strlen(error.what()) > 10, "an error says what is wrong");
    }
}

template <typename T>
void run(fuzz::Input& input) {
    PairOptions options;
    options.usePolynomial = input.flag();
    options.order = static_cast<int>(input.flag() ? input.within(-1, 9) : input.integer());
    // Such a fit is allowed but takes long: n^6 operations for order n.
    if (options.order > 20 && options.order < 10'000) options.order = 20;
    options.referenceBadMask = input.take<MaskPixel>();
    options.scienceBadMask = input.take<MaskPixel>();
    options.gridStatistic = input.flag() ? MEAN : input.flag() ? MEANCLIP : input.property();
    options.undersampleStyle = static_cast<UndersampleStyle>(input.within(0, 3));
    options.binSize = input.flag() ? input.within(1, 60) : input.integer();
    options.interpStyle = static_cast<Interpolate::Style>(input.within(-1, 7));
    if (input.flag()) options.numSigmaClip = input.number();
    if (input.flag()) options.numIter = input.take<std::int32_t>();
    if (input.flag()) options.leastHalfWidth = input.number();
    options.approxWeighting = input.flag();
    options.approxWeightPower = static_cast<int>(input.within(0, 3));
    if (input.flag()) options.gridStdevEpsilon = input.number();
    auto const x0 = input.integer(), y0 = input.integer();
    auto const threads = static_cast<int>(input.within(1, 3));
    fuzz::Exposure<T> reference(input);
    auto const size = fuzz::Size{reference.view().width(), reference.view().height()};
    fuzz::Exposure<T> science(input, input.flag() && input.flag() && input.flag() ? fuzz::imageSize(input) : size);
    auto const pixels = static_cast<std::size_t>(science.view().width() * science.view().height());
    std::vector<T> matched(pixels, T{42}), again(pixels);
    ImageView<T> const out(matched.data(), science.view().width(), science.view().height());
    try {
        auto const result = matchBackgrounds<T>(reference.view(), science.view(), out, x0, y0, options, 1);
        auto const other =
                matchBackgrounds<T>(reference.view(), science.view(),
                                    ImageView<T>(again.data(), out.width(), out.height()), x0, y0, options, threads);
        fuzz::require(fuzz::same(result.fitRMS, other.fitRMS) && fuzz::same(result.matchedMSE, other.matchedMSE) &&
                              fuzz::same(result.diffImVar, other.diffImVar),
                      "threads do not matter");
        for (std::size_t i = 0; i < pixels; ++i) {
            fuzz::require(fuzz::same(static_cast<double>(matched[i]), static_cast<double>(again[i])),
                          "threads do not matter");
        }
    } catch (Error const& error) {
        fuzz::require(std::strlen(error.what()) > 10, "an error says what is wrong");
        fuzz::require(std::all_of(matched.begin(), matched.end(), [](T value) { return value == T{42}; }),
                      "nothing is written if a match fails");
    }
    runBins<T>(input, reference.view(), science.view(), options, threads);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    fuzz::Input input(data, size);
    if (input.take<std::uint8_t>() % 4 == 0) {
        run<double>(input);
    } else {
        run<float>(input);
    }
    return 0;
}
