#include "evensky/matching.hpp"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "arrays.hpp"
#include "initialised.hpp"
#include "module.hpp"

namespace evensky::python {

namespace {

using Planes = std::tuple<py::array, std::optional<py::array>, std::optional<py::array>>;

MatchingResult match(Planes const& reference, Planes const& science, py::array matched, std::int64_t x0,
                     std::int64_t y0, MatchingOptions options, int num_threads) {
    auto const& [refImage, refMask, refVariance] = reference;
    auto const& [sciImage, sciMask, sciVariance] = science;
    return dispatchFloating(sciImage, [&]<typename T>(T) {
        InputPlane<T> const image(refImage, "The reference image");
        InputPlane<MaskPixel> const mask(refMask, "The reference mask");
        InputPlane<VariancePixel> const variance(refVariance, "The reference variance");
        InputPlane<T> const scienceImage(sciImage, "The science image");
        InputPlane<MaskPixel> const scienceMask(sciMask, "The science mask");
        InputPlane<VariancePixel> const scienceVariance(sciVariance, "The science variance");
        auto const out = outputPlane<T>(matched, "The matched image");
        MaskedImageView<T const> const from(image.view(), mask.view(), variance.view());
        MaskedImageView<T const> const to(scienceImage.view(), scienceMask.view(), scienceVariance.view());
        py::gil_scoped_release const release;
        return matchBackgrounds<T>(from, to, out, x0, y0, options, num_threads);
    });
}

}  // namespace

void declareMatching(py::module_& module) {
    py::class_<MatchingOptions>(module, "MatchingOptions", InitialisedOnly{})
            .def(py::init<>())
            .def_readwrite("usePolynomial", &MatchingOptions::usePolynomial)
            .def_readwrite("order", &MatchingOptions::order)
            .def_readwrite("referenceBadMask", &MatchingOptions::referenceBadMask)
            .def_readwrite("scienceBadMask", &MatchingOptions::scienceBadMask)
            .def_readwrite("gridStatistic", &MatchingOptions::gridStatistic)
            .def_readwrite("undersampleStyle", &MatchingOptions::undersampleStyle)
            .def_readwrite("binSize", &MatchingOptions::binSize)
            .def_readwrite("interpStyle", &MatchingOptions::interpStyle)
            .def_readwrite("numSigmaClip", &MatchingOptions::numSigmaClip)
            .def_readwrite("numIter", &MatchingOptions::numIter)
            .def_readwrite("approxWeighting", &MatchingOptions::approxWeighting)
            .def_readwrite("approxWeightPower", &MatchingOptions::approxWeightPower)
            .def_readwrite("gridStdevEpsilon", &MatchingOptions::gridStdevEpsilon)
            .def_readwrite("scienceLabel", &MatchingOptions::scienceLabel);

    py::class_<MatchedBin>(module, "MatchedBin", InitialisedOnly{})
            .def_readonly("x", &MatchedBin::x)
            .def_readonly("y", &MatchedBin::y)
            .def_readonly("value", &MatchedBin::value)
            .def_readonly("error", &MatchedBin::error)
            .def_readonly("count", &MatchedBin::count)
            .def_readonly("residual", &MatchedBin::residual);

    py::class_<MatchingResult>(module, "MatchingResult", InitialisedOnly{})
            .def_readonly("fitRMS", &MatchingResult::fitRMS)
            .def_readonly("matchedMSE", &MatchingResult::matchedMSE)
            .def_readonly("diffImVar", &MatchingResult::diffImVar)
            .def_readonly("background", &MatchingResult::background)
            .def_readonly("approximate", &MatchingResult::approximate)
            .def_readonly("asUsed", &MatchingResult::asUsed)
            .def_readonly("order", &MatchingResult::order)
            .def_readonly("binSize", &MatchingResult::binSize)
            .def_readonly("bins", &MatchingResult::bins)
            .def_readonly("goodFraction", &MatchingResult::goodFraction)
            .def_readonly("goodBinFraction", &MatchingResult::goodBinFraction)
            .def_readonly("extrapolatedFraction", &MatchingResult::extrapolatedFraction)
            .def_readonly("reduced", &MatchingResult::reduced)
            .def_readonly("warnings", &MatchingResult::warnings);

    module.def("matchBackgrounds", &match, py::arg("reference"), py::arg("science"), py::arg("matched"), py::arg("x0"),
               py::arg("y0"), py::arg("options"), py::arg("num_threads") = 0);
}

}  // namespace evensky::python
