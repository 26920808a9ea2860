#include "evensky/bin_image.hpp"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "arrays.hpp"
#include "module.hpp"

namespace evensky::python {

namespace {

using Planes = std::tuple<py::array, std::optional<py::array>, std::optional<py::array>>;

template <typename T>
void binPixels(Planes& out, Planes const& image, std::ptrdiff_t binX, std::ptrdiff_t binY,
               std::optional<std::pair<MaskPixel, MaskPixel>> const& exclusion, int num_threads) {
    auto& [outImage, outMask, outVariance] = out;
    MaskedImageView<T> to(outputPlane<T>(outImage, "The output"));
    if (outMask) to.mask = outputPlane<MaskPixel>(*outMask, "The mask of the output");
    if (outVariance) to.variance = outputPlane<VariancePixel>(*outVariance, "The variance of the output");
    InputPlane<T> const pixels(std::get<0>(image), "The image");
    InputPlane<MaskPixel> const mask(std::get<1>(image), "The mask");
    InputPlane<VariancePixel> const variance(std::get<2>(image), "The variance");
    std::optional<BinExclusion> leftOut;
    if (exclusion) leftOut = BinExclusion{exclusion->first, exclusion->second};
    py::gil_scoped_release const release;
    binImage<T>(to, {pixels.view(), mask.view(), variance.view()}, binX, binY, leftOut, num_threads);
}

void bin(Planes out, Planes const& image, std::ptrdiff_t binX, std::ptrdiff_t binY,
         std::optional<std::pair<MaskPixel, MaskPixel>> const& exclusion, int num_threads) {
    auto const& dtype = std::get<0>(image).dtype();
    auto const is = [&dtype]<typename T>(T) { return dtype.equal(py::dtype::of<T>()); };
    auto const work = [&]<typename T>(T) { binPixels<T>(out, image, binX, binY, exclusion, num_threads); };
    if (is(float{})) return work(float{});
    if (is(double{})) return work(double{});
    if (is(std::int32_t{})) return work(std::int32_t{});
    if (is(std::uint16_t{})) return work(std::uint16_t{});
    throw InvalidParameterError("Pixels have dtype " + py::cast<std::string>(py::str(dtype)) +
                                "; it must be float32, float64, int32 or uint16 in native byte order");
}

}  // namespace

void declareBinImage(py::module_& module) {
    module.def("bin_image", &bin, py::arg("out"), py::arg("image"), py::arg("binX"), py::arg("binY"),
               py::arg("exclusion") = py::none(), py::arg("num_threads") = 0);
}

}  // namespace evensky::python
