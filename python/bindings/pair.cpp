#include "evensky/pair.hpp"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "arrays.hpp"
#include "initialised.hpp"
#include "module.hpp"

namespace evensky::python {

namespace {

using Planes = std::tuple<py::array, std::optional<py::array>, std::optional<py::array>>;

PairResult match(Planes const& reference, Planes const& science, py::array matched, std::int64_t x0, std::int64_t y0,
                 PairOptions options, int num_threads) {
    auto const& [refImage, refMask, refVariance] = reference;
    auto const& [sciImage, sciMask, sciVariance] = science;
    return dispatchFloating(matched, [&]<typename T>(T) {
        StoredPlanes const from(refImage, refMask, refVariance, "reference ");
        StoredPlanes const to(sciImage, sciMask, sciVariance, "science ");
        auto const out = outputPlane<T>(matched, "The matched image");
        py::gil_scoped_release const release;
        return matchBackgrounds<T>(from.image(), to.image(), out, x0, y0, options, num_threads);
    });
}

}  // namespace

void declarePair(py::module_& module) {
    py::class_<PairOptions>(module, "PairOptions", InitialisedOnly{})
            .def(py::init<>())
            .def_readwrite("usePolynomial", &PairOptions::usePolynomial)
            .def_readwrite("order", &PairOptions::order)
            .def_readwrite("referenceBadMask", &PairOptions::referenceBadMask)
            .def_readwrite("scienceBadMask", &PairOptions::scienceBadMask)
            .def_readwrite("gridStatistic", &PairOptions::gridStatistic)
            .def_readwrite("undersampleStyle", &PairOptions::undersampleStyle)
            .def_readwrite("binSize", &PairOptions::binSize)
            .def_readwrite("interpStyle", &PairOptions::interpStyle)
            .def_readwrite("numSigmaClip", &PairOptions::numSigmaClip)
            .def_readwrite("numIter", &PairOptions::numIter)
            .def_readwrite("leastHalfWidth", &PairOptions::leastHalfWidth)
            .def_readwrite("approxWeighting", &PairOptions::approxWeighting)
            .def_readwrite("approxWeightPower", &PairOptions::approxWeightPower)
            .def_readwrite("gridStdevEpsilon", &PairOptions::gridStdevEpsilon)
            .def_readwrite("scienceLabel", &PairOptions::scienceLabel);

    py::class_<PairBin>(module, "PairBin", InitialisedOnly{})
            .def_readonly("x", &PairBin::x)
            .def_readonly("y", &PairBin::y)
            .def_readonly("value", &PairBin::value)
            .def_readonly("error", &PairBin::error)
            .def_readonly("count", &PairBin::count)
            .def_readonly("residual", &PairBin::residual);

    py::class_<PairResult>(module, "PairResult", InitialisedOnly{})
            .def_readonly("fitRMS", &PairResult::fitRMS)
            .def_readonly("matchedMSE", &PairResult::matchedMSE)
            .def_readonly("diffImVar", &PairResult::diffImVar)
            .def_readonly("background", &PairResult::background)
            .def_readonly("approximate", &PairResult::approximate)
            .def_readonly("asUsed", &PairResult::asUsed)
            .def_readonly("order", &PairResult::order)
            .def_readonly("binSize", &PairResult::binSize)
            .def_readonly("bins", &PairResult::bins)
            .def_readonly("goodFraction", &PairResult::goodFraction)
            .def_readonly("goodBinFraction", &PairResult::goodBinFraction)
            .def_readonly("extrapolatedFraction", &PairResult::extrapolatedFraction)
            .def_readonly("reduced", &PairResult::reduced)
            .def_readonly("warnings", &PairResult::warnings);

    module.def("matchBackgrounds", &match, py::arg("reference"), py::arg("science"), py::arg("matched"), py::arg("x0"),
               py::arg("y0"), py::arg("options"), py::arg("num_threads") = 0);
}

}  // namespace evensky::python
