#pragma once

// Functions that add classes and functions to the module, one in each file.

#include <pybind11/pybind11.h>

namespace evensky::python {

void declareErrors(pybind11::module_& module);
void declareParallel(pybind11::module_& module);
void declareStatistics(pybind11::module_& module);
void declareInterpolate(pybind11::module_& module);
void declareApproximate(pybind11::module_& module);
void declareBackground(pybind11::module_& module);
void declareBackgroundMesh(pybind11::module_& module);
void declarePair(pybind11::module_& module);
void declareDifferences(pybind11::module_& module);
void declareStoredPlanes(pybind11::module_& module);
void declareSampling(pybind11::module_& module);
void declareStack(pybind11::module_& module);
void declareCombine(pybind11::module_& module);
void declareClippedStats(pybind11::module_& module);
void declareBinImage(pybind11::module_& module);

}  // namespace evensky::python
