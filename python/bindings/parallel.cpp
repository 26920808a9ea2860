#include "evensky/parallel.hpp"

#include "evensky/simd.hpp"

#include "module.hpp"

namespace evensky::python {

void declareParallel(pybind11::module_& module) {
    module.def("get_num_threads", &getNumThreads);
    module.def("simd_level", &simdLevel);
    module.def("set_num_threads", &setNumThreads, pybind11::arg("num_threads"));
}

}  // namespace evensky::python
