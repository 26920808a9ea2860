#pragma once

/// @file
/// Threads. No result of the library depends on their number: work is split into pieces that do not depend on it,
/// and pieces are put together in a fixed order.

#include <cstddef>
#include <functional>

#include "evensky/export.hpp"

namespace evensky {

/// Number of threads that a call uses where it is not told otherwise (`num_threads` = 0). One until set.
/// Safe to call from any thread.
[[nodiscard]] EVENSKY_EXPORT int getNumThreads() noexcept;

/// Set the process-wide default. @throws InvalidParameterError where `num_threads` < 1
EVENSKY_EXPORT void setNumThreads(int num_threads);

/// Call `work(i)` once for each i in [0, count), from up to `num_threads` threads (0: the process-wide default).
/// Pieces are handed out as threads become free. Where pieces throw, the rest is left undone and the exception of the
/// lowest-numbered piece that threw is thrown again, in the calling thread.
/// @throws InvalidParameterError where `num_threads` < 0 or `work` is empty
EVENSKY_EXPORT void parallelFor(std::ptrdiff_t count, int num_threads, std::function<void(std::ptrdiff_t)> const& work);

}  // namespace evensky
