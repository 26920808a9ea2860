#include "evensky/box.hpp"

namespace evensky {

std::string Box::toString() const {
    if (isEmpty()) return "(empty)";
    auto const range = [](std::int64_t first, std::int64_t size) {
        return std::to_string(first).append(":").append(std::to_string(first + size - 1));
    };
    return std::string("(").append(range(x0, width)).append(",").append(range(y0, height)).append(")");
}

}  // namespace evensky
