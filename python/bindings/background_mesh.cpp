#include "evensky/background_mesh.hpp"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "arrays.hpp"
#include "initialised.hpp"
#include "module.hpp"
#include "names.hpp"

namespace evensky::python {

namespace {

template <typename T>
py::array_t<T> copyOf(ImageView<T const> const& view) {
    return py::array_t<T>({view.height(), view.width()}, view.data());
}

// Write an image by one of the two functions of a mesh.
template <typename Write>
auto write(py::array& out, Write const& work) {
    return dispatchFloating(out, [&]<typename T>(T) {
        auto const view = outputPlane<T>(out, "The output image");
        py::gil_scoped_release const release;
        return work(view);
    });
}

}  // namespace

void declareBackgroundMesh(py::module_& module) {
    py::class_<BackgroundMesh, std::shared_ptr<BackgroundMesh>>(module, "BackgroundMesh", InitialisedOnly{})
            .def(py::init([](py::array const& image, std::optional<py::array> const& mask, std::int64_t x0,
                             std::int64_t y0, std::int64_t width, std::int64_t height, std::string const& edge,
                             std::string const& estimator, std::string const& rms_estimator, double sigma_low,
                             double sigma_high, int rounds, std::optional<std::string> const& centre,
                             std::optional<std::string> const& scatter, MaskPixel bad, int num_threads) {
                     MeshOptions options;
                     options.width = width;
                     options.height = height;
                     options.edge = stringToEdgeMethod(edge);
                     options.estimator = stringToLevelEstimator(estimator);
                     options.rmsEstimator = stringToScatterEstimator(rms_estimator);
                     options.sigmaLow = sigma_low;
                     options.sigmaHigh = sigma_high;
                     options.rounds = rounds;
                     options.centre = centreNamed(centre);
                     options.scatter = scatterNamed(scatter);
                     options.bad = bad;
                     StoredPlanes const planes(image, mask, std::nullopt, "");
                     py::gil_scoped_release const release;
                     return std::make_shared<BackgroundMesh>(planes.image(), x0, y0, options, num_threads);
                 }),
                 py::arg("image"), py::arg("mask"), py::arg("x0"), py::arg("y0"), py::arg("width"), py::arg("height"),
                 py::arg("edge"), py::arg("estimator"), py::arg("rms_estimator"), py::arg("sigma_low"),
                 py::arg("sigma_high"), py::arg("rounds"), py::arg("centre"), py::arg("scatter"), py::arg("bad") = 0,
                 py::arg("num_threads") = 0)
            .def(py::init([](std::array<std::int64_t, 4> const& bbox, std::int64_t width, std::int64_t height,
                             std::string const& edge, py::array const& level, py::array const& error,
                             py::array const& rms, py::array const& number) {
                     MeshOptions options;
                     options.width = width;
                     options.height = height;
                     options.edge = stringToEdgeMethod(edge);
                     InputPlane<double> const levels(level, "The level"), errors(error, "The error"),
                             scatters(rms, "The rms");
                     InputPlane<std::int64_t> const numbers(number, "The number");
                     return std::make_shared<BackgroundMesh>(toBox(bbox), options, levels.view(), errors.view(),
                                                             scatters.view(), numbers.view());
                 }),
                 py::arg("bbox"), py::arg("width"), py::arg("height"), py::arg("edge"), py::arg("level"),
                 py::arg("error"), py::arg("rms"), py::arg("number"))
            .def("fill", &BackgroundMesh::fill, py::arg("exclude_percentile"), py::arg("num_threads") = 0,
                 py::call_guard<py::gil_scoped_release>())
            .def("filter", &BackgroundMesh::filter, py::arg("height"), py::arg("width"),
                 py::arg("threshold") = py::none(), py::arg("num_threads") = 0,
                 py::call_guard<py::gil_scoped_release>())
            .def("fill_from_nearest", &BackgroundMesh::fillFromNearest, py::arg("least_good"),
                 py::arg("num_threads") = 0, py::call_guard<py::gil_scoped_release>())
            .def("filter_centred", &BackgroundMesh::filterCentred, py::arg("height"), py::arg("width"),
                 py::arg("least_change") = 0.0, py::arg("num_threads") = 0, py::call_guard<py::gil_scoped_release>())
            .def(
                    "get_image",
                    [](BackgroundMesh const& self, py::array out, std::array<std::int64_t, 4> const& bbox,
                       Interpolate::Style interpStyle, UndersampleStyle undersampleStyle, int num_threads) {
                        return write(out, [&](auto const& view) {
                            return self.getImage(view, toBox(bbox), interpStyle, undersampleStyle, num_threads);
                        });
                    },
                    py::arg("out"), py::arg("bbox"), py::arg("interpStyle"), py::arg("undersampleStyle"),
                    py::arg("num_threads") = 0)
            .def(
                    "get_rms_image",
                    [](BackgroundMesh const& self, py::array out, std::array<std::int64_t, 4> const& bbox,
                       Interpolate::Style interpStyle, UndersampleStyle undersampleStyle, int num_threads) {
                        return write(out, [&](auto const& view) {
                            return self.getRmsImage(view, toBox(bbox), interpStyle, undersampleStyle, num_threads);
                        });
                    },
                    py::arg("out"), py::arg("bbox"), py::arg("interpStyle"), py::arg("undersampleStyle"),
                    py::arg("num_threads") = 0)
            .def(
                    "get_spline_image",
                    [](BackgroundMesh const& self, py::array out, std::array<std::int64_t, 4> const& bbox,
                       int num_threads) {
                        write(out, [&](auto const& view) { self.getSplineImage(view, toBox(bbox), num_threads); });
                    },
                    py::arg("out"), py::arg("bbox"), py::arg("num_threads") = 0)
            .def(
                    "get_spline_rms_image",
                    [](BackgroundMesh const& self, py::array out, std::array<std::int64_t, 4> const& bbox,
                       int num_threads) {
                        write(out, [&](auto const& view) { self.getSplineRmsImage(view, toBox(bbox), num_threads); });
                    },
                    py::arg("out"), py::arg("bbox"), py::arg("num_threads") = 0)
            .def("getBinCentersX", [](BackgroundMesh const& self) { return toArray(self.getBinCentersX()); })
            .def("getBinCentersY", [](BackgroundMesh const& self) { return toArray(self.getBinCentersY()); })
            .def("get_image_bbox", [](BackgroundMesh const& self) { return fromBox(self.getImageBBox()); })
            .def("level", [](BackgroundMesh const& self) { return copyOf(self.level()); })
            .def("error", [](BackgroundMesh const& self) { return copyOf(self.error()); })
            .def("rms", [](BackgroundMesh const& self) { return copyOf(self.rms()); })
            .def("number", [](BackgroundMesh const& self) { return copyOf(self.number()); })
            .def("good", [](BackgroundMesh const& self) { return copyOf(self.good()); });
}

}  // namespace evensky::python
