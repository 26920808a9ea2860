#include "evensky/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "evensky/errors.hpp"
#include "threads.hpp"

namespace evensky {

namespace {
std::atomic<int> defaultThreads{1};
}

int getNumThreads() noexcept { return defaultThreads.load(std::memory_order_relaxed); }

void setNumThreads(int num_threads) {
    if (num_threads < 1) {
        throw InvalidParameterError("num_threads = " + std::to_string(num_threads) + "; it must be at least 1");
    }
    defaultThreads.store(num_threads, std::memory_order_relaxed);
}

void detail::checkThreads(int num_threads) {
    if (num_threads < 0) {
        throw InvalidParameterError("num_threads = " + std::to_string(num_threads) +
                                    "; it must be at least 1, or 0 for the process-wide default");
    }
}

void parallelFor(std::ptrdiff_t count, int num_threads, std::function<void(std::ptrdiff_t)> const& work) {
    detail::checkThreads(num_threads);
    if (!work) throw InvalidParameterError("The work is an empty function; it must be one that can be called");
    if (num_threads == 0) num_threads = getNumThreads();
    auto const threads = std::min<std::ptrdiff_t>(num_threads, count);
    if (threads <= 1) {
        for (std::ptrdiff_t i = 0; i < count; ++i) work(i);
        return;
    }
    std::atomic<std::ptrdiff_t> next{0};
    std::atomic<bool> failed{false};
    std::mutex guard;
    std::ptrdiff_t failedAt = count;
    std::exception_ptr failure;
    auto const run = [&] {
        for (;;) {
            if (failed.load(std::memory_order_relaxed)) return;
            auto const i = next.fetch_add(1, std::memory_order_relaxed);
            if (i >= count) return;
            try {
                work(i);
            } catch (...) {
                std::scoped_lock const lock(guard);
                failed.store(true, std::memory_order_relaxed);
                if (i < failedAt) {
                    failedAt = i;
                    failure = std::current_exception();
                }
            }
        }
    };
    std::vector<std::thread> pool;  // not std::jthread, which not every standard library has
    pool.reserve(static_cast<std::size_t>(threads - 1));
    try {
        for (std::ptrdiff_t t = 1; t < threads; ++t) pool.emplace_back(run);
    } catch (std::system_error const&) {
        // The system has no more threads to give: the ones there are do the work.
    }
    run();  // does not throw
    for (auto& thread : pool) thread.join();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace evensky
