#pragma once

// Conversion of names to enumerators.

#include <string>
#include <string_view>
#include <utility>

#include "evensky/errors.hpp"

namespace evensky::detail {

// Return the value of `name` in a table of (name, value) pairs. Throws NotFoundError, which lists the known names, if
// it is not in the table; `what` describes the names in the message.
template <typename Table>
auto valueOfName(Table const& table, std::string const& name, char const* what) {
    std::string known;
    for (auto const& [known_name, value] : table) {
        if (known_name == name) return value;
        known += (known.empty() ? "" : ", ") + std::string(known_name);
    }
    throw NotFoundError("Unknown " + std::string(what) + " \"" + name + "\"; the known ones are " + known);
}

}  // namespace evensky::detail
