#pragma once

// Objects that Python has made by __new__ alone hold nothing yet: they are refused.

#include <pybind11/pybind11.h>

#include <cstddef>
#include <string>

#include "evensky/errors.hpp"

namespace evensky::python {

namespace py = pybind11;

// Goes to py::class_ beside the name. Without it pybind11 would hand out memory that nobody has written to.
struct InitialisedOnly {};

[[noreturn]] inline void* refuseUninitialised(std::size_t) {
    throw py::type_error("An object whose __init__ was not called cannot be used");
}

// What a pickled state is made of. Python's own errors would not say what is wrong with it.
template <typename T>
T stateValue(py::handle value) {
    try {
        return value.cast<T>();
    } catch (py::cast_error const&) {
        throw InvalidParameterError("A state holds " + py::cast<std::string>(py::repr(value)) + ", a " +
                                    py::cast<std::string>(py::type::of(value).attr("__name__")) +
                                    ", where it must hold another type");
    }
}

template <typename T>
T stateValue(py::tuple const& state, std::size_t index) {
    return stateValue<T>(state[index]);
}

inline void checkState(py::tuple const& state, std::size_t size, char const* name) {
    if (state.size() != size) {
        throw InvalidParameterError("The state of " + std::string(name) + " has " + std::to_string(state.size()) +
                                    " values; it must have " + std::to_string(size));
    }
}

// Pickling of what can be changed. Its __setstate__ works for a new object and for one that is in use already, which
// pybind11 leaves as it is, without a word, in every function of that name: hence another one.
template <typename T, typename... Options, typename... Defaults>
void definePickle(py::class_<T, Options...>& cls, py::tuple (*toState)(T const&), T (*fromState)(py::tuple const&),
                  Defaults... defaults) {
    cls.def("__getstate__", toState);
    cls.attr("__setstate__") = py::cpp_function(
            [=](py::object const& self, py::tuple const& state) {
                auto value = fromState(state);
                py::type::of<T>().attr("__init__")(self, defaults...);  // does nothing where there is one
                self.cast<T&>() = std::move(value);
            },
            py::name("set_state"), py::is_method(cls), py::arg("state"));
}

}  // namespace evensky::python

namespace pybind11::detail {

template <>
struct process_attribute<evensky::python::InitialisedOnly>
        : process_attribute_default<evensky::python::InitialisedOnly> {
    static void init(evensky::python::InitialisedOnly const&, type_record* record) {
        record->operator_new = &evensky::python::refuseUninitialised;
    }
};

}  // namespace pybind11::detail
