#include "evensky/sampling.hpp"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <tuple>

#include "arrays.hpp"
#include "module.hpp"

namespace evensky::python {

namespace {

void sample(std::tuple<py::array, std::optional<py::array>> const& image, py::array const& x_nodes,
            py::array const& y_nodes, std::int64_t step, double scale, MaskPixel bad, py::array& out,
            std::int64_t first_column, std::int64_t first_row, int num_threads) {
    auto const& [pixels, mask] = image;
    dispatchFloating(pixels, [&]<typename T>(T) {
        InputPlane<T> const plane(pixels, "The image");
        InputPlane<MaskPixel> const maskPlane(mask, "The mask");
        InputPlane<double> const x(x_nodes, "x_nodes"), y(y_nodes, "y_nodes");
        auto const to = outputPlane<T>(out, "out");
        py::gil_scoped_release const release;
        sample_nearest<T>({plane.view(), maskPlane.view(), {}}, {x.view(), y.view(), step}, scale, bad, to,
                          first_column, first_row, num_threads);
    });
}

}  // namespace

void declareSampling(py::module_& module) {
    module.def("sample_nearest", &sample, py::arg("image"), py::arg("x_nodes"), py::arg("y_nodes"), py::arg("step"),
               py::arg("scale"), py::arg("bad"), py::arg("out"), py::arg("first_column") = 0, py::arg("first_row") = 0,
               py::arg("num_threads") = 0);
}

}  // namespace evensky::python
