#pragma once

// Names of enumerators, for users who write them as strings.

#include <string>
#include <string_view>
#include <utility>

#include "evensky/errors.hpp"

namespace evensky::detail {

// The value that a table of (name, value) pairs has for `name`; NotFoundError, which lists the known names, where there
// is none. `what` is what the names stand for.
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
