#pragma once

/// @file
/// Which instruction set the library computes with. The numbers do not depend on it.

#include "evensky/export.hpp"

namespace evensky {

/// "avx512", "avx2" or "portable" (plain x86-64, or another machine): the best that this machine runs. The environment
/// variable EVENSKY_SIMD, holding one of these names when the library first computes, asks for less; a name that is
/// none of them means "portable". Thread-safe.
[[nodiscard]] EVENSKY_EXPORT char const* simdLevel() noexcept;

}  // namespace evensky
