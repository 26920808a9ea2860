#include "evensky/statistics.hpp"

#include <pybind11/native_enum.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <variant>

#include "arrays.hpp"
#include "initialised.hpp"
#include "module.hpp"

namespace evensky::python {

namespace {

using Weights = StatisticsControl::WeightsBoolean;

// Whether to weight pixels, with the names and numbers of lsst.afw.math.
enum class WeightsNumber : std::uint8_t { WEIGHTS_FALSE = 0, WEIGHTS_TRUE = 1, WEIGHTS_NONE = 2 };
using UseWeights = std::optional<std::variant<WeightsNumber, bool>>;

Weights weightsOf(UseWeights const& useWeights) {
    if (!useWeights) return Weights::UNSET;
    if (auto const* const flag = std::get_if<bool>(&*useWeights)) return *flag ? Weights::TRUE_ : Weights::FALSE_;
    switch (std::get<WeightsNumber>(*useWeights)) {
        case WeightsNumber::WEIGHTS_FALSE: return Weights::FALSE_;
        case WeightsNumber::WEIGHTS_TRUE: return Weights::TRUE_;
        case WeightsNumber::WEIGHTS_NONE: break;
    }
    return Weights::UNSET;
}

// Accept bits as signed or as unsigned numbers, such as 0x80000000 or -1.
MaskPixel toBits(std::int64_t bits) {
    if (bits < std::numeric_limits<std::int32_t>::min() || bits > std::numeric_limits<std::uint32_t>::max()) {
        throw InvalidParameterError("Mask bits " + std::to_string(bits) + " do not fit into 32 bits");
    }
    return static_cast<MaskPixel>(static_cast<std::uint32_t>(bits));
}

StatisticsControl makeControl(double numSigmaClip, int numIter, std::int64_t andMask, bool isNanSafe,
                              UseWeights const& useWeights) {
    return StatisticsControl(numSigmaClip, numIter, toBits(andMask), isNanSafe, weightsOf(useWeights));
}

std::optional<bool> useWeights(StatisticsControl const& sctrl) {
    return sctrl.getWeightedIsSet() ? std::optional(sctrl.getWeighted()) : std::nullopt;
}

py::tuple controlState(StatisticsControl const& sctrl) {
    py::dict thresholds;
    for (int bit = 0; bit < 32; ++bit) {
        auto const& threshold = sctrl.getMaskPropagationThresholds()[static_cast<std::size_t>(bit)];
        if (threshold) thresholds[py::int_(bit)] = *threshold;
    }
    return py::make_tuple(sctrl.getNumSigmaClip(), sctrl.getNumIter(), sctrl.getAndMask(), sctrl.getNanSafe(),
                          useWeights(sctrl), sctrl.getCalcErrorFromInputVariance(), sctrl.getCalcErrorMosaicMode(),
                          sctrl.getNoGoodPixelsMask(), thresholds);
}

StatisticsControl controlFromState(py::tuple const& state) {
    checkState(state, 9, "a StatisticsControl");
    auto sctrl = makeControl(stateValue<double>(state, 0), stateValue<int>(state, 1), stateValue<MaskPixel>(state, 2),
                             stateValue<bool>(state, 3), UseWeights());
    if (auto const weights = stateValue<std::optional<bool>>(state, 4)) sctrl.setWeighted(*weights);
    sctrl.setCalcErrorFromInputVariance(stateValue<bool>(state, 5));
    sctrl.setCalcErrorMosaicMode(stateValue<bool>(state, 6));
    sctrl.setNoGoodPixelsMask(stateValue<MaskPixel>(state, 7));
    for (auto const& [bit, threshold] : stateValue<py::dict>(state, 8)) {
        sctrl.setMaskPropagationThreshold(stateValue<int>(bit), stateValue<double>(threshold));
    }
    return sctrl;
}

Statistics statisticsOf(py::array const& image, std::optional<py::array> const& mask,
                        std::optional<py::array> const& variance, std::optional<py::array> const& weights, int flags,
                        StatisticsControl sctrl, int num_threads, int bzero) {
    StoredPlanes const planes(image, mask, variance, "", bzero);
    StoredInput const weightsPlane(weights, PixelFormat::FLOAT32, "float32", "The weights image");
    py::gil_scoped_release const release;
    return makeStatistics(planes.image(), weightsPlane.plane(), flags, sctrl, num_threads);
}

}  // namespace

void declareStatistics(py::module_& module) {
    py::native_enum<Property> properties(module, "Property", "enum.IntFlag",
                                         "Statistics to compute; bits that may be OR-ed.");
    properties.value("NOTHING", NOTHING, "no property");
    for (auto const& row : propertyTable) {
        properties.value(std::string(row.name).c_str(), row.property, std::string(row.description).c_str());
    }
    properties.finalize();

    py::class_<StatisticsControl, std::shared_ptr<StatisticsControl>> control(module, "StatisticsControl",
                                                                              InitialisedOnly{});
    py::native_enum<WeightsNumber>(control, "WeightsBoolean", "enum.IntEnum", "Whether to weight pixels.")
            .value("WEIGHTS_FALSE", WeightsNumber::WEIGHTS_FALSE, "do not weight")
            .value("WEIGHTS_TRUE", WeightsNumber::WEIGHTS_TRUE, "weight by the weights image or by 1 / variance")
            .value("WEIGHTS_NONE", WeightsNumber::WEIGHTS_NONE, "weight by the weights image if there is one")
            .export_values()
            .finalize();
    control.def(py::init(&makeControl), py::arg("numSigmaClip") = 3.0, py::arg("numIter") = 3, py::arg("andMask") = 0,
                py::arg("isNanSafe") = true, py::arg("useWeights") = py::none())
            .def("getNumSigmaClip", &StatisticsControl::getNumSigmaClip)
            .def("getNumIter", &StatisticsControl::getNumIter)
            .def("getAndMask", &StatisticsControl::getAndMask)
            .def("getNanSafe", &StatisticsControl::getNanSafe)
            .def("getWeighted", &StatisticsControl::getWeighted)
            .def("getWeightedIsSet", &StatisticsControl::getWeightedIsSet)
            .def("getCalcErrorFromInputVariance", &StatisticsControl::getCalcErrorFromInputVariance)
            .def("getCalcErrorMosaicMode", &StatisticsControl::getCalcErrorMosaicMode)
            .def("getNoGoodPixelsMask", &StatisticsControl::getNoGoodPixelsMask)
            .def("getMaskPropagationThreshold", &StatisticsControl::getMaskPropagationThreshold, py::arg("bit"))
            .def("setNumSigmaClip", &StatisticsControl::setNumSigmaClip, py::arg("numSigmaClip"))
            .def("setNumIter", &StatisticsControl::setNumIter, py::arg("numIter"))
            .def(
                    "setAndMask",
                    [](StatisticsControl& self, std::int64_t andMask) { self.setAndMask(toBits(andMask)); },
                    py::arg("andMask"))
            .def("setNanSafe", &StatisticsControl::setNanSafe, py::arg("isNanSafe"))
            .def("setWeighted", &StatisticsControl::setWeighted, py::arg("useWeights"))
            .def("setCalcErrorFromInputVariance", &StatisticsControl::setCalcErrorFromInputVariance,
                 py::arg("calcErrorFromInputVariance"))
            .def("setCalcErrorMosaicMode", &StatisticsControl::setCalcErrorMosaicMode, py::arg("calcErrorMosaicMode"))
            .def("setNoGoodPixelsMask", &StatisticsControl::setNoGoodPixelsMask, py::arg("noGoodPixelsMask"))
            .def("setMaskPropagationThreshold", &StatisticsControl::setMaskPropagationThreshold, py::arg("bit"),
                 py::arg("threshold"))
            .def(
                    "__eq__", [](StatisticsControl const& a, StatisticsControl const& b) { return a == b; },
                    py::is_operator())
            .def("__copy__", [](StatisticsControl const& self) { return StatisticsControl(self); })
            .def("__deepcopy__", [](StatisticsControl const& self, py::dict const&) { return StatisticsControl(self); })
            .def("__repr__",
                 [](StatisticsControl const& self) {
                     return py::str("StatisticsControl(numSigmaClip={}, numIter={}, andMask=0x{:x}, isNanSafe={}, "
                                    "useWeights={})")
                             .format(self.getNumSigmaClip(), self.getNumIter(),
                                     static_cast<std::uint32_t>(self.getAndMask()), self.getNanSafe(),
                                     useWeights(self));
                 })
            .attr("__hash__") = py::none();
    definePickle(control, &controlState, &controlFromState);

    py::class_<Statistics>(module, "Statistics", InitialisedOnly{})
            .def(
                    "getResult",
                    [](Statistics const& self, int prop) { return self.getResult(static_cast<Property>(prop)); },
                    py::arg("prop") = 0)
            .def(
                    "getValue",
                    [](Statistics const& self, int prop) { return self.getValue(static_cast<Property>(prop)); },
                    py::arg("prop") = 0)
            .def(
                    "getError",
                    [](Statistics const& self, int prop) { return self.getError(static_cast<Property>(prop)); },
                    py::arg("prop") = 0)
            .def("getOrMask", &Statistics::getOrMask)
            // evensky.math.statistics adds __repr__, _repr_html_ and plot.
            .def("getFlags", &Statistics::getFlags);

    module.def("stringToStatisticsProperty", &stringToStatisticsProperty, py::arg("property"));
    module.def("makeStatistics", &statisticsOf, py::arg("image"), py::arg("mask"), py::arg("variance"),
               py::arg("weights"), py::arg("flags"), py::arg("sctrl"), py::arg("num_threads") = 0,
               py::arg("bzero") = 0);
    module.def(
            "makeMaskStatistics",
            [](py::array const& mask, int flags, int num_threads) {
                InputPlane<MaskPixel> const plane(mask, "The mask");
                py::gil_scoped_release const release;
                return makeMaskStatistics(plane.view(), flags, num_threads);
            },
            py::arg("mask"), py::arg("flags"), py::arg("num_threads") = 0);
}

}  // namespace evensky::python
