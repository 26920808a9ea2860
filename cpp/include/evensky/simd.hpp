#pragma once

/// @file
/// Instruction set that the library uses. Results do not depend on it.

#include "evensky/export.hpp"

namespace evensky {

/// Return the instruction set in use: "avx512", "avx2" or "portable" (plain x86-64, or another machine). It is the best
/// one that the machine supports. The environment variable EVENSKY_SIMD can select a lower one by its name; unknown
/// names select "portable". The variable is read when the library first computes. Safe to call from any thread.
[[nodiscard]] EVENSKY_EXPORT char const* simdLevel() noexcept;

}  // namespace evensky
