#include "evensky/stack.hpp"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "module.hpp"

namespace evensky::python {

namespace {

using Planes = std::tuple<py::array, std::optional<py::array>, std::optional<py::array>>;

// Planes of an image, viewed or copied.
template <typename T>
struct InputPlanes {
    InputPlane<T> image;
    InputPlane<MaskPixel> mask;
    InputPlane<VariancePixel> variance;

    explicit InputPlanes(Planes const& planes)
            : image(std::get<0>(planes), "The image"),
              mask(std::get<1>(planes), "The mask"),
              variance(std::get<2>(planes), "The variance") {}
    [[nodiscard]] MaskedImageView<T const> view() const { return {image.view(), mask.view(), variance.view()}; }
};

template <typename T>
MaskedImageView<T> outputPlanes(Planes& planes) {
    auto& [image, mask, variance] = planes;
    MaskedImageView<T> out(outputPlane<T>(image, "The output"));
    if (mask) out.mask = outputPlane<MaskPixel>(*mask, "The mask of the output");
    if (variance) out.variance = outputPlane<VariancePixel>(*variance, "The variance of the output");
    return out;
}

void stack(Planes out, std::vector<Planes> const& images, int property, StatisticsControl sctrl,
           std::vector<WeightPixel> const& weights, MaskPixel clipped,
           std::vector<std::pair<MaskPixel, MaskPixel>> const& maskMap, int num_threads) {
    dispatchFloating(std::get<0>(out), [&]<typename T>(T) {
        auto const to = outputPlanes<T>(out);
        std::vector<InputPlanes<T>> inputs;
        std::vector<MaskedImageView<T const>> views;
        inputs.reserve(images.size());
        views.reserve(images.size());
        for (auto const& planes : images) views.push_back(inputs.emplace_back(planes).view());
        py::gil_scoped_release const release;
        statisticsStack<T>(to, views, property, sctrl, weights, {clipped, maskMap}, num_threads);
    });
}

void stackLines(Planes out, Planes const& image, int property, bool rows, StatisticsControl sctrl, int num_threads) {
    dispatchFloating(std::get<0>(out), [&]<typename T>(T) {
        auto const to = outputPlanes<T>(out);
        InputPlanes<T> const input(image);
        py::gil_scoped_release const release;
        statisticsStack<T>(to, input.view(), property, rows ? StackAxis::X : StackAxis::Y, sctrl, num_threads);
    });
}

}  // namespace

void declareStack(py::module_& module) {
    module.def("stack", &stack, py::arg("out"), py::arg("images"), py::arg("property"), py::arg("sctrl"),
               py::arg("weights"), py::arg("clipped"), py::arg("maskMap"), py::arg("num_threads") = 0);
    module.def("stack_lines", &stackLines, py::arg("out"), py::arg("image"), py::arg("property"), py::arg("rows"),
               py::arg("sctrl"), py::arg("num_threads") = 0);
}

}  // namespace evensky::python
