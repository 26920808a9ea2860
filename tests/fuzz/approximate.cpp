// Fuzz target: a Chebyshev fit to any grid, evaluated in any way. Images equal evaluations at single positions.

#include "evensky/approximate.hpp"

#include <algorithm>

#include "input.hpp"

using namespace evensky;

namespace {

void evaluate(fuzz::Input& input, Approximate const& approximate) {
    auto const& box = approximate.getBBox();
    auto const order = static_cast<int>(input.within(-1, 6));
    // Corner of a box that may have any size.
    auto const width = std::min<std::int64_t>(box.width, 40), height = std::min<std::int64_t>(box.height, 40);
    std::vector<double> values(static_cast<std::size_t>(width * height));
    std::vector<float> rounded(values.size()), variances(values.size()), again(values.size());
    Box const corner{box.x0, box.y0, width, height};
    approximate.getVariance(ImageView<float>(variances.data(), width, height), corner, order, order);
    for (float variance : variances) fuzz::require(!(variance < 0.0F), "no variance is negative");
    approximate.getImage(ImageView<double>(values.data(), width, height), corner, order, order);
    approximate.getImage(ImageView<float>(rounded.data(), width, height), corner, order, order, 1);
    approximate.getImage(ImageView<float>(again.data(), width, height), corner, order, order, 3);
    for (std::size_t i = 0; i < rounded.size(); ++i) {
        fuzz::require(fuzz::same(static_cast<double>(rounded[i]), static_cast<double>(again[i])),
                      "threads do not matter");
    }
    (void)approximate.evaluate(input.number(), input.number());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    fuzz::Input input(data, size);
    fuzz::answered([&] {
        auto order = static_cast<int>(input.flag() ? input.within(0, 12) : input.integer());
        // Such a fit is allowed but takes long: n^6 operations for order n.
        if (order > 20 && order < 10'000) order = 20;
        ApproximateControl control(static_cast<ApproximateControl::Style>(input.within(-1, 1)), order,
                                   input.flag() ? -1 : order, input.flag());
        if (input.flag()) control.setWeightPower(2);
        Box const box{input.integer(), input.integer(), input.flag() ? input.within(-1, 3000) : input.integer(),
                      input.flag() ? input.within(-1, 3000) : input.integer()};
        if (input.flag()) {
            // Make a model from the parts of another, as a file may hold them.
            std::vector<double> coefficients(static_cast<std::size_t>(input.within(0, 50))),
                    covariance(static_cast<std::size_t>(input.within(0, 500)));
            for (auto& value : coefficients) value = input.number();
            evaluate(input, Approximate(box, control, coefficients, covariance));
            return;
        }
        fuzz::Exposure<float> grid(input, {input.within(1, 40), input.within(1, 40)});
        auto const view = grid.view();
        auto const positions = [&](std::ptrdiff_t n) {
            std::vector<double> result(static_cast<std::size_t>(n));
            bool const ordinary = input.flag();
            double step = 0.0;
            for (auto& value : result) value = ordinary ? static_cast<double>(box.x0) + 7.0 * step++ : input.number();
            return result;
        };
        auto const x = positions(view.width()), y = positions(view.height());
        evaluate(input, makeApproximate(x, y, view, box, control));
    });
    return 0;
}
