#pragma once

// Extensions of parallelFor for loops of the library.

#include <algorithm>
#include <atomic>
#include <cstddef>

#include "evensky/parallel.hpp"

namespace evensky::detail {

// Throw InvalidParameterError if the number of threads is negative.
void checkThreads(int num_threads);

// Call work(i, state) once for each i, in several threads, each of which has its own State: working memory that is
// allocated once per thread. If several pieces throw, one of their exceptions is rethrown.
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
