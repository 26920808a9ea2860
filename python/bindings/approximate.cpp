#include "evensky/approximate.hpp"

#include <pybind11/native_enum.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <span>

#include "arrays.hpp"
#include "evensky/chebyshev.hpp"
#include "initialised.hpp"
#include "module.hpp"

namespace evensky::python {

namespace {

// Highest order of terms whose means are computed.
constexpr int mostMeans = 1000;

ApproximateControl controlFromState(py::tuple const& state) {
    checkState(state, 5, "an ApproximateControl");
    ApproximateControl actrl(stateValue<ApproximateControl::Style>(state, 0), stateValue<int>(state, 1), -1,
                             stateValue<bool>(state, 3));
    actrl.setOrderY(stateValue<int>(state, 2));
    actrl.setWeightPower(stateValue<int>(state, 4));
    return actrl;
}

py::array_t<double> means(std::array<std::int64_t, 4> const& bbox, int order, Numbers const& x, Numbers const& y,
                          Numbers const& width, Numbers const& height) {
    if (order < 0 || order > mostMeans) {
        throw InvalidParameterError("order is " + std::to_string(order) + "; it must be from 0 to " +
                                    std::to_string(mostMeans));
    }
    auto const xs = numbersOf(x, "x"), ys = numbersOf(y, "y"), widths = numbersOf(width, "width"),
               heights = numbersOf(height, "height");
    py::array_t<double> terms({static_cast<py::ssize_t>((order + 1) * (order + 2) / 2), x.size()});
    std::span<double> const out(terms.mutable_data(), static_cast<std::size_t>(terms.size()));
    py::gil_scoped_release const release;
    chebyshevMeans(toBox(bbox), order, xs, ys, widths, heights, out);
    return terms;
}

py::tuple controlState(ApproximateControl const& actrl) {
    return py::make_tuple(actrl.getStyle(), actrl.getOrderX(), actrl.getOrderY(), actrl.getWeighting(),
                          actrl.getWeightPower());
}

}  // namespace

void declareApproximate(py::module_& module) {
    py::class_<ApproximateControl, std::shared_ptr<ApproximateControl>> control(module, "ApproximateControl",
                                                                                InitialisedOnly{});
    py::native_enum<ApproximateControl::Style>(control, "Style", "enum.IntEnum")
            .value("UNKNOWN", ApproximateControl::UNKNOWN)
            .value("CHEBYSHEV", ApproximateControl::CHEBYSHEV)
            .value("NUM_STYLES", ApproximateControl::NUM_STYLES)
            .export_values()
            .finalize();
    control.def(py::init<ApproximateControl::Style, int, int, bool>(), py::arg("style"), py::arg("orderX"),
                py::arg("orderY") = -1, py::arg("weighting") = true)
            .def("getStyle", &ApproximateControl::getStyle)
            .def("getOrderX", &ApproximateControl::getOrderX)
            .def("getOrderY", &ApproximateControl::getOrderY)
            .def("getWeighting", &ApproximateControl::getWeighting)
            .def("getWeightPower", &ApproximateControl::getWeightPower)
            .def("setStyle", &ApproximateControl::setStyle, py::arg("style"))
            .def("setOrderX", &ApproximateControl::setOrderX, py::arg("orderX"))
            .def("setOrderY", &ApproximateControl::setOrderY, py::arg("orderY"))
            .def("setWeighting", &ApproximateControl::setWeighting, py::arg("weighting"))
            .def("setWeightPower", &ApproximateControl::setWeightPower, py::arg("weightPower"))
            .def(
                    "__eq__", [](ApproximateControl const& a, ApproximateControl const& b) { return a == b; },
                    py::is_operator())
            .def("__copy__", [](ApproximateControl const& self) { return ApproximateControl(self); })
            .def("__deepcopy__",
                 [](ApproximateControl const& self, py::dict const&) { return ApproximateControl(self); })
            .def("__repr__",
                 [](ApproximateControl const& self) {
                     return py::str("ApproximateControl(style={}, orderX={}, orderY={}, weighting={}, weightPower={})")
                             .format(self.getStyle() == ApproximateControl::CHEBYSHEV ? "CHEBYSHEV" : "UNKNOWN",
                                     self.getOrderX(), self.getOrderY(), self.getWeighting(), self.getWeightPower());
                 })
            .attr("__hash__") = py::none();

    definePickle(control, &controlState, &controlFromState, ApproximateControl::CHEBYSHEV, 0);

    py::class_<Approximate, std::shared_ptr<Approximate>>(module, "Approximate", InitialisedOnly{})
            .def(py::init([](std::vector<double> const& x, std::vector<double> const& y, py::array const& image,
                             std::optional<py::array> const& variance, std::array<std::int64_t, 4> const& bbox,
                             ApproximateControl actrl) {
                     InputPlane<float> const values(image, "The image");
                     InputPlane<float> const errors(variance, "The variance");
                     py::gil_scoped_release const release;
                     return Approximate(x, y, {values.view(), {}, errors.view()}, toBox(bbox), actrl);
                 }),
                 py::arg("x"), py::arg("y"), py::arg("image"), py::arg("variance"), py::arg("bbox"), py::arg("actrl"))
            .def(py::init([](std::array<std::int64_t, 4> const& bbox, ApproximateControl actrl,
                             std::vector<double> coefficients, std::vector<double> covariance) {
                     return Approximate(toBox(bbox), actrl, std::move(coefficients), std::move(covariance));
                 }),
                 py::arg("bbox"), py::arg("actrl"), py::arg("coefficients"), py::arg("covariance"))
            .def(
                    "get_image",
                    [](Approximate const& self, py::array out, std::array<std::int64_t, 4> const& bbox, int orderX,
                       int orderY, int num_threads) {
                        dispatchFloating(out, [&]<typename T>(T) {
                            auto const view = outputPlane<T>(out, "The output image");
                            py::gil_scoped_release const release;
                            self.getImage(view, toBox(bbox), orderX, orderY, num_threads);
                        });
                    },
                    py::arg("out"), py::arg("bbox"), py::arg("orderX") = -1, py::arg("orderY") = -1,
                    py::arg("num_threads") = 0)
            .def(
                    "get_variance",
                    [](Approximate const& self, py::array out, std::array<std::int64_t, 4> const& bbox, int orderX,
                       int orderY, int num_threads) {
                        auto const view = outputPlane<VariancePixel>(out, "The output variance");
                        py::gil_scoped_release const release;
                        self.getVariance(view, toBox(bbox), orderX, orderY, num_threads);
                    },
                    py::arg("out"), py::arg("bbox"), py::arg("orderX") = -1, py::arg("orderY") = -1,
                    py::arg("num_threads") = 0)
            .def("evaluate", &Approximate::evaluate, py::arg("x"), py::arg("y"))
            .def("get_bbox", [](Approximate const& self) { return fromBox(self.getBBox()); })
            .def("get_control", &Approximate::getControl, py::return_value_policy::copy)
            .def("get_coefficients", [](Approximate const& self) { return toArray(self.getCoefficients()); })
            .def("get_covariance",
                 [](Approximate const& self) {
                     auto const n = static_cast<py::ssize_t>(self.getCoefficients().size());
                     return toArray(self.getCovariance()).reshape({n, n});
                 })
            .def(py::pickle(
                    [](Approximate const& self) {
                        return py::make_tuple(fromBox(self.getBBox()), self.getControl(), self.getCoefficients(),
                                              self.getCovariance());
                    },
                    [](py::tuple const& state) {
                        checkState(state, 4, "an Approximate");
                        return Approximate(toBox(stateValue<std::array<std::int64_t, 4>>(state, 0)),
                                           stateValue<ApproximateControl>(state, 1),
                                           stateValue<std::vector<double>>(state, 2),
                                           stateValue<std::vector<double>>(state, 3));
                    }));

    module.def("chebyshev_means", &means, py::arg("bbox"), py::arg("order"), py::arg("x"), py::arg("y"),
               py::arg("width"), py::arg("height"));
}

}  // namespace evensky::python
