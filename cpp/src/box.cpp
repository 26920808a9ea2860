#include "evensky/box.hpp"

namespace evensky {

std::string Box::toString() const {
    if (isEmpty()) return "(empty)";
    auto const range = [](std::int64_t first, std::int64_t size) {
        // Unsigned arithmetic wraps around for a box beyond the largest integer, where signed would be undefined.
        auto const last =
                static_cast<std::int64_t>(static_cast<std::uint64_t>(first) + static_cast<std::uint64_t>(size) - 1U);
        return std::to_string(first).append(":").append(std::to_string(last));
    };
    return std::string("(").append(range(x0, width)).append(",").append(range(y0, height)).append(")");
}

}  // namespace evensky
