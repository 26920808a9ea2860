#include "evensky/interpolate.hpp"

#include <pybind11/native_enum.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>

#include "arrays.hpp"
#include "evensky/parallel.hpp"
#include "initialised.hpp"
#include "module.hpp"

namespace evensky::python {

namespace {

py::array_t<double> interpolateArray(Interpolate const& self, Numbers const& x) {
    py::array_t<double> out(std::vector<py::ssize_t>(x.shape(), x.shape() + x.ndim()));
    auto const size = static_cast<std::size_t>(x.size());
    auto const* const from = x.data();
    auto* const to = out.mutable_data();
    py::gil_scoped_release const release;
    constexpr std::size_t most = std::size_t{1} << 16;
    for (std::size_t start = 0; start < size; start += most) {
        if (start > 0) checkInterrupt();
        self.interpolate(from + start, std::min(most, size - start), to + start);
    }
    return out;
}

}  // namespace

void declareInterpolate(py::module_& module) {
    py::class_<Interpolate, std::shared_ptr<Interpolate>> cls(module, "Interpolate", InitialisedOnly{});
    py::native_enum<Interpolate::Style>(cls, "Style", "enum.IntEnum")
            .value("UNKNOWN", Interpolate::UNKNOWN)
            .value("CONSTANT", Interpolate::CONSTANT)
            .value("LINEAR", Interpolate::LINEAR)
            .value("NATURAL_SPLINE", Interpolate::NATURAL_SPLINE)
            .value("CUBIC_SPLINE", Interpolate::CUBIC_SPLINE)
            .value("CUBIC_SPLINE_PERIODIC", Interpolate::CUBIC_SPLINE_PERIODIC)
            .value("AKIMA_SPLINE", Interpolate::AKIMA_SPLINE)
            .value("AKIMA_SPLINE_PERIODIC", Interpolate::AKIMA_SPLINE_PERIODIC)
            .value("NUM_STYLES", Interpolate::NUM_STYLES)
            .export_values()
            .finalize();
    cls.def(py::init([](Numbers const& x, Numbers const& y, Interpolate::Style style) {
                auto const xs = numbersOf(x, "x"), ys = numbersOf(y, "y");
                return Interpolate({xs.begin(), xs.end()}, {ys.begin(), ys.end()}, style);
            }),
            py::arg("x"), py::arg("y"), py::arg("style") = Interpolate::AKIMA_SPLINE)
            .def("interpolate", py::overload_cast<double>(&Interpolate::interpolate, py::const_), py::arg("x"))
            .def("interpolate", &interpolateArray, py::arg("x"))
            .def("getStyle", &Interpolate::getStyle)
            .def("getX", [](Interpolate const& self) { return toArray(self.getX()); })
            .def("getY", [](Interpolate const& self) { return toArray(self.getY()); })
            .def(py::pickle(
                    [](Interpolate const& self) { return py::make_tuple(self.getX(), self.getY(), self.getStyle()); },
                    [](py::tuple const& state) {
                        checkState(state, 3, "an Interpolate");
                        return Interpolate(stateValue<std::vector<double>>(state, 0),
                                           stateValue<std::vector<double>>(state, 1),
                                           stateValue<Interpolate::Style>(state, 2));
                    }));
    module.def("stringToInterpStyle", &stringToInterpStyle, py::arg("style"));
    module.def("lookupMaxInterpStyle", &lookupMaxInterpStyle, py::arg("n"));
    module.def("lookupMinInterpPoints", &lookupMinInterpPoints, py::arg("style"));
}

}  // namespace evensky::python
