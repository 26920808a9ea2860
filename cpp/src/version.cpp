#include "evensky/version.hpp"

namespace evensky {

char const* version() noexcept { return EVENSKY_VERSION; }

}  // namespace evensky
