#include "evensky/clipped_stats.hpp"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <tuple>

#include "arrays.hpp"
#include "module.hpp"
#include "names.hpp"

namespace evensky::python {

namespace {

// Mean, median, standard deviation, and the numbers of pixels that clipping has left and rejected.
using ClippedNumbers = std::tuple<double, double, double, std::int64_t, std::int64_t>;
using Planes = std::tuple<py::array_t<double>, py::array_t<double>, py::array_t<double>, py::array_t<std::int32_t>,
                          py::array_t<std::int32_t>>;

ClippedStatsOptions optionsFor(double sigmaLower, double sigmaUpper, int maxiters, std::string const& cenfunc,
                               std::string const& stdfunc, double stdDdof) {
    return {sigmaLower,
            sigmaUpper,
            maxiters,
            centreNamed(cenfunc, "cenfunc"),
            named(stdfunc, "stdfunc",
                  NamesOf<ClipScatter, 2>{{{"std", ClipScatter::STDEV}, {"mad_std", ClipScatter::MAD}}}),
            stdDdof};
}

template <typename T>
std::span<T> spanOf(py::array_t<T>& array) {
    return {array.mutable_data(), static_cast<std::size_t>(array.size())};
}

Planes ofLines(py::array const& values, bool columns, ClippedStatsOptions const& options, int num_threads) {
    return dispatchFloating(values, [&]<typename T>(T) -> Planes {
        InputPlane<T> const plane(values, "The array");
        auto const lines = values.shape(columns ? 1 : 0);
        py::array_t<double> mean(lines), median(lines), std(lines);
        py::array_t<std::int32_t> number(lines), rejected(lines);
        ClippedLines const out{spanOf(mean), spanOf(median), spanOf(std), spanOf(number), spanOf(rejected)};
        {
            py::gil_scoped_release const release;
            if (columns) {
                clippedStatsOfColumns<T>(out, plane.view(), options, num_threads);
            } else {
                clippedStatsOfRows<T>(out, plane.view(), options, num_threads);
            }
        }
        return {mean, median, std, number, rejected};
    });
}

}  // namespace

void declareClippedStats(py::module_& module) {
    module.def(
            "clippedStats",
            [](py::array const& image, std::optional<py::array> const& mask, MaskPixel bad, double sigmaLower,
               double sigmaUpper, int maxiters, std::string const& cenfunc, std::string const& stdfunc, double stdDdof,
               int num_threads) -> ClippedNumbers {
                StoredPlanes const planes(image, mask, std::nullopt, "");
                auto const options = optionsFor(sigmaLower, sigmaUpper, maxiters, cenfunc, stdfunc, stdDdof);
                py::gil_scoped_release const release;
                auto const stats = clippedStats(planes.image(), bad, options, num_threads);
                return {stats.mean, stats.median, stats.std, stats.number, stats.rejected};
            },
            py::arg("image"), py::arg("mask"), py::arg("bad"), py::arg("sigma_lower"), py::arg("sigma_upper"),
            py::arg("maxiters"), py::arg("cenfunc"), py::arg("stdfunc"), py::arg("std_ddof"),
            py::arg("num_threads") = 0);
    auto const declareLines = [&module](char const* name, bool columns) {
        module.def(
                name,
                [columns](py::array const& values, double sigmaLower, double sigmaUpper, int maxiters,
                          std::string const& cenfunc, std::string const& stdfunc, double stdDdof, int num_threads) {
                    return ofLines(values, columns,
                                   optionsFor(sigmaLower, sigmaUpper, maxiters, cenfunc, stdfunc, stdDdof),
                                   num_threads);
                },
                py::arg("values"), py::arg("sigma_lower"), py::arg("sigma_upper"), py::arg("maxiters"),
                py::arg("cenfunc"), py::arg("stdfunc"), py::arg("std_ddof"), py::arg("num_threads") = 0);
    };
    declareLines("clippedStatsOfColumns", true);
    declareLines("clippedStatsOfRows", false);
}

}  // namespace evensky::python
