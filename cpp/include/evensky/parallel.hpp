#pragma once

/// @file
/// Threads. No result of the library depends on their number: work is split into pieces independently of it, and the
/// results of the pieces are combined in a fixed order.

#include <cstddef>
#include <functional>

#include "evensky/export.hpp"

namespace evensky {

/// Return the process-wide default number of threads, which calls use if `num_threads` is 0. It is 1 until it is set.
/// Safe to call from any thread at any time.
[[nodiscard]] EVENSKY_EXPORT int getNumThreads() noexcept;

/// Set the process-wide default number of threads. Safe to call from any thread at any time.
/// @throws InvalidParameterError if `num_threads` < 1
EVENSKY_EXPORT void setNumThreads(int num_threads);

/// Set a function that can interrupt calls of the library; null, the initial value, for none. During a call, the
/// calling thread calls `check` between pieces of work, at most ten times a second. An exception that `check` throws
/// ends the call and is passed to the caller; outputs of the call may then be incomplete. `check` must be safe to call
/// from any thread. Safe to call from any thread at any time.
EVENSKY_EXPORT void setInterruptCheck(void (*check)()) noexcept;

/// Allow an interruption; for use in long loops. Call the function that setInterruptCheck has set, unless it was called
/// a short time ago. In a worker thread of `parallelFor`, end the piece if the call has been interrupted or has failed.
/// @throws the exception of the check
EVENSKY_EXPORT void checkInterrupt();

/// Call `work(i)` once for each i in [0, count), in up to `num_threads` threads (0: the process-wide default), but not
/// in more than 1024. Each
/// thread takes the next piece when it is free. If pieces throw, no more pieces are started, and the exception of the
/// lowest-numbered piece that threw is rethrown in the calling thread. `work` must be safe to call from several threads
/// at once. Safe to call from any thread.
/// @throws InvalidParameterError if `num_threads` < 0 or `work` is empty
EVENSKY_EXPORT void parallelFor(std::ptrdiff_t count, int num_threads, std::function<void(std::ptrdiff_t)> const& work);

}  // namespace evensky
