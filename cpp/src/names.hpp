#pragma once

// Conversion of names to enumerators.

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "evensky/errors.hpp"

namespace evensky::detail {

// Return a text in quotes for a message: on one line, and not too long.
inline std::string quoted(std::string const& text) {
    constexpr std::size_t most = 80;
    auto length = std::min(text.size(), most);
    // A character of UTF-8 is not cut: its bytes after the first begin with the bits 10.
    while (length < text.size() && (static_cast<unsigned char>(text[length]) & 0xC0U) == 0x80U) --length;
    std::string result = "\"";
    for (char const c : text.substr(0, length)) result += static_cast<unsigned char>(c) < ' ' ? '?' : c;
    return result + (length < text.size() ? "...\"" : "\"");
}

// Return the value of `name` in a table of (name, value) pairs. Throws NotFoundError, which lists the known names, if
// it is not in the table; `what` describes the names in the message.
template <typename Table>
auto valueOfName(Table const& table, std::string const& name, char const* what) {
    std::string known;
    for (auto const& [known_name, value] : table) {
        if (known_name == name) return value;
        known += (known.empty() ? "" : ", ") + std::string(known_name);
    }
    throw NotFoundError("Unknown " + std::string(what) + " " + quoted(name) + "; the known ones are " + known);
}

}  // namespace evensky::detail
