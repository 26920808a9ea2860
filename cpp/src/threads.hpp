#pragma once

// What the library's own loops need beyond parallelFor.

#include <algorithm>
#include <atomic>
#include <cstddef>

#include "evensky/parallel.hpp"

namespace evensky::detail {

// Throws InvalidParameterError for a number of threads that is negative.
void checkThreads(int num_threads);

// parallelFor, each thread with a State of its own, which it keeps from piece to piece: memory that is got once. Where
// several pieces throw, any of their exceptions is thrown again.
template <typename State, typename Work>
void parallelForWith(std::ptrdiff_t count, int num_threads, Work const& work) {
    checkThreads(num_threads);
    auto const threads = std::min<std::ptrdiff_t>(num_threads == 0 ? getNumThreads() : num_threads, count);
    std::atomic<std::ptrdiff_t> next{0};
    parallelFor(threads, static_cast<int>(std::max<std::ptrdiff_t>(threads, 1)), [&](std::ptrdiff_t) {
        State state;
        for (;;) {
            auto const i = next.fetch_add(1, std::memory_order_relaxed);
            if (i >= count) return;
            if (i > 0) checkInterrupt();
            work(i, state);
        }
    });
}

}  // namespace evensky::detail
