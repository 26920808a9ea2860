// Translation of C++ exceptions into the classes of evensky.errors.

#include "evensky/errors.hpp"

#include <pybind11/gil_safe_call_once.h>
#include <pybind11/pybind11.h>

#include "module.hpp"

namespace evensky::python {

namespace py = pybind11;

namespace {

void raise(char const* name, std::exception const& error) {
    PYBIND11_CONSTINIT static py::gil_safe_call_once_and_store<py::object> storage;
    auto const& errors =
            storage.call_once_and_store_result([] { return py::module_::import("evensky.errors"); }).get_stored();
    py::set_error(py::getattr(errors, name), error.what());
}

}  // namespace

void declareErrors(py::module_&) {
    py::register_local_exception_translator([](std::exception_ptr pointer) {
        try {
            if (pointer) std::rethrow_exception(pointer);
        } catch (NotFoundError const& error) {
            raise("NotFoundError", error);
        } catch (InvalidParameterError const& error) {
            raise("InvalidParameterError", error);
        } catch (LengthError const& error) {
            raise("LengthError", error);
        } catch (OutOfRangeError const& error) {
            raise("OutOfRangeError", error);
        } catch (RuntimeError const& error) {
            raise("RuntimeError", error);
        } catch (Error const& error) {
            raise("EvenskyError", error);
        }
    });
}

}  // namespace evensky::python
