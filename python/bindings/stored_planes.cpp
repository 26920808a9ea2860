#include "evensky/stored_planes.hpp"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "arrays.hpp"
#include "module.hpp"

namespace evensky::python {

namespace {

// Copy pixels, or masks, to an array in native byte order.
void copyPixels(py::array const& pixels, py::array& out) {
    StoredInput const stored(pixels, "The plane");
    auto const to = outputPlane<float>(out, "out");
    py::gil_scoped_release const release;
    copy_pixels(stored.plane(), to);
}

// Return the OR of all masks.
MaskPixel copyMasks(py::array const& mask, py::array& out) {
    StoredInput const stored(mask, PixelFormat::INT32, "int32", "The mask");
    auto const to = outputPlane<MaskPixel>(out, "out");
    py::gil_scoped_release const release;
    return copy_masks(stored.plane(), to);
}

void mark(py::array& image, py::array const& mask, MaskPixel bad) {
    auto const stored = StoredInput::mask(mask, "The mask");
    dispatchFloating(image, [&]<typename T>(T) {
        auto const to = outputPlane<T>(image, "image");
        py::gil_scoped_release const release;
        mark_bad<T>(to, stored.plane(), bad);
    });
}

// Return the number of positive finite values, the least and the greatest.
py::tuple range(py::array const& values) {
    StoredInput const stored(values, PixelFormat::FLOAT32, "float32", "The plane");
    auto const found = [&] {
        py::gil_scoped_release const release;
        return positive_range(stored.plane());
    }();
    return py::make_tuple(found.count, found.least, found.greatest);
}

}  // namespace

void declareStoredPlanes(py::module_& module) {
    module.def("copy_pixels", &copyPixels, py::arg("pixels"), py::arg("out"));
    module.def("copy_masks", &copyMasks, py::arg("mask"), py::arg("out"));
    module.def("mark_bad", &mark, py::arg("image"), py::arg("mask"), py::arg("bad"));
    module.def("positive_range", &range, py::arg("values"));
}

}  // namespace evensky::python
