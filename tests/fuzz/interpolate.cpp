// Fuzz target: one-dimensional interpolation through any knots. The interpolant goes through them, and rows equal
// single positions.

#include "evensky/interpolate.hpp"

#include <algorithm>

#include "input.hpp"

using namespace evensky;

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    fuzz::Input input(data, size);
    auto const style = static_cast<Interpolate::Style>(input.within(-2, 8));
    fuzz::answered([&] { (void)interpStyleToString(style); });
    fuzz::answered([&] { (void)lookupMinInterpPoints(style); });
    fuzz::answered([&] { (void)lookupMaxInterpStyle(static_cast<int>(input.integer())); });
    std::vector<double> x, y;
    bool const increasing = input.flag();
    auto const knots = input.within(0, 64);
    for (std::int64_t i = 0; i < knots; ++i) {
        x.push_back(increasing ? (x.empty() ? input.number() : x.back() + std::abs(input.number())) : input.number());
        y.push_back(input.number());
    }
    if (input.flag() && !y.empty()) y.pop_back();
    auto const start = input.number();
    auto const n = static_cast<std::size_t>(input.within(0, 400));
    std::vector<double> positions;
    while (!input.empty() && positions.size() < 100) positions.push_back(input.number());
    fuzz::answered([&] {
        Interpolate const interpolate(x, y, style);
        std::vector<double> values(positions.size()), row(n);
        interpolate.interpolate(positions.data(), positions.size(), values.data());
        for (std::size_t i = 0; i < positions.size(); ++i) {
            fuzz::require(fuzz::same(values[i], interpolate.interpolate(positions[i])), "positions equal arrays");
            if (std::isnan(positions[i])) fuzz::require(std::isnan(values[i]), "NaN in, NaN out");
        }
        std::vector<float> rounded(n);
        interpolate.interpolateRow(start, n, row.data());
        interpolate.interpolateRow(start, n, rounded.data());
        if (std::abs(start) < 1e15) {
            for (std::size_t i = 0; i < n; ++i) {
                fuzz::require(fuzz::same(row[i], interpolate.interpolate(start + static_cast<double>(i))),
                              "a row equals positions");
            }
        }
        // Slopes that overflow make the values at knots NaN, too.
        auto const tame = [](double v) { return std::abs(v) < 1e9 && (v == 0.0 || std::abs(v) > 1e-9); };
        bool ordinary = std::all_of(y.begin(), y.end(), tame) && std::all_of(x.begin(), x.end(), tame);
        for (std::size_t i = 1; i < x.size(); ++i) ordinary = ordinary && x[i] - x[i - 1] > 1e-3;
        if (ordinary && style != Interpolate::CONSTANT) {
            for (std::size_t i = 0; i < x.size(); ++i) {
                fuzz::require(interpolate.interpolate(x[i]) == y[i], "the interpolant goes through the knots");
            }
        }
    });
    return 0;
}
