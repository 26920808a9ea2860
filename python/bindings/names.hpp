#pragma once

// Conversion of the names of options, as they are in Python, to enumerators.

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "evensky/combine.hpp"
#include "evensky/errors.hpp"

namespace evensky::python {

template <typename Enum, std::size_t Number>
using NamesOf = std::array<std::pair<std::string_view, Enum>, Number>;

// Return the enumerator that has a name. Throws InvalidParameterError, which lists the names, if there is none;
// `option` is that of the message.
template <typename Enum, std::size_t Number>
Enum named(std::string const& name, char const* option, NamesOf<Enum, Number> const& names) {
    std::string allowed;
    for (auto const& row : names) {
        if (row.first == name) return row.second;
        allowed += (allowed.empty() ? "'" : ", '") + std::string(row.first) + "'";
    }
    throw InvalidParameterError(std::string(option) + " is '" + name + "'; it must be one of " + allowed);
}

inline ClipCentre centreNamed(std::string const& name, char const* option = "centre") {
    return named(name, option, NamesOf<ClipCentre, 2>{{{"median", ClipCentre::MEDIAN}, {"mean", ClipCentre::MEAN}}});
}
inline ClipCentre centreNamed(std::optional<std::string> const& name) {
    return name ? centreNamed(*name) : ClipCentre::NONE;
}
inline ClipScatter scatterNamed(std::optional<std::string> const& name) {
    if (!name) return ClipScatter::NONE;
    return named(*name, "scatter", NamesOf<ClipScatter, 2>{{{"std", ClipScatter::STDEV}, {"mad", ClipScatter::MAD}}});
}

}  // namespace evensky::python
