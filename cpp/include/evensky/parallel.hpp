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

/// Have `check` called now and then by threads that are inside a call to the library: between pieces of work, from the
/// thread that made the call, at most ten times a second. It ends the call by throwing; what it throws is what the
/// caller gets, and what the call was to write may then be half written. Null, as at first: nothing is called. `check`
/// must be safe to call from any thread. Safe to call at any time.
EVENSKY_EXPORT void setInterruptCheck(void (*check)()) noexcept;

/// For long loops of one's own: call what setInterruptCheck was given, if it is time. Inside a piece of `parallelFor`
/// that another thread's call is waiting for, end the piece where that call has been interrupted or has failed.
/// @throws whatever the check throws
EVENSKY_EXPORT void checkInterrupt();

/// Call `work(i)` once for each i in [0, count), from up to `num_threads` threads (0: the process-wide default).
/// Pieces are handed out as threads become free. Where pieces throw, the rest is left undone and the exception of the
/// lowest-numbered piece that threw is thrown again, in the calling thread.
/// @throws InvalidParameterError where `num_threads` < 0 or `work` is empty
EVENSKY_EXPORT void parallelFor(std::ptrdiff_t count, int num_threads, std::function<void(std::ptrdiff_t)> const& work);

}  // namespace evensky
