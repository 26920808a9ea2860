// Translation of C++ exceptions to Python's classes, which evensky.errors hands over when it is imported. Errors are
// translated nowhere else.

#include "evensky/errors.hpp"

#include <pybind11/pybind11.h>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "module.hpp"

namespace evensky::python {

namespace py = pybind11;

namespace {

constexpr std::array names{"EvenskyError",  "InvalidParameterError", "LengthError",
                           "NotFoundError", "OutOfRangeError",       "RuntimeError"};

// Classes in the order of their names. They live as long as the process, as an error may be raised at any time.
std::array<PyObject*, names.size()> classes{};

void setErrorClasses(py::dict const& given) {
    decltype(classes) found{};
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (!given.contains(names[i])) throw py::key_error(std::string("There is no class ") + names[i]);
        py::object const cls = given[names[i]];
        if (PyExceptionClass_Check(cls.ptr()) == 0) {
            throw py::type_error(py::cast<std::string>(py::repr(cls)) + " is not a class of exceptions");
        }
        found[i] = cls.ptr();
    }
    for (auto* const cls : found) Py_INCREF(cls);
    for (auto* const cls : classes) Py_XDECREF(cls);
    classes = found;
}

void raise(char const* name, std::exception const& error) {
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (std::string_view(names[i]) == name && classes[i] != nullptr) return py::set_error(classes[i], error.what());
    }
    py::set_error(PyExc_RuntimeError, error.what());  // evensky.errors has not been imported
}

}  // namespace

void declareErrors(py::module_& module) {
    module.def("set_error_classes", &setErrorClasses, py::arg("classes"));
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
