#include "evensky/parallel.hpp"

#include "evensky/simd.hpp"

#include <atomic>

#include "module.hpp"

namespace evensky::python {

namespace py = pybind11;

namespace {

std::atomic<unsigned long> mainThread{0};

// Python handles signals in the main thread only, so other threads need not acquire the GIL.
void checkSignals() {
    if (PyThread_get_thread_ident() != mainThread.load(std::memory_order_relaxed)) return;
    py::gil_scoped_acquire const acquire;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

}  // namespace

void declareParallel(py::module_& module) {
    mainThread = py::module_::import("threading").attr("main_thread")().attr("ident").cast<unsigned long>();
    // After a fork, the thread that called it is the main thread of the child.
    if (py::module_ const os = py::module_::import("os"); py::hasattr(os, "register_at_fork")) {
        os.attr("register_at_fork")(py::arg("after_in_child") =
                                            py::cpp_function([] { mainThread = PyThread_get_thread_ident(); }));
    }
    setInterruptCheck(&checkSignals);
    module.def("get_num_threads", &getNumThreads);
    module.def("simd_level", &simdLevel);
    module.def("set_num_threads", &setNumThreads, py::arg("num_threads"));
}

}  // namespace evensky::python
