#include "evensky/parallel.hpp"

#include "module.hpp"

namespace evensky::python {

void declareParallel(pybind11::module_& module) {
    module.def("get_num_threads", &getNumThreads);
    module.def("set_num_threads", &setNumThreads, pybind11::arg("num_threads"));
}

}  // namespace evensky::python
