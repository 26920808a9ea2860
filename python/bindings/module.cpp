#include "module.hpp"
#include "evensky/version.hpp"

PYBIND11_MODULE(_core, module) {
    namespace py = evensky::python;
    module.doc() = "Compiled core of evensky; use evensky.math and evensky.tasks instead.";
    module.attr("__version__") = evensky::version();
    py::declareErrors(module);
    py::declareParallel(module);
    py::declareStatistics(module);
    py::declareInterpolate(module);
    py::declareApproximate(module);
    py::declareBackground(module);
    py::declareBackgroundMesh(module);
    py::declarePair(module);
    py::declareDifferences(module);
    py::declareStoredPlanes(module);
    py::declareSampling(module);
    py::declareStack(module);
    py::declareCombine(module);
    py::declareClippedStats(module);
    py::declareBinImage(module);
}
