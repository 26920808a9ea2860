#pragma once

// Refusal of objects whose __init__ was not called, and pickling of mutable objects.

#include <pybind11/pybind11.h>

#include <cstddef>
#include <string>

#include "evensky/errors.hpp"

namespace evensky::python {

namespace py = pybind11;

// Option of py::class_ that refuses objects made by __new__ alone; pybind11 would give access to their uninitialised
// memory.
struct InitialisedOnly {};

[[noreturn]] inline void* refuseUninitialised(std::size_t) {
    throw py::type_error("An object whose __init__ was not called cannot be used");
}

// Return an element of a pickled state. The errors of pybind11 would not name the wrong value.
template <typename T>
T stateValue(py::handle value) {
    try {
        return value.cast<T>();
    } catch (py::cast_error const&) {
        throw InvalidParameterError("A state holds " + py::cast<std::string>(py::repr(value)) + ", a " +
                                    py::cast<std::string>(py::type::of(value).attr("__name__")) +
                                    "; another type is needed there");
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

// Pickling of mutable objects. __setstate__ works both for a new object and for one that is in use. For the latter,
// pybind11 silently ignores any function that is defined by the name __setstate__, so this one has another name.
template <typename T, typename... Options, typename... Defaults>
void definePickle(py::class_<T, Options...>& cls, py::tuple (*toState)(T const&), T (*fromState)(py::tuple const&),
                  Defaults... defaults) {
    cls.def("__getstate__", toState);
    cls.attr("__setstate__") = py::cpp_function(
            [=](py::object const& self, py::tuple const& state) {
                auto value = fromState(state);
                py::type::of<T>().attr("__init__")(self,
                                                   defaults...);  // does nothing if it is initialised
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
