#include "evensky/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
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

using Clock = std::chrono::steady_clock;

// Often enough for a user who waits, seldom enough not to be seen in timings.
constexpr auto checkEvery = std::chrono::milliseconds(100);

std::atomic<int> defaultThreads{1};
std::atomic<void (*)()> interruptCheck{nullptr};
// Set in a thread that helps with another's call: the rest of its work is not wanted any more.
thread_local std::atomic<bool> const* unwanted = nullptr;
thread_local Clock::time_point lastCheck{};

// Thrown in a helping thread, and caught there.
struct Unwanted {};

}  // namespace

void setInterruptCheck(void (*check)()) noexcept { interruptCheck.store(check); }

void checkInterrupt() {
    if (unwanted != nullptr) {
        if (unwanted->load(std::memory_order_relaxed)) throw Unwanted{};
        return;
    }
    auto* const check = interruptCheck.load(std::memory_order_relaxed);
    if (check == nullptr) return;
    auto const now = Clock::now();
    if (now - lastCheck < checkEvery) return;
    lastCheck = now;
    check();
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
        for (std::ptrdiff_t i = 0; i < count; ++i) {
            if (i > 0) checkInterrupt();
            work(i);
        }
        return;
    }
    std::atomic<std::ptrdiff_t> next{0};
    std::atomic<bool> failed{false};
    std::mutex guard;
    std::ptrdiff_t failedAt = count;
    std::exception_ptr failure;
    auto const fail = [&](std::ptrdiff_t at) {
        std::scoped_lock const lock(guard);
        failed.store(true, std::memory_order_relaxed);
        if (at < failedAt) {
            failedAt = at;
            failure = std::current_exception();
        }
    };
    // An interruption comes before every piece.
    auto const interrupted = [&] {
        try {
            if (!failed.load(std::memory_order_relaxed)) checkInterrupt();
        } catch (...) {
            fail(-1);
        }
        return failed.load(std::memory_order_relaxed);
    };
    auto const run = [&] {
        for (;;) {
            if (interrupted()) return;
            auto const i = next.fetch_add(1, std::memory_order_relaxed);
            if (i >= count) return;
            try {
                work(i);
            } catch (Unwanted const&) {
                if (unwanted != &failed) fail(i);  // otherwise somebody has said why
            } catch (...) {
                fail(i);
            }
        }
    };
    std::ptrdiff_t running = 0;
    std::condition_variable ended;
    auto const help = [&] {
        unwanted = &failed;
        run();  // does not throw
        std::scoped_lock const lock(guard);
        --running;
        ended.notify_one();
    };
    std::vector<std::thread> pool;  // not std::jthread, which not every standard library has
    pool.reserve(static_cast<std::size_t>(threads - 1));
    try {
        for (std::ptrdiff_t t = 1; t < threads; ++t) {
            {
                std::scoped_lock const lock(guard);
                ++running;
            }
            pool.emplace_back(help);
        }
    } catch (std::system_error const&) {
        // The system has no more threads to give: the ones there are do the work.
        std::scoped_lock const lock(guard);
        --running;
    }
    run();
    // The helpers' last pieces may be long ones.
    for (std::unique_lock lock(guard); !ended.wait_for(lock, checkEvery, [&] { return running == 0; });) {
        lock.unlock();
        (void)interrupted();
        lock.lock();
    }
    for (auto& thread : pool) thread.join();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace evensky
